/*
 * verify_layer.c - one signed entity around another, while they arrive.
 *
 * A multipart/signed is hashed as it streams and at the same time handed to
 * the layer inside it, which looks at its own header and does likewise; only
 * the signature is kept. Opaque data can only be opened at the end: its layer
 * inside is fed then. Depth is bounded (VER-06).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "parse.h"
#include "smime_header.h"
#include "smime_verify.h"
#include "verify.h"

/*
 * What mail programs write before the first part for readers that know no MIME
 * at all. Any other text there would be seen by some readers and is not signed.
 */
static const char *const preambles[] = {
	"",
	"this is an s/mime signed message",
	"this is a cryptographically signed message in mime format",
	"this is a multi-part message in mime format",
	"this is a multipart message in mime format",
	"this is a message in mime format",
	/* Outlook for Mac, and Exchange before it */
	"this message is in mime format. since your mail reader does not "
	    "understand this format, some or all of this message may not be "
	    "legible",
};

void
layer_fault(struct layer *layer, enum verify_reason reason)
{
	if (layer->fault == VERIFY_GOOD)
		layer->fault = reason;
}

/* ----------------------------------------------------------- detached --- */

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
read_preamble(struct layer *layer, const unsigned char *p, size_t len)
{
	size_t i, n = layer->preamble_len;

	for (i = 0; i < len; i++) {
		if (is_space(p[i]) && (n == 0 || layer->preamble[n - 1] == ' '))
			continue;
		/* Too long for any of them; full stops may be what is kept. */
		if (n == sizeof(layer->preamble)) {
			layer->preamble_over = true;
			break;
		}
		layer->preamble[n++] = is_space(p[i]) ? ' ' :
		    (char)lex_lower(p[i]);
	}
	layer->preamble_len = n;
}

static void
judge_preamble(struct layer *layer)
{
	const char *text = layer->preamble;
	size_t i, n = layer->preamble_len;

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '.'))
		n--;
	if (n > 2 && memcmp(text, "> ", 2) == 0) {
		text += 2;
		n -= 2;
	}
	for (i = 0; i < sizeof(preambles) / sizeof(preambles[0]) &&
	    !layer->preamble_over; i++)
		if (n == strlen(preambles[i]) &&
		    memcmp(text, preambles[i], n) == 0)
			return;
	layer_fault(layer, VERIFY_OUTSIDE);
}

static int
read_content(struct layer *layer, const unsigned char *p, size_t len)
{
	int i;

	for (i = 0; i < DIGEST_COUNT; i++)
		if (layer->digest[i] != NULL &&
		    EVP_DigestUpdate(layer->digest[i], p, len) != 1)
			return -1;
	return layer_feed(layer->inner, p, len);
}

/* RFC 8551 3.5.3.2, and 3.10 for a type that was lost on the way. */
static void
open_signature(struct layer *layer)
{
	const struct header_list *list = &layer->signature_head.list;
	const struct header_field *field;
	struct mime_type type;
	size_t n;

	layer->signature_body = true;
	if (layer->signature_head.over) {
		layer_fault(layer, VERIFY_LIMIT);
		return;
	}
	field = header_find(list, "Content-Type");
	mime_type_parse(field != NULL ? field->value : "",
	    field != NULL ? field->value_len : 0, &type);
	n = strlen(type.name);
	if (strcmp(type.type, "application") != 0 ||
	    (strcmp(type.subtype, "pkcs7-signature") != 0 &&
	    strcmp(type.subtype, "x-pkcs7-signature") != 0 &&
	    (strcmp(type.subtype, "octet-stream") != 0 || n < 4 ||
	    !lex_equal(type.name + n - 4, 4, ".p7s"))))
		layer_fault(layer, VERIFY_STRUCTURE);
	if (!kind_is_clear(list))
		layer_fault(layer, VERIFY_AMBIGUOUS);
	field = header_find(list, "Content-Transfer-Encoding");
	if (field == NULL || mime_encoding_parse(field->value,
	    field->value_len) != ENC_BASE64)
		layer_fault(layer, VERIFY_ENCODING);
}

static int
read_blob(struct layer *layer, const unsigned char *p, size_t len)
{
	if (len == 0 || layer->fault != VERIFY_GOOD)
		return 0;
	if (collect_base64(&layer->blob, p, len) != 0)
		return -1;
	if (layer->blob.over)
		layer_fault(layer, VERIFY_LIMIT);
	else if (layer->blob.bad)
		layer_fault(layer, VERIFY_ENCODING);
	return 0;
}

static int
read_signature(struct layer *layer, const unsigned char *p, size_t len)
{
	struct head *head = &layer->signature_head;
	const unsigned char *rest;
	size_t used = 0, rest_len;

	if (!layer->signature_body) {
		if (head_feed(head, p, len, &used) != 0)
			return -1;
		if (!head->done)
			return 0;
		open_signature(layer);
		rest = head_rest(head, &rest_len);
		if (read_blob(layer, rest, rest_len) != 0)
			return -1;
	}
	return read_blob(layer, p + used, len - used);
}

static void
read_epilogue(struct layer *layer, const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!is_space(p[i])) {
			layer_fault(layer, VERIFY_OUTSIDE);
			return;
		}
}

static int
on_part(void *arg, unsigned part, const unsigned char *p, size_t len)
{
	struct layer *layer = arg;

	switch (part) {
	case 0:
		read_preamble(layer, p, len);
		return 0;
	case 1:
		return read_content(layer, p, len);
	case 2:
		return read_signature(layer, p, len);
	case SPLIT_EPILOGUE:
		read_epilogue(layer, p, len);
		return 0;
	default:
		layer_fault(layer, VERIFY_STRUCTURE);
		return 0;
	}
}

static int
finish_detached(struct layer *layer)
{
	int i;

	if (split_finish(&layer->split) != 0)
		return -1;
	for (i = 0; i < DIGEST_COUNT; i++)
		if (layer->digest[i] != NULL && EVP_DigestFinal_ex(
		    layer->digest[i], layer->value[i], NULL) != 1)
			return -1;
	if (layer->split.parts != 2 || layer->split.part != SPLIT_EPILOGUE)
		layer_fault(layer, VERIFY_STRUCTURE);
	if (layer->split.ambiguous)
		layer_fault(layer, VERIFY_AMBIGUOUS);
	judge_preamble(layer);
	if (!layer->signature_body)
		layer_fault(layer, VERIFY_STRUCTURE);
	return 0;
}

/*
 * RFC 8551 3.5.3.2: micalg says what to compute. Where it says nothing that is
 * known and permitted, all that is permitted is computed (VER-04).
 */
static int
start_digests(struct layer *layer, const struct header_field *field)
{
	unsigned permitted = 1u << DIGEST_SHA256 | 1u << DIGEST_SHA384 |
	    1u << DIGEST_SHA512, want;
	int i;

	if (layer->settings->weak_digest)
		permitted |= 1u << DIGEST_SHA1;
	layer->named = kind_micalg(field);
	want = layer->named & permitted;
	if (want == 0)
		want = permitted;
	for (i = 0; i < DIGEST_COUNT; i++) {
		if ((want & 1u << i) == 0)
			continue;
		layer->digest[i] = EVP_MD_CTX_new();
		if (layer->digest[i] == NULL || EVP_DigestInit_ex(
		    layer->digest[i], digest_md((enum digest_kind)i), NULL)
		    != 1)
			return -1;
	}
	return 0;
}

static int
open_detached(struct layer *layer)
{
	const struct header_field *field;
	struct mime_type type;
	char path[sizeof(layer->path)];
	int n;

	field = header_find(layer->header, "Content-Type");
	mime_type_parse(field->value, field->value_len, &type);
	split_init(&layer->split, &type, on_part, layer);
	layer->signature_head.max = layer->settings->max_part_header;
	layer->blob.max = layer->settings->max_signature;
	n = snprintf(path, sizeof(path), "%s%s1", layer->path,
	    layer->path[0] != '\0' ? "." : "");
	if (n < 0 || (size_t)n >= sizeof(path))
		layer_fault(layer, VERIFY_DEPTH);
	layer->inner = layer_new(layer->settings, NULL, layer->depth + 1,
	    layer->prefix, path);
	if (layer->inner == NULL)
		return -1;
	return start_digests(layer, field);
}

/* ------------------------------------------------------------- any kind --- */

/* RFC 7281 3.2.1: the body part that holds the signature. */
static void
number(struct layer *layer)
{
	const char *path = layer->path;

	if (layer->kind == LAYER_DETACHED)
		snprintf(layer->part, sizeof(layer->part), "%.15s%.28s%s2",
		    layer->prefix, path, path[0] != '\0' ? "." : "");
	else
		snprintf(layer->part, sizeof(layer->part), "%.15s%.31s",
		    layer->prefix, path[0] != '\0' ? path : "1");
}

/* The header is known. */
static int
open_body(struct layer *layer)
{
	enum verify_reason fault = VERIFY_GOOD;

	layer->in_body = true;
	layer->kind = kind_of(layer->header, &fault);
	if (fault != VERIFY_GOOD)
		layer_fault(layer, fault);
	if (layer->kind == LAYER_PLAIN || layer->kind == LAYER_SILENT)
		return 0;
	number(layer);
	if (layer->depth >= layer->settings->max_depth)
		layer->fault = VERIFY_DEPTH;
	if (layer->fault != VERIFY_GOOD)
		return 0;
	layer->blob.max = layer->settings->max_opaque;
	return layer->kind == LAYER_DETACHED ? open_detached(layer) : 0;
}

struct layer *
layer_new(const struct verify_settings *settings,
    const struct header_list *header, unsigned depth, const char *prefix,
    const char *path)
{
	struct layer *layer = calloc(1, sizeof(*layer));

	if (layer == NULL)
		return NULL;
	layer->settings = settings;
	layer->depth = depth;
	layer->fault = VERIFY_GOOD;
	layer->head.max = settings->max_part_header;
	snprintf(layer->prefix, sizeof(layer->prefix), "%s", prefix);
	snprintf(layer->path, sizeof(layer->path), "%s", path);
	layer->header = header != NULL ? header : &layer->head.list;
	if (header != NULL && open_body(layer) != 0) {
		layer_free(layer);
		return NULL;
	}
	return layer;
}

void
layer_free(struct layer *layer)
{
	int i;

	if (layer == NULL)
		return;
	layer_free(layer->inner);
	for (i = 0; i < DIGEST_COUNT; i++)
		EVP_MD_CTX_free(layer->digest[i]);
	head_clear(&layer->head);
	head_clear(&layer->signature_head);
	collect_clear(&layer->blob);
	free(layer);
}

static int
feed_body(struct layer *layer, const unsigned char *p, size_t len)
{
	if (len == 0)
		return 0;
	if (layer->kind == LAYER_DETACHED && layer->inner != NULL)
		return split_feed(&layer->split, p, len);
	if (layer->kind == LAYER_OPAQUE)
		return read_blob(layer, p, len);
	return 0;
}

/* The header has ended; what came behind it in its buffer is body. */
static int
begin_body(struct layer *layer)
{
	struct head *head = &layer->head;
	const unsigned char *rest;
	size_t rest_len;

	if (head->over) {
		layer->in_body = true;
		layer_fault(layer, VERIFY_LIMIT);
		return 0;
	}
	if (open_body(layer) != 0)
		return -1;
	rest = head_rest(head, &rest_len);
	return feed_body(layer, rest, rest_len);
}

int
layer_feed(struct layer *layer, const unsigned char *p, size_t len)
{
	size_t used = 0;

	if (!layer->in_body) {
		if (head_feed(&layer->head, p, len, &used) != 0)
			return -1;
		if (!layer->head.done)
			return 0;
		if (begin_body(layer) != 0)
			return -1;
	}
	return feed_body(layer, p + used, len - used);
}

int
layer_finish(struct layer *layer)
{
	if (!layer->in_body && (head_end(&layer->head) != 0 ||
	    begin_body(layer) != 0))
		return -1;
	if (layer->kind == LAYER_DETACHED && layer->inner != NULL &&
	    finish_detached(layer) != 0)
		return -1;
	if (layer->kind == LAYER_DETACHED || layer->kind == LAYER_OPAQUE) {
		collect_end(&layer->blob);
		if (layer->blob.bad)
			layer_fault(layer, VERIFY_ENCODING);
	}
	return layer->inner != NULL ? layer_finish(layer->inner) : 0;
}
