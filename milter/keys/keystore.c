/*
 * keystore.c - the directory of keys: opens it with what else reading a key
 * takes, and notices when another one is put in its place.
 *
 * The cost of a look-up does not depend on how many mailboxes there are: one
 * address leads to one folder, and nothing ever walks the whole directory but
 * keystore_each, for sampulctl.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../incoming.h"
#include "../log.h"
#include "entry.h"
#include "keydir.h"
#include "keyfile.h"
#include "keystore.h"
#include "tokens.h"

static int
open_directory(const char *dir, const struct owners *owners,
    struct smime_error *err)
{
	struct stat st;
	char *real;
	int fd;

	real = realpath(dir, NULL);
	if (real == NULL)
		return smime_error_set(err, "cannot open the keystore %s",
		    dir);
	fd = keyfile_folder(AT_FDCWD, real, dir, owners, &st, err);
	free(real);
	return fd;
}

static int
keep_passphrase(const char *passphrase, size_t len, char **out,
    size_t *out_len, struct smime_error *err)
{
	if (passphrase == NULL)
		return 0;
	*out = OPENSSL_malloc(len + 1);
	if (*out == NULL)
		return smime_error_setx(err, "out of memory");
	memcpy(*out, passphrase, len);
	(*out)[len] = '\0';
	*out_len = len;
	return 0;
}

static int
copy_setting(char **out, const char *text)
{
	*out = strdup(text != NULL ? text : "");
	return *out == NULL ? -1 : 0;
}

/*
 * What is trusted, revocation lists among it, is followed on disk; the
 * configuration may be gone by then, so what leads there is copied.
 */
static int
open_trust(struct keystore *store, const struct conf *conf,
    struct smime_error *err)
{
	struct conf *copy = &store->trusts;
	struct trust_state *state;

	if (copy_setting(&copy->anchors_dir, conf->anchors_dir) == -1 ||
	    copy_setting(&copy->intermediates_dir,
	    conf->intermediates_dir) == -1 ||
	    copy_setting(&copy->crl_dir, conf->crl_dir) == -1 ||
	    copy_setting(&copy->key_user, conf->key_user) == -1)
		return smime_error_setx(err, "out of memory");
	if ((state = trust_state_read(copy, err)) == NULL)
		return -1;
	store->trusted = truststore_new(state);
	if (store->trusted == NULL)
		return smime_error_setx(err, "out of memory");
	return 0;
}

struct keystore *
keystore_open(const struct conf *conf, const char *passphrase,
    size_t passphrase_len, struct smime_error *err)
{
	struct keystore *store;
	struct key_context *context;

	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	context = &store->context;
	context->insecure_unencrypted_keys = conf->insecure_unencrypted_keys;
	context->scheme = conf->pss ? SCHEME_PSS : SCHEME_DEFAULT;
	context->capabilities = conf->capabilities;
	context->has_tokens = conf->token_module != NULL &&
	    conf->token_module[0] != '\0';
	owners_init(&context->owners, conf->key_user);
	context->dirfd = open_directory(conf->keystore_dir, &context->owners,
	    err);
	if (context->dirfd == -1 ||
	    keep_passphrase(passphrase, passphrase_len, &context->passphrase,
	    &context->passphrase_len, err) != 0)
		goto bad;
	if (open_trust(store, conf, err) != 0)
		goto bad;
	store->cache = keycache_new(conf->cache_size);
	store->dir = strdup(conf->keystore_dir);
	if (store->cache == NULL || store->dir == NULL) {
		smime_error_setx(err, "out of memory");
		goto bad;
	}
	return store;
bad:
	keystore_close(store);
	return NULL;
}

int
keystore_also(struct keystore *store, const char *passphrase, size_t len,
    struct smime_error *err)
{
	return keep_passphrase(passphrase, len, &store->context.next,
	    &store->context.next_len, err);
}

void
keystore_use_tokens(struct keystore *store, struct token_client *tokens)
{
	store->context.tokens = tokens;
}

void
keystore_use_vault(struct keystore *store, struct vault *vault)
{
	store->context.vault = vault;
}

struct keystore *
keystore_open_conf(const struct conf *conf, struct smime_error *err)
{
	char *passphrase = NULL, *next = NULL;
	struct keystore *store = NULL;
	size_t len = 0, next_len = 0;

	if (keystore_passphrase(conf, &passphrase, &len, err) == 0 &&
	    keystore_next_passphrase(conf, &next, &next_len, err) == 0)
		store = keystore_open(conf, passphrase, len, err);
	if (store != NULL && keystore_also(store, next, next_len, err) != 0) {
		keystore_close(store);
		store = NULL;
	}
	OPENSSL_clear_free(passphrase, len);
	OPENSSL_clear_free(next, next_len);
	return store;
}

void
keystore_close(struct keystore *store)
{
	if (store == NULL)
		return;
	keycache_free(store->cache);
	truststore_free(store->trusted);
	free(store->trusts.anchors_dir);
	free(store->trusts.intermediates_dir);
	free(store->trusts.crl_dir);
	free(store->trusts.key_user);
	OPENSSL_clear_free(store->context.passphrase,
	    store->context.passphrase_len);
	OPENSSL_clear_free(store->context.next, store->context.next_len);
	if (store->context.dirfd != -1)
		close(store->context.dirfd);
	free(store->dir);
	free(store);
}

/*
 * A whole keystore may be put in the place of another by rename(2). Looked at
 * once a second; dup3 exchanges the directory under the feet of other threads
 * without a gap, and what they read meanwhile no longer matches its stamps.
 *
 * The cage of the key process is bound to the directory that was there at the
 * start. Nothing of that one is used any more, neither to sign nor to encrypt
 * to: it may hold what the administrator has taken out.
 */
static void
look_again(struct keystore *store)
{
	struct stat named, open_one;
	struct timespec ts;
	long long last;
	int fd, rc;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	last = atomic_load_explicit(&store->looked, memory_order_relaxed);
	if (last == (long long)ts.tv_sec ||
	    !atomic_compare_exchange_strong(&store->looked, &last,
	    (long long)ts.tv_sec))
		return;
	if (stat(store->dir, &named) == -1 ||
	    fstat(store->context.dirfd, &open_one) == -1)
		return;
	if (named.st_dev == open_one.st_dev &&
	    named.st_ino == open_one.st_ino) {
		atomic_store(&store->moved, false);
		return;
	}
	fd = open_directory(store->dir, &store->context.owners, NULL);
	rc = fd == -1 ? -1 : dup3(fd, store->context.dirfd, O_CLOEXEC);
	if (fd != -1)
		close(fd);
	if (rc != -1)
		log_info("the keystore %s is another directory now",
		    store->dir);
	else if (!atomic_exchange(&store->moved, true))
		log_error("the keystore %s is another directory now, which "
		    "cannot be reached; restart sampul-milter", store->dir);
}

int
keystore_follow(struct keystore *store, struct smime_error *err)
{
	look_again(store);
	if (!atomic_load(&store->moved))
		return 0;
	return smime_error_setx(err, "the keystore %s was replaced as a "
	    "whole; this takes a restart", store->dir);
}
