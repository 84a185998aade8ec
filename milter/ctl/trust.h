/*
 * trust.h - what the files of "sampulctl trust" share.
 */
#ifndef SAMPUL_CTL_TRUST_H
#define SAMPUL_CTL_TRUST_H

#include "../../smime/smime.h"
#include "ctl.h"

/* The texts of a certificate, made once for every use. */
struct authority {
	char	subject[512];
	char	issuer[512];
	char	serial[SERIAL_TEXT_MAX + 1];
	char	key[64];
	char	from[CTL_TIME_MAX];
	char	to[CTL_TIME_MAX];
	char	sha256[32 * 3 + 1];	/* "AB:CD:..." */
};

/* trust.c */
void	 authority_describe(X509 *cert, struct authority *out);
/* Its lines, with an indent. */
void	 authority_print(FILE *out, X509 *cert);
/* One of the words. */
#define CRL_STATE_CURRENT	"current"
#define CRL_STATE_ENDING	"near-end"
#define CRL_STATE_STALE		"stale"
#define CRL_STATE_FUTURE	"future"
const char *crl_state(const struct crl_facts *facts, time_t now);

/* trustchange.c: getopt(3) may begin at once, behind the word. */
int	 trust_add(struct ctl *ctl, int argc, char **argv);
int	 trust_remove(struct ctl *ctl, int argc, char **argv);

#endif
