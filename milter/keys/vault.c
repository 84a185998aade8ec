/*
 * vault.c - keys that their owners' passphrases have opened, for a time, in
 * memory only.
 *
 * It belongs to the process, not to a configuration: a reload keeps what is
 * open, and the end of the process closes everything. Keys are found by their
 * certificate, never by a name that somebody could have changed on disk.
 *
 * Whoever remembers something made from a key of here compares the count of
 * changes: every key that is put in or taken out makes it another one.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "../../smime/smime.h"
#include "unlock.h"

#define BUCKETS		1024

struct opened {
	char		 address[ADDRESS_MAX + 1];
	EVP_PKEY	*key;
	int64_t		 until;		/* ms */
	struct opened	*next;
};

struct vault {
	pthread_mutex_t	 lock;
	struct opened	*buckets[BUCKETS];
	size_t		 count;
	atomic_ullong	 changes;
};

int64_t
steady_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct vault *
vault_new(void)
{
	struct vault *vault;

	vault = calloc(1, sizeof(*vault));
	if (vault != NULL && pthread_mutex_init(&vault->lock, NULL) != 0) {
		free(vault);
		return NULL;
	}
	return vault;
}

/* EVP_PKEY_free wipes what it frees. */
static void
opened_free(struct opened *list)
{
	struct opened *next;

	for (; list != NULL; list = next) {
		next = list->next;
		EVP_PKEY_free(list->key);
		free(list);
	}
}

void
vault_free(struct vault *vault)
{
	size_t i;

	if (vault == NULL)
		return;
	for (i = 0; i < BUCKETS; i++)
		opened_free(vault->buckets[i]);
	pthread_mutex_destroy(&vault->lock);
	free(vault);
}

uint64_t
vault_changes(const struct vault *vault)
{
	return vault == NULL ? 0 : atomic_load(&vault->changes);
}

static struct opened **
bucket(struct vault *vault, const char *address)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *address != '\0'; address++)
		hash = (hash ^ (unsigned char)*address) * 1099511628211ULL;
	return &vault->buckets[(hash ^ hash >> 32) % BUCKETS];
}

int
vault_put(struct vault *vault, const char *address, EVP_PKEY *key,
    int64_t until, struct smime_error *err)
{
	struct opened *p, **head;
	int rc = 0;

	pthread_mutex_lock(&vault->lock);
	head = bucket(vault, address);
	for (p = *head; p != NULL; p = p->next)
		if (strcmp(p->address, address) == 0 &&
		    EVP_PKEY_eq(p->key, key) == 1)
			break;
	ERR_clear_error();
	if (p != NULL && key_is_elsewhere(key)) {
		/* the newer one has the PIN that was right just now */
		p->until = until;
		EVP_PKEY_free(p->key);
		p->key = key;
		atomic_fetch_add(&vault->changes, 1);
	} else if (p != NULL) {
		p->until = until;
		EVP_PKEY_free(key);
	} else if (vault->count >= VAULT_KEYS_MAX ||
	    (p = calloc(1, sizeof(*p))) == NULL) {
		rc = smime_error_setx(err, "too many keys are unlocked");
	} else {
		snprintf(p->address, sizeof(p->address), "%s", address);
		p->key = key;
		p->until = until;
		p->next = *head;
		*head = p;
		vault->count++;
		atomic_fetch_add(&vault->changes, 1);
	}
	pthread_mutex_unlock(&vault->lock);
	return rc;
}

EVP_PKEY *
vault_find(struct vault *vault, const char *address, X509 *cert, int64_t now)
{
	EVP_PKEY *found = NULL, *wanted = X509_get0_pubkey(cert);
	const struct opened *p;

	if (vault == NULL || wanted == NULL)
		return NULL;
	pthread_mutex_lock(&vault->lock);
	for (p = *bucket(vault, address); p != NULL && found == NULL;
	    p = p->next)
		if (strcmp(p->address, address) == 0 && now < p->until &&
		    EVP_PKEY_eq(p->key, wanted) == 1 &&
		    EVP_PKEY_up_ref(p->key) == 1)
			found = p->key;
	ERR_clear_error();
	pthread_mutex_unlock(&vault->lock);
	return found;
}

/* With the lock held: moves the address's to *out; how many they were. */
static size_t
take_out(struct vault *vault, const char *address, struct opened **out)
{
	struct opened **link = bucket(vault, address), *p;
	size_t count = 0;

	while ((p = *link) != NULL) {
		if (strcmp(p->address, address) != 0) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		p->next = *out;
		*out = p;
		count++;
	}
	vault->count -= count;
	if (count > 0)
		atomic_fetch_add(&vault->changes, 1);
	return count;
}

size_t
vault_lock(struct vault *vault, const char *address)
{
	struct opened *out = NULL;
	size_t count;

	pthread_mutex_lock(&vault->lock);
	count = take_out(vault, address, &out);
	pthread_mutex_unlock(&vault->lock);
	opened_free(out);
	return count;
}

bool
vault_expire(struct vault *vault, int64_t now, char *address)
{
	const struct opened *p = NULL;
	size_t i;

	pthread_mutex_lock(&vault->lock);
	for (i = 0; i < BUCKETS && p == NULL; i++)
		for (p = vault->buckets[i]; p != NULL && now < p->until;)
			p = p->next;
	if (p != NULL)
		snprintf(address, ADDRESS_MAX + 1, "%s", p->address);
	pthread_mutex_unlock(&vault->lock);
	return p != NULL;
}

int64_t
vault_next(struct vault *vault)
{
	const struct opened *p;
	int64_t next = INT64_MAX;
	size_t i;

	pthread_mutex_lock(&vault->lock);
	for (i = 0; i < BUCKETS; i++)
		for (p = vault->buckets[i]; p != NULL; p = p->next)
			if (p->until < next)
				next = p->until;
	pthread_mutex_unlock(&vault->lock);
	return next;
}

static int
by_address(const void *a, const void *b)
{
	return strcmp(((const struct vault_seen *)a)->address,
	    ((const struct vault_seen *)b)->address);
}

/* Several keys of an address are one line, closed when the last is. */
static size_t
merge(struct vault_seen *seen, size_t count)
{
	size_t i, n = 0;

	qsort(seen, count, sizeof(*seen), by_address);
	for (i = 1; i < count; i++) {
		if (strcmp(seen[n].address, seen[i].address) != 0) {
			seen[++n] = seen[i];
			continue;
		}
		seen[n].keys++;
		if (seen[i].until > seen[n].until)
			seen[n].until = seen[i].until;
	}
	return count > 0 ? n + 1 : 0;
}

struct vault_seen *
vault_list(struct vault *vault, size_t *count)
{
	struct vault_seen *out;
	const struct opened *p;
	size_t i, n = 0;

	pthread_mutex_lock(&vault->lock);
	out = calloc(vault->count + 1, sizeof(*out));
	for (i = 0; out != NULL && i < BUCKETS; i++)
		for (p = vault->buckets[i]; p != NULL; p = p->next, n++) {
			snprintf(out[n].address, sizeof(out[n].address),
			    "%s", p->address);
			out[n].until = p->until;
			out[n].keys = 1;
		}
	pthread_mutex_unlock(&vault->lock);
	*count = out != NULL ? merge(out, n) : 0;
	return out;
}
