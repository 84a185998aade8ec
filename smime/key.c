/*
 * key.c - private keys in files.
 *
 * Everything that held a key or a passphrase is wiped where it was ours.
 */
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "smime_base.h"
#include "smime_cert.h"

/* What OpenSSL asks us for, instead of the terminal. */
struct question {
	const char	*passphrase;
	size_t		 len;
	bool		 asked;
};

static int
answer(char *buf, int size, int writing, void *arg)
{
	struct question *question = arg;

	(void)writing;
	question->asked = true;
	if (question->passphrase == NULL || size < 0 ||
	    question->len > (size_t)size)
		return -1;
	memcpy(buf, question->passphrase, question->len);
	return (int)question->len;
}

/* ---------------------------------------------------------------- cost --- */

/*
 * The file says how much work its passphrase is (RFC 8018 4.2, RFC 7914 2),
 * and would be believed up to hours.
 */
#define ITERATIONS_MAX	5000000
#define SCRYPT_MAX	(1 << 22)	/* N * r * p; openssl writes 1 << 17 */

static bool
is_within(const ASN1_INTEGER *number, int64_t max, int64_t *out)
{
	return ASN1_INTEGER_get_int64(out, number) == 1 && *out > 0 &&
	    *out <= max;
}

static bool
is_cheap_pbkdf2(const ASN1_TYPE *parameter)
{
	PBKDF2PARAM *kdf = ASN1_TYPE_unpack_sequence(
	    ASN1_ITEM_rptr(PBKDF2PARAM), parameter);
	int64_t n;
	bool cheap = kdf != NULL && is_within(kdf->iter, ITERATIONS_MAX, &n);

	PBKDF2PARAM_free(kdf);
	return cheap;
}

static bool
is_cheap_scrypt(const ASN1_TYPE *parameter)
{
	SCRYPT_PARAMS *kdf = ASN1_TYPE_unpack_sequence(
	    ASN1_ITEM_rptr(SCRYPT_PARAMS), parameter);
	int64_t n, r, p;
	bool cheap = kdf != NULL &&
	    is_within(kdf->costParameter, SCRYPT_MAX, &n) &&
	    is_within(kdf->blockSize, SCRYPT_MAX / n, &r) &&
	    is_within(kdf->parallelizationParameter, SCRYPT_MAX / n / r, &p);

	SCRYPT_PARAMS_free(kdf);
	return cheap;
}

/* PBES1 (RFC 8018 6.1) and PKCS#12's schemes, which look alike. */
static bool
is_cheap_pbe1(const ASN1_TYPE *parameter)
{
	PBEPARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM),
	    parameter);
	int64_t n;
	bool cheap = pbe != NULL && is_within(pbe->iter, ITERATIONS_MAX, &n);

	PBEPARAM_free(pbe);
	return cheap;
}

static bool
is_cheap(const X509_SIG *sealed)
{
	const X509_ALGOR *scheme;
	PBE2PARAM *pbe;
	bool cheap = false;

	X509_SIG_get0(sealed, &scheme, NULL);
	if (OBJ_obj2nid(scheme->algorithm) != NID_pbes2)
		return is_cheap_pbe1(scheme->parameter);
	pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM),
	    scheme->parameter);
	if (pbe == NULL)
		return false;
	switch (OBJ_obj2nid(pbe->keyfunc->algorithm)) {
	case NID_id_pbkdf2:
		cheap = is_cheap_pbkdf2(pbe->keyfunc->parameter);
		break;
	case NID_id_scrypt:
		cheap = is_cheap_scrypt(pbe->keyfunc->parameter);
		break;
	}
	PBE2PARAM_free(pbe);
	return cheap;
}

/* Looks at each encrypted key of a file; one that is damaged fails later. */
static bool
all_cheap(BIO *bio, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	X509_SIG *sealed;
	bool cheap = true;

	if (*p == 0x30) {
		sealed = d2i_X509_SIG(NULL, &p, (long)len);
		cheap = sealed == NULL || is_cheap(sealed);
		X509_SIG_free(sealed);
	} else
		while (cheap && (sealed = PEM_read_bio_PKCS8(bio, NULL, NULL,
		    NULL)) != NULL) {
			cheap = is_cheap(sealed);
			X509_SIG_free(sealed);
		}
	(void)BIO_reset(bio);
	ERR_clear_error();
	return cheap;
}

/* ------------------------------------------------------------- reading --- */

/* PKCS#8 with or without encryption (RFC 5208 5, 6). */
static EVP_PKEY *
read_der(BIO *bio, const void *buf, size_t len, struct question *question)
{
	const unsigned char *p = buf;
	PKCS8_PRIV_KEY_INFO *info;
	EVP_PKEY *key = NULL;

	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)len);
	if (info != NULL) {
		key = EVP_PKCS82PKEY(info);
		PKCS8_PRIV_KEY_INFO_free(info);
		return key;
	}
	ERR_clear_error();
	return d2i_PKCS8PrivateKey_bio(bio, NULL, answer, question);
}

/*
 * The first sentence stays: one about the work may be there already. Where no
 * decoder felt responsible, OpenSSL's "unsupported" would only mislead.
 */
static void
explain(const char *what, const struct question *question,
    struct smime_error *err)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	if (!question->asked && (reason == ERR_R_UNSUPPORTED ||
	    reason == PEM_R_NO_START_LINE))
		smime_error_setx(err, "%s holds no private key", what);
	else if (!question->asked)
		smime_error_crypto(err, "%s holds no private key", what);
	else if (question->passphrase == NULL)
		smime_error_setx(err, "the private key in %s is encrypted and "
		    "there is no passphrase for it", what);
	else
		smime_error_setx(err, "the passphrase does not open the "
		    "private key in %s", what);
	ERR_clear_error();
}

EVP_PKEY *
key_read(const void *buf, size_t len, const char *passphrase,
    size_t passphrase_len, const char *what, bool *encrypted,
    struct smime_error *err)
{
	struct question question = { passphrase, passphrase_len, false };
	EVP_PKEY *key = NULL;
	BIO *bio;

	ERR_clear_error();
	if (len == 0 || len > INT_MAX) {
		smime_error_setx(err, "%s is %s", what,
		    len == 0 ? "empty" : "too long");
		return NULL;
	}
	if ((bio = BIO_new_mem_buf(buf, (int)len)) == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	if (!all_cheap(bio, buf, len))
		smime_error_setx(err, "the encryption of the private key in "
		    "%s is not known or asks for too much work", what);
	else if (*(const unsigned char *)buf == 0x30)
		key = read_der(bio, buf, len, &question);
	else
		key = PEM_read_bio_PrivateKey(bio, NULL, answer, &question);
	if (key == NULL)
		explain(what, &question, err);
	if (encrypted != NULL)
		*encrypted = question.asked;
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

/* ------------------------------------------------------------ checking --- */

/* The digest is the key's own default; Ed25519 has none. */
static bool
is_pair(EVP_PKEY *key, EVP_PKEY *public, unsigned char *value, size_t len)
{
	static const unsigned char text[] = "Sampul tries a private key.";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool pair;

	pair = ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, value, &len, text, sizeof(text)) == 1 &&
	    EVP_MD_CTX_reset(ctx) == 1 &&
	    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public) == 1 &&
	    EVP_DigestVerify(ctx, value, len, text, sizeof(text)) == 1;
	EVP_MD_CTX_free(ctx);
	return pair;
}

bool
key_signs_for(EVP_PKEY *key, X509 *cert)
{
	EVP_PKEY *public = X509_get0_pubkey(cert);
	int size = EVP_PKEY_get_size(key);
	unsigned char *value;
	bool pair;

	if (public == NULL || size <= 0 ||
	    (value = OPENSSL_malloc((size_t)size)) == NULL)
		return false;
	pair = is_pair(key, public, value, (size_t)size);
	OPENSSL_clear_free(value, (size_t)size);
	ERR_clear_error();
	return pair;
}

/* ------------------------------------------------------------- writing --- */

/* EncryptedPrivateKeyInfo by PBES2 (RFC 8018 6.2), salt and IV by OpenSSL. */
static X509_SIG *
encrypt(EVP_PKEY *key, const char *passphrase, size_t len, int iterations)
{
	PKCS8_PRIV_KEY_INFO *info;
	X509_ALGOR *scheme = NULL;
	X509_SIG *sealed = NULL;

	if ((info = EVP_PKEY2PKCS8(key)) == NULL)
		return NULL;
	scheme = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), iterations, NULL, 16,
	    NULL, NID_hmacWithSHA256);
	if (scheme != NULL)
		sealed = PKCS8_set0_pbe(passphrase, (int)len, info, scheme);
	if (sealed == NULL)
		X509_ALGOR_free(scheme);
	PKCS8_PRIV_KEY_INFO_free(info);
	return sealed;
}

/* The text is copied out of the BIO, which would else own it. */
static int
take_text(BIO *bio, char **out, size_t *len, struct smime_error *err)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	if (n <= 0 || (*out = OPENSSL_malloc((size_t)n)) == NULL)
		return smime_error_setx(err, "out of memory");
	memcpy(*out, text, (size_t)n);
	*len = (size_t)n;
	return 0;
}

int
key_write(EVP_PKEY *key, const char *passphrase, size_t passphrase_len,
    int iterations, char **out, size_t *len, struct smime_error *err)
{
	X509_SIG *sealed = NULL;
	BIO *bio = NULL;
	int rc = -1;

	ERR_clear_error();
	if (passphrase_len == 0 || passphrase_len > INT_MAX)
		return smime_error_setx(err, "the passphrase is empty");
	if ((sealed = encrypt(key, passphrase, passphrase_len, iterations))
	    == NULL || (bio = BIO_new(BIO_s_mem())) == NULL ||
	    PEM_write_bio_PKCS8(bio, sealed) != 1)
		smime_error_crypto(err, "cannot encrypt the private key");
	else
		rc = take_text(bio, out, len, err);
	X509_SIG_free(sealed);
	BIO_free(bio);
	return rc;
}
