/*
 * session.h - what the files that speak with libmilter share: callbacks.c
 * (the calls that come in), session.c (what is known of a message), workout.c,
 * handover.c and finish.c (its end), receive.c (what comes in), edit.c (the
 * calls that go out) and mail.c (the process). Nobody else includes it, so that
 * the tools need no libmilter.
 *
 * Two lifetimes: a session from connect to close, a message from MAIL to its
 * end. libmilter moves a session from thread to thread but never runs two of
 * its callbacks at once.
 */
#ifndef SAMPUL_SESSION_H
#define SAMPUL_SESSION_H

#include <stdatomic.h>

#include <libmilter/mfapi.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "copying.h"
#include "editplan.h"
#include "encryption.h"
#include "incoming.h"
#include "outgoing.h"
#include "policy.h"
#include "submit.h"

#define LOGIN_MAX	512
#define DAEMON_MAX	256

/* What all sessions of the process share. */
struct service {
	struct channel_pool	*channels;
	struct check_cache	*checks;
	struct digest_hints	*hints;
	struct truststore	*trusted;	/* these three may be NULL: */
	struct verify_cache	*verified;	/* nothing is then said to be */
	struct ours		*ours;		/* verified */
	struct recipients	*recipients;	/* to encrypt to */
	struct submit_pool	*submit;	/* NULL: no submit.server */
	struct marks		*marks;		/* what we are submitting */
	struct sent_copies	*sent;		/* who has his copy */
	/* half the channels to another process (its name) are gone */
	void			(*broken)(const char *process);
	atomic_uint		 active;	/* messages begun, not ended:
						 * a stop waits for them */
	atomic_bool		 leadspc;	/* as last negotiated */
	atomic_bool		 delrcpt;	/* likewise */
};

struct message {
	bool			 active;
	bool			 counted;	/* in service->active */
	struct conf		*conf;		/* counted */
	time_t			 arrived;
	char			 login[LOGIN_MAX];
	char			 daemon[DAEMON_MAX];
	char			 sender[ADDRESS_MAX + 1];
	char			*raw_sender;	/* as the MTA gave it */
	bool			 header_ended;	/* a decision was made */
	bool			 smtputf8;
	char			**recipients;	/* canonical; behind the NUL of
						 * each, as the MTA gave it */
	size_t			 recipient_count;
	bool			 more_recipients;

	struct header_list	 header;
	struct removals		 removals;
	bool			 header_over;	/* more than max_header */
	bool			 ours_again;	/* bears a mark of ours */

	struct plan		 plan;
	struct receive		*receive;	/* NULL: nothing is verified */
	struct canon		*canon;		/* NULL: body is not wanted */
	enum smime_digest	 digest;	/* that canon was begun with */
	struct canon_settings	 begun;		/* likewise */
	struct seal		 seal;		/* who can read it, which copy
						 * everybody gets */
	bool			 untagged;	/* Subject lost its tag */
	struct spool		*spool;		/* the body, should another
						 * canon be needed */
	uint64_t		 received;
	bool			 too_large;
	bool			 failed;	/* a fault of ours, in err */
	struct smime_error	 err;
	char			 queue_id[CHANNEL_QUEUE_ID_MAX + 1];
};

struct session {
	struct service		*service;
	bool			 leadspc;	/* values keep their space */
	bool			 delrcpt;	/* recipients may be taken off */
	bool			 has_client;
	struct sockaddr_storage	 client;
	char			 daemon[DAEMON_MAX];
	struct message		 message;
};

struct session *session_new(struct service *service, bool leadspc);
void	 session_free(struct session *session);
/* client NULL: not an internet address. daemon may be NULL here and below. */
void	 session_connect(struct session *session,
	    const struct sockaddr *client, const char *daemon);
/*
 * One message: what fails is remembered and answered at its end, since the
 * steps before take no reply.
 */
void	 message_begin(struct session *session, char **argv,
	    const char *login, const char *daemon);
void	 message_recipient(struct session *session, const char *address);
void	 message_field(struct session *session, const char *name,
	    const char *value);
void	 message_header_end(struct session *session, const char *queue_id);
void	 message_body(struct session *session, const unsigned char *buf,
	    size_t len);
/* Safe at any time and any number of times. */
void	 message_reset(struct session *session);
/* The same, when the MTA gave the message up. */
void	 message_abort(struct session *session);

/* For session.c, workout.c, handover.c and finish.c. */
void	 message_fault(struct session *session);
void	 message_facts(const struct session *session, struct facts *out);
void	 message_decide(struct session *session, const struct facts *facts);
int	 message_begin_canon(struct session *session);
/* A recipient as the MTA gave it: borrowed. */
const char *message_raw_recipient(const struct message *message, size_t which);
void	 message_queue_id(struct session *session, const char *queue_id);
/* The one INFO line. */
void	 message_log(const struct session *session,
	    const struct outcome *outcome, int64_t microseconds);

/* ----------------------------------------------------------- receive.c --- */

struct receive;

/* Whether a reader is to be told about the message's signature. */
bool	 receive_is_wanted(const struct message *message);
/* -1: not even a verdict about nothing can be had. */
int	 receive_begin(struct session *session);
void	 receive_body(struct receive *receive, const unsigned char *buf,
	    size_t len);
/* After the last piece: the verdict, and what becomes of the message. */
void	 receive_finish(struct session *session);
/* Instead of all three, for what we have just signed ourselves. */
int	 receive_ours(struct session *session, const struct outcome *outcome);
/* The fields that say so, on top. Borrowed from the message by plan. */
int	 receive_insert(struct session *session, struct edit_plan *plan);
/* NULL for NULL; borrowed. */
const struct verdict *receive_verdict(const struct receive *receive);
const struct reception *receive_reception(const struct receive *receive);
void	 receive_free(struct receive *receive);

/* ----------------------------------------------------------- sealing.c --- */

/*
 * Once the plan is final: finds out whether a message that is to be encrypted
 * can be, and changes the plan when it cannot. -1 for a fault of ours.
 */
int	 message_seal(struct session *session);

/* ----------------------------------------------------------- workout.c --- */

/*
 * What becomes of a message, once its body is there: decides what had to wait
 * for it, signs and encrypts. -1 for a fault of ours.
 */
int	 message_work_out(struct session *session, SMFICTX *ctx,
	    struct outcome *out);
/* Feeds the body that was kept to another canon. */
int	 message_refill(struct message *message, struct canon *canon);
/* A sign_function; arg is the session. */
int	 message_ask_key(void *arg, const struct key_request *request,
	    struct key_answer *answer, struct smime_error *err);
/*
 * The edits by which the header becomes that of composed, which is the
 * message or a copy of it. Borrows from both; cleared by the caller in any
 * case.
 */
int	 message_edits(struct session *session, struct composed *composed,
	    bool confidential, struct edit_plan *out);

/* ---------------------------------------------------------- handover.c --- */

/*
 * Before anything is edited: submits every copy but the main one, and the
 * notification about recipients that are refused. -1: not all was taken, and
 * outcome says what is answered. What was taken is not sent again when the
 * message comes another time.
 */
int	 message_hand_over(struct session *session, SMFICTX *ctx,
	    struct outcome *outcome);

/* ------------------------------------------------------------ finish.c --- */

/* Signs, edits or answers; the message is over afterwards. */
sfsistat message_finish(struct session *session, SMFICTX *ctx,
	    const char *queue_id);

/* -------------------------------------------------------------- edit.c --- */

/*
 * The only calls to libmilter's editing functions. Each fails at the first
 * call that fails: the message must then be answered with a temporary failure
 * (MTA-16). leadspc: values carry their leading space (MTA-06).
 */
int	 edit_progress(SMFICTX *ctx, struct smime_error *err);
int	 edit_header(SMFICTX *ctx, const struct edit_plan *plan, bool leadspc,
	    struct smime_error *err);
/* All of the new body in one run (MTA-02). */
int	 edit_body(SMFICTX *ctx, struct composed *composed,
	    struct smime_error *err);
/* address is as the MTA gave it at RCPT. */
int	 edit_remove_recipient(SMFICTX *ctx, const char *address,
	    struct smime_error *err);
/* The message is kept on hold; reason is printable ASCII, one line. */
int	 edit_quarantine(SMFICTX *ctx, const char *reason,
	    struct smime_error *err);
/* 550 5.7.1 for PLAN_REFUSE, 451 4.7.1 for PLAN_TEMPFAIL. */
int	 edit_reply(SMFICTX *ctx, enum plan_action action, const char *text,
	    struct smime_error *err);

/* ------------------------------------------------------------- drain.c --- */

/*
 * A stop waits a while for the messages that have begun: drain.c defines
 * sigwait(), which libmilter then calls instead of libc's. service is borrowed
 * for good.
 */
void	 drain_watch(struct service *service);
/* Whether the process is stopping: what begins now is not waited for. */
bool	 drain_begun(void);
/* Waits until none is left or time is over, which runs from the first call. */
void	 drain(void);

/* --------------------------------------------------------- callbacks.c --- */

/* What libmilter is given; service is what the sessions will share. */
extern const struct smfiDesc callbacks;
void	 callbacks_use(struct service *service);

#endif
