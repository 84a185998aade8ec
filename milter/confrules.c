/*
 * confrules.c - rules: which messages are signed, how, and what happens when
 * they cannot be. The order is the administrator's; the first match decides.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

#define HEADERS_MAX	50
#define LARGEST		(1ULL << 60)

static const struct setting_word presets[] = {
	{ "none", PRESET_NONE }, { "bounce", PRESET_BOUNCE },
	{ "auto-reply", PRESET_AUTO_REPLY }, { "list", PRESET_LIST },
	{ "meeting", PRESET_MEETING }, { NULL, 0 }
};
static const struct setting_word signs[] = {
	{ "required", SIGN_REQUIRED }, { "if-possible", SIGN_IF_POSSIBLE },
	{ "off", SIGN_OFF }, { NULL, 0 }
};
static const struct setting_word forms[] = {
	{ "detached", FORM_DETACHED }, { "opaque", FORM_OPAQUE }, { NULL, 0 }
};
static const struct setting_word actions[] = {
	{ "refuse", FAILURE_REFUSE }, { "tempfail", FAILURE_TEMPFAIL },
	{ "pass", FAILURE_PASS }, { NULL, 0 }
};

static const struct setting_word encrypts[] = {
	{ "off", ENCRYPT_OFF }, { "if-possible", ENCRYPT_IF_POSSIBLE },
	{ "required", ENCRYPT_REQUIRED }, { NULL, 0 }
};
/* What must be encrypted does not leave otherwise: no "pass". */
static const struct setting_word cannot_encrypts[] = {
	{ "refuse", FAILURE_REFUSE }, { "tempfail", FAILURE_TEMPFAIL },
	{ NULL, 0 }
};

static const struct setting_word withouts[] = {
	{ "refuse-all", WITHOUT_REFUSE_ALL },
	{ "refuse-each", WITHOUT_REFUSE_EACH },
	{ "clear-copy", WITHOUT_CLEAR_COPY }, { NULL, 0 }
};
static const struct setting_word hiddens[] = {
	{ "refuse", HIDDEN_REFUSE }, { "own-copy", HIDDEN_OWN_COPY },
	{ NULL, 0 }
};

/* ---------------------------------------------------- values of settings --- */

/* One label; "" is our domain itself. */
static int
check_agency(struct conf_reader *reader, config_setting_t *at, char **value)
{
	char *p;

	for (p = *value; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return conf_fail(reader, at, "\"%s\" is no agency; "
			    "write the one label left of our domain, such as "
			    "\"dinkes\"", *value);
		*p = (char)tolower((unsigned char)*p);
	}
	return 0;
}

static int
check_origin(struct conf_reader *reader, config_setting_t *at, char **value)
{
	size_t i;

	for (i = 0; i < reader->conf->origin_count; i++)
		if (strcmp(reader->conf->origins[i].name, *value) == 0)
			return 0;
	return conf_fail(reader, at, "no origin is named \"%s\"", *value);
}

static const struct setting header_settings[] = {
{ "", "name", SETTING_STRING, offsetof(struct rule_header, name), NULL,
    1, 76, NULL, NULL, NULL, NULL, false, false },
{ "", "pattern", SETTING_STRING, offsetof(struct rule_header, pattern), NULL,
    1, 255, NULL, NULL, NULL, NULL, false, false },
{ NULL, NULL, SETTING_STRING, 0, NULL, 0, 0,
    NULL, NULL, NULL, NULL, false, false }
};

static int
read_headers(struct conf_reader *reader, config_setting_t *at, void *base)
{
	struct rule *rule = base;
	struct rule_header *header;
	config_setting_t *item;
	int i, count = config_setting_length(at);

	if (config_setting_type(at) != CONFIG_TYPE_LIST)
		return conf_fail(reader, at, "wrong type; write "
		    "( { name = \"...\"; pattern = \"...\"; } )");
	if (count > HEADERS_MAX)
		return conf_fail(reader, at, "more than %d headers",
		    HEADERS_MAX);
	rule->headers = calloc((size_t)count + 1, sizeof(*rule->headers));
	if (rule->headers == NULL)
		return conf_fail(reader, at, "out of memory");
	for (i = 0; i < count; i++) {
		header = &rule->headers[rule->header_count++];
		item = config_setting_get_elem(at, (unsigned)i);
		if (settings_read_group(reader, header_settings, "", item,
		    header) == -1)
			return -1;
		if (header->name == NULL || header->pattern == NULL)
			return conf_fail(reader, item,
			    "needs \"name\" and \"pattern\"");
	}
	return 0;
}

static void
print_headers(FILE *stream, const void *base)
{
	const struct rule *rule = base;
	size_t i;

	fputs("(", stream);
	for (i = 0; i < rule->header_count; i++) {
		fputs(i > 0 ? ", { name = " : " { name = ", stream);
		conf_print_string(stream, rule->headers[i].name);
		fputs("; pattern = ", stream);
		conf_print_string(stream, rule->headers[i].pattern);
		fputs("; }", stream);
	}
	fputs(" )", stream);
}

static int
read_source(struct conf_reader *reader, config_setting_t *at, void *base)
{
	struct rule *rule = base;
	const char *text = config_setting_get_string(at);

	if (text == NULL)
		return conf_fail(reader, at, "wrong type");
	snprintf(rule->where, sizeof(rule->where), "%s", text);
	return 0;
}

static void
print_source(FILE *stream, const void *base)
{
	conf_print_string(stream, ((const struct rule *)base)->where);
}

/* --------------------------------------------------------------- tables --- */

#define AT(field)	offsetof(struct rule, field)

/* What a rule decides; default_rule has these alone. */
#define OUTCOME								\
{ "", "sign", SETTING_WORD, AT(sign), "required", 0, 0,			\
    signs, NULL, NULL, NULL, false, false },				\
{ "", "form", SETTING_WORD, AT(form), "detached", 0, 0,			\
    forms, NULL, NULL, NULL, false, false },				\
{ "", "opaque_fallback", SETTING_BOOL, AT(opaque_fallback), "true", 0, 0, \
    NULL, NULL, NULL, NULL, false, false },				\
{ "", "cannot_sign", SETTING_WORD, AT(cannot_sign), "refuse", 0, 0,	\
    actions, NULL, NULL, NULL, false, false },				\
{ "", "mismatch", SETTING_WORD, AT(mismatch), "refuse", 0, 0,		\
    actions, NULL, NULL, NULL, false, false },				\
{ "", "key_locked", SETTING_WORD, AT(key_locked), "tempfail", 0, 0,	\
    actions, NULL, NULL, NULL, false, false },				\
{ "", "header_protection", SETTING_BOOL, AT(header_protection), "true",	\
    0, 0, NULL, NULL, NULL, NULL, false, false },			\
{ "", "allow_skip", SETTING_BOOL, AT(allow_skip), "false", 0, 0,	\
    NULL, NULL, NULL, NULL, false, false },				\
{ "", "encrypt", SETTING_WORD, AT(encrypt), "off", 0, 0,		\
    encrypts, NULL, NULL, NULL, false, false },				\
{ "", "cannot_encrypt", SETTING_WORD, AT(cannot_encrypt), "refuse", 0, 0, \
    cannot_encrypts, NULL, NULL, NULL, false, false },			\
{ "", "hide_subject", SETTING_BOOL, AT(hide_subject), "true", 0, 0,	\
    NULL, NULL, NULL, NULL, false, false },				\
{ "", "copy_to_sender", SETTING_BOOL, AT(copy_to_sender), "true", 0, 0,	\
    NULL, NULL, NULL, NULL, false, false },				\
{ "", "without_certificate", SETTING_WORD, AT(without_certificate),	\
    "refuse-all", 0, 0, withouts, NULL, NULL, NULL, false, false },	\
{ "", "hidden_recipients", SETTING_WORD, AT(hidden_recipients), "refuse", \
    0, 0, hiddens, NULL, NULL, NULL, false, false },			\
{ "", "split_by_key", SETTING_BOOL, AT(split_by_key), "false", 0, 0,	\
    NULL, NULL, NULL, NULL, false, false },				\
{ "", "source", SETTING_SPECIAL, AT(where), NULL, 0, 0,			\
    NULL, NULL, read_source, print_source, false, true },		\
{ NULL, NULL, SETTING_STRING, 0, NULL, 0, 0,				\
    NULL, NULL, NULL, NULL, false, false }

static const struct setting outcome_settings[] = { OUTCOME };

static const struct setting rule_settings[] = {
{ "", "name", SETTING_STRING, AT(name), NULL, 1, 64,
    NULL, NULL, NULL, NULL, false, false },
{ "", "preset", SETTING_WORD, AT(preset), "none", 0, 0,
    presets, NULL, NULL, NULL, false, false },
{ "", "from", SETTING_STRINGS, AT(from), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "", "to", SETTING_STRINGS, AT(to), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "", "to_all", SETTING_STRINGS, AT(to_all), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "", "agency", SETTING_STRINGS, AT(agency), NULL, 0, 0,
    NULL, check_agency, NULL, NULL, false, false },
{ "", "login", SETTING_STRINGS, AT(login), NULL, 0, 0,
    NULL, NULL, NULL, NULL, false, false },
{ "", "origin", SETTING_STRINGS, AT(origin), NULL, 0, 0,
    NULL, check_origin, NULL, NULL, false, false },
{ "", "headers", SETTING_SPECIAL, AT(headers), NULL, 0, 0,
    NULL, NULL, read_headers, print_headers, false, false },
{ "", "larger_than", SETTING_OCTETS, AT(larger_than), "0", 0, LARGEST,
    NULL, NULL, NULL, NULL, false, false },
{ "", "smaller_than", SETTING_OCTETS, AT(smaller_than), "0", 0, LARGEST,
    NULL, NULL, NULL, NULL, false, false },
OUTCOME
};

/* -------------------------------------------------------------- reading --- */

int
conf_default_rule(struct rule *rule, struct smime_error *err)
{
	snprintf(rule->where, sizeof(rule->where), "default_rule");
	return setting_defaults(outcome_settings, rule, err);
}

/* What a rule does not say it takes from default_rule. */
static void
inherit(struct rule *rule, const struct rule *from)
{
	rule->sign = from->sign;
	rule->form = from->form;
	rule->opaque_fallback = from->opaque_fallback;
	rule->cannot_sign = from->cannot_sign;
	rule->mismatch = from->mismatch;
	rule->key_locked = from->key_locked;
	rule->header_protection = from->header_protection;
	rule->allow_skip = from->allow_skip;
	rule->encrypt = from->encrypt;
	rule->cannot_encrypt = from->cannot_encrypt;
	rule->hide_subject = from->hide_subject;
	rule->copy_to_sender = from->copy_to_sender;
	rule->without_certificate = from->without_certificate;
	rule->hidden_recipients = from->hidden_recipients;
	rule->split_by_key = from->split_by_key;
}

/*
 * SIG-05: what no person wrote is not signed with a personal key unless asked
 * for. What is not signed is not encrypted either (ENC-13): said outright that
 * is a mistake, inherited it is not meant.
 */
static int
settle_signing(struct conf_reader *reader, config_setting_t *at,
    struct rule *rule)
{
	config_setting_t *encrypt = config_setting_get_member(at, "encrypt");

	if ((rule->preset == PRESET_BOUNCE || rule->preset == PRESET_LIST ||
	    rule->preset == PRESET_AUTO_REPLY) &&
	    config_setting_get_member(at, "sign") == NULL)
		rule->sign = SIGN_OFF;
	if (rule->sign != SIGN_OFF || rule->encrypt == ENCRYPT_OFF)
		return 0;
	if (encrypt != NULL)
		return conf_fail(reader, encrypt, "nothing is encrypted that "
		    "is not signed; write sign = \"required\" too");
	rule->encrypt = ENCRYPT_OFF;
	return 0;
}

/* Copies and notifications are handed to an MTA, and somebody must say which. */
static int
need_server(struct conf_reader *reader, config_setting_t *at, const char *name)
{
	config_setting_t *member = config_setting_get_member(at, name);

	if (member == NULL || reader->conf->submit_server[0] != '\0')
		return 0;
	return conf_fail(reader, member, "needs a port of the mail server that "
	    "takes copies; write submit = { server = \"127.0.0.1:10027\"; } and "
	    "see \"separate copies\" in sampul.conf(5)");
}

/*
 * What must be encrypted has no copy in clear: said outright that is a mistake,
 * inherited it is not meant.
 */
static int
settle_copies(struct conf_reader *reader, config_setting_t *at,
    struct rule *rule)
{
	config_setting_t *without = config_setting_get_member(at,
	    "without_certificate");

	if ((rule->without_certificate != WITHOUT_REFUSE_ALL &&
	    need_server(reader, at, "without_certificate") == -1) ||
	    (rule->hidden_recipients != HIDDEN_REFUSE &&
	    need_server(reader, at, "hidden_recipients") == -1) ||
	    (rule->split_by_key && need_server(reader, at, "split_by_key") == -1))
		return -1;
	if (rule->without_certificate != WITHOUT_CLEAR_COPY ||
	    rule->encrypt == ENCRYPT_IF_POSSIBLE)
		return 0;
	if (without != NULL)
		return conf_fail(reader, without, "a copy in clear is for mail "
		    "that need not be encrypted; write encrypt = "
		    "\"if-possible\" here, or \"refuse-each\"");
	rule->without_certificate = WITHOUT_REFUSE_ALL;
	return 0;
}

int
conf_read_default_rule(struct conf_reader *reader, config_setting_t *group)
{
	struct rule *rule = &reader->conf->default_rule;

	conf_source_where(reader->source,
	    (int)config_setting_source_line(group), rule->where,
	    sizeof(rule->where));
	if (settings_read_group(reader, outcome_settings, "", group,
	    rule) == -1 || settle_signing(reader, group, rule) == -1)
		return -1;
	return settle_copies(reader, group, rule);
}

static int
name_rule(struct conf_reader *reader, config_setting_t *at, size_t index)
{
	struct rule *rule = &reader->conf->rules[index];
	size_t i;

	if (conf_name_nth(reader, at, index, &rule->name) == -1)
		return -1;
	for (i = 0; i < index; i++)
		if (strcmp(reader->conf->rules[i].name, rule->name) == 0)
			return conf_fail(reader, at,
			    "the name \"%s\" is taken", rule->name);
	return 0;
}

static int
read_rule(struct conf_reader *reader, config_setting_t *at, size_t index)
{
	struct rule *rule = &reader->conf->rules[index];

	conf_source_where(reader->source,
	    (int)config_setting_source_line(at), rule->where,
	    sizeof(rule->where));
	inherit(rule, &reader->conf->default_rule);
	if (settings_read_group(reader, rule_settings, "", at, rule) == -1 ||
	    name_rule(reader, at, index) == -1 ||
	    conf_refuse_empty(reader, at) == -1)
		return -1;
	if (rule->smaller_than != 0 && rule->larger_than != 0 &&
	    rule->smaller_than <= rule->larger_than + 1)
		return conf_fail(reader, at, "no message is larger_than %ju "
		    "and smaller_than %ju", (uintmax_t)rule->larger_than,
		    (uintmax_t)rule->smaller_than);
	if (settle_signing(reader, at, rule) == -1)
		return -1;
	return settle_copies(reader, at, rule);
}

int
conf_read_rules(struct conf_reader *reader, config_setting_t *list)
{
	struct conf *conf = reader->conf;
	int i, count = config_setting_length(list);

	conf->rules = conf_list_new(reader, list, CONF_RULES_MAX, "rules",
	    sizeof(*conf->rules));
	if (conf->rules == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		conf->rule_count++;
		if (read_rule(reader, config_setting_get_elem(list,
		    (unsigned)i), (size_t)i) == -1)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------ printing, freeing --- */

/* Conditions that a rule does not have are left out. */
static bool
is_given(const struct rule *rule, const struct setting *setting)
{
	const void *at = (const char *)rule + setting->offset;

	if (setting->type == SETTING_STRINGS)
		return ((const struct string_list *)at)->count > 0;
	if (setting->type == SETTING_OCTETS)
		return *(const uint64_t *)at != 0;
	if (strcmp(setting->name, "headers") == 0)
		return rule->header_count > 0;
	return true;
}

static void
print_rule(FILE *stream, const struct setting *setting,
    const struct rule *rule, bool internal)
{
	if (!internal)
		fprintf(stream, "\t# %s\n", rule->where);
	for (; setting->name != NULL; setting++)
		if (is_given(rule, setting) && (internal || !setting->internal))
			setting_print(stream, setting, rule, "\t");
}

void
conf_print_rules(FILE *stream, const struct conf *conf, bool internal)
{
	size_t i;

	fputs("rules = (", stream);
	for (i = 0; i < conf->rule_count; i++) {
		fputs(i > 0 ? ", {\n" : " {\n", stream);
		print_rule(stream, rule_settings, &conf->rules[i], internal);
		fputs("}", stream);
	}
	fputs(" );\ndefault_rule = {\n", stream);
	print_rule(stream, outcome_settings, &conf->default_rule, internal);
	fputs("};\n", stream);
}

void
conf_free_rules(struct conf *conf)
{
	struct rule *rule;
	size_t i, j;

	for (i = 0; i < conf->rule_count; i++) {
		rule = &conf->rules[i];
		settings_free(rule_settings, rule);
		for (j = 0; j < rule->header_count; j++)
			settings_free(header_settings, &rule->headers[j]);
		free(rule->headers);
	}
	free(conf->rules);
	conf->rules = NULL;
	conf->rule_count = 0;
}
