/*
 * judged.c - a verdict, and what must hold for every one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "../../smime/smime.h"
#include "judged.h"

#define NOW	1795643700	/* when the seeds were made */

static FILE *
open_file(const char *name)
{
	char path[128];
	FILE *fp;

	snprintf(path, sizeof(path), "tests/fuzz/authorities/%s", name);
	if ((fp = fopen(path, "r")) == NULL) {
		perror(path);
		exit(1);
	}
	return fp;
}

static void
add(struct trust *trust, const char *name)
{
	struct smime_error err = { "" };
	char file[64];
	X509_CRL *crl;
	X509 *cert;
	FILE *fp;

	snprintf(file, sizeof(file), "%s.pem", name);
	fp = open_file(file);
	MUST((cert = PEM_read_X509(fp, NULL, NULL, NULL)) != NULL);
	fclose(fp);
	MUST((strcmp(name, "root") == 0 ? trust_add_anchor :
	    trust_add_intermediate)(trust, cert, &err) == 0);
	snprintf(file, sizeof(file), "%s.crl.pem", name);
	fp = open_file(file);
	MUST((crl = PEM_read_X509_CRL(fp, NULL, NULL, NULL)) != NULL);
	fclose(fp);
	MUST(trust_add_crl(trust, crl, &err) == 0);
	X509_free(cert);
	X509_CRL_free(crl);
}

const struct verify_settings *
judged_settings(void)
{
	static struct verify_settings settings;
	struct trust *trust;

	if (settings.trust == NULL) {
		MUST((trust = trust_new()) != NULL);
		add(trust, "root");
		add(trust, "issuing");
		verify_settings_init(&settings);
		settings.trust = trust;
		settings.now = NOW;
	}
	return &settings;
}

void
judged_verify(const struct verify_settings *settings, const unsigned char *p,
    size_t len, size_t step, struct verdict *out)
{
	struct header_list header = { 0 };
	struct smime_error err = { "" };
	struct verifier *verifier;
	size_t used, n, salt = step;
	bool body;

	MUST(header_parse(&header, p, len, 0, &used, &body, &err) == 0);
	MUST((verifier = verify_new(settings, &header, &err)) != NULL);
	for (p += used, len -= used; len > 0; p += n, len -= n) {
		salt = salt * 1103515245 + 12345;
		n = step == 0 ? len : 1 + (salt >> 8) % step;
		n = n < len ? n : len;
		MUST(verify_body(verifier, p, n, &err) == 0);
	}
	MUST(verify_finish(verifier, out, &err) == 0);
	verify_free(verifier);
	header_clear(&header);
}

void
judged_check(const struct verdict *verdict)
{
	bool passed = verdict->word == VERDICT_PASS, failed = false;
	size_t i;

	MUST(verdict->reason < VERIFY_REASONS);
	MUST(verdict->word == verify_reason_verdict(verdict->reason));
	MUST(passed == (verdict->reason == VERIFY_GOOD));
	MUST(verdict->word != VERDICT_TEMPERROR ||
	    verdict->reason != VERIFY_FAULT);
	for (i = 0; i < verdict->check_count; i++) {
		if (verdict->checks[i].outcome == CHECK_FAILED)
			failed = true;
		MUST(!passed || verdict->checks[i].outcome == CHECK_OK);
	}
	if (!passed)
		return;
	MUST(!failed && !verdict->silent && verdict->check_count > 20);
	MUST(verdict->validated && verdict->has_signer && verdict->matches);
	MUST(verdict->from_result == ADDRESS_OK);
	MUST(strcmp(verdict->from, BUDI) == 0);
	MUST(strcmp(verdict->identifier, BUDI) == 0);
	MUST(verdict->revocation == REVOCATION_GOOD);
	MUST(verdict->layer_count > 0);
}

bool
judged_same(const struct verdict *a, const struct verdict *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
