/*
 * test_edit.c - the steps by which a header is changed (editplan.c), and how
 * they are put to an MTA (edit.c): SIG-17, MTA-01 to MTA-16, HDR-09, HDR-12.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/editplan.h"
#include "../../milter/policy.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"
#include "fake_milter.h"
#include "fixture.h"

/* Stands for compose.c: a message with these values and so many octets. */
struct composed {
	const char	*type, *encoding, *disposition;
	size_t		 size, piece;
	bool		 fails;		/* at the end */
};

const char *
composed_content_type(const struct composed *composed)
{
	return composed->type;
}

const char *
composed_encoding(const struct composed *composed)
{
	return composed->encoding;
}

const char *
composed_disposition(const struct composed *composed)
{
	return composed->disposition;
}

int
composed_write(struct composed *composed, smime_sink sink, void *arg,
    struct smime_error *err)
{
	unsigned char buf[70000];
	size_t n, left = composed->size;

	memset(buf, 'a', sizeof(buf));
	for (; left > 0; left -= n) {
		n = left < composed->piece ? left : composed->piece;
		if (sink(arg, buf, n) == -1)
			return -1;
	}
	return composed->fails ? smime_error_setx(err, "changed") : 0;
}

static struct composed detached = { "multipart/signed;\n\tboundary=\"b\"",
	NULL, NULL, 10, 10, false };
static struct composed opaque = { "application/pkcs7-mime", "base64",
	"attachment; filename=smime.p7m", 10, 10, false };

/* ----------------------------------------------------------------- plan --- */

#define OURS	"Authentication-Results: mx.pekalongankab.go.id; smime=pass\n"
#define OTHER	"Authentication-Results: mx.example.org; smime=pass\n"

static const struct {
	const char	*what, *header;
	struct composed	*composed;
	bool		 outgoing;
	const char	*steps;		/* -Name.index, =Name.index, +Name */
	const char	*result;
} plan_rows[] = {
	{ "nothing to do", "From: a\n", NULL, true, "", "From: a\n" },
	{ "no MIME fields", "From: a\n", &detached, true,
	    "+MIME-Version +Content-Type",
	    "From: a\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/signed;\n\tboundary=\"b\"\n" },
	{ "in place, extras from the highest index", "content-type: a\n"
	    "From: a\nCONTENT-TYPE: b\nMime-Version: 2\nTo: b\n"
	    "Content-type: c\nMIME-VERSION: 3\n", &detached, true,
	    "-MIME-Version.2 =MIME-Version.1 -Content-Type.3 -Content-Type.2 "
	    "=Content-Type.1",
	    "content-type: multipart/signed;\n\tboundary=\"b\"\nFrom: a\n"
	    "Mime-Version: 1.0\nTo: b\n" },
	{ "SIG-17 all other Content-* go", "Content-ID: 1\ncontent-id: 2\n"
	    "Content-Transfer-Encoding: 8bit\nContent-X-Odd: 1\nFrom: a\n"
	    "Content-Transfer-Encoding: 7bit\nContent-: 1\nContents: 1\n",
	    &detached, true, "+MIME-Version +Content-Type "
	    "-Content-Transfer-Encoding.2 -Content-Transfer-Encoding.1 "
	    "-Content-ID.2 -Content-ID.1 -Content-X-Odd.1 -Content-.1",
	    "From: a\nContents: 1\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/signed;\n\tboundary=\"b\"\n" },
	{ "opaque", "Content-Transfer-Encoding: 8bit\nFrom: a\n"
	    "Content-Transfer-Encoding: 7bit\n", &opaque, true,
	    "+MIME-Version +Content-Type -Content-Transfer-Encoding.2 "
	    "=Content-Transfer-Encoding.1 +Content-Disposition",
	    "Content-Transfer-Encoding: base64\nFrom: a\nMIME-Version: 1.0\n"
	    "Content-Type: application/pkcs7-mime\n"
	    "Content-Disposition: attachment; filename=smime.p7m\n" },
	{ "HDR-09 only results of ours, highest first",
	    OTHER OURS "From: a\n" OURS OTHER
	    "X-VERIFIED-SENDER: x\nX-Verified-Sender: y\n", NULL, false,
	    "-X-Verified-Sender.2 -X-Verified-Sender.1 "
	    "-Authentication-Results.3 -Authentication-Results.2",
	    OTHER "From: a\n" OTHER },
	{ "skip header, outgoing", "X-Sampul-Skip: 1\nFrom: a\n"
	    "x-sampul-skip: 2\n", NULL, true,
	    "-X-Sampul-Skip.2 -X-Sampul-Skip.1", "From: a\n" },
	{ "skip header, incoming", "X-Sampul-Skip: 1\nFrom: a\n", NULL,
	    false, "", "X-Sampul-Skip: 1\nFrom: a\n" },
};

static void
steps_text(const struct edit_plan *plan, char *out, size_t size)
{
	const struct edit_step *step;
	size_t i, len = 0;

	out[0] = '\0';
	for (i = 0; i < plan->count; i++) {
		step = &plan->steps[i];
		if (step->action == EDIT_ADD)
			len += (size_t)snprintf(out + len, size - len,
			    "%s+%s", i > 0 ? " " : "", step->name);
		else
			len += (size_t)snprintf(out + len, size - len,
			    "%s%c%s.%u", i > 0 ? " " : "",
			    step->action == EDIT_DELETE ? '-' : '=',
			    step->name, step->index);
	}
}

static void
header_text(const struct header_list *header, char *out, size_t size)
{
	size_t i, len = 0;

	out[0] = '\0';
	for (i = 0; i < header->count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s:%s\n",
		    header->fields[i].name, header->fields[i].value);
}

static void
gather(const struct conf *conf, const struct header_list *header,
    struct removals *out)
{
	struct smime_error err = { "" };
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < header->count; i++)
		assert_int_equal(removals_field(out, conf,
		    &header->fields[i], &err), 0);
}

static void
test_plan(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct smime_error err = { "" };
	struct header_list header, changed;
	struct removals removals;
	struct edit_plan plan;
	char steps[2048], result[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(plan_rows) / sizeof(plan_rows[0]); i++) {
		fixture_header(&header, plan_rows[i].header);
		gather(conf, &header, &removals);
		assert_int_equal(edit_plan_make(&plan, &header, &removals,
		    plan_rows[i].outgoing, plan_rows[i].composed, &err), 0);
		memset(&changed, 0, sizeof(changed));
		assert_int_equal(edit_plan_apply(&plan, &header, &changed,
		    &err), 0);
		steps_text(&plan, steps, sizeof(steps));
		header_text(&changed, result, sizeof(result));
		if (strcmp(steps, plan_rows[i].steps) != 0 ||
		    strcmp(result, plan_rows[i].result) != 0)
			fail_msg("%s: got %s\n%s\nwanted %s\n%s",
			    plan_rows[i].what, steps, result,
			    plan_rows[i].steps, plan_rows[i].result);
		edit_plan_clear(&plan);
		removals_clear(&removals);
		header_clear(&header);
		header_clear(&changed);
	}
	conf_unref(conf);
}

/* ENC-18, ENC-20: behind the steps of an envelope. */
static void
test_hide(void **state)
{
	static const struct {
		const char	*what, *header;
		bool		 subject;
		const char	*steps, *result;
	} rows[] = {
		{ "Subject, and what repeats it", "Thread-Topic: t\nFrom: a\n"
		    "Subject: s\nKeywords: k\nkeywords: l\n", true,
		    "=Subject.1 -Thread-Topic.1 -Keywords.2 -Keywords.1",
		    "From: a\nSubject: [...]\n" },
		{ "Subject open", "Thread-Topic: t\nSubject: s\nComments: c\n",
		    false, "-Comments.1", "Thread-Topic: t\nSubject: s\n" },
		{ "one of two", "SUBJECT: a\nsubject: b\n", true,
		    "-Subject.2 =Subject.1", "SUBJECT: [...]\n" },
		{ "none", "From: a\n", true, "", "From: a\n" },
	};
	struct smime_error err = { "" };
	struct header_list header, changed;
	struct edit_plan plan;
	char steps[2048], result[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_header(&header, rows[i].header);
		memset(&plan, 0, sizeof(plan));
		memset(&changed, 0, sizeof(changed));
		assert_int_equal(edit_plan_hide(&plan, &header,
		    rows[i].subject, &err), 0);
		assert_int_equal(edit_plan_apply(&plan, &header, &changed,
		    &err), 0);
		steps_text(&plan, steps, sizeof(steps));
		header_text(&changed, result, sizeof(result));
		if (strcmp(steps, rows[i].steps) != 0 ||
		    strcmp(result, rows[i].result) != 0)
			fail_msg("%s: got %s\n%s\nwanted %s\n%s",
			    rows[i].what, steps, result, rows[i].steps,
			    rows[i].result);
		edit_plan_clear(&plan);
		header_clear(&header);
		header_clear(&changed);
	}
}

static void
test_removals_ceiling(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct smime_error err = { "" };
	char name[] = "X-Verified-Sender", value[] = " x";
	const struct header_field field = { name, sizeof(name) - 1, value, 2 };
	struct removals removals;
	size_t i;

	(void)state;
	memset(&removals, 0, sizeof(removals));
	for (i = 0; i < REMOVALS_MAX; i++)
		assert_int_equal(removals_field(&removals, conf, &field,
		    &err), 0);
	assert_int_equal(removals_field(&removals, conf, &field, &err), -1);
	removals_clear(&removals);
	removals_clear(&removals);
	conf_unref(conf);
}

/* HDR-12, ATK-34: a forged field behind what is a line's end to some. */
static void
test_hidden(void **state)
{
	static const struct {
		const char	*value;
		int		 want;
	} rows[] = {
		{ " x", 0 },
		{ " x\ry", 0 },
		{ " x\r", 0 },
		{ " x\rX-Verified-Sender: verified", -1 },
		{ " x\r\rX-VERIFIED-sender \t: verified", -1 },
		{ "\rX-A: b\rX-Verified-Sender:", -1 },
		{ " x\rX-Verified-Sender", 0 },
		{ " x\r X-Verified-Sender: verified", 0 },
		{ " x\n X-Verified-Sender: verified", 0 },
		{ " X-Verified-Sender: verified", 0 },
		{ " x\rAuthentication-Results: mx.pekalongankab.go.id; "
		    "smime=pass", -1 },
		{ " x\rAuthentication-Results: mx.pekalongankab.go.id;\r "
		    "smime=pass", -1 },
		{ " x\rAuthentication-Results: mx.pekalongankab.go.id; "
		    "dkim=pass", 0 },
		{ " x\rAuthentication-Results: lain.example; smime=pass", 0 },
		/* the next CR is that field's end, too */
		{ " x\rAuthentication-Results: mx.pekalongankab.go.id; "
		    "dkim=pass;\ry smime=pass", 0 },
	};
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct smime_error err = { "" };
	struct removals removals = { .items = NULL };
	struct header_field field = { .name = (char *)(uintptr_t)"X-A",
	    .name_len = 3 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		field.value_len = strlen(rows[i].value);
		field.value = malloc(field.value_len);
		assert_non_null(field.value);
		memcpy(field.value, rows[i].value, field.value_len);
		if (removals_field(&removals, conf, &field, &err) !=
		    rows[i].want)
			fail_msg("row %zu: not %d", i, rows[i].want);
		free(field.value);
	}
	assert_int_equal(removals.count, 0);
	removals_clear(&removals);
	conf_unref(conf);
}

/* ----------------------------------------------------------- both MTAs --- */

static const char *const names[] = { "From", "Content-Type", "content-type",
	"Content-ID", "MIME-Version", "mime-version", "Content-Disposition",
	"Content-Transfer-Encoding", "X-Verified-Sender", "Subject" };

static sfsistat
any_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*pf0 = f0;
	*pf1 = f1 & SMFIP_HDR_LEADSPC;
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
any_close(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

static char test_name[] = "test";
static const struct smfiDesc bare = { .xxfi_name = test_name,
	.xxfi_negotiate = any_negotiate, .xxfi_close = any_close };

static void
fill(SMFICTX *ctx, const struct header_list *header)
{
	size_t i;

	ctx->fields = calloc(header->count, sizeof(*ctx->fields));
	for (i = 0; i < header->count; i++) {
		ctx->fields[i].name = strdup(header->fields[i].name);
		ctx->fields[i].value = strdup(header->fields[i].value);
	}
	ctx->field_count = header->count;
	ctx->at_eom = true;
}

static void
compare(enum fake_mta mta, bool leadspc, const struct header_list *header,
    const struct edit_plan *plan, const char *want)
{
	struct smime_error err = { "" };
	char result[8192];
	size_t i, len = 0;
	SMFICTX *ctx;

	ctx = fake_new(mta, &bare, leadspc ? 0 : SMFIP_HDR_LEADSPC);
	fill(ctx, header);
	if (edit_header(ctx, plan, leadspc, &err) == -1)
		fail_msg("%s", err.text);
	result[0] = '\0';
	for (i = 0; i < ctx->field_count; i++)
		if (!ctx->fields[i].deleted)
			len += (size_t)snprintf(result + len,
			    sizeof(result) - len, "%s:%s\n",
			    ctx->fields[i].name, ctx->fields[i].value);
	if (ctx->broken[0] != '\0' || strcmp(result, want) != 0)
		fail_msg("%s: %s\ngot\n%s\nwanted\n%s",
		    mta == FAKE_POSTFIX ? "Postfix" : "Sendmail",
		    ctx->broken, result, want);
	fake_free(ctx);
}

/*
 * MTA-08: whatever the header, both ways of counting and edit_plan_apply come
 * to the same.
 */
static void
test_random_headers(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct smime_error err = { "" };
	struct header_list header, changed;
	struct removals removals;
	struct edit_plan plan;
	char lines[4096], want[8192];
	unsigned seed = 7, round, i, n;
	size_t len;

	(void)state;
	for (round = 0; round < 1500; round++) {
		n = (unsigned)rand_r(&seed) % 14 + 1;
		for (i = 0, len = 0; i < n; i++)
			len += (size_t)snprintf(lines + len,
			    sizeof(lines) - len, "%s: %u\n",
			    names[(size_t)rand_r(&seed) %
			    (sizeof(names) / sizeof(names[0]))], i);
		fixture_header(&header, lines);
		gather(conf, &header, &removals);
		assert_int_equal(edit_plan_make(&plan, &header, &removals,
		    true, round % 3 == 0 ? NULL : round % 3 == 1 ? &detached :
		    &opaque, &err), 0);
		memset(&changed, 0, sizeof(changed));
		assert_int_equal(edit_plan_apply(&plan, &header, &changed,
		    &err), 0);
		header_text(&changed, want, sizeof(want));
		compare(FAKE_POSTFIX, true, &header, &plan, want);
		compare(FAKE_SENDMAIL, true, &header, &plan, want);
		compare(FAKE_SENDMAIL, false, &header, &plan, want);
		if (round % 3 != 0) {
			assert_int_equal(header_count(&changed,
			    "MIME-Version"), 1);
			assert_int_equal(header_count(&changed,
			    "Content-Type"), 1);
			assert_int_equal(header_count(&changed,
			    "Content-ID"), 0);
		}
		assert_int_equal(header_count(&changed, "X-Verified-Sender"),
		    0);
		edit_plan_clear(&plan);
		removals_clear(&removals);
		header_clear(&header);
		header_clear(&changed);
	}
	conf_unref(conf);
}

/* ----------------------------------------------------------------- body --- */

static const struct {
	size_t		 size, piece;
	unsigned	 pieces;
} body_rows[] = {
	{ 0, 1, 1 }, { 1, 1, 1 }, { 65534, 1000, 1 }, { 65535, 65536, 1 },
	{ 65536, 65536, 2 }, { 65536, 7, 2 }, { 200000, 65536, 7 },
	{ 131070, 65535, 2 }, { 200000, 4096, 4 }, { 200000, 65535, 4 },
};

static void
test_body(void **state)
{
	struct composed composed = detached;
	struct smime_error err = { "" };
	SMFICTX *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(body_rows) / sizeof(body_rows[0]); i++) {
		ctx = fake_new(FAKE_POSTFIX, &bare, 0);
		ctx->at_eom = true;
		composed.size = body_rows[i].size;
		composed.piece = body_rows[i].piece;
		assert_int_equal(edit_body(ctx, &composed, &err), 0);
		assert_int_equal(ctx->body_len, body_rows[i].size);
		assert_int_equal(ctx->pieces, body_rows[i].pieces);
		assert_string_equal(ctx->broken, "");
		fake_free(ctx);
	}
	/* What changed on its way is not let go. */
	ctx = fake_new(FAKE_POSTFIX, &bare, 0);
	ctx->at_eom = true;
	composed.fails = true;
	assert_int_equal(edit_body(ctx, &composed, &err), -1);
	assert_string_equal(err.text, "changed");
	fake_free(ctx);
}

/* ---------------------------------------------------------------- reply --- */

static const struct {
	enum plan_action action;
	const char	*text, *want;
} reply_rows[] = {
	{ PLAN_REFUSE, "no", "550 5.7.1 no" },
	{ PLAN_TEMPFAIL, "later", "451 4.7.1 later" },
	{ PLAN_REFUSE, "100% %d %%", "550 5.7.1 100%% %%d %%%%" },
	{ PLAN_REFUSE, "a\r\nb\x80", "550 5.7.1 a  b " },
	{ PLAN_REFUSE, "", "550 5.7.1 " },
};

static void
test_reply(void **state)
{
	struct smime_error err = { "" };
	SMFICTX *ctx = fake_new(FAKE_POSTFIX, &bare, 0);
	char longest[1001];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(reply_rows) / sizeof(reply_rows[0]); i++) {
		assert_int_equal(edit_reply(ctx, reply_rows[i].action,
		    reply_rows[i].text, &err), 0);
		assert_string_equal(ctx->reply, reply_rows[i].want);
		assert_string_equal(ctx->broken, "");
	}
	memset(longest, '%', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(edit_reply(ctx, PLAN_REFUSE, longest, &err), 0);
	assert_string_equal(ctx->broken, "");
	fake_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_hide),
		cmocka_unit_test(test_removals_ceiling),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_random_headers),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
