"""Reloads under load, and configurations that must not be taken."""
import os
import re
import signal
import threading
import time

import base
from base import figure, rig, size
from harness import BUDI, SITI, conf_text, contains, equal, test

# what is wrong, the setting it is about, its line instead
BROKEN = [
    ("no semicolon", "language", 'language = "en"\nmode = "enforce";'),
    ("string without an end", "language", 'language = "en;'),
    ("unknown setting", "language", 'langauge = "en";'),
    ("unknown value", "language", 'language = "nl";'),
    ("wrong type", "language", "language = 5;"),
    ("setting twice", "language", 'language = "en"; language = "id";'),
    ("relative path", "pid_file", 'pid_file = "run/pid";'),
    ("no list", "domains", "domains = { a = 1; };"),
    ("no domain", "domains", 'domains = [ "budi@dinkes" ];'),
    ("unknown in a group", "spool", 'spool = { dri = "/tmp"; };'),
    ("no group", "spool", "spool = true;"),
    ("a size nobody understands", "spool", 'spool = { memory = "1 MB"; };'),
    ("negative", "spool", "spool = { max_depth = -1; };"),
    ("out of range", "spool", "spool = { max_depth = 1000000; };"),
    ("unknown preset", "rules",
     'rules = ( { name = "a"; preset = "alles"; } );'),
    ("unknown origin", "rules",
     'rules = ( { name = "a"; origin = [ "bulan" ]; } );'),
    ("rule twice", "rules",
     'rules = ( { name = "a"; }, { name = "a"; } );'),
    ("unknown action", "rules",
     'rules = ( { name = "a"; cannot_sign = "accept"; } );'),
    ("origin of no kind", "origins", 'origins = ( { name = "a"; } );'),
    ("no network", "origins", 'origins = ( { name = "a"; kind = "network"; '
     'networks = [ "192.0.2.1/33" ]; } );'),
    ("every network", "origins", 'origins = ( { name = "a"; kind = '
     '"network"; networks = [ "0.0.0.0/0" ]; } );'),
    ("file that is not there", "origins",
     '@include "/nonexistent/sampul.conf"'),
]

# Lines later, at most, where these are noticed: a string goes on until the
# next quotation mark.
LATER = {"no semicolon": 1, "string without an end": 9}

# what is wrong around it, the change, what is named: each line is right, the
# whole is not or does not fit the machine
MISFIT = [
    ("no domains", {"domains": []}, "domains"),
    ("no such user", {"user": "tidakada"}, "user"),
    ("no spool directory", {"spool": {"dir": "/nonexistent"}}, "spool.dir"),
    ("no anchors", {"keystore": {"anchors_dir": "/nonexistent"}},
     "keystore.anchors_dir"),
    ("no passphrase", {"keystore": {"passphrase_file": "/nonexistent"}},
     "keystore.passphrase_file"),
]


def replace_conf(site, text):
    """As an editor does: a reader sees the old or the new."""
    rig.write(site.conf_file + ".new", text)
    os.rename(site.conf_file + ".new", site.conf_file)


def told(site, before, seconds=60):
    """What the log says about a reload since before."""
    def line():
        return re.search(r".*: reload (ok|failed).*", site.logged()[before:])

    os.kill(site.process.pid, signal.SIGHUP)
    return site.process.wait_for("the reload", line, seconds)


def reload(site):
    before = len(site.logged())
    found = told(site, before)
    equal(found.group(1), "ok", site.logged()[before:])


class Reloader(threading.Thread):
    """Changes the configuration and reloads, as often as asked."""

    def __init__(self, site, count, pause):
        super().__init__(daemon=True)
        self.site, self.count, self.pause = site, count, pause
        self.done, self.failure = 0, None
        self.log = open(site.log, encoding="utf-8", errors="replace")
        self.log.seek(0, os.SEEK_END)

    def _await(self):
        end = time.monotonic() + 60
        text = ""
        while time.monotonic() < end:
            text += self.log.read()
            found = re.search(r"reload (ok|failed).*\n", text)
            if found:
                return found.group()
            time.sleep(0.005)
        return "reload without an end"

    def run(self):
        memory = (0, 65536, 262144, 1048576)
        languages = ("en", "id")
        for i in range(self.count):
            self.site.settings["spool"]["memory"] = memory[i % 4]
            self.site.settings["language"] = languages[i % 2]
            self.site.settings["signing"] = {"pss": i % 3 == 0}
            replace_conf(self.site, conf_text(self.site.settings))
            os.kill(self.site.process.pid, signal.SIGHUP)
            line = self._await()
            if "reload ok" not in line:
                self.failure = line
                break
            self.done += 1
            time.sleep(self.pause)
        self.log.close()


@test
def reloads_under_load(site):
    """No message fails while the configuration changes (MTA-12)."""
    count, reloads = size("reload messages"), size("reloads")
    batch = base.Batch(40)
    files = batch.write(site.path("reload-mail"))
    beside = base.Batch(size("mail beside reloads"))
    numbers = base.Numbers(len(beside.mail))
    out = site.path("reload-out")
    sent = verified = 0
    generation = len(re.findall("reload ok", site.logged()))
    with base.Daemon(site):
        before = site.children()
        since = len(site.sink.messages)
        sender = base.Sender(site.postfix.submission, beside, numbers, 0)
        sender.start()
        reloader = Reloader(site, reloads, 0.05)
        reloader.start()
        while sent < count or reloader.is_alive():
            result = base.Load(site, files, 4, max(count // 20, 25),
                               out).result()
            equal((result["accepted"], result["signed"]),
                  (result["messages"],) * 2, "signed: %r" % result)
            sent += result["messages"]
            verified += base.check_directory(batch, site.anchor, out)
            if reloader.failure:
                break
        reloader.join()
        equal(reloader.failure, None, "reload")
        base.join([sender])
        equal((sender.retries, len(sender.accepted)), (0, len(beside.mail)),
              "retries and accepted by Postfix")
        equal(base.check_sink(site, beside, sender.accepted, since), 0,
              "twice")
        equal(site.children(), before, "processes")
    generation = len(re.findall("reload ok", site.logged())) - generation
    figure("reloads", "%d reloads during %d messages to the milter and %d "
           "through Postfix: 0 failed, %d verified" % (
               generation, sent, len(beside.mail),
               verified + len(beside.mail)))


def broken_text(site, setting, line):
    """The configuration with another line, and that line's number."""
    lines = conf_text(site.settings).splitlines()
    for number, old in enumerate(lines, 1):
        if old.startswith(setting + " ="):
            lines[number - 1] = line
            return "\n".join(lines) + "\n", number
    raise KeyError(setting)


@test
def broken_configurations(site):
    """Each is refused with file and line, and the old one goes on."""
    with base.Daemon(site):
        before = site.children()
        for what, setting, line in BROKEN:
            text, number = broken_text(site, setting, line)
            replace_conf(site, text)
            at = len(site.logged())
            equal(told(site, at).group(1), "failed", what)
            said = site.logged()[at:]
            where = re.search(re.escape(site.conf_file) + r":(\d+): .", said)
            last = number + LATER.get(what, 0)
            if where is None or \
                    not number <= int(where.group(1)) <= last:
                raise AssertionError("%s: line %d is not named: %s" % (
                    what, number, said))
            contains(said, "generation 1 stays")
            base.signs(site, (BUDI, SITI)[number % 2])
        for what, changes, named in MISFIT:
            settings = dict(site.settings)
            for name, value in changes.items():
                settings[name] = {**settings[name], **value} \
                    if isinstance(value, dict) else value
            replace_conf(site, conf_text(settings))
            at = len(site.logged())
            equal(told(site, at).group(1), "failed", what)
            contains(site.logged()[at:], "%s: %s: " % (
                site.conf_file, named))
            base.signs(site)
        site.write_conf()
        reload(site)
        base.signs(site)
        equal(site.children(), before, "processes")
    figure("broken configurations", "%d kinds refused with file and line, %d "
           "that the machine does not fit with the file and the setting; "
           "signed on by the old one after each" % (
               len(BROKEN), len(MISFIT)))
