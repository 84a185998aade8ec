/*
 * verdict.c - the verdict on a message file, by the code of the milter, and
 * the header fields that would say so.
 */
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../incoming.h"
#include "ctl.h"

struct feeding {
	struct verifier		*verifier;
	struct smime_error	*err;
};

static int
feed(void *arg, const unsigned char *buf, size_t len)
{
	struct feeding *feeding = arg;

	if (!verify_wants_body(feeding->verifier))
		return 0;
	return verify_body(feeding->verifier, buf, len, feeding->err);
}

static int
judge(const struct conf *conf, const struct trust_state *state,
    const struct ctl_message *message, time_t now, struct verdict *out,
    struct smime_error *err)
{
	struct verify_settings settings;
	struct feeding feeding = { NULL, err };
	int rc = -1;

	/* Without a cache: that is how the chain is told. */
	incoming_settings(conf, state, NULL, now, &settings);
	feeding.verifier = verify_new(&settings, &message->header, err);
	if (feeding.verifier != NULL &&
	    ctl_message_each(message, feed, &feeding) == 0 &&
	    verify_finish(feeding.verifier, out, err) == 0)
		rc = 0;
	verify_free(feeding.verifier);
	return rc;
}

void
ctl_verdict(const struct conf *conf, const struct trust_state *state,
    const struct ctl_message *message, time_t now, struct verdict *out)
{
	struct smime_error err = { "" };

	if (conf->max_header > 0 && message->header.bytes > conf->max_header) {
		verdict_without(VERIFY_LIMIT, &message->header, out);
		return;
	}
	if (state != NULL &&
	    judge(conf, state, message, now, out, &err) == 0)
		return;
	verdict_without(VERIFY_FAULT, &message->header, out);
	smime_printable(err.text, strlen(err.text), out->detail,
	    sizeof(out->detail));
}

/* A file does not say whether it was sent with SMTPUTF8, but shows it. */
static bool
has_utf8_header(const struct header_list *header)
{
	size_t i, k;

	for (i = 0; i < header->count; i++)
		for (k = 0; k < header->fields[i].value_len; k++)
			if ((unsigned char)header->fields[i].value[k] >= 0x80)
				return true;
	return false;
}

int
ctl_fields(const struct conf *conf, const struct ctl_message *message,
    const struct verdict *verdict, struct ctl_fields *out)
{
	bool utf8 = has_utf8_header(&message->header);

	out->authres = malloc(RESULTS_MAX);
	out->verified = malloc(RESULTS_MAX);
	if (out->authres == NULL || out->verified == NULL)
		return ctl_error(EX_OSERR, "out of memory");
	if (!results_authres(verdict, conf->authserv_id, utf8, out->authres))
		out->authres[0] = '\0';
	results_verified(verdict, utf8, conf->language == LANGUAGE_ID,
	    out->verified);
	return EX_OK;
}

void
ctl_fields_clear(struct ctl_fields *fields)
{
	free(fields->authres);
	free(fields->verified);
	memset(fields, 0, sizeof(*fields));
}
