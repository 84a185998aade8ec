/*
 * crl.c - the revocation lists that trust holds.
 *
 * Only the newest list of each kind is kept, so that an older one that has not
 * yet ended cannot hide what the newer one says (RFC 8550 6).
 */
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "smime_base.h"
#include "smime_trust.h"
#include "trust.h"

static X509_CRL *
read_der(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)len);

	if (crl != NULL && p != der + len) {
		X509_CRL_free(crl);
		crl = NULL;
	}
	return crl;
}

static X509_CRL *
read_pem(const void *buf, size_t len)
{
	BIO *bio = BIO_new_mem_buf(buf, (int)len);
	X509_CRL *crl = NULL;

	if (bio != NULL)
		crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return crl;
}

int
crl_read(const void *buf, size_t len, const char *what, X509_CRL **out,
    struct smime_error *err)
{
	X509_CRL *crl;

	*out = NULL;
	if (len == 0 || len > CRL_BYTES_MAX)
		return smime_error_setx(err, "%s is %s", what,
		    len == 0 ? "empty" : "too long");
	ERR_clear_error();
	if (*(const unsigned char *)buf == 0x30)
		crl = read_der(buf, len);
	else
		crl = read_pem(buf, len);
	if (crl == NULL)
		return smime_error_crypto(err,
		    "%s holds no revocation list that can be read", what);
	if (X509_CRL_get0_nextUpdate(crl) == NULL) {
		X509_CRL_free(crl);
		return smime_error_setx(err, "%s does not say when the next "
		    "list comes (RFC 5280 5.1.2.5)", what);
	}
	*out = crl;
	return 0;
}

/* Whether both have the same value of an extension, or both none. */
static bool
same_extension(const X509_CRL *a, const X509_CRL *b, int nid)
{
	int i = X509_CRL_get_ext_by_NID(a, nid, -1);
	int j = X509_CRL_get_ext_by_NID(b, nid, -1);

	if (i < 0 || j < 0)
		return i < 0 && j < 0;
	return ASN1_STRING_cmp(
	    X509_EXTENSION_get_data(X509_CRL_get_ext(a, i)),
	    X509_EXTENSION_get_data(X509_CRL_get_ext(b, j))) == 0;
}

static bool
is_delta(const X509_CRL *crl)
{
	return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

/* RFC 5280 5: one series of lists, of which the last one counts. */
static bool
same_series(const X509_CRL *a, const X509_CRL *b)
{
	return X509_NAME_cmp(X509_CRL_get_issuer(a),
	    X509_CRL_get_issuer(b)) == 0 &&
	    is_delta(a) == is_delta(b) &&
	    same_extension(a, b, NID_authority_key_identifier) &&
	    same_extension(a, b, NID_issuing_distribution_point);
}

static bool
is_newer(const X509_CRL *a, const X509_CRL *b)
{
	return ASN1_TIME_compare(X509_CRL_get0_lastUpdate(a),
	    X509_CRL_get0_lastUpdate(b)) > 0;
}

int
trust_add_crl(struct trust *trust, X509_CRL *crl, struct smime_error *err)
{
	X509_CRL *old;
	int i;

	for (i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
		old = sk_X509_CRL_value(trust->crls, i);
		if (!same_series(crl, old))
			continue;
		if (!is_newer(crl, old))
			return 0;
		X509_CRL_up_ref(crl);
		sk_X509_CRL_set(trust->crls, i, crl);
		X509_CRL_free(old);
		return 0;
	}
	X509_CRL_up_ref(crl);
	if (sk_X509_CRL_push(trust->crls, crl) == 0) {
		X509_CRL_free(crl);
		return smime_error_setx(err, "out of memory");
	}
	return 0;
}

size_t
trust_crls(const struct trust *trust)
{
	return (size_t)sk_X509_CRL_num(trust->crls);
}

static time_t
to_time(const ASN1_TIME *when)
{
	struct tm tm;

	if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1)
		return 0;
	return timegm(&tm);
}

time_t
crl_this_update(const X509_CRL *crl)
{
	return to_time(X509_CRL_get0_lastUpdate(crl));
}

time_t
crl_next_update(const X509_CRL *crl)
{
	return to_time(X509_CRL_get0_nextUpdate(crl));
}

void
crl_describe(X509_CRL *crl, struct crl_facts *out)
{
	int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));

	cert_print_name(X509_CRL_get_issuer(crl), out->issuer,
	    sizeof(out->issuer));
	out->this_update = crl_this_update(crl);
	out->next_update = crl_next_update(crl);
	out->revoked = count > 0 ? (size_t)count : 0;
	ERR_clear_error();
}

void
trust_each_crl(const struct trust *trust, void (*each)(void *arg,
    const struct crl_facts *facts), void *arg)
{
	struct crl_facts facts;
	int i;

	for (i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
		crl_describe(sk_X509_CRL_value(trust->crls, i), &facts);
		each(arg, &facts);
	}
}

void
trust_set_crl_age(struct trust *trust, time_t seconds)
{
	trust->crl_age = seconds;
}

int
trust_set_policies(struct trust *trust, const char *const *oids,
    size_t count, struct smime_error *err)
{
	STACK_OF(ASN1_OBJECT) *list = NULL;
	ASN1_OBJECT *policy;
	size_t i;

	if (count > 0 && (list = sk_ASN1_OBJECT_new_null()) == NULL)
		return smime_error_setx(err, "out of memory");
	ERR_clear_error();
	for (i = 0; i < count; i++) {
		policy = OBJ_txt2obj(oids[i], 1);
		if (policy == NULL ||
		    sk_ASN1_OBJECT_push(list, policy) == 0) {
			ASN1_OBJECT_free(policy);
			sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
			return smime_error_crypto(err,
			    "%s is no object identifier", oids[i]);
		}
	}
	sk_ASN1_OBJECT_pop_free(trust->policies, ASN1_OBJECT_free);
	trust->policies = list;
	return 0;
}
