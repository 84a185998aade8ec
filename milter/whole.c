/*
 * whole.c - a message as it travels: header as an edit plan leaves it, empty
 * line, body. For copies that are handed over, and for the tools.
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "copying.h"
#include "editplan.h"

/* Its fields are short and many: they go out together. */
struct out {
	smime_sink	 sink;
	void		*arg;
	size_t		 len;
	unsigned char	 buf[4096];
};

static int
flush(struct out *out)
{
	size_t len = out->len;

	out->len = 0;
	return len == 0 ? 0 : out->sink(out->arg, out->buf, len);
}

static int
put(struct out *out, const char *text, size_t len)
{
	size_t n;

	while (len > 0) {
		n = sizeof(out->buf) - out->len;
		if (n > len)
			n = len;
		memcpy(out->buf + out->len, text, n);
		out->len += n;
		text += n;
		len -= n;
		if (out->len == sizeof(out->buf) && flush(out) == -1)
			return -1;
	}
	return 0;
}

/* Folds and the end of the line are CRLF. */
static int
put_field(struct out *out, const struct header_field *field)
{
	const char *p = field->value, *end = p + field->value_len, *lf;

	if (put(out, field->name, field->name_len) == -1 ||
	    put(out, ":", 1) == -1)
		return -1;
	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (put(out, p, (size_t)(lf - p)) == -1 ||
		    put(out, "\r\n", 2) == -1)
			return -1;
		p = lf + 1;
	}
	if (put(out, p, (size_t)(end - p)) == -1)
		return -1;
	return put(out, "\r\n", 2);
}

static int
put_header(struct out *out, const struct header_list *header)
{
	size_t i;

	for (i = 0; i < header->count; i++)
		if (put_field(out, &header->fields[i]) == -1)
			return -1;
	if (put(out, "\r\n", 2) == -1)
		return -1;
	return flush(out);
}

int
whole_write(const struct edit_plan *edits, const struct header_list *header,
    struct composed *composed, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct header_list edited = { .fields = NULL };
	struct out *out = NULL;
	int rc = -1;

	if (edit_plan_apply(edits, header, &edited, err) == -1)
		goto out;
	if ((out = malloc(sizeof(*out))) == NULL) {
		smime_error_set(err, "writing a message");
		goto out;
	}
	out->sink = sink;
	out->arg = arg;
	out->len = 0;
	if (put_header(out, &edited) == -1) {
		smime_error_setx(err, "the header was not taken");
		goto out;
	}
	rc = composed_write(composed, sink, arg, err);
out:
	wipe_free(out, sizeof(*out));
	header_clear(&edited);
	return rc;
}
