/*
 * check.c - look at our own signature before an MTA gets it (SIG-61).
 *
 * cms.c has taken the SignedData apart; here each thing that a reader will
 * compare is compared, in rules that name their section, and the signature is
 * verified over the very octets that will be sent. A certificate met before
 * is found in the cache by the hash of its DER, parsed once.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "cms.h"
#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"
#include "smime_sign.h"
#include "trust.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_UTCTIME	0x17
#define TAG_GENTIME	0x18
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31

/* --------------------------------------------------------------- rules --- */

struct held {
	unsigned char	 hash[32];	/* SHA-256 of the DER */
	X509		*cert;
	bool		 fresh;		/* not from the cache */
};

struct subject {
	struct cms_signed	 cms;
	struct held		 held[CMS_CERTIFICATES_MAX];
	const unsigned char	*hash;	/* the signer's among them */
	X509			*cert;
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
	    der_is(&hash, subject->hash, 32) &&
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

/* The certificate, whole, in the encoding that OpenSSL would write. */
static X509 *
parse(const struct der *der)
{
	unsigned char *again = NULL;
	size_t used;
	X509 *cert = cert_parse(der->p, der->len, &used);
	int len = cert != NULL ? i2d_X509(cert, &again) : 0;

	if (len <= 0 || !der_is(der, again, (size_t)len)) {
		X509_free(cert);
		cert = NULL;
	}
	OPENSSL_free(again);
	return cert;
}

static int
hold(struct held *held, const struct der *der, struct check_cache *cache,
    struct smime_error *err)
{
	if (EVP_Digest(der->p, der->len, held->hash, NULL,
	    smime_digest_md(SMIME_SHA256), NULL) != 1)
		return smime_error_crypto(err, "cannot hash a certificate");
	if (cache != NULL &&
	    (held->cert = check_cache_get(cache, held->hash)) != NULL)
		return 0;
	if ((held->cert = parse(der)) == NULL)
		return smime_error_crypto(err,
		    "a certificate in the signature cannot be read");
	held->fresh = true;
	return 0;
}

/*
 * All of them: a reader that cannot parse an intermediate takes the whole
 * signature for broken.
 */
static int
load_certificates(struct subject *subject, struct check_cache *cache,
    struct smime_error *err)
{
	const struct cms_signed *cms = &subject->cms;
	size_t i, found = 0;

	for (i = 0; i < cms->certificate_count; i++) {
		if (hold(&subject->held[i], &cms->certificates[i], cache,
		    err) != 0)
			return -1;
		if (!is_signer(&cms->certificates[i], cms))
			continue;
		subject->cert = subject->held[i].cert;
		subject->hash = subject->held[i].hash;
		found++;
	}
	if (found != 1)
		return smime_error_setx(err, "the signature holds %s "
		    "certificate of its signer", found == 0 ? "no" :
		    "more than one");
	if (cert_key_problem(X509_get0_pubkey(subject->cert)) != CERT_OK)
		return smime_error_setx(err,
		    "the signer's key is not one that we sign with");
	return 0;
}

/* Only what was good for something may push others out. */
static void
keep_certificates(const struct subject *subject, struct check_cache *cache)
{
	const struct held *held = subject->held;
	size_t i;

	for (i = 0; i < subject->cms.certificate_count; i++)
		if (held[i].fresh)
			check_cache_put(cache, held[i].hash, held[i].cert);
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
	    load_certificates(&subject, cache, err) != 0)
		goto out;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i].holds(&subject)) {
			smime_error_setx(err, "%s", rules[i].sentence);
			goto out;
		}
	rc = verify(&subject, err);
	if (rc == 0 && cache != NULL)
		keep_certificates(&subject, cache);
out:
	for (i = 0; i < CMS_CERTIFICATES_MAX; i++)
		X509_free(subject.held[i].cert);
	return rc;
}
