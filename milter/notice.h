/*
 * notice.h - what the sender of a message is told when some of its recipients
 * do not get it: a delivery status notification (RFC 3464).
 */
#ifndef SAMPUL_NOTICE_H
#define SAMPUL_NOTICE_H

#include <stdio.h>

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

/* A recipient who does not get the message, and why. */
struct notice_recipient {
	const char		*address;	/* canonical */
	enum plan_why		 why;		/* NO_RECIPIENT or
						 * HIDDEN_RECIPIENT */
	enum cert_problem	 problem;	/* of the certificate, with
						 * WHY_NO_RECIPIENT; CERT_OK:
						 * there is none */
};

/* Everything is borrowed; texts may be anything, NULL is "". */
struct notice {
	enum language		 language;
	const char		*help;		/* whom to ask; "" none */
	const char		*hostname;	/* Reporting-MTA */
	const char		*from;		/* who sends notices; an address
						 * that cannot be written here:
						 * mailer-daemon of hostname */
	const char		*sender;	/* of the message, envelope,
						 * canonical: who is told. Not
						 * the null one */
	const char		*queue_id;	/* of the message */
	const char		*field;		/* MARK_FIELD, or NULL */
	const char		*token;		/* its value */
	time_t			 arrived;
	time_t			 now;
	const struct notice_recipient *recipients;
	size_t			 count;
	const struct header_list *header;	/* of the message as it came */
	bool			 confidential;	/* its Subject and whatever may
						 * tell what it is about are
						 * not repeated */
};

/*
 * Hands the whole notification to sink, lines ending in CRLF: 7-bit, no line
 * over 998 octets, whatever it was made from. The envelope sender that goes
 * with it is the null one. -1 when sink says so, or without memory.
 */
int	 notice_write(const struct notice *notice, smime_sink sink, void *arg,
	    struct smime_error *err);

/* --------------------------------------------------- noticeaddress.c --- */

enum notice_charset { CHARSET_ASCII, CHARSET_UTF8, CHARSET_UNKNOWN };

enum notice_charset notice_charset(const char *text, size_t len);
/* Whether it may stand in angle brackets as it is; others would be read
 * otherwise, or not. */
bool	 notice_is_plain_address(const char *address);
/* For people: UTF-8, or ASCII where it is none; characters that control how
 * text is shown as '?'. */
void	 notice_put_shown(FILE *out, const char *text);
/* For a header field. An address that cannot be written there becomes the name
 * of an empty group, as where mail is downgraded (RFC 6857). */
void	 notice_put_mailbox(FILE *out, const char *address);
/* For Final-Recipient, with its type (RFC 3464 2.3.2, RFC 6533 3). */
void	 notice_put_typed(FILE *out, const char *address);

/* ------------------------------------------------------ noticetext.c --- */

enum notice_sentence {
	NOTICE_SUBJECT, NOTICE_NAME, NOTICE_OPENING, NOTICE_REMEDY,
	NOTICE_RECEIVED, NOTICE_NUMBER, NOTICE_HELP, NOTICE_SENTENCES
};

/* All static, ASCII; whole lines end in CRLF. */
const char *notice_say(enum language language, enum notice_sentence which);
/* Why not, for people. */
const char *notice_reason(enum language language,
	    const struct notice_recipient *recipient);
/* The same for Diagnostic-Code. */
const char *notice_diagnosis(const struct notice_recipient *recipient);

#endif
