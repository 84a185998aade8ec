"""A private Sendmail: unpacked beside Postfix, its configuration by m4.

    submission  daemon name SUBMISSION
    mx          daemon name MX

Both relay for anybody; Sendmail's SASL wants its set-up in /etc, so what is
outgoing is told by the daemon's name.

Sendmail asks DNS about its host's name before it reads any configuration, and
sleeps a minute when nobody answers: it gets a name and a hosts file of its own
in namespaces (unshare(1)). On a busy machine it would only queue, or refuse
connections: RefuseLA and QueueLA are out of reach.
"""
import os
import subprocess

import rig

TREE = os.path.join(rig.UNPACKED, "sendmail")

MC = """\
divert(-1)
divert(0)dnl
VERSIONID(`private')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mail.pekalongankab.go.id')dnl
define(`confCF_VERSION', `private')dnl
define(`QUEUE_DIR', `{base}/queue')dnl
define(`HELP_FILE', `{base}/help')dnl
define(`STATUS_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confPID_FILE', `{base}/sendmail.pid')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`confCW_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{base}/switch')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,GroupReadableKeyFile')dnl
define(`confDELIVERY_MODE', `i')dnl
define(`confTO_IDENT', `0s')dnl
define(`confQUEUE_LA', `100000')dnl
define(`confREFUSE_LA', `100000')dnl
define(`confLOG_LEVEL', `12')dnl
define(`confDEF_USER_ID', `nobody')dnl
define(`confEIGHT_BIT_HANDLING', `mimefy')dnl
define(`confMILTER_LOG_LEVEL', `9')dnl
define(`confME_TOO', `True')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {sink}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {sink}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {sink}')dnl
DAEMON_OPTIONS(`Name=SUBMISSION, Addr=127.0.0.1, Port={submission}')dnl
DAEMON_OPTIONS(`Name=MX, Addr=127.0.0.1, Port={mx}')dnl
{milter}
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mlama,	P=[IPC], F=mDFMuXa, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=990,
	T=DNS/RFC822/SMTP, A=TCP $h {old_sink}
LOCAL_NET_CONFIG
R$* < @ lama.example . > $*	$#lama $@ [127.0.0.1] $: $1 < @ lama.example . > $2
R$* < @ lama.example > $*	$#lama $@ [127.0.0.1] $: $1 < @ lama.example > $2
"""

FILTER = """\
INPUT_MAIL_FILTER(`sampul', `S={socket}, F=T, T=C:60s;S:60s;R:120s;E:300s')dnl
define(`confMILTER_MACROS_CONNECT', `j, _, {{daemon_name}}, {{if_name}}, {{if_addr}}')dnl
"""

OWN_NAME = """\
set -e
hostname mail.pekalongankab.go.id
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
shift
exec "$@"
"""


def usable():
    """Whether this machine lets root make namespaces."""
    return subprocess.run(["/usr/bin/unshare", "-u", "-m", "true"],
                          capture_output=True, check=False).returncode == 0


class Sendmail:
    """sink and old_sink are ports of next hops, the second for lama.example;
    milter is as in INPUT_MAIL_FILTER's S=, "" for none; a
    Unix socket below /tmp is not safe enough for Sendmail. extra are lines of
    sendmail.mc."""

    def __init__(self, base, sink, old_sink, milter="", extra=""):
        self.base = rig.make_directory(base)
        self.log = os.path.join(base, "stderr.log")
        self.submission, self.mx = rig.free_ports(2)
        rig.make_directory(os.path.join(base, "queue"), 0o700)
        rig.write(os.path.join(base, "switch"),
                  "hosts files\naliases files\npasswd files\n")
        rig.write(os.path.join(base, "hosts"),
                  "127.0.0.1 mail.pekalongankab.go.id localhost\n")
        rig.write(os.path.join(base, "nsswitch.conf"),
                  "passwd: files\ngroup: files\nhosts: files\n")
        self.cf = rig.write(os.path.join(base, "sendmail.cf"), self._m4(
            MC.format(base=base, sink=sink, old_sink=old_sink,
                      submission=self.submission, mx=self.mx,
                      milter=(FILTER.format(socket=milter) if milter
                              else "") + extra)))
        self.process = rig.Process(
            "sendmail", ["/usr/bin/unshare", "-u", "-m", "/bin/sh", "-c",
                         OWN_NAME, "sh", base,
                         os.path.join(TREE, "usr/libexec/sendmail/sendmail"),
                         "-C", self.cf, "-L", "sendmail-sampul-test",
                         "-X", os.path.join(base, "traffic.log"),
                         "-bD", "-q1h"], self.log)
        try:
            for port in (self.submission, self.mx):
                self.process.wait_for("port %d" % port,
                                      lambda p=port: rig.port_answers(p))
        except rig.Failure:
            self.stop()
            raise

    @staticmethod
    def _m4(mc):
        macros = os.path.join(TREE, "usr/share/sendmail/cf") + "/"
        result = subprocess.run(
            ["/usr/bin/m4", "-D_CF_DIR_=" + macros, macros + "m4/cf.m4", "-"],
            input=mc.encode(), capture_output=True, check=False)
        if result.returncode != 0 or not result.stdout:
            raise rig.Failure("m4: " + result.stderr.decode())
        return result.stdout.decode()

    def stop(self):
        self.process.stop()
