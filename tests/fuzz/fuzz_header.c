/*
 * fuzz_header.c - header blocks, and all that looks at a whole list.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/entity.h"
#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct header_list list = { 0 }, copy = { 0 };
	char out[ADDRESS_MAX + 1];
	struct header_field *field;
	size_t i, used;
	bool body;

	if (header_parse(&list, data, len, 65536, &used, &body, NULL) == 0) {
		check(used <= len);
		check(!body || data[used - 1] == '\n');
	}
	for (i = 0; i < list.count; i++) {
		field = &list.fields[i];
		check(field->name_len > 0);
		check(header_count(&list, field->name) > 0);
		check(header_add(&copy, field->name, field->name_len,
		    field->value, field->value_len, 0, NULL) == 0);
		check(copy.fields[i].value_len == field->value_len);
		check(memcmp(copy.fields[i].value, field->value,
		    field->value_len) == 0);
		protect_wants(field);
	}
	address_from(&list, out);
	mime_protection(&list);
	mime_media_type(&list, out, sizeof(out));
	header_clear(&list);
	header_clear(&copy);
	return 0;
}
