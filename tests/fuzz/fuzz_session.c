/*
 * fuzz_session.c - whole messages through libmilter's callbacks. The first
 * octets choose the MTA, the origin, the form and the size of pieces; the rest
 * is the message. Whatever comes, the rules of the protocol are kept, and a
 * signed message has one MIME-Version and one Content-Type.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/editplan.h"
#include "../../milter/log.h"
#include "../../milter/outgoing.h"
#include "../../milter/session.h"
#include "../../smime/smime.h"
#include "../unit/fake_channel.h"
#include "../unit/fake_milter.c"

#define ADDRESS	"budi@dinkes.pekalongankab.go.id"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct service service;
static struct conf *confs[2];

#define QUIET(name)							\
void									\
name(const char *fmt, ...)						\
{									\
	(void)fmt;							\
}

QUIET(log_error)
QUIET(log_warning)
QUIET(log_info)
QUIET(log_debug)

/* Of log.o nothing is wanted, not even for who calls this. */
void
(syslog)(int priority, const char *fmt, ...)
{
	(void)priority;
	(void)fmt;
}

int
log_descriptor(void)
{
	return -1;
}

static void
check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	check(ext != NULL && X509_add_ext(cert, ext, -1), "extension");
	X509_EXTENSION_free(ext);
}

static struct signer *
make_signer(void)
{
	struct smime_error err = { "" };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	struct signer *signer;

	check(key != NULL && cert != NULL, "key");
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 77);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"Budi", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	add_extension(cert, NID_subject_alt_name, "email:" ADDRESS);
	add_extension(cert, NID_key_usage, "critical,digitalSignature");
	add_extension(cert, NID_ext_key_usage, "emailProtection");
	check(X509_sign(cert, key, EVP_sha256()) > 0, "certificate");
	signer = signer_new(cert, key, NULL, NULL, SCHEME_DEFAULT, 0, &err);
	check(signer != NULL, err.text);
	X509_free(cert);
	EVP_PKEY_free(key);
	return signer;
}

static struct conf *
make_conf(const char *more)
{
	struct smime_error err = { "" };
	char path[] = "/tmp/sampul-fuzz-XXXXXX", text[1024];
	struct conf *conf;
	int fd = mkstemp(path);

	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\n"
	    "authserv_id = \"mx.go.id\";\nspool = { dir = \"/tmp\"; };\n"
	    "verify = { enabled = false; };\n"
	    "origins = ( { name = \"l\"; kind = \"login\"; } );\n"
	    "rules = ( { name = \"m\"; preset = \"meeting\"; sign = \"off\";\n"
	    "  header_protection = false; },\n"
	    "  { name = \"b\"; preset = \"bounce\"; } );\n%s", more);
	check(fd != -1 && write(fd, text, strlen(text)) ==
	    (ssize_t)strlen(text), path);
	close(fd);
	conf = conf_read(path, &err);
	unlink(path);
	check(conf != NULL, err.text);
	return conf;
}

static void
begin(void)
{
	if (fake_key.signer != NULL)
		return;
	fake_key.signer = make_signer();
	fake_key.status = KEY_SIGNED;
	confs[0] = make_conf("");
	confs[1] = make_conf("default_rule = { form = \"opaque\";"
	    " allow_skip = true; };\nmilter = { max_header = 16384;"
	    " max_message = 20000; };\n");
	service.checks = check_cache_new(4);
	service.hints = digest_hints_new();
	callbacks_use(&service);
}

/*
 * A forged result behind a bare CR, which no MTA can take away alone, is the one
 * thing in a message that is answered temporarily (see editplan.c).
 */
static bool
hides_result(const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		p++;
		if (strncasecmp(p, VERIFIED_SENDER_HEADER,
		    strlen(VERIFIED_SENDER_HEADER)) == 0 ||
		    strncasecmp(p, "Authentication-Results", 22) == 0)
			return true;
	}
	return false;
}

static void
run(SMFICTX *ctx, const char *text, size_t len, size_t piece)
{
	static const char *const recipients[] = { "<a@example.org>", NULL };
	const struct fake_message message = { .sender = "<" ADDRESS ">",
	    .recipients = recipients, .text = text, .text_len = len,
	    .piece = piece };
	sfsistat status = fake_message(ctx, &message);

	check(ctx->broken[0] == '\0', ctx->broken);
	check(status == SMFIS_ACCEPT || status == SMFIS_CONTINUE ||
	    status == SMFIS_REJECT || status == SMFIS_TEMPFAIL, "status");
	check(status != SMFIS_TEMPFAIL || hides_result(text, len),
	    "a message brought a fault of ours");
	check(fake_count(ctx, VERIFIED_SENDER_HEADER) == 0 ||
	    status == SMFIS_REJECT || status == SMFIS_TEMPFAIL,
	    "a forged result is left");
	if (!ctx->replaced)
		return;
	check(fake_count(ctx, "MIME-Version") == 1, "MIME-Version");
	check(fake_count(ctx, "Content-Type") == 1, "Content-Type");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	SMFICTX *ctx;
	char *text;

	begin();
	if (len < 3)
		return 0;
	conf_replace(conf_ref(confs[data[0] & 1]));
	ctx = fake_new(data[0] & 2 ? FAKE_SENDMAIL : FAKE_POSTFIX, &callbacks,
	    data[0] & 4 ? SMFIP_HDR_LEADSPC : 0);
	fake_connect(ctx, data[0] & 8 ? NULL : "192.0.2.1");
	if ((data[0] & 0x30) != 0x30)
		fake_macro(ctx, "{auth_authen}", ADDRESS);
	text = malloc(len - 1);
	memcpy(text, data + 2, len - 2);
	text[len - 2] = '\0';
	run(ctx, text, len - 2, data[1]);
	if (data[0] & 0x40)
		run(ctx, text, len - 2, data[1]);
	free(text);
	fake_free(ctx);
	return 0;
}
