/*
 * test_cage.c - the mail process and the key process when they are taken over.
 *
 * Both are the product's, from mail_process and key_process on. What stands
 * here in place of libmilter's smfi_main and of rate_take is the intruder: it
 * runs where mail would be served or a request answered, with all that the
 * process then has, and tries one thing. Each attempt is first made outside,
 * where it must succeed: else its failure inside would say nothing.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

#include "../../milter/session.h"
#include "../../milter/supervise.h"
#include "store.h"

#define CHANNELS	2
#define REQUESTS	20000	/* SAMPUL_REQUESTS=1000000 in make soak */

typedef bool (*attempt_function)(void);

static attempt_function attack;		/* NULL: serve */
static int report[2];			/* what came of it */
static pid_t victim;			/* a process not to be touched */
static char secret[512];		/* a file not to be read */
static char ground[512];		/* a directory not to be written to */
static char audit_file[512];
static char conf_file[512];
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
	return opens(audit_file, O_WRONLY | O_TRUNC);
}

static bool
overwrite_audit(void)
{
	return opens(audit_file, O_WRONLY);
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
	int fd = open(audit_file, O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd != -1 && fcntl(fd, F_SETFL, 0) == 0;
}

enum { IN_MAIL = 1, IN_KEYS = 2, BY_FILES = 4 /* takes Landlock or users */ };

static const struct {
	const char		*what;
	attempt_function	 attempt;
	unsigned		 where;
} attempts[] = {
	{ "read a private key", open_secret, IN_MAIL | BY_FILES },
	{ "list the keystore", list_keystore, IN_MAIL | BY_FILES },
	{ "read /etc/passwd", read_passwd, IN_MAIL | IN_KEYS | BY_FILES },
	{ "make a file in another's directory", make_file,
	    IN_MAIL | IN_KEYS | BY_FILES },
	{ "empty the audit file", truncate_audit, IN_MAIL | IN_KEYS },
	{ "write over the audit file", overwrite_audit, IN_MAIL | IN_KEYS },
	{ "undo appending", clear_append, IN_KEYS },
	{ "connect by TCP", connect_tcp, IN_MAIL | IN_KEYS },
	{ "connect to a local socket", connect_local, IN_MAIL | IN_KEYS },
	{ "make a datagram socket", datagram_socket, IN_MAIL | IN_KEYS },
	{ "run a program", run_program, IN_MAIL | IN_KEYS },
	{ "make a process", new_process, IN_MAIL | IN_KEYS },
	{ "make a process by clone3", new_process_clone3, IN_MAIL | IN_KEYS },
	{ "trace another", trace_victim, IN_MAIL | IN_KEYS },
	{ "read another's memory", read_victim, IN_MAIL | IN_KEYS },
	{ "open another's memory", open_victim, IN_MAIL | IN_KEYS },
	{ "signal another", signal_victim, IN_MAIL | IN_KEYS },
	{ "make memory executable", map_code, IN_MAIL | IN_KEYS },
	{ "become root", become_root, IN_MAIL | IN_KEYS },
	{ "be dumpable again", dump_again, IN_MAIL | IN_KEYS },
};
#define ATTEMPTS	(sizeof(attempts) / sizeof(attempts[0]))

/* ------------------------------------------- where it stands in the two --- */

int
smfi_setconn(char *name)
{
	(void)name;
	return MI_SUCCESS;
}

int
smfi_register(smfiDesc_str description)
{
	(void)description;
	return MI_SUCCESS;
}

int
smfi_settimeout(int seconds)
{
	(void)seconds;
	return MI_SUCCESS;
}

size_t
smfi_setmaxdatasize(size_t size)
{
	return size;
}

int
smfi_opensocket(int remove_it)
{
	(void)remove_it;
	return MI_SUCCESS;
}

int
smfi_stop(void)
{
	return MI_SUCCESS;
}

int
smfi_main(void)
{
	try_it();
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

static struct conf *
read_conf(void)
{
	struct smime_error err = { "" };
	struct conf *conf = conf_read(conf_file, &err);

	if (conf == NULL)
		fail_msg("conf_read: %s", err.text);
	return conf;
}

static void
write_conf(bool as_root)
{
	char text[4096], base[256];

	snprintf(base, sizeof(base), "%s", pki_path("."));
	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nlanguage = \"en\";\n"
	    "user = \"%s\";\nkey_user = \"%s\";\nlog_level = \"error\";\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n"
	    "milter = { socket = \"inet:8899@127.0.0.1\"; };\n"
	    "spool = { dir = \"%s/spool\"; };\n"
	    "audit = { file = \"%s\"; };\ncustody = { socket = \"\"; };\n"
	    "verify = { crl_dir = \"\"; };\n"
	    "keystore = { dir = \"%s/keystore\";\n"
	    "  anchors_dir = \"%s/anchors\";\n"
	    "  intermediates_dir = \"%s/intermediates\";\n"
	    "  rate_limit = 100000; insecure_unencrypted_keys = true; };\n",
	    as_root ? "news" : "", as_root ? "uucp" : "", base, audit_file,
	    base, base, base);
	write_whole(conf_file, text, strlen(text));
}

static void
give(const char *user, const char *path)
{
	if (geteuid() == 0)
		assert_int_equal(pki_run("chown", "-R", user, path, NULL), 0);
}

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
	int fd;

	if (store_setup(state) != 0)
		return -1;
	snprintf(conf_file, sizeof(conf_file), "%s", pki_path("cage.conf"));
	snprintf(audit_file, sizeof(audit_file), "%s",
	    pki_path("trail/audit.log"));
	snprintf(ground, sizeof(ground), "%s", pki_path("ground"));
	mkdir(pki_path("trail"), 0755);
	mkdir(pki_path("spool"), 0700);
	mkdir(ground, 0777);
	chmod(ground, 0777);
	chmod(pki_path("."), 0755);
	pki_make("mailbox", BUDI, "p256", pki_path("one"), "ok", NULL);
	store_put(BUDI, "2026", "one");
	snprintf(secret, sizeof(secret), "%s",
	    store_path(BUDI, "2026", "key.pem"));
	give("uucp", pki_path("keystore"));
	give("uucp", pki_path("trail"));
	give("news", pki_path("spool"));
	write_whole(audit_file, "", 0);
	give("uucp", audit_file);
	write_conf(geteuid() == 0);
	open_listeners();
	start_victim();
	fd = open(pki_path("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0600);
	return fd == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	return pki_teardown(state);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER	true
#else
#define HAS_SANITIZER	false
#endif

static bool
has_filter(void)
{
	return sandbox_call_count(SANDBOX_KEYS) > 0;
}

static bool
has_landlock(void)
{
	return syscall(444, NULL, (size_t)0, 1U) >= 1;
}

/* ------------------------------------------------------ the two, running --- */

struct running {
	pid_t	pid;
	int	control;
	int	channels[CHANNELS];
};

static void
quiet(void)
{
	int fd = open(pki_path("log"), O_WRONLY | O_APPEND);

	if (fd != -1)
		dup2(fd, STDERR_FILENO);
}

static void
start(struct running *out, bool keys)
{
	struct channels channels[JOINTS_MAX];
	int control[2], pair[2], theirs[CHANNELS];
	size_t i;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    control), 0);
	for (i = 0; i < CHANNELS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET |
		    SOCK_CLOEXEC, 0, pair), 0);
		out->channels[i] = pair[0];
		theirs[i] = pair[1];
	}
	memset(channels, 0, sizeof(channels));
	channels[JOINT_SIGN].fds = theirs;
	channels[JOINT_SIGN].count = CHANNELS;
	fflush(NULL);
	out->pid = fork();
	assert_int_not_equal(out->pid, -1);
	if (out->pid == 0) {
		quiet();
		/* cmocka's; the supervisor leaves none either */
		signal(SIGSEGV, SIG_DFL);
		close(control[0]);
		for (i = 0; i < CHANNELS; i++)
			close(out->channels[i]);
		_exit(keys ? key_process(read_conf(), control[1], channels) :
		    mail_process(read_conf(), control[1], channels));
	}
	close(control[1]);
	for (i = 0; i < CHANNELS; i++)
		close(theirs[i]);
	out->control = control[0];
}

static void
await_ready(struct running *running)
{
	char ready = 0;

	if (recv(running->control, &ready, 1, 0) != 1 ||
	    ready != CONTROL_READY) {
		pki_run("cat", pki_path("log"), NULL);
		pki_show();
		fail_msg("the key process does not start");
	}
}

static int
end(struct running *running)
{
	int status;
	size_t i;

	for (i = 0; i < CHANNELS; i++)
		close(running->channels[i]);
	close(running->control);
	assert_int_equal(waitpid(running->pid, &status, 0), running->pid);
	return status;
}

static ssize_t
good_request(unsigned char *buf)
{
	struct key_request request;

	memset(&request, 0, sizeof(request));
	snprintf(request.queue_id, sizeof(request.queue_id), "4F2A");
	snprintf(request.address, sizeof(request.address), BUDI);
	request.digest = SMIME_SHA256;
	memset(request.value, 0x5a, 32);
	return channel_put_request(&request, buf, CHANNEL_REQUEST_MAX);
}

/* -------------------------------------------------------------- tests --- */

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
made_inside(attempt_function attempt, bool keys, int *status)
{
	unsigned char buf[CHANNEL_REQUEST_MAX];
	struct running running;
	ssize_t len;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	attack = attempt;
	start(&running, keys);
	if (keys) {
		await_ready(&running);
		len = good_request(buf);
		assert_int_equal(send(running.channels[0], buf, (size_t)len,
		    MSG_NOSIGNAL), len);
		/* until it ends or answers, which it must not */
		assert_true(recv(running.channels[0], buf, sizeof(buf), 0) <=
		    0);
	}
	*status = end(&running);
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
		    ((attempts[i].where & BY_FILES) && !has_landlock() &&
		    geteuid() != 0))
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
		inside = made_inside(attempts[i].attempt, where == IN_KEYS,
		    &status);
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
test_count(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	print_message("key process: %u system calls, mail process: %u\n",
	    sandbox_call_count(SANDBOX_KEYS),
	    sandbox_call_count(SANDBOX_MAIL));
	assert_true(sandbox_call_count(SANDBOX_KEYS) <= 25);
	assert_true(sandbox_call_count(SANDBOX_MAIL) <= 50);
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

/* Whatever is asked is answered, and a good request is still served. */
static void
test_hostile_requests(void **state)
{
	static unsigned char buf[CHANNEL_ANSWER_MAX + 64];
	unsigned char good[CHANNEL_REQUEST_MAX];
	const char *wanted = getenv("SAMPUL_REQUESTS");
	long count = wanted != NULL ? atol(wanted) : REQUESTS, i;
	struct key_answer answer;
	struct running running;
	ssize_t good_len, n;
	size_t len;

	(void)state;
	attack = NULL;
	srandom(20261125);
	good_len = good_request(good);
	start(&running, true);
	await_ready(&running);
	for (i = 0; i <= count; i++) {
		memset(&answer, 0, sizeof(answer));
		len = mutated(buf, good, (size_t)good_len);
		if (i == count)
			memcpy(buf, good, len = (size_t)good_len);
		assert_int_equal(send(running.channels[i % CHANNELS], buf,
		    len, MSG_NOSIGNAL), len);
		n = recv(running.channels[i % CHANNELS], buf, sizeof(buf), 0);
		assert_true(n > 0);
		assert_int_equal(channel_get_answer(buf, (size_t)n, &answer),
		    0);
		if (i == count)
			assert_int_equal(answer.status, KEY_SIGNED);
		key_answer_clear(&answer);
	}
	print_message("%ld requests\n", count);
	assert_int_equal(end(&running), 0);
}

static int
try_trace(pid_t pid, const char *user)
{
	struct passwd *pw = user != NULL ? getpwnam(user) : NULL;
	int status;
	pid_t child;

	fflush(NULL);
	if ((child = fork()) == 0) {
		if (pw != NULL && (setgid(pw->pw_gid) == -1 ||
		    setuid(pw->pw_uid) == -1))
			_exit(2);
		_exit(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Neither the mail process's user nor its own may look into it. */
static void
test_not_traceable(void **state)
{
	struct running running;

	(void)state;
	if (geteuid() != 0)
		skip();		/* takes two users */
	attack = NULL;
	start(&running, true);
	await_ready(&running);
	assert_int_equal(try_trace(running.pid, "news"), 0);
	assert_int_equal(try_trace(running.pid, "uucp"), 0);
	/* and root, outside, may: the attempt is a real one */
	assert_int_equal(try_trace(running.pid, NULL), 1);
	assert_int_equal(end(&running), 0);
}

/* A core would hold keys. */
static void
test_no_core(void **state)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct running running;
	size_t i;
	int status;

	(void)state;
	if (HAS_SANITIZER)
		skip();		/* which takes SIGSEGV for itself */
	attack = NULL;
	(void)setrlimit(RLIMIT_CORE, &all);
	start(&running, true);
	await_ready(&running);
	kill(running.pid, SIGSEGV);
	assert_int_equal(waitpid(running.pid, &status, 0), running.pid);
	for (i = 0; i < CHANNELS; i++)
		close(running.channels[i]);
	close(running.control);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_false(WCOREDUMP(status));
}

/* A figure of /proc/PID/status, in KiB. */
static long
status_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			value = atol(line + strlen(name));
	fclose(f);
	return value;
}

/* What was touched of its own memory is locked: anonymous pages at least. */
static void
test_locked(void **state)
{
	struct rlimit limit;
	struct running running;
	long locked, touched;

	(void)state;
	attack = NULL;
	start(&running, true);
	await_ready(&running);
	locked = status_of(running.pid, "VmLck:");
	touched = status_of(running.pid, "RssAnon:");
	assert_int_equal(end(&running), 0);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (locked == 0 && limit.rlim_max != RLIM_INFINITY) {
		print_message("SKIPPED: the limit of locked memory cannot be "
		    "raised here\n");
		skip();
	}
	print_message("VmLck %ld KiB, RssAnon %ld KiB\n", locked, touched);
	assert_true(locked >= touched);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_mail_taken_over),
		cmocka_unit_test(test_keys_taken_over),
		cmocka_unit_test(test_hostile_requests),
		cmocka_unit_test(test_not_traceable),
		cmocka_unit_test(test_no_core),
		cmocka_unit_test(test_locked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
