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
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../smime/smime.h"
#include "conf.h"
#include "editplan.h"
#include "submit.h"

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

/* Up to the next CR that ends a line, which white space behind it prevents. */
static const char *
line_end(const char *p, const char *end)
{
	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		p++;
		if (p == end || (*p != ' ' && *p != '\t'))
			return p - 1;
	}
	return end;
}

/*
 * What stands behind a bare CR, read as a field: whether it would have to go.
 * It ends where such a reader ends it, so that no octet is read for more than
 * one of them, however many there are.
 */
static bool
is_hidden(const struct conf *conf, const char *p, const char *end)
{
	struct header_field field = { .name = (char *)(uintptr_t)p };

	end = line_end(p, end);
	while (p < end && *p > 0x20 && *p != 0x7f && *p != ':')
		p++;
	field.name_len = (size_t)(p - field.name);
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || *p != ':')
		return false;
	field.value = (char *)(uintptr_t)(p + 1);
	field.value_len = (size_t)(end - p - 1);
	return header_is(&field, VERIFIED_SENDER_HEADER) ||
	    (header_is(&field, RESULTS_HEADER) && is_forged(conf, &field));
}

/*
 * A bare CR ends the line for some mail programs, Thunderbird among them, and
 * the MTA can delete no part of a field (RFC 5321 2.3.8 has no such CR).
 */
static bool
hides_forged(const struct conf *conf, const struct header_field *field)
{
	const char *p = field->value, *end = p + field->value_len;

	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL)
		if (is_hidden(conf, ++p, end))
			return true;
	return false;
}

int
removals_field(struct removals *removals, const struct conf *conf,
    const struct header_field *field, struct smime_error *err)
{
	if (hides_forged(conf, field)) {
		removals->forged++;
		return smime_error_setx(err,
		    "a bare CR hides a forged result in a header field");
	}
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
	if (header_is(field, MARK_FIELD))
		return remember(removals, MARK_FIELD, ++removals->seen[3],
		    false, err);
	if (conf->skip_header[0] != '\0' &&
	    header_is(field, conf->skip_header))
		return remember(removals, conf->skip_header,
		    ++removals->seen[2], true, err);
	return 0;
}

void
removals_only(struct removals *removals, const char *name)
{
	size_t i, kept = 0;

	for (i = 0; i < removals->count; i++)
		if (strcmp(removals->items[i].name, name) == 0)
			removals->items[kept++] = removals->items[i];
	removals->count = removals->forged = kept;
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
	return field->name_len >= 8 &&
	    strncasecmp(field->name, "Content-", 8) == 0;
}

/* ------------------------------------------------------------- places --- */

/* Where a field stands among those of its name. */
struct place {
	const char	*name;
	size_t		 at;		/* in the header */
	unsigned	 index;		/* from 1 */
	unsigned	 count;		/* of fields of that name */
};

static int
by_name(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Numbers the fields from first to end, all of one name. */
static void
number(struct place *first, const struct place *end)
{
	unsigned count = (unsigned)(end - first);
	struct place *p;

	for (p = first; p < end; p++) {
		p->index = (unsigned)(p - first) + 1;
		p->count = count;
	}
}

/*
 * One place for each field, in the header's order; the caller frees them. By
 * sorting, for a header of fifty thousand names is somebody's idea of a joke.
 */
static struct place *
places_new(const struct header_list *header, struct smime_error *err)
{
	struct place *places;
	size_t i, first = 0, n = header->count;

	if ((places = calloc(n + 1, sizeof(*places))) == NULL) {
		(void)smime_error_set(err, "numbering fields");
		return NULL;
	}
	for (i = 0; i < n; i++) {
		places[i].name = header->fields[i].name;
		places[i].at = i;
	}
	qsort(places, n, sizeof(*places), by_name);
	for (i = 1; i <= n; i++)
		if (i == n ||
		    strcasecmp(places[i].name, places[first].name) != 0) {
			number(places + first, places + i);
			first = i;
		}
	qsort(places, n, sizeof(*places), by_place);
	return places;
}

/*
 * Removes every field that goes() says, from the highest index down: each name
 * once, when its first field is met.
 */
static int
remove_fields(struct edit_plan *plan, const struct header_list *header,
    bool (*goes)(const struct header_field *field, bool flag), bool flag,
    struct smime_error *err)
{
	const struct header_field *field;
	struct place *places;
	unsigned index;
	size_t i;
	int rc = -1;

	if ((places = places_new(header, err)) == NULL)
		return -1;
	for (i = 0; i < header->count; i++) {
		field = &header->fields[i];
		if (!goes(field, flag) || places[i].index != 1)
			continue;
		for (index = places[i].count; index > 0; index--)
			if (add_step(plan, EDIT_DELETE, field->name, index,
			    NULL, err) == -1)
				goto out;
	}
	rc = 0;
out:
	free(places);
	return rc;
}

/* Every other Content-* field has moved into the signed part (SIG-17). */
static bool
has_moved(const struct header_field *field, bool unused)
{
	(void)unused;
	return is_content(field) && !is_composed(field);
}

static bool
is_taken_away(const struct header_field *field, bool hide_subject)
{
	return outer_field(field, hide_subject) == OUTER_REMOVED;
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
	return remove_fields(plan, header, has_moved, false, err);
}

int
edit_plan_hide(struct edit_plan *plan, const struct header_list *header,
    bool hide_subject, struct smime_error *err)
{
	if (hide_subject && header_count(header, "Subject") > 0 &&
	    set_field(plan, header, "Subject", HIDDEN_SUBJECT, err) == -1)
		return -1;
	return remove_fields(plan, header, is_taken_away, hide_subject, err);
}

int
edit_plan_remove(struct edit_plan *plan, const struct header_list *header,
    const char *name, struct smime_error *err)
{
	return set_field(plan, header, name, NULL, err);
}

int
edit_plan_change(struct edit_plan *plan, const char *name, const char *value,
    struct smime_error *err)
{
	return add_step(plan, EDIT_CHANGE, name, 1, value, err);
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
	wipe_text(spaced);
	return rc;
}

static int
by_field(const void *a, const void *b)
{
	const struct edit_step *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	return order != 0 ? order : (x->index > y->index) -
	    (x->index < y->index);
}

/* The steps that speak of a field of the header, so that it finds its own. */
static struct edit_step *
steps_sorted(const struct edit_plan *plan, size_t *count,
    struct smime_error *err)
{
	struct edit_step *steps;
	size_t i;

	*count = 0;
	if ((steps = calloc(plan->count + 1, sizeof(*steps))) == NULL) {
		(void)smime_error_set(err, "sorting edits");
		return NULL;
	}
	for (i = 0; i < plan->count; i++)
		if (plan->steps[i].action == EDIT_CHANGE ||
		    plan->steps[i].action == EDIT_DELETE)
			steps[(*count)++] = plan->steps[i];
	qsort(steps, *count, sizeof(*steps), by_field);
	return steps;
}

static int
apply_field(const struct header_field *field, const struct edit_step *step,
    struct header_list *out, struct smime_error *err)
{
	if (step == NULL)
		return header_add(out, field->name, field->name_len,
		    field->value, field->value_len, 0, err);
	if (step->action == EDIT_DELETE)
		return 0;
	return add_value(out, field->name, step->value, err);
}

/* What is done to the fields that are there. */
static int
apply_fields(const struct edit_plan *plan, const struct header_list *header,
    struct header_list *out, struct smime_error *err)
{
	struct edit_step *steps = NULL, wanted = { .action = EDIT_CHANGE };
	struct place *places = NULL;
	size_t i, count;
	int rc = -1;

	if ((places = places_new(header, err)) == NULL ||
	    (steps = steps_sorted(plan, &count, err)) == NULL)
		goto out;
	for (i = 0; i < header->count; i++) {
		wanted.name = places[i].name;
		wanted.index = places[i].index;
		if (apply_field(&header->fields[i], bsearch(&wanted, steps,
		    count, sizeof(*steps), by_field), out, err) == -1)
			goto out;
	}
	rc = 0;
out:
	free(places);
	free(steps);
	return rc;
}

int
edit_plan_apply(const struct edit_plan *plan,
    const struct header_list *header, struct header_list *out,
    struct smime_error *err)
{
	const struct edit_step *step;
	size_t i;

	for (i = plan->count; i > 0; i--) {
		step = &plan->steps[i - 1];
		if (step->action == EDIT_INSERT && add_value(out, step->name,
		    step->value, err) == -1)
			return -1;
	}
	if (apply_fields(plan, header, out, err) == -1)
		return -1;
	for (i = 0; i < plan->count; i++) {
		step = &plan->steps[i];
		if (step->action == EDIT_ADD && add_value(out, step->name,
		    step->value, err) == -1)
			return -1;
	}
	return 0;
}
