/*
 * signing.h - a mailbox of the tests' PKI that signs.
 */
#ifndef SAMPUL_TEST_SIGNING_H
#define SAMPUL_TEST_SIGNING_H

#include "../../smime/smime.h"

/* Mailbox NAME of pki.h, with the issuing authority's certificate behind it;
 * freed with signer_free. */
struct signer *signing_by(const char *name);

#endif
