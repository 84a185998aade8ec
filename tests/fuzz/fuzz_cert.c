/*
 * fuzz_cert.c - certificates from anywhere: read, questioned, described.
 */
#include <string.h>

#include "../../smime/smime.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing but a canonical address may come out (CRT-34). */
static void
each(void *arg, const char *address)
{
	char again[ADDRESS_MAX + 1];

	(void)arg;
	if (!address_canonical(address, strlen(address), again) ||
	    strcmp(address, again) != 0)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smime_error err = { "" };
	struct cert_findings findings;
	STACK_OF(X509) *list;
	char text[200];
	X509 *cert;
	int i;

	if (cert_read(data, size, 8, "input", &list, &err) != 0) {
		if (err.text[0] == '\0')
			__builtin_trap();
		return 0;
	}
	for (i = 0; i < sk_X509_num(list); i++) {
		cert = sk_X509_value(list, i);
		cert_check_signing(cert, "budi@dinkes.pekalongankab.go.id",
		    1795345179, &findings);
		cert_each_email(cert, each, NULL);
		cert_common_name(cert, text, 1 + size % sizeof(text));
		cert_subject(cert, text, 1 + size % sizeof(text));
		cert_serial(cert, text, 1 + size % sizeof(text));
		cert_key_name(cert, text, sizeof(text));
		cert_digest(cert);
	}
	sk_X509_pop_free(list, X509_free);
	return 0;
}
