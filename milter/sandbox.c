/*
 * sandbox.c - users, limits, and what else narrows a process down.
 *
 * Rights go in steps: harden (everybody, at the start), drop (root, once the
 * socket or the passphrase is open), enter (files, before threads are made),
 * serve (system calls, when they are there).
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "log.h"
#include "sandbox.h"

/* Room that the locked key process must have: code, heaps, stacks, cache. */
#define LOCK_ROOM	((rlim_t)1024 * 1024 * 1024)
#define LAST_CAPABILITY	63

static atomic_long own_uid = -1;	/* effective, once that is for good */

int
sandbox_harden(struct smime_error *err)
{
	const struct rlimit none = { 0, 0 };

	umask(077);
	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return smime_error_set(err, "no core dumps");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return smime_error_set(err, "not dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return smime_error_set(err, "no_new_privs");
	return 0;
}

/* What would let a later exec or namespace find privileges again. */
static void
drop_capabilities(void)
{
	int cap;

	for (cap = 0; cap <= LAST_CAPABILITY; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* Whether this process is uid and gid alone, and root is out of reach. */
static bool
is_dropped(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) == -1 ||
	    getresgid(&rgid, &egid, &sgid) == -1)
		return false;
	if (ruid != uid || euid != uid || suid != uid || rgid != gid ||
	    egid != gid || sgid != gid)
		return false;
	return setuid(0) == -1 && seteuid(0) == -1 &&
	    setresuid((uid_t)-1, (uid_t)-1, 0) == -1 && setgid(0) == -1;
}

/*
 * A change of user clears both: the kernel makes a process that changed its
 * user dumpable or not as it sees fit, and forgets the signal of the parent's
 * death.
 */
static int
rearm(struct smime_error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return smime_error_set(err, "not dumpable");
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == -1)
		return smime_error_set(err, "signal of the parent's death");
	return 0;
}

int
sandbox_drop(const char *user, struct smime_error *err)
{
	struct passwd *pw;

	if (user[0] == '\0')
		return 0;
	if (geteuid() != 0) {
		log_debug("not started as root: staying uid %ld instead of "
		    "\"%s\"", (long)geteuid(), user);
		return 0;
	}
	errno = 0;
	if ((pw = getpwnam(user)) == NULL)
		return errno != 0 ? smime_error_set(err, "user %s", user) :
		    smime_error_setx(err, "there is no user \"%s\"", user);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return smime_error_setx(err,
		    "user \"%s\" has root's uid or group", user);
	drop_capabilities();
	if (initgroups(user, pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		return smime_error_set(err, "becoming user %s", user);
	if (!is_dropped(pw->pw_uid, pw->pw_gid))
		return smime_error_setx(err, "root could be regained after "
		    "becoming user %s", user);
	return rearm(err);
}

/*
 * MCL_ONFAULT: only what is used is locked, and not eight megabytes of stack
 * for each thread. Under a finite limit a lock would succeed now and let later
 * allocations fail, which is worse than none.
 */
int
sandbox_lock_memory(struct smime_error *err)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit limit;

	/* as root, for the time after */
	setrlimit(RLIMIT_MEMLOCK, &all);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == -1)
		return smime_error_set(err, "RLIMIT_MEMLOCK");
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < LOCK_ROOM)
		return smime_error_setx(err, "the limit of locked memory is "
		    "%ju KiB; raise it (LimitMEMLOCK=infinity)",
		    (uintmax_t)limit.rlim_cur / 1024);
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1)
		return smime_error_set(err, "locking memory");
	return 0;
}

/* A connection, and up to two spool files for its message. */
static void
allow_descriptors(const struct conf *conf)
{
	rlim_t want = (rlim_t)conf->max_connections * 3 + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	if (limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want <= limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur < want)
		log_warning("milter.max_connections=%u wants %ju descriptors, "
		    "the limit is %ju; raise it (LimitNOFILE=)",
		    conf->max_connections, (uintmax_t)want,
		    (uintmax_t)limit.rlim_cur);
}

/*
 * Not limited here: the number of processes, because it counts per user and
 * not per process; the size of files, because a limit ends the process by a
 * signal where max_message and a full disk are orderly failures.
 */
int
sandbox_enter(enum sandbox_role role, const struct conf *conf,
    struct smime_error *err)
{
	if (role == SANDBOX_MAIL)
		allow_descriptors(conf);
	if (role == SANDBOX_SUPERVISOR) {
		if (!calls_can_close())
			log_warning("this build has no filter of system "
			    "calls: %s", SANDBOX_OPEN ?
			    "it is one for tests" : "libseccomp was missing");
		return sandbox_harden(err) == -1 ? -1 :
		    calls_close(role, err);
	}
	smime_load();
	own_uid = (long)geteuid();
	if (rearm(err) == -1 || sandbox_harden(err) == -1)
		return -1;
	/* a module opens what it likes: see sampul-custody(7) */
	return role == SANDBOX_TOKENS ? 0 : files_close(role, conf, err);
}

int
sandbox_serve(enum sandbox_role role, struct smime_error *err)
{
	return calls_close(role, err);
}

#define APART_SECONDS	10		/* of processor time */
#define APART_MEMORY	((rlim_t)512 * 1024 * 1024)

int
sandbox_apart(struct smime_error *err)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit seconds = { APART_SECONDS, APART_SECONDS };
	const struct rlimit memory = { APART_MEMORY, APART_MEMORY };

	if (sandbox_harden(err) == -1)
		return -1;
	if (setrlimit(RLIMIT_CPU, &seconds) == -1 ||
	    (!SANDBOX_OPEN && setrlimit(RLIMIT_AS, &memory) == -1) ||
	    setrlimit(RLIMIT_FSIZE, &none) == -1)
		return smime_error_set(err, "limits");
	if (files_close(SANDBOX_APART, NULL, err) == -1)
		return -1;
	return calls_close(SANDBOX_APART, err);
}

struct beginning {
	void	*(*run)(void *arg);
	void	*arg;
	sem_t	 begun;
};

static void *
begin(void *arg)
{
	struct beginning *beginning = arg;
	void *(*run)(void *) = beginning->run;

	arg = beginning->arg;
	sem_post(&beginning->begun);	/* and it is gone */
	return run(arg);
}

int
sandbox_thread(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg)
{
	struct beginning beginning = { .run = run, .arg = arg };
	int rc;

	if (sem_init(&beginning.begun, 0, 0) == -1)
		return errno;
	rc = pthread_create(thread, attr, begin, &beginning);
	while (rc == 0 && sem_wait(&beginning.begun) == -1)
		continue;
	sem_destroy(&beginning.begun);
	return rc;
}

uid_t
sandbox_uid(void)
{
	long known = own_uid;

	return known >= 0 ? (uid_t)known : geteuid();
}

bool
sandbox_fits(const struct conf *now, const struct conf *next)
{
	return files_same(now, next);
}

unsigned
sandbox_call_count(enum sandbox_role role)
{
	return calls_count(role);
}
