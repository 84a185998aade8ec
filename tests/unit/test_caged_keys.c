/*
 * test_caged_keys.c - the key process as it is, with its filters: who may look
 * into it, what is locked, and key files that are replaced while it signs.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/keys/unlock.h"
#include "../../milter/process.h"
#include "../../smime/smime.h"
#include "caged.h"
#include "watched.h"

static int
try_trace(pid_t pid, const char *user)
{
	struct passwd *pw = user != NULL ? getpwnam(user) : NULL;
	int status;
	pid_t child;

	fflush(NULL);
	if ((child = fork()) == 0) {
		if (pw != NULL && (setgid(pw->pw_gid) == -1 ||
		    setuid(pw->pw_uid) == -1))
			_exit(2);
		_exit(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Neither the mail process's user nor its own may look into it. */
static void
test_not_traceable(void **state)
{
	struct caged running;

	(void)state;
	if (geteuid() != 0)
		skip();		/* takes two users */
	caged_start(&running, key_process);
	caged_await(&running);
	assert_int_equal(try_trace(running.pid, "news"), 0);
	assert_int_equal(try_trace(running.pid, "uucp"), 0);
	/* and root, outside, may: the attempt is a real one */
	assert_int_equal(try_trace(running.pid, NULL), 1);
	assert_int_equal(caged_end(&running), 0);
}

/* A core would hold keys. */
static void
test_no_core(void **state)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct caged running;
	size_t i;
	int status;

	(void)state;
	if (IS_SANITIZED)
		skip();		/* which takes SIGSEGV for itself */
	(void)setrlimit(RLIMIT_CORE, &all);
	caged_start(&running, key_process);
	caged_await(&running);
	kill(running.pid, SIGSEGV);
	assert_int_equal(waitpid(running.pid, &status, 0), running.pid);
	for (i = 0; i < CAGED_CHANNELS; i++)
		close(running.channels[i]);
	close(running.control);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_false(WCOREDUMP(status));
}

/* A figure of /proc/PID/status, in KiB. */
static long
status_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			value = atol(line + strlen(name));
	fclose(f);
	return value;
}

/* ------------------------------------------------------- locked memory --- */

/*
 * Where the limit of locked memory cannot be raised, root may still lock what
 * it likes (CAP_IPC_LOCK). The process that is to show it then keeps this one
 * capability over the change of its user, and is told that there is no limit;
 * the locking is the product's and the kernel's.
 */
static bool unlimited;

/* A sanitizer has a thread of its own, which would stay what it was. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
int
getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	int rc = (int)syscall(SYS_prlimit64, 0, resource, NULL, limit);

	if (rc == 0 && unlimited && resource == RLIMIT_MEMLOCK)
		limit->rlim_cur = limit->rlim_max = RLIM_INFINITY;
	return rc;
}

int
setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
	    0 };
	struct __user_cap_data_struct kept[2] = {
	    { 1U << CAP_IPC_LOCK, 1U << CAP_IPC_LOCK, 0 }, { 0, 0, 0 } };

	if (unlimited)
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (syscall(SYS_setresuid, ruid, euid, suid) == -1)
		return -1;
	return unlimited ? (int)syscall(SYS_capset, &head, kept) : 0;
}
#endif

static int
unlimited_keys(struct conf *conf, int control,
    const struct channels *channels)
{
	unlimited = true;
	return key_process(conf, control, channels);
}

/* KiB of anonymous memory in use, of all mappings or of those not locked. */
static long
anonymous(pid_t pid, bool unlocked)
{
	long total = 0, one = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/smaps", (long)pid);
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "Anonymous:", 10) == 0)
			one = atol(line + 10);
		else if (strncmp(line, "VmFlags:", 8) == 0 && one > 0 &&
		    !(unlocked && strstr(line, " lo") != NULL))
			total += one;
	}
	fclose(f);
	return total;
}

static bool
can_raise(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &all) == 0;
}

/* What it has touched of its own is locked, what came with serving, too. */
static void
test_locked(void **state)
{
	struct key_answer answer;
	struct caged running;
	long locked, touched, loose;
	unsigned i;

	(void)state;
	if (IS_SANITIZED)
		skip();		/* whose shadow would be locked as well */
	if (geteuid() != 0 && !can_raise())
		skip();		/* by nobody but root, then */
	caged_start(&running, can_raise() ? key_process : unlimited_keys);
	caged_await(&running);
	for (i = 0; i < 50; i++) {
		caged_ask(&running, &answer);
		assert_int_equal(answer.status, KEY_SIGNED);
		key_answer_clear(&answer);
	}
	locked = status_of(running.pid, "VmLck:");
	touched = anonymous(running.pid, false);
	loose = anonymous(running.pid, true);
	assert_int_equal(caged_end(&running), 0);
	print_message("VmLck %ld KiB, touched %ld KiB, not locked of it %ld "
	    "KiB\n", locked, touched, loose);
	assert_true(touched > 0);
	assert_true(locked >= touched);
	assert_int_equal(loose, 0);
}

/* ------------------------------------------------------- replaced keys --- */

#define REPLACEMENTS	60	/* SAMPUL_REPLACEMENTS=1000 in make soak */
#define SIGNINGS	10	/* for each */
#define PAIRS		5
#define PATIENCE_MS	100000	/* for each 60 */

/* Between the two processes. */
static struct {
	atomic_long	replaced;
	atomic_long	made;		/* signatures */
} *shared;

/* As long as an editor or a copy might take between two files. */
static void
rest(void)
{
	static const useconds_t times[] = { 0, 0, 300, 2000 };

	usleep(times[random() % 4]);
}

static const char *
random_file(bool other)
{
	static int first;

	if (!other)
		first = (int)(random() % 2);
	return (first == 0) == other ? "cert.pem" : "key.pem";
}

static void
both(const char *pair, bool in_place, bool removed)
{
	const char *file;
	int i;

	for (i = 0; i < 2; i++) {
		file = random_file(i == 1);
		if (removed) {
			store_remove(BUDI, "2026", file);
			rest();
		}
		store_replace(BUDI, "2026", pair, file, in_place);
		rest();
	}
}

static void
over(const char *pair)
{
	both(pair, true, false);
}

static void
renamed(const char *pair)
{
	both(pair, false, false);
}

static void
removed(const char *pair)
{
	both(pair, false, true);
}

static void
forget(const char *folder)
{
	store_remove(BUDI, folder, "cert.pem");
	store_remove(BUDI, folder, "key.pem");
	assert_int_equal(rmdir(store_path(BUDI, folder, NULL)), 0);
}

/* The folder becomes another between two system calls. */
static void
at_once(const char *pair)
{
	store_put(BUDI, ".new", pair);
	assert_int_equal(renameat2(AT_FDCWD, store_path(BUDI, ".new", NULL),
	    AT_FDCWD, store_path(BUDI, "2026", NULL), RENAME_EXCHANGE), 0);
	forget(".new");
}

/* As sampulctl does: the new one comes, then the old one goes. */
static void
beside(const char *pair)
{
	store_put(BUDI, ".new", pair);
	assert_int_equal(rename(store_path(BUDI, ".new", NULL),
	    store_path(BUDI, "2027", NULL)), 0);
	rest();
	assert_int_equal(rename(store_path(BUDI, "2026", NULL),
	    store_path(BUDI, ".old", NULL)), 0);
	forget(".old");
	assert_int_equal(rename(store_path(BUDI, "2027", NULL),
	    store_path(BUDI, "2026", NULL)), 0);
}

/* By the keystore's owner, spread over the signings. */
static void __attribute__((noreturn))
replace(long count)
{
	static void (*const ways[])(const char *pair) = { over, renamed,
	    removed, at_once, beside };
	const struct passwd *pw = getpwnam(CAGED_KEYS);
	char pair[16];
	long i;

	if (geteuid() == 0 && (pw == NULL || setgid(pw->pw_gid) == -1 ||
	    setuid(pw->pw_uid) == -1))
		_exit(2);
	/* a change of user clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	srandom(20261126);
	for (i = 0; i < count; i++) {
		while (atomic_load(&shared->made) < i * SIGNINGS)
			usleep(100);
		snprintf(pair, sizeof(pair), "pair%ld", i % PAIRS);
		ways[(i / PAIRS + i) % 5](pair);
		atomic_store(&shared->replaced, i + 1);
	}
	_exit(0);
}

static void
make_pairs(void)
{
	char name[16];
	int i;

	for (i = 0; i < PAIRS; i++) {
		snprintf(name, sizeof(name), "pair%d", i);
		pki_make("mailbox", BUDI, i % 2 == 0 ? "p256" : "rsa2048",
		    pki_path("%s", name), "ok", NULL);
		caged_give(CAGED_KEYS, pki_path("%s", name));
	}
	/* where store_replace makes the file that it renames */
	caged_give(CAGED_KEYS, pki_path("."));
}

/* Signed by the certificate in it, or answered temporarily; which. */
static bool
is_signed(struct caged *running)
{
	unsigned char value[32];
	struct smime_error err = { "" };
	struct key_answer answer;
	bool made;

	memset(value, 0x5a, sizeof(value));
	caged_ask(running, &answer);
	made = answer.status == KEY_SIGNED;
	if (!made && answer.status != KEY_FAULT)
		fail_msg("status %d: %s", (int)answer.status, answer.reason);
	if (made && signature_check(answer.der, answer.der_len, SMIME_SHA256,
	    value, BUDI, false, time(NULL), NULL, &err) != 0)
		fail_msg("another's signature: %s", err.text);
	key_answer_clear(&answer);
	return made;
}

static void
test_replaced(void **state)
{
	const char *wanted = getenv("SAMPUL_REPLACEMENTS");
	long count = wanted != NULL ? atol(wanted) : REPLACEMENTS;
	long made = 0, faults = 0;
	const int64_t until = steady_ms() + PATIENCE_MS * (count / 60 + 1);
	struct caged running;
	pid_t replacer;
	int status;

	(void)state;
	make_pairs();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	caged_start(&running, key_process);
	caged_await(&running);
	fflush(NULL);
	if ((replacer = fork()) == 0)
		replace(count);
	while (made < count * SIGNINGS ||
	    atomic_load(&shared->replaced) < count) {
		if (is_signed(&running))
			atomic_store(&shared->made, ++made);
		else
			faults++;
		if (steady_ms() > until)
			fail_msg("%ld of %ld signatures after so long", made,
			    count * SIGNINGS);
		if (waitpid(replacer, &status, WNOHANG) == replacer &&
		    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
			fail_msg("the replacer failed: %x", status);
	}
	assert_true(is_signed(&running));
	assert_int_equal(caged_end(&running), 0);
	print_message("%ld replacements, %ld signatures by the certificate in "
	    "them, %ld temporary failures\n", count, made, faults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_traceable),
		cmocka_unit_test(test_no_core),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_replaced),
	};

	return cmocka_run_group_tests(tests, caged_setup, pki_teardown);
}
