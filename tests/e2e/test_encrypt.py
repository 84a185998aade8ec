"""Sampul behind a real Postfix: what must be encrypted leaves in an envelope
that its readers alone can open, or does not leave; and certificates are kept
from mail that comes in."""
import os
import pwd
import signal
import time

import encrypting
import harness
from harness import BUDI, contains, equal, submit, test
import incoming
import postfix
import rig
import sink


def setup(site):
    encrypting.setup(site)
    rig.make_directory(site.path("harvested"), 0o755, rig.SAMPUL_USER)
    site.settings["encryption"].update(
        harvest_dir=site.path("harvested"), harvest_from=["@mitra.example"])
    site.write_conf()
    site.start()
    site.sink = site.add(sink.Sink())
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter="unix:" + site.socket))
    site.submit = lambda to, data: submit(
        site.postfix.submission, BUDI, to, data, BUDI)


for function in encrypting.ALL:
    test(function)


@test
def explained(site):
    encrypting.explained(site)


@test
def key_process_is_gone(site):
    """Colleagues' certificates cannot be had: the message waits."""
    pid = site.children()[rig.SAMPUL_KEY_USER]
    os.kill(pid, signal.SIGKILL)
    result = encrypting.send(site, [encrypting.HAKIM], cc=[harness.SITI])
    if result[1].code == 250:       # the next set was quick
        encrypting.sealed(site, result, encrypting.HAKIM, harness.SITI)
    else:
        encrypting.refused(site, result, code=4)
    rig.wait_until("it serves again", lambda: encrypting.send(
        site, [encrypting.HAKIM], cc=[harness.SITI])[1].code == 250, 60, 1)


SURYA = "surya@mitra.example"


def write_in(site, signer, sender=SURYA, changed=None):
    """Signed mail from outside; waits until it was delivered."""
    subject = "masuk-%d" % next(site.serial)
    data = incoming.detached(site, signer, incoming.header(subject, sender),
                             changed=changed)
    reply = submit(site.postfix.mx, sender, [BUDI], data,
                   client_address="192.0.2.7")
    equal(reply.code, 250, "reply " + reply.text)
    equal(len(site.sink.find(subject.encode())), 1, "delivered")


def secret_to(site, signer):
    """A secret letter to SURYA is encrypted for this certificate; what was
    looked up before is remembered for five seconds."""
    site.readers[SURYA] = signer
    try:
        def is_for():
            result = encrypting.send(site, [SURYA], "Sifat: Rahasia")
            if result[1].code != 250:
                return False
            data = encrypting.delivered(site, result)[0].data
            try:
                encrypting.opened(site, data, signer)
            except harness.Refused:
                return False
            return True
        rig.wait_until("encrypted for " + signer, is_for, 30, 1)
    finally:
        del site.readers[SURYA]


def partners(site, *args, check=True):
    return site.ctl("partners", *args, check=check).stdout.decode()


@test
def harvested(site):
    """ENC-04, ENC-24, ATK-19."""
    one, two, three = (site.certificate(SURYA, "rsa2048", "nokeyusage")
                       for _ in range(3))
    file = site.path("harvested", SURYA + ".pem")
    encrypting.refused(site, encrypting.send(site, [SURYA], "Sifat: Rahasia"),
                       SURYA)
    write_in(site, one, changed=incoming.entity("Lain.\r\n"))
    write_in(site, one, sender="lain@bukan.example")
    write_in(site, site.certificate(SURYA, "p256", "otherroot"))
    equal(os.path.exists(file), False, "kept without pass")
    write_in(site, one)
    equal(os.stat(file).st_uid, pwd.getpwnam(rig.SAMPUL_USER).pw_uid, "owner")
    contains(partners(site, "list"), "harvested " + SURYA)
    secret_to(site, one)
    time.sleep(1.1)                     # signingTime has whole seconds
    write_in(site, two)
    contains(site.logged(), SURYA + " has another certificate now")
    secret_to(site, two)
    partners(site, "pin", SURYA)
    time.sleep(1.1)
    write_in(site, three)
    contains(partners(site, "show", SURYA), "changed:   2")
    time.sleep(6)                       # nothing is remembered any more
    secret_to(site, two)
    partners(site, "forget", "--pinned", SURYA)
    equal(os.path.exists(file), False, "forgotten")
    equal(site.ctl("partners", "show", SURYA, check=False).returncode, 66,
          "known still")


@test
def another_certificate_for_encryption(site):
    """RFC 8551 2.5.3: the signer's own does not allow it, one beside does."""
    signer = site.certificate(SURYA, "p256")
    sealer = site.certificate(SURYA, "p256", "encryption")
    chain = os.path.join(signer, "chain.pem")
    rig.write(chain, rig.read(chain) +
              rig.read(os.path.join(sealer, "cert.pem")))
    write_in(site, signer)
    secret_to(site, sealer)
    partners(site, "forget", SURYA)


@test
def added(site):
    made = site.certificate(SURYA, "p256", "encryption")
    wrong = site.certificate(encrypting.HAKIM, "p256", "encryption")
    equal(site.ctl("partners", "add", SURYA, wrong + "/cert.pem",
                   check=False).returncode, 65, "another's certificate")
    partners(site, "add", SURYA, made + "/cert.pem")
    contains(partners(site, "list"), "pinned    " + SURYA)
    secret_to(site, made)
    partners(site, "forget", "--pinned", SURYA)


@test
def observed(site):
    site.write_conf(mode="observe")
    site.reload("mode|reload")
    token, reply = encrypting.send(site, [encrypting.HAKIM])
    harness.equal(reply.code, 250, "reply")
    data = site.sink.find(token.encode())[0].data
    contains(data, b"X-Sampul-Report: result=would-encrypt")
    contains(data, (encrypting.SECRET % token).encode())


if __name__ == "__main__":
    harness.main(setup)
