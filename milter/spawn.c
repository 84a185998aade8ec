/*
 * spawn.c - a set of one key process and one mail process, and the channels
 * between them.
 *
 * Both are plain forks, with no exec between: the configuration is there
 * already, and nothing has to be found again or passed by name.
 */
#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervise.h"

static const struct {
	const char	*name;
	const char	*ident;
	const char	*comm;
	int		(*run)(struct conf *conf, int control,
			    const int *channels, size_t channel_count);
} kinds[CHILDREN] = {
	[CHILD_KEYS] = { "key process", "sampul-milter/keys", "sampul-keys",
	    key_process },
	[CHILD_MAIL] = { "mail process", "sampul-milter/mail", "sampul-mail",
	    mail_process },
};

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_channels(struct process_set *set, unsigned side)
{
	size_t i;

	for (i = 0; set->channels[side] != NULL && i < set->channel_count; i++)
		close_one(&set->channels[side][i]);
	free(set->channels[side]);
	set->channels[side] = NULL;
}

void
set_close(struct process_set *set)
{
	unsigned which;

	for (which = 0; which < CHILDREN; which++) {
		close_channels(set, which);
		close_one(&set->children[which].control);
		set->children[which].ready = set->children[which].told = false;
	}
	set->channel_count = 0;
}

static size_t
wanted_channels(const struct conf *conf)
{
	long cores;

	if (conf->key_threads > 0)
		return conf->key_threads;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < 1)
		cores = 1;
	return cores > 128 ? 256 : (size_t)cores * 2;
}

int
set_open(struct process_set *set, const struct conf *conf,
    struct smime_error *err)
{
	size_t i, count = wanted_channels(conf);
	unsigned which;
	int pair[2];

	for (which = 0; which < CHILDREN; which++) {
		set->children[which] = (struct child){
		    .name = kinds[which].name, .control = -1 };
		set->channels[which] = malloc(count * sizeof(int));
		if (set->channels[which] == NULL) {
			smime_error_set(err, "channels");
			set_close(set);
			return -1;
		}
	}
	for (i = 0; i < count; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    pair) == -1) {
			smime_error_set(err, "channels");
			set_close(set);
			return -1;
		}
		set->channels[CHILD_KEYS][i] = pair[0];
		set->channels[CHILD_MAIL][i] = pair[1];
		set->channel_count = i + 1;
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

static void __attribute__((noreturn))
child_main(struct process_set *set, unsigned which, int control,
    struct conf *conf, pid_t supervisor)
{
	unsigned other = which == CHILD_KEYS ? CHILD_MAIL : CHILD_KEYS;
	int status;

	setsid();
	prctl(PR_SET_NAME, kinds[which].comm, 0, 0, 0);
	/* the end of file on control says the same; this needs no thread.
	 * A change of user clears it: sandbox_drop sets it again. */
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != supervisor)
		_exit(EX_TEMPFAIL);
	close_channels(set, other);
	close_one(&set->children[other].control);
	close_one(&set->signal_fd);
	daemon_close();
	unsetenv("NOTIFY_SOCKET");
	log_open(kinds[which].ident, set->foreground, conf->log_level);
	reset_signals();
	status = kinds[which].run(conf, control, set->channels[which],
	    set->channel_count);
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
	close_channels(set, which);
	return 0;
}
