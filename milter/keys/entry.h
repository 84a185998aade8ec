/*
 * entry.h - what the keystore holds for an address.
 *
 * From the bottom up: entry.c reads one certificate's folder and entry_key.c
 * opens its key; mailbox.c all folders of an address and which of them signs;
 * keycache.c keeps results; the keystore's files join them (keydir.h).
 */
#ifndef SAMPUL_ENTRY_H
#define SAMPUL_ENTRY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "keyfile.h"
#include "keystore.h"

/* ------------------------------------------------------------- entry.c --- */

struct vault;
struct token_client;

/* What reading needs to know; shared by threads, never changed. */
struct key_context {
	int		 dirfd;
	struct owners	 owners;
	const struct trust *trust;
	char		*passphrase;	/* NULL none */
	size_t		 passphrase_len;
	char		*next;		/* another, tried second; NULL none */
	size_t		 next_len;
	struct vault	*vault;		/* of unlocked keys; NULL none */
	struct token_client *tokens;	/* NULL none here */
	bool		 has_tokens;	/* keystore.token_module is set */
	bool		 insecure_unencrypted_keys;
	enum smime_scheme scheme;
	unsigned	 capabilities;
};

struct entry {
	struct keystore_entry	 seen;
	STACK_OF(X509)		*extra;	/* other certificates of its files */
	STACK_OF(X509)		*chain;	/* the path, by trust_check */
	EVP_PKEY		*key;	/* NULL until entry_open_key */
	time_t			 not_before;
	time_t			 not_after;
};

/* Reads the certificate and judges it at now; the outcome is in out->seen. */
void	 entry_read(const struct key_context *context, int mailbox,
	    const char *address, const char *folder, time_t now,
	    struct watches *watches, struct entry *out);
void	 entry_clear(struct entry *entry);
/* Findings that an override file takes responsibility for. */
bool	 entry_may_pin(enum cert_problem problem);
/* Puts problem in its place among the findings, once. */
void	 entry_add_finding(struct cert_findings *findings,
	    enum cert_problem problem);
void	 entry_set_unreadable(struct entry *entry,
	    const struct smime_error *why);
/* The folder's path below the keystore, or that of a file in it. */
#define ENTRY_PATH_MAX	(ADDRESS_MAX + 256 + 32)
void	 entry_path(const struct entry *entry, const char *name,
	    char out[ENTRY_PATH_MAX]);
/*
 * keyfile_read of a file of the folder fd; the state it was read in is watched
 * from then on.
 */
char	*entry_read_file(const struct key_context *context, int fd,
	    const struct entry *entry, const char *name, mode_t forbidden,
	    size_t max, size_t *len, struct watches *watches,
	    struct smime_error *err);

/* --------------------------------------------------------- entry_key.c --- */

/*
 * Opens the private key and proves that it belongs to the certificate; on
 * failure the entry's state and text change.
 */
int	 entry_open_key(const struct key_context *context, int mailbox,
	    struct watches *watches, struct entry *entry);
/*
 * Opens an owner's key with a passphrase: 1 and the key, 0 for another
 * passphrase, -1 when there is something wrong with it.
 */
int	 entry_unlock(const struct key_context *context, int mailbox,
	    const struct entry *entry, const char *passphrase, size_t len,
	    EVP_PKEY **out, struct smime_error *err);

/* ----------------------------------------------------------- mailbox.c --- */

/* All folders of one address, newest first. */
struct mailbox {
	struct entry	*entries;
	size_t		 count;
	struct watches	 watches;
	int		 fd;		/* of the address's folder */
	time_t		 from, until;	/* when the choice is the same */
	bool		 suspended;	/* all of it, what is to come too */
	bool		 owned;		/* one of the entries is */
	bool		 locked;	/* mailbox_choose met a locked one */
};

/*
 * Fails when the folder cannot be read; *missing when there is none.
 */
int	 mailbox_read(const struct key_context *context, const char *address,
	    time_t now, struct mailbox *out, bool *missing,
	    struct smime_error *err);
/*
 * The entry that signs, its key open: the newest usable one whose key opens.
 * NULL: none. Behind one that its owner has locked, none counts that opens
 * without an owner.
 */
struct entry *mailbox_choose(const struct key_context *context,
	    struct mailbox *mailbox);
/* The newest certificate that is fit for encryption alone, or NULL. */
X509	*mailbox_encryption(const struct mailbox *mailbox);
/*
 * Why none signs, in one sentence; *lack is LACK_FAULT when something of ours
 * is wrong with an entry, so that waiting may help.
 */
void	 mailbox_reason(const struct mailbox *mailbox,
	    enum keystore_lack *lack, struct smime_error *err);
/* Whether an entry is left out for what waiting may help. */
bool	 mailbox_has_fault(const struct mailbox *mailbox);
void	 mailbox_clear(struct mailbox *mailbox);

/* ---------------------------------------------------------- keycache.c --- */

/*
 * What is remembered about one address: a signer, or why there is none.
 * Immutable but for the fields of the cache, which its lock guards.
 */
struct keystore_identity {
	char			 address[ADDRESS_MAX + 1];
	struct watches		 watches;
	uint64_t		 generation;	/* of what was trusted */
	time_t			 from, until;	/* holds while now is within */
	time_t			 settled;	/* by the clock: read again once
						 * after it; 0 never */
	struct signer		*signer;	/* NULL: none */
	bool			 pinned;
	enum keystore_lack	 lack;		/* without signer */
	bool			 owned;		/* depends on the vault's */
	uint64_t		 changes;	/* count of changes */
	struct smime_error	 reason;	/* without signer */
	size_t			 cost;		/* octets */

	unsigned		 references;
	bool			 cached;
	struct keystore_identity *chain_next;
	struct keystore_identity *newer, *older;
};

struct keycache;

struct keycache *keycache_new(size_t ceiling);
void	 keycache_free(struct keycache *cache);
/* A new reference, or NULL. */
struct keystore_identity *keycache_get(struct keycache *cache,
	    const char *address);
/*
 * Remembers identity in place of what was there for its address; the caller
 * keeps its own reference (references is 1 before).
 */
void	 keycache_put(struct keycache *cache,
	    struct keystore_identity *identity);
/* Forgets identity if it is still remembered; references stay. */
void	 keycache_drop(struct keycache *cache,
	    struct keystore_identity *identity);
void	 keycache_release(struct keycache *cache,
	    struct keystore_identity *identity);
/* Octets now, for tests and the log. */
size_t	 keycache_bytes(struct keycache *cache, size_t *count);

#endif
