/*
 * ctl.c - what the sub-commands of sampulctl have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "ctl.h"

#define READ_FIRST	65536

const struct conf *
ctl_conf(struct ctl *ctl)
{
	struct smime_error err = { "" };

	if (ctl->conf != NULL)
		return ctl->conf;
	ctl->conf = conf_read(ctl->file, &err);
	if (ctl->conf == NULL) {
		ctl_error(EX_CONFIG, "%s", err.text);
		return NULL;
	}
	ctl->id = ctl->conf->language == LANGUAGE_ID;
	return ctl->conf;
}

struct keystore *
ctl_keystore(struct ctl *ctl, int *status)
{
	struct smime_error err = { "" };
	struct keystore *store;
	char *passphrase = NULL;
	size_t len = 0;

	if (ctl_conf(ctl) == NULL) {
		*status = EX_CONFIG;
		return NULL;
	}
	/* told apart from the keystore's own faults by the exit status */
	if (keystore_passphrase(ctl->conf, &passphrase, &len, &err) != 0) {
		*status = ctl_error(EX_NOINPUT, "%s", err.text);
		return NULL;
	}
	OPENSSL_clear_free(passphrase, len);
	store = keystore_open_conf(ctl->conf, &err);
	if (store == NULL)
		*status = ctl_error(EX_UNAVAILABLE, "%s", err.text);
	return store;
}

int
ctl_error(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sampulctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	return status;
}

int
ctl_usage(const struct ctl *ctl)
{
	fprintf(stderr, "usage: sampulctl [-c file] [--json] %s%s%s\n",
	    ctl->command->name, ctl->command->arguments[0] != '\0' ? " " : "",
	    ctl->command->arguments);
	return EX_USAGE;
}

const char *
ctl_parent(const char *path, char *out, size_t size)
{
	char *slash;

	snprintf(out, size, "%s", path);
	slash = strrchr(out, '/');
	if (slash == NULL)
		return ".";
	slash[slash == out] = '\0';
	return out;
}

char *
ctl_time(time_t when, char *out, size_t size)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, size, "%s", "-");
	return out;
}

char *
ctl_hex(const unsigned char *octets, size_t len, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	char *p = out;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i > 0)
			*p++ = ':';
		*p++ = digits[octets[i] >> 4];
		*p++ = digits[octets[i] & 15];
	}
	*p = '\0';
	return out;
}

void
ctl_print_findings(const struct ctl *ctl, FILE *out,
    const struct cert_findings *findings, const char *indent)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		fprintf(out, "%s%s: %s\n", indent,
		    cert_problem_word(findings->problem[i]),
		    cert_problem_text(findings->problem[i], ctl->id));
}

/*
 * Pipes are read too (process substitution hands over a secret without a file),
 * so the size is only known at the end. The buffer is always one larger than
 * its contents, for the NUL.
 */
static char *
read_all(int fd, const char *path, size_t max, size_t *len,
    struct smime_error *err)
{
	size_t size = READ_FIRST, more;
	char *buf, *grown;
	ssize_t n;

	buf = OPENSSL_malloc(size);
	for (*len = 0; buf != NULL; *len += (size_t)n) {
		if (*len + 1 == size) {
			more = size <= max / 2 ? size * 2 : max + 2;
			grown = more > size ?
			    OPENSSL_clear_realloc(buf, size, more) : NULL;
			if (grown == NULL)
				break;
			buf = grown;
			size = more;
		}
		n = read(fd, buf + *len, size - 1 - *len);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n == -1) {
			smime_error_set(err, "cannot read %s", path);
			break;
		}
		if (n == 0 && *len <= max) {
			buf[*len] = '\0';
			grown = OPENSSL_clear_realloc(buf, size, *len + 1);
			if (grown != NULL)
				return grown;
			break;
		}
		if (*len + (size_t)n > max) {
			smime_error_setx(err, "%s is longer than %zu octets",
			    path, max);
			break;
		}
	}
	smime_error_setx(err, "out of memory for %s", path);
	OPENSSL_clear_free(buf, size);
	return NULL;
}

char *
ctl_read_file(const char *path, size_t max, size_t *len,
    struct smime_error *err)
{
	char *buf;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1) {
		smime_error_set(err, "cannot open %s", path);
		return NULL;
	}
	buf = read_all(fd, path, max, len, err);
	close(fd);
	return buf;
}

int
ctl_finish(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_error(EX_IOERR, "cannot write the output: %s",
		    strerror(errno));
	return EX_OK;
}
