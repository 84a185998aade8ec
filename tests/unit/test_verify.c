/*
 * test_verify.c - the verdict on whole messages: what is right passes, and
 * each thing that is wrong has its own reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

#define FROM	"From: Budi <" BUDI ">\r\nSubject: Surat\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"

static struct person budi, siti, rsa, stranger;
static struct trust *trust;
static struct verify_settings settings;

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_mailbox("rsa", "rsa2048", "ok");
	pki_mailbox("stranger", "p256", "selfsigned");
	pki_make("mailbox", SITI, "p256", pki_path("siti"), NULL);
	budi = person_load("budi");
	siti = person_load("siti");
	rsa = person_load("rsa");
	stranger = person_load("stranger");
	trust = vmail_settings(&settings);
	return 0;
}

static int
teardown(void **state)
{
	person_free(&budi);
	person_free(&siti);
	person_free(&rsa);
	person_free(&stranger);
	trust_free(trust);
	return pki_teardown(state);
}

static void
expect(const char *what, const struct buf *message, enum verify_reason want)
{
	static const size_t pieces[] = { 0, 1, 7, 100 };
	struct verdict verdict;
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		vmail_verify(&settings, message->p, message->len, pieces[i],
		    &verdict);
		if (verdict.reason != want ||
		    verdict.word != verify_reason_verdict(want))
			fail_msg("%s, by %zu: got %s, wanted %s (%s)", what,
			    pieces[i], verify_reason_word(verdict.reason),
			    verify_reason_word(want), verdict.detail);
	}
}

/* One signature by BUDI, with one thing about it. */
static void
test_signatures(void **state)
{
	static const struct {
		const char		*what;
		const struct person	*who;
		unsigned		 flags;
		enum verify_reason	 want;
	} rows[] = {
		{ "detached", &budi, 0, VERIFY_GOOD },
		{ "RSA (VER-20)", &rsa, 0, VERIFY_GOOD },
		{ "PSS (VER-20)", &rsa, CMS_PSS, VERIFY_GOOD },
		{ "opaque", &budi, CMS_EMBED, VERIFY_GOOD },
		{ "BER (VER-27)", &budi, CMS_BER, VERIFY_GOOD },
		{ "opaque BER", &budi, CMS_BER | CMS_EMBED, VERIFY_GOOD },
		{ "key identifier (VER-19)", &budi, CMS_KEY_ID, VERIFY_GOOD },
		{ "unsorted attributes", &budi, CMS_UNSORTED, VERIFY_GOOD },
		{ "unsorted, in BER", &budi, CMS_UNSORTED | CMS_BER,
		    VERIFY_GOOD },
		{ "ESS", &budi, CMS_ESS, VERIFY_GOOD },
		{ "ESS of another (VER-14)", &budi, CMS_OTHER_ESS,
		    VERIFY_ESS },
		{ "protection", &budi, CMS_PROTECTION, VERIFY_GOOD },
		{ "other protection (VER-15)", &budi, CMS_OTHER_PROTECTION,
		    VERIFY_PROTECTION },
		{ "attribute certificates (VER-23)", &budi, CMS_OTHER_CERTS,
		    VERIFY_GOOD },
		{ "countersignature (VER-26)", &budi, CMS_COUNTERSIGNED,
		    VERIFY_GOOD },
		{ "digest twice (VER-12)", &budi, CMS_TWICE,
		    VERIFY_ATTRIBUTES },
		{ "digest with two values", &budi, CMS_TWO_VALUES,
		    VERIFY_ATTRIBUTES },
		{ "no content type", &budi, CMS_NO_TYPE, VERIFY_ATTRIBUTES },
		{ "no digest", &budi, CMS_NO_DIGEST, VERIFY_ATTRIBUTES },
		{ "unsigned content type", &budi, CMS_UNSIGNED_TYPE,
		    VERIFY_ATTRIBUTES },
		{ "capabilities twice (VER-13)", &budi, CMS_TWO_CAPABILITIES,
		    VERIFY_ATTRIBUTES },
		{ "no attributes (VER-11)", &budi, CMS_NO_ATTRIBUTES,
		    VERIFY_NO_ATTRIBUTES },
		{ "no attributes, opaque", &budi,
		    CMS_NO_ATTRIBUTES | CMS_EMBED, VERIFY_NO_ATTRIBUTES },
		{ "not data", &budi, CMS_OTHER_TYPE, VERIFY_CONTENT_TYPE },
		{ "no certificate", &budi, CMS_NO_CERTS,
		    VERIFY_NO_CERTIFICATE },
		{ "no signer (VER-16, ATK-04)", &budi, CMS_NO_SIGNERS,
		    VERIFY_CERTS_ONLY },
		{ "unknown version (VER-18)", &budi, CMS_VERSION_9,
		    VERIFY_VERSION },
		{ "bad signature", &budi, CMS_BAD_SIGNATURE,
		    VERIFY_SIGNATURE },
		{ "unknown digest", &budi, CMS_UNKNOWN_DIGEST,
		    VERIFY_ALGORITHM },
		{ "unknown signature", &budi, CMS_UNKNOWN_SIGNATURE,
		    VERIFY_ALGORITHM },
		{ "MD5 (VER-21)", &budi, CMS_MD5, VERIFY_WEAK },
		{ "DSA", &budi, CMS_DSA, VERIFY_WEAK },
		{ "no time", &budi, CMS_BAD_TIME, VERIFY_ATTRIBUTES },
		{ "octets behind the end", &budi, CMS_TRAILING,
		    VERIFY_SYNTAX },
		{ "self-signed (ATK-05)", &stranger, 0, VERIFY_UNTRUSTED },
		{ "another's (VER-30, ATK-10)", &siti, 0,
		    VERIFY_OTHER_ADDRESS },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cms cms = { .signers = { rows[i].who },
		    .content = ENTITY, .content_len = strlen(ENTITY),
		    .other = siti.cert, .flags = rows[i].flags };
		struct buf mail = { 0 };

		mail_build(FROM, &cms, &mail);
		expect(rows[i].what, &mail, rows[i].want);
		buf_free(&mail);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
