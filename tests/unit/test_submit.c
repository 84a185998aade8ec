/*
 * test_submit.c - what the submit process makes of a mail server that refuses,
 * drops or falls silent, and of what it is to send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/submit.h"
#include "../../smime/smime.h"
#include "submitting.h"
#include "watched.h"

static void
test_accepted(void **state)
{
	struct submit_answer answer;
	struct smime_error err;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	if (submit(PLAIN, strlen(PLAIN), 60, &answer, &err) == -1)
		fail_msg("%s", err.text);
	server_settled();
	assert_string_equal(answer.text, "250 2.0.0 Ok: 17 octets");
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	assert_int_equal(answer.code, 250);
	assert_true(server->whole);
	assert_int_equal(server->len, strlen(PLAIN));
	assert_memory_equal(server->data, PLAIN, strlen(PLAIN));
	assert_string_equal(server->commands, "EHLO mx.pekalongankab.go.id\r\n"
	    "MAIL FROM:<" SENDER "> SIZE=17\r\nRCPT TO:<" SITI ">\r\n"
	    "RCPT TO:<" TONO ">\r\nDATA\r\nQUIT\r\n");
}

/* ------------------------------------------------------ odd servers --- */

static const struct {
	enum stage		 odd;
	unsigned		 nth;
	const char		*reply;
	enum submit_status	 status;
	unsigned		 code;
	const char		*says;
} cases[] = {
	{ GREETING, 1, "554 go away", SUBMIT_REFUSED, 554, "554 go away" },
	{ GREETING, 1, "421 busy", SUBMIT_FAILED, 421, "421 busy" },
	{ MAIL, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0 later" },
	{ MAIL, 1, "550 5.7.1 no", SUBMIT_REFUSED, 550, "5.7.1 no" },
	{ MAIL, 1, "552-5.3.4 too\r\n552 5.3.4 large", SUBMIT_REFUSED, 552,
	    "552 5.3.4 large" },
	{ RCPT, 1, "450 4.2.0 later", SUBMIT_FAILED, 450, "4.2.0 later" },
	{ RCPT, 1, "550 5.1.1 unknown", SUBMIT_REFUSED, 550, "5.1.1" },
	{ RCPT, 2, "450 4.2.0 later", SUBMIT_FAILED, 450, "4.2.0 later" },
	{ RCPT, 2, "550 5.1.1 unknown", SUBMIT_REFUSED, 550, "5.1.1" },
	{ DATA, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0" },
	{ DATA, 1, "554 5.5.1 no", SUBMIT_REFUSED, 554, "5.5.1" },
	{ END, 1, "451 4.3.0 later", SUBMIT_FAILED, 451, "4.3.0 later" },
	{ END, 1, "554 5.7.1 spam \x1b[2J", SUBMIT_REFUSED, 554,
	    "5.7.1 spam ?[2J" },
	{ END, 1, "200 what", SUBMIT_FAILED, 0, "" },
	{ GREETING, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ EHLO, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ MAIL, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ RCPT, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ RCPT, 2, DROP, SUBMIT_FAILED, 0, "" },
	{ DATA, 1, DROP, SUBMIT_FAILED, 0, "" },
	{ END, 1, DROP, SUBMIT_FAILED, 0, "" },
	/* it is accepted then, whatever the goodbye */
	{ QUIT, 1, DROP, SUBMIT_ACCEPTED, 250, "octets" },
	{ QUIT, 1, "550 stay", SUBMIT_ACCEPTED, 250, "octets" },
	/* a server without extensions */
	{ EHLO, 1, "502 no", SUBMIT_ACCEPTED, 250, "octets" },
};

static void
all_cases(void)
{
	struct submit_answer answer;
	struct smime_error err;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server_will(cases[i].odd, cases[i].nth, cases[i].reply);
		if (submit(PLAIN, strlen(PLAIN), 60, &answer, &err) == -1)
			fail_msg("case %zu: %s", i, err.text);
		server_settled();
		if (answer.status != cases[i].status ||
		    answer.code != cases[i].code ||
		    strstr(answer.text, cases[i].says) == NULL)
			fail_msg("case %zu: %u %u %s", i, answer.status,
			    answer.code, answer.text);
		/* nothing is sent unless all recipients are taken */
		if (cases[i].odd <= DATA && cases[i].odd != EHLO)
			assert_int_equal(server->len, 0);
		if (cases[i].odd == RCPT)
			assert_int_equal(server->counts[DATA], 0);
	}
}

/* What is said last is not the answer, unless it is about the message. */
static void
test_cases(void **state)
{
	(void)state;
	all_cases();
	server->chatty = true;
	all_cases();
	server->chatty = false;
}

/* Where nothing comes any more. */
static void
test_silence(void **state)
{
	int fd = message_file(PLAIN, strlen(PLAIN));
	struct submission submission = plain(fd);
	struct submit_answer answer;
	enum stage stage;

	(void)state;
	for (stage = GREETING; stage < QUIT; stage++) {
		if (stage == HELO)
			continue;
		server_will(stage, 1, SILENCE);
		ask(running.fds[0], &submission, 300);
		assert_true(hear(running.fds[0], &answer));
		if (answer.status != SUBMIT_FAILED || answer.code != 0 ||
		    strstr(answer.text, "Timeout was reached") == NULL)
			fail_msg("stage %d: %u %u %s", stage, answer.status,
			    answer.code, answer.text);
	}
	/* nor does a refusal wait for the goodbye, but a little */
	server_will(RCPT, 2, "550 5.1.1 unknown");
	server->mute = true;
	ask(running.fds[0], &submission, 60000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.code, 550);
	server_will(NOWHERE, 0, NULL);
	ask(running.fds[0], &submission, 60000);
	assert_true(hear(running.fds[0], &answer));
	assert_int_equal(answer.code, 250);
	server_settled();
	server->mute = false;
	close(fd);
}

/* ------------------------------------------------------------- contents --- */

/* What came, without the dots that were put before dots (RFC 5321 4.5.2). */
static size_t
unstuff(unsigned char *data, size_t len)
{
	size_t i, n = 0;
	bool begins = true;

	for (i = 0; i < len; i++) {
		if (begins && data[i] == '.') {
			assert_true(i + 1 < len);
			i++;
		}
		data[n++] = data[i];
		begins = n >= 2 && data[n - 1] == '\n' && data[n - 2] == '\r';
	}
	return n;
}

static void
expect_same(const char *text, size_t len)
{
	struct submit_answer answer;
	struct smime_error err;

	server_will(NOWHERE, 0, NULL);
	if (submit(text, len, 60, &answer, &err) == -1)
		fail_msg("%s", err.text);
	if (answer.status != SUBMIT_ACCEPTED)
		fail_msg("%zu octets: %s", len, answer.text);
	server_settled();
	server->len = unstuff(server->data, server->len);
	assert_int_equal(server->len, len);
	if (memcmp(server->data, text, len) != 0)
		fail_msg("%zu octets came otherwise", len);
}

#define TEXT(s)	{ s, sizeof(s) - 1 }

static const struct {
	const char	*text;
	size_t		 len;
} contents[] = {
	TEXT("\r\n"), TEXT("a\r\n"), TEXT(".\r\n"), TEXT("..\r\n"),
	TEXT(".a\r\n.b\r\n"), TEXT("Subject: a\r\n\r\n.\r\n"),
	TEXT("Subject: a\r\n\r\n.\r\n.\r\nb\r\n"),
	TEXT("Subject: a\r\n\r\n.\r\nQUIT\r\nMAIL FROM:<a@b>\r\n"),
	TEXT("a.\r\n.b.\r\n...\r\n"), TEXT("a\r\n\r\n\r\n"),
	TEXT("8 bit: \xc3\xa9 \xff \x80\r\n"), TEXT("NUL: \0\r\n"),
};

static void
test_contents(void **state)
{
	static const size_t pieces[] = { 16384, 65536, 131072 };
	char *text = malloc(200000);
	size_t i, p, n;

	(void)state;
	for (i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		expect_same(contents[i].text, contents[i].len);
	/* where a line begins with a dot about the end of a buffer */
	for (p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (n = pieces[p] - 4; n <= pieces[p] + 2; n++) {
			memset(text, 'x', n);
			memcpy(text + n, "\r\n.\r\n.y\r\n", 9);
			expect_same(text, n + 9);
		}
	/* a line far over 998 octets is not ours to break */
	memset(text, 'x', 100000);
	memcpy(text + 99998, "\r\n", 2);
	expect_same(text, 100000);
	free(text);
}

static const struct {
	const char	*text;
	size_t		 len;
	const char	*says;
} odd_contents[] = {
	{ "a\nb\r\n", 5, "bare CR or LF" }, { "a\rb\r\n", 5, "bare CR or LF" },
	{ "\n\r\n", 3, "bare CR or LF" }, { "a\r\r\n", 4, "bare CR or LF" },
	{ "a\n\r\n", 4, "bare CR or LF" }, { "a\r\n.\n\r\n", 7, "bare" },
	{ "\na\r\n", 4, "bare CR or LF" }, { "a", 1, "end in a line" },
	{ "a\n", 2, "end in a line" }, { "a\r\nb", 4, "end in a line" },
	{ "a\r", 2, "end in a line" }, { "a\r\n.", 4, "end in a line" },
};

/* Nobody gets half a message, and no smuggled one (CVE-2023-51764). */
static void
test_odd_contents(void **state)
{
	struct submit_answer answer;
	struct smime_error err;
	char *text = malloc(200000);
	size_t i;

	(void)state;
	server_will(NOWHERE, 0, NULL);
	for (i = 0; i < sizeof(odd_contents) / sizeof(odd_contents[0]); i++) {
		if (submit(odd_contents[i].text, odd_contents[i].len, 60,
		    &answer, &err) == -1)
			fail_msg("row %zu: %s", i, err.text);
		server_settled();
		if (answer.status != SUBMIT_FAILED ||
		    strstr(answer.text, odd_contents[i].says) == NULL)
			fail_msg("row %zu: %s", i, answer.text);
		assert_false(server->whole);
		assert_int_equal(server->len, 0);
	}
	/* far behind what was sent already, at each side of a buffer's end */
	for (i = 65534; i <= 65538; i++) {
		memset(text, 'x', 150000);
		memcpy(text + 149998, "\r\n", 2);
		text[i] = '\n';
		assert_int_equal(submit(text, 150000, 60, &answer, &err), 0);
		server_settled();
		assert_int_equal(answer.status, SUBMIT_FAILED);
		assert_non_null(strstr(answer.text, "bare CR or LF"));
		assert_false(server->whole);
	}
	free(text);
}

static long
memory_of(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	while (kib == -1 && fgets(line, sizeof(line), in) != NULL)
		(void)sscanf(line, "VmHWM: %ld", &kib);
	fclose(in);
	return kib;
}

#define MEMORY_MAX	1024	/* KiB that 5 MiB may take more than 17 octets */

static void
test_large(void **state)
{
	const size_t size = 5 * 1024 * 1024;
	char *text = malloc(size);
	long before, after;
	size_t i;

	(void)state;
	for (i = 0; i < size; i++)
		text[i] = i % 78 == 77 ? '\n' : i % 78 == 76 ? '\r' :
		    i % 78 == 0 && i % 7 == 0 ? '.' : (char)('a' + i % 23);
	memcpy(text + size - 4, "zz\r\n", 4);
	expect_same(PLAIN, strlen(PLAIN));
	before = memory_of(running.pid);
	expect_same(text, size);
	after = memory_of(running.pid);
	print_message("%ld KiB before, %ld after\n", before, after);
	assert_true(after - before <= MEMORY_MAX || is_watched());
	free(text);
}

static void
test_many_recipients(void **state)
{
	static const char *to[SUBMIT_RECIPIENTS_MAX];
	struct submission submission = plain(message_file(PLAIN,
	    strlen(PLAIN)));
	struct submit_answer answer;
	struct smime_error err = { "" };
	size_t i;

	(void)state;
	for (i = 0; i < SUBMIT_RECIPIENTS_MAX; i++)
		to[i] = i % 2 == 0 ? TONO : "\"a b\"@example.org";
	submission.recipients = to;
	submission.count = SUBMIT_RECIPIENTS_MAX;
	submission.sender = "";
	server_will(NOWHERE, 0, NULL);
	assert_int_equal(submit_send(running.pool, &submission, 60, &answer,
	    &err), 0);
	server_settled();
	assert_int_equal(answer.status, SUBMIT_ACCEPTED);
	assert_int_equal(server->counts[RCPT], SUBMIT_RECIPIENTS_MAX);
	assert_non_null(strstr(server->commands, "\r\nMAIL FROM:<> SIZE=17\r\n"
	    "RCPT TO:<" TONO ">\r\nRCPT TO:<\"a b\"@example.org>\r\n"));
	/* the last of a thousand */
	server_will(RCPT, SUBMIT_RECIPIENTS_MAX, "452 4.5.3 too many");
	assert_int_equal(submit_send(running.pool, &submission, 60, &answer,
	    &err), 0);
	server_settled();
	assert_int_equal(answer.code, 452);
	assert_int_equal(server->counts[DATA], 0);
	close(submission.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_odd_contents),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_recipients),
	};

	return cmocka_run_group_tests(tests, submitting_setup,
	    submitting_teardown);
}
