/*
 * check.c - look at our own signature before an MTA gets it (SIG-61).
 *
 * cms.c has taken the SignedData apart; here each thing that a reader will
 * compare is compared, in rules that name their section, and the signature is
 * verified over the very octets that will be sent. A certificate met before
 * is found in the cache by the hash of its DER, parsed once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "internal.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_UTCTIME	0x17
#define TAG_GENTIME	0x18
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31

/* --------------------------------------------------------------- cache --- */

#define WAYS	4

struct slot {
	unsigned char	 hash[32];
	X509		*cert;
	uint64_t	 used;		/* the cache's clock when last met */
};

/* Sets of WAYS slots, chosen by the hash; the one unused longest goes. */
struct check_cache {
	pthread_mutex_t	 lock;
	struct slot	*slots;
	size_t		 sets;
	uint64_t	 clock;
};

struct check_cache *
check_cache_new(size_t entries)
{
	struct check_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->sets = (entries + WAYS - 1) / WAYS;
	if (cache->sets == 0)
		cache->sets = 1;
	cache->slots = calloc(cache->sets, WAYS * sizeof(*cache->slots));
	if (cache->slots == NULL ||
	    pthread_mutex_init(&cache->lock, NULL) != 0) {
		free(cache->slots);
		free(cache);
		return NULL;
	}
	return cache;
}

void
check_cache_free(struct check_cache *cache)
{
	size_t i;

	if (cache == NULL)
		return;
	for (i = 0; i < cache->sets * WAYS; i++)
		X509_free(cache->slots[i].cert);
	pthread_mutex_destroy(&cache->lock);
	free(cache->slots);
	free(cache);
}

static struct slot *
find_set(struct check_cache *cache, const unsigned char hash[32])
{
	uint64_t n;

	memcpy(&n, hash, sizeof(n));
	return cache->slots + n % cache->sets * WAYS;
}

/* A reference of the caller's, or NULL. */
static X509 *
cache_get(struct check_cache *cache, const unsigned char hash[32])
{
	struct slot *set = find_set(cache, hash);
	X509 *cert = NULL;
	int i;

	pthread_mutex_lock(&cache->lock);
	for (i = 0; i < WAYS && cert == NULL; i++)
		if (set[i].cert != NULL &&
		    memcmp(set[i].hash, hash, sizeof(set[i].hash)) == 0) {
			cert = set[i].cert;
			X509_up_ref(cert);
			set[i].used = ++cache->clock;
		}
	pthread_mutex_unlock(&cache->lock);
	return cert;
}

static void
cache_put(struct check_cache *cache, const unsigned char hash[32], X509 *cert)
{
	struct slot *set = find_set(cache, hash), *oldest = set;
	X509 *out;
	int i;

	pthread_mutex_lock(&cache->lock);
	for (i = 1; i < WAYS; i++)
		if (set[i].used < oldest->used)
			oldest = &set[i];
	out = oldest->cert;
	X509_up_ref(cert);
	oldest->cert = cert;
	oldest->used = ++cache->clock;
	memcpy(oldest->hash, hash, sizeof(oldest->hash));
	pthread_mutex_unlock(&cache->lock);
	X509_free(out);
}

/* --------------------------------------------------------------- rules --- */

struct subject {
	struct cms_signed	 cms;
	struct der		 cert_der;
	unsigned char		 hash[32];	/* SHA-256 of cert_der */
	X509			*cert;
	bool			 fresh;		/* not from the cache */
	enum smime_digest	 digest;
	const unsigned char	*digest_value;
	const char		*address;
	bool			 pinned;
	time_t			 now;
};

/* RFC 8933 3: one digest for content and attributes, the one asked for. */
static bool
has_digests(const struct subject *subject)
{
	struct der want = algorithm_digest(subject->digest);

	return der_equal(&subject->cms.digest, &want) &&
	    der_equal(&subject->cms.signer_digest, &want);
}

/* RFC 5652 11.1 */
static bool
has_content_type(const struct subject *subject)
{
	struct der want = oid(OID_DATA);

	return der_equal(&subject->cms.content_type, &want);
}

/* RFC 5652 11.2 */
static bool
has_message_digest(const struct subject *subject)
{
	return der_is(&subject->cms.message_digest, subject->digest_value,
	    smime_digest_size(subject->digest));
}

/* RFC 5652 11.3: seconds and Z, UTCTime to 2049, GeneralizedTime after. */
static bool
has_signing_time(const struct subject *subject)
{
	struct der in = subject->cms.signing_time, text;
	size_t i;

	if (der_peek(&in) == TAG_UTCTIME ?
	    !der_take(&in, TAG_UTCTIME, &text, NULL) || text.len != 13 :
	    !der_take(&in, TAG_GENTIME, &text, NULL) || text.len != 15 ||
	    memcmp(text.p, "2050", 4) < 0)
		return false;
	for (i = 0; i < text.len - 1; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.p[i] == 'Z';
}

/* RFC 5035 3 and 4: SHA-256 by default, then issuer and serial number. */
static bool
has_signing_certificate(const struct subject *subject)
{
	struct der in = subject->cms.signing_certificate, list, ids, id;
	struct der hash, is, names, name, issuer, serial, unused;

	return der_take(&in, TAG_SEQUENCE, &list, NULL) &&
	    der_take(&list, TAG_SEQUENCE, &ids, NULL) && list.len == 0 &&
	    der_take(&ids, TAG_SEQUENCE, &id, NULL) && ids.len == 0 &&
	    der_take(&id, TAG_OCTETS, &hash, NULL) &&
	    der_is(&hash, subject->hash, sizeof(subject->hash)) &&
	    der_take(&id, TAG_SEQUENCE, &is, NULL) && id.len == 0 &&
	    der_take(&is, TAG_SEQUENCE, &names, NULL) &&
	    der_take(&names, 0xa4, &name, NULL) && names.len == 0 &&
	    der_take(&name, TAG_SEQUENCE, &unused, &issuer) && name.len == 0 &&
	    der_take(&is, TAG_INTEGER, &unused, &serial) && is.len == 0 &&
	    der_equal(&issuer, &subject->cms.signer_issuer) &&
	    der_equal(&serial, &subject->cms.signer_serial);
}

/* RFC 6211 2: the SignerInfo's own two algorithms, the second under [1]. */
static bool
has_protection(const struct subject *subject)
{
	struct der in = subject->cms.protection, list, digest, algorithm;
	struct der outer = subject->cms.algorithm, inner, unused;

	return der_take(&in, TAG_SEQUENCE, &list, NULL) &&
	    der_take(&list, TAG_SEQUENCE, &unused, &digest) &&
	    der_take(&list, 0xa1, &algorithm, NULL) && list.len == 0 &&
	    der_equal(&digest, &subject->cms.signer_digest) &&
	    der_take(&outer, TAG_SEQUENCE, &inner, NULL) &&
	    der_equal(&algorithm, &inner);
}

static bool
is_in_time(const struct subject *subject)
{
	return subject->now >= cert_not_before(subject->cert) &&
	    subject->now <= cert_not_after(subject->cert);
}

static bool
names_address(const struct subject *subject)
{
	return subject->pinned ||
	    cert_has_email(subject->cert, subject->address);
}

struct rule {
	bool		(*holds)(const struct subject *subject);
	const char	*sentence;
};

static const struct rule rules[] = {
	{ has_digests, "the signature is by another digest algorithm" },
	{ has_content_type, "the signed content type is not id-data" },
	{ has_message_digest, "the signature is of another message" },
	{ has_signing_time, "the signing time is missing or malformed" },
	{ has_signing_certificate, "the signing certificate attribute does "
	    "not name the signer's certificate" },
	{ has_protection, "the algorithm protection attribute does not name "
	    "the algorithms" },
	{ is_in_time, "the signer's certificate is not valid now" },
	{ names_address, "the signer's certificate is for another address" },
};

/* --------------------------------------------------------- certificate --- */

/* Issuer and serial number where they stand in the DER (RFC 5280 4.1). */
static bool
is_signer(const struct der *cert, const struct cms_signed *cms)
{
	struct der in = *cert, outer, tbs, serial, issuer, unused;

	if (!der_take(&in, TAG_SEQUENCE, &outer, NULL) ||
	    !der_take(&outer, TAG_SEQUENCE, &tbs, NULL))
		return false;
	if (der_peek(&tbs) == 0xa0 && !der_take(&tbs, 0xa0, &unused, NULL))
		return false;
	return der_take(&tbs, TAG_INTEGER, &unused, &serial) &&
	    der_take(&tbs, TAG_SEQUENCE, &unused, NULL) &&
	    der_take(&tbs, TAG_SEQUENCE, &unused, &issuer) &&
	    der_equal(&serial, &cms->signer_serial) &&
	    der_equal(&issuer, &cms->signer_issuer);
}

static int
find_certificate(struct subject *subject, struct smime_error *err)
{
	const struct cms_signed *cms = &subject->cms;
	size_t i, found = 0;

	for (i = 0; i < cms->certificate_count; i++)
		if (is_signer(&cms->certificates[i], cms)) {
			subject->cert_der = cms->certificates[i];
			found++;
		}
	if (found != 1)
		return smime_error_setx(err, "the signature holds %s "
		    "certificate of its signer", found == 0 ? "no" :
		    "more than one");
	if (EVP_Digest(subject->cert_der.p, subject->cert_der.len,
	    subject->hash, NULL, EVP_sha256(), NULL) != 1)
		return smime_error_crypto(err, "cannot hash a certificate");
	return 0;
}

static int
load_certificate(struct subject *subject, struct check_cache *cache,
    struct smime_error *err)
{
	const unsigned char *p = subject->cert_der.p;

	if (cache != NULL &&
	    (subject->cert = cache_get(cache, subject->hash)) != NULL)
		return 0;
	subject->cert = d2i_X509(NULL, &p, (long)subject->cert_der.len);
	if (subject->cert == NULL ||
	    (size_t)(p - subject->cert_der.p) != subject->cert_der.len)
		return smime_error_crypto(err,
		    "the signer's certificate cannot be read");
	if (cert_key_problem(X509_get0_pubkey(subject->cert)) != CERT_OK)
		return smime_error_setx(err,
		    "the signer's key is not one that we sign with");
	subject->fresh = true;
	return 0;
}

/* ----------------------------------------------------------- signature --- */

/* Which of our algorithms it says; only what fits the key and the digest. */
static bool
find_kind(const struct subject *subject, EVP_PKEY *key,
    enum algorithm_kind *out)
{
	enum algorithm_kind kind;
	struct der want;

	for (kind = ALGORITHM_RSA; kind <= ALGORITHM_ECDSA; kind++) {
		want = algorithm_signature(kind, subject->digest);
		if (der_equal(&subject->cms.algorithm, &want)) {
			*out = kind;
			return EVP_PKEY_is_a(key,
			    kind == ALGORITHM_ECDSA ? "EC" : "RSA");
		}
	}
	return false;
}

static bool
start(EVP_MD_CTX *ctx, const struct subject *subject, EVP_PKEY *key,
    enum algorithm_kind kind)
{
	const EVP_MD *md = smime_digest_md(subject->digest);
	EVP_PKEY_CTX *pctx;

	if (ctx == NULL || EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key)
	    != 1)
		return false;
	return kind != ALGORITHM_PSS ||
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST)
	    == 1);
}

/*
 * RFC 5652 5.4: what is signed is the SET OF, under its own tag instead of the
 * [0] that stands in the message.
 */
static int
verify(const struct subject *subject, struct smime_error *err)
{
	static const unsigned char tag = TAG_SET;
	const struct cms_signed *cms = &subject->cms;
	EVP_PKEY *key = X509_get0_pubkey(subject->cert);
	enum algorithm_kind kind;
	EVP_MD_CTX *ctx;
	int rc = -1;

	if (key == NULL || !find_kind(subject, key, &kind))
		return smime_error_setx(err,
		    "the signature is by another algorithm than the key's");
	ctx = EVP_MD_CTX_new();
	if (start(ctx, subject, key, kind) &&
	    EVP_DigestVerifyUpdate(ctx, &tag, 1) == 1 &&
	    EVP_DigestVerifyUpdate(ctx, cms->attributes.p + 1,
	    cms->attributes.len - 1) == 1 &&
	    EVP_DigestVerifyFinal(ctx, cms->signature.p, cms->signature.len)
	    == 1)
		rc = 0;
	else
		smime_error_crypto(err, "the signature does not verify");
	EVP_MD_CTX_free(ctx);
	return rc;
}

int
signature_check(const unsigned char *der, size_t len,
    enum smime_digest digest, const unsigned char *digest_value,
    const char *address, bool pinned, time_t now, struct check_cache *cache,
    struct smime_error *err)
{
	struct subject subject = { .digest = digest,
	    .digest_value = digest_value, .address = address,
	    .pinned = pinned, .now = now };
	size_t i;
	int rc = -1;

	ERR_clear_error();
	if (cms_signed_read(der, len, &subject.cms, err) != 0 ||
	    find_certificate(&subject, err) != 0 ||
	    load_certificate(&subject, cache, err) != 0)
		goto out;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i].holds(&subject)) {
			smime_error_setx(err, "%s", rules[i].sentence);
			goto out;
		}
	rc = verify(&subject, err);
	/* Only what was good for something may push others out. */
	if (rc == 0 && subject.fresh && cache != NULL)
		cache_put(cache, subject.hash, subject.cert);
out:
	X509_free(subject.cert);
	return rc;
}
