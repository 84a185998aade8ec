"""Keys that their owners' passphrases open: the built daemon, its socket, and
who may do what there."""
import fcntl
import grp
import json
import os
import random
import shutil
import socket
import subprocess
import threading

import harness
from harness import BUDI, BUILD, NOBODY, SEKRETARIAT, SITI, contains, equal, \
    test
import milter
import rig

PASSPHRASE = "kuda terbang di atas sawah"
STRANGER, MEMBER, OPERATOR = 54321, 54322, 54323       # no such users
# Groups that every Debian has, and that nobody here needs.
ALL_GROUP, DINKES_GROUP = "voice", "floppy"


def setup(site):
    site.settings["custody"] = {
        "socket": site.path("run", "keys.sock"), "group": ALL_GROUP,
        "agency_groups": ["dinkes:" + DINKES_GROUP]}
    site.settings["keystore"]["rate_limit"] = 0
    site.init()
    rig.write(site.path("own"), PASSPHRASE + "\n", mode=0o600)
    for address in (BUDI, SEKRETARIAT):
        own(site, address)
    site.enrol(SITI, "p256")
    rig.make_directory(site.path("bin"))
    shutil.copy(os.path.join(BUILD, "sampulctl"), site.path("bin"))
    os.chmod(site.base, 0o755)
    site.start()


def own(site, address):
    out = site.certificate(address, "p256")
    site.ctl("import", "--cert", os.path.join(out, "cert.pem"), "--key",
             os.path.join(out, "key.pem"), "--chain",
             os.path.join(out, "chain.pem"), "--own-passphrase-file",
             site.path("own"), address)


def send(site, sender, login=None):
    """The last word about one message, and whether it was signed."""
    client = milter.Client(site.socket)
    try:
        client.negotiate()
        for _, packets in milter.steps(sender, login or sender):
            client.run(packets)
        got = client.end()
    finally:
        client.close()
    command, data = got[-1]
    signed = any(name == b"b" for name, _ in got)
    if command == b"y":
        return data.rstrip(b"\0").decode(), signed
    return {b"a": "accept", b"c": "accept", b"t": "tempfail",
            b"r": "reject"}[command], signed


def signs(site, sender):
    equal(send(site, sender), ("accept", True), "a message of " + sender)


def locked(site, sender):
    answer, signed = send(site, sender)
    equal((answer[:1], signed), ("4", False), answer)


def run(site, *args, uid=0, groups=(), secret=None):
    """sampulctl as somebody; secret goes through a pipe."""
    fds = ()
    if secret is not None:
        reading, writing = os.pipe()
        os.write(writing, secret.encode() + b"\n")
        os.close(writing)
        fds = (reading,)
        args = (args[0], "--fd", str(reading), *args[1:])
    try:
        return subprocess.run(
            [site.path("bin", "sampulctl"), "-c", site.conf_file, *args],
            capture_output=True, check=False, timeout=120, user=uid,
            group=uid, pass_fds=fds, cwd="/",
            extra_groups=[grp.getgrnam(name).gr_gid for name in groups])
    finally:
        for fd in fds:
            os.close(fd)


def unlock(site, address, **how):
    how.setdefault("secret", PASSPHRASE)
    return run(site, "unlock", address, **how)


def done(result, want=0):
    equal(result.returncode, want, (result.stdout + result.stderr).decode())
    return result.stdout.decode() + result.stderr.decode()


def audited(site, text):
    contains(rig.read(site.path("audit", "audit.log")), text)


def all_locked(site):
    done(run(site, "lock", "--all"))
    equal(run(site, "status").stdout, b"", "status")


@test
def locked_then_unlocked(site):
    locked(site, BUDI)
    signs(site, SITI)
    contains(done(unlock(site, BUDI)), "is unlocked until ")
    signs(site, BUDI)
    locked(site, SEKRETARIAT)
    contains(done(run(site, "status")), BUDI)
    audited(site, "event=unlock address=%s by=uid:0 result=done" % BUDI)
    contains(done(run(site, "lock", BUDI)), "keys: 1")
    audited(site, "event=lock address=%s by=uid:0 result=done" % BUDI)
    locked(site, BUDI)
    contains(done(run(site, "lock", BUDI)), "keys: 0")
    done(unlock(site, BUDI))
    done(unlock(site, SEKRETARIAT))
    contains(done(run(site, "lock", "--all")), "keys: 2")
    locked(site, BUDI)
    locked(site, SEKRETARIAT)
    done(unlock(site, SITI), os.EX_DATAERR)
    done(unlock(site, NOBODY), os.EX_DATAERR)


@test
def as_json(site):
    result = run(site, "unlock", "--json", BUDI, secret=PASSPHRASE)
    data = json.loads(result.stdout)
    equal((data["result"], data["keys"]), ("done", 1), "unlock")
    data = json.loads(run(site, "status", "--json").stdout)
    equal([entry["address"] for entry in data], [BUDI], "status")
    data = json.loads(run(site, "lock", "--all", "--json").stdout)
    equal((data["result"], data["keys"]), ("done", 1), "lock")
    equal(json.loads(run(site, "status", "--json").stdout), [], "status")


@test
def what_the_sender_reads(site):
    for language, part in (("en", "signing key of %s is locked" % BUDI),
                           ("id", "kunci tanda tangan untuk %s sedang "
                                  "terkunci" % BUDI)):
        site.write_conf(language=language)
        site.reload("reload ok")
        contains(send(site, BUDI)[0], part)
    site.write_conf(language="en")
    site.reload("reload ok")


@test
def the_rule_decides(site):
    for action, want in (("refuse", "5"), ("tempfail", "4"),
                         ("pass", "a")):
        for sign in ("required", "if-possible"):
            site.write_conf(default_rule={"sign": sign,
                                          "key_locked": action})
            site.reload("reload ok")
            answer, signed = send(site, BUDI)
            equal((answer[:1], signed), (want, False), action)
            told = done(run(site, "explain", "--login", BUDI, "--from",
                            BUDI))
            contains(told, "key-locked")
            contains(told, "certificate: locked")
            contains(told, {"5": "refuse", "4": "tempfail",
                            "a": "pass"}[want])
    done(unlock(site, BUDI))
    told = done(run(site, "explain", "--login", BUDI, "--from", BUDI))
    contains(told, "result:      sign")
    contains(told, "certificate: unlocked")
    site.write_conf(default_rule=None)
    site.reload("reload ok")
    all_locked(site)


@test
def wrong_passphrases_are_slowed(site):
    contains(done(unlock(site, BUDI, secret="salah"), os.EX_NOPERM),
             "the passphrase is wrong")
    contains(site.logged(), "incident=wrong-passphrase address=%s by=uid:0 "
             "failures=1 wait=1" % BUDI)
    audited(site, "event=unlock address=%s by=uid:0 result=wrong-passphrase"
            % BUDI)
    # until it waits two seconds: less may be over on a slow machine
    rig.wait_until("a second one is heard", lambda: unlock(
        site, BUDI, secret="salah").returncode == os.EX_NOPERM, 30)
    rig.wait_until("a third one is heard", lambda: unlock(
        site, BUDI, secret="salah").returncode == os.EX_NOPERM, 30)
    contains(site.logged(), "failures=3 wait=4")
    contains(done(unlock(site, BUDI), os.EX_TEMPFAIL), "was not tried")
    done(unlock(site, SEKRETARIAT))             # another address
    rig.wait_until("the right one is heard", lambda: unlock(
        site, BUDI).returncode == 0, 60)
    signs(site, BUDI)
    done(run(site, "lock", "--all"))
    done(unlock(site, BUDI, secret="salah"), os.EX_NOPERM)
    rig.wait_until("one failure again", lambda: "failures=1" in
                   site.logged().rsplit("incident=wrong", 1)[1], 20)
    rig.wait_until("the right one is heard", lambda: unlock(
        site, BUDI).returncode == 0, 60)
    all_locked(site)


@test
def who_may(site):
    """By the kernel's word: strangers, members, members of an agency's."""
    for uid, groups, address, want in (
            (STRANGER, (), BUDI, os.EX_NOPERM),
            (STRANGER, ("games",), BUDI, os.EX_NOPERM),
            (MEMBER, (ALL_GROUP,), BUDI, 0),
            (MEMBER, ("games", ALL_GROUP), SEKRETARIAT, 0),
            (OPERATOR, (DINKES_GROUP,), BUDI, 0),
            (OPERATOR, (DINKES_GROUP,), SEKRETARIAT, os.EX_NOPERM)):
        done(unlock(site, address, uid=uid, groups=groups), want)
    audited(site, "event=unlock address=%s by=uid:%d result=done" %
            (BUDI, OPERATOR))
    audited(site, "by=uid:%d result=denied" % STRANGER)
    contains(site.logged(), "incident=unlock-denied")
    done(run(site, "status", uid=STRANGER), os.EX_NOPERM)
    done(run(site, "lock", BUDI, uid=STRANGER), os.EX_NOPERM)
    done(run(site, "lock", "--all", uid=STRANGER), os.EX_NOPERM)
    signs(site, BUDI)
    # of an agency only its own is seen, and locked
    told = done(run(site, "status", uid=OPERATOR, groups=(DINKES_GROUP,)))
    contains(told, BUDI)
    equal(SEKRETARIAT in told, False, "the other agency is seen")
    done(run(site, "lock", SEKRETARIAT, uid=OPERATOR,
             groups=(DINKES_GROUP,)), os.EX_NOPERM)
    done(run(site, "lock", "--all", uid=OPERATOR, groups=(DINKES_GROUP,)))
    locked(site, BUDI)
    signs(site, SEKRETARIAT)
    all_locked(site)


@test
def over_a_reload_and_not_a_restart(site):
    done(unlock(site, BUDI))
    site.reload("reload ok")
    signs(site, BUDI)
    site.stop()
    site.start()
    locked(site, BUDI)


@test
def its_time_ends(site):
    site.settings["custody"]["unlock_time"] = 2
    site.write_conf()
    site.reload("reload ok")
    done(unlock(site, BUDI))
    rig.wait_until("locked by time", lambda: run(
        site, "status").stdout == b"", 60)
    locked(site, BUDI)
    audited(site, "event=lock address=%s by=time result=done" % BUDI)
    del site.settings["custody"]["unlock_time"]
    site.write_conf()
    site.reload("reload ok")


@test
def suspended_and_destroyed(site):
    done(unlock(site, BUDI))
    signs(site, BUDI)
    site.ctl("suspend", BUDI)
    equal(run(site, "status").stdout, b"", "locked with it")
    answer, signed = send(site, BUDI)
    equal((answer[:1], signed), ("5", False), answer)
    done(unlock(site, BUDI), os.EX_DATAERR)
    site.ctl("resume", BUDI)
    locked(site, BUDI)
    done(unlock(site, BUDI))
    signs(site, BUDI)
    folder, = (name for name in os.listdir(site.path("keystore", BUDI)))
    told = site.ctl("destroy", "--yes", BUDI, folder).stdout.decode()
    contains(told, "has forgotten")
    equal(run(site, "status").stdout, b"", "locked with it")
    answer, signed = send(site, BUDI)
    equal((answer[:1], signed), ("5", False), answer)
    shutil.rmtree(site.path("keystore", BUDI))
    own(site, BUDI)
    all_locked(site)
    locked(site, BUDI)


SHADOW = 1 << 30        # mappings from this size on are a sanitizer's


def octets_of(pid):
    """What a process has in memory, one mapping after another."""
    with open("/proc/%d/maps" % pid, encoding="ascii") as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            first, last = (int(part, 16) for part in where.split("-"))
            if "r" not in rights or "[v" in line or last - first >= SHADOW:
                continue
            try:
                memory.seek(first)
                yield memory.read(last - first)
            except OSError:
                continue


@test
def no_passphrase_stays_in_memory(site):
    done(unlock(site, BUDI))
    rig.wait_until("a wrong one is heard", lambda: unlock(
        site, SEKRETARIAT, secret=PASSPHRASE + "!").returncode ==
        os.EX_NOPERM, 30)
    seen = False
    for name, pid in site.children().items():
        for octets in octets_of(pid):
            seen |= BUDI.encode() in octets     # the search can find
            if PASSPHRASE.encode() in octets:
                raise AssertionError("a passphrase is in the memory of " +
                                     name)
    equal(seen, True, "the address was found")
    all_locked(site)


class Mail(threading.Thread):
    """Messages of all these senders, one after the other, until stopped."""

    def __init__(self, site, senders):
        super().__init__(daemon=True)
        self.site = site
        self.senders = senders
        self.count = 0
        self.wrong = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            sender = self.senders[self.count % len(self.senders)]
            answer = send(self.site, sender)
            if answer != ("accept", True):
                self.wrong.append((sender, answer))
            self.count += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(60)
        equal(self.wrong, [], "messages that were not signed")


@test
def another_passphrase_of_the_keystore(site):
    """Changed while mail is signed, broken off now and then; a daemon that
    starts in the middle reads both."""
    rng = random.Random(7)
    senders = ["pegawai%d@dinkes.pekalongankab.go.id" % number
               for number in range(12)]
    for sender in senders:
        site.enrol(sender, "p256")
    before = rig.read(site.path("passphrase"))
    done(unlock(site, BUDI))
    killed = 0
    with Mail(site, senders + [BUDI, SITI]) as mail:
        for _ in range(6):
            rekey = subprocess.Popen(
                [site.path("bin", "sampulctl"), "-c", site.conf_file,
                 "rekey"], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            try:
                rekey.wait(rng.uniform(0.01, 0.15))
            except subprocess.TimeoutExpired:
                rekey.kill()
                rekey.wait()
                killed += 1
        sent = mail.count
        contains(done(run(site, "rekey")), "keys changed")
        rig.wait_until("mail goes on", lambda: mail.count > sent + 30, 60)
    equal(rig.read(site.path("passphrase")) == before, False, "the same")
    equal(os.path.exists(site.path("passphrase.new")), False, "left over")
    contains(site.logged(), "another one is known too")
    contains(site.logged(), "the new one alone from now on")
    audited(site, "event=rekey by=root result=done")
    # as a kill between two keys leaves it, and then a restart
    os.rename(site.path("passphrase"), site.path("passphrase.new"))
    rig.write(site.path("passphrase"), before, mode=0o600)
    contains(site.ctl("check").stdout.decode(), "was not finished")
    site.stop()
    site.start()
    for sender in senders:
        signs(site, sender)
    contains(done(run(site, "rekey")), "%d had the new" % (len(senders) + 1))
    for sender in senders:
        signs(site, sender)
    site.stop()
    site.start()
    for sender in senders:
        signs(site, sender)
        shutil.rmtree(site.path("keystore", sender))
    print("# killed %d times" % killed)


@test
def a_keystore_in_the_place_of_another(site):
    """Nothing is signed by what the administrator has put away, whether the
    key process can reach the new one or not."""
    signs(site, SITI)
    away, here = site.path("away"), site.path("keystore")
    shutil.copytree(here, site.path("next"), copy_function=shutil.copy2)
    for root, _, files in os.walk(site.path("next")):
        for path in [root] + [os.path.join(root, name) for name in files]:
            shutil.chown(path, rig.SAMPUL_KEY_USER)
    shutil.rmtree(site.path("next", SITI))
    os.rename(here, away)
    os.rename(site.path("next"), here)
    rig.wait_until("it is noticed", lambda: not send(site, SITI)[1], 30)
    site.stop()
    site.start()
    answer, signed = send(site, SITI)
    equal((answer[:1], signed), ("5", False), answer)
    shutil.rmtree(here)
    os.rename(away, here)
    site.stop()
    site.start()
    signs(site, SITI)


@test
def imports_wait_for_it(site):
    """An import would use the old passphrase behind its back."""
    out = site.certificate(NOBODY, "p256")
    top = os.open(site.path("keystore"), os.O_RDONLY)
    try:
        fcntl.flock(top, fcntl.LOCK_EX)
        result = site.ctl("import", "--cert", os.path.join(out, "cert.pem"),
                          "--key", os.path.join(out, "key.pem"), NOBODY,
                          check=False)
        equal(result.returncode, os.EX_TEMPFAIL, result.stderr.decode())
        equal(run(site, "rekey").returncode, os.EX_TEMPFAIL, "rekey")
    finally:
        os.close(top)


@test
def hostile_packets(site):
    """Noise, long and short, and clients that say nothing."""
    before = site.children()
    rng = random.Random(6)
    path = site.settings["custody"]["socket"]
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    silent.connect(path)
    for number in range(300):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(30)
        sock.connect(path)
        head = bytes([3, rng.randrange(8)]) if number % 2 else b""
        sock.send(head + rng.randbytes(rng.choice((1, 4, 7, 300, 4000))))
        if number % 3:
            sock.recv(2000)
        sock.close()
    silent.close()
    equal(site.children(), before, "the processes")
    rig.wait_until("it serves", lambda: unlock(site, BUDI).returncode == 0,
                   60)
    signs(site, BUDI)
    all_locked(site)


@test
def listed(site):
    contains(done(run(site, "list")), "owner")
    contains(done(run(site, "show", BUDI)),
             "encrypted by its owner's passphrase")
    equal(site.ctl("check").returncode, 0, "check")
    short = site.path("short")
    rig.write(short, "singkat\n", mode=0o600)
    out = site.certificate(NOBODY, "p256")
    result = site.ctl("import", "--cert", os.path.join(out, "cert.pem"),
                      "--key", os.path.join(out, "key.pem"),
                      "--own-passphrase-file", short, NOBODY, check=False)
    equal(result.returncode, os.EX_DATAERR, "a short passphrase")


if __name__ == "__main__":
    harness.main(setup)
