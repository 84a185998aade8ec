/*
 * attributes.c - the signed attributes (RFC 5652 11, RFC 8551 2.5), encoded.
 *
 * Each function leaves one Attribute in out, which der_free frees; false means
 * that memory was short or OpenSSL could not encode a part of a certificate.
 */
#include <stdio.h>
#include <string.h>

#include "der.h"
#include "smime_cert.h"
#include "smime_encrypt.h"

#define TAG_OCTETS	0x04
#define TAG_UTCTIME	0x17
#define TAG_GENTIME	0x18
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31

/* Attribute: SEQUENCE of the type and a SET of one value. */
bool
attribute_make(struct der *out, enum oid type, const struct der *value)
{
	struct der parts[2] = { oid(type), { NULL, 0 } };
	bool ok;

	if (!der_wrap(&parts[1], TAG_SET, value, 1))
		return false;
	ok = der_wrap(out, TAG_SEQUENCE, parts, 2);
	der_free(&parts[1]);
	return ok;
}

/* The same around a SEQUENCE that is made here of parts. */
static bool
attribute_sequence(struct der *out, enum oid type, const struct der *parts,
    size_t count)
{
	struct der value;
	bool ok;

	if (!der_wrap(&value, TAG_SEQUENCE, parts, count))
		return false;
	ok = attribute_make(out, type, &value);
	der_free(&value);
	return ok;
}

/* Parameters are left out, not NULL (RFC 8551 2.5.2, RFC 3565 4.1). */
bool
attribute_capabilities(struct der *out, unsigned capabilities)
{
	static const struct {
		unsigned	bit;
		enum oid	type;
	} known[] = {
		{ SMIME_CAP_AES256_GCM,	OID_AES256_GCM },
		{ SMIME_CAP_AES128_GCM,	OID_AES128_GCM },
		{ SMIME_CAP_AES256_CBC,	OID_AES256_CBC },
		{ SMIME_CAP_AES128_CBC,	OID_AES128_CBC },
	};
	struct der list[sizeof(known) / sizeof(known[0])], type;
	size_t i, n = 0;
	bool ok = true;

	for (i = 0; ok && i < sizeof(known) / sizeof(known[0]); i++) {
		if ((capabilities & known[i].bit) == 0)
			continue;
		type = oid(known[i].type);
		ok = der_wrap(&list[n], TAG_SEQUENCE, &type, 1);
		if (ok)
			n++;
	}
	if (ok)
		ok = attribute_sequence(out, OID_CAPABILITIES, list, n);
	while (n > 0)
		der_free(&list[--n]);
	return ok;
}

static bool
issuer_of(X509 *cert, struct der *out)
{
	unsigned char *p = NULL;
	int n = i2d_X509_NAME(X509_get_issuer_name(cert), &p);

	out->p = p;
	out->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool
serial_of(X509 *cert, struct der *out)
{
	unsigned char *p = NULL;
	int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &p);

	out->p = p;
	out->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* IssuerAndSerialNumber (RFC 5652 10.2.4) under the tag that is asked for. */
bool
issuer_and_serial(struct der *out, unsigned char tag, X509 *cert)
{
	struct der parts[2] = { { NULL, 0 }, { NULL, 0 } };
	bool ok;

	ok = issuer_of(cert, &parts[0]) && serial_of(cert, &parts[1]) &&
	    der_wrap(out, tag, parts, 2);
	der_free(&parts[0]);
	der_free(&parts[1]);
	return ok;
}

/* CHOICE, implicit [0] issuerAndSerialNumber (RFC 8551 2.5.3). */
bool
attribute_encryption_key(struct der *out, X509 *encryption)
{
	struct der value;
	bool ok;

	if (!issuer_and_serial(&value, 0xa0, encryption))
		return false;
	ok = attribute_make(out, OID_ENCRYPTION_KEY, &value);
	der_free(&value);
	return ok;
}

/* IssuerSerial (RFC 5035 4): GeneralNames of one directoryName, serial. */
static bool
issuer_serial(struct der *out, X509 *cert)
{
	struct der issuer = { NULL, 0 }, name = { NULL, 0 };
	struct der parts[2] = { { NULL, 0 }, { NULL, 0 } };
	bool ok;

	ok = issuer_of(cert, &issuer) && serial_of(cert, &parts[1]) &&
	    der_wrap(&name, 0xa4, &issuer, 1) &&
	    der_wrap(&parts[0], TAG_SEQUENCE, &name, 1) &&
	    der_wrap(out, TAG_SEQUENCE, parts, 2);
	der_free(&issuer);
	der_free(&name);
	der_free(&parts[0]);
	der_free(&parts[1]);
	return ok;
}

/*
 * SigningCertificateV2 (RFC 5035 3) naming the signer's certificate alone.
 * hashAlgorithm is left out: SHA-256 is the DEFAULT, and DER (X.690 11.5)
 * forbids to write a default (SIG-37).
 */
bool
attribute_signing_certificate(struct der *out, X509 *cert)
{
	unsigned char hash[2 + 32] = { TAG_OCTETS, 32 };
	struct der parts[2] = { { hash, sizeof(hash) }, { NULL, 0 } };
	struct der id = { NULL, 0 }, ids = { NULL, 0 };
	bool ok;

	ok = cert_fingerprint(cert, hash + 2) == 0 &&
	    issuer_serial(&parts[1], cert) &&
	    der_wrap(&id, TAG_SEQUENCE, parts, 2) &&
	    der_wrap(&ids, TAG_SEQUENCE, &id, 1) &&
	    attribute_sequence(out, OID_SIGNING_CERTIFICATE_V2, &ids, 1);
	der_free(&parts[1]);
	der_free(&id);
	der_free(&ids);
	return ok;
}

/*
 * CMSAlgorithmProtection (RFC 6211 2): digestAlgorithm, and signatureAlgorithm
 * under an implicit [1], the same octets as in the SignerInfo.
 */
bool
attribute_protection(struct der *out, const struct der *digest,
    const struct der *signature)
{
	struct der in = *signature, content, parts[2];
	bool ok;

	parts[0] = *digest;
	if (!der_take(&in, TAG_SEQUENCE, &content, NULL) ||
	    !der_wrap(&parts[1], 0xa1, &content, 1))
		return false;
	ok = attribute_sequence(out, OID_ALGORITHM_PROTECTION, parts, 2);
	der_free(&parts[1]);
	return ok;
}

/*
 * SigningTime (RFC 5652 11.3, RFC 8551 2.5.1): UTCTime with seconds and Z from
 * 1950 to 2049, GeneralizedTime from 2050. Other years have no place in mail.
 */
size_t
signing_time_put(unsigned char *out, size_t size, time_t when)
{
	char text[32];
	const char *from = text;
	struct tm tm;
	size_t n;
	bool utc;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year < 70 ||
	    tm.tm_year > 8099)
		return 0;
	utc = tm.tm_year < 150;
	n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	if (n == 0)
		return 0;
	if (utc) {		/* without the century */
		from += 2;
		n -= 2;
	}
	if (n + 2 > size)
		return 0;
	out[0] = utc ? TAG_UTCTIME : TAG_GENTIME;
	out[1] = (unsigned char)n;
	memcpy(out + 2, from, n);
	return n + 2;
}
