/*
 * handover.c - the copies of a message that do not stay with the MTA.
 *
 * Each is written whole to a file without a name and handed to the submit
 * process, which gives it to the MTA in a transaction of its own. All must be
 * taken before the main copy is edited and answered for, so that a failure
 * keeps the message with whoever sends it (SIG-60). He will come again: who has
 * his copy by then is known (sentcopies.c). The notification about recipients
 * that are refused goes the same way, and last.
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "copying.h"
#include "editplan.h"
#include "encryption.h"
#include "handover.h"
#include "notice.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"
#include "submit.h"

struct handover {
	struct session		*session;
	SMFICTX			*ctx;
	struct outcome		*outcome;	/* of the main copy */
	unsigned char		 message[SENT_NAME_LEN]; /* a name for it */
	size_t			*copy_of;	/* of each recipient */
	size_t			 handed;	/* copies, now or before */
	struct canon		*canon;		/* of copies in clear */
	struct outcome		 clear;
};

/* -------------------------------------------------------------- copies --- */

/* The signed part of copies in clear is another one: hp="clear". */
static int
make_clear(struct handover *handover)
{
	struct session *session = handover->session;
	struct message *message = &session->message;
	struct plan plan = message->plan;
	struct canon_settings settings;
	struct canon_result result;

	plan.encrypt = ENCRYPT_OFF;
	outgoing_settings(message->conf, &plan, message->smtputf8, &settings);
	if (message->spool == NULL)
		return smime_error_setx(&message->err,
		    "the body was not kept");
	handover->canon = canon_new(&settings, &message->header,
	    message->digest, &message->err);
	if (handover->canon == NULL ||
	    message_refill(message, handover->canon) == -1 ||
	    canon_finish(handover->canon, &result, &message->err) == -1)
		return -1;
	outgoing_sign(&plan, handover->canon, &result, message->digest,
	    message->queue_id, time(NULL), message_ask_key, session,
	    session->service->checks, &handover->clear);
	if (handover->clear.action != PLAN_SIGN)
		return smime_error_setx(&message->err, "the copy in clear is "
		    "not signed: %s", handover->clear.detail);
	return 0;
}

static int
write_composed(struct handover *handover, struct letter *letter,
    struct composed *composed, bool confidential)
{
	struct session *session = handover->session;
	struct message *message = &session->message;
	struct edit_plan edits = { .steps = NULL };
	int rc = -1;

	if (message_edits(session, composed, confidential, &edits) == 0 &&
	    edit_plan_insert(&edits, MARK_FIELD, letter->token,
	    &message->err) == 0)
		rc = whole_write(&edits, &message->header, composed,
		    letter_sink, letter, &message->err);
	edit_plan_clear(&edits);
	return rc;
}

static int
write_copy(struct handover *handover, size_t which, struct letter *letter)
{
	struct message *message = &handover->session->message;
	struct composed *sealed;
	int rc;

	if (letter_begin(letter) == -1)
		return -1;
	if (!message->seal.copies.items[which].encrypted) {
		if (handover->clear.composed == NULL &&
		    make_clear(handover) == -1)
			return -1;
		return write_composed(handover, letter,
		    handover->clear.composed, false);
	}
	sealed = outgoing_envelope(&message->seal, which,
	    handover->outcome->inner, &message->err);
	if (sealed == NULL)
		return -1;
	rc = write_composed(handover, letter, sealed,
	    handover->outcome->canon.confidential);
	composed_free(sealed);
	return rc;
}

static int
address_copy(struct handover *handover, size_t which, struct letter *letter)
{
	struct message *message = &handover->session->message;
	unsigned char name[SENT_NAME_LEN];
	size_t i;

	for (i = 0; i < message->recipient_count; i++) {
		if (handover->copy_of[i] != which)
			continue;
		if (name_recipient(handover->message, "copy",
		    message_raw_recipient(message, i), name,
		    &message->err) == -1 || letter_add(letter, name,
		    message_raw_recipient(message, i)) == -1)
			return -1;
	}
	return 0;
}

/* Whether nobody has a copy, or is about to get one, from this or before. */
static bool
is_untouched(struct handover *handover)
{
	struct message *message = &handover->session->message;
	unsigned char name[SENT_NAME_LEN];
	size_t i;

	for (i = 0; i < message->recipient_count; i++) {
		if (handover->copy_of[i] == 0 ||
		    handover->copy_of[i] == COPY_NONE)
			continue;
		if (name_recipient(handover->message, "copy",
		    message_raw_recipient(message, i), name,
		    &message->err) == -1 ||
		    sent_look(handover->session->service->sent, name,
		    time(NULL)) != SENT_NOT_YET)
			return false;
	}
	return true;
}

/*
 * A copy or notification that is refused for good: so is the message, for who
 * sends it has to know, and would try in vain for days. But not when somebody
 * has his copy already: then the sender must not be told that nothing was sent.
 */
static bool
refuse_for_good(struct handover *handover, enum plan_why why)
{
	if (handover->handed > 0 || !is_untouched(handover))
		return false;
	handover->outcome->action = PLAN_REFUSE;
	handover->outcome->why = why;
	return true;
}

static int
hand_copy(struct handover *handover, const char *sender, size_t which)
{
	struct session *session = handover->session;
	struct letter letter;
	int rc;

	rc = letter_open(&letter, session, sender,
	    session->message.recipient_count);
	if (rc == 0)
		rc = address_copy(handover, which, &letter);
	if (rc == 0 && letter.count > 0)
		rc = write_copy(handover, which, &letter);
	if (rc == -1)
		outcome_fault(session->message.err.text, handover->outcome);
	else if (letter.count > 0)
		rc = letter_submit(&letter, handover->ctx, handover->outcome);
	handover->handed += rc == 0;
	letter_close(&letter, rc == 0);
	if (rc == -1 && letter.final != WHY_NONE)
		(void)refuse_for_good(handover, letter.final);
	return rc;
}

/* -------------------------------------------------------- notification --- */

static int
write_notice(struct handover *handover, const struct notice_recipient *refused,
    size_t count, struct letter *letter)
{
	struct message *message = &handover->session->message;
	const struct conf *conf = message->conf;
	const struct notice notice = {
		.language = conf->language,
		.help = conf->help,
		.hostname = conf->authserv_id,
		.sender = message->sender,
		.queue_id = message->queue_id,
		.field = MARK_FIELD,
		.token = letter->token,
		.arrived = message->arrived,
		.now = time(NULL),
		.recipients = refused,
		.count = count,
		.header = &message->header,
		.confidential = message->plan.rule->hide_subject ||
		    message->plan.label != NULL,
	};

	return notice_write(&notice, letter_sink, letter, &message->err);
}

/* Those of whom the sender has not been told yet. */
static int
list_refused(struct handover *handover, struct notice_recipient *refused,
    size_t *count, struct letter *letter)
{
	struct message *message = &handover->session->message;
	const struct reader *reader;
	unsigned char name[SENT_NAME_LEN];
	size_t i, before;

	*count = 0;
	for (i = 0; i < message->seal.count; i++) {
		reader = &message->seal.readers[i];
		if (reader->copy != COPY_NONE || reader->is_sender)
			continue;
		before = letter->count;
		if (name_recipient(handover->message, "notice",
		    reader->address, name, &message->err) == -1 ||
		    letter_add(letter, name, message->raw_sender) == -1)
			return -1;
		if (letter->count == before)
			continue;
		refused[*count].address = reader->address;
		refused[*count].why = WHY_NO_RECIPIENT;
		refused[(*count)++].problem = reader->found.source == NULL ?
		    CERT_OK : reader->found.problem;
	}
	return 0;
}

/* A sender who cannot be sent a notification is told by the answer, as if all
 * were to be refused for one. */
static void
answer_instead(struct handover *handover)
{
	const struct seal *seal = &handover->session->message.seal;

	if (refuse_for_good(handover, WHY_NO_RECIPIENT))
		memcpy(handover->outcome->who, seal->who, sizeof(seal->who));
}

/* One message for all of them: the letter names the sender once for each. */
static int
hand_notice(struct handover *handover)
{
	struct session *session = handover->session;
	struct message *message = &session->message;
	struct letter letter, once;
	struct notice_recipient *refused;
	size_t count = 0;
	int rc;

	rc = letter_open(&letter, session, "", message->seal.count);
	letter.is_notice = true;
	refused = calloc(message->seal.count + 1, sizeof(*refused));
	if (refused == NULL)
		rc = smime_error_set(&message->err, "a notification");
	if (rc == 0)
		rc = list_refused(handover, refused, &count, &letter);
	if (rc == 0 && count > 0 && (rc = letter_begin(&letter)) == 0)
		rc = write_notice(handover, refused, count, &letter);
	if (rc == -1) {
		outcome_fault(message->err.text, handover->outcome);
	} else if (count > 0) {
		once = letter;
		once.count = 1;
		rc = letter_submit(&once, handover->ctx, handover->outcome);
		if (rc == -1 && once.final != WHY_NONE)
			answer_instead(handover);
	}
	letter_close(&letter, rc == 0);
	free(refused);
	return rc;
}

/* ----------------------------------------------------------------- all --- */

/* Looked for once: there may be a hundred copies, and a thousand of these. */
static int
find_copies(struct handover *handover)
{
	struct message *message = &handover->session->message;
	const struct reader *reader;
	size_t i;

	handover->copy_of = calloc(message->recipient_count + 1,
	    sizeof(*handover->copy_of));
	if (handover->copy_of == NULL)
		return smime_error_set(&message->err, "copies");
	for (i = 0; i < message->recipient_count; i++) {
		reader = seal_reader(&message->seal, message->recipients[i]);
		handover->copy_of[i] = reader == NULL ? COPY_NONE :
		    reader->copy;
	}
	return 0;
}

static int
begin(struct handover *handover)
{
	struct session *session = handover->session;
	struct message *message = &session->message;

	if (session->service->submit == NULL || session->service->sent == NULL)
		return smime_error_setx(&message->err,
		    "there is no submit process");
	if (!session->delrcpt)
		return smime_error_setx(&message->err, "the MTA does not let "
		    "a filter take recipients off");
	if (find_copies(handover) == -1)
		return -1;
	return name_message(message, handover->message);
}

int
message_hand_over(struct session *session, SMFICTX *ctx,
    struct outcome *outcome)
{
	struct handover handover = { .session = session, .ctx = ctx,
	    .outcome = outcome };
	struct message *message = &session->message;
	char *sender;
	size_t i;
	int rc = -1;

	if ((sender = letter_address(message->raw_sender)) == NULL ||
	    begin(&handover) == -1)
		outcome_fault(message->err.text, outcome);
	else
		rc = 0;
	for (i = 1; rc == 0 && i < message->seal.copies.count; i++)
		rc = hand_copy(&handover, sender, i);
	if (rc == 0 && message->seal.copies.refused > 0)
		rc = hand_notice(&handover);
	outcome_clear(&handover.clear);
	canon_free(handover.canon);
	free(handover.copy_of);
	free(sender);
	return rc;
}
