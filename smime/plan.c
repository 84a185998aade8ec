/*
 * plan.c - what becomes of a part so that its signature survives (RFC 8551
 * 3.1.2, 3.1.3). Facts in, decision out.
 */
#include "parse.h"
#include "scan.h"

const char *
plan_encoding(enum plan plan)
{
	switch (plan) {
	case PLAN_QP:
	case PLAN_REWRAP_QP:
		return "quoted-printable";
	case PLAN_BASE64:
	case PLAN_REWRAP_BASE64:
		return "base64";
	default:
		return "7bit";
	}
}

const char *
defect_text(unsigned defects)
{
	if (defects & DEFECT_NUL)
		return "holds NUL octets";
	if (defects & (DEFECT_BARE_CR | DEFECT_BARE_LF))
		return "holds a bare CR or LF";
	if (defects & DEFECT_LONG)
		return "has a line over 990 octets";
	if (defects & DEFECT_HIGH)
		return "holds 8-bit octets";
	return "is labelled 8bit or binary";
}

/*
 * Text stays readable while most of it is ASCII. Beyond one octet in six,
 * base64 (4/3) is the shorter form.
 */
static enum plan
encode(const struct part *part)
{
	if (!part->text || (part->defects & DEFECT_NUL) != 0 ||
	    part->high > part->octets / 6)
		return PLAN_BASE64;
	return PLAN_QP;
}

enum plan
plan_part(const struct part *part, bool quote_from, bool *possible, bool *must)
{
	bool dirty = (part->defects & DEFECTS_MUST) != 0;
	bool label = part->encoding == ENC_8BIT ||
	    part->encoding == ENC_BINARY;
	bool wish = quote_from && (part->defects & DEFECTS_SHOULD) != 0;

	*possible = true;
	*must = dirty || label;
	if (!*must && !wish)
		return PLAN_KEEP;
	/* An unknown encoding can neither be kept nor replaced. */
	if (part->frozen || part->encoding == ENC_UNKNOWN) {
		*possible = !*must;
		return PLAN_KEEP;
	}
	if (part->encoding == ENC_BASE64)
		return PLAN_REWRAP_BASE64;
	if (part->encoding == ENC_QP)
		return PLAN_REWRAP_QP;
	if (!dirty && !wish)
		return PLAN_RELABEL;
	return encode(part);
}

/* What makes it base64 is not undone by what comes. */
bool
plan_is_settled(const struct part *part)
{
	return (part->defects & DEFECTS_MUST) != 0 && !part->text &&
	    !part->frozen && part->encoding != ENC_BASE64 &&
	    part->encoding != ENC_QP && part->encoding != ENC_UNKNOWN;
}
