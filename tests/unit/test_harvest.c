/*
 * test_harvest.c - what is kept of correspondents, and what is not (ENC-04,
 * ENC-24, ATK-19).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/confread.h"
#include "../../milter/encryption.h"
#include "../../smime/smime.h"
#include "fixture.h"
#include "seen_log.h"
#include "store.h"

#define DOCTOR	"dokter@rsud.example"
#define NURSE	"perawat@rsud.example"
#define NOW	1800000000

static struct conf *conf;
static char dir[512];

static int
setup(void **state)
{
	store_setup(state);
	pki_make("mailbox", DOCTOR, "p256", pki_path("one"), "encryption",
	    NULL);
	pki_make("mailbox", DOCTOR, "p256", pki_path("two"), "encryption",
	    NULL);
	snprintf(dir, sizeof(dir), "%s", pki_path("harvested"));
	conf = store_conf();
	conf->harvest_dir = dir;
	conf->harvest_max = 100;
	conf->harvest_age = 365 * 86400;
	string_list_add(&conf->domains, ".pekalongankab.go.id");
	string_list_add(&conf->harvest_from, "*");
	return 0;
}

static int
teardown(void **state)
{
	string_list_free(&conf->domains);
	string_list_free(&conf->harvest_from);
	return pki_teardown(state);
}

static void
empty(void)
{
	assert_int_equal(pki_run("rm", "-rf", dir, NULL), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	seen_log_clear();
}

static void
keep(const char *from, const char *name, time_t signed_at, unsigned caps,
    time_t now)
{
	struct verdict verdict = { .word = VERDICT_PASS,
	    .signing_time = signed_at };
	struct correspondent said = { .has_capabilities = caps != 0,
	    .capabilities = caps };

	snprintf(verdict.from, sizeof(verdict.from), "%s", from);
	if (name != NULL) {
		said.cert = pki_mailbox_cert(name);
		said.extra = pki_push(NULL, pki_cert("issuing.pem"));
	}
	harvest_keep(conf, "4AB", &verdict, &said, now);
	correspondent_clear(&said);
}

/* name NULL: nothing is kept. */
static struct harvested
expect(const char *from, const char *name, time_t signed_at, unsigned caps)
{
	struct smime_error err = { "" };
	struct harvested got, none = { .cert = NULL };
	X509 *cert;

	if (harvest_read(conf, from, &got, &err) != 0)
		fail_msg("%s", err.text);
	if (name == NULL) {
		assert_null(got.cert);
		return none;
	}
	assert_non_null(got.cert);
	cert = pki_mailbox_cert(name);
	assert_int_equal(X509_cmp(cert, got.cert), 0);
	X509_free(cert);
	assert_int_equal(got.signed_at, signed_at);
	assert_int_equal(got.capabilities, caps);
	assert_int_equal(sk_X509_num(got.extra), 1);
	cert = got.cert;
	none = got;
	none.cert = NULL;
	none.extra = NULL;
	harvested_clear(&got);
	return none;
}

static void
test_newer(void **state)
{
	(void)state;
	empty();
	expect(DOCTOR, NULL, 0, 0);
	keep(DOCTOR, "one", NOW, SMIME_CAP_AES256_GCM, NOW + 5);
	expect(DOCTOR, "one", NOW, SMIME_CAP_AES256_GCM);
	assert_int_equal(seen_log_count("info: 4AB: kept the certificate of "
	    DOCTOR), 1);
	/* ENC-04: what is older or as old teaches nothing */
	keep(DOCTOR, "two", NOW - 1, SMIME_CAP_AES128_CBC, NOW + 6);
	keep(DOCTOR, "two", NOW, SMIME_CAP_AES128_CBC, NOW + 6);
	expect(DOCTOR, "one", NOW, SMIME_CAP_AES256_GCM);
	/* ... and neither does the future */
	keep(DOCTOR, "two", NOW + 5000, SMIME_CAP_AES128_CBC, NOW + 10);
	expect(DOCTOR, "one", NOW, SMIME_CAP_AES256_GCM);
	keep(DOCTOR, "one", NOW + 20, SMIME_CAP_AES256_CBC, NOW + 20);
	expect(DOCTOR, "one", NOW + 20, SMIME_CAP_AES256_CBC);
	/* the same again: not written for a day */
	keep(DOCTOR, "one", NOW + 30, SMIME_CAP_AES256_CBC, NOW + 30);
	expect(DOCTOR, "one", NOW + 20, SMIME_CAP_AES256_CBC);
	keep(DOCTOR, "one", NOW + 90000, 0, NOW + 90000);
	expect(DOCTOR, "one", NOW + 90000, SMIME_CAP_AES256_CBC);
}

/* ATK-19: noted; what the old program read is not said of the new one. */
static void
test_changed(void **state)
{
	struct harvested got;

	(void)state;
	empty();
	keep(DOCTOR, "one", NOW, SMIME_CAP_AES256_GCM, NOW);
	keep(DOCTOR, "two", NOW + 1, 0, NOW + 1);
	got = expect(DOCTOR, "two", NOW + 1, 0);
	assert_int_equal(got.changed, 1);
	assert_int_equal(seen_log_count("warning: 4AB: " DOCTOR
	    " has another certificate now"), 1);
}

static void
test_not_kept(void **state)
{
	struct verdict verdict = { .word = VERDICT_FAIL, .signing_time = NOW,
	    .from = DOCTOR };
	struct correspondent said = { .cert = NULL };

	(void)state;
	empty();
	keep(DOCTOR, NULL, NOW, 0, NOW);
	keep(DOCTOR, "one", 0, 0, NOW);
	keep(BUDI, "one", NOW, 0, NOW);		/* ours: the keystore's */
	keep("../x@rsud.example", "one", NOW, 0, NOW);
	said.cert = pki_mailbox_cert("one");
	harvest_keep(conf, "4AB", &verdict, &said, NOW);
	verdict.word = VERDICT_PASS;
	conf->mode = MODE_OBSERVE;
	harvest_keep(conf, "4AB", &verdict, &said, NOW);
	conf->mode = MODE_ENFORCE;
	string_list_free(&conf->harvest_from);
	harvest_keep(conf, "4AB", &verdict, &said, NOW);
	string_list_add(&conf->harvest_from, "@other.example");
	harvest_keep(conf, "4AB", &verdict, &said, NOW);
	assert_int_equal(access(pki_path("harvested/" DOCTOR ".pem"), F_OK), -1);
	string_list_free(&conf->harvest_from);
	string_list_add(&conf->harvest_from, "@rsud.example");
	harvest_keep(conf, "4AB", &verdict, &said, NOW);
	X509_free(said.cert);
	expect(NURSE, NULL, 0, 0);
	assert_int_equal(access(pki_path("harvested/" DOCTOR
	    ".pem"), F_OK), 0);
}

static void
test_age_and_damage(void **state)
{
	struct candidates out;
	const char *path;
	time_t now = time(NULL);

	(void)state;
	empty();
	memset(&out, 0, sizeof(out));
	keep(DOCTOR, "one", now - 400 * 86400L, 0, now - 400 * 86400L);
	assert_int_equal(harvest_find(NULL, conf, DOCTOR, &out, NULL), 0);
	assert_int_equal(out.count, 0);
	keep(DOCTOR, "one", now, 0, now);
	assert_int_equal(harvest_find(NULL, conf, DOCTOR, &out, NULL), 0);
	assert_int_equal(out.count, 1);
	candidates_clear(&out);
	/* A damaged file is nobody's certificate, and is not written over. */
	path = pki_path("harvested/" DOCTOR ".pem");
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(harvest_find(NULL, conf, DOCTOR, &out, NULL), 0);
	assert_int_equal(out.count, 0);
	assert_int_equal(seen_log_count("harvested certificate left out"), 1);
	candidates_clear(&out);
}

/* Kept while our clock was three years ahead: seen now, it says so. */
static void
test_clock_ahead(void **state)
{
	const time_t ahead = NOW + 3 * 365 * 86400L;

	(void)state;
	empty();
	keep(DOCTOR, "one", NOW, 0, ahead);
	assert_int_equal(expect(DOCTOR, "one", NOW, 0).seen_at, ahead);
	keep(DOCTOR, "one", NOW + 1, 0, NOW + 1);
	assert_int_equal(expect(DOCTOR, "one", NOW + 1, 0).seen_at, NOW + 1);
}

/* The ceiling is on addresses: what is there still follows. */
static void
test_ceiling(void **state)
{
	(void)state;
	empty();
	conf->harvest_max = 0;
	keep(NURSE, "one", NOW, 0, NOW);
	expect(NURSE, NULL, 0, 0);
	assert_int_equal(seen_log_count("encryption.harvest_max"), 1);
	conf->harvest_max = 100;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newer),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_age_and_damage),
		cmocka_unit_test(test_clock_ahead),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests_name("harvest", tests, setup, teardown);
}
