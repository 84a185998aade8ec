/*
 * test_mark.c - tokens of our own messages, and what becomes of a message that
 * bears one.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"
#include "fake_channel.h"
#include "fake_milter.h"
#include "fixture.h"
#include "pki.h"
#include "seen_log.h"

static struct service service;

/* -------------------------------------------------------------- tokens --- */

static void
test_one_use(void **state)
{
	char token[MARK_LEN + 1], other[MARK_LEN + 1];
	struct marks *marks = marks_new();
	struct smime_error err = { "" };

	(void)state;
	assert_int_equal(marks_issue(marks, token, &err), 0);
	assert_int_equal(marks_issue(marks, other, &err), 0);
	assert_int_equal(strlen(token), MARK_LEN);
	assert_int_equal(strspn(token, "0123456789abcdef"), MARK_LEN);
	assert_string_not_equal(token, other);
	assert_true(marks_take(marks, token));
	assert_false(marks_take(marks, token));
	marks_withdraw(marks, token);
	marks_withdraw(marks, other);
	assert_false(marks_take(marks, other));
	assert_false(marks_take(NULL, other));
	marks_free(marks);
	marks_free(NULL);
}

/* %s stands for a token that is known. */
static const struct {
	const char	*value;
	bool		 want;
} values[] = {
	{ "%s", true }, { " %s", true }, { " \r\n\t%s \n", true },
	{ "", false }, { " ", false }, { "%s0", false }, { "0%s", false },
	{ "%s %s", false }, { "%.31s", false }, { "%.31sg", false },
	{ "%.16s %.16s", false }, { "\"%s\"", false }, { "%s;", false },
	{ "00000000000000000000000000000000", false },
};

static void
test_values(void **state)
{
	char token[MARK_LEN + 1], text[128];
	struct marks *marks = marks_new();
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(marks_issue(marks, token, NULL), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), values[i].value, token, token);
#pragma GCC diagnostic pop
		if (marks_take(marks, text) != values[i].want)
			fail_msg("\"%s\"", text);
		/* what is not the token leaves it known */
		assert_int_equal(marks_take(marks, token), !values[i].want);
		assert_int_equal(marks_issue(marks, token, NULL), 0);
		for (n = 0; n < MARK_LEN; n++) {
			snprintf(text, sizeof(text), "%.*s", (int)n, token);
			assert_false(marks_take(marks, text));
			memcpy(text, token, sizeof(token));
			text[n] = text[n] == '7' ? '8' : '7';
			assert_false(marks_take(marks, text));
		}
		marks_withdraw(marks, token);
	}
	marks_free(marks);
}

/* As many as there may be, and then no more until one goes. */
static void
test_ceiling(void **state)
{
	char first[MARK_LEN + 1], token[MARK_LEN + 1];
	struct marks *marks = marks_new();
	struct smime_error err = { "" };
	size_t n;

	(void)state;
	assert_int_equal(marks_issue(marks, first, &err), 0);
	for (n = 1; n < 100000 && marks_issue(marks, token, &err) == 0; n++)
		continue;
	assert_int_equal(n, 4096);
	assert_non_null(strstr(err.text, "more than 4096"));
	marks_withdraw(marks, first);
	assert_int_equal(marks_issue(marks, token, &err), 0);
	assert_true(marks_take(marks, token));
	marks_free(marks);
}

static void *
take_turns(void *arg)
{
	char token[MARK_LEN + 1];
	uintptr_t wrong = 0;
	size_t i;

	for (i = 0; i < 2000; i++)
		if (marks_issue(arg, token, NULL) == -1 ||
		    !marks_take(arg, token) || marks_take(arg, token))
			wrong++;
	return (void *)wrong;
}

static void
test_threads(void **state)
{
	struct marks *marks = marks_new();
	pthread_t threads[4];
	void *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns,
		    marks), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	marks_free(marks);
}

/* ------------------------------------------------------------ sessions --- */

#define FORGED	"X-Verified-Sender: yes; budi\r\nX-Sampul-Skip: yes\r\n"
#define HEAD	"From: Budi <" BUDI ">\r\nTo: hakim@example.org\r\n"	\
	"Subject: Undangan\r\n"
#define BODY	"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"	\
	"\r\nSelamat pagi\r\n"
#define VERIFY	"verify = { enabled = true; };\n"

static const struct {
	const char	*what;
	const char	*conf;
	const char	*client;
	const char	*login;
	const char	*field;		/* %s the token */
	bool		 ours;		/* goes as it is */
	const char	*line;		/* of the log */
} sessions[] = {
	{ "ours, no origin", VERIFY, "127.0.0.1", NULL,
	    "Sampul-Copy: %s\r\n", true, "result=passed" },
	{ "ours, IPv6", VERIFY, "::1", NULL, "Sampul-Copy: %s\r\n", true,
	    "detail=\"a message of our own" },
	{ "ours, in other letters", "", "127.0.0.1", NULL,
	    "SAMPUL-COPY:%s\r\n", true, "removed=1" },
	{ "ours, among others", "", "127.0.0.1", NULL,
	    "Sampul-Copy: x\r\nSampul-Copy: %s\r\nSampul-Copy: y\r\n", true,
	    "removed=3" },
	{ "ours, with a login", "", "127.0.0.1", BUDI,
	    "Sampul-Copy: %s\r\n", true, "result=passed" },
	{ "ours, observed", "mode = \"observe\";\n", "127.0.0.1", BUDI,
	    "Sampul-Copy: %s\r\n", true, "result=would-pass" },
	{ "from elsewhere", "", "192.0.2.7", BUDI, "Sampul-Copy: %s\r\n",
	    false, "result=signed" },
	{ "without an address", "", NULL, BUDI, "Sampul-Copy: %s\r\n",
	    false, "result=signed" },
	{ "unknown", "", "127.0.0.1", BUDI,
	    "Sampul-Copy: 0123456789abcdef0123456789abcdef\r\n", false,
	    "result=signed" },
	{ "incoming, unknown", "", "127.0.0.1", NULL,
	    "Sampul-Copy: 0123456789abcdef0123456789abcdef\r\n", false,
	    "result=not-ours" },
	{ "incoming, from elsewhere", "", "192.0.2.7", NULL,
	    "Sampul-Copy: %s\r\n", false, "result=not-ours" },
	{ "incoming, verified", VERIFY, "192.0.2.7", NULL,
	    "Sampul-Copy: %s\r\n", false, "smime=" },
	{ "observed, not ours", "mode = \"observe\";\n", "192.0.2.7", BUDI,
	    "Sampul-Copy: %s\r\n", false, "result=would-sign" },
};

static void
use_conf(const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text), FIXTURE_TOP FIXTURE_LOGIN
	    "spool = { dir = \"%s\"; memory = 4096; };\n%s", pki_path("."),
	    strstr(more, "verify") == NULL ? more : "");
	if (strstr(more, "verify") != NULL)
		memcpy(strstr(text, "enabled = false"), "enabled = true ", 15);
	conf_replace(fixture_conf(text));
	seen_log_clear();
}

static void
run_session(size_t row, enum fake_mta mta)
{
	static const char *const to[] = { "<hakim@example.org>",
	    "<" SITI ">", NULL };
	SMFICTX *ctx = fake_new(mta, &callbacks, 0);
	char token[MARK_LEN + 1], field[256], text[2048], *out;
	struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to, .text = text };
	bool same;
	size_t len;

	assert_int_equal(marks_issue(service.marks, token, NULL), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(field, sizeof(field), sessions[row].field, token);
#pragma GCC diagnostic pop
	snprintf(text, sizeof(text), FORGED HEAD "%s" BODY, field);
	fake_connect(ctx, sessions[row].client);
	if (sessions[row].login != NULL)
		fake_macro(ctx, "{auth_authen}", sessions[row].login);
	fake_macro(ctx, "i", "4ABCdef");
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	if (ctx->broken[0] != '\0')
		fail_msg("%s: %s", sessions[row].what, ctx->broken);
	out = fake_output(ctx, &len);
	same = strcmp(out, FORGED HEAD BODY) == 0;
	if (same != sessions[row].ours || fake_count(ctx, MARK_FIELD) != 0 ||
	    (!same && strstr(out, "X-Verified-Sender: yes") != NULL))
		fail_msg("%s:\n%s", sessions[row].what, out);
	if (strstr(seen_log(), sessions[row].line) == NULL)
		fail_msg("%s: %s", sessions[row].what, seen_log());
	/* one use; and from elsewhere it has not been used */
	assert_int_equal(marks_take(service.marks, token), !sessions[row].ours);
	free(out);
	fake_free(ctx);
}

static void
test_sessions(void **state)
{
	static const enum fake_mta mtas[] = { FAKE_POSTFIX, FAKE_SENDMAIL };
	size_t i, m;

	(void)state;
	for (m = 0; m < 2; m++)
		for (i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
			use_conf(sessions[i].conf);
			run_session(i, mtas[m]);
		}
}

/* A second message on the same connection is not the first. */
static void
test_next_message(void **state)
{
	static const char *const to[] = { "<hakim@example.org>", NULL };
	SMFICTX *ctx = fake_new(FAKE_POSTFIX, &callbacks, 0);
	char token[MARK_LEN + 1], text[2048];
	struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to, .text = text };

	(void)state;
	use_conf("");
	assert_int_equal(marks_issue(service.marks, token, NULL), 0);
	snprintf(text, sizeof(text), "Sampul-Copy: %s\r\n" HEAD BODY, token);
	fake_connect(ctx, "127.0.0.1");
	fake_macro(ctx, "{auth_authen}", BUDI);
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	assert_non_null(strstr(seen_log(), "result=passed"));
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	assert_non_null(strstr(seen_log(), "result=signed"));
	fake_free(ctx);
}

static int
setup(void **state)
{
	struct smime_error err = { "" };
	X509 *cert;
	EVP_PKEY *key;

	pki_setup(state);
	pki_mailbox("p256", "p256", "ok");
	cert = pki_mailbox_cert("p256");
	key = pki_mailbox_key("p256");
	fake_key.signer = signer_new(cert, key, NULL, NULL, SCHEME_DEFAULT,
	    SMIME_CAP_AES256_CBC, &err);
	fake_key.status = KEY_SIGNED;
	X509_free(cert);
	EVP_PKEY_free(key);
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.marks = marks_new();
	callbacks_use(&service);
	return fake_key.signer == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	signer_free(fake_key.signer);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	marks_free(service.marks);
	conf_replace(NULL);
	return pki_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_use),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_next_message),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
