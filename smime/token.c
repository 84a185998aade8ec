/*
 * token.c - signatures by a PKCS#11 token, through OpenSSL's engine for them.
 *
 * OpenSSL 3.0 has deprecated engines, and Debian's package for it has nothing
 * else: this file alone calls them. A provider will take its place where there
 * is one, behind the same three functions.
 *
 * A token that was lost stays lost to the module that had it open, and the
 * engine does not let go of the module: whoever calls this does so in a
 * process that can be replaced.
 */
#undef OPENSSL_NO_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>

#include "smime_base.h"
#include "smime_cert.h"

#define KEYS_MAX	64	/* open at a time */
/* PKCS#11's codes CKR_PIN_INCORRECT to CKR_PIN_LOCKED, as reasons. */
#define PIN_FIRST	0xa0
#define PIN_LAST	0xa4

struct token {
	ENGINE		*engine;
	UI_METHOD	*silence;
	struct {
		char		*uri;
		EVP_PKEY	*key;
	}		 keys[KEYS_MAX];
	unsigned	 next;		/* to be replaced */
};

/* Nobody is there to be asked for a PIN. */
static int
answer_nothing(UI *ui, UI_STRING *string)
{
	(void)ui;
	(void)string;
	return 0;
}

struct token *
token_open(const char *module, struct smime_error *err)
{
	struct token *token;

	ERR_clear_error();
	if ((token = calloc(1, sizeof(*token))) == NULL) {
		smime_error_setx(err, "out of memory");
		return NULL;
	}
	token->silence = UI_create_method("nobody");
	if (token->silence == NULL ||
	    UI_method_set_reader(token->silence, answer_nothing) != 0)
		smime_error_setx(err, "out of memory");
	else if ((token->engine = ENGINE_by_id("pkcs11")) == NULL)
		smime_error_setx(err, "OpenSSL has no engine for tokens: "
		    "install libengine-pkcs11-openssl");
	else if (ENGINE_ctrl_cmd_string(token->engine, "MODULE_PATH", module,
	    0) != 1 || ENGINE_init(token->engine) != 1)
		smime_error_crypto(err, "the token module %s cannot be "
		    "loaded", module);
	else
		return token;
	ENGINE_free(token->engine);
	if (token->silence != NULL)
		UI_destroy_method(token->silence);
	free(token);
	return NULL;
}

static bool
is_about_pin(void)
{
	unsigned long code;
	bool found = false;

	while ((code = ERR_get_error()) != 0)
		if (ERR_GET_LIB(code) >= ERR_LIB_USER &&
		    ERR_GET_REASON(code) >= PIN_FIRST &&
		    ERR_GET_REASON(code) <= PIN_LAST)
			found = true;
	return found;
}

static EVP_PKEY *
find_key(struct token *token, const char *uri, const char *pin,
    bool *pin_wrong, struct smime_error *err)
{
	EVP_PKEY *key;
	unsigned i;

	for (i = 0; i < KEYS_MAX; i++)
		if (token->keys[i].uri != NULL &&
		    strcmp(token->keys[i].uri, uri) == 0)
			return token->keys[i].key;
	ERR_clear_error();
	if (ENGINE_ctrl_cmd_string(token->engine, "PIN", pin, 0) != 1) {
		smime_error_crypto(err, "the engine takes no PIN");
		return NULL;
	}
	key = ENGINE_load_private_key(token->engine, uri, token->silence,
	    NULL);
	if (key == NULL) {
		*pin_wrong = is_about_pin();
		smime_error_setx(err, *pin_wrong ? "the token refuses the PIN"
		    : "the token is not there, or has no such key");
		return NULL;
	}
	i = token->next++ % KEYS_MAX;
	EVP_PKEY_free(token->keys[i].key);
	free(token->keys[i].uri);
	token->keys[i].key = key;
	token->keys[i].uri = strdup(uri);
	return key;
}

static bool
prepare(EVP_PKEY_CTX *ctx, const struct raw_request *request)
{
	const EVP_MD *md = smime_digest_md(request->digest);

	if (EVP_PKEY_sign_init(ctx) != 1)
		return false;
	switch (request->kind) {
	case RAW_PSS:
		if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING)
		    != 1 || EVP_PKEY_CTX_set_signature_md(ctx, md) != 1 ||
		    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) != 1)
			return false;
		/* the engine does not know the word for "as the digest" */
		return EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
		    (int)smime_digest_size(request->digest)) == 1;
	case RAW_RSA:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING)
		    == 1 && EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
	case RAW_ECDSA:
		break;
	}
	return EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
}

enum token_result
token_sign(struct token *token, const char *uri, const char *pin,
    const struct raw_request *request, unsigned char *out, size_t *len,
    struct smime_error *err)
{
	enum token_result result = TOKEN_LOST;
	bool pin_wrong = false;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key;

	key = find_key(token, uri, pin, &pin_wrong, err);
	if (key == NULL)
		return pin_wrong ? TOKEN_PIN_WRONG : TOKEN_LOST;
	if ((EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) !=
	    (request->kind == RAW_ECDSA)) {
		smime_error_setx(err, "the token's key is of another "
		    "algorithm than the certificate's");
		return TOKEN_LOST;
	}
	ctx = EVP_PKEY_CTX_new(key, token->engine);
	if (ctx != NULL && prepare(ctx, request) && EVP_PKEY_sign(ctx, out,
	    len, request->value, smime_digest_size(request->digest)) == 1)
		result = TOKEN_SIGNED;
	else
		smime_error_crypto(err, "the token does not sign");
	EVP_PKEY_CTX_free(ctx);
	return result;
}
