/*
 * import.c - "sampulctl import": puts a certificate and its key into the
 * keystore, after every check that the daemon will make, and a trial signature.
 */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/anchors.h"
#include "../keys/entry.h"
#include "../keys/tokens.h"
#include "ctl.h"
#include "import.h"
#include "token.h"

#define OWN_PASSPHRASE_MIN	10	/* octets */

struct request {
	char		 address[ADDRESS_MAX + 1];
	const char	*cert_file, *key_file, *p12_file, *chain_file;
	const char	*token;		/* --token: its URI */
	char		 uri[TOKEN_URI_MAX + 1];
	const char	*reason;	/* --override */
	struct passphrase passphrase;
	bool		 owned;		/* the key gets its owner's passphrase */
	struct passphrase own;
	time_t		 now;		/* by the clock */
	time_t		 when;		/* judged at: begin of validity when
					 * that is still to come */
};

/* What the checks found. */
struct judgement {
	struct cert_findings	 findings;
	STACK_OF(X509)		*chain;
	char			 text[SMIME_ERROR_MAX];
	bool			 pinned;
};

static int
parse(struct ctl *ctl, int argc, char **argv, struct request *out)
{
	static const struct option options[] = {
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "p12", required_argument, NULL, 'p' },
		{ "token", required_argument, NULL, 't' },
		{ "passphrase-file", required_argument, NULL, 'f' },
		{ "chain", required_argument, NULL, 'i' },
		{ "override", required_argument, NULL, 'o' },
		{ "own-passphrase", no_argument, NULL, 'w' },
		{ "own-passphrase-file", required_argument, NULL, 'W' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			out->cert_file = optarg;
			break;
		case 'k':
			out->key_file = optarg;
			break;
		case 'p':
			out->p12_file = optarg;
			break;
		case 't':
			out->token = optarg;
			break;
		case 'f':
			out->passphrase.file = optarg;
			break;
		case 'i':
			out->chain_file = optarg;
			break;
		case 'o':
			out->reason = optarg;
			break;
		case 'W':
			out->own.file = optarg;
			/* FALLTHROUGH */
		case 'w':
			out->owned = true;
			break;
		default:
			return ctl_usage(ctl);
		}
	}
	if (argc - optind != 1 ||
	    (out->cert_file != NULL) == (out->p12_file != NULL) ||
	    ((out->key_file != NULL || out->token != NULL) &&
	    out->cert_file == NULL) ||
	    (out->key_file != NULL && out->token != NULL) ||
	    (out->reason != NULL && out->reason[0] == '\0'))
		return ctl_usage(ctl);
	if (!address_canonical(argv[optind], strlen(argv[optind]),
	    out->address) || !address_is_safe_name(out->address))
		return ctl_error(EX_USAGE, "\"%s\" is not an e-mail address "
		    "that can have a folder", argv[optind]);
	return 0;
}

static bool
is_there(const char *file)
{
	return file == NULL || strcmp(file, "-") == 0 ||
	    access(file, R_OK) == 0;
}

/* What was given cannot be read, or holds what it should not. */
static int
bad_material(const struct request *request, const struct smime_error *err)
{
	bool there = is_there(request->p12_file) &&
	    is_there(request->cert_file) && is_there(request->key_file) &&
	    is_there(request->chain_file) &&
	    is_there(request->passphrase.file);

	return ctl_error(there ? EX_DATAERR : EX_NOINPUT, "%s", err->text);
}

/* Once more what key.uri may say; for an owner's, the PIN is asked for. */
static int
read_token(const struct ctl *ctl, struct request *request,
    struct ctl_tokens *tokens)
{
	char label[TOKEN_LABEL_MAX + 1], what[TOKEN_LABEL_MAX + 32];
	struct smime_error err = { "" };

	if (ctl->conf->token_module[0] == '\0')
		return ctl_error(EX_CONFIG, "%s: keystore.token_module is not "
		    "set: it names the library that talks to the token",
		    ctl->conf->file);
	if (token_uri_read(request->token, strlen(request->token),
	    request->uri, label, &err) != 0)
		return ctl_error(EX_USAGE, "--token: %s", err.text);
	snprintf(what, sizeof(what), "the PIN of token \"%s\"", label);
	if (request->owned && passphrase_get(&request->own, what, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (ctl_tokens_open(ctl->conf, tokens, &err) != 0)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	return 0;
}

static int
read_from_token(const struct ctl *ctl, struct request *request,
    struct ctl_tokens *tokens, struct material *out)
{
	struct smime_error err = { "" };
	int status;

	status = read_token(ctl, request, tokens);
	if (status == 0)
		status = material_token(out, request->cert_file,
		    tokens->client, request->uri,
		    request->owned ? &request->own : NULL);
	if (status == 0 && request->chain_file != NULL &&
	    material_chain(out, request->chain_file, &err) != 0)
		status = bad_material(request, &err);
	return status;
}

static int
read_material(struct request *request, struct material *out)
{
	struct smime_error err = { "" };
	int rc;

	if (request->p12_file != NULL)
		rc = material_p12(out, request->p12_file,
		    &request->passphrase, &err);
	else
		rc = material_pem(out, request->cert_file, request->key_file,
		    &request->passphrase, &err);
	if (rc == 0 && request->chain_file != NULL)
		rc = material_chain(out, request->chain_file, &err);
	passphrase_clear(&request->passphrase);
	return rc == 0 ? 0 : bad_material(request, &err);
}

/* Every rule of the daemon, asked by the same functions. */
static int
judge(const struct conf *conf, const struct request *request,
    const struct material *material, struct judgement *out)
{
	struct smime_error err = { "" };
	struct conf own = *conf;
	struct trust *trust;

	/* a token's was tried when it was read */
	if (request->token == NULL &&
	    X509_check_private_key(material->cert, material->key) == 1 &&
	    !key_signs_for(material->key, material->cert))
		return ctl_error(EX_DATAERR, "the private key is damaged: what "
		    "it signs does not verify");
	/* Those of others vouch for no mailbox of ours. */
	own.verify_anchors_dir = NULL;
	trust = anchors_load(&own, &err);
	if (trust == NULL)
		return ctl_error(EX_UNAVAILABLE, "%s", err.text);
	cert_check_signing(material->cert, request->address, request->when,
	    &out->findings);
	entry_add_finding(&out->findings, trust_check(trust, material->cert,
	    material->extra, request->when, &out->chain, &err));
	if (X509_check_private_key(material->cert, material->key) != 1)
		entry_add_finding(&out->findings, CERT_KEY_MISMATCH);
	snprintf(out->text, sizeof(out->text), "%s", err.text);
	trust_free(trust);
	return 0;
}

static void
refusal_json(const struct ctl *ctl, const struct request *request,
    const struct judgement *judgement, bool pinnable)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "address", request->address);
	json_string(&json, "imported", NULL);
	json_findings(&json, "findings", &judgement->findings, ctl->id);
	json_string(&json, "text", judgement->text[0] != '\0' ? judgement->text :
	    NULL);
	json_bool(&json, "may_override", pinnable);
	json_end(&json);
}

static int
refuse(const struct ctl *ctl, const struct request *request,
    const struct judgement *judgement, bool pinnable, const char *why)
{
	if (ctl->json)
		refusal_json(ctl, request, judgement, pinnable);
	fprintf(stderr, "sampulctl: the certificate was not imported%s\n",
	    why);
	ctl_print_findings(ctl, stderr, &judgement->findings, "  ");
	if (judgement->text[0] != '\0')
		fprintf(stderr, "  (%s)\n", judgement->text);
	if (pinnable)
		fprintf(stderr, "If you know that it is this mailbox's all "
		    "the same: --override \"reason\"\n");
	return EX_DATAERR;
}

static int
decide(const struct ctl *ctl, const struct request *request,
    struct judgement *judgement)
{
	bool pinnable = true;
	size_t i;

	for (i = 0; i < judgement->findings.count; i++)
		if (!entry_may_pin(judgement->findings.problem[i]))
			pinnable = false;
	if (judgement->findings.count == 0) {
		if (request->reason != NULL)
			ctl_error(0, "nothing to override: the certificate is "
			    "fit as it is");
		return 0;
	}
	if (!pinnable)
		return refuse(ctl, request, judgement, false,
		    request->reason == NULL ? ":" :
		    "; not all of this can be overridden:");
	if (request->reason == NULL)
		return refuse(ctl, request, judgement, true, ":");
	judgement->pinned = true;
	return 0;
}

/*
 * A signature by the new pair, checked as the mail process checks each one:
 * what comes out of the keystore later is known to work.
 */
static int
try_signature(const struct conf *conf, const struct request *request,
    const struct material *material, const struct judgement *judgement)
{
	struct smime_error err = { "" };
	unsigned char value[SMIME_DIGEST_MAX], *der = NULL;
	struct signer *signer;
	size_t len = 0;
	int rc = -1;

	signer = signer_new(material->cert, material->key, judgement->chain,
	    NULL, conf->pss ? SCHEME_PSS : SCHEME_DEFAULT, conf->capabilities,
	    &err);
	if (signer != NULL && RAND_bytes(value, sizeof(value)) == 1 &&
	    signer_sign(signer, value, smime_digest_size(signer_digest(
	    signer)), request->when, &der, &len, &err) == 0)
		rc = signature_check(der, len, signer_digest(signer), value,
		    request->address, judgement->pinned, request->when, NULL,
		    &err);
	OPENSSL_free(der);
	signer_free(signer);
	if (rc != 0)
		return ctl_error(EX_DATAERR, "a trial signature failed: %s",
		    err.text);
	return 0;
}

/* Date, what was found, and why it is accepted. */
static void
override_text(const struct request *request,
    const struct judgement *judgement,
    char *out, size_t size)
{
	char when[CTL_TIME_MAX], reason[512];
	size_t i, n;

	smime_printable(request->reason, strlen(request->reason), reason,
	    sizeof(reason));
	snprintf(out, size, "%s", ctl_time(request->now, when, sizeof(when)));
	for (i = 0; i < judgement->findings.count; i++) {
		n = strlen(out);
		snprintf(out + n, size - n, " %s",
		    cert_problem_word(judgement->findings.problem[i]));
	}
	n = strlen(out);
	snprintf(out + n, size - n, "\n%s\n", reason);
}

static void
receipt_json(const struct request *request, const struct placement *placement,
    const struct judgement *judgement, const char *subject, const char *issuer,
    const char *serial, const char *fingerprint)
{
	X509 *cert = placement->material->cert;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "address", request->address);
	json_string(&json, "folder", placement->folder);
	json_string(&json, "subject", subject);
	json_string(&json, "issuer", issuer);
	json_string(&json, "serial", serial);
	json_time(&json, "not_before", cert_not_before(cert));
	json_time(&json, "not_after", cert_not_after(cert));
	json_string(&json, "sha256", fingerprint);
	json_number(&json, "intermediates", sk_X509_num(judgement->chain));
	json_bool(&json, "pinned", judgement->pinned);
	json_string(&json, "custody", request->owned ? "owner" :
	    request->token != NULL ? "token" : "keystore");
	json_time(&json, "imported", request->now);
	json_end(&json);
}

static int
print_receipt(const struct ctl *ctl, const struct request *request,
    const struct placement *placement, const struct judgement *judgement)
{
	X509 *cert = placement->material->cert;
	char subject[512], issuer[512], serial[SERIAL_TEXT_MAX + 1], kind[64];
	char print[32 * 3 + 1] = "", from[CTL_TIME_MAX], to[CTL_TIME_MAX];
	unsigned char sha256[32];

	cert_subject(cert, subject, sizeof(subject));
	cert_issuer(cert, issuer, sizeof(issuer));
	cert_serial(cert, serial, sizeof(serial));
	cert_key_name(cert, kind, sizeof(kind));
	if (cert_fingerprint(cert, sha256) == 0)
		ctl_hex(sha256, sizeof(sha256), print);
	if (ctl->json) {
		receipt_json(request, placement, judgement, subject, issuer,
		    serial, print);
		return ctl_finish();
	}
	printf("Imported %s\n"
	    "  subject     %s\n  issuer      %s\n  serial      %s\n"
	    "  key         %s\n  valid       %s to %s\n"
	    "  SHA-256     %s\n  folder      %s/%s/%s\n",
	    request->address, subject, issuer, serial, kind,
	    ctl_time(cert_not_before(cert), from, sizeof(from)),
	    ctl_time(cert_not_after(cert), to, sizeof(to)), print,
	    ctl->conf->keystore_dir, request->address, placement->folder);
	printf("  imported    %s\n", ctl_time(request->now, from,
	    sizeof(from)));
	if (judgement->pinned)
		printf("  override    %s\n", request->reason);
	if (request->token != NULL)
		printf("  custody     in a token%s\n", request->owned ?
		    ", opened by its owner's PIN" : "");
	else if (request->owned)
		printf("  custody     its owner's passphrase opens the key\n");
	if (request->when > request->now)
		printf("It signs from its first day on; until then the "
		    "present one does.\n");
	return ctl_finish();
}

/* Not a rule about what it is made of: its length is what guessing costs. */
static int
own_passphrase(struct passphrase *own, const char *address)
{
	struct passphrase again = { .file = own->file };
	struct smime_error err = { "" };
	char what[ADDRESS_MAX + 32];
	bool same = true;

	snprintf(what, sizeof(what), "%s (its owner's)", address);
	if (passphrase_get(own, what, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	if (own->len < OWN_PASSPHRASE_MIN)
		return ctl_error(EX_DATAERR, "the owner's passphrase has fewer "
		    "than %d octets", OWN_PASSPHRASE_MIN);
	if (memchr(own->text, '\0', own->len) != NULL)
		return ctl_error(EX_DATAERR, "the owner's passphrase holds a "
		    "NUL");
	if (own->file != NULL)
		return 0;
	snprintf(what, sizeof(what), "%s (again)", address);
	if (passphrase_get(&again, what, &err) != 0)
		return ctl_error(EX_NOINPUT, "%s", err.text);
	same = again.len == own->len && CRYPTO_memcmp(again.text, own->text,
	    own->len) == 0;
	passphrase_clear(&again);
	return same ? 0 : ctl_error(EX_DATAERR, "the two differ");
}

static int
import(struct ctl *ctl, struct request *request, struct material *material,
    struct judgement *judgement, struct ctl_tokens *tokens)
{
	struct placement placement = { .address = request->address,
	    .material = material };
	char override[2048];
	int status;

	status = request->token != NULL ?
	    read_from_token(ctl, request, tokens, material) :
	    read_material(request, material);
	if (status != 0)
		return status;
	request->when = request->now;
	if (cert_not_before(material->cert) > request->now)
		request->when = cert_not_before(material->cert);
	status = judge(ctl->conf, request, material, judgement);
	if (status == 0)
		status = decide(ctl, request, judgement);
	if (status == 0)
		status = try_signature(ctl->conf, request, material, judgement);
	if (status != 0)
		return status;
	placement.chain = judgement->chain;
	if (judgement->pinned) {
		override_text(request, judgement, override, sizeof(override));
		placement.override = override;
	}
	if (request->token != NULL)
		placement.uri = request->uri;
	else if (request->owned) {
		status = own_passphrase(&request->own, request->address);
		if (status != 0)
			return status;
	}
	if (request->owned)
		placement.own = &request->own;
	status = place_entry(ctl->conf, &placement);
	if (status != 0)
		return status;
	return print_receipt(ctl, request, &placement, judgement);
}

int
cmd_import(struct ctl *ctl, int argc, char **argv)
{
	struct request request = { .now = time(NULL) };
	struct material material = { NULL, NULL, NULL };
	struct ctl_tokens tokens = { .fd = -1, .control = -1 };
	struct judgement judgement;
	int status;

	memset(&judgement, 0, sizeof(judgement));
	status = parse(ctl, argc, argv, &request);
	if (status != 0)
		return status;
	if (ctl_conf(ctl) == NULL)
		return EX_CONFIG;
	if (!conf_is_ours(ctl->conf, request.address))
		ctl_error(0, "%s is in none of the configured domains: "
		    "nothing will be signed for it", request.address);
	status = import(ctl, &request, &material, &judgement, &tokens);
	sk_X509_pop_free(judgement.chain, X509_free);
	material_clear(&material);
	ctl_tokens_close(&tokens);
	passphrase_clear(&request.own);
	return status;
}
