/*
 * spool_milter.c - the least that any body-changing filter does: it spools the
 * body to an unlinked file and replaces the body by what it reads back. No
 * parsing, no cryptography. The no-reply steps are negotiated.
 */
#include <err.h>
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS	(SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | \
		 SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | \
		 SMFIP_NR_EOH | SMFIP_NR_BODY)
#define MEMORY	65536	/* octets kept in memory before there is a file */

struct message {
	unsigned char	*memory;
	size_t		 used;
	FILE		*file;
};

static char name[] = "spool", field[] = "MIME-Version", value[] = "1.0";
static const char *dir = "/var/tmp";

static sfsistat
negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *pf0, unsigned long *pf1,
    unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*pf0 = f0 & (SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY);
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
	if (message->file != NULL)
		fclose(message->file);
	free(message->memory);
	free(message);
	smfi_setpriv(ctx, NULL);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct message *message;

	(void)argv;
	forget(ctx);
	message = calloc(1, sizeof(*message));
	if (message == NULL ||
	    (message->memory = malloc(MEMORY)) == NULL) {
		free(message);
		return SMFIS_TEMPFAIL;
	}
	smfi_setpriv(ctx, message);
	return SMFIS_NOREPLY;
}

static FILE *
spool_file(void)
{
	char path[4096];
	FILE *fp;
	int fd;

	snprintf(path, sizeof(path), "%s/spool.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd == -1)
		return NULL;
	unlink(path);
	fp = fdopen(fd, "w+");
	if (fp == NULL)
		close(fd);
	return fp;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t len)
{
	struct message *message = smfi_getpriv(ctx);

	if (message == NULL)
		return SMFIS_NOREPLY;
	if (message->file == NULL && message->used + len <= MEMORY) {
		memcpy(message->memory + message->used, chunk, len);
		message->used += len;
		return SMFIS_NOREPLY;
	}
	if (message->file == NULL) {
		message->file = spool_file();
		if (message->file == NULL || fwrite(message->memory, 1,
		    message->used, message->file) != message->used)
			return SMFIS_NOREPLY;
	}
	fwrite(chunk, 1, len, message->file);
	return SMFIS_NOREPLY;
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct message *message = smfi_getpriv(ctx);
	sfsistat result = SMFIS_ACCEPT;
	size_t n;

	if (message == NULL)
		return SMFIS_TEMPFAIL;
	if (smfi_chgheader(ctx, field, 1, value) == MI_FAILURE)
		result = SMFIS_TEMPFAIL;
	if (message->file == NULL) {
		if (smfi_replacebody(ctx, message->memory,
		    (int)message->used) == MI_FAILURE)
			result = SMFIS_TEMPFAIL;
	} else {
		if (fflush(message->file) != 0 || ferror(message->file))
			result = SMFIS_TEMPFAIL;
		rewind(message->file);
		while (result == SMFIS_ACCEPT && (n = fread(message->memory,
		    1, 65535, message->file)) > 0)
			if (smfi_replacebody(ctx, message->memory, (int)n) ==
			    MI_FAILURE)
				result = SMFIS_TEMPFAIL;
	}
	forget(ctx);
	return result;
}

static sfsistat
on_gone(SMFICTX *ctx)
{
	forget(ctx);
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY,
		.xxfi_envfrom = on_mail,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_gone,
		.xxfi_close = on_gone,
		.xxfi_negotiate = negotiate,
	};
	int c;

	while ((c = getopt(argc, argv, "d:")) != -1)
		if (c == 'd')
			dir = optarg;
		else
			errx(64, "usage: spool_milter [-d directory] socket");
	if (argc - optind != 1)
		errx(64, "usage: spool_milter [-d directory] socket");
	if (smfi_setconn(argv[optind]) == MI_FAILURE ||
	    smfi_register(filter) == MI_FAILURE)
		errx(71, "libmilter refuses %s", argv[optind]);
	return smfi_main() == MI_SUCCESS ? 0 : 71;
}
