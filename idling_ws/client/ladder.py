"""The ladder of transports: which one to try next, and when to try a better one again."""

from __future__ import annotations

from collections.abc import Sequence

from idling_ws.client.reconnecting import Ending

SOCKET = "ws"
STREAM = "sse"
POLL = "poll"
ALL_TRANSPORTS = (SOCKET, STREAM, POLL)

TRIES = 2
FIRST_CLIMB_S = 60.0
LONGEST_CLIMB_S = 900.0


class Ladder:
    """Steps down where a transport does not get through, and tries the top again now and then."""

    def __init__(self, transports: Sequence[str] = ALL_TRANSPORTS) -> None:
        unknown = set(transports) - set(ALL_TRANSPORTS)
        if unknown or not transports:
            raise ValueError(f"transports are {', '.join(ALL_TRANSPORTS)}, not {transports!r}")
        self._rungs = tuple(transports)
        self._at = 0
        self._failures = 0
        self._climb_s = FIRST_CLIMB_S
        self._climbing_from: int | None = None

    @property
    def current(self) -> str:
        """The transport to use now."""
        return self._rungs[self._at]

    @property
    def climb_after_s(self) -> float | None:
        """How long to stay on this rung before the best is tried again; None on the top."""
        return self._climb_s if self._at else None

    def climb(self) -> None:
        """Try the best transport once more."""
        self._climbing_from, self._at = self._at, 0
        self._failures = 0

    def ended(self, ending: Ending) -> None:
        """Take note of how the last line ended."""
        if ending.welcomed:
            self._failures = 0
            if self._climbing_from is not None:
                self._climbing_from, self._climb_s = None, FIRST_CLIMB_S
            return
        if ending.code >= 4000:
            # The server itself answered: the way is open, it is the server that wants us gone.
            return
        if self._climbing_from is not None:
            self._at, self._climbing_from = self._climbing_from, None
            self._climb_s = min(LONGEST_CLIMB_S, 2 * self._climb_s)
            return
        self._failures += 1
        if self._failures >= TRIES:
            # Below the last rung comes the first: with no network at all, any may be the one that works.
            self._at = (self._at + 1) % len(self._rungs)
            self._failures = 0
