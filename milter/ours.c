/*
 * ours.c - the verdict on what Sampul has signed itself a moment ago.
 *
 * Such a signature was checked when it was made (SIG-61), so nothing of it is
 * computed again. What remains is what its certificate says and whether its
 * path holds, without which "pass" would be said of less than a reader's own
 * check asks for. That is remembered by address and serial number, for as
 * long as the same things are trusted and the answer holds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "incoming.h"
#include "outgoing.h"

#define SLOTS	128

struct known {
	char			 address[ADDRESS_MAX + 1];
	char			 serial[SERIAL_TEXT_MAX + 1];
	uint64_t		 generation;
	time_t			 from;		/* the clock may step back */
	time_t			 until;
	struct verdict		 verdict;
};

struct ours {
	pthread_mutex_t	 lock;
	struct known	*slots[SLOTS];
};

struct ours *
ours_new(void)
{
	struct ours *ours = calloc(1, sizeof(*ours));

	if (ours != NULL)
		pthread_mutex_init(&ours->lock, NULL);
	return ours;
}

void
ours_free(struct ours *ours)
{
	size_t i;

	if (ours == NULL)
		return;
	for (i = 0; i < SLOTS; i++)
		free(ours->slots[i]);
	pthread_mutex_destroy(&ours->lock);
	free(ours);
}

/* FNV-1a */
static size_t
slot_of(const char *address)
{
	uint32_t hash = 2166136261U;

	for (; *address != '\0'; address++)
		hash = (hash ^ (unsigned char)*address) * 16777619U;
	return hash % SLOTS;
}

/* ------------------------------------------------------------- verdict --- */

/* Everything about one certificate but for the form of the message. */
static int
find_out(const struct conf *conf, const struct trust_state *state,
    const struct outcome *outcome, time_t now, struct known *out)
{
	struct verify_settings settings;
	struct smime_error err = { "" };

	out->from = now;
	incoming_settings(conf, state, NULL, now, &settings);
	if (verify_own(&settings, outcome->der, outcome->der_len, out->serial,
	    out->address, outcome->pinned, &out->verdict, &out->until,
	    &err) == -1)
		return -1;
	smime_printable(err.text, strlen(err.text), out->verdict.detail,
	    sizeof(out->verdict.detail));
	return 0;
}

static bool
recall(struct ours *ours, uint64_t generation, time_t now, struct known *out)
{
	const struct known *known;
	bool found;

	pthread_mutex_lock(&ours->lock);
	known = ours->slots[slot_of(out->address)];
	found = known != NULL && known->generation == generation &&
	    now >= known->from && now < known->until &&
	    strcmp(known->address, out->address) == 0 &&
	    strcmp(known->serial, out->serial) == 0;
	if (found)
		*out = *known;
	pthread_mutex_unlock(&ours->lock);
	return found;
}

static void
remember(struct ours *ours, const struct known *known)
{
	struct known **slot = &ours->slots[slot_of(known->address)];

	pthread_mutex_lock(&ours->lock);
	if (*slot == NULL)
		*slot = malloc(sizeof(**slot));
	if (*slot != NULL)
		**slot = *known;
	pthread_mutex_unlock(&ours->lock);
}

void
ours_verdict(struct ours *ours, const struct conf *conf,
    const struct trust_state *state, const struct outcome *outcome,
    const char *address, time_t now, struct verdict *out)
{
	struct known known;

	memset(&known, 0, sizeof(known));
	snprintf(known.address, sizeof(known.address), "%s", address);
	snprintf(known.serial, sizeof(known.serial), "%s", outcome->serial);
	known.generation = state != NULL ? state->generation : 0;
	if (state == NULL || (!recall(ours, state->generation, now, &known) &&
	    find_out(conf, state, outcome, now, &known) == -1))
		known.verdict.word = verify_reason_verdict(
		    known.verdict.reason = VERIFY_FAULT);
	else
		remember(ours, &known);
	*out = known.verdict;
	snprintf(out->part, sizeof(out->part), "%s",
	    outcome->form == FORM_OPAQUE ? "1" : "2");
	snprintf(out->from, sizeof(out->from), "%s", address);
	out->signing_time = now;
	out->layer_count = 1;
	snprintf(out->layers[0].part, sizeof(out->layers[0].part), "%s",
	    out->part);
	out->layers[0].word = out->word;
	out->layers[0].reason = out->reason;
}
