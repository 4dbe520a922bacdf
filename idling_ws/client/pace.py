"""Keeping to the server's message rate, so that a long outbox does not end in 4101."""

from __future__ import annotations


class Pace:
    """A token bucket: one second's worth of messages at once, then the steady rate."""

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._room = max(1.0, per_s)
        self._at = now

    def next_at(self, now: float) -> float:
        """Return when the next message may go, in loop time; ``now`` when at once."""
        self._refill(now)
        return now if self._room >= 1.0 else now + (1.0 - self._room) / self._per_s

    def spend(self, now: float) -> None:
        """Count one message. Control frames go out in debt rather than late."""
        self._refill(now)
        self._room -= 1.0

    def _refill(self, now: float) -> None:
        self._room = min(max(1.0, self._per_s), self._room + (now - self._at) * self._per_s)
        self._at = now
