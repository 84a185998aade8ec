/*
 * verify.c - "sampulctl verify": what a signature is worth, and why.
 *
 * The verdict is the milter's own; what this file adds is the telling: every
 * check with its outcome, every layer, the chain, and the two header fields
 * that a reader would get.
 */
#include <getopt.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../editplan.h"
#include "../incoming.h"
#include "ctl.h"

struct telling {
	const struct ctl	*ctl;
	struct verdict		 verdict;
	struct ctl_fields	 fields;
};

static const char *
outcome_word(enum check_outcome outcome)
{
	switch (outcome) {
	case CHECK_OK:
		return "ok";
	case CHECK_FAILED:
		return "failed";
	case CHECK_NOT_ASKED:
		break;
	}
	return "not-asked";
}

static const char *
coverage_word(enum coverage coverage)
{
	switch (coverage) {
	case COVERAGE_SAME:
		return "same";
	case COVERAGE_DIFFERENT:
		return "different";
	case COVERAGE_NONE:
		break;
	}
	return "none";
}

/* What is asked; of a check that failed, what was found instead. */
static const char *
check_text(const struct ctl *ctl, const struct verdict_check *check)
{
	if (check->outcome == CHECK_FAILED)
		return verify_reason_text(check->reason, ctl->id);
	return ctl->id ? check->text_id : check->text;
}

static const char *
word_of(const struct verdict *verdict)
{
	return verdict->silent ? "unknown" : verdict_word_text(verdict->word);
}

static const char *
from_problem(const struct verdict *verdict)
{
	return verdict->from_result != ADDRESS_OK ?
	    address_result_text(verdict->from_result) : NULL;
}

/* --------------------------------------------------------------- plain --- */

static void
print_line(const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		printf("%-13s %s\n", name, value);
}

static void
print_time(const char *name, time_t when)
{
	char text[CTL_TIME_MAX];

	if (when != 0)
		print_line(name, ctl_time(when, text, sizeof(text)));
}

/*
 * A certificate says what it likes until its path is found good: before that
 * its names are only told as what they claim to be.
 */
static void
print_signer(const struct verdict *verdict)
{
	char hex[32 * 3 + 1];

	if (!verdict->has_signer)
		return;
	print_line("certificate:", verdict->validated ? "trusted" :
	    "NOT validated; what it says may be invented");
	print_line("address:", verdict->identifier);
	print_line("name:", verdict->common_name);
	print_line("organisation:", verdict->organisation);
	print_line("issuer:", verdict->issuer);
	print_line("serial:", verdict->serial);
	print_line("SHA-256:", ctl_hex(verdict->fingerprint,
	    sizeof(verdict->fingerprint), hex));
	print_time("not after:", verdict->not_after);
	print_time("signed at:", verdict->signing_time);
	if (verdict->revocation != REVOCATION_UNASKED)
		print_line("revocation:",
		    revocation_word(verdict->revocation));
	if (verdict->crl_soft_fail)
		print_line("", "accepted without a current revocation list");
	if (verdict->pinned)
		print_line("", "accepted for this address by a pin alone");
}

static void
print_coverage(const struct verdict *verdict)
{
	if (verdict->header_protected)
		printf("%-13s From %s, Subject %s, Date %s, To %s\n",
		    "protected:", coverage_word(verdict->covered_from),
		    coverage_word(verdict->covered_subject),
		    coverage_word(verdict->covered_date),
		    coverage_word(verdict->covered_to));
}

static void
print_lists(const struct ctl *ctl, const struct verdict *verdict)
{
	const struct verdict_check *check;
	size_t i;

	for (i = 0; i < verdict->layer_count; i++)
		printf("layer %-7s %s (%s)\n", verdict->layers[i].part,
		    verdict_word_text(verdict->layers[i].word),
		    verify_reason_word(verdict->layers[i].reason));
	for (i = 0; i < verdict->chain_count; i++)
		printf("chain %-7zu %s\n", i, verdict->chain[i]);
	for (i = 0; i < verdict->check_count; i++) {
		check = &verdict->checks[i];
		printf("check %-9s %-20s %-17s %s\n",
		    outcome_word(check->outcome), check->name,
		    check->section, check_text(ctl, check));
	}
}

static void
print_plain(const struct telling *telling)
{
	const struct verdict *verdict = &telling->verdict;

	print_line("verdict:", word_of(verdict));
	print_line("reason:", verify_reason_word(verdict->reason));
	print_line("", verify_reason_text(verdict->reason, telling->ctl->id));
	print_line("detail:", verdict->detail);
	print_line("from:", verdict->from);
	print_line("problem:", from_problem(verdict));
	print_line("part:", verdict->part);
	print_signer(verdict);
	print_coverage(verdict);
	print_lists(telling->ctl, verdict);
	printf("\n%s: %s\n", VERIFIED_SENDER_HEADER,
	    telling->fields.verified);
	if (telling->fields.authres[0] != '\0')
		printf("%s: %s\n", RESULTS_HEADER, telling->fields.authres);
}

/* One line of words; "-" for what there is not. */
static void
print_brief(const struct verdict *verdict)
{
	const char *signer = verdict->validated ? verdict->identifier : "";

	printf("%s %s %s %s\n", word_of(verdict),
	    verify_reason_word(verdict->reason),
	    verdict->from[0] != '\0' ? verdict->from : "-",
	    signer[0] != '\0' ? signer : "-");
}

/* ---------------------------------------------------------------- json --- */

static void
json_signer(struct json *json, const struct verdict *verdict)
{
	char hex[32 * 3 + 1];

	json_object(json, "certificate");
	json_bool(json, "validated", verdict->validated);
	json_bool(json, "matches", verdict->matches);
	json_bool(json, "pinned", verdict->pinned);
	json_some(json, "address", verdict->identifier);
	json_some(json, "name", verdict->common_name);
	json_some(json, "organisation", verdict->organisation);
	json_some(json, "issuer", verdict->issuer);
	json_some(json, "issuer_name", verdict->issuer_name);
	json_some(json, "serial", verdict->serial);
	json_string(json, "sha256", ctl_hex(verdict->fingerprint,
	    sizeof(verdict->fingerprint), hex));
	json_time(json, "not_after", verdict->not_after);
	if (verdict->signing_time != 0)
		json_time(json, "signed_at", verdict->signing_time);
	json_string(json, "revocation", revocation_word(verdict->revocation));
	json_bool(json, "revocation_unchecked", verdict->crl_soft_fail);
	json_end(json);
}

static void
json_coverage(struct json *json, const struct verdict *verdict)
{
	json_object(json, "protected");
	json_string(json, "from", coverage_word(verdict->covered_from));
	json_string(json, "subject", coverage_word(verdict->covered_subject));
	json_string(json, "date", coverage_word(verdict->covered_date));
	json_string(json, "to", coverage_word(verdict->covered_to));
	json_end(json);
}

static void
json_lists(struct json *json, const struct ctl *ctl,
    const struct verdict *verdict)
{
	const struct verdict_check *check;
	size_t i;

	json_array(json, "layers");
	for (i = 0; i < verdict->layer_count; i++) {
		json_object(json, NULL);
		json_string(json, "part", verdict->layers[i].part);
		json_string(json, "verdict",
		    verdict_word_text(verdict->layers[i].word));
		json_string(json, "reason",
		    verify_reason_word(verdict->layers[i].reason));
		json_end(json);
	}
	json_end(json);
	json_array(json, "chain");
	for (i = 0; i < verdict->chain_count; i++)
		json_string(json, NULL, verdict->chain[i]);
	json_end(json);
	json_array(json, "checks");
	for (i = 0; i < verdict->check_count; i++) {
		check = &verdict->checks[i];
		json_object(json, NULL);
		json_string(json, "name", check->name);
		json_string(json, "section", check->section);
		json_string(json, "outcome", outcome_word(check->outcome));
		json_string(json, "reason", check->outcome == CHECK_FAILED ?
		    verify_reason_word(check->reason) : NULL);
		json_string(json, "text", check_text(ctl, check));
		json_end(json);
	}
	json_end(json);
}

static void
print_json(const struct telling *telling)
{
	const struct verdict *verdict = &telling->verdict;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "verdict", word_of(verdict));
	json_string(&json, "reason", verify_reason_word(verdict->reason));
	json_string(&json, "text", verify_reason_text(verdict->reason,
	    telling->ctl->id));
	json_string(&json, "state", results_state(verdict));
	json_some(&json, "detail", verdict->detail);
	json_some(&json, "from", verdict->from);
	json_string(&json, "problem", from_problem(verdict));
	json_some(&json, "part", verdict->part);
	if (verdict->has_signer)
		json_signer(&json, verdict);
	if (verdict->header_protected)
		json_coverage(&json, verdict);
	json_lists(&json, telling->ctl, verdict);
	json_string(&json, "x_verified_sender", telling->fields.verified);
	json_some(&json, "authentication_results", telling->fields.authres);
	json_end(&json);
}

/* ------------------------------------------------------------- command --- */

/* For scripts: only a message that passes gives 0. */
static int
status_of(const struct verdict *verdict)
{
	if (verdict->silent)
		return EX_DATAERR;
	switch (verdict->word) {
	case VERDICT_PASS:
		return EX_OK;
	case VERDICT_TEMPERROR:
		return EX_TEMPFAIL;
	default:
		return EX_DATAERR;
	}
}

static int
tell(struct telling *telling, const struct ctl_message *message, bool brief)
{
	int status;

	status = ctl_fields(telling->ctl->conf, message, &telling->verdict,
	    &telling->fields);
	if (status == EX_OK) {
		if (telling->ctl->json)
			print_json(telling);
		else if (brief)
			print_brief(&telling->verdict);
		else
			print_plain(telling);
		status = ctl_finish();
	}
	ctl_fields_clear(&telling->fields);
	return status != EX_OK ? status : status_of(&telling->verdict);
}

static int
verify(struct ctl *ctl, const char *path, bool brief)
{
	struct telling telling = { .ctl = ctl };
	struct ctl_message message;
	struct trust_state *state;
	struct smime_error err = { "" };
	int status;

	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	memset(&message, 0, sizeof(message));
	status = ctl_message_read(&message, path);
	if (status != EX_OK)
		goto out;
	state = trust_state_read(ctl->conf, &err);
	if (state == NULL) {
		status = ctl_error(EX_UNAVAILABLE, "%s", err.text);
		goto out;
	}
	ctl_verdict(ctl->conf, state, &message, time(NULL), &telling.verdict);
	status = tell(&telling, &message, brief);
	trust_state_unref(state);
out:
	ctl_message_clear(&message);
	return status;
}

int
cmd_verify(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "brief", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 }
	};
	bool brief = false;
	int option;

	while ((option = getopt_long(argc, argv, "b", options, NULL)) != -1) {
		if (option != 'b')
			return ctl_usage(ctl);
		brief = true;
	}
	if (argc - optind > 1)
		return ctl_usage(ctl);
	return verify(ctl, argc - optind == 1 ? argv[optind] : "-", brief);
}
