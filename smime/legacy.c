/*
 * legacy.c - the legacy display element (RFC 9788 5.2.2 to 5.2.5): the hidden
 * Subject once more, at the beginning of what is read first, for readers that
 * show the outer one. Readers that know better leave it out by the parameter
 * that goes with it.
 *
 * It is a help and no more: where it cannot be put in without a doubt, it is
 * left out. The Subject that counts is the one in the protected header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "entity.h"
#include "parse.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_header.h"

#define SUBJECT_MAX	700	/* octets, so that a line stays below 990 */
#define HTML_MAX	900

#define BEFORE_HTML	"<div class=\"header-protection-legacy-display\">" \
	"<pre>Subject: "
#define BEHIND_HTML	"</pre></div>\r\n"

/* ---------------------------------------------------------------- text --- */

/* The Subject as a person reads it, NULL for none or too long a one; in
 * memory of the value's length and one more. */
static char *
read_subject(const struct header_field *field, bool *memory)
{
	size_t i, n = 0;
	char *text;

	if (field == NULL || field->value_len > 4 * SUBJECT_MAX)
		return NULL;
	if ((text = malloc(field->value_len + 1)) == NULL) {
		*memory = false;
		return NULL;
	}
	for (i = 0; i < field->value_len; i++)
		if (field->value[i] != '\n')
			text[n++] = field->value[i];
	n = display_decode(text, n);
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	text[n] = '\0';
	for (i = 0; text[i] == ' ' || text[i] == '\t'; i++)
		;
	memmove(text, text + i, n - i + 1);
	n -= i;
	if (n == 0 || n > SUBJECT_MAX || memchr(text, '\0', n) != NULL) {
		wipe_free(text, field->value_len + 1);
		return NULL;
	}
	return text;
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* As text/plain: good UTF-8 stays, or every other character is '?'. */
static char *
plain(const char *subject, bool utf8)
{
	const unsigned char *p = (const unsigned char *)subject, *from;
	const unsigned char *end = p + strlen(subject);
	char *out, *at;
	uint32_t c;
	bool good;

	if ((out = malloc(strlen(subject) + 32)) == NULL)
		return NULL;
	at = stpcpy(out, "Subject: ");
	while (p < end) {
		from = p;
		good = utf8_take(&p, end, &c) && !is_control(c);
		if (good && (c < 0x80 || utf8)) {
			memcpy(at, from, (size_t)(p - from));
			at += p - from;
		} else
			*at++ = is_control(c) ? ' ' : '?';
	}
	stpcpy(at, "\r\n\r\n");
	return out;
}

/* As HTML, by references where a character might be anything else. */
static char *
html(const char *subject)
{
	const unsigned char *p = (const unsigned char *)subject;
	const unsigned char *end = p + strlen(subject);
	const size_t size = strlen(subject) * 10 + 128;
	char *out, *at;
	uint32_t c;
	bool good;

	if ((out = malloc(size)) == NULL)
		return NULL;
	at = stpcpy(out, BEFORE_HTML);
	while (p < end) {
		good = utf8_take(&p, end, &c);
		if (is_control(c))
			*at++ = ' ';
		else if (!good)
			*at++ = '?';
		else if (c >= 0x80 || strchr("&<>\"'", (int)c) != NULL)
			at += snprintf(at, size - (size_t)(at - out), "&#%u;",
			    (unsigned)c);
		else
			*at++ = (char)c;
	}
	stpcpy(at, BEHIND_HTML);
	if (strlen(out) > HTML_MAX)
		out[0] = '\0';
	return out;
}

bool
legacy_make(struct legacy *out, const struct header_list *header)
{
	bool memory = true;
	const struct header_field *field = header_find(header, "Subject");
	char *subject = read_subject(field, &memory);
	const char *p;

	memset(out, 0, sizeof(*out));
	if (subject == NULL)
		return memory;
	out->utf8 = plain(subject, true);
	out->ascii = plain(subject, false);
	out->html = html(subject);
	wipe_free(subject, field->value_len + 1);
	if (out->utf8 == NULL || out->ascii == NULL || out->html == NULL) {
		legacy_clear(out);
		return false;
	}
	for (p = out->utf8; *p != '\0'; p++)
		if ((unsigned char)*p > 0x7f)
			out->high = true;
	return true;
}

void
legacy_clear(struct legacy *legacy)
{
	wipe_text(legacy->utf8);
	wipe_text(legacy->ascii);
	wipe_text(legacy->html);
	memset(legacy, 0, sizeof(*legacy));
}

/*
 * Not into HTML in base64: its <body> is not to be seen without decoding it,
 * and encoding it anew might change what was odd about it.
 */
const char *
legacy_text(const struct legacy *legacy, const struct part *part)
{
	if (part->composite || part->frozen || part->encoding == ENC_UNKNOWN)
		return NULL;
	switch (part->display) {
	case DISPLAY_PLAIN:
		return part->utf8 ? legacy->utf8 : legacy->ascii;
	case DISPLAY_HTML:
		return part->encoding == ENC_BASE64 || legacy->html == NULL ||
		    legacy->html[0] == '\0' ? NULL : legacy->html;
	case DISPLAY_NONE:
		break;
	}
	return NULL;
}

/* ---------------------------------------------------------------- HTML --- */

enum { HTML_BEFORE, HTML_NAME, HTML_SEARCH, HTML_TAG, HTML_DONE };

static const char body_tag[] = "<body";

/* Tags that come before anything is shown. */
static bool
is_wrapper(const struct legacy_html *html)
{
	static const char *const names[] = { "<html", "<head", "<meta",
	    "<title", "<style", "<base", "<link", "<?xml", "<!doctype" };
	size_t i;

	if (html->held_len >= 4 && memcmp(html->held, "<!--", 4) == 0)
		return true;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lex_equal(html->held, html->held_len, names[i]))
			return true;
	return false;
}

static bool
is_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '!' || c == '?' || c == '-';
}

static int
put_element(struct legacy_html *html)
{
	html->state = HTML_DONE;
	return html->sink(html->arg, (const unsigned char *)html->element,
	    strlen(html->element));
}

static int
put_held(struct legacy_html *html)
{
	size_t len = html->held_len;

	html->held_len = 0;
	return len == 0 ? 0 : html->sink(html->arg, html->held, len);
}

/* The name of the first tag is known: what is shown begins, or not yet. */
static int
judge_name(struct legacy_html *html)
{
	if (lex_equal(html->held, html->held_len, body_tag))
		html->state = HTML_TAG;
	else if (is_wrapper(html))
		html->state = HTML_SEARCH;
	else if (put_element(html) == -1)
		return -1;
	return put_held(html);
}

/* Takes note of one octet while <body> is looked for. */
static void
search(struct legacy_html *html, unsigned char c)
{
	if (html->matched == sizeof(body_tag) - 1) {
		html->state = is_name(c) ? HTML_SEARCH : HTML_TAG;
		html->matched = 0;
	}
	if (lex_lower(c) == body_tag[html->matched])
		html->matched++;
	else
		html->matched = c == '<';
}

int
legacy_html_put(struct legacy_html *html, const unsigned char *buf, size_t len)
{
	size_t i, from = 0;

	for (i = 0; i < len && html->state != HTML_DONE; i++) {
		if (html->state == HTML_NAME && is_name(buf[i]) &&
		    html->held_len < sizeof(html->held)) {
			html->held[html->held_len++] = buf[i];
			from = i + 1;
			continue;
		}
		if (html->state == HTML_NAME && judge_name(html) == -1)
			return -1;
		if (html->state == HTML_BEFORE && buf[i] == '<') {
			if (i > from && html->sink(html->arg, buf + from,
			    i - from) == -1)
				return -1;
			html->state = HTML_NAME;
			html->held[html->held_len++] = buf[i];
			from = i + 1;
		} else if (html->state == HTML_BEFORE &&
		    strchr(" \t\r\n", buf[i]) == NULL) {
			if (i > from && html->sink(html->arg, buf + from,
			    i - from) == -1)
				return -1;
			from = i;
			if (put_element(html) == -1)
				return -1;
		} else if (html->state == HTML_SEARCH)
			search(html, buf[i]);
		if (html->state == HTML_TAG && buf[i] == '>') {
			if (html->sink(html->arg, buf + from,
			    i + 1 - from) == -1 || put_element(html) == -1)
				return -1;
			from = i + 1;
		}
	}
	return from == len ? 0 : html->sink(html->arg, buf + from, len - from);
}

int
legacy_html_end(struct legacy_html *html)
{
	return put_held(html);
}
