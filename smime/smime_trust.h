/*
 * smime_trust.h - whose certificates are believed: anchors, intermediates and
 * revocation lists, and the path from a certificate to one of the anchors.
 */
#ifndef SAMPUL_SMIME_TRUST_H
#define SAMPUL_SMIME_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>

#include "smime_base.h"
#include "smime_cert.h"

/* --------------------------------------------------------------- trust --- */

/* Anchors and intermediates. Shared by threads once loaded. */
struct trust;

struct trust *trust_new(void);
void	 trust_free(struct trust *trust);
int	 trust_add_anchor(struct trust *trust, X509 *cert,
	    struct smime_error *err);
int	 trust_add_intermediate(struct trust *trust, X509 *cert,
	    struct smime_error *err);
size_t	 trust_anchors(const struct trust *trust);
/*
 * Why a certificate should not be made an anchor or an intermediate at now: a
 * static sentence (id: Indonesian, else English), or NULL. One that is yet to
 * begin is fit.
 */
const char *authority_fault(X509 *cert, time_t now, bool id);
/*
 * Builds and validates the path of cert at time now (RFC 5280 6), with extra
 * (may be NULL) as further untrusted intermediates. CERT_OK, CERT_EXPIRED and
 * so on, or CERT_UNKNOWN_ISSUER; the sentence says which certificate and why.
 * *chain (may be NULL) receives the path without the anchor's self-signed root
 * and without cert itself (SIG-43); free with sk_X509_pop_free.
 */
enum cert_problem trust_check(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, STACK_OF(X509) **chain,
	    struct smime_error *err);

/* ----------------------------------------------------- revocation lists --- */

#define CRL_BYTES_MAX	(64 * 1024 * 1024)

/* What is known about the certificates of a path. */
enum revocation {
	REVOCATION_UNASKED = 0,
	REVOCATION_GOOD,	/* a current list of every issuer, none listed */
	REVOCATION_REVOKED,
	REVOCATION_MISSING,	/* no list, or none that is signed and in scope */
	REVOCATION_STALE	/* a list whose time has passed */
};

/* "good", "revoked", "missing", "stale", "unasked". */
const char *revocation_word(enum revocation revocation);

/*
 * Reads one CRL from PEM or DER. what names the source in the sentence. The
 * caller frees with X509_CRL_free. One without nextUpdate is refused (RFC 5280
 * 5.1.2.5).
 */
int	 crl_read(const void *buf, size_t len, const char *what,
	    X509_CRL **out, struct smime_error *err);
/*
 * Takes a reference of its own. Of several with one issuer, one scope and one
 * authority key identifier the newest thisUpdate wins (CRT-03). Its signature
 * is checked when it is used. Before threads share trust.
 */
int	 trust_add_crl(struct trust *trust, X509_CRL *crl,
	    struct smime_error *err);
size_t	 trust_crls(const struct trust *trust);
/* For reports. */
struct crl_facts {
	char	issuer[512];	/* RFC 2253, printable; as cert_subject */
	time_t	this_update;
	time_t	next_update;
	size_t	revoked;	/* entries */
};
void	 crl_describe(X509_CRL *crl, struct crl_facts *out);
void	 trust_each_crl(const struct trust *trust, void (*each)(void *arg,
	    const struct crl_facts *facts), void *arg);
/*
 * How long after its thisUpdate a list counts as current, though it may say
 * longer itself (CRT-06); 0, the default: as long as it says. An older one is
 * still believed about what it revokes. Before threads share trust.
 */
void	 trust_set_crl_age(struct trust *trust, time_t seconds);
/*
 * Certificate policies of which a path must keep one ("2.23.140.1.5.3.1"), for
 * trust_verify alone. count 0: none is asked for. Before threads share trust.
 */
int	 trust_set_policies(struct trust *trust, const char *const *oids,
	    size_t count, struct smime_error *err);

#define TRUST_CHAIN_MAX	10

struct trust_result {
	enum cert_problem problem;	/* CERT_OK: there is a path */
	bool		 policy;	/* with CERT_UNKNOWN_ISSUER: a path
					 * was found, but of none of the
					 * policies */
	enum revocation	 revocation;	/* the worst in the path; UNASKED
					 * unless CERT_OK */
	time_t		 from;		/* GOOD holds from then */
	time_t		 until;		/* ... to then: earliest notAfter and
					 * nextUpdate in it */
	size_t		 chain_count;	/* from the certificate to the anchor */
	char		 chain[TRUST_CHAIN_MAX][160];	/* subjects */
};

/*
 * trust_check for the certificate of somebody else, with policies and with the
 * revocation of every certificate between it and the anchor, from the lists of
 * trust alone (CRT-02). The sentence, when anything is not well, says which
 * certificate and why. Returns -1 for a fault of ours only.
 */
int	 trust_verify(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, struct trust_result *out,
	    struct smime_error *err);
/*
 * Whether our own certificate is revoked. *until (may be NULL) receives how
 * long the answer GOOD holds. A certificate without a path is MISSING; UNASKED
 * is a fault of ours.
 */
enum revocation trust_check_revocation(const struct trust *trust, X509 *cert,
	    STACK_OF(X509) *extra, time_t now, time_t *until,
	    struct smime_error *err);

#endif
