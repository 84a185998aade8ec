"""What the end-to-end tests share: a PKI and keystore, Sampul itself, private
mail servers, and a second opinion on what comes out (openssl cms).

A test file registers functions with @test and ends in harness.main(setup):
every test prints "ok - name" or "not ok - name" with the reason.
"""
import base64
import collections
import email
import email.policy
import itertools
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "mta"))

import dovecot                                          # noqa: E402
import rig                                              # noqa: E402

BUILD = os.environ.get("SAMPUL_BUILD", os.path.join(rig.ROOT, "build"))
MAKE_PKI = os.path.join(rig.ROOT, "tests", "pki", "make-pki")

BUDI = "budi@dinkes.pekalongankab.go.id"
SITI = "siti@dinkes.pekalongankab.go.id"
SEKRETARIAT = "sekretariat@setda.pekalongankab.go.id"
NOBODY = "tanpa@dinkes.pekalongankab.go.id"     # a mailbox, no certificate

# ------------------------------------------------------- the second opinion


class Refused(Exception):
    """openssl, or our own reading of the standards, does not accept it."""


Signed = collections.namedtuple("Signed", "content addresses header")


def split(data):
    """Header fields as [(name, raw value)], and the body, to the octet."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        raise Refused("no empty line")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in b" \t" and fields:
            fields[-1][1] += b"\r\n" + line
        else:
            name, _, value = line.partition(b":")
            fields.append([name.decode("ascii", "replace"), value])
    return [(name, value) for name, value in fields], body


def values(fields, name):
    """All values of one field, unfolded."""
    return [value.replace(b"\r\n", b"").strip().decode("utf-8", "replace")
            for field, value in fields if field.lower() == name.lower()]


def parameters(value):
    parsed = email.message_from_string(
        "Content-Type: %s\n\n" % value, policy=email.policy.default)
    header = parsed["Content-Type"]
    return header.content_type, dict(header.params)


def detached_parts(body, boundary):
    """RFC 1847: the first part exactly as signed, and the second."""
    delimiter = b"--" + boundary.encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise Refused("not two parts: %d" % (len(pieces) - 2))
    return [piece[2:] for piece in pieces[1:3]]


def openssl(*args, check=True):
    result = subprocess.run(["/usr/bin/openssl", *args],
                            capture_output=True, check=False)
    if check and result.returncode != 0:
        raise Refused("openssl %s: %s" % (
            " ".join(args), result.stderr.decode("utf-8", "replace")))
    return result.stdout


def verify(data, anchor, directory):
    """A whole message as delivered: content and signer, or Refused.

    Twice: as anybody would call openssl, and on the exact octets."""
    fields, body = split(data)
    if len(values(fields, "MIME-Version")) != 1:
        raise Refused("not one MIME-Version")
    if len(values(fields, "Content-Type")) != 1:
        raise Refused("not one Content-Type")
    kind, params = parameters(values(fields, "Content-Type")[0])
    message = os.path.join(directory, "message")
    signer = os.path.join(directory, "signer")
    out = os.path.join(directory, "content")
    for path, octets in ((message, data),):
        with open(path, "wb") as file:
            file.write(octets)
    openssl("cms", "-verify", "-in", message, "-CAfile", anchor,
            "-purpose", "smimesign", "-signer", signer, "-out", out)
    if kind == "multipart/signed":
        content = _verify_detached(body, params, anchor, directory)
    elif kind == "application/pkcs7-mime":
        content = _verify_opaque(fields, body, params, anchor, directory)
    else:
        raise Refused("not signed: " + kind)
    if any(octet >= 0x80 for octet in content):
        raise Refused("8-bit octets in what is signed")
    addresses = openssl("x509", "-in", signer, "-noout", "-email")
    return Signed(content, addresses.decode().split(), fields)


def _write(path, octets):
    with open(path, "wb") as file:
        file.write(octets)
    return path


def _verify_detached(body, params, anchor, directory):
    if params.get("protocol") != "application/pkcs7-signature":
        raise Refused("protocol %s" % params.get("protocol"))
    if params.get("micalg") not in ("sha-256", "sha-384", "sha-512"):
        raise Refused("micalg %s" % params.get("micalg"))
    content, second = detached_parts(body, params["boundary"])
    signature_fields, encoded = split(second + b"\r\n")
    if parameters(values(signature_fields, "Content-Type")[0])[0] != \
            "application/pkcs7-signature":
        raise Refused("second part is no signature")
    der = _write(os.path.join(directory, "sig.der"),
                 base64.b64decode(encoded))
    exact = _write(os.path.join(directory, "exact"), content)
    openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", der,
            "-content", exact, "-CAfile", anchor, "-purpose", "smimesign",
            "-out", os.devnull)
    return content


def _verify_opaque(fields, body, params, anchor, directory):
    if params.get("smime-type") != "signed-data":
        raise Refused("smime-type %s" % params.get("smime-type"))
    if values(fields, "Content-Transfer-Encoding") != ["base64"]:
        raise Refused("opaque form is not in base64")
    der = _write(os.path.join(directory, "p7m.der"), base64.b64decode(body))
    out = os.path.join(directory, "opaque")
    openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", der,
            "-CAfile", anchor, "-purpose", "smimesign", "-out", out)
    with open(out, "rb") as file:
        return file.read()


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


# ------------------------------------------------------------- conf writing


def conf_value(value):
    """libconfig's syntax: dict is a group, list of dicts a list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, dict):
        return "{ %s }" % " ".join("%s = %s;" % (name, conf_value(item))
                                   for name, item in value.items())
    if value and isinstance(value[0], dict):
        return "( %s )" % ", ".join(conf_value(item) for item in value)
    return "[ %s ]" % ", ".join(conf_value(item) for item in value)


def conf_text(settings):
    return "".join("%s = %s;\n" % (name, conf_value(value))
                   for name, value in settings.items())


# ------------------------------------------------------------------- Sampul


class Site:
    """One organisation: authorities, a keystore, a configuration and, once
    started, Sampul. Everything is below one temporary directory."""

    def __init__(self):
        self.base = rig.temporary_directory("sampul-e2e-")
        self.pki = os.path.join(self.base, "pki")
        self.conf_file = os.path.join(self.base, "sampul.conf")
        self.log = os.path.join(self.base, "sampul.log")
        self.anchor = os.path.join(self.pki, "root.pem")
        self.socket = os.path.join(self.base, "run", "milter.sock")
        self.port = None
        self.process = None
        self.stack = []         # to be stopped, the last first
        self.serial = itertools.count(1)
        rig.make_directory(os.path.join(self.base, "run"))
        rig.make_directory(os.path.join(self.base, "scratch"))
        self.settings = self._defaults()
        self.make_pki()

    def _defaults(self):
        base = self.base
        return {
            "mode": "enforce",
            "language": "en",
            "domains": ["pekalongankab.go.id", ".pekalongankab.go.id"],
            "authserv_id": "mail.pekalongankab.go.id",
            "help": "helpdesk@setda.pekalongankab.go.id",
            "user": rig.SAMPUL_USER,
            "key_user": rig.SAMPUL_KEY_USER,
            "socket_group": rig.MTA_GROUP,
            "pid_file": os.path.join(base, "run", "sampul.pid"),
            "milter": {"socket": "unix:" + self.socket,
                       "socket_mode": "0660"},
            "spool": {"dir": os.path.join(base, "spool")},
            "keystore": {
                "dir": os.path.join(base, "keystore"),
                "passphrase_file": os.path.join(base, "passphrase"),
                "anchors_dir": os.path.join(base, "anchors"),
                "intermediates_dir": os.path.join(base, "intermediates"),
            },
            "verify": {"enabled": False},
            "encryption": {"partners_dir": os.path.join(base, "partners")},
            "audit": {"file": os.path.join(base, "audit", "audit.log")},
            "origins": [{"name": "login", "kind": "login"}],
        }

    def path(self, *names):
        return os.path.join(self.base, *names)

    # the PKI and the keystore

    def make_pki(self, *args):
        result = subprocess.run([MAKE_PKI, self.pki, *args],
                                capture_output=True, check=False)
        if result.returncode != 0:
            raise rig.Failure("make-pki: " + result.stderr.decode())

    def certificate(self, address, kind="rsa2048", *options):
        """A new certificate with its key; the directory they are in."""
        out = self.path("issued", "%d-%s" % (next(self.serial), address))
        os.makedirs(os.path.dirname(out), exist_ok=True)
        self.make_pki("mailbox", address, kind, out, *options)
        return out

    def ctl(self, *args, check=True):
        result = subprocess.run(
            [os.path.join(BUILD, "sampulctl"), "-c", self.conf_file, *args],
            capture_output=True, check=False, timeout=300)
        if check and result.returncode != 0:
            raise rig.Failure("sampulctl %s: exit %d\n%s%s" % (
                " ".join(args), result.returncode, result.stdout.decode(),
                result.stderr.decode()))
        return result

    def init(self):
        """An empty keystore that trusts our root."""
        self.write_conf()
        self.ctl("init")
        for name, directory in (("root.pem", "anchors"),
                                ("issuing.pem", "intermediates")):
            rig.make_directory(self.path(directory))
            with open(os.path.join(self.pki, name), encoding="ascii") as file:
                rig.write(self.path(directory, name), file.read())

    def enrol(self, address, kind="rsa2048", *options):
        """A certificate made, and imported as an administrator would."""
        out = self.certificate(address, kind, *options)
        self.ctl("import", "--cert", os.path.join(out, "cert.pem"),
                 "--key", os.path.join(out, "key.pem"),
                 "--chain", os.path.join(out, "chain.pem"), address)
        return out

    # the configuration and the daemon

    def write_conf(self, **changes):
        """Changes to top-level settings, for good; None takes one out."""
        for name, value in changes.items():
            if value is None:
                self.settings.pop(name, None)
            else:
                self.settings[name] = value
        rig.write(self.conf_file, conf_text(self.settings))

    def logged(self):
        return rig.read(self.log)

    def start(self):
        self.process = rig.Process(
            "sampul-milter", [os.path.join(BUILD, "sampul-milter"), "-F",
                              "-c", self.conf_file], self.log)
        self.process.wait_for("its socket", self._listens)

    def use_port(self):
        """The milter on a loopback port instead of a Unix socket."""
        self.port, = rig.free_ports(1)
        self.settings["milter"] = {
            "socket": "inet:%d@127.0.0.1" % self.port}

    def _listens(self):
        if self.port is not None:
            return rig.port_answers(self.port)
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(self.socket)
            except OSError:
                return False
        return True

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def reload(self, expect):
        """SIGHUP to the supervisor; waits for a new log line that holds
        expect, and for new processes where the reload takes them."""
        before = len(self.logged())
        os.kill(self.process.pid, signal.SIGHUP)
        self.process.wait_for("reload: " + expect, lambda: re.search(
            expect, self.logged()[before:]))
        if "are started anew" in self.logged()[before:]:
            self.process.wait_for("the new processes", lambda: re.search(
                r"\bserving milter\.socket", self.logged()[before:]))

    def children(self):
        """{user name: pid} of the supervisor's children."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            status = rig.read("/proc/%s/status" % name)
            lines = dict(line.split(":\t", 1) for line in
                         status.splitlines() if ":\t" in line)
            if lines.get("PPid") == str(self.process.pid) and \
                    not lines.get("State", "Z").startswith("Z"):
                uid = int(lines["Uid"].split()[0])
                found[pwd.getpwuid(uid).pw_name] = int(name)
        return found

    def add(self, server):
        """A server to be stopped with the site."""
        self.stack.append(server)
        return server

    def close(self, keep=False):
        while self.stack:
            self.stack.pop().stop()
        self.stop()
        if keep:
            print("# kept: " + self.base)
        else:
            rig.remove(self.base)

    def verify(self, data):
        return verify(data, self.anchor, self.path("scratch"))


# ------------------------------------------------------------------ sending


Reply = collections.namedtuple("Reply", "code text")


def submit(port, sender, recipients, data, login=None, options=(),
           client_address=None):
    """One message, its lines as they are; the reply to it. client_address is
    told to Postfix by XCLIENT."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="klien.example",
                      timeout=180) as client:
        client.ehlo()
        if client_address is not None:
            client.docmd("XCLIENT", "ADDR=" + client_address)
            client.ehlo()
        if login is not None:
            try:
                client.login(login, dovecot.PASSWORD)
            except smtplib.SMTPAuthenticationError as reason:
                return Reply(reason.smtp_code, reason.smtp_error.decode())
        if "SMTPUTF8" in options:
            client.command_encoding = "utf-8"
        code, text = client.mail(sender, list(options))
        if code == 250:
            for recipient in recipients:
                code, text = client.rcpt(recipient)
                if code != 250:
                    break
            else:
                code, text = _data(client, data)
    return Reply(code, text.decode("utf-8", "replace"))


def _data(client, data):
    """smtplib's own would mend line ends; these octets are the test."""
    code, text = client.docmd("DATA")
    if code != 354:
        return code, text
    stuffed = re.sub(rb"(?m)^\.", b"..", data)
    if not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    client.send(stuffed + b".\r\n")
    return client.getreply()


def message(sender, subject, body, *extra, to="warga@luar.example"):
    """A plain message; extra are further header lines."""
    lines = ["From: " + sender, "To: " + to, "Subject: " + subject,
             "Date: Sun, 22 Nov 2026 08:00:00 +0700",
             "Message-ID: <%s@klien.example>" % re.sub(r"\W+", "-", subject),
             *extra, ""]
    head = "\r\n".join(lines).encode("utf-8") + b"\r\n"
    return head + (body.encode("utf-8") if isinstance(body, str) else body)


# ----------------------------------------------------------------- the tests


TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Skip(Exception):
    """This one test is not possible here, and why."""


def skip_all(reason):
    print("ok - all # SKIP " + reason)
    sys.exit(0)


def need_root():
    if os.getuid() != 0:
        skip_all("private mail servers need root")


def main(setup, kind=Site):
    """setup(site) makes ready; each test is then called with the site.
    ONLY_TEST=name runs one, KEEP=1 keeps the directory."""
    need_root()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    only = os.environ.get("ONLY_TEST", "")
    site = kind()
    failed = 0
    try:
        setup(site)
        for function in TESTS:
            name = function.__name__
            if only not in name:
                continue
            before = len(site.logged())
            try:
                function(site)
                print("ok - " + name, flush=True)
            except Skip as reason:
                print("ok - %s # SKIP %s" % (name, reason), flush=True)
            except Exception:                   # noqa: BLE001 any, reported
                failed += 1
                print("not ok - " + name)
                report = traceback.format_exc() + "--- log:\n" + \
                    site.logged()[before:][-4000:]
                print("".join("# %s\n" % line for line in
                              report.splitlines()), flush=True)
    except rig.Failure as reason:
        failed += 1
        print("not ok - the servers of the test")
        print("".join("# %s\n" % line for line in str(reason).splitlines()))
    finally:
        site.close(keep=bool(os.environ.get("KEEP")))
    sys.exit(1 if failed else 0)


def equal(got, want, what="value"):
    if got != want:
        raise AssertionError("%s: got %r, wanted %r" % (what, got, want))


def contains(text, part):
    if part not in text:
        raise AssertionError("%r is not in %r" % (part, text))
