/*
 * fuzz_verify.c - any message that comes in, in any pieces. The first octet
 * switches settings, the second sets the sizes of the pieces; the rest is the
 * message.
 *
 * Must hold: the pieces do not matter; a verdict does not contradict itself;
 * and what passes still holds the text that was signed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../smime/smime.h"
#include "judged.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Pieces of what the seeds sign, as text or inside base64. */
static bool
holds_signed_text(const uint8_t *p, size_t len)
{
	static const char *const texts[] = { "Isi surat dinas.", "Setuju.",
		"boundary=n", "smime-type=compressed-data",
		"message/rfc822" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (memmem(p, len, texts[i], strlen(texts[i])) != NULL)
			return true;
	return memmem(p, len, "pkcs7-mime", 10) != NULL ||
	    memmem(p, len, "p7m", 3) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verify_settings settings = *judged_settings();
	struct verdict whole, pieces;

	if (size < 2)
		return 0;
	settings.weak_digest = (data[0] & 1) != 0;
	settings.crl_soft_fail = (data[0] & 2) != 0;
	if (data[0] & 4) {
		settings.max_opaque = 3000;
		settings.max_signature = 2000;
		settings.max_part_header = 100;
		settings.max_depth = 2;
	}
	judged_verify(&settings, data + 2, size - 2, 0, &whole);
	judged_check(&whole);
	judged_verify(&settings, data + 2, size - 2, 1 + data[1] * 3u,
	    &pieces);
	MUST(judged_same(&whole, &pieces));
	MUST(whole.word != VERDICT_PASS ||
	    holds_signed_text(data + 2, size - 2));
	return 0;
}
