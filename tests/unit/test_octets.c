/*
 * test_octets.c - what is counted and found sixteen octets at a time, against
 * the same done octet by octet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/octets.h"

/* Octets that matter, often; the same in every run. */
static void
fill(unsigned char *buf, size_t len, uint32_t seed, unsigned one_in)
{
	static const unsigned char special[] = "\r\n-\r\n-\0\377";
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (seed >> 8) % one_in != 0 ? 'a' :
		    special[(seed >> 24) % (sizeof(special) - 1)];
	}
}

/* A buffer of its own, so that a sanitizer sees what is read behind it. */
static unsigned char *
exactly(const unsigned char *buf, size_t len)
{
	unsigned char *copy = calloc(1, len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, buf, len);
	return copy;
}

static void
test_count(void **state)
{
	unsigned char buf[9000], *p;
	struct octets got, want;
	size_t len, i;

	(void)state;
	fill(buf, sizeof(buf), 1, 2);
	for (len = 0; len < sizeof(buf); len += len < 100 ? 1 : 97) {
		memset(&want, 0, sizeof(want));
		for (i = 0; i < len; i++) {
			want.high += buf[i] > 127;
			want.cr += buf[i] == '\r';
			want.nul += buf[i] == '\0';
		}
		p = exactly(buf, len);
		octets_count(p, len, &got);
		free(p);
		assert_int_equal(got.high, want.high);
		assert_int_equal(got.cr, want.cr);
		assert_int_equal(got.nul, want.nul);
	}
}

static const unsigned char *
find_slowly(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 1; i < len; i++)
		if (p[i] == '-' && (p[i - 1] == '\r' || p[i - 1] == '\n'))
			return p + i;
	return NULL;
}

/* At every place in every length, among octets that are half of it. */
static void
test_find_dash(void **state)
{
	static const char *const decoys[] = { "aaa", "-\na", "a-\r", "\r\na",
	    "-a-", "\n\r\n" };
	unsigned char buf[200], *p;
	size_t len, at, i;

	(void)state;
	for (len = 0; len < sizeof(buf); len++) {
		for (i = 0; i < len; i++)
			buf[i] = (unsigned char)decoys[len % 6][i % 3];
		p = exactly(buf, len);
		assert_null(octets_find_dash(p, len));
		for (at = 0; at + 2 <= len; at++) {
			memcpy(p, buf, len);
			memcpy(p + at, len % 2 == 0 ? "\r-" : "\n-", 2);
			assert_ptr_equal(octets_find_dash(p, len),
			    find_slowly(p, len));
		}
		free(p);
	}
}

static void
test_find_among_others(void **state)
{
	unsigned char buf[1000], *p;
	uint32_t seed;
	size_t len;

	(void)state;
	for (seed = 0; seed < 5000; seed++) {
		len = seed % sizeof(buf);
		fill(buf, len, seed, 1 + seed % 7);
		p = exactly(buf, len);
		assert_ptr_equal(octets_find_dash(p, len),
		    find_slowly(p, len));
		free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_find_dash),
		cmocka_unit_test(test_find_among_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
