/*
 * verify_collect.c - what must be held in memory: a part's header, and the
 * octets of a SignedData out of their base64. Both have a ceiling.
 */
#include <stdlib.h>
#include <string.h>

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

enum { B64_BAD = 255, B64_SPACE = 254, B64_PAD = 253 };

static unsigned
value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	switch (c) {
	case '+':
		return 62;
	case '/':
		return 63;
	case '=':
		return B64_PAD;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return B64_SPACE;
	default:
		return B64_BAD;
	}
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
		value = value_of(*p);
		if (value == B64_SPACE)
			continue;
		if (value == B64_PAD && c->digits >= 2) {
			c->padding++;
			value = 0;
		} else if (value >= 64 || c->padding > 0) {
			c->bad = true;
			break;
		}
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
