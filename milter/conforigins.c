/*
 * conforigins.c - origins: where outgoing mail may come from (SIG-01, MTA-22).
 *
 * Each kind needs its own evidence and nothing else: a setting that its kind
 * does not use is refused, because whoever wrote it expects it to count.
 */
#include <arpa/inet.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

#define ORIGINS_MAX	1000
#define NETWORKS_MAX	10000

/* ------------------------------------------------- domains and addresses --- */

static void
lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/* Letters, digits, '-' and '_' in labels of 1 to 63; 253 in all. */
static bool
is_domain(const char *text)
{
	size_t label = 0;

	if (strlen(text) > 253)
		return false;
	for (; *text != '\0'; text++) {
		if (*text == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!isalnum((unsigned char)*text) && *text != '-' &&
		    *text != '_')
			return false;
		else if (++label > 63)
			return false;
	}
	return label > 0;
}

int
conf_check_domain(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	const char *name = *value;

	if (strchr(name, '@') != NULL)
		return conf_fail(reader, at, "\"%s\": write the domain "
		    "without '@'", *value);
	if (*name == '*')
		return conf_fail(reader, at, "\"%s\": write \".example.go.id\" "
		    "for all that is below example.go.id", *value);
	if (*name == '.')
		name++;
	if (!is_domain(name))
		return conf_fail(reader, at, "\"%s\" is no domain", *value);
	lower(*value);
	return 0;
}

/* An address, or "@domain". */
static int
check_sender(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	char address[ADDRESS_MAX + 1];
	char *copy;

	if ((*value)[0] == '@') {
		if (!is_domain(*value + 1))
			return conf_fail(reader, at,
			    "\"%s\" is no @domain", *value);
		lower(*value);
		return 0;
	}
	if (!address_canonical(*value, strlen(*value), address))
		return conf_fail(reader, at, "\"%s\" is neither an address nor "
		    "an @domain", *value);
	if ((copy = strdup(address)) == NULL)
		return conf_fail(reader, at, "out of memory");
	free(*value);
	*value = copy;
	return 0;
}

int
conf_check_pattern(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	if (strcmp(*value, "*") == 0)
		return 0;
	if ((*value)[0] == '.')
		return conf_check_domain(reader, at, value);
	if (strchr(*value, '@') == NULL || strchr(*value, '*') != NULL)
		return conf_fail(reader, at, "\"%s\": write an address, "
		    "\"@domain\", \".domain\" (it and all below) or \"*\"",
		    *value);
	return check_sender(reader, at, value);
}

/* ------------------------------------------------------------- networks --- */

static bool
parse_prefix(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (*text == '\0' || strlen(text) > 3)
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*out = value;
	return value <= max;
}

static bool
host_bits_clear(const struct network *network, unsigned bits)
{
	unsigned i;

	for (i = network->prefix; i < bits; i++)
		if (network->address[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

static int
parse_network(struct conf_reader *reader, config_setting_t *at,
    const char *text, struct network *out)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0xff, 0xff };
	char host[64];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned bits;

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(host))
		return conf_fail(reader, at, "\"%.80s\" is no network", text);
	memcpy(host, text, len);
	host[len] = '\0';
	out->family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	bits = out->family == AF_INET ? 32 : 128;
	out->prefix = bits;
	if (inet_pton(out->family, host, out->address) != 1 ||
	    (slash != NULL && !parse_prefix(slash + 1, bits, &out->prefix)))
		return conf_fail(reader, at, "\"%s\" is no network; write one "
		    "such as \"10.20.0.0/16\"", text);
	if (out->prefix == 0)
		return conf_fail(reader, at, "\"%s\" is every host there is; "
		    "anybody's mail would be signed", text);
	if (!host_bits_clear(out, bits))
		return conf_fail(reader, at, "\"%s\" has bits set behind the "
		    "prefix; for one host leave the /%u out", text,
		    out->prefix);
	if (out->family == AF_INET6 && out->prefix >= 96 &&
	    memcmp(out->address, mapped, sizeof(mapped)) == 0)
		return conf_fail(reader, at,
		    "\"%s\": write it as an IPv4 network", text);
	return 0;
}

static int
read_networks(struct conf_reader *reader, config_setting_t *at, void *base)
{
	struct origin *origin = base;
	struct string_list list = { NULL, 0 };
	config_setting_t *item;
	size_t i;
	int rc = -1;

	if (conf_read_strings(reader, at, NULL, &list) == -1)
		goto out;
	if (list.count > NETWORKS_MAX) {
		conf_fail(reader, at, "more than %d networks", NETWORKS_MAX);
		goto out;
	}
	free(origin->networks);
	origin->network_count = 0;
	origin->networks = calloc(list.count + 1, sizeof(*origin->networks));
	if (origin->networks == NULL) {
		conf_fail(reader, at, "out of memory");
		goto out;
	}
	for (i = 0; i < list.count; i++) {
		item = config_setting_type(at) == CONFIG_TYPE_STRING ? at :
		    config_setting_get_elem(at, (unsigned)i);
		if (parse_network(reader, item, list.items[i],
		    &origin->networks[i]) == -1)
			goto out;
		origin->network_count++;
	}
	rc = 0;
out:
	string_list_free(&list);
	return rc;
}

static void
print_networks(FILE *stream, const void *base)
{
	const struct origin *origin = base;
	char host[INET6_ADDRSTRLEN];
	size_t i;

	fputs("[", stream);
	for (i = 0; i < origin->network_count; i++) {
		inet_ntop(origin->networks[i].family,
		    origin->networks[i].address, host, sizeof(host));
		fprintf(stream, "%s\"%s/%u\"", i > 0 ? ", " : " ", host,
		    origin->networks[i].prefix);
	}
	fputs(" ]", stream);
}

/* -------------------------------------------------------------- origins --- */

static const struct setting_word kinds[] = {
	{ "login", ORIGIN_LOGIN }, { "network", ORIGIN_NETWORK },
	{ "daemon", ORIGIN_DAEMON }, { "local", ORIGIN_LOCAL }, { NULL, 0 }
};

#define AT(field)	offsetof(struct origin, field)

static const struct setting origin_settings[] = {
{ "", "name", SETTING_STRING, AT(name), NULL, 1, 64,
    NULL, NULL, NULL, NULL, false, false },
{ "", "kind", SETTING_WORD, AT(kind), NULL, 0, 0,
    kinds, NULL, NULL, NULL, false, false },
{ "", "networks", SETTING_SPECIAL, AT(networks), NULL, 0, 0,
    NULL, NULL, read_networks, print_networks, false, false },
{ "", "daemons", SETTING_STRINGS, AT(daemons), NULL, 0, 0,
    NULL, NULL, NULL, NULL, false, false },
{ "", "from", SETTING_STRINGS, AT(from), NULL, 0, 0,
    NULL, check_sender, NULL, NULL, false, false },
{ NULL, NULL, SETTING_STRING, 0, NULL, 0, 0,
    NULL, NULL, NULL, NULL, false, false }
};

static int
check_kind(struct conf_reader *reader, config_setting_t *at,
    const struct origin *origin)
{
	if (origin->kind != ORIGIN_NETWORK && origin->network_count > 0)
		return conf_fail(reader, at, "\"networks\" belongs to kind "
		    "\"network\" only");
	if (origin->kind == ORIGIN_NETWORK && origin->network_count == 0)
		return conf_fail(reader, at, "kind \"network\" needs "
		    "\"networks\"");
	if ((origin->kind == ORIGIN_LOGIN || origin->kind == ORIGIN_NETWORK) &&
	    origin->daemons.count > 0)
		return conf_fail(reader, at, "\"daemons\" belongs to kinds "
		    "\"daemon\" and \"local\" only");
	if (origin->kind == ORIGIN_DAEMON && origin->daemons.count == 0)
		return conf_fail(reader, at, "kind \"daemon\" needs "
		    "\"daemons\", the milter_macro_daemon_name of the service");
	/* local mail looks like any mail from 127.0.0.1 (MTA-22) */
	if (origin->kind == ORIGIN_LOCAL && origin->daemons.count == 0)
		return conf_fail(reader, at, "kind \"local\" needs "
		    "\"daemons\", a milter_macro_daemon_name that only local "
		    "submission has");
	if (origin->kind == ORIGIN_LOGIN && origin->from.count > 0)
		return conf_fail(reader, at, "\"from\" does not belong to kind "
		    "\"login\": a login sends as itself and as login_map says");
	return 0;
}

static int
read_origin(struct conf_reader *reader, config_setting_t *at, size_t index)
{
	struct origin *origin = &reader->conf->origins[index];
	size_t i;

	if (settings_read_group(reader, origin_settings, "", at, origin) == -1)
		return -1;
	if (origin->name == NULL)
		return conf_fail(reader, at, "needs a \"name\"");
	if (config_setting_get_member(at, "kind") == NULL)
		return conf_fail(reader, at, "needs a \"kind\": \"login\", "
		    "\"network\", \"daemon\" or \"local\"");
	for (i = 0; i < index; i++)
		if (strcmp(reader->conf->origins[i].name, origin->name) == 0)
			return conf_fail(reader, at,
			    "the name \"%s\" is taken", origin->name);
	return check_kind(reader, at, origin);
}

int
conf_read_origins(struct conf_reader *reader, config_setting_t *list)
{
	struct conf *conf = reader->conf;
	int i, count = config_setting_length(list);

	conf->origins = conf_list_new(reader, list, ORIGINS_MAX, "origins",
	    sizeof(*conf->origins));
	if (conf->origins == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		conf->origin_count++;
		if (read_origin(reader, config_setting_get_elem(list,
		    (unsigned)i), (size_t)i) == -1)
			return -1;
	}
	return 0;
}

static bool
is_given(const struct origin *origin, const struct setting *setting)
{
	if (strcmp(setting->name, "networks") == 0)
		return origin->network_count > 0;
	if (strcmp(setting->name, "daemons") == 0)
		return origin->daemons.count > 0;
	return strcmp(setting->name, "from") != 0 ||
	    origin->kind != ORIGIN_LOGIN;
}

void
conf_print_origins(FILE *stream, const struct conf *conf)
{
	const struct setting *setting;
	size_t i;

	fputs("origins = (", stream);
	for (i = 0; i < conf->origin_count; i++) {
		fputs(i > 0 ? ", {\n" : " {\n", stream);
		for (setting = origin_settings; setting->name != NULL;
		    setting++)
			if (is_given(&conf->origins[i], setting))
				setting_print(stream, setting,
				    &conf->origins[i], "\t");
		fputs("}", stream);
	}
	fputs(" );\n", stream);
}

void
conf_free_origins(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->origin_count; i++) {
		settings_free(origin_settings, &conf->origins[i]);
		free(conf->origins[i].networks);
	}
	free(conf->origins);
	conf->origins = NULL;
	conf->origin_count = 0;
}
