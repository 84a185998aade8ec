/*
 * scan.h - the parts of a message, found while it arrives, and what has to
 * become of each to be signed. The library's own.
 */
#ifndef SMIME_SCAN_H
#define SMIME_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

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

#endif
