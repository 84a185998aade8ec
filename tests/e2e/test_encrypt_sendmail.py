"""Sampul behind a real Sendmail: as test_encrypt.py, as far as the two
differ."""
import encrypting
import harness
from harness import BUDI, submit, test
import sendmail
import sink


def setup(site):
    if not sendmail.usable():
        harness.skip_all("no namespaces here, which Sendmail's rig needs")
    encrypting.setup(site)
    site.use_port()
    site.write_conf(origins=[{"name": "submission", "kind": "daemon",
                              "daemons": ["SUBMISSION"], "from": [BUDI]}])
    site.start()
    site.sink = site.add(sink.Sink())
    site.sendmail = site.add(sendmail.Sendmail(
        site.path("sendmail"), site.sink.port, site.sink.port,
        milter="inet:%d@127.0.0.1" % site.port))
    site.submit = lambda to, data: submit(
        site.sendmail.submission, BUDI, to, data)


for function in encrypting.ALL:
    test(function)


if __name__ == "__main__":
    harness.main(setup)
