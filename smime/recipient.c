/*
 * recipient.c - whether mail may be encrypted to a certificate, and what its
 * owner reads.
 *
 * CMS_encrypt takes any certificate: for signatures alone, RSA-1024, expired.
 * So everything is asked here before, and the answer about the path, which
 * costs the most, is kept where the verifier keeps its own: trust is one.
 */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>

#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"
#include "smime_encrypt.h"
#include "smime_trust.h"
#include "verify.h"

#define TAG_SEQUENCE	0x30

static void
add(struct recipient_findings *out, enum cert_problem problem)
{
	if (!cert_has_finding(&out->findings, problem) &&
	    out->findings.count < CERT_PROBLEMS_MAX)
		out->findings.problem[out->findings.count++] = problem;
}

/* CRT-04: not to know is no permission, unless the operator says so. */
static void
judge_revocation(const struct recipient_settings *settings,
    struct recipient_findings *out)
{
	switch (out->revocation) {
	case REVOCATION_GOOD:
		break;
	case REVOCATION_REVOKED:
		add(out, CERT_REVOKED);
		break;
	case REVOCATION_STALE:
		if (!settings->crl_soft_fail)
			add(out, CERT_CRL_STALE);
		break;
	default:
		if (!settings->crl_soft_fail)
			add(out, CERT_CRL_MISSING);
		break;
	}
}

static int
ask_path(const struct recipient_settings *settings, const struct known *known,
    STACK_OF(X509) *extra, struct recipient_findings *out,
    struct smime_error *err)
{
	struct smime_error why = { "" };
	struct trust_result path;
	bool good;

	if (trust_verify(settings->trust, known->cert, extra, settings->now,
	    &path, &why) != 0)
		return smime_error_setx(err, "%s", why.text);
	smime_printable(why.text, strlen(why.text), out->detail,
	    sizeof(out->detail));
	if (path.problem != CERT_OK) {
		add(out, path.problem);
		return 0;
	}
	out->revocation = path.revocation;
	good = path.revocation == REVOCATION_GOOD;
	if (settings->cache != NULL)
		verify_cache_put(settings->cache, known, settings->generation,
		    good ? &path : NULL);
	judge_revocation(settings, out);
	return 0;
}

int
recipient_check(const struct recipient_settings *settings, X509 *cert,
    STACK_OF(X509) *extra, const char *address,
    struct recipient_findings *out, struct smime_error *err)
{
	struct known known = { .cert = cert }, found = { .cert = NULL };
	int rc = 0;

	memset(out, 0, sizeof(*out));
	errno = 0;
	cert_check_encryption(cert, address, settings->now, &out->findings);
	/* What libcrypto had no memory to see may not be so. */
	if (out->findings.count > 0 && errno == ENOMEM)
		return smime_error_set(err, "a recipient's certificate");
	if (cert_fingerprint(cert, known.hash) != 0)
		return smime_error_crypto(err, "a recipient's certificate");
	if (settings->cache != NULL)
		(void)verify_cache_get(settings->cache, known.hash,
		    settings->generation, settings->now, &found);
	if (found.trusted)
		out->revocation = REVOCATION_GOOD;
	else if (settings->trust == NULL)
		add(out, CERT_UNKNOWN_ISSUER);
	else
		rc = ask_path(settings, &known, extra, out, err);
	X509_free(found.cert);
	if (rc == 0 && out->findings.count > 0 && errno == ENOMEM)
		rc = smime_error_set(err, "a recipient's certificate");
	return rc;
}

bool
cert_is_rsa(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	return key != NULL && EVP_PKEY_is_a(key, "RSA");
}

/* -------------------------------------------------------- capabilities --- */

static unsigned
capability(const struct der *type)
{
	static const struct {
		enum oid	type;
		unsigned	bit;
	} known[] = {
		{ OID_AES256_GCM,	SMIME_CAP_AES256_GCM },
		{ OID_AES128_GCM,	SMIME_CAP_AES128_GCM },
		{ OID_AES256_CBC,	SMIME_CAP_AES256_CBC },
		{ OID_AES128_CBC,	SMIME_CAP_AES128_CBC },
		{ OID_RSA_OAEP,		SMIME_CAP_RSA_OAEP },
	};
	struct der one;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		one = oid(known[i].type);
		if (der_equal(type, &one))
			return known[i].bit;
	}
	return 0;
}

/*
 * Parameters say more where there are any: of OAEP the digests, and ours is
 * the default, SHA-1 with MGF1 (RFC 3560 4 wants absent or empty for that).
 */
static bool
is_default(struct der *parameters)
{
	struct der content;

	return parameters->len == 0 ||
	    (der_take(parameters, TAG_SEQUENCE, &content, NULL) &&
	    content.len == 0 && parameters->len == 0);
}

bool
capabilities_read(const unsigned char *der, size_t len, unsigned *out)
{
	struct der in = { der, len }, list, one, unused, type;
	unsigned bits = 0, bit;

	*out = 0;
	if (!der_take(&in, TAG_SEQUENCE, &list, NULL) || in.len != 0)
		return false;
	while (list.len > 0) {
		if (!der_take(&list, TAG_SEQUENCE, &one, NULL) ||
		    !der_take(&one, 0x06, &unused, &type))
			return false;
		bit = capability(&type);
		if (bit != SMIME_CAP_RSA_OAEP || is_default(&one))
			bits |= bit;
	}
	*out = bits;
	return true;
}

unsigned
cert_capabilities(X509 *cert)
{
	const ASN1_OCTET_STRING *value;
	unsigned bits = 0;
	int i;

	i = X509_get_ext_by_NID(cert, NID_SMIMECapabilities, -1);
	if (i < 0 || X509_get_ext_by_NID(cert, NID_SMIMECapabilities, i) >= 0)
		return 0;
	value = X509_EXTENSION_get_data(X509_get_ext(cert, i));
	(void)capabilities_read(ASN1_STRING_get0_data(value),
	    (size_t)ASN1_STRING_length(value), &bits);
	return bits;
}
