/*
 * passphrase.c - the passphrase that encrypts the keystore's keys at rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "keyfile.h"
#include "keystore.h"

#define CREDENTIAL	"credential:"

/*
 * systemd.exec(5), LoadCredential=: the directory is named by the environment
 * and holds one file for each credential.
 */
static int
credential_path(const char *name, char *out, size_t size,
    struct smime_error *err)
{
	const char *dir;

	dir = getenv("CREDENTIALS_DIRECTORY");
	if (dir == NULL || dir[0] != '/')
		return smime_error_setx(err, "keystore.passphrase_file names "
		    "the credential %s, but none was handed over; is there a "
		    "LoadCredential= for it in the unit? (In a shell set "
		    "CREDENTIALS_DIRECTORY.)", name);
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return smime_error_setx(err, "keystore.passphrase_file: "
		    "\"%s\" is not the name of a credential", name);
	if (snprintf(out, size, "%s/%s", dir, name) >= (int)size)
		return smime_error_setx(err, "the path of the credential %s "
		    "is too long", name);
	return 0;
}

/* The first line; an editor's line end does not belong to it. */
static int
first_line(char *buf, size_t *len, const char *path, struct smime_error *err)
{
	size_t n;

	n = strcspn(buf, "\r\n");
	if (n < *len && buf[n] == '\0')
		return smime_error_setx(err, "%s holds a NUL", path);
	if (n == 0)
		return smime_error_setx(err, "%s holds no passphrase in its "
		    "first line", path);
	OPENSSL_cleanse(buf + n, *len - n);
	*len = n;
	return 0;
}

int
secret_file_read(const char *user, const char *path, bool optional,
    char **out, size_t *len, struct smime_error *err)
{
	struct smime_error why = { "" };
	struct owners owners;
	char *buf, *exact = NULL;
	struct stat st;
	size_t size = 0;

	owners_init(&owners, user);
	buf = keyfile_read(AT_FDCWD, path, path, &owners, KEYFILE_SECRET,
	    KEYSTORE_PASSPHRASE_MAX, &size, &st, &why);
	if (buf == NULL && optional && errno == ENOENT)
		return 0;
	if (buf == NULL)
		return smime_error_setx(err, "%s", why.text);
	*len = size;
	if (first_line(buf, len, path, err) == 0 &&
	    (exact = OPENSSL_malloc(*len + 1)) == NULL)
		smime_error_setx(err, "out of memory");
	if (exact != NULL) {
		memcpy(exact, buf, *len);
		exact[*len] = '\0';
	}
	OPENSSL_clear_free(buf, size + 1);
	*out = exact;
	return exact != NULL ? 0 : -1;
}

/* 1 and the path of what conf names, 0 when it names nothing. */
static int
find_path(const struct conf *conf, const char *suffix, char *out, size_t size,
    struct smime_error *err)
{
	const char *path = conf->passphrase_file;
	char credential[4096];

	if (path == NULL || path[0] == '\0')
		return 0;
	if (strncmp(path, CREDENTIAL, strlen(CREDENTIAL)) == 0) {
		if (credential_path(path + strlen(CREDENTIAL), credential,
		    sizeof(credential), err) != 0)
			return -1;
		path = credential;
	}
	if (snprintf(out, size, "%s%s", path, suffix) >= (int)size)
		return smime_error_setx(err, "the path %s is too long", path);
	return 1;
}

int
keystore_passphrase(const struct conf *conf, char **out, size_t *len,
    struct smime_error *err)
{
	char path[4096];
	int rc;

	*out = NULL;
	*len = 0;
	rc = find_path(conf, "", path, sizeof(path), err);
	return rc <= 0 ? rc : secret_file_read(conf->key_user, path, false,
	    out, len, err);
}

int
keystore_next_passphrase(const struct conf *conf, char **out, size_t *len,
    struct smime_error *err)
{
	char path[4096];
	int rc;

	*out = NULL;
	*len = 0;
	rc = find_path(conf, ".new", path, sizeof(path), err);
	return rc <= 0 ? rc : secret_file_read(conf->key_user, path, true, out,
	    len, err);
}
