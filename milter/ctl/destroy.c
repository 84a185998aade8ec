/*
 * destroy.c - "sampulctl destroy": a private key is wiped, its certificate
 * and a record stay.
 *
 *	1. the audit trail gets "destroy", begun
 *	2. the file "destroyed" appears in the entry: from the next message on
 *	   nobody looks for its key
 *	3. the key's octets are overwritten on disk, its name removed
 *	4. the key process is told to forget what it has in memory
 *	5. the audit trail gets "destroy", done
 *
 * Broken off anywhere, the same command goes on where it stopped: what is done
 * already does no harm twice, and the record has its end in every case.
 */
#include <getopt.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/keyfile.h"
#include "ctl.h"
#include "custody.h"
#include "import.h"

#define NOTE	"destroyed"

/* The key, and what changing its passphrase may have left of it. */
static const char *const secrets[] = { "key.pem", ".key.pem.new" };
#define SECRETS	(sizeof(secrets) / sizeof(secrets[0]))

struct request {
	char		 address[ADDRESS_MAX + 1];
	const char	*which;		/* serial number, or folder's name */
	const char	*reason;
	bool		 yes;
	/* found */
	char		 folder[256];
	char		 serial[SERIAL_TEXT_MAX + 1];
	bool		 linked;	/* the key had further names */
	bool		 had_key;
	bool		 forgotten;	/* by the running daemon, at once */
};

static int
parse(struct ctl *ctl, int argc, char **argv, struct request *out)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, 'r' },
		{ "yes", no_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			out->reason = optarg;
		else if (c == 'y')
			out->yes = true;
		else
			return ctl_usage(ctl);
	}
	if (argc - optind != 2)
		return ctl_usage(ctl);
	if (!address_canonical(argv[optind], strlen(argv[optind]),
	    out->address) || !address_is_safe_name(out->address))
		return ctl_error(EX_USAGE, "\"%s\" is not an e-mail address "
		    "that can have a folder", argv[optind]);
	out->which = argv[optind + 1];
	return ctl_conf(ctl) == NULL ? EX_CONFIG : 0;
}

/* ------------------------------------------------------------ the entry --- */

/* "" where the certificate cannot be read: its folder's name is left then. */
static void
read_serial(const struct conf *conf, const struct folder *entry, char *out)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *certs = NULL;
	struct owners owners;
	struct stat st;
	size_t len = 0;
	char *buf;

	out[0] = '\0';
	owners_init(&owners, conf->key_user);
	buf = keyfile_read(entry->fd, "cert.pem", "cert.pem", &owners,
	    KEYFILE_PUBLIC, KEYSTORE_CERT_MAX, &len, &st, &err);
	if (buf == NULL)
		return;
	if (cert_read(buf, len, KEYSTORE_CHAIN_MAX, "cert.pem", &certs,
	    &err) == 0)
		cert_serial(sk_X509_value(certs, 0), out,
		    SERIAL_TEXT_MAX + 1);
	sk_X509_pop_free(certs, X509_free);
	OPENSSL_clear_free(buf, len + 1);
}

/* As people copy serial numbers: in either case, with colons or without. */
static bool
same_serial(const char *wanted, const char *serial)
{
	for (; *wanted != '\0'; wanted++) {
		if (*wanted == ':')
			continue;
		if (strncasecmp(wanted, serial, 1) != 0)
			return false;
		serial++;
	}
	return *serial == '\0';
}

static int
look_at(const struct conf *conf, const struct folder *mailbox,
    const char *name, struct request *request, unsigned *matches,
    struct smime_error *err)
{
	char serial[SERIAL_TEXT_MAX + 1];
	struct folder entry;

	if (folder_open(conf, mailbox, name, &entry, err) != 0)
		return -1;
	read_serial(conf, &entry, serial);
	folder_close(&entry);
	if (strcmp(name, request->which) != 0 &&
	    (serial[0] == '\0' || !same_serial(request->which, serial)))
		return 0;
	++*matches;
	snprintf(request->folder, sizeof(request->folder), "%s", name);
	snprintf(request->serial, sizeof(request->serial), "%s", serial);
	return 0;
}

static int
find(const struct conf *conf, const struct folder *mailbox,
    struct request *request)
{
	struct smime_error err = { "" };
	unsigned matches = 0;
	char **names;
	size_t i;
	int rc = 0;

	if ((names = folder_names(mailbox, &err)) == NULL)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	for (i = 0; names[i] != NULL && rc == 0; i++)
		rc = look_at(conf, mailbox, names[i], request, &matches, &err);
	folder_free_names(names);
	if (rc != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (matches == 0)
		return ctl_error(EX_DATAERR, "%s has no certificate with the "
		    "serial number or folder %s; \"sampulctl show %s\" lists "
		    "them", request->address, request->which,
		    request->address);
	if (matches > 1)
		return ctl_error(EX_DATAERR, "%s has %u certificates with the "
		    "serial number %s; give the folder's name instead",
		    request->address, matches, request->which);
	return 0;
}

/* ---------------------------------------------------------- destroying --- */

static bool
has_secret(const struct folder *entry)
{
	size_t i;

	for (i = 0; i < SECRETS; i++)
		if (folder_has(entry, secrets[i]))
			return true;
	return false;
}

static int
confirm(const struct request *request)
{
	struct smime_error err = { "" };
	char answer[8];

	if (request->yes)
		return 0;
	fprintf(stderr, "The private key of %s\n  serial %s, folder %s\nwill "
	    "be gone for good; nothing that was encrypted for it can be read "
	    "any more.\n", request->address, request->serial[0] != '\0' ?
	    request->serial : "-", request->folder);
	if (prompt_line("Destroy it? Type yes: ", answer, sizeof(answer),
	    &err) != 0)
		return ctl_error(EX_NOPERM, "%s; without a terminal give "
		    "--yes", err.text);
	if (strcmp(answer, "yes") != 0)
		return ctl_error(EX_NOPERM, "nothing was done");
	return 0;
}

static int
wipe(const struct folder *entry, struct request *request,
    struct smime_error *err)
{
	char note[1024];
	size_t i;

	record_note(request->reason, note, sizeof(note));
	if (!folder_has(entry, NOTE) && folder_put(entry, NOTE, note,
	    strlen(note), 0644, err) != 0)
		return -1;
	for (i = 0; i < SECRETS; i++)
		if (folder_wipe(entry, secrets[i], &request->linked,
		    err) != 0)
			return -1;
	return 0;
}

static int
put_on_record(struct ctl *ctl, const struct request *request,
    const char *result, const char *reason, struct smime_error *err)
{
	return record(ctl, "destroy", request->address,
	    request->serial[0] != '\0' ? request->serial : request->folder,
	    result, reason, err);
}

static int
destroy(struct ctl *ctl, const struct folder *entry, struct request *request)
{
	struct smime_error err = { "" }, ignored = { "" };

	if (put_on_record(ctl, request, "begun", request->reason, &err) != 0)
		return ctl_error(EX_IOERR, "nothing was destroyed, for this "
		    "cannot be recorded: %s", err.text);
	if (wipe(entry, request, &err) != 0) {
		put_on_record(ctl, request, "failed", err.text, &ignored);
		return ctl_error(EX_IOERR, "%s; the key may be there still: "
		    "run the command again", err.text);
	}
	request->forgotten = ask_to_forget(ctl->conf, request->address);
	if (put_on_record(ctl, request, "done", request->reason, &err) != 0)
		return ctl_error(EX_IOERR, "the key is destroyed, but the "
		    "record lacks its end: %s", err.text);
	return 0;
}

static int
say(struct ctl *ctl, const struct request *request)
{
	struct json json;

	if (request->linked)
		ctl_error(0, "the key's file had other names, too: they hold "
		    "no key any more, remove them");
	if (ctl->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_string(&json, "address", request->address);
		json_string(&json, "folder", request->folder);
		json_string(&json, "serial", request->serial[0] != '\0' ?
		    request->serial : NULL);
		json_bool(&json, "destroyed", true);
		json_bool(&json, "changed", request->had_key);
		json_bool(&json, "forgotten", request->forgotten);
		json_end(&json);
		return ctl_finish();
	}
	if (!request->had_key)
		printf("The key of %s/%s was destroyed before\n",
		    request->address, request->folder);
	else
		printf("Destroyed the key of %s/%s; its certificate stays\n"
		    "Its octets were overwritten where the file system had "
		    "them. A flash disk, a copying\nfile system (btrfs, ZFS), "
		    "snapshots and backups may hold older copies, encrypted\n"
		    "as they were. %s\n", request->address, request->folder,
		    request->forgotten ? "The running daemon has forgotten "
		    "it." : "A running daemon forgets it with the address's "
		    "next message,\nor at a reload.");
	return ctl_finish();
}

static int
run(struct ctl *ctl, struct request *request, const struct folder *mailbox)
{
	struct folder entry = { .fd = -1 };
	struct smime_error err = { "" };
	int status;

	if ((status = find(ctl->conf, mailbox, request)) != 0)
		return status;
	if (folder_open(ctl->conf, mailbox, request->folder, &entry,
	    &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (folder_has(&entry, "key.uri")) {
		folder_close(&entry);
		return ctl_error(EX_UNAVAILABLE, "the key of %s/%s is in a "
		    "token: destroy it there, by the token's own tools; "
		    "\"sampulctl suspend\" stops its use at once",
		    request->address, request->folder);
	}
	request->had_key = has_secret(&entry) || !folder_has(&entry, NOTE);
	if (request->had_key) {
		status = confirm(request);
		if (status == 0)
			status = destroy(ctl, &entry, request);
	} else if (put_on_record(ctl, request, "done", "was gone already",
	    &err) != 0) {
		status = ctl_error(EX_IOERR, "%s", err.text);
	}
	folder_close(&entry);
	return status != 0 ? status : say(ctl, request);
}

int
cmd_destroy(struct ctl *ctl, int argc, char **argv)
{
	struct request request = { .reason = NULL };
	struct folder top = { .fd = -1 }, mailbox = { .fd = -1 };
	struct smime_error err = { "" };
	int status;

	status = parse(ctl, argc, argv, &request);
	if (status != 0)
		return status;
	if (folder_top(ctl->conf, &top, &err) != 0 ||
	    folder_open(ctl->conf, &top, request.address, &mailbox,
	    &err) != 0)
		status = ctl_error(EX_NOINPUT, "%s", err.text);
	else
		status = run(ctl, &request, &mailbox);
	folder_close(&mailbox);
	folder_close(&top);
	return status;
}
