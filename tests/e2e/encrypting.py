"""What the tests of encryption share: readers with certificates, opening what
they get (openssl), and looking for what must be nowhere."""
import os

import harness
from harness import BUDI, SITI, contains, equal, openssl
import rig

HAKIM = "hakim@pengadilan.example"          # a partner, RSA
DOKTER = "dokter@rsud.example"              # by the folder of a domain, EC
WARGA = "warga@luar.example"                # nobody has a certificate of
REVOKED = "lama@pengadilan.example"
SECRET = "Isi-rahasia-%s tidak untuk umum."

RULES = [
    {"name": "bounces", "preset": "bounce"},
    {"name": "court", "to": ["@pengadilan.example"], "encrypt": "required"},
    {"name": "later", "to": ["@tunda.example"], "encrypt": "required",
     "cannot_encrypt": "tempfail"},
    {"name": "hospital", "to": ["@rsud.example"], "encrypt": "if-possible",
     "hide_subject": False},
]


def setup(site):
    site.init()
    site.budi = site.enrol(BUDI)
    site.enrol(SITI, "p256")
    site.readers = {SITI: site.certificate(SITI, "p256", "encryption")}
    folder = site.path("keystore", SITI, "encryption")
    owner = rig.SAMPUL_KEY_USER
    rig.make_directory(folder, 0o700, owner, owner)
    certificate = os.path.join(folder, "cert.pem")
    rig.write(certificate, rig.read(site.readers[SITI] + "/cert.pem"))
    for address, kind, folder in ((HAKIM, "rsa2048", HAKIM),
                                  (DOKTER, "p256", "rsud.example"),
                                  (REVOKED, "p256", REVOKED)):
        made = site.certificate(address, kind, "encryption")
        site.readers[address] = made
        directory = site.path("partners", folder)
        rig.make_directory(site.path("partners"))
        rig.make_directory(directory)
        rig.write(os.path.join(directory, "cert.pem"),
                  rig.read(os.path.join(made, "cert.pem")))
    site.make_pki("revoke", site.readers[REVOKED])
    rig.make_directory(site.path("crl"))
    for name in ("root", "issuing"):
        rig.write(site.path("crl", name + ".pem"), rig.read(
            os.path.join(site.pki, name + ".crl.pem")))
    site.write_conf(
        rules=RULES,
        verify={"enabled": True, "crl_dir": site.path("crl")},
        encryption={"partners_dir": site.path("partners"),
                    "labels": ["R", "Rahasia"], "subject_tags": ["[R]"]})


def send(site, to, *extra, body=None, tag=None, cc=(), bcc=(), size=0):
    """A message with a secret in it: token, reply. The token is in the
    Message-ID and in the secret."""
    token = "uji-%d" % next(site.serial)
    lines = (body or SECRET % token) + "\r\n" + "isi panjang\r\n" * size
    shown = [*to] + [address for address in cc]
    if cc:
        extra = (*extra, "Cc: " + ", ".join(cc))
    data = harness.message(BUDI, token, lines, *extra, to=", ".join(to))
    subject = (tag or "Perihal") + " perihal-" + token
    data = data.replace(("Subject: " + token).encode(),
                        ("Subject: " + subject).encode("utf-8"))
    return token, site.submit([*shown, *bcc], data)


def delivered(site, result, count=1):
    token, reply = result
    equal(reply.code, 250, "reply " + reply.text)
    found = site.sink.find(token.encode(), count)
    equal(len(found), count, "messages delivered")
    return found


def opened(site, data, reader):
    """What is inside for that reader, its signature verified."""
    path = site.path("scratch", "sealed")
    inner = site.path("scratch", "inner")
    with open(path, "wb") as file:
        file.write(data)
    openssl("cms", "-decrypt", "-in", path, "-out", inner,
            "-recip", reader + "/cert.pem", "-inkey", reader + "/key.pem")
    with open(inner, "rb") as file:
        return site.verify(b"MIME-Version: 1.0\r\n" + file.read())


def sealed(site, result, *addresses):
    """Encrypted for exactly these, by one message, and open to nobody."""
    token, _ = result
    data = delivered(site, result)[0].data
    if (SECRET % token).encode() in data:
        raise AssertionError("in clear")
    fields, _ = harness.split(data)
    contains(harness.values(fields, "Content-Type")[0],
             "smime-type=enveloped-data")
    for address, reader in site.readers.items():
        if address in addresses:
            content = opened(site, data, reader).content
            contains(content, (SECRET % token).encode())
            contains(content, ("perihal-" + token).encode())
            continue
        try:
            opened(site, data, reader)
        except harness.Refused:
            continue
        raise AssertionError("%s can read it" % address)
    return fields


def clear(site, result):
    token, _ = result
    data = delivered(site, result)[0].data
    contains(site.verify(data).content, (SECRET % token).encode())


def refused(site, result, *words, code=5):
    token, reply = result
    equal(reply.code // 100, code, "reply " + reply.text)
    for word in words:
        contains(reply.text, word)
    equal(site.sink.find(token.encode(), 0), [], "delivered")


def nowhere(site, token):
    """Neither the text nor the Subject in any file of ours, core files and
    what is left of spools among them."""
    nowhere_of(site, SECRET % token, "perihal-" + token)


def nowhere_of(site, *markers):
    for marker in markers:
        for top, _, names in os.walk(site.base):
            for name in names:
                path = os.path.join(top, name)
                # traffic.log: what the rig writes of every SMTP session
                if "scratch" in path or name == "traffic.log" or \
                        not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    if marker.encode() in file.read():
                        raise AssertionError("%s in %s" % (marker, path))


# ------------------------------------------------------------------ the tests


def by_rule(site):
    fields = sealed(site, send(site, [HAKIM]), HAKIM)
    equal(harness.values(fields, "Subject"), ["[...]"], "Subject outside")
    equal(harness.values(fields, "From"), [BUDI], "From")
    contains(site.logged(), "result=encrypted rule=court")


def by_whatever_form(site):
    """Postfix takes all of these for HAKIM; no rule does."""
    local, domain = HAKIM.split("@")
    for odd in (HAKIM + ".", "%s%%%s@localhost" % (local, domain),
                "%s!%s@localhost" % (domain, local)):
        refused(site, send(site, [odd]))


def several_readers(site):
    sealed(site, send(site, [HAKIM], cc=[DOKTER, SITI]), HAKIM, DOKTER, SITI)


def subject_left_open(site):
    fields = sealed(site, send(site, [DOKTER]), DOKTER)
    contains(harness.values(fields, "Subject")[0], "perihal-")


def by_label(site):
    for extra, tag in ((["Sifat: Rahasia"], None),
                       (["X-Klasifikasi: Rahasia (R)"], None),
                       ([], "[R]"),
                       ([], "=?UTF-8?Q?=5BR=5D?=")):
        sealed(site, send(site, [SITI], *extra, tag=tag), SITI)


def no_label(site):
    for extra, tag in ((["Sifat: Biasa"], None), (["Sifat: B"], "[B]"),
                       ([], "Resep rahasia R")):
        clear(site, send(site, [SITI], *extra, tag=tag))


def one_is_missing(site):
    result = send(site, [HAKIM], cc=[WARGA])
    refused(site, result, "no usable certificate for: " + WARGA)
    nowhere(site, result[0])
    refused(site, send(site, ["a@tunda.example"]), "a@tunda.example", code=4)
    refused(site, send(site, [REVOKED]), REVOKED)
    contains(site.logged(), "revoked")


def label_and_missing(site):
    result = send(site, [WARGA], "Sifat: Rahasia", size=40000)
    refused(site, result, WARGA)
    nowhere(site, result[0])


def if_possible(site):
    clear(site, send(site, [DOKTER], cc=[WARGA]))


def hidden_recipient(site):
    """ENC-14."""
    refused(site, send(site, [HAKIM], bcc=[SITI]), "Bcc", SITI)
    clear(site, send(site, [DOKTER], bcc=[SITI]))


def large(site):
    result = send(site, [HAKIM], size=100000)
    sealed(site, result, HAKIM)
    nowhere(site, result[0])


def already_signed(site):
    result = send(site, [HAKIM], "MIME-Version: 1.0",
                  "Content-Type: multipart/signed; boundary=x; micalg=sha-256;"
                  "\r\n protocol=\"application/pkcs7-signature\"")
    refused(site, result, "must be encrypted")


def new_certificate_takes_effect(site):
    made = site.certificate(WARGA, "p256", "encryption")
    refused(site, send(site, [HAKIM], cc=[WARGA]), WARGA)
    rig.make_directory(site.path("partners", WARGA))
    rig.write(site.path("partners", WARGA, "a.pem"),
              rig.read(made + "/cert.pem"))
    site.readers[WARGA] = made
    try:
        rig.wait_until("the certificate is seen", lambda: send(
            site, [HAKIM], cc=[WARGA])[1].code == 250, 30, 1)
    finally:
        del site.readers[WARGA]
        rig.remove(site.path("partners", WARGA))


def explained(site):
    told = site.ctl("explain", "--from", BUDI, "--login", BUDI, "--to", HAKIM,
                    "--header", "To: " + HAKIM).stdout.decode()
    contains(told, "encrypt:     required")
    contains(told, "readers:     1")
    told = site.ctl("explain", "--from", BUDI, "--login", BUDI, "--to", WARGA,
                    "--header", "Sifat: Rahasia").stdout.decode()
    contains(told, "result:      refuse")
    contains(told, "label:       Rahasia")
    contains(told, "unreadable:  %s: no certificate" % WARGA)


ALL = (by_rule, by_whatever_form, several_readers, subject_left_open, by_label,
       no_label, one_is_missing, label_and_missing, if_possible,
       hidden_recipient, large, already_signed, new_certificate_takes_effect)
