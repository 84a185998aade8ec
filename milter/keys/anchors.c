/*
 * anchors.c - the certification authorities that the configuration trusts.
 *
 * Anchors are a directory of their own, never the system's TLS store (CRT-09).
 * Links are followed here, unlike in the keystore: anchors hold no secret, and
 * packages and c_rehash(1) place them by link.
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

typedef int (*add_function)(struct trust *trust, X509 *cert,
    struct smime_error *err);

static int
is_wanted(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0);
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
load_file(struct trust *trust, const char *path, const struct owners *owners,
    add_function add, struct smime_error *err)
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

/*
 * One bad file must not stop the mail of everybody whose issuer is in another:
 * it is named and left out.
 */
static int
load_directory(struct trust *trust, const char *dir,
    const struct owners *owners, add_function add, struct smime_error *err)
{
	struct smime_error why;
	struct dirent **names = NULL;
	char path[4096];
	int i, n;

	n = scandir(dir, &names, is_wanted, alphasort);
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
			load_file(trust, path, owners, add, &why);
		if (why.text[0] != '\0' && i <= ANCHOR_FILES_MAX)
			log_warning("left out among the trusted issuers: %s",
			    why.text);
		free(names[i]);
	}
	free(names);
	return 0;
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
	if (load_directory(trust, conf->anchors_dir, &owners, trust_add_anchor,
	    err) != 0)
		goto bad;
	if (conf->intermediates_dir != NULL &&
	    conf->intermediates_dir[0] != '\0' &&
	    load_directory(trust, conf->intermediates_dir, &owners,
	    trust_add_intermediate, err) != 0)
		goto bad;
	if (trust_anchors(trust) == 0) {
		smime_error_setx(err, "%s holds no usable trust anchor; put "
		    "the root certificate of your mailbox certificates there "
		    "as a .pem file", conf->anchors_dir);
		goto bad;
	}
	return trust;
bad:
	trust_free(trust);
	return NULL;
}
