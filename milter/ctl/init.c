/*
 * init.c - "sampulctl init": makes what a fresh installation needs.
 *
 * What is there already is left alone, whatever it looks like: a keystore's
 * passphrase written over would lock every key away for good.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "../conf.h"
#include "ctl.h"

#define PASSPHRASE_OCTETS	32	/* 256 random bits */
#define CREDENTIAL		"credential:"

struct step {
	const char	*what;
	const char	*path;
	mode_t		 mode;
	const char	*owner;		/* "" root, or ourselves */
	bool		 made;
};
#define STEPS_MAX	10

/* The user's numbers; ourselves where we could not give anything away. */
static int
find_owner(const char *name, uid_t *uid, gid_t *gid)
{
	struct passwd *pw;

	*uid = geteuid();
	*gid = getegid();
	if (geteuid() != 0 || name == NULL || name[0] == '\0')
		return 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return ctl_error(EX_CONFIG, "there is no user %s; make it "
		    "with: adduser --system --group --no-create-home "
		    "--home /nonexistent %s", name, name);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static int
make_parents(const char *path)
{
	char copy[4096], *p;

	snprintf(copy, sizeof(copy), "%s", path);
	for (p = strchr(copy + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST)
			return ctl_error(EX_CANTCREAT, "cannot make %s: %s",
			    copy, strerror(errno));
		*p = '/';
	}
	return 0;
}

/*
 * The directory is made closed and opened by its owner's name last, on the
 * descriptor: nobody can put another in its place meanwhile.
 */
static int
make_directory(struct step *step)
{
	uid_t uid;
	gid_t gid;
	int fd, status;

	status = find_owner(step->owner, &uid, &gid);
	if (status == 0)
		status = make_parents(step->path);
	if (status != 0)
		return status;
	if (mkdir(step->path, 0700) == -1) {
		if (errno == EEXIST)
			return 0;
		return ctl_error(EX_CANTCREAT, "cannot make %s: %s",
		    step->path, strerror(errno));
	}
	fd = open(step->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fchmod(fd, step->mode) == -1 ||
	    fchown(fd, uid, gid) == -1)
		status = ctl_error(EX_CANTCREAT, "cannot set up %s: %s",
		    step->path, strerror(errno));
	if (fd != -1)
		close(fd);
	step->made = status == 0;
	return status;
}

/* Random octets in base64 and a line end, for a file that people may copy. */
static int
random_line(char *out, size_t size, int *len)
{
	unsigned char random[PASSPHRASE_OCTETS];

	if (size < 4 * ((sizeof(random) + 2) / 3) + 2 ||
	    RAND_priv_bytes(random, sizeof(random)) != 1)
		return -1;
	*len = EVP_EncodeBlock((unsigned char *)out, random, sizeof(random));
	OPENSSL_cleanse(random, sizeof(random));
	out[(*len)++] = '\n';
	return 0;
}

static int
make_passphrase(struct step *step)
{
	char line[PASSPHRASE_OCTETS * 2];
	int fd, len = 0, status;

	status = make_parents(step->path);
	if (status != 0)
		return status;
	fd = open(step->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, step->mode);
	if (fd == -1 && errno == EEXIST)
		return 0;
	if (fd == -1)
		return ctl_error(EX_CANTCREAT, "cannot make %s: %s",
		    step->path, strerror(errno));
	if (random_line(line, sizeof(line), &len) != 0)
		status = ctl_error(EX_OSERR, "no random numbers");
	else if (write(fd, line, (size_t)len) != len || fsync(fd) == -1)
		status = ctl_error(EX_IOERR, "cannot write %s: %s",
		    step->path, strerror(errno));
	OPENSSL_cleanse(line, sizeof(line));
	close(fd);
	if (status != 0)
		unlink(step->path);
	step->made = status == 0;
	return status;
}

static bool
is_credential(const char *path)
{
	return path != NULL &&
	    strncmp(path, CREDENTIAL, strlen(CREDENTIAL)) == 0;
}

static bool
is_named(const char *path)
{
	return path != NULL && path[0] != '\0';
}

/*
 * Folders that the first mail does not need are made too: Landlock keeps out of
 * reach what is not there when the daemon starts, until it starts again.
 */
static size_t
plan_later(const struct conf *conf, struct step *steps)
{
	size_t n = 0;

	if (conf->verify && is_named(conf->crl_dir))
		steps[n++] = (struct step){ "CRLs", conf->crl_dir, 0755, "",
		    false };
	if (is_named(conf->partners_dir))
		steps[n++] = (struct step){ "partners", conf->partners_dir,
		    0755, "", false };
	if (is_named(conf->harvest_dir))
		steps[n++] = (struct step){ "harvested", conf->harvest_dir,
		    0755, conf->user, false };
	return n;
}

/* The passphrase last: it is made only where the rest could be. */
static size_t
plan_steps(const struct conf *conf, struct step *steps, char *log_dir,
    size_t log_dir_size)
{
	size_t n = 0;

	steps[n++] = (struct step){ "keystore", conf->keystore_dir, 0700,
	    conf->key_user, false };
	steps[n++] = (struct step){ "anchors", conf->anchors_dir, 0755, "",
	    false };
	if (is_named(conf->verify_anchors_dir))
		steps[n++] = (struct step){ "others' anchors",
		    conf->verify_anchors_dir, 0755, "", false };
	if (is_named(conf->intermediates_dir))
		steps[n++] = (struct step){ "intermediates",
		    conf->intermediates_dir, 0755, "", false };
	steps[n++] = (struct step){ "spool", conf->spool_dir, 0700,
	    conf->user, false };
	if (is_named(conf->audit_file))
		steps[n++] = (struct step){ "audit", ctl_parent(
		    conf->audit_file, log_dir, log_dir_size), 0750,
		    conf->key_user, false };
	n += plan_later(conf, &steps[n]);
	if (is_named(conf->passphrase_file) &&
	    !is_credential(conf->passphrase_file))
		steps[n++] = (struct step){ "passphrase",
		    conf->passphrase_file, 0600, "", false };
	return n;
}

static void
print_next(const struct conf *conf)
{
	printf("\nNext:\n"
	    "  1. \"sampulctl trust add\" puts the root certificates of your "
	    "mailbox\n     certificates into %s\n     and, with "
	    "--intermediate, what they issued into\n     %s.\n",
	    conf->anchors_dir, is_named(conf->intermediates_dir) ?
	    conf->intermediates_dir : conf->anchors_dir);
	printf("  2. sampulctl import --p12 file address    for each "
	    "mailbox.\n"
	    "  3. sampulctl check\n");
	if (is_credential(conf->passphrase_file))
		printf("The passphrase is a credential of systemd's: make its "
		    "file with\n  (umask 077; openssl rand -base64 32 "
		    ">/etc/sampul/%s)\nand name it in the unit with "
		    "LoadCredential=.\n",
		    conf->passphrase_file + strlen(CREDENTIAL));
	if (is_named(conf->passphrase_file))
		printf("Keep a copy of the passphrase (%s) apart from copies\n"
		    "of the keystore: one is worth nothing without the "
		    "other.\n", conf->passphrase_file);
}

static int
print_steps(const struct ctl *ctl, const struct step *steps, size_t count)
{
	struct json json;
	size_t i;

	if (ctl->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_array(&json, "steps");
		for (i = 0; i < count; i++) {
			json_object(&json, NULL);
			json_string(&json, "what", steps[i].what);
			json_string(&json, "path", steps[i].path);
			json_bool(&json, "made", steps[i].made);
			json_end(&json);
		}
		json_end(&json);
		json_end(&json);
		return ctl_finish();
	}
	for (i = 0; i < count; i++)
		printf("%-13s %-12s %s\n", steps[i].what, steps[i].made ?
		    "made" : "left alone", steps[i].path);
	print_next(ctl->conf);
	return ctl_finish();
}

int
cmd_init(struct ctl *ctl, int argc, char **argv)
{
	const struct conf *conf;
	struct step steps[STEPS_MAX];
	char log_dir[4096];
	size_t i, count;
	int status;

	(void)argv;
	if (argc != 1)
		return ctl_usage(ctl);
	conf = ctl_conf(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	if (!is_named(conf->passphrase_file) &&
	    !conf->insecure_unencrypted_keys)
		return ctl_error(EX_CONFIG, "%s: set "
		    "keystore.passphrase_file: private keys are kept "
		    "encrypted with what it holds", conf->file);
	if (geteuid() != 0)
		ctl_error(0, "not root: everything will belong to you, fit "
		    "for a trial under your own name");
	/* Folders on the way are for everybody, whatever root's umask is. */
	umask(022);
	count = plan_steps(conf, steps, log_dir, sizeof(log_dir));
	for (i = 0; i < count; i++) {
		status = strcmp(steps[i].what, "passphrase") == 0 ?
		    make_passphrase(&steps[i]) : make_directory(&steps[i]);
		if (status != 0)
			return status;
	}
	return print_steps(ctl, steps, count);
}
