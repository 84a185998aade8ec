/*
 * test_verify_own.c - the verdict on signatures made here a moment ago says the
 * same as that on the message when it comes back from outside.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

#define CONTENT	"Content-Type: text/plain\r\n\r\nIsi.\r\n"

static const char *const profiles[] = { "ok", "noaddress", "expired",
	"bsre-document", "serverauth", "selfsigned", "subjectonly" };

static int
setup(void **state)
{
	size_t i;

	if (pki_setup(state) != 0)
		return -1;
	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		pki_mailbox(profiles[i], "p256", profiles[i]);
	pki_mailbox("revoked", "p256", "ok");
	pki_make("revoke", pki_path("revoked"), NULL);
	return 0;
}

static bool
always(void *arg, const char *address, const unsigned char fingerprint[32])
{
	(void)arg;
	(void)address;
	(void)fingerprint;
	return true;
}

static void
own(const struct verify_settings *settings, const struct buf *der,
    const char *serial, const char *address, struct verdict *out)
{
	struct smime_error err = { "" };
	time_t until;

	if (verify_own(settings, (unsigned char *)der->p, der->len, serial,
	    address, settings->pinned != NULL, out, &until, &err) != 0)
		fail_msg("%s", err.text);
	if ((until > settings->now) != (out->reason == VERIFY_GOOD &&
	    !out->crl_soft_fail))
		fail_msg("%s holds until %lld",
		    verify_reason_word(out->reason), (long long)until);
}

static void
test_same(void **state)
{
	static const struct {
		const char		*box, *address;
		bool			 pinned, soft, lists;
		enum verify_reason	 want;
	} rows[] = {
		{ "ok", BUDI, false, false, true, VERIFY_GOOD },
		{ "ok", BUDI, true, false, true, VERIFY_GOOD },
		{ "ok", SITI, true, false, true, VERIFY_OTHER_ADDRESS },
		{ "subjectonly", BUDI, false, false, true, VERIFY_GOOD },
		{ "noaddress", BUDI, false, false, true, VERIFY_NO_ADDRESS },
		{ "noaddress", BUDI, true, false, true, VERIFY_GOOD },
		{ "ok", BUDI, false, false, false, VERIFY_CRL_MISSING },
		{ "ok", BUDI, false, true, false, VERIFY_GOOD },
		{ "expired", BUDI, false, false, true, VERIFY_EXPIRED },
		{ "selfsigned", BUDI, false, false, true, VERIFY_UNTRUSTED },
		{ "serverauth", BUDI, true, false, true, VERIFY_USAGE },
		{ "bsre-document", BUDI, true, false, true, VERIFY_USAGE },
		{ "revoked", BUDI, false, false, true, VERIFY_REVOKED },
	};
	struct trust *bare = trust_new(), *full = vmail_trust();
	X509 *root = pki_cert("root.pem"), *issuing = pki_cert("issuing.pem");
	char serial[SERIAL_TEXT_MAX], head[256];
	struct verify_settings settings;
	struct verdict mine, theirs;
	size_t i;

	(void)state;
	assert_int_equal(trust_add_anchor(bare, root, NULL), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct person who = person_load(rows[i].box);
		struct cms cms = { .signers = { &who }, .content = CONTENT,
		    .content_len = strlen(CONTENT), .extra = { issuing } };
		struct buf der = { NULL, 0 }, mail = { NULL, 0 };

		verify_settings_init(&settings);
		settings.trust = rows[i].lists ? full : bare;
		settings.now = time(NULL);
		settings.crl_soft_fail = rows[i].soft;
		settings.pinned = rows[i].pinned ? always : NULL;
		cms_build(&cms, &der);
		cert_serial(who.cert, serial, sizeof(serial));
		own(&settings, &der, serial, rows[i].address, &mine);
		snprintf(head, sizeof(head), "From: %s\r\n", rows[i].address);
		mail_build(head, &cms, &mail);
		vmail_verify(&settings, mail.p, mail.len, 0, &theirs);
		if (mine.reason != rows[i].want ||
		    theirs.reason != rows[i].want)
			fail_msg("%s: own %s, from outside %s, want %s",
			    rows[i].box, verify_reason_word(mine.reason),
			    verify_reason_word(theirs.reason),
			    verify_reason_word(rows[i].want));
		assert_int_equal(mine.word, theirs.word);
		assert_int_equal(mine.pinned, theirs.pinned);
		assert_int_equal(mine.matches, theirs.matches);
		assert_int_equal(mine.validated, theirs.validated);
		assert_int_equal(mine.crl_soft_fail, theirs.crl_soft_fail);
		assert_string_equal(mine.common_name, theirs.common_name);
		assert_string_equal(mine.serial, theirs.serial);
		assert_memory_equal(mine.fingerprint, theirs.fingerprint, 32);
		buf_free(&der);
		buf_free(&mail);
		person_free(&who);
	}
	X509_free(root);
	X509_free(issuing);
	trust_free(bare);
	trust_free(full);
}

/* What cannot be read is a fault of ours, never good. */
static void
test_faults(void **state)
{
	struct trust *trust = vmail_trust();
	struct person budi = person_load("ok");
	struct cms cms = { .signers = { &budi }, .content = CONTENT,
	    .content_len = strlen(CONTENT) };
	struct buf der = { NULL, 0 };
	struct verify_settings settings;
	struct verdict verdict;
	time_t until;
	size_t len;

	(void)state;
	verify_settings_init(&settings);
	settings.trust = trust;
	settings.now = time(NULL);
	cms_build(&cms, &der);
	assert_int_equal(verify_own(&settings, (unsigned char *)der.p,
	    der.len, "00", BUDI, false, &verdict, &until, NULL), -1);
	for (len = 0; len < der.len; len++) {
		assert_int_equal(verify_own(&settings,
		    (unsigned char *)der.p, len, "00", BUDI, false, &verdict,
		    &until, NULL), -1);
		assert_int_not_equal(verdict.word, VERDICT_PASS);
	}
	buf_free(&der);
	person_free(&budi);
	trust_free(trust);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
