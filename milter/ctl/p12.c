/*
 * p12.c - a certificate and its key from a PKCS#12 file (RFC 7292).
 *
 * The bags are walked here rather than by PKCS12_parse, which takes the first
 * of several keys without a word (CRT-40): where there is a pair for signatures
 * and one for encryption, as in RFC 9216, the one that signs is taken. Old
 * exports are encrypted with RC2, which OpenSSL 3 keeps in its legacy provider:
 * it is loaded for this one file, in a child of sampulctl (apart.c), and never
 * in the daemon.
 */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include "../../smime/smime.h"
#include "ctl.h"
#include "import.h"

#define BAG_DEPTH_MAX	4
#define CERTS_MAX	32
#define KEYS_MAX	8

struct walk {
	const char	*pass;
	int		 pass_len;
	EVP_PKEY	*keys[KEYS_MAX];
	size_t		 key_count;
	STACK_OF(X509)	*certs;
	struct smime_error *err;
};

static int	 walk_bags(struct walk *, const STACK_OF(PKCS12_SAFEBAG) *,
		    unsigned);

static int
take_key(struct walk *walk, const PKCS8_PRIV_KEY_INFO *info)
{
	EVP_PKEY *key;

	if (info == NULL)
		return smime_error_crypto(walk->err, "its private key cannot "
		    "be decrypted");
	if (walk->key_count == KEYS_MAX)
		return smime_error_setx(walk->err, "it holds more than %d "
		    "private keys", KEYS_MAX);
	key = EVP_PKCS82PKEY(info);
	if (key == NULL)
		return smime_error_crypto(walk->err, "its private key cannot "
		    "be used");
	walk->keys[walk->key_count++] = key;
	return 0;
}

static int
take_cert(struct walk *walk, const PKCS12_SAFEBAG *bag)
{
	X509 *cert;

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
		return 0;
	cert = PKCS12_SAFEBAG_get1_cert(bag);
	if (cert == NULL)
		return smime_error_crypto(walk->err, "a certificate in it is "
		    "damaged");
	if (sk_X509_num(walk->certs) >= CERTS_MAX) {
		X509_free(cert);
		return smime_error_setx(walk->err, "it holds more than %d "
		    "certificates", CERTS_MAX);
	}
	if (sk_X509_push(walk->certs, cert) == 0) {
		X509_free(cert);
		return smime_error_setx(walk->err, "out of memory");
	}
	return 0;
}

static int
walk_bag(struct walk *walk, const PKCS12_SAFEBAG *bag, unsigned depth)
{
	PKCS8_PRIV_KEY_INFO *info;
	int rc;

	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		return take_key(walk, PKCS12_SAFEBAG_get0_p8inf(bag));
	case NID_pkcs8ShroudedKeyBag:
		info = PKCS12_decrypt_skey(bag, walk->pass, walk->pass_len);
		rc = take_key(walk, info);
		PKCS8_PRIV_KEY_INFO_free(info);
		return rc;
	case NID_certBag:
		return take_cert(walk, bag);
	case NID_safeContentsBag:
		if (depth >= BAG_DEPTH_MAX)
			return smime_error_setx(walk->err, "its bags are "
			    "nested too deeply");
		return walk_bags(walk, PKCS12_SAFEBAG_get0_safes(bag),
		    depth + 1);
	default:
		return 0;
	}
}

static int
walk_bags(struct walk *walk, const STACK_OF(PKCS12_SAFEBAG) *bags,
    unsigned depth)
{
	int i;

	for (i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
		if (walk_bag(walk, sk_PKCS12_SAFEBAG_value(bags, i),
		    depth) != 0)
			return -1;
	return 0;
}

static int
walk_safes(struct walk *walk, const PKCS12 *p12)
{
	STACK_OF(PKCS7) *safes;
	STACK_OF(PKCS12_SAFEBAG) *bags;
	PKCS7 *safe;
	int i, nid, rc = 0;

	safes = PKCS12_unpack_authsafes(p12);
	if (safes == NULL)
		return smime_error_crypto(walk->err, "its contents are "
		    "damaged");
	for (i = 0; i < sk_PKCS7_num(safes) && rc == 0; i++) {
		safe = sk_PKCS7_value(safes, i);
		nid = OBJ_obj2nid(safe->type);
		if (nid == NID_pkcs7_data)
			bags = PKCS12_unpack_p7data(safe);
		else if (nid == NID_pkcs7_encrypted)
			bags = PKCS12_unpack_p7encdata(safe, walk->pass,
			    walk->pass_len);
		else
			continue;
		rc = bags == NULL ? smime_error_crypto(walk->err,
		    "a part of it cannot be decrypted") :
		    walk_bags(walk, bags, 0);
		sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	}
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return rc;
}

/* Whether one of the certificates makes this key one for signatures. */
static bool
signs(const STACK_OF(X509) *certs, EVP_PKEY *key)
{
	X509 *cert;
	int i;

	for (i = 0; i < sk_X509_num(certs); i++) {
		cert = sk_X509_value(certs, i);
		if ((X509_get_key_usage(cert) & (KU_DIGITAL_SIGNATURE |
		    KU_NON_REPUDIATION)) != 0 &&
		    X509_check_private_key(cert, key) == 1)
			return true;
	}
	ERR_clear_error();
	return false;
}

/* The only key, or the only one for signatures; a reference of its own. */
static EVP_PKEY *
choose_key(const struct walk *walk)
{
	EVP_PKEY *chosen = NULL;
	size_t i, count = 0;

	for (i = 0; i < walk->key_count; i++) {
		if (walk->key_count > 1 && !signs(walk->certs, walk->keys[i]))
			continue;
		if (chosen != NULL && EVP_PKEY_eq(chosen, walk->keys[i]) == 1)
			continue;
		chosen = walk->keys[i];
		count++;
	}
	if (count > 1) {
		smime_error_setx(walk->err, "it holds several keys for "
		    "signatures; export each certificate with its key into a "
		    "file of its own");
		return NULL;
	}
	if (chosen == NULL) {
		smime_error_setx(walk->err, walk->key_count == 0 ?
		    "it holds no private key" : "none of its private keys "
		    "belongs to a certificate for signatures");
		return NULL;
	}
	EVP_PKEY_up_ref(chosen);
	return chosen;
}

static int
read_contents(struct material *out, const PKCS12 *p12, const char *pass,
    size_t pass_len, struct smime_error *err)
{
	struct walk walk = { .pass = pass, .pass_len = (int)pass_len,
	    .err = err };
	int rc = -1;
	size_t i;

	walk.certs = sk_X509_new_null();
	if (walk.certs == NULL)
		return smime_error_setx(err, "out of memory");
	if (walk_safes(&walk, p12) == 0 &&
	    (out->key = choose_key(&walk)) != NULL) {
		rc = material_adopt(out, walk.certs, err);
		walk.certs = NULL;
	}
	for (i = 0; i < walk.key_count; i++)
		EVP_PKEY_free(walk.keys[i]);
	sk_X509_pop_free(walk.certs, X509_free);
	return rc;
}

static bool has_legacy;

void
p12_prepare(void)
{
	smime_load();
	has_legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1) != NULL;
	ERR_clear_error();
}

static int
read_with_legacy(struct material *out, const PKCS12 *p12, const char *pass,
    size_t pass_len, struct smime_error *err)
{
	struct smime_error why = { "" };

	if (read_contents(out, p12, pass, pass_len, &why) == 0)
		return 0;
	return smime_error_setx(err, has_legacy ? "%s" : "%s (and OpenSSL's "
	    "legacy provider, which old files need, is not installed)",
	    why.text);
}

static PKCS12 *
decode(const char *buf, size_t len, struct smime_error *err)
{
	const unsigned char *p = (const unsigned char *)buf;
	PKCS12 *p12;

	ERR_clear_error();
	p12 = d2i_PKCS12(NULL, &p, (long)len);
	if (p12 == NULL) {
		ERR_clear_error();
		smime_error_setx(err, "it is no PKCS#12 file%s",
		    strstr(buf, "-----BEGIN ") != NULL ? " but PEM: give it "
		    "with --cert, and its key with --key" : "");
		return NULL;
	}
	if (p != (const unsigned char *)buf + len) {
		PKCS12_free(p12);
		smime_error_setx(err, "octets follow after its end");
		return NULL;
	}
	return p12;
}

/* An absent and an empty passphrase are two things in PKCS#12. */
static enum p12_result
unlock(PKCS12 *p12, const char **pass, size_t *len, struct smime_error *err)
{
	const char *given = *pass;

	if (given == NULL) {
		*pass = "";
		*len = 0;
		if (!PKCS12_mac_present(p12))
			return P12_NEEDS_PASSPHRASE;
		if (PKCS12_verify_mac(p12, "", 0) == 1)
			return P12_READ;
		*pass = NULL;
		if (PKCS12_verify_mac(p12, NULL, 0) == 1)
			return P12_READ;
		ERR_clear_error();
		return P12_NEEDS_PASSPHRASE;
	}
	if (PKCS12_mac_present(p12) &&
	    PKCS12_verify_mac(p12, given, (int)*len) != 1) {
		ERR_clear_error();
		smime_error_setx(err, "the passphrase is wrong, or the file "
		    "is damaged");
		return P12_FAILED;
	}
	return P12_READ;
}

/* By its first octets, and nothing more: PFX ::= SEQUENCE { version 3, ... } */
bool
is_p12(const char *buf, size_t len)
{
	const unsigned char *p = (const unsigned char *)buf;
	size_t head = 2;

	if (len < 12 || p[0] != 0x30)
		return false;
	if (p[1] >= 0x81 && p[1] <= 0x84)
		head += p[1] & 0x7fu;
	return memcmp(p + head, "\x02\x01\x03", 3) == 0;
}

enum p12_result
p12_read(struct material *out, const char *buf, size_t len, const char *pass,
    size_t pass_len, struct smime_error *err)
{
	enum p12_result result;
	PKCS12 *p12;

	if ((p12 = decode(buf, len, err)) == NULL)
		return P12_FAILED;
	result = unlock(p12, &pass, &pass_len, err);
	if (result == P12_READ &&
	    read_with_legacy(out, p12, pass, pass_len, err) != 0)
		result = P12_FAILED;
	PKCS12_free(p12);
	return result;
}

int
material_p12(struct material *out, const char *file,
    struct passphrase *passphrase, struct smime_error *err)
{
	enum p12_result result = P12_NEEDS_PASSPHRASE;
	struct smime_error why = { "" };
	size_t len = 0;
	char *buf;

	buf = ctl_read_file(file, IMPORT_FILE_MAX, &len, err);
	if (buf == NULL)
		return -1;
	if (passphrase->file == NULL)
		result = p12_read_apart(out, buf, len, NULL, 0, &why);
	if (result == P12_NEEDS_PASSPHRASE)
		result = passphrase_get(passphrase, file, &why) != 0 ?
		    P12_FAILED : p12_read_apart(out, buf, len,
		    passphrase->text, passphrase->len, &why);
	if (result != P12_READ)
		smime_error_setx(err, "%s: %s", file, why.text);
	OPENSSL_clear_free(buf, len + 1);
	return result == P12_READ ? 0 : -1;
}
