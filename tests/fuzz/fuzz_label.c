/*
 * fuzz_label.c - a field that may say that a message is secret; the first octet
 * says which. Must hold: a tag in front of the Subject is found whatever
 * follows it, and taking a tag out takes nothing else and leaves a field.
 */
#include <stdlib.h>
#include <string.h>

#include "../../milter/conf.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char *tags[] = { (char []){ "[T]" }, (char []){ "[SR]" },
	(char []){ "[Sangat Rahasia]" }, (char []){ "RAHASIA:" } };
static char *labels[] = { (char []){ "R" }, (char []){ "SR" },
	(char []){ "Sangat Rahasia" } };
static char *fields[] = { (char []){ "Sifat" }, (char []){ "X-Klasifikasi" } };
static const char *const names[] = { "Subject", "Sifat", "X-Klasifikasi" };

static const struct conf conf = {
	.labels = { labels, 3 }, .label_fields = { fields, 2 },
	.subject_tags = { tags, 4 },
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
add(struct header_list *list, const char *name, const char *front,
    const uint8_t *data, size_t len)
{
	size_t n = strlen(front);
	char *value = malloc(n + len + 1);

	check(value != NULL);
	memcpy(value, front, n);
	memcpy(value + n, data, len);
	check(header_add(list, name, strlen(name), value, n + len, 0, NULL) ==
	    0);
	free(value);
}

/* A line of white space alone, which RFC 5322 3.2.2 forbids to make. */
static bool
has_blank_line(const char *value)
{
	for (; (value = strchr(value, '\n')) != NULL; value++)
		if (value[1 + strspn(value + 1, " \t\r")] == '\n' ||
		    value[1 + strspn(value + 1, " \t\r")] == '\0')
			return true;
	return false;
}

static void
check_removal(struct header_list *list, const char *tag)
{
	struct header_field *field = &list->fields[0];
	size_t i, len = field->value_len, bytes = list->bytes;
	char *before = malloc(len + 1);
	bool blank;

	check(before != NULL);
	memcpy(before, field->value, len + 1);
	blank = has_blank_line(before);
	if (!label_remove_tag(list, tag)) {
		check(field->value_len == len &&
		    memcmp(field->value, before, len) == 0);
		free(before);
		return;
	}
	check(strlen(field->value) == field->value_len);
	check(len - field->value_len >= strlen(tag));
	check(bytes - list->bytes == len - field->value_len);
	check(blank || !has_blank_line(field->value));
	for (i = 0; before[i] == field->value[i] && before[i] != '\0'; i++)
		continue;
	/* What is left is a beginning and an end of what was there. */
	check(strcmp(field->value + i, before + len -
	    (field->value_len - i)) == 0);
	free(before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct header_list list = { 0 };
	const char *found, *name;
	size_t i;

	if (len == 0)
		return 0;
	name = names[data[0] % 3];
	add(&list, name, "", data + 1, len - 1);
	found = label_find(&conf, &list);
	for (i = 0; found != NULL && i < 4; i++)
		if (found == tags[i]) {
			check(strcmp(name, "Subject") == 0);
			check_removal(&list, found);
		}
	header_clear(&list);
	add(&list, "Subject", " [SR] ", data + 1, len - 1);
	check(label_find(&conf, &list) != NULL);
	if (memchr(data + 1, '\0', len - 1) == NULL)
		check_removal(&list, "[SR]");
	header_clear(&list);
	return 0;
}
