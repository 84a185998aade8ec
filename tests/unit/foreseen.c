/*
 * foreseen.c - see foreseen.h.
 */
#include <string.h>

#include <openssl/rand.h>
#include <sys/random.h>

#include "foreseen.h"

int foreseen_random;

int
RAND_bytes(unsigned char *buf, int len)
{
	if (foreseen_random < 0)
		return 0;
	if (foreseen_random == 0)
		return getrandom(buf, (size_t)len, 0) == len;
	foreseen_random--;
	memset(buf, 0, (size_t)len);
	return 1;
}
