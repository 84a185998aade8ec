/*
 * handover.h - what the two files share that hand copies over.
 */
#ifndef SAMPUL_HANDOVER_H
#define SAMPUL_HANDOVER_H

#include "../smime/smime.h"
#include "copying.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"
#include "submit.h"

/* ------------------------------------------------------------ letter.c --- */

/* A name for the message, the same when a client sends it again. */
int	 name_message(struct message *message,
	    unsigned char out[SENT_NAME_LEN]);
/* ... and for what becomes of it for one recipient. */
int	 name_recipient(const unsigned char message[SENT_NAME_LEN],
	    const char *what, const char *address,
	    unsigned char out[SENT_NAME_LEN], struct smime_error *err);

/* One transaction. What fails leaves its sentence in the message. */
struct letter {
	struct session	*session;
	const char	*sender;	/* borrowed */
	bool		 is_notice;	/* and no copy */
	char		**to;		/* without brackets */
	unsigned char	(*names)[SENT_NAME_LEN];
	size_t		 count;
	struct spool	*spool;
	char		 token[MARK_LEN + 1];
	enum plan_why	 final;		/* why it will never be taken; NONE */
};

/* With room for so many; to be closed in any case. */
int	 letter_open(struct letter *letter, struct session *session,
	    const char *sender, size_t count);
/*
 * Unless he has it: to him, as the MTA gave him, who is known by a name. -1
 * also when somebody else is about to send it.
 */
int	 letter_add(struct letter *letter,
	    const unsigned char name[SENT_NAME_LEN], const char *raw);
/* Takes a token for its mark, and octets from then on. */
int	 letter_begin(struct letter *letter);
int	 letter_sink(void *arg, const unsigned char *buf, size_t len);
/*
 * -1: it was not taken, and outcome says what is answered: come again. Where
 * that would be in vain, final says so.
 */
int	 letter_submit(struct letter *letter, SMFICTX *ctx,
	    struct outcome *outcome);
/* Remembers its recipients, if it was taken. */
void	 letter_close(struct letter *letter, bool taken);
/* An address without the brackets in which an MTA may give it; freed with
 * free. */
char	*letter_address(const char *raw);

#endif
