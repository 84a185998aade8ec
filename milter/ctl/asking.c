/*
 * asking.c - asks the key process through its socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/unlock.h"
#include "custody.h"

/* Unlocking tries several keys, each with a tenth of a second's work or more
 * on a slow machine, after those who came before us. */
#define ANSWER_SECONDS	60

static int
connect_to(const struct conf *conf, struct smime_error *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const struct timeval limit = { ANSWER_SECONDS, 0 };
	int fd, saved;

	if (conf->unlock_socket[0] == '\0') {
		errno = ENOENT;
		return smime_error_setx(err, "%s: custody.socket is not set",
		    conf->file);
	}
	if (snprintf(name.sun_path, sizeof(name.sun_path), "%s",
	    conf->unlock_socket) >= (int)sizeof(name.sun_path))
		return smime_error_setx(err, "custody.socket: too long");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return smime_error_set(err, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	saved = errno;
	smime_error_set(err, "cannot reach the key process at %s; is "
	    "sampul-milter running?", conf->unlock_socket);
	close(fd);
	errno = saved;
	return -1;
}

static int
send_request(int fd, const struct unlock_request *request,
    struct smime_error *err)
{
	unsigned char buf[UNLOCK_REQUEST_MAX];
	ssize_t len, n = -1;

	len = unlock_put_request(request, buf, sizeof(buf));
	if (len != -1)
		n = send(fd, buf, (size_t)len, MSG_NOSIGNAL);
	OPENSSL_cleanse(buf, sizeof(buf));
	/* turned away at the door it may have closed, its answer is there */
	if (len == -1)
		return smime_error_setx(err, "the request cannot be asked");
	if (n != len && errno != EPIPE)
		return smime_error_set(err, "cannot ask the key process");
	return 0;
}

static int
receive_answer(int fd, struct unlock_answer *out, struct smime_error *err)
{
	unsigned char buf[UNLOCK_ANSWER_MAX];
	bool reset = false;
	ssize_t n;

	/* whoever is turned away unheard gets a reset before the answer */
	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_TRUNC);
		if (n == -1 && errno == EINTR)
			continue;
		if (n != -1 || errno != ECONNRESET || reset)
			break;
		reset = true;
	}
	if (n == -1)
		return smime_error_set(err, "the key process does not answer");
	if (n == 0)
		return smime_error_setx(err, "the key process did not "
		    "answer");
	if ((size_t)n > sizeof(buf) ||
	    unlock_get_answer(buf, (size_t)n, out) != 0)
		return smime_error_setx(err, "the key process's answer is "
		    "malformed");
	return 0;
}

int
ask_keys(const struct conf *conf, const struct unlock_request *request,
    void (*each)(void *arg, const struct unlock_answer *answer), void *arg,
    struct unlock_answer *last, struct smime_error *err)
{
	int fd, rc, saved;

	fd = connect_to(conf, err);
	if (fd == -1)
		return -1;
	rc = send_request(fd, request, err);
	while (rc == 0 && (rc = receive_answer(fd, last, err)) == 0 &&
	    last->more)
		if (each != NULL)
			each(arg, last);
	saved = rc == 0 ? 0 : EIO;
	close(fd);
	errno = saved;
	return rc;
}

bool
ask_to_forget(const struct conf *conf, const char *address)
{
	struct unlock_request request = { .verb = UNLOCK_LOCK };
	struct smime_error ignored = { "" };
	struct unlock_answer last;

	snprintf(request.address, sizeof(request.address), "%s", address);
	return ask_keys(conf, &request, NULL, NULL, &last, &ignored) == 0 &&
	    last.result == UNLOCK_DONE;
}
