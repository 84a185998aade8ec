"""Sendmail and the world around it; what test_world.py is for Postfix."""
import os
import subprocess
import time

import harness
from harness import (BUDI, NOBODY, SEKRETARIAT, SITI, contains, equal,
                     message, submit, test)
import opendkim
import rig
import sendmail
import sink
import world
from world import Door, arrived, nowhere, post, refused, signed, token

MSP = "MSP"
RULES = [
    {"name": "opaque", "to": ["@buram.example"], "form": "opaque"},
    {"name": "off", "to": ["@mati.example"], "sign": "off"},
    {"name": "gone", "to": ["@tolak.example"], "form": "opaque"},
]
ORIGINS = [
    {"name": "submission", "kind": "daemon",
     "daemons": ["SUBMISSION", "SMALL", "DKIM"],
     "from": [BUDI, SITI, SEKRETARIAT, NOBODY]},
    {"name": "programs", "kind": "daemon", "daemons": [MSP],
     "from": [BUDI]},
]

EXTRA = """\
MAIL_FILTER(`tanda', `S=inet:{signer}@127.0.0.1, F=T')dnl
MAIL_FILTER(`periksa', `S=inet:{verifier}@127.0.0.1, F=T')dnl
define(`confINPUT_MAIL_FILTERS', `sampul')dnl
define(`confMAX_MESSAGE_SIZE', `10240000')dnl
DAEMON_OPTIONS(`Name=MSP, Addr=127.0.0.1, Port={msp}')dnl
DAEMON_OPTIONS(`Name=DKIM, Addr=127.0.0.1, Port={dkim}, InputFilter=sampul;tanda')dnl
DAEMON_OPTIONS(`Name=CHECK, Addr=127.0.0.1, Port={check}, InputFilter=periksa;sampul')dnl
LOCAL_NET_CONFIG
R$* < @ tolak.example . > $*	$#error $@ 5.7.1 $: "550 tidak"
R$* < @ tolak.example > $*	$#error $@ 5.7.1 $: "550 tidak"
"""

SUBMIT = """\
OSTYPE(`linux')dnl
define(`confCF_VERSION', `private')dnl
define(`QUEUE_DIR', `{base}/client')dnl
define(`MSP_QUEUE_DIR', `{base}/client')dnl
define(`STATUS_FILE', `')dnl
define(`confPID_FILE', `{base}/client.pid')dnl
define(`confTO_IDENT', `0s')dnl
define(`confTRUSTED_USERS', `root')dnl
define(`confRUN_AS_USER', `{user}')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confSERVICE_SWITCH_FILE', `{base}/switch')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""


def setup(site):
    if not sendmail.usable():
        harness.skip_all("no namespaces here, which Sendmail's rig needs")
    # INSTALL, step 7; not below /tmp, which Sendmail does not trust.
    site.run = rig.make_directory("/run/sampul-test-%d" % os.getpid())
    site.socket = os.path.join(site.run, "milter.sock")
    site.settings["milter"]["socket"] = "unix:" + site.socket
    site.settings["keystore"]["rate_limit"] = 0
    site.init()
    for address, kind in ((BUDI, "p256"), (SITI, "rsa2048"),
                          (SEKRETARIAT, "p384")):
        site.enrol(address, kind)
    site.write_conf(origins=ORIGINS, rules=RULES)
    site.start()
    site.full = site.add(sink.Sink())
    site.old = site.add(sink.Sink(eightbit=False, utf8=False))
    site.hops = [site.full, site.old]
    site.signer = site.add(opendkim.OpenDkim(site.path("dkim"), "s"))
    site.verifier = site.add(opendkim.OpenDkim(site.path("dkim"), "v"))
    msp, dkim, check = rig.free_ports(3)
    site.sendmail = site.add(sendmail.Sendmail(
        site.path("sendmail"), site.full.port, site.old.port,
        milter="unix:" + site.socket, extra=EXTRA.format(
            signer=site.signer.port, verifier=site.verifier.port, msp=msp,
            dkim=dkim, check=check)))
    site.door = Door(site.sendmail.submission, None)
    site.settle = lambda: queue_empties(site)
    site.dkim, site.check = Door(dkim, None), Door(check, None)
    site.msp = msp


def queue_empties(site):
    """Delivery is by the process that took the message; what it could not
    deliver would lie here."""
    folder = os.path.join(site.sendmail.base, "queue")
    rig.wait_until("the queue is empty", lambda: not [
        name for name in os.listdir(folder) if name[0] in "qdt"])


class WorldSite(harness.Site):
    run = None

    def close(self, keep=False):
        super().close(keep)
        if self.run is not None:
            rig.remove(self.run)


@test
def spelling_of_fields_is_kept_mta06(site):
    world.spelling_is_kept(site)


@test
def repeated_fields_mta08_mta09(site):
    world.repeated_fields(site)


@test
def many_messages_of_one_connection(site):
    """MTA-10, MTA-23: signed, refused, left alone and broken off in turns."""
    with harness.smtplib.SMTP("127.0.0.1", site.door.port,
                              local_hostname="klien.example",
                              timeout=180) as client:
        client.ehlo()
        expected = []
        for number in range(80):
            sender, to, code = (
                (BUDI, "warga@luar.example", 250),
                (SITI, "<warga@buram.example>", 250),
                ("lain@dinkes.pekalongankab.go.id", "w@luar.example", 550),
                (BUDI, "warga@mati.example", 250))[number % 4]
            client.mail(sender if number % 5 or code != 250 else "")
            client.rcpt(to)
            if number % 7 == 0:
                client.rset()
                client.mail(sender)
                client.rcpt(to)
            subject = token(site)
            got, text = harness._data(client, message(
                sender, subject, "x\r\n" * number))
            equal(got, code, "reply %r" % text)
            expected.append((subject, sender, code, to))
    for number, (subject, sender, code, to) in enumerate(expected):
        if code != 250:
            equal(site.full.find(subject.encode(), 0), [], "delivered")
            continue
        data = site.full.find(subject.encode())[0].data
        equal(b"multipart/signed" in data or b"signed-data" in data,
              "mati" not in to, "signed")
        if number % 10 < 2 and "mati" not in to:
            equal(site.verify(data).addresses, [sender], "signer")


@test
def client_goes_away_mta10(site):
    world.client_goes_away(site)


@test
def client_begins_again_mta10(site):
    world.client_begins_again(site)


@test
def killed_half_way_mta50(site):
    world.killed_half_way(site)


@test
def stopped_half_way_mta13(site):
    world.stopped_half_way(site)


@test
def reloaded_half_way_mta12(site):
    world.reloaded_half_way(site)


@test
def refused_recipients_mta25(site):
    world.refused_recipient(site, site.door, "a@tolak.example",
                            "warga@luar.example", "multipart/signed")
    world.refused_recipient(site, site.door, "a@tolak.example",
                            "warga@buram.example", "pkcs7-mime")


@test
def outside_as_inside_sig54(site):
    """Sendmail writes lists of addresses anew, with one space between."""
    world.outside_as_inside(site, spaces=False)
    world.outside_as_inside(site, site.old, False, to="w@lama.example")


@test
def bare_messages_mta40(site):
    world.bare_messages(site)


@test
def sample_sendmail_mc_mta50(site):
    """What conf/sendmail.mc tells Sendmail to do without Sampul: to wait."""
    cf = site.sendmail._m4("OSTYPE(`linux')dnl\n" + rig.read(os.path.join(
        rig.ROOT, "conf", "sendmail.mc")))
    contains(cf.splitlines(), "Xsampul, S=unix:/run/sampul/milter.sock, "
             "F=T, T=C:30s;S:60s;R:300s;E:10m")
    contains(cf.splitlines(), "O InputMailFilters=sampul")


@test
def programs_reach_the_daemon(site):
    """sendmail(1) is an SMTP client of the daemon: what gives it an origin is
    a listener of its own."""
    base = site.sendmail.base
    rig.make_directory(os.path.join(base, "client"), 0o700,
                       rig.MTA_USER)
    conf = rig.write(os.path.join(base, "submit.cf"), site.sendmail._m4(
        SUBMIT.format(base=base, port=site.msp, user=rig.MTA_USER)))
    for sender, count in ((BUDI, 1), (SITI, 0)):
        subject = token(site)
        result = subprocess.run(
            ["/usr/bin/unshare", "-u", "-m", "/bin/sh", "-c",
             sendmail.OWN_NAME, "sh", base,
             os.path.join(sendmail.TREE, "usr/libexec/sendmail/sendmail"),
             "-C", conf, "-Ac", "-bm", "-odi", "-f", sender,
             "warga@luar.example"], check=False, capture_output=True,
            timeout=180, input=message(sender, subject, "x\r\n").replace(
                b"\r\n", b"\n"))
        equal(result.stdout + result.stderr, b"", "sendmail(1)")
        if count:
            signed(site, world.Sent(subject, b"", harness.Reply(250, "")),
                   sender)
        else:
            equal([m for m in site.full.messages if subject.encode() in
                   m.data and m.sender], [], "delivered")


@test
def bounces_are_no_mail_of_ours_mta27(site):
    """Sendmail does not show its own bounces to filters: they leave."""
    sent = post(site, "x\r\n", to="a@tolak.example")
    equal(sent.reply.code // 100, 5, sent.reply.text)
    signed(site, post(site, envelope=""))


def eight_bit(count):
    return ("\u00e9" * 35 + "\r\n") * count


PLAIN_8BIT = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
              "Content-Transfer-Encoding: 8bit")


@test
def next_hop_without_8bitmime_mta31(site):
    part = ("Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nR\u00e9smi.\r\n")
    for kind, body in (
            ("multipart/mixed; boundary=b",
             "--b\r\n%s\r\n--b\r\n%s\r\n--b--\r\n" % (part, part)),
            ("message/rfc822",
             "From: a@luar.example\r\nMIME-Version: 1.0\r\n" + part),
            ("application/octet-stream", "\u00e9\u00e9\r\n")):
        for options in (("BODY=8BITMIME",), ()):
            signed(site, post(
                site, body, "MIME-Version: 1.0", "Content-Type: " + kind,
                "Content-Transfer-Encoding: 8bit", to="w@lama.example",
                options=options), hop=site.old)


@test
def long_lines_mta31(site):
    """Sendmail's mailers break lines over 990 octets (L=990)."""
    body = "".join(first + "a" * length + "\r\n" for first in ("", ".")
                   for length in (988, 989, 990, 991, 997, 998, 999, 2500))
    for part in [body] + body.splitlines(True):
        for to, hop in (("w@lama.example", site.old),
                        ("w@luar.example", site.full)):
            sent = post(site, part, to=to)
            try:
                inner = harness.parse(signed(site, sent, hop=hop).content)
            except Exception as reason:
                raise AssertionError("%d to %s: %s" % (
                    len(part), to, reason)) from reason
            equal(inner.get_payload(decode=True), part.encode(), "text")


@test
def large_header_mta35(site):
    """30 KB of To: inside as outside. 90 KB: Sendmail refuses it itself
    (MaxHeadersLength)."""
    for count, code in ((1000, 250), (3400, 5)):
        many = ",\r\n ".join("warga%04d@luar.example" % i
                             for i in range(count))
        data = ("From: %s\r\nTo: %s\r\nSubject: @SUBJECT@\r\n\r\nx\r\n" % (
            BUDI, many)).encode()
        sent = post(site, data=data)
        if code != 250:
            refused(site, sent, code)
            continue
        contains(harness.values(harness.split(signed(
            site, sent).content)[0], "To")[0], "warga0999@")


@test
def growth_past_the_limit_mta36(site):
    """Sendmail's limit is for what comes in: what grows is delivered whole,
    for the next hop to judge."""
    sent = post(site, eight_bit(30000), *PLAIN_8BIT)
    inner = harness.parse(signed(site, sent).content)
    equal(inner.get_payload(decode=True) == eight_bit(30000).encode(), True,
          "same octets")


@test
def stray_cr_lf_and_nul_mta33(site):
    """Whatever Sendmail makes of them, before: refused, or signed as it is
    delivered."""
    for body in (b"a\rb\r\n", b"a\nb\r\n", b"a\r\r\nb\r\n", b"a\0b\r\n"):
        sent = post(site, body)
        if sent.reply.code == 250:
            signed(site, sent)
        else:
            refused(site, sent, sent.reply.code // 100)


@test
def bcc_is_not_told(site):
    """MTA-38 is Postfix's; Sendmail shows Bcc to filters: it is not copied
    under the signature."""
    result = signed(site, post(site, "x\r\n", "Bcc: rahasia@luar.example"))
    equal(b"rahasia" in result.content, False, "Bcc inside")


@test
def opendkim_behind_and_before_mta30(site):
    for to, hop in (("w@luar.example", site.full),
                    ("w@buram.example", site.full),
                    ("w@lama.example", site.old)):
        for body in ("x\r\n", eight_bit(3)):
            sent = post(site, body, *PLAIN_8BIT, to=to, door=site.dkim)
            signed(site, sent, hop=hop)
            data = arrived(sent, hop)
            data = data[data.index(b"DKIM-Signature:"):]
            marker = token(site)
            reply = submit(site.check.port, BUDI, ["kami@luar.example"],
                           b"X-Uji: %s\r\n" % marker.encode() + data)
            equal(reply.code, 250, reply.text)
            back = site.full.find(marker.encode())[0].data
            contains(back, b"dkim=pass")
            site.verify(back)


@test
def restarts_under_load_mta53(site):
    world.restarts_under_load(site, 100, 2)


if __name__ == "__main__":
    if not opendkim.usable():
        harness.skip_all("OpenDKIM is not unpacked: tests/install-deps check")
    harness.main(setup, WorldSite)
