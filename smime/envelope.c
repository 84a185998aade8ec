/*
 * envelope.c - EnvelopedData (RFC 5652 6) and AuthEnvelopedData (RFC 5083)
 * around a message that streams.
 *
 * OpenSSL makes the content key, the nonce and the RecipientInfos, and hands
 * over its cipher with the key in it; so the key is never ours to lose. All
 * lengths are known beforehand: CBC pads to the next block, GCM adds nothing,
 * and its tag comes last. So the frame around the RecipientInfos is written
 * here, in DER with definite lengths, where OpenSSL would stream in BER, over
 * which gpgsm stumbles.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "cms.h"
#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"
#include "smime_encrypt.h"
#include "trust.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_OID		0x06
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31
#define TAG_0		0xa0
#define TAG_CONTENT	0x80	/* [0] IMPLICIT OCTET STRING */

#define AES_BLOCK	16
#define PIECE		16384

struct envelope {
	enum smime_cipher	 cipher;
	uint64_t		 plain;		/* octets that will come */
	uint64_t		 sealed;	/* and what they become */
	struct der		 head;		/* up to the ciphertext */
	BIO			*chain;		/* of OpenSSL's; NULL when the
						 * key was used */
	EVP_CIPHER_CTX		*ctx;		/* in chain */
	smime_sink		 sink;
	void			*arg;
	struct smime_error	*err;		/* of the call that runs */
	uint64_t		 taken;
	uint64_t		 given;
	unsigned char		 piece[PIECE + AES_BLOCK];
};

const char *
smime_cipher_word(enum smime_cipher cipher)
{
	switch (cipher) {
	case CIPHER_AES256_GCM:
		return "aes256-gcm";
	case CIPHER_AES128_GCM:
		return "aes128-gcm";
	case CIPHER_AES256_CBC:
		break;
	}
	return "aes256-cbc";
}

enum smime_cipher
smime_cipher_choose(unsigned capabilities)
{
	if ((capabilities & SMIME_CAP_AES256_GCM) != 0)
		return CIPHER_AES256_GCM;
	if ((capabilities & SMIME_CAP_AES128_GCM) != 0)
		return CIPHER_AES128_GCM;
	return CIPHER_AES256_CBC;
}

/* ---------------------------------------------------------- recipients --- */

/*
 * RFC 8551 2.3. OAEP with the parameters that it has without any (SHA-1 in
 * MGF1, where collisions do no harm): the ones that all who have it read. The
 * KDF of ECDH would be by SHA-1, too, but for us (ENC-09).
 */
static bool
add_recipient(CMS_ContentInfo *cms, const struct recipient *recipient)
{
	CMS_RecipientInfo *info;
	EVP_PKEY_CTX *ctx;

	info = CMS_add1_recipient_cert(cms, recipient->cert,
	    recipient->oaep ? CMS_KEY_PARAM : 0);
	if (info == NULL)
		return false;
	if (CMS_RecipientInfo_type(info) == CMS_RECIPINFO_AGREE) {
		ctx = CMS_RecipientInfo_get0_pkey_ctx(info);
		return ctx != NULL &&
		    EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) > 0;
	}
	if (!recipient->oaep)
		return true;
	ctx = CMS_RecipientInfo_get0_pkey_ctx(info);
	return ctx != NULL && EVP_PKEY_CTX_set_rsa_padding(ctx,
	    RSA_PKCS1_OAEP_PADDING) > 0;
}

static bool
is_double(const struct recipient *recipients, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (cert_is_same(recipients[i].cert, recipients[n].cert))
			return true;
	return false;
}

static int
add_recipients(CMS_ContentInfo *cms, const struct recipient *recipients,
    size_t count, struct smime_error *err)
{
	char subject[200];
	size_t i;

	for (i = 0; i < count; i++) {
		if (is_double(recipients, i))
			continue;
		cert_subject(recipients[i].cert, subject, sizeof(subject));
		if (cert_key_problem(X509_get0_pubkey(recipients[i].cert)) !=
		    CERT_OK)
			return smime_error_setx(err, "the certificate %s: %s",
			    subject, cert_problem_text(CERT_ENCRYPTION_KEY,
			    false));
		if (!add_recipient(cms, &recipients[i]))
			return smime_error_crypto(err, "cannot encrypt to %s",
			    subject);
	}
	return 0;
}

/* ----------------------------------------------------------------- frame --- */

struct parts {
	struct der	type;
	struct der	version;
	struct der	infos;
	struct der	data;
	struct der	algorithm;
};

/* What OpenSSL encodes while there is no content yet. */
static bool
take_apart(const unsigned char *der, size_t len, struct parts *out)
{
	struct der in = { der, len }, all, outer, enveloped, content, unused;

	return der_take(&in, TAG_SEQUENCE, &all, NULL) && in.len == 0 &&
	    der_take(&all, TAG_OID, &unused, &out->type) &&
	    der_take(&all, TAG_0, &outer, NULL) && all.len == 0 &&
	    der_take(&outer, TAG_SEQUENCE, &enveloped, NULL) &&
	    outer.len == 0 &&
	    der_take(&enveloped, TAG_INTEGER, &unused, &out->version) &&
	    der_take(&enveloped, TAG_SET, &unused, &out->infos) &&
	    der_take(&enveloped, TAG_SEQUENCE, &content, NULL) &&
	    der_take(&content, TAG_OID, &unused, &out->data) &&
	    der_take(&content, TAG_SEQUENCE, &unused, &out->algorithm) &&
	    content.len == 0;
}

#define HEADERS_MAX	64	/* five headers of at most nine octets */

/* From the inside out; everything but the ciphertext and the tag. */
static bool
make_head(struct envelope *envelope, const struct parts *parts)
{
	size_t sealed = (size_t)envelope->sealed;
	size_t content, enveloped, outer, all, size;
	unsigned char *buf, *p;

	content = parts->data.len + parts->algorithm.len +
	    der_header_size(sealed) + sealed;
	enveloped = parts->version.len + parts->infos.len +
	    der_header_size(content) + content +
	    envelope_tail_size(envelope->cipher);
	outer = der_header_size(enveloped) + enveloped;
	all = parts->type.len + der_header_size(outer) + outer;
	size = HEADERS_MAX + parts->type.len + parts->version.len +
	    parts->infos.len + parts->data.len + parts->algorithm.len;
	if ((buf = OPENSSL_malloc(size)) == NULL)
		return false;
	p = der_put_header(buf, TAG_SEQUENCE, all);
	p = der_put(p, &parts->type);
	p = der_put_header(p, TAG_0, outer);
	p = der_put_header(p, TAG_SEQUENCE, enveloped);
	p = der_put(p, &parts->version);
	p = der_put(p, &parts->infos);
	p = der_put_header(p, TAG_SEQUENCE, content);
	p = der_put(p, &parts->data);
	p = der_put(p, &parts->algorithm);
	p = der_put_header(p, TAG_CONTENT, sealed);
	envelope->head.p = buf;
	envelope->head.len = (size_t)(p - buf);
	return true;
}

/* ---------------------------------------------------------------- sealing --- */

static const EVP_CIPHER *
cipher_of(enum smime_cipher cipher)
{
	switch (cipher) {
	case CIPHER_AES256_GCM:
		return EVP_aes_256_gcm();
	case CIPHER_AES128_GCM:
		return EVP_aes_128_gcm();
	case CIPHER_AES256_CBC:
		break;
	}
	return EVP_aes_256_cbc();
}

/* OpenSSL's cipher, with the key in it; nothing is written through its BIO. */
static bool
take_cipher(struct envelope *envelope, CMS_ContentInfo *cms)
{
	BIO *nowhere = BIO_new(BIO_s_null()), *cipher;

	if (nowhere == NULL)
		return false;
	if ((envelope->chain = CMS_dataInit(cms, nowhere)) == NULL) {
		BIO_free(nowhere);
		return false;
	}
	cipher = BIO_find_type(envelope->chain, BIO_TYPE_CIPHER);
	return cipher != NULL &&
	    BIO_get_cipher_ctx(cipher, &envelope->ctx) == 1 &&
	    envelope->ctx != NULL;
}

static int
make(struct envelope *envelope, CMS_ContentInfo *cms,
    const struct recipient *recipients, size_t count, struct smime_error *err)
{
	unsigned char *der = NULL;
	struct parts parts;
	int len, rc = -1;

	if (add_recipients(cms, recipients, count, err) != 0)
		return -1;
	if (!take_cipher(envelope, cms) ||
	    (len = i2d_CMS_ContentInfo(cms, &der)) < 0)
		return smime_error_crypto(err, "cannot make a content key");
	if (!take_apart(der, (size_t)len, &parts))
		smime_error_setx(err, "OpenSSL made an unknown envelope");
	else if (!make_head(envelope, &parts))
		smime_error_setx(err, "out of memory");
	else
		rc = envelope_check(envelope->head.p, envelope->head.len,
		    envelope->sealed, envelope->cipher, recipients, count,
		    err);
	OPENSSL_free(der);
	return rc;
}

struct envelope *
envelope_new(enum smime_cipher cipher, const struct recipient *recipients,
    size_t count, uint64_t plain, struct smime_error *err)
{
	struct envelope *envelope;
	CMS_ContentInfo *cms;
	int rc;

	ERR_clear_error();
	if (count == 0 || count > RECIPIENTS_MAX || plain > UINT32_MAX / 2) {
		smime_error_setx(err, count == 0 ? "nobody to encrypt to" :
		    count > RECIPIENTS_MAX ? "too many recipients" :
		    "the message is too long for an envelope");
		return NULL;
	}
	if ((envelope = calloc(1, sizeof(*envelope))) == NULL) {
		smime_error_set(err, "an envelope");
		return NULL;
	}
	envelope->cipher = cipher;
	envelope->plain = plain;
	envelope->sealed = cipher == CIPHER_AES256_CBC ?
	    (plain / AES_BLOCK + 1) * AES_BLOCK : plain;
	cms = cipher == CIPHER_AES256_CBC ?
	    CMS_EnvelopedData_create(cipher_of(cipher)) :
	    CMS_AuthEnvelopedData_create(cipher_of(cipher));
	rc = cms == NULL ? smime_error_crypto(err, "cannot make an envelope") :
	    make(envelope, cms, recipients, count, err);
	CMS_ContentInfo_free(cms);
	if (rc != 0) {
		envelope_free(envelope);
		return NULL;
	}
	return envelope;
}

void
envelope_free(struct envelope *envelope)
{
	if (envelope == NULL)
		return;
	BIO_free_all(envelope->chain);
	der_free(&envelope->head);
	free(envelope);
}

uint64_t
envelope_size(const struct envelope *envelope)
{
	return envelope->head.len + envelope->sealed +
	    envelope_tail_size(envelope->cipher);
}

/* --------------------------------------------------------------- writing --- */

int
envelope_begin(struct envelope *envelope, smime_sink sink, void *arg,
    struct smime_error *err)
{
	/* A second text under one key and nonce would give both away. */
	if (envelope->chain == NULL || envelope->given > 0)
		return smime_error_setx(err,
		    "the envelope was written already");
	envelope->sink = sink;
	envelope->arg = arg;
	envelope->err = err;
	envelope->given = envelope->head.len;
	if (sink(arg, envelope->head.p, envelope->head.len) != 0)
		return smime_error_setx(err, "the message was not taken");
	return 0;
}

static int
give(struct envelope *envelope, int len)
{
	envelope->given += (size_t)len;
	return len == 0 ? 0 : envelope->sink(envelope->arg, envelope->piece,
	    (size_t)len);
}

int
envelope_put(void *arg, const unsigned char *buf, size_t len)
{
	struct envelope *envelope = arg;
	size_t n;
	int out;

	if (len > envelope->plain - envelope->taken)
		return smime_error_setx(envelope->err,
		    "the message is longer than it was said to be");
	envelope->taken += len;
	for (; len > 0; buf += n, len -= n) {
		n = len < PIECE ? len : PIECE;
		if (EVP_EncryptUpdate(envelope->ctx, envelope->piece, &out,
		    buf, (int)n) != 1)
			return smime_error_crypto(envelope->err,
			    "cannot encrypt");
		if (give(envelope, out) != 0)
			return -1;
	}
	return 0;
}

/* RFC 5083 2.1: mac comes behind the content. */
static int
end(struct envelope *envelope, struct smime_error *err)
{
	unsigned char *p = envelope->piece;
	int out;

	if (envelope->taken != envelope->plain)
		return smime_error_setx(err,
		    "the message is shorter than it was said to be");
	if (EVP_EncryptFinal_ex(envelope->ctx, envelope->piece, &out) != 1)
		return smime_error_crypto(err, "cannot encrypt");
	if (give(envelope, out) != 0)
		return smime_error_setx(err, "the message was not taken");
	if (envelope->given != envelope->head.len + envelope->sealed)
		return smime_error_setx(err,
		    "the ciphertext is not as long as it should be");
	if (envelope->cipher == CIPHER_AES256_CBC)
		return 0;
	p = der_put_header(p, TAG_OCTETS, ENVELOPE_TAG);
	if (EVP_CIPHER_CTX_ctrl(envelope->ctx, EVP_CTRL_AEAD_GET_TAG,
	    ENVELOPE_TAG, p) != 1)
		return smime_error_crypto(err, "no authentication tag");
	if (give(envelope, (int)envelope_tail_size(envelope->cipher)) != 0)
		return smime_error_setx(err, "the message was not taken");
	return 0;
}

int
envelope_end(struct envelope *envelope, struct smime_error *err)
{
	int rc = end(envelope, err);

	/* The key goes with it. */
	BIO_free_all(envelope->chain);
	envelope->chain = NULL;
	envelope->ctx = NULL;
	return rc;
}
