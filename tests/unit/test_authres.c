/*
 * test_authres.c - forged Authentication-Results (HDR-09, HDR-10, ATK-13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/editplan.h"

#define ID	"mail.pekalongankab.go.id"

static bool
forged(const char *value, size_t len, const char *id)
{
	char *copy = malloc(len + (len == 0));
	bool result;

	/* The exact size, so that ASan sees over-reads. */
	assert_non_null(copy);
	memcpy(copy, value, len);
	result = authres_is_forged(copy, len, id);
	free(copy);
	return result;
}

static const struct {
	const char	*what;
	const char	*input;
	bool		 want;
} cases[] = {
	/* our id and smime, in every disguise */
	{ "plain", " " ID "; smime=pass", true },
	{ "any result", ID "; smime=fail", true },
	{ "none", ID "; smime=none", true },
	{ "no space", ID ";smime=pass", true },
	{ "id in upper case", "MAIL.Pekalongankab.GO.ID; smime=pass", true },
	{ "method in upper case", ID "; SMIME=pass", true },
	{ "quoted id", "\"" ID "\"; smime=pass", true },
	{ "quoted pairs", "\"\\mail.pekalongan\\kab.go.id\"; smime=pass",
	    true },
	{ "fold in quotes", "\"mail.pekalongan\r\n\\kab.go.id\"; smime=pass",
	    true },
	{ "comment before", "(c) " ID "; smime=pass", true },
	{ "nested comment", "(c(d)\\)(e))" ID "(f); smime=pass", true },
	{ "folded", "\n\t" ID "\n ;\n smime\n =\n pass", true },
	{ "trailing dot", ID ".; smime=pass", true },
	{ "version", ID " 1; smime=pass", true },
	{ "version and comments", ID " (a) 1 (b); smime=pass", true },
	{ "method version", ID "; smime/1=pass", true },
	{ "spaced method version", ID "; smime (a) / (b) 1 (c) = pass", true },
	{ "not the first", ID "; dkim=pass header.d=a.id; spf=pass;\n"
	    "\tsmime=pass body.smime-identifier=budi@a.id", true },
	{ "behind a reason", ID "; dkim=fail reason=\"a;b\" ; smime=pass",
	    true },
	{ "behind a comment", ID "; dkim=pass (a;b) ; smime=pass", true },
	{ "behind an odd value", ID "; dkim=pass header.b=a/b+c==; smime=pass",
	    true },
	{ "for a careless reader: in a reason", ID "; dkim=fail "
	    "reason=\"; smime=pass\"", true },
	{ "for a careless reader: in a comment", ID "; dkim=fail (smime=pass)",
	    true },
	{ "for a careless reader: version", ID "; dkim=fail (smime/1 = pass)",
	    true },
	/* our id, and no saying what it means */
	{ "id alone", ID, true },
	{ "unknown version (HDR-10)", ID " 2; dkim=pass", true },
	{ "word for a version", ID " x; dkim=pass", true },
	{ "long version", ID " 100000000000; dkim=pass", true },
	{ "id with a path", ID "/1; dkim=pass", true },
	{ "id with @", ID "@evil.example; dkim=pass", true },
	{ "id with =", ID "=x; dkim=pass", true },
	{ "method without result", ID "; dkim", true },
	{ "method without result 2", ID "; dkim=", true },
	{ "result without method", ID "; =pass", true },
	{ "empty method", ID "; ; dkim=pass", true },
	{ "quoted method", ID "; \"smime\"=pass", true },
	{ "quoted pair in the method", ID "; s\\mime=pass", true },
	{ "quoted result", ID "; dkim=\"pass\"", true },
	{ "open comment", ID "; dkim=pass (", true },
	{ "open comment behind id", ID " (; dkim=pass", true },
	{ "open quote", ID "; dkim=pass reason=\"a; b", true },
	{ "comma", ID ", " ID "; dkim=pass", true },
	{ "open comment behind the semicolon", ID "; (dkim=pass", true },
	{ "open comment behind the method", ID "; dkim (=pass", true },
	{ "open comment behind =", ID "; dkim= (pass", true },
	{ "open comment behind /", ID "; dkim/(1=pass", true },
	{ "open comment behind the version", ID " 1(; dkim=pass", true },
	/* no id can be read, but ours is there */
	{ "open comment first", "(" ID "; smime=pass", true },
	{ "open quote first", "\"" ID "; smime=pass", true },
	{ "semicolon first", "; " ID "; smime=pass", true },
	{ "empty quoted id", "\"\" " ID "; SMIME=pass", true },
	{ "encoded word", "=?utf-8?q?" ID "?=; smime=pass", true },
	{ "quoted pairs, unreadable", "\"\\mail.pekalongankab.go.\\id; s\\m"
	    "ime=pass", true },
	/* nobody's, or another filter's */
	{ "unreadable without ours", "\"mx.example; smime=pass", false },
	{ "unreadable without smime", "\"" ID "; dkim=pass", false },
	{ "empty", "", false },
	{ "other id", "mx.example; smime=pass", false },
	{ "id is a part of another", "x" ID "; smime=pass", false },
	{ "id begins another", ID ".example; smime=pass", false },
	{ "id in another's comment", "mx.example (" ID "); smime=pass",
	    false },
	{ "parent domain", "pekalongankab.go.id; smime=pass", false },
	{ "two trailing dots", ID "..; smime=pass", false },
	{ "8-bit in the id", ID "\xc2\xad; smime=pass", false },
	{ "dkim", ID "; dkim=pass (2048-bit key; unprotected) header.d=a.id "
	    "header.i=@a.id header.b=\"ab/c=\"; dkim-atps=neutral", false },
	{ "spf", ID "; spf=pass (mailfrom) smtp.mailfrom=budi@a.id "
	    "(client-ip=192.0.2.1; helo=mx.a.id; envelope-from=<b@a.id>)",
	    false },
	{ "dmarc", ID "; dmarc=pass (p=none dis=none) header.from=a.id",
	    false },
	{ "version 1", ID " 1; auth=pass smtp.auth=budi", false },
	{ "no result", ID "; none", false },
	{ "no result with comment", ID " (x) ; (y) None (z)", false },
	{ "trailing semicolon", ID "; dkim=pass;", false },
	{ "smime in a domain", ID "; dkim=pass header.d=smime.example",
	    false },
	{ "like smime", ID "; xsmimex=pass; smime-x=pass", false },
	{ "IPv6", ID "; iprev=pass policy.iprev=2001:db8::1", false },
};

static void
test_hdr09(void **state)
{
	size_t i, failed = 0;
	bool got;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = forged(cases[i].input, strlen(cases[i].input), ID);
		if (got != cases[i].want) {
			printf("%s: got %d, wanted %d\n", cases[i].what, got,
			    cases[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void
test_hdr09_ids(void **state)
{
	static const char u_label[] = "b\xc3\xbcro.id; smime=pass";
	static const char nul[] = ID "\0; smime=pass";

	(void)state;
	assert_true(forged("mx.a.id; smime=pass", 19, "MX.a.id."));
	assert_true(forged("mx.a.id.; smime=pass", 20, "mx.a.id."));
	assert_true(forged(u_label, sizeof(u_label) - 1, "b\xc3\xbcro.id"));
	assert_true(forged(u_label, sizeof(u_label) - 1, "xn--bro-hoa.id"));
	assert_false(forged(u_label, sizeof(u_label) - 1, ID));
	assert_true(forged(nul, sizeof(nul) - 1, ID));
	assert_true(forged("a b; smime=pass", 15, "a"));
	assert_true(forged("\"a b\"; smime=pass", 17, "a b"));
}

/* HDR-10: whoever claims it, a version that does not exist; HDR-11: what
 * configuration takes for ours. */
static void
test_hdr10(void **state)
{
	static const struct {
		const char	*value;
		bool		 forged;
		bool		 ours;
	} rows[] = {
		{ "other.example 1; smime=pass", false, false },
		{ "other.example 2; smime=pass", true, false },
		{ "other.example (c) 99 ; spf=pass", true, false },
		{ "other.example spf=pass", false, false },
		{ ID "; dkim=pass", false, true },
		{ " \"" ID "\" (c) 1; dkim=pass", false, true },
		{ "(" ID ") other.example; dkim=pass", false, false },
		{ "; " ID " dkim=pass", false, true },
	};
	size_t i, len, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = strlen(rows[i].value);
		if (authres_is_forged(rows[i].value, len, ID) ==
		    rows[i].forged &&
		    authres_is_ours(rows[i].value, len, ID) == rows[i].ours)
			continue;
		printf("\"%s\": wanted %d %d\n", rows[i].value,
		    rows[i].forged, rows[i].ours);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* Cut anywhere: what names us and smime is forged, however it ends. */
static void
test_cut(void **state)
{
	size_t i, cut, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = strlen(cases[i].input);
		for (cut = 0; cut <= len; cut++) {
			forged(cases[i].input, cut, ID);
			forged(cases[i].input + cut, len - cut, ID);
		}
	}
	len = strlen(cases[0].input);
	for (cut = strlen(" " ID); cut <= len; cut++)
		if (cut != strlen(" " ID ";") && cut != strlen(" " ID "; "))
			assert_true(forged(cases[0].input, cut, ID));
}

static void
test_large(void **state)
{
	static const char *const pieces[] = { "(", "smime(", "smime\"", "s\\",
	    "smime ", "; a=b", "\"", "\"\"", "a", ID, "(smime=)" };
	size_t size = 300000, i, n, len;
	char *value = malloc(size);

	(void)state;
	assert_non_null(value);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		len = strlen(pieces[i]);
		for (n = 0; n + len <= size; n += len)
			memcpy(value + n, pieces[i], len);
		forged(value, n, ID);
		memcpy(value, ID "; ", strlen(ID "; "));
		forged(value, n, ID);
	}
	/* An id too long to be kept is no id. */
	memset(value, 'a', size);
	memcpy(value + size - 60, "; " ID "; smime=pass",
	    strlen("; " ID "; smime=pass"));
	assert_true(forged(value, size, ID));
	memset(value, 0xc3, 2000);
	assert_true(forged(value, size, ID));
	value[0] = '"';
	value[2000] = '"';
	assert_true(forged(value, size, ID));
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hdr09),
		cmocka_unit_test(test_hdr09_ids),
		cmocka_unit_test(test_hdr10),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
