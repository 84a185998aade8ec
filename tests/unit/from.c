/*
 * from.c - tables of From values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"
#include "from.h"

static const char *
word(enum address_result result)
{
	static const char *const words[] = { "OK", "MISSING",
		"SEVERAL_FIELDS", "SEVERAL", "GROUP", "SYNTAX", "ODD_FORM",
		"DISPLAY_NAME", "TOO_LONG" };

	return words[result];
}

enum address_result
from_value(const char *value, size_t len, char *out)
{
	struct header_list list = { 0 };
	enum address_result result;
	char *copy = malloc(len + (len == 0));
	struct header_field field = { (char *)(uintptr_t)"FROM", 4, copy,
		len };

	/* The exact size, without the NUL, so that ASan sees over-reads. */
	assert_non_null(copy);
	memcpy(copy, value, len);
	list.fields = &field;
	list.count = list.allocated = 1;
	result = address_from(&list, out);
	free(copy);
	return result;
}

void
from_run(const struct from_case *cases, size_t count)
{
	char out[ADDRESS_MAX + 1];
	enum address_result got;
	const char *address;
	size_t i, failed = 0;

	for (i = 0; i < count; i++) {
		memset(out, 'x', sizeof(out));
		got = from_value(cases[i].input, strlen(cases[i].input), out);
		address = cases[i].address != NULL ? cases[i].address : BUDI;
		if (cases[i].want != ADDRESS_OK &&
		    cases[i].want != ADDRESS_ODD_FORM &&
		    cases[i].want != ADDRESS_DISPLAY_NAME)
			address = "";
		if (got != cases[i].want || strcmp(out, address) != 0) {
			printf("%s: got %s <%s>, wanted %s <%s>\n",
			    cases[i].what, word(got), out,
			    word(cases[i].want), address);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}
