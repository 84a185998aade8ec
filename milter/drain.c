/*
 * drain.c - a stop that breaks off nothing that has begun (MTA-13).
 *
 * libmilter's manual promises that running messages are finished. As Debian
 * builds it, threads of a pool serve the connections, and the one that watches
 * for their next commands ends as soon as libmilter is told to stop: whatever
 * is not inside a callback at that moment is never heard again. What libmilter
 * does is to wait for its signals with sigwait(), by name: a program that
 * defines the function is called instead of the C library. So SIGTERM reaches
 * libmilter only when the messages that had begun are done, or their time is
 * over; the MTA then keeps them. New connections are closed at once meanwhile,
 * and new messages on old connections are not waited for.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "connection.h"
#include "session.h"

#define STOP_SECONDS	5	/* for all of it */
#define STEP		(20 * 1000 * 1000L)	/* nanoseconds */

static struct service *drained;
static atomic_bool begun;
static atomic_llong until;

static long long
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec;
}

void
drain_watch(struct service *service)
{
	drained = service;
}

bool
drain_begun(void)
{
	return atomic_load(&begun);
}

void
drain(void)
{
	const struct timespec pause = { 0, STEP };

	if (drained == NULL)
		return;
	if (!atomic_exchange(&begun, true)) {
		atomic_store(&until, now_seconds() + STOP_SECONDS);
		accept_no_more();
	}
	while (atomic_load(&drained->active) > 0 &&
	    now_seconds() < atomic_load(&until))
		(void)nanosleep(&pause, NULL);
}

/* What libmilter calls, in a thread of its own. */
int
sigwait(const sigset_t *restrict set, int *restrict number)
{
	int got;

	while ((got = sigwaitinfo(set, NULL)) == -1)
		if (errno != EINTR)
			return errno;
	if (got == SIGTERM)
		drain();
	*number = got;
	return 0;
}
