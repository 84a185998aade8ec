/*
 * pin.c - puts certificates into the folders of partners and takes them out.
 *
 * What stands there is the administrator's word, which no mail replaces. It is
 * checked as it would be before encrypting, because a certificate that will not
 * do would keep every message to that address back.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../encryption.h"
#include "../incoming.h"
#include "../policy.h"
#include "ctl.h"
#include "partners.h"

#define FILE_OCTETS_MAX	(256 * 1024)
#define FILE_CERTS_MAX	16

static int
path_of(const struct conf *conf, const char *folder, const char *name,
    char *out, size_t size)
{
	if (snprintf(out, size, "%s/%s%s%s", conf->partners_dir, folder,
	    name[0] != '\0' ? "/" : "", name) >= (int)size)
		return ctl_error(EX_CONFIG, "encryption.partners_dir is too "
		    "long");
	return EX_OK;
}

/* ---------------------------------------------------------------- adding --- */

static int
check(const struct conf *conf, const char *address, X509 *cert,
    STACK_OF(X509) *extra)
{
	struct recipient_settings settings = { .now = time(NULL),
	    .crl_soft_fail = conf->crl == CRL_SOFT_FAIL };
	struct recipient_findings findings;
	struct smime_error err = { "" };
	struct trust_state *state;
	int rc, status = EX_OK;
	size_t i;

	if ((state = trust_state_read(conf, &err)) == NULL)
		return ctl_error(EX_CONFIG, "%s", err.text);
	settings.trust = state->trust;
	rc = recipient_check(&settings, cert, extra, address, &findings, &err);
	trust_state_unref(state);
	if (rc == -1)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	for (i = 0; i < findings.findings.count; i++)
		status = ctl_error(EX_DATAERR, "not for %s: %s: %s", address,
		    cert_problem_word(findings.findings.problem[i]),
		    cert_problem_text(findings.findings.problem[i],
		    conf->language == LANGUAGE_ID));
	return status;
}

static int
write_certs(FILE *stream, X509 *cert, STACK_OF(X509) *extra)
{
	int i;

	if (PEM_write_X509(stream, cert) != 1)
		return -1;
	for (i = 0; i < sk_X509_num(extra); i++)
		if (X509_cmp(sk_X509_value(extra, i), cert) != 0 &&
		    PEM_write_X509(stream, sk_X509_value(extra, i)) != 1)
			return -1;
	return 0;
}

/* Whole or not at all, beside what is there: the newest that is good wins. */
static int
put(const struct conf *conf, const char *address, X509 *cert,
    STACK_OF(X509) *extra)
{
	char fresh[4096], path[4096];
	char serial[SERIAL_TEXT_MAX + 1], name[sizeof(serial) + 4];
	FILE *stream;
	int fd, rc;

	if (conf->partners_dir[0] == '\0')
		return ctl_error(EX_CONFIG, "encryption.partners_dir is not "
		    "set");
	cert_serial(cert, serial, sizeof(serial));
	snprintf(name, sizeof(name), "%s.pem", serial);
	if (path_of(conf, address, "", path, sizeof(path)) != EX_OK)
		return EX_CONFIG;
	if (mkdir(conf->partners_dir, 0755) == 0)
		ctl_error(0, "%s was made; restart sampul-milter, which "
		    "cannot reach what was not there when it started",
		    conf->partners_dir);
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		return ctl_error(EX_CANTCREAT, "%s: %s", path,
		    strerror(errno));
	if (path_of(conf, address, ".new", fresh, sizeof(fresh)) != EX_OK ||
	    path_of(conf, address, name, path, sizeof(path)) != EX_OK)
		return EX_CONFIG;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0644);
	if (fd == -1 || (stream = fdopen(fd, "w")) == NULL)
		return ctl_error(EX_CANTCREAT, "%s: %s", fresh,
		    strerror(errno));
	rc = write_certs(stream, cert, extra);
	(void)fchmod(fd, 0644);
	if (fclose(stream) != 0 || rc == -1 || rename(fresh, path) == -1) {
		unlink(fresh);
		return ctl_error(EX_IOERR, "%s was not written", path);
	}
	printf("%s\n", path);
	return ctl_finish();
}

int
partners_add(const struct conf *conf, const char *address, const char *file)
{
	STACK_OF(X509) *certs = NULL;
	struct smime_error err = { "" };
	size_t len = 0;
	char *buf;
	int i, status;

	if ((buf = ctl_read_file(file, FILE_OCTETS_MAX, &len, &err)) == NULL ||
	    cert_read(buf, len, FILE_CERTS_MAX, file, &certs, &err) == -1) {
		if (buf != NULL)
			OPENSSL_clear_free(buf, len + 1);
		return ctl_error(EX_NOINPUT, "%s", err.text);
	}
	for (i = 0; i < sk_X509_num(certs) - 1; i++)
		if (cert_has_email(sk_X509_value(certs, i), address))
			break;
	status = check(conf, address, sk_X509_value(certs, i), certs);
	if (status == EX_OK)
		status = put(conf, address, sk_X509_value(certs, i), certs);
	sk_X509_pop_free(certs, X509_free);
	OPENSSL_clear_free(buf, len + 1);
	return status;
}

int
partners_pin(const struct conf *conf, const char *address)
{
	struct harvested harvested;
	struct smime_error err = { "" };
	int status;

	if (harvest_read(conf, address, &harvested, &err) == -1)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (harvested.cert == NULL)
		return ctl_error(EX_NOINPUT, "nothing was harvested of %s",
		    address);
	status = check(conf, address, harvested.cert, harvested.extra);
	if (status == EX_OK)
		status = put(conf, address, harvested.cert, harvested.extra);
	harvested_clear(&harvested);
	return status;
}

/* ------------------------------------------------------------- forgetting --- */

static int
is_certificate(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0);
}

/* Files and then the folder, which may hold something else. */
static unsigned
remove_folder(const struct conf *conf, const char *address)
{
	struct dirent **names = NULL;
	char path[4096];
	unsigned removed = 0;
	int i, n;

	if (conf->partners_dir[0] == '\0' ||
	    path_of(conf, address, "", path, sizeof(path)) != EX_OK)
		return 0;
	n = scandir(path, &names, is_certificate, NULL);
	for (i = 0; i < n; i++) {
		if (path_of(conf, address, names[i]->d_name, path,
		    sizeof(path)) == EX_OK && unlink(path) == 0)
			removed++;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (path_of(conf, address, "", path, sizeof(path)) == EX_OK)
		(void)rmdir(path);
	return removed;
}

int
partners_forget(const struct conf *conf, const char *address, bool pinned)
{
	char path[4096];
	unsigned removed = 0;

	if (conf->harvest_dir[0] != '\0' && snprintf(path, sizeof(path),
	    "%s/%s.pem", conf->harvest_dir, address) < (int)sizeof(path)) {
		if (unlink(path) == 0)
			removed++;
		else if (errno != ENOENT)
			return ctl_error(EX_IOERR, "%s: %s", path,
			    strerror(errno));
	}
	if (pinned)
		removed += remove_folder(conf, address);
	if (removed == 0)
		return ctl_error(EX_NOINPUT, "nothing is %s of %s",
		    pinned ? "known" : "harvested", address);
	return EX_OK;
}

/* --------------------------------------------------------------- looking --- */

void
partners_each_cert(const struct conf *conf, const char *folder,
    void (*each)(void *arg, const char *address), void *arg)
{
	struct dirent **names = NULL;
	STACK_OF(X509) *certs;
	char path[4096], *buf;
	size_t len;
	int i, k, n;

	if (path_of(conf, folder, "", path, sizeof(path)) != EX_OK)
		return;
	n = scandir(path, &names, is_certificate, alphasort);
	for (i = 0; i < n; i++) {
		certs = NULL;
		buf = NULL;
		if (path_of(conf, folder, names[i]->d_name, path,
		    sizeof(path)) == EX_OK &&
		    (buf = ctl_read_file(path, FILE_OCTETS_MAX, &len,
		    NULL)) != NULL)
			(void)cert_read(buf, len, FILE_CERTS_MAX, path,
			    &certs, NULL);
		for (k = 0; k < sk_X509_num(certs); k++)
			cert_each_email(sk_X509_value(certs, k), each, arg);
		sk_X509_pop_free(certs, X509_free);
		if (buf != NULL)
			OPENSSL_clear_free(buf, len + 1);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

bool
partners_seen(struct string_list *seen, const char *address)
{
	char **grown;

	if (string_list_has(seen, address))
		return true;
	grown = reallocarray(seen->items, seen->count + 1, sizeof(*grown));
	if (grown != NULL) {
		seen->items = grown;
		if ((grown[seen->count] = strdup(address)) != NULL)
			seen->count++;
	}
	return false;
}

void
partners_seen_clear(struct string_list *seen)
{
	size_t i;

	for (i = 0; i < seen->count; i++)
		free(seen->items[i]);
	free(seen->items);
	memset(seen, 0, sizeof(*seen));
}
