/*
 * brake.c - makes guessing passphrases slow.
 *
 * Each wrong passphrase for an address doubles the time until the next one is
 * tried at all, from a second to five minutes. The right one, or an hour
 * without another try, forgets. The table has a ceiling; over it, an address
 * that is not in it has to wait, too: room is made by time alone, never by
 * trying others.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "unlock.h"

#define ADDRESSES_MAX	4096
#define FIRST_MS	1000
#define LONGEST_MS	300000
#define FORGOTTEN_MS	3600000

struct failure {
	char		 address[ADDRESS_MAX + 1];
	unsigned	 count;
	int64_t		 last;		/* ms */
	struct failure	*next;
};

struct brake {
	struct failure	*first;
	size_t		 count;
};

struct brake *
brake_new(void)
{
	return calloc(1, sizeof(struct brake));
}

void
brake_free(struct brake *brake)
{
	struct failure *next;

	if (brake == NULL)
		return;
	for (; brake->first != NULL; brake->first = next) {
		next = brake->first->next;
		free(brake->first);
	}
	free(brake);
}

static int64_t
delay(unsigned failures)
{
	int64_t ms = FIRST_MS;

	for (; failures > 1 && ms < LONGEST_MS; failures--)
		ms *= 2;
	return ms < LONGEST_MS ? ms : LONGEST_MS;
}

/* Drops what is old, or this address; returns the failure of address. */
static struct failure *
sweep(struct brake *brake, const char *address, bool forget, int64_t now)
{
	struct failure **link = &brake->first, *p, *found = NULL;

	while ((p = *link) != NULL) {
		bool same = strcmp(p->address, address) == 0;

		if (now - p->last >= FORGOTTEN_MS || (same && forget)) {
			*link = p->next;
			free(p);
			brake->count--;
			continue;
		}
		if (same)
			found = p;
		link = &p->next;
	}
	return found;
}

int64_t
brake_wait(struct brake *brake, const char *address, int64_t now)
{
	const struct failure *p = sweep(brake, address, false, now);
	int64_t left;

	if (p == NULL)
		return brake->count < ADDRESSES_MAX ? 0 : LONGEST_MS;
	left = p->last + delay(p->count) - now;
	return left > 0 ? left : 0;
}

unsigned
brake_failed(struct brake *brake, const char *address, int64_t now)
{
	struct failure *p = sweep(brake, address, false, now);

	if (p == NULL) {
		p = calloc(1, sizeof(*p));
		if (p == NULL)
			return 1;
		snprintf(p->address, sizeof(p->address), "%s", address);
		p->next = brake->first;
		brake->first = p;
		brake->count++;
	}
	p->last = now;
	return ++p->count;
}

void
brake_forget(struct brake *brake, const char *address)
{
	sweep(brake, address, true, 0);
}
