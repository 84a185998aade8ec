/*
 * fuzz_keystore.c - the files of one entry. The first octet says which of the
 * optional ones are there; then cert.pem and key.pem with two octets of length
 * each, and chain.pem. Must hold: what signs makes a signature that passes the
 * self-check; what does not has a reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../milter/conf.h"
#include "../../milter/keys/keystore.h"
#include "../../milter/log.h"
#include "../../smime/smime.h"

#define ADDRESS	"alice@smime.example"
#define NOW	1790000000	/* within the validity of RFC 9216's */

#define MUST(x) do { if (!(x)) { \
	fprintf(stderr, "not so: %s\n", #x); abort(); } } while (0)

static char dir[] = "/tmp/sampul-fuzz.XXXXXX", none[1];
static char keystore_dir[64], anchors[64], entry[128];

static void
put(const char *folder, const char *name, const void *buf, size_t len,
    bool there)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	if (!there)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	MUST(fd != -1 && write(fd, buf, len) == (ssize_t)len);
	close(fd);
}

static void
clean_up(void)
{
	static const char *const names[] = { "cert.pem", "key.pem",
	    "chain.pem", "override", "suspended" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(entry, names[i], "", 0, false);
	put(anchors, "rsa-ca.pem", "", 0, false);
	rmdir(entry);
	*strrchr(entry, '/') = '\0';
	rmdir(entry);
	rmdir(keystore_dir);
	rmdir(anchors);
	rmdir(dir);
}

static void
lay_out(void)
{
	static char buf[65536];
	FILE *in;

	MUST(mkdtemp(dir) != NULL);
	snprintf(keystore_dir, sizeof(keystore_dir), "%s/keystore", dir);
	snprintf(anchors, sizeof(anchors), "%s/anchors", dir);
	snprintf(entry, sizeof(entry), "%s/" ADDRESS, keystore_dir);
	MUST(mkdir(keystore_dir, 0700) == 0 && mkdir(anchors, 0700) == 0);
	MUST(mkdir(entry, 0700) == 0);
	strncat(entry, "/a", sizeof(entry) - strlen(entry) - 1);
	MUST(mkdir(entry, 0700) == 0);
	in = fopen("tests/data/rfc9216/rsa-ca.pem", "r");
	MUST(in != NULL);
	put(anchors, "rsa-ca.pem", buf, fread(buf, 1, sizeof(buf), in), true);
	fclose(in);
	log_open("fuzz", true, LOG_LEVEL_ERROR);
	atexit(clean_up);
}

/* The next two octets are a length, as far as there is so much. */
static const uint8_t *
take(const uint8_t **data, size_t *size, size_t *len)
{
	const uint8_t *p;

	if (*size < 2) {
		*len = 0;
		return *data;
	}
	*len = (size_t)(*data)[0] << 8 | (*data)[1];
	p = *data + 2;
	*size -= 2;
	if (*len > *size)
		*len = *size;
	*data = p + *len;
	*size -= *len;
	return p;
}

static void
try_signature(const struct keystore_identity *identity)
{
	const struct signer *signer = keystore_identity_signer(identity);
	const unsigned char value[SMIME_DIGEST_MAX] = { 1 };
	struct smime_error err = { "" };
	unsigned char *der;
	size_t len;

	MUST(signer_sign(signer, value, smime_digest_size(signer_digest(
	    signer)), NOW, &der, &len, &err) == 0);
	MUST(signature_check(der, len, signer_digest(signer), value, ADDRESS,
	    keystore_identity_pinned(identity), NOW, NULL, &err) == 0);
	OPENSSL_free(der);
}

static int
look(void *arg, const struct keystore_entry *seen)
{
	MUST(strcmp(seen->address, ADDRESS) == 0);
	MUST((seen->cert == NULL) <= (seen->state == ENTRY_UNREADABLE));
	MUST(!seen->chosen || seen->state == ENTRY_USABLE);
	*(bool *)arg = seen->chosen;
	return 0;
}

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf = { .keystore_dir = keystore_dir, .key_user = none,
	    .anchors_dir = anchors, .intermediates_dir = none,
	    .insecure_unencrypted_keys = true, .cache_size = 1 << 20 };
	const struct keystore_identity *identity;
	struct smime_error err = { "" };
	struct keystore *store;
	const uint8_t *p;
	bool missing, chosen = false;
	uint8_t flags;
	size_t len;

	if (dir[strlen(dir) - 1] == 'X')
		lay_out();
	if (size == 0)
		return 0;
	flags = *data++;
	size--;
	p = take(&data, &size, &len);
	put(entry, "cert.pem", p, len, true);
	p = take(&data, &size, &len);
	put(entry, "key.pem", p, len, (flags & 1) == 0);
	put(entry, "chain.pem", data, size, (flags & 2) != 0);
	put(entry, "override", data, size, (flags & 4) != 0);
	put(entry, "suspended", "", 0, (flags & 8) != 0);
	store = keystore_open(&conf, "passphrase", 10, &err);
	MUST(store != NULL);
	identity = keystore_find(store, ADDRESS, NOW, &missing, &err);
	if (identity != NULL)
		try_signature(identity);
	else
		MUST(err.text[0] != '\0');
	MUST(keystore_each(store, ADDRESS, true, NOW, look, &chosen,
	    &err) == 0);
	MUST(chosen == (identity != NULL));
	keystore_release(store, identity);
	keystore_close(store);
	return 0;
}
