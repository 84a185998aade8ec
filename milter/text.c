/*
 * text.c - what a mailbox user reads when a message is not taken.
 *
 * The sentence stands in an SMTP reply and from there in a window or a bounce.
 * It says what was wrong and what the reader can do, and whom to ask; it names
 * no component of ours, and no reason that only an administrator understands:
 * the log has that. Printable ASCII, one line: whatever comes from outside is
 * made so and cut.
 */
#include <stdio.h>
#include <string.h>

#include "../smime/smime.h"
#include "conf.h"
#include "policy.h"

#define SHOWN_MAX	121	/* octets of an address, and NUL */
#define NAMES_MAX	161	/* of several recipients, likewise */

struct sentence {
	const char	*id;
	const char	*en;
};

/* "%s" stands for the From address. */
static const struct sentence not_owner = {
	"akun Anda tidak berhak memakai alamat pengirim %s. Pilih alamat "
	    "Anda sendiri di kolom Dari, atau minta pengelola memberi hak "
	    "atas alamat itu.",
	"your account may not use the sender address %s. Choose your own "
	    "address in the From field, or ask the administrator for the "
	    "right to use that one."
};

static const struct sentence odd_recipient = {
	"alamat seorang penerima ditulis dengan cara yang tidak biasa. Tulis "
	    "sebagai nama@domain saja.",
	"the address of a recipient is written in an unusual way. Write it as "
	    "name@domain."
};

static const struct sentence no_certificate = {
	"belum ada sertifikat yang dapat dipakai untuk %s. Minta pengelola "
	    "memasang atau memperbarui sertifikat Anda.",
	"there is no usable certificate for %s. Ask the administrator to "
	    "install or renew your certificate."
};

static const struct sentence key_locked = {
	"kunci tanda tangan untuk %s sedang terkunci. Buka kunci itu dengan "
	    "frasa sandi Anda, atau hubungi pengelola, lalu kirim lagi.",
	"the signing key of %s is locked. Unlock it with your passphrase, or "
	    "ask the administrator, and send the message again."
};

static const struct sentence too_large = {
	"pesan terlalu besar untuk ditandatangani. Kecilkan lampiran, atau "
	    "bagikan lewat tautan, lalu kirim lagi.",
	"the message is too large to be signed. Make its attachments smaller "
	    "or share them by a link, and send it again."
};

static const struct sentence unsignable = {
	"pesan ini tidak dapat ditandatangani tanpa mengubah isinya. Kirim "
	    "pesan yang diteruskan sebagai lampiran PDF atau ZIP.",
	"this message cannot be signed without changing what it holds. Send "
	    "a forwarded message as a PDF or ZIP attachment."
};

static const struct sentence must_encrypt = {
	"pesan ini harus dienkripsi (karena aturan atau tanda kerahasiaannya), "
	    "tetapi tidak dapat. Kirim tanpa tanda tangan dari program surel "
	    "Anda sendiri, dari alamat dinas Anda.",
	"this message must be encrypted (by a rule or by its mark of secrecy) "
	    "and cannot be. Send it from your official address, without a "
	    "signature made by your own mail program."
};

/* "%s" stands for the recipients. */
static const struct sentence no_recipient = {
	"pesan ini harus dienkripsi, tetapi tidak ada sertifikat yang dapat "
	    "dipakai untuk: %s. Hapus penerima itu, atau minta pengelola "
	    "memasang sertifikatnya.",
	"this message must be encrypted, but there is no usable certificate "
	    "for: %s. Take them off, or ask the administrator to install "
	    "their certificate."
};

static const struct sentence hidden_recipient = {
	"pesan terenkripsi akan memperlihatkan penerima Bcc kepada yang lain: "
	    "%s. Cantumkan di Kepada atau Cc, atau kirim sendiri-sendiri.",
	"an encrypted message would show its Bcc recipients to the others: "
	    "%s. Put them in To or Cc, or send to each alone."
};

/* Likewise. */
static const struct sentence copy_not_taken = {
	"salinan tersendiri belum dapat diserahkan untuk: %s. Periksa alamat "
	    "itu, atau coba lagi beberapa menit lagi. Yang sudah menerima "
	    "tidak akan menerimanya dua kali.",
	"the separate copy could not be handed over for: %s. Check that "
	    "address, or try again in a few minutes. Who has it already will "
	    "not get it twice."
};

/* Likewise; for good. */
static const struct sentence copy_refused = {
	"salinan tersendiri ditolak untuk: %s. Periksa alamat itu atau hapus "
	    "dari daftar penerima, lalu kirim lagi.",
	"the separate copy was refused for: %s. Check that address or take "
	    "it off, and send the message again."
};

static const struct sentence copy_too_large = {
	"salinan tersendiri terlalu besar untuk: %s. Kecilkan lampiran, atau "
	    "bagikan lewat tautan, lalu kirim lagi.",
	"the separate copy is too large for: %s. Make the attachments smaller "
	    "or share them by a link, and send the message again."
};

static const struct sentence temporary = {
	"ada gangguan sementara pada layanan tanda tangan. Silakan kirim "
	    "ulang beberapa menit lagi.",
	"the signing service has a temporary fault. Try again in a few "
	    "minutes."
};

static const struct sentence from_sentences[] = {
	[ADDRESS_OK] = {
		"alamat pengirim tidak dapat dipakai. Periksa kolom Dari.",
		"the sender address cannot be used. Check the From field."
	},
	[ADDRESS_MISSING] = {
		"kolom Dari (From) kosong. Isi dengan alamat Anda.",
		"the From field is missing. Put your address there."
	},
	[ADDRESS_SEVERAL_FIELDS] = {
		"ada lebih dari satu kolom Dari (From). Pesan hanya boleh "
		    "memuat satu.",
		"there is more than one From field. A message may have only "
		    "one."
	},
	[ADDRESS_SEVERAL] = {
		"kolom Dari (From) memuat lebih dari satu alamat. Pakai satu "
		    "alamat saja.",
		"the From field holds more than one address. Use one only."
	},
	[ADDRESS_GROUP] = {
		"kolom Dari (From) memuat grup. Pakai satu alamat saja.",
		"the From field holds a group. Use one address."
	},
	[ADDRESS_SYNTAX] = {
		"isi kolom Dari (From) bukan alamat surel yang sah. Periksa "
		    "pengaturan akun Anda.",
		"the From field holds no valid address. Check the settings "
		    "of your account."
	},
	[ADDRESS_ODD_FORM] = {
		"alamat di kolom Dari (From) ditulis dengan cara yang tidak "
		    "biasa. Tulis sebagai nama@domain saja.",
		"the address in the From field is written in an unusual way. "
		    "Write it as name@domain."
	},
	[ADDRESS_DISPLAY_NAME] = {
		"nama pengirim menampilkan alamat yang berbeda dari alamat "
		    "yang dipakai. Ubah nama pengirim di pengaturan akun Anda.",
		"the sender's display name shows another address than the one "
		    "used. Change the name in the settings of your account."
	},
	[ADDRESS_TOO_LONG] = {
		"alamat di kolom Dari (From) terlalu panjang.",
		"the address in the From field is too long."
	},
};

static const struct sentence *
from_sentence(enum address_result result)
{
	if ((size_t)result >=
	    sizeof(from_sentences) / sizeof(from_sentences[0]))
		result = ADDRESS_OK;
	return &from_sentences[result];
}

static const struct sentence *
sentence_for(const struct plan *plan)
{
	switch (plan->why) {
	case WHY_NOT_OWNER:
		return &not_owner;
	case WHY_FROM:
		return from_sentence(plan->from_result);
	case WHY_RECIPIENT:
		return &odd_recipient;
	case WHY_NO_CERTIFICATE:
		return &no_certificate;
	case WHY_KEY_LOCKED:
		return &key_locked;
	case WHY_TOO_LARGE:
		return &too_large;
	case WHY_UNSIGNABLE:
		return &unsignable;
	case WHY_MUST_ENCRYPT:
		return &must_encrypt;
	case WHY_NO_RECIPIENT:
		return &no_recipient;
	case WHY_HIDDEN_RECIPIENT:
		return &hidden_recipient;
	case WHY_COPY_NOT_TAKEN:
		return &copy_not_taken;
	case WHY_COPY_REFUSED:
		return &copy_refused;
	case WHY_COPY_TOO_LARGE:
		return &copy_too_large;
	default:
		return &temporary;
	}
}

/* The sentence with the address in the place of its "%s". */
static void
put_address(const char *sentence, const char *address, char *out, size_t size)
{
	const char *mark = strstr(sentence, "%s");

	if (mark == NULL)
		snprintf(out, size, "%s", sentence);
	else
		snprintf(out, size, "%.*s%s%s", (int)(mark - sentence),
		    sentence, address, mark + 2);
}

static const char *
opening(bool id, enum plan_action action)
{
	if (action == PLAN_REFUSE)
		return id ? "Pesan tidak dikirim: " : "Message not sent: ";
	return id ? "Pesan belum dikirim: " : "Message not sent yet: ";
}

static void
shown(const char *text, char out[SHOWN_MAX])
{
	smime_printable(text, strlen(text), out, SHOWN_MAX);
}

void
text_reply(const struct conf *conf, const struct plan *plan, const char *who,
    char *out, size_t size)
{
	char address[NAMES_MAX], help[SHOWN_MAX];
	char sentence[512], text[1024];
	const struct sentence *chosen = sentence_for(plan);
	bool id = conf->language == LANGUAGE_ID;

	if (who != NULL && who[0] != '\0')
		smime_printable(who, strlen(who), address, NAMES_MAX);
	else
		shown(plan->from, address);
	shown(conf->help != NULL ? conf->help : "", help);
	put_address(id ? chosen->id : chosen->en, address, sentence,
	    sizeof(sentence));
	snprintf(text, sizeof(text), "%s%s%s%s%s", opening(id, plan->action),
	    sentence, help[0] == '\0' ? "" : id ? " Bantuan: " : " Help: ",
	    help, help[0] == '\0' ? "" : ".");
	smime_printable(text, strlen(text), out, size < 401 ? size : 401);
}
