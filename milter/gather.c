/*
 * gather.c - sends an MTA in one piece what it is told at the end of a message.
 *
 * libmilter writes each change of a header field, each piece of a body and the
 * answer behind them by a system call of its own, and asks poll() before each
 * whether it may. The MTA is woken by every one of them, reads it, and waits for
 * the next: for a signed message of 4 KiB six times, which took longer than all
 * that we do with it but the signature. As with read() (see readahead.c),
 * libmilter calls writev() by name, and is given this one.
 *
 * A packet that changes a message waits here until one comes that is none, or
 * until there is no room. Nothing is lost by that: the MTA does nothing with a
 * change before the answer, whose failure the caller sees. A note that we are
 * at work (smfi_progress) is no change, and goes at once.
 *
 * A connection belongs to one thread at a time.
 */
#undef _FORTIFY_SOURCE		/* as in readahead.c */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <dlfcn.h>
#include <errno.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "connection.h"

#define DESCRIPTORS	16384	/* those above are written to at once */
#define ROOM		32768	/* octets */
#define HEAD		5	/* of a packet: length (4), command */
#define PARTS_MAX	8

struct gathered {
	size_t		 len;
	unsigned char	 octets[ROOM];
};

static _Atomic(struct gathered *) waiting[DESCRIPTORS];
static atomic_int	patience = -1;	/* milliseconds */
static ssize_t	(*next_writev)(int, const struct iovec *, int);

__attribute__((constructor))
static void
find_next(void)
{
	*(void **)&next_writev = dlsym(RTLD_NEXT, "writev");
}

static ssize_t
writev_next(int fd, const struct iovec *parts, int count)
{
	if (next_writev == NULL)
		return syscall(SYS_writev, fd, parts, count);
	return next_writev(fd, parts, count);
}

void
gather_timeout(int timeout)
{
	atomic_store(&patience, timeout);
}

void
gather_forget(int fd)
{
	struct gathered *gathered;

	if (fd < 0 || fd >= DESCRIPTORS)
		return;
	gathered = atomic_exchange(&waiting[fd], NULL);
	if (gathered == NULL)
		return;
	OPENSSL_cleanse(gathered->octets, gathered->len);
	free(gathered);
}

static bool
is_change(const struct iovec *parts, int count)
{
	if (count < 1 || parts[0].iov_len != HEAD)
		return false;
	switch (((const char *)parts[0].iov_base)[HEAD - 1]) {
	case SMFIR_ADDHEADER:
	case SMFIR_INSHEADER:
	case SMFIR_CHGHEADER:
	case SMFIR_REPLBODY:
	case SMFIR_DELRCPT:
	case SMFIR_QUARANTINE:
		return true;
	default:
		return false;
	}
}

static size_t
total(const struct iovec *parts, int count)
{
	size_t len = 0;
	int i;

	for (i = 0; i < count; i++)
		len += parts[i].iov_len;
	return len;
}

/* False when there is no room for it. */
static bool
keep(int fd, const struct iovec *parts, int count)
{
	struct gathered *gathered = atomic_load(&waiting[fd]);
	int i;

	if (gathered == NULL) {
		if ((gathered = malloc(sizeof(*gathered))) == NULL)
			return false;
		gathered->len = 0;
		atomic_store(&waiting[fd], gathered);
	}
	if (total(parts, count) > sizeof(gathered->octets) - gathered->len)
		return false;
	for (i = 0; i < count; i++) {
		if (parts[i].iov_len == 0)
			continue;
		memcpy(gathered->octets + gathered->len, parts[i].iov_base,
		    parts[i].iov_len);
		gathered->len += parts[i].iov_len;
	}
	return true;
}

static int
wait_for_room(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	int rc;

	do {
		rc = poll_next(&one, 1, atomic_load(&patience));
	} while (rc == -1 && errno == EINTR);
	if (rc == 0)
		errno = ETIMEDOUT;
	return rc == 1 ? 0 : -1;
}

/* What has room at once. */
static ssize_t
send_now(int fd, struct iovec *parts, int count)
{
	const struct msghdr message = { .msg_iov = parts,
	    .msg_iovlen = (size_t)count };

	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * All of it; -1 with errno. Changes parts. There is nearly always room: it is
 * asked for when there was none.
 */
static int
write_all(int fd, struct iovec *parts, int count)
{
	ssize_t n;

	for (;;) {
		for (; count > 0 && parts->iov_len == 0; count--)
			parts++;
		if (count == 0)
			return 0;
		n = send_now(fd, parts, count);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN && wait_for_room(fd) == 0)
			continue;
		if (n == -1)
			return -1;
		for (; count > 0 && (size_t)n >= parts->iov_len; count--)
			n -= (ssize_t)parts++->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
}

/* What waits, and this behind it. */
static ssize_t
send_together(int fd, const struct iovec *parts, int count)
{
	struct gathered *gathered = atomic_load(&waiting[fd]);
	struct iovec all[PARTS_MAX];
	int n = 0, rc;

	if (gathered != NULL && gathered->len > 0) {
		all[n].iov_base = gathered->octets;
		all[n++].iov_len = gathered->len;
	}
	memcpy(all + n, parts, (size_t)count * sizeof(*parts));
	rc = write_all(fd, all, n + count);
	gather_forget(fd);
	return rc == -1 ? -1 : (ssize_t)total(parts, count);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	if (!readahead_has(fd) || fd >= DESCRIPTORS || count < 0 ||
	    count >= PARTS_MAX)
		return writev_next(fd, parts, count);
	if (is_change(parts, count) && keep(fd, parts, count))
		return (ssize_t)total(parts, count);
	return send_together(fd, parts, count);
}
