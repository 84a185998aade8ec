/*
 * test_submitd.c - the submit process asked by many at once, oddly, or by
 * nobody any more; reloaded, and killed.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/submit.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"
#include "submitting.h"

/* --------------------------------------------------------- many at once --- */

static void *
send_many(void *arg)
{
	const size_t own = 1 + (size_t)(uintptr_t)arg;
	char text[64], want[64];
	struct submit_answer answer;
	struct smime_error err;
	uintptr_t wrong = 0;
	size_t i;

	for (i = 0; i < 10; i++) {
		memset(text, 'x', own);
		memcpy(text + own, "\r\n", 2);
		snprintf(want, sizeof(want), "250 2.0.0 Ok: %zu octets",
		    own + 2);
		if (submit(text, own + 2, 60, &answer, &err) == -1 ||
		    strcmp(answer.text, want) != 0)
			wrong++;
	}
	return (void *)wrong;
}

static void
test_at_once(void **state)
{
	pthread_t threads[6];
	void *wrong;
	size_t i;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	for (i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many,
		    (void *)i), 0);
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

/* --------------------------------------------------- odd descriptors --- */

/* What is no file that can be read, or not so long. */
static void
test_odd_files(void **state)
{
	int file = message_file(PLAIN, strlen(PLAIN)), fds[6], pair[2];
	char name[64];
	struct submission submission;
	struct submit_answer answer;
	size_t i;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	fds[0] = pair[0];
	fds[1] = open("/dev/zero", O_RDONLY);
	fds[2] = open(path_of("."), O_RDONLY | O_DIRECTORY);
	fds[3] = open(name, O_WRONLY);
	fds[4] = message_file(PLAIN, strlen(PLAIN) - 1);
	fds[5] = socket(AF_UNIX, SOCK_STREAM, 0);
	server_will(NOWHERE, 0, NULL);
	for (i = 0; i < 6; i++) {
		assert_int_not_equal(fds[i], -1);
		submission = plain(fds[i]);
		ask(running.fds[0], &submission, 20000);
		assert_true(hear(running.fds[0], &answer));
		if (answer.status != SUBMIT_FAILED || answer.code != 0 ||
		    strstr(answer.text, i == 3 ? "end in a line" :
		    "no file of the size") == NULL)
			fail_msg("descriptor %zu: %u %s", i, answer.status,
			    answer.text);
		close(fds[i]);
	}
	close(pair[1]);
	/* where the offset stands does not matter, and it is left there */
	assert_int_equal(lseek(file, 5, SEEK_SET), 5);
	submission = plain(file);
	ask(running.fds[0], &submission, 20000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	server_settled();
	assert_memory_equal(server->data, PLAIN, strlen(PLAIN));
	assert_int_equal(lseek(file, 0, SEEK_CUR), 5);
	close(file);
}

static void
test_nothing_left_open(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	unsigned i;

	(void)state;
	server_will(RCPT, 1, "550 no");
	for (i = 0; i < 10; i++)
		assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer,
		    &err), 0);
	server_will(NOWHERE, 0, NULL);
	for (i = 0; i < 10; i++)
		assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer,
		    &err), 0);
	/* the last connections are wound up after the answer */
	for (i = 0; i < 2000 && open_files(running.pid) != running.files; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(open_files(running.pid), running.files);
}

/* ------------------------------------------------------ ends and breaks --- */

static void
test_reload(void **state)
{
	int fd = message_file(PLAIN, strlen(PLAIN));
	struct submission submission = plain(fd);
	struct conf *conf = submitting_conf(server->port, 1);
	struct submit_answer answer;
	struct smime_error err = { "" };
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(conf_text(conf, &text, &len, &err), 0);
	assert_int_equal(control_send(running.control, text, len, 20, NULL,
	    &err), CONTROL_DONE);
	free(text);
	conf_unref(conf);
	/* its own limit counts, where it is less than what is asked for */
	server_will(END, 1, SILENCE);
	ask(running.fds[0], &submission, 600000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.status, SUBMIT_FAILED);
	close(fd);
}

/* Whatever breaks a channel leaves the other one alone. */
static void
test_malformed(void **state)
{
	struct submission submission = plain(message_file(PLAIN,
	    strlen(PLAIN)));
	struct submit_answer answer;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	assert_true(submit_send_packet(running.fds[0],
	    (const unsigned char *)"noise", 5, submission.fd));
	assert_false(hear(running.fds[0], &answer));
	ask(running.fds[1], &submission, 20000);
	assert_true(hear(running.fds[1], &answer));
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	/* none without its descriptor */
	assert_int_equal(send(running.fds[1], "noise", 5, 0), 5);
	assert_false(hear(running.fds[1], &answer));
	close(submission.fd);
	/* with no channel left there is nothing to do */
	assert_int_equal(process_end(), 0);
	process_start(server->port);
}

/*
 * Nobody waits for the answer any more: the message is not sent to its end,
 * because it will be sent again.
 */
static void
test_forsaken(void **state)
{
	struct submission submission = plain(message_file(PLAIN,
	    strlen(PLAIN)));

	(void)state;
	server_will(DATA, 1, GATE);
	ask(running.fds[0], &submission, 60000);
	close(submission.fd);
	assert_int_equal(sem_wait(&server->reached), 0);
	assert_int_equal(shutdown(running.fds[0], SHUT_RDWR), 0);
	sem_post(&server->open);
	server_settled();
	assert_int_equal(server->counts[DATA], 1);
	assert_false(server->whole);
	assert_int_equal(server->counts[END], 0);
	assert_int_equal(process_end(), 0);
	process_start(server->port);
}

static void *
kill_it(void *arg)
{
	assert_int_equal(sem_wait(&server->reached), 0);
	kill(running.pid, SIGKILL);
	return arg;
}

/* kill -9 while the server has all and has not answered. */
static void
test_killed(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	pthread_t killer;

	(void)state;
	server_will(END, 1, GATE);
	pthread_create(&killer, NULL, kill_it, NULL);
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), -1);
	assert_non_null(strstr(err.text, "the submit process is gone"));
	pthread_join(killer, NULL);
	sem_post(&server->open);
	/* the other channel is gone, too */
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), -1);
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), -1);
	assert_non_null(strstr(err.text, "the submit process is gone"));
	assert_true(WIFSIGNALED(process_end()));
	process_start(server->port);
}

static void
test_nobody_listens(void **state)
{
	struct submit_answer answer;
	struct smime_error err;

	(void)state;
	assert_int_equal(process_end(), 0);
	process_start(1);
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), 0);
	assert_int_equal(answer.status, SUBMIT_FAILED);
	assert_int_equal(answer.code, 0);
	assert_non_null(strstr(answer.text, "connect"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_nothing_left_open),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_forsaken),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_nobody_listens),
	};

	return cmocka_run_group_tests(tests, submitting_setup,
	    submitting_teardown);
}
