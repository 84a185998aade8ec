/*
 * load.c - what libcrypto takes from files, taken once and at a known time.
 */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "smime_base.h"

/*
 * The configuration file and with it its providers, which libcrypto otherwise
 * reads at the first call that needs them, and the digests. A byte of randomness makes the
 * generators, each of which would ask for its seed later.
 */
void
smime_load(void)
{
	unsigned char octet;

	(void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
	    OPENSSL_INIT_ADD_ALL_DIGESTS, NULL);
	(void)smime_digest_md(SMIME_SHA256);
	(void)RAND_bytes(&octet, 1);
	(void)RAND_priv_bytes(&octet, 1);
}
