/*
 * smime.h - Sampul's S/MIME library: bytes in, bytes or a verdict out.
 *
 *	smime_base.h	errors, text from outside, the body store, digests
 *	smime_header.h	header fields and what is read from them
 *	smime_canon.h	an outgoing message as it is signed
 *	smime_cert.h	certificates and private keys
 *	smime_trust.h	anchors, revocation lists, paths
 *	smime_sign.h	signing, the check of it, the signed message
 *	smime_encrypt.h	who can read what, and the envelope
 *	smime_verify.h	the verdict on a message that came in
 *
 * Callers include this file; the other headers beside it are the library's own.
 *
 * Conventions, said once:
 *
 * - Functions that can fail return 0 or -1 (constructors: a pointer or NULL)
 *   and leave one sentence in the struct smime_error they were given. The
 *   first, most specific sentence is kept. The library never prints, exits or
 *   aborts, and knows no milter, no configuration file and no syslog.
 * - "borrowed" means: stays the property of, and lives as long as, what it was
 *   taken from. Everything a constructor returns is freed by its _free
 *   function, which takes NULL.
 * - Lengths are in octets and follow their pointer. Text from outside is never
 *   assumed to end in NUL.
 * - No function keeps writable global state: each may be called from any
 *   thread as long as one object is used by one thread at a time. Objects that
 *   threads may share say so.
 */
#ifndef SAMPUL_SMIME_H
#define SAMPUL_SMIME_H

#include "smime_base.h"
#include "smime_canon.h"
#include "smime_cert.h"
#include "smime_encrypt.h"
#include "smime_header.h"
#include "smime_sign.h"
#include "smime_trust.h"
#include "smime_verify.h"

#endif
