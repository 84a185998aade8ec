/*
 * test_recipient.c - whether mail may be encrypted to a certificate: rules,
 * path, revocation and what is remembered of them (ENC-05 to ENC-07).
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

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("rsa", "rsa2048", "encryption");
	pki_mailbox("ec", "p256", "encryption");
	pki_mailbox("caps", "rsa2048", "capabilities");
	pki_mailbox("sign", "rsa2048", "ok");
	pki_mailbox("other-root", "p256", "otherroot");
	pki_mailbox("weakchain", "p256", "weakchain");
	pki_mailbox("revoked", "p256", "encryption");
	pki_make("revoke", pki_path("revoked"), NULL);
	return 0;
}

static void
add_crl(struct trust *trust, const char *name)
{
	struct smime_error err = { "" };
	X509_CRL *crl;
	char *text;
	size_t len;

	text = read_whole(pki_path("%s", name), &len);
	if (crl_read(text, len, name, &crl, &err) != 0 ||
	    trust_add_crl(trust, crl, &err) != 0)
		fail_msg("%s", err.text);
	X509_CRL_free(crl);
	free(text);
}

static struct trust *
make_trust(bool lists)
{
	struct smime_error err = { "" };
	struct trust *trust = trust_new();
	X509 *root = pki_cert("root.pem"), *issuing = pki_cert("issuing.pem");

	assert_non_null(trust);
	assert_int_equal(trust_add_anchor(trust, root, &err), 0);
	assert_int_equal(trust_add_intermediate(trust, issuing, &err), 0);
	if (lists) {
		add_crl(trust, "root.crl.pem");
		add_crl(trust, "issuing.crl.pem");
	}
	X509_free(root);
	X509_free(issuing);
	return trust;
}

static void
ask(const struct recipient_settings *settings, const char *name,
    const char *address, const char *want)
{
	struct recipient_findings findings;
	struct smime_error err = { "" };
	X509 *cert = pki_mailbox_cert(name);
	char got[256] = "";
	size_t i, n = 0;

	if (recipient_check(settings, cert, NULL, address, &findings,
	    &err) != 0)
		fail_msg("%s: %s", name, err.text);
	for (i = 0; i < findings.findings.count; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s",
		    n > 0 ? " " : "",
		    cert_problem_word(findings.findings.problem[i]));
	if (strcmp(got, want) != 0)
		fail_msg("%s for %s: got \"%s\" (%s), wanted \"%s\"", name,
		    address, got, findings.detail, want);
	X509_free(cert);
}

static void
test_check(void **state)
{
	static const struct {
		const char	*name, *address;
		bool		 lists, soft;
		const char	*want;
	} rows[] = {
		{ "rsa",	BUDI, true, false,	"" },
		{ "ec",		BUDI, true, false,	"" },
		{ "rsa",	SITI, true, false,	"other-address" },
		{ "rsa",	"*@dinkes.pekalongankab.go.id", true, false,
		    "other-address" },
		{ "rsa",	"budi+arsip@dinkes.pekalongankab.go.id", true,
		    false, "other-address" },
		{ "sign",	BUDI, true, false,	"encryption-usage" },
		{ "other-root",	BUDI, true, false,
		    "encryption-usage unknown-issuer" },
		{ "weakchain",	BUDI, true, false,
		    "encryption-usage unknown-issuer" },
		{ "revoked",	BUDI, true, false,	"revoked" },
		{ "revoked",	BUDI, true, true,	"revoked" },
		{ "rsa",	BUDI, false, false,	"crl-missing" },
		{ "rsa",	BUDI, false, true,	"" },
	};
	struct recipient_settings settings = { .now = time(NULL) };
	struct trust *trust[2] = { make_trust(false), make_trust(true) };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		settings.trust = trust[rows[i].lists];
		settings.crl_soft_fail = rows[i].soft;
		ask(&settings, rows[i].name, rows[i].address, rows[i].want);
	}
	settings.trust = NULL;
	ask(&settings, "rsa", BUDI, "unknown-issuer");
	trust_free(trust[0]);
	trust_free(trust[1]);
}

/* What is remembered is the path alone, for one trust and until its end. */
static void
test_cache(void **state)
{
	struct recipient_settings settings = { .now = time(NULL),
	    .generation = 7 };
	struct trust *trust = make_trust(true), *none = trust_new();

	(void)state;
	settings.cache = verify_cache_new(16);
	settings.trust = none;
	ask(&settings, "rsa", BUDI, "unknown-issuer");
	settings.trust = trust;
	ask(&settings, "rsa", BUDI, "");
	ask(&settings, "revoked", BUDI, "revoked");
	settings.trust = none;		/* so that an answer is remembered */
	ask(&settings, "rsa", BUDI, "");
	ask(&settings, "rsa", SITI, "other-address");
	ask(&settings, "revoked", BUDI, "unknown-issuer");
	settings.generation = 8;
	ask(&settings, "rsa", BUDI, "unknown-issuer");
	settings.generation = 7;
	settings.now += 3651L * 86400;	/* the lists have ended */
	ask(&settings, "rsa", BUDI, "expired unknown-issuer");
	verify_cache_free(settings.cache);
	trust_free(trust);
	trust_free(none);
}

static void
test_stale(void **state)
{
	struct recipient_settings settings = { .now = time(NULL) };
	struct trust *trust = make_trust(true);

	(void)state;
	pki_make("mailbox", BUDI, "p256", pki_path("long"), "encryption",
	    "5000", NULL);
	settings.trust = trust;
	settings.now += 3700L * 86400;
	ask(&settings, "long", BUDI, "crl-stale");
	settings.crl_soft_fail = true;
	ask(&settings, "long", BUDI, "");
	trust_free(trust);
}

static void
test_capabilities(void **state)
{
	static const unsigned char odd[][12] = {
		{ 0x30, 0x80 }, { 0x31, 0x00 }, { 0x30, 0x02, 0x30, 0x00 },
		{ 0x30, 0x00, 0x00 },
		{ 0x30, 0x03, 0x02, 0x01, 0x01 },
	};
	static const size_t lengths[] = { 2, 2, 4, 3, 5 };
	unsigned bits = 99;
	X509 *cert = pki_mailbox_cert("caps");
	size_t i;

	(void)state;
	assert_int_equal(cert_capabilities(cert), SMIME_CAP_AES256_GCM |
	    SMIME_CAP_RSA_OAEP);
	assert_true(cert_is_rsa(cert));
	X509_free(cert);
	cert = pki_mailbox_cert("ec");
	assert_int_equal(cert_capabilities(cert), 0);
	assert_false(cert_is_rsa(cert));
	X509_free(cert);
	assert_true(capabilities_read((const unsigned char *)"\x30\0", 2,
	    &bits));
	assert_int_equal(bits, 0);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		bits = 99;
		assert_false(capabilities_read(odd[i], lengths[i], &bits));
		assert_int_equal(bits, 0);
	}
}

/*
 * RFC 4055 4.1: a key of a type that OpenSSL does not read is a finding like
 * others, with its name, and no fault that would keep the message for ever.
 */
static void
test_oaep_key(void **state)
{
	struct recipient_settings settings = { .now = time(NULL) };
	struct trust *trust = make_trust(true);
	X509 *cert;

	(void)state;
	settings.trust = trust;
	pki_mailbox("oaep", "rsa2048", "encryption");
	pki_oaep("oaep");
	ask(&settings, "oaep", BUDI,
	    "encryption-key encryption-usage weak-key");
	cert = pki_mailbox_cert("oaep");
	assert_false(cert_is_rsa(cert));
	assert_int_equal(cert_capabilities(cert), 0);
	X509_free(cert);
	trust_free(trust);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_oaep_key),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
