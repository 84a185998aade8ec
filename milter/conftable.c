/*
 * conftable.c - the table of settings.
 *
 * Everything that can be configured outside origins and rules is one line
 * here: name, type, place, default, least and greatest value. Defaults,
 * reading, -nn and the copy for the children follow the table, and
 * sampul.conf(5) lists it. libconfig itself takes unknown names silently and
 * answers a wrong type like a missing setting; a typing error must stop the
 * start instead of switching off signing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"
#include "log.h"
#include "submit.h"

#define STRING_MAX	255
#define PATH_LENGTH_MAX	1023
#define MIB		(1024ULL * 1024)

static const struct setting_word modes[] = {
	{ "enforce", MODE_ENFORCE }, { "observe", MODE_OBSERVE }, { NULL, 0 }
};
static const struct setting_word languages[] = {
	{ "id", LANGUAGE_ID }, { "en", LANGUAGE_EN }, { NULL, 0 }
};
static const struct setting_word log_levels[] = {
	{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG }, { NULL, 0 }
};
static const struct setting_word capabilities[] = {
	{ "aes256-gcm", SMIME_CAP_AES256_GCM },
	{ "aes128-gcm", SMIME_CAP_AES128_GCM },
	{ "aes256-cbc", SMIME_CAP_AES256_CBC },
	{ "aes128-cbc", SMIME_CAP_AES128_CBC },
	{ NULL, 0 }
};

static const struct setting_word crl_wants[] = {
	{ "require", CRL_REQUIRE }, { "soft-fail", CRL_SOFT_FAIL }, { NULL, 0 }
};
static const struct setting_word results_removed[] = {
	{ "smime", RESULTS_SMIME }, { "ours", RESULTS_OURS },
	{ "all", RESULTS_ALL }, { NULL, 0 }
};
static const struct setting_word spoof_actions[] = {
	{ "accept", INCOMING_ACCEPT }, { "quarantine", INCOMING_QUARANTINE },
	{ "refuse", INCOMING_REFUSE }, { NULL, 0 }
};

/* ----------------------------------------------------- checks of values --- */

static int
check_authserv_id(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	const char *p;

	for (p = *value; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
			return conf_fail(reader, at, "\"%s\" may hold letters, "
			    "digits, '.', '-' and '_' only", *value);
	return 0;
}

static int
check_ascii(struct conf_reader *reader, config_setting_t *at, char **value)
{
	const char *p;

	for (p = *value; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x7f)
			return conf_fail(reader, at, "must be plain ASCII");
	return 0;
}

/* Header field name: RFC 5322 3.6.8. */
static int
check_field_name(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	const char *p;

	for (p = *value; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			return conf_fail(reader, at,
			    "\"%s\" is no name of a header field", *value);
	return 0;
}

static int
check_source(struct conf_reader *reader, config_setting_t *at, char **value)
{
	if (strcmp(*value, "partners") == 0 ||
	    strcmp(*value, "colleagues") == 0 ||
	    strcmp(*value, "harvested") == 0)
		return 0;
	return conf_fail(reader, at, "\"%s\" is unknown; it is one of "
	    "\"partners\", \"colleagues\", \"harvested\"", *value);
}

/* Compared with what is seen of a field: one line without odd spaces. */
static int
check_label(struct conf_reader *reader, config_setting_t *at, char **value)
{
	const char *text = *value;
	size_t len = strlen(text);

	if (len == 0 || len > 64 || text[0] == ' ' || text[len - 1] == ' ' ||
	    strstr(text, "  ") != NULL)
		return conf_fail(reader, at, "\"%s\": write 1 to 64 "
		    "characters, without spaces around them", text);
	return check_ascii(reader, at, value);
}

static int
check_charset(struct conf_reader *reader, config_setting_t *at, char **value)
{
	const char *p;

	for (p = *value; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_.+:", *p) == NULL)
			return conf_fail(reader, at,
			    "\"%s\" is no name of a character set", *value);
	return 0;
}

/* An object identifier in dots: 2.16.360.1.1.1.3.12 */
static int
check_oid(struct conf_reader *reader, config_setting_t *at, char **value)
{
	const char *p = *value;
	unsigned arcs = 0;

	for (;;) {
		if (!isdigit((unsigned char)*p))
			break;
		while (isdigit((unsigned char)*p))
			p++;
		arcs++;
		if (*p != '.')
			break;
		p++;
	}
	if (*p != '\0' || arcs < 2 || strlen(*value) > 128)
		return conf_fail(reader, at, "\"%s\" is no object identifier; "
		    "write one such as \"2.16.360.1.1.1.3.12\"", *value);
	return 0;
}

static int
check_port(struct conf_reader *reader, config_setting_t *at, const char *text)
{
	const char *host = strchr(text, '@');
	char *end;
	long port;

	port = strtol(text, &end, 10);
	if (!isdigit((unsigned char)*text) || port < 1 || port > 65535 ||
	    (*end != '@' && *end != '\0'))
		return conf_fail(reader, at,
		    "\"%s\": write inet:PORT@HOST", text);
	if (host == NULL || host[1] == '\0')
		return conf_fail(reader, at, "\"%s\" would listen on every "
		    "interface; write inet:%ld@127.0.0.1", text, port);
	return 0;
}

/* The forms of smfi_setconn: [unix|local:]path, inet:port@host, inet6:... */
static int
check_socket(struct conf_reader *reader, config_setting_t *at, char **value)
{
	const char *text = *value;

	if (strncmp(text, "inet:", 5) == 0)
		return check_port(reader, at, text + 5);
	if (strncmp(text, "inet6:", 6) == 0)
		return check_port(reader, at, text + 6);
	if (strncmp(text, "unix:", 5) == 0)
		text += 5;
	else if (strncmp(text, "local:", 6) == 0)
		text += 6;
	if (*text != '/')
		return conf_fail(reader, at, "\"%s\": write an absolute path "
		    "or inet:PORT@HOST", *value);
	if (strlen(text) > 100)
		return conf_fail(reader, at,
		    "the path of a socket has at most 100 octets");
	return 0;
}

static int
check_passphrase_file(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	static const char credential[] = "credential:";
	const char *name = *value + strlen(credential);

	if (strncmp(*value, credential, strlen(credential)) != 0) {
		if ((*value)[0] != '\0' && (*value)[0] != '/')
			return conf_fail(reader, at, "\"%s\": write an "
			    "absolute path or credential:NAME", *value);
		return 0;
	}
	if (*name == '\0' || strchr(name, '/') != NULL || *name == '.')
		return conf_fail(reader, at,
		    "\"%s\" does not name a credential", *value);
	return 0;
}

/* "dinkes:op-dinkes"; the agency "" is our domain itself. */
static int
check_agency_group(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	const char *p;

	for (p = *value; isalnum((unsigned char)*p) || *p == '-' ||
	    *p == '_'; p++)
		if (isupper((unsigned char)*p))
			break;
	if (*p != ':' || p[1] == '\0' || strchr(p + 1, ':') != NULL)
		return conf_fail(reader, at, "\"%s\": write agency:group, such "
		    "as \"dinkes:op-dinkes\", the agency in lower case",
		    *value);
	return 0;
}

static int
check_submit_server(struct conf_reader *reader, config_setting_t *at,
    char **value)
{
	const char *wrong;

	if ((*value)[0] == '\0')
		return 0;
	if (!smtp_is_built())
		return conf_fail(reader, at, "this build cannot submit "
		    "messages: libcurl was missing; build it again with "
		    "libcurl4-openssl-dev");
	wrong = submit_read_server(*value, NULL);
	return wrong == NULL ? 0 : conf_fail(reader, at, "\"%s\": %s", *value,
	    wrong);
}

/* -------------------------------------------------------------- table --- */

#define AT(field)	offsetof(struct conf, field)
#define NONE		NULL, NULL, NULL, NULL

const struct setting conf_settings[] = {
/* group, name, type, place, default, min, max, words, check, read, print,
 * restart, internal */
{ "", "mode", SETTING_WORD, AT(mode), "enforce", 0, 0, modes,
    NULL, NULL, NULL, false, false },
{ "", "language", SETTING_WORD, AT(language), "id", 0, 0, languages,
    NULL, NULL, NULL, false, false },
{ "", "log_level", SETTING_WORD, AT(log_level), "info", 0, 0, log_levels,
    NULL, NULL, NULL, false, false },
{ "", "domains", SETTING_STRINGS, AT(domains), NULL, 0, 0, NULL,
    conf_check_domain, NULL, NULL, false, false },
{ "", "authserv_id", SETTING_STRING, AT(authserv_id), "", 0, STRING_MAX, NULL,
    check_authserv_id, NULL, NULL, false, false },
{ "", "help", SETTING_STRING, AT(help), "", 0, 200, NULL,
    check_ascii, NULL, NULL, false, false },
{ "", "user", SETTING_STRING, AT(user), "sampul", 0, 64,
    NONE, true, false },
{ "", "key_user", SETTING_STRING, AT(key_user), "sampul-key", 0, 64,
    NONE, true, false },
{ "", "token_user", SETTING_STRING, AT(token_user), "sampul-token", 0, 64,
    NONE, true, false },
{ "", "socket_group", SETTING_STRING, AT(socket_group), "", 0, 64,
    NONE, true, false },
{ "", "pid_file", SETTING_PATH, AT(pid_file), "/run/sampul-milter.pid",
    0, PATH_LENGTH_MAX, NONE, true, false },
{ "", "login_map", SETTING_PATH, AT(login_map), "", 0, PATH_LENGTH_MAX,
    NONE, false, false },

{ "milter", "socket", SETTING_STRING, AT(socket), "/run/sampul/milter.sock",
    1, STRING_MAX, NULL, check_socket, NULL, NULL, true, false },
{ "milter", "socket_mode", SETTING_MODE, AT(socket_mode), "0660", 0, 0,
    NONE, true, false },
{ "milter", "max_connections", SETTING_NUMBER, AT(max_connections), "250",
    1, 10000, NONE, false, false },
{ "milter", "negotiate_timeout", SETTING_SECONDS, AT(negotiate_timeout), "30",
    1, 3600, NONE, false, false },
{ "milter", "idle_timeout", SETTING_SECONDS, AT(idle_timeout), "7210",
    10, 86400, NONE, true, false },
{ "milter", "max_header", SETTING_SIZE, AT(max_header), "1M",
    16384, 64 * MIB, NONE, false, false },
{ "milter", "max_recipients", SETTING_NUMBER, AT(max_recipients), "2000",
    1, 100000, NONE, false, false },
{ "milter", "max_message", SETTING_OCTETS, AT(max_message), "100M",
    0, 1024 * 1024 * MIB, NONE, false, false },

{ "spool", "dir", SETTING_PATH, AT(spool_dir), "/var/spool/sampul",
    1, PATH_LENGTH_MAX, NONE, false, false },
{ "spool", "memory", SETTING_SIZE, AT(spool_memory), "256k",
    0, 1024 * MIB, NONE, false, false },
{ "spool", "max_depth", SETTING_NUMBER, AT(max_depth), "20",
    1, 100, NONE, false, false },
{ "spool", "max_parts", SETTING_NUMBER, AT(max_parts), "1000",
    1, 100000, NONE, false, false },

{ "signing", "pss", SETTING_BOOL, AT(pss), "false", 0, 0,
    NONE, false, false },
{ "signing", "capabilities", SETTING_WORDS, AT(capabilities),
    "aes256-cbc aes128-cbc", 0, 0, capabilities, NULL, NULL, NULL,
    false, false },
{ "signing", "quote_from", SETTING_BOOL, AT(quote_from), "true", 0, 0,
    NONE, false, false },
{ "signing", "unlabelled_charset", SETTING_STRING, AT(unlabelled_charset),
    "unknown-8bit", 1, 40, NULL, check_charset, NULL, NULL, false, false },
{ "signing", "skip_header", SETTING_STRING, AT(skip_header), "X-Sampul-Skip",
    0, 76, NULL, check_field_name, NULL, NULL, false, false },

{ "keystore", "dir", SETTING_PATH, AT(keystore_dir),
    SAMPUL_SYSCONFDIR "/sampul/keystore", 1, PATH_LENGTH_MAX,
    NONE, false, false },
{ "keystore", "passphrase_file", SETTING_STRING, AT(passphrase_file), "",
    0, PATH_LENGTH_MAX, NULL, check_passphrase_file, NULL, NULL,
    false, false },
{ "keystore", "insecure_unencrypted_keys", SETTING_BOOL,
    AT(insecure_unencrypted_keys), "false", 0, 0, NONE, false, false },
{ "keystore", "token_module", SETTING_PATH, AT(token_module), "",
    0, PATH_LENGTH_MAX, NONE, false, false },
{ "keystore", "token_pin_file", SETTING_PATH, AT(token_pin_file), "",
    0, PATH_LENGTH_MAX, NONE, false, false },
{ "keystore", "token_network", SETTING_BOOL, AT(token_network), "false", 0, 0,
    NONE, false, false },
{ "keystore", "anchors_dir", SETTING_PATH, AT(anchors_dir),
    SAMPUL_SYSCONFDIR "/sampul/anchors", 1, PATH_LENGTH_MAX,
    NONE, false, false },
{ "keystore", "intermediates_dir", SETTING_PATH, AT(intermediates_dir),
    SAMPUL_SYSCONFDIR "/sampul/intermediates", 0, PATH_LENGTH_MAX,
    NONE, false, false },
{ "keystore", "cache_size", SETTING_SIZE, AT(cache_size), "64M",
    65536, 16384 * MIB, NONE, false, false },
{ "keystore", "rate_limit", SETTING_NUMBER, AT(rate_limit), "120",
    0, 1000000, NONE, false, false },
{ "keystore", "key_timeout", SETTING_SECONDS, AT(key_timeout), "20",
    1, 600, NONE, false, false },
{ "keystore", "key_threads", SETTING_NUMBER, AT(key_threads), "0",
    0, 256, NONE, true, false },
{ "keystore", "expiry_warning", SETTING_NUMBER, AT(expiry_warning), "30",
    0, 3650, NONE, false, false },

{ "custody", "socket", SETTING_PATH, AT(unlock_socket), "",
    0, 100, NONE, true, false },
{ "custody", "group", SETTING_STRING, AT(unlock_group), "", 0, 64,
    NONE, true, false },
{ "custody", "agency_groups", SETTING_STRINGS, AT(agency_groups), NULL, 0, 0,
    NULL, check_agency_group, NULL, NULL, true, false },
{ "custody", "unlock_time", SETTING_SECONDS, AT(unlock_time), "8h",
    1, 31 * 86400, NONE, false, false },

{ "verify", "enabled", SETTING_BOOL, AT(verify), "true", 0, 0,
    NONE, false, false },
{ "verify", "anchors_dir", SETTING_PATH, AT(verify_anchors_dir), "",
    0, PATH_LENGTH_MAX, NONE, false, false },
{ "verify", "crl_dir", SETTING_PATH, AT(crl_dir), "/var/lib/sampul/crl",
    0, PATH_LENGTH_MAX, NONE, false, false },
{ "verify", "crl", SETTING_WORD, AT(crl), "require", 0, 0, crl_wants,
    NULL, NULL, NULL, false, false },
{ "verify", "crl_max_age", SETTING_SECONDS, AT(crl_max_age), "0",
    0, 10 * 366 * 86400, NONE, false, false },
{ "verify", "any_purpose", SETTING_BOOL, AT(any_purpose), "true", 0, 0,
    NONE, false, false },
{ "verify", "max_opaque", SETTING_SIZE, AT(max_opaque), "1M",
    16384, 256 * MIB, NONE, false, false },
{ "verify", "max_depth", SETTING_NUMBER, AT(max_layers), "5",
    1, VERDICT_LAYERS, NONE, false, false },
{ "verify", "pins", SETTING_PATH, AT(pins_file), "", 0, PATH_LENGTH_MAX,
    NONE, false, false },
{ "verify", "policy_oids", SETTING_STRINGS, AT(policy_oids), NULL, 0, 0, NULL,
    check_oid, NULL, NULL, false, false },
{ "verify", "max_age", SETTING_SECONDS, AT(max_age), "0",
    0, 10 * 366 * 86400, NONE, false, false },
{ "verify", "max_future", SETTING_SECONDS, AT(max_future), "1d",
    60, 366 * 86400, NONE, false, false },
{ "verify", "results", SETTING_WORD, AT(results), "smime", 0, 0,
    results_removed, NULL, NULL, NULL, false, false },
{ "verify", "spoof", SETTING_WORD, AT(spoof), "accept", 0, 0,
    spoof_actions, NULL, NULL, NULL, false, false },

{ "encryption", "sources", SETTING_STRINGS, AT(encryption_sources),
    "partners|colleagues|harvested", 0, 0, NULL, check_source, NULL, NULL,
    false, false },
{ "encryption", "partners_dir", SETTING_PATH, AT(partners_dir),
    SAMPUL_SYSCONFDIR "/sampul/partners", 0, PATH_LENGTH_MAX,
    NONE, false, false },
{ "encryption", "harvest_dir", SETTING_PATH, AT(harvest_dir), "",
    0, PATH_LENGTH_MAX, NONE, false, false },
{ "encryption", "harvest_from", SETTING_STRINGS, AT(harvest_from), NULL, 0, 0,
    NULL, conf_check_pattern, NULL, NULL, false, false },
{ "encryption", "harvest_max", SETTING_NUMBER, AT(harvest_max), "10000",
    0, 1000000, NONE, false, false },
{ "encryption", "harvest_age", SETTING_SECONDS, AT(harvest_age), "365d",
    86400, 10 * 366 * 86400, NONE, false, false },
{ "encryption", "gcm_to", SETTING_STRINGS, AT(gcm_to), NULL, 0, 0, NULL,
    conf_check_pattern, NULL, NULL, false, false },
{ "encryption", "oaep_to", SETTING_STRINGS, AT(oaep_to), NULL, 0, 0, NULL,
    conf_check_pattern, NULL, NULL, false, false },
{ "encryption", "labels", SETTING_STRINGS, AT(labels), NULL, 0, 0, NULL,
    check_label, NULL, NULL, false, false },
{ "encryption", "label_fields", SETTING_STRINGS, AT(label_fields),
    "Sifat|X-Klasifikasi", 0, 0, NULL, check_field_name, NULL, NULL,
    false, false },
{ "encryption", "subject_tags", SETTING_STRINGS, AT(subject_tags), NULL, 0, 0,
    NULL, check_label, NULL, NULL, false, false },
{ "encryption", "remove_tag", SETTING_BOOL, AT(remove_tag), "false", 0, 0,
    NONE, false, false },

{ "submit", "server", SETTING_STRING, AT(submit_server), "", 0, 64, NULL,
    check_submit_server, NULL, NULL, false, false },
{ "submit", "timeout", SETTING_SECONDS, AT(submit_timeout), "60",
    1, 600, NONE, false, false },
{ "submit", "user", SETTING_STRING, AT(submit_user), "sampul-submit", 0, 64,
    NONE, true, false },
{ "submit", "threads", SETTING_NUMBER, AT(submit_threads), "8",
    1, 64, NONE, true, false },

{ "audit", "file", SETTING_PATH, AT(audit_file),
    "/var/log/sampul/audit.log", 0, PATH_LENGTH_MAX, NONE, false, false },

{ "", "source_file", SETTING_STRING, AT(file), NULL, 0, PATH_LENGTH_MAX * 4,
    NONE, false, true },
{ "", "generation", SETTING_NUMBER, AT(generation), NULL, 0, UINT32_MAX,
    NONE, false, true },
{ NULL, NULL, SETTING_STRING, 0, NULL, 0, 0, NONE, false, false }
};
