/*
 * kinds.c - which child processes there are, and what joins them.
 *
 * Children are started in the order of the table, each when the one before it
 * is ready, and stopped in the opposite order: who is asked stands above who
 * asks. Each gives up root for a user of its own and closes the cage of its
 * role itself (sandbox.c), in its run function.
 */
#include "channel.h"
#include "conf.h"
#include "process.h"
#include "supervise.h"

enum { KIND_TOKENS, KIND_KEYS, KIND_SUBMIT, KIND_MAIL };

static bool
has_tokens(const struct conf *conf)
{
	return conf->token_module[0] != '\0';
}

static bool
has_submissions(const struct conf *conf)
{
	return conf->submit_server[0] != '\0';
}

const struct kind kinds[] = {
	[KIND_TOKENS] = {
		.name = "token process", .pid_word = "token_pid",
		.ident = "sampul-milter/tokens", .comm = "sampul-tokens",
		.is_wanted = has_tokens, .run = token_process },
	[KIND_KEYS] = {
		.name = "key process", .pid_word = "key_pid",
		.ident = "sampul-milter/keys", .comm = "sampul-keys",
		.run = key_process },
	[KIND_SUBMIT] = {
		.name = "submit process", .pid_word = "submit_pid",
		.ident = "sampul-milter/submit", .comm = "sampul-submit",
		.is_wanted = has_submissions, .run = submit_process },
	[KIND_MAIL] = {
		.name = "mail process", .pid_word = "mail_pid",
		.ident = "sampul-milter/mail", .comm = "sampul-mail",
		.run = mail_process },
};
const unsigned kind_count = sizeof(kinds) / sizeof(kinds[0]);

static size_t
sign_channels(const struct conf *conf)
{
	return 1 + conf_key_threads(conf) * CHANNELS_PER_THREAD;
}

/* One for each thread of the key process that may ask, unlockd's too. */
static size_t
token_channels(const struct conf *conf)
{
	return conf_key_threads(conf) + 1;
}

static size_t
submit_channels(const struct conf *conf)
{
	return conf->submit_threads;
}

const struct joint joints[] = {
	[JOINT_SIGN] = { .server = KIND_KEYS, .client = KIND_MAIL,
	    .count = sign_channels },
	[JOINT_TOKENS] = { .server = KIND_TOKENS, .client = KIND_KEYS,
	    .count = token_channels },
	[JOINT_SUBMIT] = { .server = KIND_SUBMIT, .client = KIND_MAIL,
	    .count = submit_channels },
};
const unsigned joint_count = sizeof(joints) / sizeof(joints[0]);
