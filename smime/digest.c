/*
 * digest.c - the digests that we sign with (RFC 8551 2.1).
 */
#include "smime.h"

const EVP_MD *
smime_digest_md(enum smime_digest digest)
{
	switch (digest) {
	case SMIME_SHA384:
		return EVP_sha384();
	case SMIME_SHA512:
		return EVP_sha512();
	case SMIME_SHA256:
		break;
	}
	return EVP_sha256();
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
	return EVP_Digest(buf, len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 :
	    -1;
}
