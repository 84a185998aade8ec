/*
 * sandbox.h - the rights that a process gives up.
 *
 *	sandbox.c	users, limits, and the steps in their order
 *	sandbox_calls.c	which system calls a role may make (seccomp)
 *	sandbox_files.c	which files it may reach (Landlock)
 */
#ifndef SAMPUL_SANDBOX_H
#define SAMPUL_SANDBOX_H

#include <sys/types.h>

#include <pthread.h>
#include <stdbool.h>

#include "../smime/smime.h"
#include "conf.h"

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

/* ---------------------------------------------------------- sandbox.c --- */

enum sandbox_role { SANDBOX_SUPERVISOR, SANDBOX_MAIL, SANDBOX_KEYS,
	SANDBOX_APART,		/* a child that reads one file's octets */
	SANDBOX_TOKENS, SANDBOX_SUBMIT,
	SANDBOX_WORKER,		/* which loads a token module */
	SANDBOX_WORKER_NETWORK,	/* the same, for a module that connects */
	SANDBOX_ROLES };

/* No core dumps, not dumpable, no_new_privs. */
int	 sandbox_harden(struct smime_error *err);
/* Gives up root for user (and its groups) for good and proves it; does
 * nothing when not root or user is "". */
int	 sandbox_drop(const char *user, struct smime_error *err);
/* Locks memory now and in future (MCL_ONFAULT); -1 when it may not. */
int	 sandbox_lock_memory(struct smime_error *err);
/*
 * Before any thread is made: limits, and the files that the role does not need
 * are out of reach. What libraries read from files, they have read by then.
 */
int	 sandbox_enter(enum sandbox_role role, const struct conf *conf,
	    struct smime_error *err);
/*
 * The last step before serving, when the threads are there: of system calls
 * only the role's are left, in all threads.
 */
int	 sandbox_serve(enum sandbox_role role, struct smime_error *err);
/*
 * pthread_create(3) that returns when the new thread runs. What the C library
 * does before that needs calls which the filter may lack, and it ends the
 * process where they fail: threads are made by this before sandbox_serve.
 */
int	 sandbox_thread(pthread_t *thread, const pthread_attr_t *attr,
	    void *(*run)(void *arg), void *arg);
/* geteuid(2), which is out of reach by and by. */
uid_t	 sandbox_uid(void);
/* Whether a set that was started with one configuration can serve by another:
 * its processes reach the same files. */
bool	 sandbox_fits(const struct conf *now, const struct conf *next);
/*
 * For a child of sampulctl that decodes what it has in memory already: no file,
 * little memory and time, no call but for those and for its pipe.
 */
int	 sandbox_apart(struct smime_error *err);
/* How many system calls are left to a role that serves; 0: no filter. */
unsigned sandbox_call_count(enum sandbox_role role);

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
