/*
 * authority.h - certificates of any shape, right and wrong, for the tests of
 * verification: what make-pki's openssl would not write. All of it fails the
 * test by itself.
 */
#ifndef SAMPUL_TEST_AUTHORITY_H
#define SAMPUL_TEST_AUTHORITY_H

#include <stddef.h>

#include <openssl/x509.h>

#define ISSUE_EXTENSIONS	8

struct issue {
	const char	*name;		/* common name; NULL: none */
	size_t		 name_len;	/* 0: up to its NUL */
	int		 name_type;	/* V_ASN1_...; 0: UTF8String */
	const char	*subject_mail;	/* emailAddress in the subject */
	EVP_PKEY	*key;
	X509		*issuer;	/* NULL: itself */
	EVP_PKEY	*issuer_key;
	const char	*mail;		/* rfc822Name, octets */
	size_t		 mail_len;	/* 0: up to its NUL */
	const char	*utf8_mail;	/* SmtpUTF8Mailbox */
	/* As in openssl's configuration: name, value. */
	const char	*extensions[ISSUE_EXTENSIONS][2];
	const EVP_MD	*md;		/* NULL: SHA-256 */
	long		 from, until;	/* from now; 0: yesterday, in a year */
};

/* What a mailbox's and an authority's certificate have. */
#define ISSUE_MAILBOX	{ "basicConstraints", "critical,CA:FALSE" },	\
	{ "keyUsage", "critical,digitalSignature" },			\
	{ "extendedKeyUsage", "emailProtection" },			\
	{ "subjectKeyIdentifier", "hash" },				\
	{ "authorityKeyIdentifier", "keyid" }
#define ISSUE_CA	{ "keyUsage", "critical,keyCertSign,cRLSign" },	\
	{ "subjectKeyIdentifier", "hash" },				\
	{ "authorityKeyIdentifier", "keyid" }

/* The caller frees with X509_free. */
X509	*issue(const struct issue *issue);
/* An empty list of that authority, for a year. */
X509_CRL *issue_crl(X509 *issuer, EVP_PKEY *key);
/* A public key alone, of any size and exponent (in hex). */
EVP_PKEY *public_rsa(int bits, const char *exponent);

#endif
