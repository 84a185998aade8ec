/*
 * verify.h - what the files of verification share, in the order in which a
 * message passes through them.
 */
#ifndef SMIME_VERIFY_H
#define SMIME_VERIFY_H

#include "der.h"
#include "parse.h"
#include "smime_base.h"
#include "smime_header.h"
#include "smime_trust.h"
#include "smime_verify.h"

#define SIGNERS_MAX	16	/* ceilings on the ceilings in the settings */
#define CERTS_MAX	128
#define CANDIDATES_MAX	8	/* certificates tried for one signer */

/* ------------------------------------------------------ verify_split.c --- */

#define SPLIT_CARRY	512
#define SPLIT_EPILOGUE	100

/* Where the next octet stands. */
enum split_at { AT_LINE, AT_LONE_LF, AT_MIDDLE };

/*
 * Cuts a multipart at its boundary lines and nowhere else; what is inside a
 * part is handed on octet for octet (VER-05).
 */
struct split {
	unsigned	 part;		/* 0: preamble; 1, 2, ...; epilogue */
	unsigned	 parts;		/* begun so far */
	bool		 ambiguous;	/* others may cut elsewhere */

	/* The rest is verify_split.c's own. */
	char		 delimiter[260];	/* "--" boundary */
	size_t		 delimiter_len;
	int		(*data)(void *arg, unsigned part,
			    const unsigned char *p, size_t len);
	void		*arg;
	enum split_at	 at;
	bool		 held_crlf;
	unsigned char	 carry[SPLIT_CARRY];
	size_t		 carry_len;
};

void	 split_init(struct split *split, const struct mime_type *type,
	    int (*data)(void *arg, unsigned part, const unsigned char *p,
	    size_t len), void *arg);
int	 split_feed(struct split *split, const unsigned char *buf, size_t len);
int	 split_finish(struct split *split);

/* ---------------------------------------------------- verify_collect.c --- */

/* Octets out of base64, under a ceiling. */
struct collect {
	unsigned char	*buf;
	size_t		 len;
	size_t		 size;
	size_t		 max;
	uint32_t	 group;
	unsigned	 digits;	/* in group, with padding */
	unsigned	 padding;
	bool		 bad;		/* no clean base64 (RFC 4648 4) */
	bool		 over;
};

/* -1: out of memory. */
int	 collect_base64(struct collect *c, const unsigned char *p, size_t len);
void	 collect_end(struct collect *c);
void	 collect_clear(struct collect *c);

/* A header block in pieces. */
struct head {
	unsigned char		*buf;
	size_t			 len;
	size_t			 size;
	size_t			 max;
	size_t			 line;	/* octets in the last line, no LF */
	bool			 starts_with_cr;	/* ... that line */
	bool			 done;
	bool			 over;
	struct header_list	 list;
	size_t			 rest;	/* offset in buf of what is body */
};

/* *used octets were taken. The list can be read once done. -1: memory. */
int	 head_feed(struct head *head, const unsigned char *p, size_t len,
	    size_t *used);
/* The text ends here, with or without an empty line. */
int	 head_end(struct head *head);
/* Body that came with the header's last piece, borrowed; *len may be 0. */
const unsigned char *head_rest(const struct head *head, size_t *len);
void	 head_clear(struct head *head);

/* ------------------------------------------------------ verify_layer.c --- */

enum layer_kind {
	LAYER_PLAIN,		/* nothing of S/MIME */
	LAYER_DETACHED,		/* multipart/signed */
	LAYER_OPAQUE,		/* pkcs7-mime with signed data, perhaps */
	LAYER_SILENT		/* encrypted and the like: see fault */
};

enum digest_kind { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512, DIGEST_SHA1,
	DIGEST_COUNT, DIGEST_BROKEN = DIGEST_COUNT, DIGEST_UNKNOWN };

/* A MIME entity, and what surrounds another one when it is signed. */
struct layer {
	const struct verify_settings *settings;
	unsigned		 depth;
	char			 prefix[48];	/* of its part number */
	char			 path[32];	/* "" for a root */
	char			 part[48];	/* of its signature */
	enum layer_kind		 kind;
	enum verify_reason	 fault;		/* found while reading, the
						 * first; else GOOD */
	const struct header_list *header;	/* head.list, or the message's */
	struct head		 head;
	bool			 in_body;

	struct split		 split;
	char			 preamble[160];	/* white space folded */
	size_t			 preamble_len;
	bool			 preamble_over;	/* there was more */
	EVP_MD_CTX		*digest[DIGEST_COUNT];	/* NULL: not wanted */
	unsigned char		 value[DIGEST_COUNT][SMIME_DIGEST_MAX];
	unsigned		 named;		/* 1 << kind, by micalg */
	struct head		 signature_head;
	bool			 signature_body;
	struct collect		 blob;		/* the SignedData */
	struct layer		*inner;		/* what it is around */
};

/* header: the message's own; NULL when it comes with the body. */
struct layer *layer_new(const struct verify_settings *settings,
	    const struct header_list *header, unsigned depth,
	    const char *prefix, const char *path);
void	 layer_free(struct layer *layer);
/* These return -1 for a fault of ours. */
int	 layer_feed(struct layer *layer, const unsigned char *p, size_t len);
int	 layer_finish(struct layer *layer);
/* Keeps the first. */
void	 layer_fault(struct layer *layer, enum verify_reason reason);

/* ------------------------------------------------------- verify_kind.c --- */

/* What an entity is, by its header; *fault only when it is not GOOD. */
enum layer_kind kind_of(const struct header_list *header,
	    enum verify_reason *fault);
/*
 * Whether all readers find the same in it: neither field that says what an
 * entity is there twice, no field that may be taken for several.
 */
bool	 kind_is_clear(const struct header_list *header);
/* Whether it is a part that makes a message signed in part. */
bool	 kind_is_signed(const struct header_list *header);
/* Digests named by micalg as a set of 1 << kind; unknown ones are left out. */
unsigned kind_micalg(const struct header_field *field);

/* --------------------------------------------------------------- ber.c --- */

/*
 * The same in DER but for the order of sets. *out is freed with free, NULL
 * when it cannot be read. -1: out of memory.
 */
int	 ber_to_der(const unsigned char *ber, size_t len, unsigned char **out,
	    size_t *out_len);

/* -------------------------------------------------------- verify_cms.c --- */

/* SignerInfo (RFC 5652 5.3); members are whole elements unless said. */
struct signer_info {
	struct der	issuer;		/* p NULL: by key identifier */
	struct der	serial;
	struct der	key_id;		/* contents */
	struct der	digest;
	struct der	attributes;	/* with [0]; p NULL: none */
	struct der	algorithm;
	struct der	signature;	/* contents */
	/* The signed attributes' values. */
	struct der	content_type;
	struct der	message_digest;	/* contents */
	struct der	signing_time;
	struct der	ess;		/* signingCertificate */
	struct der	ess2;		/* signingCertificateV2 */
	struct der	protection;
	struct der	capabilities;	/* SMIMECapabilities */
	struct der	encryption_key;	/* SMIMEEncryptionKeyPreference */
};

struct signed_data {
	struct der		content_type;
	bool			has_content;
	struct der		content;	/* contents */
	size_t			cert_count;
	struct der		certs[CERTS_MAX];
	size_t			signer_count;
	struct signer_info	signers[SIGNERS_MAX];
};

/* VERIFY_GOOD, or why it cannot be taken apart. DER; borrowed. */
enum verify_reason cms_read(const unsigned char *der, size_t len,
	    size_t max_signers, size_t max_certs, struct signed_data *out);

/* ------------------------------------------------------- verify_attr.c --- */

/* The attributes of info to its members: VERIFY_GOOD or _ATTRIBUTES. */
enum verify_reason attributes_read(struct signer_info *info,
	    const struct der *unsigned_attributes);
/* 0: none or unreadable, then *bad. */
time_t	 attributes_time(const struct signer_info *info, bool *bad);

/* -------------------------------------------------- verify_algorithm.c --- */

enum signature_kind { SIGNATURE_RSA, SIGNATURE_PSS, SIGNATURE_ECDSA,
	SIGNATURE_ED25519, SIGNATURE_BROKEN, SIGNATURE_UNKNOWN };

struct signature_algorithm {
	enum signature_kind	 kind;
	enum digest_kind	 digest;	/* UNKNOWN: not said */
	int			 salt;		/* PSS */
};

const EVP_MD *digest_md(enum digest_kind kind);
enum digest_kind digest_read(const struct der *algorithm);
void	 signature_read(const struct der *algorithm,
	    struct signature_algorithm *out);
/* Parameters that are absent or NULL are the same. */
bool	 algorithm_equal(const struct der *a, const struct der *b);
/* VERIFY_GOOD, _WEAK, _LIMIT or _ALGORITHM. */
enum verify_reason key_judge(EVP_PKEY *key, int max_rsa_bits);
/* Over the attributes as received: VERIFY_GOOD, _SIGNATURE or _ALGORITHM;
 * VERIFY_FAULT for ours. */
enum verify_reason signature_verify(const struct signer_info *info,
	    const struct signature_algorithm *algorithm, EVP_PKEY *key);

/* ------------------------------------------------------ verify_cache.c --- */

/* A certificate, and until when its path is known to be good. */
struct known {
	X509		*cert;		/* a reference of the holder's */
	unsigned char	 hash[32];
	bool		 fresh;		/* not from the cache */
	bool		 trusted;	/* path good and not revoked, at the
					 * time that was asked for */
	bool		 signs;		/* with trusted: rule_usage holds too;
					 * a path asked for a recipient's sake
					 * says nothing about it */
};

/* False: not there. */
bool	 verify_cache_get(struct verify_cache *cache,
	    const unsigned char hash[32], uint64_t generation, time_t now,
	    struct known *out);
/* result NULL: the path was not asked for, or is not good. */
void	 verify_cache_put(struct verify_cache *cache, const struct known *known,
	    uint64_t generation, const struct trust_result *result);

/* ------------------------------------------------------- verify_cert.c --- */

/* One signer under examination. */
struct examined {
	const struct signer_info	*info;
	enum digest_kind		 digest;
	struct signature_algorithm	 algorithm;
	struct known			 candidates[CANDIDATES_MAX];
	size_t				 candidate_count;
	struct known			*known;	/* the one whose key signed */
};

/* Finds the certificates that info may mean: GOOD, or FAULT. */
enum verify_reason cert_find(const struct verify_settings *settings,
	    const struct signed_data *data, struct examined *out);
/* All certificates that may be parts of a path; NULL: out of memory. */
STACK_OF(X509) *cert_extra(const struct verify_settings *settings,
	    const struct signed_data *data);
/* RFC 5035: whether the attributes name this certificate. */
bool	 cert_is_named(const struct signer_info *info, X509 *cert,
	    const unsigned char hash[32]);
/*
 * The first certificate that issuer and serial, or key_id, of meant name;
 * counted. NULL: none.
 */
X509	*cert_pick(const struct signed_data *data,
	    const struct signer_info *meant);
/* KU, EKU and the like: VERIFY_GOOD or _USAGE, _EXTENSION. */
enum verify_reason cert_judge_usage(const struct verify_settings *settings,
	    X509 *cert);

/* ------------------------------------------------------ verify_judge.c --- */

/* A layer's judgement under way. */
struct judgement {
	const struct verify_settings	*settings;
	struct layer			*layer;
	const struct header_list	*message;	/* NULL: inner layer */
	const struct header_list	*payload;	/* NULL: none seen */
	struct verdict			*verdict;	/* likewise */
	struct signed_data		 data;
	unsigned char			*der;		/* when converted */
	struct examined			 signers[SIGNERS_MAX];
	struct examined			*signer;	/* the one of From */
	bool				 names_from;	/* its certificate */
	struct trust_result		 path;
	char				 detail[200];
};

/*
 * Reads the SignedData of the layer and runs the rules. message and verdict
 * are for the outermost alone. Returns the reason, VERIFY_FAULT for ours.
 * judgement_clear follows in any case; data lives until then.
 */
void	 judgement_read(struct judgement *j);
enum verify_reason judgement_run(struct judgement *j);
void	 judgement_clear(struct judgement *j);

/* ------------------------------------------------------ verify_rules.c --- */

/* What a path is worth but for revocation; what is known of that, where a list
 * that is missing may be soft. */
enum verify_reason path_reason(const struct trust_result *path);
enum verify_reason revocation_reason(enum revocation found, bool soft);
/* VERIFY_GOOD, or why the rule does not hold; VERIFY_FAULT for ours. */
enum verify_reason rule_signers(struct judgement *j);
enum verify_reason rule_content(struct judgement *j);
enum verify_reason rule_attributes(struct judgement *j);
enum verify_reason rule_content_type(struct judgement *j);
enum verify_reason rule_algorithms(struct judgement *j);
enum verify_reason rule_strength(struct judgement *j);
enum verify_reason rule_micalg(struct judgement *j);
enum verify_reason rule_digest(struct judgement *j);
enum verify_reason rule_certificate(struct judgement *j);
enum verify_reason rule_ess(struct judgement *j);
enum verify_reason rule_protection(struct judgement *j);
enum verify_reason rule_key(struct judgement *j);
enum verify_reason rule_signature(struct judgement *j);
enum verify_reason rule_usage(struct judgement *j);
enum verify_reason rule_chain(struct judgement *j);
enum verify_reason rule_revocation(struct judgement *j);

/* ---------------------------------------------------- verify_learn.c --- */

/* For a message that passed; never fails, it only learns less. */
void	 learn(const struct judgement *j, struct correspondent *out);

/* -------------------------------------------------- verify_message.c --- */

/* The rules about the message as a whole; VERIFY_GOOD or why not. */
enum verify_reason message_from(struct judgement *j);
enum verify_reason message_address(struct judgement *j);
enum verify_reason message_protected(struct judgement *j);
enum verify_reason message_time(struct judgement *j);
/*
 * What a certificate says, for the verdict: all but its fingerprint, and an
 * identifier that is there already.
 */
void	 cert_describe(X509 *cert, struct verdict *verdict);
/* That of the signer, and when it signed. */
void	 message_describe(struct judgement *j);

#endif
