/*
 * addresslist.c - whether an address is among those that a message shows.
 *
 * address-list = (address *("," address))
 * address      = mailbox / group
 * group        = display-name ":" [group-list] ";"	(RFC 5322 3.4)
 *
 * An entry that is no mailbox counts as nobody: its recipient then passes for
 * hidden, which errs to the side of secrecy.
 */
#include <string.h>

#include "smime_header.h"

/*
 * Moves over one entry; *end is where it ends. What follows a group's ':' is
 * an entry of its own, without the group's name.
 */
static void
skip_entry(struct lex *lex, const unsigned char **start,
    const unsigned char **end)
{
	bool angle = false, literal = false;
	size_t len;
	int c;

	*start = lex->p;
	while (lex->p < lex->end) {
		c = *lex->p;
		*end = lex->p;
		if (c == '"' || c == '(') {
			if (c == '"' ? !lex_quoted(lex, NULL, 0, &len) :
			    !lex_cfws(lex, NULL))
				break;
			continue;
		}
		lex->p++;
		if (c == '<' || c == '>')
			angle = c == '<';
		else if (c == '[' || c == ']')
			literal = c == '[';
		else if (c == '\\' && lex->p < lex->end)
			lex->p++;
		else if (c == ':' && !angle && !literal)
			*start = lex->p;
		else if (!angle && !literal && (c == ',' || c == ';'))
			return;
	}
	*end = lex->p = lex->end;
}

static bool
entry_is(const unsigned char *start, const unsigned char *end,
    const char *address)
{
	char one[ADDRESS_MAX + 1];

	return address_mailbox((const char *)start, (size_t)(end - start),
	    one) && strcmp(one, address) == 0;
}

static bool
field_lists(const struct header_field *field, const char *address)
{
	const unsigned char *start, *end;
	struct lex lex;

	lex_init(&lex, field->value, field->value_len);
	while (lex.p < lex.end) {
		skip_entry(&lex, &start, &end);
		if (entry_is(start, end, address))
			return true;
	}
	return false;
}

bool
address_is_shown(const struct header_list *list, const char *address)
{
	const struct header_field *field;
	size_t i;

	for (i = 0; i < list->count; i++) {
		field = &list->fields[i];
		if ((header_is(field, "To") || header_is(field, "Cc")) &&
		    field_lists(field, address))
			return true;
	}
	return false;
}
