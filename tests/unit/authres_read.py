"""authres_read.py FILE - read back what was written about verdicts.

FILE holds records of strings ended by NUL: what it is, authserv-id, "utf8" or
"", the wanted result words and reasons ("fail/altered policy/..." one for each
result), the wanted identifier or "", serial number or "", and the value of
Authentication-Results; then the value of X-Verified-Sender.

Two readers that know nothing of Sampul must agree on it: python3-authres, and
the one below, which is the grammar of RFC 8601 2.2 and nothing more (HDR-01).
"""
import re
import sys

import authres

WORDS = {"none", "pass", "fail", "policy", "neutral", "temperror",
         "permerror"}
PROPERTIES = {"smime-part", "smime-identifier", "smime-serial",
              "smime-issuer"}


class Wrong(Exception):
    """Not of the grammar, or not what was wanted."""


class Reader:
    """authres-header-field value (RFC 8601 2.2), from left to right."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def take(self, pattern, what):
        match = re.compile(pattern, re.S).match(self.text, self.at)
        if match is None:
            raise Wrong("no %s at %r" % (what, self.text[self.at:][:40]))
        self.at = match.end()
        return match.group()

    def peek(self, text):
        return self.text.startswith(text, self.at)

    def comment(self):
        """RFC 5322 3.2.2; ctext is printable ASCII but ( ) and backslash."""
        self.take(r"\(", "comment")
        while not self.peek(")"):
            if self.peek("("):
                self.comment()
            else:
                self.take(r"\\[\t\x20-\x7e]|[\x21-\x27\x2a-\x5b\x5d-\x7e"
                          r"\u0080-\U0010ffff]|(?:\r\n)?[ \t]+", "ctext")
        self.take(r"\)", "end of comment")

    def cfws(self, needed=False):
        """[CFWS]; needed: CFWS."""
        start = self.at
        while self.at < len(self.text):
            if self.peek("("):
                self.comment()
            elif re.compile(r"(?:[ \t]*\r\n)?[ \t]+").match(self.text,
                                                           self.at):
                self.take(r"(?:[ \t]*\r\n)?[ \t]+", "FWS")
            else:
                break
        if needed and self.at == start:
            raise Wrong("no CFWS at %r" % self.text[self.at:][:40])

    def token(self):
        """RFC 2045 5.1; UTF-8 in internationalised mail (RFC 8601 5)."""
        return self.take(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~\u0080-\U0010ffff]+",
                         "token")

    def quoted(self):
        text = self.take(
            r'"(?:[ \t]|\r\n[ \t]|[\x21\x23-\x5b\x5d-\x7e\u00a0-\U0010ffff]'
            r'|\\[\t\x20-\x7e])*"', "quoted-string")
        return re.sub(r"\\(.)", r"\1", text[1:-1].replace("\r\n", ""))

    def value(self):
        return self.quoted() if self.peek('"') else self.token()

    def pvalue(self):
        """value / [ [ local-part ] "@" ] domain-name"""
        if self.peek('"'):
            return self.quoted()
        address = re.compile(
            r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
            r"(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*)?"
            r"@[A-Za-z0-9_\u0080-\U0010ffff-]+"
            r"(?:\.[A-Za-z0-9_\u0080-\U0010ffff-]+)*")
        match = address.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return match.group()
        return self.token()

    def resinfo(self):
        self.take(";", "';'")
        self.cfws()
        method = self.take(r"[A-Za-z0-9][A-Za-z0-9-]*", "method")
        self.cfws()
        self.take("=", "'='")
        self.cfws()
        result = self.take(r"[A-Za-z0-9][A-Za-z0-9-]*", "result")
        reason, properties = None, []
        while True:
            self.cfws()
            if self.at == len(self.text) or self.peek(";"):
                return method, result, reason, properties
            if self.peek("reason") and reason is None and not properties:
                self.take(r"reason[ \t]*=", "reasonspec")
                self.cfws()
                reason = self.value()
                continue
            kind = self.take(r"[A-Za-z0-9][A-Za-z0-9-]*", "ptype")
            self.take(r"\.", "'.'")
            name = self.take(r"[A-Za-z0-9][A-Za-z0-9-]*", "property")
            self.take("=", "'='")
            properties.append((kind, name, self.pvalue()))

    def header(self):
        self.cfws()
        identity = self.value()
        self.cfws()
        out = []
        while self.at < len(self.text):
            out.append(self.resinfo())
        if not out:
            raise Wrong("no result")
        return identity, out


def check_lines(name, value):
    """RFC 5322 2.1.1, 2.2.3; HDR-07, HDR-15."""
    lines = (name + ": " + value).split("\n")
    for number, line in enumerate(lines):
        if len(line.encode("utf-8")) > 996:
            raise Wrong("a line of %d octets" % len(line))
        if number > 0 and (line[:1] not in "\t " or not line.strip()):
            raise Wrong("line %d is no fold: %r" % (number, line))
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line):
            raise Wrong("control characters: %r" % line)


def read_own(value):
    return Reader(value.replace("\n", "\r\n")).header()


def read_theirs(value):
    header = authres.AuthenticationResultsHeader.parse(
        "Authentication-Results: " + value.replace("\n", "\r\n"))
    return header.authserv_id, [
        (result.method, result.result, result.reason,
         # It leaves quoted pairs as they are.
         [(p.type, p.name, re.sub(r"\\(.)", r"\1", p.value))
          for p in result.properties])
        for result in header.results]


def check_properties(record, properties):
    names = [name for _, name, _ in properties]
    values = {name: value for _, name, value in properties}
    if len(set(names)) != len(names) or set(names) - PROPERTIES:
        raise Wrong("properties %s" % names)
    if any(kind != "body" for kind, _, _ in properties):
        raise Wrong("not of the body: %s" % properties)
    if ("smime-serial" in values) != ("smime-issuer" in values):
        raise Wrong("serial number and issuer are not together (HDR-04)")
    if values.get("smime-identifier", "") != record["identifier"]:
        raise Wrong("identifier %r" % values.get("smime-identifier"))
    if values.get("smime-serial", "") != record["serial"]:
        raise Wrong("serial %r" % values.get("smime-serial"))
    if "smime-part" in values and not re.fullmatch(
            r"[0-9][0-9./]*", values["smime-part"]):
        raise Wrong("part %r" % values["smime-part"])


def check_results(record):
    check_lines("Authentication-Results", record["results"])
    if not record["utf8"] and not record["results"].isascii():
        raise Wrong("8 bit without SMTPUTF8")
    identity, own = read_own(record["results"])
    # The other knows no UTF-8 in strings (RFC 8601 5).
    if record["results"].isascii():
        theirs = read_theirs(record["results"])
        if (identity, own) != theirs:
            raise Wrong("two readers: %r, %r" % ((identity, own), theirs))
    if identity != record["id"]:
        raise Wrong("authserv-id %r" % identity)
    got = []
    for method, result, reason, _ in own:
        if method != "smime" or result not in WORDS:
            raise Wrong("%s=%s" % (method, result))
        got.append(result + "/" + (reason or ""))
    if " ".join(got) != record["wanted"]:
        raise Wrong("results %s" % got)
    check_properties(record, own[0][3])


def check_verified(record):
    """state *( ";" key "=" ( word / quoted-string ) )"""
    value = record["verified"]
    check_lines("X-Verified-Sender", value)
    if not record["utf8"] and not value.isascii():
        raise Wrong("8 bit without SMTPUTF8")
    reader = Reader(value.replace("\n", "\r\n"))
    state, keys = reader.token(), []
    reader.cfws()
    while reader.at < len(reader.text):
        reader.take(";", "';'")
        reader.cfws(needed=True)
        keys.append(reader.take("[a-z]+", "key"))
        reader.take("=", "'='")
        reader.value()
        reader.cfws()
    passed = record["wanted"].startswith("pass/")
    if (state == "verified") != passed:
        raise Wrong("state %r" % state)
    if len(set(keys)) != len(keys):
        raise Wrong("keys %s" % keys)
    if not passed and set(keys) - {"reason", "text"}:
        raise Wrong("of what does not pass: %s" % keys)


FIELDS = ("what", "id", "utf8", "wanted", "identifier", "serial", "results",
          "verified")


def main(path):
    with open(path, "rb") as file:
        strings = file.read().split(b"\0")
    if strings.pop() != b"" or len(strings) % len(FIELDS) != 0 or not strings:
        sys.exit("%d strings in %s" % (len(strings), path))
    bad = 0
    for at in range(0, len(strings), len(FIELDS)):
        record = dict(zip(FIELDS, (text.decode("utf-8", "surrogateescape") for text in
                                   strings[at:at + len(FIELDS)])))
        try:
            check_results(record)
            check_verified(record)
        except (Wrong, authres.AuthResError) as reason:
            bad += 1
            print("%s: %r in\n%s\n%s" % (record["what"], reason,
                                         record["results"],
                                         record["verified"]))
    print("%d read, %d wrong" % (len(strings) // len(FIELDS), bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1])
