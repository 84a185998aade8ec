/*
 * test_authority.c - which certificates may be made an authority.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "pki.h"

#define DAY	86400

static int
setup(void **state)
{
	if (pki_setup(state) != 0)
		return -1;
	pki_mailbox("ok", "p256", "ok");
	pki_mailbox("ca", "p256", "ca");
	return 0;
}

static void
test_faults(void **state)
{
	static const struct {
		const char	*file;
		int		 year;		/* 0: now */
		const char	*want;		/* part of it; NULL: fit */
		const char	*want_id;
	} cases[] = {
		{ "root.pem", 0, NULL, NULL },
		{ "issuing.pem", 0, NULL, NULL },
		{ "other-root.pem", 0, NULL, NULL },
		{ "root-twin.pem", 0, NULL, NULL },
		{ "root.pem", 2019, NULL, NULL },	/* yet to begin */
		{ "root.pem", 2051, "expired", "habis" },
		{ "root-old.pem", 0, "expired", "habis" },
		{ "weak-issuing.pem", 0, "less than SHA-256",
		    "di bawah SHA-256" },
		{ "ok/cert.pem", 0, "not an authority", "bukan sertifikat" },
		{ "ca/cert.pem", 0, NULL, NULL },
	};
	const char *text;
	size_t i;
	time_t now;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		now = cases[i].year == 0 ? time(NULL) :
		    (time_t)(cases[i].year - 1970) * 365 * DAY;
		cert = pki_cert(cases[i].file);
		text = authority_fault(cert, now, false);
		if ((text == NULL) != (cases[i].want == NULL) ||
		    (text != NULL && strstr(text, cases[i].want) == NULL))
			fail_msg("%s: got %s", cases[i].file,
			    text != NULL ? text : "nothing");
		text = authority_fault(cert, now, true);
		if (text != NULL && strstr(text, cases[i].want_id) == NULL)
			fail_msg("%s: got %s", cases[i].file, text);
		X509_free(cert);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
