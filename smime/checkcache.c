/*
 * checkcache.c - certificates that the self-check has met, parsed once.
 *
 * Found by the SHA-256 of their DER, so what is found is what was asked for.
 * Bounded; a reference is handed out, so that an entry may go while in use.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define WAYS	4

struct slot {
	unsigned char	 hash[32];
	X509		*cert;
	uint64_t	 used;		/* the cache's clock when last met */
};

/* Sets of WAYS slots, chosen by the hash; the one unused longest goes. */
struct check_cache {
	pthread_mutex_t	 lock;
	struct slot	*slots;
	size_t		 sets;
	uint64_t	 clock;
};

struct check_cache *
check_cache_new(size_t entries)
{
	struct check_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->sets = (entries + WAYS - 1) / WAYS;
	if (cache->sets == 0)
		cache->sets = 1;
	cache->slots = calloc(cache->sets, WAYS * sizeof(*cache->slots));
	if (cache->slots == NULL ||
	    pthread_mutex_init(&cache->lock, NULL) != 0) {
		free(cache->slots);
		free(cache);
		return NULL;
	}
	return cache;
}

void
check_cache_free(struct check_cache *cache)
{
	size_t i;

	if (cache == NULL)
		return;
	for (i = 0; i < cache->sets * WAYS; i++)
		X509_free(cache->slots[i].cert);
	pthread_mutex_destroy(&cache->lock);
	free(cache->slots);
	free(cache);
}

static struct slot *
find_set(struct check_cache *cache, const unsigned char hash[32])
{
	uint64_t n;

	memcpy(&n, hash, sizeof(n));
	return cache->slots + n % cache->sets * WAYS;
}

X509 *
check_cache_get(struct check_cache *cache, const unsigned char hash[32])
{
	struct slot *set = find_set(cache, hash);
	X509 *cert = NULL;
	int i;

	pthread_mutex_lock(&cache->lock);
	for (i = 0; i < WAYS && cert == NULL; i++)
		if (set[i].cert != NULL &&
		    memcmp(set[i].hash, hash, sizeof(set[i].hash)) == 0) {
			cert = set[i].cert;
			X509_up_ref(cert);
			set[i].used = ++cache->clock;
		}
	pthread_mutex_unlock(&cache->lock);
	return cert;
}

void
check_cache_put(struct check_cache *cache, const unsigned char hash[32],
    X509 *cert)
{
	struct slot *set = find_set(cache, hash), *oldest = set;
	X509 *out;
	int i;

	pthread_mutex_lock(&cache->lock);
	for (i = 1; i < WAYS; i++)
		if (set[i].used < oldest->used)
			oldest = &set[i];
	out = oldest->cert;
	X509_up_ref(cert);
	oldest->cert = cert;
	oldest->used = ++cache->clock;
	memcpy(oldest->hash, hash, sizeof(oldest->hash));
	pthread_mutex_unlock(&cache->lock);
	X509_free(out);
}
