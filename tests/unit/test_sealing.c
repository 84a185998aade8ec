/*
 * test_sealing.c - whole sessions in which a message is to be encrypted: it
 * leaves in an envelope, or openly where that may be, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/editplan.h"
#include "../../milter/encryption.h"
#include "../../milter/incoming.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"
#include "fake_channel.h"
#include "fake_milter.h"
#include "fixture.h"
#include "seen_log.h"
#include "signing.h"
#include "store.h"

#define HAKIM	"hakim@pn-pekalongan.example"
#define DOKTER	"dokter@rsud.example"
#define TATA	"tata@pa-pekalongan.example"
#define SECRET	"Rapat rahasia pukul sepuluh."

static struct service service;
static struct signer *signer;
static X509 *siti;

/* As when signed mail of theirs had said that they read GCM and OAEP. */
static void
learn(const char *address, const char *name)
{
	size_t len;
	char *cert = read_whole(pki_path("%s/cert.pem", name), &len);
	char text[8192];

	snprintf(text, sizeof(text), "Address: %s\nSigned: %lld\nSeen: %lld\n"
	    "Capabilities: %u\nChanged: 0\n%s", address,
	    (long long)time(NULL), (long long)time(NULL),
	    SMIME_CAP_AES256_GCM | SMIME_CAP_RSA_OAEP, cert);
	mkdir(pki_path("harvested"), 0755);
	write_whole(pki_path("harvested/%s.pem", address), text, strlen(text));
	chmod(pki_path("harvested/%s.pem", address), 0644);
	free(cert);
}

static int
setup(void **state)
{
	static const struct recipient_source sources[] = {
		{ "partners", true, partners_find, NULL },
		{ "colleagues", false, colleagues_ask, NULL },
		{ "harvested", false, harvest_find, NULL },
	};

	store_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_make("mailbox", HAKIM, "rsa2048", pki_path("hakim"), "encryption",
	    NULL);
	pki_make("mailbox", SITI, "p256", pki_path("siti"), "encryption",
	    NULL);
	pki_make("mailbox", DOKTER, "rsa2048", pki_path("dokter"),
	    "encryption", NULL);
	pki_make("mailbox", TATA, "rsa2048", pki_path("tata"), "capabilities",
	    NULL);
	store_partner(HAKIM, "hakim");
	store_partner(TATA, "tata");
	learn(DOKTER, "dokter");
	signer = signing_by("budi");
	siti = pki_mailbox_cert("siti");
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.verified = verify_cache_new(16);
	service.trusted = truststore_new(NULL);
	service.recipients = recipients_new(sources, 3);
	callbacks_use(&service);
	return 0;
}

static int
teardown(void **state)
{
	signer_free(signer);
	X509_free(siti);
	recipients_free(service.recipients);
	truststore_free(service.trusted);
	verify_cache_free(service.verified);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	conf_replace(NULL);
	return pki_teardown(state);
}

/* With a space in front more goes on in the section "encryption". */
static void
use_conf(const char *more)
{
	static unsigned generation;
	struct conf *conf;
	char text[4096];

	snprintf(text, sizeof(text), "domains = [ \".pekalongankab.go.id\" ];\n"
	    "%s user = \"\"; key_user = \"\";\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n" FIXTURE_LOGIN
	    "verify = { enabled = false; crl = \"soft-fail\"; };\n"
	    "spool = { dir = \"%s\"; memory = 4096; };\n"
	    "keystore = { anchors_dir = \"%s\"; intermediates_dir = \"%s\"; };\n",
	    strstr(more, "language") == NULL ? "language = \"en\";" : "",
	    pki_path("."), pki_path("anchors"), pki_path("intermediates"));
	snprintf(text + strlen(text), sizeof(text) - strlen(text),
	    "encryption = { partners_dir = \"%s\"; labels = [ \"Rahasia\" ];\n"
	    "  harvest_dir = \"%s\"; subject_tags = [ \"[R]\" ];%s%s",
	    pki_path("partners"), pki_path("harvested"), more[0] == ' ' ? "" :
	    " };\n", more);
	conf = fixture_conf(text);
	conf->generation = ++generation;
	conf_replace(conf);
	memset(&fake_key, 0, sizeof(fake_key));
	fake_key.signer = signer;
	fake_key.status = KEY_SIGNED;
	fake_key.listed = siti;
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

#define HEAD	"From: Budi <" BUDI ">\r\nTo: " HAKIM "\r\n"
#define BODY	"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"	\
	SECRET "\r\n"
#define REQUIRED "default_rule = { encrypt = \"required\"; };\n"
#define POSSIBLE "default_rule = { encrypt = \"if-possible\"; };\n"

static const char *const to_hakim[] = { "<" HAKIM ">", NULL };
static const char *const to_both[] = { "<" HAKIM ">", "<" SITI ">", NULL };
static const char *const to_other[] = { "<" HAKIM ">", "<x@y.example>", NULL };

static sfsistat
submit(SMFICTX *ctx, const char *const *to, const char *text)
{
	const struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = to, .text = text };
	sfsistat status = fake_message(ctx, &message);

	if (ctx->broken[0] != '\0')
		fail_msg("%s", ctx->broken);
	assert_int_equal(atomic_load(&service.active), 0);
	if (seen_log_count(SECRET) != 0)
		fail_msg("the log tells: %s", seen_log());
	return status;
}

/* What that reader finds inside, verified; openssl does both. */
static void
expect_opened(const SMFICTX *ctx, const char *reader, bool readable)
{
	size_t len;
	char *out = fake_output(ctx, &len), inner[512];
	int status;

	snprintf(inner, sizeof(inner), "%s", pki_path("inner.eml"));
	if (memmem(out, len, SECRET, strlen(SECRET)) != NULL)
		fail_msg("in clear:\n%s", out);
	write_whole(pki_path("out.eml"), out, len);
	free(out);
	status = pki_run("openssl", "cms", "-decrypt", "-in",
	    pki_path("out.eml"), "-recip", pki_path("%s/cert.pem", reader),
	    "-inkey", pki_path("%s/key.pem", reader), "-out", inner, NULL);
	assert_int_equal(status == 0, readable);
	if (!readable)
		return;
	status = pki_run("openssl", "cms", "-verify", "-in",
	    inner, "-CAfile", pki_path("root.pem"), "-out",
	    pki_path("plain"), NULL);
	if (status != 0)
		pki_show();
	assert_int_equal(status, 0);
	out = read_whole(pki_path("plain"), &len);
	assert_non_null(memmem(out, len, SECRET, strlen(SECRET)));
	free(out);
}

static void
expect_line(const char *words)
{
	if (seen_log_count(words) != 1)
		fail_msg("want \"%s\" in: %s", words, seen_log());
}

/* ------------------------------------------------------------------------ */

static void
test_encrypted(void **state)
{
	SMFICTX *ctx;

	(void)state;
	use_conf(REQUIRED);
	ctx = session();
	assert_int_equal(submit(ctx, to_both, HEAD "Cc: " SITI "\r\n"
	    "Subject: " SECRET "\r\n" BODY), SMFIS_CONTINUE);
	assert_string_equal(fake_value(ctx, "Subject"), " [...]");
	assert_memory_equal(fake_value(ctx, "Content-Type"),
	    " application/pkcs7-mime", 23);
	assert_int_equal(fake_count(ctx, "MIME-Version"), 1);
	expect_opened(ctx, "hakim", true);
	expect_opened(ctx, "siti", true);
	expect_opened(ctx, "budi", false);
	expect_line("result=encrypted");
	expect_line("cipher=aes256-cbc readers=2");
	fake_free(ctx);
}

static const struct {
	const char	*what;
	const char	*conf;
	const char *const *to;
	const char	*text;
	sfsistat	 want;
	const char	*reply;		/* in it; NULL: none */
	const char	*line;
} rows[] = {
	{ "required, one without certificate", REQUIRED, to_other,
	    HEAD "Cc: x@y.example\r\n" BODY, SMFIS_REJECT,
	    "no usable certificate for: x@y.example.",
	    "result=refused why=no-recipient-certificate rule=default" },
	{ "likewise, tempfail", "default_rule = { encrypt = \"required\";\n"
	    "  cannot_encrypt = \"tempfail\"; };\n", to_other,
	    HEAD "Cc: x@y.example\r\n" BODY, SMFIS_TEMPFAIL, "x@y.example",
	    "result=deferred why=no-recipient-certificate" },
	{ "in Indonesian", REQUIRED "language = \"id\";\n", to_other,
	    HEAD "Cc: x@y.example\r\n" BODY, SMFIS_REJECT,
	    "tidak ada sertifikat yang dapat dipakai untuk: x@y.example.",
	    "detail=\"x@y.example: no certificate\"" },
	{ "ENC-14 required, one hidden", REQUIRED, to_both, HEAD BODY,
	    SMFIS_REJECT, "Bcc recipients to the others: " SITI,
	    "result=refused why=hidden-recipient" },
	{ "if possible, one without certificate", POSSIBLE, to_other,
	    HEAD "Cc: x@y.example\r\n" BODY, SMFIS_CONTINUE, NULL,
	    "result=signed rule=default" },
	{ "ENC-14 if possible, one hidden", POSSIBLE, to_both, HEAD BODY,
	    SMFIS_CONTINUE, NULL, "result=signed rule=default" },
	{ "if possible, and it is", POSSIBLE, to_hakim, HEAD BODY,
	    SMFIS_CONTINUE, NULL, "result=encrypted rule=default" },
	{ "a label where a rule has none", "", to_hakim,
	    HEAD "Sifat: Rahasia\r\n" BODY, SMFIS_CONTINUE, NULL,
	    "result=encrypted rule=default label=Rahasia" },
	{ "a label, one without certificate", POSSIBLE, to_other,
	    HEAD "Cc: x@y.example\r\nSubject: [R] y\r\n" BODY, SMFIS_REJECT,
	    "x@y.example", "result=refused why=no-recipient-certificate" },
	{ "a label where signing is off",
	    "default_rule = { sign = \"off\"; };\n", to_hakim,
	    HEAD "Sifat: Rahasia\r\n" BODY, SMFIS_CONTINUE, NULL,
	    "result=encrypted" },
	{ "a label and a signature", "", to_hakim, HEAD "Sifat: Rahasia\r\n"
	    "Content-Type: multipart/signed; boundary=x;\r\n"
	    " protocol=\"application/pkcs7-signature\"\r\n\r\n--x--\r\n",
	    SMFIS_REJECT, "must be encrypted",
	    "result=refused why=must-encrypt" },
	{ "the rule waits for the size", "rules = ( { name = \"small\";\n"
	    "  smaller_than = \"1M\"; encrypt = \"required\"; } );\n",
	    to_hakim, HEAD BODY, SMFIS_CONTINUE, NULL,
	    "result=encrypted rule=small" },
	{ "likewise, without certificate", "rules = ( { name = \"small\";\n"
	    "  smaller_than = \"1M\"; encrypt = \"required\"; } );\n",
	    to_other, HEAD "Cc: x@y.example\r\n" BODY, SMFIS_REJECT,
	    "x@y.example", "result=refused why=no-recipient-certificate" },
	{ "the rule with the size does not apply", "rules = ( {\n"
	    "  larger_than = \"1M\"; encrypt = \"required\"; } );\n",
	    to_hakim, HEAD BODY, SMFIS_CONTINUE, NULL,
	    "result=signed rule=default" },
};

static void
test_branches(void **state)
{
	SMFICTX *ctx;
	sfsistat got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		use_conf(rows[i].conf);
		ctx = session();
		got = submit(ctx, rows[i].to, rows[i].text);
		if (got != rows[i].want)
			fail_msg("%s: answered %d; %s", rows[i].what, (int)got,
			    seen_log());
		if (rows[i].reply != NULL &&
		    strstr(ctx->reply, rows[i].reply) == NULL)
			fail_msg("%s: \"%s\"", rows[i].what, ctx->reply);
		if (seen_log_count(rows[i].line) != 1)
			fail_msg("%s: want \"%s\" in %s", rows[i].what,
			    rows[i].line, seen_log());
		if (strstr(rows[i].line, "result=encrypted") != NULL)
			expect_opened(ctx, "hakim", true);
		else if (rows[i].want != SMFIS_CONTINUE)
			assert_int_equal(ctx->edits, 0);
		fake_free(ctx);
	}
}

static const struct {
	const char	*subject, *outside, *inside;
	const char	*rule;		/* of default_rule */
} tags[] = {
	{ "[R] Rapat", " Rapat", "\r\nSubject: Rapat\r\n",
	    "hide_subject = false;" },
	{ "Re: [r]\r\n Rapat", " Re: Rapat", "\r\nSubject: Re: Rapat\r\n",
	    "hide_subject = false;" },
	{ "Rapat\r\n [R]", " Rapat", "\r\nSubject: Rapat\r\n",
	    "hide_subject = false;" },
	{ "[R] Rapat", " [...]", "\r\nSubject: Rapat\r\n", "" },
	{ "[R]", " ", "\r\nSubject: \r\n", "hide_subject = false;" },
	{ "=?UTF-8?Q?=5BR=5D?= x", " =?UTF-8?Q?=5BR=5D?= x",
	    "\r\nSubject: =?UTF-8?Q?=5BR=5D?= x\r\n",
	    "hide_subject = false;" },
	/* a rule that waits for the size: the same, at the end */
	{ "[R] Rapat", " Rapat", "\r\nSubject: Rapat\r\n",
	    "hide_subject = false; }; rules = ( { name = \"big\";\n"
	    "  larger_than = \"1M\"; } ); audit = { file = \"\";" },
};

static void
test_remove_tag(void **state)
{
	char more[512], text[512], *inner;
	SMFICTX *ctx;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		snprintf(more, sizeof(more), " remove_tag = true; };\n"
		    "default_rule = { %s };\n", tags[i].rule);
		use_conf(more);
		snprintf(text, sizeof(text), HEAD "Subject: %s\r\n" BODY,
		    tags[i].subject);
		ctx = session();
		assert_int_equal(submit(ctx, to_hakim, text), SMFIS_CONTINUE);
		assert_int_equal(fake_count(ctx, "Subject"), 1);
		assert_string_equal(fake_value(ctx, "Subject"),
		    tags[i].outside);
		expect_opened(ctx, "hakim", true);
		inner = read_whole(pki_path("plain"), &len);
		if (memmem(inner, len, tags[i].inside,
		    strlen(tags[i].inside)) == NULL)
			fail_msg("%s: %.*s", tags[i].subject, (int)len, inner);
		free(inner);
		fake_free(ctx);
	}
}

#define PLAIN_RSA	"algorithm: rsaEncryption"
#define OAEP		"algorithm: rsaesOaep"

/* By which cipher, and how the key gets to its readers: openssl's word. */
static const struct {
	const char	*what;
	const char	*conf;
	const char	*reader[3];	/* folder and address in turn */
	const char	*want, *not;
	const char	*line;
} ways[] = {
	{ "nothing is known", " };\n", { "hakim", HAKIM }, PLAIN_RSA, OAEP,
	    "cipher=aes256-cbc" },
	{ "the certificate says so", " };\n", { "tata", TATA }, OAEP,
	    PLAIN_RSA, "cipher=aes256-gcm" },
	{ "their mail said so", " };\n", { "dokter", DOKTER }, OAEP,
	    PLAIN_RSA, "cipher=aes256-gcm" },
	{ "the configuration says OAEP", " oaep_to = [ \"" HAKIM "\" ]; };\n",
	    { "hakim", HAKIM }, OAEP, PLAIN_RSA, "cipher=aes256-cbc" },
	{ "OAEP to all, EC among them", " oaep_to = [ \"*\" ]; };\n",
	    { "hakim", HAKIM, SITI }, OAEP, PLAIN_RSA,
	    "cipher=aes256-cbc readers=2" },
	{ "OAEP to another", " oaep_to = [ \"@x.example\" ]; };\n",
	    { "hakim", HAKIM }, PLAIN_RSA, OAEP, "cipher=aes256-cbc" },
	{ "GCM by the configuration", " gcm_to = [ \"*\" ]; };\n",
	    { "hakim", HAKIM, SITI }, "id-smime-ct-authEnvelopedData",
	    "aes-256-cbc", "cipher=aes256-gcm readers=2" },
	{ "GCM, but one does not read it", " };\n",
	    { "dokter", DOKTER, SITI }, "pkcs7-envelopedData",
	    "authEnvelopedData", "cipher=aes256-cbc readers=2" },
};

static void
expect_printed(const char *what, const char *want, const char *not)
{
	const char *path = pki_path("print");
	char *text;
	size_t len;

	assert_int_equal(pki_run("openssl", "cms", "-cmsout", "-print", "-in",
	    pki_path("out.eml"), "-out", path, NULL), 0);
	text = read_whole(pki_path("print"), &len);
	if (memmem(text, len, want, strlen(want)) == NULL ||
	    memmem(text, len, not, strlen(not)) != NULL)
		fail_msg("%s: want %s, not %s: %.*s", what, want, not,
		    (int)len, text);
	free(text);
}

static void
test_ways(void **state)
{
	const char *to[3] = { NULL };
	char conf[512], text[1024], address[2][80];
	SMFICTX *ctx;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(conf, sizeof(conf), "%s" REQUIRED, ways[i].conf);
		use_conf(conf);
		for (k = 0; k < 2; k++) {
			snprintf(address[k], sizeof(address[k]), "<%s>",
			    ways[i].reader[k + 1] != NULL ?
			    ways[i].reader[k + 1] : "");
			to[k] = address[k][1] == '>' ? NULL : address[k];
		}
		snprintf(text, sizeof(text), "From: " BUDI "\r\nTo: %s%s%s\r\n"
		    BODY, to[0], to[1] != NULL ? ", " : "", to[1] != NULL ?
		    to[1] : "");
		ctx = session();
		assert_int_equal(submit(ctx, to, text), SMFIS_CONTINUE);
		expect_opened(ctx, ways[i].reader[0], true);
		if (to[1] != NULL)
			expect_opened(ctx, "siti", true);
		expect_printed(ways[i].what, ways[i].want, ways[i].not);
		expect_line(ways[i].line);
		fake_free(ctx);
	}
}

/* Observing finds out the same and changes nothing. */
static void
test_observe(void **state)
{
	SMFICTX *ctx;
	char *out;
	size_t len;

	(void)state;
	use_conf("mode = \"observe\";\n" REQUIRED);
	ctx = session();
	assert_int_equal(submit(ctx, to_hakim, HEAD BODY), SMFIS_CONTINUE);
	expect_line("result=would-encrypt");
	out = fake_output(ctx, &len);
	assert_non_null(strstr(out, SECRET));
	free(out);
	assert_non_null(strstr(fake_value(ctx, REPORT_HEADER),
	    "result=would-encrypt"));
	fake_free(ctx);
	use_conf("mode = \"observe\";\n" REQUIRED);
	ctx = session();
	assert_int_equal(submit(ctx, to_other, HEAD BODY), SMFIS_CONTINUE);
	expect_line("result=would-refuse");
	fake_free(ctx);
}

/* A fault of ours keeps the message, at whichever step. */
static void
test_faults(void **state)
{
	SMFICTX *ctx;
	unsigned i;

	(void)state;
	use_conf(POSSIBLE);
	fake_key.dead = true;
	ctx = session();
	assert_int_equal(submit(ctx, to_both, HEAD "Cc: " SITI "\r\n" BODY),
	    SMFIS_TEMPFAIL);
	fake_free(ctx);
	for (i = 1; i < 8; i++) {
		use_conf(POSSIBLE);
		ctx = session();
		ctx->fail_at = i;
		if (submit(ctx, to_hakim, HEAD BODY) == SMFIS_CONTINUE)
			break;
		fake_free(ctx);
	}
	assert_in_range(i, 3, 7);	/* and then all edits were made */
	expect_opened(ctx, "hakim", true);
	fake_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_remove_tag),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("sealing", tests, setup, teardown);
}
