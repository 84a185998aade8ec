/*
 * outgoing.h - what became of an outgoing message, and the line that says so.
 */
#ifndef SAMPUL_OUTGOING_H
#define SAMPUL_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "policy.h"

/* ---------------------------------------------------------- outgoing.c --- */

/*
 * What became of a message after its body, before any edit: shared by the
 * milter and by "sampulctl sign". sign() stands for the key process.
 */
typedef int (*sign_function)(void *arg, const struct key_request *request,
	    struct key_answer *answer, struct smime_error *err);

struct outcome {
	enum plan_action	 action;	/* SIGN, PASS, REFUSE, TEMPFAIL */
	enum plan_why		 why;
	char			 detail[SMIME_ERROR_MAX];
	struct composed		*composed;	/* with PLAN_SIGN */
	unsigned char		*der;		/* likewise: the SignedData */
	size_t			 der_len;
	struct canon_result	 canon;
	enum smime_form		 form;
	char			 serial[SERIAL_TEXT_MAX + 1];
	bool			 pinned;
	bool			 encrypted;	/* composed is the envelope */
	struct composed		*inner;		/* then: what is in it */
	enum smime_cipher	 cipher;
	size_t			 readers;	/* certificates */
	size_t			 copies;	/* messages it is divided into */
	size_t			 refused;	/* recipients taken off */
	char			 who[256];	/* recipients that why is
						 * about, or "" */
};

/*
 * From a finished canon to a signed message: asks for the signature (again,
 * when the key wants another digest), checks it, composes. digest is the one
 * that canon was begun with. Any fault of ours gives PLAN_TEMPFAIL; what may
 * not be signed is decided by plan's rule. canon stays the caller's and must
 * outlive out->composed.
 */
void	 outgoing_sign(const struct plan *plan, struct canon *canon,
	    const struct canon_result *canon_result,
	    enum smime_digest digest, const char *queue_id, time_t now,
	    sign_function sign, void *arg, struct check_cache *cache,
	    struct outcome *out);
/*
 * From a signed message to an encrypted one, for the main copy's readers that
 * seal found. Where it cannot be done the outcome says so; it is never the open
 * one.
 */
struct seal;
void	 outgoing_encrypt(const struct plan *plan, const struct seal *seal,
	    struct outcome *out);
/*
 * The same signed message in an envelope for the readers of that encrypted
 * copy. NULL with the sentence.
 */
struct composed *outgoing_envelope(const struct seal *seal, size_t copy,
	    struct composed *inner, struct smime_error *err);
void	 outcome_clear(struct outcome *outcome);
/* Canonical-form settings for this configuration and plan. */
void	 outgoing_settings(const struct conf *conf, const struct plan *plan,
	    bool smtputf8, struct canon_settings *out);
/* Fills an outcome for a plan that is not going to be signed. */
void	 outcome_from_plan(const struct plan *plan, struct outcome *out);
/* A message planned to be signed that cannot be: the rule decides (by
 * policy_cannot_sign), detail says why. */
void	 outcome_cannot_sign(const struct plan *plan, enum plan_why why,
	    const char *detail, struct outcome *out);
/* A fault of ours: PLAN_TEMPFAIL, whatever the rule says. */
void	 outcome_fault(const char *detail, struct outcome *out);

/*
 * Which digest an address's key was last found to want: a hint, so that a body
 * is seldom read twice. Shared by threads, of fixed size, forgets at will.
 */
struct digest_hints;

struct digest_hints *digest_hints_new(void);
void	 digest_hints_free(struct digest_hints *hints);
enum smime_digest digest_hint(struct digest_hints *hints, const char *address);
void	 digest_learn(struct digest_hints *hints, const char *address,
	    enum smime_digest digest);

/* ------------------------------------------------------------ report.c --- */

struct reception;

/* What the one INFO line of a message says. */
struct report {
	const char		*queue_id;
	const struct plan	*plan;
	const struct outcome	*outcome;
	const char		*login;
	const char		*client;
	uint64_t		 bytes;		/* of body, as received */
	int64_t			 microseconds;	/* from end of message on */
	bool			 observed;
	size_t			 removed;	/* forged fields */
	const struct verdict	*verdict;	/* NULL: not verified */
	const struct reception	*reception;	/* NULL likewise */
};

/* "<queue id>: result=signed rule=..."; values are quoted where need be. */
void	 report_line(const struct report *report, char *out, size_t size);
/* Value of REPORT_HEADER: printable ASCII, folded under 78 columns by LF. */
void	 report_header(const struct report *report, char *out, size_t size);
/* Logs the line: an incident or a fault of ours as a warning, all else as
 * information. */
void	 report_log(const struct report *report);

#endif
