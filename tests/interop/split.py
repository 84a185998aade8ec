#!/usr/bin/python3
"""split.py MESSAGE OUTDIR - take a signed message apart, octet for octet.

Writes OUTDIR/signature.der and, for multipart/signed, OUTDIR/content.bin: the
first part as it was signed. A message with bare LF line ends (a mailbox file)
is taken as if it had come by SMTP. Python's e-mail package is used for one
field alone: it takes a bare CR for the end of a line, and would write the part
anew.
"""
import base64
import email
import email.policy
import os
import re
import sys


def fail(text):
    sys.exit("split.py: %s: %s" % (sys.argv[1], text))


def body_of(part):
    found = re.search(rb"\r\n\r\n", b"\r\n" + part)
    if found is None:
        fail("a part without an empty line")
    return part[max(found.end() - 2, 0):]


def content_type(header):
    """The first one, in a message of Python's with nothing else."""
    field = re.search(rb"(?im)^content-type[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*",
                      header + b"\r\n")
    return email.message_from_bytes(
        (field.group() if field else b"") + b"\r\n",
        policy=email.policy.compat32)


def decode(text):
    return base64.b64decode(text, validate=False)


def split_parts(body, boundary):
    """Parts between lines of the boundary; the CRLF before is its own."""
    line = re.compile(rb"(?:^|\r\n)--" + re.escape(boundary) +
                      rb"(--)?[ \t]*(?=\r\n|$)")
    marks = list(line.finditer(body))
    if len(marks) != 3 or marks[0].group(1) or marks[1].group(1) or \
            not marks[2].group(1):
        fail("not two parts: %d boundary lines" % len(marks))
    return [body[a.end() + 2:b.start()] for a, b in zip(marks, marks[1:])]


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    if data.startswith(b"From "):
        data = data[data.index(b"\n") + 1:]
    if b"\r\n" not in data:
        data = data.replace(b"\n", b"\r\n")
    message = content_type(data.split(b"\r\n\r\n", 1)[0])
    body = body_of(data)
    out = sys.argv[2]
    kind = message.get_content_type()
    if kind == "multipart/signed":
        boundary = message.get_param("boundary").encode("ascii")
        content, signature = split_parts(body, boundary)
        with open(os.path.join(out, "content.bin"), "wb") as file:
            file.write(content)
        signature = decode(body_of(signature))
    elif kind == "application/pkcs7-mime":
        signature = decode(body)
    else:
        fail("%s is not signed" % kind)
    with open(os.path.join(out, "signature.der"), "wb") as file:
        file.write(signature)


main()
