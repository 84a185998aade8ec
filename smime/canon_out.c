/*
 * canon_out.c - what can be had of a message in canonical form: its octets and
 * their digests.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canon.h"

#define WRITE_SIZE	65536

uint64_t
canon_size(const struct canon *canon)
{
	return canon->header_len + spool_size(canon->body);
}

static int
write_body(struct canon *canon, unsigned char *buf, size_t size,
    smime_sink sink, void *arg, struct smime_error *err)
{
	uint64_t offset = 0;
	size_t got;

	for (;;) {
		if (spool_read(canon->body, offset, buf, size, &got, err) == -1)
			return -1;
		if (got == 0)
			return 0;
		if (sink(arg, buf, got) == -1)
			return smime_error_setx(err,
			    "writing the message was stopped");
		offset += got;
	}
}

int
canon_write(struct canon *canon, smime_sink sink, void *arg,
    struct smime_error *err)
{
	unsigned char *buf;
	uint64_t body = spool_size(canon->body);
	size_t at, n, size;
	int rc;

	if (!canon->finished)
		return smime_error_setx(err, "the message is not complete");
	for (at = 0; at < canon->header_len; at += n) {
		n = canon->header_len - at;
		if (n > WRITE_SIZE)
			n = WRITE_SIZE;
		if (sink(arg, canon->header + at, n) == -1)
			return smime_error_setx(err,
			    "writing the message was stopped");
	}
	if (body == 0)
		return 0;
	/* No larger than it must be: wiping it costs more than filling it. */
	size = body < WRITE_SIZE ? (size_t)body : WRITE_SIZE;
	if ((buf = malloc(size)) == NULL)
		return smime_error_set(err, "writing the message");
	rc = write_body(canon, buf, size, sink, arg, err);
	OPENSSL_cleanse(buf, size);
	free(buf);
	return rc;
}

static int
digest_sink(void *arg, const unsigned char *buf, size_t len)
{
	return EVP_DigestUpdate(arg, buf, len) == 1 ? 0 : -1;
}

/* Reads the entity again. */
static int
digest_anew(struct canon *canon, enum smime_digest digest,
    struct smime_error *err)
{
	EVP_MD_CTX *md;
	int rc = -1;

	canon->have_value = false;
	if ((md = EVP_MD_CTX_new()) == NULL || EVP_DigestInit_ex(md,
	    smime_digest_md(digest), NULL) != 1)
		smime_error_crypto(err, "digesting a message");
	else if (canon_write(canon, digest_sink, md, err) == 0) {
		if (EVP_DigestFinal_ex(md, canon->value, NULL) == 1)
			rc = 0;
		else
			smime_error_crypto(err, "digesting a message");
	}
	EVP_MD_CTX_free(md);
	canon->digest = digest;
	canon->have_value = rc == 0;
	return rc;
}

int
canon_digest(struct canon *canon, enum smime_digest digest,
    unsigned char out[SMIME_DIGEST_MAX], struct smime_error *err)
{
	if (!canon->finished)
		return smime_error_setx(err, "the message is not complete");
	if ((!canon->have_value || canon->digest != digest) &&
	    digest_anew(canon, digest, err) == -1)
		return -1;
	memcpy(out, canon->value, smime_digest_size(digest));
	return 0;
}
