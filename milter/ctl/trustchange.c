/*
 * trustchange.c - "sampulctl trust add" and "remove".
 *
 * An authority vouches for everybody, so it is shown and asked about before it
 * is believed, and before it is not believed any more. What cannot be one is
 * refused. A file appears whole or not at all: it is written under a name that
 * nobody reads and gets its own by link(2), which never replaces another.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/anchors.h"
#include "ctl.h"
#include "import.h"
#include "trust.h"

#define FILE_OCTETS_MAX	(1024 * 1024)
#define FILE_CERTS_MAX	64
#define NAME_MAX_LENGTH	64

struct request {
	struct ctl		*ctl;
	enum trusted_kind	 kind;
	bool			 yes;
	const char		*name;	/* NULL: from the certificate */
	const char		*file;
};

/* ------------------------------------------------------------- present --- */

struct search {
	const char	*name;		/* file, or its last part; may be NULL */
	char		 sha256[32 * 3 + 1];	/* or this */
	enum trusted_kind kind;		/* with sha256 */
	bool		 any_kind;
	char		*path;		/* the first found; freed */
	unsigned	 files;
	size_t		 certs;		/* in that file */
};

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
holds(const struct search *search, const struct trusted_file *file)
{
	struct authority text;
	int i;

	if (search->name != NULL && (strcmp(file->path, search->name) == 0 ||
	    strcmp(last_part(file->path), search->name) == 0))
		return true;
	if (search->sha256[0] == '\0' ||
	    (!search->any_kind && search->kind != file->kind))
		return false;
	for (i = 0; file->certs != NULL && i < sk_X509_num(file->certs); i++) {
		authority_describe(sk_X509_value(file->certs, i), &text);
		if (strcmp(text.sha256, search->sha256) == 0)
			return true;
	}
	return false;
}

static int
search_file(void *arg, const struct trusted_file *file)
{
	struct search *search = arg;

	if (file->kind == TRUSTED_CRL || !holds(search, file))
		return 0;
	if (search->files++ == 0) {
		search->path = strdup(file->path);
		search->certs = file->certs == NULL ? 0 :
		    (size_t)sk_X509_num(file->certs);
	}
	return search->path != NULL ? 0 : -1;
}

/* ----------------------------------------------------------------- add --- */

/* "Root CA Example" as root-ca-example, and the fingerprint's beginning. */
static void
make_name(X509 *cert, char *out, size_t size)
{
	char common[160];
	unsigned char sha256[32];
	size_t i, n = 0;

	cert_common_name(cert, common, sizeof(common));
	for (i = 0; common[i] != '\0' && n < NAME_MAX_LENGTH &&
	    n + 16 < size; i++) {
		if (isascii((unsigned char)common[i]) &&
		    isalnum((unsigned char)common[i]))
			out[n++] = (char)tolower((unsigned char)common[i]);
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	if (n > 0 && out[n - 1] != '-')
		out[n++] = '-';
	if (cert_fingerprint(cert, sha256) != 0)
		memset(sha256, 0, sizeof(sha256));
	snprintf(out + n, size - n, "%02x%02x%02x%02x.pem", sha256[0],
	    sha256[1], sha256[2], sha256[3]);
}

static int
write_pem(int dirfd, const char *name, X509 *cert)
{
	const char *text = NULL;
	long len = 0, done = 0;
	ssize_t n;
	BIO *bio;
	int fd;

	bio = BIO_new(BIO_s_mem());
	if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1) {
		BIO_free(bio);
		errno = ENOMEM;
		return -1;
	}
	len = BIO_get_mem_data(bio, &text);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0644);
	while (fd != -1 && done < len) {
		n = write(fd, text + done, (size_t)(len - done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	BIO_free(bio);
	if (fd == -1)
		return -1;
	/* Whatever the umask is: both processes read it. */
	if (done < len || fchmod(fd, 0644) == -1 || fsync(fd) == -1)
		done = -1;
	return close(fd) == -1 || done != len ? -1 : 0;
}

static int
place(const char *dir, const char *name, X509 *cert)
{
	char temporary[32];
	int dirfd, status = EX_OK;

	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1)
		return ctl_error(EX_NOINPUT, "cannot open %s: %s; \"sampulctl "
		    "init\" makes it", dir, strerror(errno));
	snprintf(temporary, sizeof(temporary), ".add-%ld", (long)getpid());
	if (write_pem(dirfd, temporary, cert) == -1)
		status = ctl_error(EX_CANTCREAT, "cannot write to %s: %s", dir,
		    strerror(errno));
	else if (linkat(dirfd, temporary, dirfd, name, 0) == -1)
		status = ctl_error(EX_CANTCREAT, "cannot make %s/%s: %s", dir,
		    name, strerror(errno));
	unlinkat(dirfd, temporary, 0);
	if (status == EX_OK && fsync(dirfd) == -1)
		status = ctl_error(EX_IOERR, "%s/%s may not be on disk yet: "
		    "%s", dir, name, strerror(errno));
	close(dirfd);
	return status;
}

/* Whether it leads to an anchor already: what an intermediate is good for. */
static void
tell_path(const struct request *request, X509 *cert)
{
	struct smime_error err = { "" };
	struct trust *trust;

	if (request->kind != TRUSTED_INTERMEDIATE)
		return;
	trust = anchors_load(request->ctl->conf, &err);
	if (trust != NULL && trust_check(trust, cert, NULL, time(NULL), NULL,
	    &err) == CERT_OK)
		fprintf(stderr, "  path        leads to a trusted anchor\n");
	else
		fprintf(stderr, "  path        NONE to a trusted anchor (%s)\n",
		    err.text);
	trust_free(trust);
}

static const char *
question_of(enum trusted_kind kind)
{
	switch (kind) {
	case TRUSTED_ANCHOR:
		return "Compare the fingerprint with what the authority "
		    "publishes by another way.\nBelieve every mailbox that it "
		    "vouches for, ours among them?";
	case TRUSTED_INCOMING:
		return "Compare the fingerprint with what the authority "
		    "publishes by another way.\nBelieve what it vouches for "
		    "in incoming mail?";
	case TRUSTED_INTERMEDIATE:
	case TRUSTED_CRL:
		break;
	}
	return "It completes chains and is itself believed only through an "
	    "anchor. Add it?";
}

static int
confirm(const struct request *request, const char *question)
{
	struct smime_error err = { "" };
	char answer[16], text[256];

	if (request->yes)
		return EX_OK;
	snprintf(text, sizeof(text), "%s Type yes: ", question);
	if (prompt_line(text, answer, sizeof(answer), &err) != 0)
		return ctl_error(EX_NOPERM, "%s; without a question: --yes",
		    err.text);
	if (strcmp(answer, "yes") != 0 && strcmp(answer, "ya") != 0)
		return ctl_error(EX_NOPERM, "nothing was changed");
	return EX_OK;
}

static int
add_one(const struct request *request, X509 *cert)
{
	const struct conf *conf = request->ctl->conf;
	const char *dir = trusted_directory(conf, request->kind);
	struct search search = { .kind = request->kind };
	struct smime_error err = { "" };
	char name[NAME_MAX_LENGTH + 32];
	const char *fault;
	struct authority text;
	int status;

	authority_describe(cert, &text);
	fault = authority_fault(cert, time(NULL), request->ctl->id);
	if (fault != NULL)
		return ctl_error(EX_DATAERR, "%s: %s is refused: %s",
		    request->file, text.subject, fault);
	snprintf(search.sha256, sizeof(search.sha256), "%s", text.sha256);
	if (anchors_each(conf, search_file, &search, &err) != 0 ||
	    search.files > 0) {
		status = search.files > 0 ? ctl_error(EX_CANTCREAT,
		    "%s is there already, in %s", text.subject, search.path) :
		    ctl_error(EX_NOINPUT, "%s", err.text);
		free(search.path);
		return status;
	}
	fprintf(stderr, "%s\n", trusted_word(request->kind));
	authority_print(stderr, cert);
	tell_path(request, cert);
	status = confirm(request, question_of(request->kind));
	if (status != EX_OK)
		return status;
	make_name(cert, name, sizeof(name));
	status = place(dir, request->name != NULL ? request->name : name,
	    cert);
	if (status == EX_OK)
		printf("added %s/%s\n", dir, request->name != NULL ?
		    request->name : name);
	return status;
}

static bool
is_fit_name(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && len < 200 && name[0] != '.' &&
	    strchr(name, '/') == NULL &&
	    (strcmp(name + len - 4, ".pem") == 0 ||
	    strcmp(name + len - 4, ".crt") == 0);
}

static int
add_file(const struct request *request)
{
	STACK_OF(X509) *certs = NULL;
	struct smime_error err = { "" };
	size_t len = 0;
	char *buf;
	int i, status = EX_OK;

	buf = ctl_read_file(strcmp(request->file, "-") == 0 ? "/dev/stdin" :
	    request->file, FILE_OCTETS_MAX, &len, &err);
	if (buf == NULL)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (cert_read(buf, len, FILE_CERTS_MAX, request->file, &certs,
	    &err) != 0)
		status = ctl_error(EX_DATAERR, "%s", err.text);
	else if (request->name != NULL && sk_X509_num(certs) > 1)
		status = ctl_error(EX_USAGE, "%s holds %d certificates, "
		    "--name is for one", request->file, sk_X509_num(certs));
	for (i = 0; status == EX_OK && i < sk_X509_num(certs); i++)
		status = add_one(request, sk_X509_value(certs, i));
	sk_X509_pop_free(certs, X509_free);
	OPENSSL_clear_free(buf, len + 1);
	return status == EX_OK ? ctl_finish() : status;
}

static int
add_options(struct request *request, int argc, char **argv)
{
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 'y' },
		{ "incoming", no_argument, NULL, 'i' },
		{ "intermediate", no_argument, NULL, 'm' },
		{ "name", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	bool kind = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'y':
			request->yes = true;
			break;
		case 'i':
		case 'm':
			if (kind)
				return ctl_usage(request->ctl);
			kind = true;
			request->kind = option == 'i' ? TRUSTED_INCOMING :
			    TRUSTED_INTERMEDIATE;
			break;
		case 'n':
			request->name = optarg;
			break;
		default:
			return ctl_usage(request->ctl);
		}
	}
	if (argc - optind != 1)
		return ctl_usage(request->ctl);
	request->file = argv[optind];
	if (request->name != NULL && !is_fit_name(request->name))
		return ctl_error(EX_USAGE, "--name takes the name of a file, "
		    "ending in .pem or .crt, not \"%s\"", request->name);
	return EX_OK;
}

int
trust_add(struct ctl *ctl, int argc, char **argv)
{
	struct request request = { .ctl = ctl, .kind = TRUSTED_ANCHOR };
	int status = add_options(&request, argc, argv);

	if (status != EX_OK)
		return status;
	if (trusted_directory(ctl->conf, request.kind) == NULL)
		return ctl_error(EX_CONFIG, "%s: set %s first: the "
		    "certificate goes there", ctl->conf->file,
		    request.kind == TRUSTED_INCOMING ? "verify.anchors_dir" :
		    "keystore.intermediates_dir");
	return add_file(&request);
}

/* -------------------------------------------------------------- remove --- */

/* 64 hex digits, with colons or without; false: something else. */
static bool
read_fingerprint(const char *text, char out[32 * 3 + 1])
{
	unsigned char octets[32];
	size_t i, step = strlen(text) == 95 ? 3 : 2;
	int high, low;

	if (strlen(text) != 64 && strlen(text) != 95)
		return false;
	for (i = 0; i < sizeof(octets); i++) {
		high = lex_hex((unsigned char)text[i * step]);
		low = lex_hex((unsigned char)text[i * step + 1]);
		if (high == -1 || low == -1)
			return false;
		octets[i] = (unsigned char)(high << 4 | low);
	}
	ctl_hex(octets, sizeof(octets), out);
	return true;
}

struct showing {
	const char	*path;
	size_t		 anchors;	/* elsewhere */
};

static int
show_file(void *arg, const struct trusted_file *file)
{
	struct showing *showing = arg;
	int i, count = file->certs == NULL ? 0 : sk_X509_num(file->certs);

	if (strcmp(file->path, showing->path) != 0) {
		if (file->kind == TRUSTED_ANCHOR)
			showing->anchors += (size_t)count;
		return 0;
	}
	fprintf(stderr, "%s %s\n", trusted_word(file->kind), file->path);
	for (i = 0; i < count; i++)
		authority_print(stderr, sk_X509_value(file->certs, i));
	return 0;
}

static int
remove_file(const struct request *request, const struct search *search)
{
	struct showing showing = { .path = search->path };
	struct smime_error err = { "" };
	int status;

	if (anchors_each(request->ctl->conf, show_file, &showing, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (showing.anchors == 0)
		ctl_error(0, "no anchor is left then: nothing can be signed "
		    "or verified");
	status = confirm(request, search->certs > 1 ?
	    "The file and all of its certificates will be gone. Remove it?" :
	    "Nothing that it vouches for will be believed any more. Remove "
	    "it?");
	if (status != EX_OK)
		return status;
	if (unlink(search->path) == -1)
		return ctl_error(EX_CANTCREAT, "cannot remove %s: %s",
		    search->path, strerror(errno));
	printf("removed %s\n", search->path);
	return ctl_finish();
}

int
trust_remove(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 }
	};
	struct request request = { .ctl = ctl };
	struct search search = { .any_kind = true };
	struct smime_error err = { "" };
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'y')
			return ctl_usage(ctl);
		request.yes = true;
	}
	if (argc - optind != 1)
		return ctl_usage(ctl);
	if (!read_fingerprint(argv[optind], search.sha256))
		search.name = argv[optind];
	if (anchors_each(ctl->conf, search_file, &search, &err) != 0)
		status = ctl_error(EX_NOINPUT, "%s", err.text);
	else if (search.files == 0)
		status = ctl_error(EX_DATAERR, "%s is neither a file nor the "
		    "SHA-256 fingerprint of an authority here; see "
		    "\"sampulctl trust list\"", argv[optind]);
	else if (search.files > 1)
		status = ctl_error(EX_USAGE, "%s is in %u files; give the "
		    "whole name of one", argv[optind], search.files);
	else
		status = remove_file(&request, &search);
	free(search.path);
	return status;
}
