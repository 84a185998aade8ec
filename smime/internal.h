/*
 * internal.h - what the files of the S/MIME library share, grouped by file.
 * Not for callers of the library: those include smime.h alone.
 */
#ifndef SAMPUL_SMIME_INTERNAL_H
#define SAMPUL_SMIME_INTERNAL_H

#include "smime.h"

/* -------------------------------------------------------------- mime.c --- */

/*
 * A parsed Content-Type value (RFC 2045 5.1, with RFC 2231 continuations of
 * the boundary). Lower-case type and subtype. A value that is none gives
 * valid = false and text/plain, as RFC 2045 5.2 asks.
 */
struct mime_type {
	bool	 valid;
	char	 type[64];
	char	 subtype[128];
	char	 boundary[256];	/* unquoted; "" none. RFC 2046 allows 70; one
				 * that does not fit or holds control
				 * characters counts as none */
	size_t	 boundary_len;
	char	 charset[64];	/* lower case; "" none */
	char	 name[256];	/* name parameter, "" none; cut when longer */
	bool	 has_hp;	/* an hp parameter (RFC 9788) is there */
};

void	 mime_type_parse(const char *value, size_t len, struct mime_type *out);
/*
 * A copy of a Content-Type value with any hp parameter removed and, when hp is
 * given, "; hp=..." folded onto its end (RFC 9788 2.1.1). Freed with free;
 * NULL when the value cannot be taken apart safely or memory is short.
 */
char	*mime_type_with_hp(const char *value, size_t len, const char *hp);

enum mime_encoding { ENC_7BIT, ENC_8BIT, ENC_BINARY, ENC_QP, ENC_BASE64,
	ENC_UNKNOWN };
/* Content-Transfer-Encoding value (RFC 2045 6.1); comments seen through. */
enum mime_encoding mime_encoding_parse(const char *value, size_t len);

/* ------------------------------------------------------------- param.c --- */

/* A parameter as it stands in the field; everything borrowed from it. */
struct param {
	const unsigned char	*start;		/* its ';', NULL without */
	const unsigned char	*name;
	size_t			 name_len;
	const unsigned char	*value;		/* quotes included */
	const unsigned char	*end;		/* behind the value */
};

/*
 * The next parameter, over junk and missing semicolons, false at the end. *odd
 * is set when something was met that the grammar does not have.
 */
bool	 param_next(struct lex *lex, struct param *out, bool *odd);
/* Whether it is the named one, whole or a section of it (RFC 2231). */
bool	 param_is(const struct param *param, const char *name);

#define PARAM_SECTIONS_MAX	32

struct param_section {
	unsigned		 index;
	bool			 extended;
	const unsigned char	*value;
	const unsigned char	*end;
};

/*
 * All of one parameter, in however many sections and in any order; the caller
 * sets name. Where one is there twice the first wins, and the plain form wins
 * over RFC 2231's, which many readers do not know.
 */
struct param_text {
	const char		*name;
	struct param_section	 sections[PARAM_SECTIONS_MAX];
	size_t			 count;
	bool			 whole;		/* sections[0] is all of it */
	bool			 overflow;
};

/* Keeps the parameter (borrowed) when it is one of all's. */
void	 param_collect(struct param_text *all, const struct param *param);
/* The text, "" when there is none; false when it was cut. */
bool	 param_join(const struct param_text *all, char *out, size_t size,
	    size_t *len);

/* ------------------------------------------------------------ encode.c --- */

/*
 * Streaming encoders to sink; state is small and on the caller's stack. Lines
 * are at most 76 octets and end in CRLF (RFC 2045 6.7, 6.8).
 */
struct encoder {
	int		 kind;
	smime_sink	 sink;
	void		*arg;
	unsigned	 column;
	bool		 soft;	/* quoted-printable: in a broken line */
	unsigned char	 held[8];
	unsigned	 held_len;
	unsigned char	 out[4096];
	size_t		 out_len;
};

enum encoder_kind {
	ENCODE_BASE64,		/* any octets to base64 */
	ENCODE_QP,		/* text to quoted-printable, CRLF kept as line
				 * ends; anything else octet by octet */
	REWRAP_BASE64,		/* base64 text: alphabet and '=' kept in order,
				 * the rest dropped, lines of 76 */
	REWRAP_QP		/* quoted-printable text: long lines broken
				 * softly, what may not be literal encoded */
};

void	 encoder_init(struct encoder *enc, enum encoder_kind kind,
	    smime_sink sink, void *arg);
int	 encoder_write(struct encoder *enc, const void *buf, size_t len);
/* Writes what is held; base64 ends in CRLF when it wrote anything and
 * final_crlf. */
int	 encoder_finish(struct encoder *enc, bool final_crlf);
/* Between encode.c and encode_qp.c. */
int	 encoder_flush(struct encoder *enc);
int	 encoder_write_qp(struct encoder *enc, const unsigned char *p,
	    size_t len);
int	 encoder_finish_qp(struct encoder *enc);

/* ----------------------------------------------------------- protect.c --- */

/*
 * Whether a field of the composer belongs under header protection (RFC 9788
 * 5): not structural (Content-*, MIME-Version), not trace, not Bcc, not ours
 * (SIG-50, SIG-53).
 */
bool	 protect_wants(const struct header_field *field);

/* -------------------------------------------------------------- der.c --- */

/* Strict DER, read in place. */
struct der {
	const unsigned char	*p;
	size_t			 len;
};

/*
 * Takes the next element off in: its tag must be tag (class, constructed and
 * number in one octet; numbers above 30 are refused), its length definite and
 * minimal. *content receives the contents, *whole (may be NULL) the element
 * with tag and length.
 */
bool	 der_take(struct der *in, unsigned char tag, struct der *content,
	    struct der *whole);
/* The tag of the next element, or -1 at the end. */
int	 der_peek(const struct der *in);
/* Octets that a tag and length take for so much content. */
size_t	 der_header_size(size_t content_len);
/* Writes tag and minimal length; returns behind them. */
unsigned char *der_put_header(unsigned char *p, unsigned char tag,
	    size_t content_len);
/* Writes an element as it is; returns behind it. */
unsigned char *der_put(unsigned char *p, const struct der *der);
bool	 der_is(const struct der *a, const void *p, size_t len);
bool	 der_equal(const struct der *a, const struct der *b);
/* Order of a SET OF (X.690 11.6), for qsort over struct der. */
int	 der_compare(const void *a, const void *b);
/*
 * One element around parts in their order, or the parts alone; false when
 * memory is short. What was allocated is freed by der_free, which leaves it
 * empty.
 */
bool	 der_wrap(struct der *out, unsigned char tag, const struct der *parts,
	    size_t count);
bool	 der_join(struct der *out, const struct der *parts, size_t count);
void	 der_free(struct der *der);

/* -------------------------------------------------------------- oid.c --- */

enum oid {
	OID_DATA,
	OID_SIGNED_DATA,
	OID_CONTENT_TYPE,		/* RFC 5652 11.1 */
	OID_MESSAGE_DIGEST,		/* RFC 5652 11.2 */
	OID_SIGNING_TIME,		/* RFC 5652 11.3 */
	OID_CAPABILITIES,		/* RFC 8551 2.5.2 */
	OID_ENCRYPTION_KEY,		/* RFC 8551 2.5.3 */
	OID_SIGNING_CERTIFICATE_V2,	/* RFC 5035 3 */
	OID_ALGORITHM_PROTECTION,	/* RFC 6211 2 */
	OID_AES256_GCM,
	OID_AES128_GCM,
	OID_AES256_CBC,
	OID_AES128_CBC,
	OID_COUNT
};

enum algorithm_kind { ALGORITHM_RSA, ALGORITHM_PSS, ALGORITHM_ECDSA };

/* Whole DER elements; static. */
struct der oid(enum oid which);
struct der algorithm_digest(enum smime_digest digest);
struct der algorithm_signature(enum algorithm_kind kind,
	    enum smime_digest digest);

/* ------------------------------------------------------- attributes.c --- */

/*
 * Each leaves one encoded element in out, for der_free; false when memory is
 * short or a certificate cannot be encoded.
 */
bool	 attribute_make(struct der *out, enum oid type,
	    const struct der *value);
bool	 attribute_capabilities(struct der *out, unsigned capabilities);
bool	 attribute_encryption_key(struct der *out, X509 *encryption);
bool	 attribute_signing_certificate(struct der *out, X509 *cert);
bool	 attribute_protection(struct der *out, const struct der *digest,
	    const struct der *signature);
bool	 issuer_and_serial(struct der *out, unsigned char tag, X509 *cert);
/* SigningTime to out; its length, or 0 when the year is out of reach. */
size_t	 signing_time_put(unsigned char *out, size_t size, time_t when);

/* -------------------------------------------------------------- cms.c --- */

#define CMS_CERTIFICATES_MAX	16

/*
 * A SignedData as this library writes it (RFC 5652 5.1), taken apart: every
 * member is borrowed from the DER and is the whole element unless it says
 * otherwise.
 */
struct cms_signed {
	struct der	digest;		/* the one digestAlgorithm */
	struct der	certificates[CMS_CERTIFICATES_MAX];
	size_t		certificate_count;
	struct der	signer_issuer;	/* issuerAndSerialNumber */
	struct der	signer_serial;
	struct der	signer_digest;
	struct der	attributes;	/* signedAttrs, with the tag [0] */
	struct der	algorithm;	/* signatureAlgorithm */
	struct der	signature;	/* contents of the OCTET STRING */
	struct der	content_type;	/* the attributes' single values */
	struct der	message_digest;	/* contents of the OCTET STRING */
	struct der	signing_time;
	struct der	signing_certificate;
	struct der	protection;
	struct der	before;		/* SignedData before encapContentInfo */
	struct der	after;		/* and behind it */
};

/*
 * Strict: DER throughout, nothing behind the end, id-data without content, one
 * digest, one signer known by issuer and serial number, no CRLs, no unsigned
 * attributes, signed attributes sorted, each kind once and with one value.
 */
int	 cms_signed_read(const unsigned char *der, size_t len,
	    struct cms_signed *out, struct smime_error *err);

/* ------------------------------------------------------------- cert.c --- */

/* CERT_OK, or what keeps us from signing with such a key. */
enum cert_problem cert_key_problem(EVP_PKEY *key);
/* Whether two certificates are the same octets. */
bool	 cert_is_same(X509 *a, X509 *b);
/* Issued by its own name and key: no link of a chain. */
bool	 cert_is_self_signed(X509 *cert);

#endif
