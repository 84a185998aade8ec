/*
 * vmail.h - signed messages of every kind, right and wrong, for the tests of
 * verification. All of it fails the test by itself.
 */
#ifndef SAMPUL_TEST_VMAIL_H
#define SAMPUL_TEST_VMAIL_H

#include "../../smime/der.h"
#include "../../smime/smime.h"

/* Text that grows. Zero it first; free with buf_free. */
struct buf {
	char	*p;
	size_t	 len;
};

void	 buf_add(struct buf *buf, const void *p, size_t len);
void	 buf_text(struct buf *buf, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 buf_base64(struct buf *buf, const void *p, size_t len);
void	 buf_free(struct buf *buf);

/* Somebody with a certificate. */
struct person {
	X509			*cert;
	EVP_PKEY		*key;
};

struct person person_load(const char *name);	/* a mailbox of pki.h */
void	 person_free(struct person *person);

/* Oddities of a SignedData. */
enum {
	CMS_EMBED = 1 << 0,		/* eContent is there */
	CMS_NO_ATTRIBUTES = 1 << 1,	/* content signed directly */
	CMS_UNSORTED = 1 << 2,		/* attributes not in SET OF order */
	CMS_TWICE = 1 << 3,		/* message digest attribute twice */
	CMS_TWO_VALUES = 1 << 4,	/* two values in it */
	CMS_NO_TYPE = 1 << 5,		/* no content type attribute */
	CMS_NO_DIGEST = 1 << 6,
	CMS_UNSIGNED_TYPE = 1 << 7,	/* content type among unsigned ones */
	CMS_OTHER_TYPE = 1 << 8,	/* eContentType is not id-data */
	CMS_OTHER_ESS = 1 << 9,		/* ESS names the other certificate */
	CMS_ESS = 1 << 10,
	CMS_PROTECTION = 1 << 11,
	CMS_OTHER_PROTECTION = 1 << 12,
	CMS_KEY_ID = 1 << 13,		/* subjectKeyIdentifier */
	CMS_NO_CERTS = 1 << 14,
	CMS_NO_SIGNERS = 1 << 15,
	CMS_VERSION_9 = 1 << 16,	/* of the SignerInfo */
	CMS_BAD_SIGNATURE = 1 << 17,
	CMS_TWO_CAPABILITIES = 1 << 18,	/* two values */
	CMS_UNKNOWN_DIGEST = 1 << 19,
	CMS_UNKNOWN_SIGNATURE = 1 << 20,
	CMS_MD5 = 1 << 21,
	CMS_DSA = 1 << 22,		/* named in the algorithm */
	CMS_BAD_TIME = 1 << 23,
	CMS_PSS = 1 << 24,
	CMS_OTHER_CERTS = 1 << 25,	/* attribute certificates and such */
	CMS_COUNTERSIGNED = 1 << 26,	/* junk in an unsigned attribute */
	CMS_TRAILING = 1 << 27,		/* octets behind the end */
	CMS_BER = 1 << 28,		/* indefinite, content in pieces */
};

struct cms {
	const struct person	*signers[20];	/* up to NULL */
	unsigned		 bad;		/* 1 << signer: bad signature */
	X509			*extra[40];	/* more certificates */
	X509			*first;		/* before all others */
	X509			*other;		/* for CMS_OTHER_ESS */
	const struct der	*crl;		/* in the message */
	const char		*content;
	size_t			 content_len;
	const EVP_MD		*md;		/* NULL: SHA-256 */
	time_t			 time;		/* 0: now; 1: none */
	unsigned		 flags;
};

/* The DER (or BER) of it. */
void	 cms_build(const struct cms *cms, struct buf *out);
/* Whole message around an entity and a detached signature. */
void	 mail_detached(const char *header, const char *entity, size_t len,
	    const struct buf *der, struct buf *out);
void	 mail_opaque(const char *header, const struct buf *der,
	    struct buf *out);
/* Both in one: a signed message of that content. */
void	 mail_build(const char *header, const struct cms *cms,
	    struct buf *out);

/* The usual trust: root, issuing CA's CRL and root's CRL. */
struct trust *vmail_trust(void);
void	 vmail_crl(struct trust *trust, const char *file);
/* The usual settings, with that trust, which is returned to be freed. */
struct trust *vmail_settings(struct verify_settings *out);
/*
 * The verdict on a whole message, fed in pieces of so many octets (0: at
 * once).
 */
void	 vmail_verify(const struct verify_settings *settings,
	    const void *message, size_t len, size_t piece,
	    struct verdict *out);

#endif
