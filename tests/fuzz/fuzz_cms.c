/*
 * fuzz_cms.c - any octets as the signature of a message that is always the
 * same, detached or opaque by the first octet.
 *
 * Must hold: what passes is a SignedData to OpenSSL too, which verifies it
 * over the same content under the same authorities; BER that was straightened
 * is straight; and nothing is read beyond its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "../../smime/smime.h"
#include "../../smime/trust.h"
#include "../../smime/verify.h"
#include "judged.h"

#define ENTITY	"Content-Type: text/plain\r\n\r\nIsi surat dinas.\r\n"
#define FROM	"From: Budi <" BUDI ">\r\nSubject: Surat\r\n"
#define HEAD	FROM "MIME-Version: 1.0\r\nContent-Type: multipart/signed;" \
	" protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n" \
	ENTITY "\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define OPAQUE	FROM "MIME-Version: 1.0\r\nContent-Type: application/" \
	"pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define TAIL	"\r\n--b--\r\n"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
second_opinion(const uint8_t *p, size_t len, bool opaque)
{
	X509_STORE *store = judged_settings()->trust->store;
	const unsigned char *at = p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)len);
	BIO *content = opaque ? NULL : BIO_new_mem_buf(ENTITY,
	    (int)strlen(ENTITY));

	MUST(cms != NULL);
	MUST(CMS_verify(cms, judged_settings()->trust->intermediates, store,
	    content, NULL, CMS_BINARY | CMS_NOCRL |
	    CMS_NO_SIGNER_CERT_VERIFY) == 1);
	ERR_clear_error();
	BIO_free(content);
	CMS_ContentInfo_free(cms);
}

static void
check_ber(const uint8_t *p, size_t len)
{
	unsigned char *once, *twice;
	size_t once_len, twice_len;

	MUST(ber_to_der(p, len, &once, &once_len) == 0);
	if (once == NULL)
		return;
	MUST(ber_to_der(once, once_len, &twice, &twice_len) == 0);
	MUST(twice != NULL && once_len == twice_len &&
	    memcmp(once, twice, once_len) == 0);
	free(once);
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict verdict;
	unsigned char *mail;
	bool opaque;
	size_t len;

	if (size < 1)
		return 0;
	opaque = (data[0] & 1) != 0;
	data++;
	size--;
	check_ber(data, size);
	MUST((mail = malloc(sizeof(HEAD) + sizeof(TAIL) + size * 2 + 8)) !=
	    NULL);
	len = strlen(opaque ? OPAQUE : HEAD);
	memcpy(mail, opaque ? OPAQUE : HEAD, len);
	len += (size_t)EVP_EncodeBlock(mail + len, data, (int)size);
	if (!opaque) {
		memcpy(mail + len, TAIL, strlen(TAIL));
		len += strlen(TAIL);
	}
	judged_verify(judged_settings(), mail, len, 0, &verdict);
	judged_check(&verdict);
	if (verdict.word == VERDICT_PASS)
		second_opinion(data, size, opaque);
	free(mail);
	return 0;
}
