/*
 * boundary.c - a boundary that is not in the text it goes around (RFC 2046
 * 5.1.1, SIG-22): 128 random bits, looked for in all that streams past.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/rand.h>

#include "octets.h"
#include "smime_base.h"

/* "=_" occurs in no quoted-printable or base64. */
int
boundary_choose(struct boundary *boundary, struct smime_error *err)
{
	unsigned char random[16];
	size_t i;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return smime_error_crypto(err, "no random octets");
	memcpy(boundary->text, "=_", 3);
	for (i = 0; i < sizeof(random); i++)
		snprintf(boundary->text + 2 + 2 * i, 3, "%02x", random[i]);
	boundary->held_len = 0;
	boundary->found = false;
	return 0;
}

static bool
contains(const struct boundary *boundary, const unsigned char *p, size_t len)
{
	return memmem(p, len, boundary->text, BOUNDARY_LEN) != NULL;
}

void
boundary_search(struct boundary *boundary, const unsigned char *buf,
    size_t len)
{
	size_t n = len < BOUNDARY_LEN - 1 ? len : BOUNDARY_LEN - 1;

	if (len == 0)
		return;
	/* Across the border: what is held and the beginning of the piece. */
	memcpy(boundary->held + boundary->held_len, buf, n);
	boundary->held_len += n;
	boundary->found = boundary->found ||
	    contains(boundary, boundary->held, boundary->held_len) ||
	    contains(boundary, buf, len);
	if (len >= BOUNDARY_LEN - 1) {
		memcpy(boundary->held, buf + len - (BOUNDARY_LEN - 1),
		    BOUNDARY_LEN - 1);
		boundary->held_len = BOUNDARY_LEN - 1;
	} else if (boundary->held_len > BOUNDARY_LEN - 1) {
		n = boundary->held_len - (BOUNDARY_LEN - 1);
		memmove(boundary->held, boundary->held + n, BOUNDARY_LEN - 1);
		boundary->held_len = BOUNDARY_LEN - 1;
	}
}
