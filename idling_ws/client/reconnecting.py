"""When to come back after a connection ended: the bands of the close codes, and full jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

SHORTEST_S = 1.0
LONGEST_S = 60.0

# A connection that ends this soon after its welcome has not earned a fresh start.
STEADY_S = 5.0

TOKEN_INVALID = 4001
TOKEN_EXPIRED = 4203


class Band(Enum):
    """What a close code asks for (protocol section 2)."""

    STAY_AWAY = "do not reconnect unchanged"
    BACK_OFF = "reconnect with backoff"
    RETURN = "reconnect now and resume"


# RFC 6455 codes by which a server says that it goes, not that we did wrong.
_LEAVING = frozenset({1001, 1012})


def band_of(code: int) -> Band:
    """Return what ``code`` asks for; an unclean or unknown close asks for patience."""
    if 4000 <= code <= 4099:
        return Band.STAY_AWAY
    if 4200 <= code <= 4299 or code in _LEAVING:
        return Band.RETURN
    return Band.BACK_OFF


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended. 1006 stands for an end without a close frame (RFC 6455, 7.1.5)."""

    code: int = 1006
    reason: str = ""
    retry_ms: int | None = None
    welcomed: bool = False
    lasted_s: float = 0.0


class Reconnect:
    """Decides how long to stay away. Remembers how often in a row it went wrong."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    def delay_s(self, ending: Ending) -> float | None:
        """Return how long to wait before the next attempt; None means: do not come back."""
        band = band_of(ending.code)
        if band is Band.STAY_AWAY:
            return None
        steady = ending.welcomed and ending.lasted_s >= STEADY_S
        self._failures = 1 if steady else self._failures + 1
        asked_s = (ending.retry_ms or 0) / 1000
        # The server spreads its own retry_ms; without one, an invitation to return at once
        # counts once, so a server that keeps sending us away is not hammered.
        if band is Band.RETURN and ending.welcomed and self._failures <= 2:
            return asked_s or self._rng.uniform(0, 0.25)
        ceiling_s = min(LONGEST_S, SHORTEST_S * 2.0 ** min(self._failures, 10))
        return max(asked_s, self._rng.uniform(SHORTEST_S, ceiling_s))
