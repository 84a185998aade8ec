"""Clients that say nothing, or an octet now and then, and too many of them;
descriptors that run out. No busy loop, and mail goes on."""
import os
import select
import socket
import struct
import threading
import time

import base
from base import figure, size
from harness import SITI, equal, test

WATCH = 3.0                     # seconds during which CPU time is measured
CALM = 0.10                     # of one core, at most, for nothing to do
ACTIONS, STEPS = 0x1ff, 0x1fffff


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


NEGOTIATE = packet(b"O", struct.pack(">III", 6, ACTIONS, STEPS))


class Clients:
    """Connections to the milter socket, closed at the end of the block."""

    def __init__(self, site):
        self.site = site
        self.socks = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.close()

    def open(self, count, first=b""):
        for _ in range(count):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(60)
            self.socks.append(sock)
            sock.connect(self.site.socket)
            try:
                sock.sendall(first)
            except (BrokenPipeError, ConnectionResetError):
                pass            # turned away already

    def left(self, seconds=0.0):
        """How many are still connected; answers are read and forgotten."""
        poll = select.poll()
        socks = {sock.fileno(): sock for sock in self.socks}
        for fd in socks:
            poll.register(fd, select.POLLIN)
        gone, end = set(), time.monotonic() + seconds
        while True:
            for fd, _ in poll.poll(50):
                try:
                    data = socks[fd].recv(4096, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    data = b""
                if not data:
                    gone.add(fd)
                    poll.unregister(fd)
            if time.monotonic() > end:
                return len(socks) - len(gone)


def share(site):
    """Of one core, by all processes, while nothing has to be done."""
    pids = base.processes(site)
    used, begin = base.cpu_seconds(pids), time.monotonic()
    time.sleep(WATCH)
    return (base.cpu_seconds(pids) - used) / (time.monotonic() - begin)


def calm(site, most=CALM):
    used = share(site)
    if used > most:
        raise AssertionError("%.0f %% of a core for nothing" % (used * 100))
    return used * 100


def descriptors(site):
    return len(os.listdir("/proc/%d/fd" % site.children()[
        base.rig.SAMPUL_USER]))


@test
def idle_clients(site):
    """Who never speaks makes room for others (ATK-35)."""
    count, ceiling = size("idle"), 250
    site.write_conf(milter={**site.settings["milter"],
                            "max_connections": ceiling})
    with base.Daemon(site), Clients(site) as silent:
        base.signs(site)
        silent.open(count)
        base.rig.wait_until("only so many are kept", lambda:
                            silent.left(0.2) <= ceiling)
        used = calm(site)
        left = silent.left(0.2)
        files = descriptors(site)
        if left > ceiling or files > ceiling + 64:
            raise AssertionError("%d connected, %d descriptors" % (
                left, files))
        for _ in range(5):
            base.signs(site)
            base.signs(site, SITI)
    figure("idle clients", "%d that never negotiated: %d kept, %.1f %% of a "
           "core, 10 messages signed beside them" % (count, left, used))


@test
def too_many_clients(site):
    """Over the ceiling there is a temporary failure at once (ATK-35)."""
    ceiling = 60
    site.write_conf(milter={**site.settings["milter"],
                            "max_connections": ceiling})
    with base.Daemon(site):
        with Clients(site) as negotiated:
            negotiated.open(ceiling - 10, NEGOTIATE)
            equal(negotiated.left(0.5), ceiling - 10, "below the ceiling")
            base.signs(site)
            negotiated.open(40, NEGOTIATE)
            begin = time.monotonic()
            while negotiated.left() > ceiling:
                if time.monotonic() - begin > base.SLACK:
                    raise AssertionError("%d connected" % negotiated.left())
            turned = time.monotonic() - begin
            equal(negotiated.left(0.5), ceiling, "at the ceiling")
            equal(base.one(site, seconds=base.SLACK).code // 100, 4, "code")
            used = calm(site)
        recovered = base.recovers(site, 60)
        # and the silent: over the ceiling the longest silent one goes
        with Clients(site) as silent:
            silent.open(ceiling * 3)
            for _ in range(3):
                base.signs(site)
    figure("too many clients", "ceiling %d: 30 more turned away in %.2f s, "
           "mail answered temporarily, %.1f %% of a core; signing %.1f s "
           "after they left" % (ceiling, turned, used, recovered))


class Dripper(threading.Thread):
    """Sends each client's next octet, all of them in a quarter second."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.clients = clients
        self.ended = threading.Event()
        self.sent = 0
        self.lost = 0

    def run(self):
        endless = NEGOTIATE + packet(b"D", b"C{daemon_name}\0A\0") + \
            packet(b"L", b"X-Drip\0" + b"x" * 60000)
        at = 0
        while not self.ended.wait(0.25):
            for sock in self.clients.socks:
                try:
                    sock.send(endless[at:at + 1], socket.MSG_DONTWAIT)
                    self.sent += 1
                except OSError:
                    self.lost += 1
            at += 1


@test
def dripping_clients(site):
    """An octet now and then keeps a thread, and nothing else (ATK-35)."""
    count = size("drips")
    with base.Daemon(site), Clients(site) as clients:
        base.signs(site)
        clients.open(count)
        dripper = Dripper(clients)
        dripper.start()
        try:
            time.sleep(1)
            used = calm(site, 2 * CALM)
            for _ in range(3):
                base.signs(site)
                base.signs(site, SITI)
        finally:
            dripper.ended.set()
            dripper.join()
        equal(dripper.lost, 0, "dripping clients turned away")
    figure("dripping clients", "%d clients, %d octets one by one: %.1f %% of "
           "a core, 6 messages signed beside them" % (
               count, dripper.sent, used))


@test
def descriptors_run_out(site):
    """Nothing spins; who comes too late is told so, and later mail is
    signed (MTA-57)."""
    limit = 48
    with base.Daemon(site, ("/bin/sh", "-c", 'ulimit -n %d; exec "$@"'
                            % limit, "sh")):
        base.signs(site)
        with Clients(site) as negotiated:
            negotiated.open(100, NEGOTIATE)
            used = calm(site)
            left = negotiated.left(0.5)
            if left >= limit:
                raise AssertionError("%d connected" % left)
            equal(base.one(site, seconds=base.SLACK).code // 100, 4, "code")
        recovered = base.recovers(site, 60)
        base.signs(site, SITI, base.large)
        # one descriptor is free: the connection gets it, its spool none
        with Clients(site) as negotiated:
            while True:
                negotiated.open(1, NEGOTIATE)
                if negotiated.left(0.1) < len(negotiated.socks):
                    break
            negotiated.socks.pop().close()
            negotiated.socks.pop(0).close()
            time.sleep(1.1)
            reply = base.one(site, kind=base.large, seconds=base.SLACK)
            equal(reply.code // 100, 4, "code without a spool")
        base.recovers(site, 60)
    figure("descriptors", "limit %d, 100 clients: %d kept, %.1f %% of a core, "
           "mail answered temporarily; signing %.1f s after they left" % (
               limit, left, used, recovered))
