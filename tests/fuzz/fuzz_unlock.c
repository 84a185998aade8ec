/*
 * fuzz_unlock.c - packets of the key process's socket. One that is taken is,
 * put again, the same octets: there is one way only to say a thing.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/keys/unlock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_same(const unsigned char *buf, ssize_t n, const uint8_t *data, size_t len)
{
	if (n != (ssize_t)len || memcmp(buf, data, len) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char buf[UNLOCK_REQUEST_MAX];
	struct unlock_request request;
	struct unlock_answer answer;

	if (unlock_get_request(data, len, &request) == 0)
		check_same(buf, unlock_put_request(&request, buf,
		    sizeof(buf)), data, len);
	if (unlock_get_answer(data, len, &answer) == 0)
		check_same(buf, unlock_put_answer(&answer, buf,
		    UNLOCK_ANSWER_MAX), data, len);
	unlock_request_clear(&request);
	return 0;
}
