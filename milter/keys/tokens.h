/*
 * tokens.h - keys in PKCS#11 tokens, grouped by file.
 *
 *	token_wire.c	key.uri, and what the two processes say to each other
 *	token_client.c	in the key process: keys that are in a token
 *	tokend.c	the token process: keeps PINs, asks its worker
 *	token_worker.c	its child, the only one that loads a token module
 */
#ifndef SAMPUL_TOKENS_H
#define SAMPUL_TOKENS_H

#include <sys/types.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "unlock.h"

/* ------------------------------------------------------- token_wire.c --- */

#define TOKEN_URI_MAX		1000	/* octets of a URI */
#define TOKEN_LABEL_MAX		64	/* PKCS#11: 32 characters, padded */
#define TOKEN_PIN_MAX		255

/*
 * What key.uri may say (RFC 7512): one line "pkcs11:", attributes of the path
 * alone, with the token's label and the key's object or id. A query could name
 * a PIN or another module and is refused. The label goes to label as it is
 * meant, without percent signs. buf ends in a NUL.
 */
int	 token_uri_read(const char *buf, size_t len,
	    char uri[TOKEN_URI_MAX + 1], char label[TOKEN_LABEL_MAX + 1],
	    struct smime_error *err);

struct token_request {
	uint64_t		 serial;	/* the answer has the same */
	struct raw_request	 raw;
	size_t			 pin_len;	/* 0: the one of the file */
	char			 pin[TOKEN_PIN_MAX + 1];
	char			 uri[TOKEN_URI_MAX + 1];
};

struct token_answer {
	uint64_t		 serial;
	enum token_result	 result;
	size_t			 len;		/* with TOKEN_SIGNED alone */
	unsigned char		 signature[RAW_SIGNATURE_MAX];
	char			 text[UNLOCK_TEXT_MAX + 1];
};

/* Encodes into buf (ceiling size); the length, or -1. Decodes strictly. */
ssize_t	 token_put_request(const struct token_request *request,
	    unsigned char *buf, size_t size);
int	 token_get_request(const unsigned char *buf, size_t len,
	    struct token_request *out);
ssize_t	 token_put_answer(const struct token_answer *answer,
	    unsigned char *buf, size_t size);
int	 token_get_answer(const unsigned char *buf, size_t len,
	    struct token_answer *out);
#define TOKEN_REQUEST_MAX	2048
#define TOKEN_ANSWER_MAX	2048

/*
 * Sends and receives one of them; 0: the other end is gone. A longer one than
 * size counts as its real length.
 */
ssize_t	 token_receive(int fd, unsigned char *buf, size_t size);
int	 token_send(int fd, const unsigned char *buf, size_t len);

/* ------------------------------------------------------ token_worker.c --- */

/*
 * Forks a worker for the module; its end in *fd. -1 with the sentence. It ends
 * when the other end is closed.
 */
pid_t	 token_worker_start(const struct conf *conf, int *fd,
	    struct smime_error *err);

/* ------------------------------------------------------ token_client.c --- */

/* NULL without memory; the descriptors stay the caller's. */
struct token_client *token_client_new(const int *fds, size_t count);
void	 token_client_free(struct token_client *client);
/* Takes conf's limits, from the next request on. */
void	 token_client_use(struct token_client *client,
	    const struct conf *conf);
/*
 * A key of cert that signs by the token; pin NULL: with the token process's.
 * client may be NULL: such a key does not sign, but can be shown.
 */
EVP_PKEY *token_key(struct token_client *client, X509 *cert, const char *uri,
	    const char *pin, size_t pin_len, struct smime_error *err);
/* Tries it: 1 it signs, 0 the PIN is wrong, -1 anything else. */
int	 token_key_try(EVP_PKEY *key, struct smime_error *err);

#endif
