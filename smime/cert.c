/*
 * cert.c - read certificates and say what stands in them.
 *
 * What they must say to be used for signing is certcheck.c, which addresses
 * they name is certmail.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "trust.h"

/* ------------------------------------------------------------- reading --- */

/*
 * libcrypto takes a certificate whose key or extensions it had no memory to
 * decode, and keeps it so. errno has to be 0 before it is read.
 */
static bool
is_whole(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	bool whole = key != NULL && EVP_PKEY_get_bits(key) > 0 &&
	    EVP_PKEY_get_security_bits(key) > 0 &&
	    X509_check_purpose(cert, -1, 0) == 1;

	return whole || errno != ENOMEM;
}

X509 *
cert_parse(const unsigned char *der, size_t len, size_t *used)
{
	const unsigned char *p = der;
	X509 *cert = NULL;
	const int before = errno;

	errno = 0;
	if (len <= LONG_MAX)
		cert = d2i_X509(NULL, &p, (long)len);
	if (cert != NULL && !is_whole(cert)) {
		X509_free(cert);
		cert = NULL;
	}
	if (before == ENOMEM)
		errno = before;
	*used = (size_t)(p - der);
	return cert;
}

/* One certificate from exactly so many octets. */
static int
push_der(STACK_OF(X509) *list, const unsigned char *der, size_t len,
    size_t max, const char *what, struct smime_error *err)
{
	X509 *cert;
	size_t used;

	if ((size_t)sk_X509_num(list) >= max)
		return smime_error_setx(err,
		    "%s holds more than %zu certificates", what, max);
	if ((cert = cert_parse(der, len, &used)) == NULL)
		return smime_error_crypto(err,
		    "%s holds a certificate that cannot be read", what);
	if (used != len) {
		X509_free(cert);
		return smime_error_setx(err,
		    "%s holds octets behind a certificate", what);
	}
	if (sk_X509_push(list, cert) == 0) {
		X509_free(cert);
		return smime_error_setx(err, "out of memory");
	}
	return 0;
}

/*
 * The certificates of a SignedData without signers (RFC 8551 3.8), as
 * authorities hand out their chains: .p7b, .p7c. -1 also when it is none.
 */
static int
push_certs_only(STACK_OF(X509) *list, const unsigned char *der, size_t len,
    size_t max, const char *what, struct smime_error *err)
{
	const unsigned char *p = der;
	CMS_ContentInfo *cms;
	STACK_OF(X509) *certs = NULL;
	X509 *cert;
	int rc = -1;

	errno = 0;
	if ((cms = d2i_CMS_ContentInfo(NULL, &p, (long)len)) != NULL &&
	    (size_t)(p - der) == len)
		certs = CMS_get1_certs(cms);
	CMS_ContentInfo_free(cms);
	if (certs == NULL) {
		smime_error_crypto(err,
		    "%s holds a certificate that cannot be read", what);
		return -1;
	}
	while ((cert = sk_X509_shift(certs)) != NULL) {
		if ((size_t)sk_X509_num(list) >= max)
			smime_error_setx(err, "%s holds more than %zu "
			    "certificates", what, max);
		else if (!is_whole(cert))
			smime_error_set(err, "%s", what);
		else if (sk_X509_push(list, cert) != 0)
			continue;
		else
			smime_error_setx(err, "out of memory");
		X509_free(cert);
		goto out;
	}
	rc = 0;
out:
	sk_X509_pop_free(certs, X509_free);
	ERR_clear_error();
	return rc;
}

/* SEQUENCE of an OBJECT IDENTIFIER first (RFC 5652 3), which no certificate
 * is. */
static bool
is_content_info(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;
	long left;
	int tag, class;

	if (len > LONG_MAX || (ASN1_get_object(&p, &left, &tag, &class,
	    (long)len) & 0x80) != 0) {
		ERR_clear_error();
		return false;
	}
	return p < der + len && *p == V_ASN1_OBJECT;
}

static int
push_any(STACK_OF(X509) *list, const unsigned char *der, size_t len,
    size_t max, const char *what, struct smime_error *err)
{
	return is_content_info(der, len) ?
	    push_certs_only(list, der, len, max, what, err) :
	    push_der(list, der, len, max, what, err);
}

static bool
is_certificate_label(const char *name)
{
	return strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0 ||
	    strcmp(name, PEM_STRING_PKCS7) == 0 ||
	    strcmp(name, PEM_STRING_CMS) == 0;
}

/* Blocks of other kinds, a key for one, are stepped over. */
static int
read_pem(BIO *bio, STACK_OF(X509) *list, size_t max, const char *what,
    struct smime_error *err)
{
	unsigned char *data;
	char *name, *header;
	long len;
	int rc = 0;

	while (rc == 0 && PEM_read_bio(bio, &name, &header, &data, &len)) {
		if (is_certificate_label(name))
			rc = push_any(list, data, (size_t)len, max, what, err);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
	}
	if (rc != 0)
		return -1;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return smime_error_crypto(err, "%s is damaged PEM", what);
	ERR_clear_error();
	return 0;
}

int
cert_read(const void *buf, size_t len, size_t max, const char *what,
    STACK_OF(X509) **out, struct smime_error *err)
{
	STACK_OF(X509) *list = NULL;
	BIO *bio = NULL;
	int rc = -1;

	*out = NULL;
	ERR_clear_error();
	if (len == 0 || len > INT_MAX)
		return smime_error_setx(err, "%s is %s", what,
		    len == 0 ? "empty" : "too long");
	if ((list = sk_X509_new_null()) == NULL ||
	    (bio = BIO_new_mem_buf(buf, (int)len)) == NULL) {
		smime_error_setx(err, "out of memory");
		goto out;
	}
	if (*(const unsigned char *)buf == 0x30)
		rc = push_any(list, buf, len, max, what, err);
	else
		rc = read_pem(bio, list, max, what, err);
	if (rc == 0 && sk_X509_num(list) == 0)
		rc = smime_error_setx(err, "%s holds no certificate", what);
	if (rc == 0) {
		*out = list;
		list = NULL;
	}
out:
	BIO_free(bio);
	sk_X509_pop_free(list, X509_free);
	return rc;
}

/* --------------------------------------------------------------- facts --- */

bool
cert_is_same(X509 *a, X509 *b)
{
	return X509_cmp(a, b) == 0;
}

bool
cert_is_self_signed(X509 *cert)
{
	bool self = X509_self_signed(cert, 1) == 1;

	ERR_clear_error();
	return self;
}

void
cert_serial(X509 *cert, char *out, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int i, len = ASN1_STRING_length(serial);
	size_t n = 0;

	if (size == 0)
		return;
	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER && size > 1)
		out[n++] = '-';
	for (i = 0; i < len && n + 2 < size; i++) {
		out[n++] = digits[p[i] >> 4];
		out[n++] = digits[p[i] & 15];
	}
	out[n] = '\0';
}

int
cert_fingerprint(X509 *cert, unsigned char out[32])
{
	unsigned len = 0;

	return X509_digest(cert, smime_digest_md(SMIME_SHA256), out,
	    &len) == 1 && len == 32 ? 0 : -1;
}

/*
 * A code point that has no business in a line for people: control characters,
 * and those that turn the direction of what follows.
 */
static bool
is_unprintable(unsigned long c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e ||
	    c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void
copy_utf8(const unsigned char *p, int len, char *out, size_t size)
{
	unsigned long c;
	size_t n = 0;
	int used;

	for (; len > 0; p += used, len -= used) {
		used = UTF8_getc(p, len, &c);
		if (used <= 0) {
			used = 1;
			c = 0;
		}
		if (n + (size_t)used >= size)
			break;
		if (is_unprintable(c)) {
			out[n++] = '?';
			continue;
		}
		memcpy(out + n, p, (size_t)used);
		n += (size_t)used;
	}
	out[n] = '\0';
}

void
cert_name_entry(const X509_NAME *name, int nid, char *out, size_t size)
{
	unsigned char *utf8 = NULL;
	int len, i, last = -1;

	if (size == 0)
		return;
	out[0] = '\0';
	while ((i = X509_NAME_get_index_by_NID(name, nid, last)) >= 0)
		last = i;
	if (last < 0)
		return;
	len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(
	    X509_NAME_get_entry(name, last)));
	if (len > 0)
		copy_utf8(utf8, len, out, size);
	OPENSSL_free(utf8);
	ERR_clear_error();
}

void
cert_common_name(X509 *cert, char *out, size_t size)
{
	cert_name_entry(X509_get_subject_name(cert), NID_commonName, out,
	    size);
}

void
cert_print_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len = 0;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_get_mem_data(bio, &text);
	smime_printable(len > 0 ? text : "", len > 0 ? (size_t)len : 0, out,
	    size);
	BIO_free(bio);
	ERR_clear_error();
}

void
cert_subject(X509 *cert, char *out, size_t size)
{
	cert_print_name(X509_get_subject_name(cert), out, size);
}

void
cert_issuer(X509 *cert, char *out, size_t size)
{
	cert_print_name(X509_get_issuer_name(cert), out, size);
}

static time_t
to_time(const ASN1_TIME *when, time_t otherwise)
{
	struct tm tm;

	if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1) {
		ERR_clear_error();
		return otherwise;
	}
	return timegm(&tm);
}

/* Times that cannot be read make a certificate that is never valid. */
time_t
cert_not_before(X509 *cert)
{
	return to_time(X509_get0_notBefore(cert), (time_t)INT64_MAX);
}

time_t
cert_not_after(X509 *cert)
{
	return to_time(X509_get0_notAfter(cert), 0);
}

/* ---------------------------------------------------------------- keys --- */

static bool
group_name(EVP_PKEY *key, char *out, size_t size)
{
	size_t len;

	return EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, out, size, &len) == 1;
}

/* RFC 8551 4.1 and SIG-42; the curves are those that every reader takes. */
enum cert_problem
cert_key_problem(EVP_PKEY *key)
{
	char group[64];
	int bits;

	if (key == NULL)
		return CERT_KEY_TYPE;
	if (EVP_PKEY_is_a(key, "RSA")) {
		bits = EVP_PKEY_get_bits(key);
		return bits < 2048 || bits > 8192 ? CERT_WEAK_KEY : CERT_OK;
	}
	if (!group_name(key, group, sizeof(group))) {
		ERR_clear_error();
		return EVP_PKEY_is_a(key, "EC") ? CERT_WEAK_KEY :
		    CERT_KEY_TYPE;
	}
	return strcmp(group, SN_X9_62_prime256v1) == 0 ||
	    strcmp(group, SN_secp384r1) == 0 ? CERT_OK : CERT_WEAK_KEY;
}

/* gpgsm refuses P-384 with less than SHA-384, and SIG-42 does too. */
enum smime_digest
cert_digest(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char group[64];

	if (key != NULL && group_name(key, group, sizeof(group)) &&
	    strcmp(group, SN_secp384r1) == 0)
		return SMIME_SHA384;
	ERR_clear_error();
	return SMIME_SHA256;
}

void
cert_key_name(X509 *cert, char *out, size_t size)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const char *nist;
	char group[64];

	if (key != NULL && group_name(key, group, sizeof(group))) {
		nist = EC_curve_nid2nist(OBJ_sn2nid(group));
		snprintf(out, size, "%s", nist != NULL ? nist : group);
	} else if (key != NULL && (EVP_PKEY_is_a(key, "RSA") ||
	    EVP_PKEY_is_a(key, "RSA-PSS")))
		snprintf(out, size, "%s-%d", EVP_PKEY_get0_type_name(key),
		    EVP_PKEY_get_bits(key));
	else if (key != NULL && EVP_PKEY_get0_type_name(key) != NULL)
		snprintf(out, size, "%s", EVP_PKEY_get0_type_name(key));
	else
		snprintf(out, size, "unknown");
	ERR_clear_error();
}
