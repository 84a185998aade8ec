/*
 * address.c - the one mailbox of From, and the form in which addresses are
 * compared.
 *
 * The From address chooses the key that signs, so this parser accepts no more
 * than one reading: what is valid but read differently by different programs
 * is told from what is not valid, and neither is signed (SIG-02).
 */
#include <string.h>

#include "internal.h"

#define LOCAL_MAX	64	/* RFC 5321 4.5.3.1.1 */
#define DOMAIN_MAX	255	/* RFC 5321 4.5.3.1.2 */
#define LABEL_MAX	63	/* RFC 1035 2.3.4 */
#define DISPLAY_MAX	2048	/* ours; octets before decoding */

struct text {
	char	*p;
	size_t	 size;
	size_t	 len;		/* may pass size: it was cut */
};

struct mailbox {
	struct lex	 lex;
	struct text	 display;	/* unquoted, words as they stand */
	struct text	 local;		/* unquoted */
	struct text	 domain;
	bool		 spaced;	/* comment, route, white space inside */
	bool		 odd;		/* quoted local part, literal */
	bool		 too_long;
	char		 display_buf[DISPLAY_MAX];
	char		 local_buf[LOCAL_MAX + 1];
	char		 domain_buf[DOMAIN_MAX + 1];
};

static void
mailbox_init(struct mailbox *m, const void *text, size_t len)
{
	lex_init(&m->lex, text, len);
	m->display = (struct text){ m->display_buf, DISPLAY_MAX, 0 };
	m->local = (struct text){ m->local_buf, LOCAL_MAX, 0 };
	m->domain = (struct text){ m->domain_buf, DOMAIN_MAX, 0 };
	m->spaced = m->odd = m->too_long = false;
}

static void
put(struct mailbox *m, struct text *text, int c)
{
	if (text->len < text->size)
		text->p[text->len++] = (char)c;
	else
		m->too_long = true;
}

/* Appends the quoted string at the cursor; false: it does not end. */
static bool
put_quoted(struct mailbox *m, struct text *text)
{
	char buf[DISPLAY_MAX];
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
static bool
is_atext(int c)
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
		} else if (is_atext(c) || (c == '.' && m->lex.p > start)) {
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
			if (!is_atext(peek(m)))
				return false;
			while (is_atext(peek(m)))
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
static bool
take_addr_spec(struct mailbox *m)
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
	if (!take_addr_spec(m) || !skip_inside(m) || peek(m) != '>')
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
static enum address_result
take_mailbox(struct mailbox *m)
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
		if (!take_addr_spec(m))
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

/* Whether a local part is a dot-atom, so that quotes would change nothing. */
static bool
is_dot_atom(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != '.') {
			if (!is_atext((unsigned char)p[i]))
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
	if (n > LOCAL_MAX)
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
	if ((result = take_mailbox(&m)) != ADDRESS_OK)
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
	    !take_addr_spec(&m) || m.lex.p != m.lex.end || m.spaced)
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
