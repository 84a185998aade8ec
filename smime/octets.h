/*
 * octets.h - octets in memory: room for them, what is among them, encodings,
 * checksums, boundaries. The library's own.
 */
#ifndef SMIME_OCTETS_H
#define SMIME_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smime_base.h"

/* -------------------------------------------------------------- wipe.c --- */

/*
 * Makes room for more octets behind len of *buf, which has *size; what it
 * leaves is wiped. false: no memory, and all as it was. For wipe_free.
 */
bool	 wipe_room(unsigned char **buf, size_t *size, size_t len,
	    size_t more);

/* ------------------------------------------------------------ octets.c --- */

struct octets {
	size_t	 high;
	size_t	 cr;
	size_t	 nul;
};

/* Counts the octets that need attention. */
void	 octets_count(const unsigned char *p, size_t len, struct octets *out);
/* The first '-' behind a CR or LF, or NULL. */
const unsigned char *octets_find_dash(const unsigned char *p, size_t len);

/* ------------------------------------------------------------ base64.c --- */

#define BASE64_LINE	76	/* characters of a full line */
#define BASE64_OCTETS	57	/* they make one */

/* Three octets to four characters. */
void	 base64_triple(unsigned char *out, const unsigned char *p);
/* A full line, without its end; plain: in the way that every machine can. */
void	 base64_line(unsigned char *out, const unsigned char *p);
void	 base64_line_plain(unsigned char *out, const unsigned char *p);

/* ------------------------------------------------------------ encode.c --- */

/*
 * Streaming encoders to sink; state is small and on the caller's stack. Lines
 * are at most 76 octets and end in CRLF (RFC 2045 6.7, 6.8).
 */
struct encoder {
	int		 kind;
	smime_sink	 sink;
	void		*arg;
	unsigned	 column;
	bool		 soft;	/* quoted-printable: in a broken line */
	unsigned char	 held[8];
	unsigned	 held_len;
	unsigned char	 out[4096];
	size_t		 out_len;
};

enum encoder_kind {
	ENCODE_BASE64,		/* any octets to base64 */
	ENCODE_QP,		/* text to quoted-printable, CRLF kept as line
				 * ends; anything else octet by octet */
	REWRAP_BASE64,		/* base64 text: alphabet and '=' kept in order,
				 * the rest dropped, lines of 76 */
	REWRAP_QP		/* quoted-printable text: long lines broken
				 * softly, what may not be literal encoded */
};

void	 encoder_init(struct encoder *enc, enum encoder_kind kind,
	    smime_sink sink, void *arg);
int	 encoder_write(struct encoder *enc, const void *buf, size_t len);
/* Writes what is held; base64 ends in CRLF when it wrote anything and
 * final_crlf. */
int	 encoder_finish(struct encoder *enc, bool final_crlf);
/* Between encode.c and encode_qp.c. */
int	 encoder_flush(struct encoder *enc);
int	 encoder_write_qp(struct encoder *enc, const unsigned char *p,
	    size_t len);
int	 encoder_finish_qp(struct encoder *enc);

/* ---------------------------------------------------------- checksum.c --- */

/* Whether two runs of octets are the same, whatever pieces they came in. */
struct checksum {
	uint64_t	 first[4];
	uint64_t	 second[4];
	uint64_t	 len;
	unsigned char	 held[32];
};

void	 checksum_begin(struct checksum *sum);
void	 checksum_add(struct checksum *sum, const void *buf, size_t len);
bool	 checksum_equal(const struct checksum *a, const struct checksum *b);

/* ---------------------------------------------------------- boundary.c --- */

#define BOUNDARY_LEN	34	/* "=_" and 128 bits in hex */

/* A boundary, and whether it was met; what a border cuts is kept. */
struct boundary {
	char		 text[BOUNDARY_LEN + 1];
	bool		 found;
	unsigned char	 held[2 * BOUNDARY_LEN];
	size_t		 held_len;
};

/* A new one, not found yet. -1: there is no randomness. */
int	 boundary_choose(struct boundary *boundary, struct smime_error *err);
void	 boundary_search(struct boundary *boundary, const unsigned char *buf,
	    size_t len);

#endif
