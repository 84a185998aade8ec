/*
 * lex.c - the lexical tokens that structured header fields share.
 */
#include <string.h>

#include "smime_header.h"

void
lex_init(struct lex *lex, const void *text, size_t len)
{
	lex->p = text;
	lex->end = lex->p + len;
}

int
lex_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int
lex_hex(int c)
{
	c = lex_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
lex_equal(const void *text, size_t len, const char *word)
{
	const unsigned char *p = text;
	size_t i;

	if (len != strlen(word))
		return false;
	for (i = 0; i < len; i++)
		if (lex_lower(p[i]) != lex_lower((unsigned char)word[i]))
			return false;
	return true;
}

/*
 * comment = "(" *([FWS] ccontent) [FWS] ")"
 * ccontent = ctext / quoted-pair / comment		(RFC 5322 3.2.2)
 *
 * Depth is counted, not recursed into: it is the sender's.
 */
static bool
skip_comment(struct lex *lex)
{
	size_t depth = 0;

	while (lex->p < lex->end) {
		switch (*lex->p++) {
		case '(':
			depth++;
			break;
		case ')':
			if (--depth == 0)
				return true;
			break;
		case '\\':
			if (lex->p < lex->end)
				lex->p++;
			break;
		default:
			break;
		}
	}
	return false;
}

bool
lex_cfws(struct lex *lex, bool *comment)
{
	while (lex->p < lex->end) {
		switch (*lex->p) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			lex->p++;
			break;
		case '(':
			if (comment != NULL)
				*comment = true;
			if (!skip_comment(lex))
				return false;
			break;
		default:
			return true;
		}
	}
	return true;
}

static void
put(char *out, size_t size, size_t *len, unsigned char c)
{
	if (*len + 1 < size)
		out[*len] = (char)c;
	(*len)++;
}

static void
put_end(char *out, size_t size, size_t len)
{
	if (size > 0)
		out[len < size ? len : size - 1] = '\0';
}

/*
 * quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE	(RFC 5322 3.2.4)
 */
bool
lex_quoted(struct lex *lex, char *out, size_t size, size_t *len)
{
	bool closed = false;
	unsigned char c;

	*len = 0;
	if (lex->p < lex->end)
		lex->p++;
	while (lex->p < lex->end) {
		c = *lex->p++;
		if (c == '"') {
			closed = true;
			break;
		}
		if (c == '\r' || c == '\n')
			continue;
		if (c == '\\' && lex->p < lex->end)
			c = *lex->p++;
		put(out, size, len, c);
	}
	put_end(out, size, *len);
	return closed;
}

/*
 * token = 1*<any (US-ASCII) CHAR except SPACE, CTLs, or tspecials>
 */
static bool
is_token(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

bool
lex_token(struct lex *lex, char *out, size_t size, size_t *len)
{
	*len = 0;
	while (lex->p < lex->end && is_token(*lex->p))
		put(out, size, len, *lex->p++);
	put_end(out, size, *len);
	return *len > 0;
}
