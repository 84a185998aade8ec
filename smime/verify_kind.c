/*
 * verify_kind.c - what an entity is, by its header.
 *
 * The media type decides, never a file name alone (VER-01), but for the one
 * case that RFC 8551 3.10 knows: gateways that turn the type into
 * application/octet-stream and leave the name.
 */
#include <string.h>

#include "parse.h"
#include "smime_header.h"
#include "smime_verify.h"
#include "verify.h"

/*
 * The value of one parameter. Returns how often it is there; not 1 for one in
 * a form of RFC 2231, or too long.
 */
static size_t
kind_parameter(const struct header_field *field, const char *name, char *out,
    size_t size)
{
	struct param_text text = { .name = name };
	struct param param;
	bool odd = false;
	size_t count = 0, len;
	struct lex lex;

	lex_init(&lex, field->value, field->value_len);
	/* The media type is stepped over as junk before the first ';'. */
	while (lex.p < lex.end && *lex.p != ';')
		lex.p++;
	while (param_next(&lex, &param, &odd))
		if (param_is(&param, name)) {
			param_collect(&text, &param);
			count += param.name_len == strlen(name) ? 1 : 2;
		}
	if (!param_join(&text, out, size, &len))
		count += 2;
	return count;
}

static bool
is_word(const char *text, const char *word)
{
	return lex_equal(text, strlen(text), word);
}

static bool
is_signature_type(const char *text)
{
	return is_word(text, "application/pkcs7-signature") ||
	    is_word(text, "application/x-pkcs7-signature");
}

/*
 * RFC 1847 2.1: boundary and protocol, once each. RFC 2231 forms of the
 * boundary are read by some and not by others.
 */
static enum layer_kind
kind_of_signed(const struct header_field *field,
    const struct mime_type *type, enum verify_reason *fault)
{
	char protocol[128], boundary[256];
	size_t n;

	n = kind_parameter(field, "protocol", protocol, sizeof(protocol));
	if (n == 1 && protocol[0] != '\0' && !is_signature_type(protocol)) {
		*fault = VERIFY_OPENPGP;
		return LAYER_SILENT;
	}
	if (n != 1 || protocol[0] == '\0' || type->boundary_len == 0 ||
	    kind_parameter(field, "boundary", boundary,
	    sizeof(boundary)) != 1 ||
	    strcmp(boundary, type->boundary) != 0)
		*fault = VERIFY_STRUCTURE;
	return LAYER_DETACHED;
}

/* smime-type is a hint (RFC 8551 3.2.2); the CMS type has the last word. */
static enum layer_kind
kind_of_pkcs7(const struct header_field *field, enum verify_reason *fault)
{
	char type[64];

	kind_parameter(field, "smime-type", type, sizeof(type));
	if (is_word(type, "enveloped-data") ||
	    is_word(type, "authEnveloped-data")) {
		*fault = VERIFY_ENCRYPTED;
		return LAYER_SILENT;
	}
	if (is_word(type, "compressed-data")) {
		*fault = VERIFY_COMPRESSED;
		return LAYER_SILENT;
	}
	return LAYER_OPAQUE;
}

bool
kind_is_clear(const struct header_list *header)
{
	return header_is_clear(header) &&
	    header_count(header, "Content-Type") <= 1 &&
	    header_count(header, "Content-Transfer-Encoding") <= 1;
}

static enum mime_encoding
encoding_of(const struct header_list *header)
{
	const struct header_field *field;

	field = header_find(header, "Content-Transfer-Encoding");
	return field == NULL ? ENC_7BIT :
	    mime_encoding_parse(field->value, field->value_len);
}

enum layer_kind
kind_of(const struct header_list *header, enum verify_reason *fault)
{
	const struct header_field *field;
	enum mime_encoding encoding = encoding_of(header);
	enum layer_kind kind = LAYER_PLAIN;
	struct mime_type type;

	if ((field = header_find(header, "Content-Type")) == NULL)
		return LAYER_PLAIN;
	switch (mime_protection(header)) {
	case MIME_PLAIN:
		return LAYER_PLAIN;
	case MIME_ENCRYPTED:
		*fault = VERIFY_ENCRYPTED;
		return LAYER_SILENT;
	case MIME_SIGNED:
		mime_type_parse(field->value, field->value_len, &type);
		kind = kind_of_signed(field, &type, fault);
		if (kind == LAYER_DETACHED && (encoding == ENC_BASE64 ||
		    encoding == ENC_QP || encoding == ENC_UNKNOWN))
			*fault = VERIFY_STRUCTURE;	/* RFC 2045 6.4 */
		break;
	case MIME_SMIME:
		kind = kind_of_pkcs7(field, fault);
		if (kind == LAYER_OPAQUE && encoding != ENC_BASE64)
			*fault = VERIFY_ENCODING;
		break;
	}
	if (!kind_is_clear(header))
		*fault = VERIFY_AMBIGUOUS;
	return kind;
}

bool
kind_is_signed(const struct header_list *header)
{
	enum verify_reason fault = VERIFY_GOOD;
	enum layer_kind kind = kind_of(header, &fault);

	return kind == LAYER_DETACHED || kind == LAYER_OPAQUE;
}

/*
 * micalg = name *("," name)			(RFC 8551 3.5.3.2, RFC 1847 2.1)
 * Also the spellings that were or are in use.
 */
unsigned
kind_micalg(const struct header_field *field)
{
	static const struct {
		const char		*name;
		enum digest_kind	 kind;
	} names[] = {
		{ "sha-256", DIGEST_SHA256 },	{ "sha256", DIGEST_SHA256 },
		{ "sha-384", DIGEST_SHA384 },	{ "sha384", DIGEST_SHA384 },
		{ "sha-512", DIGEST_SHA512 },	{ "sha512", DIGEST_SHA512 },
		{ "sha-1", DIGEST_SHA1 },	{ "sha1", DIGEST_SHA1 },
		{ "rsa-sha1", DIGEST_SHA1 },
	};
	char text[128], *word, *save = NULL;
	unsigned set = 0;
	size_t i, n;

	if (kind_parameter(field, "micalg", text, sizeof(text)) != 1)
		return 0;
	for (word = strtok_r(text, ", \t", &save); word != NULL;
	    word = strtok_r(NULL, ", \t", &save)) {
		for (i = 0, n = sizeof(names) / sizeof(names[0]); i < n; i++)
			if (is_word(word, names[i].name))
				break;
		/* A digest that is not known: nothing can be said. */
		if (i == n)
			return 0;
		/* cppcheck-suppress arrayIndexOutOfBounds ; n has returned */
		set |= 1u << names[i].kind;
	}
	return set;
}
