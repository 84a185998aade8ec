/*
 * seal.c - whether a message can be encrypted, and to whom.
 *
 * All or nothing: it is encrypted when everybody who gets it can read it, and
 * the same text never goes to one in an envelope and to another open (ENC-15).
 * An envelope also names its readers, so a recipient whom neither To nor Cc
 * shows would be shown to the others by it (ENC-14). The sender alone is
 * nobody's secret.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encryption.h"

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
blame(struct seal *seal, enum plan_why why, const char *address,
    const char *word)
{
	char text[ADDRESS_MAX + 64];

	seal->possible = false;
	if (seal->why == WHY_NONE)
		seal->why = why;
	seal->missing++;
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

/* Looks one reader up; a missing one is noted unless it may be. */
static int
add_reader(struct seal *seal, struct recipients *recipients,
    const struct conf *conf, const struct recipient_settings *settings,
    const char *address, bool optional, struct smime_error *err)
{
	struct found_recipient *found = &seal->found[seal->count];

	if (recipients_find(recipients, conf, settings, address, found,
	    err) == -1)
		return -1;
	if (found->cert != NULL) {
		seal->capabilities &= found->capabilities;
		seal->count++;
		return 0;
	}
	if (!optional)
		blame(seal, WHY_NO_RECIPIENT, address, word_for(found));
	found_recipient_clear(found);
	return 0;
}

static void
find_hidden(struct seal *seal, const struct plan *plan,
    const struct facts *facts)
{
	const char *address;
	size_t i;

	if (facts->recipient_count < 2)
		return;
	for (i = 0; i < facts->recipient_count; i++) {
		address = facts->recipients[i];
		if (strcmp(address, plan->from) != 0 &&
		    !address_is_shown(facts->header, address))
			blame(seal, WHY_HIDDEN_RECIPIENT, address, "hidden");
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
	seal->possible = true;
	seal->capabilities = ~0U;
	find_hidden(seal, plan, facts);
	seal->found = calloc(facts->recipient_count + 1, sizeof(*seal->found));
	if (seal->found == NULL)
		return smime_error_set(err, "looking recipients up");
	for (i = 0; i < facts->recipient_count; i++)
		if (add_reader(seal, recipients, conf, settings,
		    facts->recipients[i], false, err) == -1)
			return -1;
	if (!seal->possible || !plan->rule->copy_to_sender)
		return 0;
	return add_reader(seal, recipients, conf, settings, plan->from, true,
	    err);
}

void
seal_clear(struct seal *seal)
{
	size_t i;

	for (i = 0; i < seal->count; i++)
		found_recipient_clear(&seal->found[i]);
	free(seal->found);
	memset(seal, 0, sizeof(*seal));
}
