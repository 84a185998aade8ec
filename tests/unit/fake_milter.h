/*
 * fake_milter.h - an MTA and a libmilter in one, for tests.
 *
 * It defines every smfi_ function, records the calls that change a message and
 * carries them out on a message of its own in the way of Postfix or of
 * Sendmail, which count header fields differently (MTA-08). It also plays the
 * MTA: fake_message runs a message through a filter's callbacks in order and
 * minds the rules a filter promised to keep.
 */
#ifndef FAKE_MILTER_H
#define FAKE_MILTER_H

#include <stdbool.h>
#include <stddef.h>

#include <libmilter/mfapi.h>

enum fake_mta { FAKE_POSTFIX, FAKE_SENDMAIL };

struct fake_field {
	char	*name;
	char	*value;		/* as it would be written after the colon */
	bool	 deleted;	/* Sendmail goes on counting it */
};

struct fake_macro {
	char	 name[32];
	char	 value[600];
};

struct smfi_str {
	enum fake_mta		 mta;
	const struct smfiDesc	*filter;
	void			*priv;
	struct fake_macro	 macros[16];
	size_t			 macro_count;
	unsigned long		 steps;		/* as negotiated */
	bool			 at_eom;

	struct fake_field	*fields;
	size_t			 field_count;
	char			*body;
	size_t			 body_len;

	char			 removed[1024];	/* recipients, " " behind each */
	char			 given[8192];	/* likewise, as in RCPT */

	bool			 replacing;	/* in a run of body pieces */
	bool			 replaced;
	unsigned		 edits;		/* calls that change */
	unsigned		 pieces;
	unsigned		 progress;
	unsigned		 fail_at;	/* that edit fails; 0 none */
	char			 reply[1024];	/* "550 5.7.1 text" */
	char			 quarantine[256];	/* the reason; "" none */
	unsigned long		 actions;	/* as negotiated */
	char			 broken[256];	/* a rule that was not kept */
};

struct fake_message {
	const char		*sender;	/* as in MAIL, "<a@b>" */
	const char *const	*arguments;	/* of MAIL, NULL-ended */
	const char *const	*recipients;	/* NULL-ended */
	const char		*text;		/* header and body, CRLF */
	size_t			 text_len;	/* 0: strlen */
	size_t			 piece;		/* of body; 0: 65535 */
	const char		*stop_after;	/* "mail", "rcpt", "header",
						 * "eoh", "body": then abort */
};

/* Set while the fake asks for memory of its own. */
extern volatile bool fake_allocates;

/* A connection, negotiated; everything an up-to-date MTA offers but without. */
SMFICTX	*fake_new(enum fake_mta mta, const struct smfiDesc *filter,
	    unsigned long without_steps);
void	 fake_free(SMFICTX *ctx);	/* calls close first */
/* client NULL: no address. */
void	 fake_connect(SMFICTX *ctx, const char *client);
void	 fake_macro(SMFICTX *ctx, const char *name, const char *value);
/* SMFIS_REJECT, SMFIS_TEMPFAIL; SMFIS_CONTINUE: taken as it is now;
 * SMFIS_NOREPLY: aborted. */
sfsistat fake_message(SMFICTX *ctx, const struct fake_message *message);
/* The message now: header, empty line, body; freed by the caller. */
char	*fake_output(const SMFICTX *ctx, size_t *len);
/* How many fields of that name are there, and the first one's value. */
size_t	 fake_count(const SMFICTX *ctx, const char *name);
const char *fake_value(const SMFICTX *ctx, const char *name);

#endif
