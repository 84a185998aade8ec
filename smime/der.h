/*
 * der.h - DER read and written in place, object identifiers, the attributes
 * of a signature. The library's own.
 */
#ifndef SMIME_DER_H
#define SMIME_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "smime_base.h"

/* -------------------------------------------------------------- der.c --- */

/* Strict DER, read in place. */
struct der {
	const unsigned char	*p;
	size_t			 len;
};

/*
 * Takes the next element off in: its tag must be tag (class, constructed and
 * number in one octet; numbers above 30 are refused), its length definite and
 * minimal. *content receives the contents, *whole (may be NULL) the element
 * with tag and length.
 */
bool	 der_take(struct der *in, unsigned char tag, struct der *content,
	    struct der *whole);
/*
 * Goes into an element whose contents are all the rest of in and, behind it,
 * so many octets that are elsewhere.
 */
bool	 der_enter(struct der *in, unsigned char tag, uint64_t behind);
/* The tag of the next element, or -1 at the end. */
int	 der_peek(const struct der *in);
/* Octets that a tag and length take for so much content. */
size_t	 der_header_size(size_t content_len);
/* Writes tag and minimal length; returns behind them. */
unsigned char *der_put_header(unsigned char *p, unsigned char tag,
	    size_t content_len);
/* Writes an element as it is; returns behind it. */
unsigned char *der_put(unsigned char *p, const struct der *der);
bool	 der_is(const struct der *a, const void *p, size_t len);
bool	 der_equal(const struct der *a, const struct der *b);
/* Order of a SET OF (X.690 11.6), for qsort over struct der. */
int	 der_compare(const void *a, const void *b);
/*
 * One element around parts in their order, or the parts alone; false when
 * memory is short. What was allocated is freed by der_free, which leaves it
 * empty.
 */
bool	 der_wrap(struct der *out, unsigned char tag, const struct der *parts,
	    size_t count);
bool	 der_join(struct der *out, const struct der *parts, size_t count);
void	 der_free(struct der *der);

/* -------------------------------------------------------------- oid.c --- */

enum oid {
	OID_DATA,
	OID_SIGNED_DATA,
	OID_CONTENT_TYPE,		/* RFC 5652 11.1 */
	OID_MESSAGE_DIGEST,		/* RFC 5652 11.2 */
	OID_SIGNING_TIME,		/* RFC 5652 11.3 */
	OID_CAPABILITIES,		/* RFC 8551 2.5.2 */
	OID_ENCRYPTION_KEY,		/* RFC 8551 2.5.3 */
	OID_SIGNING_CERTIFICATE_V2,	/* RFC 5035 3 */
	OID_ALGORITHM_PROTECTION,	/* RFC 6211 2 */
	OID_AES256_GCM,
	OID_AES128_GCM,
	OID_AES256_CBC,
	OID_AES128_CBC,
	OID_ENVELOPED_DATA,
	OID_AUTH_ENVELOPED_DATA,	/* RFC 5083 2 */
	OID_EC_PUBLIC_KEY,
	OID_ECDH_SHA256,		/* RFC 5753 7.1.4 */
	OID_AES256_WRAP,
	OID_AES128_WRAP,
	OID_RSA_OAEP,			/* RFC 3560 2 */
	OID_COUNT
};

enum algorithm_kind { ALGORITHM_RSA, ALGORITHM_PSS, ALGORITHM_ECDSA };

/* Whole DER elements; static. */
struct der oid(enum oid which);
struct der algorithm_digest(enum smime_digest digest);
/* Key transport for RSA (RFC 3370 4.2.1, RFC 3560 4). */
struct der algorithm_transport(bool oaep);
struct der algorithm_signature(enum algorithm_kind kind,
	    enum smime_digest digest);

/* -------------------------------------------------------- elsewhere.c --- */

/*
 * Has data signed by a key that is elsewhere, and verifies it; *len is the
 * room in out and becomes the length.
 */
int	 elsewhere_sign(EVP_PKEY *key, enum algorithm_kind kind,
	    enum smime_digest digest, const struct der *data,
	    unsigned char *out, size_t *len, struct smime_error *err);

/* ------------------------------------------------------- attributes.c --- */

/*
 * Each leaves one encoded element in out, for der_free; false when memory is
 * short or a certificate cannot be encoded.
 */
bool	 attribute_make(struct der *out, enum oid type,
	    const struct der *value);
bool	 attribute_capabilities(struct der *out, unsigned capabilities);
bool	 attribute_encryption_key(struct der *out, X509 *encryption);
bool	 attribute_signing_certificate(struct der *out, X509 *cert);
bool	 attribute_protection(struct der *out, const struct der *digest,
	    const struct der *signature);
bool	 issuer_and_serial(struct der *out, unsigned char tag, X509 *cert);
/* SigningTime to out; its length, or 0 when the year is out of reach. */
size_t	 signing_time_put(unsigned char *out, size_t size, time_t when);

#endif
