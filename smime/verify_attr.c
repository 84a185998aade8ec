/*
 * verify_attr.c - the attributes of a SignerInfo (RFC 5652 5.3, 11).
 *
 * Read where they stand and in their order, which need not be that of DER.
 * Each kind at most once, and of those that matter exactly one value (VER-12,
 * VER-13). Unsigned attributes count for nothing, but must not hold what is to
 * be signed.
 */
#include <string.h>

#include "der.h"
#include "smime_verify.h"
#include "verify.h"

#define ATTRIBUTES_MAX	48
#define TAG_OID		0x06
#define TAG_OCTETS	0x04
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31

/* signingCertificate (RFC 2634 5.4), by SHA-1. */
static const unsigned char ess_v1[] = { 0x06, 11, 0x2a, 0x86, 0x48, 0x86,
	0xf7, 0x0d, 1, 9, 16, 2, 12 };

enum slot { SLOT_CONTENT_TYPE, SLOT_MESSAGE_DIGEST, SLOT_SIGNING_TIME,
	SLOT_ESS, SLOT_ESS2, SLOT_PROTECTION, SLOT_CAPABILITIES,
	SLOT_ENCRYPTION_KEY, SLOT_OTHER };

static enum slot
slot_of(const struct der *type)
{
	static const struct {
		enum oid	oid;
		enum slot	slot;
	} slots[] = {
		{ OID_CONTENT_TYPE,		SLOT_CONTENT_TYPE },
		{ OID_MESSAGE_DIGEST,		SLOT_MESSAGE_DIGEST },
		{ OID_SIGNING_TIME,		SLOT_SIGNING_TIME },
		{ OID_SIGNING_CERTIFICATE_V2,	SLOT_ESS2 },
		{ OID_ALGORITHM_PROTECTION,	SLOT_PROTECTION },
		{ OID_CAPABILITIES,		SLOT_CAPABILITIES },
		{ OID_ENCRYPTION_KEY,		SLOT_ENCRYPTION_KEY },
	};
	struct der want;
	size_t i;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		want = oid(slots[i].oid);
		if (der_equal(type, &want))
			return slots[i].slot;
	}
	return der_is(type, ess_v1, sizeof(ess_v1)) ? SLOT_ESS : SLOT_OTHER;
}

static struct der *
place(struct signer_info *info, enum slot slot)
{
	switch (slot) {
	case SLOT_CONTENT_TYPE:
		return &info->content_type;
	case SLOT_MESSAGE_DIGEST:
		return &info->message_digest;
	case SLOT_SIGNING_TIME:
		return &info->signing_time;
	case SLOT_ESS:
		return &info->ess;
	case SLOT_ESS2:
		return &info->ess2;
	case SLOT_PROTECTION:
		return &info->protection;
	case SLOT_CAPABILITIES:
		return &info->capabilities;
	case SLOT_ENCRYPTION_KEY:
		return &info->encryption_key;
	default:
		return NULL;
	}
}

/* Attribute ::= SEQUENCE { attrType, attrValues SET OF }: the first value. */
static bool
take_attribute(struct der *in, struct der *type, struct der *value,
    size_t *count)
{
	struct der attribute, values, unused, one;
	int tag;

	*count = 0;
	if (!der_take(in, TAG_SEQUENCE, &attribute, NULL) ||
	    !der_take(&attribute, TAG_OID, &unused, type) ||
	    !der_take(&attribute, TAG_SET, &values, NULL) ||
	    attribute.len != 0)
		return false;
	while ((tag = der_peek(&values)) != -1) {
		if (!der_take(&values, (unsigned char)tag, &unused, &one))
			return false;
		if ((*count)++ == 0)
			*value = one;
	}
	return true;
}

/* info NULL: unsigned attributes. */
static bool
read_set(struct der set, struct signer_info *info)
{
	struct der types[ATTRIBUTES_MAX], value, *to;
	size_t i, n, values;
	enum slot slot;

	for (n = 0; set.len > 0; n++) {
		if (n == ATTRIBUTES_MAX ||
		    !take_attribute(&set, &types[n], &value, &values))
			return false;
		slot = slot_of(&types[n]);
		if (info == NULL) {
			if (slot <= SLOT_SIGNING_TIME)
				return false;
			continue;
		}
		for (i = 0; i < n; i++)
			if (der_equal(&types[i], &types[n]))
				return false;
		if (slot != SLOT_OTHER && values != 1)
			return false;
		if ((to = place(info, slot)) != NULL)
			*to = value;
	}
	return true;
}

enum verify_reason
attributes_read(struct signer_info *info, const struct der *unsigned_attributes)
{
	struct der in = info->attributes, set;

	if (unsigned_attributes->p != NULL &&
	    !read_set(*unsigned_attributes, NULL))
		return VERIFY_ATTRIBUTES;
	if (in.p == NULL)
		return VERIFY_GOOD;	/* a rule of its own says no */
	if (!der_take(&in, 0xa0, &set, NULL) || !read_set(set, info) ||
	    info->content_type.p == NULL || info->message_digest.p == NULL)
		return VERIFY_ATTRIBUTES;
	in = info->message_digest;
	if (!der_take(&in, TAG_OCTETS, &info->message_digest, NULL))
		return VERIFY_ATTRIBUTES;
	return VERIFY_GOOD;
}

static bool
digits(const unsigned char *p, size_t n, int *out)
{
	*out = 0;
	while (n-- > 0) {
		if (*p < '0' || *p > '9')
			return false;
		*out = *out * 10 + (*p++ - '0');
	}
	return true;
}

/* UTCTime or GeneralizedTime with seconds and Z (RFC 5652 11.3, VER-24). */
time_t
attributes_time(const struct signer_info *info, bool *bad)
{
	struct der in = info->signing_time, text;
	struct tm tm = { 0 };
	size_t year = 2;

	*bad = false;
	if (in.p == NULL)
		return 0;
	*bad = true;
	if (der_peek(&in) == 0x17) {
		if (!der_take(&in, 0x17, &text, NULL))
			return 0;
	} else if (der_take(&in, 0x18, &text, NULL))
		year = 4;
	else
		return 0;
	if (text.len != year + 11 || text.p[year + 10] != 'Z' ||
	    !digits(text.p, year, &tm.tm_year) ||
	    !digits(text.p + year, 2, &tm.tm_mon) ||
	    !digits(text.p + year + 2, 2, &tm.tm_mday) ||
	    !digits(text.p + year + 4, 2, &tm.tm_hour) ||
	    !digits(text.p + year + 6, 2, &tm.tm_min) ||
	    !digits(text.p + year + 8, 2, &tm.tm_sec))
		return 0;
	if (year == 4)
		tm.tm_year -= 1900;
	else if (tm.tm_year < 50)
		tm.tm_year += 100;
	tm.tm_mon--;
	if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return 0;
	*bad = false;
	return timegm(&tm);
}
