/*
 * seal.c - what encrypting adds to signing, in the library alone.
 *
 *	seal PKI SIGNER RECIPIENT [SECONDS]
 *
 * PKI is a directory of tests/pki/make-pki, SIGNER and RECIPIENT are mailboxes
 * of it. Messages of 4 KiB are signed, checked and written, and in turn with
 * that also encrypted to the recipient, whose certificate is checked each time
 * with what is remembered of its path. Prints messages per second of processor
 * time: "sign=N seal=N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"

#define BODY	4096
#define TURN	50		/* messages of one kind at a time */

static struct smime_error err;

struct bench {
	struct signer			*signer;
	struct check_cache		*checks;
	struct recipient_settings	 recipients;
	X509				*recipient;
	char				 from[ADDRESS_MAX + 1];
	char				 to[ADDRESS_MAX + 1];
	unsigned char			 body[BODY];
};

static void
die(const char *what)
{
	fprintf(stderr, "seal: %s: %s\n", what, err.text);
	exit(1);
}

static char *
read_file(const char *dir, const char *name, size_t *len)
{
	char path[1024], *buf = malloc(65536);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((f = fopen(path, "rb")) == NULL || buf == NULL)
		die(path);
	*len = fread(buf, 1, 65536, f);
	fclose(f);
	return buf;
}

static X509 *
read_cert(const char *dir, const char *name)
{
	STACK_OF(X509) *list;
	size_t len;
	char *buf = read_file(dir, name, &len);
	X509 *cert;

	if (cert_read(buf, len, 10, name, &list, &err) != 0)
		die(dir);
	cert = sk_X509_shift(list);
	sk_X509_pop_free(list, X509_free);
	free(buf);
	return cert;
}

static struct trust *
read_trust(const char *pki)
{
	static const char *const lists[] = { "root.crl.pem",
	    "issuing.crl.pem" };
	struct trust *trust = trust_new();
	X509_CRL *crl;
	size_t i, len;
	char *buf;

	if (trust == NULL ||
	    trust_add_anchor(trust, read_cert(pki, "root.pem"), &err) != 0 ||
	    trust_add_intermediate(trust, read_cert(pki, "issuing.pem"),
	    &err) != 0)
		die(pki);
	for (i = 0; i < 2; i++) {
		buf = read_file(pki, lists[i], &len);
		if (crl_read(buf, len, lists[i], &crl, &err) != 0 ||
		    trust_add_crl(trust, crl, &err) != 0)
			die(lists[i]);
		free(buf);
	}
	return trust;
}

static void
take_address(void *arg, const char *address)
{
	snprintf(arg, ADDRESS_MAX + 1, "%s", address);
}

static void
prepare(struct bench *bench, const char *pki, const char *signer,
    const char *recipient)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *cert = read_cert(signer, "cert.pem");
	size_t len, i;
	char *buf = read_file(signer, "key.pem", &len);
	EVP_PKEY *key = key_read(buf, len, NULL, 0, signer, NULL, &err);

	sk_X509_push(chain, read_cert(pki, "issuing.pem"));
	bench->signer = key == NULL ? NULL : signer_new(cert, key, chain, NULL,
	    SCHEME_DEFAULT, SMIME_CAP_AES256_CBC, &err);
	if (bench->signer == NULL)
		die(signer);
	bench->checks = check_cache_new(16);
	bench->recipient = read_cert(recipient, "cert.pem");
	bench->recipients.trust = read_trust(pki);
	bench->recipients.cache = verify_cache_new(16);
	cert_each_email(cert, take_address, bench->from);
	cert_each_email(bench->recipient, take_address, bench->to);
	for (i = 0; i < BODY; i++)
		bench->body[i] = (unsigned char)"Surat dinas ini\r\n"[i % 17];
}

static int
drop(void *arg, const unsigned char *buf, size_t len)
{
	(void)buf;
	*(size_t *)arg += len;
	return 0;
}

static void
seal(struct bench *bench, struct composed *inner)
{
	struct recipient to = { bench->recipient, false };
	struct recipient_findings findings;
	struct composed *sealed;
	size_t out = 0;

	bench->recipients.now = time(NULL);
	if (recipient_check(&bench->recipients, to.cert, NULL, bench->to,
	    &findings, &err) != 0 || findings.findings.count != 0)
		die("recipient");
	sealed = compose_encrypted(inner, CIPHER_AES256_CBC, &to, 1, &err);
	if (sealed == NULL || composed_write(sealed, drop, &out, &err) != 0)
		die("encrypt");
	composed_free(sealed);
}

static void
one(struct bench *bench, bool encrypt)
{
	struct header_list header = { 0 };
	unsigned char value[SMIME_DIGEST_MAX], *der;
	struct canon_settings settings;
	struct canon_result result;
	struct composed *composed;
	struct canon *canon;
	size_t len, out = 0;

	canon_settings_init(&settings);
	settings.confidential = settings.hide_subject = encrypt;
	if (header_add(&header, "From", 4, bench->from, strlen(bench->from), 0,
	    &err) != 0 ||
	    header_add(&header, "Subject", 7, " Undangan", 9, 0, &err) != 0 ||
	    (canon = canon_new(&settings, &header, SMIME_SHA256, &err)) ==
	    NULL || canon_body(canon, bench->body, BODY, &err) != 0 ||
	    canon_finish(canon, &result, &err) != 0 ||
	    canon_digest(canon, SMIME_SHA256, value, &err) != 0 ||
	    signer_sign(bench->signer, value, 32, time(NULL), &der, &len,
	    &err) != 0 ||
	    signature_check(der, len, SMIME_SHA256, value, bench->from, false,
	    time(NULL), bench->checks, &err) != 0 ||
	    (composed = compose_signed(canon, FORM_DETACHED, SMIME_SHA256, der,
	    len, &err)) == NULL)
		die("sign");
	if (encrypt)
		seal(bench, composed);
	else if (composed_write(composed, drop, &out, &err) != 0)
		die("write");
	composed_free(composed);
	OPENSSL_free(der);
	canon_free(canon);
	header_clear(&header);
}

static double
cpu(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	double took[2] = { 0, 0 }, begin, limit;
	int i, kind, turns = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: seal pki signer recipient "
		    "[seconds]\n");
		return 64;
	}
	prepare(&bench, argv[1], argv[2], argv[3]);
	limit = argc > 4 ? atof(argv[4]) : 2;
	for (i = 0; i < TURN; i++)	/* caches */
		one(&bench, i % 2 == 0);
	while (took[0] + took[1] < limit) {
		for (kind = 0; kind < 2; kind++) {
			begin = cpu();
			for (i = 0; i < TURN; i++)
				one(&bench, kind == 1);
			took[kind] += cpu() - begin;
		}
		turns++;
	}
	printf("sign=%.0f seal=%.0f\n", turns * TURN / took[0],
	    turns * TURN / took[1]);
	return 0;
}
