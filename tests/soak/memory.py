"""Memory that does not grow, and memory that holds no key."""
import base64
import os
import re
import subprocess
import time

import base
from base import figure, rig, size
from harness import BUDI, BUILD, SEKRETARIAT, SITI, Skip, equal, test

GROWTH = 1024                   # KiB, of all processes together


def settled(site):
    """Memory once the connections are gone."""
    time.sleep(0.5)
    return base.own_kib(base.processes(site))


@test
def memory_does_not_grow(site):
    """All processes together, mixed mail, after a warm-up."""
    if "-address" in BUILD or "-thread" in BUILD:
        raise Skip("a sanitizer keeps what is freed, or notes on it")
    mixed = (base.plain, base.eightbit, base.attachment, base.plain,
             base.long_line, base.plain, base.attachment, base.eightbit)
    batch = base.Batch(39, (BUDI, SITI, SEKRETARIAT), mixed)
    files = batch.write(site.path("memory-mail"))
    large = base.Batch(1, (BUDI,), (base.large,)).write(
        site.path("memory-large"))
    files += large
    connections = 4

    def run(count):
        each = count // connections // 10
        for _ in range(10):
            result = base.Load(site, files, connections, each).result()
            equal(result["signed"], result["messages"], "signed")
        return each * connections * 10

    with base.Daemon(site):
        before = site.children()
        start = settled(site)
        warm = run(size("memory warm-up"))
        begin = settled(site)
        count = run(size("memory messages"))
        end = settled(site)
        equal(site.children(), before, "processes")
    figure("memory", "%d mixed messages after a warm-up of %d: %d KiB at the "
           "start, %d KiB warm, %+d KiB since" % (
               count, warm, start, begin, end - begin))
    if end - begin > GROWTH:
        raise AssertionError("grew by %d KiB" % (end - begin))


# ------------------------------------------------------------- key material

NUMBERS = {"privateExponent": "d", "prime1": "p", "prime2": "q",
           "exponent1": "dp", "exponent2": "dq", "coefficient": "qinv",
           "priv": "scalar"}
BLOCK = 8


def private_numbers(key_file):
    """{name: octets, most significant first} of an unencrypted key."""
    text = subprocess.run(
        ["/usr/bin/openssl", "pkey", "-in", key_file, "-noout", "-text"],
        check=True, capture_output=True).stdout.decode()
    out = {}
    for name, digits in re.findall(
            r"(?m)^(\w+):\s*\n((?: {4}[0-9a-f:]+\n?)+)", text):
        if name in NUMBERS:
            octets = bytes.fromhex(re.sub(r"[:\s]", "", digits))
            out[NUMBERS[name]] = octets.lstrip(b"\0")
    return out


def blocks(octets):
    """Any run of twice the length, less one, holds one of these whole."""
    for at in range(0, len(octets) - BLOCK + 1, BLOCK):
        block = octets[at:at + BLOCK]
        if len(set(block)) > 3:
            yield block


def pem_text(path):
    return b"".join(line.encode() for line in rig.read(path).splitlines()
                    if "-----" not in line)


class Secrets:
    """What must not be found, as numbers of eight octets each."""

    def __init__(self):
        self.names = {}

    def add(self, name, octets):
        for block in blocks(octets):
            self.names.setdefault(int.from_bytes(block, "little"), set()).add(
                name)

    def add_key(self, who, issued, stored):
        """In DER, in a BIGNUM's limbs, and in PEM: there without what is
        public, which stands in every signature as well."""
        text = pem_text(issued)
        der = base64.b64decode(text)
        for name, octets in private_numbers(issued).items():
            self.add("%s %s" % (who, name), octets)
            self.add("%s %s" % (who, name), octets[::-1])
            at = der.index(octets)
            self.add("%s PEM" % who, text[(at + 2) // 3 * 4:
                                          (at + len(octets)) // 3 * 4])
        # behind what names algorithms
        self.add("%s encrypted PEM" % who, pem_text(stored)[192:])

    def found(self, pid):
        """Names of what is in a process's memory; octets that were read."""
        names, total = set(), 0
        wanted = set(self.names)
        for data in readable(pid):
            total += len(data)
            for shift in range(BLOCK):
                view = memoryview(data)[shift:]
                view = view[:len(view) // BLOCK * BLOCK].cast("Q")
                for block in wanted.intersection(view):
                    names |= self.names[block]
        return names, total


CHUNK = 1 << 20


def readable(pid):
    """All readable memory of a process, in pieces that overlap."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps, \
            open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            if "r" not in mode or line.rstrip().endswith(("[vvar]",
                                                          "[vsyscall]")):
                continue
            at, end = (int(n, 16) for n in span.split("-"))
            while at < end:
                try:
                    memory.seek(at)
                    data = memory.read(min(CHUNK, end - at))
                except (OSError, OverflowError, ValueError):
                    break       # gone meanwhile
                if not data:
                    break
                if data.strip(b"\0"):
                    yield data
                at += len(data) - (BLOCK - 1 if at + len(data) < end else 0)


def ten_keys(site):
    """{name: (address, folder of the unencrypted key)}, of each kind some."""
    out = dict(site.issued)
    for i, kind in enumerate(("rsa2048", "p256", "rsa3072", "p384", "rsa2048",
                              "p256", "p384")):
        address = "pegawai%d@dinkes.pekalongankab.go.id" % i
        out["%s of pegawai%d" % (kind, i)] = (address,
                                              site.enrol(address, kind))
    return out


@test
def no_key_outside_the_key_process(site):
    """Not a window of a private number, PEM or passphrase in the mail
    process or the supervisor; all of them in the key process."""
    if "-address" in BUILD or "-thread" in BUILD:
        raise Skip("a sanitizer's shadow of the memory is too large to read")
    secrets = Secrets()
    numbers = set()
    issued_keys = ten_keys(site)
    for who, (address, issued) in issued_keys.items():
        store = os.path.join(site.path("keystore"), address)
        folder, = os.listdir(store)
        secrets.add_key(who, os.path.join(issued, "key.pem"),
                        os.path.join(store, folder, "key.pem"))
        numbers |= {"%s %s" % (who, name) for name in private_numbers(
            os.path.join(issued, "key.pem"))}
    passphrase = rig.read(site.path("passphrase")).strip().encode()
    secrets.add("passphrase", passphrase)
    # six of an RSA key, one of the others
    equal((len(issued_keys), len(numbers)), (10, 30), "private numbers")
    files = base.Batch(20, [address for address, _ in
                            issued_keys.values()]).write(
        site.path("scan-mail"))
    scans = octets = signed = 0
    with base.Daemon(site):
        first = site.children()[rig.SAMPUL_USER]
        while signed < size("secret messages") or scans < 8:
            load = base.Load(site, files, 3, 100)
            # after a reload, and in a mail process forked late
            if scans == 2:
                os.kill(site.process.pid, 1)
            if scans == 4 and first is not None:
                load.result()
                os.kill(first, 9)
                first = None
                base.recovers(site, 60)
                continue
            time.sleep(0.1)
            for name, pid in (("mail process",
                               site.children()[rig.SAMPUL_USER]),
                              ("supervisor", site.process.pid)):
                names, size_read = secrets.found(pid)
                equal(names, set(), "found in the " + name)
                scans, octets = scans + 1, octets + size_read
            result = load.result()
            equal(result["signed"], result["messages"], "signed")
            signed += result["signed"]
        names, _ = secrets.found(site.children()[rig.SAMPUL_KEY_USER])
        if not numbers | {"passphrase"} <= names:
            raise AssertionError("the scanner finds only %s" % sorted(names))
    figure("memory scanned", "%d scans of mail process and supervisor (%d MiB) "
           "while %d messages were signed with %d keys: nothing; key process: "
           "all %d private numbers" % (
               scans, octets >> 20, signed, len(issued_keys), len(numbers)))
