/*
 * signing.c - a message signed here, for the sub-commands that print one.
 *
 * Policy, canonical form, signature, self-check and header edits are the
 * milter's; the key is used in this process, so whoever runs this can read it
 * anyway. Without options the message is taken as submitted by the login that
 * equals its From address.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../channel.h"
#include "../conf.h"
#include "../copying.h"
#include "../editplan.h"
#include "../keys/audit.h"
#include "../keys/keystore.h"
#include "../outgoing.h"
#include "../policy.h"
#include "ctl.h"

/* ----------------------------------------------------- the key process --- */

static int
sign_with(const struct keystore_identity *identity,
    const struct key_request *request, time_t now, struct key_answer *answer,
    struct smime_error *err)
{
	const struct signer *signer = keystore_identity_signer(identity);

	answer->digest = signer_digest(signer);
	if (answer->digest != request->digest) {
		answer->status = KEY_WRONG_DIGEST;
		return 0;
	}
	if (signer_sign(signer, request->value,
	    smime_digest_size(request->digest), now, &answer->der,
	    &answer->der_len, err) == -1)
		return -1;
	answer->status = KEY_SIGNED;
	answer->pinned = keystore_identity_pinned(identity);
	answer->not_after = cert_not_after(signer_cert(signer));
	cert_serial(signer_cert(signer), answer->serial,
	    sizeof(answer->serial));
	return 0;
}

static int
sign_here(void *arg, const struct key_request *request,
    struct key_answer *answer, struct smime_error *err)
{
	struct keystore *store = arg;
	const struct keystore_identity *identity;
	struct smime_error reason = { "" };
	time_t now = time(NULL);
	enum keystore_lack lack;
	int rc;

	identity = keystore_look(store, request->address, now, &lack,
	    &reason);
	if (identity == NULL && lack == LACK_FAULT)
		return smime_error_setx(err, "%s", reason.text);
	if (identity == NULL) {
		answer->status = lack == LACK_UNLOCKING ? KEY_LOCKED :
		    KEY_NO_IDENTITY;
		smime_printable(reason.text, strlen(reason.text),
		    answer->reason, sizeof(answer->reason));
		return 0;
	}
	rc = sign_with(identity, request, now, answer, err);
	/* Every use of a key leaves its trace, here as in the key process. */
	if (rc == 0 && answer->status == KEY_SIGNED)
		rc = audit_signed(request->queue_id, request->address,
		    answer->serial, request->digest, request->value, err);
	keystore_release(store, identity);
	return rc;
}

/* -------------------------------------------------------------- output --- */

static int
to_stream(void *arg, const unsigned char *buf, size_t len)
{
	FILE *stream = arg;

	return fwrite(buf, 1, len, stream) == len ? 0 : -1;
}

int
ctl_put_message(FILE *stream, const struct conf *conf,
    const struct ctl_message *message, struct composed *composed,
    const struct ctl_hiding *hiding, struct smime_error *err)
{
	struct removals removals = { .items = NULL };
	struct edit_plan edits = { .steps = NULL };
	size_t i;
	int rc = -1;

	for (i = 0; i < message->header.count; i++)
		if (removals_field(&removals, conf,
		    &message->header.fields[i], err) == -1)
			goto out;
	if (edit_plan_make(&edits, &message->header, &removals, true,
	    composed, err) == -1)
		goto out;
	if (hiding != NULL && hiding->confidential && edit_plan_hide(&edits,
	    &message->header, hiding->subject, err) == -1)
		goto out;
	if (hiding != NULL &&
	    (edit_plan_remove(&edits, &message->header, "Bcc", err) == -1 ||
	    edit_plan_remove(&edits, &message->header, "Resent-Bcc",
	    err) == -1))
		goto out;
	rc = whole_write(&edits, &message->header, composed, to_stream,
	    stream, err);
out:
	edit_plan_clear(&edits);
	removals_clear(&removals);
	return rc;
}

char *
ctl_message_base64(const struct conf *conf, const struct ctl_message *message,
    struct composed *composed, const struct ctl_hiding *hiding,
    struct smime_error *err)
{
	char *text = NULL, *out = NULL;
	size_t len = 0;
	FILE *stream;
	int rc;

	if ((stream = open_memstream(&text, &len)) == NULL) {
		smime_error_set(err, "keeping the message");
		return NULL;
	}
	rc = ctl_put_message(stream, conf, message, composed, hiding, err);
	if (fclose(stream) != 0 && rc == 0)
		rc = smime_error_set(err, "keeping the message");
	if (rc == 0 && (out = malloc(4 * (len / 3 + 1) + 1)) == NULL)
		smime_error_set(err, "keeping the message");
	if (out != NULL)
		EVP_EncodeBlock((unsigned char *)out,
		    (const unsigned char *)text, (int)len);
	free(text);
	return out;
}

/* ----------------------------------------------------------------- plan --- */

static bool
says_how_it_came(const struct facts *facts)
{
	return facts->login[0] != '\0' || facts->client != NULL ||
	    facts->daemon[0] != '\0';
}

/*
 * A machine without an origin for logins still has a default rule; whoever
 * holds the keystore needs no other evidence. Evidence that is given counts as
 * it would in the milter.
 */
static int
plan_message(struct ctl *ctl, struct ctl_message *message, struct plan *plan)
{
	struct smime_error err = { "" };
	char from[ADDRESS_MAX + 1];
	bool given = says_how_it_came(&message->facts);
	enum address_result result;

	result = address_from(&message->header, from);
	if (result != ADDRESS_OK)
		return ctl_error(EX_DATAERR, "%s",
		    address_result_text(result));
	if (!given)
		message->facts.login = from;
	if (ctl_message_decide(message, ctl->conf, plan, &err) == -1)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	if (!given)
		message->facts.login = "";
	if (plan->action == PLAN_NOT_OURS && !given) {
		plan->action = PLAN_SIGN;
		plan->why = WHY_NONE;
		plan->rule = &ctl->conf->default_rule;
		snprintf(plan->from, sizeof(plan->from), "%s", from);
	}
	/* Here it is the caller who encrypts, or not. */
	plan->encrypt = ENCRYPT_OFF;
	return EX_OK;
}

int
ctl_sign(struct ctl *ctl, struct ctl_message *message, struct keystore *store,
    const struct ctl_hiding *hiding, struct ctl_signed *out)
{
	struct smime_error err = { "" };
	struct canon_result result;
	int status;

	memset(out, 0, sizeof(*out));
	if ((status = plan_message(ctl, message, &out->plan)) != EX_OK)
		return status;
	if (out->plan.action != PLAN_SIGN) {
		outcome_from_plan(&out->plan, &out->outcome);
		return EX_OK;
	}
	if (ctl->conf->max_message > 0 &&
	    message->body_len > ctl->conf->max_message) {
		outcome_cannot_sign(&out->plan, WHY_TOO_LARGE, NULL,
		    &out->outcome);
		return EX_OK;
	}
	out->canon = ctl_message_canon(message, ctl->conf, &out->plan, hiding,
	    &result, &err);
	if (out->canon == NULL)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	outgoing_sign(&out->plan, out->canon, &result, SMIME_SHA256,
	    "sampulctl", time(NULL), sign_here, store, NULL, &out->outcome);
	return EX_OK;
}

void
ctl_signed_clear(struct ctl_signed *made)
{
	outcome_clear(&made->outcome);
	canon_free(made->canon);
	made->canon = NULL;
}
