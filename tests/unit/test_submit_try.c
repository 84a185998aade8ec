/*
 * test_submit_try.c - whether libcurl could be loaded, asked of a library that
 * is there, missing, deadly or endless. smtp_load and the clock of a child's
 * life are ours here.
 */
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"

enum library { THERE, MISSING, LONG, DEADLY, SILENT, ENDLESS };

static enum library library;
static unsigned loaded, patience;

/* ------------------------------------------------------------ replaced --- */

int
smtp_load(struct smime_error *err)
{
	char text[2 * SMIME_ERROR_MAX];

	loaded++;
	switch (library) {
	case THERE:
		return 0;
	case MISSING:
		return smime_error_setx(err, "no \x1b[2J library; install "
		    "libcurl4");
	case LONG:
		memset(text, 'x', sizeof(text));
		text[sizeof(text) - 1] = '\0';
		return smime_error_setx(err, "%s", text);
	case DEADLY:
		/* as the cage does; sanitizers keep SIGSEGV to themselves */
		signal(SIGSYS, SIG_DFL);
		raise(SIGSYS);
		break;
	case SILENT:
		_exit(0);
	case ENDLESS:
		for (;;)
			pause();
	}
	return 0;
}

bool
smtp_is_built(void)
{
	return true;
}

/* A hundredth of the time, where it is waited for. */
unsigned
alarm(unsigned seconds)
{
	const struct itimerval until = library == ENDLESS ?
	    (struct itimerval){ .it_value.tv_usec = seconds * 10000L } :
	    (struct itimerval){ .it_value.tv_sec = seconds };

	patience = seconds;
	return (unsigned)setitimer(ITIMER_REAL, &until, NULL);
}

/* ---------------------------------------------------------------- tests --- */

static const struct {
	enum library	 library;
	const char	*says;		/* NULL: well */
} rows[] = {
	{ THERE, NULL },
	{ MISSING, "no ?[2J library; install libcurl4" },
	{ LONG, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" },
	{ DEADLY, "loading libcurl ended the process that tried it" },
	{ SILENT, "loading libcurl ended the process that tried it" },
	{ ENDLESS, "or took more than 30 s" },
};

static void
try_all(void)
{
	char nobody[] = "";
	const struct conf conf = { .submit_user = nobody };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smime_error err = { "" };
		int rc;

		library = rows[i].library;
		rc = submit_try(&conf, &err);
		if (rc != (rows[i].says == NULL ? 0 : -1) ||
		    (rows[i].says != NULL &&
		    strstr(err.text, rows[i].says) == NULL))
			fail_msg("%zu: %d \"%s\"", i, rc, err.text);
		/* all of it was in a child, and that has been waited for */
		assert_int_equal(loaded, 0);
		assert_int_equal(patience, 0);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
}

static void
test_libraries(void **state)
{
	(void)state;
	try_all();
}

/* Where whoever started us left the ends of children ignored. */
static void
test_ignored_ends(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	try_all();
	signal(SIGCHLD, SIG_DFL);
}

/* A user that there is not is told of, and nothing is loaded as root. */
static void
test_user(void **state)
{
	char nobody[] = "no-such-user";
	const struct conf conf = { .submit_user = nobody };
	struct smime_error err = { "" };

	(void)state;
	if (geteuid() != 0)
		skip();
	library = THERE;
	assert_int_equal(submit_try(&conf, &err), -1);
	assert_string_equal(err.text, "there is no user \"no-such-user\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_ignored_ends),
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests_name("submit_try", tests, NULL, NULL);
}
