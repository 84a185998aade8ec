"""A next hop: an SMTP server that keeps what it is given, to the octet.

As a program, sink.py DIRECTORY writes its port to DIRECTORY/port and each
message to DIRECTORY/NUMBER.eml, until it is ended.
"""
import collections
import os
import re
import socket
import sys
import threading

Delivered = collections.namedtuple(
    "Delivered", "sender recipients options data")


class Listener:
    """Serves each connection to a port of 127.0.0.1 until stop()."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(conn,),
                             daemon=True).start()

    def _session(self, conn):
        raise NotImplementedError


class Sink(Listener):
    """Listens until stop(). With eightbit and utf8 it offers 8BITMIME and
    SMTPUTF8; without them the MTA has to cope."""

    def __init__(self, eightbit=True, utf8=True):
        self.extensions = ["PIPELINING", "SIZE 0"]
        if eightbit:
            self.extensions.append("8BITMIME")
        if utf8:
            self.extensions.append("SMTPUTF8")
        self.messages = []
        self.arrived = threading.Condition()
        super().__init__()

    def _session(self, conn):
        with conn, conn.makefile("rb") as lines:
            try:
                self._talk(conn, lines)
            except (OSError, ValueError):
                pass

    def _talk(self, conn, lines):
        def say(text):
            conn.sendall(text.encode("ascii") + b"\r\n")

        sender, recipients, options = None, [], ""
        say("220 sink ESMTP")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                for name in self.extensions:
                    say("250-" + name)
                say("250 HELP")
            elif verb == b"MAIL":
                sender, options = _path(line)
                recipients = []
                say("250 ok")
            elif verb == b"RCPT":
                recipients.append(_path(line)[0])
                say("250 ok")
            elif verb == b"DATA":
                say("354 go on")
                data = _data(lines)
                with self.arrived:
                    self.messages.append(Delivered(
                        sender, recipients, options, data))
                    self.arrived.notify_all()
                say("250 kept")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def find(self, marker, count=1, seconds=60):
        """The messages that hold marker (octets), once there are count."""
        def found():
            return [m for m in self.messages if marker in m.data]

        with self.arrived:
            self.arrived.wait_for(lambda: len(found()) >= count, seconds)
            return found()

    def find_for(self, recipient, count=1, seconds=60):
        """The messages to recipient, once there are count."""
        def found():
            return [m for m in self.messages if recipient in m.recipients]

        with self.arrived:
            self.arrived.wait_for(lambda: len(found()) >= count, seconds)
            return found()


def _path(line):
    text = line.decode("utf-8", "surrogateescape")
    match = re.match(r"[A-Za-z ]*:\s*<([^>]*)>\s*(.*)", text.strip())
    if match is None:
        raise ValueError(text)
    return match.group(1), match.group(2)


def _data(lines):
    """RFC 5321 4.5.2: up to the lone dot, leading dots taken off."""
    out = []
    for line in lines:
        if line == b".\r\n":
            return b"".join(out)
        out.append(line[1:] if line.startswith(b".") else line)
    raise ValueError("cut off in DATA")


def main(directory):
    sink = Sink()
    with open(os.path.join(directory, "port.new"), "w",
              encoding="ascii") as out:
        out.write("%d\n" % sink.port)
    os.rename(os.path.join(directory, "port.new"),
              os.path.join(directory, "port"))
    kept = 0
    while True:
        with sink.arrived:
            sink.arrived.wait_for(lambda: sink.messages)
            message = sink.messages.pop(0)
        kept += 1
        path = os.path.join(directory, "%04d.eml" % kept)
        with open(path + ".new", "wb") as out:
            out.write(message.data)
        os.rename(path + ".new", path)


if __name__ == "__main__":
    main(sys.argv[1])
