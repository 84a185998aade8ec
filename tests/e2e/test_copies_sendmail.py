"""Separate copies behind a real Sendmail: as test_copies.py, as far as the two
differ."""
import copies
from copies import HAKIM, Letter, PANITERA
import harness
from harness import BUDI, submit, test
import rig
import sendmail
import sink

# What conf/sendmail.mc shows.
LISTENER = ("DAEMON_OPTIONS(`Name=submit, Family=inet, Addr=127.0.0.1, "
            "Port=%d, InputMailFilters=')dnl\n")


def setup(site):
    if not sendmail.usable():
        harness.skip_all("no namespaces here, which Sendmail's rig needs")
    copies.setup(site)
    port, = rig.free_ports(1)
    site.use_port()
    site.settings["milter"]["max_recipients"] = 20
    site.write_conf(origins=[{"name": "submission", "kind": "daemon",
                              "daemons": ["SUBMISSION"], "from": [BUDI]}])
    copies.use_port(site, port)
    site.start()
    site.sink = site.add(sink.Sink())
    site.sendmail = site.add(sendmail.Sendmail(
        site.path("sendmail"), site.sink.port, site.sink.port,
        milter="inet:%d@127.0.0.1" % site.port, extra=LISTENER % port))
    site.submit = lambda to, data, options=(), sender=BUDI: submit(
        site.sendmail.submission, sender, to, data, options=options)


for function in copies.ALL:
    if function is not copies.too_many:     # which no MTA knows of
        test(function)


@test
def field_with_bcc(site):
    """Sendmail shows it to the milter, and would take it off later."""
    letter = Letter(site, "own", [HAKIM], bcc=[PANITERA],
                    extra=[("Bcc", PANITERA)]).taken()
    copies.expect(site, letter, [([HAKIM], [BUDI]), ([PANITERA], [])])


if __name__ == "__main__":
    harness.main(setup)
