/*
 * signing.h - a mailbox of the tests' PKI that signs.
 */
#ifndef SAMPUL_TEST_SIGNING_H
#define SAMPUL_TEST_SIGNING_H

#include "../../smime/smime.h"

/* Mailbox NAME of pki.h, with the issuing authority's certificate behind it;
 * freed with signer_free. */
struct signer *signing_by(const char *name);
/*
 * A message that openssl signed for it, with its MIME-Version and Content-Type
 * behind header; content is an entity. Freed with free.
 */
char	*signing_mail(const char *name, const char *header,
	    const char *content, bool is_opaque);

#endif
