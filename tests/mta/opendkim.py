"""A private OpenDKIM, unpacked: one that signs, or one that verifies.

The verifier reads the signer's public key from a file (TestPublicKeys), so
that nobody asks DNS.
"""
import os
import socket
import subprocess

import rig

TREE = os.path.join(rig.UNPACKED, "opendkim")
DOMAIN = "dinkes.pekalongankab.go.id"
SELECTOR = "uji"

CONF = """\
Socket inet:{port}@127.0.0.1
Mode {mode}
AuthservID {authserv_id}
Canonicalization {canonicalization}
SignatureAlgorithm rsa-sha256
SignHeaders From,To,Subject,Date,Message-ID,MIME-Version,Content-Type,Content-Transfer-Encoding
OversignHeaders From,MIME-Version,Content-Type,Content-Transfer-Encoding
KeyTable {base}/keytable
SigningTable refile:{base}/signingtable
InternalHosts {base}/{hosts}
ExternalIgnoreList {base}/everybody
TestPublicKeys {base}/public
AlwaysAddARHeader yes
Syslog no
Background no
RequireSafeKeys no
PidFile {base}/{mode}.pid
"""


def usable():
    return os.path.exists(os.path.join(TREE, ".complete"))


class OpenDkim:
    """mode is "s" or "v"; both of one base share a key. The MTA finds it on
    port."""

    def __init__(self, base, mode, canonicalization="relaxed/simple",
                 authserv_id="dkim.pekalongankab.go.id"):
        rig.make_directory(base)
        self.port, = rig.free_ports(1)
        self._keys(base)
        conf = rig.write(os.path.join(base, "%s.conf" % mode), CONF.format(
            base=base, mode=mode, port=self.port, authserv_id=authserv_id,
            canonicalization=canonicalization,
            hosts="everybody" if mode == "s" else "nobody"))
        self.process = rig.Process(
            "opendkim", [os.path.join(TREE, "usr/sbin/opendkim"), "-f", "-x",
                         conf], os.path.join(base, mode + ".log"),
            {"LD_LIBRARY_PATH": os.path.join(
                TREE, "usr/lib/x86_64-linux-gnu")})
        try:
            self.process.wait_for("its port", self._answers)
        except rig.Failure:
            self.stop()
            raise

    @staticmethod
    def _keys(base):
        key = os.path.join(base, "key.pem")
        if os.path.exists(key):
            return
        subprocess.run(["/usr/bin/openssl", "genrsa", "-out", key, "2048"],
                       check=True, capture_output=True)
        public = subprocess.run(
            ["/usr/bin/openssl", "rsa", "-in", key, "-pubout"], check=True,
            capture_output=True).stdout.decode().splitlines()
        for name, text in (
                ("keytable", "s %s:%s:%s\n" % (DOMAIN, SELECTOR, key)),
                ("signingtable", "* s\n"),
                ("everybody", "0.0.0.0/0\n"), ("nobody", "192.0.2.255\n"),
                ("public", "%s._domainkey.%s v=DKIM1; k=rsa; p=%s\n" % (
                    SELECTOR, DOMAIN, "".join(public[1:-1])))):
            rig.write(os.path.join(base, name), text)

    def _answers(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.stop()
