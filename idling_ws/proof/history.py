"""The history: JSON lines of what clients sent and saw, written as it happens.

Each line is an object with ``op``, the time ``t`` (Unix seconds) and, unless it speaks
of a whole run or user, the device ``d``. One file for each process of a load test; a
device is in one file only, and its lines are in the order in which things happened.

    op        fields beside t and d
    run       format, run, process, scenario, seed, urls       the first line
    device    user
    connect   via, url, cursor (or null)
    welcome   via, head, resumed, reason, state (digest, or null when resumed)
    send      mid, name, request (digest), via
    entry     stream, seq, digest, outcome (applied, known, gap), and on the user's
              stream: effects (kinds), versions {profile, preferences} where patched,
              and of a verdict: mid, status, verdict (digest), code
    verdict   mid, status, verdict (digest), seq, duplicate, via, code, request (digest or null)
    error     code, mid                                        that sending consumed nothing
    resume    cursor                                           the client saw a gap
    close     via, code
    fault     name, what                                       for people
    snapshot  user, cursor, state (digest); t is when it was asked for
    final     cursor, state (digest), goal (the cursor to be reached, null if the
              run was broken off), unsettled (mids without a verdict)
    end       lines                                            the last line: how many came before

A digest is 16 hexadecimal digits over canonical JSON, see ``digests``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

FORMAT = "idling-history.1"

# Lines are gathered and written in pieces of this size; a crash loses the last piece,
# and the missing ``end`` tells the checker so.
BUFFER_BYTES = 256 * 1024


class Recorder:
    """Writes one file of a history. Use as a context manager; leaving it writes the ``end``."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lines = 0
        self._file = path.open("wb", buffering=BUFFER_BYTES)

    def write(self, op: str, **fields: Any) -> None:
        """Append one line, stamped with the time unless ``t`` is given."""
        record = {"op": op, "t": round(self._clock(), 6), **fields}
        self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._lines += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # Without an end the checker knows that something is missing.
        if kind is None:
            self.write("end", lines=self._lines)
        self._file.close()
