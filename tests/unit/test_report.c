/*
 * test_report.c - the one line of a message: it comes apart again whatever is
 * in it, and no value makes two lines of it.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/outgoing.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"

static char rule_name[] = "to the court";
static char origin_name[] = "mailboxes";
static struct rule rule = { .name = rule_name };
static struct origin origin = { .name = origin_name };

static void
line(const struct plan *plan, const struct outcome *outcome,
    const char *login, bool observed, char *out, size_t size)
{
	const struct report report = { .queue_id = "4ABC", .plan = plan,
	    .outcome = outcome, .login = login, .client = "192.0.2.1",
	    .bytes = 1234, .microseconds = 567, .observed = observed,
	    .removed = 2 };

	report_line(&report, out, size);
}

static void
test_lines(void **state)
{
	struct plan plan = { .action = PLAN_SIGN, .rule = &rule,
	    .origin = &origin, .from = "a@b.go.id" };
	struct outcome outcome = { .action = PLAN_SIGN, .serial = "0AFF",
	    .form = FORM_DETACHED };
	char out[2048];

	(void)state;
	line(&plan, &outcome, "a@b.go.id", false, out, sizeof(out));
	assert_string_equal(out, "4ABC: result=signed rule=\"to the court\" "
	    "from=a@b.go.id login=a@b.go.id origin=mailboxes "
	    "client=192.0.2.1 serial=0AFF form=detached removed=2 "
	    "bytes=1234 us=567");
	line(&plan, &outcome, "a@b.go.id", true, out, sizeof(out));
	assert_non_null(strstr(out, "result=would-sign "));

	plan.action = outcome.action = PLAN_REFUSE;
	plan.why = outcome.why = WHY_NOT_OWNER;
	plan.incident = true;
	line(&plan, &outcome, "x", false, out, sizeof(out));
	assert_memory_equal(out, "4ABC: result=refused why=not-owner "
	    "incident=not-owner ", 53);
	assert_null(strstr(out, "serial="));

	/* Nothing is known of mail from elsewhere, and no login is named. */
	memset(&plan, 0, sizeof(plan));
	memset(&outcome, 0, sizeof(outcome));
	outcome.why = WHY_NO_ORIGIN;
	line(&plan, &outcome, "", false, out, sizeof(out));
	assert_string_equal(out, "4ABC: result=not-ours why=no-origin "
	    "client=192.0.2.1 removed=2 bytes=1234 us=567");
}

/* Whether the line falls into pairs; counts those of a key. */
static unsigned
count_key(const char *text, const char *key)
{
	const char *p = strchr(text, ' ');
	unsigned n = 0;
	size_t len = strlen(key);

	while (p != NULL && *p == ' ') {
		p++;
		if (strncmp(p, key, len) == 0 && p[len] == '=')
			n++;
		p += strcspn(p, "=");
		if (*p++ != '=')
			fail_msg("no pair in: %s", text);
		if (*p != '"') {
			p += strcspn(p, " ");
			continue;
		}
		for (p++; *p != '"' && *p != '\0'; p++)
			if (*p == '\\' && p[1] != '\0')
				p++;
		if (*p++ != '"')
			fail_msg("an open quote in: %s", text);
	}
	assert_true(p == NULL || *p == '\0');
	return n;
}

static void
test_hostile(void **state)
{
	static const char *const logins[] = {
		"a result=signed", "a\" result=signed b=\"", "\\", "\\\"",
		"a\r\nb: result=signed", "\x1b[2J", "\xff\xfe", "=", "a=b",
		" ", "a;b", "a\\x20" };
	struct plan plan = { .action = PLAN_REFUSE, .rule = &rule,
	    .origin = &origin };
	struct outcome outcome = { .action = PLAN_REFUSE,
	    .why = WHY_NOT_OWNER };
	char out[2048], longest[900];
	const char *p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		snprintf(plan.from, sizeof(plan.from), "%s", logins[i]);
		line(&plan, &outcome, logins[i], false, out, sizeof(out));
		assert_int_equal(count_key(out, "result"), 1);
		assert_int_equal(count_key(out, "login"), 1);
		for (p = out; *p != '\0'; p++)
			assert_true(isprint((unsigned char)*p));
	}
	memset(longest, '"', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	line(&plan, &outcome, longest, false, out, sizeof(out));
	assert_int_equal(count_key(out, "login"), 1);
	assert_int_equal(count_key(out, "us"), 1);
}

/* MTA-07, HDR-15: short lines, folded by LF and white space. */
static void
test_header(void **state)
{
	struct plan plan = { .action = PLAN_SIGN, .rule = &rule,
	    .origin = &origin, .from = "a@b.go.id" };
	struct outcome outcome = { .action = PLAN_REFUSE,
	    .why = WHY_NO_CERTIFICATE };
	struct report report = { .queue_id = "4ABC", .plan = &plan,
	    .outcome = &outcome, .login = "", .client = "",
	    .observed = true };
	char out[1024], *p, *end;
	size_t i;

	(void)state;
	memset(outcome.detail, 'd', sizeof(outcome.detail) - 1);
	for (i = 5; i < sizeof(outcome.detail) - 1; i += 9)
		outcome.detail[i] = ' ';
	report_header(&report, out, sizeof(out));
	assert_memory_equal(out, "result=would-refuse why=no-certificate", 38);
	assert_null(strchr(out, '\r'));
	for (p = out; p != NULL; p = end == NULL ? NULL : end + 1) {
		end = strchr(p, '\n');
		assert_true((end == NULL ? strlen(p) : (size_t)(end - p)) <=
		    78);
		if (p != out)
			assert_int_equal(*p, ' ');
	}
	report_header(&report, out, 20);
	assert_true(strlen(out) < 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_header),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
