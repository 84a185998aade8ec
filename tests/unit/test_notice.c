/*
 * test_notice.c - delivery status notifications: whatever they are made from,
 * they are 7-bit, in short lines, of the three parts of RFC 3464, and tell
 * nothing that is to be kept; notice_read.py reads them back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/notice.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"
#include "fixture.h"
#include "output.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define X10(s)	s s s s s s s s s s
#define HEADER								\
	"Message-ID: <1@dinkes.pekalongankab.go.id>\n"			\
	"From: Budi <" BUDI ">\nTo: sri@example.org\n"			\
	"Bcc: siti@example.org\nSubject: rahasia besar\n"		\
	"Thread-Topic: rahasia besar\nX-Other: rahasia besar\n"	\
	"Content-Type: text/plain; name=\"rahasia besar\"\n"

static const struct row {
	const char		*what;
	const char		*sender;
	const char		*recipient;
	enum plan_why		 why;
	enum cert_problem	 problem;
	bool			 confidential;
	const char		*header;
	const char		*want[4];	/* there, in this order */
	const char		*not[4];	/* nowhere */
} rows[] = {
	{ "plain", BUDI, "sri@example.org", WHY_NO_RECIPIENT, CERT_OK, false,
	    HEADER, { "\r\nTo: <" BUDI ">\r\n", "\r\nIn-Reply-To: "
	    "<1@dinkes.pekalongankab.go.id>\r\n", "\r\nFinal-Recipient: "
	    "rfc822; sri@example.org\r\nAction: failed\r\nStatus: 5.7.1\r\n"
	    "Diagnostic-Code: x-sampul; no certificate\r\n",
	    "\r\nSubject: rahasia besar\r\n" }, { "siti@", "Bcc:" } },
	{ "confidential", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_EXPIRED, true, HEADER, { "x-sampul; expired\r\n",
	    "From: Budi" }, { "siti@", "Bcc:", "rahasia besar",
	    "Thread-Topic" } },
	{ "hidden", BUDI, "sri@example.org", WHY_HIDDEN_RECIPIENT, CERT_OK,
	    true, HEADER, { "x-sampul; hidden recipient\r\n" }, { NULL } },
	{ "no header at all", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_REVOKED, false, "", { "x-sampul; revoked\r\n" },
	    { "In-Reply-To" } },
	{ "address in UTF-8", BUDI, "b\xc5\xab" "di+a@sl\xc3\xa4p.example",
	    WHY_NO_RECIPIENT, CERT_OK, false, HEADER, { "utf-8; b\\x{16B}di"
	    "\\x{2B}a@sl\\x{E4}p.example\r\n" }, { NULL } },
	{ "sender in UTF-8", "b\xc5\xab" "di@dinkes.pekalongankab.go.id",
	    "sri@example.org", WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "\r\nTo: =?UTF-8?Q?b=C5=ABdi=40", "?= :;\r\n" }, { NULL } },
	{ "address with a line end", BUDI,
	    "sri@example.org\r\nBcc: eve@example.org\r\n\r\nx",
	    WHY_NO_RECIPIENT, CERT_OK, false, HEADER, { "rfc822; "
	    "sri@example.org??Bcc: eve@example.org????x\r\n" }, { NULL } },
	{ "sender with a line end", "budi@a.example\r\nBcc: <eve@example.org>",
	    "sri@example.org", WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "\r\nTo: =?UTF-8?Q?budi=40a=2Eexample=3F=3FBcc" },
	    { "\r\nBcc", "eve@" } },
	{ "sender with specials", "\"a>, <b\"@a.example", "\"a b\"@x.example",
	    WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "?= :;\r\n", "rfc822; \"a b\"@x.example\r\n" }, { NULL } },
	{ "not UTF-8", BUDI, "s\xffri@example.org", WHY_NO_RECIPIENT, CERT_OK,
	    false, HEADER, { "rfc822; s?ri@example.org\r\n" }, { NULL } },
	{ "turned text", BUDI, "s\xe2\x80\xaeri@example.org",
	    WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "s?ri@example.org\r\n", "utf-8; s\\x{202E}ri@" }, { NULL } },
	{ "long addresses", X10(X10("budi")) "@a.example",
	    X10(X10("sri.")) X10(X10("sri.")) X10(X10("sri.")) "@a.example",
	    WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "?=\r\n =?UTF-8?Q?", "..." }, { NULL } },
	{ "long address in UTF-8", BUDI, X10(X10("\xd0\xb4\xc3\xa4"))
	    "@a.example", WHY_NO_RECIPIENT, CERT_OK, false, HEADER,
	    { "rfc822; ????" }, { NULL } },
	{ "header in UTF-8", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Subject: ra\xc5\xabhasia\n", { "text/rfc822-"
	    "headers; charset=utf-8\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n", "Subject: ra=C5=ABhasia" }, { NULL } },
	{ "header in nothing", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Subject: ra\xffhasia\n",
	    { "charset=unknown-8bit\r\n", "ra=FFhasia" }, { NULL } },
	{ "header with long lines", BUDI, "sri@example.org",
	    WHY_NO_RECIPIENT, CERT_OK, false, "X-A: " X10(X10("0123456789"))
	    X10(X10("0123456789")) "\n", { "quoted-printable\r\n",
	    "X-A: 0123" }, { "unknown-8bit" } },
	{ "header with a boundary", BUDI, "sri@example.org",
	    WHY_NO_RECIPIENT, CERT_OK, false,
	    "--=_65000000.4ABC: x\n--=_65000000.4ABC--: x\n",
	    { "quoted-printable\r\n", "=2D-=3D_65000000.4ABC: x" }, { NULL } },
	{ "folds and a bare CR", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Subject: a\n b\nX-B: c\rBcc: d\n",
	    { "Subject: a\r\n b\r\n", "X-B: cBcc: d\r\n" }, { NULL } },
	{ "odd Message-ID", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Message-ID: <a b@c>\n", { "<a b@c>" },
	    { "In-Reply-To" } },
	{ "folded Message-ID", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Message-ID:\n <a@b>\n",
	    { "\r\nIn-Reply-To: <a@b>\r\n" }, { NULL } },
	{ "the mark that came", BUDI, "sri@example.org", WHY_NO_RECIPIENT,
	    CERT_OK, false, "Sampul-Copy: 1234\n", { "Sampul-Copy: 0aff\r\n" },
	    { "1234" } },
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static void
make(const struct row *row, enum language language, struct output *out)
{
	struct smime_error err = { "" };
	struct header_list header;
	struct notice_recipient recipients[2] = {
		{ row->recipient, row->why, row->problem },
		{ "other@example.net", WHY_NO_RECIPIENT, CERT_KEY_USAGE },
	};
	struct notice notice = { .language = language, .help = "bantuan "
	    "\xc5\xab\r\nx", .hostname = "mx.example\r\n", .from =
	    "mailer-daemon@mx.example", .sender = row->sender,
	    .field = "Sampul-Copy", .token = "0aff",
	    .arrived = 1694498816, .now = 0x65000000,
	    .recipients = recipients, .count = 2, .header = &header,
	    .confidential = row->confidential };

	notice.queue_id = "4A\r\nBC";
	fixture_header(&header, row->header);
	memset(out, 0, sizeof(*out));
	if (notice_write(&notice, output_take, out, &err) == -1)
		fail_msg("%s: %s", row->what, err.text);
	assert_int_equal(strlen(out->text), out->len);
	header_clear(&header);
}

/* What holds of every one of them. */
static void
check_form(const struct row *row, const struct output *out)
{
	const char *line, *p;

	for (line = p = out->text; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x7f || (*p < 0x20 &&
		    strchr("\t\r\n", *p) == NULL) || (*p == '\r') !=
		    (p[1] == '\n'))
			fail_msg("%s: octet %02x at %zu of:\n%s", row->what,
			    (unsigned char)*p, (size_t)(p - out->text),
			    out->text);
		if (*p != '\n')
			continue;
		if (p - line > 900)
			fail_msg("%s: a line of %zu octets", row->what,
			    (size_t)(p - line));
		line = p + 1;
	}
	if (line != p)
		fail_msg("%s: does not end in a line end", row->what);
}

static void
test_rows(void **state)
{
	struct output out;
	const char *at;
	size_t i, k;

	(void)state;
	for (i = 0; i < ROWS * 2; i++) {
		const struct row *row = &rows[i / 2];

		make(row, i % 2 == 0 ? LANGUAGE_ID : LANGUAGE_EN, &out);
		check_form(row, &out);
		for (at = out.text, k = 0; k < 4 && row->want[k] != NULL; k++)
			if ((at = strstr(at, row->want[k])) == NULL)
				fail_msg("%s: not there: \"%s\" in\n%s",
				    row->what, row->want[k], out.text);
		for (k = 0; k < 4 && row->not[k] != NULL; k++)
			if (strstr(out.text, row->not[k]) != NULL)
				fail_msg("%s: is there: \"%s\" in\n%s",
				    row->what, row->not[k], out.text);
		free(out.text);
	}
}

/* Every reason has a sentence in either language, of printable ASCII. */
static void
test_sentences(void **state)
{
	struct notice_recipient recipient = { "a@b", WHY_NO_RECIPIENT, 0 };
	const char *p;
	int i, language;

	(void)state;
	for (language = 0; language < 2; language++) {
		for (i = 0; i < NOTICE_SENTENCES; i++)
			for (p = notice_say((enum language)language,
			    (enum notice_sentence)i); *p != '\0'; p++)
				assert_true((*p >= 0x20 && *p < 0x7f) ||
				    strchr("\r\n", *p) != NULL);
		for (i = 0; i <= CERT_CRL_STALE; i++) {
			recipient.problem = (enum cert_problem)i;
			p = notice_reason((enum language)language, &recipient);
			assert_in_range(strlen(p), 10, 70);
		}
	}
}

static int
refuse(void *arg, const unsigned char *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return -1;
}

/* Nothing is half written, and nobody answers a notification with another. */
static void
test_failures(void **state)
{
	struct smime_error err = { "" };
	struct header_list header = { 0 };
	struct notice notice = { .sender = "", .header = &header };
	struct output out = { 0 };

	(void)state;
	assert_int_equal(notice_write(&notice, output_take, &out, &err), -1);
	assert_null(out.text);
	assert_string_equal(err.text,
	    "the null sender is sent no notification");
	notice.sender = BUDI;
	assert_int_equal(notice_write(&notice, refuse, NULL, &err), -1);
	assert_int_equal(notice_write(&notice, output_take, &out, &err), 0);
	assert_non_null(strstr(out.text, "From: Pemberitahuan surel "
	    "<mailer-daemon@localhost>\r\n"));
	assert_null(strstr(out.text, "Sampul-Copy"));
	free(out.text);
}

/* A header of any size makes a notification of some. */
static void
test_bounded(void **state)
{
	struct smime_error err = { "" };
	struct header_list header = { 0 };
	struct notice notice = { .sender = BUDI, .header = &header };
	struct output out = { 0 };
	char value[2001];
	int i;

	(void)state;
	memset(value, '=', sizeof(value));
	for (i = 0; i < 1000; i++)
		assert_int_equal(header_add(&header, "X-Y", 3, value,
		    sizeof(value) - 1, 0, &err), 0);
	assert_int_equal(notice_write(&notice, output_take, &out, &err), 0);
	assert_in_range(out.len, 60000, 300000);
	header_clear(&header);
	free(out.text);
}

/* One record for notice_read.py: what, addresses, message; each with NUL. */
static void
record(FILE *fp, const struct row *row, enum language language)
{
	struct output out;

	make(row, language, &out);
	fwrite(row->what, 1, strlen(row->what) + 1, fp);
	fwrite(row->recipient, 1, strlen(row->recipient) + 1, fp);
	fwrite(out.text, 1, out.len + 1, fp);
	free(out.text);
}

static void
test_read_back(void **state)
{
	char path[] = "/tmp/sampul-notice.XXXXXX";
	int fd = mkstemp(path), status;
	FILE *fp = fdopen(fd, "w");
	size_t i;
	pid_t pid;

	(void)state;
	assert_non_null(fp);
	for (i = 0; i < ROWS * 2; i++)
		record(fp, &rows[i / 2], i % 2 == 0 ? LANGUAGE_ID :
		    LANGUAGE_EN);
	assert_int_equal(fclose(fp), 0);
	if ((pid = fork()) == 0) {
		execl("/usr/bin/python3", "python3",
		    "tests/unit/notice_read.py", path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_read_back),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
