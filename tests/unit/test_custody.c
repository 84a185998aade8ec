/*
 * test_custody.c - sub-commands that change keys on disk, cut off at every
 * point: this program's own calls of the functions below end the process when
 * their turn comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "../../milter/conf.h"
#include "../../milter/ctl/ctl.h"
#include "../../milter/keys/keystore.h"
#include "../../smime/smime.h"
#include "fixture.h"
#include "store.h"
#include "watched.h"

#define ENDED_HERE	99
#define POINTS_MAX	200

static int cut_at = -1;		/* calls still to come; -1 never */
static bool fail_instead;	/* with EIO, and all after it */

/* Before each change of the disk, and so after the one before. */
static bool
point(void)
{
	if (cut_at == -1)
		return false;
	if (cut_at > 0) {
		cut_at--;
		return false;
	}
	if (!fail_instead)
		_exit(ENDED_HERE);
	errno = EIO;
	return true;
}

int
fsync(int fd)
{
	return point() ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fchmod(int fd, mode_t mode)
{
	return point() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return point() ? -1 : (int)syscall(SYS_renameat2, from_fd, from,
	    to_fd, to, 0);
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
unlinkat(int fd, const char *name, int flags)
{
	return point() ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

off_t
lseek(int fd, off_t offset, int whence)
{
	return point() ? -1 : (off_t)syscall(SYS_lseek, fd, offset, whence);
}

#define OLD	"the passphrase as it was, and long enough"

static char conf_file[512], passphrase_file[512], next_file[600];

static void
write_conf(const char *keystore)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nlanguage = \"en\";\n"
	    "user = \"\";\nkey_user = \"\";\n"
	    "milter = { socket = \"unix:/tmp/none.sock\"; };\n"
	    "audit = { file = \"%s\"; };\n"
	    "keystore = { dir = \"%s\"; anchors_dir = \"%s\";\n"
	    "  intermediates_dir = \"%s\"; %s };\n",
	    pki_path("audit.log"), pki_path("keystore"), pki_path("anchors"),
	    pki_path("intermediates"), keystore);
	write_whole(conf_file, text, strlen(text));
}

/* Runs a sub-command in a fork; its status, ENDED_HERE when it was cut off. */
static int
run(int cut, bool fail, const char *const *words)
{
	struct ctl ctl = { .file = conf_file };
	static const struct command command = { "x", NULL, "", "" };
	char *argv[8];
	int argc, status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (argc = 0; words[argc] != NULL; argc++)
			argv[argc] = (char *)(uintptr_t)words[argc];
		argv[argc] = NULL;
		if (freopen("/dev/null", "w", stdout) == NULL ||
		    freopen(pki_path("err"), "w", stderr) == NULL)
			_exit(98);
		ctl.command = &command;
		cut_at = cut;
		fail_instead = fail;
		optind = 0;
		status = strcmp(words[0], "suspend") == 0 ?
		    cmd_suspend(&ctl, argc, argv) :
		    strcmp(words[0], "resume") == 0 ?
		    cmd_resume(&ctl, argc, argv) :
		    strcmp(words[0], "rekey") == 0 ?
		    cmd_rekey(&ctl, argc, argv) :
		    cmd_destroy(&ctl, argc, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
run_words(const char *a, const char *b, const char *c, const char *d)
{
	const char *words[] = { a, b, c, d, NULL };

	return run(-1, false, words);
}

static unsigned
recorded(const char *text)
{
	unsigned count = 0;
	char *trail, *p;
	size_t len;

	if (access(pki_path("audit.log"), F_OK) != 0)
		return 0;
	trail = read_whole(pki_path("audit.log"), &len);
	for (p = trail; (p = memmem(p, len - (size_t)(p - trail), text,
	    strlen(text))) != NULL; p++)
		count++;
	free(trail);
	return count;
}

/* What a keystore opened just now says: "" signs, else why not. */
static const char *
why_not(bool *missing)
{
	static struct smime_error err;
	const struct keystore_identity *identity;
	struct conf *conf = store_conf();
	struct keystore *store;

	err.text[0] = '\0';
	store = keystore_open(conf, NULL, 0, &err);
	assert_non_null(store);
	identity = keystore_find(store, BUDI, time(NULL), missing, &err);
	keystore_release(store, identity);
	keystore_close(store);
	return identity != NULL ? "" : err.text;
}

static void
make_locked(const char *name, const char *address, const char *passphrase)
{
	char file[512];

	snprintf(file, sizeof(file), "%s", pki_path("wanted"));
	write_whole(file, passphrase, strlen(passphrase));
	pki_make("mailbox", address, "p256", pki_path("%s", name), "ok", NULL);
	pki_make("encrypt", pki_path("%s", name), file, NULL);
}

static int
setup(void **state)
{
	if (store_setup(state) != 0)
		return -1;
	snprintf(conf_file, sizeof(conf_file), "%s", pki_path("sampul.conf"));
	pki_make("mailbox", BUDI, "p256", pki_path("one"), "ok", NULL);
	pki_make("mailbox", BUDI, "p256", pki_path("two"), "ok", NULL);
	snprintf(passphrase_file, sizeof(passphrase_file), "%s",
	    pki_path("passphrase"));
	snprintf(next_file, sizeof(next_file), "%s.new", passphrase_file);
	make_locked("one-locked", BUDI, OLD);
	make_locked("two-locked", BUDI, OLD);
	make_locked("siti-locked", SITI, OLD);
	make_locked("one-owned", "ani@dinkes.pekalongankab.go.id",
	    "frasa sandi Ani");
	return 0;
}

static int
each_setup(void **state)
{
	(void)state;
	store_empty();
	unlink(pki_path("audit.log"));
	write_conf("insecure_unencrypted_keys = true;");
	return 0;
}

/* -------------------------------------------------------------- tests --- */

static void
test_suspend(void **state)
{
	bool missing;

	(void)state;
	assert_int_equal(run_words("suspend", BUDI, NULL, NULL), EX_NOINPUT);
	store_put(BUDI, "a", "one");
	assert_string_equal(why_not(&missing), "");
	assert_int_equal(run_words("suspend", "--reason", "a \"b\" c", BUDI),
	    0);
	assert_string_equal(why_not(&missing), "the mailbox is suspended");
	assert_true(missing);
	assert_int_equal(recorded("event=suspend address=" BUDI " by="), 1);
	assert_int_equal(recorded("result=done reason=\"a 'b' c\"\n"), 1);
	/* what comes later is suspended too */
	store_put(BUDI, "b", "two");
	assert_string_equal(why_not(&missing), "the mailbox is suspended");
	/* twice is once */
	assert_int_equal(run_words("suspend", BUDI, NULL, NULL), 0);
	assert_int_equal(recorded("event="), 1);
	assert_int_equal(run_words("resume", BUDI, NULL, NULL), 0);
	assert_string_equal(why_not(&missing), "");
	assert_int_equal(recorded("event=resume"), 1);
	assert_int_equal(run_words("resume", BUDI, NULL, NULL), 0);
	assert_int_equal(recorded("event="), 2);
}

/* A store that is open meanwhile knows with the next look. */
static void
test_suspend_open(void **state)
{
	const struct keystore_identity *identity;
	struct smime_error err = { "" };
	struct keystore *store;
	bool missing;
	int i;

	(void)state;
	store_put(BUDI, "a", "one");
	store = keystore_open(store_conf(), NULL, 0, &err);
	for (i = 0; i < 3; i++) {
		assert_int_equal(run_words("resume", BUDI, NULL, NULL), 0);
		identity = keystore_find(store, BUDI, time(NULL), &missing,
		    &err);
		assert_non_null(identity);
		keystore_release(store, identity);
		assert_int_equal(run_words("suspend", BUDI, NULL, NULL), 0);
		identity = keystore_find(store, BUDI, time(NULL), &missing,
		    &err);
		assert_null(identity);
		assert_true(missing);
	}
	keystore_close(store);
}

/* A note that somebody else could have put there is a fault of ours. */
static void
test_suspend_untrusted(void **state)
{
	bool missing;

	(void)state;
	store_put(BUDI, "a", "one");
	assert_int_equal(run_words("suspend", BUDI, NULL, NULL), 0);
	assert_int_equal(chmod(store_path(BUDI, NULL, "suspended"), 0666), 0);
	assert_non_null(strstr(why_not(&missing), "0666"));
	assert_false(missing);
}

/* Cut off, it is suspended or not; then resumed, it signs. */
static void
test_suspend_cut(void **state)
{
	const char *suspend[] = { "suspend", BUDI, NULL };
	const char *resume[] = { "resume", BUDI, NULL };
	const char *why;
	bool missing, fail;
	int n, status;

	(void)state;
	store_put(BUDI, "a", "one");
	for (fail = false;; fail = true) {
		for (n = 0; n < POINTS_MAX; n++) {
			status = run(n, fail, suspend);
			why = why_not(&missing);
			assert_true(*why == '\0' || missing);
			if (status == 0)
				assert_string_not_equal(why, "");
			run(n, fail, resume);
			assert_int_equal(run(-1, false, resume), 0);
			assert_string_equal(why_not(&missing), "");
			if (status == 0)
				break;
		}
		assert_in_range(n, 3, POINTS_MAX - 1);
		if (fail)
			break;
	}
}

static void
serial_of(const char *name, char *out)
{
	X509 *cert = pki_mailbox_cert(name);

	cert_serial(cert, out, SERIAL_TEXT_MAX + 1);
	X509_free(cert);
}

/* No octet of the key's file is left under any name we know. */
static void
assert_destroyed(const char *folder)
{
	assert_int_equal(access(store_path(BUDI, folder, "key.pem"), F_OK),
	    -1);
	assert_int_equal(access(store_path(BUDI, folder, "cert.pem"), F_OK),
	    0);
	assert_int_equal(access(store_path(BUDI, folder, "destroyed"), F_OK),
	    0);
}

static void
test_destroy(void **state)
{
	char serial[SERIAL_TEXT_MAX + 1], colons[4 * SERIAL_TEXT_MAX];
	char *octets;
	size_t i, n, len;
	bool missing;

	(void)state;
	store_put(BUDI, "a", "one");
	store_put(BUDI, "b", "two");
	serial_of("one", serial);
	assert_int_equal(run_words("destroy", "--yes", BUDI, "01"),
	    EX_DATAERR);
	assert_int_equal(link(store_path(BUDI, "a", "key.pem"),
	    pki_path("other-name")), 0);
	for (i = n = 0; serial[i] != '\0'; i++) {
		if (i > 0 && i % 2 == 0)
			colons[n++] = ':';
		colons[n++] = (char)(serial[i] | (serial[i] >= 'A' ? 0x20 : 0));
	}
	colons[n] = '\0';
	assert_int_equal(run_words("destroy", "--yes", BUDI, colons), 0);
	assert_destroyed("a");
	octets = read_whole(pki_path("other-name"), &len);
	assert_true(len > 100);
	assert_null(memmem(octets, len, "PRIVATE", 7));
	free(octets);
	unlink(pki_path("other-name"));
	assert_int_equal(recorded("event=destroy"), 2);
	assert_int_equal(recorded("result=begun"), 1);
	assert_int_equal(recorded("result=done"), 1);
	assert_int_equal(recorded(serial), 2);
	assert_string_equal(why_not(&missing), "");	/* the other */
	/* again: nothing to do, and by the folder's name */
	assert_int_equal(run_words("destroy", "--yes", BUDI, "a"), 0);
	assert_int_equal(run_words("destroy", "--yes", BUDI, "b"), 0);
	assert_destroyed("b");
	/* no key of ours is missing: it is no fault */
	assert_non_null(strstr(why_not(&missing), "was destroyed"));
	assert_true(missing);
}

static void
test_destroy_unasked(void **state)
{
	const char *words[] = { "destroy", BUDI, "a", NULL };
	pid_t pid;
	int status;
	bool missing;

	(void)state;
	store_put(BUDI, "a", "one");
	/* in a session of its own there is no terminal */
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setsid();
		_exit(run(-1, false, words) == EX_NOPERM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(why_not(&missing), "");
	assert_int_equal(recorded("event="), 0);
}

/*
 * Cut off, the key signs, or it is on record that it is going; run again it is
 * gone, and on record as gone.
 */
static void
test_destroy_cut(void **state)
{
	const char *words[] = { "destroy", "--yes", BUDI, "a", NULL };
	bool missing, fail;
	const char *why;
	int n, status;

	(void)state;
	for (fail = false;; fail = true) {
		for (n = 0; n < POINTS_MAX; n++) {
			store_empty();
			unlink(pki_path("audit.log"));
			store_put(BUDI, "a", "one");
			status = run(n, fail, words);
			why = why_not(&missing);
			if (*why != '\0') {
				assert_true(missing);
				assert_true(recorded("result=begun") >= 1);
			}
			if (status == 0)
				assert_destroyed("a");
			assert_int_equal(run(-1, false, words), 0);
			assert_destroyed("a");
			assert_true(recorded("result=done") >= 1);
			if (status == 0)
				break;
		}
		assert_in_range(n, 5, POINTS_MAX - 1);
		if (fail)
			break;
	}
}

/* Without a record nothing is destroyed and nothing resumed. */
static void
test_no_record(void **state)
{
	bool missing;

	(void)state;
	store_put(BUDI, "a", "one");
	assert_int_equal(mkdir(pki_path("audit.log"), 0700), 0);
	assert_int_equal(run_words("destroy", "--yes", BUDI, "a"), EX_IOERR);
	assert_string_equal(why_not(&missing), "");
	/* what stops signing happens all the same, and says so */
	assert_int_equal(run_words("suspend", BUDI, NULL, NULL), EX_IOERR);
	assert_string_equal(why_not(&missing), "the mailbox is suspended");
	assert_int_equal(run_words("resume", BUDI, NULL, NULL), EX_IOERR);
	assert_string_equal(why_not(&missing), "the mailbox is suspended");
	rmdir(pki_path("audit.log"));
}

/* --------------------------------------------------------------- rekey --- */

/* Two mailboxes of three, one key more is its owner's; OLD opens them. */
static void
fill(void)
{
	char text[1024];

	store_empty();
	unlink(pki_path("audit.log"));
	unlink(next_file);
	store_put(BUDI, "a", "one-locked");
	store_put(BUDI, "b", "two-locked");
	store_put(SITI, "a", "siti-locked");
	store_put("ani@dinkes.pekalongankab.go.id", "a", "one-owned");
	store_touch("ani@dinkes.pekalongankab.go.id", "a", "owner");
	write_whole(passphrase_file, OLD "\n", strlen(OLD) + 1);
	assert_int_equal(chmod(passphrase_file, 0600), 0);
	snprintf(text, sizeof(text), "passphrase_file = \"%s\";",
	    passphrase_file);
	write_conf(text);
}

struct seen {
	unsigned	usable, locked, other;
};

static int
count(void *arg, const struct keystore_entry *entry)
{
	struct seen *seen = arg;

	if (entry->state == ENTRY_USABLE && entry->encrypted)
		seen->usable++;
	else if (entry->state == ENTRY_LOCKED)
		seen->locked++;
	else
		seen->other++;
	return 0;
}

/* Every key opens, by what a daemon that starts now would read; alone: by the
 * passphrase of the configuration without the next one. */
static void
assert_all_open(bool alone, const char *what, int n)
{
	struct seen seen = { 0, 0, 0 };
	struct smime_error err = { "" };
	struct conf *conf = fixture_read(conf_file);
	char *passphrase = NULL;
	struct keystore *store;
	size_t len = 0;

	if (alone) {
		assert_int_equal(keystore_passphrase(conf, &passphrase, &len,
		    &err), 0);
		store = keystore_open(conf, passphrase, len, &err);
		OPENSSL_clear_free(passphrase, len);
	} else {
		store = keystore_open_conf(conf, &err);
	}
	if (store == NULL)
		fail_msg("%s at %d: %s", what, n, err.text);
	keystore_each(store, NULL, true, time(NULL), count, &seen, &err);
	if (seen.usable != 3 || seen.locked != 1 || seen.other != 0)
		fail_msg("%s at %d: %u usable, %u locked, %u other", what, n,
		    seen.usable, seen.locked, seen.other);
	keystore_close(store);
	conf_unref(conf);
}

static bool
passphrase_is(const char *text)
{
	size_t len;
	char *buf = read_whole(passphrase_file, &len);
	bool is = len >= strlen(text) && memcmp(buf, text, strlen(text)) == 0;

	free(buf);
	return is;
}

static void
test_rekey(void **state)
{
	const char *words[] = { "rekey", "--offline", NULL };
	const char *to_file[] = { "rekey", "--offline",
	    "--new-passphrase-file", NULL, NULL };
	char file[512];

	(void)state;
	fill();
	assert_int_equal(run_words("rekey", NULL, NULL, NULL), EX_CONFIG);
	assert_int_equal(run(-1, false, words), 0);
	assert_false(passphrase_is(OLD));
	assert_int_equal(access(next_file, F_OK), -1);
	assert_all_open(true, "by a random one", 0);
	assert_int_equal(recorded("event=rekey"), 2);
	assert_int_equal(recorded("result=done reason=\"changed 3, had it 0, "
	    "owners' 1, failed 0\""), 1);
	snprintf(file, sizeof(file), "%s", pki_path("wanted"));
	write_whole(file, OLD "\n", strlen(OLD) + 1);
	to_file[3] = file;
	assert_int_equal(run(-1, false, to_file), 0);
	assert_true(passphrase_is(OLD));
	assert_all_open(true, "by a given one", 0);
	/* to itself */
	assert_int_equal(run(-1, false, to_file), EX_NOINPUT);
	assert_all_open(true, "by the same", 0);
}

/* Cut off, or failing from there on, at every point; where that would take half
 * an hour, at every seventh. */
static void
test_rekey_cut(void **state)
{
	const char *words[] = { "rekey", "--offline", NULL };
	const int step = is_in_valgrind() ? 7 : 1;
	bool fail;
	int n, status;

	(void)state;
	for (fail = false;; fail = true) {
		for (n = 0; n < POINTS_MAX; n += step) {
			fill();
			status = run(n, fail, words);
			assert_all_open(false, fail ? "failing" : "cut", n);
			if (status == 0)
				assert_all_open(true, "done", n);
			assert_int_equal(run(-1, false, words), 0);
			assert_all_open(true, "in the end", n);
			assert_int_equal(access(next_file, F_OK), -1);
			if (status == 0)
				break;
		}
		assert_in_range(n, 15, POINTS_MAX - 1);
		if (fail)
			break;
	}
}

/* A key that neither opens keeps both passphrases; the others are changed. */
static void
test_rekey_bad(void **state)
{
	const char *words[] = { "rekey", "--offline", NULL };
	const char *to_file[] = { "rekey", "--offline",
	    "--new-passphrase-file", NULL, NULL };
	char file[512];

	(void)state;
	fill();
	store_put(SITI, "b", "one-owned");	/* without the mark */
	assert_int_equal(run(-1, false, words), EX_DATAERR);
	assert_true(passphrase_is(OLD));
	assert_int_equal(access(next_file, F_OK), 0);
	assert_int_equal(recorded("result=unfinished"), 1);
	/* not to yet another one meanwhile */
	snprintf(file, sizeof(file), "%s", pki_path("wanted"));
	write_whole(file, "another one\n", 12);
	to_file[3] = file;
	assert_int_equal(run(-1, false, to_file), EX_NOINPUT);
	store_touch(SITI, "b", "destroyed");
	assert_int_equal(run(-1, false, words), 0);
	assert_false(passphrase_is(OLD));
	assert_int_equal(recorded("result=resumed"), 1);
	assert_int_equal(recorded("changed 0, had it 3"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_suspend, each_setup),
		cmocka_unit_test_setup(test_suspend_open, each_setup),
		cmocka_unit_test_setup(test_suspend_untrusted, each_setup),
		cmocka_unit_test_setup(test_suspend_cut, each_setup),
		cmocka_unit_test_setup(test_destroy, each_setup),
		cmocka_unit_test_setup(test_destroy_unasked, each_setup),
		cmocka_unit_test_setup(test_destroy_cut, each_setup),
		cmocka_unit_test_setup(test_no_record, each_setup),
		cmocka_unit_test_setup(test_rekey, each_setup),
		cmocka_unit_test_setup(test_rekey_cut, each_setup),
		cmocka_unit_test_setup(test_rekey_bad, each_setup),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
