/*
 * audit.h - the trail of what is done with keys.
 */
#ifndef SAMPUL_AUDIT_H
#define SAMPUL_AUDIT_H

#include "../../smime/smime.h"
#include "../conf.h"

/* ------------------------------------------------------------- audit.c --- */

/* One line for each use of a key, appended with one write(2). */
int	 audit_open(const struct conf *conf, struct smime_error *err);
/*
 * Fails when the line could not be written whole: the signature must then not
 * be given out. Reopens a file that was renamed away (logrotate).
 */
int	 audit_signed(const char *queue_id, const char *address,
	    const char *serial, enum smime_digest digest,
	    const unsigned char *value, struct smime_error *err);

/*
 * What else is done with keys. Texts that are NULL or "" are left out; event
 * is one word, reason may hold spaces and comes last.
 */
struct audit_event {
	const char	*event;		/* "suspend", "destroy", ... */
	const char	*address;	/* NULL: of all */
	const char	*serial;
	const char	*by;		/* who asked for it */
	const char	*result;	/* "done", "failed", ...; a word */
	const char	*reason;
};
int	 audit_record(const struct audit_event *event,
	    struct smime_error *err);

#endif
