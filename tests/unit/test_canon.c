/*
 * test_canon.c - the canonical form: what is signed of a message, octet by
 * octet, however the body is cut.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <dirent.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "watched.h"

#define A10	"aaaaaaaaaa"
#define A100	A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define A990	A100 A100 A100 A100 A100 A100 A100 A100 A100 \
		A10 A10 A10 A10 A10 A10 A10 A10 A10

static char dir[] = "/tmp/test_canon.XXXXXX";

struct text {
	unsigned char	*buf;
	size_t		 len;
};

static int
collect(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	assert_true(len <= 65536);
	text->buf = realloc(text->buf, text->len + len + 1);
	assert_non_null(text->buf);
	memcpy(text->buf + text->len, buf, len);
	text->len += len;
	text->buf[text->len] = '\0';
	return 0;
}

/* How a message is cut: the first piece, and the others. */
struct cuts {
	size_t	 first;
	size_t	 step;		/* 0: pieces of changing sizes */
};

static void
feed(struct canon *canon, const char *body, size_t len,
    const struct cuts *cuts)
{
	struct smime_error err = { "" };
	size_t n, salt = 1, at;
	char *copy;

	for (at = 0; at < len; at += n) {
		salt = salt * 1103515245 + 12345;
		n = at == 0 ? cuts->first : cuts->step != 0 ? cuts->step :
		    (salt >> 16) % 97;
		if (n > len - at)
			n = len - at;
		/* In memory of its own, so that a step outside is seen. */
		copy = malloc(n + (n == 0));
		assert_non_null(copy);
		memcpy(copy, body + at, n);
		if (canon_body(canon, copy, n, &err) != 0)
			fail_msg("%s", err.text);
		free(copy);
	}
	assert_int_equal(canon_received(canon), len);
}

enum {
	HP = 1,		/* header protection */
	LITERAL = 2,	/* not quote_from */
	UTF8 = 4,	/* SMTPUTF8 */
	SMALL = 8,	/* 3 deep, 5 parts, headers of 200 octets */
	CIPHER = 16,	/* header confidentiality */
	HIDE = 32,	/* with the Subject */
	SHOW = 64	/* and its legacy display */
};

static void
set(struct canon_settings *settings, unsigned flags)
{
	canon_settings_init(settings);
	settings->spool_dir = dir;
	settings->header_protection = (flags & HP) != 0;
	settings->quote_from = (flags & LITERAL) == 0;
	settings->smtputf8 = (flags & UTF8) != 0;
	settings->confidential = (flags & CIPHER) != 0;
	settings->hide_subject = (flags & HIDE) != 0;
	settings->legacy_display = (flags & SHOW) != 0;
	if (flags & SMALL) {
		settings->max_depth = 3;
		settings->max_parts = 5;
		settings->max_part_header = 200;
	}
}

static struct canon *
start(const struct canon_settings *settings, const char *message, size_t len,
    size_t *used)
{
	struct header_list header = { 0 };
	struct smime_error err = { "" };
	struct canon *canon;
	bool body;

	assert_int_equal(header_parse(&header, message, len, 0, used, &body,
	    &err), 0);
	canon = canon_new(settings, &header, SMIME_SHA256, &err);
	if (canon == NULL)
		fail_msg("%s", err.text);
	header_clear(&header);		/* read, not kept */
	return canon;
}

/* The streamed digest, another one, and what is written agree. */
static void
check_digests(struct canon *canon, const struct text *entity)
{
	static const enum smime_digest digests[] = { SMIME_SHA256,
	    SMIME_SHA512, SMIME_SHA256, SMIME_SHA384 };
	unsigned char got[SMIME_DIGEST_MAX], want[EVP_MAX_MD_SIZE];
	struct smime_error err = { "" };
	size_t i;

	assert_int_equal(canon_size(canon), entity->len);
	for (i = 0; i < 4; i++) {
		if (canon_digest(canon, digests[i], got, &err) != 0)
			fail_msg("%s", err.text);
		EVP_Digest(entity->buf, entity->len, want, NULL,
		    smime_digest_md(digests[i]), NULL);
		assert_memory_equal(got, want, smime_digest_size(digests[i]));
	}
}

/* The entity of a message. */
static struct text
entity_of(const struct canon_settings *settings, const char *message,
    size_t len, const struct cuts *cuts, struct canon_result *result)
{
	struct text out = { calloc(1, 1), 0 };
	struct smime_error err = { "" };
	struct canon *canon;
	size_t used;

	canon = start(settings, message, len, &used);
	feed(canon, message + used, len - used, cuts);
	if (canon_finish(canon, result, &err) != 0 ||
	    canon_write(canon, collect, &out, &err) != 0)
		fail_msg("%s", err.text);
	check_digests(canon, &out);
	canon_free(canon);
	return out;
}

#define TEXT(s)	s, sizeof(s) - 1
#define TYPE	"Content-Type: text/plain; charset=us-ascii\r\n"
#define TYPE_HP	"Content-Type: text/plain; charset=us-ascii; hp=\"clear\"\r\n"
#define MIXED	"Content-Type: multipart/mixed; boundary=b\r\n"
#define IMAGE	"Content-Type: image/png\r\n"
#define CTE	"Content-Transfer-Encoding: "
#define SIGNED	"Content-Type: multipart/signed; boundary=s;" \
		" protocol=\"application/pkcs7-signature\"\r\n\r\n"

static const struct {
	const char	*what;
	unsigned	 flags;
	const char	*message;
	size_t		 len;
	enum canon_state state;
	const char	*want;		/* the entity */
	size_t		 want_len;
	const char	*reason;	/* a piece of it, or NULL */
} cases[] = {
	/* What needs nothing. */
	{ "no MIME (SIG-18)", 0, TEXT("Subject: x\r\n\r\nhalo\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\nhalo\r\n"), NULL },
	{ "empty body (SIG-19)", 0, TEXT("Subject: x\r\n\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\n"), NULL },
	{ "header alone (SIG-19)", 0, TEXT("Subject: x\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\n"), NULL },
	{ "no final CRLF (SIG-19)", 0, TEXT("Subject: x\r\n\r\nhalo"),
	    CANON_CLEAN, TEXT(TYPE "\r\nhalo"), NULL },
	{ "no header at all (MTA-40)", 0, TEXT("\r\nhalo\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\nhalo\r\n"), NULL },
	{ "MIME-Version alone", 0,
	    TEXT("MIME-Version: 1.0\r\n\r\nhalo\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\nhalo\r\n"), NULL },
	{ "multipart, preamble, epilogue (SIG-20)", 0,
	    TEXT(MIXED "\r\n-- pre\r\n--b\r\n\r\n--b--x\r\nhalo\r\n--b  \r\n"
	    TYPE "\r\n\r\n--b--\r\nepilogue --\r\n"), CANON_CLEAN,
	    TEXT(MIXED "\r\n-- pre\r\n--b\r\n\r\n--b--x\r\nhalo\r\n--b  \r\n"
	    TYPE "\r\n\r\n--b--\r\nepilogue --\r\n"), NULL },
	{ "line of 990", 0, TEXT("A: 1\r\n\r\n" A990 "\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\n" A990 "\r\n"), NULL },
	{ "clean but for wishes", LITERAL,
	    TEXT("A: 1\r\n\r\nFrom \r\n.\r\n"), CANON_CLEAN,
	    TEXT(TYPE "\r\nFrom \r\n.\r\n"), NULL },
	{ "already signed (SIG-23)", 0,
	    TEXT(SIGNED "--s\r\n\r\nFrom x \r\n--s\r\nContent-Type:"
	    " application/pkcs7-signature\r\n" CTE "base64\r\n\r\nAAAA\r\n"
	    "--s--\r\n"), CANON_CLEAN,
	    TEXT(SIGNED "--s\r\n\r\nFrom x \r\n--s\r\nContent-Type:"
	    " application/pkcs7-signature\r\n" CTE "base64\r\n\r\nAAAA\r\n"
	    "--s--\r\n"), NULL },

	/* Content-* fields move inside (SIG-17). */
	{ "all Content-* fields, odd case, folded, twice (SIG-17)", 0,
	    TEXT("content-type: Text/HTML;\r\n\tcharset=utf-8\r\nTo: x\r\n"
	    "Mime-Version: 1.0\r\nCONTENT-DISPOSITION: inline\r\n"
	    "Content-ID:<a@b>\r\nContent-Language: id\r\n"
	    "Content-Language: jv\r\nContent-MD5: x\r\n"
	    "content-transfer-encoding:  7BIT\r\n\r\nx\r\n"), CANON_CLEAN,
	    TEXT("content-type: Text/HTML;\r\n\tcharset=utf-8\r\n"
	    "CONTENT-DISPOSITION: inline\r\n"
	    "Content-ID:<a@b>\r\nContent-Language: id\r\n"
	    "Content-Language: jv\r\nContent-MD5: x\r\n"
	    "content-transfer-encoding:  7BIT\r\n\r\nx\r\n"), NULL },

	/* Header protection. */
	{ "fields in place (SIG-50)", HP,
	    TEXT("Received: a\r\nFrom: Budi\r\n <b@c>\r\n"
	    "Content-Type: text/html\r\nBcc: z\r\nMIME-Version: 1.0\r\n"
	    "Subject:x \r\nDate: y\r\n" CTE "7bit\r\n"
	    "DKIM-Signature: d\r\nX-Sampul-Report: r\r\n\r\nh\r\n"),
	    CANON_CLEAN,
	    TEXT("From: Budi\r\n <b@c>\r\n"
	    "Content-Type: text/html;\r\n hp=\"clear\"\r\n"
	    "Subject:x \r\nDate: y\r\n" CTE "7bit\r\n\r\nh\r\n"), NULL },
	{ "hp without MIME (SIG-18)", HP, TEXT("Subject: x\r\n\r\nh\r\n"),
	    CANON_CLEAN, TEXT("Subject: x\r\n" TYPE_HP "\r\nh\r\n"), NULL },
	{ "on the root only (SIG-51)", HP,
	    TEXT(MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n"), CANON_CLEAN,
	    TEXT("Content-Type: multipart/mixed; boundary=b;\r\n"
	    " hp=\"clear\"\r\n"
	    "\r\n--b\r\n\r\nx\r\n--b--\r\n"), NULL },
	{ "a message stays a message (SIG-52)", HP,
	    TEXT("Content-Type: message/rfc822\r\n\r\nA: 1\r\n\r\nx\r\n"),
	    CANON_CLEAN,
	    TEXT("Content-Type: message/rfc822;\r\n hp=\"clear\"\r\n\r\n"
	    "A: 1\r\n\r\nx\r\n"), NULL },
	{ "an hp that is not ours goes (SIG-51)", 0,
	    TEXT("Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n"),
	    CANON_CLEAN, TEXT("Content-Type: text/plain\r\n\r\nx\r\n"), NULL },

	/* Header confidentiality. */
	{ "what is seen outside is told inside (ENC-17)", HP | CIPHER | HIDE,
	    TEXT("Received: a\r\nFrom: Budi\r\n <b@c>\r\n"
	    "Content-Type: text/html\r\nBcc: z\r\nMIME-Version: 1.0\r\n"
	    "Subject:Rahasia \r\nKeywords: k\r\nThread-Topic: Rahasia\r\n"
	    "X-Original-Subject: r\r\nX-Mailer: m\r\nDate: y\r\n\r\nh\r\n"),
	    CANON_CLEAN,
	    TEXT("From: Budi\r\n <b@c>\r\n"
	    "Content-Type: text/html;\r\n hp=\"cipher\"\r\n"
	    "Subject:Rahasia \r\nKeywords: k\r\nThread-Topic: Rahasia\r\n"
	    "X-Original-Subject: r\r\nDate: y\r\n"
	    "HP-Outer: From: Budi\r\n <b@c>\r\n"
	    "HP-Outer: Subject: [...]\r\n"
	    "HP-Outer: Date: y\r\n\r\nh\r\n"), NULL },
	{ "Subject open (ENC-18)", HP | CIPHER,
	    TEXT("Subject: x\r\nComments: c\r\nThread-Topic: x\r\n\r\nh\r\n"),
	    CANON_CLEAN, TEXT("Subject: x\r\nComments: c\r\n"
	    "Thread-Topic: x\r\nHP-Outer: Subject: x\r\n"
	    "HP-Outer: Thread-Topic: x\r\n"
	    "Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"\r\n"
	    "\r\nh\r\n"), NULL },
	{ "two Subjects are hidden as one", HP | CIPHER | HIDE,
	    TEXT("Subject: x\r\nSUBJECT: y\r\n\r\nh\r\n"),
	    CANON_CLEAN, TEXT("Subject: x\r\nSUBJECT: y\r\n"
	    "HP-Outer: Subject: [...]\r\n"
	    "Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"\r\n"
	    "\r\nh\r\n"), NULL },
	{ "not without header protection", CIPHER | HIDE,
	    TEXT("Subject: x\r\nKeywords: k\r\n\r\nh\r\n"),
	    CANON_CLEAN, TEXT(TYPE "\r\nh\r\n"), NULL },

	/* The legacy display element (ENC-19). */
#define SHOWN	(HP | CIPHER | HIDE | SHOW)
#define TOLD(s)	"Subject: " s "\r\nHP-Outer: Subject: [...]\r\n"
#define LEGACY	";\r\n hp-legacy-display=\"1\"\r\n"
#define DIV(s)	"<div class=\"header-protection-legacy-display\"><pre>Subject: " \
	s "</pre></div>\r\n"
	{ "in a text without MIME", SHOWN,
	    TEXT("Subject: Rapat\r\n\r\nhalo\r\n"), CANON_REENCODED,
	    TEXT(TOLD("Rapat") "Content-Type: text/plain; charset=us-ascii; "
	    "hp=\"cipher\"; hp-legacy-display=\"1\"\r\n\r\n"
	    "Subject: Rapat\r\n\r\nhalo\r\n"), NULL },
	{ "none without a hidden Subject", HP | CIPHER | SHOW,
	    TEXT("Subject: Rapat\r\n\r\nhalo\r\n"), CANON_CLEAN,
	    TEXT("Subject: Rapat\r\nHP-Outer: Subject: Rapat\r\n"
	    "Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"\r\n"
	    "\r\nhalo\r\n"), NULL },
	{ "none of an empty Subject", SHOWN,
	    TEXT("Subject: \r\n\r\nhalo\r\n"), CANON_CLEAN,
	    TEXT(TOLD("") "Content-Type: text/plain; charset=us-ascii; "
	    "hp=\"cipher\"\r\n\r\nhalo\r\n"), NULL },
	{ "encoded words, in a UTF-8 text", SHOWN,
	    TEXT("Subject: =?utf-8?Q?Caf=C3=A9?=\r\nContent-Type: text/plain; "
	    "charset=UTF-8\r\n\r\nhalo\r\n"), CANON_REENCODED,
	    TEXT("Subject: =?utf-8?Q?Caf=C3=A9?=\r\nContent-Type: text/plain; "
	    "charset=UTF-8;\r\n hp=\"cipher\"" LEGACY
	    "HP-Outer: Subject: [...]\r\n" CTE "quoted-printable\r\n\r\n"
	    "Subject: Caf=C3=A9\r\n\r\nhalo\r\n"), NULL },
	{ "in another charset", SHOWN,
	    TEXT("Subject: =?utf-8?B?Q2Fmw6k=?=\r\nContent-Type: text/plain; "
	    "charset=iso-8859-15\r\n\r\nhalo\r\n"), CANON_REENCODED,
	    TEXT("Subject: =?utf-8?B?Q2Fmw6k=?=\r\nContent-Type: text/plain; "
	    "charset=iso-8859-15;\r\n hp=\"cipher\"" LEGACY
	    "HP-Outer: Subject: [...]\r\n\r\n"
	    "Subject: Caf?\r\n\r\nhalo\r\n"), NULL },
	{ "in quoted-printable", SHOWN,
	    TEXT("Subject: a=b\r\nContent-Type: text/plain\r\n" CTE
	    "quoted-printable\r\n\r\n=41 long=\r\n line\r\n"),
	    CANON_REENCODED,
	    TEXT("Subject: a=b\r\nContent-Type: text/plain;\r\n"
	    " hp=\"cipher\"" LEGACY CTE "quoted-printable\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n"
	    "Subject: a=3Db\r\n\r\n=41 long=\r\n line\r\n"), NULL },
	{ "in base64", SHOWN,
	    TEXT("Subject: Rapat\r\nContent-Type: text/plain\r\n" CTE
	    "base64\r\n\r\naGFsbw==\r\n"), CANON_REENCODED,
	    TEXT("Subject: Rapat\r\nContent-Type: text/plain;\r\n"
	    " hp=\"cipher\"" LEGACY CTE "base64\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n"
	    "U3ViamVjdDogUmFwYXQNCg0K\r\naGFsbw==\r\n"), NULL },
	{ "in every alternative, not in attachments", SHOWN,
	    TEXT("Subject: A & <B>\r\n" MIXED "\r\n--b\r\nContent-Type: "
	    "multipart/alternative; boundary=c\r\n\r\n--c\r\n"
	    TYPE "\r\nx\r\n--c\r\nContent-type: text/html\r\n\r\n"
	    "<html><head></head>\r\n<Body class=x>y</body></html>\r\n"
	    "--c--\r\n--b\r\n" TYPE "\r\nz\r\n--b--\r\n"),
	    CANON_REENCODED,
	    TEXT("Subject: A & <B>\r\n"
	    "Content-Type: multipart/mixed; boundary=b;\r\n hp=\"cipher\"\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n--b\r\nContent-Type: "
	    "multipart/alternative; boundary=c\r\n\r\n--c\r\n"
	    "Content-Type: text/plain; charset=us-ascii" LEGACY "\r\n"
	    "Subject: A & <B>\r\n\r\nx\r\n--c\r\n"
	    "Content-type: text/html" LEGACY "\r\n"
	    "<html><head></head>\r\n<Body class=x>\r\n"
	    DIV("A &#38; &#60;B&#62;") "y</body></html>\r\n"
	    "--c--\r\n--b\r\n" TYPE "\r\nz\r\n--b--\r\n"), NULL },
	{ "HTML without a body tag, in quoted-printable", SHOWN,
	    TEXT("Subject: R\r\nContent-Type: text/html\r\n" CTE
	    "Quoted-Printable\r\n\r\n\r\n<div dir=3D\"ltr\">x</div>\r\n"),
	    CANON_REENCODED,
	    TEXT("Subject: R\r\nContent-Type: text/html;\r\n"
	    " hp=\"cipher\"" LEGACY CTE "Quoted-Printable\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n\r\n=\r\n"
	    "<div class=3D\"header-protection-legacy-display\">"
	    "<pre>Subject: R</pre></div>\r\n"
	    "<div dir=3D\"ltr\">x</div>\r\n"), NULL },
	{ "HTML that begins with text, and a part without a type", SHOWN,
	    TEXT("Subject: R\r\nContent-Type: multipart/alternative; "
	    "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
	    "Content-Type: text/html\r\n\r\nhalo <b>dunia</b>\r\n--b--\r\n"),
	    CANON_REENCODED,
	    TEXT("Subject: R\r\nContent-Type: multipart/alternative; "
	    "boundary=b;\r\n hp=\"cipher\"\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n--b\r\n"
	    "Content-Type: text/plain; hp-legacy-display=\"1\"\r\n\r\n"
	    "Subject: R\r\n\r\nx\r\n--b\r\nContent-Type: text/html" LEGACY
	    "\r\n\r\n" DIV("R") "halo <b>dunia</b>\r\n--b--\r\n"), NULL },
	{ "not in an attachment that comes first", SHOWN,
	    TEXT("Subject: R\r\n" MIXED "\r\n--b\r\n" TYPE
	    "Content-Disposition: attachment\r\n\r\nx\r\n--b\r\n" TYPE
	    "\r\ny\r\n--b--\r\n"), CANON_CLEAN,
	    TEXT("Subject: R\r\n"
	    "Content-Type: multipart/mixed; boundary=b;\r\n hp=\"cipher\"\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n--b\r\n" TYPE
	    "Content-Disposition: attachment\r\n\r\nx\r\n--b\r\n" TYPE
	    "\r\ny\r\n--b--\r\n"), NULL },
#define CUT(header)	"Subject: R\r\nContent-Type: multipart/mixed; " \
	"boundary=b" header "\r\n--b\r\n--b\r\n" TYPE "\r\nx\r\n--b--\r\n"
	{ "not in a part of which nothing came", SHOWN,
	    TEXT(CUT("\r\n")), CANON_CLEAN,
	    TEXT(CUT(";\r\n hp=\"cipher\"\r\nHP-Outer: Subject: [...]\r\n")),
	    NULL },
#undef CUT
#define CUT(header)	"Subject: R\r\nContent-Type: multipart/mixed; " \
	"boundary=b" header "\r\n--b\r\n" TYPE "--b\r\n" TYPE "\r\nx\r\n" \
	"--b--\r\n"
	{ "not in a part whose header has no end", SHOWN,
	    TEXT(CUT("\r\n")), CANON_CLEAN,
	    TEXT(CUT(";\r\n hp=\"cipher\"\r\nHP-Outer: Subject: [...]\r\n")),
	    NULL },
#undef CUT
	{ "not in what is signed already", SHOWN,
	    TEXT("Subject: R\r\n" SIGNED "--s\r\n" TYPE "\r\nx\r\n--s\r\n"
	    "Content-Type: application/pkcs7-signature\r\n\r\nAAAA\r\n"
	    "--s--\r\n"), CANON_CLEAN,
	    TEXT("Subject: R\r\nContent-Type: multipart/signed; boundary=s;"
	    " protocol=\"application/pkcs7-signature\";\r\n hp=\"cipher\"\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n--s\r\n" TYPE "\r\nx\r\n"
	    "--s\r\nContent-Type: application/pkcs7-signature\r\n\r\nAAAA\r\n"
	    "--s--\r\n"), NULL },

	/* Leaves. */
	{ "8-bit text (SIG-11)", 0,
	    TEXT("Content-Type: text/plain; charset=utf-8\r\n" CTE
	    "8bit\r\n\r\nsatu dua caf\303\251\r\n"), CANON_REENCODED,
	    TEXT("Content-Type: text/plain; charset=utf-8\r\n" CTE
	    "quoted-printable\r\n\r\nsatu dua caf=C3=A9\r\n"), NULL },
	{ "8 bit without MIME (SIG-18)", HP,
	    TEXT("Subject: x\r\n\r\nsatu dua caf\351\r\n"), CANON_REENCODED,
	    TEXT("Subject: x\r\n" CTE "quoted-printable\r\nContent-Type: "
	    "text/plain; charset=unknown-8bit; hp=\"clear\"\r\n\r\n"
	    "satu dua caf=E9\r\n"), NULL },
	{ "label is wrong", 0, TEXT(TYPE CTE "8bit\r\n\r\nx\r\n"),
	    CANON_REENCODED, TEXT(TYPE CTE "7bit\r\n\r\nx\r\n"), NULL },
	{ "mostly 8 bit: base64", 0,
	    TEXT(TYPE "\r\n\303\251\303\251\r\n"), CANON_REENCODED,
	    TEXT(TYPE CTE "base64\r\n\r\nw6nDqQ0K\r\n"), NULL },
	{ "base64 without final CRLF", 0,
	    TEXT(TYPE "\r\n\303\251\303\251"), CANON_REENCODED,
	    TEXT(TYPE CTE "base64\r\n\r\nw6nDqQ=="), NULL },
	{ "NUL (SIG-16)", 0, TEXT(TYPE "\r\nabcdef\0ghi\r\n"),
	    CANON_REENCODED,
	    TEXT(TYPE CTE "base64\r\n\r\nYWJjZGVmAGdoaQ0K\r\n"), NULL },
	{ "bare CR and LF (SIG-10)", 0, TEXT(TYPE "\r\na\rb\nc\r\n\r"),
	    CANON_REENCODED, TEXT(TYPE CTE "quoted-printable\r\n\r\n"
	    "a=0Db=0Ac\r\n=0D"), NULL },
	{ "long line (SIG-14)", 0, TEXT("A: 1\r\n\r\n" A990 "b\r\n"),
	    CANON_REENCODED, NULL, 0, NULL },
	{ "From, space, dot (SIG-15)", 0,
	    TEXT("A: 1\r\n\r\nFrom x\r\n-- \r\n.\r\n"), CANON_REENCODED,
	    TEXT(CTE "quoted-printable\r\n" TYPE
	    "\r\n=46rom x\r\n--=20\r\n=2E\r\n"), NULL },
	{ "calendar is text", 0,
	    TEXT("Content-Type: text/calendar\r\n\r\nLOCATION: caf\351\r\n"),
	    CANON_REENCODED, TEXT("Content-Type: text/calendar\r\n" CTE
	    "quoted-printable\r\n\r\nLOCATION: caf=E9\r\n"), NULL },

	/* At any depth, composite headers corrected (SIG-12). */
	{ "attachment and text in a multipart (SIG-11)", 0,
	    TEXT(MIXED CTE "8bit\r\n\r\n--b\r\nContent-Type: text/plain;"
	    " charset=utf-8\r\n" CTE "8bit\r\n\r\nsatu dua \303\251\r\n--b\r\n"
	    "content-transfer-encoding :\r\n\tbinary\r\nContent-Type: "
	    "image/png; name=x.png\r\n\r\n\377\0\1\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "part 2 may not be changed" },
	{ "attachment and text in a multipart (SIG-11)", 0,
	    TEXT(MIXED CTE "8bit\r\n\r\n--b\r\nContent-Type: text/plain;"
	    " charset=utf-8\r\n" CTE "8bit\r\n\r\nsatu dua tiga \303\251\r\n"
	    "--b\r\ncontent-transfer-encoding:\r\n\tbinary\r\nContent-Type: "
	    "image/png; name=x.png\r\n\r\n\377\0\1\r\n--b--\r\nepi"),
	    CANON_REENCODED,
	    TEXT(MIXED CTE "7bit\r\n\r\n--b\r\nContent-Type: text/plain;"
	    " charset=utf-8\r\n" CTE "quoted-printable\r\n\r\n"
	    "satu dua tiga =C3=A9\r\n--b\r\n" CTE "base64\r\nContent-Type: "
	    "image/png; name=x.png\r\n\r\n/wAB\r\n--b--\r\nepi"), NULL },
	{ "message in a multipart (SIG-12)", 0,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" CTE
	    "8bit\r\n\r\nSubject: y\r\n" CTE "8bit\r\n\r\nsatu dua \351\r\n\r\n"
	    "--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" CTE
	    "7bit\r\n\r\nSubject: y\r\n" CTE "quoted-printable\r\n\r\n"
	    "satu dua =E9\r\n\r\n--b--\r\n"), NULL },
	{ "digest: messages by default", 0,
	    TEXT("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	    "Subject: y\r\n\r\nsatu dua \351\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	    "Subject: y\r\n" CTE "quoted-printable\r\n\r\nsatu dua =E9\r\n"
	    "--b--\r\n"), NULL },
	{ "part without header", 0,
	    TEXT(MIXED "\r\n--b\r\n\r\nsatu dua \351\r\n--b--\r\n"),
	    CANON_REENCODED, TEXT(MIXED "\r\n--b\r\n" CTE
	    "quoted-printable\r\n\r\nsatu dua =E9\r\n--b--\r\n"), NULL },
	{ "missing close (ATK-29)", 0,
	    TEXT(MIXED "\r\n--b\r\n\r\nsatu dua \351\r\n"),
	    CANON_REENCODED, TEXT(MIXED "\r\n--b\r\n" CTE
	    "quoted-printable\r\n\r\nsatu dua =E9\r\n"), NULL },
	{ "outer boundary closes inner (ATK-29)", 0,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: multipart/mixed;"
	    " boundary=bb\r\n\r\n--bb\r\n\r\nsatu dua \351\r\n--b\r\n\r\n"
	    "tiga empat \351\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: multipart/mixed;"
	    " boundary=bb\r\n\r\n--bb\r\n" CTE "quoted-printable\r\n\r\n"
	    "satu dua =E9\r\n--b\r\n" CTE "quoted-printable\r\n\r\n"
	    "tiga empat =E9\r\n--b--\r\n"), NULL },
	{ "prefix of another boundary (ATK-29)", 0,
	    TEXT(MIXED "\r\n--b\r\n\r\n--bb\r\n--b-\r\n---b\r\nsatu dua tiga "
	    "\351\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\n" CTE "quoted-printable\r\n\r\n"
	    "=2D-bb\r\n=2D-b-\r\n=2D--b\r\nsatu dua tiga =E9\r\n--b--\r\n"),
	    NULL },
	{ "global message is a leaf", 0,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: message/global\r\n\r\n"
	    "Subject: \303\251\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: message/global\r\n" CTE
	    "base64\r\n\r\nU3ViamVjdDogw6k=\r\n--b--\r\n"), NULL },

	/* Encoded already, but not fit to be sent (ATK-31). */
	{ "8 bit in quoted-printable", 0,
	    TEXT(TYPE CTE "Quoted-Printable\r\n\r\n=C3=A9 \303\251 =3D\r\n"),
	    CANON_REENCODED, TEXT(TYPE CTE "quoted-printable\r\n\r\n"
	    "=C3=A9 =C3=A9 =3D\r\n"), NULL },
	{ "junk in base64", 0, TEXT(TYPE CTE "base64\r\n\r\nQU\351JD\n"
	    "RA==\r\n"), CANON_REENCODED,
	    TEXT(TYPE CTE "base64\r\n\r\nQUJDRA==\r\n"), NULL },
	{ "encodings that contradict", 0, TEXT(TYPE CTE "7bit\r\n" CTE
	    "base64\r\n\r\nQUJ\351\r\n"), CANON_OPAQUE_ONLY,
	    TEXT(TYPE CTE "7bit\r\n" CTE "base64\r\n\r\nQUJ\351\r\n"),
	    "take differently" },
	{ "encodings that say the same", 0, TEXT(TYPE CTE "8bit\r\n" CTE
	    "7bit\r\n\r\nx\r\n"), CANON_REENCODED,
	    TEXT(TYPE CTE "7bit\r\n\r\nx\r\n"), NULL },
	{ "types that contradict, clean", 0, TEXT(TYPE MIXED "\r\n--b\r\n"),
	    CANON_CLEAN, TEXT(TYPE MIXED "\r\n--b\r\n"), NULL },
	{ "types that contradict", 0, TEXT(TYPE MIXED "\r\n--b\r\n\r\n"
	    "\351\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "take differently" },
	{ "comment in the encoding", 0, TEXT(TYPE CTE "base64 (x)\r\n\r\n"
	    "QUJ\351\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "take differently" },
	{ "folded encoding in another case", 0, TEXT(TYPE CTE "\r\n BASE64 "
	    "\r\n\r\nQU\351JD\r\n"), CANON_REENCODED, TEXT(TYPE CTE
	    "base64\r\n\r\nQUJD\r\n"), NULL },
	{ "boundary in pieces (RFC 2231)", 0,
	    TEXT("Content-Type: multipart/mixed; boundary*0=\"a\";"
	    " boundary*1=\"b\"\r\n\r\n--ab\r\n\r\nsatu dua \351\r\n--ab--\r\n"),
	    CANON_REENCODED,
	    TEXT("Content-Type: multipart/mixed; boundary*0=\"a\";"
	    " boundary*1=\"b\"\r\n\r\n--ab\r\n" CTE "quoted-printable\r\n\r\n"
	    "satu dua =E9\r\n--ab--\r\n"), NULL },

	/* What may not be changed (SIG-13). */
	{ "8 bit in a signed part (SIG-13)", 0,
	    TEXT(MIXED "\r\n--b\r\n" SIGNED "--s\r\n\r\nsatu dua \351\r\n"
	    "--s--\r\n--b--\r\n"), CANON_OPAQUE_ONLY,
	    TEXT(MIXED "\r\n--b\r\n" SIGNED "--s\r\n\r\nsatu dua \351\r\n"
	    "--s--\r\n--b--\r\n"), "part 2 may not be changed, but its body "
	    "holds 8-bit octets" },
	{ "8 bit in a message that holds one (SIG-13)", 0,
	    TEXT("Content-Type: message/rfc822\r\n\r\n" SIGNED "--s\r\n\r\n"
	    "satu dua \351\r\n--s--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "may not be changed" },
	{ "signed part itself labelled 8bit: only the label", 0,
	    TEXT(MIXED "\r\n--b\r\n" CTE "8bit\r\n" SIGNED "--s\r\n\r\nx \r\n"
	    "--s--\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\n" CTE "7bit\r\n" SIGNED "--s\r\n\r\nx \r\n"
	    "--s--\r\n--b--\r\n"), NULL },
	{ "part in it labelled 8bit (SIG-13)", 0,
	    TEXT(MIXED "\r\n--b\r\n" SIGNED "--s\r\n" CTE "8bit\r\n\r\nx\r\n"
	    "--s--\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "labelled 8bit" },
	{ "encrypted beside 8-bit text", 0,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: multipart/encrypted;"
	    " boundary=e\r\n\r\n--e\r\n\r\nVersion: 1 \r\n--e--\r\n--b\r\n\r\n"
	    "satu dua \351\r\n--b--\r\n"), CANON_REENCODED,
	    TEXT(MIXED "\r\n--b\r\nContent-Type: multipart/encrypted;"
	    " boundary=e\r\n\r\n--e\r\n\r\nVersion: 1 \r\n--e--\r\n--b\r\n" CTE
	    "quoted-printable\r\n\r\nsatu dua =E9\r\n--b--\r\n"), NULL },
	{ "binary CMS", 0, TEXT("Content-Type: application/pkcs7-mime\r\n\r\n"
	    "0\200\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "may not be changed" },
	{ "delivery status", 0, TEXT("Content-Type: message/delivery-status"
	    "\r\n\r\nA: \351\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "8-bit" },
	{ "partial", 0, TEXT("Content-Type: message/partial; id=x\r\n\r\n"
	    "\351\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "8-bit" },
	{ "external body", 0, TEXT("Content-Type: message/external-body; "
	    "access-type=x\r\n\r\n\351\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "8-bit" },
	{ "unknown encoding", 0, TEXT(TYPE CTE "x-own\r\n\r\n\351\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "unknown" },
	{ "unknown encoding, clean", 0, TEXT(TYPE CTE "x-own\r\n\r\nx \r\n"),
	    CANON_CLEAN, NULL, 0, NULL },
	{ "multipart without boundary", 0, TEXT("Content-Type: multipart/mixed"
	    "\r\n\r\n--\r\n\351\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "8-bit" },
	{ "8 bit in the preamble", 0, TEXT(MIXED "\r\n\351\r\n--b\r\n\r\nx\r\n"
	    "--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "text between parts" },
	{ "8 bit in the epilogue", 0, TEXT(MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n"
	    "\351"), CANON_OPAQUE_ONLY, NULL, 0, "text between parts" },
	{ "8 bit in a part's header", 0, TEXT(MIXED "\r\n--b\r\n"
	    "Content-Description: \351\r\n\r\nx\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "a part's header" },
	{ "the same under SMTPUTF8 (MTA-32)", UTF8, TEXT(MIXED "\r\n--b\r\n"
	    "Content-Description: \303\251\r\n\r\nx\r\n--b--\r\n"),
	    CANON_CLEAN, NULL, 0, NULL },
	{ "8 bit in the message's Content-Type", HP,
	    TEXT("Content-Type: text/plain; name=\"\351\"\r\n\r\nx\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "Content- field" },
	{ "long line in a part's header", 0, TEXT(MIXED "\r\n--b\r\nA: " A990
	    "\r\n\r\nx\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "990" },
	{ "no header, no empty line", 0, TEXT(MIXED "\r\n--b\r\nsatu dua\r\n"
	    "\351\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "part 1" },

	/* Where readers disagree (ATK-31). */
	{ "boundary behind a bare LF", 0, TEXT(MIXED "\r\n--b\r\n\r\nx\n"
	    "--b--\r\ny\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "disagree" },
	{ "boundary behind a bare CR", 0, TEXT(MIXED "\r\n--b\r\n\r\nx\r"
	    "--b\r\ny\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "disagree" },
	{ "boundary line that ends in LF", 0, TEXT(MIXED "\r\n--b\r\n\r\nx\r\n"
	    "--b\ny\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "disagree" },
	{ "bare LF elsewhere", 0, TEXT(MIXED "\r\n--b\r\n\r\nx\n--c\r\n"
	    "--b--\r\n"), CANON_REENCODED, TEXT(MIXED "\r\n--b\r\n" CTE
	    "quoted-printable\r\n\r\nx=0A--c\r\n--b--\r\n"), NULL },
	/* Likewise where every octet is known to become base64. */
	{ "behind a bare LF, in base64", 0, TEXT(MIXED "\r\n--b\r\n" IMAGE
	    "\r\n\351\r\nx\r\ny\r\nz\n--b\r\nx\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "disagree" },
	{ "behind a bare CR, in base64", 0, TEXT(MIXED "\r\n--b\r\n" IMAGE
	    "\r\n\351\r\nx\r\ny\r\nz\r--b\r\nx\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "disagree" },
	{ "line that ends in LF, in base64", 0, TEXT(MIXED "\r\n--b\r\n" IMAGE
	    "\r\n\351\r\nx\r\ny\r\n--b\nz\r\nx\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "disagree" },
	{ "nothing like it, in base64", 0, TEXT(MIXED "\r\n--b\r\n" IMAGE
	    "\r\n\351\r\nx\n-y\r-z\r\n-\r\n--c\r\n\r\n\n\r\n--b--\r\n"),
	    CANON_REENCODED, TEXT(MIXED "\r\n--b\r\n" IMAGE CTE "base64\r\n"
	    "\r\n6Q0KeAoteQ0teg0KLQ0KLS1jDQoNCgo=\r\n--b--\r\n"), NULL },
	{ "closed boundary again", 0, TEXT(MIXED "\r\n--b\r\n\r\nsatu dua \351"
	    "\r\n--b--\r\n--b\r\n\r\nx\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "disagree" },
	{ "the same boundary inside", 0, TEXT(MIXED "\r\n--b\r\n" MIXED "\r\n"
	    "--b\r\n\r\nsatu dua \351\r\n--b--\r\n--b--\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "disagree" },
	{ "only wished for: left alone", 0, TEXT(MIXED "\r\n--b\r\n\r\nFrom x "
	    "\r\n--b--\r\n--b\r\n"), CANON_CLEAN, NULL, 0, NULL },

	/* Ceilings (ATK-29). */
	{ "too many parts, clean", SMALL, TEXT(MIXED "\r\n--b\r\n\r\n--b\r\n"
	    "\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\nx \r\n--b--\r\n"),
	    CANON_CLEAN, NULL, 0, NULL },
	{ "too many parts, 8 bit in the first", SMALL, TEXT(MIXED "\r\n--b\r\n"
	    "\r\nsatu dua \351\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n"
	    "--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0, "too many" },
	{ "too deep", SMALL, TEXT("Content-Type: message/rfc822\r\n\r\n"
	    "Content-Type: message/rfc822\r\n\r\n"
	    "Content-Type: message/rfc822\r\n\r\n"
	    "Content-Type: message/rfc822\r\n\r\n\r\n\351\r\n"),
	    CANON_OPAQUE_ONLY, NULL, 0, "part 3" },
	{ "too long a header, clean", SMALL, TEXT(MIXED "\r\n--b\r\nA: " A100
	    A100 "\r\n\r\nx\r\n--b--\r\n"), CANON_CLEAN, NULL, 0, NULL },
	{ "too long a header", SMALL, TEXT(MIXED "\r\n--b\r\nA: " A100 A100
	    "\r\n\r\n\351\r\n--b--\r\n"), CANON_OPAQUE_ONLY, NULL, 0,
	    "part 1" },
};

static void
print_octets(const char *what, const unsigned char *p, size_t len)
{
	size_t i;

	printf("%s\n", what);
	for (i = 0; i < len && i < 3000; i++) {
		if (p[i] == '\n' || (p[i] >= ' ' && p[i] < 0x7f))
			putchar(p[i]);
		else
			printf("\\%03o", p[i]);
	}
	printf("|\n");
}

static void
check_case(size_t i, size_t first, size_t step)
{
	struct cuts cuts = { first, step };
	struct canon_settings settings;
	struct canon_result result;
	struct text got;

	set(&settings, cases[i].flags);
	got = entity_of(&settings, cases[i].message, cases[i].len, &cuts,
	    &result);
	if (result.state != cases[i].state)
		fail_msg("%s, cut at %zu by %zu: state %d, wanted %d (%s)",
		    cases[i].what, first, step, result.state, cases[i].state,
		    result.reason);
	if ((cases[i].reason != NULL) != (result.reason[0] != '\0') ||
	    (cases[i].reason != NULL &&
	    strstr(result.reason, cases[i].reason) == NULL))
		fail_msg("%s, cut at %zu by %zu: reason %s", cases[i].what,
		    first, step, result.reason);
	if (cases[i].want != NULL && (got.len != cases[i].want_len ||
	    memcmp(got.buf, cases[i].want, got.len) != 0)) {
		print_octets("got", got.buf, got.len);
		print_octets("wanted", (const unsigned char *)cases[i].want,
		    cases[i].want_len);
		fail_msg("%s, cut at %zu by %zu", cases[i].what, first, step);
	}
	free(got.buf);
}

static void
test_table(void **state)
{
	size_t i, first;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_case(i, cases[i].len, 1);		/* whole */
		check_case(i, 1, 1);
		for (first = 1; first < cases[i].len; first++) {
			check_case(i, first, cases[i].len);
			if (first < 50)
				check_case(i, first, 0);
		}
	}
}

/* Every message of the table, its body cut off at every length. */
static void
test_cut_off(void **state)
{
	const struct cuts cuts = { 100, 100 };
	struct canon_settings settings;
	struct canon_result result;
	struct text got;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set(&settings, cases[i].flags);
		for (len = 0; len < cases[i].len; len++) {
			got = entity_of(&settings, cases[i].message, len,
			    &cuts, &result);
			free(got.buf);
		}
	}
}

static const struct {
	const char	*what;
	unsigned	 flags;
	const char	*header;
	const char	*unprotected;	/* a piece of the reason; NULL: is */
} protections[] = {
	{ "plain", HP, "Subject: x\r\n", NULL },
	{ "switched off", 0, "Subject: x\r\n", "switched off" },
	{ "8 bit", HP, "Subject: \351\r\n", "8-bit" },
	{ "8 bit under SMTPUTF8 (MTA-32)", HP | UTF8, "Subject: \303\251\r\n",
	    NULL },
	{ "8 bit in a field that is not copied", HP, "X-Spam: \351\r\n", NULL },
	{ "control character", HP, "Subject: a\033b\r\n", "control" },
	{ "TAB is none", HP, "Subject:\ta\tb\r\n", NULL },
	{ "a line of white space", HP, "To: a,\r\n \r\n b\r\n", "control" },
	{ "HP-Outer (SIG-51)", HP, "HP-Outer: Subject: x\r\n", "HP-Outer" },
	{ "long line", HP, "References: " A990 "\r\n", "990" },
	{ "long but folded", HP, "References: " A100 "\r\n " A990 "\r\n",
	    "990" },
	{ "folded below 990", HP, "References: " A100 "\r\n " A100 "\r\n",
	    NULL },
	{ "8 bit under SMTPUTF8, told outside (ENC-17)", HP | UTF8 | CIPHER,
	    "To: \303\251\r\n", "8-bit" },
	{ "8 bit under SMTPUTF8, hidden outside", HP | UTF8 | CIPHER | HIDE,
	    "Subject: \303\251\r\n", NULL },
	{ "8 bit in what is removed outside", HP | CIPHER,
	    "Keywords: \351\r\n", "8-bit" },
	{ "no room for HP-Outer", HP | CIPHER, "T: " A990 "\r\n", "990" },
	{ "a Content-Type that cannot be taken apart", HP,
	    "Content-Type: text\r\n", "taken apart" },
};

static void
test_protection(void **state)
{
	const struct cuts cuts = { 100, 100 };
	struct canon_settings settings;
	struct canon_result result;
	struct text got;
	char message[2000];
	bool want;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(protections) / sizeof(protections[0]); i++) {
		set(&settings, protections[i].flags);
		snprintf(message, sizeof(message), "%s\r\nbody\r\n",
		    protections[i].header);
		got = entity_of(&settings, message, strlen(message), &cuts,
		    &result);
		want = protections[i].unprotected == NULL;
		if (result.header_protected != want ||
		    (result.unprotected == NULL) != want || (!want &&
		    strstr(result.unprotected,
		    protections[i].unprotected) == NULL))
			fail_msg("%s: protected %d, %s", protections[i].what,
			    result.header_protected,
			    result.unprotected != NULL ? result.unprotected :
			    "no reason");
		assert_int_equal(result.confidential, want &&
		    (protections[i].flags & CIPHER) != 0);
		if ((strstr((char *)got.buf, result.confidential ?
		    "hp=\"cipher\"" : "hp=\"clear\"") != NULL) != want)
			fail_msg("%s: %s", protections[i].what, got.buf);
		free(got.buf);
	}
}

static void
test_result(void **state)
{
	static const char message[] = MIXED "\r\n--b\r\nContent-Type: "
	    "text/plain\r\n\r\n\351\r\n--b\r\nContent-Type: Text/Calendar"
	    "\r\n\r\nx\r\n--b\r\n" CTE "8bit\r\n\r\nx\r\n--b--\r\n";
	const struct cuts cuts = { 10, 10 };
	struct canon_settings settings;
	struct canon_result result;
	struct text got;

	(void)state;
	set(&settings, 0);
	got = entity_of(&settings, message, sizeof(message) - 1, &cuts,
	    &result);
	free(got.buf);
	assert_int_equal(result.state, CANON_REENCODED);
	assert_int_equal(result.parts, 4);
	assert_int_equal(result.changed, 2);
	assert_true(result.has_calendar);
	got = entity_of(&settings, "\r\nx\r\n", 5, &cuts, &result);
	free(got.buf);
	assert_int_equal(result.parts, 1);
	assert_int_equal(result.changed, 0);
	assert_false(result.has_calendar);
}

static void
test_limits(void **state)
{
	struct canon_settings settings;
	struct smime_error err = { "" };
	struct canon_result result;
	unsigned char digest[SMIME_DIGEST_MAX];
	struct text out = { NULL, 0 };
	struct canon *canon;
	size_t used;

	(void)state;
	set(&settings, 0);
	settings.max_body = 10;
	canon = start(&settings, "\r\n", 2, &used);
	assert_int_equal(canon_body(canon, "0123456789", 10, &err), 0);
	/* Nothing can be had before the end. */
	assert_int_equal(canon_write(canon, collect, &out, &err), -1);
	assert_int_equal(canon_digest(canon, SMIME_SHA256, digest, NULL), -1);
	err.text[0] = '\0';
	assert_int_equal(canon_body(canon, "x", 1, &err), -1);
	assert_non_null(strstr(err.text, "larger than 10"));
	/* A failure is for good. */
	assert_int_equal(canon_finish(canon, &result, &err), -1);
	assert_int_equal(canon_write(canon, collect, &out, &err), -1);
	canon_free(canon);

	canon = start(&settings, "\r\n", 2, &used);
	assert_int_equal(canon_finish(canon, &result, &err), 0);
	assert_int_equal(canon_finish(canon, &result, &err), -1);
	assert_int_equal(canon_body(canon, "x", 1, &err), -1);
	canon_free(canon);
	canon_free(NULL);
}

/* A spool that cannot be written fails the message. */
static void
test_no_spool(void **state)
{
	struct canon_settings settings;
	struct smime_error err = { "" };
	struct canon *canon;
	size_t used;

	(void)state;
	set(&settings, 0);
	settings.spool_dir = "/nonexistent/spool";
	settings.spool_memory = 10;
	canon = start(&settings, "\r\n", 2, &used);
	assert_int_equal(canon_body(canon, "01234567890", 11, &err), -1);
	assert_non_null(strstr(err.text, "/nonexistent/spool"));
	canon_free(canon);
}

/* A field that would tear the entity's header open is no message for us. */
static void
test_torn_field(void **state)
{
	struct header_list header = { 0 };
	struct canon_settings settings;
	struct smime_error err = { "" };

	(void)state;
	set(&settings, HP);
	header_add(&header, "Content-Type", 12, " text/plain\n\nx", 14, 0,
	    &err);
	assert_null(canon_new(&settings, &header, SMIME_SHA256, &err));
	assert_string_not_equal(err.text, "");
	header_clear(&header);
}

static long
peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void
check_peak(const char *what, long before, long max)
{
	long grown = peak_kib() - before;

	printf("# %s: %ld KiB\n", what, grown);
	assert_true(grown <= max || is_watched());
}

/*
 * Bombs (ATK-29): many parts, deep nesting, a hundred open boundaries and a
 * candidate on every line. The time is what a test may take; memory does not
 * grow with the message.
 */
static void
feed_many(struct canon *canon, const char *text, size_t times)
{
	struct smime_error err = { "" };
	size_t len = strlen(text), i;

	for (i = 0; i < times; i++)
		if (canon_body(canon, text, len, &err) != 0)
			fail_msg("%s", err.text);
}

static void
test_bombs(void **state)
{
	struct canon_settings settings;
	struct smime_error err = { "" };
	struct canon_result result;
	struct canon *canon;
	size_t used, i;
	char part[100];
	long before;

	(void)state;
	set(&settings, 0);
	before = peak_kib();
	canon = start(&settings, TEXT(MIXED "\r\n"), &used);
	feed_many(canon, "--b\r\n\r\nx\r\n", 1000000);
	assert_int_equal(canon_finish(canon, &result, &err), 0);
	assert_int_equal(result.state, CANON_CLEAN);
	assert_int_equal(result.parts, settings.max_parts);
	canon_free(canon);

	canon = start(&settings, TEXT(MIXED "\r\n--b\r\n"), &used);
	for (i = 0; i < 2000; i++) {
		snprintf(part, sizeof(part), "Content-Type: multipart/mixed; "
		    "boundary=%zu\r\n\r\n--%zu\r\n", i, i);
		feed_many(canon, part, 1);
	}
	feed_many(canon, "--x\r\n--12345\r\n", 500000);
	assert_int_equal(canon_finish(canon, &result, &err), 0);
	assert_int_equal(result.state, CANON_CLEAN);
	canon_free(canon);
	check_peak("bombs", before, 2048);
}

/* 25 MiB that must be re-encoded, within the two ceilings and a little. */
static void
test_memory(void **state)
{
	const struct cuts cuts = { 10, 10 };
	static char piece[65535];
	struct canon_settings settings;
	struct smime_error err = { "" };
	struct canon_result result;
	struct canon *canon;
	long before;
	size_t used, i;

	(void)state;
	for (i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 2654435761u >> 11);
	set(&settings, 0);
	/* libcrypto takes its own memory when it is first used. */
	free(entity_of(&settings, TEXT("\r\n\351"), &cuts, &result).buf);
	before = peak_kib();
	canon = start(&settings, TEXT(MIXED "\r\n"), &used);
	assert_int_equal(canon_body(canon, TEXT("--b\r\nContent-Type: image/"
	    "png\r\n\r\n"), &err), 0);
	for (i = 0; i < 400; i++)
		assert_int_equal(canon_body(canon, piece, sizeof(piece), &err),
		    0);
	assert_int_equal(canon_body(canon, TEXT("\r\n--b--\r\n"), &err), 0);
	assert_int_equal(canon_finish(canon, &result, &err), 0);
	assert_int_equal(result.state, CANON_REENCODED);
	canon_free(canon);
	check_peak("25 MiB re-encoded", before, 1024);
}

/* ------------------------------------------- Python has the second word --- */

static int
run_python(const char *verb)
{
	char python[] = "/usr/bin/python3";
	char script[] = "tests/unit/canon_compare.py";
	char *argv[] = { python, script, (char *)(uintptr_t)verb, dir, NULL };
	char *envp[] = { NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static char *
read_message(int number, size_t *len)
{
	static char buf[200000];
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d.eml", dir, number);
	if ((f = fopen(path, "rb")) == NULL)
		return NULL;
	*len = fread(buf, 1, sizeof(buf), f);
	assert_true(*len < sizeof(buf));
	fclose(f);
	return buf;
}

static void
write_result(int number, const struct text *entity,
    const struct canon_result *result)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d.out", dir, number);
	assert_non_null(f = fopen(path, "wb"));
	assert_int_equal(fwrite(entity->buf, 1, entity->len, f), entity->len);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%d.state", dir, number);
	assert_non_null(f = fopen(path, "wb"));
	fprintf(f, "%d %d\n", result->state, result->header_protected);
	fclose(f);
}

static void
test_python_sees_the_same(void **state)
{
	struct canon_settings settings;
	struct canon_result result;
	struct cuts cuts;
	struct text got;
	char *message;
	int number;
	size_t len;

	(void)state;
	assert_int_equal(run_python("make"), 0);
	for (number = 0; (message = read_message(number, &len)) != NULL;
	    number++) {
		set(&settings, number % 2 == 0 ? HP : 0);
		cuts.first = (size_t)number + 1;
		cuts.step = (size_t)number % 5;
		got = entity_of(&settings, message, len, &cuts, &result);
		write_result(number, &got, &result);
		free(got.buf);
	}
	assert_true(number >= 60);
	assert_int_equal(run_python("compare"), 0);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	struct dirent *entry;
	DIR *d;

	(void)state;
	if ((d = opendir(dir)) == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_protection),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_spool),
		cmocka_unit_test(test_torn_field),
		cmocka_unit_test(test_python_sees_the_same),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
