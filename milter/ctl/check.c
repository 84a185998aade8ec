/*
 * check.c - "sampulctl check": configuration, users, files, every key.
 *
 * Everything is looked at, whatever was wrong before, so that one run shows all
 * there is to mend.
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keystore.h"
#include "check.h"
#include "ctl.h"
#include "token.h"

#define DAY		86400
#define PROGRESS_EVERY	50

static const char *const level_words[] = { "ok", "warning", "error" };

static void
clear_progress(struct check_report *report)
{
	if (report->shown > 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	report->shown = 0;
}

void
check_say(struct check_report *report, enum check_level level, const char *what,
    const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (level == LEVEL_WARNING)
		report->warnings++;
	if (level == LEVEL_ERROR)
		report->errors++;
	if (report->ctl->json) {
		json_object(&report->json, NULL);
		json_string(&report->json, "level", level_words[level]);
		json_string(&report->json, "what", what);
		json_string(&report->json, "text", text);
		json_end(&report->json);
		return;
	}
	clear_progress(report);
	printf("%-8s %s: %s\n", level_words[level], what, text);
}

/* --------------------------------------------------------------- keys --- */

struct key_check {
	struct check_report	*report;
	time_t		 now;
	char		 address[ADDRESS_MAX + 1];	/* of the entries now
							 * coming by */
	bool		 signs, faulty;
	struct keystore	*store;
	struct ctl_tokens tokens;	/* when a key is met that is in one */
	bool		 no_tokens;	/* they could not be opened, and that
					 * was said */
	unsigned	 tried;
	const char	*stopped;	/* why on purpose; NULL it is not */
	unsigned	 addresses, certificates;
};

/* A key's fault is told apart from the machine's by the exit status. */
static void
bad_key(struct key_check *check, const char *what, const char *text,
    const char *detail)
{
	check_say(check->report, LEVEL_ERROR, what, "%s%s%s%s", text,
	    detail[0] != '\0' ? " (" : "", detail,
	    detail[0] != '\0' ? ")" : "");
	check->report->errors--;
	check->report->bad_keys++;
	check->faulty = true;
}

/* What is legal and probably not meant: "FILE: setting: sentence". */
static void
say_meaning(void *arg, bool is_error, const char *text)
{
	struct check_report *report = arg;
	const char *file = report->ctl->conf->file;
	size_t len = strlen(file);

	if (strncmp(text, file, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	check_say(report, is_error ? LEVEL_ERROR : LEVEL_WARNING,
	    "configuration", "%s", text);
}

/* After the last entry of an address. */
static void
end_address(struct key_check *check)
{
	if (check->address[0] == '\0')
		return;
	check->addresses++;
	if (check->stopped != NULL && !check->signs)
		check_say(check->report, LEVEL_WARNING, check->address,
		    "nothing is signed: %s", check->stopped);
	else if (!check->signs && !check->faulty)
		bad_key(check, check->address, "no certificate that signs",
		    "");
	check->signs = check->faulty = false;
	check->stopped = NULL;
}

static void
progress(struct key_check *check)
{
	if (check->certificates % PROGRESS_EVERY != 0 ||
	    !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%u certificates checked", check->certificates);
	check->report->shown++;
}

static bool
has_tokens(struct key_check *check)
{
	struct smime_error err = { "" };

	if (check->tokens.client != NULL || check->no_tokens)
		return !check->no_tokens;
	if (ctl_tokens_open(check->report->ctl->conf, &check->tokens,
	    &err) == 0) {
		keystore_use_tokens(check->store, check->tokens.client);
		return true;
	}
	check->no_tokens = true;
	check_say(check->report, LEVEL_ERROR, "keystore.token_module", "%s",
	    err.text);
	return false;
}

/* Login, key and certificate: one signature shows all three. */
static void
check_token(struct key_check *check, const struct keystore_entry *entry,
    const char *what)
{
	static const unsigned char value[SMIME_DIGEST_MAX];
	const struct keystore_identity *identity;
	const struct signer *signer;
	struct smime_error err = { "" };
	unsigned char *der = NULL;
	enum keystore_lack lack;
	size_t len = 0;
	int rc = -1;

	if (!has_tokens(check))
		return;
	identity = keystore_look(check->store, entry->address, check->now,
	    &lack, &err);
	if (identity != NULL) {
		signer = keystore_identity_signer(identity);
		rc = signer_sign(signer, value, smime_digest_size(
		    signer_digest(signer)), check->now, &der, &len, &err);
	}
	keystore_release(check->store, identity);
	OPENSSL_free(der);
	if (rc != 0)
		bad_key(check, what, "the token does not sign", err.text);
	else
		check->tried++;
}

static void
check_usable(struct key_check *check, const struct keystore_entry *entry,
    const char *what)
{
	const struct conf *conf = check->report->ctl->conf;
	time_t left = cert_not_after(entry->cert) - check->now;
	char when[CTL_TIME_MAX];

	check->signs = true;
	if (entry->pinned && entry->findings.count > 0)
		check_say(check->report, LEVEL_WARNING, what, "signs by an "
		    "override file although: %s", cert_problem_text(
		    entry->findings.problem[0], check->report->ctl->id));
	if (entry->in_token && entry->chosen && !entry->owned)
		check_token(check, entry, what);
	if (!entry->encrypted)
		check_say(check->report, LEVEL_WARNING, what, "its key is not "
		    "encrypted at rest");
	if (entry->chosen && left < (time_t)conf->expiry_warning * DAY)
		check_say(check->report, LEVEL_WARNING, what, "ends on %s, in "
		    "%lld days: ask its issuer for the next one",
		    ctl_time(cert_not_after(entry->cert), when, sizeof(when)),
		    (long long)(left / DAY));
}

/*
 * What ended, or is to come, is how a rollover looks: it only matters when
 * nothing else signs, which end_address finds.
 */
static void
check_unfit(struct key_check *check, const struct keystore_entry *entry,
    const char *what)
{
	bool id = check->report->ctl->id;
	enum cert_problem problem;
	size_t i;

	if (keystore_entry_is_encryption(entry))
		return;
	for (i = 0; i < entry->findings.count; i++) {
		problem = entry->findings.problem[i];
		if (problem == CERT_EXPIRED || problem == CERT_NOT_YET_VALID)
			continue;
		if (entry->pinned && (problem == CERT_NO_ADDRESS ||
		    problem == CERT_OTHER_ADDRESS))
			continue;
		bad_key(check, what, cert_problem_text(problem, id),
		    entry->text);
	}
}

static int
check_entry(void *arg, const struct keystore_entry *entry)
{
	struct key_check *check = arg;
	char what[ADDRESS_MAX + 260];

	if (strcmp(check->address, entry->address) != 0) {
		end_address(check);
		snprintf(check->address, sizeof(check->address), "%s",
		    entry->address);
	}
	check->certificates++;
	progress(check);
	snprintf(what, sizeof(what), "%s%s%s", entry->address,
	    entry->folder[0] != '\0' ? "/" : "", entry->folder);
	switch (entry->state) {
	case ENTRY_USABLE:
	case ENTRY_LOCKED:
		check_usable(check, entry, what);
		break;
	case ENTRY_UNFIT:
		check_unfit(check, entry, what);
		break;
	case ENTRY_SUSPENDED:
		check->stopped = "its certificate is suspended";
		break;
	case ENTRY_DESTROYED:
		if (check->stopped == NULL)
			check->stopped = "its key was destroyed";
		break;
	case ENTRY_UNREADABLE:
		bad_key(check, what, entry->text, "");
		break;
	}
	return 0;
}

static void
check_keys(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct key_check check = { .report = report, .now = time(NULL) };
	struct smime_error err = { "" };
	char *passphrase = NULL;
	struct keystore *store;
	size_t len = 0;

	/* check_passphrase has said what is wrong with it. */
	if (keystore_passphrase(conf, &passphrase, &len, NULL) != 0)
		return;
	OPENSSL_clear_free(passphrase, len);
	store = keystore_open_conf(conf, &err);
	if (store == NULL) {
		check_say(report, LEVEL_ERROR, "keystore", "%s", err.text);
		return;
	}
	check.store = store;
	check.tokens.fd = check.tokens.control = -1;
	if (keystore_each(store, NULL, true, check.now, check_entry, &check,
	    &err) != 0)
		check_say(report, LEVEL_ERROR, "keystore", "%s", err.text);
	end_address(&check);
	clear_progress(report);
	keystore_close(store);
	ctl_tokens_close(&check.tokens);
	if (check.tried > 0)
		check_say(report, LEVEL_OK, "keystore.token_module",
		    "keys in tokens that sign: %u", check.tried);
	check_say(report, report->bad_keys > 0 ? LEVEL_WARNING : LEVEL_OK,
	    "keystore", "addresses: %u, certificates: %u, faults: %u",
	    check.addresses, check.certificates, report->bad_keys);
}

/* ------------------------------------------------------------ command --- */

static int
finish(struct check_report *report)
{
	unsigned errors = report->errors + report->bad_keys;
	int status;

	if (report->ctl->json) {
		json_end(&report->json);
		json_number(&report->json, "errors", errors);
		json_number(&report->json, "warnings", report->warnings);
		json_end(&report->json);
	} else {
		printf("errors: %u, warnings: %u\n", errors,
		    report->warnings);
	}
	status = ctl_finish();
	if (status != EX_OK)
		return status;
	if (report->errors > 0)
		return EX_CONFIG;
	return report->bad_keys > 0 ? EX_DATAERR : EX_OK;
}

int
cmd_check(struct ctl *ctl, int argc, char **argv)
{
	struct check_report report = { .ctl = ctl };
	const struct conf *conf;

	(void)argv;
	if (argc != 1)
		return ctl_usage(ctl);
	conf = ctl_conf(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	json_begin(&report.json, stdout);
	if (ctl->json) {
		json_object(&report.json, NULL);
		json_array(&report.json, "checks");
	}
	check_say(&report, LEVEL_OK, "configuration", "%s: %zu rules, %zu "
	    "origins, %zu logins in the map", conf->file, conf->rule_count,
	    conf->origin_count, conf->login_count);
	conf_check_meaning(conf, say_meaning, &report);
	check_users(&report);
	check_files(&report);
	check_passphrase(&report);
	check_trust(&report);
	check_submit(&report);
	check_keys(&report);
	return finish(&report);
}
