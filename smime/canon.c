/*
 * canon.c - a message in canonical form, on its way to be signed.
 *
 * First pass, while the body arrives: it goes to the spool, through the digest
 * and past the scanner, which says of each part what must become of it. Most
 * messages need nothing: digest and spool then are what is signed.
 *
 * As soon as a change is certain the digest is given up. At the end a second
 * pass reads the spool through the same scanner, with the parts concerned
 * encoded anew (rewrite.c), and digests that; whoever reads the entity
 * afterwards has it encoded once more, which costs less than another file.
 * Between the passes only one octet for each part is kept.
 *
 * Where a change is needed that may not be made, the message stays as it is
 * and fits opaque signed-data only, where nobody on its way looks inside
 * (RFC 8551 3.1.3).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canon.h"
#include "entity.h"
#include "octets.h"
#include "parse.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

#define PLANS_STEP	64

void
canon_settings_init(struct canon_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	settings->spool_dir = "/var/spool/sampul";
	settings->spool_memory = 256 * 1024;
	settings->max_part_header = 128 * 1024;
	settings->max_parts = 10000;
	settings->max_depth = 100;
	settings->header_protection = true;
	settings->quote_from = true;
	settings->unlabelled_charset = "unknown-8bit";
}

/* --------------------------------------------------------------- digest --- */

static int
digest_begin(struct canon *canon, struct smime_error *err)
{
	canon->have_value = false;
	EVP_MD_CTX_free(canon->md);
	if ((canon->md = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(canon->md, smime_digest_md(canon->digest),
	    NULL) != 1 ||
	    EVP_DigestUpdate(canon->md, canon->header,
	    canon->header_len) != 1)
		return smime_error_crypto(err, "digesting a message");
	checksum_begin(&canon->sum);
	checksum_add(&canon->sum, canon->header, canon->header_len);
	if (boundary_choose(&canon->boundary, err) == -1)
		return -1;
	boundary_search(&canon->boundary, canon->header, canon->header_len);
	return 0;
}

static int
digest_update(struct canon *canon, const void *buf, size_t len,
    struct smime_error *err)
{
	if (EVP_DigestUpdate(canon->md, buf, len) != 1)
		return smime_error_crypto(err, "digesting a message");
	checksum_add(&canon->sum, buf, len);
	boundary_search(&canon->boundary, buf, len);
	return 0;
}

static void
digest_give_up(struct canon *canon)
{
	EVP_MD_CTX_free(canon->md);
	canon->md = NULL;
}

static int
digest_end(struct canon *canon, struct smime_error *err)
{
	if (EVP_DigestFinal_ex(canon->md, canon->value, NULL) != 1)
		return smime_error_crypto(err, "digesting a message");
	canon->have_value = canon->have_sum = canon->sought = true;
	digest_give_up(canon);
	return 0;
}

/* ---------------------------------------------------------- first pass --- */

/* Room for the plan of this part; parts are met in order. */
static int
plans_grow(struct canon *canon, uint32_t number)
{
	unsigned char *plans;
	size_t want;

	if (number < canon->plans_size)
		return 0;
	want = canon->plans_size * 2;
	if (want < (size_t)number + PLANS_STEP)
		want = (size_t)number + PLANS_STEP;
	if ((plans = realloc(canon->plans, want)) == NULL)
		return smime_error_set(canon->err, "reading MIME parts");
	memset(plans + canon->plans_size, PLAN_KEEP,
	    want - canon->plans_size);
	canon->plans = plans;
	canon->plans_size = want;
	return 0;
}

static void
give_reason(struct canon *canon, const struct part *part)
{
	const char *why = "may not be changed";

	if (canon->reason[0] != '\0')
		return;
	if (part->conflict)
		why = "has a header that readers take differently";
	else if (!part->frozen)
		why = "has an unknown Content-Transfer-Encoding";
	snprintf(canon->reason, sizeof(canon->reason), "part %u %s, but %s %s",
	    part->number, why, part->composite ? "it" : "its body",
	    defect_text(part->defects));
}

/*
 * A part that shows the Subject has to be written anew; where the Subject is
 * UTF-8 and the part was ASCII so far, encoded.
 */
static enum plan
show(struct canon *canon, const struct part *part, enum plan plan)
{
	bool identity = part->encoding != ENC_QP &&
	    part->encoding != ENC_BASE64;

	canon->wish = true;
	if (identity && part->display == DISPLAY_PLAIN && part->utf8 &&
	    canon->legacy.high && (plan == PLAN_KEEP || plan == PLAN_RELABEL))
		plan = PLAN_QP;
	return (enum plan)(plan | PLAN_DISPLAY);
}

static int
decide(struct canon *canon, const struct part *part)
{
	bool possible, must;
	enum plan plan;

	if (plans_grow(canon, part->number) == -1)
		return -1;
	plan = plan_part(part, canon->settings.quote_from, &possible, &must);
	if (must)
		canon->must = true;
	else if (plan != PLAN_KEEP)
		canon->wish = true;
	if (canon->display && legacy_text(&canon->legacy, part) != NULL)
		plan = show(canon, part, plan);
	canon->plans[part->number] = (unsigned char)plan;
	if (!possible)
		give_reason(canon, part);
	if (part->number == 0)
		canon->root_defects = part->defects;
	return 0;
}

static int
on_end(void *arg, const struct part *part, bool crlf)
{
	(void)crlf;
	return decide(arg, part);
}

static int
on_composite(void *arg, const struct part *part)
{
	return decide(arg, part);
}

static const struct scan_ops ops = {
	.end = on_end,
	.composite = on_composite,
};

/* Whether what was read so far already rules out "as it came". */
static bool
change_is_certain(const struct canon *canon)
{
	bool possible, must;

	if (canon->must || canon->wish ||
	    (canon->scan.outside & DEFECTS_MUST) != 0)
		return true;
	return canon->scan.state == SCAN_BODY &&
	    (plan_part(&canon->scan.part, canon->settings.quote_from,
	    &possible, &must) != PLAN_KEEP || !possible);
}

static int
begin(struct canon *canon, const struct header_list *header,
    struct smime_error *err)
{
	canon->err = err;
	if (entity_read(&canon->entity, &canon->settings, header, err) == -1 ||
	    entity_header(&canon->entity, PLAN_KEEP, false, "us-ascii",
	    &canon->header, &canon->header_len, err) == -1)
		return -1;
	canon->display = canon->settings.legacy_display &&
	    canon->settings.confidential && canon->settings.hide_subject &&
	    canon->entity.hp != NULL;
	if (canon->display && !legacy_make(&canon->legacy, header))
		return smime_error_set(err, "reading the Subject");
	if (scan_begin(&canon->scan, &canon->settings, &canon->entity.content,
	    &ops, canon, err) == -1)
		return -1;
	canon->body = spool_new(canon->settings.spool_dir,
	    canon->settings.spool_memory);
	if (canon->body == NULL)
		return smime_error_set(err, "spooling a body");
	return digest_begin(canon, err);
}

struct canon *
canon_new(const struct canon_settings *settings,
    const struct header_list *header, enum smime_digest digest,
    struct smime_error *err)
{
	struct canon *canon;

	if ((canon = calloc(1, sizeof(*canon))) == NULL) {
		smime_error_set(err, "reading a message");
		return NULL;
	}
	canon->settings = *settings;
	canon->digest = digest;
	if (begin(canon, header, err) == -1) {
		canon_free(canon);
		return NULL;
	}
	return canon;
}

void
canon_free(struct canon *canon)
{
	if (canon == NULL)
		return;
	digest_give_up(canon);
	spool_free(canon->body);
	scan_clear(&canon->scan);
	entity_clear(&canon->entity);
	legacy_clear(&canon->legacy);
	free(canon->plans);
	wipe_free(canon->header, canon->header_len);
	/* scanner, checksum and boundary each hold some of the body */
	wipe_free(canon, sizeof(*canon));
}

uint64_t
canon_received(const struct canon *canon)
{
	return canon->received;
}

static int
take(struct canon *canon, const void *buf, size_t len, struct smime_error *err)
{
	uint64_t max = canon->settings.max_body;

	if (max != 0 && (len > max || canon->received > max - len))
		return smime_error_setx(err, "the body is larger than %llu "
		    "octets", (unsigned long long)max);
	canon->received += len;
	if (spool_write(canon->body, buf, len, err) == -1 ||
	    scan_feed(&canon->scan, buf, len, err) == -1)
		return -1;
	if (canon->md == NULL)
		return 0;
	if (change_is_certain(canon)) {
		digest_give_up(canon);
		return 0;
	}
	return digest_update(canon, buf, len, err);
}

int
canon_body(struct canon *canon, const void *buf, size_t len,
    struct smime_error *err)
{
	if (canon->failed || canon->finished)
		return smime_error_setx(err, "the message is at its end");
	canon->err = err;
	if (take(canon, buf, len, err) == -1) {
		canon->failed = true;
		return -1;
	}
	return 0;
}

/* --------------------------------------------------------- second pass --- */

static int
second_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct canon *canon = arg;

	return digest_update(canon, buf, len, canon->err);
}

/* The header again, when part 0 or the label of its charset changed. */
static int
renew_header(struct canon *canon, unsigned plan, struct smime_error *err)
{
	const char *charset = "us-ascii";

	if (canon->root_defects & DEFECT_HIGH)
		charset = canon->settings.unlabelled_charset;
	wipe_free(canon->header, canon->header_len);
	canon->header = NULL;
	return entity_header(&canon->entity, PLAN_OF(plan),
	    (plan & PLAN_DISPLAY) != 0, charset, &canon->header,
	    &canon->header_len, err);
}

static int
reencode(struct canon *canon, struct smime_error *err)
{
	if (renew_header(canon, canon->plans[0], err) == -1 ||
	    digest_begin(canon, err) == -1 ||
	    rewrite_body(&canon->settings, &canon->entity.content, canon->body,
	    canon->plans, canon->scan.parts, &canon->legacy, second_sink,
	    canon, err) == -1)
		return -1;
	canon->rewritten = true;
	return digest_end(canon, err);
}

/* ------------------------------------------------------------- results --- */

/* Sets the reason, if there is one, why a needed change may not be made. */
static bool
is_stuck(struct canon *canon)
{
	unsigned outside = canon->scan.outside & DEFECTS_MUST;
	const char *why = NULL;

	if (canon->reason[0] != '\0')
		return true;
	if (outside != 0 || canon->entity.defects != 0) {
		snprintf(canon->reason, sizeof(canon->reason), "%s %s",
		    outside != 0 ? "a part's header or the text between parts" :
		    "a Content- field of the message",
		    defect_text(outside != 0 ? outside :
		    canon->entity.defects));
		return true;
	}
	if (!canon->must)
		return false;
	if (canon->scan.limit)
		why = "a part has to be changed, but the message has too many, "
		    "too deep or too long parts to know all of them";
	else if (canon->scan.ambiguous)
		why = "a part has to be changed, but readers may disagree "
		    "where the parts begin";
	if (why != NULL)
		snprintf(canon->reason, sizeof(canon->reason), "%s", why);
	return why != NULL;
}

static enum canon_state
state_of(struct canon *canon)
{
	if (is_stuck(canon))
		return CANON_OPAQUE_ONLY;
	if (canon->must)
		return CANON_REENCODED;
	/* What is only wished for is not worth a doubt. */
	if (canon->wish && !canon->scan.limit && !canon->scan.ambiguous)
		return CANON_REENCODED;
	return CANON_CLEAN;
}

static void
report(const struct canon *canon, enum canon_state state,
    struct canon_result *out)
{
	uint32_t i;

	memset(out, 0, sizeof(*out));
	out->state = state;
	if (state == CANON_OPAQUE_ONLY)
		memcpy(out->reason, canon->reason, sizeof(out->reason));
	out->header_protected = canon->entity.hp != NULL;
	out->confidential = canon->entity.hp != NULL &&
	    canon->settings.confidential;
	out->unprotected = canon->entity.unprotected;
	out->has_calendar = canon->scan.has_calendar;
	out->parts = canon->scan.parts;
	if (state == CANON_REENCODED)
		for (i = 0; i < canon->scan.parts && i < canon->plans_size; i++)
			out->changed += canon->plans[i] != PLAN_KEEP;
}

static int
finish(struct canon *canon, struct canon_result *out, struct smime_error *err)
{
	enum canon_state state;

	/* Parts without a plan, after a ceiling, need room as well. */
	if (scan_finish(&canon->scan, err) == -1 ||
	    plans_grow(canon, canon->scan.parts) == -1)
		return -1;
	state = state_of(canon);
	report(canon, state, out);
	scan_clear(&canon->scan);
	if (state == CANON_REENCODED)
		return reencode(canon, err);
	if (state == CANON_OPAQUE_ONLY) {
		digest_give_up(canon);
		return renew_header(canon, PLAN_KEEP, err);
	}
	/* Given up for what was only wished for: canon_digest reads it. */
	return canon->md != NULL ? digest_end(canon, err) : 0;
}

int
canon_finish(struct canon *canon, struct canon_result *out,
    struct smime_error *err)
{
	memset(out, 0, sizeof(*out));
	if (canon->failed || canon->finished)
		return smime_error_setx(err, "the message is at its end");
	canon->err = err;
	if (finish(canon, out, err) == -1) {
		canon->failed = true;
		return -1;
	}
	canon->finished = true;
	return 0;
}
