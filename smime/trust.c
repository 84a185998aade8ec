/*
 * trust.c - the path from a certificate to a configured anchor (RFC 5280 6).
 *
 * OpenSSL builds and validates the path; what it leaves open is settled here:
 * which deviations from the profile of a CA's certificate are let pass, that
 * nothing in the path is signed with less than SHA-256 (RFC 8550 4.3), and
 * that of several CAs of one name the right one is found (CRT-12). The purpose
 * is not asked of OpenSSL: certcheck.c knows better (CRT-21).
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_trust.h"
#include "trust.h"

#define DEPTH_MAX		6	/* CAs between certificate and anchor */
#define INTERMEDIATES_MAX	1000
#define STRENGTH		2	/* 112 bits: RSA-2048 */

/*
 * OpenSSL asks names and key identifiers alone and takes the first CA that
 * fits; where identifiers are missing and two CAs share a name that may be the
 * wrong one, and it does not come back. So the signature is asked too.
 */
static int
is_issued(X509_STORE_CTX *ctx, X509 *cert, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	int ok;

	(void)ctx;
	if (X509_check_issued(issuer, cert) != X509_V_OK || key == NULL)
		return 0;
	ERR_set_mark();
	ok = X509_verify(cert, key) == 1;
	ERR_pop_to_mark();
	return ok;
}

/*
 * What RFC 5280 4.2.1 asks of those who issue CA certificates, but 6.1 not of
 * those who validate: old roots lack it, and readers take them all the same.
 */
static int
judge(int ok, X509_STORE_CTX *ctx)
{
	if (!ok && revocation_note(ctx)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
	case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
	case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
	case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	default:
		return ok;
	}
}

struct trust *
trust_new(void)
{
	struct trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL)
		return NULL;
	trust->store = X509_STORE_new();
	trust->intermediates = sk_X509_new_null();
	trust->crls = sk_X509_CRL_new_null();
	if (trust->store == NULL || trust->intermediates == NULL ||
	    trust->crls == NULL) {
		trust_free(trust);
		return NULL;
	}
	X509_STORE_set_check_issued(trust->store, is_issued);
	X509_STORE_set_verify_cb(trust->store, judge);
	return trust;
}

void
trust_free(struct trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	sk_X509_pop_free(trust->intermediates, X509_free);
	sk_X509_CRL_pop_free(trust->crls, X509_CRL_free);
	sk_ASN1_OBJECT_pop_free(trust->policies, ASN1_OBJECT_free);
	free(trust);
}

int
trust_add_anchor(struct trust *trust, X509 *cert, struct smime_error *err)
{
	ERR_clear_error();
	if (X509_STORE_add_cert(trust->store, cert) != 1)
		return smime_error_crypto(err, "cannot add an anchor");
	trust->anchors++;
	return 0;
}

int
trust_add_intermediate(struct trust *trust, X509 *cert,
    struct smime_error *err)
{
	if (sk_X509_num(trust->intermediates) >= INTERMEDIATES_MAX)
		return smime_error_setx(err, "more than %d intermediates",
		    INTERMEDIATES_MAX);
	X509_up_ref(cert);
	if (sk_X509_push(trust->intermediates, cert) == 0) {
		X509_free(cert);
		return smime_error_setx(err, "out of memory");
	}
	return 0;
}

size_t
trust_anchors(const struct trust *trust)
{
	return trust->anchors;
}

/* Borrowed certificates in a stack of the caller's. */
STACK_OF(X509) *
trust_untrusted(const STACK_OF(X509) *a, const STACK_OF(X509) *b)
{
	STACK_OF(X509) *all = sk_X509_dup(a);
	int i;

	for (i = 0; all != NULL && b != NULL && i < sk_X509_num(b); i++)
		if (sk_X509_push(all, sk_X509_value(b, i)) == 0) {
			sk_X509_free(all);
			all = NULL;
		}
	return all;
}

void
trust_rules(X509_STORE_CTX *ctx, time_t now)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_time(param, now);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, STRENGTH);
	/* An anchor need not be a root: the operator has chosen it. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT |
	    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
}

/*
 * The certificate's own faults have words of their own. Of an authority's, what
 * is weak about it makes weak what it signs (CRT-13).
 */
static enum cert_problem
to_problem(int error, int depth)
{
	if (depth > 0)
		return error == X509_V_ERR_CA_MD_TOO_WEAK ||
		    error == X509_V_ERR_CA_KEY_TOO_SMALL ?
		    CERT_WEAK_SIGNATURE : CERT_UNKNOWN_ISSUER;
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return CERT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return CERT_NOT_YET_VALID;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
		return CERT_WEAK_KEY;
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return CERT_WEAK_SIGNATURE;
	case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
		return CERT_CRITICAL_EXTENSION;
	default:
		return CERT_UNKNOWN_ISSUER;
	}
}

enum cert_problem
trust_explain(X509_STORE_CTX *ctx, struct smime_error *err)
{
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	char subject[200] = "the path";

	if (cert != NULL)
		cert_subject(cert, subject, sizeof(subject));
	smime_error_setx(err, "%s: %s", subject,
	    X509_verify_cert_error_string(error));
	ERR_clear_error();
	return to_problem(error, depth);
}

/* SHA-224 would pass for OpenSSL. The anchor's own signature says nothing. */
enum cert_problem
trust_check_signatures(const STACK_OF(X509) *path, struct smime_error *err)
{
	char subject[200];
	int i;

	for (i = 0; i < sk_X509_num(path) - 1; i++)
		if (cert_signature_is_weak(sk_X509_value(path, i))) {
			cert_subject(sk_X509_value(path, i), subject,
			    sizeof(subject));
			smime_error_setx(err,
			    "%s: issued with less than SHA-256", subject);
			return CERT_WEAK_SIGNATURE;
		}
	return CERT_OK;
}

/* SIG-43: neither the certificate itself nor the root. */
static STACK_OF(X509) *
copy_chain(const STACK_OF(X509) *path)
{
	STACK_OF(X509) *out = sk_X509_new_null();
	X509 *cert;
	int i;

	for (i = 1; out != NULL && i < sk_X509_num(path); i++) {
		cert = sk_X509_value(path, i);
		if (cert_is_self_signed(cert))
			continue;
		X509_up_ref(cert);
		if (sk_X509_push(out, cert) == 0) {
			X509_free(cert);
			sk_X509_pop_free(out, X509_free);
			out = NULL;
		}
	}
	return out;
}

static enum cert_problem
run(X509_STORE_CTX *ctx, STACK_OF(X509) **chain, struct smime_error *err)
{
	enum cert_problem problem;
	STACK_OF(X509) *path;

	if (X509_verify_cert(ctx) != 1)
		return trust_explain(ctx, err);
	path = X509_STORE_CTX_get0_chain(ctx);
	problem = trust_check_signatures(path, err);
	if (problem != CERT_OK || chain == NULL)
		return problem;
	if ((*chain = copy_chain(path)) == NULL) {
		smime_error_setx(err, "out of memory");
		return CERT_UNKNOWN_ISSUER;
	}
	return CERT_OK;
}

enum cert_problem
trust_check(const struct trust *trust, X509 *cert, STACK_OF(X509) *extra,
    time_t now, STACK_OF(X509) **chain, struct smime_error *err)
{
	enum cert_problem problem = CERT_UNKNOWN_ISSUER;
	STACK_OF(X509) *untrusted = NULL;
	X509_STORE_CTX *ctx = NULL;

	if (chain != NULL)
		*chain = NULL;
	ERR_clear_error();
	if ((untrusted = trust_untrusted(trust->intermediates, extra)) == NULL ||
	    (ctx = X509_STORE_CTX_new()) == NULL ||
	    X509_STORE_CTX_init(ctx, trust->store, cert, untrusted) != 1)
		smime_error_crypto(err, "cannot check the chain");
	else {
		trust_rules(ctx, now);
		problem = run(ctx, chain, err);
	}
	X509_STORE_CTX_free(ctx);
	sk_X509_free(untrusted);
	return problem;
}
