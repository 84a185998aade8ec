/*
 * certtext.c - what is wrong with a certificate, in words for people.
 *
 * Each sentence ends in what to do about it, and by whom.
 */
#include "smime_cert.h"

#define MAIL_PROFILE_EN	"extended key usage emailProtection, the address as " \
	"rfc822Name in subjectAltName, key usage digitalSignature"
#define MAIL_PROFILE_ID	"extended key usage emailProtection, alamat sebagai " \
	"rfc822Name dalam subjectAltName, key usage digitalSignature"

static const struct {
	const char	*word;
	const char	*en;
	const char	*id;
} texts[] = {
	[CERT_OK] = { "ok",
	    "The certificate is fit for signing.",
	    "Sertifikat ini layak untuk menandatangani." },
	[CERT_KEY_MISMATCH] = { "key-mismatch",
	    "The private key belongs to another certificate: put the key "
	    "beside it that its request was made with.",
	    "Kunci privat ini milik sertifikat lain: letakkan kunci yang "
	    "dipakai saat sertifikat ini diajukan." },
	[CERT_EXPIRED] = { "expired",
	    "The certificate has expired: ask the issuer for a new one and "
	    "add it beside this one.",
	    "Masa berlaku sertifikat sudah habis: ajukan sertifikat baru ke "
	    "penerbit dan tambahkan di samping yang ini." },
	[CERT_NOT_YET_VALID] = { "not-yet-valid",
	    "The certificate is not valid yet: wait for its first day, or "
	    "check the clock of this machine.",
	    "Sertifikat belum mulai berlaku: tunggu tanggal mulainya, atau "
	    "periksa jam pada mesin ini." },
	[CERT_NO_ADDRESS] = { "no-address",
	    "The certificate holds no usable e-mail address: ask the issuer "
	    "for one with the address as rfc822Name in subjectAltName.",
	    "Sertifikat tidak memuat alamat e-mail yang dapat dipakai: minta "
	    "penerbit mencantumkan alamat sebagai rfc822Name dalam "
	    "subjectAltName." },
	[CERT_OTHER_ADDRESS] = { "other-address",
	    "The certificate is for another e-mail address: move it to the "
	    "folder of its own address, or ask the issuer for one with this "
	    "address.",
	    "Sertifikat ini untuk alamat e-mail lain: pindahkan ke folder "
	    "alamatnya sendiri, atau minta penerbit membuatkan sertifikat "
	    "untuk alamat ini." },
	[CERT_KEY_USAGE] = { "key-usage",
	    "The certificate's key usage does not allow signatures: ask the "
	    "issuer for a signing certificate, with digitalSignature.",
	    "Key usage sertifikat tidak mengizinkan tanda tangan: minta "
	    "penerbit membuatkan sertifikat penandatanganan, dengan "
	    "digitalSignature." },
	[CERT_EXTENDED_KEY_USAGE] = { "extended-key-usage",
	    "The certificate is not for e-mail: ask the issuer for one with "
	    "extended key usage emailProtection.",
	    "Sertifikat ini bukan untuk e-mail: minta penerbit membuatkan "
	    "sertifikat dengan extended key usage emailProtection." },
	[CERT_DOCUMENT_PROFILE] = { "document-profile",
	    "This is a certificate of BSrE's document-signing profile (PDF "
	    "alone), which mail programs refuse: ask BSrE for an e-mail "
	    "protection certificate (" MAIL_PROFILE_EN ").",
	    "Ini sertifikat profil tanda tangan dokumen BSrE (khusus PDF), "
	    "yang ditolak oleh program e-mail: ajukan sertifikat perlindungan "
	    "e-mail ke BSrE (" MAIL_PROFILE_ID ")." },
	[CERT_WEAK_KEY] = { "weak-key",
	    "The key is too weak or of a curve that few readers know: have a "
	    "certificate issued for RSA of 2048 to 8192 bits, P-256 or P-384.",
	    "Kunci terlalu lemah atau kurvanya jarang dikenal: ajukan "
	    "sertifikat dengan RSA 2048 sampai 8192 bit, P-256, atau P-384." },
	[CERT_KEY_TYPE] = { "key-type",
	    "Mail programs do not accept signatures of this key type: have a "
	    "certificate issued for an RSA (rsaEncryption), P-256 or P-384 "
	    "key.",
	    "Program e-mail tidak menerima tanda tangan dengan jenis kunci "
	    "ini: ajukan sertifikat dengan kunci RSA (rsaEncryption), P-256, "
	    "atau P-384." },
	[CERT_WEAK_SIGNATURE] = { "weak-signature",
	    "The certificate was issued with an algorithm weaker than "
	    "SHA-256: ask the issuer for a new one.",
	    "Sertifikat diterbitkan dengan algoritma yang lebih lemah dari "
	    "SHA-256: ajukan sertifikat baru ke penerbit." },
	[CERT_UNKNOWN_ISSUER] = { "unknown-issuer",
	    "There is no path from the certificate to a configured anchor: "
	    "add the issuer's intermediate certificates, or use a certificate "
	    "of a recognised issuer.",
	    "Tidak ada rantai dari sertifikat ini ke jangkar kepercayaan: "
	    "tambahkan sertifikat antara milik penerbit, atau pakai "
	    "sertifikat dari penerbit yang diakui." },
	[CERT_REVOKED] = { "revoked",
	    "The issuer has revoked the certificate: remove it and ask for a "
	    "new one with a new key.",
	    "Sertifikat telah dicabut oleh penerbit: keluarkan dari "
	    "penyimpanan kunci dan ajukan yang baru dengan kunci baru." },
	[CERT_IS_CA] = { "ca",
	    "This is the certificate of an authority, not of a mailbox: put "
	    "the mailbox's own certificate first.",
	    "Ini sertifikat otoritas penerbit, bukan milik kotak surat: "
	    "letakkan sertifikat kotak surat di urutan pertama." },
	[CERT_CRITICAL_EXTENSION] = { "critical-extension",
	    "The certificate has a critical extension that is unknown or "
	    "malformed, so that readers must refuse it: ask the issuer for "
	    "one without.",
	    "Sertifikat memuat ekstensi kritis yang tidak dikenal atau rusak, "
	    "sehingga wajib ditolak penerima: minta penerbit membuatkan yang "
	    "tanpa ekstensi itu." },
	[CERT_ENCRYPTION_USAGE] = { "encryption-usage",
	    "The certificate's key usage does not allow encrypting to it: use "
	    "the mailbox's encryption certificate, with keyEncipherment for "
	    "RSA or keyAgreement for EC.",
	    "Key usage sertifikat tidak mengizinkan enkripsi: pakai sertifikat "
	    "enkripsi kotak surat itu, dengan keyEncipherment untuk RSA atau "
	    "keyAgreement untuk EC." },
	[CERT_ENCRYPTION_KEY] = { "encryption-key",
	    "Mail cannot be encrypted to this type of key: a certificate for "
	    "an RSA (rsaEncryption), P-256 or P-384 key is needed.",
	    "Surat tidak dapat dienkripsi dengan jenis kunci ini: diperlukan "
	    "sertifikat dengan kunci RSA (rsaEncryption), P-256, atau "
	    "P-384." },
	[CERT_CRL_MISSING] = { "crl-missing",
	    "It is not known whether the certificate is revoked: add its "
	    "issuer's revocation list, or let it be fetched.",
	    "Tidak diketahui apakah sertifikat sudah dicabut: tambahkan daftar "
	    "pencabutan (CRL) penerbitnya, atau aktifkan pengambilannya." },
	[CERT_CRL_STALE] = { "crl-stale",
	    "The revocation list for the certificate is out of date: get the "
	    "issuer's current one.",
	    "Daftar pencabutan (CRL) untuk sertifikat ini sudah kedaluwarsa: "
	    "ambil yang terbaru dari penerbit." },
};

#define KNOWN(problem)	((size_t)(problem) < sizeof(texts) / sizeof(texts[0]))

const char *
cert_problem_text(enum cert_problem problem, bool id)
{
	if (!KNOWN(problem))
		return id ? "Sertifikat tidak dapat dipakai." :
		    "The certificate cannot be used.";
	return id ? texts[problem].id : texts[problem].en;
}

const char *
cert_problem_word(enum cert_problem problem)
{
	return KNOWN(problem) ? texts[problem].word : "unknown";
}
