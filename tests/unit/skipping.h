/*
 * skipping.h - the steady clock by which the product looks at files anew, and
 * a time that it skips. Whoever names skipped has clock_gettime from here.
 */
#ifndef SAMPUL_TEST_SKIPPING_H
#define SAMPUL_TEST_SKIPPING_H

#include <time.h>

extern time_t skipped;		/* seconds; of CLOCK_MONOTONIC_COARSE alone */

#endif
