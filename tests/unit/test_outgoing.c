/*
 * test_outgoing.c - from canonical form to a signed message, with a key
 * process that answers everything it can: SIG-13, SIG-42, SIG-60, SIG-61.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/outgoing.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"
#include "fixture.h"
#include "pki.h"

#define SIMPLE	"From: " BUDI "\nSubject: x\n"
/* What is inside a signed part must not be changed. */
#define FORWARD	SIMPLE "Content-Type: multipart/mixed; boundary=o\n"
#define FORWARD_BODY "--o\r\nContent-Type: multipart/signed; boundary=i\r\n" \
	"\r\n--i\r\n\r\n\xe9\r\n--i\r\n\r\nsig\r\n--i--\r\n--o--\r\n"

enum trick { HONEST, WRONG_ONCE, WRONG_ALWAYS, SAME_DIGEST, ODD_DIGEST,
	OTHER_DIGEST, NO_DER, BAD_DER, NOBODY, LIMITED, FAULT, BROKEN,
	UNKNOWN };

static struct signer *signer, *signer384;
static struct check_cache *cache;
static struct {
	enum trick	 trick;
	unsigned	 asked;
} fake;

static struct signer *
make_signer(const char *name)
{
	struct smime_error err = { "" };
	X509 *cert = pki_mailbox_cert(name);
	EVP_PKEY *key = pki_mailbox_key(name);
	struct signer *made;

	made = signer_new(cert, key, NULL, NULL, SCHEME_DEFAULT, 0, &err);
	if (made == NULL)
		fail_msg("%s", err.text);
	X509_free(cert);
	EVP_PKEY_free(key);
	return made;
}

static int
group_setup(void **state)
{
	pki_setup(state);
	pki_mailbox("p256", "p256", "ok");
	pki_mailbox("p384", "p384", "ok");
	signer = make_signer("p256");
	signer384 = make_signer("p384");
	cache = check_cache_new(4);
	return 0;
}

static int
group_teardown(void **state)
{
	signer_free(signer);
	signer_free(signer384);
	check_cache_free(cache);
	return pki_teardown(state);
}

static int
really_sign(const struct signer *with, const struct key_request *request,
    struct key_answer *answer, struct smime_error *err)
{
	unsigned char *der;
	size_t len;

	if (signer_sign(with, request->value,
	    smime_digest_size(request->digest), time(NULL), &der, &len,
	    err) == -1)
		return -1;
	answer->status = KEY_SIGNED;
	answer->digest = request->digest;
	answer->der = OPENSSL_malloc(len);
	memcpy(answer->der, der, len);
	answer->der_len = len;
	OPENSSL_free(der);
	snprintf(answer->serial, sizeof(answer->serial), "0A");
	return 0;
}

static int
answer_with(enum key_status status, enum smime_digest digest,
    struct key_answer *answer)
{
	answer->status = status;
	answer->digest = digest;
	snprintf(answer->reason, sizeof(answer->reason), "because");
	return 0;
}

static int
play(void *arg, const struct key_request *request, struct key_answer *answer,
    struct smime_error *err)
{
	int rc;

	(void)arg;
	fake.asked++;
	assert_string_equal(request->address, BUDI);
	assert_string_equal(request->queue_id, "4Q");
	switch (fake.trick) {
	case HONEST:
		return really_sign(signer, request, answer, err);
	case WRONG_ONCE:
		if (fake.asked == 1)
			return answer_with(KEY_WRONG_DIGEST, SMIME_SHA384,
			    answer);
		return really_sign(signer384, request, answer, err);
	case WRONG_ALWAYS:
		return answer_with(KEY_WRONG_DIGEST, fake.asked % 2 == 1 ?
		    SMIME_SHA384 : SMIME_SHA512, answer);
	case SAME_DIGEST:
		return answer_with(KEY_WRONG_DIGEST, request->digest, answer);
	case ODD_DIGEST:
		return answer_with(KEY_WRONG_DIGEST, (enum smime_digest)7,
		    answer);
	case OTHER_DIGEST:
		rc = really_sign(signer, request, answer, err);
		answer->digest = SMIME_SHA512;
		return rc;
	case NO_DER:
		return answer_with(KEY_SIGNED, request->digest, answer);
	case BAD_DER:
		rc = really_sign(signer, request, answer, err);
		answer->der[answer->der_len / 2] ^= 0x10;
		return rc;
	case NOBODY:
		return answer_with(KEY_NO_IDENTITY, request->digest, answer);
	case LIMITED:
		return answer_with(KEY_RATE_LIMITED, request->digest, answer);
	case FAULT:
		return answer_with(KEY_FAULT, request->digest, answer);
	case BROKEN:
		return smime_error_setx(err, "timed out");
	case UNKNOWN:
		return answer_with((enum key_status)99, request->digest,
		    answer);
	}
	return -1;
}

static const struct {
	const char		*what;
	enum trick		 trick;
	const char		*header, *body;
	enum smime_form		 form;
	bool			 fallback;
	enum failure_action	 cannot_sign;
	enum plan_action	 want;
	enum plan_why		 why;
	unsigned		 asked;
	enum smime_form		 want_form;
} rows[] = {
	{ "signed", HONEST, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_REFUSE, PLAN_SIGN, WHY_NONE, 1, FORM_DETACHED },
	{ "opaque by rule", HONEST, SIMPLE, "x\r\n", FORM_OPAQUE, true,
	    FAILURE_REFUSE, PLAN_SIGN, WHY_NONE, 1, FORM_OPAQUE },
	{ "SIG-42 the key wants another digest", WRONG_ONCE, SIMPLE, "x\r\n",
	    FORM_DETACHED, true, FAILURE_REFUSE, PLAN_SIGN, WHY_NONE, 2,
	    FORM_DETACHED },
	{ "never content", WRONG_ALWAYS, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 2, FORM_DETACHED },
	{ "the digest it had", SAME_DIGEST, SIMPLE, "x\r\n", FORM_DETACHED,
	    true, FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1,
	    FORM_DETACHED },
	{ "a digest that is none", ODD_DIGEST, SIMPLE, "x\r\n",
	    FORM_DETACHED, true, FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1,
	    FORM_DETACHED },
	{ "signed another digest", OTHER_DIGEST, SIMPLE, "x\r\n",
	    FORM_DETACHED, true, FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1,
	    FORM_DETACHED },
	{ "no signature", NO_DER, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1, FORM_DETACHED },
	{ "SIG-61 a bad signature", BAD_DER, SIMPLE, "x\r\n", FORM_DETACHED,
	    true, FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1,
	    FORM_DETACHED },
	{ "no identity, refuse", NOBODY, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_REFUSE, PLAN_REFUSE, WHY_NO_CERTIFICATE, 1,
	    FORM_DETACHED },
	{ "no identity, pass", NOBODY, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_PASS, PLAN_PASS, WHY_NO_CERTIFICATE, 1, FORM_DETACHED },
	{ "rate", LIMITED, SIMPLE, "x\r\n", FORM_DETACHED, true, FAILURE_PASS,
	    PLAN_TEMPFAIL, WHY_INTERNAL, 1, FORM_DETACHED },
	{ "fault", FAULT, SIMPLE, "x\r\n", FORM_DETACHED, true, FAILURE_PASS,
	    PLAN_TEMPFAIL, WHY_INTERNAL, 1, FORM_DETACHED },
	{ "broken channel", BROKEN, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1, FORM_DETACHED },
	{ "unknown status", UNKNOWN, SIMPLE, "x\r\n", FORM_DETACHED, true,
	    FAILURE_PASS, PLAN_TEMPFAIL, WHY_INTERNAL, 1, FORM_DETACHED },
	{ "SIG-13 opaque where detached cannot be", HONEST, FORWARD,
	    FORWARD_BODY, FORM_DETACHED, true, FAILURE_REFUSE, PLAN_SIGN,
	    WHY_NONE, 1, FORM_OPAQUE },
	{ "SIG-13 and not where that is off", HONEST, FORWARD, FORWARD_BODY,
	    FORM_DETACHED, false, FAILURE_REFUSE, PLAN_REFUSE,
	    WHY_UNSIGNABLE, 0, FORM_DETACHED },
	{ "SIG-13 passed by rule", HONEST, FORWARD, FORWARD_BODY,
	    FORM_DETACHED, false, FAILURE_PASS, PLAN_PASS, WHY_UNSIGNABLE, 0,
	    FORM_DETACHED },
};

static struct canon *
make_canon(const struct conf *conf, const struct plan *plan,
    const char *header, const char *body, struct canon_result *result)
{
	struct canon_settings settings;
	struct header_list list;
	struct smime_error err = { "" };
	struct canon *canon;

	fixture_header(&list, header);
	outgoing_settings(conf, plan, false, &settings);
	settings.spool_dir = "/tmp";
	canon = canon_new(&settings, &list, SMIME_SHA256, &err);
	if (canon == NULL || canon_body(canon, body, strlen(body), &err) ==
	    -1 || canon_finish(canon, result, &err) == -1)
		fail_msg("%s", err.text);
	header_clear(&list);
	return canon;
}

static void
run_row(const struct conf *conf, size_t i)
{
	struct rule rule = conf->default_rule;
	struct plan plan = { .action = PLAN_SIGN, .rule = &rule,
	    .from = BUDI };
	struct canon_result result;
	struct outcome outcome;
	struct canon *canon;

	rule.form = rows[i].form;
	rule.opaque_fallback = rows[i].fallback;
	rule.cannot_sign = rows[i].cannot_sign;
	fake.trick = rows[i].trick;
	fake.asked = 0;
	canon = make_canon(conf, &plan, rows[i].header, rows[i].body,
	    &result);
	outgoing_sign(&plan, canon, &result, SMIME_SHA256, "4Q", time(NULL),
	    play, NULL, cache, &outcome);
	if (outcome.action != rows[i].want || outcome.why != rows[i].why ||
	    fake.asked != rows[i].asked ||
	    (outcome.composed != NULL) != (rows[i].want == PLAN_SIGN) ||
	    (outcome.composed != NULL && outcome.form != rows[i].want_form))
		fail_msg("%s: got %s %s form %d asked %u (%s)", rows[i].what,
		    policy_action_word(outcome.action),
		    policy_why_word(outcome.why), (int)outcome.form,
		    fake.asked, outcome.detail);
	if (rows[i].want != PLAN_SIGN)
		assert_string_not_equal(outcome.detail, "");
	outcome_clear(&outcome);
	outcome_clear(&outcome);
	canon_free(canon);
}

static void
test_outcomes(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(conf, i);
	conf_unref(conf);
}

/* What was not planned to be signed is not signed by mistake. */
static void
test_wrong_plans(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct plan good = { .action = PLAN_SIGN, .rule = &conf->default_rule,
	    .from = BUDI };
	struct plan plans[3];
	struct canon_result result;
	struct outcome outcome;
	struct canon *canon;
	size_t i;

	(void)state;
	plans[0] = plans[1] = plans[2] = good;
	plans[0].action = PLAN_PASS;
	plans[1].rule = NULL;
	plans[2].from[0] = '\0';
	fake.asked = 0;
	for (i = 0; i < 3; i++) {
		canon = make_canon(conf, &good, SIMPLE, "x\r\n", &result);
		outgoing_sign(&plans[i], canon, &result, SMIME_SHA256, "4Q",
		    time(NULL), play, NULL, cache, &outcome);
		assert_int_equal(outcome.action, PLAN_TEMPFAIL);
		assert_null(outcome.composed);
		outcome_clear(&outcome);
		canon_free(canon);
	}
	assert_int_equal(fake.asked, 0);
	conf_unref(conf);
}

static void
test_hints(void **state)
{
	struct digest_hints *hints = digest_hints_new();
	char address[64];
	unsigned i;

	(void)state;
	assert_int_equal(digest_hint(hints, BUDI), SMIME_SHA256);
	digest_learn(hints, BUDI, SMIME_SHA384);
	assert_int_equal(digest_hint(hints, BUDI), SMIME_SHA384);
	assert_int_equal(digest_hint(hints, SITI), SMIME_SHA256);
	digest_learn(hints, BUDI, SMIME_SHA256);
	assert_int_equal(digest_hint(hints, BUDI), SMIME_SHA256);
	/* Of fixed size: it forgets, and never says what was not learnt. */
	for (i = 0; i < 20000; i++) {
		snprintf(address, sizeof(address), "u%u@x.go.id", i);
		digest_learn(hints, address, SMIME_SHA512);
		assert_int_equal(digest_hint(hints, address), SMIME_SHA512);
	}
	assert_int_equal(digest_hint(NULL, BUDI), SMIME_SHA256);
	digest_learn(NULL, BUDI, SMIME_SHA384);
	digest_hints_free(hints);
	digest_hints_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_wrong_plans),
		cmocka_unit_test(test_hints),
	};

	return cmocka_run_group_tests_name("outgoing", tests, group_setup,
	    group_teardown);
}
