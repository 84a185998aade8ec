/*
 * test_channel.c - packets between mail and key process, and the pool that
 * asks: strict decoding, deadlines, and no answer taken for another's.
 */
#include <sys/socket.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/crypto.h>

#include "../../milter/channel.h"
#include "../../smime/smime.h"

static const struct key_request question = {
	.queue_id = "4Fq1xY2zK9z1", .digest = SMIME_SHA384,
	.address = "budi@dinkes.pekalongankab.go.id",
	.value = { 1, 2, 3, 0, 5 }, .reply_to = 0x1234,
	.number = 0x0102030405060708
};

static struct key_answer
signed_answer(size_t len)
{
	struct key_answer answer = { .status = KEY_SIGNED, .pinned = true,
	    .digest = SMIME_SHA256, .not_after = 1893456000,
	    .serial = "0A1B2C", .reason = "", .der_len = len,
	    .number = 0xfedcba9876543210 };

	answer.der = OPENSSL_malloc(len);
	memset(answer.der, 0x30, len);
	return answer;
}

/* -------------------------------------------------------------- packets --- */

static void
test_request(void **state)
{
	static const enum smime_digest digests[] = { SMIME_SHA256,
	    SMIME_SHA384, SMIME_SHA512 };
	unsigned char buf[CHANNEL_REQUEST_MAX], *cut;
	struct key_request request = question, out;
	ssize_t len, i;
	size_t d;

	(void)state;
	for (d = 0; d < 3; d++) {
		request.digest = digests[d];
		len = channel_put_request(&request, buf, sizeof(buf));
		assert_int_equal(len, 15 + smime_digest_size(digests[d]) +
		    strlen(request.queue_id) + strlen(request.address));
		assert_int_equal(channel_get_request(buf, (size_t)len, &out),
		    0);
		assert_memory_equal(&out, &request, sizeof(out));
	}
	for (i = 0; i < len; i++) {
		cut = malloc(i > 0 ? (size_t)i : 1);
		memcpy(cut, buf, (size_t)i);
		assert_int_equal(channel_get_request(cut, (size_t)i, &out),
		    -1);
		free(cut);
	}
	assert_int_equal(channel_get_request(buf, (size_t)len + 1, &out), -1);
	buf[0] = 3;
	assert_int_equal(channel_get_request(buf, (size_t)len, &out), 0);
	assert_int_equal(out.want, KEY_LIST);
	assert_int_equal(channel_put_request(&request, buf, (size_t)len - 1),
	    -1);
}

static void
test_request_limits(void **state)
{
	unsigned char buf[CHANNEL_REQUEST_MAX];
	struct key_request request = question, out;
	ssize_t len;

	(void)state;
	memset(request.queue_id, 'q', CHANNEL_QUEUE_ID_MAX);
	memset(request.address, 'a', ADDRESS_MAX);
	len = channel_put_request(&request, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(channel_get_request(buf, (size_t)len, &out), 0);
	assert_string_equal(out.address, request.address);
	/* no NUL at the end */
	memset(request.address, 'a', sizeof(request.address));
	assert_int_equal(channel_put_request(&request, buf, sizeof(buf)), -1);
	request = question;
	memset(request.queue_id, 'q', sizeof(request.queue_id));
	assert_int_equal(channel_put_request(&request, buf, sizeof(buf)), -1);
	request = question;
	request.address[0] = '\0';
	assert_int_equal(channel_put_request(&request, buf, sizeof(buf)), -1);
	request = question;
	request.digest = (enum smime_digest)7;
	assert_int_equal(channel_put_request(&request, buf, sizeof(buf)), -1);
}

/* One octet of a good packet changed: where, to what, is it still good? */
static const struct {
	const char	*what;
	size_t		 at;
	unsigned char	 octet;
} bad_requests[] = {
	{ "type", 0, 2 }, { "type", 0, 4 }, { "digest", 1, 3 },
	{ "digest", 1, 255 },
	{ "shorter queue id", 12, 11 }, { "longer queue id", 12, 13 },
	{ "queue id over its ceiling", 12, 65 },
	{ "address over its ceiling", 13, 2 }, { "empty address", 14, 0 },
	{ "NUL in the queue id", 15 + 48, 0 },
	{ "NUL in the address", 15 + 48 + 12, 0 },
}, bad_answers[] = {
	{ "type", 0, 1 }, { "no status", 1, 0 }, { "status", 1, 7 },
	{ "DER with a refusal", 1, KEY_NO_IDENTITY }, { "digest", 2, 3 },
	{ "pinned", 3, 2 }, { "serial's length", 20, 7 },
	{ "serial over its ceiling", 20, 65 },
	{ "reason's length", 22, 1 }, { "reason over its ceiling", 21, 2 },
	{ "DER's length", 26, 99 }, { "DER over its ceiling", 23, 1 },
	{ "NUL in the serial", 27, 0 },
};

static void
test_bad_packets(void **state)
{
	unsigned char good[CHANNEL_REQUEST_MAX], buf[CHANNEL_REQUEST_MAX];
	struct key_answer answer = signed_answer(100), out;
	struct key_request request;
	ssize_t len;
	size_t i;

	(void)state;
	len = channel_put_request(&question, good, sizeof(good));
	for (i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
		memcpy(buf, good, sizeof(buf));
		buf[bad_requests[i].at] = bad_requests[i].octet;
		if (channel_get_request(buf, (size_t)len, &request) == 0)
			fail_msg("request: %s was taken",
			    bad_requests[i].what);
	}
	len = channel_put_answer(&answer, good, sizeof(good));
	for (i = 0; i < sizeof(bad_answers) / sizeof(bad_answers[0]); i++) {
		memcpy(buf, good, sizeof(buf));
		buf[bad_answers[i].at] = bad_answers[i].octet;
		if (channel_get_answer(buf, (size_t)len, &out) == 0)
			fail_msg("answer: %s was taken", bad_answers[i].what);
		key_answer_clear(&out);
	}
	key_answer_clear(&answer);
}

static void
test_answer(void **state)
{
	static unsigned char buf[CHANNEL_ANSWER_MAX];
	struct key_answer answer = signed_answer(1500), out;
	unsigned char *cut;
	ssize_t len, i;

	(void)state;
	len = channel_put_answer(&answer, buf, sizeof(buf));
	assert_int_equal(len, 27 + 6 + 1500);
	assert_int_equal(channel_get_answer(buf, (size_t)len, &out), 0);
	assert_int_equal(out.status, KEY_SIGNED);
	assert_true(out.pinned);
	assert_true(out.not_after == 1893456000);
	assert_true(out.number == 0xfedcba9876543210);
	assert_string_equal(out.serial, "0A1B2C");
	assert_int_equal(out.der_len, 1500);
	assert_memory_equal(out.der, answer.der, 1500);
	key_answer_clear(&out);
	key_answer_clear(&out);
	for (i = 0; i < len; i++) {
		cut = malloc(i > 0 ? (size_t)i : 1);
		memcpy(cut, buf, (size_t)i);
		assert_int_equal(channel_get_answer(cut, (size_t)i, &out),
		    -1);
		key_answer_clear(&out);
		free(cut);
	}
	key_answer_clear(&answer);

	answer = signed_answer(CHANNEL_DER_MAX);
	len = channel_put_answer(&answer, buf, sizeof(buf));
	assert_true(len > CHANNEL_DER_MAX);
	assert_int_equal(channel_get_answer(buf, (size_t)len, &out), 0);
	key_answer_clear(&out);
	answer.der_len = CHANNEL_DER_MAX + 1;
	assert_int_equal(channel_put_answer(&answer, buf, sizeof(buf)), -1);
	answer.der_len = 0;	/* signed without a signature */
	assert_int_equal(channel_put_answer(&answer, buf, sizeof(buf)), -1);
	answer.status = KEY_WRONG_DIGEST;
	answer.not_after = -1;
	snprintf(answer.reason, sizeof(answer.reason), "sha-384");
	len = channel_put_answer(&answer, buf, sizeof(buf));
	assert_int_equal(channel_get_answer(buf, (size_t)len, &out), 0);
	assert_true(out.not_after == -1);
	assert_string_equal(out.reason, "sha-384");
	key_answer_clear(&out);
	key_answer_clear(&answer);
}

/* ------------------------------------------------------------------ pool --- */

#define ANSWERS_MAX	8
#define SERVERS		3

enum act { ANSWER, SILENT, GARBAGE, TOO_LONG, CLOSE, LATE, TWICE, OTHER };

/* The key process's side. */
struct peer {
	int		 requests;
	int		 asked_on;	/* the pool's end of it */
	size_t		 count;
	int		 answers[ANSWERS_MAX];
	_Atomic enum act act[ANSWERS_MAX];	/* by channel */
	pthread_t	 servers[SERVERS];
	_Atomic int	 served;
};

static void
peer_answer(int fd, const struct key_request *request, const char *reason)
{
	struct key_answer answer = { .status = KEY_NO_IDENTITY,
	    .number = request->number };
	unsigned char buf[CHANNEL_REQUEST_MAX];
	ssize_t len;

	snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
	len = channel_put_answer(&answer, buf, sizeof(buf));
	send(fd, buf, (size_t)len, MSG_NOSIGNAL);
}

static void
peer_serve(struct peer *peer, struct key_request *request)
{
	static unsigned char large[CHANNEL_ANSWER_MAX + 100];
	const enum act act = peer->act[request->reply_to];
	int fd = peer->answers[request->reply_to];

	if (act == CLOSE)
		shutdown(fd, SHUT_RDWR);
	if (act == GARBAGE)
		send(fd, "garbage", 7, MSG_NOSIGNAL);
	if (act == TOO_LONG)
		send(fd, large, sizeof(large), MSG_NOSIGNAL);
	if (act == LATE)
		usleep(1300000);
	if (act == OTHER)
		request->number++;
	if (act == ANSWER || act == LATE || act == TWICE || act == OTHER)
		peer_answer(fd, request, request->queue_id);
	if (act == TWICE)
		peer_answer(fd, request, "not asked");
}

static void *
peer_main(void *arg)
{
	struct peer *peer = arg;
	unsigned char buf[CHANNEL_REQUEST_MAX];
	struct key_request request;
	ssize_t n;

	while ((n = recv(peer->requests, buf, sizeof(buf), 0)) > 0) {
		if (channel_get_request(buf, (size_t)n, &request) == -1 ||
		    request.reply_to >= peer->count)
			break;
		peer->served++;
		peer_serve(peer, &request);
	}
	return NULL;
}

/* Nobody reads the requests yet. */
static struct channel_pool *
join_pool(struct peer *peer, size_t count, enum act act)
{
	struct channel_pool *pool;
	int pair[2], fds[ANSWERS_MAX + 1];
	size_t i;

	memset(peer, 0, sizeof(*peer));
	peer->count = count;
	for (i = 0; i <= count; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair),
		    0);
		fds[i] = pair[0];
		if (i == 0) {
			peer->requests = pair[1];
			continue;
		}
		peer->answers[i - 1] = pair[1];
		peer->act[i - 1] = act;
	}
	peer->asked_on = fds[0];
	pool = channel_pool_new(fds, count + 1);
	assert_non_null(pool);
	assert_int_equal(channel_pool_usable(pool), count);
	return pool;
}

static struct channel_pool *
open_pool(struct peer *peer, size_t count, enum act act)
{
	struct channel_pool *pool = join_pool(peer, count, act);
	size_t i;

	for (i = 0; i < SERVERS; i++)
		assert_int_equal(pthread_create(&peer->servers[i], NULL,
		    peer_main, peer), 0);
	return pool;
}

static void
close_pool(struct channel_pool *pool, struct peer *peer)
{
	size_t i;

	channel_pool_free(pool);
	for (i = 0; i < SERVERS; i++)
		pthread_join(peer->servers[i], NULL);
	close(peer->requests);
	for (i = 0; i < peer->count; i++)
		close(peer->answers[i]);
}

static int
ask(struct channel_pool *pool, unsigned timeout, struct smime_error *err)
{
	struct key_answer answer;
	int rc;

	err->text[0] = '\0';
	rc = channel_ask(pool, &question, timeout, &answer, err);
	if (rc == 0)
		assert_string_equal(answer.reason, question.queue_id);
	key_answer_clear(&answer);
	return rc;
}

static const struct {
	const char	*what;
	enum act	 act;
	unsigned	 timeout;
	const char	*want;
} faults[] = {
	{ "silent", SILENT, 1, "did not answer in time" },
	{ "garbage", GARBAGE, 20, "is malformed" },
	{ "too long", TOO_LONG, 20, "is malformed" },
	{ "closed", CLOSE, 20, "closed the channel" },
	{ "late", LATE, 1, "did not answer in time" },
	{ "of another request", OTHER, 20, "answered what was not asked" },
};

/* A channel at fault is closed for good, and the next one still works. */
static void
test_faults(void **state)
{
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		pool = open_pool(&peer, 2, ANSWER);
		peer.act[1] = faults[i].act;	/* the first to be taken */
		assert_int_equal(ask(pool, faults[i].timeout, &err), -1);
		if (strstr(err.text, faults[i].want) == NULL)
			fail_msg("%s: got %s", faults[i].what, err.text);
		assert_int_equal(channel_pool_usable(pool), 1);
		assert_int_equal(ask(pool, 20, &err), 0);
		peer.act[0] = CLOSE;
		assert_int_equal(ask(pool, 20, &err), -1);
		assert_int_equal(channel_pool_usable(pool), 0);
		assert_int_equal(ask(pool, 20, &err), -1);
		assert_non_null(strstr(err.text, "no channel"));
		close_pool(pool, &peer);
	}
}

/* Two channels for each thread of the key process: when as many are lost as may
 * stand for half of the threads, it is time to renew. */
static void
test_worn(void **state)
{
	static const struct {
		size_t	count, lost;
		bool	want;
	} rows[] = {
		{ 2, 0, false }, { 2, 1, true }, { 2, 2, true },
		{ 4, 0, false }, { 4, 1, true }, { 6, 1, false },
		{ 6, 2, true }, { 8, 1, false }, { 8, 2, true },
		{ 8, 8, true },
	};
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peer;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pool = open_pool(&peer, rows[i].count, CLOSE);
		for (k = 0; k < rows[i].lost; k++)
			assert_int_equal(ask(pool, 20, &err), -1);
		if (channel_pool_worn(pool) != rows[i].want)
			fail_msg("%zu of %zu lost: not %s", rows[i].lost,
			    rows[i].count, rows[i].want ? "worn" : "well");
		close_pool(pool, &peer);
	}
}

/* An answer nobody asked for must not be that of the next question. */
static void
test_unasked(void **state)
{
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peer;

	(void)state;
	pool = open_pool(&peer, 1, TWICE);
	assert_int_equal(ask(pool, 20, &err), 0);
	assert_int_equal(ask(pool, 20, &err), -1);
	assert_non_null(strstr(err.text, "answered what was not asked"));
	assert_int_equal(channel_pool_usable(pool), 0);
	close_pool(pool, &peer);
}

/* Nobody reads the requests, and then there is nobody. */
static void
test_requests_lost(void **state)
{
	const unsigned char filler[4096] = { 0 };
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peer;
	size_t i;
	int fd;

	(void)state;
	pool = join_pool(&peer, 2, ANSWER);
	fd = peer.asked_on;
	while (send(fd, filler, sizeof(filler), MSG_DONTWAIT) > 0)
		continue;
	while (send(fd, filler, 1, MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(ask(pool, 1, &err), -1);
	assert_non_null(strstr(err.text, "did not read the request in time"));
	assert_int_equal(channel_pool_usable(pool), 1);
	close(peer.requests);
	assert_int_equal(ask(pool, 20, &err), -1);
	assert_non_null(strstr(err.text, "cannot be reached"));
	assert_int_equal(channel_pool_usable(pool), 0);
	channel_pool_free(pool);
	for (i = 0; i < 2; i++)
		close(peer.answers[i]);
}

/* An odd request costs no channel. */
static void
test_odd_request(void **state)
{
	struct key_request request = question;
	struct channel_pool *pool;
	struct key_answer answer;
	struct smime_error err = { "" };
	struct peer peer;

	(void)state;
	pool = open_pool(&peer, 1, ANSWER);
	assert_null(channel_pool_new(&peer.requests, 1));
	memset(request.queue_id, 'q', sizeof(request.queue_id));
	assert_int_equal(channel_ask(pool, &request, 1, &answer, &err), -1);
	assert_int_equal(channel_pool_usable(pool), 1);
	assert_int_equal(ask(pool, 20, &err), 0);
	close_pool(pool, &peer);
}

static void *
ask_many(void *arg)
{
	struct channel_pool *pool = arg;
	struct key_request request = question;
	struct key_answer answer;
	struct smime_error err = { "" };
	size_t i, wrong = 0;

	for (i = 0; i < 300; i++) {
		snprintf(request.queue_id, sizeof(request.queue_id), "%lx-%zu",
		    (unsigned long)pthread_self(), i);
		if (channel_ask(pool, &request, 60, &answer, &err) == -1 ||
		    strcmp(answer.reason, request.queue_id) != 0)
			wrong++;
		key_answer_clear(&answer);
	}
	return (void *)wrong;
}

/* More threads than channels: each gets the answer to its own question. */
static void
test_threads(void **state)
{
	struct channel_pool *pool;
	struct peer peer;
	pthread_t threads[8];
	void *wrong;
	size_t i;

	(void)state;
	pool = open_pool(&peer, 3, ANSWER);
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many,
		    pool), 0);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &wrong);
		assert_ptr_equal(wrong, NULL);
	}
	assert_int_equal(channel_pool_usable(pool), 3);
	close_pool(pool, &peer);
	assert_int_equal(peer.served, 8 * 300);
}

struct waiter {
	struct channel_pool	*pool;
	struct smime_error	 err;
	int			 rc;
	double			 seconds;
};

static void *
wait_main(void *arg)
{
	struct waiter *waiter = arg;
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	waiter->rc = ask(waiter->pool, 2, &waiter->err);
	clock_gettime(CLOCK_MONOTONIC, &to);
	waiter->seconds = (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	return NULL;
}

/* The wait for a free channel and for the answer have one deadline. */
static void
test_one_deadline(void **state)
{
	struct waiter waiters[3];
	struct channel_pool *pool;
	pthread_t threads[3];
	struct peer peer;
	size_t i;

	(void)state;
	pool = open_pool(&peer, 1, SILENT);
	for (i = 0; i < 3; i++) {
		waiters[i] = (struct waiter){ .pool = pool };
		pthread_create(&threads[i], NULL, wait_main, &waiters[i]);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(waiters[i].rc, -1);
		assert_true(waiters[i].seconds > 1.9);
		assert_true(waiters[i].seconds < 3.9);
	}
	close_pool(pool, &peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_limits),
		cmocka_unit_test(test_bad_packets),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_worn),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_requests_lost),
		cmocka_unit_test(test_odd_request),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_one_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
