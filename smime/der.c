/*
 * der.c - strict DER (X.690 10), read in place and written.
 *
 * The reader refuses what BER allows and DER does not: indefinite and padded
 * lengths. It follows no pointer into anything and allocates nothing, so that
 * what it says yes to is the very octets that a signature covers.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "der.h"

#define LENGTH_OCTETS_MAX	4	/* 4 GiB: far above any ceiling here */

/* X.690 8.1.3, with 10.1: the shortest definite form. */
static bool
take_length(const unsigned char *p, size_t left, size_t *header, size_t *len)
{
	size_t i, n, value = 0;

	if (left < 2)
		return false;
	if (p[1] < 0x80) {
		*header = 2;
		*len = p[1];
		return true;
	}
	n = p[1] & 0x7f;
	if (n == 0 || n > LENGTH_OCTETS_MAX || left - 2 < n || p[2] == 0)
		return false;
	for (i = 0; i < n; i++)
		value = value << 8 | p[2 + i];
	if (value < 0x80)
		return false;
	*header = 2 + n;
	*len = value;
	return true;
}

bool
der_take(struct der *in, unsigned char tag, struct der *content,
    struct der *whole)
{
	size_t header, len;

	/* The number 31 announces more tag octets (X.690 8.1.2.4). */
	if (in->len == 0 || in->p[0] != tag || (tag & 0x1f) == 0x1f ||
	    !take_length(in->p, in->len, &header, &len) ||
	    len > in->len - header)
		return false;
	content->p = in->p + header;
	content->len = len;
	if (whole != NULL) {
		whole->p = in->p;
		whole->len = header + len;
	}
	in->p += header + len;
	in->len -= header + len;
	return true;
}

bool
der_enter(struct der *in, unsigned char tag, uint64_t behind)
{
	size_t header, len;

	if (in->len == 0 || in->p[0] != tag ||
	    !take_length(in->p, in->len, &header, &len) ||
	    len != in->len - header + behind)
		return false;
	in->p += header;
	in->len -= header;
	return true;
}

int
der_peek(const struct der *in)
{
	return in->len == 0 ? -1 : in->p[0];
}

bool
der_is(const struct der *a, const void *p, size_t len)
{
	return a->len == len && (len == 0 || memcmp(a->p, p, len) == 0);
}

bool
der_equal(const struct der *a, const struct der *b)
{
	return der_is(a, b->p, b->len);
}

/*
 * X.690 11.6 pads the shorter encoding with zeros; of two different DER
 * elements neither is the beginning of the other, so length never decides.
 */
int
der_compare(const void *a, const void *b)
{
	const struct der *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int rc = n == 0 ? 0 : memcmp(x->p, y->p, n);

	if (rc != 0 || x->len == y->len)
		return rc;
	return x->len < y->len ? -1 : 1;
}

size_t
der_header_size(size_t content_len)
{
	size_t n = 2;

	if (content_len < 0x80)
		return n;
	for (; content_len > 0; content_len >>= 8)
		n++;
	return n;
}

unsigned char *
der_put_header(unsigned char *p, unsigned char tag, size_t content_len)
{
	size_t n = der_header_size(content_len) - 2;

	*p++ = tag;
	if (n == 0) {
		*p++ = (unsigned char)content_len;
		return p;
	}
	*p++ = (unsigned char)(0x80 | n);
	while (n-- > 0)
		*p++ = (unsigned char)(content_len >> (8 * n));
	return p;
}

unsigned char *
der_put(unsigned char *p, const struct der *der)
{
	if (der->len > 0)
		memcpy(p, der->p, der->len);
	return p + der->len;
}

static size_t
total(const struct der *parts, size_t count)
{
	size_t i, len = 0;

	for (i = 0; i < count; i++)
		len += parts[i].len;
	return len;
}

static bool
join(struct der *out, size_t header, unsigned char tag, size_t len,
    const struct der *parts, size_t count)
{
	unsigned char *buf, *p;
	size_t i;

	if ((buf = OPENSSL_malloc(header + len)) == NULL)
		return false;
	p = header > 0 ? der_put_header(buf, tag, len) : buf;
	for (i = 0; i < count; i++)
		p = der_put(p, &parts[i]);
	out->p = buf;
	out->len = (size_t)(p - buf);
	return true;
}

bool
der_wrap(struct der *out, unsigned char tag, const struct der *parts,
    size_t count)
{
	size_t len = total(parts, count);

	return join(out, der_header_size(len), tag, len, parts, count);
}

bool
der_join(struct der *out, const struct der *parts, size_t count)
{
	return join(out, 0, 0, total(parts, count), parts, count);
}

void
der_free(struct der *der)
{
	OPENSSL_free((void *)(uintptr_t)der->p);
	der->p = NULL;
	der->len = 0;
}
