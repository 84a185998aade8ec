/*
 * test_log.c - lines of the log: whole, printable, bounded (ATK-38).
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/log.h"

static int saved_stderr, file = -1;
static char got[16384];

/* stderr goes to a file of no name until captured() is called. */
static void
capture(void)
{
	char path[] = "/tmp/sampul-log-XXXXXX";

	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	file = mkstemp(path);
	assert_true(file != -1);
	unlink(path);
	dup2(file, STDERR_FILENO);
}

static const char *
captured(void)
{
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = pread(file, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	close(file);
	return got;
}

static void
want_line(const char *mark, const char *rest)
{
	char want[4096];

	snprintf(want, sizeof(want), "%ssampul-milter[%ld]: %s\n", mark,
	    (long)getpid(), rest);
	assert_string_equal(captured(), want);
}

static const struct {
	const char	*what;
	const char	*text;
	const char	*want;
} lines[] = {
	{ "plain", "4Fq1: action=sign", "info: 4Fq1: action=sign" },
	{ "line ends", "a\r\nb: forged", "info: a??b: forged" },
	{ "escape", "a\033[2Jb", "info: a?[2Jb" },
	{ "percent", "100%s%n", "info: 100%s%n" },
	{ "UTF-8", "caf\xc3\xa9", "info: caf??" },
	{ "DEL and tab", "a\x7f\tb", "info: a??b" },
};

static void
test_lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		capture();
		log_open("sampul-milter", true, LOG_LEVEL_INFO);
		log_info("%s", lines[i].text);
		want_line("", lines[i].want);
	}
}

static void
test_long_line(void **state)
{
	static char text[5000];
	const char *line;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	capture();
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	log_info("%s", text);
	line = captured();
	assert_true(strlen(line) < 2300);
	assert_string_equal(line + strlen(line) - 5, "a...\n");
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
test_levels(void **state)
{
	(void)state;
	capture();
	log_open("sampul-milter", true, LOG_LEVEL_WARNING);
	log_info("no");
	log_debug("no");
	log_warning("yes");
	want_line("", "warning: yes");

	capture();
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("no");
	log_error("yes");
	want_line("", "error: yes");

	/* What must be on record is, however quiet the log is. */
	capture();
	log_info("no");
	log_audit("audit: %d", 1);
	want_line("", "info: audit: 1");
}

static void
test_errno(void **state)
{
	(void)state;
	capture();
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	errno = ENOSPC;
	log_info("write: %m");
	assert_int_equal(errno, ENOSPC);
	want_line("", "info: write: No space left on device");

	/* also when nothing can be written */
	capture();
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("lost");
	assert_int_equal(errno, ENOSPC);
	captured();
}

/* systemd's journal reads priorities, but only where stderr is its own. */
static void
test_journal(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	capture();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	log_warning("x");
	want_line("<4>", "warning: x");

	setenv("JOURNAL_STREAM", "8:12345", 1);
	capture();
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	log_info("x");
	want_line("", "info: x");
	unsetenv("JOURNAL_STREAM");
}

/* Instead of the C library's: nobody needs to be behind /dev/log. */
static char sent[8192], sent_to[128];

ssize_t
sendto(int fd, const void *buf, size_t len, int flags,
    const struct sockaddr *to, socklen_t to_len)
{
	const struct sockaddr_un *name = (const void *)to;

	assert_int_equal(fd, log_descriptor());
	assert_int_equal(flags, MSG_NOSIGNAL);
	assert_int_equal(to_len, sizeof(*name));
	snprintf(sent, sizeof(sent), "%.*s", (int)len, (const char *)buf);
	snprintf(sent_to, sizeof(sent_to), "%s", name->sun_path);
	return (ssize_t)len;
}

/* As syslog(3) writes it; also what libmilter hands to that. */
static void
test_datagram(void **state)
{
	time_t now = time(NULL);
	char want[256], stamp[32];
	unsigned i;

	(void)state;
	log_open("sampul-milter/keys", false, LOG_LEVEL_INFO);
	assert_true(log_descriptor() != -1);
	for (i = 0; i < 3; i++) {
		strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S",
		    localtime(&now));
		switch (i) {
		case 0:
			log_info("one\nline");
			snprintf(want, sizeof(want), "<22>%s "
			    "sampul-milter/keys[%ld]: one?line", stamp,
			    (long)getpid());
			break;
		case 1:
			log_error("it");
			snprintf(want, sizeof(want), "<19>%s "
			    "sampul-milter/keys[%ld]: error: it", stamp,
			    (long)getpid());
			break;
		case 2:
			syslog(LOG_WARNING, "%s: no %d", "libmilter", 7);
			snprintf(want, sizeof(want), "<20>%s "
			    "sampul-milter/keys[%ld]: warning: libmilter: "
			    "no 7", stamp, (long)getpid());
			break;
		}
		/* the clock may have gone on by a second */
		if (strncmp(sent + 4, stamp, 15) != 0 && time(NULL) != now) {
			now = time(NULL);
			i--;
			continue;
		}
		assert_string_equal(sent, want);
		assert_string_equal(sent_to, "/dev/log");
	}
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	assert_int_equal(log_descriptor(), -1);
}

/* -d holds whatever a configuration says; the last test for that reason. */
static void
test_debug_always(void **state)
{
	(void)state;
	capture();
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	log_debug_always();
	log_set_level(LOG_LEVEL_ERROR);
	log_debug("yes");
	want_line("", "debug: yes");
	/* syslog has no reader here; it must not fail all the same */
	log_open("sampul-milter", false, LOG_LEVEL_INFO);
	log_info("to nobody");
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_datagram),
		cmocka_unit_test(test_debug_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
