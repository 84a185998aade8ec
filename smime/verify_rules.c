/*
 * verify_rules.c - the rules that one signature must keep, one by one.
 *
 * With several signers each rule must hold for every one of them (VER-17), so
 * that a stranger's good signature lends nothing to a bad one. Their order is
 * that of the table in verify_judge.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"
#include "smime_trust.h"
#include "smime_verify.h"
#include "verify.h"

/* Asks a question of each signer; the first bad answer counts. */
static enum verify_reason
each_signer(struct judgement *j,
    enum verify_reason (*ask)(struct judgement *j, struct examined *signer))
{
	enum verify_reason reason = VERIFY_GOOD;
	size_t i;

	for (i = 0; i < j->data.signer_count && reason == VERIFY_GOOD; i++)
		reason = ask(j, &j->signers[i]);
	return reason;
}

/* RFC 5652 5.2: no signer, no signature (VER-16). */
enum verify_reason
rule_signers(struct judgement *j)
{
	return j->data.signer_count > 0 ? VERIFY_GOOD : VERIFY_CERTS_ONLY;
}

/* RFC 8551 3.5.3.1: the content is in one place (VER-10). */
enum verify_reason
rule_content(struct judgement *j)
{
	if (j->layer->kind == LAYER_DETACHED)
		return j->data.has_content ? VERIFY_CONFLICT : VERIFY_GOOD;
	return j->data.has_content ? VERIFY_GOOD : VERIFY_NO_CONTENT;
}

/*
 * RFC 5652 5.3 lets them be absent for data, but then the attributes of one
 * message can be replayed as the content of another (VER-11).
 */
static enum verify_reason
ask_attributes(struct judgement *j, struct examined *signer)
{
	(void)j;
	return signer->info->attributes.p != NULL ? VERIFY_GOOD :
	    VERIFY_NO_ATTRIBUTES;
}

enum verify_reason
rule_attributes(struct judgement *j)
{
	return each_signer(j, ask_attributes);
}

static enum verify_reason
ask_content_type(struct judgement *j, struct examined *signer)
{
	return der_equal(&signer->info->content_type, &j->data.content_type) ?
	    VERIFY_GOOD : VERIFY_CONTENT_TYPE;
}

enum verify_reason
rule_content_type(struct judgement *j)
{
	struct der data = oid(OID_DATA);

	if (!der_equal(&j->data.content_type, &data))
		return VERIFY_CONTENT_TYPE;
	return each_signer(j, ask_content_type);
}

/* RFC 8933 3: one digest for both; RFC 8419 3.1: SHA-512 with Ed25519. */
static enum verify_reason
ask_algorithm(struct judgement *j, struct examined *signer)
{
	struct signature_algorithm *algorithm = &signer->algorithm;

	(void)j;
	signer->digest = digest_read(&signer->info->digest);
	signature_read(&signer->info->algorithm, algorithm);
	if (signer->digest == DIGEST_BROKEN ||
	    algorithm->kind == SIGNATURE_BROKEN)
		return VERIFY_WEAK;
	if (signer->digest == DIGEST_UNKNOWN ||
	    algorithm->kind == SIGNATURE_UNKNOWN)
		return VERIFY_ALGORITHM;
	if (algorithm->kind == SIGNATURE_ED25519)
		return signer->digest == DIGEST_SHA512 ? VERIFY_GOOD :
		    VERIFY_ALGORITHM;
	if (algorithm->digest == DIGEST_UNKNOWN &&
	    algorithm->kind == SIGNATURE_RSA)
		algorithm->digest = signer->digest;
	return algorithm->digest == signer->digest ? VERIFY_GOOD :
	    VERIFY_ALGORITHM;
}

enum verify_reason
rule_algorithms(struct judgement *j)
{
	return each_signer(j, ask_algorithm);
}

static enum verify_reason
ask_strength(struct judgement *j, struct examined *signer)
{
	return signer->digest == DIGEST_SHA1 && !j->settings->weak_digest ?
	    VERIFY_WEAK : VERIFY_GOOD;
}

enum verify_reason
rule_strength(struct judgement *j)
{
	return each_signer(j, ask_strength);
}

static enum verify_reason
ask_micalg(struct judgement *j, struct examined *signer)
{
	unsigned named = j->layer->named;

	return named == 0 || (named & 1u << signer->digest) != 0 ?
	    VERIFY_GOOD : VERIFY_MICALG;
}

enum verify_reason
rule_micalg(struct judgement *j)
{
	return each_signer(j, ask_micalg);
}

static enum verify_reason
ask_digest(struct judgement *j, struct examined *signer)
{
	const EVP_MD *md = digest_md(signer->digest);
	unsigned char value[SMIME_DIGEST_MAX];
	size_t len = (size_t)EVP_MD_get_size(md);

	if (j->layer->kind == LAYER_DETACHED) {
		if (j->layer->digest[signer->digest] == NULL)
			return VERIFY_MICALG;
		memcpy(value, j->layer->value[signer->digest], len);
	} else if (EVP_Digest(j->data.content.p, j->data.content.len, value,
	    NULL, md, NULL) != 1)
		return VERIFY_FAULT;
	return der_is(&signer->info->message_digest, value, len) ?
	    VERIFY_GOOD : VERIFY_DIGEST;
}

enum verify_reason
rule_digest(struct judgement *j)
{
	return each_signer(j, ask_digest);
}

static enum verify_reason
ask_certificate(struct judgement *j, struct examined *signer)
{
	return cert_find(j->settings, &j->data, signer);
}

enum verify_reason
rule_certificate(struct judgement *j)
{
	return each_signer(j, ask_certificate);
}

/* Leaves a candidate out of those that are still possible. */
static void
drop(struct examined *signer, size_t i)
{
	X509_free(signer->candidates[i].cert);
	signer->candidate_count--;
	memmove(&signer->candidates[i], &signer->candidates[i + 1],
	    (signer->candidate_count - i) * sizeof(signer->candidates[0]));
}

/* RFC 8550 4.2: where the attribute is there it selects (VER-14). */
static enum verify_reason
ask_ess(struct judgement *j, struct examined *signer)
{
	const struct known *known;
	size_t i = 0;

	(void)j;
	while (i < signer->candidate_count) {
		known = &signer->candidates[i];
		if (cert_is_named(signer->info, known->cert, known->hash))
			i++;
		else
			drop(signer, i);
	}
	return signer->candidate_count > 0 ? VERIFY_GOOD : VERIFY_ESS;
}

enum verify_reason
rule_ess(struct judgement *j)
{
	return each_signer(j, ask_ess);
}

/* RFC 6211 2: [1] is an implicit tag over the signature algorithm. */
static enum verify_reason
ask_protection(struct judgement *j, struct examined *signer)
{
	struct der in = signer->info->protection, list, digest, unused, whole;
	unsigned char *copy;
	bool same = false;

	(void)j;
	if (in.p == NULL)
		return VERIFY_GOOD;
	if (!der_take(&in, 0x30, &list, NULL) || in.len != 0 ||
	    !der_take(&list, 0x30, &unused, &digest) ||
	    !der_take(&list, 0xa1, &unused, &whole) || list.len != 0)
		return VERIFY_PROTECTION;
	if ((copy = malloc(whole.len)) == NULL)
		return VERIFY_FAULT;
	memcpy(copy, whole.p, whole.len);
	copy[0] = 0x30;
	whole.p = copy;
	same = algorithm_equal(&digest, &signer->info->digest) &&
	    algorithm_equal(&whole, &signer->info->algorithm);
	free(copy);
	return same ? VERIFY_GOOD : VERIFY_PROTECTION;
}

enum verify_reason
rule_protection(struct judgement *j)
{
	return each_signer(j, ask_protection);
}

/* Only what has kept this rule is ever put into the cache. */
static enum verify_reason
ask_key(struct judgement *j, struct examined *signer)
{
	enum verify_reason reason, first = VERIFY_GOOD;
	const struct known *known;
	size_t i = 0;

	while (i < signer->candidate_count) {
		known = &signer->candidates[i];
		reason = !known->fresh ? VERIFY_GOOD : key_judge(
		    X509_get0_pubkey(known->cert), j->settings->max_rsa_bits);
		if (reason == VERIFY_GOOD) {
			i++;
			continue;
		}
		if (first == VERIFY_GOOD)
			first = reason;
		drop(signer, i);
	}
	return signer->candidate_count > 0 ? VERIFY_GOOD : first;
}

enum verify_reason
rule_key(struct judgement *j)
{
	return each_signer(j, ask_key);
}

static enum verify_reason
ask_signature(struct judgement *j, struct examined *signer)
{
	enum verify_reason reason, last = VERIFY_SIGNATURE;
	size_t i;

	(void)j;
	for (i = 0; i < signer->candidate_count; i++) {
		reason = signature_verify(signer->info, &signer->algorithm,
		    X509_get0_pubkey(signer->candidates[i].cert));
		if (reason == VERIFY_FAULT)
			return reason;
		if (reason == VERIFY_GOOD) {
			signer->known = &signer->candidates[i];
			return VERIFY_GOOD;
		}
		last = reason;
	}
	return last;
}

/* The signer that counts: the one of From, else the first. */
enum verify_reason
rule_signature(struct judgement *j)
{
	enum verify_reason reason = each_signer(j, ask_signature);
	size_t i;

	if (reason != VERIFY_GOOD)
		return reason;
	j->signer = &j->signers[0];
	for (i = 0; j->verdict != NULL && i < j->data.signer_count; i++)
		if (j->verdict->from[0] != '\0' && cert_has_email(
		    j->signers[i].known->cert, j->verdict->from)) {
			j->signer = &j->signers[i];
			j->names_from = true;
			break;
		}
	if (j->verdict != NULL)
		message_describe(j);
	return VERIFY_GOOD;
}

/* What the cache holds as trusted has kept the next two rules; this one when
 * it was met as a signer's. */
enum verify_reason
rule_usage(struct judgement *j)
{
	struct known *known = j->signer->known;
	enum verify_reason reason;

	if (known->trusted && known->signs)
		return VERIFY_GOOD;
	reason = cert_judge_usage(j->settings, known->cert);
	known->signs = reason == VERIFY_GOOD;
	return reason;
}

enum verify_reason
path_reason(const struct trust_result *path)
{
	switch (path->problem) {
	case CERT_OK:
		return VERIFY_GOOD;
	case CERT_EXPIRED:
		return VERIFY_EXPIRED;
	case CERT_NOT_YET_VALID:
		return VERIFY_NOT_YET_VALID;
	case CERT_WEAK_KEY:
	case CERT_WEAK_SIGNATURE:
		return VERIFY_WEAK_CHAIN;
	case CERT_CRITICAL_EXTENSION:
		return VERIFY_EXTENSION;
	case CERT_EXTENDED_KEY_USAGE:
		return VERIFY_USAGE;
	default:
		return path->policy ? VERIFY_CERT_POLICY : VERIFY_UNTRUSTED;
	}
}

enum verify_reason
rule_chain(struct judgement *j)
{
	struct known *known = j->signer->known;
	struct smime_error err = { "" };
	STACK_OF(X509) *extra;
	int rc;

	if (known->trusted)
		return VERIFY_GOOD;
	if (j->settings->trust == NULL)
		return VERIFY_UNTRUSTED;
	if ((extra = cert_extra(j->settings, &j->data)) == NULL)
		return VERIFY_FAULT;
	rc = trust_verify(j->settings->trust, known->cert, extra,
	    j->settings->now, &j->path, &err);
	sk_X509_pop_free(extra, X509_free);
	snprintf(j->detail, sizeof(j->detail), "%.199s", err.text);
	return rc != 0 ? VERIFY_FAULT : path_reason(&j->path);
}

/* RFC 8550 6: what was good for something may push others out. */
static void
remember(struct judgement *j)
{
	const struct known *known = j->signer->known;
	bool good = j->path.revocation == REVOCATION_GOOD;

	if (j->settings->cache != NULL && !known->trusted)
		verify_cache_put(j->settings->cache, known,
		    j->settings->generation, good ? &j->path : NULL);
}

/* CRT-04: without a current list nothing is good, or it is said. */
enum verify_reason
revocation_reason(enum revocation found, bool soft)
{
	switch (found) {
	case REVOCATION_GOOD:
		return VERIFY_GOOD;
	case REVOCATION_REVOKED:
		return VERIFY_REVOKED;
	case REVOCATION_STALE:
		return soft ? VERIFY_GOOD : VERIFY_CRL_STALE;
	default:
		return soft ? VERIFY_GOOD : VERIFY_CRL_MISSING;
	}
}

enum verify_reason
rule_revocation(struct judgement *j)
{
	enum revocation found = j->signer->known->trusted ? REVOCATION_GOOD :
	    j->path.revocation;
	enum verify_reason reason;

	if (j->verdict != NULL)
		j->verdict->revocation = found;
	if (found != REVOCATION_REVOKED)
		remember(j);
	reason = revocation_reason(found, j->settings->crl_soft_fail);
	if (reason != VERIFY_GOOD)
		return reason;
	if (j->verdict != NULL) {
		j->verdict->crl_soft_fail = found != REVOCATION_GOOD;
		j->verdict->validated = true;
	}
	return VERIFY_GOOD;
}
