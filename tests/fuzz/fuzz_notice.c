/*
 * fuzz_notice.c - notifications. The input is a header, an empty line, and
 * then lines: sender, queue id, contact, hostname, recipients. Must hold: what
 * comes out is 7-bit in short lines, with one boundary of its own, and has no
 * field of the input in its header.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/conf.h"
#include "../../milter/notice.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

struct output {
	char	*text;
	size_t	 len;
};

static int
take(void *arg, const unsigned char *buf, size_t len)
{
	struct output *out = arg;

	check(out->text == NULL);
	out->text = malloc(len + 1);
	check(out->text != NULL);
	memcpy(out->text, buf, len);
	out->text[len] = '\0';
	out->len = len;
	return 0;
}

static void
check_lines(const struct output *out)
{
	const char *p, *line = out->text;

	check(strlen(out->text) == out->len);
	for (p = line; *p != '\0'; p++) {
		check((*p >= 0x20 && *p < 0x7f) || *p == '\t' || *p == '\r' ||
		    *p == '\n');
		check((*p == '\r') == (p[1] == '\n'));
		if (*p != '\n')
			continue;
		check(p - line < 998);
		line = p + 1;
	}
	check(line == p);
}

static void
check_parts(const struct output *out)
{
	const char *body = strstr(out->text, "\r\n\r\n"), *p;
	unsigned count = 0;

	check(body != NULL);
	for (p = body; (p = strstr(p, "\n--")) != NULL; p++)
		count++;
	check(count == 4);
	for (p = out->text; p < body; p = strchr(p, '\n') + 1)
		check(strncmp(p, "X-", 2) != 0 && strncmp(p, "Bcc", 3) != 0);
}

/* The next line of the text, or what is left. */
static const char *
next(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end != NULL)
		*end = '\0';
	*text = end == NULL ? line + strlen(line) : end + 1;
	return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct header_list header = { 0 };
	struct notice_recipient recipients[4] = { { 0 } };
	struct notice notice = { .recipients = recipients, .count = 4,
	    .header = &header, .field = "Sampul-Copy", .now = 0x65000000,
	    .confidential = len % 2 == 1, .language = len % 3 == 0 ?
	    LANGUAGE_EN : LANGUAGE_ID };
	struct output out = { 0 };
	char *rest, *text;
	size_t used, i;
	bool body;

	if (header_parse(&header, data, len, 65536, &used, &body, NULL) == -1) {
		header_clear(&header);
		return 0;
	}
	rest = text = strndup((const char *)data + used, len - used);
	check(text != NULL);
	notice.sender = next(&rest);
	notice.queue_id = notice.token = next(&rest);
	notice.help = next(&rest);
	notice.hostname = notice.from = next(&rest);
	for (i = 0; i < 4; i++) {
		recipients[i].address = next(&rest);
		recipients[i].problem = (enum cert_problem)(len % 20);
		recipients[i].why = WHY_NO_RECIPIENT;
	}
	if (notice_write(&notice, take, &out, NULL) == 0) {
		check_lines(&out);
		check_parts(&out);
	}
	free(out.text);
	free(text);
	header_clear(&header);
	return 0;
}
