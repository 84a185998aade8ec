/*
 * accept.c - which connections libmilter gets to see, and when.
 *
 * libmilter has no ceiling on connections, spins when descriptors run out
 * (the listening socket stays readable), and keeps a connection that never
 * says anything for as long as the MTA may be silent, hours by default, before
 * any callback of ours could look at it. What it does offer is that it calls
 * accept() by name: a program that defines the function is called instead of
 * the C library.
 *
 * libmilter polls its listening descriptor and calls accept() when that is
 * readable. On the first such call the socket is moved to a descriptor of our
 * own, and an eventfd is put in its place, which libmilter then polls. A
 * thread here accepts, keeps a connection until its first octets are there,
 * and lifts the eventfd when libmilter may have it. A connection over the
 * ceiling is closed at once, one that stays silent after negotiate_timeout;
 * the MTA takes either as a temporary failure.
 *
 * How many connections are open is not counted by closings, of which libmilter
 * does not tell reliably (one xxfi_close for each SMFIC_QUIT_NC, too): every
 * connection handed over is remembered by its descriptor and its inode, which
 * no two sockets share, and the list is swept when it is full. So the cost of
 * a sweep is spread over as many connections as it finds gone.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "connection.h"
#include "log.h"

#define QUIET_MAX	256	/* connections waited for */
#define TICK		1000	/* milliseconds; libmilter looks whether it
				 * was told to stop when we wake it */
#define BACK_OFF	100	/* milliseconds without descriptors */
#define TURN_AWAY_MAX	64	/* before connections are looked at again */
#define COMPLAIN	60000	/* milliseconds from one warning to the next */

struct given {			/* a connection that libmilter has */
	int		 fd;
	uint64_t	 inode;
};

struct waiting {		/* one that is ours still */
	int			 fd;
	struct sockaddr_storage	 address;
	socklen_t		 address_len;
	int64_t			 until;		/* milliseconds */
};

static struct {
	pthread_mutex_t	 lock;
	atomic_bool	 closed;
	unsigned	 max;
	int64_t		 patience;	/* milliseconds */
	int		 event;		/* readable: ready has some */
	int		 listener;	/* -1 until the first accept() */
	int		 spare;		/* given up to turn one away */
	struct given	*given;
	size_t		 given_count;
	struct waiting	*ready;		/* a ring of max */
	size_t		 ready_first;
	size_t		 ready_count;
	struct waiting	 quiet[QUIET_MAX];	/* the thread's alone */
	size_t		 quiet_count;
	unsigned	 refused;	/* since accept_counts */
	unsigned	 turned_away;	/* since the last warning */
	int64_t		 complained;
} front = { .lock = PTHREAD_MUTEX_INITIALIZER, .event = -1, .listener = -1,
	.spare = -1 };

static int
open_spare(void)
{
	return fcntl(front.event, F_DUPFD_CLOEXEC, 3);
}

int
accept_limits(unsigned max_connections, unsigned negotiate_timeout,
    struct smime_error *err)
{
	front.max = max_connections > 0 ? max_connections : 1;
	front.patience = (int64_t)negotiate_timeout * 1000;
	front.given = calloc(front.max, sizeof(*front.given));
	front.ready = calloc(front.max, sizeof(*front.ready));
	if (front.given == NULL || front.ready == NULL)
		return smime_error_set(err, "room for connections");
	if ((front.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return smime_error_set(err, "eventfd");
	if ((front.spare = open_spare()) == -1)
		return smime_error_set(err, "a spare descriptor");
	return 0;
}

void
accept_no_more(void)
{
	atomic_store(&front.closed, true);
}

/* ----------------------------------------------------------- the count --- */

/*
 * 0 when the descriptor is closed or no socket. It may be closed at any moment
 * by libmilter; what was found is then out of date by one sweep.
 */
static uint64_t
inode_of(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &st) == -1 ||
	    !S_ISSOCK(st.stx_mode))
		return 0;
	return st.stx_ino;
}

/* With the lock held. */
static void
sweep(void)
{
	size_t i, kept = 0;

	for (i = 0; i < front.given_count; i++)
		if (inode_of(front.given[i].fd) == front.given[i].inode)
			front.given[kept++] = front.given[i];
	front.given_count = kept;
}

/* Whether there is room for one more; with the lock held. */
static bool
has_room(void)
{
	size_t held = front.ready_count + front.quiet_count;

	if (front.given_count + held >= front.max)
		sweep();
	return front.given_count + held < front.max;
}

void
accept_counts(unsigned *open, unsigned *refused)
{
	pthread_mutex_lock(&front.lock);
	sweep();
	*open = (unsigned)(front.given_count + front.ready_count +
	    front.quiet_count);
	*refused = front.refused;
	front.refused = 0;
	pthread_mutex_unlock(&front.lock);
}

/* ---------------------------------------------------------- the thread --- */

static void
wake_libmilter(void)
{
	const uint64_t one = 1;

	/* EAGAIN: it is as readable as it can be. */
	while (write(front.event, &one, sizeof(one)) == -1 && errno == EINTR)
		;
}

static void
turn_away(int fd)
{
	int64_t now = monotonic_ms();

	/* Counted first: who sees the end may ask for the count. */
	front.turned_away++;
	pthread_mutex_lock(&front.lock);
	front.refused++;
	pthread_mutex_unlock(&front.lock);
	close(fd);
	if (front.complained != 0 && now - front.complained < COMPLAIN)
		return;
	log_warning("%u connections turned away: the ceiling is %u, or "
	    "descriptors are short", front.turned_away, front.max);
	front.complained = now;
	front.turned_away = 0;
}

static void
give_up(size_t which)
{
	int fd = front.quiet[which].fd;

	pthread_mutex_lock(&front.lock);
	front.quiet[which] = front.quiet[--front.quiet_count];
	pthread_mutex_unlock(&front.lock);
	log_debug("a connection that said nothing is closed");
	close(fd);
}

/* An MTA speaks at once: who has been silent longest makes room for others. */
static void
give_up_oldest(void)
{
	size_t i, oldest = 0;

	for (i = 1; i < front.quiet_count; i++)
		if (front.quiet[i].until < front.quiet[oldest].until)
			oldest = i;
	give_up(oldest);
}

static bool
room_for_one(void)
{
	bool room;

	pthread_mutex_lock(&front.lock);
	room = has_room();
	pthread_mutex_unlock(&front.lock);
	if (front.quiet_count == 0 || (room && front.quiet_count < QUIET_MAX))
		return room;
	give_up_oldest();
	return true;
}

/*
 * No descriptor is free. Who has said nothing yet gives up his. If there is
 * nobody, the spare one is given up to accept those who wait and close them,
 * so that their MTAs need not wait for a time-out.
 */
static void
accept_without_descriptors(void)
{
	const struct timespec pause = { 0, BACK_OFF * 1000000L };
	unsigned i;
	int fd;

	if (front.quiet_count > 0) {
		give_up_oldest();
		return;
	}
	if (front.spare != -1)
		close(front.spare);
	for (i = 0; i < TURN_AWAY_MAX && front.spare != -1; i++) {
		fd = accept4(front.listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1)
			break;
		turn_away(fd);
	}
	front.spare = open_spare();
	(void)nanosleep(&pause, NULL);
}

static void
take_connection(void)
{
	struct waiting next;

	memset(&next, 0, sizeof(next));
	next.address_len = sizeof(next.address);
	next.fd = accept4(front.listener, (struct sockaddr *)&next.address,
	    &next.address_len, SOCK_CLOEXEC);
	if (next.fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_without_descriptors();
		return;
	}
	if (atomic_load(&front.closed)) {
		close(next.fd);
		return;
	}
	if (!room_for_one()) {
		turn_away(next.fd);
		return;
	}
	next.until = monotonic_ms() + front.patience;
	pthread_mutex_lock(&front.lock);
	front.quiet[front.quiet_count++] = next;
	pthread_mutex_unlock(&front.lock);
}

/* The ring has room: has_room counted the connection before it was kept. */
static void
hand_over(size_t which)
{
	pthread_mutex_lock(&front.lock);
	front.ready[(front.ready_first + front.ready_count++) % front.max] =
	    front.quiet[which];
	front.quiet[which] = front.quiet[--front.quiet_count];
	pthread_mutex_unlock(&front.lock);
	wake_libmilter();
}

/* Whether octets are there, and not just the end of a probe. */
static bool
has_spoken(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* From the last to the first: a removal moves only what was looked at. */
static void
look_at_quiet(const struct pollfd *polled, size_t count)
{
	int64_t now = monotonic_ms();
	size_t i;

	for (i = count; i > 0; i--) {
		if (polled[i - 1].revents != 0 && has_spoken(polled[i - 1].fd))
			hand_over(i - 1);
		else if (polled[i - 1].revents != 0 ||
		    front.quiet[i - 1].until <= now)
			give_up(i - 1);
	}
}

static void *
front_thread(void *arg)
{
	struct pollfd polled[QUIET_MAX + 1];
	size_t i, count;
	int64_t woken = monotonic_ms();

	(void)arg;
	for (;;) {
		count = front.quiet_count;
		for (i = 0; i < count; i++) {
			polled[i].fd = front.quiet[i].fd;
			polled[i].events = POLLIN;
			polled[i].revents = 0;
		}
		polled[count].fd = front.listener;
		polled[count].events = POLLIN;
		polled[count].revents = 0;
		if (poll(polled, count + 1, TICK) >= 0) {
			look_at_quiet(polled, count);
			if (polled[count].revents != 0)
				take_connection();
		}
		if (monotonic_ms() - woken >= TICK) {
			woken = monotonic_ms();
			wake_libmilter();
		}
	}
	return NULL;
}

/* ------------------------------------------------ what libmilter calls --- */

/*
 * Moves the socket behind libmilter's descriptor to one of ours; libmilter
 * goes on polling the number, which is the eventfd's from now on. It never
 * reads from it.
 */
static int
begin(int listener)
{
	sigset_t all, before;
	pthread_t thread;
	int moved, flags, rc;

	if ((moved = fcntl(listener, F_DUPFD_CLOEXEC, 3)) == -1)
		return -1;
	flags = fcntl(moved, F_GETFL);
	if (flags == -1 || fcntl(moved, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    dup3(front.event, listener, O_CLOEXEC) == -1) {
		close(moved);
		return -1;
	}
	front.listener = moved;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&thread, NULL, front_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0) {
		pthread_detach(thread);
		return 0;
	}
	(void)dup3(moved, listener, O_CLOEXEC);
	front.listener = -1;
	close(moved);
	errno = rc;
	return -1;
}

static int
take_ready(struct sockaddr *address, socklen_t *address_len)
{
	struct waiting next;
	uint64_t ignored;
	socklen_t n;

	pthread_mutex_lock(&front.lock);
	if (front.ready_count <= 1 &&
	    read(front.event, &ignored, sizeof(ignored)) == -1)
		(void)ignored;	/* was not lifted */
	if (front.ready_count == 0) {
		pthread_mutex_unlock(&front.lock);
		errno = EAGAIN;
		return -1;
	}
	next = front.ready[front.ready_first];
	front.ready_first = (front.ready_first + 1) % front.max;
	front.ready_count--;
	front.given[front.given_count].fd = next.fd;
	front.given[front.given_count++].inode = inode_of(next.fd);
	pthread_mutex_unlock(&front.lock);
	if (address != NULL && address_len != NULL) {
		n = *address_len < next.address_len ? *address_len :
		    next.address_len;
		memcpy(address, &next.address, n);
		*address_len = next.address_len;
	}
	return next.fd;
}

/*
 * EAGAIN and EMFILE send libmilter back to polling. A failure to begin is
 * slowed down, for the listening socket is still readable then.
 */
int
accept(int fd, struct sockaddr *restrict address,
    socklen_t *restrict address_len)
{
	const struct timespec pause = { 0, BACK_OFF * 1000000L };
	int conn;

	if (front.event == -1)
		return accept4(fd, address, address_len, 0);
	if (front.listener == -1 && begin(fd) == -1) {
		(void)nanosleep(&pause, NULL);
		errno = EMFILE;
		return -1;
	}
	conn = take_ready(address, address_len);
	if (conn != -1)
		readahead_begin(conn);
	return conn;
}
