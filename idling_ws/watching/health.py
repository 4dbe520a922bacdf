"""Health: which parts of this instance work just now, since when not, and what people can notice of it.

    parts --every second--> conditions (a fault that lasts) --> operators
                       `--> what people can do just now ------> every device, when it changes

A condition begins once its fault has lasted as long as it must to be one, and ends once
all has been well for a while, so that what flickers is told once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from idling_ws.domain.clock import Clock
from idling_ws.domain.notices import CANARY_DEAF, CLOCK_JUMP, DATABASE_AWAY, DISK_FULL, ERRORS_MANY, REPLICA_AWAY
from idling_ws.tasks import Tasks
from idling_ws.watching.clock_watch import ClockWatch
from idling_ws.watching.disk import DiskWatch
from idling_ws.wire import frames

log = logging.getLogger(__name__)

TOPIC = "health"
LOOK_EVERY_S = 1.0
DISK_EVERY_LOOKS = 5
# So long the errors that a database which was away has left behind are not told as errors.
AFTERMATH_S = 60.0
# A database that missed one question is not away, and people are not told of it.
TOLD_AFTER_S = 2.0
ENDS_AFTER_S = 10.0
BEGINS_AFTER_S = {
    DATABASE_AWAY: 5.0,
    CANARY_DEAF: 10.0,
    REPLICA_AWAY: 10.0,
    DISK_FULL: 0.0,
    CLOCK_JUMP: 0.0,
    ERRORS_MANY: 0.0,
}


class OnCondition(Protocol):
    """Hears of a fault that began to last, or ended."""

    def __call__(self, kind: str, since: datetime, *, begins: bool) -> None:
        """Take note."""


def _ignore(kind: str, since: datetime, *, begins: bool) -> None:
    """Do nothing: nobody is to be told yet."""


@dataclass(slots=True)
class _Fault:
    """One kind of fault, as it stands: times by the steady clock, ``began_at`` by the time of day."""

    kind: str
    is_there: bool = False
    changed_at: float = float("-inf")
    began_at: datetime | None = None
    is_condition: bool = False


class Health:
    """The health of one instance. ``errors_last_minute`` counts faults of this side; ``max_errors`` are too many."""

    def __init__(
        self,
        clock: Clock,
        *,
        database_takes_changes: Callable[[], bool],
        redis_is_heard: Callable[[], bool],
        replicas_are_well: Callable[[], bool] = lambda: True,
        disk: DiskWatch,
        clock_watch: ClockWatch,
        errors_last_minute: Callable[[], int],
        max_errors: int,
    ) -> None:
        self._clock = clock
        self.database_takes_changes = database_takes_changes
        self._redis_is_heard = redis_is_heard
        self._replicas_are_well = replicas_are_well
        self.disk = disk
        self.clock_watch = clock_watch
        self._errors = errors_last_minute
        self._max_errors = max_errors
        self._faults = {kind: _Fault(kind) for kind in BEGINS_AFTER_S}
        self._told = self._abilities()
        self._looks = 0
        self._database_away_at = float("-inf")
        self._tasks = Tasks()
        self.notice: bytes | None = None
        """What a device that comes in is told, where there is something to tell."""
        self.on_change: Callable[[str, bytes], None] = lambda topic, notice: None
        self.on_condition: OnCondition = _ignore

    async def start(self) -> None:
        """Look once, and go on looking."""
        await self.disk.look()
        self.look()
        self._tasks.start(self._run(), "health")

    async def stop(self) -> None:
        """Stop looking."""
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._looks += 1
            try:
                if self._looks % DISK_EVERY_LOOKS == 0:
                    await self.disk.look()
                self.look()
            except Exception:
                log.exception("the health could not be looked at")

    # -- looking -------------------------------------------------------------------

    def look(self) -> None:
        """Take note of what is now, and tell whom it concerns."""
        self.clock_watch.look()
        now = self._clock.monotonic()
        takes_changes = self.database_takes_changes()
        self._note(DATABASE_AWAY, not takes_changes, now)
        self._note(CANARY_DEAF, not self._redis_is_heard(), now)
        self._note(REPLICA_AWAY, not self._replicas_are_well(), now)
        self._note(DISK_FULL, self.disk.is_full, now)
        self._note(CLOCK_JUMP, self.clock_watch.state != "ok", now)
        # Errors that come of a database that is away are told as that.
        if self._lasts(DATABASE_AWAY):
            self._database_away_at = now
        are_ours = takes_changes and now - self._database_away_at > AFTERMATH_S
        self._note(ERRORS_MANY, are_ours and self._errors() >= self._max_errors > 0, now)
        for fault in self._faults.values():
            self._settle(fault, now)
        abilities = self._abilities()
        if abilities != self._told:
            self._told = abilities
            notice = frames.notice(TOPIC, abilities)
            self.notice = None if all(abilities.values()) else notice
            self.on_change(TOPIC, notice)

    def _note(self, kind: str, is_there: bool, now: float) -> None:
        fault = self._faults[kind]
        if is_there == fault.is_there:
            return
        fault.is_there, fault.changed_at = is_there, now
        if is_there and not fault.is_condition:
            fault.began_at = self._clock.now()

    def _settle(self, fault: _Fault, now: float) -> None:
        lasts_s = now - fault.changed_at
        if fault.is_there and not fault.is_condition and lasts_s >= BEGINS_AFTER_S[fault.kind]:
            fault.is_condition = True
            log.warning("%s", fault.kind)
            self._tell(fault, begins=True)
        elif not fault.is_there and fault.is_condition and lasts_s >= ENDS_AFTER_S:
            fault.is_condition = False
            log.info("%s is over", fault.kind)
            self._tell(fault, begins=False)

    def _tell(self, fault: _Fault, *, begins: bool) -> None:
        assert fault.began_at is not None, "it has begun"  # noqa: S101 -- for the type checker
        self.on_condition(fault.kind, fault.began_at, begins=begins)

    # -- what is -------------------------------------------------------------------

    def conditions(self) -> list[tuple[str, datetime]]:
        """Return the kinds of fault that last, each with since when."""
        return [
            (fault.kind, fault.began_at)
            for fault in self._faults.values()
            if fault.is_condition and fault.began_at is not None
        ]

    def levels(self) -> list[tuple[str, float]]:
        """Return each kind of fault with whether it lasts, for ``/metrics``."""
        return [(fault.kind, float(fault.is_condition)) for fault in self._faults.values()]

    def parts(self) -> dict[str, str]:
        """Return the parts that nobody else looks at, as ``/readyz`` names them."""
        return {
            "disk": "full" if self.disk.is_full else "ok",
            "clock": self.clock_watch.state,
        }

    @property
    def abilities(self) -> dict[str, bool]:
        """What people can do just now, as devices were told."""
        return dict(self._told)

    def _abilities(self) -> dict[str, Any]:
        """Return what works for people: saving, pictures, and hearing at once what happens elsewhere."""
        saving = not self._lasts(DATABASE_AWAY)
        return {
            "saving": saving,
            "uploads": saving and not self._faults[DISK_FULL].is_there,
            "prompt": not self._lasts(CANARY_DEAF),
        }

    def _lasts(self, kind: str) -> bool:
        fault = self._faults[kind]
        return fault.is_there and self._clock.monotonic() - fault.changed_at >= TOLD_AFTER_S
