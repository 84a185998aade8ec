/*
 * test_submit.c - the submit process against a small mail server that answers
 * as each case says. The process is the product's, in its cage; the server is a
 * thread here.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/submit.h"
#include "../../milter/supervise.h"
#include "pki.h"

#define CHANNELS	2
#define DATA_MAX	((size_t)12 * 1024 * 1024)
#define SENDER		"budi@dinkes.pekalongankab.go.id"
#define SITI		"siti@dinkes.pekalongankab.go.id"
#define TONO		"tono@example.org"

/* ---------------------------------------------------------- the server --- */

enum stage { GREETING, EHLO, HELO, MAIL, RCPT, DATA, END, QUIT, NOWHERE };

#define DROP	NULL		/* the connection is closed instead */
#define SILENCE	""		/* nothing comes any more */

static struct server {
	int		 fd;
	unsigned	 port;
	pthread_t	 thread;
	/* the case */
	enum stage	 odd;		/* where it answers otherwise */
	unsigned	 nth;		/* of that stage's, from 1 */
	const char	*reply;
	/* what came, of the last connection */
	pthread_mutex_t	 lock;
	unsigned	 connections;
	unsigned	 counts[NOWHERE];
	bool		 whole;		/* the end of the data came */
	char		 commands[4096];
	unsigned char	*data;		/* as it came, without the end */
	size_t		 len;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const usual[] = {
	[GREETING] = "220 mx.example.org ESMTP", [EHLO] =
	"250-mx.example.org\r\n250-8BITMIME\r\n250 SIZE 20000000",
	[HELO] = "250 mx.example.org", [MAIL] = "250 2.1.0 Ok",
	[RCPT] = "250 2.1.5 Ok", [DATA] = "354 End data with <CR><LF>.<CR><LF>",
	[END] = "250 2.0.0 Ok: queued as 4F2A", [QUIT] = "221 2.0.0 Bye"
};

/* false: the connection is over. */
static bool
answer_stage(int fd, enum stage stage)
{
	const char *reply = usual[stage];
	char line[1024];
	int len;

	server.counts[stage]++;
	if (server.odd == stage && server.nth == server.counts[stage])
		reply = server.reply;
	if (reply == DROP)
		return false;
	if (strcmp(reply, SILENCE) == 0) {
		while (recv(fd, line, sizeof(line), 0) > 0)
			continue;
		return false;
	}
	len = snprintf(line, sizeof(line), "%s\r\n", reply);
	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool
read_line(FILE *in, char *line, size_t size, size_t *len)
{
	size_t n = 0;
	int c = EOF;

	while (n + 1 < size && (c = getc(in)) != EOF) {
		line[n++] = (char)c;
		if (c == '\n')
			break;
	}
	line[n] = '\0';
	*len = n;
	return n > 0;
}

/* To the line that is a dot alone. */
static bool
read_data(FILE *in)
{
	static const char end[] = "\r\n.\r\n";
	size_t matched = 2;	/* the line of DATA came before */
	int c;

	while ((c = getc(in)) != EOF) {
		if (server.len == DATA_MAX)
			return false;
		server.data[server.len++] = (unsigned char)c;
		if (c == end[matched])
			matched++;
		else
			matched = c == '\r' ? 1 : 0;
		if (matched == 5) {
			server.len -= 3;
			server.whole = true;
			return true;
		}
	}
	return false;
}

static enum stage
stage_of(const char *line)
{
	static const char *const words[] = { [EHLO] = "EHLO ",
	    [HELO] = "HELO ", [MAIL] = "MAIL FROM:", [RCPT] = "RCPT TO:",
	    [DATA] = "DATA\r", [QUIT] = "QUIT\r" };
	enum stage stage;

	for (stage = EHLO; stage < NOWHERE; stage++)
		if (words[stage] != NULL && strncmp(line, words[stage],
		    strlen(words[stage])) == 0)
			return stage;
	return NOWHERE;
}

static void
converse(int fd)
{
	FILE *in = fdopen(fd, "r");
	char line[1024];
	enum stage stage;
	size_t len;

	memset(server.counts, 0, sizeof(server.counts));
	server.commands[0] = '\0';
	server.whole = false;
	server.len = 0;
	server.connections++;
	if (answer_stage(fd, GREETING))
		while (read_line(in, line, sizeof(line), &len)) {
			if (strlen(server.commands) + len + 1 <
			    sizeof(server.commands))
				strcat(server.commands, line);
			stage = stage_of(line);
			if (stage == NOWHERE || !answer_stage(fd, stage) ||
			    stage == QUIT)
				break;
			if (stage == DATA && server.counts[DATA] > 0 &&
			    (server.odd != DATA || server.reply[0] == '3') &&
			    (!read_data(in) || !answer_stage(fd, END)))
				break;
		}
	fclose(in);
}

static void *
serve(void *arg)
{
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) != -1) {
		pthread_mutex_lock(&server.lock);
		converse(fd);
		pthread_mutex_unlock(&server.lock);
	}
	return arg;
}

static void
server_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.data = malloc(DATA_MAX);
	server.odd = NOWHERE;
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&in, sizeof(in)),
	    0);
	assert_int_equal(listen(server.fd, 16), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&in, &len),
	    0);
	server.port = ntohs(in.sin_port);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL),
	    0);
}

/* ------------------------------------------------------- the process --- */

static struct running {
	pid_t			 pid;
	int			 control;
	int			 fds[CHANNELS];
	struct submit_pool	*pool;
} running;

static char conf_file[512];

static struct conf *
read_conf(unsigned port, unsigned timeout)
{
	struct smime_error err = { "" };
	struct conf *conf;
	char text[1024];

	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nuser = \"\";\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n"
	    "submit = { server = \"127.0.0.1:%u\"; user = \"\";\n"
	    "  threads = %d; timeout = %u; };\n", port, CHANNELS, timeout);
	write_whole(conf_file, text, strlen(text));
	conf = conf_read(conf_file, &err);
	if (conf == NULL)
		fail_msg("conf_read: %s", err.text);
	return conf;
}

static void __attribute__((noreturn))
child(int control, int *fds, unsigned timeout)
{
	const struct channels channels[JOINTS_MAX] = {
		[JOINT_SUBMIT] = { fds, CHANNELS } };
	int log = open(pki_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	dup2(log, STDERR_FILENO);
	log_open("submit", true, LOG_LEVEL_INFO);
	_exit(submit_process(read_conf(server.port, timeout), control,
	    channels));
}

static void
process_start(unsigned timeout)
{
	int control[2], pair[2], theirs[CHANNELS];
	char ready = 0;
	size_t i;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    control), 0);
	for (i = 0; i < CHANNELS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET |
		    SOCK_CLOEXEC, 0, pair), 0);
		running.fds[i] = pair[0];
		theirs[i] = pair[1];
	}
	fflush(NULL);
	running.pid = fork();
	if (running.pid == 0) {
		close(control[0]);
		close(server.fd);
		for (i = 0; i < CHANNELS; i++)
			close(running.fds[i]);
		child(control[1], theirs, timeout);
	}
	close(control[1]);
	for (i = 0; i < CHANNELS; i++)
		close(theirs[i]);
	running.control = control[0];
	if (recv(running.control, &ready, 1, 0) != 1 ||
	    ready != CONTROL_READY)
		fail_msg("the submit process does not start");
	running.pool = submit_pool_new(running.fds, CHANNELS);
	assert_non_null(running.pool);
}

static int
process_end(void)
{
	int status = -1, i;

	submit_pool_free(running.pool);
	close(running.control);
	for (i = 0; i < 2000; i++) {
		if (waitpid(running.pid, &status, WNOHANG) == running.pid)
			return status;
		(void)poll(NULL, 0, 10);
	}
	kill(running.pid, SIGKILL);
	waitpid(running.pid, &status, 0);
	return status;
}

/* ------------------------------------------------------------ messages --- */

static int
message_file(const char *text, size_t len)
{
	char path[] = "/tmp/sampul-submit-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	unlink(path);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

static const char *const two[] = { SITI, TONO };

static int
submit(const char *text, size_t len, unsigned timeout,
    struct submit_answer *answer, struct smime_error *err)
{
	struct submission submission = { .sender = SENDER, .recipients = two,
	    .count = 2, .size = len, .queue_id = "4F2A1B" };
	int rc;

	submission.fd = message_file(text, len);
	err->text[0] = '\0';
	rc = submit_send(running.pool, &submission, timeout, answer, err);
	close(submission.fd);
	return rc;
}

#define PLAIN	"Subject: a\r\n\r\nb\r\n"

/* Waits until the server is through with its connection. */
static void
server_settled(void)
{
	pthread_mutex_lock(&server.lock);
	pthread_mutex_unlock(&server.lock);
}

static void
server_will(enum stage odd, unsigned nth, const char *reply)
{
	pthread_mutex_lock(&server.lock);
	server.odd = odd;
	server.nth = nth;
	server.reply = reply;
	pthread_mutex_unlock(&server.lock);
}

static void
test_accepted(void **state)
{
	struct submit_answer answer;
	struct smime_error err;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	if (submit(PLAIN, strlen(PLAIN), 60, &answer, &err) == -1)
		fail_msg("%s", err.text);
	server_settled();
	assert_string_equal(answer.text, "250 2.0.0 Ok: queued as 4F2A");
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	assert_int_equal(answer.code, 250);
	assert_true(server.whole);
	assert_int_equal(server.len, strlen(PLAIN));
	assert_memory_equal(server.data, PLAIN, strlen(PLAIN));
	assert_string_equal(server.commands, "EHLO mx.pekalongankab.go.id\r\n"
	    "MAIL FROM:<" SENDER "> SIZE=17\r\nRCPT TO:<" SITI ">\r\n"
	    "RCPT TO:<" TONO ">\r\nDATA\r\nQUIT\r\n");
}

/* ------------------------------------------------------ odd servers --- */

static const struct {
	enum stage		 odd;
	unsigned		 nth;
	const char		*reply;
	enum submit_status	 status;
	unsigned		 code;
	const char		*says;
} cases[] = {
	{ GREETING, 1, "554 go away", SUBMIT_REFUSED, 554, "554 go away" },
	{ GREETING, 1, "421 busy", SUBMIT_FAILED, 421, "421 busy" },
	{ MAIL, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0 later" },
	{ MAIL, 1, "550 5.7.1 no", SUBMIT_REFUSED, 550, "5.7.1 no" },
	{ MAIL, 1, "552-5.3.4 too\r\n552 5.3.4 large", SUBMIT_REFUSED, 552,
	    "552 5.3.4 large" },
	{ RCPT, 1, "450 4.2.0 later", SUBMIT_FAILED, 450, "4.2.0 later" },
	{ RCPT, 1, "550 5.1.1 unknown", SUBMIT_REFUSED, 550, "5.1.1" },
	{ RCPT, 2, "450 4.2.0 later", SUBMIT_FAILED, 450, "4.2.0 later" },
	{ RCPT, 2, "550 5.1.1 unknown", SUBMIT_REFUSED, 550, "5.1.1" },
	{ DATA, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0" },
	{ DATA, 1, "554 5.5.1 no", SUBMIT_REFUSED, 554, "5.5.1" },
	{ END, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0 later" },
	{ END, 1, "554 5.7.1 spam \x1b[2J", SUBMIT_REFUSED, 554,
	    "5.7.1 spam ?[2J" },
	{ END, 1, "200 what", SUBMIT_FAILED, 0, "" },
	{ GREETING, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ EHLO, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ MAIL, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ RCPT, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ RCPT, 2, DROP, SUBMIT_FAILED, 0, "" },
	{ DATA, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ END, 1, DROP, SUBMIT_FAILED, 0, "" },
	/* it is accepted then, whatever the goodbye */
	{ QUIT, 1, DROP, SUBMIT_ACCEPTED, 250, "queued as 4F2A" },
	{ QUIT, 1, "550 stay", SUBMIT_ACCEPTED, 250, "queued as 4F2A" },
	/* a server without extensions */
	{ EHLO, 1, "502 no", SUBMIT_ACCEPTED, 250, "queued as 4F2A" },
};

static void
test_cases(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server_will(cases[i].odd, cases[i].nth, cases[i].reply);
		if (submit(PLAIN, strlen(PLAIN), 60, &answer, &err) == -1)
			fail_msg("case %zu: %s", i, err.text);
		server_settled();
		if (answer.status != cases[i].status ||
		    answer.code != cases[i].code ||
		    strstr(answer.text, cases[i].says) == NULL)
			fail_msg("case %zu: %u %u %s", i, answer.status,
			    answer.code, answer.text);
		/* nothing is sent unless all recipients are taken */
		if (cases[i].odd <= DATA && cases[i].odd != EHLO)
			assert_int_equal(server.len, 0);
		if (cases[i].odd == RCPT)
			assert_int_equal(server.counts[DATA], 0);
	}
}

/* Where nothing comes any more, for as long as the client waits. */
static void
test_silence(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	enum stage stage;

	(void)state;
	for (stage = GREETING; stage < QUIT; stage++) {
		if (stage == HELO)
			continue;
		server_will(stage, 1, SILENCE);
		if (submit(PLAIN, strlen(PLAIN), 1, &answer, &err) == -1)
			fail_msg("stage %d: %s", stage, err.text);
		if (answer.status != SUBMIT_FAILED || answer.code != 0 ||
		    strstr(answer.text, "Timeout was reached") == NULL)
			fail_msg("stage %d: %u %u %s", stage, answer.status,
			    answer.code, answer.text);
	}
}

static int
setup(void **state)
{
	pki_setup(state);
	snprintf(conf_file, sizeof(conf_file), "%s", pki_path("a.conf"));
	server_start();
	process_start(60);
	return 0;
}

static int
teardown(void **state)
{
	assert_int_equal(process_end(), 0);
	return pki_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
