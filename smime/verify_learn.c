/*
 * verify_learn.c - what a message that passed says about writing back to its
 * signer: which certificate to encrypt to, and what the mail program reads.
 *
 * RFC 8551 2.5.3: the certificate that the signature names for that; without
 * one the signer's own, or another of the message that names the same address
 * and allows encryption.
 */
#include <string.h>

#include <openssl/err.h>

#include "der.h"
#include "smime_cert.h"
#include "smime_encrypt.h"
#include "smime_verify.h"
#include "verify.h"

#define EXTRA_MAX	8

static bool
is_fit(X509 *cert, const struct judgement *j)
{
	struct cert_findings findings;

	cert_check_encryption(cert, j->verdict->from, j->settings->now,
	    &findings);
	return findings.count == 0;
}

/*
 * SMIMEEncryptionKeyPreference ::= CHOICE {
 *	issuerAndSerialNumber	[0] IssuerAndSerialNumber,
 *	recipientKeyId		[1] RecipientKeyIdentifier,
 *	subjectAltKeyIdentifier	[2] SubjectKeyIdentifier }
 */
static X509 *
named(const struct judgement *j)
{
	struct der in = j->signer->info->encryption_key, names, unused;
	struct signer_info meant;

	memset(&meant, 0, sizeof(meant));
	if (der_peek(&in) == 0x82) {
		if (!der_take(&in, 0x82, &meant.key_id, NULL))
			return NULL;
	} else if (der_take(&in, 0xa0, &names, NULL)) {
		if (!der_take(&names, 0x30, &unused, &meant.issuer) ||
		    !der_take(&names, 0x02, &unused, &meant.serial))
			return NULL;
	} else
		return NULL;
	return cert_pick(&j->data, &meant);
}

static X509 *
any_fit(const struct judgement *j, STACK_OF(X509) *all)
{
	X509 *cert = j->signer->known->cert;
	int i;

	if (is_fit(cert, j))
		return X509_up_ref(cert) == 1 ? cert : NULL;
	for (i = 0; i < sk_X509_num(all); i++) {
		cert = sk_X509_value(all, i);
		if (is_fit(cert, j))
			return X509_up_ref(cert) == 1 ? cert : NULL;
	}
	return NULL;
}

void
learn(const struct judgement *j, struct correspondent *out)
{
	const struct signer_info *info = j->signer->info;

	correspondent_clear(out);
	out->extra = cert_extra(j->settings, &j->data);
	if (info->encryption_key.p != NULL) {
		out->cert = named(j);
		if (out->cert != NULL && !is_fit(out->cert, j)) {
			X509_free(out->cert);
			out->cert = NULL;
		}
	} else
		out->cert = any_fit(j, out->extra);
	while (sk_X509_num(out->extra) > EXTRA_MAX)
		X509_free(sk_X509_pop(out->extra));
	out->has_capabilities = info->capabilities.p != NULL &&
	    capabilities_read(info->capabilities.p, info->capabilities.len,
	    &out->capabilities);
	ERR_clear_error();
}

void
correspondent_clear(struct correspondent *correspondent)
{
	X509_free(correspondent->cert);
	sk_X509_pop_free(correspondent->extra, X509_free);
	memset(correspondent, 0, sizeof(*correspondent));
}
