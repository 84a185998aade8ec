/*
 * test_readahead.c - read(), poll() and close() as libmilter meets them.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../milter/connection.h"
#include "pair.h"

#include <setjmp.h>
#include <cmocka.h>

static int
make_pair(void **state)
{
	(void)state;
	return pair_open(SOCK_STREAM);
}

static int
readable(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN | POLLPRI };
	int rc = poll(&one, 1, 0);

	assert_int_equal(rc == 1, (one.revents & POLLIN) != 0);
	return rc;
}

static void
send_octets(const void *buf, size_t len)
{
	assert_int_equal(write(far, buf, len), (ssize_t)len);
}

/* Pieces of every size out of what came at once, in order. */
static void
test_order(void **state)
{
	unsigned char sent[5000], got[5000];
	size_t piece, at, i;
	ssize_t n;

	(void)state;
	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7 + i / 256);
	for (piece = 1; piece < 700; piece = piece * 2 + 3) {
		send_octets(sent, sizeof(sent));
		for (at = 0; at < sizeof(got); at += (size_t)n) {
			assert_int_equal(readable(near), 1);
			n = read(near, got + at, piece < sizeof(got) - at ?
			    piece : sizeof(got) - at);
			assert_true(n > 0);
		}
		assert_memory_equal(got, sent, sizeof(sent));
		assert_int_equal(readable(near), 0);
	}
}

/* A read larger than the buffer comes after what the buffer held. */
static void
test_large(void **state)
{
	static unsigned char sent[60000], got[60000];
	size_t at, i;
	ssize_t n;

	(void)state;
	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i % 251);
	send_octets(sent, sizeof(sent));
	assert_int_equal(read(near, got, 5), 5);
	for (at = 5; at < sizeof(got); at += (size_t)n) {
		n = read(near, got + at, sizeof(got) - at);
		assert_true(n > 0);
	}
	assert_memory_equal(got, sent, sizeof(sent));
}

/* How much the kernel still holds. */
static int
left(void)
{
	int n = -1;

	assert_int_equal(ioctl(near, FIONREAD, &n), 0);
	return n;
}

static void
read_whole_piece(unsigned char *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf += n, len -= (size_t)n) {
		n = read(near, buf, len);
		assert_true(n > 0);
	}
}

/* Packets of a large body: from the second on nothing is read ahead, until
 * small ones come again. */
static void
test_bulk(void **state)
{
	static unsigned char sent[3 * 40005 + 100], got[sizeof(sent)];
	size_t at, i;

	(void)state;
	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i % 249);
	send_octets(sent, sizeof(sent));
	for (at = 0; at < 3 * 40005; at += 40005) {
		read_whole_piece(got + at, 5);
		if (at > 0)
			assert_int_equal(left(), sizeof(sent) - at - 5);
		read_whole_piece(got + at + 5, 40000);
		assert_int_equal(left(), sizeof(sent) - at - 40005);
	}
	assert_int_equal(read(near, got + at, 5), 5);
	assert_int_equal(left(), 95);
	assert_int_equal(read(near, got + at + 5, 5), 5);
	assert_int_equal(left(), 0);
	read_whole_piece(got + at + 10, 90);
	assert_memory_equal(got, sent, sizeof(sent));
}

/* What poll() said is remembered until something is read, and no longer. */
static void
test_said_before(void **state)
{
	static unsigned char got[20000];

	(void)state;
	send_octets("abc", 3);
	assert_int_equal(readable(near), 1);
	assert_int_equal(readable(near), 1);
	/* larger than the buffer: read past it */
	assert_int_equal(read(near, got, sizeof(got)), 3);
	assert_int_equal(readable(near), 0);
	send_octets("d", 1);
	assert_int_equal(readable(near), 1);
	assert_int_equal(readable(near), 1);
	close(far);
	far = -1;
	assert_int_equal(read(near, got, 10), 1);
	assert_int_equal(readable(near), 1);
	assert_int_equal(read(near, got, 10), 0);
}

static void
test_end_of_file(void **state)
{
	char got[10];

	(void)state;
	send_octets("abc", 3);
	close(far);
	far = -1;
	assert_int_equal(read(near, got, 1), 1);
	assert_int_equal(readable(near), 1);
	assert_int_equal(read(near, got + 1, 9), 2);
	assert_memory_equal(got, "abc", 3);
	assert_int_equal(readable(near), 1);
	assert_int_equal(read(near, got, 9), 0);
	assert_int_equal(read(near, got, 9), 0);
}

/* What is held does not hide other descriptors, nor they it. */
static void
test_poll_several(void **state)
{
	struct pollfd fds[3];
	int other[2];
	char c;

	(void)state;
	assert_int_equal(pipe(other), 0);
	fds[0] = (struct pollfd){ .fd = other[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = near, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = -1, .events = POLLIN };
	assert_int_equal(poll(fds, 3, 0), 0);
	send_octets("ab", 2);
	assert_int_equal(read(near, &c, 1), 1);
	assert_int_equal(poll(fds, 3, -1), 1);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLIN);
	assert_int_equal(write(other[1], "x", 1), 1);
	assert_int_equal(poll(fds, 3, -1), 2);
	assert_int_equal(fds[0].revents, POLLIN);
	/* Held and more in the socket: counted once. */
	send_octets("c", 1);
	assert_int_equal(poll(fds, 3, -1), 2);
	/* Only writing is asked for: the buffer is no reason. */
	fds[1].events = POLLOUT;
	assert_int_equal(poll(fds + 1, 1, 0), 1);
	assert_int_equal(fds[1].revents, POLLOUT);
	close(other[0]);
	close(other[1]);
}

/* A descriptor's next owner sees nothing of its last one. */
static void
test_reuse(void **state)
{
	int fds[2], number = near;
	char got[10];

	(void)state;
	send_octets("rahasia", 7);
	assert_int_equal(read(near, got, 1), 1);
	close(near);
	assert_int_equal(pipe(fds), 0);
	assert_true(fds[0] == number || fds[1] == number);
	assert_int_equal(readable(fds[0]), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(fds[0], got, sizeof(got)), 1);
	assert_int_equal(got[0], 'x');
	near = fds[0];
	close(fds[1]);
}

static void
test_unwatched(void **state)
{
	char got[10];

	(void)state;
	send_octets("abc", 3);
	assert_int_equal(read(near, got, 1), 1);
	/* The other end was never handed over: nothing is read ahead. */
	assert_int_equal(write(near, "xyz", 3), 3);
	assert_int_equal(read(far, got, 1), 1);
	assert_int_equal(recv(far, got, 10, 0), 2);
	readahead_begin(-1);
	readahead_begin(1 << 20);
	assert_int_equal(read(-1, got, 1), -1);
	assert_int_equal(close(-1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_large, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_bulk, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_said_before, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_end_of_file, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_poll_several, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_reuse, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_unwatched, make_pair,
		    pair_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
