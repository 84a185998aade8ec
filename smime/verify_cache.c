/*
 * verify_cache.c - certificates of others, parsed, and how long their path is
 * known to be good.
 *
 * Found by the SHA-256 of the whole certificate. Only good results are kept: a
 * bad one may become good as soon as a message brings another intermediate, and
 * must not be remembered against the sender. A result holds for the generation
 * of trust under which it was found, and until the earliest end in it. Of a
 * certificate that mail was encrypted to nobody has asked whether it may sign.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "smime_trust.h"
#include "smime_verify.h"
#include "verify.h"

#define WAYS	4

struct slot {
	unsigned char	 hash[32];
	X509		*cert;
	uint64_t	 used;		/* the cache's clock when last met */
	uint64_t	 generation;
	time_t		 from;
	time_t		 until;		/* 0: no result */
	bool		 signs;		/* with a result */
};

/* Sets of WAYS slots, chosen by the hash; the one unused longest goes. */
struct verify_cache {
	pthread_mutex_t	 lock;
	struct slot	*slots;
	size_t		 sets;
	uint64_t	 clock;
};

struct verify_cache *
verify_cache_new(size_t entries)
{
	struct verify_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->sets = entries / WAYS + (entries % WAYS != 0);
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
verify_cache_free(struct verify_cache *cache)
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
find_set(struct verify_cache *cache, const unsigned char hash[32])
{
	uint64_t n;

	memcpy(&n, hash, sizeof(n));
	return cache->slots + n % cache->sets * WAYS;
}

static struct slot *
find(struct slot *set, const unsigned char hash[32])
{
	int i;

	for (i = 0; i < WAYS; i++)
		if (set[i].cert != NULL &&
		    memcmp(set[i].hash, hash, sizeof(set[i].hash)) == 0)
			return &set[i];
	return NULL;
}

bool
verify_cache_get(struct verify_cache *cache, const unsigned char hash[32],
    uint64_t generation, time_t now, struct known *out)
{
	struct slot *slot;

	pthread_mutex_lock(&cache->lock);
	slot = find(find_set(cache, hash), hash);
	if (slot != NULL) {
		slot->used = ++cache->clock;
		X509_up_ref(slot->cert);
		out->cert = slot->cert;
		out->trusted = slot->generation == generation &&
		    slot->from <= now && now < slot->until;
		out->signs = out->trusted && slot->signs;
	}
	pthread_mutex_unlock(&cache->lock);
	return slot != NULL;
}

void
verify_cache_put(struct verify_cache *cache, const struct known *known,
    uint64_t generation, const struct trust_result *result)
{
	struct slot *set = find_set(cache, known->hash), *slot;
	X509 *out = NULL;
	int i;

	pthread_mutex_lock(&cache->lock);
	if ((slot = find(set, known->hash)) == NULL) {
		slot = set;
		for (i = 1; i < WAYS; i++)
			if (set[i].used < slot->used)
				slot = &set[i];
		out = slot->cert;
		memset(slot, 0, sizeof(*slot));
		X509_up_ref(known->cert);
		slot->cert = known->cert;
		memcpy(slot->hash, known->hash, sizeof(slot->hash));
	}
	slot->used = ++cache->clock;
	if (result != NULL) {
		slot->generation = generation;
		slot->from = result->from;
		slot->until = result->until;
		slot->signs = known->signs;
	}
	pthread_mutex_unlock(&cache->lock);
	X509_free(out);
}
