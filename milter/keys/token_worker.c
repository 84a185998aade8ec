/*
 * token_worker.c - the child of the token process that loads the module.
 *
 * Whatever a vendor's library does, it does it here: when it crashes, hangs or
 * has lost its token, the token process ends this child and starts another.
 * The engine and the module are as new then, which is the one way to find a
 * token again that works with all of them; and nobody is logged in any more.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../sandbox.h"
#include "tokens.h"

static void
answer_request(struct token *token, const struct smime_error *broken,
    const struct token_request *request, struct token_answer *answer)
{
	struct smime_error err = *broken;
	size_t len = sizeof(answer->signature);

	memset(answer, 0, sizeof(*answer));
	answer->serial = request->serial;
	answer->result = token == NULL ? TOKEN_LOST : token_sign(token,
	    request->uri, request->pin, &request->raw, answer->signature,
	    &len, &err);
	if (answer->result == TOKEN_SIGNED)
		answer->len = len;
	else
		smime_printable(err.text, strlen(err.text), answer->text,
		    sizeof(answer->text));
}

/* A module gets nothing that is open here but its worker's own end. */
static void
close_others(int own)
{
	struct rlimit limit;
	int fd, last = 65536;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < (rlim_t)last)
		last = (int)limit.rlim_cur;
	for (fd = STDERR_FILENO + 1; fd < last; fd++)
		if (fd != own)
			close(fd);
}

static void __attribute__((noreturn))
work(const struct conf *conf, int fd)
{
	unsigned char buf[TOKEN_REQUEST_MAX];
	struct smime_error err = { "" };
	struct token_request request;
	struct token_answer answer;
	struct token *token = NULL;
	ssize_t n;

	if (sandbox_serve(conf->token_network ? SANDBOX_WORKER_NETWORK :
	    SANDBOX_WORKER, &err) == 0)
		token = token_open(conf->token_module, &err);
	while ((n = token_receive(fd, buf, sizeof(buf))) > 0) {
		if ((size_t)n > sizeof(buf) ||
		    token_get_request(buf, (size_t)n, &request) != 0)
			_exit(EX_DATAERR);
		answer_request(token, &err, &request, &answer);
		OPENSSL_cleanse(&request, sizeof(request));
		n = token_put_answer(&answer, buf, sizeof(buf));
		if (n == -1 || token_send(fd, buf, (size_t)n) != 0)
			_exit(EX_OSERR);
	}
	/* no exit handlers of the module's */
	_exit(EX_OK);
}

pid_t
token_worker_start(const struct conf *conf, int *fd, struct smime_error *err)
{
	pid_t pid, parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return smime_error_set(err, "a worker for tokens");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "sampul-token", 0, 0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(EX_TEMPFAIL);
		close_others(pair[1]);
		work(conf, pair[1]);
	}
	close(pair[1]);
	if (pid == -1) {
		close(pair[0]);
		return smime_error_set(err, "a worker for tokens");
	}
	*fd = pair[0];
	return pid;
}
