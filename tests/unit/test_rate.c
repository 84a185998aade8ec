/*
 * test_rate.c - the ceiling on signatures per address, by a clock of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../milter/keys/keyd.h"

static unsigned
take_many(struct rate *rate, const char *address, unsigned per_minute,
    int64_t from, int64_t to, int64_t step)
{
	unsigned taken = 0;

	for (; from < to; from += step)
		if (rate_take(rate, address, per_minute, from))
			taken++;
	return taken;
}

static void
test_ceiling(void **state)
{
	static const struct {
		const char	*what;
		unsigned	 per_minute;
		int64_t		 from, to, step;	/* ms */
		unsigned	 want;
	} cases[] = {
		{ "a burst of one minute's worth", 60, 0, 100, 1, 60 },
		{ "no ceiling", 0, 0, 1000, 1, 1000 },
		{ "one a minute", 1, 0, 59999, 100, 1 },
		{ "one a minute, then the next", 1, 0, 60100, 100, 2 },
		{ "below the rate all pass", 60, 0, 600000, 1000, 600 },
		{ "a flood for ten minutes: burst and rate", 60, 0, 600000, 10,
		    60 + 599 },
		{ "a large ceiling", 100000, 0, 60000, 1, 60000 },
		{ "a clock far from zero", 2, INT64_C(1) << 50,
		    (INT64_C(1) << 50) + 10, 1, 2 },
	};
	struct rate *rate;
	unsigned got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rate = rate_new();
		assert_non_null(rate);
		got = take_many(rate, "budi@dinkes.pekalongankab.go.id",
		    cases[i].per_minute, cases[i].from, cases[i].to,
		    cases[i].step);
		if (got != cases[i].want)
			fail_msg("%s: got %u, wanted %u", cases[i].what, got,
			    cases[i].want);
		rate_free(rate);
	}
}

static void
test_addresses_apart(void **state)
{
	struct rate *rate = rate_new();

	(void)state;
	assert_true(rate_take(rate, "a@x", 1, 0));
	assert_false(rate_take(rate, "a@x", 1, 1));
	assert_true(rate_take(rate, "b@x", 1, 1));
	rate_free(rate);
}

static void
test_clock_backwards(void **state)
{
	struct rate *rate = rate_new();

	(void)state;
	assert_true(rate_take(rate, "a@x", 1, 100000));
	assert_false(rate_take(rate, "a@x", 1, 50000));
	assert_true(rate_take(rate, "a@x", 1, 160000));
	rate_free(rate);
}

/* More addresses than the table holds: the flooder stays under its ceiling. */
static void
test_full_table(void **state)
{
	struct rate *rate = rate_new();
	unsigned i, taken = 0;
	char address[32];

	(void)state;
	for (i = 0; i < 50000; i++) {
		snprintf(address, sizeof(address), "u%u@x", i);
		rate_take(rate, address, 60, 1);
		if (rate_take(rate, "flood@x", 60, 1))
			taken++;
	}
	if (taken != 60)
		fail_msg("got %u, wanted 60", taken);
	rate_free(rate);
}

static void
test_once_a_day(void **state)
{
	struct rate *rate = rate_new();

	(void)state;
	assert_true(rate_first_today(rate, "a 01", 86400 * 100));
	assert_false(rate_first_today(rate, "a 01", 86400 * 100 + 86399));
	assert_true(rate_first_today(rate, "a 02", 86400 * 100));
	assert_true(rate_first_today(rate, "a 01", 86400 * 101));
	rate_free(rate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_addresses_apart),
		cmocka_unit_test(test_clock_backwards),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_once_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
