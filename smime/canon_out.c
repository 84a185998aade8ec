/*
 * canon_out.c - what can be had of a message in canonical form: its octets and
 * their digests.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "canon.h"
#include "entity.h"
#include "octets.h"
#include "smime_base.h"
#include "smime_canon.h"

/* What libmilter hands to an MTA in one piece. */
#define WRITE_SIZE	65535

#define BOUNDARY_TRIES	3	/* the second is a wonder already */

uint64_t
canon_size(const struct canon *canon)
{
	/* The digest's pass has counted what is encoded anew. */
	return canon->rewritten ? canon->sum.len :
	    canon->header_len + spool_size(canon->body);
}

/* Between the entity and the sink. */
struct passing {
	struct checksum		 sum;
	smime_sink		 sink;
	void			*arg;
	struct smime_error	*err;
};

static int
pass(void *arg, const unsigned char *buf, size_t len)
{
	struct passing *passing = arg;

	checksum_add(&passing->sum, buf, len);
	if (passing->sink(passing->arg, buf, len) == -1)
		return smime_error_setx(passing->err,
		    "writing the message was stopped");
	return 0;
}

static int
write_header(const struct canon *canon, struct passing *passing)
{
	size_t at, n;

	for (at = 0; at < canon->header_len; at += n) {
		n = canon->header_len - at;
		if (n > WRITE_SIZE)
			n = WRITE_SIZE;
		if (pass(passing, canon->header + at, n) == -1)
			return -1;
	}
	return 0;
}

static int
write_pieces(struct canon *canon, unsigned char *buf, size_t size,
    struct passing *passing)
{
	uint64_t offset = 0;
	size_t got;

	for (;;) {
		if (spool_read(canon->body, offset, buf, size, &got,
		    passing->err) == -1)
			return -1;
		if (got == 0)
			return 0;
		if (pass(passing, buf, got) == -1)
			return -1;
		offset += got;
	}
}

static int
write_as_it_came(struct canon *canon, struct passing *passing)
{
	uint64_t body = spool_size(canon->body);
	/* No larger than it must be: wiping it costs more than filling it. */
	size_t size = body < WRITE_SIZE ? (size_t)body : WRITE_SIZE;
	unsigned char *buf;
	int rc;

	if (size == 0)
		return 0;
	if ((buf = malloc(size)) == NULL)
		return smime_error_set(passing->err, "writing the message");
	rc = write_pieces(canon, buf, size, passing);
	OPENSSL_cleanse(buf, size);
	free(buf);
	return rc;
}

static int
write_body(struct canon *canon, struct passing *passing)
{
	if (!canon->rewritten)
		return write_as_it_came(canon, passing);
	return rewrite_body(&canon->settings, &canon->entity.content,
	    canon->body, canon->plans, canon->scan.parts, &canon->legacy, pass,
	    passing, passing->err);
}

int
canon_write(struct canon *canon, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct passing passing = { .sink = sink, .arg = arg,
	    .err = err };

	if (!canon->finished)
		return smime_error_setx(err, "the message is not complete");
	checksum_begin(&passing.sum);
	if (write_header(canon, &passing) == -1 ||
	    write_body(canon, &passing) == -1)
		return -1;
	if (canon->have_sum && !checksum_equal(&canon->sum, &passing.sum))
		return smime_error_setx(err,
		    "the message read back is not the one that was signed");
	canon->sum = passing.sum;
	canon->have_sum = true;
	return 0;
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

static int
search_sink(void *arg, const unsigned char *buf, size_t len)
{
	boundary_search(arg, buf, len);
	return 0;
}

int
canon_boundary(struct canon *canon, char *out, struct smime_error *err)
{
	struct boundary *boundary = &canon->boundary;
	int try;

	for (try = 0; !canon->sought || boundary->found; try++) {
		if (try == BOUNDARY_TRIES)
			return smime_error_setx(err,
			    "every boundary is found in the message");
		if (boundary_choose(boundary, err) == -1 ||
		    canon_write(canon, search_sink, boundary, err) == -1)
			return -1;
		canon->sought = true;
	}
	memcpy(out, boundary->text, BOUNDARY_LEN + 1);
	return 0;
}
