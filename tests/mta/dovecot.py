"""A private Dovecot that does nothing but answer SASL questions."""
import os

import rig

PASSWORD = "rahasia-uji"

CONF = """\
protocols =
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
auth_mechanisms = plain login
auth_verbose = yes
disable_plaintext_auth = no
ssl = no
passdb {{
  driver = static
  args = password={password}
}}
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = {user}
    group = {group}
  }}
}}
service stats {{
  client_limit = 50
}}
"""


class Dovecot:
    """Any login is right with PASSWORD; the socket is the MTA's."""

    def __init__(self, base, socket_path):
        self.socket = socket_path
        rig.make_directory(base)
        conf = rig.write(os.path.join(base, "dovecot.conf"), CONF.format(
            base=base, password=PASSWORD, socket=socket_path,
            user=rig.MTA_USER, group=rig.MTA_GROUP))
        self.process = rig.Process(
            "dovecot", ["/usr/sbin/dovecot", "-F", "-c", conf],
            os.path.join(base, "stderr.log"))
        try:
            self.process.wait_for("its auth socket",
                                  lambda: os.path.exists(socket_path))
        except rig.Failure:
            self.stop()
            raise

    def stop(self):
        self.process.stop()
