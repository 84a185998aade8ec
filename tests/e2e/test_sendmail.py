"""The main job behind a real Sendmail, which edits headers by other rules
than Postfix (MTA-08). What is outgoing is told by the daemon's name."""
import time

import harness
from harness import (BUDI, NOBODY, SEKRETARIAT, SITI, contains, equal,
                     message, submit, test)
import sendmail
import sink

FORGED = ("X-Verified-Sender: chief@pekalongankab.go.id",
          "Authentication-Results: mail.pekalongankab.go.id; smime=pass",
          "X-Verified-Sender: again")


def setup(site):
    if not sendmail.usable():
        harness.skip_all("no namespaces here, which Sendmail's rig needs")
    site.use_port()
    site.init()
    site.enrol(BUDI)
    site.enrol(SEKRETARIAT, "p256")
    site.write_conf(
        origins=[{"name": "submission", "kind": "daemon",
                  "daemons": ["SUBMISSION"],
                  "from": [BUDI, SEKRETARIAT, NOBODY]}],
        rules=[{"name": "opaque", "to": ["@buram.example"],
                "form": "opaque"},
               {"name": "off", "to": ["@mati.example"], "sign": "off"}])
    site.start()
    site.full = site.add(sink.Sink())
    site.old = site.add(sink.Sink(eightbit=False, utf8=False))
    site.sendmail = site.add(sendmail.Sendmail(
        site.path("sendmail"), site.full.port, site.old.port,
        milter="inet:%d@127.0.0.1" % site.port))


def send(site, body, *extra, sender=BUDI, to="warga@luar.example", port=None):
    subject = "uji-%d" % next(site.serial)
    data = message(sender, subject, body, *extra, to=to)
    return subject, data, submit(port or site.sendmail.submission, sender,
                                 [to], data, options=["BODY=8BITMIME"])


def arrived(site, result, hop=None):
    subject, _, reply = result
    equal(reply.code, 250, "reply " + reply.text)
    found = (hop or site.full).find(subject.encode())
    equal(len(found), 1, "messages delivered")
    return found[0].data


def signed(site, result, address=BUDI, hop=None):
    verified = site.verify(arrived(site, result, hop))
    equal(verified.addresses, [address], "addresses of the signer")
    return verified


def refused(site, result, code):
    subject, _, reply = result
    equal(reply.code // 100, code, "reply " + reply.text)
    time.sleep(0.2)
    equal(site.full.find(subject.encode(), 0), [], "delivered")
    return reply.text


@test
def daemon_is_signed(site):
    for sender in (BUDI, SEKRETARIAT):
        result = signed(site, send(site, "Selamat pagi.\r\n", sender=sender),
                        sender)
        inner = harness.parse(result.content)
        equal(inner.get_payload(decode=True), b"Selamat pagi.\r\n", "text")
        equal(inner["From"], sender, "protected From")


@test
def header_order_is_kept(site):
    """MTA-05 to MTA-09, SIG-17."""
    result = signed(site, send(
        site, "\u00e9\r\n", "X-Satu: 1", "MIME-Version: 1.0",
        "X-Dua:  two spaces", "Content-Type: text/plain; charset=utf-8",
        "X-Tiga:tight", "Content-Transfer-Encoding: 8bit",
        "Content-Language: id", "Content-Language: en",
        "X-Panjang: a\r\n\tlipat", "X-Satu: 2"))
    names = [name for name, _ in result.header]
    equal([n for n in names if n.startswith("X-")],
          ["X-Satu", "X-Dua", "X-Tiga", "X-Panjang", "X-Satu"], "order")
    equal([v for n, v in result.header if n.startswith("X-")],
          [b" 1", b"  two spaces", b"tight", b" a\r\n\tlipat", b" 2"],
          "values")
    equal([n for n in names if n.lower().startswith("content-")],
          ["Content-Type"], "Content-* outside")


@test
def message_without_mime_header(site):
    for body in ("", "x\r\n", b"\xe9t\xe9\r\n", "a" * 1500 + "\r\n"):
        signed(site, send(site, body))


@test
def opaque_by_rule(site):
    result = signed(site, send(
        site, "Tertutup \u00e9\r\n", "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", to="a@buram.example"))
    contains(harness.values(result.header, "Content-Type")[0], "pkcs7-mime")
    equal(harness.parse(result.content).get_payload(decode=True),
          "Tertutup \u00e9\r\n".encode(), "text")


@test
def next_hop_without_8bitmime(site):
    """MTA-31: Sendmail would make it base64."""
    body = "Isi dengan \u00e9 dan \u2014.\r\n" + "panjang " * 200 + "\r\n"
    inner = harness.parse(signed(site, send(
        site, body, "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", to="a@lama.example"),
        hop=site.old).content)
    equal(inner.get_payload(decode=True), body.encode(), "octets")


@test
def forged_results_are_removed(site):
    for how in ({}, {"to": "a@mati.example"}, {"port": site.sendmail.mx}):
        fields, _ = harness.split(arrived(site, send(
            site, "x\r\n", *FORGED, **how)))
        for name in ("X-Verified-Sender", "Authentication-Results"):
            equal(harness.values(fields, name), [], name)


@test
def others_are_not_signed(site):
    """SIG-04: the other daemon is no evidence."""
    subject, data, reply = send(site, "x\r\n", port=site.sendmail.mx)
    if not arrived(site, (subject, data, reply)).endswith(data):
        raise AssertionError("changed")


@test
def refusals_reach_the_sender(site):
    contains(refused(site, send(site, "x", sender=NOBODY), 5),
             "helpdesk@setda.pekalongankab.go.id")
    refused(site, send(site, "x", sender=SITI), 5)


@test
def already_signed_passes_untouched(site):
    first = arrived(site, send(site, "Sekali saja.\r\n"))
    first = first[first.index(b"From: "):]
    marker = "x-%d" % next(site.serial)
    data = b"X-Uji: %s\r\n" % marker.encode() + first
    reply = submit(site.sendmail.submission, BUDI, ["a@luar.example"], data)
    equal(reply.code, 250, reply.text)
    again = site.full.find(marker.encode())[0].data
    equal(again.endswith(first), True, "unchanged")
    site.verify(again)


@test
def milter_down_is_a_temporary_failure(site):
    site.stop()
    try:
        refused(site, send(site, "x"), 4)
    finally:
        site.start()
    signed(site, send(site, "x\r\n"))


if __name__ == "__main__":
    harness.main(setup)
