/*
 * trust.h - certificates, paths and revocation lists, as the library's own
 * files see them.
 */
#ifndef SMIME_TRUST_H
#define SMIME_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_trust.h"

/* ------------------------------------------------------------- cert.c --- */

/* CERT_OK, or what keeps us from signing with such a key. */
enum cert_problem cert_key_problem(EVP_PKEY *key);
/* Whether mail is among the purposes by its own name, or there are none. */
bool	 cert_names_purpose(X509 *cert);
/* Whether two certificates are the same octets. */
bool	 cert_is_same(X509 *a, X509 *b);
/* Issued by its own name and key: no link of a chain. */
bool	 cert_is_self_signed(X509 *cert);
/* Issued with a digest below SHA-256, or by an algorithm we do not know. */
bool	 cert_signature_is_weak(X509 *cert);
/* Whether its extended key usage, if any, has e-mail in it. */
bool	 cert_allows_mail(X509 *cert);
/* Whether it holds an address in any form, also one that counts for nothing. */
bool	 cert_holds_email(X509 *cert);
/* The last entry of that kind in UTF-8, printable; "" without. */
void	 cert_name_entry(const X509_NAME *name, int nid, char *out,
	    size_t size);
/* RFC 2253 on one line, printable. */
void	 cert_print_name(const X509_NAME *name, char *out, size_t size);

/* ------------------------------------------------------------- trust.c --- */

struct trust {
	X509_STORE		*store;		/* the anchors */
	STACK_OF(X509)		*intermediates;
	STACK_OF(X509_CRL)	*crls;
	STACK_OF(ASN1_OBJECT)	*policies;	/* NULL: none is asked for */
	time_t			 crl_age;	/* 0: none */
	size_t			 anchors;
};

/* Borrowed certificates in a stack of the caller's; b may be NULL. */
STACK_OF(X509) *trust_untrusted(const STACK_OF(X509) *a,
	    const STACK_OF(X509) *b);
void	 trust_rules(X509_STORE_CTX *ctx, time_t now);
/* The sentence and the word for what X509_verify_cert found. */
enum cert_problem trust_explain(X509_STORE_CTX *ctx, struct smime_error *err);
/* CERT_WEAK_SIGNATURE when something in the path is below SHA-256. */
enum cert_problem trust_check_signatures(const STACK_OF(X509) *path,
	    struct smime_error *err);

/* --------------------------------------------------------------- crl.c --- */

/* 0 when it cannot be read. */
time_t	 crl_this_update(const X509_CRL *crl);
time_t	 crl_next_update(const X509_CRL *crl);

/* -------------------------------------------------------- revocation.c --- */

/*
 * For the verify callback: true when the error was about a revocation list and
 * was taken note of, because it is asked for at all.
 */
bool	 revocation_note(X509_STORE_CTX *ctx);

#endif
