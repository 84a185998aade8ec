/*
 * smime.h - Sampul's S/MIME library: bytes in, bytes or a verdict out.
 *
 * Conventions, said once:
 *
 * - Functions that can fail return 0 or -1 (constructors: a pointer or NULL)
 *   and leave one sentence in the struct smime_error they were given. The
 *   first, most specific sentence is kept. The library never prints, exits or
 *   aborts, and knows no milter, no configuration file and no syslog.
 * - "borrowed" means: stays the property of, and lives as long as, what it was
 *   taken from. Everything a constructor returns is freed by its _free
 *   function, which takes NULL.
 * - Lengths are in octets and follow their pointer. Text from outside is never
 *   assumed to end in NUL.
 * - No function keeps writable global state: each may be called from any
 *   thread as long as one object is used by one thread at a time. Objects that
 *   threads may share say so.
 */
#ifndef SAMPUL_SMIME_H
#define SAMPUL_SMIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* ------------------------------------------------------------- errors --- */

#define SMIME_ERROR_MAX	512

struct smime_error {
	char	text[SMIME_ERROR_MAX];	/* "" while nothing failed */
};

/*
 * Sets the sentence unless one is there already. smime_error_set appends the
 * text of errno (for a failing system call), smime_error_setx does not, and
 * smime_error_crypto drains OpenSSL's error queue into it. All return -1, so
 * that a caller may write "return smime_error_setx(...)". err may be NULL.
 */
int	 smime_error_set(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 smime_error_setx(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 smime_error_crypto(struct smime_error *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/*
 * Copies len octets of untrusted text to out (size octets with the NUL), each
 * octet outside printable ASCII as '?', cut with "..." where it is too long.
 * Returns out. For everything that goes to a log line or a sentence.
 */
char	*smime_printable(const void *text, size_t len, char *out, size_t size);

/*
 * Takes one character of UTF-8 off the text. *c receives it, also from an
 * overlong form, since lax readers accept those; an octet that begins none is
 * taken alone as U+FFFD. False: the octets are not valid UTF-8.
 */
bool	 utf8_take(const unsigned char **p, const unsigned char *end,
	    uint32_t *c);

/*
 * Wipes and frees what held a part of a message; NULL is nothing. wipe_text
 * for one that ends in NUL.
 */
void	 wipe_free(void *buf, size_t len);
void	 wipe_text(char *text);

/*
 * Has libcrypto read now what it would read from files when it first needs it;
 * for programs that will not be able to open them later. May be called again.
 */
void	 smime_load(void);

/* ------------------------------------------------------------ headers --- */

/*
 * One header field as the MTA or a file gave it. The value is everything after
 * the colon: the leading space is part of it, folds are a bare LF followed by
 * white space, there is no final line end. value_len counts; the value is also
 * NUL-terminated for convenience but may hold NULs when it came from a file.
 */
struct header_field {
	char	*name;
	size_t	 name_len;
	char	*value;
	size_t	 value_len;
};

struct header_list {
	struct header_field	*fields;
	size_t			 count;
	size_t			 allocated;
	size_t			 bytes;		/* names and values together */
	bool			 odd_folds;	/* a CR that was dropped is no
						 * part of a line end */
};

/*
 * Appends a copy of a field. Fails when the list would pass max_bytes (0: no
 * ceiling) or memory is short. A CR before an LF in the value is dropped: MTAs
 * fold with LF (libmilter's xxfi_header), so that odd_folds is set by one.
 */
int	 header_add(struct header_list *list, const char *name,
	    size_t name_len, const char *value, size_t value_len,
	    size_t max_bytes, struct smime_error *err);
/* Frees what the list holds and makes it empty; safe to call twice. */
void	 header_clear(struct header_list *list);

/* True when the field's name is name, without regard to case (RFC 5322 1.2.2). */
bool	 header_is(const struct header_field *field, const char *name);
/* The first field of that name, or NULL; borrowed from the list. */
const struct header_field *header_find(const struct header_list *list,
	    const char *name);
/* How many fields of that name there are. */
size_t	 header_count(const struct header_list *list, const char *name);

/*
 * Brings the value of an unstructured field, in place, to what its reader sees
 * of it: unfolded (RFC 5322 2.2.3), encoded words decoded (RFC 2047; those in
 * charsets that are no superset of ASCII stay), ASCII in lower case, characters
 * that are not seen dropped, look-alikes of ASCII replaced. Returns the new
 * length, which is never more. For comparing, not for showing.
 */
size_t	 header_perceived(char *text, size_t len);

/*
 * Reads a header block (lines ending in CRLF or LF) up to and including the
 * empty line that ends it, or to the end of buf. A first line "From " (mbox)
 * is skipped. *used receives the octets consumed; *body says whether the empty
 * line was seen. A line that is neither field nor continuation ends the block
 * as MTAs do: it is the first line of the body. Fails over max_bytes.
 */
int	 header_parse(struct header_list *list, const void *buf, size_t len,
	    size_t max_bytes, size_t *used, bool *body,
	    struct smime_error *err);

/* --------------------------------------------------------------- lexer --- */

/*
 * A cursor over the value of a structured field (RFC 5322 3.2), for every
 * parser of one. Between lex_init and the end of the text, p <= end holds.
 */
struct lex {
	const unsigned char	*p;
	const unsigned char	*end;
};

void	 lex_init(struct lex *lex, const void *text, size_t len);
/*
 * Skips white space, folds and nested comments. *comment (may be NULL) is set
 * when there was a comment. false: a comment does not end; all is skipped.
 */
bool	 lex_cfws(struct lex *lex, bool *comment);
/*
 * Takes the quoted string that the cursor stands on: unquoted and unfolded to
 * out, cut where size (with the NUL) ends; *len receives its whole length.
 * false: it does not end; then it is all the rest.
 */
bool	 lex_quoted(struct lex *lex, char *out, size_t size, size_t *len);
/*
 * Takes a MIME token (RFC 2045 5.1), likewise. false: there is none.
 */
bool	 lex_token(struct lex *lex, char *out, size_t size, size_t *len);
/* ASCII without regard to case, whatever the locale. */
bool	 lex_equal(const void *text, size_t len, const char *word);
/* ASCII lower case of one octet; the value of a hex digit, or -1. */
int	 lex_lower(int c);
int	 lex_hex(int c);

/* ---------------------------------------------------------- addresses --- */

#define ADDRESS_MAX	320	/* RFC 5321 4.5.3.1: 64 + "@" + 255 */

enum address_result {
	ADDRESS_OK = 0,
	ADDRESS_MISSING,	/* no field, or nothing in it */
	ADDRESS_SEVERAL_FIELDS,	/* RFC 5322 3.6: From occurs exactly once */
	ADDRESS_SEVERAL,	/* more than one mailbox */
	ADDRESS_GROUP,
	ADDRESS_SYNTAX,		/* not a mailbox by RFC 5322 3.4 */
	ADDRESS_ODD_FORM,	/* valid, but a form that readers disagree on:
				 * comment, obsolete route, quoted local part,
				 * domain literal (SIG-02) */
	ADDRESS_DISPLAY_NAME,	/* display name (also RFC 2047-encoded) shows
				 * another address */
	ADDRESS_TOO_LONG
};

/*
 * The one mailbox of the message's From field in canonical form: local part
 * unquoted where that changes nothing, ASCII lower case throughout, domain
 * likewise (RFC 8550 3, RFC 9788 4.4.5). out (ADDRESS_MAX + 1 octets) is "" on
 * anything but ADDRESS_OK, except ADDRESS_DISPLAY_NAME and ADDRESS_ODD_FORM,
 * where it holds the address for the log. One function for signing, verifying
 * and encrypting (CRT-35).
 */
enum address_result address_from(const struct header_list *list, char *out);
/* One sentence in English for a log; a static string. */
const char *address_result_text(enum address_result result);
/*
 * Canonical form of an addr-spec or of an envelope address with or without
 * <>: false when it is none (also for the null sender).
 */
bool	 address_canonical(const char *text, size_t len, char *out);
/* Canonical form of the one mailbox in text, which may have a name. */
bool	 address_mailbox(const char *text, size_t len, char *out);
/*
 * Whether a To or Cc field names this canonical address. A recipient for whom
 * none does is taken for a hidden one (ENC-14).
 */
bool	 address_is_shown(const struct header_list *list, const char *address);
/* Borrowed pointer behind the last '@', or NULL. */
const char *address_domain(const char *address);
/*
 * Whether a canonical address can name a keystore folder: only [a-z0-9] and
 * ! # $ & ' * + - = ^ _ { | } ~ . in the local part, no leading dot, no "..",
 * no '/' (CRT-41).
 */
bool	 address_is_safe_name(const char *address);

/* ---------------------------------------------------------------- mime --- */

/* What a message's own Content-Type says it already is. */
enum mime_protection {
	MIME_PLAIN = 0,
	MIME_SIGNED,		/* multipart/signed, S/MIME or OpenPGP */
	MIME_SMIME,		/* application/(x-)pkcs7-mime, octet-stream
				 * named *.p7m (RFC 8551 3.10) */
	MIME_ENCRYPTED		/* multipart/encrypted (RFC 1847) */
};

enum mime_protection mime_protection(const struct header_list *list);
/* Top-level media type in lower case, "text/plain" where there is none. */
void	 mime_media_type(const struct header_list *list, char *out, size_t size);

/* --------------------------------------------------------------- spool --- */

/*
 * The body store: memory up to a ceiling, then an unlinked file, mode 0600, in
 * dir. Contents are wiped from memory when freed. Not shared by threads.
 */
struct spool;

struct spool *spool_new(const char *dir, size_t memory);
void	 spool_free(struct spool *spool);
/* Appends. Fails when the disk is full or memory is short. */
int	 spool_write(struct spool *spool, const void *buf, size_t len,
	    struct smime_error *err);
uint64_t spool_size(const struct spool *spool);
/*
 * Reads up to len octets at offset; *got receives how many (0 only at the
 * end).
 */
int	 spool_read(struct spool *spool, uint64_t offset, void *buf,
	    size_t len, size_t *got, struct smime_error *err);
/*
 * Has all of it in the file, for somebody else to read: the descriptor, which
 * is borrowed, or -1. Nothing may be written afterwards.
 */
int	 spool_descriptor(struct spool *spool, struct smime_error *err);

/* -------------------------------------------------------------- digest --- */

enum smime_digest {
	SMIME_SHA256 = 0,
	SMIME_SHA384,
	SMIME_SHA512
};
#define SMIME_DIGEST_MAX	64

/* Not freed by the caller; NULL only when threads fail. */
const EVP_MD *smime_digest_md(enum smime_digest digest);
/* "sha-256" and so on, the spelling of micalg (RFC 8551 3.5.3.2). */
const char *smime_digest_micalg(enum smime_digest digest);
size_t	 smime_digest_size(enum smime_digest digest);
/* SHA-256 of something, as a name for it; -1 when libcrypto fails. */
int	 smime_fingerprint(const void *buf, size_t len, unsigned char out[32]);

/* --------------------------------------------------------------- canon --- */

/*
 * One outgoing message on its way to canonical form (RFC 8551 3.1). The body
 * arrives in pieces of any size; memory has a ceiling that does not grow with
 * the message. See canon.c for how.
 */
struct canon;

struct canon_settings {
	const char	*spool_dir;	/* borrowed */
	size_t		 spool_memory;	/* octets of body kept in memory */
	uint64_t	 max_body;	/* 0: none */
	size_t		 max_part_header;	/* octets in one part's header */
	uint32_t	 max_parts;
	unsigned	 max_depth;
	bool		 header_protection;	/* RFC 9788, hp="clear" */
	bool		 confidential;	/* ... and hp="cipher": the message
					 * goes into an envelope, and its outer
					 * header is changed as outer_field
					 * says */
	bool		 hide_subject;	/* with confidential */
	bool		 legacy_display; /* with both: the Subject once more in
					 * the text, for readers that show the
					 * outer one (RFC 9788 5.2.2) */
	bool		 smtputf8;	/* the transaction declared it */
	bool		 quote_from;	/* protect "From ", trailing white
					 * space, "." (RFC 8551 3.1.4) */
	const char	*unlabelled_charset;	/* for 8-bit text without
					 * MIME; borrowed */
};

/* Every default in one place. */
void	 canon_settings_init(struct canon_settings *settings);

enum canon_state {
	CANON_CLEAN,		/* signed as it came */
	CANON_REENCODED,	/* parts were re-encoded to 7 bit */
	CANON_OPAQUE_ONLY	/* needs a change that may not be made; the
				 * entity is as it came, fit for opaque
				 * signed-data only */
};

struct canon_result {
	enum canon_state state;
	char		 reason[160];	/* one sentence, with CANON_OPAQUE_ONLY */
	bool		 header_protected;
	const char	*unprotected;	/* why not, static, else NULL */
	bool		 confidential;	/* by hp="cipher"; without it the outer
					 * header is to stay as it is, or
					 * something would be lost */
	bool		 has_calendar;	/* a text/calendar part was met */
	uint32_t	 parts;
	uint32_t	 changed;	/* parts re-encoded or relabelled */
};

/*
 * Begins with the message's whole header (read, not kept). digest is the one
 * the signature will probably use: it is computed while the body arrives.
 */
struct canon *canon_new(const struct canon_settings *settings,
	    const struct header_list *header, enum smime_digest digest,
	    struct smime_error *err);
void	 canon_free(struct canon *canon);
/* The next piece of the body, line ends as CRLF. Fails over max_body, on a
 * full disk and when memory is short. */
int	 canon_body(struct canon *canon, const void *buf, size_t len,
	    struct smime_error *err);
/* After the last piece, once. */
int	 canon_finish(struct canon *canon, struct canon_result *out,
	    struct smime_error *err);
/*
 * After canon_finish: the digest of the entity. Another digest than the one
 * given to canon_new is computed by reading the entity again.
 */
int	 canon_digest(struct canon *canon, enum smime_digest digest,
	    unsigned char out[SMIME_DIGEST_MAX], struct smime_error *err);
/* Octets of the entity, header and body, as signed. */
uint64_t canon_size(const struct canon *canon);
/* Octets of body received so far. */
uint64_t canon_received(const struct canon *canon);

/* Takes the next octets of an output; returns 0, or -1 to stop. */
typedef int (*smime_sink)(void *arg, const unsigned char *buf, size_t len);

/* Hands the signed entity to sink, in order, in pieces of at most 64 KiB. */
int	 canon_write(struct canon *canon, smime_sink sink, void *arg,
	    struct smime_error *err);

/*
 * Hands text, whose line ends are CRLF, to sink as quoted-printable (RFC 2045
 * 6.7): no line of it is longer than 76 octets or passes for a boundary.
 */
int	 quoted_printable(const void *buf, size_t len, smime_sink sink,
	    void *arg);

/*
 * Header confidentiality (RFC 9788 3): what becomes of a field outside when its
 * copy is inside an envelope. One answer for the signed part, which names what
 * is still to be seen outside (HP-Outer), and for who edits the outer header.
 */
enum outer_field {
	OUTER_KEPT,
	OUTER_HIDDEN,		/* Subject: the value is HIDDEN_SUBJECT */
	OUTER_REMOVED
};
#define HIDDEN_SUBJECT	"[...]"

enum outer_field outer_field(const struct header_field *field,
	    bool hide_subject);

/* ------------------------------------------------------- certificates --- */

#define SERIAL_TEXT_MAX	64	/* 20 octets in hex, with room */

enum cert_problem {		/* each has a sentence: cert_problem_text */
	CERT_OK = 0,
	CERT_KEY_MISMATCH,	/* private key belongs to another certificate */
	CERT_EXPIRED,
	CERT_NOT_YET_VALID,
	CERT_NO_ADDRESS,	/* no e-mail address in it at all */
	CERT_OTHER_ADDRESS,	/* addresses, but not this one */
	CERT_KEY_USAGE,		/* keyUsage forbids signatures (CRT-20) */
	CERT_EXTENDED_KEY_USAGE, /* EKU without emailProtection (CRT-21) */
	CERT_DOCUMENT_PROFILE,	/* BSrE's PDF-signing profile: EKU Adobe only */
	CERT_WEAK_KEY,		/* RSA < 2048 or > 8192, odd curve (SIG-42) */
	CERT_KEY_TYPE,		/* no algorithm we sign with */
	CERT_WEAK_SIGNATURE,	/* issued with MD5 or SHA-1 (CRT-13) */
	CERT_UNKNOWN_ISSUER,	/* no chain to a configured anchor */
	CERT_REVOKED,
	CERT_IS_CA,
	CERT_CRITICAL_EXTENSION, /* one we do not understand (CRT-10) */
	CERT_ENCRYPTION_USAGE,	/* keyUsage forbids encrypting to it (ENC-06) */
	CERT_ENCRYPTION_KEY,	/* no key that we encrypt to */
	CERT_CRL_MISSING,	/* of a recipient alone: recipient_check */
	CERT_CRL_STALE
};
#define CERT_PROBLEMS_MAX	20

struct cert_findings {
	enum cert_problem problem[CERT_PROBLEMS_MAX];
	size_t		 count;		/* 0: fit for what was asked */
};

/* One sentence with the remedy, static; id: Indonesian, else English. */
const char *cert_problem_text(enum cert_problem problem, bool id);
/* A short stable word for logs and scripts, such as "expired". */
const char *cert_problem_word(enum cert_problem problem);

/*
 * Every rule that a signing certificate for address must keep at time now,
 * one by one, but for the chain (trust_check) and the key. address may be
 * NULL: address rules are then not asked. Findings are in table order.
 */
void	 cert_check_signing(X509 *cert, const char *address, time_t now,
	    struct cert_findings *out);
/*
 * Likewise for encrypting to the owner of address (ENC-06, ENC-07), but for
 * chain and revocation: recipient_check asks those too.
 */
void	 cert_check_encryption(X509 *cert, const char *address, time_t now,
	    struct cert_findings *out);
bool	 cert_has_finding(const struct cert_findings *findings,
	    enum cert_problem problem);
/*
 * Whether the certificate names this canonical address: rfc822Name in
 * subjectAltName; subject emailAddress only where there is no rfc822Name
 * (CRT-33); entries with NUL, control characters, white space or quotes are
 * ignored (CRT-34).
 */
bool	 cert_has_email(X509 *cert, const char *address);
/* Calls each() with each usable address in canonical form. */
void	 cert_each_email(X509 *cert, void (*each)(void *arg,
	    const char *address), void *arg);
/* Upper-case hex of the serial number. */
void	 cert_serial(X509 *cert, char *out, size_t size);
/*
 * The certificate that der begins with; *used receives its octets. NULL: there
 * is none, or, errno being ENOMEM, none for now. Errors stay in libcrypto's
 * queue.
 */
X509	*cert_parse(const unsigned char *der, size_t len, size_t *used);
/* SHA-256 over the DER, 32 octets. */
int	 cert_fingerprint(X509 *cert, unsigned char out[32]);
/* Subject common name, printable ASCII or UTF-8 as it stands; "" without. */
void	 cert_common_name(X509 *cert, char *out, size_t size);
/* RFC 2253 one line of subject (or issuer), printable. */
void	 cert_subject(X509 *cert, char *out, size_t size);
void	 cert_issuer(X509 *cert, char *out, size_t size);
time_t	 cert_not_before(X509 *cert);
time_t	 cert_not_after(X509 *cert);
/* The digest that a signature by this key uses: P-384 SHA-384, else SHA-256. */
enum smime_digest cert_digest(X509 *cert);
/* "RSA-2048", "P-256", ...; "unknown". */
void	 cert_key_name(X509 *cert, char *out, size_t size);
/*
 * Reads certificates from PEM text, or one from DER; those of a certs-only
 * SignedData (.p7b) likewise. On success *out is a stack the caller frees with sk_X509_pop_free(out, X509_free), at least one.
 * max bounds how many. what names the source in the sentence on failure.
 */
int	 cert_read(const void *buf, size_t len, size_t max, const char *what,
	    STACK_OF(X509) **out, struct smime_error *err);

/* ---------------------------------------------------------------- keys --- */

/*
 * Reads one private key from PEM (PKCS#8, encrypted or not, and the old
 * per-algorithm forms) or PKCS#8 DER. *encrypted (may be NULL) says whether it
 * was. passphrase may be NULL. The caller frees with EVP_PKEY_free.
 */
EVP_PKEY *key_read(const void *buf, size_t len, const char *passphrase,
	    size_t passphrase_len, const char *what, bool *encrypted,
	    struct smime_error *err);
/*
 * Whether what the key signs verifies with the certificate. To compare public
 * halves is not enough: a damaged file may hold the right one beside private
 * numbers that are wrong. Makes one signature, of a text that says so.
 */
bool	 key_signs_for(EVP_PKEY *key, X509 *cert);
/*
 * PEM of the key as encrypted PKCS#8: PBES2, AES-256-CBC, PBKDF2 with
 * HMAC-SHA-256 and so many iterations. *out is freed with
 * OPENSSL_clear_free(*out, *len).
 */
int	 key_write(EVP_PKEY *key, const char *passphrase,
	    size_t passphrase_len, int iterations, char **out, size_t *len,
	    struct smime_error *err);

/* ----------------------------------------------- elsewhere.c, token.c --- */

enum raw_kind { RAW_RSA, RAW_PSS, RAW_ECDSA };
#define RAW_SIGNATURE_MAX	1024	/* RSA-8192 */

/* A signature of a digest, with nothing around it. */
struct raw_request {
	enum raw_kind		 kind;	/* RAW_PSS: salt as the digest, MGF1
					 * with the same (RFC 4056 3) */
	enum smime_digest	 digest;
	unsigned char		 value[SMIME_DIGEST_MAX];
};

/* Has it made: *len is the room in out and becomes the length. */
typedef int elsewhere_fn(void *arg, const struct raw_request *request,
	    unsigned char *out, size_t *len, struct smime_error *err);
/*
 * A key for signer_new whose private half is not here: cert's public half, and
 * sign with its arg. release (may be NULL) is called with arg when the last
 * reference is freed by EVP_PKEY_free; on failure, NULL, arg stays the
 * caller's.
 */
EVP_PKEY *key_elsewhere(X509 *cert, elsewhere_fn *sign, void *arg,
	    void (*release)(void *arg), struct smime_error *err);
bool	 key_is_elsewhere(const EVP_PKEY *key);
/* Its arg, borrowed; NULL for other keys. */
void	*key_elsewhere_arg(const EVP_PKEY *key);
/* Whether it signs and the signature verifies; -1 with the sentence. */
int	 key_elsewhere_try(EVP_PKEY *key, struct smime_error *err);

/* A PKCS#11 module, for as long as the process lives. */
struct token;

enum token_result { TOKEN_SIGNED = 1, TOKEN_PIN_WRONG, TOKEN_LOST };

struct token *token_open(const char *module, struct smime_error *err);
/*
 * Has the key that uri names sign, and logs in with pin where that is needed,
 * trying it once. err says why there is no signature.
 */
enum token_result token_sign(struct token *token, const char *uri,
	    const char *pin, const struct raw_request *request,
	    unsigned char *out, size_t *len, struct smime_error *err);

/* --------------------------------------------------------------- trust --- */

/* Anchors and intermediates. Shared by threads once loaded. */
struct trust;

struct trust *trust_new(void);
void	 trust_free(struct trust *trust);
int	 trust_add_anchor(struct trust *trust, X509 *cert,
	    struct smime_error *err);
int	 trust_add_intermediate(struct trust *trust, X509 *cert,
	    struct smime_error *err);
size_t	 trust_anchors(const struct trust *trust);
/*
 * Why a certificate should not be made an anchor or an intermediate at now: a
 * static sentence (id: Indonesian, else English), or NULL. One that is yet to
 * begin is fit.
 */
const char *authority_fault(X509 *cert, time_t now, bool id);
/*
 * Builds and validates the path of cert at time now (RFC 5280 6), with extra
 * (may be NULL) as further untrusted intermediates. CERT_OK, CERT_EXPIRED and
 * so on, or CERT_UNKNOWN_ISSUER; the sentence says which certificate and why.
 * *chain (may be NULL) receives the path without the anchor's self-signed root
 * and without cert itself (SIG-43); free with sk_X509_pop_free.
 */
enum cert_problem trust_check(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, STACK_OF(X509) **chain,
	    struct smime_error *err);

/* ------------------------------------------------------------- signing --- */

enum smime_scheme {
	SCHEME_DEFAULT,		/* RSA: PKCS #1 v1.5; EC: ECDSA */
	SCHEME_PSS		/* RSA: RSASSA-PSS, salt as long as the digest */
};

/* Capabilities to announce (RFC 8551 2.5.2), in order of preference. */
#define SMIME_CAP_AES256_GCM	0x01
#define SMIME_CAP_AES128_GCM	0x02
#define SMIME_CAP_AES256_CBC	0x04
#define SMIME_CAP_AES128_CBC	0x08
/* Read, never announced: who may read a key by RSAES-OAEP (RFC 3560 4). */
#define SMIME_CAP_RSA_OAEP	0x10

/*
 * A certificate, its chain and its private key, with everything that does not
 * change from one signature to the next encoded once. Shared by threads.
 * Only the key process (and sampulctl) makes one.
 */
struct signer;

/*
 * Takes references of its own on cert, key and the chain's certificates.
 * encryption (may be NULL) is the owner's encryption certificate, announced as
 * SMIMEEncryptionKeyPreference when it differs (SIG-35).
 */
struct signer *signer_new(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain,
	    X509 *encryption, enum smime_scheme scheme, unsigned capabilities,
	    struct smime_error *err);
void	 signer_free(struct signer *signer);
X509	*signer_cert(const struct signer *signer);	/* borrowed */
enum smime_digest signer_digest(const struct signer *signer);
/*
 * CMS SignedData (RFC 5652 5), detached, DER, around a digest of
 * signer_digest's kind; signed attributes contentType, messageDigest,
 * signingTime, SMIMECapabilities, signingCertificateV2 (RFC 5035) and
 * CMSAlgorithmProtection (RFC 6211). *out is freed with OPENSSL_free.
 */
int	 signer_sign(const struct signer *signer, const unsigned char *digest,
	    size_t digest_len, time_t signing_time, unsigned char **out,
	    size_t *len, struct smime_error *err);

/* ---------------------------------------------------------- self-check --- */

/* Public keys of certificates met, by their full DER; shared by threads. */
struct check_cache;

struct check_cache *check_cache_new(size_t entries);
void	 check_cache_free(struct check_cache *cache);

/*
 * What must hold before an MTA gets our signature (SIG-61): strict DER, one
 * signer, one certificate that it names, signed attributes once each with this
 * content type, this digest and matching ESS certificate and algorithm
 * protection, the certificate valid at now and naming address (unless pinned),
 * and the signature over the signed attributes as encoded. Returns 0, or -1
 * with what did not hold. cache may be NULL.
 */
int	 signature_check(const unsigned char *der, size_t len,
	    enum smime_digest digest, const unsigned char *digest_value,
	    const char *address, bool pinned, time_t now,
	    struct check_cache *cache, struct smime_error *err);

/* ------------------------------------------------------------- compose --- */

enum smime_form {
	FORM_DETACHED,		/* multipart/signed (RFC 8551 3.5.3) */
	FORM_OPAQUE		/* application/pkcs7-mime (RFC 8551 3.5.2) */
};

/* The finished message: what replaces the header's and the body's part. */
struct composed;

/*
 * Joins the canonical entity and the detached DER. For FORM_OPAQUE the content
 * is written into the SignedData with definite lengths while it streams.
 * canon is borrowed until composed_free. The boundary has 128 random bits and
 * is proven absent from the entity.
 */
struct composed *compose_signed(struct canon *canon, enum smime_form form,
	    enum smime_digest digest, const unsigned char *der, size_t len,
	    struct smime_error *err);
void	 composed_free(struct composed *composed);
/* Value of the new Content-Type field, folded with LF, without leading space;
 * borrowed. */
const char *composed_content_type(const struct composed *composed);
/* Value of Content-Transfer-Encoding, or NULL for none; likewise
 * Content-Disposition. Borrowed. */
const char *composed_encoding(const struct composed *composed);
const char *composed_disposition(const struct composed *composed);
/* Octets of the new body. */
uint64_t composed_size(const struct composed *composed);
/*
 * Hands the new body to sink, lines ended by CRLF, no leading empty line. The
 * entity is digested again on its way: when it is not what was signed, the
 * last call fails and the caller must not let the message go.
 */
int	 composed_write(struct composed *composed, smime_sink sink, void *arg,
	    struct smime_error *err);

/* ---------------------------------------------------------- encrypting --- */

/*
 * AES-GCM is the better one, but Thunderbird 153 shows nothing of it, and
 * gpgsm and NSS refuse it: for those alone who are known to read it.
 */
enum smime_cipher {
	CIPHER_AES256_CBC = 0,	/* EnvelopedData (RFC 5652 6) */
	CIPHER_AES256_GCM,	/* AuthEnvelopedData (RFC 5083) */
	CIPHER_AES128_GCM
};

/* "aes256-cbc" and so on; static. */
const char *smime_cipher_word(enum smime_cipher cipher);
/* The best that all read; capabilities are those they have in common. */
enum smime_cipher smime_cipher_choose(unsigned capabilities);

#define RECIPIENTS_MAX	1000	/* certificates in one message */

/*
 * For whom a message is encrypted. Whether that is right, recipient_check has
 * said before. A certificate that is there twice counts once.
 */
struct recipient {
	X509	*cert;		/* borrowed while compose_encrypted runs */
	bool	 oaep;		/* RSA: RSAES-OAEP, not PKCS#1 v1.5 */
};

/*
 * Puts a message of compose_signed into an envelope for exactly these (ENC-13):
 * definite lengths, a fresh key and nonce (ENC-10), and checked as far as that
 * goes without a private key. inner is borrowed until the result is freed; one
 * signed message may go into several envelopes, one after the other. The
 * result is written once: its key is gone afterwards.
 */
struct composed *compose_encrypted(struct composed *inner,
	    enum smime_cipher cipher, const struct recipient *recipients,
	    size_t count, struct smime_error *err);

/* ----------------------------------------------------- revocation lists --- */

#define CRL_BYTES_MAX	(64 * 1024 * 1024)

/* What is known about the certificates of a path. */
enum revocation {
	REVOCATION_UNASKED = 0,
	REVOCATION_GOOD,	/* a current list of every issuer, none listed */
	REVOCATION_REVOKED,
	REVOCATION_MISSING,	/* no list, or none that is signed and in scope */
	REVOCATION_STALE	/* a list whose time has passed */
};

/* "good", "revoked", "missing", "stale", "unasked". */
const char *revocation_word(enum revocation revocation);

/*
 * Reads one CRL from PEM or DER. what names the source in the sentence. The
 * caller frees with X509_CRL_free. One without nextUpdate is refused (RFC 5280
 * 5.1.2.5).
 */
int	 crl_read(const void *buf, size_t len, const char *what,
	    X509_CRL **out, struct smime_error *err);
/*
 * Takes a reference of its own. Of several with one issuer, one scope and one
 * authority key identifier the newest thisUpdate wins (CRT-03). Its signature
 * is checked when it is used. Before threads share trust.
 */
int	 trust_add_crl(struct trust *trust, X509_CRL *crl,
	    struct smime_error *err);
size_t	 trust_crls(const struct trust *trust);
/* For reports. */
struct crl_facts {
	char	issuer[512];	/* RFC 2253, printable; as cert_subject */
	time_t	this_update;
	time_t	next_update;
	size_t	revoked;	/* entries */
};
void	 crl_describe(X509_CRL *crl, struct crl_facts *out);
void	 trust_each_crl(const struct trust *trust, void (*each)(void *arg,
	    const struct crl_facts *facts), void *arg);
/*
 * How long after its thisUpdate a list counts as current, though it may say
 * longer itself (CRT-06); 0, the default: as long as it says. An older one is
 * still believed about what it revokes. Before threads share trust.
 */
void	 trust_set_crl_age(struct trust *trust, time_t seconds);
/*
 * Certificate policies of which a path must keep one ("2.23.140.1.5.3.1"), for
 * trust_verify alone. count 0: none is asked for. Before threads share trust.
 */
int	 trust_set_policies(struct trust *trust, const char *const *oids,
	    size_t count, struct smime_error *err);

#define TRUST_CHAIN_MAX	10

struct trust_result {
	enum cert_problem problem;	/* CERT_OK: there is a path */
	bool		 policy;	/* with CERT_UNKNOWN_ISSUER: a path
					 * was found, but of none of the
					 * policies */
	enum revocation	 revocation;	/* the worst in the path; UNASKED
					 * unless CERT_OK */
	time_t		 from;		/* GOOD holds from then */
	time_t		 until;		/* ... to then: earliest notAfter and
					 * nextUpdate in it */
	size_t		 chain_count;	/* from the certificate to the anchor */
	char		 chain[TRUST_CHAIN_MAX][160];	/* subjects */
};

/*
 * trust_check for the certificate of somebody else, with policies and with the
 * revocation of every certificate between it and the anchor, from the lists of
 * trust alone (CRT-02). The sentence, when anything is not well, says which
 * certificate and why. Returns -1 for a fault of ours only.
 */
int	 trust_verify(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, struct trust_result *out,
	    struct smime_error *err);
/*
 * Whether our own certificate is revoked. *until (may be NULL) receives how
 * long the answer GOOD holds. A certificate without a path is MISSING; UNASKED
 * is a fault of ours.
 */
enum revocation trust_check_revocation(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, time_t *until,
	    struct smime_error *err);

/* ------------------------------------------------------------ verifying --- */

/* RFC 7281 3.1, RFC 8601 2.7. Only PASS is good, and it is not the default. */
enum verdict_word {
	VERDICT_TEMPERROR = 0,
	VERDICT_NONE,
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_POLICY,
	VERDICT_NEUTRAL,
	VERDICT_PERMERROR
};

/* Why. Each has a stable word, a sentence in two languages and a verdict. */
enum verify_reason {
	VERIFY_FAULT = 0,	/* of ours: temperror */
	VERIFY_GOOD,		/* pass */
	VERIFY_UNSIGNED,	/* none */
	VERIFY_CERTS_ONLY,	/* none: certificates, no signer (VER-16) */
	VERIFY_ENCRYPTED,	/* neutral, silent (VER-51) */
	VERIFY_COMPRESSED,	/* neutral, silent */
	VERIFY_OPENPGP,		/* neutral, silent: not S/MIME */
	VERIFY_PARTIAL,		/* policy: one part alone is signed (VER-02) */
	VERIFY_OUTSIDE,		/* policy: text outside the signed part */
	VERIFY_STRUCTURE,	/* neutral: malformed MIME (VER-03) */
	VERIFY_AMBIGUOUS,	/* neutral: readers may see other parts */
	VERIFY_ENCODING,	/* neutral: no clean base64 */
	VERIFY_LIMIT,		/* neutral: over a ceiling (VER-22) */
	VERIFY_DEPTH,		/* neutral: too many layers (VER-06) */
	VERIFY_SYNTAX,		/* neutral: no SignedData */
	VERIFY_VERSION,		/* neutral: unknown version (VER-18) */
	VERIFY_CONTENT_TYPE,	/* neutral: signs something else than data */
	VERIFY_CONFLICT,	/* neutral: content in it and beside (VER-10) */
	VERIFY_NO_CONTENT,	/* neutral: opaque, but nothing in it */
	VERIFY_NO_ATTRIBUTES,	/* neutral (VER-11) */
	VERIFY_ATTRIBUTES,	/* neutral: missing, twice (VER-12, 13) */
	VERIFY_MICALG,		/* neutral: contradicts (VER-04) */
	VERIFY_ALGORITHM,	/* neutral: unknown (VER-18) */
	VERIFY_WEAK,		/* policy: MD5, SHA-1, small key (VER-21) */
	VERIFY_NO_CERTIFICATE,	/* permerror: the signer's is not there */
	VERIFY_ESS,		/* fail: names another (VER-14) */
	VERIFY_PROTECTION,	/* fail: names other algorithms (VER-15) */
	VERIFY_DIGEST,		/* fail: the content was changed */
	VERIFY_SIGNATURE,	/* fail */
	VERIFY_USAGE,		/* fail: not for signing mail (CRT-20, 21) */
	VERIFY_EXPIRED,		/* fail */
	VERIFY_NOT_YET_VALID,	/* fail */
	VERIFY_EXTENSION,	/* fail: critical, unknown (CRT-10) */
	VERIFY_UNTRUSTED,	/* fail: no path to an anchor (CRT-09) */
	VERIFY_CERT_POLICY,	/* policy: none of the accepted policies */
	VERIFY_WEAK_CHAIN,	/* policy (CRT-13) */
	VERIFY_REVOKED,		/* fail */
	VERIFY_CRL_MISSING,	/* temperror (CRT-04) */
	VERIFY_CRL_STALE,	/* temperror */
	VERIFY_NO_FROM,		/* permerror: missing or none (VER-31) */
	VERIFY_SEVERAL_FROM,	/* policy: fields, mailboxes, a group */
	VERIFY_ODD_FROM,	/* policy: readers disagree on it */
	VERIFY_NO_ADDRESS,	/* policy: none in the certificate, no pin */
	VERIFY_OTHER_ADDRESS,	/* policy (VER-30) */
	VERIFY_PROTECTED_FROM,	/* policy: the signed From differs (VER-41) */
	VERIFY_SIGNING_TIME,	/* policy: far off (VER-25) */
	VERIFY_REASONS
};

/* "pass" and so on. */
const char *verdict_word_text(enum verdict_word word);
enum verdict_word verify_reason_verdict(enum verify_reason reason);
/* A short stable word, such as "other-address". */
const char *verify_reason_word(enum verify_reason reason);
/* One sentence for people, static, ASCII; id: Indonesian, else English. */
const char *verify_reason_text(enum verify_reason reason, bool id);

/*
 * Certificates met, parsed, and the good results of their paths; by the
 * SHA-256 of the whole certificate. Shared by threads, bounded. It may outlive
 * a change of trust: results carry the generation they were found under.
 */
struct verify_cache;

struct verify_cache *verify_cache_new(size_t entries);
void	 verify_cache_free(struct verify_cache *cache);

/* Everything here is borrowed and must live as long as the verifier. */
struct verify_settings {
	const struct trust	*trust;
	uint64_t		 generation;	/* another for another trust */
	struct verify_cache	*cache;		/* may be NULL */
	time_t			 now;		/* of receipt (CRT-07) */
	size_t			 max_opaque;	/* octets of one layer's
						 * opaque data */
	size_t			 max_signature;	/* octets of one detached
						 * signature */
	size_t			 max_part_header;
	unsigned		 max_depth;	/* layers, <= VERDICT_LAYERS */
	unsigned		 max_signers;
	unsigned		 max_certs;
	int			 max_rsa_bits;
	bool			 crl_soft_fail;	/* a missing or stale list does
						 * not spoil a pass; said in
						 * verdict.crl_soft_fail */
	bool			 any_purpose;	/* anyExtendedKeyUsage alone is
						 * for mail, too (CRT-21) */
	bool			 weak_digest;	/* SHA-1 as message digest is
						 * let pass */
	time_t			 max_age;	/* of signingTime, seconds; 0:
						 * none */
	time_t			 max_future;
	/*
	 * Whether the administrator has tied a certificate without any address
	 * to this one (VER-32). NULL: none. Called from any thread.
	 */
	bool			(*pinned)(void *arg, const char *address,
				    const unsigned char fingerprint[32]);
	void			*pinned_arg;
	bool			 learn;		/* for verify_correspondent */
};

/* Every default in one place; trust, now and cache are left to the caller. */
void	 verify_settings_init(struct verify_settings *settings);

#define VERDICT_LAYERS	8
#define VERDICT_CHECKS	40

struct verdict_layer {
	char			 part[48];	/* RFC 7281 3.2.1: of the
						 * signature, "2", "1.2", "1/2" */
	enum verdict_word	 word;
	enum verify_reason	 reason;
};

enum check_outcome { CHECK_NOT_ASKED = 0, CHECK_OK, CHECK_FAILED };

/* One rule, about the outermost layer. All static. */
struct verdict_check {
	const char		*name;		/* stable word */
	const char		*section;	/* "RFC 5652 11.2" */
	enum check_outcome	 outcome;
	enum verify_reason	 reason;	/* with CHECK_FAILED */
	const char		*text;		/* what is asked, English */
	const char		*text_id;	/* ... Indonesian */
};

/* A header field of the message, under the signature (RFC 9788). */
enum coverage {
	COVERAGE_NONE = 0,	/* not signed */
	COVERAGE_SAME,
	COVERAGE_DIFFERENT,	/* what is signed differs from what is shown */
};

/*
 * The outcome for one message. Text about the signer comes from the signer's
 * certificate and is printable, but it may only be shown to people when
 * validated is set, and as verified only when word is VERDICT_PASS.
 */
struct verdict {
	enum verdict_word	 word;
	enum verify_reason	 reason;
	bool			 silent;	/* say nothing about S/MIME:
						 * it cannot be known whether
						 * it is signed (HDR-16) */
	char			 detail[200];	/* English, for the log: more
						 * than the reason, or "" */
	char			 part[48];	/* of the outermost signature,
						 * "" without */
	char			 from[ADDRESS_MAX + 1];	/* "" unless one; its
						 * domain in A-labels */
	enum address_result	 from_result;

	bool			 has_signer;	/* the certificate was found */
	bool			 validated;	/* signature and path are good */
	bool			 matches;	/* identifier is From */
	char			 identifier[ADDRESS_MAX + 1];	/* the address
						 * that matches, else the first
						 * in the certificate, "" for
						 * none */
	char			 serial[SERIAL_TEXT_MAX];
	char			 issuer[512];	/* RFC 2253, ASCII */
	char			 issuer_name[160];	/* CN, else O; UTF-8 */
	char			 common_name[160];	/* UTF-8 */
	char			 organisation[160];	/* UTF-8 */
	unsigned char		 fingerprint[32];	/* SHA-256 */
	time_t			 not_after;
	time_t			 signing_time;	/* 0: not said */
	bool			 pinned;	/* matches by a pin alone */
	bool			 crl_soft_fail;	/* passed without a list */
	enum revocation		 revocation;

	bool			 header_protected;	/* RFC 9788, hp */
	enum coverage		 covered_from;
	enum coverage		 covered_subject;
	enum coverage		 covered_date;
	enum coverage		 covered_to;

	size_t			 layer_count;	/* outermost first */
	struct verdict_layer	 layers[VERDICT_LAYERS];
	size_t			 check_count;
	struct verdict_check	 checks[VERDICT_CHECKS];
	size_t			 chain_count;	/* only without a cache */
	char			 chain[TRUST_CHAIN_MAX][160];
};

/*
 * One incoming message on its way to a verdict. The body arrives in pieces of
 * any size, line ends as CRLF, exactly as received; memory has ceilings that
 * do not grow with a multipart/signed message. Every function returns -1 for a
 * fault of ours only (memory, OpenSSL): the caller then has no verdict, and
 * must treat it as temperror. What is wrong with the message is a verdict.
 */
struct verifier;

/* header: the whole of it; borrowed until verify_finish. */
struct verifier *verify_new(const struct verify_settings *settings,
	    const struct header_list *header, struct smime_error *err);
void	 verify_free(struct verifier *verifier);
/*
 * False when the verdict no longer depends on what comes: the body need not be
 * fed (any more).
 */
bool	 verify_wants_body(const struct verifier *verifier);
int	 verify_body(struct verifier *verifier, const void *buf, size_t len,
	    struct smime_error *err);
/* After the last piece, once. */
int	 verify_finish(struct verifier *verifier, struct verdict *out,
	    struct smime_error *err);

/*
 * What a correspondent's mail program said, under a signature that passed,
 * about writing back (RFC 8551 2.5.2, 2.5.3).
 */
struct correspondent {
	X509			*cert;		/* to encrypt to; NULL none */
	STACK_OF(X509)		*extra;		/* NULL, or others of the
						 * message, at most 8 */
	bool			 has_capabilities;
	unsigned		 capabilities;	/* SMIME_CAP_ */
};

/*
 * After verify_finish with settings.learn: takes it over; all empty unless the
 * verdict was VERDICT_PASS with a revocation known to be good. The certificate
 * names the From address and allows encryption; whether it is trusted is for
 * recipient_check.
 */
void	 verify_correspondent(struct verifier *verifier,
	    struct correspondent *out);
void	 correspondent_clear(struct correspondent *correspondent);

/* ---------------------------------------------------------- recipients --- */

/* Everything here is borrowed. */
struct recipient_settings {
	const struct trust	*trust;
	uint64_t		 generation;	/* another for another trust */
	struct verify_cache	*cache;		/* may be NULL; the verifier's
						 * will do */
	time_t			 now;
	bool			 crl_soft_fail;	/* a missing or stale list does
						 * not keep from encrypting */
};

struct recipient_findings {
	struct cert_findings	 findings;	/* count 0: may be used */
	enum revocation		 revocation;	/* UNASKED without a path */
	char			 detail[200];	/* English, for the log: about
						 * the path, or "" */
};

/*
 * Whether mail for address (canonical) may be encrypted to the certificate:
 * every rule of cert_check_encryption, the path to an anchor, the revocation of
 * all of it (ENC-05 to ENC-07). OpenSSL would encrypt to anything. extra (may
 * be NULL) are further intermediates. Returns -1 for a fault of ours only: out
 * is then of no use, and the message is to be kept. From any thread.
 */
int	 recipient_check(const struct recipient_settings *settings, X509 *cert,
	    STACK_OF(X509) *extra, const char *address,
	    struct recipient_findings *out, struct smime_error *err);
/* RSA (key transport), not EC (key agreement): INTEROP wants them apart. */
bool	 cert_is_rsa(X509 *cert);
/*
 * SMIMECapabilities (RFC 8551 2.5.2) as SMIME_CAP_ flags; what is not known is
 * stepped over. false: it is none; *out is then 0.
 */
bool	 capabilities_read(const unsigned char *der, size_t len,
	    unsigned *out);
/* Those in the certificate's own extension (RFC 4262); 0 without. */
unsigned cert_capabilities(X509 *cert);
/*
 * The verdict on SignedData that signature_check has found good a moment ago:
 * of the certificate with that serial number (upper-case hex) usage, path,
 * revocation and address are asked, where pinned stands for an address. from,
 * part and layers are left to the caller. *until: how long a pass holds, else
 * now. Returns -1 for a fault of ours. The sentence, also where it returns 0,
 * says what is not well.
 */
int	 verify_own(const struct verify_settings *settings,
	    const unsigned char *der, size_t len, const char *serial,
	    const char *address, bool pinned, struct verdict *out,
	    time_t *until, struct smime_error *err);

#endif
