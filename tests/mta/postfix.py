"""A private Postfix: its own configuration, queue, data and ports.

The binaries are unpacked, not installed (tests/install-deps), so every path
that Postfix has compiled in is set, and the run-time linker is told where its
libraries are.

    submission  asks for a login; daemon name SUBMISSION
    mx          takes mail from anybody; daemon name MX
    app         likewise for an application server; daemon name APLIKASI
    reinject    where a content filter gives mail back; daemon name REINJECT
    pickup      sendmail(1), local submission; daemon name LOKAL
"""
import os
import subprocess

import dovecot
import rig

TREE = os.path.join(rig.UNPACKED, "postfix")

MAIN = """\
compatibility_level = 3.6
command_directory = {tree}/usr/sbin
daemon_directory = {tree}/usr/lib/postfix/sbin
shlib_directory = {tree}/usr/lib/postfix
meta_directory = {base}/etc
queue_directory = {base}/queue
data_directory = {base}/data
sendmail_path = {tree}/usr/sbin/sendmail
mailq_path = {tree}/usr/sbin/sendmail
newaliases_path = {tree}/usr/sbin/sendmail
manpage_directory = {base}
html_directory = no
readme_directory = no
mail_owner = {user}
setgid_group = {drop}
default_privs = nobody
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={tree}/usr/lib/postfix
export_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={tree}/usr/lib/postfix
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.pekalongankab.go.id
mydestination =
local_recipient_maps =
local_transport = error:no local mail
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8 192.0.2.0/24
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
smtpd_peername_lookup = no
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtpd_tls_security_level = none
transport_maps = inline:{{ {transports} }}
relayhost = [127.0.0.1]:{sink}
notify_classes =
bounce_queue_lifetime = 1d
minimal_backoff_time = 300s
in_flow_delay = 0
smtputf8_enable = yes
milter_protocol = 6
milter_default_action = tempfail
milter_connect_timeout = 30s
milter_command_timeout = 60s
milter_content_timeout = 300s
smtpd_error_sleep_time = 0
{extra}
"""

MASTER = """\
127.0.0.1:{submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_milters={milter}
  -o milter_macro_daemon_name=SUBMISSION
127.0.0.1:{mx} inet n - n - - smtpd
  -o syslog_name=postfix/mx
  -o smtpd_milters={milter}
  -o milter_macro_daemon_name=MX
127.0.0.1:{app} inet n - n - - smtpd
  -o syslog_name=postfix/app
  -o smtpd_milters={milter}
  -o milter_macro_daemon_name=APLIKASI
127.0.0.1:{reinject} inet n - n - - smtpd
  -o syslog_name=postfix/reinject
  -o smtpd_milters={milter}
  -o milter_macro_daemon_name=REINJECT
pickup unix n - n 1 1 pickup
  -o cleanup_service_name=localclean
localclean unix n - n - 0 cleanup
  -o non_smtpd_milters={milter}
  -o milter_macro_daemon_name=LOKAL
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

# What "postfix start" makes (name:type:owner:group:mode:flags), from the
# queue layout that Postfix documents in postfix-files.
QUEUE_FILES = """\
$queue_directory:d:root:-:755:uc
""" + "".join("$queue_directory/%s:d:$mail_owner:-:700:ucr\n" % name
              for name in ("active", "bounce", "corrupt", "defer", "deferred",
                           "flush", "hold", "incoming", "saved", "trace")) + """\
$queue_directory/private:d:$mail_owner:-:700:uc
$queue_directory/maildrop:d:$mail_owner:$setgid_group:730:uc
$queue_directory/public:d:$mail_owner:$setgid_group:710:uc
$queue_directory/pid:d:root:-:755:uc
"""


class Postfix:
    """sink is the port of the next hop; routes maps a recipient domain to
    another port, or to a
    transport and next hop; milter is as in smtpd_milters, "" for none; extra are lines
    of main.cf, master of master.cf."""

    def __init__(self, base, sink, milter="", routes=None, extra="",
                 master=""):
        self.base = rig.make_directory(base)
        self.log = os.path.join(base, "mail.log")
        (self.submission, self.mx, self.app,
         self.reinject) = rig.free_ports(4)
        for name, user in (("etc", None), ("queue", None),
                           ("data", rig.MTA_USER)):
            rig.make_directory(os.path.join(base, name), 0o755, user)
        self.auth = None
        self.process = None
        self._configure(sink, milter, routes or {}, extra, master)
        try:
            self._start()
        except rig.Failure:
            self.stop()
            raise

    def _configure(self, sink, milter, routes, extra, master):
        etc = os.path.join(self.base, "etc")
        transports = " ".join("{ %s = %s }" % (
            domain, hop if isinstance(hop, str) else
            "smtp:[127.0.0.1]:%d" % hop) for domain, hop in routes.items())
        rig.write(os.path.join(etc, "main.cf"), MAIN.format(
            tree=TREE, base=self.base, user=rig.MTA_USER,
            drop=rig.DROP_GROUP, sink=sink, extra=extra,
            transports=transports or "{ x.invalid = smtp }"))
        rig.write(os.path.join(etc, "master.cf"), MASTER.format(
            milter=milter, submission=self.submission, mx=self.mx,
            app=self.app, reinject=self.reinject) + master)
        # postfix(1) looks for the list of its files here.
        rig.write(os.path.join(etc, "postfix-files"), QUEUE_FILES)

    def _environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                "LD_LIBRARY_PATH": os.path.join(TREE, "usr/lib/postfix")}

    def command(self, name, *args, data=None):
        """One of Postfix's commands, on this instance."""
        return subprocess.run(
            [os.path.join(TREE, "usr/sbin", name),
             *(("-C", os.path.join(self.base, "etc"))
               if name == "sendmail"
               else ("-c", os.path.join(self.base, "etc"))), *args],
            input=data, capture_output=True, env=self._environment(),
            timeout=180, check=False)

    def _start(self):
        self.process = rig.Process(
            "postfix", [os.path.join(TREE, "usr/sbin/postfix"), "-c",
                        os.path.join(self.base, "etc"), "start-fg"],
            os.path.join(self.base, "stderr.log"), self._environment())
        private = os.path.join(self.base, "queue", "private")
        self.process.wait_for("its queue", lambda: os.path.exists(
            os.path.join(private, "smtp")))
        self.auth = dovecot.Dovecot(os.path.join(self.base, "dovecot"),
                                    os.path.join(private, "auth"))
        for port in (self.submission, self.mx):
            self.process.wait_for("port %d" % port,
                                  lambda p=port: rig.port_answers(p))

    def stop(self):
        if self.auth is not None:
            self.auth.stop()
        if self.process is not None:
            self.command("postfix", "stop")
            self.process.stop()

    def queued(self):
        """Queue ids that wait for something."""
        out = self.command("postqueue", "-j").stdout.decode()
        return [line for line in out.splitlines() if line]

    def sendmail(self, sender, recipients, data):
        """Local submission. Lines end in LF, as they do on Unix."""
        return self.command("sendmail", "-i", "-f", sender, *recipients,
                            data=data.replace(b"\r\n", b"\n"))
