/*
 * sandbox_files.c - the files that each process may still reach (Landlock).
 *
 * Landlock came with Linux 5.13 and grew: the kernel is asked what it knows,
 * and what it does not know is left to users and modes. Its numbers are
 * defined here, because the headers of a system are often older than its
 * kernel, and there is no wrapper in the C library.
 *
 * A rule holds for what lies below a directory now and later, also when files
 * are replaced. A directory that is not there at the start stays out of reach
 * until the next; the log says which.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "conf.h"
#include "log.h"
#include "sandbox.h"
#include "submit.h"

/* As in linux/landlock.h and asm/unistd.h; the same on all of Debian's
 * machines. */
#define NR_CREATE_RULESET	444
#define NR_ADD_RULE		445
#define NR_RESTRICT_SELF	446
#define ASK_VERSION		1U
#define RULE_PATH		1
#define RULE_PORT		2

struct ruleset {
	uint64_t	 files;
	uint64_t	 net;		/* version 4 */
	uint64_t	 scoped;	/* version 6 */
};

struct rules {
	int		 fd;
	uint64_t	 handled;	/* rights that this kernel knows */
};

struct path_rule {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((packed));

struct port_rule {
	uint64_t	 allowed;
	uint64_t	 port;
};

#define WRITE_FILE	(1ULL << 1)
#define READ_FILE	(1ULL << 2)
#define READ_DIR	(1ULL << 3)
#define REMOVE_FILE	(1ULL << 5)
#define MAKE_FILE	(1ULL << 8)
#define OF_VERSION_1	((1ULL << 13) - 1)
#define REFER		(1ULL << 13)	/* version 2 */
#define TRUNCATE	(1ULL << 14)	/* version 3 */
#define IOCTL_DEVICE	(1ULL << 15)	/* version 5 */
#define NET_BOTH	3ULL		/* TCP: bind and connect */
#define NET_CONNECT	2ULL
#define SCOPE_BOTH	3ULL		/* abstract sockets, signals */
#define FOR_FILES	(WRITE_FILE | READ_FILE)

#define READ		(READ_FILE | READ_DIR)
#define APPEND		(WRITE_FILE | MAKE_FILE)
#define SPOOL		(READ_FILE | WRITE_FILE | MAKE_FILE | REMOVE_FILE | \
			TRUNCATE)

/*
 * The places, by the settings that name them. Where a file is named that
 * others replace, its directory is meant.
 */
static const struct place {
	size_t		 offset;	/* of a char * in struct conf */
	bool		 parent;
	bool		 links;		/* may lead out of the directory */
	uint64_t	 rights[SANDBOX_ROLES];
} places[] = {
#define AT(member)	offsetof(struct conf, member)
	{ AT(keystore_dir), false, false, { [SANDBOX_KEYS] = READ } },
	{ AT(audit_file), true, false, { [SANDBOX_KEYS] = APPEND } },
	{ AT(anchors_dir), false, true,
	    { [SANDBOX_KEYS] = READ, [SANDBOX_MAIL] = READ } },
	{ AT(intermediates_dir), false, true,
	    { [SANDBOX_KEYS] = READ, [SANDBOX_MAIL] = READ } },
	{ AT(verify_anchors_dir), false, true, { [SANDBOX_MAIL] = READ } },
	{ AT(partners_dir), false, false, { [SANDBOX_MAIL] = READ } },
	{ AT(harvest_dir), false, false, { [SANDBOX_MAIL] = SPOOL | READ } },
	{ AT(crl_dir), false, true,
	    { [SANDBOX_KEYS] = READ, [SANDBOX_MAIL] = READ } },
	{ AT(pins_file), true, false, { [SANDBOX_MAIL] = READ } },
	{ AT(spool_dir), false, false, { [SANDBOX_MAIL] = SPOOL } },
	/* nobody's, but read before the rights are given up, or not a file
	 * but a port: see allow_port */
	{ AT(token_module), false, false, { 0 } },
	{ AT(token_pin_file), false, false, { 0 } },
	{ AT(submit_server), false, false, { 0 } },
#undef AT
};
#define PLACES	(sizeof(places) / sizeof(places[0]))

static const char *
name_of(const struct conf *conf, const struct place *place)
{
	const char *name;

	memcpy(&name, (const char *)conf + place->offset, sizeof(name));
	return name != NULL ? name : "";
}

bool
files_same(const struct conf *now, const struct conf *next)
{
	size_t i;

	for (i = 0; i < PLACES; i++)
		if (strcmp(name_of(now, &places[i]),
		    name_of(next, &places[i])) != 0)
			return false;
	return true;
}

static uint64_t
rights_of(int version)
{
	uint64_t rights = OF_VERSION_1;

	if (version >= 2)
		rights |= REFER;
	if (version >= 3)
		rights |= TRUNCATE;
	if (version >= 5)
		rights |= IOCTL_DEVICE;
	return rights;
}

/* What a kernel of this version does not know must not be asked for. */
static int
allow_path(const struct rules *rules, const char *path, uint64_t rights,
    struct smime_error *err)
{
	struct path_rule rule;
	struct stat st;
	int fd, rc;

	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd == -1) {
		log_warning("%s cannot be reached until the next start: %s",
		    path, strerror(errno));
		return 0;
	}
	rule.fd = fd;
	rule.allowed = rights & rules->handled;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FOR_FILES;
	rc = (int)syscall(NR_ADD_RULE, rules->fd, RULE_PATH, &rule, 0U);
	if (rc == -1)
		smime_error_set(err, "Landlock: %s", path);
	close(fd);
	return rc;
}

/* The directory of a path, which links on the way to it do not hide. */
static int
allow_parent(const struct rules *rules, const char *path, uint64_t rights,
    struct smime_error *err)
{
	char dir[PATH_MAX];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL)
		return 0;
	slash[slash == dir ? 1 : 0] = '\0';
	return allow_path(rules, dir, rights, err);
}

/*
 * Certificates of authorities are often links into another directory, such as
 * a package's.
 */
static int
allow_targets(const struct rules *rules, const char *dir, struct smime_error *err)
{
	char path[PATH_MAX], *real;
	struct dirent *entry;
	int rc = 0;
	DIR *d;

	if ((d = opendir(dir)) == NULL)
		return 0;
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		if (entry->d_type != DT_LNK || snprintf(path, sizeof(path),
		    "%s/%s", dir, entry->d_name) >= (int)sizeof(path) ||
		    (real = realpath(path, NULL)) == NULL)
			continue;
		rc = allow_parent(rules, real, READ_FILE, err);
		free(real);
	}
	closedir(d);
	return rc;
}

static int
allow_places(const struct rules *rules, enum sandbox_role role,
    const struct conf *conf, struct smime_error *err)
{
	const struct place *place;
	const char *name;
	uint64_t rights;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < PLACES; i++) {
		place = &places[i];
		name = name_of(conf, place);
		rights = place->rights[role];
		if (*name == '\0' || rights == 0)
			continue;
		rc = place->parent ?
		    allow_parent(rules, name, rights, err) :
		    allow_path(rules, name, rights, err);
		if (rc == 0 && place->links)
			rc = allow_targets(rules, name, err);
	}
	return rc;
}

/* To the one port; whatever else there is on this machine stays out of reach. */
static int
allow_port(const struct rules *rules, const struct conf *conf,
    struct smime_error *err)
{
	struct port_rule rule = { .allowed = NET_CONNECT };
	unsigned port = 0;

	if (submit_read_server(conf->submit_server, &port) != NULL)
		return smime_error_setx(err, "submit.server is no server");
	rule.port = port;
	if (syscall(NR_ADD_RULE, rules->fd, RULE_PORT, &rule, 0U) == -1)
		return smime_error_set(err, "Landlock: port %u", port);
	return 0;
}

int
files_close(enum sandbox_role role, const struct conf *conf,
    struct smime_error *err)
{
	struct ruleset attr = { 0, 0, 0 };
	struct rules rules;
	int version, rc = -1;

	if (SANDBOX_OPEN)
		return 0;
	version = (int)syscall(NR_CREATE_RULESET, NULL, (size_t)0,
	    ASK_VERSION);
	if (version < 1) {
		if (conf != NULL)
			log_info("this kernel has no Landlock: files are "
			    "kept apart by users and modes alone");
		return 0;
	}
	attr.files = rules.handled = rights_of(version);
	attr.net = version >= 4 ? NET_BOTH : 0;
	attr.scoped = version >= 6 ? SCOPE_BOTH : 0;
	rules.fd = (int)syscall(NR_CREATE_RULESET, &attr, sizeof(attr), 0U);
	if (rules.fd == -1)
		return smime_error_set(err, "Landlock");
	if (conf != NULL && allow_places(&rules, role, conf, err) == -1)
		goto out;
	if (role == SANDBOX_SUBMIT && attr.net != 0 &&
	    allow_port(&rules, conf, err) == -1)
		goto out;
	if (syscall(NR_RESTRICT_SELF, rules.fd, 0U) == -1) {
		smime_error_set(err, "Landlock");
		goto out;
	}
	rc = 0;
out:
	close(rules.fd);
	return rc;
}
