/*
 * token_wire.c - key.uri, and what the key process and the token process say to
 * each other.
 *
 * Numbers are big-endian. A request is
 *
 *	type 1, kind 1, digest 1, serial 8, PIN's length 1, URI's length 2,
 *	the digest's octets, PIN, URI
 *
 * and an answer
 *
 *	type 1, result 1, serial 8, signature's length 2, text's length 1,
 *	signature, text
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../../smime/smime.h"
#include "tokens.h"
#include "unlock.h"

#define TYPE_REQUEST	0x71
#define TYPE_ANSWER	0x72
#define REQUEST_HEAD	14
#define ANSWER_HEAD	13

/* ----------------------------------------------------------------- URI --- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One attribute's value without percent signs; false when it is none. */
static bool
decode(const char *p, size_t len, char *out, size_t size)
{
	size_t i, n = 0;
	int high, low;

	for (i = 0; i < len; i++) {
		if (n + 1 >= size)
			return false;
		out[n] = p[i];
		if (p[i] == '%') {
			if (len - i < 3 || (high = hex(p[i + 1])) < 0 ||
			    (low = hex(p[i + 2])) < 0)
				return false;
			out[n] = (char)(high << 4 | low);
			i += 2;
		}
		if (out[n++] == '\0')
			return false;
	}
	out[n] = '\0';
	return n > 0;
}

/* RFC 7512 2.3: pchar without what has a meaning of its own here. */
static bool
is_plain(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)p[i]) &&
		    strchr("-._~:[]@!$'()*+,=&%", p[i]) == NULL)
			return false;
	return true;
}

static bool
is_named(const char *p, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len > n && strncmp(p, name, n) == 0 && p[n] == '=';
}

/* The attributes behind "pkcs11:"; what is wrong with them, or NULL. */
static const char *
read_attributes(const char *p, char *label)
{
	static const char *const others[] = { "manufacturer", "serial",
	    "model", "object", "id", "type" };
	bool has_label = false, has_key = false, known;
	size_t i, len;

	for (;; p += len + 1) {
		len = strcspn(p, ";");
		if (!is_plain(p, len))
			return "it holds characters that a path may not have";
		known = is_named(p, len, "token");
		if (known && (has_label || !decode(p + 6, len - 6, label,
		    TOKEN_LABEL_MAX + 1)))
			return "its token is no label";
		has_label = has_label || known;
		for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			known = known || is_named(p, len, others[i]);
		if (!known)
			return "it has an attribute that is not taken";
		has_key = has_key || is_named(p, len, "object") ||
		    is_named(p, len, "id");
		if (p[len] == '\0')
			break;
	}
	if (!has_label)
		return "it does not name the token (token=LABEL)";
	return has_key ? NULL : "it does not name the key (object= or id=)";
}

int
token_uri_read(const char *buf, size_t len, char uri[TOKEN_URI_MAX + 1],
    char label[TOKEN_LABEL_MAX + 1], struct smime_error *err)
{
	static const char scheme[] = "pkcs11:";
	const char *wrong;

	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len > TOKEN_URI_MAX || memchr(buf, '\0', len) != NULL)
		return smime_error_setx(err, "no token's URI: too long, or "
		    "with a NUL");
	memcpy(uri, buf, len);
	uri[len] = '\0';
	if (strncmp(uri, scheme, strlen(scheme)) != 0)
		return smime_error_setx(err, "no token's URI: it does not "
		    "begin with pkcs11:");
	wrong = read_attributes(uri + strlen(scheme), label);
	if (wrong != NULL)
		return smime_error_setx(err, "no token's URI for us: %s",
		    wrong);
	return 0;
}

/* ------------------------------------------------------------ encoding --- */

static unsigned char *
put_number(unsigned char *p, uint64_t n, size_t octets)
{
	while (octets > 0)
		*p++ = (unsigned char)(n >> 8 * --octets);
	return p;
}

static uint64_t
get_number(const unsigned char *p, size_t octets)
{
	uint64_t n = 0;

	while (octets-- > 0)
		n = n << 8 | *p++;
	return n;
}

static unsigned char *
put_octets(unsigned char *p, const void *from, size_t len)
{
	memcpy(p, from, len);
	return p + len;
}

static bool
get_string(const unsigned char *p, size_t len, char *out)
{
	memcpy(out, p, len);
	out[len] = '\0';
	return memchr(p, '\0', len) == NULL;
}

ssize_t
token_put_request(const struct token_request *request, unsigned char *buf,
    size_t size)
{
	size_t value = smime_digest_size(request->raw.digest);
	size_t uri = strnlen(request->uri, sizeof(request->uri));
	unsigned char *p = buf;

	if (request->pin_len > TOKEN_PIN_MAX || uri > TOKEN_URI_MAX ||
	    REQUEST_HEAD + value + request->pin_len + uri > size)
		return -1;
	*p++ = TYPE_REQUEST;
	*p++ = (unsigned char)request->raw.kind;
	*p++ = (unsigned char)request->raw.digest;
	p = put_number(p, request->serial, 8);
	p = put_number(p, request->pin_len, 1);
	p = put_number(p, uri, 2);
	p = put_octets(p, request->raw.value, value);
	p = put_octets(p, request->pin, request->pin_len);
	p = put_octets(p, request->uri, uri);
	return p - buf;
}

int
token_get_request(const unsigned char *buf, size_t len,
    struct token_request *out)
{
	char uri[TOKEN_URI_MAX + 1], label[TOKEN_LABEL_MAX + 1];
	size_t value, uri_len;

	memset(out, 0, sizeof(*out));
	if (len < REQUEST_HEAD || buf[0] != TYPE_REQUEST ||
	    buf[1] > RAW_ECDSA || (buf[2] != SMIME_SHA256 &&
	    buf[2] != SMIME_SHA384 && buf[2] != SMIME_SHA512))
		return -1;
	out->raw.kind = (enum raw_kind)buf[1];
	out->raw.digest = (enum smime_digest)buf[2];
	out->serial = get_number(buf + 3, 8);
	out->pin_len = buf[11];
	uri_len = get_number(buf + 12, 2);
	value = smime_digest_size(out->raw.digest);
	if (uri_len > TOKEN_URI_MAX || out->pin_len > TOKEN_PIN_MAX ||
	    len != REQUEST_HEAD + value + out->pin_len + uri_len)
		return -1;
	buf += REQUEST_HEAD;
	memcpy(out->raw.value, buf, value);
	if (!get_string(buf + value, out->pin_len, out->pin) ||
	    !get_string(buf + value + out->pin_len, uri_len, out->uri))
		return -1;
	return token_uri_read(out->uri, uri_len, uri, label, NULL);
}

ssize_t
token_put_answer(const struct token_answer *answer, unsigned char *buf,
    size_t size)
{
	size_t text = strnlen(answer->text, UNLOCK_TEXT_MAX);
	unsigned char *p = buf;

	if (answer->len > RAW_SIGNATURE_MAX ||
	    ANSWER_HEAD + answer->len + text > size)
		return -1;
	*p++ = TYPE_ANSWER;
	*p++ = (unsigned char)answer->result;
	p = put_number(p, answer->serial, 8);
	p = put_number(p, answer->len, 2);
	p = put_number(p, text, 1);
	p = put_octets(p, answer->signature, answer->len);
	p = put_octets(p, answer->text, text);
	return p - buf;
}

int
token_get_answer(const unsigned char *buf, size_t len,
    struct token_answer *out)
{
	char text[UNLOCK_TEXT_MAX + 1];
	size_t text_len;

	memset(out, 0, sizeof(*out));
	if (len < ANSWER_HEAD || buf[0] != TYPE_ANSWER ||
	    buf[1] < TOKEN_SIGNED || buf[1] > TOKEN_LOST)
		return -1;
	out->result = (enum token_result)buf[1];
	out->serial = get_number(buf + 2, 8);
	out->len = get_number(buf + 10, 2);
	text_len = buf[12];
	if (out->len > RAW_SIGNATURE_MAX ||
	    (out->result == TOKEN_SIGNED) != (out->len > 0) ||
	    len != ANSWER_HEAD + out->len + text_len)
		return -1;
	memcpy(out->signature, buf + ANSWER_HEAD, out->len);
	if (!get_string(buf + ANSWER_HEAD + out->len, text_len, text))
		return -1;
	smime_printable(text, text_len, out->text, sizeof(out->text));
	return 0;
}

/* ------------------------------------------------------------- sockets --- */

ssize_t
token_receive(int fd, unsigned char *buf, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, buf, size, MSG_TRUNC);
	while (n == -1 && errno == EINTR);
	return n;
}

int
token_send(int fd, const unsigned char *buf, size_t len)
{
	ssize_t n;

	do
		n = send(fd, buf, len, MSG_NOSIGNAL | MSG_EOR);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -1;
}
