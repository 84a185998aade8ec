/*
 * results.c - what is said about a signature in header fields.
 *
 * Pure functions from a verdict to two values. Everything that a stranger may
 * have chosen (names and issuers in certificates, addresses) goes through one
 * of two writers here, which let nothing through that could end a field, a
 * string or a comment, and which cut (HDR-07). Reasons and sentences are
 * static texts of the library. A value that cannot be written as the grammar
 * wants it is left out.
 *
 * A line is folded before a parameter where it would pass 78 columns (RFC 5322
 * 2.1.1); the longest parameter is far below the 998 octets that no line may
 * pass (HDR-15).
 */
#include <stdio.h>
#include <string.h>

#include "../smime/smime.h"
#include "editplan.h"
#include "incoming.h"

#define COLUMNS		78
#define NAME_SHOWN	96	/* octets of a name or an organisation */
#define ISSUER_SHOWN	240	/* of a whole distinguished name */
#define PARAMETER_MAX	512

struct field {
	char	*out;
	size_t	 len;
	size_t	 column;
	bool	 whole;		/* nothing had to be left out */
};

static void
field_begin(struct field *field, char *out, const char *name)
{
	field->out = out;
	field->len = 0;
	field->column = strlen(name) + 2;
	field->whole = true;
	out[0] = '\0';
}

/*
 * One piece that is not broken, after a ';' where asked and a space or a fold
 * where it is not the first.
 */
static void
field_put(struct field *field, bool separator, const char *text)
{
	size_t len = strlen(text);

	if (field->len + len + 4 > RESULTS_MAX) {
		field->whole = false;
		return;
	}
	if (field->len > 0) {
		if (separator) {
			field->out[field->len++] = ';';
			field->column++;
		}
		if (field->column + 1 + len > COLUMNS) {
			field->out[field->len++] = '\n';
			field->out[field->len++] = '\t';
			field->column = 8;
		} else {
			field->out[field->len++] = ' ';
			field->column++;
		}
	}
	memcpy(field->out + field->len, text, len + 1);
	field->len += len;
	field->column += len;
}

/* -------------------------------------------------------- hostile text --- */

/*
 * Characters without a shape, and those that change the order of reading: a
 * name must look like what it is.
 */
static bool
is_shown(uint32_t c)
{
	return c >= 0xa1 && c != 0xad && c != 0x034f && c != 0x061c &&
	    (c < 0x115f || c > 0x1160) && (c < 0x17b4 || c > 0x17b5) &&
	    (c < 0x180b || c > 0x180f) && (c < 0x200b || c > 0x200f) &&
	    (c < 0x2028 || c > 0x202e) && (c < 0x2060 || c > 0x206f) &&
	    c != 0x3164 && (c < 0xd800 || c > 0xf8ff) &&
	    (c < 0xfe00 || c > 0xfe0f) && c != 0xfeff && c != 0xffa0 &&
	    (c < 0xfff0 || c > 0xffff) && c < 0xe0000;
}

/* Octets of the UTF-8 character at p, 0 when it is none (RFC 3629 4). */
static size_t
utf8_length(const unsigned char *p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;
	size_t i, n;

	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	c = *p & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c >= least[n] && is_shown(c) ? n : 0;
}

/*
 * A quoted-string (RFC 5322 3.2.4) of at most max octets of text: printable
 * ASCII with '"' and '\' escaped, UTF-8 where the transaction takes it, '?'
 * for all else.
 */
static void
quote(const char *text, size_t max, bool utf8, char *out)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n, len = 0, used = 0;

	out[len++] = '"';
	while (*p != '\0') {
		n = *p < 0x80 ? 1 : utf8 ? utf8_length(p) : 0;
		if (used + (n > 0 ? n : 1) > max) {
			memcpy(out + len, "...", 3);
			len += 3;
			break;
		}
		if (n > 1) {
			memcpy(out + len, p, n);
			len += n;
		} else if (n == 1 && *p >= 0x20 && *p != 0x7f) {
			if (*p == '"' || *p == '\\')
				out[len++] = '\\';
			out[len++] = (char)*p;
		} else
			out[len++] = '?';
		used += n > 0 ? n : 1;
		p += n > 0 ? n : 1;
		/* one '?' for what is left of a character that was refused */
		while (n == 0 && (*p & 0xc0) == 0x80)
			p++;
	}
	out[len++] = '"';
	out[len] = '\0';
}

/*
 * dot-atom "@" dot-atom (RFC 8601 2.2: [ local-part "@" ] domain-name), which
 * is all that may stand there without quotes (HDR-06). Of a quoted local part
 * nothing is said.
 */
static bool
is_bare_address(const char *address, bool utf8)
{
	const unsigned char *p = (const unsigned char *)address;
	unsigned ats = 0;
	char before = '.';
	size_t n;

	for (; *p != '\0'; p += n) {
		n = 1;
		if (*p == '@') {
			if (before == '.' || ++ats > 1)
				return false;
			before = '.';
			continue;
		}
		if (*p == '.') {
			if (before == '.')
				return false;
		} else if (*p >= 0x80) {
			if (!utf8 || (n = utf8_length(p)) == 0)
				return false;
		} else if ((*p < '0' || *p > '9') &&
		    (lex_lower(*p) < 'a' || lex_lower(*p) > 'z') &&
		    (ats > 0 ? *p != '-' && *p != '_' :
		    strchr("!#$%&'*+-/=?^_`{|}~", *p) == NULL))
			return false;
		before = (char)*p;
	}
	return ats == 1 && before != '.' && strlen(address) <= ADDRESS_MAX;
}

static bool
is_hex(const char *text)
{
	if (*text == '\0' || strlen(text) > SERIAL_TEXT_MAX)
		return false;
	for (; *text != '\0'; text++)
		if (lex_hex((unsigned char)*text) == -1)
			return false;
	return true;
}

/* ----------------------------------------------- Authentication-Results --- */

/*
 * An IMAP section (RFC 7281 3.2.1): digits and dots, and '/' between the
 * sections of a message inside a signature; with that it is no token (HDR-05).
 */
static void
put_part(struct field *field, const char *part)
{
	char text[80];

	if (*part == '\0' || strspn(part, "0123456789./") != strlen(part) ||
	    strlen(part) > 48)
		return;
	snprintf(text, sizeof(text), strchr(part, '/') != NULL ?
	    "body.smime-part=\"%s\"" : "body.smime-part=%s", part);
	field_put(field, false, text);
}

/*
 * RFC 7281 3.2: the address that is bound to the signature, or serial number
 * and issuer together where there is none. Only of a certificate that was
 * validated (HDR-14).
 */
static void
put_identity(struct field *field, const struct verdict *verdict, bool utf8)
{
	char quoted[2 * ISSUER_SHOWN + 8], text[PARAMETER_MAX + ADDRESS_MAX];

	if (!verdict->validated)
		return;
	if (is_bare_address(verdict->identifier, utf8)) {
		snprintf(text, sizeof(text), "body.smime-identifier=%s",
		    verdict->identifier);
		field_put(field, false, text);
		return;
	}
	if (!is_hex(verdict->serial) || verdict->issuer[0] == '\0')
		return;
	snprintf(text, sizeof(text), "body.smime-serial=%s",
	    verdict->serial);
	field_put(field, false, text);
	quote(verdict->issuer, ISSUER_SHOWN, utf8, quoted);
	snprintf(text, sizeof(text), "body.smime-issuer=%s", quoted);
	field_put(field, false, text);
}

/* A reason is said where it is not all good; the words are tokens. */
static void
put_result(struct field *field, enum verdict_word word, const char *reason)
{
	char text[128];

	snprintf(text, sizeof(text), "smime=%s", verdict_word_text(word));
	field_put(field, true, text);
	if (word == VERDICT_PASS || word == VERDICT_NONE)
		return;
	snprintf(text, sizeof(text), "reason=\"%s\"", reason);
	field_put(field, false, text);
}

/*
 * The layers inside the outermost one (HDR-18, VER-07). A program that looks
 * for "smime=pass" anywhere must not find it where the message did not pass.
 */
static void
put_layers(struct field *field, const struct verdict *verdict)
{
	const struct verdict_layer *layer;
	size_t i;

	for (i = 1; i < verdict->layer_count && i < VERDICT_LAYERS; i++) {
		layer = &verdict->layers[i];
		if (layer->word == VERDICT_PASS &&
		    verdict->word != VERDICT_PASS)
			put_result(field, VERDICT_POLICY, "inner-signature");
		else
			put_result(field, layer->word,
			    verify_reason_word(layer->reason));
		put_part(field, layer->part);
	}
}

bool
results_authres(const struct verdict *verdict, const char *authserv_id,
    bool utf8, char out[RESULTS_MAX])
{
	struct field field;

	field_begin(&field, out, RESULTS_HEADER);
	if (verdict->silent)
		return false;
	field_put(&field, false, authserv_id);
	put_result(&field, verdict->word,
	    verify_reason_word(verdict->reason));
	if (verdict->word == VERDICT_NONE)
		return field.whole;
	if (verdict->word == VERDICT_PASS && verdict->crl_soft_fail)
		field_put(&field, false, "(revocation not checked)");
	if (verdict->word == VERDICT_PASS && verdict->pinned)
		field_put(&field, false, "(pinned certificate)");
	put_part(&field, verdict->part);
	put_identity(&field, verdict, utf8);
	put_layers(&field, verdict);
	return field.whole;
}

/* ---------------------------------------------------- X-Verified-Sender --- */

/* Only of a word that is said to be good is anything good said. */
const char *
results_state(const struct verdict *verdict)
{
	if (verdict->word == VERDICT_PASS && !verdict->silent)
		return "verified";
	if (verdict->silent)
		return "unknown";
	if (verdict->word == VERDICT_NONE)
		return "unsigned";
	if (verdict->word == VERDICT_TEMPERROR)
		return "unknown";
	return "not-verified";
}

static void
put_quoted(struct field *field, const char *name, const char *value,
    size_t max, bool utf8)
{
	char quoted[2 * ADDRESS_MAX + 16], text[PARAMETER_MAX + 256];

	if (value[0] == '\0' || max > ADDRESS_MAX)
		return;
	quote(value, max, utf8, quoted);
	snprintf(text, sizeof(text), "%s=%s", name, quoted);
	field_put(field, true, text);
}

static void
put_sender(struct field *field, const struct verdict *verdict, bool utf8)
{
	if (is_bare_address(verdict->from, utf8))
		put_quoted(field, "address", verdict->from, ADDRESS_MAX, utf8);
	put_quoted(field, "name", verdict->common_name, NAME_SHOWN, utf8);
	put_quoted(field, "organisation", verdict->organisation, NAME_SHOWN,
	    utf8);
	put_quoted(field, "issuer", verdict->issuer_name, NAME_SHOWN, utf8);
	if (verdict->pinned)
		field_put(field, true, "pinned=yes");
	if (verdict->crl_soft_fail)
		field_put(field, true, "revocation=unchecked");
}

void
results_verified(const struct verdict *verdict, bool utf8, bool id,
    char out[RESULTS_MAX])
{
	const char *state = results_state(verdict);
	struct field field;
	char text[96];

	field_begin(&field, out, VERIFIED_SENDER_HEADER);
	field_put(&field, false, state);
	if (verdict->word == VERDICT_PASS && !verdict->silent)
		put_sender(&field, verdict, utf8);
	snprintf(text, sizeof(text), "reason=%s",
	    verify_reason_word(verdict->reason));
	field_put(&field, true, text);
	put_quoted(&field, "text", verify_reason_text(verdict->reason, id),
	    240, utf8);
}
