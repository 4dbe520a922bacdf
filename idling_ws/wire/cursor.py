"""Cursors: how far a client has applied both streams, as text.

``<epoch>.<user seq>.<all seq>``. The epoch names one life of the log; a cursor of
another life says nothing about this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from idling_ws.domain.errors import InvalidError

# 18 digits stay inside a signed 64-bit integer, which is what the database holds.
_SHAPE = re.compile(r"([A-Za-z0-9_-]{1,32})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in both streams of one user."""

    epoch: str
    user_seq: int
    all_seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.user_seq}.{self.all_seq}"


def parse_cursor(text: object) -> Cursor:
    """Return the cursor that ``text`` spells. Raises ``InvalidError("bad_cursor")``."""
    match = _SHAPE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidError("bad_cursor")
    return Cursor(match[1], int(match[2]), int(match[3]))
