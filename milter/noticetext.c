/*
 * noticetext.c - the sentences of a notification (notice.c), in both languages.
 */
#include "../smime/smime.h"
#include "conf.h"
#include "notice.h"
#include "policy.h"

struct sentence {
	const char	*id;
	const char	*en;
};

static const struct sentence sentences[NOTICE_SENTENCES] = {
	[NOTICE_SUBJECT] = {
		"Pesan tidak dikirim kepada sebagian penerima",
		"Message not sent to some of its recipients"
	},
	[NOTICE_NAME] = { "Pemberitahuan surel", "Mail notification" },
	[NOTICE_OPENING] = {
		"Pesan Anda tidak dikirim kepada penerima di bawah ini, "
		    "karena harus\r\ndienkripsi dan tidak dapat dienkripsi "
		    "untuk mereka. Penerima\r\nlain tidak terpengaruh.\r\n",
		"Your message was not sent to the recipients below, because "
		    "it must be\r\nencrypted and cannot be encrypted to them. "
		    "Other recipients are\r\nnot affected.\r\n"
	},
	[NOTICE_REMEDY] = {
		"Minta pengelola memasang sertifikat mereka, lalu kirim lagi "
		    "hanya\r\nkepada mereka.\r\n",
		"Ask the administrator to install their certificates, then "
		    "send it\r\nagain to them alone.\r\n"
	},
	[NOTICE_RECEIVED] = {
		"Pesan itu diterima: ", "The message was received: "
	},
	[NOTICE_NUMBER] = { "Nomor pesan: ", "Message number: " },
	[NOTICE_HELP] = { "Bantuan: ", "Help: " },
};

static const struct sentence no_certificate = {
	"belum ada sertifikat untuk alamat ini",
	"there is no certificate for this address"
};

static const struct sentence expired = {
	"sertifikatnya sudah kedaluwarsa", "its certificate has expired"
};

static const struct sentence revoked = {
	"sertifikatnya sudah dicabut", "its certificate has been revoked"
};

static const struct sentence unusable = {
	"sertifikatnya tidak dapat dipakai untuk enkripsi",
	"its certificate cannot be used for encrypting"
};

static const struct sentence hidden = {
	"penerima Bcc akan terlihat oleh penerima lain; kirim sendiri",
	"a Bcc recipient would be shown to the others; send to it alone"
};

static const char *
in(enum language language, const struct sentence *sentence)
{
	return language == LANGUAGE_ID ? sentence->id : sentence->en;
}

const char *
notice_say(enum language language, enum notice_sentence which)
{
	return in(language, &sentences[which]);
}

const char *
notice_reason(enum language language, const struct notice_recipient *recipient)
{
	if (recipient->why == WHY_HIDDEN_RECIPIENT)
		return in(language, &hidden);
	switch (recipient->problem) {
	case CERT_OK:
		return in(language, &no_certificate);
	case CERT_EXPIRED:
		return in(language, &expired);
	case CERT_REVOKED:
		return in(language, &revoked);
	default:
		return in(language, &unusable);
	}
}

const char *
notice_diagnosis(const struct notice_recipient *recipient)
{
	if (recipient->why == WHY_HIDDEN_RECIPIENT)
		return "hidden recipient";
	return recipient->problem == CERT_OK ? "no certificate" :
	    cert_problem_word(recipient->problem);
}
