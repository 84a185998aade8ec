/*
 * material.c - a certificate and its key from PEM or DER files.
 */
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "../keys/tokens.h"
#include "ctl.h"
#include "import.h"

#define CERTS_MAX	32

static STACK_OF(X509) *
read_certs(const char *file, struct smime_error *err)
{
	STACK_OF(X509) *certs = NULL;
	char *buf;
	size_t len = 0;

	buf = ctl_read_file(file, IMPORT_FILE_MAX, &len, err);
	if (buf == NULL)
		return NULL;
	if (is_p12(buf, len))
		smime_error_setx(err, "%s is a PKCS#12 file: give it with "
		    "--p12", file);
	else if (cert_read(buf, len, CERTS_MAX, file, &certs, err) != 0)
		certs = NULL;
	OPENSSL_clear_free(buf, len + 1);
	return certs;
}

/*
 * Asks for a passphrase only once the file has proven to be encrypted. own: the
 * file was given for the key, not for the certificate.
 */
static EVP_PKEY *
read_key(const char *file, bool own, struct passphrase *passphrase,
    struct smime_error *err)
{
	struct smime_error first = { "" };
	EVP_PKEY *key;
	bool encrypted = false;
	char *buf;
	size_t len = 0;

	buf = ctl_read_file(file, IMPORT_FILE_MAX, &len, err);
	if (buf == NULL)
		return NULL;
	key = key_read(buf, len, NULL, 0, file, &encrypted, &first);
	if (key == NULL && !encrypted)
		smime_error_setx(err, "%s%s", first.text, own ? "" :
		    "; name its file with --key");
	else if (key == NULL && passphrase_get(passphrase, file, err) == 0)
		key = key_read(buf, len, passphrase->text, passphrase->len,
		    file, &encrypted, err);
	OPENSSL_clear_free(buf, len + 1);
	return key;
}

/* Of several for one key, as after a renewal, the newest. */
int
material_adopt(struct material *out, STACK_OF(X509) *certs,
    struct smime_error *err)
{
	int i, found = -1;
	X509 *cert;

	for (i = 0; i < sk_X509_num(certs); i++) {
		cert = sk_X509_value(certs, i);
		if (X509_check_private_key(cert, out->key) == 1 &&
		    (found == -1 || cert_not_before(cert) >
		    cert_not_before(sk_X509_value(certs, found))))
			found = i;
	}
	ERR_clear_error();
	out->cert = sk_X509_delete(certs, found == -1 ? 0 : found);
	if (out->cert == NULL) {
		sk_X509_pop_free(certs, X509_free);
		return smime_error_setx(err, "there is no certificate in it");
	}
	out->extra = certs;
	return 0;
}

int
material_pem(struct material *out, const char *cert_file,
    const char *key_file, struct passphrase *passphrase,
    struct smime_error *err)
{
	STACK_OF(X509) *certs;

	certs = read_certs(cert_file, err);
	if (certs == NULL)
		return -1;
	out->key = read_key(key_file != NULL ? key_file : cert_file,
	    key_file != NULL, passphrase, err);
	if (out->key == NULL) {
		sk_X509_pop_free(certs, X509_free);
		return -1;
	}
	return material_adopt(out, certs, err);
}

int
material_token(struct material *out, const char *cert_file,
    struct token_client *client, const char *uri, const struct passphrase *pin)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *certs;

	certs = read_certs(cert_file, &err);
	if (certs == NULL)
		return ctl_error(access(cert_file, R_OK) == 0 ? EX_DATAERR :
		    EX_NOINPUT, "%s", err.text);
	out->cert = sk_X509_shift(certs);
	out->extra = certs;
	out->key = token_key(client, out->cert, uri,
	    pin != NULL ? pin->text : NULL, pin != NULL ? pin->len : 0, &err);
	switch (out->key != NULL ? token_key_try(out->key, &err) : -1) {
	case 1:
		return 0;
	case 0:
		return ctl_error(EX_NOPERM, "the token refuses the PIN: %s",
		    err.text);
	default:
		return ctl_error(EX_UNAVAILABLE, "%s: %s", uri, err.text);
	}
}

int
material_chain(struct material *material, const char *file,
    struct smime_error *err)
{
	STACK_OF(X509) *certs;
	X509 *cert;

	certs = read_certs(file, err);
	if (certs == NULL)
		return -1;
	while ((cert = sk_X509_shift(certs)) != NULL)
		if (sk_X509_push(material->extra, cert) == 0) {
			X509_free(cert);
			sk_X509_pop_free(certs, X509_free);
			return smime_error_setx(err, "out of memory");
		}
	sk_X509_free(certs);
	return 0;
}

void
material_clear(struct material *material)
{
	X509_free(material->cert);
	EVP_PKEY_free(material->key);
	sk_X509_pop_free(material->extra, X509_free);
	memset(material, 0, sizeof(*material));
}
