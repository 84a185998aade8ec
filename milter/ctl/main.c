/*
 * main.c - sampulctl(8): finds the sub-command and runs it.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../conf.h"
#include "../log.h"
#include "ctl.h"

#define DEFAULT_FILE	SAMPUL_SYSCONFDIR "/sampul/sampul.conf"

static const struct command commands[] = {
	{ "init", cmd_init, "",
	    "make keystore, passphrase, spool and log directories" },
	{ "import", cmd_import, "[--cert file --key file | --p12 file |\n"
	    "\t    --cert file --token uri] [--passphrase-file file] "
	    "[--chain file]\n\t    "
	    "[--override reason]\n\t    [--own-passphrase | "
	    "--own-passphrase-file file] address",
	    "put a certificate and its key into the keystore" },
	{ "suspend", cmd_suspend, "[--reason text] address",
	    "let nothing be signed for an address" },
	{ "resume", cmd_resume, "[--reason text] address",
	    "take that back" },
	{ "destroy", cmd_destroy, "[--yes] [--reason text] address serial",
	    "wipe a private key for good, on record" },
	{ "rekey", cmd_rekey, "[--new-passphrase-file file] [--offline]",
	    "change the keystore's passphrase" },
	{ "unlock", cmd_unlock, "[--fd number] address",
	    "open a key with its owner's passphrase, for a time" },
	{ "lock", cmd_lock, "address | --all",
	    "close it" },
	{ "status", cmd_status, "[address]",
	    "which keys are unlocked, and until when" },
	{ "list", cmd_list, "",
	    "one line for each certificate" },
	{ "show", cmd_show, "address",
	    "everything about the certificates of one address" },
	{ "check", cmd_check, "",
	    "check configuration, directories, every certificate and key" },
	{ "partners", cmd_partners, "list | show address | add address file | "
	    "pin address |\n\t    forget [--pinned] address",
	    "certificates of others, to encrypt to" },
	{ "explain", cmd_explain, "[--from address] [--to address] "
	    "[--login name]\n\t    [--client ip] [--daemon name] "
	    "[--sender address]\n\t    [--header \"Name: value\"] "
	    "[--size octets] [message]",
	    "what would happen to a message, and why" },
	{ "sign", cmd_sign, "[options of explain] message",
	    "sign a message file as the milter would" },
	{ "encrypt", cmd_encrypt, "--to address --cert file ... "
	    "[--cipher name] [--oaep]\n\t    [--show-subject] "
	    "[--copies directory] [options of explain]\n\t    message",
	    "sign a message file, encrypt it and print it" },
	{ "verify", cmd_verify, "[--brief] [message]",
	    "what an incoming message's signature is worth, and why" },
	{ "trust", cmd_trust, "list | add [--yes] [--incoming | "
	    "--intermediate]\n\t    [--name name] file | "
	    "remove [--yes] file-or-fingerprint",
	    "authorities that are believed, and their revocation lists" },
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static int
usage(FILE *out, int status)
{
	size_t i;

	fputs("usage: sampulctl [-h] [-c file] [--json] command ...\n\n", out);
	for (i = 0; i < COMMANDS; i++)
		fprintf(out, "    %s%s%s\n\t%s\n", commands[i].name,
		    commands[i].arguments[0] != '\0' ? " " : "",
		    commands[i].arguments, commands[i].summary);
	fputs("\nThe manual is sampulctl(8).\n", out);
	return status;
}

/*
 * --json is understood on both sides of the sub-command, because people write
 * it where they think of it.
 */
static int
take_json(struct ctl *ctl, int argc, char **argv)
{
	int i, kept = 0;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (strcmp(argv[i], "--json") == 0)
			ctl->json = true;
		else
			argv[kept++] = argv[i];
	}
	for (; i < argc; i++)
		argv[kept++] = argv[i];
	argv[kept] = NULL;
	return kept;
}

static int
run(struct ctl *ctl, int argc, char **argv)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			break;
	if (i == COMMANDS) {
		ctl_error(EX_USAGE, "no sub-command \"%s\"", argv[0]);
		return usage(stderr, EX_USAGE);
	}
	ctl->command = &commands[i];
	argc = take_json(ctl, argc, argv);
	if (argc > 1 && (strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "--help") == 0)) {
		printf("usage: sampulctl [-c file] [--json] %s %s\n\t%s\n",
		    ctl->command->name, ctl->command->arguments,
		    ctl->command->summary);
		return ctl_finish();
	}
	optind = 0;	/* glibc: start anew with another vector */
	return ctl->command->run(ctl, argc, argv);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct ctl ctl = { .file = DEFAULT_FILE };
	int c, status;

	log_open("sampulctl", true, LOG_LEVEL_WARNING);
	while ((c = getopt_long(argc, argv, "+c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ctl.file = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 'h':
			return usage(stdout, EX_OK);
		default:
			return usage(stderr, EX_USAGE);
		}
	}
	if (optind == argc)
		return usage(stderr, EX_USAGE);
	status = run(&ctl, argc - optind, argv + optind);
	conf_unref(ctl.conf);
	return status;
}
