/*
 * anchors.h - the folders of certificates and lists that are trusted.
 */
#ifndef SAMPUL_ANCHORS_H
#define SAMPUL_ANCHORS_H

#include <openssl/x509.h>

#include "../../smime/smime.h"
#include "../conf.h"

/* ----------------------------------------------------------- anchors.c --- */

enum trusted_kind {
	TRUSTED_ANCHOR,
	TRUSTED_INCOMING,	/* an anchor, for incoming mail alone */
	TRUSTED_INTERMEDIATE,	/* completes a path, is never its end */
	TRUSTED_CRL
};

/* One file in one of the folders; everything borrowed. */
struct trusted_file {
	enum trusted_kind	 kind;
	const char		*path;
	STACK_OF(X509)		*certs;
	X509_CRL		*crl;	/* of TRUSTED_CRL alone */
	const char		*why;	/* why it is left out; then neither */
};

/* "anchor", "incoming-anchor", "intermediate", "crl". */
const char *trusted_word(enum trusted_kind kind);
/* The folder of a kind, or NULL where the configuration names none. */
const char *trusted_directory(const struct conf *conf,
	    enum trusted_kind kind);
/*
 * Shows each every file that counts, kind by kind, in order of their names;
 * ends when it does not return 0. Fails when a folder of certificates cannot
 * be read.
 */
int	 anchors_each(const struct conf *conf,
	    int (*each)(void *arg, const struct trusted_file *file), void *arg,
	    struct smime_error *err);
/*
 * Anchors and intermediates of the configuration (*.pem, *.crt, *.cer, *.der)
 * and revocation lists (*.pem, *.crl). A file that cannot be used is logged and
 * left out; fails without any anchor.
 */
struct trust *anchors_load(const struct conf *conf, struct smime_error *err);

#endif
