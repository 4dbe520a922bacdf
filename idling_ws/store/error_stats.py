"""How many errors each instance answered, by hour, code and route, where they outlive the instance.

What is written is the number so far, never a difference: a write that is repeated, or
whose answer was lost, counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import CODES
from idling_ws.store.postgres import Database

Counted = tuple[str, str]
"""Code and route."""

# What a browser reports has names of its own, which are no codes of the wire.
_UNKNOWN = "system"


class ErrorStats:
    """The errors of one instance. ``totals`` returns those since its start, by code and route."""

    def __init__(
        self, database: Database, instance: str, clock: Clock, totals: Callable[[], Mapping[Counted, int]]
    ) -> None:
        self._database = database
        self._instance = instance
        self._clock = clock
        self._totals = totals
        self._before: dict[Counted, int] = {}
        # Hours not written yet, or that still go on. A day without a database is some kilobytes.
        self._hours: dict[datetime, dict[Counted, int]] = {}
        self._written: dict[datetime, dict[Counted, int]] = {}

    async def flush(self) -> None:
        """Write what was counted since the last time. Raises ``UnavailableError``, and keeps it then."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        self._count(hour)
        for at in sorted(self._hours):
            await self._write(at)
            if at != hour:
                del self._hours[at]
                self._written.pop(at, None)

    def _count(self, hour: datetime) -> None:
        """Put down what is new since the last look, which is seconds old, for this hour."""
        totals = dict(self._totals())
        counts = self._hours.setdefault(hour, {})
        for counted, total in totals.items():
            new = total - self._before.get(counted, 0)
            if new:
                counts[counted] = counts.get(counted, 0) + new
        self._before = totals

    async def _write(self, hour: datetime) -> None:
        written = self._written.setdefault(hour, {})
        changed = {one: count for one, count in self._hours[hour].items() if written.get(one) != count}
        if not changed:
            return
        keys = sorted(changed)
        await self._database.run(
            "INSERT INTO error_routes (hour, instance, class, code, route, count) "
            "SELECT %s, %s, v.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) "
            "AS v (class, code, route, count) "
            "ON CONFLICT (hour, instance, code, route) DO UPDATE SET count = EXCLUDED.count",
            (
                hour,
                self._instance,
                [CODES[code].error_class if code in CODES else _UNKNOWN for code, _ in keys],
                [code for code, _ in keys],
                [route for _, route in keys],
                [changed[key] for key in keys],
            ),
        )
        written |= changed
