/*
 * verify_text.c - the verdicts and reasons in words.
 */
#include "smime_verify.h"

static const char *const verdicts[] = {
	[VERDICT_TEMPERROR] = "temperror",
	[VERDICT_NONE] = "none",
	[VERDICT_PASS] = "pass",
	[VERDICT_FAIL] = "fail",
	[VERDICT_POLICY] = "policy",
	[VERDICT_NEUTRAL] = "neutral",
	[VERDICT_PERMERROR] = "permerror",
};

struct reason {
	enum verdict_word	 verdict;
	const char		*word;
	const char		*text;
	const char		*text_id;
};

static const struct reason reasons[VERIFY_REASONS] = {
	[VERIFY_FAULT] = { VERDICT_TEMPERROR, "fault",
	    "The signature could not be checked now.",
	    "Tanda tangan saat ini tidak dapat diperiksa." },
	[VERIFY_GOOD] = { VERDICT_PASS, "good",
	    "The message is signed by the sender and unchanged.",
	    "Pesan ditandatangani pengirimnya dan tidak berubah." },
	[VERIFY_UNSIGNED] = { VERDICT_NONE, "unsigned",
	    "The message is not signed.",
	    "Pesan tidak ditandatangani." },
	[VERIFY_CERTS_ONLY] = { VERDICT_NONE, "certs-only",
	    "The message carries certificates but no signature.",
	    "Pesan memuat sertifikat tetapi tidak ditandatangani." },
	[VERIFY_ENCRYPTED] = { VERDICT_NEUTRAL, "encrypted",
	    "The message is encrypted; a signature inside is not seen here.",
	    "Pesan disandikan; tanda tangan di dalamnya tidak terlihat." },
	[VERIFY_COMPRESSED] = { VERDICT_NEUTRAL, "compressed",
	    "The message is compressed and was not opened.",
	    "Pesan dimampatkan dan tidak dibuka." },
	[VERIFY_OPENPGP] = { VERDICT_NEUTRAL, "not-smime",
	    "The message is signed by another method than S/MIME.",
	    "Pesan ditandatangani dengan cara selain S/MIME." },
	[VERIFY_PARTIAL] = { VERDICT_POLICY, "partial",
	    "Only a part of the message is signed.",
	    "Hanya sebagian pesan yang ditandatangani." },
	[VERIFY_OUTSIDE] = { VERDICT_POLICY, "outside",
	    "There is text outside the signed part.",
	    "Ada teks di luar bagian yang ditandatangani." },
	[VERIFY_STRUCTURE] = { VERDICT_NEUTRAL, "structure",
	    "The signed message is not built as the standard asks.",
	    "Susunan pesan bertanda tangan tidak sesuai standar." },
	[VERIFY_AMBIGUOUS] = { VERDICT_NEUTRAL, "ambiguous",
	    "Programs may disagree on what is signed.",
	    "Program dapat berbeda membaca bagian yang ditandatangani." },
	[VERIFY_ENCODING] = { VERDICT_NEUTRAL, "encoding",
	    "The signature is not encoded properly.",
	    "Tanda tangan tidak tersandi dengan benar." },
	[VERIFY_LIMIT] = { VERDICT_NEUTRAL, "limit",
	    "The message is larger or more complex than is checked here.",
	    "Pesan lebih besar atau rumit daripada yang diperiksa di sini." },
	[VERIFY_DEPTH] = { VERDICT_NEUTRAL, "depth",
	    "The message is signed in too many layers.",
	    "Lapisan tanda tangan pesan terlalu banyak." },
	[VERIFY_SYNTAX] = { VERDICT_NEUTRAL, "syntax",
	    "The signature cannot be read.",
	    "Tanda tangan tidak dapat dibaca." },
	[VERIFY_VERSION] = { VERDICT_NEUTRAL, "version",
	    "The signature is of an unknown version.",
	    "Versi tanda tangan tidak dikenal." },
	[VERIFY_CONTENT_TYPE] = { VERDICT_NEUTRAL, "content-type",
	    "What is signed is not a message.",
	    "Yang ditandatangani bukan pesan." },
	[VERIFY_CONFLICT] = { VERDICT_NEUTRAL, "conflict",
	    "The signature brings a content of its own.",
	    "Tanda tangan membawa isi tersendiri." },
	[VERIFY_NO_CONTENT] = { VERDICT_NEUTRAL, "no-content",
	    "There is a signature but nothing that is signed.",
	    "Ada tanda tangan tetapi tidak ada isinya." },
	[VERIFY_NO_ATTRIBUTES] = { VERDICT_NEUTRAL, "no-attributes",
	    "The signature has no signed attributes.",
	    "Tanda tangan tidak memiliki atribut bertanda tangan." },
	[VERIFY_ATTRIBUTES] = { VERDICT_NEUTRAL, "attributes",
	    "A signed attribute is missing, there twice or malformed.",
	    "Atribut bertanda tangan tidak ada, ganda, atau cacat." },
	[VERIFY_MICALG] = { VERDICT_NEUTRAL, "micalg",
	    "The header names another digest than the signature.",
	    "Kepala pesan menyebut algoritme intisari yang lain." },
	[VERIFY_ALGORITHM] = { VERDICT_NEUTRAL, "algorithm",
	    "The signature is by an unknown algorithm.",
	    "Algoritme tanda tangan tidak dikenal." },
	[VERIFY_WEAK] = { VERDICT_POLICY, "weak",
	    "The signature is by an algorithm or key that is too weak.",
	    "Algoritme atau kunci tanda tangan terlalu lemah." },
	[VERIFY_NO_CERTIFICATE] = { VERDICT_PERMERROR, "no-certificate",
	    "The signer's certificate is not in the message.",
	    "Sertifikat penanda tangan tidak disertakan." },
	[VERIFY_ESS] = { VERDICT_FAIL, "other-certificate",
	    "The signature was made for another certificate.",
	    "Tanda tangan dibuat untuk sertifikat lain." },
	[VERIFY_PROTECTION] = { VERDICT_FAIL, "other-algorithm",
	    "The signature was made for other algorithms.",
	    "Tanda tangan dibuat untuk algoritme lain." },
	[VERIFY_DIGEST] = { VERDICT_FAIL, "altered",
	    "The message was changed after it was signed.",
	    "Pesan berubah setelah ditandatangani." },
	[VERIFY_SIGNATURE] = { VERDICT_FAIL, "signature",
	    "The signature is not by the certificate's key.",
	    "Tanda tangan bukan dari kunci sertifikatnya." },
	[VERIFY_USAGE] = { VERDICT_FAIL, "usage",
	    "The certificate is not meant for signing mail.",
	    "Sertifikat tidak diperuntukkan bagi tanda tangan surel." },
	[VERIFY_EXPIRED] = { VERDICT_FAIL, "expired",
	    "The certificate has expired.",
	    "Masa berlaku sertifikat telah habis." },
	[VERIFY_NOT_YET_VALID] = { VERDICT_FAIL, "not-yet-valid",
	    "The certificate is not valid yet.",
	    "Sertifikat belum berlaku." },
	[VERIFY_EXTENSION] = { VERDICT_FAIL, "extension",
	    "The certificate holds a critical condition that is not known.",
	    "Sertifikat memuat syarat penting yang tidak dikenal." },
	[VERIFY_UNTRUSTED] = { VERDICT_FAIL, "untrusted",
	    "The certificate is not from a trusted authority.",
	    "Sertifikat bukan dari otoritas tepercaya." },
	[VERIFY_CERT_POLICY] = { VERDICT_POLICY, "certificate-policy",
	    "The certificate is of no accepted class.",
	    "Kelas sertifikat tidak diterima di sini." },
	[VERIFY_WEAK_CHAIN] = { VERDICT_POLICY, "weak-chain",
	    "A certificate in the chain is too weak.",
	    "Salah satu sertifikat dalam rantai terlalu lemah." },
	[VERIFY_REVOKED] = { VERDICT_FAIL, "revoked",
	    "The certificate has been revoked.",
	    "Sertifikat telah dicabut." },
	[VERIFY_CRL_MISSING] = { VERDICT_TEMPERROR, "crl-missing",
	    "There is no revocation list to check the certificate with.",
	    "Daftar pencabutan untuk sertifikat ini tidak tersedia." },
	[VERIFY_CRL_STALE] = { VERDICT_TEMPERROR, "crl-stale",
	    "The revocation list for the certificate is out of date.",
	    "Daftar pencabutan untuk sertifikat ini kedaluwarsa." },
	[VERIFY_NO_FROM] = { VERDICT_PERMERROR, "no-from",
	    "There is no sender address to compare with.",
	    "Tidak ada alamat pengirim untuk dibandingkan." },
	[VERIFY_SEVERAL_FROM] = { VERDICT_POLICY, "several-from",
	    "The message names more than one sender.",
	    "Pesan menyebut lebih dari satu pengirim." },
	[VERIFY_ODD_FROM] = { VERDICT_POLICY, "odd-from",
	    "The sender address is written in a misleading form.",
	    "Alamat pengirim ditulis dalam bentuk yang menyesatkan." },
	[VERIFY_NO_ADDRESS] = { VERDICT_POLICY, "no-address",
	    "The certificate names no address.",
	    "Sertifikat tidak memuat alamat surel." },
	[VERIFY_OTHER_ADDRESS] = { VERDICT_POLICY, "other-address",
	    "The certificate is for another address than the sender's.",
	    "Sertifikat diterbitkan untuk alamat lain, bukan pengirim." },
	[VERIFY_PROTECTED_FROM] = { VERDICT_POLICY, "protected-from",
	    "The signed sender is another than the one shown.",
	    "Pengirim yang ditandatangani berbeda dari yang tampak." },
	[VERIFY_SIGNING_TIME] = { VERDICT_POLICY, "signing-time",
	    "The message was signed long ago or in the future.",
	    "Waktu tanda tangan terlalu lama atau di masa depan." },
};

const char *
verdict_word_text(enum verdict_word word)
{
	if ((unsigned)word >= sizeof(verdicts) / sizeof(verdicts[0]))
		word = VERDICT_TEMPERROR;
	return verdicts[word];
}

static const struct reason *
find(enum verify_reason reason)
{
	return &reasons[(unsigned)reason < VERIFY_REASONS ? reason :
	    VERIFY_FAULT];
}

enum verdict_word
verify_reason_verdict(enum verify_reason reason)
{
	return find(reason)->verdict;
}

const char *
verify_reason_word(enum verify_reason reason)
{
	return find(reason)->word;
}

const char *
verify_reason_text(enum verify_reason reason, bool id)
{
	return id ? find(reason)->text_id : find(reason)->text;
}
