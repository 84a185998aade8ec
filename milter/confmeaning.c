/*
 * confmeaning.c - what is legal in a configuration but probably not meant.
 * Looks at the configuration alone, so that it can be asked at every reload.
 */
#include <string.h>
#include <sys/socket.h>

#include "../smime/smime.h"
#include "conf.h"
#include "confread.h"

#define FOREIGN_MAX	10	/* findings about the login map */

static bool
covers_loopback(const struct network *network)
{
	static const unsigned char loopback6[16] = { [15] = 1 };
	const unsigned char loopback4[4] = { 127, 0, 0, 1 };
	const unsigned char *address = network->family == AF_INET ?
	    loopback4 : loopback6;
	unsigned i;

	/* a network inside 127/8 is as good as one around it */
	if (network->family == AF_INET && network->prefix >= 8)
		return network->address[0] == 127;
	for (i = 0; i < network->prefix; i++)
		if ((network->address[i / 8] ^ address[i / 8]) &
		    (0x80 >> i % 8))
			return false;
	return true;
}

static void
check_origin(struct checker *checker, const struct origin *origin)
{
	size_t i;

	if (origin->kind != ORIGIN_LOGIN && origin->from.count == 0)
		finding(checker, false, "origins: \"%s\" lists no \"from\"; "
		    "nothing that comes by it will be signed", origin->name);
	for (i = 0; i < origin->network_count; i++)
		if (covers_loopback(&origin->networks[i])) {
			finding(checker, false, "origins: \"%s\" covers "
			    "127.0.0.1, where every local program sends from; "
			    "take kind \"local\" or \"daemon\"", origin->name);
			return;
		}
}

static bool
matches_all(const struct rule *rule)
{
	return rule->preset == PRESET_NONE && rule->from.count == 0 &&
	    rule->to.count == 0 && rule->to_all.count == 0 &&
	    rule->agency.count == 0 && rule->login.count == 0 &&
	    rule->origin.count == 0 && rule->header_count == 0 &&
	    rule->larger_than == 0 && rule->smaller_than == 0;
}

static void
check_policy(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	size_t i;

	if (conf->origin_count == 0)
		finding(checker, false, "origins: none are given; no mail "
		    "counts as outgoing and nothing will be signed");
	for (i = 0; i < conf->origin_count; i++)
		check_origin(checker, &conf->origins[i]);
	for (i = 0; i + 1 < conf->rule_count; i++)
		if (matches_all(&conf->rules[i])) {
			finding(checker, false, "rules: \"%s\" matches every "
			    "message; the rules after it are never reached",
			    conf->rules[i].name);
			break;
		}
	if (strchr(conf->authserv_id, '.') == NULL)
		finding(checker, false, "authserv_id: \"%s\" is hardly unique; "
		    "set it to this host's full name", conf->authserv_id);
}

static bool
divides(const struct rule *rule)
{
	return rule->without_certificate != WITHOUT_REFUSE_ALL ||
	    rule->hidden_recipients != HIDDEN_REFUSE || rule->split_by_key;
}

/* Words that would do nothing, as long as nothing else is said. */
static void
check_copies(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	bool divided = divides(&conf->default_rule);
	bool encrypted = conf->default_rule.encrypt != ENCRYPT_OFF ||
	    conf->labels.count > 0 || conf->subject_tags.count > 0;
	size_t i;

	for (i = 0; i < conf->rule_count; i++) {
		divided = divided || divides(&conf->rules[i]);
		encrypted = encrypted ||
		    conf->rules[i].encrypt != ENCRYPT_OFF;
	}
	if (divided && !encrypted)
		finding(checker, false, "rules: copies are asked for, but "
		    "nothing is encrypted, by no rule and by no label");
	if (!divided && conf->submit_server[0] != '\0')
		finding(checker, false, "submit.server: no rule asks for "
		    "copies, and nothing will be sent there");
}

/* An address that is not ours is never signed: most likely mistyped. */
static void
check_login_map(struct checker *checker)
{
	const struct conf *conf = checker->conf;
	const char *address;
	char whole[ADDRESS_MAX + 8];
	size_t i, j, foreign = 0;

	for (i = 0; i < conf->login_count; i++)
		for (j = 0; j < conf->logins[i].addresses.count; j++) {
			address = conf->logins[i].addresses.items[j];
			snprintf(whole, sizeof(whole), "%s%s",
			    *address == '@' ? "x" : "", address);
			if (conf_is_ours(conf, whole) ||
			    ++foreign > FOREIGN_MAX)
				continue;
			finding(checker, false, "login_map: \"%s\" has \"%s\", "
			    "which is in none of our domains",
			    conf->logins[i].login, address);
		}
	if (foreign > FOREIGN_MAX)
		finding(checker, false, "login_map: and %zu more such "
		    "addresses", foreign - FOREIGN_MAX);
}

void
conf_check_meaning(const struct conf *conf, void (*report)(void *arg,
    bool is_error, const char *text), void *arg)
{
	struct checker checker = { .conf = conf, .report = report,
	    .arg = arg };

	check_policy(&checker);
	check_copies(&checker);
	check_login_map(&checker);
}
