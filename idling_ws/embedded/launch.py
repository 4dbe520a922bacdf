"""The last step before a server's own code: run as a script, it becomes the server.

    python -I -S launch.py '{"parent": 1, "death_signal": 2, "folder": "...", "argv": [...]}'

Two things must be settled between fork and exec, and are done here, in a process of
its own, rather than in a copy of ours with its threads and its event loop:

- The server ends when we end, `kill -9` included (Linux's parent-death signal).
- PostgreSQL refuses to run as root. Root becomes an ordinary user for it, without
  adding one: in a user namespace, where files stay root's own; or, where that is
  not allowed (containers), as `nobody`, with the one capability to reach files in
  folders that only root may enter.

Standard library only, and nothing of ours: the interpreter starts without site.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

CANNOT_RUN = 126

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CLONE_NEWUSER = 0x10000000
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become the server that the one argument describes; on failure say why and exit with 126."""
    order = json.loads(sys.argv[1])
    argv: list[str] = order["argv"]
    try:
        if os.geteuid() == 0:
            _stop_being_root(Path(argv[0]), Path(order["folder"]))
        if sys.platform == "linux":
            # Last, for a change of user clears it. Whoever died before it was set is caught below.
            _call("prctl", _PR_SET_PDEATHSIG, order["death_signal"])
            if os.getppid() != order["parent"]:
                sys.exit(CANNOT_RUN)
        os.umask(0o077)
        os.execv(argv[0], argv)  # noqa: S606 - a path we were given, no shell
    except OSError as error:
        print(f"cannot run {argv[0]}: {error}", file=sys.stderr)
        sys.exit(CANNOT_RUN)


def _stop_being_root(binary: Path, folder: Path) -> None:
    """Become an ordinary user who can run `binary` and owns `folder`.

    Raises:
        OSError: no way of doing so works on this machine.
    """
    # A name in the user database is needed: initdb looks itself up.
    ordinary = next((user for user in pwd.getpwall() if user.pw_name == "nobody"), None) or next(
        user for user in pwd.getpwall() if user.pw_uid != 0
    )
    ways: list[tuple[int, Callable[[], None]]] = [
        (os.geteuid(), lambda: _enter_namespace(ordinary)),
        (ordinary.pw_uid, lambda: _change_user(ordinary)),
    ]
    for owner, become in ways:
        if _works(become, binary, folder.parent):
            _give(folder, owner)
            become()
            return
    raise PermissionError("root may neither make a user namespace nor change to another user here")


def _works(become: Callable[[], None], binary: Path, parent: Path) -> bool:
    """Try it in a child: half done there is no way back from either."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        become()
        os.close(os.open(binary, os.O_RDONLY))
        list(parent.iterdir())
    except OSError:
        os._exit(1)
    os._exit(0)


def _give(folder: Path, uid: int) -> None:
    """Make `uid` the owner of all in `folder`, if a start in the other way made another so."""
    if folder.stat().st_uid == uid:
        return
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            os.chown(os.path.join(parent, name), uid, -1, follow_symlinks=False)  # noqa: PTH118 - strings from walk
        os.chown(parent, uid, -1)


def _enter_namespace(user: pwd.struct_passwd) -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1")


def _change_user(user: pwd.struct_passwd) -> None:
    _call("prctl", _PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    reach = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; then the same for the capabilities above 31
    sets = (ctypes.c_uint32 * 6)(reach, reach, reach, 0, 0, 0)
    _call("capset", ctypes.byref(header), ctypes.byref(sets))
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _call(name: str, *arguments: object) -> None:
    # The kernel reads whole registers: an int of 32 bits would leave the upper half to chance.
    words = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    if getattr(_libc, name)(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
