/*
 * attack.c - what the tests that attack verification share.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "attack.h"
#include "fields.h"
#include "pki.h"

struct attack attack;

static const char *
keep(void)
{
	return getenv("SAMPUL_KEEP");
}

static void
keep_authorities(void)
{
	static const char *const names[] = { "root.pem", "issuing.pem",
		"root.crl.pem", "issuing.crl.pem" };
	size_t i;

	for (i = 0; keep() != NULL && i < 4; i++)
		pki_run("cp", pki_path("%s", names[i]), keep(), NULL);
}

int
attack_setup(void **state)
{
	pki_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_mailbox("rsa", "rsa2048", "ok");
	memset(&attack, 0, sizeof(attack));
	attack.budi = person_load("budi");
	attack.rsa = person_load("rsa");
	attack.issuing.cert = pki_cert("issuing.pem");
	attack.issuing.key = load_key(pki_path("issuing.key"));
	attack.trust = vmail_trust();
	verify_settings_init(&attack.settings);
	attack.settings.trust = attack.trust;
	attack.settings.now = time(NULL);
	keep_authorities();
	return 0;
}

int
attack_teardown(void **state)
{
	person_free(&attack.budi);
	person_free(&attack.rsa);
	person_free(&attack.issuing);
	trust_free(attack.trust);
	return pki_teardown(state);
}

static void
keep_message(const char *what, const struct buf *mail)
{
	char path[512];
	size_t n;

	if (keep() == NULL || mail->len > 20000)
		return;
	n = (size_t)snprintf(path, sizeof(path), "%s/%03u-", keep(),
	    attack.count++);
	for (; *what != '\0' && n + 5 < sizeof(path); what++)
		path[n++] = isalnum((unsigned char)*what) ? *what : '-';
	memcpy(path + n, ".eml", 5);
	write_whole(path, mail->p, mail->len);
}

void
attack_expect(const char *what, const struct buf *mail, const char *want,
    struct verdict *out)
{
	static const size_t pieces[] = { 0, 13, 1 };
	struct verdict verdict;
	char got[64], fields[8192];
	size_t i;

	keep_message(what, mail);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if (pieces[i] == 1 && mail->len > 100000)
			break;
		vmail_verify(&attack.settings, mail->p, mail->len, pieces[i],
		    &verdict);
		snprintf(got, sizeof(got), "%s %s",
		    verdict_word_text(verdict.word),
		    verify_reason_word(verdict.reason));
		if (strcmp(got, want) != 0)
			fail_msg("%s, by %zu: got %s, wanted %s (%s)", what,
			    pieces[i], got, want, verdict.detail);
		if (fields_say_good(&verdict, fields, sizeof(fields)) !=
		    (verdict.word == VERDICT_PASS))
			fail_msg("%s: %s", what, fields);
	}
	if (out != NULL)
		*out = verdict;
}

void
attack_der(const char *what, const struct buf *der, bool opaque,
    const char *want)
{
	struct buf mail = { 0 };

	if (opaque)
		mail_opaque(FROM, der, &mail);
	else
		mail_detached(FROM, ENTITY, strlen(ENTITY), der, &mail);
	attack_expect(what, &mail, want, NULL);
	buf_free(&mail);
}

void
attack_cms(const char *what, const struct cms *with, const char *want)
{
	struct cms cms = *with;
	struct buf der = { 0 };

	if (cms.content == NULL) {
		cms.content = ENTITY;
		cms.content_len = strlen(ENTITY);
	}
	cms_build(&cms, &der);
	attack_der(what, &der, (cms.flags & CMS_EMBED) != 0, want);
	buf_free(&der);
}
