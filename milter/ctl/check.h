/*
 * check.h - what the files of "sampulctl check" share.
 */
#ifndef SAMPUL_CHECK_H
#define SAMPUL_CHECK_H

#include "ctl.h"

enum check_level { LEVEL_OK, LEVEL_WARNING, LEVEL_ERROR };

struct check_report {
	const struct ctl	*ctl;
	struct json		 json;
	unsigned		 errors;	/* of the machine */
	unsigned		 bad_keys;
	unsigned		 warnings;
	unsigned		 shown;		/* of progress */
};

/* One line: what was looked at and what is to say about it. */
void	 check_say(struct check_report *report, enum check_level level,
	    const char *what, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));

/* checkfiles.c: users, directories, socket, audit file, passphrase. */
void	 check_users(struct check_report *report);
void	 check_files(struct check_report *report);
void	 check_passphrase(struct check_report *report);

/* Whether the user may; says why not. */
bool	 check_access(struct check_report *report, const char *setting,
	    const char *user, const char *path, int how);

/* checksubmit.c: the server that messages are sent to, when there is one. */
void	 check_submit(struct check_report *report);

/* checktrust.c: authorities, revocation lists, pins. */
void	 check_trust(struct check_report *report);

#endif
