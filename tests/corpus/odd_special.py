"""Media types that have rules of their own, and parts that must not change."""
import base64

from corpus import CRLF, EIGHT, PLAIN, mail, mixed, multipart, part, text

E = "\u00e9".encode()
P7 = base64.encodebytes(b"\x30\x80" + bytes(200)).replace(b"\n", CRLF)


def wrapped(first, kind=b"application/pgp-signature"):
    """An inner multipart/signed around first."""
    return part(multipart(b"ttd", [first, part(b"-----BEGIN PGP SIGNATURE"
                                               b"-----\r\nx",
                                               b"Content-Type: " + kind)]),
                b"Content-Type: multipart/signed; micalg=pgp-sha256;\r\n"
                b' protocol="' + kind + b'"; boundary=ttd')


def protected(corpus):
    """SIG-13, SIG-23: nothing may touch these."""
    for name, content, body in (
            ("signed-smime", b"Content-Type: multipart/signed; micalg=sha-256;"
             b' boundary=t;\r\n protocol="application/pkcs7-signature"',
             multipart(b"t", [PLAIN, part(
                 P7, b"Content-Type: application/pkcs7-signature",
                 b"Content-Transfer-Encoding: base64")])),
            ("signed-pgp", b"Content-Type: multipart/signed; micalg=pgp-sha1;"
             b' boundary=t;\r\n protocol="application/pgp-signature"',
             multipart(b"t", [PLAIN, PLAIN])),
            ("signed-8bit", b"Content-Type: multipart/signed; boundary=t;"
             b' protocol="application/pgp-signature"',
             multipart(b"t", [EIGHT, PLAIN])),
            ("signed-case", b"content-type: Multipart/SIGNED; Boundary=t;"
             b' Protocol="application/PKCS7-signature"',
             multipart(b"t", [PLAIN, PLAIN])),
            ("encrypted-pgp", b"Content-Type: multipart/encrypted; boundary=t;"
             b' protocol="application/pgp-encrypted"',
             multipart(b"t", [PLAIN, PLAIN])),
            ("enveloped", (b"Content-Type: application/pkcs7-mime; smime-type="
                           b"enveloped-data; name=smime.p7m",
                           b"Content-Transfer-Encoding: base64"), P7),
            ("signed-data", (b"Content-Type: application/x-pkcs7-mime; "
                             b"smime-type=signed-data",
                             b"Content-Transfer-Encoding: base64"), P7),
            ("octet-p7m", (b"Content-Type: application/octet-stream; "
                           b"name=smime.p7m",
                           b"Content-Transfer-Encoding: base64"), P7),
            ("no-smime-type", (b"Content-Type: application/pkcs7-mime",
                               b"Content-Transfer-Encoding: base64"), P7)):
        corpus.add("protected-" + name, mail(content, body), "passed")
    corpus.add("inner-signed", mixed([PLAIN, wrapped(PLAIN)]), "signed")
    corpus.add("inner-signed-8bit", mixed([PLAIN, wrapped(EIGHT)]), "opaque")
    corpus.add("inner-signed-beside-8bit", mixed([EIGHT, wrapped(PLAIN)]),
               "signed")
    corpus.add("inner-signed-trailing", mixed([EIGHT, wrapped(part(
        b"satu \r\nFrom dua\r\n.", b"Content-Type: text/plain"))]), "signed")
    corpus.add("inner-signed-smime", mixed(
        [EIGHT, wrapped(PLAIN, b"application/pkcs7-signature")]), "signed")
    corpus.add("inner-signed-in-rfc822", mixed([EIGHT, part(
        b"Subject: x\r\n" + wrapped(PLAIN), b"Content-Type: message/rfc822")]
                                               ), "signed")
    corpus.add("inner-signed-in-rfc822-8bit", mixed([PLAIN, part(
        b"Subject: x\r\n" + wrapped(EIGHT), b"Content-Type: message/rfc822")]
                                                    ), "opaque")
    enveloped = part(P7, b"Content-Type: application/pkcs7-mime; "
                     b"name=smime.p7m", b"Content-Transfer-Encoding: base64")
    corpus.add("inner-enveloped", mixed([EIGHT, enveloped]), "signed")
    corpus.add("inner-enveloped-binary", mixed([PLAIN, part(
        b"\x30\x80\xff\xfe", b"Content-Type: application/pkcs7-mime",
        b"Content-Transfer-Encoding: binary")]), "either")
    corpus.add("inner-pgp-encrypted", mixed([EIGHT, part(
        multipart(b"t", [PLAIN, PLAIN]),
        b"Content-Type: multipart/encrypted; boundary=t")]), "signed")
    corpus.add("inner-pgp-encrypted-8bit", mixed([PLAIN, part(
        multipart(b"t", [PLAIN, EIGHT]),
        b"Content-Type: multipart/encrypted; boundary=t")]), "opaque")
    corpus.add("inline-pgp", text(
        b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n- -- isi"
        b"\r\n-----BEGIN PGP SIGNATURE-----\r\nx\r\n-----END PGP SIGNATURE"
        b"-----\r\n", b"text/plain", None), "signed")


def messages(corpus):
    """message/* and what RFC 2046 5.2 says of their encoding."""
    inside = b"From: x@example.org\r\nSubject: y\r\n"
    for name, kind, body, want in (
            ("rfc822", b"message/rfc822", inside + b"\r\nisi\r\n", "signed"),
            ("rfc822-8bit", b"message/rfc822", inside + CRLF + E + CRLF,
             "signed"),
            ("rfc822-8bit-header", b"message/rfc822",
             b"Subject: " + E + b"\r\n\r\nisi\r\n", "opaque"),
            ("rfc822-empty", b"message/rfc822", b"", "signed"),
            ("rfc822-no-body", b"message/rfc822", inside, "signed"),
            ("rfc822-no-header", b"message/rfc822", b"\r\nisi\r\n", "signed"),
            ("rfc822-junk", b"message/rfc822", b"isi saja\r\n", "signed"),
            ("rfc822-mbox", b"message/rfc822", b"From x\r\n" + inside
             + b"\r\nisi\r\n", "either"),
            ("rfc822-parameters", b'message/rfc822; name="a.eml"',
             inside + b"\r\nisi\r\n", "signed"),
            ("partial", b"message/partial; id=x; number=1; total=2",
             inside + b"\r\nisi\r\n", "signed"),
            ("partial-8bit", b"message/partial; id=x; number=1", inside + CRLF
             + E, "opaque"),
            ("external-body", b"message/external-body; access-type=URL;"
             b' URL="http://example.org/"',
             b"Content-Type: text/plain\r\n\r\nbayangan\r\n", "signed"),
            ("external-body-8bit", b"message/external-body; access-type=x",
             b"Content-Type: text/plain\r\n\r\n" + E + CRLF, "opaque"),
            ("delivery-status", b"message/delivery-status",
             b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; y\r\n"
             b"Action: failed\r\n", "signed"),
            ("delivery-status-8bit", b"message/delivery-status",
             b"Reporting-MTA: dns; " + E + CRLF, "opaque"),
            ("disposition", b"message/disposition-notification",
             b"Final-Recipient: rfc822; y\r\n", "signed"),
            ("disposition-8bit", b"message/disposition-notification",
             b"Final-Recipient: rfc822; " + E + CRLF, "opaque"),
            ("global", b"message/global", "Subject: \u00e9\r\n\r\n\u00e9\r\n"
             .encode(), "signed"),
            ("global-headers", b"message/global-headers",
             b"Subject: " + E + CRLF, "either"),
            ("global-dsn", b"message/global-delivery-status",
             b"Final-Recipient: utf-8; " + E + CRLF, "either"),
            ("news", b"message/news", inside + CRLF + E, "either"),
            ("http", b"message/http", b"GET / HTTP/1.1\r\nHost: " + E,
             "either"),
            ("unknown", b"message/x-lain", b"x: " + E, "either")):
        # In base64 these are leaves; Python reads them as messages still.
        loose = name.startswith("global")
        corpus.add("message-part-" + name, mixed(
            [PLAIN, part(body, b"Content-Type: " + kind)]), want,
                   loose=loose)
        corpus.add("message-" + name, mail(b"Content-Type: " + kind, body),
                   want, loose=loose)
    for encoding in (b"7bit", b"8bit", b"binary", b"base64",
                     b"quoted-printable"):
        body = inside + CRLF + E + CRLF
        if encoding == b"base64":
            body = base64.encodebytes(body).replace(b"\n", CRLF)
        corpus.add("rfc822-cte-" + encoding.decode(), mixed([part(
            body, b"Content-Type: message/rfc822",
            b"Content-Transfer-Encoding: " + encoding)]),
                   "signed" if encoding in (b"8bit", b"binary", b"7bit",
                                            b"base64") else "either",
                   loose=encoding in (b"base64", b"quoted-printable"))
    cut = part(b"Content-Type: multipart/mixed; boundary=tak\r\n\r\n--tak\r\n"
               + EIGHT, b"Content-Type: message/rfc822")
    corpus.add("rfc822-unclosed", mixed([cut, PLAIN]), "signed")


def leaves(corpus):
    ics = ("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
           "SUMMARY:Rapat \u2013 dinas\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    kinds = (
        ("calendar", b"text/calendar; method=REQUEST; charset=utf-8",
         ics.encode(), "8bit"),
        ("calendar-7bit", b"text/calendar; method=REPLY",
         ics.encode("ascii", "replace"), None),
        ("tnef", b"application/ms-tnef; name=winmail.dat",
         base64.encodebytes(b"\x78\x9f\x3e\x22" + bytes(90)).replace(
             b"\n", CRLF), "base64"),
        ("tnef-binary", b"application/ms-tnef; name=winmail.dat",
         b"\x78\x9f\x3e\x22" + bytes(90), "binary"),
        ("html", b"text/html; charset=utf-8",
         "<p>R\u00e9sum\u00e9 &amp; </p>\r\n".encode() * 40, "8bit"),
        ("png", b"image/png; name=x.png", b"\x89PNG\r\n\x1a\n" + bytes(64),
         "binary"),
        ("yenc", b"text/plain", b"=ybegin line=128 size=3 name=x\r\n\x8c\x8d"
         b"\r\n=yend size=3\r\n", None),
        ("uuencode", b"text/plain", b"begin 644 a.txt\r\n%:&5L;&\\\r\n`\r\n"
         b"end\r\n", None),
        ("binhex", b"application/mac-binhex40", b"(This file must be "
         b"converted with BinHex 4.0)\r\n:$f*TEQKPH3:\r\n", None),
        ("zip", b"application/zip", b"PK\x03\x04" + bytes(range(256)), "8bit"),
        ("json", b"application/json", '{"a":"\u00e9"}'.encode(), "8bit"),
        ("xml", b"application/xml", b"<a>\xff\xfe</a>", "binary"),
        ("rtf", b"text/rtf", b"{\\rtf1 " + E * 40 + b"}", "8bit"),
        ("csv", b"text/csv; header=present", b"a,b\r\n1,2 \r\n", None),
        ("enriched", b"text/enriched", b"<bold>x</bold>\r\n", None),
        ("headers", b"text/rfc822-headers", b"From: x\r\nSubject: y\r\n",
         None),
        ("pgp-keys", b"application/pgp-keys", b"-----BEGIN PGP\r\nFrom x\r\n",
         None),
        ("pkcs10", b"application/pkcs10", b"\x30\x82\xff", "binary"),
        ("empty", b"application/octet-stream", b"", "base64"))
    for name, kind, body, encoding in kinds:
        content = [b"Content-Type: " + kind]
        if encoding:
            content.append(b"Content-Transfer-Encoding: " + encoding.encode())
        corpus.add("leaf-" + name, mail(content, body), "signed")
        corpus.add("leaf-part-" + name, mixed([part(body, *content), PLAIN]),
                   "signed")


def part_headers(corpus):
    for name, lines, want in (
            ("filename-2231", [b"Content-Disposition: attachment; filename*="
                               b"utf-8''%C3%A9.pdf"], "signed"),
            ("filename-word", [b'Content-Disposition: attachment; filename="'
                               b'=?utf-8?B?w6kucGRm?="'], "signed"),
            ("filename-raw", [b'Content-Disposition: attachment; filename="'
                              + E + b'.pdf"'], "opaque"),
            ("filename-long", [b'Content-Disposition: attachment; filename="'
                               + b"x" * 900 + b'"'], "signed"),
            ("filename-crlf", [b"Content-Disposition: attachment;\r\n"
                               b'\tfilename="a\r\n b.pdf"'], "signed"),
            ("filename-path", [b'Content-Disposition: attachment; filename="'
                               b'../../etc/passwd"'], "signed"),
            ("line-over-998", [b"Content-Description: " + b"x" * 2000],
             "opaque"),
            ("many", [b"Content-X%d: y" % i for i in range(200)], "signed"),
            ("300kb", [b"X-Panjang: " + b"kata\r\n kata" * 30000], "either"),
            ("case", [b"CONTENT-TYPE: TEXT/PLAIN",
                      b"content-transfer-ENCODING: 8BIT"], "signed"),
            ("folded", [b"Content-Transfer-Encoding:\r\n 8bit",
                        b"Content-Type: text/plain;\r\n charset=utf-8"],
             "signed"),
            ("space-colon", [b"Content-Type : text/plain; charset=utf-8",
                             b"Content-Transfer-Encoding : 8bit"], "either"),
            ("junk-line", [b"ini bukan kepala"], "either"),
            ("mime-version", [b"MIME-Version: 1.0"], "signed"),
            ("nul", [b"X-Nul: a\0b"], "opaque"),
            ("bare-cr", [b"X-Cr: a\rb"], "opaque"),
            ("bare-lf", [b"X-Lf: a\n b"], "opaque"),
            ("duplicate-type", [b"Content-Type: text/plain; charset=utf-8",
                                b"Content-Type: text/html; charset=utf-8"],
             "either"),
            ("from-line", [b"X-A: b\r\n From x"], "signed")):
        loose = name in ("junk-line", "space-colon", "bare-cr", "bare-lf",
                         "nul")
        corpus.add("parthead-" + name, mixed([part(b"isi", *lines), PLAIN]),
                   want, loose=loose)
        corpus.add("parthead-8bit-" + name,
                   mixed([part(b"isi " + E, *lines), PLAIN]), want,
                   loose=loose)


def fill(corpus):
    for each in (protected, messages, leaves, part_headers):
        each(corpus)
