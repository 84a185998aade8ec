/*
 * verify_judge.c - ask the rules about one layer.
 *
 * Each rule names its RFC and has one function, or one fault that was found
 * while reading. They are asked in the order of the table, cheap before costly
 * and ceilings before cryptography (VER-22); the first that does not hold
 * gives the reason, and those behind it are not asked.
 */
#include <stdlib.h>

#include <openssl/err.h>

#include "smime_verify.h"
#include "verify.h"

struct rule {
	const char		*name;
	const char		*section;
	enum verify_reason	(*holds)(struct judgement *j);	/* NULL: the
						 * fault is asked */
	enum verify_reason	 fault;
	bool			 message;	/* of the outermost layer */
	const char		*text;
	const char		*text_id;
};

static const struct rule rules[] = {
	{ "structure", "RFC 1847 2.1", NULL, VERIFY_STRUCTURE, false,
	    "The message is built as a signed message must be.",
	    "Susunan pesan sesuai dengan pesan bertanda tangan." },
	{ "boundaries", "RFC 2046 5.1.1", NULL, VERIFY_AMBIGUOUS, false,
	    "Every reader sees the same parts.",
	    "Semua pembaca melihat bagian yang sama." },
	{ "whole-message", "RFC 8551 6", NULL, VERIFY_OUTSIDE, false,
	    "There is no text beside what is signed.",
	    "Tidak ada teks di luar yang ditandatangani." },
	{ "encoding", "RFC 2045 6.8", NULL, VERIFY_ENCODING, false,
	    "The signature is clean base64.",
	    "Tanda tangan tersandi base64 dengan benar." },
	{ "ceilings", "RFC 8551 6", NULL, VERIFY_LIMIT, false,
	    "Sizes and counts are within bounds.",
	    "Ukuran dan jumlah berada dalam batas." },
	{ "depth", "RFC 8551 3.7", NULL, VERIFY_DEPTH, false,
	    "There are not too many layers.",
	    "Lapisan tanda tangan tidak terlalu banyak." },
	{ "syntax", "RFC 5652 5.1", NULL, VERIFY_SYNTAX, false,
	    "The signature can be read.", "Tanda tangan dapat dibaca." },
	{ "version", "RFC 5652 5.3", NULL, VERIFY_VERSION, false,
	    "The version is known.", "Versinya dikenal." },
	{ "attributes", "RFC 5652 11", NULL, VERIFY_ATTRIBUTES, false,
	    "Each signed attribute is there once and well-formed.",
	    "Setiap atribut bertanda tangan ada sekali dan benar." },
	{ "signers", "RFC 5652 5.2", rule_signers, VERIFY_GOOD, false,
	    "There is a signer.", "Ada penanda tangan." },
	{ "content", "RFC 8551 3.5.3.1", rule_content, VERIFY_GOOD, false,
	    "The signed content is in one place only.",
	    "Isi yang ditandatangani hanya ada di satu tempat." },
	{ "signed-attributes", "RFC 5652 5.3", rule_attributes, VERIFY_GOOD,
	    false, "There are signed attributes.",
	    "Ada atribut bertanda tangan." },
	{ "content-type", "RFC 5652 11.1", rule_content_type, VERIFY_GOOD,
	    false, "What is signed is a message.",
	    "Yang ditandatangani adalah pesan." },
	{ "algorithms", "RFC 8551 2.2", rule_algorithms, VERIFY_GOOD, false,
	    "The algorithms are known and fit together.",
	    "Algoritmenya dikenal dan sesuai satu sama lain." },
	{ "digest-strength", "RFC 8551 2.1", rule_strength, VERIFY_GOOD,
	    false, "The digest is strong enough.",
	    "Algoritme intisari cukup kuat." },
	{ "micalg", "RFC 8551 3.5.3.2", rule_micalg, VERIFY_GOOD, false,
	    "The header names the digest that was used.",
	    "Kepala pesan menyebut algoritme intisari yang dipakai." },
	{ "message-digest", "RFC 5652 11.2", rule_digest, VERIFY_GOOD, false,
	    "The content is as it was signed.",
	    "Isi sama seperti saat ditandatangani." },
	{ "certificate", "RFC 8551 2.6", rule_certificate, VERIFY_GOOD, false,
	    "The signer's certificate is there.",
	    "Sertifikat penanda tangan disertakan." },
	{ "signing-certificate", "RFC 5035 3", rule_ess, VERIFY_GOOD, false,
	    "The signature names this certificate and no other.",
	    "Tanda tangan menyebut sertifikat ini, bukan yang lain." },
	{ "algorithm-protection", "RFC 6211 2", rule_protection, VERIFY_GOOD,
	    false, "The signed algorithms are those in use.",
	    "Algoritme yang ditandatangani adalah yang dipakai." },
	{ "key", "RFC 8551 6", rule_key, VERIFY_GOOD, false,
	    "The signer's key is of a good kind and size.",
	    "Jenis dan ukuran kunci penanda tangan memadai." },
	{ "signature", "RFC 5652 5.6", rule_signature, VERIFY_GOOD, false,
	    "The signature was made with the certificate's key.",
	    "Tanda tangan dibuat dengan kunci sertifikat itu." },
	{ "usage", "RFC 8550 4.4", rule_usage, VERIFY_GOOD, false,
	    "The certificate is meant for signing mail.",
	    "Sertifikat diperuntukkan bagi tanda tangan surel." },
	{ "chain", "RFC 5280 6.1", rule_chain, VERIFY_GOOD, false,
	    "The certificate leads to a trusted authority.",
	    "Sertifikat berujung pada otoritas tepercaya." },
	{ "revocation", "RFC 5280 6.3", rule_revocation, VERIFY_GOOD, false,
	    "The certificate is not revoked.", "Sertifikat tidak dicabut." },
	{ "from", "RFC 5322 3.6.2", message_from, VERIFY_GOOD, true,
	    "There is one sender address in From.",
	    "Ada satu alamat pengirim pada From." },
	{ "address", "RFC 8550 3", message_address, VERIFY_GOOD, true,
	    "The certificate is for the address in From.",
	    "Sertifikat diterbitkan bagi alamat pada From." },
	{ "protected-from", "RFC 9788 4.4", message_protected, VERIFY_GOOD,
	    true, "The signed From is the From that is shown.",
	    "From yang ditandatangani sama dengan yang tampak." },
	{ "signing-time", "RFC 8551 2.5.1", message_time, VERIFY_GOOD, true,
	    "The time of signing is plausible.",
	    "Waktu penandatanganan wajar." },
};
#define RULES	(sizeof(rules) / sizeof(rules[0]))
_Static_assert(RULES <= VERDICT_CHECKS, "more rules than a verdict holds");

static void
report(struct judgement *j, const struct rule *rule, enum check_outcome outcome,
    enum verify_reason reason)
{
	struct verdict_check *check;

	if (j->verdict == NULL)
		return;
	check = &j->verdict->checks[j->verdict->check_count++];
	check->name = rule->name;
	check->section = rule->section;
	check->outcome = outcome;
	check->reason = reason;
	check->text = rule->text;
	check->text_id = rule->text_id;
}

enum verify_reason
judgement_run(struct judgement *j)
{
	enum verify_reason reason = VERIFY_GOOD, found;
	const struct rule *rule;

	ERR_clear_error();
	for (rule = rules; rule < rules + RULES; rule++) {
		if (reason != VERIFY_GOOD || (rule->message &&
		    j->verdict == NULL)) {
			report(j, rule, CHECK_NOT_ASKED, VERIFY_GOOD);
			continue;
		}
		if (rule->holds != NULL)
			found = rule->holds(j);
		else
			found = j->layer->fault == rule->fault ? rule->fault :
			    VERIFY_GOOD;
		report(j, rule, found == VERIFY_GOOD ? CHECK_OK :
		    CHECK_FAILED, found);
		reason = found;
		/* A fault that no rule is about must not be lost. */
		if (rule->fault == VERIFY_ATTRIBUTES &&
		    reason == VERIFY_GOOD)
			reason = j->layer->fault;
	}
	return reason;
}

/* -------------------------------------------------------------- reading --- */

static enum verify_reason
read_der(struct judgement *j, const unsigned char *p, size_t len)
{
	return cms_read(p, len, j->settings->max_signers,
	    j->settings->max_certs, &j->data);
}

void
judgement_read(struct judgement *j)
{
	struct collect *blob = &j->layer->blob;
	enum verify_reason reason;
	size_t i, len;

	if (j->layer->fault != VERIFY_GOOD)
		return;
	reason = read_der(j, blob->buf, blob->len);
	if (reason == VERIFY_SYNTAX && blob->len > 0) {
		if (ber_to_der(blob->buf, blob->len, &j->der, &len) != 0)
			reason = VERIFY_FAULT;
		else if (j->der != NULL)
			reason = read_der(j, j->der, len);
	}
	if (reason != VERIFY_GOOD)
		layer_fault(j->layer, reason);
	for (i = 0; i < j->data.signer_count; i++)
		j->signers[i].info = &j->data.signers[i];
}

void
judgement_clear(struct judgement *j)
{
	struct examined *signer;
	size_t i, k;

	for (i = 0; i < SIGNERS_MAX; i++) {
		signer = &j->signers[i];
		for (k = 0; k < signer->candidate_count; k++)
			X509_free(signer->candidates[k].cert);
		signer->candidate_count = 0;
	}
	free(j->der);
	j->der = NULL;
}
