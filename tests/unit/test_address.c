/*
 * test_address.c - the From address (SIG-02, ATK-11, ATK-12), canonical form
 * (CRT-35), keystore names (CRT-41).
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
test_plain(void **state)
{
	static const struct from_case cases[] = {
		{ "addr-spec", " " BUDI, ADDRESS_OK, NULL },
		{ "no space", BUDI, ADDRESS_OK, NULL },
		{ "angle", " <" BUDI ">", ADDRESS_OK, NULL },
		{ "name", " Budi Dinkes <" BUDI ">", ADDRESS_OK, NULL },
		{ "no space before <", " Budi<" BUDI ">", ADDRESS_OK, NULL },
		{ "quoted name", " \"Dinkes, Budi\" <" BUDI ">", ADDRESS_OK,
		    NULL },
		{ "name with full stops", " H. Budi S.Kom. <" BUDI "> ",
		    ADDRESS_OK, NULL },
		{ "folded", " \"Budi\n Dinkes\"\n\t<" BUDI ">\n ",
		    ADDRESS_OK, NULL },
		{ "case", " Budi <BuDi@DINKES.Pekalongankab.GO.ID>",
		    ADDRESS_OK, NULL },
		{ "sub-address", "budi+x@a.go.id", ADDRESS_OK,
		    "budi+x@a.go.id" },
		{ "all of atext", "!#$%&'*+-/?=^_`{|}~@a.id", ADDRESS_OK,
		    "!#$%&'*+-/?=^_`{|}~@a.id" },
		{ "one label", "root@localhost", ADDRESS_OK,
		    "root@localhost" },
		{ "UTF-8 local part (EAI)", "b\xc3\xbc""di@a.id", ADDRESS_OK,
		    "b\xc3\xbc""di@a.id" },
		{ "UTF-8 domain", "Budi@b\xc3\xbc.ID", ADDRESS_OK,
		    "budi@b\xc3\xbc.id" },
		{ "UTF-8 name", "B\xc3\xbc""di <" BUDI ">", ADDRESS_OK,
		    NULL },
	};

	(void)state;
	FROM_RUN(cases);
}

static void
test_sig02_not_one_mailbox(void **state)
{
	static const struct from_case cases[] = {
		{ "empty", "", ADDRESS_MISSING, NULL },
		{ "white space", " \n\t ", ADDRESS_MISSING, NULL },
		{ "only a comment", " (budi)", ADDRESS_MISSING, NULL },
		{ "two", BUDI ", " SITI, ADDRESS_SEVERAL, NULL },
		{ "two in angles", "B <" BUDI ">, S <" SITI ">",
		    ADDRESS_SEVERAL, NULL },
		{ "the same twice", BUDI "," BUDI, ADDRESS_SEVERAL, NULL },
		{ "trailing comma", BUDI ",", ADDRESS_SEVERAL, NULL },
		{ "leading comma", "," BUDI, ADDRESS_SYNTAX, NULL },
		{ "semicolon", BUDI ";", ADDRESS_SYNTAX, NULL },
		{ "unquoted comma", "Dinkes, Budi <" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "group", "Dinkes: " BUDI ";", ADDRESS_GROUP, NULL },
		{ "empty group", "undisclosed-recipients:;", ADDRESS_GROUP,
		    NULL },
		{ "quoted group", "\"a b\" : ;", ADDRESS_GROUP, NULL },
		{ "group without a name", ": " BUDI ";", ADDRESS_SYNTAX,
		    NULL },
	};

	(void)state;
	FROM_RUN(cases);
}

static void
test_sig02_odd_forms(void **state)
{
	static const struct from_case cases[] = {
		{ "comment behind", BUDI " (Budi)", ADDRESS_ODD_FORM, NULL },
		{ "comment before", "(x) " BUDI, ADDRESS_ODD_FORM, NULL },
		{ "comment in the name", "Budi (IT) <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "nested comment", "(a(b)\\)c)<" BUDI ">", ADDRESS_ODD_FORM,
		    NULL },
		{ "comment with an address", "<" BUDI "> (" SITI ")",
		    ADDRESS_ODD_FORM, NULL },
		{ "comment inside", "<budi(x)@dinkes.pekalongankab.go.id>",
		    ADDRESS_ODD_FORM, NULL },
		{ "comment in the domain",
		    "budi@dinkes(x).pekalongankab.go.id", ADDRESS_ODD_FORM,
		    NULL },
		{ "comment behind it", "<" BUDI "(x)>", ADDRESS_ODD_FORM,
		    NULL },
		{ "route", "<@a.id:" BUDI ">", ADDRESS_ODD_FORM, NULL },
		{ "long route", "<@a.id,@b.id , ,@c.id: " BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "quoted local part", "\"budi\"@dinkes.pekalongankab.go.id",
		    ADDRESS_ODD_FORM, NULL },
		{ "quoted, needed", "<\"B di\"@a.id>", ADDRESS_ODD_FORM,
		    "\"b di\"@a.id" },
		{ "quoted @", "<\"siti@b.id\"@a.id>", ADDRESS_ODD_FORM,
		    "\"siti@b.id\"@a.id" },
		{ "quoted quote", "\"a\\\"\\\\b\"@a.id", ADDRESS_ODD_FORM,
		    "\"a\\\"\\\\b\"@a.id" },
		{ "quoted dot", "\".a\"@a.id", ADDRESS_ODD_FORM,
		    "\".a\"@a.id" },
		{ "word by word", "a.\"b\".c@a.id", ADDRESS_ODD_FORM,
		    "a.b.c@a.id" },
		{ "literal", "budi@[192.0.2.1]", ADDRESS_ODD_FORM,
		    "budi@[192.0.2.1]" },
		{ "IPv6 literal", "budi@[IPv6:2001:DB8::1]",
		    ADDRESS_ODD_FORM, "budi@[ipv6:2001:db8::1]" },
		{ "space before @", "budi @dinkes.pekalongankab.go.id",
		    ADDRESS_ODD_FORM, NULL },
		{ "space behind @", "budi@ dinkes.pekalongankab.go.id",
		    ADDRESS_ODD_FORM, NULL },
		{ "fold in the domain", "budi@dinkes.\n pekalongankab.go.id",
		    ADDRESS_ODD_FORM, NULL },
		{ "space in angle", "< " BUDI " >", ADDRESS_ODD_FORM, NULL },
		{ "encoded word as local part", "=?utf-8?q?siti?=@a.id",
		    ADDRESS_ODD_FORM, "=?utf-8?q?siti?=@a.id" },
		{ "zero-width in the local part",
		    "bu\xe2\x80\x8b""di@a.id", ADDRESS_ODD_FORM,
		    "bu\xe2\x80\x8b""di@a.id" },
		{ "fullwidth @ in the local part",
		    "siti\xef\xbc\xa0""b.id@a.id", ADDRESS_ODD_FORM,
		    "siti\xef\xbc\xa0""b.id@a.id" },
		{ "ideographic full stop in the domain",
		    "budi@a\xe3\x80\x82id", ADDRESS_ODD_FORM,
		    "budi@a\xe3\x80\x82id" },
		{ "name with cut UTF-8", "Budi\xe2\x80 <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
		{ "name with UTF-8 cut at its end", "\"Budi\xf0\x9f\" <" BUDI
		    ">", ADDRESS_ODD_FORM, NULL },
		{ "name not UTF-8", "B\xfc""di <" BUDI ">",
		    ADDRESS_ODD_FORM, NULL },
	};

	(void)state;
	FROM_RUN(cases);
}

#define L63	"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd"	\
		"eeeeeeeeeeffffffffffggg"
#define L64	L63 "g"

static void
test_sig02_syntax(void **state)
{
	static const struct from_case cases[] = {
		{ "no @", "budi", ADDRESS_SYNTAX, NULL },
		{ "no address", "Budi <>", ADDRESS_SYNTAX, NULL },
		{ "empty angle", "<>", ADDRESS_SYNTAX, NULL },
		{ "name begins with a full stop", ". Budi <" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "no local part", "@a.id", ADDRESS_SYNTAX, NULL },
		{ "no domain", "budi@", ADDRESS_SYNTAX, NULL },
		{ "two @", "budi@a@b.id", ADDRESS_SYNTAX, NULL },
		{ "name shows an address unquoted", SITI " <" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "two angles", "<" SITI "> <" BUDI ">", ADDRESS_SYNTAX,
		    NULL },
		{ "nested angles", "<<" BUDI ">>", ADDRESS_SYNTAX, NULL },
		{ "open angle", "<" BUDI, ADDRESS_SYNTAX, NULL },
		{ "closing angle", BUDI ">", ADDRESS_SYNTAX, NULL },
		{ "text behind", "<" BUDI "> x", ADDRESS_SYNTAX, NULL },
		{ "open quote", "\"Budi <" BUDI ">", ADDRESS_SYNTAX, NULL },
		{ "open comment", "<" BUDI "> (x", ADDRESS_SYNTAX, NULL },
		{ "open comment first", "(" BUDI, ADDRESS_SYNTAX, NULL },
		{ "open comment in the name", "Budi (<" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "open comment in angle", "<(" BUDI ">", ADDRESS_SYNTAX,
		    NULL },
		{ "open comment before @", "<budi(@a.id>", ADDRESS_SYNTAX,
		    NULL },
		{ "open comment in local part", "<a.(b@a.id>",
		    ADDRESS_SYNTAX, NULL },
		{ "open comment behind @", "<budi@(a.id>", ADDRESS_SYNTAX,
		    NULL },
		{ "open comment in domain", "<budi@a(.id>", ADDRESS_SYNTAX,
		    NULL },
		{ "open comment behind a dot", "<budi@a.(id>",
		    ADDRESS_SYNTAX, NULL },
		{ "open comment in literal", "<budi@[1(]>", ADDRESS_SYNTAX,
		    NULL },
		{ "open comment in route", "<@a.id:(" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "open comment in route 2", "<@(a.id:" BUDI ">",
		    ADDRESS_SYNTAX, NULL },
		{ "bad domain in route", "<@a..id:" BUDI ">", ADDRESS_SYNTAX,
		    NULL },
		{ "open quote in angle", "<\"budi@a.id>", ADDRESS_SYNTAX,
		    NULL },
		{ "leading dot", ".a@b.id", ADDRESS_SYNTAX, NULL },
		{ "dot before @", "a.@b.id", ADDRESS_SYNTAX, NULL },
		{ "two dots", "a..b@b.id", ADDRESS_SYNTAX, NULL },
		{ "trailing dot", "a@b.id.", ADDRESS_SYNTAX, NULL },
		{ "empty label", "a@b..id", ADDRESS_SYNTAX, NULL },
		{ "leading dot of domain", "a@.b.id", ADDRESS_SYNTAX, NULL },
		{ "hyphen first", "a@-b.id", ADDRESS_SYNTAX, NULL },
		{ "hyphen last", "a@b-.id", ADDRESS_SYNTAX, NULL },
		{ "percent in domain", "a@b%c.id", ADDRESS_SYNTAX, NULL },
		{ "slash in domain", "a@b/c", ADDRESS_SYNTAX, NULL },
		{ "open literal", "a@[192.0.2.1", ADDRESS_SYNTAX, NULL },
		{ "empty literal", "a@[]", ADDRESS_SYNTAX, NULL },
		{ "backslash in literal", "a@[\\1]", ADDRESS_SYNTAX, NULL },
		{ "empty quoted local part", "\"\"@a.id", ADDRESS_SYNTAX,
		    NULL },
		{ "route without address", "<@a.id:>", ADDRESS_SYNTAX, NULL },
		{ "route without end", "<@a.id " BUDI ">", ADDRESS_SYNTAX,
		    NULL },
		{ "LF without a fold", "Budi\n<" BUDI ">", ADDRESS_SYNTAX,
		    NULL },
		{ "LF at the end", BUDI "\n", ADDRESS_SYNTAX, NULL },
		{ "bare CR", "Budi\r<" BUDI ">", ADDRESS_SYNTAX, NULL },
		{ "escape", "Budi\033[1m <" BUDI ">", ADDRESS_SYNTAX, NULL },
		{ "DEL", "Bu\177 <" BUDI ">", ADDRESS_SYNTAX, NULL },
		{ "invalid UTF-8", "b\xfc""di@a.id", ADDRESS_SYNTAX, NULL },
		{ "overlong UTF-8", "b\xc1\xa1@a.id", ADDRESS_SYNTAX, NULL },
		{ "surrogate", "b\xed\xa0\x80@a.id", ADDRESS_SYNTAX, NULL },
		{ "local part of 64", L64 "@a.id", ADDRESS_OK, L64 "@a.id" },
		{ "local part of 65", L64 "a@a.id", ADDRESS_TOO_LONG, NULL },
		{ "quoted, 65 with quotes", "\" " L63 "\"@a.id",
		    ADDRESS_TOO_LONG, NULL },
		{ "label of 63", "a@" L63 ".id", ADDRESS_OK,
		    "a@" L63 ".id" },
		{ "label of 64", "a@" L64 ".id", ADDRESS_TOO_LONG, NULL },
		{ "domain of 255", L64 "@" L63 "." L63 "." L63 "." L63,
		    ADDRESS_OK, L64 "@" L63 "." L63 "." L63 "." L63 },
		{ "domain of 257", "a@" L63 "." L63 "." L63 "." L63 ".a",
		    ADDRESS_TOO_LONG, NULL },
	};
	static const char nul[] = "Budi\0 <" BUDI ">";
	char out[ADDRESS_MAX + 1];

	(void)state;
	FROM_RUN(cases);
	assert_int_equal(from_value(nul, sizeof(nul) - 1, out), ADDRESS_SYNTAX);
	assert_int_equal(from_value(BUDI, sizeof(BUDI), out), ADDRESS_SYNTAX);
}

static void
test_sig02_fields(void **state)
{
	struct header_list list = { 0 };
	char out[ADDRESS_MAX + 1];

	(void)state;
	assert_int_equal(address_from(&list, out), ADDRESS_MISSING);
	header_add(&list, "Sender", 6, SITI, strlen(SITI), 0, NULL);
	header_add(&list, "Resent-From", 11, SITI, strlen(SITI), 0, NULL);
	assert_int_equal(address_from(&list, out), ADDRESS_MISSING);
	header_add(&list, "fROM", 4, BUDI, strlen(BUDI), 0, NULL);
	assert_int_equal(address_from(&list, out), ADDRESS_OK);
	assert_string_equal(out, BUDI);
	header_add(&list, "From", 4, "", 0, 0, NULL);
	assert_int_equal(address_from(&list, out), ADDRESS_SEVERAL_FIELDS);
	assert_string_equal(out, "");
	header_clear(&list);
}

/* Cut anywhere, a value gives its own address, a shorter one, or none. */
static void
test_cut(void **state)
{
	static const char *const values[] = {
		" =?utf-8?q?B=C3=BCdi?= =?utf-8?b?QsO8ZGk=?= <" BUDI ">",
		" \"a\\\"b\" (c(d)e) <@a.id,@b.id:\"x y\"@[192.0.2.1]>",
		" \"siti\xef\xbc\xa0x.id\xe2\x80\x8b\" <" BUDI "> (x)",
		" a.\"b\" . c @ d . e\n ,x",
	};
	char out[ADDRESS_MAX + 1];
	size_t i, cut;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		for (cut = 0; cut <= strlen(values[i]); cut++) {
			from_value(values[i], cut, out);
			assert_true(strlen(out) <= ADDRESS_MAX);
			address_canonical(values[i] + cut,
			    strlen(values[i]) - cut, out);
			assert_true(strlen(out) <= ADDRESS_MAX);
		}
}

/* A long display name has an end, a deep comment no recursion. */
static void
test_long(void **state)
{
	static const char tail[] = " <" BUDI ">";
	size_t n = 200000, i;
	char out[ADDRESS_MAX + 1], *value = malloc(n + sizeof(tail));

	(void)state;
	assert_non_null(value);
	memset(value, 'a', n);
	memcpy(value + n, tail, sizeof(tail));
	assert_int_equal(from_value(value, n + sizeof(tail) - 1, out),
	    ADDRESS_TOO_LONG);
	value[0] = value[n - 1] = '"';
	assert_int_equal(from_value(value, n + sizeof(tail) - 1, out),
	    ADDRESS_TOO_LONG);
	memset(value, '(', n);
	assert_int_equal(from_value(value, n + sizeof(tail) - 1, out),
	    ADDRESS_SYNTAX);
	for (i = n / 2; i < n; i++)
		value[i] = ')';
	assert_int_equal(from_value(value, n + sizeof(tail) - 1, out),
	    ADDRESS_ODD_FORM);
	memset(value, '"', n);
	assert_int_equal(from_value(value, n + sizeof(tail) - 1, out),
	    ADDRESS_OK);
	for (i = 0; i < n; i++)
		value[i] = "=?"[i % 2];
	from_value(value, n + sizeof(tail) - 1, out);
	free(value);
}

static const struct {
	const char	*what;
	const char	*input;
	const char	*want;		/* NULL: none */
} canonical[] = {
	{ "plain", BUDI, BUDI },
	{ "angle (MTA-23)", "<" BUDI ">", BUDI },
	{ "upper case", "BUDI@A.ID", "budi@a.id" },
	{ "needless quotes (CRT-35)", "\"Budi\"@a.id", "budi@a.id" },
	{ "needless escape (CRT-35)", "\"b\\udi\"@a.id", "budi@a.id" },
	{ "needed quotes", "\"b di\"@a.id", "\"b di\"@a.id" },
	{ "literal", "a@[192.0.2.1]", "a@[192.0.2.1]" },
	{ "UTF-8", "b\xc3\xbc@a.id", "b\xc3\xbc@a.id" },
	{ "null sender", "<>", NULL },
	{ "empty", "", NULL },
	{ "one angle", "<" BUDI, NULL },
	{ "other angle", BUDI ">", NULL },
	{ "two angles", "<<" BUDI ">>", NULL },
	{ "name", "Budi <" BUDI ">", NULL },
	{ "space before (CRT-34)", " " BUDI, NULL },
	{ "space behind (CRT-34)", BUDI " ", NULL },
	{ "space inside", "budi @a.id", NULL },
	{ "comment", "budi(x)@a.id", NULL },
	{ "route", "<@b.id:budi@a.id>", NULL },
	{ "no domain", "postmaster", NULL },
	{ "no domain 2", "budi@", NULL },
	{ "two", "a@a.id,b@a.id", NULL },
	{ "invalid UTF-8", "b\xfc@a.id", NULL },
	{ "zero-width", "b\xe2\x80\x8b@a.id", NULL },
	{ "tab in quotes", "\"b\tc\"@a.id", NULL },
	{ "LF", "budi@a.id\n", NULL },
	{ "fold", "budi@a.\n id", NULL },
	{ "trailing dot", "budi@a.id.", NULL },
	{ "encoded word", "=?utf-8?q?a?=@a.id", NULL },
};

static void
test_crt35_canonical(void **state)
{
	size_t i, failed = 0;
	char out[ADDRESS_MAX + 1], again[ADDRESS_MAX + 1];
	const char *want;
	bool got;

	(void)state;
	for (i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
		memset(out, 'x', sizeof(out));
		got = address_canonical(canonical[i].input,
		    strlen(canonical[i].input), out);
		want = canonical[i].want;
		if (got != (want != NULL) ||
		    strcmp(out, want != NULL ? want : "") != 0) {
			printf("%s: got %d <%s>, wanted <%s>\n",
			    canonical[i].what, got, out,
			    want != NULL ? want : "");
			failed++;
		}
		if (got) {	/* the canonical form is its own */
			assert_true(address_canonical(out, strlen(out),
			    again));
			assert_string_equal(out, again);
		}
	}
	assert_int_equal(failed, 0);
	assert_false(address_canonical("a@b.id\0c", 8, out));
	assert_false(address_canonical("a\0c@b.id", 8, out));
}

static const struct {
	const char	*address;
	bool		 want;
} names[] = {
	{ BUDI, true }, { "!#$&'*+-=^_{|}~.x@a-b_c.id", true },
	{ "a.b@c", true },
	{ "", false }, { "budi", false }, { "@a.id", false },
	{ "budi@", false }, { ".budi@a.id", false }, { "a..b@a.id", false },
	{ "../x@a.id", false }, { "a/b@a.id", false },
	{ "a%2f@a.id", false }, { "a?@a.id", false }, { "a`b@a.id", false },
	{ "Budi@a.id", false }, { "b\xc3\xbc@a.id", false },
	{ "\"a b\"@a.id", false }, { "a\\b@a.id", false },
	{ "a@b@c.id", false }, { "budi@[192.0.2.1]", false },
	{ "budi@a/b", false }, { "budi@.a", false }, { "budi@a..id", false },
	{ "budi@..", false }, { "b\ndi@a.id", false },
	{ L63 "@" L63 "." L63 "." L63 , true },
	{ L64 "@" L63 "." L63 "." L63 , false },	/* NAME_MAX */
};

static void
test_crt41_safe_name(void **state)
{
	size_t i, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (address_is_safe_name(names[i].address) != names[i].want) {
			printf("%s: wanted %d\n", names[i].address,
			    names[i].want);
			failed++;
		}
	assert_int_equal(failed, 0);
}

static const struct {
	const char	*what;
	const char	*to, *cc;
	bool		 want;		/* budi@a.id is shown */
} lists[] = {
	{ "alone", "budi@a.id", NULL, true },
	{ "with a name", "Budi S. <BUDI@A.id>", NULL, true },
	{ "second", "x@b.id, \"B, udi\" <budi@a.id>", NULL, true },
	{ "folded", "x@b.id,\n\t<budi@a.id>,\n y@b.id", NULL, true },
	{ "Cc", "x@b.id", "y@b.id,budi@a.id", true },
	{ "comment with a comma", "x@b.id (a, b), budi@a.id", NULL, true },
	{ "in a group", "Tim: x@b.id, budi@a.id;, y@b.id", NULL, true },
	{ "behind a group", "Tim:;, budi@a.id", NULL, true },
	{ "empty entries", ", ,budi@a.id,,", NULL, true },
	{ "a route", "<@b.id,@c.id:budi@a.id>", NULL, true },
	{ "not there", "x@b.id", "y@b.id", false },
	{ "no field", NULL, NULL, false },
	{ "undisclosed", "undisclosed-recipients:;", NULL, false },
	{ "only in a name", "\"budi@a.id\" <x@b.id>", NULL, false },
	{ "only in a comment", "x@b.id (budi@a.id)", NULL, false },
	{ "the end of another", "xbudi@a.id", NULL, false },
	{ "the beginning of another", "budi@a.id.example", NULL, false },
	{ "plus-address", "budi+x@a.id", NULL, false },
	{ "broken quote before", "\"x, budi@a.id", NULL, false },
	{ "broken bracket before", "<x@b.id, budi@a.id", NULL, false },
	{ "two in one entry", "x@b.id budi@a.id", NULL, false },
};

static bool
shows(const char *to, const char *cc, size_t cut)
{
	struct header_list list = { 0 };
	bool shown;

	if (to != NULL)
		assert_int_equal(header_add(&list, "To", 2, to,
		    strlen(to) < cut ? strlen(to) : cut, 0, NULL), 0);
	if (cc != NULL)
		assert_int_equal(header_add(&list, "cc", 2, cc, strlen(cc), 0,
		    NULL), 0);
	shown = address_is_shown(&list, "budi@a.id");
	header_clear(&list);
	return shown;
}

static void
test_enc14_shown(void **state)
{
	size_t i, cut, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (cut = 0; lists[i].to != NULL &&
		    cut < strlen(lists[i].to); cut++)
			(void)shows(lists[i].to, NULL, cut);
		if (shows(lists[i].to, lists[i].cc, SIZE_MAX) !=
		    lists[i].want) {
			printf("%s: wanted %d\n", lists[i].what,
			    lists[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void
test_rest(void **state)
{
	int i;

	(void)state;
	assert_string_equal(address_domain("\"a@b\"@c.id"), "c.id");
	assert_null(address_domain("budi"));
	for (i = ADDRESS_OK; i <= ADDRESS_TOO_LONG + 1; i++)
		assert_true(strlen(address_result_text(
		    (enum address_result)i)) > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_sig02_not_one_mailbox),
		cmocka_unit_test(test_sig02_odd_forms),
		cmocka_unit_test(test_sig02_syntax),
		cmocka_unit_test(test_sig02_fields),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_crt35_canonical),
		cmocka_unit_test(test_crt41_safe_name),
		cmocka_unit_test(test_enc14_shown),
		cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
