/*
 * fuzz_encode.c - the encoders. The first octet is the kind, the second sets
 * the sizes of the pieces. Must hold: the pieces do not matter, lines are at
 * most 76 and 7-bit, and what is decoded is what was encoded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/octets.h"

struct text {
	unsigned char	*buf;
	size_t		 len;
};

#define MUST(x) do { if (!(x)) { \
	fprintf(stderr, "not so: %s\n", #x); abort(); } } while (0)

static int
collect(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	text->buf = realloc(text->buf, text->len + len + 1);
	memcpy(text->buf + text->len, buf, len);
	text->len += len;
	return 0;
}

static struct text
encode(int kind, const unsigned char *p, size_t len, size_t step)
{
	struct text out = { malloc(1), 0 };
	struct encoder enc;
	size_t n, salt = step;

	encoder_init(&enc, (enum encoder_kind)kind, collect, &out);
	for (; len > 0; p += n, len -= n) {
		salt = salt * 1103515245 + 12345;
		n = step == 0 ? len : 1 + (salt >> 8) % step;
		n = n < len ? n : len;
		MUST(encoder_write(&enc, p, n) == 0);
	}
	MUST(encoder_finish(&enc, true) == 0);
	return out;
}

static int
hex(unsigned char c)
{
	const char *digits = "0123456789ABCDEF", *at;

	if (c >= 'a' && c <= 'f')
		c = (unsigned char)(c - 'a' + 'A');
	at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* White space at a line's end is kept, but for what follows an '='. */
static struct text
decode_qp(const unsigned char *p, size_t len)
{
	struct text out = { malloc(len + 1), 0 };
	size_t i, n;

	for (i = 0; i < len; i++) {
		if (p[i] != '=') {
			out.buf[out.len++] = p[i];
			continue;
		}
		for (n = i + 1; n < len && n < i + 6 &&
		    (p[n] == ' ' || p[n] == '\t'); n++)
			;
		if (n == len)
			break;
		if (p[n] == '\r' && n + 1 < len && p[n + 1] == '\n')
			i = n + 1;
		else if (i + 1 < len && p[i + 1] == '\n')
			i++;
		else if (i + 2 < len && hex(p[i + 1]) >= 0 &&
		    hex(p[i + 2]) >= 0) {
			out.buf[out.len++] = (unsigned char)
			    (hex(p[i + 1]) << 4 | hex(p[i + 2]));
			i += 2;
		} else
			out.buf[out.len++] = '=';
	}
	return out;
}

static void
check_lines(const struct text *text)
{
	size_t i, line = 0;

	for (i = 0; i < text->len; i++, line++) {
		MUST(text->buf[i] == '\r' || text->buf[i] == '\t' ||
		    (text->buf[i] >= ' ' && text->buf[i] < 0x7f));
		if (text->buf[i] != '\r')
			continue;
		MUST(i + 1 < text->len && text->buf[i + 1] == '\n');
		MUST(line <= 76);
		MUST(line == 0 || (text->buf[i - 1] != ' ' &&
		    text->buf[i - 1] != '\t'));
		MUST(line != 1 || text->buf[i - 1] != '.');
		i++;
		line = (size_t)-1;
	}
	MUST(line <= 76);
}

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text whole, pieces, a, b;
	int kind;

	if (size < 2)
		return 0;
	kind = data[0] & 3;
	whole = encode(kind, data + 2, size - 2, 0);
	pieces = encode(kind, data + 2, size - 2, 1 + data[1] / 4u);
	MUST(whole.len == pieces.len);
	MUST(memcmp(whole.buf, pieces.buf, whole.len) == 0);
	check_lines(&whole);
	free(pieces.buf);
	if (kind == ENCODE_QP || kind == REWRAP_QP) {
		a = decode_qp(whole.buf, whole.len);
		b = decode_qp(data + 2, size - 2);
		if (kind == ENCODE_QP) {
			memcpy(b.buf, data + 2, size - 2);
			b.len = size - 2;
		}
		MUST(a.len == b.len);
		MUST(memcmp(a.buf, b.buf, a.len) == 0);
		free(a.buf);
		free(b.buf);
		a = encode(REWRAP_QP, whole.buf, whole.len, 0);
	} else
		a = encode(REWRAP_BASE64, whole.buf, whole.len, 0);
	/* What is well wrapped stays as it is. */
	MUST(a.len == whole.len);
	MUST(memcmp(a.buf, whole.buf, a.len) == 0);
	free(a.buf);
	if (kind == ENCODE_BASE64) {
		a.buf = malloc(whole.len + 4);
		a.len = 0;
		for (size_t i = 0; i < whole.len; i++)
			if (whole.buf[i] > ' ')
				whole.buf[a.len++] = whole.buf[i];
		MUST(a.len == (size - 2 + 2) / 3 * 4);
		MUST(EVP_DecodeBlock(a.buf, whole.buf, (int)a.len) >= 0);
		MUST(memcmp(a.buf, data + 2, size - 2) == 0);
		free(a.buf);
	}
	free(whole.buf);
	return 0;
}
