/*
 * mime.c - the fields that say what an entity is.
 *
 * Reading is tolerant, because the mail is there and must be dealt with as its
 * readers will: where a value is odd, the reading is the one that Postfix and
 * the common clients share. Changing is strict: mime_type_with_hp gives up
 * where two readers might see its result differently.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* A parameter as it stands in the field; everything borrowed from it. */
struct param {
	const unsigned char	*start;		/* its ';', NULL without */
	const unsigned char	*name;
	size_t			 name_len;
	const unsigned char	*value;		/* quotes included */
	const unsigned char	*end;		/* behind the value */
};

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
 * a token is let through: "boundary=----=_Part:1" is common, and every reader
 * takes it for what it is meant to be.
 */
static bool
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
	return true;
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
	return take_value(lex, out, odd);
}

/*
 * The next parameter, over junk and missing semicolons, false at the end. *odd
 * is set when something was met that the grammar does not have.
 */
static bool
next_param(struct lex *lex, struct param *out, bool *odd)
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
 * Whether a parameter is the named one, whole or a section of it:
 * name, name*, name*0, name*0*				(RFC 2231 3, 4)
 */
static bool
is_param(const struct param *param, const char *name, bool *whole,
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

/* All of one parameter, in however many sections. The first of each wins. */
#define SECTIONS_MAX	32

struct collected {
	const char	*name;
	struct section {
		unsigned		 index;
		bool			 extended;
		const unsigned char	*value;
		const unsigned char	*end;
	}		 sections[SECTIONS_MAX];
	size_t		 count;
	bool		 whole;		/* sections[0] is all there is */
	bool		 overflow;
};

static void
collect(struct collected *all, const struct param *param)
{
	struct section one;
	bool whole;
	size_t i;

	if (!is_param(param, all->name, &whole, &one.index, &one.extended))
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
	if (all->count == SECTIONS_MAX)
		all->overflow = true;
	else
		all->sections[all->count++] = one;
}

static int
hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (unsigned char)lex_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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
		    hex((unsigned char)text[i + 1]) >= 0 &&
		    hex((unsigned char)text[i + 2]) >= 0) {
			text[n++] = (char)(hex((unsigned char)text[i + 1]) *
			    16 + hex((unsigned char)text[i + 2]));
			i += 3;
		} else
			text[n++] = text[i++];
	}
	return n;
}

/* One section's text appended to out; false when it had to be cut. */
static bool
append_section(const struct section *section, char *out, size_t size,
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

/*
 * The parameter's text in out, "" when there is none; false when it was cut.
 */
static bool
collected_text(const struct collected *all, char *out, size_t size,
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
	} while (index++ < SECTIONS_MAX);
	return fits;
}

/*
 * type "/" subtype
 */
static bool
take_media_type(struct lex *lex, char *type, size_t type_size, char *subtype,
    size_t subtype_size, bool *odd)
{
	size_t n, m, i;

	if (!lex_cfws(lex, NULL) || !lex_token(lex, type, type_size, &n) ||
	    !lex_cfws(lex, NULL) || lex->p == lex->end || *lex->p != '/')
		return false;
	lex->p++;
	if (!lex_cfws(lex, NULL) ||
	    !lex_token(lex, subtype, subtype_size, &m) ||
	    n >= type_size || m >= subtype_size)
		return false;
	/* "text/plain/x", "text/pl=ain": not to be built upon. */
	if (lex->p < lex->end && strchr(" \t\r\n;(", *lex->p) == NULL)
		*odd = true;
	for (i = 0; i < n; i++)
		type[i] = (char)lex_lower((unsigned char)type[i]);
	for (i = 0; i < m; i++)
		subtype[i] = (char)lex_lower((unsigned char)subtype[i]);
	return true;
}

static void
set_charset(struct mime_type *out, const struct collected *charset)
{
	size_t i, len;

	if (!collected_text(charset, out->charset, sizeof(out->charset), &len))
		out->charset[0] = '\0';
	for (i = 0; i < len; i++)
		out->charset[i] =
		    (char)lex_lower((unsigned char)out->charset[i]);
}

/*
 * RFC 2046 5.1.1: a boundary does not end in white space, and gateways may
 * have added some. Control characters cannot be part of a boundary line.
 */
static void
set_boundary(struct mime_type *out, const struct collected *boundary)
{
	size_t i, len;

	if (!collected_text(boundary, out->boundary, sizeof(out->boundary),
	    &len))
		len = 0;
	while (len > 0 && (out->boundary[len - 1] == ' ' ||
	    out->boundary[len - 1] == '\t'))
		len--;
	for (i = 0; i < len; i++)
		if ((unsigned char)out->boundary[i] < 0x20 ||
		    out->boundary[i] == 0x7f)
			break;
	if (i < len)
		len = 0;
	out->boundary[len] = '\0';
	out->boundary_len = len;
}

void
mime_type_parse(const char *value, size_t len, struct mime_type *out)
{
	struct collected boundary = { .name = "boundary" };
	struct collected charset = { .name = "charset" };
	struct collected name = { .name = "name" };
	struct param param;
	bool odd = false, extended, whole;
	unsigned section;
	size_t name_len;
	struct lex lex;

	memset(out, 0, sizeof(*out));
	lex_init(&lex, value, len);
	if (!take_media_type(&lex, out->type, sizeof(out->type), out->subtype,
	    sizeof(out->subtype), &odd)) {
		strncpy(out->type, "text", sizeof(out->type));
		strncpy(out->subtype, "plain", sizeof(out->subtype));
		return;
	}
	out->valid = true;
	while (next_param(&lex, &param, &odd)) {
		collect(&boundary, &param);
		collect(&charset, &param);
		collect(&name, &param);
		if (is_param(&param, "hp", &whole, &section, &extended))
			out->has_hp = true;
	}
	set_boundary(out, &boundary);
	set_charset(out, &charset);
	collected_text(&name, out->name, sizeof(out->name), &name_len);
}

/*
 * Whether a value may be written into another header: no control characters,
 * every LF a fold, no line of white space alone (a sloppy reader would take it
 * for the end of the header).
 */
static bool
is_writable(const char *value, size_t len)
{
	bool blank = false, folded = false;
	size_t i;

	for (i = 0; i < len; i++) {
		if (value[i] == '\n') {
			if (i + 1 == len ||
			    (value[i + 1] != ' ' && value[i + 1] != '\t'))
				return false;
			if (folded && blank)
				return false;
			folded = blank = true;
		} else if (value[i] != ' ' && value[i] != '\t') {
			if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
				return false;
			blank = false;
		}
	}
	return true;
}

/* Drops white space and semicolons from the end. */
static size_t
trim(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\n;", text[len - 1]) != NULL &&
	    text[len - 1] != '\0')
		len--;
	return len;
}

/* Copies the value without its hp parameters; false when it is too odd. */
static bool
copy_without_hp(const char *value, size_t len, char *out, size_t *out_len)
{
	char type[64], subtype[128];
	const unsigned char *copied;
	bool odd = false, extended, whole;
	struct param param;
	unsigned section;
	struct lex lex;
	size_t n = 0;

	lex_init(&lex, value, len);
	copied = lex.p;
	if (!take_media_type(&lex, type, sizeof(type), subtype,
	    sizeof(subtype), &odd))
		return false;
	while (next_param(&lex, &param, &odd) && !odd) {
		if (!is_param(&param, "hp", &whole, &section, &extended))
			continue;
		memcpy(out + n, copied, (size_t)(param.start - copied));
		n = trim(out, n + (size_t)(param.start - copied));
		copied = param.end;
	}
	if (odd)
		return false;
	memcpy(out + n, copied, (size_t)(lex.end - copied));
	*out_len = trim(out, n + (size_t)(lex.end - copied));
	return true;
}

char *
mime_type_with_hp(const char *value, size_t len, const char *hp)
{
	size_t n, hp_len = hp != NULL ? strlen(hp) : 0;
	char *out;

	if (!is_writable(value, len))
		return NULL;
	if ((out = malloc(len + hp_len + sizeof(";\n hp=\"\""))) == NULL)
		return NULL;
	if (!copy_without_hp(value, len, out, &n)) {
		free(out);
		return NULL;
	}
	if (hp != NULL) {
		memcpy(out + n, ";\n hp=\"", 7);
		memcpy(out + n + 7, hp, hp_len);
		n += 7 + hp_len;
		out[n++] = '"';
	}
	out[n] = '\0';
	return out;
}

/*
 * mechanism = "7bit" / "8bit" / "binary" / "quoted-printable" / "base64" / ...
 *							(RFC 2045 6.1)
 * A stray ';' behind it is ignored, as clients do.
 */
enum mime_encoding
mime_encoding_parse(const char *value, size_t len)
{
	static const struct {
		const char		*name;
		enum mime_encoding	 encoding;
	} table[] = {
		{ "7bit", ENC_7BIT },
		{ "8bit", ENC_8BIT },
		{ "binary", ENC_BINARY },
		{ "quoted-printable", ENC_QP },
		{ "base64", ENC_BASE64 },
	};
	char token[32];
	struct lex lex;
	size_t i, n;

	lex_init(&lex, value, len);
	if (!lex_cfws(&lex, NULL) ||
	    !lex_token(&lex, token, sizeof(token), &n) ||
	    n >= sizeof(token) || !lex_cfws(&lex, NULL))
		return ENC_UNKNOWN;
	while (lex.p < lex.end && *lex.p == ';') {
		lex.p++;
		lex_cfws(&lex, NULL);
	}
	if (lex.p < lex.end)
		return ENC_UNKNOWN;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (lex_equal(token, n, table[i].name))
			return table[i].encoding;
	return ENC_UNKNOWN;
}

/* The filename parameter of a Content-Disposition value (RFC 2183 2). */
static void
disposition_filename(const struct header_field *field, char *out, size_t size)
{
	struct collected filename = { .name = "filename" };
	struct param param;
	bool odd = false;
	struct lex lex;
	size_t n;

	lex_init(&lex, field->value, field->value_len);
	lex_cfws(&lex, NULL);
	lex_token(&lex, NULL, 0, &n);
	while (next_param(&lex, &param, &odd))
		collect(&filename, &param);
	collected_text(&filename, out, size, &n);
}

static bool
is_p7m(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && lex_equal(name + n - 4, 4, ".p7m");
}

/* RFC 8551 3.10: some gateways replace the media type and keep the name. */
static bool
is_named_p7m(const struct header_list *list, const struct mime_type *type)
{
	const struct header_field *field;
	char name[256];

	if (is_p7m(type->name))
		return true;
	if ((field = header_find(list, "Content-Disposition")) == NULL)
		return false;
	disposition_filename(field, name, sizeof(name));
	return is_p7m(name);
}

static void
top_type(const struct header_list *list, struct mime_type *out)
{
	const struct header_field *field;

	field = header_find(list, "Content-Type");
	if (field != NULL)
		mime_type_parse(field->value, field->value_len, out);
	else
		mime_type_parse("", 0, out);
}

/*
 * The first Content-Type decides, as it does for most readers. A later one
 * that says "signed" is not believed: protected mail leaves without our
 * signature, so a second field would be a way around a rule that demands one.
 */
enum mime_protection
mime_protection(const struct header_list *list)
{
	struct mime_type type;

	top_type(list, &type);
	if (strcmp(type.type, "multipart") == 0) {
		if (strcmp(type.subtype, "signed") == 0)
			return MIME_SIGNED;
		if (strcmp(type.subtype, "encrypted") == 0)
			return MIME_ENCRYPTED;
	}
	if (strcmp(type.type, "application") == 0) {
		if (strcmp(type.subtype, "pkcs7-mime") == 0 ||
		    strcmp(type.subtype, "x-pkcs7-mime") == 0)
			return MIME_SMIME;
		if (strcmp(type.subtype, "octet-stream") == 0 &&
		    is_named_p7m(list, &type))
			return MIME_SMIME;
	}
	return MIME_PLAIN;
}

void
mime_media_type(const struct header_list *list, char *out, size_t size)
{
	struct mime_type type;

	top_type(list, &type);
	snprintf(out, size, "%s/%s", type.type, type.subtype);
}
