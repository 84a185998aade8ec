/*
 * checksum.c - whether octets that are read a second time are those of the
 * first, for a tenth of what a digest costs.
 *
 * Fletcher's two sums over words of 64 bits, in four lanes, with the length. It
 * finds what goes wrong by accident: an octet that changed, a piece that is
 * missing, twice there or elsewhere. It is no protection against somebody who
 * chooses the octets, and nobody does: they lie in our memory or in a file that
 * has no name.
 */
#include <string.h>

#include "octets.h"

/* A block: two vectors of two words. */
typedef uint64_t pair __attribute__((vector_size(16)));

_Static_assert(sizeof(((struct checksum *)0)->held) == 2 * sizeof(pair),
    "what waits is less than a block");

void
checksum_begin(struct checksum *sum)
{
	memset(sum, 0, sizeof(*sum));
}

static void
add_blocks(struct checksum *sum, const unsigned char *p, size_t count)
{
	pair words[2], first[2], second[2];

	memcpy(first, sum->first, sizeof(first));
	memcpy(second, sum->second, sizeof(second));
	for (; count > 0; count--, p += sizeof(words)) {
		memcpy(words, p, sizeof(words));
		first[0] += words[0];
		first[1] += words[1];
		second[0] += first[0];
		second[1] += first[1];
	}
	memcpy(sum->first, first, sizeof(first));
	memcpy(sum->second, second, sizeof(second));
}

void
checksum_add(struct checksum *sum, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t held = (size_t)(sum->len % sizeof(sum->held)), n;

	sum->len += len;
	if (held > 0) {
		n = sizeof(sum->held) - held;
		if (n > len)
			n = len;
		memcpy(sum->held + held, p, n);
		if (held + n < sizeof(sum->held))
			return;
		add_blocks(sum, sum->held, 1);
		p += n;
		len -= n;
	}
	add_blocks(sum, p, len / sizeof(sum->held));
	p += len - len % sizeof(sum->held);
	if (len % sizeof(sum->held) > 0)
		memcpy(sum->held, p, len % sizeof(sum->held));
}

/* What waits for the rest of its block is compared as it is. */
bool
checksum_equal(const struct checksum *a, const struct checksum *b)
{
	size_t held = (size_t)(a->len % sizeof(a->held));

	return a->len == b->len &&
	    memcmp(a->first, b->first, sizeof(a->first)) == 0 &&
	    memcmp(a->second, b->second, sizeof(a->second)) == 0 &&
	    memcmp(a->held, b->held, held) == 0;
}
