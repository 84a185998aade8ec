"""All fault tests, in one of two sizes.

    faults.py [full]
"""
import copy
import functools
import sys

import base
import harness
import postfix
import rig
import sink

import kills                                            # noqa: F401
import reloads                                          # noqa: F401
import keys                                             # noqa: F401
import space                                            # noqa: F401
import logs                                             # noqa: F401
import memory                                           # noqa: F401
import clients                                          # noqa: F401
import clock                                            # noqa: F401


def setup(site):
    site.settings["keystore"].update(rate_limit=0, key_timeout=5)
    # The load client sends for both mailboxes, and logs in as none.
    site.settings["origins"].append({
        "name": "load", "kind": "daemon", "daemons": ["MUATAN"],
        "from": ["@dinkes.pekalongankab.go.id", harness.SEKRETARIAT]})
    site.settings["rules"] = [
        {"name": "opaque", "from": [harness.SEKRETARIAT], "form": "opaque"}]
    site.init()
    # {kind: (address, folder of the unencrypted key)}
    site.issued = {kind: (address, site.enrol(address, kind))
                   for address, kind in ((harness.BUDI, "rsa2048"),
                                         (harness.SITI, "p256"),
                                         (harness.SEKRETARIAT, "p384"))}
    site.write_conf()
    base.tool("load")
    site.sink = site.add(sink.Sink())
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter="unix:" + site.socket,
        extra="smtpd_soft_error_limit = 1000\n"
        "smtpd_hard_error_limit = 1000"))


def apart(function):
    """No test leaves its settings, or a daemon, to the next."""
    @functools.wraps(function)
    def run(site):
        settings = copy.deepcopy(site.settings)
        try:
            function(site)
        finally:
            site.stop()
            site.settings = settings
            site.write_conf()
    return run


def main(full):
    base.full = full
    if full:
        import checked                                  # noqa: F401
    harness.TESTS[:] = map(apart, harness.TESTS)
    harness.main(setup)


if __name__ == "__main__":
    main(sys.argv[1:] == ["full"])
