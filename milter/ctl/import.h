/*
 * import.h - what the files of "sampulctl import" share.
 */
#ifndef SAMPUL_IMPORT_H
#define SAMPUL_IMPORT_H

#include "../../smime/smime.h"
#include "../conf.h"

#define IMPORT_FILE_MAX	(1024 * 1024)

/* A passphrase for reading a file: from a file, or asked for when needed. */
struct passphrase {
	const char	*file;		/* NULL: the terminal; "-": stdin;
					 * "&5": that descriptor */
	char		*text;		/* NULL until passphrase_get */
	size_t		 len;
};

/* prompt.c: gets it once; fails with the sentence. */
int	 passphrase_get(struct passphrase *passphrase, const char *what,
	    struct smime_error *err);
void	 passphrase_clear(struct passphrase *passphrase);
/* A line from the terminal, with echo; fails without a terminal. */
int	 prompt_line(const char *question, char *out, size_t size,
	    struct smime_error *err);

/* What was read: a certificate, its key, and the others. */
struct material {
	X509		*cert;
	EVP_PKEY	*key;
	STACK_OF(X509)	*extra;
};

/* material.c */
int	 material_pem(struct material *out, const char *cert_file,
	    const char *key_file, struct passphrase *passphrase,
	    struct smime_error *err);
int	 material_chain(struct material *material, const char *file,
	    struct smime_error *err);
/* Takes the certificate that belongs to the key out of certs, which is freed;
 * the first one where none does. */
int	 material_adopt(struct material *out, STACK_OF(X509) *certs,
	    struct smime_error *err);
/* A key that stays in a token, tried once; returns an exit status after saying
 * why. pin NULL: with the one of the configuration's file. */
struct token_client;
int	 material_token(struct material *out, const char *cert_file,
	    struct token_client *client, const char *uri,
	    const struct passphrase *pin);
void	 material_clear(struct material *material);

/* p12.c */
bool	 is_p12(const char *buf, size_t len);
enum p12_result { P12_FAILED, P12_NEEDS_PASSPHRASE, P12_READ };
/* What is loaded from files, before there are none. */
void	 p12_prepare(void);
/* pass NULL: there is none yet. To be called by apart.c, in its child. */
enum p12_result p12_read(struct material *out, const char *buf, size_t len,
	    const char *pass, size_t pass_len, struct smime_error *err);
int	 material_p12(struct material *out, const char *file,
	    struct passphrase *passphrase, struct smime_error *err);

/* apart.c: the same in a child with limits, which is thrown away. */
enum p12_result p12_read_apart(struct material *out, const char *buf,
	    size_t len, const char *pass, size_t pass_len,
	    struct smime_error *err);

/* One entry on its way to the keystore. */
struct placement {
	const char		*address;
	const struct material	*material;
	STACK_OF(X509)		*chain;		/* to be written */
	const char		*override;	/* file's text; NULL none */
	const struct passphrase	*own;		/* NULL: the keystore's */
	const char		*uri;		/* of a key in a token; NULL */
	char			 folder[128];	/* receives the name */
};

/* place.c: how much work guessing a passphrase of this length must be. */
int	 passphrase_iterations(size_t len);
/* place.c: all or nothing; returns an exit status after saying why. */
int	 place_entry(const struct conf *conf, struct placement *placement);

#endif
