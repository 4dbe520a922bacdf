"""A timer wheel: one task wakes for everybody, instead of one timer a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from idling_ws.domain.clock import Clock
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

T = TypeVar("T")


class Wheel(Generic[T]):
    """Calls ``on_due`` with everything whose time has come, a few times a second at most.

    ``tick_s`` is the resolution; what lies further ahead than the wheel has slots goes round
    again, because ``on_due`` schedules it anew. Adding and forgetting cost one dictionary step.
    """

    def __init__(
        self, clock: Clock, on_due: Callable[[list[T]], Awaitable[None]], *, tick_s: float, slots: int
    ) -> None:
        self._clock = clock
        self._on_due = on_due
        self._tick_s = tick_s
        self._slots: list[dict[T, None]] = [{} for _ in range(slots)]
        self._place: dict[T, int] = {}
        self._turn = 0
        self._tasks = Tasks()

    def start(self) -> None:
        """Start turning."""
        self._tasks.start(self._run(), "wheel")

    async def stop(self) -> None:
        """Stop turning."""
        await self._tasks.stop()

    def schedule(self, thing: T, delay_s: float) -> None:
        """Let ``thing`` be due in ``delay_s``, rounded up to a tick; replaces its former time."""
        self.forget(thing)
        ticks = min(len(self._slots) - 1, max(1, -int(-delay_s // self._tick_s)))
        slot = (self._turn + ticks) % len(self._slots)
        self._slots[slot][thing] = None
        self._place[thing] = slot

    def forget(self, thing: T) -> None:
        """Take ``thing`` off; harmless when it is not on."""
        slot = self._place.pop(thing, None)
        if slot is not None:
            self._slots[slot].pop(thing, None)

    async def turn(self) -> None:
        """Go one tick on and call ``on_due`` with what is there."""
        self._turn = (self._turn + 1) % len(self._slots)
        due, self._slots[self._turn] = list(self._slots[self._turn]), {}
        for thing in due:
            self._place.pop(thing, None)
        if due:
            await self._on_due(due)

    async def _run(self) -> None:
        next_turn = self._clock.monotonic() + self._tick_s
        while True:
            await asyncio.sleep(max(0.0, next_turn - self._clock.monotonic()))
            next_turn += self._tick_s
            try:
                await self.turn()
            except Exception:
                log.exception("a turn of the wheel failed")
