"""Key files replaced while they are in use, by hand and at one stroke; a key
process that does not answer."""
import ctypes
import os
import random
import shutil
import signal
import threading
import time

import base
from base import figure, rig, size
from harness import BUDI, contains, equal, test

_libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE = 2                    # RENAME_EXCHANGE
CWD = -100                      # AT_FDCWD
FILES = ("cert.pem", "key.pem")


def exchange(one, other):
    if _libc.renameat2(CWD, one.encode(), CWD, other.encode(), EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


def owner(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid


class Replacer(threading.Thread):
    """Puts one pair after the other in the place of a mailbox's."""

    def __init__(self, mailbox, pool, count, rng):
        super().__init__(daemon=True)
        self.mailbox, self.pool, self.count = mailbox, pool, count
        self.place = os.path.join(mailbox, "satu")
        self.rng, self.done, self.failure = rng, {}, None
        self.ended = threading.Event()
        self.owner = owner(mailbox)

    def _rest(self):
        """Between two files, as long as an editor or a copy might take."""
        time.sleep(self.rng.choice((0, 0, 0.0005, 0.003, 0.02)))

    def _own(self, path):
        os.chown(path, *self.owner)

    # Each leaves self.place holding the pair of the folder given.

    def over(self, folder):
        """cp: each file is cut to nothing and written again."""
        for name in self.rng.sample(FILES, 2):
            with open(os.path.join(folder, name), "rb") as source:
                data = source.read()
            with open(os.path.join(self.place, name), "wb",
                      buffering=0) as out:
                cut = self.rng.randrange(len(data))
                out.write(data[:cut])
                self._rest()
                out.write(data[cut:])
            self._rest()

    def renamed(self, folder):
        """install: each file is whole at every moment, the pair is not."""
        for name in self.rng.sample(FILES, 2):
            fresh = os.path.join(self.place, "." + name)
            shutil.copy(os.path.join(folder, name), fresh)
            self._own(fresh)
            os.rename(fresh, os.path.join(self.place, name))
            self._rest()

    def removed(self, folder):
        """rm, then cp: for a moment there is no certificate, or no key."""
        for name in self.rng.sample(FILES, 2):
            path = os.path.join(self.place, name)
            os.unlink(path)
            self._rest()
            fresh = os.path.join(self.place, "." + name)
            shutil.copy(os.path.join(folder, name), fresh)
            self._own(fresh)
            os.rename(fresh, path)

    def _copy(self, folder, name):
        path = os.path.join(self.mailbox, name)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder, path)
        for item in (path, *(os.path.join(path, f)
                             for f in os.listdir(path))):
            self._own(item)
        return path

    def at_once(self, folder):
        """renameat2: the folder becomes another between two system calls."""
        fresh = self._copy(folder, ".baru")
        exchange(fresh, self.place)
        shutil.rmtree(fresh)

    def beside(self, folder):
        """What sampulctl does: the new one comes, then the old one goes."""
        fresh = self._copy(folder, ".baru")
        other = os.path.join(self.mailbox, "dua")
        os.rename(fresh, other)
        self._rest()
        old = os.path.join(self.mailbox, ".lama")
        os.rename(self.place, old)
        self.place = other if self.place != other else self.place
        shutil.rmtree(old)
        os.rename(other, os.path.join(self.mailbox, "satu"))
        self.place = os.path.join(self.mailbox, "satu")

    def run(self):
        ways = (self.over, self.renamed, self.removed, self.at_once,
                self.beside)
        try:
            for i in range(self.count):
                if self.ended.is_set():
                    break
                way = ways[i % len(ways)]
                way(self.pool[i % len(self.pool)])
                self.done[way.__name__] = self.done.get(way.__name__, 0) + 1
                self._rest()
        except OSError as reason:
            self.failure = reason

    def stop(self):
        self.ended.set()
        if self.is_alive():
            self.join()


def make_pool(site):
    """Several pairs for one address, encrypted, outside the keystore."""
    store = os.path.join(site.path("keystore"), BUDI)
    out = []
    for kind in ("rsa2048", "p256", "rsa2048", "p384", "p256"):
        before = set(os.listdir(store))
        site.enrol(BUDI, kind)
        made, = set(os.listdir(store)) - before
        out.append(site.path("pool-%d" % len(out)))
        os.rename(os.path.join(store, made), out[-1])
    return out


@test
def keys_replaced_while_signing(site):
    """Signed by the certificate in it, or a temporary failure (SIG-44, SIG-60)."""
    seed = random.randrange(1 << 32)
    mailbox = os.path.join(site.path("keystore"), BUDI)
    pool = make_pool(site)
    kept = site.path("kept-budi")
    os.rename(mailbox, kept)
    os.mkdir(mailbox, 0o700)
    os.chown(mailbox, *owner(kept))
    replacer = Replacer(mailbox, pool, size("replacements"),
                        random.Random(seed))
    replacer._copy(pool[0], "satu")
    batch = base.Batch(12, (BUDI,))
    files = batch.write(site.path("key-mail"))
    out = site.path("key-out")
    total = {"messages": 0, "accepted": 0, "tempfail": 0, "rejected": 0,
             "fault": 0}
    try:
        replaced(site, replacer, batch, files, out, total, seed)
    finally:
        replacer.stop()
        shutil.rmtree(mailbox)
        os.rename(kept, mailbox)
    figure("keys replaced", "%d times (%s) during %d messages: %d signed and "
           "verified with the certificate in them, %d temporary failures, "
           "0 other" % (
               sum(replacer.done.values()),
               ", ".join("%s %d" % item for item in replacer.done.items()),
               total["messages"], total["accepted"], total["tempfail"]))


def replaced(site, replacer, batch, files, out, total, seed):
    with base.Daemon(site):
        replacer.start()
        while replacer.is_alive():
            result = base.Load(site, files, 2, 60, out).result()
            for name in total:
                total[name] += result[name]
            equal(result["signed"], result["accepted"], "signed: %r" % result)
            equal(base.check_directory(batch, site.anchor, out),
                  result["accepted"], "verified (seed %d)" % seed)
            equal((result["rejected"], result["fault"]), (0, 0),
                  "rejected and fault (seed %d): %r" % (seed, result))
        replacer.join()
        equal(replacer.failure, None)
        base.signs(site, BUDI)


@test
def key_process_hangs(site):
    """A temporary failure in time, for all who wait (SIG-60, MTA-51)."""
    timeout = 2
    site.write_conf(keystore={**site.settings["keystore"],
                              "key_timeout": timeout, "key_threads": 4})
    with base.Daemon(site):
        # for a moment: it goes on as if nothing had been
        pid = base.signal_child(site, rig.SAMPUL_KEY_USER, signal.SIGSTOP)
        try:
            equal(base.one(site, seconds=timeout + base.SLACK).code // 100,
                  4, "code while it hangs")
        finally:
            base.resume(pid)
        base.signs(site)
        equal(site.children()[rig.SAMPUL_KEY_USER], pid, "key process")
        # for good: more ask than there are channels
        pid = base.signal_child(site, rig.SAMPUL_KEY_USER, signal.SIGSTOP)
        replies = []

        def ask():
            replies.append(base.one(site, seconds=timeout + base.SLACK))

        askers = [threading.Thread(target=ask) for _ in range(10)]
        begin = time.monotonic()
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        waited = time.monotonic() - begin
        equal([reply.code // 100 for reply in replies], [4] * 10, "codes")
        recovered = base.recovers(site, 60)
        contains(site.logged(), "too few channels to the key process are left")
        base.signs(site)
        equal(base.alive(pid), False, "the one that hung")
    figure("key process hung", "key_timeout %d s: 10 clients at once answered "
           "temporarily within %.1f s; signing again by itself %.1f s later"
           % (timeout, waited, recovered))
