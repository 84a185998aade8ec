/*
 * sign.c - CMS SignedData (RFC 5652 5) around a digest.
 *
 * Of a signature by one mailbox nearly everything is the same each time: the
 * algorithms, the certificates, the signer's name, five of seven signed
 * attributes. signer_new encodes all that once. signer_sign adds messageDigest
 * and signingTime, sorts the attributes (X.690 11.6 orders a SET OF by its
 * encodings, so the digest's value may matter), signs them and writes the
 * pieces one behind the other. The CMS API would build and encode the whole
 * tree anew, which costs more than the signature itself.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
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
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31
#define TAG_0		0xa0

#define CONSTANT_MAX	5		/* attributes encoded beforehand */
#define SIGNATURE_MAX	1024		/* RSA-8192 */

struct signer {
	X509			*cert;
	enum smime_digest	 digest;
	enum algorithm_kind	 kind;
	EVP_MD_CTX		*prepared;	/* only ever copied */
	EVP_PKEY		*elsewhere;	/* instead of prepared */
	struct der		 algorithm;	/* static */
	struct der		 head;	/* SignedData's members up to and with
					 * certificates */
	struct der		 info;	/* SignerInfo's up to signedAttrs */
	struct der		 constant[CONSTANT_MAX];
	size_t			 constants;
};

static const unsigned char version_1[] = { TAG_INTEGER, 1, 1 };

/* ---------------------------------------------------------- making one --- */

static int
check_key(X509 *cert, EVP_PKEY *key, struct smime_error *err)
{
	enum cert_problem problem;

	ERR_clear_error();
	if (X509_check_private_key(cert, key) != 1) {
		ERR_clear_error();
		return smime_error_setx(err, "%s",
		    cert_problem_text(CERT_KEY_MISMATCH, false));
	}
	problem = cert_key_problem(X509_get0_pubkey(cert));
	if (problem != CERT_OK)
		return smime_error_setx(err, "%s",
		    cert_problem_text(problem, false));
	return 0;
}

static enum algorithm_kind
choose_kind(EVP_PKEY *key, enum smime_scheme scheme)
{
	if (EVP_PKEY_is_a(key, "EC"))
		return ALGORITHM_ECDSA;
	return scheme == SCHEME_PSS ? ALGORITHM_PSS : ALGORITHM_RSA;
}

/*
 * The context that each signature starts from. For PSS OpenSSL also says which
 * AlgorithmIdentifier belongs to its parameters: ours has to be the same.
 */
static int
prepare(struct signer *signer, EVP_PKEY *key, struct smime_error *err)
{
	const EVP_MD *md = smime_digest_md(signer->digest);
	unsigned char id[128];
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, id,
		    sizeof(id)),
		OSSL_PARAM_END
	};
	EVP_PKEY_CTX *pctx = NULL;

	if (key_is_elsewhere(key)) {
		EVP_PKEY_up_ref(key);
		signer->elsewhere = key;
		return 0;
	}
	if ((signer->prepared = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestSignInit(signer->prepared, &pctx, md, NULL, key) != 1)
		return smime_error_crypto(err, "cannot sign with this key");
	if (signer->kind != ALGORITHM_PSS)
		return 0;
	if (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST)
	    != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) != 1 ||
	    EVP_PKEY_CTX_get_params(pctx, params) != 1)
		return smime_error_crypto(err, "cannot set up RSASSA-PSS");
	if (!der_is(&signer->algorithm, id, params[0].return_size))
		return smime_error_setx(err,
		    "OpenSSL names other RSASSA-PSS parameters than ours");
	return 0;
}

/* One more in the set, unless it is there. The caller frees the octets. */
static int
add_certificate(struct der *list, size_t *count, X509 *cert,
    struct smime_error *err)
{
	unsigned char *p = NULL;
	struct der one;
	size_t i;
	int n;

	if (*count == CMS_CERTIFICATES_MAX)
		return smime_error_setx(err, "more than %d certificates",
		    CMS_CERTIFICATES_MAX);
	if ((n = i2d_X509(cert, &p)) <= 0)
		return smime_error_crypto(err, "cannot encode a certificate");
	one.p = p;
	one.len = (size_t)n;
	for (i = 0; i < *count; i++)
		if (der_equal(&list[i], &one)) {
			OPENSSL_free(p);
			return 0;
		}
	list[(*count)++] = one;
	return 0;
}

/*
 * CertificateSet: the signer's, the intermediates, the encryption certificate
 * if one is announced (RFC 8551 2.5.3); no root, which a reader must have of
 * its own (SIG-43).
 */
static int
collect_certificates(X509 *cert, STACK_OF(X509) *chain, X509 *encryption,
    struct der *out, struct smime_error *err)
{
	struct der list[CMS_CERTIFICATES_MAX];
	size_t count = 0;
	int i, rc;

	rc = add_certificate(list, &count, cert, err);
	for (i = 0; rc == 0 && chain != NULL && i < sk_X509_num(chain); i++)
		if (!cert_is_self_signed(sk_X509_value(chain, i)))
			rc = add_certificate(list, &count,
			    sk_X509_value(chain, i), err);
	if (rc == 0 && encryption != NULL)
		rc = add_certificate(list, &count, encryption, err);
	if (rc == 0) {
		qsort(list, count, sizeof(list[0]), der_compare);
		if (!der_wrap(out, TAG_0, list, count))
			rc = smime_error_setx(err, "out of memory");
	}
	while (count > 0)
		der_free(&list[--count]);
	return rc;
}

/* SignedData up to signerInfos, without the tag that signer_sign writes. */
static int
encode_head(struct signer *signer, STACK_OF(X509) *chain, X509 *encryption,
    struct smime_error *err)
{
	struct der digest = algorithm_digest(signer->digest);
	struct der data = oid(OID_DATA);
	struct der parts[4] = { { version_1, sizeof(version_1) },
	    { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	int rc = -1;

	if (collect_certificates(signer->cert, chain, encryption, &parts[3],
	    err) != 0)
		return -1;
	if (der_wrap(&parts[1], TAG_SET, &digest, 1) &&
	    der_wrap(&parts[2], TAG_SEQUENCE, &data, 1) &&
	    der_join(&signer->head, parts, 4))
		rc = 0;
	else
		smime_error_setx(err, "out of memory");
	der_free(&parts[1]);
	der_free(&parts[2]);
	der_free(&parts[3]);
	return rc;
}

/* version, sid, digestAlgorithm of SignerInfo. */
static bool
encode_info(struct signer *signer)
{
	struct der parts[3] = { { version_1, sizeof(version_1) },
	    { NULL, 0 }, algorithm_digest(signer->digest) };
	bool ok;

	ok = issuer_and_serial(&parts[1], TAG_SEQUENCE, signer->cert) &&
	    der_join(&signer->info, parts, 3);
	der_free(&parts[1]);
	return ok;
}

static bool
encode_attributes(struct signer *signer, X509 *encryption,
    unsigned capabilities)
{
	struct der data = oid(OID_DATA), *next = signer->constant;
	struct der digest = algorithm_digest(signer->digest);

	if (!attribute_make(next++, OID_CONTENT_TYPE, &data) ||
	    !attribute_signing_certificate(next++, signer->cert) ||
	    !attribute_protection(next++, &digest, &signer->algorithm) ||
	    (capabilities != 0 &&
	    !attribute_capabilities(next++, capabilities)) ||
	    (encryption != NULL &&
	    !attribute_encryption_key(next++, encryption)))
		return false;
	signer->constants = (size_t)(next - signer->constant);
	return true;
}

static int
signer_build(struct signer *signer, EVP_PKEY *key, STACK_OF(X509) *chain,
    X509 *encryption, enum smime_scheme scheme, unsigned capabilities,
    struct smime_error *err)
{
	signer->digest = cert_digest(signer->cert);
	signer->kind = choose_kind(key, scheme);
	signer->algorithm = algorithm_signature(signer->kind, signer->digest);
	if (encryption != NULL && cert_is_same(encryption, signer->cert))
		encryption = NULL;
	if (prepare(signer, key, err) != 0 ||
	    encode_head(signer, chain, encryption, err) != 0)
		return -1;
	if (!encode_info(signer) ||
	    !encode_attributes(signer, encryption, capabilities))
		return smime_error_crypto(err,
		    "cannot encode the signer's particulars");
	return 0;
}

struct signer *
signer_new(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain, X509 *encryption,
    enum smime_scheme scheme, unsigned capabilities, struct smime_error *err)
{
	struct signer *signer;

	if (check_key(cert, key, err) != 0)
		return NULL;
	if ((signer = calloc(1, sizeof(*signer))) == NULL) {
		smime_error_set(err, "a signer");
		return NULL;
	}
	X509_up_ref(cert);
	signer->cert = cert;
	if (signer_build(signer, key, chain, encryption, scheme, capabilities,
	    err) != 0) {
		signer_free(signer);
		return NULL;
	}
	return signer;
}

void
signer_free(struct signer *signer)
{
	size_t i;

	if (signer == NULL)
		return;
	EVP_MD_CTX_free(signer->prepared);
	EVP_PKEY_free(signer->elsewhere);
	X509_free(signer->cert);
	der_free(&signer->head);
	der_free(&signer->info);
	for (i = 0; i < CONSTANT_MAX; i++)
		der_free(&signer->constant[i]);
	free(signer);
}

X509 *
signer_cert(const struct signer *signer)
{
	return signer->cert;
}

enum smime_digest
signer_digest(const struct signer *signer)
{
	return signer->digest;
}

/* ------------------------------------------------------------- signing --- */

#define SMALL_MAX	(16 + 11 + SMIME_DIGEST_MAX)

/* The two attributes that change, each in a buffer of the caller's. */
static size_t
put_small_attribute(unsigned char *out, enum oid type,
    const unsigned char *value, size_t len)
{
	struct der name = oid(type);
	unsigned char *p = out;

	p = der_put_header(p, TAG_SEQUENCE,
	    name.len + der_header_size(len) + len);
	p = der_put(p, &name);
	p = der_put_header(p, TAG_SET, len);
	memcpy(p, value, len);
	return (size_t)(p - out) + len;
}

static size_t
put_message_digest(unsigned char *out, const unsigned char *digest, size_t len)
{
	unsigned char value[2 + SMIME_DIGEST_MAX];

	memcpy(der_put_header(value, TAG_OCTETS, len), digest, len);
	return put_small_attribute(out, OID_MESSAGE_DIGEST, value, 2 + len);
}

static size_t
put_signing_time(unsigned char *out, time_t when)
{
	unsigned char value[32];
	size_t len = signing_time_put(value, sizeof(value), when);

	return len == 0 ? 0 :
	    put_small_attribute(out, OID_SIGNING_TIME, value, len);
}

/*
 * The SET OF attributes that is signed (RFC 5652 5.4); in the message it bears
 * the tag [0] instead.
 */
static int
encode_set(const struct signer *signer, const unsigned char *digest,
    size_t digest_len, time_t when, struct der *out, struct smime_error *err)
{
	unsigned char small[2][SMALL_MAX];
	struct der list[CONSTANT_MAX + 2];
	size_t n = signer->constants;

	memcpy(list, signer->constant, n * sizeof(list[0]));
	list[n].p = small[0];
	list[n++].len = put_message_digest(small[0], digest, digest_len);
	list[n].p = small[1];
	list[n].len = put_signing_time(small[1], when);
	if (list[n++].len == 0)
		return smime_error_setx(err, "no such signing time");
	qsort(list, n, sizeof(list[0]), der_compare);
	if (!der_wrap(out, TAG_SET, list, n))
		return smime_error_setx(err, "out of memory");
	return 0;
}

static int
use_key(const struct signer *signer, const struct der *set,
    unsigned char *out, size_t *len, struct smime_error *err)
{
	EVP_MD_CTX *ctx;
	int rc = -1;

	ERR_clear_error();
	if (signer->elsewhere != NULL)
		return elsewhere_sign(signer->elsewhere, signer->kind,
		    signer->digest, set, out, len, err);
	if ((ctx = EVP_MD_CTX_new()) != NULL &&
	    EVP_MD_CTX_copy_ex(ctx, signer->prepared) == 1 &&
	    EVP_DigestSign(ctx, out, len, set->p, set->len) == 1 &&
	    *len > 0 && *len <= SIGNATURE_MAX)
		rc = 0;
	else
		smime_error_crypto(err, "the private key did not sign");
	EVP_MD_CTX_free(ctx);
	return rc;
}

/* Everything is known: write it from the outside in. */
static int
assemble(const struct signer *signer, const struct der *set,
    const struct der *signature, unsigned char **out, size_t *len,
    struct smime_error *err)
{
	struct der type = oid(OID_SIGNED_DATA);
	unsigned char *p, *buf;
	size_t info, infos, data, outer, all;

	info = signer->info.len + set->len + signer->algorithm.len +
	    der_header_size(signature->len) + signature->len;
	infos = der_header_size(info) + info;
	data = signer->head.len + der_header_size(infos) + infos;
	outer = der_header_size(data) + data;
	all = type.len + der_header_size(outer) + outer;
	if ((buf = OPENSSL_malloc(der_header_size(all) + all)) == NULL)
		return smime_error_setx(err, "out of memory");
	p = der_put_header(buf, TAG_SEQUENCE, all);
	p = der_put(p, &type);
	p = der_put_header(p, TAG_0, outer);
	p = der_put_header(p, TAG_SEQUENCE, data);
	p = der_put(p, &signer->head);
	p = der_put_header(p, TAG_SET, infos);
	p = der_put_header(p, TAG_SEQUENCE, info);
	p = der_put(p, &signer->info);
	*p = TAG_0;
	memcpy(p + 1, set->p + 1, set->len - 1);
	p += set->len;
	p = der_put(p, &signer->algorithm);
	p = der_put_header(p, TAG_OCTETS, signature->len);
	p = der_put(p, signature);
	*out = buf;
	*len = (size_t)(p - buf);
	return 0;
}

int
signer_sign(const struct signer *signer, const unsigned char *digest,
    size_t digest_len, time_t signing_time, unsigned char **out, size_t *len,
    struct smime_error *err)
{
	unsigned char octets[SIGNATURE_MAX];
	struct der set, signature = { octets, sizeof(octets) };
	int rc = -1;

	if (digest_len != smime_digest_size(signer->digest))
		return smime_error_setx(err,
		    "the digest is not %zu octets long",
		    smime_digest_size(signer->digest));
	if (encode_set(signer, digest, digest_len, signing_time, &set,
	    err) != 0)
		return -1;
	if (use_key(signer, &set, octets, &signature.len, err) == 0)
		rc = assemble(signer, &set, &signature, out, len, err);
	der_free(&set);
	return rc;
}
