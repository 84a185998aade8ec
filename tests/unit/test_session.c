/*
 * test_session.c - whole sessions through libmilter's callbacks, with an MTA
 * that counts header fields like Postfix and one that counts like Sendmail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/editplan.h"
#include "../../milter/log.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"
#include "fake_channel.h"
#include "fake_milter.h"
#include "fixture.h"
#include "pki.h"
#include "signing.h"


static struct service service;
static unsigned broken_calls;

/* --------------------------------------------------------------- set-up --- */

/* The log's lines, instead of log.c's. */
static char last_line[2048];
static unsigned lines;

static void
keep_line(const char *fmt, va_list ap)
{
	vsnprintf(last_line, sizeof(last_line), fmt, ap);
	lines++;
}

#define LOG_FUNCTION(name)						\
void									\
name(const char *fmt, ...)						\
{									\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	keep_line(fmt, ap);						\
	va_end(ap);							\
}

LOG_FUNCTION(log_error)
LOG_FUNCTION(log_warning)
LOG_FUNCTION(log_info)

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}

int
log_descriptor(void)
{
	return -1;
}

void
log_set_level(enum log_level level)
{
	(void)level;
}

static void
on_broken(const char *process)
{
	assert_string_equal(process, "key process");
	broken_calls++;
}

static struct signer *p256, *p384;

static int
group_setup(void **state)
{
	pki_setup(state);
	pki_mailbox("p256", "p256", "ok");
	pki_mailbox("p384", "p384", "ok");
	p256 = signing_by("p256");
	p384 = signing_by("p384");
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.broken = on_broken;
	callbacks_use(&service);
	return 0;
}

static int
group_teardown(void **state)
{
	signer_free(p256);
	signer_free(p384);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	conf_replace(NULL);
	return pki_teardown(state);
}

static void
use_conf(const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text), FIXTURE_TOP FIXTURE_LOGIN
	    "spool = { dir = \"%s\"; memory = 4096; };\n%s", pki_path("."),
	    more);
	conf_replace(fixture_conf(text));
	memset(&fake_key, 0, sizeof(fake_key));
	fake_key.signer = p256;
	fake_key.status = KEY_SIGNED;
	last_line[0] = '\0';
	lines = broken_calls = 0;
}

static SMFICTX *
session(enum fake_mta mta, const char *login)
{
	SMFICTX *ctx = fake_new(mta, &callbacks, 0);

	fake_connect(ctx, "192.0.2.7");
	if (login != NULL)
		fake_macro(ctx, "{auth_authen}", login);
	fake_macro(ctx, "{daemon_name}", "mx");
	fake_macro(ctx, "i", "4ABCdef");
	return ctx;
}

static const char *const to_one[] = { "<hakim@example.org>", NULL };

static sfsistat
submit(SMFICTX *ctx, const char *text, size_t piece)
{
	const struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to_one, .text = text, .piece = piece };

	return fake_message(ctx, &message);
}

static void
expect_kept(const SMFICTX *ctx)
{
	if (ctx->broken[0] != '\0')
		fail_msg("%s", ctx->broken);
	assert_int_equal(atomic_load(&service.active), 0);
}

/* openssl's opinion of the message as it is now. */
static void
expect_verified(const SMFICTX *ctx)
{
	size_t len;
	char *out = fake_output(ctx, &len);
	int status;

	write_whole(pki_path("out.eml"), out, len);
	status = pki_run("openssl", "cms", "-verify", "-in",
	    pki_path("out.eml"), "-CAfile", pki_path("root.pem"), NULL);
	if (status != 0)
		fail_msg("openssl does not verify:\n%s", out);
	free(out);
}

static void
expect_line(const char *words)
{
	if (strstr(last_line, words) == NULL)
		fail_msg("want \"%s\" in: %s", words, last_line);
}

#define HEAD "Received: from a by b\r\nFrom: Budi <" BUDI ">\r\n"	\
	"To: hakim@example.org\r\nSubject: Undangan rapat\r\n"
#define PLAIN HEAD "Message-ID: <1@dinkes.pekalongankab.go.id>\r\n"	\
	"MIME-Version: 1.0\r\n"						\
	"Content-Type: text/plain; charset=utf-8\r\n"			\
	"Content-Transfer-Encoding: 7bit\r\n"				\
	"\r\nSelamat pagi,\r\nrapat pukul 10.\r\n"

static const enum fake_mta mtas[] = { FAKE_POSTFIX, FAKE_SENDMAIL };

/* -------------------------------------------------------------- signing --- */

static const struct {
	const char	*what;
	const char	*text;
} signed_rows[] = {
	{ "plain", PLAIN },
	{ "SIG-17 every Content-* field, some twice, odd case", HEAD
	    "content-type: text/plain\r\nMIME-version: 1.0 (odd)\r\n"
	    "Content-Language: id\r\nContent-ID: <a@b>\r\n"
	    "CONTENT-LANGUAGE: en\r\nContent-Description: x\r\n"
	    "Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n"
	    "Content-Disposition: inline\r\nContent-MD5: abc\r\n"
	    "mime-version: 2.0\r\nContent-Transfer-Encoding: 8bit\r\n"
	    "\r\nHalo.\r\n" },
	{ "SIG-18 no MIME at all", HEAD "\r\nHalo.\r\n" },
	{ "SIG-11 8-bit without MIME", HEAD "\r\nS\xc3\xa9lamat.\r\n" },
	{ "SIG-19 no body", HEAD "\r\n" },
	{ "MTA-40 header alone, no empty line", HEAD },
	{ "SIG-19 no final line end", HEAD "\r\nHalo." },
	{ "SIG-15 From and white space", HEAD
	    "\r\nFrom here\r\nand  \r\n.\r\n" },
	{ "folded field", "From: Budi\r\n <" BUDI ">\r\n"
	    "Subject: a\r\n\tb\r\n  c\r\n\r\nHalo.\r\n" },
	{ "SIG-11 multipart with 8-bit leaf", HEAD "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed;\r\n\tboundary=\"-x\"\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\npre\r\n---x\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n---x\r\n\r\n"
	    "two\r\n---x--\r\nend\r\n" },
};

static void
check_signed(const SMFICTX *ctx)
{
	size_t len;
	char *out, *end;

	expect_kept(ctx);
	assert_int_equal(fake_count(ctx, "MIME-Version"), 1);
	assert_int_equal(fake_count(ctx, "Content-Type"), 1);
	assert_int_equal(fake_count(ctx, "Content-Transfer-Encoding"), 0);
	assert_int_equal(fake_count(ctx, "Content-Disposition"), 0);
	assert_int_equal(fake_count(ctx, "Content-Language"), 0);
	assert_int_equal(fake_count(ctx, "Content-ID"), 0);
	assert_int_equal(fake_count(ctx, "Content-MD5"), 0);
	assert_string_equal(fake_value(ctx, "MIME-Version"), " 1.0");
	assert_memory_equal(fake_value(ctx, "Content-Type"),
	    " multipart/signed;", 18);
	out = fake_output(ctx, &len);
	end = strstr(out, "\r\n\r\n");
	assert_non_null(end);
	free(out);
	expect_verified(ctx);
	expect_line("4ABCdef: result=signed rule=default");
	assert_int_equal(lines, 1);
}

static void
test_signed(void **state)
{
	SMFICTX *ctx;
	size_t i, m;

	(void)state;
	use_conf("");
	for (i = 0; i < sizeof(signed_rows) / sizeof(signed_rows[0]); i++)
		for (m = 0; m < 2; m++) {
			lines = 0;
			ctx = session(mtas[m], BUDI);
			if (submit(ctx, signed_rows[i].text, 0) !=
			    SMFIS_CONTINUE)
				fail_msg("%s: %s", signed_rows[i].what,
				    last_line);
			check_signed(ctx);
			assert_string_equal(fake_key.last.address, BUDI);
			assert_string_equal(fake_key.last.queue_id,
			    "4ABCdef");
			fake_free(ctx);
		}
}

/* MTA-04: pieces of every small size give the same signed part. */
static void
test_pieces(void **state)
{
	SMFICTX *ctx;
	size_t piece;

	(void)state;
	use_conf("");
	for (piece = 1; piece < 40; piece++) {
		ctx = session(FAKE_POSTFIX, BUDI);
		assert_int_equal(submit(ctx, signed_rows[9].text, piece),
		    SMFIS_CONTINUE);
		expect_kept(ctx);
		if (piece % 13 == 1)
			expect_verified(ctx);
		fake_free(ctx);
	}
}

/* MTA-06: without LEADSPC the protected copies are the same. */
static void
test_without_leadspc(void **state)
{
	const struct fake_message message = { .sender = BUDI,
	    .recipients = to_one, .text = PLAIN };
	SMFICTX *ctx;

	(void)state;
	use_conf("");
	ctx = fake_new(FAKE_SENDMAIL, &callbacks, SMFIP_HDR_LEADSPC |
	    SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_SKIP);
	fake_connect(ctx, NULL);
	fake_macro(ctx, "{auth_authen}", BUDI);
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	expect_kept(ctx);
	expect_verified(ctx);
	assert_non_null(strstr(ctx->body, "\r\nSubject: Undangan rapat\r\n"));
	fake_free(ctx);
}

static void
test_opaque(void **state)
{
	SMFICTX *ctx;
	size_t m;

	(void)state;
	use_conf("default_rule = { form = \"opaque\"; };\n");
	for (m = 0; m < 2; m++) {
		ctx = session(mtas[m], BUDI);
		assert_int_equal(submit(ctx, signed_rows[1].text, 0),
		    SMFIS_CONTINUE);
		expect_kept(ctx);
		assert_int_equal(fake_count(ctx, "Content-Type"), 1);
		assert_int_equal(fake_count(ctx,
		    "Content-Transfer-Encoding"), 1);
		assert_string_equal(fake_value(ctx,
		    "Content-Transfer-Encoding"), " base64");
		assert_int_equal(fake_count(ctx, "Content-Disposition"), 1);
		assert_int_equal(fake_count(ctx, "Content-Language"), 0);
		expect_verified(ctx);
		expect_line("form=opaque");
		fake_free(ctx);
	}
}

/* A large body: progress first, then one run of pieces (MTA-02, MTA-03). */
static void
test_large(void **state)
{
	const size_t size = 3 * 1024 * 1024;
	struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to_one };
	SMFICTX *ctx;
	char *text;
	size_t at;

	(void)state;
	use_conf("");
	text = malloc(size + 1);
	at = (size_t)snprintf(text, size, "%s", HEAD "\r\n");
	for (; at < size; at++)
		text[at] = at % 70 == 68 ? '\r' : at % 70 == 69 ? '\n' : 'x';
	text[size] = '\0';
	message.text = text;
	message.text_len = size;
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	expect_kept(ctx);
	assert_int_equal(ctx->progress, 1);
	assert_in_range(ctx->pieces, size / 65535, size / 65535 + 3);
	expect_verified(ctx);
	fake_free(ctx);
	free(text);
}

/* The key's digest is learnt: the second message asks once. */
static void
test_digest_learnt(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf("");
	fake_key.signer = p384;
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	assert_int_equal(fake_key.asked, 2);
	assert_non_null(strstr(fake_value(ctx, "Content-Type"), "sha-384"));
	expect_verified(ctx);
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	assert_int_equal(fake_key.asked, 3);
	fake_key.signer = p256;
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	assert_int_equal(fake_key.asked, 5);
	expect_kept(ctx);
	fake_free(ctx);
}

/* --------------------------------------------------------- not signing --- */

#define FORGED "Authentication-Results: mx.pekalongankab.go.id;"	\
	" smime=pass\r\n"
#define FOREIGN "Authentication-Results: mx.example.org; smime=pass\r\n"
#define VERIFIED "x-verified-sender: bupati\r\n"

/*
 * What is not signed leaves byte for byte as it came, but for the fields that
 * have to go (HDR-09, HDR-12, SIG-23). want_text NULL: unchanged.
 */
static const struct {
	const char	*what, *conf, *login, *text;
	sfsistat	 want;
	const char	*want_text, *line;
} passed_rows[] = {
	{ "incoming", "", NULL, PLAIN, SMFIS_CONTINUE, NULL,
	    "result=not-ours why=no-origin" },
	{ "incoming with forged results", "", NULL,
	    VERIFIED FORGED HEAD FOREIGN FORGED VERIFIED FOREIGN
	    "\r\nHalo.\r\n",
	    SMFIS_CONTINUE, HEAD FOREIGN FOREIGN "\r\nHalo.\r\n",
	    "removed=4" },
	{ "already signed", "", BUDI, HEAD "Content-Type: multipart/signed;"
	    " protocol=\"application/pkcs7-signature\"; boundary=x\r\n"
	    "\r\n--x\r\n", SMFIS_CONTINUE, NULL, "why=already-signed" },
	{ "already signed, with a forged result", "", BUDI,
	    HEAD VERIFIED "Content-Type: multipart/signed; boundary=x\r\n"
	    "\r\n--x\r\n\xff\r\n", SMFIS_CONTINUE,
	    HEAD "Content-Type: multipart/signed; boundary=x\r\n"
	    "\r\n--x\r\n\xff\r\n", "result=passed why=already-signed" },
	{ "skip header is removed, and honoured where allowed",
	    "default_rule = { allow_skip = true; };\n", BUDI,
	    "X-Sampul-Skip: 1\r\n" PLAIN, SMFIS_CONTINUE, PLAIN,
	    "result=passed why=skipped" },
	{ "a stranger's skip header is left alone", "", NULL,
	    "X-Sampul-Skip: 1\r\n" PLAIN, SMFIS_CONTINUE, NULL,
	    "result=not-ours" },
	{ "switched off", "default_rule = { sign = \"off\"; };\n", BUDI,
	    PLAIN, SMFIS_CONTINUE, NULL, "result=passed why=rule-off" },
};

static void
expect_text(const SMFICTX *ctx, const char *what, const char *want)
{
	size_t len;
	char *out = fake_output(ctx, &len);

	if (len != strlen(want) || memcmp(out, want, len) != 0)
		fail_msg("%s: got\n%s\nwanted\n%s", what, out, want);
	free(out);
}

static void
test_passed(void **state)
{
	SMFICTX *ctx;
	sfsistat status;
	size_t i, m;

	(void)state;
	for (i = 0; i < sizeof(passed_rows) / sizeof(passed_rows[0]); i++)
		for (m = 0; m < 2; m++) {
			use_conf(passed_rows[i].conf);
			ctx = session(mtas[m], passed_rows[i].login);
			status = submit(ctx, passed_rows[i].text, 0);
			if (status != passed_rows[i].want)
				fail_msg("%s: status %d: %s",
				    passed_rows[i].what, status, last_line);
			expect_kept(ctx);
			expect_text(ctx, passed_rows[i].what,
			    passed_rows[i].want_text != NULL ?
			    passed_rows[i].want_text : passed_rows[i].text);
			expect_line(passed_rows[i].line);
			assert_int_equal(lines, 1);
			assert_int_equal(fake_key.asked, 0);
			fake_free(ctx);
		}
}

/* SIG-01: siti is logged in, budi is in From. */
static void
test_mismatch(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf("");
	ctx = session(FAKE_POSTFIX, SITI);
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_REJECT);
	expect_kept(ctx);
	assert_memory_equal(ctx->reply, "550 5.7.1 Pesan tidak dikirim", 29);
	expect_text(ctx, "refused", PLAIN);
	expect_line("incident=not-owner");
	expect_line("login=" SITI);
	assert_int_equal(fake_key.asked, 0);
	fake_free(ctx);
}

static const struct {
	const char	*what, *conf;
	enum key_status	 status;
	bool		 dead, wrong_der;
	sfsistat	 want;
	const char	*reply, *line;
} failing_rows[] = {
	{ "SIG-60 no certificate", "", KEY_NO_IDENTITY, false, false,
	    SMFIS_REJECT, "550 5.7.1 ",
	    "result=refused why=no-certificate" },
	{ "no certificate, tempfail", "default_rule = { cannot_sign = "
	    "\"tempfail\"; };\n", KEY_NO_IDENTITY, false, false,
	    SMFIS_TEMPFAIL, "451 4.7.1 ",
	    "result=deferred why=no-certificate" },
	{ "no certificate, pass", "default_rule = { cannot_sign = \"pass\"; "
	    "};\n", KEY_NO_IDENTITY, false, false, SMFIS_CONTINUE, "",
	    "result=passed why=no-certificate" },
	{ "no certificate, if possible", "default_rule = { sign = "
	    "\"if-possible\"; };\n", KEY_NO_IDENTITY, false, false,
	    SMFIS_CONTINUE, "", "result=passed why=no-certificate" },
	{ "a fault is never passed", "default_rule = { cannot_sign = "
	    "\"pass\"; sign = \"if-possible\"; };\n", KEY_FAULT, false, false,
	    SMFIS_TEMPFAIL, "451 4.7.1 ", "result=deferred why=internal" },
	{ "rate limited", "default_rule = { cannot_sign = \"pass\"; };\n",
	    KEY_RATE_LIMITED, false, false, SMFIS_TEMPFAIL, "451 4.7.1 ",
	    "result=deferred why=internal" },
	{ "broken channels", "default_rule = { cannot_sign = \"pass\"; };\n",
	    KEY_SIGNED, true, false, SMFIS_TEMPFAIL, "451 4.7.1 ",
	    "result=deferred why=internal" },
	{ "SIG-61 a signature that is none", "default_rule = { cannot_sign = "
	    "\"pass\"; };\n", KEY_SIGNED, false, true, SMFIS_TEMPFAIL,
	    "451 4.7.1 ", "result=deferred why=internal" },
};

static void
test_failing(void **state)
{
	SMFICTX *ctx;
	sfsistat status;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(failing_rows) / sizeof(failing_rows[0]);
	    i++) {
		use_conf(failing_rows[i].conf);
		fake_key.status = failing_rows[i].status;
		fake_key.dead = failing_rows[i].dead;
		fake_key.wrong_der = failing_rows[i].wrong_der;
		ctx = session(FAKE_POSTFIX, BUDI);
		status = submit(ctx, PLAIN, 0);
		if (status != failing_rows[i].want)
			fail_msg("%s: status %d: %s", failing_rows[i].what,
			    status, last_line);
		expect_kept(ctx);
		expect_text(ctx, failing_rows[i].what, PLAIN);
		assert_memory_equal(ctx->reply, failing_rows[i].reply,
		    strlen(failing_rows[i].reply));
		expect_line(failing_rows[i].line);
		assert_int_equal(broken_calls, failing_rows[i].dead ? 1 : 0);
		fake_free(ctx);
	}
}

/* MTA-16, SIG-60: whichever call fails, the answer is a temporary failure. */
static void
test_each_edit_fails(void **state)
{
	SMFICTX *ctx;
	unsigned fail_at, edits;

	(void)state;
	use_conf("");
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, signed_rows[1].text, 0), SMFIS_CONTINUE);
	edits = ctx->edits;
	assert_true(edits > 8);
	for (fail_at = 1; fail_at <= edits; fail_at++) {
		ctx->fail_at = fail_at;
		assert_int_equal(submit(ctx, signed_rows[1].text, 0),
		    SMFIS_TEMPFAIL);
		expect_line("result=deferred why=internal");
		assert_int_equal(ctx->edits, fail_at);
	}
	ctx->fail_at = 0;
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	expect_kept(ctx);
	fake_free(ctx);
}

/* --------------------------------------------------------------- states --- */

/* MTA-10: aborts after each step leave nothing behind; close may come first. */
static void
test_aborts(void **state)
{
	static const char *const steps[] = { "mail", "rcpt", "header", "eoh",
	    "body" };
	struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to_one, .text = FORGED PLAIN };
	SMFICTX *ctx;
	size_t i;

	(void)state;
	use_conf("");
	ctx = session(FAKE_POSTFIX, BUDI);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		message.stop_after = steps[i];
		assert_int_equal(fake_message(ctx, &message), SMFIS_NOREPLY);
		assert_int_equal(atomic_load(&service.active), 0);
		assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
		expect_kept(ctx);
		expect_verified(ctx);
		if (i == 2)
			(void)callbacks.xxfi_abort(ctx);
	}
	fake_free(ctx);
	ctx = fake_new(FAKE_POSTFIX, &callbacks, 0);
	fake_free(ctx);
	ctx = session(FAKE_POSTFIX, BUDI);
	message.stop_after = NULL;
	(void)callbacks.xxfi_close(ctx);
	(void)callbacks.xxfi_close(ctx);
	assert_int_equal(callbacks.xxfi_eoh(ctx), SMFIS_NOREPLY);
	assert_int_equal(callbacks.xxfi_eom(ctx), SMFIS_TEMPFAIL);
	/* SMFIC_QUIT_NC: a connection begins again without negotiation. */
	fake_connect(ctx, "192.0.2.8");
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	expect_kept(ctx);
	expect_verified(ctx);
	fake_free(ctx);
}

/* A login that does not fit must not become another's (PITFALLS 7). */
static void
test_long_names(void **state)
{
	char login[600], sender[4000];
	struct fake_message message = { .sender = sender,
	    .recipients = to_one, .text = PLAIN };
	SMFICTX *ctx;

	(void)state;
	use_conf("");
	memset(login, 'a', sizeof(login) - 1);
	login[sizeof(login) - 1] = '\0';
	memset(sender, 'b', sizeof(sender) - 1);
	sender[sizeof(sender) - 1] = '\0';
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(fake_message(ctx, &message), SMFIS_CONTINUE);
	expect_line("result=signed");
	fake_macro(ctx, "{auth_authen}", login);
	assert_int_equal(fake_message(ctx, &message), SMFIS_TEMPFAIL);
	expect_line("result=deferred why=internal");
	fake_free(ctx);
}

/*
 * Without the end of the header nothing was decided; libmilter lets an MTA go
 * from the recipients to the body, or to the end.
 */
static void
test_no_end_of_header(void **state)
{
	unsigned char octets[] = "isi\r\n";
	char sender[] = "<" BUDI ">", to[] = "<hakim@example.org>";
	char *mail[] = { sender, NULL }, *rcpt[] = { to, NULL };
	SMFICTX *ctx;
	int body;

	(void)state;
	use_conf("");
	for (body = 0; body < 2; body++) {
		ctx = session(FAKE_POSTFIX, BUDI);
		callbacks.xxfi_envfrom(ctx, mail);
		callbacks.xxfi_envrcpt(ctx, rcpt);
		if (body)
			callbacks.xxfi_body(ctx, octets, 5);
		ctx->at_eom = true;
		assert_int_equal(callbacks.xxfi_eom(ctx), SMFIS_TEMPFAIL);
		ctx->at_eom = false;
		expect_line("no end of the header");
		assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
		expect_line("result=signed");
		fake_free(ctx);
	}
}

/* The MTA must be able to do what we need (MTA-05). */
static void
test_negotiation(void **state)
{
	struct smfi_str ctx = { .mta = FAKE_POSTFIX };
	unsigned long actions, steps, f2, f3;

	(void)state;
	use_conf("");
	assert_int_equal(callbacks.xxfi_negotiate(&ctx, SMFIF_ADDHDRS |
	    SMFIF_CHGBODY, SMFI_CURR_PROT, 0, 0, &actions, &steps, &f2, &f3),
	    SMFIS_REJECT);
	assert_null(ctx.priv);
	/* Old MTAs: no macro lists, nothing but the oldest steps. */
	assert_int_equal(callbacks.xxfi_negotiate(&ctx, SMFI_V1_ACTS |
	    SMFIF_CHGHDRS, SMFI_V1_PROT, 0, 0, &actions, &steps, &f2, &f3),
	    SMFIS_CONTINUE);
	assert_int_equal(actions, SMFIF_ADDHDRS | SMFIF_CHGHDRS |
	    SMFIF_CHGBODY | SMFIF_DELRCPT);
	assert_int_equal(steps & (SMFIP_HDR_LEADSPC | SMFIP_NODATA |
	    SMFIP_NOUNKNOWN), 0);
	(void)callbacks.xxfi_close(&ctx);
}

/* ------------------------------------------------------------- ceilings --- */

/* MTA-37, HDR-12: over the ceilings nothing is signed, and forged fields go. */
static void
test_ceilings(void **state)
{
	char text[24000];
	SMFICTX *ctx;
	size_t at;

	(void)state;
	use_conf("milter = { max_header = 16384; max_message = 4096; };\n");
	at = (size_t)snprintf(text, sizeof(text), "%s", HEAD);
	while (at < 18000)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "X-Long: %0100d\r\n", 7);
	snprintf(text + at, sizeof(text) - at, "%s%s\r\nHalo.\r\n", VERIFIED,
	    FORGED);
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, text, 0), SMFIS_REJECT);
	expect_line("why=too-large");
	fake_free(ctx);
	/* Incoming: passes, but without the forged fields. */
	ctx = session(FAKE_POSTFIX, NULL);
	assert_int_equal(submit(ctx, text, 0), SMFIS_CONTINUE);
	expect_kept(ctx);
	assert_int_equal(fake_count(ctx, "X-Verified-Sender"), 0);
	assert_int_equal(fake_count(ctx, "Authentication-Results"), 0);
	fake_free(ctx);

	at = (size_t)snprintf(text, sizeof(text), "%s%s\r\n", HEAD, VERIFIED);
	memset(text + at, 'x', 5000);
	text[at + 5000] = '\0';
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, text, 100), SMFIS_REJECT);
	expect_line("why=too-large");
	expect_line("bytes=5000");
	fake_free(ctx);
	use_conf("milter = { max_message = 4096; };\n"
	    "default_rule = { cannot_sign = \"pass\"; };\n");
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, text, 100), SMFIS_CONTINUE);
	expect_line("result=passed why=too-large");
	assert_int_equal(fake_count(ctx, "X-Verified-Sender"), 0);
	expect_kept(ctx);
	fake_free(ctx);
}

/* A spool that cannot be written is a temporary failure, never a pass. */
static void
test_disk(void **state)
{
	char text[20000];
	SMFICTX *ctx;
	size_t at;

	(void)state;
	use_conf("default_rule = { cannot_sign = \"pass\"; };\n");
	conf_replace(fixture_conf(FIXTURE_TOP FIXTURE_LOGIN
	    "spool = { dir = \"/nonexistent/spool\"; memory = 4096; };\n"
	    "default_rule = { cannot_sign = \"pass\"; };\n"));
	at = (size_t)snprintf(text, sizeof(text), HEAD "\r\n");
	memset(text + at, 'x', 9000);
	text[at + 9000] = '\0';
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, text, 1000), SMFIS_TEMPFAIL);
	expect_line("why=internal");
	assert_memory_equal(ctx->reply, "451 4.7.1 ", 10);
	assert_int_equal(ctx->edits, 0);
	expect_kept(ctx);
	fake_free(ctx);
}

/* ---------------------------------------------------------------- later --- */

#define MEETING HEAD "MIME-Version: 1.0\r\nContent-Type: "		\
	"multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nUndangan\r\n--b\r\n"		\
	"Content-Type: text/calendar; method=REQUEST\r\n\r\n"		\
	"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n--b--\r\n"
#define NO_MEETING HEAD "MIME-Version: 1.0\r\nContent-Type: "		\
	"multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nUndangan\r\n"\
	"--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n"
#define MEETING_RULE "rules = ( { name = \"meetings\"; preset = "	\
	"\"meeting\"; sign = \"off\"; header_protection = %s; } );\n"

static void
test_later(void **state)
{
	char conf[512];
	SMFICTX *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(conf, sizeof(conf), MEETING_RULE,
		    i == 0 ? "true" : "false");
		use_conf(conf);
		ctx = session(FAKE_POSTFIX, BUDI);
		assert_int_equal(submit(ctx, MEETING, 7), SMFIS_CONTINUE);
		expect_line("result=passed why=rule-off rule=meetings");
		expect_text(ctx, "meeting", MEETING);
		assert_int_equal(submit(ctx, NO_MEETING, 7), SMFIS_CONTINUE);
		expect_line("result=signed rule=default");
		expect_kept(ctx);
		expect_verified(ctx);
		/* Begun without protection, signed with it. */
		assert_non_null(strstr(ctx->body, "hp=\"clear\""));
		fake_free(ctx);
	}
}

/* -------------------------------------------------------------- observe --- */

static const struct {
	const char	*what, *login, *text;
	sfsistat	 want;
	const char	*report, *line;
} observe_rows[] = {
	{ "would sign", BUDI, VERIFIED PLAIN, SMFIS_CONTINUE,
	    " result=would-sign rule=default", "result=would-sign" },
	{ "would refuse", SITI, PLAIN, SMFIS_CONTINUE,
	    " result=would-refuse why=not-owner incident=not-owner",
	    "result=would-refuse" },
	{ "incoming", NULL, PLAIN, SMFIS_CONTINUE, NULL, "result=not-ours" },
	{ "HDR-12 incoming, forged", NULL, VERIFIED PLAIN, SMFIS_CONTINUE,
	    NULL, "result=not-ours" },
};

static void
test_observe(void **state)
{
	SMFICTX *ctx;
	const char *value;
	size_t i, len;
	char *out;

	(void)state;
	for (i = 0; i < sizeof(observe_rows) / sizeof(observe_rows[0]); i++) {
		use_conf("mode = \"observe\";\n");
		ctx = session(FAKE_POSTFIX, observe_rows[i].login);
		if (submit(ctx, observe_rows[i].text, 0) !=
		    observe_rows[i].want)
			fail_msg("%s: %s", observe_rows[i].what, last_line);
		expect_kept(ctx);
		expect_line(observe_rows[i].line);
		assert_int_equal(ctx->pieces, 0);
		value = fake_value(ctx, REPORT_HEADER);
		if (observe_rows[i].report == NULL)
			assert_null(value);
		else if (value == NULL || strncmp(value,
		    observe_rows[i].report, strlen(observe_rows[i].report)) !=
		    0)
			fail_msg("%s: report%s", observe_rows[i].what, value);
		/* But for that field and forged ones nothing has changed. */
		if (value != NULL)
			ctx->fields[ctx->field_count - 1].deleted = true;
		out = fake_output(ctx, &len);
		assert_string_equal(out, PLAIN);
		free(out);
		fake_free(ctx);
	}
	use_conf("mode = \"observe\";\n");
	fake_key.dead = true;
	ctx = session(FAKE_POSTFIX, BUDI);
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	expect_line("result=would-tempfail");
	fake_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_without_leadspc),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_digest_learnt),
		cmocka_unit_test(test_passed),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_each_edit_fails),
		cmocka_unit_test(test_aborts),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_no_end_of_header),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_observe),
	};

	return cmocka_run_group_tests_name("session", tests, group_setup,
	    group_teardown);
}
