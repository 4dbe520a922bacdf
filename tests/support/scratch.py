"""Where everything that the tests make lies: in memory, where there is room for it.

Each test has a database of its own, a copy of some six hundred small files; on a disk that
costs ten times the work of all that the test does with it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # where Linux has a folder in memory for everybody
ROOM_BYTES = 4 << 30
PREFIX = "idling-"
LOCK = ".held"


def settle() -> Path | None:
    """Have temporary files of this process and its children made in memory, in one folder that goes with it; return it.

    Nothing changes where memory is short, or somebody has named a place (``TMPDIR``), as who wants to look at
    what a test left behind does.
    """
    if "TMPDIR" in os.environ or not _has_room():
        return None
    _remove_left_over()
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=MEMORY))
    made.chmod(0o711)  # servers that must not run as root have their own folders in it
    # Held until this process ends, however that happens: so another can tell what is left over.
    held = os.open(made / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    folder = made.rename(MEMORY / made.name[1:])  # nobody takes for left over what is not yet held
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def _has_room() -> bool:
    try:
        free = shutil.disk_usage(MEMORY).free
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return False
    available = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
    return os.access(MEMORY, os.W_OK) and min(free, available) >= ROOM_BYTES


def _remove_left_over() -> None:
    """Remove the folders of runs that were killed."""
    for lock in MEMORY.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
