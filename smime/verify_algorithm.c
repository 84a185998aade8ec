/*
 * verify_algorithm.c - digests, signature algorithms, keys, and the one
 * operation that all is about.
 *
 * RFC 8551 2.1, 2.2: what is accepted; MD5, SHA-1, DSA and small keys are known
 * so that they can be told from what is unknown (VER-18, VER-21).
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "der.h"
#include "smime_base.h"
#include "smime_verify.h"
#include "verify.h"

#define TAG_INTEGER	0x02
#define TAG_NULL	0x05
#define TAG_OID		0x06
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31

#define PKCS1		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1
#define NIST_HASH	0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2
#define X962_SIG	0x2a, 0x86, 0x48, 0xce, 0x3d, 4
#define OID(...)	{ (const unsigned char []){ __VA_ARGS__ }, \
	sizeof((const unsigned char []){ __VA_ARGS__ }) }

/* AlgorithmIdentifier (RFC 5280 4.1.1.2): the OID's octets, parameters. */
struct identifier {
	struct der	oid;
	struct der	parameters;	/* whole; p NULL: none or NULL */
};

static bool
read_identifier(const struct der *algorithm, struct identifier *out)
{
	struct der in = *algorithm, list, unused;
	int tag;

	memset(out, 0, sizeof(*out));
	if (!der_take(&in, TAG_SEQUENCE, &list, NULL) || in.len != 0 ||
	    !der_take(&list, TAG_OID, &out->oid, NULL))
		return false;
	if ((tag = der_peek(&list)) == -1)
		return true;
	if (!der_take(&list, (unsigned char)tag, &unused, &out->parameters) ||
	    list.len != 0)
		return false;
	if (tag == TAG_NULL)
		memset(&out->parameters, 0, sizeof(out->parameters));
	return tag != TAG_NULL || unused.len == 0;
}

bool
algorithm_equal(const struct der *a, const struct der *b)
{
	struct identifier x, y;

	return read_identifier(a, &x) && read_identifier(b, &y) &&
	    der_equal(&x.oid, &y.oid) &&
	    der_equal(&x.parameters, &y.parameters);
}

/* ------------------------------------------------------------- digests --- */

static const struct {
	struct der		oid;
	enum digest_kind	kind;
} digests[] = {
	{ OID(NIST_HASH, 1),				DIGEST_SHA256 },
	{ OID(NIST_HASH, 2),				DIGEST_SHA384 },
	{ OID(NIST_HASH, 3),				DIGEST_SHA512 },
	{ OID(0x2b, 14, 3, 2, 26),			DIGEST_SHA1 },
	{ OID(NIST_HASH, 4),				DIGEST_BROKEN },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 2), DIGEST_BROKEN },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 4), DIGEST_BROKEN },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5), DIGEST_BROKEN },
};

const EVP_MD *
digest_md(enum digest_kind kind)
{
	switch (kind) {
	case DIGEST_SHA256:
		return smime_digest_md(SMIME_SHA256);
	case DIGEST_SHA384:
		return smime_digest_md(SMIME_SHA384);
	case DIGEST_SHA512:
		return smime_digest_md(SMIME_SHA512);
	case DIGEST_SHA1:
		return EVP_sha1();
	default:
		return NULL;
	}
}

enum digest_kind
digest_read(const struct der *algorithm)
{
	struct identifier id;
	size_t i;

	if (!read_identifier(algorithm, &id) || id.parameters.p != NULL)
		return DIGEST_UNKNOWN;
	for (i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (der_equal(&id.oid, &digests[i].oid))
			return digests[i].kind;
	return DIGEST_UNKNOWN;
}

/* ---------------------------------------------------------- signatures --- */

static const struct {
	struct der		oid;
	enum signature_kind	kind;
	enum digest_kind	digest;
} signatures[] = {
	{ OID(PKCS1, 1),	SIGNATURE_RSA,		DIGEST_UNKNOWN },
	{ OID(PKCS1, 11),	SIGNATURE_RSA,		DIGEST_SHA256 },
	{ OID(PKCS1, 12),	SIGNATURE_RSA,		DIGEST_SHA384 },
	{ OID(PKCS1, 13),	SIGNATURE_RSA,		DIGEST_SHA512 },
	{ OID(PKCS1, 5),	SIGNATURE_RSA,		DIGEST_SHA1 },
	{ OID(PKCS1, 10),	SIGNATURE_PSS,		DIGEST_UNKNOWN },
	{ OID(X962_SIG, 3, 2),	SIGNATURE_ECDSA,	DIGEST_SHA256 },
	{ OID(X962_SIG, 3, 3),	SIGNATURE_ECDSA,	DIGEST_SHA384 },
	{ OID(X962_SIG, 3, 4),	SIGNATURE_ECDSA,	DIGEST_SHA512 },
	{ OID(X962_SIG, 1),	SIGNATURE_ECDSA,	DIGEST_SHA1 },
	{ OID(0x2b, 0x65, 112),	SIGNATURE_ED25519,	DIGEST_UNKNOWN },
	{ OID(PKCS1, 2),	SIGNATURE_BROKEN,	DIGEST_BROKEN },
	{ OID(PKCS1, 4),	SIGNATURE_BROKEN,	DIGEST_BROKEN },
	{ OID(PKCS1, 14),	SIGNATURE_BROKEN,	DIGEST_BROKEN },
	{ OID(X962_SIG, 3, 1),	SIGNATURE_BROKEN,	DIGEST_BROKEN },
	/* DSA: id-dsa, with SHA-1, with SHA-224, with SHA-256. */
	{ OID(0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1), SIGNATURE_BROKEN,
	    DIGEST_UNKNOWN },
	{ OID(0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3), SIGNATURE_BROKEN,
	    DIGEST_UNKNOWN },
	{ OID(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 1), SIGNATURE_BROKEN,
	    DIGEST_UNKNOWN },
	{ OID(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2), SIGNATURE_BROKEN,
	    DIGEST_UNKNOWN },
};

/* [tag] EXPLICIT AlgorithmIdentifier, or SHA-1 where it is left out. */
static bool
take_hash(struct der *list, unsigned char tag, enum digest_kind *out)
{
	struct der wrapped;

	*out = DIGEST_SHA1;
	if (der_peek(list) != tag)
		return true;
	if (!der_take(list, tag, &wrapped, NULL))
		return false;
	*out = digest_read(&wrapped);
	return true;
}

/* [1]: MGF1 (RFC 4055 2.2), with a digest of its own. */
static bool
take_mask(struct der *list, enum digest_kind *out)
{
	static const unsigned char mgf1[] = { PKCS1, 8 };
	struct der wrapped;
	struct identifier id;

	*out = DIGEST_SHA1;
	if (der_peek(list) != 0xa1)
		return true;
	if (!der_take(list, 0xa1, &wrapped, NULL) ||
	    !read_identifier(&wrapped, &id) ||
	    !der_is(&id.oid, mgf1, sizeof(mgf1)))
		return false;
	*out = digest_read(&id.parameters);
	return true;
}

/*
 * A number of at most 15 bits under [tag] EXPLICIT: openssl's salt is as long
 * as the key allows.
 */
static bool
take_number(struct der *list, unsigned char tag, int *out)
{
	struct der wrapped, number;
	size_t i;

	if (der_peek(list) != tag)
		return true;
	if (!der_take(list, tag, &wrapped, NULL) ||
	    !der_take(&wrapped, TAG_INTEGER, &number, NULL) ||
	    wrapped.len != 0 || number.len == 0 || number.len > 2 ||
	    number.p[0] > 127)
		return false;
	for (*out = 0, i = 0; i < number.len; i++)
		*out = *out << 8 | number.p[i];
	return true;
}

/* RSASSA-PSS-params (RFC 4055 3.1). One digest for both (RFC 8551 2.2). */
static bool
read_pss(const struct der *parameters, struct signature_algorithm *out)
{
	struct der in = *parameters, list;
	enum digest_kind mask;
	int trailer = 1;

	out->salt = 20;
	return parameters->p != NULL &&
	    der_take(&in, TAG_SEQUENCE, &list, NULL) && in.len == 0 &&
	    take_hash(&list, 0xa0, &out->digest) &&
	    take_mask(&list, &mask) && take_number(&list, 0xa2, &out->salt) &&
	    take_number(&list, 0xa3, &trailer) && list.len == 0 &&
	    trailer == 1 && mask == out->digest;
}

void
signature_read(const struct der *algorithm, struct signature_algorithm *out)
{
	struct identifier id;
	size_t i;

	out->kind = SIGNATURE_UNKNOWN;
	out->digest = DIGEST_UNKNOWN;
	out->salt = 0;
	if (!read_identifier(algorithm, &id))
		return;
	for (i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (der_equal(&id.oid, &signatures[i].oid))
			break;
	if (i == sizeof(signatures) / sizeof(signatures[0]))
		return;
	out->digest = signatures[i].digest;
	if (signatures[i].kind == SIGNATURE_PSS) {
		if (read_pss(&id.parameters, out))
			out->kind = SIGNATURE_PSS;
	} else if (id.parameters.p == NULL ||
	    signatures[i].kind == SIGNATURE_BROKEN)
		out->kind = signatures[i].kind;
}

/* ---------------------------------------------------------------- keys --- */

/*
 * RFC 8551 6: sizes are looked at before any operation. An exponent of 3 has
 * been the door of forgeries against lax padding checks (ATK-23).
 */
static enum verify_reason
judge_rsa(EVP_PKEY *key, int max_bits)
{
	enum verify_reason reason = VERIFY_ALGORITHM;
	BIGNUM *e = NULL;

	if (EVP_PKEY_get_bits(key) > max_bits)
		return VERIFY_LIMIT;
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return VERIFY_ALGORITHM;
	if (BN_num_bits(e) > 64)
		reason = VERIFY_LIMIT;
	else if (EVP_PKEY_get_bits(key) < 2048 || BN_num_bits(e) < 17)
		reason = VERIFY_WEAK;
	else
		reason = VERIFY_GOOD;
	BN_free(e);
	return reason;
}

static enum verify_reason
judge_ec(EVP_PKEY *key)
{
	static const char *const curves[] = { SN_X9_62_prime256v1,
		SN_secp384r1, SN_secp521r1 };
	char group[64];
	size_t i, len;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return VERIFY_ALGORITHM;
	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (strcmp(group, curves[i]) == 0)
			return VERIFY_GOOD;
	return EVP_PKEY_get_bits(key) < 256 ? VERIFY_WEAK : VERIFY_ALGORITHM;
}

enum verify_reason
key_judge(EVP_PKEY *key, int max_rsa_bits)
{
	enum verify_reason reason = VERIFY_ALGORITHM;

	if (key == NULL)
		return VERIFY_ALGORITHM;
	if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
		reason = judge_rsa(key, max_rsa_bits);
	else if (EVP_PKEY_is_a(key, "EC"))
		reason = judge_ec(key);
	else if (EVP_PKEY_is_a(key, "ED25519"))
		reason = VERIFY_GOOD;
	else if (EVP_PKEY_is_a(key, "DSA"))
		reason = VERIFY_WEAK;
	ERR_clear_error();
	return reason;
}

/* ----------------------------------------------------------- operation --- */

static bool
fits(const struct signature_algorithm *algorithm, EVP_PKEY *key)
{
	switch (algorithm->kind) {
	case SIGNATURE_RSA:
		return EVP_PKEY_is_a(key, "RSA");
	case SIGNATURE_PSS:
		return EVP_PKEY_is_a(key, "RSA") ||
		    EVP_PKEY_is_a(key, "RSA-PSS");
	case SIGNATURE_ECDSA:
		return EVP_PKEY_is_a(key, "EC");
	case SIGNATURE_ED25519:
		return EVP_PKEY_is_a(key, "ED25519");
	default:
		return false;
	}
}

static bool
start(EVP_MD_CTX *ctx, const struct signature_algorithm *algorithm,
    EVP_PKEY *key)
{
	const EVP_MD *md = digest_md(algorithm->digest);
	EVP_PKEY_CTX *pctx;

	if (algorithm->kind == SIGNATURE_ED25519)
		md = NULL;
	if (EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) != 1)
		return false;
	return algorithm->kind != SIGNATURE_PSS ||
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, algorithm->salt) == 1);
}

/*
 * RFC 5652 5.4: signed is the SET OF under its own tag, here as it was sent:
 * some senders do not sort it, and have signed it so. Ed25519 takes no pieces.
 */
static enum verify_reason
run(EVP_MD_CTX *ctx, const struct signer_info *info,
    const struct signature_algorithm *algorithm)
{
	static const unsigned char tag = TAG_SET;
	const struct der *set = &info->attributes, *value = &info->signature;
	unsigned char *whole;
	int rc;

	if (algorithm->kind != SIGNATURE_ED25519)
		return EVP_DigestVerifyUpdate(ctx, &tag, 1) == 1 &&
		    EVP_DigestVerifyUpdate(ctx, set->p + 1, set->len - 1) ==
		    1 && EVP_DigestVerifyFinal(ctx, value->p, value->len) == 1
		    ? VERIFY_GOOD : VERIFY_SIGNATURE;
	if ((whole = OPENSSL_memdup(set->p, set->len)) == NULL)
		return VERIFY_FAULT;
	whole[0] = tag;
	rc = EVP_DigestVerify(ctx, value->p, value->len, whole, set->len);
	OPENSSL_free(whole);
	return rc == 1 ? VERIFY_GOOD : VERIFY_SIGNATURE;
}

enum verify_reason
signature_verify(const struct signer_info *info,
    const struct signature_algorithm *algorithm, EVP_PKEY *key)
{
	enum verify_reason reason = VERIFY_ALGORITHM;
	EVP_MD_CTX *ctx;

	if (info->attributes.p == NULL)
		return VERIFY_NO_ATTRIBUTES;
	if (key == NULL || !fits(algorithm, key))
		return VERIFY_ALGORITHM;
	if ((ctx = EVP_MD_CTX_new()) == NULL)
		return VERIFY_FAULT;
	if (start(ctx, algorithm, key))
		reason = run(ctx, info, algorithm);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return reason;
}
