/*
 * smime_encrypt.h - encrypting: what readers are able to read, whose
 * certificate may be used, and the envelope.
 */
#ifndef SAMPUL_SMIME_ENCRYPT_H
#define SAMPUL_SMIME_ENCRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_sign.h"
#include "smime_trust.h"
#include "smime_verify.h"

/* -------------------------------------------------------- capabilities --- */

/* Capabilities to announce (RFC 8551 2.5.2), in order of preference. */
#define SMIME_CAP_AES256_GCM	0x01
#define SMIME_CAP_AES128_GCM	0x02
#define SMIME_CAP_AES256_CBC	0x04
#define SMIME_CAP_AES128_CBC	0x08
/* Read, never announced: who may read a key by RSAES-OAEP (RFC 3560 4). */
#define SMIME_CAP_RSA_OAEP	0x10

/*
 * SMIMECapabilities (RFC 8551 2.5.2) as SMIME_CAP_ flags; what is not known is
 * stepped over. false: it is none; *out is then 0.
 */
bool	 capabilities_read(const unsigned char *der, size_t len,
	    unsigned *out);
/* Those in the certificate's own extension (RFC 4262); 0 without. */
unsigned cert_capabilities(X509 *cert);

/* ---------------------------------------------------------- recipients --- */

/* Everything here is borrowed. */
struct recipient_settings {
	const struct trust	*trust;
	uint64_t		 generation;	/* another for another trust */
	struct verify_cache	*cache;		/* may be NULL; the verifier's
						 * will do */
	time_t			 now;
	bool			 crl_soft_fail;	/* a missing or stale list does
						 * not keep from encrypting */
};

struct recipient_findings {
	struct cert_findings	 findings;	/* count 0: may be used */
	enum revocation		 revocation;	/* UNASKED without a path */
	char			 detail[200];	/* English, for the log: about
						 * the path, or "" */
};

/*
 * Whether mail for address (canonical) may be encrypted to the certificate:
 * every rule of cert_check_encryption, the path to an anchor, the revocation of
 * all of it (ENC-05 to ENC-07). OpenSSL would encrypt to anything. extra (may
 * be NULL) are further intermediates. Returns -1 for a fault of ours only: out
 * is then of no use, and the message is to be kept. From any thread.
 */
int	 recipient_check(const struct recipient_settings *settings, X509 *cert,
	    STACK_OF(X509) *extra, const char *address,
	    struct recipient_findings *out, struct smime_error *err);

/* ---------------------------------------------------------- encrypting --- */

/*
 * AES-GCM is the better one, but Thunderbird 153 shows nothing of it, and
 * gpgsm and NSS refuse it: for those alone who are known to read it.
 */
enum smime_cipher {
	CIPHER_AES256_CBC = 0,	/* EnvelopedData (RFC 5652 6) */
	CIPHER_AES256_GCM,	/* AuthEnvelopedData (RFC 5083) */
	CIPHER_AES128_GCM
};

/* "aes256-cbc" and so on; static. */
const char *smime_cipher_word(enum smime_cipher cipher);
/* The best that all read; capabilities are those they have in common. */
enum smime_cipher smime_cipher_choose(unsigned capabilities);

#define RECIPIENTS_MAX	1000	/* certificates in one message */

/*
 * For whom a message is encrypted. Whether that is right, recipient_check has
 * said before. A certificate that is there twice counts once.
 */
struct recipient {
	X509	*cert;		/* borrowed while compose_encrypted runs */
	bool	 oaep;		/* RSA: RSAES-OAEP, not PKCS#1 v1.5 */
};

/*
 * Puts a message of compose_signed into an envelope for exactly these (ENC-13):
 * definite lengths, a fresh key and nonce (ENC-10), and checked as far as that
 * goes without a private key. inner is borrowed until the result is freed; one
 * signed message may go into several envelopes, one after the other. The
 * result is written once: its key is gone afterwards.
 */
struct composed *compose_encrypted(struct composed *inner,
	    enum smime_cipher cipher, const struct recipient *recipients,
	    size_t count, struct smime_error *err);

#endif
