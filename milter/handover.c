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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notice.h"
#include "session.h"

#define NAME_LEN	SENT_NAME_LEN

struct handover {
	struct session		*session;
	SMFICTX			*ctx;
	struct outcome		*outcome;	/* of the main copy */
	unsigned char		 message[NAME_LEN];	/* a name for it */
	size_t			*copy_of;	/* of each recipient */
	struct canon		*canon;		/* of copies in clear */
	struct outcome		 clear;
};

/* One transaction: to whom, and the names by which that is remembered. */
struct letter {
	const char	*sender;
	char		**to;		/* without brackets */
	unsigned char	(*names)[NAME_LEN];
	size_t		 count;
	struct spool	*spool;
	struct smime_error *err;
	char		 token[MARK_LEN + 1];
};

/* --------------------------------------------------------------- names --- */

/* What a client sends again as it was; trace and marks of others may differ. */
static const char *const same_again[] = { "From", "Sender", "Reply-To", "To",
	"Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References" };

static bool
is_same_again(const struct header_field *field)
{
	size_t i;

	for (i = 0; i < sizeof(same_again) / sizeof(same_again[0]); i++)
		if (header_is(field, same_again[i]))
			return true;
	return false;
}

static int
name_text(const struct message *message, FILE *out, struct smime_error *err)
{
	unsigned char entity[SMIME_DIGEST_MAX];
	size_t i;

	if (canon_digest(message->canon, SMIME_SHA256, entity, err) == -1)
		return -1;
	fprintf(out, "%s\n", message->raw_sender);
	for (i = 0; i < message->header.count; i++)
		if (is_same_again(&message->header.fields[i]))
			fprintf(out, "%s:%s\n", message->header.fields[i].name,
			    message->header.fields[i].value);
	fwrite(entity, 1, smime_digest_size(SMIME_SHA256), out);
	return 0;
}

/* A name for the message, the same when it comes again. */
static int
name_message(struct handover *handover)
{
	struct message *message = &handover->session->message;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int rc;

	if ((out = open_memstream(&text, &len)) == NULL)
		return smime_error_set(&message->err, "naming the message");
	rc = name_text(message, out, &message->err);
	if (fclose(out) != 0 && rc == 0)
		rc = smime_error_set(&message->err, "naming the message");
	if (rc == 0 && smime_fingerprint(text, len, handover->message) == -1)
		rc = smime_error_crypto(&message->err, "naming the message");
	free(text);
	return rc;
}

/* ... and for what becomes of it for one recipient. */
static int
name_recipient(const struct handover *handover, const char *what,
    const char *address, unsigned char out[NAME_LEN], struct smime_error *err)
{
	size_t n = strlen(what) + 1, len = strlen(address);
	unsigned char *text;
	int rc;

	if ((text = malloc(NAME_LEN + n + len)) == NULL)
		return smime_error_set(err, "naming a recipient");
	memcpy(text, handover->message, NAME_LEN);
	memcpy(text + NAME_LEN, what, n);
	memcpy(text + NAME_LEN + n, address, len);
	rc = smime_fingerprint(text, NAME_LEN + n + len, out);
	free(text);
	return rc == 0 ? 0 : smime_error_crypto(err, "naming a recipient");
}

/* ------------------------------------------------------------- letters --- */

/* Without the brackets, in which an MTA may give an address; freed with free. */
static char *
bare(const char *raw)
{
	size_t len = strlen(raw);

	return len >= 2 && raw[0] == '<' && raw[len - 1] == '>' ?
	    strndup(raw + 1, len - 2) : strdup(raw);
}

static int
letter_room(struct letter *letter, size_t count, struct smime_error *err)
{
	letter->to = calloc(count + 1, sizeof(*letter->to));
	letter->names = calloc(count + 1, sizeof(*letter->names));
	if (letter->to == NULL || letter->names == NULL)
		return smime_error_set(err, "a copy's recipients");
	return 0;
}

/* Ends what was begun for its recipients, too. */
static void
letter_close(struct letter *letter, struct service *service, bool taken)
{
	size_t i;

	for (i = 0; i < letter->count; i++) {
		sent_end(service->sent, letter->names[i], taken, time(NULL));
		free(letter->to[i]);
	}
	if (taken && letter->count > 0)
		sent_sync(service->sent);
	marks_withdraw(service->marks, letter->token);
	spool_free(letter->spool);
	free(letter->to);
	free(letter->names);
}

static bool
letter_has(const struct letter *letter, const unsigned char name[NAME_LEN])
{
	size_t i;

	for (i = 0; i < letter->count; i++)
		if (memcmp(letter->names[i], name, NAME_LEN) == 0)
			return true;
	return false;
}

/* Unless he has it: to him, who is known by a name. -1 also when somebody else
 * is about to send it. */
static int
letter_add(struct letter *letter, struct service *service,
    const unsigned char name[NAME_LEN], const char *raw,
    struct smime_error *err)
{
	char *to;

	if (letter_has(letter, name))
		return 0;	/* named twice in the envelope */

	switch (sent_begin(service->sent, name, time(NULL))) {
	case SENT_ALREADY:
		return 0;
	case SENT_BUSY:
		return smime_error_setx(err, "the same message is being sent "
		    "by another connection");
	case SENT_NOT_YET:
		break;
	}
	if ((to = bare(raw)) == NULL) {
		sent_end(service->sent, name, false, time(NULL));
		return smime_error_set(err, "a copy's recipients");
	}
	memcpy(letter->names[letter->count], name, NAME_LEN);
	letter->to[letter->count++] = to;
	return 0;
}

static void
list_recipients(const struct letter *letter, char *out, size_t size)
{
	size_t i, len = 0;

	out[0] = '\0';
	for (i = 0; i < letter->count && len + strlen(letter->to[i]) + 6 <
	    size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s",
		    i > 0 ? ", " : "", letter->to[i]);
	if (i < letter->count && len + 4 < size)
		snprintf(out + len, size - len, "...");
}

/* What did not work, to be answered; the message waits. */
static int
not_taken(struct handover *handover, const struct letter *letter,
    const char *detail)
{
	struct outcome *outcome = handover->outcome;

	outcome_fault(detail, outcome);
	outcome->why = WHY_COPY_NOT_TAKEN;
	list_recipients(letter, outcome->who, sizeof(outcome->who));
	return -1;
}

static int
submit(struct handover *handover, const struct letter *letter)
{
	struct message *message = &handover->session->message;
	struct submission submission = { .sender = letter->sender,
	    .recipients = (const char *const *)letter->to,
	    .count = letter->count, .size = spool_size(letter->spool),
	    .queue_id = message->queue_id };
	struct smime_error err = { "" };
	struct submit_answer answer;
	char detail[SUBMIT_TEXT_MAX + 64];

	if ((submission.fd = spool_descriptor(letter->spool, &err)) == -1 ||
	    edit_progress(handover->ctx, &err) == -1 ||
	    submit_send(handover->session->service->submit, &submission,
	    message->conf->submit_timeout, &answer, &err) == -1)
		return not_taken(handover, letter, err.text);
	if (answer.status == SUBMIT_ACCEPTED)
		return 0;
	snprintf(detail, sizeof(detail), "a copy was not taken: %s",
	    answer.text);
	return not_taken(handover, letter, detail);
}

static int
letter_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct letter *letter = arg;

	return spool_write(letter->spool, buf, len, letter->err);
}

static int
begin_spool(struct handover *handover, struct letter *letter)
{
	struct session *session = handover->session;
	struct message *message = &session->message;

	letter->err = &message->err;
	letter->spool = spool_new(message->conf->spool_dir, 0);
	if (letter->spool == NULL)
		return smime_error_set(&message->err, "a copy");
	return marks_issue(session->service->marks, letter->token,
	    &message->err);
}

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

	if (begin_spool(handover, letter) == -1)
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
	struct service *service = handover->session->service;
	unsigned char name[NAME_LEN];
	size_t i;

	if (letter_room(letter, message->recipient_count,
	    &message->err) == -1)
		return -1;
	for (i = 0; i < message->recipient_count; i++) {
		if (handover->copy_of[i] != which)
			continue;
		if (name_recipient(handover, "copy",
		    message_raw_recipient(message, i), name,
		    &message->err) == -1 || letter_add(letter, service, name,
		    message_raw_recipient(message, i), &message->err) == -1)
			return -1;
	}
	return 0;
}

static int
hand_copy(struct handover *handover, const char *sender, size_t which)
{
	struct session *session = handover->session;
	struct letter letter = { .sender = sender };
	int rc;

	rc = address_copy(handover, which, &letter);
	if (rc == 0 && letter.count > 0)
		rc = write_copy(handover, which, &letter);
	if (rc == -1)
		outcome_fault(session->message.err.text, handover->outcome);
	else if (letter.count > 0)
		rc = submit(handover, &letter);
	letter_close(&letter, session->service, rc == 0);
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
		.confidential = message->plan.rule->hide_subject,
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
	unsigned char name[NAME_LEN];
	size_t i, before;

	*count = 0;
	for (i = 0; i < message->seal.count; i++) {
		reader = &message->seal.readers[i];
		if (reader->copy != COPY_NONE || reader->is_sender)
			continue;
		before = letter->count;
		if (name_recipient(handover, "notice", reader->address, name,
		    &message->err) == -1 || letter_add(letter,
		    handover->session->service, name, message->raw_sender,
		    &message->err) == -1)
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

/* One message for all of them: the letter names the sender once for each. */
static int
hand_notice(struct handover *handover)
{
	struct session *session = handover->session;
	struct message *message = &session->message;
	struct letter letter = { .sender = "" }, once;
	struct notice_recipient *refused;
	size_t count = 0;
	int rc = -1;

	refused = calloc(message->seal.count + 1, sizeof(*refused));
	if (refused == NULL)
		smime_error_set(&message->err, "a notification");
	else if (letter_room(&letter, message->seal.count,
	    &message->err) == 0)
		rc = list_refused(handover, refused, &count, &letter);
	if (rc == 0 && count > 0 && (rc = begin_spool(handover, &letter)) == 0)
		rc = write_notice(handover, refused, count, &letter);
	if (rc == -1) {
		outcome_fault(message->err.text, handover->outcome);
	} else if (count > 0) {
		once = letter;
		once.count = 1;
		rc = submit(handover, &once);
	}
	letter_close(&letter, session->service, rc == 0);
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
	return name_message(handover);
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

	if ((sender = bare(message->raw_sender)) == NULL ||
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
