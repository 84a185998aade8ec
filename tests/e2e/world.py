"""What the tests of both mail servers share: sending, judging what arrived,
clients that go away, a filter that is restarted under load.

A site that is used here has: door (where a message is submitted: its port and
whether to log in), hops (all the next hops) and settle (waits until the mail
server has delivered what it took).
"""
import collections
import concurrent.futures
import os
import re
import signal
import socket
import struct
import time

import harness
from harness import BUDI, contains, equal, submit
import dovecot
import milter
import rig
import sink

Door = collections.namedtuple("Door", "port login")
Sent = collections.namedtuple("Sent", "subject data reply")


class Refuser(sink.Sink):
    """A next hop that wants no mail at all."""

    def _talk(self, conn, lines):
        conn.sendall(b"220 sink ESMTP\r\n")
        for line in lines:
            no = line[:4].upper() in (b"MAIL", b"RCPT")
            conn.sendall(b"550 5.7.1 tidak\r\n" if no else b"250 ok\r\n")


def token(site):
    """Unlike any other, and no other begins with it."""
    return "uji-%d-%dx" % (os.getpid(), next(site.serial))


def post(site, body="x\r\n", *extra, sender=BUDI, to="warga@luar.example",
         door=None, options=("BODY=8BITMIME",), data=None, envelope=None):
    """One message; @SUBJECT@ in data stands for its subject."""
    subject = token(site)
    door = door or site.door
    if data is None:
        data = harness.message(sender, subject, body, *extra, to=to)
    else:
        data = data.replace(b"@SUBJECT@", subject.encode())
    reply = submit(door.port, sender if envelope is None else envelope, [to],
                   data, sender if door.login is True else door.login,
                   options)
    return Sent(subject, data, reply)


def arrived(sent, hop, count=1):
    equal(sent.reply.code, 250, "reply " + sent.reply.text)
    found = hop.find(sent.subject.encode(), count)
    equal(len(found), count, "messages delivered")
    return found[-1].data


def signed(site, sent, address=BUDI, hop=None):
    result = site.verify(arrived(sent, hop or site.hops[0]))
    equal(result.addresses, [address], "addresses of the signer")
    return result


def untouched(sent, data):
    """As it was sent, with nothing but trace fields on top."""
    if not data.endswith(sent.data):
        raise AssertionError("changed on the way:\n%s" % data.decode(
            "utf-8", "replace"))


def nowhere(site, marker):
    site.settle()
    not_delivered(site, marker)


def not_delivered(site, marker):
    equal([m.recipients for hop in site.hops for m in hop.messages
           if marker.encode() in m.data], [], "delivered")


def refused(site, sent, code, *words):
    equal(sent.reply.code // 100, code, "reply " + sent.reply.text)
    for word in words:
        contains(sent.reply.text, word)
    nowhere(site, sent.subject)


def login_of(site):
    return BUDI if site.door.login is True else site.door.login


def field_lines(fields, pattern):
    return [(name, value) for name, value in fields
            if re.match(pattern, name, re.I)]


# ------------------------------------------------------------ odd spellings


SPELLINGS = (
    "X-Rapat:nilai", "X-Satu: nilai", "X-Dua:  nilai", "X-Tab:\tnilai",
    "X-Tab-Dua: \tnilai", "X-Lipat:\r\n nilai", "X-Lipat-Dua: a\r\n\tb\r\n  c",
    "X-Akhir: nilai \t", "X-Kosong:", "X-Spasi: ", "X-Dalam: a  b\t c")
PROTECTED = (
    "Reply-To:  a@luar.example", "Keywords:\tsurat,  dinas",
    "Comments:rapat", "Importance: \ttinggi",
    "Organization: Dinas\r\n\tKesehatan\r\n  Pekalongan")


def spelling_is_kept(site, spellings=SPELLINGS, hop=None):
    """MTA-06: octet for octet, outside and in the protected copies."""
    sent = post(site, "x\r\n", *spellings, *PROTECTED)
    result = signed(site, sent, hop=hop)
    outer = [name.encode() + b":" + value for name, value in result.header]
    for line in spellings + PROTECTED:
        if line.encode() not in outer:
            raise AssertionError("%r is not among %r" % (line, outer))
    inner, _ = harness.split(result.content)
    inner = [name.encode() + b":" + value for name, value in inner]
    for line in PROTECTED:
        if line.encode() not in inner:
            raise AssertionError("%r is not inside: %r" % (line, inner))


REPEATED = (
    "X-Verified-Sender: satu", "X-A: 1",
    "Authentication-Results: mx.luar.example; dkim=pass", "MIME-Version: 1.0",
    "Content-Language: id", "X-Verified-Sender: dua",
    "Authentication-Results: mail.pekalongankab.go.id; smime=pass",
    "X-A: 2", "Content-Language: en",
    "Authentication-Results: mail.pekalongankab.go.id; spf=pass",
    "Content-Language: jv", "X-Verified-Sender: tiga",
    "Authentication-Results: mail.pekalongankab.go.id; smime=fail",
    "X-A: 3", "Content-Description: satu", "Content-Type: text/plain",
    "Content-Description: dua", "X-Verified-Sender: empat")


def repeated_fields(site):
    """MTA-08, MTA-09: what is counted is what the MTA counts."""
    result = signed(site, post(site, "x\r\n", *REPEATED))
    kept = [value.strip() for _, value in field_lines(
        result.header, r"X-A$|Authentication-Results|X-Verified|Content-L|"
        r"Content-D")]
    equal(kept, [b"1", b"mx.luar.example; dkim=pass", b"2",
                 b"mail.pekalongankab.go.id; spf=pass", b"3"], "fields left")
    inside = [value.strip() for _, value in field_lines(
        harness.split(result.content)[0], "Content-[LD]")]
    equal(inside, [b"id", b"en", b"jv", b"satu", b"dua"], "moved inside")


def outside_as_inside(site, hop=None, spaces=True, **how):
    """SIG-54: what is shown is what was signed, compared as delivered;
    without spaces but for how much white space there is."""
    sent = post(site, "x\r\n", "Cc: =?utf-8?Q?Dinas_Keseh=C3=A1tan?=\r\n"
                "\t<dinkes@luar.example>,  lain@luar.example",
                "Reply-To: balas@luar.example", "In-Reply-To: <a@b.example>",
                "References: <a@b.example>\r\n <c@d.example>",
                "Keywords: satu, dua", "Comments: (x) y",
                "List-Id: Rapat <rapat.luar.example>", **how)
    result = signed(site, sent, hop=hop)
    inner = harness.split(result.content)[0]
    names = [name for name, _ in inner if not name.startswith("Content-")]
    for name in ("From", "To", "Cc", "Subject", "Date", "Message-ID",
                 "Reply-To", "References"):
        contains(names, name)
    for name in names:
        equal(raw_values(result.header, name, spaces),
              raw_values(inner, name, spaces), name)


def raw_values(fields, name, spaces):
    return [value if spaces else b" ".join(value.split())
            for field, value in fields if field == name]


# Message, and whether it must be signed. What has no author is nobody's.
BARE = (
    ("nothing", b"", False),
    ("an empty line", b"\r\n", False),
    ("no header", b"\r\nisi\r\n", False),
    ("no empty line", b"From: %s\r\nX-Satu: 1\r\n" % BUDI.encode(), True),
    ("a folded line first", b" lipat\r\nFrom: %s\r\n\r\nx\r\n" %
     BUDI.encode(), False),
    ("no field name", b"bukan field\r\nFrom: %s\r\n\r\nx\r\n" %
     BUDI.encode(), False),
    ("an mbox line", b"From dari@luar.example Sun Nov 22 08:00:00 2026\r\n"
     b"From: %s\r\n\r\nx\r\n" % BUDI.encode(), False),
    ("many fields", b"From: %s\r\n" % BUDI.encode() + b"X-A: 1\r\n" * 900 +
     b"\r\nx\r\n", True),
)


def bare_messages(site):
    """MTA-40: as little of a message as SMTP lets through, and much of it.
    Signed, or refused; the next message is signed in any case."""
    outcomes = []
    for what, data, must in BARE:
        to = "%s@luar.example" % token(site)
        reply = submit(site.door.port, BUDI, [to], data, login_of(site))
        if reply.code == 250:
            found = site.hops[0].find_for(to)
            equal(len(found), 1, what)
            try:
                equal(site.verify(found[0].data).addresses, [BUDI], what)
            except harness.Refused as reason:
                raise AssertionError("%s: %s" % (what, reason)) from reason
        elif must or reply.code // 100 != 5:
            raise AssertionError("%s: %s" % (what, reply))
        outcomes.append("%s %d" % (what, reply.code))
    signed(site, post(site))
    print("# " + ", ".join(outcomes))


def refused_recipient(site, door, bad, good, form):
    """MTA-25: a recipient that the MTA refused is no recipient: the rule is
    chosen by the others. form is that of good's rule."""
    subject = token(site)
    data = harness.message(BUDI, subject, "x\r\n", to=good)
    with harness.smtplib.SMTP("127.0.0.1", door.port,
                              local_hostname="klien.example",
                              timeout=180) as client:
        client.ehlo()
        if login_of(site):
            client.login(BUDI, dovecot.PASSWORD)
        client.mail(BUDI)
        equal([client.rcpt(bad)[0] // 100, client.rcpt(good)[0] // 100,
               client.rcpt(bad)[0] // 100], [5, 2, 5], "recipients")
        code, text = harness._data(client, data)
        equal(code, 250, "reply %r" % text)
    result = signed(site, Sent(subject, data, harness.Reply(250, "")))
    contains(harness.values(result.header, "Content-Type")[0], form)


# ------------------------------------------------------------------ aborts


def _answer(sock):
    """One SMTP reply; b"" when the other side has gone."""
    got = b""
    while not re.search(rb"(?m)^\d{3} [^\n]*\n\Z", got):
        more = sock.recv(4096)
        if not more:
            return got
        got += more
    return got


def dialogue(login, subject, rset=False):
    """What a client says, in the order it says it: [(what, octets, whether
    an answer is awaited)]."""
    data = harness.message(BUDI, subject, "baris\r\n" * 2000)
    out = [("connect", b"", True), ("ehlo", b"EHLO klien.example\r\n", True)]
    if login:
        word = harness.base64.b64encode(("\0%s\0%s" % (
            login, dovecot.PASSWORD)).encode())
        out.append(("auth", b"AUTH PLAIN " + word + b"\r\n", True))
    out += [("mail", b"MAIL FROM:<%s>\r\n" % BUDI.encode(), True),
            ("rcpt", b"RCPT TO:<gagal@luar.example>\r\n", True),
            ("second rcpt", b"RCPT TO:<gagal2@luar.example>\r\n", True)]
    if rset:
        return out
    return out + [("data", b"DATA\r\n", True),
                  ("half a header", data[:60], False),
                  ("half a body", data[60:9000], False),
                  ("no lone dot", data[9000:], False),
                  ("half a dot", b".", False)]


def client_goes_away(site):
    """MTA-10: after each command; by FIN and by RST. Nothing of it is
    delivered, and the next message is signed."""
    subject = token(site)
    said = dialogue(login_of(site), subject)
    for last in range(len(said)):
        for hard in (False, True):
            with socket.create_connection(
                    ("127.0.0.1", site.door.port), timeout=180) as sock:
                for _, octets, awaited in said[:last + 1]:
                    sock.sendall(octets)
                    if awaited:
                        _answer(sock)
                if hard:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
    signed(site, post(site))
    nowhere(site, subject)


def client_begins_again(site):
    """MTA-10: RSET, EHLO and a second MAIL after each command, and then a
    message on the same connection."""
    login = login_of(site)
    said = dialogue(login, "", rset=True)
    for word in (b"RSET\r\n", b"EHLO lain.example\r\n"):
        for last in range(1, len(said)):
            subject = token(site)
            data = harness.message(BUDI, subject, "x\r\n")
            with socket.create_connection(
                    ("127.0.0.1", site.door.port), timeout=180) as sock:
                first = 3 if login else 2       # to be logged in at all
                for _, octets, _ in said[:max(last + 1, first)]:
                    sock.sendall(octets)
                    _answer(sock)
                for octets in (word, b"MAIL FROM:<%s>\r\n" % BUDI.encode(),
                               b"RCPT TO:<warga@luar.example>\r\n",
                               b"DATA\r\n", data + b".\r\n"):
                    sock.sendall(octets)
                    answer = _answer(sock)
                contains(answer, b"250")
            signed(site, Sent(subject, data, harness.Reply(250, "")))


# -------------------------------------------- in the middle of a message


def half_way(site, event, **how):
    """A message during which event() happens, after a part of its body; the
    answer, as a Sent."""
    subject = token(site)
    said = dialogue(login_of(site), subject)
    data = harness.message(BUDI, subject, "baris\r\n" * 2000, **how)
    with socket.create_connection(("127.0.0.1", site.door.port),
                                  timeout=180) as sock:
        for what, octets, awaited in said:
            if what == "half a header":
                break
            sock.sendall(octets)
            if awaited:
                _answer(sock)
        sock.sendall(data[:9000])
        event()
        sock.sendall(data[9000:] + b".\r\n")
        answer = _answer(sock)
    return Sent(subject, data, harness.Reply(
        int(answer[:3] or 421), answer.decode("latin-1")))


def signed_or_kept(site, sent):
    """Whole and signed, or the client keeps it: nothing in between."""
    if sent.reply.code == 250:
        signed(site, sent)
    else:
        refused(site, sent, 4)
    return sent.reply.code


def signs_again(site):
    def signs():
        sent = post(site)
        if sent.reply.code == 250:
            signed(site, sent)
            return True
        equal(sent.reply.code // 100, 4, "reply " + sent.reply.text)
        return False
    rig.wait_until("it signs again", signs, step=0.2)


def _alive(pid):
    state = rig.read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def killed_half_way(site):
    """MTA-50, MTA-16, SIG-60: each process killed, and all of them, while a
    message is on its way."""
    def kill(*users):
        for user in users:
            os.kill(site.children()[user], signal.SIGKILL)

    def kill_all():
        children.extend(site.children().values())
        os.kill(site.process.pid, signal.SIGKILL)
        site.stop()

    codes, children = [], []
    for event in (lambda: kill(rig.SAMPUL_USER),
                  lambda: kill(rig.SAMPUL_KEY_USER),
                  lambda: kill(rig.SAMPUL_KEY_USER, rig.SAMPUL_USER)):
        codes.append(signed_or_kept(site, half_way(site, event)))
        signs_again(site)
    codes.append(signed_or_kept(site, half_way(site, kill_all)))
    # Without a supervisor they end by themselves, and free the socket.
    rig.wait_until("its children end", lambda: not any(map(_alive, children)))
    site.start()
    signs_again(site)
    print("# answers: %s" % codes)


def stopped_half_way(site):
    """MTA-13: SIGTERM while a message is on its way."""
    sent = half_way(site, site.process.popen.terminate)
    print("# answer: %d" % signed_or_kept(site, sent))
    site.stop()
    site.start()
    signs_again(site)


def stopped_in_the_filter(site, where):
    """MTA-13 at the protocol: what the filter has begun it ends."""
    said = milter.steps(BUDI, BUDI, b"baris\r\n" * 9000)
    client = milter.Client(where)
    # An answer at the end of the header tells that the message has begun.
    client.negotiate(milter.STEPS & ~milter.NO_REPLY[b"N"])
    for _, packets in said:
        client.run(packets)
    told = len(site.logged())
    site.process.popen.terminate()
    rig.wait_until("it stops", lambda: "stopping: " in site.logged()[told:])
    edits = [command for command, _ in client.end()]
    equal(edits[-1], b"c", "last word")
    equal(b"b" in edits, True, "body replaced")
    client.close()
    rig.wait_until("it ends", lambda: not site.process.alive())
    site.stop()
    site.start()
    signs_again(site)


def reloaded_half_way(site):
    """MTA-12: a message is finished by the configuration it began with, the
    next one by the new; SIGHUP ends no process."""
    before = site.children()
    rules = site.settings["rules"]

    def reload():
        site.write_conf(rules=[{"name": "off", "sign": "off"}])
        site.reload("reload ok")

    try:
        signed(site, half_way(site, reload))
        sent = post(site)
        untouched(sent, arrived(sent, site.hops[0]))
    finally:
        site.write_conf(rules=rules)
        site.reload("reload ok")
    signed(site, post(site))
    equal(site.children(), before, "processes")


def _descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def filter_is_left(site, where):
    """MTA-10 at the protocol itself: abort, close, quit and nonsense after
    each step; on one connection and on fresh ones. Nothing is left over, and
    nothing of one message reaches the next."""
    pid = site.children()[rig.SAMPUL_USER]
    before = _descriptors(pid)
    said = milter.steps(BUDI, BUDI, b"baris\r\n" * 9000)
    ends = (lambda c: c.send(b"A"), lambda c: c.send(b"Q"),
            lambda c: c.send(b"K"), lambda c: c.send(b"?"),
            lambda c: c.sock.sendall(b"\0\0\0\0"),
            lambda c: c.sock.sendall(b"\xff\xff\xff\xffE"),
            lambda c: c.sock.sendall(b"\0\0\0\x09Lx"),
            lambda c: None)
    for last in range(-1, len(said)):
        for end in ends:
            for hard in (False, True):
                client = milter.Client(where)
                if last >= 0:
                    client.negotiate()
                for _, packets in said[:max(last, 0)]:
                    client.run(packets)
                end(client)
                client.close(hard)
    for offered in milter.STEPS, 0x3f:
        many_on_one_connection(where, said, offered)
    rig.wait_until("every descriptor is closed again",
                   lambda: _descriptors(pid) <= before)
    equal(site.children()[rig.SAMPUL_USER], pid, "the mail process")


def many_on_one_connection(where, said, offered):
    """A login, aborted anywhere, is not the next message's; so too with an
    MTA of old, to which every step is answered (and which knows no K)."""
    client = milter.Client(where)
    client.negotiate(offered)
    client.run(said[0][1])
    for last in range(2, len(said)):
        for word in (b"A", b"K") if offered == milter.STEPS else (b"A",):
            for _, packets in said[1:last]:
                client.run(packets)
            client.send(word)
            if word == b"K":
                client.run(said[0][1])
            # Another message, and nobody logged in: not ours.
            client.run([(b"D", b"M{mail_addr}\0%s\0" % BUDI.encode()),
                        (b"M", b"<%s>\0" % BUDI.encode())])
            for _, packets in said[2:]:
                client.run(packets)
            equal([command for command, _ in client.end()], [b"c"],
                  "answer for a stranger")
            # And the same with a login: signed.
            for _, packets in said[1:]:
                client.run(packets)
            edits = [command for command, _ in client.end()]
            equal(edits[-1], b"c", "last word")
            equal(b"b" in edits, True, "body replaced")
            client.send(b"A")
    client.send(b"Q")
    client.close()


# ------------------------------------------------------------------ restarts


def restarts_under_load(site, count, restarts):
    """MTA-53: the filter ended and started again; senders try again as MTAs
    do. Every message arrives once, and signed."""
    def insist():
        sent = post(site, "Di tengah jalan.\r\n")
        tries = 1
        while sent.reply.code != 250:
            equal(sent.reply.code // 100, 4, "reply " + sent.reply.text)
            time.sleep(0.1)
            tries += 1
            sent = Sent(sent.subject, sent.data, submit(
                site.door.port, BUDI, ["warga@luar.example"], sent.data,
                login_of(site)))
        return sent, tries

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        work = [pool.submit(insist) for _ in range(count)]
        for _ in range(restarts):
            time.sleep(0.4)
            site.stop()
            site.start()
        done = [each.result() for each in work]
    for number, (sent, _) in enumerate(done):
        data = arrived(sent, site.hops[0])
        contains(data, b"multipart/signed")
        if number % 10 == 0:
            signed(site, sent)
    print("# %d messages, %d tries" % (count, sum(t for _, t in done)))
