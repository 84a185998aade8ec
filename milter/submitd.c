/*
 * submitd.c - the submit process: the one that opens connections.
 *
 * It is there when the configuration names submit.server, has a user of its
 * own, and serves the mail process alone: a message comes as a descriptor and
 * goes, as it is, to a mail server on this machine. It reads no file, looks no
 * name up, and holds no key. Each thread serves one channel, one message at a
 * time.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "log.h"
#include "process.h"
#include "sandbox.h"
#include "submit.h"

#define THREAD_STACK	(256 * 1024)

struct server {
	pthread_t		 thread;
	int			 fd;
	struct submit_request	 request;
	unsigned char		 buf[SUBMIT_REQUEST_MAX];
};

/* ------------------------------------------------------------- serving --- */

static void
say(const struct submission *submission, const struct submit_answer *answer,
    int64_t us)
{
	static const char *const words[] = {
		[SUBMIT_ACCEPTED] = "accepted", [SUBMIT_REFUSED] = "refused",
		[SUBMIT_FAILED] = "failed" };
	const char *queue_id = submission->queue_id[0] != '\0' ?
	    submission->queue_id : "NOQUEUE";

	if (answer->status == SUBMIT_ACCEPTED)
		log_info("%s: submission=%s recipients=%zu bytes=%ju us=%jd "
		    "reply=\"%s\"", queue_id, words[answer->status],
		    submission->count, (uintmax_t)submission->size,
		    (intmax_t)us, answer->text);
	else
		log_warning("%s: submission=%s recipients=%zu bytes=%ju "
		    "us=%jd reply=\"%s\"", queue_id, words[answer->status],
		    submission->count, (uintmax_t)submission->size,
		    (intmax_t)us, answer->text);
}

/* A pipe would never end, and a file that is shorter than was said is none. */
static bool
is_whole(const struct submission *submission)
{
	struct stat st;

	return fstat(submission->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size >= 0 && (uint64_t)st.st_size >= submission->size;
}

static int
send_answer(int fd, uint64_t serial, const struct submit_answer *answer)
{
	unsigned char buf[SUBMIT_ANSWER_MAX];
	ssize_t len, n;

	len = submit_put_answer(serial, answer, buf, sizeof(buf));
	if (len == -1)
		return -1;
	do
		n = send(fd, buf, (size_t)len, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == len ? 0 : -1;
}

/* The mail process hears of it before the connection is wound up. */
static int
serve_one(struct server *server)
{
	const struct submission *submission = &server->request.submission;
	struct conf *conf = conf_current();
	struct submit_answer answer = { .status = SUBMIT_FAILED,
	    .text = "it is no file of the size that was said" };
	unsigned limit = conf->submit_timeout * 1000;
	int64_t began = monotonic_us();
	struct smtp *smtp = NULL;
	int rc;

	if (server->request.limit < limit)
		limit = server->request.limit;
	if (is_whole(submission))
		smtp = smtp_send(conf->submit_server, conf->authserv_id,
		    submission, server->fd, limit, &answer);
	rc = send_answer(server->fd, server->request.serial, &answer);
	say(submission, &answer, monotonic_us() - began);
	smtp_close(smtp);
	conf_unref(conf);
	return rc;
}

static void *
serve(void *arg)
{
	struct server *server = arg;
	size_t len;
	int fd, rc;

	while ((rc = submit_receive_packet(server->fd, server->buf,
	    sizeof(server->buf), &len, &fd)) == 1) {
		rc = submit_get_request(server->buf, len, &server->request);
		if (rc == 0) {
			server->request.submission.fd = fd;
			rc = serve_one(server);
		} else {
			log_error("a malformed request of %zu octets: its "
			    "channel is closed", len);
		}
		close(fd);
		if (rc == -1)
			break;
	}
	if (rc == -1)
		log_error("a channel of the mail process broke");
	close(server->fd);
	return NULL;
}

/* --------------------------------------------------- start and reload --- */

static int
apply(struct conf *conf, struct smime_error *err)
{
	(void)err;
	log_set_level(conf->log_level);
	conf_replace(conf);
	return 0;
}

/* What is under way is not waited for: the mail process, which would have
 * heard of it, was stopped before us. */
static void
stop(void)
{
	_exit(EX_OK);
}

static int
prepare(struct conf *conf, struct smime_error *err)
{
	if (sandbox_harden(err) == -1 ||
	    sandbox_drop(conf->submit_user, err) == -1 ||
	    smtp_load(err) == -1)
		return -1;
	return sandbox_enter(SANDBOX_SUBMIT, conf, err);
}

static int
start_threads(struct server *servers, const struct channels *channels,
    struct smime_error *err)
{
	pthread_attr_t attr;
	size_t i;
	int rc = 0;

	if (pthread_attr_init(&attr) != 0)
		return smime_error_setx(err, "cannot start threads");
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (i = 0; rc == 0 && i < channels->count; i++) {
		servers[i].fd = channels->fds[i];
		rc = sandbox_thread(&servers[i].thread, &attr, serve,
		    &servers[i]);
	}
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	errno = rc;
	return smime_error_set(err, "cannot start a thread");
}

int
submit_process(struct conf *conf, int control,
    const struct channels *channels)
{
	const struct channels *own = &channels[JOINT_SUBMIT];
	struct smime_error err = { "" };
	struct server *servers = calloc(own->count, sizeof(*servers));
	size_t i;

	conf_replace(conf_ref(conf));
	if (servers == NULL || prepare(conf, &err) == -1 ||
	    start_threads(servers, own, &err) == -1 ||
	    control_start(control, apply, stop, &err) == -1 ||
	    sandbox_serve(SANDBOX_SUBMIT, &err) == -1) {
		log_error("the submit process cannot start: %s",
		    servers == NULL ? "out of memory" : err.text);
		return EX_UNAVAILABLE;
	}
	if (control_ready(control) == -1) {
		log_error("the submit process lost its supervisor");
		return EX_OSERR;
	}
	for (i = 0; i < own->count; i++)
		pthread_join(servers[i].thread, NULL);
	free(servers);
	return EX_OK;
}
