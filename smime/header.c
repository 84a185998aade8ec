/*
 * header.c - the list of a message's header fields.
 */
#include <stdlib.h>
#include <string.h>

#include "smime_base.h"
#include "smime_header.h"

static int
grow(struct header_list *list, struct smime_error *err)
{
	struct header_field *fields;
	size_t want;

	if (list->count < list->allocated)
		return 0;
	want = list->allocated == 0 ? 32 : list->allocated * 2;
	fields = reallocarray(list->fields, want, sizeof(*fields));
	if (fields == NULL)
		return smime_error_set(err, "header fields");
	list->fields = fields;
	list->allocated = want;
	return 0;
}

/*
 * Copies a value so that every fold is a bare LF. All CRs of a run before the
 * LF go: with one left over, the next reader would drop it and the octets
 * would depend on how often a value was copied. *most receives how many went
 * before one LF. Returns the new length.
 */
static size_t
copy_value(char *out, const char *value, size_t len, size_t *most)
{
	size_t i, n = 0, crs;

	*most = 0;
	for (i = 0; i < len; i++) {
		crs = 0;
		if (value[i] == '\n')
			for (; n > 0 && out[n - 1] == '\r'; crs++)
				n--;
		if (crs > *most)
			*most = crs;
		out[n++] = value[i];
	}
	out[n] = '\0';
	return n;
}

/*
 * Name and value live in one allocation: thousands of fields are normal. crs
 * is how many CRs a fold of this text has by rights.
 */
static int
add(struct header_list *list, const char *name, size_t name_len,
    const char *value, size_t value_len, size_t crs, size_t max_bytes,
    struct smime_error *err)
{
	struct header_field *field;
	size_t bytes, most;
	char *text;

	if (name_len > SIZE_MAX / 4 || value_len > SIZE_MAX / 4)
		return smime_error_setx(err, "header field is too long");
	bytes = name_len + value_len;
	if (max_bytes != 0 &&
	    (bytes > max_bytes || list->bytes > max_bytes - bytes))
		return smime_error_setx(err,
		    "header is larger than %zu octets", max_bytes);
	if (grow(list, err) == -1)
		return -1;
	if ((text = malloc(bytes + 2)) == NULL)
		return smime_error_set(err, "header field");
	if (name_len > 0)
		memcpy(text, name, name_len);
	text[name_len] = '\0';

	field = &list->fields[list->count++];
	field->name = text;
	field->name_len = name_len;
	field->value = text + name_len + 1;
	field->value_len = copy_value(field->value, value, value_len, &most);
	if (most > crs)
		list->odd_folds = true;
	list->bytes += name_len + field->value_len;
	return 0;
}

int
header_add(struct header_list *list, const char *name, size_t name_len,
    const char *value, size_t value_len, size_t max_bytes,
    struct smime_error *err)
{
	return add(list, name, name_len, value, value_len, 0, max_bytes, err);
}

void
header_clear(struct header_list *list)
{
	const struct header_field *field;
	size_t i;

	for (i = 0; i < list->count; i++) {
		field = &list->fields[i];
		wipe_free(field->name, field->name_len + 1 +
		    field->value_len);
	}
	free(list->fields);
	memset(list, 0, sizeof(*list));
}

bool
header_is(const struct header_field *field, const char *name)
{
	return lex_equal(field->name, field->name_len, name);
}

const struct header_field *
header_find(const struct header_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (header_is(&list->fields[i], name))
			return &list->fields[i];
	return NULL;
}

size_t
header_count(const struct header_list *list, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < list->count; i++)
		if (header_is(&list->fields[i], name))
			n++;
	return n;
}

/*
 * RFC 5322 2.2, 2.3: a CR that is alone is a line's end to some readers, so
 * that more fields, or a body, hide in the value of one; NUL is the end of all
 * to others (ATK-34).
 */
static bool
is_one_field(const struct header_field *field)
{
	return memchr(field->value, '\r', field->value_len) == NULL &&
	    memchr(field->value, '\0', field->value_len) == NULL;
}

bool
header_is_clear(const struct header_list *list)
{
	size_t i;

	if (list->odd_folds)
		return false;
	for (i = 0; i < list->count; i++)
		if (!is_one_field(&list->fields[i]))
			return false;
	return true;
}

/* The line at p: its length with and without the line end. */
struct line {
	const char	*p;
	size_t		 len;
	size_t		 full;
};

static void
take_line(const char *p, size_t len, struct line *out)
{
	const char *lf = memchr(p, '\n', len);

	out->p = p;
	out->full = lf != NULL ? (size_t)(lf - p) + 1 : len;
	out->len = lf != NULL ? (size_t)(lf - p) : len;
	if (lf != NULL && out->len > 0 && p[out->len - 1] == '\r')
		out->len--;
}

/*
 * field = field-name ":" ..., obs-fields allow white space before the colon
 * (RFC 5322 3.6.8, 4.5). Returns the length of the name, 0 for none, and in
 * *colon the offset of the colon.
 */
static size_t
field_name(const struct line *line, size_t *colon)
{
	size_t i, n = 0;

	while (n < line->len && line->p[n] > 0x20 && line->p[n] < 0x7f &&
	    line->p[n] != ':')
		n++;
	for (i = n; i < line->len; i++)
		if (line->p[i] != ' ' && line->p[i] != '\t')
			break;
	if (i == line->len || line->p[i] != ':')
		return 0;
	*colon = i;
	return n;
}

/*
 * Octets, from p on, of a field's first line and its continuations; *end
 * receives them without the last line end.
 */
static size_t
field_extent(const char *p, size_t len, size_t *end)
{
	struct line line;
	size_t off = 0;

	do {
		take_line(p + off, len - off, &line);
		*end = off + line.len;
		off += line.full;
	} while (off < len && (p[off] == ' ' || p[off] == '\t'));
	return off;
}

int
header_parse(struct header_list *list, const void *buf, size_t len,
    size_t max_bytes, size_t *used, bool *body, struct smime_error *err)
{
	const char *p = buf;
	struct line line;
	size_t off = 0, extent, name, colon = 0, end = 0;

	*used = 0;
	*body = false;
	while (off < len) {
		take_line(p + off, len - off, &line);
		if (line.len == 0) {
			*body = true;
			off += line.full;
			break;
		}
		if ((name = field_name(&line, &colon)) == 0) {
			if (off != 0 || line.len < 5 ||
			    memcmp(line.p, "From ", 5) != 0)
				break;
			off += line.full;	/* of an mbox */
			continue;
		}
		extent = field_extent(line.p, len - off, &end);
		if (add(list, line.p, name, line.p + colon + 1,
		    end - colon - 1, 1, max_bytes, err) == -1)
			return -1;
		off += extent;
	}
	*used = off;
	return 0;
}
