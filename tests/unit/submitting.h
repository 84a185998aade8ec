/*
 * submitting.h - the submit process in its cage, and a small mail server for it
 * that answers as each case says. Both are processes of their own: one that has
 * threads should not fork.
 */
#ifndef SAMPUL_TEST_SUBMITTING_H
#define SAMPUL_TEST_SUBMITTING_H

#include <pthread.h>
#include <semaphore.h>

#include "../../milter/conf.h"
#include "../../milter/submit.h"
#include "../../smime/smime.h"

#define CHANNELS	2
#define DATA_MAX	((size_t)12 * 1024 * 1024)
#define SENDER		"budi@dinkes.pekalongankab.go.id"
#define SITI		"siti@dinkes.pekalongankab.go.id"
#define TONO		"tono@example.org"
#define PLAIN		"Subject: a\r\n\r\nb\r\n"

/* ---------------------------------------------------------- the server --- */

enum stage { GREETING, EHLO, HELO, MAIL, RCPT, DATA, END, QUIT, NOWHERE };

#define DROP	NULL		/* the connection is closed instead */
#define SILENCE	""		/* nothing comes any more */
#define GATE	"gate"		/* the usual, once the gate is opened */

struct server {
	unsigned	 port;
	/* the case */
	enum stage	 odd;		/* where it answers otherwise */
	unsigned	 nth;		/* of that stage's, from 1 */
	const char	*reply;
	bool		 mute;		/* no goodbye either */
	bool		 chatty;	/* a goodbye of 250 */
	sem_t		 reached;	/* the gate */
	sem_t		 open;
	/* what came, of the last connection */
	pthread_mutex_t	 lock;
	unsigned	 connections;
	unsigned	 counts[NOWHERE];
	bool		 whole;		/* the end of the data came */
	char		 commands[4096];
	size_t		 len;
	unsigned char	 data[DATA_MAX];	/* as it came, without the end */
};

extern struct server *server;	/* in memory that both have */

/* From the next connection on; reply is a literal. */
void	 server_will(enum stage odd, unsigned nth, const char *reply);
/* Waits until it is through with its connection. */
void	 server_settled(void);

/* ------------------------------------------------------- the process --- */

struct running {
	pid_t			 pid;
	int			 control;
	int			 fds[CHANNELS];
	struct submit_pool	*pool;
	unsigned		 files;		/* open, before it did anything */
};

extern struct running running;

/* A directory, the server, and the process for it. */
int	 submitting_setup(void **state);
int	 submitting_teardown(void **state);
/* A file of that directory. */
const char *path_of(const char *name);
struct conf *submitting_conf(unsigned port, unsigned timeout);
void	 process_start(unsigned port);
/* Closes its channels; its status, when it has ended. */
int	 process_end(void);
/* How many descriptors it has; root alone may look, 0 for others. */
unsigned open_files(pid_t pid);

/* ------------------------------------------------------------ messages --- */

/* An unlinked file. */
int	 message_file(const char *text, size_t len);
/* From SENDER to SITI and TONO, by the pool. */
int	 submit(const char *text, size_t len, unsigned timeout,
	    struct submit_answer *answer, struct smime_error *err);
/* PLAIN likewise, not sent yet. */
struct submission plain(int fd);
/*
 * Asks by a channel itself: what submit_send would not say, or for less than a
 * second, limit being milliseconds.
 */
void	 ask(int channel, const struct submission *submission,
	    unsigned limit);
/* false: the channel was closed. */
bool	 hear(int channel, struct submit_answer *answer);

#endif
