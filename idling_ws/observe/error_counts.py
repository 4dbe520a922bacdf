"""What went wrong since the start: by code and by where it went wrong, in a table that cannot grow without end.

A *route* is the pattern of an HTTP route, or ``ws``, ``job``, ``browser``: never what a client made up.
Beside the sums there is the last minute of what is grave, which is a fault of ours and not of who asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import CODES

WS, JOB, BROWSER = "ws", "job", "browser"
UNMATCHED = "unmatched"
"""The route of a request that leads nowhere."""
OTHER = "other"
"""Where the rest is counted once there are too many."""
MAX_COUNTS = 2000
WINDOW_S = 60
_GRAVE_CLASSES = frozenset({"system", "database"})


def is_grave(code: str) -> bool:
    """Whether an error is a fault of this side: of class ``system`` or ``database``, or answered with 5xx."""
    fault = CODES.get(code)
    return fault is None or fault.error_class in _GRAVE_CLASSES or fault.status >= 500


class ErrorCounts:
    """The errors of this process since its start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], int] = {}
        # Whole seconds and how many grave ones there were in each: a minute of them at most.
        self._grave: deque[tuple[int, int]] = deque(maxlen=WINDOW_S + 1)

    def add(self, code: str, route: str, count: int = 1, *, is_a_fault: bool = True) -> None:
        """Count an error; what is no fault, whatever its code says, is not grave."""
        key = (code, route)
        if key not in self._counts and len(self._counts) >= MAX_COUNTS:
            key = (code, OTHER)
        self._counts[key] = self._counts.get(key, 0) + count
        # What browsers report anybody can make up: nobody is woken by it.
        if is_a_fault and route != BROWSER and is_grave(code):
            second = int(self._clock.monotonic())
            if self._grave and self._grave[-1][0] == second:
                self._grave[-1] = (second, self._grave[-1][1] + count)
            else:
                self._grave.append((second, count))

    def totals(self) -> Mapping[tuple[str, str], int]:
        """Return how often each ``(code, route)`` was counted."""
        return self._counts

    def grave_last_minute(self) -> int:
        """Return how many errors of the last minute were faults of this side."""
        since = self._clock.monotonic() - WINDOW_S
        return sum(count for second, count in self._grave if second > since)
