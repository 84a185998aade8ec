/*
 * partners.c - certificates in a directory: one folder for an address or for a
 * domain, PEM files in it.
 *
 *	partners/hakim@pn-pekalongan.go.id/2026.pem
 *	partners/rsud.example/many.pem
 *
 * A name is looked up, never searched for, so the cost does not depend on how
 * many partners there are. Every certificate that names the address counts, the
 * others of its file may be its issuers. Which of them is any good is not
 * judged here. A bad file is said and left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../smime/smime.h"
#include "conf.h"
#include "encryption.h"
#include "keys/keyfile.h"
#include "log.h"

#define FOLDER_FILES_MAX	256
#define FILE_OCTETS_MAX		(256 * 1024)
#define FILE_CERTS_MAX		64

struct folder {
	int			 fd;
	const char		*name;
	const char		*address;
	const struct owners	*owners;
	struct candidates	*out;
};

/* Threads are about to share it: OpenSSL decodes extensions when first asked
 * for. */
static void
decode_extensions(X509 *cert)
{
	X509_check_purpose(cert, -1, 0);
	ERR_clear_error();
}

static int
keep_extra(struct candidates *out, X509 *cert)
{
	if (out->extra == NULL && (out->extra = sk_X509_new_null()) == NULL)
		return -1;
	if (sk_X509_num(out->extra) >= FILE_CERTS_MAX)
		return 0;
	if (X509_up_ref(cert) != 1)
		return -1;
	if (sk_X509_push(out->extra, cert) == 0) {
		X509_free(cert);
		return -1;
	}
	return 0;
}

static int
keep_certs(const struct folder *folder, STACK_OF(X509) *certs)
{
	X509 *cert;
	int i, rc = 0;

	for (i = 0; i < sk_X509_num(certs) && rc == 0; i++) {
		cert = sk_X509_value(certs, i);
		decode_extensions(cert);
		errno = 0;
		if (!cert_has_email(cert, folder->address))
			rc = errno == ENOMEM ? -1 :
			    keep_extra(folder->out, cert);
		else if (folder->out->count < CANDIDATES_MAX)
			rc = candidates_add(folder->out, cert, 0);
	}
	return rc;
}

static int
read_file(const struct folder *folder, const char *name,
    struct smime_error *err)
{
	char shown[600];
	STACK_OF(X509) *certs = NULL;
	struct smime_error why = { "" };
	struct stat st;
	size_t len = 0;
	char *buf;
	int rc = 0;

	errno = 0;
	snprintf(shown, sizeof(shown), "%s/%s", folder->name, name);
	buf = keyfile_read(folder->fd, name, shown, folder->owners,
	    KEYFILE_PUBLIC, FILE_OCTETS_MAX, &len, &st, &why);
	if (buf == NULL ||
	    cert_read(buf, len, FILE_CERTS_MAX, shown, &certs, &why) == -1) {
		if (errno == ENOMEM)
			rc = smime_error_setx(err, "%s", why.text);
		else
			log_warning("certificate left out: %s", why.text);
	} else if (keep_certs(folder, certs) == -1)
		rc = smime_error_setx(err, "out of memory for %s", shown);
	sk_X509_pop_free(certs, X509_free);
	if (buf != NULL)
		OPENSSL_clear_free(buf, len + 1);
	return rc;
}

static int
is_certificate(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	    (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0);
}

static int
read_files(const struct folder *folder, struct smime_error *err)
{
	struct dirent **names = NULL;
	int i, n, rc = 0;

	n = scandirat(folder->fd, ".", &names, is_certificate, alphasort);
	if (n == -1)
		return smime_error_set(err, "cannot read the folder %s",
		    folder->name);
	if (n > FOLDER_FILES_MAX)
		log_warning("%s holds more than %d certificates; the rest is "
		    "not looked at", folder->name, FOLDER_FILES_MAX);
	for (i = 0; i < n; i++) {
		if (rc == 0 && i < FOLDER_FILES_MAX)
			rc = read_file(folder, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

/*
 * No folder is no certificate. One that is there and cannot be used is a fault
 * of ours: what it says must not be passed over.
 */
static int
read_folder(int dirfd, const char *name, const char *address,
    const struct owners *owners, struct candidates *out,
    struct smime_error *err)
{
	struct folder folder = { -1, name, address, owners, out };
	struct smime_error why = { "" };
	struct stat st;
	int rc;

	folder.fd = keyfile_folder(dirfd, name, name, owners, &st, &why);
	if (folder.fd == -1)
		return errno == ENOENT ? 0 : smime_error_setx(err, "%s",
		    why.text);
	rc = read_files(&folder, err);
	close(folder.fd);
	return rc;
}

int
partners_find(void *arg, const struct conf *conf, const char *address,
    struct candidates *out, struct smime_error *err)
{
	struct owners owners;
	int dirfd, rc;

	(void)arg;
	if (conf->partners_dir[0] == '\0')
		return 0;
	dirfd = open(conf->partners_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The cage has in it what was there at the start. */
	if (dirfd == -1)
		return errno == ENOENT ? 0 : smime_error_set(err,
		    "cannot open the certificates of partners in %s%s",
		    conf->partners_dir, errno == EACCES ? " (if it is newer "
		    "than this process, restart it)" : "");
	owners_init(&owners, conf->user);
	rc = read_folder(dirfd, address, address, &owners, out, err);
	if (rc == 0 && out->count == 0)
		rc = read_folder(dirfd, address_domain(address), address,
		    &owners, out, err);
	close(dirfd);
	return rc;
}
