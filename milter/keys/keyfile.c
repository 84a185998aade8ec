/*
 * keyfile.c - opens the files of a keystore and remembers their state.
 *
 * Names come from a directory that only trusted users may write to, but mode
 * and owner are proven on the open descriptor, not on the name, so that nothing
 * can be exchanged in between. Symbolic links are never followed: a link is the
 * one way a folder could lead out of the keystore.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../sandbox.h"
#include "keyfile.h"

/*
 * The key process reads as key_user; sampulctl reads the same files as root
 * and must believe the same owners.
 */
void
owners_init(struct owners *owners, const char *key_user)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	owners->count = 0;
	owners->uid[owners->count++] = 0;
	owners->uid[owners->count++] = sandbox_uid();
	if (sandbox_uid() != 0 || key_user == NULL || key_user[0] == '\0')
		return;
	if (getpwnam_r(key_user, &pw, buf, sizeof(buf), &found) == 0 &&
	    found != NULL)
		owners->uid[owners->count++] = pw.pw_uid;
}

static bool
is_among(const struct owners *owners, uid_t uid)
{
	unsigned i;

	for (i = 0; i < owners->count; i++)
		if (owners->uid[i] == uid)
			return true;
	return false;
}

static void
stamp_take(struct stamp *out, const struct stat *st)
{
	memset(out, 0, sizeof(*out));
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	out->size = st->st_size;
	out->mtime = st->st_mtim;
	out->ctime = st->st_ctim;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
stamp_is(const struct stamp *stamp, const struct stat *st)
{
	return stamp->dev == st->st_dev && stamp->ino == st->st_ino &&
	    stamp->size == st->st_size &&
	    same_time(&stamp->mtime, &st->st_mtim) &&
	    same_time(&stamp->ctime, &st->st_ctim);
}

void
watches_add(struct watches *watches, const char *path, const struct stat *st)
{
	struct watch *grown;
	size_t want;

	if (watches->count == watches->allocated) {
		want = watches->allocated == 0 ? 8 : watches->allocated * 2;
		grown = reallocarray(watches->items, want, sizeof(*grown));
		if (grown == NULL) {
			watches->incomplete = true;
			return;
		}
		watches->bytes += (want - watches->allocated) * sizeof(*grown);
		watches->items = grown;
		watches->allocated = want;
	}
	grown = &watches->items[watches->count];
	grown->path = strdup(path);
	if (grown->path == NULL) {
		watches->incomplete = true;
		return;
	}
	stamp_take(&grown->stamp, st);
	watches->count++;
	watches->bytes += strlen(path) + 1;
	if (st->st_ctim.tv_sec > watches->newest)
		watches->newest = st->st_ctim.tv_sec;
}

bool
watches_hold(const struct watches *watches, int dirfd)
{
	struct stat st;
	size_t i;

	for (i = 0; i < watches->count; i++)
		if (fstatat(dirfd, watches->items[i].path, &st,
		    AT_SYMLINK_NOFOLLOW) == -1 ||
		    !stamp_is(&watches->items[i].stamp, &st))
			return false;
	return true;
}

void
watches_clear(struct watches *watches)
{
	size_t i;

	for (i = 0; i < watches->count; i++)
		free(watches->items[i].path);
	free(watches->items);
	memset(watches, 0, sizeof(*watches));
}

static int
check_owner_mode(const struct stat *st, const char *shown,
    const struct owners *owners, mode_t forbidden, struct smime_error *err)
{
	if (!is_among(owners, st->st_uid))
		return smime_error_setx(err, "%s belongs to user %lu; it must "
		    "belong to root or to the key process's user", shown,
		    (unsigned long)st->st_uid);
	if ((st->st_mode & forbidden) == 0)
		return 0;
	if (forbidden == KEYFILE_SECRET)
		return smime_error_setx(err, "%s has mode %04o; nobody but its "
		    "owner may have access to it (chmod 0600)", shown,
		    (unsigned)(st->st_mode & 07777));
	return smime_error_setx(err, "%s has mode %04o; nobody but its owner "
	    "may write to it (chmod go-w)", shown,
	    (unsigned)(st->st_mode & 07777));
}

int
keyfile_folder(int dirfd, const char *name, const char *shown,
    const struct owners *owners, struct stat *st, struct smime_error *err)
{
	int fd, saved;

	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1) {
		saved = errno;
		if (saved == ELOOP || saved == ENOTDIR)
			smime_error_setx(err, "%s is a symbolic link or no "
			    "folder at all", shown);
		else
			smime_error_set(err, "cannot open the folder %s",
			    shown);
		errno = saved;
		return -1;
	}
	if (fstat(fd, st) == -1)
		smime_error_set(err, "cannot examine the folder %s", shown);
	else if (check_owner_mode(st, shown, owners, KEYFILE_PUBLIC,
	    err) == 0)
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

/* All of an open regular file; its size was seen by fstat. */
static char *
read_contents(int fd, const char *shown, size_t size, size_t *len,
    struct smime_error *err)
{
	char *buf;
	ssize_t n;

	buf = OPENSSL_malloc(size + 1);
	if (buf == NULL) {
		smime_error_setx(err, "out of memory for %s", shown);
		return NULL;
	}
	for (*len = 0; *len < size; *len += (size_t)n) {
		n = read(fd, buf + *len, size - *len);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n == -1) {
			smime_error_set(err, "cannot read %s", shown);
			OPENSSL_clear_free(buf, size + 1);
			return NULL;
		}
		if (n == 0)
			break;
	}
	if (*len < size) {
		smime_error_setx(err, "%s shrank while it was read", shown);
		OPENSSL_clear_free(buf, size + 1);
		return NULL;
	}
	buf[*len] = '\0';
	return buf;
}

/*
 * O_NONBLOCK: opening a FIFO that somebody put there must not hang a thread.
 */
char *
keyfile_read(int dirfd, const char *name, const char *shown,
    const struct owners *owners, mode_t forbidden, size_t max, size_t *len,
    struct stat *st, struct smime_error *err)
{
	char *buf = NULL;
	int fd, saved;

	errno = 0;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		saved = errno;
		if (saved == ELOOP)
			smime_error_setx(err, "%s is a symbolic link; put the "
			    "file itself there", shown);
		else
			smime_error_set(err, "cannot open %s", shown);
		errno = saved;
		return NULL;
	}
	if (fstat(fd, st) == -1)
		smime_error_set(err, "cannot examine %s", shown);
	else if (!S_ISREG(st->st_mode))
		smime_error_setx(err, "%s is not a regular file", shown);
	else if (st->st_size < 0 || (uintmax_t)st->st_size > max)
		smime_error_setx(err, "%s is longer than %zu octets", shown,
		    max);
	else if (check_owner_mode(st, shown, owners, forbidden, err) == 0)
		buf = read_contents(fd, shown, (size_t)st->st_size, len, err);
	saved = errno == ENOMEM ? ENOMEM : EACCES;
	close(fd);
	errno = saved;
	return buf;
}
