/*
 * authority.c - what a certificate must be to be believed as an authority.
 *
 * Asked when an administrator is about to place one. A path is judged by
 * trust.c each time anew; these rules are to keep mistakes out: a mailbox's
 * certificate among the anchors would vouch for nobody but itself, an old root
 * for everybody who can break it.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "smime_cert.h"
#include "smime_trust.h"
#include "trust.h"

struct question {
	X509	*cert;
	time_t	 now;
};

/*
 * RFC 5280 4.2.1.9; keyUsage is asked too. 1 is a CA by basicConstraints, the
 * other answers are guesses.
 */
static bool
is_no_ca(const struct question *question)
{
	return X509_check_ca(question->cert) != 1;
}

static bool
has_ended(const struct question *question)
{
	return question->now > cert_not_after(question->cert);
}

/* RFC 8550 4.3 */
static bool
has_weak_key(const struct question *question)
{
	return cert_key_problem(X509_get0_pubkey(question->cert)) ==
	    CERT_WEAK_KEY;
}

static bool
has_weak_signature(const struct question *question)
{
	return !cert_is_self_signed(question->cert) &&
	    cert_signature_is_weak(question->cert);
}

/* RFC 5280 4.2 */
static bool
has_critical_extension(const struct question *question)
{
	return (X509_get_extension_flags(question->cert) &
	    (EXFLAG_CRITICAL | EXFLAG_INVALID)) != 0;
}

static const struct {
	bool		(*breaks)(const struct question *question);
	const char	*text;
	const char	*text_id;
} rules[] = {
	{ is_no_ca,
	    "it is not an authority's certificate (basicConstraints).",
	    "bukan sertifikat otoritas (basicConstraints)." },
	{ has_ended,
	    "it has expired.",
	    "masa berlakunya telah habis." },
	{ has_weak_key,
	    "its key is too weak.",
	    "kuncinya terlalu lemah." },
	{ has_weak_signature,
	    "it was issued with less than SHA-256.",
	    "diterbitkan dengan algoritme di bawah SHA-256." },
	{ has_critical_extension,
	    "it holds a critical condition that is not known.",
	    "memuat syarat penting yang tidak dikenal." },
};

const char *
authority_fault(X509 *cert, time_t now, bool id)
{
	struct question question = { cert, now };
	const char *fault = NULL;
	size_t i;

	for (i = 0; fault == NULL && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].breaks(&question))
			fault = id ? rules[i].text_id : rules[i].text;
	ERR_clear_error();
	return fault;
}
