/*
 * tokend.c - the token process: has digests signed by PKCS#11 tokens.
 *
 * It is there when the configuration names a token module, has a user of its
 * own, and serves the key process alone. The module is loaded by a child
 * (token_worker.c), which is asked one thing at a time and replaced when it
 * fails, hangs, or has had nothing to do for a while.
 *
 * A token counts wrong PINs and locks itself after a few. So it is here that
 * they are remembered, one for each token: a PIN that was wrong is not tried
 * again, neither by the next message nor by the next worker; another one is.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../log.h"
#include "../process.h"
#include "../sandbox.h"
#include "keyfile.h"
#include "tokens.h"
#include "unlock.h"

#define TOKENS_MAX	64
#define IDLE_MS		60000	/* then nobody stays logged in */
#define HANG_MS		30000	/* a token that hung is left alone */

struct state {
	char	 label[TOKEN_LABEL_MAX + 1];
	char	 good[TOKEN_PIN_MAX + 1];	/* logged in with; "" not */
	char	 wrong[TOKEN_PIN_MAX + 1];	/* "" none */
	int64_t	 not_before;			/* by steady_ms; 0 at once */
	bool	 lost;				/* and the log says so */
};

static struct {
	pthread_mutex_t	 lock;		/* held while a request is at work */
	struct conf	*conf;
	char		*pin;		/* of the file; NULL none */
	size_t		 pin_len;
	pid_t		 worker;	/* 0 none */
	int		 fd;		/* to it */
	struct state	 states[TOKENS_MAX];
	unsigned	 count;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* -------------------------------------------------------------- worker --- */

static void
stop_worker(void)
{
	unsigned i;

	if (process.worker == 0)
		return;
	close(process.fd);
	process.fd = -1;
	kill(process.worker, SIGKILL);
	while (waitpid(process.worker, NULL, 0) == -1 && errno == EINTR)
		continue;
	process.worker = 0;
	for (i = 0; i < process.count; i++)
		OPENSSL_cleanse(process.states[i].good,
		    sizeof(process.states[i].good));
}

/* -1 after a failure; *hung when nothing came in time. */
static int
exchange(unsigned char *buf, size_t size, size_t len, int64_t limit,
    struct token_answer *answer, bool *hung)
{
	struct pollfd pfd = { .events = POLLIN, .fd = process.fd };
	int64_t deadline = steady_ms() + limit;
	ssize_t n;
	int rc;

	if (token_send(process.fd, buf, len) != 0)
		return -1;
	do
		rc = poll(&pfd, 1, (int)(deadline - steady_ms()));
	while (rc == -1 && errno == EINTR && steady_ms() < deadline);
	*hung = rc <= 0;
	if (*hung)
		return -1;
	n = token_receive(process.fd, buf, size);
	if (n <= 0 || (size_t)n > size)
		return -1;
	return token_get_answer(buf, (size_t)n, answer);
}

/*
 * Asks the worker, made now if there is none. What comes back is of the same
 * request, or the worker is ended; a token with which the module hangs, or
 * crashes at once, is left alone for a while, so that others get their turn.
 */
static void
ask_worker(struct state *state, const struct token_request *request,
    struct token_answer *answer)
{
	unsigned char buf[TOKEN_REQUEST_MAX];
	struct smime_error err = { "" };
	const bool is_new = process.worker == 0;
	bool hung = false;
	ssize_t len;

	if (is_new) {
		process.worker = token_worker_start(process.conf, &process.fd,
		    &err);
		if (process.worker == -1)
			process.worker = 0;
	}
	len = token_put_request(request, buf, sizeof(buf));
	if (process.worker != 0 && len > 0 && exchange(buf, sizeof(buf),
	    (size_t)len, process.conf->key_timeout * 500, answer,
	    &hung) == 0 && answer->serial == request->serial) {
		OPENSSL_cleanse(buf, sizeof(buf));
		return;
	}
	OPENSSL_cleanse(buf, sizeof(buf));
	stop_worker();
	if (hung || is_new)
		state->not_before = steady_ms() + HANG_MS;
	memset(answer, 0, sizeof(*answer));
	answer->result = TOKEN_LOST;
	snprintf(answer->text, sizeof(answer->text), "%.*s",
	    UNLOCK_TEXT_MAX, err.text[0] != '\0' ? err.text :
	    "the token module crashed or did not answer");
}

/* --------------------------------------------------------- one request --- */

static void
refuse(struct token_answer *answer, enum token_result result,
    const char *text)
{
	memset(answer, 0, sizeof(*answer));
	answer->result = result;
	snprintf(answer->text, sizeof(answer->text), "%s", text);
}

static struct state *
find_state(const char *label)
{
	unsigned i;

	for (i = 0; i < process.count; i++)
		if (strcmp(process.states[i].label, label) == 0)
			return &process.states[i];
	if (process.count == TOKENS_MAX)
		return NULL;
	snprintf(process.states[i].label, sizeof(process.states[i].label),
	    "%s", label);
	return &process.states[process.count++];
}

static void
pin_was_wrong(struct state *state, const char *pin)
{
	log_error("incident=wrong-pin token=\"%s\": the token refuses the "
	    "PIN, which is not tried again; correct it and reload",
	    state->label);
	snprintf(state->wrong, sizeof(state->wrong), "%s", pin);
	stop_worker();
}

static void
note_loss(struct state *state, bool lost, const char *text)
{
	if (lost && !state->lost)
		log_error("token \"%s\": %s", state->label, text);
	if (!lost && state->lost)
		log_info("token \"%s\" signs again", state->label);
	state->lost = lost;
}

/*
 * A worker that has failed is replaced, and the new one asked once: the token
 * may be back, or have been lost only for the old one.
 */
static void
sign(struct state *state, const struct token_request *request,
    struct token_answer *answer)
{
	const bool is_new = process.worker == 0;

	ask_worker(state, request, answer);
	if (answer->result == TOKEN_LOST)
		stop_worker();
	if (answer->result == TOKEN_LOST && !is_new && state->not_before == 0)
		ask_worker(state, request, answer);
	if (answer->result == TOKEN_PIN_WRONG)
		pin_was_wrong(state, request->pin);
	else if (answer->result == TOKEN_SIGNED)
		snprintf(state->good, sizeof(state->good), "%s",
		    request->pin);
	else
		stop_worker();
	note_loss(state, answer->result == TOKEN_LOST, answer->text);
}

static void
answer_request(struct token_request *request, const char *label,
    struct token_answer *answer)
{
	struct state *state = find_state(label);

	if (request->pin_len == 0 && process.pin != NULL) {
		memcpy(request->pin, process.pin, process.pin_len);
		request->pin[process.pin_len] = '\0';
		request->pin_len = process.pin_len;
	}
	if (state == NULL) {
		refuse(answer, TOKEN_LOST, "too many tokens");
	} else if (request->pin_len == 0) {
		refuse(answer, TOKEN_LOST, "there is no PIN for the token: "
		    "see keystore.token_pin_file");
	} else if (strcmp(state->wrong, request->pin) == 0) {
		refuse(answer, TOKEN_PIN_WRONG, "the token refused this PIN "
		    "before");
	} else if (steady_ms() < state->not_before) {
		refuse(answer, TOKEN_LOST, "the token module crashed or hung "
		    "with this token a moment ago");
	} else {
		state->not_before = 0;
		/* whoever has another PIN must show that it is right */
		if (state->good[0] != '\0' &&
		    strcmp(state->good, request->pin) != 0)
			stop_worker();
		sign(state, request, answer);
	}
}

/* -1: the key process is gone. */
static int
serve_one(int fd)
{
	char uri[TOKEN_URI_MAX + 1], label[TOKEN_LABEL_MAX + 1];
	unsigned char buf[TOKEN_REQUEST_MAX];
	struct token_request request;
	struct token_answer answer;
	ssize_t n;

	n = token_receive(fd, buf, sizeof(buf));
	if (n <= 0)
		return -1;
	memset(&request, 0, sizeof(request));
	if ((size_t)n > sizeof(buf) || token_get_request(buf, (size_t)n,
	    &request) != 0 || token_uri_read(request.uri, strlen(request.uri),
	    uri, label, NULL) != 0) {
		log_error("a malformed request of %zd octets was refused", n);
		refuse(&answer, TOKEN_LOST, "malformed request");
	} else {
		pthread_mutex_lock(&process.lock);
		answer_request(&request, label, &answer);
		pthread_mutex_unlock(&process.lock);
	}
	answer.serial = request.serial;
	OPENSSL_cleanse(&request, sizeof(request));
	OPENSSL_cleanse(buf, sizeof(buf));
	n = token_put_answer(&answer, buf, sizeof(buf));
	return n == -1 ? -1 : token_send(fd, buf, (size_t)n);
}

static void
serve(const struct channels *channels)
{
	struct pollfd *pfds;
	size_t i, left = channels->count;
	int n;

	if ((pfds = calloc(channels->count, sizeof(*pfds))) == NULL)
		return;
	for (i = 0; i < channels->count; i++)
		pfds[i] = (struct pollfd){ .fd = channels->fds[i],
		    .events = POLLIN };
	while (left > 0) {
		n = poll(pfds, channels->count, IDLE_MS);
		if (n == 0) {
			pthread_mutex_lock(&process.lock);
			stop_worker();
			pthread_mutex_unlock(&process.lock);
		}
		for (i = 0; n > 0 && i < channels->count; i++)
			if (pfds[i].revents != 0 &&
			    serve_one(pfds[i].fd) != 0) {
				pfds[i].fd = -1;
				left--;
			}
	}
	free(pfds);
}

/* --------------------------------------------------- start and reload --- */

static int
read_pin(const struct conf *conf, char **pin, size_t *len,
    struct smime_error *err)
{
	*pin = NULL;
	*len = 0;
	if (conf->token_pin_file[0] == '\0')
		return 0;
	if (secret_file_read(conf->token_user, conf->token_pin_file, false,
	    pin, len, err) != 0)
		return -1;
	if (*len <= TOKEN_PIN_MAX)
		return 0;
	OPENSSL_clear_free(*pin, *len + 1);
	*pin = NULL;
	return smime_error_setx(err, "%s holds no PIN: it is too long",
	    conf->token_pin_file);
}

/*
 * The file is read again, so that a corrected PIN is taken; one that only root
 * may read was read at the start. What was wrong may be tried once more.
 */
static int
apply(struct conf *conf, struct smime_error *err)
{
	struct smime_error why = { "" };
	size_t i, len;
	char *pin;

	(void)err;
	pthread_mutex_lock(&process.lock);
	stop_worker();
	if (read_pin(conf, &pin, &len, &why) == 0) {
		OPENSSL_clear_free(process.pin, process.pin_len + 1);
		process.pin = pin;
		process.pin_len = len;
		for (i = 0; i < process.count; i++) {
			OPENSSL_cleanse(process.states[i].wrong,
			    sizeof(process.states[i].wrong));
			process.states[i].not_before = 0;
		}
	} else {
		log_info("the PIN of before stays: %s", why.text);
	}
	conf_unref(process.conf);
	process.conf = conf;
	log_set_level(conf->log_level);
	pthread_mutex_unlock(&process.lock);
	return 0;
}

/* The worker ends with its channel, and by the signal of our death. */
static void
stop(void)
{
	_exit(EX_OK);
}

static int
prepare(struct conf *conf, struct smime_error *err)
{
	struct smime_error why = { "" }, closed = { "" };
	bool has_pin;

	process.conf = conf;
	if (sandbox_harden(err) != 0)
		return -1;
	/* root without capabilities may not read what is token_user's */
	has_pin = read_pin(conf, &process.pin, &process.pin_len,
	    &closed) == 0;
	if (sandbox_lock_memory(&why) != 0)
		log_info("PINs are not locked in memory: %s", why.text);
	if (sandbox_drop(conf->token_user, err) != 0)
		return -1;
	if (!has_pin && read_pin(conf, &process.pin, &process.pin_len,
	    &why) != 0)
		return smime_error_setx(err, "%s", closed.text);
	return sandbox_enter(SANDBOX_TOKENS, conf, err);
}

int
token_process(struct conf *conf, int control, const struct channels *channels)
{
	struct smime_error err = { "" };

	if (prepare(conf_ref(conf), &err) != 0 ||
	    control_start(control, apply, stop, &err) != 0 ||
	    sandbox_serve(SANDBOX_TOKENS, &err) != 0) {
		log_error("the token process cannot start: %s", err.text);
		return EX_UNAVAILABLE;
	}
	if (control_ready(control) != 0) {
		log_error("the token process lost its supervisor");
		return EX_OSERR;
	}
	serve(&channels[JOINT_TOKENS]);
	stop_worker();
	return EX_OK;
}
