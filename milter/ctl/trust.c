/*
 * trust.c - "sampulctl trust": the authorities that are believed, each folder
 * with its purpose, and what is known of revocation.
 *
 * What is listed is what the daemon reads, by the same walk; a file that it
 * leaves out is shown with the reason.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../incoming.h"
#include "../keys/anchors.h"
#include "ctl.h"
#include "trust.h"

struct listing {
	const struct ctl	*ctl;
	struct json		 json;
	time_t			 now;
	bool			 any;
};

void
authority_describe(X509 *cert, struct authority *out)
{
	unsigned char sha256[32];

	memset(out, 0, sizeof(*out));
	cert_subject(cert, out->subject, sizeof(out->subject));
	cert_issuer(cert, out->issuer, sizeof(out->issuer));
	cert_serial(cert, out->serial, sizeof(out->serial));
	cert_key_name(cert, out->key, sizeof(out->key));
	ctl_time(cert_not_before(cert), out->from, sizeof(out->from));
	ctl_time(cert_not_after(cert), out->to, sizeof(out->to));
	if (cert_fingerprint(cert, sha256) == 0)
		ctl_hex(sha256, sizeof(sha256), out->sha256);
}

void
authority_print(FILE *out, X509 *cert)
{
	struct authority text;

	authority_describe(cert, &text);
	fprintf(out, "  subject     %s\n  issuer      %s\n  serial      %s\n"
	    "  key         %s\n  valid       %s to %s\n  SHA-256     %s\n",
	    text.subject, text.issuer, text.serial, text.key, text.from,
	    text.to, text.sha256);
}

#define DAY	86400

/*
 * Authorities issue lists long before the last one ends, so that a fetch that
 * fails for a while costs nothing. One in the last quarter of its time, or in
 * its last week, says that nobody fetches.
 */
const char *
crl_state(const struct crl_facts *facts, time_t now)
{
	time_t near = (facts->next_update - facts->this_update) / 4;

	if (near > 7 * DAY)
		near = 7 * DAY;
	if (now < facts->this_update)
		return CRL_STATE_FUTURE;
	if (now > facts->next_update)
		return CRL_STATE_STALE;
	return facts->next_update - now < near ? CRL_STATE_ENDING :
	    CRL_STATE_CURRENT;
}

/* --------------------------------------------------------------- plain --- */

static void
head(struct listing *listing, const char *kind, const char *path)
{
	printf("%s%s %s\n", listing->any ? "\n" : "", kind, path);
	listing->any = true;
}

static void
plain_cert(struct listing *listing, const struct trusted_file *file,
    X509 *cert)
{
	const char *fault = authority_fault(cert, listing->now,
	    listing->ctl->id);

	head(listing, trusted_word(file->kind), file->path);
	authority_print(stdout, cert);
	printf("  state       %s\n", fault != NULL ? fault : "ok");
}

static void
plain_crl(struct listing *listing, const struct trusted_file *file,
    const struct crl_facts *facts)
{
	char from[CTL_TIME_MAX], to[CTL_TIME_MAX];

	head(listing, trusted_word(file->kind), file->path);
	printf("  issuer      %s\n  valid       %s to %s\n"
	    "  revoked     %zu\n  state       %s\n", facts->issuer,
	    ctl_time(facts->this_update, from, sizeof(from)),
	    ctl_time(facts->next_update, to, sizeof(to)), facts->revoked,
	    crl_state(facts, listing->now));
}

static void
plain_file(struct listing *listing, const struct trusted_file *file)
{
	struct crl_facts facts;
	int i;

	if (file->why != NULL) {
		head(listing, trusted_word(file->kind), file->path);
		printf("  state       left out: %s\n", file->why);
	}
	for (i = 0; file->certs != NULL && i < sk_X509_num(file->certs); i++)
		plain_cert(listing, file, sk_X509_value(file->certs, i));
	if (file->crl != NULL) {
		crl_describe(file->crl, &facts);
		plain_crl(listing, file, &facts);
	}
}

/* ---------------------------------------------------------------- json --- */

static void
json_head(struct json *json, const struct trusted_file *file)
{
	json_object(json, NULL);
	json_string(json, "kind", trusted_word(file->kind));
	json_string(json, "file", file->path);
}

static void
json_cert(struct listing *listing, const struct trusted_file *file,
    X509 *cert)
{
	struct json *json = &listing->json;
	struct authority text;

	authority_describe(cert, &text);
	json_head(json, file);
	json_string(json, "subject", text.subject);
	json_string(json, "issuer", text.issuer);
	json_string(json, "serial", text.serial);
	json_string(json, "key", text.key);
	json_time(json, "not_before", cert_not_before(cert));
	json_time(json, "not_after", cert_not_after(cert));
	json_string(json, "sha256", text.sha256);
	json_string(json, "fault", authority_fault(cert, listing->now,
	    listing->ctl->id));
	json_end(json);
}

static void
json_crl(struct listing *listing, const struct trusted_file *file,
    const struct crl_facts *facts)
{
	struct json *json = &listing->json;

	json_head(json, file);
	json_string(json, "issuer", facts->issuer);
	json_time(json, "this_update", facts->this_update);
	json_time(json, "next_update", facts->next_update);
	json_number(json, "revoked", (int64_t)facts->revoked);
	json_string(json, "state",
	    crl_state(facts, listing->now));
	json_end(json);
}

static void
json_file(struct listing *listing, const struct trusted_file *file)
{
	struct crl_facts facts;
	int i;

	if (file->why != NULL) {
		json_head(&listing->json, file);
		json_string(&listing->json, "fault", file->why);
		json_end(&listing->json);
	}
	for (i = 0; file->certs != NULL && i < sk_X509_num(file->certs); i++)
		json_cert(listing, file, sk_X509_value(file->certs, i));
	if (file->crl != NULL) {
		crl_describe(file->crl, &facts);
		json_crl(listing, file, &facts);
	}
}

/* ---------------------------------------------------------------- list --- */

static int
list_file(void *arg, const struct trusted_file *file)
{
	struct listing *listing = arg;

	if (listing->ctl->json)
		json_file(listing, file);
	else
		plain_file(listing, file);
	return 0;
}

static void
list_pin(struct listing *listing, const struct pin *pin)
{
	const char *file = listing->ctl->conf->pins_file;
	struct json *json = &listing->json;
	char hex[32 * 3 + 1];

	ctl_hex(pin->fingerprint, sizeof(pin->fingerprint), hex);
	if (!listing->ctl->json) {
		head(listing, "pin", file);
		printf("  address     %s\n  SHA-256     %s\n", pin->address,
		    hex);
		return;
	}
	json_object(json, NULL);
	json_string(json, "kind", "pin");
	json_string(json, "file", file);
	json_string(json, "address", pin->address);
	json_string(json, "sha256", hex);
	json_end(json);
}

static int
list_all(struct listing *listing, struct smime_error *err)
{
	struct pin *pins;
	size_t i, count;

	if (anchors_each(listing->ctl->conf, list_file, listing, err) != 0 ||
	    pins_read(listing->ctl->conf, &pins, &count, err) != 0)
		return -1;
	for (i = 0; i < count; i++)
		list_pin(listing, &pins[i]);
	free(pins);
	return 0;
}

static int
trust_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing listing = { .ctl = ctl, .now = time(NULL) };
	struct smime_error err = { "" };
	int rc;

	(void)argv;
	if (argc != 1)
		return ctl_usage(ctl);
	json_begin(&listing.json, stdout);
	if (ctl->json)
		json_array(&listing.json, NULL);
	rc = list_all(&listing, &err);
	if (ctl->json)
		json_end(&listing.json);
	return rc != 0 ? ctl_error(EX_NOINPUT, "%s", err.text) : ctl_finish();
}

int
cmd_trust(struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		const char	*name;
		int		(*run)(struct ctl *ctl, int argc, char **argv);
	} words[] = {
		{ "list", trust_list },
		{ "add", trust_add },
		{ "remove", trust_remove },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (argc > 1 && strcmp(argv[1], words[i].name) == 0)
			break;
	if (i == sizeof(words) / sizeof(words[0]))
		return ctl_usage(ctl);
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	return words[i].run(ctl, argc - 1, argv + 1);
}
