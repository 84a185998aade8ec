/*
 * verify_milter.c - the plain way to verify: keep the message, and at its end
 * hand it to OpenSSL, which parses it, builds the chain and asks the lists
 * anew each time. With -c it only keeps the message. The no-reply steps are
 * negotiated; authorities and lists are read once, at the start.
 */
#include <err.h>
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define STEPS	(SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | \
		 SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | \
		 SMFIP_NR_EOH | SMFIP_NR_BODY)

struct message {
	char	*text;
	size_t	 len;
	size_t	 size;
};

static char name[] = "verify", field[] = "Authentication-Results";
static char good[] = "bench.example; smime=pass";
static char bad[] = "bench.example; smime=fail";
static int collect_only;
static X509_STORE *store;

static sfsistat
negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *pf0, unsigned long *pf1,
    unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*pf0 = f0 & (SMFIF_CHGHDRS | SMFIF_ADDHDRS);
	*pf1 = f1 & STEPS;
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

static void
forget(SMFICTX *ctx)
{
	struct message *message = smfi_getpriv(ctx);

	if (message == NULL)
		return;
	free(message->text);
	free(message);
	smfi_setpriv(ctx, NULL);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	(void)argv;
	forget(ctx);
	smfi_setpriv(ctx, calloc(1, sizeof(struct message)));
	return SMFIS_NOREPLY;
}

static void
add(SMFICTX *ctx, const void *p, size_t len)
{
	struct message *message = smfi_getpriv(ctx);
	char *grown;

	if (message == NULL)
		return;
	if (message->size - message->len < len) {
		message->size = (message->len + len) * 2;
		if ((grown = realloc(message->text, message->size)) == NULL)
			err(71, "message");
		message->text = grown;
	}
	memcpy(message->text + message->len, p, len);
	message->len += len;
}

static sfsistat
on_header(SMFICTX *ctx, char *key, char *value)
{
	add(ctx, key, strlen(key));
	add(ctx, ": ", 2);
	add(ctx, value, strlen(value));
	add(ctx, "\r\n", 2);
	return SMFIS_NOREPLY;
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	add(ctx, "\r\n", 2);
	return SMFIS_NOREPLY;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t len)
{
	add(ctx, chunk, len);
	return SMFIS_NOREPLY;
}

static int
verify(const struct message *message)
{
	BIO *in = BIO_new_mem_buf(message->text, (int)message->len);
	BIO *content = NULL;
	CMS_ContentInfo *cms;
	int ok;

	cms = SMIME_read_CMS(in, &content);
	ok = cms != NULL && CMS_verify(cms, NULL, store, content, NULL,
	    CMS_BINARY | CMS_NOCRL) == 1;
	ERR_clear_error();
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	BIO_free(in);
	return ok;
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct message *message = smfi_getpriv(ctx);
	sfsistat result = SMFIS_ACCEPT;

	if (message == NULL || (!collect_only && smfi_insheader(ctx, 0, field,
	    verify(message) ? good : bad) == MI_FAILURE))
		result = SMFIS_TEMPFAIL;
	forget(ctx);
	return result;
}

static sfsistat
on_gone(SMFICTX *ctx)
{
	forget(ctx);
	return SMFIS_CONTINUE;
}

/* Authorities and lists in PEM, any number of files. */
static void
trust(char *const *files)
{
	X509_LOOKUP *lookup;
	X509_VERIFY_PARAM *param;

	if ((store = X509_STORE_new()) == NULL ||
	    (lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file())) ==
	    NULL)
		errx(71, "no store");
	for (; *files != NULL; files++)
		if (X509_load_cert_crl_file(lookup, *files,
		    X509_FILETYPE_PEM) <= 0)
			errx(66, "%s", *files);
	param = X509_STORE_get0_param(store);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK |
	    X509_V_FLAG_CRL_CHECK_ALL);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SMIME_SIGN);
}

int
main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_CHGHDRS | SMFIF_ADDHDRS,
		.xxfi_envfrom = on_mail,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_gone,
		.xxfi_close = on_gone,
		.xxfi_negotiate = negotiate,
	};
	static char usage[] = "usage: verify_milter [-c] file ... socket";
	char *socket;
	int c;

	while ((c = getopt(argc, argv, "c")) != -1)
		if (c == 'c')
			collect_only = 1;
		else
			errx(64, "%s", usage);
	if (argc - optind < 1)
		errx(64, "%s", usage);
	socket = argv[argc - 1];
	argv[argc - 1] = NULL;
	trust(argv + optind);
	if (smfi_setconn(socket) == MI_FAILURE ||
	    smfi_register(filter) == MI_FAILURE)
		errx(71, "libmilter refuses %s", socket);
	return smfi_main() == MI_SUCCESS ? 0 : 71;
}
