/*
 * checkcache.c - certificates that the self-check has met, parsed once.
 *
 * The cache of the certificates of others (verify_cache.c), used for what is
 * in it alone: a signature that we have just made is not judged by its path.
 */
#include <stdlib.h>
#include <string.h>

#include "cms.h"
#include "smime_sign.h"
#include "smime_verify.h"
#include "verify.h"

struct check_cache {
	struct verify_cache	*certs;
};

struct check_cache *
check_cache_new(size_t entries)
{
	struct check_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->certs = verify_cache_new(entries);
	if (cache->certs == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void
check_cache_free(struct check_cache *cache)
{
	if (cache == NULL)
		return;
	verify_cache_free(cache->certs);
	free(cache);
}

X509 *
check_cache_get(struct check_cache *cache, const unsigned char hash[32])
{
	struct known known = { .cert = NULL };

	return verify_cache_get(cache->certs, hash, 0, 0, &known) ?
	    known.cert : NULL;
}

void
check_cache_put(struct check_cache *cache, const unsigned char hash[32],
    X509 *cert)
{
	struct known known = { .cert = cert };

	memcpy(known.hash, hash, sizeof(known.hash));
	verify_cache_put(cache->certs, &known, 0, NULL);
}
