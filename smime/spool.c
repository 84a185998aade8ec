/*
 * spool.c - where a body waits: in memory first, then in an unlinked file.
 *
 * Memory is taken in blocks of one size, so that a body that grows is never
 * copied and a small one costs one block. When the ceiling is passed all of it
 * goes to the file and only a write buffer of SPOOL_BUFFER octets stays: 32
 * large messages at once then cost 2 MiB here and not 32 ceilings.
 *
 * The file has no name (O_TMPFILE), or loses it at once where the file system
 * cannot do that: nothing is left behind by a crash, and nobody else can open
 * it. It is not overwritten when it is closed: what the disk keeps of it is as
 * readable as the MTA's own queue beside it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "smime_base.h"

#define SPOOL_BLOCK	16384
#define SPOOL_BUFFER	65536

struct spool {
	char		*dir;
	size_t		 memory;	/* ceiling */
	uint64_t	 size;
	unsigned char	**blocks;	/* while in memory */
	size_t		 block_count;
	int		 fd;		/* -1 while in memory */
	uint64_t	 flushed;	/* octets in the file */
	unsigned char	*buffer;	/* what comes behind them */
	size_t		 buffered;
	bool		 failed;	/* contents are not whole any more */
};

struct spool *
spool_new(const char *dir, size_t memory)
{
	struct spool *spool;

	if ((spool = calloc(1, sizeof(*spool))) == NULL)
		return NULL;
	spool->fd = -1;
	spool->memory = memory;
	if (dir != NULL && (spool->dir = strdup(dir)) == NULL) {
		free(spool);
		return NULL;
	}
	return spool;
}

static void
blocks_free(struct spool *spool)
{
	size_t i;

	for (i = 0; i < spool->block_count; i++) {
		OPENSSL_cleanse(spool->blocks[i], SPOOL_BLOCK);
		free(spool->blocks[i]);
	}
	free(spool->blocks);
	spool->blocks = NULL;
	spool->block_count = 0;
}

void
spool_free(struct spool *spool)
{
	if (spool == NULL)
		return;
	blocks_free(spool);
	if (spool->buffer != NULL) {
		OPENSSL_cleanse(spool->buffer, SPOOL_BUFFER);
		free(spool->buffer);
	}
	if (spool->fd != -1)
		close(spool->fd);
	free(spool->dir);
	free(spool);
}

uint64_t
spool_size(const struct spool *spool)
{
	return spool->size;
}

/* For file systems without O_TMPFILE: a name that lives for two calls. */
static int
open_named(const char *dir)
{
	static const char name[] = "/body-XXXXXX";
	size_t len = strlen(dir);
	char *path;
	int fd, saved;

	if ((path = malloc(len + sizeof(name))) == NULL)
		return -1;
	memcpy(path, dir, len);
	memcpy(path + len, name, sizeof(name));
	if ((fd = mkostemp(path, O_CLOEXEC)) != -1 && unlink(path) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	free(path);
	return fd;
}

static int
open_unlinked(const char *dir)
{
	int fd;

	fd = open(dir, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd != -1)
		return fd;
	/* EISDIR is what a kernel says that does not know the flag. */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -1;
	return open_named(dir);
}

static int
write_out(struct spool *spool, const unsigned char *buf, size_t len,
    struct smime_error *err)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(spool->fd, buf, len, (off_t)spool->flushed);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0) {
			spool->failed = true;
			if (errno == ENOSPC || errno == EDQUOT)
				return smime_error_set(err, "the spool "
				    "directory %s is full", spool->dir);
			return smime_error_set(err, "writing to the spool "
			    "directory %s failed", spool->dir);
		}
		spool->flushed += (uint64_t)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
flush(struct spool *spool, struct smime_error *err)
{
	size_t len = spool->buffered;

	spool->buffered = 0;
	return write_out(spool, spool->buffer, len, err);
}

/*
 * The file is written by whole buffers from multiples of their size on. The
 * kernel then keeps each in one piece of memory and not in sixteen pages, and
 * writes, reads and frees it so much faster that the copy is well paid.
 */
static int
write_file(struct spool *spool, const unsigned char *buf, size_t len,
    struct smime_error *err)
{
	size_t n;

	for (; len > 0; buf += n, len -= n) {
		n = SPOOL_BUFFER - spool->buffered;
		if (n > len)
			n = len;
		if (n == SPOOL_BUFFER) {	/* no need to copy it */
			if (write_out(spool, buf, n, err) == -1)
				return -1;
			continue;
		}
		memcpy(spool->buffer + spool->buffered, buf, n);
		spool->buffered += n;
		if (spool->buffered == SPOOL_BUFFER && flush(spool, err) == -1)
			return -1;
	}
	return 0;
}

/* Moves everything from memory to a new file. */
static int
spill(struct spool *spool, struct smime_error *err)
{
	uint64_t left = spool->size;
	size_t i, n;

	if (spool->dir == NULL)
		return smime_error_setx(err, "the body is too large for "
		    "memory and there is no spool directory");
	if ((spool->buffer = malloc(SPOOL_BUFFER)) == NULL)
		return smime_error_set(err, "spooling a body");
	if ((spool->fd = open_unlinked(spool->dir)) == -1)
		return smime_error_set(err, "cannot create a file in the "
		    "spool directory %s", spool->dir);
	for (i = 0; i < spool->block_count && left > 0; i++) {
		n = left < SPOOL_BLOCK ? (size_t)left : SPOOL_BLOCK;
		if (write_file(spool, spool->blocks[i], n, err) == -1)
			return -1;
		left -= n;
	}
	blocks_free(spool);
	return 0;
}

static int
add_block(struct spool *spool, struct smime_error *err)
{
	unsigned char **blocks, *block;

	/* Sixteen pointers at a time. */
	if (spool->block_count % 16 == 0) {
		blocks = realloc(spool->blocks,
		    (spool->block_count + 16) * sizeof(*blocks));
		if (blocks == NULL)
			return smime_error_set(err, "spooling a body");
		spool->blocks = blocks;
	}
	if ((block = malloc(SPOOL_BLOCK)) == NULL)
		return smime_error_set(err, "spooling a body");
	spool->blocks[spool->block_count++] = block;
	return 0;
}

static int
write_memory(struct spool *spool, const unsigned char *buf, size_t len,
    struct smime_error *err)
{
	size_t at, n;

	while (len > 0) {
		at = (size_t)(spool->size % SPOOL_BLOCK);
		if (spool->size == (uint64_t)spool->block_count * SPOOL_BLOCK &&
		    add_block(spool, err) == -1)
			return -1;
		n = SPOOL_BLOCK - at < len ? SPOOL_BLOCK - at : len;
		memcpy(spool->blocks[spool->block_count - 1] + at, buf, n);
		spool->size += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int
spool_write(struct spool *spool, const void *buf, size_t len,
    struct smime_error *err)
{
	int rc;

	if (spool->failed)
		return smime_error_setx(err, "the spooled body is not whole");
	if (spool->fd == -1 && (len > spool->memory ||
	    spool->size > spool->memory - len) && spill(spool, err) == -1) {
		spool->failed = true;
		return -1;
	}
	if (spool->fd == -1)
		rc = write_memory(spool, buf, len, err);
	else if ((rc = write_file(spool, buf, len, err)) == 0)
		spool->size += len;
	if (rc == -1)
		spool->failed = true;
	return rc;
}

static int
read_file(struct spool *spool, uint64_t offset, void *buf, size_t len,
    size_t *got, struct smime_error *err)
{
	ssize_t n;

	if (offset >= spool->flushed) {
		memcpy(buf, spool->buffer + (offset - spool->flushed), len);
		*got = len;
		return 0;
	}
	if (len > spool->flushed - offset)
		len = (size_t)(spool->flushed - offset);
	do {
		n = pread(spool->fd, buf, len, (off_t)offset);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return smime_error_set(err, "reading the spooled body");
	if (n == 0)
		return smime_error_setx(err, "the spooled body got shorter");
	*got = (size_t)n;
	return 0;
}

/* May give less than asked for: at the edge of a block or of the file. */
int
spool_read(struct spool *spool, uint64_t offset, void *buf, size_t len,
    size_t *got, struct smime_error *err)
{
	size_t at, n, done = 0;

	*got = 0;
	if (spool->failed)
		return smime_error_setx(err, "the spooled body is not whole");
	if (offset >= spool->size || len == 0)
		return 0;
	if (len > spool->size - offset)
		len = (size_t)(spool->size - offset);
	if (spool->fd != -1)
		return read_file(spool, offset, buf, len, got, err);
	while (done < len) {
		at = (size_t)(offset % SPOOL_BLOCK);
		n = SPOOL_BLOCK - at < len - done ? SPOOL_BLOCK - at :
		    len - done;
		memcpy((unsigned char *)buf + done,
		    spool->blocks[offset / SPOOL_BLOCK] + at, n);
		offset += n;
		done += n;
	}
	*got = done;
	return 0;
}

int
spool_descriptor(struct spool *spool, struct smime_error *err)
{
	if (spool->failed)
		return smime_error_setx(err, "the spooled body is not whole");
	spool->failed = true;
	if (spool->fd == -1 && spill(spool, err) == -1)
		return -1;
	if (flush(spool, err) == -1)
		return -1;
	spool->failed = false;
	return spool->fd;
}
