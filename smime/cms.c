/*
 * cms.c - take a SignedData of ours apart again.
 *
 * This reads what sign.c wrote, and nothing more general: whatever differs
 * from the one shape we produce is a fault of ours and refused (SIG-61). It
 * shares no code with the writer but the identifiers.
 */
#include <string.h>

#include "cms.h"
#include "der.h"
#include "smime_base.h"

#define TAG_INTEGER	0x02
#define TAG_OCTETS	0x04
#define TAG_SEQUENCE	0x30
#define TAG_SET		0x31
#define TAG_0		0xa0

static const unsigned char version_1[] = { 0x02, 1, 1 };

/* Takes an element that must be exactly that. */
static bool
take_exactly(struct der *in, const struct der *want)
{
	if (in->len < want->len || memcmp(in->p, want->p, want->len) != 0)
		return false;
	in->p += want->len;
	in->len -= want->len;
	return true;
}

static bool
take_version_1(struct der *in)
{
	struct der want = { version_1, sizeof(version_1) };

	return take_exactly(in, &want);
}

/* ContentInfo (RFC 5652 3): down to the contents of SignedData. */
static bool
read_content_info(const unsigned char *der, size_t len, struct der *out)
{
	struct der in = { der, len }, info, wrapped, type;

	type = oid(OID_SIGNED_DATA);
	return der_take(&in, TAG_SEQUENCE, &info, NULL) && in.len == 0 &&
	    take_exactly(&info, &type) &&
	    der_take(&info, TAG_0, &wrapped, NULL) && info.len == 0 &&
	    der_take(&wrapped, TAG_SEQUENCE, out, NULL) && wrapped.len == 0;
}

/* encapContentInfo (RFC 5652 5.2) of a detached signature (SIG-32). */
static bool
take_no_content(struct der *in)
{
	struct der info, type = oid(OID_DATA);

	return der_take(in, TAG_SEQUENCE, &info, NULL) &&
	    take_exactly(&info, &type) && info.len == 0;
}

static bool
take_certificates(struct der *in, struct cms_signed *out)
{
	struct der set, unused;

	if (!der_take(in, TAG_0, &set, NULL))
		return false;
	while (set.len > 0) {
		if (out->certificate_count == CMS_CERTIFICATES_MAX ||
		    !der_take(&set, TAG_SEQUENCE, &unused,
		    &out->certificates[out->certificate_count]))
			return false;
		out->certificate_count++;
	}
	return out->certificate_count > 0;
}

/* SignerInfo (RFC 5652 5.3), without unsigned attributes. */
static bool
take_signer(struct der *in, struct cms_signed *out)
{
	struct der set, info, sid, unused;

	return der_take(in, TAG_SET, &set, NULL) &&
	    der_take(&set, TAG_SEQUENCE, &info, NULL) && set.len == 0 &&
	    take_version_1(&info) &&
	    der_take(&info, TAG_SEQUENCE, &sid, NULL) &&
	    der_take(&sid, TAG_SEQUENCE, &unused, &out->signer_issuer) &&
	    der_take(&sid, TAG_INTEGER, &unused, &out->signer_serial) &&
	    sid.len == 0 &&
	    der_take(&info, TAG_SEQUENCE, &unused, &out->signer_digest) &&
	    der_take(&info, TAG_0, &unused, &out->attributes) &&
	    der_take(&info, TAG_SEQUENCE, &unused, &out->algorithm) &&
	    der_take(&info, TAG_OCTETS, &out->signature, NULL) &&
	    info.len == 0;
}

static bool
read_signed_data(struct der in, struct cms_signed *out)
{
	struct der set, unused;

	out->before = in;
	if (!take_version_1(&in) || !der_take(&in, TAG_SET, &set, NULL) ||
	    !der_take(&set, TAG_SEQUENCE, &unused, &out->digest) ||
	    set.len != 0)
		return false;
	out->before.len = (size_t)(in.p - out->before.p);
	if (!take_no_content(&in))
		return false;
	out->after = in;
	return take_certificates(&in, out) && take_signer(&in, out) &&
	    in.len == 0;
}

/* Where the value of an attribute goes; NULL for one that is not asked for. */
static struct der *
attribute_slot(struct cms_signed *out, const struct der *type)
{
	const struct {
		enum oid	 type;
		struct der	*slot;
	} slots[] = {
		{ OID_CONTENT_TYPE,		&out->content_type },
		{ OID_MESSAGE_DIGEST,		&out->message_digest },
		{ OID_SIGNING_TIME,		&out->signing_time },
		{ OID_SIGNING_CERTIFICATE_V2,	&out->signing_certificate },
		{ OID_ALGORITHM_PROTECTION,	&out->protection },
	};
	struct der want;
	size_t i;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		want = oid(slots[i].type);
		if (der_equal(type, &want))
			return slots[i].slot;
	}
	return NULL;
}

/* Attribute (RFC 5652 5.3): its type and the one value that it may have. */
static bool
take_attribute(struct der *in, struct der *type, struct der *value)
{
	struct der attribute, values, unused;
	int tag;

	if (!der_take(in, TAG_SEQUENCE, &attribute, NULL) ||
	    !der_take(&attribute, 0x06, &unused, type) ||
	    !der_take(&attribute, TAG_SET, &values, NULL) ||
	    attribute.len != 0 || (tag = der_peek(&values)) == -1)
		return false;
	return der_take(&values, (unsigned char)tag, &unused, value) &&
	    values.len == 0;
}

/*
 * The order of attributes is by their whole encodings, so two of one kind need
 * not be neighbours: each is looked for among those before it.
 */
#define ATTRIBUTES_MAX	16

static bool
read_attributes(struct cms_signed *out)
{
	struct der in = out->attributes, set, before = { NULL, 0 }, whole;
	struct der types[ATTRIBUTES_MAX], value, *slot;
	size_t i, n;

	if (!der_take(&in, TAG_0, &set, NULL))
		return false;
	for (n = 0; set.len > 0; n++) {
		whole.p = set.p;
		if (n == ATTRIBUTES_MAX ||
		    !take_attribute(&set, &types[n], &value))
			return false;
		whole.len = (size_t)(set.p - whole.p);
		if (n > 0 && der_compare(&before, &whole) >= 0)
			return false;
		for (i = 0; i < n; i++)
			if (der_equal(&types[i], &types[n]))
				return false;
		slot = attribute_slot(out, &types[n]);
		if (slot != NULL)
			*slot = value;
		before = whole;
	}
	return true;
}

/* The digest's octets in place of the element. */
static bool
open_message_digest(struct cms_signed *out)
{
	struct der in = out->message_digest;

	return der_take(&in, TAG_OCTETS, &out->message_digest, NULL);
}

int
cms_signed_read(const unsigned char *der, size_t len, struct cms_signed *out,
    struct smime_error *err)
{
	struct der data;

	memset(out, 0, sizeof(*out));
	if (!read_content_info(der, len, &data) ||
	    !read_signed_data(data, out))
		return smime_error_setx(err,
		    "the signature is no SignedData of our making");
	if (!read_attributes(out))
		return smime_error_setx(err, "the signed attributes are "
		    "malformed, unsorted or there twice");
	if (!open_message_digest(out))
		return smime_error_setx(err,
		    "the signature has no message digest");
	return 0;
}
