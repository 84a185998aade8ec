/*
 * keystore.c - the directory of keys: finds who signs, keeps it, notices
 * changes.
 *
 * The cost of a look-up does not depend on how many mailboxes there are: one
 * address leads to one folder, and nothing ever walks the whole directory but
 * keystore_each, for sampulctl.
 *
 * A remembered answer carries the state of every file it was made from. Each
 * use compares them with the disk (a handful of fstatat(2), some microseconds
 * beside a signature's hundreds), so that a change takes effect with the next
 * message and no notification can be lost. Time stamps are coarse: a file that
 * had only just changed when it was read may change again without a trace, so
 * such an answer is read once more a little later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../incoming.h"
#include "keys.h"

#define STAMP_GRAIN	1	/* second; file systems with owners have less */
#define FAULT_SECONDS	60	/* until what was at fault is looked at again */
/* A parsed RSA key with its blinding and Montgomery contexts, and the signer's
 * encoded parts; with an EC key a mailbox was measured to take 11.0 KB in all.
 * A parsed certificate takes about three times its DER. */
#define COST_SIGNER	12288
#define COST_SIGNER_EC	8704
#define COST_DER_FACTOR	3

struct keystore {
	struct key_context	 context;	/* but for its trust */
	struct truststore	*trusted;
	struct conf		 trusts;	/* for it: copied, nothing more */
	struct keycache		*cache;
	char			*dir;
	atomic_llong		 looked;	/* at dir, in seconds */
	atomic_bool		 moved;		/* it is out of reach */
};

static int
open_directory(const char *dir, const struct owners *owners,
    struct smime_error *err)
{
	struct stat st;
	char *real;
	int fd;

	real = realpath(dir, NULL);
	if (real == NULL)
		return smime_error_set(err, "cannot open the keystore %s",
		    dir);
	fd = keyfile_folder(AT_FDCWD, real, dir, owners, &st, err);
	free(real);
	return fd;
}

static int
keep_passphrase(const char *passphrase, size_t len, char **out,
    size_t *out_len, struct smime_error *err)
{
	if (passphrase == NULL)
		return 0;
	*out = OPENSSL_malloc(len + 1);
	if (*out == NULL)
		return smime_error_setx(err, "out of memory");
	memcpy(*out, passphrase, len);
	(*out)[len] = '\0';
	*out_len = len;
	return 0;
}

static int
copy_setting(char **out, const char *text)
{
	*out = strdup(text != NULL ? text : "");
	return *out == NULL ? -1 : 0;
}

/*
 * What is trusted, revocation lists among it, is followed on disk; the
 * configuration may be gone by then, so what leads there is copied.
 */
static int
open_trust(struct keystore *store, const struct conf *conf,
    struct smime_error *err)
{
	struct conf *copy = &store->trusts;
	struct trust_state *state;

	if (copy_setting(&copy->anchors_dir, conf->anchors_dir) == -1 ||
	    copy_setting(&copy->intermediates_dir,
	    conf->intermediates_dir) == -1 ||
	    copy_setting(&copy->crl_dir, conf->crl_dir) == -1 ||
	    copy_setting(&copy->key_user, conf->key_user) == -1)
		return smime_error_setx(err, "out of memory");
	if ((state = trust_state_read(copy, err)) == NULL)
		return -1;
	store->trusted = truststore_new(state);
	if (store->trusted == NULL)
		return smime_error_setx(err, "out of memory");
	return 0;
}

struct keystore *
keystore_open(const struct conf *conf, const char *passphrase,
    size_t passphrase_len, struct smime_error *err)
{
	struct keystore *store;
	struct key_context *context;

	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	context = &store->context;
	context->insecure_unencrypted_keys = conf->insecure_unencrypted_keys;
	context->scheme = conf->pss ? SCHEME_PSS : SCHEME_DEFAULT;
	context->capabilities = conf->capabilities;
	context->has_tokens = conf->token_module != NULL &&
	    conf->token_module[0] != '\0';
	owners_init(&context->owners, conf->key_user);
	context->dirfd = open_directory(conf->keystore_dir, &context->owners,
	    err);
	if (context->dirfd == -1 ||
	    keep_passphrase(passphrase, passphrase_len, &context->passphrase,
	    &context->passphrase_len, err) != 0)
		goto bad;
	if (open_trust(store, conf, err) != 0)
		goto bad;
	store->cache = keycache_new(conf->cache_size);
	store->dir = strdup(conf->keystore_dir);
	if (store->cache == NULL || store->dir == NULL) {
		smime_error_setx(err, "out of memory");
		goto bad;
	}
	return store;
bad:
	keystore_close(store);
	return NULL;
}

int
keystore_also(struct keystore *store, const char *passphrase, size_t len,
    struct smime_error *err)
{
	return keep_passphrase(passphrase, len, &store->context.next,
	    &store->context.next_len, err);
}

void
keystore_use_tokens(struct keystore *store, struct token_client *tokens)
{
	store->context.tokens = tokens;
}

void
keystore_use_vault(struct keystore *store, struct vault *vault)
{
	store->context.vault = vault;
}

struct keystore *
keystore_open_conf(const struct conf *conf, struct smime_error *err)
{
	char *passphrase = NULL, *next = NULL;
	struct keystore *store = NULL;
	size_t len = 0, next_len = 0;

	if (keystore_passphrase(conf, &passphrase, &len, err) == 0 &&
	    keystore_next_passphrase(conf, &next, &next_len, err) == 0)
		store = keystore_open(conf, passphrase, len, err);
	if (store != NULL && keystore_also(store, next, next_len, err) != 0) {
		keystore_close(store);
		store = NULL;
	}
	OPENSSL_clear_free(passphrase, len);
	OPENSSL_clear_free(next, next_len);
	return store;
}

void
keystore_close(struct keystore *store)
{
	if (store == NULL)
		return;
	keycache_free(store->cache);
	truststore_free(store->trusted);
	free(store->trusts.anchors_dir);
	free(store->trusts.intermediates_dir);
	free(store->trusts.crl_dir);
	free(store->trusts.key_user);
	OPENSSL_clear_free(store->context.passphrase,
	    store->context.passphrase_len);
	OPENSSL_clear_free(store->context.next, store->context.next_len);
	if (store->context.dirfd != -1)
		close(store->context.dirfd);
	free(store->dir);
	free(store);
}

/*
 * A whole keystore may be put in the place of another by rename(2). Looked at
 * once a second; dup3 exchanges the directory under the feet of other threads
 * without a gap, and what they read meanwhile no longer matches its stamps.
 *
 * The cage of the key process is bound to the directory that was there at the
 * start. Nothing is signed from that one any more: it may hold what the
 * administrator has taken out.
 */
static void
follow_directory(struct keystore *store)
{
	struct stat named, open_one;
	struct timespec ts;
	long long last;
	int fd, rc;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	last = atomic_load_explicit(&store->looked, memory_order_relaxed);
	if (last == (long long)ts.tv_sec ||
	    !atomic_compare_exchange_strong(&store->looked, &last,
	    (long long)ts.tv_sec))
		return;
	if (stat(store->dir, &named) == -1 ||
	    fstat(store->context.dirfd, &open_one) == -1)
		return;
	if (named.st_dev == open_one.st_dev &&
	    named.st_ino == open_one.st_ino) {
		atomic_store(&store->moved, false);
		return;
	}
	fd = open_directory(store->dir, &store->context.owners, NULL);
	rc = fd == -1 ? -1 : dup3(fd, store->context.dirfd, O_CLOEXEC);
	if (fd != -1)
		close(fd);
	if (rc != -1)
		log_info("the keystore %s is another directory now",
		    store->dir);
	else if (!atomic_exchange(&store->moved, true))
		log_error("the keystore %s is another directory now, which "
		    "cannot be reached; restart sampul-milter", store->dir);
}

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
	follow_directory(store);
	if (atomic_load(&store->moved)) {
		smime_error_setx(err, "the keystore %s was replaced as a "
		    "whole; this takes a restart", store->dir);
		return NULL;
	}
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

/*
 * What may be opened: what signs now, and what is only too early; that one is
 * ready then.
 */
static bool
may_be_unlocked(const struct entry *entry)
{
	return entry->seen.owned && entry->seen.cert != NULL &&
	    (entry->seen.state == ENTRY_USABLE ||
	    (entry->seen.state == ENTRY_UNFIT &&
	    entry->seen.findings.count == 1 &&
	    entry->seen.findings.problem[0] == CERT_NOT_YET_VALID));
}

static int
unlock_entry(const struct key_context *context, const struct mailbox *mailbox,
    const struct entry *entry, const char *passphrase, size_t len,
    int64_t until, unsigned *opened, struct smime_error *err)
{
	EVP_PKEY *key;
	int rc;

	rc = entry_unlock(context, mailbox->fd, entry, passphrase, len, &key,
	    err);
	if (rc != 1)
		return rc;
	if (vault_put(context->vault, entry->seen.address, key, until,
	    err) != 0) {
		EVP_PKEY_free(key);
		return -1;
	}
	++*opened;
	return 0;
}

static int
unlock_mailbox(const struct key_context *context,
    const struct mailbox *mailbox, const char *passphrase, size_t len,
    int64_t until, unsigned *owned, unsigned *opened,
    struct smime_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < mailbox->count && *owned < KEYSTORE_UNLOCK_MAX; i++) {
		if (!may_be_unlocked(&mailbox->entries[i]))
			continue;
		++*owned;
		if (unlock_entry(context, mailbox, &mailbox->entries[i],
		    passphrase, len, until, opened, err) != 0)
			rc = -1;
	}
	if (*owned == 0)
		smime_error_setx(err, "%s", mailbox->suspended ? "the mailbox "
		    "is suspended" : "the address has no usable key with its "
		    "owner's passphrase");
	return rc;
}

int
keystore_unlock(struct keystore *store, const char *address, time_t now,
    const char *passphrase, size_t len, int64_t until, unsigned *owned,
    unsigned *opened, struct smime_error *err)
{
	struct key_context context = store->context;
	struct trust_state *state;
	struct mailbox mailbox;
	bool missing;
	int rc;

	*owned = *opened = 0;
	follow_directory(store);
	state = truststore_get(store->trusted, &store->trusts);
	context.trust = state->trust;
	rc = mailbox_read(&context, address, now, &mailbox, &missing, err);
	if (rc == 0) {
		rc = unlock_mailbox(&context, &mailbox, passphrase, len,
		    until, owned, opened, err);
		mailbox_clear(&mailbox);
	} else if (missing) {
		rc = 0;
	}
	trust_state_unref(state);
	return rc;
}

/* ---------------------------------------- for list, show and check --- */

struct visit {
	struct keystore		*store;
	struct key_context	 context;
	bool			 with_keys;
	time_t			 now;
	int			(*each)(void *, const struct keystore_entry *);
	void			*arg;
};

/* Which would sign; where keys are not opened, as far as one can tell. */
static void
mark_chosen(const struct visit *visit, struct mailbox *mailbox)
{
	const struct key_context *context = &visit->context;
	struct entry *entry;
	size_t i;

	for (i = 0; visit->with_keys && i < mailbox->count; i++) {
		entry = &mailbox->entries[i];
		if (entry->seen.state == ENTRY_USABLE ||
		    (entry->seen.state == ENTRY_UNFIT &&
		    !keystore_entry_is_encryption(&entry->seen)))
			entry_open_key(context, mailbox->fd,
			    &mailbox->watches, entry);
	}
	for (i = 0; i < mailbox->count; i++)
		if (mailbox->entries[i].seen.state == ENTRY_USABLE ||
		    mailbox->entries[i].seen.state == ENTRY_LOCKED) {
			mailbox->entries[i].seen.chosen = true;
			break;
		}
}

/* A folder that cannot be used is shown as an entry of its own. */
static int
show_unreadable(const struct visit *visit, const char *name,
    const char *reason)
{
	struct keystore_entry entry;

	memset(&entry, 0, sizeof(entry));
	snprintf(entry.address, sizeof(entry.address), "%s", name);
	snprintf(entry.text, sizeof(entry.text), "%s", reason);
	entry.state = ENTRY_UNREADABLE;
	return visit->each(visit->arg, &entry);
}

static int
visit_mailbox(const struct visit *visit, const char *address)
{
	struct smime_error why = { "" };
	struct mailbox mailbox;
	bool missing;
	size_t i;
	int rc = 0;

	if (mailbox_read(&visit->context, address, visit->now, &mailbox,
	    &missing, &why) != 0)
		return missing ? 0 : show_unreadable(visit, address, why.text);
	mark_chosen(visit, &mailbox);
	for (i = 0; i < mailbox.count && rc == 0; i++)
		rc = visit->each(visit->arg, &mailbox.entries[i].seen);
	mailbox_clear(&mailbox);
	return rc;
}

static int
is_shown(const struct dirent *found)
{
	return found->d_name[0] != '.' && found->d_type != DT_REG;
}

static int
visit_name(const struct visit *visit, const char *name)
{
	char canonical[ADDRESS_MAX + 1];

	if (strlen(name) <= ADDRESS_MAX &&
	    address_canonical(name, strlen(name), canonical) &&
	    strcmp(name, canonical) == 0 && address_is_safe_name(name))
		return visit_mailbox(visit, name);
	return show_unreadable(visit, name, "the folder's name is not an "
	    "e-mail address in lower case: it is never looked at");
}

static int
visit_all(const struct visit *visit, struct smime_error *err)
{
	struct dirent **names = NULL;
	int i, n, rc = 0;

	n = scandirat(visit->store->context.dirfd, ".", &names, is_shown, alphasort);
	if (n == -1)
		return smime_error_set(err, "cannot read the keystore %s",
		    visit->store->dir);
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = visit_name(visit, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return rc;
}

int
keystore_each(struct keystore *store, const char *address, bool with_keys,
    time_t now, int (*each)(void *arg, const struct keystore_entry *entry),
    void *arg, struct smime_error *err)
{
	struct trust_state *state = truststore_get(store->trusted,
	    &store->trusts);
	struct visit visit = { store, store->context, with_keys, now, each,
	    arg };
	int rc;

	follow_directory(store);
	visit.context.trust = state->trust;
	rc = address != NULL ? visit_name(&visit, address) :
	    visit_all(&visit, err);
	trust_state_unref(state);
	return rc;
}
