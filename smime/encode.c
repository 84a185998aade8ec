/*
 * encode.c - base64 (RFC 2045 6.8), and what the encoders share. The
 * quoted-printable half is in encode_qp.c, the characters are in base64.c.
 */
#include <string.h>

#include "octets.h"
#include "smime_base.h"

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
	if (enc->column < BASE64_LINE)
		return;
	enc->out[enc->out_len++] = '\r';
	enc->out[enc->out_len++] = '\n';
	enc->column = 0;
}

static int
put_triple(struct encoder *enc, const unsigned char *p)
{
	if (room(enc, 6) == -1)
		return -1;
	break_line(enc);
	base64_triple(enc->out + enc->out_len, p);
	enc->out_len += 4;
	enc->column += 4;
	return 0;
}

static int
write_base64(struct encoder *enc, const unsigned char *p, size_t len)
{
	while (len > 0) {
		if (enc->held_len == 0 && len >= BASE64_OCTETS &&
		    (enc->column == 0 || enc->column == BASE64_LINE)) {
			if (room(enc, BASE64_LINE + 2) == -1)
				return -1;
			break_line(enc);
			base64_line(enc->out + enc->out_len, p);
			enc->out_len += BASE64_LINE;
			enc->column = BASE64_LINE;
			p += BASE64_OCTETS;
			len -= BASE64_OCTETS;
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

static bool
are_base64(const unsigned char *p)
{
	return (is_base64[p[0]] & is_base64[p[1]] & is_base64[p[2]] &
	    is_base64[p[3]]) != 0;
}

static int
write_rewrapped(struct encoder *enc, const unsigned char *p, size_t len)
{
	unsigned char *out;
	size_t n, i;

	for (; len > 0; p += i, len -= i) {
		i = 1;
		if (!is_base64[*p])
			continue;
		if (room(enc, BASE64_LINE + 2) == -1)
			return -1;
		break_line(enc);
		out = enc->out + enc->out_len;
		n = BASE64_LINE - enc->column;
		if (n > len)
			n = len;
		for (i = 0; n - i >= 4 && are_base64(p + i); i += 4)
			memcpy(out + i, p + i, 4);
		for (; i < n && is_base64[p[i]]; i++)
			out[i] = p[i];
		enc->out_len += i;
		enc->column += (unsigned)i;
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
