/*
 * place.c - writes a new entry of the keystore, all or nothing.
 *
 * The files are made in a folder whose name begins with a dot, which nobody
 * reads, and get their name by rename(2) when they are complete and on disk.
 * Everything is done on descriptors below the keystore's directory, because
 * that may belong to the key process's user and we are root.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "../keys/tokens.h"
#include "ctl.h"
#include "custody.h"
#include "import.h"

/*
 * PBKDF2 makes a short passphrase expensive to guess. The one that "sampulctl
 * init" makes has 256 random bits, which nobody guesses at any price, and each
 * iteration would be paid for when the daemon opens a key: it gets the least
 * that RFC 8018 4.2 recommends. A short one, which only an administrator can
 * have written, gets what it needs.
 */
#define ITERATIONS_LONG		1000
#define ITERATIONS_SHORT	310000
#define LONG_PASSPHRASE		32

int
passphrase_iterations(size_t len)
{
	return len < LONG_PASSPHRASE ? ITERATIONS_SHORT : ITERATIONS_LONG;
}

struct place {
	const struct conf	*conf;
	uid_t			 uid;
	gid_t			 gid;
	int			 top;		/* descriptors */
	int			 mailbox;
	int			 folder;
	char			 temporary[32];	/* name; "" none */
};

static int
find_owner(struct place *place)
{
	const char *name = place->conf->key_user;
	struct passwd *pw;

	place->uid = geteuid();
	place->gid = getegid();
	if (geteuid() != 0 || name == NULL || name[0] == '\0')
		return 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return ctl_error(EX_CONFIG, "there is no user %s (key_user)",
		    name);
	place->uid = pw->pw_uid;
	place->gid = pw->pw_gid;
	return 0;
}

/* A folder below dirfd, made if it is not there; its descriptor or -1. */
static int
open_folder(struct place *place, int dirfd, const char *name, bool must_be_new)
{
	bool made;
	int fd;

	made = mkdirat(dirfd, name, 0700) == 0;
	if (!made && (errno != EEXIST || must_be_new))
		return -1;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd != -1 && made && fchown(fd, place->uid, place->gid) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
write_file(struct place *place, const char *name, const void *buf,
    size_t len, mode_t mode)
{
	const char *p = buf;
	ssize_t n = 0;
	int fd;

	fd = openat(place->folder, name, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return ctl_error(EX_CANTCREAT, "cannot make %s: %s", name,
		    strerror(errno));
	for (; len > 0; p += n, len -= (size_t)n) {
		n = write(fd, p, len);
		if (n == -1 && errno != EINTR)
			break;
		if (n == -1)
			n = 0;
	}
	if (len > 0 || fchmod(fd, mode) == -1 ||
	    fchown(fd, place->uid, place->gid) == -1 || fsync(fd) == -1) {
		close(fd);
		return ctl_error(EX_IOERR, "cannot write %s: %s", name,
		    strerror(errno));
	}
	close(fd);
	return 0;
}

static int
write_certs(struct place *place, const char *name, X509 *cert,
    STACK_OF(X509) *chain)
{
	const char *text;
	BIO *bio;
	long len;
	int i, ok, status;

	bio = BIO_new(BIO_s_mem());
	ok = bio != NULL && (cert == NULL || PEM_write_bio_X509(bio, cert));
	for (i = 0; ok && i < sk_X509_num(chain); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(chain, i));
	if (ok) {
		len = BIO_get_mem_data(bio, &text);
		status = write_file(place, name, text, (size_t)len, 0644);
	} else {
		status = ctl_error(EX_OSERR, "out of memory");
	}
	BIO_free(bio);
	return status;
}

static int
write_plain_key(struct place *place, EVP_PKEY *key)
{
	const char *text;
	BIO *bio;
	long len;
	int status;

	bio = BIO_new(BIO_s_secmem());
	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL,
	    0, NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		status = write_file(place, "key.pem", text, (size_t)len, 0600);
	} else {
		status = ctl_error(EX_SOFTWARE, "the key cannot be written");
	}
	BIO_free(bio);
	return status;
}

/* What a person remembers can be guessed: it always gets what it needs. */
static int
write_own_key(struct place *place, const struct placement *placement)
{
	struct smime_error err = { "" };
	char *text = NULL, note[256];
	size_t len = 0;
	int status;

	record_note("", note, sizeof(note));
	if (key_write(placement->material->key, placement->own->text,
	    placement->own->len, ITERATIONS_SHORT, &text, &len, &err) != 0)
		status = ctl_error(EX_SOFTWARE, "%s", err.text);
	else
		status = write_file(place, "key.pem", text, len, 0600);
	OPENSSL_clear_free(text, len);
	if (status == 0)
		status = write_file(place, "owner", note, strlen(note), 0644);
	return status;
}

static int
write_key(struct place *place, EVP_PKEY *key)
{
	struct smime_error err = { "" };
	char *passphrase = NULL, *text = NULL;
	size_t len = 0, text_len = 0;
	int status;

	if (keystore_passphrase(place->conf, &passphrase, &len, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (passphrase == NULL && !place->conf->insecure_unencrypted_keys)
		return ctl_error(EX_CONFIG, "%s: keystore.passphrase_file is "
		    "not set: there is nothing to encrypt the key with",
		    place->conf->file);
	if (passphrase == NULL)
		return write_plain_key(place, key);
	if (len < LONG_PASSPHRASE)
		ctl_error(0, "the keystore's passphrase is short; \"sampulctl "
		    "init\" makes a better one");
	if (key_write(key, passphrase, len, passphrase_iterations(len), &text,
	    &text_len, &err) != 0)
		status = ctl_error(EX_SOFTWARE, "%s", err.text);
	else
		status = write_file(place, "key.pem", text, text_len, 0600);
	OPENSSL_clear_free(text, text_len);
	OPENSSL_clear_free(passphrase, len);
	return status;
}

/* The key is where it was; what is written says where. */
static int
write_uri(struct place *place, const struct placement *placement)
{
	char line[TOKEN_URI_MAX + 2], note[256];
	int status;

	snprintf(line, sizeof(line), "%s\n", placement->uri);
	status = write_file(place, "key.uri", line, strlen(line), 0644);
	if (status != 0 || placement->own == NULL)
		return status;
	record_note("", note, sizeof(note));
	return write_file(place, "owner", note, strlen(note), 0644);
}

static int
write_files(struct place *place, const struct placement *placement)
{
	int status;

	status = write_certs(place, "cert.pem", placement->material->cert,
	    NULL);
	if (status == 0 && sk_X509_num(placement->chain) > 0)
		status = write_certs(place, "chain.pem", NULL,
		    placement->chain);
	if (status == 0 && placement->uri != NULL)
		status = write_uri(place, placement);
	else if (status == 0)
		status = placement->own != NULL ?
		    write_own_key(place, placement) :
		    write_key(place, placement->material->key);
	if (status == 0 && placement->override != NULL)
		status = write_file(place, "override", placement->override,
		    strlen(placement->override), 0644);
	if (status == 0 && fsync(place->folder) == -1)
		status = ctl_error(EX_IOERR, "cannot write the folder: %s",
		    strerror(errno));
	return status;
}

/* Begin of validity and serial number: unique, and in order of age. */
static void
name_folder(struct placement *placement)
{
	char serial[SERIAL_TEXT_MAX + 1];
	time_t when = cert_not_before(placement->material->cert);
	struct tm tm;
	char day[16];

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&when, &tm);
	if (strftime(day, sizeof(day), "%Y%m%d", &tm) == 0)
		snprintf(day, sizeof(day), "0");
	cert_serial(placement->material->cert, serial, sizeof(serial));
	snprintf(placement->folder, sizeof(placement->folder), "%s-%s", day,
	    serial);
}

/*
 * The lock is shared with other imports, and held until the entry is there:
 * "sampulctl rekey" must know of every key.
 */
static int
open_top(struct place *place)
{
	place->top = open(place->conf->keystore_dir, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (place->top == -1)
		return ctl_error(EX_NOINPUT, "cannot open the keystore %s: "
		    "%s; \"sampulctl init\" makes it",
		    place->conf->keystore_dir, strerror(errno));
	if (flock(place->top, LOCK_SH | LOCK_NB) == -1)
		return ctl_error(EX_TEMPFAIL, "the keystore's passphrase is "
		    "being changed; try again when that is done");
	return 0;
}

static int
open_folders(struct place *place, const struct placement *placement)
{
	unsigned char random[8];
	struct stat st;

	place->mailbox = open_folder(place, place->top, placement->address,
	    false);
	if (place->mailbox == -1)
		return ctl_error(EX_CANTCREAT, "cannot make the folder %s: %s",
		    placement->address, strerror(errno));
	if (fstatat(place->mailbox, placement->folder, &st,
	    AT_SYMLINK_NOFOLLOW) == 0)
		return ctl_error(EX_CANTCREAT, "%s/%s is there already: this "
		    "certificate was imported before", placement->address,
		    placement->folder);
	if (RAND_bytes(random, sizeof(random)) != 1)
		return ctl_error(EX_OSERR, "no random numbers");
	snprintf(place->temporary, sizeof(place->temporary),
	    ".import-%02x%02x%02x%02x%02x%02x%02x%02x", random[0], random[1],
	    random[2], random[3], random[4], random[5], random[6], random[7]);
	place->folder = open_folder(place, place->mailbox, place->temporary,
	    true);
	if (place->folder == -1)
		return ctl_error(EX_CANTCREAT, "cannot make a folder below "
		    "%s: %s", placement->address, strerror(errno));
	return 0;
}

static void
remove_temporary(struct place *place)
{
	static const char *const names[] = { "cert.pem", "chain.pem",
	    "key.pem", "key.uri", "override", "owner" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(place->folder, names[i], 0);
	unlinkat(place->mailbox, place->temporary, AT_REMOVEDIR);
}

int
place_entry(const struct conf *conf, struct placement *placement)
{
	struct place place = { conf, 0, 0, -1, -1, -1, "" };
	int status;

	name_folder(placement);
	status = find_owner(&place);
	if (status == 0)
		status = open_top(&place);
	if (status == 0)
		status = open_folders(&place, placement);
	if (status == 0)
		status = write_files(&place, placement);
	if (status == 0 && renameat(place.mailbox, place.temporary,
	    place.mailbox, placement->folder) == -1)
		status = ctl_error(EX_CANTCREAT, "cannot name the new folder "
		    "%s: %s", placement->folder, strerror(errno));
	if (status != 0 && place.folder != -1)
		remove_temporary(&place);
	else if (status == 0 && fsync(place.mailbox) == -1)
		status = ctl_error(EX_IOERR, "the entry %s may not be on disk "
		    "yet: %s", placement->folder, strerror(errno));
	if (place.folder != -1)
		close(place.folder);
	if (place.mailbox != -1)
		close(place.mailbox);
	if (place.top != -1)
		close(place.top);
	return status;
}
