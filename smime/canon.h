/*
 * canon.h - the canonical form under way, shared by canon.c (what comes in)
 * and canon_out.c (what comes out). Opaque to everybody else, so that a test
 * can put its own in its place.
 */
#ifndef SMIME_CANON_H
#define SMIME_CANON_H

#include "entity.h"
#include "octets.h"
#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"

struct canon {
	struct canon_settings	 settings;
	struct entity		 entity;
	unsigned char		*header;	/* of the entity, as signed */
	size_t			 header_len;
	struct spool		*body;		/* as it came */
	bool			 rewritten;	/* the entity's body is another,
						 * made of it as often as it is
						 * read (rewrite.c) */
	uint64_t		 received;
	bool			 failed;
	bool			 finished;

	bool			 display;	/* legacy is wanted */
	struct legacy		 legacy;
	struct scan		 scan;
	unsigned char		*plans;		/* enum plan by part */
	size_t			 plans_size;
	bool			 must;		/* some part has to change */
	bool			 wish;		/* some part should */
	unsigned		 root_defects;	/* when it has a body itself */
	char			 reason[160];

	EVP_MD_CTX		*md;		/* NULL: given up, or done */
	enum smime_digest	 digest;
	bool			 have_value;
	unsigned char		 value[SMIME_DIGEST_MAX];
	struct checksum		 sum;		/* of what was digested */
	bool			 have_sum;	/* it is whole */
	struct boundary		 boundary;	/* sought beside the digest */
	bool			 sought;	/* in all of it */
	struct smime_error	*err;		/* of the call that runs */
};

#endif
