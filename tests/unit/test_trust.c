/*
 * test_trust.c - paths that hold, paths that do not, and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "../../smime/smime.h"
#include "pki.h"

static int
setup(void **state)
{
	pki_setup(state);
	pki_make("specials", NULL);
	return 0;
}

static void
add(struct trust *trust, const char *names, bool anchor)
{
	struct smime_error err = { "" };
	char copy[200], *name, *save;
	X509 *cert;

	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok_r(copy, " ", &save); name != NULL;
	    name = strtok_r(NULL, " ", &save)) {
		cert = pki_cert(name);
		assert_int_equal(anchor ?
		    trust_add_anchor(trust, cert, &err) :
		    trust_add_intermediate(trust, cert, &err), 0);
		X509_free(cert);
	}
}

#define YEAR	(365 * 86400)

static const struct {
	const char		*what;
	const char		*cert;		/* of the specials */
	const char		*anchors;
	const char		*intermediates;
	const char		*extra;
	long			 later;		/* seconds from now */
	enum cert_problem	 want;
	int			 chain;		/* certificates in it */
	const char		*sentence;	/* part of it */
} rows[] = {
	{ "root and intermediate", "ok", "root.pem", "issuing.pem", "", 0,
	    CERT_OK, 1, NULL },
	{ "intermediate with the message", "ok", "root.pem", "",
	    "issuing.pem", 0, CERT_OK, 1, NULL },
	{ "both, and others", "ok", "root.pem other-root.pem",
	    "issuing.pem weak-issuing.pem", "issuing.pem", 0, CERT_OK, 1,
	    NULL },
	{ "no anchor", "ok", "", "issuing.pem", "", 0, CERT_UNKNOWN_ISSUER, 0,
	    "unable to get" },
	{ "no intermediate", "ok", "root.pem", "", "", 0,
	    CERT_UNKNOWN_ISSUER, 0, "unable to get local issuer" },
	{ "another root alone (CRT-09)", "ok", "other-root.pem",
	    "issuing.pem", "root.pem", 0, CERT_UNKNOWN_ISSUER, 0, NULL },
	{ "by another root", "otherroot", "root.pem", "issuing.pem", "", 0,
	    CERT_UNKNOWN_ISSUER, 0, NULL },
	{ "self-signed", "selfsigned", "root.pem", "issuing.pem", "", 0,
	    CERT_UNKNOWN_ISSUER, 0, "self-signed" },
	{ "anchor that is no root", "ok", "issuing.pem", "", "", 0, CERT_OK,
	    1, NULL },
	{ "old root beside the new (CRT-12)", "ok", "root-old.pem root.pem",
	    "issuing.pem", "", 0, CERT_OK, 1, NULL },
	{ "the other way round", "ok", "root.pem root-old.pem",
	    "issuing.pem", "", 0, CERT_OK, 1, NULL },
	{ "old root alone", "ok", "root-old.pem", "issuing.pem", "", 0,
	    CERT_UNKNOWN_ISSUER, 0, "expired" },
	{ "root of the same name, other key (CRT-12)", "ok",
	    "root-twin.pem root.pem", "issuing.pem", "", 0, CERT_OK, 1, NULL },
	{ "that one alone", "ok", "root-twin.pem", "issuing.pem", "", 0,
	    CERT_UNKNOWN_ISSUER, 0, NULL },
	{ "expired", "expired", "root.pem", "issuing.pem", "", 0,
	    CERT_EXPIRED, 0, "CN=budi" },
	{ "expired, when it was not", "expired", "root.pem", "issuing.pem",
	    "", 1640995200, CERT_OK, 1, NULL },
	{ "not yet valid", "future", "root.pem", "issuing.pem", "", 0,
	    CERT_NOT_YET_VALID, 0, "not yet valid" },
	{ "three years on", "ok", "root.pem", "issuing.pem", "", 3 * YEAR,
	    CERT_EXPIRED, 0, NULL },
	{ "the issuing CA over as well", "future", "root.pem", "issuing.pem",
	    "", 21 * YEAR + YEAR / 2, CERT_UNKNOWN_ISSUER, 0, "issuing CA" },
	{ "intermediate by SHA-1 (CRT-13)", "weakchain", "root.pem",
	    "weak-issuing.pem", "", 0, CERT_WEAK_SIGNATURE, 0, "weak CA" },
	{ "SHA-1 certificate", "sha1", "root.pem", "issuing.pem", "", 0,
	    CERT_WEAK_SIGNATURE, 0, NULL },
	{ "RSA-1024", "rsa1024", "root.pem", "issuing.pem", "", 0,
	    CERT_WEAK_KEY, 0, NULL },
	{ "unknown critical extension", "criticalext", "root.pem",
	    "issuing.pem", "", 0, CERT_CRITICAL_EXTENSION, 0, NULL },
	{ "purpose is not asked here", "bsre-document", "root.pem",
	    "issuing.pem", "", 0, CERT_OK, 1, NULL },
	{ "nor TLS", "serverauth", "root.pem", "issuing.pem", "", 0, CERT_OK,
	    1, NULL },
	{ "no subject (CRT-37)", "emptysubject", "root.pem", "issuing.pem",
	    "", 0, CERT_OK, 1, NULL },
	{ "a CA under pathlen 0, itself", "ca", "root.pem", "issuing.pem", "",
	    0, CERT_OK, 1, NULL },
	{ "P-384", "p384", "root.pem", "issuing.pem", "", 0, CERT_OK, 1,
	    NULL },
};

static void
test_paths(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smime_error err = { "" };
		struct trust *trust = trust_new();
		STACK_OF(X509) *extra = NULL, *chain = NULL;
		enum cert_problem got;
		X509 *cert = load_cert(pki_path("special/%s/cert.pem",
		    rows[i].cert));
		time_t when = time(NULL) + rows[i].later;

		if (rows[i].later > 1000000000)
			when = rows[i].later;
		add(trust, rows[i].anchors, true);
		add(trust, rows[i].intermediates, false);
		if (rows[i].extra[0] != '\0')
			extra = pki_push(NULL, pki_cert(rows[i].extra));
		got = trust_check(trust, cert, extra, when, &chain, &err);
		if (got != rows[i].want)
			fail_msg("%s: got %s, wanted %s (%s)", rows[i].what,
			    cert_problem_word(got),
			    cert_problem_word(rows[i].want), err.text);
		if ((got == CERT_OK) != (err.text[0] == '\0') ||
		    (rows[i].sentence != NULL &&
		    strstr(err.text, rows[i].sentence) == NULL))
			fail_msg("%s: \"%s\"", rows[i].what, err.text);
		if ((got == CERT_OK) != (chain != NULL) || (chain != NULL &&
		    sk_X509_num(chain) != rows[i].chain))
			fail_msg("%s: a chain of %d, wanted %d", rows[i].what,
			    sk_X509_num(chain), rows[i].chain);
		/* The same without asking for the chain. */
		assert_int_equal(trust_check(trust, cert, extra, when, NULL,
		    NULL), got);
		sk_X509_pop_free(chain, X509_free);
		sk_X509_pop_free(extra, X509_free);
		X509_free(cert);
		trust_free(trust);
	}
}

static void
test_count(void **state)
{
	struct trust *trust = trust_new();

	(void)state;
	assert_int_equal(trust_anchors(trust), 0);
	add(trust, "root.pem other-root.pem", true);
	assert_int_equal(trust_anchors(trust), 2);
	trust_free(trust);
	trust_free(NULL);
}

/* ------------------------------------------------ certificates by hand --- */

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* Without key identifiers; ca < 0 is no CA, else its path length. */
static X509 *
issue(const char *name, EVP_PKEY *key, const char *issuer, EVP_PKEY *by,
    int ca, const EVP_MD *md)
{
	X509 *cert = X509_new();
	char value[64];

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), rand());
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(cert), "CN",
	    MBSTRING_UTF8, (const unsigned char *)issuer, -1, -1, 0);
	snprintf(value, sizeof(value), "CA:%s", ca >= 0 ? "TRUE" : "FALSE");
	if (ca >= 0 && ca < 10)
		snprintf(value, sizeof(value), "CA:TRUE,pathlen:%d", ca);
	extend(cert, cert, NID_basic_constraints, value);
	if (ca >= 0)
		extend(cert, cert, NID_key_usage, "keyCertSign");
	assert_true(X509_sign(cert, by, md) > 0);
	return cert;
}

/* CRT-12 with nothing but names: the signature finds the right one. */
static void
test_twins(void **state)
{
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
	EVP_PKEY *k = EVP_EC_gen("P-256");
	X509 *roots[2], *leaf;
	int first;

	(void)state;
	roots[0] = issue("root", a, "root", a, 99, EVP_sha256());
	roots[1] = issue("root", b, "root", b, 99, EVP_sha256());
	leaf = issue("leaf", k, "root", b, -1, EVP_sha256());
	for (first = 0; first < 2; first++) {
		struct smime_error err = { "" };
		struct trust *trust = trust_new();

		trust_add_anchor(trust, roots[first], &err);
		trust_add_anchor(trust, roots[!first], &err);
		if (trust_check(trust, leaf, NULL, time(NULL), NULL, &err) !=
		    CERT_OK)
			fail_msg("%s", err.text);
		trust_free(trust);
	}
	X509_free(roots[0]);
	X509_free(roots[1]);
	X509_free(leaf);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	EVP_PKEY_free(k);
}

/* Chains of so many CAs below the root: a ceiling, and path lengths. */
static void
test_depth(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	static const struct {
		int			 cas, pathlen;
		enum cert_problem	 want;
	} depths[] = {
		{ 1, 99, CERT_OK }, { 3, 99, CERT_OK }, { 6, 99, CERT_OK },
		{ 7, 99, CERT_UNKNOWN_ISSUER },
		{ 40, 99, CERT_UNKNOWN_ISSUER },
		{ 2, 1, CERT_OK }, { 2, 0, CERT_UNKNOWN_ISSUER },
	};
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct smime_error err = { "" };
		struct trust *trust = trust_new();
		STACK_OF(X509) *extra = NULL, *chain = NULL;
		char name[32], above[32] = "root";
		X509 *cert;
		enum cert_problem got;

		cert = issue("root", key, "root", key, 99, EVP_sha256());
		trust_add_anchor(trust, cert, &err);
		X509_free(cert);
		for (n = 1; n <= depths[i].cas; n++) {
			snprintf(name, sizeof(name), "ca%d", n);
			extra = pki_push(extra, issue(name, key, above, key,
			    n == 1 ? depths[i].pathlen : 99, EVP_sha256()));
			snprintf(above, sizeof(above), "%s", name);
		}
		cert = issue("leaf", key, above, key, -1, EVP_sha256());
		got = trust_check(trust, cert, extra, time(NULL), &chain,
		    &err);
		if (got != depths[i].want || (got == CERT_OK &&
		    sk_X509_num(chain) != depths[i].cas))
			fail_msg("%d CAs, pathlen %d: got %s (%s)",
			    depths[i].cas, depths[i].pathlen,
			    cert_problem_word(got), err.text);
		sk_X509_pop_free(chain, X509_free);
		sk_X509_pop_free(extra, X509_free);
		X509_free(cert);
		trust_free(trust);
	}
	EVP_PKEY_free(key);
}

/* CRT-13: SHA-224 has the 112 bits that OpenSSL asks for, and is refused. */
static void
test_sha224(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct smime_error err = { "" };
	struct trust *trust = trust_new();
	X509 *root, *leaf;

	(void)state;
	root = issue("root", key, "root", key, 99, EVP_sha256());
	leaf = issue("leaf", key, "root", key, -1, EVP_sha224());
	trust_add_anchor(trust, root, &err);
	assert_int_equal(trust_check(trust, leaf, NULL, time(NULL), NULL,
	    &err), CERT_WEAK_SIGNATURE);
	X509_free(root);
	X509_free(leaf);
	trust_free(trust);
	EVP_PKEY_free(key);
}

/* A CA that is none cannot issue, and a changed certificate has no issuer. */
static void
test_forged(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct smime_error err = { "" };
	struct trust *trust = trust_new();
	STACK_OF(X509) *extra;
	X509 *root, *leaf;

	(void)state;
	root = issue("root", key, "root", key, 99, EVP_sha256());
	trust_add_anchor(trust, root, &err);
	extra = pki_push(NULL, issue("clerk", key, "root", key, -1,
	    EVP_sha256()));
	leaf = issue("leaf", key, "clerk", key, -1, EVP_sha256());
	assert_int_equal(trust_check(trust, leaf, extra, time(NULL), NULL,
	    &err), CERT_UNKNOWN_ISSUER);
	X509_free(leaf);
	leaf = issue("leaf", key, "root", other, -1, EVP_sha256());
	assert_int_equal(trust_check(trust, leaf, extra, time(NULL), NULL,
	    &err), CERT_UNKNOWN_ISSUER);
	X509_free(leaf);
	X509_free(root);
	sk_X509_pop_free(extra, X509_free);
	trust_free(trust);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

/* RFC 9216: a root by SHA-512, and a chain across two roots. */
static void
test_alice(void **state)
{
	struct smime_error err = { "" };
	struct trust *trust = trust_new();
	X509 *alice = load_cert("tests/data/rfc9216/alice-sign.pem");
	X509 *root = load_cert("tests/data/rfc9216/rsa-ca.pem");
	X509 *cross = load_cert("tests/data/rfc9216/rsa-ca-cross.pem");
	X509 *other = load_cert("tests/data/rfc9216/ed25519-ca.pem");
	STACK_OF(X509) *chain;

	(void)state;
	trust_add_anchor(trust, root, &err);
	if (trust_check(trust, alice, NULL, 1700000000, &chain, &err) !=
	    CERT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(sk_X509_num(chain), 0);
	sk_X509_pop_free(chain, X509_free);
	trust_free(trust);
	trust = trust_new();
	trust_add_anchor(trust, other, &err);
	trust_add_intermediate(trust, cross, &err);
	if (trust_check(trust, alice, NULL, 1700000000, &chain, &err) !=
	    CERT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(sk_X509_num(chain), 1);
	sk_X509_pop_free(chain, X509_free);
	trust_free(trust);
	X509_free(alice);
	X509_free(root);
	X509_free(cross);
	X509_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_sha224),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_alice),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
