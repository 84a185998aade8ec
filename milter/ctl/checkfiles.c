/*
 * checkfiles.c - whether the daemon's users can reach what they need.
 *
 * Modes and groups of every folder on a path count, so the question is put to
 * the kernel as the user concerned rather than worked out from stat(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "check.h"
#include "ctl.h"

#define SHORT_PASSPHRASE	32

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static void
tell_user(void *arg, const char *setting, const char *user, const char *why)
{
	if (why != NULL)
		check_say(arg, LEVEL_ERROR, setting, "%s", why);
	else
		check_say(arg, LEVEL_OK, setting, "%s", user);
}

void
check_users(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;

	conf_each_user(conf, tell_user, report);
	if (is_set(conf->socket_group) && getgrnam(conf->socket_group) == NULL)
		check_say(report, LEVEL_ERROR, "socket_group", "there is no "
		    "group %s", conf->socket_group);
}

/*
 * access(2) as another user. The answer is an errno; 0 when it may. A user
 * that does not exist was reported already.
 */
static int
access_as(const char *user, const char *path, int how)
{
	struct passwd *pw;
	int why = 0;

	if (geteuid() != 0 || !is_set(user))
		return faccessat(AT_FDCWD, path, how, AT_EACCESS) == -1 ?
		    errno : 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return 0;
	if (initgroups(user, pw->pw_gid) == -1 || setegid(pw->pw_gid) == -1 ||
	    seteuid(pw->pw_uid) == -1)
		why = errno;
	else if (faccessat(AT_FDCWD, path, how, AT_EACCESS) == -1)
		why = errno;
	if (seteuid(0) == -1 || setegid(0) == -1 || setgroups(0, NULL) == -1)
		why = errno;
	return why;
}

bool
check_access(struct check_report *report, const char *setting, const char *user,
    const char *path, int how)
{
	int why = access_as(user, path, how);

	if (why == 0)
		return true;
	if (why == ENOENT)
		check_say(report, LEVEL_ERROR, setting, "%s is not there; "
		    "\"sampulctl init\" makes it", path);
	else
		check_say(report, LEVEL_ERROR, setting, "%s cannot be %s by "
		    "%s: %s", path, how & W_OK ? "written" : "read",
		    geteuid() == 0 && is_set(user) ? user :
		    "this user", strerror(why));
	return false;
}

static void
check_private(struct check_report *report, const char *setting,
    const char *path, mode_t forbidden)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return;
	if (!S_ISDIR(st.st_mode))
		check_say(report, LEVEL_ERROR, setting, "%s is no directory",
		    path);
	else if (st.st_mode & forbidden)
		check_say(report, LEVEL_ERROR, setting, "%s has mode %04o; "
		    "take %04o away from it", path,
		    (unsigned)(st.st_mode & 07777), (unsigned)forbidden);
	else
		check_say(report, LEVEL_OK, setting, "%s", path);
}

/* Mail bodies in a memory file system are memory after all. */
static void
check_spool(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct statfs fs;

	if (!check_access(report, "spool.dir", conf->user, conf->spool_dir,
	    W_OK | X_OK))
		return;
	check_private(report, "spool.dir", conf->spool_dir, S_IWGRP | S_IRWXO);
	if (statfs(conf->spool_dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		check_say(report, LEVEL_WARNING, "spool.dir", "%s lies in "
		    "memory (tmpfs): large messages will fill it",
		    conf->spool_dir);
}

static void
check_audit(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	char dir[4096];
	struct stat st;

	if (!is_set(conf->audit_file)) {
		check_say(report, LEVEL_OK, "audit.file", "syslog only");
		return;
	}
	if (lstat(conf->audit_file, &st) == 0 && !S_ISREG(st.st_mode))
		check_say(report, LEVEL_ERROR, "audit.file", "%s is not a "
		    "regular file", conf->audit_file);
	else if (lstat(conf->audit_file, &st) == 0) {
		if (check_access(report, "audit.file", conf->key_user,
		    conf->audit_file, W_OK))
			check_say(report, LEVEL_OK, "audit.file", "%s",
			    conf->audit_file);
	} else if (check_access(report, "audit.file", conf->key_user,
	    ctl_parent(conf->audit_file, dir, sizeof(dir)), W_OK | X_OK))
		check_say(report, LEVEL_OK, "audit.file", "%s, made at the "
		    "first start", conf->audit_file);
}

/* smfi_setconn(3): "unix:path", "local:path" or a path alone have one. */
static const char *
socket_path(const char *socket)
{
	if (strncmp(socket, "unix:", 5) == 0)
		return socket + 5;
	if (strncmp(socket, "local:", 6) == 0)
		return socket + 6;
	return socket[0] == '/' ? socket : NULL;
}

static void
check_socket(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	const char *path = socket_path(conf->socket), *dir;
	char buf[4096];
	struct stat st;

	if (path == NULL) {
		check_say(report, LEVEL_OK, "milter.socket", "%s",
		    conf->socket);
		return;
	}
	dir = ctl_parent(path, buf, sizeof(buf));
	if (stat(dir, &st) == -1)
		check_say(report, LEVEL_WARNING, "milter.socket", "the "
		    "directory %s is not there; systemd makes it by "
		    "RuntimeDirectory= when the service starts", dir);
	else if (!S_ISDIR(st.st_mode))
		check_say(report, LEVEL_ERROR, "milter.socket", "%s is no "
		    "directory", dir);
	else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		check_say(report, LEVEL_ERROR, "milter.socket", "anybody can "
		    "put a socket of their own into %s", dir);
	else
		check_say(report, LEVEL_OK, "milter.socket", "%s",
		    conf->socket);
}

void
check_files(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;

	if (check_access(report, "keystore.dir", conf->key_user,
	    conf->keystore_dir, R_OK | X_OK))
		check_private(report, "keystore.dir", conf->keystore_dir,
		    S_IWGRP | S_IWOTH);
	if (check_access(report, "keystore.anchors_dir", conf->key_user,
	    conf->anchors_dir, R_OK | X_OK))
		check_private(report, "keystore.anchors_dir",
		    conf->anchors_dir, S_IWGRP | S_IWOTH);
	if (is_set(conf->intermediates_dir) && check_access(report,
	    "keystore.intermediates_dir", conf->key_user,
	    conf->intermediates_dir, R_OK | X_OK))
		check_private(report, "keystore.intermediates_dir",
		    conf->intermediates_dir, S_IWGRP | S_IWOTH);
	check_spool(report);
	check_audit(report);
	check_socket(report);
}

/* A new passphrase would open none of the keys that are there. */
static const char *
passphrase_remedy(const struct conf *conf)
{
	if (conf->passphrase_file[0] != '/' ||
	    access(conf->passphrase_file, F_OK) == 0 || errno != ENOENT)
		return "";
	return "; restore it from its copy, or make one for a new keystore "
	    "with \"sampulctl init\"";
}

static void
check_next_passphrase(struct check_report *report)
{
	struct smime_error err = { "" };
	char *next = NULL;
	size_t len = 0;

	if (keystore_next_passphrase(report->ctl->conf, &next, &len,
	    &err) == 0 && next != NULL)
		check_say(report, LEVEL_WARNING, "keystore.passphrase_file",
		    "a change of the passphrase was not finished: run "
		    "\"sampulctl rekey\"");
	else if (err.text[0] != '\0' &&
	    report->ctl->conf->passphrase_file[0] == '/')
		check_say(report, LEVEL_ERROR, "keystore.passphrase_file",
		    "%s", err.text);
	OPENSSL_clear_free(next, len);
}

void
check_passphrase(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct smime_error err = { "" };
	char *passphrase = NULL;
	size_t len = 0;

	if (keystore_passphrase(conf, &passphrase, &len, &err) != 0)
		check_say(report, LEVEL_ERROR, "keystore.passphrase_file",
		    "%s%s", err.text, passphrase_remedy(conf));
	else if (passphrase == NULL && conf->insecure_unencrypted_keys)
		check_say(report, LEVEL_WARNING, "keystore.passphrase_file",
		    "none: private keys lie open on the disk");
	else if (passphrase == NULL)
		check_say(report, LEVEL_ERROR, "keystore.passphrase_file",
		    "is not set, and unencrypted keys are not allowed");
	else if (len < SHORT_PASSPHRASE)
		check_say(report, LEVEL_WARNING, "keystore.passphrase_file",
		    "%s holds a short passphrase; \"sampulctl init\" makes "
		    "one of 256 random bits", conf->passphrase_file);
	else
		check_say(report, LEVEL_OK, "keystore.passphrase_file", "%s",
		    conf->passphrase_file);
	OPENSSL_clear_free(passphrase, len);
	check_next_passphrase(report);
}
