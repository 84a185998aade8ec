/*
 * ber.c - turn BER into DER before anything reads it.
 *
 * Other programs write signatures with indefinite lengths and with octet
 * strings in pieces (X.690 8.1.3.6, 8.7.3). Here both are straightened, lengths
 * are made minimal, and all else stays as it is, also the order of a SET OF:
 * signed attributes were signed as they stand, and some senders do not sort
 * them. Depth and size are bounded, and nothing is read twice.
 */
#include <stdlib.h>
#include <string.h>

#include "der.h"
#include "verify.h"

#define DEPTH_MAX	40
#define HEADER_MAX	6	/* tag, length of lengths, four octets */
#define OCTET_STRING	0x04
#define CONSTRUCTED	0x20

struct writer {
	unsigned char	*p;
	size_t		 len;
	size_t		 size;
};

/* An element's head. len is meaningless while indefinite. */
struct tag_head {
	unsigned char	 tag;
	bool		 indefinite;
	size_t		 len;
};

static bool
take_head(struct der *in, struct tag_head *out)
{
	size_t n, i;

	if (in->len < 2 || (in->p[0] & 0x1f) == 0x1f)
		return false;
	out->tag = in->p[0];
	n = in->p[1];
	in->p += 2;
	in->len -= 2;
	out->indefinite = n == 0x80;
	out->len = n;
	if (n < 0x80)
		return n <= in->len;
	if (out->indefinite)
		return (out->tag & CONSTRUCTED) != 0;
	n &= 0x7f;
	if (n > 8 || n > in->len)
		return false;
	for (out->len = 0, i = 0; i < n; i++) {
		if (out->len >> 32 != 0)
			return false;
		out->len = out->len << 8 | in->p[i];
	}
	in->p += n;
	in->len -= n;
	return out->len <= in->len;
}

static bool
put(struct writer *out, const unsigned char *p, size_t len)
{
	if (len > out->size - out->len)
		return false;
	if (len > 0)
		memcpy(out->p + out->len, p, len);
	out->len += len;
	return true;
}

static bool
at_end(struct der *in, bool indefinite)
{
	if (!indefinite)
		return in->len == 0;
	if (in->len < 2 || in->p[0] != 0 || in->p[1] != 0)
		return false;
	in->p += 2;
	in->len -= 2;
	return true;
}

/* Room for the head is left first; the contents then move up to it. */
static bool
close_head(struct writer *out, unsigned char tag, size_t start)
{
	size_t len = out->len - start - HEADER_MAX, header;

	header = der_header_size(len);
	if (header > HEADER_MAX)
		return false;
	memmove(out->p + start + header, out->p + start + HEADER_MAX, len);
	der_put_header(out->p + start, tag, len);
	out->len = start + header + len;
	return true;
}

static bool convert(struct der *in, unsigned depth, bool bare,
	    struct writer *out);

/* Everything inside one constructed element; in stands behind it then. */
static bool
convert_inside(struct der *in, const struct tag_head *head, unsigned depth,
    bool bare, struct writer *out)
{
	struct der inside = *in, *from = &inside;

	if (head->indefinite)
		from = in;
	else {
		inside.len = head->len;
		in->p += head->len;
		in->len -= head->len;
	}
	while (!at_end(from, head->indefinite))
		if (from->len == 0 || !convert(from, depth + 1, bare, out))
			return false;
	return true;
}

/* bare: a piece of an octet string, of which only the octets are wanted. */
static bool
convert(struct der *in, unsigned depth, bool bare, struct writer *out)
{
	struct tag_head head;
	size_t start = out->len;
	bool pieces;

	if (depth > DEPTH_MAX || !take_head(in, &head))
		return false;
	pieces = head.tag == (OCTET_STRING | CONSTRUCTED);
	if (bare && !pieces && head.tag != OCTET_STRING)
		return false;
	if (!bare) {
		if (out->size - out->len < HEADER_MAX)
			return false;
		out->len += HEADER_MAX;
	}
	if ((head.tag & CONSTRUCTED) != 0) {
		if (!convert_inside(in, &head, depth, pieces, out))
			return false;
	} else {
		if (!put(out, in->p, head.len))
			return false;
		in->p += head.len;
		in->len -= head.len;
	}
	return bare || close_head(out, pieces ? OCTET_STRING : head.tag,
	    start);
}

/*
 * A minimal head is never longer than what stood there, but for an indefinite
 * one around 64 KiB or more; there the two octets at its end make up for it,
 * up to 16 MiB, and one in so many octets more is little.
 */
int
ber_to_der(const unsigned char *ber, size_t len, unsigned char **out,
    size_t *out_len)
{
	struct writer writer = { NULL, 0, 0 };
	struct der in = { ber, len };

	writer.size = len + len / 1024 + (DEPTH_MAX + 1) * HEADER_MAX;
	if ((writer.p = malloc(writer.size)) == NULL)
		return -1;
	if (!convert(&in, 0, false, &writer) || in.len != 0) {
		free(writer.p);
		*out = NULL;
		*out_len = 0;
		return 0;
	}
	*out = writer.p;
	*out_len = writer.len;
	return 0;
}
