/*
 * fuzz_address.c - values of From and envelope addresses. Whatever is accepted
 * is short, clean and its own canonical form.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_canonical(const char *address)
{
	char again[ADDRESS_MAX + 1];
	const char *p;

	check(strlen(address) <= ADDRESS_MAX);
	check(address_domain(address) != NULL);
	for (p = address; *p != '\0'; p++)
		check((unsigned char)*p >= 0x20 && *p != 0x7f);
	check(address_canonical(address, strlen(address), again));
	check(strcmp(address, again) == 0);
	if (address_is_safe_name(address))
		check(strstr(address, "..") == NULL &&
		    strchr(address, '/') == NULL && address[0] != '.');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct header_list list = { 0 };
	char out[ADDRESS_MAX + 1];

	if (header_add(&list, "From", 4, (const char *)data, len, 0, NULL) ==
	    0 && address_from(&list, out) == ADDRESS_OK)
		check_canonical(out);
	header_clear(&list);
	if (address_canonical((const char *)data, len, out))
		check_canonical(out);
	else
		check(out[0] == '\0');
	return 0;
}
