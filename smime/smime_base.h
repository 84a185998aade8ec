/*
 * smime_base.h - what everything else of the library rests on: errors, text
 * from outside, where octets go to and are kept, digests.
 */
#ifndef SAMPUL_SMIME_BASE_H
#define SAMPUL_SMIME_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

/* ------------------------------------------------------------- errors --- */

#define SMIME_ERROR_MAX	512

struct smime_error {
	char	text[SMIME_ERROR_MAX];	/* "" while nothing failed */
};

/*
 * Sets the sentence unless one is there already. smime_error_set appends the
 * text of errno (for a failing system call), smime_error_setx does not, and
 * smime_error_crypto drains OpenSSL's error queue into it. All return -1, so
 * that a caller may write "return smime_error_setx(...)". err may be NULL.
 */
int	 smime_error_set(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 smime_error_setx(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 smime_error_crypto(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/*
 * Copies len octets of untrusted text to out (size octets with the NUL), each
 * octet outside printable ASCII as '?', cut with "..." where it is too long.
 * Returns out. For everything that goes to a log line or a sentence.
 */
char	*smime_printable(const void *text, size_t len, char *out, size_t size);

/*
 * Takes one character of UTF-8 off the text. *c receives it, also from an
 * overlong form, since lax readers accept those; an octet that begins none is
 * taken alone as U+FFFD. False: the octets are not valid UTF-8.
 */
bool	 utf8_take(const unsigned char **p, const unsigned char *end,
	    uint32_t *c);

/*
 * Wipes and frees what held a part of a message; NULL is nothing. wipe_text
 * for one that ends in NUL.
 */
void	 wipe_free(void *buf, size_t len);
void	 wipe_text(char *text);

/*
 * Has libcrypto read now what it would read from files when it first needs it;
 * for programs that will not be able to open them later. May be called again.
 */
void	 smime_load(void);

/* ---------------------------------------------------------------- sink --- */

/* Takes the next octets of an output; returns 0, or -1 to stop. */
typedef int (*smime_sink)(void *arg, const unsigned char *buf, size_t len);

/* --------------------------------------------------------------- spool --- */

/*
 * The body store: memory up to a ceiling, then an unlinked file, mode 0600, in
 * dir. Contents are wiped from memory when freed. Not shared by threads.
 */
struct spool;

struct spool *spool_new(const char *dir, size_t memory);
void	 spool_free(struct spool *spool);
/* Appends. Fails when the disk is full or memory is short. */
int	 spool_write(struct spool *spool, const void *buf, size_t len,
	    struct smime_error *err);
uint64_t spool_size(const struct spool *spool);
/*
 * Reads up to len octets at offset; *got receives how many (0 only at the
 * end).
 */
int	 spool_read(struct spool *spool, uint64_t offset, void *buf,
	    size_t len, size_t *got, struct smime_error *err);
/*
 * Has all of it in the file, for somebody else to read: the descriptor, which
 * is borrowed, or -1. Nothing may be written afterwards.
 */
int	 spool_descriptor(struct spool *spool, struct smime_error *err);

/* -------------------------------------------------------------- digest --- */

enum smime_digest {
	SMIME_SHA256 = 0,
	SMIME_SHA384,
	SMIME_SHA512
};
#define SMIME_DIGEST_MAX	64

/* Not freed by the caller; NULL only when threads fail. */
const EVP_MD *smime_digest_md(enum smime_digest digest);
/* "sha-256" and so on, the spelling of micalg (RFC 8551 3.5.3.2). */
const char *smime_digest_micalg(enum smime_digest digest);
size_t	 smime_digest_size(enum smime_digest digest);
/* SHA-256 of something, as a name for it; -1 when libcrypto fails. */
int	 smime_fingerprint(const void *buf, size_t len, unsigned char out[32]);

#endif
