/*
 * test_attack_cert.c - attacks by what a certificate says: odd addresses and
 * names in it, paths that RFC 5280 6.1 refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "../../smime/parse.h"
#include "../../smime/smime.h"
#include "attack.h"
#include "authority.h"
#include "fields.h"
#include "pki.h"

#define DOMAIN		"dinkes.pekalongankab.go.id"
#define OCTETS(text)	text, sizeof(text) - 1

/* ------------------------------------------------------------ addresses --- */

/* From FROM's mailbox, by a certificate like this. */
static void
try(const char *what, const struct issue *like, const char *from,
    const char *want, struct verdict *verdict)
{
	struct issue with = *like;
	struct person who = { NULL, attack.budi.key };
	struct cms cms = { .signers = { &who }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct buf der = { 0 }, mail = { 0 };

	with.key = who.key;
	if (with.issuer == NULL) {
		with.issuer = attack.issuing.cert;
		with.issuer_key = attack.issuing.key;
	}
	who.cert = issue(&with);
	cms_build(&cms, &der);
	mail_detached(from, ENTITY, strlen(ENTITY), &der, &mail);
	attack_expect(what, &mail, want, verdict);
	buf_free(&mail);
	buf_free(&der);
	X509_free(who.cert);
}

/*
 * ATK-25, CRT-34: one octet more or less in subjectAltName is another address;
 * and what stands there keeps the subject's from being used (CRT-33).
 */
static void
test_names(void **state)
{
	static const struct {
		const char	*what;
		const char	*mail;
		size_t		 len;
		const char	*want;
	} rows[] = {
		{ "as it is", OCTETS(BUDI), "pass good" },
		{ "CRT-31 upper case", OCTETS("BUDI@DINKES.PekalonganKab.GO."
		    "ID"), "pass good" },
		{ "ATK-25 NUL behind it", OCTETS(BUDI "\0@evil.example"),
		    "policy other-address" },
		{ "ATK-25 NUL at the end", OCTETS(BUDI "\0"),
		    "policy other-address" },
		{ "ATK-25 NUL before it", OCTETS("\0" BUDI),
		    "policy other-address" },
		{ "ATK-25 NUL in the local part", OCTETS("budi\0x@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 space behind it", OCTETS(BUDI " "),
		    "policy other-address" },
		{ "ATK-25 space before it", OCTETS(" " BUDI),
		    "policy other-address" },
		{ "ATK-25 tab", OCTETS("\t" BUDI), "policy other-address" },
		{ "ATK-25 line end", OCTETS(BUDI "\r\n"),
		    "policy other-address" },
		{ "ATK-25 quoted", OCTETS("\"budi\"@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 angle brackets", OCTETS("<" BUDI ">"),
		    "policy other-address" },
		{ "ATK-25 a name too", OCTETS("Budi <" BUDI ">"),
		    "policy other-address" },
		{ "ATK-25 a comment", OCTETS(BUDI "(x)"),
		    "policy other-address" },
		{ "ATK-25 a list", OCTETS(BUDI ",x@evil.example"),
		    "policy other-address" },
		{ "ATK-25 8 bit", OCTETS("b\xfc" "di@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 UTF-8", OCTETS("b\xc5\xab" "di@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 DEL", OCTETS(BUDI "\x7f"), "policy other-address" },
		{ "ATK-25 wildcard", OCTETS("*@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 domain alone", OCTETS(DOMAIN),
		    "policy other-address" },
		{ "ATK-25 @ and domain", OCTETS("@" DOMAIN),
		    "policy other-address" },
		{ "ATK-25 subdomains", OCTETS(".pekalongankab.go.id"),
		    "policy other-address" },
		{ "ATK-25 two @", OCTETS(BUDI "@evil.example"),
		    "policy other-address" },
		{ "ATK-25 empty", OCTETS(""), "policy other-address" },
		{ "a detail is another address", OCTETS("budi+x@" DOMAIN),
		    "policy other-address" },
		{ "a trailing dot", OCTETS(BUDI "."),
		    "policy other-address" },
	};
	static char none[] = "";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct issue with = { .name = "budi", .subject_mail = BUDI,
		    .mail = rows[i].len > 0 ? rows[i].mail : none,
		    .mail_len = rows[i].len, .extensions =
		    { ISSUE_MAILBOX } };

		try(rows[i].what, &with, FROM, rows[i].want, NULL);
	}
}

/* ATK-25, CRT-32, CRT-33: where else an address may stand. */
static void
test_places(void **state)
{
	static const struct {
		const char	*what;
		const char	*subject_mail;
		const char	*utf8_mail;
		const char	*name;
		const char	*other;		/* in subjectAltName */
		const char	*want;
	} rows[] = {
		{ "subject alone", BUDI, NULL, "budi", NULL, "pass good" },
		{ "subject, and names of other kinds", BUDI, NULL, "budi",
		    "DNS:x.example,URI:http://x.example/", "pass good" },
		{ "subject of another", "x@evil.example", NULL, "budi", NULL,
		    "policy other-address" },
		{ "common name alone", NULL, NULL, BUDI, NULL,
		    "policy no-address" },
		{ "as a URI", NULL, NULL, "budi", "URI:mailto:" BUDI,
		    "policy no-address" },
		{ "as a host", NULL, NULL, "budi", "DNS:" DOMAIN,
		    "policy no-address" },
		{ "CRT-32 SmtpUTF8Mailbox in ASCII", NULL, BUDI, "budi", NULL,
		    "policy other-address" },
		{ "CRT-32 ... and the subject", BUDI, BUDI, "budi", NULL,
		    "policy other-address" },
		{ "CRT-32 with a BOM", NULL, "\xef\xbb\xbf" BUDI, "budi",
		    NULL, "policy other-address" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct issue with = { .name = rows[i].name,
		    .subject_mail = rows[i].subject_mail,
		    .utf8_mail = rows[i].utf8_mail, .extensions =
		    { ISSUE_MAILBOX, { "subjectAltName", rows[i].other } } };

		if (rows[i].other == NULL)
			with.extensions[5][0] = NULL;
		try(rows[i].what, &with, FROM, rows[i].want, NULL);
	}
}

/*
 * ATK-26, CRT-36: a domain that looks the same is another one. d with a dot
 * below, a Cyrillic a, full-width letters, a soft hyphen.
 */
static void
test_homographs(void **state)
{
	static const struct {
		const char	*what;
		const char	*from;
		const char	*mail;		/* in the certificate */
		const char	*want;
	} rows[] = {
		{ "CRT-30 mixed case", "From: Budi@Dinkes.PEKALONGANKAB.go.id"
		    "\r\n", BUDI, "pass good" },
		{ "CRT-30 A-label", "From: x@xn--bcher-kva.example\r\n",
		    "x@xn--bcher-kva.example", "pass good" },
		{ "CRT-30 A-label in upper case",
		    "From: x@XN--BCHER-KVA.example\r\n",
		    "x@xn--bcher-kva.example", "pass good" },
		{ "CRT-30 U-label", "From: x@b\xc3\xbc" "cher.example\r\n",
		    "x@xn--bcher-kva.example", "pass good" },
		{ "CRT-30 U-label of another", "From: x@b\xc3\xbb" "cher."
		    "example\r\n", "x@xn--bcher-kva.example",
		    "policy other-address" },
		{ "CRT-36 U-label in upper case is none", "From: x@B\xc3\x9c"
		    "CHER.example\r\n", "x@xn--bcher-kva.example",
		    "policy other-address" },
		{ "ATK-26 Cyrillic a", "From: budi@dinkes.pek\xd0\xb0longankab"
		    ".go.id\r\n", BUDI, "policy other-address" },
		{ "ATK-26 the same, in its A-label",
		    "From: budi@dinkes.xn--peklongankab-9yh.go.id\r\n", BUDI,
		    "policy other-address" },
		{ "ATK-26 full-width", "From: budi@dinkes.\xef\xbd\x90"
		    "ekalongankab.go.id\r\n", BUDI, "policy odd-from" },
		{ "ATK-26 soft hyphen", "From: budi@dinkes.pekalongan\xc2\xad"
		    "kab.go.id\r\n", BUDI, "policy odd-from" },
		{ "ATK-26 an ideographic full stop", "From: budi@dinkes"
		    "\xe3\x80\x82pekalongankab.go.id\r\n", BUDI,
		    "policy odd-from" },
		{ "ATK-26 percent sign", "From: budi%dinkes.pekalongankab.go"
		    ".id@evil.example\r\n", BUDI, "policy other-address" },
		{ "ATK-26 one letter", "From: budi@dinkes.peka1ongankab.go.id"
		    "\r\n", BUDI, "policy other-address" },
		{ "ATK-26 below another", "From: " BUDI ".evil.example\r\n",
		    BUDI, "policy other-address" },
		{ "ATK-26 an encoded word for a name", "From: =?utf-8?q?"
		    "budi=40dinkes.pekalongankab.go.id?= <x@evil.example>"
		    "\r\n", "x@evil.example", "policy odd-from" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct issue with = { .name = "budi", .mail = rows[i].mail,
		    .extensions = { ISSUE_MAILBOX } };

		try(rows[i].what, &with, rows[i].from, rows[i].want, NULL);
	}
}

/* CRT-30, CRT-36: vectors by an encoder of somebody else's (Python's). */
static void
test_a_labels(void **state)
{
	static const struct {
		const char	*address;
		const char	*want;
	} rows[] = {
		{ "x@y.example", "x@y.example" },
		{ "x", "x" },
		{ "b\xc3\xbc@y.example", "b\xc3\xbc@y.example" },
		{ "x@b\xc3\xbc" "cher.example", "x@xn--bcher-kva.example" },
		{ "x@m\xc3\xbcnchen.b\xc3\xbc" "cher",
		    "x@xn--mnchen-3ya.xn--bcher-kva" },
		{ "x@\xe4\xbe\x8b\xe3\x81\x88.id", "x@xn--r8jz45g.id" },
		{ "x@\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80",
		    "x@xn--e1afmkfd" },
		{ "x@\xce\xb1\xce\xb2\xce\xb3", "x@xn--mxacd" },
		{ "x@\xc3\xbc", "x@xn--tda" },
		{ "x@a-\xc3\xbc-b", "x@xn--a--b-1ra" },
		{ "x@\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		    "x@xn--wgv71a119e" },
		{ "x@\xf0\x90\x8d\x88x", "x@xn--x-vf2i" },
		{ "x@\xc5\xab" "di", "x@xn--di-fua" },
		{ "x@3\xe5\xb9\xb4" "b\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab"
		    "\xe5\x85\x88\xe7\x94\x9f",
		    "x@xn--3b-ww4c5e180e575a65lsy2b" },
		{ "x@b\xc3\xbc" "cher..example.", "x@xn--bcher-kva"
		    "..example." },
		{ "x@\xff.example", "x@\xff.example" },
	};
	char address[ADDRESS_MAX + 1], large[ADDRESS_MAX + 1] = "x@";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(address, sizeof(address), "%s", rows[i].address);
		address_to_ascii(address);
		assert_string_equal(address, rows[i].want);
	}
	/* A label that grows too long, and a domain that does. */
	for (i = 0; i < 60; i++)
		strcat(large, i % 2 == 0 ? "\xe4\xbe\x8b" : "a");
	snprintf(address, sizeof(address), "%s", large);
	address_to_ascii(address);
	assert_string_equal(address, large);
	for (i = 0, large[2] = '\0'; i < 79; i++)
		strcat(large, "\xc3\xbc.");
	snprintf(address, sizeof(address), "%s", large);
	address_to_ascii(address);
	assert_string_equal(address, large);
}

/* ---------------------------------------------------------------- names --- */

/*
 * ATK-27, ATK-38, HDR-07: names that would end a field, a string, a comment or
 * a line of the log. They are of a trusted authority's making here, which is
 * the worst case: otherwise nothing of them is shown.
 */
static void
test_hostile_names(void **state)
{
	static char large[65537];
	const struct {
		const char	*what;
		const char	*name;
		size_t		 len;
		int		 type;
	} rows[] = {
		{ "a field", OCTETS("x\r\nAuthentication-Results: mx.example;"
		    " smime=pass"), V_ASN1_UTF8STRING },
		{ "the end of a string", OCTETS("x\"; address=\"a@b.example"),
		    V_ASN1_UTF8STRING },
		{ "a backslash at the end", OCTETS("x\\"),
		    V_ASN1_UTF8STRING },
		{ "the end of a comment", OCTETS("x) smime=pass (;"),
		    V_ASN1_UTF8STRING },
		{ "NUL", OCTETS("Budi\0Bupati"), V_ASN1_UTF8STRING },
		{ "escape", OCTETS("\x1b[2J\x1b]0;x\x07 %s%n"),
		    V_ASN1_UTF8STRING },
		{ "right to left", OCTETS("Budi \xe2\x80\xae itapuB"),
		    V_ASN1_UTF8STRING },
		{ "line separators", OCTETS("a\xe2\x80\xa8" "b\xc2\x85" "c"),
		    V_ASN1_UTF8STRING },
		{ "BMPString of line ends", OCTETS("\0x\0\r\0\n\0A"),
		    V_ASN1_BMPSTRING },
		{ "UniversalString", OCTETS("\0\0\0\n\0\x01\xf4\xff"),
		    V_ASN1_UNIVERSALSTRING },
		{ "T61String", OCTETS("a\xc1\x41\r\n"), V_ASN1_T61STRING },
		{ "an encoded word", OCTETS("=?utf-8?q?=0D=0A?="),
		    V_ASN1_UTF8STRING },
		{ "64 KB", large, sizeof(large) - 1, V_ASN1_UTF8STRING },
	};
	char fields[8192], *p;
	struct verdict verdict;
	size_t i;

	(void)state;
	memset(large, 'B', sizeof(large) - 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct issue with = { .name = rows[i].name, .name_len =
		    rows[i].len, .name_type = rows[i].type, .mail = BUDI,
		    .extensions = { ISSUE_MAILBOX } };

		try(rows[i].what, &with, FROM, "pass good", &verdict);
		assert_true(fields_say_good(&verdict, fields,
		    sizeof(fields)));
		/* The only LFs are folds, and the one between the fields. */
		for (p = fields; (p = strpbrk(p, "\r\n\x1b\x07")) != NULL;
		    p++)
			if (*p != '\n' || (p[1] != '\t' && strncmp(p,
			    "\nmx.example; smime=pass\n", 24) != 0 &&
			    strncmp(p, "\nmx.example; smime=pass ", 24) != 0))
				fail_msg("%s: %s", rows[i].what, fields);
	}
}

/* ---------------------------------------------------------------- paths --- */

/* An authority below the usual root; its list is of a year. */
struct below {
	struct person	 self;
	X509_CRL	*crl;
};

/* 2.5.29.32.0 alone */
#define ANY_POLICY	"DER:30:08:30:06:06:04:55:1D:20:00"

static struct below
authority(const char *name, struct person *by, const char *constraints,
    const char *more, const char *value, const EVP_MD *md)
{
	struct below out = { { NULL, EVP_EC_gen("P-256") }, NULL };
	struct issue with = { .name = name, .key = out.self.key,
	    .issuer = by->cert, .issuer_key = by->key, .md = md,
	    .extensions = { { "basicConstraints", constraints }, ISSUE_CA,
	    { more, value },
	    /* OpenSSL 3.0 leaks the constraints of one without policies */
	    { more != NULL && strcmp(more, "policyConstraints") == 0 ?
	    "certificatePolicies" : NULL, ANY_POLICY } } };

	out.self.cert = issue(&with);
	out.crl = issue_crl(out.self.cert, out.self.key);
	return out;
}

static void
below_free(struct below *below)
{
	person_free(&below->self);
	X509_CRL_free(below->crl);
}

static struct trust *
trust_in(struct person *root, struct below *first, struct below *second)
{
	struct smime_error err = { "" };
	struct trust *trust = vmail_trust();
	X509_CRL *crl = issue_crl(root->cert, root->key);

	trust_add_anchor(trust, root->cert, &err);
	trust_add_crl(trust, crl, &err);
	trust_add_crl(trust, first->crl, &err);
	trust_add_intermediate(trust, first->self.cert, &err);
	if (second != NULL) {
		trust_add_crl(trust, second->crl, &err);
		trust_add_intermediate(trust, second->self.cert, &err);
	}
	X509_CRL_free(crl);
	return trust;
}

/*
 * CRT-01, CRT-10, CRT-11, CRT-23: one authority with something about it, and a
 * mailbox by it; with two, the second is by the first.
 */
static void
test_paths(void **state)
{
	static const struct {
		const char	*what;
		const char	*constraints;
		const char	*more, *value;
		const char	*second;	/* its constraints */
		const char	*mail;
		const char	*want;
	} rows[] = {
		{ "one authority", "critical,CA:TRUE", NULL, NULL, NULL,
		    BUDI, "pass good" },
		{ "two authorities", "critical,CA:TRUE", NULL, NULL,
		    "critical,CA:TRUE", BUDI, "pass good" },
		{ "CRT-01 path length", "critical,CA:TRUE,pathlen:0", NULL,
		    NULL, "critical,CA:TRUE", BUDI, "fail untrusted" },
		{ "path length that suffices", "critical,CA:TRUE,pathlen:1",
		    NULL, NULL, "critical,CA:TRUE", BUDI, "pass good" },
		{ "CRT-01 no authority", "critical,CA:FALSE", NULL, NULL,
		    NULL, BUDI, "fail untrusted" },
		{ "CRT-01 no authority above one", "critical,CA:FALSE", NULL,
		    NULL, "critical,CA:TRUE", BUDI, "fail untrusted" },
		{ "CRT-10 critical and unknown", "critical,CA:TRUE",
		    "1.3.6.1.4.1.99999.1", "critical,ASN1:NULL", NULL, BUDI,
		    "fail untrusted" },
		{ "unknown, not critical", "critical,CA:TRUE",
		    "1.3.6.1.4.1.99999.1", "ASN1:NULL", NULL, BUDI,
		    "pass good" },
		{ "CRT-11 its domain", "critical,CA:TRUE", "nameConstraints",
		    "critical,permitted;email:" DOMAIN, NULL, BUDI,
		    "pass good" },
		{ "CRT-11 another domain", "critical,CA:TRUE",
		    "nameConstraints", "critical,permitted;email:x.example",
		    NULL, BUDI, "fail untrusted" },
		{ "CRT-11 excluded", "critical,CA:TRUE", "nameConstraints",
		    "critical,excluded;email:.pekalongankab.go.id", NULL,
		    BUDI, "fail untrusted" },
		{ "CRT-11 another mailbox excluded", "critical,CA:TRUE",
		    "nameConstraints", "critical,excluded;email:" SITI, NULL,
		    BUDI, "pass good" },
		{ "CRT-11 through a second authority", "critical,CA:TRUE",
		    "nameConstraints", "critical,permitted;email:x.example",
		    "critical,CA:TRUE", BUDI, "fail untrusted" },
		{ "CRT-11 the subject's address", "critical,CA:TRUE",
		    "nameConstraints", "critical,permitted;email:x.example",
		    NULL, NULL, "fail untrusted" },
		{ "the subject's address, permitted", "critical,CA:TRUE",
		    "nameConstraints", "critical,permitted;email:" DOMAIN,
		    NULL, NULL, "pass good" },
		{ "CRT-01 a policy is asked for", "critical,CA:TRUE",
		    "policyConstraints", "critical,requireExplicitPolicy:0",
		    NULL, BUDI, "policy certificate-policy" },
		{ "CRT-23 for mail", "critical,CA:TRUE", "extendedKeyUsage",
		    "emailProtection", NULL, BUDI, "pass good" },
		{ "CRT-23 for servers alone", "critical,CA:TRUE",
		    "extendedKeyUsage", "serverAuth", NULL, BUDI,
		    "fail usage" },
		{ "CRT-23 for servers alone, above another",
		    "critical,CA:TRUE", "extendedKeyUsage", "serverAuth",
		    "critical,CA:TRUE", BUDI, "fail usage" },
		{ "CRT-23 for anything", "critical,CA:TRUE",
		    "extendedKeyUsage", "anyExtendedKeyUsage", NULL, BUDI,
		    "pass good" },
	};
	struct person root = { NULL, EVP_EC_gen("P-256") };
	struct issue of_root = { .name = "Root", .key = root.key,
	    .extensions = { { "basicConstraints", "critical,CA:TRUE" },
	    ISSUE_CA } };
	size_t i;

	(void)state;
	root.cert = issue(&of_root);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct below first = authority("First", &root,
		    rows[i].constraints, rows[i].more, rows[i].value, NULL);
		struct below second = { { NULL, NULL }, NULL };
		struct issue with = { .name = "budi", .mail = rows[i].mail,
		    .subject_mail = rows[i].mail == NULL ? BUDI : NULL,
		    .issuer = first.self.cert, .issuer_key = first.self.key,
		    .extensions = { ISSUE_MAILBOX } };

		if (rows[i].second != NULL) {
			second = authority("Second", &first.self,
			    rows[i].second, NULL, NULL, NULL);
			with.issuer = second.self.cert;
			with.issuer_key = second.self.key;
		}
		attack.settings.trust = trust_in(&root, &first,
		    rows[i].second != NULL ? &second : NULL);
		try(rows[i].what, &with, FROM, rows[i].want, NULL);
		trust_free((struct trust *)(uintptr_t)
		    attack.settings.trust);
		below_free(&first);
		if (second.crl != NULL)
			below_free(&second);
	}
	attack.settings.trust = attack.trust;
	person_free(&root);
}

#define ONE_POLICY	"DER:30:0B:30:09:06:07:67:81:0C:01:05:03:01"

/*
 * RFC 5280 6.1.1 (c), 6.1.5: an authority that demands a policy of what it
 * issues has any of them, unless some are configured.
 */
static void
test_demanded_policy(void **state)
{
	static const struct {
		const char	*what;
		const char	*demand;
		const char	*policies;	/* of the mailbox */
		const char	*asked;
		const char	*want;
	} rows[] = {
		{ "none", NULL, NULL, NULL, "pass good" },
		{ "demanded, and there", "requireExplicitPolicy:0",
		    ONE_POLICY, NULL, "pass good" },
		{ "demanded, any", "requireExplicitPolicy:0", ANY_POLICY, NULL,
		    "pass good" },
		{ "CRT-01 demanded, none", "requireExplicitPolicy:0", NULL,
		    NULL, "policy certificate-policy" },
		{ "demanded, asked for, and there", "requireExplicitPolicy:0",
		    ONE_POLICY, "2.23.140.1.5.3.1", "pass good" },
		{ "asked for another", "requireExplicitPolicy:0", ONE_POLICY,
		    "2.23.140.1.5.3.2", "policy certificate-policy" },
		{ "asked for alone, another", NULL, ONE_POLICY,
		    "2.23.140.1.5.3.2", "policy certificate-policy" },
	};
	struct person root = { NULL, EVP_EC_gen("P-256") };
	struct issue of_root = { .name = "Root", .key = root.key,
	    .extensions = { { "basicConstraints", "critical,CA:TRUE" },
	    ISSUE_CA } };
	struct smime_error err = { "" };
	struct trust *trust;
	size_t i;

	(void)state;
	root.cert = issue(&of_root);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct below first = authority("First", &root,
		    "critical,CA:TRUE", rows[i].demand != NULL ?
		    "policyConstraints" : NULL, rows[i].demand, NULL);
		struct issue with = { .name = "budi", .mail = BUDI,
		    .issuer = first.self.cert, .issuer_key = first.self.key,
		    .extensions = { ISSUE_MAILBOX, { rows[i].policies != NULL ?
		    "certificatePolicies" : NULL, rows[i].policies } } };

		trust = trust_in(&root, &first, NULL);
		assert_int_equal(trust_set_policies(trust, &rows[i].asked,
		    rows[i].asked != NULL ? 1 : 0, &err), 0);
		attack.settings.trust = trust;
		try(rows[i].what, &with, FROM, rows[i].want, NULL);
		trust_free(trust);
		below_free(&first);
	}
	attack.settings.trust = attack.trust;
	person_free(&root);
}

/* CRT-13: an authority that anybody can compute the key of vouches for none. */
static void
test_weak_authority(void **state)
{
	struct person root = { NULL, EVP_RSA_gen(1024) };
	struct issue of_root = { .name = "Root", .key = root.key,
	    .extensions = { { "basicConstraints", "critical,CA:TRUE" },
	    ISSUE_CA } };
	struct below first;
	struct issue with = { .name = "budi", .mail = BUDI,
	    .extensions = { ISSUE_MAILBOX } };

	(void)state;
	root.cert = issue(&of_root);
	first = authority("First", &root, "critical,CA:TRUE", NULL, NULL,
	    NULL);
	with.issuer = first.self.cert;
	with.issuer_key = first.self.key;
	attack.settings.trust = trust_in(&root, &first, NULL);
	try("CRT-13 a root with RSA-1024", &with, FROM, "policy weak-chain",
	    NULL);
	trust_free((struct trust *)(uintptr_t)attack.settings.trust);
	attack.settings.trust = attack.trust;
	below_free(&first);
	person_free(&root);
}

/* CRT-09, CRT-14, ATK-05: what a message brings helps to build a path alone. */
static void
test_brought_along(void **state)
{
	struct person root = { NULL, EVP_EC_gen("P-256") };
	struct person who = { NULL, attack.budi.key };
	struct issue of_root = { .name = "Sampul test root",
	    .key = root.key, .extensions = { { "basicConstraints",
	    "critical,CA:TRUE" }, ISSUE_CA } };
	struct issue by_twin = { .name = "budi", .mail = BUDI,
	    .key = who.key, .issuer_key = root.key,
	    .extensions = { ISSUE_MAILBOX } };
	struct issue by_leaf = { .name = "budi", .mail = BUDI,
	    .key = who.key, .issuer = attack.rsa.cert,
	    .issuer_key = attack.rsa.key, .extensions = { ISSUE_MAILBOX } };
	struct cms cms = { .signers = { &who } };
	size_t i;

	(void)state;
	cms.extra[0] = root.cert = by_twin.issuer = issue(&of_root);
	who.cert = issue(&by_twin);
	attack_cms("ATK-05 its own root", &cms, "fail untrusted");
	X509_free(who.cert);
	/* A mailbox is no authority, though its own path is good. */
	cms.extra[0] = attack.rsa.cert;
	who.cert = issue(&by_leaf);
	attack_cms("CRT-01 by another mailbox", &cms, "fail untrusted");
	X509_free(who.cert);
	/* The same root thirty times over. */
	for (i = 0; i < 30; i++)
		cms.extra[i] = root.cert;
	who.cert = issue(&by_twin);
	attack_cms("ATK-30 thirty issuers of one name", &cms,
	    "fail untrusted");
	X509_free(who.cert);
	person_free(&root);
}

/*
 * CRT-12: an authority whose certificate has ended beside one of the same name
 * and key that goes on, and one of the same name with another key.
 */
static void
test_twins(void **state)
{
	struct smime_error err = { "" };
	X509 *old = pki_cert("root-old.pem"), *twin = pki_cert("root-twin.pem");
	struct cms cms = { .signers = { &attack.budi } };
	struct trust *trust = vmail_trust();

	(void)state;
	trust_add_anchor(trust, old, &err);
	trust_add_anchor(trust, twin, &err);
	attack.settings.trust = trust;
	attack_cms("CRT-12 an old root and a twin", &cms, "pass good");
	trust_free(trust);
	trust = trust_new();
	trust_add_anchor(trust, twin, &err);
	attack.settings.trust = trust;
	attack_cms("CRT-12 the twin alone", &cms, "fail untrusted");
	trust_free(trust);
	attack.settings.trust = attack.trust;
	X509_free(old);
	X509_free(twin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_homographs),
		cmocka_unit_test(test_a_labels),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_demanded_policy),
		cmocka_unit_test(test_weak_authority),
		cmocka_unit_test(test_brought_along),
		cmocka_unit_test(test_twins),
	};

	return cmocka_run_group_tests(tests, attack_setup, attack_teardown);
}
