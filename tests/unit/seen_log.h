/*
 * seen_log.h - log.c replaced: what was logged can be asked for.
 *
 * Definitions and not only prototypes, for the one test that includes them:
 * as a member of libtest.a they would stand before log.c in every test.
 */
#ifndef SAMPUL_TEST_SEEN_LOG_H
#define SAMPUL_TEST_SEEN_LOG_H

#include <stdbool.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../milter/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[65536];
static size_t length;

static void
add(const char *level, const char *fmt, va_list ap)
{
	char text[2048];

	vsnprintf(text, sizeof(text), fmt, ap);
	pthread_mutex_lock(&lock);
	if (length + strlen(level) + strlen(text) + 4 < sizeof(lines))
		length += (size_t)snprintf(lines + length,
		    sizeof(lines) - length, "%s: %s\n", level, text);
	pthread_mutex_unlock(&lock);
}

#define LOGGER(name, level)					\
void								\
name(const char *fmt, ...)					\
{								\
	va_list ap;						\
								\
	va_start(ap, fmt);					\
	add(level, fmt, ap);					\
	va_end(ap);						\
}

LOGGER(log_error, "error")
LOGGER(log_warning, "warning")
LOGGER(log_info, "info")
LOGGER(log_audit, "info")
LOGGER(log_debug, "debug")

void
log_open(const char *ident, bool to_stderr, enum log_level level)
{
	(void)ident;
	(void)to_stderr;
	(void)level;
}

void
log_set_level(enum log_level level)
{
	(void)level;
}

int
log_descriptor(void)
{
	return -1;
}

/* Forgets them all. */
static inline void
seen_log_clear(void)
{
	pthread_mutex_lock(&lock);
	length = 0;
	lines[0] = '\0';
	pthread_mutex_unlock(&lock);
}

/* All lines since then, "warning: text\n" each. */
static inline const char *
seen_log(void)
{
	return lines;
}

/* How often text occurs in them. */
static inline unsigned
seen_log_count(const char *text)
{
	const char *p = lines;
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	while ((p = strstr(p, text)) != NULL) {
		p += strlen(text);
		n++;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

#endif
