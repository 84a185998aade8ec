/*
 * fuzz_conf.c - configurations as they travel to the children. What is taken
 * is written out and read again, and means the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../milter/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
const char *__asan_default_options(void);

/*
 * libconfig 1.5 loses the string it was reading at a syntax error, and a
 * search for leaks after each such input leaves time for nothing else. The
 * unit test looks for ours.
 */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void
check_same(struct conf *conf)
{
	struct conf *again;
	char *text[2];
	size_t len[2];

	if (conf_text(conf, &text[0], &len[0], NULL) == -1 ||
	    (again = conf_read_text(text[0], len[0], NULL)) == NULL ||
	    conf_text(again, &text[1], &len[1], NULL) == -1 ||
	    len[0] != len[1] || memcmp(text[0], text[1], len[0]) != 0)
		abort();
	conf_unref(again);
	free(text[0]);
	free(text[1]);
}

/*
 * The input as a whole, and, so that lengths need not be guessed, as settings
 * and a login map divided by a line "%%".
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char rest[] = "\nsource_file=\"f\";authserv_id=\"a\";"
	    "domains=\"x.id\";\n";
	const char *in = (const char *)data, *mark;
	size_t settings, map, n;
	struct conf *conf;
	char *text;
	int head;

	conf = conf_read_text(in, len, NULL);
	conf_unref(conf);
	mark = memmem(in, len, "\n%%\n", 4);
	settings = mark != NULL ? (size_t)(mark - in) : len;
	map = mark != NULL ? len - settings - 4 : 0;
	n = settings + strlen(rest);
	if ((text = malloc(n + map + 64)) == NULL)
		return 0;
	head = snprintf(text, 64, "sampul-conf 1 %zu %zu\n", n, map);
	memcpy(text + head, rest, strlen(rest));
	memcpy(text + head + strlen(rest), in, settings);
	if (map > 0)
		memcpy(text + head + n, mark + 4, map);
	conf = conf_read_text(text, (size_t)head + n + map, NULL);
	free(text);
	if (conf != NULL)
		check_same(conf);
	conf_unref(conf);
	return 0;
}
