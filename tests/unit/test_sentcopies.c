/*
 * test_sentcopies.c - who has his copy already: once, for some days, for a
 * bounded number, and also after the process was killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/copying.h"
#include "seen_log.h"

#define NOW	1795000000
#define DAY	86400

static char dir[] = "/tmp/sampul-sent-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static const char *
file(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, SENT_FILE);
	return path;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(file());
	return rmdir(dir);
}

/* All of one set when set is given. */
static const unsigned char *
name(unsigned n, bool one_set)
{
	static unsigned char out[SENT_NAME_LEN];

	memset(out, 7, sizeof(out));
	if (!one_set) {
		out[0] = (unsigned char)(n * 31 >> 8);
		out[1] = (unsigned char)(n * 31);
	}
	memcpy(out + 4, &n, sizeof(n));
	return out;
}

static void
take(struct sent_copies *sent, unsigned n, bool one_set, time_t now)
{
	assert_int_equal(sent_begin(sent, name(n, one_set), now),
	    SENT_NOT_YET);
	sent_end(sent, name(n, one_set), true, now);
}

static void
test_states(void **state)
{
	struct sent_copies *sent = sent_new(NULL);

	(void)state;
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_NOT_YET);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_BUSY);
	assert_int_equal(sent_begin(sent, name(2, false), NOW), SENT_NOT_YET);
	sent_end(sent, name(1, false), false, NOW);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_NOT_YET);
	sent_end(sent, name(1, false), true, NOW);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_ALREADY);
	/* what was not begun is not ended */
	sent_end(sent, name(1, false), false, NOW);
	sent_end(sent, name(3, false), true, NOW);
	assert_int_equal(sent_begin(sent, name(1, false), NOW + 4 * DAY),
	    SENT_ALREADY);
	assert_int_equal(sent_begin(sent, name(3, false), NOW), SENT_NOT_YET);
	assert_int_equal(sent_begin(sent, name(1, false), NOW + 6 * DAY),
	    SENT_NOT_YET);
	sent_free(sent);
}

/* The oldest goes, but never what is under way. */
static void
test_bounded(void **state)
{
	struct sent_copies *sent = sent_new(NULL);
	unsigned n;

	(void)state;
	assert_int_equal(sent_begin(sent, name(100, true), NOW),
	    SENT_NOT_YET);
	for (n = 0; n < 20; n++)
		take(sent, n, true, NOW + n);
	for (n = 5; n < 20; n++)
		assert_int_equal(sent_begin(sent, name(n, true), NOW + 20),
		    SENT_ALREADY);
	assert_int_equal(sent_begin(sent, name(100, true), NOW), SENT_BUSY);
	for (n = 200; n < 215; n++)
		assert_int_equal(sent_begin(sent, name(n, true), NOW + 30),
		    SENT_NOT_YET);
	assert_int_equal(sent_begin(sent, name(300, true), NOW), SENT_BUSY);
	sent_free(sent);
	/* many are kept at a time */
	sent = sent_new(NULL);
	for (n = 0; n < 8000; n++)
		take(sent, n, false, NOW);
	for (n = 0; n < 8000; n++)
		assert_int_equal(sent_begin(sent, name(n, false), NOW),
		    SENT_ALREADY);
	sent_free(sent);
}

static void
test_file(void **state)
{
	struct sent_copies *sent = sent_new(dir);
	struct stat st;

	(void)state;
	take(sent, 1, false, NOW);
	assert_int_equal(sent_begin(sent, name(2, false), NOW), SENT_NOT_YET);
	sent_sync(sent);
	assert_int_equal(stat(file(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	sent_free(sent);		/* as a kill would leave it */
	sent = sent_new(dir);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_ALREADY);
	assert_int_equal(sent_begin(sent, name(2, false), NOW), SENT_NOT_YET);
	/* a clock that has gone back by more than a day */
	assert_int_equal(sent_begin(sent, name(1, false), NOW - 2 * DAY),
	    SENT_NOT_YET);
	sent_free(sent);
}

/* One that is not whole, or no file, is no reason not to go on. */
static void
test_damaged(void **state)
{
	struct sent_copies *sent;
	struct stat st;
	off_t whole;

	(void)state;
	assert_int_equal(stat(file(), &st), 0);
	whole = st.st_size;
	assert_int_equal(truncate(file(), whole / 2), 0);
	sent = sent_new(dir);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_NOT_YET);
	sent_free(sent);
	assert_int_equal(stat(file(), &st), 0);
	assert_int_equal(st.st_size, whole);
	assert_int_equal(unlink(file()), 0);
	assert_int_equal(symlink("/etc/passwd", file()), 0);
	seen_log_clear();
	sent = sent_new(dir);
	assert_int_equal(seen_log_count("cannot be used"), 1);
	take(sent, 1, false, NOW);
	assert_int_equal(sent_begin(sent, name(1, false), NOW), SENT_ALREADY);
	sent_free(sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("sentcopies", tests, setup,
	    teardown);
}
