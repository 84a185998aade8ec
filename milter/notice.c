/*
 * notice.c - the delivery status notification for recipients who do not get a
 * message that the others get.
 *
 * A multipart/report (RFC 6522) of three parts: what people read, what
 * programs read (RFC 3464), and the header of the message, but never its body.
 * The header goes to the sender in clear, perhaps to another host: it has no
 * Bcc, and of a confidential message only fields that say nothing about what
 * is in it (ENC-20).
 *
 * Addresses and header come from outside: noticeaddress.c writes the former,
 * and a header that is not plain text in short lines goes into
 * quoted-printable, where it can end no part.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "channel.h"
#include "conf.h"
#include "notice.h"

#define HEADER_MAX	65536	/* octets of the message's header */
#define LONG_LINE	900	/* RFC 5322 2.1.1 allows 998 */
#define HOST_MAX	255
#define STATUS		"5.7.1"	/* as in our replies; RFC 3463 3.8 has no
				 * code for "there is no key" */

/* ---------------------------------------------------------------- text --- */

/* As much of the text as has only these octets, others left out. */
static void
keep_only(const char *text, const char *allowed, char *out, size_t size)
{
	size_t n = 0;

	for (; text != NULL && *text != '\0' && n + 1 < size; text++)
		if ((*text >= '0' && *text <= '9') ||
		    (*text >= 'A' && *text <= 'Z') ||
		    (*text >= 'a' && *text <= 'z') ||
		    strchr(allowed, *text) != NULL)
			out[n++] = *text;
	out[n] = '\0';
}

/* RFC 5322 3.3, whatever the locale. */
static void
put_date(FILE *out, time_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	fprintf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* -------------------------------------------------------------- header --- */

/*
 * RFC 3834 3.1.5: what it answers to. Only a plain msg-id (RFC 5322 3.6.4).
 */
static void
put_references(FILE *out, const struct header_list *header)
{
	const struct header_field *field = header_find(header, "Message-ID");
	const char *p, *end;
	size_t i, len;

	if (field == NULL || strlen(field->value) != field->value_len ||
	    (p = strchr(field->value, '<')) == NULL ||
	    (end = strchr(p, '>')) == NULL)
		return;
	len = (size_t)(end - p) + 1;
	if (len > LONG_LINE || memchr(p, '@', len) == NULL)
		return;
	for (i = 0; i < len; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f || (i > 0 && p[i] == '<'))
			return;
	fprintf(out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", (int)len, p,
	    (int)len, p);
}

/* What is made of the texts that stand in structured places. */
struct names {
	char	host[HOST_MAX + 1];
	char	queue_id[CHANNEL_QUEUE_ID_MAX + 1];
	char	boundary[CHANNEL_QUEUE_ID_MAX + 40];
};

static void
make_names(const struct notice *notice, struct names *names)
{
	keep_only(notice->hostname, ".-:[]", names->host, sizeof(names->host));
	if (names->host[0] == '\0')
		snprintf(names->host, sizeof(names->host), "localhost");
	keep_only(notice->queue_id, "", names->queue_id,
	    sizeof(names->queue_id));
	/* At most 70 octets (RFC 2046 5.1.1). "=_" is in no quoted-printable
	 * text, and no line of the other parts begins with "--". */
	snprintf(names->boundary, sizeof(names->boundary), "=_%llx.%.40s",
	    (unsigned long long)notice->now, names->queue_id);
}

static void
put_header(FILE *out, const struct notice *notice, const struct names *names)
{
	const char *queue_id = names->queue_id;
	bool own = notice->from != NULL &&
	    notice_is_plain_address(notice->from);
	char token[80];

	fputs("Date: ", out);
	put_date(out, notice->now);
	fprintf(out, "\r\nFrom: %s <%s%s>\r\n",
	    notice_say(notice->language, NOTICE_NAME),
	    own ? notice->from : "mailer-daemon@", own ? "" : names->host);
	fputs("To: ", out);
	notice_put_mailbox(out, notice->sender);
	fprintf(out, "\r\nSubject: %s\r\nMessage-ID: <%llx.%s.sampul@%s>\r\n",
	    notice_say(notice->language, NOTICE_SUBJECT),
	    (unsigned long long)notice->now, queue_id[0] == '\0' ? "0" :
	    queue_id, names->host);
	put_references(out, notice->header);
	/* RFC 3834 5: no program answers this. */
	fputs("Auto-Submitted: auto-replied\r\n", out);
	if (notice->field != NULL) {
		keep_only(notice->token, "", token, sizeof(token));
		fprintf(out, "%s: %s\r\n", notice->field, token);
	}
	fprintf(out, "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n\r\n", names->boundary);
}

/* --------------------------------------------------------------- parts --- */

static int
to_stream(void *arg, const unsigned char *buf, size_t len)
{
	return fwrite(buf, 1, len, arg) == len ? 0 : -1;
}

static void
put_text(FILE *out, const struct notice *notice, const struct names *names)
{
	enum language language = notice->language;
	size_t i;

	fprintf(out, "%s\r\n", notice_say(language, NOTICE_OPENING));
	for (i = 0; i < notice->count; i++) {
		fputs("  ", out);
		notice_put_shown(out, notice->recipients[i].address);
		fprintf(out, "\r\n      %s\r\n",
		    notice_reason(language, &notice->recipients[i]));
	}
	fprintf(out, "\r\n%s\r\n%s", notice_say(language, NOTICE_REMEDY),
	    notice_say(language, NOTICE_RECEIVED));
	put_date(out, notice->arrived);
	fputs("\r\n", out);
	if (names->queue_id[0] != '\0')
		fprintf(out, "%s%s\r\n", notice_say(language, NOTICE_NUMBER),
		    names->queue_id);
	if (notice->help != NULL && notice->help[0] != '\0') {
		fputs(notice_say(language, NOTICE_HELP), out);
		notice_put_shown(out, notice->help);
		fputs("\r\n", out);
	}
}

static void
put_status(FILE *out, const struct notice_recipient *recipient)
{
	fputs("\r\nFinal-Recipient: ", out);
	notice_put_typed(out, recipient->address);
	fprintf(out, "\r\nAction: failed\r\nStatus: " STATUS "\r\n"
	    "Diagnostic-Code: x-sampul; %s\r\n", notice_diagnosis(recipient));
}

static void
put_statuses(FILE *out, const struct notice *notice, const struct names *names)
{
	size_t i;

	fprintf(out, "Reporting-MTA: dns; %s\r\n", names->host);
	if (names->queue_id[0] != '\0')
		fprintf(out, "X-Sampul-Queue-ID: %s\r\n", names->queue_id);
	fputs("Arrival-Date: ", out);
	put_date(out, notice->arrived);
	fputs("\r\n", out);
	for (i = 0; i < notice->count; i++)
		put_status(out, &notice->recipients[i]);
}

/* ------------------------------------------ the message's own header --- */

/* What also an encrypted message shows outside: addresses, dates and
 * identifiers. Nothing else of a confidential one is repeated, since anything
 * may have been derived from its Subject. */
static const char *const telling_nothing[] = {
	"Received", "Date", "From", "Sender", "Reply-To", "To", "Cc",
	"Message-ID", "In-Reply-To", "References",
};

static bool
is_field_name(const struct header_field *field)
{
	size_t i;

	for (i = 0; i < field->name_len; i++)
		if (field->name[i] <= 0x20 || field->name[i] >= 0x7f ||
		    field->name[i] == ':')
			return false;
	return field->name_len > 0;
}

static bool
is_repeated(const struct notice *notice, const struct header_field *field)
{
	size_t i;

	if (!is_field_name(field) || header_is(field, "Bcc") ||
	    header_is(field, "Resent-Bcc") || (notice->field != NULL &&
	    header_is(field, notice->field)))
		return false;
	if (!notice->confidential)
		return true;
	for (i = 0; i < sizeof(telling_nothing) / sizeof(telling_nothing[0]);
	    i++)
		if (header_is(field, telling_nothing[i]))
			return true;
	return false;
}

/* The value with its folds as CRLF; what is no fold is made one. A CR, which
 * ends a line to some readers, is left out. */
static void
put_field(FILE *out, const struct header_field *field)
{
	size_t i;

	fwrite(field->name, 1, field->name_len, out);
	fputc(':', out);
	for (i = 0; i < field->value_len; i++) {
		if (field->value[i] == '\r')
			continue;
		if (field->value[i] != '\n') {
			fputc(field->value[i], out);
			continue;
		}
		fputs("\r\n", out);
		if (i + 1 == field->value_len || (field->value[i + 1] != ' ' &&
		    field->value[i + 1] != '\t'))
			fputc(' ', out);
	}
	fputs("\r\n", out);
}

static void
put_fields(FILE *out, const struct notice *notice)
{
	const struct header_field *field;
	size_t i, bytes = 0;

	for (i = 0; i < notice->header->count; i++) {
		field = &notice->header->fields[i];
		if (!is_repeated(notice, field))
			continue;
		bytes += field->name_len + field->value_len;
		if (bytes > HEADER_MAX)
			return;
		put_field(out, field);
	}
}

/* --------------------------------------------------------------- whole --- */

/* Whether text may stand in a part as it is, in lines that end none. */
static bool
is_plain_text(const char *text, size_t len)
{
	size_t i, begin = 0;

	for (i = 0; i < len; i++) {
		if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n') {
			begin = i + 2;
			i++;
		} else if ((text[i] < 0x20 && text[i] != '\t') ||
		    text[i] >= 0x7f || i - begin > LONG_LINE ||
		    (i == begin && text[i] == '-'))
			return false;
	}
	return true;
}

struct part {
	char	*text;
	size_t	 len;
	FILE	*stream;
};

static int
part_begin(struct part *part, struct smime_error *err)
{
	if ((part->stream = open_memstream(&part->text, &part->len)) == NULL)
		return smime_error_set(err, "writing a notification");
	return 0;
}

/* The caller frees part->text in any case. */
static int
part_end(struct part *part, struct smime_error *err)
{
	bool bad = ferror(part->stream) != 0;

	if (fclose(part->stream) != 0 || bad)
		return smime_error_set(err, "writing a notification");
	return 0;
}

/* The part with its boundary line; encoded where it has to be. */
static int
put_part(FILE *out, const struct names *names, const char *type,
    const struct part *part)
{
	static const char *const charsets[] = {
		"", "; charset=utf-8", "; charset=unknown-8bit"
	};
	bool plain = is_plain_text(part->text, part->len);

	fprintf(out, "--%s\r\nContent-Type: %s%s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n", names->boundary, type,
	    charsets[notice_charset(part->text, part->len)], plain ? "7bit" :
	    "quoted-printable");
	if (!plain)
		return quoted_printable(part->text, part->len, to_stream, out);
	return to_stream(out, (const unsigned char *)part->text, part->len);
}

enum { TEXT, STATUSES, HEADER, PARTS };

static int
make_parts(const struct notice *notice, const struct names *names,
    struct part parts[PARTS], struct smime_error *err)
{
	size_t i;

	for (i = 0; i < PARTS; i++) {
		if (part_begin(&parts[i], err) == -1)
			return -1;
		if (i == TEXT)
			put_text(parts[i].stream, notice, names);
		else if (i == STATUSES)
			put_statuses(parts[i].stream, notice, names);
		else
			put_fields(parts[i].stream, notice);
		if (part_end(&parts[i], err) == -1)
			return -1;
	}
	return 0;
}

static void
put_whole(FILE *out, const struct notice *notice, const struct names *names,
    const struct part parts[PARTS])
{
	put_header(out, notice, names);
	(void)put_part(out, names, "text/plain", &parts[TEXT]);
	fputs("\r\n", out);
	(void)put_part(out, names, "message/delivery-status",
	    &parts[STATUSES]);
	fputs("\r\n", out);
	(void)put_part(out, names, "text/rfc822-headers", &parts[HEADER]);
	fprintf(out, "\r\n--%s--\r\n", names->boundary);
}

int
notice_write(const struct notice *notice, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct part parts[PARTS] = { 0 }, whole = { 0 };
	struct names names;
	int rc = -1;
	size_t i;

	if (notice->sender == NULL || notice->sender[0] == '\0')
		return smime_error_setx(err,
		    "the null sender is sent no notification");
	make_names(notice, &names);
	if (make_parts(notice, &names, parts, err) == -1 ||
	    part_begin(&whole, err) == -1)
		goto out;
	put_whole(whole.stream, notice, &names, parts);
	if (part_end(&whole, err) == -1)
		goto out;
	if (sink(arg, (const unsigned char *)whole.text, whole.len) == -1)
		goto out;
	rc = 0;
out:
	for (i = 0; i < PARTS; i++)
		free(parts[i].text);
	free(whole.text);
	return rc;
}
