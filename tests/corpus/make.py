#!/usr/bin/python3
"""make.py DIR [COUNT SEED] - writes the corpus of odd messages, or COUNT
mutants of it (mutate.py).

DIR/NAME.eml for each message, and DIR/manifest.json: what is wanted of it
(see corpus.py). The files are made, not kept: some are megabytes of nothing.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import mutate
import odd_header
import odd_mime
import odd_special
import odd_text
from corpus import Corpus


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit("usage: make.py directory [count seed]")
    corpus = Corpus()
    for each in (odd_header, odd_text, odd_mime, odd_special):
        each.fill(corpus)
    if len(sys.argv) == 4:
        mutate.fill(corpus, int(sys.argv[2]), sys.argv[3])
    os.makedirs(sys.argv[1], exist_ok=True)
    manifest = {}
    for name, (data, wanted) in corpus.messages.items():
        manifest[name] = wanted
        path = os.path.join(sys.argv[1], name + ".eml")
        with open(path, "wb") as out:
            out.write(data)
    path = os.path.join(sys.argv[1], "manifest.json")
    with open(path, "w", encoding="ascii") as out:
        json.dump(manifest, out, indent=1)
    print("%d messages" % len(manifest))


if __name__ == "__main__":
    main()
