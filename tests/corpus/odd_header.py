"""Header fields: who it is from, odd syntax, many, long and hostile ones."""
from corpus import BUDI, CRLF, EIGHT, FIELDS, mail, mixed, text

REST = FIELDS[1:]
EIGHT_BIT = "caf\u00e9\r\n".encode()


def senders(corpus):
    """SIG-02, ATK-10 to ATK-12: whatever is not one plain mailbox of the
    login is not signed."""
    for name, lines in (
            ("none", []), ("empty", [b"From:"]), ("blank", [b"From: "]),
            ("twice", [b"From: " + BUDI] * 2),
            ("twice-other", [b"From: " + BUDI, b"From: siti@dinkes."
                             b"pekalongankab.go.id"]),
            ("twice-case", [b"From: " + BUDI, b"FROM: " + BUDI]),
            ("two-mailboxes", [b"From: " + BUDI + b", siti@example.org"]),
            ("group", [b"From: Tim: " + BUDI + b";"]),
            ("empty-group", [b"From: Tim:;"]),
            ("other", [b"From: siti@dinkes.pekalongankab.go.id"]),
            ("subdomain", [b"From: budi@x.dinkes.pekalongankab.go.id"]),
            ("display-name", [b'From: "bupati@pekalongankab.go.id" <' + BUDI
                              + b">"]),
            ("display-encoded", [b"From: =?utf-8?B?YnVwYXRpQHBla2Fsb25nYW5r"
                                 b"YWIuZ28uaWQ=?= <" + BUDI + b">"]),
            ("display-encoded-q", [b"From: =?us-ascii?Q?bupati=40x=2Ego=2E"
                                   b"id?= <" + BUDI + b">"]),
            ("comment", [b"From: (x) " + BUDI + b" (siti@example.org)"]),
            ("quoted-local", [b'From: "budi"@dinkes.pekalongankab.go.id']),
            ("literal", [b"From: budi@[192.0.2.1]"]),
            ("route", [b"From: <@example.org:" + BUDI + b">"]),
            ("no-domain", [b"From: budi"]), ("at-only", [b"From: @"]),
            ("null", [b"From: <>"]), ("open", [b"From: <" + BUDI]),
            ("two-at", [b"From: a@" + BUDI]),
            ("trailing", [b"From: " + BUDI + b" junk"]),
            ("two-angles", [b"From: <" + BUDI + b"> <x@example.org>"]),
            ("eight", ["From: b\u00fbdi@dinkes.pekalongankab.go.id".encode()]),
            ("escape", [b"From: budi\x1b@dinkes.pekalongankab.go.id"]),
            ("slash", [b"From: ../budi@dinkes.pekalongankab.go.id"]),
            ("long", [b"From: " + b"x" * 5000 + b"@example.org"]),
            ("long-list", [b"From: " + b"a@b, " * 20000 + BUDI])):
        corpus.add("from-" + name, mail((), fields=tuple(lines) + REST),
                   "refused")
    for name, line in (
            ("bare", b"From: " + BUDI), ("upper", b"FROM: " + BUDI.upper()),
            ("quoted-name", b'From: "Budi, S.Kom." <' + BUDI + b">"),
            ("encoded-name", b"From: =?utf-8?Q?B=C3=BBdi?= <" + BUDI + b">"),
            ("folded", b"From: Budi\r\n <" + BUDI + b">"),
            ("no-space", b"From:" + BUDI), ("tab", b"From:\t" + BUDI),
            ("spaces", b"From:    " + BUDI + b"   ")):
        corpus.add("from-good-" + name, mail((), fields=(line,) + REST),
                   "signed")
    # None of our mailboxes: it leaves as it came, and is never signed.
    corpus.add("from-foreign", mail((), fields=(
        b"From: budi@example.org",) + REST), "passed")
    corpus.add("from-sender-other", mail((), fields=FIELDS + (
        b"Sender: sekretariat@setda.pekalongankab.go.id",)), "any")
    corpus.add("from-resent", mail((), fields=(
        b"Resent-From: siti@example.org", b"Resent-To: x@example.org",
        b"Resent-Bcc: rahasia@example.org") + FIELDS), "any")


def mime_fields(corpus):
    for name, lines in (
            ("version-only", [b"MIME-Version: 1.0"]),
            ("version-twice", [b"MIME-Version: 1.0"] * 2),
            ("version-comment", [b"MIME-Version: 1.0 (produced by x)"]),
            ("version-2", [b"MIME-Version: 2.0"]),
            ("version-empty", [b"MIME-Version:"]),
            ("version-case", [b"mime-version: 1.0", b"content-TYPE: text/html"
                              ]),
            ("no-version", [b"Content-Type: text/html"]),
            ("no-version-all", [b"Content-Type: text/html",
                                b"Content-ID: <a@b>",
                                b"Content-Description: uji"]),
            ("all", [b"MIME-Version: 1.0", b"Content-Type: text/plain",
                     b"Content-Disposition: inline; filename=a.txt",
                     b"Content-ID: <a@b>", b"Content-Description: uji",
                     b"Content-Language: id", b"Content-Location: http://x/",
                     b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
                     b"Content-Features: x", b"Content-Base: http://y/"]),
            ("prefix-alone", [b"Content-Type: text/plain", b"Content-: uji"]),
            ("all-twice", [b"Content-Type: text/plain"] * 2 + [
                b"Content-ID: <a@b>", b"Content-ID: <c@d>",
                b"Content-Disposition: inline"] * 2),
            ("type-conflict", [b"Content-Type: text/plain",
                               b"Content-Type: text/html"])):
        corpus.add("mime-" + name, mail(lines, mime=False), "signed")
        corpus.add("mime-8bit-" + name, mail(lines, EIGHT_BIT, mime=False),
                   "either" if name == "type-conflict" else "signed")
    for name, value in (
            ("case", b"TEXT/PLAIN; CharSet=UTF-8"),
            ("folded", b"text/plain;\r\n charset=utf-8;\r\n\tformat=fixed"),
            ("folded-first", b"\r\n text/plain"),
            ("comment", b"text/plain (biasa); charset=utf-8 (x)"),
            ("comment-nested", b"text(a(b)c)/plain"),
            ("semicolon", b"text/plain; charset=utf-8;"),
            ("semicolons", b"text/plain;;; charset=utf-8;;"),
            ("spaces", b"text / plain ; charset = utf-8"),
            ("no-semicolon", b"text/plain charset=utf-8"),
            ("no-subtype", b"text"), ("slash", b"text/"), ("empty", b""),
            ("only-semicolon", b";"), ("star", b"*/*"),
            ("unknown", b"x-foo/x-bar"), ("open-quote",
                                          b'text/plain; name="a'),
            ("open-comment", b"text/plain (a"),
            ("pair", b'text/plain; name="a\\"b\\\\c"'),
            ("equals", b"text/plain; name=a=b"), ("novalue",
                                                  b"text/plain; name="),
            ("twice", b"text/plain; charset=utf-8; charset=koi8-r"),
            ("2231", b"text/plain; name*0=a; name*1=b; name*2*=%20c"),
            ("2231-lang", b"text/plain; name*=utf-8'id'%C3%A9.txt"),
            ("encoded-word", b'text/plain; name="=?utf-8?B?w6kudHh0?="'),
            ("long", b"text/plain; name=" + b"x" * 5000),
            ("many", b"text/plain" + b"".join(b";\r\n p%d=%d" % (i, i)
                                              for i in range(500))),
            ("hp-clear", b'text/plain; hp="clear"'),
            ("hp-cipher", b"text/plain; charset=utf-8; hp=cipher"),
            ("hp-2231", b"text/plain; hp*0=cl; hp*1=ear"),
            ("type-long", b"x" * 500 + b"/" + b"y" * 500),
            ("control", b"text/plain; name=\"a\x01b\"")):
        corpus.add("type-" + name, mail(b"Content-Type: " + value), "either"
                   if name in ("long", "type-long", "control") else "signed",
                   loose=name in ("control",))
        corpus.add("type-8bit-" + name,
                   mail(b"Content-Type: " + value, EIGHT_BIT), "either",
                   loose=name in ("control",))
    corpus.add("type-raw-8bit", mail(
        'Content-Type: text/plain; name="caf\u00e9.txt"'.encode()), "any")
    corpus.add("type-raw-8bit-utf8", mail(
        'Content-Type: text/plain; name="caf\u00e9.txt"'.encode()), "any",
               smtputf8=True)


def other_fields(corpus):
    for name, lines in (
            ("empty-value", [b"X-Kosong:", b"Keywords: "]),
            ("tab", [b"X-Tab:\tnilai\t"]), ("wide", [b"Comments:     a   "]),
            ("long", [b"Comments: " + b"x" * 990]),
            ("folds", [b"Comments: a" + b"\r\n b" * 300]),
            ("blank-fold", [b"Comments: a\r\n \r\n\tb"]),
            ("name-odd", [b"X-%s%n$(id)`id`: x", b"!#$: y"]),
            ("name-long", [b"X-" + b"n" * 500 + b": x"]),
            ("format", [b"Comments: %s%n%d 100%"]),
            ("encoded-word", [b"Comments: =?utf-8?Q?=C3=A9?="]),
            ("list", [b"List-Id: <a.example.org>", b"Precedence: list"]),
            ("auto", [b"Auto-Submitted: auto-replied"]),
            ("dkim", [b"DKIM-Signature: v=1; a=rsa-sha256; b=x"]),
            ("received", [b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 "
                          b"+0700"] * 60),
            ("bcc", [b"Bcc: rahasia@example.org"]),
            ("subject-twice", [b"Subject: kedua"]),
            ("date-twice", [b"Date: Sun, 22 Nov 2026 10:00:00 +0700"]),
            ("same-names", [b"X-A: 1", b"x-a: 2", b"X-a: 3"] * 20),
            ("no-colon-space", [b"X-A:b:c:d"])):
        corpus.add("field-" + name, mail((), fields=FIELDS + tuple(lines)),
                   "either" if name in ("list", "auto") else "signed")
    for name, line in (
            ("forged-sender", b"X-Verified-Sender: bupati"),
            ("forged-sender-case", b"x-verified-SENDER: bupati")):
        corpus.add("field-" + name, mail((), fields=FIELDS + (line,)),
                   "signed", drops=["X-Verified-Sender"])
    for name, line in (
            ("hp-outer", b"HP-Outer: Subject: x"),
            ("raw-8bit", "Subject: caf\u00e9".encode()),
            ("raw-latin1", b"X-Nama: caf\xe9"),
            ("control", b"X-Bel: \x07\x1b[31m"), ("cr", b"X-Cr: a\rb"),
            ("nul", b"X-Nul: a\0b"), ("over-998", b"Comments: " + b"x" * 3000),
            ("100kb", b"Comments: " + b"kata " * 20000)):
        corpus.add("field-" + name, mail((), fields=FIELDS + (line,)), "any",
                   loose=name in ("cr", "nul"))
        corpus.add("field-utf8-" + name, mail(
            (), EIGHT_BIT, fields=FIELDS + (line,)), "any", smtputf8=True,
                   loose=name in ("cr", "nul"))
    eai = FIELDS[:1] + ("To: \u7528\u6237@\u4f8b\u5b50.example".encode(),
                        "Subject: \u00fcji".encode()) + FIELDS[3:]
    corpus.add("eai-headers", text(EIGHT_BIT).replace(
        CRLF.join(FIELDS), CRLF.join(eai)), "either", smtputf8=True)
    corpus.add("eai-7bit-body", mail((), fields=eai), "either", smtputf8=True)
    corpus.add("eai-display", mail((), fields=(
        "From: B\u00fbdi <".encode() + BUDI + b">",) + REST), "either",
               smtputf8=True)
    corpus.add("eai-multipart", mixed([EIGHT]).replace(
        CRLF.join(FIELDS), CRLF.join(eai)), "either", smtputf8=True)
    for count in (1000, 50000):
        many = tuple(b"X-Banyak-%d: nilai" % i for i in range(count))
        corpus.add("field-many-%d" % count, mail((), fields=FIELDS + many),
                   "any")
        same = (b"X-Sama: nilai",) * count
        corpus.add("field-same-%d" % count, mail((), fields=FIELDS + same),
                   "any")


def broken(corpus):
    """Hardly messages at all."""
    for name, data in (
            ("nothing", b""), ("crlf", CRLF), ("body-only", b"\r\nisi\r\n"),
            ("text", b"bukan kepala surat\r\n"), ("colon", b": x\r\n\r\n"),
            ("mbox-only", b"From budi Sun Nov 22 10:00:00 2026\r\n"),
            ("nul", b"\0" * 100), ("fold-first", b" lanjutan\r\nFrom: "
                                   + BUDI + b"\r\n\r\nisi\r\n")):
        corpus.add("broken-" + name, data, "refused")
    corpus.add("broken-mbox-line", b"From budi Sun Nov 22 10:00:00 2026\r\n"
               + mail(), "signed")
    corpus.add("broken-from-only", b"From: " + BUDI + CRLF, "signed")
    corpus.add("broken-from-only-body", b"From: " + BUDI + b"\r\n\r\nisi",
               "signed")
    corpus.add("broken-no-blank", mail((), None) + b"bukan kepala\r\nisi\r\n",
               "signed")
    corpus.add("broken-lf", mail().replace(CRLF, b"\n"), "any")


def fill(corpus):
    for each in (senders, mime_fields, other_fields, broken):
        each(corpus)
