/*
 * verify_split.c - the parts of a multipart/signed, octet for octet.
 *
 * A boundary line begins at the start of the body or behind a CRLF and is
 * "--", the boundary, perhaps "--", perhaps white space, and CRLF or the end
 * (RFC 2046 5.1.1). The CRLF before it belongs to it, so that one CRLF is held
 * back until the next line is seen. Where a reader with laxer rules could cut
 * elsewhere - behind a bare LF or CR, or at a line that only begins like a
 * boundary - the message is ambiguous and can never pass (ATK-31, ATK-34).
 */
#include <string.h>

#include "parse.h"
#include "verify.h"

enum line_kind { LINE_TEXT, LINE_DELIMITER, LINE_CLOSE };

void
split_init(struct split *split, const struct mime_type *type,
    int (*data)(void *arg, unsigned part, const unsigned char *p, size_t len),
    void *arg)
{
	memset(split, 0, sizeof(*split));
	memcpy(split->delimiter, "--", 2);
	memcpy(split->delimiter + 2, type->boundary, type->boundary_len);
	split->delimiter_len = type->boundary_len + 2;
	split->data = data;
	split->arg = arg;
}

static bool
begins(const struct split *split, const unsigned char *p, size_t len)
{
	return len >= split->delimiter_len &&
	    memcmp(p, split->delimiter, split->delimiter_len) == 0;
}

/* line is without its end; clean: that is CRLF, or the end of everything. */
static enum line_kind
classify(struct split *split, const unsigned char *line, size_t len,
    bool clean)
{
	enum line_kind kind = LINE_DELIMITER;
	size_t n = split->delimiter_len;

	if (!begins(split, line, len))
		return LINE_TEXT;
	if (len - n >= 2 && memcmp(line + n, "--", 2) == 0) {
		kind = LINE_CLOSE;
		n += 2;
	}
	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	if (n == len && clean && split->at == AT_LINE)
		return kind;
	split->ambiguous = true;
	return LINE_TEXT;
}

/* Behind a bare CR some readers begin a line. */
static void
look_behind_cr(struct split *split, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *cr;

	while (p < end && (cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		p = cr + 1;
		if (begins(split, p, (size_t)(end - p)))
			split->ambiguous = true;
	}
}

static int
emit(struct split *split, const unsigned char *p, size_t len)
{
	return len == 0 ? 0 : split->data(split->arg, split->part, p, len);
}

/* A stretch of the part; its last CRLF, at a line's end, is held back. */
static int
stretch(struct split *split, const unsigned char *p, size_t len)
{
	static const unsigned char crlf[] = "\r\n";

	if (len == 0)
		return 0;
	if (split->held_crlf && emit(split, crlf, 2) != 0)
		return -1;
	split->held_crlf = split->at == AT_LINE;
	return emit(split, p, split->held_crlf ? len - 2 : len);
}

static void
next_part(struct split *split, enum line_kind kind)
{
	split->held_crlf = false;
	split->at = AT_LINE;
	if (split->part == SPLIT_EPILOGUE)
		return;		/* a boundary line behind the last is text */
	if (kind == LINE_CLOSE)
		split->part = SPLIT_EPILOGUE;
	else if (split->part < SPLIT_EPILOGUE - 1)
		split->parts = ++split->part;
}

/* What stands between from and line, then the boundary line itself. */
static int
cut(struct split *split, const unsigned char *from, const unsigned char *line,
    enum line_kind kind)
{
	if (stretch(split, from, (size_t)(line - from)) != 0)
		return -1;
	if (split->part == SPLIT_EPILOGUE &&
	    emit(split, (const unsigned char *)"--", 2) != 0)
		return -1;
	next_part(split, kind);
	return 0;
}

/* The line at p without LF: what of it can be dealt with now. */
static size_t
tail(struct split *split, const unsigned char *p, size_t len)
{
	const unsigned char *cr;

	if (split->at != AT_MIDDLE && *p == '-' && len < SPLIT_CARRY)
		return 0;
	if (split->at != AT_MIDDLE && begins(split, p, len))
		split->ambiguous = true;
	/* What comes may make a line end, or a boundary behind a bare CR. */
	cr = memrchr(p, '\r', len);
	if (cr != NULL && (size_t)(p + len - cr) <= split->delimiter_len)
		len = (size_t)(cr - p);
	if (len > 0) {
		look_behind_cr(split, p, len);
		split->at = AT_MIDDLE;
	}
	return len;
}

/* Whole lines and what can be done of the next; *used says how much. */
static int
lines(struct split *split, const unsigned char *buf, size_t len, size_t *used)
{
	const unsigned char *p = buf, *from = buf, *end = buf + len, *lf;
	enum line_kind kind;
	size_t n, body;
	bool clean;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		n = (size_t)(lf - p);
		clean = n > 0 && lf[-1] == '\r';
		body = clean ? n - 1 : n;
		kind = LINE_TEXT;
		if (split->at != AT_MIDDLE && body > 0 && *p == '-')
			kind = classify(split, p, body, clean);
		if (kind != LINE_TEXT) {
			if (cut(split, from, p, kind) != 0)
				return -1;
			from = lf + 1;
		} else {
			look_behind_cr(split, p, body);
			split->at = clean ? AT_LINE : AT_LONE_LF;
		}
		p = lf + 1;
	}
	if (p < end)
		p += tail(split, p, (size_t)(end - p));
	*used = (size_t)(p - buf);
	return stretch(split, from, (size_t)(p - from));
}

int
split_feed(struct split *split, const unsigned char *buf, size_t len)
{
	const unsigned char *lf;
	size_t n, used;

	while (len > 0) {
		if (split->carry_len == 0) {
			if (lines(split, buf, len, &used) != 0)
				return -1;
			memcpy(split->carry, buf + used, len - used);
			split->carry_len = len - used;
			return 0;
		}
		n = SPLIT_CARRY - split->carry_len;
		if (n > len)
			n = len;
		if ((lf = memchr(buf, '\n', n)) != NULL)
			n = (size_t)(lf - buf) + 1;
		memcpy(split->carry + split->carry_len, buf, n);
		split->carry_len += n;
		buf += n;
		len -= n;
		if (lf == NULL && split->carry_len < SPLIT_CARRY &&
		    split->carry[0] == '-')
			continue;
		if (lines(split, split->carry, split->carry_len, &used) != 0)
			return -1;
		split->carry_len -= used;
		memmove(split->carry, split->carry + used, split->carry_len);
	}
	return 0;
}

/* The last line may lack its end. */
int
split_finish(struct split *split)
{
	enum line_kind kind = LINE_TEXT;
	size_t len = split->carry_len;

	if (len == 0)
		return 0;
	if (split->at != AT_MIDDLE)
		kind = classify(split, split->carry, len, true);
	split->carry_len = 0;
	if (kind != LINE_TEXT)
		return cut(split, split->carry, split->carry, kind);
	split->at = AT_MIDDLE;
	return stretch(split, split->carry, len);
}
