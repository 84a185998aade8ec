/*
 * smime_verify.h - the verdict on a message that came in.
 */
#ifndef SAMPUL_SMIME_VERIFY_H
#define SAMPUL_SMIME_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "smime_base.h"
#include "smime_cert.h"
#include "smime_header.h"
#include "smime_trust.h"

/* ------------------------------------------------------------ verifying --- */

/* RFC 7281 3.1, RFC 8601 2.7. Only PASS is good, and it is not the default. */
enum verdict_word {
	VERDICT_TEMPERROR = 0,
	VERDICT_NONE,
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_POLICY,
	VERDICT_NEUTRAL,
	VERDICT_PERMERROR
};

/* Why. Each has a stable word, a sentence in two languages and a verdict. */
enum verify_reason {
	VERIFY_FAULT = 0,	/* of ours: temperror */
	VERIFY_GOOD,		/* pass */
	VERIFY_UNSIGNED,	/* none */
	VERIFY_CERTS_ONLY,	/* none: certificates, no signer (VER-16) */
	VERIFY_ENCRYPTED,	/* neutral, silent (VER-51) */
	VERIFY_COMPRESSED,	/* neutral, silent */
	VERIFY_OPENPGP,		/* neutral, silent: not S/MIME */
	VERIFY_PARTIAL,		/* policy: one part alone is signed (VER-02) */
	VERIFY_OUTSIDE,		/* policy: text outside the signed part */
	VERIFY_STRUCTURE,	/* neutral: malformed MIME (VER-03) */
	VERIFY_AMBIGUOUS,	/* neutral: readers may see other parts */
	VERIFY_ENCODING,	/* neutral: no clean base64 */
	VERIFY_LIMIT,		/* neutral: over a ceiling (VER-22) */
	VERIFY_DEPTH,		/* neutral: too many layers (VER-06) */
	VERIFY_SYNTAX,		/* neutral: no SignedData */
	VERIFY_VERSION,		/* neutral: unknown version (VER-18) */
	VERIFY_CONTENT_TYPE,	/* neutral: signs something else than data */
	VERIFY_CONFLICT,	/* neutral: content in it and beside (VER-10) */
	VERIFY_NO_CONTENT,	/* neutral: opaque, but nothing in it */
	VERIFY_NO_ATTRIBUTES,	/* neutral (VER-11) */
	VERIFY_ATTRIBUTES,	/* neutral: missing, twice (VER-12, 13) */
	VERIFY_MICALG,		/* neutral: contradicts (VER-04) */
	VERIFY_ALGORITHM,	/* neutral: unknown (VER-18) */
	VERIFY_WEAK,		/* policy: MD5, SHA-1, small key (VER-21) */
	VERIFY_NO_CERTIFICATE,	/* permerror: the signer's is not there */
	VERIFY_ESS,		/* fail: names another (VER-14) */
	VERIFY_PROTECTION,	/* fail: names other algorithms (VER-15) */
	VERIFY_DIGEST,		/* fail: the content was changed */
	VERIFY_SIGNATURE,	/* fail */
	VERIFY_USAGE,		/* fail: not for signing mail (CRT-20, 21) */
	VERIFY_EXPIRED,		/* fail */
	VERIFY_NOT_YET_VALID,	/* fail */
	VERIFY_EXTENSION,	/* fail: critical, unknown (CRT-10) */
	VERIFY_UNTRUSTED,	/* fail: no path to an anchor (CRT-09) */
	VERIFY_CERT_POLICY,	/* policy: none of the accepted policies */
	VERIFY_WEAK_CHAIN,	/* policy (CRT-13) */
	VERIFY_REVOKED,		/* fail */
	VERIFY_CRL_MISSING,	/* temperror (CRT-04) */
	VERIFY_CRL_STALE,	/* temperror */
	VERIFY_NO_FROM,		/* permerror: missing or none (VER-31) */
	VERIFY_SEVERAL_FROM,	/* policy: fields, mailboxes, a group */
	VERIFY_ODD_FROM,	/* policy: readers disagree on it */
	VERIFY_NO_ADDRESS,	/* policy: none in the certificate, no pin */
	VERIFY_OTHER_ADDRESS,	/* policy (VER-30) */
	VERIFY_PROTECTED_FROM,	/* policy: the signed From differs (VER-41) */
	VERIFY_SIGNING_TIME,	/* policy: far off (VER-25) */
	VERIFY_REASONS
};

/* "pass" and so on. */
const char *verdict_word_text(enum verdict_word word);
enum verdict_word verify_reason_verdict(enum verify_reason reason);
/* A short stable word, such as "other-address". */
const char *verify_reason_word(enum verify_reason reason);
/* One sentence for people, static, ASCII; id: Indonesian, else English. */
const char *verify_reason_text(enum verify_reason reason, bool id);

/*
 * Certificates met, parsed, and the good results of their paths; by the
 * SHA-256 of the whole certificate. Shared by threads, bounded. It may outlive
 * a change of trust: results carry the generation they were found under.
 */
struct verify_cache;

struct verify_cache *verify_cache_new(size_t entries);
void	 verify_cache_free(struct verify_cache *cache);

/* Everything here is borrowed and must live as long as the verifier. */
struct verify_settings {
	const struct trust	*trust;
	uint64_t		 generation;	/* another for another trust */
	struct verify_cache	*cache;		/* may be NULL */
	time_t			 now;		/* of receipt (CRT-07) */
	size_t			 max_opaque;	/* octets of one layer's
						 * opaque data */
	size_t			 max_signature;	/* octets of one detached
						 * signature */
	size_t			 max_part_header;
	unsigned		 max_depth;	/* layers, <= VERDICT_LAYERS */
	unsigned		 max_signers;
	unsigned		 max_certs;
	int			 max_rsa_bits;
	bool			 crl_soft_fail;	/* a missing or stale list does
						 * not spoil a pass; said in
						 * verdict.crl_soft_fail */
	bool			 any_purpose;	/* anyExtendedKeyUsage alone is
						 * for mail, too (CRT-21) */
	bool			 weak_digest;	/* SHA-1 as message digest is
						 * let pass */
	time_t			 max_age;	/* of signingTime, seconds; 0:
						 * none */
	time_t			 max_future;
	/*
	 * Whether the administrator has tied a certificate without any address
	 * to this one (VER-32). NULL: none. Called from any thread.
	 */
	bool			(*pinned)(void *arg, const char *address,
				    const unsigned char fingerprint[32]);
	void			*pinned_arg;
	bool			 learn;		/* for verify_correspondent */
};

/* Every default in one place; trust, now and cache are left to the caller. */
void	 verify_settings_init(struct verify_settings *settings);

#define VERDICT_LAYERS	8
#define VERDICT_CHECKS	40

struct verdict_layer {
	char			 part[48];	/* RFC 7281 3.2.1: of the
						 * signature, "2", "1.2", "1/2" */
	enum verdict_word	 word;
	enum verify_reason	 reason;
};

enum check_outcome { CHECK_NOT_ASKED = 0, CHECK_OK, CHECK_FAILED };

/* One rule, about the outermost layer. All static. */
struct verdict_check {
	const char		*name;		/* stable word */
	const char		*section;	/* "RFC 5652 11.2" */
	enum check_outcome	 outcome;
	enum verify_reason	 reason;	/* with CHECK_FAILED */
	const char		*text;		/* what is asked, English */
	const char		*text_id;	/* ... Indonesian */
};

/* A header field of the message, under the signature (RFC 9788). */
enum coverage {
	COVERAGE_NONE = 0,	/* not signed */
	COVERAGE_SAME,
	COVERAGE_DIFFERENT,	/* what is signed differs from what is shown */
};

/*
 * The outcome for one message. Text about the signer comes from the signer's
 * certificate and is printable, but it may only be shown to people when
 * validated is set, and as verified only when word is VERDICT_PASS.
 */
struct verdict {
	enum verdict_word	 word;
	enum verify_reason	 reason;
	bool			 silent;	/* say nothing about S/MIME:
						 * it cannot be known whether
						 * it is signed (HDR-16) */
	char			 detail[200];	/* English, for the log: more
						 * than the reason, or "" */
	char			 part[48];	/* of the outermost signature,
						 * "" without */
	char			 from[ADDRESS_MAX + 1];	/* "" unless one; its
						 * domain in A-labels */
	enum address_result	 from_result;

	bool			 has_signer;	/* the certificate was found */
	bool			 validated;	/* signature and path are good */
	bool			 matches;	/* identifier is From */
	char			 identifier[ADDRESS_MAX + 1];	/* the address
						 * that matches, else the first
						 * in the certificate, "" for
						 * none */
	char			 serial[SERIAL_TEXT_MAX];
	char			 issuer[512];	/* RFC 2253, ASCII */
	char			 issuer_name[160];	/* CN, else O; UTF-8 */
	char			 common_name[160];	/* UTF-8 */
	char			 organisation[160];	/* UTF-8 */
	unsigned char		 fingerprint[32];	/* SHA-256 */
	time_t			 not_after;
	time_t			 signing_time;	/* 0: not said */
	bool			 pinned;	/* matches by a pin alone */
	bool			 crl_soft_fail;	/* passed without a list */
	enum revocation		 revocation;

	bool			 header_protected;	/* RFC 9788, hp */
	enum coverage		 covered_from;
	enum coverage		 covered_subject;
	enum coverage		 covered_date;
	enum coverage		 covered_to;

	size_t			 layer_count;	/* outermost first */
	struct verdict_layer	 layers[VERDICT_LAYERS];
	size_t			 check_count;
	struct verdict_check	 checks[VERDICT_CHECKS];
	size_t			 chain_count;	/* only without a cache */
	char			 chain[TRUST_CHAIN_MAX][160];
};

/*
 * One incoming message on its way to a verdict. The body arrives in pieces of
 * any size, line ends as CRLF, exactly as received; memory has ceilings that
 * do not grow with a multipart/signed message. Every function returns -1 for a
 * fault of ours only (memory, OpenSSL): the caller then has no verdict, and
 * must treat it as temperror. What is wrong with the message is a verdict.
 */
struct verifier;

/* header: the whole of it; borrowed until verify_finish. */
struct verifier *verify_new(const struct verify_settings *settings,
	    const struct header_list *header, struct smime_error *err);
void	 verify_free(struct verifier *verifier);
/*
 * False when the verdict no longer depends on what comes: the body need not be
 * fed (any more).
 */
bool	 verify_wants_body(const struct verifier *verifier);
int	 verify_body(struct verifier *verifier, const void *buf, size_t len,
	    struct smime_error *err);
/* After the last piece, once. */
int	 verify_finish(struct verifier *verifier, struct verdict *out,
	    struct smime_error *err);

/*
 * What a correspondent's mail program said, under a signature that passed,
 * about writing back (RFC 8551 2.5.2, 2.5.3).
 */
struct correspondent {
	X509			*cert;		/* to encrypt to; NULL none */
	STACK_OF(X509)		*extra;		/* NULL, or others of the
						 * message, at most 8 */
	bool			 has_capabilities;
	unsigned		 capabilities;	/* SMIME_CAP_ */
};

/*
 * After verify_finish with settings.learn: takes it over; all empty unless the
 * verdict was VERDICT_PASS with a revocation known to be good. The certificate
 * names the From address and allows encryption; whether it is trusted is for
 * recipient_check.
 */
void	 verify_correspondent(struct verifier *verifier,
	    struct correspondent *out);
void	 correspondent_clear(struct correspondent *correspondent);

/* -------------------------------------------------------- signed by us --- */

/*
 * The verdict on SignedData that signature_check has found good a moment ago:
 * of the certificate with that serial number (upper-case hex) usage, path,
 * revocation and address are asked, where pinned stands for an address. from,
 * part and layers are left to the caller. *until: how long a pass holds, else
 * now. Returns -1 for a fault of ours. The sentence, also where it returns 0,
 * says what is not well.
 */
int	 verify_own(const struct verify_settings *settings,
	    const unsigned char *der, size_t len, const char *serial,
	    const char *address, bool pinned, struct verdict *out,
	    time_t *until, struct smime_error *err);

#endif
