/*
 * keystore.h - the directory of keys, for those who use it; what the files
 * share that make it up is in keydir.h.
 */
#ifndef SAMPUL_KEYSTORE_H
#define SAMPUL_KEYSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "../conf.h"

/* ---------------------------------------------------------- keystore.c --- */

/*
 * The directory of keys: one folder per address, one folder per certificate
 * in it; sampul-keystore(5). Shared by threads. An entry is read when it is
 * first asked for, kept under the cache ceiling, and read again when its files
 * change.
 */
struct keystore;

enum keystore_state {
	ENTRY_USABLE,
	ENTRY_UNFIT,		/* findings say why */
	ENTRY_UNREADABLE,	/* text says why: mode, owner, syntax, ... */
	ENTRY_SUSPENDED,	/* this one, or the whole mailbox */
	ENTRY_DESTROYED,	/* its key is gone for good, on record */
	ENTRY_LOCKED		/* its owner's passphrase has to open it */
};

struct keystore_entry {		/* for list, show, check */
	char			 address[ADDRESS_MAX + 1];
	char			 folder[256];	/* name within the address's */
	enum keystore_state	 state;
	struct cert_findings	 findings;
	bool			 pinned;	/* override file is there */
	bool			 encrypted;	/* the key, at rest */
	bool			 owned;		/* by its owner's passphrase */
	bool			 in_token;	/* not in a file */
	bool			 chosen;	/* signs now */
	X509			*cert;		/* NULL when unreadable */
	char			 text[SMIME_ERROR_MAX];
};

/* Whether it is unfit only because it is an encryption certificate (CRT-22). */
bool	 keystore_entry_is_encryption(const struct keystore_entry *entry);

/*
 * Opens the store: reads anchors and intermediates, not the entries.
 * passphrase (may be NULL) is copied to memory that is wiped.
 */
struct keystore *keystore_open(const struct conf *conf,
	    const char *passphrase, size_t passphrase_len,
	    struct smime_error *err);
/* The same with the passphrases that conf names: keystore_passphrase, and the
 * next one while it is being changed. */
struct keystore *keystore_open_conf(const struct conf *conf,
	    struct smime_error *err);
void	 keystore_close(struct keystore *store);
/*
 * The identity that signs for address at now: the newest usable one. NULL with
 * the reason, *missing telling "has none" (KEY_NO_IDENTITY) from a fault of
 * ours. The caller gives it back with keystore_release.
 */
struct keystore_identity;
const struct keystore_identity *keystore_find(struct keystore *store,
	    const char *address, time_t now, bool *missing,
	    struct smime_error *err);
/* The same, telling also that an owner has to unlock a key first. */
enum keystore_lack { LACK_FAULT, LACK_IDENTITY, LACK_UNLOCKING };
const struct keystore_identity *keystore_look(struct keystore *store,
	    const char *address, time_t now, enum keystore_lack *lack,
	    struct smime_error *err);
void	 keystore_release(struct keystore *store,
	    const struct keystore_identity *identity);
const struct signer *keystore_identity_signer(
	    const struct keystore_identity *identity);
bool	 keystore_identity_pinned(const struct keystore_identity *identity);
/*
 * Visits every entry of one address (or, address NULL, of all, in order),
 * opening keys only when with_keys. Entries are borrowed for the call.
 */
int	 keystore_each(struct keystore *store, const char *address,
	    bool with_keys, time_t now,
	    int (*each)(void *arg, const struct keystore_entry *entry),
	    void *arg, struct smime_error *err);
/*
 * Every certificate of an address but suspended ones, newest first, DER one
 * behind the other, at most max octets; *len 0 for none. *der is freed with
 * OPENSSL_free.
 */
int	 keystore_list(struct keystore *store, const char *address, time_t now,
	    size_t max, unsigned char **der, size_t *len,
	    struct smime_error *err);
/*
 * Reads the passphrase that conf names, from a file or a systemd credential;
 * *out NULL when conf names none. Free with OPENSSL_clear_free.
 */
int	 keystore_passphrase(const struct conf *conf, char **out, size_t *len,
	    struct smime_error *err);
/*
 * While "sampulctl rekey" changes it: the new one, from the same name with
 * ".new" behind it. *out NULL when there is none.
 */
int	 keystore_next_passphrase(const struct conf *conf, char **out,
	    size_t *len, struct smime_error *err);

/* ------------------------------------------------- for the key process --- */

struct vault;
struct token_client;

/* Both before the store is shared. A second passphrase, copied and wiped: */
int	 keystore_also(struct keystore *store, const char *passphrase,
	    size_t len, struct smime_error *err);
/* Where unlocked keys are; borrowed. */
void	 keystore_use_vault(struct keystore *store, struct vault *vault);
/* Whom keys in tokens ask; borrowed. */
void	 keystore_use_tokens(struct keystore *store,
	    struct token_client *tokens);
/* Forgets what is remembered of an address, its open key with it. */
void	 keystore_forget(struct keystore *store, const char *address);
/*
 * Opens the owner's keys of an address that this passphrase opens, until that
 * time of steady_ms. *owned counts those there are, *opened those that are
 * open now; fails when one is broken and none was opened.
 */
int	 keystore_unlock(struct keystore *store, const char *address,
	    time_t now, const char *passphrase, size_t len, int64_t until,
	    unsigned *owned, unsigned *opened, struct smime_error *err);
#define KEYSTORE_UNLOCK_MAX	8	/* keys tried; each costs PBKDF2 */

#endif
