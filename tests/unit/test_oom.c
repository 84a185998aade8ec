/*
 * test_oom.c - memory that runs out at every place in turn: messages are
 * signed, encrypted and verified, and keys read, while the n-th allocation
 * fails; once that one alone, once it and all that follow. n takes every value
 * where SAMPUL_OOM_ALL is set, else every 41st or fewer. Each time the result is
 * right, or it is a temporary failure; nothing is lost, no copy sent twice, and
 * no key is taken for missing afterwards. SAMPUL_OOM_ONLY=word runs the messages
 * that it names.
 *
 * malloc and the others are defined here, and libcrypto and libc use them, too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define FIXTURE_VERIFY	""

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/copying.h"
#include "../../milter/editplan.h"
#include "../../milter/encryption.h"
#include "../../milter/incoming.h"
#include "../../milter/keys/keystore.h"
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
#include "watched.h"

#define HAKIM	"hakim@pn-pekalongan.example"
#define SECRET	"Rapat rahasia pukul sepuluh."

/* -------------------------------------------------------------- memory --- */

enum way { ONE, ALL_BEHIND, WAYS };

static volatile struct {
	bool	 armed;
	enum way way;
	long	 fail_at;
	long	 calls;		/* since it was armed */
	long	 live;		/* allocated, not freed */
} memory;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void	*__libc_malloc(size_t size);
void	*__libc_calloc(size_t count, size_t size);
void	*__libc_realloc(void *p, size_t size);
void	 __libc_free(void *p);

static bool
fails(void)
{
	if (!memory.armed || fake_allocates)
		return false;
	memory.calls++;
	if (memory.calls < memory.fail_at ||
	    (memory.way == ONE && memory.calls > memory.fail_at))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	void *p = fails() ? NULL : __libc_malloc(size);

	memory.live += p != NULL;
	return p;
}

void *
calloc(size_t count, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(count, size);

	memory.live += p != NULL;
	return p;
}

void *
realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : __libc_realloc(old, size);

	memory.live += old == NULL && p != NULL;
	return p;
}

void
free(void *p)
{
	memory.live -= p != NULL;
	__libc_free(p);
}
#endif

/*
 * OpenSSL 3.0 looks at one allocation in vain: for the key derivation of a
 * recipient with an EC key (x963kdf_new) it notes the error and goes on. That
 * one does not fail here, for there is nothing that we could do about it.
 */
static void *
crypto_malloc(size_t size, const char *file, int line)
{
	const bool was = fake_allocates;
	void *p;

	(void)line;
	if (file != NULL && strstr(file, "kdfs/sskdf.c") != NULL)
		fake_allocates = true;
	p = malloc(size);
	fake_allocates = was;
	return p;
}

static void *
crypto_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(old, size);
}

static void
crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void
arm(enum way way, long fail_at)
{
	memory.way = way;
	memory.fail_at = fail_at;
	memory.calls = 0;
	memory.armed = true;
}

/* Whether it came to the failure. */
static bool
disarm(void)
{
	memory.armed = false;
	return memory.calls >= memory.fail_at;
}

#define LEAST_STEP	41
#define PLACES_MAX	150

/*
 * Nor does its key agreement look whether the algorithm could be set
 * (ecdh_cms_encrypt), and it loses the two pieces of it; the envelope is found
 * to be wrong (envelope_check), and the message waits.
 */
#define THEIR_LOSS	2
#define THEIR_PLACES	4	/* in one flow */

static bool
is_theirs(const char *what, long lost, unsigned *places)
{
	return (strstr(what, "encrypted") != NULL ||
	    strstr(what, "divided") != NULL) && lost == THEIR_LOSS &&
	    ++*places <= THEIR_PLACES;
}

/*
 * Runs one(arg, way, n) for all n. What it leaves allocated the first time may
 * be a cache of libcrypto's; what it leaves each time is lost.
 */
static void
exhaust(const char *what, bool (*one)(const void *arg, enum way way, long n),
    const void *arg)
{
	long n, before, lost, again, step;
	unsigned places = 0;
	enum way way;
	bool failed;

	(void)one(arg, ONE, 1L << 60);
	/* All of them take minutes. */
	step = memory.calls / PLACES_MAX;
	if (step < LEAST_STEP)
		step = LEAST_STEP;
	if (getenv("SAMPUL_OOM_ALL") != NULL)
		step = 1;
	for (way = ONE; way < WAYS; way++) {
		failed = true;
		for (n = 1; failed; n += step) {
			before = memory.live;
			failed = one(arg, way, n);
			lost = memory.live - before;
			for (again = 0; lost > 0 && again < 3; again++) {
				before = memory.live;
				(void)one(arg, way, n);
				lost = memory.live - before;
			}
			if (lost > 0 && !is_theirs(what, lost, &places))
				fail_msg("%s, way %d: %ld lost when %ld fails",
				    what, (int)way, lost, n);
		}
		print_message("# %s, way %d: each %ld. of %ld allocations\n",
		    what, (int)way, step, memory.calls);
	}
}

/* --------------------------------------------------------------- set-up --- */

static const struct recipient_source sources[] = {
	{ "partners", true, partners_find, NULL },
	{ "colleagues", false, colleagues_ask, NULL },
};

static struct service service;
static struct truststore *warm;	/* with what is trusted read */
static struct signer *signer;
static X509 *siti;
static char *detached, *opaque, *by_siti, *changed;

/* ------------------------------------------------- the submit process --- */

static unsigned submitted;

int
submit_send(struct submit_pool *pool, const struct submission *submission,
    unsigned timeout, struct submit_answer *answer, struct smime_error *err)
{
	char octet;

	(void)pool;
	(void)timeout;
	(void)err;
	assert_int_equal(pread(submission->fd, &octet, 1,
	    (off_t)submission->size - 1), 1);
	submitted += (unsigned)submission->count;
	memset(answer, 0, sizeof(*answer));
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

/* --------------------------------------------------------------- set-up --- */

static void
copy_to(const char *from, const char *to)
{
	size_t len;
	char *buf = read_whole(pki_path("%s", from), &len);

	write_whole(pki_path("%s", to), buf, len);
	assert_int_equal(chmod(pki_path("%s", to), 0644), 0);
	free(buf);
}

#define HEAD	"X-Verified-Sender: verified; forged\r\n"			\
	"From: Budi <" BUDI ">\r\nTo: " HAKIM "\r\nSubject: Rapat\r\n"
#define CONTENT	"Content-Type: text/plain\r\n\r\n" SECRET "\r\n"

static int
setup(void **state)
{
	store_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_make("mailbox", HAKIM, "rsa2048", pki_path("hakim"), "encryption",
	    NULL);
	pki_make("mailbox", SITI, "p256", pki_path("siti"), "encryption",
	    NULL);
	pki_make("mailbox", SITI, "p256", pki_path("sitisigns"), NULL);
	store_partner(HAKIM, "hakim");
	mkdir(pki_path("crl"), 0755);
	copy_to("root.crl.pem", "crl/root.crl");
	copy_to("issuing.crl.pem", "crl/issuing.crl");
	signer = signing_by("budi");
	siti = pki_mailbox_cert("siti");
	detached = signing_mail("budi", HEAD, CONTENT, false);
	opaque = signing_mail("budi", HEAD, CONTENT, true);
	by_siti = signing_mail("sitisigns", HEAD, CONTENT, false);
	changed = signing_mail("budi", HEAD, CONTENT, false);
	strstr(changed, "sepuluh")[0] = 'S';
	return 0;
}

static int
teardown(void **state)
{
	signer_free(signer);
	X509_free(siti);
	free(detached);
	free(opaque);
	free(by_siti);
	free(changed);
	truststore_free(warm);
	conf_replace(NULL);
	return pki_teardown(state);
}

static void
use_conf(const char *more)
{
	struct smime_error err = { "" };
	struct trust_state *trust;
	struct conf *conf;
	char text[4096];

	snprintf(text, sizeof(text), FIXTURE_TOP FIXTURE_LOGIN
	    "language = \"en\";\n"
	    "spool = { dir = \"%s\"; memory = 4096; };\n"
	    "keystore = { anchors_dir = \"%s\"; intermediates_dir = \"%s\"; };\n"
	    "verify = { crl_dir = \"%s\"; };\n", pki_path("."),
	    pki_path("anchors"), pki_path("intermediates"), pki_path("crl"));
	snprintf(text + strlen(text), sizeof(text) - strlen(text),
	    "encryption = { partners_dir = \"%s\"; };\n%s",
	    pki_path("partners"), more);
	conf = fixture_conf(text);
	trust = trust_state_read(conf, &err);
	if (trust == NULL)
		fail_msg("%s", err.text);
	truststore_free(warm);
	warm = truststore_new(trust);
	conf_replace(conf);
}

/* Nothing is known from the message before. */
static void
open_service(bool cold)
{
	memset(&service, 0, sizeof(service));
	service.checks = check_cache_new(16);
	service.hints = digest_hints_new();
	service.verified = verify_cache_new(16);
	service.trusted = cold ? truststore_new(NULL) : warm;
	service.ours = ours_new();
	service.recipients = recipients_new(sources, 2);
	service.marks = marks_new();
	service.sent = sent_new(NULL);
	service.submit = (struct submit_pool *)&submitted;
	submitted = 0;
	callbacks_use(&service);
	memset(&fake_key, 0, sizeof(fake_key));
	fake_key.signer = signer;
	fake_key.status = KEY_SIGNED;
	fake_key.listed = siti;
	seen_log_clear();
}

static void
close_service(void)
{
	recipients_free(service.recipients);
	marks_free(service.marks);
	sent_free(service.sent);
	ours_free(service.ours);
	if (service.trusted != warm)
		truststore_free(service.trusted);
	verify_cache_free(service.verified);
	check_cache_free(service.checks);
	digest_hints_free(service.hints);
	ERR_clear_error();
}

/* ------------------------------------------------------------- messages --- */

#define PLAIN	"From: Budi <" BUDI ">\r\nTo: " HAKIM ", " SITI "\r\n"	\
	"Subject: Undangan rapat\r\nMIME-Version: 1.0\r\n"		\
	"Content-Type: text/plain; charset=utf-8\r\n\r\n" SECRET "\r\n"
#define MIXED	"From: Budi <" BUDI ">\r\nSubject: S\xc3\xa9mangat\r\n"	\
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n"	\
	"\tboundary=\"-x\"\r\n\r\npre\r\n---x\r\n"			\
	"Content-Type: text/plain; charset=utf-8\r\n"			\
	"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n---x\r\n\r\n" \
	SECRET "\r\n---x--\r\n"

static const char *const to_hakim[] = { "<" HAKIM ">", NULL };
static const char *const to_both[] = { "<" HAKIM ">", "<" SITI ">", NULL };

static const char *const to_all[] = { "<" HAKIM ">", "<" SITI ">",
	"<x@y.example>", NULL };

enum want { SIGNED, ENCRYPTED, DIVIDED, PASSED, NOT_PASSED };

struct flow {
	const char		*what;
	const char		*conf;
	bool			 outgoing;
	const char *const	*to;
	char *const		*text;
	enum want		 want;
	const char		*word;
	bool			 cold;	/* what is trusted is to be read */
};

static char plain_text[] = PLAIN, mixed_text[] = MIXED, hiding_text[] =
	"From: Budi <" BUDI ">\r\nTo: " HAKIM ", x@y.example\r\n"
	"Subject: Undangan rapat\r\nMIME-Version: 1.0\r\n"
	"Content-Type: text/plain\r\n\r\n" SECRET "\r\n";
static char *plain = plain_text, *mixed = mixed_text, *hiding = hiding_text;

static const struct flow flows[] = {
	{ "signed as it came", "", true, to_hakim, &plain, SIGNED, NULL, false },
	{ "signed, parts encoded anew", "", true, to_hakim, &mixed, SIGNED,
	    NULL, false },
	{ "signed, opaque", "default_rule = { form = \"opaque\"; };\n", true,
	    to_hakim, &plain, SIGNED, NULL, false },
	{ "signed, as far as it can be",
	    "default_rule = { sign = \"if-possible\"; };\n", true, to_hakim,
	    &plain, SIGNED, NULL, false },
	{ "encrypted", "default_rule = { encrypt = \"required\"; };\n", true,
	    to_both, &plain, ENCRYPTED, NULL,
	    false },
	{ "encrypted, as far as it can be",
	    "default_rule = { encrypt = \"if-possible\"; };\n", true, to_hakim,
	    &plain, ENCRYPTED, NULL,
	    false },
	{ "divided", "submit = { server = \"127.0.0.1:10027\"; };\n"
	    "default_rule = { encrypt = \"if-possible\"; without_certificate = "
	    "\"clear-copy\";\n hidden_recipients = \"own-copy\"; };\n", true,
	    to_all, &hiding, DIVIDED, NULL, false },
	{ "verified, detached", "", false, to_both, &detached, PASSED,
	    "pass", false },
	{ "verified, nothing read yet", "", false, to_both, &detached, PASSED,
	    "pass", true },
	{ "verified, opaque", "", false, to_both, &opaque, PASSED, "pass",
	    false },
	{ "verified, somebody else's", "", false, to_both, &by_siti,
	    NOT_PASSED, "policy", false },
	{ "verified, changed", "", false, to_both, &changed, NOT_PASSED,
	    "fail", false },
};

static void
expect_signed(const struct flow *flow, const char *path, long n)
{
	if (pki_run("openssl", "cms", "-verify", "-in", path, "-CAfile",
	    pki_path("root.pem"), "-out", pki_path("plain"), NULL) == 0)
		return;
	pki_show();
	fail_msg("%s, %ld: openssl does not verify", flow->what, n);
}

static void
expect_sent(const struct flow *flow, const SMFICTX *ctx, long n)
{
	char inner[512], *out;
	size_t len;

	out = fake_output(ctx, &len);
	write_whole(pki_path("out.eml"), out, len);
	if (flow->want != SIGNED &&
	    memmem(out, len, SECRET, strlen(SECRET)) != NULL)
		fail_msg("%s, %ld: in clear", flow->what, n);
	free(out);
	snprintf(inner, sizeof(inner), "%s", pki_path("out.eml"));
	if (flow->want != SIGNED) {
		snprintf(inner, sizeof(inner), "%s", pki_path("inner.eml"));
		if (pki_run("openssl", "cms", "-decrypt", "-in",
		    pki_path("out.eml"), "-recip",
		    pki_path("hakim/cert.pem"), "-inkey",
		    pki_path("hakim/key.pem"), "-out", inner, NULL) != 0)
			fail_msg("%s, %ld: not for hakim", flow->what, n);
	}
	expect_signed(flow, inner, n);
}

static void
expect_received(const struct flow *flow, const SMFICTX *ctx, long n)
{
	const char *body = strstr(*flow->text, "\r\n\r\n") + 4;
	const char *got = fake_value(ctx, RESULTS_HEADER);
	const char *said = fake_value(ctx, VERIFIED_SENDER_HEADER);
	char want[64];

	assert_int_equal(ctx->body_len, strlen(body));
	assert_memory_equal(ctx->body, body, ctx->body_len);
	if (fake_count(ctx, VERIFIED_SENDER_HEADER) != 1 ||
	    strstr(said, "forged") != NULL ||
	    fake_count(ctx, RESULTS_HEADER) != 1)
		fail_msg("%s, %ld: %s", flow->what, n, said);
	snprintf(want, sizeof(want), "smime=%s", flow->word);
	if (strstr(got, "smime=temperror") != NULL ?
	    strncmp(said, " verified", 9) == 0 : strstr(got, want) == NULL ||
	    (strncmp(said, " verified", 9) == 0) != (flow->want == PASSED))
		fail_msg("%s, %ld: %s;%s", flow->what, n, got, said);
}

/* Two have a copy each, and after another attempt at the latest; none has two. */
static void
expect_copies(const struct flow *flow, SMFICTX *ctx,
    const struct fake_message *message, sfsistat status, long n)
{
	if (flow->want != DIVIDED || ctx->priv == NULL)
		return;
	if (status != SMFIS_CONTINUE &&
	    fake_message(ctx, message) != SMFIS_CONTINUE)
		fail_msg("%s, %ld: not taken again; %s", flow->what, n,
		    seen_log());
	if (submitted != 2 || strcmp(ctx->removed, "<" SITI "> <x@y.example> ")
	    != 0)
		fail_msg("%s, %ld: %u copies, without %s", flow->what, n,
		    submitted, ctx->removed);
}

static bool
one_message(const void *arg, enum way way, long n)
{
	const struct flow *flow = arg;
	const struct fake_message message = { .sender = "<" BUDI ">",
	    .recipients = flow->to, .text = *flow->text };
	SMFICTX *ctx;
	sfsistat status = SMFIS_TEMPFAIL;
	bool failed;

	open_service(flow->cold);
	arm(way, n);
	ctx = fake_new(FAKE_POSTFIX, &callbacks, 0);
	if (ctx->priv != NULL) {
		fake_connect(ctx, "192.0.2.7");
		if (flow->outgoing)
			fake_macro(ctx, "{auth_authen}", BUDI);
		fake_macro(ctx, "i", "4ABCdef");
		status = fake_message(ctx, &message);
		if (ctx->broken[0] != '\0')
			fail_msg("%s, %ld: %s", flow->what, n, ctx->broken);
	}
	failed = disarm();
	if (status == SMFIS_CONTINUE && flow->outgoing)
		expect_sent(flow, ctx, n);
	else if (status == SMFIS_CONTINUE)
		expect_received(flow, ctx, n);
	else if (status != SMFIS_TEMPFAIL || !failed)
		fail_msg("%s, %ld: answered %d\n%s", flow->what, n,
		    (int)status, seen_log());
	expect_copies(flow, ctx, &message, status, n);
	fake_free(ctx);
	assert_int_equal(atomic_load(&service.active), 0);
	close_service();
	return failed;
}

static void
test_messages(void **state)
{
	const char *only = getenv("SAMPUL_OOM_ONLY");
	size_t i;

	(void)state;
	if (IS_SANITIZED)
		skip();
	for (i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		if (only != NULL && strstr(flows[i].what, only) == NULL)
			continue;
		use_conf(flows[i].conf);
		exhaust(flows[i].what, one_message, &flows[i]);
	}
}

/* ----------------------------------------------------------------- keys --- */

static const struct keystore_identity *
look(struct keystore *store, time_t now, enum keystore_lack *lack,
    struct smime_error *err)
{
	return keystore_look(store, BUDI, now, lack, err);
}

/* The key process must not say that there is no key, nor go on saying it. */
static bool
one_key(const void *arg, enum way way, long n)
{
	struct smime_error err = { "" };
	const struct keystore_identity *identity;
	enum keystore_lack lack;
	struct keystore *store;
	bool failed;

	store = keystore_open(arg, NULL, 0, &err);
	assert_non_null(store);
	seen_log_clear();
	arm(way, n);
	identity = look(store, time(NULL), &lack, &err);
	failed = disarm();
	if (identity == NULL && (!failed || lack != LACK_FAULT))
		fail_msg("way %d, %ld: lack %d, %s\n%s", (int)way, n, (int)lack,
		    err.text, seen_log());
	keystore_release(store, identity);
	err.text[0] = '\0';
	if ((identity = look(store, time(NULL) + 60, &lack,
	    &err)) == NULL)
		fail_msg("way %d, %ld, and then: lack %d, %s", (int)way, n,
		    (int)lack, err.text);
	keystore_release(store, identity);
	keystore_close(store);
	ERR_clear_error();
	return failed;
}

static void
test_keys(void **state)
{
	(void)state;
	if (IS_SANITIZED)
		skip();
	store_put(BUDI, "satu", "budi");
	exhaust("key looked up", one_key, store_conf());
}

/* --------------------------------------------------------------- header --- */

/* Memory that is short is no reason to leave the header open. */
static void
test_header(void **state)
{
	static const char text[] = "From: " BUDI "\r\nSubject: Uji\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n";
	struct smime_error err = { "" };
	struct canon_settings settings;
	struct canon_result result;
	struct header_list header = { 0 };
	struct canon *canon;
	bool body, failed = true;
	size_t used;
	long n;
	int rc;

	(void)state;
	if (IS_SANITIZED)
		skip();
	assert_int_equal(header_parse(&header, text, sizeof(text) - 1, 0,
	    &used, &body, &err), 0);
	canon_settings_init(&settings);
	settings.header_protection = true;
	for (n = 1; failed; n++) {
		arm(ONE, n);
		rc = -1;
		canon = canon_new(&settings, &header, SMIME_SHA256, &err);
		if (canon != NULL)
			rc = canon_finish(canon, &result, &err);
		failed = disarm();
		if (rc == 0 && result.unprotected != NULL)
			fail_msg("%ld: %s", n, result.unprotected);
		if (rc != 0 && !failed)
			fail_msg("%ld: %s", n, err.text);
		canon_free(canon);
	}
	assert_true(n > 5);
	header_clear(&header);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_header),
	};

	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc,
	    crypto_free) != 1)
		abort();
	return cmocka_run_group_tests(tests, setup, teardown);
}
