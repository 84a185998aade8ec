/*
 * test_base64.c - lines of base64, in every way that this machine has, against
 * base64 as RFC 4648 describes it: bit by bit, one character after another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/octets.h"

#define LONGEST	400

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* The same in every run. */
static void
fill(unsigned char *buf, size_t len, uint32_t seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (unsigned char)(seed >> 24);
	}
}

static unsigned
bit(const unsigned char *p, size_t len, size_t at)
{
	return at / 8 < len ? (unsigned)p[at / 8] >> (7 - at % 8) & 1 : 0;
}

/* With line ends, also behind the last line; returns the length. */
static size_t
encode_slowly(const unsigned char *p, size_t len, char *out)
{
	size_t chars = (len + 2) / 3 * 4, n = 0, i, j;
	unsigned value;

	for (i = 0; i < chars; i++) {
		for (value = 0, j = 0; j < 6; j++)
			value = value << 1 | bit(p, len, i * 6 + j);
		out[n++] = i * 6 < len * 8 ? alphabet[value] : '=';
		if (i % BASE64_LINE == BASE64_LINE - 1 || i == chars - 1) {
			out[n++] = '\r';
			out[n++] = '\n';
		}
	}
	return n;
}

static void
check_line(const unsigned char *octets)
{
	char want[BASE64_LINE + 2];
	/* Of their own, so that a sanitizer sees what is beside them. */
	unsigned char *p = calloc(1, BASE64_OCTETS);
	unsigned char *out = calloc(1, BASE64_LINE);

	assert_non_null(p);
	assert_non_null(out);
	memcpy(p, octets, BASE64_OCTETS);
	encode_slowly(p, BASE64_OCTETS, want);
	base64_line(out, p);
	assert_memory_equal(out, want, BASE64_LINE);
	memset(out, 0, BASE64_LINE);
	base64_line_plain(out, p);
	assert_memory_equal(out, want, BASE64_LINE);
	free(p);
	free(out);
}

/* Every value in every place of a line. */
static void
test_every_value(void **state)
{
	unsigned char octets[BASE64_OCTETS];
	unsigned value;
	size_t i;

	(void)state;
	for (value = 0; value < 256; value++) {
		memset(octets, (int)value, sizeof(octets));
		check_line(octets);
		for (i = 0; i < sizeof(octets); i++) {
			fill(octets, sizeof(octets), value);
			octets[i] = (unsigned char)value;
			check_line(octets);
		}
	}
}

static void
test_random_lines(void **state)
{
	unsigned char octets[BASE64_OCTETS];
	uint32_t seed;

	(void)state;
	for (seed = 0; seed < 20000; seed++) {
		fill(octets, sizeof(octets), seed);
		check_line(octets);
	}
}

/* Nothing is asked of where the octets lie. */
static void
test_alignments(void **state)
{
	unsigned char from[BASE64_OCTETS + 64], to[BASE64_LINE + 64 + 2];
	char want[BASE64_LINE + 2];
	size_t i, j;

	(void)state;
	for (i = 0; i < 64; i++) {
		fill(from + i, BASE64_OCTETS, (uint32_t)i);
		encode_slowly(from + i, BASE64_OCTETS, want);
		for (j = 1; j <= 64; j++) {
			memset(to, '#', sizeof(to));
			base64_line(to + j, from + i);
			assert_memory_equal(to + j, want, BASE64_LINE);
			assert_int_equal(to[j - 1], '#');
			assert_int_equal(to[j + BASE64_LINE], '#');
		}
	}
}

struct text {
	char	 buf[LONGEST * 2];
	size_t	 len;
};

static int
collect(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	assert_true(len <= sizeof(text->buf) - text->len);
	memcpy(text->buf + text->len, buf, len);
	text->len += len;
	return 0;
}

/* Every length, cut in two at every place and into small pieces. */
static void
test_encoder(void **state)
{
	unsigned char octets[LONGEST];
	char want[LONGEST * 2];
	struct encoder encoder;
	struct text text;
	size_t len, cut, wanted, n, at;

	(void)state;
	for (len = 0; len < LONGEST; len++) {
		fill(octets, len, (uint32_t)len);
		wanted = encode_slowly(octets, len, want);
		for (cut = 0; cut <= len; cut++) {
			text.len = 0;
			encoder_init(&encoder, ENCODE_BASE64, collect, &text);
			encoder_write(&encoder, octets, cut);
			for (at = cut; at < len; at += n) {
				n = cut % 2 != 0 ? cut : len;
				n = n < len - at ? n : len - at;
				encoder_write(&encoder, octets + at, n);
			}
			assert_int_equal(encoder_finish(&encoder, true), 0);
			assert_int_equal(text.len, wanted);
			assert_memory_equal(text.buf, want, wanted);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_value),
		cmocka_unit_test(test_random_lines),
		cmocka_unit_test(test_alignments),
		cmocka_unit_test(test_encoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
