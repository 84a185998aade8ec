/*
 * test_mail.c - the mail process's socket at the moment when it is bound: whose
 * it is then, who may connect, and what is done with a file in its place.
 *
 * What stands here in place of smfi_opensocket binds, as libmilter does, and
 * looks: an MTA that connects before the process's own lchown(2) must meet the
 * same mode and group as later. There is no key process, and so the process
 * ends soon afterwards; what becomes of one that goes on is seen by tests/e2e.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmilter/mfapi.h>	/* before stdbool.h: its bool is int */

#include "../../milter/conf.h"
#include "../../milter/process.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"

static char dir[] = "/tmp/test_mail.XXXXXX";
static struct sockaddr_un place = { .sun_family = AF_UNIX };

/* What a child saw when it had bound the socket, by a pipe. */
static int report[2];
struct seen {
	mode_t	mode;
	gid_t	gid;
};

int
smfi_main(void)
{
	return MI_FAILURE;
}

int
smfi_opensocket(int remove_it)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct seen seen;
	struct stat st;

	if (remove_it)
		abort();	/* it would remove anything */
	if (bind(fd, (struct sockaddr *)&place, sizeof(place)) == -1 ||
	    listen(fd, 1) == -1 || lstat(place.sun_path, &st) == -1)
		return MI_FAILURE;
	seen.mode = st.st_mode & 07777;
	seen.gid = st.st_gid;
	return write(report[1], &seen, sizeof(seen)) == sizeof(seen) ?
	    MI_SUCCESS : MI_FAILURE;
}

/* --------------------------------------------------------------- helpers --- */

static struct conf *
configured(const char *settings, const char *mode)
{
	struct smime_error err = { "" };
	char path[sizeof(place.sun_path) + 8];
	struct conf *conf;
	FILE *file;

	snprintf(path, sizeof(path), "%s.conf", place.sun_path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "domains = [ \".example.org\" ];\n"
	    "milter = { socket = \"unix:%s\"; socket_mode = \"%s\"; };\n"
	    "verify = { enabled = false; };\n%s\n", place.sun_path, mode,
	    settings);
	assert_int_equal(fclose(file), 0);
	conf = conf_read(path, &err);
	unlink(path);
	if (conf == NULL)
		fail_msg("%s", err.text);
	return conf;
}

/* Runs the process; whether it bound the socket, and what it saw then. */
static bool
binds(const char *settings, const char *mode, struct seen *out)
{
	const struct channels none[JOINT_SUBMIT + 1] = { { NULL, 0 } };
	struct conf *conf = configured(settings, mode);
	bool bound;
	int status;
	pid_t pid;

	assert_int_equal(pipe(report), 0);
	if ((pid = fork()) == 0)
		_exit(mail_process(conf, -1, none));
	close(report[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 0);
	bound = read(report[0], out, sizeof(*out)) == sizeof(*out);
	close(report[0]);
	conf_unref(conf);
	return bound;
}

static gid_t
group_of(const char *name)
{
	const struct group *group = getgrnam(name);

	assert_non_null(group);
	return group->gr_gid;
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return -1;
	snprintf(place.sun_path, sizeof(place.sun_path), "%s/socket", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(place.sun_path);
	return rmdir(dir);
}

/* ----------------------------------------------------------------- tests --- */

/* Mode and group are there from the first moment (MTA-15). */
static void
test_bound_as_it_stays(void **state)
{
	static const struct {
		const char	*settings, *mode;
		mode_t		 want_mode;
		const char	*want_group;
	} rows[] = {
		{ "user = \"daemon\";", "0660", 0660, "daemon" },
		{ "user = \"daemon\"; socket_group = \"mail\";", "0660", 0660,
		    "mail" },
		{ "user = \"daemon\"; socket_group = \"mail\";", "0600", 0600,
		    "mail" },
		{ "user = \"daemon\"; socket_group = \"root\";", "0666", 0666,
		    "root" },
	};
	struct seen seen;
	struct stat st;
	size_t i;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s %s\n", rows[i].settings, rows[i].mode);
		assert_true(binds(rows[i].settings, rows[i].mode, &seen));
		assert_int_equal(seen.mode, rows[i].want_mode);
		assert_int_equal(seen.gid, group_of(rows[i].want_group));
		assert_int_equal(lstat(place.sun_path, &st), 0);
		assert_int_equal(st.st_mode & 07777, rows[i].want_mode);
		assert_int_equal(st.st_gid, seen.gid);
	}
}

/* A directory that hands its own group down does so to the socket, at first. */
static void
test_group_of_directory(void **state)
{
	struct seen seen;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(dir, (uid_t)-1, group_of("games")), 0);
	assert_int_equal(chmod(dir, 02755), 0);
	assert_true(binds("user = \"daemon\"; socket_group = \"mail\";",
	    "0660", &seen));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(lstat(place.sun_path, &st), 0);
	assert_int_equal(st.st_gid, group_of("mail"));
}

/* What a killed process left. */
static void
test_stale_is_removed(void **state)
{
	struct seen seen;

	(void)state;
	assert_true(binds("user = \"\";", "0660", &seen));
	assert_int_equal(access(place.sun_path, F_OK), 0);
	assert_true(binds("user = \"\";", "0660", &seen));
}

static void
test_served_is_left(void **state)
{
	struct seen seen;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	unlink(place.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&place, sizeof(place)),
	    0);
	assert_int_equal(listen(fd, 1), 0);
	assert_false(binds("user = \"\";", "0660", &seen));
	assert_int_equal(access(place.sun_path, F_OK), 0);
	close(fd);
}

/* Neither a file nor a link to a socket is ours to remove. */
static void
test_other_is_left(void **state)
{
	char other[sizeof(place.sun_path) + 8];
	struct seen seen;
	FILE *file;

	(void)state;
	snprintf(other, sizeof(other), "%s.other", place.sun_path);
	assert_int_equal(rename(place.sun_path, other), 0);
	assert_int_equal(symlink(other, place.sun_path), 0);
	assert_false(binds("user = \"\";", "0660", &seen));
	assert_int_equal(access(place.sun_path, F_OK), 0);
	unlink(place.sun_path);
	unlink(other);
	file = fopen(place.sun_path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_false(binds("user = \"\";", "0660", &seen));
	assert_int_equal(access(place.sun_path, F_OK), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_as_it_stays),
		cmocka_unit_test(test_group_of_directory),
		cmocka_unit_test(test_stale_is_removed),
		cmocka_unit_test(test_served_is_left),
		cmocka_unit_test(test_other_is_left),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
