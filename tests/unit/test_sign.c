/*
 * test_sign.c - signatures: accepted by others, and refused by us as soon as
 * one bit of them is another.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "pki.h"
#include "watched.h"

#define CONTENT	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"
#define CAPS	(SMIME_CAP_AES256_GCM | SMIME_CAP_AES128_GCM | \
	SMIME_CAP_AES256_CBC | SMIME_CAP_AES128_CBC)

/* One signer with what belongs to it, and one signature. */
struct one {
	X509			*cert;
	EVP_PKEY		*key;
	STACK_OF(X509)		*chain;
	struct signer		*signer;
	enum smime_digest	 digest;
	unsigned char		 value[SMIME_DIGEST_MAX];
	unsigned char		*der;
	size_t			 len;
	time_t			 now;
};

static void
digest_content(struct one *one)
{
	one->digest = signer_digest(one->signer);
	assert_int_equal(EVP_Digest(CONTENT, strlen(CONTENT), one->value,
	    NULL, smime_digest_md(one->digest), NULL), 1);
}

static void
open_one(struct one *one, const char *name, enum smime_scheme scheme)
{
	struct smime_error err = { "" };

	memset(one, 0, sizeof(*one));
	one->now = time(NULL);
	one->cert = pki_mailbox_cert(name);
	one->key = pki_mailbox_key(name);
	one->chain = pki_push(NULL, pki_cert("issuing.pem"));
	pki_push(one->chain, pki_cert("root.pem"));
	one->signer = signer_new(one->cert, one->key, one->chain, NULL, scheme,
	    CAPS, &err);
	if (one->signer == NULL)
		fail_msg("%s: %s", name, err.text);
	digest_content(one);
	if (signer_sign(one->signer, one->value,
	    smime_digest_size(one->digest), one->now, &one->der, &one->len,
	    &err) != 0)
		fail_msg("%s: %s", name, err.text);
}

static void
close_one(struct one *one)
{
	signer_free(one->signer);
	X509_free(one->cert);
	EVP_PKEY_free(one->key);
	sk_X509_pop_free(one->chain, X509_free);
	OPENSSL_free(one->der);
}

static int
check_one(const struct one *one, struct check_cache *cache,
    struct smime_error *err)
{
	return signature_check(one->der, one->len, one->digest, one->value,
	    BUDI, false, one->now, cache, err);
}

static const struct {
	const char		*name;
	enum smime_scheme	 scheme;
	enum smime_digest	 digest;
} kinds[] = {
	{ "rsa2048",	SCHEME_DEFAULT,	SMIME_SHA256 },
	{ "rsa3072",	SCHEME_DEFAULT,	SMIME_SHA256 },
	{ "rsa2048",	SCHEME_PSS,	SMIME_SHA256 },
	{ "p256",	SCHEME_DEFAULT,	SMIME_SHA256 },
	{ "p256",	SCHEME_PSS,	SMIME_SHA256 },
	{ "p384",	SCHEME_DEFAULT,	SMIME_SHA384 },
};
#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("rsa2048", "rsa2048", "ok");
	pki_mailbox("rsa3072", "rsa3072", "ok");
	pki_mailbox("p256", "p256", "ok");
	pki_mailbox("p384", "p384", "ok");
	pki_mailbox("other", "p256", "ok");
	pki_mailbox("weak", "rsa1024", "ok");
	pki_mailbox("odd", "p521", "ok");
	pki_mailbox("pss", "pss", "ok");
	pki_mailbox("ed25519", "ed25519", "ok");
	pki_mailbox("encryption", "rsa2048", "keyencipherment");
	return 0;
}

/* SIG-31, SIG-40 to SIG-42: each kind, its digest, and our own check. */
static void
test_kinds(void **state)
{
	struct check_cache *cache = check_cache_new(2);
	struct smime_error err;
	struct one one;
	size_t i, round;

	(void)state;
	for (i = 0; i < KINDS; i++) {
		open_one(&one, kinds[i].name, kinds[i].scheme);
		if (one.digest != kinds[i].digest)
			fail_msg("%s: digest %d, wanted %d", kinds[i].name,
			    one.digest, kinds[i].digest);
		for (round = 0; round < 3; round++) {
			err.text[0] = '\0';
			if (check_one(&one, round > 0 ? cache : NULL,
			    &err) != 0)
				fail_msg("%s: %s", kinds[i].name, err.text);
		}
		close_one(&one);
	}
	check_cache_free(cache);
}

/* The openssl command has the last word (chain to a root alone, SIG-43). */
static void
test_openssl(void **state)
{
	struct one one;
	size_t i;
	int status;

	(void)state;
	write_whole(pki_path("content"), CONTENT, strlen(CONTENT));
	for (i = 0; i < KINDS; i++) {
		open_one(&one, kinds[i].name, kinds[i].scheme);
		write_whole(pki_path("sig.der"), one.der, one.len);
		status = pki_run("openssl", "cms", "-verify", "-binary",
		    "-inform", "DER", "-in", pki_path("sig.der"), "-content",
		    pki_path("content"), "-CAfile", pki_path("root.pem"),
		    "-out", "/dev/null", NULL);
		if (status != 0)
			fail_msg("%s: openssl cms -verify ended with %d",
			    kinds[i].name, status);
		close_one(&one);
	}
}

/* Through the API, where CMS_CADES checks signingCertificateV2 (SIG-37). */
static void
test_cades(void **state)
{
	X509_STORE *store = X509_STORE_new();
	X509 *root = pki_cert("root.pem");
	struct one one;
	size_t i;

	(void)state;
	X509_STORE_add_cert(store, root);
	for (i = 0; i < KINDS; i++) {
		CMS_ContentInfo *cms;
		const unsigned char *p;
		unsigned char *again = NULL;
		BIO *bio = BIO_new_mem_buf(CONTENT, (int)strlen(CONTENT));
		int len;

		open_one(&one, kinds[i].name, kinds[i].scheme);
		p = one.der;
		cms = d2i_CMS_ContentInfo(NULL, &p, (long)one.len);
		assert_non_null(cms);
		assert_ptr_equal(p, one.der + one.len);
		if (CMS_verify(cms, NULL, store, bio, NULL, CMS_BINARY |
		    CMS_NOCRL | CMS_CADES) != 1)
			fail_msg("%s: %s", kinds[i].name,
			    ERR_error_string(ERR_peek_last_error(), NULL));
		/* DER: a decoder writes what it read. */
		len = i2d_CMS_ContentInfo(cms, &again);
		assert_int_equal(len, one.len);
		assert_memory_equal(again, one.der, one.len);
		/* Signer and issuing CA; no root (SIG-43). */
		{
			STACK_OF(X509) *certs = CMS_get1_certs(cms);

			assert_int_equal(sk_X509_num(certs), 2);
			sk_X509_pop_free(certs, X509_free);
		}
		OPENSSL_free(again);
		CMS_ContentInfo_free(cms);
		BIO_free(bio);
		close_one(&one);
	}
	X509_free(root);
	X509_STORE_free(store);
}

static CMS_SignerInfo *
only_signer(CMS_ContentInfo *cms)
{
	STACK_OF(CMS_SignerInfo) *list = CMS_get0_SignerInfos(cms);

	assert_int_equal(sk_CMS_SignerInfo_num(list), 1);
	return sk_CMS_SignerInfo_value(list, 0);
}

static int
count_attribute(CMS_SignerInfo *info, const char *text)
{
	ASN1_OBJECT *object = OBJ_txt2obj(text, 1);
	int i = -1, n = 0;

	while ((i = CMS_signed_get_attr_by_OBJ(info, object, i)) >= 0)
		n++;
	ASN1_OBJECT_free(object);
	return n;
}

/* SIG-34 to SIG-39: once each, the capabilities without a weak cipher. */
static void
test_attributes(void **state)
{
	static const struct {
		const char	*object;
		int		 plain, announced;
	} wants[] = {
		{ "1.2.840.113549.1.9.3",		1, 1 },
		{ "1.2.840.113549.1.9.4",		1, 1 },
		{ "1.2.840.113549.1.9.5",		1, 1 },
		{ "1.2.840.113549.1.9.15",		1, 0 },
		{ "1.2.840.113549.1.9.16.2.11",		0, 1 },
		{ "1.2.840.113549.1.9.16.2.47",		1, 1 },
		{ "1.2.840.113549.1.9.52",		1, 1 },
	};
	struct smime_error err = { "" };
	X509 *encryption = pki_mailbox_cert("encryption");
	unsigned char *der;
	struct one one;
	size_t i, round, len;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	for (round = 0; round < 2; round++) {
		const unsigned char *p = one.der;
		CMS_ContentInfo *cms;
		int total = 0;

		if (round == 1) {
			/* No capabilities: the attribute is left out. */
			signer_free(one.signer);
			one.signer = signer_new(one.cert, one.key, NULL,
			    encryption, SCHEME_DEFAULT, 0, &err);
			assert_int_equal(signer_sign(one.signer, one.value, 32,
			    one.now, &der, &len, &err), 0);
			OPENSSL_free(one.der);
			p = one.der = der;
			one.len = len;
			assert_int_equal(check_one(&one, NULL, &err), 0);
		}
		cms = d2i_CMS_ContentInfo(NULL, &p, (long)one.len);
		for (i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
			int got = count_attribute(only_signer(cms),
			    wants[i].object);
			int want = round == 0 ? wants[i].plain :
			    wants[i].announced;

			if (got != want)
				fail_msg("%s: %d times, wanted %d",
				    wants[i].object, got, want);
			total += got;
		}
		assert_int_equal(CMS_signed_get_attr_count(only_signer(cms)),
		    total);
		CMS_ContentInfo_free(cms);
	}
	close_one(&one);
	X509_free(encryption);
}

/* The encryption certificate that is the signing one is not announced. */
static void
test_same_encryption(void **state)
{
	struct smime_error err = { "" };
	const unsigned char *p;
	CMS_ContentInfo *cms;
	struct one one;

	(void)state;
	open_one(&one, "rsa2048", SCHEME_DEFAULT);
	signer_free(one.signer);
	one.signer = signer_new(one.cert, one.key, NULL, one.cert,
	    SCHEME_DEFAULT, CAPS, &err);
	OPENSSL_free(one.der);
	assert_int_equal(signer_sign(one.signer, one.value, 32, one.now,
	    &one.der, &one.len, &err), 0);
	p = one.der;
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)one.len);
	assert_int_equal(count_attribute(only_signer(cms),
	    "1.2.840.113549.1.9.16.2.11"), 0);
	CMS_ContentInfo_free(cms);
	close_one(&one);
}

/* SIG-36: UTCTime to 2049, GeneralizedTime from 2050. */
static void
test_time(void **state)
{
	static const struct {
		time_t		 when;
		const char	*want;	/* tag, length, text; NULL: refused */
	} times[] = {
		{ 0,			"\x17\x0d" "700101000000Z" },
		{ 1795345179,		"\x17\x0d" "261122105939Z" },
		{ 2524607999,		"\x17\x0d" "491231235959Z" },
		{ 2524608000,		"\x18\x0f" "20500101000000Z" },
		{ 253402300799,		"\x18\x0f" "99991231235959Z" },
		{ 253402300800,		NULL },
		{ -1,			NULL },
	};
	unsigned char buf[32];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		n = signing_time_put(buf, sizeof(buf), times[i].when);
		if (times[i].want == NULL ? n != 0 :
		    n != strlen(times[i].want) ||
		    memcmp(buf, times[i].want, n) != 0)
			fail_msg("time %zu: got %zu octets, %.*s", i, n,
			    (int)(n > 2 ? n - 2 : 0), buf + 2);
	}
	assert_int_equal(signing_time_put(buf, 14, 0), 0);
}

/* A signature of 2050 is checked like one of today. */
static void
test_generalized(void **state)
{
	struct smime_error err = { "" };
	struct one one;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	OPENSSL_free(one.der);
	assert_int_equal(signer_sign(one.signer, one.value, 32, 2600000000,
	    &one.der, &one.len, &err), 0);
	if (check_one(&one, NULL, &err) != 0)
		fail_msg("%s", err.text);
	close_one(&one);
}

/* SIG-42, SIG-44: what signer_new refuses. */
static void
test_refused(void **state)
{
	static const struct {
		const char		*what, *cert, *key;
		enum cert_problem	 problem;
	} refused[] = {
		{ "another's key", "p256", "other", CERT_KEY_MISMATCH },
		{ "key of another type", "p256", "rsa2048",
		    CERT_KEY_MISMATCH },
		{ "RSA-1024", "weak", "weak", CERT_WEAK_KEY },
		{ "P-521", "odd", "odd", CERT_WEAK_KEY },
		{ "id-RSASSA-PSS", "pss", "pss", CERT_KEY_TYPE },
		{ "Ed25519", "ed25519", "ed25519", CERT_KEY_TYPE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct smime_error err = { "" };
		X509 *cert = pki_mailbox_cert(refused[i].cert);
		EVP_PKEY *key = pki_mailbox_key(refused[i].key);
		const char *want = cert_problem_text(refused[i].problem,
		    false);

		if (signer_new(cert, key, NULL, NULL, SCHEME_DEFAULT, CAPS,
		    &err) != NULL)
			fail_msg("%s: taken", refused[i].what);
		if (strcmp(err.text, want) != 0)
			fail_msg("%s: got \"%s\", wanted \"%s\"",
			    refused[i].what, err.text, want);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

static void
test_wrong_length(void **state)
{
	struct smime_error err = { "" };
	unsigned char *der;
	struct one one;
	size_t len;

	(void)state;
	open_one(&one, "p384", SCHEME_DEFAULT);
	assert_int_equal(signer_sign(one.signer, one.value, 32, one.now, &der,
	    &len, &err), -1);
	assert_string_equal(err.text, "the digest is not 48 octets long");
	close_one(&one);
}

/* Again without intermediates, of which no octet is ours to judge. */
static void
sign_alone(struct one *one, enum smime_scheme scheme)
{
	struct smime_error err = { "" };

	signer_free(one->signer);
	OPENSSL_free(one->der);
	one->der = NULL;
	one->signer = signer_new(one->cert, one->key, NULL, NULL, scheme, CAPS,
	    &err);
	assert_non_null(one->signer);
	assert_int_equal(signer_sign(one->signer, one->value,
	    smime_digest_size(one->digest), one->now, &one->der, &one->len,
	    &err), 0);
}

/* SIG-61: each single bit of the DER counts. */
static void
flip_all(const char *name, enum smime_scheme scheme)
{
	struct check_cache *cache = check_cache_new(16);
	struct smime_error err = { "" };
	struct one one;
	size_t i;

	open_one(&one, name, scheme);
	sign_alone(&one, scheme);
	assert_int_equal(check_one(&one, cache, &err), 0);
	for (i = 0; i < one.len * 8; i += watched_pace()) {
		one.der[i / 8] ^= (unsigned char)(1 << i % 8);
		err.text[0] = '\0';
		if (check_one(&one, cache, &err) == 0)
			fail_msg("%s: bit %zu of octet %zu of %zu may be "
			    "another", name, i % 8, i / 8, one.len);
		assert_string_not_equal(err.text, "");
		one.der[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	assert_int_equal(check_one(&one, cache, &err), 0);
	close_one(&one);
	check_cache_free(cache);
}

static void
test_flip(void **state)
{
	(void)state;
	flip_all("rsa2048", SCHEME_DEFAULT);
	flip_all("rsa2048", SCHEME_PSS);
	flip_all("p256", SCHEME_DEFAULT);
	flip_all("p384", SCHEME_DEFAULT);
}

/* Cut at every length, and with something behind. */
static void
test_length(void **state)
{
	struct smime_error err;
	unsigned char *copy;
	struct one one;
	size_t n;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	for (n = 0; n <= one.len + 1; n++) {
		copy = malloc(n > 0 ? n : 1);
		memcpy(copy, one.der, n < one.len ? n : one.len);
		if (n > one.len)
			copy[one.len] = 0;
		err.text[0] = '\0';
		if ((signature_check(copy, n, one.digest, one.value, BUDI,
		    false, one.now, NULL, &err) == 0) != (n == one.len))
			fail_msg("%zu of %zu octets: %s", n, one.len,
			    err.text);
		free(copy);
	}
	close_one(&one);
}

/* Each question that signature_check asks besides the signature. */
static void
test_check(void **state)
{
	enum { DIGEST = 1, VALUE, ADDRESS, PINNED, LATE, EARLY };
	static const struct {
		int		 what;
		const char	*want;	/* NULL: accepted */
	} rows[] = {
		{ 0,		NULL },
		{ DIGEST,	"the signature is by another digest "
				"algorithm" },
		{ VALUE,	"the signature is of another message" },
		{ ADDRESS,	"the signer's certificate is for another "
				"address" },
		{ PINNED,	NULL },
		{ LATE,		"the signer's certificate is not valid now" },
		{ EARLY,	"the signer's certificate is not valid now" },
	};
	unsigned char other[SMIME_DIGEST_MAX] = { 1 };
	struct one one;
	size_t i;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smime_error err = { "" };
		int what = rows[i].what, rc;

		rc = signature_check(one.der, one.len,
		    what == DIGEST ? SMIME_SHA384 : one.digest,
		    what == VALUE ? other : one.value,
		    what == ADDRESS || what == PINNED ? SITI : BUDI,
		    what == PINNED,
		    what == LATE ? one.now + 1000 * 86400 :
		    what == EARLY ? one.now - 5 * 86400 : one.now, NULL, &err);
		if ((rc == 0) != (rows[i].want == NULL) || (rc != 0 &&
		    strcmp(err.text, rows[i].want) != 0))
			fail_msg("row %zu: got %d \"%s\", wanted \"%s\"", i,
			    rc, err.text, rows[i].want != NULL ?
			    rows[i].want : "");
	}
	close_one(&one);
}

/*
 * An intermediate that cannot be parsed makes the whole unreadable for others
 * (found by fuzzing). Here its signature is no BIT STRING any more.
 */
static void
test_intermediate(void **state)
{
	struct check_cache *cache = check_cache_new(8);
	X509 *issuing = pki_cert("issuing.pem");
	unsigned char *der = NULL, *at;
	struct smime_error err = { "" };
	struct one one;
	int len;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	assert_int_equal(check_one(&one, cache, &err), 0);
	len = i2d_X509(issuing, &der);
	at = memmem(one.der, one.len, der, (size_t)len);
	assert_non_null(at);
	at += len - (4 + 1 + 3072 / 8);
	assert_int_equal(*at, 0x03);
	*at = 0x04;
	assert_int_equal(check_one(&one, cache, &err), -1);
	assert_non_null(strstr(err.text,
	    "a certificate in the signature cannot be read"));
	OPENSSL_free(der);
	X509_free(issuing);
	close_one(&one);
	check_cache_free(cache);
}

/* SIG-61: what openssl makes is not what we make, and refused. */
static void
test_foreign(void **state)
{
	struct smime_error err = { "" };
	struct one one;
	BIO *bio = BIO_new_mem_buf(CONTENT, (int)strlen(CONTENT));
	CMS_ContentInfo *cms;
	unsigned char *der = NULL;
	int len;

	(void)state;
	open_one(&one, "p256", SCHEME_DEFAULT);
	cms = CMS_sign(one.cert, one.key, NULL, bio, CMS_BINARY |
	    CMS_DETACHED);
	len = i2d_CMS_ContentInfo(cms, &der);
	assert_int_equal(signature_check(der, (size_t)len, one.digest,
	    one.value, BUDI, false, one.now, NULL, &err), -1);
	assert_string_equal(err.text,
	    "the signing certificate attribute does not name the signer's "
	    "certificate");
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	close_one(&one);
}

/* One signer and one cache, many threads. */
struct shared {
	const struct one	*one;
	struct check_cache	*cache;
};

static void *
work(void *arg)
{
	const struct shared *shared = arg;
	struct smime_error err = { "" };
	struct one mine = *shared->one;
	unsigned n;
	int rc = 0;

	for (n = 0; n < 200 && rc == 0; n++) {
		rc = signer_sign(mine.signer, mine.value, 32, mine.now,
		    &mine.der, &mine.len, &err);
		if (rc == 0) {
			rc = check_one(&mine, shared->cache, &err);
			OPENSSL_free(mine.der);
		}
	}
	return rc == 0 ? NULL : strdup(err.text);
}

static void
test_threads(void **state)
{
	static const char *const names[] = { "p256", "rsa2048" };
	struct shared shared;
	pthread_t threads[4];
	struct one one;
	void *text;
	size_t i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		open_one(&one, names[k], SCHEME_DEFAULT);
		shared.one = &one;
		shared.cache = check_cache_new(1);
		for (i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
			    work, &shared), 0);
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], &text);
			if (text != NULL)
				fail_msg("%s", (char *)text);
		}
		check_cache_free(shared.cache);
		close_one(&one);
	}
}

/* RFC 9216: Alice's RSA key signs, and her certificate names her (SIG-41). */
static void
test_alice(void **state)
{
	static const char dir[] = "tests/data/rfc9216";
	struct smime_error err = { "" };
	unsigned char value[32], *der;
	char path[64];
	struct signer *signer;
	X509 *cert;
	EVP_PKEY *key;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/alice-sign.pem", dir);
	cert = load_cert(path);
	snprintf(path, sizeof(path), "%s/alice-sign.key", dir);
	key = load_key(path);
	signer = signer_new(cert, key, NULL, NULL, SCHEME_DEFAULT, CAPS, &err);
	if (signer == NULL)
		fail_msg("%s", err.text);
	EVP_Digest(CONTENT, strlen(CONTENT), value, NULL, EVP_sha256(), NULL);
	assert_int_equal(signer_sign(signer, value, 32, 1600000000, &der, &len,
	    &err), 0);
	if (signature_check(der, len, SMIME_SHA256, value,
	    "alice@smime.example", false, 1600000000, NULL, &err) != 0)
		fail_msg("%s", err.text);
	OPENSSL_free(der);
	signer_free(signer);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_cades),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_same_encryption),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_generalized),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_flip),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_intermediate),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_alice),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
