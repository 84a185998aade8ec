/*
 * confwalk.c - the walk of what was written along the table of settings.
 *
 * libconfig takes unknown names silently; here they are errors, with the name
 * that was probably meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confread.h"

/* ---------------------------------------------------------- suggestion --- */

#define NAME_LENGTH_MAX	40

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * Levenshtein's distance of two names, where two letters in the wrong order
 * count once.
 */
static unsigned
distance(const char *a, const char *b)
{
	unsigned d[NAME_LENGTH_MAX + 1][NAME_LENGTH_MAX + 1];
	size_t i, j, len_a = strlen(a), len_b = strlen(b);

	if (len_a > NAME_LENGTH_MAX || len_b > NAME_LENGTH_MAX)
		return NAME_LENGTH_MAX;
	for (i = 0; i <= len_a; i++)
		d[i][0] = (unsigned)i;
	for (j = 0; j <= len_b; j++)
		d[0][j] = (unsigned)j;
	for (i = 1; i <= len_a; i++)
		for (j = 1; j <= len_b; j++) {
			d[i][j] = least(d[i - 1][j - 1] +
			    (a[i - 1] != b[j - 1]),
			    least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[len_a][len_b];
}

struct suggestion {
	unsigned	score;
	char		text[2 * NAME_LENGTH_MAX];
};

/* A near name in the same group is better than the same one elsewhere. */
static void
suggest(struct suggestion *best, const char *wrong, const char *wrong_group,
    const char *group, const char *name)
{
	unsigned d = distance(wrong, name), limit;
	unsigned score = 2 * d + (strcmp(group, wrong_group) != 0);

	limit = strlen(wrong) < 4 ? 1 : 2 + (unsigned)strlen(wrong) / 8;
	if (d > limit || score >= best->score)
		return;
	best->score = score;
	snprintf(best->text, sizeof(best->text), "%s%s%s", group,
	    *group != '\0' ? "." : "", name);
}

static const char *const lists[] = { "origins", "rules", "default_rule",
	"incoming", NULL };

static int
unknown(struct conf_reader *reader, config_setting_t *at,
    const struct setting *table, const char *group)
{
	struct suggestion best = { .score = 1000 };
	const char *name = config_setting_name(at);
	size_t i;

	if (name == NULL)
		return conf_fail(reader, at, "a setting without a name");
	for (i = 0; table[i].name != NULL; i++) {
		if (table[i].internal)
			continue;
		suggest(&best, name, group, table[i].group, table[i].name);
		if (table == conf_settings && *table[i].group != '\0')
			suggest(&best, name, group, "", table[i].group);
	}
	for (i = 0; table == conf_settings && lists[i] != NULL; i++)
		suggest(&best, name, group, "", lists[i]);
	if (best.text[0] == '\0')
		return conf_fail(reader, at, "unknown setting; see "
		    "sampul.conf(5)");
	return conf_fail(reader, at, "unknown setting; did you mean %s?",
	    best.text);
}

/* ------------------------------------------------------------ the walk --- */

static const struct setting *
find_setting(struct conf_reader *reader, const struct setting *table,
    const char *group, const char *name)
{
	for (; name != NULL && table->name != NULL; table++)
		if (strcmp(table->group, group) == 0 &&
		    strcmp(table->name, name) == 0 &&
		    (!table->internal || reader->internal))
			return table;
	return NULL;
}

int
settings_read_group(struct conf_reader *reader, const struct setting *table,
    const char *name, config_setting_t *group, void *base)
{
	const struct setting *setting;
	config_setting_t *at;
	int i;

	if (config_setting_type(group) != CONFIG_TYPE_GROUP)
		return conf_fail(reader, group,
		    "wrong type; write { name = value; ... }");
	for (i = 0; i < config_setting_length(group); i++) {
		at = config_setting_get_elem(group, (unsigned)i);
		setting = find_setting(reader, table, name,
		    config_setting_name(at));
		if (setting == NULL)
			return unknown(reader, at, table, name);
		if (setting_read(reader, setting, at, base) == -1)
			return -1;
	}
	return 0;
}

static bool
is_group(const char *name)
{
	const struct setting *setting;

	for (setting = conf_settings; setting->name != NULL; setting++)
		if (*name != '\0' && strcmp(setting->group, name) == 0)
			return true;
	return false;
}

static bool
is_list(const char *name)
{
	size_t i;

	for (i = 0; lists[i] != NULL; i++)
		if (strcmp(lists[i], name) == 0)
			return true;
	return false;
}

static int
read_top(struct conf_reader *reader, config_setting_t *at)
{
	const struct setting *setting;
	const char *name = config_setting_name(at);

	if (is_group(name))
		return settings_read_group(reader, conf_settings, name, at,
		    reader->conf);
	if (is_list(name))
		return 0;
	setting = find_setting(reader, conf_settings, "", name);
	if (setting == NULL)
		return unknown(reader, at, conf_settings, "");
	return setting_read(reader, setting, at, reader->conf);
}

int
settings_read_root(struct conf_reader *reader, config_setting_t *root)
{
	config_setting_t *at;
	int i;

	for (i = 0; i < config_setting_length(root); i++)
		if (read_top(reader, config_setting_get_elem(root,
		    (unsigned)i)) == -1)
			return -1;
	/* wherever they stand: rules name origins and start from default_rule */
	if ((at = config_setting_get_member(root, "origins")) != NULL &&
	    conf_read_origins(reader, at) == -1)
		return -1;
	if ((at = config_setting_get_member(root, "default_rule")) != NULL &&
	    conf_read_default_rule(reader, at) == -1)
		return -1;
	if ((at = config_setting_get_member(root, "rules")) != NULL &&
	    conf_read_rules(reader, at) == -1)
		return -1;
	if ((at = config_setting_get_member(root, "incoming")) != NULL &&
	    conf_read_incoming(reader, at) == -1)
		return -1;
	return 0;
}

/* -------------------------------------------------------------- lists --- */

void *
conf_list_new(struct conf_reader *reader, config_setting_t *list, int max,
    const char *what, size_t size)
{
	int count = config_setting_length(list);
	void *items;

	if (config_setting_type(list) != CONFIG_TYPE_LIST) {
		conf_fail(reader, list,
		    "wrong type; write ( { ... }, { ... } )");
		return NULL;
	}
	if (count > max) {
		conf_fail(reader, list, "more than %d %s", max, what);
		return NULL;
	}
	/* calloc of nothing may be NULL */
	if ((items = calloc((size_t)count + 1, size)) == NULL)
		conf_fail(reader, list, "out of memory");
	return items;
}

int
conf_name_nth(struct conf_reader *reader, config_setting_t *at, size_t index,
    char **name)
{
	if (*name == NULL && asprintf(name, "rule%zu", index + 1) == -1) {
		*name = NULL;
		return conf_fail(reader, at, "out of memory");
	}
	return 0;
}

/*
 * An empty list would read as "none of these", but policy_decide takes a list
 * without items for a condition that was not asked.
 */
int
conf_refuse_empty(struct conf_reader *reader, config_setting_t *at)
{
	config_setting_t *member;
	int i, type;

	for (i = 0; i < config_setting_length(at); i++) {
		member = config_setting_get_elem(at, (unsigned)i);
		type = config_setting_type(member);
		if ((type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST) &&
		    config_setting_length(member) == 0)
			return conf_fail(reader, member,
			    "is empty; leave it out, or list something");
	}
	return 0;
}
