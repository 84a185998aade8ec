"""The mail of tests/vm/inside: sends by the machine's Postfix, reads what was
delivered to root, and has openssl judge it."""
import email
import http.server
import mailbox
import os
import re
import smtplib
import ssl
import subprocess
import sys
import time

BUDI = "budi@dinkes.pekalongankab.go.id"
SITI = "siti@dinkes.pekalongankab.go.id"
SURYA = "surya@rsud.example"
HAKIM = "hakim@pengadilan.example"
SEED = "/root/vm/seed"
OURS, WORLD = 2525, 25
SPOOL = "/var/mail/root"

ORIGINS = """origins = (
	{ name = "login"; kind = "login"; },
	{ name = "applications"; kind = "daemon";
	  daemons = [ "applications" ]; from = [ "budi@dinkes.pekalongankab.go.id", "siti@dinkes.pekalongankab.go.id", "arsip@dinkes.pekalongankab.go.id" ]; }
);
"""
SETTINGS = """encryption = { harvest_dir = "/var/lib/sampul/harvested";
	harvest_from = [ "*" ]; labels = [ "Rahasia" ]; };
"""
REST = """token_user = "sampul-token";
submit = { server = "127.0.0.1:10027"; };
custody = { socket = "/run/sampul/keys.sock"; group = "sampul-op"; };
"""


def letter(sender, subject, fields="", body="Selamat pagi – rapat.\r\n"):
    return ("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n%sMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n%s"
            % (sender, HAKIM, subject, fields, body)).encode()


def submit(port, sender, to, data, tries=1):
    """Tries again what meets a temporary failure, as a mail server would."""
    for left in range(tries, 0, -1):
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=120) as smtp:
                smtp.sendmail(sender, to, data)
            return
        except (smtplib.SMTPException, OSError) as error:
            code = getattr(error, "smtp_code", 0)
            if left == 1 or 500 <= code < 600:
                raise
            time.sleep(1)


def delivered(subject, wanted=1, limit=120):
    """The messages of this subject, once so many are there."""
    end = time.monotonic() + limit
    while True:
        found = [message for message in mailbox.mbox(SPOOL)
                 if subject in str(message["Subject"])] \
            if os.path.exists(SPOOL) else []
        if len(found) >= wanted:
            return found
        if time.monotonic() > end:
            sys.exit("%d of %d delivered: %s" % (len(found), wanted, subject))
        time.sleep(1)


def openssl(*args, data):
    result = subprocess.run(["openssl", "cms", *args], input=data,
                            capture_output=True, check=False)
    if result.returncode != 0:
        sys.exit("openssl cms %s: %s" % (" ".join(args),
                                         result.stderr.decode()))
    return result.stdout


def verify(data):
    return openssl("-verify", "-CAfile", SEED + "/root.pem", data=data)


def unique():
    return "perihal-%d" % time.monotonic_ns()


def signed(sender):
    subject = unique()
    submit(OURS, sender, [HAKIM], letter(sender, subject))
    verify(delivered(subject)[0].as_bytes())


def passes(sender):
    """What we signed comes in from outside."""
    subject = unique()
    submit(OURS, sender, [HAKIM], letter(sender, subject))
    message = delivered(subject)[0]
    for field in ("Authentication-Results", "X-Verified-Sender",
                  "Return-Path", "X-Original-To", "Delivered-To"):
        del message[field]
    again = re.sub(rb"\r?\n", b"\r\n", message.as_bytes())
    submit(WORLD, "luar@lain.example", [HAKIM], again)
    result = delivered(subject, 2)[1]["Authentication-Results"] or "none"
    if "smime=pass" not in result:
        sys.exit("came in as: " + result)


def kept():
    """Somebody else's signed mail leaves his certificate."""
    signer = "%s/surya" % SEED
    subject = unique()
    entity = openssl(
        "-sign", "-md", "sha256", "-signer", signer + "/cert.pem", "-inkey",
        signer + "/key.pem", "-certfile", SEED + "/issuing.pem", "-from",
        SURYA, "-to", HAKIM, "-subject", subject,
        data=b"Content-Type: text/plain\r\n\r\nSelamat pagi.\r\n")
    submit(WORLD, SURYA, [HAKIM], re.sub(rb"\r?\n", b"\r\n", entity))
    result = delivered(subject)[0]["Authentication-Results"] or "none"
    if "smime=pass" not in result:
        sys.exit("came in as: " + result)
    end = time.monotonic() + 30
    while not any(files for _, _, files in
                  os.walk("/var/lib/sampul/harvested")):
        if time.monotonic() > end:
            sys.exit("nothing was kept")
        time.sleep(1)


def secret(sender):
    """To one who is named and one who is hidden: two messages, which each can
    read alone."""
    subject = unique()
    submit(OURS, sender, [HAKIM, SITI],
           letter(sender, "biasa", "Sifat: Rahasia\r\nX-Uji: %s\r\n" % subject))
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = [message for message in mailbox.mbox(SPOOL)
                 if message["X-Uji"] == subject]
        if len(found) == 2:
            break
        time.sleep(1)
    else:
        sys.exit("%d of 2 delivered" % len(found))
    for message in found:
        to = message["X-Original-To"]
        who = "hakim" if to == HAKIM else "siti-enc"
        text = openssl("-decrypt", "-recip", "%s/%s/cert.pem" % (SEED, who),
                       "-inkey", "%s/%s/key.pem" % (SEED, who),
                       data=message.as_bytes())
        verify(text)


def large(sender):
    subject = unique()
    submit(OURS, sender, [HAKIM],
           letter(sender, subject, body="isi surat\r\n" * 400000))
    verify(delivered(subject)[0].as_bytes())


def deferred(sender):
    try:
        submit(OURS, sender, [HAKIM], letter(sender, unique()))
    except smtplib.SMTPDataError as error:
        if 400 <= error.smtp_code < 500:
            return
        raise
    sys.exit("was taken")


def many(count):
    subject, count = unique(), int(count)
    for number in range(count):
        submit(OURS, BUDI, [HAKIM],
               letter(BUDI, "%s-%d." % (subject, number)), tries=60)
    got = delivered(subject, count)
    for message in got:
        verify(message.as_bytes())
    if len({str(message["Subject"]) for message in got}) != count or \
            len(got) != count:
        sys.exit("%d delivered, %d sent" % (len(got), count))


def slow():
    """Part of a message, a pause in which Sampul is stopped, and the rest: it
    is taken and signed, or it meets a temporary failure."""
    subject = unique()
    smtp = smtplib.SMTP("127.0.0.1", OURS, timeout=120)
    smtp.ehlo()
    smtp.mail(BUDI)
    smtp.rcpt(HAKIM)
    smtp.putcmd("data")
    smtp.getreply()
    data = letter(BUDI, subject)
    smtp.sock.sendall(data[:60])
    time.sleep(6)
    smtp.sock.sendall(data[60:] + b".\r\n")
    code, reply = smtp.getreply()
    print(code, reply)
    if code == 250:
        verify(delivered(subject)[0].as_bytes())
    elif not 400 <= code < 500:
        sys.exit("an answer that is neither")


def serve(directory):
    """Revocation lists by https."""
    os.chdir(directory)
    server = http.server.HTTPServer(("127.0.0.1", 443),
                                    http.server.SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("tls.pem", "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def rewrite(path, change):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(change(text))


def settings(path):
    """An origin that needs no login, and what incoming mail leaves."""
    rewrite(path, lambda text: re.sub(r"(?ms)^origins = \(.*?^\);\n",
                                      ORIGINS, text) + SETTINGS)


def rest(path):
    def change(text):
        text = text.replace(
            'default_rule = {\n', 'default_rule = {\n'
            '\thidden_recipients = "own-copy";\n')
        text = text.replace(
            "keystore = {\n", "keystore = {\n"
            '\ttoken_module = "/usr/lib/softhsm/libsofthsm2.so";\n'
            '\ttoken_pin_file = "/etc/sampul/pin";\n')
        return text + REST
    rewrite(path, change)
    with open(path, encoding="utf-8") as file:
        plain = file.read()
    with open("/root/vm/plain.conf", "w", encoding="utf-8") as file:
        file.write(plain)
    rewrite(path, lambda text: text.replace(
        '"/etc/sampul/passphrase"', '"credential:sampul-passphrase"'))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
