/*
 * origin.c - what proves that a message is outgoing, and who may be its From.
 *
 * Positive evidence alone counts (SIG-01, MTA-22): a login, an address of a
 * configured network, the name of a listener. The first origin in the order of
 * the configuration that matches is the message's.
 */
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "conf.h"
#include "policy.h"

bool
string_list_has(const struct string_list *list, const char *text)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], text) == 0)
			return true;
	return false;
}

bool
string_list_matches(const struct string_list *patterns, const char *address)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (conf_pattern_matches(patterns->items[i], address))
			return true;
	return false;
}

/*
 * Octets of a client's address; an IPv4 address in IPv6's clothes (RFC 4291
 * 2.5.5.2) is taken as what it is.
 */
static int
client_octets(const struct sockaddr *client, unsigned char out[16])
{
	const unsigned char *p;
	const struct sockaddr_in *in;
	const struct sockaddr_in6 *in6;

	memset(out, 0, 16);
	if (client == NULL)
		return AF_UNSPEC;
	if (client->sa_family == AF_INET) {
		in = (const struct sockaddr_in *)(const void *)client;
		memcpy(out, &in->sin_addr, 4);
		return AF_INET;
	}
	if (client->sa_family != AF_INET6)
		return AF_UNSPEC;
	in6 = (const struct sockaddr_in6 *)(const void *)client;
	p = in6->sin6_addr.s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(out, p + 12, 4);
		return AF_INET;
	}
	memcpy(out, p, 16);
	return AF_INET6;
}

bool
origin_is_local_client(const struct sockaddr *client)
{
	static const unsigned char loopback[16] = { [15] = 1 };
	unsigned char octets[16];

	switch (client_octets(client, octets)) {
	case AF_INET:
		return octets[0] == 127;
	case AF_INET6:
		return memcmp(octets, loopback, 16) == 0;
	default:
		return true;
	}
}

static bool
network_has(const struct network *network, int family,
    const unsigned char octets[16])
{
	unsigned whole, rest, mask;

	if (network->family != family ||
	    network->prefix > (family == AF_INET ? 32U : 128U))
		return false;
	whole = network->prefix / 8;
	rest = network->prefix % 8;
	if (memcmp(network->address, octets, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	mask = (0xff00U >> rest) & 0xffU;
	return ((network->address[whole] ^ octets[whole]) & mask) == 0;
}

/*
 * Mail submitted on the host itself is shown to filters as coming from
 * 127.0.0.1, so that address says nothing about who sent it (MTA-22).
 */
static bool
origin_network(const struct origin *origin, const struct facts *facts)
{
	unsigned char octets[16];
	size_t i;
	int family;

	if (facts->local || origin_is_local_client(facts->client))
		return false;
	family = client_octets(facts->client, octets);
	for (i = 0; i < origin->network_count; i++)
		if (network_has(&origin->networks[i], family, octets))
			return true;
	return false;
}

static bool
origin_matches(const struct origin *origin, const struct facts *facts)
{
	switch (origin->kind) {
	case ORIGIN_LOGIN:
		return facts->login[0] != '\0';
	case ORIGIN_NETWORK:
		return origin_network(origin, facts);
	case ORIGIN_DAEMON:
		return facts->daemon[0] != '\0' &&
		    string_list_has(&origin->daemons, facts->daemon);
	case ORIGIN_LOCAL:
		return facts->local && facts->daemon[0] != '\0' &&
		    string_list_has(&origin->daemons, facts->daemon);
	}
	return false;
}

const struct origin *
origin_find(const struct conf *conf, const struct facts *facts)
{
	size_t i;

	for (i = 0; i < conf->origin_count; i++)
		if (origin_matches(&conf->origins[i], facts))
			return &conf->origins[i];
	return NULL;
}

bool
origin_may_send_as(const struct conf *conf, const struct origin *origin,
    const struct facts *facts, const char *from)
{
	if (origin->kind == ORIGIN_LOGIN)
		return conf_login_owns(conf, facts->login, from);
	return string_list_matches(&origin->from, from);
}
