"""What the files of the corpus share: how a message is put together and what
is wanted of it.

Wanted outcomes, for the login of Budi and the default policy (sign required,
detached, opaque where detached cannot be, refuse what cannot be signed):

signed	a multipart/signed whose entity has the original's structure and
	decoded octets
opaque	application/pkcs7-mime around the entity octet for octet: what would
	have to be changed may not be
either	one of these two; which is a matter of ceilings and taste
passed	leaves as it came
refused	5xx
any	nothing is certain but that it is one of these, or a 4xx; no crash
"""

BUDI = b"budi@dinkes.pekalongankab.go.id"
WANTS = ("signed", "opaque", "either", "passed", "refused", "any")

FIELDS = (
    b"From: Budi <" + BUDI + b">",
    b"To: Penerima <penerima@example.org>",
    b"Subject: Laporan bulanan",
    b"Date: Sun, 22 Nov 2026 10:00:00 +0700",
    b"Message-ID: <1@dinkes.pekalongankab.go.id>",
)
CRLF = b"\r\n"


class Corpus:
    """Messages by name, in the order they were added."""

    def __init__(self):
        self.messages = {}

    def add(self, name, data, want, **more):
        """more: smtputf8=True, drops=[names of fields that are removed],
        loose=True where Python's parser has a reading of its own."""
        assert want in WANTS, want
        assert name not in self.messages, name
        self.messages[name] = (data, dict(want=want, **more))


def mail(content=(), body=b"Dengan hormat.\r\n", mime=True, fields=FIELDS):
    """A message of fields, MIME-Version, content fields and a body; None as
    the body leaves out the empty line too."""
    lines = list(fields)
    if mime:
        lines.append(b"MIME-Version: 1.0")
    if isinstance(content, bytes):
        content = (content,)
    lines.extend(content)
    head = b"".join(line + CRLF for line in lines)
    return head if body is None else head + CRLF + body


def text(body, content_type=b"text/plain; charset=utf-8", encoding=b"8bit"):
    content = [b"Content-Type: " + content_type]
    if encoding is not None:
        content.append(b"Content-Transfer-Encoding: " + encoding)
    return mail(content, body)


def part(body, *content):
    return b"".join(line + CRLF for line in content) + CRLF + body


def multipart(boundary, parts, preamble=b"", epilogue=b"", close=True):
    """The body of a multipart."""
    out = [preamble]
    for each in parts:
        out.append(b"--" + boundary + CRLF + each + CRLF)
    if close:
        out.append(b"--" + boundary + b"--" + CRLF)
    return b"".join(out) + epilogue


def mixed(parts, boundary=b"=_b", subtype=b"mixed", parameter=None,
          encoding=None, **more):
    """A whole message with a multipart body."""
    if parameter is None:
        parameter = b'boundary="' + boundary + b'"'
    content = [b"Content-Type: multipart/" + subtype + b"; " + parameter]
    if encoding is not None:
        content.append(b"Content-Transfer-Encoding: " + encoding)
    return mail(content, multipart(boundary, parts, **more))


PLAIN = part(b"Dengan hormat.", b"Content-Type: text/plain")
# The same needing re-encoding.
EIGHT = part("Dengan hormat \u2013 caf\u00e9.".encode(),
             b"Content-Type: text/plain; charset=utf-8",
             b"Content-Transfer-Encoding: 8bit")
BINARY = part(bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b""),
              b"Content-Type: application/octet-stream; name=b.bin",
              b"Content-Transfer-Encoding: binary",
              b"Content-Disposition: attachment; filename=b.bin")
