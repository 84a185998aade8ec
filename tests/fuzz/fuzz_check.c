/*
 * fuzz_check.c - signature_check on arbitrary octets. What it takes, OpenSSL
 * must read too, to the end, and write again the same.
 */
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "../../smime/cms.h"
#include "../../smime/smime.h"

#define NOW	1795345179	/* when the seeds were made */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
second_opinion(const uint8_t *data, size_t size)
{
	const unsigned char *p = data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)size);
	unsigned char *again = NULL;
	int len;

	if (cms == NULL || p != data + size)
		__builtin_trap();
	len = i2d_CMS_ContentInfo(cms, &again);
	if (len < 0 || (size_t)len != size || memcmp(again, data, size) != 0)
		__builtin_trap();
	OPENSSL_free(again);
	CMS_ContentInfo_free(cms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char address[] = "budi@dinkes.pekalongankab.go.id";
	unsigned char value[SMIME_DIGEST_MAX] = { 0 };
	struct smime_error err = { "" };
	enum smime_digest digest;
	struct cms_signed cms;

	/* The right digest value, so that what comes behind is reached. */
	if (cms_signed_read(data, size, &cms, &err) == 0 &&
	    cms.message_digest.len <= sizeof(value))
		memcpy(value, cms.message_digest.p, cms.message_digest.len);
	for (digest = SMIME_SHA256; digest <= SMIME_SHA384; digest++) {
		err.text[0] = '\0';
		if (signature_check(data, size, digest, value, address,
		    size % 2, NOW, NULL, &err) == 0)
			second_opinion(data, size);
		else if (err.text[0] == '\0')
			__builtin_trap();
	}
	return 0;
}
