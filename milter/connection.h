/*
 * connection.h - what stands between libmilter and its connections.
 */
#ifndef SAMPUL_CONNECTION_H
#define SAMPUL_CONNECTION_H

#include <poll.h>
#include <stdbool.h>

#include "../smime/smime.h"

/* ------------------------------------------------------------ accept.c --- */

/*
 * libmilter has no ceiling on connections and spins on EMFILE: accept.c
 * defines accept(), which libmilter then calls instead of libc's.
 */
int	 accept_limits(unsigned max_connections, unsigned negotiate_timeout,
	    struct smime_error *err);
/* From now on every connection is closed as soon as it is there. */
void	 accept_no_more(void);
/* For the log: connections now, and refused since the last call. */
void	 accept_counts(unsigned *open, unsigned *refused);

/* --------------------------------------------------------- readahead.c --- */

/*
 * From now on, until close(), what libmilter reads from this descriptor is
 * read ahead: readahead.c defines read(), poll() and close(), which libmilter
 * then calls instead of libc's.
 */
void	 readahead_begin(int fd);
/* Whether accept.c handed this descriptor over. */
bool	 readahead_has(int fd);
/* The C library's poll(). */
int	 poll_next(struct pollfd *fds, nfds_t count, int timeout);

/* ------------------------------------------------------------ gather.c --- */

/* libmilter asks whether it may write, and would wait so long. */
void	 gather_timeout(int timeout);
/* The connection is closed: what waits is wiped. */
void	 gather_forget(int fd);

#endif
