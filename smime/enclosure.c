/*
 * enclosure.c - the multiparts and messages around what is being read, and
 * how their boundary lines look.
 */
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "smime_base.h"

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t';
}

void
enclosure_pop(struct scan *scan, size_t depth)
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
size_t
enclosure_match(const struct scan *scan, const unsigned char *line, size_t len,
    bool *close)
{
	const struct enclosure *e;
	size_t i;

	if (len >= SCAN_VIEW || len < 3 || line[1] != '-')
		return SCAN_NO_MATCH;
	while (is_space(line[len - 1]))
		len--;
	for (i = scan->depth; i-- > 0;) {
		e = &scan->stack[i];
		if (e->closed || (len != e->boundary_len + 2 &&
		    len != e->boundary_len + 4) ||
		    !starts_with(e, line, len))
			continue;
		*close = len == e->boundary_len + 4;
		if (!*close || memcmp(line + len - 2, "--", 2) == 0)
			return i;
	}
	return SCAN_NO_MATCH;
}

/* Whether somebody else might read a boundary here. */
bool
enclosure_suspect(const struct scan *scan, const unsigned char *line,
    size_t len)
{
	const struct enclosure *e;
	size_t i, n;

	if (len > SCAN_VIEW)
		len = SCAN_VIEW;
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

int
enclosure_push(struct scan *scan, const struct enclosure *e)
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
