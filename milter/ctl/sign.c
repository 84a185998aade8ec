/*
 * sign.c - "sampulctl sign": a message file, signed as the milter would
 * (signing.c), and printed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../keys/audit.h"
#include "../keys/keystore.h"
#include "../outgoing.h"
#include "../policy.h"
#include "ctl.h"

static void
print_json(const struct plan *plan, const struct outcome *outcome,
    const char *message)
{
	bool is_signed = message != NULL;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "result", policy_action_word(outcome->action));
	json_string(&json, "why", outcome->why == WHY_NONE ? NULL :
	    policy_why_word(outcome->why));
	json_string(&json, "reason", outcome->detail[0] == '\0' ? NULL :
	    outcome->detail);
	json_string(&json, "rule", plan->rule == NULL ? NULL :
	    policy_rule_name(plan));
	json_string(&json, "from", plan->from[0] == '\0' ? NULL : plan->from);
	json_string(&json, "serial", is_signed ? outcome->serial : NULL);
	json_string(&json, "form", !is_signed ? NULL :
	    outcome->form == FORM_OPAQUE ? "opaque" : "detached");
	json_number(&json, "reencoded", outcome->canon.changed);
	json_string(&json, "message_base64", message);
	json_end(&json);
}

/* The reason on stderr, and as a document where that was asked for. */
static int
refuse(const struct ctl *ctl, const struct plan *plan,
    const struct outcome *outcome)
{
	if (ctl->json)
		print_json(plan, outcome, NULL);
	return ctl_error(outcome->why == WHY_INTERNAL ? EX_TEMPFAIL :
	    EX_DATAERR, "not signed: %s (%s)%s%s",
	    policy_why_word(outcome->why), policy_action_word(outcome->action),
	    outcome->detail[0] == '\0' ? "" : ": ", outcome->detail);
}

static int
print_signed(const struct ctl *ctl, const struct ctl_message *message,
    const struct plan *plan, const struct outcome *outcome)
{
	struct smime_error err = { "" };
	char *text;

	if (!ctl->json) {
		if (ctl_put_message(stdout, ctl->conf, message,
		    outcome->composed, NULL, &err) == -1)
			return ctl_error(EX_IOERR, "%s", err.text);
		return ctl_finish();
	}
	text = ctl_message_base64(ctl->conf, message, outcome->composed, NULL,
	    &err);
	if (text == NULL)
		return ctl_error(EX_IOERR, "%s", err.text);
	print_json(plan, outcome, text);
	free(text);
	return ctl_finish();
}

/* Nothing is written unless there is a signature. */
static int
sign_message(struct ctl *ctl, struct ctl_message *message,
    struct keystore *store)
{
	struct ctl_signed made;
	int status;

	if ((status = ctl_sign(ctl, message, store, NULL, &made)) == EX_OK)
		status = made.outcome.action == PLAN_SIGN ?
		    print_signed(ctl, message, &made.plan, &made.outcome) :
		    refuse(ctl, &made.plan, &made.outcome);
	ctl_signed_clear(&made);
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
