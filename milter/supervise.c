/*
 * supervise.c - starts, watches and restarts the child processes, and passes
 * reloads on.
 *
 * One loop around poll(2), with signals as a descriptor, so that nothing runs
 * in a signal handler and a slow child holds up nobody:
 *
 *	STARTING -> RUNNING -> STOPPING -> WAITING -> STARTING ...
 *
 * Children are started one after the other, in the order of kinds.c: the key
 * process first; the mail process, which brings the milter socket, last, when
 * all others are ready. When one ends, all are replaced, because the channels
 * between them were made before the fork. The mail process is stopped first,
 * so that its last messages can still be signed.
 */
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "log.h"
#include "process.h"
#include "supervise.h"

#define START_LIMIT	120000	/* ms until a child must be ready */
#define BACKOFF_MIN	100	/* ms */
#define BACKOFF_MAX	30000
#define HEALTHY		60000	/* ms after which back-off starts anew */

static void
enter(struct supervisor *s, enum state state, int64_t limit)
{
	s->state = state;
	s->deadline = limit > 0 ? monotonic_ms() + limit : 0;
}

/* ------------------------------------------------------ start and stop --- */

/* A reload that the children could not start with is undone. */
static void
fall_back(struct supervisor *s)
{
	if (s->former == NULL)
		return;
	log_error("reload: no start with generation %u; going back to %u",
	    s->conf->generation, s->former->generation);
	conf_unref(s->conf);
	s->conf = s->former;
	s->former = NULL;
	log_set_level(s->conf->log_level);
}

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
	if (s->renewing) {
		s->renewing = false;
		enter(s, WAITING, 1);
		return;
	}
	fall_back(s);
	log_info("starting again in %lld ms", (long long)s->backoff);
	notify("STATUS=Restarting after a failure");
	enter(s, WAITING, s->backoff);
	s->backoff *= 2;
	if (s->backoff > BACKOFF_MAX)
		s->backoff = BACKOFF_MAX;
}

/* The one to be stopped next: who asks before who is asked; NULL when all are
 * gone. */
static struct child *
next_to_stop(struct supervisor *s)
{
	unsigned which;

	for (which = kind_count; which-- > 0;)
		if (s->set.children[which].pid > 0)
			return &s->set.children[which];
	return NULL;
}

static const char *
name_of(const struct supervisor *s, const struct child *child)
{
	return kinds[child - s->set.children].name;
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
		s->deadline = monotonic_ms() + STOP_LIMIT;
		/* root without CAP_KILL: the end of the control socket says
		 * the same */
		if (kill(child->pid, SIGTERM) == -1 && errno == EPERM &&
		    child->control != -1) {
			close(child->control);
			child->control = -1;
		}
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

/* Starts the next that is wanted and not there; false when none is left. */
static bool
start_next(struct supervisor *s)
{
	struct smime_error err = { "" };
	unsigned which;

	for (which = 0; which < kind_count; which++)
		if (s->set.children[which].wanted &&
		    s->set.children[which].pid == 0)
			break;
	if (which == kind_count)
		return false;
	s->deadline = monotonic_ms() + START_LIMIT;
	if (set_start(&s->set, which, s->conf, &err) == -1) {
		log_error("cannot start the %s: %s", kinds[which].name,
		    err.text);
		s->status = EX_OSERR;
		begin_stop(s);
	}
	return true;
}

static void
begin_start(struct supervisor *s)
{
	struct smime_error err = { "" };

	s->broken = s->blamed = false;
	enter(s, STARTING, START_LIMIT);
	if (set_open(&s->set, s->conf, &err) == -1) {
		log_error("cannot start: %s", err.text);
		s->status = EX_OSERR;
		begin_stop(s);
		return;
	}
	start_next(s);
}

/* " mail_pid=7 key_pid=6" */
static void
list_pids(const struct supervisor *s, char *out, size_t size)
{
	unsigned which;
	size_t len = 0;

	*out = '\0';
	for (which = kind_count; which-- > 0;)
		if (s->set.children[which].pid > 0 && len < size)
			len += (size_t)snprintf(out + len, size - len,
			    " %s=%ld", kinds[which].pid_word,
			    (long)s->set.children[which].pid);
}

static void
became_ready(struct supervisor *s, struct child *child)
{
	char pids[KINDS_MAX * 32];

	child->ready = true;
	log_debug("the %s (pid %ld) is ready", name_of(s, child),
	    (long)child->pid);
	if (s->state != STARTING || start_next(s))
		return;
	enter(s, RUNNING, HEALTHY);
	s->served = true;
	conf_unref(s->former);
	s->former = NULL;
	daemon_report(0);
	list_pids(s, pids, sizeof(pids));
	log_info("serving milter.socket=%s generation=%u%s", s->conf->socket,
	    s->conf->generation, pids);
	notify("READY=1\nSTATUS=Serving, configuration generation %u",
	    s->conf->generation);
}

/* The new set is started without delay, and waited for as for any other. */
void
supervise_renew(struct supervisor *s, struct conf *former)
{
	log_info("reload: other processes or files are wanted; all processes "
	    "are started anew");
	conf_unref(s->former);
	s->former = former;
	s->renewing = true;
	begin_stop(s);
}

/* --------------------------------------------------------------- deaths --- */

/*
 * Whether an end is what was asked for, or follows from another's: a server,
 * such as the key process, ends well when its clients have let go of their
 * channels. The last kind is nobody's server. What
 * dies of anything else has to be told even when it was told to stop: of two
 * that die together the one to blame may be found second.
 */
static bool
is_expected(const struct supervisor *s, const struct child *child, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    child != &s->set.children[kind_count - 1] && child->ready)
		return true;
	if (!child->told)
		return false;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0 ||
		    WEXITSTATUS(status) == EX_TEMPFAIL;
	return WTERMSIG(status) == SIGTERM || child->killed;
}

/* An end that nobody asked for. */
static void
report_death(struct supervisor *s, const struct child *child, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (WIFSIGNALED(status))
		log_error("the %s (pid %ld) was killed by signal %d (%s)",
		    name_of(s, child), (long)child->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		log_error("the %s (pid %ld) ended with status %d",
		    name_of(s, child), (long)child->pid, code);
	s->blamed = true;
	if (!s->served && s->status == 0)
		s->status = code != 0 ? code : EX_TEMPFAIL;
}

static void
child_died(struct supervisor *s, struct child *child, int status)
{
	if (!is_expected(s, child, status))
		report_death(s, child, status);
	else
		log_debug("the %s (pid %ld) ended", name_of(s, child),
		    (long)child->pid);
	child->pid = 0;
	child->ready = false;
	if (s->state == STOPPING)
		stop_step(s);
	else
		s->broken = true;
}

static void
reap(struct supervisor *s)
{
	unsigned i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < kind_count; i++)
			if (s->set.children[i].pid == pid)
				child_died(s, &s->set.children[i], status);
}

/* A server that ended well although its clients live is told of too. */
static void
blame_the_first(const struct supervisor *s)
{
	unsigned which;

	if (s->blamed || s->set.children[kind_count - 1].pid == 0)
		return;
	for (which = 0; which < kind_count; which++)
		if (s->set.children[which].wanted &&
		    s->set.children[which].pid == 0)
			log_error("the %s ended and nobody asked it to",
			    kinds[which].name);
}

/*
 * One end often brings the other, and a child that breaks off has most often
 * just died: the kernel closes its sockets a moment before it says so, and the
 * other notices. The cause is worth that moment; SIGTERM would hide it.
 */
void
supervise_await_death(struct supervisor *s)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned i;

	if (s->state != STARTING && s->state != RUNNING)
		return;
	for (i = 0; i < 20 && next_to_stop(s) != NULL; i++) {
		nanosleep(&moment, NULL);
		reap(s);
	}
	blame_the_first(s);
	begin_stop(s);
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
		log_error("the %s says what it was not asked",
		    name_of(s, child));
	close(child->control);
	child->control = -1;
	supervise_await_death(s);
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
		    name_of(s, child), (long)child->pid);
		child->killed = true;
		kill(child->pid, SIGKILL);
		s->deadline = monotonic_ms() + STOP_LIMIT;
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
	struct pollfd fds[1 + KINDS_MAX];
	int64_t left = s->deadline != 0 ? s->deadline - monotonic_ms() : -1;
	unsigned i;

	fds[0] = (struct pollfd){ .fd = s->set.signal_fd, .events = POLLIN };
	for (i = 0; i < kind_count; i++)
		fds[1 + i] = (struct pollfd){ .events = POLLIN,
		    .fd = s->set.children[i].control };
	if (s->deadline != 0 && left < 0)
		left = 0;
	if (poll(fds, 1 + kind_count, (int)left) == -1 && errno != EINTR)
		log_error("poll: %m");
	if (fds[0].revents != 0)
		read_signals(s);
	for (i = 0; i < kind_count; i++)
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
		if (s->broken)
			supervise_await_death(s);
		if (s->stop && s->state == WAITING)
			enter(s, FINISHED, 0);
		else if (s->stop)
			begin_stop(s);
		else if (s->reload && (s->state == RUNNING ||
		    s->state == WAITING))
			supervise_reload(s);
		if (s->deadline != 0 && monotonic_ms() >= s->deadline)
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
	for (i = 0; i < KINDS_MAX; i++)
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
	conf_unref(s.former);
	conf_unref(s.conf);
	return s.status;
}
