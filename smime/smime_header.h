/*
 * smime_header.h - header fields of a message and what is read from them.
 */
#ifndef SAMPUL_SMIME_HEADER_H
#define SAMPUL_SMIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smime_base.h"

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
 * Whether all readers find the same fields: none holds a CR that some end a
 * line at, or a NUL.
 */
bool	 header_is_clear(const struct header_list *list);

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

#endif
