/*
 * callbacks.c - what libmilter calls.
 *
 * Each callback fetches the session, calls one function and maps the result.
 * All steps but the end of the message were negotiated to take no reply, which
 * doubles the rate at which messages pass; what goes wrong in them is answered
 * at the end of the message. So a message to which nothing is done cannot be
 * let go before its body, but there are few: nearly all that comes in gets a
 * verdict. (An MTA that sent body octets along with the end of the message
 * would wait for an answer in vain; Postfix and Sendmail do not.)
 *
 * Refusals are given at the end of the message alone. Mail that did not come
 * by SMTP would be stuck by a refusal before that (MTA-24), and it cannot be
 * told apart from other mail with certainty.
 *
 * The buffers in which fields and body come are libmilter's own, which frees
 * them unwiped when a callback is done and looks at them no more. So they are
 * wiped here: what is to be encrypted does not stay in the heap.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "log.h"
#include "session.h"

static struct service *shared;

void
callbacks_use(struct service *service)
{
	shared = service;
}

static const char *
macro(SMFICTX *ctx, const char *name)
{
	return smfi_getsymval(ctx, (char *)(uintptr_t)name);
}

/* ----------------------------------------------------------- negotiate --- */

#define ACTIONS		(SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY)
/* Asked for where the MTA has them: not all messages need them. */
#define ACTIONS_MORE	(SMFIF_QUARANTINE | SMFIF_DELRCPT)
/* Steps that we have no use for; an MTA that knows no such request sends them,
 * and libmilter answers. */
#define STEPS_OFF	(SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN)
/* Where an MTA expects an answer all the same, libmilter gives it. */
#define NO_REPLY	(SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | \
			 SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)

/*
 * {mail_addr} is asked for so that each MAIL brings macros: those of the MAIL
 * before, a login among them, are then never left standing.
 */
static void
want_macros(SMFICTX *ctx)
{
	static const struct {
		int		 stage;
		const char	*names;
	} wanted[] = {
		{ SMFIM_CONNECT, "{daemon_name}" },
		{ SMFIM_ENVFROM,
		    "i {mail_addr} {auth_authen} {daemon_name}" },
		{ SMFIM_ENVRCPT, "i" },
		{ SMFIM_EOH, "i" },
		{ SMFIM_EOM, "i" },
	};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (smfi_setsymlist(ctx, wanted[i].stage,
		    (char *)(uintptr_t)wanted[i].names) != MI_SUCCESS)
			log_debug("macros for stage %d not asked for",
			    wanted[i].stage);
}

static sfsistat
cb_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long f2, unsigned long f3, unsigned long *want_actions,
    unsigned long *want_steps, unsigned long *want_f2, unsigned long *want_f3)
{
	struct session *session;
	bool leadspc = (steps & SMFIP_HDR_LEADSPC) != 0;

	(void)f2;
	(void)f3;
	*want_f2 = *want_f3 = 0;
	if ((actions & ACTIONS) != ACTIONS) {
		log_error("the MTA does not let a filter change header and "
		    "body (it offers actions 0x%lx)", actions);
		return SMFIS_REJECT;
	}
	if ((session = session_new(shared, leadspc)) == NULL ||
	    smfi_setpriv(ctx, session) != MI_SUCCESS) {
		session_free(session);
		return SMFIS_REJECT;
	}
	atomic_store(&shared->leadspc, leadspc);
	session->delrcpt = (actions & SMFIF_DELRCPT) != 0;
	atomic_store(&shared->delrcpt, session->delrcpt);
	*want_actions = ACTIONS | (actions & ACTIONS_MORE);
	*want_steps = (steps & STEPS_OFF) | NO_REPLY |
	    (leadspc ? SMFIP_HDR_LEADSPC : 0);
	if ((actions & SMFIF_SETSYMLIST) != 0) {
		*want_actions |= SMFIF_SETSYMLIST;
		want_macros(ctx);
	}
	return SMFIS_CONTINUE;
}

/* ----------------------------------------------------------- the steps --- */

/*
 * A connection may be used for one client after another (SMFIC_QUIT_NC):
 * close comes between, a second negotiation does not.
 */
static sfsistat
cb_connect(SMFICTX *ctx, char *name, struct sockaddr *client)
{
	struct session *session = smfi_getpriv(ctx);

	(void)name;
	if (session == NULL) {
		session = session_new(shared, atomic_load(&shared->leadspc));
		if (session == NULL)
			return SMFIS_NOREPLY;
		session->delrcpt = atomic_load(&shared->delrcpt);
		(void)smfi_setpriv(ctx, session);
	}
	session_connect(session, client, macro(ctx, "{daemon_name}"));
	return SMFIS_NOREPLY;
}

static sfsistat
cb_mail(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_begin(session, argv, macro(ctx, "{auth_authen}"),
		    macro(ctx, "{daemon_name}"));
	return SMFIS_NOREPLY;
}

static sfsistat
cb_rcpt(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL && argv[0] != NULL)
		message_recipient(session, argv[0]);
	return SMFIS_NOREPLY;
}

static sfsistat
cb_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_field(session, name, value);
	OPENSSL_cleanse(value, strlen(value));
	return SMFIS_NOREPLY;
}

static sfsistat
cb_eoh(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_header_end(session, macro(ctx, "i"));
	return SMFIS_NOREPLY;
}

static sfsistat
cb_body(SMFICTX *ctx, unsigned char *buf, size_t len)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_body(session, buf, len);
	OPENSSL_cleanse(buf, len);
	return SMFIS_NOREPLY;
}

static sfsistat
cb_eom(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (session == NULL)
		return SMFIS_TEMPFAIL;
	return message_finish(session, ctx, macro(ctx, "i"));
}

static sfsistat
cb_abort(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_abort(session);
	return SMFIS_CONTINUE;
}

/* May come before anything else did (MTA-10). */
static sfsistat
cb_close(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	session_free(session);
	(void)smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

static char filter_name[] = "sampul";

const struct smfiDesc callbacks = {
	.xxfi_name = filter_name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = ACTIONS | ACTIONS_MORE,
	.xxfi_connect = cb_connect,
	.xxfi_envfrom = cb_mail,
	.xxfi_envrcpt = cb_rcpt,
	.xxfi_header = cb_header,
	.xxfi_eoh = cb_eoh,
	.xxfi_body = cb_body,
	.xxfi_eom = cb_eom,
	.xxfi_abort = cb_abort,
	.xxfi_close = cb_close,
	.xxfi_negotiate = cb_negotiate,
};
