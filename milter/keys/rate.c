/*
 * rate.c - a ceiling on the use of each key.
 *
 * A token bucket per address: it holds one minute's worth and fills steadily,
 * so that a burst of that size passes and the long run stays below the rate. A
 * stolen login then cannot sign at the speed of the machine.
 *
 * The table has a fixed size. Only addresses with a key of their own get here,
 * which nobody but the administrator can add to; where more are active than
 * fit, the one that used least is forgotten.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "keyd.h"

#define SETS		1024
#define WAYS		8
#define MARKS		4096
#define MINUTE_MS	60000

struct bucket {
	uint64_t	 key;		/* 0: free */
	int64_t		 spent;		/* thousandths of a signature above
					 * what has flowed back */
	int64_t		 when;		/* ms */
};

struct rate {
	pthread_mutex_t	 lock;
	uint64_t	 seed;
	struct bucket	 buckets[SETS][WAYS];
	struct {
		uint64_t key;
		int64_t	 day;
	} marks[MARKS];
};

struct rate *
rate_new(void)
{
	struct rate *rate;

	rate = calloc(1, sizeof(*rate));
	if (rate == NULL)
		return NULL;
	if (RAND_bytes((unsigned char *)&rate->seed,
	    sizeof(rate->seed)) != 1 ||
	    pthread_mutex_init(&rate->lock, NULL) != 0) {
		free(rate);
		return NULL;
	}
	return rate;
}

void
rate_free(struct rate *rate)
{
	if (rate == NULL)
		return;
	pthread_mutex_destroy(&rate->lock);
	free(rate);
}

/* FNV-1a from a secret start, mixed once more; never 0. */
static uint64_t
hash(const struct rate *rate, const char *text)
{
	uint64_t h = 14695981039346656037ULL ^ rate->seed;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ULL;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	return h != 0 ? h : 1;
}

/* What is left of spent after the time that has gone by. */
static int64_t
flow_back(const struct bucket *bucket, unsigned per_minute, int64_t now_ms)
{
	int64_t gone = now_ms - bucket->when;

	if (gone < 0)
		gone = 0;
	if (gone >= MINUTE_MS)
		return 0;
	gone = gone * per_minute * 1000 / MINUTE_MS;
	return bucket->spent > gone ? bucket->spent - gone : 0;
}

static struct bucket *
find(struct rate *rate, uint64_t key, unsigned per_minute, int64_t now_ms)
{
	struct bucket *set = rate->buckets[key % SETS], *least = set;
	int64_t left, least_left = INT64_MAX;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		left = set[i].key == 0 ? -1 :
		    flow_back(&set[i], per_minute, now_ms);
		if (left < least_left) {
			least = &set[i];
			least_left = left;
		}
	}
	least->key = key;
	least->spent = 0;
	least->when = now_ms;
	return least;
}

bool
rate_take(struct rate *rate, const char *address, unsigned per_minute,
    int64_t now_ms)
{
	struct bucket *bucket;
	int64_t spent;
	bool within;

	if (per_minute == 0)
		return true;
	pthread_mutex_lock(&rate->lock);
	bucket = find(rate, hash(rate, address), per_minute, now_ms);
	spent = flow_back(bucket, per_minute, now_ms);
	within = spent + 1000 <= (int64_t)per_minute * 1000;
	if (within) {
		bucket->spent = spent + 1000;
		bucket->when = now_ms;
	}
	pthread_mutex_unlock(&rate->lock);
	return within;
}

bool
rate_first_today(struct rate *rate, const char *key, time_t now)
{
	uint64_t h = hash(rate, key);
	int64_t day = (int64_t)now / 86400;
	bool first;

	pthread_mutex_lock(&rate->lock);
	first = rate->marks[h % MARKS].key != h ||
	    rate->marks[h % MARKS].day != day;
	rate->marks[h % MARKS].key = h;
	rate->marks[h % MARKS].day = day;
	pthread_mutex_unlock(&rate->lock);
	return first;
}
