"""The clock steps by two days and by three years, forward and back, while mail
is signed and verified: shifted.c gives Sampul's processes another time of day,
as the kernel would give it to all of them at once.
"""
import base64
import calendar
import mmap
import os
import random
import re
import struct
import subprocess
import time

import base
from base import figure, rig, size
from harness import BUILD, Skip, contains, equal, test, values
import cms
import harness
import incoming

DAY = 86400
TWO_DAYS, THREE_YEARS = 2 * DAY, 3 * 365 * DAY
STEPS = (TWO_DAYS, -TWO_DAYS, THREE_YEARS, -THREE_YEARS)
SIGNING_TIME = bytes.fromhex("2a864886f70d010905310f170d")
LONG, SHORT, YOUNG, OWNED = (name + "@dinkes.pekalongankab.go.id"
                             for name in ("lama", "sebentar", "baru",
                                          "milik"))


class Clock:
    """What Sampul takes the time of day to be."""

    def __init__(self, site):
        if "-address" in BUILD or "-thread" in BUILD:
            raise Skip("a sanitizer wants to be loaded first")
        self.path = site.path("shift")
        rig.write(self.path, "\0" * 8)
        self.library = os.path.join(site.path(), "shifted.so")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self.library,
                        os.path.join(base.HERE, "shifted.c"), "-ldl"],
                       check=True)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8)
        self.env = ["env", "LD_PRELOAD=" + self.library,
                    "SAMPUL_SHIFT=" + self.path]
        self.shift = 0

    def step(self, seconds):
        """By so much from the true time, whatever it was before."""
        self.page[:] = struct.pack("=q", seconds)
        self.shift = seconds

    def now(self):
        return int(time.time()) + self.shift


def signing_time(data):
    """By the attribute in the signature: what was signed."""
    fields, body = harness.split(data)
    _, params = harness.parameters(values(fields, "Content-Type")[0])
    _, second = harness.detached_parts(body, params["boundary"])
    der = base64.b64decode(harness.split(second + b"\r\n")[1])
    text = der[der.index(SIGNING_TIME) + len(SIGNING_TIME):][:13].decode()
    return calendar.timegm(time.strptime(text, "%y%m%d%H%M%SZ"))


def make_mailbox(site, clock, address, profile=(), enrol=True):
    """A certificate from four years ago to four years to come, or as the
    profile has it; its directory."""
    if not profile:
        clock.step(-4 * 365 * DAY)
        profile = ("ok", str(8 * 365))
    out = site.path("clock", address)
    rig.make_directory(site.path("clock"))
    subprocess.run([*clock.env, harness.MAKE_PKI, site.pki, "mailbox",
                    address, "p256", out, *profile], check=True,
                   capture_output=True)
    clock.step(0)
    if enrol:
        site.ctl("import", "--cert", os.path.join(out, "cert.pem"), "--key",
                 os.path.join(out, "key.pem"), "--chain",
                 os.path.join(out, "chain.pem"), address)
    return out


def outcome(site, clock, address):
    """"signed" when it verifies at that time, and says so itself."""
    at = clock.now()
    word, left = base.through(site, base.make_message(7, address))
    if word != "accepted":
        return word
    verifier = cms.Verifier(site.anchor, clock.now())
    try:
        equal(verifier.message(left).addresses, [address], "signer")
    finally:
        verifier.close()
    said = signing_time(left)
    if not at <= said <= clock.now():
        raise AssertionError("signed at %d, sent at %d" % (said, at))
    return "signed"


def each_step(rng, rounds):
    """Every step in some order, from one another and from the true time."""
    for _ in range(rounds):
        for step in rng.sample(STEPS, len(STEPS)):
            yield step
            if rng.random() < 0.5:
                yield 0
        yield 0


@test
def clock_steps_while_signing(site):
    """Signed while the certificate is valid, else refused, at once; the
    trail has the time (SIG-44, SIG-60)."""
    clock = Clock(site)
    rng = random.Random(11)
    valid = {LONG: (0, *STEPS), YOUNG: (0, TWO_DAYS), SHORT: (0,)}
    make_mailbox(site, clock, LONG)
    make_mailbox(site, clock, YOUNG, ("ok",))
    make_mailbox(site, clock, SHORT, ("ok", "1"))
    seen = {"signed": 0, "rejected": 0}
    trail = site.path("audit", "audit.log")
    with base.Daemon(site, clock.env):
        children = site.children()
        for shift in each_step(rng, size("clock rounds")):
            clock.step(shift)
            for address, good in valid.items():
                got = outcome(site, clock, address)
                equal(got, "signed" if shift in good else "rejected",
                      "%s at %+d s" % (address, shift))
                seen[got] += 1
            day = time.strftime("time=%Y-%m-%dT", time.gmtime(clock.now()))
            line = [line for line in rig.read(trail).splitlines()
                    if LONG in line][-1]
            equal(line[:len(day)], day, "the trail at %+d s" % shift)
        equal(site.children(), children, "processes")
    figure("clock signing", "stepped by two days and three years, both ways: "
           "%d signed within their certificate's time, %d refused outside" % (
               seen["signed"], seen["rejected"]))


def judged(site, data):
    """State and reason in the field that readers see."""
    word, left = base.through(site, data, "MX")
    equal(word, "accepted", "incoming mail")
    verified, = values(harness.split(left)[0], incoming.VERIFIED)
    return verified.partition(";")[0], re.search(r"reason=([\w-]+)",
                                                 verified).group(1)


def wanted(crl, who, shift):
    """Of a certificate of eight years and one of two days, signed now, with
    lists of one day."""
    if shift == 0:
        return "verified", "good"
    if who == "short":
        return "not-verified", "expired" if shift > 0 else "not-yet-valid"
    if crl == "require":
        return "unknown", "crl-stale"
    return ("verified", "good") if shift > 0 else ("not-verified",
                                                   "signing-time")


def correspondents(site, clock):
    """{who: a message signed now}, and a revocation list of one day."""
    site.make_pki("crl", "1")
    incoming.publish(site)
    mail = {}
    for who, profile in (("long", ()), ("short", ("ok", "1"))):
        address = who + "@luar.example"
        out = make_mailbox(site, clock, address, profile, enrol=False)
        mail[who] = incoming.detached(site, out, incoming.header(
            "jam-" + who, address))
    return mail


@test
def clock_steps_while_verifying(site):
    """No verdict outlives what it was made from; each comes back."""
    clock = Clock(site)
    rng = random.Random(12)
    mail = correspondents(site, clock)
    seen = {}
    for crl in ("require", "soft-fail"):
        site.write_conf(verify={"enabled": True, "crl": crl,
                                "crl_dir": site.path("crl")})
        with base.Daemon(site, clock.env):
            children = site.children()
            for shift in (0, *each_step(rng, size("clock rounds"))):
                clock.step(shift)
                for who, data in mail.items():
                    got = judged(site, data)
                    equal(got, wanted(crl, who, shift),
                          "%s, %s at %+d s" % (crl, who, shift))
                    seen[got[0]] = seen.get(got[0], 0) + 1
            equal(site.children(), children, "processes")
    figure("clock verifying", "likewise, with lists required and not: " +
           ", ".join("%d %s" % (seen[state], state) for state in seen))


def status(site, clock):
    result = subprocess.run(
        [*clock.env, os.path.join(BUILD, "sampulctl"), "-c", site.conf_file,
         "status"], check=True, capture_output=True)
    return result.stdout.decode()


@test
def clock_steps_while_unlocked(site):
    """An owner's time, and the ceiling on a key's use, go by a clock that
    does not step."""
    clock = Clock(site)
    rig.write(site.path("own"), "kuda terbang di atas sawah\n", mode=0o600)
    out = make_mailbox(site, clock, OWNED, enrol=False)
    site.ctl("import", "--cert", os.path.join(out, "cert.pem"), "--key",
             os.path.join(out, "key.pem"), "--own-passphrase-file",
             site.path("own"), OWNED)
    site.write_conf(
        custody={"socket": site.path("run", "keys.sock"), "unlock_time": 600},
        keystore={**site.settings["keystore"], "rate_limit": 2})
    with base.Daemon(site, clock.env):
        equal(outcome(site, clock, OWNED), "tempfail", "while locked")
        clock.step(-THREE_YEARS)
        unlock(site)
        for shift in (THREE_YEARS, -TWO_DAYS):
            clock.step(shift)
            contains(status(site, clock), OWNED)
            equal(outcome(site, clock, OWNED), "signed", "%+d s" % shift)
        # two a minute, whatever the hour; a third may have come meanwhile
        rig.wait_until("the ceiling", lambda: outcome(
            site, clock, OWNED) == "tempfail")
        for shift in (*STEPS, 0):
            clock.step(shift)
        equal(outcome(site, clock, OWNED), "tempfail", "over the ceiling")
        site.settings["custody"]["unlock_time"] = 3
        site.settings["keystore"]["rate_limit"] = 0
        site.write_conf()
        site.reload("reload ok")
        unlock(site)
        begin = time.monotonic()
        clock.step(-THREE_YEARS)
        rig.wait_until("locked by time", lambda: not status(site, clock))
        took = time.monotonic() - begin
        equal(outcome(site, clock, OWNED), "tempfail", "after its time")
    figure("clock unlocking", "an owner's three seconds lasted %.1f s while "
           "the clock stepped back by three years" % took)


def unlock(site):
    with open(site.path("own"), encoding="ascii") as secret:
        subprocess.run([os.path.join(BUILD, "sampulctl"), "-c",
                        site.conf_file, "unlock", "--fd",
                        str(secret.fileno()), OWNED], check=True,
                       pass_fds=(secret.fileno(),), capture_output=True)


@test
def clock_steps_under_load(site):
    """What leaves is signed within its certificate's time, whenever the
    clock steps. libmilter looks after idle connections by the time of day
    (worker.c) and drops those that wait while it is put forward: lost to an
    MTA, which keeps the message."""
    clock = Clock(site)
    rng = random.Random(13)
    make_mailbox(site, clock, YOUNG, ("ok",))
    begins = int(time.time()) - DAY
    ends = begins + 731 * DAY
    files = base.Batch(6, (YOUNG,)).write(site.path("clock-mail"))
    out = rig.make_directory(site.path("clock", "out"))
    count = {"accepted": 0, "rejected": 0, "tempfail": 0, "fault": 0}
    with base.Daemon(site, clock.env):
        children = site.children()
        # a slow machine may let a load go by without a step
        end = time.monotonic() + 300
        while (sum(count.values()) < size("clock messages") or 0 in (
                count["accepted"], count["rejected"])) and \
                time.monotonic() < end:
            load = base.Load(site, files, 4, 50, out)
            while load.running():
                clock.step(rng.choice((0, *STEPS)))
                time.sleep(rng.uniform(0, 0.05))
            result = load.result()
            equal(result["signed"], result["accepted"], "%r" % result)
            for name in count:
                count[name] += result[name]
            for name in os.listdir(out):
                with open(os.path.join(out, name), "rb") as file:
                    data = file.read()
                os.unlink(os.path.join(out, name))
                at = signing_time(data)
                if not begins <= at <= ends:
                    raise AssertionError("signed at %d" % at)
                verifier = cms.Verifier(site.anchor, at)
                verifier.message(data)
                verifier.close()
        clock.step(0)
        equal(site.children(), children, "processes")
        equal(outcome(site, clock, YOUNG), "signed", "at the end")
    if 0 in (count["accepted"], count["rejected"]):
        raise AssertionError("no steps: %r" % count)
    figure("clock under load", "%d signed within their certificate's time, "
           "%d refused, %d answered temporarily, %d connections dropped by "
           "libmilter" % (count["accepted"], count["rejected"],
                          count["tempfail"], count["fault"]))
