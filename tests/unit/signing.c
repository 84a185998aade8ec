/*
 * signing.c - see signing.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

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
