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

#include "../../milter/milter.h"

static const struct key_request question = {
	.queue_id = "4Fq1xY2zK9z1", .digest = SMIME_SHA384,
	.address = "budi@dinkes.pekalongankab.go.id",
	.value = { 1, 2, 3, 0, 5 }
};

static struct key_answer
signed_answer(size_t len)
{
	struct key_answer answer = { .status = KEY_SIGNED, .pinned = true,
	    .digest = SMIME_SHA256, .not_after = 1893456000,
	    .serial = "0A1B2C", .reason = "", .der_len = len };

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
		assert_int_equal(len, 5 + smime_digest_size(digests[d]) +
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
	{ "type", 0, 2 }, { "type", 0, 4 }, { "digest", 1, 3 }, { "digest", 1, 255 },
	{ "shorter queue id", 2, 11 }, { "longer queue id", 2, 13 },
	{ "queue id over its ceiling", 2, 65 },
	{ "address over its ceiling", 3, 2 }, { "empty address", 4, 0 },
	{ "NUL in the queue id", 5 + 48, 0 },
	{ "NUL in the address", 5 + 48 + 12, 0 },
}, bad_answers[] = {
	{ "type", 0, 1 }, { "no status", 1, 0 }, { "status", 1, 7 },
	{ "DER with a refusal", 1, KEY_NO_IDENTITY }, { "digest", 2, 3 },
	{ "pinned", 3, 2 }, { "serial's length", 12, 7 },
	{ "serial over its ceiling", 12, 65 },
	{ "reason's length", 14, 1 }, { "reason over its ceiling", 13, 2 },
	{ "DER's length", 18, 99 }, { "DER over its ceiling", 15, 1 },
	{ "NUL in the serial", 19, 0 },
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
	assert_int_equal(len, 19 + 6 + 1500);
	assert_int_equal(channel_get_answer(buf, (size_t)len, &out), 0);
	assert_int_equal(out.status, KEY_SIGNED);
	assert_true(out.pinned);
	assert_true(out.not_after == 1893456000);
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

enum act { ANSWER, SILENT, GARBAGE, TOO_LONG, CLOSE, LATE, TWICE };

struct peer {
	int		 fd;
	_Atomic enum act act;
	pthread_t	 thread;
	_Atomic int	 served;
};

static void
peer_answer(struct peer *peer, const char *queue_id)
{
	struct key_answer answer = { .status = KEY_NO_IDENTITY };
	unsigned char buf[CHANNEL_REQUEST_MAX];
	ssize_t len;

	snprintf(answer.reason, sizeof(answer.reason), "%s", queue_id);
	len = channel_put_answer(&answer, buf, sizeof(buf));
	send(peer->fd, buf, (size_t)len, MSG_NOSIGNAL);
}

/* The key process's side of one channel. */
static void *
peer_main(void *arg)
{
	static unsigned char large[CHANNEL_ANSWER_MAX + 100];
	struct peer *peer = arg;
	unsigned char buf[CHANNEL_REQUEST_MAX];
	struct key_request request;
	ssize_t n;

	while ((n = recv(peer->fd, buf, sizeof(buf), 0)) > 0) {
		if (channel_get_request(buf, (size_t)n, &request) == -1)
			break;
		peer->served++;
		if (peer->act == CLOSE)
			break;
		if (peer->act == GARBAGE)
			send(peer->fd, "garbage", 7, MSG_NOSIGNAL);
		if (peer->act == TOO_LONG)
			send(peer->fd, large, sizeof(large), MSG_NOSIGNAL);
		if (peer->act == LATE)
			usleep(1300000);
		if (peer->act == ANSWER || peer->act == LATE ||
		    peer->act == TWICE)
			peer_answer(peer, request.queue_id);
		if (peer->act == TWICE)
			peer_answer(peer, "not asked");
	}
	close(peer->fd);
	return NULL;
}

static struct channel_pool *
open_pool(struct peer *peers, size_t count, enum act act)
{
	struct channel_pool *pool;
	int pair[2], fds[8];
	size_t i;

	for (i = 0; i < count; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair),
		    0);
		fds[i] = pair[0];
		peers[i].fd = pair[1];
		peers[i].act = act;
		peers[i].served = 0;
		assert_int_equal(pthread_create(&peers[i].thread, NULL,
		    peer_main, &peers[i]), 0);
	}
	pool = channel_pool_new(fds, count);
	assert_non_null(pool);
	assert_int_equal(channel_pool_usable(pool), count);
	return pool;
}

static void
close_pool(struct channel_pool *pool, struct peer *peers, size_t count)
{
	size_t i;

	channel_pool_free(pool);
	for (i = 0; i < count; i++)
		pthread_join(peers[i].thread, NULL);
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
	const char	*want;
} faults[] = {
	{ "silent", SILENT, "did not answer in time" },
	{ "garbage", GARBAGE, "is malformed" },
	{ "too long", TOO_LONG, "is malformed" },
	{ "closed", CLOSE, "closed the channel" },
	{ "late", LATE, "did not answer in time" },
};

/* A channel at fault is closed for good, and the next one still works. */
static void
test_faults(void **state)
{
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peers[2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		pool = open_pool(peers, 2, ANSWER);
		peers[1].act = faults[i].act;	/* the first to be taken */
		assert_int_equal(ask(pool, 1, &err), -1);
		if (strstr(err.text, faults[i].want) == NULL)
			fail_msg("%s: got %s", faults[i].what, err.text);
		assert_int_equal(channel_pool_usable(pool), 1);
		assert_int_equal(ask(pool, 1, &err), 0);
		peers[0].act = CLOSE;
		assert_int_equal(ask(pool, 1, &err), -1);
		assert_int_equal(channel_pool_usable(pool), 0);
		assert_int_equal(ask(pool, 1, &err), -1);
		assert_non_null(strstr(err.text, "no channel"));
		close_pool(pool, peers, 2);
	}
}

/* Every loss makes the rest slower: at half of them it is time to renew. */
static void
test_worn(void **state)
{
	static const struct {
		size_t	count, lost;
		bool	want;
	} rows[] = {
		{ 1, 0, false }, { 1, 1, true }, { 2, 0, false },
		{ 2, 1, true }, { 3, 1, false }, { 3, 2, true },
		{ 4, 1, false }, { 4, 2, true }, { 4, 4, true },
	};
	struct channel_pool *pool;
	struct smime_error err;
	struct peer peers[4];
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pool = open_pool(peers, rows[i].count, CLOSE);
		for (k = 0; k < rows[i].lost; k++)
			assert_int_equal(ask(pool, 1, &err), -1);
		if (channel_pool_worn(pool) != rows[i].want)
			fail_msg("%zu of %zu lost: not %s", rows[i].lost,
			    rows[i].count, rows[i].want ? "worn" : "well");
		close_pool(pool, peers, rows[i].count);
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
	assert_int_equal(ask(pool, 1, &err), 0);
	usleep(100000);
	assert_int_equal(ask(pool, 1, &err), -1);
	assert_non_null(strstr(err.text, "spoke unasked"));
	assert_int_equal(channel_pool_usable(pool), 0);
	close_pool(pool, &peer, 1);
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
	memset(request.queue_id, 'q', sizeof(request.queue_id));
	assert_int_equal(channel_ask(pool, &request, 1, &answer, &err), -1);
	assert_int_equal(channel_pool_usable(pool), 1);
	assert_int_equal(ask(pool, 1, &err), 0);
	close_pool(pool, &peer, 1);
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
		if (channel_ask(pool, &request, 10, &answer, &err) == -1 ||
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
	struct peer peers[3];
	pthread_t threads[8];
	void *wrong;
	size_t i;

	(void)state;
	pool = open_pool(peers, 3, ANSWER);
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many,
		    pool), 0);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &wrong);
		assert_ptr_equal(wrong, NULL);
	}
	assert_int_equal(channel_pool_usable(pool), 3);
	close_pool(pool, peers, 3);
	assert_int_equal(peers[0].served + peers[1].served + peers[2].served,
	    8 * 300);
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
	waiter->rc = ask(waiter->pool, 1, &waiter->err);
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
		assert_true(waiters[i].seconds > 0.9);
		assert_true(waiters[i].seconds < 1.9);
	}
	close_pool(pool, &peer, 1);
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
		cmocka_unit_test(test_odd_request),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_one_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
