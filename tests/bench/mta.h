/*
 * mta.h - the MTA's side of the milter protocol, as Postfix 3.7 speaks it
 * (version 6): for the load client and for tests that need octet-exact input,
 * which a real MTA would have tidied first.
 */
#ifndef SAMPUL_BENCH_MTA_H
#define SAMPUL_BENCH_MTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mta_field {
	char	*name;
	char	*value;		/* what follows the colon, folds as LF */
	size_t	 value_len;	/* may hold NULs, which no milter sees */
};

struct mta_message {
	struct mta_field	*fields;
	size_t			 count;
	size_t			 allocated;
	unsigned char		*body;
	size_t			 body_len;
	size_t			 body_allocated;
	bool			 has_body;	/* the empty line was there */
};

void	 mta_message_clear(struct mta_message *message);
/* Takes a whole message apart; CRLF or LF line ends. 0 or -1. */
int	 mta_message_parse(struct mta_message *message, const void *buf,
	    size_t len);
int	 mta_message_copy(struct mta_message *to,
	    const struct mta_message *from);
/* Writes the message with CRLF to a file. 0 or -1. */
int	 mta_message_write(const struct mta_message *message,
	    const char *file);
const struct mta_field *mta_message_find(const struct mta_message *message,
	    const char *name);

/*
 * A filter's edits. index counts from 1 among the fields of that name for
 * MTA_CHANGE (an empty value deletes, a missing field is appended), and is a
 * place in the whole header for MTA_INSERT. space: the MTA puts one before the
 * value.
 */
enum mta_edit { MTA_APPEND, MTA_CHANGE, MTA_INSERT };
int	 mta_message_edit(struct mta_message *message, enum mta_edit how,
	    uint32_t index, const char *name, const char *value, bool space);
/* Replaces the body (first) or appends to its replacement. */
int	 mta_message_body(struct mta_message *message, bool first,
	    const void *buf, size_t len);

enum mta_verdict {
	MTA_ACCEPT,
	MTA_TEMPFAIL,
	MTA_REJECT,
	MTA_DISCARD,
	MTA_FAULT		/* the filter broke the protocol or is gone */
};

/* The envelope, with what Postfix tells a filter in macros. */
struct mta_envelope {
	const char	*sender;
	const char	*recipient;
	const char	*login;		/* "" none */
	const char	*daemon;	/* {daemon_name} */
	const char	*client;	/* IPv4 address of the client */
	const char	*queue_id;
	bool		 smtputf8;
	bool		 eightbit;	/* BODY=8BITMIME */
};

struct mta;

/* socket is "unix:PATH", "PATH" or "inet:PORT@HOST". */
struct mta *mta_open(const char *socket, const struct mta_envelope *client);
void	 mta_close(struct mta *mta);
/*
 * One message. With edit, its changes are made to *message; without, they are
 * only counted. reply (size octets, may be NULL) receives the answer's text.
 */
enum mta_verdict mta_send(struct mta *mta, const struct mta_envelope *envelope,
	    struct mta_message *message, bool edit, char *reply, size_t size);
/* What went wrong, with MTA_FAULT. */
const char *mta_error(const struct mta *mta);
/* Octets of replacement body that the last message got. */
uint64_t mta_replaced(const struct mta *mta);

#endif
