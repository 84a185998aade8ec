/*
 * test_handover.c - whole sessions in which a message is divided: who is taken
 * off, what is submitted to whom, who can read it, and what is left undone when
 * something is not taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/copying.h"
#include "../../milter/encryption.h"
#include "../../milter/incoming.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"
#include "fake_channel.h"
#include "fake_milter.h"
#include "fixture.h"
#include "seen_log.h"
#include "signing.h"
#include "store.h"

#define HAKIM	"hakim@pengadilan.example"	/* RSA */
#define DOKTER	"dokter@rsud.example"		/* EC */
#define JAKSA	"jaksa@kejaksaan.example"	/* EC */
#define WARGA	"warga@luar.example"		/* no certificate */
#define LURAH	"lurah@luar.example"		/* likewise */
#define SECRET	"Rapat rahasia pukul sepuluh."

static struct service service;
static struct signer *signer;

/* ------------------------------------------------- the submit process --- */

struct submitted {
	char	 kind;		/* e, c, n */
	char	 to[512];	/* " " behind each */
	char	 sender[128];
	char	*data;
	size_t	 len;
};

static struct {
	struct submitted	 items[16];
	size_t			 count;
	unsigned		 calls;
	unsigned		 fail_at;	/* from 1; 0 none */
	enum submit_status	 status;	/* then; 0: -1 is returned */
	const char		*reply;		/* then; NULL "450 not now" */
	void			(*meanwhile)(void);	/* NULL, or once */
} outbox;

static char
kind_of(const char *data)
{
	return strstr(data, "smime-type=enveloped-data") != NULL ? 'e' :
	    strstr(data, "multipart/signed") != NULL ? 'c' :
	    strstr(data, "multipart/report") != NULL ? 'n' : '?';
}

int
submit_send(struct submit_pool *pool, const struct submission *submission,
    unsigned timeout, struct submit_answer *answer, struct smime_error *err)
{
	struct submitted *out = &outbox.items[outbox.count];
	void (*meanwhile)(void) = outbox.meanwhile;
	struct stat st;
	size_t i;

	(void)pool;
	(void)timeout;
	memset(answer, 0, sizeof(*answer));
	outbox.meanwhile = NULL;
	if (meanwhile != NULL)
		meanwhile();
	if (++outbox.calls == outbox.fail_at) {
		answer->status = outbox.status;
		snprintf(answer->text, sizeof(answer->text), "%s",
		    outbox.reply != NULL ? outbox.reply : "450 not now");
		answer->code = (unsigned)strtoul(answer->text, NULL, 10);
		return outbox.status == 0 ?
		    smime_error_setx(err, "the submit process is gone") : 0;
	}
	assert_int_equal(fstat(submission->fd, &st), 0);
	assert_int_equal(st.st_size, submission->size);
	assert_int_equal(st.st_nlink, 0);
	memset(out, 0, sizeof(*out));
	out->len = (size_t)submission->size;
	out->data = calloc(1, out->len + 1);
	assert_int_equal(pread(submission->fd, out->data, out->len, 0),
	    out->len);
	for (i = 0; i < out->len; i++)
		if (out->data[i] == '\n' && (i == 0 ||
		    out->data[i - 1] != '\r'))
			fail_msg("a bare LF in: %s", out->data);
	snprintf(out->sender, sizeof(out->sender), "%s", submission->sender);
	for (i = 0; i < submission->count; i++)
		snprintf(out->to + strlen(out->to), sizeof(out->to) -
		    strlen(out->to), "%s ", submission->recipients[i]);
	out->kind = kind_of(out->data);
	outbox.count++;
	answer->status = SUBMIT_ACCEPTED;
	return 0;
}

struct submit_pool *
submit_pool_new(const int *fds, size_t count)
{
	(void)fds;
	(void)count;
	return NULL;
}

bool
submit_pool_worn(struct submit_pool *pool)
{
	(void)pool;
	return false;
}

void
submit_pool_free(struct submit_pool *pool)
{
	(void)pool;
}

static void
outbox_clear(void)
{
	size_t i;

	for (i = 0; i < outbox.count; i++)
		free(outbox.items[i].data);
	memset(&outbox, 0, sizeof(outbox));
}

/* --------------------------------------------------------------- set-up --- */

static void
partner(const char *address, const char *name, const char *kind)
{
	pki_make("mailbox", address, kind, pki_path("%s", name), "encryption",
	    NULL);
	store_partner(address, name);
}

static int
setup(void **state)
{
	static const struct recipient_source sources[] = {
		{ "partners", true, partners_find, NULL },
	};

	store_setup(state);
	pki_mailbox("budi", "p256", "ok");
	partner(HAKIM, "hakim", "rsa2048");
	partner(DOKTER, "dokter", "p256");
	partner(JAKSA, "jaksa", "p256");
	partner(BUDI, "self", "p256");
	signer = signing_by("budi");
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.verified = verify_cache_new(16);
	service.trusted = truststore_new(NULL);
	service.recipients = recipients_new(sources, 1);
	service.marks = marks_new();
	service.submit = (struct submit_pool *)&outbox;
	callbacks_use(&service);
	return 0;
}

static int
teardown(void **state)
{
	outbox_clear();
	signer_free(signer);
	recipients_free(service.recipients);
	truststore_free(service.trusted);
	verify_cache_free(service.verified);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	marks_free(service.marks);
	sent_free(service.sent);
	conf_replace(NULL);
	return pki_teardown(state);
}

/* A rule's words; nothing is remembered of what was sent before. */
static void
use_conf(const char *rule)
{
	static unsigned generation;
	struct conf *conf;
	char text[4096];

	snprintf(text, sizeof(text), "domains = [ \".pekalongankab.go.id\" ];\n"
	    "user = \"\"; key_user = \"\"; language = \"en\"; %s\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n" FIXTURE_LOGIN
	    "verify = { enabled = false; crl = \"soft-fail\"; };\n"
	    "spool = { dir = \"%s\"; memory = 4096; };\n"
	    "submit = { server = \"127.0.0.1:10027\"; };\n"
	    "keystore = { anchors_dir = \"%s\"; intermediates_dir = \"%s\"; };\n"
	    "encryption = { partners_dir = \"%s\"; labels = [ \"Rahasia\" ]; };\n"
	    "default_rule = { %s };\n",
	    strncmp(rule, "mode", 4) == 0 ? "mode = \"observe\";" : "",
	    pki_path("."), pki_path("anchors"), pki_path("intermediates"),
	    pki_path("partners"), strncmp(rule, "mode", 4) == 0 ? rule + 4 :
	    rule);
	conf = fixture_conf(text);
	conf->generation = ++generation;
	conf_replace(conf);
	memset(&fake_key, 0, sizeof(fake_key));
	fake_key.signer = signer;
	fake_key.status = KEY_SIGNED;
	sent_free(service.sent);
	service.sent = sent_new(NULL);
	outbox_clear();
	seen_log_clear();
}

static SMFICTX *
session(void)
{
	SMFICTX *ctx = fake_new(FAKE_POSTFIX, &callbacks, 0);

	fake_connect(ctx, "192.0.2.7");
	fake_macro(ctx, "{auth_authen}", BUDI);
	fake_macro(ctx, "i", "4ABCdef");
	return ctx;
}

/* text is the header's fields but From; to are the recipients, " " between. */
static sfsistat
send_as(SMFICTX *ctx, const char *sender, const char *to, const char *fields)
{
	char text[4096], words[1024], *word, *rest;
	static char brackets[16][128];
	const char *recipients[17] = { NULL };
	static const char *const utf8[] = { "SMTPUTF8", NULL };
	const struct fake_message message = { .sender = sender,
	    .recipients = recipients, .text = text,
	    .arguments = strchr(to, '\xc3') != NULL ? utf8 : NULL };
	sfsistat status;
	size_t n = 0;

	snprintf(words, sizeof(words), "%s", to);
	for (word = strtok_r(words, " ", &rest); word != NULL && n < 16;
	    word = strtok_r(NULL, " ", &rest)) {
		snprintf(brackets[n], sizeof(brackets[n]), "<%s>", word);
		recipients[n] = brackets[n];
		n++;
	}
	snprintf(text, sizeof(text), "From: Budi <" BUDI ">\r\n%s"
	    "Date: Thu, 26 Nov 2026 08:00:00 +0700\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" SECRET
	    "\r\n", fields);
	status = fake_message(ctx, &message);
	if (ctx->broken[0] != '\0')
		fail_msg("%s", ctx->broken);
	assert_int_equal(atomic_load(&service.active), 0);
	if (seen_log_count(SECRET) != 0)
		fail_msg("the log tells: %s", seen_log());
	return status;
}

static sfsistat
send_to(SMFICTX *ctx, const char *to, const char *fields)
{
	return send_as(ctx, "<" BUDI ">", to, fields);
}

/* "e:a@b c@d n:..." of what was submitted. */
static const char *
submitted(void)
{
	static char out[2048];
	size_t i, len = 0;

	out[0] = '\0';
	for (i = 0; i < outbox.count; i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%c:%s",
		    outbox.items[i].kind, outbox.items[i].to);
	return out;
}

static bool
opens(const char *data, size_t len, const char *reader)
{
	char inner[512];

	snprintf(inner, sizeof(inner), "%s", pki_path("inner.eml"));
	write_whole(pki_path("out.eml"), data, len);
	if (pki_run("openssl", "cms", "-decrypt", "-in", pki_path("out.eml"),
	    "-recip", pki_path("%s/cert.pem", reader), "-inkey",
	    pki_path("%s/key.pem", reader), "-out", inner, NULL) != 0)
		return false;
	if (pki_run("openssl", "cms", "-verify", "-in", inner, "-CAfile",
	    pki_path("root.pem"), "-out", pki_path("plain"), NULL) != 0) {
		pki_show();
		fail();
	}
	return true;
}

/* One letter for each that can: h(akim), d(okter), j(aksa), b(udi). */
static const char *
readers_of(const char *data, size_t len)
{
	static const char *const names[] = { "hakim", "dokter", "jaksa",
		"self" };
	static char out[8];
	size_t i, n = 0;

	if (memmem(data, len, SECRET, strlen(SECRET)) != NULL)
		fail_msg("in clear: %s", data);
	for (i = 0; i < 4; i++)
		if (opens(data, len, names[i]))
			out[n++] = "hdjb"[i];
	out[n] = '\0';
	return out;
}

/* ------------------------------------------------------------- branches --- */

#define REQ	"encrypt = \"required\"; "
#define POS	"encrypt = \"if-possible\"; "
#define OWN	"hidden_recipients = \"own-copy\"; "
#define EACH	"without_certificate = \"refuse-each\"; "
#define CLEAR	"without_certificate = \"clear-copy\"; "
#define SPLIT	"split_by_key = true; "

static const struct {
	const char	*what;
	const char	*rule;
	const char	*to;
	const char	*fields;
	sfsistat	 want;
	const char	*removed;	/* by delrcpt */
	const char	*submitted;
	const char	*readers;	/* of the main copy, then of each
					 * encrypted one, "/" between; "":
					 * in clear; NULL: not sent */
	const char	*line;
} rows[] = {
	{ "nothing to divide", REQ OWN EACH SPLIT, HAKIM,
	    "To: " HAKIM "\r\n", SMFIS_CONTINUE, "", "", "h",
	    "result=encrypted rule=default from=" },
	{ "Bcc gets his own", REQ OWN, HAKIM " " DOKTER " " JAKSA,
	    "To: " HAKIM "\r\n", SMFIS_CONTINUE,
	    "<" DOKTER "> <" JAKSA "> ", "e:" DOKTER " e:" JAKSA " ",
	    "hb/d/j", "readers=2 copies=3" },
	{ "a Bcc field that is left", REQ OWN, HAKIM " " DOKTER,
	    "To: " HAKIM "\r\nBcc: " DOKTER "\r\n", SMFIS_CONTINUE,
	    "<" DOKTER "> ", "e:" DOKTER " ", "hb/d", "copies=2" },
	{ "Bcc alone", REQ OWN, DOKTER " " JAKSA, "Subject: x\r\n",
	    SMFIS_CONTINUE, "<" JAKSA "> ", "e:" JAKSA " ", "db/j",
	    "copies=2" },
	{ "one is refused", REQ EACH, HAKIM " " WARGA " " LURAH,
	    "To: " HAKIM "\r\nCc: " WARGA ", " LURAH "\r\n", SMFIS_CONTINUE,
	    "<" WARGA "> <" LURAH "> ", "n:" BUDI " ", "hb", "refused=2" },
	{ "one is refused, a label asks", "encrypt = \"off\"; " EACH,
	    HAKIM " " WARGA, "To: " HAKIM "\r\nCc: " WARGA "\r\n"
	    "Sifat: Rahasia\r\n", SMFIS_CONTINUE, "<" WARGA "> ",
	    "n:" BUDI " ", "hb", "refused=1" },
	{ "all would be refused", REQ EACH, WARGA " " LURAH,
	    "To: " WARGA "\r\nCc: " LURAH "\r\n", SMFIS_REJECT, "", "", NULL,
	    "result=refused why=no-recipient-certificate" },
	{ "a copy in clear", POS CLEAR, WARGA " " HAKIM " " LURAH,
	    "To: " HAKIM "\r\nCc: " WARGA ", " LURAH "\r\n", SMFIS_CONTINUE,
	    "<" WARGA "> <" LURAH "> ", "c:" WARGA " " LURAH " ", "hb",
	    "copies=2" },
	{ "which a label forbids", POS CLEAR, WARGA " " HAKIM,
	    "To: " HAKIM "\r\nCc: " WARGA "\r\nSifat: Rahasia\r\n",
	    SMFIS_REJECT, "", "", NULL,
	    "result=refused why=no-recipient-certificate" },
	{ "nobody can read it", POS CLEAR, WARGA " " LURAH,
	    "To: " WARGA "\r\nCc: " LURAH "\r\n", SMFIS_CONTINUE, "", "", "",
	    "result=signed" },
	{ "Bcc and a copy in clear", POS CLEAR OWN,
	    WARGA " " HAKIM " " LURAH " " JAKSA,
	    "To: " HAKIM "\r\nCc: " WARGA "\r\n", SMFIS_CONTINUE,
	    "<" WARGA "> <" LURAH "> <" JAKSA "> ",
	    "c:" WARGA " c:" LURAH " e:" JAKSA " ", "hb/j", "copies=4" },
	{ "RSA and EC apart", REQ SPLIT, HAKIM " " DOKTER " " JAKSA,
	    "To: " HAKIM "\r\nCc: " DOKTER ", " JAKSA "\r\n", SMFIS_CONTINUE,
	    "<" DOKTER "> <" JAKSA "> ", "e:" DOKTER " " JAKSA " ", "h/djb",
	    "readers=1 copies=2" },
	{ "a recipient twice, in two forms", REQ OWN,
	    HAKIM " " DOKTER " " DOKTER " Dokter@rsud.example",
	    "To: " HAKIM "\r\n", SMFIS_CONTINUE,
	    "<" DOKTER "> <Dokter@rsud.example> ",
	    "e:" DOKTER " Dokter@rsud.example ", "hb/d", "copies=2" },
	{ "quoted, plus and UTF-8 names in clear", POS CLEAR,
	    HAKIM " \"warga\"@luar.example warga+x@luar.example"
	    " w\xc3\xa4rga@luar.example",
	    "To: " HAKIM ", warga@luar.example, warga+x@luar.example,\r\n"
	    " w\xc3\xa4rga@luar.example\r\n", SMFIS_CONTINUE,
	    "<\"warga\"@luar.example> <warga+x@luar.example> "
	    "<w\xc3\xa4rga@luar.example> ",
	    "c:\"warga\"@luar.example warga+x@luar.example "
	    "w\xc3\xa4rga@luar.example ", "hb", "copies=2" },
	{ "the size decides about the rule", "}; rules = ( { name = \"s\";\n"
	    "  smaller_than = \"1M\"; " POS CLEAR "} ); audit = { file = \"\";",
	    HAKIM " " WARGA, "To: " HAKIM "\r\nCc: " WARGA "\r\n",
	    SMFIS_CONTINUE, "<" WARGA "> ", "c:" WARGA " ", "hb",
	    "rule=s" },
	{ "without header protection", POS CLEAR
	    "header_protection = false; ", HAKIM " " WARGA,
	    "To: " HAKIM "\r\nCc: " WARGA "\r\n", SMFIS_CONTINUE,
	    "<" WARGA "> ", "c:" WARGA " ", "hb", "copies=2" },
};

/* Nobody hidden is named to anybody but himself. */
static void
expect_hidden(const char *what, const char *data, const char *to,
    const char *fields)
{
	static const char *const all[] = { HAKIM, DOKTER, JAKSA, WARGA, LURAH };
	const char *shown = strstr(fields, "Bcc:");
	size_t i, len = shown == NULL ? strlen(fields) :
	    (size_t)(shown - fields);

	for (i = 0; i < 5; i++)
		if (memmem(fields, len, all[i], strlen(all[i])) == NULL &&
		    strstr(to, all[i]) == NULL &&
		    strstr(data, all[i]) != NULL)
			fail_msg("%s: %s is named in: %s", what, all[i], data);
}

/* What is in clear is signed, whole and says what it is. */
static void
expect_clear(const struct submitted *copy, bool protected)
{
	write_whole(pki_path("out.eml"), copy->data, copy->len);
	assert_int_equal(pki_run("openssl", "cms", "-verify", "-in",
	    pki_path("out.eml"), "-CAfile", pki_path("root.pem"), "-out",
	    pki_path("plain"), NULL), 0);
	assert_non_null(strstr(copy->data, SECRET));
	assert_true((strstr(copy->data, "hp=\"clear\"") != NULL) == protected);
	assert_null(strstr(copy->data, "hp=\"cipher\""));
}

static void
expect_submitted(size_t row, char *readers)
{
	const struct submitted *copy;
	size_t i;

	for (i = 0; i < outbox.count; i++) {
		copy = &outbox.items[i];
		expect_hidden(rows[row].what, copy->data, copy->to,
		    rows[row].fields);
		assert_non_null(strstr(copy->data, MARK_FIELD ": "));
		assert_string_equal(copy->sender, copy->kind == 'n' ? "" :
		    BUDI);
		if (copy->kind == 'c')
			expect_clear(copy, strstr(rows[row].rule,
			    "header_protection") == NULL);
		if (copy->kind == 'n') {
			assert_non_null(strstr(copy->data, WARGA));
			assert_non_null(strstr(copy->data, "Status: 5."));
		}
		if (copy->kind != 'e')
			continue;
		strcat(readers, "/");
		strcat(readers, readers_of(copy->data, copy->len));
	}
}

static void
one_branch(size_t i)
{
	SMFICTX *ctx;
	sfsistat got;
	char *out, readers[128] = "";
	size_t len;

	use_conf(rows[i].rule);
	ctx = session();
	got = send_to(ctx, rows[i].to, rows[i].fields);
	if (got != rows[i].want || strcmp(ctx->removed, rows[i].removed) != 0 ||
	    strcmp(submitted(), rows[i].submitted) != 0)
		fail_msg("%s: answered %d, removed \"%s\", submitted \"%s\"; "
		    "%s", rows[i].what, (int)got, ctx->removed, submitted(),
		    seen_log());
	if (seen_log_count(rows[i].line) != 1)
		fail_msg("%s: want \"%s\" in %s", rows[i].what, rows[i].line,
		    seen_log());
	if (rows[i].readers == NULL) {
		assert_int_equal(ctx->edits, 0);
		fake_free(ctx);
		return;
	}
	out = fake_output(ctx, &len);
	if (rows[i].readers[0] != '\0') {
		strcat(readers, readers_of(out, len));
		expect_hidden(rows[i].what, out, rows[i].to + strlen(rows[i].to),
		    rows[i].fields);
	}
	expect_submitted(i, readers);
	if (strcmp(readers, rows[i].readers) != 0)
		fail_msg("%s: readers \"%s\"", rows[i].what, readers);
	free(out);
	fake_free(ctx);
}

static void
test_branches(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one_branch(i);
}

/* ------------------------------------------------------ the null sender --- */

static void
test_null_sender(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf(REQ EACH OWN);
	ctx = session();
	assert_int_equal(send_as(ctx, "<>", HAKIM " " WARGA,
	    "To: " HAKIM ", " WARGA "\r\n"), SMFIS_REJECT);
	assert_int_equal(outbox.calls, 0);
	assert_int_equal(send_as(ctx, "<>", HAKIM " " DOKTER,
	    "To: " HAKIM "\r\n"), SMFIS_CONTINUE);
	assert_string_equal(submitted(), "e:" DOKTER " ");
	assert_string_equal(outbox.items[0].sender, "");
	fake_free(ctx);
}

/* --------------------------------------------------------------- faults --- */

#define MANY	HAKIM " " DOKTER " " JAKSA " " WARGA
#define MANY_FIELDS "To: " HAKIM "\r\nCc: " WARGA "\r\n"
#define MANY_SENT "e:" DOKTER " e:" JAKSA " n:" BUDI " "

/*
 * Whatever fails: nothing is edited, the message waits, and when it comes again
 * everybody has it once.
 */
static void
test_not_taken(void **state)
{
	static const enum submit_status how[] = { SUBMIT_REFUSED,
		SUBMIT_FAILED, 0 };
	SMFICTX *ctx;
	unsigned at, i;

	(void)state;
	for (i = 0; i < 3; i++)
		for (at = 1; at <= 3; at++) {
			use_conf(REQ EACH OWN);
			outbox.fail_at = at;
			outbox.status = how[i];
			ctx = session();
			assert_int_equal(send_to(ctx, MANY, MANY_FIELDS),
			    SMFIS_TEMPFAIL);
			assert_int_equal(ctx->edits, ctx->progress);
			assert_string_equal(ctx->removed, "");
			assert_non_null(strstr(ctx->reply, at == 1 ? DOKTER :
			    at == 2 ? JAKSA : "temporary fault"));
			assert_int_equal(seen_log_count(at < 3 ?
			    "result=deferred why=copy-not-taken" :
			    "the notification was not taken: "), 1);
			assert_int_equal(outbox.calls, at);
			assert_int_equal(send_to(ctx, MANY, MANY_FIELDS),
			    SMFIS_CONTINUE);
			assert_string_equal(submitted(), MANY_SENT);
			fake_free(ctx);
		}
}

/* Replies to the first copy; what is about the letter ends it. */
static const struct {
	const char	*reply, *why;	/* NULL: it is to come again */
} final[] = {
	{ "552 5.3.4 Message size exceeds fixed limit", "copy-too-large" },
	{ "552 5.2.3 Message size exceeds maximum value", "copy-too-large" },
	{ "552 Too much mail data", "copy-too-large" },
	{ "552 5.2.2 Mailbox full", "copy-refused" },
	{ "550 5.1.1 <" DOKTER ">: User unknown", "copy-refused" },
	{ "556 5.1.10 Null MX", "copy-refused" },
	{ "554 5.6.0 Odd content", "copy-refused" },
	{ "550 5.1.8 <" BUDI ">: Sender address rejected", NULL },
	{ "554 5.7.1 <localhost>: Client host rejected", NULL },
	{ "550 5.7.1 Relaying denied", NULL },
	{ "530 5.7.0 Must issue a STARTTLS command first", NULL },
	{ "503 5.5.1 Error: need MAIL command", NULL },
	{ "554 5.3.0 unknown mailer error", NULL },
	{ "554 mx.example.org", NULL },
	{ "550 No such user", NULL },
	{ "552 4.3.4 Not today", NULL },
	{ "5 what", NULL },
};

static void
test_refused_for_good(void **state)
{
	SMFICTX *ctx;
	char line[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
		use_conf(REQ EACH OWN);
		outbox.fail_at = 1;
		outbox.status = SUBMIT_REFUSED;
		outbox.reply = final[i].reply;
		ctx = session();
		if (send_to(ctx, MANY, MANY_FIELDS) != (final[i].why != NULL ?
		    SMFIS_REJECT : SMFIS_TEMPFAIL))
			fail_msg("%s: %s", final[i].reply, seen_log());
		snprintf(line, sizeof(line), "result=%s why=%s ",
		    final[i].why != NULL ? "refused" : "deferred",
		    final[i].why != NULL ? final[i].why : "copy-not-taken");
		if (seen_log_count(line) != 1 ||
		    seen_log_count(final[i].reply) != 1)
			fail_msg("%s: %s", final[i].reply, seen_log());
		assert_non_null(strstr(ctx->reply, DOKTER));
		assert_int_equal(ctx->edits, ctx->progress);
		assert_string_equal(ctx->removed, "");
		assert_int_equal(outbox.calls, 1);
		/* and it was not taken for sent */
		assert_int_equal(send_to(ctx, MANY, MANY_FIELDS),
		    SMFIS_CONTINUE);
		assert_string_equal(submitted(), MANY_SENT);
		fake_free(ctx);
	}
}

/* An application that has no mailbox to be told in. */
static void
test_no_notice(void **state)
{
	static const struct {
		const char	*reply;
		sfsistat	 want;
		const char	*line;
	} replies[] = {
		{ "550 5.1.1 <" BUDI ">: User unknown", SMFIS_REJECT,
		    "result=refused why=no-recipient-certificate" },
		{ "554 5.7.1 Relay access denied", SMFIS_TEMPFAIL,
		    "result=deferred why=internal" },
	};
	SMFICTX *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		use_conf(REQ EACH);
		outbox.fail_at = 1;
		outbox.status = SUBMIT_REFUSED;
		outbox.reply = replies[i].reply;
		ctx = session();
		assert_int_equal(send_to(ctx, HAKIM " " WARGA,
		    "To: " HAKIM ", " WARGA "\r\n"), replies[i].want);
		assert_int_equal(seen_log_count(replies[i].line), 1);
		assert_int_equal(seen_log_count(replies[i].reply), 1);
		assert_true((strstr(ctx->reply, WARGA) != NULL) == (i == 0));
		assert_null(strstr(ctx->reply, HAKIM));
		assert_string_equal(ctx->removed, "");
		fake_free(ctx);
	}
}

/*
 * But while anybody may have his copy, nobody is told that nothing was sent:
 * now, or when the message came before with other recipients.
 */
static void
test_refused_in_part(void **state)
{
	SMFICTX *ctx;
	unsigned at;

	(void)state;
	for (at = 2; at <= 4; at++) {
		use_conf(REQ EACH OWN);
		outbox.fail_at = at;
		outbox.status = SUBMIT_REFUSED;
		outbox.reply = "552 5.3.4 Message size exceeds fixed limit";
		ctx = session();
		assert_int_equal(send_to(ctx, MANY, MANY_FIELDS), at < 4 ?
		    SMFIS_TEMPFAIL : SMFIS_CONTINUE);
		assert_int_equal(seen_log_count(at == 2 ?
		    "result=deferred why=copy-not-taken" : at == 3 ?
		    "result=deferred why=internal" : "result=encrypted"), 1);
		fake_free(ctx);
	}
	use_conf(REQ OWN);
	ctx = session();
	assert_int_equal(send_to(ctx, HAKIM " " DOKTER, MANY_FIELDS),
	    SMFIS_CONTINUE);
	outbox.fail_at = 2;
	outbox.status = SUBMIT_REFUSED;
	outbox.reply = "552 5.3.4 Message size exceeds fixed limit";
	assert_int_equal(send_to(ctx, HAKIM " " JAKSA " " DOKTER, MANY_FIELDS),
	    SMFIS_TEMPFAIL);
	assert_string_equal(submitted(), "e:" DOKTER " ");
	assert_non_null(strstr(ctx->reply, JAKSA));
	fake_free(ctx);
}

/* A client that has lost patience, and comes again before we are done. */
static void
send_meanwhile(void)
{
	SMFICTX *ctx = session();

	assert_int_equal(fake_message(ctx, &(struct fake_message){
	    .sender = "<" BUDI ">", .recipients = (const char *[]){
	    "<" HAKIM ">", "<" DOKTER ">", NULL },
	    .text = "From: Budi <" BUDI ">\r\nTo: " HAKIM "\r\n"
	    "Date: Thu, 26 Nov 2026 08:00:00 +0700\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" SECRET
	    "\r\n" }), SMFIS_TEMPFAIL);
	assert_int_equal(ctx->edits, 0);
	fake_free(ctx);
}

static void
test_at_once(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf(REQ OWN);
	ctx = session();
	outbox.meanwhile = send_meanwhile;
	assert_int_equal(send_to(ctx, HAKIM " " DOKTER, "To: " HAKIM "\r\n"),
	    SMFIS_CONTINUE);
	assert_string_equal(submitted(), "e:" DOKTER " ");
	assert_int_equal(seen_log_count("by another connection"), 1);
	fake_free(ctx);
}

/* The MTA fails after that: at whichever edit. */
static void
test_edit_fails(void **state)
{
	SMFICTX *ctx;
	unsigned at;

	(void)state;
	for (at = 1; at < 40; at++) {
		use_conf(REQ EACH OWN);
		ctx = session();
		ctx->fail_at = at;
		if (send_to(ctx, MANY, MANY_FIELDS) == SMFIS_CONTINUE)
			break;
		ctx->fail_at = 0;
		assert_int_equal(send_to(ctx, MANY, MANY_FIELDS),
		    SMFIS_CONTINUE);
		assert_string_equal(submitted(), MANY_SENT);
		fake_free(ctx);
	}
	assert_in_range(at, 8, 39);
	fake_free(ctx);
}

/* A letter is another one when anything of it is. */
static void
test_another_letter(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf(REQ OWN);
	ctx = session();
	send_to(ctx, HAKIM " " DOKTER, "To: " HAKIM "\r\nMessage-ID: <1@x>\r\n");
	send_to(ctx, HAKIM " " DOKTER, "To: " HAKIM "\r\nMessage-ID: <2@x>\r\n");
	send_to(ctx, HAKIM " " JAKSA, "To: " HAKIM "\r\nMessage-ID: <2@x>\r\n");
	send_to(ctx, HAKIM " " DOKTER, "To: " HAKIM "\r\nMessage-ID: <2@x>\r\n"
	    "Received: from elsewhere\r\nX-Spam: no\r\n");
	send_as(ctx, "<lain@dinkes.pekalongankab.go.id>", HAKIM " " DOKTER,
	    "To: " HAKIM "\r\nMessage-ID: <2@x>\r\n");
	assert_string_equal(submitted(), "e:" DOKTER " e:" DOKTER " e:" JAKSA
	    " e:" DOKTER " ");
	fake_free(ctx);
}

static void
test_cannot_begin(void **state)
{
	struct submit_pool *pool = service.submit;
	SMFICTX *ctx;

	(void)state;
	use_conf(REQ OWN);
	service.submit = NULL;
	ctx = session();
	assert_int_equal(send_to(ctx, HAKIM " " DOKTER, "To: " HAKIM "\r\n"),
	    SMFIS_TEMPFAIL);
	assert_int_equal(ctx->edits, 0);
	service.submit = pool;
	/* the second signature, of the copy in clear, cannot be had */
	use_conf(POS CLEAR);
	fake_key.status = KEY_SIGNED;
	assert_int_equal(send_to(ctx, HAKIM " " WARGA,
	    "To: " HAKIM ", " WARGA "\r\n"), SMFIS_CONTINUE);
	assert_int_equal(fake_key.asked, 2);
	fake_free(ctx);
}

/* Observing tells, and submits nothing. */
static void
test_observe(void **state)
{
	SMFICTX *ctx;
	char *out;
	size_t len;

	(void)state;
	use_conf("mode" REQ EACH OWN);
	ctx = session();
	assert_int_equal(send_to(ctx, MANY, MANY_FIELDS), SMFIS_CONTINUE);
	assert_int_equal(outbox.calls, 0);
	assert_string_equal(ctx->removed, "");
	out = fake_output(ctx, &len);
	assert_non_null(strstr(out, SECRET));
	assert_non_null(strstr(out, "copies=3"));
	assert_non_null(strstr(out, "refused=1"));
	assert_null(strstr(out, DOKTER));
	free(out);
	assert_int_equal(seen_log_count("result=would-encrypt"), 1);
	fake_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_null_sender),
		cmocka_unit_test(test_not_taken),
		cmocka_unit_test(test_refused_for_good),
		cmocka_unit_test(test_no_notice),
		cmocka_unit_test(test_refused_in_part),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_edit_fails),
		cmocka_unit_test(test_another_letter),
		cmocka_unit_test(test_cannot_begin),
		cmocka_unit_test(test_observe),
	};

	return cmocka_run_group_tests_name("handover", tests, setup, teardown);
}
