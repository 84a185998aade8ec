/*
 * confincoming.c - rules for incoming mail, by what its signature was worth.
 * The order is the administrator's; the first match decides.
 */
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "confread.h"

/* The words of RFC 7281 3.1, and what stands for no result at all. */
static const struct setting_word verdicts[] = {
	{ "none", INCOMING_IF_NONE }, { "pass", INCOMING_IF_PASS },
	{ "fail", INCOMING_IF_FAIL }, { "policy", INCOMING_IF_POLICY },
	{ "neutral", INCOMING_IF_NEUTRAL },
	{ "temperror", INCOMING_IF_TEMPERROR },
	{ "permerror", INCOMING_IF_PERMERROR },
	{ "unknown", INCOMING_IF_UNKNOWN },
	{ NULL, 0 }
};
static const struct setting_word actions[] = {
	{ "accept", INCOMING_ACCEPT }, { "quarantine", INCOMING_QUARANTINE },
	{ "refuse", INCOMING_REFUSE }, { "tempfail", INCOMING_TEMPFAIL },
	{ NULL, 0 }
};

static int
read_source(struct conf_reader *reader, config_setting_t *at, void *base)
{
	struct incoming_rule *rule = base;
	const char *text = config_setting_get_string(at);

	if (text == NULL)
		return conf_fail(reader, at, "wrong type");
	snprintf(rule->where, sizeof(rule->where), "%s", text);
	return 0;
}

static void
print_source(FILE *stream, const void *base)
{
	conf_print_string(stream, ((const struct incoming_rule *)base)->where);
}

#define AT(field)	offsetof(struct incoming_rule, field)

static const struct setting incoming_settings[] = {
{ "", "name", SETTING_STRING, AT(name), NULL, 1, 64,
    NULL, NULL, NULL, NULL, false, false },
{ "", "from", SETTING_STRINGS, AT(from), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "", "to", SETTING_STRINGS, AT(to), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "", "verdict", SETTING_WORDS, AT(verdict), NULL, 0, 0,
    verdicts, NULL, NULL, NULL, false, false },
{ "", "action", SETTING_WORD, AT(action), NULL, 0, 0,
    actions, NULL, NULL, NULL, false, false },
{ "", "source", SETTING_SPECIAL, AT(where), NULL, 0, 0,
    NULL, NULL, read_source, print_source, false, true },
{ NULL, NULL, SETTING_STRING, 0, NULL, 0, 0,
    NULL, NULL, NULL, NULL, false, false }
};

static int
read_rule(struct conf_reader *reader, config_setting_t *at, size_t index)
{
	struct incoming_rule *rule = &reader->conf->incoming[index];
	size_t i;

	conf_source_where(reader->source,
	    (int)config_setting_source_line(at), rule->where,
	    sizeof(rule->where));
	if (settings_read_group(reader, incoming_settings, "", at,
	    rule) == -1 ||
	    conf_name_nth(reader, at, index, &rule->name) == -1 ||
	    conf_refuse_empty(reader, at) == -1)
		return -1;
	if (config_setting_get_member(at, "action") == NULL)
		return conf_fail(reader, at, "needs an \"action\": "
		    "\"accept\", \"quarantine\", \"refuse\" or \"tempfail\"");
	for (i = 0; i < index; i++)
		if (strcmp(reader->conf->incoming[i].name, rule->name) == 0)
			return conf_fail(reader, at,
			    "the name \"%s\" is taken", rule->name);
	return 0;
}

int
conf_read_incoming(struct conf_reader *reader, config_setting_t *list)
{
	struct conf *conf = reader->conf;
	int i, count = config_setting_length(list);

	conf->incoming = conf_list_new(reader, list, CONF_RULES_MAX, "rules",
	    sizeof(*conf->incoming));
	if (conf->incoming == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		conf->incoming_count++;
		if (read_rule(reader, config_setting_get_elem(list,
		    (unsigned)i), (size_t)i) == -1)
			return -1;
	}
	return 0;
}

static bool
is_given(const struct incoming_rule *rule, const struct setting *setting)
{
	const void *at = (const char *)rule + setting->offset;

	if (setting->type == SETTING_STRINGS)
		return ((const struct string_list *)at)->count > 0;
	return setting->type != SETTING_WORDS || rule->verdict != 0;
}

static void
print_rule(FILE *stream, const struct incoming_rule *rule, bool internal)
{
	const struct setting *setting;

	if (!internal)
		fprintf(stream, "\t# %s\n", rule->where);
	for (setting = incoming_settings; setting->name != NULL; setting++)
		if (is_given(rule, setting) && (internal || !setting->internal))
			setting_print(stream, setting, rule, "\t");
}

void
conf_print_incoming(FILE *stream, const struct conf *conf, bool internal)
{
	size_t i;

	fputs("incoming = (", stream);
	for (i = 0; i < conf->incoming_count; i++) {
		fputs(i > 0 ? ", {\n" : " {\n", stream);
		print_rule(stream, &conf->incoming[i], internal);
		fputs("}", stream);
	}
	fputs(" );\n", stream);
}

void
conf_free_incoming(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->incoming_count; i++)
		settings_free(incoming_settings, &conf->incoming[i]);
	free(conf->incoming);
	conf->incoming = NULL;
	conf->incoming_count = 0;
}
