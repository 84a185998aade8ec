/*
 * secret.c - the keystore's passphrase in the key process's memory.
 *
 * It is read while root and kept from then on, for only root may be able to
 * read its file. While "sampulctl rekey" changes it there are two: the one
 * that the configuration names and the next, in the same name with ".new"
 * behind it, or told through the key process's socket. Which of them opens a
 * key is tried, so that the order of events on disk does not matter.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "keyd.h"
#include "keystore.h"

void
secret_clear(struct secret *secret)
{
	OPENSSL_clear_free(secret->text, secret->len);
	OPENSSL_clear_free(secret->next, secret->next_len);
	free(secret->file);
	memset(secret, 0, sizeof(*secret));
}

int
secret_read(const struct conf *conf, struct secret *out,
    struct smime_error *err)
{
	memset(out, 0, sizeof(*out));
	out->file = strdup(conf->passphrase_file != NULL ?
	    conf->passphrase_file : "");
	if (out->file == NULL)
		return smime_error_setx(err, "out of memory");
	if (keystore_passphrase(conf, &out->text, &out->len, err) == 0 &&
	    keystore_next_passphrase(conf, &out->next, &out->next_len,
	    err) == 0)
		return 0;
	secret_clear(out);
	return -1;
}

bool
secret_serves(const struct secret *secret, const struct conf *conf)
{
	return secret->file != NULL && strcmp(secret->file,
	    conf->passphrase_file != NULL ? conf->passphrase_file : "") == 0;
}

/* *out is NULL after a NULL. */
static int
duplicate(const char *text, size_t len, char **out, size_t *out_len)
{
	*out = NULL;
	*out_len = 0;
	if (text == NULL)
		return 0;
	if ((*out = OPENSSL_malloc(len + 1)) == NULL)
		return -1;
	memcpy(*out, text, len);
	(*out)[len] = '\0';
	*out_len = len;
	return 0;
}

int
secret_change(const struct secret *old, const char *text, size_t len,
    bool done, struct secret *out, struct smime_error *err)
{
	memset(out, 0, sizeof(*out));
	out->file = strdup(old->file);
	if (out->file != NULL && duplicate(done ? text : old->text,
	    done ? len : old->len, &out->text, &out->len) == 0 &&
	    duplicate(done ? NULL : text, len, &out->next,
	    &out->next_len) == 0)
		return 0;
	secret_clear(out);
	return smime_error_setx(err, "out of memory");
}
