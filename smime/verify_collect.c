/*
 * verify_collect.c - what must be held in memory: a part's header, and the
 * octets of a SignedData out of their base64. Both have a ceiling.
 */
#include <stdlib.h>
#include <string.h>

#include "smime_base.h"
#include "smime_header.h"
#include "verify.h"

/* Room for more octets; false at the ceiling, or *failed for memory. */
static bool
reserve(unsigned char **buf, size_t *size, size_t len, size_t more, size_t max,
    bool *failed)
{
	unsigned char *grown;
	size_t want;

	if (more > max || len > max - more)
		return false;
	if (len + more <= *size)
		return true;
	want = *size == 0 ? 4096 : *size * 2;
	if (want < len + more)
		want = len + more;
	if (want > max)
		want = max;
	if ((grown = realloc(*buf, want)) == NULL) {
		*failed = true;
		return false;
	}
	*buf = grown;
	*size = want;
	return true;
}

/* -------------------------------------------------------------- base64 --- */

/* One more than the digit's value; 0 for what is no digit. */
static const unsigned char digits[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
	42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64,
};

/*
 * Whole groups of digits as far as they go and there is room; a line of them
 * is all that is in most signatures. Returns behind the last.
 */
static const unsigned char *
put_groups(struct collect *c, const unsigned char *p, const unsigned char *end)
{
	unsigned w, x, y, z;
	uint32_t group;

	while (end - p >= 4 && c->size - c->len >= 3) {
		w = digits[p[0]];
		x = digits[p[1]];
		y = digits[p[2]];
		z = digits[p[3]];
		if (w == 0 || x == 0 || y == 0 || z == 0)
			break;
		group = (w - 1) << 18 | (x - 1) << 12 | (y - 1) << 6 |
		    (z - 1);
		c->buf[c->len++] = (unsigned char)(group >> 16);
		c->buf[c->len++] = (unsigned char)(group >> 8);
		c->buf[c->len++] = (unsigned char)group;
		p += 4;
	}
	return p;
}

static int
put_group(struct collect *c)
{
	size_t n = 3 - c->padding;
	bool failed = false;

	if (!reserve(&c->buf, &c->size, c->len, 3, c->max, &failed)) {
		c->over = true;
		return failed ? -1 : 0;
	}
	c->buf[c->len] = (unsigned char)(c->group >> 16);
	c->buf[c->len + 1] = (unsigned char)(c->group >> 8);
	c->buf[c->len + 2] = (unsigned char)c->group;
	c->len += n;
	c->group = 0;
	c->digits = 0;
	return 0;
}

/*
 * RFC 2045 6.8 lets decoders skip what is not of the alphabet, and so they
 * differ. Here only white space is skipped and nothing follows the padding.
 */
int
collect_base64(struct collect *c, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len;
	unsigned value;

	for (; p < end && !c->bad && !c->over; p++) {
		if (c->digits == 0 && c->padding == 0 &&
		    (p = put_groups(c, p, end)) == end)
			break;
		if (*p == '\r' || *p == '\n' || *p == ' ' || *p == '\t')
			continue;
		value = digits[*p];
		if (*p == '=' && c->digits >= 2)
			c->padding++;
		else if (value == 0 || c->padding > 0) {
			c->bad = true;
			break;
		} else
			value--;
		c->group = c->group << 6 | value;
		if (++c->digits == 4 && put_group(c) != 0)
			return -1;
	}
	return 0;
}

void
collect_end(struct collect *c)
{
	if (c->digits != 0)
		c->bad = true;
}

void
collect_clear(struct collect *c)
{
	free(c->buf);
	memset(c, 0, sizeof(*c));
}

/* -------------------------------------------------------------- header --- */

static int
parse(struct head *head)
{
	struct smime_error err = { "" };
	bool body;

	if (header_parse(&head->list, head->buf, head->len, 0, &head->rest,
	    &body, &err) != 0)
		return -1;
	head->done = true;
	return 0;
}

/* Up to the empty line; a CR alone is not one, a bare LF is. */
int
head_feed(struct head *head, const unsigned char *p, size_t len, size_t *used)
{
	const unsigned char *from = p, *end = p + len, *lf, *line_end;
	bool failed = false, empty = false;

	while (p < end && !empty) {
		lf = memchr(p, '\n', (size_t)(end - p));
		line_end = lf != NULL ? lf : end;
		if (head->line == 0 && line_end > p)
			head->starts_with_cr = *p == '\r';
		head->line += (size_t)(line_end - p);
		if (lf == NULL) {
			p = end;
			break;
		}
		empty = head->line == 0 || (head->line == 1 &&
		    head->starts_with_cr);
		head->line = 0;
		p = lf + 1;
	}
	*used = (size_t)(p - from);
	if (!reserve(&head->buf, &head->size, head->len, *used, head->max,
	    &failed)) {
		head->over = true;
		head->done = true;
		return failed ? -1 : 0;
	}
	if (*used > 0)
		memcpy(head->buf + head->len, from, *used);
	head->len += *used;
	return empty ? parse(head) : 0;
}

int
head_end(struct head *head)
{
	return head->done ? 0 : parse(head);
}

const unsigned char *
head_rest(const struct head *head, size_t *len)
{
	*len = head->over ? 0 : head->len - head->rest;
	return *len > 0 ? head->buf + head->rest : NULL;
}

void
head_clear(struct head *head)
{
	header_clear(&head->list);
	free(head->buf);
	memset(head, 0, sizeof(*head));
}
