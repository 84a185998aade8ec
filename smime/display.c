/*
 * display.c - what a reader sees in a display name.
 *
 * Most clients show the name and hide the address, so a name that reads like
 * an address lies about the sender: "sekretariat@setda... <budi@dinkes...>".
 * The name is brought to the form a person perceives: encoded words decoded as
 * the laxest reader would, characters that are not seen dropped, look-alikes
 * of '@' and '.' replaced. Then each '@' must stand in the true address, or in
 * nothing that looks like an address.
 */
#include <string.h>

#include "parse.h"
#include "smime_base.h"
#include "smime_header.h"

struct range {
	uint32_t	first;
	uint32_t	last;
};

/* Characters without a shape of their own, controls included. */
static const struct range hidden[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad },
	{ 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x115f, 0x1160 },
	{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

/* Those of them that change the order in which text is read. */
static const struct range reordering[] = {
	{ 0x202a, 0x202e }, { 0x2066, 0x2069 },
};

static const struct range spaces[] = {
	{ 0x0020, 0x0020 }, { 0x00a0, 0x00a0 }, { 0x1680, 0x1680 },
	{ 0x2000, 0x200a }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
	{ 0x3000, 0x3000 },
};

/* FULLWIDTH AT comes with the fullwidth letters below. */
static const struct range ats[] = {
	{ 0x24b6, 0x24b6 }, { 0x24d0, 0x24d0 }, { 0xfe6b, 0xfe6b },
};

static const struct range dots[] = {
	{ 0x0660, 0x0660 }, { 0x06f0, 0x06f0 }, { 0x0701, 0x0702 },
	{ 0x2024, 0x2024 }, { 0x3002, 0x3002 }, { 0xa4f8, 0xa4f8 },
	{ 0xfe52, 0xfe52 }, { 0xff61, 0xff61 },
};

#define IN(table, c)	in((table), sizeof(table) / sizeof((table)[0]), (c))

static bool
in(const struct range *table, size_t n, uint32_t c)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c >= table[i].first && c <= table[i].last)
			return true;
	return false;
}

bool
utf8_take(const unsigned char **p, const unsigned char *end, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = *(*p)++;
	unsigned i, n;

	*c = lead;
	if (lead < 0x80)
		return true;
	*c = 0xfffd;
	if (lead < 0xc0 || lead >= 0xf8)
		return false;
	n = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
	if ((size_t)(end - *p) < n)
		return false;
	for (i = 0; i < n; i++)
		if (((*p)[i] & 0xc0) != 0x80)
			return false;
	*c = lead & (0x3fu >> n);
	for (i = 0; i < n; i++)
		*c = *c << 6 | (*(*p)++ & 0x3f);
	return *c >= least[n] && *c <= 0x10ffff &&
	    (*c < 0xd800 || *c > 0xdfff);
}

/* The ASCII character that c is or passes for, else 0. */
static int
looks_like(uint32_t c)
{
	if (c < 0x80)
		return lex_lower((int)c);
	if (c >= 0xff01 && c <= 0xff5e)		/* fullwidth forms */
		return lex_lower((int)(c - 0xfee0));
	if (IN(ats, c))
		return '@';
	if (IN(dots, c))
		return '.';
	return IN(spaces, c) ? ' ' : 0;
}

bool
display_is_deceptive(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	uint32_t c;

	while (p < end) {
		utf8_take(&p, end, &c);
		if (IN(hidden, c) || (c >= 0x80 && looks_like(c) != 0))
			return true;
	}
	return false;
}

/*
 * In place, to what is perceived: ASCII in lower case, other letters as their
 * octets. Returns the new length. It never grows.
 */
static size_t
perceive(char *text, size_t len, bool *reordered, bool *odd)
{
	const unsigned char *p = (unsigned char *)text, *end = p + len, *from;
	uint32_t c;
	size_t n = 0, k;
	int ascii;

	while (p < end) {
		from = p;
		utf8_take(&p, end, &c);
		if (IN(reordering, c))
			*reordered = true;
		if (c == '\t')
			c = ' ';
		if (IN(hidden, c)) {
			if (c < 0xa0)
				*odd = true;
			continue;
		}
		if ((ascii = looks_like(c)) != 0) {
			text[n++] = (char)ascii;
			continue;
		}
		k = (size_t)(p - from);
		memmove(text + n, from, k);
		n += k;
	}
	return n;
}

/* ------------------------------------------------------- encoded words --- */

enum charset { CHARSET_UTF8, CHARSET_LATIN, CHARSET_OTHER, CHARSET_UNKNOWN };

struct word {
	enum charset	 charset;
	char		 encoding;	/* 'b' or 'q' */
	const char	*text;
	size_t		 len;
	size_t		 full;		/* with delimiters */
};

/*
 * Of these charsets all octets below 0x80 are ASCII and none above passes for
 * '@'. In others (UTF-7, UTF-16, ISO-2022, GBK, EBCDIC, ...) octets may mean
 * anything; reading them is left to readers, who disagree.
 */
static enum charset
find_charset(const char *name, size_t len)
{
	if (lex_equal(name, len, "utf-8") || lex_equal(name, len, "utf8") ||
	    lex_equal(name, len, "us-ascii"))
		return CHARSET_UTF8;
	if (len > 9 && lex_equal(name, 9, "iso-8859-"))
		return CHARSET_LATIN;
	if (len == 12 && lex_equal(name, 11, "windows-125"))
		return CHARSET_OTHER;
	if (lex_equal(name, len, "koi8-r") || lex_equal(name, len, "koi8-u"))
		return CHARSET_OTHER;
	return CHARSET_UNKNOWN;
}

/*
 * encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
 *						(RFC 2047 2, RFC 2231 5)
 * White space in the text and any length are let through, as readers do.
 */
static bool
find_word(const char *text, size_t len, struct word *out)
{
	const char *p = text, *end = text + len, *name, *star;
	struct lex lex;
	size_t n;

	if (len < 2 || p[0] != '=' || p[1] != '?')
		return false;
	name = p += 2;
	lex_init(&lex, p, len - 2);
	if (!lex_token(&lex, NULL, 0, &n))
		return false;
	p += n;
	star = memchr(name, '*', n);
	out->charset = find_charset(name, star != NULL ?
	    (size_t)(star - name) : n);
	if (end - p < 3 || p[0] != '?' || p[2] != '?')
		return false;
	out->encoding = (char)lex_lower((unsigned char)p[1]);
	out->text = p += 3;
	if ((p = memmem(p, (size_t)(end - p), "?=", 2)) == NULL)
		return false;
	out->len = (size_t)(p - out->text);
	out->full = (size_t)(p + 2 - text);
	return out->encoding == 'b' || out->encoding == 'q';
}

/*
 * One decoded octet. UTF-8 is collected as it is: lax readers join words
 * before they decode characters. Octets of other charsets become 0xff, which
 * is a letter of no meaning.
 */
static size_t
put_octet(char *out, enum charset charset, unsigned char c)
{
	if (c >= 0x80 && charset == CHARSET_LATIN && c <= 0xad) {
		if (c == 0xa0)
			c = ' ';
		else if (c < 0xa0 || c == 0xad)
			return 0;
	}
	if (c >= 0x80 && charset != CHARSET_UTF8)
		c = 0xff;
	*out = (char)c;
	return 1;
}

static size_t
decode_q(const struct word *word, char *out, bool *odd)
{
	size_t i, n = 0;
	unsigned char c;

	for (i = 0; i < word->len; i++) {
		c = (unsigned char)word->text[i];
		if (c == '_')
			c = ' ';
		else if (c == '=' && word->len - i > 2 &&
		    lex_hex(word->text[i + 1]) >= 0 &&
		    lex_hex(word->text[i + 2]) >= 0) {
			c = (unsigned char)(lex_hex(word->text[i + 1]) *
			    16 + lex_hex(word->text[i + 2]));
			i += 2;
		} else if (c == '=')
			*odd = true;
		n += put_octet(out + n, word->charset, c);
	}
	return n;
}

static int
base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whether every reader makes the same of it. */
static bool
is_base64(const struct word *word)
{
	size_t i, pad = 0;

	for (i = 0; i < word->len; i++) {
		if (word->text[i] == '=')
			pad++;
		else if (pad > 0 ||
		    base64_value((unsigned char)word->text[i]) < 0)
			return false;
	}
	return word->len % 4 == 0 && pad <= 2;
}

static size_t
decode_b(const struct word *word, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t i, n = 0;

	for (i = 0; i < word->len && word->text[i] != '='; i++) {
		bits = bits << 6 |
		    (uint32_t)base64_value((unsigned char)word->text[i]);
		have += 6;
		if (have >= 8) {
			have -= 8;
			n += put_octet(out + n, word->charset,
			    (unsigned char)(bits >> have));
		}
	}
	return n;
}

/* Whether the word at text can be decoded without doubt. */
static bool
take_word(const char *text, size_t len, struct word *out)
{
	return find_word(text, len, out) && out->charset != CHARSET_UNKNOWN &&
	    (out->encoding == 'q' || is_base64(out));
}

/*
 * Decodes all encoded words in place, also those in quoted strings, where RFC
 * 2047 forbids them and readers decode them; white space between two of them
 * goes (RFC 2047 6.2). Returns the new length. A decoded octet never lands
 * behind the octets it came from.
 */
static size_t
decode_words(char *text, size_t len, bool *odd)
{
	size_t i = 0, n = 0, mark = 0;
	bool only_space = false;
	struct word word;

	while (i < len) {
		if (take_word(text + i, len - i, &word)) {
			if (only_space)
				n = mark;
			i += word.full;
			n += word.encoding == 'q' ?
			    decode_q(&word, text + n, odd) :
			    decode_b(&word, text + n);
			mark = n;
			only_space = true;
			continue;
		}
		if (text[i] != ' ' && text[i] != '\t')
			only_space = false;
		text[n++] = text[i++];
	}
	/* Left over: not decoded by us, perhaps by others; or encoded twice. */
	if (memmem(text, n, "=?", 2) != NULL)
		*odd = true;
	return n;
}

size_t
display_decode(char *text, size_t len)
{
	bool odd = false;

	return decode_words(text, len, &odd);
}

/* ---------------------------------------------------------- comparison --- */

static bool
is_letter(unsigned char c)
{
	return c >= 0x80 || (c >= 'a' && c <= 'z');
}

/*
 * Whether the '@' at text[at] would be read as part of an address: octets
 * right and left of it, or behind it, spaces or not, something with a dot.
 */
static bool
is_address_like(const char *text, size_t len, size_t at)
{
	size_t i = at + 1;

	if (at > 0 && text[at - 1] != ' ' && i < len && text[i] != ' ')
		return true;
	while (i < len && text[i] == ' ')
		i++;
	for (i++; i + 1 < len && text[i] != ' '; i++)
		if (text[i] == '.' && is_letter((unsigned char)text[i + 1]))
			return true;
	return false;
}

/* Whether the '@' at text[at] is that of this address, standing alone. */
static bool
is_the_address(const char *text, size_t len, size_t at, const char *address,
    size_t address_len, size_t address_at)
{
	size_t start, end;

	if (at < address_at || len - at < address_len - address_at)
		return false;
	start = at - address_at;
	end = start + address_len;
	if (memcmp(text + start, address, address_len) != 0)
		return false;
	if (start > 0 && strchr(" <([{\"',;:", text[start - 1]) == NULL)
		return false;
	if (end < len && text[end] == '.')
		return end + 1 == len || text[end + 1] == ' ';
	return end == len || strchr(" >)]}\"',;:", text[end]) != NULL;
}

bool
display_shows_other(char *text, size_t len, const char *address, bool *odd)
{
	bool reordered = false, dummy = false;
	char own[ADDRESS_MAX + 1];
	size_t i, own_len;
	const char *at;

	own_len = strlen(address);
	if (own_len > ADDRESS_MAX)
		return true;
	memcpy(own, address, own_len);
	own_len = perceive(own, own_len, &dummy, &dummy);
	if ((at = memrchr(own, '@', own_len)) == NULL)
		return true;
	len = decode_words(text, len, odd);
	len = perceive(text, len, &reordered, odd);
	if (reordered)
		*odd = true;
	for (i = 0; i < len; i++) {
		if (text[i] != '@')
			continue;
		if (reordered)
			return true;
		if (is_address_like(text, len, i) && !is_the_address(text,
		    len, i, own, own_len, (size_t)(at - own)))
			return true;
	}
	return false;
}

size_t
header_perceived(char *text, size_t len)
{
	bool dummy = false;
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		if (text[i] != '\r' && text[i] != '\n')
			text[n++] = text[i];
	n = decode_words(text, n, &dummy);
	return perceive(text, n, &dummy, &dummy);
}
