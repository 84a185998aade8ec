/*
 * token.h - keys in tokens, for the commands that use them.
 */
#ifndef SAMPUL_CTL_TOKEN_H
#define SAMPUL_CTL_TOKEN_H

#include "../../smime/smime.h"
#include "../conf.h"
#include "../keys/tokens.h"

struct ctl_tokens {
	pid_t			 pid;
	int			 control;
	int			 fd;
	struct token_client	*client;	/* NULL: not open */
};

/* Starts the process and reads its PIN; conf lives longer. */
int	 ctl_tokens_open(struct conf *conf, struct ctl_tokens *out,
	    struct smime_error *err);
/* Also of what was never opened, but set to nothing. */
void	 ctl_tokens_close(struct ctl_tokens *tokens);

#endif
