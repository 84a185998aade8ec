/*
 * vmail.c - make signed messages, right and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

/* ---------------------------------------------------------------- text --- */

void
buf_add(struct buf *buf, const void *p, size_t len)
{
	buf->p = realloc(buf->p, buf->len + len + 1);
	assert_non_null(buf->p);
	if (len > 0)
		memcpy(buf->p + buf->len, p, len);
	buf->len += len;
	buf->p[buf->len] = '\0';
}

void
buf_text(struct buf *buf, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	assert_true(n >= 0);
	buf_add(buf, text, (size_t)n);
	free(text);
}

void
buf_base64(struct buf *buf, const void *p, size_t len)
{
	const unsigned char *from = p;
	unsigned char line[80];
	size_t n;
	int m;

	for (; len > 0; from += n, len -= n) {
		n = len < 57 ? len : 57;
		m = EVP_EncodeBlock(line, from, (int)n);
		buf_add(buf, line, (size_t)m);
		buf_add(buf, "\r\n", 2);
	}
}

void
buf_free(struct buf *buf)
{
	free(buf->p);
	buf->p = NULL;
	buf->len = 0;
}

struct person
person_load(const char *name)
{
	return (struct person){ pki_mailbox_cert(name),
	    pki_mailbox_key(name) };
}

void
person_free(struct person *person)
{
	X509_free(person->cert);
	EVP_PKEY_free(person->key);
	memset(person, 0, sizeof(*person));
}

/* ----------------------------------------------------------------- DER --- */

/* Appends tag, length and contents. */
static void
put(struct buf *out, unsigned char tag, const void *p, size_t len)
{
	unsigned char head[8], *end = der_put_header(head, tag, len);

	buf_add(out, head, (size_t)(end - head));
	buf_add(out, p, len);
}

static void
put_buf(struct buf *out, unsigned char tag, struct buf *inside)
{
	put(out, tag, inside->p, inside->len);
	buf_free(inside);
}

/* Indefinite length, an octet string in pieces. */
static void
put_ber(struct buf *out, unsigned char tag, struct buf *inside)
{
	unsigned char head[2] = { tag, 0x80 };

	buf_add(out, head, 2);
	buf_add(out, inside->p, inside->len);
	buf_add(out, "\0\0", 2);
	buf_free(inside);
}

static void
put_der(struct buf *out, struct der der)
{
	buf_add(out, der.p, der.len);
}

static void
put_cert(struct buf *out, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	assert_true(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

static void
put_attribute(struct buf *out, const struct der *type, const void *value,
    size_t len, int times)
{
	struct buf attribute = { 0 }, values = { 0 };

	put_der(&attribute, *type);
	while (times-- > 0)
		buf_add(&values, value, len);
	put_buf(&attribute, 0x31, &values);
	put_buf(out, 0x30, &attribute);
}

static enum smime_digest
digest_of(const EVP_MD *md)
{
	return EVP_MD_get_size(md) == 64 ? SMIME_SHA512 :
	    EVP_MD_get_size(md) == 48 ? SMIME_SHA384 : SMIME_SHA256;
}

static const unsigned char sha1_id[] = { 0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26,
	5, 0 };
static const unsigned char md5_id[] = { 0x30, 12, 6, 8, 0x2a, 0x86, 0x48,
	0x86, 0xf7, 0x0d, 2, 5, 5, 0 };
static const unsigned char unknown_id[] = { 0x30, 6, 6, 4, 0x2a, 3, 4, 5 };
static const unsigned char dsa_id[] = { 0x30, 9, 6, 7, 0x2a, 0x86, 0x48,
	0xce, 0x38, 4, 3 };
static const unsigned char ed25519_id[] = { 0x30, 5, 6, 3, 0x2b, 0x65, 112 };
#define DER(array)	((struct der){ array, sizeof(array) })

static struct der
digest_id(const struct cms *cms)
{
	if ((cms->flags & CMS_UNKNOWN_DIGEST) != 0)
		return DER(unknown_id);
	if ((cms->flags & CMS_MD5) != 0)
		return DER(md5_id);
	if (EVP_MD_get_size(cms->md) == 20)
		return DER(sha1_id);
	return algorithm_digest(digest_of(cms->md));
}

static struct der
signature_id(const struct cms *cms, EVP_PKEY *key)
{
	if ((cms->flags & CMS_UNKNOWN_SIGNATURE) != 0)
		return DER(unknown_id);
	if ((cms->flags & CMS_DSA) != 0)
		return DER(dsa_id);
	if (EVP_PKEY_is_a(key, "ED25519"))
		return DER(ed25519_id);
	return algorithm_signature(EVP_PKEY_is_a(key, "EC") ?
	    ALGORITHM_ECDSA : (cms->flags & CMS_PSS) != 0 ? ALGORITHM_PSS :
	    ALGORITHM_RSA, digest_of(cms->md));
}

/* ---------------------------------------------------------- attributes --- */

static void
put_ess(struct buf *out, X509 *cert)
{
	struct der attribute;

	assert_true(attribute_signing_certificate(&attribute, cert));
	put_der(out, attribute);
	der_free(&attribute);
}

static void
put_protection(struct buf *out, const struct cms *cms, EVP_PKEY *key)
{
	struct der digest = digest_id(cms), attribute;
	struct der signature = signature_id(cms, key);

	if ((cms->flags & CMS_OTHER_PROTECTION) != 0)
		digest = algorithm_digest(SMIME_SHA512);
	assert_true(attribute_protection(&attribute, &digest, &signature));
	put_der(out, attribute);
	der_free(&attribute);
}

static void
put_time(struct buf *out, const struct cms *cms)
{
	unsigned char value[32];
	struct der type = oid(OID_SIGNING_TIME);
	size_t len;

	if (cms->time == 1)
		return;
	len = signing_time_put(value, sizeof(value), cms->time == 0 ?
	    time(NULL) : cms->time);
	if ((cms->flags & CMS_BAD_TIME) != 0)
		value[5] = 'x';
	put_attribute(out, &type, value, len, 1);
}

static int
compare(const void *a, const void *b)
{
	return der_compare(a, b);
}

/* Joins the attributes in their order, or against it. */
static void
sort(struct buf *set, bool against)
{
	struct der in = { (unsigned char *)set->p, set->len }, list[32], unused;
	struct buf out = { 0 };
	size_t n = 0, i;

	while (in.len > 0)
		assert_true(der_take(&in, 0x30, &unused, &list[n++]));
	qsort(list, n, sizeof(list[0]), compare);
	for (i = 0; i < n; i++)
		put_der(&out, list[against ? n - 1 - i : i]);
	buf_free(set);
	*set = out;
}

static void
put_attributes(struct buf *out, const struct cms *cms,
    const struct person *who)
{
	static const unsigned char capabilities[] = { 0x30, 0 };
	unsigned char value[2 + EVP_MAX_MD_SIZE] = { 4 };
	struct der type, data = oid(OID_DATA);
	unsigned len;

	if ((cms->flags & CMS_OTHER_TYPE) != 0)
		data = oid(OID_SIGNED_DATA);
	type = oid(OID_CONTENT_TYPE);
	if ((cms->flags & CMS_NO_TYPE) == 0)
		put_attribute(out, &type, data.p, data.len, 1);
	EVP_Digest(cms->content, cms->content_len, value + 2, &len, cms->md,
	    NULL);
	value[1] = (unsigned char)len;
	type = oid(OID_MESSAGE_DIGEST);
	if ((cms->flags & CMS_NO_DIGEST) == 0)
		put_attribute(out, &type, value, 2 + len,
		    (cms->flags & CMS_TWO_VALUES) != 0 ? 2 : 1);
	if ((cms->flags & CMS_TWICE) != 0) {
		value[2] ^= 1;
		put_attribute(out, &type, value, 2 + len, 1);
	}
	put_time(out, cms);
	type = oid(OID_CAPABILITIES);
	if ((cms->flags & CMS_TWO_CAPABILITIES) != 0)
		put_attribute(out, &type, capabilities, 2, 2);
	if ((cms->flags & (CMS_ESS | CMS_OTHER_ESS)) != 0)
		put_ess(out, (cms->flags & CMS_OTHER_ESS) != 0 ? cms->other :
		    who->cert);
	if ((cms->flags & (CMS_PROTECTION | CMS_OTHER_PROTECTION)) != 0)
		put_protection(out, cms, who->key);
	sort(out, (cms->flags & CMS_UNSORTED) != 0);
}

/* -------------------------------------------------------------- signer --- */

static void
put_signature(struct buf *out, const struct cms *cms, EVP_PKEY *key,
    const void *p, size_t len, bool bad)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool pure = EVP_PKEY_is_a(key, "ED25519");
	unsigned char value[1024];
	size_t n = sizeof(value);
	EVP_PKEY_CTX *pctx;

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, pure ? NULL : cms->md,
	    NULL, key), 1);
	if ((cms->flags & CMS_PSS) != 0) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
		    RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(ctx, value, &n, p, len), 1);
	EVP_MD_CTX_free(ctx);
	if (bad)
		value[n - 1] ^= 1;
	put(out, 4, value, n);
}

static void
put_signer_id(struct buf *out, const struct cms *cms, X509 *cert)
{
	const ASN1_OCTET_STRING *id;
	struct der name;

	if ((cms->flags & CMS_KEY_ID) != 0) {
		id = X509_get0_subject_key_id(cert);
		assert_non_null(id);
		put(out, 0x80, ASN1_STRING_get0_data(id),
		    (size_t)ASN1_STRING_length(id));
		return;
	}
	assert_true(issuer_and_serial(&name, 0x30, cert));
	put_der(out, name);
	der_free(&name);
}

static void
put_signer(struct buf *out, const struct cms *cms, const struct person *who,
    bool bad)
{
	static const unsigned char counter[] = { 0x30, 16, 6, 9, 0x2a, 0x86,
	    0x48, 0x86, 0xf7, 0x0d, 1, 9, 6, 0x31, 3, 2, 1, 7 };
	unsigned char version = (cms->flags & CMS_VERSION_9) != 0 ? 9 :
	    (cms->flags & CMS_KEY_ID) != 0 ? 3 : 1;
	struct buf info = { 0 }, set = { 0 }, whole = { 0 };
	struct der type = oid(OID_CONTENT_TYPE), data = oid(OID_DATA);

	put(&info, 2, &version, 1);
	put_signer_id(&info, cms, who->cert);
	put_der(&info, digest_id(cms));
	bad = bad || (cms->flags & CMS_BAD_SIGNATURE) != 0;
	if ((cms->flags & CMS_NO_ATTRIBUTES) != 0)
		buf_add(&whole, cms->content, cms->content_len);
	else {
		put_attributes(&set, cms, who);
		put(&whole, 0x31, set.p, set.len);
		put_buf(&info, 0xa0, &set);
	}
	put_der(&info, signature_id(cms, who->key));
	put_signature(&info, cms, who->key, whole.p, whole.len, bad);
	buf_free(&whole);
	if ((cms->flags & CMS_UNSIGNED_TYPE) != 0) {
		put_attribute(&set, &type, data.p, data.len, 1);
		put_buf(&info, 0xa1, &set);
	}
	if ((cms->flags & CMS_COUNTERSIGNED) != 0)
		put(&info, 0xa1, counter, sizeof(counter));
	put_buf(out, 0x30, &info);
}

/* ---------------------------------------------------------- SignedData --- */

static void
put_content(struct buf *out, const struct cms *cms)
{
	struct der type = oid((cms->flags & CMS_OTHER_TYPE) != 0 ?
	    OID_SIGNED_DATA : OID_DATA);
	struct buf info = { 0 }, wrapped = { 0 }, pieces = { 0 };
	size_t half = cms->content_len / 2;
	bool ber = (cms->flags & CMS_BER) != 0;

	put_der(&info, type);
	if ((cms->flags & CMS_EMBED) != 0) {
		if (ber) {
			put(&pieces, 4, cms->content, half);
			put(&pieces, 4, cms->content + half,
			    cms->content_len - half);
			put_ber(&wrapped, 0x24, &pieces);
			put_ber(&info, 0xa0, &wrapped);
		} else {
			put(&wrapped, 4, cms->content, cms->content_len);
			put_buf(&info, 0xa0, &wrapped);
		}
	}
	(ber ? put_ber : put_buf)(out, 0x30, &info);
}

static void
put_certs(struct buf *out, const struct cms *cms)
{
	static const unsigned char odd[] = { 0xa1, 2, 0x30, 0, 0xa3, 2, 6, 0 };
	struct buf set = { 0 };
	size_t i;

	if ((cms->flags & CMS_NO_CERTS) != 0)
		return;
	if ((cms->flags & CMS_OTHER_CERTS) != 0)
		buf_add(&set, odd, sizeof(odd));
	if (cms->first != NULL)
		put_cert(&set, cms->first);
	for (i = 0; cms->signers[i] != NULL; i++)
		put_cert(&set, cms->signers[i]->cert);
	for (i = 0; cms->extra[i] != NULL; i++)
		put_cert(&set, cms->extra[i]);
	put_buf(out, 0xa0, &set);
}

void
cms_build(const struct cms *with, struct buf *out)
{
	struct cms cms = *with;
	struct buf data = { 0 }, set = { 0 }, info = { 0 };
	struct der type = oid(OID_SIGNED_DATA);
	unsigned char version = 1;
	void (*wrap)(struct buf *, unsigned char, struct buf *);
	size_t i;

	wrap = (cms.flags & CMS_BER) != 0 ? put_ber : put_buf;
	if (cms.md == NULL)
		cms.md = EVP_sha256();
	put(&data, 2, &version, 1);
	put_der(&set, digest_id(&cms));
	put_buf(&data, 0x31, &set);
	put_content(&data, &cms);
	put_certs(&data, &cms);
	if (cms.crl != NULL)
		put(&data, 0xa1, cms.crl->p, cms.crl->len);
	for (i = 0; cms.signers[i] != NULL &&
	    (cms.flags & CMS_NO_SIGNERS) == 0; i++)
		put_signer(&set, &cms, cms.signers[i],
		    (cms.bad & 1u << i) != 0);
	put_buf(&data, 0x31, &set);
	put_der(&info, type);
	wrap(&set, 0x30, &data);
	wrap(&info, 0xa0, &set);
	wrap(out, 0x30, &info);
	if ((cms.flags & CMS_TRAILING) != 0)
		buf_add(out, "\0\0", 2);
}

/* ------------------------------------------------------------ messages --- */

void
mail_detached(const char *header, const char *entity, size_t len,
    const struct buf *der, struct buf *out)
{
	buf_text(out, "%sMIME-Version: 1.0\r\nContent-Type: multipart/signed;"
	    "\r\n protocol=\"application/pkcs7-signature\"; micalg=sha-256;"
	    "\r\n boundary=\"b\"\r\n\r\n--b\r\n", header);
	buf_add(out, entity, len);
	buf_text(out, "\r\n--b\r\nContent-Type: application/pkcs7-signature; "
	    "name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	buf_base64(out, der->p, der->len);
	buf_text(out, "--b--\r\n");
}

void
mail_opaque(const char *header, const struct buf *der, struct buf *out)
{
	buf_text(out, "%sMIME-Version: 1.0\r\nContent-Type: application/"
	    "pkcs7-mime; smime-type=signed-data\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n", header);
	buf_base64(out, der->p, der->len);
}

void
mail_build(const char *header, const struct cms *cms, struct buf *out)
{
	struct buf der = { 0 };

	cms_build(cms, &der);
	if ((cms->flags & CMS_EMBED) != 0)
		mail_opaque(header, &der, out);
	else
		mail_detached(header, cms->content, cms->content_len, &der,
		    out);
	buf_free(&der);
}

/* -------------------------------------------------------- verification --- */

void
vmail_crl(struct trust *trust, const char *file)
{
	struct smime_error err = { "" };
	X509_CRL *crl;
	size_t len;
	char *text = read_whole(file, &len);

	if (crl_read(text, len, file, &crl, &err) != 0 ||
	    trust_add_crl(trust, crl, &err) != 0)
		fail_msg("%s", err.text);
	X509_CRL_free(crl);
	free(text);
}

struct trust *
vmail_trust(void)
{
	struct smime_error err = { "" };
	struct trust *trust = trust_new();
	X509 *cert = pki_cert("root.pem");

	trust_add_anchor(trust, cert, &err);
	X509_free(cert);
	cert = pki_cert("issuing.pem");
	trust_add_intermediate(trust, cert, &err);
	X509_free(cert);
	vmail_crl(trust, pki_path("root.crl.pem"));
	vmail_crl(trust, pki_path("issuing.crl.pem"));
	return trust;
}

struct trust *
vmail_settings(struct verify_settings *out)
{
	struct trust *trust = vmail_trust();

	verify_settings_init(out);
	out->trust = trust;
	out->now = time(NULL);
	return trust;
}

void
vmail_verify(const struct verify_settings *settings, const void *message,
    size_t len, size_t piece, struct verdict *out)
{
	struct smime_error err = { "" };
	struct header_list list = { 0 };
	struct verifier *v;
	const char *p;
	size_t used, n;
	bool body;

	if (header_parse(&list, message, len, 0, &used, &body, &err) != 0 ||
	    (v = verify_new(settings, &list, &err)) == NULL)
		fail_msg("%s", err.text);
	p = (const char *)message + used;
	for (len -= used; len > 0; p += n, len -= n) {
		n = piece == 0 || piece > len ? len : piece;
		if (verify_body(v, p, n, &err) != 0)
			fail_msg("%s", err.text);
	}
	if (verify_finish(v, out, &err) != 0)
		fail_msg("%s", err.text);
	verify_free(v);
	header_clear(&list);
}
