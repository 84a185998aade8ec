/*
 * fuzz_key.c - key files of any form; a passphrase for every second one, for
 * that is slow work.
 */
#include "../../smime/smime.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smime_error err = { "" };
	bool encrypted;
	EVP_PKEY *key;

	key = key_read(data, size, size % 2 ? "rahasia" : NULL,
	    size % 2 ? 7 : 0, "input", &encrypted, &err);
	if ((key == NULL) != (err.text[0] != '\0'))
		__builtin_trap();
	EVP_PKEY_free(key);
	return 0;
}
