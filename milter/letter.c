/*
 * letter.c - one submission: to whom, by which names that is remembered, its
 * octets, and what came of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "copying.h"
#include "handover.h"
#include "outgoing.h"
#include "policy.h"
#include "session.h"
#include "submit.h"

#define NAME_LEN	SENT_NAME_LEN

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

/* Sender, fields and the digest of what was sent; returns its length. */
static size_t
name_text(const struct message *message, const unsigned char *entity,
    unsigned char *out)
{
	const struct header_field *field;
	unsigned char *p = out;
	size_t i;

	p = mempcpy(p, message->raw_sender, strlen(message->raw_sender));
	*p++ = '\n';
	for (i = 0; i < message->header.count; i++) {
		field = &message->header.fields[i];
		if (!is_same_again(field))
			continue;
		p = mempcpy(p, field->name, field->name_len);
		*p++ = ':';
		p = mempcpy(p, field->value, field->value_len);
		*p++ = '\n';
	}
	p = mempcpy(p, entity, smime_digest_size(SMIME_SHA256));
	return (size_t)(p - out);
}

int
name_message(struct message *message, unsigned char out[SENT_NAME_LEN])
{
	const size_t size = strlen(message->raw_sender) + 1 +
	    message->header.bytes + 2 * message->header.count +
	    SMIME_DIGEST_MAX;
	unsigned char entity[SMIME_DIGEST_MAX], *text;
	int rc;

	if (canon_digest(message->canon, SMIME_SHA256, entity,
	    &message->err) == -1)
		return -1;
	if ((text = malloc(size)) == NULL)
		return smime_error_set(&message->err, "naming the message");
	rc = smime_fingerprint(text, name_text(message, entity, text), out);
	wipe_free(text, size);
	return rc == 0 ? 0 : smime_error_crypto(&message->err,
	    "naming the message");
}

int
name_recipient(const unsigned char message[SENT_NAME_LEN], const char *what,
    const char *address, unsigned char out[SENT_NAME_LEN],
    struct smime_error *err)
{
	size_t n = strlen(what) + 1, len = strlen(address);
	unsigned char *text;
	int rc;

	if ((text = malloc(NAME_LEN + n + len)) == NULL)
		return smime_error_set(err, "naming a recipient");
	memcpy(text, message, NAME_LEN);
	memcpy(text + NAME_LEN, what, n);
	memcpy(text + NAME_LEN + n, address, len);
	rc = smime_fingerprint(text, NAME_LEN + n + len, out);
	free(text);
	return rc == 0 ? 0 : smime_error_crypto(err, "naming a recipient");
}

/* ------------------------------------------------------------- letters --- */

char *
letter_address(const char *raw)
{
	size_t len = strlen(raw);

	return len >= 2 && raw[0] == '<' && raw[len - 1] == '>' ?
	    strndup(raw + 1, len - 2) : strdup(raw);
}

int
letter_open(struct letter *letter, struct session *session,
    const char *sender, size_t count)
{
	struct smime_error *err = &session->message.err;

	memset(letter, 0, sizeof(*letter));
	letter->session = session;
	letter->sender = sender;
	letter->to = calloc(count + 1, sizeof(*letter->to));
	letter->names = calloc(count + 1, sizeof(*letter->names));
	if (letter->to == NULL || letter->names == NULL)
		return smime_error_set(err, "a copy's recipients");
	return 0;
}

void
letter_close(struct letter *letter, bool taken)
{
	struct service *service = letter->session->service;
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

int
letter_add(struct letter *letter, const unsigned char name[SENT_NAME_LEN],
    const char *raw)
{
	struct service *service = letter->session->service;
	struct smime_error *err = &letter->session->message.err;
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
	if ((to = letter_address(raw)) == NULL) {
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

/*
 * Whether it would be refused tomorrow as well: RFC 3463 has 5.1 for addresses
 * (the sender's, 5.1.7 and 5.1.8, was good enough for the message), 5.2 for
 * mailboxes, 5.6 for content, 5.2.3 and 5.3.4 for the size; RFC 1870 has 552
 * for that. A port that refuses for any other reason, such as access, relaying
 * or protocol, is not set up as it should be: nobody's letter is to blame.
 */
static enum plan_why
why_final(const struct submit_answer *answer)
{
	unsigned class = 0, subject = 0, detail = 0;

	if (answer->status != SUBMIT_REFUSED)
		return WHY_NONE;
	if (sscanf(answer->text, "%*3u %1u.%3u.%3u", &class, &subject,
	    &detail) != 3)
		return answer->code == 552 ? WHY_COPY_TOO_LARGE : WHY_NONE;
	if (class != 5)
		return WHY_NONE;
	if ((subject == 2 && detail == 3) || (subject == 3 && detail == 4))
		return WHY_COPY_TOO_LARGE;
	if (subject == 1 && (detail == 7 || detail == 8))
		return WHY_NONE;
	return subject == 1 || subject == 2 || subject == 6 ?
	    WHY_COPY_REFUSED : WHY_NONE;
}

/* What did not work, to be answered; the message waits. */
static int
not_taken(const struct letter *letter, const char *detail,
    struct outcome *outcome)
{
	char text[SMIME_ERROR_MAX];

	snprintf(text, sizeof(text), "%s was not taken: %s",
	    letter->is_notice ? "the notification" : "a copy", detail);
	outcome_fault(text, outcome);
	if (letter->is_notice)
		return -1;
	outcome->why = WHY_COPY_NOT_TAKEN;
	list_recipients(letter, outcome->who, sizeof(outcome->who));
	return -1;
}

int
letter_submit(struct letter *letter, SMFICTX *ctx,
    struct outcome *outcome)
{
	struct message *message = &letter->session->message;
	struct service *service = letter->session->service;
	struct submission submission = { .sender = letter->sender,
	    .recipients = (const char *const *)letter->to,
	    .count = letter->count, .size = spool_size(letter->spool),
	    .queue_id = message->queue_id };
	struct smime_error err = { "" };
	struct submit_answer answer;

	if ((submission.fd = spool_descriptor(letter->spool, &err)) == -1 ||
	    edit_progress(ctx, &err) == -1 ||
	    submit_send(service->submit, &submission,
	    message->conf->submit_timeout, &answer, &err) == -1) {
		if (service->submit != NULL && service->broken != NULL &&
		    submit_pool_worn(service->submit))
			service->broken("submit process");
		return not_taken(letter, err.text, outcome);
	}
	if (answer.status == SUBMIT_ACCEPTED)
		return 0;
	letter->final = why_final(&answer);
	return not_taken(letter, answer.text, outcome);
}

int
letter_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct letter *letter = arg;

	return spool_write(letter->spool, buf, len,
	    &letter->session->message.err);
}

int
letter_begin(struct letter *letter)
{
	struct session *session = letter->session;
	struct message *message = &session->message;

	letter->spool = spool_new(message->conf->spool_dir, 0);
	if (letter->spool == NULL)
		return smime_error_set(&message->err, "a copy");
	return marks_issue(session->service->marks, letter->token,
	    &message->err);
}
