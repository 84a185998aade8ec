/*
 * test_verify_interop.c - what others sign, and what we sign ourselves, is
 * accepted (VER-20, VER-27): openssl, gpgsm, NSS, Bouncy Castle, RFC 9216.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "../../smime/smime.h"
#include "pki.h"
#include "vmail.h"

#define FROM	"From: " BUDI "\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"

static struct trust *trust;
static struct verify_settings settings;

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("rsa", "rsa2048", "ok");
	pki_mailbox("p256", "p256", "ok");
	pki_mailbox("p384", "p384", "ok");
	pki_mailbox("p521", "p521", "ok");
	write_whole(pki_path("entity"), ENTITY, strlen(ENTITY));
	trust = vmail_settings(&settings);
	return 0;
}

static int
teardown(void **state)
{
	trust_free(trust);
	return pki_teardown(state);
}

static void
expect(const char *what, const struct buf *mail, enum verify_reason want)
{
	struct verdict verdict;

	vmail_verify(&settings, mail->p, mail->len, 0, &verdict);
	if (verdict.reason != want)
		fail_msg("%s: got %s, wanted %s (%s)", what,
		    verify_reason_word(verdict.reason),
		    verify_reason_word(want), verdict.detail);
}

/* A file of text with any line ends, behind FROM. */
static void
read_mail(const char *path, struct buf *out)
{
	size_t i, len;
	char *text = read_whole(path, &len);

	buf_text(out, "%s", FROM);
	for (i = 0; i < len; i++)
		if (text[i] == '\n')
			buf_add(out, "\r\n", 2);
		else if (text[i] != '\r')
			buf_add(out, text + i, 1);
	free(text);
}

/* openssl writes the preamble, x- types, and BER where it streams. */
static void
test_openssl(void **state)
{
	static const struct {
		const char	*what;
		const char	*who;
		const char	*words[8];
	} rows[] = {
		{ "detached", "rsa", { "cms" } },
		{ "opaque", "rsa", { "cms", "-nodetach" } },
		{ "opaque, stream", "rsa", { "cms", "-nodetach",
		    "-stream" } },
		{ "opaque, indefinite", "rsa", { "cms", "-nodetach",
		    "-indef" } },
		{ "PSS", "rsa", { "cms", "-keyopt",
		    "rsa_padding_mode:pss" } },
		{ "PSS, long salt", "rsa", { "cms", "-keyopt",
		    "rsa_padding_mode:pss", "-keyopt",
		    "rsa_pss_saltlen:64" } },
		{ "PSS by SHA-512", "rsa", { "cms", "-keyopt",
		    "rsa_padding_mode:pss", "-md", "sha512" } },
		{ "SHA-384", "rsa", { "cms", "-md", "sha384" } },
		{ "key identifier", "rsa", { "cms", "-keyid" } },
		{ "CAdES", "rsa", { "cms", "-cades" } },
		{ "ECDSA", "p256", { "cms", "-md", "sha256" } },
		{ "ECDSA, opaque", "p256", { "cms", "-nodetach" } },
		{ "P-384", "p384", { "cms", "-md", "sha384" } },
		{ "P-521", "p521", { "cms", "-md", "sha512" } },
		{ "PKCS#7", "rsa", { "smime", "-md", "sha256" } },
		{ "PKCS#7, opaque", "rsa", { "smime", "-nodetach",
		    "-md", "sha256" } },
	};
	char cert[300], key[300], in[300], out[300];
	size_t i, k, n;

	(void)state;
	snprintf(in, sizeof(in), "%s", pki_path("entity"));
	snprintf(out, sizeof(out), "%s", pki_path("openssl.eml"));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[24] = { "openssl", rows[i].words[0],
		    "-sign", "-binary", "-in", in, "-out", out, "-signer",
		    cert, "-inkey", key };
		struct buf mail = { 0 };

		snprintf(cert, sizeof(cert), "%s",
		    pki_path("%s/cert.pem", rows[i].who));
		snprintf(key, sizeof(key), "%s",
		    pki_path("%s/key.pem", rows[i].who));
		for (k = 1, n = 12; rows[i].words[k] != NULL; k++)
			words[n++] = rows[i].words[k];
		if (pki_runv(words) != 0) {
			pki_show();
			fail_msg("%s: openssl failed", rows[i].what);
		}
		read_mail(out, &mail);
		expect(rows[i].what, &mail, VERIFY_GOOD);
		buf_free(&mail);
	}
}

/* SHA-1 is refused, and let pass where that is asked for (VER-21). */
static void
test_sha1(void **state)
{
	X509 *cert = pki_mailbox_cert("rsa");
	EVP_PKEY *key = pki_mailbox_key("rsa");
	struct buf mail = { 0 }, der = { 0 };
	CMS_ContentInfo *cms;
	unsigned char *p = NULL;
	BIO *in = BIO_new_mem_buf(ENTITY, (int)strlen(ENTITY));
	int len;

	(void)state;
	cms = CMS_sign(NULL, NULL, NULL, in, CMS_PARTIAL | CMS_BINARY);
	assert_non_null(CMS_add1_signer(cms, cert, key, EVP_sha1(),
	    CMS_BINARY));
	assert_int_equal(CMS_final(cms, in, NULL, CMS_BINARY), 1);
	len = i2d_CMS_ContentInfo(cms, &p);
	buf_add(&der, p, (size_t)len);
	mail_opaque(FROM, &der, &mail);
	expect("SHA-1", &mail, VERIFY_WEAK);
	settings.weak_digest = true;
	expect("SHA-1 let pass", &mail, VERIFY_GOOD);
	settings.weak_digest = false;
	OPENSSL_free(p);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	X509_free(cert);
	EVP_PKEY_free(key);
	buf_free(&mail);
	buf_free(&der);
}

/* ------------------------------------------------------- other programs --- */

/* A SignedData of tests/interop/sign-all, over ENTITY. No micalg: any digest. */
static void
expect_file(const char *tool, const char *name)
{
	struct buf mail = { 0 }, der = { 0 };
	char what[300];
	size_t len;
	char *p = read_whole(pki_path("%s/%s", tool, name), &len);

	snprintf(what, sizeof(what), "%s: %s", tool, name);
	buf_add(&der, p, len);
	if (strstr(name, ".opaque") != NULL)
		mail_opaque(FROM, &der, &mail);
	else {
		buf_text(&mail, FROM "Content-Type: multipart/signed; "
		    "protocol=\"application/pkcs7-signature\"; boundary=b"
		    "\r\n\r\n--b\r\n" ENTITY "\r\n--b\r\nContent-Type: "
		    "application/pkcs7-signature\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n");
		buf_base64(&mail, der.p, der.len);
		buf_text(&mail, "--b--\r\n");
	}
	expect(what, &mail, VERIFY_GOOD);
	buf_free(&mail);
	buf_free(&der);
	free(p);
}

/* All that the tool makes: RSA, PSS, ECDSA, detached and opaque, BER and DER,
 * as far as it can; at least so many. */
static void
expect_all(const char *tool, size_t least)
{
	const struct dirent *entry;
	size_t count = 0;
	int status;
	DIR *dir;

	status = pki_run("tests/interop/sign-all", tool, pki_path("%s", ""),
	    pki_path("entity"), pki_path("%s", tool), NULL);
	if (status == 69)
		skip();
	if (status != 0) {
		pki_show();
		fail_msg("sign-all %s ended with %d", tool, status);
	}
	assert_non_null(dir = opendir(pki_path("%s", tool)));
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			expect_file(tool, entry->d_name);
			count++;
		}
	closedir(dir);
	assert_true(count >= least);
}

static void
test_others_openssl(void **state)
{
	(void)state;
	expect_all("openssl", 29);
}

static void
test_gpgsm(void **state)
{
	(void)state;
	expect_all("gpgsm", 12);
}

static void
test_nss(void **state)
{
	(void)state;
	expect_all("nss", 12);
}

static void
test_bouncy_castle(void **state)
{
	(void)state;
	expect_all("bc", 24);
}

/* ------------------------------------------------------------- our own --- */

struct sink {
	struct buf	*out;
};

static int
put(void *arg, const unsigned char *buf, size_t len)
{
	struct sink *sink = arg;

	buf_add(sink->out, buf, len);
	return 0;
}

/* Signed as outgoing mail is, with protected headers (SIG-61, VER-40). */
static void
sign_own(const char *who, enum smime_scheme scheme, enum smime_form form)
{
	static const char header[] = "From: Budi <" BUDI ">\n"
	    "Subject: Surat\nMIME-Version: 1.0\n";
	struct smime_error err = { "" };
	struct canon_settings canon_settings;
	struct canon_result result;
	struct header_list list = { 0 };
	unsigned char value[SMIME_DIGEST_MAX], *der;
	struct person person = person_load(who);
	struct composed *composed;
	struct buf mail = { 0 };
	struct sink sink = { &mail };
	struct verdict verdict;
	struct signer *signer;
	struct canon *canon;
	const char *p;
	size_t len, used;
	bool body;

	signer = signer_new(person.cert, person.key, NULL, NULL, scheme, 0,
	    &err);
	assert_non_null(signer);
	assert_int_equal(header_parse(&list, header, strlen(header), 0, &used,
	    &body, &err), 0);
	canon_settings_init(&canon_settings);
	canon_settings.spool_dir = pki_path("%s", "");
	canon_settings.header_protection = true;
	canon = canon_new(&canon_settings, &list, signer_digest(signer),
	    &err);
	assert_non_null(canon);
	if (canon_body(canon, "halo\r\n", 6, &err) != 0 ||
	    canon_finish(canon, &result, &err) != 0 ||
	    canon_digest(canon, signer_digest(signer), value, &err) != 0 ||
	    signer_sign(signer, value, smime_digest_size(
	    signer_digest(signer)), settings.now, &der, &len, &err) != 0 ||
	    (composed = compose_signed(canon, form, signer_digest(signer),
	    der, len, &err)) == NULL)
		fail_msg("%s: %s", who, err.text);
	buf_text(&mail, "From: Budi <%s>\r\nSubject: Surat\r\n"
	    "Content-Type: ", BUDI);
	for (p = composed_content_type(composed); *p != '\0'; p++)
		buf_text(&mail, "%s%c", *p == '\n' ? "\r" : "", *p);
	if (composed_encoding(composed) != NULL)
		buf_text(&mail, "\r\nContent-Transfer-Encoding: %s",
		    composed_encoding(composed));
	buf_text(&mail, "\r\n\r\n");
	if (composed_write(composed, put, &sink, &err) != 0)
		fail_msg("%s: %s", who, err.text);
	expect(who, &mail, VERIFY_GOOD);
	vmail_verify(&settings, mail.p, mail.len, 1, &verdict);
	assert_true(verdict.header_protected);
	assert_int_equal(verdict.covered_from, COVERAGE_SAME);
	assert_int_equal(verdict.covered_subject, COVERAGE_SAME);
	composed_free(composed);
	OPENSSL_free(der);
	canon_free(canon);
	header_clear(&list);
	signer_free(signer);
	person_free(&person);
	buf_free(&mail);
}

static void
test_own(void **state)
{
	enum smime_form form;

	(void)state;
	for (form = FORM_DETACHED; form <= FORM_OPAQUE; form++) {
		sign_own("rsa", SCHEME_DEFAULT, form);
		sign_own("rsa", SCHEME_PSS, form);
		sign_own("p256", SCHEME_DEFAULT, form);
		sign_own("p384", SCHEME_DEFAULT, form);
	}
}

/* RFC 9216: Alice by RSA, Carlos by Ed25519, each under its own root. */
static void
test_rfc9216(void **state)
{
	static const struct {
		const char	*name, *address, *root;
	} rows[] = {
		{ "alice", "alice@smime.example", "rsa-ca" },
		{ "carlos", "carlos@smime.example", "ed25519-ca" },
	};
	struct smime_error err = { "" };
	char path[128], header[128];
	struct person who;
	X509 *root;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct cms cms = { .signers = { &who }, .content = ENTITY,
		    .content_len = strlen(ENTITY), .flags = CMS_EMBED };
		struct trust *some = trust_new();
		struct buf mail = { 0 };

		snprintf(path, sizeof(path), "tests/data/rfc9216/%s-sign.pem",
		    rows[i].name);
		who.cert = load_cert(path);
		snprintf(path, sizeof(path), "tests/data/rfc9216/%s-sign.key",
		    rows[i].name);
		who.key = load_key(path);
		snprintf(path, sizeof(path), "tests/data/rfc9216/%s.pem",
		    rows[i].root);
		root = load_cert(path);
		trust_add_anchor(some, root, &err);
		X509_free(root);
		if (i == 1)
			cms.md = EVP_sha512();
		snprintf(header, sizeof(header), "From: %s\r\n",
		    rows[i].address);
		mail_build(header, &cms, &mail);
		settings.trust = some;
		expect(rows[i].name, &mail, VERIFY_CRL_MISSING);
		settings.crl_soft_fail = true;
		expect(rows[i].name, &mail, VERIFY_GOOD);
		settings.crl_soft_fail = false;
		settings.trust = trust;
		trust_free(some);
		person_free(&who);
		buf_free(&mail);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_sha1),
		cmocka_unit_test(test_gpgsm),
		cmocka_unit_test(test_nss),
		cmocka_unit_test(test_bouncy_castle),
		cmocka_unit_test(test_others_openssl),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_rfc9216),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
