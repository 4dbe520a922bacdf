"""A lease in Redis: what one instance does for all, where those who profit by it hear of it over Redis, too.

Whoever cannot reach Redis cannot hold it, so nobody keeps others waiting for what they will never hear. A
lease that Redis forgets is taken anew, and for a moment two may hold it: for what must not happen twice
there are those of the database (``store.leases``).
"""

from __future__ import annotations

from typing import Any

from idling_ws.delivery.redis_line import Command
from idling_ws.domain.clock import Clock

# Longer than whoever holds it needs for one turn, an operation of the database that is given up among it.
LEASE_S = 5.0


class RedisLease:
    """One lease as one instance sees it. What is to be sent is returned, so that it goes with what else there is."""

    def __init__(self, key: str, holder: str, clock: Clock) -> None:
        self._key = key
        self._holder = holder
        self._clock = clock
        self._until = 0.0
        self._asked_at = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether this instance holds it, by its own clock: for less long than Redis thinks so."""
        return self._clock.monotonic() < self._until

    def take(self) -> list[Command]:
        """Return what takes it if it is free, and asks who has it."""
        self._asked_at = self._clock.monotonic()
        return [("SET", self._key, self._holder, "NX", "PX", _ms(LEASE_S)), ("GET", self._key)]

    def took(self, replies: list[Any]) -> bool:
        """Learn from the replies to ``take`` whether it is this instance's, which then extends it, and return that."""
        is_ours = bool(replies[1] == self._holder.encode())
        self._until = self._asked_at + LEASE_S if is_ours else 0.0
        return is_ours

    def lose(self) -> None:
        """Count as not held: Redis does not say."""
        self._until = 0.0

    def extend(self) -> Command:
        """Return what prolongs it; for its holder."""
        self._until = self._clock.monotonic() + LEASE_S
        return ("PEXPIRE", self._key, _ms(LEASE_S))

    def give_up(self) -> Command:
        """Return what lets it go; for its holder."""
        self._until = 0.0
        return ("DEL", self._key)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
