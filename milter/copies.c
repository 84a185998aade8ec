/*
 * copies.c - into how many messages one is divided, and who gets which.
 *
 * An envelope names its readers, so one for all would show a hidden recipient
 * to the others (ENC-14): he gets one of his own. Some readers fail for an
 * envelope that also holds the other kind of key (INTEROP): RSA and EC may be
 * kept apart. Who has no certificate gets nothing, or a signed copy in clear,
 * as the rule says; or all of it stays as one, and then it cannot be encrypted.
 *
 * Facts to a plan, without I/O, as policy.c. The first copy is the main one,
 * which stays in the MTA's transaction: that of the visible readers, for most
 * people are among those; else the first there is. It is always encrypted, for
 * where nobody can be encrypted to there is nothing to divide.
 */
#include <string.h>

#include "conf.h"
#include "encryption.h"
#include "policy.h"

static bool
is_missing(const struct reader *reader)
{
	return !reader->is_sender && reader->key == READER_NONE;
}

static bool
any(const struct reader *readers, size_t count,
    bool (*is)(const struct reader *reader))
{
	size_t i;

	for (i = 0; i < count; i++)
		if (is(&readers[i]))
			return true;
	return false;
}

static bool
is_hidden(const struct reader *reader)
{
	return reader->hidden;
}

static bool
is_readable(const struct reader *reader)
{
	return !reader->is_sender && reader->key != READER_NONE;
}

/* Why it stays one message, if it does. */
static enum plan_why
refused_as_one(const struct copy_rules *rules, const struct reader *readers,
    size_t count)
{
	bool may = false;

	if (!rules->own_copies && any(readers, count, is_hidden))
		return WHY_HIDDEN_RECIPIENT;
	if (!any(readers, count, is_missing))
		return WHY_NONE;
	switch (rules->without) {
	case WITHOUT_REFUSE_ALL:
		break;
	case WITHOUT_REFUSE_EACH:	/* somebody has to be told */
		may = rules->may_notify;
		break;
	case WITHOUT_CLEAR_COPY:
		may = rules->may_clear;
		break;
	}
	return may && any(readers, count, is_readable) ? WHY_NONE :
	    WHY_NO_RECIPIENT;
}

/* Whether this reader may be in that copy. */
static bool
belongs(const struct copy_rules *rules, const struct copy *copy,
    const struct reader *reader)
{
	if (copy->own || reader->hidden ||
	    copy->encrypted != (reader->key != READER_NONE))
		return false;
	return !copy->encrypted || !rules->split_by_key ||
	    copy->key == reader->key;
}

/* The copy for a reader, a new one if need be; NULL over the ceiling. */
static struct copy *
copy_for(struct copies *out, const struct copy_rules *rules,
    const struct reader *reader)
{
	struct copy *copy;
	size_t i;

	for (i = 0; i < out->count; i++)
		if (belongs(rules, &out->items[i], reader))
			return &out->items[i];
	if (out->count == COPIES_MAX)
		return NULL;
	copy = &out->items[out->count++];
	copy->encrypted = reader->key != READER_NONE;
	copy->own = reader->hidden;
	copy->key = reader->key;
	copy->capabilities = ~0U;
	return copy;
}

static void
join(struct copies *out, struct copy *copy, struct reader *reader)
{
	copy->capabilities &= reader->capabilities;
	copy->readers++;
	reader->copy = (size_t)(copy - out->items);
}

static enum plan_why
divide(const struct copy_rules *rules, struct reader *readers, size_t count,
    struct copies *out)
{
	struct reader *reader;
	struct copy *copy;
	size_t i;

	for (i = 0; i < count; i++) {
		reader = &readers[i];
		if (reader->is_sender)
			continue;
		if (is_missing(reader) &&
		    rules->without == WITHOUT_REFUSE_EACH) {
			out->refused++;
			continue;
		}
		if ((copy = copy_for(out, rules, reader)) == NULL)
			return WHY_HIDDEN_RECIPIENT;
		join(out, copy, reader);
	}
	return WHY_NONE;
}

/* Exchanges the first copy with the one that is to be the main one. */
static void
choose_main(struct reader *readers, size_t count, struct copies *out)
{
	struct copy first = out->items[0];
	size_t i, chosen;

	for (chosen = 0; chosen < out->count; chosen++)
		if (out->items[chosen].encrypted && !out->items[chosen].own)
			break;
	for (i = 0; chosen == out->count && i < out->count; i++)
		if (out->items[i].encrypted)
			chosen = i;
	if (chosen == 0 || chosen == out->count)
		return;
	out->items[0] = out->items[chosen];
	out->items[chosen] = first;
	for (i = 0; i < count; i++)
		if (readers[i].copy == 0)
			readers[i].copy = chosen;
		else if (readers[i].copy == chosen)
			readers[i].copy = 0;
}

/*
 * The sender reads the main copy, but not with a key of the kind that is to be
 * kept out of it; then another of the visible readers' that has his kind.
 */
static void
join_sender(const struct copy_rules *rules, struct reader *sender,
    struct copies *out)
{
	size_t i;

	if (sender->key == READER_NONE)
		return;
	for (i = 0; i < out->count; i++) {
		if (!out->items[i].encrypted || (i > 0 && out->items[i].own))
			continue;
		if (!rules->split_by_key ||
		    out->items[i].key == sender->key) {
			join(out, &out->items[i], sender);
			return;
		}
	}
}

enum plan_why
copies_plan(const struct copy_rules *rules, struct reader *readers,
    size_t count, struct copies *out)
{
	enum plan_why why;
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < count; i++)
		readers[i].copy = COPY_NONE;
	why = refused_as_one(rules, readers, count);
	if (why == WHY_NONE)
		why = divide(rules, readers, count, out);
	if (why != WHY_NONE) {
		memset(out, 0, sizeof(*out));
		return why;
	}
	choose_main(readers, count, out);
	for (i = 0; i < count; i++)
		if (readers[i].is_sender)
			join_sender(rules, &readers[i], out);
	return WHY_NONE;
}
