/*
 * test_label.c - which letters say that they are secret, and which only sound
 * so.
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
#include "fixture.h"

static const char conf_text_all[] = FIXTURE_TOP FIXTURE_LOGIN
    "encryption = {\n"
    "  labels = [ \"T\", \"R\", \"SR\", \"Terbatas\", \"Rahasia\",\n"
    "             \"Sangat Rahasia\" ];\n"
    "  subject_tags = [ \"[T]\", \"[R]\", \"[SR]\", \"[Terbatas]\",\n"
    "      \"[Rahasia]\", \"[Sangat Rahasia]\", \"RAHASIA:\" ];\n"
    "};\n";

static const struct {
	const char	*what;
	const char	*header;
	const char	*want;		/* NULL: nothing */
} rows[] = {
	{ "nothing", "Subject: Rapat\n", NULL },
	{ "Sifat, name", "Sifat: Rahasia\n", "Rahasia" },
	{ "Sifat, code", "Sifat: SR\n", "SR" },
	{ "Sifat, both", "Sifat: Sangat Rahasia (SR)\n", "SR" },
	{ "Sifat, code alone in the brackets", "Sifat: Restricted (T)\n",
	    "T" },
	{ "case and spaces", "sifat:   SANGAT   rahasia \n",
	    "Sangat Rahasia" },
	{ "folded", "Sifat: Sangat\n Rahasia\n", "Sangat Rahasia" },
	{ "X-Klasifikasi", "X-Klasifikasi: Terbatas\n", "Terbatas" },
	{ "the second field of that name", "Sifat: Biasa\nSifat: Rahasia\n",
	    "Rahasia" },
	{ "encoded", "Sifat: =?UTF-8?B?UmFoYXNpYQ==?=\n", "Rahasia" },
	{ "encoded in two words",
	    "Sifat: =?UTF-8?Q?Sangat_?= =?UTF-8?Q?Rahasia?=\n",
	    "Sangat Rahasia" },
	{ "a zero-width space in it",
	    "Sifat: =?UTF-8?Q?Raha=E2=80=8Bsia?=\n", "Rahasia" },
	{ "B must not fire", "Sifat: B\n", NULL },
	{ "Biasa", "Sifat: Biasa\nX-Klasifikasi: Biasa/Terbuka (B)\n", NULL },
	{ "word inside other text", "Sifat: Tidak Rahasia\n", NULL },
	{ "longer word", "Sifat: Kerahasiaan\n", NULL },
	{ "empty", "Sifat: \nX-Klasifikasi:\n", NULL },
	{ "another field", "X-Sifat: Rahasia\nComments: Rahasia\n", NULL },

	{ "tag first", "Subject: [R] Rapat\n", "[R]" },
	{ "tag in a reply", "Subject: Re: Fwd: [SR]Rapat\n", "[SR]" },
	{ "tag last", "Subject: Rapat [rahasia]\n", "[Rahasia]" },
	{ "tag encoded, B", "Subject: =?utf-8?b?W1NhbmdhdCBSYWhhc2lhXSBSYXBhdA==?=\n",
	    "[Sangat Rahasia]" },
	{ "tag encoded, Q", "Subject: =?UTF-8?Q?=5BR=5D_Rapat?=\n", "[R]" },
	{ "tag encoded, Latin-1", "Subject: =?iso-8859-1?B?W1JdIFJhcGF0IOk=?=\n", "[R]" },
	{ "tag across two encoded words",
	    "Subject: =?UTF-8?Q?=5BRaha?=\n =?UTF-8?Q?sia=5D_x?=\n",
	    "[Rahasia]" },
	{ "tag folded", "Subject: Rapat [Sangat\n Rahasia]\n",
	    "[Sangat Rahasia]" },
	{ "[B] must not fire", "Subject: [B] Rapat\n", NULL },
	{ "letter without brackets", "Subject: R Rapat T SR\n", NULL },
	{ "word without brackets", "Subject: Resep rahasia dapur\n", NULL },
	{ "more in the brackets", "Subject: [Resep rahasia] dapur\n", NULL },
	{ "other brackets", "Subject: Rapat (R)\n", NULL },
	{ "a tag that ends in no letter", "Subject: RAHASIA:x\n",
	    "RAHASIA:" },
	{ "the same as the end of a word", "Subject: kerahasia: x\n", NULL },
	{ "a tag elsewhere", "Keywords: [R]\n", NULL },
	{ "a label is no tag", "Subject: Rahasia\n", NULL },
	{ "a tag is no label", "Sifat: [R]\n", NULL },
};

static void
test_table(void **state)
{
	struct conf *conf = fixture_conf(conf_text_all);
	struct header_list header;
	const char *got;
	size_t i;
	int bad = 0;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_header(&header, rows[i].header);
		got = label_find(conf, &header);
		if (got == NULL ? rows[i].want != NULL : rows[i].want == NULL ||
		    strcmp(got, rows[i].want) != 0) {
			bad++;
			print_error("%s: got %s, want %s\n", rows[i].what,
			    got == NULL ? "-" : got, rows[i].want == NULL ?
			    "-" : rows[i].want);
		}
		header_clear(&header);
	}
	conf_unref(conf);
	assert_int_equal(bad, 0);
}

/* Nobody's mail changes its ways because of an upgrade. */
static void
test_none_by_default(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN);
	struct header_list header;

	(void)state;
	fixture_header(&header, "Subject: [R] x\nSifat: Rahasia\n");
	assert_null(label_find(conf, &header));
	header_clear(&header);
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_none_by_default),
	};

	return cmocka_run_group_tests_name("label", tests, NULL, NULL);
}
