#!/usr/bin/python3
"""canon_compare.py make DIR | compare DIR

make writes messages (N.eml) of every kind that Sampul's canonical form has to
deal with. test_canon writes for each the signed entity (N.out) and a line
"state protected" (N.state). compare reads both by Python's own e-mail parser
and wants the same structure, types, names and decoded octets.
"""
import base64
import email
import email.policy
import glob
import os
import quopri
import random
import sys

CLEAN, REENCODED, OPAQUE_ONLY = range(3)


def read(name):
    with open(name, "rb") as f:
        return f.read()


# ------------------------------------------------------------------- make ---

LONG = b"kata " * 420

CONTENTS = {
    "ascii": b"Yth. Bapak/Ibu,\r\nrapat besok.\r\n",
    "no-crlf": b"tanpa akhir baris",
    "empty": b"",
    "only-crlf": b"\r\n",
    "space": b"spasi \r\ntab\t\r\n \r\n",
    "from": b"From here on\r\n.\r\n-- \r\nBudi\r\n",
    "flowed": b"format flowed \r\n> quoted \r\n\r\nend\r\n",
    "latin1": b"caf\xe9 na\xefve\r\n",
    "utf8": "Jalan Kyai Hàji, Pekalongan – „ßurat“\r\n".encode(),
    "javanese": "ꦥꦼꦏꦭꦺꦴꦔꦤ꧀\r\n".encode(),
    "nul": b"a\0b\r\n",
    "long": LONG + b"\r\n",
    "long-end": LONG,
    "dashes": b"--\r\n--x\r\n--bb\r\n--b-\r\n \r\n",
    "equals": b"a=b =20 =\r\nc\xe9\r\n",
    "tricky": b"x" * 75 + b"--b\r\n" + b"y" * 75 + b".\r\n" +
              b"z" * 75 + b"From me\xe9\r\n",
}

ENCODINGS = ("", "7bit", "8bit", "BINARY", "quoted-printable", "base64",
             "QP-dirty", "base64-dirty", "x-own")

TYPES = ("", "text/plain; charset=utf-8", "TEXT/html; charset=\"iso-8859-1\"",
         "application/octet-stream; name=\"surat dinas.bin\"",
         "text/calendar; method=REQUEST; charset=utf-8")


def leaf(content, encoding, ctype, rng):
    """Header and body of one part."""
    head = b""
    if ctype:
        head += b"Content-Type: " + ctype.encode() + b"\r\n"
    label = encoding
    if encoding == "quoted-printable":
        content = quopri.encodestring(content.replace(b"\r\n", b"\n")
                                      ).replace(b"\n", b"\r\n")
    elif encoding == "base64":
        content = base64.encodebytes(content).replace(b"\n", b"\r\n")
    elif encoding == "QP-dirty":
        label = "Quoted-Printable"
        content = (quopri.encodestring(content.replace(b"\r\n", b"\n"))
                   .replace(b"=\n", b"").replace(b"\n", b"\r\n") +
                   b"\xe9 =C3=A9 " + b"w" * 1000 + b" =20\r\n")
    elif encoding == "base64-dirty":
        label = "BASE64"
        content = base64.b64encode(content + b"." * 900) + b"\r\n"
    if label:
        name = rng.choice((b"Content-Transfer-Encoding",
                           b"content-transfer-encoding"))
        head += name + b": " + label.encode() + b"\r\n"
    if rng.random() < 0.5:
        head += (b"Content-Disposition: attachment;\r\n"
                 b" filename=\"n\xc3\xb6.bin\"\r\n" if rng.random() < 0.05 else
                 b"Content-Disposition: attachment;\r\n filename=x.bin\r\n")
    if rng.random() < 0.3:
        head += b"Content-ID: <a@dinkes.pekalongankab.go.id>\r\n"
    return head, content


def part(content, encoding, ctype, rng):
    head, body = leaf(content, encoding, ctype, rng)
    return head + b"\r\n" + body


def multipart(boundary, parts, pre=b"", epi=b"", close=True):
    out = pre
    for i, text in enumerate(parts):
        out += (b"\r\n" if out or i else b"") + b"--" + boundary + b"\r\n"
        out += text
    if close:
        out += b"\r\n--" + boundary + b"--" + epi
    return out


TOP = (b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0700\r\n"
       b"From: Budi <budi@dinkes.pekalongankab.go.id>\r\n"
       b"To: siti@dinkes.pekalongankab.go.id,\r\n"
       b"\tsekretariat@setda.pekalongankab.go.id\r\n"
       b"Subject: Undangan rapat\r\n")


def wrap(kind, text, rng):
    """text is a part; returns a whole message."""
    plain = b"Content-Type: text/plain\r\n\r\nlampiran\r\n"
    mime = b"MIME-Version: 1.0\r\n"
    if kind == "single":
        return TOP + mime + text
    if kind == "mixed":
        return (TOP + b"Content-Type: multipart/mixed; boundary=\"b\"\r\n" +
                mime + b"\r\n" + multipart(b"b", [plain, text, plain],
                                           b"This is MIME.\r\n",
                                           b"\r\nepilogue --\r\n"))
    if kind == "nested":
        inner = (b"Content-Type: multipart/alternative;\r\n boundary=b.b\r\n"
                 b"Content-Transfer-Encoding: 8bit\r\n\r\n" +
                 multipart(b"b.b", [text, text]))
        return (TOP + b"CONTENT-TYPE: Multipart/Mixed; boundary=b\r\n" + mime +
                b"Content-Transfer-Encoding: binary\r\n\r\n" +
                multipart(b"b", [inner, plain, text], epi=b"\r\n"))
    if kind == "message":
        inner = (b"Content-Type: message/rfc822\r\n"
                 b"Content-Transfer-Encoding: 8bit\r\n\r\n"
                 b"From: siti@dinkes.pekalongankab.go.id\r\nSubject: y\r\n" +
                 text)
        return (TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
                multipart(b"b", [plain, inner, text], epi=b"\r\n"))
    if kind == "digest":
        return (TOP + b"Content-Type: multipart/digest; boundary=b\r\n\r\n" +
                multipart(b"b", [b"\r\nSubject: y\r\n" + text,
                                 b"\r\nSubject: z\r\n" + text]))
    if kind == "open":
        return (TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
                multipart(b"b", [plain, text], close=False))
    if kind == "padded":
        return (TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
                multipart(b"b", [plain, text]).replace(b"--b\r\n",
                                                       b"--b  \t\r\n") +
                b" \r\n")
    if kind == "signed":
        inner = (b"Content-Type: multipart/signed; boundary=s;\r\n"
                 b" protocol=\"application/pkcs7-signature\"\r\n\r\n" +
                 multipart(b"s", [text, plain]))
        return (TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
                multipart(b"b", [inner, plain], epi=b"\r\n"))
    raise ValueError(kind)


KINDS = ("single", "mixed", "nested", "message", "digest", "open", "padded",
         "signed")


def make(directory):
    rng = random.Random(22)
    number = 0
    for kind in KINDS:
        for encoding in ENCODINGS:
            for content in CONTENTS.values():
                text = part(content, encoding, rng.choice(TYPES), rng)
                with open("%s/%d.eml" % (directory, number), "wb") as f:
                    f.write(wrap(kind, text, rng))
                number += 1
    for random_size in range(20):
        body = rng.randbytes(random_size * 331)
        text = part(body, "binary", "application/zip", rng)
        with open("%s/%d.eml" % (directory, number), "wb") as f:
            f.write(wrap(rng.choice(KINDS), text, rng))
        number += 1
    # A message without MIME at all (SIG-18).
    for body in CONTENTS.values():
        with open("%s/%d.eml" % (directory, number), "wb") as f:
            f.write(TOP + b"\r\n" + body)
        number += 1


# ---------------------------------------------------------------- compare ---

class Different(Exception):
    pass


def same(what, a, b):
    if a != b:
        raise Different("%s: %r became %r" % (what, a, b))


def parameters(part):
    params = part.get_params(failobj=[])
    return [p for p in params if p[0].lower() != "hp"]


def fields(part, root):
    skip = ["content-transfer-encoding", "mime-version"]
    if root:
        skip += ["content-type"]
    return [(k, v) for k, v in part.items()
            if k.lower() not in skip and
            (not root or k.lower().startswith("content-"))]


def compare_part(path, a, b, root=False):
    same(path + " fields", fields(a, root), fields(b, root))
    same(path + " type", a.get_content_type(), b.get_content_type())
    if "content-type" in a:
        same(path + " parameters", parameters(a), parameters(b))
    same(path + " file name", a.get_filename(), b.get_filename())
    same(path + " multipart", a.is_multipart(), b.is_multipart())
    same(path + " preamble", a.preamble, b.preamble)
    same(path + " epilogue", a.epilogue, b.epilogue)
    if a.is_multipart():
        same(path + " parts", len(a.get_payload()), len(b.get_payload()))
        for i, (x, y) in enumerate(zip(a.get_payload(), b.get_payload())):
            compare_part("%s.%d" % (path, i + 1), x, y)
    else:
        same(path + " octets", a.get_payload(decode=True),
             b.get_payload(decode=True))


def check_octets(text):
    if any(c >= 0x80 or c == 0 for c in text):
        raise Different("not 7-bit")
    lines = text.split(b"\r\n")
    if any(len(line) > 990 for line in lines):
        raise Different("a long line")
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise Different("a bare CR or LF")


def compare_file(name):
    original = read(name)
    entity = read(name[:-4] + ".out")
    state, protected = map(int, read(name[:-4] + ".state").split())
    body = original[original.index(b"\r\n\r\n") + 4:]
    entity_body = entity[entity.index(b"\r\n\r\n") + 4:]
    if state != REENCODED:
        same("body", body, entity_body)
    if state != OPAQUE_ONLY:
        check_octets(entity)
    a = email.message_from_bytes(original, policy=email.policy.compat32)
    b = email.message_from_bytes(b"MIME-Version: 1.0\r\n" + entity,
                                 policy=email.policy.compat32)
    same("hp", protected == 1, b.get_param("hp") == "clear")
    for field in ("Subject", "From", "To"):
        same(field, a[field] if protected else None, b[field])
    same("Received", None, b["Received"])
    compare_part("message", a, b, True)
    return state


def compare(directory):
    counts = [0, 0, 0]
    bad = 0
    for name in glob.glob(directory + "/*.eml"):
        try:
            counts[compare_file(name)] += 1
        except Different as e:
            bad += 1
            if bad < 10:
                print("# %s: %s" % (os.path.basename(name), e))
                sys.stdout.buffer.write(read(name)[:600] + b"\n# became\n" +
                                        read(name[:-4] + ".out")[:900] +
                                        b"\n")
    print("# compared: %d clean, %d re-encoded, %d opaque only, %d bad" % (
        *counts, bad))
    return 1 if bad or counts[CLEAN] < 60 or counts[REENCODED] < 60 else 0


if __name__ == "__main__":
    if sys.argv[1] == "make":
        sys.exit(make(sys.argv[2]))
    sys.exit(compare(sys.argv[2]))
