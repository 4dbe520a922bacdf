"""Mutation ids: UUIDv7 (RFC 9562), so they sort by the time they were made."""

from __future__ import annotations

import secrets
import time


def new_mid() -> str:
    """Return a fresh id, unique over all clients, as 32 hexadecimal digits."""
    now_ms = time.time_ns() // 1_000_000
    low = secrets.randbits(74)
    value = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (low >> 62) << 64 | 0b10 << 62 | low & (1 << 62) - 1
    return f"{value:032x}"
