/*
 * test_gather.c - writev() and poll() as libmilter meets them at the end of a
 * message: what reaches the MTA, when, and in how many pieces.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
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
	/* Datagrams that keep their order: each piece is seen as one. */
	return pair_open(SOCK_SEQPACKET);
}

/* As libmilter does it: asks first, writes five octets and the rest. */
static ssize_t
packet(int fd, char command, const char *data, size_t len)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	char head[5] = { 0, 0, (char)((len + 1) >> 8), (char)(len + 1),
	    command };
	struct iovec parts[2];

	assert_int_equal(poll(&one, 1, 1000), 1);
	assert_true((one.revents & POLLOUT) != 0);
	parts[0].iov_base = head;
	parts[0].iov_len = sizeof(head);
	parts[1].iov_base = (char *)(uintptr_t)data;
	parts[1].iov_len = len;
	return writev(fd, parts, len > 0 ? 2 : 1);
}

/* What the MTA has got since, in how many pieces. */
static size_t
arrived(char *buf, size_t size, unsigned *pieces)
{
	size_t len = 0;
	ssize_t n;

	for (*pieces = 0; (n = recv(far, buf + len, size - len,
	    MSG_DONTWAIT)) > 0; ++*pieces)
		len += (size_t)n;
	return len;
}

static void
test_commands(void **state)
{
	static const struct {
		char	command;
		bool	waits;
	} rows[] = {
		{ 'h', true }, { 'i', true }, { 'm', true }, { 'b', true },
		{ '-', true }, { 'q', true },
		{ 'c', false }, { 'a', false }, { 'r', false }, { 't', false },
		{ 'y', false }, { 'd', false }, { 'p', false }, { 's', false },
		{ 'O', false }, { 'f', false }, { '4', false },
	};
	char got[100];
	unsigned pieces;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(packet(near, rows[i].command, "text", 4), 9);
		if ((arrived(got, sizeof(got), &pieces) == 0) !=
		    rows[i].waits)
			fail_msg("command %c", rows[i].command);
		assert_int_equal(packet(near, 'p', "", 0), 5);
		arrived(got, sizeof(got), &pieces);
	}
}

/* Order and octets are kept, in one piece. */
static void
test_together(void **state)
{
	static const char want[] =
	    "\0\0\0\004mabc" "\0\0\0\001b" "\0\0\0\003hde" "\0\0\0\001c";
	char got[100];
	unsigned pieces;

	(void)state;
	packet(near, 'm', "abc", 3);
	packet(near, 'b', "", 0);
	packet(near, 'h', "de", 2);
	assert_int_equal(arrived(got, sizeof(got), &pieces), 0);
	assert_int_equal(packet(near, 'c', "", 0), 5);
	assert_int_equal(arrived(got, sizeof(got), &pieces), sizeof(want) - 1);
	assert_memory_equal(got, want, sizeof(want) - 1);
	assert_int_equal(pieces, 1);
}

/* More than there is room for goes on in order, and nothing twice. */
static void
test_room(void **state)
{
	static const size_t sizes[] = { 1000, 20000, 13000, 10000, 1, 3000 };
	char *data = malloc(65535), *got = malloc(300000);
	size_t i, at, len, want = 0;
	unsigned pieces;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(data, 'a' + (int)i, sizes[i]);
		assert_int_equal(packet(near, 'b', data, sizes[i]),
		    sizes[i] + 5);
		want += sizes[i] + 5;
	}
	assert_int_equal(packet(near, 'c', "", 0), 5);
	len = arrived(got, 300000, &pieces);
	assert_int_equal(len, want + 5);
	assert_true(pieces < 6);
	for (i = 0, at = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(data, 'a' + (int)i, sizes[i]);
		assert_int_equal(got[at + 4], 'b');
		assert_memory_equal(got + at + 5, data, sizes[i]);
		at += sizes[i] + 5;
	}
	assert_int_equal(got[at + 4], 'c');
	free(data);
	free(got);
}

/* What waits on a connection that ends goes to nobody. */
static void
test_close(void **state)
{
	int copy = fcntl(near, F_DUPFD_CLOEXEC, 200), other;
	char got[100];
	unsigned pieces;

	(void)state;
	readahead_begin(copy);
	packet(copy, 'm', "secret", 6);
	close(copy);
	assert_int_equal(arrived(got, sizeof(got), &pieces), 0);
	other = fcntl(near, F_DUPFD_CLOEXEC, 200);
	assert_int_equal(other, copy);
	readahead_begin(other);
	packet(other, 'c', "", 0);
	assert_int_equal(arrived(got, sizeof(got), &pieces), 5);
	close(other);
}

/* An MTA that is gone is told at the answer, and by no signal. */
static void
test_gone(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(packet(near, 'm', "abc", 3), 8);
	close(far);
	assert_int_equal(packet(near, 'c', "", 0), -1);
	assert_int_equal(errno, EPIPE);
	far = -1;
}

static void *
drain(void *arg)
{
	size_t *len = arg;
	char buf[5000];
	ssize_t n;

	while ((n = read(far, buf, sizeof(buf))) > 0)
		*len += (size_t)n;
	return NULL;
}

/* A stream that takes little at a time gets all of it. */
static void
test_slow(void **state)
{
	int fds[2], size = 4096, i;
	char *data = calloc(1, 65535);
	pthread_t thread;
	size_t len = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	close(far);
	far = fds[1];
	readahead_begin(fds[0]);
	assert_int_equal(pthread_create(&thread, NULL, drain, &len), 0);
	for (i = 0; i < 20; i++)
		assert_int_equal(packet(fds[0], 'b', data, 65000 + (size_t)i),
		    65005 + i);
	packet(fds[0], 'c', "", 0);
	close(fds[0]);
	pthread_join(thread, NULL);
	assert_int_equal(len, 20 * 65005 + 190 + 5);
	free(data);
}

/* Others' descriptors are written to as ever. */
static void
test_others(void **state)
{
	int fds[2];
	char got[20];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(packet(fds[1], 'm', "abc", 3), 8);
	assert_int_equal(read(fds[0], got, sizeof(got)), 8);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_together, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_room, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_close, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_gone, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_slow, make_pair,
		    pair_close),
		cmocka_unit_test_setup_teardown(test_others, make_pair,
		    pair_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
