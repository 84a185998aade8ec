/*
 * generate.c - messages of a given size for the load client.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

static const char head[] =
    "Received: from client.example (client.example [192.0.2.10])\r\n"
    "\tby mail.pekalongankab.go.id (Postfix) with ESMTPSA id 4TQ9xy1Z\r\n"
    "\tfor <penerima@example.org>; Sun, 22 Nov 2026 10:00:00 +0700\r\n"
    "From: Budi <budi@dinkes.pekalongankab.go.id>\r\n"
    "To: Penerima <penerima@example.org>\r\n"
    "Cc: Arsip <arsip@example.org>\r\n"
    "Subject: Laporan kegiatan bulanan\r\n"
    "Date: Sun, 22 Nov 2026 10:00:00 +0700\r\n"
    "Message-ID: <20261122100000.4711@dinkes.pekalongankab.go.id>\r\n"
    "References: <20261121090000.1@example.org>\r\n"
    " <20261121100000.2@example.org>\r\n"
    "In-Reply-To: <20261121100000.2@example.org>\r\n"
    "User-Agent: Mozilla Thunderbird\r\n"
    "MIME-Version: 1.0\r\n";

/* What one kind is made of; line is repeated until the size is reached. */
static const struct kind {
	const char	*name;
	const char	*header;
	const char	*before;
	const char	*line;
	const char	*after;
} kinds[] = {
	{ "clean",
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n", "",
	    "Dengan hormat, bersama ini kami sampaikan laporan kegiatan.\r\n",
	    "" },
	{ "attachment",
	    "Content-Type: multipart/mixed; boundary=\"=_pemisah\"\r\n\r\n",
	    "--=_pemisah\r\nContent-Type: text/plain\r\n\r\nTerlampir.\r\n"
	    "--=_pemisah\r\nContent-Type: application/pdf; name=l.pdf\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    "JVBERi0xLjQKJcfsj6IKNSAwIG9iago8PC9MZW5ndGggNiAwIFIvRmlsdGVyIC9G"
	    "bGF0ZURl\r\n", "--=_pemisah--\r\n" },
	{ "8bit",
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n", "",
	    "Dengan hormat \342\200\223 bersama ini kami sampaikan.\r\n", "" },
	{ "binary",
	    "Content-Type: multipart/mixed; boundary=\"=_pemisah\"\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n",
	    "--=_pemisah\r\nContent-Type: text/plain\r\n\r\nTerlampir.\r\n"
	    "--=_pemisah\r\nContent-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n",
	    "\211\312\377\376\241\262\303\324\345\366\207\230\251\272\313"
	    "\211\312\377\376\241\262\303\324\345\366\207\230\251\272\313\r\n",
	    "--=_pemisah--\r\n" },
};

static char *
append(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

int
generate(struct mta_message *out, const char *kind, size_t size)
{
	const struct kind *k = NULL;
	char *buf, *p;
	size_t i, line, fixed;
	int rc;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, kind) == 0)
			k = &kinds[i];
	if (k == NULL)
		return -1;
	line = strlen(k->line);
	fixed = strlen(head) + strlen(k->header) + strlen(k->before) +
	    strlen(k->after);
	buf = malloc(fixed + size + line + 1);
	if (buf == NULL)
		return -1;
	p = append(append(append(buf, head), k->header), k->before);
	do {
		memcpy(p, k->line, line);
		p += line;
	} while ((size_t)(p - buf) + strlen(k->after) < size);
	p = append(p, k->after);
	rc = mta_message_parse(out, buf, (size_t)(p - buf));
	free(buf);
	return rc;
}
