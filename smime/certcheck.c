/*
 * certcheck.c - what a certificate must be to sign mail with, or to have mail
 * encrypted to it.
 *
 * One function for one rule, in the order in which a person should read what
 * is wrong. The chain is trust.c's business, the private key's sign.c's.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "smime_cert.h"
#include "trust.h"

/* Adobe's "PDF signing", the only purpose in BSrE's document profile. */
#define ADOBE_PDF_SIGNING	"1.2.840.113583.1.1.5"

struct facts {
	X509		*cert;
	const char	*address;	/* NULL: address rules are not asked */
	time_t		 now;
	uint32_t	 flags;		/* EXFLAG_* */
	bool		 has_purposes;	/* extendedKeyUsage is there */
	bool		 for_mail;
	bool		 names_mail;	/* not just any purpose */
	bool		 for_documents;
	bool		 any_address;
	bool		 this_address;
};

static void
note_address(void *arg, const char *address)
{
	struct facts *facts = arg;

	facts->any_address = true;
	if (facts->address != NULL && strcmp(facts->address, address) == 0)
		facts->this_address = true;
}

static void
note_purpose(struct facts *facts, const ASN1_OBJECT *purpose)
{
	char text[64];
	int nid = OBJ_obj2nid(purpose);

	if (nid == NID_email_protect || nid == NID_anyExtendedKeyUsage)
		facts->for_mail = true;
	if (nid == NID_email_protect)
		facts->names_mail = true;
	if (OBJ_obj2txt(text, sizeof(text), purpose, 1) > 0 &&
	    strcmp(text, ADOBE_PDF_SIGNING) == 0)
		facts->for_documents = true;
}

/* An extension that is there twice or malformed allows nothing. */
static void
read_purposes(struct facts *facts)
{
	EXTENDED_KEY_USAGE *list;
	int i, critical;

	list = X509_get_ext_d2i(facts->cert, NID_ext_key_usage, &critical,
	    NULL);
	facts->has_purposes = list != NULL || critical != -1;
	for (i = 0; list != NULL && i < sk_ASN1_OBJECT_num(list); i++)
		note_purpose(facts, sk_ASN1_OBJECT_value(list, i));
	EXTENDED_KEY_USAGE_free(list);
}

/* --------------------------------------------------------------- rules --- */

static bool
is_document_profile(const struct facts *facts)
{
	return facts->for_documents && !facts->for_mail;
}

/* RFC 5280 4.1.2.5 */
static bool
is_expired(const struct facts *facts)
{
	return facts->now > cert_not_after(facts->cert);
}

static bool
is_not_yet_valid(const struct facts *facts)
{
	return facts->now < cert_not_before(facts->cert);
}

/* RFC 8550 3 */
static bool
lacks_address(const struct facts *facts)
{
	return facts->address != NULL && !facts->any_address;
}

static bool
has_other_address(const struct facts *facts)
{
	return facts->address != NULL && facts->any_address &&
	    !facts->this_address;
}

/* RFC 8550 4.4.2: absent, or digitalSignature or nonRepudiation. */
static bool
forbids_signatures(const struct facts *facts)
{
	return (X509_get_key_usage(facts->cert) &
	    (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0;
}

/* RFC 8550 4.4.4: absent, or emailProtection or anyExtendedKeyUsage. */
static bool
lacks_mail_purpose(const struct facts *facts)
{
	return facts->has_purposes && !facts->for_mail &&
	    !is_document_profile(facts);
}

/* RFC 8551 4.1 */
static bool
has_weak_key(const struct facts *facts)
{
	return cert_key_problem(X509_get0_pubkey(facts->cert)) ==
	    CERT_WEAK_KEY;
}

/*
 * RFC 8551 2.2. Keys of type id-RSASSA-PSS are among these though OpenSSL
 * could use them: NSS and so Thunderbird refuse their certificates.
 */
static bool
has_other_key_type(const struct facts *facts)
{
	return cert_key_problem(X509_get0_pubkey(facts->cert)) ==
	    CERT_KEY_TYPE;
}

/* RFC 8550 4.3, 6: no MD5, no SHA-1. */
static bool
has_weak_signature(const struct facts *facts)
{
	return !cert_is_self_signed(facts->cert) &&
	    cert_signature_is_weak(facts->cert);
}

/* RFC 5280 4.2.1.9: a CA's certificate is no mailbox's. */
static bool
is_ca(const struct facts *facts)
{
	return (facts->flags & EXFLAG_CA) != 0 ||
	    ((facts->flags & EXFLAG_KUSAGE) != 0 &&
	    (X509_get_key_usage(facts->cert) & KU_KEY_CERT_SIGN) != 0);
}

/* RFC 5280 4.2: reject what is critical and not understood. */
static bool
has_critical_extension(const struct facts *facts)
{
	return (facts->flags & (EXFLAG_CRITICAL | EXFLAG_INVALID)) != 0;
}

/*
 * RFC 8550 4.4.2, BR 7.1.2.3: keyEncipherment for a key that a content key is
 * sent to, keyAgreement for one that it is agreed upon with. OpenSSL's purpose
 * asks keyEncipherment of both, and so refuses good EC certificates.
 */
static bool
forbids_encryption(const struct facts *facts)
{
	EVP_PKEY *key = X509_get0_pubkey(facts->cert);
	uint32_t wanted = key != NULL && EVP_PKEY_is_a(key, "RSA") ?
	    KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT;

	return (X509_get_key_usage(facts->cert) & wanted) == 0;
}

/*
 * X25519 is among these: OpenSSL 3.0 has the key, but not its use in CMS (RFC
 * 8418). RSA-PSS keys only sign. It does not read keys of type id-RSAES-OAEP,
 * and finds no path to a certificate of whose key it knows nothing.
 */
static bool
has_no_encryption_key(const struct facts *facts)
{
	return cert_key_problem(X509_get0_pubkey(facts->cert)) ==
	    CERT_KEY_TYPE;
}

struct rule {
	bool			(*breaks)(const struct facts *facts);
	enum cert_problem	 problem;
};

static const struct rule signing_rules[] = {
	{ is_document_profile,		CERT_DOCUMENT_PROFILE },
	{ is_expired,			CERT_EXPIRED },
	{ is_not_yet_valid,		CERT_NOT_YET_VALID },
	{ lacks_address,		CERT_NO_ADDRESS },
	{ has_other_address,		CERT_OTHER_ADDRESS },
	{ forbids_signatures,		CERT_KEY_USAGE },
	{ lacks_mail_purpose,		CERT_EXTENDED_KEY_USAGE },
	{ has_weak_key,			CERT_WEAK_KEY },
	{ has_other_key_type,		CERT_KEY_TYPE },
	{ has_weak_signature,		CERT_WEAK_SIGNATURE },
	{ is_ca,			CERT_IS_CA },
	{ has_critical_extension,	CERT_CRITICAL_EXTENSION },
};

static const struct rule encryption_rules[] = {
	{ is_document_profile,		CERT_DOCUMENT_PROFILE },
	{ is_expired,			CERT_EXPIRED },
	{ is_not_yet_valid,		CERT_NOT_YET_VALID },
	{ lacks_address,		CERT_NO_ADDRESS },
	{ has_other_address,		CERT_OTHER_ADDRESS },
	{ has_no_encryption_key,	CERT_ENCRYPTION_KEY },
	{ forbids_encryption,		CERT_ENCRYPTION_USAGE },
	{ lacks_mail_purpose,		CERT_EXTENDED_KEY_USAGE },
	{ has_weak_key,			CERT_WEAK_KEY },
	{ has_weak_signature,		CERT_WEAK_SIGNATURE },
	{ is_ca,			CERT_IS_CA },
	{ has_critical_extension,	CERT_CRITICAL_EXTENSION },
};

static void
check(X509 *cert, const char *address, time_t now, const struct rule *rules,
    size_t count, struct cert_findings *out)
{
	struct facts facts = { .cert = cert, .address = address, .now = now };
	size_t i;

	memset(out, 0, sizeof(*out));
	facts.flags = X509_get_extension_flags(cert);
	read_purposes(&facts);
	cert_each_email(cert, note_address, &facts);
	for (i = 0; i < count; i++)
		if (rules[i].breaks(&facts))
			out->problem[out->count++] = rules[i].problem;
	ERR_clear_error();
}

void
cert_check_signing(X509 *cert, const char *address, time_t now,
    struct cert_findings *out)
{
	check(cert, address, now, signing_rules,
	    sizeof(signing_rules) / sizeof(signing_rules[0]), out);
}

void
cert_check_encryption(X509 *cert, const char *address, time_t now,
    struct cert_findings *out)
{
	check(cert, address, now, encryption_rules,
	    sizeof(encryption_rules) / sizeof(encryption_rules[0]), out);
}

bool
cert_names_purpose(X509 *cert)
{
	struct facts facts = { .cert = cert };

	read_purposes(&facts);
	return !facts.has_purposes || facts.names_mail;
}

bool
cert_has_finding(const struct cert_findings *findings,
    enum cert_problem problem)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (findings->problem[i] == problem)
			return true;
	return false;
}

/* 128 bits are SHA-256's; the key of the signer is another question. */
bool
cert_signature_is_weak(X509 *cert)
{
	int bits;

	if (X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1) {
		ERR_clear_error();
		return true;
	}
	return bits < 128;
}

bool
cert_allows_mail(X509 *cert)
{
	struct facts facts = { .cert = cert };

	read_purposes(&facts);
	ERR_clear_error();
	return !facts.has_purposes || facts.for_mail;
}
