"""The servers of the bench: Sampul, reference milters, opendkim and Postfix.

Everything listens on unix sockets or 127.0.0.1 below one directory and is
ended by the process id that started it.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e")]

import harness                                          # noqa: E402
import postfix                                          # noqa: E402
import rig                                              # noqa: E402

BENCH = os.path.join(harness.BUILD, "bench")
OPENDKIM = os.path.join(rig.UNPACKED, "opendkim")
MAILBOX = "u%06u@dinkes.pekalongankab.go.id"

OPENDKIM_CONF = """\
Socket local:{socket}
Mode s
Canonicalization simple/simple
SignatureAlgorithm rsa-sha256
Domain *
KeyTable {base}/keytable
SigningTable refile:{base}/signingtable
InternalHosts {base}/hosts
Syslog no
Background no
UMask 000
RequireSafeKeys no
PidFile {base}/pid
"""


def quiet(*argv, **more):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **more)


class Milter:
    """A program that serves a milter socket."""

    def __init__(self, name, socket, argv, log, env=None):
        self.socket = socket
        self.process = rig.Process(name, argv, log, env)
        self.process.wait_for("its socket", lambda: answers(socket))

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stop()


def answers(path):
    import socket
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


def reference(work, name, *options):
    socket = os.path.join(work, name + "".join(
        option for option in options if option[0] == "-") + ".sock")
    return Milter(name, socket, [os.path.join(BENCH, name), *options,
                                 "unix:" + socket],
                  os.path.join(work, name + ".log"))


def opendkim(work):
    """RSA-2048, simple/simple, key named in a table as the manual has it."""
    base = rig.make_directory(os.path.join(work, "opendkim"))
    socket = os.path.join(work, "opendkim.sock")
    quiet("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
          "rsa_keygen_bits:2048", "-out", os.path.join(base, "key.pem"))
    rig.write(os.path.join(base, "keytable"),
              "s pekalongankab.go.id:s:%s/key.pem\n" % base)
    rig.write(os.path.join(base, "signingtable"), "* s\n")
    rig.write(os.path.join(base, "hosts"), "0.0.0.0/0\n")
    conf = rig.write(os.path.join(base, "conf"),
                     OPENDKIM_CONF.format(socket=socket, base=base))
    program = os.path.join(OPENDKIM, "usr/sbin/opendkim")
    return Milter("opendkim", socket, [program, "-f", "-x", conf],
                  os.path.join(base, "log"),
                  dict(os.environ, LD_LIBRARY_PATH=os.path.join(
                      OPENDKIM, "usr/lib/x86_64-linux-gnu")))


class Sampul(harness.Site):
    """Sampul for the bench: no rate ceiling, mail from 127.0.0.1 signed."""

    def __init__(self, **keystore):
        super().__init__()
        self.settings["keystore"].update(rate_limit=0, **keystore)
        self.settings["milter"]["max_connections"] = 300
        self.settings["spool"]["dir"] = self.path("spool")
        self.settings["origins"].append({
            "name": "bench", "kind": "network",
            "networks": ["127.0.0.0/8"],
            "from": ["@dinkes.pekalongankab.go.id"]})
        self.init()

    @property
    def pid(self):
        return self.process.pid

    def start_timed(self):
        """Seconds until the socket answers."""
        begin = time.monotonic()
        self.process = rig.Process(
            "sampul-milter", [os.path.join(harness.BUILD, "sampul-milter"),
                              "-F", "-c", self.conf_file], self.log)
        while not answers(self.socket):
            if not self.process.alive():
                raise rig.Failure(self.logged()[-2000:])
            time.sleep(0.002)
        return time.monotonic() - begin

    def many(self, count, keys=64, iterations=2048):
        """A keystore of so many P-256 mailboxes by an authority of its own,
        encrypted as sampulctl import does."""
        ca, key = self.path("bench-ca.pem"), self.path("bench-ca.key")
        quiet("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
              "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", ca,
              "-days", "3650", "-subj", "/CN=Bench CA", "-addext",
              "keyUsage=critical,keyCertSign,cRLSign")
        rig.write(self.path("anchors", "bench.pem"), rig.read(ca))
        store = self.settings["keystore"]["dir"]
        quiet(os.path.join(BENCH, "mkstore"), ca, key, store, MAILBOX,
              str(count), str(keys), self.settings["keystore"][
                  "passphrase_file"], str(iterations))
        owner = rig.pwd.getpwnam(rig.SAMPUL_KEY_USER)
        quiet("chown", "-R", "%d:%d" % (owner.pw_uid, owner.pw_gid), store)


class InProcess(Sampul):
    """The same without isolation: one process, one user (see
    inprocess_milter.c)."""

    def __init__(self):
        super().__init__()
        subprocess.run(["chown", "-R", rig.SAMPUL_KEY_USER,
                        self.path("spool")], check=True)

    def start(self):
        self.process = rig.Process(
            "inprocess_milter", [os.path.join(BENCH, "inprocess_milter"),
                                 self.conf_file], self.log)
        self.process.wait_for("its socket", lambda: answers(self.socket))


class Receiver(Sampul):
    """Sampul that verifies, correspondents, and signed mail from them."""

    def __init__(self):
        super().__init__()
        self.trusted = [os.path.join(self.pki, name) for name in (
            "root.pem", "issuing.pem", "root.crl.pem", "issuing.crl.pem")]
        rig.make_directory(self.path("crl"))
        for path in self.trusted[2:]:
            rig.write(self.path("crl", os.path.basename(path)),
                      rig.read(path))
        self.settings["verify"] = {"enabled": True,
                                   "crl_dir": self.path("crl")}
        self.settings["origins"] = [{"name": "login", "kind": "login"}]
        self.write_conf()

    def mail(self, sender, text, kind="rsa2048"):
        """A file with a message of that text, multipart/signed."""
        issued = self.certificate(sender, kind)
        name = os.path.basename(issued)
        content, out = self.path(name + ".txt"), self.path(name + ".eml")
        with open(content, "wb") as file:
            file.write(b"Content-Type: text/plain\r\n\r\n" + text)
        quiet("openssl", "cms", "-sign", "-binary", "-md", "sha256", "-in",
              content, "-out", out, "-signer",
              os.path.join(issued, "cert.pem"), "-inkey",
              os.path.join(issued, "key.pem"), "-certfile",
              os.path.join(issued, "chain.pem"), "-from", sender, "-to",
              "penerima@example.org", "-subject", "Laporan")
        with open(out, "rb") as file:
            data = file.read()
        with open(out, "wb") as file:
            file.write(data.replace(b"\r\n", b"\n").replace(b"\n",
                                                             b"\r\n"))
        return out


class Sealer(Sampul):
    """Sampul that signs for RSA and encrypts what comes from SECRET."""

    READER = "penerima@example.org"         # of whom the load client writes

    def __init__(self, plain, secret):
        super().__init__()
        self.enrol(plain, "rsa2048")
        self.enrol(secret, "rsa2048")
        made = self.certificate(self.READER, "rsa2048", "encryption")
        rig.make_directory(self.path("partners"))
        rig.make_directory(self.path("partners", self.READER))
        rig.write(self.path("partners", self.READER, "cert.pem"),
                  rig.read(os.path.join(made, "cert.pem")))
        rig.make_directory(self.path("crl"))
        for name in ("root.crl.pem", "issuing.crl.pem"):
            rig.write(self.path("crl", name),
                      rig.read(os.path.join(self.pki, name)))
        self.settings["verify"] = {"enabled": True,
                                   "crl_dir": self.path("crl")}
        self.settings["encryption"] = {"partners_dir": self.path("partners")}
        self.settings["rules"] = [{"name": "secret", "from": [secret],
                                   "encrypt": "required"}]
        self.write_conf()
        self.start()


class Postfix(postfix.Postfix):
    """One Postfix whose four ports have a filter each."""

    def __init__(self, base, sink, filters):
        self.filters = filters          # in the order of PORTS
        super().__init__(base, sink, extra="smtpd_client_message_rate_limit"
                         " = 0\nqueue_minfree = 0")

    PORTS = ("submission", "mx", "app", "reinject")

    def _configure(self, *args):
        super()._configure(*args)
        path = os.path.join(self.base, "etc", "master.cf")
        lines, port = [], 0
        for line in rig.read(path).splitlines():
            if "smtpd_sasl_auth" in line or "smtpd_relay" in line:
                continue
            if line.startswith("  -o smtpd_milters="):
                line += self.filters[port]
                port += 1
            lines.append(line)
        rig.write(path, "\n".join(lines) + "\n")

    def empty(self):
        """Whether every message has left."""
        for name in ("incoming", "active", "maildrop", "deferred"):
            for _, _, files in os.walk(os.path.join(self.base, "queue",
                                                    name)):
                if files:
                    return False
        return True

    def send(self, port, count, sessions, sender, length=4096):
        """Seconds until accepted, and until all has been delivered."""
        argv = [os.path.join(postfix.TREE, "usr/sbin/smtp-source"), "-d",
                "-s", str(sessions), "-m", str(count), "-l", str(length),
                "-f", sender, "-t", "penerima@example.org",
                "127.0.0.1:%d" % port]
        begin = time.monotonic()
        subprocess.run(argv, check=True, env=self._environment(), timeout=600,
                       stdout=subprocess.DEVNULL)
        accepted = time.monotonic() - begin
        while not self.empty():
            time.sleep(0.01)
        return accepted, time.monotonic() - begin


class Sink:
    """Postfix's smtp-sink."""

    def __init__(self, work):
        self.port = rig.free_ports(1)[0]
        self.process = rig.Process("smtp-sink", [
            os.path.join(postfix.TREE, "usr/sbin/smtp-sink"),
            "-u", rig.MTA_USER, "127.0.0.1:%d" % self.port, "1000"],
            os.path.join(work, "sink.log"),
            {"LD_LIBRARY_PATH": os.path.join(postfix.TREE,
                                             "usr/lib/postfix")})
        self.process.wait_for("its port",
                              lambda: rig.port_answers(self.port))

    def stop(self):
        self.process.stop()
