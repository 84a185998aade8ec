/*
 * scan.c - the structure of a message's body, while it streams.
 *
 * A line ends in CRLF and nothing else. A boundary line is "--", the boundary,
 * perhaps "--", perhaps white space, and nothing else, at the start of a line
 * (RFC 2046 5.1.1). All enclosing boundaries are looked for at all times; an
 * outer one closes what is inside. The CRLF before a boundary line belongs to
 * it, so the last line end of a body waits in held_crlf.
 *
 * Other readers take a bare CR or LF for a line end, or look for a boundary
 * that was closed already. Wherever they would see a boundary line that we do
 * not, ambiguous is set: such a message is never changed.
 *
 * Speed: lines are found by memchr, and whole stretches of lines are counted
 * and handed on at once. Only a line that is cut by the end of a piece goes
 * through the carry. Its size is of no consequence to the result: a boundary
 * line is at most MARK_MAX octets, and a line is never cut so that a CR or
 * fewer than MARK_MAX octets behind it are lost from view.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MARK_MAX	(SCAN_CARRY / 2)
#define NO_MATCH	((size_t)-1)

static int	part_begin(struct scan *);

static int
emit(struct scan *scan, const void *buf, size_t len)
{
	if (len == 0)
		return 0;
	if (scan->state == SCAN_BODY)
		return scan->ops->body == NULL ? 0 :
		    scan->ops->body(scan->arg, &scan->part, buf, len);
	return scan->ops->other == NULL ? 0 :
	    scan->ops->other(scan->arg, buf, len);
}

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* ---------------------------------------------------------- boundaries --- */

static void
pop_to(struct scan *scan, size_t depth)
{
	while (scan->depth > depth)
		free(scan->stack[--scan->depth].boundary);
}

static bool
starts_with(const struct enclosure *e, const unsigned char *line, size_t len)
{
	return e->boundary != NULL && len >= e->boundary_len + 2 &&
	    memcmp(line + 2, e->boundary, e->boundary_len) == 0;
}

/*
 * delimiter := "--" boundary; close-delimiter := delimiter "--"; each with
 * transport-padding := *LWSP-char (RFC 2046 5.1.1). line is without its CRLF.
 */
static size_t
match(const struct scan *scan, const unsigned char *line, size_t len,
    bool *close)
{
	const struct enclosure *e;
	size_t i;

	if (len >= MARK_MAX || len < 3 || line[1] != '-')
		return NO_MATCH;
	while (is_space(line[len - 1]))
		len--;
	for (i = scan->depth; i-- > 0;) {
		e = &scan->stack[i];
		if (e->closed || (len != e->boundary_len + 2 &&
		    len != e->boundary_len + 4) || !starts_with(e, line, len))
			continue;
		*close = len == e->boundary_len + 4;
		if (!*close || memcmp(line + len - 2, "--", 2) == 0)
			return i;
	}
	return NO_MATCH;
}

/* Whether somebody else might read a boundary here. */
static bool
is_suspect(const struct scan *scan, const unsigned char *line, size_t len)
{
	const struct enclosure *e;
	size_t i, n;

	if (len > MARK_MAX)
		len = MARK_MAX;
	if (len < 3 || line[0] != '-' || line[1] != '-')
		return false;
	for (i = 0; i < scan->depth; i++) {
		e = &scan->stack[i];
		if (!starts_with(e, line, len))
			continue;
		n = e->boundary_len + 2;
		if (len - n >= 2 && memcmp(line + n, "--", 2) == 0)
			n += 2;
		while (n < len && is_space(line[n]))
			n++;
		if (n == len || line[n] == '\r' || line[n] == '\n')
			return true;
	}
	return false;
}

/* An inner boundary that an outer one could be taken for. */
static bool
is_reused(const struct scan *scan, const struct enclosure *new)
{
	const struct enclosure *e;
	size_t i, n;

	for (i = 0; i < scan->depth; i++) {
		e = &scan->stack[i];
		if (e->boundary == NULL)
			continue;
		n = e->boundary_len < new->boundary_len ? e->boundary_len :
		    new->boundary_len;
		if (memcmp(e->boundary, new->boundary, n) != 0)
			continue;
		if (e->boundary_len == new->boundary_len ||
		    (e->boundary_len == n + 2 &&
		    memcmp(e->boundary + n, "--", 2) == 0) ||
		    (new->boundary_len == n + 2 &&
		    memcmp(new->boundary + n, "--", 2) == 0))
			return true;
	}
	return false;
}

/* --------------------------------------------------------------- parts --- */

static int
push(struct scan *scan, const struct enclosure *e)
{
	struct enclosure *stack;

	if (e->boundary != NULL && is_reused(scan, e))
		scan->ambiguous = true;
	if (scan->depth == scan->stack_size) {
		stack = reallocarray(scan->stack, scan->stack_size + 8,
		    sizeof(*stack));
		if (stack == NULL)
			return smime_error_set(scan->err, "reading MIME parts");
		scan->stack = stack;
		scan->stack_size += 8;
	}
	scan->stack[scan->depth++] = *e;
	return 0;
}

/* The header of scan->part is known: what follows it? */
static int
part_open(struct scan *scan, struct enclosure *e)
{
	struct part *part = &scan->part;

	if (part->composite && scan->depth >= scan->settings->max_depth) {
		free(e->boundary);
		scan->limit = true;
		part->composite = false;
		part->frozen = true;
	}
	if (!part->composite) {
		scan->state = SCAN_BODY;
		return 0;
	}
	if (push(scan, e) == -1) {
		free(e->boundary);
		return -1;
	}
	if (scan->ops->composite != NULL &&
	    scan->ops->composite(scan->arg, part) == -1)
		return -1;
	scan->state = SCAN_OTHER;
	return e->boundary == NULL ? part_begin(scan) : 0;
}

/* A header comes next, unless there were too many. */
static int
part_begin(struct scan *scan)
{
	scan->header_len = 0;
	scan->header_odd = false;
	memset(&scan->part, 0, sizeof(scan->part));
	if (scan->parts >= scan->settings->max_parts) {
		/* The rest is not looked into. */
		scan->limit = true;
		pop_to(scan, 0);
		scan->state = SCAN_OTHER;
		return 0;
	}
	scan->part.number = scan->parts++;
	scan->state = SCAN_HEADER;
	return 0;
}

static int
part_end(struct scan *scan, bool crlf)
{
	return scan->ops->end == NULL ? 0 :
	    scan->ops->end(scan->arg, &scan->part, crlf);
}

/* ------------------------------------------------------------- headers --- */

/*
 * A part's header is on its way through 7-bit transports like the rest, but
 * cannot be encoded. Under SMTPUTF8 it may be in UTF-8 (RFC 6532 3.2).
 */
static void
header_check(struct scan *scan)
{
	const unsigned char *p = scan->header, *lf;
	size_t left = scan->header_len, crlfs = 0, n;
	struct octets count;

	octets_count(p, left, &count);
	while (left > 0) {
		lf = memchr(p, '\n', left);
		n = lf == NULL ? left : (size_t)(lf - p);
		if (lf != NULL && n > 0 && p[n - 1] == '\r') {
			crlfs++;
			n--;
		} else if (lf != NULL)
			scan->outside |= DEFECT_BARE_LF;
		if (n > LINE_MAX_OCTETS)
			scan->outside |= DEFECT_LONG;
		n = lf == NULL ? left : (size_t)(lf - p) + 1;
		p += n;
		left -= n;
	}
	if (count.cr > crlfs)
		scan->outside |= DEFECT_BARE_CR;
	if (count.nul > 0)
		scan->outside |= DEFECT_NUL;
	if (count.high > 0 && !scan->settings->smtputf8)
		scan->outside |= DEFECT_HIGH;
}

static int
header_done(struct scan *scan)
{
	const struct enclosure *around = scan->depth == 0 ? NULL :
	    &scan->stack[scan->depth - 1];
	struct header_list list = { 0 };
	struct enclosure e;
	size_t used;
	bool body;
	int rc;

	header_check(scan);
	rc = header_parse(&list, scan->header, scan->header_len, 0, &used,
	    &body, scan->err);
	if (rc == 0) {
		rc = part_read(&list, around != NULL && around->digest,
		    scan->header_odd || (around != NULL && around->frozen),
		    &scan->part, &e, &scan->has_calendar);
		if (rc == -1)
			smime_error_set(scan->err, "reading a MIME part");
	}
	header_clear(&list);
	if (rc == -1)
		return -1;
	if (scan->ops->header != NULL && scan->ops->header(scan->arg,
	    &scan->part, scan->header, scan->header_len) == -1) {
		free(e.boundary);
		return -1;
	}
	return part_open(scan, &e);
}

static int
header_append(struct scan *scan, const unsigned char *p, size_t len)
{
	unsigned char *header;
	size_t want;

	if (len > scan->header_size - scan->header_len) {
		want = scan->header_size == 0 ? 2048 : scan->header_size;
		while (want - scan->header_len < len)
			want *= 2;
		if ((header = realloc(scan->header, want)) == NULL)
			return smime_error_set(scan->err,
			    "reading a MIME header");
		scan->header = header;
		scan->header_size = want;
	}
	memcpy(scan->header + scan->header_len, p, len);
	scan->header_len += len;
	return 0;
}

/* Too long a header: the part is taken as it is, header and all. */
static int
header_give_up(struct scan *scan)
{
	header_check(scan);
	scan->limit = true;
	scan->part.frozen = true;
	if (scan->ops->other != NULL && scan->header_len > 0 &&
	    scan->ops->other(scan->arg, scan->header, scan->header_len) == -1)
		return -1;
	scan->state = SCAN_BODY;
	return 0;
}

/*
 * field = field-name ":", field-name = 1*ftext (RFC 5322 3.6.8). White space
 * before the colon is obsolete (4.5); some take such a line for the first of
 * the body, so the part is not changed.
 */
static bool
is_field(struct scan *scan, const unsigned char *p, size_t len)
{
	size_t n = 0;

	if (len > MARK_MAX)
		len = MARK_MAX;
	while (n < len && p[n] > ' ' && p[n] < 0x7f && p[n] != ':')
		n++;
	if (n == 0 || n == len)
		return false;
	if (is_space(p[n]))
		scan->header_odd = true;
	while (n < len && is_space(p[n]))
		n++;
	return n < len && p[n] == ':';
}

/* A line of white space continues a field, or ends the header for some. */
static bool
is_blank(const unsigned char *p, size_t len)
{
	size_t n = 0;

	if (len > MARK_MAX)
		len = MARK_MAX;
	while (n < len && is_space(p[n]))
		n++;
	return n == len;
}

/* --------------------------------------------------------------- lines --- */

/* Readers that end a line at a bare CR might see a boundary behind it. */
static void
look_behind_cr(struct scan *scan, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *cr;

	while ((cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		p = cr + 1;
		if (is_suspect(scan, p, (size_t)(end - p)))
			scan->ambiguous = true;
	}
}

static void
note(struct scan *scan, unsigned defects)
{
	if (scan->state == SCAN_BODY)
		scan->part.defects |= defects;
	else
		scan->outside |= defects;
}

/* Whole lines, or a piece of one, that are no boundary lines. */
static int
stretch(struct scan *scan, const unsigned char *p, size_t len, size_t crlfs,
    unsigned defects)
{
	struct octets count;
	bool crlf;

	if (len == 0)
		return 0;
	octets_count(p, len, &count);
	if (count.high > 0)
		defects |= DEFECT_HIGH;
	if (count.nul > 0)
		defects |= DEFECT_NUL;
	if (count.cr > crlfs) {
		defects |= DEFECT_BARE_CR;
		look_behind_cr(scan, p, len);
	}
	note(scan, defects);
	if (scan->state != SCAN_BODY)
		return emit(scan, p, len);
	scan->part.octets += len;
	scan->part.high += count.high;
	if (scan->held_crlf && emit(scan, "\r\n", 2) == -1)
		return -1;
	crlf = !scan->mid_line;
	scan->held_crlf = crlf;
	return emit(scan, p, crlf ? len - 2 : len);
}

/* A line that is whole now; line and len are what is in view of it. */
static inline unsigned
line_defects(const struct scan *scan, const unsigned char *line, size_t len)
{
	unsigned char last = len > 0 ? line[len - 1] : '\0';
	unsigned defects = 0;

	if (scan->mid_line) {
		if (scan->line_len + len > LINE_MAX_OCTETS)
			defects |= DEFECT_LONG;
		if (len == 0)
			last = scan->last;
	} else {
		if (len > LINE_MAX_OCTETS)
			defects |= DEFECT_LONG;
		if (len == 1 && last == '.')
			defects |= DEFECT_DOT;
		if (len >= 5 && line[0] == 'F' &&
		    memcmp(line, "From ", 5) == 0)
			defects |= DEFECT_FROM;
	}
	if (is_space(last))
		defects |= DEFECT_TRAILING;
	return defects;
}

/* Takes note of octets of a line that goes on; returns their defects. */
static unsigned
line_goes_on(struct scan *scan, const unsigned char *p, size_t len)
{
	unsigned defects = 0;

	if (!scan->mid_line) {
		scan->line_len = 0;
		if (len >= 5 && memcmp(p, "From ", 5) == 0)
			defects |= DEFECT_FROM;
	}
	scan->mid_line = true;
	scan->line_len += len;
	scan->last = p[len - 1];
	return defects;
}

/* Where a line that is longer than the carry is cut. */
static size_t
cut(const unsigned char *p, size_t len)
{
	const unsigned char *cr = memrchr(p, '\r', len);

	if (cr != NULL && (size_t)(p + len - cr) <= MARK_MAX)
		return (size_t)(cr - p);
	return len;
}

/* line is the boundary line of stack[index], with its line end. */
static int
boundary_line(struct scan *scan, size_t index, bool close,
    const unsigned char *line, size_t len)
{
	struct octets count;

	/* More than once for a message that ends before its header begins. */
	while (scan->state == SCAN_HEADER)
		if (header_done(scan) == -1)
			return -1;
	if (scan->state == SCAN_BODY && part_end(scan, false) == -1)
		return -1;
	scan->state = SCAN_OTHER;
	if (scan->held_crlf && emit(scan, "\r\n", 2) == -1)
		return -1;
	scan->held_crlf = false;
	octets_count(line, len, &count);
	if (count.high > 0)
		scan->outside |= DEFECT_HIGH;
	if (emit(scan, line, len) == -1)
		return -1;
	if (index >= scan->depth)	/* a ceiling was met just now */
		return 0;
	pop_to(scan, index + 1);
	if (!close)
		return part_begin(scan);
	scan->stack[index].closed = true;
	return 0;
}

/* Looks at a line's start; true when it is a boundary line. */
static bool
is_boundary(struct scan *scan, const unsigned char *line, size_t len,
    size_t end_len, size_t *index, bool *close)
{
	*index = NO_MATCH;
	if (!scan->mid_line)
		*index = match(scan, line, len - end_len, close);
	else if (scan->last != '\n')
		return false;
	if (*index == NO_MATCH && is_suspect(scan, line, len))
		scan->ambiguous = true;
	return *index != NO_MATCH;
}

/*
 * Lines of a body, a preamble or an epilogue, up to and including a boundary
 * line. last: nothing comes behind len. *used is less than len when a boundary
 * was met or the last line is not whole.
 */
static int
body_lines(struct scan *scan, const unsigned char *p, size_t len, bool last,
    size_t *used)
{
	const unsigned char *line = p, *end = p + len, *lf;
	size_t crlfs = 0, n = 0, index = NO_MATCH, eol;
	unsigned defects = 0;
	bool close = false;

	while (line < end) {
		lf = memchr(line, '\n', (size_t)(end - line));
		if (lf == NULL && !last)
			break;
		n = lf == NULL ? (size_t)(end - line) : (size_t)(lf - line) + 1;
		eol = lf != NULL && n >= 2 && lf[-1] == '\r' ? 2 : 0;
		if (*line == '-' && scan->depth > 0 &&
		    is_boundary(scan, line, n, eol, &index, &close))
			break;
		if (eol == 2) {
			crlfs++;
			defects |= line_defects(scan, line, n - 2);
			scan->mid_line = false;
		} else {
			if (lf == NULL)
				defects |= line_defects(scan, line, n);
			else
				defects |= DEFECT_BARE_LF;
			defects |= line_goes_on(scan, line, n);
		}
		line += n;
	}
	if (index == NO_MATCH && end - line >= SCAN_CARRY) {
		n = cut(line, (size_t)(end - line));
		if (*line == '-' && scan->depth > 0)
			is_boundary(scan, line, n, 0, &index, &close);
		defects |= line_goes_on(scan, line, n);
		line += n;
		index = NO_MATCH;
	}
	if (stretch(scan, p, (size_t)(line - p), crlfs, defects) == -1)
		return -1;
	*used = (size_t)(line - p);
	if (index == NO_MATCH)
		return 0;
	*used += n;
	scan->mid_line = false;
	return boundary_line(scan, index, close, line, n);
}

/* The next line of a part's header; *used is 0 when it is not whole. */
static int
header_line(struct scan *scan, const unsigned char *p, size_t len, bool last,
    size_t *used)
{
	const unsigned char *lf = memchr(p, '\n', len);
	size_t n = lf == NULL ? len : (size_t)(lf - p) + 1, index, eol;
	bool close = false;

	*used = 0;
	if (lf == NULL && !last) {
		if (len < SCAN_CARRY)
			return 0;
		n = cut(p, len);
	}
	eol = lf != NULL && n >= 2 && lf[-1] == '\r' ? 2 : 0;
	if (!scan->mid_line && n > eol) {
		if (*p == '-' && (eol == 2 || last) &&
		    is_boundary(scan, p, n, eol, &index, &close)) {
			*used = n;
			return boundary_line(scan, index, close, p, n);
		}
		if (is_space(*p) && scan->header_len > 0) {
			if (is_blank(p, n - eol))
				scan->header_odd = true;
		} else if (!is_field(scan, p, n)) {
			scan->header_odd = true;
			return header_done(scan);
		}
	}
	if (scan->header_len + n > scan->settings->max_part_header)
		return header_give_up(scan);
	if (header_append(scan, p, n) == -1)
		return -1;
	*used = n;
	if (!scan->mid_line && n == eol)
		return header_done(scan);
	if (eol == 2)
		scan->mid_line = false;
	else
		line_goes_on(scan, p, n);
	return 0;
}

/* As many lines as are whole; *used is more than len - SCAN_CARRY. */
static int
lines(struct scan *scan, const unsigned char *p, size_t len, bool last,
    size_t *used)
{
	enum scan_state state;
	uint32_t number;
	size_t n;

	*used = 0;
	while (*used < len) {
		state = scan->state;
		number = scan->part.number;
		if ((scan->state == SCAN_HEADER ? header_line : body_lines)
		    (scan, p + *used, len - *used, last, &n) == -1)
			return -1;
		*used += n;
		/* Without octets taken there may still be a new view of them. */
		if (n == 0 && state == scan->state &&
		    number == scan->part.number)
			break;
	}
	return 0;
}

int
scan_feed(struct scan *scan, const unsigned char *buf, size_t len,
    struct smime_error *err)
{
	const unsigned char *lf;
	size_t n, used;

	scan->err = err;
	while (len > 0) {
		if (scan->carry_len == 0) {
			if (lines(scan, buf, len, false, &used) == -1)
				return -1;
			buf += used;
			len -= used;
			memcpy(scan->carry, buf, len);
			scan->carry_len = len;
			return 0;
		}
		/* Complete the line, or as much of it as there is room for. */
		n = SCAN_CARRY - scan->carry_len;
		if (n > len)
			n = len;
		if ((lf = memchr(buf, '\n', n)) != NULL)
			n = (size_t)(lf - buf) + 1;
		memcpy(scan->carry + scan->carry_len, buf, n);
		scan->carry_len += n;
		buf += n;
		len -= n;
		if (lf == NULL && scan->carry_len < SCAN_CARRY)
			return 0;
		if (lines(scan, scan->carry, scan->carry_len, false,
		    &used) == -1)
			return -1;
		scan->carry_len -= used;
		memmove(scan->carry, scan->carry + used, scan->carry_len);
	}
	return 0;
}

int
scan_finish(struct scan *scan, struct smime_error *err)
{
	bool crlf;
	size_t used;

	scan->err = err;
	if (scan->carry_len > 0 && lines(scan, scan->carry, scan->carry_len,
	    true, &used) == -1)
		return -1;
	scan->carry_len = 0;
	if (scan->mid_line && scan->state != SCAN_HEADER)
		note(scan, line_defects(scan, scan->carry, 0));
	while (scan->state == SCAN_HEADER) {
		/* No place in it where a field could be added. */
		if (scan->mid_line)
			scan->header_odd = true;
		if (header_done(scan) == -1)
			return -1;
	}
	if (scan->state != SCAN_BODY)
		return 0;
	crlf = scan->held_crlf;
	if (crlf && emit(scan, "\r\n", 2) == -1)
		return -1;
	return part_end(scan, crlf);
}

int
scan_begin(struct scan *scan, const struct canon_settings *settings,
    const struct header_list *header, const struct scan_ops *ops, void *arg,
    struct smime_error *err)
{
	struct enclosure e;

	memset(scan, 0, sizeof(*scan));
	scan->settings = settings;
	scan->ops = ops;
	scan->arg = arg;
	scan->err = err;
	scan->parts = 1;
	if (part_read(header, false, false, &scan->part, &e,
	    &scan->has_calendar) == -1)
		return smime_error_set(err, "reading a MIME part");
	return part_open(scan, &e);
}

void
scan_clear(struct scan *scan)
{
	pop_to(scan, 0);
	free(scan->stack);
	free(scan->header);
	scan->stack = NULL;
	scan->header = NULL;
	scan->stack_size = scan->header_size = scan->header_len = 0;
}
