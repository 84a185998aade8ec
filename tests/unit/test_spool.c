/*
 * test_spool.c - the body store: same octets back whatever the ceiling, nobody
 * else can read them, and a disk that is full says so.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../smime/smime.h"

int	open(const char *, int, ...);
ssize_t	pwrite(int, const void *, size_t, off_t);
void	OPENSSL_cleanse(void *, size_t);

static bool no_tmpfile;		/* the file system has no O_TMPFILE */
static size_t disk_room;	/* octets until the disk is full */
static size_t write_max;	/* octets that one write takes */
static size_t wiped;
static int odd_writes;		/* not of a whole buffer to its place */
static int last_fd;		/* of the last file opened */
static char dir[] = "/tmp/test_spool.XXXXXX";

/* These stand before libc's and libcrypto's. */
int
open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	last_fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	return last_fd;
}

ssize_t
pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	if (disk_room == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (len > disk_room)
		len = disk_room;
	if (len > write_max)
		len = write_max;
	disk_room -= len;
	if (offset % 65536 != 0 || len != 65536)
		odd_writes++;
	return syscall(SYS_pwrite64, fd, buf, len, offset);
}

void
OPENSSL_cleanse(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
	wiped += len;
}

static int
setup(void **state)
{
	(void)state;
	no_tmpfile = false;
	disk_room = write_max = SIZE_MAX;
	wiped = 0;
	odd_writes = 0;
	last_fd = -1;
	return 0;
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);	/* fails when a file was left in it */
}

static unsigned char
octet_at(size_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13);
}

static void
fill(struct spool *spool, size_t size, size_t step)
{
	unsigned char buf[70000];
	struct smime_error err = { "" };
	size_t at, n, i;

	for (at = 0; at < size; at += n) {
		n = size - at < step ? size - at : step;
		for (i = 0; i < n; i++)
			buf[i] = octet_at(at + i);
		if (spool_write(spool, buf, n, &err) != 0)
			fail_msg("%s", err.text);
	}
}

static void
check_from(struct spool *spool, size_t offset, size_t size, size_t step)
{
	unsigned char buf[70000];
	struct smime_error err = { "" };
	size_t got, i;

	for (;;) {
		if (spool_read(spool, offset, buf, step, &got, &err) != 0)
			fail_msg("%s", err.text);
		if (got == 0)
			break;
		assert_true(got <= step);
		for (i = 0; i < got; i++)
			if (buf[i] != octet_at(offset + i))
				fail_msg("octet %zu differs", offset + i);
		offset += got;
	}
	assert_int_equal(offset, size);
}

static const struct {
	size_t	 size;
	size_t	 memory;
	size_t	 step;
} sizes[] = {
	{ 0, 0, 1 }, { 0, 100, 1 }, { 1, 0, 1 }, { 1, 1, 1 },
	{ 100, 99, 1 }, { 100, 100, 1 }, { 100, 101, 1 },
	{ 16384, 65536, 16384 }, { 16385, 65536, 16384 },
	{ 70000, 65536, 1 }, { 65536, 65536, 65535 },
	{ 65537, 65536, 65535 }, { 300000, 262144, 65535 },
	{ 300000, 1000000, 65535 }, { 300000, 100, 65536 },
	{ 300000, 0, 70000 }, { 1000000, 262144, 4099 },
	{ 600000, 500000, 777 },
};

static void
test_same_octets_back(void **state)
{
	struct spool *spool;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		no_tmpfile = i % 2 == 1;
		write_max = i % 3 == 0 ? 1000 : SIZE_MAX;
		spool = spool_new(dir, sizes[i].memory);
		assert_non_null(spool);
		fill(spool, sizes[i].size, sizes[i].step);
		assert_int_equal(spool_size(spool), sizes[i].size);
		check_from(spool, 0, sizes[i].size, 65536);
		check_from(spool, 0, sizes[i].size, 1000);
		check_from(spool, sizes[i].size / 2, sizes[i].size, 333);
		check_from(spool, sizes[i].size, sizes[i].size, 10);
		spool_free(spool);
	}
}

/* Up to the ceiling there is no file, behind it one without a name. */
static void
test_file_is_private(void **state)
{
	struct spool *spool;
	struct dirent *entry;
	struct stat st;
	int round, names;
	DIR *d;

	(void)state;
	for (round = 0; round < 2; round++) {
		no_tmpfile = round == 1;
		last_fd = -1;
		spool = spool_new(dir, 1000);
		fill(spool, 1000, 100);
		assert_int_equal(last_fd, -1);
		fill(spool, 1, 1);
		if (!no_tmpfile) {
			assert_int_equal(fstat(last_fd, &st), 0);
			assert_int_equal(st.st_mode & 07777, 0600);
			assert_int_equal(st.st_nlink, 0);
		}
		d = opendir(dir);
		assert_non_null(d);
		for (names = 0; (entry = readdir(d)) != NULL; names++)
			;
		closedir(d);
		assert_int_equal(names, 2);	/* "." and ".." */
		spool_free(spool);
	}
}

/* For somebody else to read: whole, in the file, from its beginning. */
static void
test_descriptor(void **state)
{
	static const size_t lengths[] = { 0, 1, 999, 1001, 65536, 70000,
		200000 };
	struct smime_error err = { "" };
	struct spool *spool;
	struct stat st;
	char octet;
	size_t i;
	int fd;

	(void)state;
	no_tmpfile = false;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		spool = spool_new(dir, i % 2 == 0 ? 1000 : 0);
		fill(spool, lengths[i], 777);
		fd = spool_descriptor(spool, &err);
		assert_true(fd >= 0);
		assert_int_equal(spool_descriptor(spool, &err), fd);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, lengths[i]);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
		check_from(spool, 0, lengths[i], 4096);
		if (lengths[i] > 0)
			assert_int_equal(pread(fd, &octet, 1,
			    (off_t)lengths[i] - 1), 1);
		spool_free(spool);
	}
	spool = spool_new("/nonexistent", 1000);
	fill(spool, 10, 10);
	assert_int_equal(spool_descriptor(spool, &err), -1);
	assert_int_equal(spool_descriptor(spool, &err), -1);
	spool_free(spool);
}

/* Whatever it comes in, and whenever memory was not enough any more. */
static void
test_whole_buffers(void **state)
{
	static const size_t steps[] = { 777, 65535, 65536, 70000 };
	static const size_t memory[] = { 0, 1000, 100000, 262144 };
	struct spool *spool;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (j = 0; j < sizeof(memory) / sizeof(memory[0]); j++) {
			spool = spool_new(dir, memory[j]);
			fill(spool, 300000, steps[i]);
			assert_int_not_equal(last_fd, -1);
			assert_int_equal(odd_writes, 0);
			check_from(spool, 0, 300000, 40000);
			spool_free(spool);
		}
	}
}

static void
test_full_disk(void **state)
{
	struct smime_error err = { "" };
	unsigned char buf[65536] = { 0 };
	struct spool *spool;
	size_t got;
	int i, rc = 0;

	(void)state;
	spool = spool_new(dir, 1000);
	disk_room = 100000;
	for (i = 0; i < 10 && rc == 0; i++)
		rc = spool_write(spool, buf, sizeof(buf), &err);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(err.text, "is full"));
	assert_non_null(strstr(err.text, dir));
	/* Room again does not make it whole. */
	disk_room = SIZE_MAX;
	assert_int_equal(spool_write(spool, buf, 1, &err), -1);
	assert_int_equal(spool_read(spool, 0, buf, 1, &got, &err), -1);
	spool_free(spool);
}

static void
test_no_directory(void **state)
{
	struct smime_error err = { "" };
	struct spool *spool;

	(void)state;
	spool = spool_new("/nonexistent/spool", 3);
	assert_int_equal(spool_write(spool, "abc", 3, &err), 0);
	assert_int_equal(spool_write(spool, "d", 1, &err), -1);
	assert_non_null(strstr(err.text, "/nonexistent/spool"));
	spool_free(spool);
	err.text[0] = '\0';
	spool = spool_new(NULL, 3);
	assert_int_equal(spool_write(spool, "abcd", 4, &err), -1);
	assert_string_not_equal(err.text, "");
	spool_free(spool);
}

static void
test_wiped(void **state)
{
	struct spool *spool;

	(void)state;
	spool = spool_new(dir, 200000);
	fill(spool, 150000, 1000);
	spool_free(spool);
	assert_true(wiped >= 150000);
	/* What went to the file is wiped when it does. */
	wiped = 0;
	spool = spool_new(dir, 200000);
	fill(spool, 201000, 1000);
	assert_true(wiped >= 200000);
	wiped = 0;
	spool_free(spool);
	assert_true(wiped >= 1000);
	spool_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_same_octets_back, setup),
		cmocka_unit_test_setup(test_file_is_private, setup),
		cmocka_unit_test_setup(test_descriptor, setup),
		cmocka_unit_test_setup(test_whole_buffers, setup),
		cmocka_unit_test_setup(test_full_disk, setup),
		cmocka_unit_test_setup(test_no_directory, setup),
		cmocka_unit_test_setup(test_wiped, setup),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
