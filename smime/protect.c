/*
 * protect.c - which header fields are copied under the signature, and which
 * are still to be seen outside when the message is encrypted (RFC 9788).
 */
#include <string.h>

#include "entity.h"
#include "smime_canon.h"
#include "smime_header.h"

/*
 * What is left out. A pattern that ends in '*' stands for all names that begin
 * so. The reasons, by group:
 *
 * - Structural fields describe the entity and are moved, not copied (RFC 9788
 *   1.1, 5); HP-Outer belongs to encryption (2.2).
 * - Bcc would tell every reader (RFC 9788 5.1). Resent-* are a new trace block
 *   of whoever sends the message on (RFC 5322 3.6.6).
 * - Trace and results are written by hosts on the way, not by the composer;
 *   they may be removed or renamed further on, and would then look like an
 *   attack to a reader who compares (SIG-53).
 * - List-* are added and replaced by list servers (RFC 2369, 2919).
 * - X- fields: gateways, filters and archives add, change and strip them at
 *   will, no reader shows them, and ours among them must never seem signed by
 *   the user. The one cost is that a composer's X-Mailer is not covered.
 *
 * Everything else is the composer's, also what we do not know.
 */
static const char *const left_out[] = {
	"Content-*", "MIME-Version", "HP-Outer",
	"Bcc", "Resent-*",
	"Received", "Received-SPF", "Return-Path", "Delivered-To",
	"Envelope-To", "Delivery-Date", "Original-Recipient", "Apparently-To",
	"DKIM-Signature", "DomainKey-Signature", "ARC-*",
	"Authentication-Results*",
	"List-*",
	"X-*",
};

static bool
matches(const struct header_field *field, const char *pattern)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] != '*')
		return header_is(field, pattern);
	n--;
	if (field->name_len < n)
		return false;
	while (n-- > 0)
		if (lex_lower((unsigned char)field->name[n]) !=
		    lex_lower((unsigned char)pattern[n]))
			return false;
	return true;
}

/*
 * field-name = 1*ftext (RFC 5322 3.6.8). An MTA gives nothing else, but such a
 * name must not be written into a signed part whatever it came from.
 */
static bool
is_field_name(const struct header_field *field)
{
	size_t i;

	for (i = 0; i < field->name_len; i++)
		if (field->name[i] <= 0x20 || field->name[i] >= 0x7f ||
		    field->name[i] == ':')
			return false;
	return field->name_len > 0;
}

bool
protect_wants(const struct header_field *field)
{
	int first;
	size_t i;

	if (!is_field_name(field))
		return false;
	first = lex_lower((unsigned char)field->name[0]);
	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (lex_lower((unsigned char)left_out[i][0]) == first &&
		    matches(field, left_out[i]))
			return false;
	return true;
}

/*
 * Informational fields, which may say what the message is about (RFC 5322
 * 3.6.5, RFC 9788 3.2.1).
 */
static const char *const informational[] = {
	"Comments", "Keywords",
};

/*
 * Where clients and gateways repeat the Subject or what is derived from it
 * (ENC-20). Thread-Index holds no words, but readers take it for a thread of
 * the Thread-Topic that has gone.
 */
static const char *const repeating[] = {
	"Thread-Topic", "Thread-Index", "Summary", "Original-Subject",
	"Old-Subject", "X-Subject", "X-Original-Subject", "X-Old-Subject",
	"X-Thread-Topic", "X-Summary",
};

static bool
is_one_of(const struct header_field *field, const char *const *names,
    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (header_is(field, names[i]))
			return true;
	return false;
}

enum outer_field
outer_field(const struct header_field *field, bool hide_subject)
{
	if (is_one_of(field, informational,
	    sizeof(informational) / sizeof(informational[0])))
		return OUTER_REMOVED;
	if (!hide_subject)
		return OUTER_KEPT;
	if (header_is(field, "Subject"))
		return OUTER_HIDDEN;
	return is_one_of(field, repeating,
	    sizeof(repeating) / sizeof(repeating[0])) ? OUTER_REMOVED :
	    OUTER_KEPT;
}
