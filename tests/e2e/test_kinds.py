#!/usr/bin/python3
"""Kinds of mail through a real Postfix: those that rules name, those that are
protected already, and those that programs and machines of an office write."""
import base64
import email
import os

import harness
from harness import (BUDI, NOBODY, SEKRETARIAT, SITI, contains, equal,
                     message, submit, test)
import postfix
import rig
import sink

RULES = [
    {"name": "bounces", "preset": "bounce"},
    {"name": "replies", "preset": "auto-reply"},
    {"name": "lists", "preset": "list"},
    {"name": "meetings", "preset": "meeting", "sign": "off"},
    {"name": "agency", "agency": ["setda"], "to": ["@dinas.example"],
     "form": "opaque"},
    {"name": "secret", "headers": [{"name": "Sensitivity",
                                    "pattern": "company-conf*"}],
     "form": "opaque"},
    {"name": "huge", "larger_than": "300k", "cannot_sign": "pass",
     "form": "opaque"},
    {"name": "strict", "to": ["@ketat.example"], "opaque_fallback": False},
    {"name": "strict-pass", "to": ["@longgar.example"],
     "opaque_fallback": False, "cannot_sign": "pass"},
]


def setup(site):
    site.init()
    for address, kind in ((BUDI, "rsa2048"), (SITI, "p256"),
                          (SEKRETARIAT, "p384")):
        site.enrol(address, kind)
    site.write_conf(rules=RULES, language="id")
    site.start()
    site.full = site.add(sink.Sink())
    site.old = site.add(sink.Sink(eightbit=False, utf8=False))
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.full.port,
        milter="unix:" + site.socket, routes={"lama.example": site.old.port}))


def send(site, data, to="warga@luar.example", sender=BUDI, login=BUDI):
    """data with @SUBJECT@ in its header; subject, data as sent, reply."""
    subject = "jenis-%d" % next(site.serial)
    data = data.replace(b"@SUBJECT@", subject.encode())
    reply = submit(site.postfix.submission, sender, [to], data, login,
                   ["BODY=8BITMIME"])
    return subject, data, reply


def arrived(site, subject, hop=None):
    found = (hop or site.full).find(subject.encode())
    equal(len(found), 1, "messages delivered")
    return found[0].data


def delivered(site, data, **how):
    subject, sent, reply = send(site, data, **how)
    equal(reply.code, 250, reply.text)
    hop = site.old if how.get("to", "").endswith("@lama.example") else None
    return sent, arrived(site, subject, hop)


def signed(site, data, **how):
    _, after = delivered(site, data, **how)
    return site.verify(after)


def untouched(site, data, what, **how):
    sent, after = delivered(site, data, **how)
    if not after.endswith(sent):
        raise AssertionError("%s: changed on the way:\n%s" % (
            what, after.decode("utf-8", "replace")))


def plain(*extra, sender=BUDI, body="Isi surat.\r\n"):
    return message(sender, "@SUBJECT@", body, *extra)


def is_form(result, kind):
    contains(harness.values(result.header, "Content-Type")[0], kind)


# ---------------------------------------------------------------- by rules


CALENDAR = ("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
            "SUMMARY:Rapat \u2013 dinas\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")


def invitation(wrap=False):
    part = ("--b\r\nContent-Type: text/plain\r\n\r\nUndangan.\r\n--b\r\n"
            "Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n" + CALENDAR +
            "--b--\r\n")
    if not wrap:
        return plain("MIME-Version: 1.0", "Content-Type: "
                     "multipart/alternative; boundary=b", body=part)
    return plain("MIME-Version: 1.0",
                 "Content-Type: multipart/mixed; boundary=a",
                 body="--a\r\nContent-Type: multipart/alternative; "
                 "boundary=b\r\n\r\n" + part + "--a--\r\n")


@test
def presets_are_left_alone(site):
    """SIG-05, MTA-27."""
    report = ("MIME-Version: 1.0", "Content-Type: multipart/report; "
              "report-type=disposition-notification; boundary=b")
    parts = ("--b\r\n\r\nDibaca.\r\n--b\r\nContent-Type: "
             "message/disposition-notification\r\n\r\n"
             "Final-Recipient: rfc822; %s\r\n--b--\r\n" % BUDI)
    untouched(site, plain(), "null sender", sender="")
    untouched(site, plain(*report, body=parts), "receipt")
    for field in ("Auto-Submitted: auto-replied", "X-Autoreply: yes",
                  "List-Id: Warta <warta.dinkes.pekalongankab.go.id>",
                  "Precedence: list"):
        untouched(site, plain(field), field)
    untouched(site, invitation(), "invitation")
    untouched(site, invitation(True), "invitation inside")
    untouched(site, plain("MIME-Version: 1.0", "Content-Type: text/calendar; "
                          "method=REPLY", body="BEGIN:VCALENDAR\r\n"),
              "answer to one")


@test
def what_only_looks_like_a_preset_is_signed(site):
    for field in ("Auto-Submitted: no", "Precedence: bulk",
                  "X-List: List-Id: x"):
        signed(site, plain(field))


@test
def rules_by_agency_header_and_size(site):
    for data, how in (
            (plain(sender=SEKRETARIAT), {
                "to": "a@dinas.example", "sender": SEKRETARIAT,
                "login": SEKRETARIAT}),
            (plain("Sensitivity: Company-Confidential"), {}),
            (plain(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 5000), {})):
        is_form(signed(site, data, **how), "pkcs7-mime")
    for data, how in ((plain(), {"to": "a@dinas.example"}),
                      (plain("Sensitivity: personal"), {})):
        is_form(signed(site, data, **how), "multipart/signed")


# ------------------------------------------------------ protected already


@test
def encrypted_mail_is_left_alone(site):
    """SIG-23: S/MIME of every kind, and PGP."""
    scratch = site.path("scratch", "plain")
    rig.write(scratch, "Content-Type: text/plain\r\n\r\nRahasia.\r\n")
    certificate = site.path("issued", "recipient")
    os.makedirs(os.path.dirname(certificate), exist_ok=True)
    site.make_pki("mailbox", "tamu@luar.example", "rsa2048", certificate)
    for how in (["-encrypt", "-aes256"], ["-encrypt", "-aes-256-gcm"]):
        entity = harness.openssl("cms", *how, "-crlfeol", "-in", scratch,
                                 os.path.join(certificate, "cert.pem"))
        head, _, body = entity.replace(b"\r\n", b"\n").partition(b"\n\n")
        data = plain(*head.decode().split("\n"),
                     body=body.replace(b"\n", b"\r\n"))
        untouched(site, data, " ".join(how))
    untouched(site, plain(
        "MIME-Version: 1.0", "Content-Type: multipart/encrypted; boundary=b; "
        'protocol="application/pgp-encrypted"',
        body="--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
        "Version: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n"
        "-----BEGIN PGP MESSAGE-----\r\n--b--\r\n"), "PGP")


def forwarded(text):
    """Somebody's PGP-signed mail, with 8 bit in it, as an attachment."""
    return plain(
        "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=a",
        "Content-Transfer-Encoding: 8bit",
        body="--a\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n--a\r\n"
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit"
        "\r\n\r\nFrom: x@luar.example\r\nSubject: asli\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; "
        'micalg=pgp-sha256; protocol="application/pgp-signature"\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nIsi r\u00e9smi.\r\n--b\r\n"
        "Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
        "--a--\r\n" % text)


@test
def forwarded_signatures_stay_whole(site):
    """SIG-13: opaque, octet for octet; refused or passed where the rule
    does not want that."""
    data = forwarded("Diteruskan \u2014")
    sent, after = delivered(site, data)
    scratch = site.path("scratch", "opaque-8bit")
    with open(scratch, "wb") as file:
        file.write(after)
    content = harness.openssl("cms", "-verify", "-in", scratch, "-binary",
                              "-CAfile", site.anchor, "-purpose",
                              "smimesign")
    contains(content, sent.split(b"\r\n\r\n", 1)[1])
    _, _, reply = send(site, data, to="a@ketat.example")
    equal(reply.code, 550, reply.text)
    contains(reply.text, "pesan ini tidak dapat ditandatangani")
    contains(reply.text, "helpdesk@setda.pekalongankab.go.id")
    untouched(site, data, "where that may pass", to="a@longgar.example")


@test
def refusals_are_in_the_users_language(site):
    for data, how, words in (
            (plain(sender=NOBODY), {"sender": NOBODY, "login": NOBODY},
             "belum ada sertifikat yang dapat dipakai untuk " + NOBODY),
            (plain(sender=SITI), {}, "akun Anda tidak berhak memakai"),
            (plain("From: " + SITI), {}, "lebih dari satu kolom Dari")):
        _, _, reply = send(site, data, **how)
        equal(reply.code, 550, reply.text)
        contains(reply.text, words)
        for word in ("keystore", "folder", "milter", "Sampul"):
            equal(word in reply.text, False, "%s in %s" % (word, reply.text))


# ------------------------------------------------- programs and machines


PDF = b"%PDF-1.4\n" + bytes(range(256)) * 40 + b"\n%%EOF"
# Postfix writes a space for a lone CR or a NUL before a filter sees it.
LINE = bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
PDF64 = base64.encodebytes(PDF).replace(b"\n", b"\r\n")
HEAD = (b"From: Budi Santoso <" + BUDI.encode() + b">\r\n"
        b"To: Warga <warga@luar.example>\r\nSubject: @SUBJECT@\r\n"
        b"Date: Sun, 22 Nov 2026 08:00:00 +0700\r\n"
        b"Message-ID: <@SUBJECT@@dinkes.pekalongankab.go.id>\r\n")


def outlook():
    """Word's HTML with pictures, and its odd fields."""
    return (HEAD + b"Thread-Index: AdqZ\r\nX-MS-Has-Attach: yes\r\n"
            b"Accept-Language: id-ID, en-US\r\nContent-Language: id-ID\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\t"
            b'boundary="_004_AB12=?+_";\r\n\ttype="multipart/alternative"\r\n'
            b"\r\n--_004_AB12=?+_\r\nContent-Type: multipart/alternative;"
            b'\r\n\tboundary="_000_AB12=?+_"\r\n\r\n--_000_AB12=?+_\r\n'
            b'Content-Type: text/plain; charset="Windows-1252"\r\n'
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"Yth. Bapak=97Ibu,=20\r\n=A0\r\n\r\n--_000_AB12=?+_\r\n"
            b'Content-Type: text/html; charset="Windows-1252"\r\n'
            b"Content-Transfer-Encoding: 8bit\r\n\r\n<html><p>Yth. "
            b"Bapak\x97Ibu</p>" + b"<!-- x -->" * 200 + b"\r\n\r\n"
            b"--_000_AB12=?+_--\r\n\r\n--_004_AB12=?+_\r\n"
            b'Content-Type: image/png; name="image001.png"\r\n'
            b"Content-Description: image001.png\r\n"
            b'Content-Disposition: inline; filename="image001.png"; '
            b'size=9;\r\n\tcreation-date="Sun, 22 Nov 2026 01:00:00 GMT"\r\n'
            b"Content-ID: <image001.png@01DC.AB>\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n\r\n"
            b"--_004_AB12=?+_--\r\n")


def apple():
    """Flowed text, a PDF between texts, epilogue without a line end."""
    return (HEAD + b"Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3774\\))\r\n"
            b"Content-Type: multipart/mixed;\r\n\tboundary=\"Apple-Mail=_1\""
            b"\r\n\r\n\r\n--Apple-Mail=_1\r\nContent-Transfer-Encoding: 7bit"
            b"\r\nContent-Type: text/plain;\r\n\tcharset=us-ascii;\r\n\t"
            b"format=flowed;\r\n\tdelsp=yes\r\n\r\nSatu dua \r\ntiga \r\n-- "
            b"\r\nBudi \r\n\r\n--Apple-Mail=_1\r\nContent-Disposition: "
            b"inline;\r\n\tfilename*=utf-8''sk%20r%C3%A9smi.pdf\r\n"
            b"Content-Type: application/pdf;\r\n\tx-unix-mode=0644;\r\n\t"
            b"name*=utf-8''sk%20r%C3%A9smi.pdf\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + PDF64 +
            b"\r\n--Apple-Mail=_1\r\nContent-Type: text/plain\r\n\r\n\r\n"
            b"\r\n\r\n--Apple-Mail=_1--")


def scanner():
    """A copier: no MIME-Version, binary PDF with a label in capitals."""
    return (HEAD + b"CONTENT-TYPE: APPLICATION/PDF; NAME=SCAN0001.PDF\r\n"
            b"CONTENT-TRANSFER-ENCODING: BINARY\r\n"
            b"CONTENT-DISPOSITION: ATTACHMENT; FILENAME=SCAN0001.PDF\r\n\r\n"
            + b"%PDF-1.4\r\n" + LINE * 40 + b"\r\n%%EOF\r\n")


def web_form():
    """PHP's mail(): no label at all on Latin-1, long lines, trailing blank
    lines."""
    return (HEAD + b"X-Mailer: PHP/8.2\r\n\r\nNama: Andr\xe9\r\nPesan: "
            + b"kata " * 400 + b"\r\n.\r\nFrom luar\r\n\r\n\r\n\r\n")


def uuencoded():
    return (HEAD + b"\r\nbegin 644 a.txt\r\n#86)C \r\n`\r\nend\r\n"
            b"begin 644 b.txt\r\n \r\nend\r\n")


def digest():
    """A digest, whose parts are messages without saying so, with 8 bit."""
    return (HEAD + b"MIME-Version: 1.0\r\n"
            b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n"
            b"From: a@b.example\r\nSubject: satu\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\nr\xc3\xa9smi\r\n--d\r\n"
            b"\r\nFrom: a@b.example\r\nSubject: dua\r\n\r\nisi\r\n--d--\r\n")


def complaint():
    """The parts of RFC 5965, forwarded as multipart/mixed."""
    return (HEAD + b"MIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=r\r\n\r\n--r\r\n"
            b"Content-Type: message/feedback-report\r\n\r\n"
            b"Feedback-Type: abuse\r\n--r\r\nContent-Type: text/rfc822-"
            b"headers\r\n\r\nFrom: x\r\nSubject: =?utf-8?Q?=C3=A9?=\r\n\r\n"
            b"--r--\r\n")


def odd_labels():
    """Labels that say one thing and content that is another."""
    return (HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
            b"boundary=o\r\nContent-Transfer-Encoding: binary\r\n\r\n--o\r\n"
            b"Content-Type: text/plain; charset=us-ascii\r\n"
            b"Content-Transfer-Encoding: 7bit\r\n\r\n\xc3\xa9 bukan ascii\r\n"
            b"--o\r\nContent-Type: text/plain; charset=utf-16le\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nSABhAGkA\r\n--o\r\n"
            b"Content-Type: application/x-zip-compressed; name=a.zip\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\nPK\x03\x04\xff\xfe"
            b"\r\n--o\r\n\r\n\xe9 tanpa kepala\r\n--o--\r\n")


def long_lists():
    """Many addressees over many folds, References of a long thread."""
    many = b",\r\n\t".join(b'"Warga, %d" <w%d@luar.example>' % (i, i)
                           for i in range(200))
    thread = b"\r\n ".join(b"<%d.%d@luar.example>" % (i, i * 7919)
                           for i in range(100))
    return (HEAD + b"Cc: " + many + b"\r\nReferences: " + thread +
            b"\r\n\r\nBalasan.\r\n")


def leaves(part):
    """What a reader gets of each part: type, name, octets."""
    if part.is_multipart():
        return [leaf for each in part.get_payload() for leaf in leaves(each)]
    return [(part.get_content_type(), part.get_filename(),
             part.get_payload(decode=True))]


def same_content(what, before, after):
    # Not harness.parse: only the lenient parser takes all of this.
    was = leaves(email.message_from_bytes(before))
    now = leaves(email.message_from_bytes(after))
    equal([each[:2] for each in now], [each[:2] for each in was],
          what + ": parts")
    for (kind, _, a), (_, _, b) in zip(was, now):
        equal(b.rstrip(b"\r\n"), a.rstrip(b"\r\n"), "%s: %s" % (what, kind))


@test
def what_programs_and_machines_write(site):
    """SIG-10 to SIG-21, MTA-31: signed, verified by openssl, and the same to
    a reader, past a next hop with and one without 8BITMIME."""
    for build in (outlook, apple, scanner, web_form, uuencoded, digest,
                  complaint, odd_labels, long_lists):
        for to in ("warga@luar.example", "warga@lama.example"):
            sent, after = delivered(site, build(), to=to)
            try:
                result = site.verify(after)
            except harness.Refused as reason:
                raise AssertionError("%s to %s: %s\n%s" % (
                    build.__name__, to, reason, after[:3000])) from reason
            same_content(build.__name__, sent, result.content)


if __name__ == "__main__":
    harness.main(setup)
