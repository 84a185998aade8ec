/*
 * anchors.c - the certification authorities that the configuration trusts, and
 * the revocation lists that are there of them.
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

#include "keys.h"

#define ANCHOR_FILE_MAX		(1024 * 1024)
#define ANCHOR_FILES_MAX	4096
#define ANCHOR_CERTS_MAX	1024	/* in one file */

typedef int (*load_function)(struct trust *trust, const char *path,
    const struct owners *owners, struct smime_error *err);

static bool
has_suffix(const struct dirent *entry, const char *a, const char *b)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, a) == 0 || strcmp(dot, b) == 0);
}

static int
is_certificate(const struct dirent *entry)
{
	return has_suffix(entry, ".pem", ".crt");
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
load_certs(struct trust *trust, const char *path, const struct owners *owners,
    int (*add)(struct trust *, X509 *, struct smime_error *),
    struct smime_error *err)
{
	STACK_OF(X509) *certs = NULL;
	char *buf;
	size_t len = 0;
	int i, rc = -1;

	buf = read_linked(path, owners, &len, err);
	if (buf == NULL)
		return -1;
	if (cert_read(buf, len, ANCHOR_CERTS_MAX, path, &certs, err) != 0)
		goto out;
	for (i = 0; i < sk_X509_num(certs); i++) {
		decode_extensions(sk_X509_value(certs, i));
		if (add(trust, sk_X509_value(certs, i), err) != 0)
			goto out;
	}
	rc = 0;
out:
	sk_X509_pop_free(certs, X509_free);
	OPENSSL_clear_free(buf, len + 1);
	return rc;
}

static int
load_anchors(struct trust *trust, const char *path,
    const struct owners *owners, struct smime_error *err)
{
	return load_certs(trust, path, owners, trust_add_anchor, err);
}

static int
load_intermediates(struct trust *trust, const char *path,
    const struct owners *owners, struct smime_error *err)
{
	return load_certs(trust, path, owners, trust_add_intermediate, err);
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
load_crl(struct trust *trust, const char *path, const struct owners *owners,
    struct smime_error *err)
{
	X509_CRL *crl = NULL;
	struct stat st;
	char *buf = NULL;
	int fd, rc = -1;

	(void)owners;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return smime_error_set(err, "%s", path);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		smime_error_setx(err, "%s is no regular file", path);
	else if (st.st_size > CRL_BYTES_MAX)
		smime_error_setx(err, "%s is over %d octets", path,
		    CRL_BYTES_MAX);
	else
		buf = read_open(fd, st.st_size, path, err);
	close(fd);
	if (buf == NULL)
		return -1;
	if (crl_read(buf, (size_t)st.st_size, path, &crl, err) == 0)
		rc = trust_add_crl(trust, crl, err);
	X509_CRL_free(crl);
	free(buf);
	return rc;
}

/*
 * One bad file must not stop the mail of everybody whose issuer is in another:
 * it is named and left out.
 */
static int
load_directory(struct trust *trust, const char *dir,
    const struct owners *owners, int (*wanted)(const struct dirent *),
    load_function load, struct smime_error *err)
{
	struct smime_error why;
	struct dirent **names = NULL;
	char path[4096];
	int i, n;

	n = scandir(dir, &names, wanted, alphasort);
	if (n == -1)
		return smime_error_set(err, "cannot read the directory %s",
		    dir);
	for (i = 0; i < n; i++) {
		why.text[0] = '\0';
		if (i >= ANCHOR_FILES_MAX)
			smime_error_setx(&why, "%s holds more than %d files",
			    dir, ANCHOR_FILES_MAX);
		else if (snprintf(path, sizeof(path), "%s/%s", dir,
		    names[i]->d_name) >= (int)sizeof(path))
			smime_error_setx(&why, "%s: name too long", dir);
		else
			load(trust, path, owners, &why);
		if (why.text[0] != '\0' && i <= ANCHOR_FILES_MAX)
			log_warning("left out among what is trusted: %s",
			    why.text);
		free(names[i]);
	}
	free(names);
	return 0;
}

static bool
is_set(const char *dir)
{
	return dir != NULL && dir[0] != '\0';
}

/* Without its folder there are no lists, which is for others to judge. */
static void
load_crls(struct trust *trust, const struct conf *conf,
    const struct owners *owners)
{
	struct smime_error why = { "" };

	if (is_set(conf->crl_dir) && load_directory(trust, conf->crl_dir,
	    owners, is_crl, load_crl, &why) != 0)
		log_debug("no revocation lists: %s", why.text);
}

struct trust *
anchors_load(const struct conf *conf, struct smime_error *err)
{
	struct owners owners;
	struct trust *trust;

	owners_init(&owners, conf->key_user);
	trust = trust_new();
	if (trust == NULL) {
		smime_error_setx(err, "out of memory for the trust anchors");
		return NULL;
	}
	if (load_directory(trust, conf->anchors_dir, &owners, is_certificate,
	    load_anchors, err) != 0)
		goto bad;
	if (is_set(conf->intermediates_dir) &&
	    load_directory(trust, conf->intermediates_dir, &owners,
	    is_certificate, load_intermediates, err) != 0)
		goto bad;
	if (trust_anchors(trust) == 0) {
		smime_error_setx(err, "%s holds no usable trust anchor; put "
		    "the root certificate of your mailbox certificates there "
		    "as a .pem file", conf->anchors_dir);
		goto bad;
	}
	load_crls(trust, conf, &owners);
	if (trust_set_policies(trust,
	    (const char *const *)conf->policy_oids.items,
	    conf->policy_oids.count, err) != 0)
		goto bad;
	return trust;
bad:
	trust_free(trust);
	return NULL;
}
