/*
 * keystore_each.c - everything that is there, for sampulctl's list, show and
 * check.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../incoming.h"
#include "entry.h"
#include "keydir.h"
#include "keystore.h"

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

	n = scandirat(visit->store->context.dirfd, ".", &names, is_shown,
	    alphasort);
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
	struct trust_state *state;
	struct visit visit = { store, store->context, with_keys, now, each,
	    arg };
	int rc;

	if (keystore_follow(store, err) == -1)
		return -1;
	state = truststore_get(store->trusted, &store->trusts);
	visit.context.trust = state->trust;
	rc = address != NULL ? visit_name(&visit, address) :
	    visit_all(&visit, err);
	trust_state_unref(state);
	return rc;
}
