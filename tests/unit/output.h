/*
 * output.h - what a writer of the library has written.
 */
#ifndef SAMPUL_TEST_OUTPUT_H
#define SAMPUL_TEST_OUTPUT_H

#include <stddef.h>

/* Zero it first; p is freed with free. A NUL stands behind the last octet. */
struct output {
	union {
		unsigned char	*p;
		char		*text;
	};
	size_t	 len;
	int	 calls;
	int	 fail_at;	/* the call that says no; 0 none */
};

/* A smime_sink; arg is a struct output. */
int	 output_take(void *arg, const unsigned char *buf, size_t len);

#endif
