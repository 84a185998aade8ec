"""Full disks: of the spool, the audit trail, what is harvested, the keystore
and the log, each on a small file system of its own."""
import os
import pwd
import re
import subprocess
import threading
import time

import base
from base import figure, rig
import incoming
from harness import BUDI, SITI, Skip, contains, equal, test

MIB = 1024 * 1024
LINE = re.compile(r"time=\S+ queue_id=\S+ address=\S+ serial=\S+ "
                  r"digest=\S+:[0-9a-f]+")


class Disk:
    """A tmpfs on a directory; gone at the end of the with block."""

    def __init__(self, path, octets, user):
        self.path = path
        os.makedirs(path, exist_ok=True)
        self.options = "size=%d,mode=0700,uid=%d" % (
            octets, pwd.getpwnam(user).pw_uid)

    def _mount(self, options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options,
                               "sampul-soak", self.path],
                              capture_output=True, check=False)

    def __enter__(self):
        result = self._mount(self.options)
        if result.returncode != 0:
            raise Skip("no tmpfs can be mounted: "
                            + result.stderr.decode().strip())
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)

    def resize(self, octets):
        subprocess.run(["mount", "-o", "remount,size=%d" % octets,
                        self.path], check=True)

    def free(self):
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave=0):
        """Until so many octets are left; the file that does it."""
        path = os.path.join(self.path, "penuh")
        with open(path, "wb", buffering=0) as out:
            try:
                while self.free() > leave:
                    out.write(b"x" * min(65536, self.free() - leave))
            except OSError:
                pass
        return path


@test
def spool_is_full(site):
    """A temporary failure, and small mail goes on (SIG-60, MTA-37)."""
    with Disk(site.path("spool-disk"), MIB, rig.SAMPUL_USER) as disk:
        site.write_conf(spool={"dir": disk.path})
        with base.Daemon(site):
            base.signs(site, BUDI, base.large)
            room = disk.free()
            filler = disk.fill(100000)
            codes = [base.one(site, n, BUDI, base.large).code
                     for n in (1, 2, 3)]
            equal([code // 100 for code in codes], [4] * 3, "while full")
            contains(site.logged(), "is full")
            base.signs(site, BUDI)
            os.unlink(filler)
            equal(disk.free(), room, "room when all is done")
            base.signs(site, BUDI, base.large)
            # many at once, more than fit: each is signed or waits
            batch = base.Batch(12, (BUDI, SITI), (base.large,))
            numbers = base.Numbers(len(batch.mail))
            since = len(site.sink.messages)
            senders = [base.Sender(site.postfix.submission, batch, numbers)
                       for _ in range(4)]
            for sender in senders:
                sender.start()
            base.join(senders)
            equal(sum(len(s.accepted) for s in senders), len(batch.mail),
                  "accepted")
            equal(base.check_sink(site, batch, batch.mail, since), 0, "twice")
            equal(disk.free(), room, "room at the end")
            retries = sum(s.retries for s in senders)
    figure("spool full", "%d large messages answered temporarily, small ones "
           "signed meanwhile; then %d at once on too small a disk: all signed "
           "after %d temporary failures; nothing left on it" % (
               len(codes), len(batch.mail), retries))


@test
def audit_trail_is_full(site):
    """What cannot be recorded is not signed; no line is lost (SIG-60)."""
    with Disk(site.path("audit-disk"), MIB, rig.SAMPUL_KEY_USER) as disk:
        trail = os.path.join(disk.path, "audit.log")
        site.write_conf(audit={"file": trail})
        with base.Daemon(site):
            base.signs(site)
            accepted = 1
            filler = disk.fill()
            # the file's last page has room for some lines still
            while True:
                reply = base.one(site)
                if reply.code != 250:
                    break
                accepted += 1
            equal(reply.code // 100, 4, "code when full")
            equal(base.one(site).code // 100, 4, "code when full")
            contains(site.logged(), "audit file")
            os.unlink(filler)
            base.signs(site)
            base.signs(site, SITI)
            accepted += 2
            lines = rig.read(trail).splitlines()
            whole = [line for line in lines if LINE.fullmatch(line)]
            equal(len(whole), accepted, "whole lines of %d" % len(lines))
            # a reader can tell the torn ones: they are beginnings of one
            torn = [line for line in lines if line not in whole]
            if any(not line.startswith("time=") for line in torn):
                raise AssertionError("torn: %r" % torn)
            # the whole directory gone: the same
            os.rename(trail, trail + ".1")
            disk.fill()
            equal(base.one(site).code // 100, 4, "code without a file")
            os.unlink(os.path.join(disk.path, "penuh"))
            base.signs(site)
    figure("audit trail full", "%d signatures with a whole line each, %d "
           "torn lines, temporary failures while full, signing again when "
           "there is room" % (accepted, len(torn)))


@test
def harvest_is_full(site):
    """A certificate that cannot be kept is no reason to hold mail; what was
    kept before stays whole (ENC-04)."""
    sender = "dokter@rsud.example"
    mail = []
    for n in (1, 2):
        mail.append(incoming.detached(
            site, site.certificate(sender, "rsa2048", "nokeyusage"),
            incoming.header("panen-%d" % n, sender)))
        time.sleep(1.1)         # signingTime has whole seconds
    incoming.publish(site)
    with Disk(site.path("harvest-disk"), MIB // 4, rig.SAMPUL_USER) as disk:
        site.write_conf(
            verify={"enabled": True, "crl_dir": site.path("crl")},
            encryption={"harvest_dir": disk.path, "harvest_from": ["*"]})
        kept = os.path.join(disk.path, sender + ".pem")
        with base.Daemon(site):
            for data, before in zip(mail, ([], [sender + ".pem"])):
                old = rig.read(kept)
                filler = disk.fill()
                said = len(site.logged())
                word, left = base.through(site, data, "MX")
                equal(word, "accepted", "while full")
                contains(left.decode(), "X-Verified-Sender: verified")
                # after the answer
                site.process.wait_for("the log", lambda: "is not kept" in
                                      site.logged()[said:])
                equal(sorted(os.listdir(disk.path)),
                      sorted(before + ["penuh"]), "files")
                equal(rig.read(kept), old, "what was kept")
                os.unlink(filler)
                base.through(site, data, "MX")
                site.process.wait_for("it is kept", lambda: rig.read(
                    kept) not in ("", old))
    figure("harvest full", "2 messages verified and accepted, their "
           "certificates not kept, and kept when there was room")


@test
def keystore_is_full(site):
    """An import and a change of passphrase that find no room leave nothing
    half-made, and what was there signs."""
    store = site.settings["keystore"]
    out = site.certificate(SITI, "p256")
    command = ("import", "--cert", os.path.join(out, "cert.pem"), "--key",
               os.path.join(out, "key.pem"), "--chain",
               os.path.join(out, "chain.pem"), SITI)
    secret = rig.read(store["passphrase_file"])
    with Disk(site.path("keystore-disk"), MIB, rig.SAMPUL_KEY_USER) as disk:
        subprocess.run(["cp", "-a", store["dir"] + "/.", disk.path],
                       check=True)
        site.write_conf(keystore={**store, "dir": disk.path})
        before = tree(disk.path)
        filler = disk.fill()
        refused = [site.ctl(*command, check=False).returncode,
                   site.ctl("rekey", "--offline", check=False).returncode]
        equal(0 in refused, False, "exit statuses %s" % refused)
        os.unlink(filler)
        # a folder that is empty is no entry
        equal(tree(disk.path), before, "files")
        with base.Daemon(site):
            base.signs(site, BUDI)
            base.signs(site, SITI)
        site.ctl(*command)
        site.ctl("rekey", "--offline")
        with base.Daemon(site):
            base.signs(site, BUDI)
            base.signs(site, SITI)
    rig.write(store["passphrase_file"], secret, mode=0o600)
    figure("keystore full", "an import and a rekey gave up with exit status "
           "%d and %d; both done when there was room" % tuple(refused))


def tree(path):
    """{file: its octets}"""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(file.name, path)] = file.read()
    found.pop("penuh", None)
    return found


@test
def log_is_full(site):
    """Sampul's own log cannot be written: signing does not depend on it."""
    with Disk(site.path("log-disk"), 65536, "root") as disk:
        kept, site.log = site.log, os.path.join(disk.path, "log")
        try:
            with base.Daemon(site):
                base.signs(site)
                disk.fill()
                for _ in range(20):
                    base.signs(site)
                threading.Event().wait(0.1)
                base.signs(site, SITI)
        finally:
            site.log = kept
    figure("log full", "21 messages signed while no line could be written")
