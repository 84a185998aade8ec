/*
 * confmatch.c - questions that the configuration answers about an address.
 * Addresses are canonical; comparisons are without regard to ASCII case all
 * the same, because recipients may come as the peer wrote them.
 */
#include <string.h>
#include <strings.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

/* Whether domain lies below the one that suffix, ".x", names. */
static bool
is_below(const char *domain, const char *suffix)
{
	size_t len = strlen(domain), tail = strlen(suffix);

	return len > tail && strcasecmp(domain + len - tail, suffix) == 0;
}

bool
conf_is_ours(const struct conf *conf, const char *address)
{
	const char *ours, *domain = address_domain(address);
	size_t i;

	if (domain == NULL || *domain == '\0' || *domain == '.')
		return false;
	for (i = 0; i < conf->domains.count; i++) {
		ours = conf->domains.items[i];
		if (*ours == '.' ? is_below(domain, ours) :
		    strcasecmp(domain, ours) == 0)
			return true;
	}
	return false;
}

/*
 * With ".x.go.id" and ".y.x.go.id" both ours, the longer one names the agency;
 * "x.go.id" alone gives "".
 */
bool
conf_agency(const struct conf *conf, const char *address, char *out,
    size_t size)
{
	const char *domain = address_domain(address), *ours, *best = NULL;
	const char *start, *end;
	size_t i;

	if (size == 0 || !conf_is_ours(conf, address))
		return false;
	for (i = 0; i < conf->domains.count; i++) {
		ours = conf->domains.items[i];
		if (*ours == '.' && is_below(domain, ours) &&
		    (best == NULL || strlen(ours) > strlen(best)))
			best = ours;
	}
	out[0] = '\0';
	if (best == NULL)
		return true;
	end = domain + strlen(domain) - strlen(best);
	for (start = end; start > domain && start[-1] != '.'; start--)
		continue;
	if ((size_t)(end - start) >= size)
		return false;
	for (i = 0; start < end; i++, start++)
		out[i] = *start >= 'A' && *start <= 'Z' ?
		    (char)(*start - 'A' + 'a') : *start;
	out[i] = '\0';
	return true;
}

bool
conf_pattern_matches(const char *pattern, const char *address)
{
	const char *domain = address_domain(address);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern == '@')
		return domain != NULL && strcasecmp(domain, pattern + 1) == 0;
	if (*pattern == '.')
		return domain != NULL &&
		    (strcasecmp(domain, pattern + 1) == 0 ||
		    is_below(domain, pattern));
	return strcasecmp(pattern, address) == 0;
}

bool
conf_login_owns(const struct conf *conf, const char *login,
    const char *address)
{
	const struct login_entry *entry;
	size_t i;

	if (*login == '\0' || *address == '\0')
		return false;
	if (strcasecmp(login, address) == 0)
		return true;
	if ((entry = conf_map_find(conf, login)) == NULL)
		return false;
	for (i = 0; i < entry->addresses.count; i++)
		if (conf_pattern_matches(entry->addresses.items[i], address))
			return true;
	return false;
}
