/*
 * mkstore.c - a keystore of very many mailboxes, quickly.
 *
 *	mkstore ISSUER.pem ISSUER.key DIR ADDRESS COUNT KEYS [PASSFILE ITER]
 *
 * Makes DIR/ADDRESS/1/{cert,key}.pem for COUNT addresses, ADDRESS being a
 * pattern with one %u. Each certificate (P-256) is its own; the key pairs are
 * KEYS in number and shared round robin, so that 100,000 mailboxes take a
 * minute. With a passphrase file the keys are encrypted as PKCS#8 with ITER
 * PBKDF2 iterations.
 */
#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MAX	1024

struct pair {
	EVP_PKEY	*key;
	char		*pem;	/* as it is stored */
	long		 pem_len;
};

static X509 *issuer;
static EVP_PKEY *issuer_key;
static X509_EXTENSION *ku, *eku, *aki;
static struct pair pairs[KEYS_MAX];
static unsigned pair_count;

static void *
must(void *p, const char *what)
{
	if (p == NULL)
		errx(70, "%s", what);
	return p;
}

static char *
read_passphrase(const char *file)
{
	static char line[1024];
	FILE *fp = must(fopen(file, "r"), file);

	if (fgets(line, sizeof(line), fp) == NULL)
		errx(66, "%s is empty", file);
	fclose(fp);
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

static void
read_issuer(const char *cert, const char *key)
{
	FILE *fp;

	fp = must(fopen(cert, "r"), cert);
	issuer = must(PEM_read_X509(fp, NULL, NULL, NULL), cert);
	fclose(fp);
	fp = must(fopen(key, "r"), key);
	issuer_key = must(PEM_read_PrivateKey(fp, NULL, NULL, NULL), key);
	fclose(fp);
}

/* One key pair and its file's text, encrypted once. */
static void
make_pair(struct pair *pair, const char *passphrase, int iterations)
{
	X509_ALGOR *algor;
	PKCS8_PRIV_KEY_INFO *info;
	X509_SIG *sealed;
	BIO *bio = must(BIO_new(BIO_s_mem()), "memory");
	char *text;

	pair->key = must(EVP_EC_gen("P-256"), "key");
	info = must(EVP_PKEY2PKCS8(pair->key), "key");
	if (passphrase == NULL) {
		PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info);
	} else {
		algor = must(PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), iterations,
		    NULL, 0, NULL, NID_hmacWithSHA256), "PBES2");
		sealed = must(PKCS8_set0_pbe(passphrase,
		    (int)strlen(passphrase), info, algor), "PBES2");
		PEM_write_bio_PKCS8(bio, sealed);
		X509_SIG_free(sealed);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	pair->pem_len = BIO_get_mem_data(bio, &text);
	pair->pem = must(malloc((size_t)pair->pem_len), "memory");
	memcpy(pair->pem, text, (size_t)pair->pem_len);
	BIO_free(bio);
}

static X509_EXTENSION *
extension(int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, NULL, NULL, NULL, 0);
	return must(X509V3_EXT_conf_nid(NULL, &ctx, nid, value), value);
}

static X509 *
make_cert(unsigned serial, const char *address, EVP_PKEY *key)
{
	X509 *cert = must(X509_new(), "memory");
	X509_NAME *name = must(X509_NAME_new(), "memory");
	X509_EXTENSION *san;
	char text[512];

	snprintf(text, sizeof(text), "email:%s", address);
	san = extension(NID_subject_alt_name, text);
	if (X509_set_version(cert, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert),
	    0x5a00000000000000ULL + serial) != 1 ||
	    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
	    (const unsigned char *)address, -1, -1, 0) != 1 ||
	    X509_set_subject_name(cert, name) != 1 ||
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(cert), -86400) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), 700L * 86400) == NULL ||
	    X509_set_pubkey(cert, key) != 1 ||
	    X509_add_ext(cert, ku, -1) != 1 ||
	    X509_add_ext(cert, eku, -1) != 1 ||
	    X509_add_ext(cert, aki, -1) != 1 ||
	    X509_add_ext(cert, san, -1) != 1 ||
	    X509_sign(cert, issuer_key, EVP_sha256()) == 0)
		errx(70, "certificate of %s", address);
	X509_EXTENSION_free(san);
	X509_NAME_free(name);
	return cert;
}

static FILE *
create(const char *dir, const char *name)
{
	char path[4096];
	FILE *fp;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || (fp = fdopen(fd, "w")) == NULL)
		err(73, "%s", path);
	return fp;
}

static void
finish(FILE *fp)
{
	if (fclose(fp) != 0)
		err(74, "write");
}

static void
make_mailbox(const char *dir, const char *pattern, unsigned number)
{
	struct pair *pair = &pairs[number % pair_count];
	char address[320], folder[2048];
	X509 *cert;
	FILE *fp;

	/* The pattern is the caller's own command line. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(address, sizeof(address), pattern, number);
#pragma GCC diagnostic pop
	snprintf(folder, sizeof(folder), "%s/%s", dir, address);
	if (mkdir(folder, 0700) == -1)
		err(73, "%s", folder);
	snprintf(folder, sizeof(folder), "%s/%s/1", dir, address);
	if (mkdir(folder, 0700) == -1)
		err(73, "%s", folder);
	cert = make_cert(number, address, pair->key);
	fp = create(folder, "cert.pem");
	PEM_write_X509(fp, cert);
	PEM_write_X509(fp, issuer);
	finish(fp);
	fp = create(folder, "key.pem");
	fwrite(pair->pem, 1, (size_t)pair->pem_len, fp);
	finish(fp);
	X509_free(cert);
}

int
main(int argc, char **argv)
{
	char *passphrase = NULL;
	unsigned count, i;

	if (argc != 7 && argc != 9)
		errx(64, "usage: mkstore issuer.pem issuer.key directory "
		    "address count keys [passphrase-file iterations]");
	count = (unsigned)atoi(argv[5]);
	pair_count = (unsigned)atoi(argv[6]);
	if (pair_count < 1 || pair_count > KEYS_MAX)
		errx(64, "keys: 1 to %d", KEYS_MAX);
	if (argc == 9)
		passphrase = read_passphrase(argv[7]);
	read_issuer(argv[1], argv[2]);
	ku = extension(NID_key_usage, "critical,digitalSignature");
	eku = extension(NID_ext_key_usage, "emailProtection");
	aki = extension(NID_authority_key_identifier, "keyid");
	for (i = 0; i < pair_count; i++)
		make_pair(&pairs[i], passphrase, argc == 9 ? atoi(argv[8]) : 0);
	for (i = 0; i < count; i++)
		make_mailbox(argv[3], argv[4], i);
	return 0;
}
