/*
 * test_json.c - the JSON that sampulctl prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "../../milter/ctl/ctl.h"
#include "../../smime/smime.h"

static void
test_strings(void **state)
{
	static const struct {
		const char *what, *text, *want;
	} cases[] = {
		{ "empty", "", "\"\"" },
		{ "plain", "a/b", "\"a/b\"" },
		{ "null", NULL, "null" },
		{ "quote and backslash", "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "controls", "a\tb\n\x01\x1f\x7f",
		    "\"a\\u0009b\\u000a\\u0001\\u001f\\u007f\"" },
		{ "UTF-8", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7",
		    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7\"" },
		{ "last code point", "\xf4\x8f\xbf\xbf",
		    "\"\xf4\x8f\xbf\xbf\"" },
		{ "above it", "\xf4\x90\x80\x80",
		    "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "a lone tail", "a\x80z", "\"a\\ufffdz\"" },
		{ "cut off", "a\xe2\x82", "\"a\\ufffd\\ufffd\"" },
		{ "overlong", "\xc0\xaf\xe0\x80\xaf",
		    "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "a surrogate", "\xed\xa0\x80",
		    "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "Latin-1", "caf\xe9", "\"caf\\ufffd\"" },
	};
	struct json json;
	size_t i, len;
	char *got;
	FILE *out;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out = open_memstream(&got, &len);
		json_begin(&json, out);
		json_string(&json, NULL, cases[i].text);
		fclose(out);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: got %s, wanted %s", cases[i].what, got,
			    cases[i].want);
		free(got);
	}
}

static void
test_document(void **state)
{
	static const char want[] =
	    "{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": [\n    \"x\",\n"
	    "    {},\n    {\n      \"t\": \"1970-01-01T00:00:00Z\"\n    }\n"
	    "  ],\n  \"d\": true,\n  \"e\": -9223372036854775807\n}\n";
	struct json json;
	size_t len;
	char *got;
	FILE *out;

	(void)state;
	out = open_memstream(&got, &len);
	json_begin(&json, out);
	json_object(&json, NULL);
	json_number(&json, "a", 1);
	json_array(&json, "b");
	json_end(&json);
	json_array(&json, "c");
	json_string(&json, NULL, "x");
	json_object(&json, NULL);
	json_end(&json);
	json_object(&json, NULL);
	json_time(&json, "t", 0);
	json_end(&json);
	json_end(&json);
	json_bool(&json, "d", true);
	json_number(&json, "e", -INT64_MAX);
	json_end(&json);
	fclose(out);
	assert_string_equal(got, want);
	free(got);
}

static void
test_read_file(void **state)
{
	static const size_t sizes[] = { 0, 1, 65534, 65535, 65536, 65537,
	    131071, 200000 };
	char path[] = "/tmp/sampul-json.XXXXXX", *want, *got;
	struct smime_error err;
	size_t i, len;
	int fd = mkstemp(path);
	FILE *out;

	(void)state;
	assert_int_not_equal(fd, -1);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		out = fopen(path, "w");
		want = malloc(sizes[i] + 1);
		memset(want, (int)('a' + i), sizes[i]);
		want[sizes[i]] = '\0';
		fwrite(want, 1, sizes[i], out);
		fclose(out);
		err.text[0] = '\0';
		got = ctl_read_file(path, sizes[i], &len, &err);
		if (got == NULL)
			fail_msg("%zu octets: %s", sizes[i], err.text);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(got, want, len + 1);
		OPENSSL_clear_free(got, len + 1);
		if (sizes[i] > 0)
			assert_null(ctl_read_file(path, sizes[i] - 1, &len,
			    &err));
		free(want);
	}
	close(fd);
	unlink(path);
	assert_null(ctl_read_file(path, 10, &len, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_read_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
