/*
 * confmap.c - the login map: which addresses a login owns besides its own.
 *
 *	# a clerk who also answers the office's mailbox
 *	budi	budi@dinkes.example.go.id, sekretariat@setda.example.go.id
 *	srvapp	@app.example.go.id
 *
 * One login a line, once; kept sorted, so that a look-up stays cheap with a
 * hundred thousand of them.
 */
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

#define LOGIN_MAX	255
#define ADDRESSES_MAX	1000

struct map_line {
	struct login_entry	entry;
	unsigned		line;
};

struct map_reader {
	const char		*file;
	unsigned		 line;
	struct map_line		*lines;
	size_t			 count;
	struct smime_error	*err;
};

static int
fail(struct map_reader *map, const char *what, const char *text, size_t len)
{
	char printable[128];

	return smime_error_setx(map->err, "%s:%u: \"%s\" %s", map->file,
	    map->line, smime_printable(text, len, printable,
	    sizeof(printable)), what);
}

static int
lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int
compare_logins(const char *a, const char *b)
{
	while (*a != '\0' && lower((unsigned char)*a) ==
	    lower((unsigned char)*b)) {
		a++;
		b++;
	}
	return lower((unsigned char)*a) - lower((unsigned char)*b);
}

/* "@domain" or a canonical address to out. */
static bool
map_address(const char *text, size_t len, char *out)
{
	char whole[ADDRESS_MAX + 4];
	size_t i;

	if (len == 0 || len > ADDRESS_MAX)
		return false;
	if (*text != '@')
		return address_canonical(text, len, out);
	/* the domain is judged, and made lower case, as that of an address */
	whole[0] = 'x';
	memcpy(whole + 1, text, len);
	if (len + 1 > ADDRESS_MAX || !address_canonical(whole, len + 1, out))
		return false;
	for (i = 0; out[i + 1] != '\0'; i++)
		out[i] = out[i + 1];
	out[i] = '\0';
	return out[0] == '@';
}

static int
add_address(struct map_reader *map, struct string_list *list,
    const char *text, size_t len)
{
	char address[ADDRESS_MAX + 1];

	if (!map_address(text, len, address))
		return fail(map, "is neither an address nor an @domain", text,
		    len);
	if (list->count >= ADDRESSES_MAX)
		return fail(map, "is one address too many for a login", text,
		    len);
	if (string_list_add(list, address) == -1)
		return smime_error_set(map->err, "%s", map->file);
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* "address[, address|@domain...]", perhaps with a comment behind it. */
static int
parse_addresses(struct map_reader *map, struct string_list *list,
    const char *p, const char *end)
{
	const char *start;

	for (;;) {
		while (p < end && (is_space(*p) || *p == ','))
			p++;
		if (p == end || *p == '#')
			return 0;
		start = p;
		while (p < end && !is_space(*p) && *p != ',')
			p++;
		if (add_address(map, list, start, (size_t)(p - start)) == -1)
			return -1;
	}
}

static int
new_line(struct map_reader *map, const char *login, size_t len)
{
	struct map_line *lines;
	char *copy;
	size_t i;

	if (len > LOGIN_MAX || memchr(login, '\0', len) != NULL)
		return fail(map, "is no login", login, len);
	if ((map->count & (map->count - 1)) == 0) {
		lines = realloc(map->lines, (map->count == 0 ? 1 :
		    map->count * 2) * sizeof(*lines));
		if (lines == NULL)
			return smime_error_set(map->err, "%s", map->file);
		map->lines = lines;
	}
	if ((copy = strndup(login, len)) == NULL)
		return smime_error_set(map->err, "%s", map->file);
	for (i = 0; i < len; i++)
		copy[i] = (char)lower((unsigned char)copy[i]);
	memset(&map->lines[map->count], 0, sizeof(*map->lines));
	map->lines[map->count].line = map->line;
	map->lines[map->count++].entry.login = copy;
	return 0;
}

static int
parse_line(struct map_reader *map, const char *p, const char *end)
{
	struct string_list *list;
	const char *login;
	size_t len;

	while (p < end && is_space(*p))
		p++;
	if (p == end || *p == '#')
		return 0;
	login = p;
	while (p < end && !is_space(*p))
		p++;
	len = (size_t)(p - login);
	if (new_line(map, login, len) == -1)
		return -1;
	list = &map->lines[map->count - 1].entry.addresses;
	if (parse_addresses(map, list, p, end) == -1)
		return -1;
	if (list->count == 0)
		return fail(map, "is followed by no address; write \"login "
		    "address, address\"", login, len);
	return 0;
}

static int
compare_lines(const void *a, const void *b)
{
	return compare_logins(((const struct map_line *)a)->entry.login,
	    ((const struct map_line *)b)->entry.login);
}

/* Sorts, and refuses a login given twice: one of the lines is a mistake. */
static int
sort_lines(struct map_reader *map)
{
	struct map_line *a, *b;
	size_t i;

	if (map->count > 1)
		qsort(map->lines, map->count, sizeof(*map->lines),
		    compare_lines);
	for (i = 1; i < map->count; i++) {
		a = &map->lines[i - 1];
		b = &map->lines[i];
		if (strcmp(a->entry.login, b->entry.login) != 0)
			continue;
		map->line = a->line > b->line ? a->line : b->line;
		return fail(map, "is given on another line too; put its "
		    "addresses on one", a->entry.login,
		    strlen(a->entry.login));
	}
	return 0;
}

static int
parse_lines(struct map_reader *map, const char *text, size_t len)
{
	const char *end = text + len, *eol;

	while (text < end) {
		map->line++;
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL)
			eol = end;
		if (parse_line(map, text, eol) == -1)
			return -1;
		text = eol < end ? eol + 1 : end;
	}
	return sort_lines(map);
}

int
conf_map_parse(struct conf *conf, const char *file, const char *text,
    size_t len, struct smime_error *err)
{
	struct map_reader map = { .file = file, .err = err };
	struct login_entry *logins = NULL;
	size_t i;
	int rc = -1;

	if (parse_lines(&map, text, len) == -1)
		goto out;
	logins = calloc(map.count + 1, sizeof(*logins));
	if (logins == NULL) {
		smime_error_set(err, "%s", file);
		goto out;
	}
	for (i = 0; i < map.count; i++) {
		logins[i] = map.lines[i].entry;
		memset(&map.lines[i].entry, 0, sizeof(map.lines[i].entry));
	}
	conf->logins = logins;
	conf->login_count = map.count;
	rc = 0;
out:
	for (i = 0; i < map.count; i++) {
		free(map.lines[i].entry.login);
		string_list_free(&map.lines[i].entry.addresses);
	}
	free(map.lines);
	return rc;
}

void
conf_map_print(FILE *stream, const struct conf *conf)
{
	const struct string_list *list;
	size_t i, j;

	for (i = 0; i < conf->login_count; i++) {
		list = &conf->logins[i].addresses;
		fprintf(stream, "%s ", conf->logins[i].login);
		for (j = 0; j < list->count; j++)
			fprintf(stream, "%s%s", j > 0 ? "," : "",
			    list->items[j]);
		fputc('\n', stream);
	}
}

void
conf_map_free(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->login_count; i++) {
		free(conf->logins[i].login);
		string_list_free(&conf->logins[i].addresses);
	}
	free(conf->logins);
	conf->logins = NULL;
	conf->login_count = 0;
}

const struct login_entry *
conf_map_find(const struct conf *conf, const char *login)
{
	size_t low = 0, high = conf->login_count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = compare_logins(login, conf->logins[middle].login);
		if (order == 0)
			return &conf->logins[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
