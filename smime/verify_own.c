/*
 * verify_own.c - the verdict on a signature that was made here a moment ago.
 *
 * Its form, its digest and the signature value were checked when it was made
 * (check.c, SIG-61). What is left to ask is what a reader would ask of the
 * certificate, also of one that an administrator's override lets sign: "pass"
 * must mean the same wherever it is said.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_trust.h"
#include "smime_verify.h"
#include "trust.h"
#include "verify.h"

/* The certificate with that serial number in upper-case hex, or NULL. */
static X509 *
find_signer(STACK_OF(X509) *certs, const char *serial)
{
	char text[SERIAL_TEXT_MAX + 1];
	int i;

	for (i = 0; i < sk_X509_num(certs); i++) {
		cert_serial(sk_X509_value(certs, i), text, sizeof(text));
		if (strcmp(text, serial) == 0)
			return sk_X509_value(certs, i);
	}
	return NULL;
}

/* VER-30, VER-32 */
static enum verify_reason
address_reason(X509 *cert, const char *address, bool pinned,
    struct verdict *out)
{
	if (cert_has_email(cert, address)) {
		snprintf(out->identifier, sizeof(out->identifier), "%s",
		    address);
		out->matches = true;
		return VERIFY_GOOD;
	}
	if (out->identifier[0] != '\0' || cert_holds_email(cert))
		return VERIFY_OTHER_ADDRESS;
	out->pinned = pinned;
	return pinned ? VERIFY_GOOD : VERIFY_NO_ADDRESS;
}

/* In the order of verify_judge.c. */
static void
judge(const struct verify_settings *settings, X509 *cert,
    const struct trust_result *path, const char *address, bool pinned,
    struct verdict *out)
{
	enum verify_reason reason = cert_judge_usage(settings, cert);

	if (reason == VERIFY_GOOD)
		reason = path_reason(path);
	if (reason == VERIFY_GOOD) {
		out->revocation = path->revocation;
		reason = revocation_reason(path->revocation,
		    settings->crl_soft_fail);
	}
	if (reason == VERIFY_GOOD) {
		out->validated = true;
		out->crl_soft_fail = path->revocation != REVOCATION_GOOD;
		reason = address_reason(cert, address, pinned, out);
	}
	out->reason = reason;
	out->word = verify_reason_verdict(reason);
}

int
verify_own(const struct verify_settings *settings, const unsigned char *der,
    size_t len, const char *serial, const char *address, bool pinned,
    struct verdict *out, time_t *until, struct smime_error *err)
{
	STACK_OF(X509) *certs = NULL;
	struct trust_result path;
	struct signed_data data;
	X509 *cert;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	*until = settings->now;
	ERR_clear_error();
	if (cms_read(der, len, settings->max_signers, settings->max_certs,
	    &data) != VERIFY_GOOD ||
	    (certs = cert_extra(settings, &data)) == NULL ||
	    (cert = find_signer(certs, serial)) == NULL)
		smime_error_setx(err, "our own signature cannot be read");
	else if (trust_verify(settings->trust, cert, certs, settings->now,
	    &path, err) == 0) {
		cert_describe(cert, out);
		(void)cert_fingerprint(cert, out->fingerprint);
		judge(settings, cert, &path, address, pinned, out);
		if (out->reason == VERIFY_GOOD && !out->crl_soft_fail)
			*until = path.until;
		rc = 0;
	}
	sk_X509_pop_free(certs, X509_free);
	ERR_clear_error();
	return rc;
}
