/*
 * list.c - "sampulctl list": one line for each certificate of the keystore.
 */
#include <string.h>

#include "../../smime/smime.h"
#include "../keys/keystore.h"
#include "ctl.h"

struct listing {
	const struct ctl	*ctl;
	struct json		 json;
};

/* One word: what state the entry is in, the first finding where it is unfit. */
const char *
ctl_entry_word(const struct keystore_entry *entry)
{
	if (keystore_entry_is_encryption(entry))
		return "encryption";
	if (entry->state == ENTRY_USABLE && entry->owned)
		return "owner";
	switch (entry->state) {
	case ENTRY_USABLE:
		return entry->pinned && entry->findings.count > 0 ? "pinned" :
		    "usable";
	case ENTRY_UNFIT:
		return entry->findings.count > 0 ?
		    cert_problem_word(entry->findings.problem[0]) : "unfit";
	case ENTRY_SUSPENDED:
		return "suspended";
	case ENTRY_LOCKED:
		return "owner";
	case ENTRY_DESTROYED:
		return "destroyed";
	case ENTRY_UNREADABLE:
		break;
	}
	return "unreadable";
}

void
ctl_entry_json(struct json *json, const struct keystore_entry *entry)
{
	char serial[SERIAL_TEXT_MAX + 1];

	json_string(json, "address", entry->address);
	json_string(json, "folder", entry->folder);
	json_string(json, "state", ctl_entry_word(entry));
	json_bool(json, "chosen", entry->chosen);
	json_bool(json, "pinned", entry->pinned);
	json_string(json, "custody", entry->owned ? "owner" :
	    entry->in_token ? "token" : "keystore");
	json_bool(json, "token", entry->in_token);
	if (entry->cert == NULL)
		return;
	cert_serial(entry->cert, serial, sizeof(serial));
	json_string(json, "serial", serial);
	json_time(json, "not_before", cert_not_before(entry->cert));
	json_time(json, "not_after", cert_not_after(entry->cert));
}

static int
list_entry(void *arg, const struct keystore_entry *entry)
{
	struct listing *listing = arg;
	char serial[SERIAL_TEXT_MAX + 1] = "-", end[CTL_TIME_MAX] = "-";

	if (listing->ctl->json) {
		json_object(&listing->json, NULL);
		ctl_entry_json(&listing->json, entry);
		json_end(&listing->json);
		return 0;
	}
	if (entry->cert != NULL) {
		cert_serial(entry->cert, serial, sizeof(serial));
		ctl_time(cert_not_after(entry->cert), end, sizeof(end));
	}
	printf("%c %-40s %-12s %-20s %-40s %s\n", entry->chosen ? '*' : '-',
	    entry->address, ctl_entry_word(entry), end, serial,
	    entry->folder[0] != '\0' ? entry->folder : "-");
	return 0;
}

int
cmd_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing listing = { .ctl = ctl };
	struct smime_error err = { "" };
	struct keystore *store;
	int rc;

	(void)argv;
	if (argc != 1)
		return ctl_usage(ctl);
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	/* No key is opened, so the passphrase is not asked for. */
	store = keystore_open(ctl->conf, NULL, 0, &err);
	if (store == NULL)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	json_begin(&listing.json, stdout);
	if (ctl->json)
		json_array(&listing.json, NULL);
	rc = keystore_each(store, NULL, false, time(NULL), list_entry,
	    &listing, &err);
	if (ctl->json)
		json_end(&listing.json);
	keystore_close(store);
	if (rc != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	return ctl_finish();
}
