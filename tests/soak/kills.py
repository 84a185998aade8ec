"""SIGKILL of every process at random points, while mail goes through Postfix
and its sender tries again."""
import os
import random
import signal
import threading
import time

import base
from base import figure, rig, size
from harness import equal, test


class Keeper(threading.Thread):
    """What systemd does with Restart=always: starts the supervisor again."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.ended = threading.Event()
        self.starts = 0

    def run(self):
        while not self.ended.is_set():
            process = self.site.process
            if process is not None and process.alive():
                time.sleep(0.02)
                continue
            self.starts += 1
            self.site.process = rig.Process(
                "sampul-milter", [os.path.join(
                    base.harness.BUILD, "sampul-milter"), "-F", "-c",
                    self.site.conf_file], self.site.log)
            self.ended.wait(0.2)

    def stop(self):
        self.ended.set()
        self.join()
        self.site.stop()


def victim(site, name):
    if name == "supervisor":
        return site.process.pid if site.process.alive() else None
    return site.children().get(name)


def kill(site, name, pids):
    pid = rig.wait_until(name + " is there", lambda: victim(site, name), 120)
    pids.update(site.children().values())
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False            # it has just ended with another
    return True


def kill_at(site, points, progress, killed, pids, rng):
    """One kill for each point of progress, of each process in turn."""
    names = ["supervisor", rig.SAMPUL_USER, rig.SAMPUL_KEY_USER]
    order = []
    for point in points:
        while progress() < point:
            time.sleep(0.005)
        order = order or rng.sample(names, len(names))
        name = order.pop()
        time.sleep(rng.random() * 0.1)
        while not kill(site, name, pids):
            pass
        killed[name] = killed.get(name, 0) + 1


@test
def killed_at_random_points(site):
    """Nothing is lost, unsigned or half-edited (SIG-60, MTA-53)."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    count, kills = size("kill messages"), size("kills")
    batch = base.Batch(count)
    numbers = base.Numbers(count)
    since = len(site.sink.messages)
    points = sorted(rng.sample(range(count * 19 // 20), kills))
    killed, pids = {}, set()
    keeper = site.add(Keeper(site))
    keeper.start()
    rig.wait_until("socket", site._listens)
    senders = [base.Sender(site.postfix.submission, batch, numbers)
               for _ in range(4)]
    begin = time.monotonic()
    for sender in senders:
        sender.start()
    kill_at(site, points, lambda: sum(len(s.accepted) for s in senders),
            killed, pids, rng)
    base.join(senders)
    seconds = time.monotonic() - begin
    accepted = [n for s in senders for n in s.accepted]
    equal(sorted(accepted), list(range(1, count + 1)), "accepted (seed %d)"
          % seed)
    twice = base.check_sink(site, batch, accepted, since)
    site.stack.remove(keeper)
    keeper.stop()
    rig.wait_until("orphans to end", lambda: not any(map(base.alive, pids)))
    figure("kills", "%d messages through Postfix, %s killed, %d starts, "
           "%d tries answered temporarily (%d by a lost connection), "
           "0 lost, 0 unsigned, %d twice, %.0f s" % (
               count, ", ".join("%s %d" % (
                   {rig.SAMPUL_USER: "mail process",
                    rig.SAMPUL_KEY_USER: "key process"}.get(name, name), n)
                   for name, n in sorted(killed.items())),
               keeper.starts, sum(s.retries for s in senders),
               sum(s.broken for s in senders), twice, seconds))
