/*
 * keycache.c - what is known about addresses, least recently used out first.
 *
 * The lock is held for a look-up and never while a file is read or a key is
 * used. A reference keeps an evicted identity alive until its user is done.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "entry.h"
#include "keyfile.h"
#include "keystore.h"

#define COST_GUESS	16384	/* one identity, to size the table */
#define BUCKETS_MIN	64
#define BUCKETS_MAX	(1 << 18)

struct keycache {
	pthread_mutex_t		  lock;
	struct keystore_identity **buckets;
	size_t			  bucket_count;	/* a power of two */
	struct keystore_identity *newest, *oldest;
	size_t			  ceiling;
	size_t			  bytes;
	size_t			  count;
};

static void
identity_free(struct keystore_identity *identity)
{
	signer_free(identity->signer);
	watches_clear(&identity->watches);
	free(identity);
}

/* FNV-1a; names come from the keystore's folders, not from strangers. */
static struct keystore_identity **
bucket(struct keycache *cache, const char *address)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *address != '\0'; address++)
		hash = (hash ^ (unsigned char)*address) * 1099511628211ULL;
	hash ^= hash >> 32;
	return &cache->buckets[hash & (cache->bucket_count - 1)];
}

struct keycache *
keycache_new(size_t ceiling)
{
	struct keycache *cache;

	cache = calloc(1, sizeof(*cache));
	if (cache == NULL)
		return NULL;
	cache->ceiling = ceiling;
	for (cache->bucket_count = BUCKETS_MIN;
	    cache->bucket_count < BUCKETS_MAX &&
	    cache->bucket_count < ceiling / COST_GUESS;)
		cache->bucket_count *= 2;
	cache->buckets = calloc(cache->bucket_count, sizeof(*cache->buckets));
	if (cache->buckets == NULL ||
	    pthread_mutex_init(&cache->lock, NULL) != 0) {
		free(cache->buckets);
		free(cache);
		return NULL;
	}
	return cache;
}

static struct keystore_identity *
find(struct keycache *cache, const char *address)
{
	struct keystore_identity *p;

	for (p = *bucket(cache, address); p != NULL; p = p->chain_next)
		if (strcmp(p->address, address) == 0)
			return p;
	return NULL;
}

static void
use_unlink(struct keycache *cache, struct keystore_identity *p)
{
	if (p->newer != NULL)
		p->newer->older = p->older;
	else
		cache->newest = p->older;
	if (p->older != NULL)
		p->older->newer = p->newer;
	else
		cache->oldest = p->newer;
	p->newer = p->older = NULL;
}

static void
use_link(struct keycache *cache, struct keystore_identity *p)
{
	p->older = cache->newest;
	p->newer = NULL;
	if (cache->newest != NULL)
		cache->newest->newer = p;
	cache->newest = p;
	if (cache->oldest == NULL)
		cache->oldest = p;
}

/* Takes p out; the reference of the cache is given back to the caller. */
static void
take_out(struct keycache *cache, struct keystore_identity *p)
{
	struct keystore_identity **link;

	for (link = bucket(cache, p->address); *link != p;)
		link = &(*link)->chain_next;
	*link = p->chain_next;
	p->chain_next = NULL;
	use_unlink(cache, p);
	p->cached = false;
	cache->bytes -= p->cost;
	cache->count--;
}

/* With the lock held: what to free after it, linked by chain_next. */
static void
unref(struct keystore_identity *p, struct keystore_identity **dead)
{
	if (--p->references > 0)
		return;
	p->chain_next = *dead;
	*dead = p;
}

static void
bury(struct keystore_identity *dead)
{
	struct keystore_identity *next;

	for (; dead != NULL; dead = next) {
		next = dead->chain_next;
		identity_free(dead);
	}
}

struct keystore_identity *
keycache_get(struct keycache *cache, const char *address)
{
	struct keystore_identity *p;

	pthread_mutex_lock(&cache->lock);
	p = find(cache, address);
	if (p != NULL) {
		p->references++;
		use_unlink(cache, p);
		use_link(cache, p);
	}
	pthread_mutex_unlock(&cache->lock);
	return p;
}

/*
 * Two threads may have read one address at the same time: the later takes the
 * earlier's place, and only one is counted.
 */
void
keycache_put(struct keycache *cache, struct keystore_identity *identity)
{
	struct keystore_identity *dead = NULL, *p, **head;

	pthread_mutex_lock(&cache->lock);
	p = find(cache, identity->address);
	if (p != NULL) {
		take_out(cache, p);
		unref(p, &dead);
	}
	head = bucket(cache, identity->address);
	identity->chain_next = *head;
	*head = identity;
	use_link(cache, identity);
	identity->cached = true;
	identity->references++;
	cache->bytes += identity->cost;
	cache->count++;
	while (cache->bytes > cache->ceiling && (p = cache->oldest) != NULL) {
		take_out(cache, p);
		unref(p, &dead);
	}
	pthread_mutex_unlock(&cache->lock);
	bury(dead);
}

void
keycache_drop(struct keycache *cache, struct keystore_identity *identity)
{
	struct keystore_identity *dead = NULL;

	pthread_mutex_lock(&cache->lock);
	if (identity->cached) {
		take_out(cache, identity);
		unref(identity, &dead);
	}
	pthread_mutex_unlock(&cache->lock);
	bury(dead);
}

void
keycache_release(struct keycache *cache, struct keystore_identity *identity)
{
	struct keystore_identity *dead = NULL;

	pthread_mutex_lock(&cache->lock);
	unref(identity, &dead);
	pthread_mutex_unlock(&cache->lock);
	bury(dead);
}

size_t
keycache_bytes(struct keycache *cache, size_t *count)
{
	size_t bytes;

	pthread_mutex_lock(&cache->lock);
	bytes = cache->bytes;
	if (count != NULL)
		*count = cache->count;
	pthread_mutex_unlock(&cache->lock);
	return bytes;
}

/* Nobody may hold a reference any more. */
void
keycache_free(struct keycache *cache)
{
	struct keystore_identity *p;

	if (cache == NULL)
		return;
	while ((p = cache->oldest) != NULL) {
		take_out(cache, p);
		identity_free(p);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache->buckets);
	free(cache);
}
