/*
 * incoming.h - what the files that deal with incoming mail share:
 *
 *	truststore.c	anchors, revocation lists and pins, followed on disk
 *	incoming.c	what a verdict means for a message
 *	results.c	the header fields that say so
 *	ours.c		the verdict on what we have just signed ourselves
 */
#ifndef SAMPUL_INCOMING_H
#define SAMPUL_INCOMING_H

#include "../smime/smime.h"
#include "conf.h"
#include "outgoing.h"
#include "policy.h"

/* ---------------------------------------------------------- results.c --- */

#define RESULTS_HEADER		"Authentication-Results"
#define RESULTS_MAX		4096	/* octets of a value, with its NUL */

/*
 * Value of Authentication-Results (RFC 8601 2.2, RFC 7281), without leading
 * space, folded by LF. false: nothing may be said about S/MIME (HDR-16), and
 * the field is left out. utf8: the transaction has SMTPUTF8.
 */
bool	 results_authres(const struct verdict *verdict,
	    const char *authserv_id, bool utf8, char out[RESULTS_MAX]);
/*
 * Value of VERIFIED_SENDER_HEADER, likewise; sampul-verified-sender(5) has its
 * grammar. id: the sentence in Indonesian.
 */
void	 results_verified(const struct verdict *verdict, bool utf8, bool id,
	    char out[RESULTS_MAX]);
/* "verified", "not-verified", "unsigned" or "unknown". */
const char *results_state(const struct verdict *verdict);

/* ------------------------------------------------------- truststore.c --- */

struct pin {
	char		 address[ADDRESS_MAX + 1];	/* canonical */
	unsigned char	 fingerprint[32];
};

/* One state of the files. Shared by threads, never changed. */
struct trust_state {
	struct trust		*trust;
	uint64_t		 generation;
	struct pin		*pins;
	size_t			 pin_count;
	bool			 pins_bad;	/* the file could not be used */
	char			*stamp;		/* of the files it is from */
	bool			 settled;	/* they had rested by then */
	unsigned		 references;
};

/*
 * Reads everything that conf names. A file that cannot be used is logged and
 * left out; NULL without any anchor.
 */
struct trust_state *trust_state_read(const struct conf *conf,
	    struct smime_error *err);
void	 trust_state_unref(struct trust_state *state);	/* takes NULL */
/* For verify_settings.pinned; arg is a struct trust_state. */
bool	 trust_state_pinned(void *arg, const char *address,
	    const unsigned char fingerprint[32]);
/*
 * "address fingerprint" lines; file names the text. *out is freed with free.
 */
int	 pins_parse(const char *file, const char *text, size_t len,
	    struct pin **out, size_t *count, struct smime_error *err);
/* The pins that conf names, likewise; none where it names no file. */
int	 pins_read(const struct conf *conf, struct pin **out, size_t *count,
	    struct smime_error *err);

struct truststore;

/* Takes over state, which may be NULL. */
struct truststore *truststore_new(struct trust_state *state);
void	 truststore_free(struct truststore *store);
/*
 * The current state, counted; NULL while there is none to be had, which is
 * over once there was one. Looks at the
 * files now and then, and reads them again when they have changed: one thread
 * does that while others go on with the state before.
 */
struct trust_state *truststore_get(struct truststore *store,
	    const struct conf *conf);

/* ---------------------------------------------------------- incoming.c --- */

enum incident {
	INCIDENT_NONE = 0,
	INCIDENT_SPOOF,		/* our domain in From, from outside, no pass */
	INCIDENT_BAD_SIGNATURE	/* likewise, with a signature that is bad */
};

/* What becomes of one message; everything borrowed. */
struct reception {
	enum incoming_action		 action;
	enum incident			 incident;
	const struct incoming_rule	*rule;	/* NULL: none, or spoof */
	bool				 by_spoof;
};

/* As in the configuration. */
const char *incoming_action_word(enum incoming_action action);
/* Word for the log; NULL for none. */
const char *incident_word(enum incident incident);
/* A pure function. outside: the message did not come from this host. */
void	 incoming_decide(const struct conf *conf, const struct facts *facts,
	    const struct verdict *verdict, bool outside,
	    struct reception *out);
/* Settings for the library, from the configuration and a state of trust. */
void	 incoming_settings(const struct conf *conf,
	    const struct trust_state *state, struct verify_cache *cache,
	    time_t now, struct verify_settings *out);
/* A verdict without having looked: temperror for a fault, or silent. */
void	 verdict_without(enum verify_reason reason,
	    const struct header_list *header, struct verdict *out);
/* The sentence of a refusal or temporary failure; see text_reply. */
void	 incoming_reply(const struct conf *conf,
	    const struct reception *reception, const struct verdict *verdict,
	    char *out, size_t size);

/* -------------------------------------------------------------- ours.c --- */

/*
 * Remembers what the certificates of our own mailboxes say and how their paths
 * were found, so that a message signed a moment ago needs no second look.
 * Shared by threads, bounded.
 */
struct ours;

struct ours *ours_new(void);
void	 ours_free(struct ours *ours);
/*
 * The verdict on our own signature for the From address, checked when it was
 * made: outcome holds it. A path or a revocation that does not hold is said as
 * it is. state may be NULL: then nothing good is said.
 */
void	 ours_verdict(struct ours *ours, const struct conf *conf,
	    const struct trust_state *state, const struct outcome *outcome,
	    const char *address, time_t now, struct verdict *out);

#endif
