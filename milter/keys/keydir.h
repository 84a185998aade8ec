/*
 * keydir.h - the directory of keys, for the files that make it up.
 *
 *	keystore.c		opened, followed when it moves, closed
 *	keystore_look.c		who signs for an address, remembered
 *	keystore_unlock.c	an owner's keys, opened for a while
 *	keystore_each.c		what is there, for sampulctl
 */
#ifndef SAMPUL_KEYDIR_H
#define SAMPUL_KEYDIR_H

#include <stdatomic.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../incoming.h"
#include "entry.h"
#include "keystore.h"

struct keystore {
	struct key_context	 context;	/* but for its trust */
	struct truststore	*trusted;
	struct conf		 trusts;	/* for it: copied, no more */
	struct keycache		*cache;
	char			*dir;
	atomic_llong		 looked;	/* at dir, in seconds */
	atomic_bool		 moved;		/* it is out of reach */
};

/*
 * Before each use: a whole keystore may have been put in the place of another.
 * Goes over to it; -1 while it is out of reach, for then nothing of the one
 * before is used.
 */
int	 keystore_follow(struct keystore *store, struct smime_error *err);

#endif
