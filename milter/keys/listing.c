/*
 * listing.c - the certificates of one of our mailboxes, for colleagues to
 * encrypt to.
 *
 * The keystore is the key process's alone, so it is asked for what is public
 * in it. Another way would be to export certificates to a folder that everybody
 * may read; then there would be two states of the truth, and a revoked or
 * exchanged certificate would live on in the one that nobody thought of.
 */
#include <string.h>

#include <openssl/err.h>

#include "../../smime/smime.h"
#include "keystore.h"

struct listing {
	unsigned char	*der;
	size_t		 len;
	size_t		 max;
	bool		 failed;
	bool		 unreadable;	/* something is there, out of reach */
};

static int
append(struct listing *listing, X509 *cert)
{
	int n = i2d_X509(cert, NULL);
	unsigned char *grown, *p;

	/* Newest first: what does not fit is the oldest. */
	if (n <= 0 || (size_t)n > listing->max - listing->len)
		return 1;
	grown = OPENSSL_realloc(listing->der, listing->len + (size_t)n);
	if (grown == NULL) {
		listing->failed = true;
		return 1;
	}
	listing->der = grown;
	p = grown + listing->len;
	listing->len += (size_t)i2d_X509(cert, &p);
	return 0;
}

/* What an administrator suspended is not to be used by anybody. */
static int
list_entry(void *arg, const struct keystore_entry *entry)
{
	struct listing *listing = arg;

	if (entry->state == ENTRY_UNREADABLE)
		listing->unreadable = true;
	if (entry->cert == NULL || entry->state == ENTRY_SUSPENDED ||
	    entry->state == ENTRY_DESTROYED ||
	    entry->state == ENTRY_UNREADABLE)
		return 0;
	return append(listing, entry->cert);
}

int
keystore_list(struct keystore *store, const char *address, time_t now,
    size_t max, unsigned char **der, size_t *len, struct smime_error *err)
{
	struct listing listing = { .max = max };

	*der = NULL;
	*len = 0;
	if (!address_is_safe_name(address))
		return 0;
	if (keystore_each(store, address, false, now, list_entry, &listing,
	    err) == -1 || listing.failed ||
	    (listing.len == 0 && listing.unreadable)) {
		OPENSSL_free(listing.der);
		ERR_clear_error();
		return smime_error_setx(err, "the certificates of %s cannot "
		    "be read", address);
	}
	*der = listing.der;
	*len = listing.len;
	return 0;
}
