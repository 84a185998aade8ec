/*
 * session.c - what is known of a connection and of its message.
 *
 * The steps up to the body answer nothing (callbacks.c says why), so what goes
 * wrong there is kept in the message and answered at its end with a temporary
 * failure. Everything from outside has a ceiling: recipients beyond theirs are
 * dropped but remembered as having been there, fields beyond theirs are looked
 * at for forged results and then forgotten.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../smime/smime.h"
#include "conf.h"
#include "editplan.h"
#include "encryption.h"
#include "log.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"
#include "submit.h"

struct session *
session_new(struct service *service, bool leadspc)
{
	struct session *session;

	if ((session = calloc(1, sizeof(*session))) == NULL)
		return NULL;
	session->service = service;
	session->leadspc = leadspc;
	return session;
}

void
session_free(struct session *session)
{
	if (session == NULL)
		return;
	message_reset(session);
	free(session);
}

/*
 * A name that does not fit is not cut, for a cut one may be somebody else's.
 */
static int
copy_name(char *out, size_t size, const char *text, const char *what,
    struct smime_error *err)
{
	size_t len;

	out[0] = '\0';
	if (text == NULL)
		return 0;
	if ((len = strlen(text)) >= size)
		return smime_error_setx(err, "%s of %zu octets", what, len);
	memcpy(out, text, len + 1);
	return 0;
}

void
session_connect(struct session *session, const struct sockaddr *client,
    const char *daemon)
{
	size_t len = 0;

	memset(&session->client, 0, sizeof(session->client));
	if (client != NULL && client->sa_family == AF_INET)
		len = sizeof(struct sockaddr_in);
	else if (client != NULL && client->sa_family == AF_INET6)
		len = sizeof(struct sockaddr_in6);
	session->has_client = len > 0;
	if (len > 0)
		memcpy(&session->client, client, len);
	/* A name too long is asked for again, and fails, at MAIL. */
	(void)copy_name(session->daemon, sizeof(session->daemon), daemon,
	    "daemon name", NULL);
}

/* ------------------------------------------------------------- message --- */

void
message_reset(struct session *session)
{
	struct message *message = &session->message;
	size_t i;

	if (message->counted)
		atomic_fetch_sub(&session->service->active, 1);
	for (i = 0; i < message->recipient_count; i++)
		free(message->recipients[i]);
	free(message->recipients);
	free(message->raw_sender);
	header_clear(&message->header);
	removals_clear(&message->removals);
	canon_free(message->canon);
	spool_free(message->spool);
	receive_free(message->receive);
	seal_clear(&message->seal);
	conf_unref(message->conf);
	memset(message, 0, sizeof(*message));
}

void
message_abort(struct session *session)
{
	if (session->message.active)
		log_debug("%s: aborted by the MTA",
		    session->message.queue_id[0] != '\0' ?
		    session->message.queue_id : "NOQUEUE");
	message_reset(session);
}

void
message_fault(struct session *session)
{
	struct message *message = &session->message;

	message->failed = true;
	(void)smime_error_setx(&message->err, "internal error");
	canon_free(message->canon);
	message->canon = NULL;
	spool_free(message->spool);
	message->spool = NULL;
	receive_free(message->receive);
	message->receive = NULL;
}

/*
 * To policy the sender matters only for being empty: smtpd hands it over with
 * brackets, cleanup without (MTA-23). Copies have it as it was given.
 */
static int
set_sender(struct message *message, const char *text)
{
	size_t len = strlen(text);

	if ((message->raw_sender = strdup(text)) == NULL)
		return smime_error_set(&message->err, "keeping the sender");
	if (len == 0 || strcmp(text, "<>") == 0)
		return 0;
	if (!address_canonical(text, len, message->sender))
		smime_printable(text, len, message->sender,
		    sizeof(message->sender));
	return 0;
}

void
message_begin(struct session *session, char **argv, const char *login,
    const char *daemon)
{
	struct message *message = &session->message;
	size_t i;

	message_reset(session);
	message->active = true;
	message->arrived = time(NULL);
	message->counted = !drain_begun();
	if (message->counted)
		atomic_fetch_add(&session->service->active, 1);
	message->conf = conf_current();
	if (daemon == NULL)
		daemon = session->daemon;
	if (message->conf == NULL || argv == NULL || argv[0] == NULL ||
	    copy_name(message->login, sizeof(message->login), login, "login",
	    &message->err) == -1 ||
	    copy_name(message->daemon, sizeof(message->daemon), daemon,
	    "daemon name", &message->err) == -1 ||
	    set_sender(message, argv[0]) == -1) {
		message_fault(session);
		return;
	}
	for (i = 1; argv[i] != NULL; i++)
		if (strcasecmp(argv[i], "SMTPUTF8") == 0)
			message->smtputf8 = true;
}

static int
keep_recipient(struct message *message, const char *address)
{
	char canonical[ADDRESS_MAX + 1], *both;
	char **grown;
	size_t len, raw = strlen(address);

	if (!address_canonical(address, raw, canonical))
		smime_printable(address, raw, canonical, sizeof(canonical));
	grown = reallocarray(message->recipients,
	    message->recipient_count + 1, sizeof(*grown));
	if (grown == NULL)
		return smime_error_set(&message->err, "keeping a recipient");
	message->recipients = grown;
	len = strlen(canonical);
	if ((both = malloc(len + raw + 2)) == NULL)
		return smime_error_set(&message->err, "keeping a recipient");
	memcpy(both, canonical, len + 1);
	memcpy(both + len + 1, address, raw + 1);
	grown[message->recipient_count++] = both;
	return 0;
}

const char *
message_raw_recipient(const struct message *message, size_t which)
{
	const char *canonical = message->recipients[which];

	return canonical + strlen(canonical) + 1;
}

void
message_recipient(struct session *session, const char *address)
{
	struct message *message = &session->message;

	if (message->failed || message->conf == NULL)
		return;
	if (message->recipient_count >= message->conf->max_recipients)
		message->more_recipients = true;
	else if (keep_recipient(message, address) == -1)
		message_fault(session);
}

/* -------------------------------------------------------------- header --- */

/* Where submissions come from; a message without a client is somebody else's. */
static bool
comes_from_here(const struct session *session)
{
	return session->has_client && origin_is_local_client(
	    (const struct sockaddr *)(const void *)&session->client);
}

/*
 * Forged results are looked for in every field, also where the header is too
 * long to be kept (HDR-12, MTA-37).
 */
static int
look_at_field(struct session *session, const struct header_field *field)
{
	struct message *message = &session->message;

	if (header_is(field, MARK_FIELD) && comes_from_here(session) &&
	    marks_take(session->service->marks, field->value))
		message->ours_again = true;
	if (removals_field(&message->removals, message->conf, field,
	    &message->err) == -1)
		return -1;
	if (message->header_over)
		return 0;
	if (message->conf->max_header > 0 && message->header.bytes +
	    field->name_len + field->value_len > message->conf->max_header) {
		message->header_over = true;
		return 0;
	}
	return header_add(&message->header, field->name, field->name_len,
	    field->value, field->value_len, 0, &message->err);
}

void
message_field(struct session *session, const char *name, const char *value)
{
	struct message *message = &session->message;
	struct header_field field;
	char *spaced = NULL;
	size_t len = strlen(value);

	if (message->failed || message->conf == NULL)
		return;
	/* Without SMFIP_HDR_LEADSPC the MTA has taken one space (MTA-06). */
	if (!session->leadspc) {
		if ((spaced = malloc(len + 2)) == NULL) {
			message_fault(session);
			return;
		}
		spaced[0] = ' ';
		memcpy(spaced + 1, value, len + 1);
		value = spaced;
		len++;
	}
	field.name = (char *)(uintptr_t)name;
	field.name_len = strlen(name);
	field.value = (char *)(uintptr_t)value;
	field.value_len = len;
	if (look_at_field(session, &field) == -1)
		message_fault(session);
	wipe_text(spaced);
}

void
message_facts(const struct session *session, struct facts *out)
{
	const struct message *message = &session->message;

	memset(out, 0, sizeof(*out));
	out->login = message->login;
	if (session->has_client)
		out->client =
		    (const struct sockaddr *)(const void *)&session->client;
	out->local = origin_is_local_client(out->client);
	out->daemon = message->daemon;
	out->sender = message->sender;
	out->recipients = (const char *const *)message->recipients;
	out->recipient_count = message->recipient_count;
	out->more_recipients = message->more_recipients;
	out->header = &message->header;
	out->size = UINT64_MAX;
}

/*
 * A header of which only the beginning is known must not be signed: what lies
 * behind the ceiling may be a second From. It may be a label too, so it does
 * not leave open where there are labels.
 */
void
message_decide(struct session *session, const struct facts *facts)
{
	const struct conf *conf = session->message.conf;
	struct plan *plan = &session->message.plan;

	policy_decide(conf, facts, plan);
	if (session->message.header_over &&
	    (plan->action == PLAN_SIGN || plan->action == PLAN_LATER)) {
		plan->action = policy_cannot_sign(plan);
		plan->why = WHY_TOO_LARGE;
	}
	if (session->message.header_over && plan->action == PLAN_PASS &&
	    (conf->labels.count > 0 || conf->subject_tags.count > 0)) {
		plan->action = PLAN_REFUSE;
		plan->why = WHY_TOO_LARGE;
	}
}

/*
 * Which rule will apply is not known before the end of the body; where they
 * differ in what the signed part holds, the body itself is kept as well.
 */
static bool
protection_varies(const struct conf *conf, const struct plan *plan)
{
	const struct rule *rule, *last = &conf->default_rule;
	size_t i;

	if (plan->label != NULL || last->encrypt != ENCRYPT_OFF)
		return true;
	for (i = 0; i < conf->rule_count; i++) {
		rule = &conf->rules[i];
		if (rule->header_protection != last->header_protection ||
		    rule->encrypt != ENCRYPT_OFF)
			return true;
	}
	return false;
}

/* A copy in clear has another signed part than the envelopes. */
static bool
has_clear_copy(const struct seal *seal)
{
	size_t i;

	for (i = 0; i < seal->copies.count; i++)
		if (!seal->copies.items[i].encrypted)
			return true;
	return false;
}

int
message_begin_canon(struct session *session)
{
	struct message *message = &session->message;

	outgoing_settings(message->conf, &message->plan, message->smtputf8,
	    &message->begun);
	message->digest = digest_hint(session->service->hints,
	    message->plan.from);
	message->canon = canon_new(&message->begun, &message->header,
	    message->digest, &message->err);
	return message->canon == NULL ? -1 : 0;
}

static void
begin_body(struct session *session)
{
	struct message *message = &session->message;

	if (message_begin_canon(session) == -1) {
		message_fault(session);
		return;
	}
	if (!has_clear_copy(&message->seal) &&
	    (message->plan.action != PLAN_LATER ||
	    !protection_varies(message->conf, &message->plan)))
		return;
	message->spool = spool_new(message->conf->spool_dir,
	    message->conf->spool_memory);
	if (message->spool == NULL)
		message_fault(session);
}

void
message_queue_id(struct session *session, const char *queue_id)
{
	char *out = session->message.queue_id;

	if (queue_id != NULL && queue_id[0] != '\0')
		smime_printable(queue_id, strlen(queue_id), out,
		    sizeof(session->message.queue_id));
}

/*
 * A message that we have just submitted ourselves: all was done to it that is
 * to be done, and its body is not wanted. The mark goes at the end.
 */
static void
pass_again(struct message *message)
{
	memset(&message->plan, 0, sizeof(message->plan));
	message->plan.action = PLAN_PASS;
	removals_only(&message->removals, MARK_FIELD);
}

void
message_header_end(struct session *session, const char *queue_id)
{
	struct message *message = &session->message;
	struct facts facts;

	message->header_ended = true;
	message_queue_id(session, queue_id);
	if (message->failed || message->conf == NULL)
		return;
	if (message->ours_again) {
		pass_again(message);
		return;
	}
	message_facts(session, &facts);
	message_decide(session, &facts);
	if (message_seal(session) == -1)
		message_fault(session);
	else if (message->plan.action == PLAN_SIGN ||
	    message->plan.action == PLAN_LATER)
		begin_body(session);
	else if (receive_is_wanted(message) && receive_begin(session) == -1)
		message_fault(session);
}

/* ---------------------------------------------------------------- body --- */

static void
drop_body(struct message *message)
{
	message->too_large = true;
	canon_free(message->canon);
	message->canon = NULL;
	spool_free(message->spool);
	message->spool = NULL;
}

void
message_body(struct session *session, const unsigned char *buf, size_t len)
{
	struct message *message = &session->message;

	message->received += len;
	if (message->receive != NULL)
		receive_body(message->receive, buf, len);
	if (message->failed || message->canon == NULL)
		return;
	if (message->conf->max_message > 0 &&
	    message->received > message->conf->max_message) {
		drop_body(message);
		return;
	}
	if (canon_body(message->canon, buf, len, &message->err) == -1 ||
	    (message->spool != NULL &&
	    spool_write(message->spool, buf, len, &message->err) == -1))
		message_fault(session);
}
