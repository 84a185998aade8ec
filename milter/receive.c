/*
 * receive.c - a message on its way in: from the end of its header, where it
 * is known that it is not ours to sign, to the fields that go on top of it.
 *
 * The body runs through the verifier while it arrives and is not kept. What
 * fails here is a fault of ours and becomes the result temperror; it never
 * keeps forged fields in place nor, by itself, the message back: unlike a
 * missing signature, a missing verdict is seen by the reader.
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "editplan.h"
#include "encryption.h"
#include "incoming.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"

struct receive {
	struct trust_state	*trust;
	struct verify_settings	 settings;
	struct verifier		*verifier;	/* NULL: without a look */
	enum verify_reason	 reason;	/* then */
	struct smime_error	 err;
	struct verdict		 verdict;
	struct reception	 reception;
	char			 results[RESULTS_MAX];
	char			 verified[RESULTS_MAX];
};

void
receive_free(struct receive *receive)
{
	if (receive == NULL)
		return;
	verify_free(receive->verifier);
	trust_state_unref(receive->trust);
	free(receive);
}

static bool
is_for_us(const struct message *message)
{
	size_t i;

	for (i = 0; i < message->recipient_count; i++)
		if (conf_is_ours(message->conf, message->recipients[i]))
			return true;
	return message->more_recipients;
}

bool
receive_is_wanted(const struct message *message)
{
	if (message->conf == NULL || !message->conf->verify)
		return false;
	return message->plan.action == PLAN_NOT_OURS ||
	    ((message->plan.action == PLAN_PASS ||
	    message->plan.action == PLAN_SIGN) && is_for_us(message));
}

static struct trust_state *
current_trust(struct session *session)
{
	if (session->service->trusted == NULL)
		return NULL;
	return truststore_get(session->service->trusted,
	    session->message.conf);
}

/*
 * A header of which only the beginning was kept says nothing: what lies behind
 * may be a second From, or what makes the message signed.
 */
static void
begin(struct session *session, struct receive *receive)
{
	struct message *message = &session->message;

	if (message->header_over) {
		receive->reason = VERIFY_LIMIT;
		return;
	}
	receive->reason = VERIFY_FAULT;
	if ((receive->trust = current_trust(session)) == NULL) {
		smime_error_setx(&receive->err, "no anchors are loaded");
		return;
	}
	incoming_settings(message->conf, receive->trust,
	    session->service->verified, time(NULL), &receive->settings);
	receive->settings.learn = message->plan.action == PLAN_NOT_OURS &&
	    message->conf->harvest_from.count > 0;
	receive->verifier = verify_new(&receive->settings, &message->header,
	    &receive->err);
}

int
receive_begin(struct session *session)
{
	struct message *message = &session->message;

	message->receive = calloc(1, sizeof(*message->receive));
	if (message->receive == NULL)
		return smime_error_set(&message->err, "verifying");
	begin(session, message->receive);
	return 0;
}

static void
give_up(struct receive *receive)
{
	verify_free(receive->verifier);
	receive->verifier = NULL;
	receive->reason = VERIFY_FAULT;
}

void
receive_body(struct receive *receive, const unsigned char *buf, size_t len)
{
	if (receive->verifier == NULL || !verify_wants_body(receive->verifier))
		return;
	if (verify_body(receive->verifier, buf, len, &receive->err) == -1)
		give_up(receive);
}

/* ----------------------------------------------------------------- end --- */

static bool
comes_from_outside(const struct session *session, const struct facts *facts)
{
	return session->message.plan.action == PLAN_NOT_OURS && !facts->local;
}

static void
keep_sender(const struct message *message)
{
	struct receive *receive = message->receive;
	struct correspondent said;

	verify_correspondent(receive->verifier, &said);
	harvest_keep(message->conf, message->queue_id, &receive->verdict,
	    &said, receive->settings.now);
	correspondent_clear(&said);
}

void
receive_finish(struct session *session)
{
	struct message *message = &session->message;
	struct receive *receive = message->receive;
	struct facts facts;

	if (receive->verifier != NULL && verify_finish(receive->verifier,
	    &receive->verdict, &receive->err) == -1)
		give_up(receive);
	if (receive->verifier == NULL) {
		verdict_without(receive->reason, &message->header,
		    &receive->verdict);
		smime_printable(receive->err.text, strlen(receive->err.text),
		    receive->verdict.detail, sizeof(receive->verdict.detail));
	}
	message_facts(session, &facts);
	if (message->plan.action == PLAN_NOT_OURS)
		incoming_decide(message->conf, &facts, &receive->verdict,
		    comes_from_outside(session, &facts), &receive->reception);
	if (receive->settings.learn && receive->verifier != NULL &&
	    receive->reception.action == INCOMING_ACCEPT)
		keep_sender(message);
}

const struct verdict *
receive_verdict(const struct receive *receive)
{
	return receive == NULL ? NULL : &receive->verdict;
}

const struct reception *
receive_reception(const struct receive *receive)
{
	return receive == NULL ? NULL : &receive->reception;
}

/*
 * For what we have signed ourselves the verdict is known; readers of the same
 * organisation see it at once, for no other pass of ours will come.
 */
int
receive_ours(struct session *session, const struct outcome *outcome)
{
	struct message *message = &session->message;
	struct receive *receive;

	if (!receive_is_wanted(message) || session->service->ours == NULL)
		return 0;
	if (message->receive == NULL)
		message->receive = calloc(1, sizeof(*message->receive));
	if ((receive = message->receive) == NULL)
		return smime_error_set(&message->err, "the verified sender");
	/* A reader's own check finds more fields in it, or another From. */
	if (!header_is_clear(&message->header)) {
		verdict_without(VERIFY_AMBIGUOUS, &message->header,
		    &receive->verdict);
		return 0;
	}
	receive->trust = current_trust(session);
	ours_verdict(session->service->ours, message->conf, receive->trust,
	    outcome, message->plan.from, time(NULL), &receive->verdict);
	return 0;
}

/* Authentication-Results stands above all (HDR-08). */
int
receive_insert(struct session *session, struct edit_plan *plan)
{
	struct message *message = &session->message;
	struct receive *receive = message->receive;

	if (receive == NULL)
		return 0;
	results_verified(&receive->verdict, message->smtputf8,
	    message->conf->language == LANGUAGE_ID, receive->verified);
	if (edit_plan_insert(plan, VERIFIED_SENDER_HEADER, receive->verified,
	    &message->err) == -1)
		return -1;
	if (!results_authres(&receive->verdict, message->conf->authserv_id,
	    message->smtputf8, receive->results))
		return 0;
	return edit_plan_insert(plan, RESULTS_HEADER, receive->results,
	    &message->err);
}
