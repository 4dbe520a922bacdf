"""The time of day of the place, which goes on whatever somebody sets the clock of a machine to.

    the machine's time of day --small corrections-->
    the machine's steady clock ---------------------> the time of day that everything here goes by
    the database's time of day --which of two is right->

It is the steady clock's, moved to where the machine's time of day lies, and it follows that
only in small steps. When the two come apart, the database's time decides, by which all
instances of a place agree: so a token signed on one machine is of today on every other.
"""

from __future__ import annotations

from datetime import UTC, datetime

from idling_ws.domain.clock import Clock, SystemClock
from idling_ws.store.notices import database_time
from idling_ws.store.postgres import Database

# Far more than a clock is slewed by in a second (RFC 5905: half a millisecond), and than a read may be late.
JUMP_S = 2.0
# An answer that took longer says too little of what time it is.
_FRESH_S = 1.0


class TimeOfDay:
    """A clock over that of a machine. Everything in here is a distance from the steady clock, in seconds."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._ours = self.machine_apart()
        self._database: float | None = None

    def now(self) -> datetime:
        """Return the time of day in UTC, cut to the milliseconds that go on the wire."""
        moment = datetime.fromtimestamp(self._machine.monotonic() + self._ours, UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._machine.monotonic()

    def machine_apart(self) -> float:
        """Return how far the machine's time of day lies from the steady clock."""
        return self._machine.now().timestamp() - self._machine.monotonic()

    async def ask(self, database: Database) -> None:
        """Hear what time it is in the database. Raises ``UnavailableError``."""
        asked_at = self.monotonic()
        self.hear(await database_time(database), asked_at)

    def hear(self, told: datetime, asked_at: float) -> None:
        """Take note of what the database said that the time was, having been asked at ``asked_at``.

        The first time it is believed at once: a machine may have started with a wrong clock.
        """
        took_s = self.monotonic() - asked_at
        if took_s > _FRESH_S:
            return
        is_first, self._database = self._database is None, told.timestamp() - asked_at - took_s / 2
        if is_first and abs(self._database - self._ours) >= JUMP_S:
            self._ours = self._database

    def settle(self) -> None:
        """Follow the machine in small steps; in a large one, whatever the database agrees with."""
        machine, database = self.machine_apart(), self._database
        if abs(machine - self._ours) < JUMP_S or database is None:
            self._ours = machine
        elif abs(database - self._ours) >= JUMP_S:
            self._ours = database  # it and the machine say so; or nobody agrees, and it is what all instances share

    @property
    def machine_off_s(self) -> float:
        """How far the machine's time of day is ahead of ours."""
        return self.machine_apart() - self._ours


async def open_clock(database: Database) -> TimeOfDay:
    """Return the time of day over this machine's clock and an open database. Raises ``UnavailableError``."""
    clock = TimeOfDay(SystemClock())
    await clock.ask(database)
    return clock
