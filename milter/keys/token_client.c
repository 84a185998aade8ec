/*
 * token_client.c - the key process's side: keys that are in a token.
 *
 * An answer that comes too late must not be taken for the next one: each has
 * its request's number, and a channel that still owes an answer is not asked
 * again before it has come.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "tokens.h"
#include "unlock.h"

struct channel {
	int		 fd;
	bool		 busy;
	bool		 owes;		/* an answer, to nobody */
	uint64_t	 serial;	/* of the last request */
};

struct token_client {
	pthread_mutex_t	 lock;
	struct channel	*channels;
	size_t		 count;
	atomic_uint	 limit;		/* ms */
};

/* What a key of a token carries. */
struct held {
	struct token_client	*client;
	atomic_int		 last;		/* enum token_result */
	size_t			 pin_len;
	char			 pin[TOKEN_PIN_MAX + 1];
	char			 uri[TOKEN_URI_MAX + 1];
};

struct token_client *
token_client_new(const int *fds, size_t count)
{
	struct token_client *client;
	size_t i;

	client = calloc(1, sizeof(*client));
	if (client == NULL || (client->channels = calloc(count,
	    sizeof(*client->channels))) == NULL ||
	    pthread_mutex_init(&client->lock, NULL) != 0) {
		if (client != NULL)
			free(client->channels);
		free(client);
		return NULL;
	}
	client->count = count;
	for (i = 0; i < count; i++)
		client->channels[i].fd = fds[i];
	return client;
}

void
token_client_free(struct token_client *client)
{
	if (client == NULL)
		return;
	pthread_mutex_destroy(&client->lock);
	free(client->channels);
	free(client);
}

/* Less than what the mail process waits for, so that it hears the reason. */
void
token_client_use(struct token_client *client, const struct conf *conf)
{
	if (client != NULL)
		atomic_store(&client->limit, conf->key_timeout * 800);
}

/* A free channel, rather one that owes nothing; NULL none. */
static struct channel *
take(struct token_client *client)
{
	struct channel *found = NULL, *one;
	size_t i;

	pthread_mutex_lock(&client->lock);
	for (i = 0; i < client->count; i++) {
		one = &client->channels[i];
		if (!one->busy && (found == NULL || (found->owes &&
		    !one->owes)))
			found = one;
	}
	if (found != NULL)
		found->busy = true;
	pthread_mutex_unlock(&client->lock);
	return found;
}

static void
give_back(struct token_client *client, struct channel *channel)
{
	pthread_mutex_lock(&client->lock);
	channel->busy = false;
	pthread_mutex_unlock(&client->lock);
}

/* The answer to the last request; -1 when it does not come in time. */
static int
await(struct channel *channel, int64_t deadline, struct token_answer *answer,
    struct smime_error *err)
{
	struct pollfd pfd = { .fd = channel->fd, .events = POLLIN };
	unsigned char buf[TOKEN_ANSWER_MAX];
	int64_t left;
	ssize_t n;

	for (;;) {
		left = deadline - steady_ms();
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			return smime_error_setx(err, "the token does not "
			    "answer in time");
		if (!(pfd.revents & (POLLIN | POLLHUP | POLLERR)))
			continue;	/* EINTR */
		n = token_receive(channel->fd, buf, sizeof(buf));
		if (n <= 0)
			return smime_error_setx(err,
			    "the token process is gone");
		channel->owes = false;
		if ((size_t)n > sizeof(buf) || token_get_answer(buf,
		    (size_t)n, answer) != 0)
			return smime_error_setx(err, "the token process "
			    "answers nonsense");
		if (answer->serial == channel->serial)
			return 0;
		channel->owes = true;
	}
}

static int
ask(struct channel *channel, int64_t deadline, struct token_request *request,
    struct token_answer *answer, struct smime_error *err)
{
	unsigned char buf[TOKEN_REQUEST_MAX];
	ssize_t n;
	int rc;

	if (channel->owes && await(channel, deadline, answer, err) != 0)
		return -1;
	request->serial = ++channel->serial;
	n = token_put_request(request, buf, sizeof(buf));
	if (n == -1)
		return smime_error_setx(err, "no request for a token");
	rc = token_send(channel->fd, buf, (size_t)n);
	OPENSSL_cleanse(buf, sizeof(buf));
	if (rc != 0)
		return smime_error_setx(err, "the token process is gone");
	channel->owes = true;
	return await(channel, deadline, answer, err);
}

static int
use_answer(struct held *held, const struct token_answer *answer,
    unsigned char *out, size_t *len, struct smime_error *err)
{
	atomic_store(&held->last, answer->result);
	if (answer->result != TOKEN_SIGNED || answer->len > *len)
		return smime_error_setx(err, "%s", answer->text[0] != '\0' ?
		    answer->text : "the token does not sign");
	memcpy(out, answer->signature, answer->len);
	*len = answer->len;
	return 0;
}

static int
sign(void *arg, const struct raw_request *raw, unsigned char *out,
    size_t *len, struct smime_error *err)
{
	struct held *held = arg;
	struct token_client *client = held->client;
	struct token_request request;
	struct token_answer answer;
	struct channel *channel;
	int rc;

	if (client == NULL)
		return smime_error_setx(err, "tokens are for the service "
		    "alone");
	if ((channel = take(client)) == NULL)
		return smime_error_setx(err, "all channels to tokens are at "
		    "work");
	memset(&request, 0, sizeof(request));
	request.raw = *raw;
	request.pin_len = held->pin_len;
	memcpy(request.pin, held->pin, sizeof(request.pin));
	memcpy(request.uri, held->uri, sizeof(request.uri));
	rc = ask(channel, steady_ms() + atomic_load(&client->limit), &request,
	    &answer, err);
	OPENSSL_cleanse(&request, sizeof(request));
	give_back(client, channel);
	return rc == 0 ? use_answer(held, &answer, out, len, err) : -1;
}

static void
release(void *arg)
{
	OPENSSL_clear_free(arg, sizeof(struct held));
}

EVP_PKEY *
token_key(struct token_client *client, X509 *cert, const char *uri,
    const char *pin, size_t pin_len, struct smime_error *err)
{
	struct held *held;
	EVP_PKEY *key;

	if (pin_len > TOKEN_PIN_MAX) {
		smime_error_setx(err, "too long for a PIN");
		return NULL;
	}
	if ((held = OPENSSL_zalloc(sizeof(*held))) == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	held->client = client;
	snprintf(held->uri, sizeof(held->uri), "%s", uri);
	if (pin != NULL)
		memcpy(held->pin, pin, pin_len);
	held->pin_len = pin != NULL ? pin_len : 0;
	key = key_elsewhere(cert, sign, held, release, err);
	if (key == NULL)
		release(held);
	return key;
}

int
token_key_try(EVP_PKEY *key, struct smime_error *err)
{
	struct held *held = key_elsewhere_arg(key);

	if (held == NULL)
		return smime_error_setx(err, "not a token's key");
	atomic_store(&held->last, TOKEN_LOST);
	if (key_elsewhere_try(key, err) == 0)
		return 1;
	return atomic_load(&held->last) == TOKEN_PIN_WRONG ? 0 : -1;
}
