/*
 * submit_try.c - whether a submit process could load libcurl, asked before one
 * is started.
 *
 * libcurl must be in no other process, not even for a moment, and whoever asks
 * may be the supervisor, of whom all are forks. So a child tries it, as the
 * user that the submit process becomes, and says how it went:
 *
 *	'K'			well
 *	sentence		what is missing
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "sandbox.h"
#include "submit.h"

#define PATIENCE	30	/* seconds; a library may lie on a slow disk */

static void __attribute__((noreturn))
child(int fd, const struct conf *conf)
{
	struct smime_error err = { "" };
	const char *said = "K";

	signal(SIGALRM, SIG_DFL);
	alarm(PATIENCE);
	if (sandbox_harden(&err) == -1 ||
	    sandbox_drop(conf->submit_user, &err) == -1 ||
	    smtp_load(&err) == -1)
		said = err.text;
	_exit(write(fd, said, strlen(said)) == (ssize_t)strlen(said) ? 0 : 1);
}

/* All that it says until it ends, within size. */
static size_t
hear(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, buf + len, size - len)) != 0) {
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	return len;
}

int
submit_try(const struct conf *conf, struct smime_error *err)
{
	char said[SMIME_ERROR_MAX], text[SMIME_ERROR_MAX];
	size_t len;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return smime_error_set(err, "trying libcurl");
	if ((pid = fork()) == 0)
		child(fds[1], conf);
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		return smime_error_set(err, "trying libcurl");
	}
	len = hear(fds[0], said, sizeof(said));
	close(fds[0]);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	if (len == 1 && said[0] == 'K')
		return 0;
	if (len == 0)
		return smime_error_setx(err, "loading libcurl ended the "
		    "process that tried it, or took more than %d s", PATIENCE);
	return smime_error_setx(err, "%s", smime_printable(said, len, text,
	    sizeof(text)));
}
