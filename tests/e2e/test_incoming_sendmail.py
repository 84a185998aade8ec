"""Mail that comes in through a real Sendmail: as test_incoming.py, as far as
the two differ."""
import harness
from harness import BUDI, SITI, contains, equal, test
import incoming
from incoming import (HAKIM, OUR_ID, RESULTS, VERIFIED, Seen, arrived,
                      detached, expect, forged, header, judged, no_forged,
                      plain, send, subject_of)
import opendkim
import rig
import sendmail
import sink

INCOMING = [
    {"name": "tolak", "from": ["@tolak.example"], "verdict": ["none", "fail"],
     "action": "refuse"},
    {"name": "tahan", "from": ["@tahan.example"], "action": "quarantine"},
]
FILTER = ("INPUT_MAIL_FILTER(`opendkim', `S=inet:%d@127.0.0.1, F=T, "
          "T=C:10s;S:30s;R:30s;E:60s')dnl\n")


def mta(site, name, milter="", extra=""):
    return site.add(sendmail.Sendmail(
        site.path(name), site.sink.port, site.sink.port, milter=milter,
        extra=extra))


def setup(site):
    incoming.setup(site)
    site.xclient = False
    site.use_port()
    site.write_conf(origins=[{"name": "submission", "kind": "daemon",
                              "daemons": ["SUBMISSION"], "from": [BUDI]}],
                    incoming=INCOMING)
    site.start()
    site.sink = site.add(sink.Sink())
    site.verifier = site.add(opendkim.OpenDkim(
        site.path("dkim"), "v", authserv_id=OUR_ID))
    site.signer = site.add(opendkim.OpenDkim(site.path("dkim"), "s"))
    ours = "inet:%d@127.0.0.1" % site.port
    verifier = FILTER % site.verifier.port
    site.sendmail = mta(site, "sendmail", ours)
    site.mx = site.sendmail.mx
    site.behind = mta(site, "behind", ours, verifier)
    site.before = mta(site, "before", "", verifier +
                      sendmail.FILTER.format(socket=ours))
    site.signing = mta(site, "signing", "", FILTER % site.signer.port)


@test
def each_verdict_on_top(site):
    incoming.verdicts(site)


@test
def senders_words_are_not_repeated(site):
    incoming.bystanders_names(site)


@test
def hostile_names_in_certificates(site):
    incoming.hostile_names(site)


@test
def opendkim_in_both_orders(site):
    incoming.behind_and_before_dkim(site, site.before.mx, site.behind.mx,
                                    site.signing.mx)


@test
def forged_goes(site):
    """HDR-09, HDR-12: what comes in, and submissions."""
    for what, how, state in (
            ("in", {}, "unsigned"),
            ("submission", {"sender": BUDI, "to": "w@luar.example",
                            "port": site.sendmail.submission}, None)):
        for count in (1, 50):
            subject = subject_of(site)
            data = plain(site, header(subject, how.get("sender", HAKIM),
                                      forged(count)))
            reply = send(site, data, **how)
            equal(reply.code, 250, what + ": " + reply.text)
            seen = Seen(arrived(site, subject))
            no_forged(seen.fields, what)
            equal(seen.state, state, what)


@test
def forged_goes_when_observing(site):
    site.write_conf(mode="observe")
    site.reload("reload|configuration")
    try:
        subject = subject_of(site)
        data = plain(site, header(subject, HAKIM, forged()))
        equal(send(site, data).code, 250, "reply")
        no_forged(Seen(arrived(site, subject)).fields, "observe")
    finally:
        site.write_conf(mode="enforce")
        site.reload("reload|configuration")


@test
def rules(site):
    subject = subject_of(site)
    reply = send(site, plain(site, header(subject, "a@tolak.example")))
    equal(reply.code // 100, 5, reply.text)
    contains(reply.text, "S/MIME")
    reply = send(site, plain(site, header(subject, "a@tahan.example")))
    equal(reply.code, 250, reply.text)
    equal(site.sink.find(subject.encode(), 1, 0.5), [], "delivered")


@test
def our_own_mail_is_verified_in_one_pass(site):
    subject = subject_of(site)
    reply = send(site, plain(site, header(subject, BUDI)),
                 site.sendmail.submission, BUDI, SITI)
    equal(reply.code, 250, reply.text)
    whole = arrived(site, subject)
    seen = Seen(whole)
    expect(seen, "verified", "pass", RESULTS, VERIFIED)
    contains(seen.verified, BUDI)
    equal(site.verify(whole).addresses, [BUDI], "openssl")


if __name__ == "__main__":
    harness.need_root()
    if not sendmail.usable():
        harness.skip_all("namespaces are not allowed here")
    if not opendkim.usable():
        harness.skip_all("opendkim is not unpacked")
    harness.main(setup)
