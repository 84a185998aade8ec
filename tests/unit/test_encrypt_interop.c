/*
 * test_encrypt_interop.c - encrypted messages, opened by other programs and
 * then verified by them: each kind of key and cipher, one recipient and twenty
 * (ENC-01, ENC-08, ENC-09, ENC-13). What comes out is compared with what went
 * in, octet for octet.
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

#define MANY	20

enum group { ONE_RSA, ONE_P256, ONE_P384, MANY_RSA, MANY_EC, MIXED };

/* Who reads what, of those that are asked: nobody else was found to. */
static const struct {
	const char		*name;
	enum group		 group;
	enum smime_cipher	 cipher;
	bool			 oaep;
	enum smime_form		 form;
	size_t			 body;		/* octets, in lines of 17 */
	const char		*tools;
} messages[] = {
	{ "rsa-cbc", ONE_RSA, CIPHER_AES256_CBC, false, FORM_DETACHED, 1700,
	    "openssl,gpgsm,nss,bc" },
	{ "rsa-cbc-opaque", ONE_RSA, CIPHER_AES256_CBC, false, FORM_OPAQUE,
	    34, "openssl,gpgsm,nss,bc" },
	{ "rsa-cbc-large", ONE_RSA, CIPHER_AES256_CBC, false, FORM_DETACHED,
	    1700000, "openssl,gpgsm,nss,bc" },
	{ "rsa-gcm256", ONE_RSA, CIPHER_AES256_GCM, false, FORM_DETACHED,
	    1717, "openssl,bc" },
	{ "rsa-gcm128", ONE_RSA, CIPHER_AES128_GCM, false, FORM_DETACHED, 17,
	    "openssl,bc" },
	{ "rsa-oaep", ONE_RSA, CIPHER_AES256_CBC, true, FORM_DETACHED, 170,
	    "openssl,bc" },
	{ "p256-cbc", ONE_P256, CIPHER_AES256_CBC, false, FORM_DETACHED, 850,
	    "openssl,bc" },
	{ "p256-gcm128", ONE_P256, CIPHER_AES128_GCM, false, FORM_DETACHED,
	    850, "openssl,bc" },
	{ "p384-cbc", ONE_P384, CIPHER_AES256_CBC, false, FORM_OPAQUE, 850,
	    "openssl,bc" },
	{ "p384-gcm256", ONE_P384, CIPHER_AES256_GCM, false, FORM_DETACHED,
	    17000, "openssl,bc" },
	{ "twenty-rsa", MANY_RSA, CIPHER_AES256_CBC, false, FORM_DETACHED,
	    1700, "openssl,gpgsm,nss,bc" },
	{ "twenty-rsa-gcm", MANY_RSA, CIPHER_AES256_GCM, false, FORM_DETACHED,
	    1700, "openssl,bc" },
	{ "twenty-ec", MANY_EC, CIPHER_AES256_CBC, false, FORM_DETACHED, 1700,
	    "openssl,bc" },
	{ "twenty-ec-gcm", MANY_EC, CIPHER_AES128_GCM, false, FORM_DETACHED,
	    1700, "openssl,bc" },
	{ "mixed", MIXED, CIPHER_AES256_CBC, false, FORM_DETACHED, 1700,
	    "openssl,bc" },
};
#define MESSAGES	(sizeof(messages) / sizeof(messages[0]))

static X509 *rsa[MANY], *ec[MANY];
static struct signer *signer;
static char inner[MESSAGES][600];

static size_t
recipients_of(enum group group, bool oaep, struct recipient *out)
{
	size_t i, n = 0;

	for (i = 0; i < MANY; i++) {
		if (group == MANY_RSA || (group == ONE_RSA && i == 0) ||
		    (group == MIXED && i < 2))
			out[n++] = (struct recipient){ rsa[i], oaep };
		if (group == MANY_EC || (group == ONE_P256 && i == 0) ||
		    (group == ONE_P384 && i == 1) || (group == MIXED && i < 2))
			out[n++] = (struct recipient){ ec[i], false };
	}
	return n;
}

/* The names of those who open it; of twenty the first, one between, the last */
static size_t
openers_of(enum group group, char names[4][16])
{
	static const int some[] = { 0, 7, MANY - 1 };
	size_t n = 0;
	int i;

	if (group == ONE_RSA || group == MIXED)
		snprintf(names[n++], 16, "rsa0");
	if (group == ONE_P256)
		snprintf(names[n++], 16, "ec0");
	if (group == ONE_P384 || group == MIXED)
		snprintf(names[n++], 16, "ec1");
	for (i = 0; i < 3 && (group == MANY_RSA || group == MANY_EC); i++)
		snprintf(names[n++], 16, "%s%d", group == MANY_RSA ? "rsa" :
		    "ec", some[i]);
	return n;
}

static int
put(void *arg, const unsigned char *buf, size_t len)
{
	return fwrite(buf, 1, len, arg) == len ? 0 : -1;
}

static void
put_field(FILE *f, const char *name, const char *value)
{
	if (value == NULL)
		return;
	fprintf(f, "%s: ", name);
	for (; *value != '\0'; value++)
		fprintf(f, "%s%c", *value == '\n' ? "\r" : "", *value);
	fprintf(f, "\r\n");
}

static void
write_to(struct composed *composed, const char *from, const char *path)
{
	struct smime_error err = { "" };
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	put_field(f, "From", from);
	put_field(f, "Content-Type", composed_content_type(composed));
	put_field(f, "Content-Transfer-Encoding",
	    composed_encoding(composed));
	put_field(f, "Content-Disposition", composed_disposition(composed));
	fprintf(f, "\r\n");
	if (composed_write(composed, put, f, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(fclose(f), 0);
}

static struct canon *
make_canon(size_t body)
{
	static const char line[] = "Surat dinas ini\r\n";
	struct smime_error err = { "" };
	struct canon_settings settings;
	struct canon_result result;
	struct header_list list;
	struct canon *canon;
	size_t used;
	bool has_body;
	const char *header = "From: " BUDI "\nSubject: Mutasi\n";

	memset(&list, 0, sizeof(list));
	canon_settings_init(&settings);
	settings.spool_dir = pki_path("%s", "");
	settings.confidential = settings.hide_subject = true;
	settings.legacy_display = true;
	assert_int_equal(header_parse(&list, header, strlen(header), 0, &used,
	    &has_body, &err), 0);
	canon = canon_new(&settings, &list, SMIME_SHA256, &err);
	assert_non_null(canon);
	for (; body > 0; body -= 17)
		assert_int_equal(canon_body(canon, line, 17, &err), 0);
	if (canon_finish(canon, &result, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(result.confidential);
	header_clear(&list);
	return canon;
}

static void
make_message(size_t i)
{
	struct canon *canon = make_canon(messages[i].body);
	unsigned char value[SMIME_DIGEST_MAX], *der;
	struct recipient to[2 * MANY];
	struct composed *sign, *sealed;
	struct smime_error err = { "" };
	size_t len, n;

	if (canon_digest(canon, SMIME_SHA256, value, &err) != 0 ||
	    signer_sign(signer, value, 32, time(NULL), &der, &len, &err) != 0)
		fail_msg("%s", err.text);
	sign = compose_signed(canon, messages[i].form, SMIME_SHA256, der, len,
	    &err);
	assert_non_null(sign);
	snprintf(inner[i], sizeof(inner[i]), "%s", pki_path("%s.inner",
	    messages[i].name));
	write_to(sign, NULL, inner[i]);
	n = recipients_of(messages[i].group, messages[i].oaep, to);
	sealed = compose_encrypted(sign, messages[i].cipher, to, n, &err);
	if (sealed == NULL)
		fail_msg("%s: %s", messages[i].name, err.text);
	write_to(sealed, BUDI, pki_path("%s.eml", messages[i].name));
	composed_free(sealed);
	composed_free(sign);
	OPENSSL_free(der);
	canon_free(canon);
}

/* By recipient, so that tools with a key store change keys seldom. */
static void
write_list(void)
{
	FILE *f = fopen(pki_path("list"), "w");
	char names[4][16];
	size_t i, k, n;

	for (i = 0; i < MESSAGES; i++) {
		n = openers_of(messages[i].group, names);
		for (k = 0; k < n; k++)
			fprintf(f, "%s %s %s %s\n",
			    pki_path("%s.eml", messages[i].name),
			    pki_path("%s", names[k]), inner[i],
			    messages[i].tools);
	}
	assert_int_equal(fclose(f), 0);
}

static int
setup(void **state)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *chain;
	char name[16];
	EVP_PKEY *key;
	X509 *cert;
	size_t i;

	pki_setup(state);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "rsa%zu", i);
		pki_mailbox(name, "rsa2048", "encryption");
		rsa[i] = pki_mailbox_cert(name);
		snprintf(name, sizeof(name), "ec%zu", i);
		pki_mailbox(name, i % 2 == 0 ? "p256" : "p384", "encryption");
		ec[i] = pki_mailbox_cert(name);
	}
	pki_mailbox("signer", "rsa2048", "ok");
	cert = pki_mailbox_cert("signer");
	key = pki_mailbox_key("signer");
	chain = pki_push(NULL, pki_cert("issuing.pem"));
	signer = signer_new(cert, key, chain, NULL, SCHEME_DEFAULT,
	    SMIME_CAP_AES256_CBC, &err);
	assert_non_null(signer);
	sk_X509_pop_free(chain, X509_free);
	X509_free(cert);
	EVP_PKEY_free(key);
	for (i = 0; i < MESSAGES; i++)
		make_message(i);
	write_list();
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < MANY; i++) {
		X509_free(rsa[i]);
		X509_free(ec[i]);
	}
	signer_free(signer);
	return pki_teardown(state);
}

/* What came out is what went in, and that is verified, by the same program. */
static void
judge(const char *tool)
{
	const char *words[MESSAGES + 8] = { "tests/interop/verify-all", "-r",
	    NULL, "-i", NULL, "-t", tool };
	char root[512], issuing[512];
	size_t i, n = 7;
	int status;

	status = pki_run("tests/interop/decrypt-all", "-t", tool,
	    pki_path("list"), NULL);
	if (status == 69)
		skip();
	if (status != 0) {
		pki_show();
		fail_msg("%s did not open a message (status %d)", tool,
		    status);
	}
	snprintf(root, sizeof(root), "%s", pki_path("root.pem"));
	snprintf(issuing, sizeof(issuing), "%s", pki_path("issuing.pem"));
	words[2] = root;
	words[4] = issuing;
	for (i = 0; i < MESSAGES; i++)
		if (strstr(messages[i].tools, tool) != NULL)
			words[n++] = inner[i];
	words[n] = NULL;
	status = pki_runv(words);
	if (status != 0) {
		pki_show();
		fail_msg("%s refused what was in it (status %d)", tool,
		    status);
	}
}

static void
test_openssl(void **state)
{
	(void)state;
	judge("openssl");
}

static void
test_gpgsm(void **state)
{
	(void)state;
	judge("gpgsm");
}

static void
test_nss(void **state)
{
	(void)state;
	judge("nss");
}

static void
test_bouncy_castle(void **state)
{
	(void)state;
	judge("bc");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_gpgsm),
		cmocka_unit_test(test_nss),
		cmocka_unit_test(test_bouncy_castle),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
