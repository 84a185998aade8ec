/*
 * milter.h - what the files of the programs share, grouped by file.
 *
 * The arrow points one way: this includes smime.h, never the reverse. Only
 * conf.c knows libconfig, only edit.c calls libmilter's editing functions,
 * only sandbox.c knows users, limits and the kernel's cages, only keys/ opens
 * a private key. Conventions of errors and ownership are those of smime.h.
 */
#ifndef SAMPUL_MILTER_H
#define SAMPUL_MILTER_H

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../smime/smime.h"

#define SAMPUL_VERSION	"0.1"

/* --------------------------------------------------------------- log.c --- */

/*
 * Four levels with a fixed meaning: ERROR something of ours failed and an
 * administrator must act; WARNING something is wrong with one message, key or
 * peer; INFO one line per message and per change of state; DEBUG the rest.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };

/* ident names the process ("sampul-milter"); to stderr or to the local syslog,
 * facility mail. May be called again after a fork. */
void	 log_open(const char *ident, bool to_stderr, enum log_level level);
/* The socket that lines are sent from, for the sandbox; -1 with stderr. */
int	 log_descriptor(void);
void	 log_set_level(enum log_level level);
/* From now on the level stays DEBUG, whatever is set (-d). */
void	 log_debug_always(void);
/* errno is preserved; control characters are made printable. */
void	 log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* At level info, whatever the level is: what must be on record. */
void	 log_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A finding of conf_check. */
void	 log_finding(void *arg, bool is_error, const char *text);

/* ------------------------------------------------------------- clock.c --- */

/* Since some moment in the past; nobody sets it. */
int64_t	 monotonic_us(void);
int64_t	 monotonic_ms(void);

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
/* A process's user, with the setting that names it; both borrowed. */
struct conf_user {
	const char		*setting, *name;
};
#define CONF_USERS		4
/* Those whose process this configuration asks for; returns how many. */
size_t	 conf_users(const struct conf *conf, struct conf_user out[CONF_USERS]);
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

/* ------------------------------------------------------------ policy.c --- */

/* What is known of a message; everything borrowed, nothing looked up. */
struct facts {
	const char		*login;		/* "" none */
	const struct sockaddr	*client;	/* NULL: none or local */
	const char		*daemon;	/* {daemon_name}, "" */
	bool			 local;		/* not received by SMTP */
	const char		*sender;	/* envelope, canonical; "" null */
	const char *const	*recipients;	/* canonical or as given */
	size_t			 recipient_count;
	bool			 more_recipients; /* than were kept */
	const struct header_list *header;
	uint64_t		 size;		/* body octets; UINT64_MAX while
						 * not known */
	bool			 has_calendar;	/* known with the size */
};

enum plan_action {
	PLAN_NOT_OURS,		/* incoming or unknown origin: never signed */
	PLAN_PASS,		/* outgoing, leaves as it is */
	PLAN_SIGN,
	PLAN_REFUSE,		/* 5xx */
	PLAN_TEMPFAIL,		/* 4xx */
	PLAN_LATER		/* a rule needs the body's size or parts */
};

enum plan_why {
	WHY_NONE,
	WHY_NO_ORIGIN,		/* no positive evidence */
	WHY_RULE_OFF,
	WHY_SKIPPED,		/* by the sender's header */
	WHY_ALREADY_SIGNED,
	WHY_ALREADY_ENCRYPTED,
	WHY_FROM,		/* From is unusable; see from_result */
	WHY_NOT_OUR_DOMAIN,	/* From is not one of our domains */
	WHY_NOT_OWNER,		/* incident: login or origin may not use From */
	WHY_NO_CERTIFICATE,	/* set after the key process answered */
	WHY_UNSIGNABLE,		/* set after canonical form */
	WHY_TOO_LARGE,
	WHY_KEY_LOCKED,		/* set after the key process answered */
	WHY_MUST_ENCRYPT,	/* would leave in clear although it must not */
	WHY_NO_RECIPIENT,	/* a recipient cannot be encrypted to */
	WHY_HIDDEN_RECIPIENT,	/* Bcc would show to the others (ENC-14) */
	WHY_COPY_NOT_TAKEN,	/* by the MTA that copies are submitted to */
	WHY_COPY_REFUSED,	/* by it, for good */
	WHY_COPY_TOO_LARGE,	/* likewise */
	WHY_INTERNAL
};

struct plan {
	enum plan_action	 action;
	enum plan_why		 why;
	bool			 incident;	/* to be recorded as one */
	const struct rule	*rule;		/* borrowed from conf; NULL none */
	const struct origin	*origin;	/* borrowed from conf */
	char			 from[ADDRESS_MAX + 1];	/* canonical, or "" */
	enum address_result	 from_result;
	enum encrypt_want	 encrypt;	/* with PLAN_SIGN, or while
						 * that may still come */
	const char		*label;		/* that required it, borrowed
						 * from conf; NULL none */
};

/* A pure function: no I/O, no clock; also behind "sampulctl explain". */
void	 policy_decide(const struct conf *conf, const struct facts *facts,
	    struct plan *out);
/*
 * What is left to do when a message planned to be signed cannot be: by the
 * rule, PLAN_REFUSE, PLAN_TEMPFAIL or PLAN_PASS.
 */
enum plan_action policy_cannot_sign(const struct plan *plan);
/*
 * What is left to do when a message planned to be encrypted cannot be: by the
 * rule, PLAN_REFUSE, PLAN_TEMPFAIL, or PLAN_SIGN for one that may leave signed
 * and in clear.
 */
enum plan_action policy_cannot_encrypt(const struct plan *plan);
/* The same when the key is there, and its owner has to unlock it. */
enum plan_action policy_key_locked(const struct plan *plan);
/* The rule's name, "default", or "" where no rule was asked. */
const char *policy_rule_name(const struct plan *plan);
/* Stable words for logs and scripts: "not-owner", "pass", ... */
const char *policy_why_word(enum plan_why why);
const char *policy_action_word(enum plan_action action);

/* ------------------------------------------------------------ origin.c --- */

/* No client address, or that of the host itself, which says nothing about who
 * submitted a message (MTA-22). */
bool	 origin_is_local_client(const struct sockaddr *client);
/* The first origin that has evidence for the message, or NULL. */
const struct origin *origin_find(const struct conf *conf,
	    const struct facts *facts);
/* Whether what came from the origin may bear this canonical From address. */
bool	 origin_may_send_as(const struct conf *conf,
	    const struct origin *origin, const struct facts *facts,
	    const char *from);
/* Whether the list holds the word, in any case. */
bool	 string_list_has(const struct string_list *list, const char *text);
/* Whether one of the list's patterns matches the canonical address. */
bool	 string_list_matches(const struct string_list *patterns,
	    const char *address);

/* ----------------------------------------------------------- presets.c --- */

/* Where a condition depends on the body, it is not known before the end. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

enum answer preset_matches(enum preset preset, const struct facts *facts);

/* ------------------------------------------------------------- label.c --- */

/*
 * The configured label or tag by which the header requires encryption, or NULL;
 * borrowed from conf.
 */
const char *label_find(const struct conf *conf,
	    const struct header_list *header);
/*
 * Takes the tag out of the only Subject where it stands as it is, not in an
 * encoded word. Whether anything was changed.
 */
bool	 label_remove_tag(struct header_list *header, const char *tag);

/* -------------------------------------------------------------- text.c --- */

/*
 * The sentence a mailbox user reads in a refusal, in the configured language,
 * without line ends, printable ASCII, at most 400 octets, '%' not doubled. who
 * (NULL or "" for none) are the recipients it is about.
 */
void	 text_reply(const struct conf *conf, const struct plan *plan,
	    const char *who, char *out, size_t size);

/* ----------------------------------------------------------- channel.c --- */

/*
 * Between mail and key process: SOCK_SEQPACKET socketpairs made before the
 * fork. The first carries all requests, and whichever thread of the key process
 * is free takes the next: one that has just answered goes on without having
 * slept. Each of the others carries the answer to one request at a time, which
 * names it. Both ends check what they get as hostile: exact length, known type,
 * fields under their ceilings.
 */
#define CHANNEL_QUEUE_ID_MAX	64
#define CHANNEL_REASON_MAX	256
#define CHANNEL_DER_MAX		65536

enum key_status {
	KEY_SIGNED = 1,
	KEY_WRONG_DIGEST,	/* sign again with the digest answered */
	KEY_NO_IDENTITY,	/* no usable certificate; reason says why */
	KEY_RATE_LIMITED,	/* over the address's ceiling: temporary */
	KEY_FAULT,		/* of ours: temporary */
	KEY_CERTIFICATES,	/* what was asked for is in der */
	KEY_LOCKED		/* its owner has to unlock it */
};

enum key_want {
	KEY_SIGN,		/* this digest for this address */
	KEY_LIST		/* the address's certificates, to encrypt to;
				 * digest and value say nothing */
};

struct key_request {
	char			 queue_id[CHANNEL_QUEUE_ID_MAX + 1];
	char			 address[ADDRESS_MAX + 1];	/* canonical */
	enum smime_digest	 digest;
	unsigned char		 value[SMIME_DIGEST_MAX];
	enum key_want		 want;
	uint16_t		 reply_to;	/* which channel, from 0 */
	uint64_t		 number;	/* of the asker's; answered */
};

struct key_answer {
	enum key_status		 status;
	uint64_t		 number;	/* the request's */
	enum smime_digest	 digest;	/* KEY_WRONG_DIGEST, KEY_SIGNED */
	bool			 pinned;	/* by override, not by address */
	int64_t			 not_after;	/* of the certificate */
	char			 serial[SERIAL_TEXT_MAX + 1];
	char			 reason[CHANNEL_REASON_MAX + 1];
	size_t			 der_len;
	unsigned char		*der;		/* SignedData, or certificates
						 * one behind the other; freed
						 * by key_answer_clear */
};
void	 key_answer_clear(struct key_answer *answer);

/* Encodes into buf (ceiling size); the length, or -1. Decodes strictly. */
ssize_t	 channel_put_request(const struct key_request *request,
	    unsigned char *buf, size_t size);
int	 channel_get_request(const unsigned char *buf, size_t len,
	    struct key_request *out);
ssize_t	 channel_put_answer(const struct key_answer *answer,
	    unsigned char *buf, size_t size);
int	 channel_get_answer(const unsigned char *buf, size_t len,
	    struct key_answer *out);
#define CHANNEL_REQUEST_MAX	1024
#define CHANNEL_ANSWER_MAX	(CHANNEL_DER_MAX + 1024)

/* ------------------------------------------------------- channelpool.c --- */

/*
 * The mail process's side, shared by its threads: the channel of requests and
 * those of answers, two for each thread of the key process, so that a second
 * request lies ready for it while it works on the first.
 */
#define CHANNELS_PER_THREAD	2

struct channel_pool;

/* Of fds, the first is for requests; count is at least 2. NULL: no memory. */
struct channel_pool *channel_pool_new(const int *fds, size_t count);
void	 channel_pool_free(struct channel_pool *pool);	/* closes the fds */
/*
 * Takes a free channel, asks, and waits at most timeout seconds in all. -1 on
 * time-out or a broken channel, which is then closed for good. reply_to and
 * number of the request are filled in here.
 */
int	 channel_ask(struct channel_pool *pool, const struct key_request *request,
	    unsigned timeout, struct key_answer *out, struct smime_error *err);
/* How many channels for answers still work. */
size_t	 channel_pool_usable(struct channel_pool *pool);
/*
 * Whether as many are gone as may stand for half of the key process's threads:
 * time for new processes and new channels.
 */
bool	 channel_pool_worn(struct channel_pool *pool);

/* ---------------------------------------------------------- sandbox.c --- */

enum sandbox_role { SANDBOX_SUPERVISOR, SANDBOX_MAIL, SANDBOX_KEYS,
	SANDBOX_APART,		/* a child that reads one file's octets */
	SANDBOX_TOKENS, SANDBOX_SUBMIT,
	SANDBOX_WORKER,		/* which loads a token module */
	SANDBOX_WORKER_NETWORK,	/* the same, for a module that connects */
	SANDBOX_ROLES };

/* No core dumps, not dumpable, no_new_privs. */
int	 sandbox_harden(struct smime_error *err);
/* Gives up root for user (and its groups) for good and proves it; does
 * nothing when not root or user is "". */
int	 sandbox_drop(const char *user, struct smime_error *err);
/* Locks memory now and in future (MCL_ONFAULT); -1 when it may not. */
int	 sandbox_lock_memory(struct smime_error *err);
/*
 * Before any thread is made: limits, and the files that the role does not need
 * are out of reach. What libraries read from files, they have read by then.
 */
int	 sandbox_enter(enum sandbox_role role, const struct conf *conf,
	    struct smime_error *err);
/*
 * The last step before serving, when the threads are there: of system calls
 * only the role's are left, in all threads.
 */
int	 sandbox_serve(enum sandbox_role role, struct smime_error *err);
/*
 * pthread_create(3) that returns when the new thread runs. What the C library
 * does before that needs calls which the filter may lack, and it ends the
 * process where they fail: threads are made by this before sandbox_serve.
 */
int	 sandbox_thread(pthread_t *thread, const pthread_attr_t *attr,
	    void *(*run)(void *arg), void *arg);
/* geteuid(2), which is out of reach by and by. */
uid_t	 sandbox_uid(void);
/* Whether a set that was started with one configuration can serve by another:
 * its processes reach the same files. */
bool	 sandbox_fits(const struct conf *now, const struct conf *next);
/*
 * For a child of sampulctl that decodes what it has in memory already: no file,
 * little memory and time, no call but for those and for its pipe.
 */
int	 sandbox_apart(struct smime_error *err);
/* How many system calls are left to a role that serves; 0: no filter. */
unsigned sandbox_call_count(enum sandbox_role role);

/* -------------------------------------------------------- supervise.c --- */

/*
 * Starts the children that the configuration wants, watches and restarts them,
 * passes reloads on; returns the exit status when told to stop.
 */
int	 supervise(struct conf *conf, const char *file, bool foreground);

/*
 * What joins two kinds of children (kinds.c): SEQPACKET socket pairs, made
 * before the forks. With JOINT_SIGN the first is for requests and the others
 * for answers (channelpool.c); else each is for both, one at a time.
 */
enum joint_name {
	JOINT_SIGN,		/* the mail process asks the key process */
	JOINT_TOKENS,		/* the key process asks the token process */
	JOINT_SUBMIT		/* the mail process asks the submit process */
};

/* One side's ends of a joint; none when the other kind is not wanted. */
struct channels {
	int	*fds;
	size_t	 count;
};

/*
 * A child's life: called in the fork with its end of the control socket, on
 * which the supervisor sends configuration texts; end of file means stop.
 * channels is indexed by joint_name, without what joins others. None returns
 * to the supervisor's code: the result is the exit status.
 */
int	 mail_process(struct conf *conf, int control,
	    const struct channels *channels);	/* mail.c */
int	 key_process(struct conf *conf, int control,
	    const struct channels *channels);	/* keys/keyd.c */
int	 token_process(struct conf *conf, int control,
	    const struct channels *channels);	/* keys/tokend.c */
int	 submit_process(struct conf *conf, int control,
	    const struct channels *channels);	/* submitd.c */

/*
 * A thread of the child that reads configuration texts from control and calls
 * apply with each that parses (apply takes over the reference and may refuse
 * by returning -1 with a reason); calls stop when the supervisor is gone.
 */
int	 control_start(int control, int (*apply)(struct conf *conf,
	    struct smime_error *err), void (*stop)(void),
	    struct smime_error *err);
/* Told to the supervisor once the child serves. */
int	 control_ready(int control);

/* ------------------------------------------------------------ accept.c --- */

/*
 * libmilter has no ceiling on connections and spins on EMFILE: accept.c
 * defines accept(), which libmilter then calls instead of libc's.
 */
int	 accept_limits(unsigned max_connections, unsigned negotiate_timeout,
	    struct smime_error *err);
/* From now on every connection is closed as soon as it is there. */
void	 accept_no_more(void);
/* For the log: connections now, and refused since the last call. */
void	 accept_counts(unsigned *open, unsigned *refused);

/* --------------------------------------------------------- readahead.c --- */

/*
 * From now on, until close(), what libmilter reads from this descriptor is
 * read ahead: readahead.c defines read(), poll() and close(), which libmilter
 * then calls instead of libc's.
 */
void	 readahead_begin(int fd);

/* ------------------------------------------------------------ authres.c --- */

/*
 * Whether an Authentication-Results value claims our authserv-id with an smime
 * result, or claims it and cannot be parsed (HDR-09, HDR-12). Quoting,
 * comments, folding and case are seen through.
 */
bool	 authres_is_forged(const char *value, size_t len,
	    const char *authserv_id);
/* Whether it claims our authserv-id at all, or cannot be parsed and names it. */
bool	 authres_is_ours(const char *value, size_t len,
	    const char *authserv_id);

#define VERIFIED_SENDER_HEADER	"X-Verified-Sender"
#define REPORT_HEADER		"X-Sampul-Report"	/* observe mode */

/* ----------------------------------------------------- keys/keystore.c --- */

/*
 * The directory of keys: one folder per address, one folder per certificate
 * in it; sampul-keystore(5). Shared by threads. An entry is read when it is
 * first asked for, kept under the cache ceiling, and read again when its files
 * change.
 */
struct keystore;

enum keystore_state {
	ENTRY_USABLE,
	ENTRY_UNFIT,		/* findings say why */
	ENTRY_UNREADABLE,	/* text says why: mode, owner, syntax, ... */
	ENTRY_SUSPENDED,	/* this one, or the whole mailbox */
	ENTRY_DESTROYED,	/* its key is gone for good, on record */
	ENTRY_LOCKED		/* its owner's passphrase has to open it */
};

struct keystore_entry {		/* for list, show, check */
	char			 address[ADDRESS_MAX + 1];
	char			 folder[256];	/* name within the address's */
	enum keystore_state	 state;
	struct cert_findings	 findings;
	bool			 pinned;	/* override file is there */
	bool			 encrypted;	/* the key, at rest */
	bool			 owned;		/* by its owner's passphrase */
	bool			 in_token;	/* not in a file */
	bool			 chosen;	/* signs now */
	X509			*cert;		/* NULL when unreadable */
	char			 text[SMIME_ERROR_MAX];
};

/* Whether it is unfit only because it is an encryption certificate (CRT-22). */
bool	 keystore_entry_is_encryption(const struct keystore_entry *entry);

/*
 * Opens the store: reads anchors and intermediates, not the entries.
 * passphrase (may be NULL) is copied to memory that is wiped.
 */
struct keystore *keystore_open(const struct conf *conf,
	    const char *passphrase, size_t passphrase_len,
	    struct smime_error *err);
/* The same with the passphrases that conf names: keystore_passphrase, and the
 * next one while it is being changed. */
struct keystore *keystore_open_conf(const struct conf *conf,
	    struct smime_error *err);
void	 keystore_close(struct keystore *store);
/*
 * The identity that signs for address at now: the newest usable one. NULL with
 * the reason, *missing telling "has none" (KEY_NO_IDENTITY) from a fault of
 * ours. The caller gives it back with keystore_release.
 */
struct keystore_identity;
const struct keystore_identity *keystore_find(struct keystore *store,
	    const char *address, time_t now, bool *missing,
	    struct smime_error *err);
/* The same, telling also that an owner has to unlock a key first. */
enum keystore_lack { LACK_FAULT, LACK_IDENTITY, LACK_UNLOCKING };
const struct keystore_identity *keystore_look(struct keystore *store,
	    const char *address, time_t now, enum keystore_lack *lack,
	    struct smime_error *err);
void	 keystore_release(struct keystore *store,
	    const struct keystore_identity *identity);
const struct signer *keystore_identity_signer(
	    const struct keystore_identity *identity);
bool	 keystore_identity_pinned(const struct keystore_identity *identity);
/*
 * Visits every entry of one address (or, address NULL, of all, in order),
 * opening keys only when with_keys. Entries are borrowed for the call.
 */
int	 keystore_each(struct keystore *store, const char *address,
	    bool with_keys, time_t now,
	    int (*each)(void *arg, const struct keystore_entry *entry),
	    void *arg, struct smime_error *err);
/*
 * Every certificate of an address but suspended ones, newest first, DER one
 * behind the other, at most max octets; *len 0 for none. *der is freed with
 * OPENSSL_free.
 */
int	 keystore_list(struct keystore *store, const char *address, time_t now,
	    size_t max, unsigned char **der, size_t *len,
	    struct smime_error *err);
/*
 * Reads the passphrase that conf names, from a file or a systemd credential;
 * *out NULL when conf names none. Free with OPENSSL_clear_free.
 */
int	 keystore_passphrase(const struct conf *conf, char **out, size_t *len,
	    struct smime_error *err);
/*
 * While "sampulctl rekey" changes it: the new one, from the same name with
 * ".new" behind it. *out NULL when there is none.
 */
int	 keystore_next_passphrase(const struct conf *conf, char **out,
	    size_t *len, struct smime_error *err);

/* -------------------------------------------------------- keys/audit.c --- */

/* One line for each use of a key, appended with one write(2). */
int	 audit_open(const struct conf *conf, struct smime_error *err);
/*
 * Fails when the line could not be written whole: the signature must then not
 * be given out. Reopens a file that was renamed away (logrotate).
 */
int	 audit_signed(const char *queue_id, const char *address,
	    const char *serial, enum smime_digest digest,
	    const unsigned char *value, struct smime_error *err);

/*
 * What else is done with keys. Texts that are NULL or "" are left out; event
 * is one word, reason may hold spaces and comes last.
 */
struct audit_event {
	const char	*event;		/* "suspend", "destroy", ... */
	const char	*address;	/* NULL: of all */
	const char	*serial;
	const char	*by;		/* who asked for it */
	const char	*result;	/* "done", "failed", ...; a word */
	const char	*reason;
};
int	 audit_record(const struct audit_event *event,
	    struct smime_error *err);

/* ---------------------------------------------------------- outgoing.c --- */

/*
 * What became of a message after its body, before any edit: shared by the
 * milter and by "sampulctl sign". sign() stands for the key process.
 */
typedef int (*sign_function)(void *arg, const struct key_request *request,
	    struct key_answer *answer, struct smime_error *err);

struct outcome {
	enum plan_action	 action;	/* SIGN, PASS, REFUSE, TEMPFAIL */
	enum plan_why		 why;
	char			 detail[SMIME_ERROR_MAX];
	struct composed		*composed;	/* with PLAN_SIGN */
	unsigned char		*der;		/* likewise: the SignedData */
	size_t			 der_len;
	struct canon_result	 canon;
	enum smime_form		 form;
	char			 serial[SERIAL_TEXT_MAX + 1];
	bool			 pinned;
	bool			 encrypted;	/* composed is the envelope */
	struct composed		*inner;		/* then: what is in it */
	enum smime_cipher	 cipher;
	size_t			 readers;	/* certificates */
	size_t			 copies;	/* messages it is divided into */
	size_t			 refused;	/* recipients taken off */
	char			 who[256];	/* recipients that why is
						 * about, or "" */
};

/*
 * From a finished canon to a signed message: asks for the signature (again,
 * when the key wants another digest), checks it, composes. digest is the one
 * that canon was begun with. Any fault of ours gives PLAN_TEMPFAIL; what may
 * not be signed is decided by plan's rule. canon stays the caller's and must
 * outlive out->composed.
 */
void	 outgoing_sign(const struct plan *plan, struct canon *canon,
	    const struct canon_result *canon_result,
	    enum smime_digest digest, const char *queue_id, time_t now,
	    sign_function sign, void *arg, struct check_cache *cache,
	    struct outcome *out);
/*
 * From a signed message to an encrypted one, for the main copy's readers that
 * seal found. Where it cannot be done the outcome says so; it is never the open
 * one.
 */
struct seal;
void	 outgoing_encrypt(const struct plan *plan, const struct seal *seal,
	    struct outcome *out);
/*
 * The same signed message in an envelope for the readers of that encrypted
 * copy. NULL with the sentence.
 */
struct composed *outgoing_envelope(const struct seal *seal, size_t copy,
	    struct composed *inner, struct smime_error *err);
void	 outcome_clear(struct outcome *outcome);
/* Canonical-form settings for this configuration and plan. */
void	 outgoing_settings(const struct conf *conf, const struct plan *plan,
	    bool smtputf8, struct canon_settings *out);
/* Fills an outcome for a plan that is not going to be signed. */
void	 outcome_from_plan(const struct plan *plan, struct outcome *out);
/* A message planned to be signed that cannot be: the rule decides (by
 * policy_cannot_sign), detail says why. */
void	 outcome_cannot_sign(const struct plan *plan, enum plan_why why,
	    const char *detail, struct outcome *out);
/* A fault of ours: PLAN_TEMPFAIL, whatever the rule says. */
void	 outcome_fault(const char *detail, struct outcome *out);

/*
 * Which digest an address's key was last found to want: a hint, so that a body
 * is seldom read twice. Shared by threads, of fixed size, forgets at will.
 */
struct digest_hints;

struct digest_hints *digest_hints_new(void);
void	 digest_hints_free(struct digest_hints *hints);
enum smime_digest digest_hint(struct digest_hints *hints, const char *address);
void	 digest_learn(struct digest_hints *hints, const char *address,
	    enum smime_digest digest);

/* ---------------------------------------------------------- editplan.c --- */

/*
 * Fields that have to go whatever else is done: forged results, the header by
 * which a sender skips. Gathered while the header arrives, so that it does not
 * depend on how much of the header is kept.
 */
struct removal {
	const char		*name;	/* static, or borrowed from conf */
	unsigned		 index;	/* from 1, of this name */
	bool			 outgoing_only;
};

struct removals {
	struct removal		*items;
	size_t			 count;
	size_t			 allocated;
	size_t			 forged;	/* without outgoing_only */
	unsigned		 seen[4];	/* fields met of each name */
};
#define REMOVALS_MAX	16384

/* Looks at the next field of the message; -1 over the ceiling or without
 * memory. */
int	 removals_field(struct removals *removals, const struct conf *conf,
	    const struct header_field *field, struct smime_error *err);
/* For a message that is otherwise left as it is: only the fields of one name
 * go (MARK_FIELD). */
void	 removals_only(struct removals *removals, const char *name);
void	 removals_clear(struct removals *removals);

enum edit_action {
	EDIT_CHANGE,		/* the field with this index */
	EDIT_DELETE,
	EDIT_ADD,		/* below all others */
	EDIT_INSERT		/* above all others */
};

struct edit_step {
	enum edit_action	 action;
	const char		*name;	/* borrowed */
	unsigned		 index;	/* from 1, of this name */
	const char		*value;	/* without leading space; borrowed */
};

struct edit_plan {
	struct edit_step	*steps;
	size_t			 count;
	size_t			 allocated;
};

/*
 * More steps, for a message of which canon said that it is confidential: what
 * its outer header must not show (RFC 9788 3). Borrows from its arguments.
 */
int	 edit_plan_hide(struct edit_plan *plan,
	    const struct header_list *header, bool hide_subject,
	    struct smime_error *err);
/* One more step: the first field of that name gets another value. */
int	 edit_plan_change(struct edit_plan *plan, const char *name,
	    const char *value, struct smime_error *err);
/* More steps: no field of that name is left. Borrows name. */
int	 edit_plan_remove(struct edit_plan *plan,
	    const struct header_list *header, const char *name,
	    struct smime_error *err);
/* One more step: a field above all others, also above the one inserted
 * before. Borrows name and value. */
int	 edit_plan_insert(struct edit_plan *plan, const char *name,
	    const char *value, struct smime_error *err);
/*
 * The steps that turn the header of a message into that of the signed one
 * (composed) or, composed NULL, merely take out the removals. In the order in
 * which they are carried out: of one name the highest index first. Borrows
 * from all its arguments.
 */
int	 edit_plan_make(struct edit_plan *plan,
	    const struct header_list *header, const struct removals *removals,
	    bool outgoing, const struct composed *composed,
	    struct smime_error *err);
/* The header that results; for sampulctl sign, and to test against. */
int	 edit_plan_apply(const struct edit_plan *plan,
	    const struct header_list *header, struct header_list *out,
	    struct smime_error *err);
void	 edit_plan_clear(struct edit_plan *plan);

/* ------------------------------------------------------------ report.c --- */

struct reception;

/* What the one INFO line of a message says. */
struct report {
	const char		*queue_id;
	const struct plan	*plan;
	const struct outcome	*outcome;
	const char		*login;
	const char		*client;
	uint64_t		 bytes;		/* of body, as received */
	int64_t			 microseconds;	/* from end of message on */
	bool			 observed;
	size_t			 removed;	/* forged fields */
	const struct verdict	*verdict;	/* NULL: not verified */
	const struct reception	*reception;	/* NULL likewise */
};

/* "<queue id>: result=signed rule=..."; values are quoted where need be. */
void	 report_line(const struct report *report, char *out, size_t size);
/* Value of REPORT_HEADER: printable ASCII, folded under 78 columns by LF. */
void	 report_header(const struct report *report, char *out, size_t size);
/* Logs the line: an incident or a fault of ours as a warning, all else as
 * information. */
void	 report_log(const struct report *report);

#endif
