/*
 * test_der.c - strict DER: what X.690 10 allows, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/der.h"

static const struct {
	const char	*what;
	const char	*input;
	size_t		 len;
	unsigned char	 tag;
	int		 content;	/* its length, -1: refused */
	size_t		 rest;
} takes[] = {
#define IN(s)	s, sizeof(s) - 1
	{ "nothing", IN(""), 0x30, -1, 0 },
	{ "tag alone", IN("\x30"), 0x30, -1, 0 },
	{ "empty", IN("\x30\0"), 0x30, 0, 0 },
	{ "another tag", IN("\x31\0"), 0x30, -1, 0 },
	{ "something behind", IN("\x04\x01xyz"), 0x04, 1, 2 },
	{ "cut", IN("\x04\x03xy"), 0x04, -1, 0 },
	{ "indefinite length", IN("\x30\x80\0\0"), 0x30, -1, 0 },
	{ "reserved length", IN("\x30\xff\0\0"), 0x30, -1, 0 },
	{ "long form for a short length", IN("\x04\x81\x01x"), 0x04, -1, 0 },
	{ "length with a zero before", IN("\x04\x82\0\x01x"), 0x04, -1, 0 },
	{ "length of five octets", IN("\x04\x85\1\0\0\0\0x"), 0x04, -1, 0 },
	{ "length octets cut", IN("\x04\x82\x01"), 0x04, -1, 0 },
	{ "length beyond memory", IN("\x04\x84\xff\xff\xff\xffx"), 0x04, -1,
	    0 },
	{ "long tag number", IN("\x1f\x01x"), 0x1f, -1, 0 },
};

static void
test_take(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		struct der in = { (const unsigned char *)takes[i].input,
		    takes[i].len }, content = { NULL, 0 }, whole;
		bool ok = der_take(&in, takes[i].tag, &content, &whole);
		int got = ok ? (int)content.len : -1;

		if (got != takes[i].content || (ok &&
		    (in.len != takes[i].rest ||
		    whole.len != takes[i].len - takes[i].rest)))
			fail_msg("%s: got %d, %zu left; wanted %d, %zu",
			    takes[i].what, got, in.len, takes[i].content,
			    takes[i].rest);
		if (!ok && in.len != takes[i].len)
			fail_msg("%s: refused, but taken off", takes[i].what);
	}
}

/* What is written is read back, at every border of the length's form. */
static void
test_put(void **state)
{
	static const size_t lengths[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100,
	    0xffff, 0x10000, 0xffffff, 0x1000000 };
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned char *buf = malloc(8 + lengths[i]);
		unsigned char *p = der_put_header(buf, 0x04, lengths[i]);
		struct der in = { buf, 0 }, content;

		n = (size_t)(p - buf);
		if (n != der_header_size(lengths[i]))
			fail_msg("%zu: header of %zu, wanted %zu", lengths[i],
			    n, der_header_size(lengths[i]));
		in.len = n + lengths[i];
		if (!der_take(&in, 0x04, &content, NULL) ||
		    content.p != p || content.len != lengths[i])
			fail_msg("%zu: not read back", lengths[i]);
		free(buf);
	}
}

/* Cut at every length: refused, and no octet behind the end is touched. */
static void
test_cut(void **state)
{
	static const size_t lengths[] = { 3, 0x80, 0x1234 };
	size_t i, n, whole;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		whole = der_header_size(lengths[i]) + lengths[i];
		for (n = 0; n < whole; n++) {
			unsigned char *buf = malloc(n > 0 ? n : 1);
			unsigned char head[8];
			size_t h = (size_t)(der_put_header(head, 0x30,
			    lengths[i]) - head);
			struct der in = { buf, n }, content;

			memset(buf, 0, n > 0 ? n : 1);
			memcpy(buf, head, n < h ? n : h);
			if (der_take(&in, 0x30, &content, NULL))
				fail_msg("%zu cut at %zu: taken", lengths[i],
				    n);
			free(buf);
		}
	}
}

static void
test_wrap(void **state)
{
	struct der parts[2] = { { (const unsigned char *)"ab", 2 },
	    { (const unsigned char *)"c", 1 } }, out;

	(void)state;
	assert_true(der_wrap(&out, 0x04, parts, 2));
	assert_true(der_is(&out, "\x04\x03" "abc", 5));
	assert_int_equal(der_peek(&out), 0x04);
	der_free(&out);
	assert_null(out.p);
	assert_int_equal(der_peek(&out), -1);
	assert_true(der_join(&out, parts, 2));
	assert_true(der_is(&out, "abc", 3));
	der_free(&out);
}

/* X.690 11.6 */
static void
test_order(void **state)
{
	static const struct {
		const char	*a, *b;
		int		 want;
	} pairs[] = {
		{ "\x30\x01x", "\x30\x01y", -1 },
		{ "\x30\x02zz", "\x30\x01zz", 1 },
		{ "\x30\x01x", "\x30\x01x", 0 },
		{ "ab", "abc", -1 },
		{ "", "a", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct der a = { (const unsigned char *)pairs[i].a,
		    strlen(pairs[i].a) };
		struct der b = { (const unsigned char *)pairs[i].b,
		    strlen(pairs[i].b) };
		int ab = der_compare(&a, &b), ba = der_compare(&b, &a);

		if ((ab > 0) - (ab < 0) != pairs[i].want ||
		    (ba > 0) - (ba < 0) != -pairs[i].want)
			fail_msg("pair %zu: got %d and %d, wanted %d", i, ab,
			    ba, pairs[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
