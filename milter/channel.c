/*
 * channel.c - the small protocol between mail process and key process.
 *
 * A packet is one message of a SOCK_SEQPACKET pair, integers big-endian:
 *
 *	request	type 1 (sign) or 3 (list), digest, reply channel (2), number (8),
 *		queue id length (1), address length (2), digest value, queue
 *		id, address
 *	answer	type 2, status, digest, pinned (0 or 1), number (8),
 *		notAfter (8), serial length (1), reason length (2), DER length
 *		(4), serial, reason, DER
 *
 * DER is a signature, or the certificates that were asked for (listing.c); what
 * a list does not need of a request or an answer is there all the same. The
 * number is the asker's, and comes back with the answer.
 *
 * The other end is taken for hostile: whoever broke into the mail process must
 * gain nothing by odd packets, and the reverse. A packet is right to the octet
 * or it is refused; an answer that is refused closes its channel (channelpool.c).
 */
#include <string.h>

#include <openssl/crypto.h>

#include "../smime/smime.h"
#include "channel.h"

#define TYPE_SIGN	1
#define TYPE_ANSWER	2
#define TYPE_LIST	3
#define REQUEST_HEAD	15
#define ANSWER_HEAD	27

static unsigned char *
put_number(unsigned char *p, uint64_t number, unsigned octets)
{
	while (octets-- > 0)
		*p++ = (unsigned char)(number >> (8 * octets));
	return p;
}

static uint64_t
get_number(const unsigned char *p, unsigned octets)
{
	uint64_t number = 0;

	while (octets-- > 0)
		number = number << 8 | *p++;
	return number;
}

static bool
valid_digest(unsigned digest)
{
	return digest == SMIME_SHA256 || digest == SMIME_SHA384 ||
	    digest == SMIME_SHA512;
}

static unsigned char *
put_octets(unsigned char *p, const void *from, size_t len)
{
	if (len > 0)
		memcpy(p, from, len);
	return p + len;
}

/* A string of len octets to out, NUL-terminated; false when it holds a NUL. */
static bool
get_string(const unsigned char *p, size_t len, char *out)
{
	if (memchr(p, '\0', len) != NULL)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

ssize_t
channel_put_request(const struct key_request *request, unsigned char *buf,
    size_t size)
{
	size_t queue_id, address, value, len;
	unsigned char *p = buf;

	queue_id = strnlen(request->queue_id, sizeof(request->queue_id));
	address = strnlen(request->address, sizeof(request->address));
	if (queue_id > CHANNEL_QUEUE_ID_MAX || address > ADDRESS_MAX ||
	    address == 0 || !valid_digest(request->digest))
		return -1;
	value = smime_digest_size(request->digest);
	len = REQUEST_HEAD + value + queue_id + address;
	if (len > size)
		return -1;
	*p++ = request->want == KEY_LIST ? TYPE_LIST : TYPE_SIGN;
	*p++ = (unsigned char)request->digest;
	p = put_number(p, request->reply_to, 2);
	p = put_number(p, request->number, 8);
	p = put_number(p, queue_id, 1);
	p = put_number(p, address, 2);
	p = put_octets(p, request->value, value);
	p = put_octets(p, request->queue_id, queue_id);
	put_octets(p, request->address, address);
	return (ssize_t)len;
}

int
channel_get_request(const unsigned char *buf, size_t len,
    struct key_request *out)
{
	size_t queue_id, address, value;

	memset(out, 0, sizeof(*out));
	if (len < REQUEST_HEAD ||
	    (buf[0] != TYPE_SIGN && buf[0] != TYPE_LIST) ||
	    !valid_digest(buf[1]))
		return -1;
	out->want = buf[0] == TYPE_LIST ? KEY_LIST : KEY_SIGN;
	out->digest = (enum smime_digest)buf[1];
	out->reply_to = (uint16_t)get_number(buf + 2, 2);
	out->number = get_number(buf + 4, 8);
	queue_id = get_number(buf + 12, 1);
	address = get_number(buf + 13, 2);
	value = smime_digest_size(out->digest);
	if (queue_id > CHANNEL_QUEUE_ID_MAX || address == 0 ||
	    address > ADDRESS_MAX ||
	    len != REQUEST_HEAD + value + queue_id + address)
		return -1;
	buf += REQUEST_HEAD;
	memcpy(out->value, buf, value);
	buf += value;
	if (!get_string(buf, queue_id, out->queue_id) ||
	    !get_string(buf + queue_id, address, out->address))
		return -1;
	return 0;
}

/* Only what was asked for comes with octets, and it never comes without. */
static bool
answer_fits(unsigned status, unsigned digest, size_t serial, size_t reason,
    size_t der)
{
	if (status < KEY_SIGNED || status > KEY_LOCKED ||
	    !valid_digest(digest) || serial > SERIAL_TEXT_MAX ||
	    reason > CHANNEL_REASON_MAX || der > CHANNEL_DER_MAX)
		return false;
	return (status == KEY_SIGNED || status == KEY_CERTIFICATES) ==
	    (der > 0);
}

ssize_t
channel_put_answer(const struct key_answer *answer, unsigned char *buf,
    size_t size)
{
	size_t serial, reason, len;
	unsigned char *p = buf;

	serial = strnlen(answer->serial, sizeof(answer->serial));
	reason = strnlen(answer->reason, sizeof(answer->reason));
	if (!answer_fits(answer->status, answer->digest, serial, reason,
	    answer->der_len))
		return -1;
	len = ANSWER_HEAD + serial + reason + answer->der_len;
	if (len > size)
		return -1;
	*p++ = TYPE_ANSWER;
	*p++ = (unsigned char)answer->status;
	*p++ = (unsigned char)answer->digest;
	*p++ = answer->pinned ? 1 : 0;
	p = put_number(p, answer->number, 8);
	p = put_number(p, (uint64_t)answer->not_after, 8);
	p = put_number(p, serial, 1);
	p = put_number(p, reason, 2);
	p = put_number(p, answer->der_len, 4);
	p = put_octets(p, answer->serial, serial);
	p = put_octets(p, answer->reason, reason);
	put_octets(p, answer->der, answer->der_len);
	return (ssize_t)len;
}

int
channel_get_answer(const unsigned char *buf, size_t len,
    struct key_answer *out)
{
	size_t serial, reason, der;

	memset(out, 0, sizeof(*out));
	if (len < ANSWER_HEAD || buf[0] != TYPE_ANSWER || buf[3] > 1)
		return -1;
	serial = get_number(buf + 20, 1);
	reason = get_number(buf + 21, 2);
	der = get_number(buf + 23, 4);
	if (!answer_fits(buf[1], buf[2], serial, reason, der) ||
	    len != ANSWER_HEAD + serial + reason + der)
		return -1;
	out->status = (enum key_status)buf[1];
	out->digest = (enum smime_digest)buf[2];
	out->pinned = buf[3] == 1;
	out->number = get_number(buf + 4, 8);
	out->not_after = (int64_t)get_number(buf + 12, 8);
	buf += ANSWER_HEAD;
	if (!get_string(buf, serial, out->serial) ||
	    !get_string(buf + serial, reason, out->reason))
		return -1;
	if (der > 0) {
		out->der = OPENSSL_memdup(buf + serial + reason, der);
		if (out->der == NULL)
			return -1;
		out->der_len = der;
	}
	return 0;
}

void
key_answer_clear(struct key_answer *answer)
{
	OPENSSL_free(answer->der);
	memset(answer, 0, sizeof(*answer));
}
