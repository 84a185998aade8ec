/*
 * confprint.c - settings on paper, in libconfig's syntax: for -nn, and for the
 * copy that travels to the children.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "confread.h"

void
conf_print_string(FILE *stream, const char *text)
{
	fputc('"', stream);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', stream);
		fputc(*text, stream);
	}
	fputc('"', stream);
}

static void
print_strings(FILE *stream, const struct string_list *list)
{
	size_t i;

	fputs("[", stream);
	for (i = 0; i < list->count; i++) {
		fputs(i > 0 ? ", " : " ", stream);
		conf_print_string(stream, list->items[i]);
	}
	fputs(" ]", stream);
}

static void
print_number(FILE *stream, uint64_t value)
{
	fprintf(stream, "%" PRIu64 "%s", value, value > INT32_MAX ? "L" : "");
}

static void
print_words(FILE *stream, const struct setting_word *word, unsigned value)
{
	const char *separator = " ";

	fputs("[", stream);
	for (; word->word != NULL && value != 0; word++)
		if (((unsigned)word->value & value) ==
		    (unsigned)word->value && word->value != 0) {
			fprintf(stream, "%s\"%s\"", separator, word->word);
			separator = ", ";
			value &= ~(unsigned)word->value;
		}
	fputs(" ]", stream);
}

static void
print_word(FILE *stream, const struct setting_word *word, int value)
{
	for (; word->word != NULL; word++)
		if (word->value == value) {
			conf_print_string(stream, word->word);
			return;
		}
}

void
setting_print(FILE *stream, const struct setting *setting, const void *base,
    const char *indent)
{
	const void *at = (const char *)base + setting->offset;

	fprintf(stream, "%s%s = ", indent, setting->name);
	switch (setting->type) {
	case SETTING_STRING:
	case SETTING_PATH:
		conf_print_string(stream, *(char *const *)at);
		break;
	case SETTING_BOOL:
		fputs(*(const bool *)at ? "true" : "false", stream);
		break;
	case SETTING_NUMBER:
	case SETTING_SECONDS:
		print_number(stream, *(const unsigned *)at);
		break;
	case SETTING_SIZE:
		print_number(stream, *(const size_t *)at);
		break;
	case SETTING_OCTETS:
		print_number(stream, *(const uint64_t *)at);
		break;
	case SETTING_MODE:
		fprintf(stream, "\"%04o\"", (unsigned)*(const mode_t *)at);
		break;
	case SETTING_WORD:
		print_word(stream, setting->words, *(const int *)at);
		break;
	case SETTING_WORDS:
		print_words(stream, setting->words, *(const unsigned *)at);
		break;
	case SETTING_STRINGS:
		print_strings(stream, at);
		break;
	case SETTING_SPECIAL:
		setting->print(stream, base);
		break;
	}
	fputs(";\n", stream);
}

void
settings_print(FILE *stream, const struct conf *conf, bool internal)
{
	const struct setting *setting;
	const char *group = "";

	for (setting = conf_settings; setting->name != NULL; setting++) {
		if (setting->internal && !internal)
			continue;
		if (strcmp(group, setting->group) != 0) {
			if (*group != '\0')
				fputs("};\n", stream);
			if (*setting->group != '\0')
				fprintf(stream, "%s = {\n", setting->group);
			group = setting->group;
		}
		setting_print(stream, setting, conf,
		    *group != '\0' ? "\t" : "");
	}
	if (*group != '\0')
		fputs("};\n", stream);
}

/* --------------------------------------------------- what a restart takes --- */

static char *
setting_text(const struct setting *setting, const struct conf *conf)
{
	char *text = NULL;
	size_t len;
	FILE *stream;

	if ((stream = open_memstream(&text, &len)) == NULL)
		return NULL;
	setting_print(stream, setting, conf, "");
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void
conf_each_restart(const struct conf *old, const struct conf *fresh,
    void (*each)(void *arg, const char *name), void *arg)
{
	const struct setting *setting;
	char name[96];
	char *before, *after;

	for (setting = conf_settings; setting->name != NULL; setting++) {
		if (!setting->restart)
			continue;
		before = setting_text(setting, old);
		after = setting_text(setting, fresh);
		if (before != NULL && after != NULL &&
		    strcmp(before, after) != 0) {
			snprintf(name, sizeof(name), "%s%s%s", setting->group,
			    *setting->group != '\0' ? "." : "", setting->name);
			each(arg, name);
		}
		free(before);
		free(after);
	}
}
