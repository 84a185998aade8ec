/*
 * readers.c - to whom a message would be encrypted, for "sampulctl explain".
 *
 * The mail process asks the key process for colleagues' certificates; here the
 * keystore is read, for which no passphrase is needed.
 */
#include <string.h>

#include "../encryption.h"
#include "../incoming.h"
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
