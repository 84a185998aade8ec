/*
 * colleagues.c - certificates of our own mailboxes, to encrypt mail among them.
 *
 * They stand in the keystore beside the private keys, which the mail process
 * must not see: the key process answers for it. The tools, run by root, read
 * the keystore themselves.
 */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "encryption.h"
#include "keys/keystore.h"

/* Certificates one behind the other; nothing else may stand there. */
static int
take_all(const unsigned char *der, size_t len, struct candidates *out,
    struct smime_error *err)
{
	const unsigned char *p = der, *end = der + len;
	X509 *cert;
	size_t used;
	int rc;

	while (p < end) {
		if (out->count == CANDIDATES_MAX)
			break;
		if ((cert = cert_parse(p, (size_t)(end - p), &used)) == NULL)
			return smime_error_crypto(err,
			    "a certificate from the keystore");
		p += used;
		ERR_clear_error();
		rc = candidates_add(out, cert, 0);
		X509_free(cert);
		if (rc == -1)
			return smime_error_setx(err, "out of memory");
	}
	return 0;
}

int
colleagues_ask(void *arg, const struct conf *conf, const char *address,
    struct candidates *out, struct smime_error *err)
{
	struct key_request request;
	struct key_answer answer;
	int rc = 0;

	if (!conf_is_ours(conf, address))
		return 0;
	memset(&request, 0, sizeof(request));
	request.want = KEY_LIST;
	snprintf(request.address, sizeof(request.address), "%s", address);
	if (channel_ask(arg, &request, conf->key_timeout, &answer, err) == -1)
		return -1;
	if (answer.status == KEY_CERTIFICATES)
		rc = take_all(answer.der, answer.der_len, out, err);
	else if (answer.status != KEY_NO_IDENTITY)
		rc = smime_error_setx(err, "%s", answer.reason[0] != '\0' ?
		    answer.reason : "the key process failed");
	key_answer_clear(&answer);
	return rc;
}

int
colleagues_read(void *arg, const struct conf *conf, const char *address,
    struct candidates *out, struct smime_error *err)
{
	unsigned char *der;
	size_t len;
	int rc;

	if (!conf_is_ours(conf, address))
		return 0;
	if (keystore_list(arg, address, time(NULL), CHANNEL_DER_MAX, &der,
	    &len, err) == -1)
		return -1;
	rc = take_all(der, len, out, err);
	OPENSSL_free(der);
	return rc;
}
