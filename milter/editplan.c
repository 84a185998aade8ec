/*
 * editplan.c - which header fields change, as a list of steps.
 *
 * A pure function from the header as it came and the message as it shall be to
 * the steps between them, so that the milter (which carries the steps out one
 * libmilter call at a time) and "sampulctl sign" (which writes the result)
 * cannot differ.
 *
 * MTAs count the fields of one name from 1. Sendmail goes on counting those
 * that were deleted a moment ago, Postfix does not; deleting from the highest
 * index down means the same to both (MTA-08). A change of an index that is not
 * there would append a field (MTA-09), so indexes come from counting alone.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "milter.h"

#define RESULTS_HEADER	"Authentication-Results"

/* ------------------------------------------------------------ removals --- */

static int
remember(struct removals *removals, const char *name, unsigned index,
    bool outgoing_only, struct smime_error *err)
{
	struct removal *grown;
	size_t room;

	if (removals->count >= REMOVALS_MAX)
		return smime_error_setx(err,
		    "more than %d header fields to remove", REMOVALS_MAX);
	if (removals->count == removals->allocated) {
		room = removals->allocated == 0 ? 8 : removals->allocated * 2;
		grown = reallocarray(removals->items, room, sizeof(*grown));
		if (grown == NULL)
			return smime_error_set(err, "remembering a field");
		removals->items = grown;
		removals->allocated = room;
	}
	removals->items[removals->count].name = name;
	removals->items[removals->count].index = index;
	removals->items[removals->count++].outgoing_only = outgoing_only;
	if (!outgoing_only)
		removals->forged++;
	return 0;
}

/* HDR-09, HDR-11: which results of others the configuration has go. */
static bool
is_forged(const struct conf *conf, const struct header_field *field)
{
	switch (conf->results) {
	case RESULTS_ALL:
		return true;
	case RESULTS_OURS:
		if (authres_is_ours(field->value, field->value_len,
		    conf->authserv_id))
			return true;
		break;
	case RESULTS_SMIME:
		break;
	}
	return authres_is_forged(field->value, field->value_len,
	    conf->authserv_id);
}

int
removals_field(struct removals *removals, const struct conf *conf,
    const struct header_field *field, struct smime_error *err)
{
	if (header_is(field, VERIFIED_SENDER_HEADER))
		return remember(removals, VERIFIED_SENDER_HEADER,
		    ++removals->seen[0], false, err);
	if (header_is(field, RESULTS_HEADER)) {
		removals->seen[1]++;
		if (!is_forged(conf, field))
			return 0;
		return remember(removals, RESULTS_HEADER, removals->seen[1],
		    false, err);
	}
	if (conf->skip_header[0] != '\0' &&
	    header_is(field, conf->skip_header))
		return remember(removals, conf->skip_header,
		    ++removals->seen[2], true, err);
	return 0;
}

bool
removals_any(const struct removals *removals, bool outgoing)
{
	return outgoing ? removals->count > 0 : removals->forged > 0;
}

void
removals_clear(struct removals *removals)
{
	free(removals->items);
	memset(removals, 0, sizeof(*removals));
}

/* --------------------------------------------------------------- steps --- */

static int
add_step(struct edit_plan *plan, enum edit_action action, const char *name,
    unsigned index, const char *value, struct smime_error *err)
{
	struct edit_step *grown, *step;
	size_t room;

	if (plan->count == plan->allocated) {
		room = plan->allocated == 0 ? 16 : plan->allocated * 2;
		grown = reallocarray(plan->steps, room, sizeof(*grown));
		if (grown == NULL)
			return smime_error_set(err, "planning an edit");
		plan->steps = grown;
		plan->allocated = room;
	}
	step = &plan->steps[plan->count++];
	step->action = action;
	step->name = name;
	step->index = index;
	step->value = value;
	return 0;
}

/*
 * Exactly one field of that name with that value, in the place of the first;
 * value NULL: none.
 */
static int
set_field(struct edit_plan *plan, const struct header_list *header,
    const char *name, const char *value, struct smime_error *err)
{
	size_t count = header_count(header, name);
	size_t keep = value == NULL ? 0 : 1;
	size_t index;

	for (index = count; index > keep; index--)
		if (add_step(plan, EDIT_DELETE, name, (unsigned)index, NULL,
		    err) == -1)
			return -1;
	if (value == NULL)
		return 0;
	return add_step(plan, count > 0 ? EDIT_CHANGE : EDIT_ADD, name, 1,
	    value, err);
}

/* Names that set_field is called for by name. */
static bool
is_composed(const struct header_field *field)
{
	return header_is(field, "Content-Type") ||
	    header_is(field, "Content-Transfer-Encoding") ||
	    header_is(field, "Content-Disposition");
}

static bool
is_content(const struct header_field *field)
{
	return field->name_len > 8 &&
	    strncasecmp(field->name, "Content-", 8) == 0;
}

/*
 * Every other Content-* field has moved into the signed part (SIG-17). Each
 * name once, at its first field, which is where its count is taken.
 */
static int
remove_content(struct edit_plan *plan, const struct header_list *header,
    struct smime_error *err)
{
	const struct header_field *field;
	size_t i;

	for (i = 0; i < header->count; i++) {
		field = &header->fields[i];
		if (!is_content(field) || is_composed(field) ||
		    header_find(header, field->name) != field)
			continue;
		if (set_field(plan, header, field->name, NULL, err) == -1)
			return -1;
	}
	return 0;
}

/* Indexes were met in rising order: names do not mix, so backwards is right
 * for each of them. */
static int
remove_forged(struct edit_plan *plan, const struct removals *removals,
    bool outgoing, struct smime_error *err)
{
	size_t i;

	for (i = removals->count; i > 0; i--) {
		if (removals->items[i - 1].outgoing_only && !outgoing)
			continue;
		if (add_step(plan, EDIT_DELETE, removals->items[i - 1].name,
		    removals->items[i - 1].index, NULL, err) == -1)
			return -1;
	}
	return 0;
}

int
edit_plan_make(struct edit_plan *plan, const struct header_list *header,
    const struct removals *removals, bool outgoing,
    const struct composed *composed, struct smime_error *err)
{
	memset(plan, 0, sizeof(*plan));
	if (remove_forged(plan, removals, outgoing, err) == -1)
		return -1;
	if (composed == NULL)
		return 0;
	if (set_field(plan, header, "MIME-Version", "1.0", err) == -1 ||
	    set_field(plan, header, "Content-Type",
	    composed_content_type(composed), err) == -1 ||
	    set_field(plan, header, "Content-Transfer-Encoding",
	    composed_encoding(composed), err) == -1 ||
	    set_field(plan, header, "Content-Disposition",
	    composed_disposition(composed), err) == -1)
		return -1;
	return remove_content(plan, header, err);
}

int
edit_plan_insert(struct edit_plan *plan, const char *name, const char *value,
    struct smime_error *err)
{
	return add_step(plan, EDIT_INSERT, name, 0, value, err);
}

void
edit_plan_clear(struct edit_plan *plan)
{
	free(plan->steps);
	memset(plan, 0, sizeof(*plan));
}

/* --------------------------------------------------------------- apply --- */

static int
add_value(struct header_list *out, const char *name, const char *value,
    struct smime_error *err)
{
	char *spaced;
	size_t len = strlen(value);
	int rc;

	if ((spaced = malloc(len + 2)) == NULL)
		return smime_error_set(err, "writing a field");
	spaced[0] = ' ';
	memcpy(spaced + 1, value, len + 1);
	rc = header_add(out, name, strlen(name), spaced, len + 1, 0, err);
	free(spaced);
	return rc;
}

/* The step for the index-th field of its name, or NULL: it stays. */
static const struct edit_step *
step_for(const struct edit_plan *plan, const struct header_field *field,
    unsigned index)
{
	size_t i;

	for (i = 0; i < plan->count; i++)
		if (plan->steps[i].action != EDIT_ADD &&
		    plan->steps[i].action != EDIT_INSERT &&
		    plan->steps[i].index == index &&
		    header_is(field, plan->steps[i].name))
			return &plan->steps[i];
	return NULL;
}

static unsigned
index_of(const struct header_list *header, size_t which)
{
	unsigned index = 0;
	size_t i;

	for (i = 0; i <= which; i++)
		if (header_is(&header->fields[i],
		    header->fields[which].name))
			index++;
	return index;
}

int
edit_plan_apply(const struct edit_plan *plan,
    const struct header_list *header, struct header_list *out,
    struct smime_error *err)
{
	const struct edit_step *step;
	const struct header_field *field;
	size_t i;
	int rc;

	for (i = plan->count; i > 0; i--)
		if (plan->steps[i - 1].action == EDIT_INSERT &&
		    add_value(out, plan->steps[i - 1].name,
		    plan->steps[i - 1].value, err) == -1)
			return -1;
	for (i = 0; i < header->count; i++) {
		field = &header->fields[i];
		step = step_for(plan, field, index_of(header, i));
		if (step != NULL && step->action == EDIT_DELETE)
			continue;
		if (step != NULL)
			rc = add_value(out, field->name, step->value, err);
		else
			rc = header_add(out, field->name, field->name_len,
			    field->value, field->value_len, 0, err);
		if (rc == -1)
			return -1;
	}
	for (i = 0; i < plan->count; i++)
		if (plan->steps[i].action == EDIT_ADD &&
		    add_value(out, plan->steps[i].name, plan->steps[i].value,
		    err) == -1)
			return -1;
	return 0;
}
