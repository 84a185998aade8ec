/*
 * fake_channel.h - the key process, played within a test program: it defines
 * what channel.c would, so that channel.c is not linked. To be included by one
 * file of a test.
 */
#ifndef FAKE_CHANNEL_H
#define FAKE_CHANNEL_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../milter/channel.h"
#include "../../smime/smime.h"

static struct {
	struct signer	*signer;
	enum key_status	 status;	/* KEY_SIGNED: by signer */
	bool		 dead;		/* no channel works */
	bool		 wrong_der;	/* a signature with a bit turned */
	bool		 wrong_address;	/* taken back by the self-check */
	X509		*listed;	/* for KEY_LIST; NULL none */
	unsigned	 asked;
	struct key_request last;
} fake_key;

void
key_answer_clear(struct key_answer *answer)
{
	free(answer->der);
	answer->der = NULL;
	answer->der_len = 0;
}

size_t
channel_pool_usable(struct channel_pool *pool)
{
	(void)pool;
	return fake_key.dead ? 0 : 1;
}

bool
channel_pool_worn(struct channel_pool *pool)
{
	return channel_pool_usable(pool) == 0;
}

static int
fake_sign(const struct key_request *request, struct key_answer *out,
    struct smime_error *err)
{
	unsigned char *der;
	size_t len;

	out->digest = signer_digest(fake_key.signer);
	if (out->digest != request->digest) {
		out->status = KEY_WRONG_DIGEST;
		return 0;
	}
	if (signer_sign(fake_key.signer, request->value,
	    smime_digest_size(request->digest), time(NULL), &der, &len,
	    err) == -1)
		return -1;
	if (fake_key.wrong_der)
		der[len - 5] ^= 1;
	if ((out->der = malloc(len)) == NULL) {
		OPENSSL_free(der);
		return smime_error_setx(err, "out of memory");
	}
	memcpy(out->der, der, len);
	out->der_len = len;
	OPENSSL_free(der);
	cert_serial(signer_cert(fake_key.signer), out->serial,
	    sizeof(out->serial));
	out->status = KEY_SIGNED;
	return 0;
}

static int
fake_list(struct key_answer *out, struct smime_error *err)
{
	int len;

	out->status = KEY_NO_IDENTITY;
	if (fake_key.listed == NULL)
		return 0;
	if ((len = i2d_X509(fake_key.listed, &out->der)) <= 0)
		return smime_error_setx(err, "out of memory");
	out->der_len = (size_t)len;
	out->status = KEY_CERTIFICATES;
	return 0;
}

int
channel_ask(struct channel_pool *pool, const struct key_request *request,
    unsigned timeout, struct key_answer *out, struct smime_error *err)
{
	(void)pool;
	(void)timeout;
	fake_key.asked++;
	fake_key.last = *request;
	memset(out, 0, sizeof(*out));
	if (fake_key.dead)
		return smime_error_setx(err, "the channel is broken");
	if (request->want == KEY_LIST)
		return fake_list(out, err);
	out->status = fake_key.status;
	if (out->status == KEY_SIGNED)
		return fake_sign(request, out, err);
	snprintf(out->reason, sizeof(out->reason), "a reason");
	return 0;
}

#endif
