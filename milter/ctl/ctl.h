/*
 * ctl.h - what the sub-commands of sampulctl share.
 *
 * A sub-command is a function in a file of its own that parses its options,
 * prints to stdout and returns an exit status of sysexits(3). What it prints
 * without --json is for people and for scripts that read lines; with --json it
 * is one JSON document. Errors go to stderr in both forms.
 */
#ifndef SAMPUL_CTL_H
#define SAMPUL_CTL_H

#include <stdio.h>
#include <sysexits.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "../outgoing.h"
#include "../policy.h"

struct command;

struct ctl {
	const char		*file;		/* -c, or the default */
	bool			 json;
	const struct command	*command;	/* the one that runs */
	struct conf		*conf;		/* NULL until ctl_conf */
	bool			 id;		/* sentences in Indonesian; set
						 * by ctl_conf */
};

/* One line of the table in main.c, from which usage is printed. */
struct command {
	const char	*name;
	int		(*run)(struct ctl *ctl, int argc, char **argv);
	const char	*arguments;	/* as usage shows them */
	const char	*summary;
};

/* argv[0] is the sub-command's name; getopt(3) may begin at once. */
int	 cmd_init(struct ctl *ctl, int argc, char **argv);
int	 cmd_import(struct ctl *ctl, int argc, char **argv);
int	 cmd_suspend(struct ctl *ctl, int argc, char **argv);
int	 cmd_resume(struct ctl *ctl, int argc, char **argv);
int	 cmd_destroy(struct ctl *ctl, int argc, char **argv);
int	 cmd_rekey(struct ctl *ctl, int argc, char **argv);
int	 cmd_unlock(struct ctl *ctl, int argc, char **argv);
int	 cmd_lock(struct ctl *ctl, int argc, char **argv);
int	 cmd_status(struct ctl *ctl, int argc, char **argv);
int	 cmd_list(struct ctl *ctl, int argc, char **argv);
int	 cmd_show(struct ctl *ctl, int argc, char **argv);
int	 cmd_check(struct ctl *ctl, int argc, char **argv);
int	 cmd_partners(struct ctl *ctl, int argc, char **argv);
int	 cmd_explain(struct ctl *ctl, int argc, char **argv);
int	 cmd_sign(struct ctl *ctl, int argc, char **argv);
int	 cmd_encrypt(struct ctl *ctl, int argc, char **argv);
int	 cmd_verify(struct ctl *ctl, int argc, char **argv);
int	 cmd_trust(struct ctl *ctl, int argc, char **argv);

/* --------------------------------------------------------------- ctl.c --- */

/*
 * Reads the configuration once and keeps it; borrowed from ctl. NULL after the
 * reason was printed: the sub-command then returns EX_CONFIG.
 */
const struct conf *ctl_conf(struct ctl *ctl);
/*
 * Opens the keystore of the configuration with its passphrase. NULL after the
 * reason was printed, with *status to return. The caller closes it.
 */
struct keystore *ctl_keystore(struct ctl *ctl, int *status);
/* "sampulctl: sentence" on stderr; returns status. */
int	 ctl_error(int status, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* The running sub-command's usage on stderr; returns EX_USAGE. */
int	 ctl_usage(const struct ctl *ctl);
/* The directory that path is in, put into out or "."; borrowed from out. */
const char *ctl_parent(const char *path, char *out, size_t size);
/* "2026-11-22T09:30:00Z" (RFC 3339); returns out. */
#define CTL_TIME_MAX	32
char	*ctl_time(time_t when, char *out, size_t size);
/* Octets as "AB:CD:..."; out needs three octets for each. Returns out. */
char	*ctl_hex(const unsigned char *octets, size_t len, char *out);
/*
 * What is wrong with a certificate, one sentence a line with an indent, in the
 * configured language.
 */
void	 ctl_print_findings(const struct ctl *ctl, FILE *out,
	    const struct cert_findings *findings, const char *indent);
/*
 * The whole of a file of at most max octets; NULL with the sentence. Freed with
 * OPENSSL_clear_free(buf, *len + 1); a NUL stands behind the contents.
 */
char	*ctl_read_file(const char *path, size_t max, size_t *len,
	    struct smime_error *err);
/* Flushes stdout: EX_OK, or EX_IOERR after saying so when it was not whole. */
int	 ctl_finish(void);

/* ----------------------------------------------------------- message.c --- */

/* Header confidentiality (RFC 9788), where a message is encrypted. */
struct ctl_hiding {
	bool	 confidential;
	bool	 subject;
};

/*
 * A message from a file, or none, and how it is supposed to have arrived: what
 * explain and sign take from their command lines. Everything in facts is
 * borrowed from the rest.
 */
struct ctl_message {
	char			*buf;		/* the file */
	size_t			 len;
	struct header_list	 header;
	const char		*body;		/* NULL without a file */
	size_t			 body_len;
	bool			 wire;		/* lines end in CRLF: a lone LF
						 * is part of the message */
	struct sockaddr_storage	 client;
	const char		**recipients;
	const char		**certs;	/* encrypt: files, by
						 * recipient; NULL without */
	enum smime_cipher	 cipher;	/* encrypt */
	bool			 oaep;
	bool			 show_subject;
	const char		*copies_dir;	/* encrypt; NULL: one message */
	char			 sender[ADDRESS_MAX + 1];
	struct facts		 facts;
};

/*
 * Reads the options up to the message's name and the message, "-" for standard
 * input. Returns EX_OK, or a status after the reason was printed.
 */
int	 ctl_message_options(struct ctl *ctl, int argc, char **argv,
	    struct ctl_message *out);
void	 ctl_message_clear(struct ctl_message *message);
/* The message alone, likewise. */
int	 ctl_message_read(struct ctl_message *message, const char *path);
/* Hands the body to each in pieces, line ends as CRLF; -1 when each says so or
 * memory is short. */
int	 ctl_message_each(const struct ctl_message *message, smime_sink each,
	    void *arg);
/*
 * Brings the message to canonical form as planned; line ends become CRLF. NULL
 * with the sentence.
 */
struct canon *ctl_message_canon(const struct ctl_message *message,
	    const struct conf *conf, const struct plan *plan,
	    const struct ctl_hiding *hiding, struct canon_result *result,
	    struct smime_error *err);
/* policy_decide, with a second look where a rule depends on the body. */
int	 ctl_message_decide(struct ctl_message *message,
	    const struct conf *conf, struct plan *plan,
	    struct smime_error *err);

/* ------------------------------------------------------------ verdict.c --- */

struct trust_state;

/*
 * The verdict on an incoming message, as the milter would find it at now.
 * state NULL: nothing is trusted, which is a fault of ours.
 */
void	 ctl_verdict(const struct conf *conf, const struct trust_state *state,
	    const struct ctl_message *message, time_t now,
	    struct verdict *out);
/* The two fields that readers get, folded by LF; "" for none. */
struct ctl_fields {
	char	*authres;	/* RESULTS_MAX octets each */
	char	*verified;
};
int	 ctl_fields(const struct conf *conf, const struct ctl_message *message,
	    const struct verdict *verdict, struct ctl_fields *out);
void	 ctl_fields_clear(struct ctl_fields *fields);

/* ----------------------------------------------------------- signing.c --- */

struct ctl_signed {
	struct plan	 plan;
	struct canon	*canon;
	struct outcome	 outcome;	/* PLAN_SIGN: composed is there */
};

/*
 * Signs as the milter would. Returns EX_OK when outcome says what came of it,
 * or a status after the reason was printed. hiding may be NULL. The caller
 * clears out in any case.
 */
int	 ctl_sign(struct ctl *ctl, struct ctl_message *message,
	    struct keystore *store, const struct ctl_hiding *hiding,
	    struct ctl_signed *out);
void	 ctl_signed_clear(struct ctl_signed *made);
/* Header as the milter would leave it, and body. hiding may be NULL. */
int	 ctl_put_message(FILE *stream, const struct conf *conf,
	    const struct ctl_message *message, struct composed *composed,
	    const struct ctl_hiding *hiding, struct smime_error *err);
/*
 * The same in base64, for it may hold what JSON cannot; freed with free. NULL
 * with the sentence.
 */
char	*ctl_message_base64(const struct conf *conf,
	    const struct ctl_message *message, struct composed *composed,
	    const struct ctl_hiding *hiding, struct smime_error *err);

/* ----------------------------------------------------------- readers.c --- */

struct seal;

/*
 * To whom a message planned to be encrypted would be. -1 when that cannot be
 * found out here; out is to be cleared with seal_clear in any case.
 */
int	 ctl_readers(const struct conf *conf, const struct plan *plan,
	    const struct facts *facts, struct seal *out,
	    struct smime_error *err);
/*
 * What leaves, the main copy first: a line for each, unless there is but one;
 * or the members "copies" and "refused", where it can be encrypted.
 */
struct json;
void	 ctl_print_copies(const struct seal *seal);
void	 ctl_json_copies(struct json *json, const struct seal *seal);

/* -------------------------------------------------------------- json.c --- */

/*
 * A JSON document written from front to back (RFC 8259), two spaces of indent.
 * key is NULL inside arrays and for the outermost value. Text that is not
 * UTF-8 has its offending octets replaced.
 */
#define JSON_DEPTH_MAX	16

struct json {
	FILE		*out;
	unsigned	 depth;
	char		 closer[JSON_DEPTH_MAX];
	bool		 any[JSON_DEPTH_MAX];	/* something stands there */
};

void	 json_begin(struct json *json, FILE *out);
void	 json_object(struct json *json, const char *key);
void	 json_array(struct json *json, const char *key);
/* Closes what was opened last; the outermost with a line end. */
void	 json_end(struct json *json);
/* text NULL is null. */
void	 json_string(struct json *json, const char *key, const char *text);
/* Likewise for an empty one. */
void	 json_some(struct json *json, const char *key, const char *text);
void	 json_number(struct json *json, const char *key, int64_t number);
void	 json_bool(struct json *json, const char *key, bool value);
/* RFC 3339, in UTC. */
void	 json_time(struct json *json, const char *key, time_t when);
/* An array of {"problem": word, "text": sentence}. */
void	 json_findings(struct json *json, const char *key,
	    const struct cert_findings *findings, bool id);

/* -------------------------------------------------------------- list.c --- */

/* "usable", "pinned", "encryption", "suspended", "unreadable", or the word of
 * the first finding. */
const char *ctl_entry_word(const struct keystore_entry *entry);
/* The members of an entry's object that list and show have in common. */
void	 ctl_entry_json(struct json *json, const struct keystore_entry *entry);

#endif
