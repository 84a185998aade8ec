/*
 * test_header.c - header fields: adding, finding, reading a block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/smime.h"

/* The list as one text: "name|value\n" with LF in values as "~". */
static char *
dump(const struct header_list *list)
{
	char *out = calloc(1, list->bytes + list->count * 2 + 1), *p = out;
	size_t i, k;

	assert_non_null(out);
	for (i = 0; i < list->count; i++) {
		memcpy(p, list->fields[i].name, list->fields[i].name_len);
		p += list->fields[i].name_len;
		*p++ = '|';
		for (k = 0; k < list->fields[i].value_len; k++)
			*p++ = list->fields[i].value[k] == '\n' ? '~' :
			    list->fields[i].value[k];
		*p++ = '\n';
	}
	return out;
}

/* Parses a copy that ends where the text ends, so that ASan sees over-reads. */
static int
parse(struct header_list *list, const char *text, size_t len, size_t max,
    size_t *used, bool *body, struct smime_error *err)
{
	char *copy = malloc(len + (len == 0));
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = header_parse(list, copy, len, max, used, body, err);
	free(copy);
	return rc;
}

static const struct {
	const char	*what;
	const char	*input;
	const char	*want;
	const char	*rest;		/* what is not consumed */
	bool		 body;
} blocks[] = {
	{ "one field", "Subject: Undangan\r\n\r\nIsi", "Subject| Undangan\n",
	    "Isi", true },
	{ "LF line ends", "A: 1\nB: 2\n\nx", "A| 1\nB| 2\n", "x", true },
	{ "no empty line (MTA-40)", "A: 1\r\nB:2\r\n", "A| 1\nB|2\n", "",
	    false },
	{ "no line end", "A: 1", "A| 1\n", "", false },
	{ "nothing", "", "", "", false },
	{ "no header", "\r\nbody", "", "body", true },
	{ "only CR", "\r", "", "\r", false },
	{ "fold", "A: 1\r\n\t2\r\n 3\r\nB: x\r\n\r\n", "A| 1~\t2~ 3\nB| x\n",
	    "", true },
	{ "fold at the end", "A: 1\n 2", "A| 1~ 2\n", "", false },
	{ "a fold of white space", "A: 1\n \nB: 2\n\n", "A| 1~ \nB| 2\n", "",
	    true },
	{ "fold without a field", " A: 1\n\n", "", " A: 1\n\n", false },
	{ "empty value", "A:\r\nB: \r\n\r\n", "A|\nB| \n", "", true },
	{ "space before the colon", "A : 1\nB\t: 2\n\n", "A| 1\nB| 2\n", "",
	    true },
	{ "space in the name", "A b: 1\n\n", "", "A b: 1\n\n", false },
	{ "no name", ": 1\n\n", "", ": 1\n\n", false },
	{ "no colon ends the block", "A: 1\nhello\nB: 2\n", "A| 1\n",
	    "hello\nB: 2\n", false },
	{ "8-bit name", "A\xc3\xa9: 1\n\n", "", "A\xc3\xa9: 1\n\n", false },
	{ "8-bit value", "A: \xc3\xa9\n\n", "A| \xc3\xa9\n", "", true },
	{ "mbox line (MTA-40)", "From budi Sun Nov 22\nA: 1\n\n", "A| 1\n",
	    "", true },
	{ "only an mbox line", "From budi", "", "", false },
	{ "mbox line only first", "A: 1\nFrom budi\n\n", "A| 1\n",
	    "From budi\n\n", false },
	{ "From with a space is a field", "From : a@b\n\n", "From| a@b\n",
	    "", true },
	{ "bare CR stays", "A: 1\r2\n\n", "A| 1\r2\n", "", true },
	{ "CRs before a fold go", "A: 1\r\r\n 2\n\n", "A| 1~ 2\n", "", true },
	{ "CR CR LF is no empty line", "A: 1\n\r\r\n\n", "A| 1\n",
	    "\r\r\n\n", false },
	{ "duplicates keep their order", "a: 1\nB: 2\nA: 3\n\n",
	    "a| 1\nB| 2\nA| 3\n", "", true },
};

static void
test_parse(void **state)
{
	size_t i, used, failed = 0;
	struct header_list list = { 0 };
	struct smime_error err;
	const char *rest;
	char *got;
	bool body;

	(void)state;
	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(parse(&list, blocks[i].input,
		    strlen(blocks[i].input), 0, &used, &body, &err), 0);
		got = dump(&list);
		rest = blocks[i].input + used;
		if (strcmp(got, blocks[i].want) != 0 ||
		    strcmp(rest, blocks[i].rest) != 0 ||
		    body != blocks[i].body) {
			printf("%s: got {%s} rest {%s} body %d, wanted {%s} "
			    "rest {%s} body %d\n", blocks[i].what, got, rest,
			    body, blocks[i].want, blocks[i].rest,
			    blocks[i].body);
			failed++;
		}
		free(got);
		header_clear(&list);
	}
	assert_int_equal(failed, 0);
}

/*
 * Cut at every length: never a read past the end, all fields but the last are
 * those of the whole, and what was consumed is a prefix.
 */
static void
test_cut(void **state)
{
	static const char text[] = "From x\r\nFrom: budi@dinkes."
	    "pekalongankab.go.id\r\nSubject: a\r\n b\r\n\tc\r\n"
	    "X : \r\nNul: a\0b\r\n\r\nbody\r\n";
	struct header_list whole = { 0 }, list = { 0 };
	struct smime_error err = { "" };
	size_t len = sizeof(text) - 1, cut, i, used;
	bool body;

	(void)state;
	assert_int_equal(parse(&whole, text, len, 0, &used, &body, &err), 0);
	assert_true(body);
	assert_int_equal(whole.count, 4);
	assert_int_equal(whole.fields[3].value_len, 4);
	for (cut = 0; cut <= len; cut++) {
		assert_int_equal(parse(&list, text, cut, 0, &used, &body,
		    &err), 0);
		assert_true(used <= cut);
		assert_int_equal(body, cut >= len - 6);
		for (i = 0; i + 1 < list.count; i++) {
			assert_string_equal(list.fields[i].name,
			    whole.fields[i].name);
			assert_int_equal(list.fields[i].value_len,
			    whole.fields[i].value_len);
		}
		header_clear(&list);
	}
	header_clear(&whole);
}

/* Copying a value again must not change it, or a digest would. */
static void
test_add_is_stable(void **state)
{
	static const char *const values[] = { " a\r\n b", " a\r\r\n\tb\r",
	    "\r\n", "", "\n x\r\r\r\n y", "\r" };
	struct header_list list = { 0 };
	const struct header_field *one, *two;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(header_add(&list, "A", 1, values[i],
		    strlen(values[i]), 0, NULL), 0);
		one = &list.fields[0];
		assert_null(strstr(one->value, "\r\n"));
		assert_int_equal(header_add(&list, "B", 1, one->value,
		    one->value_len, 0, NULL), 0);
		one = &list.fields[0];
		two = &list.fields[1];
		assert_int_equal(one->value_len, two->value_len);
		assert_memory_equal(one->value, two->value,
		    two->value_len + 1);
		header_clear(&list);
	}
}

/* ATK-34: a CR that a copy drops was a line's end to some readers. */
static void
test_odd_folds(void **state)
{
	static const struct {
		const char	*text;
		bool		 want;
	} rows[] = {
		{ "A: x\r\n y\r\n\tz\r\n\r\n", false },
		{ "A: x\n y\n\n", false },
		{ "A: x\r\r\n y\r\n\r\n", true },
		{ "B: x\r\nA: x\n y\r\r\n z\n\n", true },
	};
	struct header_list list = { 0 };
	size_t i, used;
	bool body;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(header_parse(&list, rows[i].text,
		    strlen(rows[i].text), 0, &used, &body, NULL), 0);
		if (list.odd_folds != rows[i].want)
			fail_msg("row %zu: got %d", i, list.odd_folds);
		header_clear(&list);
	}
	/* From an MTA folds have no CR at all. */
	assert_int_equal(header_add(&list, "A", 1, " x\n y", 5, 0, NULL), 0);
	assert_false(list.odd_folds);
	assert_int_equal(header_add(&list, "A", 1, " x\r\n y", 6, 0, NULL), 0);
	assert_true(list.odd_folds);
	header_clear(&list);
}

static void
test_ceiling(void **state)
{
	struct header_list list = { 0 };
	struct smime_error err = { "" };
	size_t used;
	bool body;

	(void)state;
	assert_int_equal(header_add(&list, "Ab", 2, "12345678", 8, 10, &err),
	    0);
	assert_int_equal(list.bytes, 10);
	assert_int_equal(header_add(&list, "", 0, "", 0, 10, &err), 0);
	assert_int_equal(header_add(&list, "A", 1, "", 0, 10, &err), -1);
	assert_string_equal(err.text, "header is larger than 10 octets");
	assert_int_equal(list.count, 2);
	header_clear(&list);
	header_clear(&list);
	assert_int_equal(list.count, 0);

	err.text[0] = '\0';
	assert_int_equal(header_add(&list, "A", 1, "12345678901", 11, 10,
	    &err), -1);
	assert_int_equal(parse(&list, "A: 1\nB: 2345678\n\n", 17, 10, &used,
	    &body, &err), -1);
	header_clear(&list);
}

/* MTA-40: fifty thousand fields are work, not trouble. */
static void
test_many(void **state)
{
	struct header_list list = { 0 };
	char name[16];
	size_t i;

	(void)state;
	for (i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "X-%zu", i);
		assert_int_equal(header_add(&list, name, strlen(name), " v",
		    2, 0, NULL), 0);
	}
	assert_string_equal(header_find(&list, "x-49999")->name, "X-49999");
	header_clear(&list);
}

static void
test_find(void **state)
{
	struct header_list list = { 0 };

	(void)state;
	header_add(&list, "CONTENT-type", 12, " a", 2, 0, NULL);
	header_add(&list, "Content-Type", 12, " b", 2, 0, NULL);
	header_add(&list, "Content-Types", 13, " c", 2, 0, NULL);
	header_add(&list, "From\0x", 6, " d", 2, 0, NULL);
	assert_string_equal(header_find(&list, "content-TYPE")->value, " a");
	assert_int_equal(header_count(&list, "Content-Type"), 2);
	assert_int_equal(header_count(&list, "Content-Typ"), 0);
	assert_null(header_find(&list, "From"));
	assert_null(header_find(&list, ""));
	header_clear(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_add_is_stable),
		cmocka_unit_test(test_odd_folds),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
