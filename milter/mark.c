/*
 * mark.c - tokens of the messages of ours that are on their way.
 *
 * A copy that we submit should go where no milter looks. Where it comes by us
 * all the same, it must not be signed or encrypted a second time, and nobody
 * else may have us leave a message alone by putting a field into it. So the
 * field holds what nobody can guess, is good for one message, and only while
 * that is being handed over.
 */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../smime/smime.h"
#include "submit.h"

#define OCTETS		(MARK_LEN / 2)
#define MARKS_MAX	4096	/* at once; each waits in a thread of its own */

struct marks {
	pthread_mutex_t	 lock;
	size_t		 count;
	unsigned char	 known[MARKS_MAX][OCTETS];
};

struct marks *
marks_new(void)
{
	struct marks *marks = calloc(1, sizeof(*marks));

	if (marks != NULL && pthread_mutex_init(&marks->lock, NULL) != 0) {
		free(marks);
		marks = NULL;
	}
	return marks;
}

void
marks_free(struct marks *marks)
{
	if (marks == NULL)
		return;
	pthread_mutex_destroy(&marks->lock);
	free(marks);
}

static int
value_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

/* Exactly MARK_LEN digits in lower case, as they were issued. */
static bool
read_token(const char *text, unsigned char out[OCTETS])
{
	int high, low;
	size_t i;

	text += strspn(text, " \t\r\n");
	for (i = 0; i < OCTETS; i++) {
		if ((high = value_of(text[2 * i])) == -1 ||
		    (low = value_of(text[2 * i + 1])) == -1)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	text += MARK_LEN;
	return text[strspn(text, " \t\r\n")] == '\0';
}

/* Also whether it was there; it is not any more. */
static bool
take_out(struct marks *marks, const unsigned char token[OCTETS])
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&marks->lock);
	for (i = 0; i < marks->count && !found; i++)
		found = memcmp(marks->known[i], token, OCTETS) == 0;
	if (found)
		memmove(marks->known[i - 1], marks->known[--marks->count],
		    OCTETS);
	pthread_mutex_unlock(&marks->lock);
	return found;
}

int
marks_issue(struct marks *marks, char token[MARK_LEN + 1],
    struct smime_error *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char octets[OCTETS];
	bool room;
	size_t i;

	token[0] = '\0';
	if (getrandom(octets, sizeof(octets), 0) != sizeof(octets))
		return smime_error_set(err, "random numbers for a mark");
	pthread_mutex_lock(&marks->lock);
	room = marks->count < MARKS_MAX;
	if (room)
		memcpy(marks->known[marks->count++], octets, OCTETS);
	pthread_mutex_unlock(&marks->lock);
	if (!room)
		return smime_error_setx(err, "more than %d messages are being "
		    "submitted at once", MARKS_MAX);
	for (i = 0; i < OCTETS; i++) {
		token[2 * i] = digits[octets[i] >> 4];
		token[2 * i + 1] = digits[octets[i] & 0x0f];
	}
	token[MARK_LEN] = '\0';
	return 0;
}

bool
marks_take(struct marks *marks, const char *text)
{
	unsigned char token[OCTETS];

	return marks != NULL && read_token(text, token) &&
	    take_out(marks, token);
}

void
marks_withdraw(struct marks *marks, const char *token)
{
	(void)marks_take(marks, token);
}
