/*
 * channelpool.c - the mail process's ends of the channels to the key process.
 *
 * A thread takes a channel that is idle, sends its request on the one that is
 * there for them, reads the answer from its own, and gives that back. It costs
 * two system calls and, while the key process is busy, wakes nobody but whom the
 * answer is for.
 *
 * A channel that breaks, answers late or answers what was not asked is closed
 * for good, for what comes on it next could be another message's signature.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "channel.h"
#include "log.h"

struct channel {
	int		 fd;		/* -1 once it was closed for good */
	int64_t		 patience;	/* ms that a recv() waits */
	uint64_t	 number;	/* of the last request */
	unsigned char	*buf;		/* CHANNEL_ANSWER_MAX + 1 */
};

struct channel_pool {
	pthread_mutex_t	  lock;
	pthread_cond_t	  change;
	int		  requests;
	struct channel	 *channels;
	struct channel	**idle;		/* a stack */
	size_t		  count;
	size_t		  idle_count;
	size_t		  usable;
};

/* Deadlines are monotonic: a step of the clock must not stretch a wait. */
static int
pool_init_locks(struct channel_pool *pool)
{
	pthread_condattr_t attr;
	int rc;

	if (pthread_condattr_init(&attr) != 0)
		return -1;
	rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (rc == 0)
		rc = pthread_cond_init(&pool->change, &attr);
	pthread_condattr_destroy(&attr);
	if (rc != 0)
		return -1;
	if (pthread_mutex_init(&pool->lock, NULL) != 0) {
		pthread_cond_destroy(&pool->change);
		return -1;
	}
	return 0;
}

static void
pool_free_memory(struct channel_pool *pool)
{
	size_t i;

	for (i = 0; pool->channels != NULL && i < pool->count; i++)
		free(pool->channels[i].buf);
	free(pool->channels);
	free(pool->idle);
	free(pool);
}

struct channel_pool *
channel_pool_new(const int *fds, size_t count)
{
	struct channel_pool *pool;
	size_t i;

	if (count < 2)
		return NULL;

	if ((pool = calloc(1, sizeof(*pool))) == NULL)
		return NULL;
	pool->requests = fds[0];
	pool->count = --count;
	pool->channels = calloc(count, sizeof(*pool->channels));
	pool->idle = calloc(count, sizeof(*pool->idle));
	if (pool->channels == NULL || pool->idle == NULL)
		goto fail;
	for (i = 0; i < count; i++) {
		pool->channels[i].fd = fds[1 + i];
		pool->channels[i].buf = malloc(CHANNEL_ANSWER_MAX + 1);
		if (pool->channels[i].buf == NULL)
			goto fail;
		pool->idle[i] = &pool->channels[i];
	}
	if (pool_init_locks(pool) == -1)
		goto fail;
	pool->usable = pool->idle_count = count;
	return pool;
fail:
	pool_free_memory(pool);
	return NULL;
}

void
channel_pool_free(struct channel_pool *pool)
{
	size_t i;

	if (pool == NULL)
		return;
	for (i = 0; i < pool->count; i++)
		if (pool->channels[i].fd != -1)
			close(pool->channels[i].fd);
	close(pool->requests);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->change);
	pool_free_memory(pool);
}

size_t
channel_pool_usable(struct channel_pool *pool)
{
	size_t usable;

	pthread_mutex_lock(&pool->lock);
	usable = pool->usable;
	pthread_mutex_unlock(&pool->lock);
	return usable;
}

bool
channel_pool_worn(struct channel_pool *pool)
{
	bool worn;

	pthread_mutex_lock(&pool->lock);
	worn = (pool->count - pool->usable) * 2 * CHANNELS_PER_THREAD >=
	    pool->count;
	pthread_mutex_unlock(&pool->lock);
	return worn;
}

static struct channel *
take(struct channel_pool *pool, int64_t deadline, bool *waited,
    struct smime_error *err)
{
	const struct timespec until = { (time_t)(deadline / 1000),
	    (long)(deadline % 1000 * 1000000) };
	struct channel *channel = NULL;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	*waited = pool->usable > 0 && pool->idle_count == 0;
	while (pool->usable > 0 && pool->idle_count == 0 && rc == 0)
		rc = pthread_cond_timedwait(&pool->change, &pool->lock,
		    &until);
	if (pool->usable == 0)
		smime_error_setx(err, "no channel to the key process is left");
	else if (pool->idle_count > 0)
		channel = pool->idle[--pool->idle_count];
	else
		smime_error_setx(err,
		    "all channels to the key process stayed busy");
	pthread_mutex_unlock(&pool->lock);
	return channel;
}

/*
 * Gives a channel back, or closes it for good: an answer that comes too late
 * must never be taken for that of the next question.
 */
static void
give(struct channel_pool *pool, struct channel *channel, bool works)
{
	pthread_mutex_lock(&pool->lock);
	if (works) {
		pool->idle[pool->idle_count++] = channel;
		pthread_cond_signal(&pool->change);
	} else {
		close(channel->fd);
		channel->fd = -1;
		pool->usable--;
		pthread_cond_broadcast(&pool->change);
	}
	pthread_mutex_unlock(&pool->lock);
}

static int64_t
time_left(int64_t deadline)
{
	int64_t left = deadline - monotonic_ms();

	return left > 0 ? left : 0;
}

/* There is always room, unless the key process hangs. */
static int
wait_for_room(int fd, int64_t deadline, struct smime_error *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int n;

	do
		n = poll(&pfd, 1, (int)time_left(deadline));
	while (n == -1 && errno == EINTR);
	if (n == 0)
		return smime_error_setx(err, "the key process did not read "
		    "the request in time");
	return n == 1 ? 0 : smime_error_set(err, "poll of a channel");
}

static int
send_request(int fd, const unsigned char *buf, size_t len,
    int64_t deadline, struct smime_error *err)
{
	ssize_t n;

	for (;;) {
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == (ssize_t)len)
			return 0;
		if (n != -1)
			return smime_error_setx(err, "short send to the key "
			    "process");
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return smime_error_set(err, "the key process cannot "
			    "be reached");
		if (wait_for_room(fd, deadline, err) == -1)
			return -1;
	}
}

/*
 * recv() itself waits, which saves a call of poll() for each message. That a
 * thread waited for its channel before is rare, and so is another time than the
 * last one's.
 */
static int
be_patient(struct channel *channel, int64_t ms, struct smime_error *err)
{
	struct timeval limit = { (time_t)(ms / 1000),
	    (suseconds_t)(ms % 1000 * 1000) };

	if (ms == 0)
		return smime_error_setx(err, "the key process did not answer "
		    "in time");
	if (ms == channel->patience)
		return 0;
	if (setsockopt(channel->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit)) == -1)
		return smime_error_set(err, "a channel's limit of time");
	channel->patience = ms;
	return 0;
}

static int
receive_packet(struct channel *channel, int64_t deadline,
    int64_t patience, size_t *len, struct smime_error *err)
{
	ssize_t n;

	for (;; patience = time_left(deadline)) {
		if (be_patient(channel, patience, err) == -1)
			return -1;
		/* MSG_TRUNC: the real length, also of what does not fit */
		n = recv(channel->fd, channel->buf, CHANNEL_ANSWER_MAX,
		    MSG_TRUNC);
		if (n > 0)
			break;
		if (n == 0)
			return smime_error_setx(err, "the key process closed "
			    "the channel");
		if (errno == EAGAIN)
			return smime_error_setx(err, "the key process did not "
			    "answer in time");
		if (errno != EINTR)
			return smime_error_set(err, "receiving from the key "
			    "process");
	}
	*len = (size_t)n;
	return 0;
}

static int
take_answer(struct channel *channel, size_t len, struct key_answer *out,
    struct smime_error *err)
{
	if (len > CHANNEL_ANSWER_MAX ||
	    channel_get_answer(channel->buf, len, out) == -1) {
		key_answer_clear(out);
		return smime_error_setx(err, "the key process's answer is "
		    "malformed");
	}
	if (out->number == channel->number)
		return 0;
	key_answer_clear(out);
	return smime_error_setx(err, "the key process answered what was not "
	    "asked");
}

/* What the request says of channel and number is not the caller's. */
static int
converse(struct channel_pool *pool, struct channel *channel,
    const struct key_request *request, int64_t deadline,
    int64_t patience, struct key_answer *out, struct smime_error *err)
{
	struct key_request own = *request;
	unsigned char buf[CHANNEL_REQUEST_MAX];
	size_t got = 0;
	ssize_t len;

	own.reply_to = (uint16_t)(channel - pool->channels);
	own.number = ++channel->number;
	len = channel_put_request(&own, buf, sizeof(buf));
	if (len == -1 || send_request(pool->requests, buf, (size_t)len,
	    deadline, err) == -1 ||
	    receive_packet(channel, deadline, patience, &got, err) == -1)
		return -1;
	return take_answer(channel, got, out, err);
}

int
channel_ask(struct channel_pool *pool, const struct key_request *request,
    unsigned timeout, struct key_answer *out, struct smime_error *err)
{
	unsigned char buf[CHANNEL_REQUEST_MAX];
	const int64_t deadline = monotonic_ms() + (int64_t)timeout * 1000;
	struct channel *channel;
	bool waited;
	int rc;

	memset(out, 0, sizeof(*out));
	/* before a channel is at stake: an odd request must not close it */
	if (channel_put_request(request, buf, sizeof(buf)) == -1)
		return smime_error_setx(err, "the request does not fit the "
		    "channel's format");
	if ((channel = take(pool, deadline, &waited, err)) == NULL)
		return -1;
	rc = converse(pool, channel, request, deadline, waited ?
	    time_left(deadline) : (int64_t)timeout * 1000, out, err);
	give(pool, channel, rc == 0);
	return rc;
}
