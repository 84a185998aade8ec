/*
 * control.c - configuration texts from the supervisor to its children.
 *
 * A stream socket each. To the child: a length in four octets, big-endian, and
 * a text for conf_read_text. Back: one octet for "ready", and one answer for
 * each text. Only one side ever waits, so there is nothing to number. End of
 * file means that the supervisor is gone, and the child stops.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
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

/* ---------------------------------------------------- the child's side --- */

struct control {
	int	 fd;
	int	(*apply)(struct conf *conf, struct smime_error *err);
	void	(*stop)(void);
};

static int
send_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
receive_all(int fd, void *buf, size_t len)
{
	char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = recv(fd, p, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
control_ready(int control)
{
	const char ready = CONTROL_READY;

	return send_all(control, &ready, 1);
}

static int
answer(int fd, int result, const struct smime_error *err)
{
	unsigned char buf[3 + CONTROL_REASON_MAX];
	size_t len = strlen(err->text);

	if (result == 0) {
		buf[0] = CONTROL_OK;
		return send_all(fd, buf, 1);
	}
	buf[0] = CONTROL_REFUSED;
	buf[1] = (unsigned char)(len >> 8);
	buf[2] = (unsigned char)len;
	memcpy(buf + 3, err->text, len);
	return send_all(fd, buf, 3 + len);
}

/* The next text, or NULL when the supervisor is gone or talks nonsense. */
static char *
receive_text(int fd, size_t *len)
{
	unsigned char head[4];
	char *text;

	if (receive_all(fd, head, sizeof(head)) == -1)
		return NULL;
	*len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
	    (size_t)head[2] << 8 | head[3];
	if (*len > CONTROL_TEXT_MAX || (text = malloc(*len + 1)) == NULL) {
		log_error("cannot take a configuration of %zu octets", *len);
		return NULL;
	}
	if (receive_all(fd, text, *len) == -1) {
		free(text);
		return NULL;
	}
	text[*len] = '\0';
	return text;
}

static int
apply_text(const struct control *control, const char *text, size_t len,
    struct smime_error *err)
{
	enum log_level level;
	struct conf *conf;

	if ((conf = conf_read_text(text, len, err)) == NULL)
		return -1;
	level = conf->log_level;
	if (control->apply(conf, err) == -1)
		return smime_error_setx(err, "refused without a reason");
	log_set_level(level);
	return 0;
}

static void *
control_thread(void *arg)
{
	struct control *control = arg;
	struct smime_error err;
	size_t len;
	char *text;
	int rc;

	while ((text = receive_text(control->fd, &len)) != NULL) {
		err.text[0] = '\0';
		rc = apply_text(control, text, len, &err);
		free(text);
		if (answer(control->fd, rc, &err) == -1)
			break;
	}
	control->stop();
	/*
	 * libmilter may lock itself up when it is told to stop while a
	 * connection comes in, and without a supervisor nobody would end us:
	 * the socket would stay served by a process that never answers.
	 */
	(void)poll(NULL, 0, STOP_LIMIT);
	log_error("did not stop in %d s; ending at once", STOP_LIMIT / 1000);
	_exit(EX_UNAVAILABLE);
}

int
control_start(int fd, int (*apply)(struct conf *conf, struct smime_error *err),
    void (*stop)(void), struct smime_error *err)
{
	static struct control control;	/* a child has one */
	pthread_t thread;
	sigset_t all, old;
	int rc;

	control.fd = fd;
	control.apply = apply;
	control.stop = stop;
	/* signals are for the threads that expect them */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = sandbox_thread(&thread, NULL, control_thread, &control);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		errno = rc;
		return smime_error_set(err, "control thread");
	}
	pthread_detach(thread);
	return 0;
}

/* ----------------------------------------------- the supervisor's side --- */

struct exchange {
	int			  fd;
	struct timespec		  deadline;
	bool			(*give_up)(void);
	struct smime_error	 *err;
};

/* Waits in short steps, to notice that it should not wait any longer. */
static int
wait_for(const struct exchange *exchange, short events)
{
	struct pollfd pfd = { .fd = exchange->fd, .events = events };
	struct timespec now;
	int n;

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > exchange->deadline.tv_sec ||
		    (now.tv_sec == exchange->deadline.tv_sec &&
		    now.tv_nsec >= exchange->deadline.tv_nsec))
			return smime_error_setx(exchange->err,
			    "no answer in time");
		if (exchange->give_up != NULL && exchange->give_up())
			return smime_error_setx(exchange->err,
			    "told to stop meanwhile");
		n = poll(&pfd, 1, 200);
		if (n == 1)
			return 0;
		if (n == -1 && errno != EINTR)
			return smime_error_set(exchange->err, "poll");
	}
}

static int
exchange_send(const struct exchange *exchange, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len > 0) {
		if (wait_for(exchange, POLLOUT) == -1)
			return -1;
		n = send(exchange->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return smime_error_set(exchange->err, "send");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
exchange_receive(const struct exchange *exchange, void *buf, size_t len)
{
	char *p = buf;
	ssize_t n;

	while (len > 0) {
		if (wait_for(exchange, POLLIN) == -1)
			return -1;
		n = recv(exchange->fd, p, len, MSG_DONTWAIT);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return smime_error_setx(exchange->err,
			    "ended without an answer");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static enum control_result
receive_refusal(const struct exchange *exchange)
{
	unsigned char head[2];
	char reason[CONTROL_REASON_MAX], text[CONTROL_REASON_MAX + 1];
	size_t len;

	if (exchange_receive(exchange, head, sizeof(head)) == -1)
		return CONTROL_BROKEN;
	len = (size_t)head[0] << 8 | head[1];
	if (len > sizeof(reason)) {
		smime_error_setx(exchange->err, "the answer is malformed");
		return CONTROL_BROKEN;
	}
	if (exchange_receive(exchange, reason, len) == -1)
		return CONTROL_BROKEN;
	smime_error_setx(exchange->err, "%s",
	    smime_printable(reason, len, text, sizeof(text)));
	return CONTROL_NO;
}

enum control_result
control_send(int fd, const char *text, size_t len, unsigned limit,
    bool (*give_up)(void), struct smime_error *err)
{
	struct exchange exchange = { .fd = fd, .give_up = give_up,
	    .err = err };
	unsigned char head[4];
	char result;
	unsigned i;

	if (len > CONTROL_TEXT_MAX) {
		smime_error_setx(err, "the configuration is too large");
		return CONTROL_NO;
	}
	clock_gettime(CLOCK_MONOTONIC, &exchange.deadline);
	exchange.deadline.tv_sec += (time_t)limit;
	for (i = 0; i < sizeof(head); i++)
		head[i] = (unsigned char)(len >> (24 - 8 * i));
	if (exchange_send(&exchange, head, sizeof(head)) == -1 ||
	    exchange_send(&exchange, text, len) == -1 ||
	    exchange_receive(&exchange, &result, 1) == -1)
		return CONTROL_BROKEN;
	if (result == CONTROL_OK)
		return CONTROL_DONE;
	if (result == CONTROL_REFUSED)
		return receive_refusal(&exchange);
	smime_error_setx(err, "the answer is malformed");
	return CONTROL_BROKEN;
}
