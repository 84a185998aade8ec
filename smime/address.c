/*
 * address.c - the one mailbox of From, and the form in which addresses are
 * compared.
 *
 * The From address chooses the key that signs, so no more than one reading is
 * accepted: neither what is not valid nor what programs read differently is
 * signed (SIG-02).
 */
#include <string.h>

#include "parse.h"
#include "smime_base.h"
#include "smime_header.h"

/* Whether a local part is a dot-atom, so that quotes would change nothing. */
static bool
is_dot_atom(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != '.') {
			if (!mailbox_is_atext((unsigned char)p[i]))
				return false;
		} else if (i == 0 || i + 1 == len || p[i - 1] == '.')
			return false;
	}
	return len > 0;
}

static bool
is_utf8(const void *text, size_t len)
{
	const unsigned char *p = text, *end = p + len;
	uint32_t c;

	while (p < end)
		if (!utf8_take(&p, end, &c))
			return false;
	return true;
}

/* Writes the canonical form; false when it is too long. */
static bool
put_canonical(const struct mailbox *m, char *out)
{
	bool quote = !is_dot_atom(m->local.p, m->local.len);
	size_t i, n = 0;
	int c;

	if (m->too_long)
		return false;
	if (quote)
		out[n++] = '"';
	for (i = 0; i < m->local.len; i++) {
		c = m->local.p[i];
		if (quote && (c == '"' || c == '\\'))
			out[n++] = '\\';
		out[n++] = (char)lex_lower(c);
	}
	if (quote)
		out[n++] = '"';
	if (n > MAILBOX_LOCAL_MAX)
		return false;
	out[n++] = '@';
	for (i = 0; i < m->domain.len; i++)
		out[n++] = (char)lex_lower(m->domain.p[i]);
	out[n] = '\0';
	return true;
}

/*
 * NUL and controls are nowhere valid (RFC 5322 4.1 has them as obsolete, and
 * they end strings, lines and terminals' patience); CR and LF only in a fold.
 */
static bool
is_clean(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == '\n') {
			if (i + 1 == len ||
			    (p[i + 1] != ' ' && p[i + 1] != '\t'))
				return false;
		} else if (((unsigned char)p[i] < 0x20 && p[i] != '\t') ||
		    p[i] == 0x7f)
			return false;
	}
	return true;
}

/* An address whose looks deceive, or which some readers would decode. */
static bool
is_deceptive(const char *address)
{
	size_t len = strlen(address);

	return display_is_deceptive(address, len) ||
	    memmem(address, len, "=?", 2) != NULL;
}

enum address_result
address_from(const struct header_list *list, char *out)
{
	const struct header_field *from = header_find(list, "From");
	enum address_result result;
	char address[ADDRESS_MAX + 1];
	struct mailbox m;
	bool odd = false;

	out[0] = '\0';
	if (from == NULL)
		return ADDRESS_MISSING;
	if (header_count(list, "From") > 1)
		return ADDRESS_SEVERAL_FIELDS;
	if (!is_clean(from->value, from->value_len))
		return ADDRESS_SYNTAX;
	mailbox_init(&m, from->value, from->value_len);
	if ((result = mailbox_take(&m)) != ADDRESS_OK)
		return result;
	if (!is_utf8(m.local.p, m.local.len) ||
	    !is_utf8(m.domain.p, m.domain.len))
		return ADDRESS_SYNTAX;
	if (!put_canonical(&m, address))
		return ADDRESS_TOO_LONG;
	odd = m.odd || m.spaced || is_deceptive(address) ||
	    !is_utf8(from->value, from->value_len);
	if (display_shows_other(m.display.p, m.display.len, address, &odd))
		result = ADDRESS_DISPLAY_NAME;
	else if (odd)
		result = ADDRESS_ODD_FORM;
	memcpy(out, address, strlen(address) + 1);
	return result;
}

bool
address_mailbox(const char *text, size_t len, char *out)
{
	struct mailbox m;

	out[0] = '\0';
	mailbox_init(&m, text, len);
	if (!is_clean(text, len) || mailbox_take(&m) != ADDRESS_OK ||
	    !is_utf8(m.local.p, m.local.len) ||
	    !is_utf8(m.domain.p, m.domain.len))
		return false;
	return put_canonical(&m, out);
}

bool
address_canonical(const char *text, size_t len, char *out)
{
	struct mailbox m;

	out[0] = '\0';
	if (len >= 2 && text[0] == '<' && text[len - 1] == '>') {
		text++;
		len -= 2;
	}
	mailbox_init(&m, text, len);
	if (!is_clean(text, len) || !is_utf8(text, len) ||
	    !mailbox_addr_spec(&m) || m.lex.p != m.lex.end || m.spaced)
		return false;
	if (!put_canonical(&m, out) || is_deceptive(out)) {
		out[0] = '\0';
		return false;
	}
	return true;
}

const char *
address_domain(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? at + 1 : NULL;
}

bool
address_is_safe_name(const char *address)
{
	const char *at = strrchr(address, '@'), *p;

	if (at == NULL || at == address || at[1] == '\0' ||
	    strlen(address) > 255 || address[0] == '.' || at[1] == '.' ||
	    strstr(address, "..") != NULL)
		return false;
	for (p = address; p < at; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) &&
		    strchr("!#$&'*+-=^_{|}~.", *p) == NULL)
			return false;
	for (p = at + 1; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) &&
		    strchr("-_.", *p) == NULL)
			return false;
	return true;
}

const char *
address_result_text(enum address_result result)
{
	switch (result) {
	case ADDRESS_OK:
		return "From holds one address";
	case ADDRESS_MISSING:
		return "there is no From field, or it is empty";
	case ADDRESS_SEVERAL_FIELDS:
		return "there is more than one From field";
	case ADDRESS_SEVERAL:
		return "From holds more than one address";
	case ADDRESS_GROUP:
		return "From holds a group";
	case ADDRESS_SYNTAX:
		return "From is not a valid address";
	case ADDRESS_ODD_FORM:
		return "From has a form that mail programs read differently";
	case ADDRESS_DISPLAY_NAME:
		return "the display name in From shows another address";
	case ADDRESS_TOO_LONG:
		return "From is too long";
	}
	return "From is not usable";
}
