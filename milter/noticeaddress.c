/*
 * noticeaddress.c - how addresses stand in a notification (notice.c): for
 * people, in a header field, for programs. All come from outside; none ends a
 * line.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../smime/smime.h"
#include "notice.h"

#define SHOWN_MAX	700	/* octets in a line */
#define WORD_MAX	60	/* octets in one encoded word (RFC 2047 2) */

enum notice_charset
notice_charset(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	enum notice_charset charset = CHARSET_ASCII;
	uint32_t c;

	while (p < end) {
		if (!utf8_take(&p, end, &c))
			return CHARSET_UNKNOWN;
		if (c >= 0x80)
			charset = CHARSET_UTF8;
	}
	return charset;
}

static bool
is_utf8(const char *text)
{
	return notice_charset(text, strlen(text)) == CHARSET_UTF8;
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* Characters that control how text is shown. */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xad;
}

void
notice_put_shown(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *from;
	const unsigned char *end = p + strnlen(text, SHOWN_MAX);
	char shown[SHOWN_MAX + 1];
	uint32_t c;

	if (!is_utf8(text)) {
		fputs(smime_printable(text, strlen(text), shown,
		    sizeof(shown)), out);
		return;
	}
	while (p < end) {
		from = p;
		if (!utf8_take(&p, end, &c) || is_control(c))
			fputc('?', out);
		else
			fwrite(from, 1, (size_t)(p - from), out);
	}
}

bool
notice_is_plain_address(const char *address)
{
	char canonical[ADDRESS_MAX + 1];

	return is_printable(address) && strpbrk(address, "<>\\\"()") == NULL &&
	    address_canonical(address, strlen(address), canonical);
}

/* One character as in a phrase (RFC 2047 5, rule 3); returns its length. */
static size_t
put_q(char out[13], const unsigned char *p, size_t len, uint32_t c)
{
	size_t i, n = 0;

	if (c < 0x80 && isalnum((int)c)) {
		out[n++] = (char)c;
		out[n] = '\0';
		return n;
	}
	for (i = 0; i < len; i++)
		n += (size_t)snprintf(out + n, 13 - n, "=%02X",
		    is_control(c) ? '?' : p[i]);
	return n;
}

/* In words of which each holds whole characters. */
static void
put_words(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *from;
	const unsigned char *end = p + strnlen(text, ADDRESS_MAX);
	size_t n, used = 0;
	char encoded[13];
	uint32_t c;

	fputs("=?UTF-8?Q?", out);
	while (p < end) {
		from = p;
		(void)utf8_take(&p, end, &c);
		n = put_q(encoded, from, (size_t)(p - from), c);
		if (used + n > WORD_MAX) {
			fputs("?=\r\n =?UTF-8?Q?", out);
			used = 0;
		}
		fputs(encoded, out);
		used += n;
	}
	fputs("?=", out);
}

void
notice_put_mailbox(FILE *out, const char *address)
{
	if (notice_is_plain_address(address)) {
		fprintf(out, "<%s>", address);
		return;
	}
	put_words(out, address);
	fputs(" :;", out);
}

/*
 * RFC 6533 3: utf-8-addr-xtext, the form for text that is to be 7-bit. QCHAR
 * stands for itself; "+", "=", "\" and what is not printable ASCII are written
 * as \x{HEX}. false: it does not fit.
 */
static bool
make_xtext(const char *address, char out[SHOWN_MAX])
{
	const unsigned char *p = (const unsigned char *)address;
	const unsigned char *end = p + strlen(address);
	size_t n = 0;
	uint32_t c;

	while (p < end && n < SHOWN_MAX - 12) {
		(void)utf8_take(&p, end, &c);
		if (c > 0x20 && c < 0x7f && strchr("+=\\", (int)c) == NULL)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 12, "\\x{%02X}", c);
	}
	out[n] = '\0';
	return p == end;
}

void
notice_put_typed(FILE *out, const char *address)
{
	char text[SHOWN_MAX];

	if (is_utf8(address) && make_xtext(address, text))
		fprintf(out, "utf-8; %s", text);
	else
		fprintf(out, "rfc822; %s", smime_printable(address,
		    strlen(address), text, sizeof(text)));
}
