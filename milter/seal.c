/*
 * seal.c - whether a message can be encrypted, and to whom.
 *
 * Unless a rule says otherwise, all or nothing: it is encrypted when everybody
 * who gets it can read it, and the same text never goes to one in an envelope
 * and to another open (ENC-15). An envelope also names its readers, so a
 * recipient whom neither To nor Cc shows would be shown to the others by it
 * (ENC-14). The sender alone is nobody's secret. What a rule may say instead,
 * copies.c knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "encryption.h"
#include "policy.h"

/* ", " and text behind out, unless it does not fit: then "...". */
static void
append(char *out, size_t size, const char *text)
{
	size_t len = strlen(out);

	if (len + strlen(text) + 6 < size)
		snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "",
		    text);
	else if (len > 0 && out[len - 1] != '.' && len + 4 < size)
		snprintf(out + len, size - len, "...");
}

static void
blame(struct seal *seal, const char *address, const char *word)
{
	char text[ADDRESS_MAX + 64];

	append(seal->who, sizeof(seal->who), address);
	snprintf(text, sizeof(text), "%s: %s", address, word);
	append(seal->detail, sizeof(seal->detail), text);
}

static const char *
word_for(const struct found_recipient *found)
{
	return found->source == NULL ? "no certificate" :
	    cert_problem_word(found->problem);
}

static void
blame_readers(struct seal *seal, bool with_hidden)
{
	const struct reader *reader;
	size_t i;

	for (i = 0; with_hidden && i < seal->count; i++)
		if (seal->readers[i].hidden)
			blame(seal, seal->readers[i].address, "hidden");
	for (i = 0; i < seal->count; i++) {
		reader = &seal->readers[i];
		if (reader->key == READER_NONE && !reader->is_sender &&
		    reader->copy == COPY_NONE)
			blame(seal, reader->address, word_for(&reader->found));
	}
}

static int
add_reader(struct seal *seal, struct recipients *recipients,
    const struct conf *conf, const struct recipient_settings *settings,
    const char *address, struct smime_error *err)
{
	struct reader *reader = &seal->readers[seal->count];

	memset(reader, 0, sizeof(*reader));
	reader->address = address;
	reader->copy = COPY_NONE;
	if (recipients_find(recipients, conf, settings, address,
	    &reader->found, err) == -1)
		return -1;
	seal->count++;
	reader->capabilities = reader->found.capabilities;
	if (reader->found.cert != NULL)
		reader->key = cert_is_rsa(reader->found.cert) ? READER_RSA :
		    READER_EC;
	return 0;
}

const struct reader *
seal_reader(const struct seal *seal, const char *address)
{
	size_t i;

	for (i = 0; i < seal->count; i++)
		if (!seal->readers[i].is_sender &&
		    strcmp(seal->readers[i].address, address) == 0)
			return &seal->readers[i];
	return NULL;
}

/* One recipient alone is shown to nobody. */
static void
find_hidden(struct seal *seal, const struct plan *plan,
    const struct facts *facts)
{
	struct reader *reader;
	size_t i;

	if (seal->count < 2)
		return;
	for (i = 0; i < seal->count; i++) {
		reader = &seal->readers[i];
		reader->hidden = strcmp(reader->address, plan->from) != 0 &&
		    !address_is_shown(facts->header, reader->address);
	}
}

static bool
is_too_many(struct seal *seal, const struct facts *facts)
{
	if (!facts->more_recipients && facts->recipient_count > 0 &&
	    facts->recipient_count < RECIPIENTS_MAX)
		return false;
	seal->why = WHY_NO_RECIPIENT;
	snprintf(seal->detail, sizeof(seal->detail), "%zu%s recipients; at "
	    "most %d can be encrypted to", facts->recipient_count,
	    facts->more_recipients ? " and more" : "", RECIPIENTS_MAX - 1);
	return true;
}

static void
divide(struct seal *seal, const struct plan *plan, const struct facts *facts)
{
	const struct rule *rule = plan->rule;
	const struct copy_rules rules = {
		.without = rule->without_certificate,
		.may_notify = facts->sender != NULL &&
		    facts->sender[0] != '\0',
		.may_clear = plan->encrypt != ENCRYPT_REQUIRED,
		.own_copies = rule->hidden_recipients == HIDDEN_OWN_COPY,
		.split_by_key = rule->split_by_key,
	};

	seal->why = copies_plan(&rules, seal->readers, seal->count,
	    &seal->copies);
	seal->possible = seal->why == WHY_NONE;
	blame_readers(seal, seal->why == WHY_HIDDEN_RECIPIENT);
}

int
seal_resolve(struct seal *seal, struct recipients *recipients,
    const struct conf *conf, const struct recipient_settings *settings,
    const struct plan *plan, const struct facts *facts,
    struct smime_error *err)
{
	size_t i;

	memset(seal, 0, sizeof(*seal));
	if (is_too_many(seal, facts))
		return 0;
	seal->readers = calloc(facts->recipient_count + 1,
	    sizeof(*seal->readers));
	if (seal->readers == NULL)
		return smime_error_set(err, "looking recipients up");
	for (i = 0; i < facts->recipient_count; i++)
		if (seal_reader(seal, facts->recipients[i]) == NULL &&
		    add_reader(seal, recipients, conf, settings,
		    facts->recipients[i], err) == -1)
			return -1;
	find_hidden(seal, plan, facts);
	if (plan->rule->copy_to_sender &&
	    seal_reader(seal, plan->from) == NULL) {
		if (add_reader(seal, recipients, conf, settings, plan->from,
		    err) == -1)
			return -1;
		seal->readers[seal->count - 1].is_sender = true;
	}
	divide(seal, plan, facts);
	return 0;
}

bool
seal_is_divided(const struct seal *seal)
{
	return seal->possible &&
	    (seal->copies.count > 1 || seal->copies.refused > 0);
}

void
seal_clear(struct seal *seal)
{
	size_t i;

	for (i = 0; i < seal->count; i++)
		found_recipient_clear(&seal->readers[i].found);
	free(seal->readers);
	memset(seal, 0, sizeof(*seal));
}
