/*
 * smime_sign.h - signing, the check of what was signed, and the message that
 * is made of it.
 */
#ifndef SAMPUL_SMIME_SIGN_H
#define SAMPUL_SMIME_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "smime_base.h"
#include "smime_canon.h"

/* ------------------------------------------------------------- signing --- */

enum smime_scheme {
	SCHEME_DEFAULT,		/* RSA: PKCS #1 v1.5; EC: ECDSA */
	SCHEME_PSS		/* RSA: RSASSA-PSS, salt as long as the digest */
};

/*
 * A certificate, its chain and its private key, with everything that does not
 * change from one signature to the next encoded once. Shared by threads.
 * Only the key process (and sampulctl) makes one.
 */
struct signer;

/*
 * Takes references of its own on cert, key and the chain's certificates.
 * encryption (may be NULL) is the owner's encryption certificate, announced as
 * SMIMEEncryptionKeyPreference when it differs (SIG-35).
 */
struct signer *signer_new(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain,
	    X509 *encryption, enum smime_scheme scheme, unsigned capabilities,
	    struct smime_error *err);
void	 signer_free(struct signer *signer);
X509	*signer_cert(const struct signer *signer);	/* borrowed */
enum smime_digest signer_digest(const struct signer *signer);
/*
 * CMS SignedData (RFC 5652 5), detached, DER, around a digest of
 * signer_digest's kind; signed attributes contentType, messageDigest,
 * signingTime, SMIMECapabilities, signingCertificateV2 (RFC 5035) and
 * CMSAlgorithmProtection (RFC 6211). *out is freed with OPENSSL_free.
 */
int	 signer_sign(const struct signer *signer, const unsigned char *digest,
	    size_t digest_len, time_t signing_time, unsigned char **out,
	    size_t *len, struct smime_error *err);

/* ---------------------------------------------------------- self-check --- */

/* Public keys of certificates met, by their full DER; shared by threads. */
struct check_cache;

struct check_cache *check_cache_new(size_t entries);
void	 check_cache_free(struct check_cache *cache);

/*
 * What must hold before an MTA gets our signature (SIG-61): strict DER, one
 * signer, one certificate that it names, signed attributes once each with this
 * content type, this digest and matching ESS certificate and algorithm
 * protection, the certificate valid at now and naming address (unless pinned),
 * and the signature over the signed attributes as encoded. Returns 0, or -1
 * with what did not hold. cache may be NULL.
 */
int	 signature_check(const unsigned char *der, size_t len,
	    enum smime_digest digest, const unsigned char *digest_value,
	    const char *address, bool pinned, time_t now,
	    struct check_cache *cache, struct smime_error *err);

/* ------------------------------------------------------------- compose --- */

enum smime_form {
	FORM_DETACHED,		/* multipart/signed (RFC 8551 3.5.3) */
	FORM_OPAQUE		/* application/pkcs7-mime (RFC 8551 3.5.2) */
};

/* The finished message: what replaces the header's and the body's part. */
struct composed;

/*
 * Joins the canonical entity and the detached DER. For FORM_OPAQUE the content
 * is written into the SignedData with definite lengths while it streams.
 * canon is borrowed until composed_free. The boundary has 128 random bits and
 * is proven absent from the entity.
 */
struct composed *compose_signed(struct canon *canon, enum smime_form form,
	    enum smime_digest digest, const unsigned char *der, size_t len,
	    struct smime_error *err);
void	 composed_free(struct composed *composed);
/* Value of the new Content-Type field, folded with LF, without leading space;
 * borrowed. */
const char *composed_content_type(const struct composed *composed);
/* Value of Content-Transfer-Encoding, or NULL for none; likewise
 * Content-Disposition. Borrowed. */
const char *composed_encoding(const struct composed *composed);
const char *composed_disposition(const struct composed *composed);
/* Octets of the new body. */
uint64_t composed_size(const struct composed *composed);
/*
 * Hands the new body to sink, lines ended by CRLF, no leading empty line. The
 * entity is digested again on its way: when it is not what was signed, the
 * last call fails and the caller must not let the message go.
 */
int	 composed_write(struct composed *composed, smime_sink sink, void *arg,
	    struct smime_error *err);

#endif
