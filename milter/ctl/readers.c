/*
 * readers.c - to whom a message would be encrypted, and into which copies it
 * would be divided, for "sampulctl explain".
 *
 * The mail process asks the key process for colleagues' certificates; here the
 * keystore is read, for which no passphrase is needed.
 */
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../encryption.h"
#include "../incoming.h"
#include "../keys/keystore.h"
#include "../policy.h"
#include "ctl.h"

static int
resolve(struct keystore *store, const struct conf *conf,
    const struct trust_state *state, const struct plan *plan,
    const struct facts *facts, struct seal *out, struct smime_error *err)
{
	const struct recipient_source sources[] = {
		{ "partners", true, partners_find, NULL },
		{ "colleagues", false, colleagues_read, store },
		{ "harvested", false, harvest_find, NULL },
	};
	const struct recipient_settings settings = { .trust = state->trust,
	    .generation = state->generation, .now = time(NULL),
	    .crl_soft_fail = conf->crl == CRL_SOFT_FAIL };
	struct recipients *recipients;
	int rc;

	recipients = recipients_new(sources,
	    sizeof(sources) / sizeof(sources[0]));
	if (recipients == NULL)
		return smime_error_setx(err, "out of memory");
	rc = seal_resolve(out, recipients, conf, &settings, plan, facts, err);
	recipients_free(recipients);
	return rc;
}

int
ctl_readers(const struct conf *conf, const struct plan *plan,
    const struct facts *facts, struct seal *out, struct smime_error *err)
{
	struct trust_state *state = NULL;
	struct keystore *store;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if ((store = keystore_open(conf, NULL, 0, err)) != NULL &&
	    (state = trust_state_read(conf, err)) != NULL)
		rc = resolve(store, conf, state, plan, facts, out, err);
	trust_state_unref(state);
	keystore_close(store);
	return rc;
}

void
ctl_print_copies(const struct seal *seal)
{
	const char *separator;
	size_t i, j;

	for (i = 0; seal_is_divided(seal) && i < seal->copies.count; i++) {
		printf("%-12s %s", "copy:", seal->copies.items[i].encrypted ?
		    "encrypted" : "clear");
		for (j = 0, separator = " to "; j < seal->count; j++)
			if (seal->readers[j].copy == i) {
				printf("%s%s%s", separator,
				    seal->readers[j].address,
				    seal->readers[j].is_sender ? " (sender)" :
				    seal->readers[j].hidden ? " (hidden)" :
				    "");
				separator = ", ";
			}
		putchar('\n');
	}
}

static void
json_readers(struct json *json, const char *key, const struct seal *seal,
    size_t copy)
{
	size_t i;

	json_array(json, key);
	for (i = 0; i < seal->count; i++)
		if (seal->readers[i].copy == copy &&
		    !seal->readers[i].is_sender)
			json_string(json, NULL, seal->readers[i].address);
	json_end(json);
}

void
ctl_json_copies(struct json *json, const struct seal *seal)
{
	size_t i;

	if (!seal->possible)
		return;
	json_array(json, "copies");
	for (i = 0; i < seal->copies.count; i++) {
		json_object(json, NULL);
		json_bool(json, "encrypted", seal->copies.items[i].encrypted);
		json_bool(json, "hidden", seal->copies.items[i].own);
		json_readers(json, "recipients", seal, i);
		json_end(json);
	}
	json_end(json);
	json_readers(json, "refused", seal, COPY_NONE);
}
