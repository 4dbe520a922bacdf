"""An instance whose time of day a test sets while it runs, as somebody sets the clock of a machine.

libfaketime answers for the clock of that one process: it reads the file that says how far off it is each
time anew, and leaves the steady clock alone, as the kernel does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.support.instances import Instance

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")


class LibraryMissingError(RuntimeError):
    """No libfaketime on this machine; the message says what to install."""


def find_faketime() -> Path:
    """Return the library, made for threads. Raises ``LibraryMissingError``."""
    for place in _PLACES:
        for found in sorted(Path("/").glob(f"{place[1:]}/libfaketimeMT.so.1")):
            return found
    raise LibraryMissingError("no libfaketime: apt-get install libfaketime")


class SetClockInstance(Instance):
    """An instance with a clock of its own."""

    def __init__(self, database_url: str, redis_url: str, **settings: Any) -> None:
        super().__init__(database_url, redis_url, **settings)
        self._library = find_faketime()
        self._said = self.folder / "off"
        self.set_clock(0)

    def set_clock(self, off_s: int) -> None:
        """Let its time of day be off by so much from now on."""
        following = self._said.with_suffix(".new")
        following.write_text(f"{off_s:+d}\n")
        following.replace(self._said)

    def _command(self) -> list[str]:
        words = super()._command()
        at = words.index(sys.executable)
        words[at:at] = [
            f"LD_PRELOAD={self._library}",
            f"FAKETIME_TIMESTAMP_FILE={self._said}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
        ]
        return words
