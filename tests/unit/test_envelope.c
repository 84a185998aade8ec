/*
 * test_envelope.c - who can open what we encrypt, and what they find; that two
 * messages share nothing; that the check before leaving sees what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "../../smime/cms.h"
#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "output.h"
#include "pki.h"
#include "signing.h"
#include "watched.h"

/* Mailboxes, by name as their type. */
enum who { RSA2048, RSA3072, P256, P384, OTHER, WHO };
static const char *const types[] = { "rsa2048", "rsa3072", "p256", "p384",
	"rsa2048" };
static X509 *certs[WHO];
static EVP_PKEY *keys[WHO];
static struct signer *signer;

#define SEVERAL		20
static X509 *several[SEVERAL];
static EVP_PKEY *several_keys[SEVERAL];

static int
setup(void **state)
{
	char name[16];
	int i;

	pki_setup(state);
	for (i = 0; i < WHO; i++) {
		snprintf(name, sizeof(name), "who%d", i);
		pki_mailbox(name, types[i], "encryption");
		certs[i] = pki_mailbox_cert(name);
		keys[i] = pki_mailbox_key(name);
	}
	for (i = 0; i < SEVERAL; i++) {
		snprintf(name, sizeof(name), "some%d", i);
		pki_mailbox(name, i % 2 == 0 ? "rsa2048" : "p256",
		    "encryption");
		several[i] = pki_mailbox_cert(name);
		several_keys[i] = pki_mailbox_key(name);
	}
	pki_mailbox("signer", "p256", "ok");
	signer = signing_by("signer");
	return 0;
}

static int
teardown(void **state)
{
	int i;

	for (i = 0; i < WHO; i++) {
		X509_free(certs[i]);
		EVP_PKEY_free(keys[i]);
	}
	for (i = 0; i < SEVERAL; i++) {
		X509_free(several[i]);
		EVP_PKEY_free(several_keys[i]);
	}
	signer_free(signer);
	return pki_teardown(state);
}

/* The whole DER of a text, handed over in pieces. */
static void
seal(enum smime_cipher cipher, const struct recipient *recipients,
    size_t count, const unsigned char *text, size_t len, size_t piece,
    struct output *out)
{
	struct smime_error err = { "" };
	struct envelope *envelope;
	size_t at, n;

	memset(out, 0, sizeof(*out));
	envelope = envelope_new(cipher, recipients, count, len, &err);
	if (envelope == NULL || envelope_begin(envelope, output_take, out, &err) != 0)
		fail_msg("%s", err.text);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (envelope_put(envelope, text + at, n) != 0)
			fail_msg("%s", err.text);
	}
	if (envelope_end(envelope, &err) != 0)
		fail_msg("%s", err.text);
	if (envelope_size(envelope) != out->len)
		fail_msg("%zu octets: size said %zu, wrote %zu", len,
		    (size_t)envelope_size(envelope), out->len);
	envelope_free(envelope);
}

/* Reads as OpenSSL does, which must find DER, and opens it. */
static char *
open_sealed(const struct output *sealed, EVP_PKEY *key, X509 *cert, size_t *len)
{
	const unsigned char *p = sealed->p;
	unsigned char *again = NULL;
	CMS_ContentInfo *cms;
	char *data, *copy;
	BIO *out;

	cms = d2i_CMS_ContentInfo(NULL, &p, (long)sealed->len);
	assert_non_null(cms);
	assert_ptr_equal(p, sealed->p + sealed->len);
	assert_int_equal(i2d_CMS_ContentInfo(cms, &again), sealed->len);
	assert_memory_equal(again, sealed->p, sealed->len);
	OPENSSL_free(again);
	out = BIO_new(BIO_s_mem());
	if (CMS_decrypt(cms, key, cert, NULL, out, CMS_BINARY) != 1) {
		ERR_print_errors_fp(stderr);
		fail_msg("it cannot be opened");
	}
	*len = (size_t)BIO_get_mem_data(out, &data);
	copy = malloc(*len + 1);
	if (*len > 0)
		memcpy(copy, data, *len);
	copy[*len] = '\0';
	BIO_free(out);
	CMS_ContentInfo_free(cms);
	return copy;
}

/* --------------------------------------------------------------- tests --- */

/* Around every border, for each kind of key and cipher. */
static void
test_lengths(void **state)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 31, 32, 33, 95, 96,
	    111, 112, 127, 128, 129, 255, 256, 4095, 4096, 4097, 16383, 16384,
	    16385, 65535, 65536, 200000 };
	unsigned char *text = malloc(200000);
	struct output sealed;
	enum smime_cipher cipher;
	size_t i, got, n = 0;
	char *opened;

	(void)state;
	for (i = 0; i < 200000; i++)
		text[i] = (unsigned char)(i * 7 + i / 256);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (cipher = 0; cipher <= CIPHER_AES128_GCM; cipher++) {
			enum who who = n++ % OTHER;
			struct recipient to = { certs[who], n % 3 == 0 &&
			    who <= RSA3072 };

			seal(cipher, &to, 1, text, lengths[i], 1 + n * 37,
			    &sealed);
			opened = open_sealed(&sealed, keys[who], certs[who],
			    &got);
			if (got != lengths[i] ||
			    memcmp(opened, text, got) != 0)
				fail_msg("%zu octets by %s for %s: opened "
				    "another text", lengths[i],
				    smime_cipher_word(cipher), types[who]);
			free(opened);
			free(sealed.p);
		}
	free(text);
}

/* Each of twenty, of both kinds, and nobody else. */
static void
test_several(void **state)
{
	static const unsigned char text[] = "Yth. Bapak dan Ibu";
	struct recipient to[SEVERAL + 2];
	enum smime_cipher cipher;
	struct output sealed;
	CMS_ContentInfo *cms;
	const unsigned char *p;
	size_t i, got;
	char *opened;
	BIO *out;

	(void)state;
	memset(to, 0, sizeof(to));
	for (i = 0; i < SEVERAL; i++)
		to[i].cert = several[i];
	to[SEVERAL].cert = several[3];	/* twice: once */
	to[SEVERAL + 1].cert = several[0];
	to[SEVERAL + 1].oaep = true;
	for (cipher = 0; cipher <= CIPHER_AES128_GCM; cipher++) {
		seal(cipher, to, SEVERAL + 2, text, sizeof(text), 5, &sealed);
		for (i = 0; i < SEVERAL; i++) {
			opened = open_sealed(&sealed, several_keys[i],
			    several[i], &got);
			assert_int_equal(got, sizeof(text));
			assert_string_equal(opened, (const char *)text);
			free(opened);
		}
		p = sealed.p;
		cms = d2i_CMS_ContentInfo(NULL, &p, (long)sealed.len);
		assert_int_equal(sk_CMS_RecipientInfo_num(
		    CMS_get0_RecipientInfos(cms)), SEVERAL);
		out = BIO_new(BIO_s_mem());
		assert_int_not_equal(CMS_decrypt(cms, keys[RSA2048],
		    certs[RSA2048], NULL, out, CMS_BINARY), 1);
		ERR_clear_error();
		BIO_free(out);
		CMS_ContentInfo_free(cms);
		free(sealed.p);
	}
}

/* The content key of an envelope for one RSA recipient. */
static size_t
content_key(const struct recipient_info *info, EVP_PKEY *key,
    unsigned char out[512])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	size_t len = 512;

	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_decrypt(ctx, out, &len, info->key.p,
	    info->key.len), 1);
	EVP_PKEY_CTX_free(ctx);
	return len;
}

static bool
share_a_block(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t i;

	for (i = 0; i + 16 <= len; i += 16)
		if (memmem(b, len, a + i, 16) != NULL)
			return true;
	return false;
}

/* ENC-10: nothing in common but the names. */
static void
test_fresh(void **state)
{
	static unsigned char text[4096];
	static const size_t key_octets[] = { 32, 32, 16 };
	struct recipient to[2] = { { certs[RSA2048], false },
	    { certs[P256], false } };
	struct output sealed[2];
	struct enveloped read[2];
	struct recipient_info info[2][2], swap;
	unsigned char cek[2][512];
	enum smime_cipher cipher;
	size_t n, tail, body, i, k;

	(void)state;
	for (cipher = 0; cipher <= CIPHER_AES128_GCM; cipher++) {
		tail = envelope_tail_size(cipher);
		body = cipher == CIPHER_AES256_CBC ? 4112 : 4096;
		for (i = 0; i < 2; i++) {
			seal(cipher, to, 2, text, sizeof(text), 1000,
			    &sealed[i]);
			assert_true(enveloped_read(sealed[i].p, sealed[i].len -
			    tail - body, body, &read[i]));
			assert_int_equal(read[i].cipher, cipher);
			for (k = 0; k < 2; k++)
				assert_true(recipient_info_take(
				    &read[i].infos, &info[i][k]));
			if (!info[i][0].transport) {
				swap = info[i][0];
				info[i][0] = info[i][1];
				info[i][1] = swap;
			}
			n = content_key(&info[i][0], keys[RSA2048], cek[i]);
			assert_int_equal(n, key_octets[cipher]);
		}
		assert_memory_not_equal(cek[0], cek[1], key_octets[cipher]);
		assert_memory_not_equal(read[0].nonce.p, read[1].nonce.p,
		    read[0].nonce.len);
		assert_memory_not_equal(info[0][1].point.p, info[1][1].point.p,
		    65);
		assert_memory_not_equal(info[0][1].key.p, info[1][1].key.p,
		    key_octets[cipher] + 8);
		assert_memory_not_equal(info[0][0].key.p, info[1][0].key.p,
		    256);
		assert_false(share_a_block(sealed[0].p + sealed[0].len - tail -
		    body, sealed[1].p + sealed[1].len - tail - body, body));
		if (tail > 0)
			assert_memory_not_equal(sealed[0].p + sealed[0].len -
			    16, sealed[1].p + sealed[1].len - 16, 16);
		free(sealed[0].p);
		free(sealed[1].p);
	}
}

/* Who cannot be encrypted to, whatever a caller thought of it. */
static void
test_refused(void **state)
{
	static const char *const bad[] = { "ed25519", "pss", "rsa1024",
	    "p521" };
	struct recipient to = { NULL, false }, *many;
	struct smime_error err = { "" };
	X509 *cert;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pki_mailbox(bad[i], bad[i], "encryption");
		cert = pki_mailbox_cert(bad[i]);
		to.cert = cert;
		err.text[0] = '\0';
		assert_null(envelope_new(CIPHER_AES256_CBC, &to, 1, 10, &err));
		if (strstr(err.text, "CN=budi") == NULL)
			fail_msg("%s: got \"%s\"", bad[i], err.text);
		X509_free(cert);
	}
	err.text[0] = '\0';
	assert_null(envelope_new(CIPHER_AES256_CBC, &to, 0, 10, &err));
	assert_string_equal(err.text, "nobody to encrypt to");
	many = calloc(RECIPIENTS_MAX + 1, sizeof(*many));
	for (i = 0; i <= RECIPIENTS_MAX; i++)
		many[i].cert = certs[0];
	err.text[0] = '\0';
	assert_null(envelope_new(CIPHER_AES256_CBC, many, RECIPIENTS_MAX + 1,
	    10, &err));
	assert_string_equal(err.text, "too many recipients");
	free(many);
	err.text[0] = '\0';
	to.cert = certs[0];
	assert_null(envelope_new(CIPHER_AES256_CBC, &to, 1, UINT32_MAX, &err));
	assert_string_equal(err.text,
	    "the message is too long for an envelope");
}

/* More or less than was said, a second time, a sink that says no. */
static void
test_misused(void **state)
{
	static const unsigned char text[100];
	struct recipient to = { certs[P256], false };
	struct output out = { .len = 0 };
	struct smime_error err = { "" };
	struct envelope *envelope;
	int at;

	(void)state;
	envelope = envelope_new(CIPHER_AES256_CBC, &to, 1, 99, &err);
	assert_int_equal(envelope_begin(envelope, output_take, &out, &err), 0);
	assert_int_equal(envelope_put(envelope, text, 100), -1);
	assert_string_equal(err.text,
	    "the message is longer than it was said to be");
	err.text[0] = '\0';
	assert_int_equal(envelope_put(envelope, text, 98), 0);
	assert_int_equal(envelope_end(envelope, &err), -1);
	assert_string_equal(err.text,
	    "the message is shorter than it was said to be");
	err.text[0] = '\0';
	assert_int_equal(envelope_begin(envelope, output_take, &out, &err), -1);
	assert_string_equal(err.text, "the envelope was written already");
	envelope_free(envelope);
	free(out.p);
	for (at = 1; at <= 4; at++) {
		struct output no = { .fail_at = at };
		bool ok;

		err.text[0] = '\0';
		envelope = envelope_new(CIPHER_AES256_GCM, &to, 1, 100, &err);
		ok = envelope_begin(envelope, output_take, &no, &err) == 0 &&
		    envelope_put(envelope, text, 100) == 0 &&
		    envelope_end(envelope, &err) == 0;
		assert_int_equal(ok, at == 4);	/* head, text, tag */
		envelope_free(envelope);
		free(no.p);
	}
}

/* ---------------------------------------------------------- self-check --- */

static bool
within(const struct der *der, const unsigned char *p)
{
	return p >= der->p && p < der->p + der->len;
}

/* Octets that nobody without a private key can say anything about. */
static bool
is_random(const struct enveloped *read, const unsigned char *p)
{
	struct der infos = read->infos;
	struct recipient_info info;

	if (within(&read->nonce, p))
		return true;
	while (infos.len > 0) {
		assert_true(recipient_info_take(&infos, &info));
		if (within(&info.key, p) ||
		    (within(&info.point, p) && p != info.point.p))
			return true;
	}
	return false;
}

/* Every other octet of the head matters, and so does its length. */
static void
test_check(void **state)
{
	static const unsigned char text[1000];
	struct recipient to[2] = { { certs[RSA2048], false },
	    { certs[P384], false } };
	enum smime_cipher cipher;
	struct smime_error err;
	struct enveloped read;
	struct output sealed;
	size_t i, n, body, flipped;
	unsigned char was, *cut;

	(void)state;
	for (cipher = 0; cipher <= CIPHER_AES128_GCM; cipher++) {
		to[0].oaep = cipher == CIPHER_AES256_GCM;
		seal(cipher, to, 2, text, sizeof(text), 1000, &sealed);
		body = cipher == CIPHER_AES256_CBC ? 1008 : 1000;
		n = sealed.len - body - envelope_tail_size(cipher);
		err.text[0] = '\0';
		if (envelope_check(sealed.p, n, body, cipher, to, 2, &err) != 0)
			fail_msg("%s", err.text);
		assert_true(enveloped_read(sealed.p, n, body, &read));
		for (flipped = 0, i = 0; i < n; i++) {
			if (is_random(&read, sealed.p + i))
				continue;
			was = sealed.p[i];
			sealed.p[i] ^= (unsigned char)(1u << i % 8);
			if (envelope_check(sealed.p, n, body, cipher, to, 2,
			    &err) == 0)
				fail_msg("octet %zu of %zu does not matter", i,
				    n);
			sealed.p[i] = was;
			flipped++;
		}
		assert_true(flipped > 100);
		/* In memory that ends there, for a sanitizer to see. */
		for (i = 0; i < n; i++) {
			cut = malloc(i + 1);
			memcpy(cut, sealed.p, i);
			assert_false(enveloped_read(cut, i, body, &read));
			free(cut);
		}
		assert_false(enveloped_read(sealed.p, n, body + 1, &read));
		assert_false(enveloped_read(sealed.p, n, body - 1, &read));
		assert_false(enveloped_read(sealed.p, n + 1, body - 1, &read));
		free(sealed.p);
	}
}

static void
test_check_recipients(void **state)
{
	static const unsigned char text[32];
	struct recipient to[2] = { { certs[RSA2048], false },
	    { certs[P256], false } };
	const struct {
		struct recipient	to[3];
		size_t			count;
		enum smime_cipher	cipher;
		const char		*want;
	} rows[] = {
		{ { to[0], to[1] }, 2, CIPHER_AES256_CBC, "" },
		{ { to[1], to[0], to[1] }, 3, CIPHER_AES256_CBC, "" },
		{ { to[0] }, 1, CIPHER_AES256_CBC,
		    "the envelope can be opened by somebody else" },
		{ { to[0], to[1], { certs[OTHER], false } }, 3,
		    CIPHER_AES256_CBC,
		    "the envelope cannot be opened by a recipient" },
		{ { { certs[OTHER], false }, to[1] }, 2, CIPHER_AES256_CBC,
		    "the envelope can be opened by somebody else" },
		{ { { certs[RSA2048], true }, to[1] }, 2, CIPHER_AES256_CBC,
		    "the envelope has a key for a recipient in another form "
		    "than asked for" },
		{ { to[0], to[1] }, 2, CIPHER_AES256_GCM,
		    "the envelope is not what it should be" },
	};
	struct output sealed;
	size_t i;

	(void)state;
	seal(CIPHER_AES256_CBC, to, 2, text, sizeof(text), 32, &sealed);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smime_error err = { "" };

		(void)envelope_check(sealed.p, sealed.len - 48, 48,
		    rows[i].cipher, rows[i].to, rows[i].count, &err);
		if (strcmp(err.text, rows[i].want) != 0)
			fail_msg("row %zu: got \"%s\", wanted \"%s\"", i,
			    err.text, rows[i].want);
	}
	free(sealed.p);
}

static void
test_choose(void **state)
{
	static const struct {
		unsigned		 bits;
		enum smime_cipher	 want;
	} rows[] = {
		{ 0, CIPHER_AES256_CBC },
		{ SMIME_CAP_AES256_CBC | SMIME_CAP_AES128_CBC,
		    CIPHER_AES256_CBC },
		{ SMIME_CAP_AES128_GCM | SMIME_CAP_AES256_CBC,
		    CIPHER_AES128_GCM },
		{ SMIME_CAP_AES128_GCM | SMIME_CAP_AES256_GCM,
		    CIPHER_AES256_GCM },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(smime_cipher_choose(rows[i].bits),
		    rows[i].want);
	assert_string_equal(smime_cipher_word(CIPHER_AES256_CBC),
	    "aes256-cbc");
	assert_string_equal(smime_cipher_word(CIPHER_AES256_GCM),
	    "aes256-gcm");
	assert_string_equal(smime_cipher_word(CIPHER_AES128_GCM),
	    "aes128-gcm");
}

/* ------------------------------------------------------ whole messages --- */

static struct canon *
make_canon(uint64_t size)
{
	static const char subject[] = " Undangan rapat";
	struct canon_settings settings;
	struct header_list header = { 0 };
	struct smime_error err = { "" };
	struct canon_result result;
	unsigned char piece[8192];
	struct canon *canon;
	size_t i;

	canon_settings_init(&settings);
	settings.spool_dir = pki_path(".");
	assert_int_equal(header_add(&header, "Subject", 7, subject,
	    strlen(subject), 0, &err), 0);
	canon = canon_new(&settings, &header, SMIME_SHA256, &err);
	if (canon == NULL)
		fail_msg("%s", err.text);
	for (i = 0; i < sizeof(piece); i++)
		piece[i] = (unsigned char)"Surat dinas ini\r\n"[i % 17];
	for (; size > 0; size -= i) {
		i = size < 7990 ? (size_t)size : 7990;	/* 470 lines */
		if (canon_body(canon, piece, i, &err) != 0)
			fail_msg("%s", err.text);
	}
	if (canon_finish(canon, &result, &err) != 0)
		fail_msg("%s", err.text);
	header_clear(&header);
	return canon;
}

static struct composed *
sign(struct canon *canon, enum smime_form form)
{
	unsigned char value[SMIME_DIGEST_MAX], *der;
	struct smime_error err = { "" };
	struct composed *composed;
	size_t len;

	if (canon_digest(canon, SMIME_SHA256, value, &err) != 0 ||
	    signer_sign(signer, value, 32, time(NULL), &der, &len, &err) != 0)
		fail_msg("%s", err.text);
	composed = compose_signed(canon, form, SMIME_SHA256, der, len, &err);
	if (composed == NULL)
		fail_msg("%s", err.text);
	OPENSSL_free(der);
	return composed;
}

static void
save_message(const struct composed *composed, const struct output *body)
{
	FILE *f = fopen(pki_path("message.eml"), "wb");
	const char *p;

	fputs("MIME-Version: 1.0\r\nContent-Type: ", f);
	for (p = composed_content_type(composed); *p != '\0'; p++)
		fputs(*p == '\n' ? "\r\n" : (char[]){ *p, '\0' }, f);
	fprintf(f, "\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    composed_encoding(composed));
	fwrite(body->p, 1, body->len, f);
	assert_int_equal(fclose(f), 0);
}

/* Opened and verified by the openssl command; the entity compared. */
static void
open_and_verify(const char *key_dir, struct canon *canon)
{
	struct output entity = { .len = 0 };
	struct smime_error err = { "" };
	char *content, message[512], opened[512];
	size_t got;

	snprintf(message, sizeof(message), "%s", pki_path("message.eml"));
	snprintf(opened, sizeof(opened), "%s", pki_path("opened.eml"));
	if (pki_run("openssl", "cms", "-decrypt", "-in", message, "-recip",
	    pki_path("%s/cert.pem", key_dir), "-inkey", pki_path("%s/key.pem",
	    key_dir), "-out", opened, NULL) != 0) {
		pki_show();
		fail_msg("openssl cannot open it");
	}
	if (pki_run("openssl", "cms", "-verify", "-binary", "-crlfeol", "-in",
	    opened, "-CAfile", pki_path("root.pem"), "-out",
	    pki_path("content"), NULL) != 0) {
		pki_show();
		fail_msg("openssl does not verify it");
	}
	assert_int_equal(canon_write(canon, output_take, &entity, &err), 0);
	content = read_whole(pki_path("content"), &got);
	if (got != entity.len || memcmp(content, entity.p, got) != 0)
		fail_msg("another entity: %zu octets, %zu were signed", got,
		    entity.len);
	free(content);
	free(entity.p);
}

static void
test_message(void **state)
{
	static const struct {
		enum smime_form		 form;
		enum smime_cipher	 cipher;
		uint64_t		 size;
		const char		*type;
	} rows[] = {
		{ FORM_DETACHED, CIPHER_AES256_CBC, 1700, "enveloped-data;" },
		{ FORM_OPAQUE, CIPHER_AES256_CBC, 17, "enveloped-data;" },
		{ FORM_DETACHED, CIPHER_AES256_GCM, 400000,
		    "authEnveloped-data;" },
		{ FORM_OPAQUE, CIPHER_AES128_GCM, 0, "authEnveloped-data;" },
	};
	struct recipient to[2] = { { certs[RSA3072], false },
	    { certs[P384], false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct canon *canon = make_canon(rows[i].size);
		struct composed *inner = sign(canon, rows[i].form), *outer;
		struct output out = { .len = 0 };
		struct smime_error err = { "" };

		outer = compose_encrypted(inner, rows[i].cipher, to, 2, &err);
		if (outer == NULL || composed_write(outer, output_take, &out,
		    &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(out.len, composed_size(outer));
		assert_non_null(strstr(composed_content_type(outer),
		    rows[i].type));
		assert_string_equal(composed_disposition(outer),
		    "attachment; filename=\"smime.p7m\"");
		save_message(outer, &out);
		open_and_verify("who1", canon);
		open_and_verify("who3", canon);
		assert_int_equal(composed_write(outer, output_take, &out, &err), -1);
		assert_string_equal(err.text,
		    "the envelope was written already");
		composed_free(outer);
		free(out.p);
		composed_free(inner);
		canon_free(canon);
	}
}

static int
drop(void *arg, const unsigned char *buf, size_t len)
{
	(void)buf;
	*(uint64_t *)arg += len;
	return 0;
}

/* A large message costs no more memory than a small one. */
static void
test_memory(void **state)
{
	struct recipient to = { certs[RSA2048], false };
	struct smime_error err = { "" };
	struct composed *inner, *outer;
	struct rusage before, after;
	struct canon *canon;
	uint64_t size, out = 0;

	(void)state;
	for (size = 1024; size <= 25 * 1024 * 1024; size *= 25600) {
		getrusage(RUSAGE_SELF, &before);
		canon = make_canon(size);
		inner = sign(canon, FORM_DETACHED);
		outer = compose_encrypted(inner, CIPHER_AES256_CBC, &to, 1,
		    &err);
		if (outer == NULL || composed_write(outer, drop, &out,
		    &err) != 0)
			fail_msg("%s", err.text);
		getrusage(RUSAGE_SELF, &after);
		composed_free(outer);
		composed_free(inner);
		canon_free(canon);
	}
	assert_true(out > 25 * 1024 * 1024 * 4ull / 3);
	if (after.ru_maxrss - before.ru_maxrss > 4096 && !is_watched())
		fail_msg("25 MiB took %ld KiB more than 1 KiB did",
		    after.ru_maxrss - before.ru_maxrss);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_misused),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_recipients),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
