/*
 * test_keyd.c - the key process, through real sockets: a fork runs it as the
 * supervisor would, the test is mail process and supervisor.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/process.h"
#include "../../milter/sandbox.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"
#include "ends.h"
#include "fixture.h"
#include "seen_log.h"
#include "store.h"

#define CHANNELS	4	/* for requests, and three for answers */
#define PASSPHRASE	"a passphrase of the keystore, for tests alone"

/* The sandbox is tested elsewhere; here it must be entered in order. */
static const char *steps[8];
static size_t step_count;

int
sandbox_harden(struct smime_error *err)
{
	(void)err;
	steps[step_count++] = "harden";
	return 0;
}

int
sandbox_lock_memory(struct smime_error *err)
{
	return smime_error_setx(err, "not in a test");
}

int
sandbox_drop(const char *user, struct smime_error *err)
{
	(void)user;
	(void)err;
	steps[step_count++] = "drop";
	return 0;
}

int
sandbox_enter(enum sandbox_role role, const struct conf *conf,
    struct smime_error *err)
{
	(void)conf;
	steps[step_count++] = "enter";
	if (role != SANDBOX_KEYS || step_count != 3 ||
	    strcmp(steps[0], "harden") != 0 || strcmp(steps[1], "drop") != 0)
		return smime_error_setx(err, "out of order");
	return 0;
}

int
sandbox_serve(enum sandbox_role role, struct smime_error *err)
{
	if (role != SANDBOX_KEYS || step_count != 3)
		return smime_error_setx(err, "served before it was closed");
	return 0;
}

int
sandbox_thread(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg)
{
	return pthread_create(thread, attr, run, arg);
}

uid_t
sandbox_uid(void)
{
	return geteuid();
}

/* What the test holds of a running key process. */
struct running {
	pid_t	 pid;
	int	 control;
	int	 channels[CHANNELS];
};

static char conf_file[512];

static void
write_conf(const char *passphrase, const char *extra)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "domains = [ \".pekalongankab.go.id\" ];\nlanguage = \"en\";\n"
	    "user = \"\";\nkey_user = \"\";\nlog_level = \"info\";\n"
	    "milter = { socket = \"unix:/tmp/none.sock\"; };\n"
	    "audit = { file = \"%s\"; };\n"
	    "keystore = { dir = \"%s\"; anchors_dir = \"%s\";\n"
	    "  intermediates_dir = \"%s\"; passphrase_file = \"%s\";\n"
	    "  insecure_unencrypted_keys = true; %s };\n",
	    pki_path("audit.log"), pki_path("keystore"), pki_path("anchors"),
	    pki_path("intermediates"), passphrase, extra);
	write_whole(conf_file, text, strlen(text));
}

/* What it logged is left behind in a file. */
static void
child(int control, int *fds)
{
	const struct channels channels[JOINTS_MAX] = {
		[JOINT_SIGN] = { fds, CHANNELS } };
	int status;

	seen_log_clear();
	status = key_process(fixture_read(conf_file), control, channels);
	write_whole(pki_path("log"), seen_log(), strlen(seen_log()));
	_exit(status);
}

static void
start(struct running *out)
{
	struct ends ends;
	char ready = 0;
	size_t i;

	ends_open(&ends, CHANNELS);
	out->pid = ends_fork(&ends, CHANNELS);
	if (out->pid == 0)
		child(ends.theirs_control, ends.theirs);
	for (i = 0; i < CHANNELS; i++)
		out->channels[i] = ends.channels[i];
	out->control = ends.control;
	if (recv(out->control, &ready, 1, 0) != 1 || ready != CONTROL_READY)
		fail_msg("the key process does not start");
}

/* Its exit status, waited for at most ten seconds. */
static int
wait_status(struct running *running)
{
	const struct timespec tick = { 0, 10000000 };
	int i, status;

	for (i = 0; i < 1000; i++) {
		if (waitpid(running->pid, &status, WNOHANG) == running->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    128 + WTERMSIG(status);
		nanosleep(&tick, NULL);
	}
	kill(running->pid, SIGKILL);
	waitpid(running->pid, &status, 0);
	fail_msg("the key process does not end");
	return -1;
}

static void
stop(struct running *running)
{
	size_t i;

	for (i = 0; i < CHANNELS; i++)
		close(running->channels[i]);
	assert_int_equal(wait_status(running), 0);
	close(running->control);
}

static bool
logged(const char *text)
{
	size_t len;
	char *log = read_whole(pki_path("log"), &len);
	bool found = memmem(log, len, text, strlen(text)) != NULL;

	free(log);
	return found;
}

static struct key_request
request_for(const char *address, enum smime_digest digest)
{
	struct key_request request;

	memset(&request, 0, sizeof(request));
	snprintf(request.queue_id, sizeof(request.queue_id), "4F2A");
	snprintf(request.address, sizeof(request.address), "%s", address);
	request.digest = digest;
	memset(request.value, 0x5a, smime_digest_size(digest));
	return request;
}

static void
send_request(struct running *running, const struct key_request *request)
{
	const struct timeval limit = { 10, 0 };
	unsigned char buf[CHANNEL_REQUEST_MAX];
	ssize_t len;

	len = channel_put_request(request, buf, sizeof(buf));
	assert_true(len > 0);
	setsockopt(running->channels[0], SOL_SOCKET, SO_SNDTIMEO, &limit,
	    sizeof(limit));
	assert_int_equal(send(running->channels[0], buf, (size_t)len,
	    MSG_NOSIGNAL), len);
}

static void
receive_answer(struct running *running, unsigned which,
    struct key_answer *answer)
{
	static unsigned char buf[CHANNEL_ANSWER_MAX];
	const struct timeval limit = { 10, 0 };
	const int fd = running->channels[1 + which];
	ssize_t len;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	len = recv(fd, buf, sizeof(buf), 0);
	if (len <= 0)
		fail_msg("no answer: %s", len == 0 ? "end of file" :
		    strerror(errno));
	memset(answer, 0, sizeof(*answer));
	assert_int_equal(channel_get_answer(buf, (size_t)len, answer), 0);
}

static enum key_status
ask(struct running *running, const char *address, enum smime_digest digest,
    struct key_answer *answer)
{
	static uint64_t number = 0xfffffffffffffff0;
	struct key_request request = request_for(address, digest);

	request.number = ++number;
	send_request(running, &request);
	receive_answer(running, 0, answer);
	assert_true(answer->number == number);
	return answer->status;
}

/* As ask, with the answer thrown away. */
static enum key_status
status_for(struct running *running, const char *address)
{
	struct key_answer answer;
	enum key_status status;

	status = ask(running, address, SMIME_SHA256, &answer);
	key_answer_clear(&answer);
	return status;
}

static int
setup(void **state)
{
	if (store_setup(state) != 0)
		return -1;
	snprintf(conf_file, sizeof(conf_file), "%s", pki_path("sampul.conf"));
	pki_make("mailbox", BUDI, "p256", pki_path("one"), "ok", NULL);
	pki_make("mailbox", BUDI, "p384", pki_path("p384"), "ok", NULL);
	pki_make("mailbox", BUDI, "rsa2048", pki_path("rsa"), "ok", NULL);
	pki_make("mailbox", BUDI, "p256", pki_path("short"), "ok", "9", NULL);
	pki_make("mailbox", SITI, "p256", pki_path("siti"), "ok", NULL);
	return 0;
}

static int
each_setup(void **state)
{
	(void)state;
	store_empty();
	pki_run("rm", "-rf", pki_path("audit.log"), NULL);
	step_count = 0;
	write_conf("", "");
	return 0;
}

/* -------------------------------------------------------------- tests --- */

static void
test_answers(void **state)
{
	static const struct {
		const char		*what, *name;
		enum smime_digest	 digest;
		enum key_status		 status;
		enum smime_digest	 want;
	} cases[] = {
		{ "RSA", "rsa", SMIME_SHA256, KEY_SIGNED, SMIME_SHA256 },
		{ "P-256", "one", SMIME_SHA256, KEY_SIGNED, SMIME_SHA256 },
		{ "P-256 asked for SHA-512", "one", SMIME_SHA512,
		    KEY_WRONG_DIGEST, SMIME_SHA256 },
		{ "P-384 asked for SHA-256", "p384", SMIME_SHA256,
		    KEY_WRONG_DIGEST, SMIME_SHA384 },
		{ "P-384", "p384", SMIME_SHA384, KEY_SIGNED, SMIME_SHA384 },
	};
	struct smime_error err = { "" };
	struct key_answer answer;
	struct running running;
	unsigned char value[SMIME_DIGEST_MAX];
	size_t i;

	(void)state;
	memset(value, 0x5a, sizeof(value));
	start(&running);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_empty();
		store_put(BUDI, "a", cases[i].name);
		usleep(1100000);	/* another directory: in a second */
		if (ask(&running, BUDI, cases[i].digest, &answer) !=
		    cases[i].status || answer.digest != cases[i].want)
			fail_msg("%s: got %d \"%s\"", cases[i].what,
			    answer.status, answer.reason);
		if (answer.status == KEY_SIGNED && signature_check(answer.der,
		    answer.der_len, cases[i].digest, value, BUDI, false,
		    time(NULL), NULL, &err) != 0)
			fail_msg("%s: %s", cases[i].what, err.text);
		key_answer_clear(&answer);
	}
	stop(&running);
}

static void
test_refusals(void **state)
{
	struct key_answer answer;
	struct running running;

	(void)state;
	store_put(BUDI, "a", "one");
	store_put(SITI, "a", "siti");
	store_replace(SITI, "a", "one", "key.pem", false);
	start(&running);
	assert_int_equal(ask(&running, "ani@dinkes.pekalongankab.go.id",
	    SMIME_SHA256, &answer), KEY_NO_IDENTITY);
	assert_non_null(strstr(answer.reason, "has no folder"));
	assert_int_equal(ask(&running, SITI, SMIME_SHA256, &answer),
	    KEY_FAULT);
	assert_non_null(strstr(answer.reason, "siti@"));
	assert_null(answer.der);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	stop(&running);
	assert_true(logged("no key for " SITI));
}

/* Certificates are public: keys need not open, nothing is put on record. */
static void
test_list(void **state)
{
	const struct key_request request = { .address = BUDI,
	    .want = KEY_LIST };
	struct key_answer answer;
	struct running running;
	const unsigned char *p;
	X509 *cert, *want = pki_mailbox_cert("one");

	(void)state;
	store_put(BUDI, "a", "one");
	store_replace(BUDI, "a", "siti", "key.pem", false);
	start(&running);
	send_request(&running, &request);
	receive_answer(&running, 0, &answer);
	assert_int_equal(answer.status, KEY_CERTIFICATES);
	p = answer.der;
	cert = d2i_X509(NULL, &p, (long)answer.der_len);
	assert_int_equal(X509_cmp(cert, want), 0);
	assert_ptr_equal(p, answer.der + answer.der_len);
	key_answer_clear(&answer);
	store_touch(BUDI, "a", "suspended");
	send_request(&running, &request);
	receive_answer(&running, 0, &answer);
	assert_int_equal(answer.status, KEY_NO_IDENTITY);
	X509_free(cert);
	X509_free(want);
	stop(&running);
}

/* Every length up to a request's, junk and too long, and a channel that there
 * is not: none is answered, and a good request behind each is. */
static void
test_malformed(void **state)
{
	struct key_request request = request_for(BUDI, SMIME_SHA256);
	unsigned char good[CHANNEL_REQUEST_MAX], junk[8192];
	struct running running;
	ssize_t len;
	size_t n;
	int fd;

	(void)state;
	write_conf("", "rate_limit = 0;");
	store_put(BUDI, "a", "one");
	start(&running);
	fd = running.channels[0];
	len = channel_put_request(&request, good, sizeof(good));
	for (n = 1; n < (size_t)len; n++) {
		assert_int_equal(send(fd, good, n, 0), n);
		assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	}
	memset(junk, 0xff, sizeof(junk));
	for (n = 1; n <= sizeof(junk); n *= 2) {
		assert_int_equal(send(fd, junk, n, 0), n);
		assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	}
	for (request.reply_to = CHANNELS - 1; request.reply_to != 0;
	    request.reply_to *= 2) {
		send_request(&running, &request);
		assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	}
	assert_int_equal(recv(running.channels[2], junk, sizeof(junk),
	    MSG_DONTWAIT), -1);
	stop(&running);
	assert_true(logged("malformed request"));
	assert_true(logged("names channel 3, which there is not"));
}

static void
test_rate(void **state)
{
	struct running running;
	int i;

	(void)state;
	write_conf("", "rate_limit = 3;");
	store_put(BUDI, "a", "one");
	store_put(SITI, "a", "siti");
	start(&running);
	for (i = 0; i < 5; i++)
		assert_int_equal(status_for(&running, BUDI), i < 3 ?
		    KEY_SIGNED : KEY_RATE_LIMITED);
	assert_int_equal(status_for(&running, SITI), KEY_SIGNED);
	stop(&running);
	assert_true(logged(BUDI " is over its ceiling of 3"));
}

/* No line, no signature. */
static void
test_audit(void **state)
{
	struct key_answer answer;
	struct running running;
	char *trail, serial[80];
	size_t len;

	(void)state;
	store_put(BUDI, "a", "one");
	start(&running);
	assert_int_equal(ask(&running, BUDI, SMIME_SHA256, &answer),
	    KEY_SIGNED);
	snprintf(serial, sizeof(serial), "serial=%s ", answer.serial);
	key_answer_clear(&answer);
	trail = read_whole(pki_path("audit.log"), &len);
	assert_non_null(memmem(trail, len, serial, strlen(serial)));
	assert_non_null(memmem(trail, len, "queue_id=4F2A address=" BUDI, 22 +
	    strlen(BUDI)));
	free(trail);
	unlink(pki_path("audit.log"));
	mkdir(pki_path("audit.log"), 0700);
	assert_int_equal(ask(&running, BUDI, SMIME_SHA256, &answer),
	    KEY_FAULT);
	assert_null(answer.der);
	assert_non_null(strstr(answer.reason, "audit"));
	rmdir(pki_path("audit.log"));
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	stop(&running);
}

static enum control_result
reload(struct running *running, struct smime_error *err)
{
	struct conf *conf = fixture_read(conf_file);
	enum control_result result;
	size_t len = 0;
	char *text;

	assert_int_equal(conf_text(conf, &text, &len, err), 0);
	result = control_send(running->control, text, len, 10, NULL, err);
	free(text);
	conf_unref(conf);
	return result;
}

/* What a reload cannot use leaves everything as it was. */
static void
test_reload(void **state)
{
	struct smime_error err = { "" };
	struct running running;

	(void)state;
	write_conf("", "rate_limit = 1;");
	store_put(BUDI, "a", "one");
	start(&running);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	assert_int_equal(status_for(&running, BUDI), KEY_RATE_LIMITED);
	write_conf("", "rate_limit = 0;");
	assert_int_equal(rename(pki_path("anchors"), pki_path("away")), 0);
	assert_int_equal(reload(&running, &err), CONTROL_NO);
	assert_non_null(strstr(err.text, "anchors"));
	assert_int_equal(status_for(&running, BUDI), KEY_RATE_LIMITED);
	assert_int_equal(rename(pki_path("away"), pki_path("anchors")), 0);
	err.text[0] = '\0';
	assert_int_equal(reload(&running, &err), CONTROL_DONE);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	stop(&running);
}

/* The passphrase is read while root, and kept for a reload after it. */
static void
test_passphrase(void **state)
{
	struct smime_error err = { "" };
	struct running running;
	char path[512], other[512];

	(void)state;
	snprintf(path, sizeof(path), "%s", pki_path("passphrase"));
	snprintf(other, sizeof(other), "%s", pki_path("other"));
	write_whole(path, PASSPHRASE, strlen(PASSPHRASE));
	chmod(path, 0600);
	pki_make("mailbox", BUDI, "p256", pki_path("locked"), "ok", NULL);
	pki_make("encrypt", pki_path("locked"), path, NULL);
	store_put(BUDI, "a", "locked");
	write_conf(path, "");
	start(&running);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	unlink(path);
	assert_int_equal(reload(&running, &err), CONTROL_DONE);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	write_conf(other, "");
	assert_int_equal(reload(&running, &err), CONTROL_NO);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	write_whole(other, "wrong", 5);
	chmod(other, 0600);
	err.text[0] = '\0';
	assert_int_equal(reload(&running, &err), CONTROL_DONE);
	assert_int_equal(status_for(&running, BUDI), KEY_FAULT);
	stop(&running);
}

/* SIG-45 */
static void
test_expiry_warning(void **state)
{
	struct running running;
	char *log, *first;
	size_t len;
	int i;

	(void)state;
	store_put(BUDI, "a", "short");
	start(&running);
	for (i = 0; i < 3; i++)
		assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	stop(&running);
	log = read_whole(pki_path("log"), &len);
	first = memmem(log, len, "ends in ", 8);
	assert_non_null(first);
	assert_null(memmem(first + 8, len - (size_t)(first + 8 - log),
	    "ends in ", 8));
	free(log);
}

/* The end of the mail process, of one channel, of the supervisor. */
static void
test_ends(void **state)
{
	struct key_request request = request_for(BUDI, SMIME_SHA256);
	struct running running;
	size_t i;

	(void)state;
	store_put(BUDI, "a", "one");
	start(&running);
	close(running.channels[3]);
	request.reply_to = 2;
	for (i = 0; i < 20; i++)
		send_request(&running, &request);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	running.channels[3] = dup(running.channels[0]);
	stop(&running);

	step_count = 0;
	start(&running);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	close(running.control);
	assert_int_equal(wait_status(&running), 0);
	for (i = 0; i < CHANNELS; i++)
		close(running.channels[i]);
}

/* Whoever asks and never reads takes no thread from others. */
static void
test_not_read(void **state)
{
	struct key_request request = request_for(BUDI, SMIME_SHA256);
	struct running running;
	size_t i;

	(void)state;
	write_conf("", "rate_limit = 0;");
	store_put(BUDI, "a", "one");
	start(&running);
	request.reply_to = 1;
	for (i = 0; i < 1000; i++)
		send_request(&running, &request);
	assert_int_equal(status_for(&running, BUDI), KEY_SIGNED);
	stop(&running);
	assert_true(logged("cannot send an answer"));
}

/* All channels at once, each several times. */
static void
test_channels(void **state)
{
	struct key_request request = request_for(BUDI, SMIME_SHA256);
	struct key_answer answer;
	struct running running;
	size_t i, round;

	(void)state;
	write_conf("", "rate_limit = 0;");
	store_put(BUDI, "a", "one");
	start(&running);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < CHANNELS - 1; i++) {
			request.reply_to = (uint16_t)i;
			request.number = round << 8 | i;
			send_request(&running, &request);
		}
		for (i = 0; i < CHANNELS - 1; i++) {
			receive_answer(&running, (unsigned)i, &answer);
			assert_int_equal(answer.status, KEY_SIGNED);
			assert_true(answer.number == (round << 8 | i));
			key_answer_clear(&answer);
		}
	}
	stop(&running);
}

/* Without a keystore it does not start, and says why. */
static void
test_cannot_start(void **state)
{
	struct running running = { .control = -1 };
	int control[2], none[CHANNELS] = { -1, -1, -1, -1 };

	(void)state;
	assert_int_equal(rename(pki_path("keystore"), pki_path("away")), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, control), 0);
	fflush(NULL);
	running.pid = fork();
	if (running.pid == 0)
		child(control[1], none);
	assert_int_equal(wait_status(&running), 69);
	assert_true(logged("cannot open the keystore"));
	close(control[0]);
	close(control[1]);
	assert_int_equal(rename(pki_path("away"), pki_path("keystore")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_answers, each_setup),
		cmocka_unit_test_setup(test_refusals, each_setup),
		cmocka_unit_test_setup(test_list, each_setup),
		cmocka_unit_test_setup(test_malformed, each_setup),
		cmocka_unit_test_setup(test_rate, each_setup),
		cmocka_unit_test_setup(test_audit, each_setup),
		cmocka_unit_test_setup(test_reload, each_setup),
		cmocka_unit_test_setup(test_passphrase, each_setup),
		cmocka_unit_test_setup(test_expiry_warning, each_setup),
		cmocka_unit_test_setup(test_ends, each_setup),
		cmocka_unit_test_setup(test_not_read, each_setup),
		cmocka_unit_test_setup(test_channels, each_setup),
		cmocka_unit_test_setup(test_cannot_start, each_setup),
	};

	return cmocka_run_group_tests(tests, setup, pki_teardown);
}
