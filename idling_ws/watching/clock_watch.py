"""The clock of this machine, watched: whoever sets it moves the time of day and not the steady time.

Durations here go by the steady clock, so that nothing ends early or late by it. What has to
go by the time of day, for other machines go by it too, is told when it moved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from idling_ws.domain.clock import Clock

log = logging.getLogger(__name__)

# Far more than a clock is slewed by in a second (RFC 5905: half a millisecond), and than a read may be late.
JUMP_S = 2.0
NOTED_S = 60.0


class ClockWatch:
    """Looks for jumps. ``jumps`` counts them, ``last_jump_s`` is how far the last one went."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart = self._difference()
        self._jumped_at: float | None = None
        self.jumps = 0
        self.last_jump_s = 0.0
        self.on_jump: Callable[[], None] = lambda: None

    def look(self) -> None:
        """Compare the two clocks with how they stood at the last look."""
        apart = self._difference()
        jump_s, self._apart = apart - self._apart, apart
        if abs(jump_s) < JUMP_S:
            return
        self.jumps += 1
        self.last_jump_s = jump_s
        self._jumped_at = self._clock.monotonic()
        log.warning("the clock of this machine jumped by %.1f s", jump_s)
        self.on_jump()

    @property
    def has_jumped(self) -> bool:
        """Whether it jumped within the last minute."""
        return self._jumped_at is not None and self._clock.monotonic() - self._jumped_at < NOTED_S

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
