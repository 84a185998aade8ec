/*
 * report.c - the one line that says what became of a message.
 *
 * key=value, made for people with grep and for programs that split at spaces:
 * a value that would not come apart again stands in double quotes with '"' and
 * '\' escaped. Values from outside are bounded, and what is not printable is
 * written \xHH.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "editplan.h"
#include "incoming.h"
#include "log.h"
#include "outgoing.h"
#include "policy.h"

struct line {
	char	*out;
	size_t	 size;
	size_t	 len;
};

static void
put(struct line *line, const char *text, size_t len)
{
	if (line->len + len >= line->size)
		return;
	memcpy(line->out + line->len, text, len);
	line->len += len;
	line->out[line->len] = '\0';
}

static bool
is_plain(const char *value)
{
	const unsigned char *p = (const unsigned char *)value;

	if (*p == '\0')
		return false;
	for (; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f || strchr("\"\\=;,", *p) != NULL)
			return false;
	return true;
}

static void
put_quoted(struct line *line, const char *value, size_t max)
{
	char escaped[8];
	size_t i;
	unsigned char c;

	put(line, "\"", 1);
	for (i = 0; i < max && value[i] != '\0'; i++) {
		c = (unsigned char)value[i];
		if (c < 0x20 || c >= 0x7f)
			snprintf(escaped, sizeof(escaped), "\\x%02X", c);
		else if (c == '"' || c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", c);
		else
			snprintf(escaped, sizeof(escaped), "%c", c);
		put(line, escaped, strlen(escaped));
	}
	put(line, "\"", 1);
}

#define VALUE_MAX	200

static void
put_pair(struct line *line, const char *key, const char *value)
{
	if (line->len > 0)
		put(line, " ", 1);
	put(line, key, strlen(key));
	put(line, "=", 1);
	if (is_plain(value) && strlen(value) <= VALUE_MAX)
		put(line, value, strlen(value));
	else
		put_quoted(line, value, VALUE_MAX);
}

/* Only where there is something to say. */
static void
put_some(struct line *line, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		put_pair(line, key, value);
}

static void
put_number(struct line *line, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	put_pair(line, key, text);
}

static const char *
result_word(const struct outcome *outcome, bool observed)
{
	switch (outcome->action) {
	case PLAN_NOT_OURS:
		return "not-ours";
	case PLAN_PASS:
		return observed ? "would-pass" : "passed";
	case PLAN_SIGN:
		if (outcome->encrypted)
			return observed ? "would-encrypt" : "encrypted";
		return observed ? "would-sign" : "signed";
	case PLAN_REFUSE:
		return observed ? "would-refuse" : "refused";
	case PLAN_TEMPFAIL:
	case PLAN_LATER:
		break;
	}
	return observed ? "would-tempfail" : "deferred";
}

static const char *
reception_word(enum incoming_action action, bool observed)
{
	switch (action) {
	case INCOMING_ACCEPT:
		return observed ? "would-accept" : "accepted";
	case INCOMING_QUARANTINE:
		return observed ? "would-quarantine" : "quarantined";
	case INCOMING_REFUSE:
		return observed ? "would-refuse" : "refused";
	case INCOMING_TEMPFAIL:
		break;
	}
	return observed ? "would-tempfail" : "deferred";
}

/* What is said of a signature that came with the message. */
static void
put_verdict(struct line *line, const struct report *report)
{
	const struct verdict *verdict = report->verdict;
	const struct reception *reception = report->reception;

	put_pair(line, "smime", verdict->silent ? "unknown" :
	    verdict_word_text(verdict->word));
	if (verdict->reason != VERIFY_GOOD)
		put_pair(line, "reason", verify_reason_word(verdict->reason));
	if (verdict->validated) {
		put_some(line, "signer", verdict->identifier);
		put_some(line, "serial", verdict->serial);
	}
	if (verdict->pinned)
		put_pair(line, "pinned", "yes");
	if (verdict->crl_soft_fail)
		put_pair(line, "revocation", "unchecked");
	if (reception == NULL)
		return;
	put_some(line, "incident", incident_word(reception->incident));
	if (reception->rule != NULL)
		put_some(line, "rule", reception->rule->name);
	else if (reception->by_spoof)
		put_pair(line, "rule", "spoof");
}

static void
put_received(struct line *line, const struct report *report)
{
	put_pair(line, "result", reception_word(report->reception->action,
	    report->observed));
	put_verdict(line, report);
}

static bool
is_received(const struct report *report)
{
	return report->outcome->action == PLAN_NOT_OURS &&
	    report->verdict != NULL && report->reception != NULL;
}

static void
put_decision(struct line *line, const struct report *report)
{
	const struct plan *plan = report->plan;
	const struct outcome *outcome = report->outcome;

	if (is_received(report)) {
		put_received(line, report);
		return;
	}
	put_pair(line, "result", result_word(outcome, report->observed));
	if (outcome->why != WHY_NONE)
		put_pair(line, "why", policy_why_word(outcome->why));
	if (plan->incident)
		put_pair(line, "incident", policy_why_word(plan->why));
	put_some(line, "rule", policy_rule_name(plan));
	put_some(line, "label", plan->label);
	if (outcome->action == PLAN_PASS && report->verdict != NULL)
		put_verdict(line, report);
}

static void
put_signature(struct line *line, const struct outcome *outcome)
{
	if (outcome->action != PLAN_SIGN)
		return;
	put_some(line, "serial", outcome->serial);
	put_pair(line, "form", outcome->form == FORM_OPAQUE ? "opaque" :
	    "detached");
	if (outcome->pinned)
		put_pair(line, "pinned", "yes");
	if (outcome->encrypted) {
		put_pair(line, "cipher", smime_cipher_word(outcome->cipher));
		put_number(line, "readers", (int64_t)outcome->readers);
		if (outcome->copies > 1)
			put_number(line, "copies", (int64_t)outcome->copies);
		if (outcome->refused > 0)
			put_number(line, "refused",
			    (int64_t)outcome->refused);
	}
	if (outcome->canon.state == CANON_REENCODED)
		put_number(line, "reencoded", outcome->canon.changed);
	put_some(line, "unprotected", outcome->canon.unprotected);
}

static const char *
detail_of(const struct report *report)
{
	if (is_received(report) && report->verdict->detail[0] != '\0')
		return report->verdict->detail;
	if (report->outcome->why == WHY_FROM)
		return address_result_text(report->plan->from_result);
	return report->outcome->detail;
}

static const char *
from_of(const struct report *report)
{
	if (report->plan->from[0] == '\0' && report->verdict != NULL)
		return report->verdict->from;
	return report->plan->from;
}

void
report_line(const struct report *report, char *out, size_t size)
{
	const struct plan *plan = report->plan;
	struct line line = { out, size, 0 };
	char queue_id[CHANNEL_QUEUE_ID_MAX + 1];

	out[0] = '\0';
	smime_printable(report->queue_id, strlen(report->queue_id), queue_id,
	    sizeof(queue_id));
	if (queue_id[0] == '\0')
		snprintf(queue_id, sizeof(queue_id), "NOQUEUE");
	put(&line, queue_id, strlen(queue_id));
	put(&line, ":", 1);
	put_decision(&line, report);
	put_some(&line, "from", from_of(report));
	if (plan->origin != NULL || plan->action != PLAN_NOT_OURS)
		put_some(&line, "login", report->login);
	put_some(&line, "origin", plan->origin == NULL ? NULL :
	    plan->origin->name);
	put_some(&line, "client", report->client);
	put_signature(&line, report->outcome);
	if (report->removed > 0)
		put_number(&line, "removed", (int64_t)report->removed);
	put_number(&line, "bytes", (int64_t)report->bytes);
	put_number(&line, "us", report->microseconds);
	put_some(&line, "detail", detail_of(report));
}

/*
 * A header line is kept short and folded with LF, never CR (MTA-07). Spaces
 * occur inside quotes too, but folding there is as good (RFC 5322 3.2.4).
 */
static void
fold(char *text)
{
	char *p, *space = NULL, *begin = text;
	size_t used = strlen(REPORT_HEADER) + 2;

	for (p = text; *p != '\0'; p++) {
		if (*p == ' ')
			space = p;
		if ((size_t)(p - begin) + used < 76 || space == NULL)
			continue;
		/* The space becomes the fold's white space. */
		memmove(space + 1, space, strlen(space) + 1);
		*space = '\n';
		begin = space + 1;
		space = NULL;
		used = 0;
		p++;
	}
}

void
report_header(const struct report *report, char *out, size_t size)
{
	const struct plan *plan = report->plan;
	struct line line = { out, size / 2, 0 };

	/* Half of the room is for folds. */
	out[0] = '\0';
	put_decision(&line, report);
	put_some(&line, "from", from_of(report));
	put_some(&line, "origin", plan->origin == NULL ? NULL :
	    plan->origin->name);
	put_signature(&line, report->outcome);
	put_some(&line, "detail", detail_of(report));
	fold(out);
}

void
report_log(const struct report *report)
{
	char line[2048];

	report_line(report, line, sizeof(line));
	if (report->plan->incident || (report->reception != NULL &&
	    report->reception->incident != INCIDENT_NONE) ||
	    report->outcome->why == WHY_INTERNAL ||
	    report->outcome->why == WHY_COPY_NOT_TAKEN ||
	    report->outcome->why == WHY_COPY_REFUSED ||
	    report->outcome->why == WHY_COPY_TOO_LARGE)
		log_warning("%s", line);
	else
		log_info("%s", line);
}
