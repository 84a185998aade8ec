/*
 * label.c - whether a message says that it is secret.
 *
 * Official letters carry a classification: Biasa or Terbuka (B), Terbatas (T),
 * Rahasia (R), Sangat Rahasia (SR). It stands alone in a field of its own, or
 * as a tag in the Subject. Only what is configured counts, and only whole: a
 * letter about a secret recipe is no secret letter.
 *
 *	Sifat: Sangat Rahasia		encryption.labels, the whole value
 *	Sifat: Sangat Rahasia (SR)	likewise, name or code
 *	Subject: Re: [SR] Rapat		encryption.subject_tags, anywhere
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

/* What is seen of a field, NUL-terminated; the caller frees it. */
static char *
perceived(const struct header_field *field)
{
	char *text;

	if ((text = malloc(field->value_len + 1)) == NULL)
		return NULL;
	memcpy(text, field->value, field->value_len);
	text[header_perceived(text, field->value_len)] = '\0';
	return text;
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/*
 * Whether the tag stands at text[0], the octet before being c: a tag that
 * begins or ends with a letter is no part of a longer word.
 */
static bool
is_tag(const char *text, const char *tag, int before)
{
	size_t len = strlen(tag);
	int first = lex_lower((unsigned char)tag[0]);
	int last = lex_lower((unsigned char)tag[len - 1]);

	if (strlen(text) < len || !lex_equal(text, len, tag))
		return false;
	return !(is_word(first) && is_word(before)) &&
	    !(is_word(last) && is_word((unsigned char)text[len]));
}

/* Whether perceived text holds the tag. */
static bool
has_tag(const char *text, const char *tag)
{
	const char *p;

	for (p = text; tag[0] != '\0' && *p != '\0'; p++)
		if (is_tag(p, tag, p == text ? ' ' : (unsigned char)p[-1]))
			return true;
	return false;
}

static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && **text == ' ') {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && (*text)[*len - 1] == ' ')
		(*len)--;
}

/* Equal but for case and for how many spaces stand between words. */
static bool
same_words(const char *text, size_t len, const char *label)
{
	size_t i;

	trim(&text, &len);
	for (i = 0; i < len; i++) {
		if (lex_lower((unsigned char)text[i]) !=
		    lex_lower((unsigned char)*label))
			return false;
		label++;
		while (text[i] == ' ' && text[i + 1] == ' ')
			i++;
	}
	return *label == '\0' && len > 0;
}

/* value = label / label "(" label ")" */
static bool
is_value(const char *text, const char *label)
{
	size_t len = strlen(text);
	const char *open;

	trim(&text, &len);
	if (same_words(text, len, label))
		return true;
	if (len == 0 || text[len - 1] != ')' ||
	    (open = memrchr(text, '(', len)) == NULL)
		return false;
	return same_words(text, (size_t)(open - text), label) ||
	    same_words(open + 1, (size_t)(text + len - 1 - (open + 1)), label);
}

static const char *
find_in(const struct header_field *field, const struct string_list *wanted,
    bool (*matches)(const char *, const char *), bool *failed)
{
	const char *found = NULL;
	char *text;
	size_t i;

	if ((text = perceived(field)) == NULL) {
		*failed = true;
		return NULL;
	}
	for (i = 0; i < wanted->count && found == NULL; i++)
		if (matches(text, wanted->items[i]))
			found = wanted->items[i];
	wipe_free(text, field->value_len + 1);
	return found;
}

static bool
is_label_field(const struct conf *conf, const struct header_field *field)
{
	size_t i;

	for (i = 0; i < conf->label_fields.count; i++)
		if (header_is(field, conf->label_fields.items[i]))
			return true;
	return false;
}

const char *
label_find(const struct conf *conf, const struct header_list *header)
{
	const struct header_field *field;
	const char *found = NULL;
	bool failed = false;
	size_t i;

	for (i = 0; i < header->count && found == NULL && !failed; i++) {
		field = &header->fields[i];
		if (conf->subject_tags.count > 0 && header_is(field, "Subject"))
			found = find_in(field, &conf->subject_tags,
			    has_tag, &failed);
		if (found == NULL && !failed && conf->labels.count > 0 &&
		    is_label_field(conf, field))
			found = find_in(field, &conf->labels, is_value,
			    &failed);
	}
	/* without memory the doubt goes to the side that encrypts */
	return failed ? "?" : found;
}

/* Where the tag stands in text as it was sent, or NULL. */
static char *
find_tag(char *text, const char *tag)
{
	char *p;

	for (p = text; *p != '\0'; p++)
		if (is_tag(p, tag, p == text ? ' ' : (unsigned char)p[-1]))
			return p;
	return NULL;
}

bool
label_remove_tag(struct header_list *header, const char *tag)
{
	struct header_field *field;
	size_t i, len;
	char *at, *end, *first;

	if (header_count(header, "Subject") != 1)
		return false;
	for (i = 0; !header_is(&header->fields[i], "Subject"); i++)
		continue;
	field = &header->fields[i];
	if (memchr(field->value, '\0', field->value_len) != NULL ||
	    (at = find_tag(field->value, tag)) == NULL)
		return false;
	end = at + strlen(tag);
	end += strspn(end, " \t\r\n");	/* a fold is white space too */
	/* but a line of nothing else is forbidden (RFC 5322 3.2.2) */
	first = field->value + (field->value[0] == ' ');
	while (*end == '\0' && at > first && strchr(" \t\r\n", at[-1]) != NULL)
		at--;
	len = strlen(end);
	memmove(at, end, len + 1);
	header->bytes -= (size_t)(end - at);
	field->value_len -= (size_t)(end - at);
	return true;
}
