/*
 * test_recipients.c - whose certificate: folders, the keystore, their order,
 * what is remembered; and to whom a message can be encrypted (ENC-05, ENC-07,
 * ENC-14, ENC-15, ENC-24, ATK-37).
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
#include "../../milter/incoming.h"
#include "../../milter/keys/keystore.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"
#include "fixture.h"
#include "seen_log.h"
#include "store.h"

#define HAKIM	"hakim@pn-pekalongan.example"
#define DOCTOR	"dokter@rsud.example"

static struct conf *conf;
static struct trust_state *trust;
static char partners_dir[512];
static struct keystore *store;

/* An encryption certificate of that address in NAME/cert.pem. */
static void
make(const char *address, const char *name, const char *profile)
{
	pki_make("mailbox", address, "p256", pki_path("%s", name), profile,
	    NULL);
}

static int
setup(void **state)
{
	struct smime_error err = { "" };

	store_setup(state);
	make(HAKIM, "hakim", "encryption");
	make(HAKIM, "hakim-new", "encryption");
	make(HAKIM, "hakim-sign", "ok");
	make(HAKIM, "hakim-old", "expired");
	make(DOCTOR, "doctor", "encryption");
	make(SITI, "siti", "encryption");
	make(BUDI, "budi", "encryption");
	make(BUDI, "budi-sign", "ok");
	snprintf(partners_dir, sizeof(partners_dir), "%s",
	    pki_path("partners"));
	conf = store_conf();
	conf->partners_dir = partners_dir;
	string_list_add(&conf->domains, ".pekalongankab.go.id");
	string_list_add(&conf->encryption_sources, "partners");
	string_list_add(&conf->encryption_sources, "colleagues");
	if ((trust = trust_state_read(conf, &err)) == NULL ||
	    (store = keystore_open(conf, NULL, 0, &err)) == NULL)
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	keystore_close(store);
	trust_state_unref(trust);
	string_list_free(&conf->domains);
	string_list_free(&conf->encryption_sources);
	return pki_teardown(state);
}

static void
partners_empty(void)
{
	assert_int_equal(pki_run("rm", "-rf", partners_dir, NULL), 0);
	assert_int_equal(mkdir(partners_dir, 0755), 0);
}

/* NAME's certificate to FOLDER/FILE. */
static void
put(const char *folder, const char *file, const char *name)
{
	size_t len;
	char *buf = read_whole(pki_path("%s/cert.pem", name), &len);

	mkdir(pki_path("partners/%s", folder), 0755);
	write_whole(pki_path("partners/%s/%s", folder, file), buf, len);
	chmod(pki_path("partners/%s/%s", folder, file), 0644);
	free(buf);
}

static struct recipients *
make_recipients(void)
{
	const struct recipient_source sources[] = {
		{ "partners", true, partners_find, NULL },
		{ "colleagues", false, colleagues_read, store },
	};

	return recipients_new(sources, 2);
}

static time_t shift;		/* of the time of day */

static struct recipient_settings
settings(void)
{
	return (struct recipient_settings){ .trust = trust->trust,
	    .generation = trust->generation, .now = time(NULL) + shift,
	    .crl_soft_fail = true };
}

/* "source word", "source NAME", or "none". */
static void
expect_by(struct recipients *recipients, const char *address,
    const char *source, const char *name)
{
	struct recipient_settings how = settings();
	struct smime_error err = { "" };
	struct found_recipient found;
	X509 *cert;

	if (recipients_find(recipients, conf, &how, address, &found,
	    &err) != 0)
		fail_msg("%s: %s", address, err.text);
	if (source == NULL) {
		assert_null(found.source);
		assert_null(found.cert);
		return;
	}
	if (found.source == NULL)
		fail_msg("%s: nobody has a certificate", address);
	assert_string_equal(found.source, source);
	if (found.cert == NULL) {
		assert_string_equal(cert_problem_word(found.problem), name);
		return;
	}
	cert = pki_mailbox_cert(name);
	if (X509_cmp(cert, found.cert) != 0)
		fail_msg("%s: not the certificate of %s", address, name);
	X509_free(cert);
	found_recipient_clear(&found);
}

static void
expect(const char *address, const char *source, const char *name)
{
	struct recipients *recipients = make_recipients();

	assert_non_null(recipients);
	expect_by(recipients, address, source, name);
	recipients_free(recipients);
}

/* ------------------------------------------------------------- folders --- */

static void
test_folders(void **state)
{
	(void)state;
	partners_empty();
	expect(HAKIM, NULL, NULL);
	put(HAKIM, "old.pem", "hakim-old");
	expect(HAKIM, "partners", "expired");
	put(HAKIM, "sign.pem", "hakim-sign");
	expect(HAKIM, "partners", "encryption-usage");
	put(HAKIM, "a.crt", "hakim");
	expect(HAKIM, "partners", "hakim");
	put(HAKIM, "notes.txt", "hakim-new");
	put(HAKIM, ".hidden.pem", "hakim-new");
	expect(HAKIM, "partners", "hakim");
	/* ENC-07: somebody else's certificate in the folder of an address */
	put(DOCTOR, "wrong.pem", "hakim");
	expect(DOCTOR, NULL, NULL);
	put("rsud.example", "all.pem", "doctor");
	put("rsud.example", "other.pem", "hakim");
	expect(DOCTOR, "partners", "doctor");
	expect("perawat@rsud.example", NULL, NULL);
	expect("dokter@lab.rsud.example", NULL, NULL);
	/* CRT-41: what cannot be the name of a folder is nobody's */
	expect("../hakim@pn-pekalongan.example", NULL, NULL);
	expect("\"a b\"@pn-pekalongan.example", NULL, NULL);
	expect("", NULL, NULL);
}

static void
test_bad_files(void **state)
{
	struct recipients *recipients = make_recipients();
	struct recipient_settings how = settings();
	struct found_recipient found;
	struct smime_error err = { "" };

	(void)state;
	partners_empty();
	put(HAKIM, "b.pem", "hakim");
	write_whole(pki_path("partners/" HAKIM "/a.pem"), "no", 2);
	seen_log_clear();
	expect(HAKIM, "partners", "hakim");
	assert_int_equal(seen_log_count("certificate left out: " HAKIM
	    "/a.pem"), 1);
	chmod(pki_path("partners/" HAKIM "/b.pem"), 0666);
	expect(HAKIM, NULL, NULL);
	chmod(pki_path("partners/" HAKIM "/b.pem"), 0644);
	expect(HAKIM, "partners", "hakim");
	/* A folder that others may write to is a fault, not "none". */
	chmod(pki_path("partners/" HAKIM), 0777);
	assert_int_equal(recipients_find(recipients, conf, &how, HAKIM,
	    &found, &err), -1);
	assert_non_null(strstr(err.text, "0777"));
	recipients_free(recipients);
}

/* ---------------------------------------------------- several, in order --- */

static void
test_order(void **state)
{
	(void)state;
	partners_empty();
	assert_int_equal(pki_run("rm", "-rf", store_path(BUDI, NULL, NULL),
	    NULL), 0);
	expect(BUDI, NULL, NULL);
	store_put(BUDI, "1", "budi-sign");
	expect(BUDI, "colleagues", "encryption-usage");
	store_put(BUDI, "2", "budi");
	expect(BUDI, "colleagues", "budi");
	store_touch(BUDI, "2", "suspended");
	expect(BUDI, "colleagues", "encryption-usage");
	store_remove(BUDI, "2", "suspended");
	/* ENC-24: what the administrator put there decides, good or not */
	put(BUDI, "a.pem", "budi-sign");
	expect(BUDI, "partners", "encryption-usage");
	partners_empty();
	expect(BUDI, "colleagues", "budi");
	/* The keystore is for our own addresses. */
	store_put(HAKIM, "1", "hakim");
	expect(HAKIM, NULL, NULL);
}

static void
test_memory(void **state)
{
	struct recipients *recipients = make_recipients();

	(void)state;
	partners_empty();
	put(HAKIM, "a.pem", "hakim");
	expect_by(recipients, HAKIM, "partners", "hakim");
	partners_empty();
	expect_by(recipients, HAKIM, "partners", "hakim");
	conf->generation++;
	expect_by(recipients, HAKIM, NULL, NULL);
	put(HAKIM, "a.pem", "hakim");
	trust->generation++;
	expect_by(recipients, HAKIM, "partners", "hakim");
	recipients_free(recipients);
}

/* What was found by one time of day is not used by another. */
static void
test_clock_steps(void **state)
{
	static const struct {
		const char	*what;
		time_t		 step;
		bool		 good;
	} steps[] = {
		{ "now", 0, true },
		{ "past its end", 3 * 365 * 86400L, false },
		{ "back", 0, true },
		{ "before its begin", -3 * 365 * 86400L, false },
		{ "back", 0, true },
		{ "a year later, still valid", 365 * 86400L, true },
	};
	struct recipients *recipients = make_recipients();
	struct smime_error err = { "" };
	struct recipient_settings how;
	struct found_recipient found;
	size_t i;

	(void)state;
	partners_empty();
	put(HAKIM, "a.pem", "hakim");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		shift = steps[i].step;
		how = settings();
		assert_int_equal(recipients_find(recipients, conf, &how,
		    HAKIM, &found, &err), 0);
		if ((found.cert != NULL) != steps[i].good)
			fail_msg("%s: %d", steps[i].what, found.problem);
		found_recipient_clear(&found);
	}
	shift = 0;
	recipients_free(recipients);
}

/* ------------------------------------------------------------ a message --- */

static const struct {
	const char	*what;
	const char	*to;		/* the envelope */
	const char	*header;
	bool		 copy, more;
	bool		 possible;
	enum plan_why	 why;
	const char	*who;
	size_t		 count;		/* of certificates in the main copy */
} rows[] = {
	{ "everybody can read it", HAKIM " " DOCTOR,
	    "To: " HAKIM "\nCc: " DOCTOR "\n", false, false, true, WHY_NONE,
	    "", 2 },
	{ "and the sender", HAKIM, "To: " HAKIM "\n", true, false, true,
	    WHY_NONE, "", 2 },
	{ "one cannot", HAKIM " x@y.example", "To: " HAKIM ", x@y.example\n",
	    true, false, false, WHY_NO_RECIPIENT, "x@y.example", 0 },
	{ "nobody can", "x@y.example z@y.example",
	    "To: x@y.example, z@y.example\n", true, false, false,
	    WHY_NO_RECIPIENT, "x@y.example, z@y.example", 0 },
	{ "ENC-14 hidden", HAKIM " " DOCTOR, "To: " HAKIM "\n", true, false,
	    false, WHY_HIDDEN_RECIPIENT, DOCTOR, 0 },
	{ "ENC-14 all hidden", HAKIM " " DOCTOR,
	    "To: undisclosed-recipients:;\n", true, false, false,
	    WHY_HIDDEN_RECIPIENT, HAKIM ", " DOCTOR, 0 },
	{ "one is named twice", HAKIM " " HAKIM, "Subject: x\n", false, false,
	    true, WHY_NONE, "", 1 },
	{ "one alone shows to nobody", HAKIM, "Subject: x\n", false, false,
	    true, WHY_NONE, "", 1 },
	{ "the sender is no secret", HAKIM " " BUDI, "To: " HAKIM "\n", true,
	    false, true, WHY_NONE, "", 2 },
	{ "more recipients than were kept", HAKIM, "To: " HAKIM "\n", true,
	    true, false, WHY_NO_RECIPIENT, "", 0 },
	{ "nobody", "", "To: " HAKIM "\n", true, false, false,
	    WHY_NO_RECIPIENT, "", 0 },
};

static size_t
split(char *text, const char **out, size_t max)
{
	char *word, *rest;
	size_t n = 0;

	for (word = strtok_r(text, " ", &rest); word != NULL && n < max;
	    word = strtok_r(NULL, " ", &rest))
		out[n++] = word;
	return n;
}

static void
one_seal(struct recipients *recipients, size_t i)
{
	struct rule rule = { .copy_to_sender = rows[i].copy };
	struct plan plan = { .rule = &rule, .from = BUDI };
	struct recipient_settings how = settings();
	const char *addresses[8];
	struct smime_error err = { "" };
	struct header_list header;
	struct facts facts = { .header = &header, .recipients = addresses,
	    .more_recipients = rows[i].more };
	struct seal seal;
	char to[256];

	snprintf(to, sizeof(to), "%s", rows[i].to);
	facts.recipient_count = split(to, addresses, 8);
	fixture_header(&header, rows[i].header);
	if (seal_resolve(&seal, recipients, conf, &how, &plan, &facts,
	    &err) != 0)
		fail_msg("%s: %s", rows[i].what, err.text);
	if (seal.possible != rows[i].possible || seal.why != rows[i].why ||
	    strcmp(seal.who, rows[i].who) != 0 || seal.copies.items[0].readers !=
	    rows[i].count)
		fail_msg("%s: got %d %s \"%s\" %zu (%s)", rows[i].what,
		    seal.possible, policy_why_word(seal.why), seal.who,
		    seal.copies.items[0].readers, seal.detail);
	seal_clear(&seal);
	header_clear(&header);
}

static void
test_seal(void **state)
{
	struct recipients *recipients = make_recipients();
	size_t i;

	(void)state;
	partners_empty();
	assert_int_equal(pki_run("rm", "-rf", store_path(BUDI, NULL, NULL),
	    NULL), 0);
	put(HAKIM, "a.pem", "hakim");
	put(DOCTOR, "a.pem", "doctor");
	store_put(BUDI, "1", "budi");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one_seal(recipients, i);
	recipients_free(recipients);
}

/* AES-GCM only where everybody is known to read it. */
static void
test_capabilities(void **state)
{
	struct recipients *recipients = make_recipients();
	struct recipient_settings how = settings();
	struct found_recipient found;
	struct smime_error err = { "" };

	(void)state;
	string_list_add(&conf->gcm_to, "@pn-pekalongan.example");
	string_list_add(&conf->oaep_to, DOCTOR);
	assert_int_equal(recipients_find(recipients, conf, &how, HAKIM,
	    &found, &err), 0);
	assert_true(found.capabilities & SMIME_CAP_AES256_GCM);
	assert_false(found.capabilities & SMIME_CAP_RSA_OAEP);
	found_recipient_clear(&found);
	assert_int_equal(recipients_find(recipients, conf, &how, DOCTOR,
	    &found, &err), 0);
	assert_false(found.capabilities & SMIME_CAP_AES256_GCM);
	assert_true(found.capabilities & SMIME_CAP_RSA_OAEP);
	found_recipient_clear(&found);
	string_list_free(&conf->gcm_to);
	string_list_free(&conf->oaep_to);
	recipients_free(recipients);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_clock_steps),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests_name("recipients", tests, setup,
	    teardown);
}
