/*
 * test_cage.c - the mail, the key and the submit process when they are taken
 * over.
 *
 * They are the product's, from mail_process, key_process and submit_process on.
 * What stands here in place of libmilter's smfi_main, of rate_take and of
 * smtp_send is the intruder: it runs where mail would be served, a request
 * answered or a message sent, with all that the process then has, and tries one
 * thing. Each attempt is first made outside, where it must succeed: else its
 * failure inside would say nothing.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmilter/mfapi.h>	/* before stdbool.h: its bool is int */

#include "../../milter/channel.h"
#include "../../milter/keys/keyd.h"
#include "../../milter/process.h"
#include "../../milter/sandbox.h"
#include "../../milter/session.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"
#include "caged.h"

#define REQUESTS	20000	/* SAMPUL_REQUESTS=1000000 in make soak */

typedef bool (*attempt_function)(void);

static attempt_function attack;		/* NULL: serve */
static int report[2];			/* what came of it */
static pid_t victim;			/* a process not to be touched */
static char secret[512];		/* a file not to be read */
static char ground[512];		/* a directory not to be written to */
static int listener, port;
static struct sockaddr_un local;

/* ------------------------------------------------------- the intruder --- */

static void __attribute__((noreturn))
try_it(void)
{
	const char octet = attack() ? 'S' : 'r';	/* succeeded, refused */

	if (write(report[1], &octet, 1) != 1)
		_exit(2);
	_exit(0);
}

static bool
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static bool
open_secret(void)
{
	return opens(secret, O_RDONLY);
}

static bool
list_keystore(void)
{
	return opens(pki_path("keystore"), O_RDONLY | O_DIRECTORY);
}

static bool
read_passwd(void)
{
	return opens("/etc/passwd", O_RDONLY);
}

static bool
make_file(void)
{
	char path[600];
	bool made;

	snprintf(path, sizeof(path), "%s/made", ground);
	made = opens(path, O_RDWR | O_CREAT | O_EXCL);
	unlink(path);
	return made;
}

static bool
truncate_audit(void)
{
	return opens(caged_audit, O_WRONLY | O_TRUNC);
}

static bool
overwrite_audit(void)
{
	return opens(caged_audit, O_WRONLY);
}

static bool
connect_tcp(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd != -1 && connect(fd, (struct sockaddr *)&to,
	    sizeof(to)) == 0;
}

static bool
listen_tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd != -1 && bind(fd, (struct sockaddr *)&at,
	    sizeof(at)) == 0 && listen(fd, 1) == 0;
}

static bool
connect_local(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd != -1 && connect(fd, (struct sockaddr *)&local,
	    sizeof(local)) == 0;
}

static bool
datagram_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) != -1;
}

static bool
run_program(void)
{
	char *const argv[] = { (char *)(uintptr_t)"true", NULL };
	char *const envp[] = { NULL };
	int fds[2];
	char c;

	/* a successful exec closes the pipe and takes the report with it */
	if (pipe2(fds, O_CLOEXEC) == -1)
		return false;
	c = 'S';
	if (write(report[1], &c, 1) != 1)
		return false;
	execve("/bin/true", argv, envp);
	c = 'r';
	if (write(report[1], &c, 1) != 1)
		return true;
	_exit(0);
}

static bool
new_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
new_process_clone3(void)
{
	/* struct clone_args: exit_signal is the fifth */
	uint64_t args[8] = { 0, 0, 0, 0, SIGCHLD, 0, 0, 0 };
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
trace_victim(void)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0;
}

static bool
read_victim(void)
{
	char buf[16];
	struct iovec mine = { buf, sizeof(buf) };
	struct iovec theirs = { (void *)(uintptr_t)secret, sizeof(buf) };

	return process_vm_readv(victim, &mine, 1, &theirs, 1, 0) > 0;
}

static bool
open_victim(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)victim);
	return opens(path, O_RDONLY);
}

static bool
signal_victim(void)
{
	return kill(victim, SIGCONT) == 0;
}

static bool
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
become_root(void)
{
	return setresuid(0, 0, 0) == 0;
}

static bool
dump_again(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

static bool
clear_append(void)
{
	int fd = open(caged_audit, O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd != -1 && fcntl(fd, F_SETFL, 0) == 0;
}

enum { IN_MAIL = 1, IN_KEYS = 2, BY_FILES = 4 /* takes Landlock or users */,
	IN_SUBMIT = 8, BY_PORTS = 16 /* takes Landlock that knows ports */ };
#define IN_ALL	(IN_MAIL | IN_KEYS | IN_SUBMIT)

static const struct {
	const char		*what;
	attempt_function	 attempt;
	unsigned		 where;
} attempts[] = {
	{ "read a private key", open_secret, IN_MAIL | IN_SUBMIT | BY_FILES },
	{ "list the keystore", list_keystore,
	    IN_MAIL | IN_SUBMIT | BY_FILES },
	{ "read /etc/passwd", read_passwd, IN_ALL | BY_FILES },
	{ "make a file in another's directory", make_file,
	    IN_ALL | BY_FILES },
	{ "empty the audit file", truncate_audit, IN_ALL },
	{ "write over the audit file", overwrite_audit, IN_ALL },
	{ "undo appending", clear_append, IN_KEYS },
	{ "connect by TCP", connect_tcp, IN_MAIL | IN_KEYS },
	{ "connect to another port", connect_tcp, IN_SUBMIT | BY_PORTS },
	{ "listen", listen_tcp, IN_ALL },
	{ "connect to a local socket", connect_local, IN_ALL },
	{ "make a datagram socket", datagram_socket, IN_ALL },
	{ "run a program", run_program, IN_ALL },
	{ "make a process", new_process, IN_ALL },
	{ "make a process by clone3", new_process_clone3, IN_ALL },
	{ "trace another", trace_victim, IN_ALL },
	{ "read another's memory", read_victim, IN_ALL },
	{ "open another's memory", open_victim, IN_ALL },
	{ "signal another", signal_victim, IN_ALL },
	{ "make memory executable", map_code, IN_ALL },
	{ "become root", become_root, IN_ALL },
	{ "be dumpable again", dump_again, IN_ALL },
};
#define ATTEMPTS	(sizeof(attempts) / sizeof(attempts[0]))

/* ----------------------------------------- where it stands in the three --- */

int
smfi_opensocket(int remove_it)
{
	(void)remove_it;
	return MI_SUCCESS;
}

int
smfi_main(void)
{
	try_it();
}

bool
smtp_is_built(void)
{
	return true;
}

int
smtp_load(struct smime_error *err)
{
	(void)err;
	return 0;
}

struct smtp *
smtp_send(const char *server, const char *helo,
    const struct submission *submission, int asker, unsigned limit,
    struct submit_answer *answer)
{
	(void)server;
	(void)helo;
	(void)submission;
	(void)asker;
	(void)limit;
	(void)answer;
	try_it();
}

void
smtp_close(struct smtp *smtp)
{
	(void)smtp;
}

struct rate *
rate_new(void)
{
	return malloc(1);
}

void
rate_free(struct rate *rate)
{
	free(rate);
}

bool
rate_take(struct rate *rate, const char *address, unsigned per_minute,
    int64_t now_ms)
{
	(void)rate;
	(void)address;
	(void)per_minute;
	(void)now_ms;
	if (attack != NULL)
		try_it();
	return true;
}

bool
rate_first_today(struct rate *rate, const char *key, time_t now)
{
	(void)rate;
	(void)key;
	(void)now;
	return false;
}

/* ------------------------------------------------------------ the world --- */

static void
open_listeners(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof(in)),
	    0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len),
	    0);
	port = ntohs(in.sin_port);
	local.sun_family = AF_UNIX;
	snprintf(local.sun_path, sizeof(local.sun_path), "%s",
	    pki_path("local"));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)),
	    0);
	assert_int_equal(listen(fd, 64), 0);
	chmod(local.sun_path, 0777);
}

/* Somebody to be attacked, in a process group of its own. */
static void
start_victim(void)
{
	fflush(NULL);
	victim = fork();
	assert_int_not_equal(victim, -1);
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			pause();
	}
}

static int
setup(void **state)
{
	if (caged_setup(state) != 0)
		return -1;
	snprintf(ground, sizeof(ground), "%s", pki_path("ground"));
	mkdir(ground, 0777);
	chmod(ground, 0777);
	snprintf(secret, sizeof(secret), "%s",
	    store_path(BUDI, "2026", "key.pem"));
	open_listeners();
	start_victim();
	return 0;
}

static int
teardown(void **state)
{
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	return pki_teardown(state);
}

static bool
has_filter(void)
{
	return sandbox_call_count(SANDBOX_KEYS) > 0;
}

static bool
has_landlock(int version)
{
	return syscall(444, NULL, (size_t)0, 1U) >= version;
}

/* -------------------------------------------------------------- tests --- */

/* Something to send, from a file that is open here. */
static bool
send_submission(int channel)
{
	static const char *const to[] = { BUDI };
	static unsigned char buf[SUBMIT_REQUEST_MAX];
	static struct submit_request request;
	int fd = open(caged_conf, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	bool sent;

	request.limit = 60000;
	request.submission = (struct submission){ .sender = "",
	    .recipients = to, .count = 1, .size = 16, .queue_id = "4F2A" };
	len = submit_put_request(&request, buf, sizeof(buf));
	sent = len > 0 && submit_send_packet(channel, buf, (size_t)len, fd);
	close(fd);
	return sent;
}

/* The last octet reported: 'S' succeeded, 'r' refused, 0 none. */
static char
reported(void)
{
	char octet = 0;

	close(report[1]);
	while (read(report[0], &octet, 1) == 1)
		continue;
	close(report[0]);
	return octet;
}

/* Free as it gets: what fails here is no test. */
static char
made_outside(attempt_function attempt)
{
	pid_t pid;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	attack = attempt;
	fflush(NULL);
	if ((pid = fork()) == 0)
		try_it();
	waitpid(pid, NULL, 0);
	return reported();
}

static char
made_inside(attempt_function attempt, unsigned where, int *status)
{
	unsigned char buf[CHANNEL_REQUEST_MAX];
	struct caged running;
	ssize_t len;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	attack = attempt;
	caged_start(&running, where == IN_KEYS ? key_process :
	    where == IN_SUBMIT ? submit_process : mail_process);
	if (where != IN_MAIL) {
		caged_await(&running);
		len = caged_request(buf);
		assert_true(where == IN_SUBMIT ?
		    send_submission(running.channels[0]) :
		    send(running.channels[0], buf, (size_t)len,
		    MSG_NOSIGNAL) == len);
		/* until it ends or answers, which it must not */
		assert_true(recv(running.channels[where == IN_KEYS], buf,
		    sizeof(buf), 0) <= 0);
	}
	*status = caged_end(&running);
	return reported();
}

static void
try_all(unsigned where)
{
	unsigned bad = 0, killed = 0, refused = 0;
	char outside, inside;
	size_t i;
	int status;

	if (!has_filter())
		skip();
	for (i = 0; i < ATTEMPTS; i++) {
		if ((attempts[i].where & where) == 0 ||
		    ((attempts[i].where & BY_FILES) && !has_landlock(1) &&
		    geteuid() != 0) || ((attempts[i].where & BY_PORTS) &&
		    !has_landlock(4)))
			continue;
		/* root alone can show that becoming root would work */
		if (geteuid() == 0) {
			outside = made_outside(attempts[i].attempt);
			if (outside != 'S' &&
			    attempts[i].attempt != run_program) {
				print_error("%s: fails outside, too\n",
				    attempts[i].what);
				bad++;
			}
		}
		inside = made_inside(attempts[i].attempt, where, &status);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
			killed++;
		} else if (inside == 'r' && WIFEXITED(status)) {
			refused++;
		} else {
			print_error("%s: %s, status %x\n", attempts[i].what,
			    inside == 'S' ? "succeeded" : "not made", status);
			bad++;
		}
	}
	print_message("%u refused, %u ended by SIGSYS\n", refused, killed);
	assert_int_equal(bad, 0);
	assert_true(refused > 0 && killed > 0);
}

static void
test_mail_taken_over(void **state)
{
	(void)state;
	try_all(IN_MAIL);
}

static void
test_keys_taken_over(void **state)
{
	(void)state;
	try_all(IN_KEYS);
}

static void
test_submit_taken_over(void **state)
{
	(void)state;
	try_all(IN_SUBMIT);
}

/*
 * Where the C library cannot read the clock by itself (HPET, Xen), libmilter's
 * gettimeofday() is a system call. What it was refused left its threads to run
 * in a circle.
 */
static bool
read_clock(void)
{
	struct timeval now = { 0, 0 };

	return syscall(SYS_gettimeofday, &now, NULL) == 0 && now.tv_sec > 0;
}

static void
test_clock_of_the_kernel(void **state)
{
	int status;

	(void)state;
	assert_int_equal(made_inside(read_clock, IN_MAIL, &status), 'S');
	assert_int_equal(status, 0);
	assert_int_equal(made_inside(read_clock, IN_SUBMIT, &status), 'S');
	assert_int_equal(status, 0);
}

static void
test_count(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	print_message("key process: %u system calls, mail process: %u, "
	    "submit process: %u\n", sandbox_call_count(SANDBOX_KEYS),
	    sandbox_call_count(SANDBOX_MAIL),
	    sandbox_call_count(SANDBOX_SUBMIT));
	assert_true(sandbox_call_count(SANDBOX_KEYS) <= 25);
	assert_true(sandbox_call_count(SANDBOX_MAIL) <= 50);
	assert_true(sandbox_call_count(SANDBOX_SUBMIT) <= 40);
}

/* Returns the length; 0 is the end of the other side and not sent. */
static size_t
mutated(unsigned char *buf, const unsigned char *good, size_t good_len)
{
	size_t len = good_len, i;
	int n;

	memcpy(buf, good, good_len);
	switch (random() % 4) {
	case 0:
		len = 1 + (size_t)random() % (CHANNEL_REQUEST_MAX + 200);
		for (i = 0; i < len; i++)
			buf[i] = (unsigned char)random();
		break;
	case 1:
		len = 1 + (size_t)random() % good_len;
		break;
	case 2:
		len = good_len + (size_t)random() % 64;
		break;
	}
	for (n = (int)(random() % 8); n >= 0; n--)
		buf[(size_t)random() % len] ^=
		    (unsigned char)(1U << random() % 8);
	return len;
}

/* Whatever is asked, a good request behind it is served. */
static void
test_hostile_requests(void **state)
{
	static unsigned char buf[CHANNEL_REQUEST_MAX + 300];
	unsigned char good[CHANNEL_REQUEST_MAX];
	const char *wanted = getenv("SAMPUL_REQUESTS");
	long count = wanted != NULL ? atol(wanted) : REQUESTS, i;
	struct key_answer answer;
	struct caged running;
	ssize_t good_len;
	size_t len;

	(void)state;
	attack = NULL;
	srandom(20261125);
	good_len = caged_request(good);
	caged_start(&running, key_process);
	caged_await(&running);
	for (i = 1; i <= count; i++) {
		len = mutated(buf, good, (size_t)good_len);
		assert_int_equal(send(running.channels[0], buf, len,
		    MSG_NOSIGNAL), len);
		caged_ask_number(&running, (uint64_t)i << 16 | 0x5a5a,
		    &answer);
		assert_int_equal(answer.status, KEY_SIGNED);
		key_answer_clear(&answer);
	}
	print_message("%ld requests\n", count);
	assert_int_equal(caged_end(&running), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_clock_of_the_kernel),
		cmocka_unit_test(test_mail_taken_over),
		cmocka_unit_test(test_keys_taken_over),
		cmocka_unit_test(test_submit_taken_over),
		cmocka_unit_test(test_hostile_requests),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
