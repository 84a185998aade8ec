/*
 * test_verify_mime.c - what surrounds a signature: structure, partial
 * signatures, layers, senders, protected headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

#define FROM	"From: Budi <" BUDI ">\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"
#define BASE	"protocol=\"application/pkcs7-signature\"; boundary=b"
#define TYPE(p)	"Content-Type: multipart/signed; " p "\r\n\r\n"
#define TYPE0(p) "Content-Type: multipart/signed; " p "\r\n"
#define PART	"Content-Type: application/pkcs7-signature\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define SIGNED	"--b\r\n@E\r\n--b\r\n" PART "@S\r\n--b--\r\n"
#define STOPS	"....................................................." \
	"....................................................."
#define MIXED	"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
#define P7M(p)	"Content-Type: " p "\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\n@O\r\n"

static struct person budi, siti;
static struct trust *trust;
static struct verify_settings settings;

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_make("mailbox", SITI, "p256", pki_path("siti"), NULL);
	budi = person_load("budi");
	siti = person_load("siti");
	trust = vmail_settings(&settings);
	return 0;
}

static int
teardown(void **state)
{
	person_free(&budi);
	person_free(&siti);
	trust_free(trust);
	return pki_teardown(state);
}

static void
add_signature(struct buf *out, const struct buf *entity, unsigned flags)
{
	struct cms cms = { .signers = { &budi }, .content = entity->p,
	    .content_len = entity->len, .flags = flags };
	struct buf der = { 0 };

	cms_build(&cms, &der);
	buf_base64(out, der.p, der.len);
	out->len -= 2;		/* its last line end is in the template */
	out->p[out->len] = '\0';
	buf_free(&der);
}

/*
 * A message by template: @E is the entity, @S its detached signature, @O its
 * opaque one, @M the M2 form of it (no signed attributes), @0 a NUL.
 */
static void
expand(const char *template, const char *entity, struct buf *out)
{
	struct buf signed_text = { 0 };

	buf_text(&signed_text, "%s", entity);
	buf_add(out, "", 0);
	for (; *template != '\0'; template++) {
		if (*template != '@' ||
		    strchr("ESO0", template[1]) == NULL) {
			buf_add(out, template, 1);
			continue;
		}
		switch (*++template) {
		case 'E':
			buf_add(out, signed_text.p, signed_text.len);
			break;
		case 'S':
			add_signature(out, &signed_text, 0);
			break;
		case 'O':
			add_signature(out, &signed_text, CMS_EMBED);
			break;
		default:
			buf_add(out, "", 1);
		}
	}
	buf_free(&signed_text);
}

static void
expect(const char *what, const struct buf *message, enum verify_reason want,
    struct verdict *verdict)
{
	static const size_t pieces[] = { 1, 3, 64, 0 };
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		vmail_verify(&settings, message->p, message->len, pieces[i],
		    verdict);
		if (verdict->reason != want)
			fail_msg("%s, by %zu: got %s, wanted %s (%s)", what,
			    pieces[i], verify_reason_word(verdict->reason),
			    verify_reason_word(want), verdict->detail);
	}
}

struct row {
	const char		*what;
	const char		*template;
	enum verify_reason	 want;
	const char		*entity;	/* NULL: ENTITY */
};

static void
try(const struct row *rows, size_t count)
{
	struct verdict verdict;
	size_t i;

	for (i = 0; i < count; i++) {
		struct buf mail = { 0 };

		expand(rows[i].template, rows[i].entity != NULL ?
		    rows[i].entity : ENTITY, &mail);
		expect(rows[i].what, &mail, rows[i].want, &verdict);
		buf_free(&mail);
	}
}

static const struct row structures[] = {
	{ "plain", FROM TYPE(BASE) SIGNED, VERIFY_GOOD, NULL },
	{ "x- in the protocol (VER-01)", FROM
	    TYPE("protocol=\"application/x-pkcs7-signature\"; boundary=b")
	    SIGNED, VERIFY_GOOD, NULL },
	{ "x- in the part", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n"
	    "Content-Type: application/x-pkcs7-signature\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n@S\r\n--b--\r\n",
	    VERIFY_GOOD, NULL },
	{ "the part's type was lost (ATK-40)", FROM TYPE(BASE)
	    "--b\r\n@E\r\n--b\r\n"
	    "Content-Type: application/octet-stream; name=smime.p7s\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n@S\r\n--b--\r\n",
	    VERIFY_GOOD, NULL },
	{ "white space around (VER-03)", FROM TYPE(BASE) "\r\n \r\n" SIGNED
	    " \r\n\t\r\n", VERIFY_GOOD, NULL },
	{ "a preamble of openssl", FROM TYPE(BASE)
	    "This is an S/MIME signed message\r\n\r\n" SIGNED, VERIFY_GOOD,
	    NULL },
	{ "a preamble of Thunderbird", FROM TYPE(BASE) "This is a "
	    "cryptographically signed message in MIME format.\r\n\r\n"
	    SIGNED, VERIFY_GOOD, NULL },
	{ "a preamble of Outlook for Mac", FROM TYPE(BASE) "> This message is "
	    "in MIME format. Since your mail reader does not understand\r\n"
	    "\tthis format, some or all of this message may not be legible."
	    "\r\n\r\n" SIGNED, VERIFY_GOOD, NULL },
	{ "the same of Exchange", FROM TYPE(BASE) "This message is in MIME "
	    "format. Since your mail reader does not understand\r\nthis "
	    "format, some or all of this message may not be legible.\r\n\r\n"
	    SIGNED, VERIFY_GOOD, NULL },
	{ "a quoted one of Thunderbird", FROM TYPE(BASE) "> This is a "
	    "cryptographically signed message in MIME format.\r\n\r\n"
	    SIGNED, VERIFY_GOOD, NULL },
	{ "text behind a known one and many full stops (VER-03)", FROM
	    TYPE(BASE) "This is an S/MIME signed message" STOPS STOPS
	    "\r\n\r\nTransfer now!\r\n" SIGNED, VERIFY_OUTSIDE, NULL },
	{ "full stops alone behind a known one", FROM TYPE(BASE)
	    "This is an S/MIME signed message...\r\n\r\n" SIGNED,
	    VERIFY_GOOD, NULL },
	{ "another preamble", FROM TYPE(BASE) "Transfer now!\r\n" SIGNED,
	    VERIFY_OUTSIDE, NULL },
	{ "a long preamble", FROM TYPE(BASE)
	    "This is an S/MIME signed message and a lot more that goes on "
	    "and on and on and on and on and on and on and on and on\r\n"
	    SIGNED, VERIFY_OUTSIDE, NULL },
	{ "a list's footer", FROM TYPE(BASE) SIGNED "-- \r\nlist\r\n",
	    VERIFY_OUTSIDE, NULL },
	{ "a boundary in the epilogue", FROM TYPE(BASE) SIGNED "--b\r\n",
	    VERIFY_OUTSIDE, NULL },
	{ "no line end at the end", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n"
	    PART "@S\r\n--b--", VERIFY_GOOD, NULL },
	{ "white space behind boundaries", FROM TYPE(BASE)
	    "--b \t\r\n@E\r\n--b \r\n" PART "@S\r\n--b-- \t\r\n",
	    VERIFY_GOOD, NULL },
	{ "three parts", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "@S\r\n--b\r\n\r\nmore\r\n--b--\r\n", VERIFY_STRUCTURE, NULL },
	{ "an empty third part", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "@S\r\n--b\r\n--b--\r\n", VERIFY_STRUCTURE, NULL },
	{ "one part", FROM TYPE(BASE) "--b\r\n@E\r\n--b--\r\n",
	    VERIFY_STRUCTURE, NULL },
	{ "no parts", FROM TYPE(BASE), VERIFY_STRUCTURE, NULL },
	{ "no close", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART "@S\r\n",
	    VERIFY_STRUCTURE, NULL },
	{ "signature first", FROM TYPE(BASE) "--b\r\n" PART
	    "@S\r\n--b\r\n@E\r\n--b--\r\n", VERIFY_STRUCTURE, NULL },
	{ "no boundary", FROM
	    TYPE("protocol=\"application/pkcs7-signature\"") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "two boundaries", FROM TYPE(BASE "; boundary=c") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "RFC 2231 (ATK-31)", FROM
	    TYPE("protocol=\"application/pkcs7-signature\"; boundary*0=b")
	    SIGNED, VERIFY_STRUCTURE, NULL },
	{ "both forms", FROM TYPE(BASE "; boundary*=us-ascii''c") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "another in a comment of the type", FROM
	    "Content-Type: multipart/signed (; boundary=c); " BASE "\r\n\r\n"
	    SIGNED, VERIFY_STRUCTURE, NULL },
	{ "another in a comment behind it", FROM TYPE(BASE " (; boundary=c)")
	    SIGNED, VERIFY_GOOD, NULL },
	{ "another in a quoted value", FROM TYPE(BASE "; x=\"; boundary=c\"")
	    SIGNED, VERIFY_GOOD, NULL },
	{ "another name of it in capitals", FROM TYPE(BASE "; BOUNDARY=c")
	    SIGNED, VERIFY_STRUCTURE, NULL },
	{ "another with no semicolon before it", FROM
	    TYPE(BASE " boundary=c") SIGNED, VERIFY_STRUCTURE, NULL },
	{ "an encoded word", FROM TYPE("protocol=\"application/"
	    "pkcs7-signature\"; boundary=\"=?us-ascii?q?b?=\"") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "a space at its end", FROM TYPE("protocol=\"application/"
	    "pkcs7-signature\"; boundary=\"b \"") SIGNED, VERIFY_STRUCTURE,
	    NULL },
	{ "apostrophes are part of it", FROM TYPE("protocol=\"application/"
	    "pkcs7-signature\"; boundary='b'") SIGNED, VERIFY_STRUCTURE,
	    NULL },
	{ "the protocol by RFC 2231", FROM TYPE("protocol*=us-ascii''"
	    "application%2Fpkcs7-signature; boundary=b") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "no protocol", FROM TYPE("boundary=b") SIGNED, VERIFY_STRUCTURE,
	    NULL },
	{ "two protocols", FROM TYPE(BASE "; protocol=x/y") SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "base64 multipart", FROM "Content-Transfer-Encoding: base64\r\n"
	    TYPE(BASE) SIGNED, VERIFY_STRUCTURE, NULL },
	{ "two Content-Types (ATK-31)", FROM "Content-Type: multipart/signed;"
	    BASE "\r\n" TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "two encodings of the part", FROM TYPE(BASE)
	    "--b\r\n@E\r\n--b\r\nContent-Transfer-Encoding: 7bit\r\n" PART
	    "@S\r\n--b--\r\n", VERIFY_AMBIGUOUS, NULL },
	{ "no encoding", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n"
	    "Content-Type: application/pkcs7-signature\r\n\r\n@S\r\n"
	    "--b--\r\n", VERIFY_ENCODING, NULL },
	{ "junk in the base64", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "@S\r\n.\r\n--b--\r\n", VERIFY_ENCODING, NULL },
	{ "more base64 behind it", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "@S\r\n=AAA\r\n--b--\r\n", VERIFY_ENCODING, NULL },
	{ "no signature", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "\r\n--b--\r\n", VERIFY_SYNTAX, NULL },
	{ "not CMS", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n" PART
	    "AAAA\r\n--b--\r\n", VERIFY_SYNTAX, NULL },
	{ "eContent beside the content (VER-10, ATK-01)", FROM TYPE(BASE)
	    "--b\r\nother\r\n--b\r\n" PART "@O\r\n--b--\r\n",
	    VERIFY_CONFLICT, NULL },
	{ "the same content twice", FROM TYPE(BASE) "--b\r\n@E\r\n--b\r\n"
	    PART "@O\r\n--b--\r\n", VERIFY_CONFLICT, NULL },
	{ "micalg missing is all of them", FROM TYPE(BASE) SIGNED,
	    VERIFY_GOOD, NULL },
	{ "micalg", FROM TYPE(BASE "; micalg=\"sha-256\"") SIGNED,
	    VERIFY_GOOD, NULL },
	{ "micalg, old spelling", FROM TYPE(BASE "; micalg=SHA256") SIGNED,
	    VERIFY_GOOD, NULL },
	{ "two in micalg", FROM TYPE(BASE "; micalg=\"sha-512,sha-256\"")
	    SIGNED, VERIFY_GOOD, NULL },
	{ "unknown micalg (VER-04)", FROM TYPE(BASE "; micalg=blake") SIGNED,
	    VERIFY_GOOD, NULL },
	{ "other micalg", FROM TYPE(BASE "; micalg=sha-512") SIGNED,
	    VERIFY_MICALG, NULL },
	{ "other, weak micalg", FROM TYPE(BASE "; micalg=sha1") SIGNED,
	    VERIFY_MICALG, NULL },
	{ "content with a line more", FROM TYPE(BASE)
	    "--b\r\n@E\r\n\r\n--b\r\n" PART "@S\r\n--b--\r\n", VERIFY_DIGEST,
	    NULL },
	{ "a bare LF for a CRLF (VER-05)", FROM TYPE(BASE)
	    "--b\r\nContent-Type: text/plain\n\r\nIsi surat dinas.\r\n"
	    "\r\n--b\r\n" PART "@S\r\n--b--\r\n", VERIFY_DIGEST, NULL },
	{ "white space added", FROM TYPE(BASE)
	    "--b\r\nContent-Type: text/plain\r\n\r\nIsi surat dinas. \r\n"
	    "\r\n--b\r\n" PART "@S\r\n--b--\r\n", VERIFY_DIGEST, NULL },
	{ "empty content", FROM TYPE(BASE) "--b\r\n\r\n--b\r\n" PART
	    "@S\r\n--b--\r\n", VERIFY_GOOD, "" },
	{ "content of dashes", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "\r\n--\r\n-\r\n--a\r\n--" },
	{ "content of line ends", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "\r\n\r\n\r\n\r\n" },
	{ "content of CRs", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "\r\n\r\r\r\n\r\n\r\r" },
	{ "boundary behind a bare LF (ATK-34)", FROM TYPE(BASE) SIGNED,
	    VERIFY_AMBIGUOUS, "\r\nx\n--b\r\ny" },
	{ "behind a bare CR", FROM TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS,
	    "\r\nx\r--b\r\ny" },
	{ "boundary line ended by LF", FROM TYPE(BASE) SIGNED,
	    VERIFY_AMBIGUOUS, "\r\nx\r\n--b\ny" },
	{ "a longer boundary", FROM TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS,
	    "\r\nx\r\n--bb\r\ny" },
	{ "boundary within a line", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "\r\nx\r\n --b\r\nx--b--\r\n" },
};

static const struct row roots[] = {
	{ "unsigned", FROM "\r\nhalo\r\n", VERIFY_UNSIGNED, NULL },
	{ "unsigned multipart", FROM MIXED "--m\r\n\r\nhalo\r\n--m--\r\n",
	    VERIFY_UNSIGNED, NULL },
	{ "another type behind (HDR-16)", FROM "Content-Type: text/plain\r\n"
	    TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "an encrypted one behind", FROM "Content-Type: text/plain\r\n"
	    P7M("application/pkcs7-mime; smime-type=enveloped-data"),
	    VERIFY_AMBIGUOUS, NULL },
	{ "the same type twice", FROM "Content-Type: text/plain\r\n"
	    "Content-Type: text/html\r\n\r\nhalo\r\n", VERIFY_UNSIGNED,
	    NULL },
	{ "text before (VER-02, ATK-06 M1)", FROM MIXED
	    "--m\r\n\r\nPay me.\r\n--m\r\n" TYPE(BASE) SIGNED "--m--\r\n",
	    VERIFY_PARTIAL, NULL },
	{ "related (ATK-08 M3)", FROM
	    "Content-Type: multipart/related; boundary=m\r\n\r\n"
	    "--m\r\nContent-Type: text/html\r\n\r\n<img src=cid:x>\r\n--m\r\n"
	    TYPE(BASE) SIGNED "--m--\r\n", VERIFY_PARTIAL, NULL },
	{ "alternative (ATK-07 M2)", FROM
	    "Content-Type: multipart/alternative; boundary=m\r\n\r\n"
	    "--m\r\n" TYPE(BASE) SIGNED "--m\r\n\r\nx\r\n--m--\r\n",
	    VERIFY_PARTIAL, NULL },
	{ "attachment (ATK-09 M4)", FROM MIXED
	    "--m\r\n\r\nhalo\r\n--m\r\nContent-Disposition: attachment\r\n"
	    P7M("application/pkcs7-mime") "--m--\r\n", VERIFY_PARTIAL, NULL },
	{ "deep inside", FROM MIXED
	    "--m\r\nContent-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\n"
	    TYPE(BASE) SIGNED "--n--\r\n--m--\r\n", VERIFY_PARTIAL, NULL },
	{ "a forwarded message is another one", FROM MIXED
	    "--m\r\nContent-Type: message/rfc822\r\n\r\n" FROM TYPE(BASE)
	    SIGNED "--m--\r\n", VERIFY_UNSIGNED, NULL },
	{ "OpenPGP", FROM "Content-Type: multipart/signed; boundary=b;"
	    " protocol=\"application/pgp-signature\"\r\n\r\n" SIGNED,
	    VERIFY_OPENPGP, NULL },
	{ "encrypted (VER-51)", FROM
	    P7M("application/pkcs7-mime; smime-type=enveloped-data"),
	    VERIFY_ENCRYPTED, NULL },
	{ "encrypted, by OpenPGP", FROM
	    "Content-Type: multipart/encrypted; boundary=b\r\n\r\nx",
	    VERIFY_ENCRYPTED, NULL },
	{ "encrypted, says only the CMS", FROM
	    "Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "MA8GCSqGSIb3DQEHA6ACMAA=\r\n", VERIFY_ENCRYPTED, NULL },
	{ "compressed", FROM
	    P7M("application/pkcs7-mime; smime-type=compressed-data"),
	    VERIFY_COMPRESSED, NULL },
	{ "opaque", FROM P7M("application/pkcs7-mime"), VERIFY_GOOD, NULL },
	{ "opaque, x-", FROM P7M("application/x-pkcs7-mime"), VERIFY_GOOD,
	    NULL },
	{ "opaque, type lost (ATK-40)", FROM
	    P7M("application/octet-stream; name=smime.p7m"), VERIFY_GOOD,
	    NULL },
	{ "opaque without content", FROM
	    "Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n@S\r\n",
	    VERIFY_NO_CONTENT, NULL },
	{ "opaque by another encoding", FROM
	    "Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n@O\r\n",
	    VERIFY_ENCODING, NULL },
	{ "opaque with a footer", FROM P7M("application/pkcs7-mime")
	    "-- \r\nlist\r\n", VERIFY_ENCODING, NULL },
};

/* VER-30 to VER-33, ATK-10 to ATK-12; also other forms of the right one. */
static const struct row senders[] = {
	{ "plain", FROM TYPE(BASE) SIGNED, VERIFY_GOOD, NULL },
	{ "bare", "From: " BUDI "\r\n" TYPE(BASE) SIGNED, VERIFY_GOOD, NULL },
	{ "upper case (CRT-30, 31)",
	    "from: BUDI@DINKES.Pekalongankab.go.id\r\n" TYPE(BASE) SIGNED,
	    VERIFY_GOOD, NULL },
	{ "folded", "From: Budi\r\n <" BUDI ">\r\n" TYPE(BASE) SIGNED,
	    VERIFY_GOOD, NULL },
	{ "Sender and Reply-To play no part (VER-33)", FROM
	    "Sender: x@y.example\r\nReply-To: x@y.example\r\n" TYPE(BASE)
	    SIGNED, VERIFY_GOOD, NULL },
	{ "Sender alone matches", "From: x@y.example\r\nSender: " BUDI "\r\n"
	    TYPE(BASE) SIGNED, VERIFY_OTHER_ADDRESS, NULL },
	{ "another", "From: " SITI "\r\n" TYPE(BASE) SIGNED,
	    VERIFY_OTHER_ADDRESS, NULL },
	{ "none (VER-31)", TYPE(BASE) SIGNED, VERIFY_NO_FROM, NULL },
	{ "empty", "From: \r\n" TYPE(BASE) SIGNED, VERIFY_NO_FROM, NULL },
	{ "no address", "From: Budi\r\n" TYPE(BASE) SIGNED, VERIFY_NO_FROM,
	    NULL },
	{ "two fields", FROM "From: x@y.example\r\n" TYPE(BASE) SIGNED,
	    VERIFY_SEVERAL_FROM, NULL },
	{ "two alike", FROM FROM TYPE(BASE) SIGNED, VERIFY_SEVERAL_FROM,
	    NULL },
	{ "two mailboxes", "From: " BUDI ", x@y.example\r\n" TYPE(BASE)
	    SIGNED, VERIFY_SEVERAL_FROM, NULL },
	{ "a group", "From: g: " BUDI ";\r\n" TYPE(BASE) SIGNED,
	    VERIFY_SEVERAL_FROM, NULL },
	{ "address in the name", "From: \"boss@bank.example\" <" BUDI ">\r\n"
	    TYPE(BASE) SIGNED, VERIFY_ODD_FROM, NULL },
	{ "address in the name alone", "From: \"" BUDI "\" <x@y.example>\r\n"
	    TYPE(BASE) SIGNED, VERIFY_ODD_FROM, NULL },
	{ "a comment", "From: " BUDI " (x@y.example)\r\n" TYPE(BASE) SIGNED,
	    VERIFY_ODD_FROM, NULL },
	{ "another with a space before its colon (RFC 5322 4.5.2)", FROM
	    "From : x@y.example\r\n" TYPE(BASE) SIGNED, VERIFY_SEVERAL_FROM,
	    NULL },
	{ "another with a tab, behind it", TYPE0(BASE) FROM
	    "FROM\t: x@y.example\r\n\r\n" SIGNED, VERIFY_SEVERAL_FROM, NULL },
	{ "the only one has a space there", "From : " BUDI "\r\n" TYPE(BASE)
	    SIGNED, VERIFY_GOOD, NULL },
	{ "another type with a space before its colon (ATK-31)", FROM
	    "Content-Type : text/html\r\n" TYPE(BASE) SIGNED,
	    VERIFY_AMBIGUOUS, NULL },
	{ "another type with a tab, behind it", FROM TYPE0(BASE)
	    "content-type\t: text/html\r\n\r\n" SIGNED, VERIFY_AMBIGUOUS,
	    NULL },
	{ "an encoding with a space before its colon", FROM
	    "Content-Transfer-Encoding : base64\r\n" TYPE(BASE) SIGNED,
	    VERIFY_STRUCTURE, NULL },
	{ "NUL in it", "From: " BUDI "@0@y.example\r\n" TYPE(BASE) SIGNED,
	    VERIFY_AMBIGUOUS, NULL },
	{ "another behind a bare CR (ATK-34)", "X-A: x\rFrom: x@y.example\r\n"
	    FROM TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "a body behind two bare CRs", FROM "X-A: x\r\rTransfer now!\r\n"
	    TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "the same, opaque", FROM "X-A: x\r\rTransfer now!\r\n"
	    P7M("application/pkcs7-mime"), VERIFY_AMBIGUOUS, NULL },
	{ "a bare CR at the end of a field", FROM "X-A: x\r\r\n" TYPE(BASE)
	    SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "a bare CR before a fold", "X-A: x\r\r\n Transfer now!\r\n" FROM
	    TYPE(BASE) SIGNED, VERIFY_AMBIGUOUS, NULL },
	{ "a bare CR in the type", FROM TYPE(BASE "; x=\ry") SIGNED,
	    VERIFY_AMBIGUOUS, NULL },
	{ "NUL in the type", FROM TYPE(BASE "; x=y@0z") SIGNED,
	    VERIFY_AMBIGUOUS, NULL },
	{ "NUL in any field", FROM "X-A: x@0y\r\n" TYPE(BASE) SIGNED,
	    VERIFY_AMBIGUOUS, NULL },
	{ "folds are none", FROM "X-A: x\r\n y\r\n\tz\r\n" TYPE(BASE) SIGNED,
	    VERIFY_GOOD, NULL },
	{ "a part behind bare CRs in the signature's header", FROM TYPE(BASE)
	    "--b\r\n@E\r\n--b\r\nX-A: x\rContent-Type: text/html\r\rTransfer"
	    "\r\n" PART "@S\r\n--b--\r\n", VERIFY_AMBIGUOUS, NULL },
	{ "NUL in the signature's header", FROM TYPE(BASE) "--b\r\n@E\r\n"
	    "--b\r\nX-A: x@0y\r\n" PART "@S\r\n--b--\r\n",
	    VERIFY_AMBIGUOUS, NULL },
	{ "what is signed may hold it", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "X-A: x\ry\r\nContent-Type: text/plain\r\n\r\nIsi\ry.\r\n" },
};

#define HP(from)	"From: " from "\r\nSubject: Surat\r\n" \
	"Content-Type: text/plain; hp=\"clear\"\r\n\r\nIsi.\r\n"

static const struct row headers[] = {
	{ "the same (VER-40)", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    HP("Budi <" BUDI ">") },
	{ "the address in another case", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    HP("BUDI@DINKES.pekalongankab.go.id") },
	{ "another (VER-41, ATK-33)", FROM TYPE(BASE) SIGNED,
	    VERIFY_PROTECTED_FROM, HP(SITI) },
	{ "none inside", FROM TYPE(BASE) SIGNED, VERIFY_PROTECTED_FROM,
	    HP("") },
	{ "two inside", FROM TYPE(BASE) SIGNED, VERIFY_PROTECTED_FROM,
	    "From: " BUDI "\r\n" HP(BUDI) },
	{ "without hp it says nothing", FROM TYPE(BASE) SIGNED, VERIFY_GOOD,
	    "From: " SITI "\r\nContent-Type: text/plain\r\n\r\nIsi.\r\n" },
	{ "hp further in says nothing (VER-40)", FROM TYPE(BASE) SIGNED,
	    VERIFY_GOOD, MIXED "--m\r\n" HP(SITI) "--m--\r\n" },
	{ "opaque, another", FROM P7M("application/pkcs7-mime"),
	    VERIFY_PROTECTED_FROM, HP(SITI) },
};

static void
test_structures(void **state)
{
	(void)state;
	try(structures, sizeof(structures) / sizeof(structures[0]));
}

static void
test_roots(void **state)
{
	(void)state;
	try(roots, sizeof(roots) / sizeof(roots[0]));
}

static void
test_senders(void **state)
{
	(void)state;
	try(senders, sizeof(senders) / sizeof(senders[0]));
}

static void
test_headers(void **state)
{
	(void)state;
	try(headers, sizeof(headers) / sizeof(headers[0]));
}

/* VER-42: what of the header is covered. */
static void
test_coverage(void **state)
{
	static const char shown[] = "From: Budi  <" BUDI ">\r\n"
	    "Subject: Surat\r\n dinas\r\nDate: today\r\nTo: a@b.example\r\n"
	    TYPE(BASE) SIGNED;
	static const char entity[] = "From: Budi <" BUDI ">\r\n"
	    "Subject:Surat dinas\r\nTo: c@d.example\r\n"
	    "Content-Type: text/plain; hp=\"clear\"\r\n\r\nIsi.\r\n";
	struct buf mail = { 0 };
	struct verdict verdict;

	(void)state;
	expand(shown, entity, &mail);
	expect("coverage", &mail, VERIFY_GOOD, &verdict);
	assert_true(verdict.header_protected);
	assert_int_equal(verdict.covered_from, COVERAGE_SAME);
	assert_int_equal(verdict.covered_subject, COVERAGE_SAME);
	assert_int_equal(verdict.covered_to, COVERAGE_DIFFERENT);
	assert_int_equal(verdict.covered_date, COVERAGE_NONE);
	buf_free(&mail);
}

/* ------------------------------------------------------------- layers --- */

/* Signs what there is once more; how: 'd' detached, 'o' opaque, '!' bad. */
static void
wrap(struct buf *entity, char how, const struct person *who, int n)
{
	struct cms cms = { .signers = { who }, .content = entity->p,
	    .content_len = entity->len };
	struct buf der = { 0 }, out = { 0 };

	if (how == 'o')
		cms.flags = CMS_EMBED;
	if (how == '!')
		cms.flags = CMS_BAD_SIGNATURE;
	cms_build(&cms, &der);
	if (how == 'o')
		mail_opaque("", &der, &out);
	else {
		buf_text(&out, "Content-Type: multipart/signed; boundary=L%d;"
		    " protocol=\"application/pkcs7-signature\"\r\n\r\n"
		    "--L%d\r\n", n, n);
		buf_add(&out, entity->p, entity->len);
		buf_text(&out, "\r\n--L%d\r\n" PART, n);
		buf_base64(&out, der.p, der.len);
		buf_text(&out, "--L%d--\r\n", n);
	}
	buf_free(&der);
	buf_free(entity);
	*entity = out;
}

/* VER-06, VER-07: written from the inside out. */
static void
test_layers(void **state)
{
	static const struct {
		const char		*layers;
		enum verify_reason	 want;
		const char		*parts;	/* outermost first */
		const char		*words;
	} rows[] = {
		{ "d", VERIFY_GOOD, "2", "pass" },
		{ "o", VERIFY_GOOD, "1", "pass" },
		{ "dd", VERIFY_GOOD, "2 1.2", "pass pass" },
		{ "od", VERIFY_GOOD, "2 1", "pass pass" },
		{ "do", VERIFY_GOOD, "1 1/2", "pass pass" },
		{ "oo", VERIFY_GOOD, "1 1/1", "pass pass" },
		{ "doo", VERIFY_GOOD, "1 1/1 1/1/2", "pass pass pass" },
		{ "ddd", VERIFY_GOOD, "2 1.2 1.1.2", "pass pass pass" },
		{ "!d", VERIFY_GOOD, "2 1.2", "pass fail" },
		{ "d!", VERIFY_SIGNATURE, "2 1.2", "fail pass" },
		{ "sd", VERIFY_GOOD, "2 1.2", "pass pass" },
		{ "ds", VERIFY_OTHER_ADDRESS, "2 1.2", "policy pass" },
		{ "ddddd", VERIFY_GOOD, "2 1.2 1.1.2 1.1.1.2 1.1.1.1.2",
		    "pass pass pass pass pass" },
		{ "dddddd", VERIFY_DEPTH,
		    "2 1.2 1.1.2 1.1.1.2 1.1.1.1.2 1.1.1.1.1.2",
		    "pass pass pass pass pass neutral" },
		{ "oooooooooo", VERIFY_DEPTH,
		    "1 1/1 1/1/1 1/1/1/1 1/1/1/1/1 1/1/1/1/1/1",
		    "pass pass pass pass pass neutral" },
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf entity = { 0 }, mail = { 0 };
		struct buf parts = { 0 }, words = { 0 };
		struct verdict verdict;

		buf_text(&entity, "%s", ENTITY);
		for (k = 0; rows[i].layers[k] != '\0'; k++)
			wrap(&entity, rows[i].layers[k],
			    rows[i].layers[k] == 's' ? &siti : &budi, (int)k);
		buf_text(&mail, "%s%s", FROM, entity.p);
		expect(rows[i].layers, &mail, rows[i].want, &verdict);
		for (k = 0; k < verdict.layer_count; k++) {
			buf_text(&parts, "%s%s", k > 0 ? " " : "",
			    verdict.layers[k].part);
			buf_text(&words, "%s%s", k > 0 ? " " : "",
			    verdict_word_text(verdict.layers[k].word));
		}
		assert_string_equal(parts.p, rows[i].parts);
		assert_string_equal(words.p, rows[i].words);
		buf_free(&entity);
		buf_free(&mail);
		buf_free(&parts);
		buf_free(&words);
	}
}

/* VER-22, ATK-29, ATK-30: ceilings, and time that stays small. */
static void
test_ceilings(void **state)
{
	struct verify_settings usual = settings;
	struct buf mail = { 0 };
	struct verdict verdict;
	int i;

	(void)state;
	expand(FROM TYPE(BASE) SIGNED, ENTITY, &mail);
	settings.max_signature = 100;
	expect("signature too long", &mail, VERIFY_LIMIT, &verdict);
	settings = usual;
	settings.max_part_header = 10;
	expect("header too long", &mail, VERIFY_LIMIT, &verdict);
	settings = usual;
	settings.max_certs = 0;
	expect("certificates", &mail, VERIFY_LIMIT, &verdict);
	settings = usual;
	settings.max_signers = 0;
	expect("signers", &mail, VERIFY_LIMIT, &verdict);
	settings = usual;
	buf_free(&mail);
	expand(FROM P7M("application/pkcs7-mime"), ENTITY, &mail);
	settings.max_opaque = 100;
	expect("opaque too long", &mail, VERIFY_LIMIT, &verdict);
	settings = usual;
	buf_free(&mail);
	/* Multiparts in multiparts, never closed. */
	buf_text(&mail, "%s%s", FROM, MIXED);
	for (i = 0; i < 3000; i++)
		buf_text(&mail, "--m\r\nContent-Type: multipart/mixed; "
		    "boundary=m%d\r\n\r\n--m%d\r\n", i, i);
	expect("a heap of parts", &mail, VERIFY_UNSIGNED, &verdict);
	buf_free(&mail);
	/* One in the other: what is deep inside is not looked at. */
	buf_text(&mail, "%sContent-Type: multipart/mixed; boundary=m\r\n\r\n"
	    "--m\r\n", FROM);
	for (i = 0; i < 1000; i++)
		buf_text(&mail, "Content-Type: multipart/mixed; boundary=m%d"
		    "\r\n\r\n--m%d\r\n", i, i);
	expect("a tower of parts", &mail, VERIFY_LIMIT, &verdict);
	assert_true(verdict.silent);	/* HDR-16: who knows what is in it */
	buf_free(&mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
