/*
 * test_token.c - keys in tokens: what key.uri may say, what goes over the
 * channel, and what the key process believes of the answers. The token itself
 * is tried by tests/e2e/test_token.py.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/rsa.h>

#include "../../milter/conf.h"
#include "../../milter/keys/tokens.h"
#include "../../milter/sandbox.h"
#include "../../smime/smime.h"
#include "pki.h"

#define URI	"pkcs11:token=dinas;object=budi"

static const struct {
	const char	*uri;
	const char	*label;		/* NULL: refused */
} uris[] = {
	{ URI, "dinas" },
	{ URI "\n", "dinas" },
	{ "pkcs11:token=dinas%20kominfo;id=%01%02", "dinas kominfo" },
	{ "pkcs11:id=%2f;serial=1;model=x;type=private;token=%64", "d" },
	{ "", NULL },
	{ "\n", NULL },
	{ "pkcs11:", NULL },
	{ "PKCS11:token=a;object=b", NULL },
	{ "pkcs11:object=b", NULL },
	{ "pkcs11:token=a", NULL },
	{ "pkcs11:token=;object=b", NULL },
	{ "pkcs11:token=a;token=b;object=b", NULL },
	{ "pkcs11:token=a%;object=b", NULL },
	{ "pkcs11:token=a%0;object=b", NULL },
	{ "pkcs11:token=a%00b;object=b", NULL },
	{ "pkcs11:token=a%zz;object=b", NULL },
	{ "pkcs11:token=a;object=b;", NULL },
	{ "pkcs11:token=a;object=b;library-name=c", NULL },
	{ "pkcs11:token=a;object=b?pin-value=1234", NULL },
	{ "pkcs11:token=a;object=b?module-path=/tmp/x.so", NULL },
	{ "pkcs11:token=a;object=b\npkcs11:token=a;object=c", NULL },
	{ "pkcs11:token=a;object=b ", NULL },
	{ "pkcs11:token=01234567890123456789012345678901234567890123456789"
	  "012345678901234;object=b", NULL },
};

static void
test_uris(void **state)
{
	char uri[TOKEN_URI_MAX + 1], label[TOKEN_LABEL_MAX + 1];
	char text[TOKEN_URI_MAX + 64];
	struct smime_error err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		err.text[0] = '\0';
		rc = token_uri_read(uris[i].uri, strlen(uris[i].uri), uri,
		    label, &err);
		if ((rc == 0) != (uris[i].label != NULL) ||
		    (rc == 0 && strcmp(label, uris[i].label) != 0) ||
		    (rc != 0 && err.text[0] == '\0'))
			fail_msg("%s: %d, %s", uris[i].uri, rc, err.text);
	}
	assert_int_equal(token_uri_read("pkcs11:token=a;object=b\0c", 25,
	    uri, label, NULL), -1);
	memset(text, 'x', sizeof(text));
	memcpy(text, URI, strlen(URI));
	assert_int_equal(token_uri_read(text, TOKEN_URI_MAX, uri, label,
	    NULL), 0);
	assert_int_equal(token_uri_read(text, TOKEN_URI_MAX + 1, uri, label,
	    NULL), -1);
}

/* Cut at every length, and with every octet another. */
static void
test_requests(void **state)
{
	struct token_request request = { .serial = 0x0102030405060708,
	    .raw = { RAW_PSS, SMIME_SHA384, { 1, 2, 3 } }, .pin_len = 4,
	    .pin = "4711", .uri = URI }, got;
	unsigned char buf[TOKEN_REQUEST_MAX], copy[TOKEN_REQUEST_MAX];
	ssize_t len, i;

	(void)state;
	len = token_put_request(&request, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(token_get_request(buf, (size_t)len, &got), 0);
	assert_memory_equal(&got, &request, sizeof(got));
	assert_int_equal(token_put_request(&request, copy, (size_t)len - 1),
	    -1);
	for (i = 0; i < len; i++)
		assert_int_equal(token_get_request(buf, (size_t)i, &got), -1);
	buf[len] = 'x';
	assert_int_equal(token_get_request(buf, (size_t)len + 1, &got), -1);
	for (i = 0; i < len * 256; i++) {
		memcpy(copy, buf, (size_t)len);
		copy[i / 256] = (unsigned char)i;
		if (token_get_request(copy, (size_t)len, &got) == 0) {
			assert_true(strlen(got.pin) == got.pin_len);
			assert_true(strlen(got.uri) <= TOKEN_URI_MAX);
		}
	}
}

static void
test_answers(void **state)
{
	struct token_answer answer = { .serial = 7, .result = TOKEN_SIGNED,
	    .len = 256, .text = "" }, got;
	unsigned char buf[TOKEN_ANSWER_MAX], copy[TOKEN_ANSWER_MAX];
	ssize_t len, i;

	(void)state;
	memset(answer.signature, 0x5a, 256);
	len = token_put_answer(&answer, buf, sizeof(buf));
	assert_int_equal(len, 13 + 256);
	assert_int_equal(token_get_answer(buf, (size_t)len, &got), 0);
	assert_memory_equal(&got, &answer, sizeof(got));
	for (i = 0; i < len; i++)
		assert_int_equal(token_get_answer(buf, (size_t)i, &got), -1);
	for (i = 0; i < 13 * 256; i++) {
		memcpy(copy, buf, (size_t)len);
		copy[i / 256] = (unsigned char)i;
		if (token_get_answer(copy, (size_t)len, &got) == 0)
			assert_true(got.len == 256);
	}
	/* a signature comes with success, and with that alone */
	answer.len = 0;
	len = token_put_answer(&answer, buf, sizeof(buf));
	assert_int_equal(token_get_answer(buf, (size_t)len, &got), -1);
	answer = (struct token_answer){ .result = TOKEN_LOST, .len = 1 };
	len = token_put_answer(&answer, buf, sizeof(buf));
	assert_int_equal(token_get_answer(buf, (size_t)len, &got), -1);
}

/* ------------------------------------------------- the key process's side */

enum deed { HONEST, BIT_FLIPPED, OTHER_DIGEST, OTHER_KEY, EMPTY, HUGE_ONE,
	SHORT, NOISE, OTHER_SERIAL, STALE_FIRST, LOST_IT, WRONG_PIN, CLOSED,
	SILENT };

struct fake {
	int		 fd;
	enum deed	 deed;
	EVP_PKEY	*key;
	EVP_PKEY	*other;
	char		 pin[TOKEN_PIN_MAX + 1];
};

static void
sign_raw(EVP_PKEY *key, const struct raw_request *raw,
    struct token_answer *answer)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	const EVP_MD *md = smime_digest_md(raw->digest);

	answer->len = sizeof(answer->signature);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	if (raw->kind == RAW_PSS) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
		EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md);
	}
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, answer->signature, &answer->len,
	    raw->value, smime_digest_size(raw->digest)), 1);
	EVP_PKEY_CTX_free(ctx);
	answer->result = TOKEN_SIGNED;
}

/* One request, answered as the deed says. */
static void *
fake_token(void *arg)
{
	struct fake *fake = arg;
	unsigned char buf[3 * TOKEN_ANSWER_MAX] = { 0 };
	struct token_request request;
	struct token_answer answer = { .result = TOKEN_LOST };
	ssize_t len;

	len = token_receive(fake->fd, buf, sizeof(buf));
	if (len <= 0 || token_get_request(buf, (size_t)len, &request) != 0)
		return arg;
	memcpy(fake->pin, request.pin, sizeof(fake->pin));
	if (fake->deed == OTHER_DIGEST)
		request.raw.value[0] ^= 1;
	if (fake->deed != LOST_IT && fake->deed != WRONG_PIN)
		sign_raw(fake->deed == OTHER_KEY ? fake->other : fake->key,
		    &request.raw, &answer);
	answer.serial = request.serial + (fake->deed == OTHER_SERIAL);
	if (fake->deed == WRONG_PIN)
		answer.result = TOKEN_PIN_WRONG;
	if (fake->deed == BIT_FLIPPED)
		answer.signature[answer.len / 2] ^= 1;
	if (fake->deed == STALE_FIRST) {
		answer.serial--;
		len = token_put_answer(&answer, buf, sizeof(buf));
		token_send(fake->fd, buf, (size_t)len);
		answer.serial++;
	}
	if (fake->deed == EMPTY)
		answer.len = 0;
	len = token_put_answer(&answer, buf, sizeof(buf));
	if (fake->deed == HUGE_ONE)
		len = sizeof(buf);
	if (fake->deed == SHORT)
		len--;
	if (fake->deed == NOISE)
		memset(buf, 0xff, (size_t)len);
	if (fake->deed == CLOSED)
		shutdown(fake->fd, SHUT_RDWR);
	else if (fake->deed != SILENT)
		token_send(fake->fd, buf, (size_t)len);
	return NULL;
}

static const struct {
	const char	*name;
	enum deed	 deed;
	const char	*says;		/* "" it signs */
} deeds[] = {
	{ "honest", HONEST, "" },
	{ "a stale answer first", STALE_FIRST, "" },
	{ "one bit", BIT_FLIPPED, "does not verify" },
	{ "another digest", OTHER_DIGEST, "does not verify" },
	{ "another key", OTHER_KEY, "does not verify" },
	{ "no signature", EMPTY, "nonsense" },
	{ "too long", HUGE_ONE, "nonsense" },
	{ "cut off", SHORT, "nonsense" },
	{ "noise", NOISE, "nonsense" },
	{ "another's answer", OTHER_SERIAL, "in time" },
	{ "silence", SILENT, "in time" },
	{ "lost", LOST_IT, "does not sign" },
	{ "wrong PIN", WRONG_PIN, "does not sign" },
	{ "gone", CLOSED, "gone" },
};

static const struct {
	const char		*name;
	enum smime_scheme	 scheme;
} kinds[] = {
	{ "rsa2048", SCHEME_DEFAULT }, { "rsa2048", SCHEME_PSS },
	{ "p256", SCHEME_DEFAULT }, { "p384", SCHEME_DEFAULT },
};

/* A whole signature by the way of the mail; 0, or -1 with the sentence. */
static int
sign_by(X509 *cert, EVP_PKEY *key, enum smime_scheme scheme,
    struct smime_error *err)
{
	unsigned char value[SMIME_DIGEST_MAX] = { 9 }, *der = NULL;
	struct signer *signer;
	size_t len;
	int rc;

	signer = signer_new(cert, key, NULL, NULL, scheme, 0, err);
	if (signer == NULL)
		fail_msg("no signer: %s", err->text);
	rc = signer_sign(signer, value, smime_digest_size(
	    signer_digest(signer)), time(NULL), &der, &len, err);
	OPENSSL_free(der);
	signer_free(signer);
	return rc;
}

static void
try_deed(size_t kind, size_t deed)
{
	struct conf conf = { .key_timeout = strcmp(deeds[deed].says,
	    "in time") == 0 ? 1 : 60 };
	X509 *cert = pki_mailbox_cert(kinds[kind].name);
	struct fake fake = { .deed = deeds[deed].deed,
	    .key = pki_mailbox_key(kinds[kind].name),
	    .other = pki_mailbox_key(cert_digest(cert) == SMIME_SHA384 ?
	    "other384" : EVP_PKEY_is_a(X509_get0_pubkey(cert), "EC") ?
	    "other256" : "other2048") };
	struct smime_error err = { "" };
	struct token_client *client;
	pthread_t thread;
	EVP_PKEY *key;
	int pair[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fake.fd = pair[0];
	client = token_client_new(&pair[1], 1);
	token_client_use(client, &conf);
	assert_int_equal(pthread_create(&thread, NULL, fake_token, &fake), 0);
	key = token_key(client, cert, URI, "815", 3, &err);
	assert_non_null(key);
	rc = sign_by(cert, key, kinds[kind].scheme, &err);
	if ((rc == 0) != (deeds[deed].says[0] == '\0') ||
	    strstr(err.text, deeds[deed].says) == NULL)
		fail_msg("%s, %s: %d %s", kinds[kind].name, deeds[deed].name,
		    rc, err.text);
	pthread_join(thread, NULL);
	assert_string_equal(fake.pin, "815");
	EVP_PKEY_free(key);
	token_client_free(client);
	close(pair[0]);
	close(pair[1]);
	EVP_PKEY_free(fake.key);
	EVP_PKEY_free(fake.other);
	X509_free(cert);
}

static void
test_deeds(void **state)
{
	size_t kind, deed;

	(void)state;
	for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		for (deed = 0; deed < sizeof(deeds) / sizeof(deeds[0]); deed++)
			try_deed(kind, deed);
}

/* sampulctl has no channel: the key is shown, and does not sign. */
static void
test_no_client(void **state)
{
	X509 *cert = pki_mailbox_cert("p256");
	struct smime_error err = { "" };
	EVP_PKEY *key = token_key(NULL, cert, URI, NULL, 0, &err), *copy;

	(void)state;
	assert_non_null(key);
	assert_true(key_is_elsewhere(key));
	assert_int_equal(X509_check_private_key(cert, key), 1);
	copy = EVP_PKEY_dup(key);
	assert_false(key_is_elsewhere(copy));
	assert_int_equal(token_key_try(copy, &err), -1);
	err.text[0] = '\0';
	assert_int_equal(token_key_try(key, &err), -1);
	assert_non_null(strstr(err.text, "for the service alone"));
	EVP_PKEY_free(copy);
	EVP_PKEY_free(key);
	X509_free(cert);
}

/* ---------------------------------------------------- the worker's cage --- */

static void *
nothing(void *arg)
{
	return arg;
}

static bool
may_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid != -1;
}

static bool
may_socket(int domain)
{
	int fd = socket(domain, SOCK_STREAM, 0);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

/* In a child of its own: a number that says which of it went wrong. */
static int
in_cage(enum sandbox_role role)
{
	struct smime_error err = { "" };
	pthread_t thread;

	if (sandbox_harden(&err) != 0 || sandbox_serve(role, &err) != 0)
		return 1;
	if (may_fork())
		return 2;
	if (!may_socket(AF_UNIX))
		return 3;
	if (may_socket(AF_INET) != (role == SANDBOX_WORKER_NETWORK) ||
	    may_socket(AF_INET6) != (role == SANDBOX_WORKER_NETWORK))
		return 4;
	if (pthread_create(&thread, NULL, nothing, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		return 5;
	execl("/bin/true", "true", (char *)NULL);
	return 6;
}

static void
test_cage(void **state)
{
	static const enum sandbox_role roles[] = { SANDBOX_WORKER,
	    SANDBOX_WORKER_NETWORK };
	int i, status;
	pid_t pid;

	(void)state;
	if (sandbox_call_count(SANDBOX_KEYS) == 0) {
		print_message("this build has no filters\n");
		return;
	}
	for (i = 0; i < 2; i++) {
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			_exit(in_cage(roles[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			fail_msg("role %d: step %d", i, WEXITSTATUS(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("rsa2048", "rsa2048", "ok");
	pki_mailbox("other2048", "rsa2048", "ok");
	pki_mailbox("p256", "p256", "ok");
	pki_mailbox("other256", "p256", "ok");
	pki_mailbox("p384", "p384", "ok");
	pki_mailbox("other384", "p384", "ok");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uris),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_deeds),
		cmocka_unit_test(test_no_client),
		cmocka_unit_test(test_cage),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
