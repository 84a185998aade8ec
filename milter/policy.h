/*
 * policy.h - what the configuration wants to become of an outgoing message.
 */
#ifndef SAMPUL_POLICY_H
#define SAMPUL_POLICY_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../smime/smime.h"
#include "conf.h"

/* ------------------------------------------------------------ policy.c --- */

/* What is known of a message; everything borrowed, nothing looked up. */
struct facts {
	const char		*login;		/* "" none */
	const struct sockaddr	*client;	/* NULL: none or local */
	const char		*daemon;	/* {daemon_name}, "" */
	bool			 local;		/* not received by SMTP */
	const char		*sender;	/* envelope, canonical; "" null */
	const char *const	*recipients;	/* canonical or as given */
	size_t			 recipient_count;
	bool			 more_recipients; /* than were kept */
	const struct header_list *header;
	uint64_t		 size;		/* body octets; UINT64_MAX while
						 * not known */
	bool			 has_calendar;	/* known with the size */
};

enum plan_action {
	PLAN_NOT_OURS,		/* incoming or unknown origin: never signed */
	PLAN_PASS,		/* outgoing, leaves as it is */
	PLAN_SIGN,
	PLAN_REFUSE,		/* 5xx */
	PLAN_TEMPFAIL,		/* 4xx */
	PLAN_LATER		/* a rule needs the body's size or parts */
};

enum plan_why {
	WHY_NONE,
	WHY_NO_ORIGIN,		/* no positive evidence */
	WHY_RULE_OFF,
	WHY_SKIPPED,		/* by the sender's header */
	WHY_ALREADY_SIGNED,
	WHY_ALREADY_ENCRYPTED,
	WHY_FROM,		/* From is unusable; see from_result */
	WHY_RECIPIENT,		/* whom it is to is not certain */
	WHY_NOT_OUR_DOMAIN,	/* From is not one of our domains */
	WHY_NOT_OWNER,		/* incident: login or origin may not use From */
	WHY_NO_CERTIFICATE,	/* set after the key process answered */
	WHY_UNSIGNABLE,		/* set after canonical form */
	WHY_TOO_LARGE,
	WHY_KEY_LOCKED,		/* set after the key process answered */
	WHY_MUST_ENCRYPT,	/* would leave in clear although it must not */
	WHY_NO_RECIPIENT,	/* a recipient cannot be encrypted to */
	WHY_HIDDEN_RECIPIENT,	/* Bcc would show to the others (ENC-14) */
	WHY_COPY_NOT_TAKEN,	/* by the MTA that copies are submitted to */
	WHY_COPY_REFUSED,	/* by it, for good */
	WHY_COPY_TOO_LARGE,	/* likewise */
	WHY_INTERNAL
};

struct plan {
	enum plan_action	 action;
	enum plan_why		 why;
	bool			 incident;	/* to be recorded as one */
	const struct rule	*rule;		/* borrowed from conf; NULL none */
	const struct origin	*origin;	/* borrowed from conf */
	char			 from[ADDRESS_MAX + 1];	/* canonical, or "" */
	enum address_result	 from_result;
	enum encrypt_want	 encrypt;	/* with PLAN_SIGN, or while
						 * that may still come */
	const char		*label;		/* that required it, borrowed
						 * from conf; NULL none */
};

/* A pure function: no I/O, no clock; also behind "sampulctl explain". */
void	 policy_decide(const struct conf *conf, const struct facts *facts,
	    struct plan *out);
/*
 * What is left to do when a message planned to be signed cannot be: by the
 * rule, PLAN_REFUSE, PLAN_TEMPFAIL or PLAN_PASS.
 */
enum plan_action policy_cannot_sign(const struct plan *plan);
/*
 * What is left to do when a message planned to be encrypted cannot be: by the
 * rule, PLAN_REFUSE, PLAN_TEMPFAIL, or PLAN_SIGN for one that may leave signed
 * and in clear.
 */
enum plan_action policy_cannot_encrypt(const struct plan *plan);
/* The same when the key is there, and its owner has to unlock it. */
enum plan_action policy_key_locked(const struct plan *plan);
/* The rule's name, "default", or "" where no rule was asked. */
const char *policy_rule_name(const struct plan *plan);
/* Stable words for logs and scripts: "not-owner", "pass", ... */
const char *policy_why_word(enum plan_why why);
const char *policy_action_word(enum plan_action action);

/* ------------------------------------------------------------ origin.c --- */

/* No client address, or that of the host itself, which says nothing about who
 * submitted a message (MTA-22). */
bool	 origin_is_local_client(const struct sockaddr *client);
/* The first origin that has evidence for the message, or NULL. */
const struct origin *origin_find(const struct conf *conf,
	    const struct facts *facts);
/* Whether what came from the origin may bear this canonical From address. */
bool	 origin_may_send_as(const struct conf *conf,
	    const struct origin *origin, const struct facts *facts,
	    const char *from);
/* Whether the list holds the word, in any case. */
bool	 string_list_has(const struct string_list *list, const char *text);
/* Whether one of the list's patterns matches the canonical address. */
bool	 string_list_matches(const struct string_list *patterns,
	    const char *address);

/* ----------------------------------------------------------- presets.c --- */

/* Where a condition depends on the body, it is not known before the end. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

enum answer preset_matches(enum preset preset, const struct facts *facts);

/* ------------------------------------------------------------- label.c --- */

/*
 * The configured label or tag by which the header requires encryption, or NULL;
 * borrowed from conf.
 */
const char *label_find(const struct conf *conf,
	    const struct header_list *header);
/*
 * Takes the tag out of the only Subject where it stands as it is, not in an
 * encoded word. Whether anything was changed.
 */
bool	 label_remove_tag(struct header_list *header, const char *tag);

/* -------------------------------------------------------------- text.c --- */

/*
 * The sentence a mailbox user reads in a refusal, in the configured language,
 * without line ends, printable ASCII, at most 400 octets, '%' not doubled. who
 * (NULL or "" for none) are the recipients it is about.
 */
void	 text_reply(const struct conf *conf, const struct plan *plan,
	    const char *who, char *out, size_t size);

#endif
