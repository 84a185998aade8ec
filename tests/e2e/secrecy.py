"""What is kept secret while things go wrong: copies whose processes are killed
at random points, and the text of marked messages looked for in files, logs,
headers, core files and the memory of processes. Run by test_copies.py.

SAMPUL_FULL=1, which make soak sets, does all of it; else a little.
"""
import collections
import os
import random
import re
import resource
import signal
import sys
import threading
import time

import copies
from copies import DOKTER, HAKIM, Letter, PANITERA, SUBMIT_USER, WARGA
import encrypting
import harness
from harness import BUDI, Skip, equal
import rig

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "soak"))

_own = list(harness.TESTS)
import base                                             # noqa: E402
import kills                                            # noqa: E402
import memory                                           # noqa: E402
harness.TESTS[:] = _own         # theirs are for another site

FULL = bool(os.environ.get("SAMPUL_FULL"))
LETTERS, KILLS, OPENED = (500, 60, 100) if FULL else (12, 3, 2)
LARGE = 8000                    # lines: more than spool.memory
SENDERS = 4
NAMES = {rig.SAMPUL_USER: "mail process", rig.SAMPUL_KEY_USER: "key process",
         SUBMIT_USER: "submit process"}


def a_letter(site, lines=1, **changes):
    """For two in the main copy, one with a copy of his own, one refused."""
    made = Letter(site, "each", [HAKIM, WARGA], cc=[DOKTER], bcc=[PANITERA],
                  **changes)
    text = made.secret.encode()
    made.data = made.data.replace(text, b"\r\n".join([text] * lines), 1)
    return made


# ---------------------------------------------------------------------- kills


class Killer:
    """Ends a process by SIGKILL while a copy is on its way: some time after
    a connection to the gate, of each kind of process in turn."""

    def __init__(self, site, keeper, rng, count):
        self.site, self.keeper, self.rng = site, keeper, rng
        self.left = count
        self.lock = threading.Lock()
        self.killed, self.pids, self.order = {}, set(), []
        self.threads = []
        self.relay = site.gate._open
        site.gate._open = self._open

    def _open(self, conn):
        with self.lock:
            due = self.left > 0 and self.rng.random() < (
                0.25 if FULL else 0.5)
            if due:
                self.left -= 1
        if due:
            delay = self.rng.random() ** 2 * 0.2
            thread = threading.Thread(target=self._kill, args=(delay,))
            self.threads.append(thread)
            thread.start()
        self.relay(conn)

    def _kill(self, delay):
        time.sleep(delay)
        with self.lock:
            if not self.order:
                self.order = [*NAMES, *(["supervisor"] if FULL else [])]
                self.rng.shuffle(self.order)
            name = self.order.pop()
            while not kills.kill(self.site, name, self.pids):
                pass
            self.killed[name] = self.killed.get(name, 0) + 1

    def stop(self):
        self.site.gate._open = self.relay
        for thread in self.threads:
            thread.join()


class Retrying(threading.Thread):
    """Sends letters, each again as it was until it is taken."""

    def __init__(self, letters):
        super().__init__(daemon=True)
        self.letters = letters
        self.tries = {}
        self.failure = None

    def run(self):
        try:
            while True:
                try:
                    letter = self.letters.popleft()
                except IndexError:
                    return
                self._send(letter)
        except Exception as reason:     # noqa: BLE001 told to the test
            self.failure = reason

    def _send(self, letter):
        end = time.monotonic() + 300
        for tries in range(1, 10000):
            code = copies._quietly(letter)
            if code == 250:
                self.tries[letter.token] = tries
                return
            if code // 100 != 4 or time.monotonic() > end:
                raise AssertionError("%s: %d" % (letter.token, code))
            time.sleep(0.1)


def arrivals(site, since):
    """{token: {who: [data]}}, the notification's reader being "notice"."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for message in site.sink.messages[since:]:
        token = re.search(rb"<(uji-\d+)@klien", message.data).group(1).decode()
        if b"multipart/report" in message.data:
            equal(message.sender, "", "a notification's sender")
            equal(message.recipients, [BUDI], "a notification's recipients")
            found[token]["notice"].append(message.data)
            continue
        for recipient in message.recipients:
            found[token][recipient].append(message.data)
    return found


EVERYBODY = sorted([HAKIM, DOKTER, PANITERA, "notice"])


def check_arrivals(letters, found, tries):
    """Everybody has his copy, nobody anything in clear; how many have more
    than one, which can only be of a message that was sent more than once, and
    never of the main copy, whose sender heard of it."""
    twice = 0
    for letter in letters:
        got = found[letter.token]
        equal(sorted(got), EVERYBODY, "recipients of " + letter.token)
        for who, several in got.items():
            for data in several:
                for marker in (letter.secret, "perihal-" + letter.token):
                    if marker.encode() in data:
                        raise AssertionError("%s to %s" % (marker, who))
            if len(several) > 1 and (who in (HAKIM, DOKTER) or
                                     tries[letter.token] == 1):
                raise AssertionError("%s: %d for %s, sent %d times" % (
                    letter.token, len(several), who, tries[letter.token]))
            twice += len(several) - 1
    return twice


def kept_secret_when_killed(site):
    """Nothing is lost, nothing in clear; a copy comes twice only where its
    server had taken it and nobody heard of that."""
    site.stop()                 # a keeper starts it
    site.settings["keystore"]["rate_limit"] = 0
    site.write_conf()
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    since = len(site.sink.messages)
    letters = [a_letter(site, LARGE if i % 25 == 24 else 1)
               for i in range(LETTERS)]
    keeper = site.add(kills.Keeper(site))
    keeper.start()
    rig.wait_until("socket", site._listens, 60)
    killer = site.add(Killer(site, keeper, rng, KILLS))
    queue = collections.deque(letters)
    senders = [Retrying(queue) for _ in range(SENDERS)]
    begin = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
        if sender.failure is not None:
            raise sender.failure
    seconds = time.monotonic() - begin
    tries = {token: n for s in senders for token, n in s.tries.items()}
    equal(len(tries), LETTERS, "accepted (seed %d)" % seed)
    rig.wait_until("everybody has his copy", lambda: all(
        sorted(found) == EVERYBODY for found in arrivals(
            site, since).values()) and not site.postfix.queued(), 120, 0.2)
    site.stack.remove(killer)
    killer.stop()
    site.stack.remove(keeper)
    keeper.stop()
    found = arrivals(site, since)
    twice = check_arrivals(letters, found, tries)
    if twice > sum(killer.killed.values()) * SENDERS:
        raise AssertionError("%d twice (seed %d)" % (twice, seed))
    for letter in rng.sample(letters, OPENED):
        for reader in (HAKIM, DOKTER, PANITERA):
            content = encrypting.opened(site, found[letter.token][reader][-1],
                                        site.readers[reader]).content
            harness.contains(content.decode(), letter.secret)
    encrypting.nowhere_of(site, "Isi-rahasia-uji-", "perihal-uji-")
    rig.wait_until("orphans to end", lambda: not any(
        map(base.alive, killer.pids)), 60)
    print("# copies killed: %d messages of two copies and a notification, %s "
          "killed while one was submitted, %d tries answered temporarily, "
          "0 lost, 0 in clear, %d twice, %.0f s" % (
              LETTERS, ", ".join("%s %d" % (NAMES.get(name, name), n)
                                 for name, n in sorted(killer.killed.items())),
              sum(tries.values()) - LETTERS, twice, seconds), flush=True)


# ---------------------------------------------------------------------- text


def in_memory(pid, markers):
    """How often any of them is in a process's memory, and in the files that
    it has open."""
    count = sum(data.count(marker) for data in memory.readable(pid)
                for marker in markers)
    for name in os.listdir("/proc/%d/fd" % pid):
        path = "/proc/%d/fd/%s" % (pid, name)
        try:
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    count += sum(map(file.read().count, markers))
        except OSError:
            pass                # closed meanwhile
    return count


def blind(site):
    """Those that must never have it."""
    return {**{NAMES[user]: pid for user, pid in site.children().items()
               if user in NAMES and user != rig.SAMPUL_USER},
            "supervisor": site.process.pid}


def core_files(site):
    """Where the kernel might put them; their names."""
    pattern = rig.read("/proc/sys/kernel/core_pattern").strip()
    places = {"/", os.getcwd(), site.base}
    if pattern.startswith("/"):
        places.add(os.path.dirname(pattern))
    return {os.path.join(place, name) for place in places
            if os.path.isdir(place) for name in os.listdir(place)
            if re.match(r"core(\.|$)", name) and
            os.path.isfile(os.path.join(place, name))}


def in_sink(site, letter):
    for message in site.sink.messages:
        for marker in (letter.secret, "perihal-" + letter.token):
            if marker.encode() in message.data:
                raise AssertionError("%s to %s" % (marker, message.recipients))


def looked_for(site, letter, interrupted):
    """One letter is sent, and its text is looked for everywhere."""
    markers = [letter.secret.encode(), ("perihal-" + letter.token).encode()]
    if interrupted is not None:
        _interrupt(site, letter, markers, interrupted)
    rig.wait_until("it is taken", lambda: copies._quietly(letter) == 250, 60,
                   0.5)
    rig.wait_until("everybody has his copy", lambda: sorted(
        arrivals(site, 0)[letter.token]) == EVERYBODY and
        not site.postfix.queued())
    in_sink(site, letter)
    encrypting.nowhere_of(site, *(m.decode() for m in markers))
    for name, pid in blind(site).items():
        equal(in_memory(pid, markers), 0, "found in the " + name)
    # libmilter ends its session a moment after the client's
    pid = site.children()[rig.SAMPUL_USER]
    rig.wait_until("the mail process to have forgotten", lambda:
                   in_memory(pid, markers) == 0, 30, 0.2)
    return markers


def _interrupt(site, letter, markers, number):
    """While a copy waits at the gate, the mail process, which has the text
    and shows that the scan can find it, gets that signal."""
    site.gate.mode = "silent"
    sending = threading.Thread(target=copies._quietly, args=(letter,))
    sending.start()
    if not site.gate.waiting.acquire(timeout=60):
        raise AssertionError("no copy was submitted")
    for name, pid in blind(site).items():
        equal(in_memory(pid, markers), 0, "found in the " + name)
    pid = site.children()[rig.SAMPUL_USER]
    if in_memory(pid, markers) == 0:
        raise AssertionError("the scan finds nothing in the mail process")
    os.kill(pid, number)
    site.gate.mode = "open"
    sending.join(60)
    rig.wait_until("the new processes", lambda: set(NAMES) <= set(
        site.children()), 60)


def kept_secret_everywhere(site):
    """Small and larger than what is kept in memory, whole and interrupted: in
    files, logs, what left, core files; in the memory of all processes."""
    if "-address" in harness.BUILD or "-thread" in harness.BUILD:
        raise Skip("a sanitizer's shadow of the memory is too large to read")
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    before = core_files(site)
    site.stop()
    site.start()
    seen = 0
    for interrupted in (None, signal.SIGKILL, signal.SIGABRT)[
            :3 if FULL else 2]:
        for lines in (1, LARGE) if FULL else (LARGE,):
            for extra in ((), (("Sifat", "Rahasia"),))[:2 if FULL else 1]:
                looked_for(site, a_letter(site, lines, extra=extra),
                           interrupted)
                seen += 1
    equal(core_files(site), before, "core files")
    print("# text looked for: %d messages, most of them with the mail process "
          "killed while a copy was submitted: in no file, log, header or core "
          "file, never in the memory of supervisor, key or submit process, "
          "nor in that of the mail process after its session" % seen,
          flush=True)


ALL = (kept_secret_when_killed, kept_secret_everywhere)
