/*
 * supervise.c - starts, watches and restarts the key process and the mail
 * process, and passes reloads on.
 *
 * One loop around poll(2), with signals as a descriptor, so that nothing runs
 * in a signal handler and a slow child holds up nobody:
 *
 *	STARTING -> RUNNING -> STOPPING -> WAITING -> STARTING ...
 *
 * The key process is started first; the mail process, which brings the milter
 * socket, when that one is ready. When either ends, both are replaced, because
 * the channels between them were made before the fork. The mail process is
 * stopped first, so that its last messages can still be signed.
 */
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervise.h"

#define START_LIMIT	120000	/* ms until a child must be ready */
#define STOP_LIMIT	10000	/* ms between SIGTERM and SIGKILL */
#define BACKOFF_MIN	100	/* ms */
#define BACKOFF_MAX	30000
#define HEALTHY		60000	/* ms after which back-off starts anew */
#define RELOAD_LIMIT	60	/* seconds for a child to take a text */

enum state { STARTING, RUNNING, STOPPING, WAITING, FINISHED };

struct supervisor {
	struct conf		*conf;
	const char		*file;
	struct process_set	 set;
	enum state		 state;
	int64_t			 deadline;	/* of the state; 0 none */
	int64_t			 backoff;
	bool			 stop;		/* told to end */
	bool			 reload;	/* told to reload */
	bool			 served;	/* was RUNNING once */
	int			 status;	/* exit status */
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
enter(struct supervisor *s, enum state state, int64_t limit)
{
	s->state = state;
	s->deadline = limit > 0 ? now_ms() + limit : 0;
}

/* ------------------------------------------------------ start and stop --- */

static void
begin_wait(struct supervisor *s)
{
	set_close(&s->set);
	if (s->stop) {
		s->status = 0;
		enter(s, FINISHED, 0);
		return;
	}
	/* a start that never worked is the caller's to see and to repeat */
	if (!s->served) {
		log_error("giving up: the start failed");
		if (s->status == 0)
			s->status = EX_TEMPFAIL;
		enter(s, FINISHED, 0);
		return;
	}
	log_info("starting again in %lld ms", (long long)s->backoff);
	notify("STATUS=Restarting after a failure");
	enter(s, WAITING, s->backoff);
	s->backoff *= 2;
	if (s->backoff > BACKOFF_MAX)
		s->backoff = BACKOFF_MAX;
}

/* The one to be stopped next: mail before keys; NULL when both are gone. */
static struct child *
next_to_stop(struct supervisor *s)
{
	if (s->set.children[CHILD_MAIL].pid > 0)
		return &s->set.children[CHILD_MAIL];
	if (s->set.children[CHILD_KEYS].pid > 0)
		return &s->set.children[CHILD_KEYS];
	return NULL;
}

static void
stop_step(struct supervisor *s)
{
	struct child *child = next_to_stop(s);

	if (child == NULL) {
		begin_wait(s);
		return;
	}
	if (!child->told) {
		child->told = true;
		s->deadline = now_ms() + STOP_LIMIT;
		kill(child->pid, SIGTERM);
	}
}

static void
begin_stop(struct supervisor *s)
{
	if (s->state == STARTING || s->state == RUNNING) {
		enter(s, STOPPING, STOP_LIMIT);
		stop_step(s);
	}
}

static void
start_child(struct supervisor *s, unsigned which)
{
	struct smime_error err = { "" };

	s->deadline = now_ms() + START_LIMIT;
	if (set_start(&s->set, which, s->conf, &err) == -1) {
		log_error("cannot start the %s: %s",
		    s->set.children[which].name, err.text);
		s->status = EX_OSERR;
		begin_stop(s);
	}
}

static void
begin_start(struct supervisor *s)
{
	struct smime_error err = { "" };

	enter(s, STARTING, START_LIMIT);
	if (set_open(&s->set, s->conf, &err) == -1) {
		log_error("cannot start: %s", err.text);
		s->status = EX_OSERR;
		begin_stop(s);
		return;
	}
	start_child(s, CHILD_KEYS);
}

static void
became_ready(struct supervisor *s, struct child *child)
{
	child->ready = true;
	log_debug("the %s (pid %ld) is ready", child->name, (long)child->pid);
	if (s->state != STARTING)
		return;
	if (child == &s->set.children[CHILD_KEYS]) {
		start_child(s, CHILD_MAIL);
		return;
	}
	enter(s, RUNNING, HEALTHY);
	s->served = true;
	daemon_report(0);
	log_info("serving milter.socket=%s generation=%u mail_pid=%ld "
	    "key_pid=%ld", s->conf->socket, s->conf->generation,
	    (long)s->set.children[CHILD_MAIL].pid,
	    (long)s->set.children[CHILD_KEYS].pid);
	notify("READY=1\nSTATUS=Serving, configuration generation %u",
	    s->conf->generation);
}

/* --------------------------------------------------------------- deaths --- */

/* An end that nobody asked for. */
static void
report_death(struct supervisor *s, const struct child *child, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (WIFSIGNALED(status))
		log_error("the %s (pid %ld) was killed by signal %d (%s)",
		    child->name, (long)child->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		log_error("the %s (pid %ld) ended with status %d",
		    child->name, (long)child->pid, code);
	if (!s->served && s->status == 0)
		s->status = code != 0 ? code : EX_TEMPFAIL;
}

static void
child_died(struct supervisor *s, struct child *child, int status)
{
	if (!child->told)
		report_death(s, child, status);
	else
		log_debug("the %s (pid %ld) ended", child->name,
		    (long)child->pid);
	child->pid = 0;
	child->ready = false;
	if (s->state == STOPPING)
		stop_step(s);
	else
		begin_stop(s);
}

static void
reap(struct supervisor *s)
{
	unsigned i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < CHILDREN; i++)
			if (s->set.children[i].pid == pid)
				child_died(s, &s->set.children[i], status);
}

/*
 * A child that breaks off has most often just died; the kernel closes its
 * sockets a moment before it says so, and the cause is worth that moment.
 */
static void
await_death(struct supervisor *s)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned i;

	for (i = 0; i < 20 && (s->state == STARTING || s->state == RUNNING);
	    i++) {
		nanosleep(&moment, NULL);
		reap(s);
	}
	begin_stop(s);
}

/* ------------------------------------------------------------- reloading --- */

/* While a child is talked to, signals wait; does one of them mean "stop"? */
static bool
stop_is_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) ||
	    sigismember(&pending, SIGINT));
}

static void
log_restart_setting(void *arg, const char *name)
{
	(void)arg;
	log_warning("reload: %s has changed; this takes a restart", name);
}

static void
log_finding(void *arg, bool is_error, const char *text)
{
	(void)arg;
	if (is_error)
		log_error("%s", text);
	else
		log_warning("%s", text);
}

/* The new configuration, when it is whole and a start with it would work. */
static struct conf *
read_new(struct supervisor *s, struct smime_error *err)
{
	struct conf *fresh;
	size_t errors;

	if ((fresh = conf_read(s->file, err)) == NULL)
		return NULL;
	if ((errors = conf_check(fresh, log_finding, NULL)) > 0) {
		smime_error_setx(err, "%s: %zu error(s), logged above",
		    s->file, errors);
		conf_unref(fresh);
		return NULL;
	}
	fresh->generation = s->conf->generation + 1;
	return fresh;
}

static enum control_result
hand_over(struct supervisor *s, unsigned which, const struct conf *conf,
    struct smime_error *err)
{
	struct smime_error reason = { "" };
	enum control_result result;
	char *text;
	size_t len;

	if (conf_text(conf, &text, &len, err) == -1)
		return CONTROL_NO;
	result = control_send(s->set.children[which].control, text, len,
	    RELOAD_LIMIT, stop_is_pending, &reason);
	free(text);
	if (result != CONTROL_DONE)
		smime_error_setx(err, "the %s: %s",
		    s->set.children[which].name, reason.text);
	return result;
}

/*
 * First the key process, which is the one that may refuse; then the mail
 * process. Should that one refuse, the key process gets the old one back, so
 * that both always work by the same configuration. When a child does not
 * answer at all, the set is replaced.
 */
static int
hand_to_both(struct supervisor *s, struct conf *fresh, struct smime_error *err)
{
	struct smime_error ignored = { "" };
	enum control_result result;

	result = hand_over(s, CHILD_KEYS, fresh, err);
	if (result == CONTROL_DONE) {
		result = hand_over(s, CHILD_MAIL, fresh, err);
		if (result == CONTROL_NO && hand_over(s, CHILD_KEYS, s->conf,
		    &ignored) != CONTROL_DONE)
			result = CONTROL_BROKEN;
	}
	if (result == CONTROL_BROKEN)
		await_death(s);
	return result == CONTROL_DONE ? 0 : -1;
}

static void
take(struct supervisor *s, struct conf *fresh)
{
	conf_each_restart(s->conf, fresh, log_restart_setting, NULL);
	conf_unref(s->conf);
	s->conf = fresh;
	log_set_level(fresh->log_level);
	log_info("reload ok generation=%u", fresh->generation);
}

static void
reload(struct supervisor *s)
{
	struct smime_error err = { "" };
	struct conf *fresh;

	s->reload = false;
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now_ms() * 1000);
	fresh = read_new(s, &err);
	if (fresh != NULL && s->state == RUNNING &&
	    hand_to_both(s, fresh, &err) == -1) {
		conf_unref(fresh);
		fresh = NULL;
	}
	if (fresh != NULL)
		take(s, fresh);
	else
		log_error("reload failed, generation %u stays: %s",
		    s->conf->generation, err.text);
	notify("READY=1\nSTATUS=%s, configuration generation %u%s",
	    s->state == RUNNING ? "Serving" : "Restarting",
	    s->conf->generation, fresh != NULL ? "" : "; last reload failed");
}

/* -------------------------------------------------------------- the loop --- */

static void
told_to_stop(struct supervisor *s, const struct signalfd_siginfo *info)
{
	if (s->stop)
		return;
	s->stop = true;
	log_info("stopping: signal %u from pid %u", info->ssi_signo,
	    info->ssi_pid);
	notify("STOPPING=1\nSTATUS=Stopping");
}

static void
read_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->set.signal_fd, &info, sizeof(info)) == sizeof(info))
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGHUP:
			s->reload = true;
			break;
		default:
			told_to_stop(s, &info);
			break;
		}
}

/* Children say one octet here, once; more, or the end, is a fault. */
static void
read_control(struct supervisor *s, struct child *child)
{
	char octet;
	ssize_t n;

	n = recv(child->control, &octet, 1, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && octet == CONTROL_READY && !child->ready) {
		became_ready(s, child);
		return;
	}
	if (n == 1)
		log_error("the %s says what it was not asked", child->name);
	close(child->control);
	child->control = -1;
	await_death(s);
}

static void
deadline_passed(struct supervisor *s)
{
	struct child *child;

	switch (s->state) {
	case STARTING:
		log_error("no child became ready in %d s",
		    START_LIMIT / 1000);
		begin_stop(s);
		break;
	case RUNNING:
		s->backoff = BACKOFF_MIN;
		s->deadline = 0;
		break;
	case STOPPING:
		if ((child = next_to_stop(s)) == NULL)
			break;
		log_warning("the %s (pid %ld) does not stop; killing it",
		    child->name, (long)child->pid);
		kill(child->pid, SIGKILL);
		s->deadline = now_ms() + STOP_LIMIT;
		break;
	case WAITING:
		begin_start(s);
		break;
	case FINISHED:
		break;
	}
}

static void
wait_for_events(struct supervisor *s)
{
	struct pollfd fds[1 + CHILDREN];
	int64_t left = s->deadline != 0 ? s->deadline - now_ms() : -1;
	unsigned i;

	fds[0] = (struct pollfd){ .fd = s->set.signal_fd, .events = POLLIN };
	for (i = 0; i < CHILDREN; i++)
		fds[1 + i] = (struct pollfd){ .events = POLLIN,
		    .fd = s->set.children[i].control };
	if (s->deadline != 0 && left < 0)
		left = 0;
	if (poll(fds, 1 + CHILDREN, (int)left) == -1 && errno != EINTR)
		log_error("poll: %m");
	if (fds[0].revents != 0)
		read_signals(s);
	for (i = 0; i < CHILDREN; i++)
		if (fds[1 + i].revents != 0 &&
		    s->set.children[i].control == fds[1 + i].fd &&
		    fds[1 + i].fd != -1)
			read_control(s, &s->set.children[i]);
}

static void
run(struct supervisor *s)
{
	begin_start(s);
	while (s->state != FINISHED) {
		wait_for_events(s);
		if (s->stop && s->state == WAITING)
			enter(s, FINISHED, 0);
		else if (s->stop)
			begin_stop(s);
		else if (s->reload && (s->state == RUNNING ||
		    s->state == WAITING))
			reload(s);
		if (s->deadline != 0 && now_ms() >= s->deadline)
			deadline_passed(s);
	}
}

static int
open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	/* ignored, as a parent may leave it, it would not be delivered */
	signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return -1;
	s->set.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->set.signal_fd == -1 ? -1 : 0;
}

static int
go_to_background(const struct conf *conf)
{
	struct smime_error err = { "" };

	/* what can fail for good is tried while stderr is still there */
	if (daemon_lock_pid_file(conf->pid_file, &err) == -1) {
		log_error("%s", err.text);
		return EX_CANTCREAT;
	}
	if (daemon_start(&err) == -1 || daemon_write_pid(&err) == -1) {
		log_error("%s", err.text);
		return EX_OSERR;
	}
	log_open("sampul-milter", false, conf->log_level);
	return 0;
}

int
supervise(struct conf *conf, const char *file, bool foreground)
{
	struct supervisor s = { .conf = conf_ref(conf), .file = file,
	    .backoff = BACKOFF_MIN };
	unsigned i;

	s.set.foreground = foreground;
	s.set.signal_fd = -1;
	for (i = 0; i < CHILDREN; i++)
		s.set.children[i].control = -1;
	if (s.conf->generation == 0)
		s.conf->generation = 1;
	if (!foreground)
		s.status = go_to_background(conf);
	if (s.status == 0 && open_signals(&s) == -1) {
		log_error("signalfd: %m");
		s.status = EX_OSERR;
	}
	if (s.status == 0) {
		log_info("starting version=%s configuration=%s",
		    SAMPUL_VERSION, file);
		run(&s);
		log_info("stopped");
	}
	daemon_report(s.status);
	daemon_remove_pid_file(conf->pid_file);
	if (s.set.signal_fd != -1)
		close(s.set.signal_fd);
	conf_unref(s.conf);
	return s.status;
}
