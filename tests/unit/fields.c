/*
 * fields.c - the fields of a verdict. In a file of its own, for what it needs
 * of the milter has names in common with the library's inside.
 */
#include <stdio.h>
#include <string.h>

#include "../../milter/incoming.h"
#include "../../smime/smime.h"
#include "fields.h"

bool
fields_say_good(const struct verdict *verdict, char *text, size_t size)
{
	char verified[RESULTS_MAX], results[RESULTS_MAX] = "";

	results_verified(verdict, true, true, verified);
	(void)results_authres(verdict, "mx.example", true, results);
	snprintf(text, size, "%s\n%s", verified, results);
	return strncmp(verified, "verified", 8) == 0 ||
	    strstr(verified, "address=") != NULL ||
	    strstr(results, "smime=pass") != NULL;
}

void
fields_good(struct verdict *out)
{
	memset(out, 0, sizeof(*out));
	out->word = VERDICT_PASS;
	out->reason = VERIFY_GOOD;
	out->has_signer = out->validated = out->matches = true;
	snprintf(out->part, sizeof(out->part), "2");
	snprintf(out->from, sizeof(out->from), FIELDS_BUDI);
	snprintf(out->identifier, sizeof(out->identifier), FIELDS_BUDI);
	snprintf(out->serial, sizeof(out->serial), "0A1B");
	snprintf(out->issuer, sizeof(out->issuer), "CN=Penerbit,C=ID");
	snprintf(out->issuer_name, sizeof(out->issuer_name), "Penerbit");
	snprintf(out->common_name, sizeof(out->common_name), "Budi");
	snprintf(out->organisation, sizeof(out->organisation), "Pemkab");
	out->layer_count = 1;
	out->layers[0].word = VERDICT_PASS;
	out->layers[0].reason = VERIFY_GOOD;
}
