/*
 * part.c - what a part's header says it is, and whether it may be changed.
 *
 * The first Content-Type and the first Content-Transfer-Encoding count. Where
 * a second one says something else readers disagree about the part; it is then
 * read by the first and never changed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "entity.h"
#include "parse.h"
#include "scan.h"
#include "smime_header.h"

/* Types that must stay as their maker wrote them, to the octet. */
static const struct {
	const char	*type;
	const char	*subtype;
} untouchable[] = {
	/* RFC 1847 2.1: "must not alter ... in any way". */
	{ "multipart",	"signed" },
	{ "multipart",	"encrypted" },
	{ "application", "pkcs7-mime" },
	{ "application", "x-pkcs7-mime" },
};

/*
 * Kinds of message/ that RFC 6533 and RFC 6532 let be encoded. All others are
 * 7bit by their RFC and may not be (RFC 2046 5.2): partial, external-body
 * (whose body is a phantom), delivery-status, disposition-notification.
 */
static const char *const encodable_messages[] = {
	"global", "global-headers", "global-delivery-status",
	"global-disposition-notification",
};

static bool
is_untouchable(const struct mime_type *type)
{
	size_t i;

	for (i = 0; i < sizeof(untouchable) / sizeof(untouchable[0]); i++)
		if (strcmp(type->type, untouchable[i].type) == 0 &&
		    strcmp(type->subtype, untouchable[i].subtype) == 0)
			return true;
	return false;
}

static bool
is_encodable_message(const struct mime_type *type)
{
	size_t i;

	for (i = 0; i < sizeof(encodable_messages) /
	    sizeof(encodable_messages[0]); i++)
		if (strcmp(type->subtype, encodable_messages[i]) == 0)
			return true;
	return false;
}

/* 7bit, 8bit and binary mean the same to a reader: none. */
static bool
is_identity(enum mime_encoding encoding)
{
	return encoding == ENC_7BIT || encoding == ENC_8BIT ||
	    encoding == ENC_BINARY;
}

static bool
same_value(const struct header_field *a, const struct header_field *b)
{
	return a->value_len == b->value_len &&
	    memcmp(a->value, b->value, a->value_len) == 0;
}

/* True when a later field of the name contradicts the first. */
static bool
contradicted(const struct header_list *header, const struct header_field *first)
{
	bool encoding = header_is(first, "Content-Transfer-Encoding");
	const struct header_field *field;
	enum mime_encoding a, b;
	size_t i;

	for (i = 0; i < header->count; i++) {
		field = &header->fields[i];
		if (field == first || !header_is(field, first->name) ||
		    same_value(field, first))
			continue;
		if (!encoding)
			return true;
		a = mime_encoding_parse(first->value, first->value_len);
		b = mime_encoding_parse(field->value, field->value_len);
		if (a != b && !(is_identity(a) && is_identity(b)))
			return true;
	}
	return false;
}

/* A value that is none may still look like a composite one to a reader. */
static bool
smells_composite(const struct header_field *field)
{
	size_t i;

	for (i = 0; i + 7 <= field->value_len; i++)
		if (strncasecmp(field->value + i, "multipa", 7) == 0 ||
		    strncasecmp(field->value + i, "message", 7) == 0)
			return true;
	return false;
}

static void
read_type(const struct header_list *header, bool digest, struct part *out,
    struct mime_type *type)
{
	const struct header_field *field;

	field = header_find(header, "Content-Type");
	if (field == NULL) {
		mime_type_parse("", 0, type);
		if (digest) {	/* RFC 2046 5.1.5 */
			memcpy(type->type, "message", sizeof("message"));
			memcpy(type->subtype, "rfc822", sizeof("rfc822"));
		}
		return;
	}
	mime_type_parse(field->value, field->value_len, type);
	if (contradicted(header, field) ||
	    (!type->valid && smells_composite(field)))
		out->conflict = true;
}

/* The bare word: many readers do not see through comments (RFC 2045 6.1). */
static bool
is_plain_word(const struct header_field *field)
{
	const char *p = field->value;
	size_t len = field->value_len;

	while (len > 0 && strchr(" \t\n", *p) != NULL && *p != '\0') {
		p++;
		len--;
	}
	while (len > 0 && strchr(" \t\n", p[len - 1]) != NULL &&
	    p[len - 1] != '\0')
		len--;
	return lex_equal(p, len, "base64") ||
	    lex_equal(p, len, "quoted-printable");
}

static void
read_encoding(const struct header_list *header, struct part *out)
{
	const struct header_field *field;

	out->encoding = ENC_7BIT;
	field = header_find(header, "Content-Transfer-Encoding");
	if (field == NULL)
		return;
	out->encoding = mime_encoding_parse(field->value, field->value_len);
	if (contradicted(header, field) || ((out->encoding == ENC_QP ||
	    out->encoding == ENC_BASE64) && !is_plain_word(field)))
		out->conflict = true;
}

/*
 * A multipart without a boundary has no parts: it is one body that nobody can
 * place, and is left alone. One that claims base64 or quoted-printable may
 * not (RFC 2045 6.4); readers look for its boundaries all the same, or do not.
 */
static int
read_multipart(const struct mime_type *type, struct part *out,
    struct enclosure *enclosure)
{
	if (type->boundary_len == 0) {
		out->frozen = true;
		return 0;
	}
	if (!is_identity(out->encoding))
		out->frozen = true;
	out->composite = true;
	enclosure->digest = strcmp(type->subtype, "digest") == 0;
	enclosure->boundary_len = type->boundary_len;
	enclosure->boundary = malloc(type->boundary_len);
	if (enclosure->boundary == NULL)
		return -1;
	memcpy(enclosure->boundary, type->boundary, type->boundary_len);
	return 0;
}

static void
read_message(const struct mime_type *type, struct part *out)
{
	if (strcmp(type->subtype, "rfc822") == 0)
		/* Encoded, which is forbidden but met, it is a leaf. */
		out->composite = is_identity(out->encoding);
	else if (!is_encodable_message(type))
		out->frozen = true;
}

/*
 * A part that a reader opens by itself: text in one of two forms that is no
 * attachment (RFC 2183 2.8: what is not known is one), and whose Content-Type
 * can take one more parameter.
 */
static enum part_display
read_display(const struct header_list *header, const struct mime_type *type)
{
	const struct header_field *field;
	enum part_display display = DISPLAY_NONE;
	char word[16], *value;
	struct lex lex;
	size_t len;

	if (strcmp(type->subtype, "plain") == 0)
		display = DISPLAY_PLAIN;
	else if (strcmp(type->subtype, "html") == 0)
		display = DISPLAY_HTML;
	field = header_find(header, "Content-Disposition");
	if (field != NULL) {
		lex_init(&lex, field->value, field->value_len);
		if (!lex_cfws(&lex, NULL) || !lex_token(&lex, word,
		    sizeof(word), &len) || !lex_equal(word, len, "inline") ||
		    lex.p != lex.end)
			return DISPLAY_NONE;
	}
	if (type->name[0] != '\0')
		return DISPLAY_NONE;
	field = header_find(header, "Content-Type");
	if (display == DISPLAY_NONE || field == NULL)
		return display;
	value = mime_type_with(field->value, field->value_len, LEGACY_PARAM,
	    "1");
	if (value == NULL)
		return DISPLAY_NONE;
	free(value);
	return display;
}

/* Which of the parts in a multipart is read first (RFC 2046 5.1). */
static void
read_order(const struct mime_type *type, struct enclosure *enclosure)
{
	enclosure->alternative = strcmp(type->subtype, "alternative") == 0;
	enclosure->main = enclosure->alternative ||
	    strcmp(type->subtype, "mixed") == 0 ||
	    strcmp(type->subtype, "related") == 0;
}

int
part_read(const struct header_list *header, bool digest, bool frozen,
    struct part *out, struct enclosure *enclosure, bool *calendar)
{
	struct mime_type type;

	memset(enclosure, 0, sizeof(*enclosure));
	read_type(header, digest, out, &type);
	read_encoding(header, out);
	out->frozen = frozen || out->conflict;
	out->text = strcmp(type.type, "text") == 0;
	if (out->text && strcmp(type.subtype, "calendar") == 0)
		*calendar = true;
	if (out->text) {
		out->display = read_display(header, &type);
		out->utf8 = strcmp(type.charset, "utf-8") == 0;
	}
	if (strcmp(type.type, "multipart") == 0) {
		read_order(&type, enclosure);
		if (read_multipart(&type, out, enclosure) == -1)
			return -1;
	} else if (strcmp(type.type, "message") == 0)
		read_message(&type, out);
	enclosure->frozen = out->frozen || is_untouchable(&type);
	if (!out->composite)
		out->frozen = enclosure->frozen;
	return 0;
}
