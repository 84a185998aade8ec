/*
 * verify.c - one incoming message to one verdict.
 *
 * The layers read while the body streams (verify_layer.c); at the end each is
 * taken apart and judged, outermost first. The outermost decides about the
 * message: what is inside it is covered by its signature, and a good inner
 * signature cannot mend a bad outer one (VER-07). A message whose root is not
 * signed never passes, whatever is in its parts (VER-02).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "der.h"
#include "parse.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"
#include "smime_trust.h"
#include "smime_verify.h"
#include "verify.h"

struct verifier {
	struct verify_settings	 settings;
	const struct header_list *header;
	struct layer		*root;
	/* For a message whose root is not signed. */
	bool			 scanning;
	bool			 partial;
	struct canon_settings	 limits;
	struct scan		 scan;
	bool			 finished;
	struct correspondent	 learnt;
};

void
verify_settings_init(struct verify_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	settings->max_opaque = 4 * 1024 * 1024;
	settings->max_signature = 512 * 1024;
	settings->max_part_header = 256 * 1024;
	settings->max_depth = 5;
	settings->max_signers = 4;
	settings->max_certs = 32;
	settings->max_rsa_bits = 8192;
	settings->max_age = 30 * 86400;
	settings->max_future = 86400;
	settings->any_purpose = true;
}

/* ------------------------------------------------------- unsigned roots --- */

/* A message that is attached is another one. */
static bool
is_attached(const struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->depth; i++)
		if (scan->stack[i].boundary == NULL)
			return true;
	return false;
}

static int
on_header(void *arg, const struct part *part, const unsigned char *raw,
    size_t len)
{
	struct verifier *v = arg;
	struct header_list list = { 0 };
	struct smime_error err = { "" };
	size_t used;
	bool body;

	(void)part;
	if (v->partial || is_attached(&v->scan))
		return 0;
	if (header_parse(&list, raw, len, 0, &used, &body, &err) != 0) {
		header_clear(&list);
		return -1;
	}
	v->partial = kind_is_signed(&list);
	header_clear(&list);
	return 0;
}

static const struct scan_ops scan_ops = { .header = on_header };

/* Only a multipart has parts that could be signed. */
static int
start_scan(struct verifier *v, struct smime_error *err)
{
	const struct header_field *field;
	struct mime_type type;

	field = header_find(v->header, "Content-Type");
	if (field == NULL)
		return 0;
	mime_type_parse(field->value, field->value_len, &type);
	if (strcmp(type.type, "multipart") != 0 || type.boundary_len == 0)
		return 0;
	canon_settings_init(&v->limits);
	v->limits.max_part_header = v->settings.max_part_header;
	if (scan_begin(&v->scan, &v->limits, v->header, &scan_ops, v, err)
	    != 0)
		return -1;
	v->scanning = true;
	return 0;
}

/* ------------------------------------------------------------ streaming --- */

struct verifier *
verify_new(const struct verify_settings *settings,
    const struct header_list *header, struct smime_error *err)
{
	struct verifier *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		smime_error_set(err, "verifying");
		return NULL;
	}
	ERR_clear_error();
	v->settings = *settings;
	if (v->settings.max_depth > VERDICT_LAYERS)
		v->settings.max_depth = VERDICT_LAYERS;
	v->header = header;
	v->root = layer_new(&v->settings, header, 0, "", "");
	if (v->root == NULL) {
		smime_error_crypto(err, "cannot begin to verify");
		verify_free(v);
		return NULL;
	}
	if (v->root->kind == LAYER_PLAIN && start_scan(v, err) != 0) {
		verify_free(v);
		return NULL;
	}
	return v;
}

void
verify_free(struct verifier *v)
{
	if (v == NULL)
		return;
	layer_free(v->root);
	scan_clear(&v->scan);
	correspondent_clear(&v->learnt);
	free(v);
}

bool
verify_wants_body(const struct verifier *v)
{
	switch (v->root->kind) {
	case LAYER_PLAIN:
		return v->scanning && !v->partial;
	case LAYER_SILENT:
		return false;
	default:
		return v->root->fault == VERIFY_GOOD;
	}
}

int
verify_body(struct verifier *v, const void *buf, size_t len,
    struct smime_error *err)
{
	if (v->finished)
		return smime_error_setx(err, "the verdict is already given");
	if (len == 0 || !verify_wants_body(v))
		return 0;
	if (v->scanning)
		return scan_feed(&v->scan, buf, len, err);
	if (layer_feed(v->root, buf, len) != 0)
		return smime_error_crypto(err, "cannot read a signed message");
	return 0;
}

/* -------------------------------------------------------------- verdict --- */

/*
 * What is inside an opaque layer is read now. With the content of a detached
 * one that has been done.
 */
static int
open_opaque(struct judgement *j)
{
	struct layer *layer = j->layer;
	char prefix[sizeof(layer->prefix)];
	const struct der *content = &j->data.content;
	int n;

	if (layer->kind != LAYER_OPAQUE || layer->fault != VERIFY_GOOD ||
	    !j->data.has_content)
		return 0;
	n = snprintf(prefix, sizeof(prefix), "%s/", layer->part);
	if (n < 0 || (size_t)n >= sizeof(prefix)) {
		layer_fault(layer, VERIFY_DEPTH);
		return 0;
	}
	layer->inner = layer_new(layer->settings, NULL, layer->depth + 1,
	    prefix, "");
	if (layer->inner == NULL)
		return -1;
	if (content->len > 0 &&
	    layer_feed(layer->inner, content->p, content->len) != 0)
		return -1;
	return layer_finish(layer->inner);
}

static bool
is_signed(const struct layer *layer)
{
	return layer != NULL && (layer->kind == LAYER_DETACHED ||
	    layer->kind == LAYER_OPAQUE);
}

/* An encrypted message may not say so in its header. */
static bool
turned_out_silent(struct layer *layer)
{
	if (layer->kind != LAYER_OPAQUE ||
	    (layer->fault != VERIFY_ENCRYPTED &&
	    layer->fault != VERIFY_COMPRESSED))
		return false;
	layer->kind = LAYER_SILENT;
	return true;
}

/*
 * Takes apart the layers from the root inwards. Returns how many there are, or
 * -1 for a fault of ours; *payload is the header of what they all are around.
 */
static int
read_layers(struct verifier *v, struct judgement **list,
    const struct header_list **payload)
{
	struct layer *layer = v->root;
	struct judgement *j;
	int n = 0;

	*payload = NULL;
	while (is_signed(layer) && n <= VERDICT_LAYERS) {
		if ((j = list[n] = calloc(1, sizeof(*j))) == NULL)
			return -1;
		j->settings = &v->settings;
		j->layer = layer;
		judgement_read(j);
		if (layer->fault == VERIFY_FAULT)
			return -1;
		if (turned_out_silent(layer))
			break;
		n++;
		if (open_opaque(j) != 0)
			return -1;
		layer = layer->inner;
	}
	if (layer != NULL && layer != v->root && layer->kind == LAYER_PLAIN &&
	    layer->in_body && !layer->head.over)
		*payload = layer->header;
	return n;
}

static void
settle(struct verdict *out, enum verify_reason reason)
{
	out->reason = reason;
	out->word = verify_reason_verdict(reason);
	out->silent = reason == VERIFY_ENCRYPTED ||
	    reason == VERIFY_COMPRESSED || reason == VERIFY_OPENPGP;
}

static int
judge_layers(struct verifier *v, struct judgement **list, int count,
    struct verdict *out)
{
	enum verify_reason reason, overall = VERIFY_GOOD;
	struct verdict_layer *layer;
	int i;

	for (i = 0; i < count; i++) {
		if (i == 0) {
			list[i]->message = v->header;
			list[i]->verdict = out;
		}
		reason = judgement_run(list[i]);
		if (reason == VERIFY_FAULT)
			return -1;
		if (overall == VERIFY_GOOD && (i == 0 ||
		    reason == VERIFY_DEPTH))
			overall = reason;
		if (i == VERDICT_LAYERS)
			break;
		layer = &out->layers[out->layer_count++];
		snprintf(layer->part, sizeof(layer->part), "%s",
		    list[i]->layer->part);
		layer->reason = reason;
		layer->word = verify_reason_verdict(reason);
	}
	settle(out, overall);
	return 0;
}

/* What was found out about the outermost signer's path. */
static void
copy_path(const struct judgement *j, struct verdict *out)
{
	memcpy(out->detail, j->detail, sizeof(out->detail));
	memcpy(out->chain, j->path.chain, sizeof(out->chain));
	out->chain_count = j->path.chain_count;
	memcpy(out->part, j->layer->part, sizeof(out->part));
	if (out->reason != VERIFY_GOOD)
		return;
	if (!out->matches && !out->pinned)	/* never both missing */
		settle(out, VERIFY_OTHER_ADDRESS);
}

static int
judge_signed(struct verifier *v, struct verdict *out)
{
	const struct header_list *payload;
	/* One more than is looked into, for the layer that is too deep. */
	struct judgement *list[VERDICT_LAYERS + 1] = { NULL };
	int i, count, rc = -1;

	count = read_layers(v, list, &payload);
	if (count == 0) {
		settle(out, v->root->fault);
		rc = 0;
	} else if (count > 0) {
		list[0]->payload = payload;
		rc = judge_layers(v, list, count, out);
		copy_path(list[0], out);
		if (rc == 0 && v->settings.learn &&
		    out->word == VERDICT_PASS && !out->pinned &&
		    out->revocation == REVOCATION_GOOD)
			learn(list[0], &v->learnt);
	}
	for (i = 0; i <= VERDICT_LAYERS && list[i] != NULL; i++) {
		judgement_clear(list[i]);
		free(list[i]);
	}
	return rc;
}

/*
 * Of several Content-Type fields this code took the first; a reader that takes
 * another may see a signed or an encrypted message.
 */
static bool
is_disputed(const struct header_list *header)
{
	struct header_list one = { .count = 1 };
	enum verify_reason fault = VERIFY_GOOD;
	size_t i;

	if (header_count(header, "Content-Type") < 2)
		return false;
	for (i = 0; i < header->count; i++) {
		one.fields = &header->fields[i];
		if (header_is(one.fields, "Content-Type") &&
		    kind_of(&one, &fault) != LAYER_PLAIN)
			return true;
	}
	return false;
}

static int
judge_plain(struct verifier *v, struct verdict *out, struct smime_error *err)
{
	if (v->scanning && !v->partial && scan_finish(&v->scan, err) != 0)
		return -1;
	settle(out, v->partial ? VERIFY_PARTIAL :
	    v->scan.limit ? VERIFY_LIMIT : is_disputed(v->header) ?
	    VERIFY_AMBIGUOUS : VERIFY_UNSIGNED);
	/* HDR-16: what was not looked at may be signed, or not. */
	if (out->reason == VERIFY_LIMIT)
		out->silent = true;
	return 0;
}

int
verify_finish(struct verifier *v, struct verdict *out,
    struct smime_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	if (v->finished)
		return smime_error_setx(err, "the verdict is already given");
	v->finished = true;
	out->from_result = address_from(v->header, out->from);
	address_to_ascii(out->from);
	ERR_clear_error();
	errno = 0;
	if (layer_finish(v->root) != 0)
		rc = -1;
	else if (v->root->kind == LAYER_PLAIN)
		rc = judge_plain(v, out, err);
	else if (v->root->kind == LAYER_SILENT) {
		settle(out, v->root->fault);
		rc = 0;
	} else
		rc = judge_signed(v, out);
	ERR_clear_error();
	/*
	 * libcrypto does not always tell what cannot be read from what it had
	 * no memory to read.
	 */
	if (rc != 0 || (out->word != VERDICT_PASS && errno == ENOMEM)) {
		memset(out, 0, sizeof(*out));
		return smime_error_setx(err, "cannot verify a message");
	}
	return 0;
}

void
verify_correspondent(struct verifier *v, struct correspondent *out)
{
	*out = v->learnt;
	memset(&v->learnt, 0, sizeof(v->learnt));
}
