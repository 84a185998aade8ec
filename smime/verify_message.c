/*
 * verify_message.c - the signer against the message: who says to have sent it,
 * and what of its header is under the signature.
 *
 * Envelope sender, Sender and Reply-To play no part (VER-33): what a reader
 * sees is From.
 */
#include <string.h>

#include "parse.h"
#include "smime_cert.h"
#include "smime_header.h"
#include "smime_verify.h"
#include "trust.h"
#include "verify.h"

/* ---------------------------------------------------------------- From --- */

/* RFC 5322 3.6.2, VER-31: one field with one mailbox, in a plain form. */
enum verify_reason
message_from(struct judgement *j)
{
	switch (j->verdict->from_result) {
	case ADDRESS_OK:
		return VERIFY_GOOD;
	case ADDRESS_SEVERAL_FIELDS:
	case ADDRESS_SEVERAL:
	case ADDRESS_GROUP:
		return VERIFY_SEVERAL_FROM;
	case ADDRESS_ODD_FORM:
	case ADDRESS_DISPLAY_NAME:
		return VERIFY_ODD_FROM;
	case ADDRESS_MISSING:
	case ADDRESS_SYNTAX:
	case ADDRESS_TOO_LONG:
		break;
	}
	return VERIFY_NO_FROM;
}

static void
keep_first(void *arg, const char *address)
{
	struct verdict *verdict = arg;

	if (verdict->identifier[0] == '\0')
		memcpy(verdict->identifier, address, strlen(address) + 1);
}

/*
 * RFC 8550 3, VER-30, VER-32: the address, or a pin where there is none. One
 * that is left out for its form (CRT-34) is not none.
 */
enum verify_reason
message_address(struct judgement *j)
{
	const struct verify_settings *settings = j->settings;
	const struct known *known = j->signer->known;
	struct verdict *verdict = j->verdict;

	if (j->names_from) {
		verdict->matches = true;
		return VERIFY_GOOD;
	}
	if (verdict->identifier[0] != '\0' || cert_holds_email(known->cert))
		return VERIFY_OTHER_ADDRESS;
	if (settings->pinned == NULL || !settings->pinned(settings->pinned_arg,
	    verdict->from, known->hash))
		return VERIFY_NO_ADDRESS;
	verdict->pinned = true;
	return VERIFY_GOOD;
}

/* --------------------------------------------------- protected headers --- */

/* RFC 9788 2.1.1: hp at the root of what is signed, and nowhere else. */
static bool
has_protection(const struct header_list *payload)
{
	const struct header_field *field;
	struct mime_type type;

	if (payload == NULL ||
	    (field = header_find(payload, "Content-Type")) == NULL)
		return false;
	mime_type_parse(field->value, field->value_len, &type);
	return type.has_hp;
}

/* The next octet with folds and runs of white space as one space. */
static int
next_octet(const char **p, const char *end)
{
	bool space = false;

	while (*p < end && strchr(" \t\r\n", **p) != NULL && **p != '\0') {
		space = true;
		(*p)++;
	}
	if (*p == end)
		return -1;	/* also behind trailing white space */
	if (space)
		return ' ';
	return (unsigned char)*(*p)++;
}

static bool
same_text(const struct header_field *a, const struct header_field *b)
{
	const char *p = a->value, *q = b->value;
	const char *p_end = p + a->value_len, *q_end = q + b->value_len;
	int x, y;

	/* The space behind the colon need not be there. */
	while (p < p_end && (*p == ' ' || *p == '\t' || *p == '\n'))
		p++;
	while (q < q_end && (*q == ' ' || *q == '\t' || *q == '\n'))
		q++;
	do {
		x = next_octet(&p, p_end);
		y = next_octet(&q, q_end);
	} while (x == y && x != -1);
	return x == y;
}

/* VER-42 */
static enum coverage
coverage_of(const struct header_list *shown, const struct header_list *payload,
    const char *name)
{
	size_t inner = header_count(payload, name);
	size_t outer = header_count(shown, name);

	if (inner == 0)
		return COVERAGE_NONE;
	if (inner != 1 || outer != 1 || !same_text(
	    header_find(payload, name), header_find(shown, name)))
		return COVERAGE_DIFFERENT;
	return COVERAGE_SAME;
}

/*
 * RFC 9788 4.4: the addr-spec decides; a display name that a list has changed
 * is told by covered_from alone.
 */
static enum verify_reason
compare_from(const struct header_list *payload, const char *shown)
{
	char address[ADDRESS_MAX + 1];

	enum address_result result = address_from(payload, address);

	address_to_ascii(address);
	switch (result) {
	case ADDRESS_OK:
	case ADDRESS_ODD_FORM:
	case ADDRESS_DISPLAY_NAME:
		return strcmp(address, shown) == 0 ? VERIFY_GOOD :
		    VERIFY_PROTECTED_FROM;
	case ADDRESS_MISSING:
		return header_count(payload, "From") == 0 ? VERIFY_GOOD :
		    VERIFY_PROTECTED_FROM;
	default:
		return VERIFY_PROTECTED_FROM;
	}
}

enum verify_reason
message_protected(struct judgement *j)
{
	struct verdict *verdict = j->verdict;

	if (!has_protection(j->payload))
		return VERIFY_GOOD;
	verdict->header_protected = true;
	verdict->covered_from = coverage_of(j->message, j->payload, "From");
	verdict->covered_subject = coverage_of(j->message, j->payload,
	    "Subject");
	verdict->covered_date = coverage_of(j->message, j->payload, "Date");
	verdict->covered_to = coverage_of(j->message, j->payload, "To");
	return compare_from(j->payload, verdict->from);
}

/* -------------------------------------------------------- signing time --- */

/* VER-25: plausible, no more; it is never the time of validation. */
enum verify_reason
message_time(struct judgement *j)
{
	const struct verify_settings *settings = j->settings;
	bool bad;
	time_t when;

	when = attributes_time(j->signer->info, &bad);
	if (bad)
		return VERIFY_ATTRIBUTES;
	if (when == 0)
		return VERIFY_GOOD;
	if (settings->max_future != 0 &&
	    when - settings->now > settings->max_future)
		return VERIFY_SIGNING_TIME;
	if (settings->max_age != 0 && settings->now - when > settings->max_age)
		return VERIFY_SIGNING_TIME;
	return VERIFY_GOOD;
}

/* --------------------------------------------------------- description --- */

void
cert_describe(X509 *cert, struct verdict *verdict)
{
	const X509_NAME *issuer = X509_get_issuer_name(cert);

	verdict->has_signer = true;
	if (verdict->identifier[0] == '\0')
		cert_each_email(cert, keep_first, verdict);
	cert_serial(cert, verdict->serial, sizeof(verdict->serial));
	cert_issuer(cert, verdict->issuer, sizeof(verdict->issuer));
	cert_common_name(cert, verdict->common_name,
	    sizeof(verdict->common_name));
	cert_name_entry(X509_get_subject_name(cert), NID_organizationName,
	    verdict->organisation, sizeof(verdict->organisation));
	cert_name_entry(issuer, NID_commonName, verdict->issuer_name,
	    sizeof(verdict->issuer_name));
	if (verdict->issuer_name[0] == '\0')
		cert_name_entry(issuer, NID_organizationName,
		    verdict->issuer_name, sizeof(verdict->issuer_name));
	verdict->not_after = cert_not_after(cert);
}

void
message_describe(struct judgement *j)
{
	const struct known *known = j->signer->known;
	bool bad;

	/* No need to look through its addresses for the first. */
	if (j->names_from)
		memcpy(j->verdict->identifier, j->verdict->from,
		    sizeof(j->verdict->identifier));
	cert_describe(known->cert, j->verdict);
	memcpy(j->verdict->fingerprint, known->hash, sizeof(known->hash));
	j->verdict->signing_time = attributes_time(j->signer->info, &bad);
}
