/*
 * keystore_unlock.c - an owner's keys, opened with the owner's passphrase and
 * kept in the vault for a while.
 */
#include "../../smime/smime.h"
#include "../incoming.h"
#include "entry.h"
#include "keydir.h"
#include "keystore.h"
#include "unlock.h"

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
	if (keystore_follow(store, err) == -1)
		return -1;
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
