/*
 * connection.h - between readahead.c and gather.c, which stand between
 * libmilter and its connections.
 */
#ifndef SAMPUL_CONNECTION_H
#define SAMPUL_CONNECTION_H

#include <poll.h>
#include <stdbool.h>

/* Whether accept.c handed this descriptor over. */
bool	 readahead_has(int fd);
/* The C library's poll(). */
int	 poll_next(struct pollfd *fds, nfds_t count, int timeout);

/* libmilter asks whether it may write, and would wait so long. */
void	 gather_timeout(int timeout);
/* The connection is closed: what waits is wiped. */
void	 gather_forget(int fd);

#endif
