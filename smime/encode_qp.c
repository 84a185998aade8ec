/*
 * encode_qp.c - quoted-printable (RFC 2045 6.7), from text and from
 * quoted-printable that is not fit to be sent.
 *
 * CRLF is a line end and stays one; a CR or LF by itself is data. Beyond what
 * the RFC asks for, no line begins with "From ", is a lone ".", ends in white
 * space (RFC 2049 3), or begins with "--" (so that no line which was joined or
 * broken anew is ever taken for a boundary); the "-- " over a signature is let
 * through, being no boundary that RFC 2046 allows.
 *
 * An octet is decided upon with at most LOOKAHEAD octets in view; what cannot
 * be decided yet waits in held.
 */
#include <endian.h>
#include <string.h>

#include "octets.h"
#include "smime_base.h"
#include "smime_canon.h"

#define LOOKAHEAD	8
#define COLUMNS		75	/* and "=" makes 76 */
#define LANES		16	/* octets that are looked at together */

typedef unsigned char lanes __attribute__((vector_size(LANES)));

enum {
	LITERAL = 1,
	SPACE = 2,
	HEX = 4,
	START = 8,	/* literal also as the first of a line, whatever
			 * follows */
	ENCODED = 16,	/* wherever it stands */
	EQUALS = 32	/* not where quoted-printable is wrapped anew */
};

/* CR is nothing of these: what follows decides. */
static const unsigned char classes[256] = {
	[0 ... 8] = ENCODED,
	['\t'] = SPACE,
	[10 ... 12] = ENCODED,
	[14 ... 31] = ENCODED,
	[' '] = SPACE,
	['!' ... ','] = LITERAL | START,
	['-' ... '.'] = LITERAL,
	['/'] = LITERAL | START,
	['0' ... '9'] = LITERAL | START | HEX,
	[':' ... '<'] = LITERAL | START,
	['='] = EQUALS,
	['>' ... '@'] = LITERAL | START,
	['A' ... 'E'] = LITERAL | START | HEX,
	['F'] = LITERAL | HEX,
	['G' ... '`'] = LITERAL | START,
	['a' ... 'f'] = LITERAL | START | HEX,
	['g' ... '~'] = LITERAL | START,
	[127 ... 255] = ENCODED,
};

#define DIGITS(a) \
	{ a, '0' }, { a, '1' }, { a, '2' }, { a, '3' }, { a, '4' }, \
	{ a, '5' }, { a, '6' }, { a, '7' }, { a, '8' }, { a, '9' }, \
	{ a, 'A' }, { a, 'B' }, { a, 'C' }, { a, 'D' }, { a, 'E' }, \
	{ a, 'F' },
static const char digits[256][2] = {
	DIGITS('0') DIGITS('1') DIGITS('2') DIGITS('3') DIGITS('4')
	DIGITS('5') DIGITS('6') DIGITS('7') DIGITS('8') DIGITS('9')
	DIGITS('A') DIGITS('B') DIGITS('C') DIGITS('D') DIGITS('E')
	DIGITS('F')
};

static bool
is_literal_or_space(unsigned char c)
{
	return (classes[c] & (LITERAL | SPACE)) != 0;
}

static bool
is_space(unsigned char c)
{
	return (classes[c] & SPACE) != 0;
}

static bool
is_hex(unsigned char c)
{
	return (classes[c] & HEX) != 0;
}

static void
put(struct encoder *enc, const void *text, size_t len)
{
	memcpy(enc->out + enc->out_len, text, len);
	enc->out_len += len;
	enc->column += (unsigned)len;
}

static void
soft_break(struct encoder *enc)
{
	put(enc, "=\r\n", 3);
	enc->column = 0;
	enc->soft = true;
}

static unsigned char *
hex(unsigned char *out, unsigned char c)
{
	out[0] = '=';
	memcpy(out + 1, digits[c], 2);
	return out + 3;
}

static void
put_hex(struct encoder *enc, unsigned char c)
{
	unsigned char text[3];

	if (enc->column + 3 > COLUMNS)
		soft_break(enc);
	hex(text, c);
	put(enc, text, 3);
}

/* True when p is at the end of a line or of everything. */
static bool
at_end(const unsigned char *p, size_t avail)
{
	return avail == 0 || (avail >= 2 && p[0] == '\r' && p[1] == '\n');
}

/* The "-- " that stands over a mail's signature, literally or encoded. */
static bool
is_separator(const struct encoder *enc, const unsigned char *p, size_t avail)
{
	if (avail >= 3 && p[2] == ' ')
		return at_end(p + 3, avail - 3);
	return enc->kind == REWRAP_QP && avail >= 5 &&
	    memcmp(p + 2, "=20", 3) == 0 && at_end(p + 5, avail - 5);
}

/* Whether this octet may not stand literally at the start of a line. */
static bool
hide_at_start(const struct encoder *enc, const unsigned char *p, size_t avail)
{
	switch (p[0]) {
	case 'F':
		return avail >= 5 && memcmp(p, "From ", 5) == 0;
	case '.':
		return at_end(p + 1, avail - 1);
	case '-':
		if (avail < 2 || p[1] != '-')
			return false;
		return enc->soft || !is_separator(enc, p, avail);
	default:
		return false;
	}
}

/*
 * An '=' in text that is quoted-printable already. What is no valid escape is
 * taken literally by readers (RFC 2045 6.7 suggests it), so it becomes =3D.
 * A soft break may have got white space behind it on its way (rule 3); one
 * that ends in a bare LF is taken as such by every reader.
 */
static size_t
step_escape(struct encoder *enc, const unsigned char *p, size_t avail)
{
	size_t n = 1;

	if (avail >= 3 && is_hex(p[1]) && is_hex(p[2])) {
		if (enc->column + 3 > COLUMNS)
			soft_break(enc);
		put(enc, p, 3);
		return 3;
	}
	if (avail >= 2 && p[1] == '\n') {
		soft_break(enc);
		return 2;
	}
	while (n < avail && n < LOOKAHEAD - 2 && is_space(p[n]))
		n++;
	if (n == avail) {	/* the end */
		put(enc, "=", 1);
		return n;
	}
	if (n < avail && at_end(p + n, avail - n)) {
		soft_break(enc);
		return n + 2;
	}
	put_hex(enc, '=');
	return 1;
}

/* One octet, or one CRLF or escape. Returns how many octets it took. */
static size_t
step(struct encoder *enc, const unsigned char *p, size_t avail)
{
	if (p[0] == '\r' && avail >= 2 && p[1] == '\n') {
		put(enc, "\r\n", 2);
		enc->column = 0;
		enc->soft = false;
		return 2;
	}
	if (p[0] == '=' && enc->kind == REWRAP_QP)
		return step_escape(enc, p, avail);
	if (enc->column + 1 > COLUMNS)
		soft_break(enc);
	if (!is_literal_or_space(p[0]) ||
	    (is_space(p[0]) && at_end(p + 1, avail - 1)) ||
	    (enc->column == 0 && hide_at_start(enc, p, avail)))
		put_hex(enc, p[0]);
	else
		put(enc, p, 1);
	return 1;
}

/* How many of the next LANES octets are ' ' to '~' without '='. */
static size_t
plain_ahead(const unsigned char *p)
{
	lanes x, odd;
	uint64_t first, second;

	memcpy(&x, p, sizeof(x));
	odd = (lanes)(x - ' ' > '~' - ' ') | (lanes)(x == '=');
	memcpy(&first, &odd, sizeof(first));
	memcpy(&second, (unsigned char *)&odd + 8, sizeof(second));
	if (first != 0)
		return (size_t)__builtin_ctzll(le64toh(first)) / 8;
	if (second != 0)
		return 8 + (size_t)__builtin_ctzll(le64toh(second)) / 8;
	return LANES;
}

/* A line end with nothing special on either side of it. */
static bool
is_plain_end(const unsigned char *p, size_t n, size_t avail)
{
	return avail - n >= 3 && n > 0 && p[n] == '\r' && p[n + 1] == '\n' &&
	    !is_space(p[n - 1]) && (classes[p[n + 2]] & START) != 0;
}

/*
 * The common case: octets that stand for themselves, octets that must not, and
 * line ends, from inside a line on. It does not end in white space, because
 * what follows decides about that. Returns how many octets it took.
 */
static size_t
run(struct encoder *enc, const unsigned char *p, size_t avail)
{
	unsigned char *out = enc->out + enc->out_len;
	unsigned char *end = out + COLUMNS - enc->column;	/* of the line */
	unsigned char *last = enc->out + sizeof(enc->out) - COLUMNS - LANES - 2;
	unsigned encoded = enc->kind == ENCODE_QP ? ENCODED | EQUALS : ENCODED;
	size_t n = 0, plain;

	while (n < avail && out < end) {
		if (avail - n >= LANES) {
			/* Some of it behind the end, to be overwritten. */
			memcpy(out, p + n, LANES);
			plain = plain_ahead(p + n);
			if (plain >= (size_t)(end - out)) {
				n += (size_t)(end - out);
				out = end;
				break;
			}
			out += plain;
			n += plain;
			if (plain == LANES)
				continue;
		}
		if ((classes[p[n]] & encoded) != 0 && end - out >= 3) {
			do
				out = hex(out, p[n++]);
			while (n < avail && end - out >= 3 &&
			    (classes[p[n]] & encoded) != 0);
		} else if (is_literal_or_space(p[n])) {
			*out++ = p[n++];
		} else if (out < last && is_plain_end(p, n, avail)) {
			*out++ = p[n++];
			*out++ = p[n++];
			end = out + COLUMNS;
			enc->soft = false;
		} else {
			break;
		}
	}
	while (n > 0 && is_space(p[n - 1])) {
		n--;
		out--;
	}
	enc->out_len = (size_t)(out - enc->out);
	enc->column = (unsigned)(COLUMNS - (end - out));
	return n;
}

/* Room for the longest that a step or a run writes. */
static int
room(struct encoder *enc)
{
	return enc->out_len + COLUMNS + LANES > sizeof(enc->out) ?
	    encoder_flush(enc) : 0;
}

/* Decides on octets while there are more than rest of them. */
static int
encode(struct encoder *enc, const unsigned char *p, size_t len, size_t rest,
    size_t *used)
{
	size_t n, at = 0;

	while (len - at > rest) {
		if (room(enc) == -1)
			return -1;
		n = 0;
		if (enc->column > 0 && enc->column < COLUMNS)
			n = run(enc, p + at, len - at - rest);
		if (n == 0)
			n = step(enc, p + at, len - at);
		at += n;
	}
	*used = at;
	return 0;
}

int
encoder_write_qp(struct encoder *enc, const unsigned char *p, size_t len)
{
	unsigned char joined[2 * LOOKAHEAD];
	size_t n, used;

	if (enc->held_len > 0) {
		n = len < LOOKAHEAD ? len : LOOKAHEAD;
		memcpy(joined, enc->held, enc->held_len);
		memcpy(joined + enc->held_len, p, n);
		n += enc->held_len;
		/* With less than this in all, everything goes on waiting. */
		if (encode(enc, joined, n, LOOKAHEAD - 1, &used) == -1)
			return -1;
		if (used < enc->held_len) {
			enc->held_len = (unsigned)(n - used);
			memcpy(enc->held, joined + used, enc->held_len);
			return 0;
		}
		used -= enc->held_len;
		enc->held_len = 0;
		p += used;
		len -= used;
	}
	if (encode(enc, p, len, LOOKAHEAD - 1, &used) == -1)
		return -1;
	enc->held_len = (unsigned)(len - used);
	memcpy(enc->held, p + used, enc->held_len);
	return 0;
}

int
encoder_finish_qp(struct encoder *enc)
{
	size_t used;

	if (encode(enc, enc->held, enc->held_len, 0, &used) == -1)
		return -1;
	enc->held_len = 0;
	return 0;
}

int
quoted_printable(const void *buf, size_t len, smime_sink sink, void *arg)
{
	struct encoder enc;

	encoder_init(&enc, ENCODE_QP, sink, arg);
	if (encoder_write(&enc, buf, len) == -1)
		return -1;
	return encoder_finish(&enc, false);
}
