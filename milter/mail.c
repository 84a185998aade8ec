/*
 * mail.c - the mail process: its socket, its rights, its beginning and end.
 *
 * The socket is bound while there are rights to do so, user and groups are
 * given up for good, the cage is closed, and only then is anything served.
 * libmilter's own thread takes SIGTERM as "stop"; drain.c holds it back.
 */
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>	/* before stdbool.h: its bool is int */

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "connection.h"
#include "copying.h"
#include "encryption.h"
#include "incoming.h"
#include "log.h"
#include "outgoing.h"
#include "process.h"
#include "sandbox.h"
#include "session.h"
#include "submit.h"

/* -------------------------------------------------------------- socket --- */

/* The path of a UNIX socket in smfi_setconn(3)'s syntax, else NULL. */
static const char *
unix_path(const char *socket_name)
{
	if (strncmp(socket_name, "unix:", 5) == 0)
		return socket_name + 5;
	if (strncmp(socket_name, "local:", 6) == 0)
		return socket_name + 6;
	return strchr(socket_name, ':') == NULL ? socket_name : NULL;
}

/* Whether somebody serves the socket: then it is not stale. */
static bool
is_served(const char *path)
{
	struct sockaddr_un un;
	bool served;
	int fd;

	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return false;
	/* EAGAIN: the queue of a listener is full. */
	served = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 ||
	    errno == EAGAIN;
	close(fd);
	return served;
}

/* MTA-15: what a killed process left is removed, if it is a socket at all. */
static int
remove_stale(const char *path, struct smime_error *err)
{
	struct stat st;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return smime_error_set(err, "%s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return smime_error_setx(err, "%s is there and not a socket",
		    path);
	if (is_served(path))
		return smime_error_setx(err,
		    "%s is served by another process", path);
	if (unlink(path) == -1)
		return smime_error_set(err, "removing %s", path);
	return 0;
}

/*
 * The group that may use the socket: the one that is configured, else that of
 * the user we are about to become, for with root's group nobody could.
 */
static int
socket_gid(const struct conf *conf, gid_t *out, struct smime_error *err)
{
	struct group *group;
	struct passwd *pw;

	*out = (gid_t)-1;
	if (conf->socket_group != NULL && conf->socket_group[0] != '\0') {
		if ((group = getgrnam(conf->socket_group)) == NULL)
			return smime_error_setx(err,
			    "there is no group %s (socket_group)",
			    conf->socket_group);
		*out = group->gr_gid;
	} else if (geteuid() == 0 && conf->user[0] != '\0') {
		if ((pw = getpwnam(conf->user)) == NULL)
			return smime_error_setx(err, "there is no user \"%s\"",
			    conf->user);
		*out = pw->pw_gid;
	}
	return 0;
}

/*
 * Mode and group come with the binding: an MTA that connects a moment later may
 * do so at once. Where we cannot take the group on, it is given afterwards.
 */
static int
bind_socket(const struct conf *conf, gid_t gid)
{
	const mode_t before = umask(0777 & ~conf->socket_mode);
	const gid_t own = getegid();
	const bool taken = gid != (gid_t)-1 && setegid(gid) == 0;
	int rc = smfi_opensocket(false);

	if (taken && setegid(own) == -1)
		rc = MI_FAILURE;
	umask(before);
	return rc;
}

/*
 * The directory may belong to the user that is about to be changed to, or hand
 * its own group down; no call here follows a link.
 */
static int
set_group(const char *path, gid_t gid, struct smime_error *err)
{
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) == -1)
		return smime_error_set(err, "giving %s to group %ld", path,
		    (long)gid);
	return 0;
}

/*
 * libmilter does not say why it could not listen. Root whom a unit leaves no
 * power over the files of others is hardest to see through.
 */
static int
check_place(const char *path, struct smime_error *err)
{
	char dir[PATH_MAX];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL)
		return 0;
	slash[slash == dir ? 1 : 0] = '\0';
	if (access(dir, W_OK | X_OK) == 0)
		return 0;
	if (errno == EACCES && geteuid() == 0)
		return smime_error_setx(err, "root has no power over others' "
		    "files here, and the directory of milter.socket is not "
		    "its own: chown root %s", dir);
	return smime_error_set(err, "the directory of milter.socket, %s",
	    dir);
}

/*
 * libmilter drops a connection for a command over 65535 octets, and a header
 * field is one command: such a message would be tried again and again. Postfix
 * 3.7 cuts a field at 60000 octets when there are filters, others may not. What
 * is taken is bounded by milter.max_header.
 */
#define COMMAND_MAX	(1024 * 1024)

static int
open_socket(const struct conf *conf, struct smime_error *err)
{
	const char *path = unix_path(conf->socket);
	gid_t gid = (gid_t)-1;

	if (path != NULL && (check_place(path, err) == -1 ||
	    remove_stale(path, err) == -1 || socket_gid(conf, &gid, err) == -1))
		return -1;
	if (smfi_setconn(conf->socket) != MI_SUCCESS ||
	    smfi_register(callbacks) != MI_SUCCESS ||
	    smfi_settimeout((int)conf->idle_timeout) != MI_SUCCESS)
		return smime_error_setx(err, "libmilter does not take %s",
		    conf->socket);
	(void)smfi_setmaxdatasize(COMMAND_MAX);
	if (bind_socket(conf, gid) != MI_SUCCESS)
		return smime_error_setx(err, "cannot listen on %s",
		    conf->socket);
	return path == NULL ? 0 : set_group(path, gid, err);
}

/* ------------------------------------------------------------- process --- */

#define CHECK_COST	8192	/* octets; a parsed P-256 certificate: 5600 */
#define THREAD_STACK	(1024 * 1024)

static atomic_int exit_status;

static void
stop(void)
{
	(void)smfi_stop();
}

/*
 * A channel that failed is gone for good, and with every one that goes less is
 * signed at a time; without any, nothing. The supervisor starts a new set.
 */
static void
channels_broken(const char *process)
{
	if (atomic_exchange(&exit_status, EX_TEMPFAIL) == EX_TEMPFAIL)
		return;		/* said already, by another thread */
	log_error("too few channels to the %s are left; starting anew",
	    process);
	stop();
}

static int
apply(struct conf *conf, struct smime_error *err)
{
	(void)err;
	log_set_level(conf->log_level);
	conf_replace(conf);
	return 0;
}

/* Certificates of senders; parsed, each takes a few kilobytes. */
#define VERIFIED_KEPT	1024

/* Without it mail still flows, and nothing is said to be verified. */
static struct trust_state *
read_trust(const struct conf *conf)
{
	struct smime_error err = { "" };
	struct trust_state *state;

	if (!conf->verify)
		return NULL;
	if ((state = trust_state_read(conf, &err)) == NULL)
		log_error("incoming mail is not verified: %s", err.text);
	return state;
}

static struct recipients *
make_recipients(struct channel_pool *channels)
{
	const struct recipient_source sources[] = {
		{ "partners", true, partners_find, NULL },
		{ "colleagues", false, colleagues_ask, channels },
		{ "harvested", false, harvest_find, NULL },
	};

	return recipients_new(sources, sizeof(sources) / sizeof(sources[0]));
}

static int
service_init(struct service *service, const struct conf *conf,
    const struct channels *channels, struct smime_error *err)
{
	memset(service, 0, sizeof(*service));
	service->channels = channel_pool_new(channels[JOINT_SIGN].fds,
	    channels[JOINT_SIGN].count);
	/* As many as the key process keeps: reading one anew costs more than
	 * the rest of a message together. */
	service->checks = check_cache_new(conf->cache_size / CHECK_COST);
	service->hints = digest_hints_new();
	service->verified = verify_cache_new(VERIFIED_KEPT);
	service->ours = ours_new();
	service->recipients = make_recipients(service->channels);
	service->trusted = truststore_new(read_trust(conf));
	service->marks = marks_new();
	if (channels[JOINT_SUBMIT].count > 0 &&
	    (service->submit = submit_pool_new(channels[JOINT_SUBMIT].fds,
	    channels[JOINT_SUBMIT].count)) == NULL)
		return smime_error_setx(err, "out of memory");
	if (service->submit != NULL &&
	    (service->sent = sent_new(conf->spool_dir)) == NULL)
		return smime_error_setx(err, "out of memory");
	service->broken = channels_broken;
	if (service->channels == NULL || service->checks == NULL ||
	    service->hints == NULL || service->verified == NULL ||
	    service->ours == NULL || service->trusted == NULL ||
	    service->recipients == NULL || service->marks == NULL)
		return smime_error_setx(err, "out of memory");
	return 0;
}

/* libmilter's threads take the default; 8 MB each is address space for a
 * thousand connections that a limit may not grant. */
static void
set_stack(void)
{
	pthread_attr_t attr;

	if (pthread_attr_init(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, THREAD_STACK) == 0)
		(void)pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

static int
prepare(struct conf *conf, struct service *service,
    const struct channels *channels, struct smime_error *err)
{
	if (sandbox_harden(err) == -1 || open_socket(conf, err) == -1 ||
	    sandbox_drop(conf->user, err) == -1 ||
	    service_init(service, conf, channels, err) == -1 ||
	    accept_limits(conf->max_connections, conf->negotiate_timeout,
	    err) == -1)
		return -1;
	set_stack();
	return sandbox_enter(SANDBOX_MAIL, conf, err);
}

int
mail_process(struct conf *conf, int control, const struct channels *channels)
{
	static struct service service;
	struct smime_error err = { "" };

	conf_replace(conf_ref(conf));
	callbacks_use(&service);
	drain_watch(&service);
	if (prepare(conf, &service, channels, &err) == -1 ||
	    control_start(control, apply, stop, &err) == -1 ||
	    sandbox_serve(SANDBOX_MAIL, &err) == -1) {
		log_error("%s", err.text);
		return EX_UNAVAILABLE;
	}
	if (control_ready(control) == -1)
		log_warning("the supervisor was not told of our start");
	if (smfi_main() != MI_SUCCESS) {
		log_error("libmilter gave up");
		return EX_TEMPFAIL;
	}
	drain();	/* what is inside callbacks */
	return atomic_load(&exit_status);
}
