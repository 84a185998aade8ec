#!/usr/bin/python3
"""compare.py [-a ANCHORS] [-l] ORIGINAL SIGNED - is it still the same mail?

An independent look at what Sampul made of a message: Python's email package
reads the structure, the openssl command the signature, and nothing of
Sampul's own code is used. Prints what is wrong, one finding a line; exit
status 1 when there is any. -l leaves Python's reading of the structure out.
"""
import base64
import email
import email.policy
import quopri
import re
import subprocess
import sys
import tempfile
import threading

CRLF = b"\r\n"
FIELD = re.compile(rb"[!-9;-~]+:")
SIGNED = (b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID",
          b"In-Reply-To", b"References", b"Reply-To", b"Sender")


def split(data):
    """Fields as (name, value) with folds as they are, and the body; None
    where there is no empty line. As MTAs read: a line that is no field begins
    the body."""
    fields, at = [], 0
    if data.startswith(b"From "):
        at = data.find(b"\n") + 1 or len(data)
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        line = data[at:end]
        if line in (b"\n", CRLF):
            return fields, data[end:]
        if line[:1] in b" \t" and fields:
            fields[-1] += line
        elif FIELD.match(line):
            fields.append(line)
        else:
            return fields, data[at:]
        at = end
    return fields, None


def pairs(fields):
    out = []
    for field in fields:
        name, value = field.split(b":", 1)
        out.append((name, value.rstrip(b"\r\n") if value.endswith(b"\n")
                    else value))
    return out


def same(one, other):
    """But for how the lines of the header end."""
    def flat(data):
        fields, body = split(data)
        return [(n, v.replace(CRLF, b"\n").rstrip(b"\r\n"))
                for n, v in pairs(fields)], body or b""
    return flat(one) == flat(other)


def is_mime(name):
    return name.lower() == b"mime-version" or \
        name.lower().startswith(b"content-")


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.compat32)


# ---------------------------------------------------------------- the outside

def outer_problems(original, signed, drops):
    def others(fields):
        return [(n, v.replace(CRLF, b"\n")) for n, v in pairs(fields)
                if not is_mime(n) and n.decode("latin-1").lower() not in drops]
    before, after = others(original), others(signed)
    out = []
    if before != after:
        gone = [n for n in before if n not in after]
        new = [n for n in after if n not in before]
        out.append("outer fields differ: gone %.200r, new %.200r%s" % (
            gone, new, "" if gone or new else ", order"))
    names = [n.lower() for n, _ in pairs(signed)]
    for name in (b"mime-version", b"content-type"):
        if names.count(name) != 1:
            out.append("%d fields %s outside" % (names.count(name),
                                                 name.decode()))
    allowed = {b"content-type", b"mime-version", b"content-disposition",
               b"content-transfer-encoding"}
    for name in names:
        if name.startswith(b"content-") and name not in allowed:
            out.append("%s is left outside" % name.decode())
    for name in drops:
        if name.encode() in names:
            out.append("%s was not removed" % name)
    return out


def entity_of(fields, body):
    """The signed entity and the signature's DER; the entity None when it is
    inside the signature."""
    head = parse(b"".join(f for f in fields if is_mime(f.split(b":")[0]))
                 + CRLF)
    if head.get_content_type() == "application/pkcs7-mime":
        return None, base64.b64decode(body, validate=False)
    if head.get_content_type() != "multipart/signed":
        raise ValueError("outside it is " + head.get_content_type())
    if head.get_param("protocol") != "application/pkcs7-signature" or \
            head.get_param("micalg") not in ("sha-256", "sha-384", "sha-512"):
        raise ValueError("protocol or micalg: %s" % head["Content-Type"])
    boundary = head.get_param("boundary").encode()
    pieces = re.split(rb"(?:^|\r\n)--" + re.escape(boundary)
                      + rb"(?=\r\n|--)", body)
    if len(pieces) != 4 or pieces[3].strip() not in (b"--",):
        raise ValueError("%d pieces in multipart/signed" % len(pieces))
    signature = parse(pieces[2][2:])
    if signature.get_content_type() != "application/pkcs7-signature" or \
            signature.get_filename() != "smime.p7s":
        raise ValueError("second part is " + signature.get_content_type())
    return pieces[1][2:], signature.get_payload(decode=True)


def verify(entity, der, anchors):
    """What openssl makes of it: (content, sentence or None)."""
    with tempfile.TemporaryDirectory() as work:
        with open(work + "/sig", "wb") as out:
            out.write(der)
        argv = ["openssl", "cms", "-verify", "-binary", "-inform", "DER",
                "-in", work + "/sig", "-out", work + "/out",
                "-purpose", "smimesign"]
        argv += ["-CAfile", anchors] if anchors else ["-noverify"]
        if entity is not None:
            with open(work + "/content", "wb") as out:
                out.write(entity)
            argv += ["-content", work + "/content"]
        done = subprocess.run(argv, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            return entity, "openssl: " + done.stderr.decode()[-300:]
        with open(work + "/out", "rb") as content:
            return content.read(), None


def canonical_problems(entity, smtputf8):
    """RFC 8551 3.1: what may break on the way. With SMTPUTF8 no MTA may touch
    header fields in UTF-8, and copies of them are allowed."""
    out, body = [], entity.partition(CRLF + CRLF)[2]
    if re.search(rb"[\x80-\xff]", body if smtputf8 else entity):
        out.append("8-bit octets in the signed part")
    if b"\0" in entity:
        out.append("NUL in the signed part")
    if re.search(rb"\r(?!\n)|(?<!\r)\n", entity):
        out.append("bare CR or LF in the signed part")
    if max(len(line) for line in entity.split(CRLF)) > 990:
        out.append("a line over 990 octets in the signed part")
    return out


# ----------------------------------------------------------------- the inside

def needs_nothing(fields, body):
    """Whether no octet of the body has a reason to change."""
    if re.search(rb"8bit|binary", b"".join(fields) + body, re.I):
        return False
    return not re.search(
        rb"[\x80-\xff\0]|\r(?!\n)|(?<!\r)\n|[^\r\n]{991}|(?:^|\n)From |"
        rb"[ \t](?:\r\n|$)|(?:^|\n)\.(?:\r\n|$)", body)


def content_fields(fields):
    return [f if f.endswith(CRLF) else f.rstrip(b"\r\n") + CRLF
            for f in fields if f[:8].lower() == b"content-"]


def parameters(part):
    """Type's parameters in order, without hp, or the text where Python has no
    reading."""
    try:
        found = part.get_params(header="content-type", unquote=True) or []
        return [p for p in found if p[0].lower() not in
                ("", "hp", "hp*0", "hp*1")]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None


def decoded(part):
    payload = part.get_payload(decode=True)
    return payload if payload is not None else part.get_payload()


def node_problems(a, b, where, top, out):
    """One node of the tree and all below it."""
    if a.get_content_type() != b.get_content_type():
        out.append("%s: type %s became %s" % (
            where, a.get_content_type(), b.get_content_type()))
    if "content-type" in a and parameters(a) != parameters(b):
        out.append("%s: parameters %.200r became %.200r" % (
            where, parameters(a), parameters(b)))
    if a.get_filename() != b.get_filename():
        out.append("%s: file name %r became %r" % (
            where, a.get_filename(), b.get_filename()))

    def others(part):
        skip = ("content-transfer-encoding",) + (("content-type",) if top
                                                 else ())
        return [(n, str(v)) for n, v in part.items() if n.lower() not in skip]
    if others(a) != others(b):
        out.append("%s: fields %.300r became %.300r" % (
            where, others(a), others(b)))
    if a.is_multipart() != b.is_multipart():
        out.append("%s: multipart or not" % where)
        return
    if not a.is_multipart():
        if decoded(a) != decoded(b):
            out.append("%s: decoded octets differ: %.60r became %.60r" % (
                where, decoded(a), decoded(b)))
        return
    if (a.preamble, a.epilogue) != (b.preamble, b.epilogue):
        out.append("%s: preamble or epilogue differ" % where)
    if len(a.get_payload()) != len(b.get_payload()):
        out.append("%s: %d parts became %d" % (
            where, len(a.get_payload()), len(b.get_payload())))
        return
    for i, (x, y) in enumerate(zip(a.get_payload(), b.get_payload())):
        node_problems(x, y, "%s.%d" % (where, i + 1), False, out)


def flat_problems(fields, body, inner_fields, inner_body):
    """For one leaf whose label changed: decoded it is the body that came."""
    was = parse(b"".join(content_fields(fields)) + CRLF)
    now = parse(b"".join(content_fields(inner_fields)) + CRLF)
    old = str(was.get("Content-Transfer-Encoding", "")).strip().lower()
    new = str(now.get("Content-Transfer-Encoding", "")).strip().lower()
    if was.get_content_maintype() in ("multipart", "message") or \
            old not in ("", "7bit", "8bit", "binary"):
        return []
    if new == "base64":
        inner_body = base64.b64decode(inner_body.replace(CRLF, b""),
                                      validate=True)
    elif new == "quoted-printable":
        inner_body = quopri.decodestring(inner_body)
    return [] if inner_body == body else ["the one leaf decodes otherwise"]


def copies_problems(outer, inner):
    """RFC 9788 5: the copies are the outer fields, in their order."""
    outside = pairs(f for f in outer if not is_mime(f.split(b":")[0]))
    inside = pairs(f for f in inner if not is_mime(f.split(b":")[0]))
    out, rest = [], iter(outside)
    for field in inside:
        if field not in rest:
            out.append("protected copy differs from outside: %.200r"
                       % (field,))
            break
    names = [n.lower() for n, _ in inside]
    for name, _ in outside:
        if name.title() in [n.title() for n in SIGNED] and \
                name.lower() not in names:
            out.append("%s has no protected copy" % name.decode())
    return out


def compare(original, signed, anchors=None, loose=False, drops=(),
            smtputf8=False):
    """All findings, and what form it has."""
    drops = [name.lower() for name in drops]
    fields, body = split(original)
    outer, outer_body = split(signed)
    out = outer_problems(fields, outer, drops)
    try:
        entity, der = entity_of(outer, outer_body or b"")
    except (ValueError, AttributeError) as why:
        return out + [str(why)], "broken"
    form = "opaque" if entity is None else "signed"
    content, why = verify(entity, der, anchors)
    if why:
        return out + [why], form
    if form == "signed":
        out += canonical_problems(content, smtputf8)
    head, sep, inner_body = content.partition(CRLF + CRLF)
    if content.startswith(CRLF):
        head, sep, inner_body = b"", CRLF, content[2:]
    inner_fields = split(head + CRLF)[0]
    if not sep:
        out.append("no empty line in the signed part")
    out += inside_problems(fields, body or b"", inner_fields, inner_body,
                           form, loose)
    if any(b"hp=" in f for f in inner_fields if f[:13].lower() ==
           b"content-type:") and not loose:
        out += copies_problems(outer, inner_fields)
    return out, form


def inside_problems(fields, body, inner_fields, inner_body, form, loose):
    out = []
    if (form == "opaque" or needs_nothing(fields, body)) and \
            inner_body != body:
        out.append("the body changed without a reason")
    if form == "signed" and not loose:
        out += flat_problems(fields, body, inner_fields, inner_body)
    if not loose:
        a = parse(b"".join(content_fields(fields)) + CRLF + body)
        b = parse(b"".join(content_fields(inner_fields)) + CRLF + inner_body)
        if "content-type" in a:
            out += [] if "content-type" in b else ["Content-Type is gone"]
        node_problems(a, b, "1", True, out)
    return out


def deep(function):
    """Runs it with a stack for structures of any depth."""
    result = []
    sys.setrecursionlimit(50000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0] if result else None


def main(argv):
    anchors, loose = None, False
    while argv and argv[0].startswith("-"):
        if argv[0] == "-a" and len(argv) > 1:
            anchors = argv.pop(1)
        elif argv[0] == "-l":
            loose = True
        else:
            sys.exit("usage: compare.py [-a anchors] [-l] original signed")
        argv.pop(0)
    if len(argv) != 2:
        sys.exit("usage: compare.py [-a anchors] [-l] original signed")
    data = []
    for path in argv:
        with open(path, "rb") as file:
            data.append(file.read())
    problems, form = compare(data[0], data[1], anchors, loose)
    for problem in problems:
        print(problem)
    print("%s, %d problems" % (form, len(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(deep(lambda: main(sys.argv[1:])))
