/*
 * The supervisor as a process, with kinds of children of the test's own: the
 * tables below stand for those of kinds.c. Two of the four are there only when
 * the configuration wants them: by "language" and "mode", for want of a better
 * setting.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/log.h"
#include "../../milter/process.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"

enum behaviour { GOOD, FAIL_START, REFUSE, HANG, DEAF, QUIT };

/* What the forked processes tell the test, and it tells them. */
static struct shared {
	volatile int		starts[KINDS_MAX];
	volatile pid_t		pids[KINDS_MAX];
	volatile int		applied[KINDS_MAX];
	volatile unsigned	max_recipients[KINDS_MAX];
	volatile int		files[KINDS_MAX];	/* open descriptors */
	volatile enum behaviour	behaviour[KINDS_MAX];
	volatile int		answered;	/* over a channel */
	volatile int		asked[2];	/* of TOKEN, of SUBMIT */
} *shared;

enum { TOKEN, KEYS, SUBMIT, MAIL };
enum { SIGN, USE_TOKEN, PASS_FILE };

static char dir[] = "/tmp/sampul-supervise-XXXXXX";
static char conf_path[128], log_path[128], pid_path[128];
static pid_t supervisor;
static int self;	/* TOKEN, KEYS, ... in a fake */

/* ---------------------------------------------------------------- fakes --- */

static int
fake_apply(struct conf *conf, struct smime_error *err)
{
	unsigned recipients = conf->max_recipients;

	shared->applied[self]++;
	conf_unref(conf);
	if (shared->behaviour[self] == REFUSE)
		return smime_error_setx(err, "not like this");
	while (shared->behaviour[self] == HANG)
		usleep(10000);
	shared->max_recipients[self] = recipients;
	return 0;
}

static void
fake_stop(void)
{
	_exit(0);
}

/* valgrind's own are out of the way, at the upper end. */
static int
count_files(void)
{
	struct dirent *entry;
	int count = 0;
	DIR *d;

	if ((d = opendir("/proc/self/fd")) == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		count += entry->d_name[0] != '.' && atoi(entry->d_name) < 256;
	closedir(d);
	return count - 1;	/* without the directory's own */
}

static int
fake_begin(int who, struct conf *conf, int control)
{
	struct smime_error err = { "" };

	self = who;
	shared->files[who] = count_files();
	shared->pids[who] = getpid();
	shared->starts[who]++;
	shared->max_recipients[who] = conf->max_recipients;
	if (shared->behaviour[who] == FAIL_START)
		return -1;
	if (shared->behaviour[who] == DEAF)
		signal(SIGTERM, SIG_IGN);
	if (control_start(control, fake_apply, fake_stop, &err) == -1)
		return -1;
	return 0;
}

/* Asked for one octet and a descriptor, which it writes to; ends well when
 * nobody is left to ask. */
static int
fake_server(int who, unsigned which, struct conf *conf, int control,
    const struct channels *channels)
{
	char octet, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &octet, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = room };
	int fd;

	if (fake_begin(who, conf, control) == -1)
		return 69;
	control_ready(control);
	for (;;) {
		msg.msg_controllen = sizeof(room);
		if (recvmsg(channels[which].fds[0], &msg, MSG_CMSG_CLOEXEC) <=
		    0)
			return 0;
		if (CMSG_FIRSTHDR(&msg) == NULL)
			return 65;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		shared->asked[who == SUBMIT]++;
		if (write(fd, &octet, 1) != 1)
			return 65;
		close(fd);
	}
}

static int
fake_token(struct conf *conf, int control, const struct channels *channels)
{
	return fake_server(TOKEN, USE_TOKEN, conf, control, channels);
}

static int
fake_submit(struct conf *conf, int control, const struct channels *channels)
{
	return fake_server(SUBMIT, PASS_FILE, conf, control, channels);
}

/* Hands one end of a pipe over, and waits for what comes out of the other. */
static void
ask_server(const struct channels *channels)
{
	char octet = 'x', room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &octet, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int fds[2];

	if (channels->count == 0)
		return;
	if (pipe2(fds, O_CLOEXEC) == -1)
		_exit(71);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fds[1], sizeof(int));
	if (sendmsg(channels->fds[0], &msg, MSG_NOSIGNAL) != 1)
		_exit(71);
	close(fds[1]);
	if (read(fds[0], &octet, 1) != 1)
		_exit(71);
	close(fds[0]);
}

static int
fake_keys(struct conf *conf, int control, const struct channels *channels)
{
	struct key_request request;
	struct key_answer answer = { .status = KEY_NO_IDENTITY };
	unsigned char buf[CHANNEL_REQUEST_MAX];
	ssize_t n;

	if (fake_begin(KEYS, conf, control) == -1)
		return 69;
	ask_server(&channels[USE_TOKEN]);
	control_ready(control);
	for (;;) {
		n = recv(channels[SIGN].fds[0], buf, sizeof(buf), 0);
		/* as the real one does */
		if (n == 0 && shared->behaviour[KEYS] == GOOD)
			return 0;
		if (n <= 0 || shared->behaviour[KEYS] == DEAF) {
			pause();
			continue;
		}
		if (channel_get_request(buf, (size_t)n, &request) == -1)
			return 65;
		snprintf(answer.reason, sizeof(answer.reason), "%s",
		    request.queue_id);
		answer.number = request.number;
		n = channel_put_answer(&answer, buf, sizeof(buf));
		send(channels[SIGN].fds[1 + request.reply_to], buf,
		    (size_t)n, MSG_NOSIGNAL);
	}
}

static int
fake_mail(struct conf *conf, int control, const struct channels *channels)
{
	struct key_request request = { .queue_id = "4Fq1",
	    .address = "budi@dinkes.pekalongankab.go.id" };
	struct key_answer answer;
	struct channel_pool *pool;
	struct smime_error err = { "" };

	if (fake_begin(MAIL, conf, control) == -1)
		return 69;
	pool = channel_pool_new(channels[SIGN].fds,
	    channels[SIGN].count);
	if (channel_ask(pool, &request, 5, &answer, &err) == 0 &&
	    strcmp(answer.reason, "4Fq1") == 0)
		shared->answered++;
	key_answer_clear(&answer);
	ask_server(&channels[PASS_FILE]);
	control_ready(control);
	while (shared->behaviour[MAIL] != QUIT)
		usleep(20000);
	return 75;
}

static bool
wants_token(const struct conf *conf)
{
	return conf->language == LANGUAGE_EN;
}

static bool
wants_submit(const struct conf *conf)
{
	return conf->mode == MODE_OBSERVE;
}

const struct kind kinds[] = {
	[TOKEN] = { "token process", "token_pid", "token", "fake-token",
	    wants_token, fake_token },
	[KEYS] = { "key process", "key_pid", "keys", "fake-keys", NULL,
	    fake_keys },
	[SUBMIT] = { "submit process", "submit_pid", "submit", "fake-submit",
	    wants_submit, fake_submit },
	[MAIL] = { "mail process", "mail_pid", "mail", "fake-mail", NULL,
	    fake_mail },
};
const unsigned kind_count = 4;

static size_t
three(const struct conf *conf)
{
	(void)conf;
	return 3;
}

const struct joint joints[] = {
	[SIGN] = { KEYS, MAIL, three },
	[USE_TOKEN] = { TOKEN, KEYS, three },
	[PASS_FILE] = { SUBMIT, MAIL, three },
};
const unsigned joint_count = 3;

/* -------------------------------------------------------------- helpers --- */

static void
write_conf(const char *text)
{
	FILE *f = fopen(conf_path, "w");

	assert_non_null(f);
	fprintf(f, "domains = [ \".pekalongankab.go.id\" ];\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n"
	    "user = \"\"; key_user = \"\"; pid_file = \"%s\";\n"
	    "spool = { dir = \"%s\"; };\n"
	    "audit = { file = \"\"; };\n"
	    "keystore = { dir = \"%s\"; anchors_dir = \"%s\"; "
	    "intermediates_dir = \"\"; key_threads = 3; };\n"
	    "%s\n", pid_path, dir, dir, dir, text);
	assert_int_equal(fclose(f), 0);
}

/* conf_check wants unprivileged users of a root; the test has none to give. */
size_t
conf_check(const struct conf *conf, void (*report)(void *arg, bool is_error,
    const char *text), void *arg)
{
	if (conf->max_recipients == 666) {
		report(arg, true, "a check that fails");
		return 1;
	}
	return 0;
}

static bool
log_has(const char *text)
{
	static char buf[65536];
	ssize_t n;
	int fd;

	if ((fd = open(log_path, O_RDONLY)) == -1)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text) != NULL;
}

#define WAIT(condition, ms) do {					\
	int left_;							\
	for (left_ = (ms); !(condition) && left_ > 0; left_ -= 10)	\
		usleep(10000);						\
	if (!(condition))						\
		print_error("waited %d ms for %s\n", ms, #condition);	\
	assert_true(condition);						\
} while (0)

static bool
is_gone(pid_t pid)
{
	return kill(pid, 0) == -1 && errno == ESRCH;
}

static bool
both_up(int starts)
{
	return shared->starts[KEYS] == starts &&
	    shared->starts[MAIL] == starts && shared->answered == starts &&
	    log_has("serving");
}

static void
start(bool foreground)
{
	struct smime_error err = { "" };
	struct conf *conf;
	int fd;

	fflush(NULL);
	supervisor = fork();
	assert_int_not_equal(supervisor, -1);
	if (supervisor > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDERR_FILENO);
	closefrom(3);
	log_open("sampul-milter", true, LOG_LEVEL_DEBUG);
	log_debug_always();
	if ((conf = conf_read(conf_path, &err)) == NULL) {
		log_error("%s", err.text);
		_exit(78);
	}
	_exit(supervise(conf, conf_path, foreground));
}

/* Waits for the end of the supervisor; its exit status, or -1. */
static int
end_of_supervisor(int ms)
{
	int status;

	for (; ms > 0; ms -= 10) {
		if (waitpid(supervisor, &status, WNOHANG) == supervisor) {
			supervisor = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		usleep(10000);
	}
	return -1;
}

static pid_t
read_pid(void)
{
	FILE *f = fopen(pid_path, "r");
	int pid = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

static int
setup(void **state)
{
	(void)state;
	memset(shared, 0, sizeof(*shared));
	unlink(log_path);
	write_conf("");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (supervisor > 0) {
		kill(supervisor, SIGKILL);
		waitpid(supervisor, NULL, 0);
		supervisor = 0;
	}
	/* one in the background that a failed test left */
	if (read_pid() > 1)
		kill(read_pid(), SIGTERM);
	return 0;
}

static void
stop_well(void)
{
	pid_t keys = shared->pids[KEYS], mail = shared->pids[MAIL];

	kill(supervisor, SIGTERM);
	assert_int_equal(end_of_supervisor(20000), 0);
	assert_true(is_gone(keys));
	assert_true(is_gone(mail));
}

/* ---------------------------------------------------------------- tests --- */

static void
test_start_and_stop(void **state)
{
	char path[64], children[128] = "";
	ssize_t n;
	int fd;

	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	assert_int_equal(shared->answered, 1);
	/* standard three, control, and three channels; nothing else leaks */
	assert_int_equal(shared->files[KEYS], 3 + 1 + 3);
	assert_int_equal(shared->files[MAIL], 3 + 1 + 3);
	/* a session of their own */
	assert_int_equal(getsid(shared->pids[KEYS]), shared->pids[KEYS]);
	assert_int_equal(getsid(shared->pids[MAIL]), shared->pids[MAIL]);
	assert_int_equal(sched_getscheduler(shared->pids[KEYS]), SCHED_BATCH);
	assert_int_equal(sched_getscheduler(shared->pids[MAIL]), SCHED_BATCH);
	/* exactly two, none of them dead */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", supervisor,
	    supervisor);
	if ((fd = open(path, O_RDONLY)) != -1) {
		n = read(fd, children, sizeof(children) - 1);
		close(fd);
		children[n > 0 ? n : 0] = '\0';
		snprintf(path, sizeof(path), "%d %d ", shared->pids[KEYS],
		    shared->pids[MAIL]);
		assert_string_equal(children, path);
	}
	stop_well();
	assert_true(log_has("stopping: signal 15"));
}

/* Whoever dies, both are replaced, after a pause that grows. */
static void
test_restart(void **state)
{
	struct timespec from, to;
	pid_t keys, mail;
	int i;

	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 1; i <= 4; i++) {
		keys = shared->pids[KEYS];
		mail = shared->pids[MAIL];
		kill(i % 2 ? keys : mail, SIGKILL);
		WAIT(is_gone(keys) && is_gone(mail), 20000);
		WAIT(both_up(i + 1), 20000);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* 0.1 + 0.2 + 0.4 + 0.8 s */
	i = (int)((to.tv_sec - from.tv_sec) * 1000 +
	    (to.tv_nsec - from.tv_nsec) / 1000000);
	assert_in_range(i, 1500, 60000);
	assert_true(log_has("starting again in 800 ms"));
	assert_true(log_has("the key process (pid "));
	assert_true(log_has("was killed by signal 9"));
	assert_int_equal(shared->answered, 5);
	stop_well();
}

/*
 * The key process follows the mail process and may be found dead first: the
 * log names who was killed, and says no more of the other than it has to.
 */
static void
test_who_is_to_blame(void **state)
{
	char want[64];
	pid_t mail;
	int i;

	(void)state;
	start(true);
	for (i = 1; i <= 3; i++) {
		WAIT(both_up(i), 20000);
		mail = shared->pids[MAIL];
		kill(mail, SIGKILL);
		snprintf(want, sizeof(want), "(pid %d) was killed by signal 9",
		    (int)mail);
		WAIT(log_has(want), 20000);
	}
	WAIT(both_up(i), 20000);
	stop_well();
	assert_false(log_has("error: the key process"));
}

/* A mail process that finds its channels dead ends by itself with 75. */
static void
test_child_quits(void **state)
{
	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	shared->behaviour[MAIL] = QUIT;
	WAIT(log_has("ended with status 75"), 20000);
	shared->behaviour[MAIL] = GOOD;
	WAIT(shared->starts[MAIL] >= 2, 20000);
	stop_well();
}

static void
test_first_start_fails(void **state)
{
	(void)state;
	shared->behaviour[KEYS] = FAIL_START;
	start(true);
	assert_int_equal(end_of_supervisor(20000), 69);
	assert_int_equal(shared->starts[MAIL], 0);
	shared->behaviour[KEYS] = GOOD;
	shared->behaviour[MAIL] = FAIL_START;
	start(true);
	assert_int_equal(end_of_supervisor(20000), 69);
	assert_true(is_gone(shared->pids[KEYS]));
}

static void
test_reload(void **state)
{
	pid_t keys, mail;

	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	keys = shared->pids[KEYS];
	mail = shared->pids[MAIL];

	write_conf("milter = { max_recipients = 77; socket = \"/run/x\"; };");
	kill(supervisor, SIGHUP);
	WAIT(log_has("reload ok generation=2"), 20000);
	assert_int_equal(shared->max_recipients[KEYS], 77);
	assert_int_equal(shared->max_recipients[MAIL], 77);
	assert_true(log_has("milter.socket has changed; this takes a restart"));

	write_conf("milter = { max_recipient = 78; };");
	kill(supervisor, SIGHUP);
	WAIT(log_has("reload failed, generation 2 stays"), 20000);
	assert_true(log_has("test.conf:7: milter.max_recipient: unknown "
	    "setting; did you mean milter.max_recipients?"));
	assert_int_equal(shared->applied[KEYS], 1);

	write_conf("milter = { max_recipients = 666; };");
	kill(supervisor, SIGHUP);
	WAIT(log_has("a check that fails"), 20000);
	WAIT(log_has("1 error(s), logged above"), 20000);
	assert_int_equal(shared->applied[KEYS], 1);
	assert_int_equal(shared->max_recipients[MAIL], 77);
	assert_int_equal(shared->pids[KEYS], keys);
	assert_int_equal(shared->pids[MAIL], mail);

	/* what was read lives on in the processes of the next set */
	kill(keys, SIGKILL);
	WAIT(both_up(2), 20000);
	assert_int_equal(shared->max_recipients[KEYS], 77);
	stop_well();
}

/* Both work by the same configuration, whoever refuses a new one. */
static void
test_reload_refused(void **state)
{
	(void)state;
	start(true);
	WAIT(both_up(1), 20000);

	shared->behaviour[KEYS] = REFUSE;
	write_conf("milter = { max_recipients = 77; };");
	kill(supervisor, SIGHUP);
	WAIT(log_has("the key process: not like this"), 20000);
	assert_int_equal(shared->applied[MAIL], 0);
	assert_int_equal(shared->max_recipients[KEYS], 2000);

	shared->behaviour[KEYS] = GOOD;
	shared->behaviour[MAIL] = REFUSE;
	kill(supervisor, SIGHUP);
	WAIT(log_has("the mail process: not like this"), 20000);
	WAIT(shared->applied[KEYS] == 3, 20000);
	WAIT(shared->max_recipients[KEYS] == 2000, 20000);
	assert_int_equal(shared->starts[KEYS], 1);

	shared->behaviour[MAIL] = GOOD;
	kill(supervisor, SIGHUP);
	WAIT(log_has("reload ok generation=2"), 20000);
	stop_well();
}

/* A child that hangs in a reload does not keep the supervisor from ending. */
static void
test_stop_during_reload(void **state)
{
	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	shared->behaviour[KEYS] = HANG;
	kill(supervisor, SIGHUP);
	WAIT(shared->applied[KEYS] == 1, 20000);
	stop_well();
}

static void
test_child_dies_during_reload(void **state)
{
	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	shared->behaviour[KEYS] = HANG;
	kill(supervisor, SIGHUP);
	WAIT(shared->applied[KEYS] == 1, 20000);
	shared->behaviour[KEYS] = GOOD;
	kill(shared->pids[KEYS], SIGABRT);
	/* and another reload while there is nobody to take it */
	WAIT(log_has("starting again in"), 20000);
	kill(supervisor, SIGHUP);
	WAIT(log_has("reload ok generation="), 20000);
	WAIT(both_up(2), 20000);
	/* it may have answered a moment before it died */
	assert_true(log_has("was killed by signal 6") ||
	    log_has("ended with status"));
	stop_well();
}

static void
test_deaf_child_is_killed(void **state)
{
	pid_t keys;

	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	stop_well();
	memset(shared, 0, sizeof(*shared));
	unlink(log_path);
	shared->behaviour[MAIL] = DEAF;
	start(true);
	WAIT(both_up(1), 20000);
	keys = shared->pids[KEYS];
	kill(supervisor, SIGTERM);
	assert_int_equal(end_of_supervisor(60000), 0);
	assert_true(log_has("does not stop; killing it"));
	assert_true(is_gone(keys) && is_gone(shared->pids[MAIL]));
}

/* Without its supervisor no child goes on. */
static void
test_supervisor_killed(void **state)
{
	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	kill(supervisor, SIGKILL);
	end_of_supervisor(20000);
	WAIT(is_gone(shared->pids[KEYS]) && is_gone(shared->pids[MAIL]), 20000);
}

static void
receive_note(int fd, const char *want)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char buf[512];
	ssize_t n;

	do {
		assert_int_equal(poll(&pfd, 1, 20000), 1);
		n = recv(fd, buf, sizeof(buf) - 1, 0);
		assert_true(n > 0);
		buf[n] = '\0';
	} while (strncmp(buf, want, strlen(want)) != 0);
	if (strncmp(want, "RELOADING", 9) == 0)
		assert_non_null(strstr(buf, "\nMONOTONIC_USEC="));
}

static void
test_service_manager(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", dir);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&sun,
	    sizeof(sun)), 0);
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	start(true);
	unsetenv("NOTIFY_SOCKET");
	receive_note(fd, "READY=1\n");
	kill(supervisor, SIGHUP);
	receive_note(fd, "RELOADING=1\n");
	receive_note(fd, "READY=1\n");
	kill(supervisor, SIGTERM);
	receive_note(fd, "STOPPING=1\n");
	assert_int_equal(end_of_supervisor(20000), 0);
	close(fd);
	unlink(sun.sun_path);
}

#define WITH_TOKEN	"language = \"en\";"
#define WITH_BOTH	"language = \"en\"; mode = \"observe\";"

/* Children that only some configurations want, and what joins them. */
static void
test_wanted_kinds(void **state)
{
	int i, files;

	(void)state;
	write_conf(WITH_BOTH);
	start(true);
	for (i = 1; i <= 2; i++) {
		/* the mail process's own question comes last */
		WAIT(both_up(i) && shared->asked[1] == i, 20000);
		assert_int_equal(shared->starts[TOKEN], i);
		assert_int_equal(shared->starts[SUBMIT], i);
		assert_int_equal(shared->asked[0], i);
		/* any of them takes the others with it */
		files = shared->files[TOKEN];
		if (i == 1)
			kill(shared->pids[TOKEN], SIGKILL);
	}
	/* stderr and its two kin, control, three channels */
	assert_int_equal(files, shared->files[SUBMIT]);
	assert_int_equal(shared->files[KEYS], files + 3);
	assert_true(log_has("submit_pid="));
	kill(supervisor, SIGTERM);
	assert_int_equal(end_of_supervisor(20000), 0);
	for (i = 0; i < (int)kind_count; i++)
		assert_true(is_gone(shared->pids[i]));
	assert_false(log_has("error: the token process ended"));
}

/* A reload that wants others brings a new set; one that cannot start does not
 * take the place of what worked. */
static void
test_reload_of_kinds(void **state)
{
	pid_t keys;

	(void)state;
	start(true);
	WAIT(both_up(1), 20000);
	assert_int_equal(shared->starts[TOKEN], 0);
	write_conf(WITH_TOKEN);
	kill(supervisor, SIGHUP);
	WAIT(both_up(2), 20000);
	WAIT(log_has("generation=2 mail_pid="), 20000);
	assert_int_equal(shared->starts[TOKEN], 1);
	assert_int_equal(shared->applied[KEYS], 0);

	/* all of one set: handed over as ever, to each */
	write_conf(WITH_TOKEN " milter = { max_recipients = 77; };");
	keys = shared->pids[KEYS];
	kill(supervisor, SIGHUP);
	WAIT(log_has("reload ok generation=3"), 20000);
	assert_int_equal(shared->max_recipients[TOKEN], 77);
	assert_int_equal(shared->max_recipients[MAIL], 77);
	assert_int_equal(shared->pids[KEYS], keys);

	shared->behaviour[SUBMIT] = FAIL_START;
	write_conf(WITH_BOTH);
	kill(supervisor, SIGHUP);
	WAIT(log_has("no start with generation 4; going back to 3"), 20000);
	WAIT(log_has("generation=3 mail_pid="), 20000);
	assert_int_equal(shared->starts[MAIL], 3);
	assert_int_equal(shared->max_recipients[MAIL], 77);

	/* and without them again */
	write_conf("");
	kill(supervisor, SIGHUP);
	WAIT(shared->max_recipients[MAIL] == 2000, 20000);
	stop_well();
}

static void
test_background(void **state)
{
	pid_t daemon_pid;

	(void)state;
	start(false);
	/* the starter returns when the daemon serves */
	assert_int_equal(end_of_supervisor(20000), 0);
	assert_int_equal(shared->starts[MAIL], 1);
	daemon_pid = read_pid();
	assert_true(daemon_pid > 1);
	assert_int_equal(kill(daemon_pid, 0), 0);
	/* a second one is refused */
	start(false);
	assert_int_equal(end_of_supervisor(20000), 73);
	assert_true(log_has("is held by another sampul-milter"));
	assert_int_equal(kill(daemon_pid, SIGTERM), 0);
	WAIT(is_gone(shared->pids[KEYS]), 20000);
	WAIT(access(pid_path, F_OK) == -1, 20000);
	/* and a start that fails says so */
	shared->behaviour[MAIL] = FAIL_START;
	start(false);
	assert_int_equal(end_of_supervisor(20000), 69);
}

static int
group_setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(conf_path, sizeof(conf_path), "%s/test.conf", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(pid_path, sizeof(pid_path), "%s/pid", dir);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unlink(conf_path);
	unlink(log_path);
	unlink(pid_path);
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_and_stop),
		TEST(test_restart),
		TEST(test_who_is_to_blame),
		TEST(test_child_quits),
		TEST(test_first_start_fails),
		TEST(test_reload),
		TEST(test_reload_refused),
		TEST(test_stop_during_reload),
		TEST(test_child_dies_during_reload),
		TEST(test_deaf_child_is_killed),
		TEST(test_supervisor_killed),
		TEST(test_wanted_kinds),
		TEST(test_reload_of_kinds),
		TEST(test_service_manager),
		TEST(test_background),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
