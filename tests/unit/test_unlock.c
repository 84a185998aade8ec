/*
 * test_unlock.c - what stands behind unlocking: packets, the keys in memory,
 * the delays, and which certificate signs while a key is locked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/keys/entry.h"
#include "../../milter/keys/keyfile.h"
#include "../../milter/keys/keystore.h"
#include "../../milter/keys/unlock.h"
#include "../../smime/smime.h"
#include "store.h"

#define PASSPHRASE	"frasa sandi Budi"
#define LATER		(steady_ms() + 3600000)

/* ------------------------------------------------------------- packets --- */

static const struct {
	const char		*what;
	enum unlock_verb	 verb;
	const char		*address;
	const char		*secret;
	bool			 fits;
} requests[] = {
	{ "unlock", UNLOCK_OPEN, BUDI, PASSPHRASE, true },
	{ "unlock nobody", UNLOCK_OPEN, "", PASSPHRASE, false },
	{ "unlock without a passphrase", UNLOCK_OPEN, BUDI, "", false },
	{ "lock", UNLOCK_LOCK, BUDI, "", true },
	{ "lock nobody", UNLOCK_LOCK, "", "", false },
	{ "lock with a passphrase", UNLOCK_LOCK, BUDI, "x", false },
	{ "lock all", UNLOCK_LOCK_ALL, "", "", true },
	{ "lock all of one", UNLOCK_LOCK_ALL, BUDI, "", false },
	{ "status", UNLOCK_STATUS, "", "", true },
	{ "status of one", UNLOCK_STATUS, BUDI, "", true },
	{ "status with a secret", UNLOCK_STATUS, BUDI, "x", false },
	{ "passphrase", UNLOCK_PASSPHRASE, "", PASSPHRASE, true },
	{ "passphrase, done", UNLOCK_PASSPHRASE_DONE, "", PASSPHRASE, true },
	{ "passphrase of one", UNLOCK_PASSPHRASE, BUDI, PASSPHRASE, false },
	{ "no verb", (enum unlock_verb)0, BUDI, PASSPHRASE, false },
	{ "another verb", (enum unlock_verb)7, BUDI, PASSPHRASE, false },
};

static void
test_requests(void **state)
{
	struct unlock_request request, back;
	unsigned char buf[UNLOCK_REQUEST_MAX + 1];
	ssize_t len;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		memset(&request, 0, sizeof(request));
		request.verb = requests[i].verb;
		snprintf(request.address, sizeof(request.address), "%s",
		    requests[i].address);
		request.secret_len = strlen(requests[i].secret);
		memcpy(request.secret, requests[i].secret,
		    request.secret_len);
		len = unlock_put_request(&request, buf, UNLOCK_REQUEST_MAX);
		if ((len > 0) != requests[i].fits)
			fail_msg("%s: got %zd", requests[i].what, len);
		if (len <= 0)
			continue;
		assert_int_equal(unlock_get_request(buf, (size_t)len, &back),
		    0);
		assert_int_equal(back.verb, request.verb);
		assert_string_equal(back.address, request.address);
		assert_string_equal(back.secret, request.secret);
		for (n = 0; n < (size_t)len; n++)
			if (unlock_get_request(buf, n, &back) == 0)
				fail_msg("%s: cut at %zu", requests[i].what,
				    n);
		buf[len] = 'x';
		assert_int_equal(unlock_get_request(buf, (size_t)len + 1,
		    &back), -1);
		if (requests[i].address[0] != '\0') {
			buf[6] = '\0';
			assert_int_equal(unlock_get_request(buf, (size_t)len,
			    &back), -1);
		}
	}
}

/* The longest there can be, and one octet more. */
static void
test_request_ceilings(void **state)
{
	struct unlock_request request, back;
	unsigned char buf[UNLOCK_REQUEST_MAX];
	ssize_t len;

	(void)state;
	memset(&request, 0, sizeof(request));
	request.verb = UNLOCK_OPEN;
	memset(request.address, 'a', ADDRESS_MAX);
	memset(request.secret, 's', KEYSTORE_PASSPHRASE_MAX);
	request.secret_len = KEYSTORE_PASSPHRASE_MAX;
	len = unlock_put_request(&request, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(unlock_get_request(buf, (size_t)len, &back), 0);
	buf[5]++;
	assert_int_equal(unlock_get_request(buf, (size_t)len + 1, &back), -1);
	request.secret_len++;
	assert_int_equal(unlock_put_request(&request, buf, sizeof(buf)), -1);
	unlock_request_clear(&request);
	assert_int_equal(request.secret[0], 0);
}

static void
test_answers(void **state)
{
	struct unlock_answer answer = { UNLOCK_WAIT, true, 7, 4000000000U,
	    BUDI, "wait" }, back;
	unsigned char buf[UNLOCK_ANSWER_MAX], junk[64];
	ssize_t len;
	size_t n;

	(void)state;
	len = unlock_put_answer(&answer, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(unlock_get_answer(buf, (size_t)len, &back), 0);
	assert_int_equal(back.result, UNLOCK_WAIT);
	assert_true(back.more);
	assert_int_equal(back.keys, 7);
	assert_int_equal(back.seconds, 4000000000U);
	assert_string_equal(back.address, BUDI);
	assert_string_equal(back.text, "wait");
	for (n = 0; n < (size_t)len; n++)
		assert_int_equal(unlock_get_answer(buf, n, &back), -1);
	for (n = 0; n < 3; n++) {
		memcpy(junk, buf, sizeof(junk));
		junk[n] = 0xff;
		assert_int_equal(unlock_get_answer(junk, (size_t)len, &back),
		    -1);
	}
	answer.result = (enum unlock_result)0;
	assert_int_equal(unlock_put_answer(&answer, buf, sizeof(buf)), -1);
}

/* -------------------------------------------------------------- delays --- */

static void
test_brake(void **state)
{
	static const int64_t want[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300,
	    300, 300 };
	struct brake *brake = brake_new();
	int64_t now = 1000000;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(brake_wait(brake, BUDI, now), 0);
		assert_int_equal(brake_failed(brake, BUDI, now), i + 1);
		assert_int_equal(brake_wait(brake, BUDI, now),
		    want[i] * 1000);
		assert_int_equal(brake_wait(brake, SITI, now), 0);
		now += want[i] * 1000;
	}
	brake_forget(brake, BUDI);
	assert_int_equal(brake_wait(brake, BUDI, now), 0);
	assert_int_equal(brake_failed(brake, BUDI, now), 1);
	now += 3600000;		/* an hour without a try */
	assert_int_equal(brake_failed(brake, BUDI, now), 1);
	brake_free(brake);
}

/* A full table is no way around it. */
static void
test_brake_full(void **state)
{
	struct brake *brake = brake_new();
	char address[64];
	int i;

	(void)state;
	for (i = 0; i < 4096; i++) {
		snprintf(address, sizeof(address), "u%d@x.go.id", i);
		assert_int_equal(brake_wait(brake, address, 1000), 0);
		brake_failed(brake, address, 1000);
	}
	assert_int_equal(brake_wait(brake, BUDI, 1000), 300000);
	assert_int_equal(brake_wait(brake, address, 1000), 1000);
	assert_int_equal(brake_wait(brake, BUDI, 3700000), 0);
	brake_free(brake);
}

/* --------------------------------------------------------------- vault --- */

static void
test_vault(void **state)
{
	struct smime_error err = { "" };
	struct vault *vault = vault_new();
	X509 *one = pki_mailbox_cert("one"), *two = pki_mailbox_cert("two");
	uint64_t changes = vault_changes(vault);
	char address[ADDRESS_MAX + 1];
	struct vault_seen *seen;
	EVP_PKEY *key;
	size_t count;

	(void)state;
	assert_null(vault_find(NULL, BUDI, one, 0));
	assert_null(vault_find(vault, BUDI, one, 0));
	assert_true(vault_next(vault) == INT64_MAX);
	assert_int_equal(vault_put(vault, BUDI, pki_mailbox_key("one"), 1000,
	    &err), 0);
	assert_true(vault_changes(vault) != changes);
	changes = vault_changes(vault);
	key = vault_find(vault, BUDI, one, 999);
	assert_non_null(key);
	EVP_PKEY_free(key);
	assert_null(vault_find(vault, BUDI, one, 1000));	/* its end */
	assert_null(vault_find(vault, BUDI, two, 0));
	assert_null(vault_find(vault, SITI, one, 0));
	/* again: longer, and one still */
	assert_int_equal(vault_put(vault, BUDI, pki_mailbox_key("one"), 2000,
	    &err), 0);
	assert_int_equal(vault_put(vault, BUDI, pki_mailbox_key("two"), 1500,
	    &err), 0);
	assert_true(vault_next(vault) == 1500);
	seen = vault_list(vault, &count);
	assert_int_equal(count, 1);
	assert_int_equal(seen[0].keys, 2);
	assert_true(seen[0].until == 2000);
	free(seen);
	assert_false(vault_expire(vault, 1499, address));
	assert_true(vault_expire(vault, 1500, address));
	assert_string_equal(address, BUDI);
	assert_int_equal(vault_lock(vault, SITI), 0);
	changes = vault_changes(vault);
	assert_int_equal(vault_lock(vault, BUDI), 2);
	assert_true(vault_changes(vault) != changes);
	assert_null(vault_find(vault, BUDI, one, 0));
	vault_free(vault);
	X509_free(one);
	X509_free(two);
}

/* ------------------------------------------------- with the keystore --- */

static struct keystore *store;
static struct vault *vault;

static void
open_store(void)
{
	struct smime_error err = { "" };

	store = keystore_open(store_conf(), NULL, 0, &err);
	assert_non_null(store);
	vault = vault_new();
	keystore_use_vault(store, vault);
}

static void
close_store(void)
{
	keystore_close(store);
	vault_free(vault);
}

/* The folder that signs, or "-", "locked", "fault". */
static const char *
who_signs(void)
{
	static char serial[SERIAL_TEXT_MAX + 1];
	const struct keystore_identity *identity;
	struct smime_error err = { "" };
	enum keystore_lack lack;

	identity = keystore_look(store, BUDI, time(NULL), &lack, &err);
	if (identity == NULL)
		return lack == LACK_UNLOCKING ? "locked" :
		    lack == LACK_FAULT ? "fault" : "-";
	cert_serial(signer_cert(keystore_identity_signer(identity)), serial,
	    sizeof(serial));
	keystore_release(store, identity);
	return serial;
}

static const char *
serial_of(const char *name)
{
	static char serial[SERIAL_TEXT_MAX + 1];
	X509 *cert = pki_mailbox_cert(name);

	cert_serial(cert, serial, sizeof(serial));
	X509_free(cert);
	return serial;
}

static unsigned
unlock(const char *passphrase, int rc, unsigned owned)
{
	struct smime_error err = { "" };
	unsigned seen = 0, opened = 0;
	int got;

	got = keystore_unlock(store, BUDI, time(NULL), passphrase,
	    strlen(passphrase), LATER, &seen, &opened, &err);
	if (got != rc || seen != owned)
		fail_msg("got %d, %u keys: %s", got, seen, err.text);
	return opened;
}

static void
test_locked(void **state)
{
	(void)state;
	store_put(BUDI, "a", "one-owned");
	store_touch(BUDI, "a", "owner");
	open_store();
	assert_string_equal(who_signs(), "locked");
	assert_int_equal(unlock("wrong passphrase", 0, 1), 0);
	assert_string_equal(who_signs(), "locked");
	assert_int_equal(unlock(PASSPHRASE, 0, 1), 1);
	assert_string_equal(who_signs(), serial_of("one-owned"));
	/* closed, it is closed for what was remembered too */
	assert_int_equal(vault_lock(vault, BUDI), 1);
	assert_string_equal(who_signs(), "locked");
	/* the file gone, an open key does not sign */
	assert_int_equal(unlock(PASSPHRASE, 0, 1), 1);
	assert_string_equal(who_signs(), serial_of("one-owned"));
	store_remove(BUDI, "a", "key.pem");
	assert_string_equal(who_signs(), "fault");
	close_store();
}

/* An older certificate never stands in for a locked one, but its owner's. */
static void
test_rollover(void **state)
{
	(void)state;
	store_put(BUDI, "old", "one");
	store_put(BUDI, "new", "two-owned");
	store_touch(BUDI, "new", "owner");
	open_store();
	assert_string_equal(who_signs(), "locked");
	assert_int_equal(unlock(PASSPHRASE, 0, 1), 1);
	assert_string_equal(who_signs(), serial_of("two-owned"));
	close_store();
	store_empty();
	store_put(BUDI, "old", "one-owned");
	store_touch(BUDI, "old", "owner");
	open_store();
	assert_int_equal(unlock(PASSPHRASE, 0, 1), 1);
	store_put(BUDI, "new", "two-owned");
	store_touch(BUDI, "new", "owner");
	assert_string_equal(who_signs(), serial_of("one-owned"));
	assert_int_equal(unlock(PASSPHRASE, 0, 2), 2);
	assert_string_equal(who_signs(), serial_of("two-owned"));
	close_store();
}

static void
test_odd(void **state)
{
	static const struct {
		const char	*what, *name, *note;
		const char	*signs;
		int		 rc;
		unsigned	 owned;
	} cases[] = {
		{ "not the owner's", "one", NULL, NULL, 0, 0 },
		{ "the owner's, and not encrypted", "one", "owner", "fault",
		    -1, 1 },
		{ "suspended", "one-owned", "suspended", "-", 0, 0 },
		{ "destroyed", "one-owned", "destroyed", "-", 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_empty();
		store_put(BUDI, "a", cases[i].name);
		if (strcmp(cases[i].name, "one") != 0)
			store_touch(BUDI, "a", "owner");
		if (cases[i].note != NULL)
			store_touch(BUDI, "a", cases[i].note);
		open_store();
		assert_int_equal(unlock(PASSPHRASE, cases[i].rc,
		    cases[i].owned), 0);
		if (strcmp(who_signs(), cases[i].signs != NULL ?
		    cases[i].signs : serial_of("one")) != 0)
			fail_msg("%s: got %s", cases[i].what, who_signs());
		close_store();
	}
	store_empty();
	open_store();
	assert_int_equal(unlock(PASSPHRASE, 0, 0), 0);	/* no folder */
	close_store();
}

static int
setup(void **state)
{
	static const char *const names[] = { "one", "two" };
	char path[512];
	size_t i;

	if (store_setup(state) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s", pki_path("passphrase"));
	write_whole(path, PASSPHRASE, strlen(PASSPHRASE));
	for (i = 0; i < 2; i++) {
		pki_make("mailbox", BUDI, "p256", pki_path("%s", names[i]),
		    "ok", NULL);
		pki_make("mailbox", BUDI, "p256",
		    pki_path("%s-owned", names[i]), "ok", NULL);
		pki_make("encrypt", pki_path("%s-owned", names[i]), path,
		    NULL);
		sleep(1);	/* the next is newer */
	}
	return 0;
}

static int
each_setup(void **state)
{
	(void)state;
	store_empty();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_request_ceilings),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_brake),
		cmocka_unit_test(test_brake_full),
		cmocka_unit_test(test_vault),
		cmocka_unit_test_setup(test_locked, each_setup),
		cmocka_unit_test_setup(test_rollover, each_setup),
		cmocka_unit_test_setup(test_odd, each_setup),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
