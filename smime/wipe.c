/*
 * wipe.c - memory that held a message leaves none of it behind.
 *
 * A text that is to be kept secret on its way must not go on in the heap of a
 * process that lives for months. What holds parts of a message is freed by
 * these.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "octets.h"
#include "smime_base.h"

#define ROOM_MIN	256

void
wipe_free(void *buf, size_t len)
{
	if (buf == NULL)
		return;
	OPENSSL_cleanse(buf, len);
	free(buf);
}

void
wipe_text(char *text)
{
	if (text != NULL)
		wipe_free(text, strlen(text));
}

bool
wipe_room(unsigned char **buf, size_t *size, size_t len, size_t more)
{
	size_t want = *size < ROOM_MIN ? ROOM_MIN : *size;
	unsigned char *grown;

	if (*buf != NULL && more <= *size - len)
		return true;
	while (want - len < more) {
		if (want > SIZE_MAX / 4)
			return false;
		want *= 2;
	}
	if ((grown = malloc(want)) == NULL)
		return false;
	if (len > 0)
		memcpy(grown, *buf, len);
	wipe_free(*buf, *size);
	*buf = grown;
	*size = want;
	return true;
}
