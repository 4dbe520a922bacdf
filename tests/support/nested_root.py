"""Runs a command as root where root may make no user namespace, as in many containers.

    python nested_root.py COMMAND...

Real root first makes one namespace that knows all users, forbids any further ones in
there, and becomes the command inside it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def main() -> None:
    entered_read, entered_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    outside = os.getpid()
    if os.fork() == 0:
        os.close(entered_write)
        # The map is written from outside, by one who is still real root. Nothing to
        # read but the end of the pipe: the other could not enter.
        if os.read(entered_read, 1):
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{outside}/{name}").write_text("0 0 65536")
            os.write(mapped_write, b"x")
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        sys.exit("cannot make a user namespace")
    os.write(entered_write, b"x")
    os.close(mapped_write)
    if not os.read(mapped_read, 1):
        sys.exit("cannot map users into a user namespace")
    os.wait()
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
