/*
 * confcheck.c - what a start would stumble over: users, groups, files and
 * folders. Opens files; reading the configuration does not.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include <errno.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"
#include "incoming.h"
#include "submit.h"

void
finding(struct checker *checker, bool is_error, const char *fmt, ...)
{
	char text[SMIME_ERROR_MAX], whole[SMIME_ERROR_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", checker->conf->file, text);
	if (is_error)
		checker->errors++;
	checker->report(checker->arg, is_error, whole);
}

/* ----------------------------------------------------- users and files --- */

int
conf_check_user(const char *name, struct smime_error *err)
{
	const struct passwd *pw;

	if (name[0] == '\0')
		return smime_error_setx(err, "is empty, and its process would "
		    "stay root; name an unprivileged user");
	if ((pw = getpwnam(name)) == NULL)
		return smime_error_setx(err, "there is no user \"%s\"; make "
		    "it (useradd --system %s) or name another", name, name);
	if (pw->pw_uid == 0)
		return smime_error_setx(err, "\"%s\" is root; name an "
		    "unprivileged user", name);
	return 0;
}

void
conf_each_user(const struct conf *conf, void (*each)(void *arg,
    const char *setting, const char *user, const char *why), void *arg)
{
	const struct {
		const char	*setting, *name;
		bool		 wanted;
	} users[] = {
		{ "user", conf->user, true },
		{ "key_user", conf->key_user, true },
		{ "token_user", conf->token_user,
		    conf->token_module[0] != '\0' },
		{ "submit.user", conf->submit_user,
		    conf->submit_server[0] != '\0' },
	};
	const bool root = geteuid() == 0;
	size_t i;

	for (i = 0; root && i < sizeof(users) / sizeof(users[0]); i++) {
		struct smime_error why = { "" };

		if (!users[i].wanted)
			continue;
		if (conf_check_user(users[i].name, &why) == -1)
			each(arg, users[i].setting, users[i].name, why.text);
		else
			each(arg, users[i].setting, users[i].name, NULL);
	}
}

/* A user that there is not was told of already. */
static void
check_submit(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	struct smime_error why = { "" };

	if (conf->submit_server[0] == '\0' || (geteuid() == 0 &&
	    conf_check_user(conf->submit_user, NULL) == -1))
		return;
	if (submit_try(conf, &why) == -1)
		finding(checker, true, "submit.server: %s", why.text);
}

static void
tell_user(void *arg, const char *setting, const char *user, const char *why)
{
	(void)user;
	if (why != NULL)
		finding(arg, true, "%s: %s", setting, why);
}

static void
check_users(struct checker *checker)
{
	const struct conf *conf = checker->conf;

	conf_each_user(conf, tell_user, checker);
	if (conf->socket_group[0] != '\0' &&
	    getgrnam(conf->socket_group) == NULL)
		finding(checker, true, "socket_group: there is no group "
		    "\"%s\"", conf->socket_group);
}

/* A directory that must (or should) be there. */
static bool
check_directory(struct checker *checker, bool is_error, const char *setting,
    const char *dir, struct stat *st)
{
	if (stat(dir, st) == -1) {
		finding(checker, is_error, "%s: %s: %s", setting, dir,
		    strerror(errno));
		return false;
	}
	if (!S_ISDIR(st->st_mode)) {
		finding(checker, true, "%s: %s: not a directory", setting,
		    dir);
		return false;
	}
	return true;
}

/* The directory that a file will be made in. */
static void
check_parent(struct checker *checker, bool is_error, const char *setting,
    const char *file)
{
	const char *slash = strrchr(file, '/');
	struct stat st;
	char *dir;

	if (slash == NULL || slash == file)
		return;
	if ((dir = strndup(file, (size_t)(slash - file))) == NULL)
		return;
	check_directory(checker, is_error, setting, dir, &st);
	free(dir);
}

/* systemd makes the directory (RuntimeDirectory=), other starters do not. */
static void
check_custody(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	const char *group;
	size_t i;

	if (conf->unlock_socket[0] != '\0')
		check_parent(checker, true, "custody.socket",
		    conf->unlock_socket);
	else if (conf->unlock_group[0] != '\0' ||
	    conf->agency_groups.count > 0)
		finding(checker, false, "custody: groups are given but no "
		    "socket; nobody can unlock a key");
	if (conf->unlock_group[0] != '\0' &&
	    getgrnam(conf->unlock_group) == NULL)
		finding(checker, true, "custody.group: there is no group "
		    "\"%s\"", conf->unlock_group);
	for (i = 0; i < conf->agency_groups.count; i++) {
		group = strchr(conf->agency_groups.items[i], ':') + 1;
		if (getgrnam(group) == NULL)
			finding(checker, true, "custody.agency_groups: there "
			    "is no group \"%s\"", group);
	}
}

static void
check_socket(struct checker *checker)
{
	const char *path = checker->conf->socket, *slash;
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;

	if (strncmp(path, "inet", 4) == 0)
		return;
	if (strchr(path, ':') != NULL && *path != '/')
		path = strchr(path, ':') + 1;
	slash = strrchr(path, '/');
	if (slash == NULL || slash == path)
		return;
	if ((size_t)(slash - path) >= sizeof(dir)) {
		finding(checker, true, "milter.socket: the path is too long");
		return;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (stat(dir, &st) == -1 && errno == ENOENT)
		finding(checker, true, "milter.socket: %s is not there; make "
		    "it (install -d %s)", dir, dir);
	else
		check_directory(checker, true, "milter.socket", dir, &st);
}

static void
check_spool(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	struct passwd *pw;
	struct statfs fs;
	struct stat st;

	if (!check_directory(checker, true, "spool.dir", conf->spool_dir,
	    &st))
		return;
	pw = geteuid() == 0 ? getpwnam(conf->user) : NULL;
	if (pw != NULL && st.st_uid != pw->pw_uid)
		finding(checker, true, "spool.dir: %s does not belong to %s; "
		    "chown it", conf->spool_dir, conf->user);
	if (geteuid() != 0 && access(conf->spool_dir, W_OK | X_OK) == -1)
		finding(checker, true, "spool.dir: %s: %s", conf->spool_dir,
		    strerror(errno));
	if (st.st_mode & 077)
		finding(checker, false, "spool.dir: %s is open to others; "
		    "chmod 0700", conf->spool_dir);
	if (statfs(conf->spool_dir, &fs) == 0 &&
	    (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		finding(checker, false, "spool.dir: %s is in memory (tmpfs); "
		    "large messages would fill it, take a directory on disk",
		    conf->spool_dir);
}

static void
check_passphrase(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	const char *file = conf->passphrase_file;
	char next[4096];
	struct stat st;

	if (conf->insecure_unencrypted_keys)
		finding(checker, false, "keystore.insecure_unencrypted_keys: "
		    "private keys may lie unencrypted on disk; for trials "
		    "only");
	if (file[0] == '\0') {
		if (!conf->insecure_unencrypted_keys)
			finding(checker, false, "keystore.passphrase_file: not "
			    "given; encrypted keys cannot be opened and "
			    "nothing can be signed");
		return;
	}
	/* a credential is there for the service alone */
	if (*file != '/')
		return;
	if (stat(file, &st) == -1)
		finding(checker, true, "keystore.passphrase_file: %s: %s",
		    file, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		finding(checker, true, "keystore.passphrase_file: %s: not a "
		    "regular file", file);
	else if (st.st_mode & 077)
		finding(checker, true, "keystore.passphrase_file: %s is open "
		    "to group or others; chmod 0400", file);
	if (snprintf(next, sizeof(next), "%s.new", file) < (int)sizeof(next) &&
	    stat(next, &st) == 0)
		finding(checker, false, "keystore.passphrase_file: %s is "
		    "there: a change of the passphrase was not finished; run "
		    "\"sampulctl rekey\"", next);
}

static void
check_tokens(struct checker *checker)
{
	const char *module = checker->conf->token_module;
	const char *file = checker->conf->token_pin_file;
	struct stat st;

	if (module[0] == '\0') {
		if (file[0] != '\0')
			finding(checker, false, "keystore.token_pin_file: "
			    "without keystore.token_module it is not read");
		return;
	}
	if (stat(module, &st) == -1)
		finding(checker, true, "keystore.token_module: %s: %s",
		    module, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & 022) ||
	    st.st_uid != 0)
		finding(checker, true, "keystore.token_module: %s: not a file "
		    "that root alone may change", module);
	if (file[0] == '\0')
		return;
	if (stat(file, &st) == -1)
		finding(checker, true, "keystore.token_pin_file: %s: %s",
		    file, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
		finding(checker, true, "keystore.token_pin_file: %s is open "
		    "to group or others; chmod 0400", file);
}

static void
check_keystore(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	struct stat st;

	if (check_directory(checker, true, "keystore.dir",
	    conf->keystore_dir, &st) && (st.st_mode & 022))
		finding(checker, true, "keystore.dir: %s may be written by "
		    "group or others; chmod go-w", conf->keystore_dir);
	if (check_directory(checker, true, "keystore.anchors_dir",
	    conf->anchors_dir, &st) && (st.st_mode & 022))
		finding(checker, true, "keystore.anchors_dir: %s may be "
		    "written by group or others; chmod go-w",
		    conf->anchors_dir);
	if (conf->intermediates_dir[0] != '\0')
		check_directory(checker, false, "keystore.intermediates_dir",
		    conf->intermediates_dir, &st);
	check_passphrase(checker);
	check_tokens(checker);
}

/* The lists may come later than the first start. */
static void
check_verify(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	struct smime_error err = { "" };
	struct pin *pins;
	struct stat st;
	size_t count;

	if (conf->verify_anchors_dir[0] != '\0' &&
	    check_directory(checker, true, "verify.anchors_dir",
	    conf->verify_anchors_dir, &st) && (st.st_mode & 022))
		finding(checker, true, "verify.anchors_dir: %s may be written "
		    "by group or others; chmod go-w",
		    conf->verify_anchors_dir);
	if (conf->verify && (conf->crl_dir[0] == '\0' ||
	    access(conf->crl_dir, R_OK | X_OK) == -1))
		finding(checker, false, "verify.crl_dir: %s: no signature of "
		    "incoming mail can pass without revocation lists",
		    conf->crl_dir[0] == '\0' ? "not set" : strerror(errno));
	if (pins_read(conf, &pins, &count, &err) == -1)
		finding(checker, true, "verify.pins: %s", err.text);
	else
		free(pins);
}

/* logrotate makes a new file, and so may the key process. */
static void
check_audit(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	const struct passwd *pw;
	const char *slash;
	struct stat st;
	char *dir;

	if (conf->audit_file[0] == '\0')
		return;
	check_parent(checker, true, "audit.file", conf->audit_file);
	pw = geteuid() == 0 ? getpwnam(conf->key_user) : NULL;
	slash = strrchr(conf->audit_file, '/');
	if (pw == NULL || slash == conf->audit_file)
		return;
	dir = strndup(conf->audit_file, (size_t)(slash - conf->audit_file));
	if (dir != NULL && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_uid != pw->pw_uid)
		finding(checker, false, "audit.file: %s does not belong to "
		    "%s; a new file can then be made at a start only", dir,
		    conf->key_user);
	free(dir);
}

static bool
may_encrypt(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		if (conf->rules[i].encrypt != ENCRYPT_OFF)
			return true;
	return conf->default_rule.encrypt != ENCRYPT_OFF ||
	    conf->labels.count > 0 || conf->subject_tags.count > 0;
}

/* The one folder that the mail process writes to, but for spool and socket. */
static void
check_harvest(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	const struct passwd *pw;
	struct stat st;

	if (conf->harvest_from.count == 0 || conf->harvest_dir[0] == '\0' ||
	    !check_directory(checker, false, "encryption.harvest_dir",
	    conf->harvest_dir, &st))
		return;
	pw = geteuid() == 0 ? getpwnam(conf->user) : NULL;
	if (pw != NULL && st.st_uid != pw->pw_uid)
		finding(checker, false, "encryption.harvest_dir: %s does not "
		    "belong to %s, and no certificate will be kept; chown it",
		    conf->harvest_dir, conf->user);
	if (st.st_mode & 022)
		finding(checker, true, "encryption.harvest_dir: %s may be "
		    "written by group or others; chmod go-w",
		    conf->harvest_dir);
}

/* What would make every message that must be encrypted stay here. */
static void
check_encryption(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	struct stat st;

	if (!may_encrypt(conf))
		return;
	if (conf->encryption_sources.count == 0)
		finding(checker, false, "encryption.sources: none; nobody can "
		    "be encrypted to");
	if (conf->partners_dir[0] != '\0' && check_directory(checker, false,
	    "encryption.partners_dir", conf->partners_dir, &st) &&
	    (st.st_mode & 022))
		finding(checker, true, "encryption.partners_dir: %s may be "
		    "written by group or others; chmod go-w",
		    conf->partners_dir);
	if (conf->crl == CRL_REQUIRE && (conf->crl_dir[0] == '\0' ||
	    stat(conf->crl_dir, &st) == -1))
		finding(checker, false, "verify.crl_dir: there are no "
		    "revocation lists, and with verify.crl = \"require\" "
		    "nobody can be encrypted to");
}

size_t
conf_check(const struct conf *conf, void (*report)(void *arg, bool is_error,
    const char *text), void *arg)
{
	struct checker checker = { .conf = conf, .report = report,
	    .arg = arg };

	check_users(&checker);
	check_socket(&checker);
	check_spool(&checker);
	check_keystore(&checker);
	check_custody(&checker);
	check_verify(&checker);
	check_audit(&checker);
	if (conf->pid_file[0] != '\0')
		check_parent(&checker, false, "pid_file", conf->pid_file);
	check_submit(&checker);
	check_encryption(&checker);
	check_harvest(&checker);
	conf_check_meaning(conf, report, arg);
	return checker.errors;
}
