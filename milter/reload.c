/*
 * reload.c - a new configuration for the supervisor and its children.
 *
 * Read and checked as for a start; then handed to the children, each of which
 * may refuse. Nothing changes unless all agree. Where the new configuration
 * wants another set of children, they are replaced instead.
 */
#include <signal.h>
#include <stdlib.h>

#include "../smime/smime.h"
#include "conf.h"
#include "log.h"
#include "supervise.h"

#define LIMIT	60	/* seconds for a child to take a text */

/* While a child is talked to, signals wait; does one of them mean "stop"? */
static bool
stop_is_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) ||
	    sigismember(&pending, SIGINT));
}

static void
log_restart_setting(void *arg, const char *name)
{
	(void)arg;
	log_warning("reload: %s has changed; this takes a restart", name);
}

/* The new configuration, when it is whole and a start with it would work. */
static struct conf *
read_new(struct supervisor *s, struct smime_error *err)
{
	struct conf *fresh;
	size_t errors;

	if ((fresh = conf_read(s->file, err)) == NULL)
		return NULL;
	if ((errors = conf_check(fresh, log_finding, NULL)) > 0) {
		smime_error_setx(err, "%s: %zu error(s), logged above",
		    s->file, errors);
		conf_unref(fresh);
		return NULL;
	}
	fresh->generation = s->conf->generation + 1;
	return fresh;
}

static enum control_result
hand_over(struct supervisor *s, unsigned which, const struct conf *conf,
    struct smime_error *err)
{
	struct smime_error reason = { "" };
	enum control_result result;
	char *text;
	size_t len;

	if (conf_text(conf, &text, &len, err) == -1)
		return CONTROL_NO;
	result = control_send(s->set.children[which].control, text, len,
	    LIMIT, stop_is_pending, &reason);
	free(text);
	if (result != CONTROL_DONE)
		smime_error_setx(err, "the %s: %s", kinds[which].name,
		    reason.text);
	return result;
}

/* Who has taken the new one gets the old one back, in the opposite order. */
static enum control_result
take_back(struct supervisor *s, unsigned which)
{
	struct smime_error ignored = { "" };
	enum control_result result = CONTROL_NO;

	while (which-- > 0)
		if (s->set.children[which].wanted &&
		    hand_over(s, which, s->conf, &ignored) != CONTROL_DONE)
			result = CONTROL_BROKEN;
	return result;
}

/*
 * In the order of their start: who is asked before who asks. All work by the
 * same configuration, whoever refuses a new one. When a child does not answer
 * at all, the set is replaced.
 */
static int
hand_to_all(struct supervisor *s, struct conf *fresh, struct smime_error *err)
{
	enum control_result result = CONTROL_DONE;
	unsigned which;

	for (which = 0; which < kind_count; which++) {
		if (!s->set.children[which].wanted)
			continue;
		result = hand_over(s, which, fresh, err);
		if (result != CONTROL_DONE)
			break;
	}
	if (result == CONTROL_NO)
		result = take_back(s, which);
	if (result == CONTROL_BROKEN)
		supervise_await_death(s);
	return result == CONTROL_DONE ? 0 : -1;
}

static void
take(struct supervisor *s, struct conf *fresh)
{
	struct conf *former = s->conf;

	conf_each_restart(former, fresh, log_restart_setting, NULL);
	s->conf = fresh;
	if (s->state == RUNNING && !set_fits(&s->set, former, fresh))
		supervise_renew(s, former);
	else
		conf_unref(former);
	log_set_level(fresh->log_level);
	log_info("reload ok generation=%u", fresh->generation);
}

void
supervise_reload(struct supervisor *s)
{
	struct smime_error err = { "" };
	struct conf *fresh;

	s->reload = false;
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)monotonic_ms() * 1000);
	fresh = read_new(s, &err);
	if (fresh != NULL && s->state == RUNNING &&
	    set_fits(&s->set, s->conf, fresh) &&
	    hand_to_all(s, fresh, &err) == -1) {
		conf_unref(fresh);
		fresh = NULL;
	}
	if (fresh != NULL)
		take(s, fresh);
	else
		log_error("reload failed, generation %u stays: %s",
		    s->conf->generation, err.text);
	notify("READY=1\nSTATUS=%s, configuration generation %u%s",
	    s->state == RUNNING ? "Serving" : "Restarting",
	    s->conf->generation, fresh != NULL ? "" : "; last reload failed");
}
