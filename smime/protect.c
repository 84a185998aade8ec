/*
 * protect.c - which header fields are copied under the signature (RFC 9788).
 */
#include <string.h>

#include "internal.h"

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
	size_t i;

	if (!is_field_name(field))
		return false;
	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (matches(field, left_out[i]))
			return false;
	return true;
}
