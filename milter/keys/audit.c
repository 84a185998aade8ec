/*
 * audit.c - one line for each use of a key, and for what else is done with it.
 *
 *	time=2026-11-22T16:30:00+07:00 queue_id=4F2A address=... serial=...
 *	digest=sha-256:...
 *	time=2026-11-22T16:30:00+07:00 event=suspend address=... by=root
 *	result=done reason="..."
 *
 * on one line. The line is written whole by one write(2) to a file opened for
 * appending, before the signature leaves the process: a signature without a
 * line does not exist for anybody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../smime/smime.h"
#include "../channel.h"
#include "../conf.h"
#include "../log.h"
#include "../sandbox.h"
#include "audit.h"

#define LINE_MAX_OCTETS	1024

/* One trail for the process; the lock keeps lines and reopening apart. */
static struct {
	pthread_mutex_t	 lock;
	char		*path;		/* NULL: syslog only */
	int		 fd;
	dev_t		 dev;
	ino_t		 ino;
	bool		 torn;		/* the last line was cut off */
} trail = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/*
 * Made while still root the file is given to the key process's user, which
 * must be able to open it again. Only a file that we have just made: another
 * might be somebody else's, put there by a link.
 */
static int
give_away(int fd, const char *path, const char *key_user,
    struct smime_error *err)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (sandbox_uid() != 0 || key_user == NULL || key_user[0] == '\0')
		return 0;
	if (getpwnam_r(key_user, &pw, buf, sizeof(buf), &found) != 0 ||
	    found == NULL)
		return smime_error_setx(err, "there is no user %s to own %s",
		    key_user, path);
	if (fchown(fd, pw.pw_uid, pw.pw_gid) == -1)
		return smime_error_set(err, "cannot give %s to %s", path,
		    key_user);
	return 0;
}

static int
open_file(const char *path, const char *key_user, struct stat *st,
    struct smime_error *err)
{
	const int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC |
	    O_NOCTTY | O_NONBLOCK;
	int fd;

	fd = open(path, flags | O_CREAT | O_EXCL, 0640);
	if (fd != -1) {
		/* The umask of the process is stricter: auditors read too. */
		if (fchmod(fd, 0640) == -1) {
			smime_error_set(err, "cannot set the mode of %s",
			    path);
			goto bad;
		}
		if (give_away(fd, path, key_user, err) != 0)
			goto bad;
	} else {
		fd = open(path, flags);
		if (fd == -1)
			return smime_error_set(err, "cannot open the audit "
			    "file %s", path);
	}
	if (fstat(fd, st) == -1) {
		smime_error_set(err, "cannot examine the audit file %s", path);
		goto bad;
	}
	if (!S_ISREG(st->st_mode)) {
		smime_error_setx(err, "the audit file %s is not a regular "
		    "file", path);
		goto bad;
	}
	return fd;
bad:
	close(fd);
	return -1;
}

static void
adopt(int fd, const struct stat *st)
{
	if (trail.fd != -1)
		close(trail.fd);
	trail.fd = fd;
	trail.dev = st->st_dev;
	trail.ino = st->st_ino;
	trail.torn = false;
}

/* Called again with a new configuration; on failure the old trail goes on. */
int
audit_open(const struct conf *conf, struct smime_error *err)
{
	struct stat st;
	char *path;
	int fd;

	memset(&st, 0, sizeof(st));
	if (conf->audit_file == NULL || conf->audit_file[0] == '\0') {
		pthread_mutex_lock(&trail.lock);
		free(trail.path);
		trail.path = NULL;
		adopt(-1, &st);
		pthread_mutex_unlock(&trail.lock);
		return 0;
	}
	path = strdup(conf->audit_file);
	if (path == NULL)
		return smime_error_setx(err, "out of memory");
	fd = open_file(path, conf->key_user, &st, err);
	if (fd == -1) {
		free(path);
		return -1;
	}
	pthread_mutex_lock(&trail.lock);
	free(trail.path);
	trail.path = path;
	adopt(fd, &st);
	pthread_mutex_unlock(&trail.lock);
	return 0;
}

/* logrotate(8) renames the file away or makes a new one in its place. */
static int
follow(struct smime_error *err)
{
	struct stat st;
	int fd;

	if (trail.fd != -1 && lstat(trail.path, &st) == 0 &&
	    st.st_dev == trail.dev && st.st_ino == trail.ino)
		return 0;
	fd = open_file(trail.path, NULL, &st, err);
	if (fd == -1)
		return -1;
	adopt(fd, &st);
	return 0;
}

static int
write_line(const char *line, size_t len, struct smime_error *err)
{
	char buf[LINE_MAX_OCTETS + 2];
	size_t n = 0;
	ssize_t done;

	/* After a full disk the rest of a line stands there without an end. */
	if (trail.torn)
		buf[n++] = '\n';
	memcpy(buf + n, line, len);
	n += len;
	do
		done = write(trail.fd, buf, n);
	while (done == -1 && errno == EINTR);
	if (done == (ssize_t)n) {
		trail.torn = false;
		return 0;
	}
	if (done > 0)
		trail.torn = true;
	else if (done == -1)
		return smime_error_set(err, "cannot write to the audit file "
		    "%s", trail.path);
	return smime_error_setx(err, "the audit file %s took only a part of "
	    "a line", trail.path);
}

/* RFC 3339 with the local offset: an auditor reads it beside the mail log. */
static void
time_text(time_t now, char *out, size_t size)
{
	struct tm tm;
	char zone[8];

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm) == 0 ||
	    strftime(zone, sizeof(zone), "%z", &tm) != 5) {
		snprintf(out, size, "-");
		return;
	}
	snprintf(out + strlen(out), size - strlen(out), "%.3s:%.2s", zone,
	    zone + 3);
}

/* Printable and without a space, so that a line always splits the same way. */
static const char *
word(const char *text, char *out, size_t size)
{
	char *p;

	smime_printable(text, strlen(text), out, size);
	for (p = out; *p != '\0'; p++)
		if (*p == ' ')
			*p = '?';
	return out[0] != '\0' ? out : "-";
}

/* The line ends in LF, which syslog does not get. */
static int
append(const char *line, size_t len, struct smime_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&trail.lock);
	if (trail.path == NULL) {
		log_audit("audit: %.*s", (int)len - 1, line);
	} else {
		rc = follow(err);
		if (rc == 0)
			rc = write_line(line, len, err);
	}
	pthread_mutex_unlock(&trail.lock);
	return rc;
}

int
audit_signed(const char *queue_id, const char *address, const char *serial,
    enum smime_digest digest, const unsigned char *value,
    struct smime_error *err)
{
	char line[LINE_MAX_OCTETS], when[64], id[CHANNEL_QUEUE_ID_MAX + 1];
	char who[ADDRESS_MAX + 1], which[SERIAL_TEXT_MAX + 1];
	char hex[2 * SMIME_DIGEST_MAX + 1];
	size_t i, size = smime_digest_size(digest);
	int n;

	for (i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", value[i]);
	time_text(time(NULL), when, sizeof(when));
	n = snprintf(line, sizeof(line), "time=%s queue_id=%s address=%s "
	    "serial=%s digest=%s:%s\n", when, word(queue_id, id, sizeof(id)),
	    word(address, who, sizeof(who)),
	    word(serial, which, sizeof(which)), smime_digest_micalg(digest),
	    hex);
	if (n < 0 || (size_t)n >= sizeof(line))
		return smime_error_setx(err, "the audit line is too long");
	return append(line, (size_t)n, err);
}

static void
put_word(char *line, size_t size, const char *name, const char *text)
{
	char shown[ADDRESS_MAX + 1];
	size_t n = strlen(line);

	if (text != NULL && text[0] != '\0')
		snprintf(line + n, size - n, " %s=%s", name, word(text, shown,
		    sizeof(shown)));
}

/* In quotes, and with none inside, so that its end is where it seems. */
static void
put_reason(char *line, size_t size, const char *text)
{
	char shown[256], *p;
	size_t n = strlen(line);

	if (text == NULL || text[0] == '\0')
		return;
	smime_printable(text, strlen(text), shown, sizeof(shown));
	for (p = shown; *p != '\0'; p++)
		if (*p == '"' || *p == '\\')
			*p = '\'';
	snprintf(line + n, size - n, " reason=\"%s\"", shown);
}

int
audit_record(const struct audit_event *event, struct smime_error *err)
{
	char line[LINE_MAX_OCTETS], when[64];
	size_t n;

	time_text(time(NULL), when, sizeof(when));
	snprintf(line, sizeof(line) - 1, "time=%s", when);
	put_word(line, sizeof(line) - 1, "event", event->event);
	put_word(line, sizeof(line) - 1, "address", event->address);
	put_word(line, sizeof(line) - 1, "serial", event->serial);
	put_word(line, sizeof(line) - 1, "by", event->by);
	put_word(line, sizeof(line) - 1, "result", event->result);
	put_reason(line, sizeof(line) - 1, event->reason);
	n = strlen(line);
	line[n++] = '\n';
	return append(line, n, err);
}
