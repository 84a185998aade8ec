/*
 * spawn.c - a set of child processes, one of each kind that is wanted, and the
 * channels between them.
 *
 * All are plain forks, with no exec between: the configuration is there
 * already, and nothing has to be found again or passed by name.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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
#include "sandbox.h"
#include "supervise.h"

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_ends(struct channels *ends)
{
	while (ends->count > 0)
		close_one(&ends->fds[--ends->count]);
	free(ends->fds);
	ends->fds = NULL;
}

static unsigned
side_of(const struct joint *joint, unsigned side)
{
	return side == SERVER ? joint->server : joint->client;
}

/* Of all channels, those ends that are (or are not) a child's own. */
static void
close_channels(struct process_set *set, unsigned which, bool own)
{
	unsigned i, side;

	for (i = 0; i < joint_count; i++)
		for (side = 0; side < SIDES; side++)
			if ((side_of(&joints[i], side) == which) == own)
				close_ends(&set->ends[side][i]);
}

void
set_close(struct process_set *set)
{
	unsigned which;

	for (which = 0; which < kind_count; which++) {
		close_channels(set, which, true);
		close_one(&set->children[which].control);
		set->children[which].ready = set->children[which].told = false;
	}
}

static bool
is_wanted(unsigned which, const struct conf *conf)
{
	return kinds[which].is_wanted == NULL || kinds[which].is_wanted(conf);
}

bool
set_fits(const struct process_set *set, const struct conf *now,
    const struct conf *next)
{
	unsigned which;

	for (which = 0; which < kind_count; which++)
		if (is_wanted(which, next) != set->children[which].wanted)
			return false;
	return sandbox_fits(now, next);
}

static int
open_joint(struct process_set *set, unsigned which, size_t count,
    struct smime_error *err)
{
	struct channels *server = &set->ends[SERVER][which];
	struct channels *client = &set->ends[CLIENT][which];
	int pair[2];
	size_t i;

	server->fds = malloc(count * sizeof(int));
	client->fds = malloc(count * sizeof(int));
	if (server->fds == NULL || client->fds == NULL)
		return smime_error_set(err, "channels");
	for (i = 0; i < count; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    pair) == -1)
			return smime_error_set(err, "channels");
		server->fds[server->count++] = pair[0];
		client->fds[client->count++] = pair[1];
	}
	return 0;
}

int
set_open(struct process_set *set, const struct conf *conf,
    struct smime_error *err)
{
	unsigned i;

	for (i = 0; i < kind_count; i++)
		set->children[i] = (struct child){ .control = -1,
		    .wanted = is_wanted(i, conf) };
	for (i = 0; i < joint_count; i++) {
		if (!set->children[joints[i].server].wanted ||
		    !set->children[joints[i].client].wanted)
			continue;
		if (open_joint(set, i, joints[i].count(conf), err) == -1) {
			set_close(set);
			return -1;
		}
	}
	return 0;
}

/*
 * Default dispositions but for SIGHUP, which libmilter would take as "stop"
 * and which only the supervisor is meant to get, and SIGPIPE, because a log
 * reader that went away must not end a process.
 */
static void
reset_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Who is woken by the other process then waits for his turn, instead of pushing
 * it off the processor in the midst of a signature: under load a tenth fewer
 * changes between the two, and 3 % more messages. Where a unit forbids it, it is
 * as it was.
 */
static void
share_processors(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Its own ends, and empty places for what joins others. */
static void
own_channels(const struct process_set *set, unsigned which,
    struct channels *out)
{
	unsigned i, side;

	memset(out, 0, sizeof(*out) * JOINTS_MAX);
	for (i = 0; i < joint_count; i++)
		for (side = 0; side < SIDES; side++)
			if (side_of(&joints[i], side) == which)
				out[i] = set->ends[side][i];
}

static void __attribute__((noreturn))
child_main(struct process_set *set, unsigned which, int control,
    struct conf *conf, pid_t supervisor)
{
	struct channels channels[JOINTS_MAX];
	unsigned i;
	int status;

	setsid();
	prctl(PR_SET_NAME, kinds[which].comm, 0, 0, 0);
	/* the end of file on control says the same; this needs no thread.
	 * A change of user clears it: sandbox_drop sets it again. */
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != supervisor)
		_exit(EX_TEMPFAIL);
	close_channels(set, which, false);
	for (i = 0; i < kind_count; i++)
		close_one(&set->children[i].control);
	close_one(&set->signal_fd);
	daemon_close();
	unsetenv("NOTIFY_SOCKET");
	log_open(kinds[which].ident, set->foreground, conf->log_level);
	reset_signals();
	share_processors();
	own_channels(set, which, channels);
	status = kinds[which].run(conf, control, channels);
	fflush(NULL);
	_exit(status);
}

int
set_start(struct process_set *set, unsigned which, struct conf *conf,
    struct smime_error *err)
{
	struct child *child = &set->children[which];
	pid_t supervisor = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return smime_error_set(err, "control socket");
	fflush(NULL);
	child->pid = fork();
	if (child->pid == -1) {
		smime_error_set(err, "fork");
		child->pid = 0;
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	if (child->pid == 0) {
		close(pair[0]);
		child_main(set, which, pair[1], conf, supervisor);
	}
	close(pair[1]);
	child->control = pair[0];
	child->ready = child->told = child->killed = false;
	/* its ends are the child's now; with none left here, a death shows */
	close_channels(set, which, true);
	return 0;
}
