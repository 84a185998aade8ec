/*
 * sandbox.h - what the files of the sandbox share.
 *
 *	sandbox.c	users, limits, and the steps in their order
 *	sandbox_calls.c	which system calls a role may make (seccomp)
 *	sandbox_files.c	which files it may reach (Landlock)
 */
#ifndef SAMPUL_SANDBOX_H
#define SAMPUL_SANDBOX_H

#include "milter.h"

/*
 * Sanitizers and valgrind work inside of the process that they watch, and make
 * calls and open files of their own. A build for them, or one that asks for it
 * with NO_CAGE, has no filters, and says so in the log.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    defined(SAMPUL_NO_CAGE)
#define SANDBOX_OPEN	1
#else
#define SANDBOX_OPEN	0
#endif

/* ----------------------------------------------------- sandbox_calls.c --- */

/*
 * From now on, and for all threads that there are, only the role's system
 * calls; -1 when the kernel refuses. Without libseccomp it does nothing.
 */
int	 calls_close(enum sandbox_role role, struct smime_error *err);
/* Whether this build can filter at all. */
bool	 calls_can_close(void);
/* How many system calls a role may make on this machine, for the tests. */
unsigned calls_count(enum sandbox_role role);

/* ----------------------------------------------------- sandbox_files.c --- */

/*
 * For this thread and those that it will make: only the role's files, no TCP,
 * no signals to others. Does as much as the kernel knows; -1 when a step that
 * it does know fails.
 */
int	 files_close(enum sandbox_role role, const struct conf *conf,
	    struct smime_error *err);
/* Whether the files that a set may reach are the same under both. */
bool	 files_same(const struct conf *now, const struct conf *next);

#endif
