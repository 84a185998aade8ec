/*
 * mta_wire.h - packets of the milter protocol; for mta.c alone.
 */
#ifndef SAMPUL_BENCH_MTA_WIRE_H
#define SAMPUL_BENCH_MTA_WIRE_H

#include "mta.h"

#define ACTIONS		0x1ffU		/* all that Postfix 3.7 offers */
#define PROTOCOL	0x1fffffU	/* likewise; no data sizes */
#define CHUNK		65535U
#define PACKET_MAX	(1U << 20)
#define TIMEOUT		300		/* seconds; Postfix's content timeout */

struct mta {
	int		 fd;
	uint32_t	 actions;
	uint32_t	 protocol;
	unsigned char	 out[65536];
	size_t		 out_len;
	unsigned char	*packet;	/* last one read: octet and data */
	size_t		 packet_len;	/* data octets */
	unsigned char	 in[65536];
	size_t		 in_at;
	size_t		 in_have;
	uint64_t	 replaced;
	bool		 replacing;	/* in the run of body edits */
	char		 error[200];
};

struct piece {
	const void	*p;
	size_t		 len;
};

/* All return -1 after a fault, with a sentence in mta->error. */
int	 mta_fault(struct mta *mta, const char *what);
int	 mta_flush(struct mta *mta);
int	 mta_put(struct mta *mta, int command, const struct piece *piece,
	    size_t count);
/* A packet whose data are one or two strings, each with its NUL. */
int	 mta_put_strings(struct mta *mta, int command, const char *a,
	    const char *b);
/* Macros for the command that follows: name, value, ..., NULL. */
int	 mta_put_macros(struct mta *mta, int command,
	    const char *const *macro);
/* Reads one packet after writing what is held; its command octet. */
int	 mta_get(struct mta *mta);

#endif
