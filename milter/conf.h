/*
 * conf.h - the configuration, as everybody sees it who goes by it. What the
 * files that read it share is in confread.h.
 */
#ifndef SAMPUL_CONF_H
#define SAMPUL_CONF_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../smime/smime.h"
#include "log.h"

/* -------------------------------------------------------------- conf.c --- */

enum run_mode { MODE_ENFORCE, MODE_OBSERVE };
enum language { LANGUAGE_ID, LANGUAGE_EN };
enum sign_want { SIGN_REQUIRED, SIGN_IF_POSSIBLE, SIGN_OFF };
enum encrypt_want { ENCRYPT_OFF, ENCRYPT_IF_POSSIBLE, ENCRYPT_REQUIRED };
enum without_certificate { WITHOUT_REFUSE_ALL, WITHOUT_REFUSE_EACH,
	WITHOUT_CLEAR_COPY };
enum hidden_recipients { HIDDEN_REFUSE, HIDDEN_OWN_COPY };
enum failure_action { FAILURE_REFUSE, FAILURE_TEMPFAIL, FAILURE_PASS };
enum origin_kind { ORIGIN_LOGIN, ORIGIN_NETWORK, ORIGIN_DAEMON, ORIGIN_LOCAL };
enum crl_want { CRL_REQUIRE, CRL_SOFT_FAIL };
enum results_remove { RESULTS_SMIME, RESULTS_OURS, RESULTS_ALL };
enum incoming_action { INCOMING_ACCEPT, INCOMING_QUARANTINE, INCOMING_REFUSE,
	INCOMING_TEMPFAIL };
enum preset { PRESET_NONE, PRESET_BOUNCE, PRESET_AUTO_REPLY, PRESET_LIST,
	PRESET_MEETING };

struct string_list {
	char	**items;
	size_t	  count;
};

struct network {
	int		family;		/* AF_INET or AF_INET6 */
	unsigned	prefix;
	unsigned char	address[16];
};

/* Positive evidence that a message is outgoing (SIG-01, MTA-22). */
struct origin {
	char			*name;
	enum origin_kind	 kind;
	struct network		*networks;	/* NETWORK */
	size_t			 network_count;
	struct string_list	 daemons;	/* DAEMON, LOCAL: {daemon_name} */
	struct string_list	 from;		/* addresses or "@domain" it may
						 * send as; not for LOGIN */
};

struct rule_header {
	char	*name;
	char	*pattern;	/* fnmatch(3), case-insensitive; on the unfolded
				 * value */
};

/* Every condition given must hold; a list holds when one item does. */
struct rule {
	char			*name;
	enum preset		 preset;
	struct string_list	 from;		/* address, "@domain", ".domain"
						 * (domain and below), "*" */
	struct string_list	 to;		/* likewise; any recipient */
	struct string_list	 to_all;	/* likewise; every recipient */
	struct string_list	 agency;	/* label left of our domain */
	struct string_list	 login;		/* fnmatch(3) on the login */
	struct string_list	 origin;	/* names of origins */
	struct rule_header	*headers;
	size_t			 header_count;
	uint64_t		 larger_than;	/* octets; 0: not asked */
	uint64_t		 smaller_than;

	enum sign_want		 sign;
	enum smime_form		 form;
	bool			 opaque_fallback; /* where detached cannot be */
	enum failure_action	 cannot_sign;	/* no certificate, unsignable */
	enum failure_action	 mismatch;	/* From is not the login's */
	enum failure_action	 key_locked;	/* by its owner's passphrase */
	bool			 header_protection;
	bool			 allow_skip;	/* honour skip_header */
	enum encrypt_want	 encrypt;
	enum failure_action	 cannot_encrypt; /* though required; no PASS */
	bool			 hide_subject;	/* outside the envelope */
	bool			 copy_to_sender; /* readable by its sender */
	enum without_certificate without_certificate;	/* recipients */
	enum hidden_recipients	 hidden_recipients;	/* Bcc */
	bool			 split_by_key;	/* RSA and EC readers */
	char			 where[128];	/* "file:line", for explain */
};

/* A bit for each word of RFC 7281 3.1; UNKNOWN: no result was given. */
#define INCOMING_IF_NONE	0x01
#define INCOMING_IF_PASS	0x02
#define INCOMING_IF_FAIL	0x04
#define INCOMING_IF_POLICY	0x08
#define INCOMING_IF_NEUTRAL	0x10
#define INCOMING_IF_TEMPERROR	0x20
#define INCOMING_IF_PERMERROR	0x40
#define INCOMING_IF_UNKNOWN	0x80

/* What becomes of incoming mail; every condition given must hold. */
struct incoming_rule {
	char			*name;
	struct string_list	 from;		/* as in struct rule */
	struct string_list	 to;
	unsigned		 verdict;	/* INCOMING_IF_; 0: not asked */
	enum incoming_action	 action;
	char			 where[128];	/* "file:line" */
};

/* login -> addresses, from the map file; sorted by login. */
struct login_entry {
	char			*login;		/* lower case */
	struct string_list	 addresses;	/* canonical, or "@domain" */
};

/*
 * The whole configuration: read once, never changed, counted. conf.c holds the
 * table of settings from which reading, -n, -nn and the manual page follow.
 */
struct conf {
	/* general */
	enum run_mode		 mode;
	enum language		 language;
	enum log_level		 log_level;
	struct string_list	 domains;	/* ours: "x.go.id" itself,
						 * ".x.go.id" everything below;
						 * lower case */
	char			*authserv_id;	/* RFC 8601 2.5; default: host */
	char			*help;		/* contact shown in refusals */
	char			*user;		/* mail process; "" stay */
	char			*key_user;
	char			*token_user;	/* of the token process */
	char			*socket_group;	/* group of the milter socket */
	char			*pid_file;

	/* milter */
	char			*socket;	/* smfi_setconn(3) syntax */
	mode_t			 socket_mode;
	unsigned		 max_connections;
	unsigned		 negotiate_timeout;	/* seconds */
	unsigned		 idle_timeout;		/* seconds; MTA silence */
	size_t			 max_header;	/* octets of all fields */
	unsigned		 max_recipients;	/* kept for rules */
	uint64_t		 max_message;	/* octets of body; 0 none */

	/* spool */
	char			*spool_dir;
	size_t			 spool_memory;
	unsigned		 max_depth;
	uint32_t		 max_parts;

	/* signing */
	bool			 pss;
	unsigned		 capabilities;	/* SMIME_CAP_ */
	bool			 quote_from;
	char			*unlabelled_charset;
	char			*skip_header;	/* name; "" none */

	/* keystore */
	char			*keystore_dir;
	char			*passphrase_file;	/* "" none; a leading
						 * "credential:" names a
						 * systemd credential */
	bool			 insecure_unencrypted_keys;
	char			*token_module;	/* a library; "" none */
	char			*token_pin_file;	/* "" none */
	bool			 token_network;	/* the module connects */
	char			*anchors_dir;
	char			*intermediates_dir;	/* "" none */
	size_t			 cache_size;	/* octets of cached keys */
	unsigned		 rate_limit;	/* signatures a minute and
						 * address; 0 none */
	unsigned		 key_timeout;	/* seconds; a channel's answer */
	unsigned		 key_threads;	/* 0: twice the cores */
	unsigned		 expiry_warning;	/* days */

	/* custody */
	char			*unlock_socket;	/* "" none */
	char			*unlock_group;	/* "" root alone */
	struct string_list	 agency_groups;	/* "agency:group" */
	unsigned		 unlock_time;	/* seconds */

	/* verify */
	bool			 verify;	/* enabled */
	char			*verify_anchors_dir;	/* for incoming mail
						 * alone; "" none */
	char			*crl_dir;	/* "" none */
	enum crl_want		 crl;		/* where none is current */
	bool			 any_purpose;	/* that alone will do */
	unsigned		 crl_max_age;	/* seconds; 0 not asked */
	size_t			 max_opaque;	/* octets of signed-data */
	unsigned		 max_layers;	/* signatures inside another */
	char			*pins_file;	/* "" none */
	struct string_list	 policy_oids;	/* one of them, when given */
	unsigned		 max_age;	/* seconds; 0 not asked */
	unsigned		 max_future;	/* seconds */
	enum results_remove	 results;	/* which are forged */
	enum incoming_action	 spoof;		/* From is ours, without pass */

	/* encryption */
	struct string_list	 encryption_sources;	/* in this order */
	char			*partners_dir;	/* "" none */
	char			*harvest_dir;	/* "" none */
	struct string_list	 harvest_from;	/* patterns; none: nobody */
	unsigned		 harvest_max;	/* addresses */
	unsigned		 harvest_age;	/* seconds since last seen */
	struct string_list	 gcm_to;	/* patterns: read AES-GCM */
	struct string_list	 oaep_to;	/* likewise RSAES-OAEP */
	struct string_list	 labels;	/* these require encryption */
	struct string_list	 label_fields;	/* in which fields */
	struct string_list	 subject_tags;	/* likewise, in Subject */
	bool			 remove_tag;	/* such a one, when sent */

	/* submit */
	char			*submit_server;	/* "127.0.0.1:10027"; "" none */
	unsigned		 submit_timeout; /* seconds, for one message */
	char			*submit_user;	/* of the submit process */
	unsigned		 submit_threads;

	/* audit */
	char			*audit_file;	/* "" syslog only */

	/* policy */
	struct origin		*origins;
	size_t			 origin_count;
	struct rule		*rules;
	size_t			 rule_count;
	struct rule		 default_rule;	/* when no rule matches */
	struct incoming_rule	*incoming;
	size_t			 incoming_count;
	char			*login_map;	/* file; "" none */
	struct login_entry	*logins;
	size_t			 login_count;

	char			*file;		/* what was read */
	unsigned		 generation;	/* counts reloads */
	unsigned		 references;	/* atomic */
};

/*
 * Reads and checks the configuration in file (with @include) and the login map
 * that it names. NULL on failure; err names file, line, setting and remedy.
 */
struct conf *conf_read(const char *file, struct smime_error *err);
/*
 * The same from the text that conf_text made: how a checked configuration
 * travels to the children. Neither opens a file.
 */
struct conf *conf_read_text(const char *text, size_t len,
	    struct smime_error *err);
/*
 * Everything read, includes and login map resolved, in a form that
 * conf_read_text takes. *out is freed with free.
 */
int	 conf_text(const struct conf *conf, char **out, size_t *len,
	    struct smime_error *err);
/*
 * What reading the text cannot see: users, directories and files a start would
 * need, and what is legal but probably a mistake. Calls report with each
 * finding; returns how many of them were errors.
 */
size_t	 conf_check(const struct conf *conf, void (*report)(void *arg,
	    bool is_error, const char *text), void *arg);
/* The second half of that alone, all of it warnings; opens nothing. */
void	 conf_check_meaning(const struct conf *conf, void (*report)(void *arg,
	    bool is_error, const char *text), void *arg);
/*
 * Shows each the user of every process that this configuration asks for, with
 * the setting that names it and why no process may be left to it, or NULL. Who
 * is not root changes to no other user: then there are none.
 */
void	 conf_each_user(const struct conf *conf, void (*each)(void *arg,
	    const char *setting, const char *user, const char *why),
	    void *arg);
/* 0 when a process may be left to that user; -1 with why not. */
int	 conf_check_user(const char *name, struct smime_error *err);
/* Prints what was understood, every setting with its value (-nn). */
void	 conf_print(const struct conf *conf, void *stdio_file);
/*
 * Calls each with the name of every setting that differs between the two and
 * that a reload cannot change.
 */
void	 conf_each_restart(const struct conf *old, const struct conf *fresh,
	    void (*each)(void *arg, const char *name), void *arg);
struct conf *conf_ref(struct conf *conf);
/* How many threads of the key process answer: key_threads, or what it means. */
size_t	 conf_key_threads(const struct conf *conf);
void	 conf_unref(struct conf *conf);	/* takes NULL */
/*
 * The current configuration of this process, counted: conf_current returns a
 * new reference, conf_replace takes over the caller's.
 */
struct conf *conf_current(void);
void	 conf_replace(struct conf *conf);

/* Whether a canonical address lies in one of our domains. */
bool	 conf_is_ours(const struct conf *conf, const char *address);
/*
 * The agency of one of our addresses: the label directly left of our domain,
 * "" for the domain itself. false when it is not ours.
 */
bool	 conf_agency(const struct conf *conf, const char *address, char *out,
	    size_t size);
/*
 * Whether pattern ("*", an address, "@domain", ".domain") matches a canonical
 * address.
 */
bool	 conf_pattern_matches(const char *pattern, const char *address);
/* Whether the login owns the address: equal to it, or by the login map. */
bool	 conf_login_owns(const struct conf *conf, const char *login,
	    const char *address);

#endif
