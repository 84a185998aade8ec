/*
 * mta_message.c - a message as an MTA keeps it: fields in order, body.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mta.h"

void
mta_message_clear(struct mta_message *message)
{
	size_t i;

	for (i = 0; i < message->count; i++) {
		free(message->fields[i].name);
		free(message->fields[i].value);
	}
	free(message->fields);
	free(message->body);
	memset(message, 0, sizeof(*message));
}

static int
add(struct mta_message *message, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct mta_field *fields, *field;
	size_t i, at, want;

	if (message->count == message->allocated) {
		want = message->allocated * 2 + 16;
		fields = reallocarray(message->fields, want, sizeof(*fields));
		if (fields == NULL)
			return -1;
		message->fields = fields;
		message->allocated = want;
	}
	field = &message->fields[message->count];
	field->name = strndup(name, name_len);
	field->value = malloc(value_len + 1);
	if (field->name == NULL || field->value == NULL) {
		free(field->name);
		free(field->value);
		return -1;
	}
	for (i = at = 0; i < value_len; i++) {
		if (value[i] == '\r' && i + 1 < value_len &&
		    value[i + 1] == '\n')
			continue;
		field->value[at++] = value[i];
	}
	field->value[at] = '\0';
	field->value_len = at;
	message->count++;
	return 0;
}

/* Octets of the field name at p, 0 when the line is no field. */
static size_t
name_length(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == ':')
			return i;
		/* RFC 5322 2.2: printable ASCII but the colon */
		if (p[i] < 33 || p[i] > 126)
			return 0;
	}
	return 0;
}

/* Octets up to and with the LF, or to the end. */
static size_t
line_length(const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);

	return lf == NULL ? len : (size_t)(lf - p) + 1;
}

int
mta_message_parse(struct mta_message *message, const void *buf, size_t len)
{
	const char *p = buf, *end = p + len;
	size_t name, line, field;

	memset(message, 0, sizeof(*message));
	if (len >= 5 && memcmp(p, "From ", 5) == 0)
		p += line_length(p, len);
	while (p < end) {
		line = line_length(p, (size_t)(end - p));
		if (p[0] == '\n' || (line >= 2 && memcmp(p, "\r\n", 2) == 0)) {
			p += line;
			message->has_body = true;
			break;
		}
		name = name_length(p, line);
		if (name == 0) {	/* the body begins without notice */
			message->has_body = true;
			break;
		}
		for (field = line; p + field < end &&
		    (p[field] == ' ' || p[field] == '\t'); field += line)
			line = line_length(p + field,
			    (size_t)(end - p) - field);
		line = field;
		if (field > 0 && p[field - 1] == '\n')
			field--;
		if (field > 0 && p[field - 1] == '\r' && field < line)
			field--;
		if (add(message, p, name, p + name + 1, field - name - 1) == -1)
			goto fail;
		p += line;
	}
	message->body_len = message->body_allocated = (size_t)(end - p);
	message->body = malloc(message->body_len + 1);
	if (message->body == NULL)
		goto fail;
	memcpy(message->body, p, message->body_len);
	return 0;
fail:
	mta_message_clear(message);
	return -1;
}

int
mta_message_copy(struct mta_message *to, const struct mta_message *from)
{
	const struct mta_field *field;
	size_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i < from->count; i++) {
		field = &from->fields[i];
		if (add(to, field->name, strlen(field->name), field->value,
		    field->value_len) == -1)
			goto fail;
	}
	to->body = malloc(from->body_len + 1);
	if (to->body == NULL)
		goto fail;
	memcpy(to->body, from->body, from->body_len);
	to->body_len = to->body_allocated = from->body_len;
	to->has_body = from->has_body;
	return 0;
fail:
	mta_message_clear(to);
	return -1;
}

const struct mta_field *
mta_message_find(const struct mta_message *message, const char *name)
{
	size_t i;

	for (i = 0; i < message->count; i++)
		if (strcasecmp(message->fields[i].name, name) == 0)
			return &message->fields[i];
	return NULL;
}

/* Value with its folds as CRLF; a bare CR in it stays as it is. */
static void
put_value(FILE *fp, const struct mta_field *field)
{
	size_t i;

	for (i = 0; i < field->value_len; i++) {
		if (field->value[i] == '\n')
			putc('\r', fp);
		putc(field->value[i], fp);
	}
	fputs("\r\n", fp);
}

int
mta_message_write(const struct mta_message *message, const char *file)
{
	FILE *fp;
	size_t i;
	int bad;

	fp = fopen(file, "w");
	if (fp == NULL)
		return -1;
	for (i = 0; i < message->count; i++) {
		fprintf(fp, "%s:", message->fields[i].name);
		put_value(fp, &message->fields[i]);
	}
	if (message->has_body || message->body_len > 0) {
		fputs("\r\n", fp);
		fwrite(message->body, 1, message->body_len, fp);
	}
	bad = ferror(fp);
	if (fclose(fp) != 0 || bad)
		return -1;
	return 0;
}

/* -------------------------------------------------------------- edits --- */

int
mta_message_body(struct mta_message *message, bool first, const void *buf,
    size_t len)
{
	unsigned char *body;
	size_t want;

	if (first) {
		message->body_len = 0;
		message->has_body = true;
	}
	if (message->body_len + len > message->body_allocated) {
		want = (message->body_len + len) * 2;
		body = realloc(message->body, want);
		if (body == NULL)
			return -1;
		message->body = body;
		message->body_allocated = want;
	}
	memcpy(message->body + message->body_len, buf, len);
	message->body_len += len;
	return 0;
}

/* The field at the 1-based index among those of that name, or count. */
static size_t
nth(const struct mta_message *message, const char *name, uint32_t index)
{
	size_t i;

	for (i = 0; i < message->count; i++)
		if (strcasecmp(message->fields[i].name, name) == 0 &&
		    --index == 0)
			break;
	return i;
}

static void
take_out(struct mta_message *message, size_t at)
{
	free(message->fields[at].name);
	free(message->fields[at].value);
	message->count--;
	memmove(&message->fields[at], &message->fields[at + 1],
	    (message->count - at) * sizeof(*message->fields));
}

/* Moves the last field to place at. */
static void
move_last(struct mta_message *message, size_t at)
{
	struct mta_field last = message->fields[message->count - 1];

	memmove(&message->fields[at + 1], &message->fields[at],
	    (message->count - 1 - at) * sizeof(*message->fields));
	message->fields[at] = last;
}

int
mta_message_edit(struct mta_message *message, enum mta_edit how,
    uint32_t index, const char *name, const char *value, bool space)
{
	char *text;
	size_t at = message->count, len;
	int rc;

	if (how == MTA_INSERT && index < message->count)
		at = index;
	if (how == MTA_CHANGE) {
		at = nth(message, name, index == 0 ? 1 : index);
		if (at < message->count)
			take_out(message, at);
		if (value[0] == '\0')
			return 0;
	}
	len = strlen(value);
	text = malloc(len + 2);
	if (text == NULL)
		return -1;
	snprintf(text, len + 2, "%s%s", space ? " " : "", value);
	rc = add(message, name, strlen(name), text, strlen(text));
	free(text);
	if (rc == 0)
		move_last(message, at);
	return rc;
}
