/*
 * smime_cert.h - what a certificate says and whether it is fit for its owner;
 * private keys, in files and elsewhere.
 */
#ifndef SAMPUL_SMIME_CERT_H
#define SAMPUL_SMIME_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "smime_base.h"

/* ------------------------------------------------------- certificates --- */

#define SERIAL_TEXT_MAX	64	/* 20 octets in hex, with room */

enum cert_problem {		/* each has a sentence: cert_problem_text */
	CERT_OK = 0,
	CERT_KEY_MISMATCH,	/* private key belongs to another certificate */
	CERT_EXPIRED,
	CERT_NOT_YET_VALID,
	CERT_NO_ADDRESS,	/* no e-mail address in it at all */
	CERT_OTHER_ADDRESS,	/* addresses, but not this one */
	CERT_KEY_USAGE,		/* keyUsage forbids signatures (CRT-20) */
	CERT_EXTENDED_KEY_USAGE, /* EKU without emailProtection (CRT-21) */
	CERT_DOCUMENT_PROFILE,	/* BSrE's PDF-signing profile: EKU Adobe only */
	CERT_WEAK_KEY,		/* RSA < 2048 or > 8192, odd curve (SIG-42) */
	CERT_KEY_TYPE,		/* no algorithm we sign with */
	CERT_WEAK_SIGNATURE,	/* issued with MD5 or SHA-1 (CRT-13) */
	CERT_UNKNOWN_ISSUER,	/* no chain to a configured anchor */
	CERT_REVOKED,
	CERT_IS_CA,
	CERT_CRITICAL_EXTENSION, /* one we do not understand (CRT-10) */
	CERT_ENCRYPTION_USAGE,	/* keyUsage forbids encrypting to it (ENC-06) */
	CERT_ENCRYPTION_KEY,	/* no key that we encrypt to */
	CERT_CRL_MISSING,	/* of a recipient alone: recipient_check */
	CERT_CRL_STALE
};
#define CERT_PROBLEMS_MAX	20

struct cert_findings {
	enum cert_problem problem[CERT_PROBLEMS_MAX];
	size_t		 count;		/* 0: fit for what was asked */
};

/* One sentence with the remedy, static; id: Indonesian, else English. */
const char *cert_problem_text(enum cert_problem problem, bool id);
/* A short stable word for logs and scripts, such as "expired". */
const char *cert_problem_word(enum cert_problem problem);

/*
 * Every rule that a signing certificate for address must keep at time now,
 * one by one, but for the chain (trust_check) and the key. address may be
 * NULL: address rules are then not asked. Findings are in table order.
 */
void	 cert_check_signing(X509 *cert, const char *address, time_t now,
	    struct cert_findings *out);
/*
 * Likewise for encrypting to the owner of address (ENC-06, ENC-07), but for
 * chain and revocation: recipient_check asks those too.
 */
void	 cert_check_encryption(X509 *cert, const char *address, time_t now,
	    struct cert_findings *out);
bool	 cert_has_finding(const struct cert_findings *findings,
	    enum cert_problem problem);
/*
 * Whether the certificate names this canonical address: rfc822Name in
 * subjectAltName; subject emailAddress only where there is no rfc822Name
 * (CRT-33); entries with NUL, control characters, white space or quotes are
 * ignored (CRT-34).
 */
bool	 cert_has_email(X509 *cert, const char *address);
/* Calls each() with each usable address in canonical form. */
void	 cert_each_email(X509 *cert, void (*each)(void *arg,
	    const char *address), void *arg);
/* Upper-case hex of the serial number. */
void	 cert_serial(X509 *cert, char *out, size_t size);
/*
 * The certificate that der begins with; *used receives its octets. NULL: there
 * is none, or, errno being ENOMEM, none for now. Errors stay in libcrypto's
 * queue.
 */
X509	*cert_parse(const unsigned char *der, size_t len, size_t *used);
/* SHA-256 over the DER, 32 octets. */
int	 cert_fingerprint(X509 *cert, unsigned char out[32]);
/* Subject common name, printable ASCII or UTF-8 as it stands; "" without. */
void	 cert_common_name(X509 *cert, char *out, size_t size);
/* RFC 2253 one line of subject (or issuer), printable. */
void	 cert_subject(X509 *cert, char *out, size_t size);
void	 cert_issuer(X509 *cert, char *out, size_t size);
time_t	 cert_not_before(X509 *cert);
time_t	 cert_not_after(X509 *cert);
/* The digest that a signature by this key uses: P-384 SHA-384, else SHA-256. */
enum smime_digest cert_digest(X509 *cert);
/* "RSA-2048", "P-256", ...; "unknown". */
void	 cert_key_name(X509 *cert, char *out, size_t size);
/* RSA (key transport), not EC (key agreement): INTEROP wants them apart. */
bool	 cert_is_rsa(X509 *cert);
/*
 * Reads certificates from PEM text, or one from DER; those of a certs-only
 * SignedData (.p7b) likewise. On success *out is a stack the caller frees with sk_X509_pop_free(out, X509_free), at least one.
 * max bounds how many. what names the source in the sentence on failure.
 */
int	 cert_read(const void *buf, size_t len, size_t max, const char *what,
	    STACK_OF(X509) **out, struct smime_error *err);

/* ---------------------------------------------------------------- keys --- */

/*
 * Reads one private key from PEM (PKCS#8, encrypted or not, and the old
 * per-algorithm forms) or PKCS#8 DER. *encrypted (may be NULL) says whether it
 * was. passphrase may be NULL. The caller frees with EVP_PKEY_free.
 */
EVP_PKEY *key_read(const void *buf, size_t len, const char *passphrase,
	    size_t passphrase_len, const char *what, bool *encrypted,
	    struct smime_error *err);
/*
 * Whether what the key signs verifies with the certificate. To compare public
 * halves is not enough: a damaged file may hold the right one beside private
 * numbers that are wrong. Makes one signature, of a text that says so.
 */
bool	 key_signs_for(EVP_PKEY *key, X509 *cert);
/*
 * PEM of the key as encrypted PKCS#8: PBES2, AES-256-CBC, PBKDF2 with
 * HMAC-SHA-256 and so many iterations. *out is freed with
 * OPENSSL_clear_free(*out, *len).
 */
int	 key_write(EVP_PKEY *key, const char *passphrase,
	    size_t passphrase_len, int iterations, char **out, size_t *len,
	    struct smime_error *err);

/* ------------------------------------------------------ keys elsewhere --- */

enum raw_kind { RAW_RSA, RAW_PSS, RAW_ECDSA };
#define RAW_SIGNATURE_MAX	1024	/* RSA-8192 */

/* A signature of a digest, with nothing around it. */
struct raw_request {
	enum raw_kind		 kind;	/* RAW_PSS: salt as the digest, MGF1
					 * with the same (RFC 4056 3) */
	enum smime_digest	 digest;
	unsigned char		 value[SMIME_DIGEST_MAX];
};

/* Has it made: *len is the room in out and becomes the length. */
typedef int elsewhere_fn(void *arg, const struct raw_request *request,
	    unsigned char *out, size_t *len, struct smime_error *err);
/*
 * A key for signer_new whose private half is not here: cert's public half, and
 * sign with its arg. release (may be NULL) is called with arg when the last
 * reference is freed by EVP_PKEY_free; on failure, NULL, arg stays the
 * caller's.
 */
EVP_PKEY *key_elsewhere(X509 *cert, elsewhere_fn *sign, void *arg,
	    void (*release)(void *arg), struct smime_error *err);
bool	 key_is_elsewhere(const EVP_PKEY *key);
/* Its arg, borrowed; NULL for other keys. */
void	*key_elsewhere_arg(const EVP_PKEY *key);
/* Whether it signs and the signature verifies; -1 with the sentence. */
int	 key_elsewhere_try(EVP_PKEY *key, struct smime_error *err);

/* A PKCS#11 module, for as long as the process lives. */
struct token;

enum token_result { TOKEN_SIGNED = 1, TOKEN_PIN_WRONG, TOKEN_LOST };

struct token *token_open(const char *module, struct smime_error *err);
/*
 * Has the key that uri names sign, and logs in with pin where that is needed,
 * trying it once. err says why there is no signature.
 */
enum token_result token_sign(struct token *token, const char *uri,
	    const char *pin, const struct raw_request *request,
	    unsigned char *out, size_t *len, struct smime_error *err);

#endif
