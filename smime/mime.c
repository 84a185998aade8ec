/*
 * mime.c - the fields that say what an entity is.
 *
 * Reading is tolerant, because the mail is there and must be dealt with: an odd
 * value is read as its sender will have meant it. Changing is strict:
 * mime_type_with_hp gives up where a reader might not find the hp parameter, or
 * find something else because of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "smime_header.h"

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
set_charset(struct mime_type *out, const struct param_text *charset)
{
	size_t i, len;

	if (!param_join(charset, out->charset, sizeof(out->charset), &len))
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
set_boundary(struct mime_type *out, const struct param_text *boundary)
{
	size_t i, len;

	if (!param_join(boundary, out->boundary, sizeof(out->boundary),
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
	struct param_text boundary = { .name = "boundary" };
	struct param_text charset = { .name = "charset" };
	struct param_text name = { .name = "name" };
	struct param param;
	bool odd = false;
	size_t name_len;
	struct lex lex;

	memset(out, 0, sizeof(*out));
	lex_init(&lex, value, len);
	if (!take_media_type(&lex, out->type, sizeof(out->type), out->subtype,
	    sizeof(out->subtype), &odd)) {
		memcpy(out->type, "text", sizeof("text"));
		memcpy(out->subtype, "plain", sizeof("plain"));
		return;
	}
	out->valid = true;
	while (param_next(&lex, &param, &odd)) {
		param_collect(&boundary, &param);
		param_collect(&charset, &param);
		param_collect(&name, &param);
		if (param_is(&param, "hp"))
			out->has_hp = true;
	}
	set_boundary(out, &boundary);
	set_charset(out, &charset);
	param_join(&name, out->name, sizeof(out->name), &name_len);
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

/* Copies the value without that parameter; false when it is too odd. */
static bool
copy_without(const char *value, size_t len, const char *name, char *out,
    size_t *out_len)
{
	char type[64], subtype[128];
	const unsigned char *copied;
	bool odd = false;
	struct param param;
	struct lex lex;
	size_t n = 0;

	lex_init(&lex, value, len);
	copied = lex.p;
	if (!take_media_type(&lex, type, sizeof(type), subtype,
	    sizeof(subtype), &odd))
		return false;
	while (param_next(&lex, &param, &odd) && !odd) {
		if (!param_is(&param, name))
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
mime_type_with(const char *value, size_t len, const char *name,
    const char *text)
{
	size_t n, more = text != NULL ? strlen(name) + strlen(text) : 0;
	const size_t size = len + more + sizeof(";\n =\"\"");
	char *out;

	errno = EINVAL;
	if (!is_writable(value, len))
		return NULL;
	if ((out = malloc(size)) == NULL)
		return NULL;
	if (!copy_without(value, len, name, out, &n)) {
		free(out);
		errno = EINVAL;
		return NULL;
	}
	out[n] = '\0';
	if (text != NULL)
		snprintf(out + n, size - n, ";\n %s=\"%s\"", name, text);
	return out;
}

char *
mime_type_with_hp(const char *value, size_t len, const char *hp)
{
	return mime_type_with(value, len, "hp", hp);
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
	struct param_text filename = { .name = "filename" };
	struct param param;
	bool odd = false;
	struct lex lex;
	size_t n;

	lex_init(&lex, field->value, field->value_len);
	lex_cfws(&lex, NULL);
	lex_token(&lex, NULL, 0, &n);
	while (param_next(&lex, &param, &odd))
		param_collect(&filename, &param);
	param_join(&filename, out, size, &n);
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
