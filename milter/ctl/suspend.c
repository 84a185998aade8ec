/*
 * suspend.c - "sampulctl suspend" and "resume": a mailbox signs nothing, from
 * the next message on.
 *
 * One file beside the certificates' folders says so, so that it holds for all
 * of them at one stroke, and for what is imported while it is there. What
 * stops signing is done first and recorded second; what allows it, the other
 * way round.
 */
#include <getopt.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "ctl.h"
#include "custody.h"

#define NOTE	"suspended"

struct request {
	char		 address[ADDRESS_MAX + 1];
	const char	*reason;
	bool		 suspend;
};

static int
parse(struct ctl *ctl, int argc, char **argv, struct request *out)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r')
			return ctl_usage(ctl);
		out->reason = optarg;
	}
	if (argc - optind != 1)
		return ctl_usage(ctl);
	if (!address_canonical(argv[optind], strlen(argv[optind]),
	    out->address) || !address_is_safe_name(out->address))
		return ctl_error(EX_USAGE, "\"%s\" is not an e-mail address "
		    "that can have a folder", argv[optind]);
	return ctl_conf(ctl) == NULL ? EX_CONFIG : 0;
}

/* Certificates that were suspended one by one stay so. */
static size_t
count_suspended(const struct conf *conf, const struct folder *mailbox)
{
	struct smime_error err = { "" };
	struct folder entry;
	char **names;
	size_t i, count = 0;

	if ((names = folder_names(mailbox, &err)) == NULL)
		return 0;
	for (i = 0; names[i] != NULL; i++)
		if (folder_open(conf, mailbox, names[i], &entry, &err) == 0) {
			count += folder_has(&entry, NOTE);
			folder_close(&entry);
		}
	folder_free_names(names);
	return count;
}

static int
say(struct ctl *ctl, const struct request *request, bool changed, size_t left)
{
	struct json json;

	if (ctl->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_string(&json, "address", request->address);
		json_bool(&json, "suspended", request->suspend);
		json_bool(&json, "changed", changed);
		json_number(&json, "certificates_suspended", (int64_t)left);
		json_end(&json);
		return ctl_finish();
	}
	if (request->suspend)
		printf("%s %s: nothing is signed for it\n", request->address,
		    changed ? "is suspended" : "was suspended already");
	else
		printf("%s %s\n", request->address,
		    changed ? "is resumed" : "was not suspended");
	if (!request->suspend && left > 0)
		printf("%zu of its certificates stay suspended, each by a "
		    "file of its own\n", left);
	return ctl_finish();
}

static int
suspend(struct ctl *ctl, const struct request *request,
    const struct folder *mailbox)
{
	struct smime_error err = { "" };
	char note[1024];

	record_note(request->reason, note, sizeof(note));
	if (folder_put(mailbox, NOTE, note, strlen(note), 0644, &err) != 0)
		return ctl_error(EX_IOERR, "%s", err.text);
	/* it would notice with the next message; the key need not wait */
	(void)ask_to_forget(ctl->conf, request->address);
	if (record(ctl, "suspend", request->address, NULL, "done",
	    request->reason, &err) != 0)
		return ctl_error(EX_IOERR, "%s is suspended, but this is not "
		    "on record: %s", request->address, err.text);
	return 0;
}

static int
resume(struct ctl *ctl, const struct request *request,
    const struct folder *mailbox)
{
	struct smime_error err = { "" }, ignored = { "" };

	if (record(ctl, "resume", request->address, NULL, NULL,
	    request->reason, &err) != 0)
		return ctl_error(EX_IOERR, "%s stays suspended, for this "
		    "cannot be recorded: %s", request->address, err.text);
	if (folder_remove(mailbox, NOTE, &err) == 0)
		return 0;
	record(ctl, "resume", request->address, NULL, "failed", err.text,
	    &ignored);
	return ctl_error(EX_IOERR, "%s", err.text);
}

static int
run(struct ctl *ctl, int argc, char **argv, bool to_suspend)
{
	struct request request = { .suspend = to_suspend };
	struct folder top = { .fd = -1 }, mailbox = { .fd = -1 };
	struct smime_error err = { "" };
	bool changed;
	int status;

	status = parse(ctl, argc, argv, &request);
	if (status != 0)
		return status;
	if (folder_top(ctl->conf, &top, &err) != 0 ||
	    folder_open(ctl->conf, &top, request.address, &mailbox,
	    &err) != 0) {
		status = ctl_error(EX_NOINPUT, "%s", err.text);
		goto out;
	}
	changed = folder_has(&mailbox, NOTE) != to_suspend;
	if (changed)
		status = to_suspend ? suspend(ctl, &request, &mailbox) :
		    resume(ctl, &request, &mailbox);
	if (status == 0)
		status = say(ctl, &request, changed,
		    count_suspended(ctl->conf, &mailbox));
out:
	folder_close(&mailbox);
	folder_close(&top);
	return status;
}

int
cmd_suspend(struct ctl *ctl, int argc, char **argv)
{
	return run(ctl, argc, argv, true);
}

int
cmd_resume(struct ctl *ctl, int argc, char **argv)
{
	return run(ctl, argc, argv, false);
}
