"""Admission: who may come in while this instance has more to do than it can.

Whoever is in stays in: heartbeats, changes and what is delivered are never put off for
newcomers. It is the coming in that costs (a question to the database each, and often a whole
state), and when everybody comes at once, those at the end of the line are sent away at the
beginning of it, each for a different while:

    too many connected, or the loop is late   503 with Retry-After, before the upgrade
    too many between hello and welcome        4100 with retry_ms

What only reads over HTTP is put off as well while the loop is late.

Who listens over HTTP waits while the database is away, as a socket that is open does:
sent away again and again they would back off, and stay away long after it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import TooManyError, UnavailableError

LOOK_EVERY_S = 0.25
# The loop is late once it was at every one of so many looks: a hiccup is no reason to turn anybody away.
LOOKS = 4
# So many devices a second may come back to one instance that sends them away or leaves.
COMEBACKS_PER_S = 500
SHORTEST_SPREAD_MS = 1000
LONGEST_SPREAD_MS = 60_000
# The least that the protocol lets a client wait after 41xx.
SHORTEST_RETRY_MS = 1000
# How often it is asked, for each who waits, whether the database is back.
ASK_AGAIN_S = 1.0

Result = TypeVar("Result")


def spread_ms(devices: int) -> int:
    """Return over how long so many devices should come back: the more, the longer."""
    return min(LONGEST_SPREAD_MS, max(SHORTEST_SPREAD_MS, 1000 * devices // COMEBACKS_PER_S))


def comeback_ms(devices: int) -> int:
    """Return when one of so many should come back."""
    return random.randrange(spread_ms(devices))  # noqa: S311 -- spreads load, guards nothing


class Admission:
    """Counts who is coming in, and how late the loop is. ``connected`` says how many are there."""

    def __init__(
        self,
        clock: Clock,
        connected: Callable[[], int],
        *,
        max_connections: int,
        max_arriving: int,
        max_lag_s: float,
    ) -> None:
        self._clock = clock
        self._connected = connected
        self._max_connections = max_connections
        self._max_arriving = max_arriving
        self._max_lag_s = max_lag_s
        self._looks: deque[float] = deque((0.0,) * LOOKS, LOOKS)
        self.on_lag: Callable[[float], None] = lambda lag_s: None
        self.arriving = 0
        self.refused = 0
        self.put_off = 0
        self.waiting = 0

    async def watch(self) -> None:
        """Look how late the loop is, until cancelled."""
        while True:
            due = self._clock.monotonic() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            self.note_lag(max(0.0, self._clock.monotonic() - due))

    def note_lag(self, lag_s: float) -> None:
        """Take one look in."""
        self._looks.append(lag_s)
        self.on_lag(lag_s)

    @property
    def is_late(self) -> bool:
        """Whether the loop has been late for a while."""
        return min(self._looks) > self._max_lag_s

    def check_connect(self) -> None:
        """Let a connection begin. Raises ``UnavailableError`` with when to try again."""
        if self.is_late or self._connected() >= self._max_connections:
            raise self._refusal()

    @contextlib.contextmanager
    def coming_in(self) -> Iterator[None]:
        """Count somebody from hello to welcome. Raises ``UnavailableError`` with when to try again."""
        if self.arriving >= self._max_arriving:
            raise self._refusal()
        self.arriving += 1
        try:
            yield
        finally:
            self.arriving -= 1

    async def when_it_can(
        self, work: Callable[[], Awaitable[Result]], until: float, is_over: Callable[[], bool]
    ) -> Result:
        """Do what needs the database as soon as it answers, by the steady clock's ``until`` at the latest.

        Raises ``UnavailableError`` when it does not, once ``is_over()``, and where that says when to try again.
        """
        while True:
            try:
                return await work()
            except UnavailableError as error:
                is_late = self._clock.monotonic() + ASK_AGAIN_S > until
                if error.retry_after_ms is not None or is_late or is_over():
                    raise
            self.waiting += 1
            try:
                await asyncio.sleep(random.uniform(0.5, 1.0) * ASK_AGAIN_S)  # noqa: S311 -- spreads load, guards nothing
            finally:
                self.waiting -= 1

    def check_read(self) -> None:
        """Let a read go on. Raises ``UnavailableError`` with when to try again."""
        if self.is_late:
            self.put_off += 1
            raise TooManyError(message="Too much is going on just now. Ask again.", retry_after_ms=self.retry_ms())

    def _refusal(self) -> TooManyError:
        self.refused += 1
        return TooManyError(message="Too many are coming in just now. Try again.", retry_after_ms=self.retry_ms())

    def retry_ms(self) -> int:
        """Return when somebody who was sent away may come again: not together with the others."""
        return SHORTEST_RETRY_MS + comeback_ms(max(self._connected(), 2 * self._max_arriving))
