/*
 * pki.h - a PKI of tests/pki/make-pki for the unit tests that need one, in a
 * directory of its own under TMPDIR. All of it fails the test by itself.
 */
#ifndef SAMPUL_TEST_PKI_H
#define SAMPUL_TEST_PKI_H

#include <stddef.h>

#include <openssl/x509.h>

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define SITI	"siti@dinkes.pekalongankab.go.id"

/* For cmocka's group setup and teardown. */
int	 pki_setup(void **state);
int	 pki_teardown(void **state);
/* Path below the directory; one of four static buffers, used in turn. */
const char *pki_path(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* Runs make-pki DIR with these words, up to NULL. */
void	 pki_make(const char *word, ...) __attribute__((sentinel));
/* Makes BUDI's mailbox of that type and profile in NAME, for pki_cert(). */
void	 pki_mailbox(const char *name, const char *type, const char *profile);
/*
 * Runs a program; returns its exit status. Its output is kept until the next
 * one runs, for pki_show.
 */
int	 pki_run(const char *program, ...) __attribute__((sentinel));
int	 pki_runv(const char *const *words);
void	 pki_show(void);

char	*read_whole(const char *path, size_t *len);
void	 write_whole(const char *path, const void *buf, size_t len);

/* The first certificate of a file below the directory. */
X509	*pki_cert(const char *name);
/* NAME/cert.pem and NAME/key.pem. */
X509	*pki_mailbox_cert(const char *name);
EVP_PKEY *pki_mailbox_key(const char *name);
/*
 * Flips a bit of the private number in NAME/key.pem, of an EC key, and leaves
 * the public half as it is.
 */
void	 pki_damage_key(const char *name);
/*
 * Issues NAME's certificate, for an RSA key, again with a key of type
 * id-RSAES-OAEP (RFC 4055), which no tool of OpenSSL does.
 */
void	 pki_oaep(const char *name);
/* A stack with one certificate more; made when list is NULL. */
STACK_OF(X509) *pki_push(STACK_OF(X509) *list, X509 *cert);
/* Certificate or key from anywhere, PEM. */
X509	*load_cert(const char *path);
EVP_PKEY *load_key(const char *path);

#endif
