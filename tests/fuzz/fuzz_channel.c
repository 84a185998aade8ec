/*
 * fuzz_channel.c - packets of the channel. One that is taken is, put again,
 * the same octets: there is one way only to say a thing.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/channel.h"

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
	static unsigned char buf[CHANNEL_ANSWER_MAX];
	struct key_request request;
	struct key_answer answer;

	if (channel_get_request(data, len, &request) == 0)
		check_same(buf, channel_put_request(&request, buf,
		    CHANNEL_REQUEST_MAX), data, len);
	if (channel_get_answer(data, len, &answer) == 0)
		check_same(buf, channel_put_answer(&answer, buf,
		    sizeof(buf)), data, len);
	key_answer_clear(&answer);
	return 0;
}
