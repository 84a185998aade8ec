/*
 * test_mime.c - Content-Type, Content-Transfer-Encoding, what a message
 * already is (SIG-23), the hp parameter (SIG-51).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/parse.h"
#include "../../smime/smime.h"

/* Parsers get a copy of the exact size, so that ASan sees over-reads. */
static char *
exact(const char *value, size_t len)
{
	char *copy = malloc(len + (len == 0));

	assert_non_null(copy);
	memcpy(copy, value, len);
	return copy;
}

static void
parse(const char *value, size_t len, struct mime_type *out)
{
	char *copy = exact(value, len);

	mime_type_parse(copy, len, out);
	free(copy);
}

#define LONG50	"01234567890123456789012345678901234567890123456789"
#define LONG250	LONG50 LONG50 LONG50 LONG50 LONG50

static const struct {
	const char	*what;
	const char	*input;
	const char	*want;		/* type/subtype, "!" before: invalid */
	const char	*boundary;
	const char	*charset;
	const char	*name;
} types[] = {
	{ "plain", "text/plain", "text/plain", "", "", "" },
	{ "case", " TEXT/Html; CharSet=UTF-8", "text/html", "", "utf-8", "" },
	{ "quoted", "text/plain; charset=\"us-ascii\"", "text/plain", "",
	    "us-ascii", "" },
	{ "no space", "multipart/mixed;boundary=a;charset=b",
	    "multipart/mixed", "a", "b", "" },
	{ "odd space", " multipart / mixed ; boundary = \"a b\" ; ",
	    "multipart/mixed", "a b", "", "" },
	{ "folded", "multipart/mixed;\n\tboundary=\n \"a\"",
	    "multipart/mixed", "a", "", "" },
	{ "fold in quotes", "multipart/mixed; boundary=\"a\n b\"",
	    "multipart/mixed", "a b", "", "" },
	{ "CRLF folds", "multipart/mixed;\r\n boundary=\"a\r\n b\"",
	    "multipart/mixed", "a b", "", "" },
	{ "comments", "(c) multipart (a(b)\\)) /mixed (x;y=z) ; (\") boundary "
	    "(q) = (r) a (s)", "multipart/mixed", "a", "", "" },
	{ "quoted pair", "multipart/mixed; boundary=\"a\\\"\\b\"",
	    "multipart/mixed", "a\"b", "", "" },
	{ "semicolon in quotes", "multipart/mixed; x=\"; boundary=no\"; "
	    "boundary=yes", "multipart/mixed", "yes", "", "" },
	{ "first wins", "multipart/mixed; boundary=a; boundary=b; "
	    "charset=c; Charset=d", "multipart/mixed", "a", "c", "" },
	{ "unquoted specials", "multipart/mixed; boundary=----=_Part:1/2?",
	    "multipart/mixed", "----=_Part:1/2?", "", "" },
	{ "trailing space of a boundary", "multipart/mixed; boundary=\"a \t\"",
	    "multipart/mixed", "a", "", "" },
	{ "missing semicolon", "text/plain charset=a name=b", "text/plain",
	    "", "a", "b" },
	{ "junk", "text/plain; foo; =x; \"y\"; charset=a; (c", "text/plain",
	    "", "a", "" },
	{ "junk with a quoted semicolon", "text/plain; a b \"; charset=no\"; "
	    "charset=yes", "text/plain", "", "yes", "" },
	{ "junk with a comment", "text/plain; a b (; charset=no); "
	    "charset=yes", "text/plain", "", "yes", "" },
	{ "empty parameters", "text/plain;;; ;charset=a;", "text/plain", "",
	    "a", "" },
	{ "empty value", "multipart/mixed; boundary=; charset=\"\"",
	    "multipart/mixed", "", "", "" },
	{ "open quote", "multipart/mixed; boundary=\"abc", "multipart/mixed",
	    "abc", "", "" },
	{ "8-bit name", "text/plain; name=\"\xc3\xa9\"; charset=\xe9",
	    "text/plain", "", "\xe9", "\xc3\xa9" },
	{ "control character", "multipart/mixed; boundary=\"a\001b\"",
	    "multipart/mixed", "", "", "" },
	{ "name of another parameter", "text/plain; xcharset=a; charsetx=b",
	    "text/plain", "", "", "" },
	{ "junk behind the type", "text/plain/x; charset=a", "text/plain",
	    "", "a", "" },
	/* RFC 2231 */
	{ "sections", "multipart/mixed; boundary*0=a; boundary*1=\"b c\"",
	    "multipart/mixed", "ab c", "", "" },
	{ "sections in another order", "multipart/mixed; boundary*1=b; "
	    "boundary*0=a", "multipart/mixed", "ab", "", "" },
	{ "a section missing", "multipart/mixed; boundary*0=a; boundary*2=c",
	    "multipart/mixed", "a", "", "" },
	{ "no first section", "multipart/mixed; boundary*1=b",
	    "multipart/mixed", "", "", "" },
	{ "extended", "multipart/mixed; boundary*=us-ascii'en'a%20%42",
	    "multipart/mixed", "a B", "", "" },
	{ "extended without charset", "multipart/mixed; boundary*=''a%4",
	    "multipart/mixed", "a%4", "", "" },
	{ "extended with one apostrophe", "multipart/mixed; boundary*=a'b",
	    "multipart/mixed", "a'b", "", "" },
	{ "mixed sections", "multipart/mixed; boundary*0*=utf-8''a%2f; "
	    "boundary*1=%2f; boundary*2*=%2f", "multipart/mixed", "a/%2f/",
	    "", "" },
	{ "plain wins over extended", "multipart/mixed; boundary*=''a; "
	    "boundary=b; boundary*0=c; boundary=d", "multipart/mixed", "b",
	    "", "" },
	{ "first of a section wins", "multipart/mixed; boundary*0=a; "
	    "boundary*0=b; boundary*1=c", "multipart/mixed", "ac", "", "" },
	{ "no section", "multipart/mixed; boundary**=a; boundary*x=b",
	    "multipart/mixed", "", "", "" },
	{ "large section", "multipart/mixed; boundary*99999999999999999=a",
	    "multipart/mixed", "", "", "" },
	{ "extended NUL", "multipart/mixed; boundary*=''a%00b",
	    "multipart/mixed", "", "", "" },
	{ "long boundary", "multipart/mixed; boundary=" LONG250,
	    "multipart/mixed", LONG250, "", "" },
	{ "overlong boundary", "multipart/mixed; boundary=\"" LONG250
	    "123456\"; charset=a", "multipart/mixed", "", "a", "" },
	{ "overlong in sections", "multipart/mixed; boundary*0=" LONG250
	    "; boundary*1=123456", "multipart/mixed", "", "", "" },
	{ "overlong charset", "text/plain; charset=" LONG50 LONG50,
	    "text/plain", "", "", "" },
	{ "long name is cut", "text/plain; name=" LONG250 "123456.p7m",
	    "text/plain", "", "", LONG250 "12345" },
	/* none */
	{ "empty", "", "!text/plain", "", "", "" },
	{ "white space", " \n ", "!text/plain", "", "", "" },
	{ "no slash", "text; charset=a", "!text/plain", "", "", "" },
	{ "no subtype", "multipart/; boundary=a", "!text/plain", "", "", "" },
	{ "no type", "/plain", "!text/plain", "", "", "" },
	{ "parameter", "charset=a", "!text/plain", "", "", "" },
	{ "quoted type", "\"text/plain\"", "!text/plain", "", "", "" },
	{ "open comment", "(text/plain", "!text/plain", "", "", "" },
	{ "8-bit", "te\xc3\xa9xt/plain", "!text/plain", "", "", "" },
	{ "overlong type", LONG50 LONG50 "/plain", "!text/plain", "", "", "" },
};

static void
test_types(void **state)
{
	char got[1024], want[1024], media[256];
	struct mime_type type;
	size_t i, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memset(&type, 'x', sizeof(type));
		parse(types[i].input, strlen(types[i].input), &type);
		snprintf(media, sizeof(media), "%s%s/%s", type.valid ? "" :
		    "!", type.type, type.subtype);
		snprintf(got, sizeof(got), "%s [%s] [%s] [%s]", media,
		    type.boundary, type.charset, type.name);
		snprintf(want, sizeof(want), "%s [%s] [%s] [%s]",
		    types[i].want, types[i].boundary, types[i].charset,
		    types[i].name);
		if (strcmp(got, want) != 0 ||
		    type.boundary_len != strlen(types[i].boundary)) {
			printf("%s: got %s, wanted %s\n", types[i].what, got,
			    want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static const struct {
	const char	*what;
	const char	*input;
	const char	*clear;		/* with hp="clear"; NULL none */
	bool		 has_hp;
} protected[] = {
	{ "plain", " text/plain", " text/plain;\n hp=\"clear\"", false },
	{ "parameters", "text/plain; charset=a", "text/plain; charset=a;\n "
	    "hp=\"clear\"", false },
	{ "trailing semicolon", "text/plain; charset=a ;\n ", "text/plain; "
	    "charset=a;\n hp=\"clear\"", false },
	{ "hp last (SIG-51)", "text/plain; charset=a; hp=\"cipher\"",
	    "text/plain; charset=a;\n hp=\"clear\"", true },
	{ "hp first", "text/plain; hp=clear; charset=a",
	    "text/plain; charset=a;\n hp=\"clear\"", true },
	{ "hp alone", "text/plain; HP=clear", "text/plain;\n hp=\"clear\"",
	    true },
	{ "hp twice", "text/plain; hp=a; Hp = \"b;c\" ; charset=a",
	    "text/plain ; charset=a;\n hp=\"clear\"", true },
	{ "hp on a line", "text/plain;\n hp=\"clear\";\n charset=a",
	    "text/plain;\n charset=a;\n hp=\"clear\"", true },
	{ "no line of white space", "text/plain\n ; hp=a\n ; charset=b",
	    "text/plain\n ; charset=b;\n hp=\"clear\"", true },
	{ "hp by RFC 2231", "text/plain; hp*0=cl; hp*1=ear; hp*=''x",
	    "text/plain;\n hp=\"clear\"", true },
	{ "hp with comments", "text/plain; (a) hp (b) = (c) x (d); charset=a",
	    "text/plain (d); charset=a;\n hp=\"clear\"", true },
	{ "hp in a value", "text/plain; name=\"a; hp=b\"",
	    "text/plain; name=\"a; hp=b\";\n hp=\"clear\"", false },
	{ "hp in a comment", "text/plain (; hp=b)",
	    "text/plain (; hp=b);\n hp=\"clear\"", false },
	{ "another name", "text/plain; hp-legacy-display=1; xhp=2",
	    "text/plain; hp-legacy-display=1; xhp=2;\n hp=\"clear\"", false },
	{ "unquoted specials", "multipart/mixed; boundary=----=_a:b",
	    "multipart/mixed; boundary=----=_a:b;\n hp=\"clear\"", false },
	{ "empty parameter", "text/plain;; charset=a",
	    "text/plain;; charset=a;\n hp=\"clear\"", false },
	{ "first line empty", "\n text/plain", "\n text/plain;\n hp=\"clear\"",
	    false },
	{ "8-bit is kept", "text/plain; name=\"\xc3\xa9\"",
	    "text/plain; name=\"\xc3\xa9\";\n hp=\"clear\"", false },
	/* not safely */
	{ "empty", "", NULL, false },
	{ "no type", "text", NULL, false },
	{ "missing semicolon", "text/plain charset=a", NULL, false },
	{ "junk", "text/plain; foo", NULL, false },
	{ "junk behind hp", "text/plain; hp=a; foo", NULL, true },
	{ "junk behind a value", "text/plain; name=\"a\"b", NULL, false },
	{ "junk behind the type", "text/plain/x", NULL, false },
	{ "open quote", "text/plain; name=\"a", NULL, false },
	{ "open comment", "text/plain (a", NULL, false },
	{ "backslash outside quotes", "text/plain; name=a\\b", NULL, false },
	{ "empty value", "text/plain; charset=", NULL, false },
	{ "LF that is no fold", "text/plain;\nBcc: x", NULL, false },
	{ "LF at the end", "text/plain\n", NULL, false },
	{ "CR", "text/plain;\r\n charset=a", NULL, false },
	{ "control character", "text/plain; name=\"\001\"", NULL, false },
	{ "DEL", "text/plain; name=\"\177\"", NULL, false },
	{ "line of white space", "text/plain;\n \n charset=a", NULL, false },
};

static void
test_hp(void **state)
{
	struct mime_type type;
	char *got, *copy, *without;
	size_t i, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(protected) / sizeof(protected[0]); i++) {
		copy = exact(protected[i].input, strlen(protected[i].input));
		got = mime_type_with_hp(copy, strlen(protected[i].input),
		    "clear");
		mime_type_parse(copy, strlen(protected[i].input), &type);
		if ((got == NULL) != (protected[i].clear == NULL) ||
		    (got != NULL && strcmp(got, protected[i].clear) != 0) ||
		    type.has_hp != protected[i].has_hp) {
			printf("%s: got {%s} %d, wanted {%s} %d\n",
			    protected[i].what, got ? got : "NULL",
			    type.has_hp, protected[i].clear ?
			    protected[i].clear : "NULL", protected[i].has_hp);
			failed++;
		}
		/* Removing it again gives a value without; so does nothing. */
		without = got != NULL ? mime_type_with_hp(got, strlen(got),
		    NULL) : NULL;
		if (got != NULL) {
			assert_non_null(without);
			assert_memory_equal(got, without, strlen(without));
			assert_int_equal(strlen(got) - strlen(without),
			    strlen(";\n hp=\"clear\""));
		}
		free(without);
		free(got);
		free(copy);
	}
	assert_int_equal(failed, 0);
	assert_null(mime_type_with_hp("text/plain; name=\"\0\"", 20, NULL));
}

static const struct {
	const char		*input;
	enum mime_encoding	 want;
} encodings[] = {
	{ "7bit", ENC_7BIT }, { " 8BIT ", ENC_8BIT }, { "Binary", ENC_BINARY },
	{ " Quoted-Printable", ENC_QP }, { "(a) base64 (b)", ENC_BASE64 },
	{ "\n base64\n ", ENC_BASE64 }, { "base64;", ENC_BASE64 },
	{ "base64 ; (x)", ENC_BASE64 },
	{ "", ENC_UNKNOWN }, { " ", ENC_UNKNOWN }, { "base64 x", ENC_UNKNOWN },
	{ "base 64", ENC_UNKNOWN }, { "base64,7bit", ENC_UNKNOWN },
	{ "base64; x", ENC_UNKNOWN }, { "\"base64\"", ENC_UNKNOWN },
	{ "x-uuencode", ENC_UNKNOWN }, { "7-bit", ENC_UNKNOWN },
	{ "(base64", ENC_UNKNOWN }, { "base64(", ENC_UNKNOWN },
	{ "7bit\x80", ENC_UNKNOWN }, { "7bi", ENC_UNKNOWN },
	{ "7bitt", ENC_UNKNOWN },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ENC_UNKNOWN },
};

static void
test_encodings(void **state)
{
	enum mime_encoding got;
	size_t i, failed = 0;
	char *copy;

	(void)state;
	for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		copy = exact(encodings[i].input, strlen(encodings[i].input));
		got = mime_encoding_parse(copy, strlen(encodings[i].input));
		free(copy);
		if (got != encodings[i].want) {
			printf("{%s}: got %d, wanted %d\n", encodings[i].input,
			    got, encodings[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	assert_int_equal(mime_encoding_parse("7bit\0x", 6), ENC_UNKNOWN);
}

static const struct {
	const char		*what;
	const char		*header;
	enum mime_protection	 want;
	const char		*media;
} protections[] = {
	{ "no field", "Subject: x\n", MIME_PLAIN, "text/plain" },
	{ "text", "Content-Type: TEXT/HTML\n", MIME_PLAIN, "text/html" },
	{ "unreadable", "Content-Type: signed\n", MIME_PLAIN, "text/plain" },
	{ "S/MIME", "Content-Type: multipart/signed; micalg=sha-256; "
	    "protocol=\"application/pkcs7-signature\"; boundary=a\n",
	    MIME_SIGNED, "multipart/signed" },
	{ "OpenPGP", "content-type: Multipart/Signed;\n\tprotocol=\"applicati"
	    "on/pgp-signature\"\n", MIME_SIGNED, "multipart/signed" },
	{ "signed without a protocol", "Content-Type: multipart/signed\n",
	    MIME_SIGNED, "multipart/signed" },
	{ "encrypted", "Content-Type: multipart/encrypted; boundary=a\n",
	    MIME_ENCRYPTED, "multipart/encrypted" },
	{ "pkcs7-mime", "Content-Type: application/pkcs7-mime\n", MIME_SMIME,
	    "application/pkcs7-mime" },
	{ "x-pkcs7-mime", "Content-Type: application/X-PKCS7-mime; "
	    "smime-type=enveloped-data\n", MIME_SMIME,
	    "application/x-pkcs7-mime" },
	{ "named p7m (ATK-40)", "Content-Type: application/octet-stream; "
	    "name=\"smime.P7M\"\n", MIME_SMIME, "application/octet-stream" },
	{ "named by RFC 2231", "Content-Type: application/octet-stream; "
	    "name*=utf-8''smime%2Ep7m\n", MIME_SMIME,
	    "application/octet-stream" },
	{ "file named p7m", "Content-Type: application/octet-stream\n"
	    "Content-Disposition: attachment; filename=smime.p7m\n",
	    MIME_SMIME, "application/octet-stream" },
	{ "file named p7m before the type", "Content-Disposition: (x) inline; "
	    "filename*0=smime; filename*1=\".p7m\"\n"
	    "Content-Type: application/octet-stream; name=x\n", MIME_SMIME,
	    "application/octet-stream" },
	{ "just .p7m", "Content-Type: application/octet-stream; name=.p7m\n",
	    MIME_PLAIN, "application/octet-stream" },
	{ "another name", "Content-Type: application/octet-stream; "
	    "name=smime.p7m.pdf\n", MIME_PLAIN, "application/octet-stream" },
	{ "text named p7m", "Content-Type: text/plain; name=smime.p7m\n",
	    MIME_PLAIN, "text/plain" },
	{ "mixed", "Content-Type: multipart/mixed; boundary=a; "
	    "protocol=\"application/pkcs7-signature\"\n", MIME_PLAIN,
	    "multipart/mixed" },
	{ "the second field is not believed", "Content-Type: text/plain\n"
	    "Content-Type: multipart/signed\n", MIME_PLAIN, "text/plain" },
	{ "the first is", "Content-Type: multipart/signed\n"
	    "Content-Type: text/plain\n", MIME_SIGNED, "multipart/signed" },
	{ "comments", "Content-Type: (a) multipart/(b)signed\n", MIME_SIGNED,
	    "multipart/signed" },
};

static void
test_sig23_protection(void **state)
{
	struct header_list list = { 0 };
	enum mime_protection got;
	size_t i, used, failed = 0;
	char media[200];
	bool body;

	(void)state;
	for (i = 0; i < sizeof(protections) / sizeof(protections[0]); i++) {
		assert_int_equal(header_parse(&list, protections[i].header,
		    strlen(protections[i].header), 0, &used, &body, NULL), 0);
		assert_int_equal(used, strlen(protections[i].header));
		got = mime_protection(&list);
		mime_media_type(&list, media, sizeof(media));
		if (got != protections[i].want ||
		    strcmp(media, protections[i].media) != 0) {
			printf("%s: got %d %s, wanted %d %s\n",
			    protections[i].what, got, media,
			    protections[i].want, protections[i].media);
			failed++;
		}
		header_clear(&list);
	}
	assert_int_equal(failed, 0);
	mime_media_type(&list, media, 5);
	assert_string_equal(media, "text");
}

/* Text that is cut is no boundary: whose would it be? */
static void
test_sections(void **state)
{
	char value[2048];
	struct mime_type type;
	size_t n, count;
	unsigned i;

	(void)state;
	for (count = 30; count < 40; count++) {
		n = (size_t)snprintf(value, sizeof(value), "multipart/mixed");
		for (i = 0; i < count; i++)
			n += (size_t)snprintf(value + n, sizeof(value) - n,
			    "; boundary*%u=%c", i, 'a' + (int)i % 26);
		parse(value, n, &type);
		assert_int_equal(type.boundary_len,
		    count <= PARAM_SECTIONS_MAX ? count : 0);
	}
}

/* Cut at every length and begun at every octet. */
static void
test_cut(void **state)
{
	struct mime_type type;
	size_t i, cut, len;
	char *copy, *hp;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		len = strlen(types[i].input);
		for (cut = 0; cut <= len; cut++) {
			parse(types[i].input, cut, &type);
			assert_true(type.boundary_len < sizeof(type.boundary));
			parse(types[i].input + cut, len - cut, &type);
			copy = exact(types[i].input, cut);
			hp = mime_type_with_hp(copy, cut, "clear");
			mime_encoding_parse(copy, cut);
			free(hp);
			free(copy);
		}
	}
}

/* ATK-29, ATK-31: size does not multiply. */
static void
test_large(void **state)
{
	static const char *const pieces[] = { "boundary*0=a;", "(", ";", "a=",
	    "\"", "\\", " x", "boundary*", "=", "\n ", "a=b " };
	size_t size = 300000, i, n, len;
	char *value = malloc(size);
	struct mime_type type;

	(void)state;
	assert_non_null(value);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		memcpy(value, "multipart/mixed;", 16);
		len = strlen(pieces[i]);
		for (n = 16; n + len <= size; n += len)
			memcpy(value + n, pieces[i], len);
		parse(value, n, &type);
		assert_true(type.valid);
		free(mime_type_with_hp(value, n, "clear"));
		mime_encoding_parse(value + 16, n - 16);
	}
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_hp),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_sig23_protection),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
