/*
 * json.c - writes JSON (RFC 8259) from front to back, without a tree.
 */
#include <string.h>

#include "../../smime/smime.h"
#include "ctl.h"

/*
 * Octets of the UTF-8 sequence at p (RFC 3629 4), 0 when it is none: overlong
 * forms, surrogates and what lies above U+10FFFF are none.
 */
static size_t
utf8_length(const unsigned char *p, size_t len)
{
	static const struct {
		unsigned char	first, last;	/* of the first octet */
		unsigned char	low, high;	/* of the second */
		size_t		length;
	} forms[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].length > len)
			return 0;
		for (k = 1; k < forms[i].length; k++)
			if (p[k] < (k == 1 ? forms[i].low : 0x80) ||
			    p[k] > (k == 1 ? forms[i].high : 0xbf))
				return 0;
		return forms[i].length;
	}
	return 0;
}

static void
put_text(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), n;

	putc('"', out);
	while (left > 0) {
		n = utf8_length(p, left);
		if (n == 0) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			fprintf(out, "\\%c", *p);
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(out, "\\u%04x", *p);
		} else {
			fwrite(p, 1, n, out);
		}
		p += n;
		left -= n;
	}
	putc('"', out);
}

/* Everything that stands before a value: comma, line, indent, key. */
static void
before(struct json *json, const char *key)
{
	if (json->depth > 0) {
		if (json->any[json->depth - 1])
			putc(',', json->out);
		json->any[json->depth - 1] = true;
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	}
	if (key != NULL) {
		put_text(json->out, key);
		fputs(": ", json->out);
	}
}

static void
open_level(struct json *json, const char *key, char opener, char closer)
{
	before(json, key);
	putc(opener, json->out);
	json->closer[json->depth] = closer;
	json->any[json->depth] = false;
	json->depth++;
}

void
json_begin(struct json *json, FILE *out)
{
	memset(json, 0, sizeof(*json));
	json->out = out;
}

void
json_object(struct json *json, const char *key)
{
	open_level(json, key, '{', '}');
}

void
json_array(struct json *json, const char *key)
{
	open_level(json, key, '[', ']');
}

void
json_end(struct json *json)
{
	json->depth--;
	if (json->any[json->depth])
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	putc(json->closer[json->depth], json->out);
	if (json->depth == 0)
		putc('\n', json->out);
}

void
json_string(struct json *json, const char *key, const char *text)
{
	before(json, key);
	if (text == NULL)
		fputs("null", json->out);
	else
		put_text(json->out, text);
}

void
json_some(struct json *json, const char *key, const char *text)
{
	json_string(json, key, text != NULL && text[0] != '\0' ? text : NULL);
}

void
json_number(struct json *json, const char *key, int64_t number)
{
	before(json, key);
	fprintf(json->out, "%lld", (long long)number);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	before(json, key);
	fputs(value ? "true" : "false", json->out);
}

void
json_time(struct json *json, const char *key, time_t when)
{
	char text[CTL_TIME_MAX];

	json_string(json, key, ctl_time(when, text, sizeof(text)));
}

void
json_findings(struct json *json, const char *key,
    const struct cert_findings *findings, bool id)
{
	size_t i;

	json_array(json, key);
	for (i = 0; i < findings->count; i++) {
		json_object(json, NULL);
		json_string(json, "problem",
		    cert_problem_word(findings->problem[i]));
		json_string(json, "text",
		    cert_problem_text(findings->problem[i], id));
		json_end(json);
	}
	json_end(json);
}
