"""The one error of the embedded servers, in words for whoever typed the command."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWN_SERVERS = "set IDLING_DATABASE_URL and IDLING_REDIS_URL to servers of your own"

_ELSEWHERE = "or set IDLING_DATA_DIR to a folder on another disk."

_CURES = {
    errno.ENOSPC: f"The disk is full: free some space there, {_ELSEWHERE}",
    errno.EDQUOT: f"Your quota is used up: free some space there, {_ELSEWHERE}",
    errno.EROFS: "That place is read-only: set IDLING_DATA_DIR to a folder you can write to.",
    errno.EACCES: "You may not write there: set IDLING_DATA_DIR to a folder of your own.",
    errno.EPERM: "You may not do that there: set IDLING_DATA_DIR to a folder of your own.",
    errno.ENOTDIR: "A file stands where a folder is needed: set IDLING_DATA_DIR to a folder.",
    errno.EEXIST: "A file stands where a folder is needed: set IDLING_DATA_DIR to a folder.",
}

_CURES_BY_WORDS = {
    "No space left on device": _CURES[errno.ENOSPC],
    "Disk quota exceeded": _CURES[errno.EDQUOT],
    "Read-only file system": _CURES[errno.EROFS],
    "Permission denied": _CURES[errno.EACCES],
}


class EmbeddedServersError(RuntimeError):
    """The embedded servers cannot run. The message says why and what to do about it."""


def cure_for(said: str) -> str:
    """Return what to do about what a server printed before it gave up."""
    for words, cure in _CURES_BY_WORDS.items():
        if words in said:
            return cure
    return f"Read on in the log, or {OWN_SERVERS}."


@contextmanager
def explained(doing: str, folder: Path) -> Iterator[None]:
    """Turn an OSError about files into our error.

    Raises:
        EmbeddedServersError: in place of any OSError from inside.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        cure = _CURES.get(error.errno or 0, f"Mend that, or {OWN_SERVERS}.")
        raise EmbeddedServersError(f"Cannot {doing}: {where}: {error.strerror or error}. {cure}") from error
