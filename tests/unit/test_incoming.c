/*
 * test_incoming.c - mail that comes in, through libmilter's callbacks: what it
 * gets on top, what of it goes, and what becomes of it.
 */
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_VERIFY	""

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/editplan.h"
#include "../../milter/incoming.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"
#include "fake_channel.h"
#include "fake_milter.h"
#include "fixture.h"
#include "pki.h"
#include "seen_log.h"
#include "signing.h"
#include "skipping.h"

#define ID	"mx.pekalongankab.go.id"

static struct service service;
static struct signer *ours;
static time_t shift;		/* of everybody's clock, libcrypto's too */

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += shift;
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

/* --------------------------------------------------------------- set-up --- */

static void
copy_to(const char *from, const char *to)
{
	size_t len;
	char *buf = read_whole(pki_path("%s", from), &len);

	write_whole(pki_path("%s", to), buf, len);
	free(buf);
}

#define HEAD_OF(from)	"Received: from a by b\r\nFrom: " from "\r\n"	\
	"To: siti@dinkes.pekalongankab.go.id\r\nSubject: Rapat\r\n"	\
	"Date: Sun, 22 Nov 2026 09:00:00 +0700\r\n"
#define HEAD	HEAD_OF("Budi <" BUDI ">")
#define CONTENT	"Content-Type: text/plain\r\n\r\nRapat pukul 10.\r\n"

static char *detached, *opaque, *by_siti, *by_revoked, *untrusted;

static int
group_setup(void **state)
{
	pki_setup(state);
	mkdir(pki_path("anchors"), 0755);
	mkdir(pki_path("intermediates"), 0755);
	mkdir(pki_path("crl"), 0755);
	mkdir(pki_path("empty"), 0755);
	copy_to("root.pem", "anchors/root.pem");
	copy_to("issuing.pem", "intermediates/issuing.pem");
	pki_mailbox("budi", "p256", "ok");
	pki_mailbox("revoked", "p256", "ok");
	pki_mailbox("stranger", "p256", "otherroot");
	pki_mailbox("nameless", "p256", "noaddress");
	pki_make("mailbox", SITI, "p256", pki_path("siti"), NULL);
	pki_make("revoke", pki_path("revoked"), NULL);
	copy_to("root.crl.pem", "crl/root.crl");
	copy_to("issuing.crl.pem", "crl/issuing.crl");
	detached = signing_mail("budi", HEAD, CONTENT, false);
	opaque = signing_mail("budi", HEAD, CONTENT, true);
	by_siti = signing_mail("siti", HEAD, CONTENT, false);
	by_revoked = signing_mail("revoked", HEAD, CONTENT, false);
	untrusted = signing_mail("stranger", HEAD, CONTENT, false);
	ours = signing_by("budi");
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.verified = verify_cache_new(16);
	service.ours = ours_new();
	callbacks_use(&service);
	return 0;
}

static int
group_teardown(void **state)
{
	free(detached);
	free(opaque);
	free(by_siti);
	free(by_revoked);
	free(untrusted);
	signer_free(ours);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	verify_cache_free(service.verified);
	ours_free(service.ours);
	truststore_free(service.trusted);
	conf_replace(NULL);
	return pki_teardown(state);
}

/* verify: what stands in that group besides; more: behind it. */
static void
use_conf(const char *crl_dir, const char *verify, const char *more)
{
	struct smime_error err = { "" };
	struct trust_state *trust;
	struct conf *conf;
	char text[4096];

	snprintf(text, sizeof(text), FIXTURE_TOP FIXTURE_LOGIN
	    "language = \"en\";\nspool = { dir = \"%s\"; };\n"
	    "keystore = { anchors_dir = \"%s\"; intermediates_dir = \"%s\"; };\n"
	    "verify = { crl_dir = \"%s\"; %s };\n%s", pki_path("."),
	    pki_path("anchors"), pki_path("intermediates"),
	    pki_path("%s", crl_dir), verify, more);
	conf = fixture_conf(text);
	trust = trust_state_read(conf, &err);
	if (trust == NULL)
		fail_msg("%s", err.text);
	truststore_free(service.trusted);
	service.trusted = truststore_new(trust);
	conf_replace(conf);
	memset(&fake_key, 0, sizeof(fake_key));
	fake_key.signer = ours;
	fake_key.status = KEY_SIGNED;
	seen_log_clear();
}

static SMFICTX *
session(const char *client, const char *login)
{
	SMFICTX *ctx = fake_new(FAKE_POSTFIX, &callbacks, 0);

	fake_connect(ctx, client);
	if (login != NULL)
		fake_macro(ctx, "{auth_authen}", login);
	fake_macro(ctx, "i", "4ABCdef");
	return ctx;
}

static const char *const to_siti[] = { "<" SITI ">", NULL };

static sfsistat
submit(SMFICTX *ctx, const char *text, size_t piece)
{
	const struct fake_message message = { .sender = "<x@example.org>",
	    .recipients = to_siti, .text = text, .piece = piece };

	return fake_message(ctx, &message);
}

/* The body is as it came, to the octet (VER-50). */
static void
expect_body(const SMFICTX *ctx, const char *text)
{
	const char *body = strstr(text, "\r\n\r\n") + 4;

	if (ctx->broken[0] != '\0')
		fail_msg("%s", ctx->broken);
	assert_int_equal(ctx->body_len, strlen(body));
	assert_memory_equal(ctx->body, body, ctx->body_len);
	assert_int_equal(ctx->pieces, 0);
	assert_int_equal(atomic_load(&service.active), 0);
}

static const char *
unfolded(const SMFICTX *ctx, const char *name)
{
	static char out[2][RESULTS_MAX];
	static int turn;
	const char *value = fake_value(ctx, name);
	size_t len = 0;

	turn = !turn;
	for (; value != NULL && *value != '\0'; value++)
		if (*value != '\n')
			out[turn][len++] = *value == '\t' ? ' ' : *value;
	out[turn][len] = '\0';
	return out[turn];
}

/* One of each, on top, in this order (HDR-08). result NULL: no result. */
static void
expect_top(const SMFICTX *ctx, const char *what, const char *state,
    const char *result)
{
	size_t at = result != NULL ? 1 : 0;
	char want[128];

	snprintf(want, sizeof(want), " " ID "; smime=%s",
	    result != NULL ? result : "");
	if (fake_count(ctx, RESULTS_HEADER) != at ||
	    (at == 1 && (strcmp(ctx->fields[0].name, RESULTS_HEADER) != 0 ||
	    strncmp(unfolded(ctx, RESULTS_HEADER), want,
	    strlen(want)) != 0)))
		fail_msg("%s: wanted%s, got%s", what, want,
		    fake_value(ctx, RESULTS_HEADER));
	snprintf(want, sizeof(want), " %s;", state);
	if (fake_count(ctx, VERIFIED_SENDER_HEADER) != 1 ||
	    strcmp(ctx->fields[at].name, VERIFIED_SENDER_HEADER) != 0 ||
	    strncmp(ctx->fields[at].value, want, strlen(want)) != 0)
		fail_msg("%s: wanted%s, got%s", what, want,
		    fake_value(ctx, VERIFIED_SENDER_HEADER));
}

static void
expect_seen(const char *words)
{
	if (strstr(seen_log(), words) == NULL)
		fail_msg("want \"%s\" in:\n%s", words, seen_log());
}

/* ------------------------------------------------------------- verdicts --- */

#define PLAIN	HEAD "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"	\
	"\r\nHalo.\r\n"
#define ENCRYPTED HEAD "MIME-Version: 1.0\r\nContent-Type: "		\
	"application/pkcs7-mime; smime-type=enveloped-data\r\n"		\
	"Content-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHA6CA\r\n"
#define PGP	HEAD "MIME-Version: 1.0\r\nContent-Type: multipart/signed; "\
	"protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n"	\
	"--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pgp-signature"	\
	"\r\n\r\nx\r\n--b--\r\n"

static const struct {
	const char	*what;
	char		**made;		/* or text */
	const char	*text, *verify, *crl, *state, *result, *line;
} rows[] = {
	{ "pass", &detached, NULL, "", "crl", "verified",
	    "pass body.smime-part=2", "smime=pass signer=" BUDI },
	{ "pass, opaque", &opaque, NULL, "", "crl", "verified", "pass",
	    "smime=pass" },
	{ "HDR-16 unsigned", NULL, PLAIN, "", "crl", "unsigned", "none",
	    "smime=none reason=unsigned" },
	{ "VER-51 encrypted", NULL, ENCRYPTED, "", "crl", "unknown", NULL,
	    "smime=unknown reason=encrypted" },
	{ "OpenPGP", NULL, PGP, "", "crl", "unknown", NULL, "smime=unknown" },
	{ "ATK-10 another address", &by_siti, NULL, "", "crl",
	    "not-verified", "policy reason=\"other-address\"",
	    "smime=policy reason=other-address" },
	{ "revoked", &by_revoked, NULL, "", "crl", "not-verified",
	    "fail reason=\"revoked\"", "smime=fail reason=revoked" },
	{ "ATK-05 another root", &untrusted, NULL, "", "crl", "not-verified",
	    "fail reason=\"untrusted\"", "smime=fail" },
	{ "CRT-04 no list", &detached, NULL, "", "empty", "unknown",
	    "temperror", "smime=temperror" },
	{ "CRT-04 no list, soft", &detached, NULL, "crl = \"soft-fail\";",
	    "empty", "verified", "pass (revocation not checked)",
	    "revocation=unchecked" },
	{ "HDR-03 over a ceiling", &opaque, NULL, "max_opaque = 16384;",
	    "crl", "verified", "pass", "smime=pass" },
};

static void
test_verdicts(void **state)
{
	static const size_t pieces[] = { 0, 1, 7 };
	const char *text;
	SMFICTX *ctx;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (j = 0; j < 3; j++) {
			use_conf(rows[i].crl, rows[i].verify, "");
			text = rows[i].made != NULL ? *rows[i].made :
			    rows[i].text;
			ctx = session("192.0.2.7", NULL);
			if (submit(ctx, text, pieces[j]) != SMFIS_CONTINUE)
				fail_msg("%s: %s", rows[i].what, seen_log());
			expect_body(ctx, text);
			expect_top(ctx, rows[i].what, rows[i].state,
			    rows[i].result);
			expect_seen("result=accepted");
			expect_seen(rows[i].line);
			fake_free(ctx);
		}
}

/* Every octet of what is signed changed, one at a time: never a pass. */
static void
test_tampered(void **state)
{
	char *text = strdup(detached), *p, *end;
	SMFICTX *ctx = session("192.0.2.7", NULL);

	(void)state;
	p = strstr(text, "Content-Type: text/plain");
	end = strstr(p, "\r\n--");
	use_conf("crl", "", "");
	for (; p < end; p++) {
		*p ^= 0x20;
		assert_int_equal(submit(ctx, text, 0), SMFIS_CONTINUE);
		*p ^= 0x20;
		if (strstr(fake_value(ctx, VERIFIED_SENDER_HEADER),
		    " verified;") != NULL)
			fail_msg("%s", p);
		seen_log_clear();
	}
	fake_free(ctx);
	free(text);
}

/* ------------------------------------------------------------ forged --- */

#define FORGED								\
	"X-Verified-Sender: verified; address=\"bupati@x\"\r\n"		\
	"Authentication-Results: " ID "; smime=pass\r\n"			\
	"x-VERIFIED-sender:\r\n verified\r\n"				\
	"authentication-results: \"" ID "\" (c) 1;\r\n smime=pass\r\n"

/* HDR-12, ATK-34: nobody takes out a part of a field; better later than false. */
static void
test_hidden(void **state)
{
	static const char *const ways[] = { "", "mode = \"observe\";\n",
		"milter = { max_header = 16384; };\n" };
	static char text[32768];
	char filler[20000];
	SMFICTX *ctx;
	size_t i;

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(text, sizeof(text), "X-Large: %s\r\nX-A: x\r"
		    "X-Verified-Sender: verified\r\n" PLAIN,
		    i == 2 ? filler : "");
		use_conf("crl", "", ways[i]);
		ctx = session("192.0.2.7", NULL);
		if (submit(ctx, text, 0) != SMFIS_TEMPFAIL)
			fail_msg("\"%s\": %s", ways[i], seen_log());
		expect_seen("a bare CR hides a forged result");
		fake_free(ctx);
	}
}

/* HDR-09, HDR-12: fifty of each, and results of others stay. */
static void
test_forged(void **state)
{
	static const struct {
		const char	*what, *login, *conf;
	} ways[] = {
		{ "incoming", NULL, "" },
		{ "MTA-37 over the header's ceiling", NULL,
		    "milter = { max_header = 16384; };\n" },
		{ "submission", BUDI, "" },
		{ "submission, not signed", BUDI,
		    "default_rule = { sign = \"off\"; };\n" },
		{ "observed", NULL, "mode = \"observe\";\n" },
		{ "observed submission", BUDI, "mode = \"observe\";\n" },
	};
	static char text[65536];
	char filler[20000];
	SMFICTX *ctx;
	size_t i, j, len;

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		len = 0;
		if (i == 1)
			len += (size_t)snprintf(text, sizeof(text),
			    "X-Large: %s\r\n", filler);
		for (j = 0; j < 50; j++)
			len += (size_t)snprintf(text + len,
			    sizeof(text) - len, FORGED);
		snprintf(text + len, sizeof(text) - len,
		    "Authentication-Results: " ID "; dkim=pass\r\n" PLAIN);
		use_conf("crl", "", ways[i].conf);
		ctx = session("192.0.2.7", ways[i].login);
		if (submit(ctx, text, 0) != SMFIS_CONTINUE)
			fail_msg("%s: %s", ways[i].what, seen_log());
		if (ctx->broken[0] != '\0')
			fail_msg("%s: %s", ways[i].what, ctx->broken);
		for (j = 0; j < ctx->field_count; j++)
			if (!ctx->fields[j].deleted &&
			    (strstr(ctx->fields[j].value, "bupati") != NULL ||
			    strstr(ctx->fields[j].value, "\"" ID) != NULL))
				fail_msg("%s: %s stays", ways[i].what,
				    ctx->fields[j].name);
		expect_seen("removed=200");
		if (strstr(ways[i].conf, "observe") != NULL) {
			assert_int_equal(fake_count(ctx,
			    VERIFIED_SENDER_HEADER), 0);
			assert_int_equal(fake_count(ctx, RESULTS_HEADER), 1);
			assert_int_equal(fake_count(ctx, REPORT_HEADER), 1);
		} else
			assert_int_equal(fake_count(ctx,
			    VERIFIED_SENDER_HEADER), 1);
		fake_free(ctx);
	}
}

/* HDR-11: all of ours, and all there are. */
static void
test_results(void **state)
{
	static const char text[] =
	    "Authentication-Results: " ID "; dkim=pass\r\n"
	    "Authentication-Results: other.example; smime=pass\r\n" PLAIN;
	static const struct {
		const char	*setting;
		size_t		 left;
	} wants[] = {
		{ "", 2 }, { "results = \"ours\";", 1 },
		{ "results = \"all\";", 0 },
	};
	SMFICTX *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		use_conf("crl", wants[i].setting, "");
		ctx = session("192.0.2.7", NULL);
		assert_int_equal(submit(ctx, text, 0), SMFIS_CONTINUE);
		assert_int_equal(fake_count(ctx, RESULTS_HEADER),
		    wants[i].left + 1);
		fake_free(ctx);
	}
}

/* MTA-16: an edit that is not taken keeps the message back. */
static void
test_edit_fails(void **state)
{
	SMFICTX *ctx;
	unsigned i;

	(void)state;
	use_conf("crl", "", "incoming = ( { action = \"quarantine\"; } );\n");
	for (i = 1; i <= 7; i++) {
		ctx = session("192.0.2.7", NULL);
		ctx->fail_at = i;
		assert_int_equal(submit(ctx, FORGED PLAIN, 0),
		    SMFIS_TEMPFAIL);
		fake_free(ctx);
	}
}

/* ------------------------------------------------------------ policy --- */

#define FOREIGN	HEAD_OF("Hakim <hakim@example.org>") "\r\nHalo.\r\n"
#define SPOOF(from) HEAD_OF(from) "\r\nHalo.\r\n"

static const struct {
	const char	*what;
	const char	*verify, *rules;
	const char	*client;
	const char	*text;
	char		**made;
	sfsistat	 want;
	bool		 hold;
	const char	*line;		/* NULL: no incident */
} policies[] = {
	{ "default", "", "", "192.0.2.7", FOREIGN, NULL, SMFIS_CONTINUE,
	    false, NULL },
	{ "refuse", "", "{ verdict = [ \"none\" ]; action = \"refuse\"; }",
	    "192.0.2.7", FOREIGN, NULL, SMFIS_REJECT, false, NULL },
	{ "the first decides", "", "{ from = \"@example.org\"; action = "
	    "\"accept\"; }, { action = \"refuse\"; }", "192.0.2.7", FOREIGN,
	    NULL, SMFIS_CONTINUE, false, NULL },
	{ "tempfail", "", "{ to = \"" SITI "\"; action = \"tempfail\"; }",
	    "192.0.2.7", FOREIGN, NULL, SMFIS_TEMPFAIL, false, NULL },
	{ "MTA-54 hold", "", "{ verdict = [ \"none\", \"fail\" ]; action = "
	    "\"quarantine\"; }", "192.0.2.7", FOREIGN, NULL, SMFIS_CONTINUE,
	    true, NULL },
	{ "another verdict", "", "{ verdict = [ \"fail\" ]; action = "
	    "\"refuse\"; }", "192.0.2.7", FOREIGN, NULL, SMFIS_CONTINUE,
	    false, NULL },
	{ "silent is unknown", "", "{ verdict = [ \"unknown\" ]; action = "
	    "\"quarantine\"; }", "192.0.2.7", ENCRYPTED, NULL, SMFIS_CONTINUE,
	    true, "incident=spoof" },
	{ "spoof, accepted", "", "", "192.0.2.7", PLAIN, NULL,
	    SMFIS_CONTINUE, false, "incident=spoof" },
	{ "spoof, refused", "spoof = \"refuse\";", "", "192.0.2.7", PLAIN,
	    NULL, SMFIS_REJECT, false, "incident=spoof rule=spoof" },
	{ "spoof, held", "spoof = \"quarantine\";", "", "192.0.2.7", PLAIN,
	    NULL, SMFIS_CONTINUE, true, "incident=spoof" },
	{ "a rule before it", "spoof = \"refuse\";", "{ from = \"" BUDI
	    "\"; action = \"accept\"; }", "192.0.2.7", PLAIN, NULL,
	    SMFIS_CONTINUE, false, "incident=spoof" },
	{ "from this host", "spoof = \"refuse\";", "", "127.0.0.1", PLAIN,
	    NULL, SMFIS_CONTINUE, false, NULL },
	{ "signed", "spoof = \"refuse\";", "", "192.0.2.7", NULL, &detached,
	    SMFIS_CONTINUE, false, NULL },
	{ "bad signature", "spoof = \"refuse\";", "", "192.0.2.7", NULL,
	    &untrusted, SMFIS_REJECT, false, "incident=bad-signature" },
	{ "ATK-12 two From", "spoof = \"refuse\";", "", "192.0.2.7",
	    "From: x@example.org\r\n" PLAIN, NULL, SMFIS_REJECT, false,
	    "incident=spoof" },
	{ "two mailboxes", "spoof = \"refuse\";", "", "192.0.2.7",
	    SPOOF("x@example.org, " BUDI), NULL, SMFIS_REJECT, false,
	    "incident=spoof" },
	{ "comment in the domain", "spoof = \"refuse\";", "", "192.0.2.7",
	    SPOOF("budi@ (x) dinkes . pekalongankab(y).go.id"), NULL,
	    SMFIS_REJECT, false, "incident=spoof" },
	{ "in the name", "spoof = \"refuse\";", "", "192.0.2.7",
	    SPOOF("\"" BUDI "\" <x@example.org>"), NULL, SMFIS_REJECT, false,
	    "incident=spoof" },
	{ "looks like ours", "spoof = \"refuse\";", "", "192.0.2.7",
	    SPOOF("budi@pekalongankab.go.id.example.org"), NULL,
	    SMFIS_CONTINUE, false, NULL },
};

static void
test_policy(void **state)
{
	char rules[512];
	const char *text;
	SMFICTX *ctx;
	sfsistat got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		snprintf(rules, sizeof(rules), "incoming = ( %s );\n",
		    policies[i].rules);
		use_conf("crl", policies[i].verify, rules);
		ctx = session(policies[i].client, NULL);
		text = policies[i].made != NULL ? *policies[i].made :
		    policies[i].text;
		got = submit(ctx, text, 0);
		if (got != policies[i].want ||
		    (ctx->quarantine[0] != '\0') != policies[i].hold)
			fail_msg("%s: got %d, reply \"%s\", hold \"%s\"\n%s",
			    policies[i].what, got, ctx->reply,
			    ctx->quarantine, seen_log());
		if (policies[i].line != NULL)
			expect_seen(policies[i].line);
		else if (strstr(seen_log(), "incident=") != NULL)
			fail_msg("%s: %s", policies[i].what, seen_log());
		if (got == SMFIS_REJECT)
			assert_memory_equal(ctx->reply, "550 5.7.1 Message "
			    "refused", 25);
		if (got == SMFIS_TEMPFAIL)
			assert_memory_equal(ctx->reply, "451 4.7.1 ", 10);
		if (got == SMFIS_CONTINUE)
			expect_body(ctx, text);
		fake_free(ctx);
	}
}

/* A missing list is ours to bring: nothing is refused for good for it. */
static void
test_spoof_later(void **state)
{
	SMFICTX *ctx = session("192.0.2.7", NULL);

	(void)state;
	use_conf("empty", "spoof = \"refuse\";", "");
	assert_int_equal(submit(ctx, detached, 0), SMFIS_TEMPFAIL);
	expect_seen("smime=temperror");
	assert_null(strstr(seen_log(), "incident="));
	fake_free(ctx);
}

/* Observing decides and does nothing. */
static void
test_observe(void **state)
{
	SMFICTX *ctx = session("192.0.2.7", NULL);

	(void)state;
	use_conf("crl", "spoof = \"refuse\";", "mode = \"observe\";\n");
	assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
	expect_seen("result=would-refuse smime=none");
	assert_int_equal(fake_count(ctx, VERIFIED_SENDER_HEADER), 0);
	assert_non_null(strstr(fake_value(ctx, REPORT_HEADER),
	    "result=would-refuse smime=none"));
	expect_body(ctx, PLAIN);
	fake_free(ctx);
}

/* ---------------------------------------------------------- internal --- */

/* What we sign for a reader of ours is said to be verified at once, and the
 * key's own list is asked. */
static void
test_ours(void **state)
{
	static const char *const to_hakim[] = { "<hakim@example.org>", NULL };
	const struct fake_message outward = { .sender = "<" BUDI ">",
	    .recipients = to_hakim, .text = PLAIN };
	SMFICTX *ctx;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		use_conf(i < 2 ? "crl" : "empty", "", "");
		ctx = session("192.0.2.7", BUDI);
		assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
		expect_seen("result=signed");
		if (i < 2)
			expect_top(ctx, "ours", "verified",
			    "pass body.smime-part=2 body.smime-identifier="
			    BUDI);
		else
			expect_top(ctx, "ours, no list", "unknown",
			    "temperror");
		assert_true(ctx->pieces > 0);
		fake_free(ctx);
	}
	use_conf("crl", "", "");
	ctx = session("192.0.2.7", BUDI);
	assert_int_equal(fake_message(ctx, &outward), SMFIS_CONTINUE);
	expect_seen("result=signed");
	assert_int_equal(fake_count(ctx, VERIFIED_SENDER_HEADER), 0);
	fake_free(ctx);
	/* signed by the mailbox's own program, for a reader of ours */
	ctx = session("192.0.2.7", BUDI);
	assert_int_equal(submit(ctx, detached, 0), SMFIS_CONTINUE);
	expect_seen("result=passed why=already-signed");
	expect_top(ctx, "already signed", "verified", "pass");
	expect_body(ctx, detached);
	fake_free(ctx);
}

/* A good answer holds from when it was found, and not before: the list is
 * not issued yet, an hour ago. */
static void
test_ours_clock(void **state)
{
	static const time_t shifts[] = { 0, -3600, 0 };
	SMFICTX *ctx;
	size_t i;

	(void)state;
	use_conf("crl", "", "");
	for (i = 0; i < 3; i++) {
		shift = shifts[i];
		ctx = session("192.0.2.7", BUDI);
		assert_int_equal(submit(ctx, PLAIN, 0), SMFIS_CONTINUE);
		expect_seen("result=signed");
		if (shift == 0)
			expect_top(ctx, "ours", "verified", "pass");
		else
			expect_top(ctx, "an hour ago", "unknown",
			    "temperror");
		fake_free(ctx);
	}
}

/*
 * ATK-34: a CR that is alone ends a line to some readers, who find another From
 * in the Subject. What we sign is then not said to be verified, as it is not
 * when it comes back.
 */
static void
test_ours_ambiguous(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf("crl", "", "");
	ctx = session("192.0.2.7", BUDI);
	assert_int_equal(submit(ctx, "Comments: a\rFrom: bupati@x.example\r\n"
	    PLAIN, 0), SMFIS_CONTINUE);
	expect_seen("result=signed");
	expect_top(ctx, "ours, a bare CR", "unknown", NULL);
	fake_free(ctx);
}

/* MTA-10: several messages, and aborts between them, on one connection. */
static void
test_aborts(void **state)
{
	static const char *const after[] = { "mail", "rcpt", "header", "eoh",
	    "body" };
	struct fake_message message = { .sender = "<x@example.org>",
	    .recipients = to_siti, .text = detached };
	SMFICTX *ctx = session("192.0.2.7", NULL);
	size_t i;

	(void)state;
	use_conf("crl", "", "");
	for (i = 0; i < 5; i++) {
		message.text = by_siti;
		message.stop_after = after[i];
		assert_int_equal(fake_message(ctx, &message), SMFIS_NOREPLY);
		assert_int_equal(submit(ctx, detached, 100), SMFIS_CONTINUE);
		expect_top(ctx, after[i], "verified", "pass");
	}
	fake_free(ctx);
}

/* Without anchors nothing good is said, and mail flows. */
static void
test_no_trust(void **state)
{
	SMFICTX *ctx = session("192.0.2.7", NULL);

	(void)state;
	use_conf("crl", "", "");
	truststore_free(service.trusted);
	service.trusted = NULL;
	assert_int_equal(submit(ctx, detached, 0), SMFIS_CONTINUE);
	expect_top(ctx, "no trust", "unknown", "temperror");
	fake_free(ctx);
}

/* --------------------------------------------------------------- trust --- */

/* A list that is replaced counts with the next look; pins likewise. */
static void
test_followed(void **state)
{
	unsigned char fingerprint[32];
	char pins[512], hex[65];
	char *nameless = signing_mail("nameless", HEAD, CONTENT, false);
	X509 *cert = pki_mailbox_cert("nameless");
	SMFICTX *ctx = session("192.0.2.7", NULL);
	size_t i;

	(void)state;
	assert_int_equal(cert_fingerprint(cert, fingerprint), 0);
	for (i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02X", fingerprint[i]);
	snprintf(pins, sizeof(pins), "pins = \"%s\";", pki_path("pins"));
	write_whole(pki_path("pins"), "# none\n", 7);
	chmod(pki_path("pins"), 0644);
	use_conf("crl", pins, "");
	assert_int_equal(submit(ctx, nameless, 0), SMFIS_CONTINUE);
	expect_top(ctx, "not pinned", "not-verified", "policy");
	snprintf(pins, sizeof(pins), BUDI " %s # kept\n", hex);
	write_whole(pki_path("pins"), pins, strlen(pins));
	skipped += 6;
	assert_int_equal(submit(ctx, nameless, 0), SMFIS_CONTINUE);
	expect_top(ctx, "VER-32 pinned", "verified",
	    "pass (pinned certificate)");
	assert_non_null(strstr(fake_value(ctx, RESULTS_HEADER),
	    "smime-serial="));
	assert_int_equal(rename(pki_path("crl/issuing.crl"),
	    pki_path("away")), 0);
	write_whole(pki_path("pins"), "nonsense\n", 9);
	skipped += 6;
	assert_int_equal(submit(ctx, detached, 0), SMFIS_CONTINUE);
	expect_top(ctx, "list gone", "unknown", "temperror");
	assert_int_equal(rename(pki_path("away"),
	    pki_path("crl/issuing.crl")), 0);
	skipped += 6;
	assert_int_equal(submit(ctx, nameless, 0), SMFIS_CONTINUE);
	expect_top(ctx, "bad pins leave those before", "verified",
	    "pass (pinned certificate)");
	fake_free(ctx);
	X509_free(cert);
	free(nameless);
}

static void
test_pins(void **state)
{
#define HEX32	"0123456789abcdef0123456789ABCDEF"
	static const struct {
		const char	*text;
		const char	*want;	/* NULL: taken */
		size_t		 count;
	} rows_of_pins[] = {
		{ "", NULL, 0 },
		{ "# x\n\n \t\r\n", NULL, 0 },
		{ "Budi@X.id " HEX32 HEX32 "\n", NULL, 1 },
		{ "a@x.id\t" HEX32 HEX32 "#c", "p:1: needs the SHA-256", 0 },
		{ "a@x.id " HEX32 HEX32 " # c\nb@x.id " HEX32 HEX32, NULL, 2 },
		{ "a@x.id 01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:"
		    "01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef", NULL,
		    1 },
		{ "\na " HEX32 HEX32, "p:2: does not begin with an", 0 },
		{ "a@x.id", "p:1: needs the SHA-256", 0 },
		{ "a@x.id " HEX32, "p:1: needs the SHA-256", 0 },
		{ "a@x.id " HEX32 HEX32 " x", "p:1: has more than", 0 },
	};
	struct smime_error err;
	struct pin *pins;
	size_t i, count;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(rows_of_pins) / sizeof(rows_of_pins[0]); i++) {
		err.text[0] = '\0';
		rc = pins_parse("p", rows_of_pins[i].text, strlen(rows_of_pins[i].text),
		    &pins, &count, &err);
		if ((rc == 0) != (rows_of_pins[i].want == NULL) ||
		    (rc == -1 && strncmp(err.text, rows_of_pins[i].want,
		    strlen(rows_of_pins[i].want)) != 0) || count != rows_of_pins[i].count)
			fail_msg("\"%s\": %zu \"%s\"", rows_of_pins[i].text, count,
			    err.text);
		if (rc == 0 && i == 2)
			assert_string_equal(pins[0].address, "budi@x.id");
		if (rc == 0)
			free(pins);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_edit_fails),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_spoof_later),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_ours_clock),
		cmocka_unit_test(test_ours_ambiguous),
		cmocka_unit_test(test_aborts),
		cmocka_unit_test(test_no_trust),
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_pins),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
