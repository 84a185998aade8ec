/*
 * log.h - the log, and the clock that nobody sets.
 */
#ifndef SAMPUL_LOG_H
#define SAMPUL_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* --------------------------------------------------------------- log.c --- */

/*
 * Four levels with a fixed meaning: ERROR something of ours failed and an
 * administrator must act; WARNING something is wrong with one message, key or
 * peer; INFO one line per message and per change of state; DEBUG the rest.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };

/* ident names the process ("sampul-milter"); to stderr or to the local syslog,
 * facility mail. May be called again after a fork. */
void	 log_open(const char *ident, bool to_stderr, enum log_level level);
/* The socket that lines are sent from, for the sandbox; -1 with stderr. */
int	 log_descriptor(void);
void	 log_set_level(enum log_level level);
/* From now on the level stays DEBUG, whatever is set (-d). */
void	 log_debug_always(void);
/* errno is preserved; control characters are made printable. */
void	 log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* At level info, whatever the level is: what must be on record. */
void	 log_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A finding of conf_check. */
void	 log_finding(void *arg, bool is_error, const char *text);

/* ------------------------------------------------------------- clock.c --- */

/* Since some moment in the past; nobody sets it. */
int64_t	 monotonic_us(void);
int64_t	 monotonic_ms(void);

#endif
