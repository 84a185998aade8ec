"""notice_read.py FILE - read notifications back with Python's email package.

FILE holds records of three strings ended by NUL: what it is, the first
recipient's address, the notification. Each must be of the structure of RFC
3464 and 6522 for a reader that knows nothing of Sampul, and have no header
field that notice.c does not write.
"""
import email
import email.policy
import re
import sys

HEADER = ["Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted",
          "Sampul-Copy", "MIME-Version", "Content-Type"]
TYPES = ["text/plain", "message/delivery-status", "text/rfc822-headers"]
MESSAGE = ["Reporting-MTA", "X-Sampul-Queue-ID", "Arrival-Date"]
RECIPIENT = ["Final-Recipient", "Action", "Status", "Diagnostic-Code"]


def address_of(value):
    """What a Final-Recipient stands for (RFC 6533 3)."""
    kind, _, text = value.partition(";")
    text = text.strip()
    if kind == "utf-8":
        return re.sub(r"\\x\{([0-9A-F]+)\}",
                      lambda m: chr(int(m.group(1), 16)), text)
    assert kind == "rfc822", kind
    return text


def check_status(part, address):
    """Groups of fields: one for the message, one for each recipient."""
    groups = part.get_payload()
    assert [len(group.get_payload()) for group in groups] == [0] * 3
    assert groups[0].keys() == MESSAGE, groups[0].keys()
    assert groups[0]["Reporting-MTA"] == "dns; mx.example"
    assert groups[1].keys() == RECIPIENT, groups[1].keys()
    assert groups[1]["Action"] == "failed"
    assert groups[1]["Status"] == "5.7.1"
    got = address_of(groups[1]["Final-Recipient"])
    try:
        wanted = address.decode()
        clean = not re.search(r"[\x00-\x1f\x7f]", wanted)
    except UnicodeDecodeError:
        clean = False
    if clean and len(wanted) < 200:
        assert got == wanted, (got, wanted)
    assert address_of(groups[2]["Final-Recipient"]) == "other@example.net"


def check(address, raw):
    """One notification."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    names = [name for name in message.keys()
             if name not in ("In-Reply-To", "References")]
    assert names == HEADER, names
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["From"].addresses[0].addr_spec == "mailer-daemon@mx.example"
    assert len(message["To"].addresses) <= 1, message["To"]
    assert message["Date"].datetime.year == 2023
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == TYPES
    assert not message.preamble and not (message.epilogue or "").strip()
    for part in message.walk():
        assert not part.defects, part.defects
    text = parts[0].get_content()
    assert "other@example.net" in text and "\n      " in text
    check_status(parts[1], address)
    fields = email.message_from_bytes(parts[2].get_payload(decode=True))
    assert "Bcc" not in fields and "Sampul-Copy" not in fields
    assert not fields.get_payload().strip()


def main():
    """All of the file."""
    with open(sys.argv[1], "rb") as file:
        strings = file.read().split(b"\0")[:-1]
    assert strings and len(strings) % 3 == 0
    bad = 0
    for what, address, raw in zip(*[iter(strings)] * 3):
        try:
            check(address, raw)
        except (AssertionError, ValueError, LookupError) as error:
            bad += 1
            print(f"{what.decode()}: {error!r} in\n{raw.decode()}")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
