/*
 * fuzz_envelope.c - what the check of an envelope reads, on arbitrary octets:
 * two with the length of a ciphertext, and the head. What it takes must be,
 * with such a ciphertext behind it, one whole DER element for OpenSSL as well.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>

#include "../../smime/cms.h"
#include "../../smime/der.h"
#include "../../smime/smime.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
second_opinion(const uint8_t *head, size_t len, size_t sealed, size_t tail)
{
	static const unsigned char tag[] = { 0x04, ENVELOPE_TAG };
	size_t all = len + sealed + tail;
	unsigned char *whole = calloc(1, all + 1);
	const unsigned char *p = whole;
	ASN1_SEQUENCE_ANY *sequence;

	memcpy(whole, head, len);
	if (tail > 0)
		memcpy(whole + len + sealed, tag, sizeof(tag));
	sequence = d2i_ASN1_SEQUENCE_ANY(NULL, &p, (long)all);
	if (sequence == NULL || p != whole + all ||
	    sk_ASN1_TYPE_num(sequence) != 2)
		__builtin_trap();
	sk_ASN1_TYPE_pop_free(sequence, ASN1_TYPE_free);
	free(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipient_info info;
	struct enveloped read;
	struct der infos;
	unsigned bits;
	size_t sealed;

	if (!capabilities_read(data, size, &bits) && bits != 0)
		__builtin_trap();
	if (size < 2)
		return 0;
	sealed = (size_t)data[0] << 8 | data[1];
	if (!enveloped_read(data + 2, size - 2, sealed, &read))
		return 0;
	for (infos = read.infos; infos.len > 0; )
		if (!recipient_info_take(&infos, &info))
			break;
	second_opinion(data + 2, size - 2, sealed,
	    envelope_tail_size(read.cipher));
	return 0;
}
