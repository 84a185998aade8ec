/*
 * test_submit.c - the submit process against a small mail server that answers
 * as each case says. The process is the product's, in its cage; the server is a
 * thread here.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
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

#define CHANNELS	2
#define DATA_MAX	((size_t)12 * 1024 * 1024)
#define SENDER		"budi@dinkes.pekalongankab.go.id"
#define SITI		"siti@dinkes.pekalongankab.go.id"
#define TONO		"tono@example.org"

static char dir[] = "/tmp/sampul-submit-XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* ---------------------------------------------------------- the server --- */

enum stage { GREETING, EHLO, HELO, MAIL, RCPT, DATA, END, QUIT, NOWHERE };

#define DROP	NULL		/* the connection is closed instead */
#define SILENCE	""		/* nothing comes any more */
#define GATE	"gate"		/* the usual, once the gate is opened */

static struct server {
	int		 fd;
	unsigned	 port;
	pthread_t	 thread;
	/* the case */
	enum stage	 odd;		/* where it answers otherwise */
	unsigned	 nth;		/* of that stage's, from 1 */
	const char	*reply;
	bool		 mute;		/* no goodbye either */
	sem_t		 reached;	/* the gate */
	sem_t		 open;
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
	"250-mx.example.org\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n"
	"250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n"
	"250 SIZE 20000000",
	[HELO] = "250 mx.example.org", [MAIL] = "250 2.1.0 Ok",
	[RCPT] = "250 2.1.5 Ok", [DATA] = "354 End data with <CR><LF>.<CR><LF>",
	[END] = "250 2.0.0 Ok: %zu octets", [QUIT] = "221 2.0.0 Bye"
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
	if (strcmp(reply, GATE) == 0) {
		sem_post(&server.reached);
		sem_wait(&server.open);
		reply = usual[stage];
	}
	if (strcmp(reply, SILENCE) == 0 || (stage == QUIT && server.mute)) {
		while (recv(fd, line, sizeof(line), 0) > 0)
			continue;
		return false;
	}
	if (reply == usual[END])
		len = snprintf(line, sizeof(line),
		    "250 2.0.0 Ok: %zu octets\r\n", server.len);
	else
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
			if (stage == DATA && (server.odd != DATA ||
			    strcmp(server.reply, GATE) == 0) &&
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
	unsigned		 files;		/* open, before it did anything */
} running;

static struct conf *
read_conf(unsigned port, unsigned timeout)
{
	struct smime_error err = { "" };
	struct conf *conf;
	char text[1024];
	FILE *out;

	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nuser = \"\";\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n"
	    "submit = { server = \"127.0.0.1:%u\"; user = \"\";\n"
	    "  threads = %d; timeout = %u; };\n", port, CHANNELS, timeout);
	out = fopen(path_of("a.conf"), "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	conf = conf_read(path_of("a.conf"), &err);
	if (conf == NULL)
		fail_msg("conf_read: %s", err.text);
	return conf;
}

static void __attribute__((noreturn))
child(int control, int *fds, unsigned timeout)
{
	const struct channels channels[JOINTS_MAX] = {
		[JOINT_SUBMIT] = { fds, CHANNELS } };
	int log = open(path_of("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	dup2(log, STDERR_FILENO);
	log_open("submit", true, LOG_LEVEL_INFO);
	_exit(submit_process(read_conf(server.port, timeout), control,
	    channels));
}

/* Root alone may look; 0 for others. */
static unsigned
open_files(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	if ((d = opendir(path)) == NULL)
		return 0;
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
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
	running.files = open_files(running.pid);
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
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
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
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	if (pthread_mutex_timedlock(&server.lock, &until) != 0)
		fail_msg("the connection is still there after 30 s");
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
	assert_string_equal(answer.text, "250 2.0.0 Ok: 17 octets");
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
	{ QUIT, 1, DROP, SUBMIT_ACCEPTED, 250, "octets" },
	{ QUIT, 1, "550 stay", SUBMIT_ACCEPTED, 250, "octets" },
	/* a server without extensions */
	{ EHLO, 1, "502 no", SUBMIT_ACCEPTED, 250, "octets" },
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

/* ------------------------------------------------------ without a pool --- */

/*
 * Asks by a channel itself: what submit_send would not say, or for less than a
 * second.
 */
static void
ask(int channel, const struct submission *submission, unsigned limit)
{
	static unsigned char buf[SUBMIT_REQUEST_MAX];
	static struct submit_request request;
	ssize_t len;

	request.serial = 99;
	request.limit = limit;
	request.submission = *submission;
	len = submit_put_request(&request, buf, sizeof(buf));
	assert_true(len > 0);
	assert_true(submit_send_packet(channel, buf, (size_t)len,
	    submission->fd));
}

/* false: the channel was closed. */
static bool
hear(int channel, struct submit_answer *answer)
{
	unsigned char buf[SUBMIT_ANSWER_MAX];
	struct pollfd pfd = { .fd = channel, .events = POLLIN };
	uint64_t serial;
	ssize_t n;

	if (poll(&pfd, 1, 30000) != 1)
		fail_msg("no answer in 30 s");
	n = recv(channel, buf, sizeof(buf), 0);
	if (n <= 0)
		return false;
	assert_int_equal(submit_get_answer(buf, (size_t)n, &serial, answer),
	    0);
	assert_int_equal(serial, 99);
	return true;
}

static struct submission
plain(int fd)
{
	return (struct submission){ .sender = SENDER, .recipients = two,
	    .count = 2, .size = strlen(PLAIN), .queue_id = "4F2A", .fd = fd };
}

/* Where nothing comes any more. */
static void
test_silence(void **state)
{
	int fd = message_file(PLAIN, strlen(PLAIN));
	struct submission submission = plain(fd);
	struct submit_answer answer;
	enum stage stage;

	(void)state;
	for (stage = GREETING; stage < QUIT; stage++) {
		if (stage == HELO)
			continue;
		server_will(stage, 1, SILENCE);
		ask(running.fds[0], &submission, 300);
		assert_true(hear(running.fds[0], &answer));
		if (answer.status != SUBMIT_FAILED || answer.code != 0 ||
		    strstr(answer.text, "Timeout was reached") == NULL)
			fail_msg("stage %d: %u %u %s", stage, answer.status,
			    answer.code, answer.text);
	}
	/* nor does a refusal wait for the goodbye, but a little */
	server_will(RCPT, 2, "550 5.1.1 unknown");
	server.mute = true;
	ask(running.fds[0], &submission, 60000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.code, 550);
	server_will(NOWHERE, 0, NULL);
	ask(running.fds[0], &submission, 60000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.code, 250);
	server_settled();
	server.mute = false;
	close(fd);
}

/* ------------------------------------------------------------- contents --- */

/* What came, without the dots that were put before dots (RFC 5321 4.5.2). */
static size_t
unstuff(unsigned char *data, size_t len)
{
	size_t i, n = 0;
	bool begins = true;

	for (i = 0; i < len; i++) {
		if (begins && data[i] == '.') {
			assert_true(i + 1 < len);
			i++;
		}
		data[n++] = data[i];
		begins = n >= 2 && data[n - 1] == '\n' && data[n - 2] == '\r';
	}
	return n;
}

static void
expect_same(const char *text, size_t len)
{
	struct submit_answer answer;
	struct smime_error err;

	server_will(NOWHERE, 0, NULL);
	if (submit(text, len, 60, &answer, &err) == -1)
		fail_msg("%s", err.text);
	if (answer.status != SUBMIT_ACCEPTED)
		fail_msg("%zu octets: %s", len, answer.text);
	server_settled();
	server.len = unstuff(server.data, server.len);
	assert_int_equal(server.len, len);
	if (memcmp(server.data, text, len) != 0)
		fail_msg("%zu octets came otherwise", len);
}

#define TEXT(s)	{ s, sizeof(s) - 1 }

static const struct {
	const char	*text;
	size_t		 len;
} contents[] = {
	TEXT("\r\n"), TEXT("a\r\n"), TEXT(".\r\n"), TEXT("..\r\n"),
	TEXT(".a\r\n.b\r\n"), TEXT("Subject: a\r\n\r\n.\r\n"),
	TEXT("Subject: a\r\n\r\n.\r\n.\r\nb\r\n"),
	TEXT("Subject: a\r\n\r\n.\r\nQUIT\r\nMAIL FROM:<a@b>\r\n"),
	TEXT("a.\r\n.b.\r\n...\r\n"), TEXT("a\r\n\r\n\r\n"),
	TEXT("8 bit: \xc3\xa9 \xff \x80\r\n"), TEXT("NUL: \0\r\n"),
};

static void
test_contents(void **state)
{
	static const size_t pieces[] = { 16384, 65536, 131072 };
	char *text = malloc(200000);
	size_t i, p, n;

	(void)state;
	for (i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		expect_same(contents[i].text, contents[i].len);
	/* where a line begins with a dot about the end of a buffer */
	for (p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (n = pieces[p] - 4; n <= pieces[p] + 2; n++) {
			memset(text, 'x', n);
			memcpy(text + n, "\r\n.\r\n.y\r\n", 9);
			expect_same(text, n + 9);
		}
	/* a line far over 998 octets is not ours to break */
	memset(text, 'x', 100000);
	memcpy(text + 99998, "\r\n", 2);
	expect_same(text, 100000);
	free(text);
}

static const struct {
	const char	*text;
	size_t		 len;
	const char	*says;
} odd_contents[] = {
	{ "a\nb\r\n", 5, "bare CR or LF" }, { "a\rb\r\n", 5, "bare CR or LF" },
	{ "\n\r\n", 3, "bare CR or LF" }, { "a\r\r\n", 4, "bare CR or LF" },
	{ "a\n\r\n", 4, "bare CR or LF" }, { "a\r\n.\n\r\n", 7, "bare" },
	{ "\na\r\n", 4, "bare CR or LF" }, { "a", 1, "end in a line" },
	{ "a\n", 2, "end in a line" }, { "a\r\nb", 4, "end in a line" },
	{ "a\r", 2, "end in a line" }, { "a\r\n.", 4, "end in a line" },
};

/* Nobody gets half a message, and no smuggled one (CVE-2023-51764). */
static void
test_odd_contents(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	char *text = malloc(200000);
	size_t i;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	for (i = 0; i < sizeof(odd_contents) / sizeof(odd_contents[0]); i++) {
		if (submit(odd_contents[i].text, odd_contents[i].len, 60,
		    &answer, &err) == -1)
			fail_msg("row %zu: %s", i, err.text);
		server_settled();
		if (answer.status != SUBMIT_FAILED ||
		    strstr(answer.text, odd_contents[i].says) == NULL)
			fail_msg("row %zu: %s", i, answer.text);
		assert_false(server.whole);
		assert_int_equal(server.len, 0);
	}
	/* far behind what was sent already, at each side of a buffer's end */
	for (i = 65534; i <= 65538; i++) {
		memset(text, 'x', 150000);
		memcpy(text + 149998, "\r\n", 2);
		text[i] = '\n';
		assert_int_equal(submit(text, 150000, 60, &answer, &err), 0);
		server_settled();
		assert_int_equal(answer.status, SUBMIT_FAILED);
		assert_non_null(strstr(answer.text, "bare CR or LF"));
		assert_false(server.whole);
	}
	free(text);
}

static long
memory_of(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	while (kib == -1 && fgets(line, sizeof(line), in) != NULL)
		(void)sscanf(line, "VmHWM: %ld", &kib);
	fclose(in);
	return kib;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_MAX	100000
#else
#define MEMORY_MAX	1024	/* KiB that 5 MiB may take more than 17 octets */
#endif

static void
test_large(void **state)
{
	const size_t size = 5 * 1024 * 1024;
	char *text = malloc(size);
	long before, after;
	size_t i;

	(void)state;
	for (i = 0; i < size; i++)
		text[i] = i % 78 == 77 ? '\n' : i % 78 == 76 ? '\r' :
		    i % 78 == 0 && i % 7 == 0 ? '.' : (char)('a' + i % 23);
	memcpy(text + size - 4, "zz\r\n", 4);
	expect_same(PLAIN, strlen(PLAIN));
	before = memory_of(running.pid);
	expect_same(text, size);
	after = memory_of(running.pid);
	print_message("%ld KiB before, %ld after\n", before, after);
	assert_true(after - before <= MEMORY_MAX);
	free(text);
}

static void
test_many_recipients(void **state)
{
	static const char *to[SUBMIT_RECIPIENTS_MAX];
	struct submission submission = plain(message_file(PLAIN,
	    strlen(PLAIN)));
	struct submit_answer answer;
	struct smime_error err = { "" };
	size_t i;

	(void)state;
	for (i = 0; i < SUBMIT_RECIPIENTS_MAX; i++)
		to[i] = i % 2 == 0 ? TONO : "\"a b\"@example.org";
	submission.recipients = to;
	submission.count = SUBMIT_RECIPIENTS_MAX;
	submission.sender = "";
	server_will(NOWHERE, 0, NULL);
	assert_int_equal(submit_send(running.pool, &submission, 60, &answer,
	    &err), 0);
	server_settled();
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	assert_int_equal(server.counts[RCPT], SUBMIT_RECIPIENTS_MAX);
	assert_non_null(strstr(server.commands, "\r\nMAIL FROM:<> SIZE=17\r\n"
	    "RCPT TO:<" TONO ">\r\nRCPT TO:<\"a b\"@example.org>\r\n"));
	/* the last of a thousand */
	server_will(RCPT, SUBMIT_RECIPIENTS_MAX, "452 4.5.3 too many");
	assert_int_equal(submit_send(running.pool, &submission, 60, &answer,
	    &err), 0);
	server_settled();
	assert_int_equal(answer.code, 452);
	assert_int_equal(server.counts[DATA], 0);
	close(submission.fd);
}

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
	fds[2] = open(dir, O_RDONLY | O_DIRECTORY);
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
	assert_memory_equal(server.data, PLAIN, strlen(PLAIN));
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
	struct conf *conf = read_conf(server.port, 1);
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
	process_start(60);
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
	assert_int_equal(sem_wait(&server.reached), 0);
	assert_int_equal(shutdown(running.fds[0], SHUT_RDWR), 0);
	sem_post(&server.open);
	server_settled();
	assert_int_equal(server.counts[DATA], 1);
	assert_false(server.whole);
	assert_int_equal(server.counts[END], 0);
	assert_int_equal(process_end(), 0);
	process_start(60);
}

static void *
kill_it(void *arg)
{
	assert_int_equal(sem_wait(&server.reached), 0);
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
	sem_post(&server.open);
	/* the other channel is gone, too */
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), -1);
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), -1);
	assert_non_null(strstr(err.text, "the submit process is gone"));
	assert_true(WIFSIGNALED(process_end()));
	process_start(60);
}

static void
test_nobody_listens(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	unsigned port = server.port;

	(void)state;
	assert_int_equal(process_end(), 0);
	server.port = 1;
	process_start(60);
	assert_int_equal(submit(PLAIN, strlen(PLAIN), 60, &answer, &err), 0);
	assert_int_equal(answer.status, SUBMIT_FAILED);
	assert_int_equal(answer.code, 0);
	assert_non_null(strstr(answer.text, "connect"));
	server.port = port;
}

static int __attribute__((unused))
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || sem_init(&server.reached, 0, 0) == -1 ||
	    sem_init(&server.open, 0, 0) == -1)
		return -1;
	server_start();
	process_start(60);
	return 0;
}

static int __attribute__((unused))
teardown(void **state)
{
	(void)state;
	assert_int_equal(process_end(), 0);
	unlink(path_of("a.conf"));
	unlink(path_of("log"));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_odd_contents),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_recipients),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_nothing_left_open),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_forsaken),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_nobody_listens),
	};

#ifdef __SANITIZE_THREAD__
	/* Under it tests/e2e/test_copies sees the process, which is started by
	 * a supervisor without threads. */
	printf("ok - test_submit # SKIP ThreadSanitizer starts no threads "
	    "after a fork beside threads\n");
	return tests[0].test_func == NULL;
#else
	return cmocka_run_group_tests(tests, setup, teardown);
#endif
}
