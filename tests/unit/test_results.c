/*
 * test_results.c - Authentication-Results and X-Verified-Sender: which words,
 * which properties, and that nobody's text gets out of its string. What comes
 * out is read back by a parser written from the grammar of RFC 8601 2.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/editplan.h"
#include "../../milter/incoming.h"
#include "../../smime/smime.h"
#include "fields.h"
#include "pki.h"

#define ID	"mx.pekalongankab.go.id"

/* ------------------------------------------------- a parser of its own --- */

struct parsed {
	char	 id[256];
	struct parsed_result {
		char	 result[32];
		char	 reason[256];
		char	 part[64];
		char	 identifier[400];
		char	 serial[128];
		char	 issuer[600];
	}	 results[16];
	size_t	 count;
};

struct reader {
	const char	*p;
	const char	*why;
};

/* [CFWS]; only comments and white space of the value's own line. */
static bool
cfws(struct reader *in)
{
	bool any = false;
	int depth;

	for (;;) {
		if (*in->p == '\n') {
			if (in->p[1] != '\t' && in->p[1] != ' ')
				in->why = "LF without white space behind it";
			in->p++;
		} else if (*in->p == ' ' || *in->p == '\t')
			in->p++;
		else if (*in->p == '(') {
			for (depth = 0; *in->p != '\0'; in->p++) {
				if (*in->p == '\\' && in->p[1] != '\0')
					in->p++;
				else if (*in->p == '(')
					depth++;
				else if (*in->p == ')' && --depth == 0)
					break;
			}
			if (*in->p++ == '\0') {
				in->why = "a comment does not end";
				in->p--;
			}
		} else
			return any;
		any = true;
	}
}

static bool
is_token(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* value = token / quoted-string; extra: further characters of a token */
static void
value(struct reader *in, const char *extra, char *out, size_t size)
{
	size_t len = 0;

	if (*in->p == '"') {
		for (in->p++; *in->p != '"'; in->p++) {
			if (*in->p == '\\')
				in->p++;
			if (*in->p == '\0' || *in->p == '\n') {
				in->why = "a quoted string does not end";
				return;
			}
			if ((unsigned char)*in->p < 0x20)
				in->why = "a control character";
			if (len + 1 < size)
				out[len++] = *in->p;
		}
		in->p++;
	} else
		while (is_token((unsigned char)*in->p) || (*in->p != '\0' &&
		    strchr(extra, *in->p) != NULL) || (*in->p & 0x80)) {
			if (len + 1 < size)
				out[len++] = *in->p;
			in->p++;
		}
	out[len] = '\0';
	if (len == 0 && in->why == NULL)
		in->why = "an empty value";
}

static void
expect(struct reader *in, const char *text)
{
	if (strncmp(in->p, text, strlen(text)) == 0)
		in->p += strlen(text);
	else if (in->why == NULL)
		in->why = text;
}

static void
property(struct reader *in, struct parsed_result *out)
{
	static const char *const names[] = { "reason=", "body.smime-part=",
	    "body.smime-identifier=", "body.smime-serial=",
	    "body.smime-issuer=" };
	struct { char *at; size_t size; const char *extra; } to[] = {
		{ out->reason, sizeof(out->reason), "" },
		{ out->part, sizeof(out->part), "" },
		/* pvalue also is [[local-part] "@"] domain-name */
		{ out->identifier, sizeof(out->identifier), "@/?=" },
		{ out->serial, sizeof(out->serial), "" },
		{ out->issuer, sizeof(out->issuer), "" },
	};
	size_t i;

	for (i = 0; i < 5; i++) {
		if (strncmp(in->p, names[i], strlen(names[i])) != 0)
			continue;
		if (to[i].at[0] != '\0')
			in->why = "a property twice";
		in->p += strlen(names[i]);
		value(in, to[i].extra, to[i].at, to[i].size);
		return;
	}
	in->why = "an unknown property";
}

/* NULL, or what does not hold. */
static const char *
parse(const char *text, struct parsed *out)
{
	struct reader in = { text, NULL };
	struct parsed_result *result;

	memset(out, 0, sizeof(*out));
	value(&in, "", out->id, sizeof(out->id));
	(void)cfws(&in);
	while (in.why == NULL && *in.p != '\0') {
		if (out->count == 16)
			return "too many results";
		result = &out->results[out->count++];
		expect(&in, ";");
		(void)cfws(&in);
		expect(&in, "smime=");
		value(&in, "", result->result, sizeof(result->result));
		while (in.why == NULL && cfws(&in) && *in.p != ';' &&
		    *in.p != '\0')
			property(&in, result);
	}
	return in.why;
}

/* HDR-15: no line is 998 octets, no CR, and each fold has white space. */
static const char *
lines(const char *name, const char *text)
{
	size_t column = strlen(name) + 2;

	for (; *text != '\0'; text++) {
		if (*text == '\r')
			return "CR";
		if ((unsigned char)*text < 0x20 && *text != '\n' &&
		    *text != '\t')
			return "a control character";
		column = *text == '\n' ? 0 : column + 1;
		if (column > 997)
			return "a line of 998 octets";
		if (*text == '\n' && text[1] != '\t' && text[1] != ' ')
			return "a fold without white space";
	}
	return NULL;
}

/* ------------------------------------------------------------ verdicts --- */

static void
must_parse(const char *what, const char *text, struct parsed *out)
{
	const char *why = parse(text, out);

	if (why == NULL)
		why = lines(RESULTS_HEADER, text);
	if (why == NULL && strcmp(out->id, ID) != 0)
		why = "another id";
	if (why != NULL)
		fail_msg("%s: %s in:\n%s", what, why, text);
}

/*
 * HDR-02, HDR-03: every reason has its word; silent ones have none, and none
 * but pass is called verified or brings a name.
 */
static void
test_hdr03(void **state)
{
	char out[RESULTS_MAX], seen[RESULTS_MAX];
	struct verdict verdict;
	struct parsed parsed;
	int reason;

	(void)state;
	for (reason = 0; reason < VERIFY_REASONS; reason++) {
		fields_good(&verdict);
		verdict.reason = (enum verify_reason)reason;
		verdict.word = verify_reason_verdict(verdict.reason);
		assert_true(results_authres(&verdict, ID, false, out));
		must_parse(verify_reason_word(verdict.reason), out, &parsed);
		assert_int_equal(parsed.count, 1);
		assert_string_equal(parsed.results[0].result,
		    verdict_word_text(verdict.word));
		if (verdict.word != VERDICT_PASS &&
		    verdict.word != VERDICT_NONE)
			assert_string_equal(parsed.results[0].reason,
			    verify_reason_word(verdict.reason));
		results_verified(&verdict, false, reason & 1, seen);
		assert_null(lines(VERIFIED_SENDER_HEADER, seen));
		if (verdict.word == VERDICT_PASS)
			continue;
		assert_int_not_equal(strncmp(seen, "verified", 8), 0);
		assert_null(strstr(seen, "Budi"));
		assert_null(strstr(seen, "budi"));
		assert_null(strstr(out, "smime=pass"));
	}
}

/* HDR-16, VER-51: of what is encrypted nothing is said. */
static void
test_hdr16(void **state)
{
	char out[RESULTS_MAX];
	struct verdict verdict;

	(void)state;
	fields_good(&verdict);
	verdict.word = VERDICT_NEUTRAL;
	verdict.reason = VERIFY_ENCRYPTED;
	verdict.silent = true;
	assert_false(results_authres(&verdict, ID, false, out));
	results_verified(&verdict, false, false, out);
	assert_int_equal(strncmp(out, "unknown;", 8), 0);
	/* even where a pass is said to be silent */
	verdict.word = VERDICT_PASS;
	assert_false(results_authres(&verdict, ID, false, out));
	results_verified(&verdict, false, false, out);
	assert_int_equal(strncmp(out, "unknown;", 8), 0);
	assert_null(strstr(out, "Budi"));
}

static void
expect_text(const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("%s\n got: %s\nwant: %s", what, got, want);
}

static void
test_whole(void **state)
{
	char out[RESULTS_MAX];
	struct verdict verdict;

	(void)state;
	fields_good(&verdict);
	assert_true(results_authres(&verdict, ID, false, out));
	expect_text("pass", out, ID "; smime=pass body.smime-part=2\n\t"
	    "body.smime-identifier=" BUDI);
	results_verified(&verdict, false, false, out);
	if (strncmp(out, "verified; address=\"" BUDI "\";\n\tname=\"Budi\"; "
	    "organisation=\"Pemkab\"; issuer=\"Penerbit\"; reason=", 60) != 0)
		fail_msg("%s", out);
	verdict.word = VERDICT_NONE;
	verdict.reason = VERIFY_UNSIGNED;
	assert_true(results_authres(&verdict, ID, false, out));
	expect_text("none", out, ID "; smime=none");
	results_verified(&verdict, false, false, out);
	assert_int_equal(strncmp(out, "unsigned; reason=unsigned;", 26), 0);
}

/* HDR-04, HDR-06: serial and issuer together, where no address is. */
static void
test_hdr04(void **state)
{
	static const char *const bad[] = { "", "\"a b\"@x.id", "a@b@c.id",
	    "a b@x.id", "a@", "@x.id", "a@x.id;", "a..b@x.id", "a@x .id",
	    "a@[192.0.2.1]", "a@x.id\r\nX: y", "b\xc5\xab" "di@x.id" };
	char out[RESULTS_MAX];
	struct verdict verdict;
	struct parsed parsed;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fields_good(&verdict);
		snprintf(verdict.identifier, sizeof(verdict.identifier), "%s",
		    bad[i]);
		assert_true(results_authres(&verdict, ID, false, out));
		must_parse(bad[i], out, &parsed);
		assert_string_equal(parsed.results[0].identifier, "");
		assert_string_equal(parsed.results[0].serial, "0A1B");
		assert_string_equal(parsed.results[0].issuer,
		    "CN=Penerbit,C=ID");
	}
	verdict.issuer[0] = '\0';
	assert_true(results_authres(&verdict, ID, false, out));
	must_parse("neither", out, &parsed);
	assert_string_equal(parsed.results[0].serial, "");
	/* MTA-32: with SMTPUTF8 the address stands as it is */
	assert_true(results_authres(&verdict, ID, true, out));
	must_parse("UTF-8", out, &parsed);
	assert_string_equal(parsed.results[0].identifier, bad[i - 1]);
	/* HDR-14: of a certificate that nobody vouches for, nothing */
	fields_good(&verdict);
	verdict.word = VERDICT_FAIL;
	verdict.reason = VERIFY_UNTRUSTED;
	verdict.validated = false;
	assert_true(results_authres(&verdict, ID, false, out));
	must_parse("untrusted", out, &parsed);
	assert_string_equal(parsed.results[0].identifier, "");
	assert_string_equal(parsed.results[0].serial, "");
}

/* HDR-05, HDR-18, VER-07: layers, and none better than the whole. */
static void
test_hdr18(void **state)
{
	char out[RESULTS_MAX];
	struct verdict verdict;
	struct parsed parsed;
	size_t i;

	(void)state;
	fields_good(&verdict);
	verdict.layer_count = VERDICT_LAYERS;
	for (i = 0; i < VERDICT_LAYERS; i++) {
		snprintf(verdict.layers[i].part,
		    sizeof(verdict.layers[i].part), i == 0 ? "2" : "1/2");
		verdict.layers[i].word = VERDICT_PASS;
		verdict.layers[i].reason = VERIFY_GOOD;
	}
	assert_true(results_authres(&verdict, ID, false, out));
	must_parse("layers", out, &parsed);
	assert_int_equal(parsed.count, VERDICT_LAYERS);
	assert_string_equal(parsed.results[1].result, "pass");
	assert_string_equal(parsed.results[1].part, "1/2");
	assert_non_null(strstr(out, "body.smime-part=\"1/2\""));
	verdict.word = VERDICT_POLICY;
	verdict.reason = VERIFY_OTHER_ADDRESS;
	assert_true(results_authres(&verdict, ID, false, out));
	must_parse("a bad one outside", out, &parsed);
	assert_int_equal(parsed.count, VERDICT_LAYERS);
	assert_null(strstr(out, "smime=pass"));
}

/* Texts of strangers, one after the other in every place there is. */
static const char *const hostile[] = {
	"x\r\nAuthentication-Results: " ID "; smime=pass",
	"x\n\nbody",
	"a) (b) ((((",
	"a\"; smime=pass; x=\"b",
	"a\\",
	"\\\"\\\"\\",
	"; smime=pass",
	"\x01\x1b[31m\x7f\x80\xff",
	"B\xc5\xab" "di",
	"\xe2\x80\xae" "drawkcab",
	"\xf0\x9f\x92",
	"\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80",
	"%s%n",
	"=?utf-8?q?x?=",
	"",
};

static void
put_everywhere(struct verdict *verdict, const char *text)
{
	snprintf(verdict->part, sizeof(verdict->part), "%s", text);
	snprintf(verdict->from, sizeof(verdict->from), "%s", text);
	snprintf(verdict->identifier, sizeof(verdict->identifier), "%s", text);
	snprintf(verdict->serial, sizeof(verdict->serial), "%s", text);
	snprintf(verdict->issuer, sizeof(verdict->issuer), "%s", text);
	snprintf(verdict->issuer_name, sizeof(verdict->issuer_name), "%s",
	    text);
	snprintf(verdict->common_name, sizeof(verdict->common_name), "%s",
	    text);
	snprintf(verdict->organisation, sizeof(verdict->organisation), "%s",
	    text);
	verdict->layer_count = 2;
	snprintf(verdict->layers[1].part, sizeof(verdict->layers[1].part),
	    "%s", text);
	verdict->layers[1].word = VERDICT_FAIL;
	verdict->layers[1].reason = VERIFY_DIGEST;
}

/* state *( ";" 1*WSP name "=" value ); the whole grammar of the manual page. */
static const char *
parse_verified(const char *text)
{
	struct reader in = { text, NULL };
	char word[64], out[1024];

	value(&in, "", word, sizeof(word));
	while (in.why == NULL && *in.p != '\0') {
		expect(&in, ";");
		if (!cfws(&in))
			return "no white space";
		value(&in, "", word, sizeof(word));
		expect(&in, "=");
		value(&in, "", out, sizeof(out));
	}
	return in.why;
}

static void
must_hold(struct verdict *verdict, const char *text)
{
	char out[RESULTS_MAX];
	struct parsed parsed;
	const char *p, *why;
	int utf8;

	for (utf8 = 0; utf8 < 2; utf8++) {
		assert_true(results_authres(verdict, ID, utf8, out));
		must_parse(text, out, &parsed);
		assert_int_equal(parsed.count, 2);
		results_verified(verdict, utf8, false, out);
		if ((why = parse_verified(out)) == NULL)
			why = lines(VERIFIED_SENDER_HEADER, out);
		for (p = out; why == NULL && *p != '\0'; p++)
			if (!utf8 && (*p & 0x80))
				why = "8-bit octets";
		if (why != NULL)
			fail_msg("%s: %s in:\n%s", text, why, out);
	}
}

static void
test_hdr07(void **state)
{
	struct verdict verdict;
	char large[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		fields_good(&verdict);
		put_everywhere(&verdict, hostile[i]);
		must_hold(&verdict, hostile[i]);
	}
	for (i = 1; i < 256; i++) {
		fields_good(&verdict);
		memset(large, (int)i, sizeof(large) - 1);
		large[sizeof(large) - 1] = '\0';
		put_everywhere(&verdict, large);
		must_hold(&verdict, "one octet over and over");
	}
}

/* A name may look like nothing else than it is. */
static void
test_shown(void **state)
{
	static const struct {
		const char	*name;
		const char	*want;
		bool		 utf8;
	} rows[] = {
		{ "B\xc5\xab" "di", "name=\"B?di\"", false },
		{ "B\xc5\xab" "di", "name=\"B\xc5\xab" "di\"", true },
		{ "a\"b\\c", "name=\"a\\\"b\\\\c\"", false },
		{ "\xe2\x80\xae" "x", "name=\"?x\"", true },
		{ "\xc2\xad" "x", "name=\"?x\"", true },
		{ "a\xed\xa0\x80" "b", "name=\"a?b\"", true },
		{ "a\nb", "name=\"a?b\"", false },
	};
	char out[RESULTS_MAX];
	struct verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fields_good(&verdict);
		snprintf(verdict.common_name, sizeof(verdict.common_name),
		    "%s", rows[i].name);
		results_verified(&verdict, rows[i].utf8, false, out);
		if (strstr(out, rows[i].want) == NULL)
			fail_msg("want %s in:\n%s", rows[i].want, out);
	}
}

/* CRT-04, VER-32: what was let pass is said. */
static void
test_said(void **state)
{
	char out[RESULTS_MAX];
	struct verdict verdict;
	struct parsed parsed;

	(void)state;
	fields_good(&verdict);
	verdict.crl_soft_fail = verdict.pinned = true;
	assert_true(results_authres(&verdict, ID, false, out));
	must_parse("comments", out, &parsed);
	assert_non_null(strstr(out, "(revocation not checked)"));
	assert_non_null(strstr(out, "(pinned certificate)"));
	results_verified(&verdict, false, false, out);
	assert_non_null(strstr(out, "; pinned=yes;"));
	assert_non_null(strstr(out, "revocation=unchecked"));
}

/* sampul-verified-sender(5) has every reason as it is, under its state. */
static void
test_manual(void **state)
{
	char heading[64], item[256];
	struct verdict verdict;
	const char *section, *end, *at;
	char *text;
	size_t len;
	int i;

	(void)state;
	text = read_whole("milter/sampul-verified-sender.5", &len);
	for (i = 0; i < VERIFY_REASONS; i++) {
		memset(&verdict, 0, sizeof(verdict));
		verdict.reason = (enum verify_reason)i;
		verdict.word = verify_reason_verdict(verdict.reason);
		verdict.silent = i == VERIFY_ENCRYPTED ||
		    i == VERIFY_COMPRESSED || i == VERIFY_OPENPGP;
		snprintf(heading, sizeof(heading), ".Cm %s :\n",
		    results_state(&verdict));
		snprintf(item, sizeof(item), "\n.It Cm %s Pq %s\n%s\n.br\n%s\n",
		    verify_reason_word(verdict.reason), verdict.silent ? "-" :
		    verdict_word_text(verdict.word),
		    verify_reason_text(verdict.reason, false),
		    verify_reason_text(verdict.reason, true));
		section = strstr(text, heading);
		end = section == NULL ? NULL : strstr(section, ".El\n");
		at = strstr(text, item);
		if (at == NULL || end == NULL || at < section || at > end)
			fail_msg("the manual lacks, under %s:%s",
			    results_state(&verdict), item);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hdr03),
		cmocka_unit_test(test_hdr16),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_hdr04),
		cmocka_unit_test(test_hdr18),
		cmocka_unit_test(test_hdr07),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
