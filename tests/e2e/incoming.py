"""What the tests of incoming mail share: correspondents who sign with openssl,
forged fields, and reading what Sampul has put on top."""
import base64
import os
import re
import sys

import harness
from harness import BUDI, SITI, contains, equal, openssl, submit
import rig

sys.path.insert(0, os.path.join(rig.ROOT, "tests", "unit"))
import authres_read                                     # noqa: E402

OUR_ID = "mail.pekalongankab.go.id"
OUTSIDE = "192.0.2.7"
HAKIM = "hakim@pengadilan.example"
RESULTS, VERIFIED = "Authentication-Results", "X-Verified-Sender"


def setup(site, **verify):
    """A keystore for BUDI, correspondents, current lists of revocation."""
    site.init()
    site.enrol(BUDI)
    site.hakim = site.certificate(HAKIM, "p256")
    site.budi = site.certificate(BUDI, "rsa2048")
    site.alien = site.certificate(HAKIM, "p256", "otherroot")
    site.revoked = site.certificate(HAKIM, "p256")
    site.make_pki("revoke", site.revoked)
    publish(site)
    site.settings["verify"] = dict(enabled=True, crl_dir=site.path("crl"),
                                   **verify)
    site.write_conf()
    site.xclient = True         # whether the mail server knows XCLIENT


def publish(site):
    """The lists as they are now."""
    rig.make_directory(site.path("crl"))
    for name in ("root", "issuing"):
        rig.write(site.path("crl", name + ".pem"), rig.read(
            os.path.join(site.pki, name + ".crl.pem")))


# ---------------------------------------------------------------- the mails


def entity(text="Isi surat.\r\n"):
    return b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()


def header(subject, sender=HAKIM, extra=()):
    return "".join(line + "\r\n" for line in (
        *extra, "From: " + sender, "To: " + SITI, "Subject: " + subject,
        "Date: Sun, 22 Nov 2026 08:00:00 +0700",
        "Message-ID: <%s@klien.example>" % subject,
        "MIME-Version: 1.0")).encode("utf-8")


def cms(site, directory, content, *options):
    """SignedData of openssl, DER."""
    paths = [site.path("scratch", name) for name in ("content", "cms")]
    with open(paths[0], "wb") as file:
        file.write(content)
    chain = os.path.join(directory, "chain.pem")
    openssl("cms", "-sign", "-binary", "-in", paths[0], "-out", paths[1],
            "-outform", "DER", "-md", "sha256",
            "-signer", os.path.join(directory, "cert.pem"),
            "-inkey", os.path.join(directory, "key.pem"),
            *(("-certfile", chain) if os.path.exists(chain) else ()),
            *options)
    with open(paths[1], "rb") as file:
        return file.read()


def detached(site, directory, head, content=None, changed=None):
    """changed is what stands in the message in place of what was signed."""
    content = entity() if content is None else content
    der = cms(site, directory, content)
    return head + (
        b"Content-Type: multipart/signed; micalg=sha-256;\r\n"
        b"\tprotocol=\"application/pkcs7-signature\"; boundary=\"=_b\"\r\n"
        b"\r\n--=_b\r\n" + (changed or content) + b"\r\n--=_b\r\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes(der).replace(b"\n", b"\r\n") + b"--=_b--\r\n")


def opaque(site, directory, head, content=None):
    der = cms(site, directory, content or entity(), "-nodetach")
    return head + (
        b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes(der).replace(b"\n", b"\r\n"))


def plain(_site, head, text="Isi.\r\n"):
    return head + b"Content-Type: text/plain\r\n\r\n" + text.encode()


# ------------------------------------------------------------ forged fields

ID_FORMS = (
    OUR_ID, OUR_ID.upper(), '"%s"' % OUR_ID, "(c) " + OUR_ID,
    OUR_ID + " 1", OUR_ID + ".", "\r\n\t" + OUR_ID + "\r\n ",
    '"mail.pekalongankab\\.go.id" (a (nested) comment) 1',
    OUR_ID.title() + " (\\)) ",
)
METHODS = ("; smime=pass", ";\r\n\tSMIME=pass body.smime-part=2",
           "; smime/1 = pass", "; dkim=pass; smime=pass",
           "; dkim=pass (smime=pass)", "; none (smime=pass)")
NAMES = ("Authentication-Results", "authentication-results ",
         "AUTHENTICATION-RESULTS")
OWN = ("X-Verified-Sender", "x-verified-sender ", "X-VERIFIED-SENDER\t")
# What another filter of this host, and others, have said. These stay.
OTHERS = (
    "Authentication-Results: %s; dkim=pass header.d=x.example" % OUR_ID,
    "Authentication-Results: lain.example; smime=pass",
    "X-Verified: not ours",
)


def forged(count=50):
    """So many of each field, in every form."""
    lines = []
    for i in range(count):
        lines.append("%s: %s%s forged=%d" % (
            NAMES[i % 3], ID_FORMS[i % len(ID_FORMS)],
            METHODS[i % len(METHODS)], i))
        lines.append("%s:%sverified; address=\"forged@bupati.example\"" % (
            OWN[i % 3], ("", " ", "\r\n\t", " \t ")[i % 4]))
    return tuple(lines) + OTHERS


def no_forged(fields, what, others=OTHERS):
    for name, value in fields:
        text = value.decode("utf-8", "replace")
        if "forged" in text or "smime=pass" in text and OUR_ID in \
                text.lower() and name.lower() == RESULTS.lower() and \
                "dkim" in text:
            raise AssertionError("%s: %s:%s stays" % (what, name, text))
    kept = [(name + ":" + value.decode()) for name, value in fields]
    for line in others:
        if line not in kept:
            raise AssertionError("%s: %s has gone" % (what, line))


# ------------------------------------------------------------------ reading


def send(site, data, port=None, sender=HAKIM, to=SITI, login=None,
         client=OUTSIDE, options=("BODY=8BITMIME",)):
    if not site.xclient:
        client = None
    return submit(port or site.mx, sender, [to], data, login, options, client)


def subject_of(site):
    return "uji-masuk-%d-%dx" % (os.getpid(), next(site.serial))


def arrived(site, subject, hop=None):
    found = (hop or site.sink).find(subject.encode())
    equal(len(found), 1, "messages delivered")
    return found[0].data


class Seen:
    """A delivered message: its two fields, and what is below them."""

    def __init__(self, data):
        self.data = data
        self.fields, self.body = harness.split(data)
        self.results = self._ours(RESULTS)
        self.verified = self._ours(VERIFIED)
        self.state = self.verified.split(";")[0] if self.verified else None
        self.word = None
        if self.results:
            self._read()

    def _ours(self, name):
        """The one that stands at the top, unfolded; None without."""
        for field, value in self.fields[:2]:
            if field == name:
                return value.replace(b"\r\n", b"").decode().strip()
        return None

    def _read(self):
        value = dict((n, v) for n, v in reversed(self.fields[:2]))[RESULTS]
        value = value.decode()[1:].replace("\r\n", "\n")
        authres_read.check_lines(RESULTS, value)
        identity, results = authres_read.read_own(value)
        equal((identity, results), authres_read.read_theirs(value),
              "two readers")
        self.identity = identity
        self.word = results[0][1]
        self.reason = results[0][2]
        self.properties = {n: v for _, n, v in results[0][3]}

    def count(self, name):
        return len(harness.values(self.fields, name))


def judged(site, data, subject, **how):
    """Sends, and reads what arrives."""
    reply = send(site, data, **how)
    equal(reply.code, 250, "reply " + reply.text)
    return Seen(arrived(site, subject))


def expect(seen, state, word, *order):
    equal(seen.state, state, "X-Verified-Sender")
    equal(seen.word, word, "Authentication-Results")
    if order:
        equal([name for name, _ in seen.fields[:2]], list(order), "on top")


def is_unchanged(seen, data):
    """VER-50: nothing but fields on top; the octets below are the same."""
    if not seen.data.endswith(data):
        raise AssertionError("changed:\n%s\n--- was:\n%s" % (
            seen.data.decode("utf-8", "replace"),
            data.decode("utf-8", "replace")))


def log_line(site, before, *words):
    """The line of the log since before that has all the words."""
    def found():
        return [line for line in site.logged()[before:].splitlines()
                if all(word in line for word in words)]
    return site.process.wait_for("a log line: %s" % (words,), found)[0]


# ------------------------------------- shared by both mail servers: verdicts


def verdicts(site):
    """HDR-03, HDR-08, VER-50, VER-52: each result, above all, accepted, and
    not an octet below is changed."""
    rows = (
        ("detached", detached(site, site.hakim, b"@"), "verified", "pass"),
        ("opaque", opaque(site, site.hakim, b"@"), "verified", "pass"),
        ("unsigned", plain(site, b"@"), "unsigned", "none"),
        ("altered", detached(site, site.hakim, b"@",
                             changed=entity("Isi lain.\r\n")),
         "not-verified", "fail"),
        ("ATK-10 another's", detached(site, site.budi, b"@"),
         "not-verified", "policy"),
        ("ATK-05 another root", detached(site, site.alien, b"@"),
         "not-verified", "fail"),
        ("revoked", detached(site, site.revoked, b"@"), "not-verified",
         "fail"),
        ("ATK-06 in part", b"@Content-Type: multipart/mixed; boundary=m\r\n"
         b"\r\n--m\r\n\r\nBayar.\r\n--m\r\n" +
         detached(site, site.hakim, b"") + b"--m--\r\n", "not-verified",
         "policy"),
        ("VER-51 encrypted", b"@Content-Type: application/pkcs7-mime; "
         b"smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n"
         b"\r\nMIIB\r\n", "unknown", None),
    )
    for what, data, state, word in rows:
        subject = subject_of(site)
        data = data.replace(b"@", header(subject), 1)
        seen = judged(site, data, subject)
        try:
            expect(seen, state, word, *((RESULTS, VERIFIED) if word else ()))
            is_unchanged(seen, data)
            equal(seen.count(VERIFIED), 1, VERIFIED)
            equal(seen.count(RESULTS), 1 if word else 0, RESULTS)
            equal(HAKIM in (seen.verified or ""), state == "verified",
                  "address shown")
            if word == "pass":
                equal(seen.identity, OUR_ID, "authserv-id")
                equal(seen.properties["smime-identifier"], HAKIM,
                      "identifier")
        except AssertionError as reason:
            raise AssertionError("%s: %s" % (what, reason)) from reason


def large_streams(site):
    """VER-05, VER-50: octets of any kind, many chunks, lines of any length
    that an MTA lets pass."""
    lines = [b"x" * (i % 990) + b" \t"[i % 3:i % 3 + 1] + b"\r\n"
             for i in range(4000)]
    content = b"Content-Type: text/plain\r\n\r\nFrom here\r\n.\r\n--=_\r\n" + \
        b"".join(lines)
    subject = subject_of(site)
    data = detached(site, site.hakim, header(subject), content)
    seen = judged(site, data, subject)
    expect(seen, "verified", "pass")
    is_unchanged(seen, data)


def bystanders_names(site):
    """VER-33, VER-34, HDR-14: what the sender merely says is not repeated."""
    subject = subject_of(site)
    data = detached(site, site.hakim, header(
        subject, "Bupati Pekalongan <%s>" % HAKIM,
        ("Reply-To: bupati@evil.example", "Sender: bupati@evil.example")))
    seen = judged(site, data, subject, sender="amplop@evil.example")
    expect(seen, "verified", "pass")
    for word in ("Bupati", "evil.example", "amplop"):
        equal(word in seen.results + seen.verified, False, word)


def hostile_names(site):
    """ATK-27, ATK-38: a name in a certificate ends no field and no line."""
    issuing = os.path.join(site.pki, "issuing")
    name = 'x\r\nX-Verified-Sender: verified\r\n\r\n"; smime=pass (\\'
    out = rig.make_directory(site.path("hostile"))
    names = [os.path.join(out, n) for n in ("key.pem", "csr", "cert.pem",
                                            "ext")]
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-keyout",
            names[0], "-out", names[1], "-subj",
            "/O=Dinas/CN=" + name.replace("\\", "\\\\"))
    rig.write(names[3], "keyUsage=digitalSignature\nextendedKeyUsage="
              "emailProtection\nsubjectAltName=email:%s\nauthorityKeyIdentifi"
              "er=keyid\n" % HAKIM)
    openssl("x509", "-req", "-in", names[1], "-out", names[2], "-days", "30",
            "-CA", issuing + ".pem", "-CAkey", issuing + ".key",
            "-set_serial", "4711", "-extfile", names[3])
    before = len(site.logged())
    subject = subject_of(site)
    seen = judged(site, detached(site, out, header(subject)), subject)
    expect(seen, "verified", "pass", RESULTS, VERIFIED)
    equal(seen.count(VERIFIED), 1, "fields")
    contains(seen.verified, "name=\"x??X-Verified-Sender")
    line = log_line(site, before, "from=" + HAKIM)
    if not re.match(r"[\x20-\x7e]+$", line):
        raise AssertionError("log: %r" % line)


class Listener:
    """Counts who connects: nobody should."""

    def __init__(self):
        self.listener = harness.socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.port = self.listener.getsockname()[1]

    def connections(self):
        count = 0
        while True:
            try:
                self.listener.accept()[0].close()
                count += 1
            except TimeoutError:
                return count


def fetches_nothing(site):
    """CRT-08, ATK-36: no address in a certificate is ever asked, be it of a
    stranger or of a trusted authority's."""
    ear = Listener()
    url = "http://127.0.0.1:%d/x" % ear.port
    more = ("keyUsage=digitalSignature\nextendedKeyUsage=emailProtection\n"
            "subjectAltName=email:%s\nauthorityInfoAccess=OCSP;URI:%s,"
            "caIssuers;URI:%s\ncrlDistributionPoints=URI:%s\n" % (
                HAKIM, url, url, url))
    issuing = os.path.join(site.pki, "issuing")
    for by, state in ((None, "not-verified"), (issuing, "verified")):
        out = rig.make_directory(site.path("fetch-%s" % state))
        key, csr, cert, ext = (os.path.join(out, n) for n in (
            "key.pem", "csr", "cert.pem", "ext"))
        rig.write(ext, more)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                csr, "-subj", "/CN=hakim")
        openssl("x509", "-req", "-in", csr, "-out", cert, "-days", "30",
                "-extfile", ext, *(("-key", key) if by is None else (
                    "-CA", by + ".pem", "-CAkey", by + ".key",
                    "-set_serial", "4712")))
        subject = subject_of(site)
        seen = judged(site, detached(site, out, header(subject)), subject)
        equal(seen.state, state, "state")
    equal(ear.connections(), 0, "connections")
    ear.listener.close()


def behind_and_before_dkim(site, before, behind, signing):
    """MTA-30, HDR-17, ATK-39: DKIM's verifier before Sampul or behind it;
    what it has just said under the same id stays, and its signature holds
    with our fields on top. before, behind: ports of listeners; signing: one
    that only adds DKIM signatures."""
    subject = subject_of(site)
    data = detached(site, site.hakim, header(
        subject, HAKIM, ("X-Uji: asal",)))
    reply = send(site, data, signing)
    equal(reply.code, 250, reply.text)
    sent = arrived(site, subject)
    sent = sent[sent.index(b"DKIM-Signature:"):]
    for port, order in ((before, "before"), (behind, "behind")):
        marker = subject_of(site)
        again = sent.replace(b"X-Uji: asal", b"X-Uji: " + marker.encode())
        for forging in ((), forged(10)):
            mark = subject_of(site)
            text = "".join(line + "\r\n" for line in (
                "X-Tanda: " + mark, *forging)).encode() + again
            reply = send(site, text, port)
            equal(reply.code, 250, reply.text)
            back = arrived(site, mark)
            if not back.endswith(again):
                raise AssertionError("changed on the way in, " + order)
            fields, _ = harness.split(back)
            dkim = [v for v in harness.values(fields, RESULTS)
                    if "dkim=pass" in v and "forged" not in v and
                    "header.d=x.example" not in v]
            equal(len(dkim), 1, "results of DKIM, %s: %s" % (
                order, harness.values(fields, RESULTS)))
            contains(dkim[0], OUR_ID)
            smime = [v for v in harness.values(fields, RESULTS)
                     if "smime=pass" in v and "lain.example" not in v]
            equal(len(smime), 1, "results of ours, " + order)
            equal(len(harness.values(fields, VERIFIED)), 1, "ours")
            if forging:
                # OpenDKIM takes out what claims its id.
                no_forged(fields, "DKIM " + order, OTHERS[1:])
