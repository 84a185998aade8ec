/*
 * checktrust.c - whether incoming mail can be judged: the authorities, their
 * revocation lists and the pins.
 *
 * A list that is missing or has ended turns every good signature under its
 * authority into "temperror" (CRT-04), which users notice before anybody else
 * does; so it is said here, and said before it happens.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../incoming.h"
#include "../keys/anchors.h"
#include "../log.h"
#include "check.h"
#include "ctl.h"
#include "trust.h"

#define DAY		86400
#define NAMES_MAX	4096

struct trust_check {
	struct check_report	*report;
	time_t			 now;
	char			**issuers;	/* of lists */
	size_t			 issuer_count;
	char			**asked;	/* names looked for already */
	size_t			 asked_count;
	size_t			 authorities, lists;
	bool			 have_folder;
};

static bool
has_name(char **names, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
add_name(char ***names, size_t *count, const char *name)
{
	char **grown;

	if (*count >= NAMES_MAX || has_name(*names, *count, name))
		return;
	grown = reallocarray(*names, *count + 1, sizeof(*grown));
	if (grown == NULL)
		return;
	*names = grown;
	if ((grown[*count] = strdup(name)) != NULL)
		(*count)++;
}

static void
free_names(char **names, size_t count)
{
	while (count > 0)
		free(names[--count]);
	free(names);
}

/* --------------------------------------------------------------- lists --- */

static void
check_list(void *arg, const struct crl_facts *said)
{
	struct trust_check *check = arg;
	struct crl_facts holds = *said, *facts = &holds;
	time_t age = (time_t)check->report->ctl->conf->crl_max_age;
	char when[CTL_TIME_MAX];
	const char *state;

	if (age > 0 && facts->this_update + age < facts->next_update)
		facts->next_update = facts->this_update + age;
	state = crl_state(facts, check->now);
	check->lists++;
	add_name(&check->issuers, &check->issuer_count, facts->issuer);
	ctl_time(facts->next_update, when, sizeof(when));
	if (strcmp(state, CRL_STATE_STALE) == 0)
		check_say(check->report, LEVEL_WARNING, "verify.crl_dir",
		    "the revocation list of %s ended on %s: fetch the next "
		    "one", facts->issuer, when);
	else if (strcmp(state, CRL_STATE_ENDING) == 0)
		check_say(check->report, LEVEL_WARNING, "verify.crl_dir",
		    "the revocation list of %s ends on %s, and no newer one "
		    "has been fetched", facts->issuer, when);
	else if (strcmp(state, CRL_STATE_FUTURE) == 0)
		check_say(check->report, LEVEL_WARNING, "verify.crl_dir",
		    "the revocation list of %s is from the future; is the "
		    "clock right?", facts->issuer);
}

/*
 * The anchor at the end of a path needs no list for itself, but as an issuer:
 * what it has issued is looked up in its list.
 */
static void
want_list(struct trust_check *check, const char *subject)
{
	bool soft = check->report->ctl->conf->crl == CRL_SOFT_FAIL;

	if (!check->report->ctl->conf->verify || !check->have_folder ||
	    has_name(check->issuers, check->issuer_count, subject) ||
	    has_name(check->asked, check->asked_count, subject))
		return;
	add_name(&check->asked, &check->asked_count, subject);
	check_say(check->report, LEVEL_WARNING, "verify.crl_dir", "there is "
	    "no revocation list of %s: mail signed under it gets %s", subject,
	    soft ? "\"revocation=unchecked\"" : "the result temperror");
}

/* --------------------------------------------------------- authorities --- */

static void
check_authority(struct trust_check *check, const struct trusted_file *file,
    X509 *cert)
{
	const struct ctl *ctl = check->report->ctl;
	const char *fault = authority_fault(cert, check->now, ctl->id);
	time_t left = cert_not_after(cert) - check->now;
	struct authority text;

	authority_describe(cert, &text);
	check->authorities++;
	if (fault != NULL) {
		check_say(check->report, LEVEL_WARNING, file->path, "%s: %s",
		    text.subject, fault);
		return;
	}
	if (left < (time_t)ctl->conf->expiry_warning * DAY)
		check_say(check->report, LEVEL_WARNING, file->path, "%s ends "
		    "on %s: bring its successor", text.subject, text.to);
	want_list(check, text.subject);
}

static int
check_file(void *arg, const struct trusted_file *file)
{
	struct trust_check *check = arg;
	int i;

	if (file->why != NULL)
		check_say(check->report, LEVEL_WARNING, file->path,
		    "left out: %s", file->why);
	for (i = 0; file->certs != NULL && i < sk_X509_num(file->certs); i++)
		check_authority(check, file, sk_X509_value(file->certs, i));
	return 0;
}

/* ---------------------------------------------------------------- pins --- */

static void
check_pins(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct smime_error err = { "" };
	struct pin *pins;
	size_t count;

	if (conf->pins_file == NULL || conf->pins_file[0] == '\0')
		return;
	if (!check_access(report, "verify.pins", conf->user, conf->pins_file,
	    R_OK))
		return;
	if (pins_read(conf, &pins, &count, &err) != 0) {
		check_say(report, LEVEL_ERROR, "verify.pins", "%s", err.text);
		return;
	}
	check_say(report, LEVEL_OK, "verify.pins", "%s: %zu certificates",
	    conf->pins_file, count);
	free(pins);
}

/* Whether there is a folder with lists. */
static bool
check_folders(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	const char *dir;

	dir = trusted_directory(conf, TRUSTED_INCOMING);
	if (dir != NULL)
		(void)check_access(report, "verify.anchors_dir", conf->user,
		    dir, R_OK | X_OK);
	dir = trusted_directory(conf, TRUSTED_CRL);
	if (dir == NULL || access(dir, F_OK) == -1) {
		if (conf->verify)
			check_say(report, LEVEL_WARNING, "verify.crl_dir",
			    "%s: no signature of incoming mail can pass; "
			    "contrib/crl makes and fills it", dir == NULL ?
			    "is not set" : "is not there");
		return false;
	}
	(void)check_access(report, "verify.crl_dir", conf->user, dir,
	    R_OK | X_OK);
	(void)check_access(report, "verify.crl_dir", conf->key_user, dir,
	    R_OK | X_OK);
	return true;
}

/* A state of trust without an anchor is check_keys' error to tell. */
void
check_trust(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct trust_check check = { .report = report, .now = time(NULL) };
	struct smime_error err = { "" };
	struct trust *trust;

	check.have_folder = check_folders(report);
	/* What is left out is told by check_file, with its reason. */
	log_set_level(LOG_LEVEL_ERROR);
	trust = anchors_load(conf, &err);
	log_set_level(LOG_LEVEL_WARNING);
	if (trust != NULL)
		trust_each_crl(trust, check_list, &check);
	trust_free(trust);
	if (anchors_each(conf, check_file, &check, &err) == 0)
		check_say(report, LEVEL_OK, "trust", "authorities: %zu, "
		    "revocation lists: %zu", check.authorities, check.lists);
	else
		check_say(report, LEVEL_ERROR, "trust", "%s", err.text);
	free_names(check.issuers, check.issuer_count);
	free_names(check.asked, check.asked_count);
	check_pins(report);
}
