/*
 * workout.c - what becomes of a message, once its body is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "editplan.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"

/* Above this an MTA is told that we are at work. */
#define PROGRESS_SIZE	(1024 * 1024)

/* Stands for the key process (outgoing.c), with what is learnt from it. */
int
message_ask_key(void *arg, const struct key_request *request,
    struct key_answer *answer, struct smime_error *err)
{
	struct session *session = arg;
	struct service *service = session->service;

	if (channel_ask(service->channels, request,
	    session->message.conf->key_timeout, answer, err) == -1) {
		if (channel_pool_worn(service->channels) &&
		    service->broken != NULL)
			service->broken("key process");
		return -1;
	}
	if (answer->status == KEY_WRONG_DIGEST)
		digest_learn(service->hints, request->address,
		    answer->digest);
	return 0;
}

int
message_refill(struct message *message, struct canon *canon)
{
	unsigned char *buf;
	uint64_t at = 0;
	size_t got;
	int rc = -1;

	if ((buf = malloc(65536)) == NULL)
		return smime_error_set(&message->err, "reading the body");
	for (;;) {
		if (spool_read(message->spool, at, buf, 65536, &got,
		    &message->err) == -1)
			goto out;
		if (got == 0)
			break;
		if (canon_body(canon, buf, got, &message->err) == -1)
			goto out;
		at += got;
	}
	rc = 0;
out:
	wipe_free(buf, 65536);
	return rc;
}

/* The rule that applies wants another signed part than was begun. */
static int
begin_again(struct session *session, struct canon_result *result)
{
	struct message *message = &session->message;

	if (message->spool == NULL)
		return smime_error_setx(&message->err,
		    "the body was not kept");
	canon_free(message->canon);
	message->canon = NULL;
	if (message_begin_canon(session) == -1 ||
	    message_refill(message, message->canon) == -1)
		return -1;
	return canon_finish(message->canon, result, &message->err);
}

static bool
same_part(const struct canon_settings *a, const struct canon_settings *b)
{
	return a->header_protection == b->header_protection &&
	    a->confidential == b->confidential &&
	    a->hide_subject == b->hide_subject;
}

/* What had to wait for the body is decided now. */
static int
decide_late(struct session *session, struct canon_result *result)
{
	struct message *message = &session->message;
	struct canon_settings settings;
	struct facts facts;

	message_facts(session, &facts);
	facts.size = message->received;
	facts.has_calendar = message->canon != NULL && result->has_calendar;
	message_decide(session, &facts);
	if (message->plan.action == PLAN_LATER)
		return smime_error_setx(&message->err,
		    "no decision at the end of the message");
	if (message_seal(session) == -1)
		return -1;
	outgoing_settings(message->conf, &message->plan, message->smtputf8,
	    &settings);
	if (message->plan.action == PLAN_SIGN && message->canon != NULL &&
	    (message->untagged || !same_part(&settings, &message->begun)))
		return begin_again(session, result);
	return 0;
}

static int
sign(struct session *session, const struct canon_result *result,
    struct outcome *out)
{
	struct message *message = &session->message;

	if (message->too_large) {
		outcome_cannot_sign(&message->plan, WHY_TOO_LARGE, NULL, out);
		return 0;
	}
	if (message->canon == NULL)
		return smime_error_setx(&message->err, "no body was kept");
	outgoing_sign(&message->plan, message->canon, result,
	    message->digest, message->queue_id, time(NULL), message_ask_key, session,
	    session->service->checks, out);
	if (out->action == PLAN_SIGN &&
	    message->plan.encrypt != ENCRYPT_OFF)
		outgoing_encrypt(&message->plan, &message->seal, out);
	else if (out->action == PLAN_SIGN && message->seal.why != WHY_NONE)
		memcpy(out->detail, message->seal.detail,
		    sizeof(out->detail));
	return 0;
}

/* Why a message that had to be encrypted is not sent. */
static void
say_missing(const struct message *message, struct outcome *out)
{
	if (message->seal.why == WHY_NONE || out->why != message->seal.why)
		return;
	memcpy(out->who, message->seal.who, sizeof(out->who));
	memcpy(out->detail, message->seal.detail, sizeof(out->detail));
}

int
message_work_out(struct session *session, SMFICTX *ctx, struct outcome *out)
{
	struct message *message = &session->message;
	struct canon_result result;

	memset(&result, 0, sizeof(result));
	if (message->failed || message->conf == NULL)
		return -1;
	/* Nothing was decided, and a plan of zeros says "not ours". */
	if (!message->header_ended)
		return smime_error_setx(&message->err,
		    "the MTA gave no end of the header");
	if (message->canon != NULL && message->received > PROGRESS_SIZE &&
	    edit_progress(ctx, &message->err) == -1)
		return -1;
	if (message->canon != NULL &&
	    canon_finish(message->canon, &result, &message->err) == -1)
		return -1;
	if (message->plan.action == PLAN_LATER &&
	    decide_late(session, &result) == -1)
		return -1;
	if (message->plan.action == PLAN_SIGN)
		return sign(session, &result, out);
	outcome_from_plan(&message->plan, out);
	if (message->ours_again)
		(void)snprintf(out->detail, sizeof(out->detail),
		    "a message of our own, by its mark");
	say_missing(message, out);
	if (message->receive != NULL)
		receive_finish(session);
	return 0;
}

/* --------------------------------------------------------------- edits --- */

/* Without the space behind the colon. */
static const char *
subject(const struct message *message)
{
	const char *value = header_find(&message->header, "Subject")->value;

	return value + (*value == ' ');
}

/* Sendmail shows Bcc and takes it off later; a copy must not have it at all. */
static int
hide_recipients(const struct message *message, struct edit_plan *out,
    struct smime_error *err)
{
	if (!message->seal.possible)
		return 0;
	if (edit_plan_remove(out, &message->header, "Bcc", err) == -1)
		return -1;
	return edit_plan_remove(out, &message->header, "Resent-Bcc", err);
}

int
message_edits(struct session *session, struct composed *composed,
    bool confidential, struct edit_plan *out)
{
	struct message *message = &session->message;
	bool outgoing = message->plan.action != PLAN_NOT_OURS;
	bool hide = confidential && message->begun.hide_subject;

	if (edit_plan_make(out, &message->header, &message->removals,
	    outgoing, composed, &message->err) == -1)
		return -1;
	if (confidential && edit_plan_hide(out, &message->header,
	    message->begun.hide_subject, &message->err) == -1)
		return -1;
	if (message->untagged && !hide && edit_plan_change(out, "Subject",
	    subject(message), &message->err) == -1)
		return -1;
	if (hide_recipients(message, out, &message->err) == -1)
		return -1;
	return receive_insert(session, out);
}
