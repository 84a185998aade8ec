/*
 * octets.c - counting and finding octets fast. Every octet of every message
 * comes through here, so it goes sixteen at a time, in a form that gcc and clang
 * turn into whatever vector instructions the machine has.
 */
#include <string.h>

#include "octets.h"

#define LANES	16
#define ROUNDS	255	/* what one octet can count to */
#define BLOCK	64	/* octets that are searched at once */

typedef unsigned char vector __attribute__((vector_size(LANES)));
typedef uint64_t halves __attribute__((vector_size(LANES)));

static size_t
sum(vector v)
{
	size_t total = 0;
	int i;

	for (i = 0; i < LANES; i++)
		total += v[i];
	return total;
}

/* At most ROUNDS * LANES octets, a multiple of LANES. */
static void
count_block(const unsigned char *p, size_t len, struct octets *out)
{
	vector high = { 0 }, cr = { 0 }, nul = { 0 }, v;
	size_t i;

	for (i = 0; i < len; i += LANES) {
		memcpy(&v, p + i, LANES);
		high += v >> 7;
		/* A lane that compares equal is 255, which is minus one. */
		cr -= (vector)(v == '\r');
		nul -= (vector)(v == 0);
	}
	out->high += sum(high);
	out->cr += sum(cr);
	out->nul += sum(nul);
}

void
octets_count(const unsigned char *p, size_t len, struct octets *out)
{
	size_t n;

	memset(out, 0, sizeof(*out));
	while (len >= LANES) {
		n = len < ROUNDS * LANES ? len - len % LANES : ROUNDS * LANES;
		count_block(p, n, out);
		p += n;
		len -= n;
	}
	for (; len > 0; p++, len--) {
		out->high += *p >> 7;
		out->cr += *p == '\r';
		out->nul += *p == '\0';
	}
}

/* Whether one of BLOCK octets is CR or LF with '-' behind it; reads one more. */
static bool
block_has_dash(const unsigned char *p)
{
	vector any = { 0 }, first, second;
	halves found;
	size_t i;

	for (i = 0; i < BLOCK; i += LANES) {
		memcpy(&first, p + i, LANES);
		memcpy(&second, p + i + 1, LANES);
		any |= ((vector)(first == '\n') | (vector)(first == '\r')) &
		    (vector)(second == '-');
	}
	found = (halves)any;
	return (found[0] | found[1]) != 0;
}

const unsigned char *
octets_find_dash(const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *stop;

	while (end - p >= 2) {
		if (end - p > BLOCK && !block_has_dash(p)) {
			p += BLOCK;
			continue;
		}
		stop = end - p > BLOCK ? p + BLOCK : end - 1;
		for (; p < stop; p++)
			if ((p[0] == '\n' || p[0] == '\r') && p[1] == '-')
				return p + 1;
	}
	return NULL;
}
