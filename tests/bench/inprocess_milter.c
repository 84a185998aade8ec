/*
 * inprocess_milter.c - Sampul as it would be without isolation: the mail
 * process opens the keystore and signs by itself, with neither key process nor
 * channel nor filters of system calls and files. All else is the product's; the
 * linker puts the functions below in the place of four of its own (--wrap).
 *
 *	inprocess_milter CONFIGURATION
 *
 * It becomes the configuration's key_user, who can read the keys.
 */
#include <sys/socket.h>

#include <err.h>
#include <sched.h>
#include <string.h>
#include <sysexits.h>

#include "../../milter/channel.h"
#include "../../milter/conf.h"
#include "../../milter/keys/audit.h"
#include "../../milter/keys/keystore.h"
#include "../../milter/log.h"
#include "../../milter/process.h"
#include "../../milter/sandbox.h"
#include "../../milter/supervise.h"
#include "../../smime/smime.h"

static const struct conf *settings;
static struct keystore *store;

int	 __wrap_channel_ask(struct channel_pool *pool,
	    const struct key_request *request, unsigned timeout,
	    struct key_answer *answer, struct smime_error *error);
int	 __wrap_sandbox_drop(const char *user, struct smime_error *error);
int	 __real_sandbox_drop(const char *user, struct smime_error *error);
int	 __wrap_sandbox_enter(enum sandbox_role role, const struct conf *conf,
	    struct smime_error *error);
int	 __wrap_sandbox_serve(enum sandbox_role role,
	    struct smime_error *error);

/* What keys/keyd.c does with a request. */
static int
sign(const struct keystore_identity *identity,
    const struct key_request *request, time_t now, struct key_answer *answer,
    struct smime_error *error)
{
	const struct signer *signer = keystore_identity_signer(identity);

	answer->digest = signer_digest(signer);
	if (answer->digest != request->digest) {
		answer->status = KEY_WRONG_DIGEST;
		return 0;
	}
	cert_serial(signer_cert(signer), answer->serial,
	    sizeof(answer->serial));
	answer->not_after = cert_not_after(signer_cert(signer));
	answer->pinned = keystore_identity_pinned(identity);
	if (signer_sign(signer, request->value,
	    smime_digest_size(request->digest), now, &answer->der,
	    &answer->der_len, error) != 0)
		return -1;
	answer->status = KEY_SIGNED;
	return audit_signed(request->queue_id, request->address,
	    answer->serial, request->digest, request->value, error);
}

int
__wrap_channel_ask(struct channel_pool *pool,
    const struct key_request *request, unsigned timeout,
    struct key_answer *answer, struct smime_error *error)
{
	const struct keystore_identity *identity;
	enum keystore_lack lack;
	time_t now = time(NULL);
	int rc;

	(void)pool;
	(void)timeout;
	memset(answer, 0, sizeof(*answer));
	identity = keystore_look(store, request->address, now, &lack, error);
	if (identity == NULL)
		return -1;
	rc = sign(identity, request, now, answer, error);
	keystore_release(store, identity);
	return rc;
}

int
__wrap_sandbox_drop(const char *user, struct smime_error *error)
{
	(void)user;
	return __real_sandbox_drop(settings->key_user, error);
}

int
__wrap_sandbox_enter(enum sandbox_role role, const struct conf *conf,
    struct smime_error *error)
{
	(void)role;
	(void)conf;
	(void)error;
	smime_load();
	return 0;
}

int
__wrap_sandbox_serve(enum sandbox_role role, struct smime_error *error)
{
	(void)role;
	(void)error;
	return 0;
}

int
main(int argc, char **argv)
{
	struct channels channels[JOINTS_MAX] = { { NULL, 0 } };
	struct smime_error error = { "" };
	int control[2], unused[2];
	struct conf *conf;

	if (argc != 2)
		errx(EX_USAGE, "usage: inprocess_milter configuration");
	if ((conf = conf_read(argv[1], &error)) == NULL)
		errx(EX_CONFIG, "%s", error.text);
	settings = conf;
	log_open("inprocess_milter", true, conf->log_level);
	if ((store = keystore_open_conf(conf, &error)) == NULL ||
	    audit_open(conf, &error) != 0)
		errx(EX_NOINPUT, "%s", error.text);
	/* as milter/spawn.c does */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, control) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, unused) == -1)
		err(EX_OSERR, "sockets");
	channels[JOINT_SIGN].fds = unused;
	channels[JOINT_SIGN].count = 2;
	return mail_process(conf, control[1], channels);
}
