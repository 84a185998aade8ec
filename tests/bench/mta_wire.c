/*
 * mta_wire.c - packets of the milter protocol.
 *
 * A packet is a length (four octets, network order), a command octet and its
 * data. Postfix buffers what needs no answer and writes when it waits for one;
 * so does this, or the filter would be woken for every header field.
 */
#include <sys/socket.h>

#include <arpa/inet.h>

#include <errno.h>
#include <libmilter/mfdef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta_wire.h"

const char *
mta_error(const struct mta *mta)
{
	return mta->error;
}

uint64_t
mta_replaced(const struct mta *mta)
{
	return mta->replaced;
}

int
mta_fault(struct mta *mta, const char *what)
{
	if (mta->error[0] == '\0')
		snprintf(mta->error, sizeof(mta->error), "%s%s%s", what,
		    errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	return -1;
}

/* ------------------------------------------------------------- octets --- */

int
mta_flush(struct mta *mta)
{
	size_t at = 0;
	ssize_t n;

	while (at < mta->out_len) {
		n = send(mta->fd, mta->out + at, mta->out_len - at,
		    MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return mta_fault(mta, "write to filter");
		at += (size_t)n;
	}
	mta->out_len = 0;
	return 0;
}

static int
put_octets(struct mta *mta, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t n;

	while (len > 0) {
		if (mta->out_len == sizeof(mta->out) && mta_flush(mta) == -1)
			return -1;
		n = sizeof(mta->out) - mta->out_len;
		if (n > len)
			n = len;
		memcpy(mta->out + mta->out_len, p, n);
		mta->out_len += n;
		p += n;
		len -= n;
	}
	return 0;
}

static int
get_octets(struct mta *mta, void *buf, size_t len)
{
	unsigned char *p = buf;
	ssize_t got;
	size_t n;

	while (len > 0) {
		if (mta->in_at == mta->in_have) {
			errno = 0;
			got = read(mta->fd, mta->in, sizeof(mta->in));
			if (got == -1 && errno == EINTR)
				continue;
			if (got <= 0)
				return mta_fault(mta, "filter closed");
			mta->in_at = 0;
			mta->in_have = (size_t)got;
		}
		n = mta->in_have - mta->in_at;
		if (n > len)
			n = len;
		memcpy(p, mta->in + mta->in_at, n);
		mta->in_at += n;
		p += n;
		len -= n;
	}
	return 0;
}

/* ------------------------------------------------------------ packets --- */

int
mta_put(struct mta *mta, int command, const struct piece *piece,
    size_t count)
{
	unsigned char head[5];
	uint32_t len = 1;
	size_t i;

	for (i = 0; i < count; i++)
		len += (uint32_t)piece[i].len;
	len = htonl(len);
	memcpy(head, &len, 4);
	head[4] = (unsigned char)command;
	if (put_octets(mta, head, 5) == -1)
		return -1;
	for (i = 0; i < count; i++)
		if (put_octets(mta, piece[i].p, piece[i].len) == -1)
			return -1;
	return 0;
}

int
mta_put_strings(struct mta *mta, int command, const char *a, const char *b)
{
	struct piece piece[2];
	size_t n = 0;

	if (a != NULL) {
		piece[n].p = a;
		piece[n++].len = strlen(a) + 1;
	}
	if (b != NULL) {
		piece[n].p = b;
		piece[n++].len = strlen(b) + 1;
	}
	return mta_put(mta, command, piece, n);
}

int
mta_get(struct mta *mta)
{
	uint32_t len;

	if (mta_flush(mta) == -1 || get_octets(mta, &len, 4) == -1)
		return -1;
	len = ntohl(len);
	errno = 0;
	if (len == 0 || len > PACKET_MAX)
		return mta_fault(mta, "packet of no sane length");
	if (get_octets(mta, mta->packet, len) == -1)
		return -1;
	mta->packet[len] = '\0';
	mta->packet_len = len - 1;
	return mta->packet[0];
}

int
mta_put_macros(struct mta *mta, int command, const char *const *macro)
{
	struct piece piece[33];
	char c = (char)command;
	size_t n = 0;

	piece[n].p = &c;
	piece[n++].len = 1;
	for (; macro[0] != NULL && n < 31; macro += 2) {
		if (macro[1] == NULL || macro[1][0] == '\0')
			continue;
		piece[n].p = macro[0];
		piece[n++].len = strlen(macro[0]) + 1;
		piece[n].p = macro[1];
		piece[n++].len = strlen(macro[1]) + 1;
	}
	return mta_put(mta, SMFIC_MACRO, piece, n);
}
