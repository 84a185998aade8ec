/*
 * sealing.c - a message that is to be encrypted, among the other steps of its
 * life: whether it can be is found out as soon as the rule is known, because
 * the signed part of a message that goes into an envelope is another one than
 * that of a message that leaves open (RFC 9788, hp="cipher").
 *
 * Nobody outside this host is asked, so nothing here waits for a network.
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "encryption.h"
#include "incoming.h"
#include "policy.h"
#include "session.h"

static int
resolve(struct session *session)
{
	struct message *message = &session->message;
	struct recipient_settings settings;
	struct trust_state *state;
	struct facts facts;
	int rc;

	state = truststore_get(session->service->trusted, message->conf);
	if (state == NULL)
		return smime_error_setx(&message->err, "no anchors are loaded");
	settings.trust = state->trust;
	settings.generation = state->generation;
	settings.cache = session->service->verified;
	settings.now = time(NULL);
	settings.crl_soft_fail = message->conf->crl == CRL_SOFT_FAIL;
	message_facts(session, &facts);
	rc = seal_resolve(&message->seal, session->service->recipients,
	    message->conf, &settings, &message->plan, &facts, &message->err);
	trust_state_unref(state);
	return rc;
}

/* Last, when the plan is final: the tag decided it. */
static void
remove_tag(struct message *message)
{
	const struct conf *conf = message->conf;
	size_t i;

	for (i = 0; conf->remove_tag && i < conf->subject_tags.count; i++)
		if (conf->subject_tags.items[i] == message->plan.label)
			message->untagged = label_remove_tag(&message->header,
			    message->plan.label);
}

/*
 * The plan says afterwards what is done: sign and encrypt, sign alone where
 * that is allowed, or refuse.
 */
int
message_seal(struct session *session)
{
	struct message *message = &session->message;
	struct plan *plan = &message->plan;

	if (plan->action != PLAN_SIGN || plan->encrypt == ENCRYPT_OFF)
		return 0;
	seal_clear(&message->seal);
	if (resolve(session) == -1)
		return -1;
	if (message->seal.possible) {
		remove_tag(message);
		return 0;
	}
	plan->action = policy_cannot_encrypt(plan);
	if (plan->action == PLAN_SIGN)
		plan->encrypt = ENCRYPT_OFF;
	else
		plan->why = message->seal.why;
	return 0;
}
