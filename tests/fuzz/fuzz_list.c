/*
 * fuzz_list.c - values of To and Cc, and whether they name a recipient. Must
 * hold: who stands at the front is named, whatever follows; the only mailbox
 * of a field is; nothing in a quoted string or a comment is anybody.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BUDI	"budi@a.id"
#define SITI	"siti@b.id"

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_shown(const char *name, const char *value, size_t len, const char *address)
{
	struct header_list list = { 0 };
	bool shown;

	check(header_add(&list, name, strlen(name), value, len, 0, NULL) == 0);
	shown = address_is_shown(&list, address);
	header_clear(&list);
	return shown;
}

/* first, then the data with a '\' before each octet of special, then last. */
static char *
wrap(const char *first, const uint8_t *data, size_t len, const char *special,
    const char *last, size_t *out_len)
{
	char *out = malloc(strlen(first) + 2 * len + strlen(last) + 1);
	size_t i, n = strlen(first);

	check(out != NULL);
	memcpy(out, first, n);
	for (i = 0; i < len; i++) {
		if (data[i] != '\0' && strchr(special, data[i]) != NULL)
			out[n++] = '\\';
		out[n++] = (char)data[i];
	}
	memcpy(out + n, last, strlen(last) + 1);
	*out_len = n + strlen(last);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char only[ADDRESS_MAX + 1], *text;
	size_t n;

	is_shown("To", (const char *)data, len, BUDI);
	if (address_mailbox((const char *)data, len, only))
		check(is_shown("Cc", (const char *)data, len, only));
	text = wrap(BUDI ", ", data, len, "", "", &n);
	check(is_shown("to", text, n, BUDI));
	check(!is_shown("Bcc", text, n, BUDI));
	free(text);
	text = wrap("kepala: <" BUDI ">;", data, len, "", "", &n);
	check(is_shown("Cc", text, n, BUDI));
	free(text);
	text = wrap("\"", data, len, "\"\\", "\" <" SITI ">", &n);
	check(!is_shown("To", text, n, BUDI));
	free(text);
	text = wrap("(", data, len, "()\\", ") " SITI, &n);
	check(!is_shown("To", text, n, BUDI));
	free(text);
	return 0;
}
