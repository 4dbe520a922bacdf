"""The names of things: ids that must not be mixed up, and how new ones are made.

Time and randomness come in from outside, so a test can hold both still.
"""

from __future__ import annotations

import os
from typing import NewType

UserId = NewType("UserId", int)
"""A user; also the stream of that user. ``ALL`` is the stream everybody shares."""

Mid = NewType("Mid", str)
"""A mutation id, chosen by the client: 1-64 characters of ``A-Za-z0-9_-``."""

ALL = UserId(0)


def uuid7(now_ms: int) -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7) for ``now_ms``, milliseconds since 1970."""
    noise = int.from_bytes(os.urandom(10), "big")
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | noise
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
