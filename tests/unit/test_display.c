/*
 * test_display.c - display names that show another address (SIG-02, ATK-11).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "from.h"

static void
test_sig02_display_name(void **state)
{
	static const struct from_case cases[] = {
		{ "another address", "\"" SITI "\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "without a dot", "\"siti@x\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "in angle brackets", "\"Siti <" SITI ">\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "own address", "\"" BUDI "\" <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "own address, case", "\"BUDI@Dinkes.pekalongankab.go.id\" <"
		    BUDI ">", ADDRESS_OK, NULL },
		{ "own address in single quotes", "\"'" BUDI "'\" <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "own address and a name", "\"Budi (" BUDI ").\" <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "own and another", "\"" BUDI " " SITI "\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "own with a longer local part", "\"x" BUDI "\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "own with a longer domain", "\"" BUDI ".evil.example\" <"
		    BUDI ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "own with a hyphen", "\"" BUDI "-x\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "spaces around @", "\"siti @ dinkes.go.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "space before @", "\"siti @dinkes.go.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "@ that shows no address", "\"Budi @ Dinkes\" <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "@ and a time", "\"Rapat @ 10.30\" <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "handle", "\"Dinas @dinkespkl\" <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "escaped @", "\"siti\\@x.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "word by word", "siti\"@\"x.id <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "folded", "\"siti@\n x.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "without an angle, quoted", "\"" SITI "\" " BUDI,
		    ADDRESS_SYNTAX, NULL },
		{ "beats an odd form", "\"" SITI "\" (x) <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "fullwidth @", "\"siti\xef\xbc\xa0x.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "fullwidth all", "\"\xef\xbd\x93\xef\xbc\xa0\xef\xbd\x98"
		    "\" <" BUDI ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "small @", "siti\xef\xb9\xabx.id <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "circled a", "siti\xe2\x93\x90x.id <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "no-break space", "\"siti\xc2\xa0@\xc2\xa0x.id\" <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "one dot leader", "\"siti @ x\xe2\x80\xa4id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "tabs around @", "\"siti\t@\tx.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "zero-width", "\"siti\xe2\x80\x8b@\xe2\x80\x8bx.id\" <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "zero-width in the own address",
		    "\"budi\xe2\x80\x8b@dinkes.pekalongankab.go.id\" <" BUDI
		    ">", ADDRESS_OK, NULL },
		{ "zero-width between own and more",
		    "\"x\xe2\x80\x8b" BUDI "\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "reversed", "\"\xe2\x80\xae""di.x@itis\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "reversed own", "\"\xe2\x80\xae" BUDI "\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "reordering alone", "\"a\xe2\x80\xae""b\" <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "invisible tag @", "\"siti\xf3\xa0\x81\x80x.id\" <" BUDI
		    ">", ADDRESS_OK, NULL },
		{ "overlong @", "\"siti\xc1\x80x.id\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
	};

	(void)state;
	FROM_RUN(cases);
}

static void
test_sig02_encoded_word(void **state)
{
	static const struct from_case cases[] = {
		{ "Q name", "=?UTF-8?Q?B=C3=BCdi_S=2E?= <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "B name", "=?utf-8?b?QsO8ZGk=?= <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "latin", "=?iso-8859-1?q?B=FCdi?= <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "language", "=?us-ascii*en?q?Budi?= <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "Q address", "=?utf-8?q?siti=40x.id?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "B address", "=?utf-8?B?c2l0aUB4Lmlk?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "own, encoded",
		    "=?utf-8?q?budi=40dinkes=2epekalongankab=2ego=2eid?= <"
		    BUDI ">", ADDRESS_OK, NULL },
		{ "latin address", "=?iso-8859-1?q?siti=40x.id?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "split", "=?utf-8?q?siti?= =?utf-8?q?=40?=\n "
		    "=?us-ascii?b?eC5pZA==?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "fullwidth @", "=?utf-8?q?siti=EF=BC=A0x.id?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "fullwidth @ split over words",
		    "=?utf-8?q?siti=EF=BC?= =?utf-8?q?=A0x.id?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "in a quoted string", "\"=?utf-8?q?siti=40x.id?=\" <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "with spaces", "\"=?utf-8?q?siti=40x.id or so?=\" <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "space is underscore", "=?utf-8?q?siti_=40_x.id?= <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "no-break space", "=?iso-8859-1?q?siti=A0=40=A0x.id?= <"
		    BUDI ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "Windows", "=?windows-1252?q?siti=40x.id?= <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "Cyrillic", "=?KOI8-R?q?=c2=d5=c4=c9?= <" BUDI ">",
		    ADDRESS_OK, NULL },
		{ "soft hyphen", "=?iso-8859-1?q?siti=AD=40=ADx.id?= <" BUDI
		    ">", ADDRESS_DISPLAY_NAME, NULL },
		{ "NUL", "=?utf-8?q?Siti=00Budi?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "line end", "=?utf-8?q?Siti=0D=0ABcc=3Ax?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "charset unknown", "=?utf-7?q?siti+AEA-x.id?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "EBCDIC", "=?ibm037?q?siti=7Cx?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "encoding unknown", "=?utf-8?x?siti?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "bad base64", "=?utf-8?b?c2l0a?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "junk in base64", "=?utf-8?b?c2l0!aUB4?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "padding inside", "=?utf-8?b?c2k=dGk=?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "bad Q", "=?utf-8?q?siti=4?= <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "no end", "=?utf-8?q?siti=40x.id <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "@ in base64", "\"=?utf-8?b?siti@x.id?=\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "@ in the charset", "\"=?siti@x.id?q?a?=\" <" BUDI ">",
		    ADDRESS_DISPLAY_NAME, NULL },
		{ "encoded twice",
		    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fsiti=3D40x=3F=3D?= <" BUDI
		    ">", ADDRESS_ODD_FORM, NULL },
	};

	(void)state;
	FROM_RUN(cases);
}

/* What UTF-8 is valid, and what lax readers make of the rest. */
static void
test_utf8(void **state)
{
	static const struct {
		const char	*input;
		bool		 valid;
		uint32_t	 c;
		size_t		 used;
	} cases[] = {
		{ "A", true, 'A', 1 },
		{ "\xc2\x80", true, 0x80, 2 },
		{ "\xdf\xbf", true, 0x7ff, 2 },
		{ "\xe0\xa0\x80", true, 0x800, 3 },
		{ "\xef\xbf\xbf", true, 0xffff, 3 },
		{ "\xf0\x90\x80\x80", true, 0x10000, 4 },
		{ "\xf4\x8f\xbf\xbf", true, 0x10ffff, 4 },
		{ "\xc1\x80", false, '@', 2 },
		{ "\xe0\x81\x80", false, '@', 3 },
		{ "\xf0\x80\x81\x80", false, '@', 4 },
		{ "\xed\xa0\x80", false, 0xd800, 3 },
		{ "\xf4\x90\x80\x80", false, 0x110000, 4 },
		{ "\x80", false, 0xfffd, 1 },
		{ "\xc3", false, 0xfffd, 1 },
		{ "\xc3(", false, 0xfffd, 1 },
		{ "\xe2\x80", false, 0xfffd, 1 },
		{ "\xf8\x88\x80\x80\x80", false, 0xfffd, 1 },
		{ "\xff", false, 0xfffd, 1 },
	};
	const unsigned char *p, *start;
	size_t i, failed = 0;
	uint32_t c;
	bool valid;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = start = (const unsigned char *)cases[i].input;
		valid = utf8_take(&p, start + strlen(cases[i].input), &c);
		if (valid != cases[i].valid || c != cases[i].c ||
		    (size_t)(p - start) != cases[i].used) {
			printf("case %zu: got %d U+%04X %zu, wanted %d U+%04X "
			    "%zu\n", i, valid, c, (size_t)(p - start),
			    cases[i].valid, cases[i].c, cases[i].used);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sig02_display_name),
		cmocka_unit_test(test_sig02_encoded_word),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
