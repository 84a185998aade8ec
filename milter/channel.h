/*
 * channel.h - how the mail process asks the key process.
 */
#ifndef SAMPUL_CHANNEL_H
#define SAMPUL_CHANNEL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../smime/smime.h"

/* ----------------------------------------------------------- channel.c --- */

/*
 * Between mail and key process: SOCK_SEQPACKET socketpairs made before the
 * fork. The first carries all requests, and whichever thread of the key process
 * is free takes the next: one that has just answered goes on without having
 * slept. Each of the others carries the answer to one request at a time, which
 * names it. Both ends check what they get as hostile: exact length, known type,
 * fields under their ceilings.
 */
#define CHANNEL_QUEUE_ID_MAX	64
#define CHANNEL_REASON_MAX	256
#define CHANNEL_DER_MAX		65536

enum key_status {
	KEY_SIGNED = 1,
	KEY_WRONG_DIGEST,	/* sign again with the digest answered */
	KEY_NO_IDENTITY,	/* no usable certificate; reason says why */
	KEY_RATE_LIMITED,	/* over the address's ceiling: temporary */
	KEY_FAULT,		/* of ours: temporary */
	KEY_CERTIFICATES,	/* what was asked for is in der */
	KEY_LOCKED		/* its owner has to unlock it */
};

enum key_want {
	KEY_SIGN,		/* this digest for this address */
	KEY_LIST		/* the address's certificates, to encrypt to;
				 * digest and value say nothing */
};

struct key_request {
	char			 queue_id[CHANNEL_QUEUE_ID_MAX + 1];
	char			 address[ADDRESS_MAX + 1];	/* canonical */
	enum smime_digest	 digest;
	unsigned char		 value[SMIME_DIGEST_MAX];
	enum key_want		 want;
	uint16_t		 reply_to;	/* which channel, from 0 */
	uint64_t		 number;	/* of the asker's; answered */
};

struct key_answer {
	enum key_status		 status;
	uint64_t		 number;	/* the request's */
	enum smime_digest	 digest;	/* KEY_WRONG_DIGEST, KEY_SIGNED */
	bool			 pinned;	/* by override, not by address */
	int64_t			 not_after;	/* of the certificate */
	char			 serial[SERIAL_TEXT_MAX + 1];
	char			 reason[CHANNEL_REASON_MAX + 1];
	size_t			 der_len;
	unsigned char		*der;		/* SignedData, or certificates
						 * one behind the other; freed
						 * by key_answer_clear */
};
void	 key_answer_clear(struct key_answer *answer);

/* Encodes into buf (ceiling size); the length, or -1. Decodes strictly. */
ssize_t	 channel_put_request(const struct key_request *request,
	    unsigned char *buf, size_t size);
int	 channel_get_request(const unsigned char *buf, size_t len,
	    struct key_request *out);
ssize_t	 channel_put_answer(const struct key_answer *answer,
	    unsigned char *buf, size_t size);
int	 channel_get_answer(const unsigned char *buf, size_t len,
	    struct key_answer *out);
#define CHANNEL_REQUEST_MAX	1024
#define CHANNEL_ANSWER_MAX	(CHANNEL_DER_MAX + 1024)

/* ------------------------------------------------------- channelpool.c --- */

/*
 * The mail process's side, shared by its threads: the channel of requests and
 * those of answers, two for each thread of the key process, so that a second
 * request lies ready for it while it works on the first.
 */
#define CHANNELS_PER_THREAD	2

struct channel_pool;

/* Of fds, the first is for requests; count is at least 2. NULL: no memory. */
struct channel_pool *channel_pool_new(const int *fds, size_t count);
void	 channel_pool_free(struct channel_pool *pool);	/* closes the fds */
/*
 * Takes a free channel, asks, and waits at most timeout seconds in all. -1 on
 * time-out or a broken channel, which is then closed for good. reply_to and
 * number of the request are filled in here.
 */
int	 channel_ask(struct channel_pool *pool, const struct key_request *request,
	    unsigned timeout, struct key_answer *out, struct smime_error *err);
/* How many channels for answers still work. */
size_t	 channel_pool_usable(struct channel_pool *pool);
/*
 * Whether as many are gone as may stand for half of the key process's threads:
 * time for new processes and new channels.
 */
bool	 channel_pool_worn(struct channel_pool *pool);

#endif
