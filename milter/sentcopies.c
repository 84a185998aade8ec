/*
 * sentcopies.c - which recipients have their copy already.
 *
 * A message of several copies is answered when all of them were taken; fails
 * one, the client tries again, and whoever has his copy must not get a second.
 * So it is remembered by recipient, not by copy: between two attempts somebody
 * may get a certificate, and then a message is divided otherwise.
 *
 * A name stands for sender, message and recipient (handover.c); nobody can tell
 * one of them from it. The table has a fixed size: sixteen places for each of
 * the names that share their first bits, of which the oldest goes. It is also
 * kept in a file, because a child that is killed takes the whole set of
 * processes with it. What is not known
 * after that is what was under way at that moment, and for that no protocol
 * has an answer (RFC 5321 4.5.4.1, 6.1).
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copying.h"
#include "log.h"

#define WAYS		16
#define SETS		1024
#define PLACES		(WAYS * SETS)
#define KEEP_SECONDS	(5 * 86400)	/* as long as an MTA tries */
#define AHEAD_SECONDS	86400		/* a clock that went back */

enum state { FREE, UNDER_WAY, TAKEN };

struct place {
	enum state	 state;
	int64_t		 when;
	unsigned char	 name[SENT_NAME_LEN];
};

struct sent_copies {
	pthread_mutex_t	 lock;
	int		 fd;		/* -1: in memory alone */
	struct place	 places[PLACES];
};

/* ---------------------------------------------------------------- file --- */

static const char magic[16] = "sampul-copies-1";

#define RECORD	(8 + SENT_NAME_LEN)	/* 0 or time, and name */

static void
write_record(const struct sent_copies *sent, const struct place *place)
{
	unsigned char record[RECORD];
	uint64_t when = (uint64_t)place->when;
	off_t at = (off_t)(sizeof(magic) +
	    (size_t)(place - sent->places) * RECORD);
	size_t i;

	if (sent->fd == -1)
		return;
	for (i = 0; i < 8; i++)
		record[i] = (unsigned char)(when >> (56 - 8 * i));
	memcpy(record + 8, place->name, SENT_NAME_LEN);
	if (pwrite(sent->fd, record, sizeof(record), at) != sizeof(record))
		log_warning("a copy that was taken is not on record, and may "
		    "be sent again after a crash: %s", strerror(errno));
}

static void
read_record(const unsigned char record[RECORD], struct place *place)
{
	uint64_t when = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		when = when << 8 | record[i];
	if (when == 0 || when > INT64_MAX)
		return;
	place->state = TAKEN;
	place->when = (int64_t)when;
	memcpy(place->name, record + 8, SENT_NAME_LEN);
}

/* A file that is not whole is begun anew. */
static int
read_file(struct sent_copies *sent)
{
	const size_t size = sizeof(magic) + PLACES * RECORD;
	unsigned char *buf;
	size_t i;
	int rc = -1;

	if ((buf = calloc(1, size)) == NULL)
		return -1;
	if (pread(sent->fd, buf, size, 0) == (ssize_t)size &&
	    memcmp(buf, magic, sizeof(magic)) == 0) {
		for (i = 0; i < PLACES; i++)
			read_record(buf + sizeof(magic) + i * RECORD,
			    &sent->places[i]);
		rc = 0;
	} else {
		memset(buf, 0, size);
		memcpy(buf, magic, sizeof(magic));
		if (ftruncate(sent->fd, 0) == 0 &&
		    pwrite(sent->fd, buf, size, 0) == (ssize_t)size)
			rc = 0;
	}
	free(buf);
	return rc;
}

static void
open_file(struct sent_copies *sent, const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, SENT_FILE);
	sent->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (sent->fd != -1 && fstat(sent->fd, &st) == 0 &&
	    S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    read_file(sent) == 0)
		return;
	log_warning("%s cannot be used (%s): after a crash a copy may be sent "
	    "again", path, strerror(errno));
	if (sent->fd != -1)
		close(sent->fd);
	sent->fd = -1;
}

/* --------------------------------------------------------------- table --- */

struct sent_copies *
sent_new(const char *dir)
{
	struct sent_copies *sent;

	if ((sent = calloc(1, sizeof(*sent))) == NULL)
		return NULL;
	if (pthread_mutex_init(&sent->lock, NULL) != 0) {
		free(sent);
		return NULL;
	}
	sent->fd = -1;
	if (dir != NULL)
		open_file(sent, dir);
	return sent;
}

void
sent_free(struct sent_copies *sent)
{
	if (sent == NULL)
		return;
	if (sent->fd != -1)
		close(sent->fd);
	pthread_mutex_destroy(&sent->lock);
	free(sent);
}

static struct place *
set_of(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN])
{
	return &sent->places[(size_t)((name[0] << 8 | name[1]) % SETS) * WAYS];
}

static bool
is_over(const struct place *place, time_t now)
{
	return place->state == TAKEN && (place->when + KEEP_SECONDS < now ||
	    place->when > now + AHEAD_SECONDS);
}

static struct place *
find(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN])
{
	struct place *set = set_of(sent, name);
	size_t i;

	for (i = 0; i < WAYS; i++)
		if (set[i].state != FREE &&
		    memcmp(set[i].name, name, SENT_NAME_LEN) == 0)
			return &set[i];
	return NULL;
}

/* NULL: whatever is there is under way. */
static struct place *
make_room(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN])
{
	struct place *set = set_of(sent, name), *oldest = NULL;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].state == FREE)
			return &set[i];
		if (set[i].state == TAKEN &&
		    (oldest == NULL || set[i].when < oldest->when))
			oldest = &set[i];
	}
	return oldest;
}

enum sent_state
sent_begin(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN],
    time_t now)
{
	enum sent_state state = SENT_BUSY;
	struct place *place;

	pthread_mutex_lock(&sent->lock);
	if ((place = find(sent, name)) != NULL && !is_over(place, now)) {
		if (place->state == TAKEN)
			state = SENT_ALREADY;
	} else if (place != NULL || (place = make_room(sent, name)) != NULL) {
		place->state = UNDER_WAY;
		place->when = now;
		memcpy(place->name, name, SENT_NAME_LEN);
		state = SENT_NOT_YET;
	}
	pthread_mutex_unlock(&sent->lock);
	return state;
}

enum sent_state
sent_look(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN],
    time_t now)
{
	enum sent_state state = SENT_NOT_YET;
	const struct place *place;

	pthread_mutex_lock(&sent->lock);
	if ((place = find(sent, name)) != NULL && !is_over(place, now))
		state = place->state == TAKEN ? SENT_ALREADY : SENT_BUSY;
	pthread_mutex_unlock(&sent->lock);
	return state;
}

void
sent_end(struct sent_copies *sent, const unsigned char name[SENT_NAME_LEN],
    bool taken, time_t now)
{
	struct place *place;

	pthread_mutex_lock(&sent->lock);
	place = find(sent, name);
	if (place != NULL && place->state == UNDER_WAY) {
		place->state = taken ? TAKEN : FREE;
		place->when = now;
		if (taken)
			write_record(sent, place);
	}
	pthread_mutex_unlock(&sent->lock);
}

void
sent_sync(struct sent_copies *sent)
{
	if (sent->fd != -1 && fsync(sent->fd) == -1)
		log_warning("copies that were taken may be sent again after a "
		    "crash: %s", strerror(errno));
}
