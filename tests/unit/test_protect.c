/*
 * test_protect.c - what is copied under the signature (SIG-50, SIG-53).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/entity.h"
#include "../../smime/smime.h"

static const struct {
	const char	*name;
	bool		 want;
} names[] = {
	/* the composer's (SIG-50) */
	{ "From", true }, { "To", true }, { "Cc", true }, { "Subject", true },
	{ "Date", true }, { "Message-ID", true }, { "Reply-To", true },
	{ "In-Reply-To", true }, { "References", true }, { "Sender", true },
	{ "sUBJECT", true }, { "Comments", true }, { "Keywords", true },
	{ "User-Agent", true }, { "Disposition-Notification-To", true },
	{ "Importance", true }, { "Auto-Submitted", true },
	{ "Organization", true }, { "Autocrypt", true },
	{ "Thread-Topic", true }, { "Nota-Dinas", true }, { "Bccx", true },
	{ "Contents", true }, { "Content", true }, { "List", true },
	{ "X", true }, { "Resent", true }, { "ARC", true },
	/* structural */
	{ "Content-Type", false }, { "content-disposition", false },
	{ "Content-", false }, { "Content-X", false },
	{ "MIME-Version", false }, { "Mime-version", false },
	{ "HP-Outer", false },
	/* SIG-53 */
	{ "Bcc", false }, { "BCC", false }, { "Resent-Bcc", false },
	{ "Resent-From", false }, { "Received", false },
	{ "RECEIVED", false }, { "Received-SPF", false },
	{ "Return-Path", false }, { "Delivered-To", false },
	{ "X-Original-To", false }, { "Envelope-To", false },
	{ "DKIM-Signature", false }, { "DomainKey-Signature", false },
	{ "ARC-Seal", false }, { "arc-message-signature", false },
	{ "Authentication-Results", false },
	{ "Authentication-Results-Original", false },
	{ "List-Id", false }, { "List-Unsubscribe", false },
	{ "X-Verified-Sender", false }, { "X-Sampul-Report", false },
	{ "x-spam-status", false }, { "X-Virus-Scanned", false },
	{ "X-Mailer", false }, { "X-", false },
	/* no names */
	{ "", false }, { "Sub ject", false }, { "Subject ", false },
	{ "Subj\xc3\xa9t", false }, { "Subject\n", false },
	{ "Sub:ject", false }, { "Subject\177", false },
};

static void
test_sig53_names(void **state)
{
	char name[64];
	struct header_field field = { name, 0, name, 0 };
	size_t i, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* Not ended by NUL: the length counts. */
		field.name_len = strlen(names[i].name);
		memset(name, 'x', sizeof(name));
		memcpy(name, names[i].name, field.name_len);
		if (protect_wants(&field) != names[i].want) {
			printf("%s: got %d, wanted %d\n", names[i].name,
			    !names[i].want, names[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	memcpy(name, "Bcc\0x", 5);
	field.name_len = 5;
	assert_false(protect_wants(&field));
}

/* ENC-18, ENC-20: outside, with the Subject open and hidden. */
static void
test_outer(void **state)
{
	static const struct {
		const char		*name;
		enum outer_field	 open, hidden;
	} rows[] = {
		{ "Subject", OUTER_KEPT, OUTER_HIDDEN },
		{ "SUBJECT", OUTER_KEPT, OUTER_HIDDEN },
		{ "Subjects", OUTER_KEPT, OUTER_KEPT },
		{ "From", OUTER_KEPT, OUTER_KEPT },
		{ "To", OUTER_KEPT, OUTER_KEPT },
		{ "Date", OUTER_KEPT, OUTER_KEPT },
		{ "Message-ID", OUTER_KEPT, OUTER_KEPT },
		{ "References", OUTER_KEPT, OUTER_KEPT },
		{ "Comments", OUTER_REMOVED, OUTER_REMOVED },
		{ "keywords", OUTER_REMOVED, OUTER_REMOVED },
		{ "Thread-Topic", OUTER_KEPT, OUTER_REMOVED },
		{ "thread-index", OUTER_KEPT, OUTER_REMOVED },
		{ "X-Original-Subject", OUTER_KEPT, OUTER_REMOVED },
		{ "X-Mailer", OUTER_KEPT, OUTER_KEPT },
	};
	char name[64];
	struct header_field field = { name, 0, name, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		field.name_len = (size_t)snprintf(name, sizeof(name), "%s",
		    rows[i].name);
		if (outer_field(&field, false) != rows[i].open ||
		    outer_field(&field, true) != rows[i].hidden)
			fail_msg("%s: got %d and %d", rows[i].name,
			    outer_field(&field, false),
			    outer_field(&field, true));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sig53_names),
		cmocka_unit_test(test_outer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
