/*
 * submit_client.c - the mail process's side: hands messages to the submit
 * process and waits for what came of them.
 *
 * An answer that comes too late must not be taken for the next one: each has
 * its request's number, and a channel that still owes an answer is not asked
 * again before it has come. A channel that broke, or on which nonsense came, is
 * closed for good.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "log.h"
#include "submit.h"

/* The submit process keeps to the limit; its answer takes a moment more. */
#define GRACE_MS	5000
#define ROOM		((int)(2 * SUBMIT_REQUEST_MAX))

struct channel {
	int		 fd;		/* -1: closed for good */
	bool		 busy;
	bool		 owes;		/* an answer, to nobody */
	uint64_t	 serial;	/* of the last request */
};

struct submit_pool {
	pthread_mutex_t	 lock;
	pthread_cond_t	 change;
	size_t		 count;
	size_t		 usable;
	struct channel	 channels[];
};

static int
init_locks(struct submit_pool *pool)
{
	pthread_condattr_t attr;
	int rc = -1;

	if (pthread_condattr_init(&attr) != 0)
		return -1;
	if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	    pthread_mutex_init(&pool->lock, NULL) == 0) {
		rc = pthread_cond_init(&pool->change, &attr) == 0 ? 0 : -1;
		if (rc == -1)
			pthread_mutex_destroy(&pool->lock);
	}
	pthread_condattr_destroy(&attr);
	return rc;
}

struct submit_pool *
submit_pool_new(const int *fds, size_t count)
{
	struct submit_pool *pool;
	const int room = ROOM;
	size_t i;

	pool = calloc(1, sizeof(*pool) + count * sizeof(pool->channels[0]));
	if (pool == NULL)
		return NULL;
	if (init_locks(pool) == -1) {
		free(pool);
		return NULL;
	}
	for (i = 0; i < count; i++) {
		pool->channels[i].fd = fds[i];
		/* a packet is sent whole or not at all */
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room,
		    sizeof(room));
	}
	pool->count = pool->usable = count;
	return pool;
}

void
submit_pool_free(struct submit_pool *pool)
{
	size_t i;

	if (pool == NULL)
		return;
	for (i = 0; i < pool->count; i++)
		if (pool->channels[i].fd != -1)
			close(pool->channels[i].fd);
	pthread_cond_destroy(&pool->change);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

bool
submit_pool_worn(struct submit_pool *pool)
{
	bool worn;

	pthread_mutex_lock(&pool->lock);
	worn = pool->usable * 2 <= pool->count;
	pthread_mutex_unlock(&pool->lock);
	return worn;
}

/* A free channel, rather one that owes nothing; NULL none. */
static struct channel *
find_free(struct submit_pool *pool)
{
	struct channel *found = NULL, *one;
	size_t i;

	for (i = 0; i < pool->count; i++) {
		one = &pool->channels[i];
		if (one->fd != -1 && !one->busy && (found == NULL ||
		    (found->owes && !one->owes)))
			found = one;
	}
	return found;
}

static struct channel *
take(struct submit_pool *pool, int64_t deadline, struct smime_error *err)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline / 1000),
	    .tv_nsec = (long)(deadline % 1000) * 1000000 };
	struct channel *found;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	while ((found = find_free(pool)) == NULL && pool->usable > 0 &&
	    rc == 0)
		rc = pthread_cond_timedwait(&pool->change, &pool->lock,
		    &until);
	if (found != NULL)
		found->busy = true;
	else if (pool->usable == 0)
		smime_error_setx(err, "the submit process is gone");
	else
		smime_error_setx(err, "all channels to the submit process "
		    "stayed busy");
	pthread_mutex_unlock(&pool->lock);
	return found;
}

static void
give_back(struct submit_pool *pool, struct channel *channel, bool works)
{
	pthread_mutex_lock(&pool->lock);
	channel->busy = false;
	if (works) {
		pthread_cond_signal(&pool->change);
	} else {
		close(channel->fd);
		channel->fd = -1;
		pool->usable--;
		pthread_cond_broadcast(&pool->change);
	}
	pthread_mutex_unlock(&pool->lock);
}

enum receipt { RECEIPT_GOOD, RECEIPT_LATE, RECEIPT_BROKEN };

/* The length of the next packet, which may be more than size; 0 the other end
 * is gone, -1 it was not in time. */
static ssize_t
receive(int fd, int64_t deadline, unsigned char *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left;
	ssize_t n;
	int rc;

	for (;;) {
		left = deadline - monotonic_ms();
		rc = poll(&pfd, 1, left > 0 ? (int)left : 0);
		if (rc == 0)
			return -1;
		if (rc == -1 && errno == EINTR)
			continue;
		if (rc == -1)
			return 0;
		n = recv(fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return 0;
	}
}

/*
 * The answer to the last request. No other can come: whoever gets the channel
 * waits for the one that is owed before he asks, and each comes once.
 */
static enum receipt
await(struct channel *channel, int64_t deadline, struct submit_answer *answer,
    struct smime_error *err)
{
	unsigned char buf[SUBMIT_ANSWER_MAX];
	uint64_t serial = 0;
	ssize_t n;

	n = receive(channel->fd, deadline, buf, sizeof(buf));
	if (n == -1) {
		smime_error_setx(err, "the submit process did not answer in "
		    "time");
		return RECEIPT_LATE;
	}
	if (n == 0) {
		smime_error_setx(err, "the submit process is gone");
		return RECEIPT_BROKEN;
	}
	if ((size_t)n > sizeof(buf) || submit_get_answer(buf, (size_t)n,
	    &serial, answer) == -1 || serial != channel->serial) {
		smime_error_setx(err, "the submit process answers nonsense");
		return RECEIPT_BROKEN;
	}
	channel->owes = false;
	return RECEIPT_GOOD;
}

static enum receipt
ask(struct channel *channel, struct submit_request *request,
    unsigned char *buf, int64_t deadline, struct submit_answer *answer,
    struct smime_error *err)
{
	enum receipt receipt;
	ssize_t len;
	int64_t left;
	bool gone;

	if (channel->owes) {
		receipt = await(channel, deadline, answer, err);
		if (receipt != RECEIPT_GOOD)
			return receipt;
	}
	left = deadline - monotonic_ms();
	request->limit = left > 0 ? (uint32_t)left : 1;
	request->serial = channel->serial + 1;
	len = submit_put_request(request, buf, SUBMIT_REQUEST_MAX);
	if (len == -1) {
		smime_error_setx(err, "more recipients, or other addresses, "
		    "than can be submitted in one message");
		return RECEIPT_LATE;
	}
	if (!submit_send_packet(channel->fd, buf, (size_t)len,
	    request->submission.fd)) {
		gone = errno == EPIPE || errno == ECONNRESET;
		smime_error_set(err, "the submit process cannot be reached");
		return gone ? RECEIPT_BROKEN : RECEIPT_LATE;
	}
	channel->serial++;
	channel->owes = true;
	return await(channel, deadline + GRACE_MS, answer, err);
}

int
submit_send(struct submit_pool *pool, const struct submission *submission,
    unsigned timeout, struct submit_answer *answer, struct smime_error *err)
{
	const int64_t deadline = monotonic_ms() + (int64_t)timeout * 1000;
	struct submit_request *request;
	struct channel *channel;
	enum receipt receipt = RECEIPT_LATE;
	unsigned char *buf;

	memset(answer, 0, sizeof(*answer));
	if (pool == NULL)
		return smime_error_setx(err, "there is no submit process");
	request = malloc(sizeof(*request));
	buf = malloc(SUBMIT_REQUEST_MAX);
	if (request == NULL || buf == NULL) {
		smime_error_set(err, "submitting");
	} else if ((channel = take(pool, deadline, err)) != NULL) {
		request->submission = *submission;
		receipt = ask(channel, request, buf, deadline, answer, err);
		give_back(pool, channel, receipt != RECEIPT_BROKEN);
	}
	free(request);
	free(buf);
	if (receipt == RECEIPT_GOOD)
		return 0;
	memset(answer, 0, sizeof(*answer));
	return -1;
}
