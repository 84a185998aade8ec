/*
 * apart.c - a PKCS#12 file, read in a process that is thrown away.
 *
 * The file comes from somebody's mail or a web page, and decoding it is a
 * good part of OpenSSL's old and seldom used code. So a child does it that has
 * no file to open, no call but for memory and its end of a pipe, a ceiling on
 * its memory and on its time: a file may ask for a million rounds of hashing.
 * What it says is taken as hostile; it is a key and certificates in DER, which
 * go through the same checks as any others.
 *
 *	'P'				it needs a passphrase
 *	'E' sentence			what is wrong with it
 *	'K' (length, DER)...		the key, then the certificates
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "../keys/unlock.h"
#include "../sandbox.h"
#include "import.h"

#define ANSWER_MAX	(1024 * 1024)
#define WAIT_MAX	60	/* seconds; of processor time it has fewer */

/* -------------------------------------------------------- in the child --- */

static void
put(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n <= 0)
			_exit(1);
		p += n;
		len -= (size_t)n;
	}
}

static void
put_der(int fd, unsigned char *der, int len)
{
	unsigned char head[4];
	unsigned i;

	if (len <= 0)
		_exit(1);
	for (i = 0; i < sizeof(head); i++)
		head[i] = (unsigned char)(len >> (24 - 8 * i));
	put(fd, head, sizeof(head));
	put(fd, der, (size_t)len);
	OPENSSL_clear_free(der, (size_t)len);
}

static void
put_material(int fd, const struct material *material)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(material->key);
	unsigned char *der = NULL;
	int i, len;

	put(fd, "K", 1);
	len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	put_der(fd, der, len);
	PKCS8_PRIV_KEY_INFO_free(info);
	for (i = -1; i < sk_X509_num(material->extra); i++) {
		der = NULL;
		len = i2d_X509(i == -1 ? material->cert :
		    sk_X509_value(material->extra, i), &der);
		put_der(fd, der, len);
	}
}

static void __attribute__((noreturn))
child(int fd, const char *buf, size_t len, const char *pass, size_t pass_len)
{
	struct material material = { 0 };
	struct smime_error err = { "" };
	enum p12_result result = P12_FAILED;

	p12_prepare();
	if (sandbox_apart(&err) == 0)
		result = p12_read(&material, buf, len, pass, pass_len, &err);
	if (result == P12_READ) {
		put_material(fd, &material);
	} else if (result == P12_NEEDS_PASSPHRASE) {
		put(fd, "P", 1);
	} else {
		put(fd, "E", 1);
		put(fd, err.text, strlen(err.text));
	}
	material_clear(&material);
	_exit(0);
}

/* ------------------------------------------------------- in the parent --- */

/* All that it says until it ends; -1 when it takes too long or too much. */
static int
hear(int fd, unsigned char *buf, size_t *len, struct smime_error *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t until = steady_ms() + WAIT_MAX * 1000;
	ssize_t n;

	for (*len = 0; *len < ANSWER_MAX; *len += (size_t)n) {
		if (steady_ms() > until)
			return smime_error_setx(err, "reading it takes too "
			    "long");
		n = 0;
		if (poll(&pfd, 1, 1000) <= 0)
			continue;
		n = read(fd, buf + *len, ANSWER_MAX - *len);
		if (n == 0)
			return 0;
		if (n == -1 && errno == EINTR)
			n = 0;
		if (n == -1)
			return smime_error_set(err, "reading it");
	}
	return smime_error_setx(err, "it holds too much");
}

/* The next DER of the answer; NULL when there is none or it is cut off. */
static const unsigned char *
next_der(const unsigned char **p, const unsigned char *end, long *len)
{
	const unsigned char *der;

	if (end - *p < 4)
		return NULL;
	*len = (long)(*p)[0] << 24 | (long)(*p)[1] << 16 |
	    (long)(*p)[2] << 8 | (*p)[3];
	der = *p + 4;
	if (*len > end - der)
		return NULL;
	*p = der + *len;
	return der;
}

static EVP_PKEY *
take_key(const unsigned char *der, long len)
{
	PKCS8_PRIV_KEY_INFO *info;
	EVP_PKEY *key = NULL;

	info = der == NULL ? NULL : d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, len);
	if (info != NULL)
		key = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return key;
}

static int
take_material(struct material *out, const unsigned char *p, size_t size,
    struct smime_error *err)
{
	const unsigned char *end = p + size, *der;
	STACK_OF(X509) *certs = sk_X509_new_null();
	X509 *cert;
	long len = 0;

	der = next_der(&p, end, &len);
	out->key = take_key(der, len);
	while (certs != NULL && out->key != NULL &&
	    (der = next_der(&p, end, &len)) != NULL) {
		cert = d2i_X509(NULL, &der, len);
		if (cert == NULL || sk_X509_push(certs, cert) == 0) {
			X509_free(cert);
			break;
		}
	}
	ERR_clear_error();
	if (certs == NULL || out->key == NULL || p != end) {
		sk_X509_pop_free(certs, X509_free);
		return smime_error_setx(err, "it cannot be read");
	}
	return material_adopt(out, certs, err);
}

/* How it ended matters only when it said nothing. */
static void
blame(int status, struct smime_error *err)
{
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU ||
	    WTERMSIG(status) == SIGKILL))
		smime_error_setx(err, "reading it takes too long");
	else if (WIFSIGNALED(status))
		smime_error_setx(err, "reading it ended by signal %d: it may "
		    "be made to do harm", WTERMSIG(status));
	else
		smime_error_setx(err, "it cannot be read");
}

static enum p12_result
understand(struct material *out, const unsigned char *buf, size_t len,
    int status, struct smime_error *err)
{
	char text[SMIME_ERROR_MAX];

	if (len == 1 && buf[0] == 'P')
		return P12_NEEDS_PASSPHRASE;
	if (len > 1 && buf[0] == 'K' && status == 0)
		return take_material(out, buf + 1, len - 1, err) == 0 ?
		    P12_READ : P12_FAILED;
	if (len > 1 && buf[0] == 'E')
		smime_error_setx(err, "%s", smime_printable(buf + 1, len - 1,
		    text, sizeof(text)));
	else
		blame(status, err);
	return P12_FAILED;
}

enum p12_result
p12_read_apart(struct material *out, const char *buf, size_t len,
    const char *pass, size_t pass_len, struct smime_error *err)
{
	enum p12_result result = P12_FAILED;
	unsigned char *answer;
	size_t answer_len = 0;
	int fds[2], status = -1;
	pid_t pid;

	if ((answer = OPENSSL_zalloc(ANSWER_MAX)) == NULL ||
	    pipe(fds) == -1) {
		OPENSSL_free(answer);
		smime_error_set(err, "a process to read it");
		return P12_FAILED;
	}
	if ((pid = fork()) == 0) {
		close(fds[0]);
		child(fds[1], buf, len, pass, pass_len);
	}
	close(fds[1]);
	if (pid == -1)
		smime_error_set(err, "a process to read it");
	else if (hear(fds[0], answer, &answer_len, err) == -1)
		kill(pid, SIGKILL);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (err->text[0] == '\0')
		result = understand(out, answer, answer_len, status, err);
	OPENSSL_clear_free(answer, ANSWER_MAX);
	return result;
}
