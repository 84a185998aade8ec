/*
 * test_drain.c - a stop waits for what has begun, but not for ever: MTA-13.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/session.h"

static struct service service;
static atomic_bool returned;

/* As libmilter's signal thread does it. */
static void *
wait_for_signal(void *arg)
{
	sigset_t set;
	int number = 0;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	assert_int_equal(sigwait(&set, &number), 0);
	assert_int_equal(number, SIGTERM);
	atomic_store(&returned, true);
	return NULL;
}

static void
test_waits(void **state)
{
	const struct timespec step = { 0, 10 * 1000 * 1000 };
	struct timespec begin, end;
	sigset_t set;
	pthread_t thread;
	int i;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	atomic_store(&service.active, 1);
	drain_watch(&service);
	assert_false(drain_begun());
	assert_int_equal(pthread_create(&thread, NULL, wait_for_signal, NULL),
	    0);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	for (i = 0; i < 6000 && !drain_begun(); i++)
		nanosleep(&step, NULL);
	assert_true(drain_begun());
	assert_false(atomic_load(&returned));
	atomic_store(&service.active, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(atomic_load(&returned));

	/* One that never ends is given up, and there is no second patience. */
	atomic_store(&service.active, 1);
	drain();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < 1000; i++)
		drain();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
