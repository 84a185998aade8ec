/*
 * unlock.c - the small protocol of the key process's own socket, by which
 * sampulctl opens and closes keys.
 *
 * A packet is one message of a SOCK_SEQPACKET connection, integers big-endian;
 * one request, then its answers, all but the last with "more":
 *
 *	request	type 3, verb, address length (2), secret length (2), address,
 *		secret
 *	answer	type 4, result, more (0 or 1), keys (2), seconds (4), address
 *		length (2), text length (2), address, text
 *
 * As in channel.c, the other end is taken for hostile, and a packet is right
 * to the octet or refused.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "keyfile.h"
#include "unlock.h"

#define TYPE_REQUEST	3
#define TYPE_ANSWER	4
#define REQUEST_HEAD	6
#define ANSWER_HEAD	13

static void
put_number(unsigned char *p, size_t number, unsigned octets)
{
	while (octets-- > 0)
		*p++ = (unsigned char)(number >> (8 * octets));
}

static size_t
get_number(const unsigned char *p, unsigned octets)
{
	size_t number = 0;

	while (octets-- > 0)
		number = number << 8 | *p++;
	return number;
}

/* Which verbs come with an address and with a secret; 2: may. */
static const struct {
	int	address;
	int	secret;
} forms[] = {
	[UNLOCK_OPEN] = { 1, 1 },
	[UNLOCK_LOCK] = { 1, 0 },
	[UNLOCK_LOCK_ALL] = { 0, 0 },
	[UNLOCK_STATUS] = { 2, 0 },
	[UNLOCK_PASSPHRASE] = { 0, 1 },
	[UNLOCK_PASSPHRASE_DONE] = { 0, 1 },
};

static bool
fits(int form, size_t len, size_t max)
{
	return len <= max && (form == 2 || (form == 1) == (len > 0));
}

static bool
request_fits(unsigned verb, size_t address, size_t secret)
{
	return verb >= UNLOCK_OPEN && verb <= UNLOCK_PASSPHRASE_DONE &&
	    fits(forms[verb].address, address, ADDRESS_MAX) &&
	    fits(forms[verb].secret, secret, KEYSTORE_PASSPHRASE_MAX);
}

ssize_t
unlock_put_request(const struct unlock_request *request, unsigned char *buf,
    size_t size)
{
	size_t address, len;

	address = strnlen(request->address, sizeof(request->address));
	len = REQUEST_HEAD + address + request->secret_len;
	if (!request_fits(request->verb, address, request->secret_len) ||
	    len > size)
		return -1;
	buf[0] = TYPE_REQUEST;
	buf[1] = (unsigned char)request->verb;
	put_number(buf + 2, address, 2);
	put_number(buf + 4, request->secret_len, 2);
	memcpy(buf + REQUEST_HEAD, request->address, address);
	memcpy(buf + REQUEST_HEAD + address, request->secret,
	    request->secret_len);
	return (ssize_t)len;
}

int
unlock_get_request(const unsigned char *buf, size_t len,
    struct unlock_request *out)
{
	size_t address, secret;

	memset(out, 0, sizeof(*out));
	if (len < REQUEST_HEAD || buf[0] != TYPE_REQUEST)
		return -1;
	address = get_number(buf + 2, 2);
	secret = get_number(buf + 4, 2);
	if (!request_fits(buf[1], address, secret) ||
	    len != REQUEST_HEAD + address + secret ||
	    memchr(buf + REQUEST_HEAD, '\0', address + secret) != NULL)
		return -1;
	out->verb = (enum unlock_verb)buf[1];
	memcpy(out->address, buf + REQUEST_HEAD, address);
	memcpy(out->secret, buf + REQUEST_HEAD + address, secret);
	out->secret_len = secret;
	return 0;
}

void
unlock_request_clear(struct unlock_request *request)
{
	OPENSSL_cleanse(request, sizeof(*request));
}

ssize_t
unlock_put_answer(const struct unlock_answer *answer, unsigned char *buf,
    size_t size)
{
	size_t address, text, len;

	address = strnlen(answer->address, sizeof(answer->address));
	text = strnlen(answer->text, sizeof(answer->text));
	len = ANSWER_HEAD + address + text;
	if (answer->result < UNLOCK_DONE || answer->result > UNLOCK_FAULT ||
	    address > ADDRESS_MAX || text > UNLOCK_TEXT_MAX || len > size)
		return -1;
	buf[0] = TYPE_ANSWER;
	buf[1] = (unsigned char)answer->result;
	buf[2] = answer->more ? 1 : 0;
	put_number(buf + 3, answer->keys, 2);
	put_number(buf + 5, answer->seconds, 4);
	put_number(buf + 9, address, 2);
	put_number(buf + 11, text, 2);
	memcpy(buf + ANSWER_HEAD, answer->address, address);
	memcpy(buf + ANSWER_HEAD + address, answer->text, text);
	return (ssize_t)len;
}

int
unlock_get_answer(const unsigned char *buf, size_t len,
    struct unlock_answer *out)
{
	size_t address, text;

	memset(out, 0, sizeof(*out));
	if (len < ANSWER_HEAD || buf[0] != TYPE_ANSWER ||
	    buf[1] < UNLOCK_DONE || buf[1] > UNLOCK_FAULT || buf[2] > 1)
		return -1;
	address = get_number(buf + 9, 2);
	text = get_number(buf + 11, 2);
	if (address > ADDRESS_MAX || text > UNLOCK_TEXT_MAX ||
	    len != ANSWER_HEAD + address + text ||
	    memchr(buf + ANSWER_HEAD, '\0', address + text) != NULL)
		return -1;
	out->result = (enum unlock_result)buf[1];
	out->more = buf[2] == 1;
	out->keys = (uint16_t)get_number(buf + 3, 2);
	out->seconds = (uint32_t)get_number(buf + 5, 4);
	memcpy(out->address, buf + ANSWER_HEAD, address);
	memcpy(out->text, buf + ANSWER_HEAD + address, text);
	return 0;
}
