"""mutate.py - odd messages of which nobody thought: those of the corpus with
something changed, the same ones for the same seed.

What comes of one is not known beforehand. Whatever is signed must verify, be
canonical and have its outer header untouched.
"""
import random
import re

LARGEST = 30000         # octets; the large ones of the corpus stay as they are

# What parsers look for, and what they trip over.
TOKENS = (
    b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"--",
    b"=", b"=\r\n", b"=0D=0A", b"=3D", b"\"", b"\\", b"(", b")", b";", b":",
    b"<", b">", b"\xff", b"\x80", b"\xe2\x82\xac", b"\x1b$B", b"From ",
    b".\r\n", b"boundary=", b"boundary=\"\"", b"boundary=\"=_b\"",
    b"--=_b\r\n", b"--=_b--\r\n", b"\r\n--=_b", b"multipart/mixed",
    b"message/rfc822", b"text/plain", b"charset=utf-8", b"*0*=utf-8''",
    b"Content-Type: text/plain\r\n", b"Content-Type: multipart/mixed;"
    b" boundary=x\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Content-Transfer-Encoding: binary\r\n", b"MIME-Version: 1.0\r\n",
    b"Content-Disposition: attachment; filename=a.pdf\r\n",
    b"Subject: =?utf-8?B?", b"?=", b"begin 644 a\r\n", b"end\r\n",
    b"a" * 998, b"a" * 999 + b"\r\n", b"\xc3\xa4" * 600,
)


def cut(rand, data):
    at = rand.randrange(len(data) + 1)
    return data[:at]


def drop(rand, data):
    at = rand.randrange(len(data) + 1)
    return data[:at] + data[at + rand.randrange(1, 80):]


def insert(rand, data):
    at = rand.randrange(len(data) + 1)
    return data[:at] + rand.choice(TOKENS) + data[at:]


def flip(rand, data):
    out = bytearray(data)
    for _ in range(rand.randrange(1, 4)):
        if out:
            out[rand.randrange(len(out))] ^= 1 << rand.randrange(8)
    return bytes(out)


def random_octets(rand, data):
    at = rand.randrange(len(data) + 1)
    return data[:at] + rand.randbytes(rand.randrange(1, 40)) + data[at:]


def lines_of(data):
    return data.splitlines(keepends=True)


def double_line(rand, data):
    lines = lines_of(data)
    if lines:
        at = rand.randrange(len(lines))
        lines[at:at] = [lines[at]] * rand.randrange(1, 3)
    return b"".join(lines)


def drop_line(rand, data):
    lines = lines_of(data)
    if lines:
        del lines[rand.randrange(len(lines))]
    return b"".join(lines)


def swap_lines(rand, data):
    lines = lines_of(data)
    if len(lines) > 1:
        a, b = rand.sample(range(len(lines)), 2)
        lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def line_end(rand, data):
    lines = lines_of(data)
    if lines:
        at = rand.randrange(len(lines))
        lines[at] = lines[at].rstrip(b"\r\n") + rand.choice(
            (b"", b"\n", b"\r", b"\r\r\n", b" \r\n", b"\t\r\n"))
    return b"".join(lines)


WAYS = (cut, drop, insert, insert, insert, flip, random_octets, double_line,
        drop_line, swap_lines, line_end)


def splice(rand, data, other):
    """The head of one and the tail of another."""
    return data[:rand.randrange(len(data) + 1)] + \
        other[rand.randrange(len(other) + 1):]


def deliverable(data):
    """As an MTA could have it: there is no NUL in a header field of its
    protocol, nor a CR but at line ends."""
    end = re.search(rb"\n\r*\n", data)
    at = end.start() if end else len(data)
    head = re.sub(rb"\0|\r(?!\n)", b"", data[:at])
    return head + data[at:].rstrip(b"\r")


def mutant(rand, messages):
    data = rand.choice(messages)
    if rand.random() < 0.15:
        data = splice(rand, data, rand.choice(messages))
    for _ in range(rand.choice((1, 1, 2, 3, 5))):
        data = rand.choice(WAYS)(rand, data)
    return deliverable(data)


def fill(corpus, count, seed):
    """Puts so many in the place of what is there."""
    rand = random.Random(seed)
    small = [data for data, _ in corpus.messages.values()
             if len(data) <= LARGEST]
    corpus.messages.clear()
    for n in range(count):
        corpus.add("mutant-%s-%06d" % (seed, n), mutant(rand, small), "any",
                   loose=True, drops=["X-Verified-Sender"])
