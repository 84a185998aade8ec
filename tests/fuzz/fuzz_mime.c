/*
 * fuzz_mime.c - Content-Type and Content-Transfer-Encoding values. What hp is
 * put into keeps its meaning.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_same(const struct mime_type *a, const struct mime_type *b)
{
	check(a->valid && b->valid);
	check(strcmp(a->type, b->type) == 0);
	check(strcmp(a->subtype, b->subtype) == 0);
	check(a->boundary_len == b->boundary_len);
	check(memcmp(a->boundary, b->boundary, a->boundary_len) == 0);
	check(strcmp(a->charset, b->charset) == 0);
	check(strcmp(a->name, b->name) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *value = (const char *)data;
	struct mime_type type, again;
	char *hp, *without;

	mime_encoding_parse(value, len);
	mime_type_parse(value, len, &type);
	check(type.boundary_len == strlen(type.boundary));
	if ((hp = mime_type_with_hp(value, len, "clear")) == NULL)
		return 0;
	check(strchr(hp, '\r') == NULL);
	mime_type_parse(hp, strlen(hp), &again);
	check_same(&type, &again);
	check(again.has_hp);
	check((without = mime_type_with_hp(hp, strlen(hp), NULL)) != NULL);
	mime_type_parse(without, strlen(without), &again);
	check_same(&type, &again);
	check(!again.has_hp);
	free(without);
	free(hp);
	return 0;
}
