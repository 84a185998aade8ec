/*
 * ours.c - the verdict on what Sampul has signed itself a moment ago.
 *
 * Such a signature was checked when it was made (SIG-61), so nothing of it is
 * computed again. What remains is what its certificate says and whether its
 * path holds, without which "pass" would be said of less than a reader's own
 * check asks for. Both are remembered by address and serial number, for as
 * long as the same things are trusted and the answer holds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "incoming.h"

#define SLOTS	128

struct known {
	char			 address[ADDRESS_MAX + 1];
	char			 serial[SERIAL_TEXT_MAX + 1];
	uint64_t		 generation;
	time_t			 until;
	struct verdict		 verdict;
};

struct ours {
	pthread_mutex_t	 lock;
	struct known	*slots[SLOTS];
};

struct ours *
ours_new(void)
{
	struct ours *ours = calloc(1, sizeof(*ours));

	if (ours != NULL)
		pthread_mutex_init(&ours->lock, NULL);
	return ours;
}

void
ours_free(struct ours *ours)
{
	size_t i;

	if (ours == NULL)
		return;
	for (i = 0; i < SLOTS; i++)
		free(ours->slots[i]);
	pthread_mutex_destroy(&ours->lock);
	free(ours);
}

/* FNV-1a */
static size_t
slot_of(const char *address)
{
	uint32_t hash = 2166136261U;

	for (; *address != '\0'; address++)
		hash = (hash ^ (unsigned char)*address) * 16777619U;
	return hash % SLOTS;
}

/* -------------------------------------------------------- certificates --- */

static STACK_OF(X509) *
certs_of(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;
	STACK_OF(X509) *certs;
	CMS_ContentInfo *cms;

	ERR_clear_error();
	if ((cms = d2i_CMS_ContentInfo(NULL, &p, (long)len)) == NULL)
		return NULL;
	certs = CMS_get1_certs(cms);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return certs;
}

static X509 *
cert_of_serial(STACK_OF(X509) *certs, const char *serial)
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

/* One attribute of a name, UTF-8; "" without it or with a NUL inside. */
static void
name_part(const X509_NAME *name, int nid, char *out, size_t size)
{
	unsigned char *utf8 = NULL;
	int at, len;

	out[0] = '\0';
	if ((at = X509_NAME_get_index_by_NID(name, nid, -1)) < 0)
		return;
	len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(
	    X509_NAME_get_entry(name, at)));
	if (len > 0 && memchr(utf8, '\0', (size_t)len) == NULL)
		snprintf(out, size, "%.*s", len, (char *)utf8);
	if (len >= 0)
		OPENSSL_free(utf8);
	ERR_clear_error();
}

static void
describe(X509 *cert, struct verdict *out)
{
	const X509_NAME *issuer = X509_get_issuer_name(cert);

	out->has_signer = true;
	cert_issuer(cert, out->issuer, sizeof(out->issuer));
	name_part(issuer, NID_commonName, out->issuer_name,
	    sizeof(out->issuer_name));
	if (out->issuer_name[0] == '\0')
		name_part(issuer, NID_organizationName, out->issuer_name,
		    sizeof(out->issuer_name));
	name_part(X509_get_subject_name(cert), NID_commonName,
	    out->common_name, sizeof(out->common_name));
	name_part(X509_get_subject_name(cert), NID_organizationName,
	    out->organisation, sizeof(out->organisation));
	(void)cert_fingerprint(cert, out->fingerprint);
	out->not_after = cert_not_after(cert);
}

/* ------------------------------------------------------------- verdict --- */

static enum verify_reason
path_reason(const struct trust_result *path)
{
	switch (path->problem) {
	case CERT_OK:
		break;
	case CERT_EXPIRED:
		return VERIFY_EXPIRED;
	case CERT_NOT_YET_VALID:
		return VERIFY_NOT_YET_VALID;
	case CERT_WEAK_SIGNATURE:
	case CERT_WEAK_KEY:
		return VERIFY_WEAK_CHAIN;
	case CERT_CRITICAL_EXTENSION:
		return VERIFY_EXTENSION;
	case CERT_EXTENDED_KEY_USAGE:
		return VERIFY_USAGE;
	default:
		return path->policy ? VERIFY_CERT_POLICY : VERIFY_UNTRUSTED;
	}
	switch (path->revocation) {
	case REVOCATION_GOOD:
		return VERIFY_GOOD;
	case REVOCATION_REVOKED:
		return VERIFY_REVOKED;
	case REVOCATION_STALE:
		return VERIFY_CRL_STALE;
	default:
		return VERIFY_CRL_MISSING;
	}
}

static void
judge(const struct conf *conf, const struct trust_result *path,
    struct verdict *out)
{
	out->reason = path_reason(path);
	out->revocation = path->revocation;
	if ((out->reason == VERIFY_CRL_STALE ||
	    out->reason == VERIFY_CRL_MISSING) &&
	    conf->crl == CRL_SOFT_FAIL) {
		out->reason = VERIFY_GOOD;
		out->crl_soft_fail = true;
	}
	out->word = verify_reason_verdict(out->reason);
	out->validated = out->reason == VERIFY_GOOD;
}

/* Everything about one certificate but for the form of the message. */
static int
find_out(const struct conf *conf, const struct trust_state *state,
    const unsigned char *der, size_t len, time_t now, struct known *out)
{
	struct smime_error err = { "" };
	struct trust_result path;
	STACK_OF(X509) *certs = certs_of(der, len);
	X509 *cert = certs != NULL ? cert_of_serial(certs, out->serial) : NULL;
	int rc = -1;

	if (cert != NULL && trust_verify(state->trust, cert, certs, now,
	    &path, &err) == 0) {
		describe(cert, &out->verdict);
		judge(conf, &path, &out->verdict);
		out->until = out->verdict.validated ? path.until : now;
		snprintf(out->verdict.detail, sizeof(out->verdict.detail),
		    "%s", err.text);
		rc = 0;
	}
	sk_X509_pop_free(certs, X509_free);
	return rc;
}

static bool
recall(struct ours *ours, uint64_t generation, time_t now, struct known *out)
{
	const struct known *known;
	bool found;

	pthread_mutex_lock(&ours->lock);
	known = ours->slots[slot_of(out->address)];
	found = known != NULL && known->generation == generation &&
	    now < known->until && strcmp(known->address, out->address) == 0 &&
	    strcmp(known->serial, out->serial) == 0;
	if (found)
		*out = *known;
	pthread_mutex_unlock(&ours->lock);
	return found;
}

static void
remember(struct ours *ours, const struct known *known)
{
	struct known **slot = &ours->slots[slot_of(known->address)];

	pthread_mutex_lock(&ours->lock);
	if (*slot == NULL)
		*slot = malloc(sizeof(**slot));
	if (*slot != NULL)
		**slot = *known;
	pthread_mutex_unlock(&ours->lock);
}

void
ours_verdict(struct ours *ours, const struct conf *conf,
    const struct trust_state *state, const struct outcome *outcome,
    const char *address, time_t now, struct verdict *out)
{
	struct known known;

	memset(&known, 0, sizeof(known));
	snprintf(known.address, sizeof(known.address), "%s", address);
	snprintf(known.serial, sizeof(known.serial), "%s", outcome->serial);
	known.generation = state != NULL ? state->generation : 0;
	if (state == NULL || (!recall(ours, state->generation, now, &known) &&
	    find_out(conf, state, outcome->der, outcome->der_len, now,
	    &known) == -1))
		known.verdict.word = verify_reason_verdict(
		    known.verdict.reason = VERIFY_FAULT);
	else
		remember(ours, &known);
	*out = known.verdict;
	snprintf(out->part, sizeof(out->part), "%s",
	    outcome->form == FORM_OPAQUE ? "1" : "2");
	snprintf(out->from, sizeof(out->from), "%s", address);
	snprintf(out->serial, sizeof(out->serial), "%.*s",
	    (int)sizeof(out->serial) - 1, outcome->serial);
	if (!outcome->pinned)
		snprintf(out->identifier, sizeof(out->identifier), "%s",
		    address);
	out->matches = true;
	out->pinned = outcome->pinned;
	out->signing_time = now;
	out->layer_count = 1;
	snprintf(out->layers[0].part, sizeof(out->layers[0].part), "%s",
	    out->part);
	out->layers[0].word = out->word;
	out->layers[0].reason = out->reason;
}
