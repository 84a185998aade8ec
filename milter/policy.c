/*
 * policy.c - what is to become of a message.
 *
 * Decide first, act later: policy_decide looks at facts and returns a plan. It
 * opens nothing, asks nobody and knows no time, so that the same answer comes
 * out of the milter, of "sampulctl explain" and of a table in a test.
 *
 * The order of the questions is the order of what can be trusted. Is there
 * evidence that the message is outgoing (SIG-01, SIG-04)? Which rule speaks of
 * it? Is there one From address, and may whoever submitted the message use it
 * (SIG-02)? Only then: is there anything to sign?
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

/* --------------------------------------------------------------- rules --- */

/*
 * "Yes" when one recipient matches. Where recipients were dropped over the
 * ceiling, the doubt goes to the side that signs.
 */
static enum answer
rule_to(const struct rule *rule, const struct facts *facts)
{
	size_t i;

	if (rule->to.count == 0)
		return ANSWER_YES;
	for (i = 0; i < facts->recipient_count; i++)
		if (string_list_matches(&rule->to, facts->recipients[i]))
			return ANSWER_YES;
	return facts->more_recipients && rule->sign != SIGN_OFF ?
	    ANSWER_YES : ANSWER_NO;
}

static enum answer
rule_to_all(const struct rule *rule, const struct facts *facts)
{
	size_t i;

	if (rule->to_all.count == 0)
		return ANSWER_YES;
	if (facts->recipient_count == 0 || facts->more_recipients)
		return ANSWER_NO;
	for (i = 0; i < facts->recipient_count; i++)
		if (!string_list_matches(&rule->to_all, facts->recipients[i]))
			return ANSWER_NO;
	return ANSWER_YES;
}

static enum answer
rule_agency(const struct conf *conf, const struct rule *rule,
    const char *from)
{
	char agency[256];

	if (rule->agency.count == 0)
		return ANSWER_YES;
	if (from[0] == '\0' ||
	    !conf_agency(conf, from, agency, sizeof(agency)))
		return ANSWER_NO;
	return string_list_has(&rule->agency, agency) ? ANSWER_YES : ANSWER_NO;
}

static enum answer
rule_login(const struct rule *rule, const struct facts *facts)
{
	size_t i;

	if (rule->login.count == 0)
		return ANSWER_YES;
	if (facts->login[0] == '\0')
		return ANSWER_NO;
	for (i = 0; i < rule->login.count; i++)
		if (fnmatch(rule->login.items[i], facts->login,
		    FNM_CASEFOLD) == 0)
			return ANSWER_YES;
	return ANSWER_NO;
}

/*
 * Matches a pattern against a value as RFC 5322 2.2.3 unfolds it, without the
 * white space around it; also as its reader sees it, with encoded words decoded
 * (RFC 2047), which mail programs choose as they like. Without memory the answer
 * is not known, and a message about which that stays so is put off.
 */
static enum answer
value_matches(const char *pattern, const struct header_field *field)
{
	char *text;
	size_t i, len;
	bool matches;

	if ((text = malloc(field->value_len + 1)) == NULL)
		return ANSWER_UNKNOWN;
	for (i = len = 0; i < field->value_len; i++) {
		if (strchr("\r\n", field->value[i]) != NULL ||
		    (len == 0 && strchr(" \t", field->value[i]) != NULL))
			continue;
		text[len++] = field->value[i];
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	text[len] = '\0';
	matches = fnmatch(pattern, text, FNM_CASEFOLD) == 0;
	if (!matches && strstr(text, "=?") != NULL) {
		text[header_perceived(text, len)] = '\0';
		matches = fnmatch(pattern, text, FNM_CASEFOLD) == 0;
	}
	wipe_free(text, len);
	return matches ? ANSWER_YES : ANSWER_NO;
}

static enum answer
rule_headers(const struct rule *rule, const struct facts *facts)
{
	const struct header_list *header = facts->header;
	enum answer answer;
	size_t i, n;

	if (rule->header_count == 0)
		return ANSWER_YES;
	for (n = 0; n < rule->header_count; n++)
		for (i = 0; i < header->count; i++) {
			if (!header_is(&header->fields[i],
			    rule->headers[n].name))
				continue;
			answer = value_matches(rule->headers[n].pattern,
			    &header->fields[i]);
			if (answer != ANSWER_NO)
				return answer;
		}
	return ANSWER_NO;
}

static enum answer
rule_size(const struct rule *rule, const struct facts *facts)
{
	if (rule->larger_than == 0 && rule->smaller_than == 0)
		return ANSWER_YES;
	if (facts->size == UINT64_MAX)
		return ANSWER_UNKNOWN;
	if (rule->larger_than != 0 && facts->size <= rule->larger_than)
		return ANSWER_NO;
	if (rule->smaller_than != 0 && facts->size >= rule->smaller_than)
		return ANSWER_NO;
	return ANSWER_YES;
}

static bool
rule_names(const struct conf *conf, const struct rule *rule,
    const struct facts *facts, const struct plan *plan, const char *from)
{
	return (rule->from.count == 0 || string_list_matches(&rule->from, from)) &&
	    (rule->origin.count == 0 ||
	    string_list_has(&rule->origin, plan->origin->name)) &&
	    rule_to(rule, facts) == ANSWER_YES &&
	    rule_to_all(rule, facts) == ANSWER_YES &&
	    rule_agency(conf, rule, from) == ANSWER_YES &&
	    rule_login(rule, facts) == ANSWER_YES;
}

/* What is known first: a rule that fails anyway need not wait for the body. */
static enum answer
rule_matches(const struct conf *conf, const struct rule *rule,
    const struct facts *facts, const struct plan *plan, const char *from)
{
	enum answer headers, preset, size;

	if (!rule_names(conf, rule, facts, plan, from))
		return ANSWER_NO;
	headers = rule_headers(rule, facts);
	preset = preset_matches(rule->preset, facts);
	size = rule_size(rule, facts);
	if (headers == ANSWER_NO || preset == ANSWER_NO || size == ANSWER_NO)
		return ANSWER_NO;
	if (headers == ANSWER_UNKNOWN || preset == ANSWER_UNKNOWN ||
	    size == ANSWER_UNKNOWN)
		return ANSWER_UNKNOWN;
	return ANSWER_YES;
}

/* A name that the MTA itself puts a domain behind: of the host, for the host. */
static bool
is_local_name(const char *recipient, const struct facts *facts)
{
	size_t len = strlen(recipient);

	if (len > 2 && recipient[0] == '<' && recipient[len - 1] == '>') {
		recipient++;
		len -= 2;
	}
	return strcspn(recipient, "@%!\"\\,:;() >") == len &&
	    (facts->local || lex_equal(recipient, len, "postmaster"));
}

/*
 * Whether an MTA may take this for another mailbox than it seems to be. Either
 * it is not in the one form that rules compare (a route, a comment, a dot
 * behind the domain), or it names a mailbox elsewhere in the old ways:
 * user%elsewhere@here, elsewhere!user@here, "user@elsewhere"@here.
 */
static bool
is_odd_recipient(const char *recipient, const struct facts *facts)
{
	char canonical[ADDRESS_MAX + 1];
	const char *at;

	if (!address_canonical(recipient, strlen(recipient), canonical) ||
	    strcasecmp(canonical, recipient) != 0)
		return !is_local_name(recipient, facts);
	at = strrchr(canonical, '@');
	return strcspn(canonical, "%!@") < (size_t)(at - canonical);
}

static bool
rules_ask_for_recipients(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		if (conf->rules[i].to.count > 0 ||
		    conf->rules[i].to_all.count > 0)
			return true;
	return false;
}

/*
 * Where rules differ by recipients, one that none of them recognises would
 * choose his rule by how his address is written, and what must be encrypted
 * for him would leave in clear. Programs write no such addresses. The MTA's own
 * bounces go to whom it knows (MTA-27).
 */
static bool
recipients_are_odd(const struct conf *conf, const struct facts *facts,
    const struct plan *plan)
{
	size_t i;

	if ((facts->sender[0] == '\0' && facts->local &&
	    plan->origin->kind != ORIGIN_LOGIN) ||
	    !rules_ask_for_recipients(conf))
		return false;
	for (i = 0; i < facts->recipient_count; i++)
		if (is_odd_recipient(facts->recipients[i], facts))
			return true;
	return false;
}

/* The first rule that matches, or the first that may: false. */
static bool
find_rule(const struct conf *conf, const struct facts *facts,
    struct plan *plan, const char *from)
{
	size_t i;

	for (i = 0; i < conf->rule_count; i++) {
		switch (rule_matches(conf, &conf->rules[i], facts, plan,
		    from)) {
		case ANSWER_NO:
			continue;
		case ANSWER_YES:
			plan->rule = &conf->rules[i];
			return true;
		case ANSWER_UNKNOWN:
			plan->rule = &conf->rules[i];
			return false;
		}
	}
	plan->rule = &conf->default_rule;
	return true;
}

/* ---------------------------------------------------------------- plan --- */

static enum plan_action
by_setting(enum failure_action action)
{
	switch (action) {
	case FAILURE_PASS:
		return PLAN_PASS;
	case FAILURE_TEMPFAIL:
		return PLAN_TEMPFAIL;
	case FAILURE_REFUSE:
		break;
	}
	return PLAN_REFUSE;
}

/* What must be encrypted does not leave in clear, whatever a rule says. */
static void
pass(struct plan *plan, enum plan_why why)
{
	bool secret = plan->encrypt == ENCRYPT_REQUIRED;

	plan->action = secret ? by_setting(plan->rule->cannot_encrypt) :
	    PLAN_PASS;
	plan->why = secret ? WHY_MUST_ENCRYPT : why;
}

/*
 * A mismatch is never signed. The MTA's own bounces must not be refused
 * (MTA-27): a null sender without a login is let through, unsigned, unless it
 * is labelled secret itself.
 */
static void
mismatch(const struct facts *facts, struct plan *plan, enum plan_why why,
    bool incident)
{
	plan->why = why;
	plan->incident = incident;
	if (facts->sender[0] == '\0' && plan->origin->kind != ORIGIN_LOGIN &&
	    plan->label == NULL)
		plan->action = PLAN_PASS;
	else if ((plan->action = by_setting(plan->rule->mismatch)) == PLAN_PASS)
		pass(plan, why);
}

/* A From by which somebody seems to be shown as somebody else. */
static bool
from_is_suspect(enum address_result result)
{
	return result == ADDRESS_SEVERAL_FIELDS ||
	    result == ADDRESS_DISPLAY_NAME;
}

static bool
wants_skip(const struct conf *conf, const struct plan *plan,
    const struct facts *facts)
{
	return conf->skip_header[0] != '\0' && plan->rule->allow_skip &&
	    header_find(facts->header, conf->skip_header) != NULL;
}

/*
 * A client that calls opaque signed-data encrypted deceives its own user only:
 * what it says is all there is to go by.
 */
static bool
is_encrypted(const struct header_list *header)
{
	static const char *const types[] = { "enveloped-data",
		"authEnveloped-data" };
	const struct header_field *field = header_find(header, "Content-Type");
	size_t i;

	if (mime_protection(header) == MIME_ENCRYPTED)
		return true;
	for (i = 0; field != NULL && i < 2; i++)
		if (strcasestr(field->value, types[i]) != NULL)
			return true;
	return false;
}

/*
 * Where encryption is required a message is signed too (ENC-13), although the
 * rule or the sender would go without.
 */
static void
decide_signing(const struct conf *conf, const struct facts *facts,
    struct plan *plan)
{
	bool secret = plan->encrypt == ENCRYPT_REQUIRED;

	if (!secret && plan->rule->sign == SIGN_OFF)
		pass(plan, WHY_RULE_OFF);
	else if (!secret && wants_skip(conf, plan, facts))
		pass(plan, WHY_SKIPPED);
	else
		plan->action = PLAN_SIGN;
}

static void
decide_outgoing(const struct conf *conf, const struct facts *facts,
    struct plan *plan)
{
	if (plan->from_result != ADDRESS_OK) {
		mismatch(facts, plan, WHY_FROM,
		    from_is_suspect(plan->from_result));
		return;
	}
	if (!conf_is_ours(conf, plan->from)) {
		pass(plan, WHY_NOT_OUR_DOMAIN);
		return;
	}
	if (!origin_may_send_as(conf, plan->origin, facts, plan->from)) {
		mismatch(facts, plan, WHY_NOT_OWNER, true);
		return;
	}
	switch (mime_protection(facts->header)) {
	case MIME_PLAIN:
		break;
	case MIME_SIGNED:
		pass(plan, WHY_ALREADY_SIGNED);
		return;
	case MIME_SMIME:
	case MIME_ENCRYPTED:
		if (is_encrypted(facts->header))
			plan->encrypt = ENCRYPT_OFF;
		pass(plan, WHY_ALREADY_ENCRYPTED);
		return;
	}
	decide_signing(conf, facts, plan);
}

void
policy_decide(const struct conf *conf, const struct facts *facts,
    struct plan *out)
{
	const char *from;

	memset(out, 0, sizeof(*out));
	out->action = PLAN_NOT_OURS;
	out->why = WHY_NO_ORIGIN;
	if ((out->origin = origin_find(conf, facts)) == NULL)
		return;
	out->why = WHY_NONE;
	out->from_result = address_from(facts->header, out->from);
	from = out->from_result == ADDRESS_OK ? out->from : "";
	out->label = label_find(conf, facts->header);
	out->action = find_rule(conf, facts, out, from) ? PLAN_SIGN :
	    PLAN_LATER;
	out->encrypt = out->label != NULL ? ENCRYPT_REQUIRED :
	    out->rule->encrypt;
	if (recipients_are_odd(conf, facts, out)) {
		out->action = PLAN_REFUSE;
		out->why = WHY_RECIPIENT;
		return;
	}
	if (out->action == PLAN_LATER)
		return;
	decide_outgoing(conf, facts, out);
}

/* What has to be encrypted is never passed as it is. */
static enum plan_action
unless_clear(const struct plan *plan, enum plan_action action)
{
	if (action == PLAN_PASS && plan->encrypt == ENCRYPT_REQUIRED)
		return by_setting(plan->rule->cannot_encrypt);
	return action;
}

enum plan_action
policy_cannot_sign(const struct plan *plan)
{
	if (plan->rule == NULL)
		return PLAN_TEMPFAIL;
	return unless_clear(plan, plan->rule->sign == SIGN_REQUIRED ?
	    by_setting(plan->rule->cannot_sign) : PLAN_PASS);
}

enum plan_action
policy_cannot_encrypt(const struct plan *plan)
{
	if (plan->rule == NULL)
		return PLAN_TEMPFAIL;
	if (plan->encrypt != ENCRYPT_REQUIRED)
		return PLAN_SIGN;
	return by_setting(plan->rule->cannot_encrypt);
}

enum plan_action
policy_key_locked(const struct plan *plan)
{
	return plan->rule == NULL ? PLAN_TEMPFAIL :
	    unless_clear(plan, by_setting(plan->rule->key_locked));
}

const char *
policy_rule_name(const struct plan *plan)
{
	if (plan->rule == NULL)
		return "";
	if (plan->rule->name == NULL || plan->rule->name[0] == '\0')
		return "default";
	return plan->rule->name;
}

const char *
policy_why_word(enum plan_why why)
{
	static const char *const words[] = {
		[WHY_NONE] = "none",
		[WHY_NO_ORIGIN] = "no-origin",
		[WHY_RULE_OFF] = "rule-off",
		[WHY_SKIPPED] = "skipped",
		[WHY_ALREADY_SIGNED] = "already-signed",
		[WHY_ALREADY_ENCRYPTED] = "already-encrypted",
		[WHY_FROM] = "from-unusable",
		[WHY_RECIPIENT] = "recipient-unusable",
		[WHY_NOT_OUR_DOMAIN] = "not-our-domain",
		[WHY_NOT_OWNER] = "not-owner",
		[WHY_NO_CERTIFICATE] = "no-certificate",
		[WHY_UNSIGNABLE] = "unsignable",
		[WHY_TOO_LARGE] = "too-large",
		[WHY_MUST_ENCRYPT] = "must-encrypt",
		[WHY_NO_RECIPIENT] = "no-recipient-certificate",
		[WHY_HIDDEN_RECIPIENT] = "hidden-recipient",
		[WHY_COPY_NOT_TAKEN] = "copy-not-taken",
		[WHY_COPY_REFUSED] = "copy-refused",
		[WHY_COPY_TOO_LARGE] = "copy-too-large",
		[WHY_KEY_LOCKED] = "key-locked",
		[WHY_INTERNAL] = "internal",
	};

	if ((size_t)why >= sizeof(words) / sizeof(words[0]))
		return "internal";
	return words[why];
}

const char *
policy_action_word(enum plan_action action)
{
	static const char *const words[] = {
		[PLAN_NOT_OURS] = "not-ours",
		[PLAN_PASS] = "pass",
		[PLAN_SIGN] = "sign",
		[PLAN_REFUSE] = "refuse",
		[PLAN_TEMPFAIL] = "tempfail",
		[PLAN_LATER] = "later",
	};

	if ((size_t)action >= sizeof(words) / sizeof(words[0]))
		return "tempfail";
	return words[action];
}
