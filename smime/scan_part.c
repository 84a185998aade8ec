/*
 * scan_part.c - where a part begins: its header, line by line, and what
 * follows from it.
 */
#include <stdlib.h>
#include <string.h>

#include "octets.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_header.h"

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* The header of scan->part is known: what follows it? */
int
scan_part_open(struct scan *scan, struct enclosure *e)
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
	e->main = e->main && part->main;
	if (enclosure_push(scan, e) == -1) {
		free(e->boundary);
		return -1;
	}
	if (scan->ops->composite != NULL &&
	    scan->ops->composite(scan->arg, part) == -1)
		return -1;
	scan->state = SCAN_OTHER;
	return e->boundary == NULL ? scan_part_begin(scan) : 0;
}

/* A header comes next, unless there were too many. */
int
scan_part_begin(struct scan *scan)
{
	scan->header_len = 0;
	scan->header_odd = false;
	memset(&scan->part, 0, sizeof(scan->part));
	if (scan->parts >= scan->settings->max_parts) {
		/* The rest is not looked into. */
		scan->limit = true;
		enclosure_pop(scan, 0);
		scan->state = SCAN_OTHER;
		return 0;
	}
	scan->part.number = scan->parts++;
	scan->state = SCAN_HEADER;
	return 0;
}

/*
 * A part's header is on its way through 7-bit transports like the rest, but
 * cannot be encoded. Under SMTPUTF8 it may be in UTF-8 (RFC 6532 3.2).
 */
static void
check(struct scan *scan)
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

/* Of all parts those that a reader shows without being asked. */
static void
place(struct part *part, struct enclosure *around)
{
	part->main = around != NULL && around->main &&
	    (around->alternative || !around->begun);
	if (!part->main)
		part->display = DISPLAY_NONE;
	if (around != NULL)
		around->begun = true;
}

/* Whether the empty line came: without it there is no body to put text in. */
static bool
header_is_whole(const struct scan *scan)
{
	const unsigned char *p = scan->header;
	size_t len = scan->header_len;

	return len >= 2 && memcmp(p + len - 2, "\r\n", 2) == 0 &&
	    (len == 2 || p[len - 3] == '\n');
}

int
scan_header_done(struct scan *scan)
{
	struct enclosure *around = scan->depth == 0 ? NULL :
	    &scan->stack[scan->depth - 1];
	struct header_list list = { 0 };
	struct enclosure e;
	size_t used;
	bool body;
	int rc;

	check(scan);
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
	place(&scan->part, around);
	if (!header_is_whole(scan))
		scan->part.display = DISPLAY_NONE;
	if (scan->ops->header != NULL && scan->ops->header(scan->arg,
	    &scan->part, scan->header, scan->header_len) == -1) {
		free(e.boundary);
		return -1;
	}
	return scan_part_open(scan, &e);
}

static int
append(struct scan *scan, const unsigned char *p, size_t len)
{
	if (!wipe_room(&scan->header, &scan->header_size, scan->header_len,
	    len))
		return smime_error_set(scan->err, "reading a MIME header");
	memcpy(scan->header + scan->header_len, p, len);
	scan->header_len += len;
	return 0;
}

/* Too long a header: the part is taken as it is, header and all. */
static int
give_up(struct scan *scan)
{
	check(scan);
	scan->limit = true;
	scan->part.frozen = true;
	if (scan->ops->other != NULL && scan->header_len > 0 &&
	    scan->ops->other(scan->arg, scan->header, scan->header_len) == -1)
		return -1;
	scan->state = SCAN_BODY;
	return 0;
}

int
scan_header_add(struct scan *scan, const unsigned char *p, size_t len)
{
	if (scan->header_len + len > scan->settings->max_part_header)
		return give_up(scan);
	return append(scan, p, len);
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

	if (len > SCAN_VIEW)
		len = SCAN_VIEW;
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

	if (len > SCAN_VIEW)
		len = SCAN_VIEW;
	while (n < len && is_space(p[n]))
		n++;
	return n == len;
}

bool
scan_header_accepts(struct scan *scan, const unsigned char *line, size_t len)
{
	if (!is_space(*line) || scan->header_len == 0)
		return is_field(scan, line, len);
	if (is_blank(line, len))
		scan->header_odd = true;
	return true;
}
