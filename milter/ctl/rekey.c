/*
 * rekey.c - "sampulctl rekey": another passphrase for the whole keystore.
 *
 *	1. the new passphrase is on disk, beside the old one, with ".new"
 *	2. the running key process is told of it, and tries both from then on;
 *	   one that is started meanwhile reads both
 *	3. one key after the other is encrypted with the new one: tried, then
 *	   renamed over the old file
 *	4. when every key opens with the new one, and not before, it takes the
 *	   old one's name
 *	5. the key process is told to forget the old one
 *
 * So every key opens with one of two passphrases that are both on disk, at
 * every moment. Broken off, the command goes on where it was: a key that opens
 * with the new passphrase is done. Imports are kept out meanwhile, for they
 * would use the old one behind our back.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keyfile.h"
#include "../keys/unlock.h"
#include "ctl.h"
#include "custody.h"
#include "import.h"

#define PROGRESS_EVERY	5	/* seconds, where there is no terminal */

struct rekey {
	struct ctl	*ctl;
	const char	*file;		/* --new-passphrase-file */
	bool		 offline;
	bool		 told;		/* the key process knows both */
	struct folder	 top;
	struct phrases	 phrases;
	size_t		 changed, already, owned, plain, failed;
	int64_t		 shown;		/* ms */
};

/* ------------------------------------------------------ the key process --- */

static int
tell(struct rekey *rekey, enum unlock_verb verb, bool *served,
    struct smime_error *err)
{
	struct unlock_request request = { .verb = verb };
	struct unlock_answer answer;
	int rc;

	memcpy(request.secret, rekey->phrases.new, rekey->phrases.new_len);
	request.secret_len = rekey->phrases.new_len;
	rc = ask_keys(rekey->ctl->conf, &request, NULL, NULL, &answer, err);
	*served = rc == 0 || (errno != ENOENT && errno != ECONNREFUSED);
	unlock_request_clear(&request);
	if (rc == 0 && answer.result != UNLOCK_DONE)
		rc = smime_error_setx(err, "the key process refused: %s",
		    answer.text[0] != '\0' ? answer.text : "not permitted");
	return rc;
}

static int
tell_first(struct rekey *rekey)
{
	struct smime_error err = { "" };
	bool served;

	if (rekey->ctl->conf->unlock_socket[0] == '\0' && !rekey->offline)
		return ctl_error(EX_CONFIG, "custody.socket is not set, so a "
		    "running daemon cannot be told of the new passphrase; set "
		    "it, or stop the daemon, or be ready to restart it, and "
		    "give --offline");
	if (rekey->offline)
		return 0;
	if (tell(rekey, UNLOCK_PASSPHRASE, &served, &err) == 0) {
		rekey->told = true;
		return 0;
	}
	if (served)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	ctl_error(0, "no daemon runs: nobody was told of the new passphrase");
	return 0;
}

/* ------------------------------------------------------------- one key --- */

static void
progress(struct rekey *rekey, size_t done, size_t total)
{
	int64_t now = steady_ms();

	if (now - rekey->shown < 1000 * (isatty(STDERR_FILENO) ? 1 :
	    PROGRESS_EVERY))
		return;
	rekey->shown = now;
	fprintf(stderr, isatty(STDERR_FILENO) ? "\r%zu of %zu mailboxes" :
	    "%zu of %zu mailboxes\n", done, total);
}

static int
bad(struct rekey *rekey, const struct smime_error *err)
{
	rekey->failed++;
	return ctl_error(0, "%s", err->text);
}

/* What will be put in place opens, and is the same key. */
static int
encrypt(const struct phrases *phrases, EVP_PKEY *key, const char *what,
    char **text, size_t *len, struct smime_error *err)
{
	EVP_PKEY *again;
	int same;

	if (key_write(key, phrases->new, phrases->new_len,
	    passphrase_iterations(phrases->new_len), text, len, err) != 0)
		return -1;
	again = key_read(*text, *len, phrases->new, phrases->new_len, what,
	    NULL, err);
	same = again != NULL && EVP_PKEY_eq(again, key) == 1;
	EVP_PKEY_free(again);
	return same ? 0 : smime_error_setx(err, "%s: the key as encrypted "
	    "anew is not the same", what);
}

static int
change(struct rekey *rekey, const struct folder *entry, const char *buf,
    size_t len, const char *what, struct smime_error *err)
{
	const struct phrases *phrases = &rekey->phrases;
	char *text = NULL;
	size_t text_len = 0;
	EVP_PKEY *key;
	int rc;

	key = key_read(buf, len, phrases->old, phrases->old_len, what, NULL,
	    err);
	if (key == NULL)
		return -1;
	rc = encrypt(phrases, key, what, &text, &text_len, err);
	EVP_PKEY_free(key);
	if (rc == 0)
		rc = folder_put(entry, "key.pem", text, text_len, 0600, err);
	OPENSSL_clear_free(text, text_len);
	if (rc == 0)
		rekey->changed++;
	return rc;
}

static int
change_key(struct rekey *rekey, const struct folder *entry,
    struct smime_error *err)
{
	struct smime_error ignored = { "" };
	char what[sizeof(entry->shown) + 16], *buf;
	bool encrypted = false;
	struct owners owners;
	struct stat st;
	size_t len = 0;
	EVP_PKEY *key;
	int rc = 0;

	snprintf(what, sizeof(what), "%s/key.pem", entry->shown);
	owners_init(&owners, rekey->ctl->conf->key_user);
	buf = keyfile_read(entry->fd, "key.pem", what, &owners,
	    KEYFILE_SECRET, KEYSTORE_KEY_MAX, &len, &st, err);
	if (buf == NULL)
		return -1;
	key = key_read(buf, len, rekey->phrases.new, rekey->phrases.new_len,
	    what, &encrypted, &ignored);
	if (key != NULL && encrypted)
		rekey->already++;
	else if (key != NULL)
		rekey->plain++;
	else
		rc = change(rekey, entry, buf, len, what, err);
	EVP_PKEY_free(key);
	OPENSSL_clear_free(buf, len + 1);
	return rc;
}

static void
change_entry(struct rekey *rekey, const struct folder *mailbox,
    const char *name)
{
	struct smime_error err = { "" };
	struct folder entry;

	if (folder_open(rekey->ctl->conf, mailbox, name, &entry, &err) != 0) {
		bad(rekey, &err);
		return;
	}
	if (folder_has(&entry, "owner"))
		rekey->owned++;
	else if (folder_has(&entry, "key.pem") &&
	    !folder_has(&entry, "destroyed") &&
	    change_key(rekey, &entry, &err) != 0)
		bad(rekey, &err);
	folder_close(&entry);
}

static void
change_mailbox(struct rekey *rekey, const char *name)
{
	struct smime_error err = { "" };
	struct folder mailbox;
	char **names = NULL;
	size_t i;

	if (folder_open(rekey->ctl->conf, &rekey->top, name, &mailbox,
	    &err) != 0 || (names = folder_names(&mailbox, &err)) == NULL)
		bad(rekey, &err);
	for (i = 0; names != NULL && names[i] != NULL; i++)
		change_entry(rekey, &mailbox, names[i]);
	folder_free_names(names);
	folder_close(&mailbox);
}

static int
change_all(struct rekey *rekey)
{
	struct smime_error err = { "" };
	size_t i, total = 0;
	char **names;

	if ((names = folder_names(&rekey->top, &err)) == NULL)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	while (names[total] != NULL)
		total++;
	rekey->shown = steady_ms();
	for (i = 0; i < total; i++) {
		change_mailbox(rekey, names[i]);
		progress(rekey, i + 1, total);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	folder_free_names(names);
	return 0;
}

/* ---------------------------------------------------------------- whole --- */

static int
put_on_record(struct rekey *rekey, const char *result,
    struct smime_error *err)
{
	char counts[128];

	snprintf(counts, sizeof(counts), "changed %zu, had it %zu, owners' "
	    "%zu, failed %zu", rekey->changed, rekey->already, rekey->owned,
	    rekey->failed);
	return record(rekey->ctl, "rekey", NULL, NULL, result, counts, err);
}

static int
finish(struct rekey *rekey)
{
	const struct conf *conf = rekey->ctl->conf;
	const bool credential = phrases_are_credentials(conf);
	struct smime_error err = { "" };
	bool served;

	if (rekey->failed > 0) {
		put_on_record(rekey, "unfinished", &err);
		return ctl_error(EX_DATAERR, "%zu keys could not be changed: "
		    "both passphrases stay in use; mend or remove these, and "
		    "run it again", rekey->failed);
	}
	if (!credential && phrases_put_in_place(conf, &err) != 0)
		return ctl_error(EX_CANTCREAT, "%s", err.text);
	if (put_on_record(rekey, "done", &err) != 0)
		ctl_error(0, "the change is done, but the record lacks its "
		    "end: %s", err.text);
	if (credential)
		ctl_error(0, "now make the credential anew with the new "
		    "passphrase, and restart the daemon");
	else if (rekey->told && tell(rekey, UNLOCK_PASSPHRASE_DONE, &served,
	    &err) != 0)
		ctl_error(0, "the daemon still knows the old passphrase, too; "
		    "restart it: %s", err.text);
	else if (rekey->offline)
		ctl_error(0, "a daemon that runs has to be restarted now");
	return 0;
}

static int
say(const struct rekey *rekey, int status)
{
	struct json json;

	if (rekey->ctl->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_bool(&json, "done", status == 0);
		json_bool(&json, "resumed", rekey->phrases.resumed);
		json_number(&json, "changed", (int64_t)rekey->changed);
		json_number(&json, "already", (int64_t)rekey->already);
		json_number(&json, "owners", (int64_t)rekey->owned);
		json_number(&json, "unencrypted", (int64_t)rekey->plain);
		json_number(&json, "failed", (int64_t)rekey->failed);
		json_end(&json);
	} else {
		printf("%zu keys changed, %zu had the new passphrase already, "
		    "%zu have their owners'\n", rekey->changed,
		    rekey->already, rekey->owned);
		if (rekey->plain > 0)
			printf("%zu are not encrypted and were left so\n",
			    rekey->plain);
	}
	return status != 0 ? status : ctl_finish();
}

static int
run(struct rekey *rekey)
{
	struct smime_error err = { "" };
	int status;

	if (folder_top(rekey->ctl->conf, &rekey->top, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (flock(rekey->top.fd, LOCK_EX | LOCK_NB) == -1)
		return ctl_error(EX_TEMPFAIL, "an import or another change is "
		    "going on; try again when it is done");
	if (phrases_get(rekey->ctl->conf, rekey->file, &rekey->phrases,
	    &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if ((status = tell_first(rekey)) != 0)
		return status;
	if (put_on_record(rekey, rekey->phrases.resumed ? "resumed" : "begun",
	    &err) != 0)
		return ctl_error(EX_IOERR, "nothing is changed, for this "
		    "cannot be recorded: %s", err.text);
	if ((status = change_all(rekey)) != 0)
		return status;
	return say(rekey, finish(rekey));
}

int
cmd_rekey(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "new-passphrase-file", required_argument, NULL, 'f' },
		{ "offline", no_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	struct rekey rekey = { .ctl = ctl, .top = { .fd = -1 } };
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			rekey.file = optarg;
		else if (c == 'o')
			rekey.offline = true;
		else
			return ctl_usage(ctl);
	}
	if (argc != optind)
		return ctl_usage(ctl);
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	status = run(&rekey);
	phrases_clear(&rekey.phrases);
	folder_close(&rekey.top);
	return status;
}
