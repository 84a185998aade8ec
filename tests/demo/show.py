"""The demonstration itself: a keystore of four mailboxes in two agencies,
Sampul, a private Postfix, and four mails through them."""
import base64
import glob
import os
import re
import shlex
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import harness                                          # noqa: E402
import postfix                                          # noqa: E402
import rig                                              # noqa: E402
from harness import BUDI, SEKRETARIAT, SITI             # noqa: E402

UMUM = "umum@setda.pekalongankab.go.id"
MAILBOXES = ((BUDI, "rsa2048"), (SITI, "p256"), (SEKRETARIAT, "rsa3072"),
             (UMUM, "p384"))

STOP = """\
#!/bin/sh
# Ends the demonstration and removes its directory.
kill {pids} 2>/dev/null
for pid in {pids}; do
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
	done
done
rm -rf {base}
echo "stopped; {base} is gone"
"""


def step(text):
    print("\n== " + text, flush=True)


def say(text=""):
    print("   " + text if text else "", flush=True)


class StoredSink:
    """The next hop as a process of its own, so that it may stay."""

    def __init__(self, base):
        self.directory = rig.make_directory(base)
        port = os.path.join(base, "port")
        self.process = rig.Process(
            "sink", ["/usr/bin/python3", os.path.join(
                rig.ROOT, "tests/mta/sink.py"), base],
            os.path.join(base, "log"))
        self.process.wait_for("its port", lambda: os.path.exists(port))
        self.port = int(rig.read(port))
        self.seen = 0

    def stop(self):
        self.process.stop()

    def next(self):
        path = os.path.join(self.directory, "%04d.eml" % (self.seen + 1))
        rig.wait_until("a delivery", lambda: os.path.exists(path))
        self.seen += 1
        return path


def prepare(site):
    step("Making a certification authority like the real one")
    say("root -> issuing CA -> mailbox certificates of two years")
    site.init()
    step("Filling the keystore (sampulctl init, import, list)")
    for address, kind in MAILBOXES:
        site.enrol(address, kind)
    for line in site.ctl("list").stdout.decode().splitlines():
        say(line)


def serve(site):
    step("Starting Sampul")
    site.start()
    say("supervisor %d as root; %s" % (site.process.pid, ", ".join(
        "%s %d as %s" % ("mail process" if user == rig.SAMPUL_USER
                         else "key process", pid, user)
        for user, pid in sorted(site.children().items()))))
    step("Starting a private Postfix, with Dovecot for its logins")
    site.sink = site.add(StoredSink(site.path("delivered")))
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter="unix:" + site.socket))
    say("submission on 127.0.0.1:%d, next hop on 127.0.0.1:%d" % (
        site.postfix.submission, site.sink.port))


def plain_mail():
    return harness.message(
        "Budi <%s>" % BUDI, "Undangan rapat",
        "Yth. Bapak/Ibu,\r\n\r\nRapat koordinasi Senin pukul 09.00.\r\n",
        to="warga@luar.example")


def html_mail():
    html = ("<p>Yth. Bapak/Ibu,</p>\r\n<p>terlampir surat keputusan tentang "
            "\u201cpelayanan publik\u201d \u2014 mohon dipelajari.</p>\r\n"
            ).encode()
    attachment = base64.encodebytes(
        b"%PDF-1.7\n" + bytes(range(256)) * 8).replace(b"\n", b"\r\n")
    head = harness.message(
        "Sekretariat Daerah <%s>" % SEKRETARIAT, "Surat keputusan", b"",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="batas"',
        "Content-Transfer-Encoding: 8bit", to="warga@luar.example")
    return head + (
        b"--batas\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + html +
        b"--batas\r\nContent-Type: application/pdf; name=sk.pdf\r\n"
        b"Content-Disposition: attachment; filename=sk.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + attachment +
        b"--batas--\r\n")


def tree(part, depth=0):
    words = [part.get_content_type()]
    for name in ("micalg", "hp", "charset"):
        value = part["Content-Type"].params.get(name) \
            if part["Content-Type"] else None
        if value:
            words.append("%s=%s" % (name, value))
    if part["Content-Transfer-Encoding"]:
        words.append(str(part["Content-Transfer-Encoding"]))
    if part.get_filename():
        words.append(part.get_filename())
    say("      " + "   " * depth + " ".join(words))
    for child in part.iter_parts() if part.is_multipart() else ():
        tree(child, depth + 1)


def show(site, what, login, data):
    step(what)
    say("logged in as %s" % login)
    reply = harness.submit(site.postfix.submission, login,
                           ["warga@luar.example"], data, login,
                           ["BODY=8BITMIME"])
    say("Postfix answers: %d %s" % reply)
    if reply.code != 250:
        raise rig.Failure("the mail was not taken")
    path = site.sink.next()
    with open(path, "rb") as file:
        delivered = file.read()
    say("what came out (%s, %d octets):" % (path, len(delivered)))
    fields, _ = harness.split(delivered)
    for name, value in fields:
        if name.lower() != "received":
            say("      " + (name + ":" + value.replace(
                b"\r\n", b"").decode("utf-8", "replace"))[:70])
    say("its structure:")
    tree(harness.parse(delivered))
    check(site, path, delivered)


def check(site, path, delivered):
    command = ["cms", "-verify", "-in", path, "-CAfile", site.anchor,
               "-purpose", "smimesign"]
    say("an independent program looks at it:")
    say("      $ openssl " + " ".join(command))
    harness.openssl(*command, "-out", os.devnull)
    signed = site.verify(delivered)
    say("      CMS Verification successful; signer %s" %
        ", ".join(signed.addresses))
    inner = harness.parse(signed.content)
    say("      signed inside: From %s, Subject %s" % (
        inner["From"], inner["Subject"]))


def refuse(site):
    step("One that must not leave: logged in as siti, From budi")
    reply = harness.submit(
        site.postfix.submission, SITI, ["warga@luar.example"],
        plain_mail(), SITI)
    say("Postfix answers: %d %s" % reply)
    if reply.code // 100 != 5:
        raise rig.Failure("it should have been refused")
    if glob.glob(os.path.join(site.sink.directory, "*.eml")) and \
            len(glob.glob(os.path.join(site.sink.directory, "*.eml"))) != \
            site.sink.seen:
        raise rig.Failure("it was delivered")
    say("nothing was delivered")


def journal(site):
    step("What Sampul wrote about them")
    for line in site.logged().splitlines():
        if re.search(r"result=", line):
            say(line)
    step("The audit trail of the keys")
    for line in rig.read(site.settings["audit"]["file"]).splitlines():
        say(line)


def keep(site):
    """Leaves the servers and says how to talk to them."""
    pids = [site.process.pid, site.postfix.process.pid,
            site.postfix.auth.process.pid, site.sink.process.pid]
    # postfix(1) waits for its master, which has to be told itself.
    pids.append(int(rig.read(site.path(
        "postfix", "queue", "pid", "master.pid")).strip()))
    stop = rig.write(site.path("stop"), STOP.format(
        pids=" ".join(map(str, pids)), base=shlex.quote(site.base)), 0o755)
    port = site.postfix.submission
    step("Left running (KEEP=1)")
    for line in (
            "submission   127.0.0.1:%d, AUTH PLAIN or LOGIN" % port,
            "logins       the four addresses above, password " +
            harness.dovecot.PASSWORD,
            "deliveries   %s/*.eml" % site.sink.directory,
            "logs         %s  %s" % (site.log, site.postfix.log),
            "to send      tests/demo/send %d %s warga@luar.example <message"
            % (port, BUDI),
            "to ask       build/sampulctl -c %s explain --login %s --from %s"
            % (site.conf_file, SITI, BUDI),
            "to reload    kill -HUP %d" % site.process.pid,
            "to end it    sh " + stop):
        say(line)


def run(site):
    prepare(site)
    serve(site)
    show(site, "Plain text from Dinas Kesehatan", BUDI, plain_mail())
    show(site, "HTML in 8 bit with an attachment from Sekretariat Daerah",
         SEKRETARIAT, html_mail())
    refuse(site)
    journal(site)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    site = harness.Site()
    kept = False
    try:
        run(site)
        if os.environ.get("KEEP", "") not in ("", "0"):
            keep(site)
            kept = True
        else:
            step("Done: two signed and verified, one refused. Everything is"
                 " stopped and removed.")
    except (rig.Failure, harness.Refused) as reason:
        print("\ndemo: failed: %s\n%s" % (reason, site.logged()[-4000:]),
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not kept:
            site.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
