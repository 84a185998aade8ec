/*
 * folder.c - changes files in the keystore's folders.
 *
 * Root does this in directories that belong to the key process's user: every
 * name is opened below a descriptor, never through a symbolic link, and what
 * is opened is judged before it is touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keyfile.h"
#include "custody.h"

#define NAMES_MAX	1000000

static int
adopt(int fd, const struct stat *st, const char *shown, struct folder *out)
{
	out->fd = fd;
	out->uid = st->st_uid;
	out->gid = st->st_gid;
	snprintf(out->shown, sizeof(out->shown), "%s", shown);
	return fd == -1 ? -1 : 0;
}

int
folder_top(const struct conf *conf, struct folder *out,
    struct smime_error *err)
{
	struct owners owners;
	struct stat st;
	char *real;
	int fd;

	out->fd = -1;
	owners_init(&owners, conf->key_user);
	if ((real = realpath(conf->keystore_dir, NULL)) == NULL)
		return smime_error_set(err, "cannot open the keystore %s",
		    conf->keystore_dir);
	memset(&st, 0, sizeof(st));
	fd = keyfile_folder(AT_FDCWD, real, conf->keystore_dir, &owners, &st,
	    err);
	free(real);
	return adopt(fd, &st, "", out);
}

int
folder_open(const struct conf *conf, const struct folder *parent,
    const char *name, struct folder *out, struct smime_error *err)
{
	char shown[sizeof(out->shown)];
	struct owners owners;
	struct stat st;

	out->fd = -1;
	owners_init(&owners, conf->key_user);
	if (snprintf(shown, sizeof(shown), "%s%s%s", parent->shown,
	    parent->shown[0] != '\0' ? "/" : "", name) >= (int)sizeof(shown))
		return smime_error_setx(err, "the name %s is too long", name);
	memset(&st, 0, sizeof(st));
	return adopt(keyfile_folder(parent->fd, name, shown, &owners, &st,
	    err), &st, shown, out);
}

void
folder_close(struct folder *folder)
{
	if (folder->fd != -1)
		close(folder->fd);
	folder->fd = -1;
}

static int
is_folder(const struct folder *folder, const struct dirent *found)
{
	struct stat st;

	return found->d_name[0] != '.' && fstatat(folder->fd, found->d_name,
	    &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **
read_names(const struct folder *folder, DIR *dir, struct smime_error *err)
{
	const struct dirent *found;
	char **names = NULL, **grown;
	size_t count = 0;

	for (errno = 0; (found = readdir(dir)) != NULL; errno = 0) {
		if (!is_folder(folder, found))
			continue;
		grown = count < NAMES_MAX ? reallocarray(names, count + 2,
		    sizeof(*names)) : NULL;
		if (grown == NULL)
			goto bad;
		names = grown;
		names[count] = strdup(found->d_name);
		if (names[count++] == NULL)
			goto bad;
		names[count] = NULL;
	}
	if (errno != 0)
		goto bad;
	if (names == NULL && (names = calloc(1, sizeof(*names))) == NULL)
		goto bad;
	qsort(names, count, sizeof(*names), by_name);
	return names;
bad:
	smime_error_set(err, "cannot read the folder %s", folder->shown);
	folder_free_names(names);
	return NULL;
}

char **
folder_names(const struct folder *folder, struct smime_error *err)
{
	char **names;
	DIR *dir;
	int fd;

	fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		smime_error_set(err, "cannot read the folder %s",
		    folder->shown);
		if (fd != -1)
			close(fd);
		return NULL;
	}
	names = read_names(folder, dir, err);
	closedir(dir);
	return names;
}

void
folder_free_names(char **names)
{
	size_t i;

	for (i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

bool
folder_has(const struct folder *folder, const char *name)
{
	struct stat st;

	return fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A dot first: the keystore's reader leaves such names alone. */
static void
temporary_name(const char *name, char *out, size_t size)
{
	snprintf(out, size, ".%s.new", name);
}

static int
write_temporary(const struct folder *folder, const char *name,
    const void *buf, size_t len, mode_t mode)
{
	int fd, saved;

	/* what an interruption left behind */
	unlinkat(folder->fd, name, 0);
	fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (write_all(fd, buf, len) == -1 || fchmod(fd, mode) == -1 ||
	    (geteuid() == 0 && fchown(fd, folder->uid, folder->gid) == -1) ||
	    fsync(fd) == -1) {
		saved = errno;
		close(fd);
		unlinkat(folder->fd, name, 0);
		errno = saved;
		return -1;
	}
	return close(fd);
}

int
folder_put(const struct folder *folder, const char *name, const void *buf,
    size_t len, mode_t mode, struct smime_error *err)
{
	char temporary[64];

	temporary_name(name, temporary, sizeof(temporary));
	if (write_temporary(folder, temporary, buf, len, mode) == -1 ||
	    renameat(folder->fd, temporary, folder->fd, name) == -1 ||
	    fsync(folder->fd) == -1)
		return smime_error_set(err, "cannot write %s/%s",
		    folder->shown, name);
	return 0;
}

int
folder_remove(const struct folder *folder, const char *name,
    struct smime_error *err)
{
	if ((unlinkat(folder->fd, name, 0) == -1 && errno != ENOENT) ||
	    fsync(folder->fd) == -1)
		return smime_error_set(err, "cannot remove %s/%s",
		    folder->shown, name);
	return 0;
}

/* Random octets, then nothing: no pattern that a file system could elide. */
int
folder_overwrite(int fd, off_t size)
{
	unsigned char noise[4096];
	off_t done;
	size_t n;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	for (done = 0; done < size; done += (off_t)n) {
		n = size - done < (off_t)sizeof(noise) ?
		    (size_t)(size - done) : sizeof(noise);
		if (RAND_bytes(noise, (int)n) != 1)
			memset(noise, 0, n);
		if (write_all(fd, noise, n) == -1)
			return -1;
	}
	return fsync(fd);
}

int
folder_wipe(const struct folder *folder, const char *name, bool *linked,
    struct smime_error *err)
{
	struct stat st;
	int fd;

	fd = openat(folder->fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1)
		return smime_error_set(err, "cannot open %s/%s to wipe it",
		    folder->shown, name);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return smime_error_setx(err, "%s/%s is not a regular file",
		    folder->shown, name);
	}
	if (st.st_nlink > 1)
		*linked = true;
	if (folder_overwrite(fd, st.st_size) == -1) {
		smime_error_set(err, "cannot wipe %s/%s", folder->shown,
		    name);
		close(fd);
		return -1;
	}
	close(fd);
	return folder_remove(folder, name, err);
}
