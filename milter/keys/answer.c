/*
 * answer.c - what the key process answers: a signature, a list of certificates,
 * or why not.
 *
 * The request comes from a process that parses mail. Nothing is believed of its
 * queue id and address but their lengths (channel.c): the log and the trail make
 * them printable, and the keystore looks up no name that is no address.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../channel.h"
#include "../conf.h"
#include "../log.h"
#include "audit.h"
#include "keyd.h"
#include "keystore.h"
#include "unlock.h"

#define DAY		86400

static void
give_reason(struct key_answer *answer, enum key_status status,
    const char *reason)
{
	answer->status = status;
	smime_printable(reason, strlen(reason), answer->reason,
	    sizeof(answer->reason));
}

/* SIG-45: once a day while the certificate is used, from so many days on. */
static void
warn_expiry(const struct conf *conf, struct rate *rate,
    const struct key_request *request, const struct key_answer *answer,
    time_t now)
{
	int64_t left = answer->not_after - (int64_t)now;
	char key[ADDRESS_MAX + SERIAL_TEXT_MAX + 2];

	if (left > (int64_t)conf->expiry_warning * DAY)
		return;
	snprintf(key, sizeof(key), "%s %s", request->address, answer->serial);
	if (rate_first_today(rate, key, now))
		log_warning("the certificate of %s (serial %s) ends in %"
		    PRId64 " days: ask its issuer for the next one",
		    request->address, answer->serial, left / DAY);
}

/*
 * The signature is made first and recorded second: what cannot be recorded is
 * not given out, and what is recorded was really made.
 */
static void
sign(const struct served *served, struct rate *rate,
    const struct keystore_identity *identity,
    const struct key_request *request, time_t now, struct key_answer *answer)
{
	const struct signer *signer = keystore_identity_signer(identity);
	struct smime_error err = { "" };
	unsigned char *der = NULL;
	size_t len = 0;

	cert_serial(signer_cert(signer), answer->serial,
	    sizeof(answer->serial));
	answer->not_after = cert_not_after(signer_cert(signer));
	answer->pinned = keystore_identity_pinned(identity);
	if (signer_sign(signer, request->value,
	    smime_digest_size(request->digest), now, &der, &len, &err) != 0)
		goto fault;
	if (len > CHANNEL_DER_MAX) {
		smime_error_setx(&err, "the signature of %s with its chain is "
		    "too large for the channel", request->address);
		goto fault;
	}
	if (audit_signed(request->queue_id, request->address, answer->serial,
	    request->digest, request->value, &err) != 0)
		goto fault;
	answer->status = KEY_SIGNED;
	answer->der = der;
	answer->der_len = len;
	warn_expiry(served->conf, rate, request, answer, now);
	return;
fault:
	OPENSSL_free(der);
	log_error("%s: cannot sign for %s: %s", request->queue_id,
	    request->address, err.text);
	give_reason(answer, KEY_FAULT, err.text);
}

static void
answer_with(const struct served *served, struct rate *rate,
    const struct keystore_identity *identity,
    const struct key_request *request, time_t now, struct key_answer *answer)
{
	answer->digest = signer_digest(keystore_identity_signer(identity));
	if (answer->digest != request->digest) {
		give_reason(answer, KEY_WRONG_DIGEST, "");
		return;
	}
	if (!rate_take(rate, request->address,
	    served->conf->rate_limit, steady_ms())) {
		log_warning("%s: %s is over its ceiling of %u signatures a "
		    "minute", request->queue_id, request->address,
		    served->conf->rate_limit);
		give_reason(answer, KEY_RATE_LIMITED, "over the ceiling of "
		    "signatures a minute");
		return;
	}
	sign(served, rate, identity, request, now, answer);
}

/* Public as they are, certificates need no rate and no audit trail. */
static void
answer_list(const struct served *served, const struct key_request *request,
    time_t now, struct key_answer *answer)
{
	struct smime_error err = { "" };

	if (keystore_list(served->store, request->address, now,
	    CHANNEL_DER_MAX, &answer->der, &answer->der_len, &err) == -1) {
		log_error("%s", err.text);
		give_reason(answer, KEY_FAULT, err.text);
	} else
		answer->status = answer->der_len > 0 ? KEY_CERTIFICATES :
		    KEY_NO_IDENTITY;
}

static void
answer_sign(const struct served *served, struct rate *rate,
    const struct key_request *request, time_t now, struct key_answer *answer)
{
	const struct keystore_identity *identity;
	struct smime_error err = { "" };
	enum keystore_lack lack;

	identity = keystore_look(served->store, request->address, now, &lack,
	    &err);
	if (identity != NULL) {
		answer_with(served, rate, identity, request, now, answer);
		keystore_release(served->store, identity);
	} else if (lack != LACK_FAULT) {
		give_reason(answer, lack == LACK_UNLOCKING ? KEY_LOCKED :
		    KEY_NO_IDENTITY, err.text);
	} else {
		log_error("%s: no key for %s: %s", request->queue_id,
		    request->address, err.text);
		give_reason(answer, KEY_FAULT, err.text);
	}
}

void
served_answer(const struct served *served, struct rate *rate,
    const struct key_request *request, struct key_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	if (request->want == KEY_LIST)
		answer_list(served, request, time(NULL), answer);
	else
		answer_sign(served, rate, request, time(NULL), answer);
}
