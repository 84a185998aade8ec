/*
 * mailbox.c - the grammar of an address, RFC 5322 3.4 with its obsolete forms.
 *
 * All of it is parsed, so that what is valid but read differently by different
 * programs can be told from what is not valid.
 */
#include <string.h>

#include "parse.h"
#include "smime_header.h"

#define LABEL_MAX	63	/* RFC 1035 2.3.4 */

void
mailbox_init(struct mailbox *m, const void *text, size_t len)
{
	lex_init(&m->lex, text, len);
	m->display = (struct mailbox_text){ m->display_buf,
		sizeof(m->display_buf), 0 };
	m->local = (struct mailbox_text){ m->local_buf,
		sizeof(m->local_buf), 0 };
	m->domain = (struct mailbox_text){ m->domain_buf,
		sizeof(m->domain_buf), 0 };
	m->spaced = m->odd = m->too_long = false;
}

static void
put(struct mailbox *m, struct mailbox_text *text, int c)
{
	if (text->len < text->size)
		text->p[text->len++] = (char)c;
	else
		m->too_long = true;
}

/* Appends the quoted string at the cursor; false: it does not end. */
static bool
put_quoted(struct mailbox *m, struct mailbox_text *text)
{
	char buf[MAILBOX_DISPLAY_MAX];
	size_t i, len;

	if (!lex_quoted(&m->lex, buf, sizeof(buf), &len))
		return false;
	if (len >= sizeof(buf)) {
		m->too_long = true;
		len = sizeof(buf) - 1;
	}
	for (i = 0; i < len; i++)
		put(m, text, buf[i]);
	return true;
}

static int
peek(const struct mailbox *m)
{
	return m->lex.p < m->lex.end ? *m->lex.p : -1;
}

/*
 * atext (RFC 5322 3.2.3), with UTF8-non-ascii (RFC 6532 3.2)
 */
bool
mailbox_is_atext(int c)
{
	return c >= 0x80 || (c > 0x20 && c < 0x7f &&
	    strchr("()<>[]:;@\\,.\"", c) == NULL);
}

/* White space here is obsolete form: RFC 5322 4.4. */
static bool
skip_inside(struct mailbox *m)
{
	const unsigned char *before = m->lex.p;

	if (!lex_cfws(&m->lex, NULL))
		return false;
	if (m->lex.p != before)
		m->spaced = true;
	return true;
}

/*
 * phrase = 1*word / obs-phrase
 * obs-phrase = word *(word / "." / CFWS)		(RFC 5322 3.2.5, 4.1)
 *
 * Ends at the first character that cannot be part of it. "H. Budi" is so
 * common that the full stop counts as plain.
 */
static bool
take_phrase(struct mailbox *m)
{
	const unsigned char *start = m->lex.p, *before;
	int c;

	for (;;) {
		before = m->lex.p;
		if (!lex_cfws(&m->lex, &m->spaced))
			return false;
		if (m->lex.p != before && m->display.len > 0)
			put(m, &m->display, ' ');
		c = peek(m);
		if (c == '"') {
			if (!put_quoted(m, &m->display))
				return false;
		} else if (mailbox_is_atext(c) ||
		    (c == '.' && m->lex.p > start)) {
			put(m, &m->display, c);
			m->lex.p++;
		} else
			return true;
	}
}

/*
 * local-part = dot-atom / quoted-string / obs-local-part
 * obs-local-part = word *("." word)			(RFC 5322 3.4.1, 4.4)
 */
static bool
take_local(struct mailbox *m)
{
	for (;;) {
		if (peek(m) == '"') {
			m->odd = true;
			if (!put_quoted(m, &m->local))
				return false;
		} else {
			if (!mailbox_is_atext(peek(m)))
				return false;
			while (mailbox_is_atext(peek(m)))
				put(m, &m->local, *m->lex.p++);
		}
		if (!skip_inside(m))
			return false;
		if (peek(m) != '.')
			return m->local.len > 0;
		put(m, &m->local, *m->lex.p++);
		if (!skip_inside(m))
			return false;
	}
}

/*
 * domain-literal = "[" *([FWS] dtext) [FWS] "]"
 * dtext = %d33-90 / %d94-126				(RFC 5322 3.4.1)
 */
static bool
take_literal(struct mailbox *m)
{
	int c;

	m->odd = true;
	put(m, &m->domain, *m->lex.p++);
	for (;;) {
		if (!skip_inside(m))
			return false;
		c = peek(m);
		if (c <= 0x20 || c >= 0x7f || c == '[' || c == '\\')
			return false;
		put(m, &m->domain, *m->lex.p++);
		if (c == ']')
			return m->domain.len > 2;
	}
}

static bool
is_label_char(int c)
{
	c = lex_lower(c);
	return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '_';
}

/*
 * sub-domain = Let-dig [Ldh-str]			(RFC 5321 4.1.2)
 *
 * with U-label (RFC 6531 3.3) and, as in host names that exist, "_".
 */
static bool
take_label(struct mailbox *m)
{
	const unsigned char *start = m->lex.p;

	while (is_label_char(peek(m)))
		put(m, &m->domain, *m->lex.p++);
	if (m->lex.p - start > LABEL_MAX)
		m->too_long = true;
	return m->lex.p > start && *start != '-' && m->lex.p[-1] != '-';
}

/*
 * domain = dot-atom / domain-literal / obs-domain
 * obs-domain = atom *("." atom)			(RFC 5322 3.4.1, 4.4)
 *
 * White space behind it is not part of it.
 */
static bool
take_domain(struct mailbox *m)
{
	struct lex behind;
	bool comment = false;

	if (peek(m) == '[')
		return take_literal(m);
	for (;;) {
		if (!take_label(m))
			return false;
		behind = m->lex;
		if (!lex_cfws(&behind, &comment))
			return false;
		if (behind.p == behind.end || *behind.p != '.')
			return true;
		if (behind.p != m->lex.p)
			m->spaced = true;
		m->lex = behind;
		put(m, &m->domain, *m->lex.p++);
		if (!skip_inside(m))
			return false;
	}
}

/*
 * addr-spec = local-part "@" domain			(RFC 5322 3.4.1)
 */
bool
mailbox_addr_spec(struct mailbox *m)
{
	if (!take_local(m) || peek(m) != '@')
		return false;
	m->lex.p++;
	return skip_inside(m) && take_domain(m);
}

/*
 * obs-route = obs-domain-list ":"
 * obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])
 *							(RFC 5322 4.4)
 */
static bool
skip_route(struct mailbox *m)
{
	m->spaced = true;
	while (peek(m) != ':') {
		if (!skip_inside(m))
			return false;
		if (peek(m) == '@' || peek(m) == ',') {
			m->lex.p++;
			continue;
		}
		m->domain.len = 0;
		if (peek(m) != ':' && !take_domain(m))
			return false;
	}
	m->domain.len = 0;
	m->lex.p++;
	return skip_inside(m);
}

/*
 * angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr
 * obs-angle-addr = [CFWS] "<" obs-route addr-spec ">" [CFWS]
 */
static bool
take_angle(struct mailbox *m)
{
	m->lex.p++;
	if (!skip_inside(m))
		return false;
	if ((peek(m) == '@' || peek(m) == ',') && !skip_route(m))
		return false;
	if (!mailbox_addr_spec(m) || !skip_inside(m) || peek(m) != '>')
		return false;
	m->lex.p++;
	return true;
}

/*
 * from = "From:" (mailbox-list / address-list)		(RFC 6854)
 * mailbox = name-addr / addr-spec
 * name-addr = [display-name] angle-addr
 * group = display-name ":" [group-list] ";"		(RFC 5322 3.4)
 */
enum address_result
mailbox_take(struct mailbox *m)
{
	const unsigned char *start;

	if (!lex_cfws(&m->lex, &m->spaced))
		return ADDRESS_SYNTAX;
	if (peek(m) == -1)
		return ADDRESS_MISSING;
	start = m->lex.p;
	if (!take_phrase(m))
		return ADDRESS_SYNTAX;
	switch (peek(m)) {
	case ':':
		return m->display.len > 0 ? ADDRESS_GROUP : ADDRESS_SYNTAX;
	case '<':
		if (!take_angle(m))
			return ADDRESS_SYNTAX;
		break;
	case '@':
		m->lex.p = start;
		m->display.len = 0;
		m->too_long = false;
		if (!mailbox_addr_spec(m))
			return ADDRESS_SYNTAX;
		break;
	default:
		return ADDRESS_SYNTAX;
	}
	if (!lex_cfws(&m->lex, &m->spaced))
		return ADDRESS_SYNTAX;
	if (peek(m) == ',')
		return ADDRESS_SEVERAL;
	return peek(m) == -1 ? ADDRESS_OK : ADDRESS_SYNTAX;
}
