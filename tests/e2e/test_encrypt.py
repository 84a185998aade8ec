"""Sampul behind a real Postfix: what must be encrypted leaves in an envelope
that its readers alone can open, or does not leave (issue: policy, Bcc and
missing certificates)."""
import os
import signal

import encrypting
import harness
from harness import BUDI, contains, submit, test
import postfix
import rig
import sink


def setup(site):
    encrypting.setup(site)
    site.start()
    site.sink = site.add(sink.Sink())
    site.postfix = site.add(postfix.Postfix(
        site.path("postfix"), site.sink.port, milter="unix:" + site.socket))
    site.submit = lambda to, data: submit(
        site.postfix.submission, BUDI, to, data, BUDI)


for function in encrypting.ALL:
    test(function)


@test
def explained(site):
    encrypting.explained(site)


@test
def key_process_is_gone(site):
    """Colleagues' certificates cannot be had: the message waits."""
    pid = site.children()[rig.SAMPUL_KEY_USER]
    os.kill(pid, signal.SIGKILL)
    result = encrypting.send(site, [encrypting.HAKIM], cc=[harness.SITI])
    if result[1].code == 250:       # the next set was quick
        encrypting.sealed(site, result, encrypting.HAKIM, harness.SITI)
    else:
        encrypting.refused(site, result, code=4)
    rig.wait_until("it serves again", lambda: encrypting.send(
        site, [encrypting.HAKIM], cc=[harness.SITI])[1].code == 250, 60, 1)


@test
def observed(site):
    site.write_conf(mode="observe")
    site.reload("mode|reload")
    token, reply = encrypting.send(site, [encrypting.HAKIM])
    harness.equal(reply.code, 250, "reply")
    data = site.sink.find(token.encode())[0].data
    contains(data, b"X-Sampul-Report: result=would-encrypt")
    contains(data, (encrypting.SECRET % token).encode())


if __name__ == "__main__":
    harness.main(setup)
