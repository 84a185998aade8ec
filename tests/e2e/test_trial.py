"""A trial without root: one user, everything below a directory of theirs,
behind Postfix by a port."""
import os
import pwd
import shutil
import subprocess

import harness
from harness import BUDI, SITI, equal, message, submit, test
import postfix
import rig
import sink

TRIAL_USER = "news"


class Trial(harness.Site):
    """The programs copied, for our directory may be closed to the user."""

    def __init__(self):
        super().__init__()
        self.uid = pwd.getpwnam(TRIAL_USER).pw_uid
        rig.make_directory(self.path("bin"))
        for name in ("sampulctl", "sampul-milter"):
            shutil.copy(os.path.join(harness.BUILD, name), self.path("bin"))
        for name in ("user", "key_user", "socket_group"):
            self.settings[name] = ""
        self.use_port()
        for path in (self.base, self.path("run")):
            os.chown(path, self.uid, self.uid)

    def certificate(self, *args):
        out = super().certificate(*args)
        for name in os.listdir(out):
            os.chown(os.path.join(out, name), self.uid, self.uid)
        return out

    def ctl(self, *args, check=True):
        result = subprocess.run(
            [self.path("bin", "sampulctl"), "-c", self.conf_file, *args],
            capture_output=True, check=False, timeout=300, user=self.uid,
            group=self.uid, extra_groups=[], cwd="/")
        if check and result.returncode != 0:
            raise rig.Failure("sampulctl %s: exit %d\n%s" % (
                " ".join(args), result.returncode, result.stderr.decode()))
        return result

    def start(self):
        self.process = rig.Process(
            "sampul-milter", [self.path("bin", "sampul-milter"), "-F", "-c",
                              self.conf_file], self.log, user=self.uid)
        self.process.wait_for("its port", self._listens)


def setup(site):
    site.init()
    for address in (BUDI, SITI):
        site.enrol(address, "p256")
    site.start()
    site.sink = site.add(sink.Sink())
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port,
        milter="inet:127.0.0.1:%d" % site.port))


@test
def signs_and_refuses(site):
    for sender, login, code in ((BUDI, BUDI, 250), (SITI, BUDI, 550)):
        subject = "uji-%d" % next(site.serial)
        reply = submit(site.postfix.submission, sender,
                       ["warga@luar.example"],
                       message(sender, subject, "x\r\n"), login)
        equal(reply.code, code, reply.text)
        if code == 250:
            result = site.verify(site.sink.find(subject.encode())[0].data)
            equal(result.addresses, [sender], "signer")


@test
def everything_is_the_users(site):
    equal(set(site.children()), {TRIAL_USER}, "users of the processes")
    equal(site.ctl("check").returncode, 0, "sampulctl check")


if __name__ == "__main__":
    harness.main(setup, Trial)
