/*
 * verify_cms.c - take anybody's SignedData apart (RFC 5652 3, 5).
 *
 * Wider than cms.c, which knows one shape alone: several signers, key
 * identifiers, certificates of any kind and order. Whatever cannot be read to
 * its end is not looked at further. Revocation lists inside are stepped over
 * (CRT-02).
 */
#include <string.h>

#include "der.h"
#include "smime_verify.h"
#include "verify.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_OID		0x06
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31
#define TAG_0		0xa0
#define TAG_1		0xa1

#define PKCS		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1

static const unsigned char oid_enveloped[] = { 6, 9, PKCS, 7, 3 };
static const unsigned char oid_encrypted[] = { 6, 9, PKCS, 7, 6 };
static const unsigned char oid_auth_enveloped[] =
	{ 6, 11, PKCS, 9, 16, 1, 23 };
static const unsigned char oid_compressed[] = { 6, 11, PKCS, 9, 16, 1, 9 };

/* One octet; -1 when there is no INTEGER, 255 for a larger one. */
static int
take_version(struct der *in)
{
	struct der number;

	if (!der_take(in, TAG_INTEGER, &number, NULL) || number.len == 0)
		return -1;
	return number.len == 1 ? number.p[0] : 255;
}

static enum verify_reason
other_type(const struct der *type)
{
	if (der_is(type, oid_enveloped, sizeof(oid_enveloped)) ||
	    der_is(type, oid_encrypted, sizeof(oid_encrypted)) ||
	    der_is(type, oid_auth_enveloped, sizeof(oid_auth_enveloped)))
		return VERIFY_ENCRYPTED;
	if (der_is(type, oid_compressed, sizeof(oid_compressed)))
		return VERIFY_COMPRESSED;
	return VERIFY_SYNTAX;
}

/* ContentInfo: down to the contents of SignedData. */
static enum verify_reason
open_info(const unsigned char *der, size_t len, struct der *out)
{
	struct der in = { der, len }, info, type, wrapped, unused;
	struct der want = oid(OID_SIGNED_DATA);

	if (!der_take(&in, TAG_SEQUENCE, &info, NULL) || in.len != 0 ||
	    !der_take(&info, TAG_OID, &unused, &type) ||
	    !der_take(&info, TAG_0, &wrapped, NULL) || info.len != 0)
		return VERIFY_SYNTAX;
	if (!der_equal(&type, &want))
		return other_type(&type);
	if (!der_take(&wrapped, TAG_SEQUENCE, out, NULL) || wrapped.len != 0)
		return VERIFY_SYNTAX;
	return VERIFY_GOOD;
}

/* EncapsulatedContentInfo (RFC 5652 5.2) */
static bool
take_content(struct der *in, struct signed_data *out)
{
	struct der info, wrapped, unused;

	if (!der_take(in, TAG_SEQUENCE, &info, NULL) ||
	    !der_take(&info, TAG_OID, &unused, &out->content_type))
		return false;
	if (info.len == 0)
		return true;
	out->has_content = true;
	return der_take(&info, TAG_0, &wrapped, NULL) && info.len == 0 &&
	    der_take(&wrapped, TAG_OCTETS, &out->content, NULL) &&
	    wrapped.len == 0;
}

/* CertificateSet (RFC 5652 10.2.3): the other kinds are tagged. */
static enum verify_reason
take_certificates(struct der *in, size_t max, struct signed_data *out)
{
	struct der set, unused, whole;
	int tag;

	if (der_peek(in) != TAG_0)
		return VERIFY_GOOD;
	if (!der_take(in, TAG_0, &set, NULL))
		return VERIFY_SYNTAX;
	while ((tag = der_peek(&set)) != -1) {
		if (!der_take(&set, (unsigned char)tag, &unused, &whole))
			return VERIFY_SYNTAX;
		if (tag != TAG_SEQUENCE)
			continue;
		if (out->cert_count == max)
			return VERIFY_LIMIT;
		out->certs[out->cert_count++] = whole;
	}
	return VERIFY_GOOD;
}

static bool
take_signer_id(struct der *in, struct signer_info *out)
{
	struct der sid, unused;

	if (der_peek(in) == 0x80)
		return der_take(in, 0x80, &out->key_id, NULL) &&
		    out->key_id.len > 0;
	return der_take(in, TAG_SEQUENCE, &sid, NULL) &&
	    der_take(&sid, TAG_SEQUENCE, &unused, &out->issuer) &&
	    der_take(&sid, TAG_INTEGER, &unused, &out->serial) &&
	    sid.len == 0;
}

static enum verify_reason
read_signer(struct der info, struct signer_info *out)
{
	struct der unused, unsigned_attributes = { NULL, 0 };
	int version = take_version(&info);

	if (version == -1)
		return VERIFY_SYNTAX;
	if (version != 1 && version != 3)
		return VERIFY_VERSION;
	if (!take_signer_id(&info, out) ||
	    !der_take(&info, TAG_SEQUENCE, &unused, &out->digest) ||
	    (der_peek(&info) == TAG_0 &&
	    !der_take(&info, TAG_0, &unused, &out->attributes)) ||
	    !der_take(&info, TAG_SEQUENCE, &unused, &out->algorithm) ||
	    !der_take(&info, TAG_OCTETS, &out->signature, NULL) ||
	    (der_peek(&info) == TAG_1 &&
	    !der_take(&info, TAG_1, &unsigned_attributes, NULL)) ||
	    info.len != 0)
		return VERIFY_SYNTAX;
	return attributes_read(out, &unsigned_attributes);
}

static enum verify_reason
take_signers(struct der *in, size_t max, struct signed_data *out)
{
	enum verify_reason reason;
	struct der set, info;

	if (!der_take(in, TAG_SET, &set, NULL) || in->len != 0)
		return VERIFY_SYNTAX;
	while (set.len > 0) {
		if (!der_take(&set, TAG_SEQUENCE, &info, NULL))
			return VERIFY_SYNTAX;
		if (out->signer_count == max)
			return VERIFY_LIMIT;
		reason = read_signer(info, &out->signers[out->signer_count]);
		if (reason != VERIFY_GOOD)
			return reason;
		out->signer_count++;
	}
	return VERIFY_GOOD;
}

enum verify_reason
cms_read(const unsigned char *der, size_t len, size_t max_signers,
    size_t max_certs, struct signed_data *out)
{
	enum verify_reason reason;
	struct der in, unused;
	int version;

	memset(out, 0, sizeof(*out));
	if ((reason = open_info(der, len, &in)) != VERIFY_GOOD)
		return reason;
	if ((version = take_version(&in)) == -1)
		return VERIFY_SYNTAX;
	if (version < 1 || version > 5 || version == 2)
		return VERIFY_VERSION;
	if (!der_take(&in, TAG_SET, &unused, NULL) || !take_content(&in, out))
		return VERIFY_SYNTAX;
	if (max_certs > CERTS_MAX)
		max_certs = CERTS_MAX;
	if ((reason = take_certificates(&in, max_certs, out)) != VERIFY_GOOD)
		return reason;
	if (der_peek(&in) == TAG_1 && !der_take(&in, TAG_1, &unused, NULL))
		return VERIFY_SYNTAX;
	if (max_signers > SIGNERS_MAX)
		max_signers = SIGNERS_MAX;
	return take_signers(&in, max_signers, out);
}
