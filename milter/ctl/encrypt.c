/*
 * encrypt.c - "sampulctl encrypt": a message file, signed as the milter would
 * and then encrypted to certificates that are given as files.
 *
 * Each certificate is checked as the milter checks it: rules, path,
 * revocation, the address. One that may not be used keeps all from being
 * written (ENC-15), and so does a missing signature (ENC-13).
 *
 * All is one message unless a directory for copies is named: then it is divided
 * as the milter would (copies.c), each hidden recipient by himself.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../encryption.h"
#include "../incoming.h"
#include "../keys/audit.h"
#include "../keys/keystore.h"
#include "../outgoing.h"
#include "../policy.h"
#include "ctl.h"

#define CERT_FILE_MAX	(1024 * 1024)
#define CERTS_MAX	16	/* in one file: the first is the recipient's */

struct addressee {
	char				 address[ADDRESS_MAX + 1];
	STACK_OF(X509)			*certs;
	struct recipient_findings	 findings;
};

struct work {
	struct ctl		*ctl;
	struct ctl_message	*message;
	struct addressee	*addressees;
	struct recipient	*recipients;
	struct reader		*readers;	/* the same, for copies.c */
	size_t			 count;
	struct copies		 copies;
	bool			 unusable;	/* one of them may not be used */
};

/* ---------------------------------------------------------- recipients --- */

static int
read_cert(struct addressee *addressee, const char *path)
{
	struct smime_error err = { "" };
	size_t len;
	char *buf;
	int rc;

	buf = ctl_read_file(path, CERT_FILE_MAX, &len, &err);
	if (buf == NULL)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	rc = cert_read(buf, len, CERTS_MAX, path, &addressee->certs, &err);
	OPENSSL_clear_free(buf, len + 1);
	return rc == 0 ? EX_OK : ctl_error(EX_DATAERR, "%s", err.text);
}

static int
check_one(struct work *work, const struct recipient_settings *settings,
    size_t i)
{
	struct addressee *addressee = &work->addressees[i];
	const char *text = work->message->recipients[i];
	struct smime_error err = { "" };
	X509 *cert;
	int status;

	if (!address_canonical(text, strlen(text), addressee->address))
		return ctl_error(EX_USAGE, "--to takes an address, not \"%s\"",
		    text);
	if (work->message->certs[i] == NULL)
		return ctl_error(EX_USAGE, "no --cert for %s",
		    addressee->address);
	status = read_cert(addressee, work->message->certs[i]);
	if (status != EX_OK)
		return status;
	cert = sk_X509_value(addressee->certs, 0);
	if (recipient_check(settings, cert, addressee->certs,
	    addressee->address, &addressee->findings, &err) == -1)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	if (addressee->findings.findings.count > 0)
		work->unusable = true;
	work->recipients[i].cert = cert;
	work->recipients[i].oaep = cert_is_rsa(cert) &&
	    (work->message->oaep ||
	    (cert_capabilities(cert) & SMIME_CAP_RSA_OAEP) != 0);
	return EX_OK;
}

static int
check_all(struct work *work)
{
	struct recipient_settings settings = { .now = time(NULL) };
	struct smime_error err = { "" };
	struct trust_state *state;
	int status = EX_OK;
	size_t i;

	if ((state = trust_state_read(work->ctl->conf, &err)) == NULL)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	settings.trust = state->trust;
	settings.crl_soft_fail =
	    work->ctl->conf->crl == CRL_SOFT_FAIL;
	for (i = 0; i < work->count && status == EX_OK; i++)
		status = check_one(work, &settings, i);
	trust_state_unref(state);
	return status;
}

static void
complain(const struct work *work)
{
	const struct addressee *addressee;
	size_t i;

	for (i = 0; i < work->count; i++) {
		addressee = &work->addressees[i];
		if (addressee->findings.findings.count == 0)
			continue;
		(void)ctl_error(EX_DATAERR, "cannot encrypt to %s:%s%s",
		    addressee->address,
		    addressee->findings.detail[0] != '\0' ? " " : "",
		    addressee->findings.detail);
		ctl_print_findings(work->ctl, stderr,
		    &addressee->findings.findings, "  ");
	}
}

/* -------------------------------------------------------------- output --- */

static void
json_copies(struct json *json, const struct work *work)
{
	char name[32];
	size_t i, j;

	json_array(json, "copies");
	for (i = 0; i < work->copies.count; i++) {
		json_object(json, NULL);
		snprintf(name, sizeof(name), "%zu.eml", i + 1);
		json_string(json, "file", name);
		json_array(json, "recipients");
		for (j = 0; j < work->count; j++)
			if (work->readers[j].copy == i)
				json_string(json, NULL,
				    work->readers[j].address);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

static void
print_json(const struct work *work, const struct ctl_signed *made,
    const char *message)
{
	const struct addressee *addressee;
	char serial[SERIAL_TEXT_MAX];
	struct json json;
	size_t i;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_bool(&json, "encrypted", made != NULL);
	json_string(&json, "cipher", smime_cipher_word(work->message->cipher));
	json_array(&json, "recipients");
	for (i = 0; i < work->count; i++) {
		addressee = &work->addressees[i];
		cert_serial(sk_X509_value(addressee->certs, 0), serial,
		    sizeof(serial));
		json_object(&json, NULL);
		json_string(&json, "address", addressee->address);
		json_string(&json, "serial", serial);
		json_bool(&json, "usable",
		    addressee->findings.findings.count == 0);
		json_findings(&json, "problems", &addressee->findings.findings,
		    work->ctl->id);
		json_end(&json);
	}
	json_end(&json);
	json_string(&json, "from", made == NULL ? NULL : made->plan.from);
	json_string(&json, "serial", made == NULL ? NULL :
	    made->outcome.serial);
	if (work->message->copies_dir != NULL && made != NULL)
		json_copies(&json, work);
	else
		json_string(&json, "message_base64", message);
	json_end(&json);
}

/* A file that is there already is somebody's. */
static FILE *
create_copy(const struct work *work, size_t copy, struct smime_error *err)
{
	char path[PATH_MAX];
	FILE *stream;
	int fd;

	snprintf(path, sizeof(path), "%s/%zu.eml", work->message->copies_dir,
	    copy + 1);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	stream = fd == -1 ? NULL : fdopen(fd, "w");
	if (stream == NULL) {
		smime_error_set(err, "%s", path);
		if (fd != -1)
			close(fd);
	}
	return stream;
}

static int
write_copy(const struct work *work, const struct ctl_signed *made,
    const struct ctl_hiding *hiding, size_t copy, struct smime_error *err)
{
	struct composed *sealed = NULL;
	struct recipient *recipients;
	FILE *stream = NULL;
	size_t i, n = 0;
	int rc = -1;

	recipients = calloc(work->count + 1, sizeof(*recipients));
	if (recipients == NULL)
		return smime_error_set(err, "a copy");
	for (i = 0; i < work->count; i++)
		if (work->readers[i].copy == copy)
			recipients[n++] = work->recipients[i];
	sealed = compose_encrypted(made->outcome.composed,
	    work->message->cipher, recipients, n, err);
	if (sealed == NULL || (stream = create_copy(work, copy, err)) == NULL)
		goto out;
	rc = ctl_put_message(stream, work->ctl->conf, work->message, sealed,
	    hiding, err);
	if (fclose(stream) != 0 && rc == 0)
		rc = smime_error_set(err, "writing a copy");
out:
	composed_free(sealed);
	free(recipients);
	return rc;
}

static int
print_copies(const struct work *work, const struct ctl_signed *made,
    const struct ctl_hiding *hiding)
{
	struct smime_error err = { "" };
	size_t i, j;

	for (i = 0; i < work->copies.count; i++)
		if (write_copy(work, made, hiding, i, &err) == -1)
			return ctl_error(EX_CANTCREAT, "%s", err.text);
	if (work->ctl->json) {
		print_json(work, made, NULL);
		return ctl_finish();
	}
	for (i = 0; i < work->copies.count; i++) {
		printf("%zu.eml", i + 1);
		for (j = 0; j < work->count; j++)
			if (work->readers[j].copy == i)
				printf(" %s%s", work->readers[j].address,
				    work->readers[j].hidden ? " (hidden)" : "");
		putchar('\n');
	}
	return ctl_finish();
}

static int
print_message(const struct work *work, const struct ctl_signed *made,
    const struct ctl_hiding *hiding, struct composed *sealed)
{
	const struct conf *conf = work->ctl->conf;
	struct smime_error err = { "" };
	char *text;

	if (!work->ctl->json) {
		if (ctl_put_message(stdout, conf, work->message, sealed,
		    hiding, &err) == -1)
			return ctl_error(EX_IOERR, "%s", err.text);
		return ctl_finish();
	}
	text = ctl_message_base64(conf, work->message, sealed, hiding, &err);
	if (text == NULL)
		return ctl_error(EX_IOERR, "%s", err.text);
	print_json(work, made, text);
	free(text);
	return ctl_finish();
}

/* What asked for a hidden Subject must not leave with an open one. */
static int
seal(const struct work *work, const struct ctl_signed *made,
    struct ctl_hiding *hiding)
{
	const struct outcome *outcome = &made->outcome;
	struct smime_error err = { "" };
	struct composed *sealed;
	int status;

	if (outcome->action != PLAN_SIGN)
		return ctl_error(outcome->why == WHY_INTERNAL ? EX_TEMPFAIL :
		    EX_DATAERR, "not signed, so not encrypted: %s%s%s",
		    policy_why_word(outcome->why), outcome->detail[0] == '\0' ?
		    "" : ": ", outcome->detail);
	hiding->confidential = outcome->canon.confidential;
	if (hiding->subject && !hiding->confidential)
		return ctl_error(EX_DATAERR, "the Subject cannot be hidden: "
		    "%s; --show-subject leaves it as it is",
		    outcome->canon.unprotected != NULL ?
		    outcome->canon.unprotected : "no header protection");
	if (work->message->copies_dir != NULL)
		return print_copies(work, made, hiding);
	sealed = compose_encrypted(outcome->composed, work->message->cipher,
	    work->recipients, work->count, &err);
	if (sealed == NULL)
		return ctl_error(EX_TEMPFAIL, "%s", err.text);
	status = print_message(work, made, hiding, sealed);
	composed_free(sealed);
	return status;
}

/* -------------------------------------------------------------- dividing --- */

/* Each has a certificate here: what is left to ask is who is hidden. */
static int
divide(struct work *work, const struct plan *plan)
{
	const struct copy_rules rules = { .own_copies = true,
	    .split_by_key = plan->rule != NULL && plan->rule->split_by_key };
	struct reader *reader;
	size_t i;

	for (i = 0; i < work->count; i++) {
		reader = &work->readers[i];
		reader->address = work->addressees[i].address;
		reader->key = cert_is_rsa(work->recipients[i].cert) ?
		    READER_RSA : READER_EC;
		reader->hidden = work->count > 1 &&
		    strcmp(reader->address, plan->from) != 0 &&
		    !address_is_shown(&work->message->header,
		    reader->address);
	}
	if (copies_plan(&rules, work->readers, work->count, &work->copies) ==
	    WHY_NONE)
		return EX_OK;
	return ctl_error(EX_DATAERR, "these would be more than %d copies",
	    COPIES_MAX);
}

/* In one message, the name of a hidden one is for all to see. */
static void
warn_of_hidden(const struct work *work)
{
	size_t i;

	for (i = 0; i < work->count; i++)
		if (work->readers[i].hidden)
			(void)ctl_error(EX_OK, "%s is in neither To nor Cc, and "
			    "this message shows the other readers that it is "
			    "for them too; --copies writes one for each",
			    work->readers[i].address);
}

/* --------------------------------------------------------------- command --- */

static int
run(struct work *work, struct keystore *store)
{
	struct ctl_hiding hiding = { true, !work->message->show_subject };
	struct ctl_signed made;
	int status;

	if ((status = check_all(work)) != EX_OK)
		return status;
	if (work->unusable) {
		if (work->ctl->json)
			print_json(work, NULL, NULL);
		complain(work);
		return EX_DATAERR;
	}
	status = ctl_sign(work->ctl, work->message, store, &hiding, &made);
	if (status == EX_OK)
		status = divide(work, &made.plan);
	if (status == EX_OK && work->message->copies_dir == NULL)
		warn_of_hidden(work);
	if (status == EX_OK)
		status = seal(work, &made, &hiding);
	ctl_signed_clear(&made);
	return status;
}

static int
begin(struct work *work)
{
	struct smime_error err = { "" };
	struct keystore *store = NULL;
	int status = EX_OSERR;

	if (work->message->body == NULL || work->count == 0)
		return ctl_usage(work->ctl);
	if (work->addressees == NULL || work->recipients == NULL ||
	    work->readers == NULL)
		return ctl_error(EX_OSERR, "out of memory");
	if ((store = ctl_keystore(work->ctl, &status)) == NULL)
		return status;
	status = audit_open(work->ctl->conf, &err) == -1 ?
	    ctl_error(EX_CANTCREAT, "%s", err.text) : run(work, store);
	keystore_close(store);
	return status;
}

int
cmd_encrypt(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_message message;
	struct work work = { .ctl = ctl, .message = &message };
	size_t i;
	int status;

	status = ctl_message_options(ctl, argc, argv, &message);
	work.count = message.facts.recipient_count;
	work.addressees = calloc(work.count + 1, sizeof(*work.addressees));
	work.recipients = calloc(work.count + 1, sizeof(*work.recipients));
	work.readers = calloc(work.count + 1, sizeof(*work.readers));
	if (status == EX_OK)
		status = begin(&work);
	for (i = 0; work.addressees != NULL && i < work.count; i++)
		sk_X509_pop_free(work.addressees[i].certs, X509_free);
	free(work.addressees);
	free(work.recipients);
	free(work.readers);
	ctl_message_clear(&message);
	return status;
}
