/*
 * test_encode.c - base64 and quoted-printable, and both wrapped anew.
 */
#include <sys/wait.h>

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../smime/octets.h"

#define A10	"aaaaaaaaaa"
#define A70	A10 A10 A10 A10 A10 A10 A10
#define A75	A70 "aaaaa"

struct text {
	unsigned char	*buf;
	size_t		 len;
};

static int
collect(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	text->buf = realloc(text->buf, text->len + len + 1);
	assert_non_null(text->buf);
	memcpy(text->buf + text->len, buf, len);
	text->len += len;
	text->buf[text->len] = '\0';
	return 0;
}

/* Encodes in pieces of step octets, the first of them of first. */
static struct text
encode(enum encoder_kind kind, const void *input, size_t len, size_t first,
    size_t step, bool final_crlf)
{
	const unsigned char *p = input;
	struct text out = { calloc(1, 1), 0 };
	struct encoder enc;
	size_t n = first;

	encoder_init(&enc, kind, collect, &out);
	for (; len > 0; p += n, len -= n, n = step) {
		n = n < len ? n : len;
		assert_int_equal(encoder_write(&enc, p, n), 0);
	}
	assert_int_equal(encoder_finish(&enc, final_crlf), 0);
	return out;
}

#define TEXT(s)	s, sizeof(s) - 1

static const struct {
	const char	*what;
	enum encoder_kind kind;
	const char	*input;
	size_t		 len;
	const char	*want;
} cases[] = {
	/* RFC 4648 10. */
	{ "nothing", ENCODE_BASE64, TEXT(""), "" },
	{ "f", ENCODE_BASE64, TEXT("f"), "Zg==\r\n" },
	{ "fo", ENCODE_BASE64, TEXT("fo"), "Zm8=\r\n" },
	{ "foo", ENCODE_BASE64, TEXT("foo"), "Zm9v\r\n" },
	{ "foobar", ENCODE_BASE64, TEXT("foobar"), "Zm9vYmFy\r\n" },
	{ "NUL and 8 bit (SIG-16)", ENCODE_BASE64, TEXT("\0\377\0"),
	    "AP8A\r\n" },
	{ "a full line", ENCODE_BASE64,
	    TEXT(A10 A10 A10 A10 A10 "aaaaaaa"),
	    "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
	    "YWFhYWFhYWFh\r\n" },
	{ "a full line and one", ENCODE_BASE64,
	    TEXT(A10 A10 A10 A10 A10 "aaaaaaaa"),
	    "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
	    "YWFhYWFhYWFh\r\nYQ==\r\n" },

	{ "plain text", ENCODE_QP, TEXT("halo\r\ndunia"), "halo\r\ndunia" },
	{ "empty lines", ENCODE_QP, TEXT("\r\n\r\n"), "\r\n\r\n" },
	{ "8 bit (SIG-11)", ENCODE_QP, TEXT("caf\303\251\r\n"),
	    "caf=C3=A9\r\n" },
	{ "equals sign", ENCODE_QP, TEXT("a=b\r\n"), "a=3Db\r\n" },
	{ "trailing space (SIG-15)", ENCODE_QP, TEXT("a \r\nb\t\r\n \r\n"),
	    "a=20\r\nb=09\r\n=20\r\n" },
	{ "only the last of several", ENCODE_QP, TEXT("a  \t \r\n"),
	    "a  \t=20\r\n" },
	{ "trailing space at the end", ENCODE_QP, TEXT("a "), "a=20" },
	{ "From (SIG-15)", ENCODE_QP, TEXT("From x\r\nFromx\r\n From \r\n"),
	    "=46rom x\r\nFromx\r\n From=20\r\n" },
	{ "From at the end", ENCODE_QP, TEXT("From "), "=46rom=20" },
	{ "dot (SIG-15)", ENCODE_QP, TEXT(".\r\n..\r\n.a\r\n."),
	    "=2E\r\n..\r\n.a\r\n=2E" },
	{ "bare CR and LF (SIG-10)", ENCODE_QP, TEXT("a\rb\nc\r\r\n\n\r"),
	    "a=0Db=0Ac=0D\r\n=0A=0D" },
	{ "control characters", ENCODE_QP, TEXT("\0\1\t\177x"),
	    "=00=01\t=7Fx" },
	{ "75 columns", ENCODE_QP, TEXT(A75 "\r\n"), A75 "\r\n" },
	{ "76 columns", ENCODE_QP, TEXT(A75 "b\r\n"), A75 "=\r\nb\r\n" },
	{ "no broken escape", ENCODE_QP, TEXT(A70 "aaa\351\r\n"),
	    A70 "aaa=\r\n=E9\r\n" },
	{ "escape that fits", ENCODE_QP, TEXT(A70 "aa\351\r\n"),
	    A70 "aa=E9\r\n" },
	{ "a broken line makes no From line", ENCODE_QP,
	    TEXT(A75 "From here"), A75 "=\r\n=46rom here" },
	{ "nor a dot", ENCODE_QP, TEXT(A75 ".\r\n"), A75 "=\r\n=2E\r\n" },
	{ "nor a boundary (ATK-29)", ENCODE_QP, TEXT(A75 "--b\r\n"),
	    A75 "=\r\n=2D-b\r\n" },
	{ "dashes at a line's start", ENCODE_QP, TEXT("--b\r\n-b\r\n-"),
	    "=2D-b\r\n-b\r\n-" },
	{ "a mail's signature", ENCODE_QP, TEXT("-- \r\nBudi\r\n"),
	    "--=20\r\nBudi\r\n" },

	{ "long line", REWRAP_BASE64, TEXT(A75 "AA"), A75 "A\r\nA\r\n" },
	{ "junk goes (ATK-31)", REWRAP_BASE64,
	    TEXT("QU\351 J\tD\n\r\0-_!\r\nRA==\r\n"), "QUJDRA==\r\n" },
	{ "nothing but junk", REWRAP_BASE64, TEXT("\r\n \r\n"), "" },

	{ "valid text stays", REWRAP_QP, TEXT("a=C3=a9=\r\nb=3D\r\n"),
	    "a=C3=a9=\r\nb=3D\r\n" },
	{ "8 bit in it", REWRAP_QP, TEXT("=C3\251\r\n"), "=C3=A9\r\n" },
	{ "long line", REWRAP_QP, TEXT(A75 "=41\r\n"),
	    A75 "=\r\n=41\r\n" },
	{ "escape over the edge", REWRAP_QP, TEXT(A70 "aaa=41\r\n"),
	    A70 "aaa=\r\n=41\r\n" },
	{ "soft break at the edge", REWRAP_QP, TEXT(A75 "=\r\nb"),
	    A75 "=\r\nb" },
	{ "no escape (ATK-31)", REWRAP_QP, TEXT("=zz =4 =\351"),
	    "=3Dzz =3D4 =3D=E9" },
	{ "padded soft break", REWRAP_QP, TEXT("a= \t\r\nb"), "a=\r\nb" },
	{ "soft break by LF alone", REWRAP_QP, TEXT("a=\nb\nc"),
	    "a=\r\nb=0Ac" },
	{ "ends in a soft break", REWRAP_QP, TEXT("a="), "a=" },
	{ "trailing space", REWRAP_QP, TEXT("a \r\n"), "a=20\r\n" },
	{ "From and dot", REWRAP_QP, TEXT("From a\r\n.\r\n"),
	    "=46rom a\r\n=2E\r\n" },
};

static void
check(size_t i, size_t first, size_t step)
{
	struct text out = encode(cases[i].kind, cases[i].input, cases[i].len,
	    first, step, true);

	if (out.len != strlen(cases[i].want) ||
	    memcmp(out.buf, cases[i].want, out.len) != 0)
		fail_msg("%s, cut at %zu by %zu:\ngot  %s\nwant %s",
		    cases[i].what, first, step, out.buf, cases[i].want);
	free(out.buf);
}

static void
test_table(void **state)
{
	size_t i, first;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(i, cases[i].len + 1, 1);
		check(i, 1, 1);
		check(i, 3, 2);
		for (first = 1; first < cases[i].len; first++)
			check(i, first, cases[i].len);
	}
}

static void
test_no_final_crlf(void **state)
{
	struct text out;

	(void)state;
	out = encode(ENCODE_BASE64, "foo", 3, 3, 3, false);
	assert_string_equal(out.buf, "Zm9v");
	free(out.buf);
	out = encode(REWRAP_BASE64, "Zm9v\r\n", 6, 6, 6, false);
	assert_string_equal(out.buf, "Zm9v");
	free(out.buf);
}

static int
stop(void *arg, const unsigned char *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return -1;
}

/* A sink that fails is heard of, by finish at the latest. */
static void
test_sink_fails(void **state)
{
	static const char line[] = "one \303\251 line \r\n";
	struct encoder enc;
	int kind, i, rc;

	(void)state;
	for (kind = ENCODE_BASE64; kind <= REWRAP_QP; kind++) {
		encoder_init(&enc, (enum encoder_kind)kind, stop, NULL);
		for (i = rc = 0; i < 2000 && rc == 0; i++)
			rc = encoder_write(&enc, line, sizeof(line) - 1);
		assert_int_equal(rc, -1);
		encoder_init(&enc, (enum encoder_kind)kind, stop, NULL);
		encoder_write(&enc, line, sizeof(line) - 1);
		assert_int_equal(encoder_finish(&enc, true), -1);
	}
}

static void
write_file(const char *dir, int number, const char *suffix, const void *buf,
    size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d.%s", dir, number, suffix);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(buf, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
remove_file(const char *dir, int number, const char *suffix)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%d.%s", dir, number, suffix);
	unlink(path);
}

/* Octets that meet the rules often; the same in every run. */
static size_t
make_text(unsigned char *buf, size_t max, uint32_t seed)
{
	static const char *const words[] = { " ", "\t", "\r\n", "From ", ".",
	    "-", "=", "kata", "\303\251", "\r", "\n", "\r\n.\r\n", "--x",
	    A70, " \r\n", "sebuah kalimat", "=3D", "\351\002\177" };
	size_t len = 0, n;
	const char *word;

	while (len + 80 < max) {
		seed = seed * 1664525 + 1013904223;
		if ((seed >> 24) % 16 == 0) {
			buf[len++] = (unsigned char)(seed >> 16);
			continue;
		}
		word = words[(seed >> 16) % (sizeof(words) /
		    sizeof(words[0]))];
		n = strlen(word);
		memcpy(buf + len, word, n);
		len += n;
	}
	return len;
}

/*
 * What is taken sixteen octets at a time is as what is taken one by one: fed so,
 * the encoder has no more than it needs in view.
 */
static void
test_whole_as_in_pieces(void **state)
{
	unsigned char buf[6000];
	struct text whole, pieces;
	size_t len;
	int i, kind;

	(void)state;
	for (i = 0; i < 400; i++) {
		len = make_text(buf, 100 + (size_t)i * 14, (uint32_t)i);
		for (kind = ENCODE_BASE64; kind <= REWRAP_QP; kind++) {
			whole = encode((enum encoder_kind)kind, buf, len, len,
			    1, false);
			pieces = encode((enum encoder_kind)kind, buf, len, 1,
			    1, false);
			assert_int_equal(whole.len, pieces.len);
			assert_memory_equal(whole.buf, pieces.buf, whole.len);
			free(whole.buf);
			free(pieces.buf);
		}
	}
}

/* A second opinion: Python decodes what we encoded. */
static void
test_python_decodes(void **state)
{
	char dir[] = "/tmp/test_encode.XXXXXX";
	char python[] = "/usr/bin/python3";
	char script[] = "tests/unit/encode_compare.py";
	char *argv[] = { python, script, dir, NULL };
	char *envp[] = { NULL };
	unsigned char buf[6000];
	struct text out;
	int i, status;
	size_t len;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < 200; i++) {
		len = make_text(buf, 100 + (size_t)i * 29, (uint32_t)i);
		write_file(dir, i, "in", buf, len);
		out = encode(ENCODE_QP, buf, len, 7, 1 + (size_t)i, false);
		write_file(dir, i, "qp", out.buf, out.len);
		free(out.buf);
		out = encode(ENCODE_BASE64, buf, len, 7, 1 + (size_t)i, true);
		write_file(dir, i, "b64", out.buf, out.len);
		free(out.buf);
	}
	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, envp), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (i = 0; i < 200; i++) {
		remove_file(dir, i, "in");
		remove_file(dir, i, "qp");
		remove_file(dir, i, "b64");
	}
	rmdir(dir);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_no_final_crlf),
		cmocka_unit_test(test_sink_fails),
		cmocka_unit_test(test_whole_as_in_pieces),
		cmocka_unit_test(test_python_decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
