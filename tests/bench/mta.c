/*
 * mta.c - the MTA's side of the milter protocol, version 6: the steps of a
 * connection and of a message, and the edits at its end.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <libmilter/mfdef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta_wire.h"

/* --------------------------------------------------------- connecting --- */

static int
open_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (void *)&sun, sizeof(sun)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* PORT@HOST, as libmilter and Postfix write it. */
static int
open_inet(const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res;
	char port[16];
	const char *at = strchr(text, '@');
	int fd, one = 1;

	snprintf(port, sizeof(port), "%.*s", at == NULL ? (int)strlen(text) :
	    (int)(at - text), text);
	errno = EINVAL;
	if (getaddrinfo(at == NULL ? "127.0.0.1" : at + 1, port, &hints,
	    &res) != 0)
		return -1;
	fd = socket(res->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, res->ai_addr, res->ai_addrlen) == -1) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(res);
	if (fd != -1)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int
negotiate(struct mta *mta)
{
	uint32_t ask[3] = { htonl(6), htonl(ACTIONS), htonl(PROTOCOL) };
	struct piece piece = { ask, sizeof(ask) };
	int command;

	if (mta_put(mta, SMFIC_OPTNEG, &piece, 1) == -1)
		return -1;
	command = mta_get(mta);
	if (command == -1)
		return -1;
	if (command != SMFIC_OPTNEG || mta->packet_len < sizeof(ask))
		return mta_fault(mta, "no answer to the negotiation");
	memcpy(ask, mta->packet + 1, sizeof(ask));
	mta->actions = ntohl(ask[1]);
	mta->protocol = ntohl(ask[2]);
	if ((mta->actions & ~ACTIONS) != 0 || (mta->protocol & ~PROTOCOL) != 0)
		return mta_fault(mta, "filter wants what was not offered");
	return 0;
}

/* A step's own flags: asked not to be told, and asked not to answer. */
struct step {
	uint32_t	 no;
	uint32_t	 noreply;
};

/*
 * After a step: reads its answer unless the filter said it gives none. The
 * answer's octet, SMFIR_CONTINUE without one, -1 on a fault.
 */
static int
answer(struct mta *mta, const struct step *step)
{
	int command;

	if (mta->protocol & step->noreply)
		return SMFIR_CONTINUE;
	do
		command = mta_get(mta);
	while (command == SMFIR_PROGRESS);
	return command;
}

static int
connect_steps(struct mta *mta, const struct mta_envelope *envelope)
{
	static const struct step conn = { SMFIP_NOCONNECT, SMFIP_NR_CONN };
	static const struct step helo = { SMFIP_NOHELO, SMFIP_NR_HELO };
	const char *macro[] = { "j", "mail.pekalongankab.go.id",
	    "{daemon_name}", envelope->daemon, "v", "Postfix 3.7.11", NULL };
	const char *none[] = { NULL };
	uint16_t port = htons(45678);
	struct piece piece[4] = { { "client.example", 15 }, { "4", 1 },
	    { &port, 2 }, { envelope->client, strlen(envelope->client) + 1 } };

	if (!(mta->protocol & conn.no)) {
		if (mta_put_macros(mta, SMFIC_CONNECT, macro) == -1 ||
		    mta_put(mta, SMFIC_CONNECT, piece, 4) == -1)
			return -1;
		if (answer(mta, &conn) != SMFIR_CONTINUE)
			return mta_fault(mta, "connection not taken");
	}
	if (!(mta->protocol & helo.no)) {
		if (mta_put_macros(mta, SMFIC_HELO, none) == -1 ||
		    mta_put_strings(mta, SMFIC_HELO, "client.example", NULL) == -1)
			return -1;
		if (answer(mta, &helo) != SMFIR_CONTINUE)
			return mta_fault(mta, "HELO not taken");
	}
	return 0;
}

struct mta *
mta_open(const char *where, const struct mta_envelope *client)
{
	struct timeval tv = { .tv_sec = TIMEOUT };
	struct mta *mta;

	mta = calloc(1, sizeof(*mta));
	if (mta == NULL || (mta->packet = malloc(PACKET_MAX + 2)) == NULL) {
		free(mta);
		return NULL;
	}
	if (strncmp(where, "inet:", 5) == 0)
		mta->fd = open_inet(where + 5);
	else
		mta->fd = open_unix(strncmp(where, "unix:", 5) == 0 ?
		    where + 5 : where);
	if (mta->fd == -1) {
		mta_fault(mta, "connect to filter");
		return mta;
	}
	setsockopt(mta->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(mta->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (negotiate(mta) == -1 || connect_steps(mta, client) == -1) {
		mta_fault(mta, "negotiation");
		close(mta->fd);
		mta->fd = -1;
	}
	return mta;
}

void
mta_close(struct mta *mta)
{
	if (mta == NULL)
		return;
	if (mta->fd != -1) {
		if (mta_put(mta, SMFIC_QUIT, NULL, 0) == 0)
			(void)mta_flush(mta);
		close(mta->fd);
	}
	free(mta->packet);
	free(mta);
}

/* ------------------------------------------------------- the envelope --- */

static int
mail_step(struct mta *mta, const struct mta_envelope *envelope)
{
	static const struct step step = { SMFIP_NOMAIL, SMFIP_NR_MAIL };
	const char *macro[] = { "{auth_authen}", envelope->login,
	    "{auth_type}", envelope->login[0] != '\0' ? "PLAIN" : "",
	    "{mail_addr}", envelope->sender, "{mail_host}", "mail.example",
	    "{mail_mailer}", "smtp", NULL };
	struct piece piece[3];
	char sender[1024];
	size_t n = 1;

	if (mta->protocol & step.no)
		return SMFIR_CONTINUE;
	snprintf(sender, sizeof(sender), "<%s>", envelope->sender);
	piece[0] = (struct piece){ sender, strlen(sender) + 1 };
	if (envelope->eightbit)
		piece[n++] = (struct piece){ "BODY=8BITMIME", 14 };
	if (envelope->smtputf8)
		piece[n++] = (struct piece){ "SMTPUTF8", 9 };
	if (mta_put_macros(mta, SMFIC_MAIL, macro) == -1 ||
	    mta_put(mta, SMFIC_MAIL, piece, n) == -1)
		return -1;
	return answer(mta, &step);
}

static int
rcpt_step(struct mta *mta, const struct mta_envelope *envelope)
{
	static const struct step step = { SMFIP_NORCPT, SMFIP_NR_RCPT };
	const char *macro[] = { "i", envelope->queue_id, "{rcpt_addr}",
	    envelope->recipient, "{rcpt_host}", "example.org",
	    "{rcpt_mailer}", "smtp", NULL };
	char recipient[1024];

	if (mta->protocol & step.no)
		return SMFIR_CONTINUE;
	snprintf(recipient, sizeof(recipient), "<%s>", envelope->recipient);
	if (mta_put_macros(mta, SMFIC_RCPT, macro) == -1 ||
	    mta_put_strings(mta, SMFIC_RCPT, recipient, NULL) == -1)
		return -1;
	return answer(mta, &step);
}

/* Postfix sends the macros of the end of header with every field. */
static int
header_steps(struct mta *mta, const struct mta_envelope *envelope,
    const struct mta_message *message)
{
	static const struct step step = { SMFIP_NOHDRS, SMFIP_NR_HDR };
	const char *macro[] = { "i", envelope->queue_id, NULL }, *value;
	size_t i;
	int command = SMFIR_CONTINUE;

	if (mta->protocol & step.no)
		return SMFIR_CONTINUE;
	for (i = 0; i < message->count && command == SMFIR_CONTINUE; i++) {
		value = message->fields[i].value;
		/* Postfix eats one space where the filter did not ask. */
		if (!(mta->protocol & SMFIP_HDR_LEADSPC) && value[0] == ' ')
			value++;
		if (mta_put_macros(mta, SMFIC_HEADER, macro) == -1 ||
		    mta_put_strings(mta, SMFIC_HEADER, message->fields[i].name,
		    value) == -1)
			return -1;
		command = answer(mta, &step);
	}
	return command;
}

static int
body_steps(struct mta *mta, const struct mta_message *message)
{
	static const struct step step = { SMFIP_NOBODY, SMFIP_NR_BODY };
	struct piece piece;
	size_t at;
	int command = SMFIR_CONTINUE;

	if (mta->protocol & step.no)
		return SMFIR_CONTINUE;
	for (at = 0; at < message->body_len && command == SMFIR_CONTINUE;
	    at += piece.len) {
		piece.p = message->body + at;
		piece.len = message->body_len - at;
		if (piece.len > CHUNK)
			piece.len = CHUNK;
		if (mta_put(mta, SMFIC_BODY, &piece, 1) == -1)
			return -1;
		command = answer(mta, &step);
		if (command == SMFIR_SKIP && (mta->protocol & SMFIP_SKIP))
			return SMFIR_CONTINUE;
	}
	return command;
}

/* A step with no data but its macros. */
static int
plain_step(struct mta *mta, const struct mta_envelope *envelope, int command,
    const struct step *step)
{
	const char *macro[] = { "i", envelope->queue_id, "{auth_authen}",
	    envelope->login, "{auth_type}", envelope->login[0] != '\0' ?
	    "PLAIN" : "", NULL };

	if (mta->protocol & step->no)
		return SMFIR_CONTINUE;
	if (mta_put_macros(mta, command, macro) == -1 ||
	    mta_put(mta, command, NULL, 0) == -1)
		return -1;
	return answer(mta, step);
}

/* -------------------------------------------------------------- edits --- */

/*
 * One edit. As Postfix 3.7 has it, a body replacement is one unbroken run: any
 * other edit ends it, and a second run is refused (MTA-02).
 */
static int
edit(struct mta *mta, int command, struct mta_message *message)
{
	const char *data = (const char *)mta->packet + 1, *value;
	uint32_t at = 0;
	bool first;

	errno = 0;
	if (command == SMFIR_REPLBODY) {
		first = !mta->replacing;
		if (first && mta->replaced > 0)
			return mta_fault(mta, "a second body replacement");
		mta->replacing = true;
		mta->replaced += mta->packet_len;
		return message == NULL ? 0 : mta_message_body(message, first,
		    data, mta->packet_len);
	}
	mta->replacing = false;
	if (command == SMFIR_CHGHEADER || command == SMFIR_INSHEADER) {
		if (mta->packet_len < 4)
			return mta_fault(mta, "header edit cut short");
		memcpy(&at, data, 4);
		at = ntohl(at);
		data += 4;
	}
	value = data + strlen(data) + 1;
	if (value > (const char *)mta->packet + mta->packet_len)
		return mta_fault(mta, "header edit without value");
	if (strchr(value, '\r') != NULL)
		return mta_fault(mta, "CR in a header edit");
	if (message == NULL)
		return 0;
	return mta_message_edit(message, command == SMFIR_INSHEADER ?
	    MTA_INSERT : command == SMFIR_CHGHEADER ? MTA_CHANGE : MTA_APPEND,
	    at, data, value, (mta->protocol & SMFIP_HDR_LEADSPC) == 0);
}

/* Answers to the end of the message: edits, then a verdict. */
static int
final_answer(struct mta *mta, struct mta_message *message)
{
	int command;

	for (;;) {
		command = mta_get(mta);
		switch (command) {
		case SMFIR_PROGRESS:
			mta->replacing = false;
			break;
		case SMFIR_REPLBODY:
		case SMFIR_ADDHEADER:
		case SMFIR_INSHEADER:
		case SMFIR_CHGHEADER:
			if (edit(mta, command, message) == -1)
				return mta_fault(mta, "edit failed");
			break;
		case SMFIR_ADDRCPT:
		case SMFIR_ADDRCPT_PAR:
		case SMFIR_DELRCPT:
		case SMFIR_CHGFROM:
		case SMFIR_QUARANTINE:
			mta->replacing = false;
			break;
		default:
			return command;
		}
	}
}

static enum mta_verdict
verdict(struct mta *mta, int command, char *reply, size_t size)
{
	switch (command) {
	case SMFIR_CONTINUE:
	case SMFIR_ACCEPT:
		return MTA_ACCEPT;
	case SMFIR_TEMPFAIL:
		return MTA_TEMPFAIL;
	case SMFIR_REJECT:
		return MTA_REJECT;
	case SMFIR_DISCARD:
		return MTA_DISCARD;
	case SMFIR_REPLYCODE:
		if (reply != NULL)
			snprintf(reply, size, "%s", mta->packet + 1);
		if (mta->packet[1] == '4')
			return MTA_TEMPFAIL;
		if (mta->packet[1] == '5')
			return MTA_REJECT;
		break;
	default:
		break;
	}
	errno = 0;
	mta_fault(mta, "answer that fits no step");
	return MTA_FAULT;
}

enum mta_verdict
mta_send(struct mta *mta, const struct mta_envelope *envelope,
    struct mta_message *message, bool edits, char *reply, size_t size)
{
	static const struct step data = { SMFIP_NODATA, SMFIP_NR_DATA };
	static const struct step eoh = { SMFIP_NOEOH, SMFIP_NR_EOH };
	const char *macro[] = { "i", envelope->queue_id, NULL };
	int command;

	if (reply != NULL)
		reply[0] = '\0';
	if (mta->fd == -1)
		return MTA_FAULT;
	mta->replaced = 0;
	mta->replacing = false;
	if ((command = mail_step(mta, envelope)) != SMFIR_CONTINUE ||
	    (command = rcpt_step(mta, envelope)) != SMFIR_CONTINUE ||
	    (command = plain_step(mta, envelope, SMFIC_DATA, &data)) !=
	    SMFIR_CONTINUE ||
	    (command = header_steps(mta, envelope, message)) !=
	    SMFIR_CONTINUE ||
	    (command = plain_step(mta, envelope, SMFIC_EOH, &eoh)) !=
	    SMFIR_CONTINUE ||
	    (command = body_steps(mta, message)) != SMFIR_CONTINUE) {
		/* Postfix then aborts, unless the message was accepted. */
		if (command != -1 && command != SMFIR_ACCEPT)
			(void)mta_put(mta, SMFIC_ABORT, NULL, 0);
		return verdict(mta, command, reply, size);
	}
	if (mta_put_macros(mta, SMFIC_BODYEOB, macro) == -1 ||
	    mta_put(mta, SMFIC_BODYEOB, NULL, 0) == -1)
		return MTA_FAULT;
	command = final_answer(mta, edits ? message : NULL);
	return verdict(mta, command, reply, size);
}
