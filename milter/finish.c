/*
 * finish.c - the end of a message: edit, answer, one line in the log.
 *
 * All that is done to a message is done now, in this order: decide what could
 * not be decided before the body was known, sign and check (workout.c); hand
 * copies over (handover.c); change the header; take recipients off; replace the
 * body in one run. A failure anywhere becomes a temporary failure, on which an
 * MTA discards whatever it was told before (SIG-60, MTA-16).
 */
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "editplan.h"
#include "encryption.h"
#include "incoming.h"
#include "log.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"

/* ----------------------------------------------------------- the line --- */

static const char *
client_text(const struct session *session, char *out, size_t size)
{
	const void *address;
	const struct sockaddr_storage *client = &session->client;

	if (!session->has_client)
		return "local";
	if (client->ss_family == AF_INET)
		address = &((const struct sockaddr_in *)
		    (const void *)client)->sin_addr;
	else
		address = &((const struct sockaddr_in6 *)
		    (const void *)client)->sin6_addr;
	if (inet_ntop(client->ss_family, address, out, (socklen_t)size) ==
	    NULL)
		return "unknown";
	return out;
}

static void
fill_report(const struct session *session, const struct outcome *outcome,
    const char *client, int64_t microseconds, struct report *out)
{
	const struct message *message = &session->message;

	memset(out, 0, sizeof(*out));
	out->queue_id = message->queue_id;
	out->plan = &message->plan;
	out->outcome = outcome;
	out->login = message->login;
	out->client = client;
	out->bytes = message->received;
	out->microseconds = microseconds;
	out->observed = message->conf != NULL &&
	    message->conf->mode == MODE_OBSERVE;
	out->verdict = receive_verdict(message->receive);
	out->reception = receive_reception(message->receive);
	out->removed = message->removals.forged;
}

void
message_log(const struct session *session, const struct outcome *outcome,
    int64_t microseconds)
{
	char client[INET6_ADDRSTRLEN];
	struct report report;

	fill_report(session, outcome,
	    client_text(session, client, sizeof(client)), microseconds,
	    &report);
	report_log(&report);
}

/* -------------------------------------------------------------- answer --- */

/* Everybody whose copy is another one, or who gets none. */
static int
take_off(struct session *session, SMFICTX *ctx)
{
	struct message *message = &session->message;
	const struct reader *reader;
	size_t i, j;

	for (i = 0; i < message->recipient_count; i++) {
		reader = seal_reader(&message->seal, message->recipients[i]);
		if (reader == NULL)
			return smime_error_setx(&message->err,
			    "a recipient was not looked up");
		if (reader->copy == 0)
			continue;
		for (j = 0; j < i; j++)
			if (strcmp(message_raw_recipient(message, i),
			    message_raw_recipient(message, j)) == 0)
				break;
		if (j == i && edit_remove_recipient(ctx,
		    message_raw_recipient(message, i), &message->err) == -1)
			return -1;
	}
	return 0;
}

static int
edit(struct session *session, SMFICTX *ctx, struct outcome *outcome)
{
	struct message *message = &session->message;
	struct edit_plan plan;
	int rc = -1;

	if (message_edits(session, outcome->composed, outcome->encrypted &&
	    outcome->canon.confidential, &plan) == -1)
		goto out;
	if (edit_header(ctx, &plan, session->leadspc, &message->err) == -1)
		goto out;
	if (outcome->encrypted && seal_is_divided(&message->seal) &&
	    take_off(session, ctx) == -1)
		goto out;
	if (outcome->composed != NULL &&
	    edit_body(ctx, outcome->composed, &message->err) == -1)
		goto out;
	rc = 0;
out:
	edit_plan_clear(&plan);
	return rc;
}

static sfsistat
reply(struct session *session, SMFICTX *ctx, const struct outcome *outcome)
{
	struct message *message = &session->message;
	struct plan plan = message->plan;
	struct smime_error err = { "" };
	char text[401];

	plan.action = outcome->action;
	plan.why = outcome->why;
	if (message->conf != NULL) {
		text_reply(message->conf, &plan, outcome->who, text,
		    sizeof(text));
		/* Without its text the answer is still the answer. */
		if (edit_reply(ctx, outcome->action, text, &err) == -1)
			log_warning("%s: %s", message->queue_id, err.text);
	}
	return outcome->action == PLAN_REFUSE ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static int
remove_forged(struct session *session, SMFICTX *ctx)
{
	struct message *message = &session->message;
	struct edit_plan plan;
	int rc = -1;

	if (edit_plan_make(&plan, &message->header, &message->removals,
	    false, NULL, &message->err) == 0)
		rc = edit_header(ctx, &plan, session->leadspc, &message->err);
	edit_plan_clear(&plan);
	return rc;
}

/*
 * Observing adds one field, and it takes forged results out: nobody else may
 * say that we have verified a sender (HDR-12). But for that a fault of ours is
 * reported there too, for the message would leave as it is without us.
 */
static sfsistat
observe(struct session *session, SMFICTX *ctx, const struct outcome *outcome)
{
	struct message *message = &session->message;
	struct edit_step step = { EDIT_ADD, REPORT_HEADER, 1, NULL };
	struct edit_plan plan = { &step, 1, 1 };
	struct report report;
	char value[1024];

	if (message->removals.forged > 0 && (message->failed ||
	    remove_forged(session, ctx) == -1))
		return SMFIS_TEMPFAIL;
	if (message->ours_again || (message->receive == NULL &&
	    message->plan.action == PLAN_NOT_OURS))
		return SMFIS_CONTINUE;
	fill_report(session, outcome, "", 0, &report);
	report_header(&report, value, sizeof(value));
	step.value = value;
	if (edit_header(ctx, &plan, session->leadspc, &message->err) == -1)
		log_warning("%s: %s", message->queue_id, message->err.text);
	return SMFIS_CONTINUE;
}

/* By the rules for incoming mail, with their own sentence. */
static sfsistat
turn_away(struct session *session, SMFICTX *ctx,
    const struct reception *reception)
{
	struct message *message = &session->message;
	bool refuse = reception->action == INCOMING_REFUSE;
	struct smime_error err = { "" };
	char text[401];

	incoming_reply(message->conf, reception,
	    receive_verdict(message->receive), text, sizeof(text));
	if (edit_reply(ctx, refuse ? PLAN_REFUSE : PLAN_TEMPFAIL, text,
	    &err) == -1)
		log_warning("%s: %s", message->queue_id, err.text);
	return refuse ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/* All edits come before a message is put on hold (MTA-54). */
static int
deliver(struct session *session, SMFICTX *ctx, struct outcome *outcome)
{
	struct message *message = &session->message;
	const struct reception *reception =
	    receive_reception(message->receive);

	if (edit(session, ctx, outcome) == -1)
		return -1;
	if (reception == NULL || reception->action != INCOMING_QUARANTINE)
		return 0;
	return edit_quarantine(ctx, reception->by_spoof ?
	    "S/MIME: sender address of our domain without valid signature" :
	    "S/MIME: by a rule for incoming mail", &message->err);
}

static sfsistat
answer(struct session *session, SMFICTX *ctx, struct outcome *outcome)
{
	struct message *message = &session->message;
	const struct reception *reception =
	    receive_reception(message->receive);

	if (message->conf != NULL && message->conf->mode == MODE_OBSERVE)
		return observe(session, ctx, outcome);
	switch (outcome->action) {
	case PLAN_SIGN:
	case PLAN_PASS:
	case PLAN_NOT_OURS:
		if (reception != NULL &&
		    (reception->action == INCOMING_REFUSE ||
		    reception->action == INCOMING_TEMPFAIL))
			return turn_away(session, ctx, reception);
		if (outcome->composed != NULL &&
		    receive_ours(session, outcome) == -1) {
			outcome_fault(message->err.text, outcome);
			break;
		}
		if (outcome->encrypted && seal_is_divided(&message->seal) &&
		    message_hand_over(session, ctx, outcome) == -1)
			break;
		if (deliver(session, ctx, outcome) == 0)
			return SMFIS_CONTINUE;
		outcome_fault(message->err.text, outcome);
		break;
	case PLAN_REFUSE:
	case PLAN_TEMPFAIL:
		break;
	case PLAN_LATER:
		outcome_fault("no decision", outcome);
		break;
	}
	return reply(session, ctx, outcome);
}

sfsistat
message_finish(struct session *session, SMFICTX *ctx, const char *queue_id)
{
	struct outcome outcome;
	int64_t began = monotonic_us();
	sfsistat status;

	memset(&outcome, 0, sizeof(outcome));
	message_queue_id(session, queue_id);
	if (message_work_out(session, ctx, &outcome) == -1) {
		message_fault(session);
		outcome_fault(session->message.err.text, &outcome);
	}
	status = answer(session, ctx, &outcome);
	message_log(session, &outcome, monotonic_us() - began);
	outcome_clear(&outcome);
	message_reset(session);
	return status;
}
