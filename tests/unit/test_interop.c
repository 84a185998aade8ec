/*
 * test_interop.c - the library as a whole, judged by other programs: odd
 * mails, each kind of key, both forms, by all that are installed (SIG-20,
 * SIG-41).
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

static const struct {
	const char	*what;
	const char	*header;
	const char	*body;
} mails[] = {
	{ "plain",
	    "From: " BUDI "\nSubject: Surat\n",
	    "Yth. Kepala Dinas,\r\n\r\nTerlampir.\r\n" },
	{ "empty",
	    "From: " BUDI "\nSubject: Kosong\n", "" },
	{ "no-crlf",
	    "From: " BUDI "\nMIME-Version: 1.0\nContent-Type: text/plain\n",
	    "tanpa akhir baris" },
	{ "8bit",
	    "From: " BUDI "\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/mixed; boundary=bb\n"
	    "Content-Transfer-Encoding: 8bit\n",
	    "pembuka\r\n--bb\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\nS\xc3\xa9" "andainya  \r\n"
	    "From sini\r\n.\r\n--bb\r\nContent-Type: application/x-lain\r\n"
	    "Content-Transfer-Encoding: binary\r\n\r\n\x01\x80\xff\r\n"
	    "--bb--\r\npenutup\r\n" },
};
#define MAILS	(sizeof(mails) / sizeof(mails[0]))

static const struct {
	const char		*name, *type;
	enum smime_scheme	 scheme;
} keys[] = {
	{ "rsa", "rsa2048", SCHEME_DEFAULT },
	{ "pss", "rsa2048", SCHEME_PSS },
	{ "p256", "p256", SCHEME_DEFAULT },
	{ "p384", "p384", SCHEME_DEFAULT },
};
#define KEYS	(sizeof(keys) / sizeof(keys[0]))

static struct canon *
read_mail(size_t i, enum smime_digest digest)
{
	struct smime_error err = { "" };
	struct canon_settings settings;
	struct canon_result result;
	struct header_list list;
	struct canon *canon;
	size_t used;
	bool body;

	memset(&list, 0, sizeof(list));
	canon_settings_init(&settings);
	settings.spool_dir = pki_path("%s", "");
	assert_int_equal(header_parse(&list, mails[i].header,
	    strlen(mails[i].header), 0, &used, &body, &err), 0);
	canon = canon_new(&settings, &list, digest, &err);
	if (canon == NULL || canon_body(canon, mails[i].body,
	    strlen(mails[i].body), &err) != 0 ||
	    canon_finish(canon, &result, &err) != 0)
		fail_msg("%s: %s", mails[i].what, err.text);
	assert_int_not_equal(result.state, CANON_OPAQUE_ONLY);
	header_clear(&list);
	return canon;
}

static int
put(void *arg, const unsigned char *buf, size_t len)
{
	return fwrite(buf, 1, len, arg) == len ? 0 : -1;
}

/* Fields as a milter would put them, folds and all. */
static void
write_mail(struct composed *composed, const char *path)
{
	const char *p = composed_content_type(composed);
	struct smime_error err = { "" };
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fprintf(f, "From: %s\r\nMIME-Version: 1.0\r\nContent-Type: ", BUDI);
	for (; *p != '\0'; p++)
		fprintf(f, "%s%c", *p == '\n' ? "\r" : "", *p);
	if (composed_encoding(composed) != NULL)
		fprintf(f, "\r\nContent-Transfer-Encoding: %s",
		    composed_encoding(composed));
	fprintf(f, "\r\n\r\n");
	if (composed_write(composed, put, f, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(fclose(f), 0);
}

static void
make_mail(const struct signer *signer, size_t mail, enum smime_form form,
    const char *path)
{
	struct smime_error err = { "" };
	enum smime_digest digest = signer_digest(signer);
	struct canon *canon = read_mail(mail, digest);
	unsigned char value[SMIME_DIGEST_MAX], *der;
	struct composed *composed;
	size_t len;

	if (canon_digest(canon, digest, value, &err) != 0 ||
	    signer_sign(signer, value, smime_digest_size(digest), time(NULL),
	    &der, &len, &err) != 0 ||
	    (composed = compose_signed(canon, form, digest, der, len, &err))
	    == NULL)
		fail_msg("%s: %s", path, err.text);
	write_mail(composed, path);
	composed_free(composed);
	OPENSSL_free(der);
	canon_free(canon);
}

static char paths[KEYS * MAILS * 2][600];
static size_t path_count;

static int
setup(void **state)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *chain;
	struct signer *signer;
	enum smime_form form;
	EVP_PKEY *key;
	X509 *cert;
	size_t i, k;

	pki_setup(state);
	chain = pki_push(NULL, pki_cert("issuing.pem"));
	for (i = 0; i < KEYS; i++) {
		pki_mailbox(keys[i].name, keys[i].type, "ok");
		cert = pki_mailbox_cert(keys[i].name);
		key = pki_mailbox_key(keys[i].name);
		signer = signer_new(cert, key, chain, NULL, keys[i].scheme,
		    SMIME_CAP_AES256_CBC | SMIME_CAP_AES128_CBC, &err);
		assert_non_null(signer);
		/* All mails by one key of each sort; one mail by the rest. */
		for (k = 0; k < (i == 0 || i == 3 ? MAILS : 1); k++)
			for (form = FORM_DETACHED; form <= FORM_OPAQUE;
			    form++) {
				snprintf(paths[path_count], sizeof(paths[0]),
				    "%s", pki_path("%s-%s-%s.eml",
				    keys[i].name, mails[k].what,
				    form == FORM_OPAQUE ? "opaque" :
				    "detached"));
				make_mail(signer, k, form,
				    paths[path_count++]);
			}
		signer_free(signer);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	sk_X509_pop_free(chain, X509_free);
	return 0;
}

static void
judge(const char *tool)
{
	const char *words[KEYS * MAILS * 2 + 8] = {
	    "tests/interop/verify-all", "-r", pki_path("root.pem"), "-i",
	    pki_path("issuing.pem"), "-t", tool };
	size_t i;
	int status;

	for (i = 0; i < path_count; i++)
		words[7 + i] = paths[i];
	words[7 + i] = NULL;
	status = pki_runv(words);
	if (status == 69)
		skip();
	if (status != 0) {
		pki_show();
		fail_msg("%s refused a message (status %d)", tool, status);
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

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
