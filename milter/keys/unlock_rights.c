/*
 * unlock_rights.c - who may ask the key process for what.
 *
 * The kernel tells (SO_PEERCRED, SO_PEERGROUPS): root and one group may do
 * everything, a group of an agency its agency's addresses; the keystore's
 * passphrase is changed by root alone.
 */
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../sandbox.h"
#include "unlock.h"
#include "unlockd.h"

#define AGENCIES_MAX	1024

struct agency_group {
	char	agency[256];
	gid_t	gid;
};

static struct {
	gid_t		 gid;		/* (gid_t)-1: root alone */
	struct agency_group *agencies;
	size_t		 agency_count;
} here = { .gid = (gid_t)-1 };

static int
find_gid(const char *name, const char *setting, gid_t *out,
    struct smime_error *err)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return smime_error_setx(err, "%s: there is no group \"%s\"",
		    setting, name);
	*out = group->gr_gid;
	return 0;
}

static int
find_agencies(const struct conf *conf, struct smime_error *err)
{
	struct agency_group *out;
	const char *text, *colon;
	size_t i;

	if (conf->agency_groups.count > AGENCIES_MAX)
		return smime_error_setx(err, "custody.agency_groups: more "
		    "than %d", AGENCIES_MAX);
	here.agencies = calloc(conf->agency_groups.count + 1, sizeof(*out));
	if (here.agencies == NULL)
		return smime_error_setx(err, "out of memory");
	for (i = 0; i < conf->agency_groups.count; i++) {
		text = conf->agency_groups.items[i];
		out = &here.agencies[here.agency_count++];
		if ((colon = strchr(text, ':')) == NULL)
			colon = text;
		snprintf(out->agency, sizeof(out->agency), "%.*s",
		    (int)(colon - text), text);
		if (find_gid(colon + 1, "custody.agency_groups", &out->gid,
		    err) != 0)
			return -1;
	}
	return 0;
}

int
rights_open(const struct conf *conf, struct smime_error *err)
{
	if (conf->unlock_group[0] != '\0' && find_gid(conf->unlock_group,
	    "custody.group", &here.gid, err) != 0)
		return -1;
	return find_agencies(conf, err);
}

/*
 * The mode lets in whom the credentials can let in: with groups of agencies,
 * which are several, everybody may connect and is judged then.
 */
mode_t
rights_mode(gid_t *group)
{
	*group = (gid_t)-1;
	if (here.agency_count > 0)
		return 0666;
	*group = here.gid;
	return here.gid != (gid_t)-1 ? 0660 : 0600;
}

static bool
is_member(const struct client *client, gid_t gid)
{
	size_t i;

	if (gid == (gid_t)-1)
		return false;
	if (client->cred.gid == gid)
		return true;
	for (i = 0; i < client->group_count; i++)
		if (client->groups[i] == gid)
			return true;
	return false;
}

/* The process's own user could read its memory anyway; a trial has no other. */
static bool
is_root(const struct client *client)
{
	return client->cred.uid == 0 || client->cred.uid == sandbox_uid();
}

static bool
may_all(const struct client *client)
{
	return is_root(client) || is_member(client, here.gid);
}

bool
client_may(const struct client *client, const char *address)
{
	char agency[256];
	size_t i;

	if (may_all(client))
		return true;
	if (!conf_agency(client->served->conf, address, agency,
	    sizeof(agency)))
		return false;
	for (i = 0; i < here.agency_count; i++)
		if (strcmp(here.agencies[i].agency, agency) == 0 &&
		    is_member(client, here.agencies[i].gid))
			return true;
	return false;
}

bool
client_may_anything(const struct client *client)
{
	size_t i;

	for (i = 0; i < here.agency_count; i++)
		if (is_member(client, here.agencies[i].gid))
			return true;
	return may_all(client);
}

bool
client_may_ask(const struct client *client,
    const struct unlock_request *request)
{
	switch (request->verb) {
	case UNLOCK_OPEN:
	case UNLOCK_LOCK:
		return client_may(client, request->address);
	case UNLOCK_STATUS:
		return request->address[0] == '\0' ||
		    client_may(client, request->address);
	case UNLOCK_LOCK_ALL:
		return true;		/* of what it may */
	case UNLOCK_PASSPHRASE:
	case UNLOCK_PASSPHRASE_DONE:
		break;
	}
	return is_root(client);
}

/* Groups over the ceiling are as good as none. */
int
client_identify(struct client *client)
{
	socklen_t len = sizeof(client->cred);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &client->cred,
	    &len) == -1 || len != sizeof(client->cred))
		return -1;
	len = sizeof(client->groups);
	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, client->groups,
	    &len) == 0)
		client->group_count = len / sizeof(client->groups[0]);
	snprintf(client->by, sizeof(client->by), "uid:%lu",
	    (unsigned long)client->cred.uid);
	return 0;
}
