/*
 * internal.h - what the files of the S/MIME library share, grouped by file.
 * Not for callers of the library: those include smime.h alone.
 */
#ifndef SAMPUL_SMIME_INTERNAL_H
#define SAMPUL_SMIME_INTERNAL_H

#include "smime.h"

/* -------------------------------------------------------------- wipe.c --- */

/*
 * Makes room for more octets behind len of *buf, which has *size; what it
 * leaves is wiped. false: no memory, and all as it was. For wipe_free.
 */
bool	 wipe_room(unsigned char **buf, size_t *size, size_t len,
	    size_t more);

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
 * NULL when the value cannot be taken apart safely (EINVAL) or memory is short
 * (ENOMEM).
 */
char	*mime_type_with_hp(const char *value, size_t len, const char *hp);
/* The same with any other parameter; text goes in quotes as it is. */
char	*mime_type_with(const char *value, size_t len, const char *name,
	    const char *text);

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

/* ----------------------------------------------------------- mailbox.c --- */

#define MAILBOX_LOCAL_MAX	64	/* RFC 5321 4.5.3.1.1 */
#define MAILBOX_DOMAIN_MAX	255	/* RFC 5321 4.5.3.1.2 */
#define MAILBOX_DISPLAY_MAX	2048	/* ours; octets before decoding */

struct mailbox_text {
	char	*p;
	size_t	 size;
	size_t	 len;
};

struct mailbox {
	struct lex		 lex;
	struct mailbox_text	 display;	/* unquoted, encoded words as
						 * they stand */
	struct mailbox_text	 local;		/* unquoted */
	struct mailbox_text	 domain;
	bool			 spaced;	/* comment, route, white space
						 * inside */
	bool			 odd;		/* quoted local part, literal */
	bool			 too_long;	/* something was cut */
	char			 display_buf[MAILBOX_DISPLAY_MAX];
	char			 local_buf[MAILBOX_LOCAL_MAX];
	char			 domain_buf[MAILBOX_DOMAIN_MAX];
};

void	 mailbox_init(struct mailbox *m, const void *text, size_t len);
/*
 * The only mailbox of the text: ADDRESS_OK, _MISSING, _SEVERAL, _GROUP or
 * _SYNTAX; the parts and flags are for the caller to judge.
 */
enum address_result mailbox_take(struct mailbox *m);
/* An addr-spec alone; the cursor stands behind it. */
bool	 mailbox_addr_spec(struct mailbox *m);
bool	 mailbox_is_atext(int c);

/* ----------------------------------------------------------- display.c --- */

/*
 * Decodes encoded words in place, as the laxest reader would; returns the new
 * length. UTF-8 comes out, where the charset is another octets of no meaning.
 */
size_t	 display_decode(char *text, size_t len);
/* Whether text holds characters that are not seen or pass for '@' or '.'. */
bool	 display_is_deceptive(const char *text, size_t len);
/*
 * Whether a display name, unquoted but with its encoded words as they stand,
 * shows an address other than this canonical one. text is overwritten. *odd is
 * set when readers will not agree on what the name is.
 */
bool	 display_shows_other(char *text, size_t len, const char *address,
	    bool *odd);

/* ------------------------------------------------------------- idn.c --- */

/*
 * In place, the domain of a canonical address with A-labels for what is not
 * ASCII (CRT-30, CRT-36); as it is where that cannot be. address has room for
 * ADDRESS_MAX + 1 octets.
 */
void	 address_to_ascii(char *address);

/* -------------------------------------------------------------- scan.c --- */

/* What was met in a stretch of octets that matters for signing. */
enum defect {
	DEFECT_HIGH = 1 << 0,		/* octets above 127 */
	DEFECT_NUL = 1 << 1,
	DEFECT_BARE_CR = 1 << 2,
	DEFECT_BARE_LF = 1 << 3,
	DEFECT_LONG = 1 << 4,		/* over LINE_MAX_OCTETS */
	DEFECT_FROM = 1 << 5,		/* a line beginning "From " */
	DEFECT_TRAILING = 1 << 6,	/* white space at a line's end */
	DEFECT_DOT = 1 << 7		/* a line that is "." */
};
/* A signature does not survive these, or a reader disagrees on them. */
#define DEFECTS_MUST	(DEFECT_HIGH | DEFECT_NUL | DEFECT_BARE_CR | \
			DEFECT_BARE_LF | DEFECT_LONG)
/* These are only put right where it is allowed (RFC 8551 3.1.4). */
#define DEFECTS_SHOULD	(DEFECT_FROM | DEFECT_TRAILING | DEFECT_DOT)
/*
 * Without CRLF. RFC 5322 2.1.1 allows 998, but the SMTP mailers of Sendmail
 * break a line over 990 octets (L=990), inside a signature too.
 */
#define LINE_MAX_OCTETS	990

/* What becomes of one part. */
enum plan {
	PLAN_KEEP = 0,
	PLAN_RELABEL,		/* 7bit instead of 8bit or binary */
	PLAN_QP,
	PLAN_BASE64,
	PLAN_REWRAP_QP,
	PLAN_REWRAP_BASE64
};

/* The part that is being read. The message itself is part 0. */
enum part_display { DISPLAY_NONE, DISPLAY_PLAIN, DISPLAY_HTML };

struct part {
	uint32_t	 number;	/* in order of appearance */
	bool		 main;		/* on the way to what is read first */
	enum part_display display;	/* a main body part (RFC 9788 1.8) */
	bool		 utf8;		/* its charset */
	bool		 composite;	/* has no body of its own */
	bool		 frozen;	/* may not be changed */
	bool		 text;
	bool		 conflict;	/* readers may disagree what it is */
	enum mime_encoding encoding;
	/* Of its body, so far; not counted on once the plan is settled. */
	unsigned	 defects;
	uint64_t	 octets;
	uint64_t	 high;		/* of them above 127 */
};

/*
 * What the scanner meets, in order; together header, body and other are every
 * octet that it was fed. NULL where it does not matter. Each returns 0, or -1
 * to stop.
 */
struct scan_ops {
	/* A part's header with its empty line; the message's own is not here. */
	int	(*header)(void *arg, const struct part *part,
		    const unsigned char *raw, size_t len);
	/* Octets of the body of a part that is not composite. */
	int	(*body)(void *arg, const struct part *part,
		    const unsigned char *buf, size_t len);
	/* Its end; crlf: its last line ends in one that is its own. */
	int	(*end)(void *arg, const struct part *part, bool crlf);
	/* A composite part's header was read, also the message's own. */
	int	(*composite)(void *arg, const struct part *part);
	/* Boundary lines, preamble, epilogue. */
	int	(*other)(void *arg, const unsigned char *buf, size_t len);
};

/* A multipart or an embedded message around what is being read. */
struct enclosure {
	char		*boundary;	/* NULL for an embedded message */
	size_t		 boundary_len;
	bool		 closed;	/* its close delimiter was met */
	bool		 digest;	/* parts are messages by default */
	bool		 frozen;
	bool		 main;		/* its first part is main, */
	bool		 alternative;	/* or all of them */
	bool		 begun;		/* the first was met */
};

enum scan_state { SCAN_HEADER, SCAN_BODY, SCAN_OTHER };
#define SCAN_CARRY	1024
#define SCAN_VIEW	(SCAN_CARRY / 2)	/* a longer line is no boundary */
#define SCAN_NO_MATCH	((size_t)-1)

/*
 * Reads a message's body in pieces of any size, with memory for one part
 * header. Findings are open to read after scan_finish, and most are during.
 */
struct scan {
	/* Findings. */
	uint32_t	 parts;
	unsigned	 outside;	/* defects outside the parts' bodies */
	bool		 limit;		/* a ceiling was met: not all was read */
	bool		 ambiguous;	/* readers may see other boundaries */
	bool		 has_calendar;

	/* Set after scan_begin: for the structure alone, without findings. */
	bool		 again;

	/* The rest is scan.c's own. */
	const struct canon_settings *settings;
	const struct scan_ops	*ops;
	void			*arg;
	struct smime_error	*err;
	enum scan_state		 state;
	struct part		 part;
	struct enclosure	*stack;
	size_t			 depth;
	size_t			 stack_size;
	unsigned char		*header;
	size_t			 header_len;
	size_t			 header_size;
	bool			 header_odd;
	bool			 held_crlf;
	bool			 mid_line;
	uint64_t		 line_len;
	unsigned char		 last;	/* octet, in mid_line */
	unsigned char		 carry[SCAN_CARRY];
	size_t			 carry_len;
};

/* header: the message's own, read only here. settings, ops: borrowed. */
int	 scan_begin(struct scan *scan, const struct canon_settings *settings,
	    const struct header_list *header, const struct scan_ops *ops,
	    void *arg, struct smime_error *err);
int	 scan_feed(struct scan *scan, const unsigned char *buf, size_t len,
	    struct smime_error *err);
int	 scan_finish(struct scan *scan, struct smime_error *err);
/* Frees what it holds, not the struct; safe to call twice. */
void	 scan_clear(struct scan *scan);

/* ---------------------------------------------------------- scan_part.c --- */

/* A header comes next, unless there were too many parts. */
int	 scan_part_begin(struct scan *scan);
/* The header of scan->part is known: sets the state that follows it. */
int	 scan_part_open(struct scan *scan, struct enclosure *e);
/* Whether a line, without its end, belongs to a header at all. */
bool	 scan_header_accepts(struct scan *scan, const unsigned char *line,
	    size_t len);
/* Adds to the header; one that gets too long turns into a body (limit). */
int	 scan_header_add(struct scan *scan, const unsigned char *p,
	    size_t len);
int	 scan_header_done(struct scan *scan);

/* ---------------------------------------------------------- enclosure.c --- */

int	 enclosure_push(struct scan *scan, const struct enclosure *e);
void	 enclosure_pop(struct scan *scan, size_t depth);
/*
 * The index of the enclosure whose boundary line this is, without its line
 * end, or SCAN_NO_MATCH.
 */
size_t	 enclosure_match(const struct scan *scan, const unsigned char *line,
	    size_t len, bool *close);
/* Whether somebody else might read a boundary line here. */
bool	 enclosure_suspect(const struct scan *scan, const unsigned char *line,
	    size_t len);

/* -------------------------------------------------------------- part.c --- */

/*
 * Sets out from a part's header: type, encoding, whether it may change. When
 * it encloses others, *enclosure is filled (boundary to be freed) and
 * out->composite set.
 */
int	 part_read(const struct header_list *header, bool digest, bool frozen,
	    struct part *out, struct enclosure *enclosure, bool *calendar);

/* -------------------------------------------------------------- plan.c --- */

/*
 * What must become of a part, or should where quote_from is set. *possible is
 * false when it must change and may not; the plan is then PLAN_KEEP. *must
 * tells a needed change from a wished one.
 */
enum plan plan_part(const struct part *part, bool quote_from, bool *possible,
	    bool *must);
/* Whether the plan is known, whatever else its body may hold. */
bool	 plan_is_settled(const struct part *part);
/* The Content-Transfer-Encoding that goes with a plan. */
const char *plan_encoding(enum plan plan);
/* What the defects are, as the end of a sentence; static. */
const char *defect_text(unsigned defects);

/* ------------------------------------------------------------ entity.c --- */

/* The header of the signed entity, while it may still change. */
struct entity {
	struct header_list content;	/* its Content-* fields */
	unsigned char	*lines;		/* all its fields as sent */
	size_t		 len;
	size_t		 size;		/* of the memory */
	bool		 typed;		/* there is a Content-Type in it */
	const char	*hp;		/* RFC 9788: "clear", "cipher", NULL */
	const char	*unprotected;	/* why not */
	unsigned	 defects;	/* of the Content-* fields */
};

int	 entity_read(struct entity *out, const struct canon_settings *settings,
	    const struct header_list *header, struct smime_error *err);
void	 entity_clear(struct entity *entity);
/*
 * The header with its empty line, malloced. charset is for a message without
 * Content-Type; plan is what becomes of part 0.
 */
int	 entity_header(const struct entity *entity, enum plan plan,
	    bool display, const char *charset, unsigned char **out,
	    size_t *len, struct smime_error *err);

/* ------------------------------------------------------------ legacy.c --- */

#define LEGACY_PARAM	"hp-legacy-display"

/*
 * What shows the hidden Subject to readers that do not know RFC 9788 (5.2.2),
 * ready to be put into a main body part. Each may be NULL: it is not shown so.
 */
struct legacy {
	char	*utf8;		/* text/plain */
	char	*ascii;		/* likewise; '?' for what is none */
	char	*html;		/* ASCII */
	bool	 high;		/* utf8 is not ASCII */
};

/* false: no memory. */
bool	 legacy_make(struct legacy *out, const struct header_list *header);
void	 legacy_clear(struct legacy *legacy);
/* What of it belongs into that part, or NULL. */
const char *legacy_text(const struct legacy *legacy, const struct part *part);

/* Where in an HTML body it goes: behind <body>, or before what is shown. */
struct legacy_html {
	int		 state;
	unsigned char	 held[12];
	unsigned	 held_len;
	unsigned	 matched;
	const char	*element;	/* as it is to be written; borrowed */
	smime_sink	 sink;
	void		*arg;
};

int	 legacy_html_put(struct legacy_html *html, const unsigned char *buf,
	    size_t len);
int	 legacy_html_end(struct legacy_html *html);

/* ----------------------------------------------------------- rewrite.c --- */

/* Beside enum plan, in one octet: the part gets a legacy display element. */
#define PLAN_DISPLAY	0x80U
#define PLAN_OF(octet)	((enum plan)((octet) & ~PLAN_DISPLAY))

/*
 * Hands a part's header to sink as it becomes under plan; display: with the
 * parameter that goes with a legacy display element. raw may or may not have
 * its empty line.
 */
int	 rewrite_header(const unsigned char *raw, size_t len, enum plan plan,
	    bool display, smime_sink sink, void *arg);
/*
 * The second pass: body to sink with each part changed as planned. sink leaves
 * its own sentence. Fails when the body has not the parts of the first pass.
 */
int	 rewrite_body(const struct canon_settings *settings,
	    const struct header_list *header, struct spool *body,
	    const unsigned char *plans, uint32_t count,
	    const struct legacy *legacy, smime_sink sink, void *arg,
	    struct smime_error *err);

/* ------------------------------------------------------------ octets.c --- */

struct octets {
	size_t	 high;
	size_t	 cr;
	size_t	 nul;
};

/* Counts the octets that need attention. */
void	 octets_count(const unsigned char *p, size_t len, struct octets *out);
/* The first '-' behind a CR or LF, or NULL. */
const unsigned char *octets_find_dash(const unsigned char *p, size_t len);

/* ------------------------------------------------------------ base64.c --- */

#define BASE64_LINE	76	/* characters of a full line */
#define BASE64_OCTETS	57	/* they make one */

/* Three octets to four characters. */
void	 base64_triple(unsigned char *out, const unsigned char *p);
/* A full line, without its end; plain: in the way that every machine can. */
void	 base64_line(unsigned char *out, const unsigned char *p);
void	 base64_line_plain(unsigned char *out, const unsigned char *p);

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

/* ---------------------------------------------------------- checksum.c --- */

/* Whether two runs of octets are the same, whatever pieces they came in. */
struct checksum {
	uint64_t	 first[4];
	uint64_t	 second[4];
	uint64_t	 len;
	unsigned char	 held[32];
};

void	 checksum_begin(struct checksum *sum);
void	 checksum_add(struct checksum *sum, const void *buf, size_t len);
bool	 checksum_equal(const struct checksum *a, const struct checksum *b);

/* ---------------------------------------------------------- boundary.c --- */

#define BOUNDARY_LEN	34	/* "=_" and 128 bits in hex */

/* A boundary, and whether it was met; what a border cuts is kept. */
struct boundary {
	char		 text[BOUNDARY_LEN + 1];
	bool		 found;
	unsigned char	 held[2 * BOUNDARY_LEN];
	size_t		 held_len;
};

/* A new one, not found yet. -1: there is no randomness. */
int	 boundary_choose(struct boundary *boundary, struct smime_error *err);
void	 boundary_search(struct boundary *boundary, const unsigned char *buf,
	    size_t len);

/* ------------------------------------------------------- canon, compose --- */

/*
 * After canon_finish: a boundary that the entity does not contain. Sought while
 * the entity was made; where it was found, or not sought, the entity is read
 * again. out has room for BOUNDARY_LEN + 1 octets.
 */
int	 canon_boundary(struct canon *canon, char *out,
	    struct smime_error *err);

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
/*
 * Goes into an element whose contents are all the rest of in and, behind it,
 * so many octets that are elsewhere.
 */
bool	 der_enter(struct der *in, unsigned char tag, uint64_t behind);
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
	OID_ENVELOPED_DATA,
	OID_AUTH_ENVELOPED_DATA,	/* RFC 5083 2 */
	OID_EC_PUBLIC_KEY,
	OID_ECDH_SHA256,		/* RFC 5753 7.1.4 */
	OID_AES256_WRAP,
	OID_AES128_WRAP,
	OID_RSA_OAEP,			/* RFC 3560 2 */
	OID_COUNT
};

enum algorithm_kind { ALGORITHM_RSA, ALGORITHM_PSS, ALGORITHM_ECDSA };

/* Whole DER elements; static. */
struct der oid(enum oid which);
struct der algorithm_digest(enum smime_digest digest);
/* Key transport for RSA (RFC 3370 4.2.1, RFC 3560 4). */
struct der algorithm_transport(bool oaep);
struct der algorithm_signature(enum algorithm_kind kind,
	    enum smime_digest digest);

/* -------------------------------------------------------- elsewhere.c --- */

/*
 * Has data signed by a key that is elsewhere, and verifies it; *len is the
 * room in out and becomes the length.
 */
int	 elsewhere_sign(EVP_PKEY *key, enum algorithm_kind kind,
	    enum smime_digest digest, const struct der *data,
	    unsigned char *out, size_t *len, struct smime_error *err);

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

/* -------------------------------------------------------- envelope.c --- */

/*
 * A message on its way into an EnvelopedData or AuthEnvelopedData for these
 * recipients; plain is how many octets will come. From begin to end once.
 */
struct envelope;

struct envelope *envelope_new(enum smime_cipher cipher,
	    const struct recipient *recipients, size_t count, uint64_t plain,
	    struct smime_error *err);
void	 envelope_free(struct envelope *envelope);
/* Octets of DER, all of it. */
uint64_t envelope_size(const struct envelope *envelope);
/* sink gets DER. */
int	 envelope_begin(struct envelope *envelope, smime_sink sink, void *arg,
	    struct smime_error *err);
/* A sink, for what is to be encrypted; arg is the envelope. */
int	 envelope_put(void *arg, const unsigned char *buf, size_t len);
int	 envelope_end(struct envelope *envelope, struct smime_error *err);

/* --------------------------------------------------- envelope_read.c --- */

/* Everything borrowed from the DER. */
struct recipient_info {
	bool		transport;	/* RSA, else agreement by EC */
	struct der	name;		/* issuerAndSerialNumber, whole */
	struct der	algorithm;	/* keyEncryptionAlgorithm, whole */
	struct der	key;		/* encryptedKey, contents */
	struct der	point;		/* agreement: the ephemeral key, of
					 * the BIT STRING the octets */
};

struct enveloped {
	enum smime_cipher	cipher;
	struct der		version;	/* contents */
	struct der		nonce;		/* or IV, contents */
	struct der		infos;		/* contents of the SET */
};

#define ENVELOPE_TAG	16		/* octets of the GCM tag */

/* Octets of DER behind the ciphertext. */
size_t	 envelope_tail_size(enum smime_cipher cipher);
/*
 * Strict: what envelope.c writes up to the ciphertext, which is so many octets
 * long, with lengths that are right for all of it.
 */
bool	 enveloped_read(const unsigned char *head, size_t len, uint64_t sealed,
	    struct enveloped *out);
/* The next RecipientInfo; false when it is none that we write. */
bool	 recipient_info_take(struct der *infos, struct recipient_info *out);
/*
 * What must hold before an MTA gets it: the recipients that were asked for,
 * each once and nobody else, each by the algorithm asked for, with lengths that
 * fit their keys.
 */
int	 envelope_check(const unsigned char *head, size_t len,
	    uint64_t sealed, enum smime_cipher cipher,
	    const struct recipient *recipients, size_t count,
	    struct smime_error *err);

/* ------------------------------------------------------- checkcache.c --- */

/* A reference of the caller's to the certificate of that SHA-256, or NULL. */
X509	*check_cache_get(struct check_cache *cache,
	    const unsigned char hash[32]);
/* Takes a reference of its own. */
void	 check_cache_put(struct check_cache *cache,
	    const unsigned char hash[32], X509 *cert);

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
