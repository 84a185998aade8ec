/*
 * submit.h - messages of our own, sent to a local MTA by a process of its own;
 * grouped by file.
 *
 *	submit_wire.c	what the mail and the submit process say to each other
 *	submit_client.c	the mail process's side
 *	submitd.c	the submit process
 *	submit_try.c	whether one could be started
 *	submit_smtp.c	SMTP, by libcurl
 */
#ifndef SAMPUL_SUBMIT_H
#define SAMPUL_SUBMIT_H

#include "../smime/smime.h"
#include "conf.h"

/* All of it is borrowed. */
struct submission {
	const char		*sender;	/* envelope; "" the null sender */
	const char *const	*recipients;	/* both without <> */
	size_t			 count;
	int			 fd;		/* a regular file: the message with
						 * CRLF, from its beginning */
	uint64_t		 size;		/* octets */
	const char		*queue_id;	/* of the original, for the log */
};
/* What an MTA takes in one go (RFC 5321 4.5.3.1.8 asks for 100 at least). */
#define SUBMIT_RECIPIENTS_MAX	1000
#define SUBMIT_SIZE_MAX		((uint64_t)1 << 40)
#define SUBMIT_TEXT_MAX		255

enum submit_status {
	SUBMIT_ACCEPTED = 1,	/* for all recipients */
	SUBMIT_REFUSED,		/* 5xx; nothing was sent */
	SUBMIT_FAILED		/* 4xx, no connection, no time */
};

struct submit_answer {
	enum submit_status	 status;
	unsigned		 code;	/* of the last reply; 0 none */
	char			 text[SUBMIT_TEXT_MAX + 1];	/* printable */
};

/* ------------------------------------------------------- submit_wire.c --- */

/*
 * Reads "127.0.0.1:10027" or "[::1]:10027"; port may be NULL. Returns what is
 * wrong with it (a static sentence), or NULL: only an address of this machine
 * will do, and no name, for the submit process looks nothing up.
 */
const char *submit_read_server(const char *text, unsigned *port);

struct submit_request {
	uint64_t		 serial;	/* the answer has the same */
	uint32_t		 limit;		/* ms until it is too late */
	struct submission	 submission;	/* without fd, on the wire */
	const char		*recipients[SUBMIT_RECIPIENTS_MAX];
};

/*
 * Encodes into buf (ceiling size); the length, or -1 when it does not fit or
 * could not be decoded. submission.recipients is what is encoded.
 */
ssize_t	 submit_put_request(const struct submit_request *request,
	    unsigned char *buf, size_t size);
/* Decodes strictly, else -1. out borrows from buf and from itself. */
int	 submit_get_request(const unsigned char *buf, size_t len,
	    struct submit_request *out);
ssize_t	 submit_put_answer(uint64_t serial, const struct submit_answer *answer,
	    unsigned char *buf, size_t size);
int	 submit_get_answer(const unsigned char *buf, size_t len,
	    uint64_t *serial, struct submit_answer *out);
#define SUBMIT_REQUEST_MAX	((size_t)128 * 1024)
#define SUBMIT_ANSWER_MAX	((size_t)512)

/*
 * Sends a request with its descriptor; false with errno. Receives one: 1, and
 * the descriptor is the caller's; 0 the other end is gone; -1 it is not exactly
 * one packet of at most size octets with one descriptor.
 */
bool	 submit_send_packet(int channel, const unsigned char *buf, size_t len,
	    int fd);
int	 submit_receive_packet(int channel, unsigned char *buf, size_t size,
	    size_t *len, int *fd);

/* ----------------------------------------------------- submit_client.c --- */

struct submit_pool;

/* NULL without memory. The descriptors are closed by submit_pool_free. */
struct submit_pool *submit_pool_new(const int *fds, size_t count);
void	 submit_pool_free(struct submit_pool *pool);	/* takes NULL */
/* Whether half of its channels are gone: time for new processes. */
bool	 submit_pool_worn(struct submit_pool *pool);
/*
 * Hands a message to the submit process and waits, at most timeout seconds and
 * a few more to hear how it went. 0: answer says. -1: a fault, and whether the
 * message was sent is not known. Thread safe.
 */
int	 submit_send(struct submit_pool *pool,
	    const struct submission *submission, unsigned timeout,
	    struct submit_answer *answer, struct smime_error *err);

/* ------------------------------------------------------- submit_smtp.c --- */

/* Whether this build knows libcurl. */
bool	 smtp_is_built(void);
/*
 * Loads libcurl, in the submit process alone: the thirty libraries that it
 * brings along have no business where keys are or mail is parsed.
 */
int	 smtp_load(struct smime_error *err);
/*
 * One message in one transaction, within limit milliseconds, to server
 * (submit_read_server); helo is the name to greet with. It is given up when the
 * other end of asker is closed. answer says how it went; then smtp_close (which
 * may wait a moment) with what is returned.
 */
struct smtp;
struct smtp *smtp_send(const char *server, const char *helo,
	    const struct submission *submission, int asker,
	    unsigned limit, struct submit_answer *answer);
void	 smtp_close(struct smtp *smtp);		/* takes NULL */

/* -------------------------------------------------------- submit_try.c --- */

/*
 * Whether the submit process of this configuration would find libcurl; -1 with
 * what to install. The caller stays without it: a child is made for this.
 */
int	 submit_try(const struct conf *conf, struct smime_error *err);

/* -------------------------------------------------------------- mark.c --- */

/*
 * Each message of our own carries a field with a token that is known to the
 * mail process while its submission is under way. Should the MTA show it to us
 * again, it is passed on as it is. Thread safe.
 */
#define MARK_FIELD	"Sampul-Copy"
#define MARK_LEN	32	/* hexadecimal digits: 128 random bits */

struct marks;

struct marks *marks_new(void);		/* NULL without memory */
void	 marks_free(struct marks *marks);	/* takes NULL */
/* A new token, known from now on; -1 when there are too many. */
int	 marks_issue(struct marks *marks, char token[MARK_LEN + 1],
	    struct smime_error *err);
/*
 * Whether text (the field's value, with or without white space around it) is
 * one that is known: once.
 */
bool	 marks_take(struct marks *marks, const char *text);
/* After the answer, whatever it was; a token that is not known may be given. */
void	 marks_withdraw(struct marks *marks, const char *token);

#endif
