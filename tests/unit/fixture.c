/*
 * fixture.c - see fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../smime/smime.h"
#include "fixture.h"

struct conf *
fixture_read(const char *file)
{
	struct smime_error err = { "" };
	struct conf *conf = conf_read(file, &err);

	if (conf == NULL)
		fail_msg("%s", err.text);
	return conf;
}

struct conf *
fixture_conf(const char *text)
{
	struct conf *conf;
	const char *dir = getenv("TMPDIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/sampul-test-XXXXXX",
	    dir != NULL ? dir : "/tmp");
	if ((fd = mkstemp(path)) == -1 ||
	    write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("%s was not written", path);
	close(fd);
	conf = fixture_read(path);
	unlink(path);
	return conf;
}

void
fixture_header(struct header_list *out, const char *lines)
{
	struct smime_error err = { "" };
	size_t used;
	bool body;

	memset(out, 0, sizeof(*out));
	if (header_parse(out, lines, strlen(lines), 0, &used, &body, &err) ==
	    -1)
		fail_msg("%s", err.text);
	if (used != strlen(lines))
		fail_msg("not all of the header was read: %s", lines + used);
}
