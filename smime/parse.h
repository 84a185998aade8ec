/*
 * parse.h - what the parsers of header fields share: parameters, media types,
 * mailboxes, display names. The library's own.
 */
#ifndef SMIME_PARSE_H
#define SMIME_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "smime_header.h"

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

#endif
