"""Allowances: how many mutations a user may ask for in a minute, on all instances together.

No mutation waits for Redis. Each is let in and owed; what somebody owes is settled with the
quota in Redis behind their back, and when it is too much they wait until the quota takes it.
So a user is over by what an instance lets in between two settlements at most, and pays for it.

Who asks for less than a share of the quota is never settled and costs nothing: only so many
instances as there are shares could let a user do more than the quota by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import RateLimitError
from idling_ws.store.quotas import Quotas
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

WINDOW_S = 60.0
SHARES = 50
WHAT = "mutations"


class Allowances:
    """What each user owes here. ``refused`` counts mutations that were too many."""

    def __init__(self, quotas: Quotas, clock: Clock, *, per_minute: int) -> None:
        self._quotas = quotas
        self._clock = clock
        self._per_minute = per_minute
        self._share = max(1, per_minute // SHARES)
        self._owed: dict[int, int] = {}
        self._due: set[int] = set()
        self._held: dict[int, float] = {}
        self._wake = asyncio.Event()
        self._forget_at = clock.monotonic() + WINDOW_S
        self._tasks = Tasks()
        self.refused = 0

    def start(self) -> None:
        """Begin to settle."""
        self._tasks.start(self._run(), "allowances")

    async def stop(self) -> None:
        """Stop settling: what is still owed is let go."""
        await self._tasks.stop()

    def spend(self, user_id: int) -> None:
        """Let one mutation in. Raises ``RateLimitError`` while its user has had too many."""
        held_until = self._held.get(user_id)
        if held_until is not None:
            self.refused += 1
            left_ms = int(1000 * (held_until - self._clock.monotonic()))
            raise RateLimitError(retry_after_ms=max(100, left_ms))
        owed = self._owed[user_id] = self._owed.get(user_id, 0) + 1
        if owed >= self._share:
            self._due.add(user_id)
            self._wake.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest_s()):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._settle()
            except Exception:
                log.exception("allowances could not be settled")
                self._held.clear()  # a defect of ours holds nobody off
            self._forget()

    def _rest_s(self) -> float:
        next_at = min(self._held.values(), default=self._forget_at)
        return max(0.0, min(next_at, self._forget_at) - self._clock.monotonic())

    async def _settle(self) -> None:
        now = self._clock.monotonic()
        due, self._due = self._due, set()
        due.update([user_id for user_id, until in self._held.items() if until <= now])
        for user_id in due:
            owed = self._owed.get(user_id, 0)
            # More than the quota would never be taken.
            cost = min(owed, self._per_minute)
            wait_ms = await self._quotas.spend(WHAT, str(user_id), self._per_minute, cost) if cost else None
            if wait_ms is None:
                self._held.pop(user_id, None)
                left = self._owed.get(user_id, 0) - owed
                if left > 0:
                    self._owed[user_id] = left
                else:
                    self._owed.pop(user_id, None)
            else:
                self._held[user_id] = self._clock.monotonic() + wait_ms / 1000

    def _forget(self) -> None:
        """Drop, once a minute, what was too little to be settled."""
        if self._clock.monotonic() >= self._forget_at:
            self._forget_at = self._clock.monotonic() + WINDOW_S
            self._owed = {user_id: self._owed[user_id] for user_id in self._held}
