/*
 * entry.c - one certificate's folder, read and judged: sampul-keystore(5).
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "entry.h"
#include "keyfile.h"
#include "keystore.h"

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

void
entry_set_unreadable(struct entry *entry, const struct smime_error *why)
{
	entry->seen.state = ENTRY_UNREADABLE;
	snprintf(entry->seen.text, sizeof(entry->seen.text), "%s", why->text);
}

void
entry_path(const struct entry *entry, const char *name,
    char out[ENTRY_PATH_MAX])
{
	snprintf(out, ENTRY_PATH_MAX, "%s/%s%s%s", entry->seen.address,
	    entry->seen.folder, name[0] != '\0' ? "/" : "", name);
}

char *
entry_read_file(const struct key_context *context, int fd,
    const struct entry *entry, const char *name, mode_t forbidden, size_t max,
    size_t *len, struct watches *watches, struct smime_error *err)
{
	char path[ENTRY_PATH_MAX], *buf;
	struct stat st;
	int saved;

	entry_path(entry, name, path);
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

	buf = entry_read_file(context, fd, entry, name, KEYFILE_PUBLIC,
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
	char path[ENTRY_PATH_MAX], *buf;
	size_t len = 0;
	X509 *cert;
	int rc = -1;

	buf = entry_read_file(context, fd, entry, name, KEYFILE_PUBLIC,
	    KEYSTORE_CERT_MAX, &len, watches, err);
	if (buf == NULL)
		return -1;
	entry_path(entry, name, path);
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
		entry_set_unreadable(entry, &why);
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
	char path[ENTRY_PATH_MAX];
	struct stat st;
	int fd;

	memset(out, 0, sizeof(*out));
	snprintf(out->seen.address, sizeof(out->seen.address), "%s", address);
	snprintf(out->seen.folder, sizeof(out->seen.folder), "%s", folder);
	entry_path(out, "", path);
	memset(&st, 0, sizeof(st));
	fd = keyfile_folder(mailbox, folder, path, &context->owners, &st,
	    &err);
	if (st.st_ino != 0)
		watches_add(watches, path, &st);
	if (fd == -1 || read_files(context, fd, out, watches, &err) != 0) {
		entry_set_unreadable(out, &err);
	} else {
		out->not_before = cert_not_before(out->seen.cert);
		out->not_after = cert_not_after(out->seen.cert);
		judge(context, out, now);
	}
	if (fd != -1)
		close(fd);
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
