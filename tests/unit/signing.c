/*
 * signing.c - see signing.h.
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
#include "signing.h"

struct signer *
signing_by(const char *name)
{
	struct smime_error err = { "" };
	X509 *cert = pki_mailbox_cert(name);
	EVP_PKEY *key = pki_mailbox_key(name);
	STACK_OF(X509) *chain = pki_push(NULL, pki_cert("issuing.pem"));
	struct signer *signer;

	signer = signer_new(cert, key, chain, NULL, SCHEME_DEFAULT,
	    SMIME_CAP_AES256_CBC, &err);
	if (signer == NULL)
		fail_msg("%s", err.text);
	X509_free(cert);
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return signer;
}

char *
signing_mail(const char *name, const char *header, const char *content,
    bool is_opaque)
{
	char *out, *whole, cert[512], key[512];
	size_t len, size;

	snprintf(cert, sizeof(cert), "%s", pki_path("%s/cert.pem", name));
	snprintf(key, sizeof(key), "%s", pki_path("%s/key.pem", name));
	write_whole(pki_path("content"), content, strlen(content));
	assert_int_equal(pki_run("openssl", "cms", "-sign", "-in",
	    pki_path("content"), "-signer", cert, "-inkey", key, "-certfile",
	    pki_path("issuing.pem"), "-binary", "-crlfeol", "-out",
	    pki_path("signed"), is_opaque ? "-nodetach" : NULL, NULL), 0);
	out = read_whole(pki_path("signed"), &len);
	size = strlen(header) + len + 1;
	whole = malloc(size);
	assert_non_null(whole);
	snprintf(whole, size, "%s%s", header, out);
	free(out);
	return whole;
}
