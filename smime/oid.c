/*
 * oid.c - object identifiers and algorithm identifiers, as DER elements.
 *
 * Shared by what writes a signature (sign.c) and what reads it back (cms.c,
 * check.c). Both also compare whole AlgorithmIdentifiers octet by octet: there
 * is one right encoding of each that we use.
 */
#include "der.h"
#include "smime_base.h"

#define OID(...)	{ (const unsigned char []){ 0x06, __VA_ARGS__ }, \
	sizeof((const unsigned char []){ 0x06, __VA_ARGS__ }) }
#define ALGORITHM(...)	{ (const unsigned char []){ 0x30, __VA_ARGS__ }, \
	sizeof((const unsigned char []){ 0x30, __VA_ARGS__ }) }
#define PKCS9		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09
#define SMIME_AA	PKCS9, 0x10, 0x02
#define NIST		0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04

static const struct der oids[OID_COUNT] = {
	[OID_DATA] = OID(9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1),
	[OID_SIGNED_DATA] = OID(9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2),
	[OID_CONTENT_TYPE] = OID(9, PKCS9, 3),
	[OID_MESSAGE_DIGEST] = OID(9, PKCS9, 4),
	[OID_SIGNING_TIME] = OID(9, PKCS9, 5),
	[OID_CAPABILITIES] = OID(9, PKCS9, 15),
	[OID_ENCRYPTION_KEY] = OID(11, SMIME_AA, 11),
	[OID_SIGNING_CERTIFICATE_V2] = OID(11, SMIME_AA, 47),
	[OID_ALGORITHM_PROTECTION] = OID(9, PKCS9, 52),
	[OID_AES256_GCM] = OID(9, NIST, 1, 46),
	[OID_AES128_GCM] = OID(9, NIST, 1, 6),
	[OID_AES256_CBC] = OID(9, NIST, 1, 42),
	[OID_AES128_CBC] = OID(9, NIST, 1, 2),
	[OID_ENVELOPED_DATA] = OID(9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7,
	    3),
	[OID_AUTH_ENVELOPED_DATA] = OID(11, PKCS9, 0x10, 1, 23),
	[OID_EC_PUBLIC_KEY] = OID(7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1),
	[OID_ECDH_SHA256] = OID(6, 0x2b, 0x81, 0x04, 1, 11, 1),
	[OID_AES256_WRAP] = OID(9, NIST, 1, 45),
	[OID_AES128_WRAP] = OID(9, NIST, 1, 5),
	[OID_RSA_OAEP] = OID(9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7),
};

/* RFC 5754 2: parameters are left out. */
static const struct der digests[] = {
	[SMIME_SHA256] = ALGORITHM(11, 0x06, 9, NIST, 2, 1),
	[SMIME_SHA384] = ALGORITHM(11, 0x06, 9, NIST, 2, 2),
	[SMIME_SHA512] = ALGORITHM(11, 0x06, 9, NIST, 2, 3),
};

/* RFC 5754 3.3: parameters are left out. */
#define ECDSA(n)	ALGORITHM(10, 0x06, 8, \
	0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, n)
static const struct der ecdsa[] = {
	[SMIME_SHA256] = ECDSA(2),
	[SMIME_SHA384] = ECDSA(3),
	[SMIME_SHA512] = ECDSA(4),
};

/* RFC 4056 3, RFC 4055 3.1: MGF1 with the same digest, salt as long. */
#define PKCS1		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1
#define SHA2_NULL(n)	0x30, 13, 0x06, 9, NIST, 2, n, 0x05, 0
#define PSS(n, salt)	ALGORITHM(65, 0x06, 9, PKCS1, 10, 0x30, 52, \
	0xa0, 15, SHA2_NULL(n), \
	0xa1, 28, 0x30, 26, 0x06, 9, PKCS1, 8, SHA2_NULL(n), \
	0xa2, 3, 0x02, 1, salt)
static const struct der pss[] = {
	[SMIME_SHA256] = PSS(1, 32),
	[SMIME_SHA384] = PSS(2, 48),
	[SMIME_SHA512] = PSS(3, 64),
};

/*
 * RFC 3370 3.2 and RFC 5754 3.2: rsaEncryption with NULL, which every reader
 * takes; the digest stands in digestAlgorithm.
 */
static const struct der rsa = ALGORITHM(13, 0x06, 9, PKCS1, 1, 0x05, 0);

/* RFC 3560 4: without parameters that differ from the default. */
static const struct der oaep = ALGORITHM(13, 0x06, 9, PKCS1, 7, 0x30, 0);

struct der
algorithm_transport(bool with_oaep)
{
	return with_oaep ? oaep : rsa;
}

struct der
oid(enum oid which)
{
	return oids[which];
}

struct der
algorithm_digest(enum smime_digest digest)
{
	return digests[digest];
}

struct der
algorithm_signature(enum algorithm_kind kind, enum smime_digest digest)
{
	switch (kind) {
	case ALGORITHM_ECDSA:
		return ecdsa[digest];
	case ALGORITHM_PSS:
		return pss[digest];
	case ALGORITHM_RSA:
		break;
	}
	return rsa;
}
