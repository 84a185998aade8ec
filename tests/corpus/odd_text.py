"""Bodies of one part: charsets, line ends, encodings and their lies."""
import base64
import quopri

from corpus import CRLF, PLAIN, mail, mixed, text

SAMPLE = {
    "utf-8": "S\u00e9lamat \u2013 \u65e5\u672c\u8a9e \U0001f600",
    "iso-8859-1": "caf\u00e9 \u00fcber", "iso-8859-15": "\u20ac caf\u00e9",
    "windows-1252": "\u201cdan\u201d \u20ac", "windows-1256": "\u0633\u0644",
    "iso-8859-2": "\u017elu\u0165", "iso-8859-6": "\u0633\u0644\u0627\u0645",
    "koi8-r": "\u041f\u0440\u0438\u0432\u0435\u0442",
    "koi8-u": "\u041f\u0440\u0438\u0432\u0456\u0442",
    "gb18030": "\u4f60\u597d\U00020000", "gb2312": "\u4f60\u597d",
    "big5": "\u4f60\u597d", "shift_jis": "\u8868\u30bd\u65e5\u672c",
    "euc-jp": "\u65e5\u672c\u8a9e", "euc-kr": "\ud55c\uad6d\uc5b4",
    "iso-2022-jp": "\u65e5\u672c\u8a9e", "iso-2022-kr": "\ud55c\uad6d",
    "hz-gb-2312": "\u4f60\u597d", "tis-620": "\u0e2a\u0e27\u0e31\u0e2a",
    "utf-7": "caf\u00e9 \u4f60", "utf-16": "caf\u00e9\r\n\u0a0d\u0d0a\u2e0a",
    "utf-16le": "Dengan\r\nhormat", "utf-16be": "Dengan\r\nhormat",
    "utf-32": "caf\u00e9\r\n",
}
CODEC = {"hz-gb-2312": "hz", "gb2312": "gb2312", "tis-620": "tis_620"}


def charsets(corpus):
    for charset, sample in SAMPLE.items():
        raw = sample.encode(CODEC.get(charset, charset)) + CRLF
        kind = b"text/plain; charset=" + charset.encode()
        corpus.add("charset-%s-8bit" % charset, text(raw, kind), "signed")
        corpus.add("charset-%s-base64" % charset,
                   text(base64.encodebytes(raw).replace(b"\n", CRLF), kind,
                        b"base64"), "signed")
    raw = SAMPLE["utf-8"].encode() + CRLF
    for name, kind in (
            ("unknown", b"text/plain; charset=x-tidak-ada"),
            ("missing", b"text/plain"),
            ("empty", b'text/plain; charset=""'),
            ("ascii-lie", b"text/plain; charset=us-ascii"),
            ("quoted-odd", b'text/plain; charset="UT\\F-8"'),
            ("2231", b"text/plain; charset*=us-ascii'en'utf-8"),
            ("html", b"text/html; charset=UTF-8"),
            ("long", b"text/plain; charset=" + b"x" * 300)):
        corpus.add("charset-label-" + name, text(raw, kind), "signed")
    corpus.add("charset-nomime-8bit", mail((), raw, mime=False), "signed")


def line_ends(corpus):
    for name, body in (
            ("empty", b""), ("crlf", b"\r\n"), ("one-octet", b"x"),
            ("no-final-crlf", b"Dengan hormat"), ("blank-lines", b"\r\n" * 9),
            ("blank-lines-70000", b"\r\n" * 70000),
            ("starts-blank", b"\r\n\r\nDengan\r\n"),
            ("looks-like-header", b"From: x@y\r\nTo: z@y\r\n\r\nisi\r\n"),
            ("dashes", b"--\r\n--x\r\n----\r\n-- \r\nBudi\r\n"),
            ("line-990", b"x" * 990 + CRLF), ("line-991", b"x" * 991 + CRLF),
            ("line-990-no-crlf", b"x" * 990), ("line-991-no-crlf", b"y" * 991),
            ("line-998", b"x" * 998 + CRLF), ("line-999", b"x" * 999 + CRLF),
            ("line-2000", b"ab" * 1000 + CRLF),
            ("line-1mb", b"x" * 1048576 + CRLF),
            ("line-1mb-spaces", b" " * 1048576 + CRLF),
            ("line-65535", b"x" * 65535), ("line-65536-crlf", b"x" * 65534
                                           + CRLF + b"y" * 65534 + CRLF),
            ("trailing-space", b"satu \r\ndua\t\r\n \r\n\t\r\ntiga  "),
            ("from-line", b"From budi\r\nFrom\r\n>From x\r\nFrom \r\n"),
            ("from-line-only", b"From "), ("dot", b".\r\n..\r\n.x\r\n.\r\n"),
            ("dot-end", b"isi\r\n."), ("dot-only", b"."),
            ("nul", b"a\0b\r\n"), ("nul-only", b"\0"),
            ("nul-at-chunk", b"x" * 76 * 862 + b"\0\r\n"),
            ("control", bytes(range(1, 9)) + b"\x0b\x0c\x1b\x7f\r\n"),
            ("all-octets", bytes(range(256)) * 4),
            ("bare-cr", b"satu\rdua\r\n"), ("bare-lf", b"satu\ndua\r\n"),
            ("lf-only", b"satu\ndua\ntiga\n"), ("cr-only", b"satu\rdua\r"),
            ("crcrlf", b"satu\r\r\ndua\r\n"), ("lfcr", b"satu\n\rdua\n\r"),
            ("crlflf", b"satu\r\n\ndua\r\n"), ("ends-cr", b"satu\r"),
            ("ends-lf", b"satu\n"), ("starts-lf", b"\nsatu\r\n"),
            ("starts-cr", b"\rsatu\r\n"),
            ("cr-at-chunk", b"x" * 800 + (b"y" * 74 + CRLF) * 851
             + b"z" * 58 + b"\r" + b"w\r\n"),
            ("crlf-over-chunk", b"x" * 58 + (b"y" * 74 + CRLF) * 861 +
             b"z" * 40 + CRLF + b"w\r\n"),
            ("eight-at-chunk", (b"y" * 74 + CRLF) * 862 + b"\xc3" * 50)):
        corpus.add("body-" + name, text(body, b"text/plain", None), "signed")
        if name in ("empty", "crlf", "nul", "bare-cr", "from-line", "dot",
                    "line-999", "trailing-space", "no-final-crlf"):
            corpus.add("body-nomime-" + name, mail((), body, mime=False),
                       "signed")
    corpus.add("body-none", mail((), None), "signed")
    corpus.add("body-none-nomime", mail((), None, mime=False), "signed")
    corpus.add("body-flowed", text(
        b"Kalimat yang \r\npanjang sekali \r\n> dikutip \r\n-- \r\nBudi\r\n",
        b"text/plain; format=flowed; delsp=yes", b"7bit"), "signed")
    corpus.add("body-flowed-8bit", text(
        "Kalimat \u2013 \r\npanjang \r\n".encode(),
        b"text/plain; charset=utf-8; format=flowed"), "signed")


def quoted_printable(corpus):
    for name, body in (
            ("plain", b"Dengan hormat=2E\r\n"), ("empty", b""),
            ("soft-end", b"satu=\r\n"), ("soft-no-crlf", b"satu="),
            ("soft-space", b"satu= \r\ndua\r\n"), ("lower", b"caf=c3=a9\r\n"),
            ("bad-hex", b"=ZZ =4 ==3D=\r\n"), ("crlf-encoded",
                                               b"a=0D=0Ab\r\n"),
            ("cr-encoded", b"a=0Db=0Ac\r\n"), ("nul-encoded", b"a=00b\r\n"),
            ("long", b"x" * 900 + CRLF), ("from", b"From budi\r\n"),
            ("dot", b".\r\n"), ("tab-end", b"satu=09\r\ndua=20\r\n")):
        # RFC 2045 6.7 (3): white space after "=" is padding; Python keeps it.
        corpus.add("qp-" + name, text(body, encoding=b"quoted-printable"),
                   "signed", loose=name == "soft-space")
    for name, body in (
            ("over-998", b"x=3D" * 500 + CRLF), ("raw-8bit", b"caf\xc3\xa9=3D"
                                                 b"\r\n"),
            ("raw-nul", b"a\0b=3D\r\n"), ("bare-lf", b"a=3D\nb\r\n"),
            ("escape-at-998", b"x" * 995 + b"=C3=A9" * 20 + CRLF),
            ("soft-over-998", b"x" * 1200 + b"=\r\ny\r\n"),
            ("bare-cr", b"a\rb=3D\r\n"),
            ("1mb", quopri.encodestring(b"\xc3\xa9" * 170000)
             .replace(b"=\n", b""))):
        # Python's reading of broken quoted-printable is one of several.
        corpus.add("qp-dirty-" + name,
                   text(body, encoding=b"quoted-printable"), "either",
                   loose=name in ("bare-lf", "bare-cr"))


def base64s(corpus):
    data = bytes(range(256))
    good = base64.encodebytes(data).replace(b"\n", CRLF)
    line = base64.b64encode(data)
    for name, body in (
            ("plain", good), ("empty", b""), ("no-padding",
                                              b"YWJjZA\r\n"),
            ("much-padding", b"YWJjZA======\r\n"), ("only-padding", b"=\r\n"),
            ("junk", b"YW!Jj*Z-A==\r\n"), ("blank-lines",
                                           b"\r\nYWJj\r\n\r\nZA==\r\n\r\n"),
            ("padding-inside", b"YQ==\r\nYg==\r\n"), ("one-line", line),
            ("spaces", b"YWJj ZA==\r\n"), ("text-after", b"YQ==\r\n\r\nIklan"
                                           b" gratis\r\n"),
            ("plain-text-lie", b"Ini bukan base64 sama sekali.\r\n"),
            ("lines-of-900", base64.b64encode(data * 8)[:900] + CRLF)):
        corpus.add("b64-" + name, text(
            body, b"application/octet-stream; name=x.bin", b"base64"),
                   "signed")
    for name, body in (
            ("line-1mb", base64.b64encode(data * 3072)),
            ("over-998", base64.b64encode(data * 6) + CRLF),
            ("lf", good.replace(CRLF, b"\n")),
            ("cr", good.replace(CRLF, b"\r")),
            ("nul", good[:20] + b"\0" + good[20:]),
            ("eight", good[:20] + b"\xe9" + good[20:]),
            ("binary-lie", bytes(range(128, 256)) * 4)):
        corpus.add("b64-dirty-" + name, text(
            body, b"application/octet-stream; name=x.bin", b"base64"),
                   "either", loose=name in ("binary-lie",))


def lies(corpus):
    eight = "caf\u00e9\r\n".encode()
    seven = b"kopi\r\n"
    for name, encoding, body, want in (
            ("7bit-8bit", b"7bit", eight, "signed"),
            ("8bit-7bit", b"8bit", seven, "signed"),
            ("binary-7bit", b"binary", seven, "signed"),
            ("binary-8bit", b"binary", eight, "signed"),
            ("binary-long", b"binary", b"x" * 5000 + CRLF, "signed"),
            ("upper", b"8BIT", eight, "signed"),
            ("mixed-case", b"Base64", b"YQ==\r\n", "signed"),
            ("comment", b"8bit (delapan)", eight, "signed"),
            ("comment-before", b"(x) 8bit", eight, "signed"),
            ("quoted", b'"8bit"', eight, "either"),
            ("space", b"8 bit", eight, "either"),
            ("dash", b"8-bit", eight, "either"),
            ("semicolon", b"8bit;", eight, "either"),
            ("parameter", b"7bit; x=y", seven, "either"),
            ("empty", b"", eight, "either"),
            ("none", b"none", eight, "either"),
            ("unknown-7bit", b"x-kuno", seven, "signed"),
            ("unknown-8bit", b"x-kuno", eight, "either"),
            ("uuencode", b"x-uuencode", b"begin 644 a\r\n#86)C\r\n`\r\nend"
             b"\r\n", "signed"),
            ("folded", b"\r\n 8bit", eight, "signed"),
            ("quoted-printable-8bit", b"quoted-printable", eight, "either"),
            ("long", b"8bit" + b" " * 900, eight, "either")):
        # Labels that nobody defines: what decoders make of them differs.
        corpus.add("cte-" + name, text(body, encoding=encoding), want,
                   loose=want == "either")
    for name, first, second in (
            ("same", b"8bit", b"8bit"), ("7-8", b"7bit", b"8bit"),
            ("8-base64", b"8bit", b"base64"),
            ("base64-8", b"base64", b"8bit"),
            ("qp-base64", b"quoted-printable", b"base64")):
        two = (b"Content-Type: text/plain; charset=utf-8",
               b"Content-Transfer-Encoding: " + first,
               b"Content-Transfer-Encoding: " + second)
        corpus.add("cte-twice-" + name, mail(two, eight), "either",
                   loose=name in ("base64-8", "qp-base64"))
        corpus.add("cte-twice-7bit-" + name, mail(two, seven), "either",
                   loose=name in ("base64-8", "qp-base64"))
        corpus.add("cte-twice-part-" + name, mixed(
            [PLAIN, CRLF.join(two) + CRLF + CRLF + eight]), "either",
                   loose=name in ("base64-8", "qp-base64"))


def fill(corpus):
    for each in (charsets, line_ends, quoted_printable, base64s, lies):
        each(corpus)
