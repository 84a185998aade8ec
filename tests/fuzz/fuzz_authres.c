/*
 * fuzz_authres.c - Authentication-Results values. What begins plainly with our
 * id and a result of smime is forged, whatever follows it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/editplan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define PLAIN	"mail.a.id; smime=pass"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *value = malloc(len + sizeof(PLAIN));

	if (value == NULL)
		return 0;
	authres_is_forged((const char *)data, len, "mail.a.id");
	memcpy(value, PLAIN, sizeof(PLAIN) - 1);
	if (len > 0)
		memcpy(value + sizeof(PLAIN) - 1, data, len);
	if (!authres_is_forged(value, sizeof(PLAIN) - 1 + len, "MAIL.A.ID"))
		abort();
	free(value);
	return 0;
}
