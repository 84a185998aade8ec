/*
 * harvest.c - certificates of correspondents, kept from mail that they signed.
 *
 * One file for an address,
 *
 *	harvested/dokter@rsud.example.pem
 *
 * with lines that say when it was signed and seen and what the mail program
 * reads, and then the certificate, and others of the message that may be its
 * issuers. The mail process writes here and nowhere else, and it is the only
 * one to write, a thread at a time; a file is replaced whole or not at all.
 *
 * What is kept here is believed no more than any other certificate: all of it
 * is judged again before each use. What is kept out here is only what would
 * let somebody exchange a good certificate for a bad one: whatever does not
 * come with a signature that passed, by a certificate known not to be revoked,
 * and newer than the one before (ENC-04, ENC-24).
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "../smime/smime.h"
#include "conf.h"
#include "encryption.h"
#include "keys/keyfile.h"
#include "log.h"
#include "policy.h"

#define FILE_OCTETS_MAX	(256 * 1024)
#define FILE_CERTS_MAX	16
#define CLOCK_SKEW	300	/* a signer's clock may be ahead of ours */
#define SEEN_EVERY	86400	/* a file is not rewritten for each mail */
#define NUMBER_MAX	253402300799	/* the last second of the year 9999 */

/* --------------------------------------------------------------- reading --- */

/* A number behind a word at the beginning of a line; 0 without, and for one
 * that is neither a time nor a count. */
static int64_t
number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	long long number;

	if (at == NULL || (at != text && at[-1] != '\n'))
		return 0;
	number = strtoll(at + strlen(word), NULL, 10);
	return number < 0 || number > NUMBER_MAX ? 0 : number;
}

void
harvested_clear(struct harvested *harvested)
{
	X509_free(harvested->cert);
	sk_X509_pop_free(harvested->extra, X509_free);
	memset(harvested, 0, sizeof(*harvested));
}

static int
parse(const char *text, size_t len, const char *shown, struct harvested *out,
    struct smime_error *err)
{
	STACK_OF(X509) *certs = NULL;
	int i;

	if (cert_read(text, len, FILE_CERTS_MAX, shown, &certs, err) == -1)
		return -1;
	for (i = 0; i < sk_X509_num(certs); i++)
		X509_check_purpose(sk_X509_value(certs, i), -1, 0);
	ERR_clear_error();
	out->cert = sk_X509_shift(certs);
	out->extra = certs;
	out->signed_at = (time_t)number_after(text, "Signed: ");
	out->seen_at = (time_t)number_after(text, "Seen: ");
	out->capabilities = (unsigned)number_after(text, "Capabilities: ");
	out->changed = (unsigned)number_after(text, "Changed: ");
	return 0;
}

int
harvest_read(const struct conf *conf, const char *address,
    struct harvested *out, struct smime_error *err)
{
	char name[ADDRESS_MAX + 8];
	struct smime_error why = { "" };
	struct owners owners;
	struct stat st;
	size_t len = 0;
	char *buf;
	int fd, rc;

	memset(out, 0, sizeof(*out));
	if (conf->harvest_dir[0] == '\0' || !address_is_safe_name(address))
		return 0;
	owners_init(&owners, conf->user);
	fd = keyfile_folder(AT_FDCWD, conf->harvest_dir, conf->harvest_dir,
	    &owners, &st, &why);
	if (fd == -1)
		return errno == ENOENT ? 0 : smime_error_setx(err, "%s",
		    why.text);
	snprintf(name, sizeof(name), "%s.pem", address);
	buf = keyfile_read(fd, name, name, &owners, KEYFILE_PUBLIC,
	    FILE_OCTETS_MAX, &len, &st, &why);
	rc = errno;
	close(fd);
	if (buf == NULL)
		return rc == ENOENT ? 0 : smime_error_setx(err, "%s",
		    why.text);
	rc = parse(buf, len, name, out, err);
	OPENSSL_clear_free(buf, len + 1);
	return rc;
}

int
harvest_find(void *arg, const struct conf *conf, const char *address,
    struct candidates *out, struct smime_error *err)
{
	struct smime_error why = { "" };
	struct harvested found;
	int rc = 0;

	(void)arg;
	(void)err;
	if (harvest_read(conf, address, &found, &why) == -1) {
		/* Nobody put it there by hand: it may be lost. */
		log_warning("harvested certificate left out: %s", why.text);
		return 0;
	}
	if (found.cert != NULL && found.seen_at + (time_t)conf->harvest_age >
	    time(NULL)) {
		rc = candidates_add(out, found.cert, found.capabilities);
		out->extra = found.extra;
		found.extra = NULL;
	}
	harvested_clear(&found);
	return rc;
}

/* --------------------------------------------------------------- writing --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long kept = -1;		/* files; counted at the first, under lock */

static long
count_all(const char *dir)
{
	const struct dirent *entry;
	long n = 0;
	DIR *open_dir;

	if ((open_dir = opendir(dir)) == NULL)
		return 0;
	while ((entry = readdir(open_dir)) != NULL)
		if (entry->d_name[0] != '.')
			n++;
	closedir(open_dir);
	return n;
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

static int
write_file(int fd, const char *address, const struct harvested *what)
{
	FILE *stream;
	int rc = -1;

	if ((stream = fdopen(fd, "w")) == NULL) {
		close(fd);
		return -1;
	}
	if (fprintf(stream, "Address: %s\nSigned: %" PRId64 "\nSeen: %" PRId64
	    "\nCapabilities: %u\nChanged: %u\n", address,
	    (int64_t)what->signed_at, (int64_t)what->seen_at,
	    what->capabilities, what->changed) > 0 &&
	    write_certs(stream, what->cert, what->extra) == 0 &&
	    fflush(stream) == 0 && fsync(fileno(stream)) == 0)
		rc = 0;
	if (fclose(stream) != 0)
		rc = -1;
	return rc;
}

/* Whole or not at all: a new file, renamed over the old one. */
static int
replace(const struct conf *conf, const char *address,
    const struct harvested *what, struct smime_error *err)
{
	char fresh[4096], name[4096];
	int fd;

	if (snprintf(fresh, sizeof(fresh), "%s/.new", conf->harvest_dir) >=
	    (int)sizeof(fresh) || snprintf(name, sizeof(name), "%s/%s.pem",
	    conf->harvest_dir, address) >= (int)sizeof(name))
		return smime_error_setx(err, "encryption.harvest_dir is too "
		    "long");
	(void)unlink(fresh);	/* of a process that was killed */
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1)
		return smime_error_set(err, "%s", fresh);
	if (write_file(fd, address, what) == -1 ||
	    rename(fresh, name) == -1) {
		(void)smime_error_set(err, "%s", name);
		unlink(fresh);
		return -1;
	}
	return 0;
}

/*
 * Whether something new was said, given what was known; what is then to be
 * kept is put together in next, which borrows. Seen at a time to come: our
 * clock was ahead, and it would not count as old for as long.
 */
static bool
is_news(const struct harvested *known, const struct correspondent *said,
    time_t signed_at, time_t now, struct harvested *next)
{
	bool same = known->cert != NULL &&
	    X509_cmp(known->cert, said->cert) == 0;

	memset(next, 0, sizeof(*next));
	if (known->cert != NULL && signed_at <= known->signed_at)
		return false;
	next->cert = said->cert;
	next->extra = said->extra;
	next->signed_at = signed_at;
	next->seen_at = now;
	next->capabilities = said->has_capabilities ? said->capabilities :
	    same ? known->capabilities : 0;
	next->changed = known->changed + (known->cert != NULL && !same);
	return !same || next->capabilities != known->capabilities ||
	    now - known->seen_at >= SEEN_EVERY || known->seen_at > now;
}

/* A change is for an administrator to see; it may be an attack (ATK-19). */
static void
tell(const char *queue_id, const char *address, const struct harvested *known,
    const struct harvested *next)
{
	char old[SERIAL_TEXT_MAX + 1], fresh[SERIAL_TEXT_MAX + 1];

	cert_serial(next->cert, fresh, sizeof(fresh));
	if (known->cert == NULL) {
		log_info("%s: kept the certificate of %s (serial %s)",
		    queue_id, address, fresh);
	} else if (X509_cmp(known->cert, next->cert) != 0) {
		cert_serial(known->cert, old, sizeof(old));
		log_warning("%s: %s has another certificate now (serial %s, "
		    "before: %s)", queue_id, address, fresh, old);
	}
}

static int
keep(const struct conf *conf, const char *queue_id, const char *address,
    const struct correspondent *said, time_t signed_at, time_t now,
    struct smime_error *err)
{
	struct harvested known, next;
	int rc = 0;

	if (harvest_read(conf, address, &known, err) == -1)
		return -1;
	if (!is_news(&known, said, signed_at, now, &next))
		goto out;
	if (kept == -1)
		kept = count_all(conf->harvest_dir);
	if (known.cert == NULL && kept >= (long)conf->harvest_max) {
		rc = smime_error_setx(err, "there are %ld already "
		    "(encryption.harvest_max)", kept);
		goto out;
	}
	rc = replace(conf, address, &next, err);
	if (rc == 0 && known.cert == NULL)
		kept++;
	if (rc == 0)
		tell(queue_id, address, &known, &next);
out:
	harvested_clear(&known);
	return rc;
}

/* Whether something is kept of this From address at all. */
static bool
is_wanted(const struct conf *conf, const char *address)
{
	return conf->harvest_dir[0] != '\0' && address[0] != '\0' &&
	    conf->mode == MODE_ENFORCE && !conf_is_ours(conf, address) &&
	    address_is_safe_name(address) &&
	    string_list_matches(&conf->harvest_from, address);
}

void
harvest_keep(const struct conf *conf, const char *queue_id,
    const struct verdict *verdict, const struct correspondent *said,
    time_t now)
{
	struct smime_error err = { "" };
	int rc;

	if (verdict->word != VERDICT_PASS || said->cert == NULL ||
	    verdict->signing_time == 0 ||
	    verdict->signing_time > now + CLOCK_SKEW ||
	    !is_wanted(conf, verdict->from))
		return;
	pthread_mutex_lock(&lock);
	rc = keep(conf, queue_id, verdict->from, said, verdict->signing_time,
	    now, &err);
	pthread_mutex_unlock(&lock);
	if (rc == -1)
		log_warning("%s: the certificate of %s is not kept: %s",
		    queue_id, verdict->from, err.text);
}
