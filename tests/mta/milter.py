"""The MTA's side of the milter protocol, one packet at a time: for what no MTA
in good health does, such as going away in the middle (MTA-10)."""
import socket
import struct

ACTIONS = 0x1ff                 # all that Postfix 3.7 offers
STEPS = 0x1fffff
# Whether a step is answered: it is not where both sides said so.
NO_REPLY = {b"C": 0x1000, b"M": 0x4000, b"R": 0x8000, b"L": 0x80,
            b"N": 0x40000, b"B": 0x80000}

# A message in the order of an MTA, one command each, without HELO and DATA,
# which Sampul asks not to be told; D are macros for the command that they
# name.
LOGIN = b"{mail_addr}\0%s\0{auth_authen}\0%s\0{auth_type}\0PLAIN\0"


def steps(sender, login, body=b"x\r\n"):
    """[(name, packets)] of one message; ends before the end of message."""
    who = sender.encode()
    return [
        ("connect", [(b"D", b"C{daemon_name}\0smtpd\0"),
                     (b"C", b"klien.example\x004" + struct.pack(">H", 25) +
                      b"192.0.2.7\0")]),
        ("mail", [(b"D", b"M" + LOGIN % (who, login.encode())),
                  (b"M", b"<" + who + b">\0")]),
        ("rcpt", [(b"R", b"<warga@luar.example>\0")]),
        ("header", [(b"L", b"From\0 " + who + b"\0")]),
        ("header", [(b"L", b"Subject\0 uji\0")]),
        ("eoh", [(b"D", b"Ni\0ABC\0"), (b"N", b"")]),
        ("body", [(b"B", body)]),
        ("body", [(b"B", body)]),
    ]


class Client:
    """where is a port of 127.0.0.1, or a path."""

    def __init__(self, where):
        if isinstance(where, int):
            self.sock = socket.create_connection(("127.0.0.1", where),
                                                 timeout=60)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            self.sock.connect(where)
        self.no_reply = 0

    def send(self, command, data=b""):
        self.sock.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def _exactly(self, count):
        out = b""
        while len(out) < count:
            got = self.sock.recv(count - len(out))
            if not got:
                raise EOFError("the filter closed the connection")
            out += got
        return out

    def receive(self):
        length, = struct.unpack(">I", self._exactly(4))
        packet = self._exactly(length)
        return packet[:1], packet[1:]

    def negotiate(self, steps=STEPS):
        """steps are those that the MTA offers."""
        self.send(b"O", struct.pack(">III", 6, ACTIONS, steps))
        command, data = self.receive()
        if command != b"O":
            raise EOFError("no negotiation: %r" % command)
        self.no_reply = steps & struct.unpack(">III", data[:12])[2]

    def run(self, packets):
        """Sends them; takes the answer where one was negotiated."""
        answer = None
        for command, data in packets:
            self.send(command, data)
            step = NO_REPLY.get(command, 0)
            if step and not step & self.no_reply:
                answer = self.receive()[0]
        return answer

    def end(self):
        """End of message: the filter's edits and its last word."""
        self.send(b"D", b"Ei\0ABC\0")
        self.send(b"E")
        got = []
        while True:
            command, data = self.receive()
            if command == b"p":
                continue
            got.append((command, data))
            if command in b"actrdy":
                return got

    def close(self, hard=False):
        if hard and self.sock.family == socket.AF_INET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        self.sock.close()
