"""syslog that is not there, comes, hangs and goes: Sampul signs on, or the
MTA keeps the mail until it can."""
import os
import signal
import socket
import subprocess
import threading
import time

import base
from base import figure, rig
from harness import BUILD, SITI, Skip, equal, test

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8),
           ("urandom", 1, 9))


class Background:
    """sampul-milter as a daemon, in a mount namespace whose /dev is ours."""

    def __init__(self, site, dev):
        self.site = site
        result = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c",
             'mount --bind "$0" /dev && exec "$@"', dev,
             os.path.join(BUILD, "sampul-milter"), "-c", site.conf_file],
            capture_output=True, check=False, timeout=60)
        if result.returncode != 0:
            raise AssertionError("start: %d %s" % (
                result.returncode, result.stderr.decode()))
        self.pid = int(rig.read(site.settings["pid_file"]))

    def alive(self):
        return base.alive(self.pid)

    def stop(self):
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
            try:
                rig.wait_until("the daemon's end", lambda: not self.alive(),
                               20)
            except rig.Failure:
                os.kill(self.pid, signal.SIGKILL)


class Syslog:
    """/dev/log, which may stop to read."""

    def __init__(self, dev):
        self.path = os.path.join(dev, "log")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)

    def read(self):
        """All that waits."""
        lines = []
        while True:
            try:
                lines.append(self.sock.recv(65536, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return lines

    def fill(self):
        """Until whoever logs has to wait."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.connect(self.path)
            try:
                while True:
                    out.send(b"<22>x")
            except BlockingIOError:
                pass

    def close(self):
        os.unlink(self.path)
        self.sock.close()


def make_dev(path):
    os.makedirs(path)
    os.chmod(path, 0o755)
    try:
        for name, major, minor in DEVICES:
            device = os.path.join(path, name)
            os.mknod(device, 0o020666, os.makedev(major, minor))
            os.chmod(device, 0o666)
        with open(os.path.join(path, "null"), "wb") as null:
            null.write(b"x")
        subprocess.run(["unshare", "-m", "true"], check=True,
                       capture_output=True)
    except (OSError, subprocess.CalledProcessError) as reason:
        raise Skip("no private /dev can be made: %s" % reason) from reason
    return path


@test
def syslog_gone(site):
    """The log is no part of the promise (SIG-60)."""
    dev = make_dev(site.path("dev"))
    syslog = None
    site.process = Background(site, dev)
    try:
        rig.wait_until("socket", site._listens)
        base.signs(site)
        syslog = Syslog(dev)
        base.signs(site)
        base.signs(site, SITI)
        rig.wait_until("lines", lambda: any(
            b"result=signed" in line for line in syslog.read()))
        # a reader that hangs: the mail waits, and is not let go unsigned
        syslog.fill()
        done = []

        def send():
            base.signs(site)
            done.append(time.monotonic())

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(2)
        waited = sender.is_alive()
        syslog.read()
        resumed = time.monotonic()
        sender.join(60)
        equal(len(done), 1, "messages signed after the hang")
        took = done[0] - resumed
        # a reader that ends, and another
        syslog.close()
        syslog = None
        base.signs(site)
        syslog = Syslog(dev)
        base.signs(site)
        base.signs(site)
        rig.wait_until("lines", lambda: any(
            b"result=signed" in line for line in syslog.read()))
    finally:
        site.stop()
        if syslog is not None:
            syslog.close()
    figure("syslog", "absent, read, hung (mail %s, signed %.1f s after it "
           "read again), gone and back: 8 messages signed, none let go"
           % ("waited" if waited else "did not wait", took))
