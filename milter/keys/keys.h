/*
 * keys.h - what the files of the key process share, grouped by file.
 *
 * From the bottom up: keyfile.c opens a file and judges owner and mode;
 * entry.c reads one certificate's folder; mailbox.c all folders of an address
 * and which of them signs; keycache.c keeps results; keystore.c joins them.
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
bool	 owners_has(const struct owners *owners, uid_t uid);

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
/*
 * Opens the private key and proves that it belongs to the certificate; on
 * failure the entry's state and text change.
 */
int	 entry_open_key(const struct key_context *context, int mailbox,
	    struct watches *watches, struct entry *entry);
void	 entry_clear(struct entry *entry);
/* Findings that an override file takes responsibility for. */
bool	 entry_may_pin(enum cert_problem problem);
/* Puts problem in its place among the findings, once. */
void	 entry_add_finding(struct cert_findings *findings,
	    enum cert_problem problem);

/* ----------------------------------------------------------- mailbox.c --- */

/* All folders of one address, newest first. */
struct mailbox {
	struct entry	*entries;
	size_t		 count;
	struct watches	 watches;
	int		 fd;		/* of the address's folder */
	time_t		 from, until;	/* when the choice is the same */
	bool		 suspended;	/* all of it, what is to come too */
};

/*
 * Fails when the folder cannot be read; *missing when there is none.
 */
int	 mailbox_read(const struct key_context *context, const char *address,
	    time_t now, struct mailbox *out, bool *missing,
	    struct smime_error *err);
/*
 * The entry that signs, its key open: the newest usable one whose key opens.
 * NULL: none.
 */
struct entry *mailbox_choose(const struct key_context *context,
	    struct mailbox *mailbox);
/* The newest certificate that is fit for encryption alone, or NULL. */
X509	*mailbox_encryption(const struct mailbox *mailbox);
/*
 * Why none signs, in one sentence; *missing false when something of ours is
 * wrong with an entry, so that waiting may help.
 */
void	 mailbox_reason(const struct mailbox *mailbox, bool *missing,
	    struct smime_error *err);
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
	bool			 missing;	/* without signer */
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

#endif
