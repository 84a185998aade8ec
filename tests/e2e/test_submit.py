#!/usr/bin/python3
"""The submit process comes and goes with submit.server, is alone with what it
may do, and is there again after it was killed. Without libcurl nothing of a
reload is taken, and what was there goes on."""
import os
import pwd
import re
import signal
import subprocess

import harness
from harness import BUDI, contains, equal, test
import milter
import rig
import sink

SUBMIT_USER = "lp"              # which every Debian has


def use_server(site, server, expect="reload ok", **more):
    site.write_conf(submit={"server": server, "user": SUBMIT_USER, **more})
    site.reload(expect)


def setup(site):
    site.init()
    site.enrol(BUDI, "p256")
    site.sinks = [site.add(sink.Sink()), site.add(sink.Sink())]
    # The loader looks here first, for as long as Sampul runs.
    os.mkdir(site.path("lib"))
    os.environ["LD_LIBRARY_PATH"] = site.path("lib")
    site.start()


def signs(site):
    client = milter.Client(site.socket)
    try:
        client.negotiate()
        for _, packets in milter.steps(BUDI, BUDI):
            client.run(packets)
        got = client.end()
    finally:
        client.close()
    equal(any(b"multipart/signed" in data for _, data in got), True,
          "signed: %s" % got)


def address(site, which=0):
    return "127.0.0.1:%d" % site.sinks[which].port


def pid(site):
    return site.children().get(SUBMIT_USER)


def break_libcurl(site):
    rig.write(site.path("lib", "libcurl.so.4"), "")


def mend_libcurl(site):
    os.remove(site.path("lib", "libcurl.so.4"))


MISSING = r"libcurl cannot be loaded: .*libcurl\.so\.4: .*; install libcurl4"


@test
def none_without_a_server(site):
    equal(sorted(site.children()), sorted([rig.SAMPUL_USER,
                                           rig.SAMPUL_KEY_USER]), "users")
    signs(site)


@test
def a_reload_without_libcurl_changes_nothing(site):
    before = site.children()
    at = len(site.logged())
    break_libcurl(site)
    use_server(site, address(site), "submit.server: " + MISSING)
    site.process.wait_for("the end of the reload", lambda: re.search(
        "reload failed, generation 1 stays", site.logged()[at:]))
    equal(site.children(), before, "children")
    signs(site)
    for program in ("sampul-milter", "-n"), ("sampulctl", "check"):
        result = subprocess.run(
            [os.path.join(harness.BUILD, program[0]), "-c", site.conf_file,
             program[1]], capture_output=True, check=False, timeout=60)
        equal(result.returncode, 78, program[0])
        equal(bool(re.search("submit.server: " + MISSING, (
            result.stdout + result.stderr).decode())), True, program[0])
    mend_libcurl(site)


@test
def a_reload_adds_it(site):
    before = site.children()
    use_server(site, address(site))
    after = site.children()
    equal(sorted(after), sorted([*before, SUBMIT_USER]), "users")
    contains(site.logged(), "submit_pid=%d" % after[SUBMIT_USER])
    equal(rig.read("/proc/%d/comm" % after[SUBMIT_USER]).strip(),
          "sampul-submit", "name")
    signs(site)


@test
def it_has_nothing_else(site):
    status = rig.read("/proc/%d/status" % pid(site))
    contains(status, "NoNewPrivs:\t1")
    contains(status, "CapEff:\t0000000000000000")
    # A sanitizer makes calls of its own: no cage then.
    cage = 0 if re.search("-(address|thread)", harness.BUILD) else 2
    contains(status, "Seccomp:\t%d" % cage)
    own = pwd.getpwnam(SUBMIT_USER)
    contains(status, "Uid:" + 4 * ("\t%d" % own.pw_uid))
    contains(status, "Gid:" + 4 * ("\t%d" % own.pw_gid))
    names = [os.readlink("/proc/%d/fd/%s" % (pid(site), name))
             for name in os.listdir("/proc/%d/fd" % pid(site))]
    odd = [name for name in names if not re.match(
        r"socket:|/dev/null$|%s$" % re.escape(site.log), name)]
    equal(odd, [], "open")


@test
def it_alone_has_libcurl(site):
    for user, child in site.children().items():
        equal("libcurl" in rig.read("/proc/%d/maps" % child),
              user == SUBMIT_USER, "libcurl in %s's process" % user)


@test
def a_reload_of_its_timeout_leaves_it(site):
    before = site.children()
    use_server(site, address(site), timeout=30)
    equal(site.children(), before, "children")


@test
def another_server_takes_another_process(site):
    before = site.children()
    use_server(site, address(site, 1))
    equal(set(before.values()) & set(site.children().values()), set(),
          "processes that stayed")
    signs(site)


@test
def bad_servers_change_nothing(site):
    before = site.children()
    for server, why in (("localhost:25", "only an address of this machine"),
                        ("192.0.2.1:25", "only an address of this machine"),
                        ("127.0.0.1", "and a port")):
        use_server(site, server, re.escape(why))
        equal(site.children(), before, "children")
    site.write_conf(submit={"server": address(site, 1),
                            "user": rig.SAMPUL_USER})
    site.reload("submit.user: must be another user")
    equal(site.children(), before, "children")
    use_server(site, address(site, 1))
    equal(site.children(), before, "children")
    signs(site)


@test
def killed_it_is_there_again(site):
    for _ in range(2):
        before = site.children()
        at = len(site.logged())
        os.kill(before[SUBMIT_USER], signal.SIGKILL)
        site.process.wait_for("the new processes", lambda: re.search(
            r"\bserving milter\.socket", site.logged()[at:]))
        contains(site.logged()[at:], "submit process")
        contains(site.logged()[at:], "killed by signal 9")
        equal(set(before.values()) & set(site.children().values()), set(),
              "processes that stayed")
        equal(SUBMIT_USER in site.children(), True, "the submit process")
        signs(site)


@test
def killed_it_waits_for_libcurl(site):
    """No mail in the meantime, and the log says why."""
    at = len(site.logged())
    break_libcurl(site)
    os.kill(pid(site), signal.SIGKILL)
    site.process.wait_for("why it does not start", lambda: re.search(
        "the submit process cannot start: " + MISSING, site.logged()[at:]))
    equal("serving" in site.logged()[at:], False, "serving")
    mend_libcurl(site)
    site.process.wait_for("the new processes", lambda: re.search(
        r"\bserving milter\.socket", site.logged()[at:]))
    equal(SUBMIT_USER in site.children(), True, "the submit process")
    signs(site)


@test
def with_it_a_reload_without_libcurl_changes_nothing(site):
    """Even one that would take new processes."""
    before = site.children()
    break_libcurl(site)
    use_server(site, address(site), "reload failed")
    equal(site.children(), before, "children")
    signs(site)
    mend_libcurl(site)
    use_server(site, address(site))
    equal(set(before.values()) & set(site.children().values()), set(),
          "processes that stayed")


@test
def a_reload_takes_it_away(site):
    site.write_conf(submit=None)
    site.reload("reload ok")
    equal(sorted(site.children()), sorted([rig.SAMPUL_USER,
                                           rig.SAMPUL_KEY_USER]), "users")
    signs(site)


if __name__ == "__main__":
    harness.main(setup)
