"""Mail that comes in through a real Postfix: verdicts, forged fields on every
path, rules, incidents, OpenDKIM in both orders, and mail of our own."""
import json
import os

import harness
from harness import BUDI, SITI, contains, equal, test
import incoming
from incoming import (HAKIM, OUR_ID, OUTSIDE, RESULTS, VERIFIED, Seen,
                      arrived, detached, expect, forged, header, judged,
                      log_line, no_forged, opaque, plain, send, subject_of)
import opendkim
import postfix
import rig
import sink

LISTENER = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o smtpd_milters={milters}
  -o milter_macro_daemon_name=MX
"""
RULES = [{"name": "off", "to": ["@mati.example"], "sign": "off"},
         {"name": "skip", "to": ["@lewat.example"], "allow_skip": True}]
INCOMING = [
    {"name": "tolak", "from": ["@tolak.example"],
     "verdict": ["none", "fail", "policy", "neutral", "permerror"],
     "action": "refuse"},
    {"name": "tahan", "from": ["@tahan.example"], "verdict": ["none"],
     "action": "quarantine"},
    {"name": "tunda", "from": ["@tunda.example"], "action": "tempfail"},
    {"name": "terima", "from": ["@tolak.example"], "action": "accept"},
]


def setup(site):
    incoming.setup(site, max_opaque="64k")
    site.settings["milter"]["max_header"] = "32k"
    site.write_conf(rules=RULES, incoming=INCOMING)
    site.start()
    site.sink = site.add(sink.Sink())
    site.verifier = site.add(opendkim.OpenDkim(
        site.path("dkim"), "v", authserv_id=OUR_ID))
    site.signer = site.add(opendkim.OpenDkim(site.path("dkim"), "s"))
    ours = "unix:" + site.socket
    theirs = "inet:127.0.0.1:%d" % site.verifier.port
    site.before, site.behind, site.signing = rig.free_ports(3)
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter=ours,
        extra="header_size_limit = 1024000\n"
              "cleanup_replace_stray_cr_lf = no", master="".join(
            LISTENER.format(port=port, milters=milters)
            for port, milters in (
                (site.before, theirs + "," + ours),
                (site.behind, ours + "," + theirs),
                (site.signing, "inet:127.0.0.1:%d" % site.signer.port)))))
    site.mx = site.postfix.mx


@test
def each_verdict_on_top(site):
    incoming.verdicts(site)


@test
def large_message_streams(site):
    incoming.large_streams(site)


@test
def senders_words_are_not_repeated(site):
    incoming.bystanders_names(site)


@test
def hostile_names_in_certificates(site):
    incoming.hostile_names(site)


@test
def nothing_is_fetched(site):
    incoming.fetches_nothing(site)


@test
def opendkim_in_both_orders(site):
    incoming.behind_and_before_dkim(site, site.before, site.behind,
                                    site.signing)


# ------------------------------------------------------------ forged fields


def forged_goes(site, what, data, subject, state=None, **how):
    """One path: nothing forged is left, what others said is there."""
    reply = send(site, data, **how)
    equal(reply.code, 250, "%s: reply %s" % (what, reply.text))
    seen = Seen(arrived(site, subject))
    no_forged(seen.fields, what)
    if state is not None:
        equal(seen.state, state, what)
    equal(seen.count(VERIFIED), 1 if state else 0, what + ": ours")
    return seen


@test
def forged_goes_from_what_comes_in(site):
    """HDR-09, HDR-12: signed, unsigned, over ceilings."""
    for what, state in (("plain", "unsigned"), ("detached", "verified"),
                        ("opaque", "verified"), ("over", "unknown"),
                        ("header", "unknown")):
        subject = subject_of(site)
        extra = forged() + (("X-Besar: " + "x" * 900,) * 40
                            if what == "header" else ())
        head = header(subject, HAKIM, extra)
        if what == "plain" or what == "header":
            data = plain(site, head)
        elif what == "detached":
            data = detached(site, site.hakim, head)
        else:
            data = opaque(site, site.hakim, head, incoming.entity(
                "Isi.\r\n" * (20000 if what == "over" else 1)))
        if what == "over":
            state = "not-verified"
        seen = forged_goes(site, what, data, subject, state)
        equal("pass" in str(seen.word), state == "verified", what)


@test
def hidden_forgery_is_not_taken(site):
    """HDR-12, ATK-34: a bare CR ends a line for some who read the mail. Older
    Postfix leaves it, as this one does; Debian's newest puts a space there,
    its Sendmail refuses it."""
    subject = subject_of(site)
    reply = send(site, plain(site, header(subject, HAKIM, (
        "X-A: x\rX-Verified-Sender: verified",))))
    equal(reply.code // 100, 4, "reply " + reply.text)
    subject = subject_of(site)
    seen = judged(site, detached(site, site.hakim, header(
        subject, HAKIM, ("X-A: x\rFrom: " + BUDI,))), subject)
    contains(seen.data, b"x\rFrom: ")
    expect(seen, "not-verified", "neutral")
    equal(seen.reason, "ambiguous", "reason")


@test
def forged_goes_from_submissions(site):
    """Signed, not signed by a rule, skipped at the sender's wish."""
    for what, to, extra in (("signed", "w@luar.example", ()),
                            ("off", "w@mati.example", ()),
                            ("skipped", "w@lewat.example",
                             ("X-Sampul-Skip: yes",))):
        subject = subject_of(site)
        data = plain(site, header(subject, BUDI, forged() + extra))
        forged_goes(site, what, data, subject, None, sender=BUDI, to=to,
                    login=BUDI, port=site.postfix.submission, client=None)


@test
def forged_goes_when_nothing_is_verified(site):
    """In a reload each: verification off, and observing."""
    for what, changes in (
            ("off", {"verify": dict(site.settings["verify"],
                                    enabled=False)}),
            ("observe", {"mode": "observe"})):
        kept = {name: site.settings[name] for name in changes}
        site.write_conf(**changes)
        site.reload("reload|configuration")
        try:
            for how in ({}, {"sender": BUDI, "login": BUDI, "client": None,
                             "port": site.postfix.submission}):
                subject = subject_of(site)
                data = plain(site, header(
                    subject, how.get("sender", HAKIM), forged()))
                forged_goes(site, what, data, subject, None, **how)
        finally:
            site.write_conf(**kept)
            site.reload("reload|configuration")


def reload_elsewhere(site, **changes):
    """Other directories: the processes may be started anew for them."""
    def mail_process():
        return site.children().get(rig.SAMPUL_USER)

    before, old = len(site.logged()), mail_process()
    site.write_conf(**changes)
    site.reload("reload|configuration")
    if "started anew" in site.logged()[before:]:
        rig.wait_until("another mail process",
                       lambda: mail_process() not in (None, old), 60)
    rig.wait_until("mail is taken again", lambda: send(site, plain(
        site, header("uji-antara"))).code == 250, 60, 0.2)


@test
def forged_goes_when_there_is_no_list(site):
    """CRT-04: the result is temperror, visibly, and mail goes on."""
    kept = site.settings["verify"]
    rig.make_directory(site.path("kosong"))
    try:
        reload_elsewhere(site, verify=dict(kept,
                                           crl_dir=site.path("kosong")))
        subject = subject_of(site)
        data = detached(site, site.hakim, header(subject, HAKIM, forged()))
        seen = forged_goes(site, "no list", data, subject, "unknown")
        equal(seen.word, "temperror", "word")
        reload_elsewhere(site, verify=dict(kept, crl="soft-fail",
                                           crl_dir=site.path("kosong")))
        subject = subject_of(site)
        seen = judged(site, detached(site, site.hakim, header(subject)),
                      subject)
        expect(seen, "verified", "pass")
        contains(seen.results, "(revocation not checked)")
        contains(seen.verified, "revocation=unchecked")
    finally:
        reload_elsewhere(site, verify=kept)


@test
def others_authorities_are_believed(site):
    """verify.anchors_dir: no longer untrusted, but its list is missing."""
    kept = site.settings["verify"]
    rig.make_directory(site.path("others"))
    rig.write(site.path("others", "other-root.pem"), rig.read(
        os.path.join(site.pki, "other-root.pem")))
    site.write_conf(verify=dict(kept, anchors_dir=site.path("others")))
    site.reload("reload|configuration")
    try:
        subject = subject_of(site)
        seen = judged(site, detached(site, site.alien, header(subject)),
                      subject)
        expect(seen, "unknown", "temperror")
        contains(seen.verified, "reason=crl-missing")
    finally:
        site.write_conf(verify=kept)
        site.reload("reload|configuration")


@test
def forged_by_another_label_form(site):
    """CRT-36, RFC 8601 5: our id in Unicode is ours; and HDR-13: the id is
    what is configured."""
    ours = "mail.xn--bcher-kva.example"
    site.write_conf(authserv_id=ours)
    site.reload("reload|configuration")
    try:
        for other in ("mail.b\u00fccher.example", "mail.B\u00dcCHER.example",
                      '"mail.b\u00fccher.example"', ours, ours.upper()):
            subject = subject_of(site)
            data = plain(site, header(subject, HAKIM, (
                "Authentication-Results: %s; smime=pass" % other,)))
            reply = send(site, data, options=("SMTPUTF8", "BODY=8BITMIME"))
            equal(reply.code, 250, reply.text)
            seen = Seen(arrived(site, subject))
            equal(seen.count(RESULTS), 1, other)
            equal((seen.identity, seen.word), (ours, "none"), other)
    finally:
        site.write_conf(authserv_id=OUR_ID)
        site.reload("reload|configuration")


# ------------------------------------------------------------------- policy


def goes_nowhere(site, subject):
    equal(site.sink.find(subject.encode(), 1, 0.3), [], "delivered")


@test
def rules_refuse_and_accept(site):
    """VER-52: by rule, in SMTP, with a reason; a good signature passes."""
    sender = "a@tolak.example"
    good = site.certificate(sender, "p256")
    subject = subject_of(site)
    for data in (plain(site, header(subject, sender)),
                 detached(site, good, header(subject, sender),
                          changed=incoming.entity("Lain.\r\n")),
                 detached(site, site.hakim, header(subject, sender))):
        reply = send(site, data, sender=sender)
        equal(reply.code // 100, 5, "reply " + reply.text)
        contains(reply.text, "S/MIME")
    goes_nowhere(site, subject)
    seen = judged(site, detached(site, good, header(subject, sender)),
                  subject, sender=sender)
    expect(seen, "verified", "pass")
    subject = subject_of(site)
    reply = send(site, plain(site, header(subject, "a@tunda.example")))
    equal(reply.code // 100, 4, "reply " + reply.text)
    goes_nowhere(site, subject)


@test
def rules_hold(site):
    """MTA-54: in the hold queue; when it is let go, it has both fields."""
    subject = subject_of(site)
    data = plain(site, header(subject, "a@tahan.example", forged(5)))
    reply = send(site, data)
    equal(reply.code, 250, reply.text)
    goes_nowhere(site, subject)
    held = [json.loads(line) for line in site.postfix.queued()]
    held = [entry for entry in held if entry["queue_name"] == "hold"]
    equal(len(held), 1, "held")
    site.postfix.command("postsuper", "-H", held[0]["queue_id"])
    site.postfix.command("postqueue", "-i", held[0]["queue_id"])
    seen = Seen(arrived(site, subject))
    expect(seen, "unsigned", "none", RESULTS, VERIFIED)
    no_forged(seen.fields, "held")


@test
def spoofs_of_our_domain(site):
    """An incident of its own word in any case; refused where that is set;
    never what is signed well, nor what this host hands in."""
    def one(data, word, code):
        before = len(site.logged())
        reply = send(site, data, sender=BUDI)
        equal(reply.code // 100, code, "%s: %s" % (word, reply.text))
        line = log_line(site, before, "client=" + OUTSIDE)
        equal("incident=" + str(word) in line, word is not None, line)
        equal("incident=" in line, word is not None, line)

    def all_of_them(code):
        subject = subject_of(site)
        one(plain(site, header(subject, BUDI)), "spoof", code)
        one(plain(site, header(subject, "bupati@pekalongankab.go.id")),
            "spoof", code)
        one(plain(site, header(subject, BUDI + ", " + HAKIM)), "spoof", code)
        one(detached(site, site.hakim, header(subject, BUDI)), "spoof", code)
        one(detached(site, site.budi, header(subject, BUDI),
                     changed=incoming.entity("Lain.\r\n")), "bad-signature",
            code)
        one(detached(site, site.budi, header(subject, BUDI)), None, 2)
        one(plain(site, header(subject, HAKIM)), None, 2)
        reply = send(site, plain(site, header(subject, BUDI)), client=None)
        equal(reply.code, 250, "from this host: " + reply.text)

    all_of_them(2)
    kept = site.settings["verify"]
    site.write_conf(verify=dict(kept, spoof="refuse"))
    site.reload("reload|configuration")
    try:
        all_of_them(5)
    finally:
        site.write_conf(verify=kept)
        site.reload("reload|configuration")


# ------------------------------------------------------------ mail of ours


@test
def our_own_mail_is_verified_in_one_pass(site):
    """Internal mail: signed, and with its verified sender, at once."""
    for extra in ((), forged()):
        subject = subject_of(site)
        data = plain(site, header(subject, BUDI, extra))
        reply = send(site, data, site.postfix.submission, BUDI, SITI, BUDI,
                     None)
        equal(reply.code, 250, reply.text)
        whole = arrived(site, subject)
        seen = Seen(whole)
        expect(seen, "verified", "pass", RESULTS, VERIFIED)
        contains(seen.verified, BUDI)
        equal(seen.properties.get("smime-identifier"), BUDI, "identifier")
        equal(site.verify(whole).addresses, [BUDI], "openssl")
        if extra:
            no_forged(seen.fields, "own")
    subject = subject_of(site)
    reply = send(site, plain(site, header(subject, BUDI)),
                 site.postfix.submission, BUDI, "w@luar.example", BUDI, None)
    equal(reply.code, 250, reply.text)
    seen = Seen(arrived(site, subject))
    equal((seen.state, seen.word), (None, None), "for others alone")


@test
def our_mail_comes_back_verified(site):
    """What we have signed, from outside: verified like anybody's."""
    subject = subject_of(site)
    send(site, plain(site, header(subject, BUDI)), site.postfix.submission,
         BUDI, "w@luar.example", BUDI, None)
    sent = arrived(site, subject)
    sent = sent[sent.index(b"From: "):]
    marker = subject_of(site)
    data = b"X-Uji: " + marker.encode() + b"\r\n" + sent
    seen = judged(site, data, marker, sender=BUDI)
    expect(seen, "verified", "pass", RESULTS, VERIFIED)
    incoming.is_unchanged(seen, data)


@test
def queue_is_empty_at_the_end(site):
    rig.wait_until("Postfix's queue is empty",
                   lambda: not site.postfix.queued(), 20)


if __name__ == "__main__":
    if not opendkim.usable():
        harness.skip_all("opendkim is not unpacked")
    harness.main(setup)
