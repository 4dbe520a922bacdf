"""The data folder: whose it is, who uses it now, and where its sockets fit.

    <data folder>/
      embedded.lock            held by the one process that runs the servers
      postgres/  redis/        the data
      run/                     sockets, and one lock for each server
      log/                     what they said; PostgreSQL's own log is in postgres/log

A lock is held by whoever has the file open, and the kernel lets go of it when the
last holder ends, however it ends. So no stale lock can be left behind, and the lock
of a server is free only when the last of its processes is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import socket
import tempfile
from pathlib import Path

from idling_ws.embedded.errors import OWN_SERVERS, EmbeddedServersError, explained

# The longest name we put into the socket folder.
LONGEST_SOCKET = ".s.PGSQL.5432"

PROBE_TIMEOUT_S = 2.0

# A fresh cluster and its first log segments take about 60 MB.
ROOM_FOR_A_START = 128 * 1024 * 1024


def prepare_folder(data_dir: Path) -> None:
    """Make the data folder and its rooms, private to us.

    Raises:
        EmbeddedServersError: it is not ours, not writable, or there is no room.
    """
    with explained("prepare the data folder", data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = data_dir.stat().st_uid
        if owner != os.geteuid():
            theirs, ours = _name_of(owner), _name_of(os.geteuid())
            raise EmbeddedServersError(
                f"The data folder {data_dir} belongs to {theirs}, and you are {ours}: "
                f"start as {theirs}, or set IDLING_DATA_DIR to a folder of your own."
            )
        for room in ("redis", "run", "log"):
            (data_dir / room).mkdir(mode=0o700, exist_ok=True)
        if not (data_dir / "postgres").exists() and shutil.disk_usage(data_dir).free < ROOM_FOR_A_START:
            raise EmbeddedServersError(
                f"Too little room on the disk of {data_dir}: {ROOM_FOR_A_START // 1024**2} MB are needed. "
                "Free some space there, or set IDLING_DATA_DIR to a folder on another disk."
            )


def lock_folder(data_dir: Path) -> int:
    """Take the folder for this process; return the open lock, to be closed at the end.

    Raises:
        EmbeddedServersError: another process has it.
    """
    path = data_dir / "embedded.lock"
    with explained("lock the data folder", path):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        taken = try_lock(lock)
    if not taken:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise EmbeddedServersError(
            f"The data folder {data_dir} is in use by another idling-ws (process {holder}). Stop that one, "
            f"or set IDLING_DATA_DIR to another folder. To run several on the same data, {OWN_SERVERS}."
        )
    with explained("lock the data folder", path):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def try_lock(descriptor: int) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def socket_folder(data_dir: Path) -> Path:
    """Return a private folder that sockets work in: `run/`, or a short one beside the system's.

    A socket's path may have 107 bytes at most, libpq reads a comma as the end of a
    path, and some file systems hold no sockets at all.

    Raises:
        EmbeddedServersError: there is no such folder.
    """
    run = data_dir / "run"
    if _holds_sockets(run):
        return run
    name = f"idling-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - checked below
        folder = Path(parent, name)
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            # Anybody may make a folder of that name there first: then it is not ours.
            status = folder.lstat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o170777 == 0o040700 and _holds_sockets(folder):
                return folder
    raise EmbeddedServersError(
        f"No folder for the servers' sockets: {run} is too long or holds none, nor do the temporary folders. "
        "Set IDLING_DATA_DIR to a folder with a shorter path."
    )


def announce(data_dir: Path, sockets: Path) -> None:
    """Write down where the sockets are, for other commands on this folder.

    Raises:
        EmbeddedServersError: it cannot be written.
    """
    with explained("write down where the sockets are", data_dir):
        (data_dir / "run" / "sockets").write_text(str(sockets))


def announced(data_dir: Path) -> Path | None:
    """Return the folder of sockets on which somebody answers now, None if nobody does."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        sockets = Path((data_dir / "run" / "sockets").read_text())
        probe.settimeout(PROBE_TIMEOUT_S)
        probe.connect(str(sockets / LONGEST_SOCKET))
        return sockets
    return None


def _holds_sockets(folder: Path) -> bool:
    if not re.fullmatch(r"[\w./+-]+", str(folder), re.ASCII):
        return False
    path = folder / LONGEST_SOCKET.replace("PGSQL", "PROBE")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except OSError:
            return False
    path.unlink(missing_ok=True)
    return True


def _name_of(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
