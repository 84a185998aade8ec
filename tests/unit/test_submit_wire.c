/*
 * test_submit_wire.c - what the mail and the submit process say to each other,
 * and what the mail process believes of the answers.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define SITI	"siti@dinkes.pekalongankab.go.id"

/* -------------------------------------------------------------- server --- */

static const struct {
	const char	*text;
	unsigned	 port;		/* 0: refused */
} servers[] = {
	{ "127.0.0.1:10027", 10027 }, { "[::1]:10027", 10027 },
	{ "127.9.8.7:1", 1 }, { "127.0.0.1:65535", 65535 },
	{ "[0:0:0:0:0:0:0:1]:25", 25 }, { "127.0.0.1:0025", 25 },
	{ "", 0 }, { ":", 0 }, { ":25", 0 }, { "127.0.0.1", 0 },
	{ "127.0.0.1:", 0 }, { "127.0.0.1:0", 0 }, { "127.0.0.1:65536", 0 },
	{ "127.0.0.1:99999999999", 0 }, { "127.0.0.1:25x", 0 },
	{ "127.0.0.1: 25", 0 }, { "127.0.0.1:-25", 0 },
	{ "127.0.0.1:25/x", 0 }, { " 127.0.0.1:25", 0 }, { "127.1:25", 0 },
	{ "0.0.0.0:25", 0 }, { "192.0.2.1:25", 0 }, { "10.127.0.1:25", 0 },
	{ "localhost:25", 0 }, { "mx.example.org:25", 0 },
	{ "user@127.0.0.1:25", 0 }, { "[::1]", 0 }, { "[::1:25", 0 },
	{ "[]:25", 0 }, { "[:25", 0 }, { "]:25", 0 }, { "::1:25", 0 },
	{ "[127.0.0.1]:25", 0 }, { "[::2]:25", 0 }, { "[::1%lo]:25", 0 },
	{ "[::ffff:127.0.0.1]:25", 0 }, { "[::]:25", 0 },
	{ "[0000:0000:0000:0000:0000:0000:0000:0001:0000:0000:0000]:25", 0 },
	{ "smtp://127.0.0.1:25", 0 },
};

static void
test_servers(void **state)
{
	const char *wrong;
	unsigned port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		port = 0;
		wrong = submit_read_server(servers[i].text, &port);
		if ((wrong == NULL) != (servers[i].port != 0) ||
		    (wrong == NULL && port != servers[i].port))
			fail_msg("\"%s\": %u, %s", servers[i].text, port,
			    wrong != NULL ? wrong : "taken");
		assert_true((submit_read_server(servers[i].text, NULL) ==
		    NULL) == (wrong == NULL));
	}
}

/* ------------------------------------------------------------- packets --- */

static const char *const two[] = { BUDI, SITI };

static void
fill(struct submit_request *request)
{
	memset(request, 0, sizeof(*request));
	request->serial = 0x0102030405060708;
	request->limit = 60000;
	request->submission = (struct submission){ .sender = BUDI,
	    .recipients = two, .count = 2, .fd = -1, .size = 4711,
	    .queue_id = "4F2A1B" };
}

static const struct {
	const char	*address;
	bool		 want;
} addresses[] = {
	{ BUDI, true }, { "a", true }, { "\"a b\"@example.org", true },
	{ "\"a\\\"<b>\"@example.org", true }, { "\xc3\xa9@example.org", true },
	{ "", false }, { "a b@example.org", false }, { "<a@b>", false },
	{ "a@b>", false }, { "a@b\r\nDATA", false }, { "a@b\n", false },
	{ "a@b\x7f", false }, { "a\t@b", false }, { "\"a@b", false },
	{ "\"a\\", false }, { "\"a\\\"@b", false }, { "\"a\r\"@b", false },
	{ "\"a\\\n\"@b", false }, { "a@b> SIZE=1", false },
};

static void
test_addresses(void **state)
{
	unsigned char buf[SUBMIT_REQUEST_MAX];
	struct submit_request request, got;
	const char *to[] = { BUDI, NULL };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		fill(&request);
		to[1] = addresses[i].address;
		request.submission.recipients = to;
		if ((submit_put_request(&request, buf, sizeof(buf)) != -1) !=
		    addresses[i].want)
			fail_msg("recipient \"%s\"", addresses[i].address);
		fill(&request);
		request.submission.sender = addresses[i].address;
		if ((submit_put_request(&request, buf, sizeof(buf)) != -1) !=
		    (addresses[i].want || addresses[i].address[0] == '\0'))
			fail_msg("sender \"%s\"", addresses[i].address);
	}
	/* the null sender */
	fill(&request);
	request.submission.sender = "";
	assert_int_equal(submit_get_request(buf, (size_t)submit_put_request(
	    &request, buf, sizeof(buf)), &got), 0);
	assert_string_equal(got.submission.sender, "");
}

static void
assert_same(const struct submit_request *a, const struct submit_request *b)
{
	const struct submission *x = &a->submission, *y = &b->submission;
	size_t i;

	assert_int_equal(a->serial, b->serial);
	assert_int_equal(a->limit, b->limit);
	assert_int_equal(x->size, y->size);
	assert_int_equal(x->count, y->count);
	assert_string_equal(x->queue_id, y->queue_id);
	assert_string_equal(x->sender, y->sender);
	for (i = 0; i < x->count; i++)
		assert_string_equal(x->recipients[i], y->recipients[i]);
}

/* Whole, cut at every length, with more, and with each octet another. */
static void
test_requests(void **state)
{
	static unsigned char buf[SUBMIT_REQUEST_MAX], copy[512], again[512];
	struct submit_request request, got;
	ssize_t len, i, n;

	(void)state;
	fill(&request);
	len = submit_put_request(&request, buf, sizeof(buf));
	assert_int_equal(len, 23 + 7 + 3 * 32);
	assert_int_equal(submit_get_request(buf, (size_t)len, &got), 0);
	assert_same(&got, &request);
	for (i = 0; i < len; i++) {
		assert_int_equal(submit_put_request(&request, copy,
		    (size_t)i), -1);
		/* where nothing can be read behind it */
		unsigned char *exact = malloc((size_t)i + 1);
		memcpy(exact, buf, (size_t)i);
		exact = realloc(exact, i > 0 ? (size_t)i : 1);
		assert_int_equal(submit_get_request(exact, (size_t)i, &got),
		    -1);
		free(exact);
	}
	buf[len] = '\0';
	assert_int_equal(submit_get_request(buf, (size_t)len + 1, &got), -1);
	for (i = 0; i < len * 256; i++) {
		memcpy(copy, buf, (size_t)len);
		copy[i / 256] = (unsigned char)i;
		if (submit_get_request(copy, (size_t)len, &got) == -1)
			continue;
		/* what is taken is what would be said */
		n = submit_put_request(&got, again, sizeof(again));
		assert_int_equal(n, len);
		assert_memory_equal(again, copy, (size_t)len);
	}
}

/* As many recipients as there may be, of each length. */
static void
test_ceilings(void **state)
{
	static unsigned char buf[SUBMIT_REQUEST_MAX];
	static const char *many[SUBMIT_RECIPIENTS_MAX + 1];
	char long_one[ADDRESS_MAX + 2], id[CHANNEL_QUEUE_ID_MAX + 2];
	struct submit_request request, got;
	ssize_t len;
	size_t i;

	(void)state;
	for (i = 0; i <= SUBMIT_RECIPIENTS_MAX; i++)
		many[i] = SITI;
	fill(&request);
	request.submission.recipients = many;
	request.submission.count = SUBMIT_RECIPIENTS_MAX;
	len = submit_put_request(&request, buf, sizeof(buf));
	assert_int_equal(submit_get_request(buf, (size_t)len, &got), 0);
	assert_same(&got, &request);
	request.submission.count++;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	request.submission.count = 0;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);

	memset(long_one, 'a', sizeof(long_one));
	long_one[ADDRESS_MAX] = '\0';
	for (i = 0; i < SUBMIT_RECIPIENTS_MAX; i++)
		many[i] = long_one;
	request.submission.count = SUBMIT_RECIPIENTS_MAX;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	request.submission.count = 400;
	assert_true(submit_put_request(&request, buf, sizeof(buf)) > 0);
	request.submission.count = 1;
	long_one[ADDRESS_MAX] = 'a';
	long_one[ADDRESS_MAX + 1] = '\0';
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);

	memset(id, 'a', sizeof(id));
	id[CHANNEL_QUEUE_ID_MAX + 1] = '\0';
	fill(&request);
	request.submission.queue_id = id;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	id[CHANNEL_QUEUE_ID_MAX] = '\0';
	assert_true(submit_put_request(&request, buf, sizeof(buf)) > 0);
	id[0] = '\n';
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	fill(&request);
	request.submission.size = 0;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	request.submission.size = SUBMIT_SIZE_MAX + 1;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
	fill(&request);
	request.limit = 0;
	assert_int_equal(submit_put_request(&request, buf, sizeof(buf)), -1);
}

static const struct {
	enum submit_status	 status;
	unsigned		 code;
	bool			 want;
} answers[] = {
	{ SUBMIT_ACCEPTED, 250, true }, { SUBMIT_ACCEPTED, 0, false },
	{ SUBMIT_ACCEPTED, 251, false }, { SUBMIT_ACCEPTED, 550, false },
	{ SUBMIT_REFUSED, 550, true }, { SUBMIT_REFUSED, 599, true },
	{ SUBMIT_REFUSED, 600, false }, { SUBMIT_REFUSED, 499, false },
	{ SUBMIT_REFUSED, 0, false }, { SUBMIT_FAILED, 0, true },
	{ SUBMIT_FAILED, 451, true }, { SUBMIT_FAILED, 250, false },
	{ SUBMIT_FAILED, 550, false }, { 0, 0, false }, { 4, 0, false },
};

static void
test_answers(void **state)
{
	unsigned char buf[SUBMIT_ANSWER_MAX], copy[SUBMIT_ANSWER_MAX];
	struct submit_answer answer, got;
	uint64_t serial;
	ssize_t len, i;
	size_t row;

	(void)state;
	for (row = 0; row < sizeof(answers) / sizeof(answers[0]); row++) {
		memset(&answer, 0, sizeof(answer));
		answer.status = answers[row].status;
		answer.code = answers[row].code;
		memset(answer.text, 'x', SUBMIT_TEXT_MAX);
		len = submit_put_answer(7, &answer, buf, sizeof(buf));
		assert_int_equal(len != -1, answers[row].want);
		if (len == -1)
			continue;
		assert_int_equal(submit_get_answer(buf, (size_t)len, &serial,
		    &got), 0);
		assert_int_equal(serial, 7);
		assert_memory_equal(&got, &answer, sizeof(got));
		assert_int_equal(submit_put_answer(7, &answer, buf,
		    (size_t)len - 1), -1);
		buf[len] = 'x';
		assert_int_equal(submit_get_answer(buf, (size_t)len + 1,
		    &serial, &got), -1);
	}
	answer = (struct submit_answer){ SUBMIT_REFUSED, 550, "550 no" };
	len = submit_put_answer(7, &answer, buf, sizeof(buf));
	for (i = 0; i < 12; i++)
		assert_int_equal(submit_get_answer(buf, (size_t)i, &serial,
		    &got), -1);
	for (i = 0; i < len * 256; i++) {
		memcpy(copy, buf, (size_t)len);
		copy[i / 256] = (unsigned char)i;
		if (submit_get_answer(copy, (size_t)len, &serial, &got) == -1)
			continue;
		assert_int_equal(strlen(got.text), 6);
		assert_true(got.status == SUBMIT_REFUSED ||
		    got.status == SUBMIT_FAILED);
		assert_true(strspn(got.text, "5 no?") >= 5 ||
		    strpbrk(got.text, "\r\n\x1b") == NULL);
	}
}

/* --------------------------------------------------------- descriptors --- */

/* A packet with so many descriptors; none is lost here or there. */
static void
send_with(int channel, size_t len, const int *fds, size_t count)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 }, buf[64] = "packet";
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (count > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(channel, &msg, 0), len);
}

/* The next descriptor that would be given out. */
static int
next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static void
test_descriptors(void **state)
{
	const int fds[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	unsigned char buf[32];
	int pair[2], fd, free_fd;
	size_t count, len;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	free_fd = next_fd();
	for (count = 0; count <= 8; count++) {
		send_with(pair[0], 6, fds, count);
		fd = -7;
		assert_int_equal(submit_receive_packet(pair[1], buf,
		    sizeof(buf), &len, &fd), count == 1 ? 1 : -1);
		if (count == 1) {
			assert_int_equal(len, 6);
			assert_memory_equal(buf, "packet", 6);
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			close(fd);
		}
		assert_int_equal(next_fd(), free_fd);
	}
	/* too long, and nothing but a descriptor */
	send_with(pair[0], 64, fds, 1);
	assert_int_equal(submit_receive_packet(pair[1], buf, sizeof(buf),
	    &len, &fd), -1);
	send_with(pair[0], 0, fds, 1);
	assert_int_equal(submit_receive_packet(pair[1], buf, sizeof(buf),
	    &len, &fd), -1);
	assert_int_equal(next_fd(), free_fd);
	assert_true(submit_send_packet(pair[0], buf, 32, 0));
	assert_int_equal(submit_receive_packet(pair[1], buf, sizeof(buf),
	    &len, &fd), 1);
	close(fd);
	close(pair[0]);
	assert_int_equal(submit_receive_packet(pair[1], buf, sizeof(buf),
	    &len, &fd), 0);
	assert_false(submit_send_packet(pair[1], buf, 32, 0));
	assert_int_equal(errno, EPIPE);
	close(pair[1]);
}

/* ------------------------------------------------ the mail process's side */

enum deed { HONEST, REFUSES, STALE_FIRST, AHEAD, TOO_LONG, CUT, NOISE, EMPTY,
	CLOSED, SILENT };

struct fake {
	int		 fd;
	enum deed	 deed;
	unsigned	 requests;
};

/* One request after the other, the first answered as the deed says. */
static void *
fake_process(void *arg)
{
	static unsigned char buf[SUBMIT_REQUEST_MAX];
	const struct submit_answer stale = { SUBMIT_REFUSED, 550, "550 no" };
	struct submit_answer answer = { SUBMIT_ACCEPTED, 250, "250 Ok" };
	static struct submit_request request;
	struct fake *fake = arg;
	ssize_t n;
	size_t len;
	int fd;

	while (submit_receive_packet(fake->fd, buf, sizeof(buf), &len,
	    &fd) == 1) {
		close(fd);
		assert_int_equal(submit_get_request(buf, len, &request), 0);
		if (fake->requests++ > 0)
			fake->deed = HONEST;
		if (fake->deed == REFUSES)
			answer = (struct submit_answer){ SUBMIT_REFUSED, 550,
			    "550 no" };
		if (fake->deed == STALE_FIRST) {
			n = submit_put_answer(request.serial - 1, &stale,
			    buf, SUBMIT_ANSWER_MAX);
			(void)!send(fake->fd, buf, (size_t)n, 0);
		}
		n = submit_put_answer(request.serial + (fake->deed == AHEAD),
		    &answer, buf, SUBMIT_ANSWER_MAX);
		if (fake->deed == TOO_LONG)
			n = 2 * SUBMIT_ANSWER_MAX;
		if (fake->deed == CUT)
			n = 11;
		if (fake->deed == NOISE)
			memset(buf, 0xa5, (size_t)n);
		if (fake->deed == EMPTY)
			n = 0;
		if (fake->deed == CLOSED)
			break;
		if (fake->deed != SILENT)
			(void)!send(fake->fd, buf, (size_t)n, 0);
	}
	shutdown(fake->fd, SHUT_RDWR);
	return NULL;
}

static const struct {
	const char	*name;
	enum deed	 deed;
	const char	*says;		/* NULL: an answer */
	bool		 lives;		/* and the channel is used again */
} deeds[] = {
	{ "honest", HONEST, NULL, true },
	{ "refuses", REFUSES, NULL, true },
	{ "a stale answer first", STALE_FIRST, "nonsense", false },
	{ "an answer to what was not asked", AHEAD, "nonsense", false },
	{ "too long", TOO_LONG, "nonsense", false },
	{ "cut off", CUT, "nonsense", false },
	{ "noise", NOISE, "nonsense", false },
	{ "an empty packet", EMPTY, "gone", false },
	{ "gone", CLOSED, "gone", false },
	/* the next one gets its own answer, and no other */
	{ "silence", SILENT, "in time", true },
};

static int
send_one(struct submit_pool *pool, unsigned timeout,
    struct submit_answer *answer, struct smime_error *err)
{
	struct submission submission = { .sender = BUDI, .recipients = two,
	    .count = 2, .fd = STDIN_FILENO, .size = 5, .queue_id = "4F" };

	err->text[0] = '\0';
	memset(answer, 0x55, sizeof(*answer));
	return submit_send(pool, &submission, timeout, answer, err);
}

static void
try_deed(size_t row)
{
	struct fake fake = { .deed = deeds[row].deed };
	const bool is_silent = fake.deed == SILENT;
	struct submit_answer answer;
	struct submit_pool *pool;
	struct smime_error err;
	pthread_t thread;
	int pair[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fake.fd = pair[0];
	pool = submit_pool_new(&pair[1], 1);
	assert_int_equal(pthread_create(&thread, NULL, fake_process, &fake),
	    0);
	rc = send_one(pool, is_silent ? 0 : 60, &answer, &err);
	if ((rc == 0) != (deeds[row].says == NULL) || (rc == -1 &&
	    strstr(err.text, deeds[row].says) == NULL))
		fail_msg("%s: %d %s", deeds[row].name, rc, err.text);
	if (rc == -1)
		assert_int_equal(answer.status, 0);
	else
		assert_int_equal(answer.status, fake.deed == REFUSES ?
		    SUBMIT_REFUSED : SUBMIT_ACCEPTED);
	/* nobody answers the silent one's first request: it is waited for */
	rc = send_one(pool, is_silent ? 0 : 60, &answer, &err);
	if (!is_silent && (rc == 0) != deeds[row].lives)
		fail_msg("%s, again: %d %s", deeds[row].name, rc, err.text);
	if (is_silent && strstr(err.text, "in time") == NULL)
		fail_msg("%s, again: %d %s", deeds[row].name, rc, err.text);
	if (submit_pool_worn(pool) == deeds[row].lives)
		fail_msg("%s: worn", deeds[row].name);
	submit_pool_free(pool);
	pthread_join(thread, NULL);
	close(pair[0]);
}

static void
test_deeds(void **state)
{
	size_t row;

	(void)state;
	for (row = 0; row < sizeof(deeds) / sizeof(deeds[0]); row++)
		try_deed(row);
}

/* What cannot be said is no reason to give the channel up. */
static void
test_cannot_be_said(void **state)
{
	struct submission submission = { .sender = "a b", .recipients = two,
	    .count = 2, .fd = STDIN_FILENO, .size = 5, .queue_id = "4F" };
	struct fake fake = { .deed = HONEST };
	struct submit_answer answer;
	struct submit_pool *pool;
	struct smime_error err = { "" };
	pthread_t thread;
	int pair[2];

	(void)state;
	assert_int_equal(submit_send(NULL, &submission, 1, &answer, &err),
	    -1);
	assert_non_null(strstr(err.text, "no submit process"));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fake.fd = pair[0];
	pool = submit_pool_new(&pair[1], 1);
	pthread_create(&thread, NULL, fake_process, &fake);
	err.text[0] = '\0';
	assert_int_equal(submit_send(pool, &submission, 60, &answer, &err),
	    -1);
	assert_non_null(strstr(err.text, "than can be submitted"));
	submission.fd = -1;
	submission.sender = "";
	err.text[0] = '\0';
	/* a mistake of ours; the kernel does not send it */
	assert_int_equal(submit_send(pool, &submission, 60, &answer, &err),
	    -1);
	assert_non_null(strstr(err.text, "cannot be reached"));
	assert_int_equal(send_one(pool, 60, &answer, &err), 0);
	submit_pool_free(pool);
	submit_pool_free(NULL);
	pthread_join(thread, NULL);
	close(pair[0]);
}

/* More threads than channels: each gets its turn and its own answer. */
static void *
many(void *arg)
{
	struct submit_answer answer;
	struct smime_error err;
	uintptr_t wrong = 0;
	size_t i;

	for (i = 0; i < 200; i++)
		if (send_one(arg, 60, &answer, &err) == -1 ||
		    answer.status != SUBMIT_ACCEPTED)
			wrong++;
	return (void *)wrong;
}

static void
test_many_threads(void **state)
{
	struct fake fake = { .deed = HONEST };
	pthread_t server, threads[8];
	struct submit_pool *pool;
	void *wrong;
	int pair[2];
	size_t i;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fake.fd = pair[0];
	pool = submit_pool_new(&pair[1], 1);
	pthread_create(&server, NULL, fake_process, &fake);
	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, many, pool);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(fake.requests, 8 * 200);
	submit_pool_free(pool);
	pthread_join(server, NULL);
	close(pair[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_deeds),
		cmocka_unit_test(test_cannot_be_said),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
