/*
 * test_verify_trust.c - signers, certificates, revocation and the cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

#define FROM	"From: " BUDI "\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"
#define YEAR	(365 * 86400)

static struct person budi, siti, stranger, revoked, bare;
static struct trust *trust;
static struct verify_settings settings;

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_mailbox("stranger", "p256", "otherroot");
	pki_mailbox("bare", "p256", "noaddress");
	pki_make("mailbox", SITI, "p256", pki_path("siti"), NULL);
	/* The list before and after the revocation. */
	pki_mailbox("revoked", "p256", "ok");
	pki_run("cp", pki_path("issuing.crl.pem"), pki_path("old.crl.pem"),
	    NULL);
	pki_run("sleep", "1.1", NULL);
	pki_make("revoke", pki_path("revoked"), NULL);
	budi = person_load("budi");
	siti = person_load("siti");
	stranger = person_load("stranger");
	revoked = person_load("revoked");
	bare = person_load("bare");
	trust = vmail_settings(&settings);
	return 0;
}

static int
teardown(void **state)
{
	person_free(&budi);
	person_free(&siti);
	person_free(&stranger);
	person_free(&revoked);
	person_free(&bare);
	trust_free(trust);
	return pki_teardown(state);
}

static void
expect(const char *what, const struct cms *with, enum verify_reason want,
    struct verdict *verdict)
{
	struct cms cms = *with;
	struct buf mail = { 0 };

	cms.content = ENTITY;
	cms.content_len = strlen(ENTITY);
	mail_build(FROM, &cms, &mail);
	vmail_verify(&settings, mail.p, mail.len, 0, verdict);
	if (verdict->reason != want)
		fail_msg("%s: got %s, wanted %s (%s)", what,
		    verify_reason_word(verdict->reason),
		    verify_reason_word(want), verdict->detail);
	buf_free(&mail);
}

/* VER-17, ATK-03: every signature must hold, and one must be the sender's. */
static void
test_signers(void **state)
{
	const struct {
		const char		*what;
		struct cms		 cms;
		enum verify_reason	 want;
	} rows[] = {
		{ "sender first", { .signers = { &budi, &siti } },
		    VERIFY_GOOD },
		{ "sender last", { .signers = { &siti, &budi } },
		    VERIFY_GOOD },
		{ "twice", { .signers = { &budi, &budi } }, VERIFY_GOOD },
		{ "only others", { .signers = { &siti, &siti } },
		    VERIFY_OTHER_ADDRESS },
		{ "good stranger behind a bad sender", { .signers =
		    { &budi, &siti }, .bad = 1 }, VERIFY_SIGNATURE },
		{ "good stranger before a bad sender", { .signers =
		    { &siti, &budi }, .bad = 2 }, VERIFY_SIGNATURE },
		{ "good sender, bad stranger", { .signers =
		    { &budi, &siti }, .bad = 2 }, VERIFY_SIGNATURE },
		{ "five are too many (VER-22)", { .signers = { &budi, &budi,
		    &budi, &budi, &budi } }, VERIFY_LIMIT },
	};
	struct verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].what, &rows[i].cms, rows[i].want, &verdict);
}

/* A certificate like cert but with another key and a signature by it. */
static X509 *
twin(X509 *cert, EVP_PKEY *key)
{
	X509 *copy = X509_dup(cert);

	X509_set_pubkey(copy, key);
	assert_true(X509_sign(copy, key, EVP_sha256()) > 0);
	return copy;
}

/* VER-19, VER-23 */
static void
test_certificates(void **state)
{
	X509 *issuing = pki_cert("issuing.pem"), *root = pki_cert("root.pem");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *false_twin = twin(budi.cert, key);
	struct verdict verdict;
	struct cms cms = { .signers = { &budi },
	    .extra = { root, siti.cert, issuing, bare.cert } };
	size_t i;

	(void)state;
	expect("any order", &cms, VERIFY_GOOD, &verdict);
	cms.first = false_twin;
	expect("a twin by issuer and serial", &cms, VERIFY_GOOD, &verdict);
	cms.flags = CMS_KEY_ID;
	expect("a twin by key identifier", &cms, VERIFY_GOOD, &verdict);
	cms.flags = CMS_KEY_ID | CMS_ESS;
	expect("a twin, and ESS selects", &cms, VERIFY_GOOD, &verdict);
	for (i = 0; i < 35; i++)
		cms.extra[i] = siti.cert;
	expect("too many", &cms, VERIFY_LIMIT, &verdict);
	/* Signed with the twin's key: the real one does not verify it. */
	{
		struct person forger = { false_twin, key };
		struct cms forged = { .signers = { &forger },
		    .first = budi.cert };

		expect("forged", &forged, VERIFY_UNTRUSTED, &verdict);
		assert_false(verdict.validated);
	}
	X509_free(issuing);
	X509_free(root);
	X509_free(false_twin);
	EVP_PKEY_free(key);
}

/* CRT-20, CRT-21, CRT-30 to CRT-38, CRT-10, CRT-13 by profile. */
static void
test_profiles(void **state)
{
	static const struct {
		const char		*profile;
		enum verify_reason	 want;
	} rows[] = {
		{ "expired",		VERIFY_EXPIRED },
		{ "future",		VERIFY_NOT_YET_VALID },
		{ "subjectonly",	VERIFY_GOOD },
		{ "both",		VERIFY_GOOD },
		{ "several",		VERIFY_GOOD },
		{ "upper",		VERIFY_GOOD },
		{ "nul",		VERIFY_OTHER_ADDRESS },
		{ "space",		VERIFY_OTHER_ADDRESS },
		{ "smtputf8",		VERIFY_OTHER_ADDRESS },
		{ "keyencipherment",	VERIFY_USAGE },
		{ "nonrepudiation",	VERIFY_GOOD },
		{ "nokeyusage",		VERIFY_GOOD },
		{ "serverauth",		VERIFY_USAGE },
		{ "anyeku",		VERIFY_GOOD },
		{ "noeku",		VERIFY_GOOD },
		{ "bsre-document",	VERIFY_USAGE },
		{ "criticalext",	VERIFY_EXTENSION },
		{ "ca",			VERIFY_USAGE },
		{ "sha1",		VERIFY_WEAK_CHAIN },
		{ "weakchain",		VERIFY_WEAK_CHAIN },
		{ "selfsigned",		VERIFY_UNTRUSTED },
		{ "emptysubject",	VERIFY_GOOD },
	};
	static const struct {
		const char		*type;
		enum verify_reason	 want;
	} types[] = {
		{ "rsa1024",	VERIFY_WEAK },
		{ "p384",	VERIFY_GOOD },
		{ "p521",	VERIFY_GOOD },
		{ "secp256k1",	VERIFY_ALGORITHM },
		{ "ed25519",	VERIFY_GOOD },
	};
	X509 *weak = pki_cert("weak-issuing.pem");
	struct smime_error err = { "" };
	struct verdict verdict;
	struct person who;
	size_t i;

	(void)state;
	trust_add_intermediate(trust, weak, &err);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cms cms = { .signers = { &who } };

		pki_mailbox(rows[i].profile, "p256", rows[i].profile);
		who = person_load(rows[i].profile);
		expect(rows[i].profile, &cms, rows[i].want, &verdict);
		person_free(&who);
	}
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct cms cms = { .signers = { &who } };

		pki_mailbox(types[i].type, types[i].type, "ok");
		who = person_load(types[i].type);
		if (strcmp(types[i].type, "p384") == 0)
			cms.md = EVP_sha384();
		if (strcmp(types[i].type, "p521") == 0 ||
		    strcmp(types[i].type, "ed25519") == 0)
			cms.md = EVP_sha512();
		/* The builder's micalg is of SHA-256: opaque has none. */
		cms.flags = CMS_EMBED;
		expect(types[i].type, &cms, types[i].want, &verdict);
		person_free(&who);
	}
	X509_free(weak);
}

/* What a verdict tells of the signer. */
static void
test_report(void **state)
{
	struct cms cms = { .signers = { &budi }, .flags = CMS_ESS };
	struct verdict verdict;
	size_t i;

	(void)state;
	expect("report", &cms, VERIFY_GOOD, &verdict);
	assert_int_equal(verdict.word, VERDICT_PASS);
	assert_string_equal(verdict.from, BUDI);
	assert_string_equal(verdict.identifier, BUDI);
	assert_string_equal(verdict.common_name, "budi");
	assert_string_equal(verdict.organisation,
	    "Pemerintah Kabupaten Pekalongan");
	assert_string_equal(verdict.issuer_name, "Sampul test issuing CA");
	assert_string_equal(verdict.part, "2");
	assert_true(verdict.validated && verdict.matches &&
	    verdict.has_signer && !verdict.pinned && !verdict.silent);
	assert_int_equal(verdict.chain_count, 3);
	assert_int_equal(verdict.revocation, REVOCATION_GOOD);
	assert_true(verdict.signing_time != 0);
	for (i = 0; i < verdict.check_count; i++)
		assert_int_equal(verdict.checks[i].outcome, CHECK_OK);
	cms.flags = CMS_BAD_SIGNATURE;
	expect("report of a bad one", &cms, VERIFY_SIGNATURE, &verdict);
	assert_false(verdict.has_signer || verdict.validated ||
	    verdict.matches);
	assert_string_equal(verdict.identifier, "");
	for (i = 0; strcmp(verdict.checks[i].name, "signature") != 0; i++)
		assert_int_equal(verdict.checks[i].outcome, CHECK_OK);
	assert_int_equal(verdict.checks[i].outcome, CHECK_FAILED);
	while (++i < verdict.check_count)
		assert_int_equal(verdict.checks[i].outcome, CHECK_NOT_ASKED);
}

/* ---------------------------------------------------------- revocation --- */

static struct trust *
trust_with(const char *const *crls)
{
	struct smime_error err = { "" };
	struct trust *some = trust_new();
	X509 *root = pki_cert("root.pem"), *issuing = pki_cert("issuing.pem");

	trust_add_anchor(some, root, &err);
	trust_add_intermediate(some, issuing, &err);
	X509_free(root);
	X509_free(issuing);
	while (*crls != NULL)
		vmail_crl(some, pki_path("%s.crl.pem", *crls++));
	return some;
}

/* CRT-03, CRT-04, ATK-22 */
static void
test_revocation(void **state)
{
	static const struct {
		const char		*what;
		const char		*crls[4];
		long			 later;
		bool			 soft;
		bool			 is_revoked;
		enum verify_reason	 want;
	} rows[] = {
		{ "good", { "root", "issuing" }, 0, false, false,
		    VERIFY_GOOD },
		{ "revoked", { "root", "issuing" }, 0, false, true,
		    VERIFY_REVOKED },
		{ "revoked, soft", { "root", "issuing" }, 0, true, true,
		    VERIFY_REVOKED },
		{ "newest wins", { "root", "old", "issuing" }, 0, false, true,
		    VERIFY_REVOKED },
		{ "newest wins, other order", { "root", "issuing", "old" }, 0,
		    false, true, VERIFY_REVOKED },
		{ "none", { NULL }, 0, false, false, VERIFY_CRL_MISSING },
		{ "none for the issuing CA", { "issuing" }, 0, false, false,
		    VERIFY_CRL_MISSING },
		{ "none for the mailbox", { "root" }, 0, false, false,
		    VERIFY_CRL_MISSING },
		{ "none, soft", { NULL }, 0, true, false, VERIFY_GOOD },
	};
	struct verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cms cms = { .signers = { rows[i].is_revoked ?
		    &revoked : &budi } };

		settings.trust = trust_with(rows[i].crls);
		settings.crl_soft_fail = rows[i].soft;
		expect(rows[i].what, &cms, rows[i].want, &verdict);
		assert_int_equal(verdict.crl_soft_fail,
		    rows[i].want == VERIFY_GOOD && rows[i].soft);
		trust_free((struct trust *)(uintptr_t)settings.trust);
	}
	settings.trust = trust;
	settings.crl_soft_fail = false;
}

/* CRT-04, CRT-07: lists of ten years, a certificate of thirty. */
static void
test_stale(void **state)
{
	static const char *const crls[] = { "root", "issuing", NULL };
	struct smime_error err = { "" };
	struct trust *some = trust_with(crls);
	struct person old;
	struct cms cms = { .signers = { &old } };
	struct verdict verdict;
	time_t until;

	(void)state;
	pki_make("mailbox", BUDI, "p256", pki_path("long"), "ok", "5000",
	    NULL);
	old = person_load("long");
	assert_int_equal(trust_check_revocation(some, old.cert, NULL,
	    settings.now, &until, &err), REVOCATION_GOOD);
	assert_true(until > settings.now + 9L * YEAR &&
	    until < settings.now + 11L * YEAR);
	assert_int_equal(trust_check_revocation(some, revoked.cert, NULL,
	    settings.now, &until, &err), REVOCATION_REVOKED);
	err.text[0] = '\0';
	assert_int_equal(trust_check_revocation(some, stranger.cert, NULL,
	    settings.now, NULL, &err), REVOCATION_MISSING);
	settings.now += 11L * YEAR;
	settings.max_age = 0;
	expect("stale", &cms, VERIFY_CRL_STALE, &verdict);
	settings.crl_soft_fail = true;
	expect("stale, soft", &cms, VERIFY_GOOD, &verdict);
	settings.now -= 11L * YEAR + 86400 / 2;
	settings.crl_soft_fail = false;
	expect("not begun", &cms, VERIFY_CRL_STALE, &verdict);
	settings.now += 86400 / 2;
	settings.max_age = 30 * 86400;
	person_free(&old);
	trust_free(some);
}

/* CRT-06: a list that says ten years may be believed for thirty days. */
static void
test_age(void **state)
{
	static const char *const crls[] = { "root", "issuing", NULL };
	static const char *const one[] = { "root", NULL };
	struct smime_error err = { "" };
	struct trust *some = trust_with(crls), *less = trust_with(one);
	struct cms cms = { .signers = { &budi } };
	struct verdict verdict;
	time_t until;

	(void)state;
	trust_set_crl_age(some, 30 * 86400);
	trust_set_crl_age(less, 30 * 86400);
	settings.trust = some;
	settings.max_age = 0;
	expect("young", &cms, VERIFY_GOOD, &verdict);
	assert_int_equal(trust_check_revocation(some, budi.cert, NULL,
	    settings.now, &until, &err), REVOCATION_GOOD);
	assert_true(until > settings.now + 29 * 86400 &&
	    until <= settings.now + 30 * 86400);
	settings.now += 31 * 86400;
	expect("too old", &cms, VERIFY_CRL_STALE, &verdict);
	assert_non_null(strstr(verdict.detail, "too old"));
	settings.crl_soft_fail = true;
	expect("too old, soft", &cms, VERIFY_GOOD, &verdict);
	assert_true(verdict.crl_soft_fail);
	settings.crl_soft_fail = false;
	cms.signers[0] = &revoked;
	expect("revoked by an old list", &cms, VERIFY_REVOKED, &verdict);
	settings.trust = less;
	cms.signers[0] = &budi;
	expect("old and missing", &cms, VERIFY_CRL_MISSING, &verdict);
	settings.now -= 31 * 86400;
	settings.max_age = 30 * 86400;
	settings.trust = trust;
	trust_free(some);
	trust_free(less);
}

static void
count_crl(void *arg, const struct crl_facts *facts)
{
	size_t *n = arg;

	assert_non_null(strstr(facts->issuer, "CN=Sampul test"));
	assert_true(facts->this_update < facts->next_update);
	(*n)++;
}

/* A list that somebody else has signed is none. */
static void
test_forged_list(void **state)
{
	static const char *const crls[] = { "root", NULL };
	struct smime_error err = { "" };
	struct trust *some = trust_with(crls);
	struct cms cms = { .signers = { &budi } };
	struct verdict verdict;
	X509_CRL *crl, *none;
	size_t len, n = 0;
	char *text;

	(void)state;
	text = read_whole(pki_path("issuing.crl.pem"), &len);
	assert_int_equal(crl_read(text, len, "crl", &crl, &err), 0);
	assert_int_equal(crl_read(text, len / 2, "crl", &none, &err), -1);
	assert_int_equal(crl_read("x", 1, "crl", &none, &err), -1);
	assert_int_equal(crl_read("", 0, "crl", &none, &err), -1);
	assert_true(X509_CRL_sign(crl, stranger.key, EVP_sha256()) > 0);
	assert_int_equal(trust_add_crl(some, crl, &err), 0);
	trust_each_crl(some, count_crl, &n);
	assert_int_equal(n, 2);
	assert_int_equal(trust_crls(some), 2);
	settings.trust = some;
	expect("forged list", &cms, VERIFY_CRL_MISSING, &verdict);
	cms.signers[0] = &revoked;
	expect("forged list that names it", &cms, VERIFY_CRL_MISSING,
	    &verdict);
	settings.trust = trust;
	X509_CRL_free(crl);
	trust_free(some);
	free(text);
}

/* CRT-02, ATK-22: a list in the message says nothing. */
static void
test_list_in_message(void **state)
{
	static const char *const crls[] = { "root", NULL };
	struct smime_error err = { "" };
	struct cms cms = { .signers = { &revoked } };
	unsigned char *der = NULL;
	struct verdict verdict;
	struct der value;
	X509_CRL *crl;
	size_t len;
	char *text;

	(void)state;
	text = read_whole(pki_path("old.crl.pem"), &len);
	assert_int_equal(crl_read(text, len, "crl", &crl, &err), 0);
	value.len = (size_t)i2d_X509_CRL(crl, &der);
	value.p = der;
	cms.crl = &value;
	expect("an older list inside", &cms, VERIFY_REVOKED, &verdict);
	settings.trust = trust_with(crls);
	cms.signers[0] = &budi;
	expect("the only list inside", &cms, VERIFY_CRL_MISSING, &verdict);
	trust_free((struct trust *)(uintptr_t)settings.trust);
	settings.trust = trust;
	OPENSSL_free(der);
	X509_CRL_free(crl);
	free(text);
}

/* ----------------------------------------------- pins, policies, times --- */

static bool
pinned(void *arg, const char *address, const unsigned char fingerprint[32])
{
	unsigned char own[32];

	cert_fingerprint(bare.cert, own);
	return arg == &bare && strcmp(address, BUDI) == 0 &&
	    memcmp(own, fingerprint, sizeof(own)) == 0;
}

/* VER-32 */
static void
test_pins(void **state)
{
	struct cms cms = { .signers = { &bare } };
	struct verdict verdict;

	(void)state;
	expect("no address", &cms, VERIFY_NO_ADDRESS, &verdict);
	settings.pinned = pinned;
	expect("not pinned", &cms, VERIFY_NO_ADDRESS, &verdict);
	settings.pinned_arg = &bare;
	expect("pinned", &cms, VERIFY_GOOD, &verdict);
	assert_true(verdict.pinned && !verdict.matches);
	assert_string_equal(verdict.identifier, "");
	assert_true(verdict.serial[0] != '\0' && verdict.issuer[0] != '\0');
	cms.signers[0] = &siti;
	expect("a pin is for no other", &cms, VERIFY_OTHER_ADDRESS, &verdict);
	settings.pinned = NULL;
}

static void
test_policies(void **state)
{
	static const char *const crls[] = { "root", "issuing", NULL };
	static const char *const other[] = { "2.23.140.1.5.3.1" };
	static const char *const bad[] = { "2.23.140.1.5.3.1", "x" };
	struct trust *some = trust_with(crls);
	struct smime_error err = { "" };
	struct cms cms = { .signers = { &budi } };
	struct verdict verdict;

	(void)state;
	settings.trust = some;
	assert_int_equal(trust_set_policies(some, bad, 2, &err), -1);
	expect("none asked for", &cms, VERIFY_GOOD, &verdict);
	assert_int_equal(trust_set_policies(some, other, 1, &err), 0);
	expect("another", &cms, VERIFY_CERT_POLICY, &verdict);
	assert_int_equal(trust_set_policies(some, NULL, 0, &err), 0);
	expect("none again", &cms, VERIFY_GOOD, &verdict);
	settings.trust = trust;
	trust_free(some);
}

/* VER-25 */
static void
test_times(void **state)
{
	const struct {
		const char		*what;
		time_t			 when;
		enum verify_reason	 want;
	} rows[] = {
		{ "now", settings.now, VERIFY_GOOD },
		{ "none", 1, VERIFY_GOOD },
		{ "last week", settings.now - 7 * 86400, VERIFY_GOOD },
		{ "last year", settings.now - YEAR, VERIFY_SIGNING_TIME },
		{ "in an hour", settings.now + 3600, VERIFY_GOOD },
		{ "next week", settings.now + 7 * 86400,
		    VERIFY_SIGNING_TIME },
		{ "2060", 2840140800, VERIFY_SIGNING_TIME },
	};
	struct verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cms cms = { .signers = { &budi },
		    .time = rows[i].when };

		expect(rows[i].what, &cms, rows[i].want, &verdict);
	}
}

/* CRT-21: the switch. */
static void
test_any_purpose(void **state)
{
	static const struct {
		const char		*profile;
		bool			 any;
		enum verify_reason	 want;
	} rows[] = {
		{ "anyeku",	true,	VERIFY_GOOD },
		{ "anyeku",	false,	VERIFY_USAGE },
		{ "noeku",	false,	VERIFY_GOOD },
		{ "ok",		false,	VERIFY_GOOD },
	};
	struct verdict verdict;
	struct person who;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cms cms = { .signers = { &who } };

		pki_mailbox("purpose", "p256", rows[i].profile);
		who = person_load("purpose");
		settings.any_purpose = rows[i].any;
		expect(rows[i].profile, &cms, rows[i].want, &verdict);
		person_free(&who);
	}
	settings.any_purpose = true;
}

/* --------------------------------------------------------------- cache --- */

static void
test_cache(void **state)
{
	static const char *const none[] = { NULL };
	struct trust *empty = trust_with(none);
	struct cms cms = { .signers = { &budi } };
	struct verdict verdict;
	int i;

	(void)state;
	settings.cache = verify_cache_new(16);
	/* A missing issuer is not remembered against the sender. */
	settings.trust = empty;
	expect("no list", &cms, VERIFY_CRL_MISSING, &verdict);
	settings.trust = trust;
	for (i = 0; i < 3; i++)
		expect("cached", &cms, VERIFY_GOOD, &verdict);
	/* The result comes from the cache, as trust shows. */
	settings.trust = empty;
	expect("cached, same generation", &cms, VERIFY_GOOD, &verdict);
	settings.generation++;
	expect("another generation", &cms, VERIFY_CRL_MISSING, &verdict);
	settings.generation--;
	settings.now += 5L * YEAR;
	settings.max_age = 0;
	expect("beyond the earliest end", &cms, VERIFY_EXPIRED, &verdict);
	settings.now -= 5L * YEAR;
	/* Still other rules hold for a known signer. */
	cms.bad = 1;
	expect("known, bad signature", &cms, VERIFY_SIGNATURE, &verdict);
	cms.bad = 0;
	cms.signers[0] = &siti;
	settings.trust = trust;
	for (i = 0; i < 2; i++)
		expect("known, another's", &cms, VERIFY_OTHER_ADDRESS,
		    &verdict);
	cms.signers[0] = &revoked;
	for (i = 0; i < 2; i++)
		expect("revoked", &cms, VERIFY_REVOKED, &verdict);
	settings.max_age = 30 * 86400;
	verify_cache_free(settings.cache);
	settings.cache = NULL;
	trust_free(empty);
}

/*
 * CRT-22: a certificate to encrypt to was looked at for that, and its good path
 * is in the cache that both share. It signs nothing for that.
 */
static void
test_recipient_in_cache(void **state)
{
	struct recipient_settings recipients = { .trust = trust };
	struct recipient_findings findings;
	struct cms cms = { .signers = { NULL } };
	struct smime_error err = { "" };
	struct verdict verdict;
	struct person who;
	int i;

	(void)state;
	pki_mailbox("encryption", "p256", "encryption");
	who = person_load("encryption");
	cms.signers[0] = &who;
	settings.cache = verify_cache_new(16);
	recipients.cache = settings.cache;
	recipients.generation = settings.generation;
	recipients.now = settings.now;
	for (i = 0; i < 2; i++) {
		assert_int_equal(recipient_check(&recipients, who.cert, NULL,
		    BUDI, &findings, &err), 0);
		assert_int_equal(findings.findings.count, 0);
		expect("met as a recipient", &cms, VERIFY_USAGE, &verdict);
	}
	/* One that may sign is met as a recipient, too: the other way round. */
	cms.signers[0] = &budi;
	(void)recipient_check(&recipients, budi.cert, NULL, BUDI, &findings,
	    &err);
	for (i = 0; i < 2; i++)
		expect("may sign", &cms, VERIFY_GOOD, &verdict);
	verify_cache_free(settings.cache);
	settings.cache = NULL;
	person_free(&who);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_forged_list),
		cmocka_unit_test(test_list_in_message),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_any_purpose),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_recipient_in_cache),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
