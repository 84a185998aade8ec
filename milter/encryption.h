/*
 * encryption.h - what the files that deal with encrypting share:
 *
 *	partners.c	certificates in folders
 *	colleagues.c	those of our own mailboxes
 *	harvest.c	certificates kept from mail that came in
 *	recipients.c	whose certificate: the sources, asked in order
 *	copies.c	into how many messages one is divided
 *	seal.c		whether a message can be encrypted, and to whom
 */
#ifndef SAMPUL_ENCRYPTION_H
#define SAMPUL_ENCRYPTION_H

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

/* -------------------------------------------------------- recipients.c --- */

#define CANDIDATES_MAX	32

/* What a source has for an address, before anybody judged it. */
struct candidate {
	X509		*cert;
	unsigned	 capabilities;	/* SMIME_CAP_ learnt; 0 none */
};

struct candidates {
	struct candidate	 items[CANDIDATES_MAX];
	size_t			 count;
	STACK_OF(X509)		*extra;		/* NULL, or intermediates */
};

/* Adds one reference of its own. -1 over the ceiling, or without memory. */
int	 candidates_add(struct candidates *candidates, X509 *cert,
	    unsigned capabilities);
void	 candidates_clear(struct candidates *candidates);

/*
 * Where certificates of others come from. find fills out with all that it has
 * for a canonical, safe address (see address_is_safe_name): 0 also for none,
 * -1 for a fault of ours, on which the message is kept.
 */
struct recipient_source {
	const char	*name;		/* as in encryption.sources */
	bool		 decides;	/* what it has for an address is the
					 * administrator's word: no other source
					 * is asked, good or not (ENC-24) */
	int		(*find)(void *arg, const struct conf *conf,
			    const char *address, struct candidates *out,
			    struct smime_error *err);
	void		*arg;
};

#define RECIPIENT_SOURCES_MAX	4

/* The certificate to encrypt to, or why there is none. */
struct found_recipient {
	X509		*cert;		/* counted; NULL none */
	const char	*source;	/* NULL: no source has any; static */
	unsigned	 capabilities;
	enum cert_problem problem;	/* without cert, with source */
	char		 detail[200];	/* likewise */
};
void	 found_recipient_clear(struct found_recipient *found);

/* Sources with a memory. Shared by threads, bounded. */
struct recipients;

/* sources are copied, count at most RECIPIENT_SOURCES_MAX. */
struct recipients *recipients_new(const struct recipient_source *sources,
	    size_t count);
void	 recipients_free(struct recipients *recipients);
/*
 * The newest certificate that mail to address may be encrypted to, from the
 * first source in encryption.sources that has one. Looks again after some
 * seconds, and at once when the configuration or what is trusted has changed.
 * -1 for a fault of ours.
 */
int	 recipients_find(struct recipients *recipients,
	    const struct conf *conf, const struct recipient_settings *settings,
	    const char *address, struct found_recipient *out,
	    struct smime_error *err);

/* ---------------------------------------------------------- partners.c --- */

/*
 * encryption.partners_dir: a folder for an address or for a domain, PEM files
 * in it. What an administrator put there decides. arg is not used.
 */
int	 partners_find(void *arg, const struct conf *conf,
	    const char *address, struct candidates *out,
	    struct smime_error *err);

/* ----------------------------------------------------------- harvest.c --- */

/* What is kept about a correspondent. */
struct harvested {
	X509		*cert;		/* NULL: nothing */
	STACK_OF(X509)	*extra;
	time_t		 signed_at;	/* by the signer's clock */
	time_t		 seen_at;	/* by ours */
	unsigned	 capabilities;
	unsigned	 changed;	/* how often there was another */
};
void	 harvested_clear(struct harvested *harvested);
/* 0 also when nothing is kept; -1: it cannot be read. */
int	 harvest_read(const struct conf *conf, const char *address,
	    struct harvested *out, struct smime_error *err);
/* The source "harvested": what was seen within encryption.harvest_age. */
int	 harvest_find(void *arg, const struct conf *conf,
	    const char *address, struct candidates *out,
	    struct smime_error *err);
/*
 * After a verdict: keeps what it said of its sender, or not. What goes wrong
 * is logged; it does not concern the message.
 */
void	 harvest_keep(const struct conf *conf, const char *queue_id,
	    const struct verdict *verdict, const struct correspondent *said,
	    time_t now);

/* -------------------------------------------------------- colleagues.c --- */

/*
 * Our own mailboxes' certificates, from the keystore: as the key process
 * answers (arg is a struct channel_pool; mail process), or read from it (arg is
 * a struct keystore; the tools).
 */
int	 colleagues_ask(void *arg, const struct conf *conf,
	    const char *address, struct candidates *out,
	    struct smime_error *err);
int	 colleagues_read(void *arg, const struct conf *conf,
	    const char *address, struct candidates *out,
	    struct smime_error *err);

/* ------------------------------------------------------------ copies.c --- */

#define COPIES_MAX	100	/* each but the first is submitted */
#define COPY_NONE	((size_t)-1)

enum reader_key { READER_NONE, READER_RSA, READER_EC };

/* One who is to read a message: a recipient, or its sender. */
struct reader {
	const char		*address;	/* canonical; borrowed */
	bool			 hidden;	/* in neither To nor Cc */
	bool			 is_sender;	/* and no recipient */
	enum reader_key		 key;		/* of the certificate */
	unsigned		 capabilities;
	struct found_recipient	 found;
	size_t			 copy;		/* which he gets; COPY_NONE:
						 * taken off, or refused */
};

/* What a rule says about dividing a message, as it applies to this one. */
struct copy_rules {
	enum without_certificate without;
	bool			 may_notify;	/* it has a sender */
	bool			 may_clear;	/* it need not be encrypted */
	bool			 own_copies;	/* for hidden recipients */
	bool			 split_by_key;
};

struct copy {
	bool			 encrypted;
	bool			 own;		/* of one hidden recipient */
	enum reader_key		 key;		/* of the first reader */
	unsigned		 capabilities;	/* of all of them */
	size_t			 readers;	/* with the sender */
};

/* The first is the main one, which stays with the MTA; it is encrypted. */
struct copies {
	struct copy		 items[COPIES_MAX];
	size_t			 count;
	size_t			 refused;	/* recipients, each by himself */
};

/*
 * Divides a message among its readers, setting the copy of each. WHY_NONE, or
 * why it cannot be encrypted as a whole: out is then empty. A pure function.
 */
enum plan_why copies_plan(const struct copy_rules *rules,
	    struct reader *readers, size_t count, struct copies *out);

/* -------------------------------------------------------------- seal.c --- */

/* To whom one message is encrypted, or why it cannot be. */
struct seal {
	bool			 possible;
	enum plan_why		 why;		/* unless possible */
	char			 who[256];	/* recipients it is about, as
						 * many as fit; with possible,
						 * those refused each */
	char			 detail[SMIME_ERROR_MAX];	/* for the log */
	struct reader		*readers;	/* each recipient once */
	size_t			 count;
	struct copies		 copies;
};

/*
 * Looks everybody up and divides the message. -1 for a fault of ours; seal is
 * to be cleared in any case. Borrows from facts and plan.
 */
int	 seal_resolve(struct seal *seal, struct recipients *recipients,
	    const struct conf *conf, const struct recipient_settings *settings,
	    const struct plan *plan, const struct facts *facts,
	    struct smime_error *err);
/*
 * The reader that is this canonical address, or NULL. Borrowed.
 */
const struct reader *seal_reader(const struct seal *seal,
	    const char *address);
/* Whether more than the MTA's own transaction is needed. */
bool	 seal_is_divided(const struct seal *seal);
void	 seal_clear(struct seal *seal);

#endif
