/*
 * keys.h - what the files of the key process share, grouped by file.
 *
 * From the bottom up: keyfile.c opens a file and judges owner and mode;
 * entry.c reads one certificate's folder and entry_key.c opens its key;
 * mailbox.c all folders of an address and which of them signs; keycache.c keeps
 * results; the keystore's files join them (keystore.h).
 */
#ifndef SAMPUL_KEYS_H
#define SAMPUL_KEYS_H

#include <sys/stat.h>

#include "../milter.h"

/* Ceilings on what an administrator's files may hold. */
#define KEYSTORE_CERT_MAX	(256 * 1024)	/* octets of cert.pem */
#define KEYSTORE_KEY_MAX	(64 * 1024)	/* octets of key.pem */
#define KEYSTORE_CHAIN_MAX	16		/* certificates in one file */
#define KEYSTORE_ENTRIES_MAX	256		/* folders of one address */
#define KEYSTORE_PASSPHRASE_MAX	1024
#define KEYSTORE_NOTE_MAX	4096	/* octets of override, suspended, ... */

/* ----------------------------------------------------------- keyfile.c --- */

/* Whose files are believed: root, ourselves, and the key process's user. */
struct owners {
	uid_t	 uid[3];
	unsigned count;
};

void	 owners_init(struct owners *owners, const char *key_user);

/*
 * What tells one state of a file from another. A file that was renamed over
 * has another inode; one written in place another mtime and ctime.
 */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
	struct timespec	 ctime;
};

/* Everything that a cached answer was made from. */
struct watch {
	char		*path;	/* below the keystore's directory */
	struct stamp	 stamp;
};

struct watches {
	struct watch	*items;
	size_t		 count;
	size_t		 allocated;
	size_t		 bytes;		/* of memory */
	time_t		 newest;	/* latest ctime among them */
	bool		 incomplete;	/* memory was short */
};

void	 watches_add(struct watches *watches, const char *path,
	    const struct stat *st);
/* Whether all of them are on disk as they were. */
bool	 watches_hold(const struct watches *watches, int dirfd);
void	 watches_clear(struct watches *watches);

/*
 * Opens a folder below dirfd that is no symbolic link, belongs to one of
 * owners and that nobody else may write to. shown names it in sentences.
 */
int	 keyfile_folder(int dirfd, const char *name, const char *shown,
	    const struct owners *owners, struct stat *st,
	    struct smime_error *err);
/*
 * Reads a regular file of at most max octets, likewise, with none of the mode
 * bits of forbidden. NULL with the sentence; errno is ENOENT when it is not
 * there. Freed with OPENSSL_clear_free(buf, *len + 1).
 */
char	*keyfile_read(int dirfd, const char *name, const char *shown,
	    const struct owners *owners, mode_t forbidden, size_t max,
	    size_t *len, struct stat *st, struct smime_error *err);
#define KEYFILE_SECRET	(S_IRWXG | S_IRWXO)
#define KEYFILE_PUBLIC	(S_IWGRP | S_IWOTH)

/* ------------------------------------------------------------- vault.c --- */

/*
 * Keys that their owners have unlocked, until a time of a steady clock in
 * milliseconds. Shared by threads; a vault that is NULL holds nothing.
 */
struct vault;
#define VAULT_KEYS_MAX	16384

struct vault_seen {
	char		 address[ADDRESS_MAX + 1];
	int64_t		 until;
	unsigned	 keys;
};

/* Milliseconds of that clock; it runs while the machine is suspended, too. */
int64_t	 steady_ms(void);
struct vault *vault_new(void);
void	 vault_free(struct vault *vault);
/* Another number after every key put in or taken out. */
uint64_t vault_changes(const struct vault *vault);
/* Takes over key, unless it fails. */
int	 vault_put(struct vault *vault, const char *address, EVP_PKEY *key,
	    int64_t until, struct smime_error *err);
/* A new reference to the key of cert, or NULL. */
EVP_PKEY *vault_find(struct vault *vault, const char *address, X509 *cert,
	    int64_t now);
/* Forgets the keys of address; returns how many there were. */
size_t	 vault_lock(struct vault *vault, const char *address);
/* An address with a key whose time is over, for vault_lock; false: none. */
bool	 vault_expire(struct vault *vault, int64_t now, char *address);
/* When the next one's time is over; INT64_MAX without any. */
int64_t	 vault_next(struct vault *vault);
/* Whose keys are unlocked, in order; freed with free. NULL without memory. */
struct vault_seen *vault_list(struct vault *vault, size_t *count);

/* ------------------------------------------------------------- brake.c --- */

/* Delays between wrong passphrases of an address; for one thread. */
struct brake;

struct brake *brake_new(void);
void	 brake_free(struct brake *brake);
/* Milliseconds until the next try; 0: now. */
int64_t	 brake_wait(struct brake *brake, const char *address, int64_t now);
/* One more wrong one; returns how many in a row. */
unsigned brake_failed(struct brake *brake, const char *address, int64_t now);
void	 brake_forget(struct brake *brake, const char *address);

/* ------------------------------------------------------------ unlock.c --- */

enum unlock_verb {
	UNLOCK_OPEN = 1,
	UNLOCK_LOCK,
	UNLOCK_LOCK_ALL,
	UNLOCK_STATUS,		/* of an address, or of all */
	UNLOCK_PASSPHRASE,	/* the keystore's, new beside the old */
	UNLOCK_PASSPHRASE_DONE	/* the keystore's, from now on alone */
};

enum unlock_result {
	UNLOCK_DONE = 1,
	UNLOCK_WRONG,		/* passphrase; seconds until the next try */
	UNLOCK_WAIT,		/* not tried: seconds to wait */
	UNLOCK_DENIED,
	UNLOCK_NO_KEY,		/* none that an owner's passphrase opens */
	UNLOCK_FAULT
};

#define UNLOCK_TEXT_MAX	255

struct unlock_request {
	enum unlock_verb verb;
	char		 address[ADDRESS_MAX + 1];	/* canonical; or "" */
	size_t		 secret_len;
	char		 secret[KEYSTORE_PASSPHRASE_MAX + 1];
};

struct unlock_answer {
	enum unlock_result result;
	bool		 more;		/* answers follow */
	uint16_t	 keys;
	uint32_t	 seconds;	/* still open, or to wait */
	char		 address[ADDRESS_MAX + 1];
	char		 text[UNLOCK_TEXT_MAX + 1];
};

/* Like channel_put_ and channel_get_. */
ssize_t	 unlock_put_request(const struct unlock_request *request,
	    unsigned char *buf, size_t size);
int	 unlock_get_request(const unsigned char *buf, size_t len,
	    struct unlock_request *out);
void	 unlock_request_clear(struct unlock_request *request);	/* wipes */
ssize_t	 unlock_put_answer(const struct unlock_answer *answer,
	    unsigned char *buf, size_t size);
int	 unlock_get_answer(const unsigned char *buf, size_t len,
	    struct unlock_answer *out);
#define UNLOCK_REQUEST_MAX	2048
#define UNLOCK_ANSWER_MAX	1024

/* ----------------------------------------------------------- anchors.c --- */

enum trusted_kind {
	TRUSTED_ANCHOR,
	TRUSTED_INCOMING,	/* an anchor, for incoming mail alone */
	TRUSTED_INTERMEDIATE,	/* completes a path, is never its end */
	TRUSTED_CRL
};

/* One file in one of the folders; everything borrowed. */
struct trusted_file {
	enum trusted_kind	 kind;
	const char		*path;
	STACK_OF(X509)		*certs;
	X509_CRL		*crl;	/* of TRUSTED_CRL alone */
	const char		*why;	/* why it is left out; then neither */
};

/* "anchor", "incoming-anchor", "intermediate", "crl". */
const char *trusted_word(enum trusted_kind kind);
/* The folder of a kind, or NULL where the configuration names none. */
const char *trusted_directory(const struct conf *conf,
	    enum trusted_kind kind);
/*
 * Shows each every file that counts, kind by kind, in order of their names;
 * ends when it does not return 0. Fails when a folder of certificates cannot
 * be read.
 */
int	 anchors_each(const struct conf *conf,
	    int (*each)(void *arg, const struct trusted_file *file), void *arg,
	    struct smime_error *err);
/*
 * Anchors and intermediates of the configuration (*.pem, *.crt, *.cer, *.der)
 * and revocation lists (*.pem, *.crl). A file that cannot be used is logged and
 * left out; fails without any anchor.
 */
struct trust *anchors_load(const struct conf *conf, struct smime_error *err);

/* ------------------------------------------------------------- entry.c --- */

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

/* ----------------------------------------------------------- keystore.c --- */

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

/* -------------------------------------------------------- passphrase.c --- */

/*
 * The first line of a file that user, root or we ourselves own and that nobody
 * else may read; 0 with *out NULL when it is optional and not there. Freed
 * with OPENSSL_clear_free(*out, *len + 1).
 */
int	 secret_file_read(const char *user, const char *path, bool optional,
	    char **out, size_t *len, struct smime_error *err);

/* ------------------------------------------------------------ secret.c --- */

/* The keystore's passphrase, while it is changed the next, and whence. */
struct secret {
	char	*text;		/* NULL none */
	size_t	 len;
	char	*next;		/* NULL none */
	size_t	 next_len;
	char	*file;
};

int	 secret_read(const struct conf *conf, struct secret *out,
	    struct smime_error *err);
void	 secret_clear(struct secret *secret);
/* Whether the passphrase in memory is the one that conf names. */
bool	 secret_serves(const struct secret *secret, const struct conf *conf);
/* A copy of old with text as the next one or, done, as the only one. */
int	 secret_change(const struct secret *old, const char *text, size_t len,
	    bool done, struct secret *out, struct smime_error *err);

/* -------------------------------------------------------------- keyd.c --- */

/* A configuration and its keystore, counted; a request keeps what it began
 * with. */
struct served {
	struct conf	*conf;
	struct keystore	*store;
	unsigned	 references;
};

struct served *served_take(void);
void	 served_drop(struct served *served);	/* takes NULL */
/* The keystore's passphrase as in secret_change, from the next request on. */
int	 keyd_passphrase(const char *text, size_t len, bool done,
	    struct smime_error *err);

/* ----------------------------------------------------------- unlockd.c --- */

/* While root: makes the socket, finds the groups; nothing where none is
 * configured. */
int	 unlockd_open(const struct conf *conf, struct smime_error *err);
/* A thread that serves it. */
int	 unlockd_start(struct vault *vault, struct smime_error *err);

/* -------------------------------------------------------------- rate.c --- */

/*
 * A ceiling on signatures per address and minute, and "once a day" marks; both
 * in tables of fixed size. Shared by threads.
 */
struct rate;

struct rate *rate_new(void);
void	 rate_free(struct rate *rate);
/* Whether one more is within per_minute at now_ms (a steady clock). */
bool	 rate_take(struct rate *rate, const char *address, unsigned per_minute,
	    int64_t now_ms);
/* True the first time that key is asked for on this day. */
bool	 rate_first_today(struct rate *rate, const char *key, time_t now);

/* ------------------------------------------------------------ answer.c --- */

/*
 * Answers one request: looks its address up, signs, writes the trail. Always an
 * answer, to be freed by key_answer_clear. On any thread.
 */
void	 served_answer(const struct served *served, struct rate *rate,
	    const struct key_request *request, struct key_answer *answer);

#endif
