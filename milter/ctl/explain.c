/*
 * explain.c - "sampulctl explain": what would happen to a message, and why.
 *
 * The decision is that of policy.c, the certificate that of the keystore; what
 * this file adds is the telling.
 */
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../encryption.h"
#include "../incoming.h"
#include "../keys/keystore.h"
#include "../keys/unlock.h"
#include "../policy.h"
#include "ctl.h"
#include "custody.h"

struct finding {
	enum plan_action	 action;
	enum plan_why		 why;
	const char		*certificate;	/* a word, when there is none */
	char			 reason[SMIME_ERROR_MAX];
	char			 serial[SERIAL_TEXT_MAX + 1];
	char			 subject[256];
	char			 issuer[256];
	time_t			 not_after;
	const char		*encrypt;	/* a word; NULL: not asked */
	char			 unreadable[SMIME_ERROR_MAX];	/* by whom */
	char			 who[256];
	struct seal		 seal;
	bool			 received;	/* the rest is told */
	struct verdict		 verdict;
	struct reception	 reception;
};

static void
describe(const struct keystore_identity *identity, struct finding *out)
{
	X509 *cert = signer_cert(keystore_identity_signer(identity));

	out->certificate = "usable";
	cert_serial(cert, out->serial, sizeof(out->serial));
	cert_subject(cert, out->subject, sizeof(out->subject));
	cert_issuer(cert, out->issuer, sizeof(out->issuer));
	out->not_after = cert_not_after(cert);
}

static void
is_unlocked(void *arg, const struct unlock_answer *answer)
{
	*(bool *)arg = answer->keys > 0;
}

/* Locked here, but the running key process may have it open. */
static void
find_unlocked(struct ctl *ctl, const struct plan *plan, struct finding *out)
{
	struct unlock_request request = { .verb = UNLOCK_STATUS };
	struct smime_error err = { "" };
	struct unlock_answer last;
	bool unlocked = false;

	snprintf(request.address, sizeof(request.address), "%s", plan->from);
	if (ask_keys(ctl->conf, &request, is_unlocked, &unlocked, &last,
	    &err) != 0 || last.result != UNLOCK_DONE)
		unlocked = false;
	out->certificate = unlocked ? "unlocked" : "locked";
	if (unlocked) {
		out->reason[0] = '\0';
		return;
	}
	out->action = policy_key_locked(plan);
	out->why = WHY_KEY_LOCKED;
}

/*
 * The certificate that would sign. Without the right to read the keystore the
 * rest can still be told.
 */
static void
find_certificate(struct ctl *ctl, const struct plan *plan,
    struct finding *out)
{
	const struct keystore_identity *identity;
	struct keystore *store;
	struct smime_error err = { "" };
	enum keystore_lack lack;
	int status;

	if ((store = ctl_keystore(ctl, &status)) == NULL) {
		out->certificate = "unknown";
		snprintf(out->reason, sizeof(out->reason),
		    "the keystore cannot be read here");
		return;
	}
	identity = keystore_look(store, plan->from, time(NULL), &lack,
	    &err);
	if (identity != NULL) {
		describe(identity, out);
		keystore_release(store, identity);
	} else {
		out->certificate = lack == LACK_IDENTITY ? "none" : "unknown";
		snprintf(out->reason, sizeof(out->reason), "%s", err.text);
	}
	keystore_close(store);
	if (identity != NULL)
		return;
	if (lack == LACK_IDENTITY) {
		out->action = policy_cannot_sign(plan);
		out->why = WHY_NO_CERTIFICATE;
	}
	if (lack == LACK_UNLOCKING)
		find_unlocked(ctl, plan, out);
}

/* Whether a message that is to be encrypted can be. */
static void
find_readers(const struct ctl *ctl, const struct plan *plan,
    const struct facts *facts, struct finding *out)
{
	struct smime_error err = { "" };
	struct seal *seal = &out->seal;

	if (plan->encrypt == ENCRYPT_OFF)
		return;
	out->encrypt = plan->encrypt == ENCRYPT_REQUIRED ? "required" :
	    "if-possible";
	if (out->action != PLAN_SIGN)
		return;
	if (ctl_readers(ctl->conf, plan, facts, seal, &err) == -1) {
		snprintf(out->unreadable, sizeof(out->unreadable), "unknown: "
		    "%.400s", err.text);
		seal->possible = false;
		return;
	}
	memcpy(out->unreadable, seal->detail, sizeof(out->unreadable));
	if (seal->possible)
		return;
	memcpy(out->who, seal->who, sizeof(out->who));
	out->action = policy_cannot_encrypt(plan);
	out->why = out->action == PLAN_SIGN ? WHY_NONE : seal->why;
}

/* What canonical form finds, when there is a message to look at. */
static int
try_canon(const struct ctl *ctl, const struct ctl_message *message,
    const struct plan *plan, struct finding *out, struct smime_error *err)
{
	struct canon_result result;
	struct canon *canon;

	if (message->body == NULL || out->action != PLAN_SIGN)
		return 0;
	if (ctl->conf->max_message > 0 &&
	    message->body_len > ctl->conf->max_message) {
		out->action = policy_cannot_sign(plan);
		out->why = WHY_TOO_LARGE;
		return 0;
	}
	canon = ctl_message_canon(message, ctl->conf, plan, NULL, &result,
	    err);
	if (canon == NULL)
		return -1;
	canon_free(canon);
	if (result.state != CANON_OPAQUE_ONLY ||
	    plan->rule->form == FORM_OPAQUE || plan->rule->opaque_fallback)
		return 0;
	out->action = policy_cannot_sign(plan);
	out->why = WHY_UNSIGNABLE;
	snprintf(out->reason, sizeof(out->reason), "%s", result.reason);
	return 0;
}

/*
 * Mail that comes in. Without a message it is one that is not signed; whether
 * the results of others would be removed from it does not depend on rules.
 */
static void
receive(const struct ctl *ctl, const struct ctl_message *message,
    const struct plan *plan, struct finding *out)
{
	struct smime_error err = { "" };
	struct trust_state *state;

	if (plan->action != PLAN_NOT_OURS || !ctl->conf->verify)
		return;
	state = trust_state_read(ctl->conf, &err);
	if (state == NULL)
		ctl_error(0, "%s", err.text);
	ctl_verdict(ctl->conf, state, message, time(NULL), &out->verdict);
	incoming_decide(ctl->conf, &message->facts, &out->verdict,
	    !message->facts.local, &out->reception);
	trust_state_unref(state);
	out->received = true;
}

static const char *
from_text(const struct plan *plan)
{
	return plan->origin != NULL && plan->from_result != ADDRESS_OK ?
	    address_result_text(plan->from_result) : NULL;
}

/* What the sender would read; "" where nothing is refused. */
static void
reply_text(const struct ctl *ctl, const struct plan *plan,
    const struct finding *found, char *out, size_t size)
{
	struct plan shown = *plan;

	out[0] = '\0';
	shown.action = found->action;
	shown.why = found->why;
	if (found->received && (found->reception.action == INCOMING_REFUSE ||
	    found->reception.action == INCOMING_TEMPFAIL))
		incoming_reply(ctl->conf, &found->reception, &found->verdict,
		    out, size);
	if (found->action == PLAN_REFUSE || found->action == PLAN_TEMPFAIL)
		text_reply(ctl->conf, &shown, found->who, out, size);
}

/* The word behind "why" for whoever meets it the first time, or NULL. */
static const char *
why_text(enum plan_why why)
{
	static const char *const texts[] = {
		[WHY_NO_ORIGIN] = "nothing shows that it comes from your own "
		    "people (say how it arrived: --login, --client, --daemon)",
		[WHY_RULE_OFF] = "the rule says so",
		[WHY_SKIPPED] = "the sender asked for it, and the rule allows "
		    "that",
		[WHY_ALREADY_SIGNED] = "it is signed already",
		[WHY_ALREADY_ENCRYPTED] = "it is encrypted, or signed as a "
		    "whole, already",
		[WHY_FROM] = "its From field does not say who it is from",
		[WHY_RECIPIENT] = "a recipient's address is written so that "
		    "no rule can tell whose it is",
		[WHY_NOT_OUR_DOMAIN] = "the From address is in none of the "
		    "configured domains",
		[WHY_NOT_OWNER] = "whoever submitted it may not use that From "
		    "address",
		[WHY_NO_CERTIFICATE] = "no certificate of that address can "
		    "sign",
		[WHY_UNSIGNABLE] = "it cannot be signed without changing what "
		    "must not change",
		[WHY_TOO_LARGE] = "it is larger than milter.max_message",
		[WHY_MUST_ENCRYPT] = "it would leave in clear, and a rule or "
		    "its label forbids that",
		[WHY_NO_RECIPIENT] = "a recipient has no certificate that can "
		    "be used",
		[WHY_HIDDEN_RECIPIENT] = "an envelope for several would name "
		    "the hidden ones (Bcc) to the others",
		[WHY_COPY_NOT_TAKEN] = "the mail server did not take a "
		    "separate copy",
		[WHY_COPY_REFUSED] = "the mail server refused a separate copy",
		[WHY_COPY_TOO_LARGE] = "a separate copy is larger than the "
		    "mail server takes",
		[WHY_KEY_LOCKED] = "the mailbox's key is locked; its owner "
		    "has to unlock it",
	};

	return (size_t)why < sizeof(texts) / sizeof(texts[0]) ? texts[why] :
	    NULL;
}

static void
print_line(const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		printf("%-12s %s\n", name, value);
}

static const char *
verdict_word(const struct finding *found)
{
	return found->verdict.silent ? "unknown" :
	    verdict_word_text(found->verdict.word);
}

static const char *
reception_rule(const struct finding *found)
{
	const struct reception *reception = &found->reception;

	if (reception->by_spoof)
		return "verify.spoof";
	return reception->rule != NULL ? reception->rule->name : NULL;
}

static void
print_received(const struct finding *found)
{
	const struct incoming_rule *rule = found->reception.rule;

	if (!found->received)
		return;
	print_line("action:", incoming_action_word(found->reception.action));
	print_line("smime:", verdict_word(found));
	print_line("reason:", verify_reason_word(found->verdict.reason));
	print_line("signer:", found->verdict.validated ?
	    found->verdict.identifier : NULL);
	if (rule != NULL)
		printf("%-12s %s (%s)\n", "rule:", rule->name, rule->where);
	else
		print_line("rule:", reception_rule(found));
	print_line("incident:", incident_word(found->reception.incident));
	print_line("from:", found->verdict.from);
	print_line("detail:", found->verdict.detail);
}

static size_t
readers_of(const struct finding *found)
{
	return found->seal.possible ? found->seal.copies.items[0].readers : 0;
}

static void
print_encryption(const struct plan *plan, const struct finding *found)
{
	print_line("encrypt:", found->encrypt);
	print_line("label:", plan->label);
	if (readers_of(found) > 0)
		printf("%-12s %zu\n", "readers:", readers_of(found));
	ctl_print_copies(&found->seal);
	print_line(found->seal.possible ? "refused:" : "unreadable:",
	    found->unreadable);
}

static void
print_plain(const struct ctl *ctl, const struct plan *plan,
    const struct finding *found)
{
	char reply[401], when[CTL_TIME_MAX];

	print_line("result:", policy_action_word(found->action));
	print_line("why:", found->why == WHY_NONE ? NULL :
	    policy_why_word(found->why));
	print_line("that is:", why_text(found->why));
	if (plan->incident)
		print_line("incident:", "yes");
	print_line("origin:", plan->origin == NULL ? "none" :
	    plan->origin->name);
	if (plan->rule != NULL)
		printf("%-12s %s%s%s%s\n", "rule:", policy_rule_name(plan),
		    plan->rule->where[0] == '\0' ? "" : " (",
		    plan->rule->where,
		    plan->rule->where[0] == '\0' ? "" : ")");
	print_line("from:", plan->from);
	print_line("problem:", from_text(plan));
	print_encryption(plan, found);
	print_received(found);
	print_line("certificate:", found->certificate);
	print_line("serial:", found->serial);
	print_line("subject:", found->subject);
	print_line("issuer:", found->issuer);
	if (found->not_after != 0)
		print_line("not after:", ctl_time(found->not_after, when,
		    sizeof(when)));
	print_line("reason:", found->reason);
	reply_text(ctl, plan, found, reply, sizeof(reply));
	print_line("reply:", reply);
}

static void
json_received(struct json *json, const struct finding *found)
{
	if (!found->received)
		return;
	json_object(json, "incoming");
	json_string(json, "action",
	    incoming_action_word(found->reception.action));
	json_string(json, "smime", verdict_word(found));
	json_string(json, "reason",
	    verify_reason_word(found->verdict.reason));
	json_some(json, "signer", found->verdict.validated ?
	    found->verdict.identifier : NULL);
	json_string(json, "rule", reception_rule(found));
	json_some(json, "where", found->reception.rule == NULL ? NULL :
	    found->reception.rule->where);
	json_string(json, "incident",
	    incident_word(found->reception.incident));
	json_some(json, "from", found->verdict.from);
	json_end(json);
}

static void
print_json(const struct ctl *ctl, const struct plan *plan,
    const struct finding *found)
{
	struct json json;
	char reply[401];

	reply_text(ctl, plan, found, reply, sizeof(reply));
	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "result", policy_action_word(found->action));
	json_string(&json, "why", found->why == WHY_NONE ? NULL :
	    policy_why_word(found->why));
	json_string(&json, "why_text", why_text(found->why));
	json_bool(&json, "incident", plan->incident);
	json_string(&json, "origin", plan->origin == NULL ? NULL :
	    plan->origin->name);
	json_some(&json, "rule", policy_rule_name(plan));
	json_some(&json, "where", plan->rule == NULL ? NULL :
	    plan->rule->where);
	json_some(&json, "from", plan->from);
	json_string(&json, "problem", from_text(plan));
	json_string(&json, "encrypt", found->encrypt);
	json_string(&json, "label", plan->label);
	json_number(&json, "readers", (int64_t)readers_of(found));
	ctl_json_copies(&json, &found->seal);
	json_some(&json, "unreadable", found->unreadable);
	json_string(&json, "certificate", found->certificate);
	json_some(&json, "serial", found->serial);
	json_some(&json, "subject", found->subject);
	json_some(&json, "issuer", found->issuer);
	if (found->not_after != 0)
		json_time(&json, "not_after", found->not_after);
	json_some(&json, "reason", found->reason);
	json_received(&json, found);
	json_some(&json, "reply", reply);
	json_end(&json);
}

int
cmd_explain(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_message message;
	struct finding found;
	struct plan plan;
	struct smime_error err = { "" };
	int status;

	memset(&found, 0, sizeof(found));
	status = ctl_message_options(ctl, argc, argv, &message);
	if (status != EX_OK)
		goto out;
	status = EX_CONFIG;
	if (ctl_conf(ctl) == NULL)
		goto out;
	if (ctl_message_decide(&message, ctl->conf, &plan, &err) == -1) {
		status = ctl_error(EX_TEMPFAIL, "%s", err.text);
		goto out;
	}
	found.action = plan.action;
	found.why = plan.why;
	if (plan.action == PLAN_SIGN)
		find_certificate(ctl, &plan, &found);
	find_readers(ctl, &plan, &message.facts, &found);
	if (try_canon(ctl, &message, &plan, &found, &err) == -1) {
		status = ctl_error(EX_TEMPFAIL, "%s", err.text);
		goto out;
	}
	receive(ctl, &message, &plan, &found);
	if (ctl->json)
		print_json(ctl, &plan, &found);
	else
		print_plain(ctl, &plan, &found);
	status = ctl_finish();
out:
	seal_clear(&found.seal);
	ctl_message_clear(&message);
	return status;
}
