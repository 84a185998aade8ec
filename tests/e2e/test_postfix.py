"""Sampul behind a real Postfix: what leaves is signed and verifies, or does
not leave. Recipient domains choose the rule, so that one configuration shows
every outcome of policy."""
import concurrent.futures
import os
import signal

import harness
from harness import (BUDI, NOBODY, SEKRETARIAT, SITI, contains, equal,
                     message, submit, test)
import postfix
import rig
import sink

UNLISTED = "192.0.2.9"          # a client network that may send as nobody
APP_HOST = "192.0.2.2"          # an application server

ORIGINS = [
    {"name": "login", "kind": "login"},
    {"name": "app-host", "kind": "network", "networks": [APP_HOST + "/32"],
     "from": [SEKRETARIAT]},
    {"name": "unlisted", "kind": "network", "networks": [UNLISTED + "/32"]},
    {"name": "app", "kind": "daemon", "daemons": ["APLIKASI"],
     "from": [SEKRETARIAT]},
]
LOCAL = {"name": "local", "kind": "local", "daemons": ["LOKAL"],
         "from": [SEKRETARIAT]}

RULES = [
    {"name": "opaque", "to": ["@buram.example"], "form": "opaque"},
    {"name": "off", "to": ["@mati.example"], "sign": "off"},
    {"name": "possible", "to": ["@mungkin.example"], "sign": "if-possible"},
    {"name": "later", "to": ["@tunda.example"], "cannot_sign": "tempfail",
     "mismatch": "tempfail"},
    {"name": "pass", "to": ["@lolos.example"], "cannot_sign": "pass",
     "mismatch": "pass"},
    {"name": "plain", "to": ["@polos.example"], "header_protection": False},
    {"name": "skip", "to": ["@lewat.example"], "allow_skip": True},
]

FORGED = (
    "X-Verified-Sender: chief@pekalongankab.go.id",
    "Authentication-Results: mail.pekalongankab.go.id; smime=pass",
    "x-verified-sender: again",
)


def setup(site):
    site.init()
    for address, kind in ((BUDI, "rsa2048"), (SITI, "p256"),
                          (SEKRETARIAT, "p384")):
        site.enrol(address, kind)
    rig.write(site.path("logins"), "siti.lain %s\n" % SITI)
    site.write_conf(origins=ORIGINS, rules=RULES,
                    login_map=site.path("logins"))
    site.start()
    site.full = site.add(sink.Sink())
    site.old = site.add(sink.Sink(eightbit=False, utf8=False))
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.full.port,
        milter="unix:" + site.socket, routes={"lama.example": site.old.port}))


def token(site):
    return "uji-%d" % next(site.serial)


def send(site, body, sender=BUDI, login=BUDI, to="warga@luar.example",
         extra=(), options=(), data=None, port=None, client=None,
         envelope=None):
    """One message, by default with a login; its subject and the reply."""
    subject = token(site)
    if data is None:
        data = message(sender, subject, body, *extra, to=to)
    else:
        data = data.replace(b"@SUBJECT@", subject.encode())
    reply = submit(port or site.postfix.submission, envelope or sender,
                   [to], data, login, options, client)
    return subject, data, reply


def arrived(site, subject, hop=None):
    found = (hop or site.full).find(subject.encode())
    equal(len(found), 1, "messages delivered")
    return found[0].data


def signed(site, subject, address=BUDI, hop=None):
    """What was delivered, verified."""
    result = site.verify(arrived(site, subject, hop))
    equal(result.addresses, [address], "addresses of the signer")
    return result


def same_but_trace(data, before):
    """before, with nothing but Postfix's own fields on top."""
    if not data.endswith(before):
        raise AssertionError("changed on the way:\n%s\n--- was:\n%s" % (
            data.decode("utf-8", "replace"),
            before.decode("utf-8", "replace")))


def nothing_came(site, subject):
    rig.wait_until("the queue is empty", lambda: not site.postfix.queued())
    equal([m for hop in (site.full, site.old) for m in hop.messages
           if subject.encode() in m.data], [], "delivered")


def refused(site, result, code, *words):
    subject, _, reply = result
    equal(reply.code // 100, code, "reply " + reply.text)
    for word in words:
        contains(reply.text, word)
    nothing_came(site, subject)


def accepted(result):
    equal(result[2].code, 250, "reply " + result[2].text)
    return result[0], result[1]


# ------------------------------------------------------------ the main job


@test
def login_is_signed(site):
    before = len(site.logged())
    subject, _ = accepted(send(site, "Selamat pagi.\r\n"))
    result = signed(site, subject)
    inner = harness.parse(result.content)
    equal(inner.get_payload(decode=True), b"Selamat pagi.\r\n", "text")
    equal(inner["Subject"], subject, "protected subject")
    equal(inner["From"], BUDI, "protected From")
    equal(inner["Content-Type"].params.get("hp"), "clear", "hp")
    line = site.process.wait_for("its log line", lambda: [
        l for l in site.logged()[before:].splitlines() if BUDI in l])
    contains(line[0], "result=")


@test
def html_and_attachment_keep_their_octets(site):
    raw = bytes(range(256)) * 20
    html = "<p>Surat r\u00e9smi \u2014 \u201cpenting\u201d</p>\r\n".encode()
    data = (b"From: %s\r\nTo: w@luar.example\r\nSubject: @SUBJECT@\r\n"
            b"Date: Sun, 22 Nov 2026 08:00:00 +0700\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=batas\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n"
            b"--batas\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n"
            b"--batas\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Disposition: attachment; filename=a.bin\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n%s"
            b"--batas--\r\n" % (
                BUDI.encode(), html,
                harness.base64.encodebytes(raw).replace(b"\n", b"\r\n")))
    subject, _ = accepted(send(site, None, data=data,
                               options=["BODY=8BITMIME"]))
    parts = list(harness.parse(signed(site, subject).content).iter_parts())
    equal(parts[0].get_payload(decode=True), html, "html")
    equal(parts[0].get_content_charset(), "utf-8", "charset")
    equal(parts[1].get_payload(decode=True), raw, "attachment")
    equal(parts[1].get_filename(), "a.bin", "file name")


@test
def header_order_is_kept(site):
    """MTA-05 to MTA-09: one MIME-Version, one Content-Type, the rest as
    it was."""
    extra = ("X-Satu: 1", "MIME-Version: 1.0", "X-Dua:  two spaces ",
             "Content-Type: text/plain; charset=utf-8", "X-Tiga:tight",
             "Content-Transfer-Encoding: 8bit",
             "Content-Language: id", "X-Panjang: a\r\n\tlipat", "X-Satu: 2")
    subject, _ = accepted(send(site, "\u00e9\r\n", extra=extra,
                               options=["BODY=8BITMIME"]))
    result = signed(site, subject)
    names = [name for name, _ in result.header]
    equal([n for n in names if n.startswith("X-")],
          ["X-Satu", "X-Dua", "X-Tiga", "X-Panjang", "X-Satu"], "order")
    equal([v for n, v in result.header if n.startswith("X-")],
          [b" 1", b"  two spaces ", b"tight", b" a\r\n\tlipat", b" 2"],
          "values")
    equal([n for n in names if n.lower().startswith("content-")],
          ["Content-Type"], "Content-* outside")


@test
def other_key_types_verify(site):
    for address in (SITI, SEKRETARIAT):
        subject, _ = accepted(send(site, "Halo.\r\n", address, address))
        signed(site, subject, address)


@test
def odd_bodies_verify(site):
    """SIG-18, SIG-19, SIG-15, SIG-14."""
    for what, body in (
            ("empty", ""),
            ("no MIME header, 8 bit", b"\xe9t\xe9\r\n"),
            ("long line", "a" * 3000 + "\r\n"),
            ("From, dots, blanks", "From here\r\n.\r\n..\r\nx \t\r\n"),
            ("looks like a boundary", "--=_\r\n--\r\n")):
        subject, _ = accepted(send(site, body, options=["BODY=8BITMIME"]))
        try:
            signed(site, subject)
        except Exception as reason:
            raise AssertionError("%s: %s" % (what, reason)) from reason


@test
def several_messages_of_one_connection(site):
    """PITFALLS: nothing of an aborted message remains (MTA-10)."""
    with harness.smtplib.SMTP("127.0.0.1", site.postfix.submission,
                              local_hostname="klien.example",
                              timeout=180) as client:
        client.ehlo()
        client.login(BUDI, harness.dovecot.PASSWORD)
        subjects = []
        for _ in range(3):
            client.mail(BUDI)
            client.rcpt("gagal@luar.example")
            client.rset()
            subjects.append(token(site))
            client.mail(BUDI)
            client.rcpt("warga@luar.example")
            code, _ = harness._data(client, message(BUDI, subjects[-1], "x"))
            equal(code, 250, "reply")
    for subject in subjects:
        signed(site, subject)


@test
def large_and_many(site):
    """Spooled to a file, beside small ones on other connections."""
    raw = os.urandom(5000000)
    big = harness.base64.encodebytes(raw).replace(b"\n", b"\r\n")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        small = [pool.submit(send, site, "Kecil.\r\n", *(who, who))
                 for who in (BUDI, SITI, SEKRETARIAT) * 10]
        large = pool.submit(send, site, big, extra=(
            "MIME-Version: 1.0", "Content-Type: application/octet-stream",
            "Content-Transfer-Encoding: base64"))
    subject, _ = accepted(large.result())
    inner = harness.parse(signed(site, subject).content)
    equal(inner.get_payload(decode=True) == raw, True, "same octets")
    for who, result in zip((BUDI, SITI, SEKRETARIAT) * 10, small):
        subject, _ = accepted(result.result())
        signed(site, subject, who)


@test
def long_header_fields(site):
    """MTA-35: what Postfix takes, Sampul takes, and copies inside."""
    many = ",\r\n ".join("warga%d@luar.example" % i for i in range(1500))
    subject, _ = accepted(send(site, "x\r\n", extra=("Cc: " + many,)))
    result = signed(site, subject)
    outer = harness.values(result.header, "Cc")
    inner = harness.values(harness.split(result.content)[0], "Cc")
    equal(inner == outer, True, "Cc inside as outside")
    contains(outer[0], "warga1499@")


@test
def grown_past_the_limit_is_no_half_mail(site):
    """MTA-36: 8-bit text just under message_size_limit."""
    body = ("\u00e9" * 35 + "\r\n") * 130000
    refused_somehow = send(site, body, extra=(
        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit"), options=["BODY=8BITMIME"])
    subject, _, reply = refused_somehow
    if reply.code == 250:
        raise AssertionError("accepted")
    nothing_came(site, subject)


# ------------------------------------------------------------------- policy


@test
def opaque_by_rule(site):
    for body in ("Tertutup.\r\n", "\u00e9 dengan 8 bit\r\n"):
        subject, _ = accepted(send(
            site, body, to="a@buram.example", options=["BODY=8BITMIME"],
            extra=("MIME-Version: 1.0",
                   "Content-Type: text/plain; charset=utf-8",
                   "Content-Transfer-Encoding: 8bit")))
        result = signed(site, subject)
        contains(harness.values(result.header, "Content-Type")[0],
                 "pkcs7-mime")
        equal(harness.parse(result.content).get_payload(decode=True),
              body.encode(), "text")


@test
def required_without_certificate_is_refused(site):
    refused(site, send(site, "x", NOBODY, NOBODY), 5,
            "helpdesk@setda.pekalongankab.go.id")


@test
def required_without_certificate_waits_where_asked(site):
    refused(site, send(site, "x", NOBODY, NOBODY, "a@tunda.example"), 4)


@test
def required_without_certificate_passes_where_asked(site):
    subject, data = accepted(send(site, "x\r\n", NOBODY, NOBODY,
                                  "a@lolos.example"))
    same_but_trace(arrived(site, subject), data)


@test
def if_possible_signs_or_passes(site):
    subject, data = accepted(send(site, "x\r\n", NOBODY, NOBODY,
                                  "a@mungkin.example"))
    same_but_trace(arrived(site, subject), data)
    subject, _ = accepted(send(site, "x\r\n", to="a@mungkin.example"))
    signed(site, subject)


@test
def off_leaves_the_message_alone(site):
    subject, data = accepted(send(site, "x\r\n", to="a@mati.example"))
    same_but_trace(arrived(site, subject), data)


@test
def without_header_protection(site):
    subject, _ = accepted(send(site, "x\r\n", to="a@polos.example"))
    inner = harness.parse(signed(site, subject).content)
    equal([name.lower() for name in inner.keys()], ["content-type"],
          "fields inside")


@test
def skip_header_where_allowed(site):
    for to, skipped in (("a@lewat.example", True),
                        ("a@luar.example", False)):
        subject, _ = accepted(send(site, "x\r\n", to=to,
                                   extra=("X-Sampul-Skip: yes",)))
        if skipped:
            equal(b"multipart/signed" in arrived(site, subject), False,
                  "signed")
        else:
            signed(site, subject)


# ------------------------------------------------------------------ origins


@test
def login_map_gives_addresses(site):
    subject, _ = accepted(send(site, "x\r\n", SITI, "siti.lain"))
    signed(site, subject, SITI)
    refused(site, send(site, "x", BUDI, "siti.lain"), 5)


@test
def network_origin(site):
    """SIG-04, MTA-22: a listed client, its listed address, nothing else."""
    mx = site.postfix.mx
    subject, _ = accepted(send(site, "x\r\n", SEKRETARIAT, None, port=mx,
                               client=APP_HOST))
    signed(site, subject, SEKRETARIAT)
    refused(site, send(site, "x", BUDI, None, port=mx, client=APP_HOST), 5)
    refused(site, send(site, "x", BUDI, None, port=mx, client=UNLISTED), 5)


@test
def daemon_origin(site):
    subject, _ = accepted(send(site, "x\r\n", SEKRETARIAT, None,
                               port=site.postfix.app))
    signed(site, subject, SEKRETARIAT)
    refused(site, send(site, "x", BUDI, None, port=site.postfix.app), 5)


@test
def unauthenticated_mail_is_never_signed(site):
    """SIG-04: 127.0.0.1 is no evidence."""
    for port in (site.postfix.mx, site.postfix.reinject):
        subject, data = accepted(send(site, "x\r\n", BUDI, None, port=port))
        same_but_trace(arrived(site, subject), data)


@test
def local_origin_is_off_until_configured(site):
    """MTA-22, MTA-24: sendmail(1)."""
    subject = token(site)
    equal(site.postfix.sendmail(SEKRETARIAT, ["a@luar.example"], message(
        SEKRETARIAT, subject, "x\r\n")).stderr, b"", "sendmail(1)")
    equal(b"multipart/signed" in arrived(site, subject), False, "signed")
    site.write_conf(origins=ORIGINS + [LOCAL])
    site.reload("reload|configuration")
    try:
        subject = token(site)
        site.postfix.sendmail(SEKRETARIAT, ["a@luar.example"], message(
            SEKRETARIAT, subject, "x\r\n"))
        signed(site, subject, SEKRETARIAT)
    finally:
        site.write_conf(origins=ORIGINS)
        site.reload("reload|configuration")


# ------------------------------------------------------------ impersonation


@test
def from_of_another_is_refused(site):
    refused(site, send(site, "x", SITI, BUDI), 5)
    refused(site, send(site, "x", SITI, BUDI, envelope=BUDI), 5)
    contains(site.logged(), "incident=")


@test
def from_of_another_passes_unsigned_where_asked(site):
    subject, data = accepted(send(site, "x\r\n", SITI, BUDI,
                                  "a@lolos.example"))
    same_but_trace(arrived(site, subject), data)


@test
def from_of_another_waits_where_asked(site):
    refused(site, send(site, "x", SITI, BUDI, "a@tunda.example"), 4)


def from_is(value):
    return (b"From: %s\r\nTo: a@luar.example\r\nSubject: @SUBJECT@\r\n\r\n"
            b"x\r\n" % value.encode())


@test
def unusable_from_is_refused(site):
    """SIG-02, ATK-11, ATK-12."""
    for value in ('"%s" <%s>' % (SITI, BUDI),
                  "%s\r\nFrom: %s" % (BUDI, SITI),
                  "%s\r\nfrom: %s" % (BUDI, BUDI),
                  "%s, %s" % (BUDI, SITI),
                  "Kantor: %s;" % BUDI,
                  "Budi"):
        _, _, reply = result = send(site, None, data=from_is(value),
                                    sender=BUDI)
        if reply.code == 250:
            raise AssertionError("accepted: From: " + value)
        refused(site, result, 5)


# --------------------------------------------- what was forged, what is ours


@test
def forged_results_are_removed_everywhere(site):
    """HDR-09, HDR-12: signed, opaque, off, passed, not ours."""
    cases = (
        ("signed", {}),
        ("opaque", {"to": "a@buram.example"}),
        ("off", {"to": "a@mati.example"}),
        ("passed", {"to": "a@lolos.example", "sender": NOBODY,
                    "login": NOBODY}),
        ("mismatch", {"to": "a@lolos.example", "sender": SITI}),
        ("not ours", {"login": None, "port": site.postfix.mx}),
        ("already signed", {"extra": FORGED + (
            "MIME-Version: 1.0", "Content-Type: multipart/signed; "
            "protocol=\"application/pkcs7-signature\"; micalg=sha-256; "
            "boundary=b")}))
    for what, how in cases:
        how = {"extra": FORGED, **how}
        subject, _ = accepted(send(site, "x\r\n", **how))
        fields, _ = harness.split(arrived(site, subject))
        for name in ("X-Verified-Sender", "Authentication-Results"):
            equal(harness.values(fields, name), [], what + ", " + name)


@test
def results_of_others_stay(site):
    kept = "Authentication-Results: mail.pekalongankab.go.id; dkim=pass"
    foreign = "Authentication-Results: mx.example.org; smime=pass"
    subject, data = accepted(send(site, "x\r\n", to="a@mati.example",
                                  extra=(kept, foreign)))
    same_but_trace(arrived(site, subject), data)


def without_trace(data):
    """From the first field that the sender wrote."""
    return data[data.index(b"From: "):]


@test
def already_signed_passes_untouched(site):
    """SIG-23, MTA-26: given back to Postfix, by whoever."""
    for to in ("a@luar.example", "a@buram.example"):
        subject, _ = accepted(send(site, "Sekali saja. \u00e9\r\n", to=to,
                                   options=["BODY=8BITMIME"]))
        first = without_trace(arrived(site, subject))
        for port, login in ((site.postfix.reinject, None),
                            (site.postfix.submission, BUDI)):
            count = len(site.full.find(subject.encode()))
            reply = submit(port, BUDI, [to], first, login)
            equal(reply.code, 250, reply.text)
            again = site.full.find(subject.encode(), count + 1)[-1].data
            same_but_trace(again, first)
            site.verify(again)


# ------------------------------------------------------------- the next hop


@test
def next_hop_without_8bitmime(site):
    """MTA-31, SIG-11, SIG-14: Postfix finds nothing to convert."""
    bodies = ("Isi dengan \u00e9 dan \u2014.\r\n", "panjang " * 400 + "\r\n")
    for body in bodies:
        for extra in ((), ("MIME-Version: 1.0",
                           "Content-Type: text/plain; charset=utf-8",
                           "Content-Transfer-Encoding: 8bit")):
            subject, _ = accepted(send(site, body, to="a@lama.example",
                                       extra=extra,
                                       options=["BODY=8BITMIME"]))
            inner = harness.parse(signed(site, subject,
                                         hop=site.old).content)
            equal(inner.get_payload(decode=True), body.encode(), "octets")


@test
def smtputf8_is_kept(site):
    """MTA-32: 8-bit fields inside and outside, only with SMTPUTF8."""
    data = ("From: Budi\u00e9 <%s>\r\nTo: w@luar.example\r\n"
            "Subject: @SUBJECT@ \u2014 r\u00e9smi\r\n\r\nx\r\n" % BUDI)
    subject, _ = accepted(send(site, None, data=data.encode(), sender=BUDI,
                               options=["SMTPUTF8", "BODY=8BITMIME"]))
    delivered = arrived(site, subject)
    contains(delivered, "\u2014 r\u00e9smi".encode())
    harness.openssl("cms", "-verify", "-in", harness._write(
        site.path("scratch", "utf8"), delivered), "-CAfile", site.anchor,
                    "-purpose", "smimesign", "-out", os.devnull)


# -------------------------------------------------- certificates, life cycle


def serial_of(site, subject):
    signed(site, subject)
    return harness.openssl("x509", "-in", site.path("scratch", "signer"),
                           "-noout", "-serial").strip()


def serial_in(directory):
    return harness.openssl("x509", "-in", os.path.join(
        directory, "cert.pem"), "-noout", "-serial").strip()


@test
def rollover_needs_no_restart(site):
    """SIG-44: the newest usable certificate, at once."""
    newer = site.enrol(BUDI, "rsa2048", "ok", "760")
    wanted = serial_in(newer)

    def taken():
        subject, _ = accepted(send(site, "x\r\n"))
        return serial_of(site, subject) == wanted
    rig.wait_until("the new certificate signs", taken, step=0.5)
    subject, _ = accepted(send(site, "x\r\n"))
    equal(serial_of(site, subject), wanted, "certificate")


@test
def suspended_and_expired_do_not_sign(site):
    """SIG-44: with nothing else there, policy decides."""
    address = "mantan@dinkes.pekalongankab.go.id"
    site.enrol(address)
    subject, _ = accepted(send(site, "x\r\n", address, address))
    signed(site, subject, address)
    folders = site.path("keystore", address)
    mark = os.path.join(folders, os.listdir(folders)[0], "suspended")
    rig.write(mark, "")

    def stopped():
        _, _, reply = send(site, "x\r\n", address, address)
        return reply.code // 100 == 5
    rig.wait_until("no signature any more", stopped, step=0.5)


@test
def pss_by_configuration(site):
    """SIG-41."""
    site.write_conf(signing={"pss": True})
    site.reload("reload|configuration")
    try:
        subject, _ = accepted(send(site, "x\r\n"))
        signed(site, subject)
        text = harness.openssl("cms", "-cmsout", "-print", "-noout",
                               "-inform", "DER", "-in",
                               site.path("scratch", "sig.der"))
        contains(text, b"rsassaPss")
    finally:
        site.write_conf(signing=None)
        site.reload("reload|configuration")


@test
def reload_of_a_good_configuration(site):
    site.write_conf(rules=[{"name": "all-off", "sign": "off"}])
    site.reload("reload|configuration")
    try:
        subject, data = accepted(send(site, "x\r\n"))
        same_but_trace(arrived(site, subject), data)
    finally:
        site.write_conf(rules=RULES)
        site.reload("reload|configuration")
    subject, _ = accepted(send(site, "x\r\n"))
    signed(site, subject)


@test
def reload_of_a_bad_configuration_changes_nothing(site):
    good = rig.read(site.conf_file)
    rig.write(site.conf_file, good + "\nsing = \"required\";\n")
    try:
        site.reload(r"sampul\.conf:\d+")
        subject, _ = accepted(send(site, "x\r\n"))
        signed(site, subject)
    finally:
        rig.write(site.conf_file, good)


@test
def observe_changes_one_field(site):
    """One is added; but forged results go all the same (HDR-12)."""
    site.write_conf(mode="observe")
    site.reload("reload|configuration")
    forged = b"".join(line.encode() + b"\r\n" for line in FORGED)
    try:
        for sender, extra in ((BUDI, ()), (NOBODY, ()), (BUDI, FORGED)):
            subject, data = accepted(send(site, "x\r\n", sender, sender,
                                          extra=extra))
            fields, body = harness.split(arrived(site, subject))
            equal(len(harness.values(fields, "X-Sampul-Report")), 1,
                  "reports")
            kept = b"".join(b"%s:%s\r\n" % (name.encode(), value)
                            for name, value in fields
                            if name != "X-Sampul-Report")
            same_but_trace(kept + b"\r\n" + body,
                           data.replace(forged, b""))
    finally:
        site.write_conf(mode="enforce")
        site.reload("reload|configuration")


# ------------------------------------------------------------------ failures


def kill_child(site, user):
    """Never unsigned while it is away; signs again by itself."""
    pid = site.children()[user]
    os.kill(pid, signal.SIGKILL)

    def recovered():
        subject, _, reply = send(site, "x\r\n")
        if reply.code == 250:
            signed(site, subject)
            return True
        equal(reply.code // 100, 4, "reply " + reply.text)
        return False
    rig.wait_until("signs again", recovered, step=0.5)
    equal(site.process.alive(), True, "supervisor alive")


@test
def key_process_killed(site):
    kill_child(site, rig.SAMPUL_KEY_USER)


@test
def mail_process_killed(site):
    kill_child(site, rig.SAMPUL_USER)


@test
def drops_to_two_users(site):
    users = set(site.children())
    equal(users, {rig.SAMPUL_USER, rig.SAMPUL_KEY_USER}, "users")


@test
def audit_has_a_line_for_each_use(site):
    before = rig.read(site.settings["audit"]["file"]).count(BUDI)
    subject, _ = accepted(send(site, "x\r\n"))
    signed(site, subject)
    after = rig.read(site.settings["audit"]["file"]).count(BUDI)
    equal(after - before, 1, "lines")


@test
def milter_down_is_a_temporary_failure(site):
    site.stop()
    try:
        refused(site, send(site, "x"), 4)
    finally:
        site.start()
    subject, _ = accepted(send(site, "x\r\n"))
    signed(site, subject)


@test
def queue_is_empty_at_the_end(site):
    rig.wait_until("Postfix's queue is empty",
                   lambda: not site.postfix.queued())


if __name__ == "__main__":
    harness.main(setup)
