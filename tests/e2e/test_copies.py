"""Separate copies behind a real Postfix: who gets which, who can read it, and
that everybody has his once whatever goes wrong."""
import json

import copies
from copies import CLEAR, HAKIM, Letter, OWN, PANITERA, REQUIRED, WARGA
import harness
from harness import BUDI, contains, equal, submit, test
import postfix
import rig
import secrecy
import sink

# What conf/postfix.cf shows.
LISTENER = """
127.0.0.1:%d inet n - n - - smtpd
  -o syslog_name=postfix/copies
  -o smtpd_milters=
  -o non_smtpd_milters=
  -o content_filter=
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o smtpd_tls_security_level=none
"""


def setup(site):
    copies.setup(site)
    port, = rig.free_ports(1)
    site.sink = site.add(sink.Sink())
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter="unix:" + site.socket,
        master=LISTENER % port))
    copies.use_port(site, port)
    site.start()
    site.submit = lambda to, data, options=(), sender=BUDI: submit(
        site.postfix.submission, sender, to, data, BUDI, options)


for function in (*copies.ALL, copies.submit_process_killed,
                 copies.mail_process_killed):
    test(function)


@test
def utf8(site):
    """RFC 6531; in a field that is seen it would keep the Subject open."""
    name = "w\u00e4rga@luar.example"
    letter = Letter(site, "clear", [HAKIM], bcc=[name], options=("SMTPUTF8",))
    letter.taken()
    copies.expect(site, letter, [([HAKIM], [BUDI])], [[name]])
    letter = Letter(site, "each", [HAKIM], bcc=[name], options=("SMTPUTF8",))
    letter.taken()
    copies.expect(site, letter, [([HAKIM], [BUDI])], nobody=[name])
    told = site.sink.find_for(BUDI)[-1]
    contains(told.data, b"Final-Recipient: utf-8; w\\x{E4}rga@luar.example")


@test
def marked(site):
    """By a port at which the milter looks again: once is enough."""
    before = site.settings["submit"]["server"]
    site.write_conf(
        submit={"server": "127.0.0.1:%d" % site.postfix.app,
                "user": copies.SUBMIT_USER},
        origins=[{"name": "login", "kind": "login"},
                 {"name": "app", "kind": "daemon", "daemons": ["APLIKASI"],
                  "from": [BUDI]}])
    site.reload("reload|started anew")
    letter = Letter(site, "clear", [HAKIM, WARGA], bcc=[PANITERA]).taken()
    copies.expect(site, letter, [([HAKIM], [BUDI]), ([PANITERA], [])],
                  [[WARGA]])
    for got in copies.by_recipient(site, letter).values():
        if b"Sampul-Copy" in got[0]:
            raise AssertionError("the mark was left")
    letter = Letter(site, "each", [HAKIM, WARGA]).taken()
    copies.notice(site, letter, WARGA)
    contains(site.logged(), "a message of our own, by its mark")
    # somebody else's mark counts for nothing
    letter = Letter(site, "own", [HAKIM],
                    extra=[("Sampul-Copy", "0" * 32)]).taken()
    copies.expect(site, letter, [([HAKIM], [BUDI])])
    site.write_conf(submit={"server": before, "user": copies.SUBMIT_USER},
                    origins=[{"name": "login", "kind": "login"}])
    site.reload("reload|started anew")


@test
def explained(site):
    how = ["explain", "--from", BUDI, "--login", BUDI]
    to = ["--to", HAKIM, "--to", WARGA, "--to", PANITERA, "--header",
          "To: %s, %s" % (HAKIM, WARGA)]
    told = site.ctl(*how, *to, "--header", "X-Uji: clear").stdout.decode()
    contains(told, "copy:        encrypted to %s, %s (sender)\n"
             "copy:        clear to %s\n"
             "copy:        encrypted to %s (hidden)\n" % (
                 HAKIM, BUDI, WARGA, PANITERA))
    told = site.ctl(*how, *to, "--header", "X-Uji: each").stdout.decode()
    contains(told, "refused:     %s: no certificate" % WARGA)
    told = json.loads(site.ctl("--json", *how, *to, "--header",
                               "X-Uji: each").stdout)
    equal(told["copies"], [
        {"encrypted": True, "hidden": False, "recipients": [HAKIM]},
        {"encrypted": True, "hidden": True, "recipients": [PANITERA]}],
        "copies")
    equal(told["refused"], [WARGA], "refused")


@test
def observed(site):
    site.write_conf(mode="observe")
    site.reload("mode|reload")
    letter = Letter(site, "each", [HAKIM, WARGA], bcc=[PANITERA]).taken()
    copies.expect_untouched(site, letter, [HAKIM, WARGA, PANITERA])
    contains(site.logged(), "result=would-encrypt")
    site.write_conf(mode="enforce")
    site.reload("mode|reload")


@test
def refuses_words_that_do_nothing(site):
    """conf: everything but the defaults needs a server."""
    saved = {name: site.settings[name] for name in ("submit", "rules")}
    for settings, words in ((OWN, "hidden_recipients"),
                            ({"split_by_key": True}, "split_by_key"),
                            ({"encrypt": "if-possible", **CLEAR},
                             "without_certificate")):
        site.write_conf(submit=None, rules=[{**REQUIRED, **settings}])
        result = site.ctl("check", check=False)
        equal(result.returncode != 0, True, "taken")
        contains((result.stdout + result.stderr).decode(), words)
        contains((result.stdout + result.stderr).decode(), "submit")
    site.write_conf(**saved)


for function in secrecy.ALL:
    test(function)


if __name__ == "__main__":
    harness.main(setup)
