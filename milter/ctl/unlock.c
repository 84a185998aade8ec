/*
 * unlock.c - "sampulctl unlock", "lock" and "status": keys that their owners'
 * passphrases open, in the running key process.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../keys/keyfile.h"
#include "../keys/unlock.h"
#include "ctl.h"
#include "custody.h"
#include "import.h"

static int
canonical(const char *text, char *out)
{
	if (address_canonical(text, strlen(text), out) &&
	    address_is_safe_name(out))
		return 0;
	return ctl_error(EX_USAGE, "\"%s\" is not an e-mail address that can "
	    "have a folder", text);
}

/* What was not done, for people; the status for scripts. */
static int
refused(const struct unlock_answer *answer, const char *address)
{
	switch (answer->result) {
	case UNLOCK_WRONG:
		return ctl_error(EX_NOPERM, "the passphrase is wrong; the "
		    "next try in %lu s", (unsigned long)answer->seconds);
	case UNLOCK_WAIT:
		return ctl_error(EX_TEMPFAIL, "wait %lu s after the wrong "
		    "passphrases before; this one was not tried",
		    (unsigned long)answer->seconds);
	case UNLOCK_DENIED:
		return ctl_error(EX_NOPERM, "this is for root and the groups "
		    "of custody.group and custody.agency_groups");
	case UNLOCK_NO_KEY:
		return ctl_error(EX_DATAERR, "%s: %s", address, answer->text);
	case UNLOCK_DONE:
	case UNLOCK_FAULT:
		break;
	}
	return ctl_error(EX_UNAVAILABLE, "%s", answer->text[0] != '\0' ?
	    answer->text : "the key process failed");
}

static const char *
result_word(enum unlock_result result)
{
	static const char *const words[] = {
		[UNLOCK_DONE] = "done", [UNLOCK_WRONG] = "wrong-passphrase",
		[UNLOCK_WAIT] = "wait", [UNLOCK_DENIED] = "denied",
		[UNLOCK_NO_KEY] = "no-key", [UNLOCK_FAULT] = "fault"
	};

	return words[result];
}

static void
say_json(const char *address, const struct unlock_answer *answer, bool open)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "address", address[0] != '\0' ? address : NULL);
	json_string(&json, "result", result_word(answer->result));
	json_number(&json, "keys", answer->keys);
	if (open)
		json_number(&json, "seconds", answer->seconds);
	json_end(&json);
}

/* Asks; a status after what went wrong was said. */
static int
ask(struct ctl *ctl, const struct unlock_request *request, bool open,
    struct unlock_answer *answer)
{
	struct smime_error err = { "" };

	if (ask_keys(ctl->conf, request, NULL, NULL, answer, &err) != 0)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	if (ctl->json)
		say_json(request->address, answer, open);
	return answer->result == UNLOCK_DONE ? 0 :
	    refused(answer, request->address);
}

/* ---------------------------------------------------------- unlock, lock --- */

static int
take_secret(struct passphrase *passphrase, struct unlock_request *request)
{
	struct smime_error err = { "" };

	if (passphrase_get(passphrase, request->address, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (passphrase->len == 0 ||
	    passphrase->len > KEYSTORE_PASSPHRASE_MAX ||
	    memchr(passphrase->text, '\0', passphrase->len) != NULL)
		return ctl_error(EX_DATAERR, "a passphrase has 1 to %d octets, "
		    "none of them NUL", KEYSTORE_PASSPHRASE_MAX);
	memcpy(request->secret, passphrase->text, passphrase->len);
	request->secret_len = passphrase->len;
	return 0;
}

static int
unlock(struct ctl *ctl, struct passphrase *passphrase,
    struct unlock_request *request)
{
	struct unlock_answer answer;
	char when[CTL_TIME_MAX];
	int status;

	status = take_secret(passphrase, request);
	if (status == 0)
		status = ask(ctl, request, true, &answer);
	if (status != 0)
		return status;
	if (!ctl->json)
		printf("%s is unlocked until %s (keys: %u)\n",
		    request->address, ctl_time(time(NULL) +
		    (time_t)answer.seconds, when, sizeof(when)), answer.keys);
	return ctl_finish();
}

int
cmd_unlock(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	};
	struct unlock_request request = { .verb = UNLOCK_OPEN };
	struct passphrase passphrase = { .file = NULL };
	char file[32], *end;
	long fd = -1;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'f')
			return ctl_usage(ctl);
		fd = strtol(optarg, &end, 10);
		if (*optarg == '\0' || *end != '\0' || fd < 0 || fd > 65535)
			return ctl_usage(ctl);
		snprintf(file, sizeof(file), "&%ld", fd);
		passphrase.file = file;
	}
	if (argc - optind != 1)
		return ctl_usage(ctl);
	if ((status = canonical(argv[optind], request.address)) != 0)
		return status;
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	status = unlock(ctl, &passphrase, &request);
	unlock_request_clear(&request);
	passphrase_clear(&passphrase);
	return status;
}

int
cmd_lock(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 }
	};
	struct unlock_request request = { .verb = UNLOCK_LOCK };
	struct unlock_answer answer;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'a')
			return ctl_usage(ctl);
		request.verb = UNLOCK_LOCK_ALL;
	}
	if (argc - optind != (request.verb == UNLOCK_LOCK ? 1 : 0))
		return ctl_usage(ctl);
	if (request.verb == UNLOCK_LOCK && (status = canonical(argv[optind],
	    request.address)) != 0)
		return status;
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	status = ask(ctl, &request, false, &answer);
	if (status != 0)
		return status;
	if (!ctl->json)
		printf("%s locked (keys: %u)\n", request.verb == UNLOCK_LOCK ?
		    request.address : "all", answer.keys);
	return ctl_finish();
}

/* --------------------------------------------------------------- status --- */

struct listing {
	struct ctl	*ctl;
	struct json	 json;
};

static void
list_unlocked(void *arg, const struct unlock_answer *answer)
{
	struct listing *listing = arg;
	time_t until = time(NULL) + (time_t)answer->seconds;
	char when[CTL_TIME_MAX];

	if (!listing->ctl->json) {
		printf("%-40s unlocked until %s (keys: %u)\n",
		    answer->address, ctl_time(until, when, sizeof(when)),
		    answer->keys);
		return;
	}
	json_object(&listing->json, NULL);
	json_string(&listing->json, "address", answer->address);
	json_time(&listing->json, "until", until);
	json_number(&listing->json, "keys", answer->keys);
	json_end(&listing->json);
}

int
cmd_status(struct ctl *ctl, int argc, char **argv)
{
	struct unlock_request request = { .verb = UNLOCK_STATUS };
	struct listing listing = { .ctl = ctl };
	struct unlock_answer last;
	struct smime_error err = { "" };
	int rc, status;

	if (argc > 2)
		return ctl_usage(ctl);
	if (argc == 2 && (status = canonical(argv[1], request.address)) != 0)
		return status;
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	json_begin(&listing.json, stdout);
	if (ctl->json)
		json_array(&listing.json, NULL);
	rc = ask_keys(ctl->conf, &request, list_unlocked, &listing, &last,
	    &err);
	if (ctl->json)
		json_end(&listing.json);
	if (rc != 0)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	if (last.result != UNLOCK_DONE)
		return refused(&last, request.address);
	if (last.seconds > 0)
		ctl_error(0, "%s: after wrong passphrases the next is tried "
		    "in %lu s", request.address, (unsigned long)last.seconds);
	return ctl_finish();
}
