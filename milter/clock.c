/*
 * clock.c - how much time has passed, whatever the clock of the day is set to.
 */
#include <time.h>

#include "log.h"

int64_t
monotonic_us(void)
{
	struct timespec ts;

	/* it is there in every Linux */
	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		return 0;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
monotonic_ms(void)
{
	return monotonic_us() / 1000;
}
