/*
 * copying.h - what the files share that deal with copies of a message:
 *
 *	whole.c		a message as it travels
 *	sentcopies.c	which recipients have theirs already
 *
 * How a message is divided is in encryption.h, how a copy is submitted in
 * submit.h.
 */
#ifndef SAMPUL_COPYING_H
#define SAMPUL_COPYING_H

#include "../smime/smime.h"
#include "editplan.h"

/* ------------------------------------------------------------ whole.c --- */

/* Header as the edits leave it, empty line, body; lines end in CRLF. */
int	 whole_write(const struct edit_plan *edits,
	    const struct header_list *header, struct composed *composed,
	    smime_sink sink, void *arg, struct smime_error *err);

/* ------------------------------------------------------- sentcopies.c --- */

#define SENT_NAME_LEN	32	/* of sender, message and recipient */
#define SENT_FILE	"copies"

enum sent_state {
	SENT_NOT_YET,		/* it is under way from now on */
	SENT_BUSY,		/* it is, by somebody else */
	SENT_ALREADY
};

/* Thread safe. */
struct sent_copies;

/*
 * dir is where SENT_FILE is kept; NULL: in memory alone, as where the file
 * cannot be used, which is logged. NULL without memory.
 */
struct sent_copies *sent_new(const char *dir);
void	 sent_free(struct sent_copies *sent);	/* takes NULL */
enum sent_state sent_begin(struct sent_copies *sent,
	    const unsigned char name[SENT_NAME_LEN], time_t now);
/* What sent_begin would return; nothing is under way by that. */
enum sent_state sent_look(struct sent_copies *sent,
	    const unsigned char name[SENT_NAME_LEN], time_t now);
/* Ends what sent_begin began; taken: the recipient has it. */
void	 sent_end(struct sent_copies *sent,
	    const unsigned char name[SENT_NAME_LEN], bool taken, time_t now);
/* Returns when what was taken is on disk. */
void	 sent_sync(struct sent_copies *sent);

#endif
