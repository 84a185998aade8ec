/*
 * confread.h - what the files that read the configuration share.
 *
 *	confsource.c	files with @include to one text that remembers places
 *	confvalue.c	one setting: its default, reading it
 *	conftable.c	the table of settings
 *	confwalk.c	what was written, along the table
 *	confprint.c	settings on paper
 *	conforigins.c	where outgoing mail may come from
 *	confrules.c	what is done with it
 *	confincoming.c	what becomes of incoming mail
 *	confmap.c	the login map
 *	confcheck.c	what a start would stumble over
 *	confmeaning.c	what is probably not meant
 *	conf.c		all of it together, and the current configuration
 */
#ifndef SAMPUL_CONFREAD_H
#define SAMPUL_CONFREAD_H

#include <stdio.h>

#include <libconfig.h>

#include "../smime/smime.h"
#include "conf.h"

/* -------------------------------------------------------- confsource.c --- */

/* A text for libconfig, with the file and line that each line came from. */
struct conf_source {
	char			*text;
	size_t			 len;
	struct string_list	 files;
	struct conf_place {
		size_t		 file;		/* index to files */
		unsigned	 line;
	}			*places;	/* by line of text */
	size_t			 place_count;
};

int	 conf_source_read(const char *file, struct conf_source *out,
	    struct smime_error *err);
/* From memory: an @include is then an error. */
int	 conf_source_text(const char *text, size_t len, struct conf_source *out,
	    struct smime_error *err);
void	 conf_source_free(struct conf_source *source);
/* "file:line" of a line of the text. */
void	 conf_source_where(const struct conf_source *source, int line,
	    char *out, size_t size);
/* The whole of a regular file up to max octets, NUL-terminated. */
char	*conf_slurp(const char *file, size_t max, size_t *len,
	    struct smime_error *err);

/* --------------------------------------------------------- confvalue.c --- */

enum setting_type {
	SETTING_STRING,		/* char *; min, max: its length */
	SETTING_PATH,		/* char *; absolute, or "" when min is 0 */
	SETTING_BOOL,		/* bool */
	SETTING_NUMBER,		/* unsigned */
	SETTING_SECONDS,	/* unsigned; 30, "30s", "5m", "2h", "1d" */
	SETTING_SIZE,		/* size_t; 4096, "256k", "25M", "1G" */
	SETTING_OCTETS,		/* uint64_t; likewise */
	SETTING_MODE,		/* mode_t; "0660" */
	SETTING_WORD,		/* an enum; one of words */
	SETTING_WORDS,		/* unsigned; any of words, or'ed */
	SETTING_STRINGS,	/* struct string_list */
	SETTING_SPECIAL		/* read and print do it */
};

struct setting_word {
	const char	*word;
	int		 value;
};

struct conf_reader;

struct setting {
	const char			*group;		/* "" top level */
	const char			*name;
	enum setting_type		 type;
	size_t				 offset;
	const char			*fallback;	/* default, as text */
	uint64_t			 min, max;
	const struct setting_word	*words;		/* ends in NULL */
	/* The value, once of the right type, may be changed or refused. */
	int	(*check)(struct conf_reader *reader, config_setting_t *at,
		    char **value);
	int	(*read)(struct conf_reader *reader, config_setting_t *at,
		    void *base);
	void	(*print)(FILE *stream, const void *base);
	bool				 restart;	/* not by reload */
	bool				 internal;	/* conf_text's only */
};

struct conf_reader {
	const struct conf_source	*source;
	struct conf			*conf;
	struct smime_error		*err;
	bool				 internal;
};

/* Sets "file:line: path: sentence"; returns -1. */
int	 conf_fail(struct conf_reader *reader, config_setting_t *at,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Every default of the table to base. */
int	 setting_defaults(const struct setting *table, void *base,
	    struct smime_error *err);
/* Reads one value as the table says; at is known to be of that name. */
int	 setting_read(struct conf_reader *reader, const struct setting *setting,
	    config_setting_t *at, void *base);
/* Frees what strings and lists of the table hold. */
void	 settings_free(const struct setting *table, void *base);
/* A string, array or list of strings to out. */
int	 conf_read_strings(struct conf_reader *reader, config_setting_t *at,
	    int (*check)(struct conf_reader *reader, config_setting_t *at,
	    char **value), struct string_list *out);
int	 string_list_add(struct string_list *list, const char *text);
void	 string_list_free(struct string_list *list);

/* --------------------------------------------------------- conftable.c --- */

extern const struct setting conf_settings[];	/* ends in a NULL name */

/* ---------------------------------------------------------- confwalk.c --- */

/*
 * Reads every member of a group (which must be one) against those settings of
 * table that belong to the group of that name.
 */
int	 settings_read_group(struct conf_reader *reader,
	    const struct setting *table, const char *name,
	    config_setting_t *group, void *base);
/* Reads the root: top level, groups, then origins and rules. */
int	 settings_read_root(struct conf_reader *reader, config_setting_t *root);
/*
 * Room, zeroed, for the elements of a list and one more, of size octets each;
 * NULL after saying that it is no list, or has more than max elements.
 */
void	*conf_list_new(struct conf_reader *reader, config_setting_t *list,
	    int max, const char *what, size_t size);
/* "rule3" for the third of a list where it was given no name. */
int	 conf_name_nth(struct conf_reader *reader, config_setting_t *at,
	    size_t index, char **name);
/* An empty list in a condition would read as "none of these". */
int	 conf_refuse_empty(struct conf_reader *reader, config_setting_t *at);

/* --------------------------------------------------------- confprint.c --- */

/* "name = value;" after indent, in libconfig's syntax like all here. */
void	 setting_print(FILE *stream, const struct setting *setting,
	    const void *base, const char *indent);
void	 conf_print_string(FILE *stream, const char *text);
/* All of conf_settings. */
void	 settings_print(FILE *stream, const struct conf *conf, bool internal);

/* ------------------------------------------------------- conforigins.c --- */

int	 conf_read_origins(struct conf_reader *reader, config_setting_t *list);
void	 conf_print_origins(FILE *stream, const struct conf *conf);
void	 conf_free_origins(struct conf *conf);
/* Checks of values: lower case, canonical, or refused with a remedy. */
int	 conf_check_domain(struct conf_reader *reader, config_setting_t *at,
	    char **value);
int	 conf_check_pattern(struct conf_reader *reader, config_setting_t *at,
	    char **value);	/* address, "@domain", ".domain" or "*" */

/* --------------------------------------------------------- confrules.c --- */

int	 conf_default_rule(struct rule *rule, struct smime_error *err);
int	 conf_read_default_rule(struct conf_reader *reader,
	    config_setting_t *group);
int	 conf_read_rules(struct conf_reader *reader, config_setting_t *list);
void	 conf_print_rules(FILE *stream, const struct conf *conf, bool internal);
void	 conf_free_rules(struct conf *conf);

#define CONF_RULES_MAX	1000

/* -------------------------------------------------------- confincoming.c --- */

int	 conf_read_incoming(struct conf_reader *reader, config_setting_t *list);
void	 conf_print_incoming(FILE *stream, const struct conf *conf,
	    bool internal);
void	 conf_free_incoming(struct conf *conf);

/* ----------------------------------------------------------- confmap.c --- */

/* file names the text in sentences. */
int	 conf_map_parse(struct conf *conf, const char *file, const char *text,
	    size_t len, struct smime_error *err);
void	 conf_map_print(FILE *stream, const struct conf *conf);
void	 conf_map_free(struct conf *conf);
/* The entry of a login, without regard to ASCII case; NULL when none. */
const struct login_entry *conf_map_find(const struct conf *conf,
	    const char *login);

/* --------------------------------------------------------- confcheck.c --- */

struct checker {
	const struct conf	*conf;
	void			(*report)(void *arg, bool is_error,
				    const char *text);
	void			*arg;
	size_t			 errors;
};

/* Reports one, with the file's name before it; counts errors. */
void	 finding(struct checker *checker, bool is_error, const char *fmt,
	    ...) __attribute__((format(printf, 3, 4)));

#endif
