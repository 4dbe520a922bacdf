"""A clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self._steady = 1000.0

    def now(self) -> datetime:
        """The time of day."""
        return self._now

    def monotonic(self) -> float:
        """The steady time."""
        return self._steady

    def set_time_of_day(self, seconds: float) -> None:
        """Let somebody set the clock: the time of day jumps, the steady time does not."""
        self._now += timedelta(seconds=seconds)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._steady += seconds
