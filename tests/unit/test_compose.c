/*
 * test_compose.c - the signed message: exact octets, exact sizes, and no end to
 * a message that cannot be read.
 *
 * canon and RAND_bytes are ours here: an entity from memory in pieces of any
 * size, and random octets that can be foreseen. What canon itself owes is in
 * test_canon_out.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/der.h"
#include "../../smime/entity.h"
#include "../../smime/octets.h"
#include "../../smime/smime.h"
#include "foreseen.h"
#include "output.h"
#include "pki.h"

/* ------------------------------------------------------------ replaced --- */

struct canon {
	const char	*entity;
	size_t		 len;
	size_t		 piece;
	bool		 broken;	/* cannot be read to its end */
};

uint64_t
canon_size(const struct canon *canon)
{
	return canon->len;
}

int
canon_write(struct canon *canon, smime_sink sink, void *arg,
    struct smime_error *err)
{
	const unsigned char *p = (const unsigned char *)canon->entity;
	size_t n, at;
	int rc = 0;

	for (at = 0; rc == 0 && at < canon->len; at += n) {
		n = canon->len - at;
		if (n > canon->piece)
			n = canon->piece;
		rc = sink(arg, p + at, n);
	}
	if (rc != 0)
		return smime_error_setx(err, "the sink said no");
	return canon->broken ? smime_error_setx(err, "another message") : 0;
}

int
canon_digest(struct canon *canon, enum smime_digest digest,
    unsigned char out[SMIME_DIGEST_MAX], struct smime_error *err)
{
	if (canon->broken)
		return smime_error_setx(err, "the spool cannot be read");
	return EVP_Digest(canon->entity, canon->len, out, NULL,
	    smime_digest_md(digest), NULL) == 1 ? 0 : -1;
}

int
canon_boundary(struct canon *canon, char *out, struct smime_error *err)
{
	struct boundary boundary;

	(void)canon;
	if (boundary_choose(&boundary, err) == -1)
		return -1;
	memcpy(out, boundary.text, sizeof(boundary.text));
	return 0;
}

/* ------------------------------------------------------------- signing --- */

static struct signer *signers[3];
static const char *const types[] = { "rsa2048", "p256", "p384" };

static int
setup(void **state)
{
	struct smime_error err = { "" };
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	X509 *cert;
	size_t i;

	pki_setup(state);
	chain = pki_push(NULL, pki_cert("issuing.pem"));
	for (i = 0; i < 3; i++) {
		pki_mailbox(types[i], types[i], "ok");
		cert = pki_mailbox_cert(types[i]);
		key = pki_mailbox_key(types[i]);
		signers[i] = signer_new(cert, key, chain, NULL,
		    i == 0 ? SCHEME_PSS : SCHEME_DEFAULT,
		    SMIME_CAP_AES256_CBC, &err);
		if (signers[i] == NULL)
			fail_msg("%s", err.text);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	sk_X509_pop_free(chain, X509_free);
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < 3; i++)
		signer_free(signers[i]);
	return pki_teardown(state);
}

static unsigned char *
sign(const struct signer *signer, const char *entity, size_t n, size_t *len)
{
	struct smime_error err = { "" };
	unsigned char value[SMIME_DIGEST_MAX], *der;

	EVP_Digest(entity, n, value, NULL,
	    smime_digest_md(signer_digest(signer)), NULL);
	if (signer_sign(signer, value,
	    smime_digest_size(signer_digest(signer)), time(NULL), &der, len,
	    &err) != 0)
		fail_msg("%s", err.text);
	return der;
}

/* Signs and writes whole; the caller frees out->text. */
static void
compose(const struct signer *signer, struct canon *canon, enum smime_form form,
    struct output *out, char *type, size_t type_size)
{
	struct smime_error err = { "" };
	struct composed *composed;
	unsigned char *der;
	size_t len;

	der = sign(signer, canon->entity, canon->len, &len);
	composed = compose_signed(canon, form, signer_digest(signer), der, len,
	    &err);
	if (composed == NULL)
		fail_msg("%s", err.text);
	OPENSSL_free(der);
	memset(out, 0, sizeof(*out));
	if (composed_write(composed, output_take, out, &err) != 0)
		fail_msg("%s", err.text);
	if (composed_size(composed) != out->len)
		fail_msg("entity of %zu, form %d: size said %zu, wrote %zu",
		    canon->len, form, (size_t)composed_size(composed),
		    out->len);
	snprintf(type, type_size, "%s", composed_content_type(composed));
	composed_free(composed);
}

/* --------------------------------------------------------------- tests --- */

#define ENTITY	"Content-Type: text/plain; charset=us-ascii\r\n\r\n" \
	"Yth. Kepala Dinas,\r\n\r\nTerlampir.\r\n"

/* SIG-20 to SIG-22, SIG-30 to SIG-33: every octet of the detached form. */
static void
test_detached(void **state)
{
	static const char begin[] = "--" ZEROS "\r\n" ENTITY "\r\n--" ZEROS
	    "\r\nContent-Type: application/pkcs7-signature; "
	    "name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n";
	static const char end[] = "\r\n--" ZEROS "--\r\n";
	struct canon canon = { .entity = ENTITY, .len = strlen(ENTITY),
	    .piece = 7 };
	struct output out;
	char type[300], want[300];
	size_t i, column = 0;

	(void)state;
	foreseen_random = 1;
	compose(signers[2], &canon, FORM_DETACHED, &out, type, sizeof(type));
	snprintf(want, sizeof(want), "multipart/signed; "
	    "protocol=\"application/pkcs7-signature\";\n\tmicalg=sha-384; "
	    "boundary=\"%s\"", ZEROS);
	assert_string_equal(type, want);
	assert_true(out.len > strlen(begin) + strlen(end));
	assert_memory_equal(out.text, begin, strlen(begin));
	assert_string_equal(out.text + out.len - strlen(end), end);
	for (i = strlen(begin); i < out.len - strlen(end); i++) {
		column = out.text[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 77);
		assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
		    "klmnopqrstuvwxyz0123456789+/=\r\n", out.text[i]));
	}
	free(out.text);
}

static void
test_fields(void **state)
{
	struct smime_error err = { "" };
	struct canon canon = { .entity = ENTITY, .len = strlen(ENTITY),
	    .piece = 100 };
	struct composed *composed;
	unsigned char *der;
	size_t len;

	(void)state;
	der = sign(signers[1], ENTITY, strlen(ENTITY), &len);
	composed = compose_signed(&canon, FORM_DETACHED, SMIME_SHA256, der,
	    len, &err);
	assert_null(composed_encoding(composed));
	assert_null(composed_disposition(composed));
	assert_non_null(strstr(composed_content_type(composed),
	    "micalg=sha-256;"));
	composed_free(composed);
	composed = compose_signed(&canon, FORM_OPAQUE, SMIME_SHA256, der, len,
	    &err);
	assert_string_equal(composed_content_type(composed),
	    "application/pkcs7-mime; smime-type=signed-data;\n\t"
	    "name=\"smime.p7m\"");
	assert_string_equal(composed_encoding(composed), "base64");
	assert_string_equal(composed_disposition(composed),
	    "attachment; filename=\"smime.p7m\"");
	composed_free(composed);
	composed_free(NULL);
	OPENSSL_free(der);
}

static void
save_message(const char *type, enum smime_form form, const struct output *body)
{
	char *message = malloc(body->len + 600);
	const char *fold = strstr(type, "\n\t");
	int n;

	/* openssl takes the line end of the header for the body's too. */
	assert_non_null(fold);
	n = snprintf(message, 600, "MIME-Version: 1.0\r\nContent-Type: "
	    "%.*s\r\n%s\r\n%s\r\n", (int)(fold - type), type, fold + 1,
	    form == FORM_OPAQUE ?
	    "Content-Transfer-Encoding: base64\r\n" : "");
	memcpy(message + n, body->text, body->len);
	write_whole(pki_path("message.eml"), message, (size_t)n + body->len);
	free(message);
}

static void
verify_message(const char *entity, size_t len, const char *what)
{
	char *content;
	size_t got;
	int status;

	status = pki_run("openssl", "cms", "-verify", "-binary",
	    "-crlfeol", "-in",
	    pki_path("message.eml"), "-CAfile", pki_path("root.pem"), "-out",
	    pki_path("content"), NULL);
	if (status != 0)
		fail_msg("%s of %zu octets: openssl cms ended with %d", what,
		    len, status);
	content = read_whole(pki_path("content"), &got);
	if (got != len || memcmp(content, entity, len) != 0)
		fail_msg("%s of %zu octets: openssl got another content",
		    what, len);
	free(content);
}

/* SIG-19, SIG-32: both forms of entities of each awkward length. */
static void
test_openssl(void **state)
{
	static const size_t lengths[] = { 8, 9, 57, 115, 127, 128, 200, 255,
	    256, 5000, 65535, 65536, 300000 };
	char *entity = malloc(300000), type[300];
	struct output out;
	enum smime_form form;
	size_t i;

	(void)state;
	for (i = 0; i < 300000; i++)
		entity[i] = "Surat dinas ini\r\n"[i % 17];
	memcpy(entity, "T: x\r\n\r\n", 8);	/* 8: an empty body */
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (form = FORM_DETACHED; form <= FORM_OPAQUE; form++) {
			struct canon canon = { .entity = entity,
			    .len = lengths[i], .piece = 4096 };

			compose(signers[i % 3], &canon, form, &out, type,
			    sizeof(type));
			save_message(type, form, &out);
			free(out.text);
			verify_message(entity, lengths[i],
			    form == FORM_OPAQUE ? "opaque" : "detached");
		}
	free(entity);
}

/* Sizes that were said are sizes that were written, and DER stays DER. */
static void
test_opaque_lengths(void **state)
{
	char entity[400], type[300];
	struct output out;
	size_t len;

	(void)state;
	memset(entity, 'x', sizeof(entity));
	for (len = 1; len < sizeof(entity); len++) {
		struct canon canon = { .entity = entity, .len = len,
		    .piece = 1 + len % 70 };
		struct der in, content;
		unsigned char *der;
		size_t i, n = 0;

		compose(signers[1], &canon, FORM_OPAQUE, &out, type,
		    sizeof(type));
		for (i = 0; i < out.len; i++)
			if (out.text[i] != '\r' && out.text[i] != '\n')
				out.text[n++] = out.text[i];
		der = malloc(n);
		in.p = der;
		in.len = (size_t)EVP_DecodeBlock(der, (unsigned char *)out.text,
		    (int)n);
		for (; out.text[n - 1] == '='; n--)
			in.len--;
		assert_true(der_take(&in, 0x30, &content, NULL));
		assert_int_equal(in.len, 0);
		free(der);
		free(out.text);
	}
}

/* What makes compose_signed say no, with its sentence. */
static void
test_refused(void **state)
{
	static const struct {
		const char	*what;
		int		 random;
		bool		 broken, garbage, other;
		enum smime_digest digest;
		const char	*want;
	} rows[] = {
		{ "no random octets", -1, false, false, false, SMIME_SHA256,
		    "no random octets" },
		{ "a spool that cannot be read", 0, true, false, false,
		    SMIME_SHA256, "the spool cannot be read" },
		{ "no SignedData", 0, false, true, false, SMIME_SHA256,
		    "the signature is no SignedData of our making" },
		{ "another digest", 0, false, false, false, SMIME_SHA384,
		    "the signature is by another digest algorithm" },
		{ "another message", 0, false, false, true, SMIME_SHA256,
		    "the signature is of another message" },
	};
	static const char entity[] = "\r\n" ZEROS "\r\n";
	unsigned char *der;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct canon canon = { .entity = entity,
		    .len = strlen(entity), .piece = 9,
		    .broken = rows[i].broken };
		struct smime_error err = { "" };

		der = sign(signers[1], entity, strlen(entity) -
		    (rows[i].other ? 1 : 0), &len);
		foreseen_random = rows[i].random;
		if (rows[i].garbage)
			der[0] = 0x31;
		if (compose_signed(&canon, FORM_DETACHED, rows[i].digest, der,
		    len, &err) != NULL)
			fail_msg("%s: taken", rows[i].what);
		if (strncmp(err.text, rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("%s: got \"%s\"", rows[i].what, err.text);
		foreseen_random = 0;
		OPENSSL_free(der);
	}
}

/* SIG-21: an entity that reads back otherwise gets no end. */
static void
test_changed(void **state)
{
	enum smime_form form;

	(void)state;
	for (form = FORM_DETACHED; form <= FORM_OPAQUE; form++) {
		struct canon canon = { .entity = ENTITY,
		    .len = strlen(ENTITY), .piece = 10 };
		struct smime_error err = { "" };
		struct output out = { .len = 0 };
		struct composed *composed;
		unsigned char *der;
		size_t len;

		der = sign(signers[1], ENTITY, strlen(ENTITY), &len);
		composed = compose_signed(&canon, form, SMIME_SHA256, der, len,
		    &err);
		assert_non_null(composed);
		canon.broken = true;
		assert_int_equal(composed_write(composed, output_take, &out, &err),
		    -1);
		assert_string_equal(err.text, "another message");
		assert_true(out.len < composed_size(composed));
		composed_free(composed);
		OPENSSL_free(der);
		free(out.text);
	}
}

/* A sink that says no at any call makes the whole fail. */
static void
test_sink(void **state)
{
	enum smime_form form;

	(void)state;
	for (form = FORM_DETACHED; form <= FORM_OPAQUE; form++) {
		struct canon canon = { .entity = ENTITY,
		    .len = strlen(ENTITY), .piece = 10 };
		struct smime_error err = { "" };
		struct composed *composed;
		int n, rc = -1, failures = 0;
		unsigned char *der;
		size_t len;

		der = sign(signers[1], ENTITY, strlen(ENTITY), &len);
		composed = compose_signed(&canon, form, SMIME_SHA256, der, len,
		    &err);
		for (n = 1; rc != 0; n++) {
			struct output out = { .fail_at = (int)n };

			err.text[0] = '\0';
			rc = composed_write(composed, output_take, &out, &err);
			if (rc != 0) {
				assert_true(strcmp(err.text, "the message was "
				    "not taken") == 0 || strcmp(err.text,
				    "the sink said no") == 0);
				failures++;
			}
			assert_true(n < 1000);
			free(out.text);
		}
		assert_true(failures > 0);
		composed_free(composed);
		OPENSSL_free(der);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_opaque_lengths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_sink),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
