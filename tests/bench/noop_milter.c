/*
 * noop_milter.c - the floor: a filter that looks at nothing. With -r it has
 * the MTA wait for an answer at every step, as filters do that negotiate
 * nothing; without, it negotiates the no-reply steps.
 */
#include <err.h>
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEPS	(SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | \
		 SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | \
		 SMFIP_NR_EOH | SMFIP_NR_BODY)

static char filter_name[] = "noop";
static int answer_all;

static sfsistat
negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *pf0, unsigned long *pf1,
    unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*pf0 = f0 & (SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY);
	*pf1 = answer_all ? 0 : f1 & STEPS;
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
next_step(void)
{
	return !answer_all ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	(void)ctx;
	(void)host;
	(void)address;
	return next_step();
}

static sfsistat
on_text(SMFICTX *ctx, char *text)
{
	(void)ctx;
	(void)text;
	return next_step();
}

static sfsistat
on_envelope(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return next_step();
}

static sfsistat
on_plain(SMFICTX *ctx)
{
	(void)ctx;
	return next_step();
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return next_step();
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t len)
{
	(void)ctx;
	(void)chunk;
	(void)len;
	return next_step();
}

static sfsistat
on_end(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_ACCEPT;
}

int
main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = filter_name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_text,
		.xxfi_envfrom = on_envelope,
		.xxfi_envrcpt = on_envelope,
		.xxfi_header = on_header,
		.xxfi_eoh = on_plain,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_data = on_plain,
		.xxfi_negotiate = negotiate,
	};
	int c;

	while ((c = getopt(argc, argv, "r")) != -1)
		if (c == 'r')
			answer_all = 1;
		else
			errx(64, "usage: noop_milter [-r] socket");
	if (argc - optind != 1)
		errx(64, "usage: noop_milter [-r] socket");
	if (smfi_setconn(argv[optind]) == MI_FAILURE ||
	    smfi_register(filter) == MI_FAILURE)
		errx(71, "libmilter refuses %s", argv[optind]);
	return smfi_main() == MI_SUCCESS ? 0 : 71;
}
