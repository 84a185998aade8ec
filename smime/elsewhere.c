/*
 * elsewhere.c - private keys that are not in this process.
 *
 * Such a key is the certificate's public half with a function attached that
 * has a digest signed wherever the private half is. It goes through the same
 * hands as any other key, and whoever signs with it comes here.
 *
 * What comes back is not believed: it must verify with the certificate's key
 * and with the very parameters that the message will name.
 */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "der.h"
#include "smime_base.h"
#include "smime_cert.h"

struct elsewhere {
	elsewhere_fn	*sign;
	void		*arg;
	void		(*release)(void *arg);
};

_Static_assert((int)RAW_RSA == (int)ALGORITHM_RSA &&
    (int)RAW_PSS == (int)ALGORITHM_PSS &&
    (int)RAW_ECDSA == (int)ALGORITHM_ECDSA, "the same, with another name");

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int place = -1;		/* among what may be attached to a key */

/* Called for each key of the process when it is freed. */
static void
detach(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
    void *argp)
{
	struct elsewhere *elsewhere = ptr;

	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	if (elsewhere == NULL)
		return;
	if (elsewhere->release != NULL)
		elsewhere->release(elsewhere->arg);
	free(elsewhere);
}

/* A duplicate is an ordinary public key. */
static int
leave_out(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **ptr,
    int index, long argl, void *argp)
{
	(void)to;
	(void)from;
	(void)index;
	(void)argl;
	(void)argp;
	*ptr = NULL;
	return 1;
}

static void
find_place(void)
{
	place = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EVP_PKEY, 0, NULL,
	    NULL, leave_out, detach);
}

static struct elsewhere *
attached(const EVP_PKEY *key)
{
	if (CRYPTO_THREAD_run_once(&once, find_place) != 1 || place < 0)
		return NULL;
	return EVP_PKEY_get_ex_data(key, place);
}

bool
key_is_elsewhere(const EVP_PKEY *key)
{
	return attached(key) != NULL;
}

void *
key_elsewhere_arg(const EVP_PKEY *key)
{
	struct elsewhere *elsewhere = attached(key);

	return elsewhere != NULL ? elsewhere->arg : NULL;
}

EVP_PKEY *
key_elsewhere(X509 *cert, elsewhere_fn *sign, void *arg,
    void (*release)(void *arg), struct smime_error *err)
{
	EVP_PKEY *public = X509_get0_pubkey(cert), *key = NULL;
	struct elsewhere *elsewhere;

	ERR_clear_error();
	elsewhere = calloc(1, sizeof(*elsewhere));
	if (elsewhere == NULL || public == NULL ||
	    CRYPTO_THREAD_run_once(&once, find_place) != 1 || place < 0 ||
	    (key = EVP_PKEY_dup(public)) == NULL ||
	    EVP_PKEY_set_ex_data(key, place, elsewhere) != 1) {
		smime_error_crypto(err, "cannot make a key of its public "
		    "half");
		free(elsewhere);
		EVP_PKEY_free(key);
		return NULL;
	}
	elsewhere->sign = sign;
	elsewhere->arg = arg;
	elsewhere->release = release;
	return key;
}

/* ------------------------------------------------------------- signing --- */

static bool
use_padding(EVP_PKEY_CTX *ctx, enum algorithm_kind kind, const EVP_MD *md)
{
	if (kind != ALGORITHM_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
	    == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1;
}

static bool
verifies(EVP_PKEY *key, const struct raw_request *request,
    const unsigned char *signature, size_t len)
{
	const EVP_MD *md = smime_digest_md(request->digest);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool good;

	good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
	    use_padding(ctx, (enum algorithm_kind)request->kind, md) &&
	    EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
	    EVP_PKEY_verify(ctx, signature, len, request->value,
	    smime_digest_size(request->digest)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

int
elsewhere_sign(EVP_PKEY *key, enum algorithm_kind kind,
    enum smime_digest digest, const struct der *data, unsigned char *out,
    size_t *len, struct smime_error *err)
{
	const struct elsewhere *elsewhere = attached(key);
	struct raw_request request = { .kind = (enum raw_kind)kind,
	    .digest = digest };

	ERR_clear_error();
	if (elsewhere == NULL)
		return smime_error_setx(err, "the private key is not "
		    "elsewhere");
	if (EVP_Digest(data->p, data->len, request.value, NULL,
	    smime_digest_md(digest), NULL) != 1)
		return smime_error_crypto(err, "no digest");
	if (elsewhere->sign(elsewhere->arg, &request, out, len, err) != 0)
		return smime_error_setx(err, "the private key did not sign");
	if (!verifies(key, &request, out, *len))
		return smime_error_setx(err, "the signature does not verify "
		    "with the certificate: it names another key");
	return 0;
}

int
key_elsewhere_try(EVP_PKEY *key, struct smime_error *err)
{
	static const unsigned char text[] = "Sampul tries a private key.";
	const struct der data = { (unsigned char *)(uintptr_t)text,
	    sizeof(text) };
	unsigned char signature[RAW_SIGNATURE_MAX];
	size_t len = sizeof(signature);

	return elsewhere_sign(key, EVP_PKEY_is_a(key, "EC") ?
	    ALGORITHM_ECDSA : ALGORITHM_RSA, SMIME_SHA256, &data, signature,
	    &len, err);
}
