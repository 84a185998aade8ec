/*
 * token.c - keys in tokens, for sampulctl: a token process of its own, as the
 * daemon has one, for as long as the command runs.
 *
 * The module is loaded by that process's worker, as token_user and in its
 * cage, never by sampulctl itself, which is root. A PIN that the token refuses
 * is tried once and no more: some tokens lock themselves at the third.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/tokens.h"
#include "../log.h"
#include "../process.h"
#include "../supervise.h"
#include "token.h"

static void __attribute__((noreturn))
child(struct conf *conf, int control, int fd)
{
	struct channels channels[JOINTS_MAX] = { { NULL, 0 } };

	channels[JOINT_TOKENS].fds = &fd;
	channels[JOINT_TOKENS].count = 1;
	/* what fails is told by whoever asks */
	log_open("sampulctl", true, LOG_LEVEL_ERROR);
	_exit(token_process(conf, control, channels));
}

static int
await_ready(int control, struct smime_error *err)
{
	char octet = 0;
	ssize_t n;

	do
		n = recv(control, &octet, 1, 0);
	while (n == -1 && errno == EINTR);
	if (n == 1 && octet == CONTROL_READY)
		return 0;
	return smime_error_setx(err, "the process for tokens does not start");
}

int
ctl_tokens_open(struct conf *conf, struct ctl_tokens *out,
    struct smime_error *err)
{
	int control[2], pair[2];

	memset(out, 0, sizeof(*out));
	out->control = out->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == -1)
		return smime_error_set(err, "a process for tokens");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ==
	    -1) {
		close(control[0]);
		close(control[1]);
		return smime_error_set(err, "a process for tokens");
	}
	out->control = control[0];
	out->fd = pair[0];
	out->pid = fork();
	if (out->pid == 0) {
		close(control[0]);
		close(pair[0]);
		child(conf, control[1], pair[1]);
	}
	close(control[1]);
	close(pair[1]);
	if (out->pid == -1)
		(void)smime_error_set(err, "a process for tokens");
	else if (await_ready(out->control, err) == 0 &&
	    (out->client = token_client_new(&out->fd, 1)) == NULL)
		(void)smime_error_setx(err, "out of memory");
	if (out->client == NULL) {
		ctl_tokens_close(out);
		return -1;
	}
	token_client_use(out->client, conf);
	return 0;
}

void
ctl_tokens_close(struct ctl_tokens *tokens)
{
	token_client_free(tokens->client);
	if (tokens->fd != -1)
		close(tokens->fd);
	if (tokens->control != -1)
		close(tokens->control);
	while (tokens->pid > 0 && waitpid(tokens->pid, NULL, 0) == -1 &&
	    errno == EINTR)
		continue;
	memset(tokens, 0, sizeof(*tokens));
	tokens->control = tokens->fd = -1;
}
