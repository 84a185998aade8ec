/*
 * compose.c - the signed message around entity and signature.
 *
 * Detached (RFC 8551 3.5.3): multipart/signed of the entity, octet for octet,
 * and the SignedData in base64. Opaque (RFC 8551 3.5.2): the entity becomes
 * the eContent of the same SignedData. The entity never stands in memory: it
 * streams from canon to the sink, and every length is known beforehand, so
 * that the opaque form is DER too (gpgsm stumbles over indefinite lengths).
 *
 * Encrypted: either of these, with a header of its own, is what streams into
 * an envelope (envelope.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "cms.h"
#include "der.h"
#include "entity.h"
#include "octets.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_encrypt.h"
#include "smime_sign.h"

#define TAG_OCTETS	0x04
#define TAG_SEQUENCE	0x30
#define TAG_0		0xa0

static const char part_header[] =
    "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n"
    "\r\n";

struct composed {
	struct canon		*canon;		/* borrowed */
	enum smime_form		 form;
	enum smime_digest	 digest;
	uint64_t		 entity;	/* octets */
	struct der		 head;		/* before the entity; opaque:
						 * in DER, not base64 */
	struct der		 tail;		/* behind it, likewise */
	char			 boundary[BOUNDARY_LEN + 1];
	char			 type[256];
	struct composed		*inner;		/* borrowed; encrypted alone:
						 * head is then its header */
	struct envelope		*envelope;
};

/* ------------------------------------------------------------ detached --- */

struct text {
	char	*p;
	size_t	 len;
	size_t	 size;
};

static int
text_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct text *text = arg;

	if (len > text->size - text->len)
		return -1;
	memcpy(text->p + text->len, buf, len);
	text->len += len;
	return 0;
}

static uint64_t
base64_size(uint64_t len)
{
	uint64_t chars = (len + 2) / 3 * 4;

	return chars + (chars + BASE64_LINE - 1) / BASE64_LINE * 2;
}

/* The second part and the end; the CRLF before a boundary is the boundary's. */
static int
detached_tail(struct composed *composed, const unsigned char *der, size_t len,
    struct smime_error *err)
{
	struct text text = { NULL, 0, 0 };
	struct encoder encoder;

	text.size = 2 * (BOUNDARY_LEN + 8) + sizeof(part_header) +
	    base64_size(len);
	if ((text.p = OPENSSL_malloc(text.size)) == NULL)
		return smime_error_setx(err, "out of memory");
	text.len = (size_t)snprintf(text.p, text.size, "\r\n--%s\r\n%s",
	    composed->boundary, part_header);
	encoder_init(&encoder, ENCODE_BASE64, text_sink, &text);
	if (encoder_write(&encoder, der, len) != 0 ||
	    encoder_finish(&encoder, true) != 0) {
		OPENSSL_free(text.p);
		return smime_error_setx(err, "cannot encode the signature");
	}
	text.len += (size_t)snprintf(text.p + text.len, text.size - text.len,
	    "--%s--\r\n", composed->boundary);
	composed->tail.p = (unsigned char *)text.p;
	composed->tail.len = text.len;
	return 0;
}

static int
make_detached(struct composed *composed, const unsigned char *der, size_t len,
    struct smime_error *err)
{
	char line[BOUNDARY_LEN + 8];
	struct der head;

	if (canon_boundary(composed->canon, composed->boundary, err) != 0)
		return -1;
	snprintf(composed->type, sizeof(composed->type),
	    "multipart/signed; protocol=\"application/pkcs7-signature\";\n"
	    "\tmicalg=%s; boundary=\"%s\"",
	    smime_digest_micalg(composed->digest), composed->boundary);
	head.len = (size_t)snprintf(line, sizeof(line), "--%s\r\n",
	    composed->boundary);
	head.p = (unsigned char *)line;
	if (!der_join(&composed->head, &head, 1))
		return smime_error_setx(err, "out of memory");
	return detached_tail(composed, der, len, err);
}

/* -------------------------------------------------------------- opaque --- */

#define HEADERS_MAX	64	/* six headers of six octets, two OIDs */

/*
 * ContentInfo up to the content, from the inside out: the OCTET STRING in [0]
 * behind eContentType, and every length around it grown by that much.
 */
static bool
opaque_head(struct composed *composed, const struct cms_signed *cms)
{
	struct der data = oid(OID_DATA), type = oid(OID_SIGNED_DATA);
	unsigned char buf[HEADERS_MAX + 256], *p = buf;
	size_t octets = (size_t)composed->entity;
	size_t content, encap, signed_data, outer, all;
	struct der head;

	content = der_header_size(octets) + octets;
	encap = data.len + der_header_size(content) + content;
	signed_data = cms->before.len + der_header_size(encap) + encap +
	    cms->after.len;
	outer = der_header_size(signed_data) + signed_data;
	all = type.len + der_header_size(outer) + outer;
	if (cms->before.len > 256)
		return false;
	p = der_put_header(p, TAG_SEQUENCE, all);
	p = der_put(p, &type);
	p = der_put_header(p, TAG_0, outer);
	p = der_put_header(p, TAG_SEQUENCE, signed_data);
	p = der_put(p, &cms->before);
	p = der_put_header(p, TAG_SEQUENCE, encap);
	p = der_put(p, &data);
	p = der_put_header(p, TAG_0, content);
	p = der_put_header(p, TAG_OCTETS, octets);
	head.p = buf;
	head.len = (size_t)(p - buf);
	return der_join(&composed->head, &head, 1);
}

static int
make_opaque(struct composed *composed, const struct cms_signed *cms,
    struct smime_error *err)
{
	/* Our reader takes lengths of four octets, and others less. */
	if (composed->entity > UINT32_MAX / 2)
		return smime_error_setx(err,
		    "the message is too long for signed-data");
	if (!opaque_head(composed, cms) ||
	    !der_join(&composed->tail, &cms->after, 1))
		return smime_error_setx(err, "out of memory");
	snprintf(composed->type, sizeof(composed->type), "%s",
	    "application/pkcs7-mime; smime-type=signed-data;\n"
	    "\tname=\"smime.p7m\"");
	return 0;
}

/* -------------------------------------------------------------- public --- */

/* The entity is the one that was signed (SIG-21). */
static int
check_digest(struct composed *composed, const struct cms_signed *cms,
    struct smime_error *err)
{
	struct der want = algorithm_digest(composed->digest);
	size_t size = smime_digest_size(composed->digest);
	unsigned char value[SMIME_DIGEST_MAX];

	if (!der_equal(&cms->signer_digest, &want) ||
	    cms->message_digest.len != size)
		return smime_error_setx(err,
		    "the signature is by another digest algorithm");
	if (canon_digest(composed->canon, composed->digest, value, err) == -1)
		return -1;
	if (CRYPTO_memcmp(cms->message_digest.p, value, size) != 0)
		return smime_error_setx(err,
		    "the signature is of another message");
	return 0;
}

struct composed *
compose_signed(struct canon *canon, enum smime_form form,
    enum smime_digest digest, const unsigned char *der, size_t len,
    struct smime_error *err)
{
	struct composed *composed;
	struct cms_signed cms;
	int rc;

	if (cms_signed_read(der, len, &cms, err) != 0)
		return NULL;
	if ((composed = calloc(1, sizeof(*composed))) == NULL) {
		smime_error_set(err, "a message");
		return NULL;
	}
	composed->canon = canon;
	composed->form = form;
	composed->digest = digest;
	composed->entity = canon_size(canon);
	rc = check_digest(composed, &cms, err);
	if (rc == 0)
		rc = form == FORM_OPAQUE ? make_opaque(composed, &cms, err) :
		    make_detached(composed, der, len, err);
	if (rc != 0) {
		composed_free(composed);
		return NULL;
	}
	return composed;
}

void
composed_free(struct composed *composed)
{
	if (composed == NULL)
		return;
	envelope_free(composed->envelope);
	der_free(&composed->head);
	der_free(&composed->tail);
	free(composed);
}

/* ----------------------------------------------------------- encrypted --- */

static bool
is_base64(const struct composed *composed)
{
	return composed->envelope != NULL || composed->form == FORM_OPAQUE;
}

/* A field as a line of the encrypted entity; value NULL: none. */
static size_t
put_line(char *out, const char *name, const char *value)
{
	char *p;

	if (value == NULL)
		return 0;
	p = stpcpy(stpcpy(out, name), ": ");
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			*p++ = '\r';
		*p++ = *value;
	}
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - out);
}

/* The header that a reader finds once the envelope is open (RFC 8551 3.1). */
static bool
make_inner_header(struct composed *composed)
{
	const struct composed *inner = composed->inner;
	char text[2 * sizeof(inner->type) + 256];
	struct der header;
	size_t n;

	n = put_line(text, "Content-Type", composed_content_type(inner));
	n += put_line(text + n, "Content-Transfer-Encoding",
	    composed_encoding(inner));
	n += put_line(text + n, "Content-Disposition",
	    composed_disposition(inner));
	memcpy(text + n, "\r\n", 2);
	header.p = (unsigned char *)text;
	header.len = n + 2;
	return der_join(&composed->head, &header, 1);
}

struct composed *
compose_encrypted(struct composed *inner, enum smime_cipher cipher,
    const struct recipient *recipients, size_t count, struct smime_error *err)
{
	struct composed *composed;

	if (inner->envelope != NULL) {
		smime_error_setx(err, "the message is encrypted already");
		return NULL;
	}
	if ((composed = calloc(1, sizeof(*composed))) == NULL) {
		smime_error_set(err, "a message");
		return NULL;
	}
	composed->inner = inner;
	if (!make_inner_header(composed))
		smime_error_setx(err, "out of memory");
	else
		composed->envelope = envelope_new(cipher, recipients, count,
		    composed->head.len + composed_size(inner), err);
	if (composed->envelope == NULL) {
		composed_free(composed);
		return NULL;
	}
	snprintf(composed->type, sizeof(composed->type),
	    "application/pkcs7-mime; smime-type=%s;\n\tname=\"smime.p7m\"",
	    cipher == CIPHER_AES256_CBC ? "enveloped-data" :
	    "authEnveloped-data");
	return composed;
}

const char *
composed_content_type(const struct composed *composed)
{
	return composed->type;
}

const char *
composed_encoding(const struct composed *composed)
{
	return is_base64(composed) ? "base64" : NULL;
}

const char *
composed_disposition(const struct composed *composed)
{
	return is_base64(composed) ? "attachment; filename=\"smime.p7m\"" :
	    NULL;
}

uint64_t
composed_size(const struct composed *composed)
{
	uint64_t len = composed->envelope != NULL ?
	    envelope_size(composed->envelope) :
	    composed->head.len + composed->entity + composed->tail.len;

	return is_base64(composed) ? base64_size(len) : len;
}

/* ------------------------------------------------------------- writing --- */

/* Between canon and the sink. */
struct pass {
	struct encoder	*encoder;	/* opaque, else NULL */
	smime_sink	 sink;
	void		*arg;
};

static int
put(void *arg, const unsigned char *buf, size_t len)
{
	struct pass *pass = arg;

	return pass->encoder != NULL ? encoder_write(pass->encoder, buf, len) :
	    pass->sink(pass->arg, buf, len);
}

/*
 * canon fails when what it reads is not what was signed: nothing then comes
 * behind it, and what was written has no end (SIG-21).
 */
static int
write_parts(struct composed *composed, struct pass *pass,
    struct smime_error *err)
{
	if (put(pass, composed->head.p, composed->head.len) != 0)
		return smime_error_setx(err, "the message was not taken");
	if (canon_write(composed->canon, put, pass, err) != 0)
		return -1;
	if (put(pass, composed->tail.p, composed->tail.len) != 0 ||
	    (pass->encoder != NULL &&
	    encoder_finish(pass->encoder, true) != 0))
		return smime_error_setx(err, "the message was not taken");
	return 0;
}

static int
encoder_sink(void *arg, const unsigned char *buf, size_t len)
{
	return encoder_write(arg, buf, len);
}

/* What is wrong inside is known before the envelope's last octets are out. */
static int
write_encrypted(struct composed *composed, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct envelope *envelope = composed->envelope;
	struct encoder encoder;

	encoder_init(&encoder, ENCODE_BASE64, sink, arg);
	if (envelope_begin(envelope, encoder_sink, &encoder, err) != 0 ||
	    envelope_put(envelope, composed->head.p, composed->head.len) != 0 ||
	    composed_write(composed->inner, envelope_put, envelope, err) != 0)
		return smime_error_setx(err, "the message was not taken");
	if (envelope_end(envelope, err) != 0)
		return -1;
	if (encoder_finish(&encoder, true) != 0)
		return smime_error_setx(err, "the message was not taken");
	return 0;
}

int
composed_write(struct composed *composed, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct pass pass = { .sink = sink, .arg = arg };
	struct encoder encoder;

	if (composed->envelope != NULL)
		return write_encrypted(composed, sink, arg, err);
	if (composed->form == FORM_OPAQUE) {
		encoder_init(&encoder, ENCODE_BASE64, sink, arg);
		pass.encoder = &encoder;
	}
	return write_parts(composed, &pass, err);
}
