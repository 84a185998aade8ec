/*
 * envelope_read.c - an envelope looked at from outside, before it leaves.
 *
 * Without a private key nobody can say what is in it; but who can open it, by
 * which algorithms, and whether every length is right can be read back. What
 * OpenSSL wrote is taken from its octets alone, by our strict reader: exactly
 * the recipients that were asked for, or the message does not leave (SIG-61
 * for envelopes).
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "cms.h"
#include "der.h"
#include "smime_base.h"
#include "smime_encrypt.h"
#include "trust.h"

#define TAG_INTEGER	0x02
#define TAG_BITS	0x03
#define TAG_OCTETS	0x04
#define TAG_OID		0x06
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31
#define TAG_0		0xa0
#define TAG_1		0xa1
#define TAG_CONTENT	0x80

#define CBC_IV		16
#define GCM_NONCE	12
#define WRAP_EXTRA	8	/* RFC 3394 2.2.1 */

size_t
envelope_tail_size(enum smime_cipher cipher)
{
	return cipher == CIPHER_AES256_CBC ? 0 : 2 + ENVELOPE_TAG;
}

static bool
is_oid(const struct der *whole, enum oid which)
{
	struct der want = oid(which);

	return der_equal(whole, &want);
}

static bool
is_integer(const struct der *content, unsigned char value)
{
	return der_is(content, &value, 1);
}

/* ----------------------------------------------------------- algorithms --- */

/* RFC 3565 4.1: the IV; RFC 5084 3.2: nonce, and a tag of all 16 octets. */
static bool
read_cipher(struct der algorithm, struct enveloped *out)
{
	struct der unused, type, parameters, length;

	if (!der_take(&algorithm, TAG_OID, &unused, &type))
		return false;
	if (is_oid(&type, OID_AES256_CBC)) {
		out->cipher = CIPHER_AES256_CBC;
		return der_take(&algorithm, TAG_OCTETS, &out->nonce, NULL) &&
		    algorithm.len == 0 && out->nonce.len == CBC_IV;
	}
	if (is_oid(&type, OID_AES256_GCM))
		out->cipher = CIPHER_AES256_GCM;
	else if (is_oid(&type, OID_AES128_GCM))
		out->cipher = CIPHER_AES128_GCM;
	else
		return false;
	return der_take(&algorithm, TAG_SEQUENCE, &parameters, NULL) &&
	    algorithm.len == 0 &&
	    der_take(&parameters, TAG_OCTETS, &out->nonce, NULL) &&
	    out->nonce.len == GCM_NONCE &&
	    der_take(&parameters, TAG_INTEGER, &length, NULL) &&
	    parameters.len == 0 && is_integer(&length, ENVELOPE_TAG);
}

/* ---------------------------------------------------------------- frame --- */

/*
 * ContentInfo { type, [0] { version, recipientInfos, { id-data, algorithm,
 * [0] ciphertext }, mac } }, where mac belongs to GCM alone.
 */
static bool
read_frame(struct der in, uint64_t sealed, bool authenticated,
    struct enveloped *out)
{
	uint64_t behind = sealed + (authenticated ?
	    envelope_tail_size(CIPHER_AES256_GCM) : 0);
	struct der unused, type, data, algorithm;

	memset(out, 0, sizeof(*out));
	if (!der_enter(&in, TAG_SEQUENCE, behind) ||
	    !der_take(&in, TAG_OID, &unused, &type) ||
	    !is_oid(&type, authenticated ? OID_AUTH_ENVELOPED_DATA :
	    OID_ENVELOPED_DATA) ||
	    !der_enter(&in, TAG_0, behind) ||
	    !der_enter(&in, TAG_SEQUENCE, behind) ||
	    !der_take(&in, TAG_INTEGER, &out->version, NULL) ||
	    !der_take(&in, TAG_SET, &out->infos, NULL) ||
	    !der_enter(&in, TAG_SEQUENCE, sealed) ||
	    !der_take(&in, TAG_OID, &unused, &data) ||
	    !is_oid(&data, OID_DATA) ||
	    !der_take(&in, TAG_SEQUENCE, &algorithm, NULL) ||
	    !der_enter(&in, TAG_CONTENT, sealed) || in.len != 0)
		return false;
	return out->infos.len > 0 && read_cipher(algorithm, out) &&
	    (out->cipher != CIPHER_AES256_CBC) == authenticated;
}

bool
enveloped_read(const unsigned char *head, size_t len, uint64_t sealed,
    struct enveloped *out)
{
	struct der in = { head, len };

	return read_frame(in, sealed, false, out) ||
	    read_frame(in, sealed, true, out);
}

/* RFC 5652 6.2.1 */
static bool
take_transport(struct der *infos, struct recipient_info *out)
{
	struct der in, version, unused;

	out->transport = true;
	return der_take(infos, TAG_SEQUENCE, &in, NULL) &&
	    der_take(&in, TAG_INTEGER, &version, NULL) &&
	    is_integer(&version, 0) &&
	    der_take(&in, TAG_SEQUENCE, &unused, &out->name) &&
	    der_take(&in, TAG_SEQUENCE, &unused, &out->algorithm) &&
	    der_take(&in, TAG_OCTETS, &out->key, NULL) && in.len == 0;
}

/* [0] { [1] { algorithm, key } }: originator by its ephemeral key. */
static bool
take_originator(struct der *in, struct recipient_info *out)
{
	struct der explicit, key, algorithm, type, unused;

	if (!der_take(in, TAG_0, &explicit, NULL) ||
	    !der_take(&explicit, TAG_1, &key, NULL) || explicit.len != 0 ||
	    !der_take(&key, TAG_SEQUENCE, &algorithm, NULL) ||
	    !der_take(&algorithm, TAG_OID, &unused, &type) ||
	    !is_oid(&type, OID_EC_PUBLIC_KEY) || algorithm.len != 0 ||
	    !der_take(&key, TAG_BITS, &out->point, NULL) || key.len != 0 ||
	    out->point.len < 2 || out->point.p[0] != 0)
		return false;
	out->point.p++;		/* unused bits: none */
	out->point.len--;
	return true;
}

/* RFC 5652 6.2.2, with one recipient. */
static bool
take_agreement(struct der *infos, struct recipient_info *out)
{
	struct der in, version, keys, key, unused;

	out->transport = false;
	return der_take(infos, TAG_1, &in, NULL) &&
	    der_take(&in, TAG_INTEGER, &version, NULL) &&
	    is_integer(&version, 3) && take_originator(&in, out) &&
	    der_take(&in, TAG_SEQUENCE, &unused, &out->algorithm) &&
	    der_take(&in, TAG_SEQUENCE, &keys, NULL) && in.len == 0 &&
	    der_take(&keys, TAG_SEQUENCE, &key, NULL) && keys.len == 0 &&
	    der_take(&key, TAG_SEQUENCE, &unused, &out->name) &&
	    der_take(&key, TAG_OCTETS, &out->key, NULL) && key.len == 0;
}

bool
recipient_info_take(struct der *infos, struct recipient_info *out)
{
	memset(out, 0, sizeof(*out));
	return der_peek(infos) == TAG_SEQUENCE ? take_transport(infos, out) :
	    take_agreement(infos, out);
}

/* ---------------------------------------------------------------- check --- */

/* A recipient that was asked for. */
struct asked {
	const struct recipient	*recipient;
	struct der		 name;
	bool			 met;
};

static bool
is_transport_right(const struct recipient *recipient,
    const struct recipient_info *info)
{
	struct der want = algorithm_transport(recipient->oaep);
	EVP_PKEY *key = X509_get0_pubkey(recipient->cert);

	return EVP_PKEY_is_a(key, "RSA") && der_equal(&info->algorithm, &want) &&
	    info->key.len == (size_t)EVP_PKEY_get_size(key);
}

/* dhSinglePass-stdDH-sha256kdf with the wrap of the content key's size. */
static bool
is_agreement(const struct der *whole, enum oid wrap)
{
	struct der in = *whole, algorithm, unused, type, inner;

	return der_take(&in, TAG_SEQUENCE, &algorithm, NULL) &&
	    der_take(&algorithm, TAG_OID, &unused, &type) &&
	    is_oid(&type, OID_ECDH_SHA256) &&
	    der_take(&algorithm, TAG_SEQUENCE, &inner, NULL) &&
	    algorithm.len == 0 &&
	    der_take(&inner, TAG_OID, &unused, &type) && is_oid(&type, wrap) &&
	    inner.len == 0;
}

static bool
is_agreement_right(const struct recipient *recipient, enum smime_cipher cipher,
    const struct recipient_info *info)
{
	size_t content_key = cipher == CIPHER_AES128_GCM ? 16 : 32;
	EVP_PKEY *key = X509_get0_pubkey(recipient->cert);
	size_t octets = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;

	/* Uncompressed (RFC 5753 7.2): 4, x, y. */
	return EVP_PKEY_is_a(key, "EC") &&
	    is_agreement(&info->algorithm, cipher == CIPHER_AES128_GCM ?
	    OID_AES128_WRAP : OID_AES256_WRAP) &&
	    info->point.len == 1 + 2 * octets && info->point.p[0] == 4 &&
	    info->key.len == content_key + WRAP_EXTRA;
}

static int
check_info(struct asked *asked, size_t count, enum smime_cipher cipher,
    const struct recipient_info *info, struct smime_error *err)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!asked[i].met && der_equal(&asked[i].name, &info->name))
			break;
	if (i == count)
		return smime_error_setx(err,
		    "the envelope can be opened by somebody else");
	asked[i].met = true;
	if (info->transport ?
	    !is_transport_right(asked[i].recipient, info) :
	    !is_agreement_right(asked[i].recipient, cipher, info))
		return smime_error_setx(err, "the envelope has a key for a "
		    "recipient in another form than asked for");
	return 0;
}

/* The same certificate counts once; the first of it says how. */
static int
collect(struct asked *asked, const struct recipient *recipients, size_t count,
    size_t *n, struct smime_error *err)
{
	size_t i, k;

	for (*n = 0, i = 0; i < count; i++) {
		for (k = 0; k < *n; k++)
			if (cert_is_same(asked[k].recipient->cert,
			    recipients[i].cert))
				break;
		if (k < *n)
			continue;
		asked[*n].recipient = &recipients[i];
		if (!issuer_and_serial(&asked[*n].name, TAG_SEQUENCE,
		    recipients[i].cert))
			return smime_error_setx(err, "out of memory");
		(*n)++;
	}
	return 0;
}

static int
check_all(const struct enveloped *enveloped, struct asked *asked, size_t n,
    struct smime_error *err)
{
	struct der infos = enveloped->infos;
	struct recipient_info info;
	unsigned char version = 0;
	size_t i;

	while (infos.len > 0) {
		if (!recipient_info_take(&infos, &info))
			return smime_error_setx(err, "the envelope has a "
			    "RecipientInfo that is not ours");
		if (check_info(asked, n, enveloped->cipher, &info, err) != 0)
			return -1;
		/* RFC 5652 6.1; an AuthEnvelopedData is always 0. */
		if (!info.transport && enveloped->cipher == CIPHER_AES256_CBC)
			version = 2;
	}
	if (!is_integer(&enveloped->version, version))
		return smime_error_setx(err,
		    "the envelope has another version than it should have");
	for (i = 0; i < n; i++)
		if (!asked[i].met)
			return smime_error_setx(err,
			    "the envelope cannot be opened by a recipient");
	return 0;
}

int
envelope_check(const unsigned char *head, size_t len, uint64_t sealed,
    enum smime_cipher cipher, const struct recipient *recipients,
    size_t count, struct smime_error *err)
{
	struct enveloped enveloped;
	struct asked *asked;
	size_t i, n = 0;
	int rc;

	if (!enveloped_read(head, len, sealed, &enveloped) ||
	    enveloped.cipher != cipher)
		return smime_error_setx(err,
		    "the envelope is not what it should be");
	if ((asked = calloc(count + 1, sizeof(*asked))) == NULL)
		return smime_error_set(err, "checking an envelope");
	rc = collect(asked, recipients, count, &n, err);
	if (rc == 0)
		rc = check_all(&enveloped, asked, n, err);
	for (i = 0; i < n; i++)
		der_free(&asked[i].name);
	free(asked);
	return rc;
}
