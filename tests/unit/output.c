/*
 * output.c - see output.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output.h"

int
output_take(void *arg, const unsigned char *buf, size_t len)
{
	struct output *out = arg;

	if (++out->calls == out->fail_at)
		return -1;
	out->p = realloc(out->p, out->len + len + 1);
	assert_non_null(out->p);
	if (len > 0)
		memcpy(out->p + out->len, buf, len);
	out->len += len;
	out->p[out->len] = '\0';
	return 0;
}
