/*
 * readahead.c - reads what an MTA sends in large pieces.
 *
 * libmilter reads each packet of the milter protocol with two calls of read()
 * and puts three calls of poll() around them. An MTA sends two packets for a
 * header field (its macros come along), and where the no-reply steps were
 * negotiated they all arrive together: a message of 4 KiB with 14 fields then
 * took 170 system calls, more time than everything we do with it but the
 * signature. As with accept() (see accept.c), libmilter calls these functions
 * by name, and a program that defines them is called instead of the C library.
 *
 * So a connection that accept.c hands over has a buffer: read() fills it with
 * what there is and gives out of it, and poll() says at once that there is
 * something to read while it holds anything, or said so before and nothing was
 * read since. Other descriptors, and all calls
 * of libc's own, go to the C library as ever. The buffer goes when it is empty,
 * so that a connection at rest costs no memory.
 *
 * A connection is read by one thread at a time (libmilter hands it over under
 * a lock), and close() forgets the buffer before the descriptor can be used
 * anew; the pointers are atomic for the poll() of libmilter's controlling
 * thread, which may hold other descriptors as well.
 */
#undef _FORTIFY_SOURCE		/* it would have inline functions of the names
				 * that are defined here */
#include <sys/syscall.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "connection.h"

#define DESCRIPTORS	16384	/* those above are read without a buffer */
#define AHEAD		16384	/* octets */

struct ahead {
	size_t		 at;
	size_t		 have;
	unsigned char	 octets[AHEAD];
};

static atomic_bool	watched[DESCRIPTORS];
static atomic_bool	ready[DESCRIPTORS];	/* said poll(), before read() */
static atomic_bool	bulk[DESCRIPTORS];	/* a piece of a large body came last */
static _Atomic(struct ahead *) buffers[DESCRIPTORS];

/* The C library's, or those of a sanitizer that is linked between. */
static ssize_t	(*next_read)(int, void *, size_t);
static int	(*next_poll)(struct pollfd *, nfds_t, int);
static int	(*next_close)(int);

/*
 * Before main(), hence before there are threads. dlsym returns an object
 * pointer, POSIX says how a function pointer is made of it.
 */
__attribute__((constructor))
static void
find_next(void)
{
	*(void **)&next_read = dlsym(RTLD_NEXT, "read");
	*(void **)&next_poll = dlsym(RTLD_NEXT, "poll");
	*(void **)&next_close = dlsym(RTLD_NEXT, "close");
}

bool
readahead_has(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS && atomic_load_explicit(
	    &watched[fd], memory_order_acquire);
}

static bool
holds_something(int fd)
{
	return readahead_has(fd) && (atomic_load_explicit(&ready[fd],
	    memory_order_relaxed) || atomic_load_explicit(&buffers[fd],
	    memory_order_acquire) != NULL);
}

/* The buffer holds somebody's mail. */
static void
forget(int fd)
{
	struct ahead *ahead = atomic_exchange(&buffers[fd], NULL);

	if (ahead == NULL)
		return;
	OPENSSL_cleanse(ahead->octets, ahead->have);
	free(ahead);
}

void
readahead_begin(int fd)
{
	if (fd < 0 || fd >= DESCRIPTORS)
		return;
	forget(fd);
	atomic_store(&ready[fd], false);
	atomic_store(&bulk[fd], false);
	atomic_store(&watched[fd], true);
}

static ssize_t
read_next(int fd, void *buf, size_t len)
{
	if (next_read == NULL)
		return syscall(SYS_read, fd, buf, len);
	return next_read(fd, buf, len);
}

/* There is a buffer, and it is not empty. */
static ssize_t
take(int fd, struct ahead *ahead, void *buf, size_t len)
{
	size_t n = ahead->have - ahead->at;

	if (n > len)
		n = len;
	memcpy(buf, ahead->octets + ahead->at, n);
	ahead->at += n;
	if (ahead->at == ahead->have)
		forget(fd);
	return (ssize_t)n;
}

/*
 * Fills a buffer, unless what comes is a large body: its pieces need no second
 * copy, and neither do the few octets between two of them.
 */
static ssize_t
read_or_fill(int fd, void *buf, size_t len)
{
	struct ahead *ahead;
	ssize_t got;

	if (len >= AHEAD) {
		got = read_next(fd, buf, len);
		atomic_store_explicit(&bulk[fd], got == (ssize_t)len,
		    memory_order_relaxed);
		return got;
	}
	if (atomic_exchange_explicit(&bulk[fd], false, memory_order_relaxed) ||
	    (ahead = malloc(sizeof(*ahead))) == NULL)
		return read_next(fd, buf, len);
	got = read_next(fd, ahead->octets, AHEAD);
	if (got <= 0) {
		free(ahead);
		return got;
	}
	ahead->at = 0;
	ahead->have = (size_t)got;
	atomic_store_explicit(&buffers[fd], ahead, memory_order_release);
	return take(fd, ahead, buf, len);
}

ssize_t
read(int fd, void *buf, size_t len)
{
	struct ahead *ahead;

	if (!readahead_has(fd))
		return read_next(fd, buf, len);
	atomic_store_explicit(&ready[fd], false, memory_order_relaxed);
	ahead = atomic_load_explicit(&buffers[fd], memory_order_acquire);
	return ahead != NULL ? take(fd, ahead, buf, len) :
	    read_or_fill(fd, buf, len);
}

int
poll_next(struct pollfd *fds, nfds_t count, int timeout)
{
	if (next_poll == NULL) {
		errno = ENOSYS;
		return -1;
	}
	return next_poll(fds, count, timeout);
}

/*
 * libmilter's threads pass a connection on from one to another; before and
 * after it is with one, that one asks for this descriptor alone. libmilter has
 * locks around this, but ThreadSanitizer is told to see nothing of what
 * libmilter calls (tests/tsan.supp): here it learns the order.
 */
static void
pass_on(int fd)
{
	bool is = true;

	if (readahead_has(fd))
		(void)atomic_compare_exchange_strong(&watched[fd], &is, true);
}

/*
 * libmilter asks for one connection twice before each packet. (Not inlined: the
 * C library declares what poll() gets as only written to, and gcc believes it.)
 */
__attribute__((noinline))
static int
poll_one(struct pollfd *one, int timeout)
{
	int rc;

	if (!readahead_has(one->fd))
		return poll_next(one, 1, timeout);
	pass_on(one->fd);
	/* Asked before each writev, which sees to it itself. */
	if (one->events == POLLOUT) {
		gather_timeout(timeout);
		one->revents = POLLOUT;
		return 1;
	}
	if ((one->events & POLLIN) != 0 && holds_something(one->fd)) {
		one->revents = POLLIN;
		return 1;
	}
	rc = poll_next(one, 1, timeout);
	if (rc == 1 && one->revents == POLLIN)
		atomic_store_explicit(&ready[one->fd], true,
		    memory_order_relaxed);
	return rc;
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	nfds_t i;
	int has = 0, rc;

	if (count == 1)
		return poll_one(fds, timeout);
	for (i = 0; i < count; i++)
		if ((fds[i].events & POLLIN) != 0 && holds_something(fds[i].fd))
			has++;
	if (has == 0)
		return poll_next(fds, count, timeout);
	rc = poll_next(fds, count, 0);
	if (rc == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if ((fds[i].events & POLLIN) == 0 ||
		    !holds_something(fds[i].fd))
			continue;
		if (fds[i].revents == 0)
			rc++;
		fds[i].revents |= POLLIN;
	}
	return rc;
}

int
close(int fd)
{
	if (readahead_has(fd)) {
		atomic_store(&watched[fd], false);
		atomic_store(&ready[fd], false);
		forget(fd);
		gather_forget(fd);
	}
	if (next_close == NULL)
		return (int)syscall(SYS_close, fd);
	return next_close(fd);
}
