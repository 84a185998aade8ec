/*
 * fake_milter.c - see fake_milter.h.
 */
#include <arpa/inet.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fake_milter.h"

static void
broken(SMFICTX *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
broken(SMFICTX *ctx, const char *fmt, ...)
{
	va_list ap;

	if (ctx->broken[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(ctx->broken, sizeof(ctx->broken), fmt, ap);
	va_end(ap);
}

/* The fake's own memory, which no test takes from it (test_oom.c). */
volatile bool fake_allocates;

static void *
grow(void *p, size_t size)
{
	fake_allocates = true;
	p = realloc(p, size);
	fake_allocates = false;
	if (p == NULL)
		abort();
	return p;
}

static char *
copy(const char *text, size_t len)
{
	char *out = grow(NULL, len + 1);

	memcpy(out, text, len);
	out[len] = '\0';
	return out;
}

/* -------------------------------------------------------------- header --- */

static bool
has_leadspc(const SMFICTX *ctx)
{
	return (ctx->steps & SMFIP_HDR_LEADSPC) != 0;
}

static void
insert_field(SMFICTX *ctx, size_t at, const char *name, const char *value)
{
	struct fake_field *field;
	size_t size = strlen(value) + 2;

	ctx->fields = grow(ctx->fields,
	    (ctx->field_count + 1) * sizeof(*ctx->fields));
	if (at > ctx->field_count)
		at = ctx->field_count;
	memmove(&ctx->fields[at + 1], &ctx->fields[at],
	    (ctx->field_count - at) * sizeof(*ctx->fields));
	ctx->field_count++;
	field = &ctx->fields[at];
	field->name = copy(name, strlen(name));
	field->value = grow(NULL, size);
	snprintf(field->value, size, "%s", value);
	field->deleted = false;
}

static void
free_field(struct fake_field *field)
{
	free(field->name);
	free(field->value);
}

/* A filter's value as the MTA writes it: with a space of its own where LEADSPC
 * was not negotiated. */
static char *
written(const SMFICTX *ctx, const char *value)
{
	size_t size = strlen(value) + 2;
	char *out = grow(NULL, size);

	snprintf(out, size, "%s%s", has_leadspc(ctx) ? "" : " ", value);
	return out;
}

static struct fake_field *
nth_field(SMFICTX *ctx, const char *name, int index)
{
	size_t i;

	for (i = 0; i < ctx->field_count; i++) {
		if (strcasecmp(ctx->fields[i].name, name) != 0)
			continue;
		if (ctx->fields[i].deleted && ctx->mta == FAKE_POSTFIX)
			continue;
		if (--index == 0)
			return &ctx->fields[i];
	}
	return NULL;
}

size_t
fake_count(const SMFICTX *ctx, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < ctx->field_count; i++)
		if (!ctx->fields[i].deleted &&
		    strcasecmp(ctx->fields[i].name, name) == 0)
			n++;
	return n;
}

const char *
fake_value(const SMFICTX *ctx, const char *name)
{
	size_t i;

	for (i = 0; i < ctx->field_count; i++)
		if (!ctx->fields[i].deleted &&
		    strcasecmp(ctx->fields[i].name, name) == 0)
			return ctx->fields[i].value;
	return NULL;
}

/* ------------------------------------------------------ what edits call --- */

/* Whether the call may go on; any but a body piece ends a run of those. */
static bool
edit_begins(SMFICTX *ctx, const char *what, bool is_body)
{
	if (!ctx->at_eom)
		broken(ctx, "%s outside the end of the message", what);
	if (is_body && ctx->replaced && !ctx->replacing)
		broken(ctx, "the body is replaced in two runs (MTA-02)");
	ctx->replacing = is_body;
	ctx->edits++;
	return ctx->fail_at == 0 || ctx->edits < ctx->fail_at;
}

static void
check_value(SMFICTX *ctx, const char *name, const char *value)
{
	const char *p;

	if (value == NULL)
		return;
	if (strchr(value, '\r') != NULL)
		broken(ctx, "CR in %s (MTA-07)", name);
	for (p = strchr(value, '\n'); p != NULL; p = strchr(p + 1, '\n'))
		if (p[1] != ' ' && p[1] != '\t')
			broken(ctx, "%s folded without white space", name);
	if (has_leadspc(ctx) && value[0] != ' ')
		broken(ctx, "%s without its leading space (MTA-06)", name);
	if (!has_leadspc(ctx) && value[0] == ' ')
		broken(ctx, "%s with a second leading space (MTA-06)", name);
}

int
smfi_addheader(SMFICTX *ctx, char *name, char *value)
{
	char *out;

	if (!edit_begins(ctx, "addheader", false))
		return MI_FAILURE;
	check_value(ctx, name, value);
	out = written(ctx, value);
	insert_field(ctx, ctx->field_count, name, out);
	free(out);
	return MI_SUCCESS;
}

int
smfi_insheader(SMFICTX *ctx, int index, char *name, char *value)
{
	char *out;

	if (!edit_begins(ctx, "insheader", false))
		return MI_FAILURE;
	check_value(ctx, name, value);
	out = written(ctx, value);
	insert_field(ctx, (size_t)index, name, out);
	free(out);
	return MI_SUCCESS;
}

int
smfi_chgheader(SMFICTX *ctx, char *name, int index, char *value)
{
	struct fake_field *field;

	if (!edit_begins(ctx, "chgheader", false))
		return MI_FAILURE;
	if (index < 1)
		broken(ctx, "chgheader of %s with index %d", name, index);
	check_value(ctx, name, value);
	field = nth_field(ctx, name, index);
	if (field == NULL) {
		broken(ctx, "chgheader of %s past the last (MTA-09)", name);
		return MI_SUCCESS;
	}
	if (value == NULL || value[0] == '\0') {
		field->deleted = true;
		return MI_SUCCESS;
	}
	free(field->value);
	field->value = written(ctx, value);
	return MI_SUCCESS;
}

int
smfi_replacebody(SMFICTX *ctx, unsigned char *buf, int len)
{
	if (!edit_begins(ctx, "replacebody", true))
		return MI_FAILURE;
	if (len < 0 || len > 65535)
		broken(ctx, "a piece of body of %d octets", len);
	if (!ctx->replaced)
		ctx->body_len = 0;
	ctx->replaced = true;
	ctx->pieces++;
	ctx->body = grow(ctx->body, ctx->body_len + (size_t)len + 1);
	memcpy(ctx->body + ctx->body_len, buf, (size_t)len);
	ctx->body_len += (size_t)len;
	ctx->body[ctx->body_len] = '\0';
	return MI_SUCCESS;
}

/* Both MTAs compare whole addresses. */
int
smfi_delrcpt(SMFICTX *ctx, char *rcpt)
{
	char word[600];
	size_t len = strlen(ctx->removed);

	if (!edit_begins(ctx, "delrcpt", false))
		return MI_FAILURE;
	if ((ctx->actions & SMFIF_DELRCPT) == 0)
		broken(ctx, "delrcpt was not negotiated (MTA-05)");
	snprintf(word, sizeof(word), "%s ", rcpt);
	if (strstr(ctx->given, word) == NULL)
		broken(ctx, "delrcpt of %s, who is no recipient", rcpt);
	if (strstr(ctx->removed, word) != NULL)
		broken(ctx, "delrcpt of %s twice", rcpt);
	snprintf(ctx->removed + len, sizeof(ctx->removed) - len, "%s", word);
	return MI_SUCCESS;
}

int
smfi_quarantine(SMFICTX *ctx, char *reason)
{
	if (!edit_begins(ctx, "quarantine", false))
		return MI_FAILURE;
	if ((ctx->actions & SMFIF_QUARANTINE) == 0)
		broken(ctx, "quarantine was not negotiated (MTA-05)");
	if (reason == NULL || reason[0] == '\0' ||
	    strpbrk(reason, "\r\n") != NULL)
		return MI_FAILURE;
	snprintf(ctx->quarantine, sizeof(ctx->quarantine), "%s", reason);
	return MI_SUCCESS;
}

int
smfi_progress(SMFICTX *ctx)
{
	ctx->progress++;
	return edit_begins(ctx, "progress", false) ? MI_SUCCESS : MI_FAILURE;
}

int
smfi_setreply(SMFICTX *ctx, char *rcode, char *xcode, char *text)
{
	const char *p;

	ctx->replacing = false;
	if (strpbrk(text, "\r\n") != NULL || strlen(text) > 980)
		return MI_FAILURE;
	for (p = strchr(text, '%'); p != NULL; p = strchr(p + 2, '%'))
		if (p[1] != '%') {
			broken(ctx, "a lone %% in the reply (MTA-14)");
			break;
		}
	snprintf(ctx->reply, sizeof(ctx->reply), "%s %s %s", rcode, xcode,
	    text);
	return MI_SUCCESS;
}

/* ------------------------------------------------------- what is asked --- */

char *
smfi_getsymval(SMFICTX *ctx, char *name)
{
	size_t i;

	for (i = 0; i < ctx->macro_count; i++)
		if (strcmp(ctx->macros[i].name, name) == 0)
			return ctx->macros[i].value;
	return NULL;
}

void
fake_macro(SMFICTX *ctx, const char *name, const char *value)
{
	struct fake_macro *macro = NULL;
	size_t i;

	for (i = 0; i < ctx->macro_count; i++)
		if (strcmp(ctx->macros[i].name, name) == 0)
			macro = &ctx->macros[i];
	if (macro == NULL)
		macro = &ctx->macros[ctx->macro_count++];
	snprintf(macro->name, sizeof(macro->name), "%s", name);
	snprintf(macro->value, sizeof(macro->value), "%s", value);
}

int
smfi_setpriv(SMFICTX *ctx, void *priv)
{
	ctx->priv = priv;
	return MI_SUCCESS;
}

void *
smfi_getpriv(SMFICTX *ctx)
{
	return ctx->priv;
}

int
smfi_setsymlist(SMFICTX *ctx, int where, char *macros)
{
	(void)ctx;
	return where < SMFIM_FIRST || where > SMFIM_LAST ||
	    macros[0] == '\0' ? MI_FAILURE : MI_SUCCESS;
}

/* ------------------------------------------------------------- the MTA --- */

SMFICTX *
fake_new(enum fake_mta mta, const struct smfiDesc *filter,
    unsigned long without_steps)
{
	SMFICTX *ctx = grow(NULL, sizeof(*ctx));
	unsigned long actions = 0, f2 = 0, f3 = 0;
	unsigned long offered = SMFI_CURR_PROT & ~without_steps;

	memset(ctx, 0, sizeof(*ctx));
	ctx->mta = mta;
	ctx->filter = filter;
	if (filter->xxfi_negotiate(ctx, SMFI_CURR_ACTS, offered, 0, 0,
	    &actions, &ctx->steps, &f2, &f3) != SMFIS_CONTINUE)
		broken(ctx, "negotiation failed");
	ctx->actions = actions;
	if ((ctx->steps & SMFIP_HDR_LEADSPC & without_steps) != 0)
		broken(ctx, "LEADSPC asked for but not offered");
	return ctx;
}

static void
clear_message(SMFICTX *ctx)
{
	size_t i;

	for (i = 0; i < ctx->field_count; i++)
		free_field(&ctx->fields[i]);
	free(ctx->fields);
	free(ctx->body);
	ctx->fields = NULL;
	ctx->field_count = 0;
	ctx->body = NULL;
	ctx->body_len = 0;
	ctx->replacing = ctx->replaced = false;
	ctx->edits = ctx->pieces = ctx->progress = 0;
	ctx->reply[0] = '\0';
	ctx->quarantine[0] = '\0';
	ctx->removed[0] = ctx->given[0] = '\0';
}

void
fake_free(SMFICTX *ctx)
{
	if (ctx == NULL)
		return;
	(void)ctx->filter->xxfi_close(ctx);
	if (ctx->priv != NULL)
		abort();
	clear_message(ctx);
	free(ctx);
}

/* An answer to a step without reply would confuse libmilter. */
static void
expect_none(SMFICTX *ctx, sfsistat status, unsigned long bit,
    const char *step)
{
	if ((ctx->steps & bit) != 0 && status != SMFIS_NOREPLY)
		broken(ctx, "%s answered %d after promising not to", step,
		    status);
	if ((ctx->steps & bit) == 0 && status == SMFIS_NOREPLY)
		broken(ctx, "%s gave no answer", step);
}

void
fake_connect(SMFICTX *ctx, const char *client)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (void *)&ss;
	struct sockaddr_in6 *in6 = (void *)&ss;
	struct sockaddr *sa = (void *)&ss;
	char name[] = "client.example";

	memset(&ss, 0, sizeof(ss));
	if (client == NULL)
		sa = NULL;
	else if (inet_pton(AF_INET, client, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, client, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	expect_none(ctx, ctx->filter->xxfi_connect(ctx, name, sa),
	    SMFIP_NR_CONN, "connect");
}

/* libmilter hands over strings that a filter may write to. */
static void
send_envelope(SMFICTX *ctx, const char *address,
    const char *const *arguments, bool is_mail)
{
	char *argv[8] = { NULL };
	size_t i, n = 0;

	argv[n++] = copy(address, strlen(address));
	for (i = 0; arguments != NULL && arguments[i] != NULL && n < 7; i++)
		argv[n++] = copy(arguments[i],
		    strlen(arguments[i]));
	if (is_mail)
		expect_none(ctx, ctx->filter->xxfi_envfrom(ctx, argv),
		    SMFIP_NR_MAIL, "mail");
	else
		expect_none(ctx, ctx->filter->xxfi_envrcpt(ctx, argv),
		    SMFIP_NR_RCPT, "rcpt");
	for (i = 0; i < n; i++)
		free(argv[i]);
}

/*
 * Takes the next field off the text: the end of it, or NULL at the empty line.
 * The value given to the filter has LF for CRLF, and without LEADSPC lacks one
 * space. A CR that is alone stays, as with Postfix.
 */
static const char *
send_field(SMFICTX *ctx, const char *p, const char *end)
{
	const char *colon, *q;
	char *name, *value, *out;
	bool fold;

	if (p >= end || *p == '\r')
		return NULL;
	if ((colon = memchr(p, ':', (size_t)(end - p))) == NULL)
		return NULL;
	name = copy(p, (size_t)(colon - p));
	out = value = grow(NULL, (size_t)(end - colon) + 1);
	for (q = colon + 1; q < end; q++) {
		if (*q == '\r' && q + 1 < end && q[1] == '\n')
			continue;
		fold = *q == '\n' && q + 1 < end &&
		    (q[1] == ' ' || q[1] == '\t');
		if (*q == '\n' && !fold) {
			q++;
			break;
		}
		*out++ = *q;
	}
	*out = '\0';
	insert_field(ctx, ctx->field_count, name, value);
	out = value;
	if (!has_leadspc(ctx) && *out == ' ')
		out++;
	expect_none(ctx, ctx->filter->xxfi_header(ctx, name, out),
	    SMFIP_NR_HDR, "header");
	free(name);
	free(value);
	return q;
}

static void
send_body(SMFICTX *ctx, const char *p, size_t len, size_t piece)
{
	unsigned char *copy;
	size_t n;

	if (piece == 0)
		piece = 65535;
	while (len > 0) {
		n = len < piece ? len : piece;
		copy = grow(NULL, n);
		memcpy(copy, p, n);
		expect_none(ctx, ctx->filter->xxfi_body(ctx, copy, n),
		    SMFIP_NR_BODY, "body");
		free(copy);
		p += n;
		len -= n;
	}
}

static bool
stops(SMFICTX *ctx, const struct fake_message *message, const char *step)
{
	if (message->stop_after == NULL ||
	    strcmp(message->stop_after, step) != 0)
		return false;
	(void)ctx->filter->xxfi_abort(ctx);
	return true;
}

sfsistat
fake_message(SMFICTX *ctx, const struct fake_message *message)
{
	const char *p = message->text, *end, *next;
	sfsistat status;
	size_t i;

	clear_message(ctx);
	end = p + (message->text_len > 0 ? message->text_len : strlen(p));
	send_envelope(ctx, message->sender, message->arguments, true);
	if (stops(ctx, message, "mail"))
		return SMFIS_NOREPLY;
	for (i = 0; message->recipients != NULL &&
	    message->recipients[i] != NULL; i++) {
		size_t len = strlen(ctx->given);

		snprintf(ctx->given + len, sizeof(ctx->given) - len, "%s ",
		    message->recipients[i]);
		send_envelope(ctx, message->recipients[i], NULL, false);
	}
	if (stops(ctx, message, "rcpt"))
		return SMFIS_NOREPLY;
	while ((next = send_field(ctx, p, end)) != NULL)
		p = next;
	if (stops(ctx, message, "header"))
		return SMFIS_NOREPLY;
	if (end - p >= 2 && p[0] == '\r')
		p += 2;
	ctx->body_len = (size_t)(end - p);
	ctx->body = grow(NULL, ctx->body_len + 1);
	memcpy(ctx->body, p, ctx->body_len);
	ctx->body[ctx->body_len] = '\0';
	expect_none(ctx, ctx->filter->xxfi_eoh(ctx), SMFIP_NR_EOH, "eoh");
	if (stops(ctx, message, "eoh"))
		return SMFIS_NOREPLY;
	send_body(ctx, p, (size_t)(end - p), message->piece);
	if (stops(ctx, message, "body"))
		return SMFIS_NOREPLY;
	ctx->at_eom = true;
	status = ctx->filter->xxfi_eom(ctx);
	ctx->at_eom = false;
	return status;
}

/* -------------------------------------------------------------- output --- */

static void
put(char *out, size_t *len, const char *text, size_t n)
{
	if (out != NULL)
		memcpy(out + *len, text, n);
	*len += n;
}

static void
put_value(char *out, size_t *len, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			put(out, len, "\r", 1);
		put(out, len, value, 1);
	}
}

static size_t
write_message(const SMFICTX *ctx, char *out)
{
	const struct fake_field *field;
	size_t i, len = 0;

	for (i = 0; i < ctx->field_count; i++) {
		field = &ctx->fields[i];
		if (field->deleted)
			continue;
		put(out, &len, field->name, strlen(field->name));
		put(out, &len, ":", 1);
		put_value(out, &len, field->value);
		put(out, &len, "\r\n", 2);
	}
	put(out, &len, "\r\n", 2);
	put(out, &len, ctx->body, ctx->body_len);
	return len;
}

char *
fake_output(const SMFICTX *ctx, size_t *len)
{
	char *out = grow(NULL, write_message(ctx, NULL) + 1);

	*len = write_message(ctx, out);
	out[*len] = '\0';
	return out;
}
