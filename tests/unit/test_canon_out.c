/*
 * test_canon_out.c - what a canonical form gives out: a boundary that is
 * nowhere in it, and the same octets each time or none to the end.
 *
 * RAND_bytes and pread are ours here: random octets that can be foreseen, and a
 * spool file that says something else from one reading to the next.
 */
#include <sys/syscall.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../smime/entity.h"
#include "../../smime/octets.h"
#include "../../smime/smime.h"
#include "foreseen.h"

/* ------------------------------------------------------------ replaced --- */

static off_t	spoil_at = -1;	/* an octet there differs */
static bool	swapped;	/* two pieces have changed places */

ssize_t	pread(int, void *, size_t, off_t);

ssize_t
pread(int fd, void *buf, size_t len, off_t offset)
{
	ssize_t n;
	char *p = buf, octet;

	n = syscall(SYS_pread64, fd, buf, len, offset);
	if (n > 0 && spoil_at >= offset && spoil_at < offset + n)
		p[spoil_at - offset] ^= 1;
	if (swapped && n > 41 && offset == 0) {
		octet = p[0];
		p[0] = p[41];
		p[41] = octet;
	}
	return n;
}

/* ------------------------------------------------------------- helpers --- */

/* Takes the message in pieces of so many octets, the body in a file. */
static struct canon *
take(const char *content_type, const char *body, size_t len, size_t piece)
{
	struct canon_settings settings;
	struct header_list header = { 0 };
	struct smime_error err = { "" };
	struct canon_result result;
	struct canon *canon;
	size_t at, n;

	canon_settings_init(&settings);
	settings.spool_dir = "/tmp";
	settings.spool_memory = 0;
	assert_int_equal(header_add(&header, "Content-Type", 12, content_type,
	    strlen(content_type), 0, &err), 0);
	canon = canon_new(&settings, &header, SMIME_SHA256, &err);
	header_clear(&header);
	if (canon == NULL)
		fail_msg("%s", err.text);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (canon_body(canon, body + at, n, &err) != 0)
			fail_msg("%s", err.text);
	}
	if (canon_finish(canon, &result, &err) != 0)
		fail_msg("%s", err.text);
	return canon;
}

static int
count_sink(void *arg, const unsigned char *buf, size_t len)
{
	(void)buf;
	*(size_t *)arg += len;
	return 0;
}

/* ---------------------------------------------------------- boundaries --- */

#define PLAIN	" text/plain; charset=us-ascii"
#define UTF8	" text/plain; charset=utf-8"
#define PARTLY	"=_0000000000000000000000000000000"

/* SIG-22: found wherever it stands and wherever pieces end. */
static void
test_boundary(void **state)
{
	static const struct {
		const char	*what;
		const char	*type;
		const char	*body;
		bool		 taken;		/* the boundary is not there */
	} rows[] = {
		{ "in a line", PLAIN, "abc --" ZEROS "\r\nand so on, for a "
		    "while longer\r\n", false },
		{ "at the end", PLAIN, "abc\r\n" ZEROS, false },
		{ "at the start", PLAIN, ZEROS "\r\n", false },
		{ "its first octets", PLAIN, "\r\n" PARTLY " " PARTLY "\r\n",
		    true },
		/* Encoded anew, '=' is no '=' any more. */
		{ "before it is encoded", UTF8, "\303\251 " ZEROS "\r\n",
		    true },
		{ "in the Content-Type", PLAIN "; x=\"" ZEROS "\"", "a\r\n",
		    false },
		{ "in that of text encoded anew", UTF8 "; x=\"" ZEROS "\"",
		    "\303\251\r\n", false },
	};
	struct smime_error err = { "" };
	char text[BOUNDARY_LEN + 1];
	struct canon *canon;
	size_t i, piece;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (piece = 1; piece <= strlen(rows[i].body); piece++) {
			/* Chosen at the start, and for a second pass. */
			foreseen_random = strcmp(rows[i].type, PLAIN) == 0 ||
			    strncmp(rows[i].type, UTF8, strlen(UTF8)) != 0 ?
			    1 : 2;
			canon = take(rows[i].type, rows[i].body,
			    strlen(rows[i].body), piece);
			foreseen_random = 0;
			if (canon_boundary(canon, text, &err) != 0)
				fail_msg("%s: %s", rows[i].what, err.text);
			if ((strcmp(text, ZEROS) == 0) != rows[i].taken)
				fail_msg("%s, pieces of %zu: got %s",
				    rows[i].what, piece, text);
			canon_free(canon);
		}
}

static void
test_no_boundary(void **state)
{
	static const struct {
		const char	*what;
		int		 random;
		const char	*want;
	} rows[] = {
		{ "the same for ever", 9,
		    "every boundary is found in the message" },
		{ "no random octets", -1, "no random octets" },
	};
	static const char body[] = ZEROS "\r\n";
	char text[BOUNDARY_LEN + 1];
	struct canon *canon;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smime_error err = { "" };

		foreseen_random = 1;
		canon = take(PLAIN, body, strlen(body), 7);
		foreseen_random = rows[i].random;
		if (canon_boundary(canon, text, &err) != -1)
			fail_msg("%s: %s", rows[i].what, text);
		if (strncmp(err.text, rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("%s: got \"%s\"", rows[i].what, err.text);
		foreseen_random = 0;
		canon_free(canon);
	}
}

/* ------------------------------------------------------- read once more --- */

/* SIG-21: as it came, and encoded anew. */
static void
test_changed(void **state)
{
	static const char *const types[] = { PLAIN, UTF8 };
	static const char *const lines[] = { "Yth. Kepala Dinas, terlampir.\r\n",
	    "Yth. Kepala Dinas \342\200\223 terlampir.\r\n" };
	struct smime_error err;
	struct canon *canon;
	size_t i, at, len, wrote;
	char *body;

	(void)state;
	for (i = 0; i < 2; i++) {
		len = 5000 * strlen(lines[i]);
		body = malloc(len);
		for (at = 0; at < len; at++)
			body[at] = lines[i][at % strlen(lines[i])];
		canon = take(types[i], body, len, 4096);
		/* The last octets have not gone to the file. */
		for (at = 0; at < len / 2; at += len / 10) {
			err.text[0] = '\0';
			spoil_at = (off_t)at;
			wrote = 0;
			assert_int_equal(canon_write(canon, count_sink, &wrote,
			    &err), -1);
			assert_string_equal(err.text, "the message read back "
			    "is not the one that was signed");
		}
		spoil_at = -1;
		swapped = true;
		wrote = 0;
		assert_int_equal(canon_write(canon, count_sink, &wrote, &err),
		    -1);
		swapped = false;
		wrote = 0;
		assert_int_equal(canon_write(canon, count_sink, &wrote, &err),
		    0);
		assert_int_equal(wrote, canon_size(canon));
		canon_free(canon);
		free(body);
	}
}

/* ------------------------------------------------------------ checksum --- */

static void
sum_of(const unsigned char *p, size_t len, size_t piece, struct checksum *out)
{
	size_t at, n;

	checksum_begin(out);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		checksum_add(out, p + at, n);
	}
}

/* However it is cut; and no octet, no length and no order is the same. */
static void
test_checksum(void **state)
{
	unsigned char octets[200];
	struct checksum whole, other;
	size_t i, len, piece;

	(void)state;
	for (i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)(i * 37);
	for (len = 0; len < sizeof(octets); len++) {
		sum_of(octets, len, sizeof(octets), &whole);
		for (piece = 1; piece <= 70; piece++) {
			sum_of(octets, len, piece, &other);
			assert_true(checksum_equal(&whole, &other));
		}
		sum_of(octets, len + 1, 9, &other);
		assert_false(checksum_equal(&whole, &other));
		for (i = 0; i < len; i++) {
			octets[i] ^= 0x40;
			sum_of(octets, len, 33, &other);
			assert_false(checksum_equal(&whole, &other));
			octets[i] ^= 0x40;
		}
	}
	sum_of(octets, 128, 128, &whole);
	for (i = 0; i < 32; i++) {	/* two blocks change places */
		octets[i] ^= octets[i + 64];
		octets[i + 64] ^= octets[i];
		octets[i] ^= octets[i + 64];
	}
	sum_of(octets, 128, 128, &other);
	assert_false(checksum_equal(&whole, &other));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_no_boundary),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
