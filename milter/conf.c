/*
 * conf.c - the configuration as a whole: read, checked, counted, handed on.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

#define MAP_MAX		((size_t)64 * 1024 * 1024)
#define TEXT_MAX	((size_t)128 * 1024 * 1024)

/* ----------------------------------------------------------- life cycle --- */

static void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	conf_map_free(conf);
	conf_free_rules(conf);
	conf_free_incoming(conf);
	conf_free_origins(conf);
	settings_free(conf_settings, conf);
	free(conf);
}

static struct conf *
conf_new(struct smime_error *err)
{
	struct conf *conf;

	if ((conf = calloc(1, sizeof(*conf))) == NULL) {
		smime_error_set(err, "reading the configuration");
		return NULL;
	}
	conf->references = 1;
	if (setting_defaults(conf_settings, conf, err) == -1 ||
	    conf_default_rule(&conf->default_rule, err) == -1) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

struct conf *
conf_ref(struct conf *conf)
{
	__atomic_add_fetch(&conf->references, 1, __ATOMIC_RELAXED);
	return conf;
}

void
conf_unref(struct conf *conf)
{
	if (conf != NULL &&
	    __atomic_sub_fetch(&conf->references, 1, __ATOMIC_ACQ_REL) == 0)
		conf_free(conf);
}

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static struct conf *current;

/* Counted under the lock: the last reference may go at the same moment. */
struct conf *
conf_current(void)
{
	struct conf *conf;

	pthread_mutex_lock(&current_lock);
	conf = current != NULL ? conf_ref(current) : NULL;
	pthread_mutex_unlock(&current_lock);
	return conf;
}

void
conf_replace(struct conf *conf)
{
	struct conf *old;

	pthread_mutex_lock(&current_lock);
	old = current;
	current = conf;
	pthread_mutex_unlock(&current_lock);
	conf_unref(old);
}

size_t
conf_key_threads(const struct conf *conf)
{
	long cores;

	if (conf->key_threads > 0)
		return conf->key_threads;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < 1)
		cores = 1;
	return cores > 128 ? 256 : (size_t)cores * 2;
}

/* -------------------------------------------------------------- reading --- */

/* libconfig's own sentence, at the place where the line came from. */
static int
fail_parse(const struct conf_source *source, const config_t *tree,
    struct smime_error *err)
{
	const char *text = config_error_text(tree);
	char where[256];

	conf_source_where(source, config_error_line(tree), where,
	    sizeof(where));
	if (text != NULL && strcmp(text, "syntax error") == 0)
		text = "syntax error; look for a missing ';', quote or bracket "
		    "here or on the line before";
	return smime_error_setx(err, "%s: %s", where,
	    text != NULL ? text : "cannot be parsed");
}

static int
read_settings(struct conf *conf, const struct conf_source *source,
    bool internal, struct smime_error *err)
{
	struct conf_reader reader = { .source = source, .conf = conf,
	    .err = err, .internal = internal };
	config_t tree;
	int rc;

	config_init(&tree);
	if (config_read_string(&tree, source->text) != CONFIG_TRUE)
		rc = fail_parse(source, &tree, err);
	else
		rc = settings_read_root(&reader, config_root_setting(&tree));
	config_destroy(&tree);
	return rc;
}

/* RFC 8601 2.5: the authserv-id is by default the host's name. */
static int
name_host(struct conf *conf, struct smime_error *err)
{
	char host[256];
	char *copy;

	if (conf->authserv_id[0] != '\0')
		return 0;
	if (gethostname(host, sizeof(host)) == -1)
		return smime_error_set(err, "%s: authserv_id: the host's name",
		    conf->file);
	host[sizeof(host) - 1] = '\0';
	if (host[0] == '\0' || strspn(host, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != strlen(host))
		return smime_error_setx(err, "%s: authserv_id: the host has no "
		    "usable name; set authserv_id", conf->file);
	if ((copy = strdup(host)) == NULL)
		return smime_error_set(err, "%s", conf->file);
	free(conf->authserv_id);
	conf->authserv_id = copy;
	return 0;
}

/* What no single setting can be blamed for. */
static int
check_whole(const struct conf *conf, struct smime_error *err)
{
	if (conf->domains.count == 0)
		return smime_error_setx(err, "%s: domains: not given; name "
		    "your mail domains, such as domains = [ \".example.go.id\" "
		    "];", conf->file);
	if (conf->user[0] != '\0' && strcmp(conf->user, conf->key_user) == 0)
		return smime_error_setx(err, "%s: key_user: must be another "
		    "user than user (\"%s\"): the keys are kept from the "
		    "process that reads mail", conf->file, conf->user);
	if (conf->token_module[0] != '\0' && conf->token_user[0] != '\0' &&
	    (strcmp(conf->token_user, conf->user) == 0 ||
	    strcmp(conf->token_user, conf->key_user) == 0))
		return smime_error_setx(err, "%s: token_user: must be another "
		    "user than user and key_user: a token's module is kept "
		    "from mail and from keys in files", conf->file);
	if (conf->submit_server[0] != '\0' && conf->submit_user[0] != '\0' &&
	    (strcmp(conf->submit_user, conf->user) == 0 ||
	    strcmp(conf->submit_user, conf->key_user) == 0 ||
	    strcmp(conf->submit_user, conf->token_user) == 0))
		return smime_error_setx(err, "%s: submit.user: must be "
		    "another user than user, key_user and token_user: it is "
		    "the one that may connect", conf->file);
	return 0;
}

static int
read_map(struct conf *conf, struct smime_error *err)
{
	size_t len;
	char *text;
	int rc;

	if (conf->login_map[0] == '\0')
		return 0;
	text = conf_slurp(conf->login_map, MAP_MAX, &len, err);
	if (text == NULL)
		return -1;
	rc = conf_map_parse(conf, conf->login_map, text, len, err);
	free(text);
	return rc;
}

struct conf *
conf_read(const char *file, struct smime_error *err)
{
	struct conf_source source;
	struct conf *conf;
	int rc = -1;

	if (conf_source_read(file, &source, err) == -1)
		return NULL;
	if ((conf = conf_new(err)) == NULL)
		goto out;
	if ((conf->file = strdup(file)) == NULL) {
		smime_error_set(err, "%s", file);
		goto out;
	}
	if (read_settings(conf, &source, false, err) == -1 ||
	    name_host(conf, err) == -1 || check_whole(conf, err) == -1 ||
	    read_map(conf, err) == -1)
		goto out;
	rc = 0;
out:
	conf_source_free(&source);
	if (rc == -1) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

/* ----------------------------------------------------- for the children --- */

/*
 * One line "sampul-conf 1 SETTINGS MAP" with the octets of both parts, then
 * the settings in libconfig's syntax and the login map. Places of rules go
 * along, so that a child's log names them as the supervisor would.
 */
#define TEXT_HEAD	"sampul-conf 1 "

static int
write_parts(const struct conf *conf, FILE *settings, FILE *map)
{
	settings_print(settings, conf, true);
	conf_print_origins(settings, conf);
	conf_print_rules(settings, conf, true);
	conf_print_incoming(settings, conf, true);
	conf_map_print(map, conf);
	return ferror(settings) || ferror(map) ? -1 : 0;
}

static int
join(const char *settings, size_t settings_len, const char *map,
    size_t map_len, char **out, size_t *len)
{
	char head[96];
	int n;

	n = snprintf(head, sizeof(head), TEXT_HEAD "%zu %zu\n", settings_len,
	    map_len);
	*len = (size_t)n + settings_len + map_len;
	if ((*out = malloc(*len + 1)) == NULL)
		return -1;
	memcpy(*out, head, (size_t)n);
	memcpy(*out + n, settings, settings_len);
	memcpy(*out + n + settings_len, map, map_len);
	(*out)[*len] = '\0';
	return 0;
}

int
conf_text(const struct conf *conf, char **out, size_t *len,
    struct smime_error *err)
{
	char *settings = NULL, *map = NULL;
	size_t settings_len = 0, map_len = 0;
	FILE *settings_stream, *map_stream;
	int rc = -1;

	*out = NULL;
	settings_stream = open_memstream(&settings, &settings_len);
	map_stream = open_memstream(&map, &map_len);
	if (settings_stream != NULL && map_stream != NULL)
		rc = write_parts(conf, settings_stream, map_stream);
	if (settings_stream != NULL && fclose(settings_stream) != 0)
		rc = -1;
	if (map_stream != NULL && fclose(map_stream) != 0)
		rc = -1;
	if (rc == 0)
		rc = join(settings, settings_len, map, map_len, out, len);
	free(settings);
	free(map);
	if (rc == -1)
		return smime_error_set(err, "writing the configuration out");
	return 0;
}

/* The parts of a text, borrowed from it. */
static int
split(const char *text, size_t len, const char **settings,
    size_t *settings_len, const char **map, size_t *map_len)
{
	const char *eol = memchr(text, '\n', len < 96 ? len : 96);
	char head[97];
	unsigned long long a, b;
	size_t head_len;
	int used = 0;

	if (eol == NULL || len > TEXT_MAX)
		return -1;
	head_len = (size_t)(eol - text);
	memcpy(head, text, head_len);
	head[head_len] = '\0';
	if (sscanf(head, TEXT_HEAD "%9llu %9llu%n", &a, &b, &used) != 2 ||
	    (size_t)used != head_len || a > len || b > len ||
	    head_len + 1 + a + b != len)
		return -1;
	*settings = eol + 1;
	*settings_len = (size_t)a;
	*map = *settings + a;
	*map_len = (size_t)b;
	return 0;
}

struct conf *
conf_read_text(const char *text, size_t len, struct smime_error *err)
{
	struct conf_source source;
	struct conf *conf;
	const char *settings, *map;
	size_t settings_len, map_len;
	int rc = -1;

	if (split(text, len, &settings, &settings_len, &map, &map_len) == -1) {
		smime_error_setx(err, "not a text of a configuration");
		return NULL;
	}
	if (conf_source_text(settings, settings_len, &source, err) == -1)
		return NULL;
	if ((conf = conf_new(err)) == NULL)
		goto out;
	if (read_settings(conf, &source, true, err) == -1)
		goto out;
	if (conf->file == NULL || conf->authserv_id[0] == '\0') {
		smime_error_setx(err, "the text of the configuration is not "
		    "whole");
		goto out;
	}
	if (check_whole(conf, err) == -1 || conf_map_parse(conf,
	    conf->login_map, map, map_len, err) == -1)
		goto out;
	rc = 0;
out:
	conf_source_free(&source);
	if (rc == -1) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

void
conf_print(const struct conf *conf, void *stdio_file)
{
	FILE *stream = stdio_file;

	fprintf(stream, "# as understood from %s\n", conf->file);
	settings_print(stream, conf, false);
	if (conf->login_map[0] != '\0')
		fprintf(stream, "# login_map gives addresses to %zu logins\n",
		    conf->login_count);
	conf_print_origins(stream, conf);
	conf_print_rules(stream, conf, false);
	conf_print_incoming(stream, conf, false);
}
