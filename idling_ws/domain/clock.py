"""Time, passed in: a wall clock for what people read, a steady one for deadlines."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where every part of the server reads the time."""

    def now(self) -> datetime:
        """Return the time of day in UTC, whole milliseconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time of day in UTC, cut to the milliseconds that go on the wire."""
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """Return ``moment`` (UTC) as RFC 3339 with milliseconds and ``Z``: one spelling everywhere."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def unix_ms(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_unix_ms(milliseconds: int) -> datetime:
    """Return the moment that ``unix_ms`` made of it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
