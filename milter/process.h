/*
 * process.h - the processes that the milter is made of.
 *
 * Each alone may do some things: only the files of keys/ open a private key,
 * only the mail process's edit.c calls libmilter's editing functions. What a
 * process may not do the sandbox takes from it. Only the conf*.c know
 * libconfig. The arrow points one way: from here to smime.h, whose conventions
 * of errors and ownership are ours, never the reverse.
 */
#ifndef SAMPUL_PROCESS_H
#define SAMPUL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "../smime/smime.h"
#include "conf.h"

#define SAMPUL_VERSION	"0.1"

/* -------------------------------------------------------- supervise.c --- */

/*
 * Starts the children that the configuration wants, watches and restarts them,
 * passes reloads on; returns the exit status when told to stop.
 */
int	 supervise(struct conf *conf, const char *file, bool foreground);

/*
 * What joins two kinds of children (kinds.c): SEQPACKET socket pairs, made
 * before the forks. With JOINT_SIGN the first is for requests and the others
 * for answers (channelpool.c); else each is for both, one at a time.
 */
enum joint_name {
	JOINT_SIGN,		/* the mail process asks the key process */
	JOINT_TOKENS,		/* the key process asks the token process */
	JOINT_SUBMIT		/* the mail process asks the submit process */
};

/* One side's ends of a joint; none when the other kind is not wanted. */
struct channels {
	int	*fds;
	size_t	 count;
};

/*
 * A child's life: called in the fork with its end of the control socket, on
 * which the supervisor sends configuration texts; end of file means stop.
 * channels is indexed by joint_name, without what joins others. None returns
 * to the supervisor's code: the result is the exit status.
 */
int	 mail_process(struct conf *conf, int control,
	    const struct channels *channels);	/* mail.c */
int	 key_process(struct conf *conf, int control,
	    const struct channels *channels);	/* keys/keyd.c */
int	 token_process(struct conf *conf, int control,
	    const struct channels *channels);	/* keys/tokend.c */
int	 submit_process(struct conf *conf, int control,
	    const struct channels *channels);	/* submitd.c */

/*
 * A thread of the child that reads configuration texts from control and calls
 * apply with each that parses (apply takes over the reference and may refuse
 * by returning -1 with a reason); calls stop when the supervisor is gone.
 */
int	 control_start(int control, int (*apply)(struct conf *conf,
	    struct smime_error *err), void (*stop)(void),
	    struct smime_error *err);
/* Told to the supervisor once the child serves. */
int	 control_ready(int control);

#endif
