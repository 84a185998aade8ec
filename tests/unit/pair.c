/*
 * pair.c - see pair.h.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../../milter/connection.h"
#include "pair.h"

int near, far;

int
pair_open(int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type, 0, fds) == -1)
		return -1;
	near = fds[0];
	far = fds[1];
	readahead_begin(near);
	return 0;
}

int
pair_close(void **state)
{
	(void)state;
	close(near);
	if (far != -1)
		close(far);
	return 0;
}
