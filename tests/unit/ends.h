/*
 * ends.h - the sockets that join a process of the product to whoever asks it,
 * as the supervisor makes them.
 */
#ifndef SAMPUL_TEST_ENDS_H
#define SAMPUL_TEST_ENDS_H

#include <stddef.h>
#include <sys/types.h>

#define ENDS_MAX	4

struct ends {
	int	 control, theirs_control;
	int	 channels[ENDS_MAX], theirs[ENDS_MAX];
};

/* So many channels. */
void	 ends_open(struct ends *ends, size_t count);
/* Forks; the child, where 0 is returned, has its own ends alone, and so has
 * the test. */
pid_t	 ends_fork(struct ends *ends, size_t count);

#endif
