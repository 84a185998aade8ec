"""What the private servers share: where they are, free ports, processes.

Everything runs on 127.0.0.0/8 below one temporary directory, and is ended by
the process id that started it.
"""
import os
import pwd
import grp
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
UNPACKED = os.path.join(ROOT, "build", "mta")

# Users that every Debian has (base-passwd): none is created. The MTA's owner
# and Sampul's two are different ones, as they are on a real host.
MTA_USER = "mail"
MTA_GROUP = "mail"
DROP_GROUP = "games"
SAMPUL_USER = "news"
SAMPUL_KEY_USER = "uucp"


class Failure(Exception):
    """A server of the rig did not do its part."""


# Limits for what will happen, so that they are only met when it does not: a
# machine with other work may stall for seconds.
PATIENCE = 60


def free_ports(count):
    """Ports that were free a moment ago, all different. None of those that
    the kernel gives to clients, which would be taken again before the server
    that is to have it has started."""
    first = int(read("/proc/sys/net/ipv4/ip_local_port_range").split()[0])
    found = []
    while len(found) < count:
        port = random.randrange(max(first - 12000, 10000), first)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def temporary_directory(prefix):
    """A directory that other users may pass through."""
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, 0o755)
    return path


def make_directory(path, mode=0o755, user=None, group=None):
    os.makedirs(path, exist_ok=True)
    if user is not None:
        os.chown(path, pwd.getpwnam(user).pw_uid,
                 grp.getgrnam(group).gr_gid if group
                 else pwd.getpwnam(user).pw_gid)
    os.chmod(path, mode)
    return path


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)
    return path


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_until(what, condition, seconds=PATIENCE, step=0.02):
    """The first true value of condition(); Failure after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("waited %d s in vain: %s" % (seconds, what))
        time.sleep(step)


def port_answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=10):
            return True
    except OSError:
        return False


class Process:
    """A server in the foreground, in a session of its own; as user, a uid
    with a group of the same number, if one is given."""

    def __init__(self, name, argv, log, env=None, user=None):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=env, start_new_session=True, cwd="/", user=user,
                group=user, extra_groups=None if user is None else [])

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def wait_for(self, what, condition, seconds=PATIENCE):
        def check():
            if not self.alive():
                raise Failure("%s ended at once (%s):\n%s" % (
                    self.name, self.popen.returncode,
                    read(self.log)[-4000:]))
            return condition()
        return wait_until("%s: %s" % (self.name, what), check, seconds)

    def stop(self, seconds=30):
        """SIGTERM, then whatever is left of its process group."""
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        return self.popen.wait()


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
