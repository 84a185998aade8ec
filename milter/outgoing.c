/*
 * outgoing.c - from a finished canonical form to a signed message.
 *
 * The same code runs in the milter and in "sampulctl sign"; only who holds the
 * key differs. Nothing here edits or answers: the result is an outcome that
 * says what must become of the message. Two kinds of failure are kept apart:
 * what may not or cannot be signed is for the rule to decide, and what went
 * wrong on our side is a temporary failure whatever the rule says (SIG-60).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "encryption.h"
#include "outgoing.h"
#include "policy.h"

/* -------------------------------------------------------- digest hints --- */

/*
 * One word for each slot: an address's hash with the digest in its lowest two
 * bits. Another address in the same slot only costs a second digest.
 */
#define HINT_SLOTS	4096

struct digest_hints {
	_Atomic uint64_t	slots[HINT_SLOTS];
};

struct digest_hints *
digest_hints_new(void)
{
	return calloc(1, sizeof(struct digest_hints));
}

void
digest_hints_free(struct digest_hints *hints)
{
	free(hints);
}

/* FNV-1a; nothing depends on its being hard to collide. */
static uint64_t
hash_address(const char *address)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *address != '\0'; address++) {
		hash ^= (unsigned char)*address;
		hash *= 1099511628211ULL;
	}
	return hash;
}

enum smime_digest
digest_hint(struct digest_hints *hints, const char *address)
{
	uint64_t hash, word;

	if (hints == NULL)
		return SMIME_SHA256;
	hash = hash_address(address);
	word = atomic_load(&hints->slots[(hash >> 8) % HINT_SLOTS]);
	if (word == 0 || (word & ~3ULL) != (hash & ~3ULL))
		return SMIME_SHA256;
	return (enum smime_digest)((word & 3) % (SMIME_SHA512 + 1));
}

void
digest_learn(struct digest_hints *hints, const char *address,
    enum smime_digest digest)
{
	uint64_t hash;

	if (hints == NULL)
		return;
	hash = hash_address(address);
	atomic_store(&hints->slots[(hash >> 8) % HINT_SLOTS],
	    (hash & ~3ULL) | (uint64_t)digest);
}

/* ------------------------------------------------------------ outcomes --- */

void
outcome_from_plan(const struct plan *plan, struct outcome *out)
{
	memset(out, 0, sizeof(*out));
	out->action = plan->action;
	out->why = plan->why;
}

static void
set_detail(struct outcome *out, const char *detail)
{
	if (detail != NULL)
		smime_printable(detail, strlen(detail), out->detail,
		    sizeof(out->detail));
}

void
outcome_cannot_sign(const struct plan *plan, enum plan_why why,
    const char *detail, struct outcome *out)
{
	outcome_clear(out);
	out->action = policy_cannot_sign(plan);
	out->why = why;
	set_detail(out, detail);
}

/* One whose key is locked: the rule decides (policy_key_locked). */
static void
key_locked(const struct plan *plan, const char *detail,
    struct outcome *out)
{
	outcome_clear(out);
	out->action = policy_key_locked(plan);
	out->why = WHY_KEY_LOCKED;
	set_detail(out, detail);
}

void
outcome_fault(const char *detail, struct outcome *out)
{
	outcome_clear(out);
	out->action = PLAN_TEMPFAIL;
	out->why = WHY_INTERNAL;
	set_detail(out, detail);
}

void
outcome_clear(struct outcome *outcome)
{
	composed_free(outcome->composed);
	composed_free(outcome->inner);
	outcome->composed = outcome->inner = NULL;
	outcome->encrypted = false;
	OPENSSL_free(outcome->der);
	outcome->der = NULL;
	outcome->der_len = 0;
}

/* ------------------------------------------------------------- signing --- */

/* Parts of a message may have longer headers than the message itself has any
 * use for; beyond this they are not taken apart. */
#define PART_HEADER_MAX	65536

void
outgoing_settings(const struct conf *conf, const struct plan *plan,
    bool smtputf8, struct canon_settings *out)
{
	canon_settings_init(out);
	out->spool_dir = conf->spool_dir;
	out->spool_memory = conf->spool_memory;
	out->max_body = conf->max_message;
	out->max_part_header = PART_HEADER_MAX;
	out->max_parts = conf->max_parts;
	out->max_depth = conf->max_depth;
	out->header_protection = plan->rule != NULL &&
	    plan->rule->header_protection;
	out->confidential = out->header_protection &&
	    plan->encrypt != ENCRYPT_OFF;
	out->hide_subject = out->confidential && plan->rule->hide_subject;
	out->legacy_display = out->hide_subject;
	out->smtputf8 = smtputf8;
	out->quote_from = conf->quote_from;
	if (conf->unlabelled_charset != NULL &&
	    conf->unlabelled_charset[0] != '\0')
		out->unlabelled_charset = conf->unlabelled_charset;
}

struct work {
	const struct plan	*plan;
	struct canon		*canon;
	time_t			 now;
	sign_function		 sign;
	void			*arg;
	struct check_cache	*cache;
	struct key_request	 request;
	struct key_answer	 answer;
	struct outcome		*out;
};

/* Detached where possible; opaque by the rule, or where it is the only way. */
static int
choose_form(struct work *work, const struct canon_result *canon)
{
	const struct rule *rule = work->plan->rule;

	work->out->form = rule->form;
	if (canon->state != CANON_OPAQUE_ONLY || rule->form == FORM_OPAQUE)
		return 0;
	if (rule->opaque_fallback) {
		work->out->form = FORM_OPAQUE;
		return 0;
	}
	outcome_cannot_sign(work->plan, WHY_UNSIGNABLE, canon->reason,
	    work->out);
	return -1;
}

static int
ask_once(struct work *work, struct smime_error *err)
{
	if (canon_digest(work->canon, work->request.digest,
	    work->request.value, err) == -1)
		return -1;
	key_answer_clear(&work->answer);
	memset(&work->answer, 0, sizeof(work->answer));
	return work->sign(work->arg, &work->request, &work->answer, err);
}

/*
 * The key process alone knows which digest a key goes with (SIG-42). It is
 * asked a second time at most: an answer that changes its mind is a fault.
 */
static int
ask(struct work *work, struct smime_error *err)
{
	if (ask_once(work, err) == -1)
		return -1;
	if (work->answer.status != KEY_WRONG_DIGEST)
		return 0;
	if (work->answer.digest == work->request.digest ||
	    work->answer.digest > SMIME_SHA512)
		return smime_error_setx(err,
		    "the key process asked for the digest it had");
	work->request.digest = work->answer.digest;
	return ask_once(work, err);
}

/* What the key process answered: 0 with a signature, else out says what. */
static int
judge(struct work *work)
{
	const struct key_answer *answer = &work->answer;

	switch (answer->status) {
	case KEY_SIGNED:
		if (answer->digest == work->request.digest &&
		    answer->der != NULL && answer->der_len > 0)
			return 0;
		outcome_fault("the key process signed another digest",
		    work->out);
		return -1;
	case KEY_NO_IDENTITY:
		outcome_cannot_sign(work->plan, WHY_NO_CERTIFICATE,
		    answer->reason, work->out);
		return -1;
	case KEY_LOCKED:
		key_locked(work->plan, answer->reason, work->out);
		return -1;
	case KEY_RATE_LIMITED:
		outcome_fault(answer->reason[0] != '\0' ? answer->reason :
		    "too many signatures for this address", work->out);
		return -1;
	case KEY_WRONG_DIGEST:
	case KEY_CERTIFICATES:
	case KEY_FAULT:
		break;
	}
	outcome_fault(answer->reason[0] != '\0' ? answer->reason :
	    "the key process failed", work->out);
	return -1;
}

/* SIG-61: what the MTA gets was looked at as a reader would. */
static int
check_and_compose(struct work *work, struct smime_error *err)
{
	const struct key_answer *answer = &work->answer;

	if (signature_check(answer->der, answer->der_len,
	    work->request.digest, work->request.value, work->request.address,
	    answer->pinned, work->now, work->cache, err) == -1)
		return -1;
	work->out->composed = compose_signed(work->canon, work->out->form,
	    work->request.digest, answer->der, answer->der_len, err);
	return work->out->composed == NULL ? -1 : 0;
}

static void
prepare(struct work *work, const char *queue_id, enum smime_digest digest)
{
	struct key_request *request = &work->request;

	smime_printable(queue_id, strlen(queue_id), request->queue_id,
	    sizeof(request->queue_id));
	snprintf(request->address, sizeof(request->address), "%s",
	    work->plan->from);
	request->digest = digest;
}

void
outgoing_sign(const struct plan *plan, struct canon *canon,
    const struct canon_result *canon_result,
    enum smime_digest digest, const char *queue_id, time_t now,
    sign_function sign, void *arg, struct check_cache *cache,
    struct outcome *out)
{
	struct work work = { .plan = plan, .canon = canon, .now = now,
	    .sign = sign, .arg = arg, .cache = cache, .out = out };
	struct smime_error err = { "" };

	memset(out, 0, sizeof(*out));
	out->canon = *canon_result;
	prepare(&work, queue_id, digest);
	if (plan->action != PLAN_SIGN || plan->rule == NULL ||
	    plan->from[0] == '\0') {
		outcome_fault("asked to sign what is not planned to be", out);
		return;
	}
	if (choose_form(&work, canon_result) == -1)
		return;
	if (ask(&work, &err) == -1) {
		outcome_fault(err.text, out);
		goto out;
	}
	if (judge(&work) == -1)
		goto out;
	snprintf(out->serial, sizeof(out->serial), "%s", work.answer.serial);
	out->pinned = work.answer.pinned;
	if (check_and_compose(&work, &err) == -1) {
		outcome_fault(err.text, out);
		goto out;
	}
	out->der = work.answer.der;
	out->der_len = work.answer.der_len;
	work.answer.der = NULL;
	out->action = PLAN_SIGN;
	out->why = WHY_NONE;
out:
	key_answer_clear(&work.answer);
}

/* ---------------------------------------------------------- encrypting --- */

struct composed *
outgoing_envelope(const struct seal *seal, size_t copy,
    struct composed *inner, struct smime_error *err)
{
	const struct copy *which = &seal->copies.items[copy];
	struct recipient *readers;
	struct composed *sealed;
	size_t i, n = 0;

	if ((readers = calloc(seal->count + 1, sizeof(*readers))) == NULL) {
		(void)smime_error_set(err, "encrypting");
		return NULL;
	}
	for (i = 0; i < seal->count; i++) {
		if (seal->readers[i].copy != copy)
			continue;
		readers[n].cert = seal->readers[i].found.cert;
		readers[n++].oaep = (seal->readers[i].capabilities &
		    SMIME_CAP_RSA_OAEP) != 0;
	}
	sealed = compose_encrypted(inner,
	    smime_cipher_choose(which->capabilities), readers, n, err);
	free(readers);
	return sealed;
}

/*
 * Whether the Subject stays open although it was to be hidden, because the
 * header of this message cannot be protected. What only may be encrypted leaves
 * so, as it would have without us.
 */
static bool
shows_subject(const struct plan *plan, const struct outcome *out)
{
	return plan->encrypt == ENCRYPT_REQUIRED && plan->rule->hide_subject &&
	    plan->rule->header_protection && !out->canon.confidential;
}

void
outgoing_encrypt(const struct plan *plan, const struct seal *seal,
    struct outcome *out)
{
	struct smime_error err = { "" };
	struct composed *sealed;

	if (!seal->possible || seal->copies.count == 0 ||
	    !seal->copies.items[0].encrypted || out->composed == NULL) {
		outcome_fault("asked to encrypt what cannot be", out);
		return;
	}
	if (shows_subject(plan, out)) {
		outcome_clear(out);
		out->action = policy_cannot_encrypt(plan);
		out->why = WHY_MUST_ENCRYPT;
		set_detail(out, out->canon.unprotected != NULL ?
		    out->canon.unprotected : "the Subject cannot be hidden");
		return;
	}
	out->cipher = smime_cipher_choose(seal->copies.items[0].capabilities);
	sealed = outgoing_envelope(seal, 0, out->composed, &err);
	if (sealed == NULL) {
		outcome_fault(err.text, out);
		return;
	}
	out->inner = out->composed;
	out->composed = sealed;
	out->encrypted = true;
	out->readers = seal->copies.items[0].readers;
	out->copies = seal->copies.count;
	out->refused = seal->copies.refused;
	if (out->refused > 0)
		set_detail(out, seal->detail);
}
