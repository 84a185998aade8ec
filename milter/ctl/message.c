/*
 * message.c - a message on the command line, and how it arrived.
 */
#include <arpa/inet.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../outgoing.h"
#include "../policy.h"
#include "ctl.h"

#define INPUT_MAX	(256U * 1024 * 1024)
#define PIECE		65536

enum { OPT_FROM = 256, OPT_TO, OPT_LOGIN, OPT_CLIENT, OPT_DAEMON, OPT_SENDER,
	OPT_HEADER, OPT_SIZE, OPT_CERT, OPT_CIPHER, OPT_OAEP, OPT_SUBJECT,
	OPT_COPIES };

static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "login", required_argument, NULL, OPT_LOGIN },
	{ "client", required_argument, NULL, OPT_CLIENT },
	{ "daemon", required_argument, NULL, OPT_DAEMON },
	{ "sender", required_argument, NULL, OPT_SENDER },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "cert", required_argument, NULL, OPT_CERT },
	{ "cipher", required_argument, NULL, OPT_CIPHER },
	{ "oaep", no_argument, NULL, OPT_OAEP },
	{ "show-subject", no_argument, NULL, OPT_SUBJECT },
	{ "copies", required_argument, NULL, OPT_COPIES },
	{ NULL, 0, NULL, 0 }
};

/* ------------------------------------------------------------- options --- */

static int
add_field(struct ctl_message *message, const char *name, size_t name_len,
    const char *value)
{
	struct smime_error err = { "" };
	char *spaced;
	int rc;

	if (asprintf(&spaced, "%s%s", value[0] == ' ' ? "" : " ", value) == -1)
		return ctl_error(EX_OSERR, "out of memory");
	rc = header_add(&message->header, name, name_len, spaced,
	    strlen(spaced), 0, &err);
	free(spaced);
	return rc == 0 ? EX_OK : ctl_error(EX_OSERR, "%s", err.text);
}

/* "Name: value" */
static int
add_header(struct ctl_message *message, const char *text)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL || colon == text ||
	    strcspn(text, " \t") < (size_t)(colon - text))
		return ctl_error(EX_USAGE, "--header takes \"Name: value\", "
		    "not \"%s\"", text);
	return add_field(message, text, (size_t)(colon - text), colon + 1);
}

static int
set_client(struct ctl_message *message, const char *text)
{
	struct sockaddr_in *in = (void *)&message->client;
	struct sockaddr_in6 *in6 = (void *)&message->client;

	memset(&message->client, 0, sizeof(message->client));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	else
		return ctl_error(EX_USAGE, "--client takes an address, not "
		    "\"%s\"", text);
	message->facts.client =
	    (const struct sockaddr *)(const void *)&message->client;
	return EX_OK;
}

static int
set_size(struct ctl_message *message, const char *text)
{
	char *end;

	errno = 0;
	message->facts.size = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
		return ctl_error(EX_USAGE, "--size takes octets, not \"%s\"",
		    text);
	return EX_OK;
}

static int
set_sender(struct ctl_message *message, const char *text)
{
	if (text[0] == '\0' || strcmp(text, "<>") == 0)
		message->sender[0] = '\0';
	else if (!address_canonical(text, strlen(text), message->sender))
		return ctl_error(EX_USAGE, "--sender takes an address or "
		    "\"<>\", not \"%s\"", text);
	return EX_OK;
}

/* The certificate of the recipient that was named last. */
static int
set_cert(struct ctl_message *message, const char *path)
{
	size_t n = message->facts.recipient_count;

	if (n == 0 || message->certs[n - 1] != NULL)
		return ctl_error(EX_USAGE,
		    "--cert belongs behind the --to that it is for");
	message->certs[n - 1] = path;
	return EX_OK;
}

static int
set_cipher(struct ctl_message *message, const char *word)
{
	enum smime_cipher cipher;

	for (cipher = CIPHER_AES256_CBC; cipher <= CIPHER_AES128_GCM; cipher++)
		if (strcmp(word, smime_cipher_word(cipher)) == 0) {
			message->cipher = cipher;
			return EX_OK;
		}
	return ctl_error(EX_USAGE, "--cipher takes aes256-cbc, aes256-gcm or "
	    "aes128-gcm, not \"%s\"", word);
}

/* Options that encrypt has and the others have not. */
static int
encrypt_option(struct ctl *ctl, struct ctl_message *message, int option,
    const char *value)
{
	if (ctl->command->run != cmd_encrypt)
		return ctl_usage(ctl);
	switch (option) {
	case OPT_CERT:
		return set_cert(message, value);
	case OPT_CIPHER:
		return set_cipher(message, value);
	case OPT_OAEP:
		message->oaep = true;
		return EX_OK;
	case OPT_SUBJECT:
		message->show_subject = true;
		return EX_OK;
	case OPT_COPIES:
		message->copies_dir = value;
		return EX_OK;
	default:
		return ctl_usage(ctl);
	}
}

static int
one_option(struct ctl *ctl, struct ctl_message *message, int option,
    const char *value)
{
	switch (option) {
	case OPT_FROM:
		return add_field(message, "From", 4, value);
	case OPT_TO:
		message->recipients[message->facts.recipient_count++] = value;
		return EX_OK;
	case OPT_LOGIN:
		message->facts.login = value;
		return EX_OK;
	case OPT_CLIENT:
		return set_client(message, value);
	case OPT_DAEMON:
		message->facts.daemon = value;
		return EX_OK;
	case OPT_SENDER:
		return set_sender(message, value);
	case OPT_HEADER:
		return add_header(message, value);
	case OPT_SIZE:
		return set_size(message, value);
	default:
		return encrypt_option(ctl, message, option, value);
	}
}

/* Whether lines end in CRLF, going by the first. */
static bool
has_crlf(const char *buf, size_t len)
{
	const char *lf = memchr(buf, '\n', len);

	return lf != NULL && lf > buf && lf[-1] == '\r';
}

int
ctl_message_read(struct ctl_message *message, const char *path)
{
	struct smime_error err = { "" };
	size_t used;
	bool body;

	message->buf = ctl_read_file(strcmp(path, "-") == 0 ? "/dev/stdin" :
	    path, INPUT_MAX, &message->len, &err);
	if (message->buf == NULL)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (header_parse(&message->header, message->buf, message->len, 0,
	    &used, &body, &err) == -1)
		return ctl_error(EX_DATAERR, "%s: %s", path, err.text);
	message->body = message->buf + used;
	message->body_len = message->len - used;
	message->wire = has_crlf(message->buf, message->len);
	return EX_OK;
}

int
ctl_message_options(struct ctl *ctl, int argc, char **argv,
    struct ctl_message *out)
{
	int option, status;

	memset(out, 0, sizeof(*out));
	out->recipients = calloc((size_t)argc, sizeof(*out->recipients));
	out->certs = calloc((size_t)argc, sizeof(*out->certs));
	if (out->recipients == NULL || out->certs == NULL)
		return ctl_error(EX_OSERR, "out of memory");
	/* Anything but null; no rule asks for more. */
	snprintf(out->sender, sizeof(out->sender), "sender");
	out->facts.login = out->facts.daemon = "";
	out->facts.size = UINT64_MAX;
	out->facts.header = &out->header;
	out->facts.sender = out->sender;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if ((status = one_option(ctl, out, option, optarg)) != EX_OK)
			return status;
	out->facts.recipients = (const char *const *)out->recipients;
	out->facts.local = origin_is_local_client(out->facts.client);
	if (argc - optind > 1)
		return ctl_usage(ctl);
	if (argc - optind == 1)
		return ctl_message_read(out, argv[optind]);
	return EX_OK;
}

void
ctl_message_clear(struct ctl_message *message)
{
	header_clear(&message->header);
	free(message->recipients);
	free(message->certs);
	if (message->buf != NULL)
		OPENSSL_clear_free(message->buf, message->len + 1);
	memset(message, 0, sizeof(*message));
}

/* ---------------------------------------------------------------- body --- */

/*
 * A LF without its CR, as files have it, gets one. In a file with CRLF it stays
 * what it is, or an attachment in binary would not come out as it went in.
 */
int
ctl_message_each(const struct ctl_message *message, smime_sink each, void *arg)
{
	const char *p = message->body;
	unsigned char *piece;
	size_t i, len = 0;
	int rc = -1;

	if ((piece = malloc(PIECE + 2)) == NULL)
		return -1;
	for (i = 0; i < message->body_len; i++) {
		if (!message->wire && p[i] == '\n' &&
		    (i == 0 || p[i - 1] != '\r'))
			piece[len++] = '\r';
		piece[len++] = (unsigned char)p[i];
		if (len < PIECE)
			continue;
		if (each(arg, piece, len) == -1)
			goto out;
		len = 0;
	}
	if (len > 0 && each(arg, piece, len) == -1)
		goto out;
	rc = 0;
out:
	free(piece);
	return rc;
}

struct feeding {
	struct canon		*canon;
	struct smime_error	*err;
};

static int
feed_piece(void *arg, const unsigned char *buf, size_t len)
{
	struct feeding *feeding = arg;

	return canon_body(feeding->canon, buf, len, feeding->err);
}

struct canon *
ctl_message_canon(const struct ctl_message *message, const struct conf *conf,
    const struct plan *plan, const struct ctl_hiding *hiding,
    struct canon_result *result, struct smime_error *err)
{
	struct canon_settings settings;
	struct feeding feeding = { NULL, err };

	outgoing_settings(conf, plan, false, &settings);
	if (hiding != NULL) {
		settings.confidential = hiding->confidential;
		settings.hide_subject = hiding->subject;
		settings.legacy_display = hiding->subject;
	}
	feeding.canon = canon_new(&settings, &message->header, SMIME_SHA256,
	    err);
	if (feeding.canon == NULL)
		return NULL;
	if (ctl_message_each(message, feed_piece, &feeding) == -1 ||
	    canon_finish(feeding.canon, result, err) == -1) {
		(void)smime_error_setx(err, "out of memory");
		canon_free(feeding.canon);
		return NULL;
	}
	return feeding.canon;
}

int
ctl_message_decide(struct ctl_message *message, const struct conf *conf,
    struct plan *plan, struct smime_error *err)
{
	struct canon_result result;
	struct canon *canon;

	policy_decide(conf, &message->facts, plan);
	if (plan->action != PLAN_LATER || message->body == NULL)
		return 0;
	canon = ctl_message_canon(message, conf, plan, NULL, &result, err);
	if (canon == NULL)
		return -1;
	message->facts.size = canon_received(canon);
	message->facts.has_calendar = result.has_calendar;
	canon_free(canon);
	policy_decide(conf, &message->facts, plan);
	return 0;
}
