/*
 * pki.c - certificates and programs for the unit tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "pki.h"

#define WORDS_MAX	24

static char directory[256];

static int
collect(const char **words, int n, va_list ap)
{
	while (n < WORDS_MAX - 1 &&
	    (words[n] = va_arg(ap, const char *)) != NULL)
		n++;
	words[n] = NULL;
	return n;
}

/* Standard error is kept: it says why a test could not begin. */
static int
run(const char *const *words, int quiet)
{
	const char *log = pki_path("run.log");
	int fd, status;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		dup2(open("/dev/null", O_RDWR), 0);
		fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		if (quiet)
			dup2(fd, 2);
		execvp(words[0], (char *const *)(uintptr_t)words);
		_exit(127);
	}
	if (pid == -1)
		fail_msg("fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fail_msg("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int
pki_run(const char *program, ...)
{
	const char *words[WORDS_MAX] = { program };
	va_list ap;

	va_start(ap, program);
	collect(words, 1, ap);
	va_end(ap);
	return run(words, 1);
}

int
pki_runv(const char *const *words)
{
	return run(words, 1);
}

void
pki_show(void)
{
	char *text, *line, *save;
	size_t len;

	text = read_whole(pki_path("run.log"), &len);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save))
		print_error("# %s\n", line);
	free(text);
}

void
pki_make(const char *word, ...)
{
	const char *words[WORDS_MAX] = { "tests/pki/make-pki", directory,
	    word };
	va_list ap;
	int status;

	va_start(ap, word);
	if (word != NULL)
		collect(words, 3, ap);
	va_end(ap);
	if ((status = run(words, 0)) != 0)
		fail_msg("make-pki %s ended with %d", word != NULL ? word : "",
		    status);
}

void
pki_mailbox(const char *name, const char *type, const char *profile)
{
	pki_make("mailbox", BUDI, type, pki_path("%s", name), profile, NULL);
}

int
pki_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/sampul-test.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(directory) == NULL)
		fail_msg("%s: %s", directory, strerror(errno));
	pki_make(NULL, NULL);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int
pki_teardown(void **state)
{
	(void)state;
	return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
pki_path(const char *fmt, ...)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];
	va_list ap;
	int n;

	n = snprintf(path, sizeof(paths[0]), "%s/", directory);
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

char *
read_whole(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *buf = NULL;
	size_t n, size = 0;

	if (f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	*len = 0;
	do {
		size += 65536;
		buf = realloc(buf, size + 1);
		assert_non_null(buf);
		n = fread(buf + *len, 1, size - *len, f);
		*len += n;
	} while (*len == size);
	fclose(f);
	buf[*len] = '\0';
	return buf;
}

void
write_whole(const char *path, const void *buf, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (f == NULL || fwrite(buf, 1, len, f) != len || fclose(f) != 0)
		fail_msg("%s: %s", path, strerror(errno));
}

X509 *
load_cert(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	if (cert == NULL)
		fail_msg("%s: no certificate", path);
	BIO_free(bio);
	return cert;
}

EVP_PKEY *
load_key(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	if (key == NULL)
		fail_msg("%s: no private key", path);
	BIO_free(bio);
	return key;
}

X509 *
pki_cert(const char *name)
{
	return load_cert(pki_path("%s", name));
}

X509 *
pki_mailbox_cert(const char *name)
{
	return load_cert(pki_path("%s/cert.pem", name));
}

EVP_PKEY *
pki_mailbox_key(const char *name)
{
	return load_key(pki_path("%s/key.pem", name));
}

/* ECPrivateKey (RFC 5915 3): SEQUENCE, version, and the number's OCTET STRING,
 * whose value begins with the eighth octet for the curves used here. */
void
pki_damage_key(const char *name)
{
	EVP_PKEY *key = pki_mailbox_key(name);
	unsigned char *der = NULL;
	const unsigned char *p;
	int len;
	FILE *out;

	assert_true(EVP_PKEY_is_a(key, "EC"));
	len = i2d_PrivateKey(key, &der);
	assert_true(len > 30);
	der[20] ^= 1;
	EVP_PKEY_free(key);
	p = der;
	key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, len);
	assert_non_null(key);
	out = fopen(pki_path("%s/key.pem", name), "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL,
	    NULL), 1);
	assert_int_equal(fclose(out), 0);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
}

STACK_OF(X509) *
pki_push(STACK_OF(X509) *list, X509 *cert)
{
	if (list == NULL)
		list = sk_X509_new_null();
	assert_true(sk_X509_push(list, cert) > 0);
	return list;
}

void
pki_oaep(const char *name)
{
	X509 *cert = pki_mailbox_cert(name);
	EVP_PKEY *issuer = load_key(pki_path("issuing.key"));
	X509_PUBKEY *public = X509_get_X509_PUBKEY(cert);
	const unsigned char *key;
	FILE *out;
	int len;

	assert_int_equal(X509_PUBKEY_get0_param(NULL, &key, &len, NULL,
	    public), 1);
	assert_int_equal(X509_PUBKEY_set0_param(public,
	    OBJ_nid2obj(NID_rsaesOaep), V_ASN1_UNDEF, NULL,
	    OPENSSL_memdup(key, (size_t)len), len), 1);
	assert_true(X509_sign(cert, issuer, EVP_sha256()) > 0);
	out = fopen(pki_path("%s/cert.pem", name), "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	assert_int_equal(fclose(out), 0);
	EVP_PKEY_free(issuer);
	X509_free(cert);
}
