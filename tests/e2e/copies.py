"""What the tests of separate copies share: a message for readers of every kind,
who got what of it and could read it, and a gate before the port for copies, at
which things go wrong."""
import email
import email.policy
import hashlib
import os
import re
import signal
import socket
import threading

import encrypting
import harness
from harness import BUDI, SITI, contains, equal, openssl
import rig
import sink

HAKIM = "hakim@pengadilan.example"          # a partner, RSA
PANITERA = "panitera@pengadilan.example"    # likewise
DOKTER = "dokter@rsud.example"              # EC
PERAWAT = "perawat@rsud.example"            # likewise
WARGA = "warga@luar.example"                # no certificate
LURAH = "lurah@luar.example"                # likewise
SUBMIT_USER = "proxy"

OWN = {"hidden_recipients": "own-copy"}
EACH = {"without_certificate": "refuse-each"}
CLEAR = {"without_certificate": "clear-copy"}
REQUIRED = {"encrypt": "required"}
BRANCHES = {
    "own": {**REQUIRED, **OWN},
    "each": {**REQUIRED, **OWN, **EACH},
    "split": {**REQUIRED, **OWN, **EACH, "split_by_key": True},
    "clear": {"encrypt": "if-possible", **OWN, **CLEAR},
    "stay": {**REQUIRED},
}


class Gate(sink.Listener):
    """Stands before the port that copies are submitted to, and lets through,
    or not: "open", "closed", "refuse", "large", "no_relay", "later",
    "silent". After so many messages (passes) it turns from open to silent."""

    def __init__(self, port):
        self.behind = port
        self.mode = "open"
        self.passes = None
        self.waiting = threading.Semaphore(0)   # silent connections
        self.hung_up = threading.Event()
        super().__init__()

    def _session(self, conn):
        with conn:
            if self.passes is not None:
                self.passes -= 1
                if self.passes < 0:
                    self.passes, self.mode = None, "silent"
            try:
                getattr(self, "_" + self.mode)(conn)
            except OSError:
                pass

    def _closed(self, conn):
        pass

    def _talk(self, conn, at_rcpt, at_mail=b"250 ok\r\n"):
        replies = {b"RCPT": at_rcpt, b"MAIL": at_mail}
        conn.sendall(b"220 gate\r\n")
        with conn.makefile("rb") as lines:
            for line in lines:
                conn.sendall(replies.get(line[:4].upper(), b"250 ok\r\n"))

    def _refuse(self, conn):
        self._talk(conn, b"550 5.1.1 no such user\r\n")

    def _large(self, conn):
        self._talk(conn, b"250 ok\r\n", at_mail=b"552 5.3.4 too big\r\n")

    def _no_relay(self, conn):
        self._talk(conn, b"554 5.7.1 relay access denied\r\n")

    def _later(self, conn):
        self._talk(conn, b"450 4.2.0 not now\r\n")

    def _silent(self, conn):
        conn.sendall(b"220 gate\r\n")
        self.hung_up.clear()
        self.waiting.release()
        self.hung_up.wait(60)

    def _open(self, conn):
        with socket.create_connection(("127.0.0.1", self.behind)) as there:
            back = threading.Thread(target=_pipe, args=(there, conn),
                                    daemon=True)
            back.start()
            _pipe(conn, there)
            back.join()


def _pipe(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


# ------------------------------------------------------------------- set-up


def rules():
    return [{"name": name, "headers": [{"name": "X-Uji", "pattern": name}],
             **settings} for name, settings in BRANCHES.items()]


def setup(site):
    """All but the mail server, which use_port then names."""
    site.init()
    site.enrol(BUDI)
    site.readers = {}
    rig.make_directory(site.path("partners"))
    for address, kind in ((HAKIM, "rsa2048"), (PANITERA, "rsa2048"),
                          (DOKTER, "p256"), (PERAWAT, "p256"),
                          (SITI, "p256"), (BUDI, "p256")):
        made = site.certificate(address, kind, "encryption")
        site.readers[address] = made
        rig.make_directory(site.path("partners", address))
        rig.write(site.path("partners", address, "cert.pem"),
                  rig.read(os.path.join(made, "cert.pem")))
    rig.make_directory(site.path("crl"))
    for name in ("root", "issuing"):
        rig.write(site.path("crl", name + ".pem"), rig.read(
            os.path.join(site.pki, name + ".crl.pem")))
    site.settings["milter"]["max_recipients"] = 20
    site.write_conf(
        rules=rules(),
        verify={"enabled": True, "crl_dir": site.path("crl")},
        encryption={"partners_dir": site.path("partners"),
                    "labels": ["Rahasia"]})


def use_port(site, port):
    """Copies go there, by a gate that is open."""
    site.gate = site.add(Gate(port))
    site.write_conf(submit={"server": "127.0.0.1:%d" % site.gate.port,
                            "user": SUBMIT_USER, "timeout": "20s"})


ATTACHED = bytes(range(256)) * 40


class Letter:
    """A message with an attachment; sent, and sent again as it was."""

    def __init__(self, site, branch, to, cc=(), bcc=(), extra=(),
                 options=(), sender=BUDI):
        self.site = site
        self.to, self.cc, self.bcc = list(to), list(cc), list(bcc)
        self.options = options
        self.sender = sender
        self.token = "uji-%d" % next(site.serial)
        self.secret = encrypting.SECRET % self.token
        letter = email.message.EmailMessage(
            policy=email.policy.SMTPUTF8 if options else email.policy.SMTP)
        letter["From"] = BUDI
        if self.to:
            letter["To"] = ", ".join(self.to)
        if self.cc:
            letter["Cc"] = ", ".join(self.cc)
        letter["Subject"] = "perihal-" + self.token
        letter["Date"] = "Thu, 26 Nov 2026 08:00:00 +0700"
        letter["Message-ID"] = "<%s@klien.example>" % self.token
        letter["X-Uji"] = branch
        for name, value in extra:
            letter[name] = value
        letter.set_content(self.secret + "\n")
        letter.add_attachment(ATTACHED, maintype="application",
                              subtype="octet-stream", filename="a.bin")
        self.data = letter.as_bytes()

    def send(self):
        return self.site.submit([*self.to, *self.cc, *self.bcc], self.data,
                                options=self.options, sender=self.sender)

    def taken(self):
        reply = self.send()
        equal(reply.code, 250, "reply " + reply.text)
        return self

    def refused(self, *words, code=5):
        reply = self.send()
        equal(reply.code // 100, code, "reply " + reply.text)
        for word in words:
            contains(reply.text, word)
        return self


# ----------------------------------------------------------------- looking


def by_recipient(site, letter):
    """{recipient: [data of what he got]}, without notifications."""
    found = {}
    for message in site.sink.messages:
        if ("<%s@klien" % letter.token).encode() in message.data and \
                message.sender != "":
            for recipient in message.recipients:
                found.setdefault(recipient, []).append(message.data)
    return found


def infos(site, data):
    """How many can open it."""
    path = site.path("scratch", "infos")
    with open(path, "wb") as file:
        file.write(data)
    text = openssl("cms", "-cmsout", "-print", "-noout", "-in", path)
    return len(re.findall(rb"d\.k[ta]ri:", text))


def expect_content(letter, content):
    got = email.message_from_bytes(content, policy=email.policy.default)
    attached = [part.get_payload(decode=True) for part in got.walk()
                if part.get_filename() == "a.bin"]
    equal([hashlib.sha256(a).digest() for a in attached],
          [hashlib.sha256(ATTACHED).digest()], "the attachment")
    contains(content.decode(), letter.secret)
    equal(got["Subject"], "perihal-" + letter.token, "the signed Subject")


def expect(site, letter, sealed, clear=(), nobody=()):
    """sealed: a list of (recipients, other readers), each one envelope; clear:
    of recipients, each one message in clear; nobody gets it."""
    wanted = [r for group, _ in sealed for r in group] + \
        [r for group in clear for r in group]
    rig.wait_until("everybody has it", lambda: set(wanted) <= set(
        by_recipient(site, letter)))
    found = by_recipient(site, letter)
    equal(sorted(found), sorted(wanted), "recipients")
    for recipient, got in found.items():
        equal(len(got), 1, "messages to " + recipient)
    for group, others in sealed:
        _expect_sealed(site, letter, found, group, others)
    for group in clear:
        for recipient in group:
            data = found[recipient][0]
            expect_content(letter, site.verify(data).content)
            _expect_secrecy(letter, data, group)
    for recipient in nobody:
        equal(recipient in found, False, recipient + " has it")


def _expect_sealed(site, letter, found, group, others):
    data = found[group[0]][0]
    fields, _ = harness.split(data)
    contains(harness.values(fields, "Content-Type")[0],
             "smime-type=enveloped-data")
    equal(harness.values(fields, "Subject"), ["[...]"], "Subject outside")
    equal(infos(site, data), len(group) + len(others), "RecipientInfos")
    for reader in (*group, *others):
        content = encrypting.opened(site, data, site.readers[reader]).content
        expect_content(letter, content)
        _expect_secrecy(letter, content, group)
    for recipient in group:
        _expect_secrecy(letter, found[recipient][0], group)
    if letter.secret.encode() in data or b"perihal-" in data:
        raise AssertionError("in clear")


def _expect_secrecy(letter, data, group):
    """Of the hidden ones only he whose copy it is is named in it."""
    for hidden in letter.bcc:
        if hidden not in group and hidden.encode() in data:
            raise AssertionError("%s is named to %s" % (hidden, group))


def expect_untouched(site, letter, recipients):
    """Observing: as it came, to everybody, and what would be is told."""
    rig.wait_until("everybody has it", lambda: set(recipients) <= set(
        by_recipient(site, letter)))
    for got in by_recipient(site, letter).values():
        contains(got[0].decode(), letter.secret)
        fields, _ = harness.split(got[0])
        report = harness.values(fields, "X-Sampul-Report")[0]
        contains(report, "copies=2")
        contains(report, "refused=1")


def notice(site, letter, *refused):
    """The one notification that the sender got, about exactly these."""
    marker = (letter.token + "@klien").encode()

    def found():
        return [m for m in site.sink.messages if m.sender == "" and
                m.recipients == [letter.sender] and marker in m.data]
    rig.wait_until("the notification", found)
    equal(len(found()), 1, "notifications")
    told = email.message_from_bytes(found()[0].data,
                                    policy=email.policy.default)
    equal(told.get_content_type(), "multipart/report", "its type")
    status = [part for part in told.walk()
              if part.get_content_type() == "message/delivery-status"][0]
    blocks = status.get_payload()[1:]
    equal(sorted(b["Final-Recipient"].split(";")[1].strip() for b in blocks),
          sorted(refused), "Final-Recipient")
    for block in blocks:
        equal(block["Action"], "failed", "Action")
        equal(block["Status"][:2], "5.", "Status")
    for part in (letter.secret, "perihal-" + letter.token):
        if part.encode() in found()[0].data:
            raise AssertionError("the notification tells " + part)


# ---------------------------------------------------------------- the tests


def own_copies(site):
    letter = Letter(site, "own", [HAKIM], cc=[DOKTER],
                    bcc=[PANITERA, PERAWAT]).taken()
    expect(site, letter, [([HAKIM, DOKTER], [BUDI]), ([PANITERA], []),
                          ([PERAWAT], [])])
    contains(site.logged(), "readers=3 copies=3")


def hidden_alone(site):
    """ENC-14; two who are all hidden, and one."""
    letter = Letter(site, "own", [], bcc=[PANITERA, PERAWAT]).taken()
    expect(site, letter, [([PANITERA], [BUDI]), ([PERAWAT], [])])
    letter = Letter(site, "own", [], bcc=[PANITERA]).taken()
    expect(site, letter, [([PANITERA], [BUDI])])
    Letter(site, "stay", [HAKIM], bcc=[PANITERA]).refused("Bcc", PANITERA)


def refused_each(site):
    letter = Letter(site, "each", [HAKIM, WARGA], cc=[SITI],
                    bcc=[LURAH, PERAWAT]).taken()
    expect(site, letter, [([HAKIM, SITI], [BUDI]), ([PERAWAT], [])],
           nobody=[WARGA, LURAH])
    notice(site, letter, WARGA, LURAH)
    contains(site.logged(), "copies=2 refused=2")
    letter = Letter(site, "each", [WARGA], cc=[LURAH]).refused(WARGA, LURAH)
    expect(site, letter, [])


def clear_copies(site):
    letter = Letter(site, "clear", [HAKIM, WARGA], cc=[DOKTER],
                    bcc=[LURAH, PERAWAT]).taken()
    expect(site, letter, [([HAKIM, DOKTER], [BUDI]), ([PERAWAT], [])],
           [[WARGA], [LURAH]])
    letter = Letter(site, "clear", [WARGA], bcc=[LURAH]).taken()
    expect(site, letter, [], [[WARGA, LURAH]])
    letter = Letter(site, "clear", [HAKIM, WARGA],
                    extra=[("Sifat", "Rahasia")]).refused(WARGA)
    expect(site, letter, [])


def split_by_key(site):
    letter = Letter(site, "split", [HAKIM, DOKTER], cc=[PANITERA, SITI],
                    bcc=[PERAWAT]).taken()
    expect(site, letter, [([HAKIM, PANITERA], []),
                          ([DOKTER, SITI], [BUDI]), ([PERAWAT], [])])


def odd_recipients(site):
    """Twice, with a plus, quoted: each gets what he is named for."""
    quoted = '"w arga"@luar.example'
    letter = Letter(site, "clear", [HAKIM, "warga+a@luar.example"],
                    bcc=[quoted, "lurah+b@luar.example",
                         "lurah+b@luar.example"]).taken()
    expect(site, letter, [([HAKIM], [BUDI])],
           [["warga+a@luar.example"], [quoted], ["lurah+b@luar.example"]])


def too_many(site):
    """Over milter.max_recipients the rest is not known."""
    many = ["r%d@luar.example" % i for i in range(20)]
    for branch, code in (("each", 5), ("clear", 2)):
        letter = Letter(site, branch, [HAKIM, *many])
        equal(letter.send().code // 100, code, branch)
        expect(site, letter, [], [[HAKIM, *many]] if code == 2 else [])


def null_sender(site):
    """Nobody could be told: all or nothing."""
    letter = Letter(site, "each", [HAKIM, WARGA], sender="<>")
    letter.refused(WARGA)
    letter = Letter(site, "own", [HAKIM], bcc=[PANITERA], sender="<>")
    letter.taken()
    site.sink.find_for(PANITERA)
    rig.wait_until("both have it", lambda: len([
        m for m in site.sink.messages
        if (letter.token + "@klien").encode() in m.data]) == 2)


def not_taken(site):
    """Nothing leaves while one copy does not, and then everybody has it
    once."""
    for mode, words, code, why in (
            ("closed", (), 4, "copy-not-taken"),
            ("refuse", (PANITERA, "Check that address"), 5, "copy-refused"),
            ("large", (PANITERA, "is too large"), 5, "copy-too-large"),
            ("no_relay", (PANITERA,), 4, "copy-not-taken"),
            ("later", (PANITERA,), 4, "copy-not-taken")):
        site.gate.mode = mode
        at = len(site.logged())
        letter = Letter(site, "each", [HAKIM, WARGA], bcc=[PANITERA])
        letter.refused(*words, code=code)
        contains(site.logged()[at:], "why=" + why)
        equal(by_recipient(site, letter), {}, "delivered")
        site.gate.mode = "open"
        letter.taken()
        expect(site, letter, [([HAKIM], [BUDI]), ([PANITERA], [])])
        notice(site, letter, WARGA)
        encrypting.nowhere_of(site, letter.secret, "perihal-" + letter.token)


def _second_not_taken(site, victim):
    """Between two copies; who has his does not get it again, also after a
    process was killed."""
    letter = Letter(site, "each", [HAKIM, WARGA], bcc=[PANITERA, PERAWAT])
    site.gate.passes = 1
    replies = []
    sending = threading.Thread(target=lambda: replies.append(
        _quietly(letter)))
    sending.start()
    if not site.gate.waiting.acquire(timeout=60):
        raise AssertionError("the second copy was not submitted")
    if victim is not None:
        os.kill(site.children()[victim], signal.SIGKILL)
    site.gate.hung_up.set()
    sending.join(120)
    equal(replies[0] // 100, 4, "reply")
    site.gate.mode = "open"
    rig.wait_until("it is taken", lambda: _quietly(letter) == 250, 60, 0.2)
    expect(site, letter, [([HAKIM], [BUDI]), ([PANITERA], []),
                          ([PERAWAT], [])])
    notice(site, letter, WARGA)


def second_not_taken(site):
    _second_not_taken(site, None)


def submit_process_killed(site):
    _second_not_taken(site, SUBMIT_USER)


def mail_process_killed(site):
    _second_not_taken(site, rig.SAMPUL_USER)


def _quietly(letter):
    try:
        return letter.send().code
    except OSError:
        return 421


ALL = (own_copies, hidden_alone, refused_each, clear_copies, split_by_key,
       odd_recipients, null_sender, too_many, not_taken, second_not_taken)
