/*
 * authority.c - make certificates of any shape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include "authority.h"

#define DAY	86400L

static void
set_subject(X509 *cert, const struct issue *with)
{
	X509_NAME *name = X509_get_subject_name(cert);
	size_t len = with->name_len;

	if (with->name != NULL) {
		if (len == 0)
			len = strlen(with->name);
		assert_int_equal(X509_NAME_add_entry_by_NID(name,
		    NID_organizationName, V_ASN1_UTF8STRING,
		    (const unsigned char *)"Dinas Kesehatan", -1, -1, 0), 1);
		assert_int_equal(X509_NAME_add_entry_by_NID(name,
		    NID_commonName, with->name_type != 0 ? with->name_type :
		    V_ASN1_UTF8STRING, (const unsigned char *)with->name,
		    (int)len, -1, 0), 1);
	}
	if (with->subject_mail != NULL)
		assert_int_equal(X509_NAME_add_entry_by_NID(name,
		    NID_pkcs9_emailAddress, V_ASN1_IA5STRING,
		    (const unsigned char *)with->subject_mail, -1, -1, 0), 1);
}

static void
push_mail(GENERAL_NAMES *names, const struct issue *with)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	size_t len = with->mail_len != 0 ? with->mail_len :
	    strlen(with->mail);

	assert_int_equal(ASN1_STRING_set(text, with->mail, (int)len), 1);
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void
push_utf8_mail(GENERAL_NAMES *names, const char *mail)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();

	assert_int_equal(ASN1_STRING_set(text, mail, -1), 1);
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	assert_int_equal(GENERAL_NAME_set0_othername(name,
	    OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox), value), 1);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void
add_names(X509 *cert, const struct issue *with)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	if (with->mail != NULL)
		push_mail(names, with);
	if (with->utf8_mail != NULL)
		push_utf8_mail(names, with->utf8_mail);
	if (sk_GENERAL_NAME_num(names) > 0)
		assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name,
		    names, 0, X509V3_ADD_APPEND), 1);
	GENERAL_NAMES_free(names);
}

static void
add_extensions(X509 *cert, const struct issue *with)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	size_t i;

	X509V3_set_ctx(&ctx, with->issuer != NULL ? with->issuer : cert, cert,
	    NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	for (i = 0; i < ISSUE_EXTENSIONS && with->extensions[i][0] != NULL;
	    i++) {
		extension = X509V3_EXT_nconf(NULL, &ctx,
		    with->extensions[i][0], with->extensions[i][1]);
		if (extension == NULL)
			fail_msg("%s = %s", with->extensions[i][0],
			    with->extensions[i][1]);
		assert_int_equal(X509_add_ext(cert, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
}

X509 *
issue(const struct issue *with)
{
	static long serial = 1000;
	X509 *cert = X509_new();
	EVP_PKEY *key = with->issuer != NULL ? with->issuer_key : with->key;

	assert_non_null(cert);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), with->from != 0 ?
	    with->from : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), with->until != 0 ?
	    with->until : 365 * DAY);
	set_subject(cert, with);
	X509_set_issuer_name(cert, X509_get_subject_name(
	    with->issuer != NULL ? with->issuer : cert));
	assert_int_equal(X509_set_pubkey(cert, with->key), 1);
	add_extensions(cert, with);
	add_names(cert, with);
	assert_true(X509_sign(cert, key, with->md != NULL ? with->md :
	    EVP_sha256()) > 0);
	return cert;
}

X509_CRL *
issue_crl(X509 *issuer, EVP_PKEY *key)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *when = ASN1_TIME_new();

	assert_non_null(crl);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, X509_gmtime_adj(when, -DAY));
	X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(when, 365 * DAY));
	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	ASN1_TIME_free(when);
	return crl;
}

EVP_PKEY *
public_rsa(int bits, const char *exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *n = BN_new(), *e = NULL;
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	assert_int_equal(BN_rand(n, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD),
	    1);
	assert_true(BN_hex2bn(&e, exponent) > 0);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY,
	    params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	return key;
}
