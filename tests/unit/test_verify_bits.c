/*
 * test_verify_bits.c - no bit of what is signed, of the signature or of the
 * certificate may change, and nothing may be cut off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../smime/der.h"
#include "../../smime/smime.h"
#include "../../smime/verify.h"
#include "pki.h"
#include "vmail.h"
#include "watched.h"

#define FROM	"From: " BUDI "\r\n"
#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"

static struct person budi, rsa;
static struct trust *trust;
static struct verify_settings settings;

static int
setup(void **state)
{
	pki_setup(state);
	pki_mailbox("budi", "p256", "ok");
	pki_mailbox("rsa", "rsa2048", "ok");
	budi = person_load("budi");
	rsa = person_load("rsa");
	trust = vmail_settings(&settings);
	settings.cache = verify_cache_new(64);
	return 0;
}

static int
teardown(void **state)
{
	person_free(&budi);
	person_free(&rsa);
	verify_cache_free(settings.cache);
	trust_free(trust);
	return pki_teardown(state);
}

/* Whether offset i of der is in what must not change. */
static bool
is_protected(const struct signed_data *data, const unsigned char *p)
{
	const struct signer_info *info = &data->signers[0];
	const struct der areas[] = { data->certs[0], info->attributes,
	    info->signature, data->content };
	size_t i;

	for (i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
		if (p >= areas[i].p && p < areas[i].p + areas[i].len)
			return true;
	return false;
}

static enum verdict_word
verdict_of(const char *entity, const struct buf *der, bool opaque)
{
	struct buf mail = { 0 };
	struct verdict verdict;

	if (opaque)
		mail_opaque(FROM, der, &mail);
	else
		mail_detached(FROM, entity, strlen(ENTITY), der, &mail);
	vmail_verify(&settings, mail.p, mail.len, 0, &verdict);
	buf_free(&mail);
	assert_int_equal(verdict.word == VERDICT_PASS,
	    verdict.reason == VERIFY_GOOD);
	return verdict.word;
}

static void
flip(const struct person *who, unsigned flags, size_t step)
{
	struct cms cms = { .signers = { who }, .content = ENTITY,
	    .content_len = strlen(ENTITY), .flags = flags };
	bool opaque = (flags & CMS_EMBED) != 0;
	struct buf der = { 0 }, copy = { 0 };
	struct signed_data data;
	char entity[] = ENTITY;
	size_t i, guarded = 0;

	step *= watched_pace();
	cms_build(&cms, &der);
	buf_add(&copy, der.p, der.len);
	assert_int_equal(cms_read((unsigned char *)copy.p, copy.len, 4, 4,
	    &data), VERIFY_GOOD);
	assert_int_equal(verdict_of(entity, &der, opaque), VERDICT_PASS);
	for (i = 0; i < der.len * 8; i += step) {
		if (!is_protected(&data, (unsigned char *)copy.p + i / 8))
			continue;
		guarded++;
		der.p[i / 8] ^= (char)(1u << i % 8);
		if (verdict_of(entity, &der, opaque) == VERDICT_PASS)
			fail_msg("bit %zu of the signature", i);
		der.p[i / 8] ^= (char)(1u << i % 8);
	}
	assert_true(guarded > 7000 / step);
	for (i = 0; i < strlen(ENTITY) * 8 && !opaque; i += watched_pace()) {
		entity[i / 8] ^= (char)(1u << i % 8);
		if (verdict_of(entity, &der, false) == VERDICT_PASS)
			fail_msg("bit %zu of the content", i);
		entity[i / 8] ^= (char)(1u << i % 8);
	}
	assert_int_equal(verdict_of(entity, &der, opaque), VERDICT_PASS);
	buf_free(&der);
	buf_free(&copy);
}

static void
test_detached(void **state)
{
	(void)state;
	flip(&budi, 0, 1);
}

/* Every seventh bit: each of the eight in turn. */
static void
test_opaque(void **state)
{
	(void)state;
	flip(&rsa, CMS_EMBED | CMS_ESS | CMS_PROTECTION, 7);
}

/* Cut at every length, and begun at every one. */
static void
test_cut(void **state)
{
	struct cms cms = { .signers = { &budi }, .content = ENTITY,
	    .content_len = strlen(ENTITY) };
	struct buf mail = { 0 };
	struct verdict verdict;
	size_t i;

	(void)state;
	mail_build(FROM, &cms, &mail);
	for (i = 0; i <= mail.len; i += watched_pace()) {
		vmail_verify(&settings, mail.p, i, 0, &verdict);
		/* The last line end may be missing. */
		if ((verdict.word == VERDICT_PASS) != (i + 2 >= mail.len &&
		    i + 1 != mail.len))
			fail_msg("cut at %zu of %zu: %s", i, mail.len,
			    verify_reason_word(verdict.reason));
	}
	for (i = 1; i < mail.len; i += watched_pace()) {
		vmail_verify(&settings, mail.p + i, mail.len - i, 0,
		    &verdict);
		if (verdict.word == VERDICT_PASS)
			fail_msg("begun at %zu", i);
	}
	buf_free(&mail);
}

/* X.690 8: what ber_to_der makes of each. */
static void
test_ber(void **state)
{
	static const struct {
		const char	*what;
		const char	*ber;
		const char	*der;	/* NULL: refused */
	} rows[] = {
		{ "DER", "3003020101", "3003020101" },
		{ "indefinite", "30800201010000", "3003020101" },
		{ "nested", "3080308002010100000000", "30053003020101" },
		{ "padded length", "308203020101", NULL },
		{ "long length", "30820003020101", "3003020101" },
		{ "very long length", "308800000000000000030201" "01",
		    "3003020101" },
		{ "octets in pieces", "240804024142040243" "44",
		    "040441424344" },
		{ "in pieces of pieces",
		    "2480248004014104014200000401430000", "0403414243" },
		{ "a piece of another kind", "2403020101", NULL },
		{ "no end", "3080020101", NULL },
		{ "half an end", "308002010100", NULL },
		{ "content behind it", "020101ff", NULL },
		{ "primitive, indefinite", "02800000", NULL },
		{ "too long", "0203ff", NULL },
		{ "large tag", "1f810101ff", NULL },
		{ "nothing", "", NULL },
		{ "empty", "30800000", "3000" },
		{ "a set out of order", "3180020102020101" "0000",
		    "3106020102020101" },
	};
	unsigned char in[64], want[64], *out;
	size_t i, k, n, m, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (n = 0; rows[i].ber[2 * n] != '\0'; n++)
			in[n] = (unsigned char)(lex_hex(rows[i].ber[2 * n]) *
			    16 + lex_hex(rows[i].ber[2 * n + 1]));
		for (m = 0; rows[i].der != NULL && rows[i].der[2 * m] != '\0';
		    m++)
			want[m] = (unsigned char)(lex_hex(rows[i].der[2 * m]) *
			    16 + lex_hex(rows[i].der[2 * m + 1]));
		assert_int_equal(ber_to_der(in, n, &out, &len), 0);
		if ((out != NULL) != (rows[i].der != NULL) || (out != NULL &&
		    (len != m || memcmp(out, want, m) != 0)))
			fail_msg("%s: %zu octets, wanted %zu", rows[i].what,
			    len, m);
		free(out);
		for (k = 0; rows[i].der != NULL && k < n; k++) {
			assert_int_equal(ber_to_der(in, k, &out, &len), 0);
			assert_null(out);
		}
	}
}

/* ATK-30: deep, long and wide. */
static void
test_bombs(void **state)
{
	size_t size = 1 << 20, len, i;
	unsigned char *bomb = malloc(size), *out;

	(void)state;
	for (i = 0; i < size; i += 2) {
		bomb[i] = i % 4 == 0 ? 0x30 : 0x24;
		bomb[i + 1] = 0x80;
	}
	assert_int_equal(ber_to_der(bomb, size, &out, &len), 0);
	assert_null(out);
	memset(bomb, 0x24, 1);
	bomb[1] = 0x80;
	for (i = 2; i + 2 < size; i += 2) {
		bomb[i] = 0x04;
		bomb[i + 1] = 0;
	}
	memset(bomb + size - 2, 0, 2);
	assert_int_equal(ber_to_der(bomb, size, &out, &len), 0);
	assert_non_null(out);
	assert_int_equal(len, 2);
	free(out);
	memcpy(bomb, "\x30\x84\xff\xff\xff\xff", 6);
	assert_int_equal(ber_to_der(bomb, size, &out, &len), 0);
	assert_null(out);
	/* Each 64 KiB or more, so that each head may grow. */
	for (i = 0; i < 80; i += 2) {
		bomb[i] = 0x30;
		bomb[i + 1] = 0x80;
	}
	memcpy(bomb + 80, "\x04\x82\xff\xf0", 4);
	memset(bomb + 84, 7, 0xfff0);
	memset(bomb + 84 + 0xfff0, 0, 80);
	assert_int_equal(ber_to_der(bomb, 84 + 0xfff0 + 80, &out, &len), 0);
	assert_non_null(out);
	free(out);
	free(bomb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_ber),
		cmocka_unit_test(test_bombs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
