/*
 * reload.c - a new configuration for the supervisor and its children.
 *
 * Read and checked as for a start; then handed to the key process, which may
 * refuse, and to the mail process. Nothing changes unless all agree.
 */
#include <signal.h>
#include <stdlib.h>

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

static void
log_finding(void *arg, bool is_error, const char *text)
{
	(void)arg;
	if (is_error)
		log_error("%s", text);
	else
		log_warning("%s", text);
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
		smime_error_setx(err, "the %s: %s",
		    s->set.children[which].name, reason.text);
	return result;
}

/*
 * First the key process, which is the one that may refuse; then the mail
 * process. Should that one refuse, the key process gets the old one back, so
 * that both always work by the same configuration. When a child does not
 * answer at all, the set is replaced.
 */
static int
hand_to_both(struct supervisor *s, struct conf *fresh, struct smime_error *err)
{
	struct smime_error ignored = { "" };
	enum control_result result;

	result = hand_over(s, CHILD_KEYS, fresh, err);
	if (result == CONTROL_DONE) {
		result = hand_over(s, CHILD_MAIL, fresh, err);
		if (result == CONTROL_NO && hand_over(s, CHILD_KEYS, s->conf,
		    &ignored) != CONTROL_DONE)
			result = CONTROL_BROKEN;
	}
	if (result == CONTROL_BROKEN)
		supervise_await_death(s);
	return result == CONTROL_DONE ? 0 : -1;
}

static void
take(struct supervisor *s, struct conf *fresh)
{
	conf_each_restart(s->conf, fresh, log_restart_setting, NULL);
	conf_unref(s->conf);
	s->conf = fresh;
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
	    (long long)supervise_now() * 1000);
	fresh = read_new(s, &err);
	if (fresh != NULL && s->state == RUNNING &&
	    hand_to_both(s, fresh, &err) == -1) {
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
