/*
 * error.c - one sentence about what went wrong.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "smime_base.h"

static void
set(struct smime_error *err, const char *suffix, const char *fmt, va_list ap)
{
	int n;

	if (err == NULL || err->text[0] != '\0')
		return;
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	if (n < 0) {
		snprintf(err->text, sizeof(err->text), "unknown error");
		return;
	}
	if (suffix != NULL && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
		    suffix);
}

int
smime_error_set(struct smime_error *err, const char *fmt, ...)
{
	int saved = errno;
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	set(err, strerror_r(saved, text, sizeof(text)), fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int
smime_error_setx(struct smime_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

/*
 * The reason of the oldest entry is the most specific; the rest is dropped so
 * that it does not turn up in the next call's sentence.
 */
int
smime_error_crypto(struct smime_error *err, const char *fmt, ...)
{
	const char *reason;
	unsigned long code;
	va_list ap;

	code = ERR_get_error();
	reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	va_start(ap, fmt);
	set(err, reason, fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return -1;
}

char *
smime_printable(const void *text, size_t len, char *out, size_t size)
{
	const unsigned char *p = text;
	size_t i, n;

	if (size == 0)
		return out;
	n = len < size ? len : size - 1;
	for (i = 0; i < n; i++)
		out[i] = (p[i] >= 0x20 && p[i] < 0x7f) ? (char)p[i] : '?';
	out[n] = '\0';
	if (n < len && n >= 3)
		memcpy(out + n - 3, "...", 3);
	return out;
}
