/*
 * truststore.c - what the mail process believes about certificates, followed
 * on disk.
 *
 * Anchors, intermediates, revocation lists and pins change while the process
 * runs: lists every few hours, and nobody sends a signal then. Every few
 * seconds one of the threads that ask compares names, sizes and times of the
 * files with those that the current state was read from, and when they differ
 * reads a new state while the others go on with the old. States are counted: a
 * message ends with the one it began with. Each has a generation of its own,
 * by which remembered results are told apart.
 *
 * Time stamps are coarse. A state that was read from files that had only just
 * changed is read once more when they have rested.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "../smime/smime.h"
#include "conf.h"
#include "incoming.h"
#include "keys/anchors.h"
#include "keys/keyfile.h"
#include "log.h"

#define LOOK_SECONDS	5
#define GRAIN_SECONDS	2
#define PINS_FILE_MAX	(16 * 1024 * 1024)
#define PINS_MAX	100000

/* ---------------------------------------------------------------- pins --- */

struct pin_reader {
	const char		*file;
	unsigned		 line;
	struct pin		*pins;
	size_t			 count;
	size_t			 room;
	struct smime_error	*err;
};

static int
pin_fail(struct pin_reader *reader, const char *what)
{
	return smime_error_setx(reader->err, "%s:%u: %s", reader->file,
	    reader->line, what);
}

/* 64 hex digits, with a colon after each two or with none. */
static bool
parse_fingerprint(const char *text, size_t len, unsigned char out[32])
{
	size_t i, step = len == 95 ? 3 : 2;
	int high, low;

	if (len != 64 && len != 95)
		return false;
	for (i = 0; i < 32; i++) {
		high = lex_hex((unsigned char)text[i * step]);
		low = lex_hex((unsigned char)text[i * step + 1]);
		if (high == -1 || low == -1 ||
		    (step == 3 && i < 31 && text[i * step + 2] != ':'))
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static int
add_pin(struct pin_reader *reader, const char *address, size_t address_len,
    const char *hex, size_t hex_len)
{
	struct pin *grown;

	if (reader->count >= PINS_MAX)
		return pin_fail(reader, "one pin too many");
	if (reader->count == reader->room) {
		reader->room = reader->room == 0 ? 16 : reader->room * 2;
		grown = reallocarray(reader->pins, reader->room,
		    sizeof(*grown));
		if (grown == NULL)
			return pin_fail(reader, "out of memory");
		reader->pins = grown;
	}
	grown = &reader->pins[reader->count];
	if (!address_canonical(address, address_len, grown->address))
		return pin_fail(reader, "does not begin with an address");
	if (!parse_fingerprint(hex, hex_len, grown->fingerprint))
		return pin_fail(reader, "needs the SHA-256 fingerprint of a "
		    "certificate, 64 hex digits, behind the address");
	reader->count++;
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; its length 0 at the end or a comment. */
static const char *
next_word(const char **p, const char *end, size_t *len)
{
	const char *start;

	while (*p < end && is_space(**p))
		(*p)++;
	start = *p;
	if (start < end && *start == '#')
		*p = end;
	else
		while (*p < end && !is_space(**p))
			(*p)++;
	*len = start < end && *start == '#' ? 0 : (size_t)(*p - start);
	return start;
}

static int
parse_line(struct pin_reader *reader, const char *p, const char *end)
{
	const char *address, *hex;
	size_t address_len, hex_len, rest;

	address = next_word(&p, end, &address_len);
	if (address_len == 0)
		return 0;
	hex = next_word(&p, end, &hex_len);
	(void)next_word(&p, end, &rest);
	if (rest != 0)
		return pin_fail(reader, "has more than an address and a "
		    "fingerprint");
	return add_pin(reader, address, address_len, hex, hex_len);
}

int
pins_parse(const char *file, const char *text, size_t len, struct pin **out,
    size_t *count, struct smime_error *err)
{
	struct pin_reader reader = { .file = file, .err = err };
	const char *end = text + len, *eol;

	*out = NULL;
	*count = 0;
	while (text < end) {
		reader.line++;
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL)
			eol = end;
		if (parse_line(&reader, text, eol) == -1) {
			free(reader.pins);
			return -1;
		}
		text = eol < end ? eol + 1 : end;
	}
	*out = reader.pins;
	*count = reader.count;
	return 0;
}

bool
trust_state_pinned(void *arg, const char *address,
    const unsigned char fingerprint[32])
{
	const struct trust_state *state = arg;
	size_t i;

	for (i = 0; i < state->pin_count; i++)
		if (memcmp(state->pins[i].fingerprint, fingerprint, 32) == 0 &&
		    strcmp(state->pins[i].address, address) == 0)
			return true;
	return false;
}

/* Nobody but root and our users may say whom to believe. */
int
pins_read(const struct conf *conf, struct pin **out, size_t *count,
    struct smime_error *err)
{
	const char *file = conf->pins_file;
	struct owners owners;
	struct stat st;
	size_t len = 0;
	char *buf;
	int rc;

	*out = NULL;
	*count = 0;
	if (file == NULL || file[0] == '\0')
		return 0;
	owners_init(&owners, conf->key_user);
	buf = keyfile_read(AT_FDCWD, file, file, &owners, KEYFILE_PUBLIC,
	    PINS_FILE_MAX, &len, &st, err);
	if (buf == NULL)
		return -1;
	rc = pins_parse(file, buf, len, out, count, err);
	OPENSSL_clear_free(buf, len + 1);
	return rc;
}

/* --------------------------------------------------------------- stamp --- */

static void
stamp_file(FILE *out, const char *dir, const char *name, time_t *newest)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s%s%s", dir, *name != '\0' ? "/" :
	    "", name) >= (int)sizeof(path))
		return;
	if (stat(path, &st) == -1) {
		fprintf(out, "%s -\n", path);
		return;
	}
	fprintf(out, "%s %ju %ju %jd %jd.%09ld %jd.%09ld\n", path,
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_size,
	    (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
	    (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	if (st.st_ctim.tv_sec > *newest)
		*newest = st.st_ctim.tv_sec;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
stamp_directory(FILE *out, const char *dir, time_t *newest)
{
	struct dirent **names = NULL;
	int i, n;

	if (dir == NULL || dir[0] == '\0')
		return;
	n = scandir(dir, &names, is_visible, alphasort);
	fprintf(out, "%s: %d\n", dir, n);
	for (i = 0; i < n; i++) {
		stamp_file(out, dir, names[i]->d_name, newest);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/*
 * What tells one state of all those files from another: a text. *newest is the
 * latest change among them. Freed with free; NULL without memory.
 */
static char *
stamp_files(const struct conf *conf, time_t *newest)
{
	char *text = NULL;
	size_t i, len = 0;
	FILE *out;

	*newest = 0;
	if ((out = open_memstream(&text, &len)) == NULL)
		return NULL;
	stamp_directory(out, conf->anchors_dir, newest);
	stamp_directory(out, conf->verify_anchors_dir, newest);
	stamp_directory(out, conf->intermediates_dir, newest);
	stamp_directory(out, conf->crl_dir, newest);
	if (conf->pins_file != NULL && conf->pins_file[0] != '\0')
		stamp_file(out, conf->pins_file, "", newest);
	fprintf(out, "%u %d\n", conf->crl_max_age, conf->any_purpose);
	for (i = 0; i < conf->policy_oids.count; i++)
		fprintf(out, "%s\n", conf->policy_oids.items[i]);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --------------------------------------------------------------- state --- */

static uint64_t generations;

struct trust_state *
trust_state_read(const struct conf *conf, struct smime_error *err)
{
	struct smime_error why = { "" };
	struct trust_state *state;
	time_t newest;

	if ((state = calloc(1, sizeof(*state))) == NULL) {
		smime_error_set(err, "reading what is trusted");
		return NULL;
	}
	state->references = 1;
	state->generation = __atomic_add_fetch(&generations, 1,
	    __ATOMIC_RELAXED);
	/* before reading: what changes meanwhile shows at the next look */
	state->stamp = stamp_files(conf, &newest);
	state->settled = newest + GRAIN_SECONDS < time(NULL);
	state->trust = anchors_load(conf, err);
	if (state->stamp == NULL || state->trust == NULL) {
		smime_error_setx(err, "out of memory");
		trust_state_unref(state);
		return NULL;
	}
	if (pins_read(conf, &state->pins, &state->pin_count, &why) == -1) {
		state->pins_bad = true;
		log_warning("the pins cannot be used: %s", why.text);
	}
	return state;
}

static struct trust_state *
state_ref(struct trust_state *state)
{
	__atomic_add_fetch(&state->references, 1, __ATOMIC_RELAXED);
	return state;
}

void
trust_state_unref(struct trust_state *state)
{
	if (state == NULL || __atomic_sub_fetch(&state->references, 1,
	    __ATOMIC_ACQ_REL) != 0)
		return;
	trust_free(state->trust);
	free(state->pins);
	free(state->stamp);
	free(state);
}

/* --------------------------------------------------------------- store --- */

struct truststore {
	pthread_mutex_t		 lock;
	pthread_cond_t		 read;
	struct trust_state	*state;		/* NULL none */
	time_t			 looked;	/* by a steady clock */
	unsigned		 generation;	/* of the configuration */
	bool			 begun;
	bool			 looking;	/* a thread is at it */
};

static time_t
steady(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

struct truststore *
truststore_new(struct trust_state *state)
{
	struct truststore *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		trust_state_unref(state);
		return NULL;
	}
	store->state = state;
	store->begun = state != NULL;
	store->looked = steady();
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->read, NULL);
	return store;
}

void
truststore_free(struct truststore *store)
{
	if (store == NULL)
		return;
	trust_state_unref(store->state);
	pthread_cond_destroy(&store->read);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* Bad pins leave those before in force. */
static void
keep_pins(struct trust_state *state, const struct trust_state *old)
{
	if (!state->pins_bad || old == NULL || old->pin_count == 0)
		return;
	state->pins = calloc(old->pin_count, sizeof(*state->pins));
	if (state->pins == NULL)
		return;
	memcpy(state->pins, old->pins, old->pin_count * sizeof(*state->pins));
	state->pin_count = old->pin_count;
}

/* A new state when the files are not those of the old one, else NULL. */
static struct trust_state *
look(const struct trust_state *old, const struct conf *conf)
{
	struct smime_error err = { "" };
	struct trust_state *fresh;
	time_t newest;
	char *stamp;
	bool same;

	stamp = stamp_files(conf, &newest);
	same = old != NULL && stamp != NULL &&
	    strcmp(stamp, old->stamp) == 0 && (old->settled ||
	    newest + GRAIN_SECONDS >= time(NULL));
	free(stamp);
	if (same)
		return NULL;
	fresh = trust_state_read(conf, &err);
	if (fresh != NULL)
		keep_pins(fresh, old);
	if (fresh == NULL)
		log_error("%s: %s", old == NULL ? "no certificate can be "
		    "judged" : "certificates are judged by what was trusted "
		    "before", err.text);
	else
		log_debug("trusting %zu anchors, %zu revocation lists, "
		    "%zu pins", trust_anchors(fresh->trust),
		    trust_crls(fresh->trust), fresh->pin_count);
	return fresh;
}

struct trust_state *
truststore_get(struct truststore *store, const struct conf *conf)
{
	struct trust_state *old, *fresh, *state;
	time_t now = steady();

	pthread_mutex_lock(&store->lock);
	/* There is nothing to go on with before the first state is read. */
	while (store->looking && store->state == NULL)
		pthread_cond_wait(&store->read, &store->lock);
	state = store->state != NULL ? state_ref(store->state) : NULL;
	if (store->looking || (store->begun &&
	    now < store->looked + LOOK_SECONDS &&
	    store->generation == conf->generation)) {
		pthread_mutex_unlock(&store->lock);
		return state;
	}
	store->looking = store->begun = true;
	store->looked = now;
	store->generation = conf->generation;
	pthread_mutex_unlock(&store->lock);

	if ((fresh = look(state, conf)) == NULL)
		fresh = state;
	pthread_mutex_lock(&store->lock);
	store->looking = false;
	pthread_cond_broadcast(&store->read);
	if (fresh != state) {
		old = store->state;
		store->state = state_ref(fresh);
		trust_state_unref(old);
		trust_state_unref(state);
	}
	pthread_mutex_unlock(&store->lock);
	return fresh;
}
