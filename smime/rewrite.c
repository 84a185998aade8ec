/*
 * rewrite.c - the second pass: the body again, each part as planned. Nothing
 * but the bodies of parts and their Content-Transfer-Encoding fields differs
 * from what came in.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "internal.h"

#define READ_SIZE	32768

struct rewrite {
	const unsigned char	*plans;
	uint32_t		 count;
	smime_sink		 sink;
	void			*arg;
	bool			 encoding;	/* encoder is at work */
	struct encoder		 encoder;
	struct scan		 scan;
	unsigned char		 buf[READ_SIZE];
};

/* --------------------------------------------------------------- header --- */

static bool
is_encoding_field(const unsigned char *line, size_t len)
{
	static const char name[] = "Content-Transfer-Encoding";
	size_t n = sizeof(name) - 1;

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

/* The new field stands where the first old one stood, or at the end. */
int
rewrite_header(const unsigned char *raw, size_t len, enum plan plan,
    smime_sink sink, void *arg)
{
	bool skip = false, written = plan == PLAN_KEEP;
	const unsigned char *lf;
	size_t n;

	for (; len > 0; raw += n, len -= n) {
		lf = memchr(raw, '\n', len);
		n = lf == NULL ? len : (size_t)(lf - raw) + 1;
		if (*raw != ' ' && *raw != '\t')
			skip = plan != PLAN_KEEP && is_encoding_field(raw, n);
		if ((skip || *raw == '\r') && !written) {
			if (put_encoding(plan, sink, arg) == -1)
				return -1;
			written = true;
		}
		if (!skip && sink(arg, raw, n) == -1)
			return -1;
	}
	return written ? 0 : put_encoding(plan, sink, arg);
}

/* ----------------------------------------------------------------- body --- */

static enum plan
plan_of(const struct rewrite *rw, const struct part *part)
{
	return part->number < rw->count ?
	    (enum plan)rw->plans[part->number] : PLAN_KEEP;
}

static void
begin_body(struct rewrite *rw, const struct part *part)
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
on_header(void *arg, const struct part *part, const unsigned char *raw,
    size_t len)
{
	struct rewrite *rw = arg;

	if (!part->composite)
		begin_body(rw, part);
	return rewrite_header(raw, len, plan_of(rw, part), rw->sink, rw->arg);
}

static int
on_body(void *arg, const struct part *part, const unsigned char *buf,
    size_t len)
{
	struct rewrite *rw = arg;

	(void)part;
	if (rw->encoding)
		return encoder_write(&rw->encoder, buf, len);
	return rw->sink(rw->arg, buf, len);
}

static int
on_end(void *arg, const struct part *part, bool crlf)
{
	struct rewrite *rw = arg;

	(void)part;
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
	if (rw->scan.state == SCAN_BODY)
		begin_body(rw, &rw->scan.part);
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
    const unsigned char *plans, uint32_t count, smime_sink sink, void *arg,
    struct smime_error *err)
{
	struct rewrite *rw;
	int rc;

	if ((rw = malloc(sizeof(*rw))) == NULL)
		return smime_error_set(err, "re-encoding a message");
	memset(&rw->scan, 0, sizeof(rw->scan));
	rw->plans = plans;
	rw->count = count;
	rw->sink = sink;
	rw->arg = arg;
	rw->encoding = false;
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
