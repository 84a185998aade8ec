/*
 * phrases.c - the keystore's passphrase and the one that will follow it, both
 * on disk: for rekey.c.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "custody.h"
#include "import.h"

#define RANDOM_OCTETS	32

bool
phrases_are_credentials(const struct conf *conf)
{
	return conf->passphrase_file[0] != '/';
}

static int
sync_directory(const char *path, struct smime_error *err)
{
	char *copy = strdup(path);
	int fd, rc = -1;

	if (copy == NULL)
		return smime_error_setx(err, "out of memory");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1) {
		rc = fsync(fd);
		close(fd);
	}
	free(copy);
	return rc == 0 ? 0 : smime_error_set(err, "cannot write the "
	    "directory of %s", path);
}

/* As long as the passphrase is not whole on disk it has another name. */
static int
write_passphrase(const char *path, const struct stat *like, const char *text,
    size_t len, struct smime_error *err)
{
	char temporary[4096];
	bool whole;
	int fd;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >=
	    (int)sizeof(temporary))
		return smime_error_setx(err, "the path %s is too long", path);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return smime_error_set(err, "cannot make %s", temporary);
	whole = write(fd, text, len) == (ssize_t)len &&
	    write(fd, "\n", 1) == 1 && fsync(fd) == 0 &&
	    (geteuid() != 0 || fchown(fd, like->st_uid, like->st_gid) == 0);
	if (close(fd) == 0 && whole && rename(temporary, path) == 0)
		return sync_directory(path, err);
	smime_error_set(err, "cannot write %s", path);
	unlink(temporary);
	return -1;
}

static int
from_file(struct phrases *phrases, const char *file, struct smime_error *err)
{
	struct passphrase passphrase = { .file = file };

	if (passphrase_get(&passphrase, "the keystore", err) != 0)
		return -1;
	if (passphrase.len == 0 || memchr(passphrase.text, '\0',
	    passphrase.len) != NULL) {
		passphrase_clear(&passphrase);
		return smime_error_setx(err, "%s holds no passphrase in its "
		    "first line", file);
	}
	phrases->new = passphrase.text;
	phrases->new_len = passphrase.len;
	return 0;
}

static int
at_random(struct phrases *phrases, struct smime_error *err)
{
	unsigned char octets[RANDOM_OCTETS];

	phrases->new = OPENSSL_zalloc(2 * RANDOM_OCTETS);
	if (phrases->new == NULL || RAND_bytes(octets, sizeof(octets)) != 1)
		return smime_error_setx(err, "no random numbers");
	phrases->new_len = (size_t)EVP_EncodeBlock(
	    (unsigned char *)phrases->new, octets, sizeof(octets));
	OPENSSL_cleanse(octets, sizeof(octets));
	return 0;
}

/* The one that an earlier run left, and no other: keys may have it already. */
static int
take_up(struct phrases *phrases, const struct conf *conf,
    struct smime_error *err)
{
	char *left = NULL;
	size_t len = 0;
	bool same;

	if (keystore_next_passphrase(conf, &left, &len, err) != 0)
		return -1;
	if (left == NULL)
		return 0;
	phrases->resumed = true;
	same = phrases->new == NULL || (phrases->new_len == len &&
	    CRYPTO_memcmp(phrases->new, left, len) == 0);
	OPENSSL_clear_free(phrases->new, phrases->new_len);
	phrases->new = left;
	phrases->new_len = len;
	return same ? 0 : smime_error_setx(err, "an earlier change to another "
	    "passphrase was not finished; finish it first, without "
	    "--new-passphrase-file");
}

int
phrases_get(const struct conf *conf, const char *file,
    struct phrases *phrases, struct smime_error *err)
{
	const char *path = conf->passphrase_file;
	char next[4096];
	struct stat st;

	if (keystore_passphrase(conf, &phrases->old, &phrases->old_len,
	    err) != 0)
		return -1;
	if (phrases->old == NULL)
		return smime_error_setx(err, "keystore.passphrase_file is not "
		    "set: there is nothing to change");
	if (file != NULL && from_file(phrases, file, err) != 0)
		return -1;
	if (take_up(phrases, conf, err) != 0)
		return -1;
	if (phrases->new == NULL && phrases_are_credentials(conf))
		return smime_error_setx(err, "the passphrase is a credential, "
		    "which is made elsewhere: give the next one by "
		    "--new-passphrase-file");
	if (phrases->new == NULL && at_random(phrases, err) != 0)
		return -1;
	if (phrases->new_len == phrases->old_len && CRYPTO_memcmp(phrases->new,
	    phrases->old, phrases->old_len) == 0)
		return smime_error_setx(err, "the new passphrase is the old "
		    "one");
	if (phrases->resumed || phrases_are_credentials(conf))
		return 0;
	if (stat(path, &st) == -1)
		return smime_error_set(err, "%s", path);
	if (snprintf(next, sizeof(next), "%s.new", path) >= (int)sizeof(next))
		return smime_error_setx(err, "the path %s is too long", path);
	return write_passphrase(next, &st, phrases->new, phrases->new_len,
	    err);
}

int
phrases_put_in_place(const struct conf *conf, struct smime_error *err)
{
	const char *path = conf->passphrase_file;
	char next[4096];
	struct stat st;
	int fd;

	snprintf(next, sizeof(next), "%s.new", path);
	fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (rename(next, path) == -1) {
		smime_error_set(err, "cannot rename %s to %s", next, path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (sync_directory(path, err) != 0)
		return -1;
	if (fd != -1 && fstat(fd, &st) == 0)
		(void)folder_overwrite(fd, st.st_size);
	if (fd != -1)
		close(fd);
	return 0;
}

void
phrases_clear(struct phrases *phrases)
{
	OPENSSL_clear_free(phrases->old, phrases->old_len);
	OPENSSL_clear_free(phrases->new, phrases->new_len);
	memset(phrases, 0, sizeof(*phrases));
}
