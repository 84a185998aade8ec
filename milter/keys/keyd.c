/*
 * keyd.c - the key process: answers "sign this digest for this address".
 *
 * Its threads read requests from one channel: a request goes to the first of
 * them that is free, which answers on the channel that the request names, and
 * reads the next. There is nothing to schedule. The process never sees a
 * message, opens no network connection, and ends when the mail process and the
 * supervisor are gone.
 *
 * Everything that needs root is done before the rights are given up: the
 * passphrase is read and the audit trail opened. A reload works without it: the
 * passphrase stays in memory unless another file is named.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../channel.h"
#include "../conf.h"
#include "../log.h"
#include "../process.h"
#include "../sandbox.h"
#include "audit.h"
#include "entry.h"
#include "keyd.h"
#include "keystore.h"
#include "tokens.h"
#include "unlock.h"

/*
 * Threads lock their whole stack into memory; OpenSSL's deepest path with RSA
 * stays below 64 KiB. Sanitizers and debuggers want more.
 */
#define THREAD_STACK	(256 * 1024)
#define STOP_LIMIT_MS	5000	/* for requests at work */

static struct {
	pthread_mutex_t	 lock;
	struct served	*served;	/* the current one */
	struct rate	*rate;
	struct vault	*vault;
	struct token_client *tokens;	/* NULL none */
	pthread_mutex_t	 change;	/* held by who makes another one */
	struct secret	 secret;	/* guarded by it */
	struct channels	 channels;	/* to the mail process */
	atomic_uint	 busy;		/* threads with a request */
	atomic_bool	 stopping;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER,
    .change = PTHREAD_MUTEX_INITIALIZER };

struct served *
served_take(void)
{
	struct served *served;

	pthread_mutex_lock(&process.lock);
	served = process.served;
	served->references++;
	pthread_mutex_unlock(&process.lock);
	return served;
}

void
served_drop(struct served *served)
{
	bool last;

	if (served == NULL)
		return;
	pthread_mutex_lock(&process.lock);
	last = --served->references == 0;
	pthread_mutex_unlock(&process.lock);
	if (!last)
		return;
	keystore_close(served->store);
	conf_unref(served->conf);
	free(served);
}

/* -------------------------------------------------------- one thread --- */

struct server {
	pthread_t	 thread;
	unsigned char	 request[CHANNEL_REQUEST_MAX];
	unsigned char	 answer[CHANNEL_ANSWER_MAX];
};

/*
 * A request longer than a request can be is cut off by the kernel; MSG_TRUNC
 * tells its real length. 0: the other end is gone.
 */
static ssize_t
receive(struct server *server)
{
	ssize_t n;

	do
		n = recv(process.channels.fds[0], server->request,
		    sizeof(server->request), MSG_TRUNC);
	while (n == -1 && errno == EINTR);
	return n;
}

/*
 * Whoever asked and has no room for the answer breaks the rules, and may wait:
 * this thread may not. A channel whose answer comes too late was closed.
 */
static void
reply(struct server *server, const struct key_request *request,
    struct key_answer *answer)
{
	const size_t channel = (size_t)request->reply_to + 1;
	ssize_t len, n;

	if (channel >= process.channels.count) {
		log_error("a request names channel %u, which there is not",
		    (unsigned)request->reply_to);
		return;
	}
	answer->number = request->number;
	len = channel_put_answer(answer, server->answer,
	    sizeof(server->answer));
	if (len == -1) {
		log_error("an answer could not be encoded");
		return;
	}
	do
		n = send(process.channels.fds[channel], server->answer,
		    (size_t)len, MSG_NOSIGNAL | MSG_EOR | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n != len && errno != EPIPE && errno != ECONNRESET)
		log_error("cannot send an answer: %s", strerror(errno));
}

static int
serve_one(struct server *server)
{
	struct key_request request;
	struct key_answer answer;
	struct served *served;
	ssize_t n;

	n = receive(server);
	atomic_fetch_add(&process.busy, 1);
	if (atomic_load(&process.stopping))
		return -1;
	if (n == 0 || (n == -1 && errno == ECONNRESET))
		return -1;
	if (n == -1) {
		log_error("cannot read a request: %s", strerror(errno));
		return -1;
	}
	if ((size_t)n > sizeof(server->request) ||
	    channel_get_request(server->request, (size_t)n, &request) != 0) {
		/* there is nobody to be told: ours does not send such */
		log_error("a malformed request of %zd octets was refused", n);
		return 0;
	}
	served = served_take();
	served_answer(served, process.rate, &request, &answer);
	served_drop(served);
	reply(server, &request, &answer);
	key_answer_clear(&answer);
	return 0;
}

static void *
serve(void *arg)
{
	struct server *server = arg;

	while (serve_one(server) == 0)
		atomic_fetch_sub(&process.busy, 1);
	atomic_fetch_sub(&process.busy, 1);
	return NULL;
}

/* --------------------------------------------------- start and reload --- */

static struct served *
served_new(struct conf *conf, const struct secret *secret,
    struct smime_error *err)
{
	struct served *served;

	served = calloc(1, sizeof(*served));
	if (served == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	served->store = keystore_open(conf, secret->text, secret->len, err);
	if (served->store == NULL || keystore_also(served->store,
	    secret->next, secret->next_len, err) != 0) {
		keystore_close(served->store);
		free(served);
		return NULL;
	}
	keystore_use_vault(served->store, process.vault);
	keystore_use_tokens(served->store, process.tokens);
	token_client_use(process.tokens, conf);
	served->conf = conf;
	served->references = 1;
	return served;
}

static void
serve_from_now(struct served *served)
{
	struct served *old;

	pthread_mutex_lock(&process.lock);
	old = process.served;
	process.served = served;
	pthread_mutex_unlock(&process.lock);
	served_drop(old);
}

/*
 * A new configuration, on the control thread. What fails leaves everything as
 * it was.
 */
static int
apply_locked(struct conf *conf, struct smime_error *err)
{
	const bool keep = secret_serves(&process.secret, conf);
	struct served *served = NULL;
	struct secret next = { .text = NULL };

	if (!keep && secret_read(conf, &next, err) != 0)
		goto bad;
	served = served_new(conf, keep ? &process.secret : &next, err);
	if (served == NULL || audit_open(conf, err) != 0)
		goto bad;
	if (!keep) {
		secret_clear(&process.secret);
		process.secret = next;
	}
	log_set_level(conf->log_level);
	serve_from_now(served);
	return 0;
bad:
	secret_clear(&next);
	if (served != NULL)
		served_drop(served);	/* and with it conf */
	else
		conf_unref(conf);
	return -1;
}

static int
apply(struct conf *conf, struct smime_error *err)
{
	int rc;

	pthread_mutex_lock(&process.change);
	rc = apply_locked(conf, err);
	pthread_mutex_unlock(&process.change);
	return rc;
}

/* The same configuration with other passphrases; on the socket's thread. */
int
keyd_passphrase(const char *text, size_t len, bool done,
    struct smime_error *err)
{
	struct served *served = NULL, *old;
	struct secret next;
	int rc;

	pthread_mutex_lock(&process.change);
	old = served_take();
	rc = secret_change(&process.secret, text, len, done, &next, err);
	if (rc == 0) {
		served = served_new(conf_ref(old->conf), &next, err);
		if (served == NULL) {
			conf_unref(old->conf);
			secret_clear(&next);
			rc = -1;
		}
	}
	if (rc == 0) {
		secret_clear(&process.secret);
		process.secret = next;
		serve_from_now(served);
	}
	pthread_mutex_unlock(&process.change);
	served_drop(old);
	return rc;
}

/*
 * The supervisor is gone: requests at work are finished, and the process ends.
 * Nothing wakes a thread that waits for the next one.
 */
static void
stop(void)
{
	unsigned i;

	atomic_store(&process.stopping, true);
	for (i = 0; i < STOP_LIMIT_MS / 10 && atomic_load(&process.busy) > 0;
	    i++)
		(void)poll(NULL, 0, 10);
	_exit(EX_OK);
}

/* As root: what the unprivileged user may not read or make. */
static int
prepare(struct conf *conf, const struct channels *tokens,
    struct smime_error *err)
{
	struct smime_error why = { "" }, denied = { "" }, closed = { "" };
	bool has_trail, has_secret;

	process.rate = rate_new();
	process.vault = vault_new();
	if (tokens->count > 0)
		process.tokens = token_client_new(tokens->fds, tokens->count);
	if (process.rate == NULL || process.vault == NULL ||
	    (tokens->count > 0 && process.tokens == NULL))
		return smime_error_setx(err, "out of memory");
	if (sandbox_harden(err) != 0 || unlockd_open(conf, err) != 0)
		return -1;
	/* root without capabilities may not read and write where key_user may */
	has_secret = secret_read(conf, &process.secret, &closed) == 0;
	has_trail = audit_open(conf, &denied) == 0;
	if (sandbox_lock_memory(&why) != 0)
		log_info("keys are not locked in memory: %s", why.text);
	if (sandbox_drop(conf->key_user, err) != 0)
		return -1;
	if (!has_secret && secret_read(conf, &process.secret, &why) != 0)
		return smime_error_setx(err, "%s", closed.text);
	if (!has_trail && audit_open(conf, err) != 0)
		return -1;
	process.served = served_new(conf, &process.secret, err);
	if (process.served == NULL)
		return -1;
	return sandbox_enter(SANDBOX_KEYS, conf, err);
}

static int
start_threads(struct server *servers, size_t count, struct smime_error *err)
{
	pthread_attr_t attr;
	size_t i;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return smime_error_setx(err, "cannot start threads");
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (i = 0; i < count; i++) {
		rc = sandbox_thread(&servers[i].thread, &attr, serve,
		    &servers[i]);
		if (rc != 0) {
			errno = rc;
			return smime_error_set(err, "cannot start a thread");
		}
	}
	pthread_attr_destroy(&attr);
	return 0;
}

int
key_process(struct conf *conf, int control, const struct channels *channels)
{
	struct smime_error err = { "" };
	const size_t count = conf_key_threads(conf);
	struct server *servers;
	size_t i;

	process.channels = channels[JOINT_SIGN];
	servers = calloc(count, sizeof(*servers));
	if (servers == NULL || prepare(conf_ref(conf),
	    &channels[JOINT_TOKENS], &err) != 0 ||
	    start_threads(servers, count, &err) != 0 ||
	    unlockd_start(process.vault, &err) != 0 ||
	    control_start(control, apply, stop, &err) != 0 ||
	    sandbox_serve(SANDBOX_KEYS, &err) != 0) {
		log_error("the key process cannot start: %s",
		    servers == NULL ? "out of memory" : err.text);
		return EX_UNAVAILABLE;
	}
	if (control_ready(control) != 0) {
		log_error("the key process lost its supervisor");
		return EX_OSERR;
	}
	for (i = 0; i < count; i++)
		pthread_join(servers[i].thread, NULL);
	free(servers);
	return EX_OK;
}
