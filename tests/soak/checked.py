"""A session with every process under valgrind; for make soak alone."""
import glob
import os
import re
import shutil
import signal

import base
from base import figure, rig
from harness import BUDI, SEKRETARIAT, SITI, Skip, equal, test


def errors(path):
    """Errors and octets surely lost, as one process's report has them."""
    text = rig.read(path)
    found = re.search(r"ERROR SUMMARY: (\d+) errors", text)
    lost = re.search(r"definitely lost: ([\d,]+) bytes", text)
    return (int(found.group(1)) if found else -1,
            int(lost.group(1).replace(",", "")) if lost else 0, text)


@test
def under_valgrind(site):
    """No invalid access, nothing lost, in any of the three processes."""
    if shutil.which("valgrind") is None:
        raise Skip("valgrind is not installed")
    reports = site.path("valgrind")
    rig.make_directory(reports, 0o777)
    os.umask(0o022)
    files = base.Batch(18, (BUDI, SITI, SEKRETARIAT)).write(
        site.path("valgrind-mail"))
    with base.Daemon(site, ("valgrind", "--leak-check=full",
                            "--errors-for-leak-kinds=definite",
                            "--log-file=%s/%%p" % reports)):
        result = base.Load(site, files, 3, 18).result()
        equal(result["signed"], result["messages"], "signed")
        base.signs(site, BUDI, base.large)
        before = len(site.logged())
        os.kill(site.process.pid, signal.SIGHUP)
        site.process.wait_for("reload", lambda: "reload ok" in
                              site.logged()[before:], 120)
        base.signs(site, SITI)
        pids = base.processes(site)
        os.kill(site.process.pid, signal.SIGTERM)
        rig.wait_until("the end", lambda: not any(map(base.alive, pids)), 60)
    seen = 0
    for path in glob.glob(os.path.join(reports, "*")):
        count, lost, text = errors(path)
        seen += 1
        if (count, lost) != (0, 0):
            raise AssertionError(text[-6000:])
    equal(seen, 3, "reports")
    figure("valgrind session", "%d messages, a reload: 3 processes, 0 errors, "
           "0 octets lost" % (result["messages"] + 2))
