/*
 * fuzz_harvest.c - a file of a correspondent's certificate, as the mail process
 * keeps it. Must hold: what is read has a certificate, and goes on to be a
 * candidate only while it is young.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../milter/conf.h"
#include "../../milter/encryption.h"
#include "../../milter/log.h"
#include "../../smime/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define ADDRESS	"alice@smime.example"

static char dir[] = "/tmp/sampul-fuzz.XXXXXX", path[64], none[1];

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
clean_up(void)
{
	unlink(path);
	rmdir(dir);
}

static void
put(const uint8_t *data, size_t len)
{
	int fd;

	if (path[0] == '\0') {
		check(mkdtemp(dir) != NULL);
		snprintf(path, sizeof(path), "%s/" ADDRESS ".pem", dir);
		/* what is left out is not worth a line a thousand times */
		log_open("fuzz", true, LOG_LEVEL_ERROR);
		atexit(clean_up);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	check(fd != -1 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct conf conf = { .harvest_dir = dir, .user = none,
	    .harvest_age = 86400 };
	struct smime_error err = { "" };
	struct candidates candidates = { 0 };
	struct harvested found;
	time_t now = time(NULL), seen;
	int rc;

	put(data, len);
	rc = harvest_read(&conf, ADDRESS, &found, &err);
	check(rc == 0 ? found.cert != NULL : err.text[0] != '\0');
	check(found.seen_at >= 0 && found.signed_at >= 0);
	seen = found.seen_at;
	harvested_clear(&found);
	check(harvest_find(NULL, &conf, ADDRESS, &candidates, &err) == 0);
	if (rc == -1 || seen < now - 86400)
		check(candidates.count == 0);
	candidates_clear(&candidates);
	return 0;
}
