"""Multiparts: boundaries, depth, number, preamble and epilogue."""
from corpus import BINARY, CRLF, EIGHT, PLAIN, mail, mixed, multipart, part


def both(corpus, name, build, clean="signed", dirty="signed", **more):
    """build(leaf) once with a 7-bit leaf and once with an 8-bit one."""
    corpus.add("%s-clean" % name, build(PLAIN), clean, **more)
    corpus.add("%s-dirty" % name, build(EIGHT), dirty, **more)


def boundaries(corpus):
    for name, boundary in (
            ("one", b"x"), ("70", b"x" * 70), ("digits", b"0123456789"),
            ("all", b"'()+_,-./:=?"), ("inner-space", b"a b c"),
            ("dashes", b"----"), ("dash-end", b"abc--"),
            ("case", b"AbCdEf"), ("equals", b"=_?x"), ("percent", b"%s%n"),
            ("71", b"x" * 71), ("200", b"y" * 200), ("240", b"z" * 240)):
        both(corpus, "boundary-" + name,
             lambda leaf, b=boundary: mixed([leaf, BINARY if leaf is EIGHT
                                             else leaf], b),
             dirty="signed" if len(boundary) <= 70 else "either")
    for name, boundary, parameter in (
            ("2231", b"ab", b"boundary*0=a; boundary*1=b"),
            ("2231-order", b"ab", b"boundary*1=b; boundary*0=a"),
            ("2231-percent", b"a b", b"boundary*=us-ascii''a%20b"),
            ("2231-mixed", b"abc", b"boundary*0*=us-ascii''a; boundary*1=bc"),
            ("2231-both", b"plain", b"boundary=plain; boundary*0=other"),
            ("2231-both-2", b"plain", b"boundary*0=other; boundary=plain"),
            ("twice", b"one", b"boundary=one; boundary=two"),
            ("twice-2", b"two", b"boundary=one; boundary=two"),
            ("unquoted", b"=_b", b"boundary==_b"),
            ("pair", b"ab", b'boundary="a\\b"'),
            ("case-name", b"ab", b"BOUNDARY=ab"),
            ("case-differs", b"AB", b"boundary=ab"),
            ("trailing-space", b"ab", b'boundary="ab "'),
            ("trailing-space-2", b"ab ", b'boundary="ab "'),
            ("leading-space", b" ab", b'boundary=" ab"'),
            ("empty", b"", b'boundary=""'), ("empty-value", b"", b"boundary="),
            ("missing", b"ab", b"charset=utf-8"),
            ("none", b"ab", b""), ("open-quote", b"ab", b'boundary="ab'),
            ("comment", b"ab", b"boundary=ab (x)"),
            ("folded", b"ab", b"\r\n\tboundary=ab"),
            ("2kb", b"k" * 2048, b'boundary="' + b"k" * 2048 + b'"'),
            ("256", b"k" * 256, b'boundary="' + b"k" * 256 + b'"'),
            ("eight", "\u00e9".encode(), 'boundary="\u00e9"'.encode()),
            ("not-used", b"nyata", b"boundary=lain")):
        # Readers differ on nearly all of these; Python's reading is compared
        # where the octets did not have to change.
        both(corpus, "boundary-" + name,
             lambda leaf, b=boundary, p=parameter: mixed(
                 [leaf, leaf], b, parameter=p),
             clean={"eight": "any", "2kb": "opaque"}.get(name, "signed"),
             dirty="any" if name == "eight" else "either",
             loose=name in ("trailing-space", "trailing-space-2", "eight",
                            "twice", "twice-2", "2231-both", "2231-both-2",
                            "open-quote", "2231-order", "leading-space",
                            "pair", "comment"))


def prefixes(corpus):
    """One boundary is the beginning of another, in both orders."""
    for name, outer, inner in (
            ("outer-short", b"b", b"bb"), ("outer-long", b"bb", b"b"),
            ("dash", b"b", b"b-1"), ("dashes", b"b", b"b--"),
            ("same", b"b", b"b"), ("case", b"b", b"B")):
        def build(leaf, outer=outer, inner=inner):
            nested = part(multipart(inner, [leaf, leaf]),
                          b'Content-Type: multipart/alternative; boundary="'
                          + inner + b'"')
            return mixed([leaf, nested, leaf], outer)
        loose = name in ("same", "dashes")
        both(corpus, "prefix-" + name, build,
             dirty="either" if loose else "signed", loose=loose)
    both(corpus, "prefix-in-text", lambda leaf: mixed(
        [leaf + b"\r\n--abcd\r\n--ab\r\n-- abc\r\n--abcx--", leaf], b"abc"))


def endings(corpus):
    def raw(content):
        return lambda leaf: mail(
            b"Content-Type: multipart/mixed; boundary=b",
            content.replace(b"@", leaf))
    for name, body, dirty in (
            ("no-close", b"--b\r\n@\r\n", "signed"),
            ("no-close-no-crlf", b"--b\r\n@", "signed"),
            ("close-no-crlf", b"--b\r\n@\r\n--b--", "signed"),
            ("close-twice", b"--b\r\n@\r\n--b--\r\n--b--\r\n", "either"),
            ("close-then-part", b"--b\r\n@\r\n--b--\r\n--b\r\n@\r\n--b--\r\n",
             "either"),
            ("space-after", b"--b \t\r\n@\r\n--b-- \r\n", "signed"),
            ("junk-after", b"--b junk\r\n@\r\n--b--junk\r\n", "either"),
            ("no-boundary", b"tidak ada\r\n", "signed"),
            ("empty-body", b"", "signed"), ("crlf-body", b"\r\n", "signed"),
            ("close-only", b"--b--\r\n", "signed"),
            ("open-only", b"--b", "signed"), ("open-crlf", b"--b\r\n",
                                              "signed"),
            ("open-open", b"--b\r\n--b\r\n--b--\r\n", "signed"),
            ("empty-part", b"--b\r\n\r\n--b\r\n@\r\n--b--\r\n", "signed"),
            ("empty-parts", b"--b\r\n\r\n\r\n--b\r\n\r\n\r\n--b--\r\n",
             "signed"),
            ("header-only-part", b"--b\r\nContent-Type: text/html\r\n--b\r\n@"
             b"\r\n--b--\r\n", "either"),
            ("no-header-part", b"--b\r\nisi tanpa kepala\r\n--b\r\n@\r\n--b--"
             b"\r\n", "either"),
            ("preamble", b"Ini pesan MIME.\r\n-- in MIME format\r\n--b\r\n@"
             b"\r\n--b--\r\n", "signed"),
            ("preamble-blank", b"\r\n\r\n--b\r\n@\r\n--b--\r\n", "signed"),
            ("preamble-near", b"--bx\r\n --b\r\n--b-\r\n-b\r\n--b\r\n@\r\n"
             b"--b--\r\n", "either"),
            ("preamble-80k", b"pendahuluan\r\n" * 6200 + b"--b\r\n@\r\n--b--"
             b"\r\n", "signed"),
            ("epilogue", b"--b\r\n@\r\n--b--\r\nepilog\r\n--\r\n", "signed"),
            ("epilogue-no-crlf", b"--b\r\n@\r\n--b--\r\nepilog--", "signed"),
            ("epilogue-8bit", "--b\r\n@\r\n--b--\r\n\u00e9\r\n".encode(),
             "opaque"),
            ("preamble-8bit", "\u00e9\r\n--b\r\n@\r\n--b--\r\n".encode(),
             "opaque"),
            ("preamble-from", b"From x\r\n--b\r\n@\r\n--b--\r\n", "either"),
            ("preamble-long", b"x" * 2000 + b"\r\n--b\r\n@\r\n--b--\r\n",
             "opaque"),
            ("lf-boundary", b"--b\n@\n--b--\n", "either"),
            ("cr-boundary", b"--b\r@\r--b--\r", "either"),
            ("cr-before", b"--b\r\n@\r\r\n--b--\r\n", "signed"),
            ("lf-before", b"--b\r\n@\n--b--\r\n", "either"),
            ("nul-boundary", b"--b\0\r\n@\r\n--b--\r\n", "either"),
            ("over-chunk", b"p" * 900 + (b"q" * 74 + CRLF) * 850 + b"r" * 20
             + b"\r\n--b\r\n@\r\n--b--\r\n", "signed"),
            ("long-space", b"--b" + b" " * 2000 + b"\r\n@\r\n--b--\r\n",
             "either")):
        bad = name in ("lf-boundary", "cr-boundary", "lf-before", "cr-before",
                       "nul-boundary")
        clean = {"epilogue-8bit": "opaque", "preamble-8bit": "opaque",
                 "preamble-long": "opaque"}.get(
                     name, "either" if bad or name == "long-space"
                     else "signed")
        # Where no boundary follows, Python leaves out the last line end.
        both(corpus, "end-" + name, raw(body), clean, dirty,
             loose=bad or name == "no-close")


def nested(leaf, depth, subtype=b"mixed"):
    """depth multiparts around a leaf, built from the inside."""
    head, tail = [], []
    for i in range(depth):
        name = b"n%d" % i
        head.append(b"--" + name + CRLF)
        if i < depth - 1:
            head.append(b"Content-Type: multipart/" + subtype
                        + b"; boundary=n%d\r\n\r\n" % (i + 1))
        tail.append(CRLF + b"--" + name + b"--")
    body = b"".join(head) + leaf + b"".join(reversed(tail)) + CRLF
    return mail(b"Content-Type: multipart/" + subtype + b"; boundary=n0",
                body)


def depths(corpus):
    for depth in (2, 5, 20, 50, 99, 100, 101, 150, 300, 2000):
        both(corpus, "depth-%d" % depth,
             lambda leaf, d=depth: nested(leaf, d),
             dirty="signed" if depth <= 20 else "either",
             loose=depth > 150)
    for depth in (1, 2, 10, 50, 120):
        def build(leaf, depth=depth):
            head = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n"
            return mail(b"Content-Type: message/rfc822",
                        b"Subject: x\r\n" + head * (depth - 1) + leaf)
        both(corpus, "rfc822-depth-%d" % depth, build,
             dirty="signed" if depth <= 10 else "either")
    for count in (100, 1000, 10000, 100000):
        both(corpus, "parts-%d" % count,
             lambda leaf, n=count: mixed([PLAIN] * (n - 1) + [leaf]),
             dirty="signed" if count <= 100 else "either",
             loose=count > 10000)
    both(corpus, "parts-empty-100000", lambda leaf: mail(
        b"Content-Type: multipart/mixed; boundary=b",
        b"--b\r\n" * 100000 + leaf + b"\r\n--b--\r\n"), dirty="either",
         loose=True)
    both(corpus, "parts-all-dirty", lambda leaf: mixed([leaf] * 500))


def composites(corpus):
    for subtype in (b"alternative", b"related", b"parallel", b"report",
                    b"form-data", b"byteranges", b"x-tidak-ada",
                    b"appledouble", b"voice-message", b"header-set"):
        both(corpus, "multipart-" + subtype.decode(),
             lambda leaf, s=subtype: mixed([leaf, PLAIN], subtype=s))
    for encoding in (b"7bit", b"8bit", b"binary", b"8BIT", b"base64",
                     b"quoted-printable", b"x-odd"):
        # RFC 2045 6.4: a composite has no other than the first three.
        sure = encoding.lower() in (b"7bit", b"8bit", b"binary")
        both(corpus, "multipart-cte-" + encoding.decode(),
             lambda leaf, e=encoding: mixed([leaf], encoding=e),
             clean="signed" if sure else "either",
             dirty="signed" if sure else "either", loose=not sure)
    inner = part(multipart(b"dalam", [EIGHT, BINARY]),
                 b"Content-Type: multipart/related; boundary=dalam",
                 b"Content-Transfer-Encoding: 8bit")
    corpus.add("multipart-nested-cte", mixed([inner, EIGHT],
                                             encoding=b"8bit"), "signed")
    corpus.add("multipart-digest", mixed(
        [CRLF + b"Subject: a\r\n\r\nisi",
         CRLF + b"Subject: b\r\n\r\nisi"], subtype=b"digest"), "signed")
    corpus.add("multipart-digest-8bit", mixed(
        [CRLF + "Subject: a\r\n\r\nisi \u00e9".encode()],
        subtype=b"digest"), "either")
    big = part(b"\xe9" * 60 + CRLF + b"\xff" * 300000,
               b"Content-Type: image/png; name=x.png",
               b"Content-Transfer-Encoding: binary")
    corpus.add("multipart-big-binary", mixed([PLAIN, big, EIGHT]), "signed")


def fill(corpus):
    for each in (boundaries, prefixes, endings, depths, composites):
        each(corpus)
