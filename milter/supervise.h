/*
 * supervise.h - what the files of the supervisor share.
 */
#ifndef SAMPUL_SUPERVISE_H
#define SAMPUL_SUPERVISE_H

#include "../smime/smime.h"
#include "conf.h"
#include "process.h"

/* ------------------------------------------------------------ notify.c --- */

/* Tells systemd, when it asked; see sd_notify(3) for the words. */
void	 notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ------------------------------------------------------------ daemon.c --- */

/*
 * Goes to the background. The process that was started waits until
 * daemon_report and exits with that status. Returns in the daemon only, or -1.
 */
int	 daemon_start(struct smime_error *err);
/* The start succeeded (0) or failed; only the first call counts. */
void	 daemon_report(int status);
/* Opens and locks the pid file ("" none); -1 when another process holds it. */
int	 daemon_lock_pid_file(const char *file, struct smime_error *err);
/* This process's id to it. */
int	 daemon_write_pid(struct smime_error *err);
void	 daemon_remove_pid_file(const char *file);
/* In a fork: gives up what belongs to the supervisor. */
void	 daemon_close(void);

/* ------------------------------------------------------------- kinds.c --- */

/* A child process; in the order in which they are started. */
struct kind {
	const char	*name;		/* in sentences */
	const char	*pid_word;	/* "key_pid" of the log's "serving" line */
	const char	*ident;		/* of its own log lines */
	const char	*comm;		/* as ps(1) shows it */
	bool		(*is_wanted)(const struct conf *conf);	/* NULL always */
	int		(*run)(struct conf *conf, int control,
			    const struct channels *channels);
};
#define KINDS_MAX	8
#define JOINTS_MAX	8

/* Two kinds that talk: nothing joins them unless both are wanted. */
struct joint {
	unsigned	 server;	/* is asked; stands above client */
	unsigned	 client;
	size_t		(*count)(const struct conf *conf);
};

extern const struct kind kinds[];
extern const unsigned kind_count;
extern const struct joint joints[];	/* by joint_name */
extern const unsigned joint_count;

/* ------------------------------------------------------------- spawn.c --- */

struct child {
	pid_t		 pid;		/* 0 when there is none */
	int		 control;	/* -1 when there is none */
	bool		 wanted;	/* in this set */
	bool		 ready;
	bool		 told;		/* got SIGTERM */
	bool		 killed;	/* got SIGKILL, from us */
};

enum { SERVER, CLIENT, SIDES };

/* One process of each wanted kind, with what joins them. */
struct process_set {
	struct child	 children[KINDS_MAX];
	struct channels	 ends[SIDES][JOINTS_MAX];	/* what is still open here */
	int		 signal_fd;
	bool		 foreground;
};

/* Makes the channels; nothing is started. */
int	 set_open(struct process_set *set, const struct conf *conf,
	    struct smime_error *err);
/* Forks one of them. */
int	 set_start(struct process_set *set, unsigned which, struct conf *conf,
	    struct smime_error *err);
/* Closes what is left of channels and control sockets. */
void	 set_close(struct process_set *set);
/* Whether a set that was opened with one configuration can serve by another:
 * it wants the very same kinds, and they need no other files. */
bool	 set_fits(const struct process_set *set, const struct conf *now,
	    const struct conf *next);

/* ----------------------------------------------------------- control.c --- */

#define STOP_LIMIT	10000	/* ms that a child has to stop in */
#define CONTROL_READY	'R'
#define CONTROL_OK	'K'
#define CONTROL_REFUSED	'N'	/* a length in two octets and a reason follow */
#define CONTROL_REASON_MAX	(SMIME_ERROR_MAX - 1)
#define CONTROL_TEXT_MAX	((size_t)128 * 1024 * 1024)

enum control_result {
	CONTROL_DONE,
	CONTROL_NO,		/* refused; the sentence is in err */
	CONTROL_BROKEN		/* no answer in time, or nonsense */
};

/*
 * The supervisor's side: hands a configuration text over and waits for the
 * answer, at most limit seconds; give_up (may be NULL) is asked in between.
 */
enum control_result control_send(int fd, const char *text, size_t len,
	    unsigned limit, bool (*give_up)(void), struct smime_error *err);

/* --------------------------------------------- supervise.c and reload.c --- */

enum state { STARTING, RUNNING, STOPPING, WAITING, FINISHED };

struct supervisor {
	struct conf		*conf;
	struct conf		*former;	/* until a new set serves */
	const char		*file;
	struct process_set	 set;
	enum state		 state;
	int64_t			 deadline;	/* of the state; 0 none */
	int64_t			 backoff;
	bool			 stop;		/* told to end */
	bool			 reload;	/* told to reload */
	bool			 renewing;	/* stops for a new set */
	bool			 broken;	/* a child ended unasked */
	bool			 blamed;	/* and the log says which */
	bool			 served;	/* was RUNNING once */
	int			 status;	/* exit status */
};

/* After a child broke off: gives it a moment to be seen dead, then stops. */
void	 supervise_await_death(struct supervisor *s);
/*
 * Replaces the children after a reload that wants other kinds; should the new
 * ones not start, former (taken over) is gone back to.
 */
void	 supervise_renew(struct supervisor *s, struct conf *former);
/* Reads the configuration again; see reload.c. */
void	 supervise_reload(struct supervisor *s);

#endif
