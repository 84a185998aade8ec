/*
 * test_keystore.c - who signs, what is left out and why, what a change on disk
 * does. SIG-42, SIG-44, SIG-47, CRT-09, CRT-20..22, CRT-33, CRT-40, CRT-41.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "../../milter/conf.h"
#include "../../milter/keys/entry.h"
#include "../../milter/keys/keyfile.h"
#include "../../milter/keys/keystore.h"
#include "../../smime/smime.h"
#include "seen_log.h"
#include "skipping.h"
#include "store.h"

#define PASSPHRASE	"a passphrase of the keystore, for tests alone"
#define IN_2022		1655000000
#define IN_2046		2400000000

/* Mailboxes of the PKI, made once: all for BUDI but the last two. */
static const struct {
	const char *name, *address, *type, *profile;
} mailboxes[] = {
	{ "one", BUDI, "p256", "ok" },
	{ "two", BUDI, "p256", "ok" },		/* a second or more newer */
	{ "rsa", BUDI, "rsa2048", "ok" },
	{ "p384", BUDI, "p384", "ok" },
	{ "expired", BUDI, "p256", "expired" },
	{ "future", BUDI, "p256", "future" },
	{ "noaddress", BUDI, "p256", "noaddress" },
	{ "subjectonly", BUDI, "p256", "subjectonly" },
	{ "bsre", BUDI, "p256", "bsre-document" },
	{ "encryption", BUDI, "p256", "keyagreement" },
	{ "serverauth", BUDI, "p256", "serverauth" },
	{ "otherroot", BUDI, "p256", "otherroot" },
	{ "selfsigned", BUDI, "p256", "selfsigned" },
	{ "ca", BUDI, "p256", "ca" },
	{ "criticalext", BUDI, "p256", "criticalext" },
	{ "weak", BUDI, "rsa1024", "ok" },
	{ "odd", BUDI, "secp256k1", "ok" },
	{ "revoked", BUDI, "p256", "ok" },
	{ "siti", SITI, "p256", "ok" },
};

static int
setup(void **state)
{
	size_t i;

	if (store_setup(state) != 0)
		return -1;
	for (i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
		pki_make("mailbox", mailboxes[i].address, mailboxes[i].type,
		    pki_path("%s", mailboxes[i].name), mailboxes[i].profile,
		    NULL);
		if (i == 0)
			sleep(1);
	}
	return 0;
}

static int
each_setup(void **state)
{
	(void)state;
	store_empty();
	seen_log_clear();
	return 0;
}

static struct keystore *
open_store(const struct conf *conf)
{
	struct smime_error err = { "" };
	struct keystore *store;

	store = keystore_open(conf, NULL, 0, &err);
	if (store == NULL)
		fail_msg("keystore_open: %s", err.text);
	return store;
}

/* The serial that signs, "missing: why" or "fault: why"; a static buffer. */
static const char *
who(struct keystore *store, const char *address, time_t now)
{
	static char out[SMIME_ERROR_MAX + 16];
	const struct keystore_identity *identity;
	struct smime_error err = { "" };
	bool missing = false;

	identity = keystore_find(store, address, now, &missing, &err);
	if (identity == NULL) {
		assert_string_not_equal(err.text, "");
		snprintf(out, sizeof(out), "%s: %s", missing ? "missing" :
		    "fault", err.text);
		return out;
	}
	cert_serial(signer_cert(keystore_identity_signer(identity)), out,
	    sizeof(out));
	keystore_release(store, identity);
	return out;
}

static const char *
serial_of(const char *name)
{
	static char out[4][SERIAL_TEXT_MAX + 1];
	static unsigned next;
	char *p = out[next++ % 4];
	X509 *cert = pki_mailbox_cert(name);

	cert_serial(cert, p, sizeof(out[0]));
	X509_free(cert);
	return p;
}

/* want: a mailbox's name, or the beginning of what who() says. */
static void
must_be(struct keystore *store, time_t now, const char *what,
    const char *want)
{
	const char *got = who(store, BUDI, now);
	bool ok;

	if (strncmp(want, "missing", 7) == 0 || strncmp(want, "fault", 5) == 0)
		ok = strncmp(got, want, strcspn(want, "*")) == 0 &&
		    (strchr(want, '*') == NULL ||
		    strstr(got, strchr(want, '*') + 1) != NULL);
	else
		ok = strcmp(got, serial_of(want)) == 0;
	if (!ok)
		fail_msg("%s: got \"%s\", wanted \"%s\"\nlog:\n%s", what, got,
		    want, seen_log());
}

/* ------------------------------------------------------------- choice --- */

static void
test_one_entry(void **state)
{
	static const struct {
		const char	*what;
		const char	*name;
		bool		 override;
		time_t		 now;		/* 0: the clock */
		const char	*want;
	} cases[] = {
		{ "RSA-2048", "rsa", false, 0, "rsa" },
		{ "P-256", "one", false, 0, "one" },
		{ "P-384", "p384", false, 0, "p384" },
		{ "address in the subject", "subjectonly", false, 0,
		    "subjectonly" },
		{ "expired", "expired", false, 0, "missing" },
		{ "expired, in its time", "expired", false, IN_2022,
		    "expired" },
		{ "not yet valid", "future", false, 0, "missing" },
		{ "not yet valid, in its time", "future", false, IN_2046,
		    "future" },
		{ "no address", "noaddress", false, 0, "missing" },
		{ "another's address", "siti", false, 0, "missing" },
		{ "BSrE document profile", "bsre", false, 0, "missing" },
		{ "no e-mail purpose", "serverauth", false, 0, "missing" },
		{ "encryption only", "encryption", false, 0, "missing" },
		{ "another root", "otherroot", false, 0, "missing" },
		{ "self-signed (CRT-09)", "selfsigned", false, 0, "missing" },
		{ "a CA", "ca", false, 0, "missing" },
		{ "critical extension", "criticalext", false, 0, "missing" },
		{ "RSA-1024", "weak", false, 0, "missing" },
		{ "secp256k1", "odd", false, 0, "missing" },
		{ "pinned: no address", "noaddress", true, 0, "noaddress" },
		{ "pinned: another's address", "siti", true, 0, "siti" },
		{ "pinned: BSrE document profile", "bsre", true, 0, "bsre" },
		{ "pinned: no e-mail purpose", "serverauth", true, 0,
		    "serverauth" },
		{ "pinned: expired all the same", "expired", true, 0,
		    "missing" },
		{ "pinned: encryption all the same", "encryption", true, 0,
		    "missing" },
		{ "pinned: another root all the same", "otherroot", true, 0,
		    "missing" },
		{ "pinned: weak all the same", "weak", true, 0, "missing" },
	};
	struct keystore *store;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_empty();
		store_put(BUDI, "2026", cases[i].name);
		if (cases[i].override)
			store_touch(BUDI, "2026", "override");
		seen_log_clear();
		store = open_store(store_conf());
		must_be(store, cases[i].now != 0 ? cases[i].now : time(NULL),
		    cases[i].what, cases[i].want);
		if (cases[i].override && strcmp(cases[i].want,
		    cases[i].name) == 0 &&
		    seen_log_count("warning: " BUDI "/2026 signs although")
		    != 1)
			fail_msg("%s: not logged", cases[i].what);
		keystore_close(store);
	}
}

static void
test_pinned_is_told(void **state)
{
	static const struct {
		const char *name;
		bool override, want;
	} cases[] = {
		{ "one", false, false }, { "one", true, false },
		{ "siti", true, true },
	};
	const struct keystore_identity *identity;
	struct keystore *store;
	bool missing;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		store_empty();
		store_put(BUDI, "2026", cases[i].name);
		if (cases[i].override)
			store_touch(BUDI, "2026", "override");
		store = open_store(store_conf());
		identity = keystore_find(store, BUDI, time(NULL), &missing,
		    NULL);
		assert_non_null(identity);
		assert_int_equal(keystore_identity_pinned(identity),
		    cases[i].want);
		keystore_release(store, identity);
		keystore_close(store);
	}
}

/* A rollover has no gap and needs nobody; dates alone change the choice. */
static void
test_rollover(void **state)
{
	struct keystore *store = open_store(store_conf());
	time_t now = time(NULL);

	(void)state;
	must_be(store, now, "no folder", "missing: " BUDI " has no folder");
	store_put(BUDI, "a", "one");
	must_be(store, now, "the first", "one");
	store_put(BUDI, "b", "two");
	must_be(store, now, "a newer one", "two");
	store_put(BUDI, "c", "future");
	store_put(BUDI, "d", "expired");
	must_be(store, now, "one to come and one that ended", "two");
	must_be(store, IN_2046, "twenty years later", "future");
	must_be(store, IN_2022, "and back in 2022", "expired");
	must_be(store, now, "and now", "two");
	store_touch(BUDI, "b", "suspended");
	must_be(store, now, "the newer one suspended", "one");
	store_remove(BUDI, "b", "suspended");
	must_be(store, now, "and taken up again", "two");
	assert_int_equal(pki_run("rm", "-r", store_path(BUDI, "b", NULL),
	    NULL), 0);
	must_be(store, now, "the newer one removed", "one");
	store_touch(BUDI, "a", "suspended");
	must_be(store, now, "all suspended", "missing: " BUDI "/a is susp");
	assert_int_equal(pki_run("rm", "-r", store_path(BUDI, NULL, NULL),
	    NULL), 0);
	must_be(store, now, "folder removed", "missing: " BUDI " has no");
	keystore_close(store);
}

/* Both limits of validity, to the second, without any change on disk. */
static void
test_limits_of_validity(void **state)
{
	struct keystore *store = open_store(store_conf());
	X509 *cert = pki_mailbox_cert("one");
	const time_t from = cert_not_before(cert), to = cert_not_after(cert);

	(void)state;
	X509_free(cert);
	store_put(BUDI, "a", "one");
	must_be(store, from - 1, "a second before", "missing");
	must_be(store, from, "the first second", "one");
	/* OpenSSL's path validation takes the last second for over. */
	must_be(store, to - 1, "the last second", "one");
	must_be(store, to + 1, "a second after", "missing");
	must_be(store, to - 1, "the last second again", "one");
	keystore_close(store);
}

/* ------------------------------------------------------------ changes --- */

/* SIG-47 and PITFALLS 16: renamed over, in place, half-way. */
static void
test_replacement(void **state)
{
	struct keystore *store = open_store(store_conf());
	const time_t now = time(NULL);
	int in_place;

	(void)state;
	for (in_place = 0; in_place < 2; in_place++) {
		store_empty();
		store_put(BUDI, "a", "one");
		/* Let the follow-up of the exchanged directory come by. */
		sleep(1);
		must_be(store, now, "before", "one");
		store_replace(BUDI, "a", "two", "cert.pem", in_place);
		must_be(store, now, "half-way",
		    "fault*private key");
		store_replace(BUDI, "a", "two", "key.pem", in_place);
		must_be(store, now, "replaced", "two");
		store_replace(BUDI, "a", "one", "key.pem", in_place);
		must_be(store, now, "half-way back", "fault*");
		store_replace(BUDI, "a", "one", "cert.pem", in_place);
		must_be(store, now, "back", "one");
	}
	/* While one is replaced, the other goes on. */
	store_put(BUDI, "b", "two");
	must_be(store, now, "two entries", "two");
	store_replace(BUDI, "b", "rsa", "key.pem", false);
	seen_log_clear();
	must_be(store, now, "the newer one half-way", "one");
	assert_int_equal(seen_log_count("warning: certificate left out: " BUDI
	    "/b: key-mismatch"), 1);
	keystore_close(store);
}

/* Right public half, wrong private number: left out by name, not met with
 * each message. */
static void
test_damaged_key(void **state)
{
	struct keystore *store = open_store(store_conf());
	const time_t now = time(NULL);

	(void)state;
	pki_mailbox("hurt", "p256", "ok");
	pki_damage_key("hurt");
	store_put(BUDI, "b", "hurt");
	must_be(store, now, "alone", "fault*b/key.pem is damaged");
	store_put(BUDI, "a", "one");
	must_be(store, now, "beside a whole one", "one");
	keystore_close(store);
}

/* The keystore as a whole renamed into place, noticed within a second. */
static void
test_directory_exchanged(void **state)
{
	struct keystore *store;
	time_t now = time(NULL);

	(void)state;
	store_put(BUDI, "a", "one");
	store = open_store(store_conf());
	must_be(store, now, "before", "one");
	assert_int_equal(rename(pki_path("keystore"), pki_path("old")), 0);
	assert_int_equal(mkdir(pki_path("keystore"), 0700), 0);
	store_put(BUDI, "a", "two");
	skipped += 2;
	must_be(store, now, "after", "two");
	assert_int_equal(pki_run("rm", "-r", pki_path("old"), NULL), 0);
	keystore_close(store);
}

/* Nor is anything of the one before used when the new one is out of reach. */
static void
test_directory_out_of_reach(void **state)
{
	unsigned char *der = NULL;
	unsigned owned, opened;
	struct keystore *store;
	struct smime_error err = { "" };
	time_t now = time(NULL);
	size_t len = 0;

	(void)state;
	store_put(BUDI, "a", "one");
	store = open_store(store_conf());
	assert_int_equal(keystore_list(store, BUDI, now, 65536, &der, &len,
	    &err), 0);
	assert_true(len > 0);
	OPENSSL_free(der);
	assert_int_equal(rename(pki_path("keystore"), pki_path("old")), 0);
	assert_int_equal(mkdir(pki_path("keystore"), 0700), 0);
	assert_int_equal(chmod(pki_path("keystore"), 0777), 0);
	skipped += 2;
	must_be(store, now, "to sign", "fault*this takes a restart");
	assert_int_equal(keystore_list(store, BUDI, now, 65536, &der, &len,
	    &err), -1);
	assert_int_equal(keystore_unlock(store, BUDI, now, "x", 1,
	    INT64_MAX, &owned, &opened, &err), -1);
	assert_int_equal(rmdir(pki_path("keystore")), 0);
	assert_int_equal(rename(pki_path("old"), pki_path("keystore")), 0);
	skipped += 2;
	must_be(store, now, "back again", "one");
	keystore_close(store);
}

/* A file rewritten within the grain of the file system's clock. */
static void
test_change_without_trace(void **state)
{
	struct timespec times[2];
	struct keystore *store;
	struct stat st;

	(void)state;
	store_put(BUDI, "a", "one");
	store = open_store(store_conf());
	assert_int_equal(stat(store_path(BUDI, "a", "cert.pem"), &st), 0);
	must_be(store, time(NULL), "before", "one");
	/* The best a test can do: same size and mtime, ctime differs. */
	store_replace(BUDI, "a", "two", "cert.pem", true);
	store_replace(BUDI, "a", "two", "key.pem", true);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, store_path(BUDI, "a",
	    "cert.pem"), times, 0), 0);
	must_be(store, time(NULL), "with the old date", "two");
	keystore_close(store);
}

/* -------------------------------------------------------- what is bad --- */

static void
damage_mode(void)
{
	chmod(store_path(BUDI, "a", "key.pem"), 0640);
}

static void
damage_cert_mode(void)
{
	chmod(store_path(BUDI, "a", "cert.pem"), 0664);
}

static void
damage_folder_mode(void)
{
	chmod(store_path(BUDI, "a", NULL), 0770);
}

static void
damage_mailbox_mode(void)
{
	chmod(store_path(BUDI, NULL, NULL), 0777);
}

static void
damage_owner(void)
{
	if (geteuid() == 0 &&
	    chown(store_path(BUDI, "a", "key.pem"), 12345, 0) == -1)
		fail();
	else if (geteuid() != 0)
		damage_mode();
}

static void
damage_no_key(void)
{
	store_remove(BUDI, "a", "key.pem");
}

static void
damage_no_cert(void)
{
	store_remove(BUDI, "a", "cert.pem");
}

static void
damage_key_text(void)
{
	write_whole(store_path(BUDI, "a", "key.pem"), "no key", 6);
}

static void
damage_cert_text(void)
{
	write_whole(store_path(BUDI, "a", "cert.pem"), "no cert", 7);
}

static void
damage_empty(void)
{
	write_whole(store_path(BUDI, "a", "cert.pem"), "", 0);
}

static void
damage_link(void)
{
	store_remove(BUDI, "a", "key.pem");
	if (symlink(pki_path("one/key.pem"), store_path(BUDI, "a",
	    "key.pem")) == -1)
		fail();
}

static void
damage_fifo(void)
{
	store_remove(BUDI, "a", "cert.pem");
	assert_int_equal(mkfifo(store_path(BUDI, "a", "cert.pem"), 0600), 0);
}

static void
damage_linked_folder(void)
{
	assert_int_equal(rename(store_path(BUDI, "a", NULL),
	    pki_path("moved")), 0);
	if (symlink(pki_path("moved"), store_path(BUDI, "a", NULL)) == -1)
		fail();
}

static void
damage_large(void)
{
	assert_int_equal(truncate(store_path(BUDI, "a", "key.pem"),
	    KEYSTORE_KEY_MAX + 1), 0);
}

static void
damage_chain(void)
{
	write_whole(store_path(BUDI, "a", "chain.pem"), "junk", 4);
}

static void
damage_override(void)
{
	store_touch(BUDI, "a", "override");
	chmod(store_path(BUDI, "a", "override"), 0666);
}

/* Each is a fault, temporary, told by name; and an older entry helps out. */
static void
test_bad_entries(void **state)
{
	static const struct {
		const char	*what;
		void		(*damage)(void);
		const char	*want;
		bool		 whole;		/* the address as a whole */
	} cases[] = {
		{ "key.pem 0640", damage_mode, "*key.pem has mode 0640",
		    false },
		{ "cert.pem 0664", damage_cert_mode,
		    "*cert.pem has mode 0664", false },
		{ "folder 0770", damage_folder_mode, "*/a has mode 0770",
		    false },
		{ "mailbox 0777", damage_mailbox_mode, "*has mode 0777",
		    true },
		{ "foreign owner", damage_owner, "*key.pem", false },
		{ "no key.pem", damage_no_key, "*key.pem: No such", false },
		{ "no cert.pem", damage_no_cert, "*cert.pem: No such",
		    false },
		{ "no PEM in key.pem", damage_key_text, "*key.pem", false },
		{ "no PEM in cert.pem", damage_cert_text, "*cert.pem",
		    false },
		{ "empty cert.pem", damage_empty, "*cert.pem", false },
		{ "key.pem a link", damage_link, "*symbolic link", false },
		{ "cert.pem a FIFO", damage_fifo, "*not a regular", false },
		{ "folder a link", damage_linked_folder, "*symbolic link",
		    false },
		{ "key.pem too long", damage_large, "*longer than", false },
		{ "chain.pem junk", damage_chain, "*chain.pem", false },
		{ "override writable", damage_override, "*override has mode",
		    false },
	};
	struct keystore *store = open_store(store_conf());
	char want[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_empty();
		keystore_close(store);
		store = open_store(store_conf());
		store_put(BUDI, "a", "two");
		must_be(store, time(NULL), cases[i].what, "two");
		cases[i].damage();
		snprintf(want, sizeof(want), "fault%s", cases[i].want);
		must_be(store, time(NULL), cases[i].what, want);
		store_put(SITI, "a", "siti");
		assert_string_equal(who(store, SITI, time(NULL)),
		    serial_of("siti"));
		store_put(BUDI, "older", "one");
		must_be(store, time(NULL), cases[i].what, cases[i].whole ?
		    "fault" : "one");
		pki_run("rm", "-rf", pki_path("moved"), NULL);
	}
	keystore_close(store);
}

/* CRT-41, ATK-37 */
static void
test_hostile_addresses(void **state)
{
	static const char *const addresses[] = {
		"../keystore/" BUDI, "..", ".", "", "/etc/passwd", "a/b@x",
		"%2e%2e@x", ".hidden@dinkes.pekalongankab.go.id",
		"a..b@dinkes.pekalongankab.go.id", "BUDI@x", "a b@x",
		"budi@dinkes.pekalongankab.go.id/2026", "\xc3\xa9@x",
	};
	struct keystore *store;
	const char *got;
	size_t i;

	(void)state;
	store_put(BUDI, "2026", "one");
	store = open_store(store_conf());
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		got = who(store, addresses[i], time(NULL));
		if (strncmp(got, "missing", 7) != 0)
			fail_msg("\"%s\": got %s", addresses[i], got);
	}
	keystore_close(store);
}

/* Not folders of certificates: left alone, whatever they hold. */
static void
test_other_files(void **state)
{
	struct keystore *store = open_store(store_conf());

	(void)state;
	store_put(BUDI, "2026", "one");
	store_put(BUDI, ".import-0123", "two");
	write_whole(store_path(BUDI, "README", NULL), "x", 1);
	must_be(store, time(NULL), "a dot and a plain file", "one");
	keystore_close(store);
	assert_int_equal(seen_log_count("left out"), 0);
}

/* --------------------------------------------------------- passphrase --- */

static void
test_encrypted(void **state)
{
	struct smime_error err = { "" };
	struct conf *conf = store_conf();
	struct keystore *store;
	struct key_passphrase {
		const char *what, *passphrase, *want;
		bool insecure;
	} cases[] = {
		{ "right", PASSPHRASE, "locked", false },
		{ "wrong", "something else", "fault*passphrase", false },
		{ "none", NULL, "fault*names no keystore.passphrase_file",
		    true },
	};
	size_t i;

	(void)state;
	pki_mailbox("locked", "p256", "ok");
	write_whole(pki_path("passphrase"), PASSPHRASE, strlen(PASSPHRASE));
	pki_make("encrypt", pki_path("locked"), pki_path("passphrase"), NULL);
	store_put(BUDI, "a", "locked");
	for (i = 0; i < 3; i++) {
		conf->insecure_unencrypted_keys = cases[i].insecure;
		store = keystore_open(conf, cases[i].passphrase,
		    cases[i].passphrase != NULL ?
		    strlen(cases[i].passphrase) : 0, &err);
		assert_non_null(store);
		must_be(store, time(NULL), cases[i].what, cases[i].want);
		keystore_close(store);
	}
	store_empty();
	store_put(BUDI, "a", "one");
	store = keystore_open(conf = store_conf(), PASSPHRASE,
	    strlen(PASSPHRASE), &err);
	must_be(store, time(NULL), "unencrypted and allowed", "one");
	keystore_close(store);
	conf->insecure_unencrypted_keys = false;
	store = keystore_open(conf, PASSPHRASE, strlen(PASSPHRASE), &err);
	must_be(store, time(NULL), "unencrypted", "fault*not encrypted");
	keystore_close(store);
}

static void
test_passphrase_file(void **state)
{
	static const struct {
		const char	*what, *contents;
		mode_t		 mode;
		const char	*want;		/* or part of the sentence */
		int		 rc;
	} cases[] = {
		{ "a line", "secret\n", 0600, "secret", 0 },
		{ "no line end", "secret", 0400, "secret", 0 },
		{ "CRLF", "secret\r\n", 0600, "secret", 0 },
		{ "blanks belong to it", " a b \nsecond\n", 0600, " a b ",
		    0 },
		{ "empty", "", 0600, "no passphrase", -1 },
		{ "empty line", "\nsecret\n", 0600, "no passphrase", -1 },
		{ "readable by the group", "secret\n", 0640, "mode 0640",
		    -1 },
		{ "readable by all", "secret\n", 0604, "mode 0604", -1 },
	};
	char path[512], credential[] = "credential:key", *out;
	struct conf *conf = store_conf();
	struct smime_error err;
	size_t i, len;
	int rc;

	(void)state;
	snprintf(path, sizeof(path), "%s", pki_path("key"));
	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t k = i / 2;

		unlink(path);
		write_whole(path, cases[k].contents,
		    strlen(cases[k].contents));
		chmod(path, cases[k].mode);
		conf->passphrase_file = i % 2 == 0 ? path : credential;
		setenv("CREDENTIALS_DIRECTORY", pki_path("."), 1);
		err.text[0] = '\0';
		rc = keystore_passphrase(conf, &out, &len, &err);
		if (rc != cases[k].rc || (rc == 0 ?
		    strcmp(out, cases[k].want) != 0 ||
		    len != strlen(cases[k].want) :
		    strstr(err.text, cases[k].want) == NULL))
			fail_msg("%s: got %d \"%s\" \"%s\"", cases[k].what,
			    rc, rc == 0 ? out : "", err.text);
		OPENSSL_clear_free(out, len);
	}
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(keystore_passphrase(conf, &out, &len, &err), -1);
	setenv("CREDENTIALS_DIRECTORY", pki_path("."), 1);
	conf->passphrase_file = strcpy(path, "credential:../key");
	assert_int_equal(keystore_passphrase(conf, &out, &len, &err), -1);
	conf->passphrase_file = strcpy(path, "");
	assert_int_equal(keystore_passphrase(conf, &out, &len, &err), 0);
	assert_null(out);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ------------------------------------------------------------ anchors --- */

static void
test_anchors(void **state)
{
	struct smime_error err = { "" };
	struct conf *conf = store_conf();
	struct keystore *store;
	char empty[512];

	(void)state;
	store_put(BUDI, "a", "one");
	write_whole(pki_path("anchors/bad.pem"), "junk", 4);
	write_whole(pki_path("anchors/open.crt"), "junk", 4);
	chmod(pki_path("anchors/open.crt"), 0666);
	write_whole(pki_path("anchors/README"), "junk", 4);
	store = open_store(conf);
	must_be(store, time(NULL), "beside bad files", "one");
	keystore_close(store);
	assert_int_equal(seen_log_count("bad.pem"), 1);
	assert_int_equal(seen_log_count("open.crt has mode 0666"), 1);
	assert_int_equal(seen_log_count("README"), 0);
	unlink(pki_path("anchors/bad.pem"));
	unlink(pki_path("anchors/open.crt"));
	unlink(pki_path("anchors/README"));
	/* By the names and in the form that authorities hand them out in. */
	rename(pki_path("anchors/root.pem"), pki_path("anchors/root.cer"));
	store = open_store(conf);
	must_be(store, time(NULL), "anchor in a .cer file", "one");
	keystore_close(store);
	rename(pki_path("anchors/root.cer"), pki_path("anchors/root.pem"));
	snprintf(empty, sizeof(empty), "%s", pki_path("empty"));
	mkdir(empty, 0755);
	conf->anchors_dir = empty;
	assert_null(keystore_open(conf, NULL, 0, &err));
	assert_non_null(strstr(err.text, "no usable trust anchor"));
	conf = store_conf();
	conf->keystore_dir = empty;
	chmod(empty, 0777);
	err.text[0] = '\0';
	assert_null(keystore_open(conf, NULL, 0, &err));
	assert_non_null(strstr(err.text, "has mode 0777"));
	rmdir(empty);
	err.text[0] = '\0';
	assert_null(keystore_open(conf, NULL, 0, &err));
	assert_non_null(strstr(err.text, "cannot open the keystore"));
}

/* The intermediate may lie beside the certificate instead (SIG-43). */
static void
test_chain_of_entry(void **state)
{
	struct conf *conf = store_conf();
	struct keystore *store;
	static char none[1];
	char *buf;
	size_t len;

	(void)state;
	conf->intermediates_dir = none;
	store_put(BUDI, "a", "one");
	store = open_store(conf);
	must_be(store, time(NULL), "no intermediate", "missing*");
	buf = read_whole(pki_path("issuing.pem"), &len);
	write_whole(store_path(BUDI, "a", "chain.pem"), buf, len);
	free(buf);
	must_be(store, time(NULL), "in chain.pem", "one");
	keystore_close(store);
}

/* ------------------------------------------------------- for sampulctl --- */

struct seen {
	char	text[4096];
};

static int
note(void *arg, const struct keystore_entry *entry)
{
	static const char *const states[] = { "usable", "unfit",
	    "unreadable", "suspended" };
	struct seen *seen = arg;
	size_t n = strlen(seen->text);

	snprintf(seen->text + n, sizeof(seen->text) - n, "%.4s/%s %s%s%s%s\n",
	    entry->address, entry->folder, states[entry->state],
	    entry->chosen ? " chosen" : "", entry->pinned ? " pinned" : "",
	    keystore_entry_is_encryption(entry) ? " encryption" : "");
	return 0;
}

static void
test_each(void **state)
{
	struct keystore *store = open_store(store_conf());
	struct smime_error err = { "" };
	struct seen seen;

	(void)state;
	store_put(BUDI, "a", "one");
	store_put(BUDI, "b", "two");
	store_put(BUDI, "c", "expired");
	store_put(BUDI, "d", "encryption");
	store_remove(BUDI, "d", "key.pem");
	store_replace(BUDI, "b", "one", "key.pem", false);
	store_put(SITI, "a", "one");
	store_touch(SITI, "a", "override");
	store_put(SITI, "b", "siti");
	store_touch(SITI, "b", "suspended");
	mkdir(pki_path("keystore/Odd Name"), 0700);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(keystore_each(store, NULL, true, time(NULL), note,
	    &seen, &err), 0);
	if (strstr(seen.text, "budi/a usable chosen\n") == NULL ||
	    strstr(seen.text, "budi/b unfit\n") == NULL ||
	    strstr(seen.text, "budi/c unfit\n") == NULL ||
	    strstr(seen.text, "budi/d unfit encryption\n") == NULL ||
	    strstr(seen.text, "siti/a usable chosen pinned\n") == NULL ||
	    strstr(seen.text, "siti/b suspended\n") == NULL ||
	    strstr(seen.text, "Odd / unreadable\n") == NULL)
		fail_msg("got:\n%s", seen.text);
	/* Without keys a mismatch cannot be seen. */
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(keystore_each(store, BUDI, false, time(NULL), note,
	    &seen, &err), 0);
	assert_non_null(strstr(seen.text, "budi/b usable chosen\n"));
	assert_null(strstr(seen.text, "siti"));
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(keystore_each(store, "nobody@x.go.id", true,
	    time(NULL), note, &seen, &err), 0);
	assert_string_equal(seen.text, "");
	keystore_close(store);
}

/* SIG-35, CRT-22: an encryption certificate in the folder is announced. */
static void
test_encryption_announced(void **state)
{
	static const unsigned char oid[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48,
	    0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0b };
	const unsigned char digest[32] = { 1 };
	const struct keystore_identity *identity;
	struct keystore *store = open_store(store_conf());
	struct smime_error err = { "" };
	unsigned char *der;
	size_t len;
	bool missing;
	int with;

	(void)state;
	store_put(BUDI, "a", "one");
	for (with = 0; with < 2; with++) {
		identity = keystore_find(store, BUDI, time(NULL), &missing,
		    &err);
		assert_non_null(identity);
		assert_int_equal(signer_sign(keystore_identity_signer(
		    identity), digest, sizeof(digest), time(NULL), &der, &len,
		    &err), 0);
		assert_int_equal(memmem(der, len, oid, sizeof(oid)) != NULL,
		    with);
		OPENSSL_free(der);
		keystore_release(store, identity);
		if (with == 0) {
			store_put(BUDI, "e", "encryption");
			store_remove(BUDI, "e", "key.pem");
		}
	}
	keystore_close(store);
}

/* -------------------------------------------------------------- cache --- */

static struct keystore_identity *
made_identity(const char *address, size_t cost)
{
	struct keystore_identity *identity = calloc(1, sizeof(*identity));

	assert_non_null(identity);
	snprintf(identity->address, sizeof(identity->address), "%s", address);
	identity->cost = cost;
	identity->references = 1;
	return identity;
}

static void
test_cache(void **state)
{
	struct keycache *cache = keycache_new(1000);
	struct keystore_identity *a, *b, *c, *p;
	size_t count;

	(void)state;
	keycache_put(cache, a = made_identity("a@x", 400));
	keycache_put(cache, b = made_identity("b@x", 400));
	assert_int_equal(keycache_bytes(cache, &count), 800);
	assert_int_equal(count, 2);
	/* a was used last, so b has to go; its user keeps it. */
	assert_ptr_equal(p = keycache_get(cache, "a@x"), a);
	keycache_release(cache, p);
	keycache_put(cache, c = made_identity("c@x", 400));
	assert_null(keycache_get(cache, "b@x"));
	assert_int_equal(keycache_bytes(cache, &count), 800);
	assert_string_equal(b->address, "b@x");
	keycache_release(cache, b);
	/* The same address again is counted once. */
	keycache_put(cache, b = made_identity("a@x", 100));
	assert_int_equal(keycache_bytes(cache, &count), 500);
	assert_int_equal(count, 2);
	keycache_drop(cache, a);
	assert_int_equal(keycache_bytes(cache, &count), 500);
	keycache_release(cache, a);
	keycache_drop(cache, b);
	keycache_drop(cache, b);
	keycache_release(cache, b);
	assert_int_equal(keycache_bytes(cache, &count), 400);
	/* What is larger than the cache is not kept. */
	keycache_put(cache, a = made_identity("d@x", 2000));
	assert_int_equal(keycache_bytes(cache, &count), 0);
	assert_int_equal(count, 0);
	keycache_release(cache, a);
	keycache_release(cache, c);
	keycache_free(cache);
}

static void
test_small_cache(void **state)
{
	struct conf *conf = store_conf();
	struct keystore *store;
	int i;

	(void)state;
	conf->cache_size = 0;
	store_put(BUDI, "a", "one");
	store_put(SITI, "a", "siti");
	store = open_store(conf);
	for (i = 0; i < 3; i++) {
		must_be(store, time(NULL), "no room", "one");
		assert_string_equal(who(store, SITI, time(NULL)),
		    serial_of("siti"));
	}
	keystore_close(store);
}

static atomic_bool threads_stop;

static void *
look_up(void *arg)
{
	const unsigned char digest[32] = { 1 };
	const struct keystore_identity *identity;
	struct keystore *store = arg;
	unsigned char *der;
	bool missing;
	size_t len;

	while (!atomic_load(&threads_stop)) {
		identity = keystore_find(store, BUDI, time(NULL), &missing,
		    NULL);
		if (identity == NULL) {
			if (missing)
				return arg;
			continue;
		}
		if (signer_sign(keystore_identity_signer(identity), digest,
		    sizeof(digest), time(NULL), &der, &len, NULL) != 0)
			return arg;
		OPENSSL_free(der);
		keystore_release(store, identity);
	}
	return NULL;
}

/* Four threads sign while the entry is replaced under them. */
static void
test_threads(void **state)
{
	struct keystore *store;
	pthread_t threads[4];
	void *failed;
	int i;

	(void)state;
	store_put(BUDI, "a", "one");
	store = open_store(store_conf());
	atomic_store(&threads_stop, false);
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, look_up, store);
	for (i = 0; i < 40; i++) {
		store_replace(BUDI, "a", i % 2 ? "one" : "two", "cert.pem",
		    false);
		usleep(2000);
		store_replace(BUDI, "a", i % 2 ? "one" : "two", "key.pem",
		    false);
		usleep(5000);
	}
	atomic_store(&threads_stop, true);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	must_be(store, time(NULL), "after all", "one");
	keystore_close(store);
}

static void
publish(const char *list)
{
	char *buf;
	size_t len;

	buf = read_whole(pki_path("%s", list), &len);
	write_whole(pki_path("crl/new"), buf, len);
	free(buf);
	assert_int_equal(rename(pki_path("crl/new"), pki_path("crl/%s", list)),
	    0);
}

/* SIG-45: a list that arrives while we run stops the certificate, a pin does
 * not help it, and others go on. */
static void
test_revoked(void **state)
{
	struct conf *conf = store_conf();
	struct keystore *store;

	(void)state;
	conf->crl_dir = strdup(pki_path("crl"));
	assert_int_equal(mkdir(conf->crl_dir, 0755), 0);
	publish("issuing.crl.pem");
	publish("root.crl.pem");
	store_put(BUDI, "one", "revoked");
	store_touch(BUDI, "one", "override");
	store = open_store(conf);
	must_be(store, time(NULL), "not yet", "revoked");
	pki_make("revoke", pki_path("revoked"), NULL);
	publish("issuing.crl.pem");
	skipped += 6;
	must_be(store, time(NULL), "listed", "missing*revoked");
	store_put(BUDI, "two", "one");
	must_be(store, time(NULL), "another", "one");
	keystore_close(store);
	free(conf->crl_dir);
	assert_int_equal(pki_run("rm", "-rf", pki_path("crl"), NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_entry, each_setup),
		cmocka_unit_test_setup(test_pinned_is_told, each_setup),
		cmocka_unit_test_setup(test_rollover, each_setup),
		cmocka_unit_test_setup(test_limits_of_validity, each_setup),
		cmocka_unit_test_setup(test_replacement, each_setup),
		cmocka_unit_test_setup(test_damaged_key, each_setup),
		cmocka_unit_test_setup(test_directory_exchanged, each_setup),
		cmocka_unit_test_setup(test_directory_out_of_reach,
		    each_setup),
		cmocka_unit_test_setup(test_change_without_trace, each_setup),
		cmocka_unit_test_setup(test_bad_entries, each_setup),
		cmocka_unit_test_setup(test_hostile_addresses, each_setup),
		cmocka_unit_test_setup(test_other_files, each_setup),
		cmocka_unit_test_setup(test_encrypted, each_setup),
		cmocka_unit_test_setup(test_passphrase_file, each_setup),
		cmocka_unit_test_setup(test_anchors, each_setup),
		cmocka_unit_test_setup(test_chain_of_entry, each_setup),
		cmocka_unit_test_setup(test_each, each_setup),
		cmocka_unit_test_setup(test_encryption_announced, each_setup),
		cmocka_unit_test(test_cache),
		cmocka_unit_test_setup(test_small_cache, each_setup),
		cmocka_unit_test_setup(test_revoked, each_setup),
		cmocka_unit_test_setup(test_threads, each_setup),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
