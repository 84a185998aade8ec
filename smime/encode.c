/*
 * encode.c - base64 (RFC 2045 6.8), and what the encoders share. The
 * quoted-printable half is in encode_qp.c.
 */
#include <endian.h>
#include <string.h>

#include "internal.h"

#define LINE_CHARS	76
#define LINE_OCTETS	57	/* they make a full line */

/* The alphabet by pairs: twelve bits are looked up at once. */
#define PAIR(a, b)	{ a, b },
#define EACH(F, a) \
	F(a, 'A') F(a, 'B') F(a, 'C') F(a, 'D') F(a, 'E') F(a, 'F') \
	F(a, 'G') F(a, 'H') F(a, 'I') F(a, 'J') F(a, 'K') F(a, 'L') \
	F(a, 'M') F(a, 'N') F(a, 'O') F(a, 'P') F(a, 'Q') F(a, 'R') \
	F(a, 'S') F(a, 'T') F(a, 'U') F(a, 'V') F(a, 'W') F(a, 'X') \
	F(a, 'Y') F(a, 'Z') F(a, 'a') F(a, 'b') F(a, 'c') F(a, 'd') \
	F(a, 'e') F(a, 'f') F(a, 'g') F(a, 'h') F(a, 'i') F(a, 'j') \
	F(a, 'k') F(a, 'l') F(a, 'm') F(a, 'n') F(a, 'o') F(a, 'p') \
	F(a, 'q') F(a, 'r') F(a, 's') F(a, 't') F(a, 'u') F(a, 'v') \
	F(a, 'w') F(a, 'x') F(a, 'y') F(a, 'z') F(a, '0') F(a, '1') \
	F(a, '2') F(a, '3') F(a, '4') F(a, '5') F(a, '6') F(a, '7') \
	F(a, '8') F(a, '9') F(a, '+') F(a, '/')
#define ROW(a)		EACH(PAIR, a)

static const unsigned char pairs[4096][2] = {
	ROW('A') ROW('B') ROW('C') ROW('D') ROW('E') ROW('F') ROW('G')
	ROW('H') ROW('I') ROW('J') ROW('K') ROW('L') ROW('M') ROW('N')
	ROW('O') ROW('P') ROW('Q') ROW('R') ROW('S') ROW('T') ROW('U')
	ROW('V') ROW('W') ROW('X') ROW('Y') ROW('Z') ROW('a') ROW('b')
	ROW('c') ROW('d') ROW('e') ROW('f') ROW('g') ROW('h') ROW('i')
	ROW('j') ROW('k') ROW('l') ROW('m') ROW('n') ROW('o') ROW('p')
	ROW('q') ROW('r') ROW('s') ROW('t') ROW('u') ROW('v') ROW('w')
	ROW('x') ROW('y') ROW('z') ROW('0') ROW('1') ROW('2') ROW('3')
	ROW('4') ROW('5') ROW('6') ROW('7') ROW('8') ROW('9') ROW('+')
	ROW('/')
};

/* What stays of base64 text when it is wrapped anew. */
static const unsigned char is_base64[256] = {
	['+'] = 1, ['/' ... '9'] = 1, ['='] = 1, ['A' ... 'Z'] = 1,
	['a' ... 'z'] = 1,
};

void
encoder_init(struct encoder *enc, enum encoder_kind kind, smime_sink sink,
    void *arg)
{
	enc->kind = kind;
	enc->sink = sink;
	enc->arg = arg;
	enc->column = 0;
	enc->soft = false;
	enc->held_len = 0;
	enc->out_len = 0;
}

int
encoder_flush(struct encoder *enc)
{
	size_t len = enc->out_len;

	enc->out_len = 0;
	return len == 0 ? 0 : enc->sink(enc->arg, enc->out, len);
}

/* Makes room for so many octets of output. */
static int
room(struct encoder *enc, size_t len)
{
	return enc->out_len + len > sizeof(enc->out) ? encoder_flush(enc) : 0;
}

/*
 * The line end is written in front of the next line, not behind this one:
 * whether the last line has one is known only at the end.
 */
static void
break_line(struct encoder *enc)
{
	if (enc->column < LINE_CHARS)
		return;
	enc->out[enc->out_len++] = '\r';
	enc->out[enc->out_len++] = '\n';
	enc->column = 0;
}

static unsigned char *
put_triple_at(unsigned char *out, const unsigned char *p)
{
	uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

	memcpy(out, pairs[bits >> 12], 2);
	memcpy(out + 2, pairs[bits & 4095], 2);
	return out + 4;
}

/* LINE_OCTETS: six at a time, of eight that are read, and three. */
static unsigned char *
put_line(unsigned char *out, const unsigned char *p)
{
	const unsigned char *last = p + LINE_OCTETS - 3;
	uint64_t bits;

	for (; p < last; p += 6, out += 8) {
		memcpy(&bits, p, sizeof(bits));
		bits = be64toh(bits) >> 16;
		memcpy(out, pairs[bits >> 36], 2);
		memcpy(out + 2, pairs[bits >> 24 & 4095], 2);
		memcpy(out + 4, pairs[bits >> 12 & 4095], 2);
		memcpy(out + 6, pairs[bits & 4095], 2);
	}
	return put_triple_at(out, p);
}

static int
put_triple(struct encoder *enc, const unsigned char *p)
{
	if (room(enc, 6) == -1)
		return -1;
	break_line(enc);
	put_triple_at(enc->out + enc->out_len, p);
	enc->out_len += 4;
	enc->column += 4;
	return 0;
}

static int
write_base64(struct encoder *enc, const unsigned char *p, size_t len)
{
	while (len > 0) {
		if (enc->held_len == 0 && len >= LINE_OCTETS &&
		    (enc->column == 0 || enc->column == LINE_CHARS)) {
			if (room(enc, LINE_CHARS + 2) == -1)
				return -1;
			break_line(enc);
			put_line(enc->out + enc->out_len, p);
			enc->out_len += LINE_CHARS;
			enc->column = LINE_CHARS;
			p += LINE_OCTETS;
			len -= LINE_OCTETS;
			continue;
		}
		enc->held[enc->held_len++] = *p++;
		len--;
		if (enc->held_len < 3)
			continue;
		enc->held_len = 0;
		if (put_triple(enc, enc->held) == -1)
			return -1;
	}
	return 0;
}

static int
write_rewrapped(struct encoder *enc, const unsigned char *p, size_t len)
{
	for (; len > 0; p++, len--) {
		if (!is_base64[*p])
			continue;
		if (room(enc, 3) == -1)
			return -1;
		break_line(enc);
		enc->out[enc->out_len++] = *p;
		enc->column++;
	}
	return 0;
}

int
encoder_write(struct encoder *enc, const void *buf, size_t len)
{
	switch (enc->kind) {
	case ENCODE_BASE64:
		return write_base64(enc, buf, len);
	case REWRAP_BASE64:
		return write_rewrapped(enc, buf, len);
	default:
		return encoder_write_qp(enc, buf, len);
	}
}

/* One or two octets are left: padding (RFC 4648 4). */
static int
finish_base64(struct encoder *enc)
{
	unsigned held = enc->held_len;

	if (held == 0)
		return 0;
	memset(enc->held + held, 0, 3 - held);
	enc->held_len = 0;
	if (put_triple(enc, enc->held) == -1)
		return -1;
	memset(enc->out + enc->out_len - (3 - held), '=', 3 - held);
	return 0;
}

int
encoder_finish(struct encoder *enc, bool final_crlf)
{
	if (enc->kind == ENCODE_QP || enc->kind == REWRAP_QP) {
		if (encoder_finish_qp(enc) == -1)
			return -1;
		return encoder_flush(enc);
	}
	if (enc->kind == ENCODE_BASE64 && finish_base64(enc) == -1)
		return -1;
	if (final_crlf && enc->column > 0) {
		if (room(enc, 2) == -1)
			return -1;
		enc->out[enc->out_len++] = '\r';
		enc->out[enc->out_len++] = '\n';
		enc->column = 0;
	}
	return encoder_flush(enc);
}
