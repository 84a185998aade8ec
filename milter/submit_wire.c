/*
 * submit_wire.c - what the mail process and the submit process say to each
 * other.
 *
 * A packet is one message of a SOCK_SEQPACKET pair, integers big-endian:
 *
 *	request	type 1, serial 8, limit 4, size 8, number of recipients 2,
 *		then with a NUL behind each: queue id, sender, recipients;
 *		and one descriptor (SCM_RIGHTS)
 *	answer	type 1, serial 8, status 1, code 2, text
 *
 * The other end is taken for hostile. Addresses go into SMTP commands, so what
 * would end a path or a line there is refused here, on both sides.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "channel.h"
#include "submit.h"

#define TYPE_REQUEST	0x81
#define TYPE_ANSWER	0x82
#define REQUEST_HEAD	23
#define ANSWER_HEAD	12

/* -------------------------------------------------------------- server --- */

static bool
is_loopback(const char *host)
{
	unsigned char four[4], six[16];
	static const unsigned char one[16] = { [15] = 1 };

	if (inet_pton(AF_INET, host, four) == 1)
		return four[0] == 127;
	return inet_pton(AF_INET6, host, six) == 1 &&
	    memcmp(six, one, sizeof(six)) == 0;
}

static bool
read_port(const char *text, unsigned *port)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long n;

	if (digits == 0 || digits > 5 || text[digits] != '\0')
		return false;
	n = strtoul(text, NULL, 10);
	if (port != NULL)
		*port = (unsigned)n;
	return n >= 1 && n <= 65535;
}

const char *
submit_read_server(const char *text, unsigned *port)
{
	const bool bracket = *text == '[';
	const char *colon = strrchr(text, ':');
	const char *end = colon;
	char host[INET6_ADDRSTRLEN];
	size_t len;

	if (colon == NULL || !read_port(colon + 1, port))
		return "write an address of this machine and a port, such as "
		    "127.0.0.1:10027 or [::1]:10027";
	if (bracket && (end == text || *--end != ']'))
		return "the address in [ ] has no end";
	text += bracket;
	len = end > text ? (size_t)(end - text) : 0;
	if (len >= sizeof(host))
		return "the address is too long";
	memcpy(host, text, len);
	host[len] = '\0';
	if ((strchr(host, ':') != NULL) != bracket)
		return "an IPv6 address, and no other, stands in [ ]";
	if (!is_loopback(host))
		return "only an address of this machine is taken: write "
		    "127.0.0.1 or [::1] and no name";
	return NULL;
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

/*
 * RFC 5321 4.1.2 between the brackets, as far as a line of SMTP depends on it:
 *	Mailbox = Local-part "@" Domain; Local-part = Dot-string / Quoted-string
 */
static bool
is_address(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	bool quoted = false;

	if (*p == '\0')
		return false;
	for (; *p != '\0'; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && strchr(" <>", *p) != NULL)
			return false;
		if (*p < ' ' || *p == 0x7f)
			return false;
	}
	return !quoted;
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool
valid_request(const struct submit_request *request)
{
	const struct submission *submission = &request->submission;
	size_t i;

	if (submission->size == 0 || submission->size > SUBMIT_SIZE_MAX ||
	    request->limit == 0 || submission->count == 0 ||
	    submission->count > SUBMIT_RECIPIENTS_MAX ||
	    !is_printable(submission->queue_id))
		return false;
	if (submission->sender[0] != '\0' && !is_address(submission->sender))
		return false;
	for (i = 0; i < submission->count; i++)
		if (!is_address(submission->recipients[i]))
			return false;
	return true;
}

/* The place behind it, or NULL when it is too long. */
static unsigned char *
put_string(unsigned char *p, const unsigned char *end, const char *text,
    size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (p == NULL || len > max || len >= (size_t)(end - p))
		return NULL;
	memcpy(p, text, len + 1);
	return p + len + 1;
}

ssize_t
submit_put_request(const struct submit_request *request, unsigned char *buf,
    size_t size)
{
	const struct submission *submission = &request->submission;
	const unsigned char *end = buf + size;
	unsigned char *p = buf;
	size_t i;

	if (size < REQUEST_HEAD || !valid_request(request))
		return -1;
	*p++ = TYPE_REQUEST;
	p = put_number(p, request->serial, 8);
	p = put_number(p, request->limit, 4);
	p = put_number(p, submission->size, 8);
	p = put_number(p, submission->count, 2);
	p = put_string(p, end, submission->queue_id, CHANNEL_QUEUE_ID_MAX);
	p = put_string(p, end, submission->sender, ADDRESS_MAX);
	for (i = 0; i < submission->count; i++)
		p = put_string(p, end, submission->recipients[i],
		    ADDRESS_MAX);
	return p == NULL ? -1 : p - buf;
}

/* The string at *p, which moves behind its NUL; NULL when there is none. */
static const char *
get_string(const unsigned char **p, const unsigned char *end, size_t max)
{
	const char *text = (const char *)*p;
	const unsigned char *nul = memchr(*p, '\0', (size_t)(end - *p));

	if (nul == NULL || (size_t)(nul - *p) > max)
		return NULL;
	*p = nul + 1;
	return text;
}

int
submit_get_request(const unsigned char *buf, size_t len,
    struct submit_request *out)
{
	struct submission *submission = &out->submission;
	const unsigned char *p = buf + REQUEST_HEAD, *end = buf + len;
	size_t i;

	memset(out, 0, sizeof(*out));
	submission->fd = -1;
	submission->recipients = out->recipients;
	if (len < REQUEST_HEAD || buf[0] != TYPE_REQUEST)
		return -1;
	out->serial = get_number(buf + 1, 8);
	out->limit = (uint32_t)get_number(buf + 9, 4);
	submission->size = get_number(buf + 13, 8);
	submission->count = get_number(buf + 21, 2);
	if (submission->count > SUBMIT_RECIPIENTS_MAX ||
	    (submission->queue_id = get_string(&p, end,
	    CHANNEL_QUEUE_ID_MAX)) == NULL ||
	    (submission->sender = get_string(&p, end, ADDRESS_MAX)) == NULL)
		return -1;
	for (i = 0; i < submission->count; i++)
		if ((out->recipients[i] = get_string(&p, end,
		    ADDRESS_MAX)) == NULL)
			return -1;
	return p == end && valid_request(out) ? 0 : -1;
}

/* Each status has its codes (RFC 5321 4.2.1). */
static bool
valid_answer(unsigned status, unsigned code)
{
	switch (status) {
	case SUBMIT_ACCEPTED:
		return code == 250;
	case SUBMIT_REFUSED:
		return code >= 500 && code <= 599;
	case SUBMIT_FAILED:
		return code == 0 || (code >= 400 && code <= 499);
	default:
		return false;
	}
}

ssize_t
submit_put_answer(uint64_t serial, const struct submit_answer *answer,
    unsigned char *buf, size_t size)
{
	size_t text = strnlen(answer->text, sizeof(answer->text));
	unsigned char *p = buf;

	if (text > SUBMIT_TEXT_MAX || ANSWER_HEAD + text > size ||
	    !valid_answer(answer->status, answer->code))
		return -1;
	*p++ = TYPE_ANSWER;
	p = put_number(p, serial, 8);
	*p++ = (unsigned char)answer->status;
	p = put_number(p, answer->code, 2);
	memcpy(p, answer->text, text);
	return p + text - buf;
}

int
submit_get_answer(const unsigned char *buf, size_t len, uint64_t *serial,
    struct submit_answer *out)
{
	size_t text;

	memset(out, 0, sizeof(*out));
	if (len < ANSWER_HEAD || len > ANSWER_HEAD + SUBMIT_TEXT_MAX ||
	    buf[0] != TYPE_ANSWER ||
	    !valid_answer(buf[9], (unsigned)get_number(buf + 10, 2)))
		return -1;
	*serial = get_number(buf + 1, 8);
	out->status = (enum submit_status)buf[9];
	out->code = (unsigned)get_number(buf + 10, 2);
	text = len - ANSWER_HEAD;
	if (memchr(buf + ANSWER_HEAD, '\0', text) != NULL)
		return -1;
	smime_printable(buf + ANSWER_HEAD, text, out->text,
	    sizeof(out->text));
	return 0;
}

/* ------------------------------------------------------------- packets --- */

union control {
	struct cmsghdr	head;
	char		room[CMSG_SPACE(sizeof(int))];
};

bool
submit_send_packet(int channel, const unsigned char *buf, size_t len, int fd)
{
	union control control;
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	memset(&control, 0, sizeof(control));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)len;
}

/*
 * Takes what descriptors came: more than one may fit where there is room for
 * one, because of padding. All are closed unless there is just one.
 */
static int
take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int fd, only = -1;
	size_t i, n, seen = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd),
			    sizeof(fd));
			if (seen++ == 0)
				only = fd;
			else
				close(fd);
		}
	}
	if (seen > 1) {
		close(only);
		return -1;
	}
	return only;
}

int
submit_receive_packet(int channel, unsigned char *buf, size_t size,
    size_t *len, int *fd)
{
	union control control;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0 && msg.msg_controllen == 0)
		return n == 0 ? 0 : -1;
	if (n == -1)
		return -1;
	*fd = take_descriptor(&msg);
	*len = (size_t)n;
	if (*fd != -1 && n > 0 &&
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return 1;
	if (*fd != -1)
		close(*fd);
	*fd = -1;
	return -1;
}
