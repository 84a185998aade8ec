/*
 * unlock_verbs.c - what clients ask the key process for, done.
 *
 * Every key that is opened, closed or tried in vain is on record. A key that
 * cannot be recorded as opened is closed again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../log.h"
#include "entry.h"
#include "keyd.h"
#include "keystore.h"
#include "unlock.h"
#include "unlockd.h"

static struct {
	struct vault	*vault;
	struct brake	*brake;
} here;

static void
set_text(struct unlock_answer *answer, const char *text)
{
	smime_printable(text, strlen(text), answer->text,
	    sizeof(answer->text));
}

static uint32_t
seconds_of(int64_t ms)
{
	if (ms <= 0)
		return 0;
	ms = (ms + 999) / 1000;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* The count of changes first, then what is remembered: find() of
 * keystore_look.c relies on it. */
static size_t
close_keys(const struct served *served, const char *address)
{
	size_t count = vault_lock(here.vault, address);

	keystore_forget(served->store, address);
	return count;
}

static void
wrong_passphrase(const struct client *client, const char *address,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };
	int64_t now = steady_ms();
	unsigned failures;
	char reason[64];

	failures = brake_failed(here.brake, address, now);
	answer->result = UNLOCK_WRONG;
	answer->seconds = seconds_of(brake_wait(here.brake, address, now));
	log_warning("incident=wrong-passphrase address=%s by=%s failures=%u "
	    "wait=%" PRIu32, address, client->by, failures, answer->seconds);
	snprintf(reason, sizeof(reason), "failures in a row: %u", failures);
	client_record(client, "unlock", address, "wrong-passphrase", reason,
	    &err);
}

static void
opened(const struct client *client, const char *address, unsigned count,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };

	brake_forget(here.brake, address);
	if (client_record(client, "unlock", address, "done", NULL,
	    &err) != 0) {
		close_keys(client->served, address);
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
		return;
	}
	answer->result = UNLOCK_DONE;
	answer->keys = (uint16_t)count;
	answer->seconds = client->served->conf->unlock_time;
	log_info("unlocked address=%s by=%s keys=%u seconds=%u", address,
	    client->by, count, answer->seconds);
}

static void
unlock(const struct client *client, const struct unlock_request *request,
    struct unlock_answer *answer)
{
	const struct served *served = client->served;
	struct smime_error err = { "" };
	int64_t now = steady_ms(), wait;
	unsigned owned = 0, count = 0;
	int rc;

	wait = brake_wait(here.brake, request->address, now);
	if (wait > 0) {
		answer->result = UNLOCK_WAIT;
		answer->seconds = seconds_of(wait);
		return;
	}
	rc = keystore_unlock(served->store, request->address, time(NULL),
	    request->secret, request->secret_len,
	    now + (int64_t)served->conf->unlock_time * 1000, &owned, &count,
	    &err);
	if (count > 0) {
		opened(client, request->address, count, answer);
	} else if (rc != 0) {
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
	} else if (owned == 0) {
		answer->result = UNLOCK_NO_KEY;
		set_text(answer, err.text);
	} else {
		wrong_passphrase(client, request->address, answer);
	}
}

static void
lock(const struct client *client, const char *address,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };

	answer->keys = (uint16_t)close_keys(client->served, address);
	answer->result = UNLOCK_DONE;
	snprintf(answer->address, sizeof(answer->address), "%s", address);
	if (answer->keys == 0)
		return;
	log_info("locked address=%s by=%s keys=%u", address, client->by,
	    answer->keys);
	if (client_record(client, "lock", address, "done", NULL, &err) != 0) {
		answer->result = UNLOCK_FAULT;
		set_text(answer, err.text);
	}
}

/* Of all that is unlocked, what the client may see; and locks it. */
static void
each_unlocked(const struct client *client, const char *only, bool to_lock,
    struct unlock_answer *last)
{
	struct unlock_answer answer;
	struct vault_seen *seen;
	size_t i, count;

	if ((seen = vault_list(here.vault, &count)) == NULL) {
		last->result = UNLOCK_FAULT;
		set_text(last, "out of memory");
		return;
	}
	for (i = 0; i < count; i++) {
		if ((only[0] != '\0' && strcmp(only, seen[i].address) != 0) ||
		    !client_may(client, seen[i].address))
			continue;
		memset(&answer, 0, sizeof(answer));
		answer.result = UNLOCK_DONE;
		if (to_lock) {
			lock(client, seen[i].address, &answer);
			last->keys += answer.keys;
		} else {
			answer.keys = (uint16_t)seen[i].keys;
			answer.seconds = seconds_of(seen[i].until -
			    steady_ms());
			snprintf(answer.address, sizeof(answer.address), "%s",
			    seen[i].address);
		}
		answer.more = true;
		client_reply(client, &answer);
		if (answer.result == UNLOCK_FAULT)
			*last = answer;
	}
	last->more = false;
	free(seen);
}

static void
change_passphrase(const struct unlock_request *request,
    struct unlock_answer *answer)
{
	const bool done = request->verb == UNLOCK_PASSPHRASE_DONE;
	struct smime_error err = { "" };

	answer->result = UNLOCK_FAULT;
	if (keyd_passphrase(request->secret, request->secret_len, done,
	    &err) != 0) {
		set_text(answer, err.text);
		return;
	}
	answer->result = UNLOCK_DONE;
	log_info("the keystore's passphrase: %s", done ?
	    "the new one alone from now on" : "another one is known too");
}

void
verbs_do(const struct client *client,
    const struct unlock_request *request, struct unlock_answer *answer)
{
	answer->result = UNLOCK_DONE;
	switch (request->verb) {
	case UNLOCK_OPEN:
		unlock(client, request, answer);
		break;
	case UNLOCK_LOCK:
		lock(client, request->address, answer);
		break;
	case UNLOCK_LOCK_ALL:
		each_unlocked(client, "", true, answer);
		break;
	case UNLOCK_STATUS:
		each_unlocked(client, request->address, false, answer);
		answer->seconds = request->address[0] == '\0' ? 0 :
		    seconds_of(brake_wait(here.brake, request->address,
		    steady_ms()));
		break;
	case UNLOCK_PASSPHRASE:
	case UNLOCK_PASSPHRASE_DONE:
		change_passphrase(request, answer);
		break;
	}
}

/* Time is up for some: closed as lock does, and on record. */
void
verbs_expire(void)
{
	const struct client nobody = { .fd = -1, .by = "time" };
	struct smime_error err = { "" };
	char address[ADDRESS_MAX + 1];
	struct served *served = served_take();

	while (vault_expire(here.vault, steady_ms(), address)) {
		close_keys(served, address);
		log_info("locked address=%s by=time", address);
		client_record(&nobody, "lock", address, "done", NULL, &err);
	}
	served_drop(served);
}

int64_t
verbs_next(void)
{
	int64_t next = vault_next(here.vault);

	return next == INT64_MAX ? next : next - steady_ms();
}

int
verbs_open(struct vault *vault, struct smime_error *err)
{
	here.vault = vault;
	here.brake = brake_new();
	return here.brake != NULL ? 0 : smime_error_setx(err,
	    "out of memory");
}
