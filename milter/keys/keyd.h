/*
 * keyd.h - what the files of the key process share.
 */
#ifndef SAMPUL_KEYD_H
#define SAMPUL_KEYD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../../smime/smime.h"
#include "../channel.h"
#include "../conf.h"
#include "entry.h"
#include "keystore.h"

/* ------------------------------------------------------------ secret.c --- */

/* The keystore's passphrase, while it is changed the next, and whence. */
struct secret {
	char	*text;		/* NULL none */
	size_t	 len;
	char	*next;		/* NULL none */
	size_t	 next_len;
	char	*file;
};

int	 secret_read(const struct conf *conf, struct secret *out,
	    struct smime_error *err);
void	 secret_clear(struct secret *secret);
/* Whether the passphrase in memory is the one that conf names. */
bool	 secret_serves(const struct secret *secret, const struct conf *conf);
/* A copy of old with text as the next one or, done, as the only one. */
int	 secret_change(const struct secret *old, const char *text, size_t len,
	    bool done, struct secret *out, struct smime_error *err);

/* -------------------------------------------------------------- keyd.c --- */

/* A configuration and its keystore, counted; a request keeps what it began
 * with. */
struct served {
	struct conf	*conf;
	struct keystore	*store;
	unsigned	 references;
};

struct served *served_take(void);
void	 served_drop(struct served *served);	/* takes NULL */
/* The keystore's passphrase as in secret_change, from the next request on. */
int	 keyd_passphrase(const char *text, size_t len, bool done,
	    struct smime_error *err);

/* ----------------------------------------------------------- unlockd.c --- */

/* While root: makes the socket, finds the groups; nothing where none is
 * configured. */
int	 unlockd_open(const struct conf *conf, struct smime_error *err);
/* A thread that serves it. */
int	 unlockd_start(struct vault *vault, struct smime_error *err);

/* -------------------------------------------------------------- rate.c --- */

/*
 * A ceiling on signatures per address and minute, and "once a day" marks; both
 * in tables of fixed size. Shared by threads.
 */
struct rate;

struct rate *rate_new(void);
void	 rate_free(struct rate *rate);
/* Whether one more is within per_minute at now_ms (a steady clock). */
bool	 rate_take(struct rate *rate, const char *address, unsigned per_minute,
	    int64_t now_ms);
/* True the first time that key is asked for on this day. */
bool	 rate_first_today(struct rate *rate, const char *key, time_t now);

/* ------------------------------------------------------------ answer.c --- */

/*
 * Answers one request: looks its address up, signs, writes the trail. Always an
 * answer, to be freed by key_answer_clear. On any thread.
 */
void	 served_answer(const struct served *served, struct rate *rate,
	    const struct key_request *request, struct key_answer *answer);

#endif
