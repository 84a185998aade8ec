/*
 * authres.c - Authentication-Results fields that only we may write.
 */
#include <string.h>

#include "../smime/smime.h"
#include "editplan.h"

/*
 * Whether word occurs, without regard to case and to the octets that quoting
 * and folding put between others.
 */
static const unsigned char *
find_text(const unsigned char *p, const unsigned char *end, const char *word)
{
	const unsigned char *q;
	size_t i;

	for (; p < end; p++) {
		for (q = p, i = 0; q < end && word[i] != '\0'; q++) {
			if (i > 0 && *q != '\0' &&
			    strchr("\\\"\r\n", *q) != NULL)
				continue;
			if (lex_lower(*q) !=
			    lex_lower((unsigned char)word[i]))
				break;
			i++;
		}
		if (word[i] == '\0')
			return q;
	}
	return NULL;
}

/*
 * Whether "smime", with or without a version, and "=" occur anywhere, be it in
 * a comment or a reason: a reader less careful than RFC 8601 would find it.
 */
static bool
shows_smime(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *q;

	while ((p = find_text(p, end, "smime")) != NULL) {
		for (q = p; q < end && *q != '\0' &&
		    strchr(" \t\r\n\\\"/0123456789", *q) != NULL; q++)
			;
		if (q < end && *q == '=')
			return true;
	}
	return false;
}

/* A trailing dot is the same host (RFC 1034 3.1). */
static bool
same_id(const char *id, size_t len, const char *ours)
{
	size_t ours_len = strlen(ours), i;

	if (len > 0 && id[len - 1] == '.')
		len--;
	if (ours_len > 0 && ours[ours_len - 1] == '.')
		ours_len--;
	if (len != ours_len)
		return false;
	for (i = 0; i < len; i++)
		if (lex_lower((unsigned char)id[i]) !=
		    lex_lower((unsigned char)ours[i]))
			return false;
	return true;
}

#define ID_MAX	1024

/*
 * authserv-id = value
 * value = token / quoted-string		(RFC 8601 2.2, RFC 2045 5.1)
 *
 * In SMTPUTF8 mail a token may hold UTF-8 (RFC 8601 5). false: there is none.
 */
static bool
take_id(struct lex *lex, char *out, size_t *len)
{
	size_t n;

	*len = 0;
	if (!lex_cfws(lex, NULL) || lex->p == lex->end)
		return false;
	if (*lex->p == '"')
		return lex_quoted(lex, out, ID_MAX, len) && *len > 0 &&
		    *len < ID_MAX;
	for (;;) {
		if (lex->p < lex->end && *lex->p >= 0x80) {
			if (*len + 1 >= ID_MAX)
				return false;
			out[(*len)++] = (char)*lex->p++;
		} else if (lex_token(lex, out + *len, ID_MAX - *len, &n)) {
			if (n >= ID_MAX - *len)
				return false;
			*len += n;
		} else
			return *len > 0;
	}
}

/*
 * [ CFWS authres-version ]			(RFC 8601 2.2)
 *
 * Only version 1 exists; another is not ours to understand (HDR-10).
 */
static bool
take_version(struct lex *lex)
{
	char version[8];
	size_t n;

	if (!lex_cfws(lex, NULL))
		return false;
	if (!lex_token(lex, version, sizeof(version), &n))
		return true;
	return lex_equal(version, n < sizeof(version) ? n : 0, "1") &&
	    lex_cfws(lex, NULL);
}

/*
 * method = Keyword [ [CFWS] "/" [CFWS] method-version ]
 * methodspec = [CFWS] method [CFWS] "=" [CFWS] result	(RFC 8601 2.2)
 *
 * "none" stands for the whole in a field without results.
 */
static bool
take_method(struct lex *lex, bool *is_smime)
{
	char method[16];
	size_t n;

	*is_smime = false;
	if (!lex_token(lex, method, sizeof(method), &n))
		return false;
	*is_smime = n < sizeof(method) && lex_equal(method, n, "smime");
	if (!lex_cfws(lex, NULL))
		return false;
	if (lex->p == lex->end || *lex->p == ';')
		return n < sizeof(method) && lex_equal(method, n, "none");
	if (*lex->p == '/') {
		lex->p++;
		if (!lex_cfws(lex, NULL) || !lex_token(lex, NULL, 0, &n) ||
		    !lex_cfws(lex, NULL))
			return false;
	}
	if (lex->p == lex->end || *lex->p != '=')
		return false;
	lex->p++;
	return lex_cfws(lex, NULL) && lex_token(lex, NULL, 0, &n);
}

/*
 * [ CFWS reasonspec ] [ CFWS 1*propspec ]	(RFC 8601 2.2)
 *
 * Not taken apart: filters of the same host write unquoted values that the
 * grammar does not have, and their results must stay. false: a quoted string
 * or comment does not end.
 */
static bool
skip_properties(struct lex *lex)
{
	size_t n;

	for (;;) {
		if (!lex_cfws(lex, NULL))
			return false;
		if (lex->p == lex->end || *lex->p == ';')
			return true;
		if (*lex->p != '"')
			lex->p++;
		else if (!lex_quoted(lex, NULL, 0, &n))
			return false;
	}
}

/* Whether the results behind our id are well-formed and none is smime. */
static bool
is_harmless(struct lex *lex)
{
	bool is_smime;

	if (!take_version(lex) || lex->p == lex->end)
		return false;
	while (lex->p < lex->end) {
		if (*lex->p != ';')
			return false;
		lex->p++;
		if (!lex_cfws(lex, NULL))
			return false;
		if (lex->p == lex->end)
			return true;	/* a stray ';' at the end */
		if (!take_method(lex, &is_smime) || is_smime ||
		    !skip_properties(lex))
			return false;
	}
	return true;
}

/*
 * RFC 8601 5: a version that nobody has defined yet is not understood, whoever
 * claims to have written it (HDR-10).
 */
static bool
has_other_version(const struct lex *at)
{
	struct lex lex = *at;
	char version[8];
	size_t n, i;

	if (!lex_cfws(&lex, NULL) ||
	    !lex_token(&lex, version, sizeof(version), &n))
		return false;
	for (i = 0; i < n && i < sizeof(version) - 1; i++)
		if (version[i] < '0' || version[i] > '9')
			return false;
	return !lex_equal(version, n < sizeof(version) ? n : 0, "1");
}

/*
 * An id in Unicode may be the U-label form of ours (RFC 8601 5). Where ours
 * has an A-label any such id is taken for it.
 */
static bool
may_be_u_label(const char *id, size_t len, const char *ours)
{
	size_t i;

	if (find_text((const unsigned char *)ours,
	    (const unsigned char *)ours + strlen(ours), "xn--") == NULL)
		return false;
	for (i = 0; i < len; i++)
		if ((unsigned char)id[i] >= 0x80)
			return true;
	return false;
}

bool
authres_is_ours(const char *value, size_t len, const char *authserv_id)
{
	char id[ID_MAX];
	struct lex lex;
	size_t n;

	lex_init(&lex, value, len);
	if (!take_id(&lex, id, &n)) {
		lex_init(&lex, value, len);
		return find_text(lex.p, lex.end, authserv_id) != NULL;
	}
	return same_id(id, n, authserv_id) ||
	    may_be_u_label(id, n, authserv_id);
}

bool
authres_is_forged(const char *value, size_t len, const char *authserv_id)
{
	const unsigned char *p, *end;
	char id[ID_MAX];
	struct lex lex;
	size_t n;

	lex_init(&lex, value, len);
	p = lex.p;
	end = lex.end;
	if (!take_id(&lex, id, &n))
		return find_text(p, end, authserv_id) != NULL &&
		    find_text(p, end, "smime") != NULL;
	if (may_be_u_label(id, n, authserv_id) && shows_smime(lex.p, end))
		return true;
	if (!same_id(id, n, authserv_id))
		return has_other_version(&lex);
	return shows_smime(lex.p, end) || !is_harmless(&lex);
}
