/*
 * entity.h - the entity that is signed, made of the message and of the plans
 * for its parts. The library's own.
 */
#ifndef SMIME_ENTITY_H
#define SMIME_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan.h"
#include "smime_base.h"
#include "smime_canon.h"
#include "smime_header.h"

/* ------------------------------------------------------------ entity.c --- */

/* The header of the signed entity, while it may still change. */
struct entity {
	struct header_list content;	/* its Content-* fields */
	unsigned char	*lines;		/* all its fields as sent */
	size_t		 len;
	size_t		 size;		/* of the memory */
	bool		 typed;		/* there is a Content-Type in it */
	const char	*hp;		/* RFC 9788: "clear", "cipher", NULL */
	const char	*unprotected;	/* why not */
	unsigned	 defects;	/* of the Content-* fields */
};

int	 entity_read(struct entity *out, const struct canon_settings *settings,
	    const struct header_list *header, struct smime_error *err);
void	 entity_clear(struct entity *entity);
/*
 * The header with its empty line, malloced. charset is for a message without
 * Content-Type; plan is what becomes of part 0.
 */
int	 entity_header(const struct entity *entity, enum plan plan,
	    bool display, const char *charset, unsigned char **out,
	    size_t *len, struct smime_error *err);

/* ------------------------------------------------------------ legacy.c --- */

#define LEGACY_PARAM	"hp-legacy-display"

/*
 * What shows the hidden Subject to readers that do not know RFC 9788 (5.2.2),
 * ready to be put into a main body part. Each may be NULL: it is not shown so.
 */
struct legacy {
	char	*utf8;		/* text/plain */
	char	*ascii;		/* likewise; '?' for what is none */
	char	*html;		/* ASCII */
	bool	 high;		/* utf8 is not ASCII */
};

/* false: no memory. */
bool	 legacy_make(struct legacy *out, const struct header_list *header);
void	 legacy_clear(struct legacy *legacy);
/* What of it belongs into that part, or NULL. */
const char *legacy_text(const struct legacy *legacy, const struct part *part);

/* Where in an HTML body it goes: behind <body>, or before what is shown. */
struct legacy_html {
	int		 state;
	unsigned char	 held[12];
	unsigned	 held_len;
	unsigned	 matched;
	const char	*element;	/* as it is to be written; borrowed */
	smime_sink	 sink;
	void		*arg;
};

int	 legacy_html_put(struct legacy_html *html, const unsigned char *buf,
	    size_t len);
int	 legacy_html_end(struct legacy_html *html);

/* ----------------------------------------------------------- rewrite.c --- */

/* Beside enum plan, in one octet: the part gets a legacy display element. */
#define PLAN_DISPLAY	0x80U
#define PLAN_OF(octet)	((enum plan)((octet) & ~PLAN_DISPLAY))

/*
 * Hands a part's header to sink as it becomes under plan; display: with the
 * parameter that goes with a legacy display element. raw may or may not have
 * its empty line.
 */
int	 rewrite_header(const unsigned char *raw, size_t len, enum plan plan,
	    bool display, smime_sink sink, void *arg);
/*
 * The second pass: body to sink with each part changed as planned. sink leaves
 * its own sentence. Fails when the body has not the parts of the first pass.
 */
int	 rewrite_body(const struct canon_settings *settings,
	    const struct header_list *header, struct spool *body,
	    const unsigned char *plans, uint32_t count,
	    const struct legacy *legacy, smime_sink sink, void *arg,
	    struct smime_error *err);

/* ------------------------------------------------------- canon, compose --- */

/*
 * After canon_finish: a boundary that the entity does not contain. Sought while
 * the entity was made; where it was found, or not sought, the entity is read
 * again. out has room for BOUNDARY_LEN + 1 octets.
 */
int	 canon_boundary(struct canon *canon, char *out,
	    struct smime_error *err);

/* ----------------------------------------------------------- protect.c --- */

/*
 * Whether a field of the composer belongs under header protection (RFC 9788
 * 5): not structural (Content-*, MIME-Version), not trace, not Bcc, not ours
 * (SIG-50, SIG-53).
 */
bool	 protect_wants(const struct header_field *field);

#endif
