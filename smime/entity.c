/*
 * entity.c - the header of the part that is signed: the message's Content-*
 * fields, and with header protection copies of what the composer wrote
 * (RFC 9788 5.2.1, hp="clear"), with header confidentiality also a list of what
 * is to be seen outside (hp="cipher", HP-Outer).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "entity.h"
#include "octets.h"
#include "parse.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

#define HP_OUTER	"HP-Outer"

static bool
is_content(const struct header_field *field)
{
	return field->name_len >= 8 &&
	    strncasecmp(field->name, "Content-", 8) == 0;
}

/* ------------------------------------------------------------ checking --- */

/* What is wrong with a value once it is lines of an entity. */
struct flaws {
	bool	 high;		/* octets above 127 */
	bool	 control;	/* control characters but TAB and folds */
	bool	 long_line;
	bool	 torn;		/* an LF that is no fold: another field or the
				 * end of the header would come of it */
	bool	 blank;		/* a line of white space alone */
};

static void
check_line(const char *p, size_t len, size_t before, struct flaws *out)
{
	bool blank = true;
	size_t i;

	if (before + len > LINE_MAX_OCTETS)
		out->long_line = true;
	for (i = 0; i < len; i++) {
		if ((unsigned char)p[i] > 0x7f)
			out->high = true;
		else if (p[i] == 0x7f || (p[i] < 0x20 && p[i] != '\t'))
			out->control = true;
		if (p[i] != ' ' && p[i] != '\t')
			blank = false;
	}
	if (before == 0 && blank)
		out->blank = true;
}

/* before: octets that stand before the name. */
static void
check_field(const struct header_field *field, size_t before,
    struct flaws *out)
{
	const char *p = field->value, *end = p + field->value_len, *lf;

	before += field->name_len + 1;
	memset(out, 0, sizeof(*out));
	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		check_line(p, (size_t)(lf - p), before, out);
		before = 0;
		p = lf + 1;
		if (p == end || (*p != ' ' && *p != '\t'))
			out->torn = true;
	}
	check_line(p, (size_t)(end - p), before, out);
}

/* Whether the copy inside has an HP-Outer with its value beside it. */
static bool
is_told(const struct canon_settings *settings,
    const struct header_field *field)
{
	return settings->confidential && protect_wants(field) &&
	    outer_field(field, settings->hide_subject) == OUTER_KEPT;
}

/*
 * NULL, or why this field cannot be copied under the signature. The value of
 * HP-Outer is ASCII whatever the transaction declared (RFC 9788 2.2).
 */
static const char *
uncopyable(const struct canon_settings *settings,
    const struct header_field *field)
{
	bool told = is_told(settings, field);
	bool smtputf8 = settings->smtputf8 && !told;
	struct flaws flaws;

	check_field(field, told ? strlen(HP_OUTER ": ") : 0, &flaws);
	if (flaws.torn || flaws.control || flaws.blank)
		return "a header field holds control characters";
	if (flaws.long_line)
		return "a header field has a line over 990 octets";
	if (flaws.high && !smtputf8)
		return "a header field holds 8-bit characters";
	return NULL;
}

/*
 * Confidentiality also copies what it takes away outside, whoever wrote it: it
 * would be lost otherwise.
 */
static bool
is_copied(const struct canon_settings *settings,
    const struct header_field *field)
{
	return protect_wants(field) || (settings->confidential &&
	    outer_field(field, settings->hide_subject) == OUTER_REMOVED);
}

/* NULL, or why this message goes without header protection. */
static const char *
unprotectable(const struct canon_settings *settings,
    const struct header_list *header)
{
	const char *why;
	size_t i;

	if (!settings->header_protection)
		return "switched off";
	for (i = 0; i < header->count; i++) {
		if (header_is(&header->fields[i], HP_OUTER))
			return "the message has an HP-Outer field";
		if (!is_copied(settings, &header->fields[i]))
			continue;
		why = uncopyable(settings, &header->fields[i]);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static unsigned
content_defects(const struct header_field *field, bool smtputf8)
{
	struct flaws flaws;
	unsigned defects = 0;

	check_field(field, 0, &flaws);
	if (flaws.high && !smtputf8)
		defects |= DEFECT_HIGH;
	if (flaws.control)
		defects |= DEFECT_BARE_CR;
	if (flaws.long_line)
		defects |= DEFECT_LONG;
	return defects;
}

/* -------------------------------------------------------------- writing --- */

/* Octets of a field as lines, with its CRLF. */
static size_t
lines_size(size_t name_len, const char *value, size_t value_len)
{
	size_t n = name_len + 1 + value_len + 2, i;

	for (i = 0; i < value_len; i++)
		n += value[i] == '\n';
	return n;
}

static int
put_field(struct entity *entity, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	size_t size = lines_size(name_len, value, value_len), i;
	unsigned char *p;

	if (!wipe_room(&entity->lines, &entity->size, entity->len, size))
		return -1;
	p = entity->lines + entity->len;
	entity->len += size;
	memcpy(p, name, name_len);
	p += name_len;
	*p++ = ':';
	for (i = 0; i < value_len; i++) {
		if (value[i] == '\n')
			*p++ = '\r';
		*p++ = (unsigned char)value[i];
	}
	*p++ = '\r';
	*p = '\n';
	return 0;
}

static int
keep_content(struct entity *entity, const struct header_field *field,
    bool smtputf8, struct smime_error *err)
{
	struct flaws flaws;

	check_field(field, 0, &flaws);
	if (flaws.torn)
		return smime_error_setx(err, "a Content- field is broken");
	entity->defects |= content_defects(field, smtputf8);
	return header_add(&entity->content, field->name, field->name_len,
	    field->value, field->value_len, 0, err);
}

/*
 * The first Content-Type gets hp, or loses one that would be a lie (RFC 9788
 * 2.1.1: only who protects may set it).
 */
static int
put_type(struct entity *entity, const struct header_field *field)
{
	struct mime_type type;
	char *value = NULL;
	int rc;

	entity->typed = true;
	mime_type_parse(field->value, field->value_len, &type);
	if (entity->hp != NULL)
		value = mime_type_with_hp(field->value, field->value_len,
		    entity->hp);
	else if (type.has_hp)
		value = mime_type_with_hp(field->value, field->value_len,
		    NULL);
	if (value == NULL && (entity->hp != NULL ||
	    (type.has_hp && errno == ENOMEM)))
		return -1;
	rc = put_field(entity, field->name, field->name_len,
	    value != NULL ? value : field->value,
	    value != NULL ? strlen(value) : field->value_len);
	free(value);
	return rc;
}

/* "HP-Outer: Name: value", of what stays outside (RFC 9788 2.2). */
static int
put_outer(struct entity *entity, const struct header_field *field,
    const char *value, size_t value_len)
{
	size_t len = 1 + field->name_len + 1 + value_len;
	char *text;
	int rc;

	if ((text = malloc(len + 1)) == NULL)
		return -1;
	text[0] = ' ';
	memcpy(text + 1, field->name, field->name_len);
	text[1 + field->name_len] = ':';
	memcpy(text + 2 + field->name_len, value, value_len);
	rc = put_field(entity, HP_OUTER, strlen(HP_OUTER), text, len);
	wipe_free(text, len);
	return rc;
}

/* A Subject that is there twice is hidden as one (editplan.c). */
static int
put_outers(struct entity *entity, const struct canon_settings *settings,
    const struct header_list *header)
{
	const struct header_field *field;
	bool hidden = false;
	size_t i;
	int rc = 0;

	for (i = 0; i < header->count && rc == 0; i++) {
		field = &header->fields[i];
		if (!protect_wants(field))
			continue;
		switch (outer_field(field, settings->hide_subject)) {
		case OUTER_KEPT:
			rc = put_outer(entity, field, field->value,
			    field->value_len);
			break;
		case OUTER_HIDDEN:
			if (!hidden)
				rc = put_outer(entity, field,
				    " " HIDDEN_SUBJECT,
				    strlen(" " HIDDEN_SUBJECT));
			hidden = true;
			break;
		case OUTER_REMOVED:
			break;
		}
	}
	return rc;
}

static int
put_all(struct entity *entity, const struct canon_settings *settings,
    const struct header_list *header)
{
	const struct header_field *field;
	size_t i;
	int rc;

	for (i = 0; i < header->count; i++) {
		field = &header->fields[i];
		if (!entity->typed && header_is(field, "Content-Type"))
			rc = put_type(entity, field);
		else if (is_content(field) ||
		    (entity->hp != NULL && is_copied(settings, field)))
			rc = put_field(entity, field->name, field->name_len,
			    field->value, field->value_len);
		else
			continue;
		if (rc == -1)
			return -1;
	}
	return entity->hp != NULL && settings->confidential ?
	    put_outers(entity, settings, header) : 0;
}

/* -1 without memory: that is no reason to leave anything out. */
static int
read_type(const struct header_list *header, const char **why,
    struct smime_error *err)
{
	const struct header_field *field;
	char *value;

	if ((field = header_find(header, "Content-Type")) == NULL)
		return 0;
	value = mime_type_with_hp(field->value, field->value_len, "clear");
	if (value == NULL && errno == ENOMEM)
		return smime_error_set(err, "reading the Content-Type field");
	if (value == NULL)
		*why = "the Content-Type field cannot be taken apart";
	free(value);
	return 0;
}

int
entity_read(struct entity *out, const struct canon_settings *settings,
    const struct header_list *header, struct smime_error *err)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < header->count; i++)
		if (is_content(&header->fields[i]) && keep_content(out,
		    &header->fields[i], settings->smtputf8, err) == -1)
			return -1;
	out->unprotected = unprotectable(settings, header);
	if (out->unprotected == NULL &&
	    read_type(header, &out->unprotected, err) == -1)
		return -1;
	if (out->unprotected == NULL)
		out->hp = settings->confidential ? "cipher" : "clear";
	if (put_all(out, settings, header) == -1)
		return smime_error_set(err, "building the signed header");
	return 0;
}

void
entity_clear(struct entity *entity)
{
	header_clear(&entity->content);
	wipe_free(entity->lines, entity->size);
	entity->lines = NULL;
	entity->len = entity->size = 0;
}

/* Collects what rewrite_header hands out. */
struct text {
	unsigned char	*buf;
	size_t		 len;
	size_t		 size;
};

static int
text_add(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	if (!wipe_room(&text->buf, &text->size, text->len, len))
		return -1;
	if (len > 0)
		memcpy(text->buf + text->len, buf, len);
	text->len += len;
	return 0;
}

static int
text_add_string(struct text *text, const char *string)
{
	return text_add(text, (const unsigned char *)string, strlen(string));
}

/*
 * RFC 2045 5.2 says what a message without Content-Type is; said aloud, no
 * reader has to guess (SIG-18).
 */
static int
add_type(const struct entity *entity, bool display, const char *charset,
    struct text *text)
{
	if (entity->typed)
		return 0;
	if (text_add_string(text, "Content-Type: text/plain; charset=") == -1 ||
	    text_add_string(text, charset) == -1)
		return -1;
	if (entity->hp != NULL && (text_add_string(text, "; hp=\"") == -1 ||
	    text_add_string(text, entity->hp) == -1 ||
	    text_add_string(text, "\"") == -1))
		return -1;
	if (display && text_add_string(text, "; " LEGACY_PARAM "=\"1\"") == -1)
		return -1;
	return text_add_string(text, "\r\n");
}

int
entity_header(const struct entity *entity, enum plan plan, bool display,
    const char *charset, unsigned char **out, size_t *len,
    struct smime_error *err)
{
	struct text text = { NULL, 0, 0 };

	if (rewrite_header(entity->lines, entity->len, plan,
	    display && entity->typed, text_add, &text) == -1 ||
	    add_type(entity, display, charset, &text) == -1 ||
	    text_add_string(&text, "\r\n") == -1) {
		wipe_free(text.buf, text.size);
		return smime_error_set(err, "building the signed header");
	}
	*out = text.buf;
	*len = text.len;
	return 0;
}
