/*
 * param.c - the parameters of Content-Type and its like, RFC 2231 included.
 */
#include <string.h>

#include "parse.h"
#include "smime_header.h"

/* Skips to the next ';' that is in neither a quoted string nor a comment. */
static void
skip_junk(struct lex *lex)
{
	size_t len;

	while (lex->p < lex->end && *lex->p != ';') {
		if (*lex->p == '"')
			lex_quoted(lex, NULL, 0, &len);
		else if (*lex->p == '(')
			lex_cfws(lex, NULL);
		else
			lex->p++;
	}
}

/*
 * An unquoted value ends at white space, ';', a comment or a quote. More than
 * a token is let through: "boundary=----=_Part:1" is not valid, but senders
 * write it and mean all of it.
 */
static void
take_value(struct lex *lex, struct param *out, bool *odd)
{
	size_t len;

	out->value = lex->p;
	if (lex->p < lex->end && *lex->p == '"') {
		if (!lex_quoted(lex, NULL, 0, &len))
			*odd = true;
	} else {
		while (lex->p < lex->end && *lex->p > 0x20 &&
		    *lex->p != 0x7f && strchr(";(\"", *lex->p) == NULL) {
			if (*lex->p == '\\')
				*odd = true;
			lex->p++;
		}
		if (lex->p == out->value)
			*odd = true;
	}
	out->end = lex->p;
}

/*
 * parameter = attribute "=" value			(RFC 2045 5.1)
 */
static bool
take_param(struct lex *lex, struct param *out, bool *odd)
{
	size_t len;

	out->name = lex->p;
	if (!lex_token(lex, NULL, 0, &len))
		return false;
	out->name_len = len;
	if (!lex_cfws(lex, NULL) || lex->p == lex->end || *lex->p != '=')
		return false;
	lex->p++;
	if (!lex_cfws(lex, NULL))
		*odd = true;
	take_value(lex, out, odd);
	return true;
}

bool
param_next(struct lex *lex, struct param *out, bool *odd)
{
	for (;;) {
		out->start = NULL;
		for (;;) {
			if (!lex_cfws(lex, NULL))
				*odd = true;
			if (lex->p == lex->end)
				return false;
			if (*lex->p != ';')
				break;
			out->start = lex->p++;
		}
		if (out->start == NULL)
			*odd = true;
		if (take_param(lex, out, odd))
			return true;
		*odd = true;
		skip_junk(lex);
	}
}

/*
 * name, name*, name*0, name*0*				(RFC 2231 3, 4)
 */
static bool
parse_name(const struct param *param, const char *name, bool *whole,
    unsigned *section, bool *extended)
{
	const unsigned char *p, *end = param->name + param->name_len;
	size_t n = strlen(name);

	if (param->name_len < n || !lex_equal(param->name, n, name))
		return false;
	p = param->name + n;
	*section = 0;
	*extended = false;
	*whole = p == end;
	if (*whole)
		return true;
	if (*p++ != '*')
		return false;
	if (p == end) {
		*extended = true;
		return true;
	}
	for (; p < end && *p >= '0' && *p <= '9' && *section < 1000; p++)
		*section = *section * 10 + (unsigned)(*p - '0');
	if (p < end && *p == '*' && p[-1] != '*') {
		*extended = true;
		p++;
	}
	return p == end;
}

void
param_collect(struct param_text *all, const struct param *param)
{
	struct param_section one;
	bool whole;
	size_t i;

	if (!parse_name(param, all->name, &whole, &one.index, &one.extended))
		return;
	one.value = param->value;
	one.end = param->end;
	/* The plain form is the one that every reader knows. */
	if (whole && !all->whole) {
		all->sections[0] = one;
		all->count = 1;
		all->whole = true;
	}
	if (all->whole)
		return;
	for (i = 0; i < all->count; i++)
		if (all->sections[i].index == one.index)
			return;
	if (all->count == PARAM_SECTIONS_MAX)
		all->overflow = true;
	else
		all->sections[all->count++] = one;
}

bool
param_is(const struct param *param, const char *name)
{
	bool whole, extended;
	unsigned section;

	return parse_name(param, name, &whole, &section, &extended);
}

/*
 * extended-value = [charset] "'" [language] "'" *(ext-octet / attribute-char)
 *							(RFC 2231 7)
 * In place; returns the new length.
 */
static size_t
decode_extended(char *text, size_t len, bool first)
{
	size_t i = 0, n = 0;
	char *quote;

	if (first && (quote = memchr(text, '\'', len)) != NULL &&
	    (quote = memchr(quote + 1, '\'',
	    len - (size_t)(quote + 1 - text))) != NULL)
		i = (size_t)(quote + 1 - text);
	while (i < len) {
		if (text[i] == '%' && len - i > 2 &&
		    lex_hex(text[i + 1]) >= 0 &&
		    lex_hex(text[i + 2]) >= 0) {
			text[n++] = (char)(lex_hex(text[i + 1]) *
			    16 + lex_hex(text[i + 2]));
			i += 3;
		} else
			text[n++] = text[i++];
	}
	return n;
}

/* One section's text appended to out; false when it had to be cut. */
static bool
append_section(const struct param_section *section, char *out, size_t size,
    size_t *len)
{
	size_t room = size - *len, n, whole;
	struct lex lex;

	lex_init(&lex, section->value, (size_t)(section->end - section->value));
	if (lex.p < lex.end && *lex.p == '"')
		lex_quoted(&lex, out + *len, room, &whole);
	else {
		whole = (size_t)(lex.end - lex.p);
		n = whole < room ? whole : room - 1;
		memcpy(out + *len, lex.p, n);
	}
	n = whole < room ? whole : room - 1;
	if (section->extended)
		n = decode_extended(out + *len, n, section->index == 0);
	*len += n;
	out[*len] = '\0';
	return whole < room;
}

bool
param_join(const struct param_text *all, char *out, size_t size,
    size_t *len)
{
	bool fits = !all->overflow;
	unsigned index = 0;
	size_t i;

	*len = 0;
	out[0] = '\0';
	do {
		for (i = 0; i < all->count; i++)
			if (all->sections[i].index == index)
				break;
		if (i == all->count)
			break;
		if (!append_section(&all->sections[i], out, size, len))
			return false;
	} while (index++ < PARAM_SECTIONS_MAX);
	return fits;
}
