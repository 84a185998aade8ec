/*
 * fields.c - the fields of a verdict. In a file of its own, for what it needs
 * of the milter has names in common with the library's inside.
 */
#include <stdio.h>
#include <string.h>

#include "../../milter/incoming.h"
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
