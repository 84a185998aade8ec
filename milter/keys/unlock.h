/*
 * unlock.h - keys that their owners open for a while: where they are kept,
 * and how that is asked for.
 */
#ifndef SAMPUL_UNLOCK_H
#define SAMPUL_UNLOCK_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "keyfile.h"

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

#endif
