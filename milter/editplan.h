/*
 * editplan.h - which edits turn the header of a message into another.
 */
#ifndef SAMPUL_EDITPLAN_H
#define SAMPUL_EDITPLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "../smime/smime.h"
#include "conf.h"

/* ------------------------------------------------------------ authres.c --- */

/*
 * Whether an Authentication-Results value claims our authserv-id with an smime
 * result, or claims it and cannot be parsed (HDR-09, HDR-12). Quoting,
 * comments, folding and case are seen through.
 */
bool	 authres_is_forged(const char *value, size_t len,
	    const char *authserv_id);
/* Whether it claims our authserv-id at all, or cannot be parsed and names it. */
bool	 authres_is_ours(const char *value, size_t len,
	    const char *authserv_id);

#define VERIFIED_SENDER_HEADER	"X-Verified-Sender"
#define REPORT_HEADER		"X-Sampul-Report"	/* observe mode */

/* ---------------------------------------------------------- editplan.c --- */

/*
 * Fields that have to go whatever else is done: forged results, the header by
 * which a sender skips. Gathered while the header arrives, so that it does not
 * depend on how much of the header is kept.
 */
struct removal {
	const char		*name;	/* static, or borrowed from conf */
	unsigned		 index;	/* from 1, of this name */
	bool			 outgoing_only;
};

struct removals {
	struct removal		*items;
	size_t			 count;
	size_t			 allocated;
	size_t			 forged;	/* without outgoing_only */
	unsigned		 seen[4];	/* fields met of each name */
};
#define REMOVALS_MAX	16384

/* Looks at the next field of the message; -1 over the ceiling, without memory,
 * or when the field hides a forged one behind a bare CR. */
int	 removals_field(struct removals *removals, const struct conf *conf,
	    const struct header_field *field, struct smime_error *err);
/* For a message that is otherwise left as it is: only the fields of one name
 * go (MARK_FIELD). */
void	 removals_only(struct removals *removals, const char *name);
void	 removals_clear(struct removals *removals);

enum edit_action {
	EDIT_CHANGE,		/* the field with this index */
	EDIT_DELETE,
	EDIT_ADD,		/* below all others */
	EDIT_INSERT		/* above all others */
};

struct edit_step {
	enum edit_action	 action;
	const char		*name;	/* borrowed */
	unsigned		 index;	/* from 1, of this name */
	const char		*value;	/* without leading space; borrowed */
};

struct edit_plan {
	struct edit_step	*steps;
	size_t			 count;
	size_t			 allocated;
};

/*
 * More steps, for a message of which canon said that it is confidential: what
 * its outer header must not show (RFC 9788 3). Borrows from its arguments.
 */
int	 edit_plan_hide(struct edit_plan *plan,
	    const struct header_list *header, bool hide_subject,
	    struct smime_error *err);
/* One more step: the first field of that name gets another value. */
int	 edit_plan_change(struct edit_plan *plan, const char *name,
	    const char *value, struct smime_error *err);
/* More steps: no field of that name is left. Borrows name. */
int	 edit_plan_remove(struct edit_plan *plan,
	    const struct header_list *header, const char *name,
	    struct smime_error *err);
/* One more step: a field above all others, also above the one inserted
 * before. Borrows name and value. */
int	 edit_plan_insert(struct edit_plan *plan, const char *name,
	    const char *value, struct smime_error *err);
/*
 * The steps that turn the header of a message into that of the signed one
 * (composed) or, composed NULL, merely take out the removals. In the order in
 * which they are carried out: of one name the highest index first. Borrows
 * from all its arguments.
 */
int	 edit_plan_make(struct edit_plan *plan,
	    const struct header_list *header, const struct removals *removals,
	    bool outgoing, const struct composed *composed,
	    struct smime_error *err);
/* The header that results; for sampulctl sign, and to test against. */
int	 edit_plan_apply(const struct edit_plan *plan,
	    const struct header_list *header, struct header_list *out,
	    struct smime_error *err);
void	 edit_plan_clear(struct edit_plan *plan);

#endif
