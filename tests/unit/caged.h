/*
 * caged.h - the product's processes, in their cages, for unit tests: a small
 * world to serve and a process to serve it. As root they run as users that every
 * Debian has.
 */
#ifndef SAMPUL_TEST_CAGED_H
#define SAMPUL_TEST_CAGED_H

#include <sys/types.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/process.h"
#include "store.h"

#define CAGED_CHANNELS	2
#define CAGED_MAIL	"news"
#define CAGED_KEYS	"uucp"
#define CAGED_SUBMIT	"lp"

/* mail_process, key_process, submit_process; named by the test, which links
 * it. The channels are those to whoever asks it; of the key process's, the first
 * is for requests, the other for answers. */
typedef int (*caged_function)(struct conf *conf, int control,
    const struct channels *channels);

struct caged {
	pid_t	 pid;
	int	 control;
	int	 channels[CAGED_CHANNELS];
};

extern char	 caged_conf[512], caged_audit[512];

/*
 * store_setup, and BUDI's mailbox "one" of the PKI in folder "2026"; all of it
 * the property of whom it should be.
 */
int	 caged_setup(void **state);
/* Gives path, and what is below, to user; as root, else it is nobody's. */
void	 caged_give(const char *user, const char *path);
/* Reads the configuration, forks, runs. */
void	 caged_start(struct caged *out, caged_function run);
/* Until it says that it is ready. */
void	 caged_await(struct caged *caged);
/* Closes all that it hears; its status when it has ended. */
int	 caged_end(struct caged *caged);
/* A request that is served; returns its length. */
ssize_t	 caged_request(unsigned char *buf);
/* Sends such a one to the key process; the answer to it. */
void	 caged_ask(struct caged *caged, struct key_answer *answer);
/* Numbers it, sends it, and passes over the answers to others. */
void	 caged_ask_number(struct caged *caged, uint64_t number,
	    struct key_answer *answer);

#endif
