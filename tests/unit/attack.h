/*
 * attack.h - the common part of the tests that attack verification: somebody
 * with a good certificate, a table's row, and what must come out of it.
 *
 * With SAMPUL_KEEP=DIRECTORY every message is also written there, with the
 * authorities and lists, as seeds for the fuzzers.
 */
#ifndef SAMPUL_TEST_ATTACK_H
#define SAMPUL_TEST_ATTACK_H

#include "../../smime/smime.h"
#include "vmail.h"

#define FROM	"From: Budi <" BUDI ">\r\nSubject: Surat\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"

struct attack {
	struct verify_settings	 settings;
	struct trust		*trust;
	struct person		 budi;		/* P-256 */
	struct person		 rsa;		/* RSA-2048, the same address */
	struct person		 issuing;	/* the authority of both */
	unsigned		 count;
};

extern struct attack attack;

/* For cmocka's group setup and teardown. */
int	 attack_setup(void **state);
int	 attack_teardown(void **state);
/*
 * The message must have this verdict, "fail signature" for example, in
 * whatever pieces it comes; what is not pass must not look like it in any
 * header field. The verdict of the last is left in *out, which may be NULL.
 */
void	 attack_expect(const char *what, const struct buf *mail,
	    const char *want, struct verdict *out);
/* The same for a SignedData around ENTITY, detached unless CMS_EMBED. */
void	 attack_cms(const char *what, const struct cms *cms, const char *want);
/* ... for one that is there already. */
void	 attack_der(const char *what, const struct buf *der, bool opaque,
	    const char *want);

#endif
