"""Runs a command on a terminal of its own and answers its first prompt.

usage: lib_tty.py ANSWER COMMAND...
"""
import os
import pty
import select
import sys
import time


def main():
    answer, command = sys.argv[1], sys.argv[2:]
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    seen, answered, deadline = b"", False, time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:     # the other end is closed
            break
        if not data:
            break
        seen += data
        if not answered and seen.rstrip().endswith(b":"):
            os.write(fd, answer.encode() + b"\n")
            answered = True
    sys.stdout.write(seen.decode("utf-8", "replace"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
