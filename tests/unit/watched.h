/*
 * watched.h - whether a tool works inside of the process: a sanitizer, or
 * valgrind, of which make soak tells by SAMPUL_VALGRIND. Memory and time are
 * others there, so that limits of them show nothing.
 */
#ifndef SAMPUL_TEST_WATCHED_H
#define SAMPUL_TEST_WATCHED_H

#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED	true
#else
#define IS_SANITIZED	false
#endif

static inline bool
is_in_valgrind(void)
{
	return getenv("SAMPUL_VALGRIND") != NULL;
}

static inline bool
is_watched(void)
{
	return IS_SANITIZED || is_in_valgrind();
}

/* Of what would take half an hour there, one in nine; of bits, each of an
 * octet's eight in turn. */
static inline size_t
watched_pace(void)
{
	return is_in_valgrind() ? 9 : 1;
}

#endif
