/*
 * fuzz_submit.c - packets between mail and submit process, and the setting that
 * names the server. Must hold: a request that is taken is, put again, the same
 * octets; nothing in its addresses ends a command; no server but this machine.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/submit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_address(const char *address)
{
	for (; *address != '\0'; address++)
		check((unsigned char)*address >= ' ' && *address != 0x7f);
}

static void
check_request(const uint8_t *data, size_t len)
{
	static unsigned char buf[SUBMIT_REQUEST_MAX];
	static struct submit_request request;
	const struct submission *submission = &request.submission;
	size_t i;

	if (submit_get_request(data, len, &request) != 0)
		return;
	check(submission->count > 0 && submission->fd == -1);
	check_address(submission->queue_id);
	check_address(submission->sender);
	for (i = 0; i < submission->count; i++)
		check_address(submission->recipients[i]);
	check(submit_put_request(&request, buf, sizeof(buf)) == (ssize_t)len);
	check(memcmp(buf, data, len) == 0);
	check(submit_put_request(&request, buf, len - 1) == -1);
}

static void
check_answer(const uint8_t *data, size_t len)
{
	unsigned char buf[SUBMIT_ANSWER_MAX];
	struct submit_answer answer, again;
	uint64_t serial, same;
	ssize_t n;

	if (submit_get_answer(data, len, &serial, &answer) != 0)
		return;
	check_address(answer.text);
	n = submit_put_answer(serial, &answer, buf, sizeof(buf));
	check(n == (ssize_t)len);
	check(submit_get_answer(buf, (size_t)n, &same, &again) == 0);
	check(same == serial && memcmp(&again, &answer, sizeof(again)) == 0);
}

static void
check_server(const uint8_t *data, size_t len)
{
	char *text = strndup((const char *)data, len);
	unsigned port = 0;

	check(text != NULL);
	if (submit_read_server(text, &port) == NULL) {
		check(port >= 1 && port <= 65535);
		check(strncmp(text, "127.", 4) == 0 || text[0] == '[');
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_request(data, len);
	check_answer(data, len);
	check_server(data, len);
	return 0;
}
