/*
 * recipients.c - whose certificate mail is encrypted to.
 *
 * Sources are asked in the configured order. Each may have several for an
 * address; each of those is judged by the library (chain, revocation, usage,
 * key, address), and the newest good one is taken. A source whose word is the
 * administrator's decides alone where it has anything: what he pinned is not
 * replaced by what came in by mail, not even when it has expired (ENC-24).
 *
 * Answers are remembered for some seconds, so that a letter to five hundred
 * people twice a minute does not read five hundred folders each time, and a
 * change on disk still takes effect by itself. The table has a fixed size; an
 * address takes the place of another in its slot.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../smime/smime.h"
#include "conf.h"
#include "encryption.h"
#include "policy.h"

#define SLOTS		2048
#define KEEP_SECONDS	5

/* ---------------------------------------------------------- candidates --- */

int
candidates_add(struct candidates *candidates, X509 *cert,
    unsigned capabilities)
{
	if (candidates->count == CANDIDATES_MAX || X509_up_ref(cert) != 1)
		return -1;
	candidates->items[candidates->count].cert = cert;
	candidates->items[candidates->count].capabilities = capabilities;
	candidates->count++;
	return 0;
}

void
candidates_clear(struct candidates *candidates)
{
	size_t i;

	for (i = 0; i < candidates->count; i++)
		X509_free(candidates->items[i].cert);
	sk_X509_pop_free(candidates->extra, X509_free);
	memset(candidates, 0, sizeof(*candidates));
}

void
found_recipient_clear(struct found_recipient *found)
{
	X509_free(found->cert);
	memset(found, 0, sizeof(*found));
}

/* -------------------------------------------------------------- memory --- */

struct slot {
	char			 address[ADDRESS_MAX + 1];	/* "" empty */
	struct found_recipient	 found;
	uint64_t		 trust;		/* generation */
	unsigned		 conf;		/* likewise */
	time_t			 at;		/* judged, by the time of day */
	time_t			 until;		/* by a steady clock */
};

struct recipients {
	struct recipient_source	 sources[RECIPIENT_SOURCES_MAX];
	size_t			 source_count;
	pthread_mutex_t		 lock;
	struct slot		*slots[SLOTS];	/* NULL until used */
};

static time_t
steady(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* FNV-1a; a collision only costs a second look. */
static size_t
slot_of(const char *address)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *address != '\0'; address++) {
		hash ^= (unsigned char)*address;
		hash *= 1099511628211ULL;
	}
	return (size_t)(hash % SLOTS);
}

static int
copy_found(const struct found_recipient *from, struct found_recipient *out)
{
	if (from->cert != NULL && X509_up_ref(from->cert) != 1)
		return -1;
	*out = *from;
	return 0;
}

/*
 * Both clocks: a time of day that was put back or forward leaves nothing of
 * what was judged by it, and the steady one does not wait for it.
 */
static bool
is_recent(const struct slot *slot, time_t now)
{
	return steady() < slot->until && now >= slot->at &&
	    now < slot->at + KEEP_SECONDS;
}

static bool
recall(struct recipients *recipients, const struct conf *conf,
    const struct recipient_settings *settings, const char *address,
    struct found_recipient *out)
{
	const struct slot *slot;
	bool known;

	pthread_mutex_lock(&recipients->lock);
	slot = recipients->slots[slot_of(address)];
	known = slot != NULL && strcmp(slot->address, address) == 0 &&
	    slot->trust == settings->generation &&
	    slot->conf == conf->generation &&
	    is_recent(slot, settings->now) &&
	    copy_found(&slot->found, out) == 0;
	pthread_mutex_unlock(&recipients->lock);
	return known;
}

/* Without memory nothing is remembered, and that is all. */
static void
remember(struct recipients *recipients, const struct conf *conf,
    const struct recipient_settings *settings, const char *address,
    const struct found_recipient *found)
{
	struct slot **place = &recipients->slots[slot_of(address)];
	struct found_recipient copy;

	if (copy_found(found, &copy) == -1)
		return;
	pthread_mutex_lock(&recipients->lock);
	if (*place == NULL)
		*place = calloc(1, sizeof(**place));
	if (*place == NULL) {
		found_recipient_clear(&copy);
	} else {
		found_recipient_clear(&(*place)->found);
		(*place)->found = copy;
		snprintf((*place)->address, sizeof((*place)->address), "%s",
		    address);
		(*place)->trust = settings->generation;
		(*place)->conf = conf->generation;
		(*place)->at = settings->now;
		(*place)->until = steady() + KEEP_SECONDS;
	}
	pthread_mutex_unlock(&recipients->lock);
}

struct recipients *
recipients_new(const struct recipient_source *sources, size_t count)
{
	struct recipients *recipients;

	if (count > RECIPIENT_SOURCES_MAX ||
	    (recipients = calloc(1, sizeof(*recipients))) == NULL)
		return NULL;
	memcpy(recipients->sources, sources, count * sizeof(*sources));
	recipients->source_count = count;
	pthread_mutex_init(&recipients->lock, NULL);
	return recipients;
}

void
recipients_free(struct recipients *recipients)
{
	size_t i;

	if (recipients == NULL)
		return;
	for (i = 0; i < SLOTS; i++) {
		if (recipients->slots[i] == NULL)
			continue;
		found_recipient_clear(&recipients->slots[i]->found);
		free(recipients->slots[i]);
	}
	pthread_mutex_destroy(&recipients->lock);
	free(recipients);
}

/* -------------------------------------------------------------- asking --- */

static void
take(const struct candidate *candidate, struct found_recipient *out)
{
	if (X509_up_ref(candidate->cert) != 1)
		return;
	X509_free(out->cert);
	out->cert = candidate->cert;
	out->capabilities = candidate->capabilities |
	    cert_capabilities(candidate->cert);
	out->problem = CERT_OK;
	out->detail[0] = '\0';
}

/* The newest good one; else what is wrong with the newest of the others. */
static int
judge(const struct candidates *candidates,
    const struct recipient_settings *settings, const char *address,
    struct found_recipient *out, struct smime_error *err)
{
	const struct candidate *candidate;
	struct recipient_findings findings;
	time_t newest = 0, bad = 0, begins;
	size_t i;

	for (i = 0; i < candidates->count; i++) {
		candidate = &candidates->items[i];
		if (recipient_check(settings, candidate->cert,
		    candidates->extra, address, &findings, err) == -1)
			return -1;
		begins = cert_not_before(candidate->cert);
		if (findings.findings.count == 0) {
			if (out->cert == NULL || begins > newest) {
				take(candidate, out);
				newest = begins;
			}
		} else if (out->cert == NULL && (i == 0 || begins > bad)) {
			out->problem = findings.findings.problem[0];
			memcpy(out->detail, findings.detail,
			    sizeof(out->detail));
			bad = begins;
		}
	}
	return 0;
}

/* What one source says. *decided: nobody else is to be asked. */
static int
ask(const struct recipient_source *source, const struct conf *conf,
    const struct recipient_settings *settings, const char *address,
    struct found_recipient *out, bool *decided, struct smime_error *err)
{
	struct candidates candidates;
	struct found_recipient found;
	int rc;

	memset(&candidates, 0, sizeof(candidates));
	memset(&found, 0, sizeof(found));
	rc = source->find(source->arg, conf, address, &candidates, err);
	if (rc == 0)
		rc = judge(&candidates, settings, address, &found, err);
	*decided = found.cert != NULL ||
	    (candidates.count > 0 && source->decides);
	/* The first source that has something tells why it will not do. */
	if (rc == 0 && candidates.count > 0 &&
	    (*decided || out->source == NULL)) {
		found_recipient_clear(out);
		*out = found;
		out->source = source->name;
		found.cert = NULL;
	}
	found_recipient_clear(&found);
	candidates_clear(&candidates);
	return rc;
}

static const struct recipient_source *
source_named(const struct recipients *recipients, const char *name)
{
	size_t i;

	for (i = 0; i < recipients->source_count; i++)
		if (strcmp(recipients->sources[i].name, name) == 0)
			return &recipients->sources[i];
	return NULL;
}

static int
ask_all(const struct recipients *recipients, const struct conf *conf,
    const struct recipient_settings *settings, const char *address,
    struct found_recipient *out, struct smime_error *err)
{
	const struct recipient_source *source;
	bool decided = false;
	size_t i;

	for (i = 0; i < conf->encryption_sources.count && !decided; i++) {
		source = source_named(recipients,
		    conf->encryption_sources.items[i]);
		if (source != NULL && ask(source, conf, settings, address, out,
		    &decided, err) == -1)
			return -1;
	}
	return 0;
}

int
recipients_find(struct recipients *recipients, const struct conf *conf,
    const struct recipient_settings *settings, const char *address,
    struct found_recipient *out, struct smime_error *err)
{
	memset(out, 0, sizeof(*out));
	if (!address_is_safe_name(address) ||
	    recall(recipients, conf, settings, address, out))
		return 0;
	if (ask_all(recipients, conf, settings, address, out, err) == -1) {
		found_recipient_clear(out);
		return -1;
	}
	if (string_list_matches(&conf->gcm_to, address))
		out->capabilities |= SMIME_CAP_AES256_GCM |
		    SMIME_CAP_AES128_GCM;
	if (string_list_matches(&conf->oaep_to, address))
		out->capabilities |= SMIME_CAP_RSA_OAEP;
	remember(recipients, conf, settings, address, out);
	return 0;
}
