/*
 * test_text.c - sentences for mailbox users: each there in both languages,
 * printable, one line, bounded (MTA-14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"

static char help[] = "helpdesk@pekalongankab.go.id";

static const struct {
	enum plan_action	 action;
	enum plan_why		 why;
	enum address_result	 result;
	const char		*id, *en;
} rows[] = {
	{ PLAN_REFUSE, WHY_NOT_OWNER, ADDRESS_OK,
	    "Pesan tidak dikirim: akun Anda tidak berhak memakai alamat "
	    "pengirim a@b.go.id. ", "Message not sent: your account may not "
	    "use the sender address a@b.go.id. " },
	{ PLAN_TEMPFAIL, WHY_NOT_OWNER, ADDRESS_OK,
	    "Pesan belum dikirim: ", "Message not sent yet: " },
	{ PLAN_REFUSE, WHY_NO_CERTIFICATE, ADDRESS_OK,
	    "Pesan tidak dikirim: belum ada sertifikat",
	    "Message not sent: there is no usable certificate for a@b.go.id" },
	{ PLAN_REFUSE, WHY_UNSIGNABLE, ADDRESS_OK,
	    "Pesan tidak dikirim: pesan ini tidak dapat ditandatangani",
	    "Message not sent: this message cannot be signed" },
	{ PLAN_REFUSE, WHY_TOO_LARGE, ADDRESS_OK,
	    "Pesan tidak dikirim: pesan terlalu besar",
	    "Message not sent: the message is too large" },
	{ PLAN_TEMPFAIL, WHY_INTERNAL, ADDRESS_OK,
	    "Pesan belum dikirim: ada gangguan sementara",
	    "Message not sent yet: the signing service has a temporary" },
	{ PLAN_REFUSE, WHY_FROM, ADDRESS_MISSING,
	    "Pesan tidak dikirim: kolom Dari", "Message not sent: the From" },
	{ PLAN_REFUSE, WHY_FROM, ADDRESS_DISPLAY_NAME,
	    "Pesan tidak dikirim: nama pengirim menampilkan alamat yang",
	    "Message not sent: the sender's display name" },
	{ PLAN_REFUSE, WHY_FROM, (enum address_result)99,
	    "Pesan tidak dikirim: alamat pengirim",
	    "Message not sent: the sender address" },
};

static void
check(const struct conf *conf, const struct plan *plan, const char *want)
{
	char out[401];
	const char *p;

	memset(out, 'x', sizeof(out));
	text_reply(conf, plan, NULL, out, sizeof(out));
	if (strncmp(out, want, strlen(want)) != 0)
		fail_msg("got \"%s\", wanted \"%s...\"", out, want);
	assert_true(strlen(out) <= 400);
	for (p = out; *p != '\0'; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	assert_null(strstr(out, "%s"));
	assert_non_null(strstr(out, help));
}

static void
test_sentences(void **state)
{
	struct conf conf = { .help = help };
	struct plan plan = { .from = "a@b.go.id" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		plan.action = rows[i].action;
		plan.why = rows[i].why;
		plan.from_result = rows[i].result;
		conf.language = LANGUAGE_ID;
		check(&conf, &plan, rows[i].id);
		conf.language = LANGUAGE_EN;
		check(&conf, &plan, rows[i].en);
	}
}

/* Every reason there is has a sentence. */
static void
test_all_results(void **state)
{
	struct conf conf = { .help = help };
	struct plan plan = { .action = PLAN_REFUSE, .why = WHY_FROM };
	int result, why, language;

	(void)state;
	for (language = 0; language < 2; language++) {
		conf.language = (enum language)language;
		plan.why = WHY_FROM;
		for (result = 0; result <= ADDRESS_TOO_LONG; result++) {
			plan.from_result = (enum address_result)result;
			check(&conf, &plan, language == LANGUAGE_ID ?
			    "Pesan " : "Message ");
		}
		for (why = 0; why <= WHY_INTERNAL; why++) {
			plan.why = (enum plan_why)why;
			check(&conf, &plan, language == LANGUAGE_ID ?
			    "Pesan " : "Message ");
		}
	}
}

/* Recipients are named, as many as there is room for. */
static void
test_recipients(void **state)
{
	struct conf conf = { .help = help, .language = LANGUAGE_ID };
	struct plan plan = { .action = PLAN_REFUSE, .why = WHY_NO_RECIPIENT,
	    .from = "a@b.go.id" };
	char who[256], out[401];

	(void)state;
	text_reply(&conf, &plan, "x@y.example, z@y.example", out, sizeof(out));
	assert_non_null(strstr(out, "untuk: x@y.example, z@y.example. "));
	assert_null(strstr(out, plan.from));
	conf.language = LANGUAGE_EN;
	plan.why = WHY_HIDDEN_RECIPIENT;
	memset(who, 'x', sizeof(who));
	who[255] = '\0';
	text_reply(&conf, &plan, who, out, sizeof(out));
	assert_non_null(strstr(out, "xxx.... Put them in To or Cc"));
	assert_non_null(strstr(out, help));
	plan.why = WHY_COPY_REFUSED;
	text_reply(&conf, &plan, "x@y.example", out, sizeof(out));
	assert_non_null(strstr(out, "not sent: the separate copy was refused "
	    "for: x@y.example. "));
	plan.why = WHY_COPY_TOO_LARGE;
	text_reply(&conf, &plan, "x@y.example", out, sizeof(out));
	assert_non_null(strstr(out, "not sent: the separate copy is too large "
	    "for: x@y.example. "));
	plan.action = PLAN_TEMPFAIL;
	plan.why = WHY_COPY_NOT_TAKEN;
	text_reply(&conf, &plan, "x@y.example", out, sizeof(out));
	assert_non_null(strstr(out, "not sent yet: the separate copy could not "
	    "be handed over for: x@y.example. "));
}

/* The longest and the oddest from outside: bounded, the contact kept. */
static void
test_hostile(void **state)
{
	struct conf conf = { .help = help, .language = LANGUAGE_ID };
	struct plan plan = { .action = PLAN_REFUSE, .why = WHY_NOT_OWNER };
	char out[20];

	(void)state;
	memset(plan.from, 'a', ADDRESS_MAX);
	check(&conf, &plan, "Pesan tidak dikirim: ");
	snprintf(plan.from, sizeof(plan.from), "a%%n\r\n550 ok\x1b[2J@b");
	check(&conf, &plan, "Pesan tidak dikirim: ");
	text_reply(&conf, &plan, NULL, out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_all_results),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
