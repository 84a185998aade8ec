/*
 * partners.c - "sampulctl partners": to whom mail of others can be encrypted,
 * what an administrator pinned and what was harvested; pin.c changes it.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../encryption.h"
#include "../incoming.h"
#include "ctl.h"
#include "partners.h"

/* ------------------------------------------------------------- one of them --- */

struct telling {
	struct ctl			*ctl;
	struct json			 json;
	struct trust_state		*trust;
	struct recipient_settings	 settings;
	bool				 long_form;
	size_t				 count;
};

struct one {
	const char		*source;	/* "pinned", "harvested" */
	const char		*address;
	X509			*cert;
	STACK_OF(X509)		*extra;		/* or NULL */
	const struct harvested	*harvested;	/* or NULL */
};

static void
tell_json(struct telling *telling, const struct one *one, const char *word,
    const char *detail)
{
	struct json *json = &telling->json;
	char text[512];
	unsigned char sha256[32];

	json_object(json, NULL);
	json_string(json, "source", one->source);
	json_string(json, "address", one->address);
	json_string(json, "state", word);
	json_string(json, "detail", detail[0] != '\0' ? detail : NULL);
	cert_serial(one->cert, text, sizeof(text));
	json_string(json, "serial", text);
	cert_subject(one->cert, text, sizeof(text));
	json_string(json, "subject", text);
	cert_issuer(one->cert, text, sizeof(text));
	json_string(json, "issuer", text);
	if (cert_fingerprint(one->cert, sha256) == 0)
		json_string(json, "sha256", ctl_hex(sha256, 32, text));
	json_time(json, "not_after", cert_not_after(one->cert));
	if (one->harvested != NULL) {
		json_time(json, "signed", one->harvested->signed_at);
		json_time(json, "seen", one->harvested->seen_at);
		json_bool(json, "reads_gcm", (one->harvested->capabilities &
		    (SMIME_CAP_AES256_GCM | SMIME_CAP_AES128_GCM)) != 0);
		json_number(json, "changed", one->harvested->changed);
	}
	json_end(json);
}

static void
tell_short(const struct one *one, const char *word)
{
	char serial[SERIAL_TEXT_MAX + 1], end[CTL_TIME_MAX];

	cert_serial(one->cert, serial, sizeof(serial));
	ctl_time(cert_not_after(one->cert), end, sizeof(end));
	printf("%-9s %-40s %-16s %-20s %s\n", one->source, one->address,
	    word, end, serial);
}

static void
tell_long(const struct one *one, const char *word, const char *detail)
{
	char text[512], when[CTL_TIME_MAX];
	unsigned char sha256[32];

	printf("%s\n  state:     %s%s%s\n", one->source, word,
	    detail[0] != '\0' ? ": " : "", detail);
	cert_subject(one->cert, text, sizeof(text));
	printf("  subject:   %s\n", text);
	cert_issuer(one->cert, text, sizeof(text));
	printf("  issuer:    %s\n", text);
	cert_serial(one->cert, text, sizeof(text));
	printf("  serial:    %s\n", text);
	if (cert_fingerprint(one->cert, sha256) == 0)
		printf("  sha256:    %s\n", ctl_hex(sha256, 32, text));
	printf("  not after: %s\n", ctl_time(cert_not_after(one->cert), when,
	    sizeof(when)));
	if (one->harvested == NULL)
		return;
	printf("  signed:    %s\n", ctl_time(one->harvested->signed_at, when,
	    sizeof(when)));
	printf("  seen:      %s\n", ctl_time(one->harvested->seen_at, when,
	    sizeof(when)));
	printf("  changed:   %u\n", one->harvested->changed);
}

/* Judged as it would be for a message sent now. */
static int
tell(struct telling *telling, const struct one *one)
{
	struct recipient_findings findings;
	struct smime_error err = { "" };
	const char *word = "usable";

	if (recipient_check(&telling->settings, one->cert, one->extra,
	    one->address, &findings, &err) == -1)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	if (findings.findings.count > 0)
		word = cert_problem_word(findings.findings.problem[0]);
	telling->count++;
	if (telling->ctl->json)
		tell_json(telling, one, word, findings.detail);
	else if (telling->long_form)
		tell_long(one, word, findings.detail);
	else
		tell_short(one, word);
	return EX_OK;
}

static int
begin(struct telling *telling, struct ctl *ctl, bool long_form)
{
	struct smime_error err = { "" };

	memset(telling, 0, sizeof(*telling));
	telling->ctl = ctl;
	telling->long_form = long_form;
	telling->trust = trust_state_read(ctl->conf, &err);
	if (telling->trust == NULL)
		return ctl_error(EX_CONFIG, "%s", err.text);
	telling->settings.trust = telling->trust->trust;
	telling->settings.generation = telling->trust->generation;
	telling->settings.now = time(NULL);
	telling->settings.crl_soft_fail = ctl->conf->crl == CRL_SOFT_FAIL;
	json_begin(&telling->json, stdout);
	if (ctl->json)
		json_array(&telling->json, NULL);
	return EX_OK;
}

static int
end(struct telling *telling, int status)
{
	if (telling->ctl->json)
		json_end(&telling->json);
	trust_state_unref(telling->trust);
	return status == EX_OK ? ctl_finish() : status;
}

/* ----------------------------------------------------------- an address --- */

static int
tell_pinned(struct telling *telling, const char *address)
{
	struct candidates candidates;
	struct smime_error err = { "" };
	struct one one = { .source = "pinned", .address = address };
	int status = EX_OK;
	size_t i;

	memset(&candidates, 0, sizeof(candidates));
	if (partners_find(NULL, telling->ctl->conf, address, &candidates,
	    &err) == -1)
		status = ctl_error(EX_NOINPUT, "%s", err.text);
	one.extra = candidates.extra;
	for (i = 0; i < candidates.count && status == EX_OK; i++) {
		one.cert = candidates.items[i].cert;
		status = tell(telling, &one);
	}
	candidates_clear(&candidates);
	return status;
}

static int
tell_harvested(struct telling *telling, const char *address)
{
	struct harvested harvested;
	struct smime_error err = { "" };
	struct one one = { .source = "harvested", .address = address };
	int status = EX_OK;

	if (harvest_read(telling->ctl->conf, address, &harvested, &err) == -1)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	one.cert = harvested.cert;
	one.extra = harvested.extra;
	one.harvested = &harvested;
	if (harvested.cert != NULL)
		status = tell(telling, &one);
	harvested_clear(&harvested);
	return status;
}

/* ------------------------------------------------------------ all of them --- */

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Calls each for all names in the directory; one that is not there is empty. */
static int
each_name(struct telling *telling, const char *dir,
    int (*each)(struct telling *telling, const char *name))
{
	struct dirent **names = NULL;
	int i, n, status = EX_OK;

	n = dir[0] == '\0' ? 0 : scandir(dir, &names, is_shown, alphasort);
	for (i = 0; i < n; i++) {
		if (status == EX_OK)
			status = each(telling, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return status;
}

/* A domain's folder: its certificates say whose they are. */
struct addresses {
	struct telling	*telling;
	const char	*domain;
	int		 status;
	struct string_list seen;
};

static void
tell_address(void *arg, const char *address)
{
	struct addresses *addresses = arg;

	if (addresses->status != EX_OK || strcmp(address_domain(address),
	    addresses->domain) != 0 ||
	    partners_seen(&addresses->seen, address))
		return;
	addresses->status = tell_pinned(addresses->telling, address);
}

static int
pinned_folder(struct telling *telling, const char *name)
{
	struct addresses addresses = { .telling = telling, .domain = name };

	if (strchr(name, '@') != NULL)
		return address_is_safe_name(name) ?
		    tell_pinned(telling, name) : EX_OK;
	partners_each_cert(telling->ctl->conf, name, tell_address,
	    &addresses);
	partners_seen_clear(&addresses.seen);
	return addresses.status;
}

static int
harvested_file(struct telling *telling, const char *name)
{
	char address[ADDRESS_MAX + 1];
	size_t len = strlen(name);

	if (len < 5 || len - 4 > ADDRESS_MAX ||
	    strcmp(name + len - 4, ".pem") != 0)
		return EX_OK;
	memcpy(address, name, len - 4);
	address[len - 4] = '\0';
	return tell_harvested(telling, address);
}

static int
list(struct ctl *ctl)
{
	struct telling telling;
	int status;

	if ((status = begin(&telling, ctl, false)) != EX_OK)
		return status;
	status = each_name(&telling, ctl->conf->partners_dir, pinned_folder);
	if (status == EX_OK)
		status = each_name(&telling, ctl->conf->harvest_dir,
		    harvested_file);
	return end(&telling, status);
}

static int
show(struct ctl *ctl, const char *address)
{
	struct telling telling;
	int status;

	if ((status = begin(&telling, ctl, true)) != EX_OK)
		return status;
	if ((status = tell_pinned(&telling, address)) == EX_OK)
		status = tell_harvested(&telling, address);
	if (status == EX_OK && telling.count == 0)
		status = ctl_error(EX_NOINPUT, "nothing is known of %s",
		    address);
	return end(&telling, status);
}

int
cmd_partners(struct ctl *ctl, int argc, char **argv)
{
	char address[ADDRESS_MAX + 1];
	const char *what = argc > 1 ? argv[1] : "";
	bool pinned = argc == 4 && strcmp(argv[2], "--pinned") == 0;

	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	if (argc == 2 && strcmp(what, "list") == 0)
		return list(ctl);
	if (argc < 3 || argc > 4)
		return ctl_usage(ctl);
	argv += pinned ? 3 : 2;
	if (!address_canonical(argv[0], strlen(argv[0]), address) ||
	    !address_is_safe_name(address))
		return ctl_error(EX_USAGE, "\"%s\" is no address", argv[0]);
	if (argc == 3 && strcmp(what, "show") == 0)
		return show(ctl, address);
	if (argc == 4 && strcmp(what, "add") == 0)
		return partners_add(ctl->conf, address, argv[1]);
	if (argc == 3 && strcmp(what, "pin") == 0)
		return partners_pin(ctl->conf, address);
	if ((argc == 3 || pinned) && strcmp(what, "forget") == 0)
		return partners_forget(ctl->conf, address, pinned);
	return ctl_usage(ctl);
}
