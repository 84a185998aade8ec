/*
 * mailbox.c - all certificates of one address, and which of them signs.
 *
 * The newest usable one wins, so that a new certificate takes over as soon as
 * it is complete and valid, and the old one serves until then: a rollover has
 * no gap and needs no restart.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/x509v3.h>

#include "../../smime/smime.h"
#include "entry.h"
#include "keyfile.h"
#include "keystore.h"

/*
 * However little changes on disk, an answer is worked out anew after this
 * many seconds: an anchor's own dates are not among the boundaries below.
 */
#define ANSWER_MAX_AGE	3600

/*
 * Fit for encryption and for nothing else: its only fault is that its usage
 * has no signatures in it (CRT-22).
 */
bool
keystore_entry_is_encryption(const struct keystore_entry *entry)
{
	uint32_t usage;

	if (entry->cert == NULL || entry->state != ENTRY_UNFIT ||
	    entry->findings.count != 1 ||
	    entry->findings.problem[0] != CERT_KEY_USAGE)
		return false;
	usage = X509_get_key_usage(entry->cert);
	return usage != UINT32_MAX &&
	    (usage & (KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT)) != 0;
}

/* Newest first; those without a certificate last. */
static int
compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if ((x->seen.cert == NULL) != (y->seen.cert == NULL))
		return x->seen.cert == NULL ? 1 : -1;
	if (x->not_before != y->not_before)
		return x->not_before > y->not_before ? -1 : 1;
	if (x->not_after != y->not_after)
		return x->not_after > y->not_after ? -1 : 1;
	return strcmp(y->seen.folder, x->seen.folder);
}

static void
boundary(struct mailbox *mailbox, time_t now, time_t when)
{
	if (when > now && when < mailbox->until)
		mailbox->until = when;
	if (when <= now && when > mailbox->from)
		mailbox->from = when;
}

/*
 * The choice made at now stays right until a certificate begins or ends; the
 * second notAfter itself still belongs to it (RFC 5280 4.1.2.5).
 */
static void
find_boundaries(struct mailbox *mailbox, time_t now)
{
	const struct entry *entry;
	size_t i;
	int k;

	mailbox->from = 0;
	mailbox->until = now + ANSWER_MAX_AGE;
	for (i = 0; i < mailbox->count; i++) {
		entry = &mailbox->entries[i];
		if (entry->seen.cert == NULL)
			continue;
		boundary(mailbox, now, entry->not_before);
		boundary(mailbox, now, entry->not_after + 1);
		for (k = 0; k < sk_X509_num(entry->chain); k++)
			boundary(mailbox, now, cert_not_after(
			    sk_X509_value(entry->chain, k)) + 1);
	}
}

/*
 * Folders are what does not begin with a dot; other files are left alone. A
 * link is no folder but is shown, so that nobody wonders. -1 when the name is
 * gone again: it may have been the one that signs, under a name now that we
 * shall not see, so "has none" would be wrong.
 */
static int
is_entry(int fd, const char *name)
{
	struct stat st;

	if (name[0] == '.')
		return 0;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
}

static int
add_entry(const struct key_context *context, const char *address,
    const char *folder, time_t now, struct mailbox *out,
    struct smime_error *err)
{
	struct entry *grown;

	if (out->count >= KEYSTORE_ENTRIES_MAX)
		return smime_error_setx(err, "%s holds more than %d "
		    "certificates", address, KEYSTORE_ENTRIES_MAX);
	grown = reallocarray(out->entries, out->count + 1, sizeof(*grown));
	if (grown == NULL)
		return smime_error_setx(err, "out of memory for %s", address);
	out->entries = grown;
	entry_read(context, out->fd, address, folder, now, &out->watches,
	    &out->entries[out->count]);
	out->owned |= out->entries[out->count].seen.owned;
	out->count++;
	return 0;
}

static int
read_entries(const struct key_context *context, const char *address,
    time_t now, struct mailbox *out, struct smime_error *err)
{
	struct dirent *found;
	DIR *dir;
	int fd, is, rc = -1;

	fd = fcntl(out->fd, F_DUPFD_CLOEXEC, 0);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		if (fd != -1)
			close(fd);
		return smime_error_set(err, "cannot read the folder %s",
		    address);
	}
	for (errno = 0; (found = readdir(dir)) != NULL; errno = 0) {
		if ((is = is_entry(out->fd, found->d_name)) == -1) {
			smime_error_set(err, "%s changed while it was read",
			    address);
			goto out;
		}
		if (is == 1 && add_entry(context, address, found->d_name, now,
		    out, err) != 0)
			goto out;
	}
	if (errno != 0) {
		smime_error_set(err, "cannot read the folder %s", address);
		goto out;
	}
	rc = 0;
out:
	closedir(dir);
	return rc;
}

/*
 * A file "suspended" beside the folders stops the whole mailbox at one stroke,
 * and certificates that are put in later. One that cannot be believed is a
 * fault: the mail waits.
 */
static int
read_suspension(const struct key_context *context, const char *address,
    struct mailbox *out, struct smime_error *err)
{
	struct smime_error why = { "" };
	char path[ADDRESS_MAX + 32], *buf;
	struct stat st;
	size_t i, len = 0;

	snprintf(path, sizeof(path), "%s/suspended", address);
	buf = keyfile_read(out->fd, "suspended", path, &context->owners,
	    KEYFILE_PUBLIC, KEYSTORE_NOTE_MAX, &len, &st, &why);
	if (buf == NULL && errno == ENOENT)
		return 0;
	if (buf == NULL)
		return smime_error_setx(err, "%s", why.text);
	OPENSSL_clear_free(buf, len + 1);
	out->suspended = true;
	for (i = 0; i < out->count; i++)
		if (out->entries[i].seen.state != ENTRY_DESTROYED)
			out->entries[i].seen.state = ENTRY_SUSPENDED;
	return 0;
}

int
mailbox_read(const struct key_context *context, const char *address,
    time_t now, struct mailbox *out, bool *missing, struct smime_error *err)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	*missing = false;
	out->fd = keyfile_folder(context->dirfd, address, address,
	    &context->owners, &st, err);
	if (out->fd == -1) {
		*missing = errno == ENOENT;
		if (*missing && err != NULL) {
			err->text[0] = '\0';
			smime_error_setx(err, "%s has no folder in the "
			    "keystore", address);
		}
		return -1;
	}
	watches_add(&out->watches, address, &st);
	if (read_entries(context, address, now, out, err) != 0 ||
	    read_suspension(context, address, out, err) != 0) {
		mailbox_clear(out);
		return -1;
	}
	if (out->count > 0)
		qsort(out->entries, out->count, sizeof(*out->entries),
		    compare);
	find_boundaries(out, now);
	return 0;
}

/*
 * Whoever keeps the newest key under a passphrase of their own must not be
 * signed for by an older one that opens without it. An older one that its
 * owner has unlocked may: that is a rollover.
 */
struct entry *
mailbox_choose(const struct key_context *context, struct mailbox *mailbox)
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < mailbox->count; i++) {
		entry = &mailbox->entries[i];
		if (entry->seen.state == ENTRY_LOCKED)
			mailbox->locked = true;
		if (entry->seen.state != ENTRY_USABLE ||
		    (mailbox->locked && !entry->seen.owned))
			continue;
		if (entry->key != NULL || entry_open_key(context, mailbox->fd,
		    &mailbox->watches, entry) == 0) {
			entry->seen.chosen = true;
			return entry;
		}
		if (entry->seen.state == ENTRY_LOCKED)
			mailbox->locked = true;
	}
	return NULL;
}

X509 *
mailbox_encryption(const struct mailbox *mailbox)
{
	size_t i;

	for (i = 0; i < mailbox->count; i++)
		if (keystore_entry_is_encryption(&mailbox->entries[i].seen))
			return mailbox->entries[i].seen.cert;
	return NULL;
}

/*
 * What is there but cannot be read, or does not fit together, is our fault or
 * just being replaced: the mail waits. What an administrator set aside or time
 * ended is no identity.
 */
static bool
is_fault(const struct keystore_entry *entry)
{
	return entry->state == ENTRY_UNREADABLE ||
	    (entry->state == ENTRY_UNFIT &&
	    cert_has_finding(&entry->findings, CERT_KEY_MISMATCH));
}

bool
mailbox_has_fault(const struct mailbox *mailbox)
{
	size_t i;

	for (i = 0; i < mailbox->count; i++)
		if (is_fault(&mailbox->entries[i].seen))
			return true;
	return false;
}

static void
entry_reason(const struct keystore_entry *entry, struct smime_error *err)
{
	if (entry->state == ENTRY_SUSPENDED)
		smime_error_setx(err, "%s/%s is suspended", entry->address,
		    entry->folder);
	else if (entry->state == ENTRY_DESTROYED)
		smime_error_setx(err, "the key of %s/%s was destroyed",
		    entry->address, entry->folder);
	else if (entry->state == ENTRY_UNREADABLE ||
	    entry->state == ENTRY_LOCKED)
		smime_error_setx(err, "%s", entry->text);
	else
		smime_error_setx(err, "%s/%s: %s%s%s%s", entry->address,
		    entry->folder,
		    cert_problem_text(entry->findings.problem[0], false),
		    entry->text[0] != '\0' ? " (" : "", entry->text,
		    entry->text[0] != '\0' ? ")" : "");
}

/*
 * Which entry's reason is worth telling: a fault before what somebody decided
 * or what a certificate is, and that before a mere date.
 */
static int
weight(const struct keystore_entry *entry)
{
	if (entry->state == ENTRY_USABLE || keystore_entry_is_encryption(entry))
		return 0;
	if (is_fault(entry))
		return 3;
	if (entry->state == ENTRY_DESTROYED || (entry->state == ENTRY_UNFIT &&
	    (entry->findings.problem[0] == CERT_EXPIRED ||
	    entry->findings.problem[0] == CERT_NOT_YET_VALID)))
		return 1;
	return 2;
}

void
mailbox_reason(const struct mailbox *mailbox, enum keystore_lack *lack,
    struct smime_error *err)
{
	const struct keystore_entry *told = NULL, *seen;
	int heaviest = 0;
	size_t i;

	*lack = LACK_IDENTITY;
	if (mailbox->suspended) {
		smime_error_setx(err, "the mailbox is suspended");
		return;
	}
	for (i = 0; i < mailbox->count; i++) {
		seen = &mailbox->entries[i].seen;
		if (mailbox->locked && seen->state == ENTRY_LOCKED) {
			*lack = LACK_UNLOCKING;
			entry_reason(seen, err);
			return;
		}
		if (weight(seen) > heaviest) {
			told = seen;
			heaviest = weight(told);
		}
	}
	if (told == NULL) {
		smime_error_setx(err, "the folder of the address holds no "
		    "signing certificate");
		return;
	}
	if (is_fault(told))
		*lack = LACK_FAULT;
	entry_reason(told, err);
}

void
mailbox_clear(struct mailbox *mailbox)
{
	size_t i;

	for (i = 0; i < mailbox->count; i++)
		entry_clear(&mailbox->entries[i]);
	free(mailbox->entries);
	watches_clear(&mailbox->watches);
	if (mailbox->fd != -1)
		close(mailbox->fd);
	memset(mailbox, 0, sizeof(*mailbox));
	mailbox->fd = -1;
}
