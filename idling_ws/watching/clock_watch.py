"""The clock of this machine, watched: whoever sets it moves the time of day and not the steady time.

Durations here go by the steady clock, and what has to be a time of day goes by that of the place
(``time_of_day``), so that nothing ends early or late by it. What other machines see of it is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from idling_ws.watching.time_of_day import JUMP_S, TimeOfDay

log = logging.getLogger(__name__)

NOTED_S = 60.0


class ClockWatch:
    """Looks for jumps. ``jumps`` counts them, ``last_jump_s`` is how far the last one went."""

    def __init__(self, time_of_day: TimeOfDay) -> None:
        self._time = time_of_day
        self._apart = time_of_day.machine_apart()
        self._moved_at: float | None = None
        self.jumps = 0
        self.last_jump_s = 0.0
        self.on_jump: Callable[[], None] = lambda: None

    def look(self) -> None:
        """Compare the two clocks with how they stood at the last look."""
        apart = self._time.machine_apart()
        jump_s, self._apart = apart - self._apart, apart
        before = self._time.now()
        self._time.settle()
        moved = abs((self._time.now() - before).total_seconds()) >= JUMP_S
        if moved:
            self._moved_at = self._time.monotonic()
        has_jumped = abs(jump_s) >= JUMP_S
        if has_jumped:
            self.jumps += 1
            self.last_jump_s = jump_s
            log.warning("the clock of this machine jumped by %.1f s", jump_s)
        if moved or has_jumped:
            self.on_jump()

    @property
    def off_s(self) -> float:
        """How far the machine's time of day is ahead of the place's."""
        return self._time.machine_off_s

    @property
    def state(self) -> str:
        """``off`` while the machine's clock is wrong, ``jumped`` for a minute after the time moved, else ``ok``."""
        if abs(self.off_s) >= JUMP_S:
            return "off"
        if self._moved_at is not None and self._time.monotonic() - self._moved_at < NOTED_S:
            return "jumped"
        return "ok"
