/*
 * sandbox_calls.c - the system calls that each process may still make.
 *
 * A call that is not on the list answers ENOSYS, as an older kernel would: the
 * C library and libcrypto try newer calls and fall back to what they know by
 * that answer, so an update of theirs degrades and does not end the mail of a
 * government. What is refused that way is a fault of ours to the caller, and
 * by that a temporary failure.
 *
 * What only an intruder would call ends the process at once: the supervisor
 * sees it die of SIGSYS, says so, and starts a new set.
 *
 * Arguments are looked at where a number suffices. Paths cannot be seen here;
 * they are for Landlock and for the users.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "../smime/smime.h"
#include "log.h"
#include "sandbox.h"

#ifdef HAVE_SECCOMP
#include <seccomp.h>

enum {
	K = 1 << SANDBOX_KEYS,
	M = 1 << SANDBOX_MAIL,
	A = 1 << SANDBOX_APART,
	S = 1 << SANDBOX_SUBMIT
};

/* What an argument must be; see limited(). */
enum limit {
	ANY,
	TO_PEER,	/* to whom the socket is connected, or to the log */
	PLAIN_OPEN,	/* to read, to append, or a new file of our own */
	NO_CODE,	/* memory that is never executed */
	A_THREAD,	/* not a process */
	PLAIN_FCNTL,	/* nothing that undoes O_APPEND, nothing on others */
	TCP_SOCKET	/* of the internet, for a stream */
};

struct call {
	const char	*name;
	const char	*instead;	/* on machines without that one */
	unsigned	 roles;
	enum limit	 limit;
};

/* The key process: 25 at most, once it serves. */
static const struct call allowed[] = {
	/* over the descriptors that are there */
	{ "recvfrom", NULL, K | M | S, ANY },
	{ "sendto", NULL, K | M | S, TO_PEER },
	{ "read", NULL, K | M | A | S, ANY },
	{ "write", NULL, K | M | A | S, ANY },
	{ "close", NULL, K | M | A | S, ANY },
	{ "fcntl", NULL, K | M | S, PLAIN_FCNTL },
	{ "poll", "ppoll", K | M | S, ANY },
	{ "accept4", NULL, K | M, ANY },
	{ "getsockopt", NULL, K | M | S, ANY },
	{ "writev", NULL, M, ANY },
	{ "setsockopt", NULL, M | S, ANY },
	/* a message for the submit process, as a descriptor */
	{ "sendmsg", NULL, M, ANY },
	{ "recvmsg", NULL, S, ANY },
	{ "socket", NULL, S, TCP_SOCKET },
	{ "connect", NULL, S, ANY },
	{ "shutdown", NULL, S, ANY },
	{ "getsockname", NULL, S, ANY },
	{ "getpeername", NULL, S, ANY },
	{ "socketpair", NULL, S, ANY },
	{ "dup3", NULL, M, ANY },
	{ "pipe2", NULL, M, ANY },
	{ "statx", NULL, M, ANY },
	/* files; an older C library has fstat, as have those from 2.39 on */
	{ "openat", NULL, K | M, PLAIN_OPEN },
	{ "newfstatat", NULL, K | M | S, ANY },
	{ "fstat", NULL, K | M | S, ANY },
	{ "readlink", "readlinkat", K | M, ANY },
	{ "getdents64", NULL, K | M, ANY },
	{ "pread64", NULL, M | S, ANY },
	{ "pwrite64", NULL, M, ANY },
	{ "lseek", NULL, M, ANY },
	{ "ftruncate", NULL, M, ANY },
	{ "unlink", "unlinkat", M, ANY },
	{ "rename", "renameat", M, ANY },	/* harvest.c */
	{ "fsync", NULL, M, ANY },
	/* memory */
	{ "mmap", NULL, K | M | A | S, NO_CODE },
	{ "mprotect", NULL, K | M | A | S, NO_CODE },
	{ "munmap", NULL, K | M | A | S, ANY },
	/* the C library does not notice that this one fails */
	{ "brk", NULL, K | M | A | S, ANY },
	{ "madvise", NULL, M | A | S, ANY },
	{ "mremap", NULL, M | A | S, ANY },
	/* threads; libmilter has one for each connection */
	{ "futex", NULL, K | M | A | S, ANY },
	{ "exit", NULL, K | M | S, ANY },
	{ "clone", NULL, M, A_THREAD },
	{ "set_robust_list", NULL, M, ANY },
	{ "rseq", NULL, M, ANY },
	{ "sched_yield", NULL, M, ANY },
	/* the rest */
	{ "exit_group", NULL, K | M | A | S, ANY },
	{ "rt_sigprocmask", NULL, K | M | A | S, ANY },
	{ "restart_syscall", NULL, K | M | A | S, ANY },
	{ "clock_gettime", NULL, K | M | A | S, ANY },
	/* libmilter's, where the clock cannot be read without the kernel (HPET,
	 * Xen): without the time of day its threads wait for nothing at all */
	{ "gettimeofday", NULL, M | S, ANY },
	{ "time", NULL, M | S, ANY },
	{ "getrandom", NULL, K | M | A | S, ANY },
	{ "rt_sigaction", NULL, M, ANY },
	{ "rt_sigreturn", NULL, M, ANY },
	{ "rt_sigtimedwait", NULL, M, ANY },
	{ "clock_nanosleep", NULL, M, ANY },
};
#define ALLOWED	(sizeof(allowed) / sizeof(allowed[0]))

/* Never ours, in no process: what the supervisor refuses, its children lack
 * from their first moment. */
static const char *const intruders[] = {
	"execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "pidfd_getfd", "bpf", "perf_event_open",
	"userfaultfd", "io_uring_setup", "add_key", "keyctl", "request_key",
	"init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "mount", "umount2", "pivot_root", "move_mount",
	"open_tree", "fsopen", "unshare", "setns", "swapon", "swapoff",
	"reboot", "settimeofday", "clock_settime", "personality", "iopl",
	"ioperm", "open_by_handle_at", "quotactl", "acct"
};
#define INTRUDERS	(sizeof(intruders) / sizeof(intruders[0]))

/* The number on this machine, by the one name or the other; negative none. */
static int
number_of(const struct call *call)
{
	int number = seccomp_syscall_resolve_name(call->name);

	if (number < 0 && call->instead != NULL)
		number = seccomp_syscall_resolve_name(call->instead);
	return number;
}

unsigned
calls_count(enum sandbox_role role)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; !SANDBOX_OPEN && i < ALLOWED; i++)
		if ((allowed[i].roles & 1U << role) != 0 &&
		    number_of(&allowed[i]) >= 0)
			count++;
	return count;
}

#define MASKED(arg, mask, value)	\
	SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value)
#define IS(arg, value)			SCMP_CMP(arg, SCMP_CMP_EQ, value)
#define ALLOW(...)	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, __VA_ARGS__)

/*
 * To read; the key process to append to its trail besides, and the mail process
 * to make a spool file that was not there (O_TMPFILE has O_EXCL too).
 */
static int
allow_open(scmp_filter_ctx ctx, int number, enum sandbox_role role)
{
	int rc;

	rc = ALLOW(1, MASKED(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (rc == 0 && role == SANDBOX_KEYS)
		rc = ALLOW(1, MASKED(2, O_ACCMODE | O_APPEND | O_TRUNC,
		    O_WRONLY | O_APPEND));
	else if (rc == 0)
		rc = ALLOW(1, MASKED(2, O_ACCMODE | O_EXCL,
		    O_RDWR | O_EXCL));
	return rc;
}

static int
allow_fcntl(scmp_filter_ctx ctx, int number, enum sandbox_role role)
{
	static const struct {
		int		command;
		unsigned	roles;
	} commands[] = {
		{ F_GETFD, M | K | S }, { F_SETFD, M | K | S },
		{ F_GETFL, M | K | S }, { F_DUPFD_CLOEXEC, M | K },
		{ F_SETFL, M | S }
	};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if ((commands[i].roles & 1U << role) != 0)
			rc = ALLOW(1, IS(1, (scmp_datum_t)commands[i].command));
	return rc;
}

/*
 * The log's socket alone is not connected, and may name its receiver; with all
 * others there is none to be named.
 */
static int
allow_send(scmp_filter_ctx ctx, int number)
{
	int rc, fd = log_descriptor();

	rc = ALLOW(1, IS(4, 0));
	if (rc == 0 && fd != -1)
		rc = ALLOW(1, IS(0, (scmp_datum_t)fd));
	return rc;
}

static int
allow_socket(scmp_filter_ctx ctx, int number)
{
	const scmp_datum_t type = ~(scmp_datum_t)(SOCK_CLOEXEC |
	    SOCK_NONBLOCK);
	int rc;

	rc = ALLOW(2, IS(0, AF_INET), MASKED(1, type, SOCK_STREAM));
	if (rc == 0)
		rc = ALLOW(2, IS(0, AF_INET6), MASKED(1, type, SOCK_STREAM));
	return rc;
}

static int
allow(scmp_filter_ctx ctx, const struct call *call, enum sandbox_role role)
{
	int number = number_of(call);

	if (number < 0)
		return 0;
	switch (call->limit) {
	case TO_PEER:
		return allow_send(ctx, number);
	case PLAIN_OPEN:
		return allow_open(ctx, number, role);
	case PLAIN_FCNTL:
		return allow_fcntl(ctx, number, role);
	case NO_CODE:
		return ALLOW(1, MASKED(2, PROT_EXEC, 0));
	case A_THREAD:
		return ALLOW(1, MASKED(0, CLONE_THREAD, CLONE_THREAD));
	case TCP_SOCKET:
		return allow_socket(ctx, number);
	case ANY:
		break;
	}
	return ALLOW(0);
}

/*
 * A module of a vendor's makes calls that nobody has a list of. It may not have
 * processes, nor, unless it is said to need them, sockets but those of this
 * machine (a token reader's service has one). Arguments of clone3 cannot be
 * seen; without it the C library takes clone.
 */
static int
confine_module(scmp_filter_ctx ctx, enum sandbox_role role)
{
	static const char *const processes[] = { "fork", "vfork", "clone3" };
	int number, rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < 3; i++) {
		number = seccomp_syscall_resolve_name(processes[i]);
		if (number >= 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
			    number, 0);
	}
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(clone), 1, MASKED(0, CLONE_THREAD, 0));
	if (rc == 0 && role == SANDBOX_WORKER)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES),
		    SCMP_SYS(socket), 1, SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX));
	return rc;
}

/* The others have a list of what they may not do. */
static bool
has_list(enum sandbox_role role)
{
	return role == SANDBOX_MAIL || role == SANDBOX_KEYS ||
	    role == SANDBOX_APART || role == SANDBOX_SUBMIT;
}

static int
fill(scmp_filter_ctx ctx, enum sandbox_role role)
{
	const bool is_caged = role != SANDBOX_SUPERVISOR;
	size_t i;
	int number, rc = 0;

	for (i = 0; rc == 0 && i < INTRUDERS; i++) {
		number = seccomp_syscall_resolve_name(intruders[i]);
		if (number >= 0)
			rc = seccomp_rule_add(ctx, is_caged ?
			    SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM),
			    number, 0);
	}
	if (rc == 0 && (role == SANDBOX_WORKER ||
	    role == SANDBOX_WORKER_NETWORK))
		rc = confine_module(ctx, role);
	for (i = 0; rc == 0 && has_list(role) && i < ALLOWED; i++)
		if ((allowed[i].roles & 1U << role) != 0)
			rc = allow(ctx, &allowed[i], role);
	return rc;
}

bool
calls_can_close(void)
{
	return !SANDBOX_OPEN;
}

int
calls_close(enum sandbox_role role, struct smime_error *err)
{
	const uint32_t fallback = has_list(role) ? SCMP_ACT_ERRNO(ENOSYS) :
	    SCMP_ACT_ALLOW;
	scmp_filter_ctx ctx;
	int rc;

	if (SANDBOX_OPEN)
		return 0;
	if ((ctx = seccomp_init(fallback)) == NULL)
		return smime_error_setx(err, "no filter of system calls can "
		    "be made");
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* a tree instead of a list; libseccomp before 2.5 has the list */
	if (rc == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = fill(ctx, role);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc == 0)
		return 0;
	errno = -rc;
	return smime_error_set(err, "the filter of system calls");
}

#else	/* without libseccomp */

bool
calls_can_close(void)
{
	return false;
}

int
calls_close(enum sandbox_role role, struct smime_error *err)
{
	(void)role;
	(void)err;
	return 0;
}

unsigned
calls_count(enum sandbox_role role)
{
	(void)role;
	return 0;
}

#endif
