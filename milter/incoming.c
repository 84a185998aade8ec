/*
 * incoming.c - what a verdict means for a message that comes in.
 *
 * Pure functions: the configuration, what is known of the message and the
 * verdict on its signature give an action and perhaps an incident. Mail is
 * accepted unless a rule says otherwise; nothing here changes it.
 */
#include <stdio.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "incoming.h"
#include "policy.h"

/* ---------------------------------------------------------- our domain --- */

/*
 * The domain behind an '@', as far as it goes: dot-atoms, with comments and
 * white space between them (RFC 5322 4.4), lower case. p moves behind it.
 */
static void
take_domain(struct lex *lex, char *out, size_t size)
{
	size_t len = 0;
	int c;

	for (;;) {
		(void)lex_cfws(lex, NULL);
		if (lex->p == lex->end)
			break;
		c = lex_lower(*lex->p);
		if (c != '.' && c != '-' && c != '_' &&
		    (c < 'a' || c > 'z') && (c < '0' || c > '9'))
			break;
		/* two atoms without a dot between them: another word */
		if (len > 0 && c != '.' && out[len - 1] != '.' &&
		    strchr(" \t\r\n)", lex->p[-1]) != NULL)
			break;
		lex->p++;
		if (len + 1 < size)
			out[len++] = (char)c;
	}
	while (len > 0 && out[len - 1] == '.')
		len--;
	out[len] = '\0';
}

static bool
field_claims(const struct conf *conf, const struct header_field *field)
{
	char address[ADDRESS_MAX + 3] = "x@";
	struct lex lex;

	lex_init(&lex, field->value, field->value_len);
	while (lex.p < lex.end) {
		if (*lex.p++ != '@')
			continue;
		take_domain(&lex, address + 2, sizeof(address) - 2);
		if (conf_is_ours(conf, address))
			return true;
	}
	return false;
}

/*
 * Whether any From field shows an address in one of our domains, whatever else
 * it shows, where address_from may have found several or none.
 */
static bool
claims_ours(const struct conf *conf, const struct header_list *header)
{
	size_t i;

	for (i = 0; i < header->count; i++)
		if (header_is(&header->fields[i], "From") &&
		    field_claims(conf, &header->fields[i]))
			return true;
	return false;
}

/* --------------------------------------------------------------- rules --- */

const char *
incoming_action_word(enum incoming_action action)
{
	switch (action) {
	case INCOMING_ACCEPT:
		return "accept";
	case INCOMING_QUARANTINE:
		return "quarantine";
	case INCOMING_REFUSE:
		return "refuse";
	case INCOMING_TEMPFAIL:
		break;
	}
	return "tempfail";
}

const char *
incident_word(enum incident incident)
{
	switch (incident) {
	case INCIDENT_SPOOF:
		return "spoof";
	case INCIDENT_BAD_SIGNATURE:
		return "bad-signature";
	case INCIDENT_NONE:
		break;
	}
	return NULL;
}

static unsigned
verdict_bit(const struct verdict *verdict)
{
	if (verdict->silent)
		return INCOMING_IF_UNKNOWN;
	switch (verdict->word) {
	case VERDICT_NONE:
		return INCOMING_IF_NONE;
	case VERDICT_PASS:
		return INCOMING_IF_PASS;
	case VERDICT_FAIL:
		return INCOMING_IF_FAIL;
	case VERDICT_POLICY:
		return INCOMING_IF_POLICY;
	case VERDICT_NEUTRAL:
		return INCOMING_IF_NEUTRAL;
	case VERDICT_PERMERROR:
		return INCOMING_IF_PERMERROR;
	case VERDICT_TEMPERROR:
		break;
	}
	return INCOMING_IF_TEMPERROR;
}

static bool
matches_from(const struct string_list *patterns, const char *from)
{
	size_t i;

	if (from[0] != '\0')
		return string_list_matches(patterns, from);
	for (i = 0; i < patterns->count; i++)
		if (strcmp(patterns->items[i], "*") == 0)
			return true;
	return false;
}

static bool
matches_to(const struct string_list *patterns, const struct facts *facts)
{
	size_t i;

	for (i = 0; i < facts->recipient_count; i++)
		if (string_list_matches(patterns, facts->recipients[i]))
			return true;
	return false;
}

static bool
rule_matches(const struct incoming_rule *rule, const struct facts *facts,
    const struct verdict *verdict)
{
	if (rule->verdict != 0 && (rule->verdict & verdict_bit(verdict)) == 0)
		return false;
	if (rule->from.count > 0 && !matches_from(&rule->from, verdict->from))
		return false;
	return rule->to.count == 0 || matches_to(&rule->to, facts);
}

/*
 * A signature that cannot be judged just now is neither a forgery nor to be
 * refused for good: the list that is missing is ours to bring.
 */
static void
decide_spoof(const struct conf *conf, const struct verdict *verdict,
    struct reception *out)
{
	bool later = !verdict->silent && verdict->word == VERDICT_TEMPERROR;

	if (!later)
		out->incident = verdict->word == VERDICT_FAIL ?
		    INCIDENT_BAD_SIGNATURE : INCIDENT_SPOOF;
	if (out->rule != NULL || conf->spoof == INCOMING_ACCEPT)
		return;
	out->by_spoof = true;
	out->action = conf->spoof == INCOMING_REFUSE && later ?
	    INCOMING_TEMPFAIL : conf->spoof;
}

void
incoming_decide(const struct conf *conf, const struct facts *facts,
    const struct verdict *verdict, bool outside, struct reception *out)
{
	bool passed = verdict->word == VERDICT_PASS && !verdict->silent;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->action = INCOMING_ACCEPT;
	for (i = 0; i < conf->incoming_count; i++)
		if (rule_matches(&conf->incoming[i], facts, verdict)) {
			out->rule = &conf->incoming[i];
			out->action = out->rule->action;
			break;
		}
	if (outside && !passed && claims_ours(conf, facts->header))
		decide_spoof(conf, verdict, out);
}

/* ------------------------------------------------------------- library --- */

void
incoming_settings(const struct conf *conf, const struct trust_state *state,
    struct verify_cache *cache, time_t now, struct verify_settings *out)
{
	verify_settings_init(out);
	out->trust = state->trust;
	out->generation = state->generation;
	out->cache = cache;
	out->now = now;
	out->max_opaque = conf->max_opaque;
	out->max_depth = conf->max_layers;
	out->any_purpose = conf->any_purpose;
	out->crl_soft_fail = conf->crl == CRL_SOFT_FAIL;
	out->max_age = (time_t)conf->max_age;
	out->max_future = (time_t)conf->max_future;
	out->pinned = trust_state_pinned;
	out->pinned_arg = (void *)(uintptr_t)state;
}

void
verdict_without(enum verify_reason reason, const struct header_list *header,
    struct verdict *out)
{
	memset(out, 0, sizeof(*out));
	out->word = verify_reason_verdict(reason);
	out->reason = reason;
	out->silent = out->word != VERDICT_TEMPERROR;
	out->from_result = address_from(header, out->from);
	if (out->from_result != ADDRESS_OK)
		out->from[0] = '\0';
}

/* --------------------------------------------------------------- reply --- */

/* One sentence for the sender's side; "%s" is the reason. */
static const char *
sentence(const struct conf *conf, const struct reception *reception)
{
	bool id = conf->language == LANGUAGE_ID;

	if (reception->action == INCOMING_TEMPFAIL)
		return id ? "Pesan belum diterima, coba lagi nanti: %s" :
		    "Message not accepted yet, try again later: %s";
	if (reception->by_spoof)
		return id ? "Pesan ditolak: alamat pengirim milik domain kami "
		    "hanya diterima dari luar dengan tanda tangan S/MIME yang "
		    "sah. %s" : "Message refused: from outside, a sender "
		    "address of our domain is taken only with a valid S/MIME "
		    "signature. %s";
	return id ? "Pesan ditolak oleh aturan penerima tentang tanda tangan "
	    "S/MIME: %s" : "Message refused by the recipient's rules about "
	    "S/MIME signatures: %s";
}

void
incoming_reply(const struct conf *conf, const struct reception *reception,
    const struct verdict *verdict, char *out, size_t size)
{
	bool id = conf->language == LANGUAGE_ID;
	const char *form = sentence(conf, reception);
	const char *mark = strstr(form, "%s");
	char text[1024];

	snprintf(text, sizeof(text), "%.*s%s%s%s", (int)(mark - form), form,
	    verify_reason_text(verdict->reason, id),
	    conf->help[0] == '\0' ? "" : id ? " Bantuan: " : " Help: ",
	    conf->help);
	smime_printable(text, strlen(text), out, size < 401 ? size : 401);
}
