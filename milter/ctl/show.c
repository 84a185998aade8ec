/*
 * show.c - "sampulctl show": everything about the certificates of one address,
 * each key opened.
 */
#include <string.h>

#include "../../smime/smime.h"
#include "../keys/keystore.h"
#include "ctl.h"

struct showing {
	const struct ctl	*ctl;
	struct json		 json;
	size_t			 count;
};

struct email_list {
	struct json	*json;		/* NULL: plain */
};

static void
show_email(void *arg, const char *address)
{
	const struct email_list *list = arg;

	if (list->json != NULL)
		json_string(list->json, NULL, address);
	else
		printf(" %s", address);
}

/* The texts of a certificate, made once for both forms. */
struct details {
	char	subject[512];
	char	issuer[512];
	char	serial[SERIAL_TEXT_MAX + 1];
	char	key[64];
	char	sha256[32 * 3 + 1];
};

static void
describe(X509 *cert, struct details *out)
{
	unsigned char sha256[32];

	memset(out, 0, sizeof(*out));
	cert_subject(cert, out->subject, sizeof(out->subject));
	cert_issuer(cert, out->issuer, sizeof(out->issuer));
	cert_serial(cert, out->serial, sizeof(out->serial));
	cert_key_name(cert, out->key, sizeof(out->key));
	if (cert_fingerprint(cert, sha256) == 0)
		ctl_hex(sha256, sizeof(sha256), out->sha256);
}

static void
show_json(struct showing *showing, const struct keystore_entry *entry)
{
	struct json *json = &showing->json;
	struct email_list list = { json };
	struct details details;

	json_object(json, NULL);
	ctl_entry_json(json, entry);
	if (entry->cert != NULL) {
		describe(entry->cert, &details);
		json_string(json, "subject", details.subject);
		json_string(json, "issuer", details.issuer);
		json_string(json, "key", details.key);
		json_string(json, "sha256", details.sha256);
		json_array(json, "emails");
		cert_each_email(entry->cert, show_email, &list);
		json_end(json);
	}
	json_bool(json, "encrypted", entry->encrypted);
	json_findings(json, "findings", &entry->findings, showing->ctl->id);
	json_string(json, "text", entry->text[0] != '\0' ? entry->text : NULL);
	json_end(json);
}

static void
show_cert(X509 *cert)
{
	struct email_list list = { NULL };
	char from[CTL_TIME_MAX], to[CTL_TIME_MAX];
	struct details details;

	describe(cert, &details);
	printf("  subject     %s\n  issuer      %s\n  serial      %s\n"
	    "  key         %s\n  valid       %s to %s\n  SHA-256     %s\n"
	    "  addresses  ", details.subject, details.issuer, details.serial,
	    details.key, ctl_time(cert_not_before(cert), from, sizeof(from)),
	    ctl_time(cert_not_after(cert), to, sizeof(to)), details.sha256);
	cert_each_email(cert, show_email, &list);
	putchar('\n');
}

static void
show_plain(struct showing *showing, const struct keystore_entry *entry)
{
	if (showing->count > 0)
		putchar('\n');
	printf("%s/%s\n  state       %s%s\n", entry->address, entry->folder,
	    ctl_entry_word(entry), !entry->chosen ? "" : entry->owned ?
	    ", signs when it is unlocked" : ", signs now");
	if (entry->cert != NULL)
		show_cert(entry->cert);
	if (entry->in_token)
		printf("  at rest     in a token%s\n", entry->owned ?
		    ", its owner has the PIN" : "");
	else if (entry->state == ENTRY_LOCKED)
		printf("  at rest     encrypted by its owner's passphrase\n");
	else if (entry->state == ENTRY_USABLE)
		printf("  at rest     %s\n", entry->encrypted ? "encrypted" :
		    "NOT encrypted");
	if (entry->pinned)
		printf("  override    there is an override file\n");
	ctl_print_findings(showing->ctl, stdout, &entry->findings, "  ");
	if (entry->text[0] != '\0')
		printf("  (%s)\n", entry->text);
}

static int
show_entry(void *arg, const struct keystore_entry *entry)
{
	struct showing *showing = arg;

	if (showing->ctl->json)
		show_json(showing, entry);
	else
		show_plain(showing, entry);
	showing->count++;
	return 0;
}

int
cmd_show(struct ctl *ctl, int argc, char **argv)
{
	struct showing showing = { .ctl = ctl };
	struct smime_error err = { "" };
	char address[ADDRESS_MAX + 1];
	struct keystore *store;
	int rc, status = EX_OK;

	if (argc != 2)
		return ctl_usage(ctl);
	if (!address_canonical(argv[1], strlen(argv[1]), address))
		return ctl_error(EX_USAGE, "\"%s\" is not an e-mail address",
		    argv[1]);
	store = ctl_keystore(ctl, &status);
	if (store == NULL)
		return status;
	json_begin(&showing.json, stdout);
	if (ctl->json)
		json_array(&showing.json, NULL);
	rc = keystore_each(store, address, true, time(NULL), show_entry,
	    &showing, &err);
	if (ctl->json)
		json_end(&showing.json);
	keystore_close(store);
	if (rc != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (showing.count == 0)
		return ctl_error(EX_DATAERR, "%s has no certificate in the "
		    "keystore", address);
	return ctl_finish();
}
