/*
 * test_key.c - private keys in every form that they are kept in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "pki.h"

#define PASS	"rahasia dinas"

/* Each form, made by openssl out of the plain key of mailbox NAME. */
static const struct {
	const char	*file, *name;
	const char	*words[12];
	bool		 encrypted;
} forms[] = {
	{ "rsa.pem", "rsa", { "pkcs8", "-topk8", "-nocrypt" }, false },
	{ "ec.pem", "ec", { "pkcs8", "-topk8", "-nocrypt" }, false },
	{ "rsa-old.pem", "rsa", { "rsa", "-traditional" }, false },
	{ "ec-old.pem", "ec", { "ec" }, false },
	{ "rsa-old-sealed.pem", "rsa", { "rsa", "-traditional", "-aes256" },
	    true },
	{ "rsa-sealed.pem", "rsa", { "pkcs8", "-topk8", "-v2",
	    "aes-256-cbc" }, true },
	{ "ec-scrypt.pem", "ec", { "pkcs8", "-topk8", "-scrypt" }, true },
	{ "ec-sealed.pem", "ec", { "pkcs8", "-topk8" }, true },
	{ "rsa.der", "rsa", { "pkcs8", "-topk8", "-nocrypt", "-outform",
	    "DER" }, false },
	{ "ec.der", "ec", { "pkcs8", "-topk8", "-nocrypt", "-outform",
	    "DER" }, false },
	{ "ec-sealed.der", "ec", { "pkcs8", "-topk8", "-outform", "DER" },
	    true },
};
#define FORMS	(sizeof(forms) / sizeof(forms[0]))

static void
make_form(size_t i)
{
	const char *words[24] = { "openssl" };
	char pass[600];
	size_t n;

	for (n = 0; forms[i].words[n] != NULL; n++)
		words[n + 1] = forms[i].words[n];
	snprintf(pass, sizeof(pass), "file:%s", pki_path("pass"));
	words[++n] = "-in";
	words[++n] = pki_path("%s/key.pem", forms[i].name);
	words[++n] = "-out";
	words[++n] = pki_path("%s", forms[i].file);
	words[++n] = "-passout";
	words[++n] = pass;
	words[++n] = NULL;
	if (pki_runv(words) != 0)
		fail_msg("openssl made no %s", forms[i].file);
}

static int
setup(void **state)
{
	size_t i;

	pki_setup(state);
	pki_mailbox("rsa", "rsa2048", "ok");
	pki_mailbox("ec", "p256", "ok");
	write_whole(pki_path("pass"), PASS "\n", strlen(PASS) + 1);
	for (i = 0; i < FORMS; i++)
		make_form(i);
	return 0;
}

static EVP_PKEY *
read_key(const char *buf, size_t len, const char *pass, bool *encrypted,
    struct smime_error *err)
{
	err->text[0] = '\0';
	return key_read(buf, len, pass, pass != NULL ? strlen(pass) : 0,
	    "key.pem", encrypted, err);
}

/* Each form is read, said to be encrypted or not, and is the right key. */
static void
test_forms(void **state)
{
	struct smime_error err;
	EVP_PKEY *key, *want;
	size_t i, len;
	bool encrypted;
	char *buf;

	(void)state;
	for (i = 0; i < FORMS; i++) {
		buf = read_whole(pki_path("%s", forms[i].file), &len);
		want = pki_mailbox_key(forms[i].name);
		key = read_key(buf, len, PASS, &encrypted, &err);
		if (key == NULL)
			fail_msg("%s: %s", forms[i].file, err.text);
		if (encrypted != forms[i].encrypted)
			fail_msg("%s: encrypted is %d", forms[i].file,
			    encrypted);
		assert_int_equal(EVP_PKEY_eq(key, want), 1);
		EVP_PKEY_free(key);
		EVP_PKEY_free(want);
		free(buf);
	}
}

/* Without the passphrase, with a wrong one, with an endless one. */
static void
test_passphrases(void **state)
{
	static const char no[] = "the private key in key.pem is encrypted "
	    "and there is no passphrase for it";
	static const char wrong[] = "the passphrase does not open the "
	    "private key in key.pem";
	char endless[5000];
	const struct {
		const char	*pass, *want;
	} passes[] = {
		{ NULL, no }, { "salah", wrong }, { "", wrong },
		{ endless, wrong },
	};
	struct smime_error err;
	size_t i, k, len;
	bool encrypted;
	char *buf;

	(void)state;
	memset(endless, 'x', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	for (i = 0; i < FORMS; i++) {
		buf = read_whole(pki_path("%s", forms[i].file), &len);
		for (k = 0; forms[i].encrypted && k < 4; k++) {
			if (read_key(buf, len, passes[k].pass, &encrypted,
			    &err) != NULL)
				fail_msg("%s: opened by pass %zu",
				    forms[i].file, k);
			if (!encrypted ||
			    strcmp(err.text, passes[k].want) != 0)
				fail_msg("%s, pass %zu: got \"%s\", wanted "
				    "\"%s\"", forms[i].file, k, err.text,
				    passes[k].want);
		}
		free(buf);
	}
}

static void
test_no_key(void **state)
{
	static const char too_much[] = "the encryption of the private key in "
	    "key.pem is not known or asks for too much work";
	static const char garbage[] = "-----BEGIN PRIVATE KEY-----\nMAA=\n"
	    "-----END PRIVATE KEY-----\n";
	static const struct {
		const char	*what, *input, *want;
	} none[] = {
		{ "nothing", "", "key.pem is empty" },
		{ "text", "hello", "key.pem holds no private key" },
		{ "garbage", garbage, "key.pem holds no private key" },
		{ "DER garbage", "0\202", "key.pem holds no private key" },
	};
	struct smime_error err;
	char *buf;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		if (read_key(none[i].input, strlen(none[i].input), PASS, NULL,
		    &err) != NULL)
			fail_msg("%s: taken", none[i].what);
		if (strncmp(err.text, none[i].want, strlen(none[i].want)) !=
		    0)
			fail_msg("%s: got \"%s\", wanted \"%s\"",
			    none[i].what, err.text, none[i].want);
	}
	/* Hours of work, as the file demands it. */
	buf = read_whole("tests/data/keys/iterations.pem", &len);
	assert_null(read_key(buf, len, PASS, NULL, &err));
	assert_string_equal(err.text, too_much);
	free(buf);
	buf = read_whole("tests/data/keys/scrypt.pem", &len);
	assert_null(read_key(buf, len, PASS, NULL, &err));
	assert_string_equal(err.text, too_much);
	free(buf);
	buf = read_whole(pki_path("rsa/cert.pem"), &len);
	assert_null(read_key(buf, len, PASS, NULL, &err));
	free(buf);
	assert_int_equal(pki_run("openssl", "pkey", "-in",
	    pki_path("ec/key.pem"), "-pubout", "-out", pki_path("pub.pem"),
	    NULL), 0);
	buf = read_whole(pki_path("pub.pem"), &len);
	assert_null(read_key(buf, len, PASS, NULL, &err));
	free(buf);
}

/* Cut at every length: a key only where nothing but the last line end is
 * missing. */
static void
test_cut(void **state)
{
	static const char *const files[] = { "ec.pem", "ec.der",
	    "ec-sealed.pem", "ec-sealed.der" };
	struct smime_error err;
	size_t i, n, len;
	EVP_PKEY *key;
	char *buf, *copy;

	(void)state;
	for (i = 0; i < 4; i++) {
		buf = read_whole(pki_path("%s", files[i]), &len);
		for (n = 0; n < len; n++) {
			copy = malloc(n > 0 ? n : 1);
			memcpy(copy, buf, n);
			key = read_key(copy, n, PASS, NULL, &err);
			if (key != NULL ? n + 1 < len : err.text[0] == '\0')
				fail_msg("%s: %zu of %zu octets: \"%s\"",
				    files[i], n, len, err.text);
			EVP_PKEY_free(key);
			free(copy);
		}
		free(buf);
	}
}

/* What we write, openssl and we ourselves read. */
static void
test_write(void **state)
{
	static const char *const names[] = { "rsa", "ec" };
	struct smime_error err = { "" };
	char *text, all[600];
	EVP_PKEY *key, *again;
	bool encrypted;
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		key = pki_mailbox_key(names[i]);
		if (key_write(key, PASS, strlen(PASS), 5000, &text, &len,
		    &err) != 0)
			fail_msg("%s", err.text);
		assert_memory_equal(text,
		    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38);
		write_whole(pki_path("ours.pem"), text, len);
		snprintf(all, sizeof(all), "file:%s", pki_path("pass"));
		assert_int_equal(pki_run("openssl", "pkey", "-in",
		    pki_path("ours.pem"), "-passin", all, "-noout", NULL), 0);
		again = read_key(text, len, PASS, &encrypted, &err);
		assert_non_null(again);
		assert_true(encrypted);
		assert_int_equal(EVP_PKEY_eq(key, again), 1);
		OPENSSL_clear_free(text, len);
		EVP_PKEY_free(again);
		assert_int_equal(key_write(key, "", 0, 5000, &text, &len,
		    &err), -1);
		assert_string_equal(err.text, "the passphrase is empty");
		err.text[0] = '\0';
		EVP_PKEY_free(key);
	}
}

/* PBES2, AES-256-CBC, PBKDF2 with HMAC-SHA-256 and so many iterations. */
static void
test_scheme(void **state)
{
	struct smime_error err = { "" };
	EVP_PKEY *key = pki_mailbox_key("ec");
	const X509_ALGOR *scheme;
	const ASN1_OBJECT *oid_pbe;
	const void *value;
	PBKDF2PARAM *kdf;
	PBE2PARAM *pbe;
	X509_SIG *sealed;
	char *text;
	size_t len;
	BIO *bio;
	int type;

	(void)state;
	assert_int_equal(key_write(key, PASS, strlen(PASS), 123456, &text,
	    &len, &err), 0);
	bio = BIO_new_mem_buf(text, (int)len);
	sealed = PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
	X509_SIG_get0(sealed, &scheme, NULL);
	X509_ALGOR_get0(&oid_pbe, &type, &value, scheme);
	assert_int_equal(OBJ_obj2nid(oid_pbe), NID_pbes2);
	pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM),
	    scheme->parameter);
	assert_int_equal(OBJ_obj2nid(pbe->encryption->algorithm),
	    NID_aes_256_cbc);
	kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM),
	    pbe->keyfunc->parameter);
	assert_int_equal(ASN1_INTEGER_get(kdf->iter), 123456);
	assert_int_equal(OBJ_obj2nid(kdf->prf->algorithm),
	    NID_hmacWithSHA256);
	assert_int_equal(ASN1_STRING_length(kdf->salt->value.octet_string),
	    16);
	PBKDF2PARAM_free(kdf);
	PBE2PARAM_free(pbe);
	X509_SIG_free(sealed);
	BIO_free(bio);
	OPENSSL_clear_free(text, len);
	EVP_PKEY_free(key);
}

/* Public halves alone do not show a damaged key. */
static void
test_signs_for(void **state)
{
	static const struct {
		const char	*key, *cert;
		bool		 want;
	} rows[] = {
		{ "ec", "ec", true }, { "rsa", "rsa", true },
		{ "ec", "rsa", false }, { "rsa", "ec", false },
		{ "hurt", "hurt", false },
	};
	EVP_PKEY *key;
	X509 *cert;
	size_t i;

	(void)state;
	pki_mailbox("hurt", "p256", "ok");
	pki_damage_key("hurt");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		key = pki_mailbox_key(rows[i].key);
		cert = pki_mailbox_cert(rows[i].cert);
		if (i == 4)
			assert_int_equal(X509_check_private_key(cert, key), 1);
		if (key_signs_for(key, cert) != rows[i].want)
			fail_msg("%s for %s: not %d", rows[i].key,
			    rows[i].cert, rows[i].want);
		EVP_PKEY_free(key);
		X509_free(cert);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_passphrases),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_scheme),
		cmocka_unit_test(test_signs_for),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
