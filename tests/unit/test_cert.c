/*
 * test_cert.c - what a certificate says, and every rule for signing with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "pki.h"

static int
setup(void **state)
{
	pki_setup(state);
	pki_make("specials", NULL);
	return 0;
}

static X509 *
special(const char *name)
{
	return load_cert(pki_path("special/%s/cert.pem", name));
}

static void
list_findings(const struct cert_findings *findings, char *out, size_t size)
{
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < findings->count; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s",
		    i > 0 ? " " : "", cert_problem_word(findings->problem[i]));
}

/* SIG-42, SIG-44, CRT-10, CRT-13, CRT-20, CRT-21, CRT-33, CRT-34, CRT-37 */
static const struct {
	const char	*name;
	const char	*want;		/* findings for BUDI */
} rows[] = {
	{ "ok",			"" },
	{ "rsa2048",		"" },
	{ "rsa3072",		"" },
	{ "p256",		"" },
	{ "p384",		"" },
	{ "rsa1024",		"weak-key" },
	{ "p521",		"weak-key" },
	{ "secp256k1",		"weak-key" },
	{ "ed25519",		"key-type" },
	{ "pss",		"key-type" },
	{ "expired",		"expired" },
	{ "future",		"not-yet-valid" },
	{ "noaddress",		"no-address" },
	{ "subjectonly",	"" },
	{ "both",		"" },
	{ "several",		"" },
	{ "upper",		"" },
	{ "nul",		"no-address" },
	{ "space",		"no-address" },
	{ "smtputf8",		"no-address" },
	{ "emptysubject",	"" },
	{ "bsre-document",	"document-profile no-address" },
	{ "keyencipherment",	"key-usage" },
	{ "keyagreement",	"key-usage" },
	{ "nonrepudiation",	"" },
	{ "nokeyusage",		"" },
	{ "serverauth",		"extended-key-usage" },
	{ "anyeku",		"" },
	{ "noeku",		"" },
	{ "criticalext",	"critical-extension" },
	{ "ca",			"ca" },
	{ "sha1",		"weak-signature" },
	{ "selfsigned",		"" },	/* the chain's affair */
	{ "otherroot",		"" },
	{ "weakchain",		"" },
	{ "revoked",		"" },
};

static void
test_rules(void **state)
{
	struct cert_findings findings;
	char got[256];
	size_t i, k;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cert = special(rows[i].name);
		cert_check_signing(cert, BUDI, time(NULL), &findings);
		list_findings(&findings, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: got \"%s\", wanted \"%s\"",
			    rows[i].name, got, rows[i].want);
		for (k = 0; k < findings.count; k++)
			assert_true(cert_has_finding(&findings,
			    findings.problem[k]));
		assert_false(cert_has_finding(&findings, CERT_KEY_MISMATCH));
		X509_free(cert);
	}
}

/*
 * ENC-06, ENC-07: the certificates made for signing alone, and the same made
 * for encrypting.
 */
static void
test_encryption_rules(void **state)
{
	static const struct {
		const char	*name;
		const char	*want;		/* findings for BUDI */
	} asked[] = {
		{ "ok",			"encryption-usage" },
		{ "rsa2048",		"encryption-usage" },
		{ "nonrepudiation",	"encryption-usage" },
		{ "keyencipherment",	"encryption-usage" },	/* of EC */
		{ "keyagreement",	"" },
		{ "nokeyusage",		"" },
		{ "ed25519",		"encryption-key encryption-usage" },
		{ "pss",		"encryption-key encryption-usage" },
		{ "rsa1024",		"encryption-usage weak-key" },
		{ "p521",		"encryption-usage weak-key" },
		{ "expired",		"expired encryption-usage" },
		{ "future",		"not-yet-valid encryption-usage" },
		{ "noaddress",		"no-address encryption-usage" },
		{ "bsre-document",
		    "document-profile no-address encryption-usage" },
		{ "serverauth",		"encryption-usage extended-key-usage" },
		{ "anyeku",		"encryption-usage" },
		{ "sha1",		"encryption-usage weak-signature" },
		{ "ca",			"encryption-usage ca" },
		{ "criticalext",	"encryption-usage critical-extension" },
	};
	struct cert_findings findings;
	char got[256];
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		cert = special(asked[i].name);
		cert_check_encryption(cert, BUDI, time(NULL), &findings);
		list_findings(&findings, got, sizeof(got));
		if (strcmp(got, asked[i].want) != 0)
			fail_msg("%s: got \"%s\", wanted \"%s\"",
			    asked[i].name, got, asked[i].want);
		X509_free(cert);
	}
	/* RFC 9216's Carlos: X25519 for encrypting, by RFC 8418. */
	cert = load_cert("tests/data/rfc9216/carlos-encrypt.pem");
	cert_check_encryption(cert, "carlos@smime.example", 1700000000,
	    &findings);
	list_findings(&findings, got, sizeof(got));
	assert_string_equal(got, "encryption-key");
	X509_free(cert);
	cert = load_cert("tests/data/rfc9216/alice-encrypt.pem");
	cert_check_encryption(cert, "alice@smime.example", 1700000000,
	    &findings);
	assert_int_equal(findings.count, 0);
	X509_free(cert);
}

/* Another address; no address asked for. */
static void
test_address_rules(void **state)
{
	static const struct {
		const char	*name, *address, *want;
	} asked[] = {
		{ "ok",		SITI,	"other-address" },
		{ "both",	"lain@dinkes.pekalongankab.go.id",
		    "other-address" },
		{ "subjectonly", SITI,	"other-address" },
		{ "noaddress",	NULL,	"" },
		{ "several",	"tu." BUDI, "" },
		{ "ok",		NULL,	"" },
		{ "bsre-document", NULL, "document-profile" },
	};
	struct cert_findings findings;
	char got[256];
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		cert = special(asked[i].name);
		cert_check_signing(cert, asked[i].address, time(NULL),
		    &findings);
		list_findings(&findings, got, sizeof(got));
		if (strcmp(got, asked[i].want) != 0)
			fail_msg("%s for %s: got \"%s\", wanted \"%s\"",
			    asked[i].name, asked[i].address != NULL ?
			    asked[i].address : "anybody", got, asked[i].want);
		X509_free(cert);
	}
}

/* The first and the last second of a certificate's life are part of it. */
static void
test_validity(void **state)
{
	X509 *cert = special("ok");
	time_t first = cert_not_before(cert), last = cert_not_after(cert);
	const struct {
		time_t		 now;
		enum cert_problem problem;
	} times[] = {
		{ first - 1, CERT_NOT_YET_VALID }, { first, CERT_OK },
		{ last, CERT_OK }, { last + 1, CERT_EXPIRED },
	};
	struct cert_findings findings;
	size_t i;

	(void)state;
	assert_true(last > first);
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		cert_check_signing(cert, BUDI, times[i].now, &findings);
		assert_int_equal(findings.count,
		    times[i].problem != CERT_OK);
		if (findings.count > 0)
			assert_int_equal(findings.problem[0],
			    times[i].problem);
	}
	X509_free(cert);
}

static void
join_address(void *arg, const char *address)
{
	char *out = arg;

	if (out[0] != '\0')
		strcat(out, " ");
	strcat(out, address);
}

/* CRT-33, CRT-34, CRT-38 */
static void
test_addresses(void **state)
{
	static const struct {
		const char	*name, *want;
	} named[] = {
		{ "ok", BUDI },
		{ "upper", BUDI },
		{ "several", "tu." BUDI " " BUDI },
		{ "both", BUDI },
		{ "subjectonly", BUDI },
		{ "noaddress", "" },
		{ "nul", "" },
		{ "space", "" },
		{ "smtputf8", "" },
		{ "bsre-document", "" },
	};
	char got[512];
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		cert = special(named[i].name);
		got[0] = '\0';
		cert_each_email(cert, join_address, got);
		if (strcmp(got, named[i].want) != 0)
			fail_msg("%s: got \"%s\", wanted \"%s\"",
			    named[i].name, got, named[i].want);
		assert_int_equal(cert_has_email(cert, BUDI),
		    strstr(named[i].want, BUDI) != NULL);
		assert_false(cert_has_email(cert, SITI));
		assert_false(cert_has_email(cert, ""));
		X509_free(cert);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char		*name, *key;
		enum smime_digest	 digest;
	} keys[] = {
		{ "rsa2048", "RSA-2048", SMIME_SHA256 },
		{ "pss", "RSA-PSS-2048", SMIME_SHA256 },
		{ "p256", "P-256", SMIME_SHA256 },
		{ "p384", "P-384", SMIME_SHA384 },
		{ "p521", "P-521", SMIME_SHA256 },
		{ "secp256k1", "secp256k1", SMIME_SHA256 },
		{ "ed25519", "ED25519", SMIME_SHA256 },
	};
	char text[256];
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		cert = special(keys[i].name);
		cert_key_name(cert, text, sizeof(text));
		assert_string_equal(text, keys[i].key);
		assert_int_equal(cert_digest(cert), keys[i].digest);
		X509_free(cert);
	}
	cert = special("ok");
	cert_common_name(cert, text, sizeof(text));
	assert_string_equal(text, "budi");
	cert_common_name(cert, text, 3);
	assert_string_equal(text, "bu");
	cert_subject(cert, text, sizeof(text));
	assert_string_equal(text, "CN=budi,OU=dinkes,"
	    "O=Pemerintah Kabupaten Pekalongan,C=ID");
	cert_issuer(cert, text, sizeof(text));
	assert_string_equal(text,
	    "CN=Sampul test issuing CA,O=Sampul test authority,C=ID");
	cert_issuer(cert, text, 12);
	assert_string_equal(text, "CN=Sampu...");
	X509_free(cert);
	cert = special("emptysubject");
	cert_common_name(cert, text, sizeof(text));
	assert_string_equal(text, "");
	cert_subject(cert, text, sizeof(text));
	assert_string_equal(text, "");
	X509_free(cert);
}

/* What a name may hold, and what of it reaches a line for people. */
static void
test_common_name(void **state)
{
	static const struct {
		int		 type;
		const char	*input;
		int		 len;
		const char	*want;
	} names[] = {
		{ MBSTRING_UTF8, "Budi Dinkes, S.E.", -1,
		    "Budi Dinkes, S.E." },
		{ MBSTRING_UTF8, "B\xc5\xab" "di", -1, "B\xc5\xab" "di" },
		{ V_ASN1_UTF8STRING, "a\nb\x7f\xc2\x9b" "c", 7, "a?b??c" },
		{ V_ASN1_UTF8STRING, "a\0b", 3, "a?b" },
		{ V_ASN1_UTF8STRING, "x\xe2\x80\xaey", 5, "x?y" },
		{ V_ASN1_T61STRING, "\xe9t", 2, "\xc3\xa9t" },
		{ V_ASN1_BMPSTRING, "\0A\1\x6b", 4, "A\xc5\xab" },
	};
	char got[64];
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cert = X509_new();
		assert_int_equal(X509_NAME_add_entry_by_txt(
		    X509_get_subject_name(cert), "CN", names[i].type,
		    (const unsigned char *)names[i].input, names[i].len, -1,
		    0), 1);
		cert_common_name(cert, got, sizeof(got));
		if (strcmp(got, names[i].want) != 0)
			fail_msg("name %zu: got \"%s\", wanted \"%s\"", i,
			    got, names[i].want);
		X509_free(cert);
	}
}

static void
test_serial(void **state)
{
	static const struct {
		const char	*decimal;
		size_t		 size;
		const char	*want;
	} serials[] = {
		{ "0", 64, "00" },
		{ "255", 64, "FF" },
		{ "-1", 64, "-01" },
		{ "1311768467463790320", 64, "123456789ABCDEF0" },
		{ "1311768467463790320", 6, "1234" },
	};
	char got[SERIAL_TEXT_MAX];
	BIGNUM *number = NULL;
	size_t i;
	X509 *cert;

	(void)state;
	for (i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		cert = X509_new();
		BN_dec2bn(&number, serials[i].decimal);
		BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
		cert_serial(cert, got, serials[i].size);
		if (strcmp(got, serials[i].want) != 0)
			fail_msg("%s: got %s, wanted %s", serials[i].decimal,
			    got, serials[i].want);
		X509_free(cert);
	}
	BN_free(number);
}

/* Every word is another, every sentence is there in both languages. */
static void
test_texts(void **state)
{
	int i, k;

	(void)state;
	for (i = CERT_OK; i <= CERT_CRL_STALE; i++) {
		assert_true(strlen(cert_problem_text(i, false)) > 20);
		assert_true(strlen(cert_problem_text(i, true)) > 20);
		assert_string_not_equal(cert_problem_text(i, false),
		    cert_problem_text(i, true));
		for (k = CERT_OK; k < i; k++)
			assert_string_not_equal(cert_problem_word(i),
			    cert_problem_word(k));
	}
	assert_non_null(strstr(cert_problem_text(CERT_DOCUMENT_PROFILE, true),
	    "BSrE"));
	assert_non_null(strstr(cert_problem_text(CERT_DOCUMENT_PROFILE,
	    false), "emailProtection"));
	assert_string_equal(cert_problem_word(99), "unknown");
	assert_non_null(cert_problem_text(99, true));
}

/* ------------------------------------------------------------- reading --- */

static int
read_count(const void *buf, size_t len, size_t max, char *text, size_t size)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *list;
	int n = -1;

	if (cert_read(buf, len, max, "cert.pem", &list, &err) == 0) {
		n = sk_X509_num(list);
		assert_string_equal(err.text, "");
		sk_X509_pop_free(list, X509_free);
	} else
		assert_null(list);
	snprintf(text, size, "%s", err.text);
	return n;
}

static void
test_read(void **state)
{
	char *a, *b, *key, all[32768], text[SMIME_ERROR_MAX];
	size_t na, nb, nk, n;
	struct {
		const char	*what, *one, *two, *three;
		size_t		 max;
		int		 count;
		const char	*want;
	} files[] = {
		{ "nothing", "", "", "", 9, -1, "cert.pem is empty" },
		{ "text", "hello\n", "", "", 9, -1,
		    "cert.pem holds no certificate" },
		{ "one", NULL, "", "", 9, 1, "" },
		{ "two", NULL, NULL, "", 9, 2, "" },
		{ "two, but one allowed", NULL, NULL, "", 1, -1,
		    "cert.pem holds more than 1 certificates" },
		{ "text before and between", "hello\n", NULL, NULL, 9, 2, "" },
		{ "a key alone", "", "", "key", 9, -1,
		    "cert.pem holds no certificate" },
		{ "a key behind", NULL, "", "key", 9, 1, "" },
		{ "damaged base64", "-----BEGIN CERTIFICATE-----\n!!!!\n"
		    "-----END CERTIFICATE-----\n", NULL, "", 9, -1,
		    "cert.pem is damaged PEM" },
		{ "CRT-43 an attribute certificate before it",
		    "-----BEGIN ATTRIBUTE CERTIFICATE-----\nMAA=\n"
		    "-----END ATTRIBUTE CERTIFICATE-----\n", NULL, "", 9, 1,
		    "" },
		{ "no certificates inside", "-----BEGIN PKCS7-----\n"
		    "MAA=\n-----END PKCS7-----\n", "", "", 9, -1,
		    "cert.pem holds a certificate that cannot be read" },
		{ "no certificate inside", "-----BEGIN CERTIFICATE-----\n"
		    "MAA=\n-----END CERTIFICATE-----\n", "", "", 9, -1,
		    "cert.pem holds a certificate that cannot be read" },
	};
	size_t i;

	(void)state;
	a = read_whole(pki_path("special/ok/cert.pem"), &na);
	b = read_whole(pki_path("issuing.pem"), &nb);
	key = read_whole(pki_path("special/ok/key.pem"), &nk);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		n = (size_t)snprintf(all, sizeof(all), "%s%s%s",
		    files[i].one != NULL ? files[i].one : a,
		    files[i].two != NULL ? files[i].two : b,
		    files[i].three == NULL ? a :
		    strcmp(files[i].three, "key") == 0 ? key : "");
		if (read_count(all, n, files[i].max, text, sizeof(text)) !=
		    files[i].count || strncmp(text, files[i].want,
		    strlen(files[i].want)) != 0)
			fail_msg("%s: \"%s\"", files[i].what, text);
	}
	free(a);
	free(b);
	free(key);
}

/* DER: exactly one, no octet missing, none behind. */
static void
test_read_der(void **state)
{
	X509 *cert = special("ok");
	char text[SMIME_ERROR_MAX];
	unsigned char *der = NULL, *copy;
	size_t n, len;

	(void)state;
	len = (size_t)i2d_X509(cert, &der);
	for (n = 0; n <= len + 1; n++) {
		copy = malloc(n > 0 ? n : 1);
		memcpy(copy, der, n < len ? n : len);
		if (n > len)
			copy[len] = 0;
		if ((read_count(copy, n, 3, text, sizeof(text)) == 1) !=
		    (n == len))
			fail_msg("%zu of %zu octets: \"%s\"", n, len, text);
		free(copy);
	}
	OPENSSL_free(der);
	X509_free(cert);
}

/*
 * CRT-42: a SignedData of certificates alone, in DER and in PEM; cut at every
 * length it is a sentence, never a crash.
 */
static void
test_read_certs_only(void **state)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	char text[SMIME_ERROR_MAX], pem[16384];
	unsigned char *der = NULL, *copy;
	CMS_ContentInfo *cms;
	size_t n, len, pem_len;
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	sk_X509_push(certs, special("ok"));
	sk_X509_push(certs, special("both"));
	cms = CMS_sign(NULL, NULL, certs, NULL, CMS_BINARY | CMS_PARTIAL);
	assert_non_null(cms);
	len = (size_t)i2d_CMS_ContentInfo(cms, &der);
	assert_int_equal(read_count(der, len, 3, text, sizeof(text)), 2);
	assert_int_equal(read_count(der, len, 1, text, sizeof(text)), -1);
	assert_non_null(strstr(text, "more than 1 certificates"));
	for (n = 0; n <= len + 1; n++) {
		copy = malloc(n > 0 ? n : 1);
		memcpy(copy, der, n < len ? n : len);
		if (n > len)
			copy[len] = 0;
		if ((read_count(copy, n, 3, text, sizeof(text)) == 2) !=
		    (n == len))
			fail_msg("%zu of %zu octets: \"%s\"", n, len, text);
		free(copy);
	}
	PEM_write_bio(bio, PEM_STRING_PKCS7, "", der, (long)len);
	pem_len = (size_t)BIO_read(bio, pem, sizeof(pem));
	assert_int_equal(read_count(pem, pem_len, 3, text, sizeof(text)), 2);
	BIO_free(bio);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	sk_X509_pop_free(certs, X509_free);
}

/* PEM cut at every length: one certificate or a sentence, never a crash. */
static void
test_read_cut(void **state)
{
	char *pem, *copy, text[SMIME_ERROR_MAX];
	size_t n, len;

	(void)state;
	pem = read_whole(pki_path("special/ok/cert.pem"), &len);
	for (n = 0; n <= len; n++) {
		copy = malloc(n > 0 ? n : 1);
		memcpy(copy, pem, n);
		if (read_count(copy, n, 3, text, sizeof(text)) == 1 ?
		    n + 1 < len : text[0] == '\0')
			fail_msg("%zu of %zu octets: \"%s\"", n, len, text);
		free(copy);
	}
	free(pem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_encryption_rules),
		cmocka_unit_test(test_address_rules),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_common_name),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_der),
		cmocka_unit_test(test_read_certs_only),
		cmocka_unit_test(test_read_cut),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
