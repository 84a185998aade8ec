/*
 * edit.c - what is said to the MTA about a message, and nothing else.
 *
 * Traps that are kept here: libmilter's prototypes take char * for what they
 * do not change; Postfix ends the replacement of a body at any other request
 * and refuses a second one (MTA-02); libmilter cuts a piece of body above
 * 65535 octets in two; a reply is a printf format to some readers, so '%' is
 * doubled, and CR or LF in it is refused (MTA-14).
 */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "editplan.h"
#include "policy.h"
#include "session.h"

#define REPLY_MAX	400

int
edit_progress(SMFICTX *ctx, struct smime_error *err)
{
	if (smfi_progress(ctx) != MI_SUCCESS)
		return smime_error_setx(err, "the MTA took no progress");
	return 0;
}

/* -------------------------------------------------------------- header --- */

static int
change(SMFICTX *ctx, const struct edit_step *step, char *value,
    struct smime_error *err)
{
	char *name = (char *)(uintptr_t)step->name;
	int rc;

	switch (step->action) {
	case EDIT_ADD:
		rc = smfi_addheader(ctx, name, value);
		break;
	case EDIT_INSERT:	/* 0: above the MTA's own Received (MTA-08) */
		rc = smfi_insheader(ctx, 0, name, value);
		break;
	case EDIT_CHANGE:
		rc = smfi_chgheader(ctx, name, (int)step->index, value);
		break;
	case EDIT_DELETE:
	default:
		rc = smfi_chgheader(ctx, name, (int)step->index, NULL);
		break;
	}
	if (rc != MI_SUCCESS)
		return smime_error_setx(err,
		    "the MTA did not take the change of %.60s", step->name);
	return 0;
}

static int
run_step(SMFICTX *ctx, const struct edit_step *step, bool leadspc,
    struct smime_error *err)
{
	char *value;
	size_t size;
	int rc;

	if (step->index > INT_MAX)
		return smime_error_setx(err, "a field's index is too large");
	if (step->action == EDIT_DELETE)
		return change(ctx, step, NULL, err);
	size = strlen(step->value) + 2;
	if ((value = malloc(size)) == NULL)
		return smime_error_set(err, "changing a field");
	snprintf(value, size, "%s%s", leadspc ? " " : "", step->value);
	rc = change(ctx, step, value, err);
	wipe_free(value, size);
	return rc;
}

int
edit_header(SMFICTX *ctx, const struct edit_plan *plan, bool leadspc,
    struct smime_error *err)
{
	size_t i;

	for (i = 0; i < plan->count; i++)
		if (run_step(ctx, &plan->steps[i], leadspc, err) == -1)
			return -1;
	return 0;
}

/* ---------------------------------------------------------------- body --- */

struct body {
	SMFICTX			*ctx;
	struct smime_error	*err;
	size_t			 len;
	size_t			 touched;	/* of buf, so far */
	bool			 sent;
	unsigned char		 buf[MILTER_CHUNK_SIZE];
};

static int
body_send(struct body *body, const unsigned char *buf, size_t len)
{
	if (smfi_replacebody(body->ctx, (unsigned char *)(uintptr_t)buf,
	    (int)len) != MI_SUCCESS)
		return smime_error_setx(body->err,
		    "the MTA did not take the new body");
	body->sent = true;
	return 0;
}

static int
body_flush(struct body *body)
{
	size_t len = body->len;

	body->len = 0;
	return len == 0 ? 0 : body_send(body, body->buf, len);
}

/* What comes in large pieces goes on as it is. */
static int
body_large(struct body *body, const unsigned char *buf, size_t len)
{
	size_t n;

	if (body_flush(body) == -1)
		return -1;
	for (; len > 0; buf += n, len -= n) {
		n = len < sizeof(body->buf) ? len : sizeof(body->buf);
		if (body_send(body, buf, n) == -1)
			return -1;
	}
	return 0;
}

static int
body_write(void *arg, const unsigned char *buf, size_t len)
{
	struct body *body = arg;
	size_t n;

	if (len >= sizeof(body->buf) / 2)
		return body_large(body, buf, len);
	while (len > 0) {
		n = sizeof(body->buf) - body->len;
		if (n > len)
			n = len;
		memcpy(body->buf + body->len, buf, n);
		body->len += n;
		if (body->len > body->touched)
			body->touched = body->len;
		buf += n;
		len -= n;
		if (body->len == sizeof(body->buf) && body_flush(body) == -1)
			return -1;
	}
	return 0;
}

int
edit_body(SMFICTX *ctx, struct composed *composed, struct smime_error *err)
{
	struct body *body;
	int rc = -1;

	if ((body = malloc(sizeof(*body))) == NULL)
		return smime_error_set(err, "replacing the body");
	body->ctx = ctx;
	body->err = err;
	body->len = body->touched = 0;
	body->sent = false;
	if (composed_write(composed, body_write, body, err) == -1)
		goto out;
	if (body_flush(body) == -1 ||
	    (!body->sent && body_send(body, body->buf, 0) == -1))
		goto out;
	rc = 0;
out:
	if (rc == -1)
		(void)smime_error_setx(err, "the new body was not written");
	wipe_free(body, offsetof(struct body, buf) + body->touched);
	return rc;
}

/* ------------------------------------------------- recipients, quarantine --- */

int
edit_remove_recipient(SMFICTX *ctx, const char *address,
    struct smime_error *err)
{
	if (smfi_delrcpt(ctx, (char *)(uintptr_t)address) != MI_SUCCESS)
		return smime_error_setx(err,
		    "the MTA did not take a recipient off");
	return 0;
}

int
edit_quarantine(SMFICTX *ctx, const char *reason, struct smime_error *err)
{
	if (smfi_quarantine(ctx, (char *)(uintptr_t)reason) != MI_SUCCESS)
		return smime_error_setx(err,
		    "the MTA did not put the message on hold");
	return 0;
}

/* --------------------------------------------------------------- reply --- */

static void
reply_text(const char *text, char out[2 * REPLY_MAX + 1])
{
	size_t i, len = 0;
	char c;

	for (i = 0; i < REPLY_MAX && text[i] != '\0'; i++) {
		c = text[i];
		if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f)
			c = ' ';
		out[len++] = c;
		if (c == '%')
			out[len++] = '%';
	}
	out[len] = '\0';
}

int
edit_reply(SMFICTX *ctx, enum plan_action action, const char *text,
    struct smime_error *err)
{
	char rcode[4], xcode[6], message[2 * REPLY_MAX + 1];
	bool refuse = action == PLAN_REFUSE;

	snprintf(rcode, sizeof(rcode), "%s", refuse ? "550" : "451");
	snprintf(xcode, sizeof(xcode), "%s", refuse ? "5.7.1" : "4.7.1");
	reply_text(text, message);
	if (smfi_setreply(ctx, rcode, xcode, message) != MI_SUCCESS)
		return smime_error_setx(err, "the MTA did not take the reply");
	return 0;
}
