/*
 * test_attack.c - attacks on the signature and on what carries it: forged
 * paddings, replayed attributes, weak algorithms, bombs, other readings of
 * base64 and MIME. Those on certificates are in test_attack_cert.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "../../smime/verify.h"
#include "attack.h"
#include "authority.h"
#include "pki.h"

#define BASE	"protocol=\"application/pkcs7-signature\"; boundary=b"
#define TYPE(p)	"MIME-Version: 1.0\r\nContent-Type: multipart/signed; " p \
	"\r\n\r\n"
#define PART	"Content-Type: application/pkcs7-signature\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define RSA_LEN	256

/* ------------------------------------------------------ forged paddings --- */

/* Takes the SignedData apart where it stands, to change it there. */
static struct signed_data
taken_apart(const struct buf *der)
{
	struct signed_data data;

	assert_int_equal(cms_read((unsigned char *)der->p, der->len, 4, 32,
	    &data), VERIFY_GOOD);
	return data;
}

/* x ** d by the key, without any padding of the library's. */
static void
raw_sign(EVP_PKEY *key, const unsigned char *block, unsigned char *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len = RSA_LEN;

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
	assert_int_equal(EVP_PKEY_sign(ctx, out, &len, block, RSA_LEN), 1);
	assert_int_equal(len, RSA_LEN);
	EVP_PKEY_CTX_free(ctx);
}

#define SHA256_INFO	0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, \
	0x65, 3, 4, 2, 1, 5, 0, 4, 0x20

static const unsigned char info_right[] = { SHA256_INFO };
static const unsigned char info_no_null[] = { 0x30, 0x2f, 0x30, 0x0b, 6, 9,
	0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20 };
/* The digest hidden in the parameters, and what lengths of BER allow. */
static const unsigned char info_ber[] = { 0x30, 0x81, 0x31, 0x30, 0x0d, 6, 9,
	0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20 };
static const unsigned char info_sha1[] = { 0x30, 0x31, 0x30, 0x0d, 6, 9,
	0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x20 };

struct padding {
	const char		*what;
	unsigned char		 type;		/* 01 is for signatures */
	int			 filler;	/* octets of ff; -1: to the end */
	unsigned char		 octet;		/* of the filler */
	const unsigned char	*info;
	size_t			 info_len;
	const char		*want;
};

/* EMSA-PKCS1-v1_5 (RFC 8017 9.2), with one thing wrong. */
static void
pad(const struct padding *with, const unsigned char *digest,
    unsigned char *block)
{
	size_t tail = with->info_len + 32, n = with->filler >= 0 ?
	    (size_t)with->filler : RSA_LEN - 3 - tail;

	memset(block, 0x5a, RSA_LEN);
	block[0] = 0;
	block[1] = with->type;
	memset(block + 2, with->octet, n);
	block[2 + n] = 0;
	memcpy(block + 3 + n, with->info, with->info_len);
	memcpy(block + 3 + n + with->info_len, digest, 32);
}

/* ATK-23: what lax checks of the padding took for a signature. */
static void
test_paddings(void **state)
{
#define INFO(array)	array, sizeof(array)
	static const struct padding rows[] = {
		{ "right padding, by hand", 1, -1, 0xff, INFO(info_right),
		    "pass good" },
		{ "ATK-23 octets behind the digest", 1, 8, 0xff,
		    INFO(info_right), "fail signature" },
		{ "ATK-23 hardly any padding", 1, 1, 0xff, INFO(info_right),
		    "fail signature" },
		{ "ATK-23 no padding", 1, 0, 0xff, INFO(info_right),
		    "fail signature" },
		{ "ATK-23 other padding octets", 1, -1, 0xfe,
		    INFO(info_right), "fail signature" },
		{ "ATK-23 block type 2", 2, -1, 0xff, INFO(info_right),
		    "fail signature" },
		{ "ATK-23 block type 0", 0, -1, 0, INFO(info_right),
		    "fail signature" },
		{ "ATK-23 lengths in BER", 1, -1, 0xff, INFO(info_ber),
		    "fail signature" },
		{ "ATK-23 parameters missing", 1, -1, 0xff,
		    INFO(info_no_null), "fail signature" },
		{ "ATK-23 another digest named", 1, -1, 0xff, INFO(info_sha1),
		    "fail signature" },
	};
	unsigned char digest[32], block[RSA_LEN], value[RSA_LEN], tag = 0x31;
	struct cms cms = { .signers = { &attack.rsa }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct signed_data data;
	struct buf der = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t i;

	(void)state;
	cms_build(&cms, &der);
	data = taken_apart(&der);
	assert_int_equal(data.signers[0].signature.len, RSA_LEN);
	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	EVP_DigestUpdate(ctx, &tag, 1);
	EVP_DigestUpdate(ctx, data.signers[0].attributes.p + 1,
	    data.signers[0].attributes.len - 1);
	EVP_DigestFinal_ex(ctx, digest, NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pad(&rows[i], digest, block);
		raw_sign(attack.rsa.key, block, value);
		memcpy(der.p + ((char *)(uintptr_t)
		    data.signers[0].signature.p - der.p), value, RSA_LEN);
		attack_der(rows[i].what, &der, false, rows[i].want);
	}
	EVP_MD_CTX_free(ctx);
	buf_free(&der);
}

/* ATK-23: a cube root needs no key. Such keys are not taken at all. */
static void
test_small_exponents(void **state)
{
	static const struct {
		const char	*what;
		const char	*exponent;
		const char	*want;
	} rows[] = {
		{ "ATK-23 e = 3", "3", "policy weak" },
		{ "ATK-23 e = 17", "11", "policy weak" },
		{ "ATK-30 e of 65 bits", "10000000000000001",
		    "neutral limit" },
		{ "ATK-30 e of 1024 bits", "1"
		    "0000000000000000000000000000000000000000000000000000000"
		    "0000000000000000000000000000000000000000000000000000000"
		    "0000000000000000000000000000000000000000000000000000000"
		    "0000000000000000000000000000000000000000000000000000000"
		    "000000000000000000000000000000000001",
		    "neutral limit" },
	};
	struct person who = { NULL, attack.rsa.key };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EVP_PKEY *key = public_rsa(2048, rows[i].exponent);
		struct issue with = { .name = "budi", .mail = BUDI,
		    .key = key, .issuer = attack.issuing.cert,
		    .issuer_key = attack.issuing.key,
		    .extensions = { ISSUE_MAILBOX } };
		struct cms cms = { .signers = { &who } };

		who.cert = issue(&with);
		attack_cms(rows[i].what, &cms, rows[i].want);
		X509_free(who.cert);
		EVP_PKEY_free(key);
	}
}

/* ATK-30: the operation of such a key takes seconds, and is never begun. */
static void
test_large_keys(void **state)
{
	EVP_PKEY *key = public_rsa(16384, "10001");
	struct person who = { NULL, attack.rsa.key };
	struct issue with = { .name = "budi", .mail = BUDI, .key = key,
	    .issuer = attack.issuing.cert, .issuer_key = attack.issuing.key,
	    .extensions = { ISSUE_MAILBOX } };
	struct issue authority = { .name = "Large", .key = key,
	    .issuer = attack.issuing.cert, .issuer_key = attack.issuing.key,
	    .extensions = { { "basicConstraints", "critical,CA:TRUE" },
	    ISSUE_CA } };
	struct issue below = { .name = "budi", .mail = BUDI,
	    .key = attack.rsa.key, .issuer_key = attack.rsa.key,
	    .extensions = { ISSUE_MAILBOX } };
	struct cms cms = { .signers = { &who } };

	(void)state;
	who.cert = issue(&with);
	attack_cms("ATK-30 a signer with 16384 bits", &cms, "neutral limit");
	X509_free(who.cert);
	cms.extra[0] = below.issuer = issue(&authority);
	who.cert = issue(&below);
	attack_cms("ATK-30 an authority with 16384 bits", &cms,
	    "fail untrusted");
	X509_free(who.cert);
	X509_free(cms.extra[0]);
	EVP_PKEY_free(key);
}

/* ----------------------------------------------------------- C1 refined --- */

static bool
openssl_takes(const struct buf *der)
{
	const unsigned char *p = (unsigned char *)der->p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der->len);
	X509_STORE *store = X509_STORE_new();
	bool good;

	assert_non_null(cms);
	good = CMS_verify(cms, NULL, store, NULL, NULL, CMS_BINARY |
	    CMS_NO_SIGNER_CERT_VERIFY) == 1;
	ERR_clear_error();
	X509_STORE_free(store);
	CMS_ContentInfo_free(cms);
	return good;
}

/*
 * ATK-02, VER-11: a signature over attributes is also one over a message whose
 * content is those attributes, by a SignerInfo without any.
 */
static void
test_replayed_attributes(void **state)
{
	struct cms cms = { .signers = { &attack.rsa }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct buf first = { 0 }, second = { 0 }, mail = { 0 };
	struct signed_data data, forged;
	unsigned char attributes[512];
	size_t len;

	(void)state;
	cms_build(&cms, &first);
	data = taken_apart(&first);
	len = data.signers[0].attributes.len;
	assert_true(len <= sizeof(attributes));
	memcpy(attributes, data.signers[0].attributes.p, len);
	attributes[0] = 0x31;
	cms.content = (char *)attributes;
	cms.content_len = len;
	cms.flags = CMS_EMBED | CMS_NO_ATTRIBUTES;
	cms_build(&cms, &second);
	forged = taken_apart(&second);
	memcpy(second.p + ((char *)(uintptr_t)forged.signers[0].signature.p -
	    second.p), data.signers[0].signature.p, RSA_LEN);
	assert_true(openssl_takes(&second));
	attack_der("ATK-02 attributes replayed, opaque", &second, true,
	    "neutral no-attributes");
	buf_free(&second);
	cms.flags = CMS_NO_ATTRIBUTES;
	cms_build(&cms, &second);
	forged = taken_apart(&second);
	memcpy(second.p + ((char *)(uintptr_t)forged.signers[0].signature.p -
	    second.p), data.signers[0].signature.p, RSA_LEN);
	mail_detached(FROM, (char *)attributes, len, &second, &mail);
	attack_expect("ATK-02 attributes replayed, detached", &mail,
	    "neutral no-attributes", NULL);
	buf_free(&mail);
	buf_free(&first);
	buf_free(&second);
}

/* ---------------------------------------------------------- algorithms --- */

/* ATK-24, VER-21 */
static void
test_weak(void **state)
{
	static const struct {
		const char	*what;
		const char	*type;		/* of make-pki */
		const char	*profile;
		unsigned	 flags;
		const char	*md;
		const char	*want;
	} rows[] = {
		{ "ATK-24 MD5", "rsa2048", "ok", CMS_MD5, "SHA256",
		    "policy weak" },
		{ "ATK-24 SHA-1", "rsa2048", "ok", 0, "SHA1", "policy weak" },
		{ "ATK-24 DSA", "p256", "ok", CMS_DSA, "SHA256",
		    "policy weak" },
		{ "ATK-24 RSA-1024", "rsa1024", "ok", 0, "SHA256",
		    "policy weak" },
		{ "ATK-24 certificate by SHA-1", "p256", "sha1", 0, "SHA256",
		    "policy weak-chain" },
		{ "ATK-24 authority by SHA-1", "p256", "weakchain", 0,
		    "SHA256", "policy weak-chain" },
	};
	X509 *weak = pki_cert("weak-issuing.pem");
	struct person who;
	char name[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* micalg would contradict SHA-1: opaque has none. */
		struct cms cms = { .signers = { &who }, .extra = { weak },
		    .md = EVP_get_digestbyname(rows[i].md),
		    .flags = rows[i].flags | CMS_EMBED };

		snprintf(name, sizeof(name), "weak%zu", i);
		pki_mailbox(name, rows[i].type, rows[i].profile);
		who = person_load(name);
		attack_cms(rows[i].what, &cms, rows[i].want);
		person_free(&who);
	}
	X509_free(weak);
}

/* ------------------------------------------------------- bombs of ASN.1 --- */

static void
put(struct buf *out, unsigned char tag, struct buf *inside)
{
	unsigned char head[8], *end;
	struct buf whole = { 0 };

	end = der_put_header(head, tag, inside->len);
	buf_add(&whole, head, (size_t)(end - head));
	buf_add(&whole, inside->p, inside->len);
	buf_free(inside);
	buf_add(out, whole.p, whole.len);
	buf_free(&whole);
}

/* A SignedData whose certificates and signers are given. */
static void
envelope(struct buf *certs, struct buf *signers, struct buf *out)
{
	static const unsigned char type[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86,
	    0xf7, 0x0d, 1, 7, 2 }, head[] = { 2, 1, 1, 0x31, 0, 0x30, 11, 6, 9,
	    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1 };
	struct buf data = { 0 }, info = { 0 }, wrapped = { 0 };

	buf_add(&data, head, sizeof(head));
	if (certs->len > 0)
		put(&data, 0xa0, certs);
	put(&data, 0x31, signers);
	put(&wrapped, 0x30, &data);
	buf_add(&info, type, sizeof(type));
	put(&info, 0xa0, &wrapped);
	put(out, 0x30, &info);
}

static void
repeat(struct buf *out, const void *p, size_t len, size_t times)
{
	while (times-- > 0)
		buf_add(out, p, len);
}

static void
bomb(const char *what, const void *head, size_t len, size_t times,
    const char *want)
{
	struct buf der = { 0 };

	repeat(&der, head, len, times);
	attack_der(what, &der, true, want);
	attack_der(what, &der, false, want);
	buf_free(&der);
}

/* ATK-30, VER-22, VER-27: no matter what lengths and depths are claimed. */
static void
test_asn1_bombs(void **state)
{
	static const char oid[] = "\x30\x84\x3f\xff\xff\xff\x06\x84\x3f\xff"
	    "\xff\xf0";
	struct buf certs = { 0 }, signers = { 0 }, der = { 0 };

	(void)state;
	bomb("ATK-30 10,000 open sequences", "\x30\x80", 2, 10000,
	    "neutral syntax");
	bomb("ATK-30 10,000 open octet strings", "\x24\x80", 2, 10000,
	    "neutral syntax");
	bomb("ATK-30 100,000 of context", "\xa0\x80", 2, 100000,
	    "neutral syntax");
	bomb("ATK-30 a gigabyte claimed", "\x30\x84\x40\x00\x00\x00", 6, 1,
	    "neutral syntax");
	bomb("ATK-30 more than memory", "\x30\x88\x7f\xff\xff\xff\xff\xff\xff"
	    "\xff", 10, 1, "neutral syntax");
	bomb("ATK-30 a length of 127 octets", "\x30\xff\x01\x01\x01", 5, 10,
	    "neutral syntax");
	bomb("ATK-30 an OID of a gigabyte", oid, 12, 1, "neutral syntax");
	bomb("ATK-30 high tag numbers", "\x3f\xff\xff\xff\x7f", 5, 5000,
	    "neutral syntax");
	bomb("ATK-30 zeros", "\0\0", 2, 50000, "neutral syntax");
	repeat(&certs, "\x30\x02\x05\x00", 4, 10000);
	envelope(&certs, &signers, &der);
	attack_der("ATK-30 10,000 certificates", &der, false,
	    "neutral limit");
	buf_free(&der);
	repeat(&signers, "\x30\x00", 2, 10000);
	envelope(&certs, &signers, &der);
	attack_der("ATK-30 10,000 empty signers", &der, false,
	    "neutral syntax");
	buf_free(&der);
}

/* ATK-30: the same of well-formed ones, behind the one that is right. */
static void
test_many_signers(void **state)
{
	struct cms cms = { .signers = { &attack.budi }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct buf one = { 0 }, certs = { 0 }, signers = { 0 }, der = { 0 };
	struct signed_data data;
	struct der in, set, unused, info;

	(void)state;
	cms_build(&cms, &one);
	data = taken_apart(&one);
	/* The set of signers is what stands last. */
	in.p = data.certs[0].p + data.certs[0].len;
	in.len = (size_t)((unsigned char *)one.p + one.len - in.p);
	assert_true(der_take(&in, 0x31, &set, NULL));
	assert_true(der_take(&set, 0x30, &unused, &info));
	buf_add(&certs, data.certs[0].p, data.certs[0].len);
	repeat(&signers, info.p, info.len, 4);
	envelope(&certs, &signers, &der);
	attack_der("four times the same signer", &der, false, "pass good");
	buf_free(&der);
	buf_add(&certs, data.certs[0].p, data.certs[0].len);
	repeat(&signers, info.p, info.len, 500);
	envelope(&certs, &signers, &der);
	attack_der("ATK-30 500 signers", &der, false, "neutral limit");
	buf_free(&der);
	buf_free(&one);
}

/* -------------------------------------------------------- bombs of MIME --- */

static void
signed_message(const char *type, const char *entity, size_t len,
    const char *boundary, struct buf *out)
{
	struct cms cms = { .signers = { &attack.budi }, .content = entity,
	    .content_len = len };
	struct buf der = { 0 };

	cms_build(&cms, &der);
	buf_text(out, FROM "%s--%s\r\n", type, boundary);
	buf_add(out, entity, len);
	buf_text(out, "\r\n--%s\r\n" PART, boundary);
	buf_base64(out, der.p, der.len);
	buf_text(out, "--%s--\r\n", boundary);
	buf_free(&der);
}

static void
nest(struct buf *out, unsigned depth)
{
	unsigned i;

	for (i = 0; i < depth; i++)
		buf_text(out, "Content-Type: multipart/mixed; boundary=n%u"
		    "\r\n\r\n--n%u\r\n", i, i);
}

/* ATK-29: depth and number of parts are bounded; a signature hides nowhere. */
static void
test_mime_bombs(void **state)
{
	struct buf mail = { 0 }, entity = { 0 };
	unsigned i;

	(void)state;
	buf_text(&mail, FROM "MIME-Version: 1.0\r\n");
	nest(&mail, 2000);
	attack_expect("ATK-29 depth 2,000", &mail, "neutral limit", NULL);
	buf_free(&mail);
	buf_text(&mail, FROM "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=m\r\n\r\n");
	for (i = 0; i < 100000; i++)
		buf_text(&mail, "--m\r\n\r\n\r\n");
	attack_expect("ATK-29 100,000 parts", &mail, "neutral limit", NULL);
	buf_free(&mail);
	/* Inside what is signed nobody looks at parts. */
	nest(&entity, 300);
	signed_message(TYPE(BASE), entity.p, entity.len, "b", &mail);
	attack_expect("depth 300, signed", &mail, "pass good", NULL);
	buf_free(&mail);
	buf_free(&entity);
	buf_text(&mail, FROM "MIME-Version: 1.0\r\n");
	for (i = 0; i < 200; i++)
		buf_text(&mail, "Content-Type: multipart/signed; protocol="
		    "\"application/pkcs7-signature\"; boundary=s%u\r\n\r\n"
		    "--s%u\r\n", i, i);
	attack_expect("ATK-29 200 signatures begun", &mail,
	    "neutral structure", NULL);
	buf_free(&mail);
	buf_text(&mail, FROM);
	for (i = 0; i < 20000; i++)
		buf_text(&mail, "X-%u: x\r\n", i);
	buf_text(&mail, TYPE(BASE) "--b\r\n");
	attack_expect("ATK-29 20,000 fields", &mail, "neutral structure",
	    NULL);
	buf_free(&mail);
}

/* ATK-29: boundaries that are too long, a part of another, or missing. */
static void
test_boundaries(void **state)
{
	char type[3000], boundary[2100];
	struct buf mail = { 0 };
	static const char prefix[] = "Content-Type: multipart/mixed; "
	    "boundary=bb\r\n\r\n--bb\r\n\r\nhalo\r\n--bb--\r\n";

	(void)state;
	memset(boundary, 'x', 2048);
	boundary[2048] = '\0';
	snprintf(type, sizeof(type), TYPE("protocol=\"application/"
	    "pkcs7-signature\"; boundary=\"%s\""), boundary);
	signed_message(type, ENTITY, strlen(ENTITY), boundary, &mail);
	attack_expect("ATK-29 a boundary of 2 KB", &mail, "neutral structure",
	    NULL);
	buf_free(&mail);
	signed_message(TYPE(BASE), prefix, strlen(prefix), "b", &mail);
	attack_expect("ATK-29 a boundary that begins another", &mail,
	    "neutral ambiguous", NULL);
	buf_free(&mail);
	signed_message(TYPE(BASE), ENTITY, strlen(ENTITY), "b", &mail);
	mail.len -= strlen("--b--\r\n");
	attack_expect("ATK-29 no closing boundary", &mail,
	    "neutral structure", NULL);
	buf_free(&mail);
}

/* --------------------------------------------------------------- base64 --- */

/* How a signature's octets are written: lines of so many, and so on. */
struct base64 {
	const char	*what;
	const char	*head;		/* of the part */
	size_t		 line;
	const char	*end;		/* of a line */
	size_t		 cut;		/* characters left out at the end */
	const char	*tail;
	const char	*want;
};

#define P7S	"Content-Type: application/pkcs7-signature\r\n"
#define B64	"Content-Transfer-Encoding: "

static const struct base64 encodings[] = {
	{ "lines of 64", P7S B64 "base64\r\n\r\n", 64, "\r\n", 0, "",
	    "pass good" },
	{ "one line", P7S B64 "base64\r\n\r\n", 99999, "\r\n", 0, "",
	    "pass good" },
	{ "lines of 1", P7S B64 "base64\r\n\r\n", 1, "\r\n", 0, "",
	    "pass good" },
	{ "blanks", P7S B64 "BASE64 (c)\r\n\r\n", 3, " \t", 0, "",
	    "pass good" },
	{ "ATK-31 padding missing", P7S B64 "base64\r\n\r\n", 64, "\r\n", 2,
	    "", "neutral encoding" },
	{ "ATK-31 a character missing", P7S B64 "base64\r\n\r\n", 64, "\r\n",
	    1, "", "neutral encoding" },
	{ "ATK-31 padding twice", P7S B64 "base64\r\n\r\n", 64, "\r\n", 0,
	    "====", "neutral encoding" },
	{ "ATK-31 two strings", P7S B64 "base64\r\n\r\n", 64, "\r\n", 0,
	    "MAA=", "neutral encoding" },
	{ "ATK-31 junk between", P7S B64 "base64\r\n\r\n", 64, "\r\n*", 0, "",
	    "neutral encoding" },
	{ "ATK-31 junk, second in its group", P7S B64 "base64\r\n\r\n", 61,
	    "*", 0, "", "neutral encoding" },
	{ "ATK-31 junk, third in its group", P7S B64 "base64\r\n\r\n", 62,
	    "*", 0, "", "neutral encoding" },
	{ "ATK-31 junk, fourth in its group", P7S B64 "base64\r\n\r\n", 63,
	    "*", 0, "", "neutral encoding" },
	{ "ATK-31 a NUL between", P7S B64 "base64\r\n\r\n", 64, NULL, 0, "",
	    "neutral encoding" },
	{ "ATK-31 8 bit between", P7S B64 "base64\r\n\r\n", 64, "\xc3\xa9", 0,
	    "", "neutral encoding" },
	{ "ATK-31 named 7bit", P7S B64 "7bit\r\n\r\n", 64, "\r\n", 0, "",
	    "neutral encoding" },
	{ "ATK-31 named quoted-printable", P7S B64 "quoted-printable\r\n\r\n",
	    64, "\r\n", 0, "", "neutral encoding" },
	{ "ATK-31 named binary", P7S B64 "binary\r\n\r\n", 64, "\r\n", 0, "",
	    "neutral encoding" },
	{ "ATK-31 named x-base64", P7S B64 "x-base64\r\n\r\n", 64, "\r\n", 0,
	    "", "neutral encoding" },
	{ "ATK-31 named uuencode", P7S B64 "x-uuencode\r\n\r\n", 64, "\r\n",
	    0, "", "neutral encoding" },
	{ "ATK-31 not named", P7S "\r\n", 64, "\r\n", 0, "",
	    "neutral encoding" },
	{ "ATK-31 named twice", P7S B64 "base64\r\n" B64 "base64\r\n\r\n", 64,
	    "\r\n", 0, "", "neutral ambiguous" },
	{ "ATK-31 named twice, contradicting", P7S B64 "base64\r\n" B64
	    "7bit\r\n\r\n", 64, "\r\n", 0, "", "neutral ambiguous" },
	{ "ATK-31 two types", P7S "Content-Type: text/plain\r\n" B64
	    "base64\r\n\r\n", 64, "\r\n", 0, "", "neutral ambiguous" },
	{ "ATK-31 another type", "Content-Type: text/plain; name=smime.p7s"
	    "\r\n" B64 "base64\r\n\r\n", 64, "\r\n", 0, "",
	    "neutral structure" },
	{ "ATK-31 no type", B64 "base64\r\n\r\n", 64, "\r\n", 0, "",
	    "neutral structure" },
};

static void
write_base64(const struct base64 *with, const struct buf *der,
    struct buf *out)
{
	unsigned char *text = malloc(der->len * 2 + 8);
	size_t i, n, len = (size_t)EVP_EncodeBlock(text,
	    (unsigned char *)der->p, (int)der->len);

	len -= with->cut;
	for (i = 0; i < len; i += n) {
		n = len - i < with->line ? len - i : with->line;
		buf_add(out, text + i, n);
		if (with->end == NULL)
			buf_add(out, "\0", 1);
		else if (i + n < len)
			buf_text(out, "%s", with->end);
	}
	buf_text(out, "%s\r\n", with->tail);
	free(text);
}

static void
test_base64(void **state)
{
	struct cms cms = { .signers = { &attack.rsa }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct buf der = { 0 };
	size_t i;

	(void)state;
	cms_build(&cms, &der);
	/* Padding there must be, for it to be missing: eight octets more. */
	if (der.len % 3 == 0) {
		buf_free(&der);
		cms.flags = CMS_OTHER_CERTS;
		cms_build(&cms, &der);
	}
	assert_int_not_equal(der.len % 3, 0);
	for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		struct buf mail = { 0 };

		buf_text(&mail, FROM TYPE(BASE) "--b\r\n" ENTITY "\r\n--b\r\n"
		    "%s", encodings[i].head);
		write_base64(&encodings[i], &der, &mail);
		buf_text(&mail, "--b--\r\n");
		attack_expect(encodings[i].what, &mail, encodings[i].want,
		    NULL);
		buf_free(&mail);
	}
	buf_free(&der);
}

/* ------------------------------------------------------- other readings --- */

/* ATK-28: what is compressed is never opened, wherever it stands. */
static void
test_compressed(void **state)
{
	static const unsigned char compressed[] = { 0x30, 24, 6, 11, 0x2a,
	    0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9, 0xa0, 9, 0x30, 7,
	    2, 1, 0, 0x30, 0, 0x30, 0 };
	struct buf der = { 0 }, mail = { 0 };
	static const char inside[] = "Content-Type: application/pkcs7-mime; "
	    "smime-type=compressed-data\r\nContent-Transfer-Encoding: base64"
	    "\r\n\r\nMAA=\r\n";

	(void)state;
	buf_add(&der, compressed, sizeof(compressed));
	attack_der("ATK-28 compressed, says only the CMS", &der, true,
	    "neutral compressed");
	buf_text(&mail, FROM "%s", inside);
	attack_expect("ATK-28 compressed", &mail, "neutral compressed", NULL);
	buf_free(&mail);
	signed_message(TYPE(BASE), inside, strlen(inside), "b", &mail);
	attack_expect("compressed, and then signed", &mail, "pass good",
	    NULL);
	buf_free(&mail);
	buf_free(&der);
}

#define HP_TO(to)	"From: Budi <" BUDI ">\r\nTo: " to "\r\n"	\
	"Subject: Surat\r\nContent-Type: text/plain; hp=\"clear\"\r\n"	\
	"\r\nSetuju.\r\n"

/*
 * ATK-32: an old message, or one to somebody else, is signed all the same;
 * what can be told of it is told.
 */
static void
test_replay(void **state)
{
	struct cms cms = { .signers = { &attack.budi } };
	struct verdict verdict;
	struct buf mail = { 0 };
	static const char head[] = "To: siti@example.org\r\n"
	    TYPE(BASE);

	(void)state;
	cms.time = attack.settings.now - 40 * 86400;
	attack_cms("ATK-32 signed 40 days ago", &cms, "policy signing-time");
	attack.settings.max_age = 0;
	attack_cms("signed 40 days ago, and any age goes", &cms, "pass good");
	attack.settings.max_age = 30 * 86400;
	cms.time = 2840140800;		/* in 2060, which UTCTime has not */
	attack_cms("VER-24 GeneralizedTime, far off", &cms,
	    "policy signing-time");
	attack.settings.max_future = 0;
	attack_cms("VER-24 GeneralizedTime", &cms, "pass good");
	attack.settings.max_future = 86400;
	signed_message(head, HP_TO("siti@example.org"),
	    strlen(HP_TO("siti@example.org")), "b", &mail);
	attack_expect("to her", &mail, "pass good", &verdict);
	assert_int_equal(verdict.covered_to, COVERAGE_SAME);
	buf_free(&mail);
	signed_message(head, HP_TO("lain@example.org"),
	    strlen(HP_TO("lain@example.org")), "b", &mail);
	attack_expect("ATK-32 to another", &mail, "pass good", &verdict);
	assert_int_equal(verdict.covered_to, COVERAGE_DIFFERENT);
	assert_int_equal(verdict.covered_from, COVERAGE_SAME);
	buf_free(&mail);
}

/*
 * VER-43: a message wrapped in message/rfc822 is an attachment that is signed:
 * nothing of its header is taken for the outer one's.
 */
static void
test_wrapped(void **state)
{
	static const char entity[] = "Content-Type: message/rfc822; "
	    "protected-headers=v1\r\n\r\nFrom: " SITI "\r\nSubject: Lain\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; hp=\"clear\"\r\n"
	    "\r\nx\r\n";
	struct verdict verdict;
	struct buf mail = { 0 };

	(void)state;
	signed_message(TYPE(BASE), entity, strlen(entity), "b", &mail);
	attack_expect("VER-43 wrapped", &mail, "pass good", &verdict);
	assert_false(verdict.header_protected);
	buf_free(&mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paddings),
		cmocka_unit_test(test_small_exponents),
		cmocka_unit_test(test_large_keys),
		cmocka_unit_test(test_replayed_attributes),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_asn1_bombs),
		cmocka_unit_test(test_many_signers),
		cmocka_unit_test(test_mime_bombs),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_wrapped),
	};

	return cmocka_run_group_tests(tests, attack_setup, attack_teardown);
}
