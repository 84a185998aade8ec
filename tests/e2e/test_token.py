"""Keys that live in a PKCS#11 token: the built daemon with SoftHSM 2."""
import json
import os
import pwd
import re
import signal
import shutil
import subprocess
import threading
import time

import harness
from harness import BUDI, BUILD, SEKRETARIAT, SITI, contains, equal, test
import milter
import rig

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
TOKEN_USER = "games"            # which every Debian has
LABEL, PIN = "dinas kominfo", "471108"
OWN_LABEL, OWN_PIN = "siti", "815815"
URI = {BUDI: "pkcs11:token=dinas%20kominfo;object=budi",
       SEKRETARIAT: "pkcs11:token=dinas%20kominfo;id=%02",
       SITI: "pkcs11:token=siti;object=siti"}


def softhsm(site, *args):
    subprocess.run(args, check=True, capture_output=True, timeout=120,
                   env=dict(os.environ, SOFTHSM2_CONF=site.path("hsm.conf")))


def make_token(site, label, pin):
    softhsm(site, "softhsm2-util", "--init-token", "--free", "--label", label,
            "--pin", pin, "--so-pin", "87654321")


def give_tokens(site):
    subprocess.run(["chown", "-R", TOKEN_USER, site.path("hsm")], check=True)


def made_in_token(site, address, kind, label, pin, name, ident):
    """A certificate whose key goes to the token, and stays nowhere else."""
    out = site.certificate(address, kind)
    softhsm(site, "softhsm2-util", "--import", os.path.join(out, "key.pem"),
            "--token", label, "--label", name, "--id", ident, "--pin", pin)
    os.unlink(os.path.join(out, "key.pem"))
    return out


def into_token(site, address, kind, label, pin, name, ident):
    """And its entry, made by hand."""
    out = made_in_token(site, address, kind, label, pin, name, ident)
    folder = site.path("keystore", address, "token")
    os.makedirs(folder, mode=0o700)
    for file in ("cert.pem", "chain.pem"):
        shutil.copy(os.path.join(out, file), folder)
    rig.write(os.path.join(folder, "key.uri"), URI[address] + "\n")
    return folder


def set_pin(site, pin):
    rig.write(site.path("pin"), pin + "\n", mode=0o400)
    os.chown(site.path("pin"), pwd.getpwnam(TOKEN_USER).pw_uid, -1)


def setup(site):
    rig.make_directory(site.path("hsm"))
    rig.write(site.path("hsm.conf"), "directories.tokendir = %s\n"
              "objectstore.backend = file\nlog.level = ERROR\n"
              % site.path("hsm"))
    os.chmod(site.path("hsm.conf"), 0o644)
    os.environ["SOFTHSM2_CONF"] = site.path("hsm.conf")
    site.settings["token_user"] = TOKEN_USER
    site.settings["keystore"].update(
        token_module=MODULE, token_pin_file=site.path("pin"), rate_limit=0)
    site.settings["custody"] = {"socket": site.path("run", "keys.sock")}
    site.init()
    set_pin(site, PIN)
    make_token(site, LABEL, PIN)
    make_token(site, OWN_LABEL, OWN_PIN)
    into_token(site, BUDI, "rsa2048", LABEL, PIN, "budi", "01")
    into_token(site, SEKRETARIAT, "p256", LABEL, PIN, "sekretariat", "02")
    own = into_token(site, SITI, "p384", OWN_LABEL, OWN_PIN, "siti", "03")
    rig.write(os.path.join(own, "owner"), "")
    subprocess.run(["chown", "-R", rig.SAMPUL_KEY_USER,
                    site.path("keystore")], check=True)
    give_tokens(site)
    os.chmod(site.base, 0o755)
    site.start()


def send(site, sender):
    """What the milter does with one message of the sender's."""
    client = milter.Client(site.socket)
    try:
        client.negotiate()
        for _, packets in milter.steps(sender, sender):
            client.run(packets)
        return client.end()
    finally:
        client.close()


def signs(site, sender):
    """Signed by the token, and openssl says so too; returns the message."""
    got = send(site, sender)
    body = b"".join(data for name, data in got if name == b"b")
    equal(got[-1][0] in (b"a", b"c"), True, got)
    kind = [data for name, data in got if name in (b"h", b"i", b"m") and
            b"Content-Type\0" in data]
    equal(len(kind), 1, "Content-Type of %s" % got)
    value = kind[0].split(b"Content-Type\0")[1].rstrip(b"\0")
    data = b"MIME-Version: 1.0\r\nContent-Type: " + \
        value.replace(b"\n", b"\r\n").strip() + b"\r\n\r\n" + body
    equal(site.verify(data).addresses, [sender], "signer")
    return data


def waits(site, sender, why="temporary fault"):
    command, data = send(site, sender)[-1]
    answer = data.rstrip(b"\0").decode()
    equal((command, answer[:1]), (b"y", "4"), answer)
    contains(answer, why)


def locked(site, sender):
    waits(site, sender, "is locked")


def sampulctl(site, *args, secret=None):
    """secret goes through a pipe."""
    reading, writing = os.pipe()
    os.write(writing, (secret or "").encode() + b"\n")
    os.close(writing)
    if secret is not None:
        args = (args[0], "--fd", str(reading), *args[1:])
    try:
        return subprocess.run(
            [os.path.join(BUILD, "sampulctl"), "-c", site.conf_file, *args],
            capture_output=True, check=False, timeout=120,
            pass_fds=(reading,))
    finally:
        os.close(reading)


@test
def rsa_and_ec(site):
    signs(site, BUDI)
    signs(site, SEKRETARIAT)


def algorithm(site, data):
    """What the signature was made with, as openssl names it."""
    path = site.path("scratch", "token.eml")
    with open(path, "wb") as file:
        file.write(data)
    text = harness.openssl("cms", "-cmsout", "-print", "-in", path).decode()
    return re.search(r"signatureAlgorithm:\s+algorithm: (\S+)",
                     text[text.index("signerInfos"):]).group(1)


@test
def by_pss(site):
    """RSASSA-PSS, from the digest in the mail process to the token."""
    equal(algorithm(site, signs(site, BUDI)), "rsaEncryption", "before")
    site.write_conf(signing={"pss": True})
    site.reload("reload ok")
    for _ in range(3):
        equal(algorithm(site, signs(site, BUDI)), "rsassaPss", "with pss")
    equal(algorithm(site, signs(site, SEKRETARIAT)), "ecdsa-with-SHA256",
          "a P-256 key")
    site.write_conf(signing=None)
    site.reload("reload ok")
    equal(algorithm(site, signs(site, BUDI)), "rsaEncryption", "after")


@test
def how_fast(site):
    """A figure, no limit: every message of many at once is signed."""
    for sender, kind in ((BUDI, "RSA-2048"), (SEKRETARIAT, "P-256")):
        done, threads = [], []
        begin = time.monotonic()
        for _ in range(4):
            threads.append(threading.Thread(target=lambda: done.extend(
                send(site, sender)[-1][0] for _ in range(25))))
            threads[-1].start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begin
        equal(set(done) <= {b"a", b"c"} and len(done), 100, "signed")
        print("# SoftHSM, %s: %.0f messages a second" % (kind, 100 / took))


@test
def its_own_user(site):
    equal(TOKEN_USER in site.children(), True, "the token process's user")
    pid = site.children()[TOKEN_USER]
    status = rig.read("/proc/%d/status" % pid)
    contains(status, "NoNewPrivs:\t1")
    contains(status, "CapEff:\t0000000000000000")


@test
def taken_away_and_brought_back(site):
    signs(site, BUDI)
    os.rename(site.path("hsm"), site.path("away"))
    waits(site, BUDI)
    waits(site, SEKRETARIAT)
    contains(site.logged(), 'token "dinas kominfo":')
    os.rename(site.path("away"), site.path("hsm"))
    signs(site, BUDI)
    signs(site, SEKRETARIAT)
    contains(site.logged(), 'token "dinas kominfo" signs again')


@test
def worker_killed(site):
    signs(site, BUDI)
    parent = site.children()[TOKEN_USER]
    children = rig.read("/proc/%d/task/%d/children" % (parent, parent))
    os.kill(int(children.split()[0]), signal.SIGKILL)
    signs(site, BUDI)
    equal(site.children().get(TOKEN_USER), parent, "the token process")


@test
def worker_hangs(site):
    signs(site, BUDI)
    parent = site.children()[TOKEN_USER]
    worker = int(rig.read("/proc/%d/task/%d/children" % (parent, parent)))
    os.kill(worker, signal.SIGSTOP)
    waits(site, BUDI)
    contains(site.logged(), "crashed or did not answer")
    waits(site, BUDI)
    equal(os.path.exists("/proc/%d" % worker), False, "the worker")
    site.reload("reload ok")
    signs(site, BUDI)


@test
def pin_of_its_owner(site):
    locked(site, SITI)
    for pin in ("000000", "000000"):
        equal(sampulctl(site, "unlock", SITI, secret=pin).returncode != 0,
              True, "a wrong PIN")
        locked(site, SITI)
    equal(site.logged().count('incident=wrong-pin token="siti"'), 1, "tries")
    rig.wait_until("another try", lambda: sampulctl(
        site, "unlock", SITI, secret=OWN_PIN).returncode == 0, 60)
    signs(site, SITI)
    signs(site, BUDI)
    equal(sampulctl(site, "lock", SITI).returncode, 0, "lock")
    locked(site, SITI)


@test
def wrong_pin_is_tried_once(site):
    set_pin(site, "999999")
    site.reload("reload ok")
    for _ in range(5):
        waits(site, BUDI)
    equal(site.logged().count('incident=wrong-pin token="dinas kominfo"'), 1,
          "tries")
    set_pin(site, PIN)
    site.reload("reload ok")
    signs(site, BUDI)


@test
def lists_and_checks(site):
    contains(sampulctl(site, "show", BUDI).stdout.decode(), "in a token")
    listed = json.loads(sampulctl(site, "list", "--json").stdout)
    equal({entry["address"]: (entry["custody"], entry["token"])
           for entry in listed},
          {BUDI: ("token", True), SEKRETARIAT: ("token", True),
           SITI: ("owner", True)}, "list")
    result = sampulctl(site, "check")
    equal(result.returncode, 0, result.stdout + result.stderr)
    for name, pin in (("pin", PIN), ("own", OWN_PIN)):
        equal(pin in site.logged(), False, name + " in the log")


def imported(site, address, out, uri, *options):
    return site.ctl("import", "--cert", os.path.join(out, "cert.pem"),
                    "--chain", os.path.join(out, "chain.pem"), "--token",
                    uri, *options, address, check=False)


@test
def imports_by_name(site):
    """key.uri is written when the token has signed for the certificate."""
    mine = "arsip@dinkes.pekalongankab.go.id"
    out = made_in_token(site, mine, "rsa2048", LABEL, PIN, "arsip", "04")
    give_tokens(site)
    for uri, code, why in (
            ("pkcs11:token=dinas%20kominfo;object=budi",
             os.EX_UNAVAILABLE, "names another key"),
            ("pkcs11:token=dinas%20kominfo;object=tiada",
             os.EX_UNAVAILABLE, "has no such key"),
            ("pkcs11:token=tiada;object=arsip", os.EX_UNAVAILABLE,
             "the token is not there"),
            ("pkcs11:token=x;object=y?pin-value=1", os.EX_USAGE, "a path may not have")):
        result = imported(site, mine, out, uri)
        equal(result.returncode, code, result.stderr.decode())
        contains(result.stderr.decode(), why)
        equal(os.path.exists(site.path("keystore", mine)), False, "folder")
    uri = "pkcs11:token=dinas%20kominfo;object=arsip"
    result = imported(site, mine, out, uri)
    equal(result.returncode, 0, result.stderr.decode())
    contains(result.stdout.decode(), "custody     in a token\n")
    folder, = os.listdir(site.path("keystore", mine))
    equal(rig.read(site.path("keystore", mine, folder, "key.uri")),
          uri + "\n", "key.uri")
    equal(sorted(os.listdir(site.path("keystore", mine, folder))),
          ["cert.pem", "chain.pem", "key.uri"], "files")
    signs(site, mine)
    shutil.rmtree(site.path("keystore", mine))


@test
def imports_with_its_owners_pin(site):
    mine = "kepala@dinkes.pekalongankab.go.id"
    out = made_in_token(site, mine, "p256", OWN_LABEL, OWN_PIN, "kepala",
                        "05")
    give_tokens(site)
    uri = "pkcs11:token=siti;object=kepala"
    rig.write(site.path("own-pin"), "111111\n", mode=0o600)
    result = imported(site, mine, out, uri, "--own-passphrase-file",
                      site.path("own-pin"))
    equal(result.returncode, os.EX_NOPERM, result.stderr.decode())
    rig.write(site.path("own-pin"), OWN_PIN + "\n", mode=0o600)
    result = imported(site, mine, out, uri, "--own-passphrase-file",
                      site.path("own-pin"))
    equal(result.returncode, 0, result.stderr.decode())
    locked(site, mine)
    equal(sampulctl(site, "unlock", mine, secret=OWN_PIN).returncode, 0,
          "unlock")
    signs(site, mine)
    shutil.rmtree(site.path("keystore", mine))


def checked(site, code, *parts):
    result = sampulctl(site, "check")
    said = (result.stdout + result.stderr).decode()
    equal(result.returncode, code, said)
    for part in parts:
        contains(said, part)


@test
def check_tries_the_tokens(site):
    """Login, key, and that it is the certificate's."""
    checked(site, 0, "keys in tokens that sign: 2")
    set_pin(site, "999999")
    checked(site, os.EX_DATAERR, "error    %s/token: the token does not sign "
            "(" % BUDI, "refuse")
    set_pin(site, PIN)
    path = site.path("keystore", BUDI, "token", "key.uri")
    for uri, why in ((URI[BUDI].replace("budi", "tiada"), "no such key"),
                     (URI[BUDI].replace("kominfo", "lain"), "not there")):
        rig.write(path, uri + "\n")
        checked(site, os.EX_DATAERR, "error    %s/token: " % BUDI, why,
                "keys in tokens that sign: 1")
    rig.write(path, URI[BUDI] + "\n")
    os.rename(site.path("keystore", BUDI, "token", "cert.pem"),
              site.path("kept.pem"))
    shutil.copy(os.path.join(site.certificate(BUDI), "cert.pem"),
                site.path("keystore", BUDI, "token"))
    checked(site, os.EX_DATAERR, "it names another key")
    os.rename(site.path("kept.pem"),
              site.path("keystore", BUDI, "token", "cert.pem"))
    subprocess.run(["chown", "-R", rig.SAMPUL_KEY_USER,
                    site.path("keystore", BUDI)], check=True)
    site.write_conf(keystore={**site.settings["keystore"],
                              "token_module": site.path("no.so")})
    checked(site, os.EX_DATAERR, "the token is not there")
    site.write_conf(keystore={**site.settings["keystore"],
                              "token_module": MODULE})
    signs(site, BUDI)


@test
def destroyed_in_the_token_alone(site):
    result = sampulctl(site, "destroy", "--yes", BUDI, "token")
    equal(result.returncode, os.EX_UNAVAILABLE, result.stderr)
    contains(result.stderr.decode(), "in a token")
    signs(site, BUDI)


@test
def what_a_module_gets(site):
    signs(site, BUDI)
    parent = site.children()[TOKEN_USER]
    worker = int(rig.read("/proc/%d/task/%d/children" % (parent, parent)))
    status = rig.read("/proc/%d/status" % worker)
    contains(status, "CapEff:\t0000000000000000")
    contains(status, "Uid:\t%d\t" % pwd.getpwnam(TOKEN_USER).pw_uid)
    own = set(os.listdir("/proc/%d/fd" % parent))
    sockets = [name for name in os.listdir("/proc/%d/fd" % worker)
               if os.readlink("/proc/%d/fd/%s" % (worker, name))
               .startswith("socket:")]
    equal((len(own) > 4, len(sockets)), (True, 1), "open sockets")


@test
def unknown_object(site):
    path = site.path("keystore", BUDI, "token", "key.uri")
    rig.write(path, URI[SEKRETARIAT] + "\n")
    os.chown(path, pwd.getpwnam(rig.SAMPUL_KEY_USER).pw_uid, -1)
    waits(site, BUDI)
    rig.write(path, "pkcs11:token=x;object=y?pin-value=1\n")
    waits(site, BUDI)
    rig.write(path, URI[BUDI] + "\n")
    signs(site, BUDI)


if __name__ == "__main__":
    harness.main(setup)
