/*
 * certmail.c - the e-mail addresses that a certificate names.
 *
 * RFC 8550 3: in subjectAltName, as rfc822Name. The subject's emailAddress
 * counts only where there is no such name (CRT-33); X509_check_email would mix
 * in what may not be compared so, and minds the case of the local part.
 * SmtpUTF8Mailbox (RFC 9598) never equals an ASCII address, so its entries only
 * keep the subject's address from being used.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "smime_cert.h"
#include "smime_header.h"
#include "trust.h"

struct visit {
	void	(*each)(void *arg, const char *address);
	void	*arg;
};

/*
 * CRT-34: an entry that a C string, a terminal or a second parser could read
 * otherwise is none. Specials of RFC 5322 3.2.3 have no use in an addr-spec
 * that names a mailbox here.
 */
static bool
is_plain(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f ||
		    strchr("\"()<>[]:;\\,", p[i]) != NULL)
			return false;
	return len > 0 && len <= ADDRESS_MAX;
}

static void
visit_string(const struct visit *visit, const ASN1_STRING *text)
{
	const unsigned char *p = ASN1_STRING_get0_data(text);
	int len = ASN1_STRING_length(text);
	char address[ADDRESS_MAX + 1];

	if (len > 0 && is_plain(p, (size_t)len) &&
	    address_canonical((const char *)p, (size_t)len, address))
		visit->each(visit->arg, address);
}

static bool
is_smtp_utf8(const GENERAL_NAME *name)
{
	return name->type == GEN_OTHERNAME && OBJ_obj2nid(
	    name->d.otherName->type_id) == NID_id_on_SmtpUTF8Mailbox;
}

/* Returns whether an address of any kind stands in subjectAltName. */
static bool
visit_alternative(X509 *cert, const struct visit *visit)
{
	const GENERAL_NAME *name;
	GENERAL_NAMES *names;
	int i, critical;
	bool any = false;

	names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	if (names == NULL) {
		ERR_clear_error();
		/* There twice or malformed: do not fall back on the subject. */
		return critical != -1;
	}
	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_EMAIL) {
			visit_string(visit, name->d.rfc822Name);
			any = true;
		} else if (is_smtp_utf8(name))
			any = true;
	}
	GENERAL_NAMES_free(names);
	return any;
}

static void
visit_subject(X509 *cert, const struct visit *visit)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	const ASN1_STRING *text;
	int i = -1;

	while ((i = X509_NAME_get_index_by_NID(name, NID_pkcs9_emailAddress,
	    i)) >= 0) {
		text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
		if (ASN1_STRING_type(text) == V_ASN1_IA5STRING)
			visit_string(visit, text);
	}
}

void
cert_each_email(X509 *cert, void (*each)(void *arg, const char *address),
    void *arg)
{
	struct visit visit = { each, arg };

	if (!visit_alternative(cert, &visit))
		visit_subject(cert, &visit);
}

static void
ignore(void *arg, const char *address)
{
	(void)arg;
	(void)address;
}

bool
cert_holds_email(X509 *cert)
{
	struct visit visit = { ignore, NULL };

	return visit_alternative(cert, &visit) ||
	    X509_NAME_get_index_by_NID(X509_get_subject_name(cert),
	    NID_pkcs9_emailAddress, -1) >= 0;
}

struct wanted {
	const char	*address;
	bool		 found;
};

static void
compare(void *arg, const char *address)
{
	struct wanted *wanted = arg;

	if (strcmp(address, wanted->address) == 0)
		wanted->found = true;
}

bool
cert_has_email(X509 *cert, const char *address)
{
	struct wanted wanted = { address, false };

	cert_each_email(cert, compare, &wanted);
	return wanted.found;
}
