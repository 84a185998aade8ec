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
 * and handed on at once. Where nothing but the structure matters any more,
 * because the body is read again or becomes base64 whatever it holds, lines are
 * leapt over, up to the next that may be or seem a boundary line. Only a line
 * that is cut by the end of a piece goes through the carry. Its size is of no
 * consequence to the result: a boundary line is at most SCAN_VIEW octets, and a
 * line is never cut so that a CR or fewer than SCAN_VIEW octets behind it are
 * lost from view.
 */
#include <stdlib.h>
#include <string.h>

#include "octets.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

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

static int
part_end(struct scan *scan, bool crlf)
{
	return scan->ops->end == NULL ? 0 :
	    scan->ops->end(scan->arg, &scan->part, crlf);
}

/* Readers that end a line at a bare CR might see a boundary behind it. */
static void
look_behind_cr(struct scan *scan, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *cr;

	while ((cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		p = cr + 1;
		if (enclosure_suspect(scan, p, (size_t)(end - p)))
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

static int
hand_on(struct scan *scan, const unsigned char *p, size_t len)
{
	bool crlf;

	if (scan->state != SCAN_BODY)
		return emit(scan, p, len);
	if (scan->held_crlf && emit(scan, "\r\n", 2) == -1)
		return -1;
	crlf = !scan->mid_line;
	scan->held_crlf = crlf;
	return emit(scan, p, crlf ? len - 2 : len);
}

/* Whether only the structure of what is read now is of interest. */
static bool
is_settled(const struct scan *scan)
{
	return scan->again ||
	    (scan->state == SCAN_BODY && plan_is_settled(&scan->part));
}

/*
 * Whole lines, or a piece of one, that are no boundary lines. leapt: all of
 * them; then none seems to be one.
 */
static int
stretch(struct scan *scan, const unsigned char *p, size_t len, size_t crlfs,
    unsigned defects, bool leapt)
{
	struct octets count;

	if (len == 0)
		return 0;
	if (is_settled(scan)) {
		if (!leapt && !scan->again)
			look_behind_cr(scan, p, len);
		return hand_on(scan, p, len);
	}
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
	if (scan->state == SCAN_BODY) {
		scan->part.octets += len;
		scan->part.high += count.high;
	}
	return hand_on(scan, p, len);
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

	if (cr != NULL && (size_t)(p + len - cr) <= SCAN_VIEW)
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
		if (scan_header_done(scan) == -1)
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
	enclosure_pop(scan, index + 1);
	if (!close)
		return scan_part_begin(scan);
	scan->stack[index].closed = true;
	return 0;
}

/* Looks at a line's start; true when it is a boundary line. */
static bool
is_boundary(struct scan *scan, const unsigned char *line, size_t len,
    size_t end_len, size_t *index, bool *close)
{
	*index = SCAN_NO_MATCH;
	if (!scan->mid_line)
		*index = enclosure_match(scan, line, len - end_len, close);
	else if (scan->last != '\n')
		return false;
	if (*index == SCAN_NO_MATCH && enclosure_suspect(scan, line, len))
		scan->ambiguous = true;
	return *index != SCAN_NO_MATCH;
}

/*
 * Leaps over whole lines that need not be looked at one by one: up to one that
 * has a boundary in it, for us or for readers that end a line at a bare CR or
 * LF, or to the last line. Returns how many octets that is.
 */
static size_t
leap(struct scan *scan, const unsigned char *line, size_t len)
{
	const unsigned char *dash = NULL, *lf;
	size_t n;

	if (scan->depth > 0)
		dash = octets_find_dash(line, len);
	lf = memrchr(line, '\n', dash != NULL ? (size_t)(dash - line) : len);
	if (lf == NULL)
		return 0;
	n = (size_t)(lf - line) + 1;
	scan->mid_line = n < 2 || lf[-1] != '\r';
	scan->last = '\n';
	return n;
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
	size_t crlfs = 0, n = 0, index = SCAN_NO_MATCH, eol;
	unsigned defects = 0;
	bool close = false, settled = is_settled(scan), leapt = settled;

	while (line < end) {
		if (settled && *line != '-' &&
		    (n = leap(scan, line, (size_t)(end - line))) > 0) {
			line += n;
			continue;
		}
		lf = memchr(line, '\n', (size_t)(end - line));
		if (lf == NULL && !last)
			break;
		n = lf == NULL ? (size_t)(end - line) : (size_t)(lf - line) + 1;
		eol = lf != NULL && n >= 2 && lf[-1] == '\r' ? 2 : 0;
		if (*line == '-' && scan->depth > 0 &&
		    is_boundary(scan, line, n, eol, &index, &close))
			break;
		leapt = false;
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
	if (index == SCAN_NO_MATCH && end - line >= SCAN_CARRY) {
		n = cut(line, (size_t)(end - line));
		if (*line == '-' && scan->depth > 0)
			is_boundary(scan, line, n, 0, &index, &close);
		defects |= line_goes_on(scan, line, n);
		line += n;
		index = SCAN_NO_MATCH;
		leapt = false;
	}
	if (stretch(scan, p, (size_t)(line - p), crlfs, defects, leapt) == -1)
		return -1;
	*used = (size_t)(line - p);
	if (index == SCAN_NO_MATCH)
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
		if (!scan_header_accepts(scan, p, n - eol)) {
			scan->header_odd = true;
			return scan_header_done(scan);
		}
	}
	if (scan_header_add(scan, p, n) == -1)
		return -1;
	if (scan->state != SCAN_HEADER)
		return 0;
	*used = n;
	if (!scan->mid_line && n == eol)
		return scan_header_done(scan);
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
		    /* cppcheck-suppress uninitvar ; either sets it */
		    (scan, p + *used, len - *used, last, &n) == -1)
			return -1;
		*used += n;
		/* Where no octets were taken, the state must have changed. */
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

/* The last line end then belongs to the boundary line that should come. */
static bool
boundary_is_missing(const struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->depth; i++)
		if (scan->stack[i].boundary != NULL && !scan->stack[i].closed)
			return true;
	return false;
}

int
scan_finish(struct scan *scan, struct smime_error *err)
{
	bool crlf, missing;
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
		if (scan_header_done(scan) == -1)
			return -1;
	}
	if (scan->state != SCAN_BODY)
		return 0;
	crlf = scan->held_crlf;
	missing = crlf && boundary_is_missing(scan);
	if (crlf && !missing && emit(scan, "\r\n", 2) == -1)
		return -1;
	if (part_end(scan, crlf && !missing) == -1)
		return -1;
	scan->state = SCAN_OTHER;
	return missing ? emit(scan, "\r\n", 2) : 0;
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
	scan->part.main = true;
	return scan_part_open(scan, &e);
}

void
scan_clear(struct scan *scan)
{
	enclosure_pop(scan, 0);
	free(scan->stack);
	wipe_free(scan->header, scan->header_size);
	scan->stack = NULL;
	scan->header = NULL;
	scan->stack_size = scan->header_size = scan->header_len = 0;
}
