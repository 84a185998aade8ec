/*
 * shifted.c - another time of day for the processes it is loaded into
 * (LD_PRELOAD), as after a step of the clock: so many seconds as the file that
 * SAMPUL_SHIFT names holds, an int64_t, mapped and so changed for all at once.
 * Steady clocks are left alone, as the kernel leaves them.
 *
 * The file is mapped before main: a process in a cage could not.
 */
#include <sys/mman.h>
#include <sys/time.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;
static int (*real_gettime)(clockid_t clock, struct timespec *ts);

static void __attribute__((constructor))
begin(void)
{
	const char *path = getenv("SAMPUL_SHIFT");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page;

	*(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd == -1)
		return;
	page = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		shift = page;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = real_gettime(clock, ts);

	if (rc == 0 && shift != NULL &&
	    (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *shift;
	return rc;
}

time_t
time(time_t *out)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts = { 0, 0 };

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
