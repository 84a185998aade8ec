/*
 * revocation.c - the path of somebody else's certificate, and whether anything
 * in it is revoked.
 *
 * OpenSSL finds and judges the lists (RFC 5280 6.3, with scopes, indirect and
 * delta lists). What it finds wrong with them does not end the walk but is
 * taken note of: a chain that is bad for another reason is reported as that,
 * and a missing list is told from a revoked certificate. Lists come from trust
 * alone, never out of a message, where a sender could leave an older one that
 * does not yet name him (CRT-02).
 */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_trust.h"
#include "trust.h"

/* Rides along as the context's application data. */
struct walk {
	bool		 foreign;	/* of somebody else's certificate */
	enum revocation	 worst;
	int		 forged_at;	/* depth of a list without signature */
	char		 text[300];
};

const char *
revocation_word(enum revocation revocation)
{
	switch (revocation) {
	case REVOCATION_GOOD:
		return "good";
	case REVOCATION_REVOKED:
		return "revoked";
	case REVOCATION_MISSING:
		return "missing";
	case REVOCATION_STALE:
		return "stale";
	case REVOCATION_UNASKED:
		break;
	}
	return "unasked";
}

/* REVOCATION_UNASKED: the error is about something else. */
static enum revocation
classify(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
		return REVOCATION_REVOKED;
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return REVOCATION_STALE;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return REVOCATION_MISSING;
	default:
		return REVOCATION_UNASKED;
	}
}

static int
rank(enum revocation revocation)
{
	static const int ranks[] = {
		[REVOCATION_UNASKED] = 0,
		[REVOCATION_GOOD] = 1,
		[REVOCATION_STALE] = 2,
		[REVOCATION_MISSING] = 3,
		[REVOCATION_REVOKED] = 4,
	};

	return ranks[revocation];
}

/*
 * The anchor was chosen by the operator, so no list is needed for it. What a
 * list says that has no good signature is not believed either way.
 */
bool
revocation_note(X509_STORE_CTX *ctx)
{
	struct walk *walk = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	enum revocation found = classify(error);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	char subject[160] = "the path";

	if (walk == NULL || found == REVOCATION_UNASKED)
		return false;
	if (found == REVOCATION_MISSING &&
	    error != X509_V_ERR_UNABLE_TO_GET_CRL)
		walk->forged_at = depth;
	if (found == REVOCATION_REVOKED && walk->forged_at == depth)
		return true;
	if (found != REVOCATION_REVOKED && depth ==
	    sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1)
		return true;
	if (rank(found) <= rank(walk->worst))
		return true;
	walk->worst = found;
	if (cert != NULL)
		cert_subject(cert, subject, sizeof(subject));
	snprintf(walk->text, sizeof(walk->text), "%s: %s", subject,
	    X509_verify_cert_error_string(error));
	return true;
}

static bool
set_rules(X509_STORE_CTX *ctx, const struct trust *trust, time_t now,
    bool policies)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	trust_rules(ctx, now);
	X509_STORE_CTX_set0_crls(ctx, trust->crls);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK |
	    X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_EXTENDED_CRL_SUPPORT |
	    X509_V_FLAG_USE_DELTAS);
	if (!policies)
		return true;
	/*
	 * RFC 5280 6.1.1 (c): also where none is asked for, a CA may demand
	 * one, and then any will do. OpenSSL takes an empty set for no policy.
	 */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK);
	if (trust->policies == NULL)
		return X509_VERIFY_PARAM_add0_policy(param,
		    OBJ_nid2obj(NID_any_policy)) == 1;
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_EXPLICIT_POLICY);
	return X509_VERIFY_PARAM_set1_policies(param, trust->policies) == 1;
}

/*
 * Until when the newest list of that issuer is young enough; before now where
 * none is. Lists are told apart by name alone, the paths are by signature.
 */
static time_t
young_until(const struct trust *trust, const X509_NAME *issuer)
{
	time_t newest = 0, one;
	X509_CRL *crl;
	int i;

	for (i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
		crl = sk_X509_CRL_value(trust->crls, i);
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0 &&
		    (one = crl_this_update(crl)) > newest)
			newest = one;
	}
	return newest + trust->crl_age;
}

/* RFC 5280 leaves it to the issuer how long a list lasts; CRT-06 does not. */
static void
judge_age(const struct trust *trust, const STACK_OF(X509) *path, time_t now,
    struct walk *walk, time_t *end)
{
	char subject[160];
	time_t until;
	X509 *cert;
	int i;

	for (i = 0; trust->crl_age > 0 && i < sk_X509_num(path) - 1; i++) {
		cert = sk_X509_value(path, i);
		until = young_until(trust, X509_get_issuer_name(cert));
		if (until < *end)
			*end = until;
		if (until > now || rank(walk->worst) >= rank(REVOCATION_STALE))
			continue;
		walk->worst = REVOCATION_STALE;
		cert_subject(cert, subject, sizeof(subject));
		snprintf(walk->text, sizeof(walk->text), "%s: the revocation "
		    "list of its issuer is too old", subject);
	}
}

/*
 * Until when nothing can change: any list's end may matter, so the earliest
 * that is still to come counts.
 */
static time_t
find_end(const struct trust *trust, const STACK_OF(X509) *path, time_t now)
{
	time_t end = (time_t)INT64_MAX, one;
	int i;

	for (i = 0; i < sk_X509_num(path); i++) {
		one = cert_not_after(sk_X509_value(path, i));
		if (one < end)
			end = one;
	}
	for (i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
		one = crl_next_update(sk_X509_CRL_value(trust->crls, i));
		if (one > now && one < end)
			end = one;
	}
	return end;
}

static void
describe(const STACK_OF(X509) *path, struct trust_result *out)
{
	int i;

	for (i = 0; i < sk_X509_num(path) && i < TRUST_CHAIN_MAX; i++)
		cert_subject(sk_X509_value(path, i), out->chain[i],
		    sizeof(out->chain[i]));
	out->chain_count = (size_t)i;
}

/*
 * RFC 8550 4.4.4, as it is lived: purposes of an authority bound those of what
 * it issues. The anchor's own say nothing, it was chosen for mail (CRT-23).
 */
static enum cert_problem
check_purposes(const STACK_OF(X509) *path, struct smime_error *err)
{
	char subject[160];
	X509 *cert;
	int i;

	for (i = 1; i < sk_X509_num(path) - 1; i++) {
		cert = sk_X509_value(path, i);
		if (cert_allows_mail(cert))
			continue;
		cert_subject(cert, subject, sizeof(subject));
		smime_error_setx(err, "%s: not an authority for e-mail",
		    subject);
		return CERT_EXTENDED_KEY_USAGE;
	}
	return CERT_OK;
}

static bool
is_fault(int error)
{
	return error == X509_V_ERR_OUT_OF_MEM ||
	    error == X509_V_ERR_UNSPECIFIED ||
	    error == X509_V_ERR_INVALID_CALL || error == X509_V_ERR_STORE_LOOKUP;
}

static int
run(X509_STORE_CTX *ctx, const struct trust *trust, struct walk *walk,
    time_t now, struct trust_result *out, struct smime_error *err)
{
	STACK_OF(X509) *path;
	int error;

	if (X509_verify_cert(ctx) != 1) {
		error = X509_STORE_CTX_get_error(ctx);
		out->policy = error == X509_V_ERR_NO_EXPLICIT_POLICY;
		out->problem = trust_explain(ctx, err);
		return is_fault(error) ? -1 : 0;
	}
	path = X509_STORE_CTX_get0_chain(ctx);
	describe(path, out);
	out->problem = trust_check_signatures(path, err);
	if (out->problem == CERT_OK && walk->foreign)
		out->problem = check_purposes(path, err);
	if (out->problem != CERT_OK)
		return 0;
	out->from = now;
	out->until = find_end(trust, path, now);
	judge_age(trust, path, now, walk, &out->until);
	out->revocation = walk->worst;
	if (walk->text[0] != '\0')
		smime_error_setx(err, "%s", walk->text);
	return 0;
}

static int
check_path(const struct trust *trust, X509 *cert, STACK_OF(X509) *extra,
    time_t now, bool policies, struct trust_result *out,
    struct smime_error *err)
{
	struct walk walk = { .foreign = policies, .worst = REVOCATION_GOOD,
	    .forged_at = -1 };
	STACK_OF(X509) *untrusted = NULL;
	X509_STORE_CTX *ctx = NULL;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	out->problem = CERT_UNKNOWN_ISSUER;
	ERR_clear_error();
	if ((untrusted = trust_untrusted(trust->intermediates, extra)) ==
	    NULL || (ctx = X509_STORE_CTX_new()) == NULL ||
	    X509_STORE_CTX_init(ctx, trust->store, cert, untrusted) != 1 ||
	    !set_rules(ctx, trust, now, policies))
		smime_error_crypto(err, "cannot check the chain");
	else {
		X509_STORE_CTX_set_app_data(ctx, &walk);
		rc = run(ctx, trust, &walk, now, out, err);
	}
	X509_STORE_CTX_free(ctx);
	sk_X509_free(untrusted);
	ERR_clear_error();
	return rc;
}

int
trust_verify(const struct trust *trust, X509 *cert, STACK_OF(X509) *extra,
    time_t now, struct trust_result *out, struct smime_error *err)
{
	return check_path(trust, cert, extra, now, true, out, err);
}

enum revocation
trust_check_revocation(const struct trust *trust, X509 *cert,
    STACK_OF(X509) *extra, time_t now, time_t *until, struct smime_error *err)
{
	struct trust_result result;

	if (until != NULL)
		*until = now;
	if (check_path(trust, cert, extra, now, false, &result, err) != 0)
		return REVOCATION_UNASKED;
	if (result.problem != CERT_OK)
		return REVOCATION_MISSING;
	if (until != NULL && result.revocation == REVOCATION_GOOD)
		*until = result.until;
	return result.revocation;
}
