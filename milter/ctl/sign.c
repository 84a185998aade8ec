/*
 * sign.c - "sampulctl sign": a message file, signed as the milter would.
 *
 * Policy, canonical form, signature, self-check and header edits are the same
 * code; the key is used in this process, so whoever runs this can read it
 * anyway. Without options the message is taken as submitted by the login that
 * equals its From address.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

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
	bool missing = false;
	int rc;

	identity = keystore_find(store, request->address, now, &missing,
	    &reason);
	if (identity == NULL && !missing)
		return smime_error_setx(err, "%s", reason.text);
	if (identity == NULL) {
		answer->status = KEY_NO_IDENTITY;
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
to_stdout(void *arg, const unsigned char *buf, size_t len)
{
	(void)arg;
	return fwrite(buf, 1, len, stdout) == len ? 0 : -1;
}

/* A field as it travels: folds and the end of the line are CRLF. */
static void
print_field(const struct header_field *field)
{
	size_t i;

	fwrite(field->name, 1, field->name_len, stdout);
	putchar(':');
	for (i = 0; i < field->value_len; i++) {
		if (field->value[i] == '\n')
			putchar('\r');
		putchar(field->value[i]);
	}
	fputs("\r\n", stdout);
}

static int
print_message(const struct conf *conf, const struct ctl_message *message,
    struct composed *composed, struct smime_error *err)
{
	struct removals removals = { .items = NULL };
	struct header_list header = { .fields = NULL };
	struct edit_plan edits = { .steps = NULL };
	size_t i;
	int rc = -1;

	for (i = 0; i < message->header.count; i++)
		if (removals_field(&removals, conf,
		    &message->header.fields[i], err) == -1)
			goto out;
	if (edit_plan_make(&edits, &message->header, &removals, true,
	    composed, err) == -1 ||
	    edit_plan_apply(&edits, &message->header, &header, err) == -1)
		goto out;
	for (i = 0; i < header.count; i++)
		print_field(&header.fields[i]);
	fputs("\r\n", stdout);
	rc = composed_write(composed, to_stdout, NULL, err);
out:
	header_clear(&header);
	edit_plan_clear(&edits);
	removals_clear(&removals);
	return rc;
}

/* ----------------------------------------------------------------- plan --- */

/*
 * A machine without an origin for logins still has a default rule; whoever
 * holds the keystore needs no other evidence.
 */
static int
plan_message(struct ctl *ctl, struct ctl_message *message, struct plan *plan)
{
	struct smime_error err = { "" };
	char from[ADDRESS_MAX + 1];
	enum address_result result;

	result = address_from(&message->header, from);
	if (result != ADDRESS_OK)
		return ctl_error(EX_DATAERR, "%s",
		    address_result_text(result));
	if (message->facts.login[0] == '\0' && message->facts.client == NULL &&
	    message->facts.daemon[0] == '\0')
		message->facts.login = from;
	if (ctl_message_decide(message, ctl->conf, plan, &err) == -1)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	message->facts.login = "";
	if (plan->action == PLAN_NOT_OURS) {
		plan->action = PLAN_SIGN;
		plan->why = WHY_NONE;
		plan->rule = &ctl->conf->default_rule;
		snprintf(plan->from, sizeof(plan->from), "%s", from);
	}
	if (plan->action != PLAN_SIGN)
		return ctl_error(EX_DATAERR, "not signed: %s (%s)",
		    policy_why_word(plan->why),
		    policy_action_word(plan->action));
	return EX_OK;
}

/* Nothing is written unless there is a signature. */
static int
finish(const struct conf *conf, const struct ctl_message *message,
    struct outcome *outcome)
{
	struct smime_error err = { "" };

	if (outcome->action != PLAN_SIGN)
		return ctl_error(outcome->why == WHY_INTERNAL ? EX_TEMPFAIL :
		    EX_DATAERR, "not signed: %s%s%s",
		    policy_why_word(outcome->why),
		    outcome->detail[0] == '\0' ? "" : ": ", outcome->detail);
	if (print_message(conf, message, outcome->composed, &err) == -1)
		return ctl_error(EX_IOERR, "%s", err.text);
	return ctl_finish();
}

static int
sign_message(struct ctl *ctl, struct ctl_message *message,
    struct keystore *store)
{
	struct smime_error err = { "" };
	struct canon_result result;
	struct outcome outcome;
	struct canon *canon;
	struct plan plan;
	int status;

	if ((status = plan_message(ctl, message, &plan)) != EX_OK)
		return status;
	canon = ctl_message_canon(message, ctl->conf, &plan, &result, &err);
	if (canon == NULL)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	outgoing_sign(&plan, canon, &result, SMIME_SHA256, "sampulctl",
	    time(NULL), sign_here, store, NULL, &outcome);
	status = finish(ctl->conf, message, &outcome);
	outcome_clear(&outcome);
	canon_free(canon);
	return status;
}

int
cmd_sign(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_message message;
	struct keystore *store = NULL;
	struct smime_error err = { "" };
	int status;

	status = ctl_message_options(ctl, argc, argv, &message);
	if (status != EX_OK)
		goto out;
	if (message.body == NULL) {
		status = ctl_usage(ctl);
		goto out;
	}
	if ((store = ctl_keystore(ctl, &status)) == NULL)
		goto out;
	if (audit_open(ctl->conf, &err) == -1) {
		status = ctl_error(EX_CANTCREAT, "%s", err.text);
		goto out;
	}
	status = sign_message(ctl, &message, store);
out:
	keystore_close(store);
	ctl_message_clear(&message);
	return status;
}
