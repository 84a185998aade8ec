/*
 * fuzz_canon.c - any message, any pieces. The first octet switches settings,
 * the second sets the sizes of the pieces; the rest is the message.
 *
 * Must hold: the pieces do not matter; what is not for opaque signing only is
 * 7-bit in lines of CRLF; and it is its own canonical form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/scan.h"
#include "../../smime/smime.h"

struct entity_text {
	unsigned char	*buf;
	size_t		 len;
	struct canon_result result;
	unsigned char	 digest[SMIME_DIGEST_MAX];
};

#define MUST(x) do { if (!(x)) { \
	fprintf(stderr, "not so: %s\n", #x); abort(); } } while (0)

static int
collect(void *arg, const unsigned char *buf, size_t len)
{
	struct entity_text *text = arg;

	text->buf = realloc(text->buf, text->len + len + 1);
	memcpy(text->buf + text->len, buf, len);
	text->len += len;
	return 0;
}

/* The entity of a message fed in pieces of 1 to step octets; 0: whole. */
static bool
make(const struct canon_settings *settings, const unsigned char *p, size_t len,
    size_t step, struct entity_text *out)
{
	struct header_list header = { 0 };
	struct smime_error err = { "" };
	unsigned char check[SMIME_DIGEST_MAX];
	struct canon *canon;
	size_t used, n, salt = step;
	bool body;

	memset(out, 0, sizeof(*out));
	MUST(header_parse(&header, p, len, 0, &used, &body, &err) == 0);
	canon = canon_new(settings, &header, SMIME_SHA256, &err);
	header_clear(&header);
	if (canon == NULL)
		return false;
	for (p += used, len -= used; len > 0; p += n, len -= n) {
		salt = salt * 1103515245 + 12345;
		n = step == 0 ? len : 1 + (salt >> 8) % step;
		n = n < len ? n : len;
		MUST(canon_body(canon, p, n, &err) == 0);
	}
	MUST(canon_finish(canon, &out->result, &err) == 0);
	MUST(canon_write(canon, collect, out, &err) == 0);
	MUST(canon_size(canon) == out->len);
	MUST(canon_digest(canon, SMIME_SHA256, out->digest, &err) == 0);
	EVP_Digest(out->buf, out->len, check, NULL, EVP_sha256(), NULL);
	MUST(memcmp(check, out->digest, 32) == 0);
	canon_free(canon);
	return true;
}

static void
check_lines(const struct entity_text *text, bool smtputf8)
{
	size_t i, line = 0;

	for (i = 0; i < text->len; i++, line++) {
		MUST(text->buf[i] != '\0');
		MUST(text->buf[i] < 0x80 || smtputf8);
		MUST((text->buf[i] == '\r') ==
		    (i + 1 < text->len && text->buf[i + 1] == '\n'));
		if (text->buf[i] != '\r')
			continue;
		MUST(line <= LINE_MAX_OCTETS);
		i++;
		line = (size_t)-1;
	}
	MUST(line <= LINE_MAX_OCTETS);
}

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entity_text whole, pieces, again;
	struct canon_settings settings;

	if (size < 2)
		return 0;
	canon_settings_init(&settings);
	settings.spool_dir = "/tmp";
	settings.quote_from = (data[0] & 1) != 0;
	settings.header_protection = (data[0] & 2) != 0;
	settings.smtputf8 = (data[0] & 4) != 0;
	settings.confidential = (data[0] & 16) != 0;
	settings.hide_subject = settings.legacy_display = (data[0] & 32) != 0;
	if (data[0] & 8) {
		settings.spool_memory = 100;
		settings.max_parts = 7;
		settings.max_depth = 3;
		settings.max_part_header = 300;
	}
	if (!make(&settings, data + 2, size - 2, 0, &whole))
		return 0;
	MUST(make(&settings, data + 2, size - 2, 1 + data[1] * 5u, &pieces));
	MUST(memcmp(&whole.result, &pieces.result, sizeof(whole.result)) == 0);
	MUST(whole.len == pieces.len);
	MUST(memcmp(whole.buf, pieces.buf, whole.len) == 0);
	if (whole.result.state != CANON_OPAQUE_ONLY) {
		check_lines(&whole, settings.smtputf8);
		settings.header_protection = false;
		MUST(make(&settings, whole.buf, whole.len, 0, &again));
		MUST(again.result.state == CANON_CLEAN);
		MUST(again.result.parts == whole.result.parts);
		MUST(again.len <= whole.len);
		/* The header loses copies and hp, if it had them. */
		MUST((data[0] & 2) != 0 || again.len == whole.len);
		MUST((data[0] & 2) != 0 ||
		    memcmp(again.buf, whole.buf, again.len) == 0);
		free(again.buf);
	}
	free(whole.buf);
	free(pieces.buf);
	return 0;
}
