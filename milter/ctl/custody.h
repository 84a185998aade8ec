/*
 * custody.h - what the sub-commands share that change the keystore's folders:
 * suspend, destroy, rekey; and those that ask the key process.
 */
#ifndef SAMPUL_CUSTODY_H
#define SAMPUL_CUSTODY_H

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/unlock.h"
#include "ctl.h"

/* ------------------------------------------------------------ folder.c --- */

/* A folder of the keystore; its files get the folder's own owner. */
struct folder {
	int	 fd;			/* -1 when it is not open */
	uid_t	 uid;
	gid_t	 gid;
	char	 shown[ADDRESS_MAX + 260];	/* for sentences */
};

/* The keystore's directory itself. */
int	 folder_top(const struct conf *conf, struct folder *out,
	    struct smime_error *err);
/* A folder in another; errno is ENOENT when it is not there. */
int	 folder_open(const struct conf *conf, const struct folder *parent,
	    const char *name, struct folder *out, struct smime_error *err);
void	 folder_close(struct folder *folder);
/* The folders in it, in order; NULL-terminated. Free with folder_free_names. */
char	**folder_names(const struct folder *folder, struct smime_error *err);
void	 folder_free_names(char **names);
bool	 folder_has(const struct folder *folder, const char *name);
/*
 * Writes a file that is there whole or not at all, and is on disk when this
 * returns: a temporary one that is renamed over what was there.
 */
int	 folder_put(const struct folder *folder, const char *name,
	    const void *buf, size_t len, mode_t mode, struct smime_error *err);
/* Removes a file, for good on disk; 0 also when it is not there. */
int	 folder_remove(const struct folder *folder, const char *name,
	    struct smime_error *err);
/*
 * Overwrites a file's contents where they lie, and removes it. 0 also when it
 * is not there. *linked tells that it had other names, which now hold nothing
 * either.
 */
int	 folder_wipe(const struct folder *folder, const char *name,
	    bool *linked, struct smime_error *err);

/* An open file's first octets, where they lie; -1 with errno. */
int	 folder_overwrite(int fd, off_t size);

/* ------------------------------------------------------------ asking.c --- */

/*
 * Asks the key process. each (may be NULL) is called with every answer but the
 * last, which is in *last. Fails when there is no answer; errno is then ENOENT
 * or ECONNREFUSED when nobody serves the socket.
 */
int	 ask_keys(const struct conf *conf,
	    const struct unlock_request *request,
	    void (*each)(void *arg, const struct unlock_answer *answer),
	    void *arg, struct unlock_answer *last, struct smime_error *err);

/* The running key process, if there is one and it can be told, forgets what it
 * has in memory of an address; whether it did. */
bool	 ask_to_forget(const struct conf *conf, const char *address);

/* ----------------------------------------------------------- phrases.c --- */

/* Passphrases of the whole keystore, while one takes the other's place. */
struct phrases {
	char	*old, *new;
	size_t	 old_len, new_len;
	bool	 resumed;	/* an earlier run left the new one */
};

/* Whether they are credentials, which are made elsewhere. */
bool	 phrases_are_credentials(const struct conf *conf);
/*
 * The old one, and the new one: what an earlier run left, the first line of
 * file, or a random one where file is NULL; on disk, too, beside the old one.
 * Free with phrases_clear, after a failure as well.
 */
int	 phrases_get(const struct conf *conf, const char *file,
	    struct phrases *phrases, struct smime_error *err);
/* The new one's file over the old one's, whose octets are then overwritten. */
int	 phrases_put_in_place(const struct conf *conf, struct smime_error *err);
void	 phrases_clear(struct phrases *phrases);

/* ------------------------------------------------------------ record.c --- */

/*
 * A line of the audit trail, by whoever runs this. Fails with the sentence
 * when it is not written.
 */
int	 record(struct ctl *ctl, const char *event, const char *address,
	    const char *serial, const char *result, const char *reason,
	    struct smime_error *err);
/* "<time> <who>\n<reason>\n", for a note beside the keys. */
void	 record_note(const char *reason, char *out, size_t size);

#endif
