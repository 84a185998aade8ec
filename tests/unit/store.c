/*
 * store.c - lays out keystores for unit tests.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../smime/smime.h"
#include "store.h"

int
store_setup(void **state)
{
	char *buf;
	size_t len;

	if (pki_setup(state) != 0)
		return -1;
	mkdir(pki_path("anchors"), 0755);
	mkdir(pki_path("intermediates"), 0755);
	mkdir(pki_path("keystore"), 0700);
	buf = read_whole(pki_path("root.pem"), &len);
	write_whole(pki_path("anchors/root.pem"), buf, len);
	free(buf);
	buf = read_whole(pki_path("issuing.pem"), &len);
	write_whole(pki_path("intermediates/issuing.pem"), buf, len);
	free(buf);
	return 0;
}

void
store_empty(void)
{
	assert_int_equal(pki_run("rm", "-rf", pki_path("keystore"), NULL), 0);
	assert_int_equal(mkdir(pki_path("keystore"), 0700), 0);
}

struct conf *
store_conf(void)
{
	static char dirs[4][512], none[1];
	static struct conf conf;

	memset(&conf, 0, sizeof(conf));
	snprintf(dirs[0], sizeof(dirs[0]), "%s", pki_path("keystore"));
	snprintf(dirs[1], sizeof(dirs[1]), "%s", pki_path("anchors"));
	snprintf(dirs[2], sizeof(dirs[2]), "%s", pki_path("intermediates"));
	conf.keystore_dir = dirs[0];
	conf.anchors_dir = dirs[1];
	conf.intermediates_dir = dirs[2];
	conf.user = conf.key_user = conf.passphrase_file = none;
	conf.audit_file = none;
	conf.insecure_unencrypted_keys = true;
	conf.capabilities = SMIME_CAP_AES256_GCM | SMIME_CAP_AES256_CBC;
	conf.cache_size = 1024 * 1024;
	conf.rate_limit = 120;
	conf.expiry_warning = 30;
	conf.key_timeout = 10;
	conf.references = 1000;		/* never freed */
	return &conf;
}

const char *
store_path(const char *address, const char *folder, const char *file)
{
	return pki_path("keystore/%s%s%s%s%s", address,
	    folder != NULL ? "/" : "", folder != NULL ? folder : "",
	    file != NULL ? "/" : "", file != NULL ? file : "");
}

static void
copy(const char *from, const char *to, mode_t mode)
{
	char *buf;
	size_t len;

	buf = read_whole(from, &len);
	write_whole(to, buf, len);
	assert_int_equal(chmod(to, mode), 0);
	free(buf);
}

void
store_partner(const char *address, const char *name)
{
	mkdir(pki_path("partners"), 0755);
	mkdir(pki_path("partners/%s", address), 0755);
	copy(pki_path("%s/cert.pem", name), pki_path("partners/%s/a.pem",
	    address), 0644);
}

void
store_put(const char *address, const char *folder, const char *name)
{
	mkdir(store_path(address, NULL, NULL), 0700);
	assert_int_equal(mkdir(store_path(address, folder, NULL), 0700), 0);
	copy(pki_path("%s/cert.pem", name),
	    store_path(address, folder, "cert.pem"), 0644);
	copy(pki_path("%s/key.pem", name),
	    store_path(address, folder, "key.pem"), 0600);
}

void
store_replace(const char *address, const char *folder, const char *name,
    const char *file, bool in_place)
{
	char path[512];

	snprintf(path, sizeof(path), "%s", store_path(address, folder, file));
	if (in_place) {
		copy(pki_path("%s/%s", name, file), path, 0600);
		return;
	}
	copy(pki_path("%s/%s", name, file), pki_path("replacement"), 0600);
	assert_int_equal(rename(pki_path("replacement"), path), 0);
}

void
store_touch(const char *address, const char *folder, const char *file)
{
	write_whole(store_path(address, folder, file), "", 0);
	assert_int_equal(chmod(store_path(address, folder, file), 0644), 0);
}

void
store_remove(const char *address, const char *folder, const char *file)
{
	assert_int_equal(unlink(store_path(address, folder, file)), 0);
}
