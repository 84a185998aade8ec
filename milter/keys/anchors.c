/*
 * anchors.c - the certification authorities that the configuration trusts, and
 * the revocation lists that are there of them. Each folder has one purpose:
 * roots of our own certificates, roots of others that are believed in incoming
 * mail alone, certificates that only complete a chain, and lists.
 *
 * Anchors are a directory of their own, never the system's TLS store (CRT-09).
 * Links are followed here, unlike in the keystore: anchors hold no secret, and
 * packages and c_rehash(1) place them by link.
 *
 * A revocation list is believed for its signature, so whoever fetches it may
 * own it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../log.h"
#include "anchors.h"
#include "keyfile.h"

#define ANCHOR_FILE_MAX		(1024 * 1024)
#define ANCHOR_FILES_MAX	4096
#define ANCHOR_CERTS_MAX	1024	/* in one file */

/* One walk over the folders. */
struct walk {
	struct owners	 owners;
	int		(*each)(void *arg, const struct trusted_file *file);
	void		*arg;
};

typedef int (*read_function)(const struct walk *walk,
    struct trusted_file *file, struct smime_error *err);

static bool
has_suffix(const struct dirent *entry, const char *a, const char *b)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, a) == 0 || strcmp(dot, b) == 0);
}

/* As authorities hand them out, in PEM or DER whatever the name says. */
static int
is_certificate(const struct dirent *entry)
{
	return has_suffix(entry, ".pem", ".crt") ||
	    has_suffix(entry, ".cer", ".der");
}

static int
is_crl(const struct dirent *entry)
{
	return has_suffix(entry, ".pem", ".crl");
}

/* The link's target is what is opened and judged. */
static char *
read_linked(const char *path, const struct owners *owners, size_t *len,
    struct smime_error *err)
{
	struct stat st;
	char *real, *buf;

	real = realpath(path, NULL);
	if (real == NULL) {
		smime_error_set(err, "cannot open %s", path);
		return NULL;
	}
	buf = keyfile_read(AT_FDCWD, real, path, owners, KEYFILE_PUBLIC,
	    ANCHOR_FILE_MAX, len, &st, err);
	free(real);
	return buf;
}

/*
 * OpenSSL decodes extensions when they are first needed and keeps them in the
 * certificate. These are about to be shared by threads: once and for all now.
 */
static void
decode_extensions(X509 *cert)
{
	X509_check_purpose(cert, -1, 0);
	ERR_clear_error();
}

static int
read_certs(const struct walk *walk, struct trusted_file *file,
    struct smime_error *err)
{
	char *buf;
	size_t len = 0;
	int i, rc;

	buf = read_linked(file->path, &walk->owners, &len, err);
	if (buf == NULL)
		return -1;
	rc = cert_read(buf, len, ANCHOR_CERTS_MAX, file->path, &file->certs,
	    err);
	for (i = 0; rc == 0 && i < sk_X509_num(file->certs); i++)
		decode_extensions(sk_X509_value(file->certs, i));
	OPENSSL_clear_free(buf, len + 1);
	return rc;
}

static char *
read_open(int fd, off_t size, const char *path, struct smime_error *err)
{
	ssize_t n;
	off_t done = 0;
	char *buf;

	if ((buf = malloc((size_t)size + 1)) == NULL) {
		smime_error_set(err, "%s", path);
		return NULL;
	}
	while (done < size) {
		n = read(fd, buf + done, (size_t)(size - done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			smime_error_setx(err, "%s cannot be read whole", path);
			free(buf);
			return NULL;
		}
		done += n;
	}
	return buf;
}

/* Of whatever owner, and large: some have megabytes. */
static int
read_crl(const struct walk *walk, struct trusted_file *file,
    struct smime_error *err)
{
	struct stat st;
	char *buf = NULL;
	int fd, rc;

	(void)walk;
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return smime_error_set(err, "%s", file->path);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		smime_error_setx(err, "%s is no regular file", file->path);
	else if (st.st_size > CRL_BYTES_MAX)
		smime_error_setx(err, "%s is over %d octets", file->path,
		    CRL_BYTES_MAX);
	else
		buf = read_open(fd, st.st_size, file->path, err);
	close(fd);
	if (buf == NULL)
		return -1;
	rc = crl_read(buf, (size_t)st.st_size, file->path, &file->crl, err);
	free(buf);
	return rc;
}

static int
visit(const struct walk *walk, struct trusted_file *file, read_function reader)
{
	struct smime_error why = { "" };
	int rc = 0;

	errno = 0;
	if (reader(walk, file, &why) != 0)
		file->why = why.text;
	/* What memory was short for is not at fault, and would be missed. */
	if (file->why != NULL && errno == ENOMEM)
		rc = -1;
	else
		rc = walk->each(walk->arg, file);
	sk_X509_pop_free(file->certs, X509_free);
	X509_CRL_free(file->crl);
	return rc;
}

/*
 * One bad file must not stop the mail of everybody whose issuer is in another:
 * it is handed on with its reason.
 */
static int
walk_directory(const struct walk *walk, enum trusted_kind kind,
    const char *dir, struct smime_error *err)
{
	bool lists = kind == TRUSTED_CRL;
	struct dirent **names = NULL;
	char path[4096];
	int i, n, rc = 0;

	n = scandir(dir, &names, lists ? is_crl : is_certificate, alphasort);
	if (n == -1)
		return smime_error_set(err, "cannot read the directory %s",
		    dir);
	for (i = 0; i < n; i++) {
		struct trusted_file file = { .kind = kind, .path = path };

		if (rc != 0 || i > ANCHOR_FILES_MAX) {
			free(names[i]);
			continue;
		}
		if (snprintf(path, sizeof(path), "%s/%s", dir,
		    names[i]->d_name) >= (int)sizeof(path))
			file.why = "a name is too long";
		else if (i == ANCHOR_FILES_MAX)
			file.why = "too many files in one directory";
		rc = file.why != NULL ? walk->each(walk->arg, &file) :
		    visit(walk, &file, lists ? read_crl : read_certs);
		free(names[i]);
	}
	free(names);
	return rc == 0 ? 0 : smime_error_setx(err, "out of memory for what "
	    "is trusted");
}

static bool
is_set(const char *dir)
{
	return dir != NULL && dir[0] != '\0';
}

const char *
trusted_word(enum trusted_kind kind)
{
	switch (kind) {
	case TRUSTED_ANCHOR:
		return "anchor";
	case TRUSTED_INCOMING:
		return "incoming-anchor";
	case TRUSTED_INTERMEDIATE:
		return "intermediate";
	case TRUSTED_CRL:
		break;
	}
	return "crl";
}

const char *
trusted_directory(const struct conf *conf, enum trusted_kind kind)
{
	const char *dir = NULL;

	switch (kind) {
	case TRUSTED_ANCHOR:
		dir = conf->anchors_dir;
		break;
	case TRUSTED_INCOMING:
		dir = conf->verify_anchors_dir;
		break;
	case TRUSTED_INTERMEDIATE:
		dir = conf->intermediates_dir;
		break;
	case TRUSTED_CRL:
		dir = conf->crl_dir;
		break;
	}
	return is_set(dir) ? dir : NULL;
}

/* Without its folder there are no lists, which is for others to judge. */
int
anchors_each(const struct conf *conf,
    int (*each)(void *arg, const struct trusted_file *file), void *arg,
    struct smime_error *err)
{
	static const enum trusted_kind kinds[] = { TRUSTED_ANCHOR,
	    TRUSTED_INCOMING, TRUSTED_INTERMEDIATE };
	struct walk walk = { .each = each, .arg = arg };
	struct smime_error why = { "" };
	const char *dir;
	size_t i;

	owners_init(&walk.owners, conf->key_user);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		dir = trusted_directory(conf, kinds[i]);
		if (dir != NULL &&
		    walk_directory(&walk, kinds[i], dir, err) != 0)
			return -1;
	}
	dir = trusted_directory(conf, TRUSTED_CRL);
	if (dir != NULL && walk_directory(&walk, TRUSTED_CRL, dir,
	    &why) != 0)
		log_debug("no revocation lists: %s", why.text);
	return 0;
}

static int
add_file(struct trust *trust, const struct trusted_file *file,
    struct smime_error *err)
{
	int i, rc = 0;

	if (file->crl != NULL)
		return trust_add_crl(trust, file->crl, err);
	for (i = 0; rc == 0 && i < sk_X509_num(file->certs); i++)
		rc = file->kind == TRUSTED_INTERMEDIATE ?
		    trust_add_intermediate(trust,
		    sk_X509_value(file->certs, i), err) :
		    trust_add_anchor(trust, sk_X509_value(file->certs, i),
		    err);
	return rc;
}

static int
load(void *arg, const struct trusted_file *file)
{
	struct smime_error err = { "" };

	if (file->why != NULL)
		smime_error_setx(&err, "%s", file->why);
	else
		add_file(arg, file, &err);
	if (err.text[0] != '\0')
		log_warning("left out among what is trusted: %s", err.text);
	return 0;
}

struct trust *
anchors_load(const struct conf *conf, struct smime_error *err)
{
	struct trust *trust = trust_new();

	if (trust == NULL) {
		smime_error_setx(err, "out of memory for the trust anchors");
		return NULL;
	}
	trust_set_crl_age(trust, (time_t)conf->crl_max_age);
	if (anchors_each(conf, load, trust, err) != 0)
		goto bad;
	if (trust_anchors(trust) == 0) {
		smime_error_setx(err, "%s holds no usable trust anchor; add "
		    "the root certificate of your mailbox certificates with "
		    "\"sampulctl trust add\"", conf->anchors_dir);
		goto bad;
	}
	if (trust_set_policies(trust,
	    (const char *const *)conf->policy_oids.items,
	    conf->policy_oids.count, err) != 0)
		goto bad;
	return trust;
bad:
	trust_free(trust);
	return NULL;
}
