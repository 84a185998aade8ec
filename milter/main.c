/*
 * main.c - sampul-milter: options, checks, and on to the supervisor.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "keys/keystore.h"
#include "log.h"
#include "process.h"
#include "sandbox.h"

#define DEFAULT_FILE	SAMPUL_SYSCONFDIR "/sampul/sampul.conf"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE	(2048 * 1024)	/* instrumented frames are larger */
#else
#define STACK_SIZE	(256 * 1024)
#endif

struct options {
	const char	*file;
	bool		 foreground;
	bool		 debug;
	int		 check;		/* -n once or twice */
};

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: sampul-milter [-FdV] [-n[n]] [-c file]\n");
	exit(EX_USAGE);
}

static void
parse_options(int argc, char **argv, struct options *out)
{
	int c;

	while ((c = getopt(argc, argv, "c:FdnV")) != -1)
		switch (c) {
		case 'c':
			out->file = optarg;
			break;
		case 'F':
			out->foreground = true;
			break;
		case 'd':
			out->debug = true;
			break;
		case 'n':
			out->check++;
			break;
		case 'V':
			printf("sampul-milter %s\n", SAMPUL_VERSION);
			exit(EX_OK);
		default:
			usage();
		}
	if (optind != argc)
		usage();
}

/* --------------------------------------------------------------- checks --- */

static void
print_finding(void *arg, bool is_error, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", is_error ? "error" : "warning", text);
}

struct tally {
	size_t	usable;
	size_t	unusable;
};

static int
check_entry(void *arg, const struct keystore_entry *entry)
{
	struct tally *tally = arg;
	size_t i;

	if (entry->state == ENTRY_USABLE || entry->state == ENTRY_LOCKED) {
		tally->usable++;
		return 0;
	}
	if (entry->state == ENTRY_DESTROYED)
		return 0;
	if (entry->state == ENTRY_SUSPENDED) {
		fprintf(stderr, "warning: %s/%s: suspended\n", entry->address,
		    entry->folder);
		return 0;
	}
	tally->unusable++;
	if (entry->state == ENTRY_UNREADABLE)
		fprintf(stderr, "warning: %s/%s: %s\n", entry->address,
		    entry->folder, entry->text);
	for (i = 0; entry->state == ENTRY_UNFIT && i < entry->findings.count;
	    i++)
		fprintf(stderr, "warning: %s/%s: %s\n", entry->address,
		    entry->folder, cert_problem_text(entry->findings.problem[i],
		    false));
	return 0;
}

/*
 * Every key and certificate. A bad entry is a warning: it is left out when the
 * daemon meets it, and other mailboxes are signed for.
 */
static int
check_keystore(const struct conf *conf)
{
	struct smime_error err = { "" };
	struct tally tally = { 0, 0 };
	struct keystore *store = NULL;
	int rc = -1;

	store = keystore_open_conf(conf, &err);
	if (store == NULL || keystore_each(store, NULL, true, time(NULL),
	    check_entry, &tally, &err) == -1)
		goto out;
	printf("%s: %zu usable, %zu unusable\n", conf->keystore_dir,
	    tally.usable, tally.unusable);
	rc = 0;
out:
	if (rc == -1)
		fprintf(stderr, "error: %s\n", err.text);
	keystore_close(store);
	return rc;
}

/* A credential is there for the service alone, not for who checks by hand. */
static bool
has_passphrase(const struct conf *conf)
{
	return strncmp(conf->passphrase_file, "credential:", 11) != 0 ||
	    getenv("CREDENTIALS_DIRECTORY") != NULL;
}

static int
check_only(const struct conf *conf, bool print)
{
	size_t errors;

	errors = conf_check(conf, print_finding, NULL);
	if (print)
		conf_print(conf, stdout);
	if (errors > 0)
		return EX_CONFIG;
	if (!has_passphrase(conf))
		fprintf(stderr, "warning: keys are not checked: %s is there "
		    "for the service only\n", conf->passphrase_file);
	else if (check_keystore(conf) == -1)
		return EX_CONFIG;
	printf("%s: ok\n", conf->file);
	return EX_OK;
}

/* ---------------------------------------------------------------- start --- */

/*
 * Before anything is allocated and any thread is made, for all processes:
 * libmilter has a thread for each connection, with the default stack, and
 * glibc an arena for nearly each thread.
 */
static void
tune_memory(void)
{
	pthread_attr_t attr;

	mallopt(M_ARENA_MAX, 4);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	if (pthread_attr_init(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, STACK_SIZE) == 0)
		pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

/* Reloads read it again, from another directory when in the background. */
static char *
absolute(const char *file)
{
	char *cwd, *path = NULL;

	if (*file == '/')
		return strdup(file);
	if ((cwd = getcwd(NULL, 0)) == NULL)
		return NULL;
	if (asprintf(&path, "%s/%s", cwd, file) == -1)
		path = NULL;
	free(cwd);
	return path;
}

static int
serve(struct conf *conf, const struct options *options, const char *file)
{
	struct smime_error err = { "" };

	if (conf_check(conf, log_finding, NULL) > 0)
		return EX_CONFIG;
	if (geteuid() != 0 && (conf->user[0] != '\0' ||
	    conf->key_user[0] != '\0'))
		log_info("not started as root: user and key_user are ignored, "
		    "keys and mail are not kept apart by users");
	if (sandbox_harden(&err) == -1 ||
	    sandbox_enter(SANDBOX_SUPERVISOR, conf, &err) == -1) {
		log_error("%s", err.text);
		return EX_OSERR;
	}
	return supervise(conf, file, options->foreground);
}

int
main(int argc, char **argv)
{
	struct options options = { .file = DEFAULT_FILE };
	struct smime_error err = { "" };
	struct conf *conf;
	char *file;
	int status;

	parse_options(argc, argv, &options);
	tune_memory();
	closefrom(STDERR_FILENO + 1);
	log_open("sampul-milter", true, LOG_LEVEL_INFO);
	if (options.debug)
		log_debug_always();
	if ((file = absolute(options.file)) == NULL) {
		log_error("%s: %m", options.file);
		return EX_OSERR;
	}
	if ((conf = conf_read(file, &err)) == NULL) {
		fprintf(stderr, "sampul-milter: %s\n", err.text);
		free(file);
		return EX_CONFIG;
	}
	log_set_level(conf->log_level);
	if (options.check > 0)
		status = check_only(conf, options.check > 1);
	else
		status = serve(conf, &options, file);
	conf_unref(conf);
	free(file);
	return status;
}
