/*
 * log.c - one line at a time, to syslog(3) or to stderr.
 *
 * A line is built in one buffer and handed over in one piece, so that lines of
 * several threads and processes do not mix. Everything outside printable ASCII
 * is replaced (ATK-38): parts of most lines come from strangers.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "milter.h"

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
	log_stderr = to_stderr;
	log_journal = to_stderr && stderr_is_journal();
	log_set_level(level);
	if (!to_stderr) {
		closelog();
		openlog(log_ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
	}
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

static void
write_line(enum log_level level, const char *text)
{
	char line[LINE_MAX_LOG + 128], mark[8] = "";
	int len;

	if (log_journal)
		snprintf(mark, sizeof(mark), "<%d>", levels[level].priority);
	len = snprintf(line, sizeof(line), "%s%s[%ld]: %s: %s\n", mark,
	    log_ident, (long)getpid(), levels[level].word, text);
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

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char raw[LINE_MAX_LOG], text[LINE_MAX_LOG];
	int saved = errno, len;

	if (level > atomic_load(&log_level))
		return;
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
		syslog(LOG_MAIL | levels[level].priority, "%s%s",
		    level <= LOG_LEVEL_WARNING ? (level == LOG_LEVEL_ERROR ?
		    "error: " : "warning: ") : "", text);
	errno = saved;
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
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}
