/*
 * keyfile.h - files of the keystore: whose are believed, and whether they are
 * still as they were.
 */
#ifndef SAMPUL_KEYFILE_H
#define SAMPUL_KEYFILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "../../smime/smime.h"

/* Ceilings on what an administrator's files may hold. */
#define KEYSTORE_CERT_MAX	(256 * 1024)	/* octets of cert.pem */
#define KEYSTORE_KEY_MAX	(64 * 1024)	/* octets of key.pem */
#define KEYSTORE_CHAIN_MAX	16		/* certificates in one file */
#define KEYSTORE_ENTRIES_MAX	256		/* folders of one address */
#define KEYSTORE_PASSPHRASE_MAX	1024
#define KEYSTORE_NOTE_MAX	4096	/* octets of override, suspended, ... */

/* ----------------------------------------------------------- keyfile.c --- */

/* Whose files are believed: root, ourselves, and the key process's user. */
struct owners {
	uid_t	 uid[3];
	unsigned count;
};

void	 owners_init(struct owners *owners, const char *key_user);

/*
 * What tells one state of a file from another. A file that was renamed over
 * has another inode; one written in place another mtime and ctime.
 */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
	struct timespec	 ctime;
};

/* Everything that a cached answer was made from. */
struct watch {
	char		*path;	/* below the keystore's directory */
	struct stamp	 stamp;
};

struct watches {
	struct watch	*items;
	size_t		 count;
	size_t		 allocated;
	size_t		 bytes;		/* of memory */
	time_t		 newest;	/* latest ctime among them */
	bool		 incomplete;	/* memory was short */
};

void	 watches_add(struct watches *watches, const char *path,
	    const struct stat *st);
/* Whether all of them are on disk as they were. */
bool	 watches_hold(const struct watches *watches, int dirfd);
void	 watches_clear(struct watches *watches);

/*
 * Opens a folder below dirfd that is no symbolic link, belongs to one of
 * owners and that nobody else may write to. shown names it in sentences.
 */
int	 keyfile_folder(int dirfd, const char *name, const char *shown,
	    const struct owners *owners, struct stat *st,
	    struct smime_error *err);
/*
 * Reads a regular file of at most max octets, likewise, with none of the mode
 * bits of forbidden. NULL with the sentence; errno is ENOENT when it is not
 * there. Freed with OPENSSL_clear_free(buf, *len + 1).
 */
char	*keyfile_read(int dirfd, const char *name, const char *shown,
	    const struct owners *owners, mode_t forbidden, size_t max,
	    size_t *len, struct stat *st, struct smime_error *err);
#define KEYFILE_SECRET	(S_IRWXG | S_IRWXO)
#define KEYFILE_PUBLIC	(S_IWGRP | S_IWOTH)

/* -------------------------------------------------------- passphrase.c --- */

/*
 * The first line of a file that user, root or we ourselves own and that nobody
 * else may read; 0 with *out NULL when it is optional and not there. Freed
 * with OPENSSL_clear_free(*out, *len + 1).
 */
int	 secret_file_read(const char *user, const char *path, bool optional,
	    char **out, size_t *len, struct smime_error *err);

#endif
