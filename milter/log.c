/*
 * log.c - one line at a time, to the local syslog or to stderr.
 *
 * A line is built in one buffer and handed over in one piece, so that lines of
 * several threads and processes do not mix. Everything outside printable ASCII
 * is replaced (ATK-38): parts of most lines come from strangers.
 *
 * syslog(3) makes a new socket and connects it when the other end was
 * restarted, which a process in a cage could do only if it might connect
 * anywhere. Here a socket that is never connected is opened once, and every
 * line is sent to the name /dev/log: whoever is behind it at that moment gets
 * it, in the form that syslog(3) has (RFC 3164).
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "log.h"

#define LINE_MAX_LOG	2048

static const struct {
	const char	*word;
	int		 priority;
} levels[] = {
	[LOG_LEVEL_ERROR] =	{ "error", LOG_ERR },
	[LOG_LEVEL_WARNING] =	{ "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] =	{ "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] =	{ "debug", LOG_DEBUG },
};

static _Atomic enum log_level log_level = LOG_LEVEL_INFO;
static char log_ident[64] = "sampul";
static bool log_stderr = true;
static bool log_journal;
static bool log_always;		/* -d was given */
static int log_fd = -1;		/* to send datagrams from */
static pid_t log_pid;		/* 0 before log_open */

static const struct sockaddr_un log_name = { .sun_family = AF_UNIX,
	.sun_path = "/dev/log" };

/*
 * Whether stderr is systemd's journal: it then reads a leading "<6>" as the
 * priority. JOURNAL_STREAM holds device and inode, and may be inherited by a
 * process whose stderr is something else.
 */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char want[64];

	if (stream == NULL || fstat(STDERR_FILENO, &st) == -1)
		return false;
	snprintf(want, sizeof(want), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(stream, want) == 0;
}

void
log_open(const char *ident, bool to_stderr, enum log_level level)
{
	snprintf(log_ident, sizeof(log_ident), "%s", ident);
	log_pid = getpid();
	log_stderr = to_stderr;
	log_journal = to_stderr && stderr_is_journal();
	log_set_level(level);
	/* the zone is read now; later there may be no way to its file */
	tzset();
	if (!to_stderr && log_fd == -1)
		log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

int
log_descriptor(void)
{
	return log_stderr ? -1 : log_fd;
}

void
log_set_level(enum log_level level)
{
	atomic_store(&log_level, log_always ? LOG_LEVEL_DEBUG : level);
}

void
log_debug_always(void)
{
	log_always = true;
	log_set_level(LOG_LEVEL_DEBUG);
}

/* Cached: a process in a cage may not ask. */
static pid_t
own_pid(void)
{
	return log_pid != 0 ? log_pid : getpid();
}

static void
write_line(enum log_level level, const char *text)
{
	char line[LINE_MAX_LOG + 128], mark[8] = "";
	int len;

	if (log_journal)
		snprintf(mark, sizeof(mark), "<%d>", levels[level].priority);
	len = snprintf(line, sizeof(line), "%s%s[%ld]: %s: %s\n", mark,
	    log_ident, (long)own_pid(), levels[level].word, text);
	if (len <= 0)
		return;
	if ((size_t)len >= sizeof(line)) {
		len = (int)sizeof(line) - 1;
		line[len - 1] = '\n';
	}
	while (write(STDERR_FILENO, line, (size_t)len) == -1 &&
	    errno == EINTR)
		continue;
}

/* Nobody there: the line is lost, as it is with syslog(3). */
static void
send_line(enum log_level level, const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char line[LINE_MAX_LOG + 160];
	time_t now = time(NULL);
	struct tm tm = { .tm_mday = 1 };
	const char *mark = "";
	int len;

	if (level <= LOG_LEVEL_WARNING)
		mark = level == LOG_LEVEL_ERROR ? "error: " : "warning: ";
	(void)localtime_r(&now, &tm);
	len = snprintf(line, sizeof(line),
	    "<%d>%.3s %2d %02d:%02d:%02d %s[%ld]: %s%s",
	    LOG_MAIL | levels[level].priority, months + 3 * tm.tm_mon,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, log_ident,
	    (long)own_pid(), mark, text);
	if (len <= 0)
		return;
	if ((size_t)len >= sizeof(line))
		len = (int)sizeof(line) - 1;
	while (sendto(log_fd, line, (size_t)len, MSG_NOSIGNAL,
	    (const struct sockaddr *)&log_name, sizeof(log_name)) == -1 &&
	    errno == EINTR)
		continue;
}

static void
put_line(enum log_level level, const char *fmt, va_list ap)
{
	char raw[LINE_MAX_LOG], text[LINE_MAX_LOG];
	int saved = errno, len;

	/* errno still is the caller's here, for %m */
	len = vsnprintf(raw, sizeof(raw), fmt, ap);
	if (len < 0)
		len = snprintf(raw, sizeof(raw), "(a line was lost)");
	smime_printable(raw, strnlen(raw, sizeof(raw)), text, sizeof(text));
	if (len >= (int)sizeof(raw))
		memcpy(text + sizeof(text) - 4, "...", 4);
	if (log_stderr)
		write_line(level, text);
	else
		send_line(level, text);
	errno = saved;
}

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	if (level <= atomic_load(&log_level))
		put_line(level, fmt, ap);
}

void
log_audit(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void
log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void
log_finding(void *arg, bool is_error, const char *text)
{
	(void)arg;
	if (is_error)
		log_error("%s", text);
	else
		log_warning("%s", text);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

/*
 * libmilter calls syslog(3) by name, the fortified one where it was built so:
 * these are called instead, and its lines go where all others do.
 */
void	 __syslog_chk(int priority, int flag, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

static void
log_for_libmilter(int priority, const char *fmt, va_list ap)
{
	const int severity = LOG_PRI(priority);

	log_line(severity <= LOG_ERR ? LOG_LEVEL_ERROR :
	    severity == LOG_WARNING ? LOG_LEVEL_WARNING :
	    severity == LOG_DEBUG ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, fmt, ap);
}

void
(syslog)(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_for_libmilter(priority, fmt, ap);
	va_end(ap);
}

void
__syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	log_for_libmilter(priority, fmt, ap);
	va_end(ap);
}
