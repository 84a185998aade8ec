/*
 * unlockd.c - the key process's own socket: sampulctl opens and closes keys.
 *
 * One thread, one client at a time, one request each. Strangers are turned away
 * before a word is read.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../log.h"
#include "../sandbox.h"
#include "audit.h"
#include "entry.h"
#include "keyd.h"
#include "unlock.h"
#include "unlockd.h"

#define BACKLOG		16
#define CLIENT_MS	5000	/* in which a client must have asked */
#define THREAD_STACK	(256 * 1024)
#define DENIED_MS	1000	/* between two lines about strangers */

static struct {
	int		 fd;		/* -1: there is none */
	int64_t		 denied;	/* when a stranger was last told of */
} here = { .fd = -1 };

/* -------------------------------------------------------------- socket --- */

/* A socket that a process left behind; anything else is not ours to remove. */
static int
remove_stale(const char *path, struct smime_error *err)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : smime_error_set(err,
		    "custody.socket: %s", path);
	if (!S_ISSOCK(st.st_mode))
		return smime_error_setx(err, "custody.socket: %s is there and "
		    "no socket", path);
	if (unlink(path) == -1)
		return smime_error_set(err, "custody.socket: %s", path);
	return 0;
}

static int
bind_to(const char *path, struct smime_error *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	mode_t mode, before;
	gid_t group;
	int rc;

	if (strlen(path) >= sizeof(name.sun_path))
		return smime_error_setx(err, "custody.socket: the path is too "
		    "long");
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	mode = rights_mode(&group);
	before = umask(0777 & ~mode);
	rc = bind(here.fd, (struct sockaddr *)&name, sizeof(name));
	umask(before);
	if (rc == -1)
		return smime_error_set(err, "custody.socket: %s", path);
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) == -1)
		return smime_error_set(err, "giving %s to group %ld", path,
		    (long)group);
	if (listen(here.fd, BACKLOG) == -1)
		return smime_error_set(err, "custody.socket: %s", path);
	return 0;
}

int
unlockd_open(const struct conf *conf, struct smime_error *err)
{
	if (conf->unlock_socket == NULL || conf->unlock_socket[0] == '\0')
		return 0;
	if (rights_open(conf, err) != 0 ||
	    remove_stale(conf->unlock_socket, err) != 0)
		return -1;
	here.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (here.fd == -1)
		return smime_error_set(err, "custody.socket");
	return bind_to(conf->unlock_socket, err);
}

/* ------------------------------------------------------------- serving --- */

void
client_reply(const struct client *client, const struct unlock_answer *answer)
{
	unsigned char buf[UNLOCK_ANSWER_MAX];
	struct pollfd pfd = { .fd = client->fd, .events = POLLOUT };
	ssize_t len = unlock_put_answer(answer, buf, sizeof(buf));

	if (len == -1 || poll(&pfd, 1, CLIENT_MS) != 1)
		return;
	(void)!send(client->fd, buf, (size_t)len, MSG_NOSIGNAL |
	    MSG_DONTWAIT);
}

int
client_record(const struct client *client, const char *event,
    const char *address, const char *result, const char *reason,
    struct smime_error *err)
{
	const struct audit_event line = { event, address, NULL, client->by,
	    result, reason };

	if (audit_record(&line, err) == 0)
		return 0;
	log_error("%s of %s cannot be recorded: %s", event,
	    address != NULL ? address : "all", err->text);
	return -1;
}

/* Strangers may come by the thousand; the record takes one a second. */
static void
deny(const struct client *client, const char *address)
{
	struct unlock_answer answer = { .result = UNLOCK_DENIED };
	struct smime_error err = { "" };
	int64_t now = steady_ms();

	client_reply(client, &answer);
	if (here.denied != 0 && now - here.denied < DENIED_MS)
		return;
	here.denied = now;
	log_warning("incident=unlock-denied address=%s by=%s",
	    address[0] != '\0' ? address : "-", client->by);
	client_record(client, "unlock", address, "denied", NULL, &err);
}

/* A canonical address, or none; the request is wiped by the caller. */
static bool
receive(const struct client *client, struct unlock_request *out)
{
	unsigned char buf[UNLOCK_REQUEST_MAX];
	struct pollfd pfd = { .fd = client->fd, .events = POLLIN };
	char canonical[ADDRESS_MAX + 1];
	bool good = false;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (poll(&pfd, 1, CLIENT_MS) != 1)
		return false;
	n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	if (n > 0 && (size_t)n <= sizeof(buf) &&
	    unlock_get_request(buf, (size_t)n, out) == 0)
		good = out->address[0] == '\0' ||
		    (address_canonical(out->address, strlen(out->address),
		    canonical) && strcmp(out->address, canonical) == 0 &&
		    address_is_safe_name(canonical));
	OPENSSL_cleanse(buf, sizeof(buf));
	return good;
}

static void
serve_client(struct client *client)
{
	struct unlock_answer answer = { .result = UNLOCK_FAULT };
	struct unlock_request request;

	if (client_identify(client) != 0)
		return;
	if (!client_may_anything(client)) {
		deny(client, "");
		return;
	}
	if (!receive(client, &request)) {
		snprintf(answer.text, sizeof(answer.text),
		    "no request, or a malformed one");
		client_reply(client, &answer);
	} else if (!client_may_ask(client, &request)) {
		deny(client, request.address);
	} else {
		verbs_do(client, &request, &answer);
		client_reply(client, &answer);
	}
	unlock_request_clear(&request);
}

static void
accept_one(void)
{
	struct client client;
	struct served *served;

	memset(&client, 0, sizeof(client));
	client.fd = accept4(here.fd, NULL, NULL, SOCK_CLOEXEC);
	if (client.fd == -1)
		return;
	client.served = served = served_take();
	serve_client(&client);
	served_drop(served);
	close(client.fd);
}

static void *
serve(void *arg)
{
	struct pollfd pfd = { .fd = here.fd, .events = POLLIN };
	int64_t left;

	(void)arg;
	for (;;) {
		left = verbs_next();
		/* a minute at most: a suspended machine wakes up late */
		if (left > 60000)
			left = 60000;
		if (poll(&pfd, 1, left > 0 ? (int)left + 1 : 0) == 1)
			accept_one();
		verbs_expire();
	}
	return NULL;
}

int
unlockd_start(struct vault *vault, struct smime_error *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (here.fd == -1)
		return 0;
	if (verbs_open(vault, err) != 0)
		return -1;
	if (pthread_attr_init(&attr) != 0)
		return smime_error_setx(err, "out of memory");
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	rc = sandbox_thread(&thread, &attr, serve, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0) {
		errno = rc;
		return smime_error_set(err, "cannot start a thread");
	}
	pthread_detach(thread);
	return 0;
}
