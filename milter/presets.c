/*
 * presets.c - kinds of mail that a rule can name without spelling out how they
 * are recognised (SIG-05).
 */
#include <string.h>
#include <strings.h>

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

/* Whether the first word of a field's value is word. */
static bool
value_begins(const struct header_field *field, const char *word)
{
	const char *p = field->value;
	size_t len = strlen(word), left = field->value_len;

	while (left > 0 && strchr(" \t\r\n", *p) != NULL) {
		p++;
		left--;
	}
	return left >= len && strncasecmp(p, word, len) == 0 &&
	    (left == len || strchr(" \t\r\n;(,", p[len]) != NULL);
}

static bool
field_says(const struct header_list *header, const char *name,
    const char *word)
{
	size_t i;

	for (i = 0; i < header->count; i++)
		if (header_is(&header->fields[i], name) &&
		    value_begins(&header->fields[i], word))
			return true;
	return false;
}

/*
 * Delivery and disposition notifications: the null sender (RFC 5321 4.5.5) or
 * a report (RFC 6522) at the top.
 */
static enum answer
is_bounce(const struct facts *facts)
{
	char type[128];

	if (facts->sender[0] == '\0')
		return ANSWER_YES;
	mime_media_type(facts->header, type, sizeof(type));
	return strcmp(type, "multipart/report") == 0 ? ANSWER_YES : ANSWER_NO;
}

/* RFC 3834 5: anything but "no"; the others are older custom. */
static enum answer
is_auto_reply(const struct header_list *header)
{
	const struct header_field *field;

	field = header_find(header, "Auto-Submitted");
	if (field != NULL && !value_begins(field, "no"))
		return ANSWER_YES;
	if (header_find(header, "X-Autoreply") != NULL ||
	    header_find(header, "X-Autorespond") != NULL ||
	    field_says(header, "Precedence", "auto_reply"))
		return ANSWER_YES;
	return ANSWER_NO;
}

/* RFC 2919 and RFC 2369. */
static enum answer
is_list(const struct header_list *header)
{
	static const char *const names[] = { "List-Id", "List-Post",
	    "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Owner",
	    "List-Archive" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (header_find(header, names[i]) != NULL)
			return ANSWER_YES;
	return field_says(header, "Precedence", "list") ?
	    ANSWER_YES : ANSWER_NO;
}

/*
 * An invitation (RFC 6047) is at the top, or one of the alternatives inside:
 * only a multipart or a forwarded message has to be read to know.
 */
static enum answer
is_meeting(const struct facts *facts)
{
	char type[128];

	if (field_says(facts->header, "Content-Class",
	    "urn:content-classes:calendarmessage"))
		return ANSWER_YES;
	mime_media_type(facts->header, type, sizeof(type));
	if (strcmp(type, "text/calendar") == 0)
		return ANSWER_YES;
	if (strncmp(type, "multipart/", 10) != 0 &&
	    strncmp(type, "message/", 8) != 0)
		return ANSWER_NO;
	/* What is signed or encrypted already is nobody's to look into. */
	if (mime_protection(facts->header) != MIME_PLAIN)
		return ANSWER_NO;
	if (facts->size == UINT64_MAX)
		return ANSWER_UNKNOWN;
	return facts->has_calendar ? ANSWER_YES : ANSWER_NO;
}

enum answer
preset_matches(enum preset preset, const struct facts *facts)
{
	switch (preset) {
	case PRESET_NONE:
		return ANSWER_YES;
	case PRESET_BOUNCE:
		return is_bounce(facts);
	case PRESET_AUTO_REPLY:
		return is_auto_reply(facts->header);
	case PRESET_LIST:
		return is_list(facts->header);
	case PRESET_MEETING:
		return is_meeting(facts);
	}
	return ANSWER_NO;
}
