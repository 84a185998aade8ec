/*
 * partners.h - what partners.c and pin.c share.
 */
#ifndef SAMPUL_CTL_PARTNERS_H
#define SAMPUL_CTL_PARTNERS_H

#include "../conf.h"

/* Each returns an exit status after the reason was printed. */

/* A certificate from a file becomes the administrator's word. */
int	 partners_add(const struct conf *conf, const char *address,
	    const char *file);
/* The one that was harvested does. */
int	 partners_pin(const struct conf *conf, const char *address);
/* What was harvested is removed, and with pinned the address's folder. */
int	 partners_forget(const struct conf *conf, const char *address,
	    bool pinned);

/* Calls each with all addresses of all certificates in a partner's folder. */
void	 partners_each_cert(const struct conf *conf, const char *folder,
	    void (*each)(void *arg, const char *address), void *arg);
/* Whether address was given before; notes it. */
bool	 partners_seen(struct string_list *seen, const char *address);
void	 partners_seen_clear(struct string_list *seen);

#endif
