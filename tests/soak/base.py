"""What the fault tests share: how much of everything, mail to send, a load, a
sender that does not give up, and what processes use.

The same tests run in two sizes: all of it for "make soak", a little of it for
"make check" (tests/e2e/test_faults.py).
"""
import functools
import os
import random
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import harness                                          # noqa: E402
from harness import BUDI, SITI, Refused                 # noqa: E402
import cms                                              # noqa: E402
import dovecot                                          # noqa: E402
import rig                                              # noqa: E402

# name: (make soak, make check)
SIZES = {
    "kill messages": (5000, 160),
    "kills": (60, 6),
    "reload messages": (10000, 500),
    "reloads": (200, 20),
    "mail beside reloads": (500, 20),
    "replacements": (1000, 60),
    "idle": (2000, 600),
    "drips": (200, 60),
    "memory warm-up": (6000, 1500),
    "memory messages": (20000, 2000),
    "secret messages": (2000, 200),
    "clock rounds": (20, 1),
    "clock messages": (10000, 400),
}
# Growth that is no leak: in 2,000 messages the heaps have not settled yet.
full = False
figures = []
# What a machine with other work may take longer than Sampul says; the times
# that were measured are printed.
SLACK = 30
ticks = os.sysconf("SC_CLK_TCK")


def size(name):
    return SIZES[name][0 if full else 1]


def figure(name, text):
    """For the record of a soak, and a comment of the test."""
    figures.append((name, text))
    print("# %s: %s" % (name, text), flush=True)


@functools.cache
def tool(name):
    """A program of the bench, built when it is not there."""
    path = os.path.join(harness.BUILD, "bench", name)
    subprocess.run(["make", "-s", "B=" + os.path.relpath(
        harness.BUILD, rig.ROOT), os.path.relpath(path, rig.ROOT)],
        cwd=rig.ROOT, check=True, stdout=subprocess.DEVNULL)
    return path


# ------------------------------------------------------------- mail to send


def lines(rng, octets, words):
    out, width = [], 0
    while width < octets:
        line = " ".join(rng.choice(words) for _ in range(rng.randint(3, 9)))
        out.append(line)
        width += len(line) + 2
    return "\r\n".join(out) + "\r\n"


ASCII = ("surat", "dinas", "laporan", "From", "kegiatan", "bulan", "ini", ".")
UTF8 = ASCII + ("\u2013", "\u00e9tat", "\u1b13")


def plain(rng):
    return "", lines(rng, rng.choice((400, 4000, 12000)), ASCII)


def eightbit(rng):
    return ("Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n",
            lines(rng, rng.choice((400, 4000)), UTF8))


def long_line(rng):
    return ("Content-Type: text/html; charset=utf-8\r\n",
            "<p>" + "x" * rng.randint(990, 1900) + "</p>\r\n")


def attachment(rng, octets=6000):
    parts = ("--batas\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n"
             "--batas\r\nContent-Type: application/pdf; name=l.pdf\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\n%s"
             "--batas--\r\n")
    return ("Content-Type: multipart/mixed; boundary=batas\r\n",
            parts % (lines(rng, 300, UTF8),
                     "JVBERi0xLjQKJcfsj6IKNSAwIG9iago8PC9MZW5n\r\n"
                     * (octets // 42)))


def large(rng):
    """Over what is kept in memory."""
    return attachment(rng, 400000)


KINDS = (plain, eightbit, plain, attachment, plain, long_line)


def make_message(number, sender, kind=None):
    rng = random.Random(number)
    head, body = (kind or KINDS[number % len(KINDS)])(rng)
    if head:
        head = "MIME-Version: 1.0\r\n" + head
    return ("From: %s\r\nTo: penerima@example.org\r\nSubject: soak-%d\r\n"
            "Date: Sun, 22 Nov 2026 08:00:00 +0700\r\n"
            "Message-ID: <%d@klien.example>\r\n%s\r\n%s" % (
                sender, number, number, head, body)).encode("utf-8")


class Batch:
    """Numbered messages, and what has to come out of each."""

    def __init__(self, count, senders=(BUDI, SITI), kinds=None):
        self.senders = senders
        self.mail = {n: make_message(
            n, senders[n % len(senders)], kinds and kinds[n % len(kinds)])
            for n in range(1, count + 1)}
        self.wanted = {}

    def write(self, directory):
        rig.make_directory(directory)
        out = []
        for number, data in self.mail.items():
            out.append(os.path.join(directory, "%d.eml" % number))
            with open(out[-1], "wb") as file:
                file.write(data)
        return out

    def check(self, verifier, data):
        """The number of a delivered message that is right to the octet as
        its reader decodes it, else Refused. 0 for one of another batch,
        whose signature is good."""
        got = verifier.message(data)
        subject = harness.values(got.fields, "Subject")[0]
        match = re.fullmatch(r"soak-(\d+)", subject)
        if match is None:
            raise Refused("subject %r" % subject)
        number = int(match.group(1))
        if number not in self.mail:
            return 0
        sent = self.mail[number]
        if number not in self.wanted:
            fields, _ = harness.split(sent)
            self.wanted[number] = (
                cms.leaves(sent), harness.values(fields, "From"),
                harness.values(fields, "Message-ID"))
        leaves, sender, identity = self.wanted[number]
        if cms.leaves(got.content) != leaves:
            raise Refused("soak-%d: content is not what was sent" % number)
        if harness.values(got.fields, "From") != sender or \
                harness.values(got.fields, "Message-ID") != identity:
            raise Refused("soak-%d: header is not what was sent" % number)
        if sender[0] not in got.addresses:
            raise Refused("soak-%d: signed by %s" % (number, got.addresses))
        return number


def check_directory(batch, anchor, directory):
    """Verifies and removes what a load kept; how many."""
    verifier = cms.Verifier(anchor)
    names = os.listdir(directory)
    for name in names:
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            batch.check(verifier, file.read())
        os.unlink(path)
    verifier.close()
    return len(names)


# ----------------------------------------------------------------- the load


class Load:
    """The load client of the bench, in the background."""

    def __init__(self, site, files, connections, each, out=None,
                 daemon="MUATAN"):
        argv = [tool("load"), "-c", str(connections), "-m", str(each), "-x",
                "-l", "", "-d", daemon]
        if out:
            rig.make_directory(out)
            argv += ["-o", out]
        self.out = out
        self.popen = site.add(Running(subprocess.Popen(
            [*argv, "unix:" + site.socket, *files], text=True,
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL))).popen

    def running(self):
        return self.popen.poll() is None

    def result(self):
        text = self.popen.communicate(timeout=900)[0]
        found = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', text))
        if "messages" not in found:
            raise rig.Failure("load: " + text)
        return {name: value if value.startswith('"') or "." in value
                else int(value) for name, value in found.items()}


def through(site, data, daemon="MUATAN"):
    """One message to the milter alone: what came of it, and it as it left."""
    path = rig.write(site.path("through.eml"), "")
    with open(path, "wb") as file:
        file.write(data)
    out = rig.make_directory(site.path("through"))
    result = Load(site, [path], 1, 1, out, daemon).result()
    left = b""
    for name in os.listdir(out):
        with open(os.path.join(out, name), "rb") as file:
            left = file.read()
        os.unlink(os.path.join(out, name))
    word, = (name for name in ("accepted", "rejected", "tempfail", "fault")
             if result[name])
    return word, left


class Running:
    """A process that must not outlive the test."""

    def __init__(self, popen):
        self.popen = popen

    def stop(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()


# ------------------------------------------------------ retrying by SMTP


class Sender(threading.Thread):
    """Takes numbers until there are none, and sends each again and again
    until it is accepted. Connections are used for many messages."""

    def __init__(self, port, batch, numbers, patience=300):
        super().__init__(daemon=True)
        self.port, self.batch, self.numbers = port, batch, numbers
        self.patience = patience
        self.client = None
        self.accepted, self.retries, self.broken = [], 0, 0
        self.refused = []
        self.failure = None

    def _connect(self, login):
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=90,
                              local_hostname="klien.example")
        client.ehlo()
        client.login(login, dovecot.PASSWORD)
        return client

    def _drop(self):
        if self.client is not None:
            self.client.close()
        self.client = None

    def _try(self, number):
        """The reply's code; 0 when there was none."""
        sender = self.batch.senders[number % len(self.batch.senders)]
        try:
            if self.client is None:
                self.client = self._connect(sender)
            elif self.client.user != sender:
                self._drop()
                self.client = self._connect(sender)
            code, _ = self.client.mail(sender, ["BODY=8BITMIME"])
            if code == 250:
                code, _ = self.client.rcpt("penerima@example.org")
            if code == 250:
                code, _ = harness._data(self.client, self.batch.mail[number])
            return code
        except smtplib.SMTPResponseException as reason:
            return reason.smtp_code
        except (OSError, smtplib.SMTPException):
            return 0

    def run(self):
        try:
            for number in self.numbers:
                self._send(number)
        except Exception as reason:     # noqa: BLE001 told to the test
            self.failure = reason
        self._drop()

    def _send(self, number):
        end = time.monotonic() + self.patience
        while True:
            code = self._try(number)
            if code == 250:
                self.accepted.append(number)
                return
            # A filter that failed once is left out for the connection.
            self._drop()
            if code >= 500:
                self.refused.append(number)
                return
            self.retries += 1
            self.broken += code == 0
            if time.monotonic() > end:
                raise rig.Failure("soak-%d: not accepted in %d s" % (
                    number, self.patience))
            time.sleep(0.1)


class Numbers:
    """1 to count, shared by threads."""

    def __init__(self, count):
        self.lock = threading.Lock()
        self.count = count
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            if self.taken >= self.count:
                raise StopIteration
            self.taken += 1
            return self.taken


def join(senders):
    for sender in senders:
        sender.join()
    for sender in senders:
        if sender.failure is not None:
            raise sender.failure


def check_sink(site, batch, numbers, since=0, seconds=120):
    """All numbers are at the next hop, each right; how many came twice."""
    wanted = set(numbers)
    verifier = cms.Verifier(site.anchor)
    seen, at, end = {}, since, time.monotonic() + seconds
    while not wanted <= seen.keys() or site.postfix.queued():
        while at < len(site.sink.messages):
            number = batch.check(verifier, site.sink.messages[at].data)
            if number:
                seen[number] = seen.get(number, 0) + 1
            at += 1
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    verifier.close()
    lost = wanted - seen.keys()
    if lost:
        raise AssertionError("lost: %s" % sorted(lost)[:20])
    return sum(seen.values()) - len(seen)


# ------------------------------------------------- Sampul and its processes


class Daemon:
    """sampul-milter as site.process, with limits if need be; stopped at the
    end of the with block, and with it whatever it started."""

    def __init__(self, site, prefix=()):
        self.site, self.prefix = site, list(prefix)

    def __enter__(self):
        start(self.site, self.prefix)
        return self

    def __exit__(self, *_):
        self.site.stop()


def start(site, prefix=()):
    # valgrind makes calls of its own inside of the process: no cage then
    build = harness.BUILD + "-open" if "valgrind" in prefix else harness.BUILD
    site.process = rig.Process(
        "sampul-milter", [*prefix, os.path.join(
            build, "sampul-milter"), "-F", "-c", site.conf_file],
        site.log)
    site.process.wait_for("its socket", site._listens, 60)
    # It is there before the mail process has become its user.
    site.process.wait_for("its users", lambda: not {"root"} &
                          site.children().keys(), 60)


def processes(site):
    return [site.process.pid, *site.children().values()]


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        stat = rig.read("/proc/%d/stat" % pid).rpartition(")")[2].split()
        if stat:
            total += (int(stat[11]) + int(stat[12])) / ticks
    return total


def own_kib(pids):
    """Proportional memory without what is mapped from files: how many other
    programs map the same libraries is not ours to answer for."""
    return sum(int(number) for pid in pids for number in re.findall(
        r"(?m)^Pss_(?:Anon|Shmem):\s+(\d+)",
        rig.read("/proc/%d/smaps_rollup" % pid)))


def alive(pid):
    state = rig.read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def signal_child(site, user, number):
    pid = site.children()[user]
    os.kill(pid, number)
    return pid


def resume(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def one(site, number=1, sender=BUDI, kind=plain, seconds=None):
    """One message through Postfix, once: its reply and how long it took."""
    data = make_message(number, sender, kind)
    begin = time.monotonic()
    reply = harness.submit(site.postfix.submission, sender,
                           ["penerima@example.org"], data, sender,
                           ["BODY=8BITMIME"])
    took = time.monotonic() - begin
    if seconds is not None and took > seconds:
        raise AssertionError("answered after %.1f s, not %s: %s" % (
            took, seconds, reply))
    return reply


def signs(site, sender=BUDI, kind=plain):
    """A message goes through, signed, right and once."""
    number = 1000000 + next(site.serial)
    batch = Batch(0, (sender,))
    batch.mail[number] = make_message(number, sender, kind)
    since = len(site.sink.messages)
    reply = one(site, number, sender, kind)
    harness.equal(reply.code, 250, "reply %r" % (reply.text,))
    harness.equal(check_sink(site, batch, [number], since), 0, "twice")


def recovers(site, seconds, sender=BUDI):
    """Until a message is taken again, a temporary failure each time."""
    end = time.monotonic() + seconds
    begin = time.monotonic()
    while True:
        reply = one(site, sender=sender)
        if reply.code == 250:
            signs(site, sender)
            return time.monotonic() - begin
        if reply.code >= 500 or time.monotonic() > end:
            raise AssertionError("did not recover: %r" % (reply,))
        time.sleep(0.2)
