/*
 * ends.c - see ends.h.
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"

void
ends_open(struct ends *ends, size_t count)
{
	int pair[2];
	size_t i;

	assert_in_range(count, 0, ENDS_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	ends->control = pair[0];
	ends->theirs_control = pair[1];
	for (i = 0; i < count; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET |
		    SOCK_CLOEXEC, 0, pair), 0);
		ends->channels[i] = pair[0];
		ends->theirs[i] = pair[1];
	}
}

pid_t
ends_fork(struct ends *ends, size_t count)
{
	pid_t pid;
	size_t i;

	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	close(pid == 0 ? ends->control : ends->theirs_control);
	for (i = 0; i < count; i++)
		close(pid == 0 ? ends->channels[i] : ends->theirs[i]);
	return pid;
}
