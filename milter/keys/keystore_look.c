/*
 * keystore_look.c - who signs for an address, and how that is remembered.
 *
 * A remembered answer carries the state of every file it was made from. Each
 * use compares them with the disk (a handful of fstatat(2), some microseconds
 * beside a signature's hundreds), so that a change takes effect with the next
 * message and no notification can be lost. Time stamps are coarse: a file that
 * had only just changed when it was read may change again without a trace, so
 * such an answer is read once more a little later.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../incoming.h"
#include "../log.h"
#include "entry.h"
#include "keydir.h"
#include "keyfile.h"
#include "keystore.h"
#include "unlock.h"

#define STAMP_GRAIN	1	/* second; file systems with owners have less */
#define FAULT_SECONDS	60	/* until what was at fault is looked at again */
/* A parsed RSA key with its blinding and Montgomery contexts, and the signer's
 * encoded parts; with an EC key a mailbox was measured to take 11.0 KB in all.
 * A parsed certificate takes about three times its DER. */
#define COST_SIGNER	12288
#define COST_SIGNER_EC	8704
#define COST_DER_FACTOR	3

static size_t
signer_cost(const struct entry *entry)
{
	size_t der = 0;
	int i, n;

	n = i2d_X509(entry->seen.cert, NULL);
	der += n > 0 ? (size_t)n : 0;
	for (i = 0; i < sk_X509_num(entry->chain); i++) {
		n = i2d_X509(sk_X509_value(entry->chain, i), NULL);
		der += n > 0 ? (size_t)n : 0;
	}
	return (EVP_PKEY_is_a(X509_get0_pubkey(entry->seen.cert), "EC") ?
	    COST_SIGNER_EC : COST_SIGNER) + COST_DER_FACTOR * der;
}

/*
 * Entries that were left out, each with its reason. A certificate whose time is
 * over or to come beside one that signs is how a rollover looks: no warning.
 */
static void
log_left_out(const struct mailbox *mailbox, bool signs)
{
	const struct keystore_entry *seen;
	size_t i;

	for (i = 0; i < mailbox->count; i++) {
		seen = &mailbox->entries[i].seen;
		if (seen->state == ENTRY_USABLE ||
		    seen->state == ENTRY_SUSPENDED ||
		    seen->state == ENTRY_DESTROYED ||
		    seen->state == ENTRY_LOCKED ||
		    keystore_entry_is_encryption(seen))
			continue;
		if (seen->state == ENTRY_UNREADABLE)
			log_warning("certificate left out: %s/%s: %s",
			    seen->address, seen->folder, seen->text);
		else if (signs && (seen->findings.problem[0] == CERT_EXPIRED ||
		    seen->findings.problem[0] == CERT_NOT_YET_VALID))
			log_debug("certificate left out: %s/%s: %s",
			    seen->address, seen->folder,
			    cert_problem_word(seen->findings.problem[0]));
		else
			log_warning("certificate left out: %s/%s: %s: %s %s",
			    seen->address, seen->folder,
			    cert_problem_word(seen->findings.problem[0]),
			    cert_problem_text(seen->findings.problem[0],
			    false), seen->text);
	}
}

/* A usable entry whose signer cannot be made is a fault of ours. */
static void
choose(const struct key_context *context, struct mailbox *mailbox,
    struct keystore_identity *out)
{
	struct entry *entry;

	entry = mailbox_choose(context, mailbox);
	log_left_out(mailbox, entry != NULL);
	if (entry == NULL) {
		mailbox_reason(mailbox, &out->lack, &out->reason);
		return;
	}
	out->signer = signer_new(entry->seen.cert, entry->key, entry->chain,
	    mailbox_encryption(mailbox), context->scheme,
	    context->capabilities, &out->reason);
	if (out->signer == NULL)
		return;
	out->pinned = entry->seen.pinned && entry->seen.findings.count > 0;
	out->cost += signer_cost(entry);
	if (out->pinned)
		log_warning("%s/%s signs although %s: an override file pins "
		    "it", entry->seen.address, entry->seen.folder,
		    cert_problem_word(entry->seen.findings.problem[0]));
}

/* A fault may pass without a change on disk: memory was short, say. */
static void
find_again(struct keystore_identity *identity, time_t now)
{
	if (identity->until > now + FAULT_SECONDS)
		identity->until = now + FAULT_SECONDS;
	if (identity->from < now)
		identity->from = now;
}

static struct keystore_identity *
load(struct keystore *store, const struct trust_state *state,
    const char *address, time_t now, enum keystore_lack *lack,
    struct smime_error *err)
{
	const uint64_t changes = vault_changes(store->context.vault);
	struct key_context context = store->context;
	struct keystore_identity *out;
	struct mailbox mailbox;
	bool missing;

	context.trust = state->trust;
	if (mailbox_read(&context, address, now, &mailbox, &missing,
	    err) != 0) {
		*lack = missing ? LACK_IDENTITY : LACK_FAULT;
		return NULL;
	}
	out = calloc(1, sizeof(*out));
	if (out == NULL) {
		mailbox_clear(&mailbox);
		smime_error_setx(err, "out of memory for %s", address);
		return NULL;
	}
	snprintf(out->address, sizeof(out->address), "%s", address);
	out->references = 1;
	out->generation = state->generation;
	out->owned = mailbox.owned;
	out->changes = changes;
	choose(&context, &mailbox, out);
	out->from = mailbox.from;
	out->until = mailbox.until;
	if (mailbox_has_fault(&mailbox) || (out->signer == NULL &&
	    out->lack == LACK_FAULT))
		find_again(out, now);
	out->watches = mailbox.watches;
	memset(&mailbox.watches, 0, sizeof(mailbox.watches));
	if (out->watches.newest >= time(NULL) - STAMP_GRAIN)
		out->settled = out->watches.newest + STAMP_GRAIN + 1;
	out->cost += sizeof(*out) + out->watches.bytes;
	mailbox_clear(&mailbox);
	return out;
}

static bool
is_fresh(const struct keystore *store,
    const struct keystore_identity *identity, time_t now)
{
	return now >= identity->from && now < identity->until &&
	    (identity->settled == 0 || time(NULL) < identity->settled) &&
	    !identity->watches.incomplete && (!identity->owned ||
	    identity->changes == vault_changes(store->context.vault)) &&
	    watches_hold(&identity->watches, store->context.dirfd);
}

/*
 * The folder of an address that is gone must not leave its key behind. Neither
 * must one that was locked while it was read: whoever locks changes the count
 * first and then forgets what is remembered.
 */
static struct keystore_identity *
find(struct keystore *store, const struct trust_state *state,
    const char *address, time_t now, enum keystore_lack *lack,
    struct smime_error *err)
{
	struct keystore_identity *identity;

	identity = keycache_get(store->cache, address);
	if (identity != NULL) {
		if (identity->generation == state->generation &&
		    is_fresh(store, identity, now))
			return identity;
		keycache_drop(store->cache, identity);
		keycache_release(store->cache, identity);
	}
	identity = load(store, state, address, now, lack, err);
	if (identity == NULL)
		return NULL;
	keycache_put(store->cache, identity);
	if (identity->owned &&
	    identity->changes != vault_changes(store->context.vault))
		keycache_drop(store->cache, identity);
	return identity;
}

const struct keystore_identity *
keystore_look(struct keystore *store, const char *address, time_t now,
    enum keystore_lack *lack, struct smime_error *err)
{
	struct keystore_identity *identity;
	struct trust_state *state;

	*lack = LACK_FAULT;
	if (!address_is_safe_name(address)) {
		*lack = LACK_IDENTITY;
		smime_error_setx(err, "the address cannot name a folder of "
		    "the keystore");
		return NULL;
	}
	if (keystore_follow(store, err) == -1)
		return NULL;
	state = truststore_get(store->trusted, &store->trusts);
	identity = find(store, state, address, now, lack, err);
	trust_state_unref(state);
	if (identity == NULL || identity->signer != NULL)
		return identity;
	*lack = identity->lack;
	smime_error_setx(err, "%s", identity->reason.text);
	keycache_release(store->cache, identity);
	return NULL;
}

const struct keystore_identity *
keystore_find(struct keystore *store, const char *address, time_t now,
    bool *missing, struct smime_error *err)
{
	const struct keystore_identity *identity;
	enum keystore_lack lack;

	identity = keystore_look(store, address, now, &lack, err);
	*missing = identity == NULL && lack == LACK_IDENTITY;
	return identity;
}

/* What callers hold as constant is counted by the cache. */
void
keystore_release(struct keystore *store,
    const struct keystore_identity *identity)
{
	if (identity != NULL)
		keycache_release(store->cache,
		    (struct keystore_identity *)(uintptr_t)identity);
}

const struct signer *
keystore_identity_signer(const struct keystore_identity *identity)
{
	return identity->signer;
}

bool
keystore_identity_pinned(const struct keystore_identity *identity)
{
	return identity->pinned;
}

void
keystore_forget(struct keystore *store, const char *address)
{
	struct keystore_identity *identity;

	identity = keycache_get(store->cache, address);
	if (identity == NULL)
		return;
	keycache_drop(store->cache, identity);
	keycache_release(store->cache, identity);
}
