/*
 * rewrite.c - the second pass: the body again, each part as planned. Nothing
 * but the bodies of parts and their Content-Transfer-Encoding fields differs
 * from what came in, and in a legacy display element the Content-Type.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "entity.h"
#include "octets.h"
#include "parse.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

#define READ_SIZE	32768

struct rewrite {
	const unsigned char	*plans;
	uint32_t		 count;
	smime_sink		 sink;
	void			*arg;
	const struct legacy	*legacy;
	bool			 encoding;	/* encoder is at work */
	struct encoder		 encoder;
	struct encoder		 element;	/* what is put in before it */
	bool			 placing;	/* html is at work */
	struct legacy_html	 html;
	char			 text[4096];	/* html's element */
	size_t			 text_len;
	struct scan		 scan;
	unsigned char		 buf[READ_SIZE];
};

/* --------------------------------------------------------------- header --- */

static bool
is_field(const unsigned char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp((const char *)line, name, n) != 0)
		return false;
	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	return n < len && line[n] == ':';
}

static int
put_encoding(enum plan plan, smime_sink sink, void *arg)
{
	static const char name[] = "Content-Transfer-Encoding: ";
	const char *value = plan_encoding(plan);

	if (sink(arg, (const unsigned char *)name, sizeof(name) - 1) == -1 ||
	    sink(arg, (const unsigned char *)value, strlen(value)) == -1)
		return -1;
	return sink(arg, (const unsigned char *)"\r\n", 2);
}

/* Octets of the field that begins here, with its continuations. */
static size_t
field_extent(const unsigned char *raw, size_t len)
{
	const unsigned char *lf;
	size_t n = 0;

	do {
		lf = memchr(raw + n, '\n', len - n);
		n = lf == NULL ? len : (size_t)(lf - raw) + 1;
	} while (n < len && (raw[n] == ' ' || raw[n] == '\t'));
	return n;
}

static int
put_text(const char *text, smime_sink sink, void *arg)
{
	return sink(arg, (const unsigned char *)text, strlen(text));
}

/* A Content-Type field with one more parameter; part.c has seen that it can. */
static int
put_type(const unsigned char *raw, size_t len, smime_sink sink, void *arg)
{
	const char *colon = memchr(raw, ':', len);
	struct header_list list = { 0 };
	char *value = NULL, *p, *next;
	size_t used;
	bool body;
	int rc = -1;

	if (colon == NULL || header_parse(&list, raw, len, 0, &used, &body,
	    NULL) == -1 || list.count != 1)
		goto out;
	value = mime_type_with(list.fields[0].value, list.fields[0].value_len,
	    LEGACY_PARAM, "1");
	if (value == NULL || sink(arg, raw, (size_t)(colon + 1 -
	    (const char *)raw)) == -1)
		goto out;
	for (p = value; p != NULL; p = next) {
		if ((next = strchr(p, '\n')) != NULL)
			*next++ = '\0';
		if (put_text(p, sink, arg) == -1 ||
		    put_text("\r\n", sink, arg) == -1)
			goto out;
	}
	rc = 0;
out:
	header_clear(&list);
	free(value);
	return rc;
}

/* The new fields stand where the first old ones stood, or at the end. */
int
rewrite_header(const unsigned char *raw, size_t len, enum plan plan,
    bool display, smime_sink sink, void *arg)
{
	bool skip, type, encoded = plan == PLAN_KEEP, typed = !display;
	size_t n;

	for (; len > 0; raw += n, len -= n) {
		n = field_extent(raw, len);
		skip = plan != PLAN_KEEP && is_field(raw, n,
		    "Content-Transfer-Encoding");
		type = !typed && is_field(raw, n, "Content-Type");
		if ((skip || *raw == '\r') && !encoded) {
			if (put_encoding(plan, sink, arg) == -1)
				return -1;
			encoded = true;
		}
		if (*raw == '\r' && !typed) {
			if (put_text("Content-Type: text/plain; " LEGACY_PARAM
			    "=\"1\"\r\n", sink, arg) == -1)
				return -1;
			typed = true;
		}
		if (type) {
			if (put_type(raw, n, sink, arg) == -1)
				return -1;
			typed = true;
		} else if (!skip && sink(arg, raw, n) == -1)
			return -1;
	}
	return encoded ? 0 : put_encoding(plan, sink, arg);
}

/* ----------------------------------------------------------------- body --- */

static enum plan
plan_of(const struct rewrite *rw, const struct part *part)
{
	return part->number < rw->count ? PLAN_OF(rw->plans[part->number]) :
	    PLAN_KEEP;
}

static bool
is_shown(const struct rewrite *rw, const struct part *part)
{
	return part->number < rw->count &&
	    (rw->plans[part->number] & PLAN_DISPLAY) != 0;
}

/* To where the body goes, encoded or not. */
static int
body_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct rewrite *rw = arg;

	if (rw->encoding)
		return encoder_write(&rw->encoder, buf, len);
	return rw->sink(rw->arg, buf, len);
}

static int
text_sink(void *arg, const unsigned char *buf, size_t len)
{
	struct rewrite *rw = arg;

	if (len >= sizeof(rw->text) - rw->text_len)
		return -1;
	memcpy(rw->text + rw->text_len, buf, len);
	rw->text_len += len;
	rw->text[rw->text_len] = '\0';
	return 0;
}

static int
put_as(struct rewrite *rw, enum encoder_kind kind, const char *text,
    size_t len, smime_sink sink)
{
	encoder_init(&rw->element, kind, sink, rw);
	if (encoder_write(&rw->element, text, len) == -1)
		return -1;
	return encoder_finish(&rw->element, true);
}

/*
 * In front of base64 text goes base64 text without padding, so the element's
 * octets are made a multiple of three by blanks behind its line.
 */
static int
put_base64(struct rewrite *rw, const char *text)
{
	size_t len = strlen(text), line = len - strlen("\r\n\r\n");
	char padded[1024];

	if (len + 3 > sizeof(padded))
		return -1;
	memcpy(padded, text, line);
	for (; len % 3 != 0; len++)
		padded[line++] = ' ';
	memcpy(padded + line, "\r\n\r\n", 4);
	return put_as(rw, ENCODE_BASE64, padded, len, body_sink);
}

/* What is put into a line of HTML stands in lines of its own. */
static int
place_html(struct rewrite *rw, const struct part *part, const char *text)
{
	bool qp = part->encoding == ENC_QP;

	rw->text_len = 0;
	if (text_sink(rw, (const unsigned char *)(qp ? "=\r\n" : "\r\n"),
	    qp ? 3 : 2) == -1)
		return -1;
	if (qp ? put_as(rw, ENCODE_QP, text, strlen(text), text_sink) == -1 :
	    text_sink(rw, (const unsigned char *)text, strlen(text)) == -1)
		return -1;
	memset(&rw->html, 0, sizeof(rw->html));
	rw->html.element = rw->text;
	rw->html.sink = body_sink;
	rw->html.arg = rw;
	rw->placing = true;
	return 0;
}

static int
begin_display(struct rewrite *rw, const struct part *part)
{
	const char *text = legacy_text(rw->legacy, part);

	if (text == NULL)
		return -1;
	if (part->display == DISPLAY_HTML)
		return place_html(rw, part, text);
	if (part->encoding == ENC_BASE64)
		return put_base64(rw, text);
	if (part->encoding == ENC_QP)
		return put_as(rw, ENCODE_QP, text, strlen(text), body_sink);
	return body_sink(rw, (const unsigned char *)text, strlen(text));
}

static void
begin_encoding(struct rewrite *rw, const struct part *part)
{
	enum encoder_kind kind;

	rw->encoding = true;
	switch (plan_of(rw, part)) {
	case PLAN_QP:
		kind = ENCODE_QP;
		break;
	case PLAN_BASE64:
		kind = ENCODE_BASE64;
		break;
	case PLAN_REWRAP_QP:
		kind = REWRAP_QP;
		break;
	case PLAN_REWRAP_BASE64:
		kind = REWRAP_BASE64;
		break;
	default:
		rw->encoding = false;
		return;
	}
	encoder_init(&rw->encoder, kind, rw->sink, rw->arg);
}

static int
begin_body(struct rewrite *rw, const struct part *part)
{
	begin_encoding(rw, part);
	rw->placing = false;
	return is_shown(rw, part) ? begin_display(rw, part) : 0;
}

static int
on_header(void *arg, const struct part *part, const unsigned char *raw,
    size_t len)
{
	struct rewrite *rw = arg;

	if (rewrite_header(raw, len, plan_of(rw, part), is_shown(rw, part),
	    rw->sink, rw->arg) == -1)
		return -1;
	return part->composite ? 0 : begin_body(rw, part);
}

static int
on_body(void *arg, const struct part *part, const unsigned char *buf,
    size_t len)
{
	struct rewrite *rw = arg;

	(void)part;
	if (rw->placing)
		return legacy_html_put(&rw->html, buf, len);
	return body_sink(rw, buf, len);
}

static int
on_end(void *arg, const struct part *part, bool crlf)
{
	struct rewrite *rw = arg;

	(void)part;
	if (rw->placing && legacy_html_end(&rw->html) == -1)
		return -1;
	rw->placing = false;
	if (!rw->encoding)
		return 0;
	rw->encoding = false;
	return encoder_finish(&rw->encoder, crlf);
}

static int
on_other(void *arg, const unsigned char *buf, size_t len)
{
	struct rewrite *rw = arg;

	return rw->sink(rw->arg, buf, len);
}

static const struct scan_ops ops = {
	.header = on_header,
	.body = on_body,
	.end = on_end,
	.other = on_other,
};

static int
run(struct rewrite *rw, const struct canon_settings *settings,
    const struct header_list *header, struct spool *body,
    struct smime_error *err)
{
	uint64_t offset = 0;
	size_t got;

	if (scan_begin(&rw->scan, settings, header, &ops, rw, err) == -1)
		return -1;
	rw->scan.again = true;
	if (rw->scan.state == SCAN_BODY &&
	    begin_body(rw, &rw->scan.part) == -1)
		return -1;
	for (;;) {
		if (spool_read(body, offset, rw->buf, READ_SIZE, &got,
		    err) == -1)
			return -1;
		if (got == 0)
			break;
		if (scan_feed(&rw->scan, rw->buf, got, err) == -1)
			return -1;
		offset += got;
	}
	return scan_finish(&rw->scan, err);
}

int
rewrite_body(const struct canon_settings *settings,
    const struct header_list *header, struct spool *body,
    const unsigned char *plans, uint32_t count, const struct legacy *legacy,
    smime_sink sink, void *arg, struct smime_error *err)
{
	struct rewrite *rw;
	int rc;

	if ((rw = malloc(sizeof(*rw))) == NULL)
		return smime_error_set(err, "re-encoding a message");
	memset(&rw->scan, 0, sizeof(rw->scan));
	rw->plans = plans;
	rw->count = count;
	rw->legacy = legacy;
	rw->sink = sink;
	rw->arg = arg;
	rw->encoding = rw->placing = false;
	rc = run(rw, settings, header, body, err);
	/* The same octets through the same code: anything else is a fault. */
	if (rc == 0 && rw->scan.parts != count)
		rc = smime_error_setx(err, "the second pass met %u parts "
		    "instead of %u", rw->scan.parts, count);
	if (rc == -1)
		smime_error_setx(err, "re-encoding a message failed");
	scan_clear(&rw->scan);
	OPENSSL_cleanse(rw, sizeof(*rw));
	free(rw);
	return rc;
}
