#!/usr/bin/python3
"""encode_compare.py DIR - decode what test_encode wrote there, by Python.

For each N.in there is N.qp and N.b64; both must decode to N.in. Prints how
many were compared; exits 1 at the first difference.
"""
import base64
import glob
import quopri
import sys


def read(name):
    with open(name, "rb") as f:
        return f.read()


count = 0
for name in sorted(glob.glob(sys.argv[1] + "/*.in")):
    want = read(name)
    for kind, decode in ((".qp", quopri.decodestring),
                         (".b64", base64.b64decode)):
        text = read(name[:-3] + kind)
        if decode(text) != want:
            sys.exit("%s%s decodes to\n%r, not\n%r" % (
                name[:-3], kind, decode(text), want))
        if any(len(line) > 76 for line in text.split(b"\r\n")):
            sys.exit("%s%s has a long line" % (name[:-3], kind))
        count += 1
print("# %d texts compared" % count)
