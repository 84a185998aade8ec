/*
 * test_accept.c - the accept() that libmilter calls, with real sockets. The
 * test polls and accepts as libmilter does: MTA-57, PITFALLS 7.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/connection.h"
#include "../../smime/smime.h"
#include "watched.h"

#define MAX		4
#define PATIENCE	20000	/* milliseconds, for what has to come */

static char directory[] = "/tmp/sampul-test-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener;

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Where each instruction takes fifty, so does a limit. */
static int64_t
slowly(int64_t limit)
{
	return is_watched() ? limit * 50 : limit;
}

static int
group_setup(void **state)
{
	struct smime_error err = { "" };

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock",
	    directory);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(accept_limits(MAX, 1, &err), 0);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unlink(address.sun_path);
	rmdir(directory);
	return 0;
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	return fd;
}

static int
dial_and_speak(void)
{
	int fd = dial();

	/* Fails where the connection was turned away already. */
	(void)send(fd, "O", 1, MSG_NOSIGNAL);
	return fd;
}

/* As libmilter's listener: the connection, or -1 after so many milliseconds. */
static int
libmilter_accept(int patience, unsigned *rounds)
{
	struct pollfd polled = { .fd = listener, .events = POLLIN };
	struct sockaddr_storage peer;
	socklen_t len;
	int64_t until = now_ms() + patience;
	int fd;

	for (*rounds = 0; now_ms() < until; (*rounds)++) {
		if (poll(&polled, 1, 20) <= 0)
			continue;
		len = sizeof(address);
		memset(&peer, 0, sizeof(peer));
		fd = accept(listener, (struct sockaddr *)&peer, &len);
		if (fd == -1) {
			assert_true(errno == EAGAIN || errno == EMFILE);
			continue;
		}
		/* libmilter drops a connection without these. */
		assert_true(len > 0);
		assert_int_equal(peer.ss_family, AF_UNIX);
		return fd;
	}
	return -1;
}

/* Until so many connections are counted, whoever holds them. */
static void
await_open(unsigned want)
{
	unsigned open, refused, rounds;
	int64_t until = now_ms() + PATIENCE;

	do {
		assert_int_equal(libmilter_accept(50, &rounds), -1);
		accept_counts(&open, &refused);
	} while (open != want && now_ms() < until);
	assert_int_equal(open, want);
}

/* Whether the peer has closed, or does so within the time. */
static bool
is_closed(int fd, int patience)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&polled, 1, patience) == 1 &&
	    recv(fd, &c, 1, MSG_DONTWAIT) <= 0;
}

static void
test_speaker_is_handed_over(void **state)
{
	unsigned rounds, open, refused;
	int fd, given;
	char c;

	(void)state;
	fd = dial_and_speak();
	given = libmilter_accept(PATIENCE, &rounds);
	assert_true(given != -1);
	assert_int_equal(read(given, &c, 1), 1);
	assert_int_equal(c, 'O');
	accept_counts(&open, &refused);
	assert_int_equal(open, 1);
	close(given);
	close(fd);
	accept_counts(&open, &refused);
	assert_int_equal(open, 0);
}

/* Held until it speaks; never handed over, and closed, when it does not. */
static void
test_silent_is_held(void **state)
{
	unsigned rounds;
	int silent, late, given;

	(void)state;
	silent = dial();
	late = dial();
	assert_int_equal(libmilter_accept(300, &rounds), -1);
	assert_true(rounds < 50);
	assert_int_equal(write(late, "O", 1), 1);
	given = libmilter_accept(PATIENCE, &rounds);
	assert_true(given != -1);
	assert_false(is_closed(silent, 0));
	assert_true(is_closed(silent, PATIENCE));
	assert_int_equal(libmilter_accept(100, &rounds), -1);
	close(silent);
	close(late);
	close(given);
}

static void
test_ceiling(void **state)
{
	unsigned rounds, open, refused, i;
	int fds[MAX], given[MAX], extra;

	(void)state;
	accept_counts(&open, &refused);
	for (i = 0; i < MAX; i++) {
		fds[i] = dial_and_speak();
		given[i] = libmilter_accept(PATIENCE, &rounds);
		assert_true(given[i] != -1);
	}
	extra = dial_and_speak();
	assert_true(is_closed(extra, PATIENCE));
	close(extra);
	accept_counts(&open, &refused);
	assert_int_equal(open, MAX);
	assert_int_equal(refused, 1);
	/* libmilter closes one: there is room again, without being told. */
	close(given[2]);
	extra = dial_and_speak();
	given[2] = libmilter_accept(PATIENCE, &rounds);
	assert_true(given[2] != -1);
	close(extra);
	for (i = 0; i < MAX; i++) {
		close(fds[i]);
		close(given[i]);
	}
}

/* ATK-35: silent connections cannot keep an MTA out. */
static void
test_silent_make_room(void **state)
{
	unsigned rounds, i;
	int silent[MAX], fd, given;

	(void)state;
	for (i = 0; i < MAX; i++)
		silent[i] = dial();
	fd = dial_and_speak();
	given = libmilter_accept(PATIENCE, &rounds);
	assert_true(given != -1);
	assert_true(is_closed(silent[0], PATIENCE));
	/* A probe that hangs up is not handed over either. */
	for (i = 0; i < MAX; i++)
		close(silent[i]);
	assert_int_equal(libmilter_accept(100, &rounds), -1);
	close(fd);
	close(given);
}

/*
 * Without descriptors: the connection is turned away at once, and nobody
 * spins.
 */
static void
test_no_descriptors(void **state)
{
	struct rlimit limit, none;
	struct timespec before, after;
	unsigned rounds;
	int fd, given;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Everything below is taken; nothing above may be opened. */
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_int_equal(connect(fd, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	assert_true(is_closed(fd, PATIENCE));
	assert_int_equal(libmilter_accept(500, &rounds), -1);
	assert_in_range(rounds, 1, 100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
	    (after.tv_nsec - before.tv_nsec) / 1000000 < slowly(250));
	close(fd);
	fd = dial_and_speak();
	given = libmilter_accept(PATIENCE, &rounds);
	assert_true(given != -1);
	close(fd);
	close(given);
}

/* Takes every descriptor that is free: nothing more may be opened. */
static void
use_up_descriptors(int last, struct rlimit *before)
{
	struct rlimit none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
	none = *before;
	none.rlim_cur = (rlim_t)last + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

#define WAITING	60

/* Those who wait are told together, and not one in each pause. */
static void
test_no_descriptors_for_many(void **state)
{
	struct rlimit before;
	int fds[WAITING], i;
	int64_t begin;

	(void)state;
	for (i = 0; i < WAITING; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	use_up_descriptors(fds[WAITING - 1], &before);
	begin = now_ms();
	for (i = 0; i < WAITING; i++)
		assert_int_equal(connect(fds[i], (struct sockaddr *)&address,
		    sizeof(address)), 0);
	for (i = 0; i < WAITING; i++)
		assert_true(is_closed(fds[i], PATIENCE));
	/* One in each pause of 100 ms would be twice as long. */
	assert_true(now_ms() - begin < slowly(WAITING * 100 / 2));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (i = 0; i < WAITING; i++)
		close(fds[i]);
}

/* When descriptors are short the silent have to go, not who speaks. */
static void
test_silent_give_descriptors(void **state)
{
	struct rlimit before;
	int silent, speaker, given;
	unsigned rounds;

	(void)state;
	if (is_in_valgrind())
		skip();		/* which lets accept(2) drop what is above the
				 * limit, instead of leaving it */
	speaker = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	silent = dial();
	await_open(1);
	/* the lowest free number is above all that are taken */
	given = fcntl(silent, F_DUPFD_CLOEXEC, 0);
	close(given);
	use_up_descriptors(given - 1, &before);
	assert_int_equal(connect(speaker, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	assert_int_equal(send(speaker, "O", 1, MSG_NOSIGNAL), 1);
	given = libmilter_accept(PATIENCE, &rounds);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(given != -1);
	close(given);
	close(silent);
	close(speaker);
}

/* Many one after another: the list of those given away is swept in time. */
static void
test_many(void **state)
{
	unsigned rounds, i;
	int fd, given;
	int64_t began = now_ms();

	(void)state;
	for (i = 0; i < 500; i++) {
		fd = dial_and_speak();
		given = libmilter_accept(PATIENCE, &rounds);
		if (given == -1)
			fail_msg("connection %u was lost", i);
		close(given);
		close(fd);
	}
	print_message("500 connections in %d ms\n", (int)(now_ms() - began));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speaker_is_handed_over),
		cmocka_unit_test(test_silent_is_held),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_silent_make_room),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_descriptors_for_many),
		cmocka_unit_test(test_silent_give_descriptors),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("accept", tests, group_setup,
	    group_teardown);
}
