/*
 * foreseen.h - random octets that a test can foresee. Whoever names
 * foreseen_random has RAND_bytes from here.
 */
#ifndef SAMPUL_TEST_FORESEEN_H
#define SAMPUL_TEST_FORESEEN_H

extern int foreseen_random;	/* so many calls give zeros; -1 a failure */

/* The boundary that is made of them. */
#define ZEROS	"=_00000000000000000000000000000000"

#endif
