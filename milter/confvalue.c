/*
 * confvalue.c - one setting: its default and its value from libconfig, as the
 * table of settings says.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

/* ------------------------------------------------------------- errors --- */

/* "milter.socket", "rules[2].sign": where in the tree a setting is. */
static void
setting_path(config_setting_t *at, char *out, size_t size)
{
	config_setting_t *parent = config_setting_parent(at);
	const char *name = config_setting_name(at);
	size_t len;

	out[0] = '\0';
	if (parent == NULL)
		return;
	setting_path(parent, out, size);
	len = strlen(out);
	if (name != NULL)
		snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "",
		    name);
	else
		snprintf(out + len, size - len, "[%d]",
		    config_setting_index(at));
}

int
conf_fail(struct conf_reader *reader, config_setting_t *at, const char *fmt,
    ...)
{
	char where[256], path[128], text[SMIME_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_source_where(reader->source, (int)config_setting_source_line(at),
	    where, sizeof(where));
	setting_path(at, path, sizeof(path));
	return smime_error_setx(reader->err, "%s: %s%s%s", where, path,
	    path[0] != '\0' ? ": " : "", text);
}

/* -------------------------------------------------------------- lists --- */

int
string_list_add(struct string_list *list, const char *text)
{
	char **items, *copy;

	if ((copy = strdup(text)) == NULL)
		return -1;
	/* room doubles at powers of two */
	if ((list->count & (list->count - 1)) == 0) {
		items = realloc(list->items, (list->count == 0 ? 1 :
		    list->count * 2) * sizeof(*items));
		if (items == NULL) {
			free(copy);
			return -1;
		}
		list->items = items;
	}
	list->items[list->count++] = copy;
	return 0;
}

void
string_list_free(struct string_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

/* ------------------------------------------------------- from libconfig --- */

/* Text must be one line that a log and a header can hold. */
static const char *
read_text(struct conf_reader *reader, config_setting_t *at)
{
	const char *p, *text;

	if (config_setting_type(at) != CONFIG_TYPE_STRING) {
		conf_fail(reader, at, "wrong type; write a string in quotes");
		return NULL;
	}
	if ((text = config_setting_get_string(at)) == NULL)
		text = "";
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			conf_fail(reader, at, "holds a control character");
			return NULL;
		}
	return text;
}

static int
read_string(struct conf_reader *reader, const struct setting *setting,
    config_setting_t *at, char **out)
{
	const char *text;
	char *copy;

	if ((text = read_text(reader, at)) == NULL)
		return -1;
	if (strlen(text) < setting->min)
		return conf_fail(reader, at, "must not be empty");
	if (strlen(text) > setting->max)
		return conf_fail(reader, at, "longer than %ju octets",
		    (uintmax_t)setting->max);
	if (setting->type == SETTING_PATH && text[0] != '\0' &&
	    text[0] != '/')
		return conf_fail(reader, at, "\"%s\" must be an absolute path, "
		    "beginning with '/'", text);
	if ((copy = strdup(text)) == NULL)
		return conf_fail(reader, at, "out of memory");
	if (setting->check != NULL &&
	    setting->check(reader, at, &copy) == -1) {
		free(copy);
		return -1;
	}
	free(*out);
	*out = copy;
	return 0;
}

/*
 * Digits and one letter of units (whose factor is given at the same place in
 * factors); false when it is anything else or passes 64 bits.
 */
static bool
parse_units(const char *text, const char *units, const uint64_t *factors,
    uint64_t *out)
{
	const char *unit;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*out = value;
	if (*text == '\0')
		return true;
	unit = strchr(units, *text);
	if (unit == NULL || text[1] != '\0' ||
	    value > UINT64_MAX / factors[unit - units])
		return false;
	*out = value * factors[unit - units];
	return true;
}

static bool
parse_number(enum setting_type type, const char *text, uint64_t *out)
{
	static const uint64_t sizes[] = { 1024, 1024, 1048576, 1048576,
	    1073741824, 1073741824 };
	static const uint64_t times[] = { 1, 60, 3600, 86400 };

	if (type == SETTING_SIZE || type == SETTING_OCTETS)
		return parse_units(text, "kKmMgG", sizes, out);
	if (type == SETTING_SECONDS)
		return parse_units(text, "smhd", times, out);
	return parse_units(text, "", NULL, out);
}

static const char *
number_form(enum setting_type type)
{
	if (type == SETTING_SECONDS)
		return "seconds, or \"30s\", \"5m\", \"2h\", \"1d\"";
	if (type == SETTING_SIZE || type == SETTING_OCTETS)
		return "octets, or \"256k\", \"25M\", \"1G\"";
	return "a whole number without quotes";
}

static void
store_number(const struct setting *setting, uint64_t value, void *base)
{
	char *to = (char *)base + setting->offset;

	if (setting->type == SETTING_OCTETS)
		*(uint64_t *)(void *)to = value;
	else if (setting->type == SETTING_SIZE)
		*(size_t *)(void *)to = (size_t)value;
	else
		*(unsigned *)(void *)to = (unsigned)value;
}

static int
read_number(struct conf_reader *reader, const struct setting *setting,
    config_setting_t *at, void *base)
{
	int type = config_setting_type(at);
	const char *text;
	uint64_t value;
	long long n;

	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		n = config_setting_get_int64(at);
		if (n < 0)
			return conf_fail(reader, at, "must not be negative");
		value = (uint64_t)n;
	} else if (type == CONFIG_TYPE_STRING &&
	    setting->type != SETTING_NUMBER) {
		if ((text = read_text(reader, at)) == NULL)
			return -1;
		if (!parse_number(setting->type, text, &value))
			return conf_fail(reader, at, "\"%s\" is not understood; "
			    "write %s", text, number_form(setting->type));
	} else
		return conf_fail(reader, at, "wrong type; write %s",
		    number_form(setting->type));
	if (value < setting->min || value > setting->max)
		return conf_fail(reader, at, "%ju is out of range; allowed are "
		    "%ju to %ju", (uintmax_t)value, (uintmax_t)setting->min,
		    (uintmax_t)setting->max);
	store_number(setting, value, base);
	return 0;
}

static bool
parse_mode(const char *text, mode_t *out)
{
	size_t len = strlen(text);

	if (len < 3 || len > 4 || strspn(text, "01234567") != len ||
	    (len == 4 && text[0] != '0'))
		return false;
	*out = (mode_t)strtoul(text, NULL, 8);
	return true;
}

static int
read_mode(struct conf_reader *reader, config_setting_t *at, mode_t *out)
{
	const char *text;

	if (config_setting_type(at) != CONFIG_TYPE_STRING)
		return conf_fail(reader, at,
		    "wrong type; write a file mode in quotes: \"0660\"");
	if ((text = read_text(reader, at)) == NULL)
		return -1;
	if (!parse_mode(text, out))
		return conf_fail(reader, at,
		    "\"%s\" is no file mode; write one such as \"0660\"", text);
	return 0;
}

static bool
find_word(const struct setting_word *words, const char *text, int *out)
{
	for (; words->word != NULL; words++)
		if (strcmp(words->word, text) == 0) {
			*out = words->value;
			return true;
		}
	return false;
}

static int
read_word(struct conf_reader *reader, const struct setting *setting,
    config_setting_t *at, int *out)
{
	const struct setting_word *word;
	const char *text;
	char list[256] = "";
	size_t len;

	if ((text = read_text(reader, at)) == NULL)
		return -1;
	if (find_word(setting->words, text, out))
		return 0;
	for (word = setting->words; word->word != NULL; word++) {
		len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s\"%s\"",
		    len > 0 ? ", " : "", word->word);
	}
	return conf_fail(reader, at, "\"%s\" is unknown; it is one of %s",
	    text, list);
}

static int
add_checked(struct conf_reader *reader, config_setting_t *at,
    int (*check)(struct conf_reader *reader, config_setting_t *at,
    char **value), struct string_list *out)
{
	const char *text;
	char *copy;
	int rc;

	if ((text = read_text(reader, at)) == NULL)
		return -1;
	if ((copy = strdup(text)) == NULL)
		return conf_fail(reader, at, "out of memory");
	rc = check != NULL ? check(reader, at, &copy) : 0;
	if (rc == 0 && string_list_add(out, copy) == -1)
		rc = conf_fail(reader, at, "out of memory");
	free(copy);
	return rc;
}

int
conf_read_strings(struct conf_reader *reader, config_setting_t *at,
    int (*check)(struct conf_reader *reader, config_setting_t *at,
    char **value), struct string_list *out)
{
	int i, type = config_setting_type(at);

	string_list_free(out);
	if (type == CONFIG_TYPE_STRING)
		return add_checked(reader, at, check, out);
	if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
		return conf_fail(reader, at,
		    "wrong type; write [ \"...\", \"...\" ]");
	for (i = 0; i < config_setting_length(at); i++)
		if (add_checked(reader, config_setting_get_elem(at,
		    (unsigned)i), check, out) == -1)
			return -1;
	return 0;
}

static int
read_words(struct conf_reader *reader, const struct setting *setting,
    config_setting_t *at, unsigned *out)
{
	int i, value = 0, type = config_setting_type(at);

	*out = 0;
	if (type == CONFIG_TYPE_STRING) {
		if (read_word(reader, setting, at, &value) == -1)
			return -1;
		*out = (unsigned)value;
		return 0;
	}
	if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
		return conf_fail(reader, at,
		    "wrong type; write [ \"...\", \"...\" ]");
	for (i = 0; i < config_setting_length(at); i++) {
		if (read_word(reader, setting, config_setting_get_elem(at,
		    (unsigned)i), &value) == -1)
			return -1;
		*out |= (unsigned)value;
	}
	return 0;
}

int
setting_read(struct conf_reader *reader, const struct setting *setting,
    config_setting_t *at, void *base)
{
	void *to = (char *)base + setting->offset;

	switch (setting->type) {
	case SETTING_STRING:
	case SETTING_PATH:
		return read_string(reader, setting, at, to);
	case SETTING_BOOL:
		if (config_setting_type(at) != CONFIG_TYPE_BOOL)
			return conf_fail(reader, at,
			    "wrong type; write true or false");
		*(bool *)to = config_setting_get_bool(at) != 0;
		return 0;
	case SETTING_NUMBER:
	case SETTING_SECONDS:
	case SETTING_SIZE:
	case SETTING_OCTETS:
		return read_number(reader, setting, at, base);
	case SETTING_MODE:
		return read_mode(reader, at, to);
	case SETTING_WORD:
		return read_word(reader, setting, at, to);
	case SETTING_WORDS:
		return read_words(reader, setting, at, to);
	case SETTING_STRINGS:
		return conf_read_strings(reader, at, setting->check, to);
	case SETTING_SPECIAL:
		break;
	}
	return setting->read(reader, at, base);
}

/* ----------------------------------------------------------- defaults --- */

/* Several words, separated by spaces. */
static bool
set_default_words(const struct setting *setting, unsigned *out)
{
	char text[128], *next, *save = NULL;
	int value;

	*out = 0;
	snprintf(text, sizeof(text), "%s", setting->fallback);
	for (next = strtok_r(text, " ", &save); next != NULL;
	    next = strtok_r(NULL, " ", &save)) {
		if (!find_word(setting->words, next, &value))
			return false;
		*out |= (unsigned)value;
	}
	return true;
}

/* Several strings, separated by '|'. */
static bool
set_default_strings(const char *fallback, struct string_list *out)
{
	char text[256], *next, *save = NULL;

	snprintf(text, sizeof(text), "%s", fallback);
	for (next = strtok_r(text, "|", &save); next != NULL;
	    next = strtok_r(NULL, "|", &save))
		if (string_list_add(out, next) == -1)
			return false;
	return true;
}

static bool
set_default(const struct setting *setting, void *base)
{
	void *to = (char *)base + setting->offset;
	const char *text = setting->fallback;
	uint64_t number;
	int value;

	switch (setting->type) {
	case SETTING_STRING:
	case SETTING_PATH:
		return (*(char **)to = strdup(text)) != NULL;
	case SETTING_BOOL:
		*(bool *)to = strcmp(text, "true") == 0;
		return true;
	case SETTING_NUMBER:
	case SETTING_SECONDS:
	case SETTING_SIZE:
	case SETTING_OCTETS:
		if (!parse_number(setting->type, text, &number))
			return false;
		store_number(setting, number, base);
		return true;
	case SETTING_MODE:
		return parse_mode(text, to);
	case SETTING_WORD:
		if (!find_word(setting->words, text, &value))
			return false;
		*(int *)to = value;
		return true;
	case SETTING_WORDS:
		return set_default_words(setting, to);
	case SETTING_STRINGS:
		return set_default_strings(text, to);
	case SETTING_SPECIAL:
		break;
	}
	return true;
}

int
setting_defaults(const struct setting *table, void *base,
    struct smime_error *err)
{
	for (; table->name != NULL; table++)
		if (table->fallback != NULL && !set_default(table, base))
			return smime_error_setx(err, "no default for %s; out "
			    "of memory?", table->name);
	return 0;
}

void
settings_free(const struct setting *table, void *base)
{
	for (; table->name != NULL; table++) {
		void *to = (char *)base + table->offset;

		if (table->type == SETTING_STRING ||
		    table->type == SETTING_PATH) {
			free(*(char **)to);
			*(char **)to = NULL;
		} else if (table->type == SETTING_STRINGS)
			string_list_free(to);
	}
}
