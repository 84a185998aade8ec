/*
 * caged.c - the product's processes, in their cages, for unit tests.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/channel.h"
#include "../../milter/process.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"
#include "caged.h"
#include "ends.h"
#include "fixture.h"

char caged_conf[512], caged_audit[512];

static void
write_conf(bool as_root)
{
	char text[4096], base[256];

	snprintf(base, sizeof(base), "%s", pki_path("."));
	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nlanguage = \"en\";\n"
	    "user = \"%s\";\nkey_user = \"%s\";\nlog_level = \"error\";\n"
	    "authserv_id = \"mx.pekalongankab.go.id\";\n"
	    "milter = { socket = \"inet:8899@127.0.0.1\"; };\n"
	    "spool = { dir = \"%s/spool\"; };\n"
	    "audit = { file = \"%s\"; };\ncustody = { socket = \"\"; };\n"
	    "submit = { server = \"127.0.0.1:1\"; user = \"%s\";\n"
	    "  threads = %d; };\n"
	    "verify = { crl_dir = \"\"; };\n"
	    "keystore = { dir = \"%s/keystore\";\n"
	    "  anchors_dir = \"%s/anchors\";\n"
	    "  intermediates_dir = \"%s/intermediates\";\n"
	    "  rate_limit = 100000; insecure_unencrypted_keys = true; };\n",
	    as_root ? CAGED_MAIL : "", as_root ? CAGED_KEYS : "", base, caged_audit,
	    as_root ? CAGED_SUBMIT : "", CAGED_CHANNELS, base, base, base);
	write_whole(caged_conf, text, strlen(text));
}

void
caged_give(const char *user, const char *path)
{
	if (geteuid() == 0)
		assert_int_equal(pki_run("chown", "-R", user, path, NULL), 0);
}

int
caged_setup(void **state)
{
	int fd;

	if (store_setup(state) != 0)
		return -1;
	snprintf(caged_conf, sizeof(caged_conf), "%s", pki_path("cage.conf"));
	snprintf(caged_audit, sizeof(caged_audit), "%s",
	    pki_path("trail/audit.log"));
	mkdir(pki_path("trail"), 0755);
	mkdir(pki_path("spool"), 0700);
	chmod(pki_path("."), 0755);
	pki_make("mailbox", BUDI, "p256", pki_path("one"), "ok", NULL);
	store_put(BUDI, "2026", "one");
	caged_give(CAGED_KEYS, pki_path("keystore"));
	caged_give(CAGED_KEYS, pki_path("trail"));
	caged_give(CAGED_MAIL, pki_path("spool"));
	write_whole(caged_audit, "", 0);
	caged_give(CAGED_KEYS, caged_audit);
	write_conf(geteuid() == 0);
	fd = open(pki_path("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0600);
	return fd == -1 ? -1 : 0;
}

static void
quiet(void)
{
	int fd = open(pki_path("log"), O_WRONLY | O_APPEND);

	if (fd != -1)
		dup2(fd, STDERR_FILENO);
}

void
caged_start(struct caged *out, caged_function run)
{
	struct channels channels[JOINTS_MAX];
	struct ends ends;
	size_t i;

	ends_open(&ends, CAGED_CHANNELS);
	memset(channels, 0, sizeof(channels));
	channels[JOINT_SIGN].fds = ends.theirs;
	channels[JOINT_SIGN].count = CAGED_CHANNELS;
	channels[JOINT_SUBMIT] = channels[JOINT_SIGN];
	out->pid = ends_fork(&ends, CAGED_CHANNELS);
	if (out->pid == 0) {
		quiet();
		/* cmocka's; the supervisor leaves none either */
		signal(SIGSEGV, SIG_DFL);
		_exit(run(fixture_read(caged_conf), ends.theirs_control,
		    channels));
	}
	for (i = 0; i < CAGED_CHANNELS; i++)
		out->channels[i] = ends.channels[i];
	out->control = ends.control;
}

void
caged_await(struct caged *caged)
{
	char ready = 0;

	if (recv(caged->control, &ready, 1, 0) != 1 ||
	    ready != CONTROL_READY) {
		pki_run("cat", pki_path("log"), NULL);
		pki_show();
		fail_msg("the process does not start");
	}
}

int
caged_end(struct caged *caged)
{
	int status;
	size_t i;

	for (i = 0; i < CAGED_CHANNELS; i++)
		close(caged->channels[i]);
	close(caged->control);
	assert_int_equal(waitpid(caged->pid, &status, 0), caged->pid);
	return status;
}

static ssize_t
numbered_request(uint64_t number, unsigned char *buf)
{
	struct key_request request;

	memset(&request, 0, sizeof(request));
	snprintf(request.queue_id, sizeof(request.queue_id), "4F2A");
	snprintf(request.address, sizeof(request.address), BUDI);
	request.digest = SMIME_SHA256;
	request.number = number;
	memset(request.value, 0x5a, 32);
	return channel_put_request(&request, buf, CHANNEL_REQUEST_MAX);
}

ssize_t
caged_request(unsigned char *buf)
{
	return numbered_request(0, buf);
}

void
caged_ask_number(struct caged *caged, uint64_t number,
    struct key_answer *answer)
{
	static unsigned char buf[CHANNEL_ANSWER_MAX + 64];
	ssize_t len = numbered_request(number, buf), n;

	assert_int_equal(send(caged->channels[0], buf, (size_t)len,
	    MSG_NOSIGNAL), len);
	for (;;) {
		n = recv(caged->channels[1], buf, sizeof(buf), 0);
		assert_true(n > 0);
		assert_int_equal(channel_get_answer(buf, (size_t)n, answer),
		    0);
		if (answer->number == number)
			return;
		key_answer_clear(answer);
	}
}

void
caged_ask(struct caged *caged, struct key_answer *answer)
{
	caged_ask_number(caged, 1, answer);
}
