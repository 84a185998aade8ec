"""Postfix and the world around it: what odd clients, filters before and after
Sampul, next hops and the queue's own mail do to what is signed."""
import os
import re
import subprocess
import threading
import time

import harness
from harness import (BUDI, NOBODY, SEKRETARIAT, SITI, contains, equal,
                     message, submit, test)
import opendkim
import postfix
import rig
import sink
import world
from world import (Door, arrived, nowhere, post, refused, signed, token,
                   untouched)

RULES = [
    {"name": "opaque", "to": ["@buram.example"], "form": "opaque"},
    {"name": "off", "to": ["@mati.example"], "sign": "off"},
]
ORIGINS = [
    {"name": "login", "kind": "login"},
    {"name": "local", "kind": "local", "daemons": ["LOKAL"],
     "from": [BUDI, SEKRETARIAT]},
    # As an administrator may have it who gives no name to pickup's cleanup:
    # bounces meet this origin.
    {"name": "internal", "kind": "local",
     "daemons": ["mail.pekalongankab.go.id"], "from": [SEKRETARIAT]},
]
# Login: Postfix's submission service, with more options.
# A next hop behind smtp_generic_maps.
GENERIC = """\
generik unix - - n - - smtp
  -o {{ smtp_generic_maps = inline:{{ {{ %s = umum@pekalongankab.go.id }} }} }}
""" % BUDI
LISTENER = """\
127.0.0.1:{port} inet n - {chroot} - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,permit_mynetworks,reject
  -o milter_macro_daemon_name={name}
"""
CLEANUP = """\
kecil unix n - n - 0 cleanup
  -o message_size_limit=200000
"""
NAMES = ("chroot", "filtered", "closed", "dkim", "check", "macros", "small",
         "inet", "choosy")

MAIN = """\
non_smtpd_milters = {milter}
internal_mail_filter_classes = bounce
canonical_maps = inline:{{ {{ lama@dinkes.pekalongankab.go.id = %s }} }}
header_checks = regexp:{base}/header_checks
mime_header_checks = regexp:{base}/mime_checks
body_checks = regexp:{base}/body_checks
maximal_queue_lifetime = 1d
""" % BUDI

HEADER_CHECKS = r"""
/^Subject: ganti (.*)$/	REPLACE Subject: $1
/^X-Buang:/	IGNORE
/^X-Depan:/	PREPEND X-Sisipan: ya
/^X-Tahan:/	HOLD
/^X-Peringatan:/	WARN
"""


def listeners(site, milter):
    """master.cf's further lines; their ports become site.NAME."""
    ports = rig.free_ports(len(NAMES))
    for name, port in zip(NAMES, ports):
        setattr(site, name, Door(port, True))
    site.check = Door(site.check.port, None)
    site.closed = Door(site.closed.port, None)
    options = {
        "chroot": ["smtpd_milters=unix:/sampul/milter.sock"],
        "filtered": ["smtpd_milters=" + milter,
                     "content_filter=smtp:[127.0.0.1]:%d" % site.filter.port],
        "closed": ["smtpd_milters=" + milter,
                   "receive_override_options=no_milters"],
        "dkim": ["smtpd_milters=%s,inet:127.0.0.1:%d" % (
            milter, site.signer.port)],
        "check": ["smtpd_milters=inet:127.0.0.1:%d,%s" % (
            site.verifier.port, milter)],
        "macros": ["smtpd_milters=" + milter, "milter_connect_macros=",
                   "milter_mail_macros="],
        "small": ["smtpd_milters=" + milter, "message_size_limit=200000",
                  "cleanup_service_name=kecil"],
        "choosy": ["smtpd_milters=" + milter,
                   "{ smtpd_recipient_restrictions = check_recipient_access "
                   "inline:{ {tak-ada@luar.example = reject}, "
                   "{tak-ada@buram.example = reject} } }"],
        "inet": ["smtpd_milters=inet:127.0.0.1:%d" % site.relay.port],
    }
    out = CLEANUP + GENERIC.format()
    for name, port in zip(NAMES, ports):
        daemon = "SUBMISSION" if name != "check" else "MX"
        out += LISTENER.format(port=port, name=daemon,
                               chroot="y" if name == "chroot" else "n")
        out += "".join("  -o %s\n" % option for option in options[name])
    return out


class PortToSocket:
    """Carries octets from a port of 127.0.0.1 to a Unix socket, so that one
    Sampul is reached both ways."""

    def __init__(self, path):
        self.path = path
        self.listener = harness.socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = harness.socket.socket(harness.socket.AF_UNIX)
            far.connect(self.path)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other),
                                 daemon=True).start()

    @staticmethod
    def _carry(one, other):
        try:
            while True:
                data = one.recv(65536)
                if not data:
                    break
                other.sendall(data)
            other.shutdown(harness.socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()


def setup(site):
    queue = rig.make_directory(site.path("postfix", "queue"))
    # INSTALL, step 7: install -d -o sampul -g postfix -m 0750
    rig.make_directory(os.path.join(queue, "sampul"), 0o750,
                       rig.SAMPUL_USER, rig.MTA_GROUP)
    site.socket = os.path.join(queue, "sampul", "milter.sock")
    site.settings["milter"]["socket"] = "unix:" + site.socket
    site.settings["keystore"]["rate_limit"] = 0
    site.init()
    for address, kind in ((BUDI, "p256"), (SITI, "rsa2048"),
                          (SEKRETARIAT, "p384")):
        site.enrol(address, kind)
    rig.write(site.path("logins"), "%s %s, %s\n" % (BUDI, BUDI, SITI))
    site.write_conf(origins=ORIGINS, rules=RULES,
                    login_map=site.path("logins"))
    site.start()
    site.full = site.add(sink.Sink())
    site.old = site.add(sink.Sink(eightbit=False, utf8=False))
    site.filter = site.add(sink.Sink())
    site.refuser = site.add(world.Refuser())
    site.hops = [site.full, site.old]
    site.relay = site.add(PortToSocket(site.socket))
    site.signer = site.add(opendkim.OpenDkim(site.path("dkim"), "s"))
    site.verifier = site.add(opendkim.OpenDkim(site.path("dkim"), "v"))
    for name, text in (("header_checks", HEADER_CHECKS),
                       ("mime_checks", "/^X-Bagian:/ IGNORE\n"),
                       ("body_checks", "/^kata-buruk$/ REPLACE kata-baik\n")):
        rig.write(site.path("postfix", name), text)
    milter = "unix:" + site.socket
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.full.port, milter=milter,
        routes={"lama.example": site.old.port,
                "tolak.example": site.refuser.port,
                "generik.example": "generik:[127.0.0.1]:%d" % site.full.port},
        extra=MAIN.format(milter=milter, base=site.path("postfix")),
        master=listeners(site, milter)))
    site.door = Door(site.postfix.submission, True)
    site.settle = lambda: queue_empties(site)


def queue_empties(site):
    rig.wait_until("the queue is empty",
                   lambda: not site.postfix.queued())


# ----------------------------------------------------- header and envelope


@test
def spelling_of_fields_is_kept_mta06(site):
    world.spelling_is_kept(site)


@test
def repeated_fields_mta08_mta09(site):
    world.repeated_fields(site)


@test
def macros_are_asked_for_mta21(site):
    """Whatever main.cf sends; and the queue id is known in the end
    (MTA-20)."""
    before = len(site.logged())
    sent = post(site, door=site.macros)
    signed(site, sent)
    queue_id = re.search(rb"ESMTPS?A?\s+id (\w+)", arrived(
        sent, site.full)).group(1).decode()
    site.process.wait_for("its log line", lambda: re.search(
        r"\b%s: .*result=sign" % queue_id, site.logged()[before:]))


@test
def many_messages_of_one_connection(site):
    """MTA-10: signed, refused, left alone and broken off, in turns; a login
    that owns two addresses."""
    with harness.smtplib.SMTP("127.0.0.1", site.door.port,
                              local_hostname="klien.example",
                              timeout=180) as client:
        client.ehlo()
        client.login(BUDI, harness.dovecot.PASSWORD)
        expected = {}
        for number in range(120):
            sender, to, code = (
                (BUDI, "warga@luar.example", 250),
                (SITI, "warga@buram.example", 250),
                (SEKRETARIAT, "warga@luar.example", 550),
                (BUDI, "warga@mati.example", 250))[number % 4]
            client.mail(sender)
            client.rcpt(to)
            if number % 7 == 0:
                client.rset()
                client.mail(sender)
                client.rcpt(to)
            subject = token(site)
            got, text = harness._data(client, message(
                sender, subject, "x\r\n" * number, to=to))
            equal(got, code, "reply %r" % text)
            expected[subject] = (sender, to, code)
    check_many(site, expected)


def check_many(site, expected):
    for number, (subject, (sender, to, code)) in enumerate(expected.items()):
        if code != 250:
            continue
        data = site.full.find(subject.encode())[0].data
        if "mati" in to:
            equal(b"multipart/signed" in data, False, "signed")
        else:
            contains(data, b"multipart/signed" if "luar" in to
                     else b"smime-type=signed-data")
            if number % 10 < 2:
                equal(site.verify(data).addresses, [sender], "signer")
    equal([s for s, (_, _, code) in expected.items() if code != 250 and
           site.full.find(s.encode(), 0)], [], "refused but delivered")


@test
def envelope_forms_mta23(site):
    """With brackets by smtpd, without by cleanup; quoted; a source route."""
    for to in ("warga@buram.example", '"a b"@buram.example',
               "WARGA@BURAM.EXAMPLE"):
        result = signed(site, post(site, to=to))
        contains(harness.values(result.header, "Content-Type")[0],
                 "pkcs7-mime")
    sent = world.Sent(token(site), b"", harness.Reply(250, ""))
    site.postfix.sendmail(BUDI, ["warga@buram.example"], message(
        BUDI, sent.subject, "x\r\n"))
    contains(harness.values(signed(site, sent).header, "Content-Type")[0],
             "pkcs7-mime")


@test
def null_sender_mta23(site):
    """A login must still be the author; a read receipt is signed like any
    mail unless a rule speaks of it."""
    signed(site, post(site, envelope=""))
    refused(site, post(site, sender=SEKRETARIAT, envelope="",
                       door=Door(site.door.port, BUDI)), 5)


@test
def refused_recipients_mta25(site):
    world.refused_recipient(site, site.choosy, "tak-ada@buram.example",
                            "warga@luar.example", "multipart/signed")
    world.refused_recipient(site, site.choosy, "tak-ada@luar.example",
                            "warga@buram.example", "pkcs7-mime")


@test
def outside_as_inside_sig54(site):
    world.outside_as_inside(site)
    world.outside_as_inside(site, site.old, to="w@lama.example")


@test
def generic_maps_come_after_sig54(site):
    """What INSTALL warns of: smtp(8) rewrites the outer From alone."""
    sent = post(site, to="w@generik.example")
    result = signed(site, sent)
    equal(harness.values(result.header, "From"),
          ["umum@pekalongankab.go.id"], "From")
    equal(harness.values(harness.split(result.content)[0], "From"), [BUDI],
          "From inside")


@test
def bare_messages_mta40(site):
    world.bare_messages(site)


# ------------------------------------------------- not by SMTP, and bounces


@test
def sendmail_is_signed(site):
    """sendmail(1), with and without -t; Bcc is gone before (MTA-38)."""
    sent = world.Sent(token(site), b"", harness.Reply(250, ""))
    data = message(BUDI, sent.subject, "x\r\n", "Bcc: rahasia@luar.example")
    result = site.postfix.sendmail(BUDI, ["-t"], data)
    equal(result.stderr, b"", "sendmail -t")
    delivered = site.full.find(sent.subject.encode(), 1)
    for each in delivered:
        equal(b"rahasia" in each.data, False, "Bcc is told")
    signed(site, sent)


@test
def refused_sendmail_comes_back_mta24(site):
    """A refusal at the end of the message becomes a bounce: nothing is stuck
    in maildrop, nothing leaves."""
    subject = token(site)
    site.postfix.sendmail(BUDI, ["warga@luar.example"], message(
        NOBODY, subject, "x\r\n"))
    bounce = site.full.find_for(BUDI, len(site.full.find_for(BUDI, 0)) + 1)[-1]
    equal(bounce.sender, "", "sender of the bounce")
    contains(bounce.data, subject.encode())
    contains(bounce.data, b"multipart/report")
    equal([m for m in site.full.messages if subject.encode() in m.data and
           BUDI not in m.recipients], [], "delivered")
    equal(os.listdir(site.path("postfix", "queue", "maildrop")), [],
          "maildrop")
    queue_empties(site)


@test
def bounces_pass_mta27(site):
    """Postfix's own: filtered here, from an origin that may not write as
    MAILER-DAEMON. Never refused, never signed, not changed."""
    sent = post(site, to="warga@tolak.example")
    equal(sent.reply.code, 250, sent.reply.text)
    found = site.full.find(sent.subject.encode())
    equal([(m.sender, m.recipients) for m in found], [("", [BUDI])], "bounce")
    contains(found[0].data, b"<MAILER-DAEMON@")
    equal(harness.parse(found[0].data).get_content_type(),
          "multipart/report", "type")
    queue_empties(site)


# ------------------------------------------------------------------ aborts


@test
def client_goes_away_mta10(site):
    world.client_goes_away(site)


@test
def client_begins_again_mta10(site):
    world.client_begins_again(site)


@test
def filter_is_left_mta10(site):
    world.filter_is_left(site, site.socket)


@test
def killed_half_way_mta50(site):
    world.killed_half_way(site)
    queue_empties(site)


@test
def stopped_half_way_mta13(site):
    world.stopped_half_way(site)
    world.stopped_in_the_filter(site, site.socket)


@test
def reloaded_half_way_mta12(site):
    world.reloaded_half_way(site)


@test
def fifty_sessions_mta11(site):
    """At once, several messages each; under the thread sanitizer with "make
    check SANITIZE=thread"."""
    files = [harness._write(site.path("scratch", "lima-%d.eml" % number),
                            message(BUDI, "lima-%d" % number, body))
             for number, body in enumerate(("x\r\n", eight_bit(2000),
                                            "y" * 4000 + "\r\n"))]
    result = subprocess.run(
        [os.path.join(harness.BUILD, "bench", "load"), "-c", "50", "-m", "6",
         "-x", "-l", BUDI, "unix:" + site.socket, *files],
        capture_output=True, check=False, timeout=300)
    said = result.stdout.decode()
    for word in ("messages=300", "accepted=300", "signed=300"):
        contains(said.split(), word)


@test
def sample_main_cf_mta50(site):
    """What conf/postfix.cf tells Postfix to do without Sampul: to wait."""
    folder = rig.make_directory(site.path("sample"))
    rig.write(os.path.join(folder, "main.cf"), rig.read(
        os.path.join(rig.ROOT, "conf", "postfix.cf")))
    rig.write(os.path.join(folder, "master.cf"), "")
    result = subprocess.run(
        [os.path.join(postfix.TREE, "usr/sbin/postconf"), "-c", folder, "-h",
         "milter_default_action", "milter_protocol", "smtpd_milters"],
        capture_output=True, check=False, env=site.postfix._environment(),
        timeout=180)
    equal(result.stdout.decode().split(),
          ["tempfail", "6", "unix:/run/sampul/milter.sock"],
          result.stderr.decode())


@test
def pipelined_and_by_bdat(site):
    """The whole dialogue in one piece; BDAT in three."""
    for chunked in (False, True):
        sent = world.Sent(token(site), b"", harness.Reply(250, ""))
        data = message(BUDI, sent.subject, "satu\r\ndua\r\n" * 500)
        third = len(data) // 3
        body = b"DATA\r\n" + data + b".\r\n" if not chunked else b"".join(
            b"BDAT %d%s\r\n" % (len(part), last) + part
            for part, last in ((data[:third], b""),
                               (data[third:2 * third], b""),
                               (data[2 * third:], b" LAST")))
        said = world.dialogue(BUDI, "", rset=True)
        with harness.socket.create_connection(
                ("127.0.0.1", site.door.port), timeout=180) as sock:
            for _, octets, _ in said[:3]:
                sock.sendall(octets)
                world._answer(sock)
            sock.sendall(b"MAIL FROM:<%s>\r\nRCPT TO:<warga@luar.example>"
                         b"\r\n" % BUDI.encode() + body + b"QUIT\r\n")
            while sock.recv(4096):
                pass
        signed(site, sent)


# ------------------------------------------------------------- SMTPUTF8


@test
def smtputf8_addresses_mta32(site):
    """A recipient outside ASCII; names inside and outside alike."""
    data = ("From: Budi\u00e9 <%s>\r\nTo: pel\u00e9@luar.example\r\n"
            "Subject: @SUBJECT@ r\u00e9smi\r\n\r\nx\r\n" % BUDI).encode()
    options = ("SMTPUTF8", "BODY=8BITMIME")
    subject = token(site)
    data = data.replace(b"@SUBJECT@", subject.encode())
    reply = submit(site.door.port, BUDI, ["pel\u00e9@luar.example"], data,
                   BUDI, options)
    delivered = arrived(world.Sent(subject, data, reply), site.full)
    kind, params = harness.parameters(harness.values(
        harness.split(delivered)[0], "Content-Type")[0])
    equal(kind, "multipart/signed", "type")
    inner, _ = harness.detached_parts(harness.split(delivered)[1],
                                      params["boundary"])
    for name in ("From", "To", "Subject"):
        equal(harness.values(harness.split(inner)[0], name),
              harness.values(harness.split(delivered)[0], name), name)
    harness.openssl("cms", "-verify", "-in", harness._write(
        site.path("scratch", "utf8"), delivered), "-CAfile", site.anchor,
                    "-purpose", "smimesign", "-out", os.devnull)


@test
def smtputf8_and_a_next_hop_without_mta32(site):
    """Postfix does not downgrade: it comes back, nothing is altered."""
    data = ("From: %s\r\nTo: w@lama.example\r\nSubject: @SUBJECT@ \u00e9"
            "\r\n\r\nx\r\n" % BUDI).encode()
    sent = post(site, data=data, to="w@lama.example",
                options=("SMTPUTF8", "BODY=8BITMIME"))
    found = site.full.find(sent.subject.encode())
    equal([(m.sender, m.recipients) for m in found], [("", [BUDI])], "bounce")
    equal(site.old.find(sent.subject.encode(), 0), [], "delivered")


@test
def eight_bit_header_without_smtputf8(site):
    """Nothing of it is copied inside; it is signed all the same."""
    data = ("From: Budi\u00e9 <%s>\r\nTo: w@luar.example\r\nSubject: "
            "@SUBJECT@ \u00e9\r\n\r\nx\r\n" % BUDI).encode()
    result = signed(site, post(site, data=data))
    equal([n.lower() for n, _ in harness.split(result.content)[0]],
          ["content-type"], "fields inside")


# ------------------------------------------------- sizes and long lines


def eight_bit(count):
    return ("\u00e9" * 35 + "\r\n") * count


PLAIN_8BIT = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
              "Content-Transfer-Encoding: 8bit")


@test
def growth_past_message_size_limit_mta36(site):
    """Either the whole signed message or a clean refusal, for sizes around
    the edge; no half mail, nothing unsigned."""
    outcomes = set()
    for lines in (500, 880, 900, 1000, 1500, 2600):
        for to in ("warga@luar.example", "warga@buram.example"):
            sent = post(site, eight_bit(lines), *PLAIN_8BIT, to=to,
                        door=site.small)
            if sent.reply.code == 250:
                inner = harness.parse(signed(site, sent).content)
                equal(inner.get_payload(decode=True),
                      eight_bit(lines).encode(), "text")
            else:
                refused(site, sent, sent.reply.code // 100)
            outcomes.add(sent.reply.code)
    if 250 not in outcomes or len(outcomes) < 2:
        raise AssertionError("the edge was not met: %r" % outcomes)
    print("# replies: %s" % sorted(outcomes))
    queue_empties(site)


@test
def large_to_mta35(site):
    """57 KB of To: inside as outside. 90 KB: with any filter, Postfix cuts a
    field after 60000 octets (at a line's end), and one of more than
    header_address_token_limit words and signs in any case, before the filter
    sees it; what is left is signed, and the same inside as outside."""
    name = "WargaKecamatanKajenPekalongan" * 7
    for form, count, whole in (
            ('"%s%%04d" <warga%%04d@luar.example>' % name, 240, True),
            ('"%s%%04d" <warga%%04d@luar.example>' % name, 380, False),
            ("%04d <warga%04d@luar.example>", 1900, False)):
        many = ",\r\n ".join(form % (i, i) for i in range(count))
        data = ("From: %s\r\nTo: %s\r\nSubject: @SUBJECT@\r\n\r\nx\r\n" % (
            BUDI, many)).encode()
        result = signed(site, post(site, data=data))
        outer = harness.values(result.header, "To")
        equal(harness.values(harness.split(result.content)[0], "To") == outer,
              True, "To inside as outside")
        print("# To of %d octets arrived as %d" % (len(many), len(outer[0])))
        equal("warga%04d@" % (count - 1) in outer[0], whole, "the last one")


@test
def long_lines_mta31(site):
    """smtp_line_length_limit (998): in the body, in a part's header, in the
    header itself."""
    body = "a" * 5000 + "\r\n" + "\u00e9" * 2000 + "\r\n"
    inner = harness.parse(signed(site, post(
        site, body, *PLAIN_8BIT)).content)
    equal(inner.get_payload(decode=True), body.encode(), "text")
    for field in ("Subject: @SUBJECT@ " + "panjang " * 400,
                  "Subject: @SUBJECT@\r\nComments: " + "x" * 1500,
                  "Subject: @SUBJECT@\r\nX-Panjang: " + "x" * 1500,
                  "Subject: @SUBJECT@\r\nContent-Description: " + "y" * 1500):
        for to in ("w@luar.example", "w@buram.example", "w@lama.example"):
            data = ("From: %s\r\nTo: %s\r\n%s\r\n\r\nx\r\n" % (
                BUDI, to, field)).encode()
            sent = post(site, data=data, to=to)
            try:
                signed(site, sent, hop=site.old if "lama" in to
                       else site.full)
            except Exception as reason:
                raise AssertionError("%s...: %s" % (
                    field[:40], reason)) from reason


@test
def next_hop_without_8bitmime_mta31(site):
    """Parts, forwarded mail, both forms; MAIL BODY=8BITMIME or not."""
    part = ("Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nR\u00e9smi.\r\n")
    bodies = (
        ("multipart/mixed; boundary=b",
         "--b\r\n%s\r\n--b\r\n%s\r\n--b--\r\n" % (part, part)),
        ("message/rfc822", "From: a@luar.example\r\nMIME-Version: 1.0\r\n" +
         part),
        ("application/octet-stream", "\u00e9\u00e9\r\n"),
    )
    for kind, body in bodies:
        for options in (("BODY=8BITMIME",), ()):
            sent = post(site, body, "MIME-Version: 1.0",
                        "Content-Type: " + kind,
                        "Content-Transfer-Encoding: 8bit",
                        to="w@lama.example", options=options)
            result = signed(site, sent, hop=site.old)
            texts = [part.get_payload(decode=True) for part in
                     harness.parse(result.content).walk()
                     if not part.is_multipart()]
            equal(set(texts), {body.encode() if kind[0] == "a" else
                               "R\u00e9smi.\r\n".encode()}, "texts")


@test
def stray_cr_lf_and_nul_mta33(site):
    """Postfix has tidied before; what is signed is what arrives."""
    for body in (b"a\rb\r\n", b"a\nb\r\n", b"a\r\r\nb\r\n", b"a\0b\r\n",
                 b"a\r\n.\nb\r\n"):
        signed(site, post(site, body))


# ------------------------------------------ what else changes messages


@test
def header_checks_come_before(site):
    """REPLACE, IGNORE, PREPEND, WARN and body_checks are done when Sampul
    sees the message: inside as outside."""
    data = ("From: %s\r\nTo: w@luar.example\r\nSubject: ganti @SUBJECT@\r\n"
            "X-Buang: rahasia\r\nX-Depan: 1\r\nX-Peringatan: 1\r\n"
            "\r\nbaris\r\nkata-buruk\r\n" % BUDI).encode()
    sent = post(site, data=data)
    result = signed(site, sent)
    equal(harness.values(result.header, "Subject"), [sent.subject], "Subject")
    inner = harness.split(result.content)[0]
    equal(harness.values(inner, "Subject"), [sent.subject], "Subject inside")
    equal(harness.values(result.header, "X-Buang"), [], "X-Buang")
    equal(harness.values(result.header, "X-Sisipan"), ["ya"], "X-Sisipan")
    contains(result.content, b"kata-baik")


@test
def held_mail_is_complete_mta54(site):
    """On hold by a header check, let go later: signed as it lies there."""
    sent = post(site, "x\r\n", "X-Tahan: ya")
    equal(sent.reply.code, 250, sent.reply.text)
    rig.wait_until("it is on hold", lambda: any(
        '"queue_name": "hold"' in line for line in site.postfix.queued()))
    world.not_delivered(site, sent.subject)
    site.postfix.command("postsuper", "-H", "ALL")
    site.postfix.command("postqueue", "-f")
    signed(site, sent)
    queue_empties(site)


@test
def canonical_addresses_mta39(site):
    """canonical_maps come before: signed as, and with the key of, whom the
    message says it is from when it leaves."""
    result = signed(site, post(
        site, sender="lama@dinkes.pekalongankab.go.id",
        door=Door(site.door.port, BUDI)))
    equal(harness.values(result.header, "From"), [BUDI], "From")
    equal(harness.values(harness.split(result.content)[0], "From"), [BUDI],
          "From inside")


def through_dkim(site, sent, hop=None):
    """What left, brought to the verifier as if from outside."""
    data = arrived(sent, hop or site.full)
    data = data[data.index(b"DKIM-Signature:"):]
    marker = token(site)
    reply = submit(site.check.port, BUDI, ["kami@luar.example"],
                   b"X-Uji: %s\r\n" % marker.encode() + data, None,
                   ("BODY=8BITMIME",))
    equal(reply.code, 250, reply.text)
    back = site.full.find(marker.encode())[0].data
    contains(back, b"dkim=pass")
    if not back.endswith(data):
        raise AssertionError("changed on the way in")
    return back


@test
def opendkim_behind_mta30(site):
    """Its signature is over ours, and both verify at the end."""
    for to, hop in (("w@luar.example", site.full),
                    ("w@buram.example", site.full),
                    ("w@lama.example", site.old)):
        for body in ("x\r\n", eight_bit(3), "From x \r\n" + "y" * 2000):
            sent = post(site, body, *PLAIN_8BIT, to=to, door=site.dkim)
            signed(site, sent, hop=hop)
            through_dkim(site, sent, hop)


@test
def opendkim_before_on_incoming_mta30(site):
    """Mail signed by DKIM alone: its result is kept, the body untouched; a
    forged result of ours goes, and DKIM had seen it before."""
    sent = post(site, "x \u00e9\r\n", *PLAIN_8BIT, to="w@mati.example",
                door=site.dkim)
    through_dkim(site, sent)
    data = site.full.find(sent.subject.encode())[0].data
    marker = token(site)
    reply = submit(site.check.port, BUDI, ["kami@luar.example"],
                   b"X-Verified-Sender: " + BUDI.encode() + b"\r\nX-Uji: " +
                   marker.encode() + b"\r\n" +
                   data[data.index(b"DKIM-Signature:"):])
    equal(reply.code, 250, reply.text)
    back = site.full.find(marker.encode())[0].data
    contains(back, b"dkim=pass")
    equal(b"X-Verified-Sender" in back, False, "forged")


class Filter(threading.Thread):
    """A content filter that gives back what it got, to the octet."""

    def __init__(self, site, port, count):
        super().__init__(daemon=True)
        self.site, self.port, self.count = site, port, count
        self.start()

    def run(self):
        for number in range(self.count):
            with self.site.filter.arrived:
                self.site.filter.arrived.wait_for(
                    lambda n=number: len(self.site.filter.messages) > n, 60)
                got = self.site.filter.messages[number]
            submit(self.port, got.sender, got.recipients, got.data,
                   options=("BODY=8BITMIME",))


@test
def content_filter_mta26(site):
    """Signed once, before the filter; what it hands back is not touched, by
    a listener of its own name or by one without filters."""
    for door in (Door(site.postfix.reinject, None), site.closed,
                 Door(site.postfix.app, None)):
        site.filter.messages.clear()
        filtering = Filter(site, door.port, 2)
        for to in ("w@luar.example", "w@buram.example"):
            sent = post(site, eight_bit(4), *PLAIN_8BIT, to=to,
                        door=site.filtered)
            signed(site, sent)
            data = arrived(sent, site.full)
            first = site.filter.find(sent.subject.encode())[0].data
            if not data.endswith(first):
                raise AssertionError("changed after the filter")
        filtering.join()


# --------------------------------------------------- sockets, restarts


@test
def chrooted_smtpd_mta56(site):
    """The socket below the queue directory, in the directory that INSTALL
    says to make."""
    before = len(rig.read(site.postfix.log))
    for _ in range(3):
        signed(site, post(site, door=site.chroot))
    log = rig.read(site.postfix.log)[before:]
    equal(re.findall(r"smtpd\[\d+\]: warning: .*Milter.*", log), [],
          "complaints")


@test
def socket_by_port(site):
    """Postfix talks to a port as it talks to a Unix socket."""
    signed(site, post(site, eight_bit(50), *PLAIN_8BIT, door=site.inet))


def socket_becomes(site, wanted, **settings):
    site.stop()
    site.write_conf(**settings)
    site.start()

    def is_so():
        status = os.stat(site.socket)
        return (status.st_gid, status.st_mode & 0o777) == wanted
    rig.wait_until("group and mode of the socket are %d and %o" % wanted,
                   is_so)


@test
def group_of_the_socket_mta15(site):
    """Without socket_group it is the group of the user, never root's."""
    user = harness.pwd.getpwnam(rig.SAMPUL_USER)
    group = rig.grp.getgrnam(rig.MTA_GROUP)
    try:
        socket_becomes(site, (user.pw_gid, 0o660), socket_group="")
    finally:
        socket_becomes(site, (group.gr_gid, 0o660),
                       socket_group=rig.MTA_GROUP)
    signed(site, post(site))


@test
def restarts_under_load_mta53(site):
    world.restarts_under_load(site, 100, 3)
    queue_empties(site)


# ---------------------------------------------------- other people's readers


INTEROP = os.path.join(rig.ROOT, "tests", "interop", "verify-all")


def form_and_key(site, result):
    """Of what was verified last."""
    form = harness.parameters(harness.values(result.header,
                                             "Content-Type")[0])[0]
    text = harness.openssl("x509", "-in", site.path("scratch", "signer"),
                           "-noout", "-text").decode()
    return form, re.search(r"ASN1 OID: (\w+)|Key Algorithm: (rsa)",
                           text).group().split()[-1]


@test
def other_programs_accept_what_leaves(site):
    """SIG-20, SIG-41: openssl, GnuPG, NSS and Bouncy Castle, on what Postfix
    delivered: three kinds of key, both forms, clean and encoded, by way of a
    next hop without 8BITMIME, with DKIM on top."""
    files, kinds = [], set()
    for sender, login in ((SITI, BUDI), (BUDI, BUDI),
                          (SEKRETARIAT, SEKRETARIAT)):
        for to, door, hop in (
                ("w@luar.example", site.dkim, site.full),
                ("w@buram.example", site.door, site.full),
                ("w@lama.example", site.door, site.old)):
            for body in ("x\r\n", eight_bit(5) + "From sini\r\n"):
                sent = post(site, body, *PLAIN_8BIT, sender=sender, to=to,
                            door=Door(door.port, login))
                files.append(harness._write(
                    site.path("scratch", "%s.eml" % sent.subject),
                    arrived(sent, hop)))
                kinds.add(form_and_key(site, signed(site, sent, sender, hop)))
    result = subprocess.run(
        [INTEROP, "-r", site.anchor, "-i",
         os.path.join(site.pki, "issuing.pem"), *files],
        capture_output=True, check=False, timeout=300)
    said = result.stdout.decode()
    if result.returncode != 0:
        raise AssertionError(said + result.stderr.decode())
    skipped = re.findall(r"(?m)^skip (\w+)", said)
    print("# %d judged well; not here: %s" % (
        len(re.findall(r"(?m)^ok ", said)), " ".join(skipped) or "none"))
    if skipped:
        raise harness.Skip("not installed: " + " ".join(skipped))
    equal(len(re.findall(r"(?m)^ok ", said)), 4 * len(files), "verdicts")
    equal(kinds, {(form, key) for form in ("multipart/signed",
                                           "application/pkcs7-mime")
                  for key in ("rsa", "prime256v1", "secp384r1")},
          "forms and keys")


@test
def nothing_is_left_in_the_queue(site):
    queue_empties(site)
    equal(os.listdir(site.path("spool")), [], "spool")
    equal(site.process.alive(), True, "alive")


if __name__ == "__main__":
    if not opendkim.usable():
        harness.skip_all("OpenDKIM is not unpacked: tests/install-deps check")
    harness.main(setup)
