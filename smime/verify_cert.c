/*
 * verify_cert.c - which certificate a SignerInfo means, and what it allows.
 *
 * A message may hold many certificates, in any order, several of one name and
 * number or of one key identifier (VER-19, VER-23). Those that fit are found
 * in their encoding; only they are parsed, and a certificate met before comes
 * out of the cache.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"
#include "smime_verify.h"
#include "trust.h"
#include "verify.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_SEQUENCE	0x30

static X509 *
parse(const struct der *der)
{
	size_t used;
	X509 *cert = cert_parse(der->p, der->len, &used);

	if (cert != NULL && used != der->len) {
		X509_free(cert);
		cert = NULL;
	}
	if (cert == NULL)
		ERR_clear_error();
	return cert;
}

/* Serial number and issuer where they stand (RFC 5280 4.1). */
static bool
take_names(const struct der *cert, struct der *serial, struct der *issuer)
{
	struct der in = *cert, outer, tbs, unused;

	if (!der_take(&in, TAG_SEQUENCE, &outer, NULL) ||
	    !der_take(&outer, TAG_SEQUENCE, &tbs, NULL))
		return false;
	if (der_peek(&tbs) == 0xa0 && !der_take(&tbs, 0xa0, &unused, NULL))
		return false;
	return der_take(&tbs, TAG_INTEGER, &unused, serial) &&
	    der_take(&tbs, TAG_SEQUENCE, &unused, NULL) &&
	    der_take(&tbs, TAG_SEQUENCE, &unused, issuer);
}

/* RFC 5280 7.1: the same name in another encoding. */
static bool
same_name(const struct der *a, const struct der *b)
{
	const unsigned char *p = a->p, *q = b->p;
	X509_NAME *x, *y;
	bool same;

	if (der_equal(a, b))
		return true;
	x = d2i_X509_NAME(NULL, &p, (long)a->len);
	y = d2i_X509_NAME(NULL, &q, (long)b->len);
	same = x != NULL && y != NULL && X509_NAME_cmp(x, y) == 0;
	X509_NAME_free(x);
	X509_NAME_free(y);
	ERR_clear_error();
	return same;
}

static bool
has_key_id(const struct der *der, const struct der *id)
{
	const ASN1_OCTET_STRING *own;
	X509 *cert;
	bool has;

	if (memmem(der->p, der->len, id->p, id->len) == NULL ||
	    (cert = parse(der)) == NULL)
		return false;
	own = X509_get0_subject_key_id(cert);
	has = own != NULL && der_is(id, ASN1_STRING_get0_data(own),
	    (size_t)ASN1_STRING_length(own));
	X509_free(cert);
	return has;
}

static bool
is_meant(const struct der *cert, const struct signer_info *info)
{
	struct der serial, issuer;

	if (info->key_id.p != NULL)
		return has_key_id(cert, &info->key_id);
	return take_names(cert, &serial, &issuer) &&
	    der_equal(&serial, &info->serial) &&
	    same_name(&issuer, &info->issuer);
}

X509 *
cert_pick(const struct signed_data *data, const struct signer_info *meant)
{
	X509 *cert;
	size_t i;

	for (i = 0; i < data->cert_count; i++)
		if (is_meant(&data->certs[i], meant) &&
		    (cert = parse(&data->certs[i])) != NULL)
			return cert;
	return NULL;
}

/* False: not to be read, or there already. */
static bool
hold(const struct verify_settings *settings, const struct der *der,
    struct examined *out, struct known *known)
{
	size_t i;

	memset(known, 0, sizeof(*known));
	if (EVP_Digest(der->p, der->len, known->hash, NULL,
	    smime_digest_md(SMIME_SHA256), NULL) != 1)
		return false;
	for (i = 0; i < out->candidate_count; i++)
		if (memcmp(out->candidates[i].hash, known->hash, 32) == 0)
			return false;
	if (settings->cache != NULL && verify_cache_get(settings->cache,
	    known->hash, settings->generation, settings->now, known))
		return true;
	known->fresh = true;
	known->cert = parse(der);
	return known->cert != NULL;
}

enum verify_reason
cert_find(const struct verify_settings *settings,
    const struct signed_data *data, struct examined *out)
{
	size_t i;

	out->candidate_count = 0;
	for (i = 0; i < data->cert_count; i++) {
		if (out->candidate_count == CANDIDATES_MAX)
			break;
		if (is_meant(&data->certs[i], out->info) &&
		    hold(settings, &data->certs[i], out,
		    &out->candidates[out->candidate_count]))
			out->candidate_count++;
	}
	return out->candidate_count > 0 ? VERIFY_GOOD : VERIFY_NO_CERTIFICATE;
}

/* Keys that are too large to be used are not tried as issuers (VER-22). */
static bool
is_usable(X509 *cert, int max_rsa_bits)
{
	enum verify_reason reason;

	reason = key_judge(X509_get0_pubkey(cert), max_rsa_bits);
	return reason == VERIFY_GOOD || reason == VERIFY_WEAK;
}

STACK_OF(X509) *
cert_extra(const struct verify_settings *settings,
    const struct signed_data *data)
{
	STACK_OF(X509) *list = sk_X509_new_null();
	X509 *cert;
	size_t i;

	for (i = 0; list != NULL && i < data->cert_count; i++) {
		if ((cert = parse(&data->certs[i])) == NULL)
			continue;
		if (!is_usable(cert, settings->max_rsa_bits)) {
			X509_free(cert);
			continue;
		}
		if (sk_X509_push(list, cert) == 0) {
			X509_free(cert);
			sk_X509_pop_free(list, X509_free);
			list = NULL;
		}
	}
	return list;
}

/* ----------------------------------------------------------------- ESS --- */

/* The first ESSCertID or ESSCertIDv2 is the signer's (RFC 5035 3, 5.4). */
static bool
take_id(const struct der *attribute, struct der *id)
{
	struct der in = *attribute, list, ids;

	return der_take(&in, TAG_SEQUENCE, &list, NULL) && in.len == 0 &&
	    der_take(&list, TAG_SEQUENCE, &ids, NULL) &&
	    der_take(&ids, TAG_SEQUENCE, id, NULL);
}

static bool
has_hash(X509 *cert, enum digest_kind kind, const struct der *hash)
{
	unsigned char value[EVP_MAX_MD_SIZE];
	const EVP_MD *md = digest_md(kind);
	unsigned len = 0;

	return md != NULL && X509_digest(cert, md, value, &len) == 1 &&
	    der_is(hash, value, len);
}

static bool
names_v2(const struct der *attribute, X509 *cert,
    const unsigned char fingerprint[32])
{
	enum digest_kind kind = DIGEST_SHA256;
	struct der id, unused, algorithm, hash;

	if (!take_id(attribute, &id))
		return false;
	if (der_peek(&id) == TAG_SEQUENCE) {
		if (!der_take(&id, TAG_SEQUENCE, &unused, &algorithm))
			return false;
		kind = digest_read(&algorithm);
	}
	if (!der_take(&id, TAG_OCTETS, &hash, NULL))
		return false;
	return kind == DIGEST_SHA256 ? der_is(&hash, fingerprint, 32) :
	    has_hash(cert, kind, &hash);
}

static bool
names_v1(const struct der *attribute, X509 *cert)
{
	struct der id, hash;

	return take_id(attribute, &id) &&
	    der_take(&id, TAG_OCTETS, &hash, NULL) &&
	    has_hash(cert, DIGEST_SHA1, &hash);
}

bool
cert_is_named(const struct signer_info *info, X509 *cert,
    const unsigned char hash[32])
{
	return (info->ess2.p == NULL || names_v2(&info->ess2, cert, hash)) &&
	    (info->ess.p == NULL || names_v1(&info->ess, cert));
}

/* --------------------------------------------------------------- usage --- */

enum verify_reason
cert_judge_usage(const struct verify_settings *settings, X509 *cert)
{
	struct cert_findings findings;

	cert_check_signing(cert, NULL, 0, &findings);
	if (cert_has_finding(&findings, CERT_CRITICAL_EXTENSION))
		return VERIFY_EXTENSION;
	if (cert_has_finding(&findings, CERT_KEY_USAGE) ||
	    cert_has_finding(&findings, CERT_EXTENDED_KEY_USAGE) ||
	    cert_has_finding(&findings, CERT_DOCUMENT_PROFILE) ||
	    cert_has_finding(&findings, CERT_IS_CA))
		return VERIFY_USAGE;
	if (!settings->any_purpose && !cert_names_purpose(cert))
		return VERIFY_USAGE;
	return VERIFY_GOOD;
}
