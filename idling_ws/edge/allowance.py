"""How much a socket may still say: a bucket of messages that fills with time.

A burst of three seconds' worth is free. Past that each message is refused, and still
counted; whoever goes as deep into debt as the burst was high is closed.
"""

from __future__ import annotations

BURST_S = 3.0


class Allowance:
    """The messages that one socket may send. ``per_s`` is the rate, ``now`` a monotonic time in seconds."""

    __slots__ = ("_at", "_left", "_per_s")

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._left = per_s * BURST_S
        self._at = now

    def refill(self, now: float) -> None:
        """Grant what has come together since the last time."""
        self._left = min(self._per_s * BURST_S, self._left + (now - self._at) * self._per_s)
        self._at = now

    def spend(self, messages: int) -> bool:
        """Take off ``messages``; False when the debt is too deep to go on."""
        self._left -= messages
        return self._left >= -self._per_s * BURST_S

    @property
    def is_spent(self) -> bool:
        """Whether a message is one too many."""
        return self._left < 0

    @property
    def wait_ms(self) -> int:
        """In how many milliseconds the next message is welcome."""
        return int(1000 * (1 - self._left) / self._per_s)
