/*
 * pair.h - a connection of libmilter's, for the tests of what is read ahead and
 * gathered on it.
 */
#ifndef SAMPUL_TEST_PAIR_H
#define SAMPUL_TEST_PAIR_H

extern int near, far;	/* ours is near; the MTA is far, or -1 */

/* A socket pair of that type, of which near is read ahead; -1 with errno. */
int	 pair_open(int type);
/* For cmocka's teardown. */
int	 pair_close(void **state);

#endif
