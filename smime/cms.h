/*
 * cms.h - SignedData and EnvelopedData as this library writes them, made and
 * taken apart again to be checked. The library's own.
 */
#ifndef SMIME_CMS_H
#define SMIME_CMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "der.h"
#include "smime_base.h"
#include "smime_encrypt.h"
#include "smime_sign.h"

/* -------------------------------------------------------------- cms.c --- */

#define CMS_CERTIFICATES_MAX	16

/*
 * A SignedData as this library writes it (RFC 5652 5.1), taken apart: every
 * member is borrowed from the DER and is the whole element unless it says
 * otherwise.
 */
struct cms_signed {
	struct der	digest;		/* the one digestAlgorithm */
	struct der	certificates[CMS_CERTIFICATES_MAX];
	size_t		certificate_count;
	struct der	signer_issuer;	/* issuerAndSerialNumber */
	struct der	signer_serial;
	struct der	signer_digest;
	struct der	attributes;	/* signedAttrs, with the tag [0] */
	struct der	algorithm;	/* signatureAlgorithm */
	struct der	signature;	/* contents of the OCTET STRING */
	struct der	content_type;	/* the attributes' single values */
	struct der	message_digest;	/* contents of the OCTET STRING */
	struct der	signing_time;
	struct der	signing_certificate;
	struct der	protection;
	struct der	before;		/* SignedData before encapContentInfo */
	struct der	after;		/* and behind it */
};

/*
 * Strict: DER throughout, nothing behind the end, id-data without content, one
 * digest, one signer known by issuer and serial number, no CRLs, no unsigned
 * attributes, signed attributes sorted, each kind once and with one value.
 */
int	 cms_signed_read(const unsigned char *der, size_t len,
	    struct cms_signed *out, struct smime_error *err);

/* -------------------------------------------------------- envelope.c --- */

/*
 * A message on its way into an EnvelopedData or AuthEnvelopedData for these
 * recipients; plain is how many octets will come. From begin to end once.
 */
struct envelope;

struct envelope *envelope_new(enum smime_cipher cipher,
	    const struct recipient *recipients, size_t count, uint64_t plain,
	    struct smime_error *err);
void	 envelope_free(struct envelope *envelope);
/* Octets of DER, all of it. */
uint64_t envelope_size(const struct envelope *envelope);
/* sink gets DER. */
int	 envelope_begin(struct envelope *envelope, smime_sink sink, void *arg,
	    struct smime_error *err);
/* A sink, for what is to be encrypted; arg is the envelope. */
int	 envelope_put(void *arg, const unsigned char *buf, size_t len);
int	 envelope_end(struct envelope *envelope, struct smime_error *err);

/* --------------------------------------------------- envelope_read.c --- */

/* Everything borrowed from the DER. */
struct recipient_info {
	bool		transport;	/* RSA, else agreement by EC */
	struct der	name;		/* issuerAndSerialNumber, whole */
	struct der	algorithm;	/* keyEncryptionAlgorithm, whole */
	struct der	key;		/* encryptedKey, contents */
	struct der	point;		/* agreement: the ephemeral key, of
					 * the BIT STRING the octets */
};

struct enveloped {
	enum smime_cipher	cipher;
	struct der		version;	/* contents */
	struct der		nonce;		/* or IV, contents */
	struct der		infos;		/* contents of the SET */
};

#define ENVELOPE_TAG	16		/* octets of the GCM tag */

/* Octets of DER behind the ciphertext. */
size_t	 envelope_tail_size(enum smime_cipher cipher);
/*
 * Strict: what envelope.c writes up to the ciphertext, which is so many octets
 * long, with lengths that are right for all of it.
 */
bool	 enveloped_read(const unsigned char *head, size_t len, uint64_t sealed,
	    struct enveloped *out);
/* The next RecipientInfo; false when it is none that we write. */
bool	 recipient_info_take(struct der *infos, struct recipient_info *out);
/*
 * What must hold before an MTA gets it: the recipients that were asked for,
 * each once and nobody else, each by the algorithm asked for, with lengths that
 * fit their keys.
 */
int	 envelope_check(const unsigned char *head, size_t len,
	    uint64_t sealed, enum smime_cipher cipher,
	    const struct recipient *recipients, size_t count,
	    struct smime_error *err);

/* ------------------------------------------------------- checkcache.c --- */

/* A reference of the caller's to the certificate of that SHA-256, or NULL. */
X509	*check_cache_get(struct check_cache *cache,
	    const unsigned char hash[32]);
/* Takes a reference of its own. */
void	 check_cache_put(struct check_cache *cache,
	    const unsigned char hash[32], X509 *cert);

#endif
