/*
 * unlockd.h - the key process's own socket, for the files that serve it.
 *
 *	unlockd.c	the socket, its thread, one client after the other
 *	unlock_rights.c	who may ask for what
 *	unlock_verbs.c	what is done and answered
 */
#ifndef SAMPUL_UNLOCKD_H
#define SAMPUL_UNLOCKD_H

#include <sys/socket.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "entry.h"
#include "keyd.h"
#include "unlock.h"

#define PEER_GROUPS_MAX	1024

/* Whoever is asking. */
struct client {
	int		 fd;
	struct ucred	 cred;
	gid_t		 groups[PEER_GROUPS_MAX];
	size_t		 group_count;
	char		 by[32];	/* for the record */
	const struct served *served;
};

/* A client that does not take its answer is not waited for. */
void	 client_reply(const struct client *client,
	    const struct unlock_answer *answer);
/* -1 with the sentence, which is logged, too. */
int	 client_record(const struct client *client, const char *event,
	    const char *address, const char *result, const char *reason,
	    struct smime_error *err);

/* --------------------------------------------------- unlock_rights.c --- */

/* Finds the groups that the configuration names. */
int	 rights_open(const struct conf *conf, struct smime_error *err);
/* The socket's mode and its group, (gid_t)-1: left as it is. */
mode_t	 rights_mode(gid_t *group);

/* Asks the kernel who the client is. */
int	 client_identify(struct client *client);
/* Whether there is anything at all that it may ask; then, whether this. */
bool	 client_may_anything(const struct client *client);
bool	 client_may_ask(const struct client *client,
	    const struct unlock_request *request);
/* Whether an address's keys are its to open and close. */
bool	 client_may(const struct client *client, const char *address);

/* ---------------------------------------------------- unlock_verbs.c --- */

int	 verbs_open(struct vault *vault, struct smime_error *err);
/* Does what a client that may asks for. */
void	 verbs_do(const struct client *client,
	    const struct unlock_request *request,
	    struct unlock_answer *answer);
/* Closes the keys whose time is up, as lock does, and on record. */
void	 verbs_expire(void);
/* Milliseconds until the next one's is, INT64_MAX without any. */
int64_t	 verbs_next(void);

#endif
