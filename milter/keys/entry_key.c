/*
 * entry_key.c - the private key of one certificate's folder: where it is, what
 * opens it, and that it is the certificate's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "entry.h"
#include "keyfile.h"
#include "keystore.h"
#include "tokens.h"
#include "unlock.h"

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

	entry_path(entry, "", path);
	fd = keyfile_folder(mailbox, entry->seen.folder, path,
	    &context->owners, &st, err);
	if (fd == -1)
		return NULL;
	entry_path(entry, name, path);
	buf = entry_read_file(context, fd, entry, name, forbidden,
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
	char path[ENTRY_PATH_MAX], label[TOKEN_LABEL_MAX + 1], *buf;
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
	char path[ENTRY_PATH_MAX], uri[TOKEN_URI_MAX + 1], *buf;
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
	char path[ENTRY_PATH_MAX], uri[TOKEN_URI_MAX + 1], *buf;
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
	char path[ENTRY_PATH_MAX];

	entry_path(entry, "key.pem", path);
	smime_error_setx(&err, "%s is damaged: what it signs does not verify; "
	    "import the key again", path);
	entry_set_unreadable(entry, &err);
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

		entry_set_unreadable(entry, &err);
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
