/*
 * submitting.c - the submit process in its cage, and a small mail server.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/log.h"
#include "../../milter/process.h"
#include "../../milter/submit.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"
#include "ends.h"
#include "fixture.h"
#include "submitting.h"

struct server *server;
struct running running;

static pid_t server_pid;
static int listener;
static char dir[] = "/tmp/sampul-submit-XXXXXX";

const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* ---------------------------------------------------------- the server --- */

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

	server->counts[stage]++;
	if (stage == QUIT && server->chatty)
		reply = "250 2.0.0 Come again";
	if (server->odd == stage && server->nth == server->counts[stage])
		reply = server->reply;
	if (reply == DROP)
		return false;
	if (strcmp(reply, GATE) == 0) {
		sem_post(&server->reached);
		sem_wait(&server->open);
		reply = usual[stage];
	}
	if (strcmp(reply, SILENCE) == 0 || (stage == QUIT && server->mute)) {
		while (recv(fd, line, sizeof(line), 0) > 0)
			continue;
		return false;
	}
	if (reply == usual[END])
		len = snprintf(line, sizeof(line),
		    "250 2.0.0 Ok: %zu octets\r\n", server->len);
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
		if (server->len == DATA_MAX)
			return false;
		server->data[server->len++] = (unsigned char)c;
		if (c == end[matched])
			matched++;
		else
			matched = c == '\r' ? 1 : 0;
		if (matched == 5) {
			server->len -= 3;
			server->whole = true;
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

	memset(server->counts, 0, sizeof(server->counts));
	server->commands[0] = '\0';
	server->whole = false;
	server->len = 0;
	server->connections++;
	if (answer_stage(fd, GREETING))
		while (read_line(in, line, sizeof(line), &len)) {
			if (strlen(server->commands) + len + 1 <
			    sizeof(server->commands))
				strcat(server->commands, line);
			stage = stage_of(line);
			if (stage == NOWHERE || !answer_stage(fd, stage) ||
			    stage == QUIT)
				break;
			if (stage == DATA && (server->odd != DATA ||
			    strcmp(server->reply, GATE) == 0) &&
			    (!read_data(in) || !answer_stage(fd, END)))
				break;
		}
	fclose(in);
}

static void __attribute__((noreturn))
serve(void)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while ((fd = accept(listener, NULL, NULL)) != -1) {
		pthread_mutex_lock(&server->lock);
		converse(fd);
		pthread_mutex_unlock(&server->lock);
	}
	_exit(0);
}

static void
server_make(void)
{
	pthread_mutexattr_t attr;

	server = mmap(NULL, sizeof(*server), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(server != MAP_FAILED);
	server->odd = NOWHERE;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	assert_int_equal(pthread_mutex_init(&server->lock, &attr), 0);
	assert_int_equal(sem_init(&server->reached, 1, 0), 0);
	assert_int_equal(sem_init(&server->open, 1, 0), 0);
}

static void
server_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);

	server_make();
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&in,
	    sizeof(in)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&in,
	    &len), 0);
	server->port = ntohs(in.sin_port);
	fflush(NULL);
	server_pid = fork();
	assert_int_not_equal(server_pid, -1);
	if (server_pid == 0)
		serve();
	close(listener);
}

static void
server_end(void)
{
	kill(server_pid, SIGKILL);
	waitpid(server_pid, NULL, 0);
	munmap(server, sizeof(*server));
}

void
server_settled(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	if (pthread_mutex_timedlock(&server->lock, &until) != 0)
		fail_msg("the connection is still there after 30 s");
	pthread_mutex_unlock(&server->lock);
}

void
server_will(enum stage odd, unsigned nth, const char *reply)
{
	pthread_mutex_lock(&server->lock);
	server->odd = odd;
	server->nth = nth;
	server->reply = reply;
	pthread_mutex_unlock(&server->lock);
}

struct conf *
submitting_conf(unsigned port, unsigned timeout)
{
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
	return fixture_read(path_of("a.conf"));
}

static void __attribute__((noreturn))
child(int control, int *fds, unsigned port)
{
	const struct channels channels[JOINTS_MAX] = {
		[JOINT_SUBMIT] = { fds, CHANNELS } };
	int log = open(path_of("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	/* what libcurl would follow, unless it is told not to */
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	setenv("smtp_proxy", "http://127.0.0.1:1", 1);
	dup2(log, STDERR_FILENO);
	log_open("submit", true, LOG_LEVEL_INFO);
	_exit(submit_process(submitting_conf(port, 60), control,
	    channels));
}

unsigned
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

void
process_start(unsigned port)
{
	struct ends ends;
	char ready = 0;
	size_t i;

	ends_open(&ends, CHANNELS);
	running.pid = ends_fork(&ends, CHANNELS);
	if (running.pid == 0)
		child(ends.theirs_control, ends.theirs, port);
	for (i = 0; i < CHANNELS; i++)
		running.fds[i] = ends.channels[i];
	running.control = ends.control;
	if (recv(running.control, &ready, 1, 0) != 1 ||
	    ready != CONTROL_READY)
		fail_msg("the submit process does not start");
	running.pool = submit_pool_new(running.fds, CHANNELS);
	assert_non_null(running.pool);
	running.files = open_files(running.pid);
}

int
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

int
message_file(const char *text, size_t len)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

static const char *const two[] = { SITI, TONO };

int
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

void
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

bool
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

struct submission
plain(int fd)
{
	return (struct submission){ .sender = SENDER, .recipients = two,
	    .count = 2, .size = strlen(PLAIN), .queue_id = "4F2A", .fd = fd };
}

int
submitting_setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	server_start();
	process_start(server->port);
	return 0;
}

int
submitting_teardown(void **state)
{
	(void)state;
	assert_int_equal(process_end(), 0);
	server_end();
	unlink(path_of("a.conf"));
	unlink(path_of("log"));
	return rmdir(dir);
}
