/*
 * test_audit.c - the trail of key uses: form of a line, log rotation, failures.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/keys/audit.h"
#include "../../smime/smime.h"
#include "seen_log.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"

static char dir[] = "/tmp/sampul-audit.XXXXXX";
static char file[64], other[64], user[] = "";
static struct conf conf = { .audit_file = file, .key_user = user };
static const unsigned char value[SMIME_DIGEST_MAX] = { 0xde, 0xad, 0xbe, 0xef };

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	umask(077);	/* as the key process's */
	snprintf(file, sizeof(file), "%s/audit.log", dir);
	snprintf(other, sizeof(other), "%s/audit.log.1", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(file);
	unlink(other);
	return rmdir(dir);
}

/* Each test begins with an empty trail. */
static int
fresh(void **state)
{
	struct smime_error err = { "" };

	(void)state;
	unlink(file);
	unlink(other);
	conf.audit_file = file;
	if (audit_open(&conf, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	return 0;
}

static char *
contents(const char *path)
{
	static char buf[65536];
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd != -1) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static int
one(const char *queue_id, struct smime_error *err)
{
	return audit_signed(queue_id, BUDI, "0A1B", SMIME_SHA256, value, err);
}

static void
must_match(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB),
	    0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("got \"%s\", wanted %s", text, pattern);
	regfree(&regex);
}

static void
test_line(void **state)
{
	struct smime_error err = { "" };
	struct stat st;

	(void)state;
	setenv("TZ", "WIB-7", 1);
	tzset();
	assert_int_equal(one("4F2A", &err), 0);
	must_match(contents(file), "^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T"
	    "[0-9:]{8}\\+07:00 queue_id=4F2A address=" BUDI " serial=0A1B "
	    "digest=sha-256:deadbeef0{56}\n$");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(audit_signed("X", BUDI, "0A", SMIME_SHA384, value,
	    &err), 0);
	must_match(contents(file), "\n.*digest=sha-384:deadbeef0{88}\n$");
}

/* Nothing that a request holds can begin a line or a field of its own. */
static void
test_hostile_text(void **state)
{
	struct smime_error err = { "" };

	(void)state;
	assert_int_equal(audit_signed("A\nB serial=1", "x@y z\r", "\x1b[2J",
	    SMIME_SHA256, value, &err), 0);
	must_match(contents(file), "^time=[^ ]* queue_id=A\\?B\\?serial=1 "
	    "address=x@y\\?z\\? serial=\\?\\[2J digest=sha-256:[0-9a-f]*\n$");
	assert_int_equal(audit_signed("", "", "", SMIME_SHA256, value, &err),
	    0);
	must_match(contents(file), "\ntime=[^ ]* queue_id=- address=- "
	    "serial=- digest=[^ ]*\n$");
}

/* logrotate(8): renamed away, or another file in its place. */
static void
test_rotation(void **state)
{
	struct smime_error err = { "" };
	int fd;

	(void)state;
	assert_int_equal(one("ONE", &err), 0);
	assert_int_equal(rename(file, other), 0);
	assert_int_equal(one("TWO", &err), 0);
	must_match(contents(other), "^[^\n]*queue_id=ONE[^\n]*\n$");
	must_match(contents(file), "^[^\n]*queue_id=TWO[^\n]*\n$");
	assert_int_equal(rename(file, other), 0);
	fd = open(file, O_CREAT | O_WRONLY | O_EXCL, 0640);
	close(fd);
	assert_int_equal(one("THREE", &err), 0);
	must_match(contents(file), "^[^\n]*queue_id=THREE[^\n]*\n$");
}

/* A full disk, seen as a file size limit: refused, and no torn line stays. */
static void
test_full_disk(void **state)
{
	struct smime_error err = { "" };
	struct rlimit was, small;
	size_t len;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(one("ONE", &err), 0);
	len = strlen(contents(file));
	getrlimit(RLIMIT_FSIZE, &was);
	small = was;
	small.rlim_cur = len + 10;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(one("TORN", &err), -1);
	assert_non_null(strstr(err.text, "only a part"));
	err.text[0] = '\0';
	assert_int_equal(one("NONE", &err), -1);
	assert_non_null(strstr(err.text, "cannot write"));
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(one("AFTER", &err), 0);
	must_match(contents(file), "^[^\n]*ONE[^\n]*\ntime=.{5}\n"
	    "time=[^\n]*queue_id=AFTER[^\n]*\n$");
}

static int
make_link(void)
{
	return symlink("/dev/null", file);
}

static int
make_fifo(void)
{
	return mkfifo(file, 0600);
}

static int
make_folder(void)
{
	return mkdir(file, 0700);
}

/* Neither at the start nor when the trail is followed to a new file. */
static void
test_not_a_file(void **state)
{
	static const struct {
		const char	*what;
		int		(*make)(void);
	} cases[] = {
		{ "a symbolic link", make_link },
		{ "a FIFO without a reader", make_fifo },
		{ "a folder", make_folder },
	};
	struct smime_error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		remove(file);
		assert_int_equal(cases[i].make(), 0);
		err.text[0] = '\0';
		if (audit_open(&conf, &err) != -1)
			fail_msg("%s was opened", cases[i].what);
		assert_non_null(strstr(err.text, "cannot open the audit"));
		err.text[0] = '\0';
		if (one("X", &err) != -1)
			fail_msg("%s was written to", cases[i].what);
		remove(file);
	}
}

/* A configuration that cannot be used leaves the trail as it was. */
static void
test_reload(void **state)
{
	struct smime_error err = { "" };
	char bad[128];

	(void)state;
	snprintf(bad, sizeof(bad), "%s/no/such", dir);
	conf.audit_file = bad;
	assert_int_equal(audit_open(&conf, &err), -1);
	assert_int_equal(one("STILL", &err), 0);
	must_match(contents(file), "STILL");
	conf.audit_file = other;
	assert_int_equal(audit_open(&conf, &err), 0);
	assert_int_equal(one("OTHER", &err), 0);
	must_match(contents(other), "^[^\n]*OTHER[^\n]*\n$");
}

static void
test_syslog_only(void **state)
{
	static char none[] = "";
	struct smime_error err = { "" };

	(void)state;
	conf.audit_file = none;
	assert_int_equal(audit_open(&conf, &err), 0);
	seen_log_clear();
	assert_int_equal(one("LOG", &err), 0);
	must_match(seen_log(), "^info: audit: time=[^\n]*queue_id=LOG[^\n]*"
	    "\n$");
	assert_string_equal(contents(file), "");
}

static void *
write_many(void *arg)
{
	struct smime_error err = { "" };
	int i;

	(void)arg;
	for (i = 0; i < 50; i++)
		if (one("THREADED", &err) != 0)
			return arg;
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[4];
	void *failed;
	size_t i;
	char *p;

	(void)state;
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, write_many, threads);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	for (i = 0, p = contents(file); *p != '\0'; i++) {
		if (strncmp(p, "time=", 5) != 0)
			fail_msg("a torn line: %.60s", p);
		p = strchr(p, '\n') + 1;
	}
	assert_int_equal(i, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line, fresh),
		cmocka_unit_test_setup(test_hostile_text, fresh),
		cmocka_unit_test_setup(test_rotation, fresh),
		cmocka_unit_test_setup(test_full_disk, fresh),
		cmocka_unit_test_setup(test_not_a_file, fresh),
		cmocka_unit_test_setup(test_reload, fresh),
		cmocka_unit_test_setup(test_syslog_only, fresh),
		cmocka_unit_test_setup(test_threads, fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
