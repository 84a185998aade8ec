/*
 * unlockd.c - the key process's own socket: sampulctl opens and closes keys.
 *
 * One thread, one client at a time, one request each. Who may ask is told by
 * the kernel (SO_PEERCRED, SO_PEERGROUPS): root and one group everything, a
 * group of an agency its agency's addresses; the keystore's passphrase is
 * changed by root alone. Others are turned away before a word is read.
 *
 * Every key that is opened, closed or tried in vain is on record. A key that
 * cannot be recorded as opened is closed again.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "keys.h"

#define BACKLOG		16
#define CLIENT_MS	5000	/* in which a client must have asked */
#define THREAD_STACK	(256 * 1024)
#define PEER_GROUPS_MAX	1024
#define DENIED_MS	1000	/* between two lines about strangers */
#define AGENCIES_MAX	1024

struct agency_group {
	char	agency[256];
	gid_t	gid;
};

static struct {
	int		 fd;		/* -1: there is none */
	gid_t		 gid;		/* (gid_t)-1: root alone */
	struct agency_group *agencies;
	size_t		 agency_count;
	struct vault	*vault;
	struct brake	*brake;
	int64_t		 denied;	/* when a stranger was last told of */
} here = { .fd = -1 };

/* Whoever is asking. */
struct client {
	int		 fd;
	struct ucred	 cred;
	gid_t		 groups[PEER_GROUPS_MAX];
	size_t		 group_count;
	char		 by[32];	/* for the record */
	const struct served *served;
};

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

/*
 * The mode lets in whom the credentials can let in: with groups of agencies,
 * which are several, everybody may connect and is judged then.
 */
static int
bind_to(const char *path, struct smime_error *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	mode_t mode, before;
	int rc;

	if (strlen(path) >= sizeof(name.sun_path))
		return smime_error_setx(err, "custody.socket: the path is too "
		    "long");
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	mode = here.agency_count > 0 ? 0666 : here.gid != (gid_t)-1 ? 0660 :
	    0600;
	before = umask(0777 & ~mode);
	rc = bind(here.fd, (struct sockaddr *)&name, sizeof(name));
	umask(before);
	if (rc == -1)
		return smime_error_set(err, "custody.socket: %s", path);
	if (mode == 0660 && lchown(path, (uid_t)-1, here.gid) == -1)
		return smime_error_set(err, "giving %s to group %ld", path,
		    (long)here.gid);
	if (listen(here.fd, BACKLOG) == -1)
		return smime_error_set(err, "custody.socket: %s", path);
	return 0;
}

static int
find_gid(const char *name, const char *setting, gid_t *out,
    struct smime_error *err)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return smime_error_setx(err, "%s: there is no group \"%s\"",
		    setting, name);
	*out = group->gr_gid;
	return 0;
}

static int
find_agencies(const struct conf *conf, struct smime_error *err)
{
	struct agency_group *out;
	const char *text, *colon;
	size_t i;

	if (conf->agency_groups.count > AGENCIES_MAX)
		return smime_error_setx(err, "custody.agency_groups: more "
		    "than %d", AGENCIES_MAX);
	here.agencies = calloc(conf->agency_groups.count + 1, sizeof(*out));
	if (here.agencies == NULL)
		return smime_error_setx(err, "out of memory");
	for (i = 0; i < conf->agency_groups.count; i++) {
		text = conf->agency_groups.items[i];
		out = &here.agencies[here.agency_count++];
		if ((colon = strchr(text, ':')) == NULL)
			colon = text;
		snprintf(out->agency, sizeof(out->agency), "%.*s",
		    (int)(colon - text), text);
		if (find_gid(colon + 1, "custody.agency_groups", &out->gid,
		    err) != 0)
			return -1;
	}
	return 0;
}

int
unlockd_open(const struct conf *conf, struct smime_error *err)
{
	here.gid = (gid_t)-1;
	if (conf->unlock_socket == NULL || conf->unlock_socket[0] == '\0')
		return 0;
	if (conf->unlock_group[0] != '\0' && find_gid(conf->unlock_group,
	    "custody.group", &here.gid, err) != 0)
		return -1;
	if (find_agencies(conf, err) != 0 ||
	    remove_stale(conf->unlock_socket, err) != 0)
		return -1;
	here.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (here.fd == -1)
		return smime_error_set(err, "custody.socket");
	return bind_to(conf->unlock_socket, err);
}

/* --------------------------------------------------------- who may ask --- */

static bool
is_member(const struct client *client, gid_t gid)
{
	size_t i;

	if (gid == (gid_t)-1)
		return false;
	if (client->cred.gid == gid)
		return true;
	for (i = 0; i < client->group_count; i++)
		if (client->groups[i] == gid)
			return true;
	return false;
}

/* The process's own user could read its memory anyway; a trial has no other. */
static bool
is_root(const struct client *client)
{
	return client->cred.uid == 0 || client->cred.uid == sandbox_uid();
}

static bool
may_all(const struct client *client)
{
	return is_root(client) || is_member(client, here.gid);
}

static bool
may(const struct client *client, const char *address)
{
	char agency[256];
	size_t i;

	if (may_all(client))
		return true;
	if (!conf_agency(client->served->conf, address, agency,
	    sizeof(agency)))
		return false;
	for (i = 0; i < here.agency_count; i++)
		if (strcmp(here.agencies[i].agency, agency) == 0 &&
		    is_member(client, here.agencies[i].gid))
			return true;
	return false;
}

/* Whether there is anything at all that this client may ask. */
static bool
may_anything(const struct client *client)
{
	size_t i;

	for (i = 0; i < here.agency_count; i++)
		if (is_member(client, here.agencies[i].gid))
			return true;
	return may_all(client);
}

static bool
may_ask(const struct client *client, const struct unlock_request *request)
{
	switch (request->verb) {
	case UNLOCK_OPEN:
	case UNLOCK_LOCK:
		return may(client, request->address);
	case UNLOCK_STATUS:
		return request->address[0] == '\0' ||
		    may(client, request->address);
	case UNLOCK_LOCK_ALL:
		return true;		/* of what it may */
	case UNLOCK_PASSPHRASE:
	case UNLOCK_PASSPHRASE_DONE:
		break;
	}
	return is_root(client);
}

/* Groups over the ceiling are as good as none. */
static int
identify(struct client *client)
{
	socklen_t len = sizeof(client->cred);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &client->cred,
	    &len) == -1 || len != sizeof(client->cred))
		return -1;
	len = sizeof(client->groups);
	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, client->groups,
	    &len) == 0)
		client->group_count = len / sizeof(client->groups[0]);
	snprintf(client->by, sizeof(client->by), "uid:%lu",
	    (unsigned long)client->cred.uid);
	return 0;
}

/* ------------------------------------------------------------- answers --- */

static void
set_text(struct unlock_answer *answer, const char *text)
{
	smime_printable(text, strlen(text), answer->text,
	    sizeof(answer->text));
}

/* A client that does not take its answer is not waited for. */
static void
reply(const struct client *client, const struct unlock_answer *answer)
{
	unsigned char buf[UNLOCK_ANSWER_MAX];
	struct pollfd pfd = { .fd = client->fd, .events = POLLOUT };
	ssize_t len = unlock_put_answer(answer, buf, sizeof(buf));

	if (len == -1 || poll(&pfd, 1, CLIENT_MS) != 1)
		return;
	(void)!send(client->fd, buf, (size_t)len, MSG_NOSIGNAL |
	    MSG_DONTWAIT);
}

static uint32_t
seconds_of(int64_t ms)
{
	if (ms <= 0)
		return 0;
	ms = (ms + 999) / 1000;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static int
put_on_record(const struct client *client, const char *event,
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

/* The count of changes first, then what is remembered: keystore.c, find. */
static size_t
close_keys(const struct served *served, const char *address)
{
	size_t count = vault_lock(here.vault, address);

	keystore_forget(served->store, address);
	return count;
}

/* --------------------------------------------------------------- verbs --- */

static void
wrong_passphrase(const struct client *client, const char *address,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };
	int64_t now = steady_ms();
	unsigned failures;
	char reason[64];

	failures = brake_failed(here.brake, address, now);
	answer->result = UNLOCK_WRONG;
	answer->seconds = seconds_of(brake_wait(here.brake, address, now));
	log_warning("incident=wrong-passphrase address=%s by=%s failures=%u "
	    "wait=%" PRIu32, address, client->by, failures, answer->seconds);
	snprintf(reason, sizeof(reason), "failures in a row: %u", failures);
	put_on_record(client, "unlock", address, "wrong-passphrase", reason,
	    &err);
}

static void
opened(const struct client *client, const char *address, unsigned count,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };

	brake_forget(here.brake, address);
	if (put_on_record(client, "unlock", address, "done", NULL,
	    &err) != 0) {
		close_keys(client->served, address);
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
		return;
	}
	answer->result = UNLOCK_DONE;
	answer->keys = (uint16_t)count;
	answer->seconds = client->served->conf->unlock_time;
	log_info("unlocked address=%s by=%s keys=%u seconds=%u", address,
	    client->by, count, answer->seconds);
}

static void
unlock(const struct client *client, const struct unlock_request *request,
    struct unlock_answer *answer)
{
	const struct served *served = client->served;
	struct smime_error err = { "" };
	int64_t now = steady_ms(), wait;
	unsigned owned = 0, count = 0;
	int rc;

	wait = brake_wait(here.brake, request->address, now);
	if (wait > 0) {
		answer->result = UNLOCK_WAIT;
		answer->seconds = seconds_of(wait);
		return;
	}
	rc = keystore_unlock(served->store, request->address, time(NULL),
	    request->secret, request->secret_len,
	    now + (int64_t)served->conf->unlock_time * 1000, &owned, &count,
	    &err);
	if (count > 0) {
		opened(client, request->address, count, answer);
	} else if (rc != 0) {
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
	} else if (owned == 0) {
		answer->result = UNLOCK_NO_KEY;
		set_text(answer, err.text);
	} else {
		wrong_passphrase(client, request->address, answer);
	}
}

static void
lock(const struct client *client, const char *address,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };

	answer->keys = (uint16_t)close_keys(client->served, address);
	answer->result = UNLOCK_DONE;
	snprintf(answer->address, sizeof(answer->address), "%s", address);
	if (answer->keys == 0)
		return;
	log_info("locked address=%s by=%s keys=%u", address, client->by,
	    answer->keys);
	if (put_on_record(client, "lock", address, "done", NULL, &err) != 0) {
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
	}
}

/* Of all that is unlocked, what the client may see; and locks it. */
static void
each_unlocked(const struct client *client, const char *only, bool to_lock,
    struct unlock_answer *last)
{
	struct unlock_answer answer;
	struct vault_seen *seen;
	size_t i, count;

	if ((seen = vault_list(here.vault, &count)) == NULL) {
		last->result = UNLOCK_FAULT;
		set_text(last, "out of memory");
		return;
	}
	for (i = 0; i < count; i++) {
		if ((only[0] != '\0' && strcmp(only, seen[i].address) != 0) ||
		    !may(client, seen[i].address))
			continue;
		memset(&answer, 0, sizeof(answer));
		answer.result = UNLOCK_DONE;
		if (to_lock) {
			lock(client, seen[i].address, &answer);
			last->keys += answer.keys;
		} else {
			answer.keys = (uint16_t)seen[i].keys;
			answer.seconds = seconds_of(seen[i].until -
			    steady_ms());
			snprintf(answer.address, sizeof(answer.address), "%s",
			    seen[i].address);
		}
		answer.more = true;
		reply(client, &answer);
		if (answer.result == UNLOCK_FAULT)
			*last = answer;
	}
	last->more = false;
	free(seen);
}

static void
change_passphrase(const struct client *client,
    const struct unlock_request *request, struct unlock_answer *answer)
{
	const bool done = request->verb == UNLOCK_PASSPHRASE_DONE;
	struct smime_error err = { "" };

	answer->result = UNLOCK_FAULT;
	if (keyd_passphrase(request->secret, request->secret_len, done,
	    &err) != 0) {
		set_text(answer, err.text);
		return;
	}
	answer->result = UNLOCK_DONE;
	log_info("the keystore's passphrase: %s", done ?
	    "the new one alone from now on" : "another one is known too");
	(void)client;
}

static void
answer_request(const struct client *client,
    const struct unlock_request *request, struct unlock_answer *answer)
{
	answer->result = UNLOCK_DONE;
	switch (request->verb) {
	case UNLOCK_OPEN:
		unlock(client, request, answer);
		break;
	case UNLOCK_LOCK:
		lock(client, request->address, answer);
		break;
	case UNLOCK_LOCK_ALL:
		each_unlocked(client, "", true, answer);
		break;
	case UNLOCK_STATUS:
		each_unlocked(client, request->address, false, answer);
		answer->seconds = request->address[0] == '\0' ? 0 :
		    seconds_of(brake_wait(here.brake, request->address,
		    steady_ms()));
		break;
	case UNLOCK_PASSPHRASE:
	case UNLOCK_PASSPHRASE_DONE:
		change_passphrase(client, request, answer);
		break;
	}
}

/* -------------------------------------------------------------- serving --- */

/* Strangers may come by the thousand; the record takes one a second. */
static void
deny(const struct client *client, const char *address)
{
	struct unlock_answer answer = { .result = UNLOCK_DENIED };
	struct smime_error err = { "" };
	int64_t now = steady_ms();

	reply(client, &answer);
	if (here.denied != 0 && now - here.denied < DENIED_MS)
		return;
	here.denied = now;
	log_warning("incident=unlock-denied address=%s by=%s",
	    address[0] != '\0' ? address : "-", client->by);
	put_on_record(client, "unlock", address, "denied", NULL, &err);
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

	if (identify(client) != 0)
		return;
	if (!may_anything(client)) {
		deny(client, "");
		return;
	}
	if (!receive(client, &request)) {
		set_text(&answer, "no request, or a malformed one");
		reply(client, &answer);
	} else if (!may_ask(client, &request)) {
		deny(client, request.address);
	} else {
		answer_request(client, &request, &answer);
		reply(client, &answer);
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

/* Time is up for some: closed as lock does, and on record. */
static void
expire(void)
{
	const struct client nobody = { .fd = -1, .by = "time" };
	struct smime_error err = { "" };
	char address[ADDRESS_MAX + 1];
	struct served *served = served_take();

	while (vault_expire(here.vault, steady_ms(), address)) {
		close_keys(served, address);
		log_info("locked address=%s by=time", address);
		put_on_record(&nobody, "lock", address, "done", NULL, &err);
	}
	served_drop(served);
}

static void *
serve(void *arg)
{
	struct pollfd pfd = { .fd = here.fd, .events = POLLIN };
	int64_t left;

	(void)arg;
	for (;;) {
		left = vault_next(here.vault);
		if (left != INT64_MAX)
			left -= steady_ms();
		/* a minute at most: a suspended machine wakes up late */
		if (left > 60000)
			left = 60000;
		if (poll(&pfd, 1, left > 0 ? (int)left + 1 : 0) == 1)
			accept_one();
		expire();
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
	here.vault = vault;
	if ((here.brake = brake_new()) == NULL ||
	    pthread_attr_init(&attr) != 0)
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
