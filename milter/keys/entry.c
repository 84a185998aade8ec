/*
 * entry.c - one certificate's folder: sampul-keystore(5).
 *
 *	cert.pem	the certificate, then any intermediates
 *	key.pem		its private key
 *	key.uri		instead of it: where in which token the key is
 *	chain.pem	further intermediates; optional
 *	override	pins the certificate to the address; optional
 *	owner		key.pem has its owner's passphrase; optional
 *	suspended	it must not be used; optional
 *	destroyed	its key was destroyed; what remains is the record
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "tokens.h"

#define PATH_TEXT_MAX	(ADDRESS_MAX + 256 + 32)

/*
 * An administrator may vouch that a certificate is this mailbox's, or that it
 * was issued for another purpose. Nobody can vouch for a key that may not sign
 * (CRT-20), a broken chain or a date.
 */
bool
entry_may_pin(enum cert_problem problem)
{
	return problem == CERT_NO_ADDRESS || problem == CERT_OTHER_ADDRESS ||
	    problem == CERT_EXTENDED_KEY_USAGE ||
	    problem == CERT_DOCUMENT_PROFILE;
}

void
entry_add_finding(struct cert_findings *findings, enum cert_problem problem)
{
	size_t i;

	if (problem == CERT_OK || cert_has_finding(findings, problem) ||
	    findings->count >= CERT_PROBLEMS_MAX)
		return;
	for (i = findings->count; i > 0 &&
	    findings->problem[i - 1] > problem; i--)
		findings->problem[i] = findings->problem[i - 1];
	findings->problem[i] = problem;
	findings->count++;
}

static void
unreadable(struct entry *entry, const struct smime_error *why)
{
	entry->seen.state = ENTRY_UNREADABLE;
	snprintf(entry->seen.text, sizeof(entry->seen.text), "%s", why->text);
}

static void
shown_path(const struct entry *entry, const char *name, char *out)
{
	snprintf(out, PATH_TEXT_MAX, "%s/%s%s%s", entry->seen.address,
	    entry->seen.folder, name[0] != '\0' ? "/" : "", name);
}

/* A file of the folder; the state it was read in is watched from then on. */
static char *
read_file(const struct key_context *context, int fd, const struct entry *entry,
    const char *name, mode_t forbidden, size_t max, size_t *len,
    struct watches *watches, struct smime_error *err)
{
	char path[PATH_TEXT_MAX], *buf;
	struct stat st;
	int saved;

	shown_path(entry, name, path);
	memset(&st, 0, sizeof(st));
	buf = keyfile_read(fd, name, path, &context->owners, forbidden, max,
	    len, &st, err);
	saved = errno;
	/* A refused file is watched too: a chmod is to be noticed. */
	if (st.st_ino != 0)
		watches_add(watches, path, &st);
	errno = saved;
	return buf;
}

/* 1 there and trustworthy, 0 not there, -1 there but not to be believed. */
static int
has_note(const struct key_context *context, int fd, const struct entry *entry,
    const char *name, struct watches *watches, struct smime_error *err)
{
	struct smime_error why = { "" };
	size_t len = 0;
	char *buf;

	buf = read_file(context, fd, entry, name, KEYFILE_PUBLIC,
	    KEYSTORE_NOTE_MAX, &len, watches, &why);
	if (buf == NULL && errno == ENOENT)
		return 0;
	if (buf == NULL)
		return smime_error_setx(err, "%s", why.text);
	OPENSSL_clear_free(buf, len + 1);
	return 1;
}

static int
read_certificates(const struct key_context *context, int fd,
    struct entry *entry, const char *name, struct watches *watches,
    struct smime_error *err)
{
	STACK_OF(X509) *certs = NULL;
	char path[PATH_TEXT_MAX], *buf;
	size_t len = 0;
	X509 *cert;
	int rc = -1;

	buf = read_file(context, fd, entry, name, KEYFILE_PUBLIC,
	    KEYSTORE_CERT_MAX, &len, watches, err);
	if (buf == NULL)
		return -1;
	shown_path(entry, name, path);
	if (cert_read(buf, len, KEYSTORE_CHAIN_MAX, path, &certs, err) != 0)
		goto out;
	if (entry->seen.cert == NULL)
		entry->seen.cert = sk_X509_shift(certs);
	while ((cert = sk_X509_shift(certs)) != NULL)
		if (sk_X509_push(entry->extra, cert) == 0) {
			X509_free(cert);
			smime_error_setx(err, "out of memory for %s", path);
			goto out;
		}
	rc = 0;
out:
	sk_X509_pop_free(certs, X509_free);
	OPENSSL_clear_free(buf, len + 1);
	errno = 0;
	return rc;
}

static int
read_files(const struct key_context *context, int fd, struct entry *entry,
    struct watches *watches, struct smime_error *err)
{
	struct smime_error why = { "" };
	int suspended, destroyed, pinned, owned, in_token;

	entry->extra = sk_X509_new_null();
	if (entry->extra == NULL)
		return smime_error_setx(err, "out of memory");
	if (read_certificates(context, fd, entry, "cert.pem", watches,
	    err) != 0)
		return -1;
	if (read_certificates(context, fd, entry, "chain.pem", watches,
	    &why) != 0 && errno != ENOENT)
		return smime_error_setx(err, "%s", why.text);
	pinned = has_note(context, fd, entry, "override", watches, err);
	if (pinned == -1)
		return -1;
	entry->seen.pinned = pinned == 1;
	owned = has_note(context, fd, entry, "owner", watches, err);
	if (owned == -1)
		return -1;
	entry->seen.owned = owned == 1;
	in_token = has_note(context, fd, entry, "key.uri", watches, err);
	if (in_token == -1)
		return -1;
	entry->seen.in_token = in_token == 1;
	suspended = has_note(context, fd, entry, "suspended", watches, err);
	destroyed = has_note(context, fd, entry, "destroyed", watches, err);
	if (suspended == -1 || destroyed == -1)
		return -1;
	if (destroyed == 1)
		entry->seen.state = ENTRY_DESTROYED;
	else if (suspended == 1)
		entry->seen.state = ENTRY_SUSPENDED;
	return 0;
}

/* A list that is missing or old does not stop signing. -1: a fault of ours. */
static int
is_revoked(const struct key_context *context, const struct entry *entry,
    time_t now, struct smime_error *err)
{
	struct smime_error why = { "" };
	enum revocation revocation = REVOCATION_GOOD;

	if (trust_crls(context->trust) > 0)
		revocation = trust_check_revocation(context->trust,
		    entry->seen.cert, entry->extra, now, NULL, &why);
	if (revocation == REVOCATION_UNASKED)
		return smime_error_setx(err, "%s", why.text);
	if (revocation != REVOCATION_REVOKED)
		return 0;
	smime_error_setx(err, "%s", why.text);
	return 1;
}

/*
 * Every rule, by now's clock; a suspended entry is judged for the display. A
 * rule that libcrypto had no memory to ask is not broken: the mail waits.
 */
static void
judge(const struct key_context *context, struct entry *entry, time_t now)
{
	struct smime_error why = { "" };
	struct cert_findings *findings = &entry->seen.findings;
	bool fit = true;
	int revoked;
	size_t i;

	errno = 0;
	cert_check_signing(entry->seen.cert, entry->seen.address, now,
	    findings);
	entry_add_finding(findings, trust_check(context->trust,
	    entry->seen.cert, entry->extra, now, &entry->chain, &why));
	revoked = is_revoked(context, entry, now, &why);
	if (revoked == 1)
		entry_add_finding(findings, CERT_REVOKED);
	if (revoked == -1 || (findings->count > 0 && errno == ENOMEM)) {
		smime_error_set(&why, "cannot judge a certificate");
		unreadable(entry, &why);
		return;
	}
	for (i = 0; i < findings->count; i++)
		if (!entry->seen.pinned ||
		    !entry_may_pin(findings->problem[i]))
			fit = false;
	snprintf(entry->seen.text, sizeof(entry->seen.text), "%s", why.text);
	if (!fit && entry->seen.state == ENTRY_USABLE)
		entry->seen.state = ENTRY_UNFIT;
}

void
entry_read(const struct key_context *context, int mailbox, const char *address,
    const char *folder, time_t now, struct watches *watches,
    struct entry *out)
{
	struct smime_error err = { "" };
	char path[PATH_TEXT_MAX];
	struct stat st;
	int fd;

	memset(out, 0, sizeof(*out));
	snprintf(out->seen.address, sizeof(out->seen.address), "%s", address);
	snprintf(out->seen.folder, sizeof(out->seen.folder), "%s", folder);
	shown_path(out, "", path);
	memset(&st, 0, sizeof(st));
	fd = keyfile_folder(mailbox, folder, path, &context->owners, &st,
	    &err);
	if (st.st_ino != 0)
		watches_add(watches, path, &st);
	if (fd == -1 || read_files(context, fd, out, watches, &err) != 0) {
		unreadable(out, &err);
	} else {
		out->not_before = cert_not_before(out->seen.cert);
		out->not_after = cert_not_after(out->seen.cert);
		judge(context, out, now);
	}
	if (fd != -1)
		close(fd);
}

/* What the configuration says about keys that lie open, and the reverse. */
static EVP_PKEY *
unlock(const struct key_context *context, const char *buf, size_t len,
    const char *path, struct entry *entry, struct smime_error *err)
{
	EVP_PKEY *key;

	key = key_read(buf, len, context->passphrase, context->passphrase_len,
	    path, &entry->seen.encrypted, err);
	if (key == NULL && entry->seen.encrypted && context->next != NULL)
		key = key_read(buf, len, context->next, context->next_len,
		    path, NULL, err);
	if (key != NULL && !entry->seen.encrypted &&
	    !context->insecure_unencrypted_keys) {
		EVP_PKEY_free(key);
		smime_error_setx(err, "%s is not encrypted; put it in with "
		    "\"sampulctl import\", or allow it by "
		    "keystore.insecure_unencrypted_keys", path);
		return NULL;
	}
	if (key == NULL && entry->seen.encrypted &&
	    context->passphrase == NULL) {
		err->text[0] = '\0';
		smime_error_setx(err, "%s is encrypted and the configuration "
		    "names no keystore.passphrase_file", path);
	}
	return key;
}

static void
locked(struct entry *entry, struct smime_error *err)
{
	entry->seen.state = ENTRY_LOCKED;
	smime_error_setx(err, "%s/%s is locked: its owner's passphrase has to "
	    "open it", entry->seen.address, entry->seen.folder);
}

/*
 * An owner's key is not opened here, but its file must be there, and closed:
 * without it, and with it lying open, nothing is signed.
 */
static EVP_PKEY *
find_unlocked(const struct key_context *context, const char *buf, size_t len,
    const char *path, struct entry *entry, struct smime_error *err)
{
	struct smime_error why = { "" };
	EVP_PKEY *key;

	key = key_read(buf, len, NULL, 0, path, &entry->seen.encrypted, &why);
	EVP_PKEY_free(key);
	if (key != NULL || !entry->seen.encrypted) {
		smime_error_setx(err, "%s", key == NULL ? why.text :
		    "the key is marked as its owner's and not encrypted");
		return NULL;
	}
	key = vault_find(context->vault, entry->seen.address,
	    entry->seen.cert, steady_ms());
	if (key == NULL)
		locked(entry, err);
	return key;
}

static char *
read_key_file(const struct key_context *context, int mailbox,
    struct watches *watches, const struct entry *entry, const char *name,
    mode_t forbidden, char *path, size_t *len, struct smime_error *err)
{
	struct stat st;
	char *buf;
	int fd;

	shown_path(entry, "", path);
	fd = keyfile_folder(mailbox, entry->seen.folder, path,
	    &context->owners, &st, err);
	if (fd == -1)
		return NULL;
	shown_path(entry, name, path);
	buf = read_file(context, fd, entry, name, forbidden,
	    KEYSTORE_KEY_MAX, len, watches, err);
	close(fd);
	return buf;
}

/* 1 and the URI, 0 without key.uri, -1 when it cannot be used. */
static int
read_uri(const struct key_context *context, int mailbox,
    struct watches *watches, const struct entry *entry,
    char uri[TOKEN_URI_MAX + 1], struct smime_error *err)
{
	char path[PATH_TEXT_MAX], label[TOKEN_LABEL_MAX + 1], *buf;
	struct smime_error why = { "" };
	size_t len = 0;
	int rc;

	errno = 0;
	buf = read_key_file(context, mailbox, watches, entry, "key.uri",
	    KEYFILE_PUBLIC, path, &len, &why);
	if (buf == NULL && errno == ENOENT)
		return 0;
	if (buf == NULL)
		return smime_error_setx(err, "%s", why.text);
	rc = token_uri_read(buf, len, uri, label, &why);
	OPENSSL_clear_free(buf, len + 1);
	if (rc != 0)
		return smime_error_setx(err, "%s: %s", path, why.text);
	if (!context->has_tokens)
		return smime_error_setx(err, "%s names a token and "
		    "keystore.token_module is not set", path);
	return 1;
}

/* Not tried here: a token that is lost now is asked again by each message. */
static EVP_PKEY *
find_in_token(const struct key_context *context, const char *uri,
    struct entry *entry, struct smime_error *err)
{
	EVP_PKEY *key;

	entry->seen.encrypted = true;
	if (!entry->seen.owned)
		return token_key(context->tokens, entry->seen.cert, uri, NULL,
		    0, err);
	key = vault_find(context->vault, entry->seen.address,
	    entry->seen.cert, steady_ms());
	if (key == NULL)
		locked(entry, err);
	return key;
}

static EVP_PKEY *
read_key(const struct key_context *context, int mailbox,
    struct watches *watches, struct entry *entry, struct smime_error *err)
{
	char path[PATH_TEXT_MAX], uri[TOKEN_URI_MAX + 1], *buf;
	EVP_PKEY *key;
	size_t len = 0;
	int rc;

	rc = read_uri(context, mailbox, watches, entry, uri, err);
	if (rc != 0)
		return rc == 1 ? find_in_token(context, uri, entry, err) :
		    NULL;
	buf = read_key_file(context, mailbox, watches, entry, "key.pem",
	    KEYFILE_SECRET, path, &len, err);
	if (buf == NULL)
		return NULL;
	if (entry->seen.owned)
		key = find_unlocked(context, buf, len, path, entry, err);
	else
		key = unlock(context, buf, len, path, entry, err);
	OPENSSL_clear_free(buf, len + 1);
	return key;
}

/* The PIN is tried, once. */
static int
unlock_token(const struct key_context *context, const struct entry *entry,
    const char *uri, const char *pin, size_t len, EVP_PKEY **out,
    struct smime_error *err)
{
	EVP_PKEY *key;
	int rc;

	if (len == 0 || len > TOKEN_PIN_MAX || memchr(pin, '\0', len) != NULL)
		return 0;
	key = token_key(context->tokens, entry->seen.cert, uri, pin, len,
	    err);
	rc = key != NULL ? token_key_try(key, err) : -1;
	if (rc != 1)
		EVP_PKEY_free(key);
	else
		*out = key;
	return rc;
}

int
entry_unlock(const struct key_context *context, int mailbox,
    const struct entry *entry, const char *passphrase, size_t passphrase_len,
    EVP_PKEY **out, struct smime_error *err)
{
	struct watches watches = { .items = NULL };
	char path[PATH_TEXT_MAX], uri[TOKEN_URI_MAX + 1], *buf;
	struct smime_error why = { "" };
	bool encrypted = false;
	size_t len = 0;
	int rc;

	*out = NULL;
	rc = read_uri(context, mailbox, &watches, entry, uri, err);
	if (rc != 0) {
		watches_clear(&watches);
		return rc == 1 ? unlock_token(context, entry, uri, passphrase,
		    passphrase_len, out, err) : -1;
	}
	buf = read_key_file(context, mailbox, &watches, entry, "key.pem",
	    KEYFILE_SECRET, path, &len, err);
	watches_clear(&watches);
	if (buf == NULL)
		return -1;
	*out = key_read(buf, len, passphrase, passphrase_len, path,
	    &encrypted, &why);
	OPENSSL_clear_free(buf, len + 1);
	if (*out == NULL && encrypted)
		return 0;
	if (*out != NULL && encrypted && X509_check_private_key(
	    entry->seen.cert, *out) == 1 &&
	    key_signs_for(*out, entry->seen.cert))
		return 1;
	ERR_clear_error();
	EVP_PKEY_free(*out);
	*out = NULL;
	return smime_error_setx(err, "%s: %s", path, why.text[0] != '\0' ?
	    why.text : "not encrypted, or not the key of its certificate");
}

static void
damaged(struct entry *entry)
{
	struct smime_error err = { "" };
	char path[PATH_TEXT_MAX];

	shown_path(entry, "key.pem", path);
	smime_error_setx(&err, "%s is damaged: what it signs does not verify; "
	    "import the key again", path);
	unreadable(entry, &err);
}

static void
mismatched(struct entry *entry)
{
	entry_add_finding(&entry->seen.findings, CERT_KEY_MISMATCH);
	if (entry->seen.state == ENTRY_USABLE)
		entry->seen.state = ENTRY_UNFIT;
}

/*
 * Certificate and key are two files: while an administrator replaces them by
 * hand they do not belong together for a moment. Such a pair never signs. Nor
 * does a damaged key, which would be met with each message and keep an older,
 * whole one from signing.
 */
int
entry_open_key(const struct key_context *context, int mailbox,
    struct watches *watches, struct entry *entry)
{
	struct smime_error err = { "" };
	bool match;

	if (entry->seen.cert == NULL)
		return -1;
	entry->key = read_key(context, mailbox, watches, entry, &err);
	if (entry->key == NULL) {
		const bool locked = entry->seen.state == ENTRY_LOCKED;

		unreadable(entry, &err);
		if (locked)
			entry->seen.state = ENTRY_LOCKED;
		return -1;
	}
	if (key_is_elsewhere(entry->key))
		return 0;
	match = X509_check_private_key(entry->seen.cert, entry->key) == 1;
	if (match && key_signs_for(entry->key, entry->seen.cert))
		return 0;
	ERR_clear_error();
	EVP_PKEY_free(entry->key);
	entry->key = NULL;
	if (match)
		damaged(entry);
	else
		mismatched(entry);
	return -1;
}

void
entry_clear(struct entry *entry)
{
	X509_free(entry->seen.cert);
	sk_X509_pop_free(entry->extra, X509_free);
	sk_X509_pop_free(entry->chain, X509_free);
	EVP_PKEY_free(entry->key);
	memset(entry, 0, sizeof(*entry));
}
