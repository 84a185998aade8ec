/*
 * smime_canon.h - an outgoing message as it is signed: its canonical form, and
 * the header fields that it may not show outside.
 */
#ifndef SAMPUL_SMIME_CANON_H
#define SAMPUL_SMIME_CANON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smime_base.h"
#include "smime_header.h"

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

#endif
