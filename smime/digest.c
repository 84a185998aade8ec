/*
 * digest.c - the digests that we sign with (RFC 8551 2.1).
 */
#include <openssl/crypto.h>

#include "smime_base.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static const EVP_MD *sha256, *sha384, *sha512;

/* What cannot be had is looked for by each use, as OpenSSL does with these. */
static const EVP_MD *
fetch(const char *name, const EVP_MD *otherwise)
{
	const EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

	return md != NULL ? md : otherwise;
}

/*
 * For good, and once: otherwise each use would look through the providers under
 * locks that all threads share.
 */
static void
fetch_all(void)
{
	sha256 = fetch("SHA2-256", EVP_sha256());
	sha384 = fetch("SHA2-384", EVP_sha384());
	sha512 = fetch("SHA2-512", EVP_sha512());
}

const EVP_MD *
smime_digest_md(enum smime_digest digest)
{
	if (CRYPTO_THREAD_run_once(&once, fetch_all) != 1)
		return NULL;
	switch (digest) {
	case SMIME_SHA384:
		return sha384;
	case SMIME_SHA512:
		return sha512;
	case SMIME_SHA256:
		break;
	}
	return sha256;
}

const char *
smime_digest_micalg(enum smime_digest digest)
{
	switch (digest) {
	case SMIME_SHA384:
		return "sha-384";
	case SMIME_SHA512:
		return "sha-512";
	case SMIME_SHA256:
		break;
	}
	return "sha-256";
}

size_t
smime_digest_size(enum smime_digest digest)
{
	switch (digest) {
	case SMIME_SHA384:
		return 48;
	case SMIME_SHA512:
		return 64;
	case SMIME_SHA256:
		break;
	}
	return 32;
}

int
smime_fingerprint(const void *buf, size_t len, unsigned char out[32])
{
	return EVP_Digest(buf, len, out, NULL, smime_digest_md(SMIME_SHA256),
	    NULL) == 1 ? 0 : -1;
}
