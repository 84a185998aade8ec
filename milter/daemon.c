/*
 * daemon.c - into the background, and the pid file.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "supervise.h"

static int report_fd = -1;
static int pid_fd = -1;

/* The starter's end: exits as the daemon reports, or as it died. */
static void __attribute__((noreturn))
await_report(int fd, pid_t child)
{
	unsigned char status = EX_TEMPFAIL;
	ssize_t n;

	while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
		continue;
	while ((n = read(fd, &status, 1)) == -1 && errno == EINTR)
		continue;
	_exit(n == 1 ? status : EX_TEMPFAIL);
}

/* Twice forked: a session without a terminal that can never get one. */
static int
detach(struct smime_error *err)
{
	int fd;
	pid_t pid;

	if (setsid() == -1)
		return smime_error_set(err, "setsid");
	if ((pid = fork()) == -1)
		return smime_error_set(err, "fork");
	if (pid > 0)
		_exit(0);
	if (chdir("/") == -1)
		return smime_error_set(err, "chdir to /");
	if ((fd = open("/dev/null", O_RDWR)) == -1)
		return smime_error_set(err, "/dev/null");
	if (dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1 ||
	    dup2(fd, STDERR_FILENO) == -1)
		return smime_error_set(err, "/dev/null");
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int
daemon_start(struct smime_error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return smime_error_set(err, "pipe");
	fflush(NULL);
	if ((pid = fork()) == -1) {
		smime_error_set(err, "fork");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid > 0) {
		close(fds[1]);
		await_report(fds[0], pid);
	}
	close(fds[0]);
	report_fd = fds[1];
	return detach(err);
}

void
daemon_report(int status)
{
	unsigned char octet = (unsigned char)status;

	if (report_fd == -1)
		return;
	while (write(report_fd, &octet, 1) == -1 && errno == EINTR)
		continue;
	close(report_fd);
	report_fd = -1;
}

/*
 * The lock, not the file, says that a supervisor lives; the kernel lets it go
 * with the last process that has the descriptor. O_NOFOLLOW: the directory may
 * belong to somebody else.
 */
int
daemon_lock_pid_file(const char *file, struct smime_error *err)
{
	struct stat st;
	int fd;

	if (file[0] == '\0')
		return 0;
	fd = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
	    0644);
	if (fd == -1)
		return smime_error_set(err, "pid_file: %s", file);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		return smime_error_setx(err,
		    "pid_file: %s: not a plain file", file);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		close(fd);
		return smime_error_setx(err, "pid_file: %s is held by another "
		    "sampul-milter", file);
	}
	pid_fd = fd;
	return 0;
}

int
daemon_write_pid(struct smime_error *err)
{
	if (pid_fd == -1)
		return 0;
	if (ftruncate(pid_fd, 0) == -1 || fchmod(pid_fd, 0644) == -1 ||
	    dprintf(pid_fd, "%ld\n", (long)getpid()) < 0)
		return smime_error_set(err, "pid_file");
	return 0;
}

void
daemon_remove_pid_file(const char *file)
{
	if (pid_fd == -1)
		return;
	unlink(file);
	close(pid_fd);
	pid_fd = -1;
}

void
daemon_close(void)
{
	if (report_fd != -1)
		close(report_fd);
	if (pid_fd != -1)
		close(pid_fd);
	report_fd = pid_fd = -1;
}
